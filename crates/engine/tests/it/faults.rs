//! Tests a fault of every kind at every call, and a second fault during the rollback.

use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::step::Step;
use mlops_roles_engine::failure::{Cause, IncompleteRollback, StepFailure};
use mlops_roles_testkit::account::{Books, Fake, Fault, Mischief};
use mlops_roles_testkit::cases::Case;
use mlops_roles_testkit::cases::ONCE;
use mlops_roles_testkit::cases::cases;
use mlops_roles_testkit::cases::foreign;
use mlops_roles_testkit::service_catalog::{joined, neighbours};
use mlops_roles_testkit::stage::{BOUNDARY, POLICY, ROLE, Response, Stage, create, delete, properties, update, with};
use serde_json::json;

/// Runs `check` for every call of every case, with the final account when nothing fails.
async fn each_call(check: impl AsyncFn(&Case, usize, &Books)) {
    for case in cases().await {
        let (calls, end) = case.undisturbed().await;
        for at in 0..calls {
            check(&case, at, &end).await;
        }
    }
}

fn theirs(books: &Books) -> Books {
    let (mut books, bystanders) = (books.clone(), joined(foreign(), neighbours()));
    books.roles.retain(|name, _| bystanders.roles.contains_key(name));
    books.policies.retain(|arn, _| bystanders.policies.contains_key(arn));
    books.profiles.retain(|name, _| bystanders.profiles.contains_key(name));
    books.regions.clear();
    books
}

/// Asserts that success leads to `end`, the account after the undisturbed case. A failure leads back to the start, or
/// for Delete to a state that the next Delete finishes.
async fn finish(stage: &Stage, (case, end): (&Case, &Books), response: &Response, rolled_back: bool, what: &str) {
    let books = stage.fake.books().meaning();
    assert_eq!(theirs(&books), theirs(&case.start.meaning()), "{what}: something foreign changed");
    if response.succeeded() {
        assert_eq!(books, *end, "{what}: {}", response.0);
        return;
    }
    if rolled_back && !case.forward {
        assert_eq!(books, case.start.meaning(), "{what}: {}", response.0);
        assert!(
            response.reason().contains("; rolled back") || response.reason().contains("nothing was"),
            "{what}: {}",
            response.reason()
        );
    }
    stage.fake.heal();
    // IAM has propagated all changes by the time that CloudFormation sends the next event.
    let after = stage.send(&case.after_failure).await;
    assert!(after.succeeded(), "{what}: afterwards {}", after.0);
    let restored = stage.fake.books().meaning();
    if case.name == "adoption" && !rolled_back {
        // Delete released the role instead of undoing the adoption: the trust policy set by us stays, and so does what
        // others granted.
        let (role, before) = (&restored.roles[&ROLE.to_lowercase()], &case.restored.roles[&ROLE.to_lowercase()]);
        assert_eq!(
            (&role.tags, &role.attached, &role.inline),
            (&before.tags, &before.attached, &before.inline),
            "{what}"
        );
        // The boundary stays if the adoption got as far as setting it.
        assert!(role.boundary.is_none() || role.boundary.as_deref() == Some(BOUNDARY), "{what}");
        assert_eq!(restored.policies[POLICY].tags, case.restored.policies[POLICY].tags, "{what}");
        return;
    }
    assert_eq!(restored, case.restored.meaning(), "{what}: after {}", response.0);
}

#[tokio::test(start_paused = true)]
async fn each_call_fails_once_in_each_way() {
    each_call(async |case, at, end| {
        for mischief in ONCE {
            let stage = case.stage();
            stage.fake.fail(Fault { at, mischief, sticky: false });
            let response = stage.send(&case.event).await;
            let what = format!("{}, call {at}, {mischief:?}", case.name);
            if !matches!(mischief, Mischief::Refused | Mischief::Panic) {
                assert!(response.succeeded(), "{what}: a passing fault is got over: {}", response.0);
            }
            finish(&stage, (case, end), &response, mischief != Mischief::Panic, &what).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_got_over_where_permissions_hang_on_tags_and_boundaries() {
    each_call(async |case, at, end| {
        let stage = case.stage();
        stage.fake.restrict();
        stage.fake.fail(Fault { at, mischief: Mischief::LostAfter, sticky: false });
        let response = stage.send(&case.event).await.success();
        finish(&stage, (case, end), &response, true, &format!("{}, call {at}", case.name)).await;
        for second in at + 1.. {
            let stage = case.stage();
            stage.fake.restrict();
            stage.fake.fail(Fault { at, mischief: Mischief::Refused, sticky: false });
            stage.fake.fail(Fault { at: second, mischief: Mischief::LostAfter, sticky: false });
            let response = stage.send(&case.event).await;
            let reached = stage.fake.calls().len() > second;
            let what = format!("{}, calls {at} and {second}", case.name);
            assert!(!response.reason().contains("rollback failed"), "{what}: {}", response.reason());
            finish(&stage, (case, end), &response, true, &what).await;
            if !reached {
                break;
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_call_fails_once_while_reads_lag() {
    let lag = std::time::Duration::from_secs(3);
    each_call(async |case, at, end| {
        for mischief in [Mischief::Refused, Mischief::LostAfter, Mischief::KillAfter] {
            let stage = case.stage();
            stage.fake.lag(lag);
            stage.fake.fail(Fault { at, mischief, sticky: false });
            let response = stage.send_until_answered(&case.event).await;
            tokio::time::sleep(lag).await;
            let what = format!("{}, call {at}, {mischief:?}", case.name);
            assert!(response.succeeded() || mischief == Mischief::Refused, "{what}: {}", response.0);
            finish(&stage, (case, end), &response, true, &what).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_call_fails_for_good() {
    let ways = [
        Mischief::Refused,
        Mischief::Denied,
        Mischief::Throttled,
        Mischief::LostBefore,
        Mischief::LostAfter,
        Mischief::HangAfter,
    ];
    each_call(async |case, at, end| {
        for mischief in ways {
            let stage = case.stage();
            stage.fake.fail(Fault { at, mischief, sticky: true });
            let response = stage.send(&case.event).await;
            let what = format!("{}, call {at} and its like, {mischief:?}", case.name);
            // The rollback may need the action that fails.
            finish(&stage, (case, end), &response, false, &what).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_failure_on_the_way_back_is_told_and_mended_by_what_follows() {
    each_call(async |case, first, end| {
        for second in first + 1.. {
            let mut reached = false;
            for mischief in [Mischief::Refused, Mischief::LostAfter, Mischief::HangAfter] {
                let stage = case.stage();
                stage.fake.fail(Fault { at: first, mischief: Mischief::Refused, sticky: false });
                stage.fake.fail(Fault { at: second, mischief, sticky: false });
                let response = stage.send(&case.event).await;
                reached |= stage.fake.calls().len() > second;
                let what = format!("{}, calls {first} and {second}, {mischief:?}", case.name);
                let rolled_back = !response.reason().contains("rollback failed");
                finish(&stage, (case, end), &response, rolled_back, &what).await;
            }
            if !reached {
                break;
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_call_finishes_when_the_event_comes_again() {
    each_call(async |case, at, end| {
        for mischief in [Mischief::KillBefore, Mischief::KillAfter] {
            let stage = case.stage();
            stage.fake.fail(Fault { at, mischief, sticky: false });
            let response = stage.send_until_answered(&case.event).await;
            let what = format!("{}, call {at}, {mischief:?}", case.name);
            assert!(response.succeeded(), "{what}: {}", response.0);
            assert_eq!(stage.fake.books().meaning(), *end, "{what}");
        }
    })
    .await;
}

/// The faults of a write that no case makes would remain untested.
#[tokio::test(start_paused = true)]
async fn the_cases_make_every_write_that_the_function_can_make() {
    let mut made = std::collections::BTreeSet::new();
    for case in cases().await {
        let stage = case.stage();
        stage.send(&case.event).await.success();
        made.extend(stage.fake.calls());
        if case.name == "adoption" {
            // Only a rollback removes a boundary.
            let stage = case.stage();
            stage.fake.refuse("PutRolePolicy");
            stage.send(&case.event).await.failure();
            made.extend(stage.fake.calls());
        }
    }
    for write in [
        "AttachRolePolicy",
        "CreatePolicy",
        "CreatePolicyVersion",
        "CreateRole",
        "DeletePolicy",
        "DeletePolicyVersion",
        "DeleteRole",
        "DeleteRolePermissionsBoundary",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "DisableSagemakerServicecatalogPortfolio",
        "PutRolePermissionsBoundary",
        "PutRolePolicy",
        "RemoveRoleFromInstanceProfile",
        "SetDefaultPolicyVersion",
        "TagPolicy",
        "TagRole",
        "UntagPolicy",
        "UntagRole",
        "UpdateAssumeRolePolicy",
        "UpdateRole",
    ] {
        assert!(made.contains(write), "{write} is in no case: {made:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_dies_and_is_never_delivered_again_is_cleaned_up_by_delete() {
    let case = cases().await.remove(0);
    for at in 0..case.undisturbed().await.0 {
        let stage = case.stage();
        stage.fake.fail(Fault { at, mischief: Mischief::KillAfter, sticky: false });
        tokio::select! {
            _ = stage.try_send(&case.event) => panic!("it was to die at call {at}"),
            () = stage.fake.killed() => {}
        }
        let old = case.event["ResourceProperties"].clone();
        stage.send(&delete("pipeline-WorkflowRole-1ABCDEFGHIJKL", &old)).await.success();
        assert_eq!(stage.fake.books(), foreign(), "call {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_any_time_left_the_answer_comes_before_the_end() {
    let case = &cases().await[1];
    for milliseconds in [100_u32, 300, 1_000, 2_000, 5_000, 10_000, 30_000, 100_000, 300_000] {
        for at in 0..case.undisturbed().await.0 {
            let mut stage = case.stage();
            stage.invocation.remaining = std::time::Duration::from_millis(milliseconds.into());
            stage.fake.fail(Fault { at, mischief: Mischief::HangAfter, sticky: true });
            let started = tokio::time::Instant::now();
            let response = stage.send(&case.event).await;
            assert!(
                started.elapsed().as_secs_f64() < f64::from(milliseconds) / 1_000.0,
                "{milliseconds} ms, call {at}: {:?}",
                started.elapsed()
            );
            stage.fake.heal();
            if !response.succeeded() {
                stage.send(&case.after_failure).await.success();
                assert_eq!(stage.fake.books().meaning(), case.restored.meaning(), "{milliseconds} ms, call {at}");
            }
        }
    }
}

/// The function has no time to respond then. Lambda sees the failure and delivers the event again.
#[tokio::test(start_paused = true)]
async fn with_no_time_left_nothing_is_begun() {
    for case in cases().await {
        let mut stage = case.stage();
        stage.invocation.remaining = std::time::Duration::ZERO;
        stage.try_send(&case.event).await.unwrap_err();
        assert_eq!(stage.fake.books(), case.start, "{}", case.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_the_step_the_call_and_the_outcome() {
    let stage = Stage::new(Fake::new());
    stage.fake.fail(Fault { at: 4, mischief: Mischief::Refused, sticky: false });
    let response = stage.send(&create(&properties())).await.failure();
    assert_eq!(
        response.reason(),
        "could not attach `arn:aws:iam::123456789012:policy/AmazonSageMaker-Churn-Policy` to role \
         `AmazonSageMaker-Churn`: iam:AttachRolePolicy: UnmodifiableEntity: refused for the test; rolled back"
    );
}

#[test]
fn a_rollback_that_failed_names_what_is_in_place_and_what_is_not_restored() {
    let failure = |step| StepFailure { step, cause: Cause::OutOfTime };
    let role = failure(Step::DeleteRole { role: Name::new(ROLE) });
    let policy = failure(Step::DeletePolicy { arn: POLICY.to_owned() });
    let detached = failure(Step::Detach { role: Name::new(ROLE), arn: POLICY.to_owned() });
    let why = "(the deadline passed before AWS replied)";
    let in_place = format!("still in place: role `{ROLE}` {why}, policy `{POLICY}` {why}");
    let not_restored = format!("not restored: detach `{POLICY}` from role `{ROLE}` {why}");
    for (failures, expected) in [
        (vec![role.clone(), detached.clone(), policy.clone()], format!("{in_place}; {not_restored}")),
        (vec![role, policy], in_place),
        (vec![detached], not_restored),
    ] {
        assert_eq!(IncompleteRollback(&failures).to_string(), format!("rollback failed; {expected}"));
    }
}

#[tokio::test(start_paused = true)]
async fn one_step_that_cannot_be_undone_keeps_no_other_from_it() {
    let new = with(json!({
        "ManagedPolicyArns": "arn:aws:iam::aws:policy/AmazonX",
        "PassRolePolicyName": "Renamed",
        "Description": "new",
    }));
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let before = stage.fake.books();
    let event = update(ROLE, &new, &properties());
    let twin = Stage::new(stage.fake.twin());
    twin.send(&event).await.success();
    let at = twin.fake.calls().iter().rposition(|call| call == "UpdateRole").unwrap();
    stage.fake.fail(Fault { at, mischief: Mischief::Refused, sticky: false });
    stage.fake.refuse("DetachRolePolicy");
    let response = stage.send(&event).await.failure();
    assert_eq!(response.reason().matches("detach `").count(), 1, "{}", response.reason());
    let told = "; rollback failed; not restored: detach `arn:aws:iam::aws:policy/AmazonX` from role \
                `AmazonSageMaker-Churn` (iam:DetachRolePolicy: ";
    assert!(response.reason().contains(told) && response.reason().ends_with(')'), "{}", response.reason());
    let (role, prior) = (&stage.fake.books().roles[&ROLE.to_lowercase()], &before.roles[&ROLE.to_lowercase()]);
    assert_eq!((&role.inline, &role.description), (&prior.inline, &prior.description));
    assert_eq!(role.attached.len(), 2, "the one step that could not be undone");
}
