//! Reads the definition that a workflow role does not have in its properties, but in a local file or in S3.

use std::cell::RefCell;
use std::path::Path;

use mlops_roles_core::text::shown;
use serde_json::{Map, Value, json};

use crate::document::definition;
use crate::repository::{Repository, text_of};
use crate::symbol::Symbols;
use crate::template::Findings;

/// The property of a workflow role that says where its definition is: `{Bucket, Key, Version}`.
pub const LOCATION: &str = "DefinitionS3Location";

/// A state machine of the template that has its definition in a file or an object.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// The logical id.
    id: &'a str,
    /// The property with the location: `DefinitionUri` or `DefinitionS3Location`.
    property: &'a str,
    /// The location as the template has it.
    location: &'a Value,
}

/// What the definition of one workflow role can be read from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// The logical id of the role.
    pub id: &'a str,
    /// The file that `--definition` gives for the role.
    pub given: Option<&'a str>,
    /// The repository of the template; `None` for an event, which can't name a local file.
    pub repository: Option<&'a Repository>,
    /// The state machines of the template that run with the role.
    pub machines: Vec<Machine<'a>>,
}

impl Sources<'_> {
    /// Replaces `DefinitionS3Location` by the `Definition` that it leads to. What is assumed becomes a note, and what
    /// can't be read becomes a fault.
    ///
    /// A value that the function would refuse anyway stays.
    pub fn fill_in(&self, properties: &mut Value, symbols: &RefCell<Symbols>, findings: &mut Findings) {
        let Some(properties) = properties.as_object_mut() else { return };
        let has_other = ["Definition", "Integrations"].iter().any(|name| properties.contains_key(*name));
        let Some(location) = properties.get(LOCATION) else {
            if self.given.is_some() {
                findings.faults.insert(format!(
                    "`--definition {}`: the resource has no `DefinitionS3Location`; leave the option out",
                    self.id
                ));
            }
            if !has_other {
                findings.notes.extend(self.machines.iter().map(Machine::is_not_read));
            }
            return;
        };
        if has_other {
            return;
        }
        let Some(read) = self.read(location, symbols, findings) else { return };
        let found = read.unwrap_or_else(|why| {
            findings.faults.insert(why);
            // The errors that would follow from the missing definition would only distract.
            for name in ["ResourceOverrides", "TaskActions"] {
                properties.remove(name);
            }
            json!({ "StartAt": "Unread", "States": { "Unread": { "Type": "Succeed" } } })
        });
        replace(properties, found);
    }

    /// Reads the definition at a location. Returns `None` for a location that the function refuses itself.
    fn read(
        &self,
        location: &Value,
        symbols: &RefCell<Symbols>,
        findings: &mut Findings,
    ) -> Option<Result<Value, String>> {
        match location {
            Value::String(text) if !symbols.borrow().is_in(text) => {
                let repository = self.repository?;
                if text.contains("://") {
                    return Some(Err(format!(
                        "`{LOCATION}`: found {}, expected `{{Bucket, Key, Version}}` or the path of a local file",
                        shown(text)
                    )));
                }
                findings.notes.insert(format!(
                    "`{LOCATION}`: {} is a local file, but the function takes only `{{Bucket, Key, Version}}`, and no \
                     command replaces the path in a custom resource; upload the file before the deployment",
                    shown(text)
                ));
                Some(self.given.map_or_else(|| local(repository, LOCATION, text), |file| self.of_option(file)))
            }
            Value::Object(object) if !(object.contains_key("Bucket") && object.contains_key("Key")) => None,
            Value::String(_) | Value::Object(_) => Some(match (self.given, self.repository, self.local_machine()) {
                (Some(file), ..) => self.of_option(file),
                (None, Some(repository), Some((machine, path))) => {
                    let Machine { id, property, .. } = machine;
                    findings.notes.insert(format!(
                        "`{LOCATION}`: the object is assumed to be the file of `{property}` of `{id}`; if it is \
                         another one, set `--definition {}=FILE`",
                        self.id
                    ));
                    local(repository, &format!("{property}` of `{id}"), path)
                }
                _ => Err(format!(
                    "`{LOCATION}`: the program does not read S3; give the local file of the definition with \
                     `--definition {}=FILE`",
                    self.id
                )),
            }),
            _ => None,
        }
    }

    /// Reads the file of `--definition`.
    fn of_option(&self, file: &str) -> Result<Value, String> {
        let about = |why| format!("`--definition {}`: {why}", self.id);
        let text = text_of(Path::new(file), file).map_err(about)?;
        definition(&text).map_err(|why| about(format!("{}: {why}", shown(file))))
    }

    /// A state machine with the local path that all state machines with this role have in common.
    fn local_machine(&self) -> Option<(&Machine<'_>, &str)> {
        let first = self.machines.first()?;
        let path = first.path()?;
        self.machines.iter().all(|machine| machine.path() == Some(path)).then_some((first, path))
    }
}

/// Replaces the location of a definition by the definition.
pub fn replace(properties: &mut Map<String, Value>, definition: Value) {
    // The hash is about the object, and would be refused beside `Definition`.
    for name in [LOCATION, "DefinitionSha256"] {
        properties.remove(name);
    }
    properties.insert("Definition".to_owned(), definition);
}

/// Reads the definition in a file of the repository. `property` is what names the file, for the error.
fn local(repository: &Repository, property: &str, location: &str) -> Result<Value, String> {
    let about = |why| format!("`{property}`: {why}");
    let text = repository.read(location).map_err(about)?;
    definition(&text).map_err(|why| about(format!("{}: {why}", shown(location))))
}

/// The state machines of a template that run with the role of a resource, and have their definition in a file or an
/// object. `role` is the logical id of the resource.
pub fn machines<'a>(template: &'a Value, role: &str) -> Vec<Machine<'a>> {
    let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
    let machines = resources.filter_map(|(id, resource)| {
        let (role_property, property) = match resource.get("Type")?.as_str()? {
            "AWS::Serverless::StateMachine" => ("Role", "DefinitionUri"),
            "AWS::StepFunctions::StateMachine" => ("RoleArn", LOCATION),
            _ => return None,
        };
        let properties = resource.get("Properties")?;
        let location = properties.get(property)?;
        refers_to(properties.get(role_property)?, role).then_some(Machine { id, property, location })
    });
    machines.collect()
}

/// Whether a value has an attribute of the resource.
fn refers_to(value: &Value, id: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| refers_to(item, id)),
        Value::Object(members) => members.iter().any(|(name, argument)| match (name.as_str(), argument) {
            ("Fn::GetAtt", Value::Array(parts)) => parts.first().and_then(Value::as_str) == Some(id),
            ("Fn::GetAtt", Value::String(path)) => path.split('.').next() == Some(id),
            ("Fn::Sub", Value::String(text)) => text.contains(&format!("${{{id}.")),
            (_, argument) => refers_to(argument, id),
        }),
        _ => false,
    }
}

impl Machine<'_> {
    /// The local path; `None` for an object in S3.
    fn path(&self) -> Option<&str> {
        self.location.as_str().filter(|text| !text.contains("://"))
    }

    /// The note that the role does not get the permissions of this state machine.
    fn is_not_read(&self) -> String {
        let Self { id, property, .. } = self;
        let add = match self.path() {
            Some(path) => format!(
                "`Definition: {{ Fn::Transform: {{ Name: AWS::Include, Parameters: {{ Location: {path} }} }} }}`"
            ),
            None => "`DefinitionS3Location` with `Bucket`, `Key` and `Version` of the object".to_owned(),
        };
        format!(
            "`{property}` of `{id}` is not in the role's properties, so the policy is not derived from it; add {add}, \
             and the same `DefinitionSubstitutions`"
        )
    }
}
