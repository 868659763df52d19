//! Tests that role sets are created, updated and deleted completely or not at all. Every call fails once with the
//! largest set, and pairs of calls fail with a smaller set.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use mlops_roles_testkit::account::{Books, Fault, Mischief};
use mlops_roles_testkit::cases::foreign;
use mlops_roles_testkit::role_sets::{asking, environment, of_type, stage};
use mlops_roles_testkit::stage::{Response, Stage, create, delete, update};

const TYPE: &str = "Custom::SageMakerMlopsRoles";

struct Case {
    name: &'static str,
    start: Books,
    event: Value,
    /// The event that CloudFormation sends after a failure, given the id in the response.
    after_failure: fn(&str, &Case) -> Value,
    /// Whether the operation only goes forward.
    forward: bool,
}

impl Case {
    fn properties(&self) -> &Value {
        &self.event["ResourceProperties"]
    }

    async fn undisturbed(&self) -> (usize, Books) {
        let stage = stage(self.start.clone());
        stage.send(&self.event).await.success();
        (stage.fake.calls().len(), stage.fake.books().meaning())
    }
}

fn sent(event: Value) -> Value {
    of_type(event, TYPE)
}

async fn made(asked: &Value) -> (String, Books) {
    let stage = stage(foreign());
    let response = stage.send(&sent(create(asked))).await.success();
    (response.id().to_owned(), stage.fake.books())
}

fn creating(asked: &Value) -> Case {
    Case {
        name: "create",
        start: foreign(),
        event: sent(create(asked)),
        after_failure: |id, case| sent(delete(id, case.properties())),
        forward: false,
    }
}

/// The cases cover two names that change, a role that is deleted, and a role whose statements change.
async fn cases() -> Vec<Case> {
    let old = environment(json!({}));
    let names = json!({ "SetupLambdaExecutionRole": "ds-team-setup", "VPCFlowLogsRole": "ds-team-flow-logs" });
    let new = environment(json!({ "RoleNames": names, "CreateIamUserRoles": "NO", "Fidelity": "AsPublished" }));
    let (id, standing) = made(&old).await;
    let going = |name, start: &Books| Case {
        name,
        start: start.clone(),
        event: sent(delete(&id, &old)),
        after_failure: |_, case| case.event.clone(),
        forward: true,
    };
    vec![
        creating(&old),
        Case {
            name: "update",
            start: standing.clone(),
            event: sent(update(&id, &new, &old)),
            after_failure: |id, case| sent(update(id, &case.event["OldResourceProperties"], case.properties())),
            forward: false,
        },
        going("delete", &standing),
    ]
}

async fn finish(stage: &Stage, (case, end): (&Case, &Books), response: &Response, rolled_back: bool, what: &str) {
    let books = stage.fake.books().meaning();
    for (name, role) in foreign().meaning().roles {
        assert_eq!(books.roles.get(&name), Some(&role), "{what}: something foreign changed");
    }
    if response.succeeded() {
        assert_eq!(books, *end, "{what}");
        return;
    }
    if rolled_back && !case.forward {
        assert_eq!(books, case.start.meaning(), "{what}: {}", response.reason());
    }
    stage.fake.heal();
    stage.send(&(case.after_failure)(response.id(), case)).await.success();
    let expected = if case.forward { end.clone() } else { case.start.meaning() };
    assert_eq!(stage.fake.books().meaning(), expected, "{what}: afterwards");
}

async fn each_call(check: impl AsyncFn(&Case, usize, &Books)) {
    for case in cases().await {
        let (calls, end) = case.undisturbed().await;
        assert!(calls > 30, "{}: {calls} calls", case.name);
        for at in 0..calls {
            check(&case, at, &end).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_any_call_of_the_largest_set_leaves_all_or_nothing() {
    each_call(async |case, at, end| {
        for mischief in [Mischief::Refused, Mischief::Throttled, Mischief::LostAfter, Mischief::HangAfter] {
            let stage = stage(case.start.clone());
            stage.fake.fail(Fault { at, mischief, sticky: false });
            let response = stage.send(&case.event).await;
            let what = format!("{}, call {at}, {mischief:?}", case.name);
            assert!(response.succeeded() || mischief == Mischief::Refused, "{what}: {}", response.reason());
            finish(&stage, (case, end), &response, true, &what).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_action_that_fails_for_good_is_mended_by_what_follows() {
    for case in cases().await {
        let end = case.undisturbed().await.1;
        let undisturbed = stage(case.start.clone());
        undisturbed.send(&case.event).await.success();
        let actions: BTreeSet<String> = undisturbed.fake.calls().into_iter().collect();
        assert!(actions.len() > 8, "{actions:?}");
        for action in actions {
            let stage = stage(case.start.clone());
            stage.fake.break_action(&action, Mischief::Denied);
            let response = stage.send(&case.event).await;
            finish(&stage, (&case, &end), &response, false, &format!("{}, {action} for good", case.name)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_call_of_a_set_finishes_when_the_event_comes_again() {
    each_call(async |case, at, end| {
        let stage = stage(case.start.clone());
        stage.fake.fail(Fault { at, mischief: Mischief::KillAfter, sticky: false });
        let response = stage.send_until_answered(&case.event).await;
        assert!(response.succeeded(), "{}, call {at}: {}", case.name, response.reason());
        assert_eq!(stage.fake.books().meaning(), *end, "{}, call {at}", case.name);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_create_of_a_set_that_dies_for_good_is_cleaned_up_by_delete() {
    let case = creating(&environment(json!({})));
    for at in 0..case.undisturbed().await.0 {
        let stage = stage(case.start.clone());
        stage.fake.fail(Fault { at, mischief: Mischief::KillAfter, sticky: false });
        tokio::select! {
            _ = stage.try_send(&case.event) => panic!("it was to die at call {at}"),
            () = stage.fake.killed() => {}
        }
        stage.send(&sent(delete("pipeline-Roles-1ABCDEFGHIJKL", case.properties()))).await.success();
        assert_eq!(stage.fake.books(), foreign(), "call {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_failure_on_the_way_back_of_a_set_is_mended_by_what_follows() {
    let setup = json!({
        "RoleSet": "SetupStackSetExecution", "EnvName": "ds-team", "AdministratorAccountId": "210987654321",
        "AdministratorEnvName": "ds-team",
    });
    let case = creating(&asking(&setup, json!({})));
    let (calls, end) = case.undisturbed().await;
    for first in 0..calls {
        for second in first + 1..first + 2 * calls {
            for mischief in [Mischief::Refused, Mischief::LostAfter] {
                let stage = stage(case.start.clone());
                stage.fake.fail(Fault { at: first, mischief: Mischief::Refused, sticky: false });
                stage.fake.fail(Fault { at: second, mischief, sticky: false });
                let response = stage.send(&case.event).await;
                let rolled_back = !response.reason().contains("rollback failed");
                let what = format!("calls {first} and {second}, {mischief:?}");
                finish(&stage, (&case, &end), &response, rolled_back, &what).await;
            }
        }
    }
}
