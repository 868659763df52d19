//! The properties `Definition`, `DefinitionS3Location` and `Integrations` of a workflow role, and the permissions that
//! derive from them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::iam::arn::Arn;
use crate::permissions::asl;
use crate::permissions::asl::arguments::Arguments;
use crate::permissions::asl::{Machine, Task};
use crate::permissions::derive::derive;
use crate::permissions::documents::{documents, pass_role};
use crate::permissions::features::Features;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::required::PassRoleGrant;
use crate::permissions::integration::task_resources::TaskResources;
use crate::permissions::simulation::Check;
use crate::resource::by_state;
use crate::resource::definition_location;
use crate::resource::definition_location::{Location, MAX_BYTES};
use crate::resource::properties::{Problem, Reader};
use crate::resource::role;
use crate::resource::role::RoleProperties;
use crate::resource::spec::{Granted, ReadContext};
use crate::resource::undeclared;

/// Parses `Definition`, `DefinitionS3Location` or `Integrations` and derives the policies of the role. Returns `None`
/// where all three properties are absent. Validation errors go to `reader`.
///
/// A definition in Amazon S3 that was not read leads to placeholders instead of grants.
///
/// `execution_roles` has the ARNs of the roles to pass to SageMaker where the role is known only at run time.
/// `state_machine` is the value of `StateMachineName`. `itself` is the workflow role, which must not be passed.
pub fn parse(
    reader: &Reader<'_>,
    context: ReadContext<'_>,
    execution_roles: &[String],
    state_machine: Option<&str>,
    itself: &RoleProperties,
) -> Option<Granted> {
    let location = Location::parse(reader, context.place, context.guardrails);
    let substitutions = substitutions(reader);
    let overrides = by_state::overrides(reader);
    let actions = by_state::actions(reader);
    let resources = by_state::resources(reader, context, itself);
    let verified = reader.flag("VerifyPermissions").unwrap_or(false);
    let features = Features {
        state_machine: state_machine.map(str::to_owned),
        logging: reader.flag("Logging").unwrap_or(false),
        tracing: reader.flag("Tracing").unwrap_or(false),
        key: key(reader, context),
        data_keys: data_keys(reader, context),
    };
    let Source { name, text, machine, mut errors } = match source(reader, &substitutions) {
        Asked::Machine(source) => source,
        Asked::Unread => return Some(Granted::unread(location)),
        Asked::Twice => return Some(Granted::default()),
        Asked::Nothing => return None,
    };
    let of_tasks = DeriveContext {
        place: context.place,
        execution_roles,
        overrides: &overrides,
        actions: &actions,
        resources: &resources,
    };
    let mut required = derive(&machine, &features, of_tasks);
    errors.extend(std::mem::take(&mut required.errors).into_iter().map(Problem::other));
    // The roles of other properties are checked already. Check only the roles that the definition itself names.
    required.pass_role_grants.retain(|PassRoleGrant { state, role, is_new, .. }| {
        let is_declared = |state: &str| {
            let declared = resources.get(state).into_iter().flat_map(TaskResources::all_roles);
            declared.into_iter().any(|one| one.role == *role)
        };
        if execution_roles.contains(role) || is_declared(state) {
            return true;
        }
        let Some(expected) = role::expected_to_pass(context, role, itself) else { return true };
        let (path, problem) = (format!("{name}, state {state}"), Problem::invalid(role, &expected));
        if *is_new {
            reader.tighten(&path, problem);
        } else {
            reader.report(&path, problem);
        }
        !is_new
    });
    let policies = documents(&required.grants).unwrap_or_else(|why| {
        errors.push(Problem::other(why));
        Vec::new()
    });
    for problem in errors {
        reader.report(name, problem);
    }
    for error in std::mem::take(&mut required.tightened) {
        reader.tighten(name, Problem::other(error));
    }
    undeclared::report(reader, &mut required, &format!("{text}{substitutions:?}"));
    let checks =
        if verified { Check::from_required(&required, |state| format!("state `{state}`")) } else { Vec::new() };
    let pass_role_grant = pass_role(&required.pass_role_grants);
    Some(Granted { policies, pass_role_grant, required, checks, definition: location, is_unread: false })
}

/// A state machine, or what stands for one.
struct Source {
    /// The property that has it: `Definition`.
    name: &'static str,
    /// Its text, without the substitutions.
    text: String,
    machine: Machine,
    errors: Vec<Problem>,
}

/// What the properties ask for.
enum Asked {
    Machine(Source),
    /// An object in S3 that is not read.
    Unread,
    /// Two sources at once.
    Twice,
    /// Nothing of a definition.
    Nothing,
}

/// Reads the property that has the state machine. Properties that exclude each other are reported.
fn source(reader: &Reader<'_>, substitutions: &BTreeMap<String, String>) -> Asked {
    let (definition, integrations) = (reader.raw("Definition"), reader.raw("Integrations"));
    let asked = |name, text, (machine, errors)| Asked::Machine(Source { name, text, machine, errors });
    match (definition, integrations) {
        _ if reader.has(definition_location::PROPERTY) => {
            for (other, is_given) in [("Definition", definition.is_some()), ("Integrations", integrations.is_some())] {
                if is_given {
                    let problem =
                        format!("not allowed with `{}`; remove one of the two", definition_location::PROPERTY);
                    reader.report(other, problem);
                }
            }
            let Some(text) = reader.definition() else { return Asked::Unread };
            asked(definition_location::PROPERTY, text.to_owned(), machine_of_object(text, substitutions))
        }
        (None, None) => {
            for name in [
                "DataKeys",
                "DefinitionSubstitutions",
                "KmsKeyArn",
                "Logging",
                "ResourceOverrides",
                "TaskActions",
                "TaskResources",
                "Tracing",
                "VerifyPermissions",
            ] {
                if reader.has(name) {
                    reader.report(name, "allowed only with `Definition`, `DefinitionS3Location` or `Integrations`");
                }
            }
            Asked::Nothing
        }
        (Some(definition), None) => asked("Definition", definition.to_string(), machine(definition, substitutions)),
        (None, Some(integrations)) => asked("Integrations", integrations.to_string(), tasks(integrations)),
        (Some(_), Some(_)) => {
            reader.report("Integrations", "not allowed with `Definition`; remove one of the two");
            Asked::Twice
        }
    }
}

fn machine(definition: &Value, substitutions: &BTreeMap<String, String>) -> (Machine, Vec<Problem>) {
    let mut substituted = Substituted { values: substitutions, room: MAX_BYTES };
    let full = match definition {
        Value::String(text) => Value::String(substituted.text(text)),
        other => substituted.everywhere(other),
    };
    if substituted.room == 0 {
        return none(too_long());
    }
    match full {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(definition) => parsed(&definition),
            Err(error) => none(Problem::NotJson(format!("is not valid JSON: {error}"))),
        },
        other => parsed(&other),
    }
}

fn parsed(definition: &Value) -> (Machine, Vec<Problem>) {
    let (machine, errors) = asl::parse(definition);
    (machine, errors.into_iter().map(Problem::other).collect())
}

fn none(why: impl Into<Problem>) -> (Machine, Vec<Problem>) {
    (Machine::default(), vec![why.into()])
}

/// Reads the definition from the text of an object. Only the errors of a state machine may name what the text has: the
/// author of the template may not be allowed to read the object.
fn machine_of_object(text: &str, substitutions: &BTreeMap<String, String>) -> (Machine, Vec<Problem>) {
    let no_machine = "the object is not a state machine, expected a JSON object with `StartAt` and `States`; correct \
                      `Bucket` and `Key`";
    // Values must not make a state machine of another object, whose text would then be in error messages.
    if !text.contains("StartAt") || !text.contains("States") {
        return none(no_machine);
    }
    let mut substituted = Substituted { values: substitutions, room: MAX_BYTES };
    let full = substituted.text(text);
    if substituted.room == 0 {
        return none(too_long());
    }
    let read: Value = match serde_json::from_str(&full) {
        Ok(read) => read,
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            return none(Problem::NotJson(format!(
                "the object is not valid JSON at line {line}, column {column}; correct it, or convert YAML with \
                 `yq -o=json machine.asl.yaml > machine.asl.json` and upload the result"
            )));
        }
    };
    let (start, states) = (read.get("StartAt"), read.get("States"));
    if !start.is_some_and(Value::is_string) || !states.is_some_and(Value::is_object) {
        return none(no_machine);
    }
    parsed(&read)
}

fn too_long() -> String {
    format!("has more than {MAX_BYTES} bytes with its substitutions, the maximum of Step Functions; shorten it")
}

/// Reads `Integrations`. Each item stands for a task: a resource such as `sagemaker:createTrainingJob.sync`, or
/// `{Resource, Parameters}`.
fn tasks(integrations: &Value) -> (Machine, Vec<Problem>) {
    let (mut machine, mut errors) = (Machine::default(), Vec::new());
    let Some(items) = integrations.as_array() else {
        errors.push("found no list, expected a list of resource strings or `{Resource, Parameters}`".into());
        return (machine, errors);
    };
    for (i, item) in items.iter().enumerate() {
        let path = format!("[{i}]");
        let known =
            |item: &Map<String, Value>| item.keys().all(|key| matches!(key.as_str(), "Resource" | "Parameters"));
        let (resource, arguments) = match item {
            Value::String(resource) => (resource.as_str(), Arguments::Unknown),
            Value::Object(item) if known(item) => {
                let resource = item.get("Resource").and_then(Value::as_str).unwrap_or_default();
                (resource, item.get("Parameters").cloned().map_or(Arguments::Unknown, Arguments::JsonPath))
            }
            _ => ("", Arguments::Unknown),
        };
        if resource.is_empty() {
            let problem = format!("{path}: found `{item}`, expected a resource string or `{{Resource, Parameters}}`");
            errors.push(problem.into());
            continue;
        }
        let arn =
            if resource.starts_with("arn:") { resource.to_owned() } else { format!("arn:aws:states:::{resource}") };
        machine.tasks.push(Task { path, resource: arn, arguments, credentials: Vec::new(), express: false });
    }
    (machine, errors)
}

/// The substitution of `${Name}` in any text, as `AWS::StepFunctions::StateMachine` does it.
struct Substituted<'a> {
    /// The values of `DefinitionSubstitutions`, by name.
    values: &'a BTreeMap<String, String>,
    /// The bytes that the remaining texts may have. 0 once the texts are too long.
    room: usize,
}

impl Substituted<'_> {
    fn text(&mut self, text: &str) -> String {
        let (mut done, mut rest) = (String::new(), text);
        // No further than the longest name, so that the time is linear in the text.
        let longest = self.values.keys().map(String::len).max().unwrap_or_default();
        while let Some((before, after)) = rest.split_once("${") {
            let end = after.bytes().take(longest + 1).position(|byte| byte == b'}');
            let named = end.and_then(|end| Some((self.values.get(after.get(..end)?)?, after.get(end + 1..)?)));
            let (value, behind) = named.map_or(("${", after), |(value, behind)| (value.as_str(), behind));
            self.push(&mut done, before);
            self.push(&mut done, value);
            rest = behind;
        }
        self.push(&mut done, rest);
        done
    }

    fn push(&mut self, done: &mut String, part: &str) {
        self.room = self.room.saturating_sub(part.len());
        if self.room > 0 {
            done.push_str(part);
        }
    }

    fn everywhere(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.everywhere(item)).collect(),
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| (key.clone(), self.everywhere(value)));
                Value::Object(members.collect())
            }
            other => other.clone(),
        }
    }
}

fn substitutions(reader: &Reader<'_>) -> BTreeMap<String, String> {
    let Some(value) = reader.raw("DefinitionSubstitutions") else { return BTreeMap::new() };
    let Some(members) = value.as_object() else {
        reader.invalid("DefinitionSubstitutions", &value.to_string(), "an object with text values");
        return BTreeMap::new();
    };
    let mut substitutions = BTreeMap::new();
    for (name, value) in members {
        match value {
            Value::String(text) => drop(substitutions.insert(name.clone(), text.clone())),
            Value::Bool(_) | Value::Number(_) => drop(substitutions.insert(name.clone(), value.to_string())),
            other => reader.invalid(&format!("DefinitionSubstitutions.{name}"), &other.to_string(), "text"),
        }
    }
    substitutions
}

fn key(reader: &Reader<'_>, context: ReadContext<'_>) -> Option<String> {
    let key = reader.text("KmsKeyArn")?;
    let arn = Arn::parse(&key).filter(|arn| arn.service == "kms" && arn.partition == context.place.partition);
    if !arn.is_some_and(|arn| arn.resource.starts_with("key/") && !key.contains(['*', '?'])) {
        reader.invalid("KmsKeyArn", &key, "the ARN of a KMS key, not an alias");
    }
    Some(key)
}

/// Reads `DataKeys`: the ARNs of the KMS keys that encrypt the data of the tasks, in any account.
fn data_keys(reader: &Reader<'_>, context: ReadContext<'_>) -> Option<Vec<String>> {
    let keys = reader.texts_if_any("DataKeys")?;
    for (path, key) in &keys {
        let is_key = Arn::parse(key).is_some_and(|arn| {
            let id = arn.resource.strip_prefix("key/").unwrap_or_default();
            let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            let is_account = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
            let is_place = arn.service == "kms" && arn.partition == context.place.partition && plain(arn.region);
            is_place && is_account && plain(id)
        });
        if !is_key {
            reader.invalid(path, key, "the ARN of a KMS key, not an alias");
        }
    }
    Some(keys.into_iter().map(|(_, key)| key).collect())
}
