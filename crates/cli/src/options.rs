//! Defines the options of the command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// What mlops-roles would provision: the plan, the trust, each statement with the state that needs it, and why a
/// wildcard remains. Nothing is written to AWS.
///
/// Exit code: 0, all is well; 1, the function would refuse it, or it can't be read; 2, the account differs.
#[derive(Clone, Debug, Parser)]
#[command(name = "preview", version)]
pub struct Options {
    /// A SAM or CloudFormation template, an event of a custom resource, or a state machine definition (JSON or YAML)
    pub file: PathBuf,
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// What a template can't tell: a parameter, a condition, an export, a physical id (`Topic`), an attribute
    /// (`ExecutionRole.Arn`); for a definition, what stands for `${NAME}`
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// A property of the workflow role that a bare definition is for; said again, it becomes a list
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub property: Vec<(String, String)>,
    /// A parameter that mlops-roles is deployed with, where it is not the default (`RoleNamePrefixes=Team`)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub deployer: Vec<(String, String)>,
    /// Only this resource of a template
    #[arg(long, value_name = "LOGICAL_ID")]
    pub resource: Vec<String>,
    /// Twelve digits
    #[arg(long, value_parser = account_id)]
    pub account: Option<String>,
    /// Where it will be deployed; with `--against-account`, where the credentials are used
    #[arg(long)]
    pub region: Option<String>,
    /// By default that of the region, or `aws`
    #[arg(long)]
    pub partition: Option<String>,
    /// The stack that the template is deployed as
    #[arg(long)]
    pub stack_name: Option<String>,
    /// Look at the real account, and print what differs from it
    #[arg(long)]
    pub against_account: bool,
    /// The stack that mlops-roles is deployed as
    #[arg(long, value_name = "STACK", default_value = "mlops-roles")]
    pub deployment: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    Text,
    Markdown,
    Json,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn account_id(text: &str) -> Result<String, String> {
    let is_one = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    is_one.then(|| text.to_owned()).ok_or_else(|| "expected twelve digits".to_owned())
}
