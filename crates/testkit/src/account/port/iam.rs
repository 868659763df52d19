//! The port to IAM.

use std::collections::BTreeSet;

use futures_util::future::{try_join, try_join_all};

use mlops_roles_core::iam::name::Name;
use mlops_roles_core::permissions::simulation::{Check, Simulated};
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::policy_user::PolicyUser;
use mlops_roles_core::state::query::Query;
use mlops_roles_engine::port::{AwsError, Iam};

use super::request::{ask, if_exists, listed, text};
use crate::account::handle::Fake;

impl Iam for Fake {
    async fn observe(&self, query: &Query) -> Result<Observation, AwsError> {
        let mut observed = Observation::default();
        let roles = try_join_all(
            query.roles.iter().map(|(name, likely)| self.role(name, likely.as_ref(), query.skip_instance_profiles)),
        );
        let policies = try_join_all(query.policies.iter().map(|(arn, likely)| self.policy(arn, *likely)));
        let (roles, policies) = try_join(roles, policies).await?;
        for (name, role, metadata) in roles.into_iter().flatten() {
            observed.state.roles.insert(name.clone(), role);
            observed.metadata.insert(name, metadata);
        }
        observed.state.policies.extend(policies.into_iter().flatten());
        Ok(observed)
    }

    async fn execute(&self, step: &Step) -> Result<(), AwsError> {
        self.step(step).await
    }

    async fn has_policy(&self, arn: &str) -> Result<bool, AwsError> {
        Ok(if_exists(self.of_iam(ask("iam:GetPolicy").of_policy(arn)).await)?.is_some())
    }

    async fn users_of_policy(&self, arn: &str) -> Result<Vec<PolicyUser>, AwsError> {
        let reply = if_exists(self.of_iam(ask("iam:ListEntitiesForPolicy").of_policy(arn)).await)?.unwrap_or_default();
        let roles = listed(&reply, "PolicyRoles").map(|role| PolicyUser::Role(Name::new(text(&role["RoleName"]))));
        let users = listed(&reply, "PolicyUsers").map(|user| PolicyUser::User(text(&user["UserName"])));
        let mut all: Vec<PolicyUser> = roles.chain(users).collect();
        all.sort();
        Ok(all)
    }

    async fn simulate(&self, role_arn: &str, check: &Check) -> Result<Simulated, AwsError> {
        self.simulate_each(role_arn, check).await
    }

    async fn policies_below(&self, path: &str) -> Result<Vec<(String, i64)>, AwsError> {
        let asked = ask("iam:ListPolicies").with("Scope", "Local").with("PathPrefix", path);
        let policies = self.pages(asked, "Policies").await?;
        Ok(policies.iter().map(|policy| (text(&policy["Arn"]), policy["CreateDate"].as_i64().unwrap())).collect())
    }

    async fn roles_named(&self, prefix: &str) -> Result<BTreeSet<String>, AwsError> {
        let roles = self.pages(ask("iam:ListRoles"), "Roles").await?;
        let named = roles.iter().filter(|role| text(&role["RoleName"]).starts_with(prefix));
        Ok(named.map(|role| text(&role["Arn"])).collect())
    }
}
