//! The operations into which the fault tests inject faults.

use serde_json::{Value, json};

use crate::account::sagemaker::Region;
use crate::account::{Books, Fake, Mischief, Policy, Role};
use crate::service_catalog::{LAUNCH, USE, asking, console, joined, neighbours, of_type, role};
use crate::stage::{POLICY, ROLE, Stage, create, delete, update, with};

/// The ARN of a policy that belongs to others.
pub const FOREIGN: &str = "arn:aws:iam::123456789012:policy/Foreign";

/// An operation, the account that it starts from, and what CloudFormation sends after the operation has failed.
pub struct Case {
    pub name: &'static str,
    /// The account before the operation.
    pub start: Books,
    /// The event of the operation.
    pub event: Value,
    /// The event that follows a FAILED response.
    pub after_failure: Value,
    /// The account once that event has succeeded.
    pub restored: Books,
    /// Whether the operation only goes forward: the following event finishes a failed operation instead of undoing it.
    pub forward: bool,
}

/// Faults that may be gone when a call is repeated.
pub const ONCE: [Mischief; 9] = [
    Mischief::Refused,
    Mischief::Denied,
    Mischief::Throttled,
    Mischief::Conflict,
    Mischief::LostBefore,
    Mischief::LostAfter,
    Mischief::ServerErrorAfter,
    Mischief::HangAfter,
    Mischief::Panic,
];

/// A role, an instance profile and a policy that belong to others. They show that an operation leaves such things
/// alone.
pub fn foreign() -> Books {
    let mut books = by_hand();
    let mut role = books.roles.remove(&ROLE.to_lowercase()).unwrap();
    role.name = "Foreign".into();
    books.roles.insert("foreign".into(), role);
    books.profiles.insert("Foreign".into(), Some("Foreign".into()));
    books.policies.insert(FOREIGN.into(), policy("Foreign"));
    books
}

fn policy(name: &str) -> Policy {
    Policy {
        name: name.into(),
        path: "/".into(),
        versions: [(1, json!({ "Version": "2012-10-17", "Statement": [] }))].into(),
        default: 1,
        next: 2,
        tags: [("team".to_owned(), "theirs".to_owned())].into(),
        made_at: 0,
    }
}

async fn made(properties: &Value) -> Books {
    let stage = Stage::new(Fake::with(foreign()));
    stage.send(&create(properties)).await.success();
    stage.fake.books()
}

/// All operations that the fault tests use.
pub async fn cases() -> Vec<Case> {
    let old = with(
        json!({ "Tags": [{ "Key": "a", "Value": "1" }], "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonX"] }),
    );
    let standing = made(&old).await;
    let drifted = drifted(&standing);
    let mut cases = changes(&old, &standing, &drifted);
    cases.extend(deletions(&old, &standing, drifted));
    cases.extend(adoption_cases().await);
    cases.push(found_case());
    cases.extend(several_policies_cases().await);
    cases.extend(service_catalog_cases().await);
    cases
}

/// The account with changes by hand: another version of the policy, and another inline policy.
fn drifted(standing: &Books) -> Books {
    let mut books = standing.clone();
    let policy = books.policies.get_mut(POLICY).unwrap();
    policy.versions.insert(2, json!({ "Version": "2012-10-17", "Statement": [] }));
    (policy.default, policy.next) = (2, 3);
    books.roles.get_mut(&ROLE.to_lowercase()).unwrap().inline.insert("Extra".into(), json!({}));
    books
}

/// The operations that create or change a role, from the `old` properties, which led to `standing`.
fn changes(old: &Value, standing: &Books, drifted: &Books) -> Vec<Case> {
    let new = with(json!({
        "PolicyName": "AmazonSageMaker-Renamed",
        "PassRolePolicyName": "Renamed",
        "StateMachineName": "churn",
        "Description": "new",
        "Tags": [{ "Key": "b", "Value": "2" }],
        "PermissionsBoundary": "arn:aws:iam::123456789012:policy/Narrow-boundary",
    }));
    let replacing = with(json!({ "RoleName": "AmazonSageMaker-Two" }));
    let revised = with(json!({ "Revision": "2" }));
    let updating = |name, start: &Books, new: &Value| Case {
        name,
        start: start.clone(),
        event: update(ROLE, new, old),
        after_failure: update(ROLE, old, new),
        restored: standing.clone(),
        forward: false,
    };
    vec![
        Case {
            name: "create",
            start: foreign(),
            event: create(old),
            after_failure: delete(ROLE, old),
            restored: foreign(),
            forward: false,
        },
        updating("update", standing, &new),
        updating("drift repaired", drifted, &revised),
        updating("replacement", standing, &replacing),
    ]
}

/// The operations that delete a role, also one to which others added something.
fn deletions(old: &Value, standing: &Books, drifted: Books) -> [Case; 2] {
    let mut crowded = drifted;
    let role = crowded.roles.get_mut(&ROLE.to_lowercase()).unwrap();
    role.attached.extend([FOREIGN.to_owned(), "arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()]);
    crowded.profiles.insert("Holds".into(), Some(ROLE.into()));
    let mut emptied = foreign();
    emptied.profiles.insert("Holds".into(), None);
    let deleting = |name, start, restored| Case {
        name,
        start,
        event: delete(ROLE, old),
        after_failure: delete(ROLE, old),
        restored,
        forward: true,
    };
    [deleting("delete", standing.clone(), foreign()), deleting("delete with what others added", crowded, emptied)]
}

/// The adoption of a role that somebody created by hand, and its release.
async fn adoption_cases() -> [Case; 2] {
    let adopting = with(json!({ "AdoptExisting": "true" }));
    let mut hand = foreign();
    hand.roles.extend(by_hand().roles);
    hand.policies.insert(POLICY.into(), policy("AmazonSageMaker-Churn-Policy"));
    let stage = Stage::new(Fake::with(hand.clone()));
    stage.send(&create(&adopting)).await.success();
    let adopted = stage.fake.books();
    stage.send(&delete(ROLE, &adopting)).await.success();
    let released = stage.fake.books();
    [
        Case {
            name: "adoption",
            start: hand.clone(),
            event: create(&adopting),
            after_failure: delete(ROLE, &adopting),
            restored: hand,
            forward: false,
        },
        Case {
            name: "release",
            start: adopted,
            event: delete(ROLE, &adopting),
            after_failure: delete(ROLE, &adopting),
            restored: released,
            forward: true,
        },
    ]
}

/// The role and policies as somebody created them by the guide.
pub fn by_hand() -> Books {
    let role = Role {
        name: ROLE.into(),
        path: "/".into(),
        id: "AROAHAND".into(),
        trust: json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
            "Principal": { "Service": "states.amazonaws.com" }, "Action": "sts:AssumeRole" }] }),
        description: "by hand".into(),
        max_session_duration: 3_600,
        boundary: None,
        tags: [("team".to_owned(), "theirs".to_owned())].into(),
        attached: ["arn:aws:iam::aws:policy/CloudWatchEventsFullAccess".to_owned()].into(),
        inline: [("ByHand".to_owned(), json!({ "Version": "2012-10-17", "Statement": [] }))].into(),
        last_used: None,
        made_at: 0,
    };
    let mut books = Books::default();
    books.roles.insert(ROLE.to_lowercase(), role);
    books
}

/// A Create that reads from SageMaker first.
fn found_case() -> Case {
    let asked =
        with(json!({ "SageMakerExecutionRoleArns": null, "SageMakerExecutionRole": { "NotebookInstanceName": "nb" } }));
    let found = json!({ "RoleArn": "arn:aws:iam::123456789012:role/MySageMakerExecutionRole" });
    let mut start = foreign();
    let described = [("DescribeNotebookInstance nb".to_owned(), found)].into();
    start.regions.insert("us-east-1".into(), Region { described, ..Region::default() });
    Case {
        name: "create with a role that is found",
        start: start.clone(),
        event: create(&asked),
        after_failure: delete(ROLE, &asked),
        restored: start,
        forward: false,
    }
}

/// From one policy to two policies, and the deletion of both.
async fn several_policies_cases() -> Vec<Case> {
    let invoking = |functions: usize| {
        let task = |name: String| json!({ "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": { "FunctionName": name } });
        let states: serde_json::Map<_, _> =
            (0..functions).map(|i| (format!("S{i}"), task(format!("{}-{i}", "score".repeat(10))))).collect();
        with(json!({ "SageMakerExecutionRoleArns": null, "Definition": { "StartAt": "S0", "States": states } }))
    };
    let (small, large) = (invoking(1), invoking(40));
    let (one, two) = (made(&small).await, made(&large).await);
    assert_eq!((one.policies.len(), two.policies.len()), (2, 3), "with the one of others");
    vec![
        Case {
            name: "a second policy",
            start: one.clone(),
            event: update(ROLE, &large, &small),
            after_failure: update(ROLE, &small, &large),
            restored: one,
            forward: false,
        },
        Case {
            name: "delete of several policies",
            start: two,
            event: delete(ROLE, &large),
            after_failure: delete(ROLE, &large),
            restored: foreign(),
            forward: true,
        },
    ]
}

/// An operation that only goes forward: after a failure, CloudFormation sends the same event again.
fn forward(name: &'static str, start: &Books, event: &Value, restored: &Books) -> Case {
    Case {
        name,
        start: start.clone(),
        event: event.clone(),
        after_failure: event.clone(),
        restored: restored.clone(),
        forward: true,
    }
}

async fn service_catalog_cases() -> Vec<Case> {
    let bystanders = joined(foreign(), neighbours());
    let clean = asking(json!({ "OnCreate": "Delete", "DisablePortfolio": "true", "Regions": "us-east-1" }));
    let supplying = asking(json!({ "OnCreate": "Provision", "OnDelete": "Keep", "Regions": "us-east-1" }));
    let mut lacking = bystanders.clone();
    lacking.roles.insert(LAUNCH.to_lowercase(), role(LAUNCH, "/", &["arn:aws:iam::aws:policy/Theirs"], &[]));
    let stage = Stage::new(Fake::with(lacking.clone()));
    let id = stage.send(&of_type(create(&supplying))).await.success().id().to_owned();
    let supplied = stage.fake.books();
    let mut cases = clean_slate_cases(&bystanders, &clean, &id);
    let provision = |name, event| Case {
        name,
        start: lacking.clone(),
        event,
        after_failure: of_type(delete(&id, &supplying)),
        restored: lacking.clone(),
        forward: false,
    };
    cases.push(Case {
        after_failure: of_type(delete("not-created/ServiceCatalog", &supplying)),
        ..provision("provision", of_type(create(&supplying)))
    });
    cases.push(provision("provision by update", of_type(update(&id, &supplying, &clean))));
    let deleted = of_type(delete(&id, &supplying));
    cases.push(forward("delete what was provisioned", &supplied, &deleted, &lacking));
    cases.push(release_case(supplied, &id));
    cases
}

/// The deletion of the roles as the console made them, on Create and on Delete.
fn clean_slate_cases(bystanders: &Books, clean: &Value, id: &str) -> Vec<Case> {
    let mut full = joined(bystanders.clone(), console());
    full.profiles.insert("Holds".into(), Some(LAUNCH.into()));
    // The project has a role of its own, so it keeps nothing.
    let template = json!({ "RoleARN": "arn:aws:iam::123456789012:role/AmazonSageMakerProjectsLaunchRole" });
    let template = json!({ "TemplateProviderDetails": [{ "CfnTemplateProviderDetail": template }] });
    let region = Region::with(&[("own", "CreateCompleted")]).describing("own", template);
    full.regions.insert("us-east-1".into(), Region { portfolio: true, ..region });
    let mut emptied = full.clone();
    emptied.roles.retain(|name, _| *name != USE.to_lowercase() && *name != LAUNCH.to_lowercase());
    emptied.policies.clone_from(&bystanders.policies);
    emptied.profiles.insert("Holds".into(), None);
    emptied.regions.get_mut("us-east-1").unwrap().portfolio = false;
    let mut torn_down = emptied.clone();
    torn_down.regions.clone_from(&full.regions);
    let deleted = of_type(delete(id, &asking(json!({ "Regions": "us-east-1" }))));
    vec![
        forward("clean slate", &full, &of_type(create(clean)), &emptied),
        forward("teardown", &full, &deleted, &torn_down),
    ]
}

/// The Delete of roles that a project uses.
fn release_case(supplied: Books, id: &str) -> Case {
    let keeping = asking(json!({ "IfInUse": "Keep", "OnDelete": "Keep", "Regions": "us-east-1" }));
    let mut in_use = supplied;
    in_use.regions.insert("us-east-1".into(), Region::with(&[("churn", "CreateCompleted")]));
    let mut released = in_use.clone();
    released.roles.get_mut(&USE.to_lowercase()).unwrap().tags.clear();
    forward("release of what is in use", &in_use, &of_type(delete(id, &keeping)), &released)
}

impl Case {
    /// A stage in front of an account that holds what the case starts from.
    pub fn stage(&self) -> Stage {
        Stage::new(Fake::with(self.start.clone()))
    }

    /// The number of calls and the final account when nothing fails.
    pub async fn undisturbed(&self) -> (usize, Books) {
        let stage = self.stage();
        stage.send(&self.event).await.success();
        (stage.fake.calls().len(), stage.fake.books().meaning())
    }
}
