//! The errors that end a command.

use std::io;
use std::path::{Path, PathBuf};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::protocol::request::Broken;
use mlops_roles_core::resource::TYPES;

use crate::config::ConfigError;
use crate::input::document::DocumentError;
use crate::options::error::OptionError;
use crate::plan::account::AccountError;
use crate::policy::error::PolicyError;
use crate::settings::SettingsError;
use crate::show::find::ShowError;

/// Why a command ends without a result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refuses what the program needs to run.
    #[error("{0}")]
    Runtime(io::Error),
    /// The input file can't be read.
    #[error("`{}`: {problem}", .path.display())]
    File { path: PathBuf, problem: DocumentError },
    /// One of several files leads to an error.
    #[error("`{}`: {error}", .path.display())]
    OfFile { path: PathBuf, error: Box<Error> },
    /// Standard output can't be written.
    #[error("standard output can't be written: {0}")]
    Output(io::Error),
    /// `man` names no command.
    #[error("`{found}`: no such command, expected one of {commands}")]
    NoCommand { found: String, commands: String },
    /// There is nothing to show.
    #[error(transparent)]
    Show(#[from] ShowError),
    /// There are no policies.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The settings of the repository can't be used.
    #[error(transparent)]
    Config(ConfigError),
    /// The template of the function can't be read, which would be a bug in this program.
    #[error("{0}")]
    FunctionTemplate(DocumentError),
    /// An option can't be used as it is given.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The account can't be read.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The file has `RequestType`, but is not an event.
    #[error("{}", .0.why)]
    Event(Box<Broken>),
    /// The `StackId` of the event is not the ARN of a stack.
    #[error("`StackId`: found `{found}`, expected the ARN of a stack")]
    StackId { found: String },
    /// The stack of the event is not where the credentials lead to.
    #[error(
        "`StackId`: found `{found}`, expected a stack of {place}; use the credentials and the region of the \
         stack"
    )]
    OtherPlace { found: String, place: Place },
    /// A resource of the template has a type that is almost one of mlops-roles.
    #[error("resource `{resource}`: `{kind}` is not a type of mlops-roles, did you mean `{near}`?")]
    UnknownType { resource: String, kind: String, near: &'static str },
    /// The template has nothing to plan.
    #[error(
        "the template has no resource of mlops-roles (`{}`); for the policies of a state machine of the template, use \
         `mlops-roles policy`",
        TYPES.join("`, `")
    )]
    NoResource,
    /// The template has more resources than CloudFormation accepts.
    #[error(
        "the template has {found} resources, expected at most 500, the maximum of CloudFormation; divide the template"
    )]
    TooManyResources { found: usize },
    /// The definition has more names than the program finds values for.
    #[error("the definition has {found} different `${{NAME}}`, expected at most 20,000; use fewer of them")]
    TooManyNames { found: usize },
    /// The comparison with the account needs values that only the deployment knows. Holds their names.
    #[error(
        "resource `{resource}`: the deployed value of `{}` is unknown; set it with `--set NAME=VALUE`",
        .names.join("`, `")
    )]
    UnknownValues { resource: String, names: Vec<String> },
    /// The report can't be written as JSON, which would be a bug in this program.
    #[error(transparent)]
    Report(#[from] serde_json::Error),
}

impl Error {
    /// The texts of the error: one for each problem.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Policy(PolicyError::Refused { problems }) => problems.clone(),
            other => vec![other.to_string()],
        }
    }

    /// The error with the file that it is about, if it does not name it.
    pub fn of_file(self, path: &Path) -> Self {
        match self {
            Self::File { .. } => self,
            error => Self::OfFile { path: path.to_owned(), error: Box::new(error) },
        }
    }
}

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Config(error) => Self::Config(error),
            SettingsError::Option(error) => Self::Option(error),
        }
    }
}
