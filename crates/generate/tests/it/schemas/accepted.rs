//! Tests that the schemas accept what the function accepts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use mlops_roles_core::resource::TYPES;
use mlops_roles_core::resource::execution_role::{trusted_actions, trusted_services};
use mlops_roles_core::resource::properties::ValidationErrors;

use super::{CATALOG, EXECUTION, KEY, ROLE, SETS, TARGET, WORKFLOW, both_take, errors, known, reading, schema, with};

#[test]
fn what_works_for_an_execution_role_is_taken() {
    let bucket = json!({ "Name": "my-data.1", "Prefix": "a b/", "Access": "ReadWrite" });
    both_take(
        EXECUTION,
        &[
            json!({ "Buckets": bucket }),
            json!({ "Buckets": [bucket, { "Name": "abc", "Access": "Read" }] }),
            json!({ "Repositories": ["team/image", "arn:aws:ecr:eu-west-1:999999999999:repository/x_1"], "KmsKeys": KEY }),
            json!({ "Subnets": "subnet-1A", "SecurityGroups": ["sg-0"] }),
            json!({ "Subnets": [], "Capabilities": [] }),
            json!({ "Capabilities": "Training", "NamePrefix": "churn" }),
            json!({ "Capabilities": ["Training", "Hosting"], "NamePrefix": 7, "PassSelf": "true" }),
            json!({ "SourceArn": "arn:aws:sagemaker:us-east-1:123456789012:*", "VerifyAccess": true }),
            json!({ "Topics": "arn:aws:sns:us-east-1:123456789012:done" }),
            json!({ "Topics": ["arn:aws:sns:eu-west-1:999999999999:done_1-x"], "TrustedServices": [], "TrustedActions": [] }),
            json!({ "TrustedServices": trusted_services().collect::<Vec<_>>(), "TrustedActions": "sts:TagSession" }),
            json!({ "TrustedServices": "events.amazonaws.com", "TrustedActions": trusted_actions().collect::<Vec<_>>() }),
            json!({ "Subnets": "subnet-1A", "SecurityGroups": "sg-0", "LimitToSubnets": "true" }),
            json!({ "LimitToSubnets": false }),
            json!({ "Capabilities": ["Athena", "GlueTables"], "NamePrefix": "churn", "GlueDatabases": ["sales", "raw_1"] }),
        ],
    );
}

fn of_workflow() -> Vec<Value> {
    let machine = json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } });
    let task = json!({ "Resource": "sns:publish", "Parameters": { "TopicArn": "${Topic}", "Message": "" } });
    let topic = "arn:aws:sns:us-east-1:123456789012:a";
    let no_arns = |changes: Value| {
        let mut all = json!({ "SageMakerExecutionRoleArns": null });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        all
    };
    vec![
        json!({ "SageMakerExecutionRoleArns": [ROLE, "arn:aws:iam::123456789012:role/a/b/C"] }),
        no_arns(json!({ "SageMakerExecutionRole": { "DomainId": "d-1" } })),
        no_arns(json!({ "SageMakerExecutionRole": { "DomainId": "d-1", "SpaceName": "s" } })),
        json!({ "SageMakerExecutionRoleArns": [], "SageMakerExecutionRole": { "RoleNamePrefix": "x" } }),
        no_arns(json!({ "Definition": machine, "Logging": true, "Tracing": "false", "KmsKeyArn": KEY })),
        json!({ "Definition": machine.to_string(), "DefinitionSubstitutions": { "a": "", "b": 1, "c": true } }),
        no_arns(json!({ "DefinitionS3Location": { "Bucket": "artifacts", "Key": "a/b.json", "Version": "1" } })),
        no_arns(json!({
            "DefinitionS3Location": { "Bucket": "artifacts", "Key": "a" },
            "DefinitionSha256": "0aF".repeat(21) + "0",
            "Logging": true,
        })),
        no_arns(json!({ "Integrations": ["sns:publish", task], "VerifyPermissions": "true" })),
        no_arns(json!({ "Integrations": ["sns:publish"], "ResourceOverrides": { "[0]": topic } })),
        no_arns(json!({ "Integrations": ["sns:publish"], "ResourceOverrides": { "[0]": [topic] } })),
        json!({ "SageMakerExecutionRoleArns": [], "Integrations": [] }),
        json!({ "StateMachineName": "a_b-c.d" }),
        json!({ "StateMachineName": 7 }),
    ]
}

fn of_target() -> Vec<Value> {
    vec![
        json!({ "NamePrefix": "bridge", "ModelBucketName": "models", "ResourcePrefix": "x-" }),
        json!({ "ExecutionPolicy": "AmazonSageMakerFullAccess", "Fidelity": "AsPublished" }),
        json!({ "ImageRepositoryArn": "arn:aws:ecr:us-east-1:123456789012:repository/A/b" }),
        json!({ "RoleNames": { "ExecutionRole": "Team-x" } }),
        json!({ "RoleNames": {} }),
    ]
}

fn of_sets() -> Vec<Value> {
    let account = json!({
        "RoleSet": "TargetAccount", "AdministratorAccountId": "012345678901", "AdministratorEnvName": "ds-team",
    });
    let in_target = |more: Value| {
        let mut all = account.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    vec![
        json!({ "EnvType": 1, "CreateIamUserRoles": "NO", "CreateVPCFlowLogsRole": true }),
        json!({ "CreateIamUserRoles": false, "RoleNames": { "DataScientistRole": "" } }),
        json!({ "RoleSet": "CoreShared", "EnvName": null, "RoleNames": { "SCLaunchRole": "", "DataScienceAdministratorRole": "DS" } }),
        json!({ "RoleSet": "ServiceCatalogProjects", "EnvName": null }),
        in_target(json!({ "ModelS3KmsKeyArn": "*", "ModelBucketName": "env-*" })),
        in_target(json!({ "ModelS3KmsKeyArn": KEY, "ModelBucketName": "abc", "PipelineExecutionRoleArn": ROLE })),
        json!({
            "RoleSet": "SetupStackSetExecution", "AdministratorAccountId": 123_456_789_012_u64,
            "StackSetAdministrationRoleName": "Deployer",
        }),
        json!({ "SetupStackSetExecutionRoleName": "x" }),
    ]
}

fn of_catalog() -> Vec<Value> {
    vec![
        json!({ "Regions": ["us-east-1", " eu-west-1"], "Roles": "All", "OnCreate": "Provision" }),
        json!({ "Regions": null, "OnCreate": "Keep", "OnDelete": "Keep" }),
        json!({ "Regions": null, "OnDelete": "Keep" }),
        json!({ "Roles": ["LaunchAndUse"], "DisablePortfolio": "true" }),
        json!({ "Roles": ["AmazonSageMakerServiceCatalogProductsGlueRole"], "OnCreate": "Delete" }),
        json!({ "IfInUse": "Delete", "InUseWithinDays": 0 }),
        json!({ "IfInUse": "Keep", "InUseWithinDays": "400" }),
    ]
}

#[test]
fn what_works_is_taken() {
    let every_type = json!({ "ServiceTimeout": "1200", "Revision": 7 });
    let tags = json!({
        "Tags": [{ "Key": "team", "Value": 7 }, { "Key": "größe", "Value": "" }], "AdoptExisting": "true",
        "SettleSeconds": "120", "AdoptFrom": "arn:aws:cloudformation:us-east-1:123456789012:stack/a/b",
    });
    let of_roles = json!({
        "RoleName": "Team-1", "PolicyName": "Team=a,b@c", "PassRolePolicyName": "x", "Path": "/team/",
        "Description": "1 Ärger\n", "MaxSessionDuration": "3600", "ManagedPolicyArns": ["arn:aws:iam::aws:policy/a/B"],
    });
    for of in TYPES {
        both_take(of, &[json!({}), every_type.clone()]);
    }
    for of in [WORKFLOW, EXECUTION, TARGET, SETS] {
        both_take(of, &[tags.clone(), json!({ "AdoptExisting": false, "SettleSeconds": 0, "Tags": [] })]);
    }
    for of in [WORKFLOW, EXECUTION] {
        let one = json!({ "ManagedPolicyArns": "arn:aws:iam::123456789012:policy/B", "MaxSessionDuration": 43_200 });
        both_take(of, &[of_roles.clone(), one, json!({ "ManagedPolicyArns": [], "Path": "/", "Description": "" })]);
    }
    both_take(WORKFLOW, &of_workflow());
    both_take(TARGET, &of_target());
    both_take(SETS, &of_sets());
    both_take(CATALOG, &of_catalog());
}

/// What stands in one property or another, and what stands in none.
const ANYTHING: &str = r#"[
    true, false, 0, 1, 120, 3600, -1, 7.5, {}, [], [[]], "", "true", "+3600", "007", "1", "a", "*", "a b", "A/b", "x.y", "é",
    "\n", "/", "/team/", "YES", "NO", "Keep", "Delete", "All", "Environment", " us-gov-west-1 ", "us-east-1", "Team", "DS",
    ".-.", "123456789012", "subnet-a", "sg-a", "sns:publish", "arn:aws:iam::aws:policy/x/y",
    "arn:aws:iam::123456789012:role/SageMaker", "arn:aws:kms:us-east-1:123456789012:key/1a-2b",
    { "DomainId": "a" }, { "A": "arn:aws:s3:::b" }, { "Name": "1.2.3", "Access": "Read" }, { "SCLaunchRole": "ds" },
    { "Key": "ü ", "Value": "\t" }, { "Key": 1, "Value": true }, { "Resource": "sns:publish" }
]"#;

/// Each property with everything: a schema that refuses what works is worse than none.
#[test]
fn nothing_that_works_is_refused() {
    let values: Vec<Value> = serde_json::from_str(ANYTHING).unwrap();
    let listed: Vec<Value> = values.iter().map(|value| json!([value])).collect();
    let mut taken = 0;
    for of in TYPES {
        let schema = schema(of);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let sets = schema.pointer("/properties/RoleSet/enum").cloned().unwrap_or(json!([null]));
        let mut seen: BTreeSet<String> = ["ServiceToken", "ServiceTimeout", "RoleSet"].map(str::to_owned).into();
        for set in sets.as_array().unwrap() {
            let known = known(of, &json!({ "RoleSet": set }));
            let fresh = known.into_iter().filter(|name| name == "RoleNames" || seen.insert(name.clone()));
            let each = |name: String| values.iter().chain(&listed).map(move |value| (name.clone(), value));
            for (name, value) in fresh.flat_map(each) {
                let mut properties = with(of, &json!({ "RoleSet": set, name.as_str(): value }));
                if of == EXECUTION && name == "NamePrefix" {
                    properties.insert("Capabilities".to_owned(), json!("Training"));
                }
                if reading(of, &properties).1 == ValidationErrors::default() {
                    let refused = errors(&validator, &properties.into());
                    assert!(refused.is_empty(), "{of}, {set}: {name}: {value}: {refused:?}");
                    taken += 1;
                }
            }
        }
    }
    assert!(taken > 500, "{taken}");
}
