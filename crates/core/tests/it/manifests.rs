//! Tests what a distributed map needs to read the files that a manifest lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::states::{errors, granted, machine, required};

/// A machine with a distributed map that reads an object. `bucket` and `key` are members with their names.
fn reading(config: &Value, field: &str, arguments: &Value) -> Value {
    let language = if field == "Arguments" { "JSONata" } else { "JSONPath" };
    let reader = json!({ "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config, field: arguments });
    let processor = json!({
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "Each",
        "States": { "Each": { "Type": "Pass", "End": true } },
    });
    let map = json!({
        "Type": "Map", "QueryLanguage": language, "ItemReader": reader, "ItemProcessor": processor, "End": true,
    });
    machine(&json!({ "First": map }))
}

fn read(machine: &Value) -> Vec<String> {
    granted(machine, "s3:GetObject").remove("s3:GetObject").unwrap_or_default().into_iter().collect()
}

fn inventory() -> [Value; 3] {
    [
        json!({ "InputType": "MANIFEST" }),
        json!({ "ManifestType": "S3_INVENTORY" }),
        json!({ "InputType": "MANIFEST", "ManifestType": "S3_INVENTORY" }),
    ]
}

const MANIFEST: &str = "in/src/all/2026-11-01T00-00Z/manifest.json";

#[test]
fn an_inventory_is_read_with_the_files_beside_the_folder_of_its_manifest() {
    for config in inventory() {
        for field in ["Parameters", "Arguments"] {
            let literal = json!({ "Bucket": "inv", "Key": MANIFEST });
            let expected = [format!("arn:aws:s3:::inv/{MANIFEST}"), "arn:aws:s3:::inv/in/src/all/data/*".to_owned()];
            assert_eq!(read(&reading(&config, field, &literal)), expected, "{config} {field}");
        }
        let version = json!({ "Bucket": "inv", "Key": MANIFEST, "VersionId": "v1" });
        assert_eq!(read(&reading(&config, "Parameters", &version)), ["arn:aws:s3:::inv/in/src/all/data/*"]);
    }
}

#[test]
fn a_known_beginning_of_a_manifest_covers_each_place_that_its_files_may_have() {
    let all = |known: &str, folders: &[&str]| {
        let objects = format!("arn:aws:s3:::inv/{known}*");
        let folders = folders.iter().map(|folder| format!("arn:aws:s3:::inv/{folder}/data/*"));
        [objects].into_iter().chain(folders).collect::<BTreeSet<_>>()
    };
    for (known, folders) in [
        ("", &[][..]),
        ("in/src/al", &[]),
        ("in/src/all/", &[]),
        ("in/src/all/2026-11", &["in/src/all"]),
        ("in/src/all/2026-11-01T00-00Z/", &["in/src/all"]),
        ("in/src/all/2026-11-01T00-00Z/mani", &["in/src/all"]),
        ("in/2026/11", &["in/2026"]),
    ] {
        for config in inventory() {
            let path = json!({ "Bucket": "inv", "Key.$": format!("States.Format('{known}{{}}', $.x)") });
            let found: BTreeSet<String> = read(&reading(&config, "Parameters", &path)).into_iter().collect();
            assert_eq!(found, all(known, folders), "{known}");
            let joined = json!({ "Bucket": "inv", "Key": format!("{{% '{known}' & $x %}}") });
            let found: BTreeSet<String> = read(&reading(&config, "Arguments", &joined)).into_iter().collect();
            assert_eq!(found, all(known, folders), "{known}");
        }
    }
}

#[test]
fn files_of_a_manifest_that_does_not_tell_their_place_are_those_of_its_bucket_or_told() {
    let athena = json!({ "InputType": "PARQUET", "ManifestType": "ATHENA_DATA" });
    let copied = json!({ "InputType": "MANIFEST" });
    for (config, key) in [(&athena, "unload/q1-manifest.csv"), (&copied, "manifest.json"), (&copied, "a/b/list.json")] {
        let machine = reading(config, "Parameters", &json!({ "Bucket": "out", "Key": key }));
        let required = required(&machine, &[]);
        let reasons = required.grants.iter().find_map(|grant| grant.wildcards.get("arn:aws:s3:::out/*")).unwrap();
        assert!(reasons.starts_with("the manifest names the files"), "{reasons}");
        assert_eq!(read(&machine), ["arn:aws:s3:::out/*".to_owned(), format!("arn:aws:s3:::out/{key}")]);
        for told in ["arn:aws:s3:::out/unload/data/*", "arn:aws:s3:::elsewhere/table/*"] {
            let required = crate::states::required(&machine, &[("First", told)]);
            assert_eq!(required.errors, Vec::<String>::new());
            let read = required.grants.iter().filter(|grant| grant.actions.contains("s3:GetObject"));
            let read: BTreeSet<&String> = read.flat_map(|grant| &grant.resources).collect();
            let manifest = format!("arn:aws:s3:::out/{key}");
            assert_eq!(read, BTreeSet::from([&told.to_owned(), &manifest]));
        }
    }
}

#[test]
fn a_kind_of_manifest_that_is_an_expression_may_be_any() {
    let literal = json!({ "Bucket": "inv", "Key": MANIFEST });
    let plain = reading(&json!({ "InputType": "JSON" }), "Arguments", &literal);
    assert_eq!(read(&plain), [format!("arn:aws:s3:::inv/{MANIFEST}")]);
    for (config, files) in [
        (json!({ "InputType": "{% $kind %}" }), "arn:aws:s3:::inv/in/src/all/data/*"),
        (json!({ "InputType": "CSV", "ManifestType": "{% $kind %}" }), "arn:aws:s3:::inv/*"),
    ] {
        let found = read(&reading(&config, "Arguments", &literal));
        assert!(found.contains(&files.to_owned()), "{config}: {found:?}");
    }
}

/// The field of a reader tells its language, whatever the map declares.
#[test]
fn the_configuration_of_a_reader_has_the_language_of_its_arguments() {
    let literal = json!({ "Bucket": "inv", "Key": MANIFEST });
    let mut machine = reading(&json!({ "InputType": "{% $kind %}" }), "Arguments", &literal);
    machine["States"]["First"]["QueryLanguage"] = json!("JSONPath");
    assert!(read(&machine).contains(&"arn:aws:s3:::inv/in/src/all/data/*".to_owned()));
}

#[test]
fn a_key_keeps_its_beginning_if_only_the_beginning_of_the_bucket_is_known() {
    let key = json!({ "Bucket.$": "States.Format('inv-{}', $.x)", "Key": "in/a.json" });
    assert_eq!(read(&reading(&json!({}), "Parameters", &key)), ["arn:aws:s3:::inv-*/in/a.json"]);
    assert_eq!(errors(&reading(&json!({}), "Parameters", &key)), "");
}

/// The executions of a map have its label in their ARNs: `execution:runs/First:id`.
#[test]
fn the_executions_of_a_map_can_be_described_and_stopped() {
    let mut machine = reading(&json!({}), "Parameters", &json!({ "Bucket": "b", "Key": "k" }));
    for (label, expected) in [(None, "*"), (Some("Each"), "Each")] {
        if let Some(label) = label {
            machine["States"]["First"]["Label"] = json!(label);
        }
        let states = granted(&machine, "states:");
        let execution = |rest: &str| format!("arn:aws:states:us-east-1:123456789012:execution:runs{rest}:*");
        for action in ["states:DescribeExecution", "states:StopExecution"] {
            let both = BTreeSet::from([execution(""), execution(&format!("/{expected}"))]);
            assert_eq!(states.get(action), Some(&both), "{action}");
        }
        let redriven = BTreeSet::from([execution(&format!("/{expected}"))]);
        assert_eq!(states.get("states:RedriveExecution"), Some(&redriven));
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html>
#[test]
fn an_access_point_may_stand_for_a_bucket_and_no_other_arn() {
    let point = "arn:aws:s3:us-east-1:123456789012:accesspoint/items";
    let at =
        |bucket: &str, config: Value| reading(&config, "Parameters", &json!({ "Bucket": bucket, "Key": "in/a.json" }));
    assert_eq!(read(&at(point, json!({}))), [format!("{point}/object/in/a.json")]);
    let begun = json!({ "Bucket.$": "States.Format('arn:aws:s3:{}', $.x)", "Key": "in/a.json" });
    let of_any_point = read(&reading(&json!({}), "Parameters", &begun));
    assert_eq!(of_any_point, ["arn:aws:s3:us-east-1:123456789012:accesspoint/*/object/in/a.json"]);
    let athena = json!({ "InputType": "CSV", "ManifestType": "ATHENA_DATA" });
    assert_eq!(read(&at(point, athena)), [format!("{point}/object/*"), format!("{point}/object/in/a.json")]);
    for other in ["arn:aws:s3:::items", "arn:aws:sqs:us-east-1:123456789012:items"] {
        let errors = errors(&at(other, json!({})));
        assert!(errors.contains("`Bucket`: found an ARN, expected the name of a bucket"), "{other}: {errors}");
    }
}

#[test]
fn an_override_of_something_else_leaves_the_files_of_a_manifest() {
    let athena = json!({ "InputType": "CSV", "ManifestType": "ATHENA_DATA" });
    let read = |machine: &Value, told: &str| {
        let required = required(machine, &[("First", told)]);
        assert_eq!(required.errors, Vec::<String>::new());
        let read = required.grants.into_iter().filter(|grant| grant.actions.contains("s3:GetObject"));
        read.filter(|grant| grant.actions.len() == 1).flat_map(|grant| grant.resources).collect::<BTreeSet<_>>()
    };
    let mut machine = reading(&athena, "Parameters", &json!({ "Bucket": "b", "Key": "k/m.csv" }));
    let writer = json!({ "Resource": "arn:aws:states:::s3:putObject", "Parameters": { "Bucket.$": "$.bucket" } });
    machine["States"]["First"]["ResultWriter"] = writer;
    assert!(read(&machine, "arn:aws:s3:::w/p/*").contains("arn:aws:s3:::b/*"), "an override of the writer");
    for config in [athena, json!({ "InputType": "MANIFEST" })] {
        let machine = reading(&config, "Parameters", &json!({ "Bucket": "b", "Key.$": "$.key" }));
        let found = read(&machine, "arn:aws:s3:::b/k/m.csv");
        assert!(found.contains("arn:aws:s3:::b/*"), "an override of the manifest: {found:?}");
    }
}
