//! A run of a case: the event under faults, and the events that CloudFormation sends afterwards.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::account::{Books, Harness, environment};
use super::case::Case;
use crate::wire_faults::{Break, Delivered, LAG, Lambda};

/// The time that each delivery has.
pub const REMAINING: Duration = Duration::from_mins(2);

/// The result of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    pub met: usize,
    pub calls: Vec<String>,
    pub answered: bool,
    pub succeeded: bool,
    /// The account once the response was sent: at the end, or where it started.
    pub after: Books,
    /// Whether a success reached the desired state, and a failure led back, by its rollback or by the events that
    /// CloudFormation sends then.
    pub converged: bool,
    pub orphans: usize,
    pub foreign_changes: usize,
    pub what: String,
}

impl Case {
    /// Runs the case in an account of its own, with all events that CloudFormation would send afterwards.
    pub async fn run(
        &self,
        state: &Harness,
        account: String,
        breaks: &[(usize, Break)],
        end: Option<&Books>,
    ) -> Outcome {
        state.populate(&account, self.by_hand).await;
        let initial = state.books(&account).await;
        let mut lambda = Lambda::new(account.clone(), state.upstream, environment(&account)).await;
        let mut id = String::new();
        if let Some(before) = &self.before {
            id = success(&lambda.send(&self.event(&account, "Create", before), &[], REMAINING).await);
        }
        let start = state.books(&account).await;
        let event = self.main_event(&account, &id);
        let told = lambda.send(&event, breaks, REMAINING).await;
        let mut outcome = Outcome { met: told.met, calls: told.calls, ..Outcome::default() };
        outcome.after = state.books(&account).await;
        let Some((_, answer)) = told.answer else {
            outcome.what = format!("not answered in {} deliveries", told.deliveries);
            return outcome;
        };
        outcome.answered = true;
        outcome.succeeded = answer["Status"] == "SUCCESS";
        outcome.what = format!("{} deliveries: {answer}", told.deliveries);
        outcome.converged = match end {
            Some(end) if outcome.succeeded => outcome.after == *end,
            _ => true,
        };
        let now = answer["PhysicalResourceId"].as_str().unwrap().to_owned();
        // A fault of the earlier event may still show in IAM reads.
        tokio::time::sleep(if breaks.iter().any(|(_, kind)| *kind == Break::Lag) { LAG } else { Duration::ZERO }).await;
        let follow_ups = self.follow_ups(&account, (&id, &now), outcome.succeeded);
        for (turn, event) in follow_ups.iter().enumerate() {
            let told = lambda.send(event, &[], REMAINING).await;
            let fine = told.answer.as_ref().is_some_and(|(_, answer)| answer["Status"] == "SUCCESS");
            outcome.converged &= fine;
            if !outcome.succeeded && event["RequestType"] == "Update" {
                outcome.converged &= state.books(&account).await == start;
            }
            if !fine {
                let _ = write!(outcome.what, "; follow-up {turn}: {:?}", told.answer);
            }
        }
        let last = state.books(&account).await;
        outcome.orphans =
            last.iter().filter(|(name, text)| !initial.contains_key(*name) || text.contains("mlops-roles:")).count();
        let foreign = initial.iter().filter(|(name, _)| name.contains("Foreign"));
        outcome.foreign_changes = foreign.filter(|(name, text)| last.get(*name) != Some(*text)).count();
        outcome
    }

    /// The event under test. `id` is the physical id of the existing resource, if any.
    fn main_event(&self, account: &str, id: &str) -> Value {
        match (&self.before, &self.properties) {
            (None, Some(new)) => self.event(account, "Create", new),
            (Some(old), Some(new)) => self.update(account, id, new, old),
            (Some(old), None) => self.delete(account, id, old),
            (None, None) => unreachable!("a case does something"),
        }
    }

    /// What CloudFormation sends after the response, up to the deletion of the resource. The ids are the physical ids
    /// before the event and in the response.
    fn follow_ups(&self, account: &str, (before, now): (&str, &str), succeeded: bool) -> Vec<Value> {
        match (&self.before, &self.properties) {
            (None, Some(new)) => vec![self.delete(account, now, new)],
            (Some(old), Some(new)) if succeeded && now != before => {
                vec![self.delete(account, before, old), self.delete(account, now, new)]
            }
            (Some(_), Some(new)) if succeeded => vec![self.delete(account, now, new)],
            (Some(old), Some(new)) => vec![self.update(account, now, old, new), self.delete(account, now, old)],
            (Some(old), _) if !succeeded => vec![self.delete(account, now, old)],
            _ => Vec::new(),
        }
    }
}

/// The physical id in the response, which must be a success.
#[track_caller]
pub fn success(delivered: &Delivered) -> String {
    let (_, answer) = delivered.answer.as_ref().unwrap();
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    answer["PhysicalResourceId"].as_str().unwrap().to_owned()
}
