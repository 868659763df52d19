//! Tests what this version refuses although an earlier version accepted it. A Create is refused, and so is an Update
//! that changes the value. An Update that leaves the value unchanged, a rollback and a Delete succeed.

mod declarations;
mod maps;
mod names;
mod sets;
mod sources;
mod tasks;

use serde_json::{Value, json};

use mlops_roles_testkit::account::{Books, Mischief};
use mlops_roles_testkit::role_sets::{asking, of_type, stage};
use mlops_roles_testkit::stage::{Stage, create, delete, from_stack, update, with};

const WORKFLOW: &str = "Custom::StepFunctionsWorkflowRole";
const EXECUTION: &str = "Custom::SageMakerExecutionRole";
const SETS: &str = "Custom::SageMakerMlopsRoles";
const TARGET: &str = "Custom::SageMakerDeployTarget";
/// Derived names contain the name of this stack.
const STACK: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/SetupLambdaExecution/7c1d";

struct Refusal {
    what: &'static str,
    kind: &'static str,
    good: Value,
    bad: Value,
    /// Properties that are refused for another value, if there are any.
    worse: Option<Value>,
    /// What the reason of the refusal mentions.
    says: &'static str,
}

/// Every such refusal. A new refusal gets an entry in the module of its property.
fn refusals() -> Vec<Refusal> {
    let families = [
        sources::refusals(),
        tasks::refusals(),
        declarations::refusals(),
        maps::refusals(),
        names::of_roles(),
        names::of_sets(),
        sets::refusals(),
    ];
    families.into_iter().flatten().collect()
}

/// A workflow role for one task, whose state is `Call`. It has no keys of data.
fn calls(resource: &str, parameters: Value) -> Value {
    let resource = format!("arn:aws:states:::{resource}");
    let task = json!({ "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true });
    let definition = json!({ "StartAt": "Call", "States": { "Call": task } });
    with(json!({ "Definition": definition, "DataKeys": [], "SageMakerExecutionRoleArns": null }))
}

/// A deploy target.
fn of_bridge(more: Value) -> Value {
    asking(&json!({}), more)
}

impl Refusal {
    fn event(&self, event: Value) -> Value {
        from_stack(of_type(event, self.kind), STACK)
    }

    /// A stage whose stack is updating the resource.
    fn updating(&self, id: &str, books: Books, status: &'static str) -> Stage {
        let stage = stage(books);
        stage.fake.stack_status(status);
        stage.fake.hold_as(id, STACK, "Roles", "UPDATE_IN_PROGRESS");
        stage.fake.held_type(self.kind);
        stage
    }

    /// The id of a resource with these properties as an earlier version created it, and the account that holds the
    /// resource.
    async fn made(&self, properties: &Value) -> (String, Books) {
        let stage = stage(Books::default());
        // A Create that is refused also says which id the resource would have had.
        let id = stage.send(&self.event(create(properties))).await.id().to_owned();
        let stage = self.updating(&id, stage.fake.books(), "UPDATE_IN_PROGRESS");
        let response = stage.send(&self.event(update(&id, properties, properties))).await.success();
        assert_eq!(response.id(), id, "{}", self.what);
        (id, stage.fake.books())
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_is_refused_and_makes_nothing() {
    for refusal in refusals() {
        let refused = stage(Books::default());
        let reason = refused.send(&refusal.event(create(&refusal.bad))).await.failure().reason().to_owned();
        assert!(reason.contains(refusal.says), "{}: {reason}", refusal.what);
        assert!(refused.fake.books() == Books::default(), "{}", refusal.what);
        let taken = stage(Books::default());
        let response = taken.send(&refusal.event(create(&refusal.good))).await.success();
        assert_eq!(response.0["Data"]["Warnings"], "", "{}", refusal.what);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_leaves_it_as_it_was_goes_through_and_tells() {
    for refusal in refusals() {
        let (id, books) = refusal.made(&refusal.bad).await;
        let stage = refusal.updating(&id, books, "UPDATE_IN_PROGRESS");
        let mut tagged = refusal.bad.clone();
        let mut tags = tagged["Tags"].as_array().cloned().unwrap_or_default();
        tags.push(json!({ "Key": "team", "Value": "a" }));
        tagged["Tags"] = tags.into();
        let response = stage.send(&refusal.event(update(&id, &tagged, &refusal.bad))).await.success();
        let told = response.0["Data"]["Warnings"].as_str().unwrap();
        assert!(told.contains(refusal.says) || told.contains("see the function's log"), "{}: {told}", refusal.what);
        assert_eq!(response.id(), id, "{}", refusal.what);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_that_changes_it_is_refused_and_changes_nothing() {
    for refusal in refusals() {
        let (id, books) = refusal.made(&refusal.good).await;
        let from_good = refusal.updating(&id, books.clone(), "UPDATE_IN_PROGRESS");
        let event = refusal.event(update(&id, &refusal.bad, &refusal.good));
        let response = from_good.send(&event).await.failure();
        assert!(response.reason().contains(refusal.says), "{}: {}", refusal.what, response.reason());
        assert_eq!(response.id(), id);
        assert!(from_good.fake.books() == books, "{}", refusal.what);

        let Some(worse) = &refusal.worse else { continue };
        let (id, books) = refusal.made(&refusal.bad).await;
        let from_bad = refusal.updating(&id, books.clone(), "UPDATE_IN_PROGRESS");
        from_bad.send(&refusal.event(update(&id, worse, &refusal.bad))).await.failure();
        assert!(from_bad.fake.books() == books, "{}", refusal.what);
        let to_good = refusal.updating(&id, books, "UPDATE_IN_PROGRESS");
        to_good.send(&refusal.event(update(&id, &refusal.good, &refusal.bad))).await.success();
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_brings_it_back_and_tells() {
    for status in ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"] {
        for refusal in refusals() {
            let (id, books) = refusal.made(&refusal.good).await;
            let stage = refusal.updating(&id, books, status);
            let response = stage.send(&refusal.event(update(&id, &refusal.bad, &refusal.good))).await.success();
            let told = response.0["Data"]["Warnings"].as_str().unwrap();
            assert!(!told.is_empty(), "{}", refusal.what);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_is_never_in_its_way() {
    for refusal in refusals() {
        let (id, books) = refusal.made(&refusal.bad).await;
        assert!(books != Books::default());
        let stage = stage(books);
        stage.send(&refusal.event(delete(&id, &refusal.bad))).await.success();
        assert!(stage.fake.books() == Books::default(), "{}: something is left", refusal.what);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_does_not_tell_its_state_is_no_reason_to_accept_it() {
    let refusal = &refusals()[0];
    let (id, books) = refusal.made(&refusal.good).await;
    let event = refusal.event(update(&id, &refusal.bad, &refusal.good));
    let silent = refusal.updating(&id, books.clone(), "");
    silent.send(&event).await.failure();
    for action in ["DescribeStacks", "DescribeStackResource"] {
        let denied = refusal.updating(&id, books.clone(), "UPDATE_ROLLBACK_IN_PROGRESS");
        denied.fake.break_action(action, Mischief::Denied);
        let reason = denied.send(&event).await.failure().reason().to_owned();
        assert!(reason.starts_with("could not read ") && reason.ends_with("; nothing was changed"), "{reason}");
        assert!(denied.fake.books() == books);
    }
    assert!(silent.fake.books() == books);
}

/// Whoever may invoke the function could claim anything about what a resource had before.
#[tokio::test(start_paused = true)]
async fn an_update_that_the_stack_is_not_at_accepts_nothing() {
    for refusal in refusals() {
        let (id, books) = refusal.made(&refusal.good).await;
        let event = refusal.event(update(&id, &refusal.bad, &refusal.bad));
        for (held, kind, status) in [
            (id.as_str(), refusal.kind, "UPDATE_COMPLETE"),
            (&id, refusal.kind, "DELETE_IN_PROGRESS"),
            (&id, refusal.kind, "CREATE_IN_PROGRESS"),
            (&id, "Custom::SageMakerServiceCatalogRoles", "UPDATE_IN_PROGRESS"),
            ("another", refusal.kind, "UPDATE_IN_PROGRESS"),
        ] {
            let stage = refusal.updating(held, books.clone(), "UPDATE_IN_PROGRESS");
            stage.fake.hold_as(held, STACK, "Roles", status);
            stage.fake.held_type(kind);
            let response = stage.send(&event).await.failure();
            assert!(response.reason().contains(refusal.says), "{}: {}", refusal.what, response.reason());
            assert!(stage.fake.books() == books, "{}", refusal.what);
        }
    }
}

/// Otherwise a resource that once had a wide grant could get that grant anew.
#[tokio::test(start_paused = true)]
async fn an_update_that_replaces_it_accepts_nothing() {
    let old = asking(&json!({ "Fidelity": "AsPublished" }), json!({}));
    let refusals = refusals();
    let refusal = refusals.iter().find(|one| one.what == "policies that make roles, as published").unwrap();
    let (id, books) = refusal.made(&old).await;
    let mut new = old.clone();
    new["NamePrefix"] = json!("bridge2");
    let event = refusal.event(update(&id, &new, &old));
    let stage = refusal.updating(&id, books.clone(), "UPDATE_IN_PROGRESS");
    let response = stage.send(&event).await.failure();
    assert!(response.reason().contains(refusal.says), "{}", response.reason());
    assert!(stage.fake.books() == books);
    let back = refusal.updating(&id, books, "UPDATE_ROLLBACK_IN_PROGRESS");
    back.send(&event).await.success();
}
