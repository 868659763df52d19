//! The reader of a resource's properties, which reports every validation error and stops at none.
//!
//! CloudFormation sends every scalar as a string (`"true"`, `"3600"`), so the reader accepts both forms.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::state::Tags;
use crate::text::{closest, is_cut, listed, shown};

/// The properties that CloudFormation or every resource type of this project has.
const ALWAYS_KNOWN: [&str; 3] = ["ServiceToken", "ServiceTimeout", "Revision"];

/// The error of one rule for properties. Two errors are equal if they are about the same properties and values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ValidationError {
    /// The paths of the properties that the error is about, such as `Buckets[0].Name`. A path may end with a state of
    /// the definition: `Definition, state Score`. Empty for an error about the resource as a whole.
    pub paths: Vec<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a property, as the rest of a sentence about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The property has the value `found` instead of `expected`, a noun phrase.
    #[error("found {}, expected {expected}", shown(.found))]
    Invalid {
        /// The whole value. The message cuts a long one.
        found: String,
        /// What the property expects.
        expected: String,
    },
    /// The properties lead to a name that IAM does not allow, because it is too long.
    #[error(
        "the name of `{id}` would be {}, which has {} characters, and IAM allows {longest}; choose shorter values, or \
         set a name in `RoleNames`",
        shown(.name),
        .name.len()
    )]
    LongName {
        /// The id of the role or policy in its role set.
        id: String,
        /// The whole name. The message cuts a long one.
        name: String,
        /// The maximum length, in characters.
        longest: usize,
    },
    /// The text is not valid JSON.
    #[error("{0}")]
    NotJson(String),
    /// A state certainly needs what neither the definition nor its author names.
    #[error("{0}")]
    Undeclared(String),
    /// Any other error.
    #[error("{0}")]
    Other(String),
}

/// The validation errors of the properties, in the order of reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct ValidationErrors {
    /// The errors that refuse a Create or Update.
    pub errors: Vec<ValidationError>,
    /// The errors of rules that an earlier version of this function did not have. A resource created under the earlier
    /// rules must stay updatable, also by a rollback, and deletable. [`ValidationErrors::tighten`] decides which of
    /// these errors count.
    pub tightened: Vec<ValidationError>,
}

impl ValidationError {
    /// Creates an error about the property at `path`, or about the resource as a whole if `path` is empty.
    pub fn new(path: &str, problem: impl Into<Problem>) -> Self {
        let paths = Some(path).filter(|path| !path.is_empty()).map(str::to_owned).into_iter().collect();
        Self { paths, problem: problem.into() }
    }
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.paths.is_empty() {
            write!(f, "{}: ", listed(&self.paths))?;
        }
        self.problem.fmt(f)
    }
}

impl Problem {
    /// Creates the problem of a value `found` that is not what the property expects.
    pub fn invalid(found: &str, expected: &str) -> Self {
        Self::Invalid { found: found.to_owned(), expected: expected.to_owned() }
    }

    /// Wraps an error that nobody matches.
    pub fn other(error: impl fmt::Display) -> Self {
        Self::Other(error.to_string())
    }

    /// Returns whether the text hides which value is wrong: it cuts the value, or can't tell it at all.
    pub fn hides_value(&self) -> bool {
        match self {
            Self::Invalid { found: value, .. } | Self::LongName { name: value, .. } => is_cut(value),
            Self::NotJson(_) => true,
            Self::Undeclared(_) | Self::Other(_) => false,
        }
    }
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        Self::Other(text.to_owned())
    }
}

impl ValidationErrors {
    /// Returns whether there is no error of either kind.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.tightened.is_empty()
    }

    /// Returns whether an update in place may keep its tightened errors: `earlier`, those of the properties before the
    /// update, has all of them.
    pub fn tightened_is_in(&self, earlier: &[ValidationError]) -> bool {
        self.tightened.iter().all(|one| earlier.contains(one))
    }

    /// Moves every tightened error that is not in `accepted` to `errors`. Returns the others, which become warnings.
    pub fn tighten(&mut self, accepted: &[ValidationError]) -> Vec<ValidationError> {
        let (kept, refused): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.tightened).into_iter().partition(|one| accepted.contains(one));
        self.errors.extend(refused);
        kept
    }
}

impl fmt::Display for ValidationErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.as_slice() {
            [one] => one.fmt(f),
            many => {
                write!(f, "{} validation errors", many.len())?;
                many.iter().enumerate().try_for_each(|(i, error)| write!(f, "; ({}) {error}", i + 1))
            }
        }
    }
}

/// A reader of one object of properties, which it reads by name. A method that finds an invalid value reports it and
/// returns what it returns for an absent property.
#[derive(Debug)]
pub struct Reader<'a> {
    map: &'a Map<String, Value>,
    definition: Option<&'a str>,
    known: RefCell<BTreeSet<&'static str>>,
    errors: RefCell<ValidationErrors>,
}

impl<'a> Reader<'a> {
    /// Creates a reader of the properties of a resource. It accepts `ServiceToken`, `ServiceTimeout` and `Revision`
    /// unread.
    pub fn new(map: &'a Map<String, Value>) -> Self {
        Self::with_definition(map, None)
    }

    /// Creates a reader as [`Reader::new`] does. `definition` is the text of the object that `DefinitionS3Location`
    /// names; `None` where it was not read.
    pub fn with_definition(map: &'a Map<String, Value>, definition: Option<&'a str>) -> Self {
        Self { map, definition, known: RefCell::new(ALWAYS_KNOWN.into()), errors: RefCell::default() }
    }

    /// Returns the text of the object that `DefinitionS3Location` names. `None` where it was not read.
    pub fn definition(&self) -> Option<&'a str> {
        self.definition
    }

    /// Reads a list of objects, or one object. Returns each with its path, such as `Buckets[0]`, and a reader of its
    /// own. `expected` is a noun phrase for the error message that says what an object holds.
    pub fn objects(&self, name: &'static str, expected: &str) -> Vec<(String, Self)> {
        let items = match self.get(name) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(one) => vec![one],
        };
        let mut readers = Vec::new();
        for (i, item) in items.into_iter().enumerate() {
            let path = format!("{name}[{i}]");
            match item.as_object() {
                Some(map) => readers.push((path, Self { known: RefCell::default(), ..Self::new(map) })),
                None => self.invalid(&path, &item.to_string(), expected),
            }
        }
        readers
    }

    /// Takes the errors of `object`, a reader that [`Reader::objects`] returned, with `path` before the paths of each
    /// error.
    pub fn take(&self, path: &str, object: Self) {
        let below = |ValidationError { paths, problem }| ValidationError {
            paths: paths.into_iter().map(|one| format!("{path}.{one}")).collect(),
            problem,
        };
        let ValidationErrors { errors, tightened } = object.finish();
        let mut all = self.errors.borrow_mut();
        all.errors.extend(errors.into_iter().map(below));
        all.tightened.extend(tightened.into_iter().map(below));
    }

    fn get(&self, name: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().insert(name);
        self.map.get(name)
    }

    /// Reads the value of a property in whatever form. `None` where the property is absent.
    pub fn raw(&self, name: &'static str) -> Option<&'a Value> {
        self.get(name)
    }

    /// Returns whether the property is present. Unlike the methods that read a property, this one does not make the
    /// name known to [`Reader::finish`].
    pub fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Reports that the property at `path` has the value `found` instead of `expected`, a noun phrase.
    pub fn invalid(&self, path: &str, found: &str, expected: &str) {
        self.report(path, Problem::invalid(found, expected));
    }

    /// Reports a problem of the property at `path`, or of the resource as a whole if `path` is empty.
    pub fn report(&self, path: &str, problem: impl Into<Problem>) {
        self.add(ValidationError::new(path, problem));
    }

    /// Reports an error.
    pub fn add(&self, error: ValidationError) {
        self.errors.borrow_mut().errors.push(error);
    }

    /// Reports a problem as [`Reader::report`] does, of a rule that an earlier version of this function did not have.
    pub fn tighten(&self, path: &str, problem: impl Into<Problem>) {
        self.add_tightened(ValidationError::new(path, problem));
    }

    /// Reports an error of a rule that an earlier version of this function did not have. The error must have every value
    /// that it depends on. An Update whose old properties lead to an equal error passes; an Update that leads to
    /// another error is refused.
    pub fn add_tightened(&self, error: ValidationError) {
        self.errors.borrow_mut().tightened.push(error);
    }

    /// Reads text that is not empty. `None` where the property is absent.
    pub fn text(&self, name: &'static str) -> Option<String> {
        let value = self.get(name)?;
        let text = scalar(value).filter(|text| !text.is_empty());
        if text.is_none() {
            self.invalid(name, &value.to_string(), "text that is not empty");
        }
        text
    }

    /// Reads text, which may be empty. `None` where the property is absent.
    pub fn text_or_empty(&self, name: &'static str) -> Option<String> {
        let value = self.get(name)?;
        let text = scalar(value);
        if text.is_none() {
            self.invalid(name, &value.to_string(), "text");
        }
        text
    }

    /// Reads one text or a list of texts, none of them empty. Returns each with its path for messages, such as
    /// `ManagedPolicyArns[0]`, and drops duplicates. An absent property is an empty list.
    pub fn texts(&self, name: &'static str) -> Vec<(String, String)> {
        self.texts_if_any(name).unwrap_or_default()
    }

    /// Reads texts as [`Reader::texts`] does, but returns `None` for an absent property, so that the caller can tell it
    /// from an empty list.
    pub fn texts_if_any(&self, name: &'static str) -> Option<Vec<(String, String)>> {
        let mut texts: Vec<(String, String)> = Vec::new();
        let items = match self.get(name)? {
            Value::Array(items) => items.iter().enumerate().map(|(i, item)| (format!("{name}[{i}]"), item)).collect(),
            one => vec![(name.to_owned(), one)],
        };
        for (path, item) in items {
            match scalar(item).filter(|text| !text.is_empty()) {
                Some(text) if texts.iter().any(|(_, seen)| *seen == text) => {}
                Some(text) => texts.push((path, text)),
                None => self.invalid(&path, &item.to_string(), "text that is not empty"),
            }
        }
        Some(texts)
    }

    /// Reads one of a few words. `choices` has the meaning of each word, which is what this method returns. `None`
    /// where the property is absent.
    pub fn choice<T: Copy>(&self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.get(name)?;
        let text = scalar(value);
        let chosen = choices.iter().find(|(word, _)| text.as_deref() == Some(*word));
        if chosen.is_none() {
            let words: Vec<String> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.invalid(name, &value.to_string(), &format!("one of {}", words.join(", ")));
        }
        chosen.map(|(_, meaning)| *meaning)
    }

    /// Reads `true` or `false`. `None` where the property is absent.
    pub fn flag(&self, name: &'static str) -> Option<bool> {
        let value = self.get(name)?;
        match scalar(value).as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => {
                self.invalid(name, &value.to_string(), "`true` or `false`");
                None
            }
        }
    }

    /// Reads a whole number in `range`. `unit` is what the number counts, such as `seconds`, for the error message.
    /// `None` where the property is absent.
    pub fn number(&self, name: &'static str, range: RangeInclusive<i32>, unit: &str) -> Option<i32> {
        let value = self.get(name)?;
        let number = scalar(value).and_then(|text| text.parse().ok()).filter(|number| range.contains(number));
        if number.is_none() {
            let expected = format!("a whole number of {unit} from {} to {}", range.start(), range.end());
            self.invalid(name, &value.to_string(), &expected);
        }
        number
    }

    /// Reads a list of `{Key, Value}`, as every taggable CloudFormation resource has it. An absent property is an empty
    /// list.
    pub fn tags(&self, name: &'static str) -> Tags {
        let mut tags = Tags::new();
        let items = match self.get(name) {
            None => return tags,
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.invalid(name, &other.to_string(), "a list of `{Key, Value}`");
                return tags;
            }
        };
        for (i, item) in items.iter().enumerate() {
            let path = format!("{name}[{i}]");
            let field = |field| item.get(field).and_then(scalar);
            match (field("Key"), field("Value"), item.as_object().map(Map::len)) {
                (Some(key), Some(value), Some(2)) => {
                    let expected = "a key that no other tag has (IAM ignores the case of keys)";
                    if tags.keys().any(|seen| seen.eq_ignore_ascii_case(&key)) {
                        self.invalid(&path, &key, expected);
                    } else if tags.keys().any(|seen| seen.to_lowercase() == key.to_lowercase()) {
                        self.tighten(name, Problem::invalid(&key, expected));
                    }
                    tags.insert(key, value);
                }
                _ => self.invalid(&path, &item.to_string(), "`{Key, Value}`, both text"),
            }
        }
        tags
    }

    /// Returns all errors, including one for each property that no method has read.
    pub fn finish(self) -> ValidationErrors {
        let mut errors = self.errors.into_inner();
        let known = self.known.into_inner();
        for name in self.map.keys().filter(|name| !known.contains(name.as_str())) {
            let problem = match closest(name, known.iter().copied()) {
                Some(close) => format!("no such property, did you mean `{close}`?"),
                None => format!(
                    "no such property; the properties are {}",
                    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                ),
            };
            errors.errors.push(ValidationError { paths: vec![name.clone()], problem: problem.into() });
        }
        errors
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}
