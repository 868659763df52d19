//! The schemas in `schemas/cli/` against what the command line prints and reads.

use jsonschema::Validator;
use mlops_roles_cli::config::Config;
use mlops_roles_cli::show::find::find;
use mlops_roles_cli::show::search::search;
use serde_json::{Value, json};

use crate::copy::{ROOT, said};
use crate::schemas::is_prose;

const NAMES: [&str; 6] = ["config", "plan", "policy", "search", "show", "terraform-external"];

fn json_of(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(format!("{ROOT}/{path}")).unwrap()).unwrap()
}

fn schema(name: &str) -> Value {
    json_of(&format!("schemas/cli/{name}.json"))
}

fn validator(name: &str) -> Validator {
    jsonschema::validator_for(&schema(name)).unwrap()
}

/// Asserts that the value has the form of the schema, and no longer has it with a member more or less.
fn assert_closed(name: &str, value: &Value, object: &str) {
    let validator = validator(name);
    let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{name}: {errors:?}");
    let members = value.pointer(object).unwrap().as_object().unwrap();
    assert!(!members.is_empty(), "{name}: `{object}` has no member to take away");
    for member in members.keys() {
        let mut less = value.clone();
        less.pointer_mut(object).unwrap().as_object_mut().unwrap().remove(member);
        assert!(!validator.is_valid(&less), "{name}: `{object}` without `{member}`");
    }
    let mut more = value.clone();
    more.pointer_mut(object).unwrap().as_object_mut().unwrap().insert("more".to_owned(), true.into());
    assert!(!validator.is_valid(&more), "{name}: `{object}` with `more`");
}

/// Adds the paths of the members without a description, and of the objects that accept other members, to `found`.
fn incomplete(path: &str, schema: &Value, found: &mut Vec<String>) {
    if let Some(members) = schema["properties"].as_object() {
        if schema["additionalProperties"] != json!(false) {
            found.push(format!("{path} is open"));
        }
        for (name, member) in members {
            let path = format!("{path}.{name}");
            if !is_prose(&member["description"]) {
                found.push(format!("{path} has no description"));
            }
            incomplete(&path, member, found);
        }
    }
    for (name, one) in schema["$defs"].as_object().into_iter().flatten() {
        incomplete(name, one, found);
    }
    for one in schema["anyOf"].as_array().into_iter().flatten().chain(schema.get("items")) {
        incomplete(path, one, found);
    }
}

#[test]
fn each_schema_is_valid_closed_and_described() {
    for name in NAMES {
        let schema = schema(name);
        assert!(jsonschema::meta::is_valid(&schema), "{name}");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["title"].as_str().is_some_and(|title| title.starts_with("mlops-roles")), "{name}");
        assert!(is_prose(&schema["description"]), "{name}");
        let mut found = Vec::new();
        incomplete(name, &schema, &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}

#[test]
fn the_plan_of_a_template_has_the_form_of_its_schema() {
    let plan = json_of("tests/data/plan/functions.json");
    let resource = "/1/policies/0/statements/0/resources/0";
    for object in ["/1", "/1/needs/0", "/1/steps/0", "/1/roles/0", "/1/policies/0", resource] {
        assert_closed("plan", &plan, object);
    }
}

#[test]
fn what_is_shown_has_the_form_of_its_schema() {
    let names = ["sagemaker:createTrainingJob.sync", "athena:startQueryExecution", "aws-sdk:s3:getObject"];
    for name in names {
        let shown = serde_json::to_value(find(name).unwrap()).unwrap();
        for object in ["", "/needs/0"] {
            assert_closed("show", &shown, object);
        }
    }
    let found = serde_json::to_value(search("createTrainingJob")).unwrap();
    assert_closed("search", &found, "/0");
}

#[test]
fn policies_have_the_form_of_their_schema() {
    let document = json!({ "Version": "2012-10-17", "Statement": [] });
    let need = json_of("tests/data/plan/functions.json")[1]["needs"][0].clone();
    let wildcard = json!({ "arn": "*", "reasons": ["why"], "states": ["A"] });
    let policies = json!({
        "stateMachine": "churn",
        "trustPolicy": document,
        "policies": [document],
        "passRolePolicy": null,
        "wildcards": [wildcard],
        "needs": [need],
        "notes": ["a note"],
    });
    for object in ["", "/wildcards/0", "/needs/0"] {
        assert_closed("policy", &policies, object);
    }
    let flat = ["trust_policy", "policies", "pass_role_policy", "wildcards", "needs", "notes"];
    let flat: Value = flat.into_iter().map(|name| (name, "")).collect();
    assert_closed("terraform-external", &flat, "");
    let mut nested = flat;
    nested["policies"] = json!([]);
    assert!(!validator("terraform-external").is_valid(&nested));
}

/// Whether the program accepts the settings.
fn is_read(settings: &Value) -> bool {
    serde_json::from_value::<Config>(settings.clone()).is_ok()
}

#[test]
fn the_settings_are_accepted_as_the_program_accepts_them() {
    let validator = validator("config");
    let whole = json!({
        "account": "123456789012",
        "region": "eu-west-1",
        "partition": "aws",
        "deployment": "mlops-roles",
        "stack-name": "churn",
        "strict": true,
        "task-resources": "task-resources.json",
        "set": { "Prefix": "churn", "Count": 3, "IsTraced": false },
        "definition-substitutions": { "Bucket": "sales" },
        "properties": { "StateMachineName": "churn", "Tags": [{ "Key": "team", "Value": "ml" }] },
        "deployer": { "RolePaths": ["/", "/team/"], "AllowAdoption": true },
    });
    let members = whole.as_object().unwrap();
    assert_eq!(members.len(), schema("config")["properties"].as_object().unwrap().len());
    assert!(validator.is_valid(&whole) && is_read(&whole));
    assert!(validator.is_valid(&json!({})) && is_read(&json!({})));
    for (name, value) in members {
        let alone = json!({ name: value });
        assert!(validator.is_valid(&alone) && is_read(&alone), "{name}");
        let wrong = json!({ name: [[value]] });
        assert!(!validator.is_valid(&wrong) && !is_read(&wrong), "{name}");
        let unknown = json!({ format!("{name}s"): value });
        assert!(!validator.is_valid(&unknown) && !is_read(&unknown), "{name}");
    }
    assert!(!validator.is_valid(&json!({ "account": "12" })));
}

#[test]
fn a_schema_that_differs_from_its_type_is_found() {
    let file = "schemas/cli/plan.json";
    let said = said("cli-schema", file, |text| text.replacen("\"logicalId\"", "\"logicalID\"", 1));
    assert_eq!(said, format!("{file}: is not up to date; run `make generate`\n"));
}
