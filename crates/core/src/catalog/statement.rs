//! The statements of role sets: as they were published, and narrowed.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::catalog::values::{Values, When, filled_in, holds};

/// A statement as it was published, and the statements that replace it.
///
/// The private fields are the published members. They have the names that IAM gives them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The condition under which the document has the statement.
    #[serde(rename = "When", default)]
    pub when: When,
    /// The changes that narrow the published statement.
    ///
    /// Each item makes one statement, and its members override the published members. An empty list drops the published
    /// statement. When absent, the published statement stays.
    #[serde(rename = "Narrowed")]
    pub narrowed: Option<Vec<Map<String, Value>>>,
    /// Whether the source lacks the statement.
    #[serde(rename = "Added", default)]
    pub added: bool,
    /// Why the statement is narrowed or added, or why it is wide and stays wide. Otherwise absent.
    #[serde(rename = "Why")]
    pub why: Option<String>,
    #[serde(rename = "Sid")]
    sid: Option<Value>,
    #[serde(rename = "Effect")]
    effect: Value,
    #[serde(rename = "Principal")]
    principal: Option<Value>,
    #[serde(rename = "Action")]
    action: Value,
    #[serde(rename = "Resource")]
    resource: Option<Value>,
    #[serde(rename = "NotResource")]
    not_resource: Option<Value>,
    #[serde(rename = "Condition")]
    condition: Option<Value>,
}

impl Statement {
    /// Returns the IAM statements for this statement, with their placeholders.
    ///
    /// `as_published` selects the published statement instead of the narrowed ones, and omits an added statement.
    pub fn of_iam(&self, as_published: bool) -> Vec<Value> {
        if self.added && as_published {
            return Vec::new();
        }
        let members = [
            ("Sid", self.sid.as_ref()),
            ("Effect", Some(&self.effect)),
            ("Principal", self.principal.as_ref()),
            ("Action", Some(&self.action)),
            ("Resource", self.resource.as_ref()),
            ("NotResource", self.not_resource.as_ref()),
            ("Condition", self.condition.as_ref()),
        ];
        let members = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.clone())));
        let published: Map<String, Value> = members.collect();
        let Some(narrowed) = self.narrowed.as_ref().filter(|_| !as_published) else {
            return vec![Value::Object(published)];
        };
        let with = |other: &Map<String, Value>| {
            let mut statement = published.clone();
            statement.extend(other.clone());
            // The statements of one policy can't share a `Sid`.
            if narrowed.len() > 1 {
                statement.remove("Sid");
            }
            Value::Object(statement)
        };
        narrowed.iter().map(with).collect()
    }

    /// Whether the published statement allows writes to IAM.
    pub(super) fn writes_to_iam(&self) -> bool {
        let actions: Vec<&str> = match &self.action {
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            one => Vec::from_iter(one.as_str()),
        };
        let writes = |action: &str| {
            let of_iam = if action == "*" { Some(action) } else { action.strip_prefix("iam:") };
            of_iam.is_some_and(|one| one != "PassRole" && !one.starts_with("Get") && !one.starts_with("List"))
        };
        self.effect == "Allow" && actions.into_iter().any(writes)
    }
}

/// Returns the IAM statements for these statements, with their placeholders replaced.
///
/// A statement is omitted when its condition does not hold, or when it refers to a role or policy that is not created.
pub fn of_iam(statements: &[Statement], values: &Values, as_published: bool) -> Vec<Value> {
    let holding = statements.iter().filter(|statement| holds(&statement.when, values));
    let of_iam = holding.flat_map(|statement| statement.of_iam(as_published));
    of_iam.filter_map(|statement| filled_in(&statement, values)).collect()
}
