//! Defines the options of the command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use mlops_roles_core::guardrails::MisconfiguredEnvironment;
use mlops_roles_core::iam::arn::{is_region, partitions};
use mlops_roles_core::text::listed;

use crate::input::document::{Document, DocumentError};

/// Shows what mlops-roles would do for a template, an event or a state machine definition, without writing to AWS.
///
/// The output has the plan, the roles with their trust policies, and the statements of the policies. Each statement has
/// the states that need it, and the reason for each wildcard.
///
/// The exit code is 0 if there are no errors. It is 1 if the function would refuse a resource, or if the program can't
/// read the file, the options or the account. It is 2 if the account differs from the file, which only
/// `--against-account` checks. Code 1 has priority over code 2.
#[derive(Clone, Debug, Parser)]
#[command(name = "preview", version)]
pub struct Options {
    /// The file to preview, in JSON or YAML.
    ///
    /// A file with the key `Resources` is a SAM or CloudFormation template. A file with `RequestType` is an event that
    /// CloudFormation sends to the function. A file with `States` is a state machine definition.
    pub file: PathBuf,
    /// Sets the format of the output.
    ///
    /// `text` is for terminals, `markdown` for comments and summaries in CI, and `json` for other programs.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Sets a value that only a deployment knows. May be repeated.
    ///
    /// In a template, `NAME` is a parameter, a condition (`true` or `false`), an export, a physical id (`Topic`) or an
    /// attribute (`ExecutionRole.Arn`). In a definition, `NAME` is the name in `${NAME}`. By default, an unknown value
    /// is printed as `${NAME}`. The option does not apply to an event.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Sets a property of the workflow role that the definition is for. May be repeated.
    ///
    /// A property that is given twice becomes a list. A value that begins with `[` or `{` is read as JSON or YAML. The
    /// option applies only to a definition.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub property: Vec<(String, String)>,
    /// Reads the definition of a workflow role from a local file. May be repeated.
    ///
    /// The file takes the place of `DefinitionS3Location`, because the program does not read S3. The option does not
    /// apply to a definition.
    #[arg(long, value_name = "LOGICAL_ID=FILE", value_parser = pair)]
    pub definition: Vec<(String, String)>,
    /// Sets a deployer parameter, such as `RoleNamePrefixes=Team`. May be repeated.
    ///
    /// By default, a parameter has its default in `template.yaml`. With `--against-account`, it has the value of the
    /// stack in `--deployment`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub deployer: Vec<(String, String)>,
    /// Previews only the resource with this logical id. May be repeated.
    ///
    /// By default, the program previews all resources of mlops-roles. The option applies only to a template.
    #[arg(long, value_name = "LOGICAL_ID")]
    pub resource: Vec<String>,
    /// Sets the account to deploy to, as 12 digits.
    ///
    /// By default, it is the account of the roles that a template has literally and of `ResourceOverrides`, if all of
    /// them are in one account. Otherwise it is unknown. With `--against-account`, it must be the account of the credentials. The option does
    /// not apply to an event.
    #[arg(long, value_name = "ID", value_parser = account_id)]
    pub account: Option<String>,
    /// Sets the region to deploy to.
    ///
    /// By default, it is the region in `ResourceOverrides` and `DataKeys`, if they name just one. Otherwise it is
    /// unknown. With `--against-account`, it is the region that the program reads, and the default is that of the
    /// environment. The option applies to an event only with `--against-account`.
    #[arg(long)]
    pub region: Option<String>,
    /// Sets the partition to deploy to, such as `aws-cn`.
    ///
    /// By default, it is the partition of `--region`, or `aws`. With `--against-account`, the option has no effect. The
    /// option does not apply to an event.
    #[arg(long)]
    pub partition: Option<String>,
    /// Sets the name of the stack that the file is deployed as.
    ///
    /// By default, the name is unknown. With `--against-account`, a template requires the option. The option does not
    /// apply to an event.
    #[arg(long, value_name = "NAME")]
    pub stack_name: Option<String>,
    /// Reads the AWS account, and shows what differs from the file.
    ///
    /// The program uses the credentials and the region that the AWS CLI would use, except single sign-on. It must be
    /// built with the feature `account`. The option applies to a template or an event.
    #[arg(long)]
    pub against_account: bool,
    /// Sets the name of the stack that mlops-roles is deployed as.
    ///
    /// With `--against-account`, the guardrails are those of this stack.
    #[arg(long, value_name = "STACK", default_value = "mlops-roles")]
    pub deployment: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// For terminals.
    Text,
    /// For comments and summaries in CI.
    Markdown,
    /// For other programs.
    Json,
}

/// The reason why the text of an option is refused. The name of the option stands before it in a message.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("expected NAME=VALUE")]
    Pair,
    #[error("expected 12 digits")]
    Account,
}

fn pair(text: &str) -> Result<(String, String), Malformed> {
    let (name, value) = text.split_once('=').ok_or(Malformed::Pair)?;
    Ok((name.to_owned(), value.to_owned()))
}

fn account_id(text: &str) -> Result<String, Malformed> {
    let is_one = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    is_one.then(|| text.to_owned()).ok_or(Malformed::Account)
}

/// Why an option can't be used as it is given. `file` is the kind of the file: `a template`.
#[derive(Debug, thiserror::Error)]
pub enum OptionError {
    /// `--property` is given, and the file has the properties itself.
    #[error("`--property`: applies only to a state machine definition, and the file is {file}; leave the option out")]
    PropertyOfFile { file: &'static str },
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
    /// `--set` has a name that the definition does not use.
    #[error("`--set {name}`: the definition has no `${{{name}}}`; leave the option out")]
    SetInDefinition { name: String },
    /// `--property` would replace the definition, which is the file.
    #[error(
        "`--property {name}`: the file is the definition; leave the option out, and give the value of a \
         `${{NAME}}` with `--set`"
    )]
    PropertyIsFile { name: String },
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

impl Options {
    /// Refuses options that don't apply to the kind of the file: they would otherwise be ignored without a word.
    ///
    /// # Errors
    /// Those of the first option that does not apply.
    pub fn check(&self, document: &Document) -> Result<(), OptionError> {
        let (template, event) = (matches!(document, Document::Template(_)), matches!(document, Document::Event(_)));
        let definition = !template && !event;
        let set = |given: bool, name: &'static str| given.then_some(name);
        let idle = [
            set(!definition && !self.property.is_empty(), "--property"),
            set(!template && !self.resource.is_empty(), "--resource"),
            set(event && !self.set.is_empty(), "--set"),
            set(event && self.account.is_some(), "--account"),
            set(event && self.region.is_some() && !self.against_account, "--region"),
            set(event && self.partition.is_some(), "--partition"),
            set(event && self.stack_name.is_some(), "--stack-name"),
            set(definition && self.against_account, "--against-account"),
            set(definition && !self.definition.is_empty(), "--definition"),
        ];
        let file = document.kind();
        match idle.into_iter().flatten().next() {
            Some("--property") => Err(OptionError::PropertyOfFile { file }),
            Some("--against-account") => Err(OptionError::AccountOfDefinition),
            Some(option) => Err(OptionError::Idle { option, file }),
            None => Ok(()),
        }
    }

    /// Refuses a `--definition` for a resource that is not one of `roles`, the logical ids of the workflow roles.
    ///
    /// # Errors
    /// Those of the first `--definition` that does not apply.
    pub fn check_definitions(&self, roles: Vec<String>) -> Result<(), OptionError> {
        match self.definition.iter().find(|(id, _)| !roles.contains(id)) {
            Some((id, _)) => Err(OptionError::Definition { id: id.clone(), roles }),
            None => Ok(()),
        }
    }
}
