//! Tests the overrides of the resources of a state.

use serde_json::{Value, json};

use super::{machine, required};

/// The error of a state says nothing about a state whose path begins alike.
#[test]
fn an_override_that_replaces_nothing_is_reported_beside_the_error_of_another_state() {
    let call = json!({ "FunctionName": "f" });
    let invoke = |resource: &str| json!({ "Type": "Task", "Resource": resource, "Parameters": call });
    let function = "arn:aws:lambda:us-east-1:123456789012:function:g";
    let idle = |path: &str| format!("`{function}` matches no wildcard or role of state `{path}` that is known only");
    let definition = machine(&json!({
        "Score": invoke("arn:aws:states:::lambda:invoke"),
        "Score again": invoke("arn:aws:states:::lambda:invok"),
    }));
    let errors = required(&definition, &[("Score", function), ("Score again", function)]).errors;
    assert!(errors.iter().any(|error| error.contains(&idle("Score"))), "{errors:?}");
    assert!(!errors.iter().any(|error| error.contains(&idle("Score again"))), "{errors:?}");
}

/// <https://docs.aws.amazon.com/emr/latest/APIReference/API_RunJobFlow.html>
#[test]
fn an_override_tells_the_role_of_an_instance_profile() {
    let cluster = |parameters: Value| {
        let resource = "arn:aws:states:::elasticmapreduce:createCluster";
        machine(&json!({ "First": { "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true } }))
    };
    let passed = |parameters: Value, overrides: &[(&str, &str)]| {
        let required = required(&cluster(parameters), overrides);
        assert_eq!(required.errors, Vec::<String>::new());
        let passed = required.pass_role_grants.into_iter();
        let to_instances = passed.filter(|one| one.service == "ec2.amazonaws.com");
        to_instances.map(|one| one.role.rsplit_once('/').unwrap().1.to_owned()).collect::<Vec<_>>()
    };
    let told = [("First", "arn:aws:iam::123456789012:role/Inside")];
    assert_eq!(passed(json!({ "JobFlowRole": "Nodes" }), &[]), ["Nodes"]);
    for profile in ["Nodes", "arn:aws:iam::123456789012:instance-profile/Nodes"] {
        assert_eq!(passed(json!({ "JobFlowRole": profile, "ServiceRole": "Own" }), &told), ["Inside"]);
    }
    // The override may be about the other role, which has no place in the instances.
    assert_eq!(passed(json!({ "JobFlowRole": "Nodes", "ServiceRole.$": "$.role" }), &told), ["Nodes"]);
}

#[test]
fn an_override_that_only_a_condition_has_is_not_idle() {
    let resource = "arn:aws:states:::emr-containers:startJobRun";
    let parameters = json!({ "VirtualClusterId": "v", "ExecutionRoleArn.$": "$.role" });
    let machine =
        machine(&json!({ "First": { "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true } }));
    let required = required(&machine, &[("First", "arn:aws:iam::123456789012:role/Spark")]);
    assert_eq!(required.errors, Vec::<String>::new());
}
