//! Tests updates that replace the role, and updates that would replace it and are refused.

use serde_json::json;

use mlops_roles_testkit::account::Fake;
use mlops_roles_testkit::stage::{ROLE, Stage, create, delete, properties, update, with};

#[tokio::test(start_paused = true)]
async fn a_replacement_stands_beside_the_old_role_until_cleanup() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let old = stage.fake.books();
    let new = with(json!({ "RoleName": "AmazonSageMaker-Two" }));
    let response = stage.send(&update(ROLE, &new, &properties())).await.success();
    assert_eq!(response.id(), "AmazonSageMaker-Two");
    assert_eq!(stage.fake.books().roles.len(), 2);
    // Another resource of the stack fails: CloudFormation rolls back and then cleans up.
    let back = stage.send(&update("AmazonSageMaker-Two", &properties(), &new)).await.success();
    assert_eq!(back.id(), ROLE);
    stage.send(&delete("AmazonSageMaker-Two", &new)).await.success();
    assert_eq!(stage.fake.books(), old);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_succeeds_leaves_the_new_role_alone_at_cleanup() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let new = with(json!({ "RoleName": "AmazonSageMaker-Two", "PolicyName": "AmazonSageMaker-TwoPolicy" }));
    stage.send(&update(ROLE, &new, &properties())).await.success();
    stage.send(&delete(ROLE, &properties())).await.success();
    let books = stage.fake.books();
    assert_eq!(books.roles.keys().collect::<Vec<_>>(), ["amazonsagemaker-two"]);
    assert_eq!(books.policies.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_whose_policy_keeps_its_name_is_refused_before_any_write() {
    let stage = Stage::new(Fake::new());
    let old = with(json!({ "PolicyName": "AmazonSageMaker-P" }));
    stage.send(&create(&old)).await.success();
    let books = stage.fake.books();
    let new = with(json!({ "RoleName": "AmazonSageMaker-Two", "PolicyName": "AmazonSageMaker-P" }));
    let response = stage.send(&update(ROLE, &new, &old)).await.failure();
    assert_eq!(response.id(), ROLE, "a failed update keeps the id");
    assert!(response.reason().contains("give `PolicyName` a new value too"), "{}", response.reason());
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_changes_by_case_alone_is_refused() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let books = stage.fake.books();
    let new = with(json!({ "RoleName": "AmazonSageMaker-CHURN" }));
    let response = stage.send(&update(ROLE, &new, &properties())).await.failure();
    assert!(response.reason().contains("IAM ignores the case of names; set `RoleName`"), "{}", response.reason());
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn a_changed_path_under_the_same_name_is_refused() {
    let mut stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let books = stage.fake.books();
    stage.handler.guardrails.as_mut().unwrap().role_paths = vec!["/".into(), "/team/".into()];
    let response = stage.send(&update(ROLE, &with(json!({ "Path": "/team/" })), &properties())).await.failure();
    assert!(response.reason().contains("give `RoleName` a new value too, or keep path `/`"), "{}", response.reason());
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn a_changed_path_replaces_a_role_with_a_derived_name() {
    let mut stage = Stage::new(Fake::new());
    let nameless = with(json!({ "RoleName": null }));
    let first = stage.send(&create(&nameless)).await.success();
    stage.handler.guardrails.as_mut().unwrap().role_paths = vec!["/".into(), "/team/".into()];
    let moved = with(json!({ "RoleName": null, "Path": "/team/" }));
    let second = stage.send(&update(first.id(), &moved, &nameless)).await.success();
    assert_ne!(first.id(), second.id());
    assert_eq!(second.0["Data"]["RoleArn"], format!("arn:aws:iam::123456789012:role/team/{}", second.id()));
    assert_eq!(stage.fake.books().roles.len(), 2);
    stage.send(&delete(first.id(), &nameless)).await.success();
    assert_eq!(stage.fake.books().roles.keys().collect::<Vec<_>>(), [&second.id().to_lowercase()]);
    assert_eq!(stage.fake.books().policies.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_default_path_moves_roles_and_cleans_up_at_the_old_one() {
    let mut stage = Stage::new(Fake::new());
    let nameless = with(json!({ "RoleName": null }));
    let first = stage.send(&create(&nameless)).await.success().id().to_owned();
    stage.handler.guardrails.as_mut().unwrap().role_paths = vec!["/team/".into(), "/".into()];
    let revised = with(json!({ "RoleName": null, "Revision": "2" }));
    let second = stage.send(&update(&first, &revised, &nameless)).await.success().id().to_owned();
    assert_ne!(first, second);
    // The process of the cleanup ends after it has deleted the role. The policy at the old path is still found.
    stage.fake.change(|books| drop(books.roles.remove(&first.to_lowercase())));
    stage.send(&delete(&first, &nameless)).await.success();
    let books = stage.fake.books();
    assert_eq!(books.roles.keys().collect::<Vec<_>>(), [&second.to_lowercase()]);
    assert!(books.policies.keys().all(|arn| arn.contains(":policy/team/")), "{:?}", books.policies.keys());
}

#[tokio::test(start_paused = true)]
async fn a_replacement_that_could_not_be_cleaned_up_is_refused() {
    let nameless = with(json!({ "RoleName": null }));
    let revised = with(json!({ "RoleName": null, "Revision": "2" }));
    let mut stage = Stage::new(Fake::new());
    let id = stage.send(&create(&nameless)).await.success().id().to_owned();
    let books = stage.fake.books();
    stage.handler.guardrails.as_mut().unwrap().role_paths = vec!["/team/".into()];
    let response = stage.send(&update(&id, &revised, &nameless)).await.failure();
    assert!(response.reason().contains("`RolePaths`"), "{}", response.reason());
    stage.handler.guardrails = Ok(mlops_roles_testkit::stage::guardrails());
    stage.handler.guardrails.as_mut().unwrap().role_name_prefixes = vec!["Team".into()];
    let response = stage.send(&update(&id, &revised, &nameless)).await.failure();
    assert!(response.reason().contains("`RoleNamePrefixes`"), "{}", response.reason());
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn a_cleanup_that_comes_twice_leaves_the_role_that_took_the_place() {
    let mut stage = Stage::new(Fake::new());
    let nameless = with(json!({ "RoleName": null }));
    let old = stage.send(&create(&nameless)).await.success().id().to_owned();
    stage.handler.guardrails.as_mut().unwrap().role_name_prefixes = vec!["Team".into(), "AmazonSageMaker".into()];
    let new = stage.send(&update(&old, &nameless, &nameless)).await.success().id().to_owned();
    assert!(new.starts_with("Team-"), "{new}");
    for _ in 0..3 {
        stage.send(&delete(&old, &nameless)).await.success();
        assert_eq!(stage.fake.books().roles.keys().collect::<Vec<_>>(), [&new.to_lowercase()]);
        assert_eq!(stage.fake.books().policies.len(), 1);
    }
}
