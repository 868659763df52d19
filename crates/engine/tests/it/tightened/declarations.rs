//! What the author of a definition does not declare, and what a declaration has that no task needs.

use serde_json::{Value, json};

use super::{Refusal, WORKFLOW, calls};

fn query(text: &str) -> Value {
    json!({ "QueryString": text, "WorkGroup": "w", "ResultConfiguration": { "OutputLocation": "s3://r/o/" } })
}

/// A task that needs no declaration, with this one.
fn declaring(declared: Value) -> Value {
    let mut properties = calls("sns:publish", json!({ "TopicArn": "arn:aws:sns:us-east-1:123456789012:t" }));
    properties["TaskResources"] = json!({ "Call": declared });
    properties
}

fn key(id: &str) -> Value {
    let mut properties = calls("glue:startJobRun", json!({ "JobName": "churn" }));
    properties["DataKeys"] = json!(format!("arn:aws:kms:us-east-1:123456789012:key/{id}"));
    properties
}

pub(super) fn refusals() -> Vec<Refusal> {
    let both_roles = json!({
        "TaskRoleArn": "arn:aws:iam::123456789012:role/SageMakerTask",
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/SageMakerTask",
    });
    let mut show = calls("athena:startQueryExecution", query("SHOW TABLES"));
    show["TaskResources"] = json!({ "Call": {} });
    vec![
        Refusal {
            what: "a task definition whose roles nobody declares",
            kind: WORKFLOW,
            good: calls("ecs:runTask", json!({ "TaskDefinition": "churn", "Overrides": both_roles })),
            bad: calls("ecs:runTask", json!({ "TaskDefinition": "churn" })),
            worse: Some(calls("ecs:runTask", json!({ "TaskDefinition": "score" }))),
            says: "`TaskResources`: missing for state `Call` of the definition (digest ",
        },
        Refusal {
            what: "data of a query that nobody declares",
            kind: WORKFLOW,
            good: show,
            bad: calls("athena:startQueryExecution", query("SELECT 1")),
            worse: Some(calls("athena:startQueryExecution", query("INSERT INTO t VALUES (1)"))),
            says: "which reads the data of the tables that the query reads",
        },
        Refusal {
            what: "what a state declares and does not need",
            kind: WORKFLOW,
            good: calls("sns:publish", json!({ "TopicArn": "arn:aws:sns:us-east-1:123456789012:t" })),
            bad: declaring(json!({ "Read": "arn:aws:s3:::b/*" })),
            worse: Some(declaring(json!({ "Read": "arn:aws:s3:::c/*" }))),
            says: "in `Read` fits no need of state `Call` that its definition leaves open",
        },
        Refusal {
            what: "a key of data that no task touches",
            kind: WORKFLOW,
            good: calls("glue:startJobRun", json!({ "JobName": "churn" })),
            bad: key("1234abcd-12ab-34cd-56ef-1234567890ab"),
            worse: Some(key("12345678-12ab-34cd-56ef-1234567890ab")),
            says: "expected the key of data that a task reads or writes",
        },
    ]
}
