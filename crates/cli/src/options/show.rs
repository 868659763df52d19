//! The options of `mlops-roles show`.

use clap::{Args, ValueEnum};

/// Shows what an integration of Step Functions or an API of AWS needs, why, and the source.
///
/// The exit code is 0 if something was found, and 1 otherwise.
#[derive(Args, Clone, Debug)]
pub struct ShowOptions {
    /// The integration or API, as in the `Resource` of a task.
    ///
    /// Examples are `sagemaker:createTrainingJob.sync` and `aws-sdk:sagemaker:describeEndpoint`. The beginning
    /// `arn:aws:states:::` may be left out.
    #[arg(required_unless_present = "search", conflicts_with = "search")]
    pub name: Option<String>,
    /// Lists the integrations and APIs that have each word of the text in their name or in an IAM action.
    ///
    /// Upper and lower case are alike.
    #[arg(long, value_name = "TEXT")]
    pub search: Option<String>,
    /// Sets the format of the output.
    ///
    /// `text` is for terminals, and `json` for other programs.
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// The format of what is shown.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// For terminals.
    Text,
    /// For other programs.
    Json,
}
