//! Implements `Stacks` with `aws-sdk-cloudformation`: which stack holds a role or policy, and what a stack was deployed
//! with.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{ResourceStatus, StackResource as Resource};

use crate::aws::error::classify;
use mlops_roles_core::protocol::resource_status::ResourceStatus as Status;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_engine::port::{AwsError, Holder, StackResource, Stacks};

/// A client of CloudFormation.
#[derive(Clone, Debug)]
pub struct CloudFormationClient {
    client: Client,
}

impl CloudFormationClient {
    /// Wraps a client of the SDK.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

/// A stack with its parameters and resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// The id of the stack: `arn:aws:cloudformation:eu-west-1:123456789012:stack/name/uuid`.
    pub id: String,
    /// The values of the parameters by name. A parameter whose value can't be read is left out.
    pub parameters: BTreeMap<String, String>,
    /// Physical ids of the resources by logical id. Resources that the stack deleted or retained (`DELETE_SKIPPED`) are
    /// left out.
    pub resources: BTreeMap<String, String>,
}

impl CloudFormationClient {
    /// Reads the stack of this name or id. Returns `None` when there is no such stack.
    ///
    /// # Errors
    /// Fails when CloudFormation refuses a call or does not answer it.
    pub async fn stack(&self, name: &str) -> Result<Option<Stack>, AwsError> {
        let reply = self.client.describe_stacks().stack_name(name).send().await;
        let reply = unknown_is_none(classify("cloudformation:DescribeStacks", reply))?;
        let Some(found) = reply.and_then(|reply| reply.stacks.unwrap_or_default().into_iter().next()) else {
            return Ok(None);
        };
        let parameters = found.parameters().iter().filter_map(|parameter| {
            // Where a parameter is looked up elsewhere, the value that was found counts. A secret parameter has no
            // readable value.
            let value = parameter.resolved_value().or(parameter.parameter_value())?;
            Some((parameter.parameter_key()?.to_owned(), value.to_owned())).filter(|(_, value)| value != "****")
        });
        let parameters = parameters.collect();
        let mut resources = BTreeMap::new();
        let mut pages = self.client.list_stack_resources().stack_name(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            for resource in classify("cloudformation:ListStackResources", page)?.stack_resource_summaries() {
                let physical = resource.physical_resource_id().filter(|_| lives(resource.resource_status()));
                resources.extend(
                    resource
                        .logical_resource_id()
                        .zip(physical)
                        .map(|(id, physical)| (id.to_owned(), physical.to_owned())),
                );
            }
        }
        Ok(Some(Stack { id: found.stack_id().unwrap_or_default().to_owned(), parameters, resources }))
    }
}

impl Stacks for CloudFormationClient {
    async fn holder(&self, physical_id: &str) -> Result<Option<Holder>, AwsError> {
        let reply = self.client.describe_stack_resources().physical_resource_id(physical_id).send().await;
        let resources = match unknown_is_none(classify("cloudformation:DescribeStackResources", reply))? {
            Some(reply) => reply.stack_resources.unwrap_or_default(),
            None => return Ok(None),
        };
        // The call lists the stack around the resource, but at most 100 of its resources. A resource that is not among
        // them is held by that stack too.
        let this = |resource: &&Resource| resource.physical_resource_id() == Some(physical_id);
        let holder = |resource: &Resource, logical: Option<&str>, of_type: Option<&str>| Holder {
            owner: Owner {
                stack_id: resource.stack_id().unwrap_or_default().to_owned(),
                logical_id: logical.unwrap_or("(not among the first 100 resources)").to_owned(),
            },
            resource_type: of_type.unwrap_or_default().to_owned(),
        };
        let mut found = resources.iter().filter(this).peekable();
        if found.peek().is_none() {
            return Ok(resources.first().map(|resource| holder(resource, None, None)));
        }
        let held = found.find(|resource| lives(resource.resource_status()));
        Ok(held.map(|resource| holder(resource, resource.logical_resource_id(), resource.resource_type())))
    }

    async fn holds(&self, resource: &Owner) -> Result<bool, AwsError> {
        let call = self.client.describe_stack_resources().stack_name(&resource.stack_id);
        let reply = call.logical_resource_id(&resource.logical_id).send().await;
        let reply = unknown_is_none(classify("cloudformation:DescribeStackResources", reply))?;
        let resources = reply.and_then(|reply| reply.stack_resources).unwrap_or_default();
        Ok(resources
            .iter()
            .filter(|resource| may_hold(resource.resource_type()))
            .any(|resource| lives(resource.resource_status())))
    }

    async fn resource(&self, owner: &Owner) -> Result<Option<StackResource>, AwsError> {
        let call = self.client.describe_stack_resource().stack_name(&owner.stack_id);
        let reply = call.logical_resource_id(&owner.logical_id).send().await;
        let reply = unknown_is_none(classify("cloudformation:DescribeStackResource", reply))?;
        Ok(reply.and_then(|reply| reply.stack_resource_detail).map(|detail| StackResource {
            physical_id: detail.physical_resource_id.unwrap_or_default(),
            resource_type: detail.resource_type.unwrap_or_default(),
            status: detail.resource_status.map(|status| Status::from(status.as_str())).unwrap_or_default(),
            since: detail.last_updated_timestamp.map(|at| at.secs()),
        }))
    }

    async fn status(&self, stack_id: &str) -> Result<Option<Status>, AwsError> {
        let reply = self.client.describe_stacks().stack_name(stack_id).send().await;
        let reply = unknown_is_none(classify("cloudformation:DescribeStacks", reply))?;
        let stacks = reply.and_then(|reply| reply.stacks).unwrap_or_default();
        Ok(stacks.first().and_then(|stack| stack.stack_status()).map(|status| Status::from(status.as_str())))
    }
}

/// Returns whether a resource of this type may own a role or policy. Custom resources may, and so may resources of IAM:
/// a stack may have imported one under the logical id that the custom resource had.
fn may_hold(resource_type: Option<&str>) -> bool {
    let of_iam = ["AWS::IAM::Role", "AWS::IAM::ManagedPolicy"];
    resource_type.is_none_or(|one| !one.starts_with("AWS::") || of_iam.contains(&one))
}

fn lives(status: Option<&ResourceStatus>) -> bool {
    !matches!(status, Some(ResourceStatus::DeleteComplete | ResourceStatus::DeleteSkipped))
}

/// Turns CloudFormation's error for a missing stack or resource into `None`. CloudFormation reports it as a
/// `ValidationError` whose message says so.
fn unknown_is_none<T>(reply: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(error) if error.code == "ValidationError" && error.message.contains("does not exist") => Ok(None),
        Err(error) => Err(error),
    }
}
