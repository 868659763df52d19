//! Resolves the intrinsic functions of a template, as far as that is possible without deploying it. The rest becomes
//! stand-ins of [`Symbols`].
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html>

mod budget;
mod condition;
mod intrinsic;
mod reference;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::text::shown;
use serde_json::{Map, Value};

use self::budget::{Budget, Exceeded};
use crate::input::repository::Repository;
use crate::input::symbol::{Position, Symbols, Unknown};

/// What is known besides the template.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The partition, region and account.
    pub place: &'a Place,
    /// The name of the stack; empty when it is unknown.
    pub stack_name: &'a str,
    /// The ARN of the stack.
    pub stack_id: &'a str,
    /// Parameters, physical ids, attributes (`Role.Arn`), imports and conditions, by name.
    pub values: &'a BTreeMap<String, String>,
    /// The files that locations of `AWS::Include` can name.
    pub repository: &'a Repository,
    /// The guardrails, for the shapes of unknown values; `None` while the guardrails themselves are being parsed.
    pub guardrails: Option<&'a Guardrails>,
}

/// What was found while resolving.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// The assumptions.
    pub notes: BTreeSet<String>,
    /// What `CloudFormation` would refuse to deploy.
    pub faults: BTreeSet<String>,
    /// The names for which `--set` could have given a value.
    pub asked: BTreeSet<String>,
    /// The parameters that have their default, because nothing sets them.
    pub defaults: BTreeSet<String>,
    /// The number of values and conditions that were resolved.
    pub steps: usize,
    /// Whether a bound was exceeded. Then one fault says which, and the resolved values are incomplete.
    pub is_cut: bool,
}

/// One template, with one set of stand-ins for its unknown values.
#[derive(Debug)]
pub struct Template<'a> {
    whole: &'a Value,
    known: Known<'a>,
    symbols: &'a RefCell<Symbols>,
    findings: RefCell<Findings>,
    /// The conditions and files that are being resolved, to detect a circle.
    way: RefCell<Vec<String>>,
    /// The conditions that were decided for the current property.
    decided: RefCell<BTreeMap<String, Option<bool>>>,
    budget: Budget,
}

/// A value, or `None` for `AWS::NoValue`.
type Resolved = Option<Value>;

impl<'a> Template<'a> {
    /// Reads a template with what is known besides it.
    pub fn new(whole: &'a Value, known: Known<'a>, symbols: &'a RefCell<Symbols>) -> Self {
        let (findings, way, decided) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { whole, known, symbols, findings, way, decided, budget: Budget::default() }
    }

    /// The logical id and the type of each resource.
    pub fn resources(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let resources = self.whole.get("Resources").and_then(Value::as_object).into_iter().flatten();
        resources.filter_map(|(id, resource)| Some((id.as_str(), resource.get("Type")?.as_str()?)))
    }

    /// The notes on entries of `Resources` that a macro makes resources of. They are not among the resources.
    pub fn made_by_macros(&self) -> Vec<String> {
        let entries = self.section("Resources").into_iter().flatten();
        let macros =
            entries.filter(|(id, entry)| id.starts_with("Fn::") || !entry.get("Type").is_some_and(Value::is_string));
        let told = macros.map(|(id, _)| {
            format!("`{id}` in `Resources`: the program does not run it, so the resources that it makes have no plan")
        });
        told.collect()
    }

    /// The condition that switches the resource off.
    pub fn switched_off(&self, id: &str) -> Option<String> {
        let name = self.whole.get("Resources")?.get(id)?.get("Condition")?.as_str()?;
        (!self.condition(name)).then(|| name.to_owned())
    }

    /// The properties that CloudFormation would send to the function, each resolved on its own.
    pub fn properties(&self, id: &str) -> Value {
        let properties = self.resource(id).and_then(|resource| resource.get("Properties"));
        match properties {
            Some(Value::Object(members)) if !members.contains_key("Fn::Transform") => {
                // The function does not read which function is called.
                let members = members.iter().filter(|(name, _)| *name != "ServiceToken");
                let resolved = members.filter_map(|(name, value)| {
                    self.symbols.borrow_mut().begin(name);
                    // What is unknown in a condition has other stand-ins in another property.
                    self.decided.borrow_mut().clear();
                    Some((name.clone(), self.resolve(value, Position::Whole)?))
                });
                Value::Object(resolved.collect())
            }
            Some(other) => self.resolve(other, Position::Whole).unwrap_or_default(),
            None => Value::Object(Map::new()),
        }
    }

    /// A part of a resource, resolved. `Null` if there is no such part. If a value above it is unknown, that value.
    pub fn part(&self, id: &str, path: &[&str]) -> Value {
        let Some(mut part) = self.resource(id) else { return Value::Null };
        let mut names = path.iter();
        while !is_call(part) {
            let Some(name) = names.next() else { break };
            let Some(inside) = part.get(*name) else { return Value::Null };
            part = inside;
        }
        self.decided.borrow_mut().clear();
        let resolved = self.resolve(part, Position::Whole).unwrap_or_default();
        if resolved.is_string() {
            return resolved;
        }
        names.try_fold(&resolved, |part, name| part.get(*name)).cloned().unwrap_or_default()
    }

    /// What was found while resolving.
    pub fn findings(self) -> Findings {
        let (steps, is_cut) = (self.budget.taken(), self.budget.is_exceeded());
        Findings { steps, is_cut, ..self.findings.into_inner() }
    }

    /// The names in the template for which `--set` can give a value.
    pub fn names(&self) -> BTreeSet<String> {
        let keys = |section: &str| self.section(section).into_iter().flat_map(Map::keys);
        keys("Parameters").chain(keys("Conditions")).cloned().collect()
    }

    fn section(&self, section: &str) -> Option<&'a Map<String, Value>> {
        self.whole.get(section).and_then(Value::as_object)
    }

    fn resource(&self, id: &str) -> Option<&'a Value> {
        self.section("Resources")?.get(id)
    }

    fn note(&self, note: String) {
        self.findings.borrow_mut().notes.insert(note);
    }

    fn fault(&self, fault: String) {
        // What follows from incomplete values would only distract.
        if self.budget.is_exceeded() {
            return;
        }
        self.findings.borrow_mut().faults.insert(fault);
    }

    fn told(&self, name: &str) -> Option<&'a String> {
        self.findings.borrow_mut().asked.insert(name.to_owned());
        self.known.values.get(name)
    }

    fn unknown(&self, name: &str, kind: &str, position: Position) -> Value {
        // Each stand-in in the name is replaced on its own.
        let (count, length) = (self.symbols.borrow().count(), self.symbols.borrow().count_in(name) * name.len());
        if !self.affords(budget::unknown(count)) || !self.affords(self.budget.text(length)) {
            return Value::Null;
        }
        let name = self.symbols.borrow().printed(name);
        if let Some(value) = self.told(&name) {
            return if self.affords(self.budget.text(value.len())) { Value::from(value.as_str()) } else { Value::Null };
        }
        let unknown = Unknown { name: &name, position, kind };
        Value::from(self.symbols.borrow_mut().stand_in(unknown, self.known.place, self.known.guardrails))
    }

    /// Returns whether the work may go on. The first time that it may not, this adds the only fault that is told then.
    fn affords(&self, spent: Result<(), Exceeded>) -> bool {
        match spent {
            _ if self.budget.is_exceeded() => false,
            Ok(()) => true,
            Err(exceeded) => {
                self.fault(exceeded.to_string());
                self.budget.end();
                false
            }
        }
    }

    /// Runs `act` one level deeper; `None` when the template exceeds a bound.
    fn deeper<T>(&self, act: impl FnOnce() -> Option<T>) -> Option<T> {
        if !self.affords(self.budget.enter()) {
            return None;
        }
        let done = act();
        self.budget.leave();
        done
    }

    /// Resolves a value that has the position in a longer text. Returns `None` also when the template exceeds a bound.
    fn resolve(&self, value: &Value, position: Position) -> Resolved {
        self.deeper(|| self.resolved(value, position))
    }

    fn resolved(&self, value: &Value, position: Position) -> Resolved {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.resolve(item, position)).collect()),
            Value::Object(members) => match members.iter().next() {
                Some((name, argument)) if members.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) => {
                    let done = self.function(name, argument, position);
                    done.unwrap_or_else(|| self.unresolved(name, argument, position))
                }
                _ => {
                    let mut resolved = Map::new();
                    for (name, value) in members {
                        if name == "Fn::Transform" {
                            // The members of an included file join the other members. If they are unknown, so is the
                            // whole value.
                            let Some(Some(Value::Object(included))) = self.function(name, value, Position::Whole)
                            else {
                                self.note(format!(
                                    "{} runs only in a deployment, so the value that it is in is unknown",
                                    shown(&label(name, value))
                                ));
                                return self.unresolved(name, value, position);
                            };
                            resolved.extend(included);
                        } else if let Some(value) = self.resolve(value, Position::Whole) {
                            resolved.insert(name.clone(), value);
                        }
                    }
                    Some(Value::Object(resolved))
                }
            },
            Value::String(text) => Some(Value::from(self.dynamic(text, position))),
            Value::Bool(_) | Value::Number(_) => Some(Value::from(value.to_string())),
            Value::Null => Some(Value::Null),
        }
    }

    /// A function call that is malformed, or unknown here, becomes a stand-in that is printed as the call is written.
    fn unresolved(&self, name: &str, argument: &Value, position: Position) -> Resolved {
        if self.budget.is_exceeded() {
            return None;
        }
        let label = label(name, argument);
        self.affords(self.budget.text(label.len())).then(|| self.unknown(&label, "", position))
    }

    /// Replaces dynamic references such as `{{resolve:ssm:/team/topic}}`, which the deployment looks up, by stand-ins.
    fn dynamic(&self, text: &str, position: Position) -> String {
        if !self.affords(self.budget.text(text.len())) {
            return String::new();
        }
        let (mut done, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("{{resolve:")
            && let Some((reference, behind)) = after.split_once("}}")
        {
            done.push_str(before);
            let position = position.of(&done, behind);
            done.push_str(&self::text(&self.unknown(&format!("resolve:{reference}"), "", position)));
            rest = behind;
        }
        done + rest
    }

    /// Runs `act`, except when `what` is being resolved already: then adds an error and returns `None`.
    fn once<T>(&self, what: &str, act: impl FnOnce() -> T) -> Option<T> {
        if self.way.borrow().iter().any(|other| other == what) {
            self.fault(format!("{what} has a circular reference"));
            return None;
        }
        self.way.borrow_mut().push(what.to_owned());
        let done = act();
        self.way.borrow_mut().pop();
        Some(done)
    }
}

/// Whether a value is a function call, or has members that only a call knows.
fn is_call(value: &Value) -> bool {
    let members = value.as_object();
    members.is_some_and(|members| members.contains_key("Fn::Transform"))
        || members
            .filter(|members| members.len() == 1)
            .and_then(|members| members.keys().next())
            .is_some_and(|name| name == "Ref" || name.starts_with("Fn::"))
}

/// The text that is printed for a function call that stays unresolved.
fn label(name: &str, argument: &Value) -> String {
    format!("{} {argument}", name.strip_prefix("Fn::").unwrap_or(name))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
