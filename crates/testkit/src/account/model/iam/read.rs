//! The reads of IAM.

use serde_json::{Value, json};

use super::list::{paged, tags};
use crate::account::call::Params;
use crate::account::model::books::{Books, Policy, Role};
use crate::account::reply::{Refusal, Reply, missing};
use crate::fixtures::ACCOUNT;

const YEAR_2026: i64 = 1_767_225_600;
const DAY: i64 = 86_400;

/// One read.
pub struct Read<'a> {
    /// What the read sees of the account.
    pub books: &'a Books,
    pub params: &'a Params,
    /// The number of items on a page of a list.
    pub page: usize,
}

impl Read<'_> {
    /// The reply of IAM.
    pub fn answer(&self) -> Reply {
        match self.params.action.as_str() {
            "GetRole" => self.role().map(described),
            "GetRolePolicy" => self.inline_policy(),
            "ListAttachedRolePolicies" => {
                let attached = self.role()?.attached.iter();
                Ok(self.paged("AttachedPolicies", attached.map(|arn| json!({ "PolicyName": "x", "PolicyArn": arn }))))
            }
            "ListRolePolicies" => Ok(self.paged("PolicyNames", self.role()?.inline.keys().map(|name| json!(name)))),
            "ListInstanceProfilesForRole" => self.instance_profiles(),
            "GetPolicy" => self.policy_metadata(),
            "GetPolicyVersion" => self.version(),
            "ListPolicyVersions" => self.versions(),
            "ListEntitiesForPolicy" => self.users(),
            "ListPolicies" => Ok(self.policies()),
            "ListRoles" => {
                Ok(self.paged("Roles", self.books.roles.values().map(|role| described(role)["Role"].clone())))
            }
            other => Err(Refusal::new(400, "InvalidAction", &format!("{other} is not served"))),
        }
    }

    fn paged(&self, list: &str, items: impl Iterator<Item = Value>) -> Value {
        paged(self.params, self.page, list, items)
    }

    fn role(&self) -> Result<&Role, Refusal> {
        let name = self.params.get("RoleName");
        self.books.roles.get(&name.to_lowercase()).ok_or_else(|| missing("The role with name", name))
    }

    fn policy(&self) -> Result<&Policy, Refusal> {
        let arn = self.params.get("PolicyArn");
        self.books.policies.get(arn).ok_or_else(|| missing("Policy", arn))
    }

    fn inline_policy(&self) -> Reply {
        let (role, name) = (self.params.get("RoleName"), self.params.get("PolicyName"));
        let document = self.role()?.inline.get(name).ok_or_else(|| missing("The role policy", name))?;
        Ok(json!({ "RoleName": role, "PolicyName": name, "PolicyDocument": document.to_string() }))
    }

    fn instance_profiles(&self) -> Reply {
        let role = self.role()?;
        let held = self.books.profiles.iter().filter(|(_, held)| held.as_ref() == Some(&role.name));
        let profiles = held.map(|(profile, _)| {
            json!({
                "InstanceProfileName": profile, "InstanceProfileId": "AIPA", "Path": "/", "CreateDate": YEAR_2026,
                "Arn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/{profile}"), "Roles": [],
            })
        });
        Ok(self.paged("InstanceProfiles", profiles))
    }

    fn policy_metadata(&self) -> Reply {
        let arn = self.params.get("PolicyArn");
        // Boundaries belong to the deployer: they exist, although the books don't hold them.
        if arn.contains("oundary") {
            return Ok(json!({ "Policy": { "Arn": arn, "DefaultVersionId": "v1" } }));
        }
        let policy = self.policy()?;
        Ok(json!({ "Policy": {
            "Arn": arn, "PolicyName": policy.name, "DefaultVersionId": format!("v{}", policy.default),
            "Tags": tags(&policy.tags),
        } }))
    }

    fn version(&self) -> Reply {
        let version = self.params.get("VersionId");
        let number = version.trim_start_matches('v').parse().unwrap_or(0);
        let document = self.policy()?.versions.get(&number).ok_or_else(|| missing("Version", version))?;
        Ok(json!({ "PolicyVersion": { "VersionId": version, "Document": document.to_string() } }))
    }

    fn versions(&self) -> Reply {
        let policy = self.policy()?;
        let versions = policy.versions.keys().map(|number| {
            json!({
                "VersionId": format!("v{number}"), "IsDefaultVersion": *number == policy.default,
                "CreateDate": YEAR_2026 + DAY * i64::from(*number),
            })
        });
        Ok(self.paged("Versions", versions))
    }

    fn users(&self) -> Reply {
        self.policy()?;
        let arn = self.params.get("PolicyArn");
        let holds = |role: &&Role| role.attached.contains(arn) || role.boundary.as_deref() == Some(arn);
        let roles = self.books.roles.values().filter(holds).map(|role| json!({ "RoleName": role.name }));
        let users = self.books.users.iter().filter(|(_, attached)| attached.contains(arn));
        let users = users.map(|(user, _)| json!({ "UserName": user }));
        Ok(json!({
            "PolicyRoles": roles.collect::<Vec<_>>(), "PolicyUsers": users.collect::<Vec<_>>(), "IsTruncated": false,
        }))
    }

    fn policies(&self) -> Value {
        assert_eq!(self.params.get("Scope"), "Local");
        let path = self.params.get("PathPrefix");
        let below = self.books.policies.iter().filter(|(_, policy)| policy.path.starts_with(path));
        self.paged("Policies", below.map(|(arn, policy)| json!({ "Arn": arn, "CreateDate": policy.made_at })))
    }
}

/// A role as `GetRole` and `CreateRole` describe it.
pub fn described(role: &Role) -> Value {
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
