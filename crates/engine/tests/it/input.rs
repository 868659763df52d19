//! Tests invalid properties: one reason names all errors, and nothing is created.

use serde_json::{Value, json};

use mlops_roles_testkit::account::{Books, Fake};
use mlops_roles_testkit::stage::{Stage, create, delete, with};

/// Asserts the whole reason for `properties()` with these changes.
async fn check(changes: Value, reason: &str) {
    let stage = Stage::new(Fake::new());
    let properties = with(changes.clone());
    let response = stage.send(&create(&properties)).await.failure();
    assert_eq!(response.reason(), reason, "{changes}");
    assert_eq!(stage.fake.calls(), Vec::<String>::new(), "bad input is told before any call");
    stage.send(&delete(response.id(), &properties)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

/// Asserts that the reason has this part.
async fn refuses(changes: Value, part: &str) {
    let stage = Stage::new(Fake::new());
    let response = stage.send(&create(&with(changes.clone()))).await.failure();
    assert!(response.reason().contains(part), "{changes}: {}", response.reason());
    assert_eq!(stage.fake.calls(), Vec::<String>::new());
}

async fn accepts(changes: Value) {
    let stage = Stage::new(Fake::new());
    let properties = with(changes);
    let response = stage.send(&create(&properties)).await.success();
    stage.send(&delete(response.id(), &properties)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn all_mistakes_come_at_once_by_path() {
    check(
        json!({
            "RolName": "x",
            "MaxSessionDuration": "soon",
            "SettleSeconds": "121",
            "SageMakerExecutionRoleArns": ["arn:aws:iam::123456789012:role/SageMakerOk", { "a": 1 }],
            "AdoptExisting": "yes",
            "Zebra": "1",
        }),
        "6 validation errors; (1) `MaxSessionDuration`: found `soon`, expected a whole number of seconds from 3600 to 43200; \
         (2) `SageMakerExecutionRoleArns[1]`: found `{\"a\":1}`, expected text that is not empty; \
         (3) `AdoptExisting`: found `yes`, expected `true` or `false`; \
         (4) `SettleSeconds`: found `121`, expected a whole number of seconds from 0 to 120; \
         (5) `RolName`: no such property, did you mean `RoleName`?; \
         (6) `Zebra`: no such property; the properties are `AdoptExisting`, `AdoptFrom`, `DataKeys`, `Definition`, \
         `DefinitionS3Location`, `DefinitionSha256`, `DefinitionSubstitutions`, `Description`, `Integrations`, `KmsKeyArn`, `Logging`, `ManagedPolicyArns`, \
         `MaxSessionDuration`, `PassRolePolicyName`, `Path`, `PermissionsBoundary`, `PolicyName`, `ResourceOverrides`, \
         `Revision`, `RoleName`, `SageMakerExecutionRole`, `SageMakerExecutionRoleArns`, `ServiceTimeout`, `ServiceToken`, `SettleSeconds`, \
         `StateMachineName`, `Tags`, `TaskActions`, `TaskResources`, `Tracing`, `VerifyPermissions`",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_required_property_is_asked_for() {
    for absent in [json!(null), json!([])] {
        check(
            json!({ "SageMakerExecutionRoleArns": absent }),
            "`SageMakerExecutionRoleArns`: missing, expected one ARN or a list of the roles that the workflow passes \
             to SageMaker (not needed with `SageMakerExecutionRole`, `Definition`, `DefinitionS3Location` or \
             `Integrations`)",
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn passed_roles_are_literal_ours_and_inside_the_guardrails() {
    for (arn, part) in [
        ("*", "the ARN of one role, without `*`"),
        ("arn:aws:iam::123456789012:role/SageMaker*", "the ARN of one role, without `*`"),
        ("arn:aws:iam::999999999999:role/SageMaker", "a role of account 123456789012"),
        ("arn:aws-cn:iam::123456789012:role/SageMaker", "the ARN of a role"),
        ("arn:aws:iam::123456789012:user/SageMaker", "the ARN of a role"),
        ("SageMaker", "the ARN of a role"),
        ("arn:aws:iam::123456789012:role/Admin", "`PassableRoleArns`"),
        ("arn:aws:iam::123456789012:role/AmazonSageMaker-Churn", "a role other than the workflow role itself"),
    ] {
        refuses(json!({ "SageMakerExecutionRoleArns": arn }), part).await;
        refuses(json!({ "SageMakerExecutionRoleArns": ["arn:aws:iam::123456789012:role/SageMaker", arn] }), "[1]`")
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_guardrail_is_named_with_the_deployers_parameter() {
    for (changes, part) in [
        (json!({ "RoleName": "Other" }), "`RoleNamePrefixes`"),
        (json!({ "PolicyName": "Other" }), "`RoleNamePrefixes`"),
        (json!({ "Path": "/other/" }), "`RolePaths`"),
        (json!({ "PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess" }), "`PermissionsBoundaryArn`"),
        (json!({ "ManagedPolicyArns": "arn:aws:iam::aws:policy/AdministratorAccess" }), "`AllowedManagedPolicyArns`"),
        (json!({ "ManagedPolicyArns": ["arn:aws:iam::999999999999:policy/X"] }), "the ARN of a managed policy"),
    ] {
        refuses(changes, part).await;
    }
}

#[tokio::test(start_paused = true)]
async fn names_and_texts_keep_iams_rules() {
    for (changes, part) in [
        (json!({ "RoleName": format!("AmazonSageMaker{}", "x".repeat(50)) }), "1 to 64"),
        (json!({ "RoleName": "AmazonSageMaker/../x" }), "1 to 64"),
        (json!({ "RoleName": "AmazonSageMaker*" }), "1 to 64"),
        (json!({ "RoleName": "" }), "not empty"),
        (json!({ "PolicyName": format!("AmazonSageMaker{}", "x".repeat(114)) }), "1 to 128"),
        (json!({ "PassRolePolicyName": "a b" }), "1 to 128"),
        (json!({ "Path": "team" }), "begins and ends with `/`"),
        (json!({ "Path": format!("/{}/", "x".repeat(512)) }), "at most 512"),
        (json!({ "Description": "“curly”" }), "Latin-1"),
        (json!({ "Description": "x".repeat(1_001) }), "1,000"),
        (json!({ "MaxSessionDuration": 3_599 }), "3600 to 43200"),
        (json!({ "MaxSessionDuration": "43201" }), "3600 to 43200"),
        (json!({ "MaxSessionDuration": "3600.5" }), "3600 to 43200"),
        (json!({ "SettleSeconds": -1 }), "0 to 120"),
        (json!({ "StateMachineName": "churn*" }), "wildcards"),
        (json!({ "StateMachineName": "x".repeat(81) }), "at most 80"),
        (json!({ "StateMachineName": "${aws:username}" }), "wildcards"),
        (json!({ "AdoptFrom": "arn:aws:cloudformation:eu-west-1:123456789012:stack/a/b" }), "account and region"),
        (json!({ "AdoptFrom": "pipeline" }), "the id of a stack of this account and region"),
        (json!({ "Tags": { "a": "b" } }), "a list of `{Key, Value}`"),
        (json!({ "Tags": [{ "Key": "a" }] }), "`{Key, Value}`, both text"),
        (json!({ "Tags": [{ "Key": "a", "Value": "1" }, { "Key": "A", "Value": "2" }] }), "no other tag has"),
        (json!({ "Tags": [{ "Key": "aws:x", "Value": "1" }] }), "does not begin with `aws:`"),
        (json!({ "Tags": [{ "Key": "Mlops-Roles:stack-id", "Value": "1" }] }), "is not an ownership tag"),
        (json!({ "Tags": [{ "Key": "a", "Value": "x".repeat(257) }] }), "at most 256"),
        (json!({ "Tags": [{ "Key": "a;b", "Value": "x" }] }), "1 to 128"),
        (
            json!({ "ManagedPolicyArns": (0..20).map(|n| format!("arn:aws:iam::aws:policy/Amazon{n}")).collect::<Vec<_>>() }),
            "IAM allows at most 20",
        ),
    ] {
        refuses(changes, part).await;
    }
    let tags = |n: usize| (0..n).map(|n| json!({ "Key": format!("k{n}"), "Value": "" })).collect::<Vec<_>>();
    refuses(json!({ "Tags": tags(48) }), "at most 47").await;
    accepts(json!({ "Tags": tags(47) })).await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_would_not_fit_is_told_with_its_size() {
    let arns =
        |n: usize| (0..n).map(|n| format!("arn:aws:iam::123456789012:role/SageMaker{n:050}")).collect::<Vec<_>>();
    refuses(json!({ "SageMakerExecutionRoleArns": arns(120) }), "characters, and IAM allows 10240").await;
    accepts(json!({ "SageMakerExecutionRoleArns": arns(90) })).await;
}

#[tokio::test(start_paused = true)]
async fn scalars_may_be_text_or_not_and_cloudformations_own_names_are_known() {
    accepts(json!({
        "MaxSessionDuration": 43_200,
        "SettleSeconds": "120",
        "AdoptExisting": false,
        "ServiceTimeout": "1200",
        "Revision": 7,
        "Description": "",
        "RoleName": null,
    }))
    .await;
    accepts(json!({ "AdoptExisting": "true", "MaxSessionDuration": "3600", "StateMachineName": "a_b-c.d" })).await;
}

#[tokio::test(start_paused = true)]
async fn long_input_is_shown_short() {
    let stage = Stage::new(Fake::new());
    let response = stage.send(&create(&with(json!({ "RoleName": "漢".repeat(5_000) })))).await.failure();
    assert!(
        response.reason().contains("… (5000 characters)") || response.reason().contains("…` (5000 characters)"),
        "{}",
        response.reason()
    );
}

#[tokio::test(start_paused = true)]
async fn a_definition_is_what_step_functions_takes_and_asks_for_apis() {
    let none = json!(null);
    let substituted = |times: usize| {
        json!({
            "SageMakerExecutionRoleArns": none,
            "Definition": format!("{{\"Comment\": \"{}\"}}", "${x}".repeat(times)),
            "DefinitionSubstitutions": { "x": "y".repeat(20_000) },
        })
    };
    refuses(substituted(60), "has more than 1048576 bytes with its substitutions").await;
    refuses(substituted(50), "`States`: found no object").await;
    for integration in ["aws-sdk:iam:passRole", "aws-sdk:sagemaker:PassRole", "aws-sdk:s3:*"] {
        refuses(json!({ "SageMakerExecutionRoleArns": none, "Integrations": [integration] }), "is not an API").await;
    }
}
