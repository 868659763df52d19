//! The account as aws-sdk-iam sees and changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_iam::Client;
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::{
    ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType, PolicyScopeType, PolicyVersion, Tag,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use futures_util::future::{try_join_all, try_join3};
use percent_encoding::percent_decode_str;

use crate::plan::Step;
use crate::policy::Document;
use crate::port::{Fault, Iam, Kind, Known, LastUse, Observed};
use crate::verify::{Check, Denial};
use crate::world::{Name, Policy, Role, Scope, Tags};

/// Versions that a managed policy keeps.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const POLICY_VERSIONS: usize = 5;
/// As many roles as IAM lists in one call.
const MOST_LISTED: i32 = 1_000;
/// How long one call may take before its reply counts as lost.
pub const ONE_CALL: Duration = Duration::from_secs(20);
/// Seconds; what IAM means by none.
const DEFAULT_SESSION: i32 = 3_600;

/// The client must not retry by itself: `apply.rs` does, and has to know of every lost reply.
#[derive(Clone, Debug)]
pub struct Account {
    client: Client,
}

impl Account {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn role(&self, name: &Name) -> Result<Option<(Name, Role, Known)>, Fault> {
        let reply = self.client.get_role().role_name(name.as_str()).send().await;
        let Some(role) = there("iam:GetRole", reply)?.and_then(|reply| reply.role) else { return Ok(None) };
        let (attached, inline, profiles) =
            try_join3(self.attached(name), self.inline(name), self.instance_profiles(name)).await?;
        let boundary = role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn);
        let last_used = role.role_last_used.and_then(|last| {
            let region = last.region.unwrap_or_default();
            last.last_used_date.map(|at| LastUse { at: at.secs(), region })
        });
        let seen = Role {
            path: role.path,
            trust: document(role.assume_role_policy_document.as_deref().unwrap_or_default()),
            description: role.description.unwrap_or_default(),
            max_session_duration: role.max_session_duration.unwrap_or(DEFAULT_SESSION),
            boundary,
            tags: tags_of(role.tags.unwrap_or_default()),
            attached,
            inline,
            instance_profiles: profiles,
        };
        let known = Known { id: role.role_id, made_at: role.create_date.secs(), last_used };
        Ok(Some((Name::new(role.role_name), seen, known)))
    }

    async fn attached(&self, role: &Name) -> Result<BTreeSet<String>, Fault> {
        let mut pages =
            self.client.list_attached_role_policies().role_name(role.as_str()).into_paginator().items().send();
        let mut arns = BTreeSet::new();
        while let Some(policy) = pages.next().await {
            arns.extend(changing("iam:ListAttachedRolePolicies", policy)?.policy_arn);
        }
        Ok(arns)
    }

    async fn inline(&self, role: &Name) -> Result<BTreeMap<String, Document>, Fault> {
        let mut pages = self.client.list_role_policies().role_name(role.as_str()).into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = pages.next().await {
            names.push(changing("iam:ListRolePolicies", name)?);
        }
        let documents = names.into_iter().map(|name| async move {
            let call = self.client.get_role_policy().role_name(role.as_str()).policy_name(&name);
            let reply = changing("iam:GetRolePolicy", call.send().await)?;
            Ok::<_, Fault>((name, document(&reply.policy_document)))
        });
        Ok(try_join_all(documents).await?.into_iter().collect())
    }

    async fn instance_profiles(&self, role: &Name) -> Result<BTreeSet<String>, Fault> {
        let mut pages =
            self.client.list_instance_profiles_for_role().role_name(role.as_str()).into_paginator().items().send();
        let mut names = BTreeSet::new();
        while let Some(profile) = pages.next().await {
            names.insert(changing("iam:ListInstanceProfilesForRole", profile)?.instance_profile_name);
        }
        Ok(names)
    }

    async fn policy(&self, arn: &str) -> Result<Option<(String, Policy)>, Fault> {
        let reply = self.client.get_policy().policy_arn(arn).send().await;
        let Some(policy) = there("iam:GetPolicy", reply)?.and_then(|reply| reply.policy) else { return Ok(None) };
        let version = policy.default_version_id.unwrap_or_default();
        let document = self.version(arn, &version).await?;
        Ok(Some((arn.to_owned(), Policy { document, tags: tags_of(policy.tags.unwrap_or_default()) })))
    }

    async fn version(&self, arn: &str, version: &str) -> Result<Document, Fault> {
        let reply = self.client.get_policy_version().policy_arn(arn).version_id(version).send().await;
        let version = changing("iam:GetPolicyVersion", reply)?.policy_version;
        Ok(document(version.and_then(|version| version.document).as_deref().unwrap_or_default()))
    }

    async fn versions(&self, arn: &str) -> Result<Vec<PolicyVersion>, Fault> {
        let mut pages = self.client.list_policy_versions().policy_arn(arn).into_paginator().items().send();
        let mut versions = Vec::new();
        while let Some(version) = pages.next().await {
            versions.push(fault("iam:ListPolicyVersions", version)?);
        }
        Ok(versions)
    }

    /// Makes the document the default one: a former version that holds it, when there is one, and the version that it
    /// takes the place of then goes; else a new version, for which the oldest makes room.
    async fn set_policy_document(&self, arn: &str, wanted: &Document) -> Result<(), Fault> {
        let versions = self.versions(arn).await?;
        let (current, others): (Vec<_>, Vec<_>) = versions.iter().partition(|version| version.is_default_version);
        let id = |version: &PolicyVersion| version.version_id.clone().unwrap_or_default();
        for version in &current {
            // An earlier try has landed, or the list lags and shows what was the default: saying so again serves both.
            let version = id(version);
            if self.version(arn, &version).await? == *wanted {
                let call = self.client.set_default_policy_version().policy_arn(arn).version_id(version);
                return fault("iam:SetDefaultPolicyVersion", call.send().await).map(drop);
            }
        }
        for version in &others {
            let version = id(version);
            if self.version(arn, &version).await? == *wanted {
                let call = self.client.set_default_policy_version().policy_arn(arn).version_id(&version);
                fault("iam:SetDefaultPolicyVersion", call.send().await)?;
                for replaced in current {
                    self.delete_version_if_possible(arn, &id(replaced)).await;
                }
                return Ok(());
            }
        }
        if versions.len() >= POLICY_VERSIONS
            && let Some(oldest) = others.iter().min_by_key(|version| version.create_date.map(|at| at.as_nanos()))
        {
            let oldest = id(oldest);
            tracing::info!(policy = arn, version = oldest, "deleting the oldest version to make room");
            let call = self.client.delete_policy_version().policy_arn(arn).version_id(&oldest);
            there("iam:DeletePolicyVersion", call.send().await)?;
        }
        let call = self.client.create_policy_version().policy_arn(arn).policy_document(wanted.to_string());
        fault("iam:CreatePolicyVersion", call.set_as_default(true).send().await).map(drop)
    }

    /// The document is in place already, so a version that stays behind is no failure: it grants nothing.
    async fn delete_version_if_possible(&self, arn: &str, version: &str) {
        let call = self.client.delete_policy_version().policy_arn(arn).version_id(version);
        if let Err(fault) = there("iam:DeletePolicyVersion", call.send().await) {
            tracing::warn!(policy = arn, version, %fault, "an unused version of the policy stays");
        }
    }

    async fn delete_policy(&self, arn: &str) -> Result<(), Fault> {
        for version in self.versions(arn).await? {
            if !version.is_default_version {
                let version = version.version_id.unwrap_or_default();
                let call = self.client.delete_policy_version().policy_arn(arn).version_id(version);
                there("iam:DeletePolicyVersion", call.send().await)?;
            }
        }
        fault("iam:DeletePolicy", self.client.delete_policy().policy_arn(arn).send().await).map(drop)
    }
}

impl Iam for Account {
    async fn observe(&self, scope: &Scope) -> Result<Observed, Fault> {
        let mut observed = Observed::default();
        let roles = try_join_all(scope.roles.iter().map(|name| self.role(name)));
        let policies = try_join_all(scope.policies.iter().map(|arn| self.policy(arn)));
        for (name, role, known) in roles.await?.into_iter().flatten() {
            observed.world.roles.insert(name.clone(), role);
            observed.known.insert(name, known);
        }
        observed.world.policies = policies.await?.into_iter().flatten().collect();
        Ok(observed)
    }

    async fn execute(&self, step: &Step) -> Result<(), Fault> {
        let client = &self.client;
        match step {
            Step::CreatePolicy { arn, policy } => {
                let (path, name) = path_and_name(arn);
                let call = client.create_policy().policy_name(name).path(path).set_tags(Some(sdk_tags(&policy.tags)));
                let call = call.policy_document(policy.document.to_string());
                fault("iam:CreatePolicy", call.send().await).map(drop)
            }
            Step::TagPolicy { arn, tags } => {
                let call = client.tag_policy().policy_arn(arn).set_tags(Some(sdk_tags(tags)));
                fault("iam:TagPolicy", call.send().await).map(drop)
            }
            Step::UntagPolicy { arn, keys } => {
                let call = client.untag_policy().policy_arn(arn).set_tag_keys(Some(keys.iter().cloned().collect()));
                fault("iam:UntagPolicy", call.send().await).map(drop)
            }
            Step::SetPolicyDocument { arn, document } => self.set_policy_document(arn, document).await,
            Step::DeletePolicy { arn } => self.delete_policy(arn).await,
            Step::CreateRole { role, made } => {
                let call = client
                    .create_role()
                    .role_name(role.as_str())
                    .path(&made.path)
                    .assume_role_policy_document(made.trust.to_string())
                    .set_description(Some(made.description.clone()).filter(|text| !text.is_empty()))
                    .max_session_duration(made.max_session_duration)
                    .set_permissions_boundary(made.boundary.clone())
                    .set_tags(Some(sdk_tags(&made.tags)));
                fault("iam:CreateRole", call.send().await).map(drop)
            }
            Step::TagRole { role, tags } => {
                let call = client.tag_role().role_name(role.as_str()).set_tags(Some(sdk_tags(tags)));
                fault("iam:TagRole", call.send().await).map(drop)
            }
            Step::UntagRole { role, keys } => {
                let keys = Some(keys.iter().cloned().collect());
                let call = client.untag_role().role_name(role.as_str()).set_tag_keys(keys);
                fault("iam:UntagRole", call.send().await).map(drop)
            }
            Step::SetBoundary { role, arn } => {
                let call = client.put_role_permissions_boundary().role_name(role.as_str()).permissions_boundary(arn);
                fault("iam:PutRolePermissionsBoundary", call.send().await).map(drop)
            }
            Step::RemoveBoundary { role } => {
                let call = client.delete_role_permissions_boundary().role_name(role.as_str());
                fault("iam:DeleteRolePermissionsBoundary", call.send().await).map(drop)
            }
            Step::SetTrust { role, trust } => {
                let call = client.update_assume_role_policy().role_name(role.as_str());
                let call = call.policy_document(trust.to_string());
                fault("iam:UpdateAssumeRolePolicy", call.send().await).map(drop)
            }
            Step::SetDetails { role, description, max_session_duration } => {
                let call = client.update_role().role_name(role.as_str()).description(description);
                let call = call.max_session_duration(*max_session_duration);
                fault("iam:UpdateRole", call.send().await).map(drop)
            }
            Step::Attach { role, arn } => {
                let call = client.attach_role_policy().role_name(role.as_str()).policy_arn(arn);
                fault("iam:AttachRolePolicy", call.send().await).map(drop)
            }
            Step::Detach { role, arn } => {
                let call = client.detach_role_policy().role_name(role.as_str()).policy_arn(arn);
                fault("iam:DetachRolePolicy", call.send().await).map(drop)
            }
            Step::PutInline { role, name, document } => {
                let call = client.put_role_policy().role_name(role.as_str()).policy_name(name);
                fault("iam:PutRolePolicy", call.policy_document(document.to_string()).send().await).map(drop)
            }
            Step::DeleteInline { role, name } => {
                let call = client.delete_role_policy().role_name(role.as_str()).policy_name(name);
                fault("iam:DeleteRolePolicy", call.send().await).map(drop)
            }
            Step::RemoveFromInstanceProfile { role, profile } => {
                let call = client.remove_role_from_instance_profile().instance_profile_name(profile);
                let reply = call.role_name(role.as_str()).send().await;
                fault("iam:RemoveRoleFromInstanceProfile", reply).map(drop)
            }
            Step::DeleteRole { role } => {
                fault("iam:DeleteRole", client.delete_role().role_name(role.as_str()).send().await).map(drop)
            }
        }
    }

    async fn has_policy(&self, arn: &str) -> Result<bool, Fault> {
        let reply = self.client.get_policy().policy_arn(arn).send().await;
        Ok(there("iam:GetPolicy", reply)?.is_some())
    }

    async fn users_of_policy(&self, arn: &str) -> Result<Vec<String>, Fault> {
        let mut pages = self.client.list_entities_for_policy().policy_arn(arn).into_paginator().send();
        let mut users = Vec::new();
        while let Some(page) = pages.next().await {
            let Some(page) = there("iam:ListEntitiesForPolicy", page)? else { return Ok(users) };
            let roles = page.policy_roles.unwrap_or_default().into_iter().filter_map(|role| role.role_name);
            users.extend(roles.map(|name| format!("role {name}")));
            let people = page.policy_users.unwrap_or_default().into_iter().filter_map(|user| user.user_name);
            users.extend(people.map(|name| format!("user {name}")));
            let groups = page.policy_groups.unwrap_or_default().into_iter().filter_map(|group| group.group_name);
            users.extend(groups.map(|name| format!("group {name}")));
        }
        users.sort();
        users.dedup();
        Ok(users)
    }

    async fn denied(&self, role_arn: &str, check: &Check) -> Result<Vec<Denial>, Fault> {
        let context = check.context.iter().map(|context| {
            let kind = if context.is_bool { ContextKeyTypeEnum::Boolean } else { ContextKeyTypeEnum::String };
            let entry = ContextEntry::builder().context_key_name(&context.key).context_key_type(kind);
            entry.context_key_values(&context.value).build()
        });
        let call = self.client.simulate_principal_policy().policy_source_arn(role_arn);
        let call = call.set_action_names(Some(check.actions.iter().cloned().collect()));
        let call = call.set_resource_arns(Some(check.resources.iter().cloned().collect()));
        let call = call.set_context_entries(Some(context.collect()));
        let mut pages = call.into_paginator().items().send();
        let mut denials = Vec::new();
        while let Some(result) = pages.next().await {
            let result = fault("iam:SimulatePrincipalPolicy", result)?;
            if result.eval_decision == PolicyEvaluationDecisionType::Allowed {
                continue;
            }
            let organization =
                result.organizations_decision_detail.is_some_and(|detail| !detail.allowed_by_organizations);
            let boundary = result
                .permissions_boundary_decision_detail
                .is_some_and(|detail| !detail.allowed_by_permissions_boundary);
            let side = match (organization, boundary) {
                (true, _) => "a policy of the organization",
                (_, true) => "the permissions boundary",
                _ if result.eval_decision == PolicyEvaluationDecisionType::ExplicitDeny => "an explicit deny",
                _ => "the role's own policies, which do not allow it",
            };
            let resource = result.eval_resource_name.unwrap_or_default();
            denials.push(Denial { action: result.eval_action_name, resource, side });
        }
        Ok(denials)
    }

    async fn policies_below(&self, path: &str) -> Result<Vec<(String, i64)>, Fault> {
        let call = self.client.list_policies().scope(PolicyScopeType::Local).path_prefix(path);
        let mut pages = call.into_paginator().items().send();
        let mut policies = Vec::new();
        while let Some(policy) = pages.next().await {
            let policy = fault("iam:ListPolicies", policy)?;
            policies.extend(policy.arn.map(|arn| (arn, policy.create_date.map_or(0, |at| at.secs()))));
        }
        Ok(policies)
    }

    async fn roles_named(&self, prefix: &str) -> Result<BTreeSet<String>, Fault> {
        let mut pages = self.client.list_roles().max_items(MOST_LISTED).into_paginator().items().send();
        let mut roles = BTreeSet::new();
        while let Some(role) = pages.next().await {
            let role = fault("iam:ListRoles", role)?;
            roles.extend(Some(role).filter(|role| role.role_name.starts_with(prefix)).map(|role| role.arn));
        }
        Ok(roles)
    }
}

/// IAM sends documents percent-encoded.
fn document(encoded: &str) -> Document {
    Document::parse(&percent_decode_str(encoded).decode_utf8_lossy())
}

fn tags_of(tags: Vec<Tag>) -> Tags {
    tags.into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    // Both fields are set, which is all that the builder asks for.
    tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
}

fn path_and_name(arn: &str) -> (&str, &str) {
    crate::arn::Arn::parse(arn).and_then(|arn| arn.iam_entity("policy")).unwrap_or(("/", arn))
}

/// `None` where the entity is absent.
fn there<T, E>(call: &'static str, reply: Result<T, SdkError<E, HttpResponse>>) -> Result<Option<T>, Fault>
where
    E: ProvideErrorMetadata,
{
    match fault(call, reply) {
        Ok(reply) => Ok(Some(reply)),
        Err(fault) if fault.kind == Kind::NotThere => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// For a read behind one that found the entity: if it has gone by now, the whole look is worth repeating.
fn changing<T, E>(call: &'static str, reply: Result<T, SdkError<E, HttpResponse>>) -> Result<T, Fault>
where
    E: ProvideErrorMetadata,
{
    fault(call, reply).map_err(|fault| match fault.kind {
        Kind::NotThere => Fault { kind: Kind::Unsettled, ..fault },
        _ => fault,
    })
}

/// What an error means to us, by its code on the wire: not every operation models every error that it returns.
pub fn fault<T, E>(call: &'static str, reply: Result<T, SdkError<E, HttpResponse>>) -> Result<T, Fault>
where
    E: ProvideErrorMetadata,
{
    let error = match reply {
        Ok(reply) => return Ok(reply),
        Err(error) => error,
    };
    let lost = |message: &str| Fault {
        kind: Kind::TryAgain,
        outcome_unknown: true,
        call,
        code: String::new(),
        message: message.to_owned(),
    };
    Err(match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let code = context.err().code().unwrap_or_default().to_owned();
            let message = context.err().message().unwrap_or("no message").to_owned();
            let kind = kind(&code, &message, status);
            Fault { kind, outcome_unknown: status >= 500, call, code, message }
        }
        SdkError::ConstructionFailure(_) => Fault {
            kind: Kind::Refused,
            outcome_unknown: false,
            call,
            code: String::new(),
            message: "the request could not be built".to_owned(),
        },
        SdkError::TimeoutError(_) => lost("no reply in time"),
        SdkError::DispatchFailure(_) => lost("the connection failed"),
        _ => lost("the reply could not be read"),
    })
}

fn kind(code: &str, message: &str, status: u16) -> Kind {
    match code {
        "NoSuchEntity" => Kind::NotThere,
        "EntityAlreadyExists" => Kind::AlreadyThere,
        "ConcurrentModification"
        | "EntityTemporarilyUnmodifiable"
        | "Throttling"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException" => Kind::TryAgain,
        // A function that was deployed a moment ago has its permissions late.
        "DeleteConflict" | "AccessDenied" | "AccessDeniedException" | "InvalidClientTokenId" => Kind::Unsettled,
        "MalformedPolicyDocument" if message.contains("Invalid principal") => Kind::Unsettled,
        _ if status >= 500 || status == 429 => Kind::TryAgain,
        _ => Kind::Refused,
    }
}
