//! The options of `mlops-roles policy`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::input::InputOptions;

/// Derives the policies of a state machine's role as plain IAM policy documents.
///
/// The output is one JSON object. It has the trust policy, the scoped policies, each within IAM's quota, and the policy
/// for `iam:PassRole`. It also has the reason for each wildcard, and what the states need and nobody names.
///
/// The exit code is 0 if the policies have all that the definition tells. It is 1 if there is an error, or with
/// `--strict` if a state certainly needs what nobody names. With code 1, nothing is written.
#[derive(Args, Clone, Debug)]
pub struct PolicyOptions {
    /// The file with the state machine, in JSON or YAML. `-` is standard input.
    ///
    /// A file with `States` is a state machine definition. A file with the key `Resources` is a SAM or CloudFormation
    /// template with a state machine. With `--format terraform-external`, the query names the file.
    pub file: Option<PathBuf>,
    /// Sets the format of the output.
    ///
    /// `json` is one JSON object. `terraform-external` is the protocol of Terraform's `external` data source: the
    /// program reads the query on standard input and prints one object of strings.
    #[arg(long, value_enum, default_value = "json")]
    pub format: Format,
    /// Writes the documents to files in this folder instead of printing them.
    ///
    /// The files are `trust-policy.json`, `policy-1.json` and further numbers, `pass-role-policy.json` if a role is
    /// passed, and `result.json`, which has the whole object. The program creates the folder. It deletes the files of
    /// its earlier result that the new one lacks.
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    /// Refuses a state machine with states that certainly need what nobody names.
    ///
    /// By default, such needs are in the output and on standard error.
    #[arg(long)]
    pub strict: bool,
    /// Prints an unknown value as `${NAME}` instead of refusing it.
    ///
    /// The documents are then for `Fn::Sub` or another template. IAM does not accept them.
    #[arg(long)]
    pub placeholders: bool,
    /// What is known besides the file.
    #[command(flatten)]
    pub input: InputOptions,
}

/// The format of the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object.
    Json,
    /// The protocol of Terraform's `external` data source.
    TerraformExternal,
}
