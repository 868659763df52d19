//! The ports to AWS: traits that observe the account, execute one step and read a few facts.
//!
//! The function implements them with the AWS SDKs for the real account: `src/aws/iam`, `src/aws/cloudformation.rs`,
//! `src/aws/sagemaker.rs`, `src/aws/s3.rs` and `src/http/transport.rs`.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use url::Url;

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::simulation::{Check, Simulated};
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::resource_status::ResourceStatus;
use mlops_roles_core::resource::definition_location::Location;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::policy_user::PolicyUser;
use mlops_roles_core::state::query::Query;

/// How long one call to AWS may take before its reply counts as lost: 20 seconds.
pub const ONE_CALL: Duration = Duration::from_secs(20);

/// The calls to IAM.
#[expect(async_fn_in_trait, reason = "its futures stay on one thread")]
pub trait Iam {
    /// Reads the roles and policies of the query. The observation holds those that exist.
    ///
    /// # Errors
    /// When a read fails for another reason than an absent entity.
    async fn observe(&self, query: &Query) -> Result<Observation, AwsError>;

    /// Executes one step. A second execution of the same step does no harm.
    ///
    /// # Errors
    /// When IAM refuses the step or does not reply. `AwsError::outcome_unknown` tells whether IAM may have applied the
    /// step.
    async fn execute(&self, step: &Step) -> Result<(), AwsError>;

    /// Returns whether the policy with this ARN exists: `arn:aws:iam::123456789012:policy/x`.
    ///
    /// # Errors
    /// When `iam:GetPolicy` fails for another reason than an absent policy.
    async fn has_policy(&self, arn: &str) -> Result<bool, AwsError>;

    /// Returns who has the policy attached or as a permissions boundary, sorted. The list is empty where the policy is
    /// absent.
    ///
    /// # Errors
    /// When `iam:ListEntitiesForPolicy` fails for another reason than an absent policy.
    async fn users_of_policy(&self, arn: &str) -> Result<Vec<PolicyUser>, AwsError>;

    /// Simulates the check for the role: which actions IAM denies, and which actions the simulator can't judge.
    ///
    /// # Errors
    /// When `iam:SimulatePrincipalPolicy` fails for another reason than an action that the simulator can't judge.
    async fn simulate(&self, role_arn: &str, check: &Check) -> Result<Simulated, AwsError>;

    /// Lists the ARNs of the customer-managed policies at or below the path (`/service-role/`), each with its time of
    /// creation in seconds since the epoch.
    ///
    /// # Errors
    /// When `iam:ListPolicies` fails.
    async fn policies_below(&self, path: &str) -> Result<Vec<(String, i64)>, AwsError>;

    /// Lists the ARNs of the account's roles whose names begin with the prefix.
    ///
    /// # Errors
    /// When `iam:ListRoles` fails.
    async fn roles_named(&self, prefix: &str) -> Result<BTreeSet<String>, AwsError>;
}

/// An account of AWS: the ports to the four services that the engine uses.
pub trait Aws {
    /// The port to IAM.
    type Iam: Iam;
    /// The port to CloudFormation.
    type Stacks: Stacks;
    /// The port to SageMaker, in any region.
    type SageMaker: SageMaker;
    /// The port to Amazon S3.
    type Objects: Objects;

    /// Returns the port to IAM.
    fn iam(&self) -> &Self::Iam;
    /// Returns the port to CloudFormation.
    fn stacks(&self) -> &Self::Stacks;
    /// Returns the port to SageMaker.
    fn sagemaker(&self) -> &Self::SageMaker;
    /// Returns the port to Amazon S3.
    fn objects(&self) -> &Self::Objects;
}

/// The ports to the four AWS services, each of a type of its own.
#[derive(Clone, Debug)]
pub struct Ports<I, S, M, O> {
    /// The port to IAM.
    pub iam: I,
    /// The port to CloudFormation.
    pub stacks: S,
    /// The port to SageMaker, in any region.
    pub sagemaker: M,
    /// The port to Amazon S3.
    pub objects: O,
}

impl<T: Iam + Stacks + SageMaker + Objects> Aws for T {
    type Iam = Self;
    type Stacks = Self;
    type SageMaker = Self;
    type Objects = Self;

    fn iam(&self) -> &Self {
        self
    }

    fn stacks(&self) -> &Self {
        self
    }

    fn sagemaker(&self) -> &Self {
        self
    }

    fn objects(&self) -> &Self {
        self
    }
}

impl<I: Iam, S: Stacks, M: SageMaker, O: Objects> Aws for Ports<I, S, M, O> {
    type Iam = I;
    type Stacks = S;
    type SageMaker = M;
    type Objects = O;

    fn iam(&self) -> &I {
        &self.iam
    }

    fn stacks(&self) -> &S {
        &self.stacks
    }

    fn sagemaker(&self) -> &M {
        &self.sagemaker
    }

    fn objects(&self) -> &O {
        &self.objects
    }
}

/// The calls to Amazon S3.
#[expect(async_fn_in_trait, reason = "its futures stay on one thread")]
pub trait Objects {
    /// Reads the object from a bucket of the account and region of `place`. `None` where the object has more bytes than
    /// a definition may have.
    ///
    /// # Errors
    /// When `s3:GetObject` fails. `FaultKind::NotFound` means that the bucket, the object or its version does not exist.
    /// The call is `kms:Decrypt` where S3 may not use the KMS key of the object for the function. The error never
    /// quotes the reply, because the reply may quote the object.
    async fn read(&self, place: &Place, location: &Location) -> Result<Option<Vec<u8>>, AwsError>;
}

/// Why the response was not delivered. Only the kind of error is kept: the message of an HTTP client may repeat the
/// response URL, which is never logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No reply came in time.
    #[error("no reply arrived in time")]
    Timeout,
    /// The connection could not be established, or it broke.
    #[error("the connection failed")]
    Connection,
    /// Any other failure of the HTTP client.
    #[error("the request failed")]
    Other,
    /// The HTTP client can't build a request for the URL.
    #[error("the response URL can't be used in an HTTP request")]
    Unrequestable,
}

/// The HTTP client that sends the response to the response URL.
#[expect(async_fn_in_trait, reason = "its futures stay on one thread")]
pub trait Transport {
    /// Sends the body by PUT and returns the HTTP status of the reply. The content type is empty, because S3 signed the
    /// URL for an empty one. Redirects are not followed.
    ///
    /// # Errors
    /// When no reply arrives, or no request can be built for the URL. An HTTP error status is not an error here.
    async fn put(&self, url: &Url, body: &[u8]) -> Result<u16, TransportError>;
}

/// A project of SageMaker that is not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// The name of the project.
    pub name: String,
    /// The status in SageMaker's words: `CreateCompleted`, `DeleteFailed`.
    pub status: String,
}

/// What a project was created from, which tells the roles that it runs with.
/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProject.html>
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A product of Service Catalog. The products of SageMaker run with the service-catalog roles.
    Product,
    /// Templates of CloudFormation. Holds the ARNs of the roles that CloudFormation creates the stacks with. A template
    /// without such a role is created with the credentials of whoever created the project.
    /// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html>
    Templates(BTreeSet<String>),
    /// SageMaker names neither a product nor a template.
    Unknown,
    /// Nothing: the project was deleted after it was listed.
    Gone,
}

/// The calls to SageMaker. `region` is the region to call: `eu-west-1`.
#[expect(async_fn_in_trait, reason = "its futures stay on one thread")]
pub trait SageMaker {
    /// Lists one page of the region's projects that are not deleted, and the token of the next page. `page` is that
    /// token; it is absent for the first page. A returned `None` means that the page was the last one.
    ///
    /// # Errors
    /// When `sagemaker:ListProjects` fails.
    async fn projects(&self, region: &str, page: Option<&str>) -> Result<(Vec<Project>, Option<String>), AwsError>;

    /// Returns what the project of this name was created from.
    ///
    /// # Errors
    /// When `sagemaker:DescribeProject` fails for another reason than an absent project.
    async fn origin(&self, region: &str, project: &str) -> Result<Origin, AwsError>;

    /// Returns whether SageMaker's service-catalog portfolio is enabled in the region.
    ///
    /// # Errors
    /// When `sagemaker:GetSagemakerServicecatalogPortfolioStatus` fails.
    async fn has_portfolio(&self, region: &str) -> Result<bool, AwsError>;

    /// Disables SageMaker's service-catalog portfolio in the region.
    ///
    /// # Errors
    /// When `sagemaker:DisableSagemakerServicecatalogPortfolio` fails.
    async fn disable_portfolio(&self, region: &str) -> Result<(), AwsError>;

    /// Returns the ARNs of the execution roles that the source runs with. The set is empty where the source has no
    /// role. It has several where the parts of the source have different roles. A role-name prefix is looked up in IAM
    /// instead (`Iam::roles_named`) and yields an empty set here.
    ///
    /// # Errors
    /// When one of the calls that describe the source fails. `FaultKind::NotFound` means that the source, or something
    /// that it refers to, does not exist.
    async fn execution_roles(&self, region: &str, source: &Source) -> Result<BTreeSet<String>, AwsError>;
}

/// A resource in its stack, as CloudFormation describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackResource {
    /// The physical id. Empty where CloudFormation has none yet.
    pub physical_id: String,
    /// The resource type: `Custom::StepFunctionsWorkflowRole`.
    pub resource_type: String,
    /// The status: `UPDATE_IN_PROGRESS`.
    pub status: ResourceStatus,
    /// When the resource reached that status, in seconds since the epoch. `None` where CloudFormation does not say.
    pub since: Option<i64>,
}

/// The resource of a stack that holds a given physical id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The stack and the logical id of the resource.
    pub owner: Owner,
    /// The resource type: `AWS::IAM::Role`. Empty where CloudFormation does not name it.
    pub resource_type: String,
}

/// The calls to CloudFormation.
#[expect(async_fn_in_trait, reason = "its futures stay on one thread")]
pub trait Stacks {
    /// Describes the resource in its stack, which may be a deleted stack. `None` where the stack never had the
    /// resource.
    ///
    /// # Errors
    /// When `cloudformation:DescribeStackResource` fails for another reason than an absent stack or resource.
    async fn resource(&self, owner: &Owner) -> Result<Option<StackResource>, AwsError>;

    /// Finds the stack resource with this physical id that has not been deleted. Where several resources share the id,
    /// CloudFormation reports one of them, of whatever type. `None` where no stack holds the id.
    ///
    /// # Errors
    /// When `cloudformation:DescribeStackResources` fails for another reason than an absent resource.
    async fn holder(&self, physical_id: &str) -> Result<Option<Holder>, AwsError>;

    /// Returns whether the stack still has this resource, of a type that may own a role or policy. Such a type is a
    /// custom resource, an IAM role or a managed policy; a stack may have imported the latter two under the logical id.
    ///
    /// # Errors
    /// When `cloudformation:DescribeStackResources` fails for another reason than an absent stack or resource.
    async fn holds(&self, resource: &Owner) -> Result<bool, AwsError>;

    /// Returns the status of the stack: `UPDATE_COMPLETE_CLEANUP_IN_PROGRESS`. `None` where the stack does not exist.
    ///
    /// # Errors
    /// When `cloudformation:DescribeStacks` fails for another reason than an absent stack.
    async fn status(&self, stack_id: &str) -> Result<Option<ResourceStatus>, AwsError>;
}

/// The kind of an AWS error. It decides what the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The entity or resource does not exist.
    NotFound,
    /// The entity to create exists already.
    AlreadyExists,
    /// The call was throttled, conflicted with another write or was lost on the way. It is worth repeating while time
    /// remains.
    Transient,
    /// The call was refused, and propagation could explain the refusal: a grant, a principal or a detachment made
    /// seconds ago may not show everywhere yet.
    MaybePropagating,
    /// The call was refused for good; repeating it does not help.
    Refused,
}

impl FaultKind {
    /// Classifies an error reply by AWS's error code (`NoSuchEntity`), the message and the HTTP status (`404`).
    pub fn from_response(code: &str, message: &str, status: u16) -> Self {
        match code {
            "NoSuchEntity" => Self::NotFound,
            "EntityAlreadyExists" => Self::AlreadyExists,
            "ConcurrentModification" | "EntityTemporarilyUnmodifiable" => Self::Transient,
            _ if throttles(code, status) => Self::Transient,
            // The permissions of a function that was deployed seconds ago may still propagate.
            "DeleteConflict" | "AccessDenied" | "AccessDeniedException" | "InvalidClientTokenId" => {
                Self::MaybePropagating
            }
            "MalformedPolicyDocument" if message.contains("Invalid principal") => Self::MaybePropagating,
            _ if status >= 500 => Self::Transient,
            _ => Self::Refused,
        }
    }
}

/// Returns whether AWS throttled the call because the account sent too many requests at once, by error code or HTTP
/// status.
pub fn throttles(code: &str, status: u16) -> bool {
    let codes = ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"];
    codes.contains(&code) || status == 429
}

/// A call that AWS refused or did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct AwsError {
    /// The kind of the error, which decides whether the call is repeated.
    pub kind: FaultKind,
    /// Whether AWS may have applied the call: the reply was lost, or it does not tell.
    pub outcome_unknown: bool,
    /// The call by its IAM action: `iam:CreateRole`.
    pub call: &'static str,
    /// AWS's error code: `NoSuchEntity`. Empty where no reply came.
    pub code: String,
    /// AWS's error message, or a text of this project where no reply came.
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
