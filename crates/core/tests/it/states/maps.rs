//! Tests the reader and the writer of a map.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{errors, granted, machine, with};

/// A machine with one Map state, in the given mode and with these further fields.
fn map(mode: Option<&str>, fields: &Value) -> Value {
    let mut processor = machine(&json!({ "Done": { "Type": "Succeed" } }));
    if let Some(mode) = mode {
        processor["ProcessorConfig"] = json!({ "Mode": mode });
    }
    let mut state = Map::from_iter([("Type".to_owned(), json!("Map")), ("ItemProcessor".to_owned(), processor)]);
    state.extend(fields.as_object().unwrap().clone());
    machine(&json!({ "Each": state }))
}

#[test]
fn an_inline_map_has_no_reader_and_no_writer() {
    let reader = json!({ "Resource": "arn:aws:states:::s3:getObject", "Parameters": { "Bucket": "in", "Key": "k" } });
    let writer = json!({ "Resource": "arn:aws:states:::s3:putObject", "Parameters": { "Bucket": "out" } });
    let refused = |name: &str, part: &str| {
        format!(
            "state `Each`: `{name}`: allowed only in a distributed map; remove it, or set \
             `{part}.ProcessorConfig.Mode` to `DISTRIBUTED`"
        )
    };
    let formatting = json!({ "WriterConfig": { "OutputType": "JSON" } });
    for (name, part) in [("ItemReader", &reader), ("ResultWriter", &writer), ("ResultWriter", &formatting)] {
        for mode in [None, Some("INLINE")] {
            assert_eq!(errors(&map(mode, &json!({ name: part }))), refused(name, "ItemProcessor"));
        }
        assert_eq!(errors(&map(Some("DISTRIBUTED"), &json!({ name: part }))), "");
    }
    let mut old = map(None, &json!({ "ItemReader": reader, "ResultWriter": writer }));
    let state = old["States"]["Each"].as_object_mut().unwrap();
    let iterator = state.remove("ItemProcessor").unwrap();
    state.insert("Iterator".to_owned(), iterator);
    let both = ["ItemReader", "ResultWriter"].map(|name| refused(name, "Iterator"));
    assert_eq!(errors(&old), both.join("\n"));
}

/// An operation of Amazon S3, its arguments, the configuration of the reader or writer, and the resources by action.
fn options() -> Vec<(&'static str, Value, Value, Value)> {
    let none = || json!({});
    let flatten = || json!({ "InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN" });
    let write = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"];
    vec![
        ("getObject", json!({ "Bucket": "b", "Key": "k" }), none(), json!({ "s3:GetObject": ["b/k"] })),
        (
            "getObject",
            json!({ "Bucket": "b", "Key": "k", "VersionId": "v" }),
            none(),
            json!({ "s3:GetObjectVersion": ["b/k"] }),
        ),
        ("listObjectsV2", json!({ "Bucket": "b" }), none(), json!({ "s3:ListBucket": ["b"] })),
        (
            "listObjectsV2",
            json!({ "Bucket": "b", "Prefix": "in/" }),
            json!({ "Transformation": "NONE" }),
            json!({ "s3:ListBucket": ["b"] }),
        ),
        (
            "listObjectsV2",
            json!({ "Bucket": "b", "Prefix": "in/" }),
            flatten(),
            json!({ "s3:GetObject": ["b/in/*"], "s3:ListBucket": ["b"] }),
        ),
        (
            "listObjectsV2",
            json!({ "Bucket": "b", "Prefix": "in" }),
            flatten(),
            json!({ "s3:GetObject": ["b/in*"], "s3:ListBucket": ["b"] }),
        ),
        (
            "listObjectsV2",
            json!({ "Bucket": "b" }),
            flatten(),
            json!({ "s3:GetObject": ["b/*"], "s3:ListBucket": ["b"] }),
        ),
        ("putObject", json!({ "Bucket": "b" }), none(), write.map(|action| (action, ["b/*"])).into_iter().collect()),
        (
            "putObject",
            json!({ "Bucket": "b", "Prefix": "out" }),
            json!({ "OutputType": "JSONL", "Transformation": "FLATTEN" }),
            write.map(|action| (action, ["b/out/*"])).into_iter().collect(),
        ),
        (
            "putObject",
            json!({ "Bucket": "b", "Prefix": "out/" }),
            none(),
            write.map(|action| (action, ["b/out/*"])).into_iter().collect(),
        ),
    ]
}

#[test]
fn each_option_of_a_reader_or_a_writer_is_granted() {
    for (operation, call, config, expected) in options() {
        let (part, config_name) =
            if operation == "putObject" { ("ResultWriter", "WriterConfig") } else { ("ItemReader", "ReaderConfig") };
        // `arn:aws:states:::s3:getObject` has neither a region nor an account.
        for (field, place) in [("Parameters", ":"), ("Arguments", ":"), ("Parameters", "us-east-1:123456789012")] {
            // The owner of a bucket is compared by S3, and needs no permission.
            let call = with(call.clone(), "ExpectedBucketOwner", Some(&json!("123456789012")));
            let resource = format!("arn:aws:states:{place}:s3:{operation}");
            let machine =
                map(Some("DISTRIBUTED"), &json!({ part: { "Resource": resource, field: call, config_name: config } }));
            let granted = granted(&machine, "s3:");
            let bare = |arn: &String| Value::from(arn.trim_start_matches("arn:aws:s3:::"));
            let found: Value = granted
                .iter()
                .map(|(action, resources)| (action.clone(), resources.iter().map(bare).collect::<Value>()))
                .collect();
            assert_eq!(found, expected, "{machine}");
        }
    }
}

#[test]
fn the_format_of_the_items_changes_no_grant_of_the_file_that_has_them() {
    for config in [
        json!({}),
        json!({ "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "CSVDelimiter": "TAB" }),
        json!({ "InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a"], "MaxItems": 5 }),
        json!({ "InputType": "JSON", "ItemsPointer": "/items", "MaxItemsPath": "$.most" }),
        json!({ "InputType": "JSONL" }),
        json!({ "InputType": "PARQUET" }),
    ] {
        let reader = json!({
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": config,
            "Parameters": { "Bucket": "b", "Key": "k" },
        });
        let granted = granted(&map(Some("DISTRIBUTED"), &json!({ "ItemReader": reader })), "s3:");
        let object = BTreeSet::from(["arn:aws:s3:::b/k".to_owned()]);
        assert_eq!(granted, BTreeMap::from([("s3:GetObject".to_owned(), object)]));
    }
}

#[test]
fn what_is_known_only_at_run_time_is_read_both_ways() {
    let reader = |operation: &str, field: &str, call: Value, config: Value| {
        let resource = format!("arn:aws:states:::s3:{operation}");
        let reader = json!({ "Resource": resource, field: call, "ReaderConfig": config });
        granted(&map(Some("DISTRIBUTED"), &json!({ "ItemReader": reader })), "s3:").into_keys().collect::<Vec<_>>()
    };
    let both = ["s3:GetObject", "s3:GetObjectVersion"];
    let version = json!({ "Bucket": "b", "Key": "k", "VersionId.$": "$.version" });
    assert_eq!(reader("getObject", "Parameters", version, json!({})), both);
    assert_eq!(reader("getObject", "Arguments", json!("{% $file %}"), json!({})), both);
    let open = json!({ "InputType": "JSON", "Transformation": "${Transformation}" });
    let actions = reader("listObjectsV2", "Parameters", json!({ "Bucket": "b" }), open);
    assert_eq!(actions, ["s3:GetObject", "s3:ListBucket"]);
}

#[test]
fn a_reader_without_its_place_is_refused() {
    let reader = |reader: Value| errors(&map(Some("DISTRIBUTED"), &json!({ "ItemReader": reader })));
    let of = |operation: &str, call: Value| {
        reader(json!({ "Resource": format!("arn:aws:states:::{operation}"), "Parameters": call }))
    };
    let bucket = "state `Each.ItemReader`: `Bucket`: missing, expected the name of a bucket";
    assert_eq!(of("s3:getObject", json!({ "Key": "k" })), bucket);
    assert_eq!(of("s3:listObjectsV2", json!({})), bucket);
    let key = "state `Each.ItemReader`: `Key`: missing, expected the key of an object";
    assert_eq!(of("s3:getObject", json!({ "Bucket": "b" })), key);
    let object = "state `Each.ItemReader`: found no object, expected an object with `Resource`";
    assert_eq!(reader(json!("{% $reader %}")), object);
    for operation in ["aws-sdk:s3:getObject", "s3:headObject", "lambda:invoke"] {
        assert!(of(operation, json!({ "Bucket": "b", "Key": "k" })).contains("expected an ARN that ends with"));
    }
}
