//! Read-only access to the real AWS account.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use mlops_roles::aws::cloudformation;
use mlops_roles::aws::cloudformation::Stack;
use mlops_roles::aws::iam;
use mlops_roles::aws::s3::ObjectClient;
use mlops_roles::aws::sagemaker::SageMakerClients;
use mlops_roles::http::ready_connector;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_core::resource::spec::ReadContext;
use mlops_roles_core::state::query::Query;
use mlops_roles_engine::context::Context;
use mlops_roles_engine::deadlines::Deadlines;
use mlops_roles_engine::decide::decide;
use mlops_roles_engine::decide::decision::{Change, Decision};
use mlops_roles_engine::decide::refusal::Refusal;
use mlops_roles_engine::lookup::{Found, LookupError, find_role};
use mlops_roles_engine::port::{AwsError, Iam as _, Ports};
use tokio::time::Instant;

/// The time limit for all reads of the account together.
const PATIENCE: Duration = Duration::from_mins(2);

/// Why the account can't be read.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The machine has no list of certificate authorities.
    #[error("{0}")]
    Authorities(io::Error),
    /// CloudFormation refuses to describe a stack, or does not answer.
    #[error("stack `{stack}`: can't be read: {error}")]
    Stack { stack: String, error: AwsError },
    /// There is no such stack.
    #[error(
        "stack `{stack}`: does not exist in the account and region of the credentials; correct `--stack-name`, \
         `--deployment` or `--region`; for a stack that is not deployed yet, leave out `--against-account`"
    )]
    NoStack { stack: String },
    /// The id of the stack is not an ARN.
    #[error("stack `{stack}`: found the id `{id}`, expected the ARN of a stack")]
    StackId { stack: String, id: String },
    /// IAM refuses to describe a role, or does not answer.
    #[error("role `{role}`: can't be read: {error}")]
    Role { role: Name, error: AwsError },
}

/// The clients for one AWS account and region, used for reads only.
#[derive(Debug)]
pub struct Account {
    clients: Clients,
    deadline: Instant,
}

/// The clients of the function, in the same ports.
type Clients = Ports<iam::IamClient, cloudformation::CloudFormationClient, SageMakerClients, ObjectClient>;

impl Account {
    /// Opens the account with the credentials and the region that the AWS CLI would use, except single sign-on.
    ///
    /// # Errors
    /// When the machine has no list of certificate authorities.
    pub async fn open(region: Option<&str>) -> Result<Self, AccountError> {
        let http: SharedHttpConnector = ready_connector().map_err(AccountError::Authorities)?;
        // A definition in Amazon S3 is read from a file beside the template, so the client has no credentials.
        let objects = ObjectClient::new(SharedHttpConnector::clone(&http), None, None);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client_fn(move |_, _| SharedHttpConnector::clone(&http)));
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let config = loader.load().await;
        let clients = Ports {
            iam: iam::IamClient::new(aws_sdk_iam::Client::new(&config)),
            stacks: cloudformation::CloudFormationClient::new(aws_sdk_cloudformation::Client::new(&config)),
            sagemaker: SageMakerClients::new(config),
            objects,
        };
        Ok(Self { clients, deadline: Instant::now() + PATIENCE })
    }

    /// Reads a stack by its name, with the partition, region and account in its ARN.
    ///
    /// # Errors
    /// When there is no such stack, or the credentials may not read it.
    pub async fn stack(&self, name: &str) -> Result<(Stack, Place), AccountError> {
        let stack = self.clients.stacks.stack(name).await;
        let stack = stack.map_err(|error| AccountError::Stack { stack: name.to_owned(), error })?;
        let stack = stack.ok_or_else(|| AccountError::NoStack { stack: name.to_owned() })?;
        let place = Place::from_arn(&stack.id)
            .ok_or_else(|| AccountError::StackId { stack: name.to_owned(), id: stack.id.clone() })?;
        Ok((stack, place))
    }

    /// The values that the stack's template can refer to, by name: parameters, physical ids, and the ARNs of its roles
    /// (`ExecutionRole.Arn`). `roles` are the logical ids of the roles.
    ///
    /// # Errors
    /// When IAM can't be read.
    pub async fn values(
        &self,
        stack: &Stack,
        roles: &[&str],
        place: &Place,
    ) -> Result<BTreeMap<String, String>, AccountError> {
        let mut values: BTreeMap<String, String> = stack.resources.clone();
        values.extend(stack.parameters.clone());
        for logical_id in roles {
            let Some(name) = stack.resources.get(*logical_id).map(Name::new) else { continue };
            let observed = self.clients.iam.observe(&Query::for_roles([name.clone()])).await;
            let observed = observed.map_err(|error| AccountError::Role { role: name.clone(), error })?;
            if let Some(role) = observed.state.roles.get(&name) {
                values.insert(format!("{logical_id}.Arn"), place.role_arn(&role.path, name.as_str()));
            }
        }
        Ok(values)
    }

    /// Finds the ARN of the execution role that the source leads to.
    ///
    /// # Errors
    /// When the source leads to no role or to several, or AWS does not answer.
    pub async fn find(
        &self,
        source: &Source,
        request: Option<&Request>,
        context: ReadContext<'_>,
        itself: &[&str],
    ) -> Result<Found, LookupError> {
        find_role(&self.context("", context), request, source, itself).await
    }

    /// Makes the decision that the function would make: the steps, and the states before and after.
    ///
    /// # Errors
    /// What the function would refuse.
    pub async fn decide(&self, kind: &str, change: Change<'_>, context: ReadContext<'_>) -> Result<Decision, Refusal> {
        decide(&self.context(kind, context), change).await
    }

    fn context<'a>(&'a self, kind: &'a str, read: ReadContext<'a>) -> Context<'a, Clients> {
        Context { aws: &self.clients, read, resource_type: kind, deadlines: Deadlines::all_at(self.deadline) }
    }
}
