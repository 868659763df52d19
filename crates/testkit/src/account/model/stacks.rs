//! What CloudFormation answers about stacks and their resources.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::account::call::Params;
use crate::account::reply::{Refusal, Reply};
use crate::fixtures::TYPE;

/// The number of a stack's resources that `DescribeStackResources` returns at most.
const MOST_LISTED: usize = 100;

/// A resource in its stack.
pub struct Held {
    /// The id of the stack.
    pub stack: String,
    /// The logical id of the resource.
    pub logical: String,
    /// The status of the resource: `CREATE_COMPLETE`.
    pub status: String,
}

/// What CloudFormation knows.
pub struct Stacks {
    /// The resources by physical id.
    pub held: BTreeMap<String, Held>,
    /// The status of every stack.
    pub status: String,
    /// When the resources reached their status, in seconds since the epoch. `None` where CloudFormation does not say.
    pub since: Option<i64>,
    /// The type of the resources, if it is not the usual one.
    pub of_type: Option<String>,
}

impl Default for Stacks {
    fn default() -> Self {
        Self { held: BTreeMap::new(), status: "DELETE_IN_PROGRESS".to_owned(), since: Some(0), of_type: None }
    }
}

impl Stacks {
    /// The reply of CloudFormation to a request.
    pub fn answer(&self, params: &Params) -> Reply {
        match params.action.as_str() {
            "DescribeStackResources" => self.resources(params),
            "DescribeStackResource" => self.resource(params),
            "DescribeStacks" => {
                Ok(json!({ "Stacks": [{ "StackName": "x", "CreationTime": 0, "StackStatus": self.status }] }))
            }
            other => Err(Refusal::new(400, "InvalidAction", &format!("{other} is not served"))),
        }
    }

    fn resources(&self, params: &Params) -> Reply {
        let (id, stack, logical) =
            (params.get("PhysicalResourceId"), params.get("StackName"), params.get("LogicalResourceId"));
        let found: Vec<_> = if id.is_empty() {
            self.held.iter().filter(|(_, held)| held.stack == stack && held.logical == logical).collect()
        } else {
            let Some(Held { stack, .. }) = self.held.get(id) else {
                return Err(unknown(&format!("Stack for {id}")));
            };
            self.held.iter().filter(|(_, held)| held.stack == *stack).collect()
        };
        if found.is_empty() {
            return Err(unknown(&format!("Stack with id {stack}")));
        }
        let listed = found.into_iter().take(MOST_LISTED).map(|(id, held)| {
            json!({
                "StackId": held.stack, "LogicalResourceId": held.logical, "PhysicalResourceId": id,
                "ResourceType": self.type_of(&held.logical), "Timestamp": 0, "ResourceStatus": held.status,
            })
        });
        Ok(json!({ "StackResources": listed.collect::<Vec<Value>>() }))
    }

    fn resource(&self, params: &Params) -> Reply {
        let (stack, logical) = (params.get("StackName"), params.get("LogicalResourceId"));
        let found = self.held.iter().find(|(_, held)| held.stack == stack && held.logical == logical);
        let (id, held) = found.ok_or_else(|| unknown(&format!("Resource {logical} for stack {stack}")))?;
        Ok(json!({ "StackResourceDetail": {
            "StackId": stack, "LogicalResourceId": logical, "PhysicalResourceId": id,
            "ResourceType": self.type_of(logical), "LastUpdatedTimestamp": self.since, "ResourceStatus": held.status,
        } }))
    }

    fn type_of(&self, logical: &str) -> &str {
        let usual = if logical == "WorkflowRole" { TYPE } else { "AWS::IAM::Role" };
        self.of_type.as_deref().unwrap_or(usual)
    }
}

fn unknown(what: &str) -> Refusal {
    Refusal::new(400, "ValidationError", &format!("{what} does not exist"))
}
