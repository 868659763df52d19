//! Holds the role sets that can be provisioned, each as a JSON file in `catalog/`.
//!
//! A file has the roles as they were published. Beside a published statement, the file has the narrowed statements that
//! replace it, and the reason.
//!
//! A file has `parameters`, `roles`, customer-managed `policies` and `outputs`. Roles and policies have the names that
//! the source gives them. A text may contain placeholders:
//!
//! - `${EnvName}`: the value of a parameter.
//! - `${Partition}`, `${Region}`, `${Account}`: the place that the function runs in.
//! - `${Role}`: the name of a role of the set.
//! - `${Role.Arn}`: the ARN of a role or policy of the set.
//! - `${Boundary}`: the ARN of the permissions boundary of the roles.
//! - `${*Name}`, only as an item of a list: each item of a value that is a list. The value `AllowedManagedPolicies` has
//!   the patterns of the managed policies that the deployer allows.

mod parameter;
mod statement;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

pub use crate::catalog::parameter::{Form, LABEL_LENGTH, Parameter};
pub use crate::catalog::statement::{Statement, of_iam};
pub use crate::catalog::values::{Values, When, filled, holds, literal, values_of};
use crate::table::TableError;

/// The name of the role set that `Custom::SageMakerDeployTarget` provisions.
pub const DEPLOY_TARGET: &str = "DeployTarget";

/// The name and the file of every role set. A new role set needs a file and a line here.
const FILES: [(&str, &str); 6] = [
    ("CoreShared", include_str!("core-shared.json")),
    (DEPLOY_TARGET, include_str!("deploy-target.json")),
    ("Environment", include_str!("environment.json")),
    ("ServiceCatalogProjects", include_str!("service-catalog-projects.json")),
    ("SetupStackSetExecution", include_str!("setup-stack-set-execution.json")),
    ("TargetAccount", include_str!("target-account.json")),
];

static SETS: LazyLock<BTreeMap<&str, Result<RoleSet, TableError>>> = LazyLock::new(|| {
    let parse = |name, text| {
        serde_json::from_str(text).map_err(|error| TableError::RoleSet { name, problem: error.to_string() })
    };
    FILES.into_iter().map(|(name, text)| (name, parse(name, text))).collect()
});

/// Lists the names of all role sets, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().map(|(name, _)| name)
}

/// Returns the role set with this name: `CoreShared`.
///
/// # Errors
///
/// Fails when there is no such role set, or its file can't be parsed.
pub fn role_set(name: &str) -> Result<&'static RoleSet, TableError> {
    let set = SETS.get(name).ok_or_else(|| TableError::NoRoleSet(name.to_owned()))?;
    set.as_ref().map_err(Clone::clone)
}

/// A role set: several roles and policies that a published solution needs together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSet {
    /// Where the role set was published: `amazon-sagemaker-secure-mlops, env-iam.yaml`.
    pub source: String,
    /// The parameters, which a template sets as properties. A default refers only to parameters that stand before it.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// The roles, by their logical ids in the source.
    pub roles: BTreeMap<String, RoleEntry>,
    /// The customer-managed policies, by their logical ids in the source.
    #[serde(default)]
    pub policies: BTreeMap<String, PolicyEntry>,
    /// The attributes of the resource, by the names of the source's outputs.
    pub outputs: BTreeMap<String, Output>,
}

/// A role of a role set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// The name, with placeholders, when `RoleNames` gives no other: `${EnvName}-${EnvType}-DataScientistRole`.
    pub name: String,
    /// What an empty name means in the source. When absent, an empty name is an error.
    pub empty_name: Option<EmptyName>,
    /// The path, which begins and ends with a slash: `/service-role/`. `/` when absent.
    #[serde(default = "root")]
    pub path: String,
    /// The condition under which the role set has the role.
    #[serde(default)]
    pub when: When,
    /// The tags that the source gives the role, with placeholders in their values.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The statements of the trust policy.
    pub trust: Vec<Statement>,
    /// The managed policies to attach.
    #[serde(default)]
    pub managed: Vec<Managed>,
    /// The statements of the inline policies, by the name of the policy. The names may have placeholders.
    #[serde(default)]
    pub inline: BTreeMap<String, Vec<Statement>>,
}

/// What an empty name of a role means in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyName {
    /// The role is not created: `not-made` in the file.
    NotMade,
    /// The role gets its default name: `default` in the file.
    Default,
}

/// A managed policy to attach to a role.
///
/// The text is `${ScopedPolicy.Arn}` for a policy of the role set. For an AWS managed policy, it is what follows
/// `arn:aws:iam::aws:policy/`: `AmazonSageMakerFullAccess`, `job-function/DataScientist`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Managed {
    /// A policy that is always attached.
    Always(String),
    /// A policy that is attached under a condition.
    Perhaps {
        /// The policy, in the form of `Managed`.
        policy: String,
        /// The condition under which the policy is attached.
        when: When,
    },
}

/// A customer-managed policy of a role set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEntry {
    /// The name, with placeholders: `${NamePrefix}-init-destroy`.
    pub name: String,
    /// The condition under which the role set has the policy.
    #[serde(default)]
    pub when: When,
    /// The statements of the policy.
    pub statements: Vec<Statement>,
}

/// An attribute of the resource.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The value, with placeholders: `${ExecutionRole.Arn}`.
    pub value: String,
    /// The value, with placeholders, when the role that `value` names is not created. Empty when absent.
    #[serde(default)]
    pub otherwise: String,
}

impl Managed {
    /// Returns the policy if it is attached with these values. Placeholders are not replaced.
    pub fn policy(&self, values: &Values) -> Option<&str> {
        match self {
            Self::Always(policy) => Some(policy),
            Self::Perhaps { policy, when } => holds(when, values).then_some(policy),
        }
    }
}

impl RoleSet {
    /// Lists the statements of the roles and policies that are created with these values, each with its logical id.
    ///
    /// Trust policies are not included. A role is created when the values have its id, a policy when they have its ARN.
    pub fn made<'a>(&'a self, values: &'a Values) -> impl Iterator<Item = (&'a str, &'a Statement)> {
        let roles = self.roles.iter().filter(|(id, _)| values.contains_key(*id));
        let of_roles = roles.flat_map(|(id, role)| role.inline.values().flatten().map(move |one| (id.as_str(), one)));
        let policies = self.policies.iter().filter(|(id, _)| values.contains_key(&format!("{id}.Arn")));
        let of_policies = policies.flat_map(|(id, entry)| entry.statements.iter().map(move |one| (id.as_str(), one)));
        of_roles.chain(of_policies).filter(|(_, statement)| holds(&statement.when, values))
    }

    /// Whether the published statements allow writes to IAM.
    ///
    /// Such writes matter because a principal that can create roles without a permissions boundary can gain any
    /// permission.
    pub fn publishes_iam_writes(&self, values: &Values) -> bool {
        self.made(values).any(|(_, statement)| statement.writes_to_iam())
    }

    /// The logical ids of the roles and policies with a narrowed statement that uses the list.
    ///
    /// `list` is the name of a value: `AllowedManagedPolicies`. `of_iam` omits such a statement when the list is empty.
    pub fn limited_by<'a>(&'a self, list: &str, values: &'a Values) -> BTreeSet<&'a str> {
        let placeholder = format!("${{*{list}}}");
        let narrowed = |one: &Statement| one.of_iam(false).iter().any(|one| one.to_string().contains(&placeholder));
        self.made(values).filter(|(_, one)| narrowed(one)).map(|(id, _)| id).collect()
    }
}

fn root() -> String {
    "/".to_owned()
}
