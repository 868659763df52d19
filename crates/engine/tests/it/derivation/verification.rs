//! Tests the simulation of the derived permissions, and what the boundary denies of them.

use serde_json::{Value, json};

use mlops_roles_core::guardrails::boundary::BoundaryDenies;

use mlops_roles_testkit::account::Fake;
use mlops_roles_testkit::stage::{ROLE, Stage, create, update};

use super::{asking, invoking, machine, task};

fn two_buckets() -> Value {
    machine(json!({
        "Read": task("aws-sdk:s3:getObject", json!({ "Bucket": "data", "Key": "in.csv" })),
        "Score": task("lambda:invoke", json!({ "FunctionName": "score" })),
    }))
}

#[tokio::test(start_paused = true)]
async fn a_role_that_the_simulator_does_not_see_yet_is_waited_for() {
    let verified = asking(two_buckets(), json!({ "VerifyPermissions": "true" }));
    let late = Stage::new(Fake::new());
    late.fake.simulator_lags(5);
    late.send(&create(&verified)).await.success();
    let never = Stage::new(Fake::new());
    never.fake.simulator_lags(u32::MAX);
    let reason = never.send(&create(&verified)).await.failure().reason().to_owned();
    assert!(reason.contains("could not verify the permissions: iam:SimulatePrincipalPolicy: NoSuchEntity"), "{reason}");
    assert!(never.fake.books().roles.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_simulator_can_not_judge_is_told_and_what_it_denies_fails_all_the_same() {
    let verified = asking(two_buckets(), json!({ "VerifyPermissions": "true" }));
    let stage = Stage::new(Fake::new());
    stage.fake.unjudged("s3:GetObject");
    let response = stage.send(&create(&verified)).await.success();
    assert_eq!(response.0["Data"]["NotVerified"], "s3:GetObject");
    let mut again = verified.clone();
    again["Revision"] = json!("2");
    let response = stage.send(&update(ROLE, &again, &verified)).await.success();
    assert_eq!(response.0["Data"]["NotVerified"], "s3:GetObject", "also where there is nothing to change");

    stage.fake.beyond_boundary("lambda:");
    let reason = stage.send(&update(ROLE, &verified, &again)).await.failure().reason().to_owned();
    assert!(reason.contains("`lambda:InvokeFunction`") && reason.contains("nothing was changed"), "{reason}");

    let blind = Stage::new(Fake::new());
    for action in ["s3:GetObject", "lambda:InvokeFunction"] {
        blind.fake.unjudged(action);
    }
    let reason = blind.send(&create(&verified)).await.failure().reason().to_owned();
    let told = "could not verify any permission, because IAM's policy simulator can't evaluate the actions: `lambda:";
    assert!(reason.contains(told) && reason.contains("; remove `VerifyPermissions` or `VerifyAccess`"), "{reason}");
    assert!(blind.fake.books().roles.is_empty());

    let judged = Stage::new(Fake::new());
    let response = judged.send(&create(&verified)).await.success();
    assert_eq!(response.0["Data"]["NotVerified"], "");
}

#[tokio::test(start_paused = true)]
async fn what_the_simulator_tells_nothing_of_is_not_verified() {
    let verified = asking(two_buckets(), json!({ "VerifyPermissions": "true" }));
    let stage = Stage::new(Fake::new());
    stage.fake.silent_about("s3:");
    let response = stage.send(&create(&verified)).await.success();
    assert_eq!(response.0["Data"]["NotVerified"], "s3:GetObject");
    let mute = Stage::new(Fake::new());
    mute.fake.silent_about("");
    let reason = mute.send(&create(&verified)).await.failure().reason().to_owned();
    assert!(reason.contains("could not verify any permission"), "{reason}");
}

/// A denial in a rollback, like any other refusal, would leave the stack where it is.
#[tokio::test(start_paused = true)]
async fn a_rollback_goes_on_though_what_it_brings_back_is_denied() {
    let verified = |text: &str| asking(two_buckets(), json!({ "VerifyPermissions": "true", "Description": text }));
    for (status, goes_on) in [("UPDATE_IN_PROGRESS", false), ("UPDATE_ROLLBACK_IN_PROGRESS", true)] {
        for now in ["two", "one"] {
            let stage = Stage::new(Fake::new());
            stage.send(&create(&verified("one"))).await.success();
            stage.fake.stack_status(status);
            stage.fake.beyond_boundary("lambda:");
            let response = stage.send(&update(ROLE, &verified(now), &verified("one"))).await;
            assert_eq!(response.succeeded(), goes_on, "{response:?}");
            if goes_on {
                let told = response.0["Data"]["Warnings"].as_str().unwrap();
                assert!(told.contains("can't perform `lambda:InvokeFunction`"), "{told}");
            }
        }
    }
}

/// Step Functions tries the rule of a `.sync` task and the delivery of logs while it creates or updates the state
/// machine.
#[tokio::test(start_paused = true)]
async fn an_update_that_grants_what_is_needed_at_once_waits_as_a_create_does() {
    let plain = asking(invoking(&["score"]), json!({ "SettleSeconds": "10" }));
    let training = json!({
        "TrainingJobName": "churn", "RoleArn": "arn:aws:iam::123456789012:role/MySageMakerRole",
    });
    let jobs = machine(json!({ "Train": task("sagemaker:createTrainingJob.sync", training.clone()) }));
    let more_jobs = machine(json!({
        "Train": task("sagemaker:createTrainingJob.sync", training),
        "Score": task("lambda:invoke", json!({ "FunctionName": "score" })),
    }));
    let with_jobs = asking(jobs, json!({ "SettleSeconds": "10" }));
    let with_more = asking(more_jobs, json!({ "SettleSeconds": "10" }));
    let logged = asking(invoking(&["score"]), json!({ "SettleSeconds": "10", "Logging": "true" }));
    let other = asking(invoking(&["rank"]), json!({ "SettleSeconds": "10" }));
    // The trust policy of this role names the state machine.
    let named = asking(invoking(&["score"]), json!({ "SettleSeconds": "10", "StateMachineName": "churn" }));
    for (from, to, waits) in [
        (&plain, &with_jobs, true),
        (&plain, &logged, true),
        (&with_jobs, &with_more, false),
        (&with_jobs, &plain, false),
        (&plain, &other, false),
        (&plain, &named, true),
    ] {
        let stage = Stage::new(Fake::new());
        stage.send(&create(from)).await.success();
        let started = tokio::time::Instant::now();
        stage.send(&update(ROLE, to, from)).await.success();
        assert_eq!(started.elapsed() >= std::time::Duration::from_secs(10), waits, "{to}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_boundary_denies_of_a_definition_is_told() {
    let build = |more: Value| {
        let mut parameters = json!({ "ProjectName": "train" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        task("codebuild:startBuild", parameters)
    };
    let definition = machine(json!({
        "Plain": build(json!({})),
        "Own": build(json!({ "BuildspecOverride": "version: 0.2", "EnvironmentVariablesOverride": [] })),
        "Shell": task("aws-sdk:ecs:executeCommand", json!({ "Command": "sh", "Interactive": true, "Task": "x" })),
        "Code": task("aws-sdk:lambda:updateFunctionCode", json!({ "FunctionName": "score" })),
        "Who": task("aws-sdk:sts:getCallerIdentity", json!({})),
        "User": task("aws-sdk:iam:createUser", json!({ "UserName": "eve" })),
    }));
    for (level, expected) in [
        ("None", "iam:CreateUser"),
        ("Standard", "codebuild:StartBuild with BuildspecOverride, ecs:ExecuteCommand, iam:CreateUser"),
        (
            "Strict",
            "codebuild:StartBuild with BuildspecOverride, ecs:ExecuteCommand, iam:CreateUser, lambda:UpdateFunctionCode",
        ),
    ] {
        let mut stage = Stage::new(Fake::new());
        stage.handler.guardrails.as_mut().unwrap().boundary_denies = BoundaryDenies::parse(level).unwrap();
        let response = stage.send(&create(&asking(definition.clone(), json!({})))).await.success();
        assert_eq!(response.0["Data"]["BeyondBoundary"], expected, "{level}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_denied_fails_the_operation_and_names_state_action_and_side() {
    let verified = |definition| asking(definition, json!({ "VerifyPermissions": "true" }));
    let role = "arn:aws:iam::123456789012:role/MySageMakerRole";
    let training = machine(json!({
        "Train": task("sagemaker:createTrainingJob.sync", json!({
            "TrainingJobName": "churn",
            "RoleArn": role,
            "ResourceConfig": { "VolumeKmsKeyId": "11111111-2222-3333-4444-555555555555" },
        })),
        "Score": task("lambda:invoke", json!({ "FunctionName": "score" })),
    }));
    let stage = Stage::new(Fake::new());
    stage.fake.page(2);
    stage.send(&create(&verified(training.clone()))).await.success();
    assert!(stage.fake.calls().contains(&"SimulatePrincipalPolicy".to_owned()));

    let denying = Stage::new(Fake::new());
    denying.fake.beyond_boundary("lambda:");
    let reason = denying.send(&create(&verified(training.clone()))).await.failure().reason().to_owned();
    assert!(
        reason.contains(
            "state `Score` can't perform `lambda:InvokeFunction` on \
             `arn:aws:lambda:us-east-1:123456789012:function:score`: denied by the permissions boundary"
        ),
        "{reason}"
    );
    assert!(reason.ends_with("; rolled back") && denying.fake.books().roles.is_empty(), "{reason}");

    // IAM reads may be stale, so a denial at first need not last.
    let lagging = Stage::new(Fake::new());
    lagging.fake.lag(std::time::Duration::from_secs(8));
    lagging.send(&create(&verified(training.clone()))).await.success();

    // There is nothing to change, but the permissions are verified again.
    stage.fake.beyond_boundary("sagemaker:Stop");
    let mut again = verified(training.clone());
    again["Revision"] = json!("2");
    let reason = stage.send(&update(ROLE, &again, &verified(training))).await.failure().reason().to_owned();
    assert!(reason.contains("`sagemaker:StopTrainingJob`") && reason.contains("nothing was changed"), "{reason}");
}
