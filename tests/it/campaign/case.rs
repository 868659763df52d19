//! The events of the campaign.

use serde_json::{Value, json};

use mlops_roles_testkit::fixtures::{ACCOUNT, FUNCTION, PASSABLE, STACK};

const WORKFLOW: &str = "Custom::StepFunctionsWorkflowRole";
const EXECUTION: &str = "Custom::SageMakerExecutionRole";
const CATALOG: &str = "Custom::SageMakerServiceCatalogRoles";
const SET: &str = "Custom::SageMakerMlopsRoles";
const TARGET: &str = "Custom::SageMakerDeployTarget";

/// The event of a case, and what exists before it.
#[derive(Clone)]
pub struct Case {
    pub name: &'static str,
    pub resource_type: &'static str,
    /// The properties of the resource that exists before the event, if any.
    pub before: Option<Value>,
    /// The properties in the event; `None` for a Delete, which has the properties of the existing resource.
    pub properties: Option<Value>,
    /// The path and name of each role that somebody created by hand, beside a policy.
    pub by_hand: &'static [(&'static str, &'static str)],
}

impl Case {
    /// An event with these properties.
    pub fn event(&self, account: &str, kind: &str, properties: &Value) -> Value {
        let mut properties = properties.clone();
        properties["ServiceToken"] = json!(FUNCTION);
        let event = json!({
            "RequestType": kind,
            "RequestId": "1",
            "StackId": STACK,
            "ResourceType": self.resource_type,
            "LogicalResourceId": "Resource",
            "ResourceProperties": properties,
        });
        serde_json::from_str(&event.to_string().replace(ACCOUNT, account)).unwrap()
    }

    /// An Update of the resource with this physical id.
    pub fn update(&self, account: &str, id: &str, new: &Value, old: &Value) -> Value {
        let mut event = self.event(account, "Update", new);
        event["PhysicalResourceId"] = json!(id);
        event["OldResourceProperties"] = self.event(account, "Create", old)["ResourceProperties"].clone();
        event
    }

    /// A Delete of the resource with this physical id.
    pub fn delete(&self, account: &str, id: &str, properties: &Value) -> Value {
        let mut event = self.event(account, "Delete", properties);
        event["PhysicalResourceId"] = json!(id);
        event
    }
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let mut cases = workflow_roles();
    cases.extend(execution_roles());
    cases.extend(role_sets());
    cases.extend(service_catalog_roles());
    cases
}

fn case(name: &'static str, resource_type: &'static str, before: Option<&Value>, properties: Option<&Value>) -> Case {
    Case { name, resource_type, before: before.cloned(), properties: properties.cloned(), by_hand: &[] }
}

/// The properties with another value of one of them.
fn with(properties: &Value, name: &str, value: Value) -> Value {
    let mut properties = properties.clone();
    properties[name] = value;
    properties
}

fn workflow_roles() -> Vec<Case> {
    let workflow = json!({
        "RoleName": "AmazonSageMaker-Churn", "SageMakerExecutionRoleArns": PASSABLE, "SettleSeconds": "0",
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSageMakerReadOnly"],
        "Tags": [{ "Key": "a", "Value": "1" }],
    });
    let changed = json!({
        "RoleName": "AmazonSageMaker-Churn", "SageMakerExecutionRoleArns": PASSABLE, "SettleSeconds": "0",
        "PolicyName": "AmazonSageMaker-Renamed", "PassRolePolicyName": "Renamed", "StateMachineName": "churn",
        "Description": "new", "Tags": [{ "Key": "b", "Value": "2" }],
    });
    let mut found = with(&workflow, "SageMakerExecutionRole", json!({ "NotebookInstanceName": "nb" }));
    found.as_object_mut().unwrap().remove("SageMakerExecutionRoleArns");
    let replaced = with(&workflow, "RoleName", json!("AmazonSageMaker-Two"));
    let adopting = with(&workflow, "AdoptExisting", json!("true"));
    let by_hand: &[_] = &[("/", "AmazonSageMaker-Churn")];
    vec![
        case("workflow role, create", WORKFLOW, None, Some(&workflow)),
        case("workflow role, create with a role that is found", WORKFLOW, None, Some(&found)),
        case("workflow role, update", WORKFLOW, Some(&workflow), Some(&changed)),
        case("workflow role, replacement", WORKFLOW, Some(&workflow), Some(&replaced)),
        case("workflow role, delete", WORKFLOW, Some(&workflow), None),
        Case { by_hand, ..case("workflow role, adoption", WORKFLOW, None, Some(&adopting)) },
        Case { by_hand, ..case("workflow role, release", WORKFLOW, Some(&adopting), None) },
    ]
}

fn execution_roles() -> Vec<Case> {
    let execution = json!({
        "RoleName": "AmazonSageMaker-Churn", "NamePrefix": "churn", "Capabilities": ["Training"], "SettleSeconds": "0",
        "Buckets": [{ "Name": "data", "Prefix": "input", "Access": "Read" }],
    });
    let wider = with(&execution, "Buckets", json!([{ "Name": "data", "Prefix": "input", "Access": "ReadWrite" }]));
    let target = json!({ "NamePrefix": "bridge", "ExecutionPolicy": "Scoped", "SettleSeconds": "0" });
    vec![
        case("execution role, create", EXECUTION, None, Some(&execution)),
        case("execution role, update", EXECUTION, Some(&execution), Some(&wider)),
        case("execution role, delete", EXECUTION, Some(&execution), None),
        case("deploy target, create", TARGET, None, Some(&target)),
        case("deploy target, delete", TARGET, Some(&target), None),
    ]
}

fn role_sets() -> Vec<Case> {
    let set = json!({
        "RoleSet": "TargetAccount", "EnvName": "ds-team", "EnvType": "prod", "SettleSeconds": "0",
        "AdministratorAccountId": ACCOUNT, "AdministratorEnvName": "ds-team", "ModelS3KmsKeyArn": "*", "ModelBucketName": "models",
    });
    let renamed = with(&set, "RoleNames", json!({ "SageMakerModelExecutionRole": "ds-team-other" }));
    let next_stage = with(&set, "EnvType", json!("staging"));
    // The principals that the roles of the set trust.
    let by_hand: &[_] = &[("/service-role/", "AmazonSageMakerServiceCatalogProductsUseRole")];
    vec![
        Case { by_hand, ..case("role set, create", SET, None, Some(&set)) },
        Case { by_hand, ..case("role set, update", SET, Some(&set), Some(&renamed)) },
        Case { by_hand, ..case("role set, replacement", SET, Some(&set), Some(&next_stage)) },
        Case { by_hand, ..case("role set, delete", SET, Some(&set), None) },
    ]
}

fn service_catalog_roles() -> Vec<Case> {
    let clean = json!({ "OnCreate": "Delete", "DisablePortfolio": "true", "Regions": "us-east-1" });
    let provision = json!({ "OnCreate": "Provision", "Regions": "us-east-1" });
    let by_hand: &[_] = &[
        ("/service-role/", "AmazonSageMakerServiceCatalogProductsLaunchRole"),
        ("/service-role/", "AmazonSageMakerServiceCatalogProductsUseRole"),
    ];
    vec![
        Case { by_hand, ..case("service-catalog roles, clean slate", CATALOG, None, Some(&clean)) },
        case("service-catalog roles, provision", CATALOG, None, Some(&provision)),
        case("service-catalog roles, teardown", CATALOG, Some(&provision), None),
    ]
}
