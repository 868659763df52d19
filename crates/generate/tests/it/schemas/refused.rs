//! Tests that the schemas refuse what the function refuses.

use serde_json::{Value, json};

use mlops_roles_core::resource::TYPES;

use super::{CATALOG, EXECUTION, ROLE, SETS, TARGET, WORKFLOW, both_refuse};

fn of_workflow() -> Vec<Value> {
    vec![
        json!({ "SageMakerExecutionRoleArns": null }),
        json!({ "SageMakerExecutionRoleArns": [] }),
        json!({ "SageMakerExecutionRoleArns": [ROLE, format!("{ROLE}*")] }),
        json!({ "SageMakerExecutionRole": { "DomainId": "d" } }),
        json!({ "SageMakerExecutionRoleArns": null, "SageMakerExecutionRole": { "SpaceName": "d" } }),
        json!({ "SageMakerExecutionRoleArns": null, "SageMakerExecutionRole": {} }),
        json!({ "SageMakerExecutionRoleArns": null, "SageMakerExecutionRole": { "DomainId": "d", "EndpointName": "e" } }),
        json!({ "Logging": true }),
        json!({ "Integrations": ["sns:publish"], "Logging": "on" }),
        json!({ "Integrations": ["sns:publish"], "Definition": {} }),
        json!({ "DefinitionS3Location": { "Bucket": "artifacts", "Key": "a", "Version": "1" }, "Definition": {} }),
        json!({ "DefinitionS3Location": { "Bucket": "artifacts", "Key": "a", "Version": "1" }, "Integrations": [] }),
        json!({ "DefinitionS3Location": { "Bucket": "artifacts" } }),
        json!({ "DefinitionS3Location": { "Bucket": "artifacts", "Key": "", "Version": "1" } }),
        json!({ "DefinitionS3Location": { "Bucket": "Artifacts", "Key": "a", "Version": "1" } }),
        json!({ "DefinitionS3Location": { "Bucket": "artifacts", "Key": "a", "Version": "1", "Region": "x" } }),
        json!({ "DefinitionS3Location": "s3://artifacts/a" }),
        json!({ "DefinitionSha256": "0".repeat(64) }),
        json!({
            "DefinitionS3Location": { "Bucket": "artifacts", "Key": "a", "Version": "1" },
            "DefinitionSha256": "0".repeat(63),
        }),
        json!({ "Integrations": "sns:publish" }),
        json!({ "Integrations": [{ "Parameters": {} }] }),
        json!({ "Integrations": ["sns:publish"], "ResourceOverrides": { "[0]": "topic" } }),
        json!({ "Integrations": ["sns:publish"], "KmsKeyArn": "alias/x" }),
        json!({ "StateMachineName": "churn*" }),
    ]
}

fn of_execution() -> Vec<Value> {
    vec![
        json!({ "Buckets": [{ "Name": "abc", "Access": "Delete" }] }),
        json!({ "Buckets": { "Name": "abc" } }),
        json!({ "Buckets": { "Name": "A_B", "Access": "Read" } }),
        json!({ "Buckets": { "Name": "abc", "Access": "Read", "Prefix": "/x" } }),
        json!({ "Buckets": { "Name": "abc", "Access": "Read", "Prefx": "x" } }),
        json!({ "Repositories": "Team:latest" }),
        json!({ "KmsKeys": "arn:aws:kms:us-east-1:123456789012:alias/x" }),
        json!({ "Subnets": "subnet-1" }),
        json!({ "Subnets": ["subnet-1"], "SecurityGroups": [] }),
        json!({ "Subnets": "net-1", "SecurityGroups": "sg-1" }),
        json!({ "Capabilities": ["Trainin"], "NamePrefix": "x" }),
        json!({ "Capabilities": "Training" }),
        json!({ "NamePrefix": "x" }),
        json!({ "SourceArn": "arn:aws:s3:::bucket" }),
        json!({ "Topics": "done" }),
        json!({ "Topics": ["arn:aws:sqs:us-east-1:123456789012:done"] }),
        json!({ "Topics": "arn:aws:sns:us-east-1:123456789012:*" }),
        json!({ "TrustedServices": "lambda.amazonaws.com" }),
        json!({ "TrustedServices": ["events.amazonaws.com", "*"] }),
        json!({ "TrustedServices": "sts:TagSession" }),
        json!({ "TrustedActions": ["sts:*"] }),
        json!({ "TrustedActions": "events.amazonaws.com" }),
        json!({ "LimitToSubnets": "yes" }),
        json!({ "Capabilities": "Athena", "NamePrefix": "churn", "GlueDatabases": "sales*" }),
    ]
}

fn of_target() -> Vec<Value> {
    vec![
        json!({ "NamePrefix": "a_b" }),
        json!({ "ResourcePrefix": "Upper" }),
        json!({ "ExecutionPolicy": "Full" }),
        json!({ "RoleNames": { "ExecutionRole": "" } }),
        json!({ "RoleNames": { "ExecutionRol": "Team" } }),
        json!({ "EnvName": "x" }),
    ]
}

fn of_sets() -> Vec<Value> {
    vec![
        json!({ "RoleSet": null }),
        json!({ "RoleSet": "DeployTarget" }),
        json!({ "EnvName": null }),
        json!({ "EnvName": "a b" }),
        json!({ "AdministratorAccountId": "123456789012" }),
        json!({ "CreateIamUserRoles": "No" }),
        json!({ "Fidelity": "Wide" }),
        json!({ "RoleNames": { "SCLaunchRole": "ds" } }),
        json!({ "RoleNames": { "SageMakerExecutionRole": "" } }),
        json!({ "RoleSet": "TargetAccount" }),
        json!({ "RoleSet": "SetupStackSetExecution", "AdministratorAccountId": "1" }),
    ]
}

fn of_catalog() -> Vec<Value> {
    vec![
        json!({ "Regions": null }),
        json!({ "Regions": [] }),
        json!({ "Regions": ["us-east-1", "Frankfurt"] }),
        json!({ "Roles": ["LaunchRole"] }),
        json!({ "Roles": [] }),
        json!({ "OnCreate": "Delet" }),
        json!({ "OnDelete": "Fail" }),
        json!({ "InUseWithinDays": 401 }),
        json!({ "DisablePortfolio": 1 }),
        json!({ "IfInUse": "Delete", "InUseWithinDays": 30 }),
        json!({ "Tags": [] }),
    ]
}

#[test]
fn what_the_function_refuses_is_refused() {
    for of in TYPES {
        both_refuse(of, &[json!({ "Revison": "1" }), json!({ "Zebra": {} })]);
    }
    for of in [WORKFLOW, EXECUTION, TARGET, SETS] {
        both_refuse(
            of,
            &[
                json!({ "AdoptExisting": "yes" }),
                json!({ "SettleSeconds": 121 }),
                json!({ "SettleSeconds": "soon" }),
                json!({ "SettleSeconds": [1] }),
                json!({ "AdoptFrom": "pipeline" }),
                json!({ "PermissionsBoundary": "" }),
                json!({ "Tags": { "a": "b" } }),
                json!({ "Tags": [{ "Key": "a" }] }),
                json!({ "Tags": [{ "Key": "a", "Value": "b", "Valeu": "c" }] }),
                json!({ "Tags": [{ "Key": "AWS:x", "Value": "1" }] }),
                json!({ "Tags": [{ "Key": "a;b", "Value": "1" }] }),
                json!({ "Tags": (0..48).map(|n| json!({ "Key": n, "Value": "" })).collect::<Vec<_>>() }),
            ],
        );
    }
    for of in [WORKFLOW, EXECUTION] {
        both_refuse(
            of,
            &[
                json!({ "RoleName": format!("Team{}", "x".repeat(61)) }),
                json!({ "PolicyName": "Team a" }),
                json!({ "Path": "team/" }),
                json!({ "Description": "“curly”" }),
                json!({ "MaxSessionDuration": 3_599 }),
                json!({ "MaxSessionDuration": "3600.5" }),
                json!({ "ManagedPolicyArns": ["arn:aws:iam::aws:policy/A", "ReadOnlyAccess"] }),
                json!({ "ManagedPolicyArns": "arn:aws:iam::aws:policy/*" }),
            ],
        );
    }
    both_refuse(WORKFLOW, &of_workflow());
    both_refuse(EXECUTION, &of_execution());
    both_refuse(TARGET, &of_target());
    both_refuse(SETS, &of_sets());
    both_refuse(CATALOG, &of_catalog());
}
