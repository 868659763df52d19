//! Derives the required permissions of a state machine: those of each state, and those of its features.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::guardrails::boundary::BoundaryDenies;
use crate::iam::arn::Place;
use crate::permissions::asl::Machine;
use crate::permissions::distributed_map::required_by_map;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::required::{Grant, RequiredPermissions};
use crate::permissions::integration::required_by;
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::permissions::storable::make_storable;

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
}

/// Derives the required permissions of a state machine. The result also has the errors found on the way.
pub fn derive(machine: &Machine, features: &Features, context: DeriveContext<'_>) -> RequiredPermissions {
    let mut required = RequiredPermissions { tightened: machine.tightened.clone(), ..RequiredPermissions::default() };
    // The states with an error. The derivation stops at an error, so it did not check whether their overrides fit.
    let mut failed = BTreeSet::new();
    for task in &machine.tasks {
        let (before, errors) = (required.grants.len(), required.errors.len());
        required_by(task, context, &mut required);
        if required.errors.len() > errors {
            failed.insert(&task.path);
        }
        let actions = required.grants.iter().skip(before).flat_map(|grant| &grant.actions);
        let overrides = actions.flat_map(|action| {
            let members = BoundaryDenies::Standard.members(action).filter(|member| task.arguments.shows(member));
            members.map(|member| (task.path.clone(), action.clone(), member))
        });
        let overrides: Vec<_> = overrides.collect();
        required.overrides.extend(overrides);
    }
    for map in &machine.maps {
        let errors = required.errors.len();
        required_by_map(map, features, context, &mut required);
        if required.errors.len() > errors {
            failed.insert(&map.path);
        }
    }
    required_by_features(features, context.place, &mut required);
    let known = |path: &&String| {
        machine.tasks.iter().any(|task| task.path == **path) || machine.maps.iter().any(|map| map.path == **path)
    };
    for (path, told) in context.overrides {
        if !known(&path) {
            required.errors.push(format!(
                "`ResourceOverrides`: found `{path}`, expected the path of a task or of a distributed map"
            ));
        } else if !failed.contains(path) {
            idle(path, told, &mut required);
        }
    }
    make_storable(&mut required);
    let mut seen = BTreeSet::new();
    required.errors.retain(|error| seen.insert(error.clone()));
    required
}

/// Reports each ARN in `ResourceOverrides` that replaces no wildcard. Otherwise it would be ignored in silence.
///
/// A wildcard of an earlier version may be gone, so the rule spares existing resources.
fn idle(path: &str, told: &[String], required: &mut RequiredPermissions) {
    let taken = |arn: &String| {
        let condition_has = |grant: &Grant| grant.condition.as_ref().is_some_and(|one| one.to_string().contains(arn));
        let grants = required.grants.iter().filter(|grant| grant.state == path);
        grants.into_iter().any(|grant| grant.resources.contains(arn) || condition_has(grant))
            || required
                .pass_role_grants
                .iter()
                .any(|pass_role_grant| pass_role_grant.state == path && pass_role_grant.role == *arn)
    };
    let idle: Vec<String> = told.iter().filter(|arn| !taken(arn)).map(|arn| format!("`{arn}`")).collect();
    if !idle.is_empty() {
        let (verb, what) = if idle.len() == 1 { ("matches", "it") } else { ("match", "them") };
        required.tightened.push(format!(
            "`ResourceOverrides`: {} {verb} no wildcard or role of state `{path}` that is known only at run time; \
             correct or remove {what}",
            idle.join(", "),
        ));
    }
}

pub(super) fn grant(state: &str, actions: &[&str], resources: Vec<ResourcePattern>, condition: Option<Value>) -> Grant {
    let actions = actions.iter().map(|action| (*action).to_owned()).collect();
    Grant::new(state, actions, resources, condition)
}

fn required_by_features(features: &Features, place: &Place, required: &mut RequiredPermissions) {
    let Place { partition, region, account } = place;
    let any = |whose: &str| {
        let why = format!("the actions of {whose} have no resource-level permissions");
        vec![ResourcePattern::always("*".to_owned(), &why)]
    };
    if features.tracing {
        let actions =
            ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"];
        required.grants.push(grant("(tracing)", &actions, any("X-Ray"), None));
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
        required.grants.push(grant("(logging)", &actions, any("log delivery"), None));
        let groups = format!("arn:{partition}:logs:{region}:{account}:log-group:*");
        let groups = vec![ResourcePattern::always(groups, "the definition does not name the log group")];
        required.grants.push(grant("(logging)", &["logs:CreateLogStream", "logs:PutLogEvents"], groups, None));
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
        required.grants.push(grant("(encryption)", &["kms:Decrypt", "kms:GenerateDataKey"], exact(), condition));
        if features.logging {
            let logs = format!("arn:{partition}:logs:{region}:{account}:*");
            let condition = condition_on("SourceArn", &logs);
            required.grants.push(grant("(encryption)", &["kms:GenerateDataKey"], exact(), condition));
        }
    }
}
