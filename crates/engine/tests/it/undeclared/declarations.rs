//! Tests the declarations of an author: possible needs, roles, wildcards, and invalid forms.

use std::collections::BTreeMap;

use serde_json::json;

use mlops_roles_testkit::account::Fake;
use mlops_roles_testkit::account::simulator::allows;
use mlops_roles_testkit::stage::{Stage, create};

use super::{
    ECS_TASKS, MISSING, OTHER, TASK, asking, inserting, may, may_pass, policies, refused, running, sending, undeclared,
};

#[tokio::test(start_paused = true)]
async fn a_possible_need_is_a_note_until_the_author_says_that_there_is_none() {
    let role = "state `Run`: perhaps it passes the task role of the task definition; declare it in `TaskResources`";
    let key = "name the customer managed keys of the data in sqs in `DataKeys`; an empty list says that there are none";
    let states = json!({ "Run": running("EC2"), "Send": sending() });
    let (none, keys) = (json!({ "Run": {} }), json!([]));
    for (resources, keys, expected) in [
        (None, None, vec![role, key]),
        (Some(&none), None, vec![key]),
        (None, Some(&keys), vec![role]),
        (Some(&none), Some(&keys), vec![]),
    ] {
        let mut properties = asking(states.clone(), json!({}));
        properties.as_object_mut().unwrap().remove("DataKeys");
        for (name, value) in [("TaskResources", resources), ("DataKeys", keys)] {
            if let Some(value) = value {
                properties[name] = value.clone();
            }
        }
        let stage = Stage::new(Fake::new());
        let response = stage.send(&create(&properties)).await.success();
        let told = response.0["Data"]["Warnings"].as_str().unwrap();
        for note in [role, key] {
            assert_eq!(told.contains(note), expected.contains(&note), "{note}: {told}");
        }
        assert_eq!(told.is_empty(), expected.is_empty(), "{told}");
        assert!(!may_pass(&stage.fake.books(), TASK, ECS_TASKS));
    }
}

#[tokio::test(start_paused = true)]
async fn a_possible_need_that_is_declared_is_granted() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let roles = json!({ "Run": { "PassRoles": [{ "RoleArn": TASK, "Service": ECS_TASKS }] } });
    let more = json!({ "TaskResources": roles, "DataKeys": [key] });
    let stage = Stage::new(Fake::new());
    let states = json!({ "Run": running("EC2"), "Send": sending() });
    let response = stage.send(&create(&asking(states, more))).await.success();
    assert_eq!(response.0["Data"]["Warnings"], "");
    let books = stage.fake.books();
    assert!(may_pass(&books, TASK, ECS_TASKS));
    let by = |service: &str| {
        let context = BTreeMap::from([("kms:ViaService".to_owned(), json!(service))]);
        allows(&policies(&books), "kms:GenerateDataKey", key, &context)
    };
    assert!(by("sqs.us-east-1.amazonaws.com"));
    assert!(!by("s3.us-east-1.amazonaws.com") && !by("sqs.eu-west-1.amazonaws.com"));
    assert!(!may(&books, "kms:GenerateDataKey", key));
}

#[tokio::test(start_paused = true)]
async fn a_declared_role_is_one_that_the_deployer_lets_pass() {
    let passing = |role: &str| {
        let roles = json!({ "Run": { "PassRoles": [{ "RoleArn": role, "Service": ECS_TASKS }] } });
        asking(json!({ "Run": running("FARGATE") }), json!({ "TaskResources": roles }))
    };
    let at = "`TaskResources.Run.PassRoles.RoleArn`: found `";
    for (role, expected) in [
        (OTHER, "`arn:aws:iam::123456789012:role/*SageMaker*` (the deployer's `PassableRoleArns`)"),
        ("arn:aws:iam::123456789012:role/SageMaker*", "the ARN of one role, without `*`, `?` and `$`"),
        ("arn:aws:iam::999999999999:role/SageMakerTask", "a role of account 123456789012"),
        ("arn:aws:iam::123456789012:role/AmazonSageMaker-Churn", "a role other than the workflow role itself"),
        ("SageMakerTask", "the ARN of a role"),
    ] {
        let reason = refused(&passing(role)).await;
        assert!(reason.contains(&format!("{at}{role}`")) && reason.contains(expected), "{role}: {reason}");
        assert!(!reason.contains(MISSING), "{role}: {reason}");
    }
    let mut stage = Stage::new(Fake::new());
    stage.handler.guardrails.as_mut().unwrap().passable_roles = vec![OTHER.to_owned()];
    stage.send(&create(&passing(OTHER))).await.success();
    assert!(may_pass(&stage.fake.books(), OTHER, ECS_TASKS) && !may_pass(&stage.fake.books(), TASK, ECS_TASKS));
}

#[tokio::test(start_paused = true)]
async fn a_wildcard_in_what_is_declared_covers_just_what_it_matches() {
    let query = |read: &str| {
        let declared = json!({ "Query": { "Read": read, "Write": "arn:aws:s3:::target/t/*" } });
        asking(json!({ "Query": inserting() }), json!({ "TaskResources": declared }))
    };
    let stage = Stage::new(Fake::new());
    stage.send(&create(&query("arn:aws:s3:::sales-*/2026/*"))).await.success();
    let books = stage.fake.books();
    for bucket in ["sales-eu", "sales-us"] {
        assert!(may(&books, "s3:GetObject", &format!("arn:aws:s3:::{bucket}/2026/a.csv")));
        assert!(may(&books, "s3:ListBucket", &format!("arn:aws:s3:::{bucket}")));
        assert!(!may(&books, "s3:GetObject", &format!("arn:aws:s3:::{bucket}/2025/a.csv")));
        assert!(!may(&books, "s3:PutObject", &format!("arn:aws:s3:::{bucket}/2026/a.csv")));
    }
    assert!(!may(&books, "s3:GetObject", "arn:aws:s3:::clients/2026/a.csv"));
    assert!(!may(&books, "s3:ListBucket", "arn:aws:s3:::clients"));
    assert!(may(&books, "s3:PutObject", "arn:aws:s3:::target/t/a.csv"));
    for all in ["*", "arn:aws:s3:::*", "arn:aws:*:::sales/*"] {
        let reason = refused(&query(all)).await;
        assert!(reason.contains(&format!("`{all}`")), "{all}: {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_mistakes_of_the_form_are_told_at_once() {
    let resources = json!({
        "Run": { "PassRoles": [
            { "RoleArn": TASK },
            { "RoleArn": TASK, "Service": "ecs" },
            { "RoleArn": OTHER, "Service": ECS_TASKS },
            "SageMakerTask",
        ] },
        "Query": { "Read": ["sales", "arn:aws-cn:s3:::sales/*"], "Write": 7 },
        "Each": ["arn:aws:s3:::sales/*"],
        "Send": { "Reads": "arn:aws:s3:::sales/*" },
        "Gone": {},
    });
    let reason = refused(&undeclared(json!({ "TaskResources": resources }))).await;
    let form = "expected `{Read, Write, PassRoles}`, or `{}` for a state that needs nothing more";
    let role = "expected `{RoleArn, Service}`, with a service such as `ecs-tasks.amazonaws.com`";
    for part in [
        format!("`TaskResources.Run.PassRoles`: found `{{\"RoleArn\":\"{TASK}\"}}`, {role}"),
        "\"Service\":\"ecs\"".to_owned(),
        format!("`TaskResources.Run.PassRoles`: found `SageMakerTask`, {role}"),
        format!("`TaskResources.Run.PassRoles.RoleArn`: found `{OTHER}`, expected a role that matches one of"),
        "`TaskResources.Query.Read`: found `sales`, expected an ARN of partition `aws`".to_owned(),
        "`TaskResources.Query.Read`: found `arn:aws-cn:s3:::sales/*`, expected an ARN of partition `aws`".to_owned(),
        "`TaskResources.Query.Write`: found `7`, expected an ARN of partition `aws`".to_owned(),
        format!("`TaskResources.Each`: found `[\"arn:aws:s3:::sales/*\"]`, {form}"),
        format!("`TaskResources.Send`: found `{{\"Reads\":\"arn:aws:s3:::sales/*\"}}`, {form}"),
        "`TaskResources`: found `Gone`, expected the path of a task or of a distributed map".to_owned(),
    ] {
        assert!(reason.contains(&part), "{part}: {reason}");
    }
    let reason = refused(&undeclared(json!({ "TaskResources": [] }))).await;
    let expected = "`TaskResources`: found `[]`, expected an object with `{Read, Write, PassRoles}` for each state";
    assert!(reason.contains(expected), "{reason}");
}

/// A variable of IAM has no bucket that could be granted, and a key without its region or account has no service.
#[tokio::test(start_paused = true)]
async fn an_arn_with_a_variable_and_a_key_without_its_place_are_refused() {
    let variable = json!({ "Query": { "Write": "arn:aws:s3:::${aws:PrincipalTag/team}/*" } });
    let reason = refused(&undeclared(json!({ "TaskResources": variable }))).await;
    assert!(reason.contains("`TaskResources.Query.Write`") && reason.contains("without `$`"), "{reason}");
    for key in [
        "arn:aws:kms::111122223333:key/x",
        "arn:aws:kms:evil.com/:111122223333:key/x",
        "arn:aws:kms:us-east-1:1111:key/x",
        "arn:aws:kms:us-east-1:111122223333:key/",
        "arn:aws:kms:us-east-1:111122223333:key/${aws:username}",
        "arn:aws:kms:us-east-1:111122223333:alias/x",
    ] {
        let reason = refused(&asking(json!({ "Send": sending() }), json!({ "DataKeys": key }))).await;
        assert!(reason.contains("expected the ARN of a KMS key, not an alias"), "{key}: {reason}");
    }
}
