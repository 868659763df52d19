//! Tests that every step ends alike through the port and on the wire, with every fault at each of its calls.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::step::{Step, Turn};
use mlops_roles_core::state;
use mlops_roles_engine::port::Iam;
use mlops_roles_testkit::account::{Books, Face, Fake, Mischief, Policy};
use mlops_roles_testkit::cases::{FOREIGN, foreign};
use mlops_roles_testkit::service_catalog::role;
use mlops_roles_testkit::stage::{BOUNDARY, POLICY, ROLE, Stage, create, properties};

use super::trace::{Use, names};

/// A policy with as many versions as IAM keeps.
const FULL: &str = "arn:aws:iam::123456789012:policy/AmazonSageMaker-Full";
/// A policy that does not exist.
const NEW: &str = "arn:aws:iam::123456789012:policy/path/AmazonSageMaker-New";
/// A role without policies.
const BARE: &str = "AmazonSageMaker-Bare";
names!(kind, KINDS, Step:
    CreatePolicy TagPolicy UntagPolicy SetPolicyDocument DeletePolicy CreateRole TagRole UntagRole SetBoundary
    RemoveBoundary SetTrust SetDetails Attach Detach PutInline DeleteInline RemoveFromInstanceProfile DeleteRole);
names!(fault, FAULTS, Mischief:
    Refused Denied UnknownPrincipal Throttled Conflict LostBefore LostAfter ServerErrorAfter HangAfter KillBefore
    KillAfter Panic);

fn document(action: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": [action], "Resource": ["*"] }] })
}

/// A role with all that a role can have, and policies with several versions.
async fn start() -> Books {
    let fake = Fake::with(foreign());
    let stage = Stage::before(Face::Port(fake.clone()), fake);
    stage.send(&create(&properties())).await.success();
    let mut books = stage.fake.books();
    books.profiles.insert("Holds".into(), Some(ROLE.into()));
    books.roles.insert(BARE.to_lowercase(), role(BARE, "/", &[], &[]));
    let policy = books.policies.get_mut(POLICY).unwrap();
    policy.versions.insert(2, document("s3:GetObject"));
    (policy.default, policy.next) = (2, 3);
    let versions = (1..=5).map(|number| (number, document(&format!("s3:Get{number}"))));
    let full = Policy {
        name: "AmazonSageMaker-Full".into(),
        path: "/".into(),
        versions: versions.collect(),
        default: 5,
        next: 6,
        tags: [].into(),
        made_at: 0,
    };
    books.policies.insert(FULL.into(), full);
    books
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// Steps on policies: some of them create or remove what exists or does not exist.
fn of_policies(start: &Books) -> Vec<Step> {
    let set = |arn: &str, document: Value| Step::SetPolicyDocument {
        arn: text(arn),
        document: Document::new(document),
        turn: Turn::First,
    };
    let made = state::Policy {
        document: Document::new(document("s3:PutObject")),
        tags: [(text("mlops-roles:stack-id"), text("x"))].into(),
    };
    vec![
        Step::CreatePolicy { arn: text(NEW), policy: made.clone() },
        Step::CreatePolicy { arn: text(POLICY), policy: made },
        Step::TagPolicy { arn: text(POLICY), tags: [(text("a"), text("1")), (text("b"), text("2"))].into() },
        Step::UntagPolicy { arn: text(POLICY), keys: [text("mlops-roles:stack-id"), text("absent")].into() },
        Step::UntagPolicy { arn: text(NEW), keys: [text("a")].into() },
        set(POLICY, document("s3:PutObject")),
        // An earlier version has the document.
        set(POLICY, start.policies[POLICY].versions[&1].clone()),
        // The oldest version makes room.
        set(FULL, document("s3:PutObject")),
        set(NEW, document("s3:PutObject")),
        Step::DeletePolicy { arn: text(FULL) },
        Step::DeletePolicy { arn: text(FOREIGN) },
        // A role has it.
        Step::DeletePolicy { arn: text(POLICY) },
        Step::DeletePolicy { arn: text(NEW) },
    ]
}

/// Steps on roles, of the same sorts.
fn of_roles(start: &Books) -> Vec<Step> {
    let role = || Name::new(ROLE);
    let state = start.state();
    let made = state.roles[&role()].bare();
    let inline = text(state.roles[&role()].inline.keys().next().unwrap());
    let nobody = json!({ "AWS": ["arn:aws:iam::123456789012:role/Nobody"] });
    let trusting = |principal: Value| {
        Document::from_statements(vec![
            json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" }),
        ])
    };
    vec![
        Step::CreateRole { role: Name::new("AmazonSageMaker-New"), made: made.clone() },
        Step::CreateRole { role: role(), made },
        Step::TagRole { role: role(), tags: [(text("a"), text("1")), (text("b"), text("2"))].into() },
        Step::UntagRole { role: role(), keys: [text("mlops-roles:stack-id"), text("absent")].into() },
        Step::SetBoundary { role: Name::new(BARE), arn: text(BOUNDARY) },
        Step::SetBoundary { role: role(), arn: text(NEW) },
        Step::RemoveBoundary { role: role() },
        Step::RemoveBoundary { role: Name::new(BARE) },
        Step::SetTrust { role: role(), trust: trusting(json!({ "Service": "events.amazonaws.com" })) },
        Step::SetTrust { role: role(), trust: trusting(nobody) },
        Step::SetDetails { role: role(), description: text("ünlike & <other>"), max_session_duration: 7_200 },
        Step::Attach { role: role(), arn: text("arn:aws:iam::aws:policy/AmazonX") },
        Step::Attach { role: role(), arn: text(NEW) },
        Step::Detach { role: role(), arn: text(POLICY) },
        Step::Detach { role: role(), arn: text(NEW) },
        Step::PutInline { role: role(), name: text("Another"), document: Document::new(document("s3:PutObject")) },
        Step::DeleteInline { role: role(), name: inline },
        Step::DeleteInline { role: role(), name: text("Absent") },
        Step::RemoveFromInstanceProfile { role: role(), profile: text("Holds") },
        Step::RemoveFromInstanceProfile { role: role(), profile: text("Foreign") },
        Step::DeleteRole { role: Name::new(BARE) },
        Step::DeleteRole { role: role() },
        Step::DeleteRole { role: Name::new("AmazonSageMaker-Absent") },
    ]
}

/// Undisturbed, a step that succeeds also does what the planner predicts, and a step that is refused does nothing.
#[tokio::test(start_paused = true)]
async fn every_step_ends_alike_with_every_fault() {
    let start = start().await;
    let samples: Vec<Step> = of_policies(&start).into_iter().chain(of_roles(&start)).collect();
    assert_eq!(samples.iter().map(kind).collect::<BTreeSet<_>>(), KINDS.iter().copied().collect());
    assert_eq!(Mischief::ALL.iter().map(fault).collect::<Vec<_>>(), FAULTS);
    for step in &samples {
        let calm = Use {
            what: step.to_string(),
            account: &|| Fake::with(start.clone()),
            repeats_reads: true,
            act: async |face: &Face| format!("{:?}", Box::pin(face.execute(step)).await),
        };
        let calm = calm.compare().await;
        let predicted = if calm.result == "Ok(())" { after(start.state(), step) } else { start.state() };
        assert_eq!(calm.books.state(), predicted, "{step}: {}", calm.result);
    }
}
