//! Parses the input file as one JSON value: JSON, or YAML with the short forms of CloudFormation's functions.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use saphyr::{ScalarStyle, Tag, Yaml, YamlLoader};
use saphyr_parser::{Parser, ScanError};
use serde_json::{Map, Number, Value, json};

/// The maximum size of a file, in bytes.
pub const LONGEST: u64 = 10_485_760;

/// Why a text is not a document. The place, such as the file, stands before this text in a message.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file can't be read.
    #[error("can't be read: {0}")]
    Unread(io::Error),
    /// The file is none of the three kinds.
    #[error(
        "found none of the keys `Resources`, `RequestType` and `States`, expected a template, an event \
         or a state machine definition"
    )]
    NoKind,
    /// The file has to be a definition.
    #[error("found no key `States`, expected a state machine definition")]
    NoStates,
    /// The text begins as JSON, but is neither JSON nor YAML.
    #[error("is not valid JSON: {0}")]
    Json(serde_json::Error),
    /// The text is not YAML of the kind that the program supports.
    #[error("can't be read as YAML: {0}")]
    Yaml(YamlError),
}

/// Why a text is not YAML of the kind that the program supports.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// The text is not YAML.
    #[error("{0}")]
    Syntax(#[from] ScanError),
    /// The text has no document, or more than one. Holds their number.
    #[error("found {0} documents, expected 1")]
    Documents(usize),
    /// A key is a list or a mapping.
    #[error("found a key that is not a string")]
    Key,
    /// A value has no counterpart in JSON.
    #[error("found a value that this program does not support")]
    Value,
    /// A definition has a function of CloudFormation.
    #[error(
        "found a tag such as `!Sub`, expected a definition without functions of CloudFormation; write \
         `${{NAME}}`, and give its value in `DefinitionSubstitutions`"
    )]
    Tag,
}

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
    /// Reads the text of a file. `-` is standard input.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn read(path: &Path) -> Result<String, DocumentError> {
        let text = if path == Path::new("-") { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(path) };
        text.map_err(DocumentError::Unread)
    }

    /// Parses the text of a file.
    ///
    /// # Errors
    /// When the text is neither JSON nor YAML, or is none of the three kinds.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let value = parse(text)?;
        let has = |key| value.get(key).is_some();
        match () {
            () if has("Resources") => Ok(Self::Template(value)),
            () if has("RequestType") => Ok(Self::Event(value)),
            () if has("States") => definition(text).map(Self::Definition),
            () => Err(DocumentError::NoKind),
        }
    }

    /// The kind of the file with its article, for a message: `a template`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Template(_) => "a template",
            Self::Event(_) => "an event",
            Self::Definition(_) => "a state machine definition",
        }
    }
}

/// Parses text as one JSON value.
///
/// # Errors
/// When the text is neither JSON nor YAML.
pub fn parse(text: &str) -> Result<Value, DocumentError> {
    parsed(text, Tags::Functions)
}

/// Parses the text of a state machine definition. JSON that is valid only with its substitutions, such as
/// `{"Seconds": ${Seconds}}`, stays text.
///
/// # Errors
/// When the text is neither JSON nor YAML, has a function of CloudFormation as a tag, or has no `States`.
pub fn definition(text: &str) -> Result<Value, DocumentError> {
    match parsed(text, Tags::Refused) {
        Ok(value) if value.get("States").is_some() => Ok(value),
        Ok(_) => Err(DocumentError::NoStates),
        Err(_) if begins_as_json(text) && text.contains("${") && text.contains("\"States\"") => Ok(Value::from(text)),
        Err(error) => Err(error),
    }
}

/// Reads the text of a state machine definition as JSON. JSON stays as it is written, and YAML is converted.
///
/// # Errors
/// Those of [`definition`].
pub fn as_json(text: &str) -> Result<Cow<'_, str>, DocumentError> {
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

fn parsed(text: &str, tags: Tags) -> Result<Value, DocumentError> {
    if begins_as_json(text) {
        match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            // YAML may begin with `{` too.
            Err(error) => return yaml(text, tags).map_err(|_| DocumentError::Json(error)),
        }
    }
    yaml(text, tags).map_err(DocumentError::Yaml)
}

fn yaml(text: &str, tags: Tags) -> Result<Value, YamlError> {
    let mut loader = YamlLoader::<Yaml>::default();
    // CloudFormation keeps a scalar as it is written: an account id that begins with a zero is not a number.
    loader.early_parse(false);
    Parser::new_from_str(text).load(&mut loader, true)?;
    if let Some(error) = loader.error() {
        return Err(YamlError::Syntax(error.clone()));
    }
    match loader.into_documents().as_slice() {
        [one] => plain(one, tags),
        more => Err(YamlError::Documents(more.len())),
    }
}

fn plain(yaml: &Yaml, tags: Tags) -> Result<Value, YamlError> {
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
                _ => Err(YamlError::Key),
            });
            Ok(Value::Object(members.collect::<Result<Map<_, _>, _>>()?))
        }
        Yaml::Tagged(tag, inner) => tagged(tag, &plain(inner, tags)?, "", tags),
        Yaml::Value(_) | Yaml::Alias(_) | Yaml::BadValue => Err(YamlError::Value),
    }
}

/// Converts a value with a tag: `!GetAtt A.B` becomes `{"Fn::GetAtt": ["A", "B"]}`. A value with another kind of tag,
/// such as `!!str`, keeps its text.
fn tagged(tag: &Tag, value: &Value, text: &str, tags: Tags) -> Result<Value, YamlError> {
    if tag.handle != "!" {
        return Ok(Value::from(text));
    }
    if tags == Tags::Refused {
        return Err(YamlError::Tag);
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
