//! Stand-ins for what only a deployment knows: `${Topic}` is printed where the topic's ARN will be.
//!
//! The function parses properties strictly, and `plan` and `policy` use the same parser. So a stand-in takes the place of
//! each unknown value: a text of the shape that fits where the value is used, found by trial. Everything printed has the
//! value's name instead of the stand-in.

use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource::definition_location;
use mlops_roles_core::resource::properties::ValidationError;

use crate::input::shape::shapes;
pub use crate::input::shape::{Position, Unknown};

/// The stand-in for an unknown account. No other text is written like that.
pub const ACCOUNT: &str = "907060504030";
/// The maximum number of unknown values. Each takes about 5 KB, because it may have many shapes.
pub const UNKNOWN: usize = 20_000;
/// The number of the first unknown value. The others follow in order.
const FIRST_NUMBER: usize = 700_905_000;

/// One unknown value, as one property uses it.
#[derive(Clone, Debug)]
struct Symbol {
    /// The property that uses the value.
    property: String,
    /// The name of the value: `Topic`, `ExecutionRole.Arn`.
    name: String,
    /// The text that every shape but a number holds: `Zq001z`, with the index of the value.
    token: String,
    /// The number that replaces the token where only a number can be.
    number: String,
    shapes: Vec<String>,
    /// The index of the current shape; past the last when no shape fits.
    shape: usize,
}

/// All unknown values, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    all: Vec<Symbol>,
    /// The index of each value by its property, its name and its position.
    by_use: BTreeMap<(String, String, Position), usize>,
    /// Texts, each with what is printed instead.
    named: Vec<(String, String)>,
    /// The property that is being resolved.
    property: String,
}

impl Symbols {
    /// The number of unknown values. A value counts once for each property that uses it.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The number of unknown values that the text holds.
    pub fn count_in(&self, text: &str) -> usize {
        self.held(text).len()
    }

    /// Makes `text` print as `${name}` from now on.
    pub fn name(&mut self, text: &str, name: &str) {
        if !self.named.iter().any(|(known, _)| known == text) {
            self.named.push((text.to_owned(), format!("${{{name}}}")));
            // Replaces an ARN before the account that is part of it.
            self.named.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
    }

    /// Sets the property that uses the unknown values from now on.
    pub fn begin(&mut self, property: &str) {
        property_of(property).clone_into(&mut self.property);
    }

    /// The stand-in for an unknown value: always the same one within one property, until `advance` changes its shape.
    pub fn stand_in(&mut self, unknown: Unknown<'_>, place: &Place, guardrails: Option<&Guardrails>) -> String {
        let Unknown { name, position, .. } = unknown;
        let used = (self.property.clone(), name.to_owned(), position);
        if let Some(symbol) = self.by_use.get(&used).and_then(|i| self.all.get(*i)) {
            return symbol.text().to_owned();
        }
        let token = format!("Zq{:03}z", self.all.len());
        let number = (FIRST_NUMBER + self.all.len()).to_string();
        let shapes = shapes(&token, &number, unknown, place, guardrails);
        let (property, name) = (self.property.clone(), name.to_owned());
        let symbol = Symbol { property, name, token, number, shapes, shape: 0 };
        let text = symbol.text().to_owned();
        self.by_use.insert(used, self.all.len());
        self.all.push(symbol);
        text
    }

    /// Gives each unknown value that an error mentions its next shape. Returns `false` when no shape is left to try.
    pub fn advance(&mut self, errors: &[ValidationError]) -> bool {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let mut by_property: BTreeMap<&str, Mentioned<'_>> = BTreeMap::new();
        for (error, text) in errors.iter().zip(&texts) {
            let Some(property) = about(error) else { continue };
            let mentioned = by_property.entry(property).or_default();
            mentioned.blurred |= error.problem.hides_value();
            mentioned.held.extend(self.held(text));
            mentioned.quoted.extend(quoted(text));
        }
        let mut moved = false;
        for (i, symbol) in self.all.iter_mut().enumerate().filter(|(_, symbol)| symbol.fits()) {
            let mentioned = by_property.get(symbol.property.as_str());
            if mentioned.is_some_and(|mentioned| mentioned.has(i, symbol.text())) {
                symbol.shape += 1;
                moved = true;
            }
        }
        moved
    }

    /// Divides errors into those that an unknown value may explain, and the others. A value may explain an error that
    /// mentions it, or that is about a property in which the value is hidden.
    pub fn divided<'e>(&self, errors: &'e [ValidationError]) -> (Vec<&'e ValidationError>, Vec<&'e ValidationError>) {
        let texts: BTreeSet<(&str, &str)> =
            self.all.iter().map(|symbol| (symbol.property.as_str(), symbol.text())).collect();
        let properties: BTreeSet<&str> = texts.iter().map(|(property, _)| *property).collect();
        let may_explain = |error: &&ValidationError| {
            let text = error.to_string();
            let of_property = |property| {
                error.problem.hides_value() && properties.contains(property)
                    || quoted(&text).any(|quoted| texts.contains(&(property, quoted)))
            };
            self.is_in(&text) || about(error).is_some_and(of_property)
        };
        errors.iter().partition(may_explain)
    }

    /// Whether the text holds something that only a deployment knows.
    pub fn is_in(&self, text: &str) -> bool {
        !self.held(text).is_empty() || self.named.iter().any(|(stand_in, _)| text.contains(stand_in))
    }

    /// The indexes of the unknown values whose token or number is in the text. One pass finds all of them.
    fn held(&self, text: &str) -> BTreeSet<usize> {
        let tokens = text.match_indices('q').filter_map(|(at, _)| {
            let token = text.get(at.checked_sub(1)?..)?;
            let (digits, _) = token.get(2..)?.split_once(|c: char| !c.is_ascii_digit())?;
            let index = digits.parse::<usize>().ok()?;
            let own = &self.all.get(index)?.token;
            (token.starts_with(own.as_str()) || token.starts_with(&own.to_ascii_lowercase())).then_some(index)
        });
        let numbers = text.match_indices("70").filter_map(|(at, _)| {
            let index = text.get(at..at + 9)?.parse::<usize>().ok()?.checked_sub(FIRST_NUMBER)?;
            (index < self.all.len()).then_some(index)
        });
        tokens.chain(numbers).collect()
    }

    /// Notes on the values that were assumed: `${Traced}` is assumed to be `true`.
    pub fn assumptions(&self) -> Vec<String> {
        let plain = self.all.iter().filter(|symbol| symbol.fits() && !symbol.holds(symbol.text()));
        let told = plain.map(|symbol| {
            format!("`{}`: `${{{}}}` is assumed to be `{}`", symbol.property, symbol.name, self.printed(symbol.text()))
        });
        told.collect()
    }

    /// The names of the unknown values that the text holds.
    pub fn unknown_in(&self, text: &str) -> Vec<&str> {
        let in_text = self.held(text);
        let held = self.all.iter().enumerate();
        let held = held.filter(|(i, symbol)| !symbol.holds(symbol.text()) || in_text.contains(i));
        let mut names: Vec<&str> = held.map(|(_, symbol)| symbol.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The text with the name of each unknown value instead of its stand-in.
    pub fn printed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // In reverse order, because the name of a later symbol was printed when the symbol was added, so it holds no
        // stand-in of an earlier one.
        let held = self.held(&text).into_iter().rev();
        for symbol in held.filter_map(|i| self.all.get(i)) {
            let (Symbol { name, token, .. }, shape) = (symbol, symbol.text());
            let lower = |text: &str| text.to_ascii_lowercase();
            if symbol.holds(shape) {
                text = text.replace(shape, &format!("${{{name}}}"));
                // Some names of IAM resources are spelled in lower case.
                text = text.replace(&lower(shape), &format!("${{{name}, in lower case}}"));
            }
            let is_name = !shape.contains([':', '/']);
            let part = if is_name { format!("${{{name}}}") } else { format!("${{part of {name}}}") };
            text = text.replace(token.as_str(), &part);
            let as_written = shape.contains(&lower(token));
            let lower_case = if as_written { format!("${{{name}}}") } else { format!("${{{name}, in lower case}}") };
            text = text.replace(&lower(token), &lower_case);
            text = text.replace(&symbol.number, &format!("${{{name}}}"));
        }
        for (stand_in, name) in &self.named {
            text = text.replace(stand_in, name);
        }
        text
    }
}

impl Symbol {
    fn text(&self) -> &str {
        self.shapes.get(self.shape).unwrap_or(&self.token)
    }

    fn fits(&self) -> bool {
        self.shape < self.shapes.len()
    }

    fn holds(&self, text: &str) -> bool {
        [&self.token, &self.number, &self.token.to_ascii_lowercase()].iter().any(|one| text.contains(*one))
    }
}

/// What the errors about one property mention.
#[derive(Debug, Default)]
struct Mentioned<'e> {
    /// Whether an error hides which values it is about.
    blurred: bool,
    /// The indexes of the unknown values whose token or number is in an error.
    held: BTreeSet<usize>,
    /// The texts in backticks.
    quoted: BTreeSet<&'e str>,
}

impl Mentioned<'_> {
    fn has(&self, index: usize, text: &str) -> bool {
        self.blurred || self.held.contains(&index) || self.quoted.contains(text)
    }
}

/// The property that an error is about. `None` for an error about the resource as a whole.
///
/// What a definition in Amazon S3 leads to depends on the values that fill it in, and they belong to `Definition`.
fn about(error: &ValidationError) -> Option<&str> {
    let path = error.paths.first()?;
    match path.strip_prefix(definition_location::PROPERTY) {
        Some(state) if state.is_empty() || state.starts_with(',') => Some("Definition"),
        _ => Some(property_of(path)),
    }
}

/// The texts between two backticks of an error.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split('`').count();
    text.split('`').take(parts.saturating_sub(1)).skip(1)
}

/// The property that a path belongs to: `SageMakerExecutionRoleArns[0]` belongs to `SageMakerExecutionRoleArns`. The
/// properties that fill in the definition belong to `Definition`.
fn property_of(path: &str) -> &str {
    match path.split(['[', '.', ',']).next().unwrap_or_default() {
        "DefinitionSubstitutions"
        | "ResourceOverrides"
        | "TaskActions"
        | "TaskResources"
        | "DataKeys"
        | "Integrations" => "Definition",
        property => property,
    }
}
