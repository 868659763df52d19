//! Tests Create, Update and Delete as stacks use them.

mod deletion;
mod replacement;

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use mlops_roles_testkit::account::{Books, Fake, Fault, Mischief};
use mlops_roles_testkit::stage::{BOUNDARY, POLICY, ROLE, STACK, Stage, create, delete, properties, update, with};

fn key() -> String {
    ROLE.to_lowercase()
}

#[tokio::test(start_paused = true)]
async fn what_create_made_delete_takes_away() {
    let stage = Stage::new(Fake::new());
    let id = stage.send(&create(&properties())).await.success().id().to_owned();
    let role = stage.fake.books().roles[&key()].clone();
    assert_eq!(role.boundary.as_deref(), Some(BOUNDARY));
    assert_eq!(role.tags["mlops-roles:stack-id"], STACK);
    assert_eq!(role.tags["mlops-roles:logical-id"], "WorkflowRole");
    assert_eq!(stage.fake.books().policies[POLICY].tags, role.tags);
    assert_eq!(stage.send(&delete(&id, &properties())).await.success().id(), id);
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn boundary_and_tags_are_there_from_the_first_call_on() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let calls = stage.fake.calls();
    let tagged_later = calls.iter().any(|call| call.contains("Tag") || call.contains("Boundary"));
    assert!(!tagged_later, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_event_twice_changes_nothing_the_second_time() {
    let stage = Stage::new(Fake::new());
    let first = stage.send(&create(&properties())).await.success();
    let books = stage.fake.books();
    stage.fake.forget_calls();
    let second = stage.send(&create(&properties())).await.success();
    assert_eq!(first.0, second.0);
    assert_eq!(stage.fake.books(), books);
    let writes = stage.fake.calls().into_iter().filter(|call| !call.starts_with("Get") && !call.starts_with("List"));
    assert_eq!(writes.collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_update_without_a_change_writes_nothing() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    stage.fake.forget_calls();
    let response = stage.send(&update(ROLE, &properties(), &properties())).await.success();
    assert!(response.0["Data"]["RoleId"].as_str().unwrap().starts_with("AROA"));
    assert!(
        stage
            .fake
            .calls()
            .iter()
            .all(|call| call.starts_with("Get") || call.starts_with("List") || call == "DescribeStacks")
    );
}

#[tokio::test(start_paused = true)]
async fn an_update_in_place_changes_what_changed() {
    let stage = Stage::new(Fake::new());
    let old = with(json!({ "Tags": [{ "Key": "team", "Value": "a" }, { "Key": "gone", "Value": "x" }] }));
    stage.send(&create(&old)).await.success();
    stage.fake.change(|books| drop(books.roles.get_mut(&key()).unwrap().tags.insert("cost".into(), "theirs".into())));
    let new = with(json!({
        "Description": "churn & more",
        "MaxSessionDuration": "7200",
        "StateMachineName": "churn",
        "Tags": [{ "Key": "team", "Value": "b" }],
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSageMakerReadOnly"],
        "SageMakerExecutionRoleArns": ["arn:aws:iam::123456789012:role/SageMakerOne", "arn:aws:iam::123456789012:role/x/SageMakerTwo"],
        "PassRolePolicyName": "PassRole",
        "PermissionsBoundary": "arn:aws:iam::123456789012:policy/Narrow-boundary",
    }));
    let id = stage.send(&update(ROLE, &new, &old)).await.success().id().to_owned();
    assert_eq!(id, ROLE);
    let role = stage.fake.books().roles[&key()].clone();
    assert_eq!((role.description.as_str(), role.max_session_duration), ("churn & more", 7_200));
    assert_eq!(role.boundary.as_deref(), Some("arn:aws:iam::123456789012:policy/Narrow-boundary"));
    assert_eq!(role.tags["team"], "b");
    assert_eq!(role.tags["cost"], "theirs", "tags of others stay");
    assert!(!role.tags.contains_key("gone"));
    assert_eq!(role.attached.len(), 2);
    assert_eq!(role.inline.keys().collect::<Vec<_>>(), ["PassRole"]);
    stage.send(&delete(&id, &new)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn a_renamed_policy_leaves_no_old_one_behind() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let new = with(json!({ "PolicyName": "AmazonSageMaker-Other" }));
    let response = stage.send(&update(ROLE, &new, &properties())).await.success();
    let arn = "arn:aws:iam::123456789012:policy/AmazonSageMaker-Other";
    assert_eq!(response.0["Data"]["PolicyArn"], arn);
    let books = stage.fake.books();
    assert_eq!(books.policies.keys().collect::<Vec<_>>(), [arn]);
    assert_eq!(books.roles[&key()].attached.iter().collect::<Vec<_>>(), [arn]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_revision_puts_drift_right() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let books = stage.fake.books();
    stage.fake.change(|books| {
        let role = books.roles.get_mut(&key()).unwrap();
        role.trust = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": { "AWS": "*" }, "Action": "sts:AssumeRole" }] });
        role.boundary = None;
        role.attached.clear();
        role.attached.insert("arn:aws:iam::aws:policy/AdministratorAccess".into());
        role.inline.insert("Extra".into(), json!({}));
        role.description = "mine now".into();
        let policy = books.policies.get_mut(POLICY).unwrap();
        policy.versions.insert(2, json!({ "Version": "2012-10-17", "Statement": [] }));
        (policy.default, policy.next) = (2, 3);
    });
    stage.send(&update(ROLE, &with(json!({ "Revision": "2" })), &properties())).await.success();
    assert_eq!(stage.fake.books().meaning(), books.meaning());
    assert_eq!(stage.fake.books().policies[POLICY].versions.len(), 1, "the version that drifted is gone");
}

#[tokio::test(start_paused = true)]
async fn a_policy_with_five_versions_makes_room() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    stage.fake.change(|books| {
        let policy = books.policies.get_mut(POLICY).unwrap();
        policy.versions = (1..=5).map(|n| (n, json!({ "Version": "2012-10-17", "Statement": [], "Id": n }))).collect();
        (policy.default, policy.next) = (5, 6);
    });
    stage.send(&update(ROLE, &with(json!({ "Revision": "2" })), &properties())).await.success();
    let policy = stage.fake.books().policies[POLICY].clone();
    assert_eq!(policy.versions.keys().copied().collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(policy.default, 6);
    stage.send(&delete(ROLE, &properties())).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn a_role_deleted_by_hand_comes_back() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let books = stage.fake.books();
    stage.fake.change(|books| *books = Books::default());
    stage.send(&update(ROLE, &with(json!({ "Revision": "2" })), &properties())).await.success();
    assert_eq!(stage.fake.books().meaning(), books.meaning());
}

#[tokio::test(start_paused = true)]
async fn derived_names_fit_and_tell_resources_apart() {
    let stage = Stage::new(Fake::new());
    let nameless = with(json!({ "RoleName": null }));
    let mut ids = std::collections::BTreeSet::new();
    for (stack, logical) in [("pipeline", "Role"), ("pipeline", "Other"), (&*"long".repeat(32), &*"Logical".repeat(30))]
    {
        let mut event = create(&nameless);
        event["StackId"] = json!(format!("arn:aws:cloudformation:us-east-1:123456789012:stack/{stack}/7c1d"));
        event["LogicalResourceId"] = json!(logical);
        let response = stage.send(&event).await.success();
        assert!(response.id().starts_with("AmazonSageMaker-") && response.id().len() <= 64, "{}", response.id());
        ids.insert(response.id().to_owned());
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_principal_that_iam_does_not_know_yet_is_waited_for() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    stage.fake.fail(Fault { at: 1 + first_write(&stage).await, mischief: Mischief::UnknownPrincipal, sticky: false });
    stage.send(&update(ROLE, &with(json!({ "StateMachineName": "churn" })), &properties())).await.success();
    assert!(stage.fake.books().roles[&key()].trust.to_string().contains("churn"));
}

/// The index of the call before the first write of the update that narrows the trust policy.
async fn first_write(stage: &Stage) -> usize {
    let twin = Stage::new(Fake::with(stage.fake.books()));
    twin.send(&update(ROLE, &with(json!({ "StateMachineName": "churn" })), &properties())).await.success();
    let write = twin.fake.calls().iter().position(|call| call == "UpdateAssumeRolePolicy").unwrap();
    stage.fake.calls().len() + write - 1
}

#[tokio::test(start_paused = true)]
async fn success_waits_until_the_role_has_settled() {
    let stage = Stage::new(Fake::new());
    let settling = with(json!({ "SettleSeconds": 25 }));
    let started = Instant::now();
    stage.send(&create(&settling)).await.success();
    assert!(started.elapsed() >= Duration::from_secs(25));
    let started = Instant::now();
    stage.send(&update(ROLE, &with(json!({ "Description": "x", "SettleSeconds": 25 })), &settling)).await.success();
    assert!(started.elapsed() < Duration::from_secs(25), "only a new role has to settle");
}

#[tokio::test(start_paused = true)]
async fn reads_that_lag_are_waited_for() {
    for lag in [1, 5, 20] {
        let stage = Stage::new(Fake::new());
        stage.fake.lag(Duration::from_secs(lag));
        stage.send(&create(&properties())).await.success();
        // The event is delivered again at once: the reads are still stale, and what exists turns out to be managed by
        // the resource.
        stage.send(&create(&properties())).await.success();
        tokio::time::sleep(Duration::from_secs(lag)).await;
        stage.send(&delete(ROLE, &properties())).await.success();
        assert_eq!(stage.fake.books(), Books::default(), "lag {lag} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_follows_at_once_sees_what_the_update_did() {
    for lag in [1, 5, 20] {
        let stage = Stage::new(Fake::new());
        stage.fake.lag(Duration::from_secs(lag));
        stage.send(&create(&properties())).await.success();
        let books = stage.fake.books();
        let wider =
            with(json!({ "StateMachineName": "churn", "ManagedPolicyArns": "arn:aws:iam::aws:policy/AmazonX" }));
        stage.send(&update(ROLE, &wider, &properties())).await.success();
        stage.send(&update(ROLE, &properties(), &wider)).await.success();
        assert_eq!(stage.fake.books().meaning(), books.meaning(), "lag {lag} s");
    }
}

#[tokio::test(start_paused = true)]
async fn the_template_limits_the_time_that_an_event_may_take() {
    let stage = Stage::new(Fake::new());
    stage.fake.fail(Fault { at: 1, mischief: Mischief::HangAfter, sticky: true });
    let started = Instant::now();
    stage.send(&create(&with(json!({ "ServiceTimeout": "60" })))).await.failure();
    assert!(started.elapsed() < Duration::from_secs(58), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn tags_of_others_that_leave_no_room_are_told_before_any_write() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    stage.fake.change(|books| {
        let tags = &mut books.roles.get_mut(&key()).unwrap().tags;
        tags.extend((0..45).map(|n| (format!("theirs{n}"), String::new())));
    });
    let books = stage.fake.books();
    let more =
        with(json!({ "Tags": (0..5).map(|n| json!({ "Key": format!("k{n}"), "Value": "" })).collect::<Vec<_>>() }));
    let response = stage.send(&update(ROLE, &more, &properties())).await.failure();
    assert!(response.reason().contains("would have 52 tags"), "{}", response.reason());
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_an_account_can_have_raised_is_left_to_iam() {
    let stage = Stage::new(Fake::new());
    let arns = |n: usize| (0..n).map(|n| format!("arn:aws:iam::aws:policy/Amazon{n}")).collect::<Vec<_>>();
    let response = stage.send(&create(&with(json!({ "ManagedPolicyArns": arns(10) })))).await.failure();
    assert!(response.reason().contains("Cannot exceed quota for PoliciesPerRole: 10"), "{}", response.reason());
    assert_eq!(stage.fake.books(), Books::default());
    // All attached policies are replaced by others, and their number never exceeds the quota.
    let (old, new) = (
        with(json!({ "ManagedPolicyArns": arns(9) })),
        json!({ "ManagedPolicyArns":
        (0..9).map(|n| format!("arn:aws:iam::aws:policy/AmazonOther{n}")).collect::<Vec<_>>() }),
    );
    stage.send(&create(&old)).await.success();
    stage.send(&update(ROLE, &with(new), &old)).await.success();
}
