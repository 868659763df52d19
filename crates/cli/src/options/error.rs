//! Why an option can't be used as it is given.

use std::path::PathBuf;

use mlops_roles_core::guardrails::MisconfiguredEnvironment;
use mlops_roles_core::iam::arn::{is_region, partitions};
use mlops_roles_core::text::listed;

use crate::input::document::DocumentError;
use crate::input::repository::FileError;

/// Why an option can't be used as it is given. `file` is the kind of the file: `a template`.
#[derive(Debug, thiserror::Error)]
pub enum OptionError {
    /// A property is given, and the file has the properties itself.
    #[error("`{option}`: applies only to a state machine definition, and the file is {file}; leave the option out")]
    PropertyOfFile { option: &'static str, file: &'static str },
    /// `--set` is given, and the file is a definition.
    #[error(
        "`--set`: does not apply to a state machine definition; give the value of a `${{NAME}}` with \
         `--definition-substitution`"
    )]
    SetOfDefinition,
    /// `--against-account` is given, and the file is a definition.
    #[error(
        "`--against-account`: applies only to a template or an event, because a definition alone belongs to no \
         stack; leave the option out"
    )]
    AccountOfDefinition,
    /// Another option has no effect on this kind of file.
    #[error("`{option}`: does not apply to {file}; leave the option out")]
    Idle { option: &'static str, file: &'static str },
    /// `--definition` names no workflow role of the file that needs a definition. `roles` are those that do.
    #[error(
        "`--definition {id}`: the file has no workflow role of this name that needs a definition{}",
        instead(None, .roles)
    )]
    Definition { id: String, roles: Vec<String> },
    /// `--resource` names no resource of mlops-roles. `resources` are those of the template.
    #[error(
        "`--resource {id}`: the template has no such resource of mlops-roles, expected one of {}",
        listed(.resources)
    )]
    Resource { id: String, resources: Vec<String> },
    /// `--set` has a name that the template does not use.
    #[error(
        "`--set {name}`: no resource of mlops-roles in the template uses this name{}",
        instead(.near.as_deref(), &[])
    )]
    SetInTemplate { name: String, near: Option<String> },
    /// `--definition-substitution` has a name that no definition of the file uses.
    #[error("`--definition-substitution {name}`: the definition has no `${{{name}}}`; leave the option out")]
    Substitution { name: String },
    /// `--property` would replace the definition, which is the file.
    #[error(
        "`--property {name}`: the file is the definition; leave the option out, and give the value of a \
         `${{NAME}}` with `--definition-substitution`"
    )]
    PropertyIsFile { name: String },
    /// Both options give the property.
    #[error("`--property TaskResources`: not allowed with `--task-resources`; leave one of the two out")]
    TaskResourcesTwice,
    /// The file with `TaskResources` can't be read. `named_by` is the option or the setting that names it.
    #[error("{named_by}: {problem}")]
    TaskResourcesFile { named_by: String, problem: FileError },
    /// The file with `TaskResources` is neither JSON nor YAML.
    #[error("{named_by}: `{}`: {problem}", .path.display())]
    TaskResourcesDocument { named_by: String, path: PathBuf, problem: DocumentError },
    /// The value of `--property` begins as JSON or YAML, and is neither.
    #[error("`--property {name}`: {problem}")]
    Property { name: String, problem: DocumentError },
    /// The partition does not exist.
    #[error("`--partition {partition}`: expected one of {}", listed(&all_partitions()))]
    Partition { partition: String },
    /// The region does not belong to the partition.
    #[error("`--region {region}`: expected a region of partition `{partition}`{}", such_as(.partition))]
    Region { region: String, partition: String },
    /// The credentials are for another account than `--account`.
    #[error(
        "`--account {asked}`: the credentials are for account {account}; use other credentials, or leave the \
         option out"
    )]
    Account { asked: String, account: String },
    /// `--against-account` is given without the name of the template's stack.
    #[error("`--against-account`: the stack of the template is unknown; set `--stack-name`")]
    NoStackName,
    /// `--deployer` names no parameter of the function. `parameters` are those that it has.
    #[error("`--deployer {name}`: mlops-roles has no such parameter{}", instead(.near.as_deref(), .parameters))]
    NoParameter { name: String, near: Option<String>, parameters: Vec<String> },
    /// `--deployer` gives a value that is not among the allowed values of the parameter.
    #[error("`--deployer {name}={value}`: expected one of {}", listed(.allowed))]
    Parameter { name: String, value: String, allowed: Vec<String> },
    /// `--deployer` gives a value that the function does not accept.
    #[error("`--deployer {}`: {}, expected {}", parameter(.wrong.variable), .wrong.found, .wrong.expected)]
    Guardrail { wrong: MisconfiguredEnvironment },
}

/// What to give instead, as the end of a message: the name that was probably meant, or one of those that exist.
fn instead(near: Option<&str>, all: &[String]) -> String {
    match near {
        Some(near) => format!(", did you mean `{near}`?"),
        None if all.is_empty() => "; leave the option out".to_owned(),
        None => format!(", expected one of {}", listed(all)),
    }
}

fn all_partitions() -> Vec<String> {
    partitions().map(str::to_owned).collect()
}

/// A region of the partition as an example, as the end of a message. Empty when no example is known.
fn such_as(partition: &str) -> String {
    let like = ["us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1", "us-isob-east-1"];
    let like = like.into_iter().find(|one| is_region(one, partition));
    like.map_or_else(String::new, |like| format!(", such as `{like}`"))
}

/// The name of the parameter that sets an environment variable: `RolePaths` for `ROLE_PATHS`.
fn parameter(variable: &str) -> String {
    let capitalized = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_owned() + &rest.to_ascii_lowercase()
    };
    variable.split('_').map(capitalized).collect()
}
