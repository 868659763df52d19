//! The constants and guardrails that tests and fuzzers share.

use std::collections::BTreeMap;

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource::execution_role::{trusted_actions, trusted_services};

/// The id of the account.
pub const ACCOUNT: &str = "123456789012";
/// The ARN of the function.
pub const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:mlops-roles";
/// The ARN of the stack whose events the tests send.
pub const STACK: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/pipeline/7c1d";
/// The resource type of the events.
pub const TYPE: &str = "Custom::StepFunctionsWorkflowRole";
/// The permissions boundary that the guardrails set.
pub const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/mlops-roles-Boundary";
/// The ARN of a role that the guardrails allow to be passed.
pub const PASSABLE: &str = "arn:aws:iam::123456789012:role/MySageMakerRole";

/// The place of the function.
pub fn place() -> Place {
    Place::from_arn(FUNCTION).unwrap()
}

/// The guardrails that most tests use.
pub fn guardrails() -> Guardrails {
    guardrails_with(&[])
}

/// `guardrails()` with other values of these environment variables. An empty value removes a variable.
pub fn guardrails_with(changes: &[(&str, &str)]) -> Guardrails {
    let trust = trusted_services().chain(trusted_actions()).collect::<Vec<_>>().join(",");
    let mut variables = BTreeMap::from([
        ("ROLE_NAME_PREFIXES", "AmazonSageMaker,Team"),
        ("ROLE_PATHS", "/"),
        ("PERMISSIONS_BOUNDARY_ARN", BOUNDARY),
        (
            "NARROWER_PERMISSIONS_BOUNDARY_ARNS",
            "arn:aws:iam::123456789012:policy/Narrow-boundary,arn:aws:iam::123456789012:policy/Absent",
        ),
        ("PASSABLE_ROLE_ARNS", "arn:aws:iam::123456789012:role/*SageMaker*"),
        ("ALLOWED_MANAGED_POLICY_ARNS", "arn:aws:iam::aws:policy/Amazon*"),
        ("ALLOWED_TRUST", trust.as_str()),
        (
            "ENABLED_TYPES",
            "Custom::StepFunctionsWorkflowRole,Custom::SageMakerExecutionRole,Custom::SageMakerServiceCatalogRoles,\
             Custom::SageMakerMlopsRoles,Custom::SageMakerDeployTarget",
        ),
        ("ALLOW_ADOPTION", "true"),
        ("DEFINITION_LOCATIONS", "arn:aws:s3:::artifacts/churn/*"),
    ]);
    variables.extend(changes.iter().copied());
    Guardrails::from_environment(|name| variables.get(name).map(|text| (*text).to_owned())).unwrap()
}
