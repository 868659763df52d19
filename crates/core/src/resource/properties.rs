//! The reader of a resource's properties, which reports every validation error and stops at none.
//!
//! CloudFormation sends every scalar as a string (`"true"`, `"3600"`), so the reader accepts both forms.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::state::Tags;
use crate::text::{closest, shown};

/// The properties that CloudFormation or every resource type of this project has.
const ALWAYS_KNOWN: [&str; 3] = ["ServiceToken", "ServiceTimeout", "Revision"];

/// The validation errors of the properties, in the order of reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct ValidationErrors {
    /// The errors that refuse a Create or Update.
    pub errors: Vec<String>,
    /// The errors of rules that an earlier version of this function did not have. A resource created under the earlier
    /// rules must stay updatable, also by a rollback, and deletable. [`ValidationErrors::tighten`] decides which of
    /// these errors count.
    pub tightened: Vec<String>,
}

impl ValidationErrors {
    /// Returns whether there is no error of either kind.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.tightened.is_empty()
    }

    /// Moves every tightened error that is not in `accepted` to `errors`. Returns the others, which become warnings.
    pub fn tighten(&mut self, accepted: &[String]) -> Vec<String> {
        let (kept, refused) = std::mem::take(&mut self.tightened).into_iter().partition(|one| accepted.contains(one));
        let refused: Vec<String> = refused;
        self.errors.extend(refused);
        kept
    }
}

impl fmt::Display for ValidationErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.as_slice() {
            [one] => f.write_str(one),
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

    /// Takes the errors of `object`, a reader that [`Reader::objects`] returned, with `path` before the property that
    /// each error names.
    pub fn take(&self, path: &str, object: Self) {
        let below = |error: String| match error.strip_prefix('`') {
            Some(rest) => format!("`{path}.{rest}"),
            None => error,
        };
        let ValidationErrors { errors, tightened } = object.finish();
        for error in errors {
            self.report(below(error));
        }
        for error in tightened {
            self.tighten(below(error));
        }
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
        self.report(format!("`{path}`: found {}, expected {expected}", shown(found)));
    }

    /// Reports an error in full text.
    pub fn report(&self, error: String) {
        self.errors.borrow_mut().errors.push(error);
    }

    /// Reports an error of a rule that an earlier version of this function did not have. The text must name every value
    /// that the error depends on. An Update whose old properties lead to the same text passes; an Update that leads to
    /// another text is refused.
    pub fn tighten(&self, error: String) {
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
                        self.tighten(format!("`{name}`: found {}, expected {expected}", shown(&key)));
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
            errors.errors.push(match closest(name, known.iter().copied()) {
                Some(close) => format!("`{name}`: no such property, did you mean `{close}`?"),
                None => format!(
                    "`{name}`: no such property; the properties are {}",
                    known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                ),
            });
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
