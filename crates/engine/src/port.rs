//! The narrow way to AWS: look, take one step, and a few questions. `iam.rs`, `cloudformation.rs` and `sagemaker.rs`
//! answer for the real account.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use url::Url;

use mlops_roles_core::permissions::simulation::{Check, Simulated};
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::query::Query;

/// How long one call may take before its reply counts as lost.
pub const ONE_CALL: Duration = Duration::from_secs(20);

#[expect(async_fn_in_trait, reason = "one thread, and nobody outside the crate implements it")]
pub trait Iam {
    /// The roles and policies of the scope that exist.
    async fn observe(&self, query: &Query) -> Result<Observation, AwsError>;

    /// One step. Taking it twice does no harm.
    async fn execute(&self, step: &Step) -> Result<(), AwsError>;

    /// Whether there is such a policy.
    async fn has_policy(&self, arn: &str) -> Result<bool, AwsError>;

    /// Who has the policy attached or as a boundary: `role Name`, `user Name`, `group Name`. None where it is absent.
    async fn users_of_policy(&self, arn: &str) -> Result<Vec<String>, AwsError>;

    /// What the role is denied of the check, as IAM simulates it, and what IAM can't judge.
    async fn simulate(&self, role_arn: &str, check: &Check) -> Result<Simulated, AwsError>;

    /// The ARNs of the customer-managed policies at or below the path, and when they were made, in seconds since the
    /// epoch.
    async fn policies_below(&self, path: &str) -> Result<Vec<(String, i64)>, AwsError>;

    /// The ARNs of the roles whose names begin so.
    async fn roles_named(&self, prefix: &str) -> Result<BTreeSet<String>, AwsError>;
}

/// The three services together.
#[derive(Clone, Debug)]
pub struct Ports<I, S, M> {
    pub iam: I,
    pub stacks: S,
    pub sagemaker: M,
}

/// Why an answer did not arrive. The kind only: what an HTTP client says of an error may repeat the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    #[error("no reply in time")]
    Timeout,
    #[error("the connection failed")]
    Connection,
    #[error("the request failed")]
    Other,
    /// The URL is none that a request can be made of.
    #[error("the URL can't be requested")]
    Unrequestable,
}

/// The way of an answer to a response URL.
#[expect(async_fn_in_trait, reason = "one thread, and nobody outside the crate implements it")]
pub trait Transport {
    /// PUTs the body with an empty content type, the one that S3 has signed the URL for, and gives the status of the reply.
    /// Redirects are not followed.
    async fn put(&self, url: &Url, body: &[u8]) -> Result<u16, TransportError>;
}

/// A project that somebody made from a SageMaker project template and that is not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    pub name: String,
    /// As SageMaker names it: `CreateCompleted`, `DeleteFailed`.
    pub status: String,
}

#[expect(async_fn_in_trait, reason = "one thread, and nobody outside the crate implements it")]
pub trait SageMaker {
    /// A page of the region's projects that are not deleted, and the token of the next one. The first has none.
    async fn projects(&self, region: &str, page: Option<&str>) -> Result<(Vec<Project>, Option<String>), AwsError>;

    /// Whether SageMaker's service-catalog portfolio is enabled in the region.
    async fn has_portfolio(&self, region: &str) -> Result<bool, AwsError>;

    async fn disable_portfolio(&self, region: &str) -> Result<(), AwsError>;

    /// The ARNs of the roles that it runs with: none where it has none, several where its parts have different ones.
    async fn execution_roles(&self, region: &str, source: &Source) -> Result<BTreeSet<String>, AwsError>;
}

/// What CloudFormation says of a resource in its stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackResource {
    pub physical_id: String,
    /// `Custom::StepFunctionsWorkflowRole`.
    pub resource_type: String,
    /// As CloudFormation names it: `UPDATE_IN_PROGRESS`.
    pub status: String,
    /// Since when, in seconds since the epoch.
    pub since: Option<i64>,
}

/// A resource of a stack that has a certain physical id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub owner: Owner,
    /// `AWS::IAM::Role`.
    pub resource_type: String,
}

#[expect(async_fn_in_trait, reason = "one thread, and nobody outside the crate implements it")]
pub trait Stacks {
    /// The resource in its stack, also of a stack that was deleted. `None` where it never had it.
    async fn resource(&self, owner: &Owner) -> Result<Option<StackResource>, AwsError>;

    /// The stack resource with this physical id that has not been deleted. Where several share the id, `CloudFormation` tells
    /// one of them, of whatever type.
    async fn holder(&self, physical_id: &str) -> Result<Option<Holder>, AwsError>;

    /// Whether the stack still has this resource, as one of the function's types.
    async fn holds(&self, resource: &Owner) -> Result<bool, AwsError>;

    /// Where the stack is, as `CloudFormation` names it: `UPDATE_COMPLETE_CLEANUP_IN_PROGRESS`. `None` for no such stack.
    async fn status(&self, stack_id: &str) -> Result<Option<String>, AwsError>;
}

/// What a caller does about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    NotFound,
    AlreadyExists,
    /// Throttled, in conflict with another write, or lost on the way: worth repeating while there is time.
    Transient,
    /// Refused for what IAM may not have noticed yet: a grant, a principal or a detachment made seconds ago.
    MaybePropagating,
    Refused,
}

impl FaultKind {
    /// By AWS's error code, the message and the HTTP status.
    pub fn from_response(code: &str, message: &str, status: u16) -> Self {
        match code {
            "NoSuchEntity" => Self::NotFound,
            "EntityAlreadyExists" => Self::AlreadyExists,
            "ConcurrentModification" | "EntityTemporarilyUnmodifiable" => Self::Transient,
            _ if throttles(code, status) => Self::Transient,
            // A function that was deployed a moment ago has its permissions late.
            "DeleteConflict" | "AccessDenied" | "AccessDeniedException" | "InvalidClientTokenId" => {
                Self::MaybePropagating
            }
            "MalformedPolicyDocument" if message.contains("Invalid principal") => Self::MaybePropagating,
            _ if status >= 500 => Self::Transient,
            _ => Self::Refused,
        }
    }
}

/// Whether the account was asked for too much at once.
pub fn throttles(code: &str, status: u16) -> bool {
    let codes = ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"];
    codes.contains(&code) || status == 429
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct AwsError {
    pub kind: FaultKind,
    /// The reply was lost or says nothing: the call may have done its work.
    pub outcome_unknown: bool,
    /// As IAM names the action: `iam:CreateRole`.
    pub call: &'static str,
    /// AWS's error code; empty where no reply came.
    pub code: String,
    pub message: String,
}

impl fmt::Display for AwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.call)?;
        if !self.code.is_empty() {
            write!(f, "{}: ", self.code)?;
        }
        f.write_str(&self.message)
    }
}
