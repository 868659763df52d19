//! The port to CloudFormation.

use serde_json::Value;

use mlops_roles_core::protocol::resource_status::ResourceStatus;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_engine::port::{AwsError, Holder, StackResource, Stacks};

use super::request::{Asked, ask, listed, text};
use crate::account::call::Call;
use crate::account::handle::Fake;

impl Fake {
    /// The reply of CloudFormation; `None` when it knows no such stack or resource.
    async fn of_stacks(&self, Asked(name, params): Asked) -> Result<Option<Value>, AwsError> {
        match self.reply(name, Call::CloudFormation(params)).await {
            Err(error) if error.code == "ValidationError" && error.message.contains("does not exist") => Ok(None),
            reply => reply.map(Some),
        }
    }
}

fn lives(resource: &Value) -> bool {
    !["DELETE_COMPLETE", "DELETE_SKIPPED"].contains(&text(&resource["ResourceStatus"]).as_str())
}

impl Stacks for Fake {
    async fn holder(&self, physical_id: &str) -> Result<Option<Holder>, AwsError> {
        let asked = ask("cloudformation:DescribeStackResources").with("PhysicalResourceId", physical_id);
        let reply = self.of_stacks(asked).await?.unwrap_or_default();
        let mut found =
            listed(&reply, "StackResources").filter(|one| one["PhysicalResourceId"] == physical_id).peekable();
        if found.peek().is_none() {
            return Ok(listed(&reply, "StackResources").next().map(|first| Holder {
                owner: Owner {
                    stack_id: text(&first["StackId"]),
                    logical_id: "(not among the first 100 resources)".to_owned(),
                },
                resource_type: String::new(),
            }));
        }
        Ok(found.find(|one| lives(one)).map(|one| Holder {
            owner: Owner { stack_id: text(&one["StackId"]), logical_id: text(&one["LogicalResourceId"]) },
            resource_type: text(&one["ResourceType"]),
        }))
    }

    async fn holds(&self, resource: &Owner) -> Result<bool, AwsError> {
        let asked = ask("cloudformation:DescribeStackResources").with("StackName", &resource.stack_id);
        let reply = self.of_stacks(asked.with("LogicalResourceId", &resource.logical_id)).await?.unwrap_or_default();
        let of_iam = ["AWS::IAM::Role", "AWS::IAM::ManagedPolicy"];
        Ok(listed(&reply, "StackResources").any(|one| {
            let of_type = text(&one["ResourceType"]);
            lives(one) && (!of_type.starts_with("AWS::") || of_iam.contains(&of_type.as_str()))
        }))
    }

    async fn resource(&self, owner: &Owner) -> Result<Option<StackResource>, AwsError> {
        let asked = ask("cloudformation:DescribeStackResource").with("StackName", &owner.stack_id);
        let reply = self.of_stacks(asked.with("LogicalResourceId", &owner.logical_id)).await?;
        Ok(reply.map(|reply| {
            let detail = &reply["StackResourceDetail"];
            StackResource {
                physical_id: text(&detail["PhysicalResourceId"]),
                resource_type: text(&detail["ResourceType"]),
                status: text(&detail["ResourceStatus"]).into(),
                since: detail["LastUpdatedTimestamp"].as_i64(),
            }
        }))
    }

    async fn status(&self, stack_id: &str) -> Result<Option<ResourceStatus>, AwsError> {
        let reply = self.of_stacks(ask("cloudformation:DescribeStacks").with("StackName", stack_id)).await?;
        Ok(reply.and_then(|reply| listed(&reply, "Stacks").next().map(|stack| text(&stack["StackStatus"]).into())))
    }
}
