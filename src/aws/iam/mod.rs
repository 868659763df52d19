//! Implements `Iam` with `aws-sdk-iam`: observes the account and executes steps.

mod observe;
mod throttle;

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, EvaluationResult, PermissionsBoundaryDecisionDetail, Policy,
    PolicyEvaluationDecisionType as Decision, PolicyScopeType, PolicyVersion, Tag,
};
use futures_util::future::{try_join, try_join_all};

use crate::aws::error::{classify, if_exists};
use crate::aws::iam::throttle::Throttle;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::permissions::simulation::{Check, Denial, Simulated};
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::policy_user::PolicyUser;
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{self, Role, Tags};
use mlops_roles_engine::port::{AwsError, Iam};

/// The maximum number of versions of a managed policy.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const POLICY_VERSIONS: usize = 5;

/// The maximum number of roles that IAM lists in one call.
const MOST_LISTED: i32 = 1_000;

/// IAM's error code for a policy that can't be deleted because something that belongs to it has to go first.
const DELETE_CONFLICT: &str = "DeleteConflict";

/// A client of IAM. The client of the SDK must not retry by itself: the engine retries, and has to know of every lost
/// reply.
#[derive(Clone, Debug)]
pub struct IamClient {
    client: Client,
    throttle: Arc<Throttle>,
}

impl IamClient {
    /// Wraps a client of the SDK whose retries are disabled.
    pub fn new(client: Client) -> Self {
        Self { client, throttle: Arc::default() }
    }

    /// Makes the document the default version of the policy.
    ///
    /// If a former version holds the document, that version becomes the default one, and the version that it replaces
    /// is deleted. Otherwise the document becomes a new version. If the policy already has the maximum of five, the
    /// oldest version that is not the default one is deleted first.
    async fn set_policy_document(&self, arn: &str, wanted: &Document) -> Result<(), AwsError> {
        let versions = self.read_versions(arn).await?;
        let id = |version: &PolicyVersion| version.version_id.clone().unwrap_or_default();
        let current = versions.iter().map(|(version, _)| version).find(|version| version.is_default_version);
        // An earlier try may have been applied, or the list lags and shows a former default. Setting the default
        // version again is right in both cases.
        if let Some((held, _)) = versions.iter().find(|(_, document)| document == wanted) {
            let call = self.client.set_default_policy_version().policy_arn(arn).version_id(id(held));
            classify("iam:SetDefaultPolicyVersion", call.send().await)?;
            if let Some(replaced) = current.filter(|current| current.version_id != held.version_id) {
                self.delete_version_if_possible(arn, &id(replaced)).await;
            }
            return Ok(());
        }
        let others = versions.iter().map(|(version, _)| version).filter(|version| !version.is_default_version);
        if versions.len() >= POLICY_VERSIONS
            && let Some(oldest) = others.min_by_key(|version| version.create_date.map(|at| at.as_nanos()))
        {
            let oldest = id(oldest);
            tracing::info!(policy = arn, version = oldest, "deleting the oldest policy version to make room");
            let call = self.client.delete_policy_version().policy_arn(arn).version_id(&oldest);
            if_exists("iam:DeletePolicyVersion", call.send().await)?;
        }
        let call = self.client.create_policy_version().policy_arn(arn).policy_document(wanted.to_string());
        classify("iam:CreatePolicyVersion", call.set_as_default(true).send().await).map(drop)
    }

    /// Deletes a version of the policy and ignores a failure. The new document is in place already, and a version that
    /// stays grants nothing.
    async fn delete_version_if_possible(&self, arn: &str, version: &str) {
        let call = self.client.delete_policy_version().policy_arn(arn).version_id(version);
        if let Err(error) = if_exists("iam:DeletePolicyVersion", call.send().await) {
            tracing::warn!(policy = arn, version, %error, "could not delete an unused policy version");
        }
    }

    /// Deletes a policy with all its versions. Most policies have one version, so the others are only listed once IAM
    /// refuses the deletion because of them.
    async fn delete_policy(&self, arn: &str) -> Result<(), AwsError> {
        let delete = async || classify("iam:DeletePolicy", self.client.delete_policy().policy_arn(arn).send().await);
        let refused = match delete().await {
            Err(refused) if refused.code == DELETE_CONFLICT => refused,
            reply => return reply.map(drop),
        };
        let versions = self.versions(arn).await?;
        let mut others = versions.into_iter().filter(|version| !version.is_default_version).peekable();
        if others.peek().is_none() {
            return Err(refused);
        }
        for version in others {
            let version = version.version_id.unwrap_or_default();
            let call = self.client.delete_policy_version().policy_arn(arn).version_id(version);
            if_exists("iam:DeletePolicyVersion", call.send().await)?;
        }
        delete().await.map(drop)
    }

    async fn create_policy(&self, arn: &str, policy: &state::Policy) -> Result<(), AwsError> {
        let (path, name) = path_and_name(arn);
        let call = self.client.create_policy().policy_name(name).path(path);
        let call = call.set_tags(Some(sdk_tags(&policy.tags))).policy_document(policy.document.to_string());
        classify("iam:CreatePolicy", call.send().await).map(drop)
    }

    async fn create_role(&self, role: &Name, made: &Role) -> Result<(), AwsError> {
        let call = self
            .client
            .create_role()
            .role_name(role.as_str())
            .path(&made.path)
            .assume_role_policy_document(made.trust.to_string())
            .set_description(Some(made.description.clone()).filter(|text| !text.is_empty()))
            .max_session_duration(made.max_session_duration)
            .set_permissions_boundary(made.boundary.clone())
            .set_tags(Some(sdk_tags(&made.tags)));
        classify("iam:CreateRole", call.send().await).map(drop)
    }

    async fn set_trust(&self, role: &Name, trust: &Document) -> Result<(), AwsError> {
        let call = self.client.update_assume_role_policy().role_name(role.as_str());
        let call = call.policy_document(trust.to_string());
        classify("iam:UpdateAssumeRolePolicy", call.send().await).map(drop)
    }

    /// Sets the description and the maximum session duration, in seconds.
    async fn update_role(&self, role: &Name, description: &str, seconds: i32) -> Result<(), AwsError> {
        let call = self.client.update_role().role_name(role.as_str()).description(description);
        classify("iam:UpdateRole", call.max_session_duration(seconds).send().await).map(drop)
    }

    async fn remove_from_instance_profile(&self, role: &Name, profile: &str) -> Result<(), AwsError> {
        let call = self.client.remove_role_from_instance_profile().instance_profile_name(profile);
        let reply = call.role_name(role.as_str()).send().await;
        classify("iam:RemoveRoleFromInstanceProfile", reply).map(drop)
    }
}

impl IamClient {
    async fn simulated(
        &self,
        role_arn: &str,
        actions: &[&String],
        resources: &[&String],
        check: &Check,
    ) -> Result<Simulated, AwsError> {
        let context = check.context.iter().map(|context| {
            let kind = if context.is_bool { ContextKeyTypeEnum::Boolean } else { ContextKeyTypeEnum::String };
            let entry = ContextEntry::builder().context_key_name(&context.key).context_key_type(kind);
            entry.context_key_values(&context.value).build()
        });
        let call = self.client.simulate_principal_policy().policy_source_arn(role_arn);
        let call = call.set_action_names(Some(actions.iter().map(ToString::to_string).collect()));
        let call = call.set_resource_arns(Some(resources.iter().map(ToString::to_string).collect()));
        let call = call.set_context_entries(Some(context.collect()));
        let ask = |marker| call.clone().set_marker(marker).send();
        let pages = self.pages(ask, |page| page.marker.clone().filter(|_| page.is_truncated)).await;
        let pages = classify("iam:SimulatePrincipalPolicy", pages)?;
        let results: Vec<_> = pages.into_iter().filter_map(|page| page.evaluation_results).flatten().collect();
        let judged: BTreeSet<String> =
            results.iter().map(|result| result.eval_action_name.to_ascii_lowercase()).collect();
        let silent = actions.iter().filter(|action| !judged.contains(&action.to_ascii_lowercase()));
        let unjudged =
            silent.map(|action| ((*action).clone(), "the simulator returned no result".to_owned())).collect();
        Ok(Simulated { judged: judged.len(), denials: results.into_iter().flat_map(denials).collect(), unjudged })
    }
}

impl Iam for IamClient {
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
        self.throttle.turn().await;
        let client = &self.client;
        match step {
            Step::CreatePolicy { arn, policy } => self.create_policy(arn, policy).await,
            Step::TagPolicy { arn, tags } => {
                let call = client.tag_policy().policy_arn(arn).set_tags(Some(sdk_tags(tags)));
                classify("iam:TagPolicy", call.send().await).map(drop)
            }
            Step::UntagPolicy { arn, keys } => {
                let call = client.untag_policy().policy_arn(arn).set_tag_keys(Some(keys.iter().cloned().collect()));
                classify("iam:UntagPolicy", call.send().await).map(drop)
            }
            Step::SetPolicyDocument { arn, document, .. } => self.set_policy_document(arn, document).await,
            Step::DeletePolicy { arn } => self.delete_policy(arn).await,
            Step::CreateRole { role, made } => self.create_role(role, made).await,
            Step::TagRole { role, tags } => {
                let call = client.tag_role().role_name(role.as_str()).set_tags(Some(sdk_tags(tags)));
                classify("iam:TagRole", call.send().await).map(drop)
            }
            Step::UntagRole { role, keys } => {
                let keys = Some(keys.iter().cloned().collect());
                let call = client.untag_role().role_name(role.as_str()).set_tag_keys(keys);
                classify("iam:UntagRole", call.send().await).map(drop)
            }
            Step::SetBoundary { role, arn } => {
                let call = client.put_role_permissions_boundary().role_name(role.as_str()).permissions_boundary(arn);
                classify("iam:PutRolePermissionsBoundary", call.send().await).map(drop)
            }
            Step::RemoveBoundary { role } => {
                let call = client.delete_role_permissions_boundary().role_name(role.as_str());
                classify("iam:DeleteRolePermissionsBoundary", call.send().await).map(drop)
            }
            Step::SetTrust { role, trust } => self.set_trust(role, trust).await,
            Step::SetDetails { role, description, max_session_duration } => {
                self.update_role(role, description, *max_session_duration).await
            }
            Step::Attach { role, arn } => {
                let call = client.attach_role_policy().role_name(role.as_str()).policy_arn(arn);
                classify("iam:AttachRolePolicy", call.send().await).map(drop)
            }
            Step::Detach { role, arn } => {
                let call = client.detach_role_policy().role_name(role.as_str()).policy_arn(arn);
                classify("iam:DetachRolePolicy", call.send().await).map(drop)
            }
            Step::PutInline { role, name, document } => {
                let call = client.put_role_policy().role_name(role.as_str()).policy_name(name);
                classify("iam:PutRolePolicy", call.policy_document(document.to_string()).send().await).map(drop)
            }
            Step::DeleteInline { role, name } => {
                let call = client.delete_role_policy().role_name(role.as_str()).policy_name(name);
                classify("iam:DeleteRolePolicy", call.send().await).map(drop)
            }
            Step::RemoveFromInstanceProfile { role, profile } => self.remove_from_instance_profile(role, profile).await,
            Step::DeleteRole { role } => {
                classify("iam:DeleteRole", client.delete_role().role_name(role.as_str()).send().await).map(drop)
            }
        }
    }

    async fn has_policy(&self, arn: &str) -> Result<bool, AwsError> {
        let reply = self.throttle.read(|| self.client.get_policy().policy_arn(arn).send()).await;
        Ok(if_exists("iam:GetPolicy", reply)?.is_some())
    }

    async fn users_of_policy(&self, arn: &str) -> Result<Vec<PolicyUser>, AwsError> {
        let ask = |marker| self.client.list_entities_for_policy().policy_arn(arn).set_marker(marker).send();
        let pages = self.pages(ask, |page| page.marker.clone().filter(|_| page.is_truncated)).await;
        let mut users = Vec::new();
        for page in if_exists("iam:ListEntitiesForPolicy", pages)?.unwrap_or_default() {
            let roles = page.policy_roles.unwrap_or_default().into_iter().filter_map(|role| role.role_name);
            users.extend(roles.map(|name| PolicyUser::Role(Name::new(&name))));
            let people = page.policy_users.unwrap_or_default().into_iter().filter_map(|user| user.user_name);
            users.extend(people.map(PolicyUser::User));
            let groups = page.policy_groups.unwrap_or_default().into_iter().filter_map(|group| group.group_name);
            users.extend(groups.map(PolicyUser::Group));
        }
        users.sort();
        users.dedup();
        Ok(users)
    }

    async fn simulate(&self, role_arn: &str, check: &Check) -> Result<Simulated, AwsError> {
        // An asterisk stands for no resource at all, and IAM does not accept it beside ARNs.
        let (any, arns): (Vec<&String>, Vec<&String>) = check.resources.iter().partition(|one| *one == "*");
        let all: Vec<&String> = check.actions.iter().collect();
        let mut whole = Simulated::default();
        for resources in [any, arns].into_iter().filter(|resources| !resources.is_empty()) {
            // IAM's simulator refuses all actions of a call if it does not know one of them. Each action is then asked
            // alone.
            match self.simulated(role_arn, &all, &resources, check).await {
                Err(error) if is_no_judgement(&error) => {
                    for action in &check.actions {
                        match self.simulated(role_arn, &[action], &resources, check).await {
                            Err(error) if is_no_judgement(&error) => {
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

    async fn policies_below(&self, path: &str) -> Result<Vec<(String, i64)>, AwsError> {
        let call = self.client.list_policies().scope(PolicyScopeType::Local).path_prefix(path);
        let ask = |marker| call.clone().set_marker(marker).send();
        let pages = self.pages(ask, |page| page.marker.clone().filter(|_| page.is_truncated)).await;
        let policies = classify("iam:ListPolicies", pages)?.into_iter().filter_map(|page| page.policies).flatten();
        let made_at = |policy: &Policy| policy.create_date.map_or(0, |at| at.secs());
        Ok(policies.filter_map(|policy| Some((policy.arn.clone()?, made_at(&policy)))).collect())
    }

    async fn roles_named(&self, prefix: &str) -> Result<BTreeSet<String>, AwsError> {
        let ask = |marker| self.client.list_roles().max_items(MOST_LISTED).set_marker(marker).send();
        let pages = self.pages(ask, |page| page.marker.clone().filter(|_| page.is_truncated)).await;
        let roles = classify("iam:ListRoles", pages)?.into_iter().flat_map(|page| page.roles);
        Ok(roles.filter(|role| role.role_name.starts_with(prefix)).map(|role| role.arn).collect())
    }
}

/// Returns whether IAM says that it can't simulate a call, instead of giving a result.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html#API_SimulatePrincipalPolicy_Errors>
fn is_no_judgement(error: &AwsError) -> bool {
    matches!(error.code.as_str(), "InvalidInput" | "PolicyEvaluation")
}

/// Returns the denials in the result for one action.
///
/// For several resources, the result itself has the most restrictive decision, and a template in place of their names.
/// The decision on each resource is nested below it. For one resource, the result itself may have the only decision.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html>
fn denials(result: EvaluationResult) -> Vec<Denial> {
    let organization = result.organizations_decision_detail.is_some_and(|detail| !detail.allowed_by_organizations);
    let denial = |resource: &str, decision: &Decision, boundary: Option<&PermissionsBoundaryDecisionDetail>| {
        let boundary = boundary.is_some_and(|detail| !detail.allowed_by_permissions_boundary);
        let side = match (organization, boundary) {
            _ if *decision == Decision::Allowed => return None,
            (true, _) => "an AWS Organizations policy",
            (_, true) => "the permissions boundary",
            _ if *decision == Decision::ExplicitDeny => "an explicit deny",
            _ => "the role's own policies, which do not allow the action",
        };
        Some(Denial { action: result.eval_action_name.clone(), resource: resource.to_owned(), side })
    };
    let each = result.resource_specific_results.as_deref().unwrap_or_default();
    let below = each.iter().filter_map(|one| {
        let boundary = one.permissions_boundary_decision_detail.as_ref();
        denial(&one.eval_resource_name, &one.eval_resource_decision, boundary)
    });
    let below: Vec<Denial> = below.collect();
    if !below.is_empty() {
        return below;
    }
    let resource = result.eval_resource_name.as_deref().unwrap_or_default();
    let above = denial(resource, &result.eval_decision, result.permissions_boundary_decision_detail.as_ref());
    above.into_iter().collect()
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    // The builder only fails when a key or value is missing, and both are set.
    tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
}

fn path_and_name(arn: &str) -> (&str, &str) {
    mlops_roles_core::iam::arn::Arn::parse(arn).and_then(|arn| arn.iam_entity("policy")).unwrap_or(("/", arn))
}
