//! Reads roles and policies from IAM. If an entity is likely to exist, all calls about it go out at once.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::operation::get_role_policy::{GetRolePolicyError, GetRolePolicyOutput};
use aws_sdk_iam::types::{PolicyVersion, Tag};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use futures_util::future::{join, join_all, try_join_all, try_join3};
use percent_encoding::percent_decode_str;

use crate::aws::error::{classify, if_exists, unless_changed};
use crate::aws::iam::IamClient;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::state::observation::{LastUse, RoleMetadata};
use mlops_roles_core::state::{Policy, Role, Tags};
use mlops_roles_engine::port::AwsError;

/// The default version of a policy that was never changed. It is read before IAM has told which version is the default
/// one.
const FIRST_VERSION: &str = "v1";

/// The maximum session duration of a role for which IAM returns none, in seconds.
const DEFAULT_SESSION: i32 = 3_600;

/// The parts of a role that separate calls return: attached policies, inline policies, instance profiles.
type Details = (BTreeSet<String>, BTreeMap<String, Document>, BTreeSet<String>);

impl IamClient {
    /// Reads a role. Returns `None` when it does not exist.
    ///
    /// `likely` is set when the role is likely to exist. It has the names of the role's inline policies, as far as they
    /// are known.
    pub(super) async fn role(
        &self,
        name: &Name,
        likely: Option<&BTreeSet<String>>,
        skip_instance_profiles: bool,
    ) -> Result<Option<(Name, Role, RoleMetadata)>, AwsError> {
        let role = self.throttle.read(|| self.client.get_role().role_name(name.as_str()).send());
        let (reply, details) = match likely {
            Some(inline) => {
                let (reply, details) = join(role, self.details(name, inline, skip_instance_profiles)).await;
                (reply, Some(details))
            }
            None => (role.await, None),
        };
        let Some(role) = if_exists("iam:GetRole", reply)?.and_then(|reply| reply.role) else { return Ok(None) };
        let (attached, inline, instance_profiles) = match details {
            Some(details) => details?,
            None => self.details(name, &BTreeSet::new(), skip_instance_profiles).await?,
        };
        let boundary = role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn);
        let last_used = role.role_last_used.and_then(|last| {
            let region = last.region.unwrap_or_default();
            last.last_used_date.map(|at| LastUse { at: at.secs(), region })
        });
        let observed = Role {
            path: role.path,
            trust: document(role.assume_role_policy_document.as_deref().unwrap_or_default()),
            description: role.description.unwrap_or_default(),
            max_session_duration: role.max_session_duration.unwrap_or(DEFAULT_SESSION),
            boundary,
            tags: tags_of(role.tags.unwrap_or_default()),
            attached,
            inline,
            instance_profiles,
        };
        let metadata = RoleMetadata { id: role.role_id, made_at: role.create_date.secs(), last_used };
        Ok(Some((Name::new(role.role_name), observed, metadata)))
    }

    async fn details(
        &self,
        role: &Name,
        inline: &BTreeSet<String>,
        skip_instance_profiles: bool,
    ) -> Result<Details, AwsError> {
        let profiles =
            async { if skip_instance_profiles { Ok(BTreeSet::new()) } else { self.instance_profiles(role).await } };
        Box::pin(try_join3(self.attached(role), self.inline(role, inline), profiles)).await
    }

    async fn attached(&self, role: &Name) -> Result<BTreeSet<String>, AwsError> {
        let ask = |marker| self.client.list_attached_role_policies().role_name(role.as_str()).set_marker(marker).send();
        let pages = self.pages(ask, |page| page.marker.clone().filter(|_| page.is_truncated)).await;
        let pages = unless_changed("iam:ListAttachedRolePolicies", pages)?;
        let policies = pages.into_iter().filter_map(|page| page.attached_policies).flatten();
        Ok(policies.filter_map(|policy| policy.policy_arn).collect())
    }

    /// Reads the inline policies of a role. The `metadata` ones are read while the names of the others are still being
    /// listed.
    async fn inline(&self, role: &Name, metadata: &BTreeSet<String>) -> Result<BTreeMap<String, Document>, AwsError> {
        let all = metadata.iter().map(|name| self.inline_policy(role, name));
        let (names, metadata) = join(self.inline_names(role), join_all(all)).await;
        let names = names?;
        let others = names.iter().filter(|name| !metadata.iter().any(|(metadata, _)| metadata == *name));
        let others = join_all(others.map(|name| self.inline_policy(role, name))).await;
        let mut documents = BTreeMap::new();
        for (name, reply) in metadata.into_iter().chain(others).filter(|(name, _)| names.contains(name)) {
            let reply = unless_changed("iam:GetRolePolicy", reply)?;
            documents.insert(name, document(&reply.policy_document));
        }
        Ok(documents)
    }

    async fn inline_policy(
        &self,
        role: &Name,
        name: &str,
    ) -> (String, Result<GetRolePolicyOutput, SdkError<GetRolePolicyError, HttpResponse>>) {
        let ask = || self.client.get_role_policy().role_name(role.as_str()).policy_name(name).send();
        (name.to_owned(), self.throttle.read(ask).await)
    }

    async fn inline_names(&self, role: &Name) -> Result<Vec<String>, AwsError> {
        let ask = |marker| self.client.list_role_policies().role_name(role.as_str()).set_marker(marker).send();
        let pages = self.pages(ask, |page| page.marker.clone().filter(|_| page.is_truncated)).await;
        Ok(unless_changed("iam:ListRolePolicies", pages)?.into_iter().flat_map(|page| page.policy_names).collect())
    }

    async fn instance_profiles(&self, role: &Name) -> Result<BTreeSet<String>, AwsError> {
        let ask =
            |marker| self.client.list_instance_profiles_for_role().role_name(role.as_str()).set_marker(marker).send();
        let pages = self.pages(ask, |page| page.marker.clone().filter(|_| page.is_truncated)).await;
        let profiles = unless_changed("iam:ListInstanceProfilesForRole", pages)?
            .into_iter()
            .flat_map(|page| page.instance_profiles);
        Ok(profiles.map(|profile| profile.instance_profile_name).collect())
    }

    /// Reads a policy by its ARN. Returns `None` when it does not exist. If it is `likely` to exist, its first version
    /// is read at the same time.
    pub(super) async fn policy(&self, arn: &str, likely: bool) -> Result<Option<(String, Policy)>, AwsError> {
        let policy = self.throttle.read(|| self.client.get_policy().policy_arn(arn).send());
        let (reply, first) = if likely {
            let (reply, first) = join(policy, self.version(arn, FIRST_VERSION)).await;
            (reply, Some(first))
        } else {
            (policy.await, None)
        };
        let Some(policy) = if_exists("iam:GetPolicy", reply)?.and_then(|reply| reply.policy) else { return Ok(None) };
        let version = policy.default_version_id.unwrap_or_default();
        let document = match first.filter(|_| version == FIRST_VERSION) {
            Some(first) => first?,
            None => self.version(arn, &version).await?,
        };
        Ok(Some((arn.to_owned(), Policy { document, tags: tags_of(policy.tags.unwrap_or_default()) })))
    }

    /// Reads the document of a version of a policy, such as `v1`.
    pub(super) async fn version(&self, arn: &str, version: &str) -> Result<Document, AwsError> {
        let ask = || self.client.get_policy_version().policy_arn(arn).version_id(version).send();
        let version = unless_changed("iam:GetPolicyVersion", self.throttle.read(ask).await)?.policy_version;
        Ok(document(version.and_then(|version| version.document).as_deref().unwrap_or_default()))
    }

    /// Lists the versions of a policy, the default one first.
    pub(super) async fn versions(&self, arn: &str) -> Result<Vec<PolicyVersion>, AwsError> {
        let ask = |marker| self.client.list_policy_versions().policy_arn(arn).set_marker(marker).send();
        let pages = self.pages(ask, |page| page.marker.clone().filter(|_| page.is_truncated)).await;
        let pages = classify("iam:ListPolicyVersions", pages)?.into_iter();
        let mut versions: Vec<PolicyVersion> = pages.filter_map(|page| page.versions).flatten().collect();
        versions.sort_by_key(|version| !version.is_default_version);
        Ok(versions)
    }

    /// Reads the versions of a policy with their documents, the default one first.
    pub(super) async fn read_versions(&self, arn: &str) -> Result<Vec<(PolicyVersion, Document)>, AwsError> {
        let versions = self.versions(arn).await?.into_iter().map(|version| async {
            let document = self.version(arn, version.version_id.as_deref().unwrap_or_default()).await?;
            Ok::<_, AwsError>((version, document))
        });
        try_join_all(versions).await
    }

    /// Reads all pages of a list. `more` returns the marker of the next page, or `None` after the last one.
    ///
    /// # Errors
    /// Returns the error of the first page that can't be read.
    pub(super) async fn pages<P, E, F>(
        &self,
        ask: impl Fn(Option<String>) -> F,
        more: impl Fn(&P) -> Option<String>,
    ) -> Result<Vec<P>, SdkError<E, HttpResponse>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<P, SdkError<E, HttpResponse>>>,
    {
        let (mut pages, mut marker) = (Vec::new(), None);
        loop {
            let page = self.throttle.read(|| ask(marker.clone())).await?;
            marker = more(&page);
            pages.push(page);
            if marker.is_none() {
                return Ok(pages);
            }
        }
    }
}

/// Parses a document, which IAM sends percent-encoded.
fn document(encoded: &str) -> Document {
    Document::parse(&percent_decode_str(encoded).decode_utf8_lossy())
}

fn tags_of(tags: Vec<Tag>) -> Tags {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}
