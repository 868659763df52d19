//! The reasons that the permissions of a state can't be derived.

use crate::table::TableError;

/// The reason that the permissions of a state can't be derived. In a message, the path of the state precedes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The state lacks a member.
    #[error("`{member}`: missing, expected {expected}")]
    Missing {
        /// The member: `TrainingJobName`.
        member: String,
        /// The value that the member must have, as a noun phrase.
        expected: &'static str,
    },
    /// A member has a value of the wrong kind.
    #[error("`{member}`: found `{found}`, expected {expected}")]
    Unexpected {
        /// The member: `TrainingJobName`.
        member: String,
        /// The value of the member.
        found: String,
        /// The value that the member must have, as a noun phrase.
        expected: &'static str,
    },
    /// A literal has a wildcard.
    #[error("`{member}`: found `{found}`, expected a value without the wildcards `*` and `?`")]
    Wildcard {
        /// The member: `TrainingJobName`.
        member: String,
        /// The value of the member.
        found: String,
    },
    /// A role that the task assumes is known only at run time. The text is the member that names it.
    #[error("`{0}`: the role is known only at run time; name the roles in `ResourceOverrides`")]
    RoleAtRunTime(String),
    /// A role that the task passes is known only at run time.
    #[error(
        "`{member}`: the role is known only at run time; name the roles for `{service}` in `PassRoles` of \
         `TaskResources`, in `ResourceOverrides`, or in `SageMakerExecutionRoleArns`"
    )]
    PassedRoleAtRunTime {
        /// The member that names the role: `RoleArn`.
        member: String,
        /// The service principal that the role is passed to: `sagemaker.amazonaws.com`.
        service: String,
    },
    /// The `Resource` of a task, which is the text, still has a placeholder of `DefinitionSubstitutions`.
    #[error(
        "`Resource`: found `{0}`, expected text without `${{Name}}`; write the value, or set it in \
         `DefinitionSubstitutions`, which applies only to `Definition`"
    )]
    NotSubstituted(String),
    /// Step Functions has no optimised integration with a service.
    #[error(
        "`{service}`: Step Functions has no optimised integration with this service{}; correct the service, or call \
         the API as `aws-sdk:<service>:<action>`",
        hint(.near.as_deref())
    )]
    ServiceNotIntegrated {
        /// The service that the task names.
        service: String,
        /// The service that the task most likely means: `sagemaker`.
        near: Option<String>,
    },
    /// Step Functions has no optimised integration with an action of a service.
    #[error(
        "`{service}:{action}`: Step Functions has no such optimised integration{}; correct the action, or call the \
         API as `aws-sdk:<service>:<action>`",
        hint(.near.as_deref())
    )]
    ActionNotIntegrated {
        /// The service that the task names.
        service: String,
        /// The action that the task names.
        action: String,
        /// The integration that the task most likely means: `sagemaker:createTrainingJob`.
        near: Option<String>,
    },
    /// Step Functions does not support a pattern such as `sync` for an action.
    #[error(
        "`{service}:{action}.{pattern}`: Step Functions does not support `.{pattern}` for this action; use another \
         pattern, or none"
    )]
    UnsupportedPattern {
        /// The service that the task names.
        service: String,
        /// The action that the task names.
        action: String,
        /// The pattern that the task names.
        pattern: String,
    },
    /// A task of an express child workflow has a pattern such as `sync`.
    #[error(
        "`{service}:{action}.{pattern}`: a distributed map of type `EXPRESS` does not support `.{pattern}`; remove \
         it, or use the type `STANDARD`"
    )]
    PatternInExpress {
        /// The service that the task names.
        service: String,
        /// The action that the task names.
        action: String,
        /// The pattern that the task names.
        pattern: String,
    },
    /// The names of a service and an API can't be those of an API.
    #[error("`aws-sdk:{service}:{action}` is not an API; name an API such as `aws-sdk:s3:getObject`")]
    NotAnApi {
        /// The service that the task names.
        service: String,
        /// The API that the task names.
        action: String,
    },
    /// The table of APIs lacks a service.
    #[error("`aws-sdk:{service}`: AWS has no such service{}; correct the service", hint(.near.as_deref()))]
    UnknownService {
        /// The service that the task names.
        service: String,
        /// The service that the task most likely means.
        near: Option<String>,
    },
    /// The table of APIs lacks an API of a service.
    #[error(
        "`aws-sdk:{service}:{api}`: the service has no such API{} as of {date}; correct the API",
        hint(.near.as_deref())
    )]
    UnknownApi {
        /// The service, as Step Functions writes it.
        service: &'static str,
        /// The API that the task names.
        api: String,
        /// The API that the task most likely means: `createEndpoint`.
        near: Option<String>,
        /// The date of the table: `2026-10-27`.
        date: &'static str,
    },
    /// A table of this project is broken.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// The closest name for a message. Empty if there is none.
fn hint(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}
