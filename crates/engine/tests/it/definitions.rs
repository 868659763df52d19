//! Compares what is derived from state machines with the reviewed policy beside each definition. `make bless` writes
//! the current policies.

use mlops_roles_testkit::data;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::permissions::asl;
use mlops_roles_core::resource;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::ownership::Owner;

use mlops_roles_testkit::account::simulator::allows;
use mlops_roles_testkit::snapshot::{assert_unchanged, json_text};
use mlops_roles_testkit::stage::{STACK, TYPE, guardrails};

fn folder() -> PathBuf {
    data("definitions")
}

pub fn json_of(path: &Path) -> Option<Value> {
    let text = std::fs::read(path).ok()?;
    Some(serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The names of the definitions in a folder.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|file| Some(file.strip_suffix(".asl.json")?.to_owned())).collect();
    names.sort();
    names
}

/// The resource spec for the properties of the definition, or the errors.
pub fn spec(properties: &Map<String, Value>) -> Result<ResourceSpec, String> {
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
    let owner = Owner { stack_id: STACK.into(), logical_id: "WorkflowRole".into() };
    let guardrails = guardrails();
    let context = ReadContext { place: &place, guardrails: &guardrails, owner: &owner, existing: None, found: None };
    let (spec, errors) = resource::parse(TYPE, properties, context).unwrap();
    if errors.errors.is_empty() { Ok(spec) } else { Err(errors.to_string()) }
}

pub fn properties(folder: &Path, name: &str) -> Map<String, Value> {
    let mut properties = Map::from_iter([("RoleName".to_owned(), json!("AmazonSageMaker-Churn"))]);
    if let Some(Value::Object(more)) = json_of(&folder.join(format!("{name}.properties.json"))) {
        properties.extend(more);
    }
    properties.insert("Definition".into(), json_of(&folder.join(format!("{name}.asl.json"))).unwrap());
    properties
}

/// The grants in the form of a golden file.
pub fn granted(spec: &ResourceSpec) -> Value {
    let parsed = |document: &Document| -> Value { serde_json::from_str(&document.to_string()).unwrap() };
    let role = spec.state.roles.values().next().unwrap();
    let inline: BTreeMap<&String, Value> =
        role.inline.iter().map(|(name, document)| (name, parsed(document))).collect();
    let scoped: BTreeMap<&String, Value> =
        spec.state.policies.iter().map(|(arn, policy)| (arn, parsed(&policy.document))).collect();
    json!({ "policies": scoped, "inline": inline })
}

#[test]
fn each_definition_leads_to_the_policy_beside_it() {
    let names = names(&folder());
    assert!(names.len() > 10, "{names:?}");
    assert_unchanged(names.into_iter().map(|name| {
        let spec = spec(&properties(&folder(), &name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        (folder().join(format!("{name}.policy.json")), json_text(&granted(&spec)))
    }));
}

#[test]
fn what_can_not_be_granted_is_refused_with_the_state_and_the_reason() {
    let folder = folder().join("refused");
    let names = names(&folder);
    assert!(names.len() > 5, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let why = spec(&properties(&folder, &name)).err().unwrap_or_else(|| panic!("{name} is granted"));
        let parts = std::fs::read_to_string(folder.join(format!("{name}.reason.txt"))).unwrap();
        let missing = parts.lines().filter(|part| !why.contains(part)).map(|part| format!("{name}: `{part}` in {why}"));
        wrong.extend(missing);
    }
    assert!(wrong.is_empty(), "missing:\n{}", wrong.join("\n"));
}

/// A call, and whether the policies must allow it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The path of the state that makes the call. Empty for a call of no state; absent where there are no states.
    state: Option<String>,
    pub action: String,
    pub resource: String,
    #[serde(default)]
    pub context: BTreeMap<String, Value>,
    pub allowed: bool,
}

/// The calls of a definition, and the documents derived from it.
fn calls(name: &str) -> (Vec<Call>, Vec<Value>) {
    let spec = spec(&properties(&folder(), name)).unwrap_or_else(|why| panic!("{name}: {why}"));
    let granted = granted(&spec);
    let documents = ["policies", "inline"].iter().flat_map(|part| granted[part].as_object().unwrap().values().cloned());
    let calls =
        json_of(&folder().join(format!("{name}.calls.json"))).map(|calls| serde_json::from_value(calls).unwrap());
    (calls.unwrap_or_default(), documents.collect())
}

#[test]
fn an_evaluator_that_is_not_ours_allows_each_call_of_a_state_and_denies_the_near_misses() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for name in names(&folder()) {
        let (calls, documents) = calls(&name);
        let (machine, _) = asl::parse(&json_of(&folder().join(format!("{name}.asl.json"))).unwrap());
        let paths: Vec<&String> =
            machine.tasks.iter().map(|task| &task.path).chain(machine.maps.iter().map(|map| &map.path)).collect();
        for call in calls {
            count += 1;
            let state = call.state.as_ref().unwrap_or_else(|| panic!("{name}: a call without its state: {call:?}"));
            assert!(!call.allowed || state.is_empty() || paths.contains(&state), "{name}: no state `{state}`");
            if allows(&documents, &call.action, &call.resource, &call.context) != call.allowed {
                wrong.push(format!("{name}: {call:?}"));
            }
        }
    }
    assert!(count > 1_000, "{count} calls");
    assert!(wrong.is_empty(), "{} of {count} calls:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_call_is_allowed_without_the_statements_that_grant_it() {
    for name in names(&folder()) {
        let (calls, documents) = calls(&name);
        for call in calls.iter().filter(|call| call.allowed) {
            let granting = |statement: &Value| {
                let alone = json!({ "Version": "2012-10-17", "Statement": [statement] });
                allows(&[alone], &call.action, &call.resource, &call.context)
            };
            let mut without = documents.clone();
            for document in &mut without {
                document["Statement"].as_array_mut().unwrap().retain(|statement| !granting(statement));
            }
            without.retain(|document| document["Statement"].as_array().is_some_and(|left| !left.is_empty()));
            assert!(!allows(&without, &call.action, &call.resource, &call.context), "{name}: {call:?}");
        }
    }
}

#[test]
fn each_wildcard_has_its_reason() {
    let mut without = Vec::new();
    let mut wildcards = 0;
    for name in names(&folder()) {
        for grant in spec(&properties(&folder(), &name)).unwrap().required.grants {
            for resource in grant.resources.iter().filter(|resource| resource.contains('*')) {
                wildcards += 1;
                if grant.wildcards.get(resource).is_none_or(String::is_empty) {
                    without.push(format!("{name}, {}: {:?} on {resource}", grant.state, grant.actions));
                }
            }
            let told = grant.wildcards.keys().filter(|resource| !resource.contains('*'));
            without.extend(told.map(|resource| format!("{name}: a reason for {resource}")));
        }
    }
    assert!(wildcards > 100, "{wildcards}");
    assert!(without.is_empty(), "{}", without.join("\n"));
}
