//! What IAM answers and refuses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::account::ACCOUNT;
use super::account::Inner;
use super::books::{Books, Policy, Role};
use super::call::Params;
use super::reply::Refusal;
use super::reply::Reply;
use super::reply::missing;
use super::simulator::allows;

const YEAR_2026: i64 = 1_767_225_600;
const DAY: i64 = 86_400;

fn limit(message: &str) -> Refusal {
    Refusal::new(409, "LimitExceeded", message)
}

fn size(document: &Value) -> usize {
    document.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

impl Inner {
    /// The reply of IAM to a request.
    pub fn iam(&mut self, params: &Params) -> Reply {
        let action = params.action.as_str();
        let by_tag = [
            "DeleteRole",
            "DeleteRolePolicy",
            "DetachRolePolicy",
            "UpdateRole",
            "CreatePolicyVersion",
            "DeletePolicy",
            "DeletePolicyVersion",
            "SetDefaultPolicyVersion",
        ];
        let tagged = self.books.roles.get(&params.get("RoleName").to_lowercase()).map(|role| &role.tags);
        let tagged = tagged.or_else(|| self.books.policies.get(params.get("PolicyArn")).map(|policy| &policy.tags));
        let of_service_catalog = [params.get("RoleName"), params.get("PolicyArn")]
            .iter()
            .any(|name| name.contains("AmazonSageMakerServiceCatalogProducts"));
        let unmarked = !of_service_catalog
            && by_tag.contains(&action)
            && !tagged.is_some_and(|tags| tags.contains_key("mlops-roles:stack-id"));
        let by_boundary = ["AttachRolePolicy", "PutRolePolicy", "UpdateAssumeRolePolicy"];
        let role = self.books.roles.get(&params.get("RoleName").to_lowercase());
        let unbounded = by_boundary.contains(&action) && role.is_none_or(|role| role.boundary.is_none());
        let denied = self.restricted && (unmarked || unbounded);
        if denied {
            return Err(Refusal::new(403, "AccessDenied", "not authorized"));
        }
        if params.reads() {
            return self.read(action, params, self.seen());
        }
        self.remember();
        self.write(action, params)
    }

    fn read(&self, action: &str, params: &Params, books: &Books) -> Reply {
        let name = params.get("RoleName");
        let arn = params.get("PolicyArn");
        let role = || books.roles.get(&name.to_lowercase()).ok_or_else(|| missing("The role with name", name));
        let policy = || books.policies.get(arn).ok_or_else(|| missing("Policy", arn));
        Ok(match action {
            "GetRole" => described(role()?),
            "GetRolePolicy" => {
                let inline = params.get("PolicyName");
                let document = role()?.inline.get(inline).ok_or_else(|| missing("The role policy", inline))?;
                json!({ "RoleName": name, "PolicyName": inline, "PolicyDocument": document.to_string() })
            }
            "ListAttachedRolePolicies" => {
                let attached = role()?.attached.iter().map(|arn| json!({ "PolicyName": "x", "PolicyArn": arn }));
                self.paged(params, "AttachedPolicies", attached)
            }
            "ListRolePolicies" => self.paged(params, "PolicyNames", role()?.inline.keys().map(|name| json!(name))),
            "ListInstanceProfilesForRole" => {
                let role = role()?;
                let held = books.profiles.iter().filter(|(_, held)| held.as_ref() == Some(&role.name));
                let profiles = held.map(|(profile, _)| {
                    json!({
                        "InstanceProfileName": profile, "InstanceProfileId": "AIPA", "Path": "/", "CreateDate": YEAR_2026,
                        "Arn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/{profile}"), "Roles": [],
                    })
                });
                self.paged(params, "InstanceProfiles", profiles)
            }
            // Boundaries belong to the deployer: they exist, although the books don't hold them.
            "GetPolicy" if arn.contains("oundary") => json!({ "Policy": { "Arn": arn, "DefaultVersionId": "v1" } }),
            "GetPolicy" => {
                let policy = policy()?;
                json!({ "Policy": {
                    "Arn": arn, "PolicyName": policy.name, "DefaultVersionId": format!("v{}", policy.default),
                    "Tags": tags(&policy.tags),
                } })
            }
            "GetPolicyVersion" => {
                let version = params.get("VersionId");
                let number = version.trim_start_matches('v').parse().unwrap_or(0);
                let document = policy()?.versions.get(&number).ok_or_else(|| missing("Version", version))?;
                json!({ "PolicyVersion": { "VersionId": version, "Document": document.to_string() } })
            }
            "ListPolicyVersions" => {
                let policy = policy()?;
                let versions = policy.versions.keys().map(|number| {
                    json!({
                        "VersionId": format!("v{number}"), "IsDefaultVersion": *number == policy.default,
                        "CreateDate": YEAR_2026 + DAY * i64::from(*number),
                    })
                });
                self.paged(params, "Versions", versions)
            }
            "ListEntitiesForPolicy" => {
                policy()?;
                let holds = |role: &&Role| role.attached.contains(arn) || role.boundary.as_deref() == Some(arn);
                let roles = books.roles.values().filter(holds).map(|role| json!({ "RoleName": role.name }));
                let users = books.users.iter().filter(|(_, attached)| attached.contains(arn));
                let users = users.map(|(user, _)| json!({ "UserName": user }));
                json!({
                    "PolicyRoles": roles.collect::<Vec<_>>(), "PolicyUsers": users.collect::<Vec<_>>(),
                    "IsTruncated": false,
                })
            }
            "ListPolicies" => {
                assert_eq!(params.get("Scope"), "Local");
                let below =
                    books.policies.iter().filter(|(_, policy)| policy.path.starts_with(params.get("PathPrefix")));
                let listed = below.map(|(arn, policy)| json!({ "Arn": arn, "CreateDate": policy.made_at }));
                self.paged(params, "Policies", listed)
            }
            "ListRoles" => {
                self.paged(params, "Roles", books.roles.values().map(|role| described(role)["Role"].clone()))
            }
            "SimulatePrincipalPolicy" => self.simulated(params, books)?,
            other => return Err(Refusal::new(400, "InvalidAction", &format!("{other} is not served"))),
        })
    }

    /// The simulator's results, in the form that IAM uses now or in the form that it once used.
    fn simulated(&self, params: &Params, books: &Books) -> Reply {
        let lags = self.simulator_lags.get();
        if lags > 0 {
            self.simulator_lags.set(lags - 1);
            return Err(Refusal::new(404, "NoSuchEntity", "Unable to retrieve specified IAM entity."));
        }
        let name = params.get("PolicySourceArn").rsplit('/').next().unwrap_or_default();
        let role = books.roles.get(&name.to_lowercase()).ok_or_else(|| missing("Role", name))?;
        let attached = role.attached.iter().filter_map(|arn| books.policies.get(arn));
        let attached = attached.map(|policy| policy.versions[&policy.default].clone());
        let policies: Vec<Value> = attached.chain(role.inline.values().cloned()).collect();
        let entries = (1..).map_while(|i| {
            let entry = |field: &str| params.get(&format!("ContextEntries.member.{i}.{field}")).to_owned();
            let (key, value) = (entry("ContextKeyName"), entry("ContextKeyValues.member.1"));
            (!key.is_empty()).then(|| (key, Value::from(value)))
        });
        let context: BTreeMap<String, Value> = entries.collect();
        let (actions, resources) = (params.members("ActionNames"), params.members("ResourceArns"));
        if resources.len() > 1 && resources.iter().any(|one| one == "*") {
            return Err(Refusal::new(400, "InvalidInput", "ResourceNames are not in a valid ARN format: *."));
        }
        if let Some(unknown) = actions.iter().find(|action| self.unjudged.contains(&action.as_str())) {
            let why =
                if actions.len() > 1 { "require different authorization information" } else { "can not be simulated" };
            return Err(Refusal::new(400, "InvalidInput", &format!("Invalid Input Actions: [{unknown}] {why}.")));
        }
        let decided = |action: &str, resource: &str| {
            let allowed = allows(&policies, action, resource, &context);
            let bounded = !self.beyond_boundary.iter().any(|prefix| action.starts_with(prefix));
            (if allowed && bounded { "allowed" } else { "implicitDeny" }, bounded)
        };
        let detail = |bounded: bool| json!({ "AllowedByPermissionsBoundary": bounded });
        let mut results = Vec::new();
        let told = |action: &&String| !self.silent_about.iter().any(|prefix| action.starts_with(prefix));
        for action in actions.iter().filter(told) {
            if self.old_simulator {
                results.extend(resources.iter().map(|resource| {
                    let (decision, bounded) = decided(action, resource);
                    json!({
                        "EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision,
                        "PermissionsBoundaryDecisionDetail": detail(bounded),
                    })
                }));
                continue;
            }
            // One result for each action, with the most restrictive decision.
            let each: Vec<_> = resources.iter().map(|resource| (resource, decided(action, resource))).collect();
            let worst =
                if each.iter().all(|(_, (decision, _))| *decision == "allowed") { "allowed" } else { "implicitDeny" };
            let bounded = each.iter().all(|(_, (_, bounded))| *bounded);
            let name =
                if let [(one, _)] = each.as_slice() { one } else { "arn:aws:x:::${ResourceType}/${ResourceName}" };
            let below = each.iter().map(|(resource, (decision, bounded))| {
                json!({
                    "EvalResourceName": resource, "EvalResourceDecision": decision,
                    "PermissionsBoundaryDecisionDetail": detail(*bounded),
                })
            });
            results.push(json!({
                "EvalActionName": action, "EvalResourceName": name, "EvalDecision": worst,
                "PermissionsBoundaryDecisionDetail": detail(bounded),
                "ResourceSpecificResults": below.collect::<Vec<_>>(),
            }));
        }
        Ok(self.paged(params, "EvaluationResults", results.into_iter()))
    }

    fn paged(&self, params: &Params, list: &str, items: impl Iterator<Item = Value>) -> Value {
        let items: Vec<Value> = items.collect();
        let start: usize = params.get("Marker").parse().unwrap_or(0);
        let end = items.len().min(start + self.page);
        let more = end < items.len();
        json!({ list: items[start..end], "IsTruncated": more, "Marker": more.then(|| end.to_string()) })
    }

    fn write(&mut self, action: &str, params: &Params) -> Reply {
        let name = params.get("RoleName").to_owned();
        let arn = params.get("PolicyArn").to_owned();
        let document = || -> Result<Value, Refusal> {
            let text = match params.get("PolicyDocument") {
                "" => params.get("AssumeRolePolicyDocument"),
                text => text,
            };
            let malformed = |why: &str| Refusal::new(400, "MalformedPolicyDocument", why);
            if !text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
                return Err(malformed("The specified value is invalid"));
            }
            serde_json::from_str(text).map_err(|_| malformed("Syntax errors in policy."))
        };
        if matches!(action, "CreateRole" | "UpdateAssumeRolePolicy") {
            let trust = document()?;
            if size(&trust) > 2_048 {
                return Err(limit("Cannot exceed quota for ACLSizePerRole: 2048"));
            }
            self.known_principals(&trust)?;
        }
        if matches!(action, "CreatePolicy" | "CreatePolicyVersion") && size(&document()?) > 6_144 {
            return Err(limit("Cannot exceed quota for PolicySize: 6144"));
        }
        if matches!(action, "CreateRole" | "CreatePolicy") {
            let (name, longest) = match action {
                "CreateRole" => (name.as_str(), 64),
                _ => (params.get("PolicyName"), 128),
            };
            let fine = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
            if name.is_empty() || name.len() > longest || !name.chars().all(fine) {
                return Err(Refusal::new(400, "ValidationError", &format!("name {name} is invalid")));
            }
            if params.tags().len() > 50 {
                return Err(limit("Cannot exceed quota for TagsPerResource: 50"));
            }
        }
        match action {
            "CreateRole" => return self.create_role(params, document()?),
            "CreatePolicy" => return self.create_policy(params, document()?),
            "RemoveRoleFromInstanceProfile" => {
                let profile = params.get("InstanceProfileName");
                let held = self.books.profiles.get_mut(profile).ok_or_else(|| missing("Instance profile", profile))?;
                if held.as_deref() != Some(name.as_str()) {
                    return Err(missing("Role in the profile", &name));
                }
                *held = None;
                return Ok(Value::Null);
            }
            "DeletePolicy"
            | "CreatePolicyVersion"
            | "SetDefaultPolicyVersion"
            | "DeletePolicyVersion"
            | "TagPolicy"
            | "UntagPolicy" => {
                return self.write_policy(action, &arn, params, document().unwrap_or_default());
            }
            _ => {}
        }
        let attachable = arn.contains(":iam::aws:") || self.books.policies.contains_key(&arn);
        let in_profile = self.books.profiles.values().any(|held| held.as_deref() == Some(&name));
        let boundary_exists = |arn: &str| arn.contains("oundary") || self.books.policies.contains_key(arn);
        let boundary_exists = boundary_exists(params.get("PermissionsBoundary"));
        let key = name.to_lowercase();
        let role = self.books.roles.get_mut(&key).ok_or_else(|| missing("The role with name", &name))?;
        match action {
            "DeleteRole" => {
                let conflict =
                    |why: &str| Err(Refusal::new(409, "DeleteConflict", &format!("Cannot delete entity, {why}")));
                if !role.attached.is_empty() {
                    return conflict("must detach all policies first.");
                }
                if !role.inline.is_empty() {
                    return conflict("must delete policies first.");
                }
                if in_profile {
                    return conflict("must remove roles from instance profile first.");
                }
                self.books.roles.remove(&key);
            }
            "TagRole" => {
                role.tags.extend(params.tags());
                if role.tags.len() > 50 {
                    return Err(limit("Cannot exceed quota for TagsPerResource: 50"));
                }
            }
            "UntagRole" => params.members("TagKeys").iter().for_each(|key| drop(role.tags.remove(key))),
            "PutRolePermissionsBoundary" => {
                if !boundary_exists {
                    return Err(missing("Policy", params.get("PermissionsBoundary")));
                }
                role.boundary = Some(params.get("PermissionsBoundary").to_owned());
            }
            "DeleteRolePermissionsBoundary" => {
                role.boundary.take().ok_or_else(|| missing("Boundary of", &name))?;
            }
            "UpdateAssumeRolePolicy" => role.trust = rooted(document()?),
            "UpdateRole" => {
                params.get("Description").clone_into(&mut role.description);
                // IAM resets a parameter that is left out.
                role.max_session_duration = params.get("MaxSessionDuration").parse().unwrap_or(3_600);
            }
            "AttachRolePolicy" => {
                if !attachable {
                    return Err(missing("Policy", &arn));
                }
                if !role.attached.contains(&arn) && role.attached.len() >= 10 {
                    return Err(limit("Cannot exceed quota for PoliciesPerRole: 10"));
                }
                role.attached.insert(arn);
            }
            "DetachRolePolicy" => {
                if !role.attached.remove(&arn) {
                    return Err(missing("Attached policy", &arn));
                }
            }
            "PutRolePolicy" => {
                let name = params.get("PolicyName");
                let document = document()?;
                let others: usize = role.inline.iter().filter(|(other, _)| *other != name).map(|(_, d)| size(d)).sum();
                if others + size(&document) > 10_240 {
                    return Err(limit("Maximum policy size of 10240 bytes exceeded for role"));
                }
                role.inline.insert(name.to_owned(), document);
            }
            "DeleteRolePolicy" => {
                let name = params.get("PolicyName");
                role.inline.remove(name).ok_or_else(|| missing("The role policy", name))?;
            }
            other => return Err(Refusal::new(400, "InvalidAction", &format!("{other} is not served"))),
        }
        Ok(Value::Null)
    }

    fn create_role(&mut self, params: &Params, trust: Value) -> Reply {
        let name = params.get("RoleName").to_owned();
        if self.books.roles.contains_key(&name.to_lowercase()) {
            return Err(Refusal::new(409, "EntityAlreadyExists", &format!("Role with name {name} already exists.")));
        }
        self.ids += 1;
        let role = Role {
            path: params.get("Path").to_owned(),
            id: format!("AROA{:017}", self.ids),
            trust: rooted(trust),
            description: params.get("Description").to_owned(),
            max_session_duration: params.get("MaxSessionDuration").parse().unwrap_or(3_600),
            boundary: Some(params.get("PermissionsBoundary").to_owned()).filter(|arn| !arn.is_empty()),
            tags: params.tags().into_iter().collect(),
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
            last_used: None,
            made_at: 0,
            name: name.clone(),
        };
        let made = described(&role);
        self.books.roles.insert(name.to_lowercase(), role);
        Ok(made)
    }

    fn create_policy(&mut self, params: &Params, document: Value) -> Reply {
        let (name, path) = (params.get("PolicyName").to_owned(), params.get("Path").to_owned());
        if self.books.policies.values().any(|policy| policy.name.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::new(409, "EntityAlreadyExists", &format!("A policy called {name} already exists.")));
        }
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy{path}{name}");
        let tags = params.tags().into_iter().collect();
        let policy =
            Policy { name, path, versions: BTreeMap::from([(1, document)]), default: 1, next: 2, tags, made_at: 0 };
        self.books.policies.insert(arn.clone(), policy);
        Ok(json!({ "Policy": { "Arn": arn } }))
    }

    fn write_policy(&mut self, action: &str, arn: &str, params: &Params, document: Value) -> Reply {
        let attached = self.books.roles.values().any(|role| role.attached.contains(arn))
            || self.books.users.values().any(|attached| attached.contains(arn));
        let bounds = self.books.roles.values().any(|role| role.boundary.as_deref() == Some(arn));
        let version = params.get("VersionId").trim_start_matches('v').parse().unwrap_or(0);
        let policy = self.books.policies.get_mut(arn).ok_or_else(|| missing("Policy", arn))?;
        match action {
            "DeletePolicy" => {
                let conflict = |why: &str| Err(Refusal::new(409, "DeleteConflict", why));
                if attached || bounds {
                    return conflict("Cannot delete a policy attached to entities.");
                }
                if policy.versions.len() > 1 {
                    return conflict("This policy has more than one version.");
                }
                self.books.policies.remove(arn);
            }
            "CreatePolicyVersion" => {
                if policy.versions.len() >= 5 {
                    return Err(limit("A managed policy can have up to 5 versions."));
                }
                policy.versions.insert(policy.next, document);
                if params.get("SetAsDefault") == "true" {
                    policy.default = policy.next;
                }
                policy.next += 1;
            }
            "SetDefaultPolicyVersion" => {
                policy.versions.get(&version).ok_or_else(|| missing("Version", params.get("VersionId")))?;
                policy.default = version;
            }
            "DeletePolicyVersion" => {
                if version == policy.default {
                    return Err(Refusal::new(409, "DeleteConflict", "Cannot delete the default version of a policy."));
                }
                policy.versions.remove(&version).ok_or_else(|| missing("Version", params.get("VersionId")))?;
            }
            "TagPolicy" => policy.tags.extend(params.tags()),
            _ => params.members("TagKeys").iter().for_each(|key| drop(policy.tags.remove(key))),
        }
        Ok(Value::Null)
    }

    fn known_principals(&self, trust: &Value) -> Result<(), Refusal> {
        let statements = trust["Statement"].as_array().cloned().unwrap_or_default();
        let named = statements.iter().filter_map(|statement| statement["Principal"]["AWS"].as_array().cloned());
        for arn in named.flatten().filter_map(|arn| arn.as_str().map(str::to_owned)) {
            let role = arn.rsplit('/').next().unwrap_or_default().to_lowercase();
            // The books don't hold roles of other accounts.
            if arn.contains(":role/") && arn.contains(ACCOUNT) && !self.books.roles.contains_key(&role) {
                return Err(Refusal::new(
                    400,
                    "MalformedPolicyDocument",
                    &format!("Invalid principal in policy: \"AWS\":\"{arn}\""),
                ));
            }
        }
        Ok(())
    }
}

/// Converts a trusted account to the form that IAM keeps: an account id becomes the ARN of the account's root.
fn rooted(mut trust: Value) -> Value {
    for statement in trust["Statement"].as_array_mut().into_iter().flatten() {
        for one in statement.pointer_mut("/Principal/AWS").and_then(Value::as_array_mut).into_iter().flatten() {
            let account = one.as_str().filter(|text| text.len() == 12 && !text.contains(':'));
            *one = account.map_or(one.clone(), |account| Value::from(format!("arn:aws:iam::{account}:root")));
        }
    }
    trust
}

fn described(role: &Role) -> Value {
    json!({ "Role": {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": format!("arn:aws:iam::{ACCOUNT}:role{}{}", role.path, role.name),
        "CreateDate": role.made_at,
        "AssumeRolePolicyDocument": role.trust.to_string(),
        "Description": role.description,
        "MaxSessionDuration": role.max_session_duration,
        "PermissionsBoundary": role.boundary.as_ref().map(|arn| {
            json!({ "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn })
        }),
        "Tags": tags(&role.tags),
        "RoleLastUsed": role.last_used.as_ref().map(|(at, region)| json!({ "LastUsedDate": at, "Region": region })),
    } })
}

fn tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
