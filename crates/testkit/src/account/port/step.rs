//! The steps, call by call as `src/aws/iam/` executes them.

use futures_util::future::try_join_all;
use serde_json::Value;

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::plan::step::Step;
use mlops_roles_engine::port::AwsError;

use super::request::{ask, if_exists, text};
use crate::account::handle::Fake;

impl Fake {
    pub(super) async fn step(&self, step: &Step) -> Result<(), AwsError> {
        let asked = match step {
            Step::SetPolicyDocument { arn, document, .. } => return self.set_policy_document(arn, document).await,
            Step::DeletePolicy { arn } => return self.delete_policy(arn).await,
            Step::CreatePolicy { arn, policy } => {
                let (path, name) = arn.split_once(":policy").unwrap().1.rsplit_once('/').unwrap();
                let asked = ask("iam:CreatePolicy").with("PolicyName", name).with("Path", format!("{path}/"));
                asked.tags(&policy.tags).with("PolicyDocument", &policy.document)
            }
            Step::TagPolicy { arn, tags } => ask("iam:TagPolicy").of_policy(arn).tags(tags),
            Step::UntagPolicy { arn, keys } => ask("iam:UntagPolicy").of_policy(arn).members("TagKeys", keys),
            Step::CreateRole { role, made } => {
                let asked = ask("iam:CreateRole").of_role(role).with("Path", &made.path).tags(&made.tags);
                let asked = asked.with("AssumeRolePolicyDocument", &made.trust).with("Description", &made.description);
                let asked = asked.with("MaxSessionDuration", made.max_session_duration);
                asked.with("PermissionsBoundary", made.boundary.as_deref().unwrap_or_default())
            }
            Step::TagRole { role, tags } => ask("iam:TagRole").of_role(role).tags(tags),
            Step::UntagRole { role, keys } => ask("iam:UntagRole").of_role(role).members("TagKeys", keys),
            Step::SetBoundary { role, arn } => {
                ask("iam:PutRolePermissionsBoundary").of_role(role).with("PermissionsBoundary", arn)
            }
            Step::RemoveBoundary { role } => ask("iam:DeleteRolePermissionsBoundary").of_role(role),
            Step::SetTrust { role, trust } => {
                ask("iam:UpdateAssumeRolePolicy").of_role(role).with("PolicyDocument", trust)
            }
            Step::SetDetails { role, description, max_session_duration } => {
                let asked = ask("iam:UpdateRole").of_role(role).with("Description", description);
                asked.with("MaxSessionDuration", max_session_duration)
            }
            Step::Attach { role, arn } => ask("iam:AttachRolePolicy").of_role(role).of_policy(arn),
            Step::Detach { role, arn } => ask("iam:DetachRolePolicy").of_role(role).of_policy(arn),
            Step::PutInline { role, name, document } => {
                ask("iam:PutRolePolicy").of_role(role).with("PolicyName", name).with("PolicyDocument", document)
            }
            Step::DeleteInline { role, name } => ask("iam:DeleteRolePolicy").of_role(role).with("PolicyName", name),
            Step::RemoveFromInstanceProfile { role, profile } => {
                ask("iam:RemoveRoleFromInstanceProfile").of_role(role).with("InstanceProfileName", profile)
            }
            Step::DeleteRole { role } => ask("iam:DeleteRole").of_role(role),
        };
        self.of_iam(asked).await.map(drop)
    }

    /// The ids of the policy's versions, each with whether it is the default version.
    async fn versions(&self, arn: &str) -> Result<Vec<(String, bool)>, AwsError> {
        let versions = self.pages(ask("iam:ListPolicyVersions").of_policy(arn), "Versions").await?;
        let told = |version: &Value| (text(&version["VersionId"]), version["IsDefaultVersion"] == true);
        let mut versions: Vec<_> = versions.iter().map(told).collect();
        versions.sort_by_key(|(_, is_default)| !is_default);
        Ok(versions)
    }

    async fn set_policy_document(&self, arn: &str, document: &Document) -> Result<(), AwsError> {
        let versions = self.versions(arn).await?;
        let read = versions.iter().map(async |(id, _)| Ok::<_, AwsError>((id, self.version(arn, id).await?)));
        let documents = try_join_all(read).await?;
        let default = versions.iter().find(|(_, is_default)| *is_default).map(|(id, _)| id);
        if let Some((held, _)) = documents.iter().find(|(_, held_document)| held_document == document) {
            self.of_iam(ask("iam:SetDefaultPolicyVersion").of_policy(arn).with("VersionId", held)).await?;
            if let Some(replaced) = default.filter(|id| id != held) {
                // A version that remains grants nothing.
                let _ = self.delete_version(arn, replaced).await;
            }
            return Ok(());
        }
        let others = versions.iter().filter(|(_, is_default)| !is_default).map(|(id, _)| id);
        let oldest = others.min_by_key(|id| id[1..].parse::<u32>().unwrap());
        if let Some(oldest) = oldest.filter(|_| versions.len() >= 5) {
            self.delete_version(arn, oldest).await?;
        }
        let asked = ask("iam:CreatePolicyVersion").of_policy(arn).with("PolicyDocument", document);
        self.of_iam(asked.with("SetAsDefault", true)).await.map(drop)
    }

    async fn delete_version(&self, arn: &str, version: &str) -> Result<(), AwsError> {
        let asked = ask("iam:DeletePolicyVersion").of_policy(arn).with("VersionId", version);
        if_exists(self.of_iam(asked).await).map(drop)
    }

    async fn delete_policy(&self, arn: &str) -> Result<(), AwsError> {
        let delete = async || self.of_iam(ask("iam:DeletePolicy").of_policy(arn)).await.map(drop);
        let refused = match delete().await {
            Err(refused) if refused.code == "DeleteConflict" => refused,
            reply => return reply,
        };
        let versions = self.versions(arn).await?;
        if versions.iter().all(|(_, is_default)| *is_default) {
            return Err(refused);
        }
        for (id, _) in versions.iter().filter(|(_, is_default)| !is_default) {
            self.delete_version(arn, id).await?;
        }
        delete().await
    }
}
