//! Tests the real process against the local AWS, over a wire that breaks: every call, every fault, alone and in pairs.
//!
//! `cargo test` runs a sample, `make campaign` runs everything; both write a table to `target/campaign.md`.

mod account;
mod case;
mod dice;
mod report;
mod run;

use std::fmt::Write as _;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use self::account::{Books, Harness, differences, environment};
use self::case::cases;
use self::dice::{Dice, plan};
use self::report::{HEAD, Row};
use self::run::{REMAINING, success};
use crate::wire_faults::Lambda;

/// The number of concurrent runs; a run mostly waits.
const AT_ONCE: usize = 40;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// `CAMPAIGN=1` runs everything, and `CAMPAIGN_SEED` chooses the pairs and the samples. `CAMPAIGN_CASES` selects the
/// cases whose names contain one of its texts, separated by commas. A case then runs the same faults as it does among
/// all cases.
#[tokio::test]
async fn every_call_over_a_wire_that_breaks() {
    let full = variable("CAMPAIGN").is_some();
    let seed = variable("CAMPAIGN_SEED").unwrap_or(1);
    let state = Harness::new();
    let named = std::env::var("CAMPAIGN_CASES").unwrap_or_default();
    let mut accounts = (100_000_000_001_u64..).map(|number| number.to_string());
    let (mut table, mut total, mut bad, mut failed) = (HEAD.to_owned(), Row::default(), Vec::new(), String::new());
    for (number, case) in (1..).zip(cases()) {
        if !named.split(',').any(|text| case.name.contains(text)) {
            continue;
        }
        let calm = case.run(&state, accounts.next().unwrap(), &[], None).await;
        assert!(
            calm.succeeded && calm.converged && calm.orphans + calm.foreign_changes == 0,
            "{}: {calm:?}",
            case.name
        );
        let plan = plan(calm.calls.len(), full, &mut Dice(seed * 1_000 + number));
        let runs = stream::iter(plan.iter().zip(&mut accounts));
        let runs =
            runs.map(async |(breaks, account)| (breaks, case.run(&state, account, breaks, Some(&calm.after)).await));
        let outcomes: Vec<_> = runs.buffer_unordered(AT_ONCE).collect().await;
        let mut row = Row { calls: calm.calls.len(), ..Row::default() };
        for (breaks, outcome) in &outcomes {
            row.add(outcome);
            total.add(outcome);
            if outcome.answered && !outcome.succeeded {
                let _ = writeln!(failed, "- {}, {breaks:?} of {:?}: {}", case.name, calm.calls, outcome.what);
            }
            let clean = outcome.orphans + outcome.foreign_changes == 0;
            if !(outcome.answered && outcome.converged && clean) {
                bad.push(format!("{}, {breaks:?} of {:?}: {outcome:?}", case.name, calm.calls));
            }
        }
        total.calls += row.calls;
        table += &row.line(case.name);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/campaign.md");
        let told = format!("{table}{}\nSeed {seed}. What was answered by FAILED:\n\n{failed}", total.line("all"));
        std::fs::write(path, told).unwrap();
    }
    assert!(bad.is_empty(), "{} of {}:\n{}", bad.len(), total.events, bad.join("\n\n"));
}

/// Lambda ends a function that takes longer than its timeout. The response must be out by then, whatever was left to
/// do.
#[tokio::test]
async fn with_any_time_left_the_answer_is_out_before_the_process_ends() {
    let state = Harness::new();
    let case = &cases()[2];
    let mut accounts = (200_000_000_001_u64..).map(|number| number.to_string());
    let mut failed = 0;
    for milliseconds in [1_000, 1_500, 2_000, 3_000, 5_000, 8_000, 12_000, 30_000] {
        let (account, remaining) = (accounts.next().unwrap(), Duration::from_millis(milliseconds));
        state.populate(&account, &[]).await;
        let initial = state.books(&account).await;
        let mut lambda = Lambda::new(account.clone(), state.upstream, environment(&account)).await;
        let (old, new) = (case.before.as_ref().unwrap(), case.properties.as_ref().unwrap());
        let id = success(&lambda.send(&case.event(&account, "Create", old), &[], REMAINING).await);
        let start = state.books(&account).await;
        lambda.slow_down(Duration::from_millis(150));
        let told = lambda.send(&case.update(&account, &id, new, old), &[], remaining).await;
        let (after, answer) = told.answer.unwrap();
        assert!(after < remaining && told.deliveries == 1, "{remaining:?}: after {after:?}, {}", told.deliveries);
        lambda.slow_down(Duration::ZERO);
        if answer["Status"] == "FAILED" {
            failed += 1;
            let reason = answer["Reason"].as_str().unwrap();
            let undone = reason.contains("; rolled back") || reason.contains("nothing was");
            let named = reason.contains("rollback failed");
            assert!(undone || named || state.books(&account).await == start, "{remaining:?}: {reason}");
            success(&lambda.send(&case.update(&account, &id, old, new), &[], REMAINING).await);
            assert_eq!(differences(&state.books(&account).await, &start), Books::new(), "{remaining:?}: {reason}");
        }
        success(&lambda.send(&case.delete(&account, &id, new), &[], REMAINING).await);
        assert_eq!(differences(&state.books(&account).await, &initial), Books::new(), "{remaining:?}");
    }
    assert!((1..8).contains(&failed), "{failed} of 8 ran out of time");
}
