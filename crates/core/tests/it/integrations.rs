//! Properties of all tables of integrations, and the forms of names and ARNs that a call may have.

mod arn_forms;
mod connections;
mod emr;
mod further_needs;
mod keys;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use mlops_roles_core::iam::arn::{Place, matches};
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::all;
use mlops_roles_core::permissions::integration::apis::{self, Api};
use mlops_roles_core::permissions::integration::context::DeriveContext;
use mlops_roles_core::permissions::integration::required::{Grant, RequiredPermissions};

const ROLE: &str = "arn:aws:iam::123456789012:role/Run";

const ELSEWHERE: &str = "eu-west-1:210987654321";

/// What a machine of one task needs. `arguments` is the field with its value: `("Parameters", …)`.
pub(crate) fn derived_in(partition: &str, resource: &str, arguments: Option<(&str, Value)>) -> RequiredPermissions {
    let place = Place { partition: partition.into(), region: "us-east-1".into(), account: "123456789012".into() };
    let mut task = json!({ "Type": "Task", "Resource": format!("arn:{partition}:states:::{resource}"), "End": true });
    if let Some((field, value)) = arguments {
        task[field] = value;
        if field == "Arguments" {
            task["QueryLanguage"] = json!("JSONata");
        }
    }
    let (machine, errors) = asl::parse(&json!({ "StartAt": "First", "States": { "First": task } }));
    assert!(errors.is_empty(), "{errors:?}");
    let (roles, overrides) = ([ROLE.to_owned()], BTreeMap::new());
    let context = DeriveContext {
        place: &place,
        execution_roles: &roles,
        overrides: &overrides,
        actions: &BTreeMap::new(),
        resources: &BTreeMap::new(),
    };
    derive(&machine, &Features::default(), context)
}

pub(crate) fn derived(resource: &str, parameters: Value) -> RequiredPermissions {
    let required = derived_in("aws", resource, Some(("Parameters", parameters.clone())));
    assert!(required.errors.is_empty(), "{resource} {parameters}: {:?}", required.errors);
    required
}

/// The resources on which an action is granted, in one set.
pub(crate) fn granted(required: &RequiredPermissions, action: &str) -> BTreeSet<String> {
    let grants = required.grants.iter().filter(|grant| grant.actions.contains(action));
    grants.flat_map(|grant| grant.resources.clone()).collect()
}

pub(crate) fn on(resource: &str, parameters: Value, action: &str) -> Vec<String> {
    granted(&derived(resource, parameters), action).into_iter().collect()
}

/// The placeholders in ARN templates or conditions, each as its member and `how`.
pub(crate) fn placeholders(text: &str) -> Vec<(String, String)> {
    let inside = text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(inside, _)| inside);
    let inside =
        inside.filter(|inside| inside.bytes().all(|b| b.is_ascii_alphanumeric() || b"[]*.| :/=-".contains(&b)));
    let parts = inside.map(|inside| inside.split_once('=').map_or(inside, |(inside, _)| inside));
    parts.map(|inside| inside.split_once('|').unwrap_or((inside, ""))).map(|(m, h)| (m.into(), h.into())).collect()
}

/// Sets a member at a path: `Entries[*].EventBusName`. A list gets one item.
pub(crate) fn set(value: &mut Value, path: &str, leaf: (&str, &str)) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (name, each) = first.strip_suffix("[*]").map_or((first, false), |name| (name, true));
    let (suffix, text) = leaf;
    match (rest, each) {
        (None, false) => value[format!("{name}{suffix}")] = json!(text),
        (None, true) => value[name] = json!([text]),
        (Some(rest), false) => set(&mut value[name], rest, leaf),
        (Some(rest), true) => {
            if value[name].is_null() {
                value[name] = json!([{}]);
            }
            set(&mut value[name][0], rest, leaf);
        }
    }
}

/// The known beginning of a value of which `name` is the beginning of the last name.
fn beginning(service: &str, how: &str, name: &str) -> Option<String> {
    let (how, kind) = how.split_once(' ').unwrap_or((how, ""));
    Some(match how {
        "role" | "place" | "profile-models" | "aliased-key" => return None,
        "arn" | "cased-arn" => format!("arn:aws:{service}:{ELSEWHERE}:{kind}{name}"),
        "state-machine" => format!("arn:aws:states:{ELSEWHERE}:stateMachine:{name}"),
        "report-group" => format!("arn:aws:codebuild:{ELSEWHERE}:report/{name}"),
        "connection-secret" => format!("arn:aws:events:{ELSEWHERE}:connection/{name}"),
        "queue" => format!("https://sqs.eu-west-1.amazonaws.com/210987654321/{name}"),
        "bucket" | "objects" | "object" => format!("s3://{name}"),
        "model" | "called-model" | "base-model" => format!("anthropic.{name}"),
        _ => name.to_owned(),
    })
}

#[test]
fn each_table_keeps_the_known_beginning_of_each_name() {
    let (mut lost, mut count) = (Vec::new(), 0);
    for (service, action, integration) in all() {
        let sync = if integration.patterns.contains("sync") { ".sync" } else { "" };
        for need in &integration.grants {
            let mut parameters = json!({});
            for member in need.given.iter().take(1).chain(need.also.first()) {
                let (member, value) = member.split_once('=').unwrap_or((member, "given"));
                set(&mut parameters, member, ("", value.trim_end_matches('*')));
            }
            for (member, how) in placeholders(&need.condition.as_ref().map_or_else(String::new, Value::to_string)) {
                let value = if how == "role" { ROLE } else { "https://example.com" };
                set(&mut parameters, &member, ("", value));
            }
            let (mut expected, mut seen) = (Vec::new(), BTreeSet::new());
            for on in &need.on {
                let of = on.split(':').next().unwrap();
                for (member, how) in placeholders(on) {
                    let name = format!("churn{}-", expected.len());
                    let Some(known) = beginning(of, &how, &name) else { continue };
                    // An item of a list has no name, so it can't be an expression of JSONPath.
                    if member.ends_with("[*]") || !seen.insert(member.clone()) {
                        continue;
                    }
                    set(&mut parameters, &member, (".$", &format!("States.Format('{known}{{}}', $.x)")));
                    expected.push(name);
                }
            }
            let required = derived_in("aws", &format!("{service}:{action}{sync}"), Some(("Parameters", parameters)));
            let resources: Vec<&String> = required.grants.iter().flat_map(|grant| &grant.resources).collect();
            count += expected.len();
            let missing = expected.iter().filter(|name| !resources.iter().any(|on| on.contains(&format!("{name}*"))));
            lost.extend(missing.map(|name| format!("{service}:{action} {:?}: {name} in {resources:?}", need.on)));
        }
    }
    assert!(count > 60, "{count}");
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    for (api, member, known, expected) in [
        ("ssm:getParameter", "Name", "/churn/a-", ":parameter/churn/a-*"),
        ("ecr:describeImages", "RepositoryName", "team/churn-", ":repository/team/churn-*"),
        ("cloudwatchlogs:filterLogEvents", "LogGroupName", "/aws/lambda/churn-", ":log-group:/aws/lambda/churn-*:*"),
    ] {
        let member = format!("{member}.$");
        let required =
            derived(&format!("aws-sdk:{api}"), json!({ member: format!("States.Format('{known}{{}}', $.x)") }));
        let resources: Vec<&String> = required.grants.iter().flat_map(|grant| &grant.resources).collect();
        assert!(resources.iter().any(|on| on.ends_with(expected)), "{api}: {resources:?}");
    }
    let object = json!({ "Bucket": "b", "Key.$": "States.Format('out/a-{}', $.x)" });
    assert_eq!(on("aws-sdk:s3:getObject", object, "s3:GetObject"), ["arn:aws:s3:::b/out/a-*"]);
}

#[test]
fn each_name_of_sagemaker_is_granted_in_both_spellings() {
    let mut members: Vec<(String, String, String)> = Vec::new();
    for (service, action, integration) in all() {
        for on in integration.grants.iter().flat_map(|need| &need.on).filter(|on| on.starts_with("sagemaker:")) {
            let all = placeholders(on).into_iter();
            members.extend(all.map(|(member, how)| (format!("{service}:{action}"), member, how)));
        }
    }
    let sagemaker = apis::services().filter(|service| service.prefix == "sagemaker");
    for (service, api) in sagemaker.flat_map(|service| service.apis().map(move |api| (service, api))) {
        let Api::Known { needs, .. } = service.api(&api, true).unwrap() else { continue };
        // An id that SageMaker chooses has one spelling.
        for on in
            needs.iter().flat_map(|need| &need.on).filter(|on| on.contains("Name") && on.starts_with("sagemaker:"))
        {
            let all = placeholders(on).into_iter().filter(|(member, _)| member.ends_with("Name"));
            members.extend(all.map(|(member, how)| (format!("{}:{api}", service.name), member, how)));
        }
    }
    assert!(members.len() > 30, "{members:?}");
    for (of, member, how) in members {
        // The ARN of a cluster has an id in place of the name. The last segment of an ARN has both spellings too.
        let both = ["cased", "known-by-arn", "last-segment"].iter().any(|one| how.starts_with(one));
        assert!(both, "{of}: `{member}` has one spelling: {how}");
    }
    for (resource, member, kind, action) in [
        ("sagemaker:createTransformJob", "TransformJobName", "transform-job/", "sagemaker:CreateTransformJob"),
        ("aws-sdk:sagemaker:describePipeline", "PipelineName", "pipeline/", "sagemaker:DescribePipeline"),
        (
            "aws-sdk:sagemaker:describeModelPackageGroup",
            "ModelPackageGroupName",
            "model-package-group/",
            "sagemaker:DescribeModelPackageGroup",
        ),
    ] {
        let arn = |name: &str| format!("arn:aws:sagemaker:us-east-1:123456789012:{kind}{name}");
        let both = [arn("Churn"), arn("churn")];
        assert_eq!(on(resource, json!({ member: "Churn" }), action), both);
        assert_eq!(on(resource, json!({ member: arn("Churn") }), action), both);
        let known = format!("{member}.$");
        let begun = [arn("Churn-*"), arn("churn-*")];
        assert_eq!(on(resource, json!({ known: "States.Format('Churn-{}', $.x)" }), action), begun);
    }
}

fn covered(grant: &Grant, grants: &[Grant]) -> bool {
    grant.actions.iter().all(|action| {
        grant.resources.iter().all(|resource| {
            let mut granting = grants.iter().filter(|other| other.actions.contains(action));
            granting.any(|other| other.resources.iter().any(|pattern| matches(pattern, resource)))
        })
    })
}

/// `Arguments` that are one expression may have any member or none.
#[test]
fn arguments_that_are_one_expression_grant_what_unknown_arguments_grant() {
    let mut lost = Vec::new();
    for (service, action, _) in all() {
        let resource = format!("{service}:{action}");
        let unknown = derived_in("aws", &resource, None);
        let whole = derived_in("aws", &resource, Some(("Arguments", json!("{% $x %}"))));
        let missing = unknown.grants.iter().filter(|grant| !covered(grant, &whole.grants));
        lost.extend(missing.map(|grant| format!("{resource}: {grant:?}")));
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
    let whole = derived_in("aws", "lambda:invoke", Some(("Arguments", json!("{% $x %}"))));
    let functions = granted(&whole, "lambda:InvokeFunction");
    assert!(functions.contains("arn:aws:lambda:us-east-1:123456789012:function:*"), "{functions:?}");
}
