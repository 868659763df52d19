//! Reads YAML as one JSON value, with the short forms of CloudFormation's functions, in bounded time and memory.
//!
//! The value is built from the parser's events. So each bound is checked before something of its size exists.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::{Map, Number, Value, json};

/// The maximum depth of the JSON, which is that of the parser of JSON.
const DEEPEST: usize = 127;
/// The maximum number of values. An alias counts as what it stands for.
const VALUES: usize = 1_000_000;
/// The maximum length of all texts, in bytes. An alias counts as what it stands for.
const TEXT: usize = 20_971_520;
/// The maximum number of signs that may separate values. The scanner keeps what is between two brackets in memory.
const SIGNS: usize = 2_000_000;
/// The key that merges other mappings into its own.
/// <https://yaml.org/type/merge.html>
const MERGE: &str = "<<";

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
    #[error("line {line}: found a key that is not a string; write a string")]
    Key { line: usize },
    /// A mapping has a key twice.
    #[error("line {line}: found a duplicated key, expected each key of a mapping once; remove one")]
    Duplicate { line: usize },
    /// The value of `<<` is no mapping.
    #[error("line {line}: found `<<` with another value than a mapping or a list of mappings; correct the value")]
    Merge { line: usize },
    /// A definition has a function of CloudFormation.
    #[error(
        "found a tag such as `!Sub`, expected a definition without functions of CloudFormation; write \
         `${{NAME}}`, and give its value in `DefinitionSubstitutions`"
    )]
    Tag,
    /// An alias is a part of what it stands for.
    #[error("line {line}: found an alias inside of the value that it stands for; write the value out")]
    Circle { line: usize },
    /// Lists and mappings are nested too deep.
    #[error(
        "line {line}: found lists and mappings more than 127 deep, with each alias counted as what it stands for; \
         nest them less"
    )]
    Deep { line: usize },
    /// The text stands for too much. Holds the maximum with its unit.
    #[error(
        "found more than {0}, with each alias counted as what it stands for; use shorter or fewer aliases, or divide \
         the file"
    )]
    TooMuch(&'static str),
    /// The text has too many signs that separate values.
    #[error("found more than 2,000,000 of the signs `, : ? [ ] {{ }}`; divide the file")]
    Signs,
}

/// What a tag such as `!Sub` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tags {
    /// A function of CloudFormation.
    Functions,
    /// An error: Step Functions reads the file as it is.
    Refused,
}

/// Parses YAML as one JSON value. A scalar keeps the text that it has in the file.
///
/// # Errors
/// When the text is not one document, or not of the kind that the program supports.
pub fn parse(text: &str, tags: Tags) -> Result<Value, YamlError> {
    if text.bytes().filter(|sign| b",:?[]{}".contains(sign)).count() > SIGNS {
        return Err(YamlError::Signs);
    }
    let mut builder = Builder::new(tags);
    // Unlike the parser's own loader, its events need no recursion.
    let mut parser = Parser::new_from_str(text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next?;
        builder.line = span.start.line();
        builder.add(event)?;
    }
    match (builder.first, builder.documents) {
        (Some(value), 1) => Ok(value),
        (_, documents) => Err(YamlError::Documents(documents)),
    }
}

/// The size of a value, with each alias in it as what it stands for.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    values: usize,
    /// The length of all texts, in bytes.
    text: usize,
    /// The depth of lists and mappings.
    depth: usize,
}

/// A list or mapping that has not ended.
#[derive(Debug)]
struct Open {
    content: Content,
    /// The number of the anchor; 0 without one.
    anchor: usize,
    /// The function that the value is the argument of.
    function: Option<String>,
    /// The size of what was read so far.
    size: Size,
    /// The depth that this list or mapping is at.
    depth: usize,
}

#[derive(Debug)]
enum Content {
    List(Vec<Value>),
    Mapping {
        members: Map<String, Value>,
        /// The key whose value comes next.
        key: Option<String>,
        /// The mappings to merge, the most important first.
        merged: Vec<Value>,
    },
}

#[derive(Debug)]
struct Builder {
    tags: Tags,
    /// The line of the current event.
    line: usize,
    documents: usize,
    /// The first document.
    first: Option<Value>,
    open: Vec<Open>,
    /// What aliases can stand for, by the number of the anchor.
    anchors: BTreeMap<usize, (Value, Size)>,
    /// The size of all that was built.
    built: Size,
}

impl Size {
    fn add(&mut self, part: Self) -> Result<(), YamlError> {
        self.values += part.values;
        self.text += part.text;
        self.depth = self.depth.max(part.depth);
        match () {
            () if self.values > VALUES => Err(YamlError::TooMuch("1,000,000 values")),
            () if self.text > TEXT => Err(YamlError::TooMuch("20,971,520 bytes of text")),
            () => Ok(()),
        }
    }
}

impl Content {
    fn awaits_key(&self) -> bool {
        matches!(self, Self::Mapping { key: None, .. })
    }

    fn into_value(self) -> Value {
        match self {
            Self::List(items) => Value::Array(items),
            Self::Mapping { mut members, merged, .. } => {
                for (key, value) in merged.into_iter().flat_map(mappings).flatten() {
                    members.entry(key).or_insert(value);
                }
                Value::Object(members)
            }
        }
    }
}

/// The mappings that the value of a `<<` has.
fn mappings(merged: Value) -> Vec<Map<String, Value>> {
    match merged {
        Value::Object(members) => vec![members],
        Value::Array(items) => items.into_iter().flat_map(mappings).collect(),
        _ => Vec::new(),
    }
}

impl Builder {
    fn new(tags: Tags) -> Self {
        let (open, anchors) = (Vec::new(), BTreeMap::new());
        Self { tags, line: 0, documents: 0, first: None, open, anchors, built: Size::default() }
    }

    fn add(&mut self, event: Event<'_>) -> Result<(), YamlError> {
        match event {
            Event::DocumentStart(_) => self.documents += 1,
            Event::SequenceStart(anchor, tag) => {
                self.open(Content::List(Vec::new()), anchor, tag.as_deref())?;
            }
            Event::MappingStart(anchor, tag) => {
                let mapping = Content::Mapping { members: Map::new(), key: None, merged: Vec::new() };
                self.open(mapping, anchor, tag.as_deref())?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref())?,
            Event::Alias(anchor) => self.alias(anchor)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn open(&mut self, content: Content, anchor: usize, tag: Option<&Tag>) -> Result<(), YamlError> {
        if self.awaits_key() {
            return Err(YamlError::Key { line: self.line });
        }
        let function = self.function(tag)?;
        let levels = 1 + usize::from(function.is_some());
        let size = Size { values: levels, text: 0, depth: 0 };
        self.built.add(size)?;
        let depth = self.deeper(levels)?;
        self.open.push(Open { content, anchor, function, size, depth });
        Ok(())
    }

    fn close(&mut self) -> Result<(), YamlError> {
        let Some(Open { content, anchor, function, mut size, .. }) = self.open.pop() else { return Ok(()) };
        size.depth += 1 + usize::from(function.is_some());
        let value = content.into_value();
        let value = if let Some(function) = function { called(&function, value) } else { value };
        self.place(value, anchor, size)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, tag: Option<&Tag>) -> Result<(), YamlError> {
        let mut size = Size { values: 1, text: text.len(), depth: 0 };
        if self.awaits_key() {
            self.built.add(size)?;
            self.remember(anchor, &Value::from(text), size)?;
            return self.key(text, size);
        }
        let function = self.function(tag)?;
        // `!!str` and tags of other programs make a text of what is written.
        let is_text = style != ScalarStyle::Plain || (tag.is_some() && function.is_none());
        let mut value = if is_text { Value::from(text) } else { plain(text) };
        if let Some(function) = function {
            // `!GetAtt A.B` becomes a mapping with a list of two texts.
            (size.values, size.depth) = (size.values + 3, 2);
            value = called(&function, value);
        }
        self.built.add(size)?;
        self.place(value, anchor, size)
    }

    fn alias(&mut self, anchor: usize) -> Result<(), YamlError> {
        let Some((value, size)) = self.anchors.get(&anchor) else {
            return Err(YamlError::Circle { line: self.line });
        };
        let size = *size;
        self.built.add(size)?;
        let value = value.clone();
        match value {
            Value::String(text) if self.awaits_key() => self.key(&text, size),
            _ if self.awaits_key() => Err(YamlError::Key { line: self.line }),
            value => self.place(value, 0, size),
        }
    }

    fn key(&mut self, text: &str, size: Size) -> Result<(), YamlError> {
        let Some(Open { content: Content::Mapping { members, key, .. }, size: whole, .. }) = self.open.last_mut()
        else {
            return Ok(());
        };
        if members.contains_key(text) {
            return Err(YamlError::Duplicate { line: self.line });
        }
        *key = Some(text.to_owned());
        whole.add(size)
    }

    /// Adds a value to the list or mapping that it is in.
    fn place(&mut self, value: Value, anchor: usize, size: Size) -> Result<(), YamlError> {
        let line = self.line;
        self.deeper(size.depth)?;
        self.remember(anchor, &value, size)?;
        let Some(whole) = self.open.last_mut() else {
            self.first.get_or_insert(value);
            return Ok(());
        };
        whole.size.add(size)?;
        match &mut whole.content {
            Content::List(items) => items.push(value),
            Content::Mapping { members, key, merged } => match key.take() {
                Some(key) if key == MERGE => {
                    let is_list = value.as_array().is_some_and(|items| items.iter().all(Value::is_object));
                    if !is_list && !value.is_object() {
                        return Err(YamlError::Merge { line });
                    }
                    merged.push(value);
                }
                Some(key) => drop(members.insert(key, value)),
                None => return Err(YamlError::Key { line }),
            },
        }
        Ok(())
    }

    /// Keeps a value with an anchor. The copy counts, because it takes memory.
    fn remember(&mut self, anchor: usize, value: &Value, size: Size) -> Result<(), YamlError> {
        if anchor > 0 {
            self.built.add(size)?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.content.awaits_key())
    }

    /// The depth at so many levels below the current list or mapping.
    fn deeper(&self, levels: usize) -> Result<usize, YamlError> {
        let depth = self.open.last().map_or(0, |open| open.depth) + levels;
        if depth > DEEPEST { Err(YamlError::Deep { line: self.line }) } else { Ok(depth) }
    }

    /// The function of CloudFormation that a tag names. `None` for another tag, such as `!!str`.
    fn function(&self, tag: Option<&Tag>) -> Result<Option<String>, YamlError> {
        match (tag.filter(|tag| tag.handle == "!"), self.tags) {
            (Some(_), Tags::Refused) => Err(YamlError::Tag),
            (tag, _) => Ok(tag.map(|tag| tag.suffix.clone())),
        }
    }
}

/// Converts the short form of a function: `!GetAtt A.B` becomes `{"Fn::GetAtt": ["A", "B"]}`.
fn called(function: &str, argument: Value) -> Value {
    let (name, argument) = match function {
        "Ref" | "Condition" => (function.to_owned(), argument),
        "GetAtt" => match argument.as_str().and_then(|path| path.split_once('.')) {
            Some((resource, attribute)) => ("Fn::GetAtt".to_owned(), json!([resource, attribute])),
            None => ("Fn::GetAtt".to_owned(), argument),
        },
        name => (format!("Fn::{name}"), argument),
    };
    Value::Object(Map::from_iter([(name, argument)]))
}

/// Converts a plain scalar by YAML's core schema. CloudFormation keeps a scalar as it is written, so a number that JSON
/// would write differently stays text: an account id that begins with a zero is not a number.
fn plain(text: &str) -> Value {
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
