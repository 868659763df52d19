//! Tasks whose API, members or roles are refused.

use serde_json::{Value, json};

use mlops_roles_testkit::stage::with;

use super::{Refusal, WORKFLOW, calls};

fn role_of(name: &str) -> Value {
    json!({ "Name": "churn", "Role": format!("arn:aws:iam::123456789012:role/{name}") })
}

fn build(more: Value) -> Value {
    let mut parameters = json!({ "ProjectName": "churn" });
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    calls("codebuild:startBuild", parameters)
}

/// A task that starts a state machine with an alias. `told` overrides the resource.
fn nested(told: Option<&str>) -> Value {
    let machine = "States.Format('arn:aws:states:us-east-1:123456789012:stateMachine:c:{}', $.alias)";
    let task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution",
        "Parameters": { "StateMachineArn.$": machine },
        "End": true,
    });
    let definition = json!({ "StartAt": "Run", "States": { "Run": task } });
    let told = told.map(|arn| json!({ "Run": [arn] })).unwrap_or_default();
    with(json!({ "Definition": definition, "ResourceOverrides": told }))
}

pub(super) fn refusals() -> Vec<Refusal> {
    vec![
        Refusal {
            what: "an API that AWS does not have",
            kind: WORKFLOW,
            good: calls("aws-sdk:sagemaker:describeEndpoint", json!({ "EndpointName": "churn" })),
            bad: calls("aws-sdk:sagemaker:describeEndpont", json!({ "EndpointName": "churn" })),
            worse: Some(calls("aws-sdk:sagemakr:describeEndpoint", json!({ "EndpointName": "churn" }))),
            says: "(did you mean `describeEndpoint`?)",
        },
        Refusal {
            what: "a call for which no permission is known",
            kind: WORKFLOW,
            good: calls(
                "aws-sdk:ssm:listTagsForResource",
                json!({ "ResourceType": "Document", "ResourceId": "churn" }),
            ),
            bad: calls("aws-sdk:ssm:listTagsForResource", json!({ "ResourceType": "Churn", "ResourceId": "churn" })),
            worse: Some(calls("aws-sdk:route53:listTagsForResource", json!({ "ResourceId": "churn" }))),
            says: "no permission in the table fits the members of this call",
        },
        Refusal {
            what: "a role of an API that the deployer does not let pass",
            kind: WORKFLOW,
            good: calls("aws-sdk:glue:createCrawler", role_of("SageMakerGlue")),
            bad: calls("aws-sdk:glue:createCrawler", role_of("Glue")),
            worse: Some(calls("aws-sdk:glue:createCrawler", role_of("Admin"))),
            says: "`PassableRoleArns`",
        },
        Refusal {
            what: "a role of a build that is known only at run time",
            kind: WORKFLOW,
            good: build(json!({})),
            bad: build(json!({ "ServiceRoleOverride.$": "$.role" })),
            worse: None,
            says: "`ServiceRoleOverride`: the role is known only at run time",
        },
        Refusal {
            what: "an override of a wildcard that an earlier version had",
            kind: WORKFLOW,
            good: nested(None),
            bad: nested(Some("arn:aws:states:us-east-1:123456789012:stateMachine:c:prod")),
            worse: None,
            says: "matches no wildcard or role of state `Run`",
        },
    ]
}
