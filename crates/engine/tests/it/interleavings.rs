//! Tests two events at once, in every order of their calls. Where there are too many orders, it tests every order in
//! which one of the two events is held up at most twice.
//!
//! The state of a run is the account and everything that each of the two events has heard. A run does not continue from
//! a state that another run has already reached.

use mlops_roles_testkit::account::gate::Gate;
use mlops_roles_testkit::account::{Books, Fake};
use mlops_roles_testkit::signed::{SENT, sent, sent_at};
use mlops_roles_testkit::stage::{ROLE, Response, STACK, Stage, create, delete, from_stack, properties, update, with};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;

const OTHER: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/other/1a2b";

/// A physical id of the form that CloudFormation invents for a Create without a response.
const INVENTED: &str = "pipeline-WorkflowRole-1ABCDEFGHIJKL";

/// How often both events may continue before the next call is chosen: until each has reached its next call.
const SETTLED: usize = 8;

/// Two events, the account before them, and the status of the resource in CloudFormation once the second event is sent.
struct Pair {
    start: Books,
    events: [Value; 2],
    then: &'static str,
    /// How many seconds after the first event the second one is sent.
    later: i64,
    /// How many seconds after the first event the operation has ended, when a response reports success.
    ends: Option<i64>,
    /// Whether the second event is the rollback of the first.
    rolls_back: bool,
    /// The prefix of the actions that the simulator denies.
    denied: Option<&'static str>,
}

/// The course of a run: the responses in the order of their arrival, and which events could continue at each turn.
struct Run {
    books: Books,
    responses: Vec<(usize, Response)>,
    turns: Vec<(u64, Vec<usize>, usize)>,
}

impl Pair {
    /// Two Creates of one resource, or of two resources.
    fn of_creates() -> Self {
        Self {
            start: Books::default(),
            events: [create(&properties()), create(&properties())],
            then: "CREATE_IN_PROGRESS",
            later: 0,
            ends: None,
            rolls_back: false,
            denied: None,
        }
    }

    async fn run(&self, schedule: &[usize]) -> Run {
        let fake = Fake::with(self.start.clone());
        fake.hold_as(ROLE, STACK, "WorkflowRole", "CREATE_IN_PROGRESS");
        let gates = [Gate::default(), Gate::default()];
        fake.held_since(SENT);
        fake.stack_status("UPDATE_IN_PROGRESS");
        self.denied.into_iter().for_each(|action| fake.beyond_boundary(action));
        let stages = gates.each_ref().map(|gate| {
            let mut stage = Stage::new(fake.behind(gate.clone()));
            stage.invocation.now = SENT;
            stage
        });
        let responses = RefCell::new(Vec::new());
        let ended = Cell::new(false);
        let act = async |who: usize| {
            let response = stages[who].send(&self.events[who]).await;
            // CloudFormation accepts the first response. After it has moved on, it accepts a response to the later
            // operation only.
            let counts = if self.rolls_back { who == 1 } else { responses.borrow().is_empty() };
            if let Some(after) = self.ends.filter(|_| response.succeeded() && counts) {
                let status = if self.rolls_back { "UPDATE_COMPLETE" } else { "CREATE_COMPLETE" };
                fake.hold_as(ROLE, STACK, "WorkflowRole", status);
                fake.held_since(SENT + after);
                ended.set(true);
            }
            responses.borrow_mut().push((who, response));
        };
        let turns: RefCell<Vec<(u64, Vec<usize>, usize)>> = RefCell::default();
        let conduct = async {
            while responses.borrow().len() < 2 {
                for _ in 0..SETTLED {
                    yield_now().await;
                }
                let waiting: Vec<usize> = (0..2).filter(|who| gates[*who].waits()).collect();
                let Some(first) = waiting.first().copied() else {
                    sleep(Duration::from_millis(500)).await;
                    continue;
                };
                let mut hasher = DefaultHasher::new();
                let done: Vec<usize> = responses.borrow().iter().map(|(who, _)| *who).collect();
                (fake.fingerprint(), gates.each_ref().map(Gate::heard), done).hash(&mut hasher);
                let turn = turns.borrow().len();
                let last = turns.borrow().last().map(|(.., last)| *last).filter(|last| waiting.contains(last));
                let next = schedule.get(turn).copied().or(last).unwrap_or(first);
                turns.borrow_mut().push((hasher.finish(), waiting, next));
                if next == 1 && self.rolls_back {
                    fake.stack_status("UPDATE_ROLLBACK_IN_PROGRESS");
                }
                if next == 1 && !ended.get() {
                    fake.hold_as(ROLE, STACK, "WorkflowRole", self.then);
                    fake.held_since(SENT + self.later);
                }
                gates[next].open();
            }
        };
        tokio::join!(act(0), act(1), conduct);
        Run { books: fake.books(), responses: responses.into_inner(), turns: turns.into_inner() }
    }

    /// Runs every order in which one of the two events, although it could continue, is held up at most `held_up` times.
    /// Returns the number of different ends and of orders.
    async fn each(&self, held_up: usize, check: impl Fn(&Run, &str)) -> (usize, usize) {
        let (mut seen, mut ends) = (BTreeSet::new(), BTreeSet::new());
        let (mut open, mut runs): (Vec<(Vec<usize>, usize)>, _) = (vec![(Vec::new(), held_up)], 0);
        while let Some((schedule, left)) = open.pop() {
            runs += 1;
            let run = self.run(&schedule).await;
            let taken: Vec<usize> = run.turns.iter().map(|(.., next)| *next).collect();
            check(&run, &format!("{taken:?}"));
            ends.insert(format!(
                "{:?} {:?}",
                run.books.meaning(),
                run.responses.iter().map(|(who, response)| (who, response.succeeded())).collect::<Vec<_>>()
            ));
            for (at, (state, waiting, next)) in run.turns.iter().enumerate().skip(schedule.len()) {
                if !seen.insert((*state, left)) {
                    break;
                }
                let last = at.checked_sub(1).map(|before| taken[before]);
                let costs = usize::from(last.is_some_and(|last| waiting.contains(&last)));
                for other in waiting.iter().filter(|who| *who != next && left >= costs) {
                    let left = if left == usize::MAX { left } else { left - costs };
                    open.push((taken[..at].iter().chain([other]).copied().collect(), left));
                }
            }
        }
        (ends.len(), runs)
    }
}

async fn made(properties: &Value) -> Books {
    let stage = Stage::new(Fake::new());
    stage.send(&create(properties)).await.success();
    stage.fake.books()
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_delivered_twice_at_once_ends_as_if_it_came_once() {
    let end = made(&properties()).await.meaning();
    // A date tells that a delivery is the second one. Without a date, and within the seconds that clocks may differ,
    // both deliveries work.
    for ends in [None, Some(1), Some(5), Some(60)] {
        let event = if ends.is_some() { sent(create(&properties())) } else { create(&properties()) };
        let events = [event.clone(), event];
        let pair = Pair { events, ends, ..Pair::of_creates() };
        let held_up = if ends.is_some() { 2 } else { usize::MAX };
        let (ways, runs) = pair
            .each(held_up, |run, order| {
                // CloudFormation accepts the first response.
                if run.responses[0].1.succeeded() {
                    assert_eq!(run.books.meaning(), end, "{ends:?}, {order}: {:?}", run.responses);
                }
                assert!(run.responses.iter().any(|(_, response)| response.succeeded()), "{order}: {:?}", run.responses);
            })
            .await;
        assert!(runs > 50, "{ways} ends of {runs} orders");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_stacks_that_want_one_name_one_gets_it_whole_and_the_other_leaves_nothing() {
    let events = [create(&properties()), from_stack(create(&properties()), OTHER)];
    let pair = Pair { events, ..Pair::of_creates() };
    let (ends, runs) = pair
        .each(usize::MAX, |run, order| {
            let winners: Vec<_> = run.responses.iter().filter(|(_, response)| response.succeeded()).collect();
            let owners: BTreeSet<&String> = run
                .books
                .roles
                .values()
                .map(|role| &role.tags["mlops-roles:stack-id"])
                .chain(run.books.policies.values().map(|policy| &policy.tags["mlops-roles:stack-id"]))
                .collect();
            match winners.as_slice() {
                [] => assert_eq!(run.books, Books::default(), "{order}"),
                [(who, _)] => {
                    let owner = [STACK, OTHER][*who].to_owned();
                    assert_eq!(owners, [&owner].into(), "{order}");
                    assert_eq!((run.books.roles.len(), run.books.policies.len()), (1, 1), "{order}");
                }
                _ => panic!("{order}: both have it"),
            }
        })
        .await;
    assert!(runs > 50, "{ends} ends of {runs} orders");
}

#[tokio::test(start_paused = true)]
async fn a_delete_while_create_still_runs_leaves_nothing() {
    let events = [create(&properties()), delete(INVENTED, &properties())];
    let pair = Pair { events, then: "DELETE_IN_PROGRESS", ..Pair::of_creates() };
    let (ends, runs) = pair
        .each(usize::MAX, |run, order| assert_eq!(run.books, Books::default(), "{order}: {:?}", run.responses))
        .await;
    assert!(runs > 50, "{ends} ends of {runs} orders");
}

#[tokio::test(start_paused = true)]
async fn a_delete_while_update_still_runs_leaves_nothing() {
    let old = with(json!({ "Tags": [{ "Key": "a", "Value": "1" }] }));
    let new =
        with(json!({ "PolicyName": "AmazonSageMaker-Renamed", "Description": "new", "StateMachineName": "churn" }));
    let pair = Pair {
        start: made(&old).await,
        events: [update(ROLE, &new, &old), delete(ROLE, &old)],
        then: "DELETE_IN_PROGRESS",
        ..Pair::of_creates()
    };
    let (ends, runs) =
        pair.each(2, |run, order| assert_eq!(run.books, Books::default(), "{order}: {:?}", run.responses)).await;
    assert!(runs > 50, "{ends} ends of {runs} orders");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_while_the_update_still_runs_ends_as_it_began() {
    let old = with(json!({ "Tags": [{ "Key": "a", "Value": "1" }] }));
    let new = with(json!({ "Description": "new", "StateMachineName": "churn" }));
    let start = made(&old).await;
    // The rollback is still running to its end, or has ended. It may also be within the seconds that clocks may differ,
    // unless the update begins only after the rollback.
    for (later, time, ends) in
        [(60, "010100", None), (60, "010100", Some(61)), (5, "010005", None), (5, "010005", Some(6))]
    {
        let pair = Pair {
            start: start.clone(),
            events: [sent(update(ROLE, &new, &old)), sent_at(update(ROLE, &old, &new), time)],
            then: "UPDATE_IN_PROGRESS",
            later,
            ends,
            rolls_back: true,
            denied: None,
        };
        let (ways, runs) = pair
            .each(2, |run, order| {
                if later == 60 || run.turns[0].2 == 0 {
                    assert_eq!(run.books.meaning(), start.meaning(), "{later}, {ends:?}, {order}: {:?}", run.responses);
                }
            })
            .await;
        assert!(runs > 50, "{ways} ends of {runs} orders");
    }
}

/// The reason for the second delivery's failure does not concern the first delivery, whose result the stack keeps.
#[tokio::test(start_paused = true)]
async fn a_second_delivery_that_fails_takes_nothing_from_the_first() {
    let scoped = |verifies: &str| with(json!({ "Integrations": ["lambda:invoke"], "VerifyPermissions": verifies }));
    let end = made(&scoped("false")).await.meaning();
    let events = [sent(create(&scoped("false"))), sent(create(&scoped("true")))];
    let pair = Pair { events, ends: Some(5), denied: Some("lambda:"), ..Pair::of_creates() };
    let succeeded = Cell::new(0);
    let (ways, runs) = pair
        .each(2, |run, order| {
            let (first, response) = &run.responses[0];
            if *first == 0 && response.succeeded() {
                assert_eq!(run.books.meaning(), end, "{order}: {:?}", run.responses);
                succeeded.set(succeeded.get() + 1);
            }
        })
        .await;
    assert!(succeeded.get() > 20, "{ways} ends of {runs} orders");
}
