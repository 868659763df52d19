//! Tests that the function reads a definition from Amazon S3 where the deployer lets it, and never on a Delete.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use mlops_roles_core::guardrails::{DefinitionObjects, Guardrails};
use mlops_roles_core::resource::definition_location::digest;
use mlops_roles_testkit::account::{Books, Fake, Mischief};
use mlops_roles_testkit::cases::{ONCE, by_hand};
use mlops_roles_testkit::stage::{POLICY, ROLE, Stage, create, delete, guardrails, update, with};

/// A text in every definition that no message and no response may quote.
const HIDDEN: &str = "hidden-content";
const INLINE: &str = "AssumeRoleSMforStepFunctionPolicy";

fn task(resource: &str, parameters: Value) -> Value {
    json!({
        "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Parameters": parameters,
        "Comment": HIDDEN, "End": true,
    })
}

fn invoking(function: &str) -> String {
    let states = json!({ "First": task("lambda:invoke", json!({ "FunctionName": function })) });
    json!({ "StartAt": "First", "Comment": HIDDEN, "States": states }).to_string()
}

fn invoking_many() -> String {
    let states: Value = (0..200)
        .map(|i| format!("function-with-a-name-{i}"))
        .map(|name| (name.clone(), task("lambda:invoke", json!({ "FunctionName": name }))))
        .collect();
    json!({ "StartAt": "function-with-a-name-0", "States": states }).to_string()
}

fn training() -> String {
    let parameters = json!({ "TrainingJobName": "churn", "RoleArn": "arn:aws:iam::123456789012:role/MySageMakerRole" });
    let states = json!({ "First": task("sagemaker:createTrainingJob", parameters) });
    json!({ "StartAt": "First", "States": states }).to_string()
}

/// Properties with this location, and these changes.
fn at(location: Value, more: Value) -> Value {
    let mut properties = with(json!({ "SageMakerExecutionRoleArns": null, "DefinitionS3Location": location }));
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    properties
}

/// Properties with this version of the definition.
fn version(id: &str) -> Value {
    at(json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json", "Version": id }), json!({}))
}

fn store(stage: &Stage, object: &str, content: &str) {
    stage.fake.change(|books| drop(books.objects.insert(format!("artifacts/churn/{object}"), content.to_owned())));
}

/// A stage with two versions of the definition.
fn stored() -> Stage {
    let stage = Stage::new(Fake::new());
    store(&stage, "one.asl.json?versionId=1", &invoking("score"));
    store(&stage, "one.asl.json?versionId=2", &invoking("rank"));
    stage
}

fn reads(stage: &Stage) -> usize {
    stage.fake.calls().iter().filter(|call| *call == "GetObject").count()
}

fn granted(stage: &Stage) -> String {
    let policy = &stage.fake.books().policies[POLICY];
    policy.versions[&policy.default].to_string()
}

/// The account without its objects.
fn entities(stage: &Stage) -> Books {
    Books { objects: BTreeMap::new(), ..stage.fake.books().meaning() }
}

#[tokio::test(start_paused = true)]
async fn the_role_may_do_what_the_object_says_and_a_delete_never_reads_it() {
    let stage = stored();
    let made = stage.send(&create(&version("1"))).await.success();
    assert_eq!(made.0["Data"]["DefinitionSha256"], digest(invoking("score").as_bytes()));
    assert!(granted(&stage).contains("function:score"));
    let changed = stage.send(&update(ROLE, &version("2"), &version("1"))).await.success();
    assert_eq!(changed.0["Data"]["DefinitionSha256"], digest(invoking("rank").as_bytes()));
    assert!(granted(&stage).contains("function:rank") && !granted(&stage).contains("function:score"));
    assert_eq!(reads(&stage), 2, "the old version is not read again");
    stage.fake.change(|books| books.objects.clear());
    stage.send(&delete(ROLE, &version("2"))).await.success();
    assert_eq!(reads(&stage), 2);
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn all_policies_of_an_object_are_updated_and_deleted_without_it() {
    let stage = stored();
    store(&stage, "one.asl.json?versionId=3", &invoking_many());
    let made = stage.send(&create(&version("3"))).await.success();
    assert!(made.0["Data"]["PolicyArns"].as_str().unwrap().split(',').count() > 2);
    stage.send(&update(ROLE, &version("1"), &version("3"))).await.success();
    assert_eq!(stage.fake.books().policies.len(), 1);
    stage.send(&update(ROLE, &version("3"), &version("1"))).await.success();
    stage.fake.change(|books| books.objects.clear());
    stage.send(&delete(ROLE, &version("3"))).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn a_substitution_is_made_and_the_digest_is_that_of_the_object() {
    let stage = stored();
    let template = invoking("${Function}");
    store(&stage, "two.asl.json", &template);
    let sha256 = digest(template.as_bytes());
    let location = json!({ "Bucket": "artifacts", "Key": "churn/two.asl.json" });
    let more = json!({ "DefinitionSha256": sha256.to_uppercase(), "DefinitionSubstitutions": { "Function": "score" } });
    let made = stage.send(&create(&at(location, more))).await.success();
    assert_eq!(made.0["Data"]["DefinitionSha256"], sha256);
    assert!(granted(&stage).contains("function:score"));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_or_used_is_told_without_its_content_and_nothing_is_made() {
    let yaml = format!("StartAt: First\nComment: {HIDDEN}\nStates:\n  First: {{ Type: Succeed }}\n");
    let other = json!({ "password": HIDDEN }).to_string();
    let large = format!("{HIDDEN}{}", " ".repeat(1_048_577));
    let sha256 = json!({ "DefinitionSha256": "0".repeat(64) });
    for (content, more, says) in [
        (None, json!({}), "the object does not exist (s3:GetObjectVersion: NoSuchKey: HTTP status 404)"),
        (Some(yaml), json!({}), "not valid JSON at line 1, column 1; correct it, or convert YAML with `yq"),
        (Some(other), json!({}), "the object is not a state machine"),
        (Some(large), json!({}), "the object has more than 1048576 bytes"),
        (
            Some(invoking("score")),
            sha256,
            "expected `0000000000000000000000000000000000000000000000000000000000000000`",
        ),
        (Some(invoking("score")), json!({ "DefinitionSubstitutions": { "x": [] } }), "`DefinitionSubstitutions.x`"),
    ] {
        let stage = Stage::new(Fake::new());
        if let Some(content) = content {
            store(&stage, "one.asl.json?versionId=1", &content);
        }
        let location = json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json", "Version": "1" });
        let response = stage.send(&create(&at(location, more))).await.failure();
        assert!(response.reason().contains(says), "{says}: {}", response.reason());
        assert!(!response.reason().contains(HIDDEN), "{}", response.reason());
        assert_eq!(entities(&stage), Books::default(), "{says}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_mistake_is_told_at_once_and_nothing_is_read() {
    let object = json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json" });
    let null = json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json", "Version": "null" });
    let unpinned = "found neither `Version` nor `DefinitionSha256`";
    for (properties, says) in [
        (at(object.clone(), json!({ "Path": "x" })), vec![unpinned, "`Path`"]),
        (at(null, json!({})), vec![unpinned]),
        (
            at(json!({ "Bucket": "other", "Key": "churn/x", "Version": "1" }), json!({ "DefinitionSha256": "x" })),
            vec!["found `arn:aws:s3:::other/churn/x`, expected an object that matches", "64 hexadecimal digits"],
        ),
        (at(json!({ "Bucket": "artifacts", "Key": "x", "Version": "1" }), json!({})), vec!["`DefinitionLocations`"]),
        (at(json!("s3://artifacts/churn/x"), json!({})), vec!["expected `{Bucket, Key}`"]),
        (at(json!({ "Bucket": "artifacts" }), json!({})), vec!["expected `{Bucket, Key}`"]),
        (at(json!({ "Bucket": "a.example/x", "Key": "k", "Version": "1" }), json!({})), vec!["the name of a bucket"]),
        (at(json!({ "Bucket": "artifacts", "Key": "k".repeat(1_025) }), json!({})), vec!["at most 1,024 bytes"]),
        (
            at(object, json!({ "Definition": {}, "Integrations": [] })),
            vec!["`Definition`: not allowed with `DefinitionS3Location`", "`Integrations`: not allowed with"],
        ),
        (with(json!({ "DefinitionSha256": "0".repeat(64) })), vec!["allowed only with `DefinitionS3Location`"]),
    ] {
        let stage = stored();
        let response = stage.send(&create(&properties)).await.failure();
        for part in says {
            assert!(response.reason().contains(part), "{part}: {}", response.reason());
        }
        assert_eq!(stage.fake.calls(), Vec::<String>::new(), "{}", response.reason());
    }
}

#[tokio::test(start_paused = true)]
async fn the_deployer_lets_objects_be_read_and_be_unpinned() {
    let object = at(json!({ "Bucket": "artifacts", "Key": "churn/two.asl.json" }), json!({}));
    let locations = vec!["arn:aws:s3:::artifacts/churn/*".to_owned()];
    for (definitions, says) in [
        (DefinitionObjects::default(), "the deployer's `DefinitionLocations` is empty; ask the deployer to add `arn"),
        (DefinitionObjects { locations: locations.clone(), allow_unpinned: false }, "`AllowUnpinnedDefinitions`"),
        (DefinitionObjects { locations, allow_unpinned: true }, ""),
    ] {
        let mut stage = stored();
        store(&stage, "two.asl.json", &invoking("score"));
        stage.handler.guardrails = Ok(Guardrails { definitions, ..guardrails() });
        let response = stage.send(&create(&object)).await;
        assert_eq!(response.succeeded(), says.is_empty(), "{says}");
        assert!(response.reason().contains(says), "{}", response.reason());
        assert_eq!(reads(&stage), usize::from(says.is_empty()));
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_object_a_rollback_keeps_the_grants_and_an_update_changes_nothing() {
    for (content, says) in [(None, "the object does not exist"), (Some("{}"), "the object is not a state machine")] {
        let stage = stored();
        stage.send(&create(&version("1"))).await.success();
        let failed = at(
            json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json", "Version": "2" }),
            json!({ "Description": "new" }),
        );
        let made = stage.send(&update(ROLE, &failed, &version("1"))).await.success();
        stage.fake.change(|books| drop(books.objects.remove("artifacts/churn/one.asl.json?versionId=1")));
        if let Some(content) = content {
            store(&stage, "one.asl.json?versionId=1", content);
        }
        let before = stage.fake.books();

        let reason = stage.send(&update(ROLE, &version("1"), &failed)).await.failure().reason().to_owned();
        assert!(reason.contains(says), "{reason}");
        assert_eq!(stage.fake.books(), before, "the stack is not rolling back");

        stage.fake.stack_status("UPDATE_ROLLBACK_IN_PROGRESS");
        let back = stage.send(&update(ROLE, &version("1"), &failed)).await.success();
        let warnings = back.0["Data"]["Warnings"].as_str().unwrap();
        assert!(warnings.starts_with("the role keeps its grants, because the stack is rolling back"), "{warnings}");
        assert!(warnings.contains(says), "{warnings}");
        assert!(granted(&stage).contains("function:rank"), "the grants are those of the failed update");
        for attribute in ["PolicyArn", "PolicyArns", "PolicySha256"] {
            assert_eq!(back.0["Data"][attribute], made.0["Data"][attribute], "{attribute}");
        }
        assert_eq!(back.0["Data"]["DefinitionSha256"], "");
        let role = &stage.fake.books().roles[&ROLE.to_lowercase()];
        assert_ne!(role.description, "new", "the rest is rolled back");
        assert_eq!(stage.fake.books().policies.len(), 1);

        stage.fake.stack_status("DELETE_IN_PROGRESS");
        stage.send(&delete(ROLE, &version("1"))).await.success();
        assert_eq!(entities(&stage), Books::default());
    }
}

/// Otherwise the stack could not get back.
#[tokio::test(start_paused = true)]
async fn a_rollback_to_a_location_that_the_deployer_withdrew_keeps_the_grants() {
    let mut stage = stored();
    let elsewhere = at(json!({ "Bucket": "artifacts", "Key": "score/two.asl.json", "Version": "1" }), json!({}));
    stage.fake.change(|books| {
        books.objects.insert("artifacts/score/two.asl.json?versionId=1".to_owned(), invoking("rank"));
    });
    stage.send(&create(&version("1"))).await.success();
    let definitions =
        DefinitionObjects { locations: vec!["arn:aws:s3:::artifacts/score/*".to_owned()], allow_unpinned: false };
    stage.handler.guardrails = Ok(Guardrails { definitions, ..guardrails() });
    stage.send(&update(ROLE, &elsewhere, &version("1"))).await.success();
    let read = reads(&stage);
    let back = update(ROLE, &version("1"), &elsewhere);
    let reason = stage.send(&back).await.failure().reason().to_owned();
    assert!(reason.contains("(the deployer's `DefinitionLocations`)"), "{reason}");
    stage.fake.stack_status("UPDATE_ROLLBACK_IN_PROGRESS");
    let response = stage.send(&back).await.success();
    let warnings = response.0["Data"]["Warnings"].as_str().unwrap();
    assert!(
        warnings.starts_with("the role keeps its grants") && warnings.contains("DefinitionLocations"),
        "{warnings}"
    );
    assert!(granted(&stage).contains("function:rank"));
    assert_eq!(reads(&stage), read, "a location that is not allowed is not read");
}

#[tokio::test(start_paused = true)]
async fn a_replacement_does_not_take_a_further_policy_of_the_old_role() {
    let stage = stored();
    store(&stage, "one.asl.json?versionId=3", &invoking_many());
    let named = |role: &str, policy: &str| {
        let location = json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json", "Version": "3" });
        at(location, json!({ "RoleName": role, "PolicyName": policy }))
    };
    let old = named(ROLE, "AmazonSageMaker-Split");
    stage.send(&create(&old)).await.success();
    let before = stage.fake.books();
    let replacing = update(ROLE, &named("AmazonSageMaker-Two", "AmazonSageMaker-Split-2"), &old);
    let reason = stage.send(&replacing).await.failure().reason().to_owned();
    assert!(reason.contains("both roles would have policy"), "{reason}");
    assert_eq!(stage.fake.books(), before);
}

/// Its content is not known to be what it was.
#[tokio::test(start_paused = true)]
async fn an_object_that_is_not_pinned_is_not_spared_new_errors() {
    let mut stage = stored();
    let definitions =
        DefinitionObjects { locations: vec!["arn:aws:s3:::artifacts/churn/*".to_owned()], allow_unpinned: true };
    stage.handler.guardrails = Ok(Guardrails { definitions, ..guardrails() });
    store(&stage, "two.asl.json", &invoking("score"));
    let unpinned = |revision: &str| {
        at(json!({ "Bucket": "artifacts", "Key": "churn/two.asl.json" }), json!({ "Revision": revision }))
    };
    stage.send(&create(&unpinned("1"))).await.success();
    let run = json!({ "First": task("ecs:runTask", json!({ "TaskDefinition": "churn" })) });
    store(&stage, "two.asl.json", &json!({ "StartAt": "First", "States": run }).to_string());
    let reason = stage.send(&update(ROLE, &unpinned("2"), &unpinned("1"))).await.failure().reason().to_owned();
    assert!(reason.contains("`TaskResources`: missing for state `First`"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn substitutions_make_no_state_machine_of_another_object() {
    let stage = Stage::new(Fake::new());
    let secret = format!(r#"{{"url":"db://${{User}}:{HIDDEN}@${{Host}}/x"}}"#);
    store(&stage, "one.asl.json?versionId=1", &secret);
    let values = json!({ "User": r#"","StartAt":"x","States":{""#, "Host": r#"":{"Type":"?"}},"z":""# });
    let properties = at(
        json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json", "Version": "1" }),
        json!({ "DefinitionSubstitutions": values }),
    );
    let reason = stage.send(&create(&properties)).await.failure().reason().to_owned();
    assert!(reason.contains("the object is not a state machine") && !reason.contains(HIDDEN), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_to_a_role_that_is_gone_needs_the_object() {
    let stage = stored();
    stage.fake.stack_status("UPDATE_ROLLBACK_IN_PROGRESS");
    let reason = stage.send(&update(ROLE, &version("9"), &version("1"))).await.failure().reason().to_owned();
    assert!(reason.contains("the object does not exist"), "{reason}");
    assert_eq!(entities(&stage), Books::default());
}

#[tokio::test(start_paused = true)]
async fn an_adopted_role_is_released_without_the_grants_of_the_object() {
    let stage = Stage::new(Fake::with(by_hand()));
    store(&stage, "one.asl.json?versionId=1", &training());
    let location = json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json", "Version": "1" });
    let adopting = at(location, json!({ "AdoptExisting": "true" }));
    stage.send(&create(&adopting)).await.success();
    assert!(stage.fake.books().roles[&ROLE.to_lowercase()].inline.contains_key(INLINE));
    stage.fake.change(|books| books.objects.clear());
    stage.send(&delete(ROLE, &adopting)).await.success();
    let books = stage.fake.books();
    let (role, before) = (&books.roles[&ROLE.to_lowercase()], &by_hand().roles[&ROLE.to_lowercase()]);
    assert_eq!((&role.inline, &role.attached), (&before.inline, &before.attached));
    assert!(books.policies.is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_roles_can_not_share_the_policy_of_an_object() {
    let stage = stored();
    let named = |role: &str| {
        let location = json!({ "Bucket": "artifacts", "Key": "churn/one.asl.json", "Version": "1" });
        at(location, json!({ "RoleName": role, "PolicyName": "AmazonSageMaker-Shared" }))
    };
    stage.send(&create(&named(ROLE))).await.success();
    let before = stage.fake.books();
    let replacing = update(ROLE, &named("AmazonSageMaker-Two"), &named(ROLE));
    let reason = stage.send(&replacing).await.failure().reason().to_owned();
    assert!(reason.contains("both roles would have policy"), "{reason}");
    assert_eq!(stage.fake.books(), before);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_once_is_repeated_or_fails_the_event_and_one_that_always_fails_changes_nothing() {
    for mischief in ONCE.into_iter().filter(|one| *one != Mischief::Panic) {
        let stage = stored();
        stage.fake.break_action("GetObject", mischief);
        stage.send(&create(&version("1"))).await.failure();
        assert_eq!(entities(&stage), Books::default(), "{mischief:?}");
        stage.fake.heal();
        stage.send(&create(&version("1"))).await.success();
        let before = stage.fake.books();
        stage.fake.break_action("GetObject", mischief);
        let reason = stage.send(&update(ROLE, &version("2"), &version("1"))).await.failure().reason().to_owned();
        assert!(!reason.contains(HIDDEN), "{reason}");
        assert_eq!(stage.fake.books(), before, "{mischief:?}");
        stage.send(&delete(ROLE, &version("1"))).await.success();
        assert_eq!(entities(&stage), Books::default(), "{mischief:?}");
    }
}
