//! Tests the forms of names, ARNs and URLs that lead to other resources than they name.

use std::collections::BTreeSet;

use serde_json::json;

use mlops_roles_core::iam::arn::matches;

use super::{ELSEWHERE, ROLE, derived, derived_in, granted, on};

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
