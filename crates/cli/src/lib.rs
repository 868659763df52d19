//! The command line, which shows what mlops-roles would provision for a template, an event or a state machine
//! definition. The command line never writes to AWS.

mod error;
pub mod input;
pub mod options;
pub mod plan;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

use error::Error;
use options::{Format, Options};
use plan::report::Report;
use plan::{report, scene};

/// The exit code when the function would refuse a resource, or the input can't be read.
const REFUSED: u8 = 1;
/// The exit code when the account differs from what the file asks for.
const DIFFERENT: u8 = 2;

/// Runs the command line on the arguments of the process, and returns its exit code.
pub fn run() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            // Printing fails only when nobody reads the output.
            drop(error.print());
            return ExitCode::from(if error.use_stderr() { REFUSED } else { 0 });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(scene::reports(&options))),
        Err(error) => Err(Error::Runtime(error)),
    };
    let reports = match outcome {
        Ok(reports) => reports,
        Err(error) => {
            drop(writeln!(anstream::stderr(), "preview: {error}"));
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
        Format::Text => reports.iter().try_for_each(|report| writeln!(out, "{}", report::text::render(report))),
        Format::Markdown => reports.iter().try_for_each(|report| writeln!(out, "{}", report::markdown::render(report))),
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(reports)?),
    }
}
