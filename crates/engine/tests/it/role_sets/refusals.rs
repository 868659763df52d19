//! Tests what is refused of a role set, and the warnings about a set that is created.

use serde_json::{Value, json};

use mlops_roles_testkit::account::{ACCOUNT, Books};
use mlops_roles_testkit::role_sets::{asking, environment, of_type, stage, target_account, wide};
use mlops_roles_testkit::stage::{STACK, create, delete, from_stack, guardrails, update};

use super::{DEPLOY_TARGET, TYPE};

#[tokio::test(start_paused = true)]
async fn a_trusted_principal_that_does_not_exist_is_named_and_nothing_is_left() {
    let stage = stage(Books::default());
    // A deployment in one account only, whose UseRole has been deleted.
    let asked = target_account(json!({ "AdministratorAccountId": ACCOUNT }));
    let reason = stage.send(&of_type(create(&asked), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("could not create role `ds-team-dev-SageMakerModelExecutionRole`"), "{reason}");
    assert!(
        reason.contains("arn:aws:iam::123456789012:role/service-role/AmazonSageMakerServiceCatalogProductsUseRole"),
        "{reason}"
    );
    assert!(reason.ends_with("; rolled back"), "{reason}");
    assert_eq!(stage.fake.books(), Books::default());

    let projects = asking(&json!({ "RoleSet": "ServiceCatalogProjects" }), json!({}));
    let mut event = of_type(create(&projects), TYPE);
    event["LogicalResourceId"] = json!("Projects");
    stage.send(&event).await.success();
    stage.send(&of_type(create(&asked), TYPE)).await.success();
}

#[tokio::test(start_paused = true)]
async fn a_second_region_of_the_account_is_told_who_has_the_names() {
    let stage = stage(Books::default());
    stage.send(&of_type(create(&environment(json!({}))), TYPE)).await.success();
    let books = stage.fake.books();
    let mut other = self::stage(books.clone());
    other.invocation.function_arn = format!("arn:aws:lambda:eu-west-1:{ACCOUNT}:function:mlops-roles");
    let stack = STACK.replace("us-east-1", "eu-west-1");
    let event = from_stack(of_type(create(&environment(json!({}))), TYPE), &stack);
    let event = serde_json::from_str(&event.to_string().replace("useast1", "euwest1")).unwrap();
    let response = other.send(&event).await.failure();
    assert!(
        response.reason().contains(
            "role `ds-team-dev-SageMakerExecutionRole` belongs to a stack in us-east-1; IAM names are global to the \
             account, so only one region can use these names; choose other names, or deploy only in us-east-1"
        ),
        "{}",
        response.reason()
    );
    let mut delete = from_stack(of_type(delete(response.id(), &environment(json!({}))), TYPE), &stack);
    delete["ResponseURL"] = event["ResponseURL"].clone();
    other.send(&delete).await.success();
    assert_eq!(other.fake.books(), books, "nothing of the first region was touched");
}

/// Properties with mistakes, each with parts of the reason.
fn mistakes() -> Vec<(Value, Vec<&'static str>)> {
    vec![
        (
            target_account(json!({
                "AdministratorAccountId": 12_345,
                "EnvName": "ds-team-with-a-very-long-name-x",
                "EnvType": "production-and-a-bit-more",
                "ModelS3KmsKeyArn": "alias/key",
                "ModelBucketName": "*",
                "PipelineExecutionRoleArn": "UseRole",
                "RoleNames": { "StackSetExecutonRole": "ds-team-x" },
                "PermissionsBoundary": "arn:aws:iam::123456789012:policy/Absent",
                "Fidelity": "Wide",
                "CreateIamUserRoles": "YES",
            })),
            vec![
                "10 validation errors",
                "`AdministratorAccountId`: found `12345`, expected an account id of 12 digits",
                "`EnvName`, `EnvType`: the name of `SageMakerModelExecutionRole` would be",
                "IAM allows 64",
                "`ModelS3KmsKeyArn`: found `alias/key`",
                "`ModelBucketName`: found `*`",
                "`PipelineExecutionRoleArn`: found `UseRole`",
                "`RoleNames.StackSetExecutonRole`: the role set has no such role, did you mean `StackSetExecutionRole`?",
                "`PermissionsBoundary`: policy `arn:aws:iam::123456789012:policy/Absent` does not exist",
                "`Fidelity`: found `Wide`, expected one of `Narrowed`, `AsPublished`",
                "`CreateIamUserRoles`: no such property",
            ],
        ),
        (
            asking(&json!({ "RoleSet": "TargetAccount" }), json!({ "RoleNames": ["x"] })),
            vec![
                "`EnvName`: missing",
                "`AdministratorAccountId`: missing",
                "`ModelS3KmsKeyArn`: missing",
                "`ModelBucketName`: missing",
                "`RoleNames`: found",
            ],
        ),
        (json!({ "RoleSet": "Environments" }), vec!["`RoleSet`: found `Environments`, expected one of `CoreShared`"]),
        (json!({}), vec!["`RoleSet`: missing, expected one of `CoreShared`, `Environment`"]),
        (
            environment(
                json!({ "EnvName": "other", "RoleNames": { "VPCFlowLogsRole": "ds team", "SetupLambdaExecutionRole": {} } }),
            ),
            vec![
                "`other-dev-SageMakerExecutionPolicy`",
                "names that begin with one of `AmazonSageMaker`, `ds-team`",
                "`RoleNames.VPCFlowLogsRole`: found `ds team`, expected 1 to 64 letters",
                "`RoleNames.SetupLambdaExecutionRole`: found `{}`, expected the name of a role, or empty text",
            ],
        ),
        (
            environment(
                json!({ "RoleNames": { "VPCFlowLogsRole": "ds-team-x", "SageMakerExecutionRole": "DS-team-x" } }),
            ),
            vec!["`RoleNames.VPCFlowLogsRole`: another role of the role set has the name `ds-team-x`"],
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn all_mistakes_come_at_once_and_nothing_is_written() {
    let stage = stage(Books::default());
    for (asked, expected) in mistakes() {
        let response = stage.send(&of_type(create(&asked), TYPE)).await.failure();
        for part in expected {
            assert!(response.reason().contains(part), "no `{part}` in {}", response.reason());
        }
        assert!(!response.id().is_empty());
        stage.send(&of_type(delete(response.id(), &asked), TYPE)).await.success();
    }
    let wrote = |call: &String| !["Get", "List", "Describe"].iter().any(|verb| call.starts_with(verb));
    assert_eq!(stage.fake.calls().into_iter().filter(wrote).collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_the_deployer_does_not_admit_is_refused() {
    let asked = asking(&json!({ "RoleSet": "ServiceCatalogProjects" }), json!({}));
    let mut stage = stage(Books::default());
    stage.handler.guardrails = Ok(guardrails());
    let reason = stage.send(&of_type(create(&asked), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("the role set has roles at path `/service-role/`, expected one of `/`"), "{reason}");
    let asked = json!({ "ExecutionPolicy": "AmazonSageMakerFullAccess" });
    let mut narrow = wide();
    narrow.managed_policies.clear();
    stage.handler.guardrails = Ok(narrow);
    let reason = stage.send(&of_type(create(&asked), DEPLOY_TARGET)).await.failure().reason().to_owned();
    assert!(reason.contains("is not in the deployer's `AllowedManagedPolicyArns`"), "{reason}");
    let asked = json!({ "NamePrefix": "bridge-Upper" });
    let reason = stage.send(&of_type(create(&asked), DEPLOY_TARGET)).await.failure().reason().to_owned();
    assert!(reason.starts_with("`ModelBucketName`: missing, and the default is `bridge-Upper-models-"), "{reason}");
    assert!(stage.fake.books().roles.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_set_whose_prefix_was_taken_away_is_not_forgotten() {
    let asked = environment(json!({}));
    let mut stage = stage(Books::default());
    let made = stage.send(&of_type(create(&asked), TYPE)).await.success();
    stage.handler.guardrails = Ok(guardrails());
    let reason = stage.send(&of_type(delete(made.id(), &asked), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("outside the deployer's `RoleNamePrefixes`"), "{reason}");
    let new = environment(json!({ "EnvName": "Team" }));
    let reason = stage.send(&of_type(update(made.id(), &new, &asked), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("which the function can't delete: these names are outside"), "{reason}");
    assert_eq!(stage.fake.books().roles.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_the_boundary_denies_is_told() {
    let stage = stage(Books::default());
    let shared = asking(&json!({ "RoleSet": "CoreShared" }), json!({}));
    let data = &stage.send(&of_type(create(&shared), TYPE)).await.success().0["Data"];
    let beyond = data["BeyondBoundary"].as_str().unwrap();
    assert!(beyond.contains("iam:CreateRole") && beyond.contains("iam:PassRole"), "{beyond}");
    let environment = environment(json!({}));
    let mut event = of_type(create(&environment), TYPE);
    event["LogicalResourceId"] = json!("Environment");
    let data = &stage.send(&event).await.success().0["Data"];
    // The role may pass its own execution role, because of that role's name. The boundary does not allow it to assume
    // roles of other accounts.
    assert_eq!(
        data["BeyondBoundary"],
        "iam:GetRole, organizations:DescribeOrganizationalUnit, organizations:List*, sts:AssumeRole"
    );
}

#[tokio::test(start_paused = true)]
async fn only_what_is_made_counts_as_writing_to_iam() {
    let published = |names: Value| {
        asking(&json!({ "RoleSet": "CoreShared", "Fidelity": "AsPublished", "RoleNames": names }), json!({}))
    };
    let stage = stage(Books::default());
    let reason = stage.send(&of_type(create(&published(json!({}))), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("`AllowPublishedIamWrites`"), "{reason}");
    let without = published(json!({ "SCLaunchRole": "" }));
    stage.send(&of_type(create(&without), TYPE)).await.success();
}

#[tokio::test(start_paused = true)]
async fn a_set_tells_what_it_leaves_out_where_no_managed_policy_is_allowed() {
    let asked = |names: Value| asking(&json!({ "RoleSet": "CoreShared", "RoleNames": names }), json!({}));
    let mut stage = stage(Books::default());
    let made = stage.send(&of_type(create(&asked(json!({}))), TYPE)).await.success();
    assert_eq!(made.0["Data"]["Warnings"], "");
    stage.handler.guardrails.as_mut().unwrap().managed_policies.clear();
    let event = update(made.id(), &asked(json!({})), &asked(json!({})));
    let told = stage.send(&of_type(event, TYPE)).await.success();
    assert_eq!(
        told.0["Data"]["Warnings"],
        "`SCLaunchRole` can't attach policies to roles, because the deployer's `AllowedManagedPolicyArns` is empty"
    );
    let without = asked(json!({ "SCLaunchRole": "" }));
    let told = stage.send(&of_type(update(made.id(), &without, &asked(json!({}))), TYPE)).await.success();
    assert_eq!(told.0["Data"]["Warnings"], "");
}
