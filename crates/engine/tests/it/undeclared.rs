//! Tests what only the author of a definition can tell. A Create without it is refused, and so is an Update that
//! changes the definition. An Update that leaves the definition unchanged, a rollback and a Delete succeed.

mod declarations;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use mlops_roles_testkit::account::simulator::allows;
use mlops_roles_testkit::account::{Books, Fake};
use mlops_roles_testkit::stage::{ROLE, STACK, Stage, create, delete, update, with};

/// A role that the guardrails let pass.
const TASK: &str = "arn:aws:iam::123456789012:role/SageMakerTask";

/// A role that they do not let pass.
const OTHER: &str = "arn:aws:iam::123456789012:role/EcsTask";

const ECS_TASKS: &str = "ecs-tasks.amazonaws.com";

/// The beginning of a refusal, before the name of the state.
const MISSING: &str = "`TaskResources`: missing for state ";

fn task(resource: &str, parameters: Value) -> Value {
    json!({ "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Parameters": parameters, "End": true })
}

fn running(launch: &str) -> Value {
    task("ecs:runTask.sync", json!({ "TaskDefinition": "score:3", "LaunchType": launch }))
}

fn inserting() -> Value {
    let parameters = json!({
        "QueryString": "INSERT INTO t SELECT * FROM s",
        "QueryExecutionContext": { "Catalog": "AwsDataCatalog" },
        "ResultConfiguration": { "OutputLocation": "s3://results/out/" },
    });
    task("athena:startQueryExecution.sync", parameters)
}

fn sending() -> Value {
    let queue = "https://sqs.us-east-1.amazonaws.com/123456789012/churn";
    task("sqs:sendMessage", json!({ "QueueUrl": queue, "MessageBody": "done" }))
}

/// A distributed map over the files of a manifest of Athena.
fn mapping() -> Value {
    json!({
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": { "InputType": "CSV", "ManifestType": "ATHENA_DATA" },
            "Parameters": { "Bucket": "results", "Key": "out/1-manifest.csv" },
        },
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "Done",
            "States": { "Done": { "Type": "Pass", "End": true } },
        },
        "End": true,
    })
}

/// Properties with these states. There are no keys of data.
fn asking(states: Value, more: Value) -> Value {
    let definition = json!({ "StartAt": "Run", "States": states });
    let mut properties = with(json!({
        "SageMakerExecutionRoleArns": null,
        "Definition": definition,
        "StateMachineName": "churn",
        "DataKeys": [],
    }));
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    properties
}

/// Properties with undeclared needs of each use.
fn undeclared(more: Value) -> Value {
    asking(json!({ "Run": running("FARGATE"), "Query": inserting(), "Each": mapping(), "Send": sending() }), more)
}

/// What to declare, with one ARN for all data.
fn declared(data: &str) -> Value {
    json!({ "TaskResources": {
        "Run": { "PassRoles": [{ "RoleArn": TASK, "Service": ECS_TASKS }] },
        "Query": { "Read": [data], "Write": [data] },
        "Each": { "Read": [data] },
    } })
}

/// A stage whose stack is updating the resource.
fn updating(books: Books, status: &'static str) -> Stage {
    let stage = Stage::new(Fake::with(books));
    stage.fake.stack_status(status);
    stage.fake.hold_as(ROLE, STACK, "WorkflowRole", "UPDATE_IN_PROGRESS");
    stage
}

/// The account with a resource of these properties as an earlier version created it.
async fn made(properties: &Value) -> Books {
    let stage = updating(Books::default(), "UPDATE_IN_PROGRESS");
    stage.send(&update(ROLE, properties, properties)).await.success();
    stage.fake.books()
}

/// All policies of the account.
fn policies(books: &Books) -> Vec<Value> {
    let managed = books.policies.values().map(|policy| policy.versions[&policy.default].clone());
    let inline = books.roles.values().flat_map(|role| role.inline.values().cloned());
    managed.chain(inline).collect()
}

fn may(books: &Books, action: &str, resource: &str) -> bool {
    allows(&policies(books), action, resource, &BTreeMap::new())
}

fn may_pass(books: &Books, role: &str, service: &str) -> bool {
    let context = BTreeMap::from([("iam:PassedToService".to_owned(), json!(service))]);
    allows(&policies(books), "iam:PassRole", role, &context)
}

/// Whether the roles grant the same.
fn same_grants(one: &Books, other: &Books) -> bool {
    policies(&one.meaning()) == policies(&other.meaning())
}

/// The reason why a Create is refused, which calls nothing.
async fn refused(properties: &Value) -> String {
    let stage = Stage::new(Fake::new());
    let reason = stage.send(&create(properties)).await.failure().reason().to_owned();
    assert_eq!(stage.fake.books(), Books::default(), "{reason}");
    assert_eq!(stage.fake.calls(), Vec::<String>::new(), "{reason}");
    reason
}

/// The texts that a refusal says to add, as one object.
fn text_to_add(reason: &str) -> Value {
    let texts = reason.split("; add ").skip(1).map(|text| text.split(", with an empty list").next().unwrap());
    let objects = texts.map(|text| serde_json::from_str::<Map<String, Value>>(text).unwrap());
    objects.flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn a_create_is_refused_for_all_states_at_once_and_makes_nothing() {
    let reason = refused(&undeclared(json!({}))).await;
    assert_eq!(reason.matches(MISSING).count(), 3, "{reason}");
    for need in [
        "which reads the files that the manifest lists;",
        "which reads the data of the tables that the query reads and writes the location of the table;",
        "which passes the task role of the task definition and passes the execution role of the task definition;",
    ] {
        assert_eq!(reason.matches(need).count(), 1, "{need}: {reason}");
    }
    assert!(!reason.contains("state `Send`"), "{reason}");
    assert!(reason.ends_with("with an empty list for what it does not need"), "{reason}");
    let role = |which: &str| json!({ "RoleArn": format!("ARN of the {which} role of the task definition"), "Service": ECS_TASKS });
    let expected = json!({
        "Each": { "Read": ["ARN of the files that the manifest lists"] },
        "Query": {
            "Read": ["ARN of the data of the tables that the query reads"],
            "Write": ["ARN of the location of the table"],
        },
        "Run": { "PassRoles": [role("task"), role("execution")] },
    });
    assert_eq!(text_to_add(&reason), expected, "{reason}");
}

#[tokio::test(start_paused = true)]
async fn the_text_of_the_refusal_with_arns_is_accepted_and_granted() {
    let text = text_to_add(&refused(&undeclared(json!({}))).await).to_string();
    let text = ["execution", "task"].into_iter().fold(text, |text, which| {
        text.replace(&format!("\"ARN of the {which} role of the task definition\""), &json!(TASK).to_string())
    });
    let data = [
        "the files that the manifest lists",
        "the data of the tables that the query reads",
        "the location of the table",
    ];
    let text = data.into_iter().fold(text, |text, what| {
        text.replace(&format!("\"ARN of {what}\""), &json!("arn:aws:s3:::sales/2026/*").to_string())
    });
    let added: Value = serde_json::from_str(&text).unwrap();
    let stage = Stage::new(Fake::new());
    let response = stage.send(&create(&undeclared(json!({ "TaskResources": added })))).await.success();
    assert_eq!(response.0["Data"]["Warnings"], "");
    let books = stage.fake.books();
    assert!(may(&books, "s3:GetObject", "arn:aws:s3:::sales/2026/a.csv"));
    assert!(may(&books, "s3:PutObject", "arn:aws:s3:::sales/2026/a.csv"), "`Query` declares it as `Write` too");
    assert!(may_pass(&books, TASK, ECS_TASKS));
    assert!(!may_pass(&books, TASK, "ecs.amazonaws.com") && !may_pass(&books, OTHER, ECS_TASKS));
    // The bucket of the manifest is no longer taken to have the files.
    assert!(!may(&books, "s3:GetObject", "arn:aws:s3:::results/other/a.csv"));
}

#[tokio::test(start_paused = true)]
async fn an_integration_is_declared_by_its_place_in_the_list() {
    let by_list = |more: Value| {
        let mut properties = asking(json!({}), more);
        properties.as_object_mut().unwrap().remove("Definition");
        properties["Integrations"] = json!(["ecs:runTask"]);
        properties
    };
    let reason = refused(&by_list(json!({}))).await;
    let roles = text_to_add(&reason)["[0]"]["PassRoles"].as_array().map(Vec::len);
    assert_eq!(roles, Some(2), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_leaves_the_definition_unchanged_passes_with_a_warning_and_keeps_the_grants() {
    let old = undeclared(json!({}));
    let books = made(&old).await;
    assert!(may(&books, "ecs:RunTask", "arn:aws:ecs:us-east-1:123456789012:task-definition/score:3"));
    assert!(!may_pass(&books, TASK, ECS_TASKS) && !may(&books, "s3:GetObject", "arn:aws:s3:::sales/2026/a.csv"));
    let stage = updating(books.clone(), "UPDATE_IN_PROGRESS");
    let response = stage.send(&update(ROLE, &undeclared(json!({ "Revision": "2" })), &old)).await.success();
    let told = response.0["Data"]["Warnings"].as_str().unwrap();
    assert!(told.contains(MISSING) && told.contains("; add {"), "{told}");
    assert_eq!(response.id(), ROLE);
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_changes_the_definition_anywhere_is_refused_and_changes_nothing() {
    let old = undeclared(json!({ "DefinitionSubstitutions": { "Release": "1" } }));
    let books = made(&old).await;
    let mut commented = old.clone();
    commented["Definition"]["Comment"] = json!("Scores the clients.");
    let mut longer = old.clone();
    longer["Definition"]["States"]["Wait"] = json!({ "Type": "Wait", "Seconds": 1, "End": true });
    let mut other = old.clone();
    other["Definition"]["States"]["Run"]["Parameters"]["TaskDefinition"] = json!("score:4");
    let released = undeclared(json!({ "DefinitionSubstitutions": { "Release": "2" } }));
    for new in [commented, longer, other, released] {
        let stage = updating(books.clone(), "UPDATE_IN_PROGRESS");
        let response = stage.send(&update(ROLE, &new, &old)).await.failure();
        assert!(response.reason().contains(MISSING), "{}", response.reason());
        assert!(text_to_add(response.reason())["Run"].is_object(), "{}", response.reason());
        assert_eq!(response.id(), ROLE);
        assert_eq!(stage.fake.books(), books, "{new}");

        let mut told = new.clone();
        told.as_object_mut().unwrap().extend(declared("arn:aws:s3:::sales/2026/*").as_object().unwrap().clone());
        let response = stage.send(&update(ROLE, &told, &old)).await.success();
        assert_eq!(response.0["Data"]["Warnings"], "", "{told}");
        assert!(may_pass(&stage.fake.books(), TASK, ECS_TASKS), "{told}");
    }
}

/// Whoever declares what the definition had all along need not change the definition.
#[tokio::test(start_paused = true)]
async fn an_update_that_only_declares_passes_without_a_warning() {
    let old = undeclared(json!({}));
    let stage = updating(made(&old).await, "UPDATE_IN_PROGRESS");
    let new = undeclared(declared("arn:aws:s3:::sales/2026/*"));
    let response = stage.send(&update(ROLE, &new, &old)).await.success();
    assert_eq!(response.0["Data"]["Warnings"], "");
    let books = stage.fake.books();
    assert!(may_pass(&books, TASK, ECS_TASKS) && may(&books, "s3:GetObject", "arn:aws:s3:::sales/2026/a.csv"));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_to_the_old_definition_passes_with_the_warning_and_its_grants() {
    let old = undeclared(json!({}));
    let before = made(&old).await;
    let mut new = undeclared(declared("arn:aws:s3:::sales/2026/*"));
    new["Definition"]["Comment"] = json!("Scores the clients.");
    let books = made(&new).await;
    assert!(!same_grants(&books, &before));
    for status in ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"] {
        let stage = updating(books.clone(), status);
        let response = stage.send(&update(ROLE, &old, &new)).await.success();
        let told = response.0["Data"]["Warnings"].as_str().unwrap();
        assert!(told.contains(MISSING), "{status}: {told}");
        assert!(same_grants(&stage.fake.books(), &before), "{status}");
    }
    let forward = updating(books.clone(), "UPDATE_IN_PROGRESS");
    let reason = forward.send(&update(ROLE, &old, &new)).await.failure().reason().to_owned();
    assert!(reason.contains(MISSING), "{reason}");
    assert_eq!(forward.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn a_delete_asks_for_nothing() {
    let old = undeclared(json!({}));
    let books = made(&old).await;
    assert_ne!(books, Books::default());
    let stage = Stage::new(Fake::with(books));
    stage.send(&delete(ROLE, &old)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}
