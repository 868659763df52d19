//! Tasks that call any API of AWS: `aws-sdk:sagemaker:describeEndpoint`. The action has the API's name but for a few, and
//! its resource is told by the members that name one.
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
    /// The service's name in IAM where it is another than in the SDK.
    prefixes: BTreeMap<String, String>,
    /// Actions of the APIs that have none of their own name.
    actions: BTreeMap<String, BTreeSet<String>>,
    /// By service in IAM: members that name a resource, and how.
    resources: BTreeMap<String, BTreeMap<String, String>>,
    /// APIs whose resource is another than their members name: `events:putRule` on a rule, beside `EventBusName`.
    elsewhere: BTreeSet<String>,
}

static TABLE: LazyLock<Result<Table, String>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("aws-sdk.json")).map_err(|error| format!("the table is broken: {error}"))
});

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
    // Nor a permission without an API: passing a role is granted with the service that it is passed to.
    let is_permission = action.eq_ignore_ascii_case("passRole");
    if !plain(service) || !plain(action) || is_permission {
        return required.invalid(&task.path, &format!("`aws-sdk:{service}:{action}` is no API"));
    }
    let prefix = table.prefixes.get(service).map_or(service, String::as_str);
    let exception = [format!("{service}:{action}"), format!("{service}:*")];
    let actions = exception.iter().find_map(|api| table.actions.get(api)).cloned();
    let actions = actions.unwrap_or_else(|| [format!("{prefix}:{}", capital(action))].into());

    // What SageMaker runs with, it has to be passed.
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
        match ArnTemplate::parse(on).render(task, false, "every log stream of the group", context) {
            Ok(rendered) => resources.extend(rendered),
            Err(why) => return required.invalid(&task.path, &why),
        }
    }
    if resources.is_empty() {
        let why = format!("nothing tells what `{service}:{action}` touches: `ResourceOverrides` can");
        resources.push(ResourcePattern::always("*".to_owned(), &why));
    }
    required.grant(&task.path, actions, resources, None);
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}
