//! The values of parameters and places, which replace the placeholders of role sets.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::iam::arn::Place;

/// The values of the placeholders `${…}`, by name. Commas separate the items of a value that is a list.
pub type Values = BTreeMap<String, String>;

/// A condition: parameters by name, each with the value that it must have. An empty condition holds always.
pub type When = BTreeMap<String, String>;

/// Returns the values that every role set has: `Partition`, `Region` and `Account`.
pub fn values_of(place: &Place) -> Values {
    let Place { partition, region, account } = place.clone();
    [("Partition", partition), ("Region", region), ("Account", account)]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// Whether the condition holds: every parameter that it names has the required value.
pub fn holds(when: &When, values: &Values) -> bool {
    when.iter().all(|(name, value)| values.get(name) == Some(value))
}

/// Replaces the placeholders `${Name}` of a text by their values.
///
/// Policy variables of IAM, such as `${aws:username}`, stay. Returns `None` when a placeholder has no value or no
/// closing brace.
pub fn filled(text: &str, values: &Values) -> Option<String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}')?;
        done.push_str(before);
        if name.contains(':') {
            done.extend(["${", name, "}"]);
        } else {
            done.push_str(values.get(name)?);
        }
        rest = behind;
    }
    Some(done + rest)
}

/// Removes the placeholders from a text: `${EnvName}-Role` becomes `-Role`.
pub fn literal(text: &str) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| done + part.split_once('}').map_or(part, |(_, behind)| behind))
}

/// Replaces the placeholders in every text of a JSON value, as `filled` does, and expands `${*Name}` in lists.
///
/// Returns `None` when a placeholder has no value, or when a list becomes empty.
pub(super) fn filled_in(value: &Value, values: &Values) -> Option<Value> {
    Some(match value {
        Value::String(text) => Value::String(filled(text, values)?),
        Value::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                match item.as_str().and_then(|text| text.strip_prefix("${*")?.strip_suffix('}')) {
                    Some(name) => {
                        all.extend(values.get(name)?.split(',').filter(|one| !one.is_empty()).map(Value::from));
                    }
                    None => all.push(filled_in(item, values)?),
                }
            }
            // In a condition, an empty list of values would set no limit, so the whole statement is omitted.
            if all.is_empty() && !items.is_empty() {
                return None;
            }
            Value::Array(all)
        }
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| Some((key.clone(), filled_in(value, values)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
        other => other.clone(),
    })
}
