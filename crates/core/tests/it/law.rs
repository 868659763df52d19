//! The law of the planner: folding `after` over `plan(b, a)` from `a` results in `b`, and every step leaves one step
//! fewer to take.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::{Policy, Role, State, Tags};

const POLICY: &str = "arn:aws:iam::123456789012:policy/P";
const FOREIGN: &str = "arn:aws:iam::aws:policy/Foreign";

fn document(name: &str) -> Document {
    Document::from_statements(vec![json!({ "Effect": "Allow", "Action": name, "Resource": "*" })])
}

fn trust(machines: &str) -> Document {
    Document::from_statements(vec![json!({
        "Effect": "Allow",
        "Principal": { "Service": "states.amazonaws.com" },
        "Action": "sts:AssumeRole",
        "Condition": { "ArnLike": { "aws:SourceArn": machines } },
    })])
}

fn check(a: &State, b: &State) {
    let steps = plan(b, a);
    assert_eq!(steps.is_empty(), a == b, "a plan is empty when nothing differs, and only then: {steps:?}");
    let mut state = a.clone();
    let mut granted = BTreeSet::new();
    for (taken, step) in steps.iter().enumerate() {
        safe(&state, step, &mut granted, b);
        state = after(state, step);
        let rest = plan(b, &state).len();
        assert_eq!(rest, steps.len() - taken - 1, "after `{step}` of {steps:?}");
    }
    assert_eq!(state, *b, "{steps:?}");
}

/// Asserts what IAM requires of a step, and the orders that safety requires.
fn safe(state: &State, step: &Step, granted: &mut BTreeSet<Name>, end: &State) {
    match step {
        Step::DeleteRole { role } => {
            let role = &state.roles[role];
            assert!(role.attached.is_empty() && role.inline.is_empty() && role.instance_profiles.is_empty());
        }
        Step::DeletePolicy { arn } => {
            assert!(state.roles.values().all(|role| !role.attached.contains(arn)), "{arn} is still attached");
        }
        Step::Attach { role, arn } => {
            assert!(arn == FOREIGN || state.policies.contains_key(arn), "{arn} is not there yet");
            granted.insert(role.clone());
        }
        Step::PutInline { role, .. } => drop(granted.insert(role.clone())),
        Step::SetBoundary { role, .. } => assert!(!granted.contains(role), "a boundary comes before any grant"),
        Step::SetTrust { role, trust } => {
            let (have, want) = (&state.roles[role], &end.roles[role]);
            let grants_stand = have.attached == want.attached && have.inline == want.inline;
            assert!(trust.narrows(&have.trust) || grants_stand, "a trust is widened after the grants");
        }
        _ => {}
    }
}

fn roles() -> Vec<Option<Role>> {
    let mut roles = vec![None];
    let flags = [false, true];
    for (trusts, bounded) in ["arn:a", "arn:*"].into_iter().flat_map(|t| flags.map(|b| (t, b))) {
        for (tagged, attached) in flags.into_iter().flat_map(|t| (0..4).map(move |a| (t, a))) {
            for (inline, session) in (0..3).flat_map(|i| [3_600, 7_200].map(|s| (i, s))) {
                let policies = [POLICY, FOREIGN].into_iter().enumerate().filter(|(i, _)| attached >> i & 1 == 1);
                let inline = match inline {
                    0 => BTreeMap::new(),
                    1 => BTreeMap::from([("I".to_owned(), document("s3:GetObject"))]),
                    _ => BTreeMap::from([("I".to_owned(), document("s3:PutObject"))]),
                };
                roles.push(Some(Role {
                    path: "/".to_owned(),
                    trust: trust(trusts),
                    description: String::new(),
                    max_session_duration: session,
                    boundary: bounded.then(|| "arn:boundary".to_owned()),
                    tags: if tagged { Tags::from([("k".to_owned(), "v".to_owned())]) } else { Tags::new() },
                    attached: policies.map(|(_, arn)| arn.to_owned()).collect(),
                    inline,
                    instance_profiles: BTreeSet::new(),
                }));
            }
        }
    }
    roles
}

fn policies() -> Vec<Option<Policy>> {
    let tags = || Tags::from([("k".to_owned(), "v".to_owned())]);
    vec![
        None,
        Some(Policy { document: document("s3:GetObject"), tags: Tags::new() }),
        Some(Policy { document: document("s3:GetObject"), tags: tags() }),
        Some(Policy { document: document("s3:PutObject"), tags: tags() }),
    ]
}

/// States that IAM would have: no role has a policy attached that does not exist.
pub fn states() -> Vec<State> {
    let mut states = Vec::new();
    for role in roles() {
        for policy in policies() {
            if policy.is_none() && role.as_ref().is_some_and(|role| role.attached.contains(POLICY)) {
                continue;
            }
            states.push(State {
                roles: role.iter().map(|role| (Name::new("R"), role.clone())).collect(),
                policies: policy.iter().map(|policy| (POLICY.to_owned(), policy.clone())).collect(),
            });
        }
    }
    states
}

#[test]
fn every_transition_between_small_states_obeys_the_law() {
    let states = states();
    assert!(states.len() > 500, "{} worlds", states.len());
    for a in &states {
        for b in &states {
            check(a, b);
        }
    }
}

fn any_role() -> impl Strategy<Value = Role> {
    let names = || prop::collection::btree_set("[a-c][0-9]", 0..14);
    let inline = prop::collection::btree_map("[a-d]", 0..3_000_usize, 0..4);
    (names(), inline, prop::collection::btree_map("[a-z]{1,2}", "[a-b]", 0..40), any::<[bool; 5]>()).prop_map(
        |(attached, inline, tags, [path, narrow, description, session, bounded])| Role {
            path: if path { "/" } else { "/p/" }.to_owned(),
            trust: trust(if narrow { "arn:a" } else { "arn:*" }),
            description: if description { "d" } else { "" }.to_owned(),
            max_session_duration: if session { 3_600 } else { 7_200 },
            boundary: bounded.then(|| "arn:boundary".to_owned()),
            tags,
            attached: attached.into_iter().map(|name| format!("arn:aws:iam::aws:policy/{name}")).collect(),
            inline: inline.into_iter().map(|(name, size)| (name, document(&"x".repeat(size)))).collect(),
            instance_profiles: BTreeSet::new(),
        },
    )
}

pub fn any_state() -> impl Strategy<Value = State> {
    let policy = ("[a-c]", prop::collection::btree_map("[a-z]{1,2}", "[a-b]", 0..40))
        .prop_map(|(name, tags)| Policy { document: document(&name), tags });
    let roles = prop::collection::btree_map("[A-C]", any_role(), 0..3);
    let policies = prop::collection::btree_map("arn:aws:iam::123456789012:policy/[a-c]", policy, 0..3);
    (roles, policies).prop_map(|(roles, policies)| State {
        roles: roles.into_iter().map(|(name, role)| (Name::new(name), role)).collect(),
        policies,
    })
}

proptest! {
    #[test]
    fn large_states_obey_the_law(a in any_state(), b in any_state()) {
        let mut state = a.clone();
        for step in plan(&b, &a) {
            let left = plan(&b, &state).len();
            state = after(state, &step);
            prop_assert!(plan(&b, &state).len() < left);
        }
        prop_assert_eq!(&state, &b);
        prop_assert!(plan(&b, &b).is_empty());
    }

    #[test]
    fn no_step_of_a_plan_breaks_a_quota_that_both_ends_keep(a in any_role(), b in any_role()) {
        let state = |mut role: Role| {
            role.path = "/".to_owned();
            role.attached = role.attached.into_iter().take(10).collect();
            let mut room = 10_240;
            role.inline.retain(|_, document| { let fits = document.size() <= room; room -= if fits { document.size() } else { 0 }; fits });
            State { roles: BTreeMap::from([(Name::new("R"), role)]), policies: BTreeMap::new() }
        };
        let (a, b) = (state(a), state(b));
        let mut state = a.clone();
        for step in plan(&b, &a) {
            state = after(state, &step);
            let role = &state.roles[&Name::new("R")];
            prop_assert!(role.attached.len() <= 10);
            prop_assert!(role.tags.len() <= 50);
            prop_assert!(role.inline.values().map(Document::size).sum::<usize>() <= 10_240);
        }
    }
}

/// Found by the property above: one inline policy shrinks while another is added, and both were large.
#[test]
fn what_shrinks_makes_room_for_what_grows() {
    let large = |size: usize| Document::parse(&format!("\"{}\"", "x".repeat(size)));
    let state = |inline: &[(&str, usize)]| {
        let inline = inline.iter().map(|(name, size)| ((*name).to_owned(), large(*size))).collect();
        let role = Role { inline, ..roles().into_iter().flatten().next().unwrap() };
        State { roles: BTreeMap::from([(Name::new("R"), role)]), policies: BTreeMap::new() }
    };
    for (a, b) in [
        (state(&[("Z", 9_000)]), state(&[("A", 9_000), ("Z", 10)])),
        (state(&[("M", 9_000)]), state(&[("M", 10), ("A", 5_000), ("Z", 5_000)])),
        (state(&[("A", 10), ("Z", 9_000)]), state(&[("A", 9_000), ("Z", 10)])),
    ] {
        let mut state = a.clone();
        for step in plan(&b, &a) {
            state = after(state, &step);
            let sizes = state.roles[&Name::new("R")].inline.values().map(Document::size);
            assert!(sizes.sum::<usize>() <= 10_240, "after {step}");
        }
        assert_eq!(state, b);
    }
}

#[test]
fn names_that_differ_by_case_are_one_role() {
    let role = roles().into_iter().flatten().next().unwrap();
    let state = |name: &str| State { roles: BTreeMap::from([(Name::new(name), role.clone())]), ..State::default() };
    assert!(plan(&state("AmazonSageMaker-X"), &state("amazonsagemaker-x")).is_empty());
}

#[test]
fn a_plan_reads_as_sentences() {
    let state = states().into_iter().max_by_key(|state| plan(state, &State::default()).len()).unwrap();
    let steps: Vec<String> = plan(&state, &State::default()).iter().map(Step::to_string).collect();
    assert_eq!(
        steps,
        [
            "create policy `arn:aws:iam::123456789012:policy/P`",
            "create role `R` at path `/` with permissions boundary `arn:boundary`",
            "attach `arn:aws:iam::123456789012:policy/P` to role `R`",
            "attach `arn:aws:iam::aws:policy/Foreign` to role `R`",
            "put inline policy `I` on role `R`",
        ]
    );
}
