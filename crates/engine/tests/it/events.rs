//! Tests the events that ship with the project for local invocation: each event does what its name says.

use mlops_roles_testkit::repository;

use serde_json::Value;

use mlops_roles_testkit::account::{Books, Fake};
use mlops_roles_testkit::role_sets;
use mlops_roles_testkit::service_catalog::console;
use mlops_roles_testkit::stage::{Response, Stage};

fn event(name: &str) -> Value {
    let path = repository().join("events").join(name).with_extension("json");
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
}

async fn send(stage: &Stage, name: &str) -> Response {
    stage.send(&event(name)).await
}

#[tokio::test(start_paused = true)]
async fn the_events_tell_the_life_of_a_resource() {
    let stage = Stage::new(Fake::new());
    let created = send(&stage, "create").await.success();
    let books = stage.fake.books();
    assert_eq!(send(&stage, "duplicate").await.success().0, created.0);
    assert_eq!(stage.fake.books(), books);
    assert_eq!(send(&stage, "update").await.success().id(), created.id());
    assert_ne!(stage.fake.books(), books);
    assert_ne!(send(&stage, "replace").await.success().id(), created.id());
    assert_eq!(stage.fake.books().roles.len(), 2);
    send(&stage, "delete-replaced").await.success();
    assert_eq!(stage.fake.books().roles.len(), 1);
    send(&stage, "delete").await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn the_events_tell_the_life_of_the_service_catalog_roles() {
    let stage = Stage::new(Fake::with(console()));
    let before = stage.fake.books();
    let cleaned = send(&stage, "service-catalog-clean-slate").await.success();
    assert_eq!(stage.fake.books().roles.len(), before.roles.len() - 2);
    assert_eq!(send(&stage, "service-catalog-provision").await.success().id(), cleaned.id());
    assert_eq!(stage.fake.books().roles.len(), before.roles.len());
    send(&stage, "service-catalog-teardown").await.success();
    assert_eq!(stage.fake.books().roles.len(), before.roles.len() - 2);
}

#[tokio::test(start_paused = true)]
async fn the_events_make_a_role_set_and_a_deploy_target() {
    let stage = role_sets::stage(Books::default());
    let target = send(&stage, "role-set").await.success();
    assert_eq!(target.0["Data"]["StackSetExecutionRoleName"], "ds-team-dev-StackSetExecutionRole");
    send(&stage, "deploy-target").await.success();
    assert_eq!((stage.fake.books().roles.len(), stage.fake.books().policies.len()), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn the_events_that_go_wrong_are_answered_and_leave_nothing() {
    let stage = Stage::new(Fake::new());
    let failed = send(&stage, "create-with-mistakes").await.failure();
    assert!(failed.reason().starts_with("3 validation errors; "), "{}", failed.reason());
    send(&stage, "delete-after-failed-create").await.success();
    send(&stage, "malformed").await.failure();
    assert_eq!(stage.fake.books(), Books::default());
}
