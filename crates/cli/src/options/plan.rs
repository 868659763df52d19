//! The options of `mlops-roles plan`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::input::InputOptions;
use super::pair;

/// Shows what mlops-roles would do for a template, an event or a state machine definition, without writing to AWS.
///
/// The output has the plan, the roles with their trust policies, and the statements of the policies. Each statement has
/// the states that need it, and the reason for each wildcard.
///
/// The exit code is 0 if there are no errors. It is 1 if the function would refuse a resource, or if the program can't
/// read a file, the options or the account. It is 2 if the account differs from the file, which only
/// `--against-account` checks. Code 1 has priority over code 2.
#[derive(Args, Clone, Debug)]
pub struct PlanOptions {
    /// The files to plan, in JSON or YAML. `-` is standard input.
    ///
    /// A file with the key `Resources` is a SAM or CloudFormation template. A file with `RequestType` is an event that
    /// CloudFormation sends to the function. A file with `States` is a state machine definition.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Sets the format of the output.
    ///
    /// `text` is for terminals, `markdown` for comments and summaries in CI, and `json` for other programs.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
    /// Skips each file that names no resource type of mlops-roles.
    ///
    /// By default, such a file is an error.
    #[arg(long)]
    pub skip_others: bool,
    /// Sets a deployer parameter, such as `RoleNamePrefixes=Team`. May be repeated.
    ///
    /// By default, a parameter has its default in `template.yaml`. With `--against-account`, it has the value of the
    /// stack in `--deployment`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub deployer: Vec<(String, String)>,
    /// Reads the AWS account, and shows what differs from the file.
    ///
    /// The program uses the credentials and the region that the AWS CLI would use, except single sign-on. It must be
    /// built with the feature `account`. The option applies to a template or an event.
    #[arg(long)]
    pub against_account: bool,
    /// Sets the name of the stack that mlops-roles is deployed as. The default is `mlops-roles`.
    ///
    /// With `--against-account`, the guardrails are those of this stack.
    #[arg(long, value_name = "STACK")]
    pub deployment: Option<String>,
    /// What is known besides the files.
    #[command(flatten)]
    pub input: InputOptions,
}

/// The format of a plan.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// For terminals.
    Text,
    /// For comments and summaries in CI.
    Markdown,
    /// For other programs.
    Json,
}
