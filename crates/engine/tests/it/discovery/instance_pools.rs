//! Tests the models of instance pools, which an earlier version of the function did not read.

use serde_json::{Value, json};

use mlops_roles_testkit::stage::{ROLE, Stage, create, guardrails, update};

use super::account::account;
use super::{asking, passed, role};

/// The configurations that only instance pools keep from having one role, and what the reason says.
const ONLY_POOLS: [(&str, &str); 2] =
    [("with-pools", "found 2 roles"), ("with-gone-pool", "a resource that it refers to does not exist")];

/// The properties with this endpoint and this description.
fn of_endpoint(name: &str, description: &str) -> Value {
    let mut asked = asking(json!({ "EndpointName": name }));
    asked["Description"] = json!(description);
    asked
}

/// Gives the endpoint `changing` this configuration.
fn configure(stage: &Stage, config: &str) {
    stage.fake.change(|books| {
        let region = books.regions.get_mut("us-east-1").unwrap();
        region.described.insert("DescribeEndpoint changing".into(), json!({ "EndpointConfigName": config }));
    });
}

/// Sends the event, which has to be refused for a reason with this part and to change nothing.
async fn refused(stage: &Stage, event: &Value, part: &str) {
    let before = stage.fake.books();
    let reason = stage.send(event).await.failure().reason().to_owned();
    assert!(reason.contains(part) && reason.contains("nothing was changed"), "{part}: {reason}");
    assert_eq!(stage.fake.books(), before, "{reason}");
}

/// Sends the update, which has to succeed with the role of the first model and with a warning.
async fn accepted(stage: &Stage, event: &Value, config: &str) {
    let response = stage.send(event).await.success();
    assert_eq!(response.0["Data"]["SageMakerExecutionRoleArn"], role("model"), "{config}");
    let told = response.0["Data"]["Warnings"].as_str().unwrap();
    assert!(told.contains("a model of an instance pool has another role"), "{told}");
    assert_eq!(passed(stage), format!("[{:?}]", role("model")), "{config}");
    assert_eq!(stage.fake.books().roles[&ROLE.to_lowercase()].description, "two");
}

/// An earlier version of the function did not read the models of instance pools.
#[tokio::test(start_paused = true)]
async fn an_update_that_leaves_the_endpoint_is_not_refused_for_instance_pools() {
    for (config, part) in ONLY_POOLS {
        let stage = Stage::new(account());
        let (one, two) = (of_endpoint("changing", "one"), of_endpoint("changing", "two"));
        configure(&stage, config);
        refused(&stage, &create(&one), part).await;

        configure(&stage, "of-another");
        stage.send(&create(&one)).await.success();
        assert_eq!(passed(&stage), format!("[{:?}]", role("other")));
        configure(&stage, config);
        accepted(&stage, &update(ROLE, &two, &one), config).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_endpoint_is_refused_for_instance_pools_but_not_in_a_rollback() {
    for (config, part) in ONLY_POOLS {
        let stage = Stage::new(account());
        let (old, new) = (of_endpoint("configured", "one"), of_endpoint("changing", "two"));
        configure(&stage, config);
        stage.send(&create(&old)).await.success();
        let event = update(ROLE, &new, &old);
        refused(&stage, &event, part).await;
        assert_eq!(passed(&stage), format!("[{:?}]", role("config")), "{config}");

        stage.fake.stack_status("UPDATE_ROLLBACK_IN_PROGRESS");
        accepted(&stage, &event, config).await;
    }
}

/// An earlier version refused this too.
#[tokio::test(start_paused = true)]
async fn what_variants_themselves_keep_from_having_one_role_stays_refused() {
    for (config, part) in [("two-different", "found 2 roles"), ("of-a-model-that-went", "does not exist")] {
        let stage = Stage::new(account());
        let (one, two) = (of_endpoint("changing", "one"), of_endpoint("changing", "two"));
        configure(&stage, "of-another");
        stage.send(&create(&one)).await.success();
        configure(&stage, config);
        let event = update(ROLE, &two, &one);
        refused(&stage, &event, part).await;
        stage.fake.stack_status("UPDATE_ROLLBACK_IN_PROGRESS");
        refused(&stage, &event, part).await;
    }
}

/// What is read from Amazon S3 afterwards does not take the place of what the look-up had to say.
#[tokio::test(start_paused = true)]
async fn the_warning_stays_beside_a_definition_in_s3() {
    let mut stage = Stage::new(account());
    let mut allowing = guardrails();
    allowing.definitions.locations = vec!["arn:aws:s3:::artifacts/*".to_owned()];
    stage.handler.guardrails = Ok(allowing);
    let definition = json!({ "StartAt": "Wait", "States": { "Wait": { "Type": "Wait", "Seconds": 1, "End": true } } });
    let object = "artifacts/one.asl.json?versionId=1";
    stage.fake.change(|books| drop(books.objects.insert(object.to_owned(), definition.to_string())));
    let of_endpoint = |description: &str| {
        let mut asked = of_endpoint("changing", description);
        asked["DefinitionS3Location"] = json!({ "Bucket": "artifacts", "Key": "one.asl.json", "Version": "1" });
        asked
    };
    let (one, two) = (of_endpoint("one"), of_endpoint("two"));
    configure(&stage, "of-another");
    stage.send(&create(&one)).await.success();
    configure(&stage, "with-pools");
    let response = stage.send(&update(ROLE, &two, &one)).await.success();
    let told = response.0["Data"]["Warnings"].as_str().unwrap();
    assert!(told.contains("a model of an instance pool has another role"), "{told}");
}
