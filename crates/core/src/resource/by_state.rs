//! The properties that tell something of single states, by the path of the state: `ResourceOverrides`, `TaskActions` and
//! `TaskResources`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::iam::arn::Arn;
use crate::permissions::integration::task_resources::{DeclaredRole, TaskResources};
use crate::resource::properties::Reader;
use crate::resource::role;
use crate::resource::role::RoleProperties;
use crate::resource::spec::ReadContext;

/// Reads `ResourceOverrides`: ARNs by the path of a state.
pub fn overrides(reader: &Reader<'_>) -> BTreeMap<String, Vec<String>> {
    let Some(value) = reader.raw("ResourceOverrides") else { return BTreeMap::new() };
    let Some(members) = value.as_object() else {
        reader.invalid("ResourceOverrides", &value.to_string(), "an object with one ARN or a list for each state");
        return BTreeMap::new();
    };
    let mut overrides = BTreeMap::new();
    for (state, arns) in members {
        let items = arns.as_array().cloned().unwrap_or_else(|| vec![arns.clone()]);
        let mut told = Vec::new();
        for item in items {
            match item.as_str().filter(|text| Arn::parse(text).is_some()) {
                Some(arn) => told.push(arn.to_owned()),
                None => reader.invalid(&format!("ResourceOverrides.{state}"), &item.to_string(), "an ARN"),
            }
        }
        overrides.insert(state.clone(), told);
    }
    overrides
}

/// Reads `TaskActions`: IAM actions by the path of a state.
pub fn actions(reader: &Reader<'_>) -> BTreeMap<String, Vec<String>> {
    let Some(value) = reader.raw("TaskActions") else { return BTreeMap::new() };
    let Some(members) = value.as_object() else {
        reader.invalid("TaskActions", &value.to_string(), "an object with one action or a list for each state");
        return BTreeMap::new();
    };
    let mut actions = BTreeMap::new();
    for (state, names) in members {
        let items = names.as_array().cloned().unwrap_or_else(|| vec![names.clone()]);
        let mut told = Vec::new();
        for item in items {
            if let Some(action) = item.as_str().filter(|text| is_action(text)) {
                told.push(action.to_owned());
            } else {
                let expected = "one action without wildcards, such as `sagemaker:CreateEndpoint`";
                reader.invalid(&format!("TaskActions.{state}"), &item.to_string(), expected);
            }
        }
        if told.is_empty() {
            reader.invalid(&format!("TaskActions.{state}"), &names.to_string(), "at least one action");
        }
        actions.insert(state.clone(), told);
    }
    actions
}

/// Whether a text is a literal action of IAM. `iam:PassRole` is none here: a `PassRoleGrant` allows it, for one service.
fn is_action(text: &str) -> bool {
    let plain = |text: &str, more: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
    };
    text.split_once(':').is_some_and(|(service, name)| plain(service, b"-") && plain(name, b""))
        && !text.eq_ignore_ascii_case("iam:PassRole")
}

/// Reads `TaskResources`: what states use besides what the definition names, by the path of the state.
///
/// `itself` is the workflow role, which must not be passed.
pub fn resources(
    reader: &Reader<'_>,
    context: ReadContext<'_>,
    itself: &RoleProperties,
) -> BTreeMap<String, TaskResources> {
    let Some(value) = reader.raw("TaskResources") else { return BTreeMap::new() };
    let Some(members) = value.as_object() else {
        reader.invalid("TaskResources", &value.to_string(), "an object with `{Read, Write, PassRoles}` for each state");
        return BTreeMap::new();
    };
    let known =
        |item: &Map<String, Value>| item.keys().all(|name| matches!(name.as_str(), "Read" | "Write" | "PassRoles"));
    let resources = members.iter().map(|(state, declared)| {
        let path = format!("TaskResources.{state}");
        let Some(declared) = declared.as_object().filter(|item| known(item)) else {
            let expected = "`{Read, Write, PassRoles}`, or `{}` for a state that needs nothing more";
            reader.invalid(&path, &declared.to_string(), expected);
            return (state.clone(), TaskResources::default());
        };
        let arns = |list| {
            let is_taken = |text: &&str| {
                let arn = Arn::parse(text).filter(|arn| arn.partition == context.place.partition);
                arn.is_some() && !text.contains('$')
            };
            let expected = format!("an ARN of partition `{}`, without `$`", context.place.partition);
            let arn = |item: &Value| {
                let arn = item.as_str().filter(is_taken);
                if arn.is_none() {
                    reader.invalid(&format!("{path}.{list}"), &item.to_string(), &expected);
                }
                arn.map(str::to_owned)
            };
            Some(items(declared.get(list)?).filter_map(arn).collect())
        };
        let path = format!("{path}.PassRoles");
        let role = |item: &Value| declared_role(reader, context, itself, &path, item);
        let pass_roles = declared.get("PassRoles").map(|roles| items(roles).filter_map(role).collect());
        (state.clone(), TaskResources { read: arns("Read"), write: arns("Write"), pass_roles })
    });
    resources.collect()
}

/// The items of a list. A value that is no list stands for a list of itself.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter()
}

/// Reads an item of `PassRoles`. `path` names the list in messages.
fn declared_role(
    reader: &Reader<'_>,
    context: ReadContext<'_>,
    itself: &RoleProperties,
    path: &str,
    item: &Value,
) -> Option<DeclaredRole> {
    let text = |name| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let one = DeclaredRole { role: text("RoleArn"), service: text("Service") };
    let has_both = item.as_object().is_some_and(|item| item.len() == 2) && !one.role.is_empty();
    if !has_both || !is_principal(&one.service) {
        let expected = "`{RoleArn, Service}`, with a service such as `ecs-tasks.amazonaws.com`";
        reader.invalid(path, &item.to_string(), expected);
        return None;
    }
    role::check_passable(reader, context, &format!("{path}.RoleArn"), &one.role, itself);
    Some(one)
}

/// Whether a text is a service principal: `ecs-tasks.amazonaws.com`.
fn is_principal(text: &str) -> bool {
    let name = text.strip_suffix(".amazonaws.com").or_else(|| text.strip_suffix(".amazonaws.com.cn"));
    name.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
    })
}
