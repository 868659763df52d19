//! The reads of roles and policies, call by call as `src/aws/iam/observe.rs` makes them.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all, try_join3};

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::state::observation::{LastUse, RoleMetadata};
use mlops_roles_core::state::{Policy, Role};
use mlops_roles_engine::port::AwsError;

use super::request::{ask, if_exists, tags, text, unless_changed};
use crate::account::handle::Fake;

/// What separate calls tell of a role: attached policies, inline policies, instance profiles.
type Details = (BTreeSet<String>, BTreeMap<String, Document>, BTreeSet<String>);

impl Fake {
    pub(super) async fn role(
        &self,
        name: &Name,
        likely: Option<&BTreeSet<String>>,
        skip_instance_profiles: bool,
    ) -> Result<Option<(Name, Role, RoleMetadata)>, AwsError> {
        let role = self.of_iam(ask("iam:GetRole").of_role(name));
        let (reply, details) = match likely {
            Some(inline) => {
                let (reply, details) = join(role, self.details(name, inline, skip_instance_profiles)).await;
                (reply, Some(details))
            }
            None => (role.await, None),
        };
        let Some(role) = if_exists(reply)? else { return Ok(None) };
        let role = &role["Role"];
        let (attached, inline, instance_profiles) = match details {
            Some(details) => details?,
            None => self.details(name, &BTreeSet::new(), skip_instance_profiles).await?,
        };
        let last = &role["RoleLastUsed"];
        let last_used = last["LastUsedDate"].as_i64().map(|at| LastUse { at, region: text(&last["Region"]) });
        let metadata =
            RoleMetadata { id: text(&role["RoleId"]), made_at: role["CreateDate"].as_i64().unwrap(), last_used };
        let seen = Role {
            path: text(&role["Path"]),
            trust: Document::parse(&text(&role["AssumeRolePolicyDocument"])),
            description: text(&role["Description"]),
            max_session_duration: role["MaxSessionDuration"].as_i64().unwrap().try_into().unwrap(),
            boundary: role["PermissionsBoundary"]["PermissionsBoundaryArn"].as_str().map(str::to_owned),
            tags: tags(role),
            attached,
            inline,
            instance_profiles,
        };
        Ok(Some((Name::new(text(&role["RoleName"])), seen, metadata)))
    }

    async fn details(
        &self,
        role: &Name,
        inline: &BTreeSet<String>,
        skip_instance_profiles: bool,
    ) -> Result<Details, AwsError> {
        let attached = async {
            let listed = self.pages(ask("iam:ListAttachedRolePolicies").of_role(role), "AttachedPolicies").await;
            Ok(unless_changed(listed)?.iter().map(|policy| text(&policy["PolicyArn"])).collect())
        };
        let profiles = async {
            if skip_instance_profiles {
                return Ok(BTreeSet::new());
            }
            let listed = self.pages(ask("iam:ListInstanceProfilesForRole").of_role(role), "InstanceProfiles").await;
            Ok(unless_changed(listed)?.iter().map(|profile| text(&profile["InstanceProfileName"])).collect())
        };
        try_join3(attached, self.inline(role, inline), profiles).await
    }

    async fn inline(&self, role: &Name, likely: &BTreeSet<String>) -> Result<BTreeMap<String, Document>, AwsError> {
        let read = async |name: String| {
            let asked = ask("iam:GetRolePolicy").of_role(role).with("PolicyName", &name);
            (name, self.of_iam(asked).await)
        };
        let likely = join_all(likely.iter().cloned().map(&read));
        let names =
            async { unless_changed(self.pages(ask("iam:ListRolePolicies").of_role(role), "PolicyNames").await) };
        let (names, likely) = join(names, likely).await;
        let names: BTreeSet<String> = names?.iter().map(text).collect();
        let others = names.iter().filter(|name| !likely.iter().any(|(likely, _)| likely == *name));
        let others = join_all(others.cloned().map(&read)).await;
        let mut documents = BTreeMap::new();
        for (name, reply) in likely.into_iter().chain(others).filter(|(name, _)| names.contains(name)) {
            documents.insert(name, Document::parse(&text(&unless_changed(reply)?["PolicyDocument"])));
        }
        Ok(documents)
    }

    pub(super) async fn policy(&self, arn: &str, likely: bool) -> Result<Option<(String, Policy)>, AwsError> {
        let policy = self.of_iam(ask("iam:GetPolicy").of_policy(arn));
        let (reply, first) = if likely {
            let (reply, first) = join(policy, self.version(arn, "v1")).await;
            (reply, Some(first))
        } else {
            (policy.await, None)
        };
        let Some(policy) = if_exists(reply)? else { return Ok(None) };
        let policy = &policy["Policy"];
        let version = text(&policy["DefaultVersionId"]);
        let document = match first.filter(|_| version == "v1") {
            Some(first) => first?,
            None => self.version(arn, &version).await?,
        };
        Ok(Some((arn.to_owned(), Policy { document, tags: tags(policy) })))
    }

    pub(super) async fn version(&self, arn: &str, version: &str) -> Result<Document, AwsError> {
        let asked = ask("iam:GetPolicyVersion").of_policy(arn).with("VersionId", version);
        Ok(Document::parse(&text(&unless_changed(self.of_iam(asked).await)?["PolicyVersion"]["Document"])))
    }
}
