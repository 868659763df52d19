//! Tests events that arrive after CloudFormation has moved on, and events that CloudFormation never sent.

use mlops_roles_engine::handler::Handler;
use mlops_roles_testkit::account::{Books, Fake, Mischief};
use mlops_roles_testkit::signed::SENT;
use mlops_roles_testkit::signed::sent;
use mlops_roles_testkit::signed::sent_at;
use mlops_roles_testkit::stage::{ROLE, STACK, Stage, create, delete, properties, update, with};
use serde_json::{Value, json};

/// A stage in front of the given account, some seconds after the event was sent.
fn stage_at(books: Books, seconds_later: i64) -> Stage {
    let mut stage = Stage::new(Fake::with(books));
    stage.invocation.now = SENT + seconds_later;
    stage
}

async fn made() -> Books {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    stage.fake.books()
}

/// How often the function asked the stack before its first write. After the last write it asks in any case.
fn asked(stage: &Stage) -> usize {
    let calls = stage.fake.calls();
    calls.iter().take_while(|call| *call != "CreatePolicy").filter(|call| *call == "DescribeStackResource").count()
}

/// The function asks about an old event before anything else, and about a young event together with the first reads.
#[tokio::test(start_paused = true)]
async fn a_dated_event_is_asked_about_once_before_anything_is_written() {
    for seconds in [-5, 0, 45, 46] {
        let stage = stage_at(Books::default(), seconds);
        stage.fake.hold_as(ROLE, STACK, "WorkflowRole", "CREATE_IN_PROGRESS");
        stage.fake.held_since(SENT);
        stage.send(&sent(create(&properties()))).await.success();
        assert_eq!(asked(&stage), 1, "{seconds} s");
    }
    let undated = stage_at(Books::default(), 3_600);
    undated.send(&create(&properties())).await.success();
    assert_eq!(asked(&undated), 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_create_or_update_writes_only_while_cloudformation_waits_for_it() {
    let new = with(json!({ "Description": "new" }));
    let standing = made().await;
    for (start, event) in [(Books::default(), create(&properties())), (standing, update(ROLE, &new, &properties()))] {
        let event = sent(event);
        for status in ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"] {
            let stage = stage_at(start.clone(), 46);
            stage.fake.hold_as(ROLE, STACK, "WorkflowRole", status);
            stage.fake.held_since(SENT - 1);
            stage.send(&event).await.success();
            assert_ne!(stage.fake.books(), start);
        }
        for status in [
            "DELETE_IN_PROGRESS",
            "DELETE_COMPLETE",
            "DELETE_SKIPPED",
            "CREATE_COMPLETE",
            "CREATE_FAILED",
            "UPDATE_COMPLETE",
        ] {
            let stage = stage_at(start.clone(), 46);
            stage.fake.hold_as(ROLE, STACK, "WorkflowRole", status);
            let reason = stage.send(&event).await.failure().reason().to_owned();
            assert_eq!(
                reason,
                format!(
                    "the event is stale: CloudFormation is no longer processing this operation: in the stack, resource \
                     `WorkflowRole` has status `{status}` and physical id `{ROLE}`; nothing was changed"
                )
            );
            assert_eq!(stage.fake.books(), start);
        }
        let nowhere = stage_at(start.clone(), 46);
        let reason = nowhere.send(&event).await.failure().reason().to_owned();
        assert!(reason.contains("the stack has no resource `WorkflowRole`"), "{reason}");
        assert_eq!(nowhere.fake.books(), start);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_a_later_one_has_overtaken_is_not_followed() {
    let standing = made().await;
    let stage = stage_at(standing.clone(), 900);
    stage.fake.hold_as(ROLE, STACK, "WorkflowRole", "UPDATE_IN_PROGRESS");
    stage.fake.held_since(SENT + 600);
    let new = with(json!({ "Description": "new" }));
    stage.send(&sent(update(ROLE, &new, &properties()))).await.failure();
    assert_eq!(stage.fake.books(), standing);
    stage.fake.held_since(SENT + 29);
    stage.send(&sent(update(ROLE, &new, &properties()))).await.success();
}

#[tokio::test(start_paused = true)]
async fn a_late_delete_takes_nothing_that_its_stack_lives_with() {
    let standing = made().await;
    let event = sent(delete(ROLE, &properties()));
    for status in ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_FAILED"] {
        let stage = stage_at(standing.clone(), 46);
        stage.fake.hold_as(ROLE, STACK, "WorkflowRole", status);
        let reason = stage.send(&event).await.failure().reason().to_owned();
        let told = "the event is stale: CloudFormation is not deleting this resource: in the stack, resource";
        assert!(reason.starts_with(told), "{reason}");
        assert_eq!(stage.fake.books(), standing);
    }
    for (id, status) in [
        (ROLE, "DELETE_IN_PROGRESS"),
        (ROLE, "DELETE_FAILED"),
        (ROLE, "DELETE_COMPLETE"),
        ("AmazonSageMaker-New", "UPDATE_COMPLETE"),
    ] {
        let stage = stage_at(standing.clone(), 46);
        stage.fake.hold_as(id, STACK, "WorkflowRole", status);
        stage.send(&event).await.success();
        assert_eq!(stage.fake.books(), Books::default(), "{status}");
    }
    let gone = stage_at(standing, 46);
    gone.send(&event).await.success();
    assert_eq!(gone.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_does_not_tell_keeps_a_late_event_from_everything() {
    let standing = made().await;
    for event in [create(&properties()), delete(ROLE, &properties())] {
        let stage = stage_at(standing.clone(), 46);
        stage.fake.break_action("DescribeStackResource", Mischief::Denied);
        let reason = stage.send(&sent(event)).await.failure().reason().to_owned();
        assert!(reason.starts_with("could not read the resource in its stack: cloudformation:Describe"), "{reason}");
        assert!(reason.ends_with("; nothing was changed"), "{reason}");
        assert_eq!(stage.fake.books(), standing);
    }
}

fn verifying(books: Books) -> Stage {
    let mut stage = stage_at(books, 0);
    stage.handler.guardrails.as_mut().unwrap().verifies_events = true;
    stage
}

#[tokio::test(start_paused = true)]
async fn what_cloudformation_never_sent_is_not_followed_where_the_deployer_has_events_verified() {
    let standing = made().await;
    let forged = [
        delete(ROLE, &properties()),
        delete("pipeline-WorkflowRole-1ABCDEFGHIJKL", &properties()),
        create(&with(json!({ "RoleName": "AmazonSageMaker-Forged" }))),
        update(ROLE, &with(json!({ "Description": "forged" })), &properties()),
    ];
    for event in forged {
        for (held, resource, stack) in [
            (true, "CREATE_COMPLETE", "CREATE_COMPLETE"),
            (true, "UPDATE_COMPLETE", "UPDATE_COMPLETE"),
            // The stack has an operation in progress that leaves this resource alone, or keeps it.
            (true, "UPDATE_COMPLETE", "DELETE_IN_PROGRESS"),
            (true, "DELETE_SKIPPED", "DELETE_COMPLETE"),
            // Somebody may want to keep what could not be deleted.
            (true, "DELETE_FAILED", "DELETE_FAILED"),
            (true, "DELETE_COMPLETE", "DELETE_COMPLETE"),
            (false, "", "UPDATE_COMPLETE"),
        ] {
            let stage = verifying(standing.clone());
            stage.fake.stack_status(stack);
            if held {
                stage.fake.hold_as(ROLE, STACK, "WorkflowRole", resource);
            }
            let response = stage.send(&event).await.failure();
            assert!(response.reason().starts_with("the event is stale: "), "{}", response.reason());
            assert_eq!(stage.fake.books(), standing, "{event}: {resource}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cloudformation_does_send_is_followed_where_events_are_verified() {
    let standing = made().await;
    let follow = async |start: &Books, event: Value, id: &str, resource: &str, stack: &'static str| {
        let stage = verifying(start.clone());
        stage.fake.hold_as(id, STACK, "WorkflowRole", resource);
        stage.fake.stack_status(stack);
        stage.send(&event).await.success();
        assert_ne!(stage.fake.books(), *start, "{resource}, {stack}");
    };
    let none = Books::default();
    let new = with(json!({ "Description": "new" }));
    follow(&none, create(&properties()), "", "CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS").await;
    follow(&standing, update(ROLE, &new, &properties()), ROLE, "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS").await;
    let back = "UPDATE_ROLLBACK_IN_PROGRESS";
    follow(&standing, update(ROLE, &new, &properties()), ROLE, "UPDATE_IN_PROGRESS", back).await;
    for stack in ["DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"] {
        follow(&standing, delete(ROLE, &properties()), ROLE, "DELETE_IN_PROGRESS", stack).await;
    }
    let cleanup = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS";
    follow(&standing, delete(ROLE, &properties()), "AmazonSageMaker-New", "UPDATE_COMPLETE", cleanup).await;
    let cleanup = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS";
    follow(&standing, delete(ROLE, &properties()), "AmazonSageMaker-Old", "UPDATE_COMPLETE", cleanup).await;
}

/// A Create failed under an id that named nothing, and a later one succeeded. Then CloudFormation cleans up after the
/// first.
#[tokio::test(start_paused = true)]
async fn a_delete_of_a_failed_create_spares_what_a_later_one_made() {
    let set = json!({ "RoleSet": "ServiceCatalogProjects", "SettleSeconds": "0" });
    let catalog = json!({ "OnCreate": "Provision", "OnDelete": "Keep", "Regions": "us-east-1" });
    for (resource_type, properties) in [
        ("Custom::StepFunctionsWorkflowRole", properties()),
        ("Custom::SageMakerMlopsRoles", set),
        ("Custom::SageMakerServiceCatalogRoles", catalog),
    ] {
        let of_type = |mut event: Value| {
            event["ResourceType"] = json!(resource_type);
            event
        };
        let stage = Stage::new(Fake::new());
        let mut guardrails = stage.handler.guardrails.clone().unwrap();
        guardrails.role_paths.push("/service-role/".into());
        let stage = Stage { handler: Handler { guardrails: Ok(guardrails), ..stage.handler.clone() }, ..stage };
        let id = stage.send(&of_type(create(&properties))).await.success().id().to_owned();
        let standing = stage.fake.books();
        let invented = ["not-created/WorkflowRole", "pipeline-WorkflowRole-1ABCDEFGHIJKL"];
        for status in ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS"] {
            stage.fake.hold_as(&id, STACK, "WorkflowRole", status);
            for failed in invented {
                let response = stage.send(&of_type(delete(failed, &properties))).await.success();
                assert_eq!(response.id(), failed);
                assert_eq!(stage.fake.books(), standing, "{resource_type}, {status}, {failed}");
            }
        }
        stage.fake.break_action("DescribeStackResource", Mischief::Denied);
        stage.send(&of_type(delete(invented[0], &properties))).await.failure();
        assert_eq!(stage.fake.books(), standing);
        stage.fake.heal();
        stage.fake.hold_as(&id, STACK, "WorkflowRole", "DELETE_IN_PROGRESS");
        stage.send(&of_type(delete(invented[0], &properties))).await.success();
        assert_eq!(stage.fake.books(), Books::default(), "{resource_type}");
    }
}

/// Lambda may deliver an event twice at any time. Here the second delivery arrives within seconds, after CloudFormation
/// has moved on.
#[tokio::test(start_paused = true)]
async fn a_second_delivery_within_seconds_undoes_nothing_that_came_after_it() {
    // A Create, after it has ended or the resource was deleted again.
    for status in ["CREATE_COMPLETE", "CREATE_FAILED", "UPDATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"] {
        for start in [Books::default(), made().await] {
            let stage = stage_at(start.clone(), 20);
            stage.fake.hold_as(ROLE, STACK, "WorkflowRole", status);
            stage.fake.held_since(SENT + 10);
            let new = with(json!({ "Description": "new" }));
            let reason = stage.send(&sent(create(&new))).await.failure().reason().to_owned();
            assert_eq!(
                reason,
                format!(
                    "the event is a redelivery: CloudFormation has finished this Create: in the stack, resource \
                     `WorkflowRole` has status `{status}` and physical id `{ROLE}`; nothing was changed"
                )
            );
            assert_eq!(stage.fake.books(), start, "{status}");
        }
    }

    // An Update, after the next one has ended.
    let (first, second) = (with(json!({ "Description": "first" })), with(json!({ "Description": "second" })));
    let stage = stage_at(made().await, 1);
    stage.fake.hold_as(ROLE, STACK, "WorkflowRole", "UPDATE_IN_PROGRESS");
    stage.fake.held_since(SENT);
    stage.send(&sent(update(ROLE, &first, &properties()))).await.success();
    stage.send(&sent_at(update(ROLE, &second, &first), "010010")).await.success();
    let standing = stage.fake.books();
    let stage = stage_at(standing.clone(), 20);
    stage.fake.hold_as(ROLE, STACK, "WorkflowRole", "UPDATE_COMPLETE");
    stage.fake.held_since(SENT + 15);
    let reason = stage.send(&sent(update(ROLE, &first, &properties()))).await.failure().reason().to_owned();
    assert!(reason.starts_with("the event is a redelivery: CloudFormation has finished this Update"), "{reason}");
    assert_eq!(stage.fake.books(), standing);

    // A Create that deleted foreign roles, after an update that provisioned them.
    let provision = json!({ "OnCreate": "Provision", "OnDelete": "Keep", "Regions": "us-east-1" });
    let take_down = json!({ "OnCreate": "Delete", "OnDelete": "Keep", "Regions": "us-east-1" });
    let of_type = |mut event: Value| {
        event["ResourceType"] = json!("Custom::SageMakerServiceCatalogRoles");
        event
    };
    let mut stage = stage_at(Books::default(), 20);
    stage.handler.guardrails.as_mut().unwrap().role_paths.push("/service-role/".into());
    stage.send(&of_type(create(&provision))).await.success();
    let standing = stage.fake.books();
    stage.fake.hold_as("SageMakerServiceCatalogRoles/WorkflowRole", STACK, "WorkflowRole", "UPDATE_COMPLETE");
    stage.fake.held_since(SENT + 15);
    let reason = stage.send(&of_type(sent(create(&take_down)))).await.failure().reason().to_owned();
    assert!(reason.starts_with("the event is a redelivery: CloudFormation has finished this Create"), "{reason}");
    assert_eq!(stage.fake.books(), standing);

    // A Delete, after the stack has the resource again under the same id, or is about to have it.
    let standing = made().await;
    for (id, kind) in
        [(ROLE, "CREATE_COMPLETE"), (ROLE, "UPDATE_COMPLETE"), (ROLE, "CREATE_IN_PROGRESS"), ("", "CREATE_IN_PROGRESS")]
    {
        let stage = stage_at(standing.clone(), 20);
        stage.fake.hold_as(id, STACK, "WorkflowRole", kind);
        stage.fake.held_since(SENT + 15);
        let reason = stage.send(&sent(delete(ROLE, &properties()))).await.failure().reason().to_owned();
        assert!(reason.starts_with("the event is a redelivery: CloudFormation has finished this Delete"), "{reason}");
        assert_eq!(stage.fake.books(), standing);
    }
}

/// A first delivery must never be taken for a second one, although what a stack reports may be a moment old.
#[tokio::test(start_paused = true)]
async fn a_first_delivery_is_followed_whatever_the_stack_told_before_it() {
    let standing = made().await;
    for (status, since) in [
        ("DELETE_IN_PROGRESS", SENT),
        ("CREATE_COMPLETE", SENT - 600),
        ("UPDATE_COMPLETE", SENT - 1),
        ("CREATE_COMPLETE", SENT + 1),
    ] {
        let stage = stage_at(standing.clone(), 1);
        stage.fake.hold_as(ROLE, STACK, "WorkflowRole", status);
        stage.fake.held_since(since);
        stage.send(&sent(delete(ROLE, &properties()))).await.success();
        assert!(stage.fake.books().roles.is_empty(), "{status}");
    }
    // The stack keeps the resource under another id: a replacement and its cleanup.
    let stage = stage_at(standing.clone(), 1);
    stage.fake.hold_as("AmazonSageMaker-New", STACK, "WorkflowRole", "UPDATE_COMPLETE");
    stage.fake.held_since(SENT + 5);
    stage.send(&sent(delete(ROLE, &properties()))).await.success();
    // When the stack can't be read, a Delete goes ahead.
    let stage = stage_at(standing, 1);
    stage.fake.break_action("DescribeStackResource", Mischief::Throttled);
    stage.send(&sent(delete(ROLE, &properties()))).await.success();
    assert!(stage.fake.books().roles.is_empty());
    for (start, event) in [
        (Books::default(), create(&properties())),
        (made().await, update(ROLE, &with(json!({ "Description": "new" })), &properties())),
    ] {
        for (status, since) in
            [("UPDATE_IN_PROGRESS", SENT + 1), ("CREATE_COMPLETE", SENT - 600), ("UPDATE_COMPLETE", SENT + 1)]
        {
            let stage = stage_at(start.clone(), 1);
            stage.fake.hold_as(ROLE, STACK, "WorkflowRole", status);
            stage.fake.held_since(since);
            stage.send(&sent(event.clone())).await.success();
        }
    }
}

/// Whoever may invoke the function could send an event that gives a resource of the stack another type.
#[tokio::test(start_paused = true)]
async fn an_event_of_another_type_than_the_stack_has_is_not_followed() {
    let standing = made().await;
    for mut event in [
        sent(create(&properties())),
        sent(update(ROLE, &with(json!({ "Description": "new" })), &properties())),
        sent(delete(ROLE, &properties())),
    ] {
        let stage = stage_at(standing.clone(), 46);
        let status = if event["RequestType"] == "Delete" { "DELETE_IN_PROGRESS" } else { "UPDATE_IN_PROGRESS" };
        stage.fake.hold_as(ROLE, STACK, "WorkflowRole", status);
        stage.fake.held_type("Custom::SageMakerExecutionRole");
        let reason = stage.send(&event).await.failure().reason().to_owned();
        let told = "the event does not match the stack: the resource type is `Custom::StepFunctionsWorkflowRole` in \
                    the event and `Custom::SageMakerExecutionRole` in the stack";
        assert!(reason.starts_with(told) && reason.ends_with("nothing was changed"), "{reason}");
        assert_eq!(stage.fake.books(), standing);
        event["ResourceType"] = json!("Custom::SageMakerServiceCatalogRoles");
        stage.send(&event).await.failure();
        assert_eq!(stage.fake.books(), standing);
    }
}
