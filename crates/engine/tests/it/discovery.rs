//! Tests that the execution role of something in SageMaker is found instead of given.

mod account;
mod instance_pools;

use serde_json::{Value, json};

use mlops_roles_core::guardrails::Guardrails;

use mlops_roles_testkit::account::{Mischief, Role};
use mlops_roles_testkit::stage::{ROLE, Stage, create, delete, guardrails, update, with};

use account::account;

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/SageMaker-{name}")
}

fn asking(source: Value) -> Value {
    with(json!({ "SageMakerExecutionRoleArns": null, "SageMakerExecutionRole": source }))
}

/// Properties with the role of a notebook, and a task that takes its role from the input.
fn training() -> Value {
    let task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createTrainingJob",
        "Parameters": { "TrainingJobName": "churn", "RoleArn.$": "$.role" },
        "End": true,
    });
    let mut asked = asking(json!({ "NotebookInstanceName": "nb" }));
    asked["Definition"] = json!({ "StartAt": "Train", "States": { "Train": task } });
    asked
}

/// The roles that the workflow role may pass.
fn passed(stage: &Stage) -> String {
    let books = stage.fake.books();
    books.roles[&ROLE.to_lowercase()].inline["AssumeRoleSMforStepFunctionPolicy"]["Statement"][0]["Resource"]
        .to_string()
}

#[tokio::test(start_paused = true)]
async fn each_thing_tells_the_role_that_it_runs_with() {
    let service = "arn:aws:iam::123456789012:role/service-role";
    for (source, found) in [
        (json!({ "DomainId": "d-1" }), role("domain")),
        (json!({ "DomainId": "d-1", "UserProfileName": "alice" }), role("alice")),
        (json!({ "DomainId": "d-1", "UserProfileName": "bob" }), role("domain")),
        (json!({ "DomainId": "d-1", "SpaceName": "own" }), role("alice")),
        (json!({ "DomainId": "d-1", "SpaceName": "all" }), role("spaces")),
        (json!({ "NotebookInstanceName": "nb" }), role("notebook")),
        (json!({ "PipelineName": "p" }), role("pipeline")),
        (json!({ "EndpointName": "configured" }), role("config")),
        (json!({ "EndpointName": "alike" }), role("model")),
        (json!({ "TrainingJobName": "job" }), role("training")),
        (json!({ "ClusterName": "alike" }), role("cluster")),
        (json!({ "ClusterName": "restricted" }), role("restricted")),
        (json!({ "ModelPackageName": "package" }), role("validation")),
        (
            json!({ "RoleNamePrefix": "stackSageMakerExecutionRole-" }),
            format!("{service}/stackSageMakerExecutionRole-1a"),
        ),
    ] {
        let stage = Stage::new(account());
        stage.fake.page(1);
        let response = stage.send(&create(&asking(source.clone()))).await.success();
        assert_eq!(response.0["Data"]["SageMakerExecutionRoleArn"], found, "{source}");
        assert_eq!(passed(&stage), format!("[{found:?}]"), "{source}");
        // Delete does not search: the thing by which the role was found may be gone.
        stage.fake.change(|books| books.regions.clear());
        stage.send(&delete(ROLE, &asking(source))).await.success();
        assert!(!stage.fake.books().roles.contains_key(&ROLE.to_lowercase()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_found_is_told_apart_and_nothing_is_made() {
    for (source, parts) in [
        (json!({ "DomainId": "d-9" }), ["domain `d-9`", "does not exist in us-east-1"]),
        (json!({ "DomainId": "d-2" }), ["domain `d-2`", "has no execution role"]),
        (json!({ "DomainId": "d-2", "UserProfileName": "carol" }), ["user profile `carol` of domain `d-2`", "has no"]),
        (json!({ "DomainId": "d-1", "UserProfileName": "x" }), ["user profile `x`", "does not exist"]),
        (json!({ "DomainId": "d-1", "SpaceName": "x" }), ["space `x`", "does not exist"]),
        (json!({ "NotebookInstanceName": "x" }), ["notebook instance `x`", "RecordNotFound"]),
        (json!({ "EndpointName": "x" }), ["endpoint `x`", "does not exist"]),
        (
            json!({ "EndpointName": "broken" }),
            ["endpoint `broken`: a resource that it refers to does not exist", "sagemaker:DescribeModel"],
        ),
        (json!({ "EndpointName": "mixed" }), ["SageMaker-model`, `arn", "SageMaker-other`; set `SageMakerExecution"]),
        (json!({ "EndpointName": "pooled" }), ["found 2 roles", "SageMaker-other`; set `SageMakerExecution"]),
        (json!({ "EndpointName": "shadowed" }), ["found 2 roles", "SageMaker-other`; set `SageMakerExecution"]),
        (json!({ "PipelineName": "x" }), ["pipeline `x`", "does not exist"]),
        (json!({ "TrainingJobName": "x" }), ["training job `x`", "does not exist in us-east-1"]),
        (json!({ "TrainingJobName": "serverless" }), ["training job `serverless`", "has no execution role"]),
        (json!({ "ClusterName": "x" }), ["cluster `x`", "does not exist in us-east-1"]),
        (json!({ "ClusterName": "bare" }), ["cluster `bare`", "has no execution role"]),
        (json!({ "ClusterName": "mixed" }), ["SageMaker-cluster`, `arn", "SageMaker-restricted`; set"]),
        (json!({ "ModelPackageName": "x" }), ["model package `x`", "does not exist in us-east-1"]),
        (json!({ "ModelPackageName": "unvalidated" }), ["model package `unvalidated`", "has no execution role"]),
        (json!({ "RoleNamePrefix": "otherSageMaker" }), ["otherSageMakerExecutionRole-2b", "otherSageMakerX"]),
        (json!({ "RoleNamePrefix": "nobody" }), ["begins with `nobody`", "has no such role"]),
    ] {
        let stage = Stage::new(account());
        let before = stage.fake.books();
        let reason = stage.send(&create(&asking(source.clone()))).await.failure().reason().to_owned();
        for part in parts.iter().chain(&["`SageMakerExecutionRole`", "nothing was changed"]) {
            assert!(reason.contains(part), "{part} is missing in {reason}");
        }
        assert_eq!(stage.fake.books(), before, "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_is_denied_or_throttled_to_the_end_says_which() {
    for (mischief, part) in [
        (Mischief::Denied, "the function is not allowed to read it: sagemaker:DescribeDomain"),
        (Mischief::Throttled, "AWS did not return the role in time: sagemaker:DescribeDomain"),
    ] {
        let stage = Stage::new(account());
        stage.fake.break_action("DescribeDomain", mischief);
        let reason = stage.send(&create(&asking(json!({ "DomainId": "d-1" })))).await.failure().reason().to_owned();
        assert!(reason.contains(part), "{part} is missing in {reason}");
        assert!(!stage.fake.books().roles.contains_key(&ROLE.to_lowercase()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_looks_again_and_a_changed_role_changes_the_grant() {
    let stage = Stage::new(account());
    let asked = asking(json!({ "DomainId": "d-1" }));
    stage.send(&create(&asked)).await.success();
    stage.fake.change(|books| {
        let region = books.regions.get_mut("us-east-1").unwrap();
        let changed = json!({ "DefaultUserSettings": { "ExecutionRole": role("new") } });
        region.described.insert("DescribeDomain d-1".into(), changed);
    });
    let mut again = asked.clone();
    again["Revision"] = json!("2");
    let response = stage.send(&update(ROLE, &again, &asked)).await.success();
    assert_eq!(response.0["Data"]["SageMakerExecutionRoleArn"], role("new"));
    assert_eq!(passed(&stage), format!("[{:?}]", role("new")));
}

#[tokio::test(start_paused = true)]
async fn the_found_role_serves_the_tasks_that_take_theirs_from_the_input() {
    let stage = Stage::new(account());
    stage.send(&create(&training())).await.success();
    assert_eq!(passed(&stage), format!("[{:?}]", role("notebook")));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_property_comes_with_all_other_mistakes_and_before_any_look() {
    for (source, part) in [
        (json!("arn"), "`SageMakerExecutionRole`: found `arn`, expected one of `{DomainId}`"),
        (json!({}), "expected one of `{DomainId}`"),
        (json!({ "DomainId": "d-1", "PipelineName": "p" }), "expected one of `{DomainId}`"),
        (json!({ "DomainId": "" }), "expected one of `{DomainId}`"),
        (json!({ "Domain": "d-1" }), "expected one of `{DomainId}`"),
    ] {
        let stage = Stage::new(account());
        let mut asked = asking(source);
        asked["MaxSessionDuration"] = json!("5");
        let reason = stage.send(&create(&asked)).await.failure().reason().to_owned();
        assert!(reason.contains(part) && reason.starts_with("2 validation errors"), "{reason}");
        assert_eq!(stage.fake.calls(), Vec::<String>::new());
    }
    let stage = Stage::new(account());
    let two_wrong = with(json!({ "SageMakerExecutionRole": { "Domain": "d-1" } }));
    let reason = stage.send(&create(&two_wrong)).await.failure().reason().to_owned();
    assert!(reason.starts_with("2 validation errors") && reason.contains("not allowed with"), "{reason}");
    let both = with(json!({ "SageMakerExecutionRole": { "DomainId": "d-1" } }));
    let reason = stage.send(&create(&both)).await.failure().reason().to_owned();
    assert!(reason.contains("not allowed with `SageMakerExecutionRoleArns`"), "{reason}");
    assert_eq!(stage.fake.calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_role_outside_the_guardrails_is_found_and_not_passed() {
    let fake = account();
    fake.change(|books| {
        let region = books.regions.get_mut("us-east-1").unwrap();
        let admin = json!({ "RoleArn": "arn:aws:iam::123456789012:role/Administrator" });
        region.described.insert("DescribeNotebookInstance admin".into(), admin);
    });
    let stage = Stage::new(fake);
    let reason =
        stage.send(&create(&asking(json!({ "NotebookInstanceName": "admin" })))).await.failure().reason().to_owned();
    assert!(reason.contains("role/Administrator") && reason.contains("`PassableRoleArns`"), "{reason}");
    assert!(!stage.fake.books().roles.contains_key(&ROLE.to_lowercase()));
}

#[tokio::test(start_paused = true)]
async fn the_workflow_role_is_not_taken_for_the_one_that_it_asks_for() {
    let stage = Stage::new(account());
    stage.fake.change(|books| {
        let one = Role { name: "AmazonSageMaker-Execution".into(), path: "/".into(), ..Role::default() };
        books.roles.insert("amazonsagemaker-execution".into(), one);
    });
    let asked = asking(json!({ "RoleNamePrefix": "AmazonSageMaker-" }));
    let found = "arn:aws:iam::123456789012:role/AmazonSageMaker-Execution";
    let mut again = asked.clone();
    again["Revision"] = json!("2");
    let mut replaced = again.clone();
    (replaced["RoleName"], replaced["PolicyName"]) = (json!("AmazonSageMaker-Two"), json!("AmazonSageMaker-Two"));
    for event in [create(&asked), create(&asked), update(ROLE, &again, &asked), update(ROLE, &replaced, &again)] {
        let response = stage.send(&event).await.success();
        assert_eq!(response.0["Data"]["SageMakerExecutionRoleArn"], found);
    }
}

#[tokio::test(start_paused = true)]
async fn a_guardrails_is_asked_about_the_role_that_was_found_and_about_no_other() {
    let mut stage = Stage::new(account());
    let passable = vec![role("notebook")];
    stage.handler.guardrails = Ok(Guardrails { passable_roles: passable, ..guardrails() });
    let mut asked = training();
    stage.send(&create(&asked)).await.success();
    assert_eq!(passed(&stage), format!("[{:?}]", role("notebook")));
    asked["SageMakerExecutionRole"] = json!({ "PipelineName": "p" });
    let reason = stage.send(&create(&asked)).await.failure().reason().to_owned();
    assert!(reason.contains("SageMaker-pipeline") && !reason.contains("validation errors"), "once: {reason}");
}
