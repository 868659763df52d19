//! Writes what is generated in this repository: `template.yaml`, JSON Schemas, and tables of the documentation.
//!
//! The schemas of the resource types are for editors and for the rules in `lint/`. Those of the command line are for
//! programs that read its output, and for editors of `mlops-roles.toml`.

#![expect(dead_code, reason = "of these types only the schemas are wanted")]

mod command_line;
mod common;
mod deploy_target;
mod error;
mod execution_role;
mod forms;
mod mlops_roles;
mod page;
mod role_set;
mod service_catalog_roles;
mod template;
mod transform;
mod workflow_role;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};

use ::mlops_roles_core::resource;

use error::Error;
use page::Sources;
use transform::{in_one_line, without_null};

/// The folders whose pages have generated parts.
const PAGES: [&str; 2] = ["docs/reference", "docs/evidence"];

/// Writes the template, the schemas and the generated parts of the documentation, or checks them with `--check`.
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--check"] => files().and_then(check),
        [] => files().and_then(write),
        _ => Err(Error::Arguments),
    };
    done.map_or_else(|why| failed(&why), |()| ExitCode::SUCCESS)
}

/// Writes the message to the standard error and returns the exit code of a failure.
///
/// An error of that write is ignored, because no place is left to report it.
fn failed(why: &Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::FAILURE
}

/// Writes the files.
///
/// # Errors
/// When a file can't be written.
fn write(files: Vec<(PathBuf, String)>) -> Result<(), Error> {
    for (path, text) in files {
        fs::write(&path, text).map_err(Error::of_file(&path))?;
    }
    Ok(())
}

/// Compares the files with what was generated.
///
/// # Errors
/// When a file is absent or differs; the message names all such files.
fn check(files: Vec<(PathBuf, String)>) -> Result<(), Error> {
    let stale = files.into_iter().filter(|(path, text)| fs::read_to_string(path).ok().as_ref() != Some(text));
    let stale: Vec<PathBuf> = stale.map(|(path, _)| path).collect();
    if stale.is_empty() { Ok(()) } else { Err(Error::Stale(stale)) }
}

/// Returns the path and text of each generated file.
///
/// # Errors
/// When a part of the template or a page can't be read, asks for what does not exist, or lacks what it must have.
fn files() -> Result<Vec<(PathBuf, String)>, Error> {
    let schemas = schemas();
    let mut files = Vec::new();
    for (name, schema) in schemas.iter().chain(&command_line::schemas()) {
        let text = serde_json::to_string_pretty(schema);
        let text = text.map_err(|why| Error::Schema { name: name.clone(), why })?;
        files.push((PathBuf::from(format!("schemas/{name}.json")), text + "\n"));
    }
    let schemas = schemas.into_iter().map(|(name, schema)| (name, schema.to_value())).collect();
    let template = template::text()?;
    // The pages have the tables of this text. The command line was compiled with the text before.
    let mut sources = Sources::new(schemas, &template)?;
    files.push((PathBuf::from(template::FILE), template));
    for folder in PAGES.map(Path::new) {
        let entries = fs::read_dir(folder).map_err(Error::of_file(folder))?;
        let mut pages: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        pages.sort();
        for page in pages {
            let text = fs::read_to_string(&page).map_err(Error::of_file(&page))?;
            let text = sources.filled(&page, &text)?;
            files.push((page, text));
        }
    }
    let missing = sources.missing();
    if missing.is_empty() { Ok(files) } else { Err(Error::MissingFromPages(missing)) }
}

/// Returns the name and schema of each resource type, such as `SageMakerExecutionRole`.
fn schemas() -> [(String, Schema); 5] {
    [
        schema::<workflow_role::WorkflowRole>(resource::workflow_role::TYPE),
        schema::<execution_role::ExecutionRole>(resource::execution_role::TYPE),
        schema::<deploy_target::DeployTarget>(resource::deploy_target::TYPE),
        schema::<mlops_roles::MlopsRoles>(resource::mlops_roles::TYPE),
        schema::<service_catalog_roles::ServiceCatalogRoles>(resource::service_catalog::TYPE),
    ]
}

/// Returns the name and the schema of the resource type `of`, whose properties are the fields of `T`.
fn schema<T: JsonSchema>(of: &str) -> (String, Schema) {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(without_null).transform(&mut schema);
    RecursiveTransform(in_one_line).transform(&mut schema);
    schema.insert("title".to_owned(), of.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    (of.trim_start_matches("Custom::").to_owned(), schema)
}
