//! Why the function does not act on an event.

use crate::definition::ObjectError;
use crate::failure::{Cause, Touched, Unread, joined};
use crate::lookup::LookupError;
use crate::preconditions::{Objection, OverQuota, PolicyInUse};
use crate::staleness::StaleEvent;
use crate::usage::{NAMED, RoleUse, summed_up};
use crate::verify::NotVerified;
use mlops_roles_core::guardrails::MisconfiguredEnvironment;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::protocol::request::NotAnObject;
use mlops_roles_core::protocol::response::MAX_RESPONSE_BYTES;
use mlops_roles_core::resource::Unavailable;
use mlops_roles_core::resource::prior::PriorStateError;
use mlops_roles_core::resource::properties::ValidationErrors;
use mlops_roles_core::text::listed;

/// Why the function does not act on an event. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The function does not know its own place.
    #[error("the ARN of the function can't be parsed")]
    NoPlace,
    /// The stack belongs to another account, region or partition.
    #[error(
        "stack `{stack_id}` does not belong to {place}, the only place that this function serves; deploy the function \
         in the account and region of the stack"
    )]
    OtherPlace {
        /// The id of the stack.
        stack_id: String,
        /// The place of the function.
        place: Place,
    },
    /// The deployer's guardrails can't be read.
    #[error(transparent)]
    Misconfigured(#[from] MisconfiguredEnvironment),
    /// CloudFormation does not wait for the event.
    #[error(transparent)]
    Stale(Box<StaleEvent>),
    /// The function does not provision the resource type.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The properties are not an object.
    #[error(transparent)]
    NotAnObject(#[from] NotAnObject),
    /// The properties are invalid.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The execution role was not found.
    #[error(transparent)]
    Lookup(Box<LookupError>),
    /// The definition in Amazon S3 can't be used.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The response would be too long for CloudFormation.
    #[error(
        "the response would have {size} bytes, and CloudFormation accepts at most {MAX_RESPONSE_BYTES}; choose shorter \
         names and paths"
    )]
    LongResponse {
        /// The size of the response, in bytes.
        size: usize,
    },
    /// The account did not answer a question.
    #[error(transparent)]
    Unread(#[from] Unread),
    /// The stack does not tell whether it rolls back.
    #[error("could not read the status of the stack")]
    StackStatusUnread,
    /// IAM does not show policies that are attached to the roles of the resource. Holds their ARNs.
    #[error("could not read the attached policies {}", listed(.0))]
    AttachedPoliciesUnread(Vec<String>),
    /// The names of the resource rule out the change.
    #[error(transparent)]
    Prior(#[from] PriorStateError),
    /// A replacement would leave a role that the function can't delete.
    #[error(
        "this update replaces role `{role}`, which the function can't delete: its path `{path}` is not in the \
         deployer's `RolePaths`; ask the deployer to add the path, then try again"
    )]
    SupersededPath {
        /// The role.
        role: Name,
        /// The path of the role.
        path: String,
    },
    /// The resource may not write to entities that it names.
    #[error("{}", joined(.0, "; "))]
    Objections(Vec<Objection>),
    /// Desired entities exceed quotas of IAM.
    #[error("{}", joined(.0, "; "))]
    OverQuota(Vec<OverQuota>),
    /// Others use policies that would be deleted.
    #[error("{}", joined(.0, "; "))]
    PoliciesInUse(Vec<PolicyInUse>),
    /// Roles that would be deleted are in use.
    #[error(
        "the roles are in use, or may be in use; nothing was changed; end the use, make sure that every region can be \
         read, and try again, or set `IfInUse`; found: {}",
        summed_up(.0, NAMED)
    )]
    RolesInUse(Vec<RoleUse>),
    /// The resource has roles, and its properties name no region to look for their use.
    #[error("`Regions`: missing, expected the regions where projects may use the roles that this resource created")]
    NoRegions,
    /// The policies of the account can't be listed.
    #[error("could not list the policies: {0}")]
    PoliciesUnlisted(Cause),
    /// The role exists as the properties ask for, and lacks permissions that were to be verified.
    #[error(transparent)]
    NotVerified(#[from] NotVerified),
}

impl Refusal {
    /// Returns what the reason says about changes at its end. `None` where the reason is about the properties or the
    /// function, or has said it before.
    fn touched(&self) -> Option<Touched> {
        match self {
            Self::Misconfigured(_)
            | Self::Unavailable(_)
            | Self::NotAnObject(_)
            | Self::Invalid(_)
            | Self::RolesInUse(_) => None,
            Self::PoliciesInUse(_) => Some(Touched::NothingDeleted),
            Self::Prior(why) if why.refuses_deletion() => Some(Touched::NothingDeleted),
            _ => Some(Touched::Nothing),
        }
    }

    /// Returns the reason for the response: why the function does not act, and that nothing was changed.
    pub fn reason(&self) -> String {
        match self.touched() {
            Some(touched) => format!("{self}; {touched}"),
            None => self.to_string(),
        }
    }
}

impl From<StaleEvent> for Refusal {
    fn from(why: StaleEvent) -> Self {
        Self::Stale(Box::new(why))
    }
}

impl From<LookupError> for Refusal {
    fn from(why: LookupError) -> Self {
        Self::Lookup(Box::new(why))
    }
}
