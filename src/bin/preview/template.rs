//! A template's functions, resolved as far as that goes without deploying it. The rest becomes a [`Symbols`] stand-in.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference.html>

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mlops_roles::arn::Place;
use mlops_roles::fence::Fence;
use serde_json::{Map, Value};

use crate::document::value_of;
use crate::symbol::Symbols;

/// Types whose `Ref` is an ARN.
const REF_IS_ARN: [&str; 10] = [
    "AWS::Batch::ComputeEnvironment",
    "AWS::Batch::JobDefinition",
    "AWS::Batch::JobQueue",
    "AWS::ECS::TaskDefinition",
    "AWS::IAM::ManagedPolicy",
    "AWS::SNS::Topic",
    "AWS::SecretsManager::Secret",
    "AWS::Serverless::StateMachine",
    "AWS::StepFunctions::Activity",
    "AWS::StepFunctions::StateMachine",
];

/// What is known besides the template.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    pub place: &'a Place,
    pub stack_name: &'a str,
    pub stack_id: &'a str,
    /// Parameters, physical ids, attributes (`Role.Arn`), imports and conditions, by name.
    pub values: &'a BTreeMap<String, String>,
    /// Where relative locations of `AWS::Include` begin.
    pub folder: &'a Path,
    /// For the shapes of what is unknown.
    pub fence: Option<&'a Fence>,
}

/// One template, with one way to read its unknowns.
#[derive(Debug)]
pub struct Template<'a> {
    /// The template itself.
    whole: &'a Value,
    known: Known<'a>,
    symbols: &'a RefCell<Symbols>,
    /// What could not be done as the template says.
    notes: RefCell<BTreeSet<String>>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Template<'a> {
    pub fn new(template: &'a Value, known: Known<'a>, symbols: &'a RefCell<Symbols>) -> Self {
        Self { whole: template, known, symbols, notes: RefCell::default(), asked: RefCell::default() }
    }

    /// The resources that the conditions let stand: logical id and type.
    pub fn resources(&self) -> Vec<(&'a str, &'a str)> {
        let resources = self.whole.get("Resources").and_then(Value::as_object).into_iter().flatten();
        let stands = |resource: &Value| {
            let condition = resource.get("Condition").and_then(Value::as_str);
            condition.is_none_or(|condition| self.condition(condition))
        };
        let typed = |(id, resource): (&'a String, &'a Value)| {
            Some((id.as_str(), resource.get("Type")?.as_str()?)).filter(|_| stands(resource))
        };
        resources.filter_map(typed).collect()
    }

    /// What CloudFormation would make of a part of a resource: scalars as it sends them to a custom resource.
    pub fn part(&self, logical_id: &str, path: &[&str]) -> Value {
        let resource = self.whole.get("Resources").and_then(|resources| resources.get(logical_id));
        let part = path.iter().try_fold(resource, |part, name| Some(part?.get(*name))).flatten();
        part.and_then(|part| self.resolve(part)).unwrap_or_default()
    }

    pub fn notes(self) -> BTreeSet<String> {
        self.notes.into_inner()
    }

    /// The names that `--set` can give a value for: the template's own, and what was asked for so far.
    pub fn names(&self) -> BTreeSet<String> {
        let keys = |section: &str| self.whole.get(section).and_then(Value::as_object).into_iter().flat_map(Map::keys);
        keys("Parameters").chain(keys("Conditions")).cloned().chain(self.asked.borrow().iter().cloned()).collect()
    }

    fn note(&self, note: String) {
        self.notes.borrow_mut().insert(note);
    }

    fn unknown(&self, name: &str, service: Option<&str>) -> Value {
        self.asked.borrow_mut().insert(name.to_owned());
        if let Some(value) = self.known.values.get(name) {
            return Value::from(value.as_str());
        }
        Value::from(self.symbols.borrow_mut().stand_in(name, service, self.known.place, self.known.fence))
    }

    /// `None` for `AWS::NoValue`.
    fn resolve(&self, value: &Value) -> Option<Value> {
        match value {
            Value::Array(items) => Some(items.iter().filter_map(|item| self.resolve(item)).collect()),
            Value::Object(members) => match members.iter().next() {
                Some((name, argument)) if members.len() == 1 && (name == "Ref" || name.starts_with("Fn::")) => {
                    self.function(name, argument)
                }
                _ => {
                    let resolved =
                        members.iter().filter_map(|(name, value)| Some((name.clone(), self.resolve(value)?)));
                    Some(Value::Object(resolved.collect()))
                }
            },
            Value::String(text) if text.starts_with("{{resolve:") && text.ends_with("}}") => {
                Some(self.unknown(text.trim_matches(['{', '}']), None))
            }
            Value::Bool(_) | Value::Number(_) => Some(Value::from(value.to_string())),
            Value::String(_) | Value::Null => Some(value.clone()),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> Option<Value> {
        if name == "Ref" {
            return self.reference(argument.as_str().unwrap_or_default());
        }
        let list = || argument.as_array().map_or(&[][..], Vec::as_slice);
        let resolved = |i: usize| list().get(i).and_then(|item| self.resolve(item));
        let done = match name {
            "Fn::GetAtt" => {
                let parts: Vec<String> = match self.resolve(argument)? {
                    Value::Array(parts) => parts.iter().map(text).collect(),
                    one => vec![text(&one)],
                };
                self.attribute(&parts.join("."))
            }
            "Fn::Sub" => self.substitute(argument),
            "Fn::If" => {
                let chosen = if self.condition(list().first()?.as_str()?) { 1 } else { 2 };
                return resolved(chosen);
            }
            "Fn::Join" => {
                let items = resolved(1)?;
                let items: Vec<String> = items.as_array().into_iter().flatten().map(text).collect();
                Value::from(items.join(&text(&resolved(0)?)))
            }
            "Fn::Split" => text(&resolved(1)?).split(&text(&resolved(0)?)).map(Value::from).collect(),
            "Fn::Select" => {
                let index: usize = text(&resolved(0)?).parse().ok()?;
                let items = resolved(1)?;
                return items
                    .as_array()?
                    .get(index)
                    .cloned()
                    .or_else(|| Some(self.unknown(&label(name, argument), None)));
            }
            "Fn::FindInMap" => {
                let keys: Vec<String> = (0..3).filter_map(resolved).map(|key| text(&key)).collect();
                let found = keys.iter().try_fold(self.whole.get("Mappings")?, |map, key| map.get(key));
                match found {
                    Some(found) => return self.resolve(found),
                    None => self.unknown(&label(name, argument), None),
                }
            }
            "Fn::ImportValue" => self.unknown(&text(&self.resolve(argument)?), None),
            "Fn::ToJsonString" => Value::from(self.resolve(argument)?.to_string()),
            "Fn::Transform" => return Some(self.include(argument)),
            _ => self.unknown(&label(name, argument), None),
        };
        Some(done)
    }

    fn reference(&self, name: &str) -> Option<Value> {
        let Known { place, stack_name, stack_id, values, .. } = &self.known;
        let parameter = self.whole.get("Parameters").and_then(|parameters| parameters.get(name));
        let found = match name {
            "AWS::NoValue" => return None,
            "AWS::AccountId" => place.account.clone(),
            "AWS::Region" => place.region.clone(),
            "AWS::Partition" => place.partition.clone(),
            "AWS::StackName" => (*stack_name).to_owned(),
            "AWS::StackId" => (*stack_id).to_owned(),
            "AWS::URLSuffix" if place.partition == "aws-cn" => "amazonaws.com.cn".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            _ => match (values.get(name), parameter) {
                (Some(value), _) => {
                    self.asked.borrow_mut().insert(name.to_owned());
                    value.clone()
                }
                (None, Some(parameter)) => {
                    // The default of such a parameter is where its value lies.
                    let stored = parameter_type(parameter).starts_with("AWS::SSM::");
                    match parameter.get("Default").filter(|_| !stored) {
                        Some(default) => text(default),
                        None => return Some(self.unknown(name, None)),
                    }
                }
                (None, None) => {
                    let kind = self.whole.get("Resources").and_then(|resources| resources.get(name)?.get("Type"));
                    let kind = kind.and_then(Value::as_str).unwrap_or_default();
                    let service = REF_IS_ARN.contains(&kind).then(|| service(kind)).flatten();
                    return Some(self.unknown(name, service.as_deref()));
                }
            },
        };
        let is_list = parameter.is_some_and(|parameter| {
            matches!(parameter_type(parameter), "CommaDelimitedList") || parameter_type(parameter).starts_with("List<")
        });
        if is_list {
            return Some(found.split(',').map(|item| Value::from(item.trim())).collect());
        }
        Some(Value::from(found))
    }

    /// `Role.Arn`.
    fn attribute(&self, name: &str) -> Value {
        let (resource, attribute) = name.split_once('.').unwrap_or((name, ""));
        let kind = self.whole.get("Resources").and_then(|resources| resources.get(resource)?.get("Type")?.as_str());
        let is_arn = attribute.to_ascii_lowercase().ends_with("arn");
        self.unknown(name, kind.filter(|_| is_arn).and_then(service).as_deref())
    }

    fn substitute(&self, argument: &Value) -> Value {
        let (pattern, variables) = match argument {
            Value::Array(parts) => (parts.first().map(text).unwrap_or_default(), parts.get(1)),
            one => (text(one), None),
        };
        let (mut done, mut rest) = (String::new(), pattern.as_str());
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
            let value = match variables.and_then(|variables| variables.get(name)) {
                Some(value) => self.resolve(value),
                None if name.contains('.') => Some(self.attribute(name)),
                None => self.reference(name),
            };
            done.push_str(&value.map_or_else(String::new, |value| text(&value)));
        }
        Value::from(done + rest)
    }

    /// The file beside the template. One that lies elsewhere can't be read from here.
    fn include(&self, argument: &Value) -> Value {
        let location = argument.get("Parameters").and_then(|parameters| self.resolve(parameters.get("Location")?));
        let location = location.as_ref().and_then(Value::as_str).unwrap_or_default();
        let path: PathBuf = self.known.folder.join(location);
        if argument.get("Name").and_then(Value::as_str) != Some("AWS::Include") || location.starts_with("s3:") {
            return self.unknown(&label("Fn::Transform", argument), None);
        }
        match value_of(&path).map(|value| self.resolve(&value)) {
            Ok(value) => value.unwrap_or_default(),
            Err(why) => {
                self.note(format!("`AWS::Include`: {why}"));
                Value::Null
            }
        }
    }

    /// Conditions that can't be decided are taken for true, and noted.
    fn condition(&self, name: &str) -> bool {
        if let Some(told) = self.known.values.get(name) {
            return told == "true";
        }
        let condition = self.whole.get("Conditions").and_then(|conditions| conditions.get(name));
        condition.and_then(|condition| self.holds(condition)).unwrap_or_else(|| {
            self.note(format!("condition `{name}` is taken for true: say otherwise by `--set {name}=false`"));
            true
        })
    }

    fn holds(&self, condition: &Value) -> Option<bool> {
        let (name, argument) = condition.as_object()?.iter().next()?;
        let items = argument.as_array().map_or(&[][..], Vec::as_slice);
        match name.as_str() {
            "Condition" => Some(self.condition(argument.as_str()?)),
            "Fn::Not" => self.holds(items.first()?).map(|holds| !holds),
            "Fn::And" => items.iter().map(|item| self.holds(item)).try_fold(true, |all, one| Some(all && one?)),
            "Fn::Or" => items.iter().map(|item| self.holds(item)).try_fold(false, |any, one| Some(any || one?)),
            "Fn::Equals" => {
                let (left, right) = (self.resolve(items.first()?)?, self.resolve(items.get(1)?)?);
                let (left, right) = (text(&left), text(&right));
                let symbols = self.symbols.borrow();
                if left == right {
                    Some(true)
                } else if symbols.is_in(&left) || symbols.is_in(&right) {
                    None
                } else {
                    Some(false)
                }
            }
            _ => None,
        }
    }
}

fn parameter_type(parameter: &Value) -> &str {
    parameter.get("Type").and_then(Value::as_str).unwrap_or_default()
}

/// How a function that stays is printed.
fn label(name: &str, argument: &Value) -> String {
    format!("{name} {argument}")
}

/// As ARNs have it: `AWS::SNS::Topic` is of `sns`.
fn service(kind: &str) -> Option<String> {
    let service = kind.split("::").nth(1)?.to_ascii_lowercase();
    Some(match (service.as_str(), kind.rsplit("::").next()) {
        ("serverless", Some("Function")) => "lambda".to_owned(),
        ("serverless" | "stepfunctions", _) => "states".to_owned(),
        _ => service,
    })
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
