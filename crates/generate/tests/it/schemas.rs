//! The schemas in `schemas/` against the function's own reading: neither takes what the other refuses, but for what only
//! the deployer, the account or other properties decide. That the files are what the types say, `make check` asks the
//! binary `schema`.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource;
use mlops_roles_core::resource::TYPES;
use mlops_roles_core::resource::execution_role::{trusted_actions, trusted_services};
use mlops_roles_core::resource::properties::{Reader, ValidationErrors};
use mlops_roles_core::resource::service_catalog::ServiceCatalogRoles;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::ownership::Owner;

const WORKFLOW: &str = "Custom::StepFunctionsWorkflowRole";
const EXECUTION: &str = "Custom::SageMakerExecutionRole";
const TARGET: &str = "Custom::SageMakerDeployTarget";
const SETS: &str = "Custom::SageMakerMlopsRoles";
const CATALOG: &str = "Custom::SageMakerServiceCatalogRoles";
const ROLE: &str = "arn:aws:iam::123456789012:role/SageMaker";
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1a-2b";

fn schema(of: &str) -> Value {
    let path = format!("{}/../../schemas/{}.json", env!("CARGO_MANIFEST_DIR"), of.trim_start_matches("Custom::"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

/// A deployer who lets everything.
fn guardrails() -> Guardrails {
    let trust = trusted_services().chain(trusted_actions()).collect::<Vec<_>>().join(",");
    let variables = BTreeMap::from([
        ("ROLE_NAME_PREFIXES", "Team,AmazonSageMaker,DataScience,ds,DS,bridge,env,1"),
        ("ROLE_PATHS", "/,/team/,/service-role/"),
        ("PERMISSIONS_BOUNDARY_ARN", "arn:aws:iam::123456789012:policy/Boundary"),
        ("PASSABLE_ROLE_ARNS", "*"),
        ("ALLOWED_MANAGED_POLICY_ARNS", "*"),
        ("ALLOWED_TRUST", trust.as_str()),
        ("ALLOW_ADOPTION", "true"),
        ("ALLOW_PUBLISHED_IAM_WRITES", "true"),
        ("DEFINITION_LOCATIONS", "*"),
    ]);
    Guardrails::from_environment(|name| variables.get(name).map(|text| (*text).to_owned())).unwrap()
}

/// What the function makes of the properties.
fn reading(of: &str, properties: &Map<String, Value>) -> (ResourceSpec, ValidationErrors) {
    let stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/pipeline/7c1d";
    let (place, guardrails) = (Place::from_arn(stack).unwrap(), guardrails());
    let owner = Owner { stack_id: stack.to_owned(), logical_id: "Role".to_owned() };
    let context = ReadContext { place: &place, guardrails: &guardrails, owner: &owner, existing: None, found: None };
    resource::parse(of, properties, context).unwrap_or_else(|| {
        let reader = Reader::new(properties);
        ServiceCatalogRoles::parse(&reader, context);
        (ResourceSpec::default(), reader.finish())
    })
}

/// Properties that nothing is wrong with, and these changes. A null takes one away.
fn with(of: &str, changes: &Value) -> Map<String, Value> {
    let mut properties = match of {
        WORKFLOW => json!({ "SageMakerExecutionRoleArns": ROLE }),
        SETS => json!({ "RoleSet": "Environment", "EnvName": "ds-team" }),
        CATALOG => json!({ "Regions": "us-east-1" }),
        _ => json!({}),
    };
    properties["ServiceToken"] = json!("arn:aws:lambda:us-east-1:123456789012:function:mlops-roles");
    let mut properties = properties.as_object().unwrap().clone();
    properties.extend(changes.as_object().unwrap().clone());
    properties.retain(|_, value| !value.is_null());
    properties
}

fn both_take(of: &str, changes: &[Value]) {
    let validator = jsonschema::validator_for(&schema(of)).unwrap();
    for changes in changes {
        let properties = with(of, changes);
        assert_eq!(reading(of, &properties).1, ValidationErrors::default(), "{of}: {changes}");
        let refused: Vec<String> = errors(&validator, &properties.into());
        assert!(refused.is_empty(), "{of}: {changes}: {refused:?}");
    }
}

fn both_refuse(of: &str, changes: &[Value]) {
    let validator = jsonschema::validator_for(&schema(of)).unwrap();
    for changes in changes {
        let properties = with(of, changes);
        assert_ne!(reading(of, &properties).1, ValidationErrors::default(), "{of}: {changes}");
        assert!(!validator.is_valid(&properties.into()), "{of}: {changes}");
    }
}

fn errors(validator: &Validator, properties: &Value) -> Vec<String> {
    validator.iter_errors(properties).map(|error| error.to_string()).collect()
}

/// The names that the function knows, as the reason tells them.
fn known(of: &str, changes: &Value) -> BTreeSet<String> {
    let mut properties = with(of, changes);
    properties.insert("%%%".to_owned(), json!(1));
    let errors = reading(of, &properties).1.errors;
    let told = errors.iter().find_map(|mistake| mistake.split_once("the properties are ")).unwrap().1;
    told.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()
}

fn names(members: &Value) -> BTreeSet<String> {
    members.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_properties_are_those_that_the_function_knows() {
    for of in TYPES.into_iter().filter(|of| *of != SETS) {
        assert_eq!(names(&schema(of)["properties"]), known(of, &json!({})), "{of}");
    }
    let schema = schema(SETS);
    let mut of_all = BTreeSet::new();
    let sets = schema["properties"]["RoleSet"]["enum"].as_array().unwrap();
    assert_eq!(schema["allOf"].as_array().unwrap().len(), sets.len());
    for (set, rule) in sets.iter().zip(schema["allOf"].as_array().unwrap()) {
        assert_eq!(rule["if"]["properties"]["RoleSet"]["const"], *set);
        let known = known(SETS, &json!({ "RoleSet": set }));
        assert_eq!(names(&rule["then"]["properties"]), known, "{set}");
        of_all.extend(known);
    }
    assert_eq!(names(&schema["properties"]), of_all);
}

#[test]
fn the_attributes_are_those_that_the_function_gives() {
    for of in TYPES.into_iter().filter(|of| *of != CATALOG) {
        let schema = schema(of);
        let sets = schema.pointer("/properties/RoleSet/enum").cloned().unwrap_or(json!([null]));
        let given: BTreeSet<String> = sets
            .as_array()
            .unwrap()
            .iter()
            .map(|set| reading(of, &with(of, &json!({ "RoleSet": set }))).0)
            .flat_map(|spec| spec.attributes.into_keys().chain(spec.role_ids.into_keys().map(str::to_owned)))
            .collect();
        assert_eq!(names(&schema["x-attributes"]), given, "{of}");
    }
}

/// Whether the text is made of sentences. Editors show it, so a link would lead nowhere.
fn is_prose(text: &Value) -> bool {
    text.as_str()
        .is_some_and(|text| text.starts_with(char::is_uppercase) && text.ends_with('.') && !text.contains("]("))
}

/// Adds the paths of the properties without such a description to `found`, also those of nested objects.
fn undescribed(path: &str, schema: &Value, found: &mut Vec<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if !is_prose(&property["description"]) || property["x-default"].as_str().is_some_and(str::is_empty) {
            found.push(path.clone());
        }
        undescribed(&path, property, found);
    }
    for item in schema["anyOf"].as_array().into_iter().flatten().chain(schema.get("items")) {
        undescribed(path, item, found);
    }
}

#[test]
fn every_property_and_attribute_is_described() {
    for of in TYPES {
        let schema = schema(of);
        let mut found = Vec::new();
        undescribed(of, &schema, &mut found);
        let attributes = schema["x-attributes"].as_object().unwrap().iter();
        found.extend(attributes.filter(|(_, text)| !is_prose(text)).map(|(name, _)| format!("{of}: {name}")));
        assert_eq!(found, Vec::<String>::new());
    }
}

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
    let machine = json!({ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } });
    let task = json!({ "Resource": "sns:publish", "Parameters": { "TopicArn": "${Topic}", "Message": "" } });
    let topic = "arn:aws:sns:us-east-1:123456789012:a";
    let no_arns = |changes: Value| {
        let mut all = json!({ "SageMakerExecutionRoleArns": null });
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        all
    };
    both_take(
        WORKFLOW,
        &[
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
        ],
    );
    both_take(
        TARGET,
        &[
            json!({ "NamePrefix": "bridge", "ModelBucketName": "models", "ResourcePrefix": "x-" }),
            json!({ "ExecutionPolicy": "AmazonSageMakerFullAccess", "Fidelity": "AsPublished" }),
            json!({ "ImageRepositoryArn": "arn:aws:ecr:us-east-1:123456789012:repository/A/b" }),
            json!({ "RoleNames": { "ExecutionRole": "Team-x" } }),
            json!({ "RoleNames": {} }),
        ],
    );
    let account = json!({
        "RoleSet": "TargetAccount", "AdministratorAccountId": "012345678901", "AdministratorEnvName": "ds-team",
    });
    let in_target = |more: Value| {
        let mut all = account.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    both_take(
        SETS,
        &[
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
        ],
    );
    both_take(
        CATALOG,
        &[
            json!({ "Regions": ["us-east-1", " eu-west-1"], "Roles": "All", "OnCreate": "Provision" }),
            json!({ "Regions": null, "OnCreate": "Keep", "OnDelete": "Keep" }),
            json!({ "Regions": null, "OnDelete": "Keep" }),
            json!({ "Roles": ["LaunchAndUse"], "DisablePortfolio": "true" }),
            json!({ "Roles": ["AmazonSageMakerServiceCatalogProductsGlueRole"], "OnCreate": "Delete" }),
            json!({ "IfInUse": "Delete", "InUseWithinDays": 0 }),
            json!({ "IfInUse": "Keep", "InUseWithinDays": "400" }),
        ],
    );
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
    both_refuse(
        WORKFLOW,
        &[
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
        ],
    );
    both_refuse(
        EXECUTION,
        &[
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
        ],
    );
    both_refuse(
        TARGET,
        &[
            json!({ "NamePrefix": "a_b" }),
            json!({ "ResourcePrefix": "Upper" }),
            json!({ "ExecutionPolicy": "Full" }),
            json!({ "RoleNames": { "ExecutionRole": "" } }),
            json!({ "RoleNames": { "ExecutionRol": "Team" } }),
            json!({ "EnvName": "x" }),
        ],
    );
    both_refuse(
        SETS,
        &[
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
        ],
    );
    both_refuse(
        CATALOG,
        &[
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
        ],
    );
}

/// An execution role with these capabilities, and with `more`.
fn capable(capabilities: Value, more: Value) -> Value {
    let mut properties = more;
    properties["Capabilities"] = capabilities;
    properties["NamePrefix"] = json!("churn");
    properties
}

/// A network, and whether the grants are limited to it.
fn in_network(is_limited: Value) -> Value {
    let mut properties = json!({ "Subnets": "subnet-1", "SecurityGroups": ["sg-1"] });
    properties["LimitToSubnets"] = is_limited;
    properties
}

/// The ARN of a topic whose name has this many letters before `end`.
fn topic(letters: usize, end: &str) -> String {
    format!("arn:aws:sns:us-east-1:123456789012:{}{end}", "a".repeat(letters))
}

/// Each refused value has nothing else wrong.
#[test]
fn what_needs_or_excludes_another_property_of_an_execution_role_is_told_alike() {
    let [reads, written] = ["Read", "ReadWrite"].map(|access| json!({ "Name": "abc", "Access": access }));
    both_take(
        EXECUTION,
        &[
            json!({ "GlueDatabases": [] }),
            json!({ "Topics": topic(251, ".fifo") }),
            json!({ "Topics": [topic(256, "")] }),
            capable(json!("Athena"), json!({ "GlueDatabases": "sales" })),
            capable(json!(["Training", "GlueTables"]), json!({ "GlueDatabases": ["sales"] })),
            capable(json!(["Training", "Hosting"]), json!({ "GlueDatabases": [] })),
            capable(json!("FeatureStoreOffline"), json!({ "Buckets": { "Name": "abc", "Access": "Write" } })),
            capable(json!("FeatureStoreOffline"), json!({ "Buckets": { "Name": "abc", "Access": "ReadWrite" } })),
            capable(json!(["FeatureStore", "FeatureStoreOffline"]), json!({ "Buckets": [reads, written] })),
            capable(json!("FeatureStore"), json!({ "Buckets": reads })),
            capable(json!(["Training", "Transform"]), in_network(json!(true))),
            capable(json!(["ModelMonitor", "Processing"]), in_network(json!(false))),
            capable(json!("Processing"), in_network(json!("false"))),
            capable(json!("ModelMonitor"), json!({ "LimitToSubnets": "false" })),
        ],
    );
    both_refuse(
        EXECUTION,
        &[
            capable(json!("Athena"), json!({})),
            capable(json!("GlueTables"), json!({})),
            capable(json!(["Training", "Athena"]), json!({})),
            capable(json!(["GlueTables", "Training"]), json!({ "GlueDatabases": [] })),
            capable(json!("Athena"), json!({ "GlueDatabases": [] })),
            json!({ "GlueDatabases": "sales" }),
            json!({ "GlueDatabases": ["sales"], "Capabilities": [] }),
            capable(json!("Training"), json!({ "GlueDatabases": "sales" })),
            capable(json!(["Training", "Hosting"]), json!({ "GlueDatabases": ["sales"] })),
            capable(json!("FeatureStoreOffline"), json!({})),
            capable(json!(["FeatureStore", "FeatureStoreOffline"]), json!({ "Buckets": [] })),
            capable(json!("FeatureStoreOffline"), json!({ "Buckets": reads })),
            capable(json!(["FeatureStoreOffline"]), json!({ "Buckets": [reads, reads] })),
            json!({ "LimitToSubnets": true }),
            json!({ "LimitToSubnets": "true" }),
            json!({ "LimitToSubnets": "true", "Subnets": [], "SecurityGroups": [] }),
            capable(json!("Processing"), in_network(json!(true))),
            capable(json!("ModelMonitor"), in_network(json!("true"))),
            capable(json!(["Training", "Processing"]), in_network(json!("true"))),
            capable(json!(["ModelMonitor", "Training"]), in_network(json!(true))),
            json!({ "Topics": topic(252, ".fifo") }),
            json!({ "Topics": [topic(257, "")] }),
            json!({ "Topics": topic(0, ".fifo") }),
        ],
    );
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
