//! Tests what a single state leads to: its query language, its `Resource`, the reader and the writer of a map, logging,
//! and overrides.

mod maps;
mod overrides;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::all;
use mlops_roles_core::permissions::integration::context::DeriveContext;
use mlops_roles_core::permissions::integration::required::RequiredPermissions;

static LANGUAGES: [Option<&str>; 3] = [None, Some("JSONPath"), Some("JSONata")];

/// The required permissions of a machine. The errors of parsing come before those of deriving.
pub(crate) fn required(machine: &Value, overrides: &[(&str, &str)]) -> RequiredPermissions {
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
    let overrides: BTreeMap<String, Vec<String>> =
        overrides.iter().map(|(path, arn)| ((*path).to_owned(), vec![(*arn).to_owned()])).collect();
    let features = Features { state_machine: Some("runs".into()), ..Features::default() };
    let context = DeriveContext {
        place: &place,
        execution_roles: &[],
        overrides: &overrides,
        actions: &BTreeMap::new(),
        resources: &BTreeMap::new(),
    };
    let (machine, mut errors) = asl::parse(machine);
    let mut required = derive(&machine, &features, context);
    errors.append(&mut required.errors);
    errors.append(&mut required.tightened);
    required.errors = errors;
    required
}

/// The errors of a machine, in one text.
pub(crate) fn errors(machine: &Value) -> String {
    required(machine, &[]).errors.join("\n")
}

/// The resources of the actions of a service, by action.
pub(crate) fn granted(machine: &Value, service: &str) -> BTreeMap<String, BTreeSet<String>> {
    let required = required(machine, &[]);
    assert_eq!(required.errors, Vec::<String>::new(), "{machine}");
    let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for grant in required.grants {
        for action in grant.actions.iter().filter(|action| action.starts_with(service)) {
            granted.entry(action.clone()).or_default().extend(grant.resources.clone());
        }
    }
    granted
}

/// A machine or a part of one, with these states.
pub(crate) fn machine(states: &Value) -> Value {
    json!({ "StartAt": "First", "States": states })
}

fn with(mut holder: Value, name: &str, value: Option<&Value>) -> Value {
    if let Some(value) = value {
        holder[name] = value.clone();
    }
    holder
}

/// A machine with the state in the given kind of state, each with its query language.
fn nested(kind: &str, languages: [Option<&str>; 3], state: &Value) -> Value {
    let [outer, holder, own] = languages.map(|language| language.map(Value::from));
    let inner = machine(&json!({ "Inner": with(state.clone(), "QueryLanguage", own.as_ref()) }));
    let holding = match kind {
        "Branches" => json!({ "Type": "Parallel", "Branches": [inner], "End": true }),
        part => json!({ "Type": "Map", part: inner, "End": true }),
    };
    let holding = with(holding, "QueryLanguage", holder.as_ref());
    with(machine(&json!({ "First": holding })), "QueryLanguage", outer.as_ref())
}

#[test]
fn the_fields_of_a_state_tell_its_language_whatever_surrounds_it() {
    let calls = [
        ("Parameters", json!({ "FunctionName": "score-all" })),
        ("Parameters", json!({ "FunctionName.$": "States.Format('score-{}', $.x)" })),
        ("Arguments", json!({ "FunctionName": "score-all" })),
        ("Arguments", json!({ "FunctionName": "{% 'score-' & $x %}" })),
    ];
    let known = "arn:aws:lambda:us-east-1:123456789012:function:score-";
    let check = |kind: &str, languages: [Option<&str>; 3]| {
        for (field, call) in calls.clone() {
            let state = json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", field: call });
            let machine = nested(kind, languages, &state);
            let granted = granted(&machine, "lambda:");
            let functions = &granted["lambda:InvokeFunction"];
            assert!(functions.iter().all(|function| function.starts_with(known)), "{functions:?} of {machine}");
        }
    };
    for kind in ["ItemProcessor", "Iterator", "Branches"] {
        for outer in LANGUAGES {
            for holder in LANGUAGES {
                for own in LANGUAGES {
                    check(kind, [outer, holder, own]);
                }
            }
        }
    }
}

#[test]
fn a_role_to_assume_is_read_in_either_language() {
    let at_run_time = "`Credentials.RoleArn`: the role is known only at run time";
    for language in LANGUAGES {
        for (credentials, error) in [
            (json!({ "RoleArn": "arn:aws:iam::111122223333:role/Other" }), ""),
            (json!({ "RoleArn.$": "$.role" }), at_run_time),
            (json!({ "RoleArn": "{% $role %}" }), at_run_time),
            (json!("{% $credentials %}"), at_run_time),
        ] {
            let state = json!({
                "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Credentials": credentials,
            });
            let machine = nested("ItemProcessor", [language, None, None], &state);
            let errors = errors(&machine);
            assert!(errors.contains(error) && errors.is_empty() == error.is_empty(), "{errors} of {machine}");
        }
    }
}

#[test]
fn a_resource_may_name_a_region_and_an_account() {
    let grants = |resource: &str| {
        let required = required(&machine(&json!({ "First": { "Type": "Task", "Resource": resource } })), &[]);
        (required.grants, required.pass_role_grants, required.errors)
    };
    let optimised = all().map(|(service, action, _)| format!("{service}:{action}"));
    let calls = ["aws-sdk:s3:getObject", "aws-sdk:sqs:sendMessage.waitForTaskToken", "lambda:invoke.waitForTaskToken"];
    let mut count = 0;
    for call in optimised.chain(calls.map(str::to_owned)) {
        let plain = grants(&format!("arn:aws:states:::{call}"));
        assert_eq!(grants(&format!("arn:aws:states:us-east-1:123456789012:{call}")), plain, "{call}");
        count += 1;
    }
    assert!(count > 50, "{count}");
    for resource in [
        "arn:aws-cn:states:cn-north-1:123456789012:lambda:invoke",
        "arn:aws:states:us-east-1:12:lambda:invoke",
        "arn:aws:states:us-east-1::lambda:invoke",
        "arn:aws:states::123456789012:lambda:invoke",
        "arn:aws:states:us-east-1:123456789012:lambda",
        "arn:aws:states:us-east-1:123456789012:stateMachine:churn",
        "arn:aws:states:us-east-1:123456789012:execution:churn:1",
        "arn:aws:states:us-east-1:123456789012:express:churn:1:1",
        "arn:aws:states:us-east-1:123456789012:mapRun:churn/each:1",
    ] {
        let (_, _, errors) = grants(resource);
        let expected = format!(
            "state `First`: `Resource`: found `{resource}`, expected the ARN of an integration, a Lambda function or \
             an activity"
        );
        assert_eq!(errors, [expected]);
    }
}

/// The actions are those of <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy>.
#[test]
fn logging_grants_the_actions_of_the_guide() {
    let (machine, _) = asl::parse(&machine(&json!({ "Done": { "Type": "Succeed" } })));
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
    let overrides = BTreeMap::new();
    let context = DeriveContext {
        place: &place,
        execution_roles: &[],
        overrides: &overrides,
        actions: &BTreeMap::new(),
        resources: &BTreeMap::new(),
    };
    let required = derive(&machine, &Features { logging: true, ..Features::default() }, context);
    let on = |resource: &str| -> Vec<String> {
        let grants = required.grants.iter().filter(|grant| grant.resources.contains(resource));
        grants.flat_map(|grant| grant.actions.clone()).collect()
    };
    let everywhere = [
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
    ];
    assert_eq!(on("*"), everywhere);
    let streams = ["logs:CreateLogStream", "logs:PutLogEvents"];
    assert_eq!(on("arn:aws:logs:us-east-1:123456789012:log-group:*"), streams);
}

#[test]
fn an_error_that_two_grants_of_a_state_have_is_told_once() {
    let parameters = json!({ "ModelId": "arn:aws:sqs:us-east-1:123456789012:q" });
    let resource = "arn:aws:states:::bedrock:invokeModel";
    let machine =
        machine(&json!({ "First": { "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true } }));
    assert_eq!(required(&machine, &[]).errors.len(), 1);
}

/// A role that a call seldom names is refused for new resources only, since an earlier version did not know of it.
#[test]
fn a_role_that_an_earlier_version_did_not_know_is_refused_for_new_resources_only() {
    for (resource, parameters, told) in [
        ("codebuild:startBuild", json!({ "ProjectName": "p", "ServiceRoleOverride.$": "$.role" }), "run time"),
        (
            "ecs:runTask",
            json!({
                "TaskDefinition": "t",
                "VolumeConfigurations": [{ "ManagedEBSVolume": { "RoleArn": "not a role" } }],
            }),
            "expected the ARN of a role",
        ),
        (
            "batch:submitJob",
            json!({
                "JobQueue": "q",
                "JobDefinition": "d",
                "ConsumableResourcePropertiesOverride": { "ConsumableResourceList": [{ "ConsumableResource": "a*" }] },
            }),
            "without the wildcards",
        ),
    ] {
        let resource = format!("arn:aws:states:::{resource}");
        let task = json!({ "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true });
        let (parsed, _) = asl::parse(&machine(&json!({ "First": task })));
        let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
        let context = DeriveContext {
            place: &place,
            execution_roles: &[],
            overrides: &BTreeMap::new(),
            actions: &BTreeMap::new(),
            resources: &BTreeMap::new(),
        };
        let required = derive(&parsed, &Features::default(), context);
        assert_eq!(required.errors, Vec::<String>::new(), "{resource}");
        assert!(required.tightened.iter().any(|one| one.contains(told)), "{resource}: {:?}", required.tightened);
    }
}

/// One expression may hold the role or not, and the author is told.
#[test]
fn a_role_that_one_expression_may_hold_is_told() {
    for (resource, parameters) in [
        ("ecs:runTask", json!({ "TaskDefinition": "t", "VolumeConfigurations.$": "$.volumes" })),
        ("codebuild:startBuildBatch", json!({ "ProjectName": "p", "BuildBatchConfigOverride.$": "$.config" })),
        (
            "eks:createCluster",
            json!({ "Name": "c", "RoleArn": "arn:aws:iam::123456789012:role/r", "ComputeConfig.$": "$.compute" }),
        ),
    ] {
        let resource = format!("arn:aws:states:::{resource}");
        let task = json!({ "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true });
        let required = required(&machine(&json!({ "First": task })), &[]);
        assert_eq!(required.errors, Vec::<String>::new(), "{resource}");
        assert!(required.notices.iter().any(|one| one.contains("at run time")), "{resource}: {:?}", required.notices);
    }
}
