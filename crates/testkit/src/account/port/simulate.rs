//! The checks by IAM's policy simulator.

use std::collections::BTreeSet;

use mlops_roles_core::permissions::simulation::{Check, Denial, Simulated};
use mlops_roles_engine::port::AwsError;

use super::request::{ask, listed, text};
use crate::account::handle::Fake;

impl Fake {
    pub(super) async fn simulate_each(&self, role_arn: &str, check: &Check) -> Result<Simulated, AwsError> {
        let (any, arns): (Vec<&String>, Vec<&String>) = check.resources.iter().partition(|one| *one == "*");
        let all: Vec<&String> = check.actions.iter().collect();
        let mut whole = Simulated::default();
        for resources in [any, arns].into_iter().filter(|resources| !resources.is_empty()) {
            match self.simulated(role_arn, &all, &resources, check).await {
                Err(error) if error.code == "InvalidInput" => {
                    for action in &check.actions {
                        match self.simulated(role_arn, &[action], &resources, check).await {
                            Err(error) if error.code == "InvalidInput" => {
                                whole.unjudged.insert(action.clone(), error.message);
                            }
                            told => whole.merge(told?),
                        }
                    }
                }
                told => whole.merge(told?),
            }
        }
        Ok(whole)
    }

    async fn simulated(
        &self,
        role: &str,
        actions: &[&String],
        arns: &[&String],
        check: &Check,
    ) -> Result<Simulated, AwsError> {
        let asked = ask("iam:SimulatePrincipalPolicy").with("PolicySourceArn", role);
        let asked = asked.members("ActionNames", actions.iter().copied());
        let asked = asked.members("ResourceArns", arns.iter().copied());
        let asked = (1..).zip(&check.context).fold(asked, |asked, (i, context)| {
            let entry = |field: &str| format!("ContextEntries.member.{i}.{field}");
            asked.with(&entry("ContextKeyName"), &context.key).with(&entry("ContextKeyValues.member.1"), &context.value)
        });
        let results = self.pages(asked, "EvaluationResults").await?;
        let judged: BTreeSet<String> = results.iter().map(|result| text(&result["EvalActionName"])).collect();
        let mut told = Simulated { judged: judged.len(), ..Simulated::default() };
        for result in &results {
            for one in listed(result, "ResourceSpecificResults").filter(|one| one["EvalResourceDecision"] != "allowed")
            {
                let bounded = one["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"] == true;
                let unallowed = "the role's own policies, which do not allow the action";
                let side = if bounded { unallowed } else { "the permissions boundary" };
                let (action, resource) = (text(&result["EvalActionName"]), text(&one["EvalResourceName"]));
                told.denials.push(Denial { action, resource, side });
            }
        }
        let silent = actions.iter().filter(|action| !judged.contains(**action));
        told.unjudged =
            silent.map(|action| ((*action).clone(), "the simulator returned no result".to_owned())).collect();
        Ok(told)
    }
}
