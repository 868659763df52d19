//! Tests what happens when somebody else acts at the same time.

use std::time::Duration;

use serde_json::json;

use mlops_roles_testkit::account::{Books, Fake, Fault, Mischief, Role};
use mlops_roles_testkit::stage::{
    POLICY, ROLE, Response, STACK, Stage, create, delete, from_stack, properties, update, with,
};

const OTHER: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/other/1a2b";

#[tokio::test(start_paused = true)]
async fn of_two_creations_of_one_name_the_loser_fails_and_deletes_nothing() {
    let winner = Stage::new(Fake::new());
    let theirs = with(json!({ "PolicyName": "AmazonSageMaker-Theirs" }));
    winner.send(&from_stack(create(&theirs), OTHER)).await.success();
    let won = winner.fake.books();
    let calls = {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage.fake.calls()
    };
    // The other stack creates its role and policies after the first reads, before each of this stack's calls in turn.
    let first_write = calls.iter().position(|call| call.starts_with("Create")).unwrap();
    let role_is_made = calls.iter().position(|call| call == "CreateRole").unwrap();
    for lag in [0, 3] {
        for at in first_write..=role_is_made {
            let stage = Stage::new(Fake::new());
            stage.fake.lag(Duration::from_secs(lag));
            let theirs = won.clone();
            stage.fake.meddle(at, move |books| {
                books.roles = theirs.roles;
                books.policies.extend(theirs.policies);
            });
            let response = stage.send(&create(&properties())).await.failure();
            assert!(response.reason().contains("created by someone else at the same time"), "{}", response.reason());
            assert_eq!(stage.fake.books(), won, "our own policy is gone again");
            tokio::time::sleep(Duration::from_secs(lag)).await;
            stage.send(&delete(response.id(), &properties())).await.success();
            assert_eq!(stage.fake.books(), won);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_made_while_our_own_creation_was_in_doubt_is_not_taken_for_ours() {
    let made = |properties| async move {
        let stage = Stage::new(Fake::new());
        stage.send(&from_stack(create(&properties), OTHER)).await.success();
        stage
    };
    let theirs = made(with(json!({ "PolicyName": "AmazonSageMaker-Theirs" }))).await.fake.books();
    let calls = made(properties()).await.fake.calls();
    let role_is_made = calls.iter().position(|call| call == "CreateRole").unwrap();
    // The requests of this stack never arrive, and the function can't know that. The other stack's request arrives in
    // between.
    let stage = Stage::new(Fake::new());
    stage.fake.fail(Fault { at: role_is_made, mischief: Mischief::LostBefore, sticky: true });
    let books = theirs.clone();
    stage.fake.meddle(role_is_made + 1, move |all| {
        all.roles = books.roles;
        all.policies.extend(books.policies);
    });
    let response = stage.send(&create(&properties())).await.failure();
    assert!(response.reason().contains("the connection failed"), "{}", response.reason());
    assert_eq!(stage.fake.books(), theirs);
}

/// When both stacks create at the same moment, one may get the role and the other the policy. Then neither keeps
/// anything.
#[tokio::test(start_paused = true)]
async fn two_stacks_at_once_end_with_one_owner_at_the_most() {
    for later in [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(150)] {
        let fake = Fake::new();
        fake.slow(Duration::from_millis(100));
        let (ours, theirs) = (Stage::new(fake.clone()), Stage::new(fake.clone()));
        let (event, other) = (create(&properties()), from_stack(create(&properties()), OTHER));
        let second = async {
            tokio::time::sleep(later).await;
            theirs.send(&other).await
        };
        let (a, b) = tokio::join!(ours.send(&event), second);
        let owners: Vec<&str> = [(&a, STACK), (&b, OTHER)]
            .into_iter()
            .filter_map(|(response, stack)| response.succeeded().then_some(stack))
            .collect();
        assert!(owners.len() == 1 || (owners.is_empty() && later.is_zero()), "{later:?}: {} {}", a.0, b.0);
        let books = fake.books();
        let tags =
            books.roles.values().map(|role| &role.tags).chain(books.policies.values().map(|policy| &policy.tags));
        let found: Vec<&str> = tags.map(|tags| tags["mlops-roles:stack-id"].as_str()).collect();
        assert_eq!(found, owners.repeat(2), "{later:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_attaches_while_delete_runs_is_detached_too() {
    let calls = {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage.fake.forget_calls();
        stage.send(&delete(ROLE, &properties())).await.success();
        stage.fake.calls()
    };
    let gone = calls.iter().position(|call| call == "DeleteRole").unwrap();
    for at in 0..=gone {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage.fake.forget_calls();
        stage.fake.meddle(at, |books| {
            if let Some(role) = books.roles.get_mut(&ROLE.to_lowercase()) {
                role.attached.insert("arn:aws:iam::aws:policy/Foreign".into());
                role.inline.insert("ByHand".into(), json!({}));
            }
        });
        stage.send(&delete(ROLE, &properties())).await.success();
        assert_eq!(stage.fake.books(), Books::default(), "before call {at}");
    }
}

/// Somebody attaches a policy before any of the calls. The policy is detached, at the second attempt where the first is
/// denied.
#[tokio::test(start_paused = true)]
async fn a_role_that_stays_stays_in_its_instance_profile() {
    let new = with(json!({ "Description": "new" }));
    let updated = async |at: usize, denied: Option<usize>| {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage.fake.change(|books| drop(books.profiles.insert("Holds".into(), Some(ROLE.into()))));
        stage.fake.forget_calls();
        stage.fake.meddle(at, |books| {
            let role = books.roles.get_mut(&ROLE.to_lowercase()).unwrap();
            role.attached.insert("arn:aws:iam::aws:policy/Foreign".into());
        });
        if let Some(at) = denied {
            stage.fake.fail(Fault { at, mischief: Mischief::Denied, sticky: false });
        }
        stage.send(&update(ROLE, &new, &properties())).await.success();
        assert_eq!(stage.fake.books().profiles["Holds"].as_deref(), Some(ROLE), "before call {at}, {denied:?}");
        stage.fake.calls()
    };
    let mut tried_again = 0;
    for at in 0..updated(usize::MAX, None).await.len() {
        let calls = updated(at, None).await;
        if let Some(detach) = calls.iter().position(|call| call == "DetachRolePolicy") {
            updated(at, Some(detach)).await;
            tried_again += 1;
        }
    }
    assert!(tried_again > 10, "{tried_again}");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_deletes_while_an_update_runs_comes_back_or_is_told() {
    let new = with(json!({ "Description": "new", "StateMachineName": "churn", "PassRolePolicyName": "Renamed" }));
    let calls = {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage.fake.forget_calls();
        stage.send(&update(ROLE, &new, &properties())).await.success();
        stage.fake.calls().len()
    };
    for at in 0..calls {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage.fake.forget_calls();
        stage.fake.meddle(at, |books| drop(books.roles.remove(&ROLE.to_lowercase())));
        let response = stage.send(&update(ROLE, &new, &properties())).await;
        if response.succeeded() && at < 2 {
            assert_eq!(stage.fake.books().roles[&ROLE.to_lowercase()].description, "new");
        }
        stage.send(&update(ROLE, &with(json!({ "Revision": "again" })), &new)).await.success();
        let role = stage.fake.books().roles[&ROLE.to_lowercase()].clone();
        assert!(role.attached.contains(POLICY), "before call {at}");
        stage.send(&delete(ROLE, &properties())).await.success();
        assert_eq!(stage.fake.books(), Books::default(), "before call {at}");
    }
}

type Edit = fn(&mut Role);

/// Somebody edits before each call of an update, in each way. An edit after the last read stays until the next event.
#[tokio::test(start_paused = true)]
async fn what_somebody_edits_while_an_update_runs_is_put_right_or_stays_theirs() {
    let new =
        with(json!({ "Description": "new", "StateMachineName": "churn", "PolicyName": "AmazonSageMaker-Renamed" }));
    let role = |books: &mut Books, edit: Edit| edit(books.roles.get_mut(&ROLE.to_lowercase()).unwrap());
    let edits: [(&str, Edit); 7] = [
        ("attaches", |role| role.attached.extend(["arn:aws:iam::aws:policy/Theirs".into()])),
        ("detaches", |role| role.attached.clear()),
        ("writes", |role| drop(role.inline.insert("ByHand".into(), json!({})))),
        ("tags", |role| drop(role.tags.insert("by".into(), "hand".into()))),
        ("trusts", |role| role.trust = json!({ "Version": "2012-10-17", "Statement": [] })),
        ("describes", |role| role.description = "by hand".into()),
        ("unbounds", |role| role.boundary = None),
    ];
    let standing = {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage.fake.books()
    };
    let event = update(ROLE, &new, &properties());
    let (end, calls) = {
        let stage = Stage::new(Fake::with(standing.clone()));
        stage.send(&event).await.success();
        (stage.fake.books(), stage.fake.calls().len())
    };
    for (what, edit) in edits {
        for at in 0..calls {
            let stage = Stage::new(Fake::with(standing.clone()));
            stage.fake.meddle(at, move |books| role(books, edit));
            let response = stage.send(&event).await;
            let edited = |books: &Books| {
                let mut books = books.clone();
                role(&mut books, edit);
                books.meaning()
            };
            let after = stage.fake.books().meaning();
            let from = if response.succeeded() { &end } else { &standing };
            let told = format!("somebody {what} before call {at}: {}", response.0);
            assert!(after == from.meaning() || after == edited(from), "{told}, {after:?}");
            stage.send(&update(ROLE, &with(json!({ "Revision": "2" })), &new)).await.success();
            let mut right = standing.clone().meaning();
            if what == "tags" {
                role(&mut right, edit);
            }
            assert_eq!(stage.fake.books().meaning(), right, "{told}");
            stage.send(&delete(ROLE, &properties())).await.success();
            assert_eq!(stage.fake.books(), Books::default(), "{told}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_delivery_made_is_not_undone_because_the_look_lagged() {
    // Reads still show the account as it was before the Create.
    let begin = async || {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage.fake.lag(Duration::from_secs(10));
        stage
    };
    let event = update(ROLE, &with(json!({ "Description": "new" })), &properties());
    let stage = begin().await;
    stage.send(&event).await.success();
    let at = stage.fake.calls().iter().rposition(|call| call == "UpdateRole").unwrap();

    let stage = begin().await;
    let books = stage.fake.books();
    stage.fake.fail(Fault { at, mischief: Mischief::Refused, sticky: true });
    let response = stage.send(&event).await.failure();
    assert!(response.reason().contains("set the description"), "{}", response.reason());
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_put_in_the_place_of_what_was_just_made_is_left_to_them() {
    let theirs = {
        let stage = Stage::new(Fake::new());
        stage.send(&from_stack(create(&with(json!({ "Description": "theirs" }))), OTHER)).await.success();
        stage.fake.books()
    };
    let last_write = {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage.fake.calls().iter().rposition(|call| call == "PutRolePolicy").unwrap()
    };
    let stage = Stage::new(Fake::new());
    let books = theirs.clone();
    stage.fake.meddle(last_write + 1, move |all| *all = books);
    let response = stage.send(&create(&properties())).await.failure();
    assert!(response.reason().contains("someone else created role"), "{}", response.reason());
    assert_eq!(stage.fake.books(), theirs);
}

/// The policy that was to be created exists and is managed. The role's creation beside it was lost, and must not count
/// as done.
#[tokio::test(start_paused = true)]
async fn what_is_found_beside_a_creation_that_was_lost_does_not_make_that_one_done() {
    let made = {
        let stage = Stage::new(Fake::new());
        stage.send(&create(&properties())).await.success();
        stage
    };
    let calls = made.fake.calls();
    let at = |action: &str| calls.iter().position(|call| call == action).unwrap();
    let mut lost = 0;
    // The refused creation reads what exists, before or while the other creation is sent.
    for (mischief, looks) in
        [Mischief::LostBefore, Mischief::LostAfter].into_iter().flat_map(|m| [0, 1, 2, 3].map(|l| (m, l)))
    {
        let stage = Stage::new(Fake::new());
        let policies = made.fake.books().policies;
        stage.fake.meddle(at("CreatePolicy"), move |books| books.policies = policies);
        stage.fake.fail(Fault { at: at("CreateRole") + looks, mischief, sticky: false });
        stage.send(&create(&properties())).await.success();
        lost += usize::from(stage.fake.calls().iter().filter(|call| *call == "CreateRole").count() > 1);
        assert_eq!(stage.fake.books().meaning(), made.fake.books().meaning(), "{mischief:?}");
        stage.send(&delete(ROLE, &properties())).await.success();
        assert_eq!(stage.fake.books(), Books::default(), "{mischief:?}");
    }
    assert!(lost >= 2, "a creation was lost and sent again");
}

/// The first read after the write is stale, and the reads after it are throttled until the end of the work.
#[tokio::test(start_paused = true)]
async fn a_write_that_no_read_shows_is_not_forgotten() {
    let event = update(ROLE, &with(json!({ "Description": "new" })), &properties());
    let created = Stage::new(Fake::new());
    created.send(&create(&properties())).await.success();
    let before = created.fake.books();
    // Reads show the account as it was before the update.
    let begin = |seconds| {
        let mut stage = Stage::new(Fake::with(before.clone()));
        stage.fake.hold_as(ROLE, STACK, "WorkflowRole", "UPDATE_IN_PROGRESS");
        stage.fake.lag(Duration::from_mins(10));
        stage.invocation.remaining = Duration::from_secs(seconds);
        stage
    };
    let assert_told = |stage: &Stage, response: &Response, what: &str| {
        let description = stage.fake.books().roles[&ROLE.to_lowercase()].description.clone();
        if response.succeeded() {
            assert_eq!(description, "new", "{what}");
        } else {
            let is_told = response.reason().contains("rollback failed");
            assert!(is_told || stage.fake.books() == before, "{what}: {}", response.reason());
        }
    };
    for seconds in [30, 60, 100, 300] {
        let stage = begin(seconds);
        stage.send(&event).await;
        let calls = stage.fake.calls();
        let written = calls.iter().position(|call| call == "UpdateRole").unwrap();
        let mut reads = calls.iter().enumerate().filter(|(at, call)| *at > written && *call == "GetRole");
        let (second, _) = reads.nth(1).unwrap();

        let stage = begin(seconds);
        stage.fake.fail(Fault { at: second, mischief: Mischief::Throttled, sticky: true });
        let response = stage.send(&event).await;
        assert_told(&stage, &response, &format!("{seconds}"));

        // The second try to write is refused, and reads go on to show the old state.
        for mischief in [Mischief::Throttled, Mischief::Denied, Mischief::Refused] {
            let again = calls.iter().enumerate().filter(|(_, call)| *call == "UpdateRole").nth(1);
            let Some((again, _)) = again else { continue };
            let stage = begin(seconds);
            stage.fake.fail(Fault { at: again, mischief, sticky: false });
            let response = stage.send(&event).await;
            assert_told(&stage, &response, &format!("{seconds}, {mischief:?}"));
        }
    }
}
