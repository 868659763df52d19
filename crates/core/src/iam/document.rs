//! Normalizes policy documents, so that documents with the same meaning are equal.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::iam::arn;

/// A permissions policy or trust policy, as JSON in normal form.
///
/// The normal form has a list wherever IAM allows one item or a list, and it sorts lists whose order has no meaning.
/// Two documents with the same meaning in different spellings are therefore equal, so drift is a change of meaning.
#[derive(Clone, PartialEq, Eq)]
pub struct Document(String);

impl Document {
    /// Normalizes a document. A value that is not a JSON object is kept as it is.
    pub fn new(document: Value) -> Self {
        Self(json(&normal_document(document)))
    }

    /// Builds a document from statements, with `2012-10-17`, the current version of the policy language.
    pub fn from_statements(statements: Vec<Value>) -> Self {
        let version = ("Version".to_owned(), Value::from("2012-10-17"));
        Self::new(Value::Object(Map::from_iter([version, ("Statement".to_owned(), Value::Array(statements))])))
    }

    /// Parses a document from the text that IAM stores.
    ///
    /// Text that is not JSON is kept as a JSON string. It then differs from every document that this project writes.
    pub fn parse(text: &str) -> Self {
        Self::new(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)))
    }

    /// The number of characters that IAM counts against its size quotas.
    ///
    /// IAM does not count white space. The normal form has white space only inside strings.
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
    pub fn size(&self) -> usize {
        self.0.chars().filter(|c| !c.is_whitespace()).count()
    }

    /// The SHA-256 of the bytes of the normal form, as 64 lower-case hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(&self.0))
    }

    /// Whether this trust policy allows only what the trust policy `prior` also allows.
    ///
    /// Returns `false` when in doubt: a `Deny` statement in this policy, a change of principals or actions, or a
    /// condition that can't be compared.
    pub fn narrows(&self, prior: &Self) -> bool {
        let (new, old) = (self.statements(), prior.statements());
        !new.is_empty() && new.iter().all(|n| old.iter().any(|o| statement_narrows(n, o)))
    }

    /// The given actions that `Allow` statements name literally, as pairs of an action and a resource.
    ///
    /// An action that only a wildcard such as `lambda:*` allows is not returned.
    pub fn allowed(&self, actions: &[&str]) -> BTreeSet<(String, String)> {
        let texts = |statement: &Value, key: &str| -> Vec<String> {
            let values = statement.get(key).and_then(Value::as_array).into_iter().flatten();
            values.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut allowed = BTreeSet::new();
        for statement in self.statements().iter().filter(|one| one.get("Effect") == Some(&Value::from("Allow"))) {
            for action in texts(statement, "Action").iter().filter(|action| actions.contains(&action.as_str())) {
                allowed.extend(texts(statement, "Resource").into_iter().map(|resource| (action.clone(), resource)));
            }
        }
        allowed
    }

    /// Whether this policy has every statement of the other one.
    pub fn has_statements_of(&self, other: &Self) -> bool {
        let own = self.statements();
        other.statements().iter().all(|statement| own.contains(statement))
    }

    fn statements(&self) -> Vec<Value> {
        let mut document: Value = serde_json::from_str(&self.0).unwrap_or_default();
        document.get_mut("Statement").map(Value::take).map(listed).unwrap_or_default()
    }
}

/// Formats the document as JSON, so that a document that is logged before its deletion can be restored from the log.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Serializes a value as JSON without white space between tokens.
///
/// The text equals what `Display` of the value writes. `Display` goes through a formatter, which costs more than the
/// JSON.
pub fn json(value: &Value) -> String {
    // Serialization fails only for a map with keys that are not strings, which a `Value` can't hold.
    serde_json::to_string(value).unwrap_or_default()
}

/// Formats bytes as lower-case hexadecimal digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn statement_narrows(new: &Value, old: &Value) -> bool {
    let allows = |s: &Value| s.get("Effect").and_then(Value::as_str) == Some("Allow");
    let same = |key| new.get(key) == old.get(key);
    allows(new) && allows(old) && same("Principal") && same("Action") && conditions_narrow(new, old)
}

/// Whether each condition of the old statement is still in the new one, with values that are no wider.
fn conditions_narrow(new: &Value, old: &Value) -> bool {
    let entries = |s: &Value| -> Vec<(String, String, Vec<String>)> {
        let operators = s.get("Condition").and_then(Value::as_object);
        operators
            .into_iter()
            .flatten()
            .flat_map(|(operator, keys)| {
                let keys = keys.as_object().into_iter().flatten();
                keys.map(move |(key, values)| {
                    let values = values.as_array().into_iter().flatten().filter_map(Value::as_str);
                    (operator.clone(), key.clone(), values.map(str::to_owned).collect())
                })
            })
            .collect()
    };
    let new = entries(new);
    entries(old).iter().all(|(operator, key, allowed)| {
        let pattern = matches!(operator.as_str(), "ArnLike" | "ArnEquals" | "StringLike");
        let exact = operator == "StringEquals";
        new.iter().filter(|(o, k, _)| o == operator && k == key).any(|(_, _, values)| {
            values == allowed
                || ((pattern || exact)
                    && values.iter().all(|v| allowed.iter().any(|a| a == v || (pattern && arn::matches(a, v)))))
        })
    })
}

fn normal_document(document: Value) -> Value {
    let Value::Object(mut document) = document else { return document };
    if let Some(statement) = document.remove("Statement") {
        let mut statements: Vec<Value> = listed(statement).into_iter().map(normal_statement).collect();
        statements.sort_by_cached_key(json);
        statements.dedup();
        document.insert("Statement".to_owned(), Value::Array(statements));
    }
    sorted(document)
}

fn normal_statement(statement: Value) -> Value {
    let Value::Object(statement) = statement else { return statement };
    sorted(
        statement
            .into_iter()
            .map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("Action" | "NotAction" | "Resource" | "NotResource", value) => string_set(value),
                    ("Principal" | "NotPrincipal", Value::Object(kinds)) => {
                        sorted(kinds.into_iter().map(|(k, v)| (k, string_set(accounts(v)))).collect())
                    }
                    ("Condition", Value::Object(operators)) => {
                        sorted(operators.into_iter().map(|(k, v)| (k, normal_condition(v))).collect())
                    }
                    (_, value) => value,
                };
                (key, value)
            })
            .collect(),
    )
}

/// Replaces the ARN of an account's root user by the id of the account.
///
/// IAM returns the ARN where a document was written with the id. Both mean the account.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>
fn accounts(principals: Value) -> Value {
    let bare = |principal: Value| {
        let account =
            principal.as_str().and_then(arn::Arn::parse).filter(|arn| arn.service == "iam" && arn.resource == "root");
        account.map(|arn| Value::from(arn.account)).unwrap_or(principal)
    };
    Value::Array(listed(principals).into_iter().map(bare).collect())
}

fn normal_condition(keys: Value) -> Value {
    let Value::Object(keys) = keys else { return keys };
    sorted(keys.into_iter().map(|(k, v)| (k, string_set(v))).collect())
}

/// Sorts the keys of a map, because equal documents must have equal bytes.
///
/// The features that `serde_json` is built with decide whether its maps are sorted.
fn sorted(map: Map<String, Value>) -> Value {
    let mut entries: Vec<_> = map.into_iter().collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Value::Object(entries.into_iter().collect())
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

fn string_set(value: Value) -> Value {
    let mut items: Vec<Value> = listed(value)
        .into_iter()
        .map(|item| match item {
            Value::Bool(_) | Value::Number(_) => Value::String(item.to_string()),
            other => other,
        })
        .collect();
    items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    items.dedup();
    Value::Array(items)
}
