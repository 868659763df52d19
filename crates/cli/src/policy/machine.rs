//! A state machine of a template, as the workflow role for it would have it.

use std::cell::RefCell;

use mlops_roles_core::text::shown;
use serde_json::{Map, Value, json};

use super::error::PolicyError;
use crate::error::Error;
use crate::input::definition::Given;
use crate::input::document::as_json;
use crate::input::repository::{Repository, text_of};
use crate::input::symbol::Symbols;
use crate::options::error::OptionError;
use crate::plan::scene::{RESOURCES, Scene};
use crate::settings::Settings;

const SERVERLESS: &str = "AWS::Serverless::StateMachine";
const STEP_FUNCTIONS: &str = "AWS::StepFunctions::StateMachine";

/// A state machine of a template.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// The logical id.
    pub id: &'a str,
    /// Whether it is a resource of SAM.
    is_serverless: bool,
}

impl<'a> Machine<'a> {
    /// Finds the state machine that `--resource` names, or the only one of the template.
    ///
    /// # Errors
    /// When the template has no such state machine, or several and none is named.
    pub fn find(scene: &Scene<'_>, whole: &'a Value, asked: &[String]) -> Result<Self, Error> {
        let symbols = RefCell::new(scene.symbols.clone());
        let template = scene.with(whole, &symbols);
        let found = template.resources().count();
        if found > RESOURCES {
            return Err(Error::TooManyResources { found });
        }
        let resources = whole.get("Resources").and_then(Value::as_object).into_iter().flatten();
        let machines = resources.filter_map(|(id, resource)| match resource.get("Type")?.as_str()? {
            SERVERLESS => Some(Self { id, is_serverless: true }),
            STEP_FUNCTIONS => Some(Self { id, is_serverless: false }),
            _ => None,
        });
        let (machines, off): (Vec<_>, Vec<_>) =
            machines.partition(|machine| template.switched_off(machine.id).is_none());
        if let [id] = asked
            && let Some(condition) = off.iter().find(|one| one.id == id).and_then(|one| template.switched_off(one.id))
        {
            return Err(PolicyError::SwitchedOff { id: id.clone(), condition }.into());
        }
        Ok(Self::chosen(&machines, asked)?)
    }

    /// The state machine that `--resource` names, or the only one.
    fn chosen(machines: &[Self], asked: &[String]) -> Result<Self, PolicyError> {
        let ids = || machines.iter().map(|machine| machine.id.to_owned()).collect();
        match (machines, asked) {
            ([], _) => Err(PolicyError::NoMachine),
            ([only], []) => Ok(*only),
            (_, []) => Err(PolicyError::Several { ids: ids() }),
            (_, [id]) => {
                let found = machines.iter().find(|machine| machine.id == id);
                found.copied().ok_or_else(|| PolicyError::NotAMachine { id: id.clone(), ids: ids() })
            }
            (_, several) => Err(PolicyError::ManyResources { count: several.len() }),
        }
    }

    /// Refuses a `--definition` for another resource.
    ///
    /// # Errors
    /// Those of the first `--definition` that does not apply.
    pub fn check(&self, settings: &Settings<'_>) -> Result<(), OptionError> {
        settings.given.check_definitions(vec![self.id.to_owned()])
    }

    /// The properties of a workflow role for the state machine, resolved with the current stand-ins.
    pub fn given(&self, scene: &Scene<'_>, whole: &Value, symbols: &RefCell<Symbols>) -> Given {
        let template = scene.with(whole, symbols);
        // Called for its notes alone.
        template.switched_off(self.id);
        let part = |role_property: &str, path: &[&str]| {
            symbols.borrow_mut().begin(role_property);
            let value = template.part(self.id, &[&["Properties"], path].concat());
            Some(value).filter(|value| !value.is_null())
        };
        let (name, logging, tracing) = if self.is_serverless {
            ("Name", "Logging", "Tracing")
        } else {
            ("StateMachineName", "LoggingConfiguration", "TracingConfiguration")
        };
        let mut properties = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            properties.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("StateMachineName", part("StateMachineName", &[name]));
        let level = part("Logging", &[logging, "Level"]);
        // A level that is unknown stays, so that the program has to assume a value, and says so.
        let is_unknown = |value: &Value| value.as_str().is_some_and(|text| symbols.borrow().is_in(text));
        set("Logging", level.map(|level| if is_unknown(&level) { level } else { json!(level != "OFF") }));
        set("Tracing", part("Tracing", &[tracing, "Enabled"]));
        let key = part("KmsKeyArn", &["EncryptionConfiguration", "KmsKeyId"]);
        let key_note = key.as_ref().filter(|key| is_unknown(key)).and_then(key_note);
        set("KmsKeyArn", key.map(|key| as_arn(key, scene)));
        let inline = part("Definition", &["Definition"]).or_else(|| part("Definition", &["DefinitionString"]));
        let location = part("Definition", &["DefinitionUri"]).or_else(|| part("Definition", &["DefinitionS3Location"]));
        let substitutions = part("DefinitionSubstitutions", &["DefinitionSubstitutions"]);
        set("DefinitionSubstitutions", substitutions);
        let names = template.names();
        let mut findings = template.findings();
        findings.asked.extend(names);
        findings.notes.extend(key_note);
        match self.definition(inline, location, scene, symbols) {
            Ok(definition) => set("Definition", Some(definition)),
            Err(why) => {
                findings.faults.insert(why);
                set("Definition", Some(json!({ "StartAt": "Unread", "States": { "Unread": { "Type": "Succeed" } } })));
            }
        }
        let mut all = scene.settings.configured.clone();
        all.extend(properties);
        all.extend(scene.settings.properties.clone());
        let mut properties = Value::Object(all);
        scene.substitute(&mut properties, None);
        findings.notes.extend(scene.notes.iter().cloned());
        Given { properties, object: None, findings }
    }

    /// The definition: inline, in a local file of the repository, or in the file of `--definition`.
    fn definition(
        &self,
        inline: Option<Value>,
        location: Option<Value>,
        scene: &Scene<'_>,
        symbols: &RefCell<Symbols>,
    ) -> Result<Value, String> {
        let id = self.id;
        let file = |named_by: String, name: &str, text| {
            let json = as_json(text).map_err(|problem| format!("{named_by}: {}: {problem}", shown(name)))?;
            Ok(Value::from(json.into_owned()))
        };
        if scene.given(id).is_some() && inline.is_some() {
            return Err(format!("`--definition {id}`: the template has the definition; leave the option out"));
        }
        if let Some(path) = scene.given(id) {
            let named_by = format!("`--definition {id}`");
            let text = text_of(path.as_ref(), path).map_err(|problem| format!("{named_by}: {problem}"))?;
            return file(named_by, path, &text);
        }
        match (inline, location) {
            (Some(inline), _) => Ok(inline),
            (None, Some(Value::String(path))) if symbols.borrow().is_in(&path) => Err(format!(
                "the location of the definition of `{id}` is known only to a deployment; set its value with `--set`, or \
                 give the local file with `--definition {id}=FILE`"
            )),
            (None, Some(Value::String(path))) if !path.contains("://") => {
                let named_by = format!("the definition of `{id}`");
                let repository: &Repository = &scene.repository;
                let text = repository.read(&path).map_err(|problem| format!("{named_by}: {problem}"))?;
                file(named_by, &path, &text)
            }
            (None, Some(_)) => Err(format!(
                "the definition of `{id}` is in S3, which the program does not read; give the local file with \
                 `--definition {id}=FILE`"
            )),
            (None, None) => Err(format!("`{id}` has no definition; give the local file with `--definition {id}=FILE`")),
        }
    }
}

/// The note on a key that only a deployment knows, unless it is an ARN: a policy can't name an alias.
fn key_note(key: &Value) -> Option<String> {
    let key = key.as_str().filter(|key| !key.starts_with("arn:"))?;
    Some(format!("`EncryptionConfiguration`: `{key}` is assumed to be the id of a key, and not an alias"))
}

/// The ARN of a key that may be given by its id.
fn as_arn(key: Value, scene: &Scene<'_>) -> Value {
    let place = &scene.place;
    match key.as_str() {
        Some(id) if !id.contains([':', '/']) && !id.is_empty() => {
            json!(format!("arn:{}:kms:{}:{}:key/{id}", place.partition, place.region, place.account))
        }
        _ => key,
    }
}
