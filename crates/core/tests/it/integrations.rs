//! Properties of all tables of integrations, and the forms of names and ARNs that a call may have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

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

#[test]
fn a_version_or_an_alias_of_a_state_machine_is_granted_by_the_state_machine() {
    let arn = |rest: &str| format!("arn:aws:states:{ELSEWHERE}:{rest}");
    for name in ["stateMachine:churn", "stateMachine:churn:7", "stateMachine:churn:prod"] {
        for pattern in ["", ".sync", ".sync:2", ".waitForTaskToken"] {
            let resource = format!("states:startExecution{pattern}");
            let required = derived(&resource, json!({ "StateMachineArn": arn(name) }));
            assert_eq!(granted(&required, "states:StartExecution"), BTreeSet::from([arn("stateMachine:churn")]));
            for action in
                ["states:DescribeExecution", "states:StopExecution"].iter().filter(|_| pattern.contains("sync"))
            {
                assert_eq!(granted(&required, action), BTreeSet::from([arn("execution:churn:*")]));
            }
        }
        let call =
            on("aws-sdk:sfn:startSyncExecution", json!({ "StateMachineArn": arn(name) }), "states:StartSyncExecution");
        assert_eq!(call, [arn("stateMachine:churn")]);
    }
    for (known, machine, executions) in [
        ("stateMachine:churn:p", "stateMachine:churn", "execution:churn:*"),
        ("stateMachine:churn-", "stateMachine:churn-*", "execution:churn-*:*"),
        ("", "stateMachine:*", "execution:*:*"),
    ] {
        let begun = format!("States.Format('{}{{}}', $.x)", arn(known));
        let required = derived("states:startExecution.sync", json!({ "StateMachineArn.$": begun }));
        assert_eq!(granted(&required, "states:StartExecution"), BTreeSet::from([arn(machine)]));
        assert_eq!(granted(&required, "states:DescribeExecution"), BTreeSet::from([arn(executions)]));
    }
}

/// Managed rules are always of the state machine's own region and account.
#[test]
fn an_arn_of_another_place_leads_each_action_of_the_state_there() {
    for (resource, parameters) in [
        (
            "states:startExecution.sync",
            json!({ "StateMachineArn": format!("arn:aws:states:{ELSEWHERE}:stateMachine:m") }),
        ),
        ("codebuild:startBuild.sync", json!({ "ProjectName": format!("arn:aws:codebuild:{ELSEWHERE}:project/p") })),
        ("codebuild:stopBuildBatch", json!({ "Id": format!("arn:aws:codebuild:{ELSEWHERE}:build-batch/p:1") })),
        ("codebuild:batchGetReports", json!({ "ReportArns": [format!("arn:aws:codebuild:{ELSEWHERE}:report/g:1")] })),
        (
            "batch:submitJob.sync",
            json!({
                "JobQueue": format!("arn:aws:batch:{ELSEWHERE}:job-queue/q"),
                "JobDefinition": format!("arn:aws:batch:{ELSEWHERE}:job-definition/d:1"),
                "Tags": {},
            }),
        ),
        (
            "ecs:runTask.sync",
            json!({
                "Cluster": format!("arn:aws:ecs:{ELSEWHERE}:cluster/c"),
                "TaskDefinition": format!("arn:aws:ecs:{ELSEWHERE}:task-definition/t:1"),
                "PropagateTags": "TASK_DEFINITION",
            }),
        ),
        (
            "mediaconvert:createJob.sync",
            json!({ "Queue": format!("arn:aws:mediaconvert:{ELSEWHERE}:queues/q"), "Role": ROLE }),
        ),
        (
            "http:invoke",
            json!({
                "ApiEndpoint": "https://example.com",
                "Method": "GET",
                "Authentication": { "ConnectionArn": format!("arn:aws:events:{ELSEWHERE}:connection/c/1") },
            }),
        ),
    ] {
        let required = derived_in("aws", resource, Some(("Parameters", parameters)));
        let resources: BTreeSet<&String> = required.grants.iter().flat_map(|grant| &grant.resources).collect();
        let here: Vec<_> = resources
            .into_iter()
            .filter(|on| *on != "*" && !on.contains(ELSEWHERE) && !on.contains(":rule/StepFunctions"))
            .collect();
        assert!(here.is_empty(), "{resource}: {here:?}");
    }
}

/// <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html>
#[test]
fn an_inference_profile_leads_to_the_models_behind_it() {
    let arn = |rest: &str| format!("arn:aws:bedrock:us-east-1:123456789012:{rest}");
    let model = |region: &str, id: &str| format!("arn:aws:bedrock:{region}::foundation-model/{id}");
    let called = |id: &str| on("bedrock:invokeModel", json!({ "ModelId": id }), "bedrock:InvokeModel");
    assert_eq!(called("amazon.nova-lite-v1:0"), [model("us-east-1", "amazon.nova-lite-v1:0")]);
    let behind = [model("*", "amazon.nova-lite-v1:0"), arn("inference-profile/us.amazon.nova-lite-v1:0")];
    assert_eq!(called("us.amazon.nova-lite-v1:0"), behind);
    assert_eq!(called(&behind[1]), behind);
    for kind in ["provisioned-model", "custom-model-deployment", "imported-model"] {
        assert_eq!(called(&arn(&format!("{kind}/x"))), [arn(&format!("{kind}/x"))]);
    }
    // A profile whose id tells no model reaches models only by way of the profile.
    let untold = derived("bedrock:invokeModel", json!({ "ModelId": arn("inference-profile/x") }));
    let wide = untold.grants.iter().filter(|grant| grant.resources.iter().any(|on| on.ends_with("foundation-model/*")));
    assert!(
        wide.clone().count() == 1 && wide.into_iter().all(|grant| grant.condition.is_some()),
        "{:?}",
        untold.grants
    );
    let profile = arn("application-inference-profile/x");
    let required = derived("bedrock:invokeModel", json!({ "ModelId": profile }));
    let [itself, models] = required.grants.as_slice() else { panic!("{:?}", required.grants) };
    assert_eq!((&itself.resources, &itself.condition), (&BTreeSet::from([profile.clone()]), &None));
    let condition = json!({ "ArnLike": { "bedrock:InferenceProfileArn": [profile] } });
    assert_eq!((&models.resources, &models.condition), (&BTreeSet::from([model("*", "*")]), &Some(condition)));

    for kind in ["prompt-router", "default-prompt-router"] {
        let router = arn(&format!("{kind}/x"));
        let required = derived("bedrock:invokeModel", json!({ "ModelId": router }));
        let [itself, models] = required.grants.as_slice() else { panic!("{:?}", required.grants) };
        assert_eq!((&itself.resources, &itself.condition), (&BTreeSet::from([router.clone()]), &None));
        let condition = json!({ "ArnLike": { "bedrock:PromptRouterArn": [router] } });
        let behind = [model("*", "*"), "arn:aws:bedrock:*:123456789012:inference-profile/*".to_owned()];
        assert_eq!((&models.resources, &models.condition), (&BTreeSet::from(behind), &Some(condition)));
    }

    let unknown = on("bedrock:invokeModel", json!({ "ModelId.$": "$.model" }), "bedrock:InvokeModel");
    for one in [
        model("eu-west-1", "amazon.nova-lite-v1:0"),
        arn("application-inference-profile/x"),
        arn("custom-model-deployment/x"),
        arn("default-prompt-router/x"),
        arn("imported-model/x"),
        arn("inference-profile/us.x"),
        arn("prompt-router/x"),
        arn("provisioned-model/x"),
    ] {
        assert!(unknown.iter().any(|pattern| matches(pattern, &one)), "{one} in {unknown:?}");
    }
    // `us.` may be followed by any model, and `us` may be followed by `.`.
    for (known, id) in [("us.amazon.", "amazon.*"), ("us", "*"), ("amazon.", "amazon.*")] {
        let begun = format!("States.Format('{known}{{}}', $.x)");
        let models = on("bedrock:invokeModel", json!({ "ModelId.$": begun }), "bedrock:InvokeModel");
        assert!(models.contains(&model("*", id)), "{known}: {models:?}");
    }
}

/// <https://docs.aws.amazon.com/step-functions/latest/dg/connect-bedrockagentcore.html>
#[test]
fn the_harness_of_agentcore_is_named_as_step_functions_names_it() {
    let harness = "arn:aws:bedrock-agentcore:us-east-1:123456789012:harness/churn";
    let required = derived("bedrockagentcore:invokeHarness", json!({ "HarnessArn": harness }));
    for action in ["bedrock-agentcore:InvokeHarness", "bedrock-agentcore:InvokeAgentRuntime"] {
        assert!(granted(&required, action).contains(harness), "{action}");
    }
    for pattern in [".sync", ".waitForTaskToken"] {
        let resource = format!("bedrockagentcore:invokeHarness{pattern}");
        assert!(!derived_in("aws", &resource, None).errors.is_empty(), "{resource}");
    }
    assert!(!derived_in("aws", "bedrock-agentcore:invokeHarness", None).errors.is_empty());
}

#[test]
fn each_volume_key_of_a_tuning_job_is_granted() {
    let key = |id: &str| format!("arn:aws:kms:us-east-1:123456789012:key/{id}");
    let definition = |a: &str, b: &str| {
        json!({
            "RoleArn": ROLE,
            "ResourceConfig": { "VolumeKmsKeyId": key(a) },
            "HyperParameterTuningResourceConfig": { "VolumeKmsKeyId": key(b) },
        })
    };
    let tuning = |more: Value| {
        let mut parameters = json!({ "HyperParameterTuningJobName": "churn" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        on("sagemaker:createHyperParameterTuningJob.sync", parameters, "kms:CreateGrant")
    };
    assert_eq!(tuning(json!({ "TrainingJobDefinition": definition("1", "2") })), [key("1"), key("2")]);
    let several = json!([definition("1", "2"), { "RoleArn": ROLE }, definition("3", "4")]);
    assert_eq!(tuning(json!({ "TrainingJobDefinitions": several })), ["1", "2", "3", "4"].map(key));
    assert!(tuning(json!({ "TrainingJobDefinition": { "RoleArn": ROLE } })).is_empty());
}

#[test]
fn an_alias_of_a_key_is_granted_by_a_condition() {
    for (resource, name, member) in [
        ("sagemaker:createEndpointConfig", "EndpointConfigName", "KmsKeyId"),
        ("sagemaker:createTransformJob", "TransformJobName", "TransformResources.VolumeKmsKeyId"),
    ] {
        let keys = |key: &str| {
            let mut parameters = json!({ name: "churn" });
            set(&mut parameters, member, ("", key));
            let required = derived(resource, parameters);
            let grants = required.grants.iter().filter(|grant| grant.actions.contains("kms:CreateGrant"));
            let grants: Vec<&Grant> = grants.collect();
            let [grant] = grants.as_slice() else { panic!("{resource}: {:?}", required.grants) };
            (grant.resources.first().unwrap().clone(), grant.condition.clone().unwrap())
        };
        let of = |place: &str, rest: &str| format!("arn:aws:kms:{place}:{rest}");
        let here = "us-east-1:123456789012";
        let by_alias = json!(["alias/churn"]);
        for (alias, place) in [("alias/churn".to_owned(), here), (of(ELSEWHERE, "alias/churn"), ELSEWHERE)] {
            let (on, condition) = keys(&alias);
            assert_eq!(
                (on, &condition["ForAnyValue:StringLike"]["kms:ResourceAliases"]),
                (of(place, "key/*"), &by_alias)
            );
            assert_eq!(condition["Bool"]["kms:GrantIsForAWSResource"], "true");
        }
        let (on, condition) = keys("1-2");
        assert_eq!((on, condition.get("ForAnyValue:StringEquals")), (of(here, "key/1-2"), None));
    }
}

#[test]
fn the_condition_on_an_encrypted_state_machine_admits_each_name_that_begins_so() {
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
    let overrides = BTreeMap::new();
    let context = DeriveContext {
        place: &place,
        execution_roles: &[],
        overrides: &overrides,
        actions: &BTreeMap::new(),
        resources: &BTreeMap::new(),
    };
    for (name, expected) in [(Some("churn-"), "churn-*"), (None, "*")] {
        let key = Some("arn:aws:kms:us-east-1:123456789012:key/1".to_owned());
        let features = Features { state_machine: name.map(str::to_owned), key, ..Features::default() };
        let required = derive(&asl::Machine::default(), &features, context);
        let machine = format!("arn:aws:states:us-east-1:123456789012:stateMachine:{expected}");
        let condition = json!({ "StringLike": { "kms:EncryptionContext:aws:states:stateMachineArn": machine } });
        assert_eq!(required.grants.first().unwrap().condition, Some(condition));
    }
}

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html>
#[test]
fn a_message_to_a_connection_is_another_action_than_a_request() {
    let host = "a1b2.execute-api.us-east-1.amazonaws.com";
    let actions = |more: Value| {
        let mut parameters = json!({ "ApiEndpoint": host, "Stage": "prod", "Method": "POST", "AuthType": "IAM_ROLE" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let required = derived("apigateway:invoke", parameters);
        let all = |action| granted(&required, action).into_iter().collect::<Vec<_>>();
        (all("execute-api:Invoke"), all("execute-api:ManageConnections"))
    };
    let arn = |path: &str| vec![format!("arn:aws:execute-api:us-east-1:123456789012:a1b2/prod/POST/{path}")];
    let none = Vec::<String>::new;
    for path in ["/@connections/x", "@connections/x", "/%40connections/x", "%40connections/x"] {
        assert_eq!(actions(json!({ "Path": path })), (none(), arn("@connections/x")));
    }
    for (begun, known) in [("/@connections/", ""), ("/%40connections", ""), ("@connections/team-", "team-")] {
        let begun = json!({ "Path.$": format!("States.Format('{begun}{{}}', $.id)") });
        assert_eq!(actions(begun), (none(), arn(&format!("@connections/{known}*"))));
    }
    assert_eq!(actions(json!({ "Path": "/score" })), (arn("score"), none()));
    assert_eq!(actions(json!({})), (arn("*"), none()));
    assert_eq!(actions(json!({ "Path.$": "States.Format('/s-{}', $.id)" })), (arn("s-*"), none()));
    assert_eq!(actions(json!({ "Path.$": "$.path" })), (arn("*"), arn("@connections/*")));
    assert_eq!(actions(json!({ "Path.$": "$.path", "AuthType": "NO_AUTH" })), (none(), none()));
}

#[test]
fn the_url_of_a_queue_has_several_hosts() {
    for (host, region) in [
        ("sqs.eu-west-1.amazonaws.com", "eu-west-1"),
        ("sqs.eu-west-1.api.aws", "eu-west-1"),
        ("sqs-fips.us-west-2.amazonaws.com", "us-west-2"),
        ("sqs-fips.us-west-2.api.aws", "us-west-2"),
        ("eu-west-1.queue.amazonaws.com", "eu-west-1"),
        ("queue.amazonaws.com", "us-east-1"),
        ("vpce-1.sqs.eu-west-1.vpce.amazonaws.com", "eu-west-1"),
    ] {
        let queue = format!("arn:aws:sqs:{region}:123456789012:churn");
        let url = format!("https://{host}/123456789012/churn");
        assert_eq!(on("sqs:sendMessage", json!({ "QueueUrl": url }), "sqs:SendMessage"), [queue]);
    }
}

#[test]
fn an_http_task_may_have_two_connections_and_a_query() {
    let connection = |name: &str| format!("arn:aws:events:us-east-1:123456789012:connection/{name}/1");
    let request = |more: Value| {
        let mut parameters = json!({ "ApiEndpoint": "https://example.com/x?v=1", "Method": "GET" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        derived_in("aws", "http:invoke", Some(("Parameters", parameters)))
    };
    let both = json!({
        "Authentication": { "ConnectionArn": connection("a") },
        "InvocationConfig": { "ConnectionArn": connection("b") },
    });
    let only = |name: &str| Value::Object(Map::from_iter([(name.to_owned(), both[name].clone())]));
    for (more, names) in
        [(both.clone(), vec!["a", "b"]), (only("Authentication"), vec!["a"]), (only("InvocationConfig"), vec!["b"])]
    {
        let required = request(more);
        assert!(required.errors.is_empty(), "{:?}", required.errors);
        let connections: BTreeSet<String> = names.iter().map(|name| connection(name)).collect();
        assert_eq!(granted(&required, "events:RetrieveConnectionCredentials"), connections);
        let secret = |name| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:events!connection/{name}/*");
        assert_eq!(
            granted(&required, "secretsmanager:GetSecretValue"),
            names.into_iter().map(secret).collect::<BTreeSet<String>>()
        );
        let endpoint =
            &required.grants.first().unwrap().condition.as_ref().unwrap()["StringLike"]["states:HTTPEndpoint"];
        assert_eq!(*endpoint, json!(["https://example.com/x", "https://example.com/x${?}v=1"]));
    }
    let neither = request(json!({})).errors.join("; ");
    assert!(neither.contains("`Authentication.ConnectionArn`: missing"), "{neither}");
}

/// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/using-service-linked-roles-cleanup.html>,
/// <https://docs.aws.amazon.com/eks/latest/userguide/using-service-linked-roles.html>,
/// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEMRFullAccessPolicy_v2.html>
#[test]
fn a_cluster_needs_its_service_linked_role_and_passes_roles() {
    let linked = "iam:CreateServiceLinkedRole";
    for (resource, parameters, host) in [
        ("elasticmapreduce:createCluster", json!({}), "elasticmapreduce.amazonaws.com/AWSServiceRoleForEMRCleanup"),
        ("eks:createCluster", json!({ "Name": "c", "RoleArn": ROLE }), "eks.amazonaws.com/AWSServiceRoleForAmazonEKS"),
        (
            "eks:createNodegroup",
            json!({ "ClusterName": "c", "NodegroupName": "n", "NodeRole": ROLE }),
            "eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup",
        ),
        (
            "eks:createFargateProfile",
            json!({ "ClusterName": "c", "FargateProfileName": "f", "PodExecutionRoleArn": ROLE }),
            "eks-fargate.amazonaws.com/AWSServiceRoleForAmazonEKSForFargate",
        ),
    ] {
        for pattern in ["", ".sync"] {
            let roles = on(&format!("{resource}{pattern}"), parameters.clone(), linked);
            assert!(roles.iter().all(|role| role.contains(host)) && roles.len() == 1, "{resource}{pattern}: {roles:?}");
        }
    }
    for node in ["NodeRole", "PodExecutionRoleArn"] {
        let kind = if node == "NodeRole" { "createNodegroup" } else { "createFargateProfile" };
        let parameters = json!({ "ClusterName": "c", "NodegroupName": "n", "FargateProfileName": "f", node: ROLE });
        let read = on(&format!("eks:{kind}"), parameters, "iam:GetRole");
        assert!(read.iter().any(|role| role.contains(":role/aws-service-role/eks-")), "{kind}: {read:?}");
    }
    for (partition, services) in
        [("aws", vec!["ec2.amazonaws.com"]), ("aws-cn", vec!["ec2.amazonaws.com", "ec2.amazonaws.com.cn"])]
    {
        for profile in ["Nodes".to_owned(), format!("arn:{partition}:iam::123456789012:instance-profile/Nodes")] {
            let parameters = json!({ "JobFlowRole": profile });
            let required = derived_in(partition, "elasticmapreduce:createCluster", Some(("Parameters", parameters)));
            assert!(required.errors.is_empty(), "{:?}", required.errors);
            let passed = required.pass_role_grants.iter().map(|one| (one.role.as_str(), one.service.as_str()));
            let role = format!("arn:{partition}:iam::123456789012:role/Nodes");
            let expected: Vec<(&str, &str)> = services.iter().map(|service| (role.as_str(), *service)).collect();
            assert_eq!(passed.collect::<Vec<_>>(), expected);
        }
    }
}

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html>
#[test]
fn a_training_job_needs_the_training_plans_that_it_names() {
    let plan = |name: &str| format!("arn:aws:sagemaker:us-east-1:123456789012:training-plan/{name}");
    let parameters = json!({
        "TrainingJobName": "churn",
        "RoleArn": ROLE,
        "ResourceConfig": {
            "TrainingPlanArn": plan("a"),
            "InstancePreferences": [{ "TrainingPlanArns": [plan("b"), plan("c")] }, {}],
        },
    });
    let granted = on("sagemaker:createTrainingJob", parameters, "sagemaker:CreateTrainingJob");
    assert!(["a", "b", "c"].map(plan).iter().all(|plan| granted.contains(plan)), "{granted:?}");
    assert_eq!(granted.len(), 4);
}

/// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEMRFullAccessPolicy_v2.html>
#[test]
fn in_china_the_service_linked_role_of_emr_may_have_either_name() {
    for (partition, names) in [
        ("aws", json!("elasticmapreduce.amazonaws.com")),
        ("aws-us-gov", json!("elasticmapreduce.amazonaws.com")),
        ("aws-cn", json!(["elasticmapreduce.amazonaws.com", "elasticmapreduce.amazonaws.com.cn"])),
    ] {
        let required = derived_in(partition, "elasticmapreduce:createCluster", Some(("Parameters", json!({}))));
        let linked =
            required.grants.iter().find(|grant| grant.actions.contains("iam:CreateServiceLinkedRole")).unwrap();
        assert_eq!(linked.condition, Some(json!({ "StringLike": { "iam:AWSServiceName": names } })));
        let hosts = linked.resources.iter().rev().map(|arn| arn.split('/').nth(2).unwrap());
        let expected: Vec<&str> = names
            .as_array()
            .map_or_else(|| vec![names.as_str().unwrap()], |all| all.iter().filter_map(Value::as_str).collect());
        assert_eq!(hosts.collect::<Vec<_>>(), expected);
    }
}

/// Each API that tags what it makes needs the tagging action of its service.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>
#[test]
fn tags_of_what_a_task_makes_need_the_tagging_action() {
    let role = json!(ROLE);
    for (resource, parameters, member, action) in [
        ("batch:submitJob", json!({ "JobQueue": "q", "JobDefinition": "d" }), "Tags", "batch:TagResource"),
        (
            "bedrock:createModelCustomizationJob",
            json!({ "BaseModelIdentifier": "m", "RoleArn": role }),
            "JobTags",
            "bedrock:TagResource",
        ),
        (
            "bedrock:createModelCustomizationJob",
            json!({ "BaseModelIdentifier": "m", "RoleArn": role }),
            "CustomModelTags",
            "bedrock:TagResource",
        ),
        ("ecs:runTask", json!({ "TaskDefinition": "t" }), "Tags", "ecs:TagResource"),
        ("eks:createCluster", json!({ "Name": "c", "RoleArn": role }), "Tags", "eks:TagResource"),
        (
            "eks:createNodegroup",
            json!({ "ClusterName": "c", "NodegroupName": "n", "NodeRole": role }),
            "Tags",
            "eks:TagResource",
        ),
        (
            "eks:createFargateProfile",
            json!({ "ClusterName": "c", "FargateProfileName": "f", "PodExecutionRoleArn": role }),
            "Tags",
            "eks:TagResource",
        ),
        ("elasticmapreduce:createCluster", json!({}), "Tags", "elasticmapreduce:AddTags"),
        ("emr-containers:createVirtualCluster", json!({}), "Tags", "emr-containers:TagResource"),
        (
            "emr-containers:startJobRun",
            json!({ "VirtualClusterId": "v", "ExecutionRoleArn": role }),
            "Tags",
            "emr-containers:TagResource",
        ),
        ("emr-serverless:createApplication", json!({}), "Tags", "emr-serverless:TagResource"),
        (
            "emr-serverless:startJobRun",
            json!({ "ApplicationId": "a", "ExecutionRoleArn": role }),
            "Tags",
            "emr-serverless:TagResource",
        ),
        ("mediaconvert:createJob", json!({ "Role": role }), "Tags", "mediaconvert:TagResource"),
    ] {
        assert!(on(resource, parameters.clone(), action).is_empty(), "{resource}: without tags");
        let mut tagged = parameters;
        tagged[member] = json!({ "team": "churn" });
        assert!(!on(resource, tagged, action).is_empty(), "{resource}: with `{member}`");
    }
}

/// <https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-marketplace-prerequisites.html>
#[test]
fn a_model_of_the_marketplace_is_called_by_way_of_its_endpoint() {
    let endpoint = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/churn";
    let required = derived("bedrock:invokeModel", json!({ "ModelId": endpoint }));
    let [model, called] = required.grants.as_slice() else { panic!("{:?}", required.grants) };
    let all = "arn:aws:bedrock:eu-west-1:123456789012:marketplace/model-endpoint/all-access".to_owned();
    assert_eq!((&model.resources, &model.condition), (&BTreeSet::from([all]), &None));
    assert_eq!(called.actions, BTreeSet::from(["sagemaker:InvokeEndpoint".to_owned()]));
    let condition = json!({ "StringEquals": { "aws:CalledViaLast": "bedrock.amazonaws.com" } });
    assert_eq!((&called.resources, &called.condition), (&BTreeSet::from([endpoint.to_owned()]), &Some(condition)));
}

/// A role that a call seldom names is granted if the definition names it.
#[test]
fn an_optional_role_is_passed_if_the_definition_names_it() {
    let builds = "codebuild.amazonaws.com";
    for (resource, name, member, services) in [
        ("codebuild:startBuild", "ProjectName", "ServiceRoleOverride", &[builds][..]),
        ("codebuild:startBuildBatch", "ProjectName", "ServiceRoleOverride", &[builds]),
        ("codebuild:startBuildBatch", "ProjectName", "BuildBatchConfigOverride.ServiceRole", &[builds]),
        ("ecs:runTask", "TaskDefinition", "VolumeConfigurations[*].ManagedEBSVolume.RoleArn", &["ecs.amazonaws.com"]),
        ("eks:createCluster", "Name", "ComputeConfig.NodeRoleArn", &["eks.amazonaws.com", "ec2.amazonaws.com"]),
    ] {
        let mut parameters = json!({ name: "churn" });
        set(&mut parameters, member, ("", ROLE));
        let passed = derived(resource, parameters).pass_role_grants;
        let passed: Vec<&str> = passed.iter().map(|one| one.service.as_str()).collect();
        assert_eq!(passed, services, "{resource}");
    }
    assert_eq!(derived_in("aws", "codebuild:startBuild", None).pass_role_grants, []);
}
