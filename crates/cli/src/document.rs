//! Parses the input file as one JSON value: JSON, or YAML with the short forms of CloudFormation's functions.

use std::borrow::Cow;
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
        let about = |why: String| format!("`{}`: {why}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| about(format!("can't be read: {error}")))?;
        let value = parse(&text).map_err(about)?;
        let has = |key| value.get(key).is_some();
        match () {
            () if has("Resources") => Ok(Self::Template(value)),
            () if has("RequestType") => Ok(Self::Event(value)),
            () if has("States") => definition(&text).map(Self::Definition).map_err(about),
            () => Err(format!(
                "`{}`: found none of the keys `Resources`, `RequestType` and `States`, expected a template, an event \
                 or a state machine definition",
                path.display()
            )),
        }
    }
}

/// Parses text as one JSON value.
///
/// # Errors
/// When the text is neither JSON nor YAML.
pub fn parse(text: &str) -> Result<Value, String> {
    parsed(text, Tags::Functions)
}

/// Parses the text of a state machine definition. JSON that is valid only with its substitutions, such as
/// `{"Seconds": ${Seconds}}`, stays text.
///
/// # Errors
/// When the text is neither JSON nor YAML, has a function of CloudFormation as a tag, or has no `States`.
pub fn definition(text: &str) -> Result<Value, String> {
    match parsed(text, Tags::Refused) {
        Ok(value) if value.get("States").is_some() => Ok(value),
        Ok(_) => Err("found no key `States`, expected a state machine definition".to_owned()),
        Err(_) if begins_as_json(text) && text.contains("${") && text.contains("\"States\"") => Ok(Value::from(text)),
        Err(why) => Err(why),
    }
}

/// Reads the text of a state machine definition as JSON. JSON stays as it is written, and YAML is converted.
///
/// # Errors
/// Those of [`definition`].
pub fn as_json(text: &str) -> Result<Cow<'_, str>, String> {
    let value = definition(text)?;
    let is_json = value.is_string() || serde_json::from_str::<Value>(text).is_ok();
    Ok(if is_json { Cow::Borrowed(text) } else { Cow::Owned(value.to_string()) })
}

/// What a tag such as `!Sub` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tags {
    /// A function of CloudFormation.
    Functions,
    /// An error: Step Functions reads the file as it is.
    Refused,
}

fn begins_as_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn parsed(text: &str, tags: Tags) -> Result<Value, String> {
    if begins_as_json(text) {
        match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            // YAML may begin with `{` too.
            Err(error) => return yaml(text, tags).map_err(|_| format!("is not valid JSON: {error}")),
        }
    }
    yaml(text, tags).map_err(|why| format!("can't be read as YAML: {why}"))
}

fn yaml(text: &str, tags: Tags) -> Result<Value, String> {
    let mut loader = YamlLoader::<Yaml>::default();
    // CloudFormation keeps a scalar as it is written: an account id that begins with a zero is not a number.
    loader.early_parse(false);
    Parser::new_from_str(text).load(&mut loader, true).map_err(|error| error.to_string())?;
    if let Some(error) = loader.error() {
        return Err(error.to_string());
    }
    match loader.into_documents().as_slice() {
        [one] => plain(one, tags),
        more => Err(format!("found {} documents, expected 1", more.len())),
    }
}

fn plain(yaml: &Yaml, tags: Tags) -> Result<Value, String> {
    match yaml {
        Yaml::Representation(text, style, tag) => {
            let value = if *style == ScalarStyle::Plain { scalar(text) } else { Value::from(text.as_ref()) };
            match tag {
                Some(tag) => tagged(tag, &value, text, tags),
                None => Ok(value),
            }
        }
        Yaml::Sequence(items) => items.iter().map(|item| plain(item, tags)).collect(),
        Yaml::Mapping(members) => {
            let members = members.iter().map(|(key, value)| match key {
                Yaml::Representation(key, ..) => Ok((key.to_string(), plain(value, tags)?)),
                _ => Err("found a key that is not a string".to_owned()),
            });
            Ok(Value::Object(members.collect::<Result<Map<_, _>, _>>()?))
        }
        Yaml::Tagged(tag, inner) => tagged(tag, &plain(inner, tags)?, "", tags),
        Yaml::Value(_) | Yaml::Alias(_) | Yaml::BadValue => {
            Err("found a value that this program does not support".to_owned())
        }
    }
}

/// Converts a value with a tag: `!GetAtt A.B` becomes `{"Fn::GetAtt": ["A", "B"]}`. A value with another kind of tag,
/// such as `!!str`, keeps its text.
fn tagged(tag: &Tag, value: &Value, text: &str, tags: Tags) -> Result<Value, String> {
    if tag.handle != "!" {
        return Ok(Value::from(text));
    }
    if tags == Tags::Refused {
        return Err("found a tag such as `!Sub`, expected a definition without functions of CloudFormation; write \
                    `${NAME}`, and give its value in `DefinitionSubstitutions`"
            .to_owned());
    }
    Ok(match tag.suffix.as_str() {
        name @ ("Ref" | "Condition") => json!({ name: value }),
        "GetAtt" => match text.split_once('.') {
            Some((resource, attribute)) => json!({ "Fn::GetAtt": [resource, attribute] }),
            None => json!({ "Fn::GetAtt": value }),
        },
        name => json!({ format!("Fn::{name}"): value }),
    })
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
