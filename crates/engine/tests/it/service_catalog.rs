//! Tests the resource type that deletes foreign roles: what is deleted and what stays.

use mlops_roles_testkit::account::sagemaker::Region;
use mlops_roles_testkit::account::{Books, Fault, Mischief, Policy, Role};
use mlops_roles_testkit::service_catalog::CONSOLE_POLICY;
use mlops_roles_testkit::service_catalog::ID;
use mlops_roles_testkit::service_catalog::LAUNCH;
use mlops_roles_testkit::service_catalog::SUFFIXES;
use mlops_roles_testkit::service_catalog::USE;
use mlops_roles_testkit::service_catalog::asking;
use mlops_roles_testkit::service_catalog::attribute;
use mlops_roles_testkit::service_catalog::console;
use mlops_roles_testkit::service_catalog::creating;
use mlops_roles_testkit::service_catalog::deleting;
use mlops_roles_testkit::service_catalog::joined;
use mlops_roles_testkit::service_catalog::names;
use mlops_roles_testkit::service_catalog::neighbours;
use mlops_roles_testkit::service_catalog::of_type;
use mlops_roles_testkit::service_catalog::policy;
use mlops_roles_testkit::service_catalog::role;
use mlops_roles_testkit::service_catalog::solution;
use mlops_roles_testkit::service_catalog::stage;
use mlops_roles_testkit::service_catalog::writes;
use mlops_roles_testkit::stage::{SECRET, create};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn a_create_that_keeps_tells_what_there_is_and_touches_nothing() {
    let mut books = console();
    books.roles.remove(&LAUNCH.to_lowercase());
    books
        .regions
        .insert("eu-west-1".into(), Region { portfolio: true, ..Region::with(&[("churn", "CreateCompleted")]) });
    let stage = stage(books);
    let response = stage.send(&creating(json!({}))).await.success();
    assert_eq!(response.id(), ID);
    assert_eq!(attribute(&response, "KeptRoles"), names(&["UseRole"]));
    assert_eq!(attribute(&response, "MissingRoles"), names(&["LaunchRole"]));
    assert_eq!(response.0["Data"]["DeletedRoles"], "");
    assert_eq!(response.0["Data"]["InUseBy"], "project `churn` (CreateCompleted) in eu-west-1");
    assert_eq!(response.0["Data"]["EnabledPortfolios"], "eu-west-1");
    assert_eq!(writes(&stage), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_roles_of_the_solution_go_at_either_path_and_nothing_else_does() {
    for path in ["/service-role/", "/", "/elsewhere/"] {
        for event in [creating(json!({ "OnCreate": "Delete" })), deleting(json!({}))] {
            let stage = stage(solution(path));
            let response = stage.send(&event).await.success();
            assert_eq!(attribute(&response, "DeletedRoles"), names(&["LaunchRole", "UseRole"]));
            assert_eq!(stage.fake.books(), neighbours(), "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_roles_of_the_console_go_with_all_that_hangs_on_them_and_the_policy_made_for_one() {
    let mut books = console();
    let role = books.roles.get_mut(&LAUNCH.to_lowercase()).unwrap();
    role.attached.extend((0..30).map(|i| format!("arn:aws:iam::aws:policy/Policy{i}")));
    role.inline.extend((0..30).map(|i| (format!("Inline{i}"), json!({}))));
    books.profiles.insert("Holds".into(), Some(LAUNCH.into()));
    let stage = stage(books);
    stage.fake.page(7);
    let response = stage.send(&deleting(json!({ "Roles": "All" }))).await.success();
    assert_eq!(attribute(&response, "DeletedRoles"), names(&SUFFIXES));
    let mut left = neighbours();
    left.profiles.insert("Holds".into(), None);
    assert_eq!(stage.fake.books(), left);
}

#[tokio::test(start_paused = true)]
async fn roles_that_are_not_named_stay() {
    let stage = stage(console());
    let response = stage.send(&deleting(json!({ "Roles": ["AmazonSageMakerServiceCatalogProductsGlueRole"] }))).await;
    assert_eq!(attribute(&response.success(), "DeletedRoles"), names(&["GlueRole"]));
    let mut left = joined(console(), neighbours());
    left.roles.remove("amazonsagemakerservicecatalogproductsgluerole");
    assert_eq!(stage.fake.books(), left, "the console's policy for UseRole stays too");
}

#[tokio::test(start_paused = true)]
async fn what_is_absent_is_done() {
    let stage_of_none = stage(Books::default());
    let response = stage_of_none.send(&deleting(json!({ "DisablePortfolio": "false" }))).await.success();
    assert_eq!(attribute(&response, "MissingRoles"), names(&["LaunchRole", "UseRole"]));
    assert!(
        !stage_of_none.fake.calls().contains(&"ListProjects".to_owned()),
        "no use of what is not there is looked for"
    );

    let mut one = solution("/");
    one.roles.remove(&USE.to_lowercase());
    let stage = stage(one);
    let response = stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.success();
    assert_eq!(attribute(&response, "DeletedRoles"), names(&["LaunchRole"]));
    assert_eq!(attribute(&response, "MissingRoles"), names(&["UseRole"]));
    assert_eq!(stage.fake.books(), neighbours());
}

#[tokio::test(start_paused = true)]
async fn the_launch_role_is_the_last_to_go() {
    let whole = stage(console());
    whole.send(&deleting(json!({ "Roles": "All" }))).await.success();
    // The last detachment is that of the LaunchRole's only policy. When the function stops there, all other roles are
    // gone.
    let last = whole.fake.calls().iter().rposition(|call| call == "DetachRolePolicy").unwrap();
    let stopped = stage(console());
    stopped.fake.fail(Fault { at: last, mischief: Mischief::Refused, sticky: true });
    let reason = stopped.send(&deleting(json!({ "Roles": "All" }))).await.failure().reason().to_owned();
    assert!(reason.contains(&format!("from role `{LAUNCH}`")), "{reason}");
    let mut left = neighbours();
    left.roles.insert(LAUNCH.to_lowercase(), console().roles[&LAUNCH.to_lowercase()].clone());
    assert_eq!(stopped.fake.books().roles, left.roles);
}

#[tokio::test(start_paused = true)]
async fn a_console_policy_that_anybody_else_uses_stays() {
    let mut shared = console();
    shared.users.insert("somebody".into(), [CONSOLE_POLICY.to_owned()].into());
    let mut bounding = console();
    bounding
        .roles
        .insert("bounded".into(), Role { boundary: Some(CONSOLE_POLICY.into()), ..role("bounded", "/", &[], &[]) });
    for books in [shared, bounding] {
        let stage = stage(books.clone());
        stage.send(&deleting(json!({ "Roles": "All" }))).await.success();
        let left = stage.fake.books();
        assert_eq!(left.policies[CONSOLE_POLICY], books.policies[CONSOLE_POLICY]);
        assert!(!left.roles.contains_key(&USE.to_lowercase()));
    }
    // A policy attached to another role that is deleted too is not in use elsewhere.
    let mut twice = console();
    twice.roles.get_mut(&LAUNCH.to_lowercase()).unwrap().attached.insert(CONSOLE_POLICY.into());
    let stage = stage(twice);
    stage.send(&deleting(json!({}))).await.success();
    assert!(!stage.fake.books().policies.contains_key(CONSOLE_POLICY));
}

#[tokio::test(start_paused = true)]
async fn a_delete_of_what_never_was_created_deletes_nothing_of_others() {
    let books = || joined(console(), neighbours());
    for id in
        ["not-created/ServiceCatalog", "pipeline-ServiceCatalog-1ABCDEFGHIJKL", "SageMakerServiceCatalogRoles/Other"]
    {
        let stage = stage(console());
        let mut event = deleting(json!({ "Roles": "All" }));
        event["PhysicalResourceId"] = json!(id);
        assert_eq!(stage.send(&event).await.success().id(), id);
        assert_eq!(stage.fake.books(), books(), "{id}");
    }
    // The whole sequence: a Create that fails, and the Delete that CloudFormation sends for it.
    let mut used = console();
    used.regions.insert("us-east-1".into(), Region::with(&[("churn", "CreateCompleted")]));
    let stage = stage(used.clone());
    let failed = stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.failure();
    let mut event = deleting(json!({ "OnCreate": "Delete" }));
    event["PhysicalResourceId"] = json!(failed.id());
    stage.send(&event).await.success();
    assert_eq!(stage.fake.books(), joined(used, neighbours()));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_attached_in_between_is_detached_too() {
    let undisturbed = stage(console());
    undisturbed.send(&deleting(json!({}))).await.success();
    let end = undisturbed.fake.books();
    let calls = undisturbed.fake.calls();
    let first = calls.iter().position(|call| call == "DetachRolePolicy").unwrap();
    for at in first..calls.len() {
        let stage = stage(console());
        stage.fake.meddle(at, |books| {
            for role in [LAUNCH, USE] {
                if let Some(role) = books.roles.get_mut(&role.to_lowercase()) {
                    role.attached.insert("arn:aws:iam::aws:policy/ReadOnlyAccess".into());
                }
            }
        });
        stage.send(&deleting(json!({}))).await.success();
        assert_eq!(stage.fake.books(), end, "before call {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_refused_says_what_is_left_and_the_next_one_finishes() {
    let stage = stage(console());
    stage.fake.break_action("DeleteRole", Mischief::Refused);
    let response = stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.failure();
    assert_eq!(response.id(), "not-created/ServiceCatalog");
    let reason = response.reason();
    assert!(reason.contains("could not delete role") && reason.contains("the deletion is incomplete"), "{reason}");
    assert!(reason.contains(&format!("delete policy `{CONSOLE_POLICY}`")), "{reason}");
    stage.fake.heal();
    stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.success();
    let left = stage.fake.books();
    assert!(!left.roles.contains_key(&USE.to_lowercase()) && !left.policies.contains_key(CONSOLE_POLICY));
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_switched_off_deletes_nothing() {
    let mut stage = stage(console());
    stage.handler.guardrails.as_mut().unwrap().types = vec!["Custom::StepFunctionsWorkflowRole".into()];
    let failed = stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.failure();
    assert!(failed.reason().contains("is disabled; ask the deployer"), "{}", failed.reason());
    let mut event = deleting(json!({}));
    event["PhysicalResourceId"] = json!(failed.id());
    stage.send(&event).await.success();
    assert_eq!(stage.fake.calls(), Vec::<String>::new());
    // The type is disabled while a resource exists: the Delete has something to do, so it must not be skipped.
    assert!(stage.send(&deleting(json!({}))).await.failure().reason().contains("is disabled; ask the deployer"));
    assert_eq!(writes(&stage), Vec::<String>::new());
    // Disabling the type may have removed the permissions, and the refusal of IAM would not say why.
    stage.fake.break_action("DescribeStacks", Mischief::Denied);
    assert!(stage.send(&deleting(json!({}))).await.failure().reason().contains("is disabled; ask the deployer"));
    stage.fake.break_action("GetRole", Mischief::Denied);
    assert!(stage.send(&deleting(json!({}))).await.failure().reason().contains("is disabled; ask the deployer"));
    stage.fake.heal();
    stage.send(&deleting(json!({ "OnDelete": "Keep" }))).await.success();
    assert_eq!(stage.fake.books(), joined(console(), neighbours()));
}

#[tokio::test(start_paused = true)]
async fn all_mistakes_come_at_once_and_nothing_is_touched() {
    let stage = stage(console());
    let response = stage
        .send(&creating(json!({
            "Roles": ["AmazonSageMakerServiceCatalogProductsLaunchRol", "Administrator", "All"],
            "Regions": ["us-east-1", "us-est-1", "cn-north-1"],
            "OnCreate": "Destroy",
            "OnDelete": "Keep",
            "IfInUse": "Delete",
            "InUseWithinDays": "7",
            "DisablePortfolio": "true",
            "Surprise": "x",
        })))
        .await
        .failure();
    let reason = response.reason();
    for part in [
        "9 validation errors",
        "`Roles[0]`: found `AmazonSageMakerServiceCatalogProductsLaunchRol`, expected `LaunchAndUse` or `All` alone, or \
         names of the eleven roles `AmazonSageMakerServiceCatalogProducts…Role` (did you mean \
         `AmazonSageMakerServiceCatalogProductsLaunchRole`?)",
        "`Roles[1]`: found `Administrator`",
        "`Roles[2]`: found `All`",
        "`Regions[1]`: found `us-est-1`, expected a region of partition `aws`, such as `us-east-1`",
        "`Regions[2]`: found `cn-north-1`",
        "`OnCreate`: found `Destroy`, expected one of `Keep`, `Delete`, `Provision`",
        "`DisablePortfolio`: `true` has no effect",
        "`InUseWithinDays`: has no effect",
        "`Surprise`: no such property",
    ] {
        assert!(reason.contains(part), "{part} is missing in {reason}");
    }
    assert_eq!(stage.fake.calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn regions_are_asked_for_wherever_something_could_be_deleted() {
    let without = |more: Value| {
        let mut properties = asking(more);
        properties.as_object_mut().unwrap().remove("Regions");
        of_type(create(&properties))
    };
    let stage = stage(solution("/"));
    for more in [
        json!({}),
        json!({ "OnCreate": "Delete", "OnDelete": "Keep" }),
        json!({ "OnCreate": "Provision", "OnDelete": "Keep" }),
        json!({ "IfInUse": "Delete" }),
    ] {
        let reason = stage.send(&without(more)).await.failure().reason().to_owned();
        assert!(reason.starts_with("`Regions`: missing"), "{reason}");
    }
    stage.send(&without(json!({ "OnDelete": "Keep" }))).await.success();
    for (property, none) in [("Regions", "0 regions"), ("Roles", "[]")] {
        let reason = stage.send(&creating(json!({ property: [] }))).await.failure().reason().to_owned();
        assert!(reason.starts_with(&format!("`{property}`: found `{none}`")), "{reason}");
    }
}

/// The event as sent on 22 November 2026 at 01:00 UTC.
fn sent(mut event: Value) -> Value {
    event["ResponseURL"] =
        json!(format!("{}&X-Amz-Date=20261122T010000Z&x={SECRET}", event["ResponseURL"].as_str().unwrap()));
    event
}

const SENT: u32 = 1_795_309_200;

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_leaves_what_was_made_since() {
    for event in [creating(json!({ "OnCreate": "Delete", "IfInUse": "Delete" })), deleting(json!({}))].map(sent) {
        let mut stage = stage(console());
        stage.invocation.now = SENT.into();
        stage.send(&event).await.success();
        stage.fake.change(|books| {
            let mut role = role(USE, "/service-role/", &[CONSOLE_POLICY], &["Own"]);
            role.made_at = SENT + 1;
            books.roles.insert(USE.to_lowercase(), role);
            let (arn, policy) = policy(CONSOLE_POLICY);
            books.policies.insert(arn, Policy { made_at: SENT + 1, ..policy });
        });
        let deployed = stage.fake.books();
        let response = stage.send(&event).await.success();
        assert_eq!(attribute(&response, "KeptRoles"), names(&["UseRole"]));
        assert_eq!(stage.fake.books(), deployed, "Lambda may deliver an event twice");

        stage.fake.change(|books| books.roles.get_mut(&USE.to_lowercase()).unwrap().made_at = SENT);
        stage.send(&event).await.success();
        let left = stage.fake.books();
        assert!(!left.roles.contains_key(&USE.to_lowercase()), "made before it was sent");
        assert!(left.policies.contains_key(CONSOLE_POLICY));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_is_rolled_back_takes_nothing_down_but_what_it_made() {
    for status in
        ["ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"]
    {
        let kept = stage(console());
        kept.fake.stack_status(status);
        let response = kept.send(&deleting(json!({ "DisablePortfolio": "true" }))).await.success();
        assert_eq!(attribute(&response, "KeptRoles"), names(&["LaunchRole", "UseRole"]));
        assert_eq!(writes(&kept), Vec::<String>::new());

        let made = stage(Books::default());
        made.fake.stack_status(status);
        made.send(&creating(json!({ "OnCreate": "Provision" }))).await.success();
        made.send(&deleting(json!({ "OnCreate": "Provision" }))).await.success();
        assert_eq!(made.fake.books(), neighbours());

        // A resource that asked for a clean slate still deletes the roles.
        let clean = stage(solution("/"));
        clean.fake.stack_status(status);
        clean.send(&deleting(json!({ "OnCreate": "Delete" }))).await.success();
        assert_eq!(clean.fake.books(), neighbours());
    }
    for status in ["DELETE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"] {
        let stage = stage(solution("/"));
        stage.fake.stack_status(status);
        stage.send(&deleting(json!({}))).await.success();
        assert_eq!(stage.fake.books(), neighbours());
    }
    let stage = stage(solution("/"));
    stage.fake.refuse("DescribeStacks");
    let reason = stage.send(&deleting(json!({}))).await.failure().reason().to_owned();
    assert!(reason.contains("could not read the status of the stack: cloudformation:DescribeStacks"), "{reason}");
    assert_eq!(stage.fake.books(), joined(solution("/"), neighbours()));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_an_earlier_try_left_goes_and_is_no_reason_to_fail() {
    let mut books = Books::default();
    // Other policies come first, over several pages.
    books.policies.extend((0..9).map(|i| policy(&format!("arn:aws:iam::123456789012:policy/service-role/A{i}"))));
    let others = books.clone();
    books.policies.extend([policy(CONSOLE_POLICY)]);
    books.regions.insert("us-east-1".into(), Region::with(&[("churn", "CreateCompleted")]));
    let stage = stage(books.clone());
    stage.fake.page(2);
    stage.send(&deleting(json!({}))).await.success();
    assert_eq!(stage.fake.books(), Books { regions: books.regions, ..joined(others, neighbours()) });
}
