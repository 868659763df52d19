//! What mlops-roles would provision for a template, an event or a state machine definition. Writes nothing to AWS.

mod account;
mod document;
mod explain;
mod report;
mod scene;
mod subject;
mod symbol;
mod template;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use report::Report;

/// What mlops-roles would provision: the plan, the trust, each statement with the state that needs it, and why a
/// wildcard remains. Nothing is written to AWS.
///
/// Exit code: 0, all is well; 1, the function would refuse it, or it can't be read; 2, the account differs.
#[derive(Clone, Debug, Parser)]
#[command(name = "preview", version)]
pub struct Options {
    /// A SAM or CloudFormation template, an event of a custom resource, or a state machine definition (JSON or YAML)
    file: PathBuf,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// What a template can't tell: a parameter, a condition, an export, a physical id (`Topic`), an attribute
    /// (`ExecutionRole.Arn`); for a definition, what stands for `${NAME}`
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// A property of the workflow role that a bare definition is for; said again, it becomes a list
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    property: Vec<(String, String)>,
    /// A parameter that mlops-roles is deployed with, where it is not the default (`RoleNamePrefixes=Team`)
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    deployer: Vec<(String, String)>,
    /// Only this resource of a template
    #[arg(long, value_name = "LOGICAL_ID")]
    resource: Vec<String>,
    /// Twelve digits
    #[arg(long, value_parser = account_id)]
    account: Option<String>,
    /// Where it will be deployed; with `--against-account`, where the credentials are used
    #[arg(long)]
    region: Option<String>,
    /// By default that of the region, or `aws`
    #[arg(long)]
    partition: Option<String>,
    /// The stack that the template is deployed as
    #[arg(long)]
    stack_name: Option<String>,
    /// Look at the real account, and print what differs from it
    #[arg(long)]
    against_account: bool,
    /// The stack that mlops-roles is deployed as
    #[arg(long, value_name = "STACK", default_value = "mlops-roles")]
    deployment: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
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

const REFUSED: u8 = 1;
const DIFFERENT: u8 = 2;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Fails where nobody reads.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { REFUSED } else { 0 });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(scene::reports(&options))),
        Err(error) => Err(error.to_string()),
    };
    let reports = match outcome {
        Ok(reports) => reports,
        Err(why) => {
            drop(writeln!(anstream::stderr(), "preview: {why}"));
            return ExitCode::from(REFUSED);
        }
    };
    if print(&reports, options.format).is_err() {
        return ExitCode::from(REFUSED);
    }
    let is_refused = |report: &Report| !report.refusals.is_empty();
    let differs = |report: &Report| options.against_account && !report.steps.is_empty();
    ExitCode::from(match () {
        () if reports.iter().any(is_refused) => REFUSED,
        () if reports.iter().any(differs) => DIFFERENT,
        () => 0,
    })
}

fn print(reports: &[Report], format: Format) -> std::io::Result<()> {
    let mut out = anstream::stdout();
    match format {
        Format::Text => reports.iter().try_for_each(|report| writeln!(out, "{}", report::text(report))),
        Format::Markdown => reports.iter().try_for_each(|report| writeln!(out, "{}", report::markdown(report))),
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(reports)?),
    }
}
