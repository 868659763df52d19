//! An account as a value: the tests compare it before and after.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use mlops_roles_core::iam::document::Document;

use super::sagemaker::Region;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Role {
    pub name: String,
    pub path: String,
    pub id: String,
    pub trust: Value,
    pub description: String,
    pub max_session_duration: i32,
    pub boundary: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub attached: BTreeSet<String>,
    pub inline: BTreeMap<String, Value>,
    /// Seconds since the epoch, and the region.
    pub last_used: Option<(u64, String)>,
    /// Seconds since the epoch; 0 for long ago.
    pub made_at: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    pub name: String,
    pub path: String,
    pub versions: BTreeMap<u32, Value>,
    pub default: u32,
    pub next: u32,
    pub tags: BTreeMap<String, String>,
    /// Seconds since the epoch; 0 for long ago.
    pub made_at: u32,
}

/// What the account holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Books {
    /// By lower-case name: IAM does not tell case apart.
    pub roles: BTreeMap<String, Role>,
    /// By ARN.
    pub policies: BTreeMap<String, Policy>,
    /// Instance profiles and the role in each.
    pub profiles: BTreeMap<String, Option<String>>,
    /// Users that have a policy attached.
    pub users: BTreeMap<String, BTreeSet<String>>,
    /// What SageMaker holds, by region.
    pub regions: BTreeMap<String, Region>,
}

impl Books {
    /// What grants, without what does not: unused policy versions, ids, and ways to spell a document.
    pub fn meaning(&self) -> Self {
        let mut books = self.clone();
        let spelled = |document: &Value| serde_json::from_str(&Document::new(document.clone()).to_string()).unwrap();
        for policy in books.policies.values_mut() {
            let document = spelled(&policy.versions[&policy.default]);
            policy.versions = BTreeMap::from([(0, document)]);
            (policy.default, policy.next) = (0, 0);
        }
        for role in books.roles.values_mut() {
            role.id.clear();
            role.trust = spelled(&role.trust);
            role.inline.values_mut().for_each(|document| *document = spelled(document));
        }
        books
    }
}
