//! Reads what a task passes to the service that it calls.

use std::collections::HashSet;

use serde_json::Value;

use crate::permissions::asl::value::{Found, json_path, jsonata, literal};

/// What a task passes to the service that it calls.
#[derive(Clone, Debug)]
pub enum Arguments {
    /// Nothing is known before run time: the definition has no arguments, so the task passes on the input of the state.
    Unknown,
    /// The value of `Parameters`: members whose names end in `.$` are expressions.
    JsonPath(Value),
    /// The value of `Arguments`: text between `{%` and `%}` is an expression.
    Jsonata(Value),
}

/// The query language of a state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    JsonPath,
    Jsonata,
}

impl Arguments {
    /// Lists the values at a path of member names: `Entries[*].EventBusName`.
    ///
    /// The list is empty if a member of the path is absent. It has several values if `[*]` is in the path: those of
    /// the items without repetition, with `Found::Absent` if an item lacks the member. `RequestItems.keys()` stands for
    /// the names of the members of a map, and `Actions.*.ActionId` for a member in each of its values.
    pub fn at(&self, path: &str) -> Vec<Found> {
        let mut found = Vec::new();
        let parts: Vec<&str> = path.split('.').collect();
        match self {
            Self::Unknown => found.push(Found::unknown()),
            Self::JsonPath(value) => at(value, &parts, Language::JsonPath, &mut found),
            Self::Jsonata(value) => at(value, &parts, Language::Jsonata, &mut found),
        }
        // A long list has few values that differ.
        let mut seen = HashSet::new();
        found.retain(|one| seen.insert(one.clone()));
        found
    }

    /// The number of items of the list at a path such as `Pages` or `Runs[0].Pages`. `None` if that is no list.
    pub fn items(&self, path: &str) -> Option<usize> {
        let (Self::JsonPath(value) | Self::Jsonata(value)) = self else { return None };
        let list = path.split('.').try_fold(value, |value, part| {
            let (name, item) = indexed(part);
            let member = value.get(name)?;
            item.map_or(Some(member), |item| member.get(item))
        })?;
        list.as_array().map(Vec::len)
    }

    /// Whether the definition names members of the call. It may have none, or one expression for all.
    pub fn has_members(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Jsonata(Value::String(_)))
    }

    /// Whether the definition tells if the call has the member. One expression for a holder of the member does not.
    pub fn tells(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('.').collect();
        match self {
            Self::Unknown => false,
            Self::JsonPath(value) => tells(value, &parts, Language::JsonPath),
            Self::Jsonata(value) => tells(value, &parts, Language::Jsonata),
        }
    }

    /// Whether the definition has a value or an expression at the path.
    pub fn shows(&self, path: &str) -> bool {
        !matches!(self, Self::Unknown) && self.at(path).iter().any(|found| *found != Found::Absent)
    }
}

/// The name and the index of a part of a path: `Pages[0]`.
fn indexed(part: &str) -> (&str, Option<usize>) {
    let index = part.strip_suffix(']').and_then(|part| part.split_once('['));
    index.and_then(|(name, item)| Some((name, Some(item.parse().ok()?)))).unwrap_or((part, None))
}

/// See `Arguments::tells`.
fn tells(value: &Value, parts: &[&str], language: Language) -> bool {
    if language == Language::Jsonata && value.as_str().is_some_and(|text| jsonata(text).is_some()) {
        return parts.is_empty();
    }
    let (Some((part, rest)), Some(members)) = (parts.split_first(), value.as_object()) else { return true };
    let (name, each) = part.strip_suffix("[*]").map_or((*part, false), |name| (name, true));
    if language == Language::JsonPath && members.contains_key(&format!("{name}.$")) {
        return rest.is_empty() && !each;
    }
    match members.get(name) {
        Some(Value::Array(items)) if each => items.iter().all(|item| tells(item, rest, language)),
        Some(member) => tells(member, rest, language),
        None => true,
    }
}

fn at(value: &Value, parts: &[&str], language: Language, found: &mut Vec<Found>) {
    if language == Language::Jsonata
        && let Some(text) = value.as_str()
        && let Some(expression) = jsonata(text)
    {
        // An expression for a whole object says nothing of the values in it.
        found.push(if parts.is_empty() { expression } else { Found::unknown() });
        return;
    }
    let Some((part, rest)) = parts.split_first() else {
        match value {
            Value::String(text) => found.push(literal(text)),
            Value::Bool(_) | Value::Number(_) => found.push(Found::Literal(value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => found.push(Found::unknown()),
        }
        return;
    };
    let (name, each) = part.strip_suffix("[*]").map_or((*part, false), |name| (name, true));
    let Some(members) = value.as_object() else { return };
    if matches!(name, "*" | "keys()") {
        for (key, member) in members {
            let is_path = language == Language::JsonPath && key.ends_with(".$");
            match name {
                "keys()" => found.push(literal(key.strip_suffix(".$").filter(|_| is_path).unwrap_or(key))),
                _ if is_path => found.push(Found::unknown()),
                _ => at(member, rest, language, found),
            }
        }
        return;
    }
    if language == Language::JsonPath
        && let Some(expression) = members.get(&format!("{name}.$"))
    {
        let whole = rest.is_empty() && !each;
        found.push(if whole { json_path(expression.as_str().unwrap_or_default()) } else { Found::unknown() });
        return;
    }
    let (name, item) = indexed(name);
    let Some(member) = members.get(name) else { return };
    let Some(member) = item.map_or(Some(member), |item| member.get(item)) else { return };
    match member.as_array().filter(|_| each) {
        Some(items) => {
            for item in items {
                let before = found.len();
                at(item, rest, language, found);
                if found.len() == before {
                    found.push(Found::Absent);
                }
            }
        }
        None => at(member, rest, language, found),
    }
}
