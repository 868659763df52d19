//! Writes tables in Markdown.

use serde_json::{Map, Value};

/// A part of a page, with the names of what it describes.
pub type Part = (String, Vec<String>);

/// Returns a table with these columns and rows.
pub fn table<const N: usize>(columns: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(&columns.map(str::to_owned)) + "|" + &"---|".repeat(N) + "\n";
    for row in rows {
        // A line break would end the row, and `|` a cell.
        text.push_str(&line(&row.map(|cell| cell.replace('\n', " ").replace('|', "\\|"))));
    }
    text
}

/// Returns the name as code.
pub fn code(name: &str) -> String {
    if name.contains('`') { format!("`` {name} ``") } else { format!("`{name}`") }
}

/// Returns the names as code, separated by commas.
pub fn codes<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

/// Lists the members of an object. Any other value has none.
pub fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

/// Returns the member of an object as text, empty when there is none.
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Returns a value that may be one text or a list of texts as a list.
pub fn list(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
