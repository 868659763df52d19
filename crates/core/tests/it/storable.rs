//! Tests that no text reaches a grant that a policy can't have, and that none is lost in silence.

use serde_json::{Value, json};

use crate::states::{errors, machine, required};

const POINT: &str = "arn:aws:s3:us-west-2:123456789012:accesspoint/items";

fn task(resource: &str, parameters: &Value) -> Value {
    let resource = format!("arn:aws:states:::{resource}");
    machine(&json!({ "First": { "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true } }))
}

fn map(reader: &str, parameters: &Value) -> Value {
    let resource = format!("arn:aws:states:::s3:{reader}");
    let part = json!({ "Resource": resource, "Parameters": parameters });
    let name = if reader == "putObject" { "ResultWriter" } else { "ItemReader" };
    let processor = json!({
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "Each",
        "States": { "Each": { "Type": "Pass", "End": true } },
    });
    machine(&json!({ "First": { "Type": "Map", name: part, "ItemProcessor": processor, "End": true } }))
}

#[test]
fn a_key_with_characters_that_a_policy_cannot_have_is_widened_with_the_reason() {
    for (machine, expected) in [
        (map("getObject", &json!({ "Bucket": "b", "Key": "データ/in.json" })), "b/*/in.json"),
        (map("getObject", &json!({ "Bucket": "b", "Key": "in/₀é₁₂.json" })), "b/in/*é*.json"),
        (map("putObject", &json!({ "Bucket": "b", "Prefix": "結果" })), "b/*/*"),
        (map("getObject", &json!({ "Bucket": "b", "Key.$": "States.Format('データ/{}', $.x)" })), "b/*/*"),
        (map("getObject", &json!({ "Bucket": POINT, "Key": "日本.csv" })), "*.csv"),
        (task("aws-sdk:s3:getObject", &json!({ "Bucket": "b", "Key": "データ.json" })), "b/*.json"),
        (
            task(
                "bedrock:invokeModel",
                &json!({ "ModelId": "amazon.nova", "Input": { "S3Uri": "s3://b/データ.json" } }),
            ),
            "b/*.json",
        ),
    ] {
        let required = required(&machine, &[]);
        assert_eq!(required.errors, Vec::<String>::new());
        let point = format!("{POINT}/object/{expected}");
        let arn = if machine.to_string().contains(POINT) { point } else { format!("arn:aws:s3:::{expected}") };
        let grant = required.grants.iter().find(|grant| grant.resources.contains(&arn));
        let grant = grant.unwrap_or_else(|| panic!("{arn}: {:?}", required.grants));
        assert!(grant.wildcards.contains_key(&arn), "{arn}");
    }
}

#[test]
fn a_prefix_with_such_characters_is_widened_in_the_condition_with_the_reason() {
    let required = required(&map("listObjectsV2", &json!({ "Bucket": "b", "Prefix": "in/データ/" })), &[]);
    assert_eq!(required.errors, Vec::<String>::new());
    let list = required.grants.iter().find(|grant| grant.actions.contains("s3:ListBucket")).unwrap();
    assert_eq!(list.condition, Some(json!({ "StringLike": { "s3:prefix": ["in/*/*"] } })));
    assert!(list.wildcards.get("arn:aws:s3:::b").unwrap().contains("the condition has wildcards"));
}

#[test]
fn another_name_with_such_characters_is_refused_with_its_state() {
    for (resource, parameters) in [
        ("lambda:invoke", json!({ "FunctionName": "データ" })),
        ("sqs:sendMessage", json!({ "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/データ" })),
        ("dynamodb:getItem", json!({ "TableName.$": "States.Format('データ-{}', $.x)" })),
        ("aws-sdk:s3:getObject", json!({ "Bucket": "データ", "Key": "k" })),
        (
            "http:invoke",
            json!({
                "ApiEndpoint": "https://example.com/データ",
                "Method": "GET",
                "Authentication": { "ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/c/1" },
            }),
        ),
    ] {
        let errors = errors(&task(resource, &parameters));
        assert!(
            errors.starts_with("state `First`: found `") && errors.contains("U+0020 to U+00FF"),
            "{resource}: {errors}"
        );
    }
}
