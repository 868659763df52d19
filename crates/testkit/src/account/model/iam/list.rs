//! Lists as IAM returns them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::account::call::Params;

/// The page that the request asks for, of at most `page` items.
pub fn paged(params: &Params, page: usize, list: &str, items: impl Iterator<Item = Value>) -> Value {
    let items: Vec<Value> = items.collect();
    let start: usize = params.get("Marker").parse().unwrap_or(0);
    let end = items.len().min(start + page);
    let more = end < items.len();
    json!({ list: items[start..end], "IsTruncated": more, "Marker": more.then(|| end.to_string()) })
}

/// The tags of an entity.
pub fn tags(tags: &BTreeMap<String, String>) -> Value {
    tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect()
}
