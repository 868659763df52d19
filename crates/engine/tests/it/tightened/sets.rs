//! Policies of role sets that write to IAM, and administrator accounts.

use serde_json::{Value, json};

use mlops_roles_testkit::role_sets::{asking, target_account};

use super::{Refusal, SETS, TARGET, of_bridge};

fn setup(more: Value) -> Value {
    let set =
        json!({ "RoleSet": "SetupStackSetExecution", "EnvName": "ds-team", "AdministratorAccountId": "111111111111" });
    asking(&set, more)
}

pub(super) fn refusals() -> Vec<Refusal> {
    vec![
        Refusal {
            what: "policies that make roles, as published",
            kind: TARGET,
            good: of_bridge(json!({})),
            bad: of_bridge(json!({ "Fidelity": "AsPublished" })),
            worse: None,
            says: "ask the deployer to set `AllowPublishedIamWrites`",
        },
        Refusal {
            what: "the same of a set",
            kind: SETS,
            good: setup(json!({ "AdministratorEnvName": "ops" })),
            bad: setup(json!({ "AdministratorEnvName": "ops", "Fidelity": "AsPublished" })),
            worse: Some(setup(json!({
                "AdministratorEnvName": "ops", "Fidelity": "AsPublished", "AdministratorAccountId": "222222222222",
            }))),
            says: "ask the deployer to set `AllowPublishedIamWrites`",
        },
        Refusal {
            what: "an administrator account whose roles are not named",
            kind: SETS,
            good: setup(json!({ "AdministratorEnvName": "ops" })),
            bad: setup(json!({})),
            worse: None,
            says: "`AdministratorEnvName`: missing, so `StackSetAdministrationRoleName` would be",
        },
        Refusal {
            what: "the same for a target account",
            kind: SETS,
            good: target_account(json!({ "AdministratorEnvName": "ops" })),
            bad: target_account(json!({ "AdministratorEnvName": null })),
            worse: Some(target_account(
                json!({ "AdministratorEnvName": null, "AdministratorAccountId": "222222222222" }),
            )),
            says: "so `SetupLambdaExecutionRoleName` would be `*SetupLambdaExecution*`",
        },
    ]
}
