//! Tests when calls are tried again: the pauses have a random part, and the timeouts hold whatever it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::permissions::simulation::{Check, Simulated};
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::ownership::{Owner, WriteScope};
use mlops_roles_core::state::policy_user::PolicyUser;
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Role, State};
use mlops_roles_engine::port::{AwsError, FaultKind, Iam};
use mlops_roles_engine::retry::{self, Backoff, LONGEST_PAUSE, PROPAGATION_TIMEOUT, poll_until};
use mlops_roles_engine::rollback::{Reached, roll_back};

const SEEDS: std::ops::Range<u64> = 0..200;

/// An account with one role of ours, whose refusals end at a moment.
struct Refusing {
    until: Instant,
    state: State,
}

impl Refusing {
    /// Refuses for this long.
    fn during(time: Duration) -> Self {
        let role = Role {
            path: "/".into(),
            trust: Document::from_statements(Vec::new()),
            description: String::new(),
            max_session_duration: 3_600,
            boundary: None,
            tags: owner().tags(),
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
            instance_profiles: BTreeSet::new(),
        };
        let roles = BTreeMap::from([(Name::new("Ours"), role)]);
        Self { until: Instant::now() + time, state: State { roles, policies: BTreeMap::new() } }
    }

    fn has_ended(&self) -> bool {
        Instant::now() >= self.until
    }

    fn answer(&self) -> Result<(), AwsError> {
        let (code, message) = ("DeleteConflict".to_owned(), "something is attached".to_owned());
        let kind = FaultKind::MaybePropagating;
        let refused = AwsError { kind, outcome_unknown: false, call: "iam:DeleteRole", code, message };
        if self.has_ended() { Ok(()) } else { Err(refused) }
    }
}

impl Iam for Refusing {
    async fn observe(&self, _: &Query) -> Result<Observation, AwsError> {
        Ok(Observation { state: self.state.clone(), ..Observation::default() })
    }

    async fn execute(&self, _: &Step) -> Result<(), AwsError> {
        self.answer()
    }

    async fn has_policy(&self, _: &str) -> Result<bool, AwsError> {
        self.answer().map(|()| true)
    }

    async fn users_of_policy(&self, _: &str) -> Result<Vec<PolicyUser>, AwsError> {
        self.answer().map(|()| Vec::new())
    }

    async fn simulate(&self, _: &str, _: &Check) -> Result<Simulated, AwsError> {
        self.answer().map(|()| Simulated::default())
    }

    async fn policies_below(&self, _: &str) -> Result<Vec<(String, i64)>, AwsError> {
        self.answer().map(|()| Vec::new())
    }

    async fn roles_named(&self, _: &str) -> Result<BTreeSet<String>, AwsError> {
        self.answer().map(|()| BTreeSet::new())
    }
}

fn owner() -> Owner {
    Owner { stack_id: "arn:aws:cloudformation:us-east-1:123456789012:stack/x/1".into(), logical_id: "Role".into() }
}

#[test]
fn pauses_double_and_have_a_random_part() {
    let mut firsts = BTreeSet::new();
    for seed in SEEDS {
        fastrand::seed(seed);
        let mut backoff = Backoff::default();
        for base in [200, 400, 800, 1_600, 3_000, 3_000, 3_000].map(Duration::from_millis) {
            let pause = backoff.next_pause();
            assert!(pause >= base && pause <= 2 * base && pause <= LONGEST_PAUSE, "{seed}: {pause:?} for {base:?}");
            firsts.extend((base.as_millis() == 200).then_some(pause));
        }
    }
    assert!(firsts.len() > 190, "{}", firsts.len());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_propagation_explains_is_not_believed_before_the_timeout() {
    for seed in SEEDS {
        fastrand::seed(seed);
        let account = Refusing::during(PROPAGATION_TIMEOUT);
        let deadline = Instant::now() + Duration::from_mins(5);
        let told = retry::until(deadline, async || account.has_policy("arn").await).await;
        assert!(told.is_ok(), "{seed}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_shows_within_the_timeout_is_seen() {
    for seed in SEEDS {
        fastrand::seed(seed);
        let account = Refusing::during(PROPAGATION_TIMEOUT);
        let deadline = Instant::now() + Duration::from_mins(5);
        poll_until(&account, &Query::default(), |_| account.has_ended(), deadline).await.unwrap();
        assert!(account.has_ended(), "{seed}");
    }
}

/// Little time is left in a rollback, and what it gives up stays behind.
#[tokio::test(start_paused = true)]
async fn a_rollback_does_not_give_up_before_its_timeout() {
    let owner = owner();
    for seed in SEEDS {
        fastrand::seed(seed);
        let account = Refusing::during(Duration::from_secs(8));
        let deadline = Instant::now() + Duration::from_mins(1);
        let nothing = BTreeSet::new();
        let reached = Reached { state: account.state.clone(), outcome_unknown: &nothing };
        let done = roll_back(&account, &WriteScope::owned_by(&owner), &State::default(), reached, deadline).await;
        assert!(done.is_ok(), "{seed}: {done:?}");
    }
}
