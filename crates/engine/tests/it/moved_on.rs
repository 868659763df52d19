//! Tests what a stack reports about the operation of an event: `staleness` by itself.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use mlops_roles_core::protocol::request::Request;
use mlops_roles_engine::staleness::progress::{StackProgress, stack_progress};
use mlops_roles_engine::staleness::{StaleEvent, check_redelivery};

use mlops_roles_testkit::account::{Fake, Mischief};
use mlops_roles_testkit::signed::{SENT, sent};
use mlops_roles_testkit::stage::{ROLE, STACK, Stage, create, delete, properties, update, with};

fn request(event: Value) -> Request {
    Request::parse(&sent(event)).unwrap()
}

fn held(status: &str, since: i64) -> Fake {
    let fake = Fake::new();
    fake.hold_as(ROLE, STACK, "WorkflowRole", status);
    fake.held_since(SENT + since);
    fake
}

async fn ask(fake: &Fake, event: Value, rolled_back: Option<bool>) -> StackProgress {
    stack_progress(fake, &request(event), ROLE, rolled_back, Instant::now() + Duration::from_mins(3)).await
}

/// Once CloudFormation has the response to a Create, its resource is `CREATE_IN_PROGRESS` again for a moment.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_create_is_not_taken_for_another_operation() {
    let fake = held("CREATE_IN_PROGRESS", 62);
    let ends = async {
        sleep(Duration::from_millis(1_500)).await;
        fake.hold_as(ROLE, STACK, "WorkflowRole", "CREATE_COMPLETE");
    };
    let (told, ()) = tokio::join!(ask(&fake, create(&properties()), None), ends);
    assert_eq!(told, StackProgress::Succeeded);
    let told = ask(&held("CREATE_IN_PROGRESS", 62), create(&properties()), None).await;
    assert!(matches!(told, StackProgress::MovedOn { deletes: false, .. }), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn asking_again_ends_with_the_time_that_there_is() {
    for millis in [100, 900, 1_500, 2_500] {
        let deadline = Instant::now() + Duration::from_millis(millis);
        let event = request(create(&properties()));
        let told = stack_progress(&held("CREATE_IN_PROGRESS", 62), &event, ROLE, None, deadline).await;
        assert!(matches!(told, StackProgress::MovedOn { .. }) && Instant::now() < deadline, "{millis}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_updated_was_created() {
    for status in ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED"] {
        let fake = held(status, 15);
        assert_eq!(ask(&fake, create(&properties()), None).await, StackProgress::Succeeded, "{status}");
        let event = request(create(&properties()));
        let again = check_redelivery(&fake, &event, false, Instant::now() + Duration::from_mins(3)).await;
        assert!(matches!(again, Err(StaleEvent::Redelivery { .. })), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_rolls_back_has_moved_on_whatever_its_resource_tells() {
    let event = update(ROLE, &with(json!({ "Description": "new" })), &properties());
    for status in ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"] {
        let fake = held("UPDATE_IN_PROGRESS", 0);
        fake.stack_status(status);
        fake.refuse("DescribeStackResource");
        let told = ask(&fake, event.clone(), Some(false)).await;
        assert!(matches!(told, StackProgress::MovedOn { deletes: false, .. }), "{status}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_can_not_be_asked_takes_no_time_from_the_work() {
    let fake = held("UPDATE_IN_PROGRESS", 0);
    fake.break_action("DescribeStacks", Mischief::Throttled);
    let begun = Instant::now();
    let event = update(ROLE, &with(json!({ "Description": "new" })), &properties());
    assert_eq!(ask(&fake, event, Some(false)).await, StackProgress::Waiting);
    assert!(begun.elapsed() <= Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// The Delete sees nothing yet, and the Create sees only later that it was overtaken.
#[tokio::test(start_paused = true)]
async fn a_delete_that_comes_while_reads_lag_leaves_nothing_to_the_create() {
    let fake = held("CREATE_IN_PROGRESS", 0);
    let lag = Duration::from_secs(5);
    fake.lag(lag);
    let (first, second) = (Stage::new(fake.clone()), Stage::new(fake.clone()));
    let event = sent(create(&properties()));
    let cancelled = async {
        sleep(Duration::from_secs(3)).await;
        fake.hold_as(ROLE, STACK, "WorkflowRole", "DELETE_IN_PROGRESS");
        fake.held_since(SENT + 3);
        second.send(&delete(ROLE, &properties())).await
    };
    let (created, deleted) = tokio::join!(first.send(&event), cancelled);
    deleted.success();
    created.failure();
    sleep(lag).await;
    assert!(fake.books().roles.is_empty() && fake.books().policies.is_empty(), "{:?}", fake.books());
}
