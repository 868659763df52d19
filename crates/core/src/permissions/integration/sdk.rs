//! Derives what a task needs that calls an API of AWS directly: `aws-sdk:sagemaker:describeEndpoint`.
//!
//! The IAM action has the name of the API, except for a few. The members of the call that name a resource give its ARN.
//!
//! <https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html>

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::iam::arn::Arn;
use crate::permissions::asl::Task;
use crate::permissions::integration::arn_template::ArnTemplate;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::required::RequiredPermissions;
use crate::permissions::integration::resource_pattern::ResourcePattern;

#[derive(Deserialize)]
struct Table {
    /// The prefixes of services in IAM that differ from the names in the SDK, by the name in the SDK.
    prefixes: BTreeMap<String, String>,
    /// The actions of the APIs that have no action of the same name, by `service:api` or `service:*`.
    actions: BTreeMap<String, BTreeSet<String>>,
    /// The members that name a resource, each with its ARN template, by the prefix of the service in IAM.
    resources: BTreeMap<String, BTreeMap<String, String>>,
    /// The APIs whose resource is not the one that their members name.
    ///
    /// An example is `events:putRule`, which has the member `EventBusName` but acts on a rule.
    elsewhere: BTreeSet<String>,
}

static TABLE: LazyLock<Result<Table, String>> = LazyLock::new(|| {
    let broken = |error| format!("the table of APIs can't be parsed: {error}; report it as a bug");
    serde_json::from_str(include_str!("aws-sdk.json")).map_err(broken)
});

/// Adds what a task needs to call `action` of `service`, or an error if there is no such API.
///
/// The resource is `*` if neither `ResourceOverrides` nor the members of the call name one.
pub fn required_by(
    task: &Task,
    service: &str,
    action: &str,
    context: DeriveContext<'_>,
    required: &mut RequiredPermissions,
) {
    let table = match TABLE.as_ref() {
        Ok(table) => table,
        Err(why) => return required.invalid(&task.path, why),
    };
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    // `iam:PassRole` is a permission without an API. A `PassRoleGrant` allows it, for one service.
    let is_permission = action.eq_ignore_ascii_case("passRole");
    if !plain(service) || !plain(action) || is_permission {
        let why = format!("`aws-sdk:{service}:{action}` is not an API; name an API such as `aws-sdk:s3:getObject`");
        return required.invalid(&task.path, &why);
    }
    let prefix = table.prefixes.get(service).map_or(service, String::as_str);
    let exception = [format!("{service}:{action}"), format!("{service}:*")];
    let actions = exception.iter().find_map(|api| table.actions.get(api)).cloned();
    let actions = actions.unwrap_or_else(|| [format!("{prefix}:{}", capital(action))].into());

    // SageMaker can use a role only if the caller may pass the role to it.
    for member in ["RoleArn", "ExecutionRoleArn"].into_iter().filter(|_| prefix == "sagemaker") {
        if task.arguments.shows(member) {
            required.pass(task, member, "sagemaker.amazonaws.com", context);
        }
    }
    let told = context.overrides.get(&task.path).into_iter().flatten();
    let told: Vec<ResourcePattern> = told
        .filter(|arn| Arn::parse(arn).is_some_and(|arn| arn.service == prefix))
        .map(|arn| ResourcePattern::by_hand(arn))
        .collect();
    if !told.is_empty() {
        return required.grant(&task.path, actions, told, None);
    }
    let members = table.resources.get(prefix).filter(|_| !table.elsewhere.contains(&format!("{service}:{action}")));
    let shown = members.into_iter().flatten().filter(|(member, _)| task.arguments.shows(member));
    let mut patterns: BTreeMap<&String, &String> = shown.collect();
    for (part, whole) in [("Key", "Bucket"), ("IndexName", "TableName")] {
        if patterns.contains_key(&part.to_owned()) {
            patterns.remove(&whole.to_owned());
        }
    }
    let mut resources = Vec::new();
    for on in patterns.into_values() {
        match ArnTemplate::parse(on).render(task, false, "the grant covers every log stream of the group", context) {
            Ok(rendered) => resources.extend(rendered),
            Err(why) => return required.invalid(&task.path, &why),
        }
    }
    if resources.is_empty() {
        let why = format!("the task does not name a resource for `{service}:{action}`, but `ResourceOverrides` can");
        resources.push(ResourcePattern::always("*".to_owned(), &why));
    }
    required.grant(&task.path, actions, resources, None);
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}
