//! Resolves the intrinsic functions, except the functions of conditions.

use mlops_roles_core::text::shown;
use serde_json::Value;

use super::{Resolved, Template, text};
use crate::input::document::{DocumentError, parse};
use crate::input::repository::FileError;
use crate::input::symbol::Position;

/// Why the file of an `AWS::Include` can't be included.
#[derive(Debug, thiserror::Error)]
enum IncludeError {
    /// The file can't be read.
    #[error("`AWS::Include`: {0}")]
    File(#[from] FileError),
    /// The file is neither JSON nor YAML.
    #[error("`AWS::Include`: {}: {problem}", shown(.location))]
    Document { location: String, problem: DocumentError },
}

impl Template<'_> {
    /// Resolves a function call; `None` when that is not possible here.
    pub(super) fn function(&self, name: &str, argument: &Value, position: Position) -> Option<Resolved> {
        let items = argument.as_array().map_or(&[][..], Vec::as_slice);
        let done = match name {
            "Ref" => return Some(self.reference(argument.as_str()?, position)),
            "Fn::GetAtt" => {
                let parts = match self.resolve(argument, Position::Inside)? {
                    Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join("."),
                    one => text(&one),
                };
                self.attribute(&parts, position)
            }
            "Fn::Sub" => Value::from(self.dynamic(&self.substitute(argument, position)?, position)),
            "Fn::If" => {
                let [condition, yes, no] = items else { return None };
                return Some(self.resolve(if self.condition(condition.as_str()?) { yes } else { no }, position));
            }
            "Fn::Join" => self.join(items, position)?,
            "Fn::Split" => self.split(items, position)?,
            "Fn::Select" => {
                let index: usize = text(&self.resolve(items.first()?, Position::Inside)?).parse().ok()?;
                self.resolve(items.get(1)?, position)?.as_array()?.get(index)?.clone()
            }
            "Fn::FindInMap" => self.find_in_map(items, position)?,
            "Fn::ImportValue" => self.unknown(&text(&self.resolve(argument, Position::Inside)?), "", position),
            "Fn::ToJsonString" => {
                let json = self.resolve(argument, Position::Inside)?.to_string();
                self.affords(self.budget.text(json.len())).then(|| Value::from(json))?
            }
            "Fn::Transform" => return self.include(argument),
            _ => return None,
        };
        Some(Some(done))
    }

    /// Resolves `Fn::Join`.
    fn join(&self, arguments: &[Value], position: Position) -> Option<Value> {
        let [delimiter, items] = arguments else { return None };
        let delimiter = delimiter.as_str()?;
        let affords = |items: &[Value]| self.affords(self.budget.text(items.len().saturating_mul(delimiter.len())));
        let items = match items {
            Value::Array(items) if affords(items) => {
                // A function among the items counts as a text without quotes.
                let joined =
                    |item: Option<&Value>, at_end: bool| match item.map(|item| item.as_str().unwrap_or("function")) {
                        Some(text) if at_end => format!("{text}{delimiter}"),
                        Some(text) => format!("{delimiter}{text}"),
                        None => String::new(),
                    };
                let positions = (0..items.len()).map(|i| {
                    let before = i.checked_sub(1).and_then(|before| items.get(before));
                    position.of(&joined(before, true), &joined(items.get(i + 1), false))
                });
                items.iter().zip(positions).filter_map(|(item, position)| self.resolve(item, position)).collect()
            }
            list => self.resolve(list, Position::Inside)?,
        };
        let items = items.as_array().filter(|items| affords(items))?;
        let items: Vec<String> = items.iter().map(text).collect();
        Some(Value::from(self.dynamic(&items.join(delimiter), position)))
    }

    /// Resolves `Fn::Split`.
    fn split(&self, arguments: &[Value], position: Position) -> Option<Value> {
        let delimiter = arguments.first()?.as_str()?;
        let whole = text(&self.resolve(arguments.get(1)?, position)?);
        let is_unknown = |text: &str| self.symbols.borrow().is_in(text);
        if is_unknown(&whole) {
            // The list is unknown as a whole, and no part of it is known.
            let is_one = is_unknown(&whole.replace(delimiter, "")) && !whole.contains(delimiter);
            return is_one.then(|| Value::from(whole));
        }
        let is_affordable = self.affords(self.budget.steps(whole.matches(delimiter).count()));
        is_affordable.then(|| whole.split(delimiter).map(Value::from).collect())
    }

    /// Resolves `Fn::FindInMap`.
    fn find_in_map(&self, arguments: &[Value], position: Position) -> Option<Value> {
        let keys = arguments.iter().take(3).filter_map(|key| self.resolve(key, Position::Inside));
        let keys: Vec<String> = keys.map(|key| text(&key)).collect();
        let found = keys.iter().try_fold(self.whole.get("Mappings")?, |map, key| map.get(key));
        let default = || arguments.get(3)?.get("DefaultValue");
        self.resolve(found.or_else(default)?, position)
    }

    /// Resolves `Fn::Sub`.
    fn substitute(&self, argument: &Value, position: Position) -> Option<String> {
        let (pattern, variables) = match argument {
            Value::Array(parts) => (parts.first()?.as_str()?, parts.get(1)),
            one => (one.as_str()?, None),
        };
        let (mut done, mut rest) = (String::new(), pattern);
        while let Some((before, after)) = rest.split_once("${")
            && let Some((name, behind)) = after.split_once('}')
        {
            done.push_str(before);
            rest = behind;
            let name = name.trim();
            if let Some(literal) = name.strip_prefix('!') {
                done.extend(["${", literal, "}"]);
                continue;
            }
            let position = position.of(&done, behind);
            let value = match variables.and_then(|variables| variables.get(name)) {
                Some(value) => self.resolve(value, position),
                None if name.contains('.') => Some(self.attribute(name, position)),
                None => self.reference(name, position),
            };
            let value = value.map_or_else(String::new, |value| text(&value));
            // Each reference is a step too, because its value may be short.
            if !self.affords(self.budget.steps(1)) || !self.affords(self.budget.text(value.len())) {
                return None;
            }
            done.push_str(&value);
        }
        Some(done + rest)
    }

    /// Resolves a file of the template's repository. A file elsewhere, such as in S3, can't be read from here.
    fn include(&self, argument: &Value) -> Option<Resolved> {
        let location = text(&self.resolve(argument.get("Parameters")?.get("Location")?, Position::Whole)?);
        let elsewhere = location.contains("://") || self.symbols.borrow().is_in(&location);
        if argument.get("Name").and_then(Value::as_str) != Some("AWS::Include") || elsewhere {
            return None;
        }
        let inside = self.once(&format!("`AWS::Include` of `{location}`"), || self.included(&location));
        match inside? {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(error.to_string());
                None
            }
        }
    }

    /// Reads a file of the template's repository, and resolves what it holds.
    fn included(&self, location: &str) -> Result<Resolved, IncludeError> {
        let text = self.known.repository.read(location)?;
        if !self.affords(self.budget.included(text.len())) {
            return Ok(None);
        }
        let value =
            parse(&text).map_err(|problem| IncludeError::Document { location: location.to_owned(), problem })?;
        Ok(self.resolve(&value, Position::Whole))
    }
}
