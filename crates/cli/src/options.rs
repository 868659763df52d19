//! Defines the options of the command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

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

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn account_id(text: &str) -> Result<String, String> {
    let is_one = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    is_one.then(|| text.to_owned()).ok_or_else(|| "expected 12 digits".to_owned())
}
