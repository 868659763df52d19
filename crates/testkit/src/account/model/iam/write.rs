//! The writes of IAM.

use serde_json::Value;

use crate::account::call::Params;
use crate::account::model::books::Books;
use crate::account::reply::{Refusal, Reply, missing};

/// One write.
pub struct Write<'a> {
    pub books: &'a mut Books,
    pub params: &'a Params,
    /// The number of roles created so far.
    pub ids: &'a mut u32,
    /// Whether every principal exists that a trust policy names.
    pub lenient: bool,
}

impl Write<'_> {
    /// Changes the account, and returns the reply of IAM.
    pub fn answer(&mut self) -> Reply {
        match self.params.action.as_str() {
            "CreateRole" => self.create_role(),
            "DeleteRole" => self.delete_role(),
            "TagRole" => self.tag_role(),
            "UntagRole" => self.untag_role(),
            "PutRolePermissionsBoundary" => self.put_boundary(),
            "DeleteRolePermissionsBoundary" => self.delete_boundary(),
            "UpdateAssumeRolePolicy" => self.set_trust(),
            "UpdateRole" => self.update_role(),
            "AttachRolePolicy" => self.attach(),
            "DetachRolePolicy" => self.detach(),
            "PutRolePolicy" => self.put_inline(),
            "DeleteRolePolicy" => self.delete_inline(),
            "RemoveRoleFromInstanceProfile" => self.remove_from_instance_profile(),
            "CreatePolicy" => self.create_policy(),
            "DeletePolicy" => self.delete_policy(),
            "CreatePolicyVersion" => self.create_version(),
            "SetDefaultPolicyVersion" => self.set_default_version(),
            "DeletePolicyVersion" => self.delete_version(),
            "TagPolicy" => self.tag_policy(),
            "UntagPolicy" => self.untag_policy(),
            other => Err(Refusal::new(400, "InvalidAction", &format!("{other} is not served"))),
        }
    }

    fn remove_from_instance_profile(&mut self) -> Reply {
        let (role, profile) = (self.params.get("RoleName"), self.params.get("InstanceProfileName"));
        let held = self.books.profiles.get_mut(profile).ok_or_else(|| missing("Instance profile", profile))?;
        if held.as_deref() != Some(role) {
            return Err(missing("Role in the profile", role));
        }
        *held = None;
        Ok(Value::Null)
    }
}
