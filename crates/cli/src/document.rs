//! Parses the input file as one JSON value: JSON, or YAML with the short forms of CloudFormation's functions.

use std::path::Path;

use saphyr::{ScalarStyle, Tag, Yaml, YamlLoader};
use saphyr_parser::Parser;
use serde_json::{Map, Number, Value, json};

/// The input file, by what it holds.
#[derive(Clone, Debug)]
pub enum Document {
    /// A SAM or CloudFormation template: it has `Resources`.
    Template(Value),
    /// An event that CloudFormation sends to the function: it has `RequestType`.
    Event(Value),
    /// The definition of a state machine: it has `States`.
    Definition(Value),
}

impl Document {
    /// Parses a file.
    ///
    /// # Errors
    /// When the file can't be read, is neither JSON nor YAML, or is none of the three kinds.
    pub fn parse(path: &Path) -> Result<Self, String> {
        let value = value_of(path)?;
        let has = |key| value.get(key).is_some();
        match () {
            () if has("Resources") => Ok(Self::Template(value)),
            () if has("RequestType") => Ok(Self::Event(value)),
            () if has("States") => Ok(Self::Definition(value)),
            () => Err(format!(
                "`{}`: found none of the keys `Resources`, `RequestType` and `States`, expected a template, an event \
                 or a state machine definition",
                path.display()
            )),
        }
    }
}

/// Reads a file as one JSON value.
///
/// # Errors
/// When the file can't be read, or is neither JSON nor YAML.
pub fn value_of(path: &Path) -> Result<Value, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("`{}`: can't be read: {error}", path.display()))?;
    parse(&text).map_err(|why| format!("`{}`: {why}", path.display()))
}

/// Parses text as one JSON value.
///
/// # Errors
/// When the text is neither JSON nor YAML.
pub fn parse(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            // YAML may begin with `{` too.
            Err(error) => return yaml(text).map_err(|_| format!("is not valid JSON: {error}")),
        }
    }
    yaml(text).map_err(|why| format!("can't be read as YAML: {why}"))
}

fn yaml(text: &str) -> Result<Value, String> {
    let mut loader = YamlLoader::<Yaml>::default();
    // CloudFormation keeps a scalar as it is written: an account id that begins with a zero is not a number.
    loader.early_parse(false);
    Parser::new_from_str(text).load(&mut loader, true).map_err(|error| error.to_string())?;
    if let Some(error) = loader.error() {
        return Err(error.to_string());
    }
    match loader.into_documents().as_slice() {
        [one] => plain(one),
        more => Err(format!("found {} documents, expected 1", more.len())),
    }
}

fn plain(yaml: &Yaml) -> Result<Value, String> {
    match yaml {
        Yaml::Representation(text, style, tag) => {
            let value = if *style == ScalarStyle::Plain { scalar(text) } else { Value::from(text.as_ref()) };
            Ok(match tag {
                Some(tag) => tagged(tag, &value, text),
                None => value,
            })
        }
        Yaml::Sequence(items) => items.iter().map(plain).collect(),
        Yaml::Mapping(members) => {
            let members = members.iter().map(|(key, value)| match key {
                Yaml::Representation(key, ..) => Ok((key.to_string(), plain(value)?)),
                _ => Err("found a key that is not a string".to_owned()),
            });
            Ok(Value::Object(members.collect::<Result<Map<_, _>, _>>()?))
        }
        Yaml::Tagged(tag, inner) => Ok(tagged(tag, &plain(inner)?, "")),
        Yaml::Value(_) | Yaml::Alias(_) | Yaml::BadValue => {
            Err("found a value that this program does not support".to_owned())
        }
    }
}

/// Converts a value with a tag: `!GetAtt A.B` becomes `{"Fn::GetAtt": ["A", "B"]}`. A value with another kind of tag,
/// such as `!!str`, keeps its text.
fn tagged(tag: &Tag, value: &Value, text: &str) -> Value {
    if tag.handle != "!" {
        return Value::from(text);
    }
    match tag.suffix.as_str() {
        name @ ("Ref" | "Condition") => json!({ name: value }),
        "GetAtt" => match text.split_once('.') {
            Some((resource, attribute)) => json!({ "Fn::GetAtt": [resource, attribute] }),
            None => json!({ "Fn::GetAtt": value }),
        },
        name => json!({ format!("Fn::{name}"): value }),
    }
}

/// Converts a plain scalar by YAML's core schema. A number that JSON would write differently stays text.
fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" | "True" => Value::Bool(true),
        "false" | "False" => Value::Bool(false),
        _ => {
            let number = text.parse::<Number>().ok().filter(|number| number.to_string() == text);
            number.map_or_else(|| Value::from(text), Value::Number)
        }
    }
}
