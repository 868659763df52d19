//! Parses the input file as one JSON value: JSON, or YAML with the short forms of CloudFormation's functions.

use std::borrow::Cow;
use std::path::Path;

use serde_json::Value;

use crate::input::read::{ReadError, read};
use crate::input::yaml::{self, Tags, YamlError};

/// The maximum number of values in JSON.
const VALUES: usize = 1_000_000;

/// Why a text is not a document. The place, such as the file, stands before this text in a message.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file can't be read.
    #[error(transparent)]
    Unread(#[from] ReadError),
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
    /// The JSON has too many values.
    #[error("found more than 1,000,000 values; divide the file")]
    TooMuch,
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
    /// Reads the text of a file. The path `-` is the standard input.
    ///
    /// # Errors
    /// When the file can't be read, or is too large.
    pub fn read(path: &Path) -> Result<String, DocumentError> {
        Ok(read(path)?)
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

fn begins_as_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn parsed(text: &str, tags: Tags) -> Result<Value, DocumentError> {
    if begins_as_json(text) {
        if count(text) > VALUES {
            return Err(DocumentError::TooMuch);
        }
        match serde_json::from_str(text) {
            Ok(value) => return Ok(value),
            // YAML may begin with `{` too.
            Err(error) => return yaml::parse(text, tags).map_err(|_| DocumentError::Json(error)),
        }
    }
    yaml::parse(text, tags).map_err(DocumentError::Yaml)
}

/// The number of values in JSON, estimated before they take memory: one for each comma, list and mapping.
fn count(json: &str) -> usize {
    let (mut values, mut in_text, mut is_escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => values += 1,
            _ => {}
        }
    }
    values
}
