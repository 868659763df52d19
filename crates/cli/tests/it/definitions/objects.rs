//! Tests definitions in Amazon S3, and those of events, which an option names as local files.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use mlops_roles_core::resource::definition_location::digest;

use super::{GRANTED, JSON, Repository, YAML, object, serverless};
use crate::plan::{printed, refused};

#[test]
fn an_object_in_s3_is_replaced_by_the_file_of_the_option() {
    let repository = Repository::new("objects");
    repository.write("machines/churn.asl.yaml", YAML);
    let file = format!("Role={}", repository.path("machines/churn.asl.yaml"));
    let template = repository.located(object());
    assert!(refused(&[&template]).contains("give the local file of the definition with `--definition Role=FILE`"));
    assert!(printed(&[&template, "--definition", &file]).contains(GRANTED));
    for (option, part) in [
        ("Role=absent.json", "`--definition Role`: found `absent.json`, expected a file that exists"),
        ("Other=absent.json", "`--definition Other`: the file has no workflow role of this name"),
        ("Role", "expected NAME=VALUE"),
    ] {
        let said = refused(&[&template, "--definition", option]);
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let template = repository.template(&json!({ "Integrations": ["sns:publish"] }), &json!({}));
    let said = refused(&[&template, "--definition", &file]);
    assert!(said.contains("`--definition Role`: the resource has no `DefinitionS3Location`"), "{said}");
    let said = refused(&["examples/pipeline.asl.json", "--definition", &file]);
    assert!(said.contains("`--definition`: does not apply to a state machine definition"), "{said}");
}

/// The local file stands for the object, so the checks of the function apply to its location.
#[test]
fn the_location_of_an_object_is_checked_as_the_function_does_it() {
    let repository = Repository::new("checked-locations");
    let file = format!("Role={}", repository.write("churn.asl.json", JSON).path("churn.asl.json"));
    let (form, unpinned) = ("expected `{Bucket, Key}` or `{Bucket, Key, Version}`", "found neither `Version` nor");
    for (location, part) in [
        (json!({ "Bucket": "My_Assets", "Key": "a.json", "Version": "1" }), "found `My_Assets`, expected the name"),
        (json!({ "Bucket": "assets", "Key": "a.json", "Version": "" }), form),
        (json!({ "Bucket": "assets", "Key": "a.json", "Etag": "1" }), form),
        (json!({ "Bucket": "assets", "Key": "a.json" }), unpinned),
        (json!({ "Bucket": "assets", "Key": "a.json", "Version": "null" }), unpinned),
    ] {
        let said = refused(&[&repository.located(location), "--definition", &file]);
        assert!(said.contains(part) && !said.contains("Plan"), "{part} is missing in {said}");
    }
    let template = repository.located(json!({ "Bucket": "assets", "Key": "a.json" }));
    let out = printed(&[&template, "--definition", &file, "--deployer", "AllowUnpinnedDefinitions=true"]);
    assert!(out.contains(GRANTED), "{out}");
}

#[test]
fn the_locations_that_the_deployer_allows_are_checked_if_they_are_known() {
    let repository = Repository::new("allowed-locations");
    let file = format!("Role={}", repository.write("churn.asl.json", JSON).path("churn.asl.json"));
    let template = repository.located(object());
    let assumed = "the deployer's `DefinitionLocations` is assumed to allow `arn:aws:s3:::assets/churn.json`";
    let out = printed(&[&template, "--definition", &file]);
    assert!(out.contains(assumed) && out.contains(GRANTED), "{out}");
    let deployer = "DefinitionLocations=arn:aws:s3:::assets/*";
    let out = printed(&[&template, "--definition", &file, "--deployer", deployer]);
    assert!(!out.contains(assumed) && out.contains(GRANTED), "{out}");
    for (deployer, part) in [
        ("DefinitionLocations=arn:aws:s3:::others/*", "an object that matches one of `arn:aws:s3:::others/*`"),
        ("DefinitionLocations=", "not allowed, because the deployer's `DefinitionLocations` is empty"),
    ] {
        let said = refused(&[&template, "--definition", &file, "--deployer", deployer]);
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn the_sha_256_of_the_object_is_that_of_the_local_file() {
    let repository = Repository::new("sha-256");
    repository.write("churn.asl.json", JSON).write("churn.asl.yaml", YAML);
    let [json_file, yaml_file] = ["json", "yaml"].map(|form| format!("Role={}", repository.path("churn.asl.") + form));
    let location = json!({ "Bucket": "assets", "Key": "churn.json" });
    let template = |sha256: &str| {
        repository.template(&json!({ "DefinitionS3Location": location, "DefinitionSha256": sha256 }), &json!({}))
    };
    let (of_json, of_yaml) = (digest(JSON.as_bytes()), digest(YAML.as_bytes()));
    for sha256 in [of_json.clone(), of_json.to_ascii_uppercase()] {
        assert!(printed(&[&template(&sha256), "--definition", &json_file]).contains(GRANTED));
    }
    let said = refused(&[&template(&of_json), "--definition", &yaml_file]);
    let advice = "give the file that the object was uploaded from";
    for part in ["`--definition Role`: found `", &of_json, &of_yaml, advice] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    assert!(!said.contains("Plan"), "{said}");
    let said = refused(&[&template(&of_yaml), "--definition", &yaml_file]);
    assert!(said.contains("the object is not valid JSON at line 1, column 1"), "{said}");
    let said = refused(&[&template("12ab"), "--definition", &json_file]);
    assert!(said.contains("`DefinitionSha256`: found `12ab`, expected the SHA-256 of the object"), "{said}");
    let out = printed(&[&repository.located(object()), "--definition", &yaml_file]);
    assert!(out.contains("is YAML, but the function reads JSON alone") && out.contains(GRANTED), "{out}");
}

#[test]
fn the_location_and_the_values_in_the_definition_may_be_known_only_at_deployment() {
    let repository = Repository::new("unknown-locations");
    let file = format!("Role={}", repository.write("churn.asl.json", JSON).path("churn.asl.json"));
    let parameter = json!({ "Type": "String" });
    let properties = json!({
        "ServiceToken": "x",
        "DefinitionS3Location": {
            "Bucket": { "Fn::Sub": "assets-${AWS::AccountId}-${Team}" },
            "Key": { "Ref": "Key" },
            "Version": { "Ref": "Version" },
        },
        "DefinitionSha256": { "Ref": "Sha256" },
        "DefinitionSubstitutions": { "TopicArn": { "Ref": "Topic" } },
    });
    let template = json!({
        "Parameters": { "Team": parameter, "Key": parameter, "Version": parameter, "Sha256": parameter },
        "Resources": {
            "Topic": { "Type": "AWS::SNS::Topic" },
            "Role": { "Type": "Custom::StepFunctionsWorkflowRole", "Properties": properties },
        },
    });
    let path = repository.write("template.json", &template.to_string()).path("template.json");
    for more in [&[][..], &["--deployer", "DefinitionLocations=arn:aws:s3:::others/*"]] {
        let out = printed(&[&[path.as_str(), "--definition", &file], more].concat());
        assert!(out.contains("on ${Topic}\n"), "{out}");
        assert!(!out.contains("Possible errors") && !out.to_lowercase().contains("zq0"), "{out}");
    }
}

#[test]
fn the_object_is_taken_to_be_the_file_of_the_state_machine_with_the_role() {
    let repository = Repository::new("beside");
    repository.write("templates/churn.asl.json", JSON);
    let location = json!({ "DefinitionS3Location": object() });
    let out = printed(&[&repository.template(&location, &json!({ "Machine": serverless("churn.asl.json") }))]);
    assert!(out.contains(GRANTED), "{out}");
    assert!(out.contains("the object is assumed to be the file of `DefinitionUri` of `Machine`"), "{out}");
    for others in [
        json!({ "Machine": serverless("s3://assets/churn.json") }),
        json!({ "Machine": serverless("churn.asl.json"), "Another": serverless("other.asl.json") }),
    ] {
        let said = refused(&[&repository.template(&location, &others)]);
        assert!(said.contains("the program does not read S3"), "{said}");
    }
    let said = refused(&[&repository.template(&location, &json!({ "Machine": serverless("absent.json") }))]);
    assert!(said.contains("`DefinitionUri` of `Machine`: found `absent.json`, expected a file that exists"), "{said}");
}

#[test]
fn a_definition_that_only_the_state_machine_has_is_not_read_but_told() {
    let repository = Repository::new("not-read");
    repository.write("templates/churn.asl.json", JSON);
    let role = "arn:aws:iam::123456789012:role/SageMaker";
    let properties =
        json!({ "SageMakerExecutionRoleArns": role, "DefinitionSubstitutions": { "Ref": "AWS::NoValue" } });
    let machine = json!({ "Type": "AWS::StepFunctions::StateMachine", "Properties": {
        "RoleArn": { "Fn::Sub": "${Role.RoleArn}" },
        "DefinitionS3Location": "churn.asl.json",
    } });
    for (machine, parts) in [
        (
            serverless("churn.asl.json"),
            ["`DefinitionUri` of `Machine` is not in the role's properties", "{ Location: churn.asl.json }"],
        ),
        (machine, ["`DefinitionS3Location` of `Machine` is not in the role's", "{ Location: churn.asl.json }"]),
        (
            serverless("s3://assets/churn.json"),
            ["`DefinitionUri` of `Machine` is not in the role's", "add `DefinitionS3Location` with `Bucket`"],
        ),
    ] {
        let out = printed(&[&repository.template(&properties, &json!({ "Machine": machine }))]);
        for part in parts {
            assert!(out.contains(part), "{part} is missing in {out}");
        }
        assert!(!out.contains("for Tell"), "the role has the policy of the console guide: {out}");
    }
    let mut other = serverless("churn.asl.json");
    other["Properties"]["Role"] = json!("arn:aws:iam::123456789012:role/Other");
    let out = printed(&[&repository.template(&properties, &json!({ "Machine": other }))]);
    assert!(!out.contains("`Machine`"), "{out}");
}

#[test]
fn the_definition_of_an_event_is_the_file_of_the_option() {
    let repository = Repository::new("event");
    let file = format!("WorkflowRole={}", repository.write("churn.asl.json", JSON).path("churn.asl.json"));
    let update = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/update.json")).unwrap();
    let mut event: Value = serde_json::from_str(&update).unwrap();
    event["LogicalResourceId"] = "WorkflowRole".into();
    for which in ["ResourceProperties", "OldResourceProperties"] {
        let properties = event[which].as_object_mut().unwrap();
        properties.remove("Definition");
        properties.remove("Integrations");
        properties.insert("DefinitionS3Location".into(), object());
        properties
            .insert("DefinitionSubstitutions".into(), json!({ "TopicArn": "arn:aws:sns:eu-west-1:123456789012:done" }));
    }
    let path = repository.write("event.json", &event.to_string()).path("event.json");
    assert!(refused(&[&path]).contains("`--definition WorkflowRole=FILE`"));
    let out = printed(&[&path, "--definition", &file]);
    assert!(out.contains(GRANTED) && !out.contains("what the old definition needed"), "{out}");
    event["OldResourceProperties"]["DefinitionS3Location"]["Version"] = "0".into();
    let path = repository.write("event.json", &event.to_string()).path("event.json");
    let out = printed(&[&path, "--definition", &file]);
    assert!(out.contains("the program does not know what the old definition needed"), "{out}");
}

#[test]
fn an_event_needs_no_file_for_what_it_deletes_or_replaces() {
    let repository = Repository::new("old-locations");
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    for (name, which, note) in [
        ("delete", "ResourceProperties", "the program does not know how many policies the definition led to"),
        ("update", "OldResourceProperties", "the program does not know what the old definition needed"),
    ] {
        let text = fs::read_to_string(events.join(format!("{name}.json"))).unwrap();
        let mut event: Value = serde_json::from_str(&text).unwrap();
        event[which]["DefinitionS3Location"] = object();
        let path = repository.write("event.json", &event.to_string()).path("event.json");
        let out = printed(&[&path]);
        assert!(out.contains(note) && !out.contains("Policy-2"), "{out}");
        assert!(!out.contains("is assumed to allow"), "{out}");
    }
}
