//! The schemas in `schemas/` against the function's own reading: neither takes what the other refuses, but for what only
//! the deployer, the account or other properties decide. That the files are what the types say, `make check` asks the
//! binary `schema`.

mod accepted;
mod execution_role;
mod refused;

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource;
use mlops_roles_core::resource::TYPES;
use mlops_roles_core::resource::execution_role::{trusted_actions, trusted_services};
use mlops_roles_core::resource::properties::{Reader, ValidationErrors};
use mlops_roles_core::resource::service_catalog::ServiceCatalogRoles;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::ownership::Owner;

const WORKFLOW: &str = "Custom::StepFunctionsWorkflowRole";

const EXECUTION: &str = "Custom::SageMakerExecutionRole";

const TARGET: &str = "Custom::SageMakerDeployTarget";

const SETS: &str = "Custom::SageMakerMlopsRoles";

const CATALOG: &str = "Custom::SageMakerServiceCatalogRoles";

const ROLE: &str = "arn:aws:iam::123456789012:role/SageMaker";

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1a-2b";

fn schema(of: &str) -> Value {
    let path = format!("{}/../../schemas/{}.json", env!("CARGO_MANIFEST_DIR"), of.trim_start_matches("Custom::"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

/// A deployer who lets everything.
fn guardrails() -> Guardrails {
    let trust = trusted_services().chain(trusted_actions()).collect::<Vec<_>>().join(",");
    let variables = BTreeMap::from([
        ("ROLE_NAME_PREFIXES", "Team,AmazonSageMaker,DataScience,ds,DS,bridge,env,1"),
        ("ROLE_PATHS", "/,/team/,/service-role/"),
        ("PERMISSIONS_BOUNDARY_ARN", "arn:aws:iam::123456789012:policy/Boundary"),
        ("PASSABLE_ROLE_ARNS", "*"),
        ("ALLOWED_MANAGED_POLICY_ARNS", "*"),
        ("ALLOWED_TRUST", trust.as_str()),
        ("ALLOW_ADOPTION", "true"),
        ("ALLOW_PUBLISHED_IAM_WRITES", "true"),
        ("DEFINITION_LOCATIONS", "*"),
    ]);
    Guardrails::from_environment(|name| variables.get(name).map(|text| (*text).to_owned())).unwrap()
}

/// What the function makes of the properties.
fn reading(of: &str, properties: &Map<String, Value>) -> (ResourceSpec, ValidationErrors) {
    let stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/pipeline/7c1d";
    let (place, guardrails) = (Place::from_arn(stack).unwrap(), guardrails());
    let owner = Owner { stack_id: stack.to_owned(), logical_id: "Role".to_owned() };
    let context = ReadContext { place: &place, guardrails: &guardrails, owner: &owner, existing: None, found: None };
    resource::parse(of, properties, context).unwrap_or_else(|| {
        let reader = Reader::new(properties);
        ServiceCatalogRoles::parse(&reader, context);
        (ResourceSpec::default(), reader.finish())
    })
}

/// Properties that nothing is wrong with, and these changes. A null takes one away.
fn with(of: &str, changes: &Value) -> Map<String, Value> {
    let mut properties = match of {
        WORKFLOW => json!({ "SageMakerExecutionRoleArns": ROLE }),
        SETS => json!({ "RoleSet": "Environment", "EnvName": "ds-team" }),
        CATALOG => json!({ "Regions": "us-east-1" }),
        _ => json!({}),
    };
    properties["ServiceToken"] = json!("arn:aws:lambda:us-east-1:123456789012:function:mlops-roles");
    let mut properties = properties.as_object().unwrap().clone();
    properties.extend(changes.as_object().unwrap().clone());
    properties.retain(|_, value| !value.is_null());
    properties
}

fn both_take(of: &str, changes: &[Value]) {
    let validator = jsonschema::validator_for(&schema(of)).unwrap();
    for changes in changes {
        let properties = with(of, changes);
        assert_eq!(reading(of, &properties).1, ValidationErrors::default(), "{of}: {changes}");
        let refused: Vec<String> = errors(&validator, &properties.into());
        assert!(refused.is_empty(), "{of}: {changes}: {refused:?}");
    }
}

fn both_refuse(of: &str, changes: &[Value]) {
    let validator = jsonschema::validator_for(&schema(of)).unwrap();
    for changes in changes {
        let properties = with(of, changes);
        assert_ne!(reading(of, &properties).1, ValidationErrors::default(), "{of}: {changes}");
        assert!(!validator.is_valid(&properties.into()), "{of}: {changes}");
    }
}

fn errors(validator: &Validator, properties: &Value) -> Vec<String> {
    validator.iter_errors(properties).map(|error| error.to_string()).collect()
}

/// The names that the function knows, as the reason tells them.
fn known(of: &str, changes: &Value) -> BTreeSet<String> {
    let mut properties = with(of, changes);
    properties.insert("%%%".to_owned(), json!(1));
    let errors: Vec<String> = reading(of, &properties).1.errors.iter().map(ToString::to_string).collect();
    let told = errors.iter().find_map(|mistake| mistake.split_once("the properties are ")).unwrap().1;
    told.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()
}

fn names(members: &Value) -> BTreeSet<String> {
    members.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_properties_are_those_that_the_function_knows() {
    for of in TYPES.into_iter().filter(|of| *of != SETS) {
        assert_eq!(names(&schema(of)["properties"]), known(of, &json!({})), "{of}");
    }
    let schema = schema(SETS);
    let mut of_all = BTreeSet::new();
    let sets = schema["properties"]["RoleSet"]["enum"].as_array().unwrap();
    assert_eq!(schema["allOf"].as_array().unwrap().len(), sets.len());
    for (set, rule) in sets.iter().zip(schema["allOf"].as_array().unwrap()) {
        assert_eq!(rule["if"]["properties"]["RoleSet"]["const"], *set);
        let known = known(SETS, &json!({ "RoleSet": set }));
        assert_eq!(names(&rule["then"]["properties"]), known, "{set}");
        of_all.extend(known);
    }
    assert_eq!(names(&schema["properties"]), of_all);
}

#[test]
fn the_attributes_are_those_that_the_function_gives() {
    for of in TYPES.into_iter().filter(|of| *of != CATALOG) {
        let schema = schema(of);
        let sets = schema.pointer("/properties/RoleSet/enum").cloned().unwrap_or(json!([null]));
        let given: BTreeSet<String> = sets
            .as_array()
            .unwrap()
            .iter()
            .map(|set| reading(of, &with(of, &json!({ "RoleSet": set }))).0)
            .flat_map(|spec| spec.attributes.into_keys().chain(spec.role_ids.into_keys().map(str::to_owned)))
            .collect();
        assert_eq!(names(&schema["x-attributes"]), given, "{of}");
    }
}

/// Whether the text is made of sentences. Editors show it, so a link would lead nowhere.
pub fn is_prose(text: &Value) -> bool {
    text.as_str()
        .is_some_and(|text| text.starts_with(char::is_uppercase) && text.ends_with('.') && !text.contains("]("))
}

/// Adds the paths of the properties without such a description to `found`, also those of nested objects.
fn undescribed(path: &str, schema: &Value, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if !is_prose(&property["description"]) || property["x-default"].as_str().is_some_and(str::is_empty) {
            found.push(path.clone());
        }
        undescribed(&path, property, found);
    }
    for item in schema["anyOf"].as_array().into_iter().flatten().chain(schema.get("items")) {
        undescribed(path, item, found);
    }
}

#[test]
fn every_property_and_attribute_is_described() {
    for of in TYPES {
        let schema = schema(of);
        let mut found = Vec::new();
        undescribed(of, &schema, &mut found);
        let attributes = schema["x-attributes"].as_object().unwrap().iter();
        found.extend(attributes.filter(|(_, text)| !is_prose(text)).map(|(name, _)| format!("{of}: {name}")));
        assert_eq!(found, Vec::<String>::new());
    }
}
