//! Derives what the features of a state machine need: logging, tracing and the encryption of its data.

use serde_json::json;

use crate::iam::arn::Place;
use crate::permissions::integration::required::{Grant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::ResourcePattern;

/// The features of a state machine that need permissions of their own.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// The name of the state machine: `churn`. `None` is an error if the definition has a distributed map.
    pub state_machine: Option<String>,
    /// Whether the state machine logs its executions to CloudWatch Logs.
    pub logging: bool,
    /// Whether the state machine sends traces to X-Ray.
    pub tracing: bool,
    /// The ARN of the KMS key that encrypts the data of the state machine. `None` needs no permission.
    pub key: Option<String>,
    /// The ARNs of the KMS keys that encrypt the data of the tasks. `None` if the author does not say.
    pub data_keys: Option<Vec<String>>,
}

/// Adds what the features of a state machine need.
pub(super) fn required_by_features(features: &Features, place: &Place, required: &mut RequiredPermissions) {
    let Place { partition, region, account } = place;
    let any = |whose: &str| {
        let why = format!("the actions of {whose} have no resource-level permissions");
        vec![ResourcePattern::always("*".to_owned(), &why)]
    };
    if features.tracing {
        let actions =
            ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"];
        required.grants.push(Grant::of("(tracing)", &actions, any("X-Ray"), None));
    }
    if features.logging {
        // <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy> has these actions.
        let actions = [
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        ];
        required.grants.push(Grant::of("(logging)", &actions, any("log delivery"), None));
        let groups = format!("arn:{partition}:logs:{region}:{account}:log-group:*");
        let groups = vec![ResourcePattern::always(groups, "the definition does not name the log group")];
        required.grants.push(Grant::of("(logging)", &["logs:CreateLogStream", "logs:PutLogEvents"], groups, None));
    }
    if let Some(key) = &features.key {
        let exact = || vec![ResourcePattern::exact(key.clone())];
        // `StateMachineName` may be the beginning of the name, as in the trust policy.
        let name = features.state_machine.as_deref().unwrap_or_default();
        let machine = format!("arn:{partition}:states:{region}:{account}:stateMachine:{name}*");
        let condition_on = |key: &str, value: &str| {
            let operator = if value.contains('*') { "StringLike" } else { "StringEquals" };
            Some(json!({ operator: { format!("kms:EncryptionContext:{key}"): value } }))
        };
        let condition = condition_on("aws:states:stateMachineArn", &machine);
        required.grants.push(Grant::of("(encryption)", &["kms:Decrypt", "kms:GenerateDataKey"], exact(), condition));
        if features.logging {
            let logs = format!("arn:{partition}:logs:{region}:{account}:*");
            let condition = condition_on("SourceArn", &logs);
            required.grants.push(Grant::of("(encryption)", &["kms:GenerateDataKey"], exact(), condition));
        }
    }
}
