//! Tests the calls of an event on the wire: which calls, which of them at the same time, and how long they take when
//! each call takes time.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use mlops_roles_engine::retry::PROPAGATION_TIMEOUT;

use mlops_roles_testkit::account::{Books, Fake, Fault, Mischief};
use mlops_roles_testkit::service_catalog;
use mlops_roles_testkit::stage::{POLICY, ROLE, Stage, create, delete, properties, update, with};

const EACH: Duration = Duration::from_millis(100);

/// An account in which the console created the service-catalog roles.
fn catalog() -> Stage {
    Stage::wired(Fake::with(service_catalog::joined(service_catalog::console(), service_catalog::neighbours())))
}

/// How many calls in a row wait for one another, and all calls.
async fn rounds(stage: &Stage, event: serde_json::Value) -> (u128, Vec<String>) {
    stage.fake.slow(EACH);
    stage.fake.forget_calls();
    let begun = Instant::now();
    stage.send(&event).await.success();
    (begun.elapsed().as_millis() / EACH.as_millis(), stage.fake.calls())
}

#[tokio::test(start_paused = true)]
async fn a_create_looks_once_writes_in_three_rounds_and_looks_again() {
    let stage = Stage::wired(Fake::new());
    let (rounds, calls) = rounds(&stage, create(&properties())).await;
    assert_eq!(
        calls,
        [
            // Reads whether the role and the policy exist.
            "GetRole",
            "GetPolicy",
            "CreatePolicy",
            "CreateRole",
            "AttachRolePolicy",
            "PutRolePolicy",
            // Asks whether CloudFormation still waits for the response, and whether the role and the policy can be
            // read.
            "DescribeStackResource",
            "GetRole",
            "ListAttachedRolePolicies",
            "ListRolePolicies",
            "GetRolePolicy",
            "GetPolicy",
            "GetPolicyVersion",
        ]
    );
    assert_eq!(rounds, 5);
}

#[tokio::test(start_paused = true)]
async fn a_delete_looks_once_and_writes_in_three_rounds() {
    let stage = Stage::wired(Fake::new());
    stage.send(&create(&properties())).await.success();
    let (rounds, calls) = rounds(&stage, delete(ROLE, &properties())).await;
    assert_eq!(
        calls,
        [
            "GetRole",
            "ListAttachedRolePolicies",
            "ListRolePolicies",
            "GetRolePolicy",
            "ListInstanceProfilesForRole",
            "GetPolicy",
            "GetPolicyVersion",
            "ListEntitiesForPolicy",
            "DetachRolePolicy",
            "DeleteRolePolicy",
            "DeletePolicy",
            "DeleteRole",
        ]
    );
    assert_eq!(rounds, 4);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_changes_nothing_is_one_look() {
    let stage = Stage::wired(Fake::new());
    stage.send(&create(&properties())).await.success();
    let again = with(json!({ "Revision": "2" }));
    let (rounds, calls) = rounds(&stage, update(ROLE, &again, &properties())).await;
    assert_eq!((rounds, calls.len()), (1, 8), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_as_expected_is_looked_at_in_a_second_round() {
    let stage = Stage::wired(Fake::new());
    stage.send(&create(&properties())).await.success();
    stage.fake.change(|books| {
        let role = books.roles.values_mut().next().unwrap();
        role.inline.insert("Theirs".to_owned(), json!({ "Version": "2012-10-17", "Statement": [] }));
        let policy = books.policies.get_mut(POLICY).unwrap();
        policy.versions.insert(2, json!({ "Version": "2012-10-17", "Statement": [] }));
        (policy.default, policy.next) = (2, 3);
    });
    let (_, calls) = rounds(&stage, delete(ROLE, &properties())).await;
    let count = |action: &str| calls.iter().filter(|call| *call == action).count();
    assert_eq!((count("GetRolePolicy"), count("GetPolicyVersion")), (2, 2), "{calls:?}");
    // The policy is deleted with its versions.
    assert_eq!((count("DeletePolicy"), count("ListPolicyVersions"), count("DeletePolicyVersion")), (2, 1, 1));
    assert!(stage.fake.books().policies.is_empty() && stage.fake.books().roles.is_empty());
}

/// The policies of a large definition are created and deleted side by side, four at a time.
#[tokio::test(start_paused = true)]
async fn several_policies_go_side_by_side_but_not_all_at_once() {
    let tasks = (0..60).map(|i| (format!("S{i}"), json!({ "Type": "Task", "Resource": format!(
        "arn:aws:lambda:us-east-1:123456789012:function:a-long-name-of-a-function-that-takes-up-room-in-a-policy-{i}-{}", "x".repeat(60)
    ), "End": true }))).collect::<serde_json::Map<_, _>>();
    let definition = json!({ "StartAt": "S0", "States": { "All": { "Type": "Parallel", "End": true, "Branches":
        tasks.into_iter().map(|(name, state)| json!({ "StartAt": &name, "States": { &name: state } })).collect::<Vec<_>>() } } });
    let definition = {
        let mut machine = definition;
        machine["StartAt"] = json!("All");
        machine
    };
    let properties = with(json!({ "SageMakerExecutionRoleArns": null, "Definition": definition }));
    let stage = Stage::wired(Fake::new());
    let (rounds, calls) = rounds(&stage, create(&properties)).await;
    let policies = calls.iter().filter(|call| *call == "CreatePolicy").count();
    assert!(policies > 2, "{calls:?}");
    let writes =
        calls.iter().filter(|call| ["Create", "Attach", "Put"].iter().any(|verb| call.starts_with(verb))).count();
    assert!(rounds < writes as u128, "{rounds} rounds for {writes} writes");
}

/// The calls that other users of an account leave to the function. IAM does not publish its limits.
#[tokio::test(start_paused = true)]
async fn what_takes_many_calls_gets_through_an_account_that_takes_few() {
    let calls = async |per_second: Option<u32>| {
        let stage = catalog();
        stage.fake.slow(Duration::from_millis(50));
        if let Some(per_second) = per_second {
            stage.fake.throttle(per_second);
        }
        let response = stage.send(&service_catalog::deleting(json!({}))).await.success();
        assert_eq!(
            service_catalog::attribute(&response, "DeletedRoles"),
            service_catalog::names(&["LaunchRole", "UseRole"])
        );
        stage.fake.calls().len()
    };
    let needed = calls(None).await;
    for per_second in [20, 8, 3] {
        let made = calls(Some(per_second)).await;
        assert!(made < 2 * needed, "{made} calls at {per_second} a second, where {needed} do");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_look_has_sixteen_calls_under_way_at_once() {
    let stage = catalog();
    stage.fake.slow(EACH);
    stage.send(&service_catalog::deleting(json!({}))).await.success();
    assert_eq!(stage.fake.most_at_once(), 16);
}

/// What may have been created is read concurrently, because IAM may lag by the same time for each.
#[tokio::test(start_paused = true)]
async fn all_that_is_in_doubt_is_looked_for_side_by_side() {
    for lost in [Mischief::LostBefore, Mischief::LostAfter] {
        let stage = Stage::wired(Fake::new());
        // For both the policy and the role, the first attempt is lost and the second is refused.
        for (at, mischief) in [(2, lost), (3, lost), (4, Mischief::Refused), (5, Mischief::Refused)] {
            stage.fake.fail(Fault { at, mischief, sticky: false });
        }
        let begun = Instant::now();
        let response = stage.send(&create(&properties())).await.failure();
        assert!(response.reason().contains("; rolled back"), "{}", response.reason());
        assert_eq!(stage.fake.calls()[2..6], ["CreatePolicy", "CreateRole", "CreatePolicy", "CreateRole"]);
        assert!(begun.elapsed() < PROPAGATION_TIMEOUT * 3 / 2, "{:?} for {lost:?}", begun.elapsed());
        assert_eq!(stage.fake.books(), Books::default(), "{lost:?}");
    }
}
