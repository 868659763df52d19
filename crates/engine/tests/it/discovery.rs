//! Tests that the execution role of something in SageMaker is found instead of given.

use serde_json::{Value, json};

use mlops_roles_core::guardrails::Guardrails;

use mlops_roles_testkit::fake::sagemaker::Region;
use mlops_roles_testkit::fake::{Fake, Mischief, Role};
use mlops_roles_testkit::stage::{ROLE, Stage, create, delete, guardrails, update, with};

fn role(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/SageMaker-{name}")
}

/// An account in which each thing has a role of its own.
fn account() -> Fake {
    let fake = Fake::new();
    fake.change(|books| {
        let settings = |member: &str, name: &str| json!({ member: { "ExecutionRole": role(name) } });
        let described = [
            (
                "DescribeDomain d-1",
                json!({
                    "DefaultUserSettings": { "ExecutionRole": role("domain") },
                    "DefaultSpaceSettings": { "ExecutionRole": role("spaces") },
                }),
            ),
            ("DescribeDomain d-2", json!({})),
            ("DescribeUserProfile d-1/alice", settings("UserSettings", "alice")),
            ("DescribeUserProfile d-1/bob", json!({})),
            ("DescribeUserProfile d-2/carol", json!({ "UserSettings": {} })),
            (
                "DescribeSpace d-1/own",
                json!({
                    "SpaceSharingSettings": { "SharingType": "Private" },
                    "OwnershipSettings": { "OwnerUserProfileName": "alice" },
                }),
            ),
            (
                "DescribeSpace d-1/all",
                json!({
                    "SpaceSharingSettings": { "SharingType": "Shared" },
                    "OwnershipSettings": { "OwnerUserProfileName": "alice" },
                }),
            ),
            ("DescribeNotebookInstance nb", json!({ "RoleArn": role("notebook") })),
            ("DescribePipeline p", json!({ "RoleArn": role("pipeline") })),
            ("DescribeTrainingJob job", json!({ "TrainingJobStatus": "Completed", "RoleArn": role("training") })),
            ("DescribeTrainingJob serverless", json!({ "TrainingJobStatus": "Completed" })),
            ("DescribeCluster alike", groups(&["cluster", "cluster"], &["cluster"])),
            ("DescribeCluster mixed", groups(&["cluster"], &["restricted"])),
            ("DescribeCluster restricted", groups(&[], &["restricted"])),
            ("DescribeCluster bare", json!({ "ClusterRole": role("autoscaling"), "InstanceGroups": [] })),
            (
                "DescribeModelPackage MetadataOnly/package",
                json!({ "ValidationSpecification": { "ValidationRole": role("validation") } }),
            ),
            ("DescribeModelPackage MetadataOnly/unvalidated", json!({ "ModelPackageStatus": "Completed" })),
            ("DescribeEndpoint pooled", json!({ "EndpointConfigName": "with-pools" })),
            ("DescribeEndpoint shadowed", json!({ "EndpointConfigName": "with-shadow-pools" })),
            ("DescribeEndpointConfig with-pools", json!({ "ProductionVariants": [pooled("m1", &["m2", "m3"])] })),
            (
                "DescribeEndpointConfig with-shadow-pools",
                json!({
                    "ProductionVariants": [pooled("m1", &["m2"])],
                    "ShadowProductionVariants": [pooled("m2", &["m3"])],
                }),
            ),
            ("DescribeEndpointConfig with-gone-pool", json!({ "ProductionVariants": [pooled("m1", &["m2", "gone"])] })),
            ("DescribeEndpointConfig of-another", variants(&["m3"])),
            ("DescribeEndpoint configured", json!({ "EndpointConfigName": "with-role" })),
            ("DescribeEndpoint alike", json!({ "EndpointConfigName": "two-alike" })),
            ("DescribeEndpoint mixed", json!({ "EndpointConfigName": "two-different" })),
            ("DescribeEndpoint broken", json!({ "EndpointConfigName": "of-a-model-that-went" })),
            ("DescribeEndpointConfig with-role", json!({ "ExecutionRoleArn": role("config") })),
            ("DescribeEndpointConfig two-alike", variants(&["m1", "m2"])),
            ("DescribeEndpointConfig two-different", variants(&["m1", "m3"])),
            ("DescribeEndpointConfig of-a-model-that-went", variants(&["gone"])),
            ("DescribeModel m1", json!({ "ModelName": "m1", "ExecutionRoleArn": role("model") })),
            ("DescribeModel m2", json!({ "ModelName": "m2", "ExecutionRoleArn": role("model") })),
            ("DescribeModel m3", json!({ "ModelName": "m3", "ExecutionRoleArn": role("other") })),
        ];
        let described = described.into_iter().map(|(request, reply)| (request.to_owned(), reply)).collect();
        books.regions.insert("us-east-1".into(), Region { described, ..Region::default() });
        for name in ["stackSageMakerExecutionRole-1a", "otherSageMakerExecutionRole-2b", "otherSageMakerX"] {
            let one = Role { name: name.into(), path: "/service-role/".into(), ..Role::default() };
            books.roles.insert(name.to_lowercase(), one);
        }
    });
    fake
}

fn variants(models: &[&str]) -> Value {
    let variants = models.iter().map(|model| json!({ "VariantName": model, "ModelName": model }));
    json!({ "ProductionVariants": variants.collect::<Vec<_>>() })
}

/// A variant with a model, and an instance pool for each model that overrides it.
fn pooled(model: &str, overrides: &[&str]) -> Value {
    let with_override = |model: &&str| json!({ "InstanceType": "ml.g5.xlarge", "ModelNameOverride": model });
    let pools = [json!({ "InstanceType": "ml.m5.xlarge" })].into_iter().chain(overrides.iter().map(with_override));
    json!({ "VariantName": model, "ModelName": model, "InstancePools": pools.collect::<Vec<_>>() })
}

/// A cluster with an instance group for each role, and restricted instance groups.
fn groups(plain: &[&str], restricted: &[&str]) -> Value {
    let groups = |names: &[&str]| names.iter().map(|name| json!({ "ExecutionRole": role(name) })).collect::<Vec<_>>();
    json!({
        "ClusterRole": role("autoscaling"),
        "InstanceGroups": groups(plain),
        "RestrictedInstanceGroups": groups(restricted),
    })
}

fn asking(source: Value) -> Value {
    with(json!({ "SageMakerExecutionRoleArns": null, "SageMakerExecutionRole": source }))
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
        let response = stage.send(&update(ROLE, &two, &one)).await.success();
        assert_eq!(response.0["Data"]["SageMakerExecutionRoleArn"], role("model"), "{config}");
        let told = response.0["Data"]["Warnings"].as_str().unwrap();
        assert!(told.contains("a model of an instance pool has another role"), "{told}");
        assert_eq!(passed(&stage), format!("[{:?}]", role("model")), "{config}");
        assert_eq!(stage.fake.books().roles[&ROLE.to_lowercase()].description, "two");
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
        let response = stage.send(&event).await.success();
        assert_eq!(response.0["Data"]["SageMakerExecutionRoleArn"], role("model"), "{config}");
        let told = response.0["Data"]["Warnings"].as_str().unwrap();
        assert!(told.contains("a model of an instance pool has another role"), "{told}");
        assert_eq!(passed(&stage), format!("[{:?}]", role("model")), "{config}");
        assert_eq!(stage.fake.books().roles[&ROLE.to_lowercase()].description, "two");
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

#[tokio::test(start_paused = true)]
async fn the_found_role_serves_the_tasks_that_take_theirs_from_the_input() {
    let stage = Stage::new(account());
    let task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createTrainingJob",
        "Parameters": { "TrainingJobName": "churn", "RoleArn.$": "$.role" },
        "End": true,
    });
    let mut asked = asking(json!({ "NotebookInstanceName": "nb" }));
    asked["Definition"] = json!({ "StartAt": "Train", "States": { "Train": task } });
    stage.send(&create(&asked)).await.success();
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
    let task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::sagemaker:createTrainingJob",
        "Parameters": { "TrainingJobName": "churn", "RoleArn.$": "$.role" },
        "End": true,
    });
    let mut asked = asking(json!({ "NotebookInstanceName": "nb" }));
    asked["Definition"] = json!({ "StartAt": "Train", "States": { "Train": task } });
    stage.send(&create(&asked)).await.success();
    assert_eq!(passed(&stage), format!("[{:?}]", role("notebook")));
    asked["SageMakerExecutionRole"] = json!({ "PipelineName": "p" });
    let reason = stage.send(&create(&asked)).await.failure().reason().to_owned();
    assert!(reason.contains("SageMaker-pipeline") && !reason.contains("validation errors"), "once: {reason}");
}
