//! Every call fails in turn, in every way, and once more on the way back.

use serde_json::{Value, json};

use crate::fake::sagemaker::Region;
use crate::fake::{Books, Fake, Fault, Mischief, Policy};
use crate::ownership::by_hand;
use crate::service_catalog::{asking, console, joined, neighbours, of_type, role};
use crate::stage::{Answer, BOUNDARY, POLICY, ROLE, Stage, create, delete, properties, update, with};

const FOREIGN: &str = "arn:aws:iam::123456789012:policy/Foreign";

/// An operation, the account that it starts from, and what CloudFormation sends when it has failed.
pub struct Case {
    pub name: &'static str,
    pub start: Books,
    pub event: Value,
    /// What follows a FAILED answer.
    after_failure: Value,
    /// The account once that has succeeded.
    restored: Books,
    /// Only goes forward: what has failed is not undone but finished by what follows.
    forward: bool,
}

/// Ways to fail that a later try may find gone.
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

/// Something of others, to see that it stays as it is.
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

pub async fn cases() -> Vec<Case> {
    let old = with(
        json!({ "Tags": [{ "Key": "a", "Value": "1" }], "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonX"] }),
    );
    let new = with(json!({
        "PolicyName": "AmazonSageMaker-Renamed",
        "PassRolePolicyName": "Renamed",
        "StateMachineName": "churn",
        "Description": "new",
        "Tags": [{ "Key": "b", "Value": "2" }],
        "PermissionsBoundary": "arn:aws:iam::123456789012:policy/Narrow-boundary",
    }));
    let replacing = with(json!({ "RoleName": "AmazonSageMaker-Two" }));
    let adopting = with(json!({ "AdoptExisting": "true" }));
    let standing = made(&old).await;
    let mut drifted = standing.clone();
    {
        let policy = drifted.policies.get_mut(POLICY).unwrap();
        policy.versions.insert(2, json!({ "Version": "2012-10-17", "Statement": [] }));
        (policy.default, policy.next) = (2, 3);
    }
    drifted.roles.get_mut(&ROLE.to_lowercase()).unwrap().inline.insert("Extra".into(), json!({}));
    let mut crowded = drifted.clone();
    let role = crowded.roles.get_mut(&ROLE.to_lowercase()).unwrap();
    role.attached.extend([FOREIGN.to_owned(), "arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()]);
    crowded.profiles.insert("Holds".into(), Some(ROLE.into()));
    let mut emptied = foreign();
    emptied.profiles.insert("Holds".into(), None);
    let mut hand = foreign();
    hand.roles.extend(by_hand().roles);
    hand.policies.insert(POLICY.into(), policy("AmazonSageMaker-Churn-Policy"));
    let stage = Stage::new(Fake::with(hand.clone()));
    stage.send(&create(&adopting)).await.success();
    let adopted = stage.fake.books();
    stage.send(&delete(ROLE, &adopting)).await.success();
    let released = stage.fake.books();
    let mut cases = vec![
        Case {
            name: "create",
            start: foreign(),
            event: create(&old),
            after_failure: delete(ROLE, &old),
            restored: foreign(),
            forward: false,
        },
        Case {
            name: "update",
            start: standing.clone(),
            event: update(ROLE, &new, &old),
            after_failure: update(ROLE, &old, &new),
            restored: standing.clone(),
            forward: false,
        },
        Case {
            name: "drift put right",
            start: drifted.clone(),
            event: update(ROLE, &with(json!({ "Revision": "2" })), &old),
            after_failure: update(ROLE, &old, &with(json!({ "Revision": "2" }))),
            restored: standing.clone(),
            forward: false,
        },
        Case {
            name: "replacement",
            start: standing.clone(),
            event: update(ROLE, &replacing, &old),
            after_failure: update(ROLE, &old, &replacing),
            restored: standing.clone(),
            forward: false,
        },
        Case {
            name: "adoption",
            start: hand.clone(),
            event: create(&adopting),
            after_failure: delete(ROLE, &adopting),
            restored: hand,
            forward: false,
        },
        Case {
            name: "delete",
            start: standing,
            event: delete(ROLE, &old),
            after_failure: delete(ROLE, &old),
            restored: foreign(),
            forward: true,
        },
        Case {
            name: "delete with what others added",
            start: crowded,
            event: delete(ROLE, &old),
            after_failure: delete(ROLE, &old),
            restored: emptied,
            forward: true,
        },
        Case {
            name: "release",
            start: adopted,
            event: delete(ROLE, &adopting),
            after_failure: delete(ROLE, &adopting),
            restored: released,
            forward: true,
        },
    ];
    cases.push(found_case());
    cases.extend(several_policies_cases().await);
    cases.extend(service_catalog_cases().await);
    cases
}

/// With a look at SageMaker first.
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

/// From one policy to two, and both away again.
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

async fn service_catalog_cases() -> Vec<Case> {
    let (launch, used) =
        ("AmazonSageMakerServiceCatalogProductsLaunchRole", "amazonsagemakerservicecatalogproductsuserole");
    let bystanders = joined(foreign(), neighbours());
    let clean = asking(json!({ "OnCreate": "Delete", "DisablePortfolio": "true", "Regions": "us-east-1" }));
    let mut full = joined(bystanders.clone(), console());
    full.profiles.insert("Holds".into(), Some(launch.into()));
    full.regions.insert("us-east-1".into(), Region { portfolio: true, ..Region::default() });
    let mut emptied = full.clone();
    emptied.roles.retain(|name, _| name != used && *name != launch.to_lowercase());
    emptied.policies.clone_from(&bystanders.policies);
    emptied.profiles.insert("Holds".into(), None);
    emptied.regions.clear();
    let mut torn_down = emptied.clone();
    torn_down.regions.clone_from(&full.regions);

    let supplying = asking(json!({ "OnCreate": "Provision", "OnDelete": "Keep", "Regions": "us-east-1" }));
    let mut lacking = bystanders;
    lacking.roles.insert(launch.to_lowercase(), role(launch, "/", &["arn:aws:iam::aws:policy/Theirs"], &[]));
    let stage = Stage::new(Fake::with(lacking.clone()));
    let id = stage.send(&of_type(create(&supplying))).await.success().id().to_owned();
    let supplied = stage.fake.books();
    let keeping = asking(json!({ "IfInUse": "Keep", "OnDelete": "Keep", "Regions": "us-east-1" }));
    let mut in_use = supplied.clone();
    in_use.regions.insert("us-east-1".into(), Region::with(&[("churn", "CreateCompleted")]));
    let mut released = in_use.clone();
    released.roles.get_mut(used).unwrap().tags.clear();
    let forward = |name, start: &Books, event: &Value, restored: &Books| Case {
        name,
        start: start.clone(),
        event: event.clone(),
        after_failure: event.clone(),
        restored: restored.clone(),
        forward: true,
    };
    vec![
        forward("clean slate", &full, &of_type(create(&clean)), &emptied),
        forward("teardown", &full, &of_type(delete(&id, &asking(json!({ "Regions": "us-east-1" })))), &torn_down),
        Case {
            name: "provision",
            start: lacking.clone(),
            event: of_type(create(&supplying)),
            after_failure: of_type(delete("not-created/ServiceCatalog", &supplying)),
            restored: lacking.clone(),
            forward: false,
        },
        Case {
            name: "provision by update",
            start: lacking.clone(),
            event: of_type(update(&id, &supplying, &clean)),
            after_failure: of_type(delete(&id, &supplying)),
            restored: lacking.clone(),
            forward: false,
        },
        forward("take down what was provisioned", &supplied, &of_type(delete(&id, &supplying)), &lacking),
        forward("release of what is in use", &in_use, &of_type(delete(&id, &keeping)), &released),
    ]
}

impl Case {
    fn stage(&self) -> Stage {
        Stage::new(Fake::with(self.start.clone()))
    }

    /// How many calls it takes, and where it ends, when nothing fails.
    async fn undisturbed(&self) -> (usize, Books) {
        let stage = self.stage();
        stage.send(&self.event).await.success();
        (stage.fake.calls().len(), stage.fake.books().meaning())
    }
}

/// Every case with every one of its calls, and where the case ends when nothing fails.
async fn each_call(check: impl AsyncFn(&Case, usize, &Books)) {
    for case in cases().await {
        let (calls, end) = case.undisturbed().await;
        for at in 0..calls {
            check(&case, at, &end).await;
        }
    }
}

fn theirs(books: &Books) -> Books {
    let (mut books, bystanders) = (books.clone(), joined(foreign(), neighbours()));
    books.roles.retain(|name, _| bystanders.roles.contains_key(name));
    books.policies.retain(|arn, _| bystanders.policies.contains_key(arn));
    books.profiles.retain(|name, _| bystanders.profiles.contains_key(name));
    books.regions.clear();
    books
}

/// Success means the end; failure means the start, or for Delete that the next one finishes.
async fn settle(stage: &Stage, case: &Case, answer: &Answer, end: &Books, undone: bool, what: &str) {
    let books = stage.fake.books().meaning();
    assert_eq!(theirs(&books), theirs(&case.start.meaning()), "{what}: something foreign changed");
    if answer.succeeded() {
        assert_eq!(books, *end, "{what}: {}", answer.0);
        return;
    }
    if undone && !case.forward {
        assert_eq!(books, case.start.meaning(), "{what}: {}", answer.0);
        assert!(
            answer.reason().contains("as it was before") || answer.reason().contains("nothing was"),
            "{what}: {}",
            answer.reason()
        );
    }
    stage.fake.heal();
    // A lag of IAM is over by the time that CloudFormation comes back.
    let after = stage.send(&case.after_failure).await;
    assert!(after.succeeded(), "{what}: afterwards {}", after.0);
    let restored = stage.fake.books().meaning();
    if case.name == "adoption" && !undone {
        // Released by Delete instead of undone: our trust stays, what others gave it does too.
        let (role, before) = (&restored.roles[&ROLE.to_lowercase()], &case.restored.roles[&ROLE.to_lowercase()]);
        assert_eq!(
            (&role.tags, &role.attached, &role.inline),
            (&before.tags, &before.attached, &before.inline),
            "{what}"
        );
        // It stays, where the adoption came as far.
        assert!(role.boundary.is_none() || role.boundary.as_deref() == Some(BOUNDARY), "{what}");
        assert_eq!(restored.policies[POLICY].tags, case.restored.policies[POLICY].tags, "{what}");
        return;
    }
    assert_eq!(restored, case.restored.meaning(), "{what}: after {}", answer.0);
}

#[tokio::test(start_paused = true)]
async fn each_call_fails_once_in_each_way() {
    each_call(async |case, at, end| {
        for mischief in ONCE {
            let stage = case.stage();
            stage.fake.fail(Fault { at, mischief, sticky: false });
            let answer = stage.send(&case.event).await;
            let what = format!("{}, call {at}, {mischief:?}", case.name);
            if !matches!(mischief, Mischief::Refused | Mischief::Panic) {
                assert!(answer.succeeded(), "{what}: a passing fault is got over: {}", answer.0);
            }
            settle(&stage, case, &answer, end, mischief != Mischief::Panic, &what).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_got_over_where_permissions_hang_on_tags_and_boundaries() {
    each_call(async |case, at, end| {
        let stage = case.stage();
        stage.fake.fence();
        stage.fake.fail(Fault { at, mischief: Mischief::LostAfter, sticky: false });
        let answer = stage.send(&case.event).await.success();
        settle(&stage, case, &answer, end, true, &format!("{}, call {at}", case.name)).await;
        for second in at + 1.. {
            let stage = case.stage();
            stage.fake.fence();
            stage.fake.fail(Fault { at, mischief: Mischief::Refused, sticky: false });
            stage.fake.fail(Fault { at: second, mischief: Mischief::LostAfter, sticky: false });
            let answer = stage.send(&case.event).await;
            let reached = stage.fake.calls().len() > second;
            let what = format!("{}, calls {at} and {second}", case.name);
            assert!(!answer.reason().contains("the way back failed too"), "{what}: {}", answer.reason());
            settle(&stage, case, &answer, end, true, &what).await;
            if !reached {
                break;
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_call_fails_once_while_reads_lag() {
    let lag = std::time::Duration::from_secs(3);
    each_call(async |case, at, end| {
        for mischief in [Mischief::Refused, Mischief::LostAfter, Mischief::KillAfter] {
            let stage = case.stage();
            stage.fake.lag(lag);
            stage.fake.fail(Fault { at, mischief, sticky: false });
            let answer = stage.send_until_answered(&case.event).await;
            tokio::time::sleep(lag).await;
            let what = format!("{}, call {at}, {mischief:?}", case.name);
            assert!(answer.succeeded() || mischief == Mischief::Refused, "{what}: {}", answer.0);
            settle(&stage, case, &answer, end, true, &what).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn each_call_fails_for_good() {
    let ways = [
        Mischief::Refused,
        Mischief::Denied,
        Mischief::Throttled,
        Mischief::LostBefore,
        Mischief::LostAfter,
        Mischief::HangAfter,
    ];
    each_call(async |case, at, end| {
        for mischief in ways {
            let stage = case.stage();
            stage.fake.fail(Fault { at, mischief, sticky: true });
            let answer = stage.send(&case.event).await;
            let what = format!("{}, call {at} and its like, {mischief:?}", case.name);
            // Undo may need the very action that fails.
            settle(&stage, case, &answer, end, false, &what).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_failure_on_the_way_back_is_told_and_mended_by_what_follows() {
    each_call(async |case, first, end| {
        for second in first + 1.. {
            let mut reached = false;
            for mischief in [Mischief::Refused, Mischief::LostAfter, Mischief::HangAfter] {
                let stage = case.stage();
                stage.fake.fail(Fault { at: first, mischief: Mischief::Refused, sticky: false });
                stage.fake.fail(Fault { at: second, mischief, sticky: false });
                let answer = stage.send(&case.event).await;
                reached |= stage.fake.calls().len() > second;
                let what = format!("{}, calls {first} and {second}, {mischief:?}", case.name);
                let undone = !answer.reason().contains("the way back failed too");
                settle(&stage, case, &answer, end, undone, &what).await;
            }
            if !reached {
                break;
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_call_finishes_when_the_event_comes_again() {
    each_call(async |case, at, end| {
        for mischief in [Mischief::KillBefore, Mischief::KillAfter] {
            let stage = case.stage();
            stage.fake.fail(Fault { at, mischief, sticky: false });
            let answer = stage.send_until_answered(&case.event).await;
            let what = format!("{}, call {at}, {mischief:?}", case.name);
            assert!(answer.succeeded(), "{what}: {}", answer.0);
            assert_eq!(stage.fake.books().meaning(), *end, "{what}");
        }
    })
    .await;
}

/// A write that no case makes is a write whose faults nobody has seen.
#[tokio::test(start_paused = true)]
async fn the_cases_make_every_write_that_the_function_can_make() {
    let mut made = std::collections::BTreeSet::new();
    for case in cases().await {
        let stage = case.stage();
        stage.send(&case.event).await.success();
        made.extend(stage.fake.calls());
        if case.name == "adoption" {
            // Only undo takes a boundary off.
            let stage = case.stage();
            stage.fake.refuse("PutRolePolicy");
            stage.send(&case.event).await.failure();
            made.extend(stage.fake.calls());
        }
    }
    for write in [
        "AttachRolePolicy",
        "CreatePolicy",
        "CreatePolicyVersion",
        "CreateRole",
        "DeletePolicy",
        "DeletePolicyVersion",
        "DeleteRole",
        "DeleteRolePermissionsBoundary",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "DisableSagemakerServicecatalogPortfolio",
        "PutRolePermissionsBoundary",
        "PutRolePolicy",
        "RemoveRoleFromInstanceProfile",
        "SetDefaultPolicyVersion",
        "TagPolicy",
        "TagRole",
        "UntagPolicy",
        "UntagRole",
        "UpdateAssumeRolePolicy",
        "UpdateRole",
    ] {
        assert!(made.contains(write), "{write} is in no case: {made:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_dies_and_is_never_delivered_again_is_cleaned_up_by_delete() {
    let case = cases().await.remove(0);
    for at in 0..case.undisturbed().await.0 {
        let stage = case.stage();
        stage.fake.fail(Fault { at, mischief: Mischief::KillAfter, sticky: false });
        tokio::select! {
            _ = stage.try_send(&case.event) => panic!("it was to die at call {at}"),
            () = stage.fake.killed() => {}
        }
        let old = case.event["ResourceProperties"].clone();
        stage.send(&delete("pipeline-WorkflowRole-1ABCDEFGHIJKL", &old)).await.success();
        assert_eq!(stage.fake.books(), foreign(), "call {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_any_time_left_the_answer_comes_before_the_end() {
    let case = &cases().await[1];
    for milliseconds in [100_u32, 300, 1_000, 2_000, 5_000, 10_000, 30_000, 100_000, 300_000] {
        for at in 0..case.undisturbed().await.0 {
            let mut stage = case.stage();
            stage.invocation.remaining = std::time::Duration::from_millis(milliseconds.into());
            stage.fake.fail(Fault { at, mischief: Mischief::HangAfter, sticky: true });
            let started = tokio::time::Instant::now();
            let answer = stage.send(&case.event).await;
            assert!(
                started.elapsed().as_secs_f64() < f64::from(milliseconds) / 1_000.0,
                "{milliseconds} ms, call {at}: {:?}",
                started.elapsed()
            );
            stage.fake.heal();
            if !answer.succeeded() {
                stage.send(&case.after_failure).await.success();
                assert_eq!(stage.fake.books().meaning(), case.restored.meaning(), "{milliseconds} ms, call {at}");
            }
        }
    }
}

/// Nobody can answer then: Lambda hears of it, and runs the event again.
#[tokio::test(start_paused = true)]
async fn with_no_time_left_nothing_is_begun() {
    for case in cases().await {
        let mut stage = case.stage();
        stage.invocation.remaining = std::time::Duration::ZERO;
        stage.try_send(&case.event).await.unwrap_err();
        assert_eq!(stage.fake.books(), case.start, "{}", case.name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_names_the_step_the_call_and_the_outcome() {
    let stage = Stage::new(Fake::new());
    stage.fake.fail(Fault { at: 4, mischief: Mischief::Refused, sticky: false });
    let answer = stage.send(&create(&properties())).await.failure();
    assert_eq!(
        answer.reason(),
        "could not attach `arn:aws:iam::123456789012:policy/AmazonSageMaker-Churn-Policy` to role \
         `AmazonSageMaker-Churn`: iam:AttachRolePolicy: UnmodifiableEntity: refused for the test; everything is as it \
         was before"
    );
}

#[tokio::test(start_paused = true)]
async fn one_step_that_cannot_be_undone_keeps_no_other_from_it() {
    let new = with(json!({
        "ManagedPolicyArns": "arn:aws:iam::aws:policy/AmazonX",
        "PassRolePolicyName": "Renamed",
        "Description": "new",
    }));
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let before = stage.fake.books();
    let event = update(ROLE, &new, &properties());
    let twin = Stage::new(stage.fake.twin());
    twin.send(&event).await.success();
    let at = twin.fake.calls().iter().rposition(|call| call == "UpdateRole").unwrap();
    stage.fake.fail(Fault { at, mischief: Mischief::Refused, sticky: false });
    stage.fake.refuse("DetachRolePolicy");
    let answer = stage.send(&event).await.failure();
    assert_eq!(answer.reason().matches("could not detach").count(), 1, "{}", answer.reason());
    let (role, former) = (&stage.fake.books().roles[&ROLE.to_lowercase()], &before.roles[&ROLE.to_lowercase()]);
    assert_eq!((&role.inline, &role.description), (&former.inline, &former.description));
    assert_eq!(role.attached.len(), 2, "the one step that could not be undone");
}
