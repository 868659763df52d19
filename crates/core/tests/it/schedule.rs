//! Tests which steps run side by side: the order of the steps of a round never matters.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::schedule::next_round;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::{Entity, Policy, Role, State, Tags};

use crate::law::{any_state, states};

/// Asserts that every order of the steps of a round results in the same state, and that no step waits for another.
fn check(a: &State, b: &State) {
    let mut state = a.clone();
    let mut rounds = 0;
    loop {
        let steps = plan(b, &state);
        if steps.is_empty() {
            break;
        }
        let side_by_side = next_round(&steps);
        assert!(!side_by_side.is_empty() && side_by_side.len() <= 4);
        let forth = side_by_side.iter().fold(state.clone(), after);
        let back = side_by_side.iter().rev().fold(state.clone(), after);
        assert_eq!(forth, back, "{side_by_side:?}");
        for step in &side_by_side {
            let same = |other: &&Step| other.entity() == step.entity();
            assert_eq!(side_by_side.iter().filter(same).count(), 1, "one write to `{step}`'s entity: {side_by_side:?}");
            safe(&state, step, &steps);
        }
        state = forth;
        rounds += 1;
        assert!(rounds < 500);
    }
    assert_eq!(state, *b);
}

/// Asserts what each step may rely on while others run.
fn safe(state: &State, step: &Step, plan: &[Step]) {
    match step {
        Step::Attach { arn, .. } => {
            let made = plan.iter().any(|step| matches!(step, Step::CreatePolicy { arn: made, .. } if made == arn));
            assert!(!made, "`{arn}` is there before it is attached");
        }
        Step::DeletePolicy { arn } => {
            assert!(state.roles.values().all(|role| !role.attached.contains(arn)), "{arn} is still attached");
        }
        Step::SetPolicyDocument { .. } => {
            let restricts = |step: &Step| matches!(step, Step::SetBoundary { .. } | Step::TagRole { .. });
            assert!(!plan.iter().any(restricts), "what fences a role in comes before what it is granted");
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

/// The ARNs of policies, each with the actions that it allows: one statement each.
type Policies<'a> = [(&'a str, &'a [&'a str])];

/// A role with these policies.
fn with_policies(policies: &Policies<'_>) -> State {
    let statement = |action: &&str| json!({ "Effect": "Allow", "Action": action, "Resource": "*" });
    let made = policies.iter().map(|(arn, actions)| {
        let document = Document::from_statements(actions.iter().map(statement).collect());
        ((*arn).to_owned(), Policy { document, tags: Tags::new() })
    });
    let role = Role {
        path: "/".to_owned(),
        trust: Document::from_statements(Vec::new()),
        description: String::new(),
        max_session_duration: 3_600,
        boundary: None,
        tags: Tags::new(),
        attached: policies.iter().map(|(arn, _)| (*arn).to_owned()).collect(),
        inline: BTreeMap::new(),
        instance_profiles: BTreeSet::new(),
    };
    State { roles: BTreeMap::from([(Name::new("R".to_owned()), role)]), policies: made.collect() }
}

/// The actions that the attached policies allow.
fn allowed(state: &State) -> BTreeSet<String> {
    let attached = state.roles.values().flat_map(|role| &role.attached).filter_map(|arn| state.policies.get(arn));
    let actions = ["s3:A", "s3:B", "s3:C", "s3:D"];
    attached.flat_map(|policy| policy.document.allowed(&actions)).map(|(action, _)| action).collect()
}

#[test]
fn a_statement_that_moves_to_another_policy_is_never_missing() {
    let moves: [(&Policies<'_>, &Policies<'_>); 6] = [
        (&[("P", &["s3:A", "s3:B"])], &[("P", &["s3:A", "s3:C"]), ("P-2", &["s3:B"])]),
        (&[("P", &["s3:A"]), ("P-2", &["s3:B", "s3:D"])], &[("P", &["s3:A", "s3:B"])]),
        (&[("P", &["s3:A", "s3:B"]), ("P-2", &["s3:C"])], &[("P", &["s3:A"]), ("P-2", &["s3:B", "s3:C"])]),
        (&[("P", &["s3:A", "s3:B"])], &[("P", &["s3:A"]), ("P-2", &["s3:B"]), ("P-3", &["s3:C"])]),
        // A policy goes while another one both gains and loses.
        (
            &[("P", &["s3:A"]), ("P-2", &["s3:B"]), ("P-3", &["s3:C"])],
            &[("P", &["s3:A", "s3:B"]), ("P-2", &["s3:C", "s3:D"])],
        ),
        (
            &[("churn-1", &["s3:A", "s3:B"]), ("churn-1-2", &["s3:C"])],
            &[("churn-1", &["s3:A"]), ("churn-1-2", &["s3:B", "s3:C"])],
        ),
    ];
    for (before, end) in moves.into_iter().flat_map(|(one, other)| [(one, other), (other, one)]) {
        let (mut state, end) = (with_policies(before), with_policies(end));
        let kept: BTreeSet<String> = allowed(&state).intersection(&allowed(&end)).cloned().collect();
        loop {
            let round = next_round(&plan(&end, &state));
            let forth = round.iter().fold(vec![state.clone()], |mut seen, step| {
                seen.push(after(seen.last().unwrap().clone(), step));
                seen
            });
            let back = round.iter().rev().fold(state.clone(), |state, step| {
                let next = after(state, step);
                assert!(kept.is_subset(&allowed(&next)), "{kept:?} in {round:?}");
                next
            });
            assert!(forth.iter().all(|one| kept.is_subset(&allowed(one))), "{kept:?} in {round:?}");
            if round.is_empty() {
                break;
            }
            state = back;
        }
        assert_eq!(state, end);
    }
}

#[test]
fn side_by_side_every_transition_between_small_states_ends_where_it_should() {
    let states = states();
    for a in &states {
        for b in states.iter().step_by(3) {
            check(a, b);
        }
    }
}

proptest! {
    #[test]
    fn side_by_side_large_states_end_where_they_should(a in any_state(), b in any_state()) {
        check(&a, &b);
    }
}
