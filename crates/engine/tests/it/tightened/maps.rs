//! Readers of Map states that are refused.

use serde_json::{Value, json};

use mlops_roles_testkit::stage::with;

use super::{Refusal, WORKFLOW};

fn map(mode: &str, reader: Value) -> Value {
    let done = json!({ "StartAt": "Done", "States": { "Done": { "Type": "Succeed" } } });
    let mut each = json!({ "Type": "Map", "ItemProcessor": done, "ItemReader": reader, "End": true });
    each["ItemProcessor"]["ProcessorConfig"] = json!({ "Mode": mode });
    with(json!({
        "Definition": { "StartAt": "Each", "States": { "Each": each } },
        "StateMachineName": "churn",
        "DataKeys": [],
    }))
}

fn reader(call: Value) -> Value {
    json!({ "Resource": "arn:aws:states:::s3:getObject", "Parameters": call })
}

pub(super) fn refusals() -> Vec<Refusal> {
    vec![
        Refusal {
            what: "a reader with the ARN of a bucket",
            kind: WORKFLOW,
            good: map("DISTRIBUTED", reader(json!({ "Bucket": "b", "Key": "k" }))),
            bad: map("DISTRIBUTED", reader(json!({ "Bucket": "arn:aws:s3:::b", "Key": "k" }))),
            worse: None,
            says: "`Bucket`: found an ARN, expected the name of a bucket",
        },
        Refusal {
            what: "an inline map with a reader",
            kind: WORKFLOW,
            good: map("DISTRIBUTED", reader(json!({ "Bucket": "b", "Key": "k" }))),
            bad: map("INLINE", reader(json!({ "Bucket": "b", "Key": "k" }))),
            worse: None,
            says: "state `Each`: `ItemReader`: allowed only in a distributed map",
        },
        Refusal {
            what: "a reader without its bucket",
            kind: WORKFLOW,
            good: map("DISTRIBUTED", reader(json!({ "Bucket": "b", "Key": "k" }))),
            bad: map("DISTRIBUTED", reader(json!({ "Key": "k" }))),
            worse: None,
            says: "`Bucket`: missing, expected the name of a bucket",
        },
        Refusal {
            what: "a reader that is no object",
            kind: WORKFLOW,
            good: map("DISTRIBUTED", reader(json!({ "Bucket": "b", "Key": "k" }))),
            bad: map("DISTRIBUTED", json!("{% $reader %}")),
            worse: None,
            says: "found no object, expected an object with `Resource`",
        },
    ]
}
