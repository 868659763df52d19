//! What CloudFormation answers about stacks and their resources.

use serde_json::{Value, json};

use super::account::Inner;
use super::call::Params;
use super::reply::Refusal;
use super::reply::Reply;
use crate::stage::TYPE;

/// The number of a stack's resources that `DescribeStackResources` returns at most.
const MOST_LISTED: usize = 100;

impl Inner {
    /// The reply of CloudFormation to a request.
    pub fn cloudformation(&self, params: &Params) -> Reply {
        match params.action.as_str() {
            "DescribeStackResources" => self.stack_resources(params),
            "DescribeStackResource" => self.stack_resource(params),
            "DescribeStacks" => {
                Ok(json!({ "Stacks": [{ "StackName": "x", "CreationTime": 0, "StackStatus": self.stack_status }] }))
            }
            other => Err(Refusal::new(400, "InvalidAction", &format!("{other} is not served"))),
        }
    }

    fn stack_resources(&self, params: &Params) -> Reply {
        let (id, stack, logical) =
            (params.get("PhysicalResourceId"), params.get("StackName"), params.get("LogicalResourceId"));
        let found: Vec<_> = if id.is_empty() {
            self.stacks.iter().filter(|(_, held)| held.0 == stack && held.1 == logical).collect()
        } else {
            let Some((of, ..)) = self.stacks.get(id) else {
                return Err(unknown(&format!("Stack for {id}")));
            };
            self.stacks.iter().filter(|(_, held)| held.0 == *of).collect()
        };
        if found.is_empty() {
            return Err(unknown(&format!("Stack with id {stack}")));
        }
        let listed = found.into_iter().take(MOST_LISTED).map(|(id, (stack, logical, status))| {
            json!({
                "StackId": stack, "LogicalResourceId": logical, "PhysicalResourceId": id,
                "ResourceType": self.type_of(logical), "Timestamp": 0, "ResourceStatus": status,
            })
        });
        Ok(json!({ "StackResources": listed.collect::<Vec<Value>>() }))
    }

    fn stack_resource(&self, params: &Params) -> Reply {
        let (stack, logical) = (params.get("StackName"), params.get("LogicalResourceId"));
        let found = self.stacks.iter().find(|(_, held)| held.0 == stack && held.1 == logical);
        let (id, (.., status)) = found.ok_or_else(|| unknown(&format!("Resource {logical} for stack {stack}")))?;
        Ok(json!({ "StackResourceDetail": {
            "StackId": stack, "LogicalResourceId": logical, "PhysicalResourceId": id,
            "ResourceType": self.type_of(logical), "LastUpdatedTimestamp": self.held_since, "ResourceStatus": status,
        } }))
    }

    fn type_of(&self, logical: &str) -> &'static str {
        let usual = if logical == "WorkflowRole" { TYPE } else { "AWS::IAM::Role" };
        self.held_type.unwrap_or(usual)
    }
}

fn unknown(what: &str) -> Refusal {
    Refusal::new(400, "ValidationError", &format!("{what} does not exist"))
}
