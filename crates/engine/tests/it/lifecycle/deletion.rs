//! Tests Delete: what it removes, what it leaves, and how it finds a role.

use serde_json::{Value, json};

use mlops_roles_testkit::account::{Books, Fake};
use mlops_roles_testkit::stage::{POLICY, ROLE, Stage, create, delete, from_stack, properties, update, with};

use super::key;

#[tokio::test(start_paused = true)]
async fn a_policy_outside_the_prefixes_of_today_is_named_not_forgotten() {
    let mut stage = Stage::new(Fake::new());
    let named = with(json!({ "PolicyName": "TeamPolicy" }));
    stage.send(&create(&named)).await.success();
    let books = stage.fake.books();
    stage.handler.guardrails.as_mut().unwrap().role_name_prefixes = vec!["AmazonSageMaker".into()];
    for event in [delete(ROLE, &named), update(ROLE, &properties(), &named)] {
        let response = stage.send(&event).await.failure();
        let told = "policy/TeamPolicy` can't be deleted: the name is outside";
        assert!(response.reason().contains(told), "{}", response.reason());
        assert_eq!(stage.fake.books(), books);
    }
}

#[tokio::test(start_paused = true)]
async fn delete_detaches_what_others_attached_and_keeps_what_is_theirs() {
    let fake = Fake::new();
    fake.page(1);
    let stage = Stage::new(fake);
    stage.send(&create(&properties())).await.success();
    let theirs = "arn:aws:iam::123456789012:policy/Theirs";
    stage.fake.change(|books| {
        let mut policy = books.policies[POLICY].clone();
        policy.tags.clear();
        policy.name = "Theirs".into();
        books.policies.insert(theirs.into(), policy);
        let role = books.roles.get_mut(&key()).unwrap();
        role.attached.extend([theirs.to_owned(), "arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()]);
        role.inline.insert("ByHand".into(), json!({}));
        books.profiles.insert("Theirs".into(), Some(ROLE.into()));
    });
    stage.send(&delete(ROLE, &properties())).await.success();
    let books = stage.fake.books();
    assert!(books.roles.is_empty());
    assert_eq!(books.policies.keys().collect::<Vec<_>>(), [theirs]);
    assert_eq!(books.profiles["Theirs"], None);
}

#[tokio::test(start_paused = true)]
async fn a_policy_in_use_by_others_stops_delete_before_anything_is_removed() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    stage.fake.change(|books| drop(books.users.insert("ann".into(), [POLICY.to_owned()].into())));
    let books = stage.fake.books();
    let response = stage.send(&delete(ROLE, &properties())).await.failure();
    assert!(response.reason().contains("in use by user ann"), "{}", response.reason());
    assert_eq!(stage.fake.books(), books);
    for change in [json!({ "PolicyName": "AmazonSageMaker-P2" }), json!({ "RoleName": "AmazonSageMaker-R2" })] {
        let response = stage.send(&update(ROLE, &with(change), &properties())).await.failure();
        assert!(response.reason().contains("in use by user ann"), "{}", response.reason());
        assert_eq!(stage.fake.books(), books);
    }
    stage.fake.change(|books| books.users.clear());
    stage.send(&delete(ROLE, &properties())).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn delete_of_what_is_absent_succeeds() {
    let stage = Stage::new(Fake::new());
    for properties in
        [properties(), json!({}), json!({ "RoleName": ["x"], "PolicyName": { "a": 1 } }), json!(7), Value::Null]
    {
        for id in [
            ROLE,
            "pipeline-WorkflowRole-1ABCDEFGHIJKL",
            "pipeline-WorkflowRole-1abcDEFghi",
            "not-created/WorkflowRole",
            "2026/11/21/[$LATEST]abc",
        ] {
            assert_eq!(stage.send(&delete(id, &properties)).await.success().id(), id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn delete_finds_a_half_made_role_under_an_id_that_cloudformation_invented() {
    for properties in [properties(), with(json!({ "RoleName": null }))] {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties)).await.success();
        stage.fake.change(|books| books.roles.values_mut().for_each(|role| role.attached.clear()));
        stage.send(&delete("pipeline-WorkflowRole-1ABCDEFGHIJKL", &properties)).await.success();
        assert_eq!(stage.fake.books(), Books::default());
    }
}

#[tokio::test(start_paused = true)]
async fn an_invented_id_that_begins_with_the_prefix_hides_nothing() {
    for properties in [properties(), with(json!({ "RoleName": null }))] {
        let stage = Stage::new(Fake::new());
        let stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/AmazonSageMaker-churn/7c1d";
        stage.send(&from_stack(create(&properties), stack)).await.success();
        let late = delete("AmazonSageMaker-churn-WorkflowRole-1abcDEF", &properties);
        stage.send(&from_stack(late, stack)).await.success();
        assert_eq!(stage.fake.books(), Books::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_prefix_of_the_deployer_does_not_hide_the_old_role_from_delete() {
    let mut stage = Stage::new(Fake::new());
    let nameless = with(json!({ "RoleName": null }));
    let id = stage.send(&create(&nameless)).await.success().id().to_owned();
    stage.handler.guardrails.as_mut().unwrap().role_name_prefixes = vec!["Team".into(), "AmazonSageMaker".into()];
    stage.send(&delete(&id, &nameless)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn a_role_outside_the_prefixes_of_today_is_named_not_forgotten() {
    let mut stage = Stage::new(Fake::new());
    let nameless = with(json!({ "RoleName": null }));
    let id = stage.send(&create(&nameless)).await.success().id().to_owned();
    stage.handler.guardrails.as_mut().unwrap().role_name_prefixes = vec!["Team".into()];
    let response = stage.send(&delete(&id, &nameless)).await.failure();
    assert!(response.reason().contains("RoleNamePrefixes"), "{}", response.reason());
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_ours_is_found_by_its_attachment_when_its_name_is_lost() {
    let stage = Stage::new(Fake::new());
    let named = with(json!({ "PolicyName": "TeamPolicy" }));
    stage.send(&create(&named)).await.success();
    stage.send(&delete(ROLE, &json!({ "PolicyName": { "not": "text" } }))).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}
