//! The writes of IAM that change a customer-managed policy.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::check::{creation, limit, managed};
use super::write::Write;
use crate::account::model::books::{Policy, Role};
use crate::account::reply::{Refusal, Reply, missing};
use crate::fixtures::ACCOUNT;

impl Write<'_> {
    fn policy(&mut self) -> Result<&mut Policy, Refusal> {
        let arn = self.params.get("PolicyArn");
        self.books.policies.get_mut(arn).ok_or_else(|| missing("Policy", arn))
    }

    /// The number of the version in the request.
    fn number(&self) -> u32 {
        self.params.get("VersionId").trim_start_matches('v').parse().unwrap_or(0)
    }

    pub(super) fn create_policy(&mut self) -> Reply {
        let document = managed(self.params)?;
        let name = self.params.get("PolicyName").to_owned();
        creation(self.params, &name, 128)?;
        if self.books.policies.values().any(|policy| policy.name.eq_ignore_ascii_case(&name)) {
            return Err(Refusal::new(409, "EntityAlreadyExists", &format!("A policy called {name} already exists.")));
        }
        let path = self.params.get("Path").to_owned();
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy{path}{name}");
        let tags = self.params.tags().into_iter().collect();
        let policy =
            Policy { name, path, versions: BTreeMap::from([(1, document)]), default: 1, next: 2, tags, made_at: 0 };
        self.books.policies.insert(arn.clone(), policy);
        Ok(json!({ "Policy": { "Arn": arn } }))
    }

    pub(super) fn delete_policy(&mut self) -> Reply {
        let arn = self.params.get("PolicyArn");
        let holds = |role: &Role| role.attached.contains(arn) || role.boundary.as_deref() == Some(arn);
        let used =
            self.books.roles.values().any(holds) || self.books.users.values().any(|attached| attached.contains(arn));
        let policy = self.policy()?;
        let conflict = |why: &str| Err(Refusal::new(409, "DeleteConflict", why));
        if used {
            return conflict("Cannot delete a policy attached to entities.");
        }
        if policy.versions.len() > 1 {
            return conflict("This policy has more than one version.");
        }
        self.books.policies.remove(arn);
        Ok(Value::Null)
    }

    pub(super) fn create_version(&mut self) -> Reply {
        let document = managed(self.params)?;
        let becomes_default = self.params.get("SetAsDefault") == "true";
        let policy = self.policy()?;
        if policy.versions.len() >= 5 {
            return Err(limit("A managed policy can have up to 5 versions."));
        }
        policy.versions.insert(policy.next, document);
        if becomes_default {
            policy.default = policy.next;
        }
        policy.next += 1;
        Ok(Value::Null)
    }

    pub(super) fn set_default_version(&mut self) -> Reply {
        let (number, version) = (self.number(), self.params.get("VersionId"));
        let policy = self.policy()?;
        policy.versions.get(&number).ok_or_else(|| missing("Version", version))?;
        policy.default = number;
        Ok(Value::Null)
    }

    pub(super) fn delete_version(&mut self) -> Reply {
        let (number, version) = (self.number(), self.params.get("VersionId"));
        let policy = self.policy()?;
        if number == policy.default {
            return Err(Refusal::new(409, "DeleteConflict", "Cannot delete the default version of a policy."));
        }
        policy.versions.remove(&number).ok_or_else(|| missing("Version", version))?;
        Ok(Value::Null)
    }

    pub(super) fn tag_policy(&mut self) -> Reply {
        let tags = self.params.tags();
        self.policy()?.tags.extend(tags);
        Ok(Value::Null)
    }

    pub(super) fn untag_policy(&mut self) -> Reply {
        let keys = self.params.members("TagKeys");
        self.policy()?.tags.retain(|key, _| !keys.contains(key));
        Ok(Value::Null)
    }
}
