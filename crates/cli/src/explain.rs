//! Explains why a policy has a statement, and what a step changes.

use std::collections::BTreeSet;

use mlops_roles_core::iam::arn::matches;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::permissions::integration::required::{Grant, RequiredPermissions};
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One statement of a policy or trust policy, with the states that need it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// `Allow` or `Deny`.
    pub effect: String,
    /// Whom a trust policy allows to assume the role; absent in a permissions policy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub principal: Option<Value>,
    pub actions: Vec<String>,
    /// The `NotAction` of the statement.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub all_actions_but: Vec<String>,
    pub resources: Vec<Resource>,
    /// The `NotResource` of the statement.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub all_resources_but: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub condition: Option<Value>,
    /// The names of the states that need the statement; empty when there is no definition.
    pub states: BTreeSet<String>,
}

/// One resource of a statement.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The ARN, which may have wildcards.
    pub arn: String,
    /// The reasons for the wildcards; empty when there is no wildcard.
    pub wildcard_because: BTreeSet<String>,
}

/// One thing that a step adds or removes: a statement or a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whether the step adds it; otherwise the step removes it.
    pub added: bool,
    /// The statement as JSON, or the tag as `key = value`.
    pub what: String,
}

impl Statement {
    /// The states that need the statement, separated by commas; `None` when there are none.
    pub fn need(&self) -> Option<String> {
        (!self.states.is_empty()).then(|| self.states.iter().cloned().collect::<Vec<_>>().join(", "))
    }

    /// The actions, separated by commas: `sqs:SendMessage`, `all but iam:*`.
    pub fn what(&self) -> String {
        match self.all_actions_but.as_slice() {
            [] => self.actions.join(", "),
            but => format!("all but {}", but.join(", ")),
        }
    }

    /// One text for each key of the condition: `StringEquals iam:PassedToService = sagemaker.amazonaws.com`.
    pub fn conditions(&self) -> Vec<String> {
        let operators = self.condition.as_ref().and_then(Value::as_object).into_iter().flatten();
        let keys = operators.flat_map(|(operator, keys)| {
            let keys = keys.as_object().into_iter().flatten();
            keys.map(move |(key, values)| format!("{operator} {key} = {}", listed(values)))
        });
        keys.collect()
    }

    /// The principals, separated by commas: `states.amazonaws.com`; `None` in a permissions policy.
    pub fn trusted(&self) -> Option<String> {
        let kinds = self.principal.as_ref()?;
        let listed_kinds = kinds.as_object().into_iter().flatten().map(|(_, values)| listed(values));
        Some(kinds.as_str().map_or_else(|| listed_kinds.collect::<Vec<_>>().join(", "), str::to_owned))
    }
}

fn listed(values: &Value) -> String {
    let texts = values.as_array().map_or_else(|| vec![values], |values| values.iter().collect());
    let texts = texts.into_iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned));
    texts.collect::<Vec<_>>().join(", ")
}

/// What explains statements.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// What the states of the definition need.
    pub required: &'a RequiredPermissions,
    /// The reason for a wildcard that no definition asks for.
    pub otherwise: &'a str,
    /// Every statement of the desired policies.
    pub all: &'a [Value],
}

/// The statements of a document, each with its explanation.
pub fn statements(document: &Document, grounds: Grounds<'_>) -> Vec<Statement> {
    parts(document).iter().map(|statement| explained(statement, grounds)).collect()
}

/// The statements of a document as JSON.
pub fn parts(document: &Document) -> Vec<Value> {
    let document: Value = serde_json::from_str(&document.to_string()).unwrap_or_default();
    document.get("Statement").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn texts(statement: &Value, key: &str) -> Vec<String> {
    let items = statement.get(key).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether the statement holds the grant or a part of it.
fn gives(statement: &Value, grant: &Grant, all: &[Value]) -> bool {
    let alike = |statement: &Value| {
        let actions = texts(statement, "Action");
        // A document keeps conditions in a normal form. The grant's condition takes that form too, to make both
        // comparable.
        statement.get("Condition").cloned() == normal(grant.condition.as_ref())
            && grant.actions.iter().all(|action| actions.contains(action))
    };
    let has = |statement: &Value, resource: &String| texts(statement, "Resource").contains(resource);
    alike(statement)
        && grant.resources.iter().any(|resource| {
            // A document may leave out a resource that a wider pattern covers. The wider pattern then stands for the
            // resource.
            has(statement, resource)
                || texts(statement, "Resource").iter().any(|pattern| matches(pattern, resource))
                    && !all.iter().any(|other| alike(other) && has(other, resource))
        })
}

fn explained(statement: &Value, grounds: Grounds<'_>) -> Statement {
    let Grounds { required, otherwise, all } = grounds;
    let resources = texts(statement, "Resource");
    let condition = statement.get("Condition").cloned();
    let grants: Vec<&Grant> = required.grants.iter().filter(|grant| gives(statement, grant, all)).collect();
    let services = condition.as_ref().and_then(|condition| condition.get("StringEquals")?.get("iam:PassedToService"));
    let services = services.and_then(Value::as_array).cloned().unwrap_or_default();
    let pass_role_grants = required.pass_role_grants.iter().filter(|pass_role_grant| {
        resources.contains(&pass_role_grant.role)
            && services.iter().any(|service| service.as_str() == Some(&pass_role_grant.service))
    });
    let states = grants
        .iter()
        .map(|grant| grant.state.clone())
        .chain(pass_role_grants.map(|pass_role_grant| pass_role_grant.state.clone()));
    let states = states.collect();
    let resources = resources.into_iter().map(|arn| {
        let told = grants.iter().filter_map(|grant| grant.wildcards.get(&arn)).cloned();
        let mut wildcard_because: BTreeSet<String> = told.collect();
        if wildcard_because.is_empty() && arn.contains('*') {
            wildcard_because.insert(otherwise.to_owned());
        }
        Resource { arn, wildcard_because }
    });
    Statement {
        effect: statement.get("Effect").and_then(Value::as_str).unwrap_or_default().to_owned(),
        principal: statement.get("Principal").cloned(),
        actions: texts(statement, "Action"),
        all_actions_but: texts(statement, "NotAction"),
        resources: resources.collect(),
        all_resources_but: texts(statement, "NotResource"),
        condition,
        states,
    }
}

fn normal(condition: Option<&Value>) -> Option<Value> {
    let statement = serde_json::json!({ "Condition": condition? });
    parts(&Document::from_statements(vec![statement])).first()?.get("Condition").cloned()
}

/// The changes of a step that the step's own text does not show.
pub fn changes(step: &Step, before: &State) -> Vec<Change> {
    let empty = Document::from_statements(Vec::new());
    match step {
        Step::SetPolicyDocument { arn, document } => {
            let prior = before.policies.get(arn).map_or(&empty, |policy| &policy.document);
            between(prior, document)
        }
        Step::PutInline { role, name, document } => {
            let prior = before.roles.get(role).and_then(|role| role.inline.get(name)).unwrap_or(&empty);
            if prior == &empty { Vec::new() } else { between(prior, document) }
        }
        Step::DeleteInline { role, name } => {
            let prior = before.roles.get(role).and_then(|role| role.inline.get(name)).unwrap_or(&empty);
            between(prior, &empty)
        }
        Step::SetTrust { role, trust } => {
            before.roles.get(role).map_or_else(Vec::new, |role| between(&role.trust, trust))
        }
        Step::TagRole { tags, .. } | Step::TagPolicy { tags, .. } => {
            tags.iter().map(|(key, value)| Change { added: true, what: format!("{key} = {value}") }).collect()
        }
        _ => Vec::new(),
    }
}

/// The statements that only one of the two documents has.
fn between(prior: &Document, now: &Document) -> Vec<Change> {
    let (prior, now) = (parts(prior), parts(now));
    let change = |added: bool| move |statement: &Value| Change { added, what: statement.to_string() };
    let gone = prior.iter().filter(|statement| !now.contains(statement)).map(change(false));
    gone.chain(now.iter().filter(|statement| !prior.contains(statement)).map(change(true))).collect()
}
