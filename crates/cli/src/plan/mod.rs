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

use std::io::Read as _;
use std::path::Path;

use mlops_roles_core::resource::TYPES;
use serde_json::Value;

use crate::error::Error;
use crate::input::document::{Document, DocumentError};
use crate::input::read::ReadError;
use crate::options::plan::{Format, PlanOptions};
use crate::output::{complain, print, progress};
use crate::settings::Settings;
use crate::{DIFFERENT, REFUSED};
use report::Report;

/// How much of a file is searched at once, in bytes.
const PART: u64 = 1_048_576;

/// Prints the plans of the files, and returns the exit code.
///
/// # Errors
/// When the only file can't be read, or the output can't be written. With several files, an error of one does not stop
/// the others.
pub fn run(options: &PlanOptions) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let (mut reports, mut is_refused) = (Vec::new(), false);
    let is_one = options.files.len() == 1;
    let progress = progress(options.files.len(), options.against_account);
    for file in &options.files {
        let found = runtime.block_on(Box::pin(of_file(options, file)));
        progress.inc(1);
        let found = progress.suspend(|| match found {
            Ok(found) => print_reports(&found, file, options).map(|()| Some(found)),
            Err(error) if is_one => Err(error),
            Err(error) => {
                complain(&error.of_file(file));
                Ok(None)
            }
        })?;
        is_refused |= found.is_none();
        reports.extend(found.into_iter().flatten());
    }
    progress.finish_and_clear();
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
    let is_file = file != Path::new("-");
    if options.skip_others && is_file && !mentions_type(file).map_err(|error| read(error.into()))? {
        return Ok(Vec::new());
    }
    let text = Document::read(file).map_err(read)?;
    let document = match Document::parse(&text) {
        Ok(document) if options.skip_others && !has_type(&document) => return Ok(Vec::new()),
        Err(DocumentError::NoKind) if options.skip_others => return Ok(Vec::new()),
        parsed => parsed.map_err(read)?,
    };
    let mut settings = Settings::new(file, &options.input, matches!(document, Document::Definition(_)))?;
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

/// Whether a file may name a type of mlops-roles: as it is, or with an escape of JSON or YAML in it. The file may have any
/// size.
fn mentions_type(file: &Path) -> Result<bool, ReadError> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(true);
    }
    let longest = TYPES.iter().map(|kind| kind.len()).max().unwrap_or_default();
    let (mut reader, mut part) = (std::fs::File::open(file)?, Vec::new());
    loop {
        let read = reader.by_ref().take(PART).read_to_end(&mut part)?;
        let has = |text: &[u8]| part.windows(text.len()).any(|window| window == text);
        if TYPES.iter().any(|kind| has(kind.as_bytes()))
            || [r"\x", r"\u", r"\U"].iter().any(|sign| has(sign.as_bytes()))
        {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        // A name may begin in this part and end in the next.
        part.drain(..part.len().saturating_sub(longest));
    }
}

/// Whether a document has something of mlops-roles. A definition alone belongs to no resource.
fn has_type(document: &Document) -> bool {
    let text = match document {
        Document::Template(value) => value.get("Resources").map(Value::to_string),
        Document::Event(value) => value.get("ResourceType").map(Value::to_string),
        Document::Definition(_) => None,
    };
    text.is_some_and(|text| TYPES.iter().any(|kind| text.contains(kind)))
}

/// Prints the reports on one file, except in JSON, which is one list for all files.
fn print_reports(reports: &[Report], file: &Path, options: &PlanOptions) -> Result<(), Error> {
    let file = file.display().to_string();
    let (heading, texts): (_, Vec<String>) = match options.format {
        Format::Text => (report::text::heading(&file), reports.iter().map(report::text::render).collect()),
        Format::Markdown => (report::markdown::heading(&file), reports.iter().map(report::markdown::render).collect()),
        Format::Json => return Ok(()),
    };
    if options.files.len() > 1 && !reports.is_empty() {
        print(&heading)?;
    }
    texts.iter().try_for_each(|text| print(&format!("{text}\n")))
}
