//! The writes of IAM that change a role.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::{creation, document, limit, size, tag_count, trust};
use super::read::described;
use super::write::Write;
use crate::account::model::books::Role;
use crate::account::reply::{Refusal, Reply, missing};

impl Write<'_> {
    fn role(&mut self) -> Result<&mut Role, Refusal> {
        let name = self.params.get("RoleName");
        self.books.roles.get_mut(&name.to_lowercase()).ok_or_else(|| missing("The role with name", name))
    }

    pub(super) fn create_role(&mut self) -> Reply {
        let params = self.params;
        let name = params.get("RoleName");
        let trust = trust(params, self.books, self.lenient)?;
        creation(params, name, 64)?;
        if self.books.roles.contains_key(&name.to_lowercase()) {
            return Err(Refusal::new(409, "EntityAlreadyExists", &format!("Role with name {name} already exists.")));
        }
        *self.ids += 1;
        let role = Role {
            path: params.get("Path").to_owned(),
            id: format!("AROA{:017}", self.ids),
            trust,
            description: params.get("Description").to_owned(),
            max_session_duration: params.get("MaxSessionDuration").parse().unwrap_or(3_600),
            boundary: Some(params.get("PermissionsBoundary").to_owned()).filter(|arn| !arn.is_empty()),
            tags: params.tags().into_iter().collect(),
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
            last_used: None,
            made_at: 0,
            name: name.to_owned(),
        };
        let made = described(&role);
        self.books.roles.insert(name.to_lowercase(), role);
        Ok(made)
    }

    pub(super) fn delete_role(&mut self) -> Reply {
        let name = self.params.get("RoleName");
        let in_profile = self.books.profiles.values().any(|held| held.as_deref() == Some(name));
        let role = self.role()?;
        let conflict = |why: &str| Err(Refusal::new(409, "DeleteConflict", &format!("Cannot delete entity, {why}")));
        if !role.attached.is_empty() {
            return conflict("must detach all policies first.");
        }
        if !role.inline.is_empty() {
            return conflict("must delete policies first.");
        }
        if in_profile {
            return conflict("must remove roles from instance profile first.");
        }
        self.books.roles.remove(&name.to_lowercase());
        Ok(Value::Null)
    }

    pub(super) fn tag_role(&mut self) -> Reply {
        let tags = self.params.tags();
        let role = self.role()?;
        role.tags.extend(tags);
        tag_count(role.tags.len())?;
        Ok(Value::Null)
    }

    pub(super) fn untag_role(&mut self) -> Reply {
        let keys = self.params.members("TagKeys");
        self.role()?.tags.retain(|key, _| !keys.contains(key));
        Ok(Value::Null)
    }

    pub(super) fn put_boundary(&mut self) -> Reply {
        let arn = self.params.get("PermissionsBoundary");
        let exists = arn.contains("oundary") || self.books.policies.contains_key(arn);
        let role = self.role()?;
        if !exists {
            return Err(missing("Policy", arn));
        }
        role.boundary = Some(arn.to_owned());
        Ok(Value::Null)
    }

    pub(super) fn delete_boundary(&mut self) -> Reply {
        let name = self.params.get("RoleName");
        self.role()?.boundary.take().ok_or_else(|| missing("Boundary of", name))?;
        Ok(Value::Null)
    }

    pub(super) fn set_trust(&mut self) -> Reply {
        let trust = trust(self.params, self.books, self.lenient)?;
        self.role()?.trust = trust;
        Ok(Value::Null)
    }

    pub(super) fn update_role(&mut self) -> Reply {
        let (description, duration) = (self.params.get("Description"), self.params.get("MaxSessionDuration"));
        let role = self.role()?;
        description.clone_into(&mut role.description);
        // IAM resets a parameter that is left out.
        role.max_session_duration = duration.parse().unwrap_or(3_600);
        Ok(Value::Null)
    }

    pub(super) fn attach(&mut self) -> Reply {
        let arn = self.params.get("PolicyArn");
        let attachable = arn.contains(":iam::aws:") || self.books.policies.contains_key(arn);
        let role = self.role()?;
        if !attachable {
            return Err(missing("Policy", arn));
        }
        if !role.attached.contains(arn) && role.attached.len() >= 10 {
            return Err(limit("Cannot exceed quota for PoliciesPerRole: 10"));
        }
        role.attached.insert(arn.to_owned());
        Ok(Value::Null)
    }

    pub(super) fn detach(&mut self) -> Reply {
        let arn = self.params.get("PolicyArn");
        if self.role()?.attached.remove(arn) { Ok(Value::Null) } else { Err(missing("Attached policy", arn)) }
    }

    pub(super) fn put_inline(&mut self) -> Reply {
        let params = self.params;
        let name = params.get("PolicyName");
        let role = self.role()?;
        let document = document(params)?;
        let others: usize = role.inline.iter().filter(|(other, _)| *other != name).map(|(_, d)| size(d)).sum();
        if others + size(&document) > 10_240 {
            return Err(limit("Maximum policy size of 10240 bytes exceeded for role"));
        }
        role.inline.insert(name.to_owned(), document);
        Ok(Value::Null)
    }

    pub(super) fn delete_inline(&mut self) -> Reply {
        let name = self.params.get("PolicyName");
        self.role()?.inline.remove(name).ok_or_else(|| missing("The role policy", name))?;
        Ok(Value::Null)
    }
}
