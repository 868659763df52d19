//! What goes side by side, and how long that takes where each call takes its time.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio::time::Instant;

use mlops_roles::apply::LAG;
use mlops_roles::plan::{Entity, Step, after, plan};
use mlops_roles::round::round;
use mlops_roles::world::World;

use crate::fake::{Books, Fake, Fault, Mischief};
use crate::law::{any_world, worlds};
use crate::service_catalog;
use crate::stage::{POLICY, ROLE, Stage, create, delete, properties, update, with};

const EACH: Duration = Duration::from_millis(100);

/// How many calls wait for each other, and all that were made.
async fn rounds(stage: &Stage, event: serde_json::Value) -> (u128, Vec<String>) {
    stage.fake.slow(EACH);
    stage.fake.forget_calls();
    let begun = Instant::now();
    stage.send(&event).await.success();
    (begun.elapsed().as_millis() / EACH.as_millis(), stage.fake.calls())
}

#[tokio::test(start_paused = true)]
async fn a_create_looks_once_writes_in_three_rounds_and_looks_again() {
    let stage = Stage::new(Fake::new());
    let (rounds, calls) = rounds(&stage, create(&properties())).await;
    assert_eq!(
        calls,
        [
            // Whether they are there.
            "GetRole",
            "GetPolicy",
            "CreatePolicy",
            "CreateRole",
            "AttachRolePolicy",
            "PutRolePolicy",
            // Whether CloudFormation still waits for it, and whether it shows.
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
    let stage = Stage::new(Fake::new());
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
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let again = with(json!({ "Revision": "2" }));
    let (rounds, calls) = rounds(&stage, update(ROLE, &again, &properties())).await;
    assert_eq!((rounds, calls.len()), (1, 8), "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_as_expected_is_looked_at_in_a_second_round() {
    let stage = Stage::new(Fake::new());
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
    // The policy with its versions.
    assert_eq!((count("DeletePolicy"), count("ListPolicyVersions"), count("DeletePolicyVersion")), (2, 1, 1));
    assert!(stage.fake.books().policies.is_empty() && stage.fake.books().roles.is_empty());
}

/// The policies of a large definition are made, and go, beside each other, four at a time.
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
    let stage = Stage::new(Fake::new());
    let (rounds, calls) = rounds(&stage, create(&properties)).await;
    let policies = calls.iter().filter(|call| *call == "CreatePolicy").count();
    assert!(policies > 2, "{calls:?}");
    let writes =
        calls.iter().filter(|call| ["Create", "Attach", "Put"].iter().any(|verb| call.starts_with(verb))).count();
    assert!(rounds < writes as u128, "{rounds} rounds for {writes} writes");
}

/// Every order of the steps of a round gives the same world, and nobody in it waits for another.
fn check(a: &World, b: &World) {
    let mut world = a.clone();
    let mut rounds = 0;
    loop {
        let steps = plan(b, &world);
        if steps.is_empty() {
            break;
        }
        let side_by_side = round(&steps);
        assert!(!side_by_side.is_empty() && side_by_side.len() <= 4);
        let forth = side_by_side.iter().fold(world.clone(), after);
        let back = side_by_side.iter().rev().fold(world.clone(), after);
        assert_eq!(forth, back, "{side_by_side:?}");
        for step in &side_by_side {
            let same = |other: &&Step| other.entity() == step.entity();
            assert_eq!(side_by_side.iter().filter(same).count(), 1, "one write to `{step}`'s entity: {side_by_side:?}");
            safe(&world, step, &steps);
        }
        world = forth;
        rounds += 1;
        assert!(rounds < 500);
    }
    assert_eq!(world, *b);
}

/// What each step may count on while others are under way.
fn safe(world: &World, step: &Step, plan: &[Step]) {
    match step {
        Step::Attach { arn, .. } => {
            let made = plan.iter().any(|step| matches!(step, Step::CreatePolicy { arn: made, .. } if made == arn));
            assert!(!made, "`{arn}` is there before it is attached");
        }
        Step::DeletePolicy { arn } => {
            assert!(world.roles.values().all(|role| !role.attached.contains(arn)), "{arn} is still attached");
        }
        Step::SetPolicyDocument { .. } => {
            let fences = |step: &Step| matches!(step, Step::SetBoundary { .. } | Step::TagRole { .. });
            assert!(!plan.iter().any(fences), "what fences a role in comes before what it is granted");
        }
        Step::SetTrust { .. } | Step::RemoveBoundary { .. } => {
            let before = plan.iter().take_while(|other| *other != step);
            let grants = before.filter(|other| matches!(other, Step::SetPolicyDocument { .. })).count();
            assert_eq!(grants, 0, "what lets others come to a role waits for what it is granted: {plan:?}");
        }
        Step::UntagRole { .. } | Step::UntagPolicy { .. } => {
            let first = plan.first().is_some_and(|first| first == step);
            assert!(first, "tags go last, or first where there is no room: {plan:?}");
        }
        _ => assert!(matches!(step.entity(), Entity::Role(_) | Entity::Policy(_))),
    }
}

#[test]
fn side_by_side_every_transition_between_small_worlds_ends_where_it_should() {
    let worlds = worlds();
    for a in &worlds {
        for b in worlds.iter().step_by(3) {
            check(a, b);
        }
    }
}

proptest! {
    #[test]
    fn side_by_side_large_worlds_end_where_they_should(a in any_world(), b in any_world()) {
        check(&a, &b);
    }
}

/// What other users of an account leave to us. IAM does not publish its limits.
#[tokio::test(start_paused = true)]
async fn what_takes_many_calls_gets_through_an_account_that_takes_few() {
    let calls = async |per_second: Option<u32>| {
        let stage = service_catalog::stage(service_catalog::console());
        stage.fake.slow(Duration::from_millis(50));
        if let Some(per_second) = per_second {
            stage.fake.throttle(per_second);
        }
        let answer = stage.send(&service_catalog::deleting(json!({}))).await.success();
        assert_eq!(
            service_catalog::attribute(&answer, "DeletedRoles"),
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
    let stage = service_catalog::stage(service_catalog::console());
    stage.fake.slow(EACH);
    stage.send(&service_catalog::deleting(json!({}))).await.success();
    assert_eq!(stage.fake.most_at_once(), 16);
}

/// What may have been made is looked for at once: for each, IAM may lag for as long.
#[tokio::test(start_paused = true)]
async fn all_that_is_in_doubt_is_looked_for_side_by_side() {
    for lost in [Mischief::LostBefore, Mischief::LostAfter] {
        let stage = Stage::new(Fake::new());
        // Of policy and role, the first try is lost and the second is refused.
        for (at, mischief) in [(2, lost), (3, lost), (4, Mischief::Refused), (5, Mischief::Refused)] {
            stage.fake.fail(Fault { at, mischief, sticky: false });
        }
        let begun = Instant::now();
        let answer = stage.send(&create(&properties())).await.failure();
        assert!(answer.reason().contains("everything is as it was before"), "{}", answer.reason());
        assert_eq!(stage.fake.calls()[2..6], ["CreatePolicy", "CreateRole", "CreatePolicy", "CreateRole"]);
        assert!(begun.elapsed() < LAG * 3 / 2, "{:?} for {lost:?}", begun.elapsed());
        assert_eq!(stage.fake.books(), Books::default(), "{lost:?}");
    }
}
