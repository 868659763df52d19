//! Resolves the intrinsic functions of a template, as far as that is possible without deploying it. The rest becomes
//! stand-ins of [`Symbols`].
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html>

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::text::shown;
use serde_json::{Map, Value};

use crate::document::parse;
use crate::repository::Repository;
use crate::symbol::{Position, Symbols, Unknown};

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
}

/// A value, or `None` for `AWS::NoValue`.
type Resolved = Option<Value>;

/// The services whose resources have the attribute `Arn`. CloudFormation tells `Arn` from `arn`.
const HAVE_ARN: [&str; 6] =
    ["AWS::DynamoDB::", "AWS::IAM::", "AWS::Lambda::", "AWS::SQS::", "AWS::Serverless::", "AWS::StepFunctions::"];

impl<'a> Template<'a> {
    /// Reads a template with what is known besides it.
    pub fn new(whole: &'a Value, known: Known<'a>, symbols: &'a RefCell<Symbols>) -> Self {
        Self { whole, known, symbols, findings: RefCell::default(), way: RefCell::default() }
    }

    /// The logical id and the type of each resource.
    pub fn resources(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let resources = self.whole.get("Resources").and_then(Value::as_object).into_iter().flatten();
        resources.filter_map(|(id, resource)| Some((id.as_str(), resource.get("Type")?.as_str()?)))
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
                    Some((name.clone(), self.resolve(value, Position::Whole)?))
                });
                Value::Object(resolved.collect())
            }
            Some(other) => self.resolve(other, Position::Whole).unwrap_or_default(),
            None => Value::Object(Map::new()),
        }
    }

    /// A part of a resource, resolved.
    pub fn part(&self, id: &str, path: &[&str]) -> Value {
        let part = path.iter().try_fold(self.resource(id), |part, name| Some(part?.get(*name))).flatten();
        part.and_then(|part| self.resolve(part, Position::Whole)).unwrap_or_default()
    }

    /// What was found while resolving.
    pub fn findings(self) -> Findings {
        self.findings.into_inner()
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
        self.findings.borrow_mut().faults.insert(fault);
    }

    fn told(&self, name: &str) -> Option<&'a String> {
        self.findings.borrow_mut().asked.insert(name.to_owned());
        self.known.values.get(name)
    }

    fn unknown(&self, name: &str, kind: &str, position: Position) -> Value {
        let name = self.symbols.borrow().printed(name);
        if let Some(value) = self.told(&name) {
            return Value::from(value.as_str());
        }
        let unknown = Unknown { name: &name, position, kind };
        Value::from(self.symbols.borrow_mut().stand_in(unknown, self.known.place, self.known.guardrails))
    }

    /// Resolves a value that has the position in a longer text.
    fn resolve(&self, value: &Value, position: Position) -> Resolved {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.resolve(item, position)).collect()),
            Value::Object(members) => match members.iter().next() {
                Some((name, argument)) if members.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) => {
                    // A function call that is malformed, or unknown here, becomes a stand-in that is printed as the
                    // call is written.
                    let done = self.function(name, argument, position);
                    done.unwrap_or_else(|| Some(self.unknown(&label(name, argument), "", position)))
                }
                _ => {
                    let mut resolved = Map::new();
                    for (name, value) in members {
                        if name == "Fn::Transform" {
                            // The members of an included file join the other members.
                            let included = self.function(name, value, Position::Whole).flatten();
                            resolved.extend(included.as_ref().and_then(Value::as_object).cloned().unwrap_or_default());
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

    /// Replaces dynamic references such as `{{resolve:ssm:/team/topic}}`, which the deployment looks up, by stand-ins.
    fn dynamic(&self, text: &str, position: Position) -> String {
        let (mut done, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("{{resolve:")
            && let Some((reference, behind)) = after.split_once("}}")
        {
            let position = position.of(&format!("{done}{before}"), behind);
            done.push_str(before);
            done.push_str(&self::text(&self.unknown(&format!("resolve:{reference}"), "", position)));
            rest = behind;
        }
        done + rest
    }

    /// Resolves a function call; `None` when that is not possible here.
    fn function(&self, name: &str, argument: &Value, position: Position) -> Option<Resolved> {
        let list = || argument.as_array().map_or(&[][..], Vec::as_slice);
        let resolved = |i: usize, position| self.resolve(list().get(i)?, position);
        let is_unknown = |text: &str| self.symbols.borrow().is_in(text);
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
                let [condition, yes, no] = list() else { return None };
                return Some(self.resolve(if self.condition(condition.as_str()?) { yes } else { no }, position));
            }
            "Fn::Join" => {
                let [delimiter, items] = list() else { return None };
                let items = match items {
                    Value::Array(items) => {
                        // A function among the items counts as a text without quotes.
                        let delimiter = delimiter.as_str()?;
                        let joined = |item: Option<&Value>, at_end: bool| match item
                            .map(|item| item.as_str().unwrap_or("function"))
                        {
                            Some(text) if at_end => format!("{text}{delimiter}"),
                            Some(text) => format!("{delimiter}{text}"),
                            None => String::new(),
                        };
                        let positions = (0..items.len()).map(|i| {
                            let before = i.checked_sub(1).and_then(|before| items.get(before));
                            position.of(&joined(before, true), &joined(items.get(i + 1), false))
                        });
                        items
                            .iter()
                            .zip(positions)
                            .filter_map(|(item, position)| self.resolve(item, position))
                            .collect()
                    }
                    list => self.resolve(list, Position::Inside)?,
                };
                let items: Vec<String> = items.as_array()?.iter().map(text).collect();
                Value::from(self.dynamic(&items.join(delimiter.as_str()?), position))
            }
            "Fn::Split" => {
                let (delimiter, whole) = (list().first()?.as_str()?, text(&resolved(1, position)?));
                if is_unknown(&whole) {
                    // The list is unknown as a whole, and no part of it is known.
                    return if is_unknown(&whole.replace(delimiter, "")) && !whole.contains(delimiter) {
                        Some(Some(Value::from(whole)))
                    } else {
                        None
                    };
                }
                whole.split(delimiter).map(Value::from).collect()
            }
            "Fn::Select" => {
                let index: usize = text(&resolved(0, Position::Inside)?).parse().ok()?;
                resolved(1, position)?.as_array()?.get(index)?.clone()
            }
            "Fn::FindInMap" => {
                let keys: Vec<String> =
                    (0..3).filter_map(|i| resolved(i, Position::Inside)).map(|key| text(&key)).collect();
                let found = keys.iter().try_fold(self.whole.get("Mappings")?, |map, key| map.get(key));
                let default = || list().get(3)?.get("DefaultValue").and_then(|value| self.resolve(value, position));
                found.cloned().or_else(default)?
            }
            "Fn::ImportValue" => self.unknown(&text(&self.resolve(argument, Position::Inside)?), "", position),
            "Fn::ToJsonString" => Value::from(self.resolve(argument, Position::Inside)?.to_string()),
            "Fn::Transform" => return self.include(argument),
            _ => return None,
        };
        Some(Some(done))
    }

    fn reference(&self, name: &str, position: Position) -> Resolved {
        let Known { place, stack_name, stack_id, .. } = &self.known;
        let parameter = self.section("Parameters").and_then(|parameters| parameters.get(name));
        let found = match name {
            "AWS::NoValue" => return None,
            "AWS::AccountId" => place.account.clone(),
            "AWS::Region" => place.region.clone(),
            "AWS::Partition" => place.partition.clone(),
            "AWS::StackName" if !stack_name.is_empty() => (*stack_name).to_owned(),
            "AWS::StackId" => (*stack_id).to_owned(),
            "AWS::URLSuffix" if place.partition == "aws-cn" => "amazonaws.com.cn".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => match (self.told(name), parameter) {
                (Some(value), _) => value.clone(),
                (None, Some(parameter)) => {
                    // The default of such a parameter is the name of the stored value, not the value.
                    let stored = parameter_type(parameter).starts_with("AWS::SSM::");
                    match parameter.get("Default").filter(|_| !stored) {
                        Some(default) => text(default),
                        None => return Some(self.unknown(name, "", position)),
                    }
                }
                (None, None) => {
                    let kind = self.resource(name).and_then(|resource| resource.get("Type")?.as_str());
                    if kind.is_none() && !self.may_be_made(name) {
                        self.fault(format!("`Ref: {name}`: the template has no parameter or resource of this name"));
                    }
                    return Some(self.unknown(name, kind.unwrap_or_default(), position));
                }
            },
        };
        let kind = parameter.map(parameter_type).unwrap_or_default();
        let kind = kind.strip_prefix("AWS::SSM::Parameter::Value<").unwrap_or(kind);
        if kind.starts_with("CommaDelimitedList") || kind.starts_with("List<") {
            return Some(found.split(',').map(|item| Value::from(item.trim())).collect());
        }
        Some(Value::from(self.dynamic(&found, position)))
    }

    /// Resolves `Role.Arn`.
    fn attribute(&self, name: &str, position: Position) -> Value {
        let id = name.split('.').next().unwrap_or_default();
        let kind = self.resource(id).and_then(|resource| resource.get("Type")?.as_str());
        if kind.is_none() && !self.may_be_made(id) {
            self.fault(format!("`Fn::GetAtt: {name}`: the template has no resource `{id}`"));
        }
        let attribute = name.split_once('.').map_or("", |(_, attribute)| attribute);
        let has_arn = kind.is_some_and(|kind| HAVE_ARN.iter().any(|service| kind.starts_with(service)));
        if has_arn && matches!(attribute, "arn" | "ARN") {
            self.fault(format!("`Fn::GetAtt: {name}`: found the attribute `{attribute}`, expected `Arn`"));
        }
        self.unknown(name, kind.unwrap_or_default(), position)
    }

    /// Whether the name may belong to a pseudo parameter of AWS, or to a resource that a transform creates: `FnRole` of
    /// a function `Fn`.
    fn may_be_made(&self, id: &str) -> bool {
        let loops = || self.section("Resources").is_some_and(|all| all.keys().any(|key| key.starts_with("Fn::")));
        let transformed = self.whole.get("Transform").is_some();
        id.starts_with("AWS::") || (transformed && (self.resources().any(|(own, _)| id.starts_with(own)) || loops()))
    }

    fn substitute(&self, argument: &Value, position: Position) -> Option<String> {
        let (pattern, variables) = match argument {
            Value::Array(parts) => (parts.first()?.as_str()?, parts.get(1)),
            one => (one.as_str()?, None),
        };
        let (mut done, mut rest) = (String::new(), pattern);
        while let Some((before, after)) = rest.split_once("${") {
            done.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                done.push_str("${");
                rest = after;
                continue;
            };
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
            done.push_str(&value.map_or_else(String::new, |value| text(&value)));
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
        let inside = self.once(&format!("`AWS::Include` of `{location}`"), || -> Result<Resolved, String> {
            let text = self.known.repository.read(&location)?;
            let value = parse(&text).map_err(|why| format!("{}: {why}", shown(&location)))?;
            Ok(self.resolve(&value, Position::Whole))
        });
        match inside? {
            Ok(value) => Some(value),
            Err(why) => {
                self.fault(format!("`AWS::Include`: {why}"));
                None
            }
        }
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

    /// Whether the condition holds. A condition that can't be decided is assumed to hold, with a note.
    fn condition(&self, name: &str) -> bool {
        self.decided(name).unwrap_or_else(|| {
            self.note(format!("condition `{name}` is assumed to be true; set `--set {name}=false` if it is false"));
            true
        })
    }

    fn decided(&self, name: &str) -> Option<bool> {
        let Some(condition) = self.section("Conditions").and_then(|conditions| conditions.get(name)) else {
            self.fault(format!("the template has no condition `{name}`"));
            return Some(true);
        };
        // A parameter or a resource may have the same name.
        let taken =
            ["Parameters", "Resources"].iter().any(|other| self.section(other).is_some_and(|s| s.contains_key(name)));
        match self.told(name).filter(|_| !taken).map(String::as_str) {
            Some("true") => return Some(true),
            Some("false") => return Some(false),
            Some(other) => self.fault(format!("`--set {name}={other}`: expected `true` or `false` for a condition")),
            None => {}
        }
        self.once(&format!("condition `{name}`"), || self.holds(condition)).flatten()
    }

    /// Whether the condition holds; `None` when only a deployment can decide it.
    fn holds(&self, condition: &Value) -> Option<bool> {
        let (name, argument) = condition.as_object()?.iter().next()?;
        let items = argument.as_array().map_or(&[][..], Vec::as_slice);
        let each = || items.iter().map(|item| self.holds(item)).collect::<Vec<_>>();
        // One decisive item is enough, whatever the others are.
        let any = |decisive: bool| {
            let each = each();
            if each.contains(&Some(decisive)) {
                Some(decisive)
            } else {
                each.iter().all(Option::is_some).then_some(!decisive)
            }
        };
        match name.as_str() {
            "Condition" => self.decided(argument.as_str()?),
            "Fn::Not" => self.holds(items.first()?).map(|holds| !holds),
            "Fn::And" => any(false),
            "Fn::Or" => any(true),
            "Fn::Equals" => {
                let (left, right) =
                    (self.resolve(items.first()?, Position::Whole)?, self.resolve(items.get(1)?, Position::Whole)?);
                let (left, right) = (text(&left), text(&right));
                let symbols = self.symbols.borrow();
                let undecided = left != right && (symbols.is_in(&left) || symbols.is_in(&right));
                (!undecided).then_some(left == right)
            }
            _ => None,
        }
    }
}

fn parameter_type(parameter: &Value) -> &str {
    parameter.get("Type").and_then(Value::as_str).unwrap_or_default()
}

/// The text that is printed for a function call that stays unresolved.
fn label(name: &str, argument: &Value) -> String {
    format!("{} {argument}", name.strip_prefix("Fn::").unwrap_or(name))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
