//! The account's contents as a value, which tests compare before and after.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::state::{self, State};

use super::sagemaker::Region;

/// A role, with its policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Role {
    pub name: String,
    pub path: String,
    /// The unique id: `AROAHAND`.
    pub id: String,
    /// The trust policy.
    pub trust: Value,
    pub description: String,
    /// The maximum session duration, in seconds.
    pub max_session_duration: i32,
    /// The ARN of the permissions boundary.
    pub boundary: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// The ARNs of the attached policies.
    pub attached: BTreeSet<String>,
    /// The inline policies by name.
    pub inline: BTreeMap<String, Value>,
    /// When the role was last used, in seconds since the epoch, and in which region.
    pub last_used: Option<(u64, String)>,
    /// When the role was created, in seconds since the epoch; 0 means long ago.
    pub made_at: u32,
}

/// A customer-managed policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    pub name: String,
    pub path: String,
    /// The documents by version number.
    pub versions: BTreeMap<u32, Value>,
    /// The number of the default version.
    pub default: u32,
    /// The number of the next version.
    pub next: u32,
    pub tags: BTreeMap<String, String>,
    /// When the policy was created, in seconds since the epoch; 0 means long ago.
    pub made_at: u32,
}

/// What the account holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Books {
    /// The roles by lower-case name: IAM does not distinguish names by case.
    pub roles: BTreeMap<String, Role>,
    /// The customer-managed policies by ARN.
    pub policies: BTreeMap<String, Policy>,
    /// The instance profiles by name, each with its role.
    pub profiles: BTreeMap<String, Option<String>>,
    /// The users by name, each with the ARNs of its attached policies.
    pub users: BTreeMap<String, BTreeSet<String>>,
    /// What SageMaker holds, by region.
    pub regions: BTreeMap<String, Region>,
    /// The content of the objects in Amazon S3, by `bucket/key` or `bucket/key?versionId=version`.
    pub objects: BTreeMap<String, String>,
}

impl Books {
    /// The contents without what grants nothing: unused policy versions, ids, and the spelling of documents.
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

    /// The roles and policies as the engine observes them.
    pub fn state(&self) -> State {
        let roles = self.roles.values().map(|role| {
            let profiles = self.profiles.iter().filter(|(_, held)| held.as_ref() == Some(&role.name));
            let seen = state::Role {
                path: role.path.clone(),
                trust: Document::new(role.trust.clone()),
                description: role.description.clone(),
                max_session_duration: role.max_session_duration,
                boundary: role.boundary.clone(),
                tags: role.tags.clone(),
                attached: role.attached.clone(),
                inline: role.inline.iter().map(|(name, one)| (name.clone(), Document::new(one.clone()))).collect(),
                instance_profiles: profiles.map(|(profile, _)| profile.clone()).collect(),
            };
            (Name::new(role.name.as_str()), seen)
        });
        let policies = self.policies.iter().map(|(arn, policy)| {
            let document = Document::new(policy.versions[&policy.default].clone());
            (arn.clone(), state::Policy { document, tags: policy.tags.clone() })
        });
        State { roles: roles.collect(), policies: policies.collect() }
    }
}
