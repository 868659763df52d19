//! Names that other roles trust, or that belong to SageMaker's project templates, and keys of tags.

use serde_json::{Value, json};

use mlops_roles_testkit::role_sets::{asking, environment};
use mlops_roles_testkit::stage::{properties, with};

use super::{EXECUTION, Refusal, SETS, TARGET, WORKFLOW, of_bridge};

fn tags(keys: &[&str]) -> Value {
    with(json!({ "Tags": keys.iter().map(|key| json!({ "Key": key, "Value": "" })).collect::<Vec<_>>() }))
}

/// Names of single roles, and keys of their tags.
pub(super) fn of_roles() -> Vec<Refusal> {
    let role = |name: &str| with(json!({ "RoleName": name }));
    let execution = |name: &str| asking(&json!({ "RoleName": name }), json!({}));
    vec![
        Refusal {
            what: "keys of tags that differ in the case of letters beyond ASCII",
            kind: WORKFLOW,
            good: properties(),
            bad: tags(&["größe", "GRÖßE"]),
            worse: Some(tags(&["größe", "GRÖßE", "öl", "ÖL"])),
            says: "a key that no other tag has",
        },
        Refusal {
            what: "a name of SageMaker's project templates",
            kind: WORKFLOW,
            good: properties(),
            bad: role("AmazonSageMakerServiceCatalogProductsUseRole"),
            worse: Some(role("AmazonSageMakerServiceCatalogProductsGlueRole")),
            says: "`RoleName`: `AmazonSageMakerServiceCatalogProducts",
        },
        Refusal {
            what: "the same in another case, for an execution role",
            kind: EXECUTION,
            good: execution("AmazonSageMaker-Churn"),
            bad: execution("AmazonSageMakerServiceCatalogProductsEXECUTIONROLE"),
            worse: Some(execution("AmazonSageMakerServiceCatalogProductsLaunchrole")),
            says: "is reserved for `Custom::SageMakerServiceCatalogRoles`",
        },
        Refusal {
            what: "a name that target accounts trust",
            kind: WORKFLOW,
            good: properties(),
            bad: role("AmazonSageMaker-StackSetAdministration"),
            worse: Some(role("AmazonSageMaker-mySetupLambdaExecutionRole")),
            says: "because roles of target accounts trust every name",
        },
        Refusal {
            what: "such a name, derived",
            kind: WORKFLOW,
            good: properties(),
            bad: with(json!({ "RoleName": null })),
            worse: None,
            says: "`RoleName`: missing, and `AmazonSageMaker-SetupLambdaExecution-",
        },
    ]
}

/// Such names in role sets and deploy targets.
pub(super) fn of_sets() -> Vec<Refusal> {
    vec![
        Refusal {
            what: "such a name for another role of a set",
            kind: SETS,
            good: environment(json!({})),
            bad: environment(json!({ "RoleNames": { "DataScientistRole": "ds-team-SetupLambdaExecution" } })),
            worse: Some(environment(json!({ "RoleNames": { "VPCFlowLogsRole": "ds-team-StackSetAdministration" } }))),
            says: "`RoleNames.",
        },
        Refusal {
            what: "such names, by a parameter",
            kind: SETS,
            good: environment(json!({})),
            bad: environment(json!({ "EnvName": "DS-StackSetAdministration", "EnvType": "d" })),
            worse: Some(environment(json!({ "EnvName": "DS-SetupLambdaExecution", "EnvType": "d" }))),
            says: "`RoleNames.DataScientistRole`: missing, and `DS-",
        },
        Refusal {
            what: "such a name for a deploy target",
            kind: TARGET,
            good: of_bridge(json!({})),
            bad: of_bridge(json!({ "RoleNames": { "ExecutionRole": "bridge-StackSetAdministration" } })),
            worse: Some(of_bridge(json!({ "NamePrefix": "bridge-SetupLambdaExecution" }))),
            says: "because roles of target accounts trust every name",
        },
    ]
}
