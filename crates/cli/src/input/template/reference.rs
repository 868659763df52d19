//! Resolves what a template refers to by name: pseudo parameters, parameters, resources and their attributes.

use serde_json::{Map, Value};

use super::{Known, Resolved, Template, text};
use crate::input::symbol::Position;

/// The services whose resources have the attribute `Arn`. CloudFormation tells `Arn` from `arn`.
const HAVE_ARN: [&str; 6] =
    ["AWS::DynamoDB::", "AWS::IAM::", "AWS::Lambda::", "AWS::SQS::", "AWS::Serverless::", "AWS::StepFunctions::"];

impl Template<'_> {
    /// Resolves `Ref`: a pseudo parameter, a parameter, or the physical id of a resource.
    pub(super) fn reference(&self, name: &str, position: Position) -> Resolved {
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
                        Some(default) => {
                            self.findings.borrow_mut().defaults.insert(name.to_owned());
                            text(default)
                        }
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
            if !self.affords(self.budget.steps(found.matches(',').count())) {
                return None;
            }
            return Some(found.split(',').map(|item| Value::from(item.trim())).collect());
        }
        Some(Value::from(self.dynamic(&found, position)))
    }

    /// Resolves `Role.Arn`.
    pub(super) fn attribute(&self, name: &str, position: Position) -> Value {
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
        // To compare a name takes less than to resolve a value.
        let steps = self.section("Resources").map_or(0, Map::len) / 10;
        let is_made = || self.resources().any(|(own, _)| id.starts_with(own)) || loops();
        id.starts_with("AWS::") || (transformed && self.affords(self.budget.steps(steps)) && is_made())
    }
}

fn parameter_type(parameter: &Value) -> &str {
    parameter.get("Type").and_then(Value::as_str).unwrap_or_default()
}
