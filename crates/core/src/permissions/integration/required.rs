//! The required permissions of the states of a state machine: grants, and roles to pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::permissions::asl::Task;
use crate::permissions::asl::value::Found;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::passed_role::{PassedRole, told_roles};
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::permissions::integration::task_resources::Use;
use crate::permissions::integration::undeclared::UndeclaredNeed;

/// Actions on resources that a state needs. Without a state machine, a property stands for the state.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The path of the state: `Prepare.Branches[0].Train`.
    ///
    /// For a feature of the state machine, it is `(tracing)`, `(logging)` or `(encryption)`. Without a state machine,
    /// it is the name of a property, or `[0]` for an item of `Integrations`.
    pub state: String,
    /// The IAM actions: `sagemaker:CreateTrainingJob`.
    pub actions: BTreeSet<String>,
    /// The ARNs that the actions touch, which may have wildcards.
    pub resources: BTreeSet<String>,
    /// The `Condition` of the policy statement. `None` allows the actions without a condition.
    pub condition: Option<Value>,
    /// The reasons for the wildcards, by the ARN in `resources`. ARNs without a wildcard have none.
    pub wildcards: BTreeMap<String, String>,
}

impl Grant {
    /// Creates a grant from resource patterns, whose reasons for wildcards it keeps.
    pub fn new(
        state: &str,
        actions: BTreeSet<String>,
        resources: Vec<ResourcePattern>,
        condition: Option<Value>,
    ) -> Self {
        let wildcards =
            resources.iter().filter_map(|one| Some((one.arn.clone(), one.wildcard.as_ref()?.why().to_owned())));
        let wildcards = wildcards.collect();
        let resources = resources.into_iter().map(|one| one.arn).collect();
        Self { state: state.to_owned(), actions, resources, condition, wildcards }
    }

    /// Creates a grant of actions that the source code names.
    pub(crate) fn of(state: &str, actions: &[&str], resources: Vec<ResourcePattern>, condition: Option<Value>) -> Self {
        Self::new(state, actions.iter().map(|action| (*action).to_owned()).collect(), resources, condition)
    }
}

/// A role that a state hands to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassRoleGrant {
    /// The path of the state: `Prepare.Branches[0].Train`.
    pub state: String,
    /// The ARN of the role: `arn:aws:iam::123456789012:role/x`.
    pub role: String,
    /// The service principal that the role is passed to: `sagemaker.amazonaws.com`.
    pub service: String,
    /// Whether an earlier version did not know of the role, so that existing resources are spared its checks.
    pub is_new: bool,
}

/// What the states of a state machine need, and the errors found while deriving it.
#[derive(Clone, Debug, Default)]
pub struct RequiredPermissions {
    /// The grants, in the order in which they were derived.
    pub grants: Vec<Grant>,
    /// The roles that states hand to services.
    pub pass_role_grants: Vec<PassRoleGrant>,
    /// The members of calls that override what the owner of a resource chose, each with its state and action.
    ///
    /// The permissions boundary may deny them. An example is `Build`, `codebuild:StartBuild`, `BuildspecOverride`.
    pub overrides: Vec<(String, String, &'static str)>,
    /// The messages of all errors, each with the state or the property that it is about.
    pub errors: Vec<String>,
    /// The messages of rules that an earlier version of this function did not have. What they are about is read as
    /// before. The module `resource::properties` decides which of them count.
    pub tightened: Vec<String>,
    /// The paths of the states whose actions `TaskActions` tells.
    pub declared: BTreeSet<String>,
    /// What the states need and neither the definition nor its author names.
    pub undeclared: Vec<UndeclaredNeed>,
    /// What was granted of `TaskResources`: see `taken`.
    pub taken: BTreeSet<String>,
    /// What the author should know of the grants, each with the state that it is about.
    pub notices: Vec<String>,
}

impl RequiredPermissions {
    /// Adds a grant.
    pub(super) fn grant(
        &mut self,
        state: &str,
        actions: BTreeSet<String>,
        resources: Vec<ResourcePattern>,
        condition: Option<Value>,
    ) {
        self.grants.push(Grant::new(state, actions, resources, condition));
    }

    /// Adds a `PassRoleGrant` for each role that the member of the task names. Adds none if the member is absent.
    pub(super) fn pass(&mut self, task: &Task, passed: PassedRole<'_>, context: DeriveContext<'_>) {
        for found in task.arguments.at(passed.member) {
            let is_told = !told_roles(&task.path, context).is_empty();
            let is_open = matches!(found, Found::Expression { .. }) && !is_told;
            if is_open && self.pass_declared(&task.path, passed.service, context) {
                continue;
            }
            let roles = passed.roles(&found, &task.path, context);
            match roles.map(|roles| of_profile(roles, &found, passed, task, context)) {
                Ok(roles) => self.pass_role_grants.extend(roles.into_iter().map(|role| PassRoleGrant {
                    state: task.path.clone(),
                    role,
                    service: passed.service.to_owned(),
                    is_new: false,
                })),
                Err(why) => self.invalid(&task.path, &why),
            }
        }
    }

    /// Adds a `PassRoleGrant` for each role that the author declares for the service. Returns whether there is one.
    pub(super) fn pass_declared(&mut self, state: &str, service: &str, context: DeriveContext<'_>) -> bool {
        let declared = context.resources.get(state).into_iter().flat_map(|declared| declared.roles(service));
        let roles: Vec<String> = declared.map(|one| one.role.clone()).collect();
        for role in &roles {
            self.take(state, Use::PassRole, role, service);
            let (state, role, service) = (state.to_owned(), role.clone(), service.to_owned());
            self.pass_role_grants.push(PassRoleGrant { state, role, service, is_new: false });
        }
        !roles.is_empty()
    }

    /// Passes the declared roles for a member that names a role at run time or none. Without any, a notice says so.
    pub(super) fn pass_optional(&mut self, state: &str, member: &str, service: &str, context: DeriveContext<'_>) {
        if !self.pass_declared(state, service, context) {
            let what = format!(
                "`{member}` may name a role at run time, and the role is not passed; set it here, or name it in \
                 `PassRoles` of `TaskResources`"
            );
            self.notice(state, &what);
        }
    }

    /// Notes that a need of a state takes what the author declares.
    pub(crate) fn take(&mut self, state: &str, used: Use, arn: &str, service: &str) {
        self.taken.insert(taken(state, used, arn, service));
    }

    /// Whether nothing was derived, and nothing is to be told.
    pub(super) fn is_empty(&self) -> bool {
        self.grants.is_empty()
            && self.pass_role_grants.is_empty()
            && self.undeclared.is_empty()
            && [&self.errors, &self.tightened, &self.notices].iter().all(|texts| texts.is_empty())
    }

    /// Appends what another derivation found.
    pub(super) fn append(&mut self, other: Self) {
        self.grants.extend(other.grants);
        self.pass_role_grants.extend(other.pass_role_grants);
        self.overrides.extend(other.overrides);
        self.errors.extend(other.errors);
        self.tightened.extend(other.tightened);
        self.declared.extend(other.declared);
        self.undeclared.extend(other.undeclared);
        self.taken.extend(other.taken);
        self.notices.extend(other.notices);
    }

    /// The same, with errors of which existing resources are spared.
    pub(super) fn spared(mut self) -> Self {
        self.tightened.append(&mut self.errors);
        for grant in &mut self.pass_role_grants {
            grant.is_new = true;
        }
        self
    }

    /// Adds an error about a state that an earlier version did not report.
    pub(crate) fn tighten(&mut self, state: &str, what: &dyn fmt::Display) {
        self.tightened.push(format!("state `{state}`: {what}"));
    }

    /// Adds a notice about a state.
    pub(super) fn notice(&mut self, state: &str, what: &dyn fmt::Display) {
        self.notices.push(format!("state `{state}`: {what}"));
    }

    /// Adds an error about a state.
    pub(crate) fn invalid(&mut self, state: &str, what: &dyn fmt::Display) {
        self.errors.push(format!("state `{state}`: {what}"));
    }
}

/// What an author declares of a state, in one text: the path of the state, the use, the ARN, and the service that gets a
/// role.
pub fn taken(state: &str, used: Use, arn: &str, service: &str) -> String {
    format!("{state}\n{used}\n{arn}\n{service}")
}

/// The roles that an instance profile may hold, which `ResourceOverrides` tells if the role does not have its name.
///
/// `ResourceOverrides` lists all roles of a state. If it also has to tell another role of the call, it does not tell
/// which role is the one of the profile.
fn of_profile(
    same_name: Vec<String>,
    found: &Found,
    passed: PassedRole<'_>,
    task: &Task,
    context: DeriveContext<'_>,
) -> Vec<String> {
    let told = told_roles(&task.path, context);
    if !passed.is_profile || !matches!(found, Found::Literal(_)) || told.is_empty() {
        return same_name;
    }
    let unknown =
        |member: &&str| task.arguments.at(member).iter().any(|found| matches!(found, Found::Expression { .. }));
    if ["ServiceRole", "AutoScalingRole"].iter().any(unknown) { same_name } else { told }
}
