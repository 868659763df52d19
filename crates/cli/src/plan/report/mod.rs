//! The report on one resource. Its members are the output in JSON, and `text` and `markdown` show the same facts.

pub mod markdown;
pub mod need;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::quota::POLICY_SIZE;
use mlops_roles_core::permissions::integration::required::RequiredPermissions;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plan::explain::{Change, Grounds, Statement, changes, statements};
use need::Need;

/// What the function would do about one resource.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The file, as it was named.
    pub file: String,
    /// The logical id of the resource.
    pub logical_id: String,
    /// The resource type: `Custom::StepFunctionsWorkflowRole`.
    pub resource_type: String,
    /// The physical id, which `Ref` will give.
    pub physical_id: String,
    /// The errors for which the function would refuse the resource.
    pub refusals: Vec<String>,
    /// The errors that an unknown value may explain: only the deployment shows whether they remain.
    pub open: Vec<String>,
    /// Assumptions, warnings, and effects beyond roles and policies.
    pub notes: Vec<String>,
    /// What the states need and neither the definition nor its author names.
    pub needs: Vec<Need>,
    /// The plan; empty when there is nothing to do.
    pub steps: Vec<PlannedStep>,
    /// The roles of the desired state.
    pub roles: Vec<Role>,
    /// The policies of the desired state, managed policies first.
    pub policies: Vec<Policy>,
    /// The actions that the default permissions boundary denies, whatever the policies allow, with the states that need
    /// them.
    pub beyond_boundary: BTreeMap<String, BTreeSet<String>>,
}

/// One step of the plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct PlannedStep {
    /// The step in words.
    pub step: String,
    /// The changes that the words of the step do not show.
    pub changes: Vec<Change>,
}

/// One role of the desired state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// The name of the role.
    pub name: String,
    /// The IAM path: `/service-role/`.
    pub path: String,
    /// The description of the role.
    pub description: String,
    /// The maximum session duration, in seconds.
    pub max_session_duration: i32,
    /// The statements of the trust policy.
    pub trust: Vec<Statement>,
    /// The ARN of the permissions boundary.
    pub permissions_boundary: Option<String>,
    /// The ARNs of the attached managed policies.
    pub attached: BTreeSet<String>,
    /// The values of the tags, by key.
    pub tags: BTreeMap<String, String>,
}

/// One policy of the desired state, managed or inline.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Policy {
    /// The ARN of a managed policy, or `role/policy` for an inline policy.
    pub name: String,
    /// Whether the policy is an inline policy.
    pub inline: bool,
    /// The size in characters without white space, as IAM counts it.
    pub size: usize,
    /// The statements of the policy.
    pub statements: Vec<Statement>,
}

impl Report {
    /// Fills in the plan. `before` is the state that the steps start from.
    pub fn tell_plan(&mut self, steps: &[Step], before: &State) {
        self.steps =
            steps.iter().map(|step| PlannedStep { step: step.to_string(), changes: changes(step, before) }).collect();
    }

    /// Fills in the roles and the policies of the desired state. `otherwise` is the reason for a wildcard that no
    /// definition asks for.
    pub fn tell_state(&mut self, state: &State, required: &RequiredPermissions, otherwise: &str) {
        let managed = state.policies.values().map(|policy| &policy.document);
        let documents = managed.chain(state.roles.values().flat_map(|role| role.inline.values()));
        let grounds = Grounds::new(required, otherwise, documents);
        let policy = |name: String, inline: bool, document: &Document| Policy {
            name,
            inline,
            size: document.size(),
            statements: statements(document, &grounds),
        };
        for (name, role) in &state.roles {
            self.roles.push(Role {
                name: name.to_string(),
                path: role.path.clone(),
                description: role.description.clone(),
                max_session_duration: role.max_session_duration,
                trust: statements(&role.trust, &grounds),
                permissions_boundary: role.boundary.clone(),
                attached: role.attached.clone(),
                tags: role.tags.clone(),
            });
            let inline = role.inline.iter();
            self.policies.extend(inline.map(|(inline, document)| policy(format!("{name}/{inline}"), true, document)));
        }
        self.policies.extend(state.policies.iter().map(|(arn, managed)| policy(arn.clone(), false, &managed.document)));
        self.policies.sort_by_key(|policy| policy.inline);
    }

    /// The report with each of its texts mapped by `printed`.
    ///
    /// # Errors
    /// When two members get the same name, which would be a bug in this program.
    pub fn printed(&self, printed: &dyn Fn(&str) -> String) -> serde_json::Result<Self> {
        serde_json::from_value(mapped(&serde_json::to_value(self)?, printed))
    }
}

/// A value with each of its texts mapped by `printed`.
pub fn mapped(value: &Value, printed: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(printed(text)),
        Value::Array(items) => items.iter().map(|item| mapped(item, printed)).collect(),
        Value::Object(members) => {
            { members.iter().map(|(name, value)| (printed(name), mapped(value, printed))).collect::<BTreeMap<_, _>>() }
                .into_iter()
                .collect()
        }
        other => other.clone(),
    }
}

/// The title of `refusals`.
const ERRORS: &str = "Errors";
/// The title of `open`.
const POSSIBLE_ERRORS: &str = "Possible errors: only the deployment shows whether they remain";
/// The title of `beyond_boundary`.
const BEYOND: &str = "Denied by the default permissions boundary, whatever the policies allow";

impl Role {
    fn tags(&self) -> Vec<String> {
        self.tags.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    }
}

impl Policy {
    fn title(&self) -> String {
        if self.inline {
            return format!("Inline policy {} (about {} characters)", self.name, self.size);
        }
        format!("Policy {} (about {} of {POLICY_SIZE} characters)", self.name, self.size)
    }
}

impl Report {
    fn beyond(&self) -> Vec<String> {
        let states = |states: &BTreeSet<String>| states.iter().cloned().collect::<Vec<_>>().join(", ");
        self.beyond_boundary.iter().map(|(action, of)| format!("{action} for {}", states(of))).collect()
    }
}
