//! Explains why a policy has a statement, and what a step changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mlops_roles_core::iam::arn::matches;
use mlops_roles_core::iam::document::{Document, json};
use mlops_roles_core::permissions::integration::required::{Grant, PassRoleGrant, RequiredPermissions};
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One statement of a policy or trust policy, with the states that need it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The effect: `Allow` or `Deny`.
    pub effect: String,
    /// Whom a trust policy allows to assume the role; absent in a permissions policy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "schemas", schemars(extend("type" = ["object", "string"])))]
    pub principal: Option<Value>,
    /// The actions: `sqs:SendMessage`. Empty if the statement has `allActionsBut`.
    pub actions: Vec<String>,
    /// The `NotAction` of the statement.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub all_actions_but: Vec<String>,
    /// The resources of the actions. Empty in a trust policy, and if the statement has `allResourcesBut`.
    pub resources: Vec<Resource>,
    /// The `NotResource` of the statement.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub all_resources_but: Vec<String>,
    /// The `Condition` of the statement, by operator and key; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "schemas", schemars(with = "serde_json::Map<String, Value>"))]
    pub condition: Option<Value>,
    /// The names of the states that need the statement; empty when there is no definition.
    pub states: BTreeSet<String>,
}

/// One resource of a statement.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The ARN, which may have wildcards.
    pub arn: String,
    /// The reasons for the wildcards; empty when there is no wildcard.
    pub wildcard_because: BTreeSet<String>,
}

/// One thing that a step adds or removes: a statement or a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
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

/// What explains the statements of the desired policies.
#[derive(Debug)]
pub struct Grounds<'a> {
    /// The reason for a wildcard that no definition asks for.
    otherwise: &'a str,
    /// The grounds of each statement, by its JSON.
    by_statement: BTreeMap<String, Ground<'a>>,
}

/// What explains one statement.
#[derive(Debug, Default)]
struct Ground<'a> {
    /// The states that need the statement.
    states: BTreeSet<&'a str>,
    /// The reasons for wildcards, by the ARN that has them.
    wildcards: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Grounds<'a> {
    /// Finds the grounds of every statement in the documents of the desired policies. `otherwise` is the reason for a
    /// wildcard that no definition asks for.
    pub fn new<'d>(
        required: &'a RequiredPermissions,
        otherwise: &'a str,
        documents: impl Iterator<Item = &'d Document>,
    ) -> Self {
        let all: BTreeMap<String, Value> =
            documents.flat_map(parts).map(|statement| (json(&statement), statement)).collect();
        let grounds = of_each(required, &all);
        Self { otherwise, by_statement: all.into_keys().zip(grounds).collect() }
    }
}

/// The grounds of each statement, in the order of the statements.
fn of_each<'a>(required: &'a RequiredPermissions, all: &BTreeMap<String, Value>) -> Vec<Ground<'a>> {
    let index = Index::new(all.values());
    let mut grounds: Vec<Ground<'a>> = all.iter().map(|_| Ground::default()).collect();
    for grant in &required.grants {
        for i in index.holders(grant) {
            let Some(ground) = grounds.get_mut(i) else { continue };
            ground.states.insert(&grant.state);
            for (arn, why) in &grant.wildcards {
                ground.wildcards.entry(arn).or_default().insert(why);
            }
        }
    }
    for pass_role_grant in &required.pass_role_grants {
        for i in index.passing(pass_role_grant) {
            let Some(ground) = grounds.get_mut(*i) else { continue };
            ground.states.insert(&pass_role_grant.state);
        }
    }
    grounds
}

/// The statements of all documents by what they hold, so that looking up a grant does not search all of them. A
/// statement is given by its position.
#[derive(Debug, Default)]
struct Index<'s> {
    /// The actions of each statement.
    actions: Vec<BTreeSet<&'s str>>,
    /// The statements that name a resource, by condition and resource.
    by_place: HashMap<String, Vec<usize>>,
    /// The patterns with a wildcard, each with its statement, by the condition and the text before the first wildcard.
    by_beginning: HashMap<String, Vec<(&'s str, usize)>>,
    /// The statements that pass a role to a service, by role and service.
    by_role: HashMap<(String, String), Vec<usize>>,
}

impl<'s> Index<'s> {
    fn new(statements: impl Iterator<Item = &'s Value>) -> Self {
        let mut index = Self::default();
        for (i, statement) in statements.enumerate() {
            index.actions.push(texts(statement, "Action").collect());
            let condition = statement.get("Condition");
            let services = condition.and_then(|condition| condition.get("StringEquals")?.get("iam:PassedToService"));
            let services: Vec<&str> = services.map(strings).into_iter().flatten().collect();
            let condition = condition.map_or_else(String::new, json);
            for resource in texts(statement, "Resource") {
                index.by_place.entry(place(&condition, resource)).or_default().push(i);
                if let Some((beginning, _)) = resource.split_once(['*', '?']) {
                    index.by_beginning.entry(place(&condition, beginning)).or_default().push((resource, i));
                }
                for service in &services {
                    index.by_role.entry((resource.to_owned(), (*service).to_owned())).or_default().push(i);
                }
            }
        }
        index
    }

    /// The statements that hold the grant or a part of it.
    fn holders(&self, grant: &Grant) -> BTreeSet<usize> {
        let condition = normal(grant.condition.as_ref());
        let held = |i: usize| {
            let actions = self.actions.get(i);
            let is_held = |action: &&String| actions.is_some_and(|actions| actions.contains(action.as_str()));
            grant.actions.iter().filter(is_held).count()
        };
        let whole =
            |of: &[usize]| -> Vec<usize> { of.iter().copied().filter(|i| held(*i) == grant.actions.len()).collect() };
        let part = |of: &[usize]| -> Vec<usize> { of.iter().copied().filter(|i| held(*i) > 0).collect() };
        let mut holders = BTreeSet::new();
        for resource in &grant.resources {
            let place = place(&condition, resource);
            let named = self.by_place.get(&place).map_or(&[][..], Vec::as_slice);
            let mut found = whole(named);
            if found.is_empty() {
                // A document may leave out a resource that a wider pattern covers. The wider pattern then stands for
                // the resource. The actions of one grant may also be shared out over several statements.
                let covering = self.covering(&place, resource);
                let others = [whole(&covering), part(named), part(&covering)];
                found = others.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
            }
            holders.extend(found);
        }
        holders
    }

    /// The statements with a pattern that covers the resource. `place` has the resource at its end.
    fn covering(&self, place: &str, resource: &str) -> Vec<usize> {
        let ends = place.len() - resource.len()..=place.len();
        let patterns = ends.filter_map(|end| self.by_beginning.get(place.get(..end)?)).flatten();
        patterns.filter(|(pattern, _)| matches(pattern, resource)).map(|(_, i)| *i).collect()
    }

    /// The statements that allow to pass the role to the service.
    fn passing(&self, pass_role_grant: &PassRoleGrant) -> &[usize] {
        let PassRoleGrant { role, service, .. } = pass_role_grant.clone();
        self.by_role.get(&(role, service)).map_or(&[][..], Vec::as_slice)
    }
}

/// The key of a resource under a condition. The JSON of a condition has no line break.
fn place(condition: &str, resource: &str) -> String {
    format!("{condition}\n{resource}")
}

/// The statements of a document, each with its explanation.
pub fn statements(document: &Document, grounds: &Grounds<'_>) -> Vec<Statement> {
    parts(document).iter().map(|statement| explained(statement, grounds)).collect()
}

/// The statements of a document as JSON.
fn parts(document: &Document) -> Vec<Value> {
    let document: Value = serde_json::from_str(&document.to_string()).unwrap_or_default();
    document.get("Statement").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn texts<'s>(statement: &'s Value, key: &'static str) -> impl Iterator<Item = &'s str> {
    statement.get(key).map(strings).into_iter().flatten()
}

fn strings(items: &Value) -> impl Iterator<Item = &str> {
    items.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn explained(statement: &Value, grounds: &Grounds<'_>) -> Statement {
    let ground = grounds.by_statement.get(&json(statement));
    let owned = |key| texts(statement, key).map(str::to_owned).collect();
    let resources = texts(statement, "Resource").map(|arn| {
        let told = ground.and_then(|ground| ground.wildcards.get(arn)).into_iter().flatten();
        let mut wildcard_because: BTreeSet<String> = told.map(|why| (*why).to_owned()).collect();
        if wildcard_because.is_empty() && arn.contains('*') {
            wildcard_because.insert(grounds.otherwise.to_owned());
        }
        Resource { arn: arn.to_owned(), wildcard_because }
    });
    Statement {
        effect: statement.get("Effect").and_then(Value::as_str).unwrap_or_default().to_owned(),
        principal: statement.get("Principal").cloned(),
        actions: owned("Action"),
        all_actions_but: owned("NotAction"),
        resources: resources.collect(),
        all_resources_but: owned("NotResource"),
        condition: statement.get("Condition").cloned(),
        states: ground.into_iter().flat_map(|ground| &ground.states).map(|state| (*state).to_owned()).collect(),
    }
}

/// The JSON of a condition in the normal form of documents. This form makes the condition of a grant comparable with
/// that of a statement. Empty without a condition.
fn normal(condition: Option<&Value>) -> String {
    let Some(condition) = condition else { return String::new() };
    let statement = serde_json::json!({ "Condition": condition });
    let parts = parts(&Document::from_statements(vec![statement]));
    parts.first().and_then(|statement| statement.get("Condition")).map_or_else(String::new, json)
}

/// The changes of a step that the step's own text does not show.
pub fn changes(step: &Step, before: &State) -> Vec<Change> {
    let empty = Document::from_statements(Vec::new());
    match step {
        Step::SetPolicyDocument { arn, document, .. } => {
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
