//! Why there are no policies.

use std::io;
use std::path::PathBuf;

use mlops_roles_core::text::listed;

/// The properties of a workflow role that its policies depend on, besides the definition.
pub const PROPERTIES: [&str; 9] = [
    "DataKeys",
    "KmsKeyArn",
    "Logging",
    "ResourceOverrides",
    "SageMakerExecutionRoleArns",
    "StateMachineName",
    "TaskActions",
    "TaskResources",
    "Tracing",
];

/// Why there are no policies.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No file is given.
    #[error("FILE is missing; name a state machine definition or a template, or `-` for standard input")]
    NoFile,
    /// A file is given beside a query.
    #[error("FILE: not allowed with `--format terraform-external`, whose query has `file`; leave FILE out")]
    FileBesideQuery,
    /// A folder for the output is given beside a query.
    #[error("`--output-dir`: not allowed with `--format terraform-external`, which prints its result; leave it out")]
    FolderBesideQuery,
    /// The settings have a property that does not exist.
    #[error("`mlops-roles.toml`: `properties`: `{name}`: a workflow role has no such property{}", did_you_mean(.near.as_deref()))]
    NoProperty { name: String, near: Option<String> },
    /// `--resource` names a state machine that the stack does not have.
    #[error("`--resource {id}`: condition `{condition}` is false, so the stack does not have this state machine")]
    SwitchedOff { id: String, condition: String },
    /// The file is an event.
    #[error("the file is an event, expected a state machine definition or a template with a state machine")]
    Event,
    /// The template has no state machine.
    #[error("the template has no state machine (`AWS::Serverless::StateMachine`, `AWS::StepFunctions::StateMachine`)")]
    NoMachine,
    /// The template has several state machines.
    #[error("the template has several state machines; choose one of {} with `--resource`", listed(.ids))]
    Several { ids: Vec<String> },
    /// `--resource` names no state machine.
    #[error("`--resource {id}`: the template has no such state machine, expected one of {}", listed(.ids))]
    NotAMachine { id: String, ids: Vec<String> },
    /// `--resource` is given more than once.
    #[error("`--resource`: given {count} times; name one state machine")]
    ManyResources { count: usize },
    /// A property has no effect.
    #[error(
        "`--property {name}`: does not change the policies, expected one of {}",
        listed(&PROPERTIES.map(str::to_owned))
    )]
    Property { name: String },
    /// The policies can't be derived. Holds all errors.
    #[error("{}", .problems.join("\n"))]
    Refused { problems: Vec<String> },
    /// The documents have values that only a deployment knows. Holds what sets each.
    #[error(
        "the policies have values that are unknown: {}; set {}, or keep the names with `--placeholders`",
        listed(.names),
        .options.join(", ")
    )]
    Unknown { names: Vec<String>, options: Vec<String> },
    /// The documents have values that no template can fill in by their name. Holds what sets each.
    #[error("the policies have values that `Fn::Sub` can't fill in: {}; set {}", listed(.names), .options.join(", "))]
    NoPlaceholder { names: Vec<String>, options: Vec<String> },
    /// The query is no JSON object of strings.
    #[error("the query on standard input: {problem}")]
    Query { problem: String },
    /// The folder of the output is that of another state machine.
    #[error(
        "`{}`: has the policies of `{other}`; choose a folder for each state machine",
        .path.display()
    )]
    OtherMachine { path: PathBuf, other: String },
    /// A file of the output exists, and the program did not write it.
    #[error(
        "`{}`: exists, and no earlier run wrote it; choose another folder, or delete the file",
        .path.display()
    )]
    Foreign { path: PathBuf },
    /// A file of the output can't be written.
    #[error("`{}`: can't be written: {error}", .path.display())]
    Output { path: PathBuf, error: io::Error },
}

/// The end of a message: the name that was probably meant.
fn did_you_mean(near: Option<&str>) -> String {
    near.map_or_else(|| "; remove it".to_owned(), |near| format!(", did you mean `{near}`?"))
}
