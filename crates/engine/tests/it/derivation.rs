//! Tests the workflow role whose policy comes from its state machine: created, updated, split, verified.

mod verification;

use serde_json::{Value, json};

use mlops_roles_core::resource;
use mlops_roles_core::resource::spec::ReadContext;

use mlops_roles_testkit::account::Fake;
use mlops_roles_testkit::stage::{POLICY, ROLE, Stage, create, delete, update, with};

fn task(resource: &str, parameters: Value) -> Value {
    json!({ "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Parameters": parameters, "End": true })
}

fn machine(states: Value) -> Value {
    json!({ "StartAt": "First", "States": states })
}

fn asking(definition: Value, more: Value) -> Value {
    let mut properties = with(json!({ "SageMakerExecutionRoleArns": null, "Definition": definition }));
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    properties
}

fn invoking(functions: &[&str]) -> Value {
    machine(functions.iter().map(|name| (*name, task("lambda:invoke", json!({ "FunctionName": name })))).collect())
}

#[tokio::test(start_paused = true)]
async fn the_role_may_do_what_the_definition_says_and_an_update_follows_it() {
    let stage = Stage::new(Fake::new());
    let first = asking(invoking(&["score"]), json!({}));
    let made = stage.send(&create(&first)).await.success();
    assert_eq!(made.0["Data"]["PolicyArns"], POLICY);
    let policy = |stage: &Stage| {
        let policy = &stage.fake.books().policies[POLICY];
        policy.versions[&policy.default].to_string()
    };
    assert!(policy(&stage).contains("function:score"));
    assert!(
        stage.fake.books().roles[&ROLE.to_lowercase()].inline.is_empty(),
        "nothing is passed, so nothing is granted"
    );
    let second = asking(invoking(&["rank"]), json!({}));
    let changed = stage.send(&update(ROLE, &second, &first)).await.success();
    assert!(policy(&stage).contains("function:rank") && !policy(&stage).contains("function:score"));
    assert_ne!(changed.0["Data"]["PolicySha256"], made.0["Data"]["PolicySha256"]);
    stage.send(&delete(ROLE, &second)).await.success();
    assert!(stage.fake.books().roles.is_empty() && stage.fake.books().policies.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_for_one_policy_is_split_and_joined_again() {
    let stage = Stage::new(Fake::new());
    let names: Vec<String> = (0..200).map(|i| format!("function-with-a-name-{i}")).collect();
    let many = asking(invoking(&names.iter().map(String::as_str).collect::<Vec<_>>()), json!({}));
    let response = stage.send(&create(&many)).await.success();
    let arns: Vec<String> = response.0["Data"]["PolicyArns"].as_str().unwrap().split(',').map(str::to_owned).collect();
    assert!(arns.len() > 2, "{arns:?}");
    assert_eq!(response.0["Data"]["PolicyArn"], POLICY);
    let books = stage.fake.books();
    assert_eq!(books.roles[&ROLE.to_lowercase()].attached, arns.iter().cloned().collect());
    let all: String = books.policies.values().map(|policy| policy.versions[&policy.default].to_string()).collect();
    assert!(names.iter().all(|name| all.contains(&format!("function:{name}\""))));
    assert_eq!(stage.send(&create(&many)).await.success().0, response.0, "equal input, equal bytes");
    let few = asking(invoking(&["score"]), json!({}));
    stage.send(&update(ROLE, &few, &many)).await.success();
    assert_eq!(stage.fake.books().policies.len(), 1);
    stage.send(&delete(ROLE, &few)).await.success();
    assert!(stage.fake.books().policies.is_empty());
}

#[tokio::test(start_paused = true)]
async fn more_than_a_role_can_hold_is_refused_with_the_numbers() {
    let stage = Stage::new(Fake::new());
    let names: Vec<String> = (0..2_000).map(|i| format!("function-with-a-name-{i}")).collect();
    let many = asking(invoking(&names.iter().map(String::as_str).collect::<Vec<_>>()), json!({}));
    let reason = stage.send(&create(&many)).await.failure().reason().to_owned();
    assert!(reason.contains("managed policies") && reason.contains("IAM allows at most 20"), "{reason}");
    assert_eq!(stage.fake.calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn no_literal_wildcard_and_no_role_to_pass_widens_a_grant() {
    let map = |bucket: &str| {
        json!({
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "Parameters": { "Bucket": bucket, "Key": "items.json" },
            },
            "ItemProcessor": {
                "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
                "StartAt": "Score",
                "States": { "Score": task("lambda:invoke", json!({ "FunctionName": "score" })) },
            },
            "End": true,
        })
    };
    let mut acting = task("lambda:invoke", json!({ "FunctionName": "score" }));
    acting["Credentials"] = json!({ "RoleArn.$": "$.role" });
    let request = |endpoint: &str| {
        task(
            "http:invoke",
            json!({
                "ApiEndpoint": endpoint,
                "Method": "GET",
                "Authentication": { "ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/c/1" },
            }),
        )
    };
    let roles = json!({
        "StateMachineName": "churn",
        "SageMakerExecutionRoleArns": "arn:aws:iam::123456789012:role/MySageMakerRole",
    });
    for (state, part) in [
        (map("*"), "state `First.ItemReader`: `Bucket`: found `*`, expected a value without"),
        (acting, "state `First`: `Credentials.RoleArn`: the role is known only at run time"),
        (request("https://*"), "`ApiEndpoint`: found `https://*`, expected a value without the wildcards"),
    ] {
        let stage = Stage::new(Fake::new());
        let properties = asking(machine(json!({ "First": state })), roles.clone());
        let reason = stage.send(&create(&properties)).await.failure().reason().to_owned();
        assert!(reason.contains(part), "{part} is missing in {reason}");
        assert_eq!(stage.fake.calls(), Vec::<String>::new());
    }
    let stage = Stage::new(Fake::new());
    let fine = asking(machine(json!({ "First": map("in"), "Get": request("https://example.com/x") })), roles);
    stage.send(&create(&fine)).await.success();
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_the_definition_no_longer_leads_to_is_found_though_nothing_has_it_attached() {
    let stage = Stage::new(Fake::new());
    let names: Vec<String> = (0..60).map(|i| format!("{}-{i}", "score".repeat(10))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stage.send(&create(&asking(invoking(&names), json!({})))).await.success();
    let second = format!("{POLICY}-2");
    assert!(stage.fake.books().policies.contains_key(&second));
    // The state that a process leaves that dies between detachment and deletion, with a newer function to find it.
    stage.fake.change(|books| {
        books.roles.get_mut(&ROLE.to_lowercase()).unwrap().attached.remove(&second);
    });
    stage.send(&delete(ROLE, &asking(invoking(&["score"]), json!({})))).await.success();
    assert!(stage.fake.books().policies.is_empty());

    // The same, with a function that can't parse the definition at all.
    stage.send(&create(&asking(invoking(&names), json!({})))).await.success();
    stage.fake.change(|books| books.roles.get_mut(&ROLE.to_lowercase()).unwrap().attached.clear());
    stage.send(&delete(ROLE, &asking(json!("no JSON"), json!({})))).await.success();
    assert!(stage.fake.books().policies.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_policy_name_that_leaves_no_room_for_a_number_is_refused_where_one_is_needed() {
    let names: Vec<String> = (0..60).map(|i| format!("{}-{i}", "score".repeat(10))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let long = format!("AmazonSageMaker-{}", "x".repeat(111));
    let stage = Stage::new(Fake::new());
    let asked = asking(invoking(&names), json!({ "PolicyName": long }));
    let reason = stage.send(&create(&asked)).await.failure().reason().to_owned();
    assert!(reason.contains("would have more than 128 characters; choose a shorter `PolicyName`"), "{reason}");
    assert_eq!(stage.fake.calls(), Vec::<String>::new());
    stage.send(&create(&asking(invoking(&["score"]), json!({ "PolicyName": long })))).await.success();
}

#[tokio::test(start_paused = true)]
async fn what_goes_only_with_a_definition_is_refused_without_one() {
    let stage = Stage::new(Fake::new());
    let response = stage
        .send(&create(&with(json!({ "Logging": "true", "VerifyPermissions": "true", "ResourceOverrides": {} }))))
        .await
        .failure();
    for name in ["Logging", "VerifyPermissions", "ResourceOverrides"] {
        let mistake = format!("`{name}`: allowed only with `Definition`, `DefinitionS3Location` or `Integrations`");
        assert!(response.reason().contains(&mistake), "{}", response.reason());
    }
    let both = asking(invoking(&["score"]), json!({ "Integrations": ["sns:publish"] }));
    assert!(stage.send(&create(&both)).await.failure().reason().starts_with("`Integrations`: not allowed with"));
}

#[tokio::test(start_paused = true)]
async fn what_is_told_by_hand_takes_the_place_of_a_wildcard_or_is_refused() {
    let map = json!({
        "Type": "Map",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "Parameters": { "Bucket.$": "$.bucket", "Key.$": "$.key" },
        },
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "Score",
            "States": { "Score": task("lambda:invoke", json!({ "FunctionName.$": "$.function" })) },
        },
        "End": true,
    });
    let (score, object) = ("arn:aws:lambda:us-east-1:123456789012:function:score", "arn:aws:s3:::in/items.csv");
    let asking_for = |map: &Value, overrides: Value| {
        asking(machine(json!({ "First": map })), json!({ "StateMachineName": "churn", "ResourceOverrides": overrides }))
    };
    let stage = Stage::new(Fake::new());
    let told = json!({ "First": object, "First.ItemProcessor.Score": [score] });
    stage.send(&create(&asking_for(&map, told))).await.success();
    let policy = {
        let policy = &stage.fake.books().policies[POLICY];
        policy.versions[&policy.default].to_string()
    };
    assert!(policy.contains(&format!("[\"{score}\"]")) && policy.contains(&format!("[\"{object}\"]")), "{policy}");

    for (overrides, part) in [
        (json!({ "First": score }), format!("`{score}` matches no wildcard or role of state `First` that")),
        (json!({ "Frist": score }), "`ResourceOverrides`: found `Frist`, expected the path".to_owned()),
        (
            json!({ "First.ItemProcessor.Score": [score, object] }),
            format!("`{object}` matches no wildcard or role of state `First.ItemProcessor.Score`"),
        ),
    ] {
        let stage = Stage::new(Fake::new());
        let reason = stage.send(&create(&asking_for(&map, overrides))).await.failure().reason().to_owned();
        assert!(reason.contains(&part), "{part} is missing in {reason}");
        assert_eq!(stage.fake.calls(), Vec::<String>::new());
    }
}

/// A wildcard that the definition itself has is granted unchanged, and reported as a wildcard.
#[test]
fn a_wildcard_in_the_resource_of_a_task_is_told() {
    let definition = |resource: &str| json!({ "StartAt": "A", "States": { "A": { "Type": "Task", "Resource": resource, "End": true } } });
    let guardrails = mlops_roles_testkit::stage::guardrails();
    let place = mlops_roles_core::iam::arn::Place::from_arn(mlops_roles_testkit::stage::STACK).unwrap();
    let owner = mlops_roles_core::state::ownership::Owner {
        stack_id: mlops_roles_testkit::stage::STACK.into(),
        logical_id: "Role".into(),
    };
    let context = ReadContext { place: &place, guardrails: &guardrails, owner: &owner, existing: None, found: None };
    let written = Some("`Resource` has this wildcard");
    for (name, told) in [("score", None), ("*", written), ("scor?", written)] {
        let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{name}");
        let asked = asking(definition(&arn), json!({}));
        let (spec, errors) =
            resource::parse(mlops_roles_testkit::stage::TYPE, asked.as_object().unwrap(), context).unwrap();
        assert!(errors.is_empty(), "{errors}");
        let [grant] = spec.required.grants.as_slice() else { panic!("{:?}", spec.required.grants) };
        assert_eq!(grant.wildcards.get(&arn).map(String::as_str), told, "{name}");
    }
}
