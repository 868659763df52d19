//! The fake account behind the engine's ports: does without clients what `src/aws/` does for the real account. The test
//! `alike.rs` checks that both give the same results.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all, try_join, try_join_all, try_join3};
use serde_json::Value;
use tokio::time::timeout;

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::permissions::simulation::{Check, Denial, Simulated};
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::resource::definition_location::{Location, MAX_BYTES};
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_core::state::observation::{LastUse, Observation, RoleMetadata};
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Policy, Role, Tags};
use mlops_roles_engine::port::{
    AwsError, FaultKind, Holder, Iam, ONE_CALL, Objects, Origin, Project, SageMaker, StackResource, Stacks,
};

use super::account::Fake;
use super::call::Call;
use super::call::Params;
use super::reply::Failure;
use super::sagemaker::Request;

/// What separate calls tell of a role: attached policies, inline policies, instance profiles.
type Details = (BTreeSet<String>, BTreeMap<String, Document>, BTreeSet<String>);

/// A call such as `iam:GetRole`, with its parameters.
struct Asked(&'static str, Params);

fn ask(call: &'static str) -> Asked {
    let action = call.rsplit(':').next().unwrap().to_owned();
    Asked(call, Params { action, ..Params::default() })
}

impl Asked {
    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.1.values.insert(name.to_owned(), value.to_string());
        self
    }

    fn of_role(self, role: &Name) -> Self {
        self.with("RoleName", role)
    }

    fn of_policy(self, arn: &str) -> Self {
        self.with("PolicyArn", arn)
    }

    fn tags(self, tags: &Tags) -> Self {
        let numbered = (1..).zip(tags);
        numbered.fold(self, |asked, (i, (key, value))| {
            asked.with(&format!("Tags.member.{i}.Key"), key).with(&format!("Tags.member.{i}.Value"), value)
        })
    }

    fn members<'a>(self, name: &str, items: impl IntoIterator<Item = &'a String>) -> Self {
        (1..).zip(items).fold(self, |asked, (i, item)| asked.with(&format!("{name}.member.{i}"), item))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn listed<'a>(reply: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    reply[list].as_array().into_iter().flatten()
}

fn tags(entity: &Value) -> Tags {
    listed(entity, "Tags").map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

/// The reply, or `None` when the entity does not exist.
fn if_exists(reply: Result<Value, AwsError>) -> Result<Option<Value>, AwsError> {
    match reply {
        Err(error) if error.kind == FaultKind::NotFound => Ok(None),
        reply => reply.map(Some),
    }
}

/// Maps the error of a read that follows one that found the entity. If the entity is gone by now, the whole read is
/// worth repeating.
fn unless_changed<T>(reply: Result<T, AwsError>) -> Result<T, AwsError> {
    reply.map_err(|error| match error.kind {
        FaultKind::NotFound => AwsError { kind: FaultKind::MaybePropagating, ..error },
        _ => error,
    })
}

impl Fake {
    async fn reply(&self, name: &'static str, call: Call) -> Result<Value, AwsError> {
        let lost = |message: &str| AwsError {
            kind: FaultKind::Transient,
            outcome_unknown: true,
            call: name,
            code: String::new(),
            message: message.to_owned(),
        };
        match timeout(ONE_CALL, self.ask(&call)).await {
            Err(_) => Err(lost("no reply arrived in time")),
            Ok(Err(Failure::Lost)) => Err(lost("the connection failed")),
            Ok(Err(Failure::Refused(refusal))) => Err(AwsError {
                kind: FaultKind::from_response(&refusal.code, &refusal.message, refusal.status),
                outcome_unknown: refusal.status >= 500,
                call: name,
                code: refusal.code,
                message: refusal.message,
            }),
            Ok(Ok(reply)) => Ok(reply),
        }
    }

    async fn of_iam(&self, Asked(name, params): Asked) -> Result<Value, AwsError> {
        self.reply(name, Call::Iam(params)).await
    }

    /// All items of a list, from all of its pages.
    async fn pages(&self, Asked(name, params): Asked, list: &str) -> Result<Vec<Value>, AwsError> {
        let (mut items, mut marker) = (Vec::new(), None);
        loop {
            let asked = Asked(name, params.clone());
            let asked = if let Some(marker) = marker { asked.with("Marker", marker) } else { asked };
            let page = self.of_iam(asked).await?;
            items.extend(listed(&page, list).cloned());
            marker = page["Marker"].as_str().map(str::to_owned);
            if marker.is_none() {
                return Ok(items);
            }
        }
    }

    async fn role(
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

    async fn policy(&self, arn: &str, likely: bool) -> Result<Option<(String, Policy)>, AwsError> {
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

    async fn version(&self, arn: &str, version: &str) -> Result<Document, AwsError> {
        let asked = ask("iam:GetPolicyVersion").of_policy(arn).with("VersionId", version);
        Ok(Document::parse(&text(&unless_changed(self.of_iam(asked).await)?["PolicyVersion"]["Document"])))
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

    async fn has_policy(&self, arn: &str) -> Result<bool, AwsError> {
        Ok(if_exists(self.of_iam(ask("iam:GetPolicy").of_policy(arn)).await)?.is_some())
    }

    async fn users_of_policy(&self, arn: &str) -> Result<Vec<String>, AwsError> {
        let reply = if_exists(self.of_iam(ask("iam:ListEntitiesForPolicy").of_policy(arn)).await)?.unwrap_or_default();
        let roles = listed(&reply, "PolicyRoles").map(|role| format!("role {}", text(&role["RoleName"])));
        let users = listed(&reply, "PolicyUsers").map(|user| format!("user {}", text(&user["UserName"])));
        let mut all: Vec<String> = roles.chain(users).collect();
        all.sort();
        Ok(all)
    }

    async fn simulate(&self, role_arn: &str, check: &Check) -> Result<Simulated, AwsError> {
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

impl Fake {
    /// The reply of CloudFormation; `None` when it knows no such stack or resource.
    async fn of_stacks(&self, Asked(name, params): Asked) -> Result<Option<Value>, AwsError> {
        match self.reply(name, Call::CloudFormation(params)).await {
            Err(error) if error.code == "ValidationError" && error.message.contains("does not exist") => Ok(None),
            reply => reply.map(Some),
        }
    }
}

fn lives(resource: &Value) -> bool {
    !["DELETE_COMPLETE", "DELETE_SKIPPED"].contains(&text(&resource["ResourceStatus"]).as_str())
}

impl Stacks for Fake {
    async fn holder(&self, physical_id: &str) -> Result<Option<Holder>, AwsError> {
        let asked = ask("cloudformation:DescribeStackResources").with("PhysicalResourceId", physical_id);
        let reply = self.of_stacks(asked).await?.unwrap_or_default();
        let mut found =
            listed(&reply, "StackResources").filter(|one| one["PhysicalResourceId"] == physical_id).peekable();
        if found.peek().is_none() {
            return Ok(listed(&reply, "StackResources").next().map(|first| Holder {
                owner: Owner {
                    stack_id: text(&first["StackId"]),
                    logical_id: "(not among the first 100 resources)".to_owned(),
                },
                resource_type: String::new(),
            }));
        }
        Ok(found.find(|one| lives(one)).map(|one| Holder {
            owner: Owner { stack_id: text(&one["StackId"]), logical_id: text(&one["LogicalResourceId"]) },
            resource_type: text(&one["ResourceType"]),
        }))
    }

    async fn holds(&self, resource: &Owner) -> Result<bool, AwsError> {
        let asked = ask("cloudformation:DescribeStackResources").with("StackName", &resource.stack_id);
        let reply = self.of_stacks(asked.with("LogicalResourceId", &resource.logical_id)).await?.unwrap_or_default();
        let of_iam = ["AWS::IAM::Role", "AWS::IAM::ManagedPolicy"];
        Ok(listed(&reply, "StackResources").any(|one| {
            let of_type = text(&one["ResourceType"]);
            lives(one) && (!of_type.starts_with("AWS::") || of_iam.contains(&of_type.as_str()))
        }))
    }

    async fn resource(&self, owner: &Owner) -> Result<Option<StackResource>, AwsError> {
        let asked = ask("cloudformation:DescribeStackResource").with("StackName", &owner.stack_id);
        let reply = self.of_stacks(asked.with("LogicalResourceId", &owner.logical_id)).await?;
        Ok(reply.map(|reply| {
            let detail = &reply["StackResourceDetail"];
            StackResource {
                physical_id: text(&detail["PhysicalResourceId"]),
                resource_type: text(&detail["ResourceType"]),
                status: text(&detail["ResourceStatus"]),
                since: detail["LastUpdatedTimestamp"].as_i64(),
            }
        }))
    }

    async fn status(&self, stack_id: &str) -> Result<Option<String>, AwsError> {
        let reply = self.of_stacks(ask("cloudformation:DescribeStacks").with("StackName", stack_id)).await?;
        Ok(reply.and_then(|reply| listed(&reply, "Stacks").next().map(|stack| text(&stack["StackStatus"]))))
    }
}

impl Fake {
    async fn of_sagemaker(
        &self,
        name: &'static str,
        region: &str,
        members: &[(&str, &str)],
    ) -> Result<Value, AwsError> {
        let members = members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let action = name.rsplit(':').next().unwrap().to_owned();
        let request = Request { action, region: region.to_owned(), members };
        self.reply(name, Call::SageMaker(request)).await.map_err(|error| {
            let absent = error.code == "ResourceNotFound"
                || error.code == "ValidationException"
                    && ["RecordNotFound", "Requested resource not found", "does not exist", "Could not find"]
                        .iter()
                        .any(|part| error.message.contains(part));
            if absent { AwsError { kind: FaultKind::NotFound, ..error } } else { error }
        })
    }

    async fn domain(&self, region: &str, id: &str, settings: &str) -> Result<String, AwsError> {
        let domain = self.of_sagemaker("sagemaker:DescribeDomain", region, &[("DomainId", id)]).await?;
        Ok(text(&domain[settings]["ExecutionRole"]))
    }

    async fn user_profile(&self, region: &str, domain: &str, name: &str) -> Result<String, AwsError> {
        let members = [("DomainId", domain), ("UserProfileName", name)];
        let profile = self.of_sagemaker("sagemaker:DescribeUserProfile", region, &members).await?;
        match text(&profile["UserSettings"]["ExecutionRole"]) {
            none if none.is_empty() => self.domain(region, domain, "DefaultUserSettings").await,
            own => Ok(own),
        }
    }

    async fn endpoint(&self, region: &str, name: &str, with_pools: bool) -> Result<BTreeSet<String>, AwsError> {
        let endpoint = self.of_sagemaker("sagemaker:DescribeEndpoint", region, &[("EndpointName", name)]).await?;
        let Some(config) = endpoint["EndpointConfigName"].as_str() else { return Ok(BTreeSet::new()) };
        let members = [("EndpointConfigName", config)];
        let config = self.of_sagemaker("sagemaker:DescribeEndpointConfig", region, &members).await?;
        if let Some(role) = config["ExecutionRoleArn"].as_str().filter(|role| !role.is_empty()) {
            return Ok([role.to_owned()].into());
        }
        let variants = listed(&config, "ProductionVariants").chain(listed(&config, "ShadowProductionVariants"));
        let models = variants.flat_map(|variant| {
            let pools = listed(variant, "InstancePools").filter(|_| with_pools);
            let overrides = pools.map(|pool| &pool["ModelNameOverride"]);
            [&variant["ModelName"]].into_iter().chain(overrides).filter_map(Value::as_str)
        });
        let models: BTreeSet<&str> = models.collect();
        let mut roles = BTreeSet::new();
        for model in models {
            let model = self.of_sagemaker("sagemaker:DescribeModel", region, &[("ModelName", model)]).await?;
            roles.extend(Some(text(&model["ExecutionRoleArn"])).filter(|role| !role.is_empty()));
        }
        Ok(roles)
    }
}

impl Objects for Fake {
    async fn read(&self, _place: &Place, location: &Location) -> Result<Option<Vec<u8>>, AwsError> {
        let Location { bucket, key, version, .. } = location;
        let (name, object) = match version {
            Some(version) => ("s3:GetObjectVersion", format!("{bucket}/{key}?versionId={version}")),
            None => ("s3:GetObject", format!("{bucket}/{key}")),
        };
        let reply = self.reply(name, Call::S3(object)).await.map_err(|error| {
            let kind = if error.code == "NoSuchKey" { FaultKind::NotFound } else { error.kind };
            AwsError { kind, ..error }
        })?;
        Ok(Some(text(&reply).into_bytes()).filter(|bytes| bytes.len() <= MAX_BYTES))
    }
}

impl SageMaker for Fake {
    async fn projects(&self, region: &str, page: Option<&str>) -> Result<(Vec<Project>, Option<String>), AwsError> {
        let token: Vec<(&str, &str)> = page.map(|page| ("NextToken", page)).into_iter().collect();
        let reply = self.of_sagemaker("sagemaker:ListProjects", region, &token).await?;
        let live = listed(&reply, "ProjectSummaryList").filter(|one| one["ProjectStatus"] != "DeleteCompleted");
        let projects = live.map(|one| Project { name: text(&one["ProjectName"]), status: text(&one["ProjectStatus"]) });
        Ok((projects.collect(), reply["NextToken"].as_str().map(str::to_owned)))
    }

    async fn origin(&self, region: &str, project: &str) -> Result<Origin, AwsError> {
        let members = [("ProjectName", project)];
        let reply = match self.of_sagemaker("sagemaker:DescribeProject", region, &members).await {
            Err(error) if error.kind == FaultKind::NotFound && error.message.starts_with("Project ") => {
                return Ok(Origin::Gone);
            }
            reply => reply?,
        };
        let has = |reply: &Value, member: &str| reply[member].as_object().is_some_and(|members| !members.is_empty());
        let templates: Vec<_> = listed(&reply, "TemplateProviderDetails").collect();
        Ok(if reply["ProjectStatus"] == "DeleteCompleted" {
            Origin::Gone
        } else if has(&reply, "ServiceCatalogProvisioningDetails")
            || has(&reply, "ServiceCatalogProvisionedProductDetails")
        {
            Origin::Product
        } else if templates.is_empty() || templates.iter().any(|one| !has(one, "CfnTemplateProviderDetail")) {
            Origin::Unknown
        } else {
            let roles = templates.iter().map(|one| text(&one["CfnTemplateProviderDetail"]["RoleARN"]));
            Origin::Templates(roles.filter(|role| !role.is_empty()).collect())
        })
    }

    async fn has_portfolio(&self, region: &str) -> Result<bool, AwsError> {
        let call = "sagemaker:GetSagemakerServicecatalogPortfolioStatus";
        Ok(self.of_sagemaker(call, region, &[]).await?["Status"] != "Disabled")
    }

    async fn disable_portfolio(&self, region: &str) -> Result<(), AwsError> {
        self.of_sagemaker("sagemaker:DisableSagemakerServicecatalogPortfolio", region, &[]).await.map(drop)
    }

    async fn execution_roles(&self, region: &str, source: &Source) -> Result<BTreeSet<String>, AwsError> {
        let one = |role: String| Some(role).filter(|role| !role.is_empty()).into_iter().collect();
        Ok(match source {
            Source::Domain(id) => one(self.domain(region, id, "DefaultUserSettings").await?),
            Source::UserProfile { domain, name } => one(self.user_profile(region, domain, name).await?),
            Source::Space { domain, name } => {
                let members = [("DomainId", domain.as_str()), ("SpaceName", name.as_str())];
                let space = self.of_sagemaker("sagemaker:DescribeSpace", region, &members).await?;
                let private = space["SpaceSharingSettings"]["SharingType"] == "Private";
                match space["OwnershipSettings"]["OwnerUserProfileName"].as_str().filter(|_| private) {
                    Some(owner) => one(self.user_profile(region, domain, owner).await?),
                    None => one(self.domain(region, domain, "DefaultSpaceSettings").await?),
                }
            }
            Source::NotebookInstance(name) => {
                let members = [("NotebookInstanceName", name.as_str())];
                let call = "sagemaker:DescribeNotebookInstance";
                one(text(&self.of_sagemaker(call, region, &members).await?["RoleArn"]))
            }
            Source::Endpoint(name) => self.endpoint(region, name, true).await?,
            Source::EndpointVariants(name) => self.endpoint(region, name, false).await?,
            Source::Pipeline(name) => {
                let members = [("PipelineName", name.as_str())];
                one(text(&self.of_sagemaker("sagemaker:DescribePipeline", region, &members).await?["RoleArn"]))
            }
            Source::TrainingJob(name) => {
                let members = [("TrainingJobName", name.as_str())];
                one(text(&self.of_sagemaker("sagemaker:DescribeTrainingJob", region, &members).await?["RoleArn"]))
            }
            Source::Cluster(name) => {
                let members = [("ClusterName", name.as_str())];
                let cluster = self.of_sagemaker("sagemaker:DescribeCluster", region, &members).await?;
                let groups = listed(&cluster, "InstanceGroups").chain(listed(&cluster, "RestrictedInstanceGroups"));
                groups.map(|group| text(&group["ExecutionRole"])).filter(|role| !role.is_empty()).collect()
            }
            Source::ModelPackage(name) => {
                let members = [("IncludedData", "MetadataOnly"), ("ModelPackageName", name.as_str())];
                let package = self.of_sagemaker("sagemaker:DescribeModelPackage", region, &members).await?;
                one(text(&package["ValidationSpecification"]["ValidationRole"]))
            }
            Source::RoleNamePrefix(_) => BTreeSet::new(),
        })
    }
}
