//! `mlops-roles show`: what one integration or API needs of IAM, why, and which page says so.

pub mod find;
mod form;
mod need;
mod resource;
pub mod search;
pub mod shown;
mod sources;
pub mod text;
mod when;

use crate::REFUSED;
use crate::error::Error;
use crate::options::show::{Format, ShowOptions};
use crate::output::print;

/// Prints what an integration or an API needs, or what a search finds, and returns the exit code.
///
/// # Errors
/// When there is nothing of this name, or the output can't be written.
pub fn run(options: &ShowOptions) -> Result<u8, Error> {
    if let Some(text) = &options.search {
        let found = search::search(text);
        match options.format {
            Format::Text => print(&text::render_found(&found))?,
            Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?,
        }
        return Ok(if found.is_empty() { REFUSED } else { 0 });
    }
    let shown = find::find(options.name.as_deref().unwrap_or_default())?;
    match options.format {
        Format::Text => print(&text::render(&shown))?,
        Format::Json => print(&format!("{}\n", serde_json::to_string_pretty(&shown)?))?,
    }
    Ok(0)
}
