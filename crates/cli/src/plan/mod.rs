//! `mlops-roles plan`: what the function would do for each resource of a file.

#[cfg_attr(not(feature = "account"), path = "no_account.rs")]
pub(crate) mod account;
mod course;
pub mod deployed;
mod explain;
mod guardrails;
pub mod report;
pub(crate) mod resource;
pub(crate) mod scene;
mod stack;
mod subject;

use std::path::Path;

use mlops_roles_core::resource::TYPES;

use crate::error::Error;
use crate::input::document::Document;
use crate::options::plan::{Format, PlanOptions};
use crate::output::{complain, print};
use crate::settings::Settings;
use crate::{DIFFERENT, REFUSED};
use report::Report;

/// Prints the plans of the files, and returns the exit code.
///
/// # Errors
/// When the only file can't be read, or the output can't be written. With several files, an error of one does not stop
/// the others.
pub fn run(options: &PlanOptions) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let (mut reports, mut is_refused) = (Vec::new(), false);
    let is_one = options.files.len() == 1;
    for file in &options.files {
        match runtime.block_on(Box::pin(of_file(options, file))) {
            Ok(found) => {
                if !matches!(options.format, Format::Json) && !found.is_empty() {
                    print(&heading(file, options.format, is_one))?;
                }
                for report in &found {
                    match options.format {
                        Format::Text => print(&format!("{}\n", report::text::render(report)))?,
                        Format::Markdown => print(&format!("{}\n", report::markdown::render(report)))?,
                        Format::Json => {}
                    }
                }
                reports.extend(found);
            }
            Err(error) if is_one => return Err(error),
            Err(error) => {
                is_refused = true;
                complain(&error.of_file(file));
            }
        }
    }
    if matches!(options.format, Format::Json) {
        print(&format!("{}\n", serde_json::to_string_pretty(&reports)?))?;
    }
    let differs = |report: &Report| options.against_account && !report.steps.is_empty();
    Ok(match () {
        () if is_refused || reports.iter().any(|report| !report.refusals.is_empty()) => REFUSED,
        () if reports.iter().any(differs) => DIFFERENT,
        () => 0,
    })
}

/// The reports on the resources of a file. Empty if the file is skipped.
async fn of_file(options: &PlanOptions, file: &Path) -> Result<Vec<Report>, Error> {
    let read = |problem| Error::File { path: file.to_owned(), problem };
    let text = Document::read(file).map_err(read)?;
    if options.skip_others && !TYPES.iter().any(|kind| text.contains(kind)) {
        return Ok(Vec::new());
    }
    let document = Document::parse(&text).map_err(read)?;
    let mut settings = Settings::new(file, &options.input)?;
    settings.against_account = options.against_account;
    settings.deployer.extend(options.deployer.iter().cloned());
    if let Some(deployment) = &options.deployment {
        settings.deployment.clone_from(deployment);
    }
    let mut reports = scene::reports(&settings, &document).await?;
    for report in &mut reports {
        report.file = file.display().to_string();
    }
    Ok(reports)
}

/// The line above the reports on one of several files.
fn heading(file: &Path, format: Format, is_one: bool) -> String {
    match format {
        Format::Text if !is_one => report::text::heading(&file.display().to_string()),
        Format::Markdown if !is_one => report::markdown::heading(&file.display().to_string()),
        _ => String::new(),
    }
}
