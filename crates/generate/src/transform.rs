//! Changes schemas that were made from types, each one schema at a time.

use schemars::Schema;
use serde_json::Value;

/// Removes `null` from the schema.
///
/// A field is an `Option` only because the member may be absent. CloudFormation does not accept `null`, and TOML has
/// none.
pub fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
        let null = forms.len();
        forms.retain(|form| form.get("type") != Some(&Value::from("null")));
        if let ([Value::Object(one)], true) = (forms.as_slice(), forms.len() < null) {
            let one = one.clone();
            schema.remove("anyOf");
            schema.ensure_object().extend(one);
        }
    }
}

/// Joins the lines of a description, because a doc comment breaks lines where the source has no more room.
pub fn in_one_line(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

/// Closes an object whose members are described. A map has no such members and stays open.
pub fn closed(schema: &mut Schema) {
    if schema.get("properties").is_some() && schema.get("additionalProperties").is_none() {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
}

/// Removes the format of an integer, such as `uint`: JSON Schema has no such format, and strict validators refuse it.
pub fn without_format(schema: &mut Schema) {
    schema.remove("format");
}
