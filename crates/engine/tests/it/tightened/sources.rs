//! Values of `SourceArn` with which SageMaker can't assume the execution role.

use serde_json::{Value, json};

use mlops_roles_testkit::role_sets::asking;

use super::{EXECUTION, Refusal};

fn of_source(capability: &str, source: &str) -> Value {
    let source = format!("arn:aws:sagemaker:us-east-1:123456789012:{source}");
    asking(
        &json!({ "RoleName": "AmazonSageMaker-Churn", "SourceArn": source }),
        json!({ "Capabilities": [capability], "NamePrefix": "churn" }),
    )
}

pub(super) fn refusals() -> Vec<Refusal> {
    let training = |source: &str| of_source("Training", source);
    let of_pipelines = |source: &str| of_source("Pipelines", source);
    vec![
        Refusal {
            what: "a source that no training job has",
            kind: EXECUTION,
            good: training("training-job/churn*"),
            bad: training("domain/*"),
            worse: Some(training("processing-job/churn-*")),
            says: "SageMaker can't assume the role for the capability `Training`; use \
                   `arn:aws:sagemaker:us-east-1:123456789012:*`",
        },
        Refusal {
            what: "a source that no pipeline of the prefix has",
            kind: EXECUTION,
            good: of_pipelines("pipeline/churn*/*"),
            bad: of_pipelines("pipeline/orders/*"),
            worse: Some(of_pipelines("training-job/churn-1")),
            says: "SageMaker can't assume the role for the capability `Pipelines`",
        },
        Refusal {
            what: "a source that the role can't be passed with",
            kind: EXECUTION,
            good: asking(&json!({ "RoleName": "AmazonSageMaker-Churn", "PassSelf": true }), json!({})),
            bad: asking(
                &json!({ "RoleName": "AmazonSageMaker-Churn", "PassSelf": true }),
                json!({ "SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/*" }),
            ),
            worse: None,
            says: "SageMaker can't assume the role for what it passes itself to (`PassSelf`)",
        },
        Refusal {
            what: "a source that no feature has",
            kind: EXECUTION,
            good: asking(&json!({ "RoleName": "AmazonSageMaker-Churn" }), json!({})),
            bad: asking(
                &json!({ "RoleName": "AmazonSageMaker-Churn" }),
                json!({ "SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:domain/d-1" }),
            ),
            worse: None,
            says: "SageMaker can't assume the role for any feature; use `arn:aws:sagemaker:us-east-1:123456789012:*`",
        },
    ]
}
