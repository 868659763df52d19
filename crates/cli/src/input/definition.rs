//! Reads the definition that a workflow role does not have in its properties, but in a local file or in S3.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;

use mlops_roles_core::resource::definition_location::digest;
pub use mlops_roles_core::resource::definition_location::{PROPERTY as LOCATION, SHA256};
use mlops_roles_core::text::shown;
use serde_json::{Map, Value, json};

use crate::input::document::{DocumentError, as_json};
use crate::input::repository::{FileError, Repository, text_of};
use crate::input::symbol::Symbols;
use crate::input::template::Findings;

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

/// What the function gets of one resource, with the current stand-ins for unknown values.
#[derive(Clone, Debug)]
pub struct Given {
    /// The properties.
    pub properties: Value,
    /// The text of the object that `DefinitionS3Location` names. `None` where there is no object, or it was not read.
    pub object: Option<String>,
    /// What was found on the way.
    pub findings: Findings,
}

/// A local file with a definition.
#[derive(Debug)]
struct File<'a> {
    /// What names the file: the option, or a property.
    named_by: String,
    /// The path as it is written.
    path: &'a str,
    /// The content.
    text: String,
}

/// Why the definition of a workflow role can't be read. `named_by` is what names the file: the option, or a property.
#[derive(Debug, thiserror::Error)]
enum DefinitionError {
    /// The location is a URL.
    #[error(
        "`DefinitionS3Location`: found {}, expected `{{Bucket, Key, Version}}` or the path of a local file",
        shown(.location)
    )]
    Url { location: String },
    /// No local file is known for the object. `role` is the logical id of the role.
    #[error(
        "`DefinitionS3Location`: the program does not read S3; give the local file of the definition with \
         `--definition {role}=FILE`"
    )]
    NoFile { role: String },
    /// The file can't be read.
    #[error("`{named_by}`: {problem}")]
    File { named_by: String, problem: FileError },
    /// The file has no definition.
    #[error("`{named_by}`: {}: {problem}", shown(.path))]
    Document { named_by: String, path: String, problem: DocumentError },
    /// The file has another SHA-256 than the object. `role` is the logical id of the role.
    #[error(
        "`{named_by}`: found {} with the SHA-256 `{found}`, expected `{expected}` (`DefinitionSha256`); give the file \
         that the object was uploaded from with `--definition {role}=FILE`, or correct `DefinitionSha256`",
        shown(.path)
    )]
    OtherObject { named_by: String, path: String, found: Box<str>, expected: Box<str>, role: String },
}

impl Sources<'_> {
    /// Reads the definition that `DefinitionS3Location` leads to, and returns the text of the object. What is assumed
    /// becomes a note, and what can't be read becomes a fault.
    ///
    /// The location of an object stays, so that the function's checks apply to it. A local path, or a location that is
    /// unknown as a whole, is replaced by `Definition`. Then there is no text to return.
    pub fn fill_in(
        &self,
        properties: &mut Value,
        symbols: &RefCell<Symbols>,
        findings: &mut Findings,
    ) -> Option<String> {
        let properties = properties.as_object_mut()?;
        let has_other = ["Definition", "Integrations"].iter().any(|name| properties.contains_key(*name));
        let Some(location) = properties.get(LOCATION).cloned() else {
            if self.given.is_some() {
                findings.faults.insert(format!(
                    "`--definition {}`: the resource has no `DefinitionS3Location`; leave the option out",
                    self.id
                ));
            }
            if !has_other {
                findings.notes.extend(self.machines.iter().map(Machine::is_not_read));
            }
            return None;
        };
        if has_other {
            return None;
        }
        let sha256 = properties.get(SHA256).and_then(Value::as_str).map(str::to_owned);
        let is_unknown = sha256.as_ref().is_some_and(|text| symbols.borrow().is_in(text));
        let read = self.read(&location, sha256.as_deref().filter(|_| !is_unknown), symbols, findings)?;
        if is_unknown {
            // No stand-in has the form of a digest. The author has to set the one of the file.
            let found = digest(read.as_deref().unwrap_or_default().as_bytes());
            properties.insert(SHA256.to_owned(), Value::from(found));
        }
        let text = read.map_err(|error| findings.faults.insert(error.to_string())).ok();
        if location.is_object() {
            return text;
        }
        let definition = if let Some(text) = text {
            serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text.as_str()))
        } else {
            // The errors that would follow from the missing definition would only distract.
            for name in ["DataKeys", "ResourceOverrides", "TaskActions", "TaskResources"] {
                properties.remove(name);
            }
            json!({ "StartAt": "Unread", "States": { "Unread": { "Type": "Succeed" } } })
        };
        replace(properties, definition);
        None
    }

    /// Reads the definition at a location as text in JSON. Returns `None` for a location that the function refuses
    /// itself. `sha256` is the SHA-256 that the object must have.
    fn read(
        &self,
        location: &Value,
        sha256: Option<&str>,
        symbols: &RefCell<Symbols>,
        findings: &mut Findings,
    ) -> Option<Result<String, DefinitionError>> {
        match location {
            Value::String(text) if !symbols.borrow().is_in(text) => {
                let repository = self.repository?;
                if text.contains("://") {
                    return Some(Err(DefinitionError::Url { location: text.clone() }));
                }
                findings.notes.insert(format!(
                    "`{LOCATION}`: {} is a local file, but the function takes only `{{Bucket, Key, Version}}`, and no \
                     command replaces the path in a custom resource; upload the file before the deployment",
                    shown(text)
                ));
                let file = match self.given {
                    Some(file) => self.of_option(file),
                    None => local(repository, LOCATION.to_owned(), text),
                };
                Some(file.and_then(|file| file.json().map(Cow::into_owned)))
            }
            Value::Object(object) if !(object.contains_key("Bucket") && object.contains_key("Key")) => None,
            Value::String(_) | Value::Object(_) => {
                let file = match (self.given, self.repository, self.local_machine()) {
                    (Some(file), ..) => self.of_option(file),
                    (None, Some(repository), Some((machine, path))) => {
                        let Machine { id, property, .. } = machine;
                        findings.notes.insert(format!(
                            "`{LOCATION}`: the object is assumed to be the file of `{property}` of `{id}`; if it is \
                             another one, set `--definition {}=FILE`",
                            self.id
                        ));
                        local(repository, format!("{property}` of `{id}"), path)
                    }
                    _ => Err(DefinitionError::NoFile { role: self.id.to_owned() }),
                };
                Some(file.and_then(|file| self.object(file, sha256, findings)))
            }
            _ => None,
        }
    }

    /// Returns the text of the object that was uploaded from a file.
    fn object(&self, file: File<'_>, sha256: Option<&str>, findings: &mut Findings) -> Result<String, DefinitionError> {
        // The function refuses a text of another form itself.
        let is_digest = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(expected) = sha256.filter(is_digest) {
            let found = digest(file.text.as_bytes());
            if !found.eq_ignore_ascii_case(expected) {
                return Err(DefinitionError::OtherObject {
                    named_by: file.named_by,
                    path: file.path.to_owned(),
                    found: found.into(),
                    expected: expected.into(),
                    role: self.id.to_owned(),
                });
            }
            // The file is the object, so the function's errors about its content apply.
            return Ok(file.text);
        }
        let json = file.json()?;
        if matches!(json, Cow::Owned(_)) {
            findings.notes.insert(format!(
                "`{LOCATION}`: {} is YAML, but the function reads JSON alone; convert the file before the upload",
                shown(file.path)
            ));
        }
        Ok(json.into_owned())
    }

    /// Reads the file of `--definition`.
    fn of_option<'f>(&self, path: &'f str) -> Result<File<'f>, DefinitionError> {
        let named_by = format!("--definition {}", self.id);
        match text_of(Path::new(path), path) {
            Ok(text) => Ok(File { named_by, path, text }),
            Err(problem) => Err(DefinitionError::File { named_by, problem }),
        }
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

impl File<'_> {
    /// The definition as text in JSON.
    fn json(&self) -> Result<Cow<'_, str>, DefinitionError> {
        as_json(&self.text).map_err(|problem| DefinitionError::Document {
            named_by: self.named_by.clone(),
            path: self.path.to_owned(),
            problem,
        })
    }
}

/// Reads a file of the repository. `named_by` is the property that names the file, for the error.
fn local<'f>(repository: &Repository, named_by: String, path: &'f str) -> Result<File<'f>, DefinitionError> {
    match repository.read(path) {
        Ok(text) => Ok(File { named_by, path, text }),
        Err(problem) => Err(DefinitionError::File { named_by, problem }),
    }
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
