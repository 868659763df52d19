//! Writes a JSON Schema of each resource type, for editors and for the rules in `lint/`.

#![expect(dead_code, reason = "of these types only the schemas are wanted")]

mod common;
mod deploy_target;
mod execution_role;
mod forms;
mod mlops_roles;
mod role_set;
mod service_catalog_roles;
mod workflow_role;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, io};

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use ::mlops_roles_core::resource;

/// The message for arguments that are not valid.
const USAGE: &str = "usage: generate [--check] FOLDER";

/// Writes the schemas, or checks them with `--check`.
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (checks, folder) = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--check", folder] | [folder, "--check"] => (true, *folder),
        [folder] if !folder.starts_with('-') => (false, *folder),
        _ => return said(USAGE),
    };
    let written = if checks { check(Path::new(folder)) } else { write(Path::new(folder)) };
    written.map_or_else(|why| said(&why), |()| ExitCode::SUCCESS)
}

/// Writes the message to the standard error and returns the exit code of a failure.
///
/// An error of that write is ignored, because no place is left to report it.
fn said(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::FAILURE
}

/// Writes all schemas to the folder and creates the folder if it is absent.
///
/// # Errors
/// When the folder or a file can't be written.
fn write(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (name, text) in files()? {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Compares the files of the folder with the schemas.
///
/// # Errors
/// When a file is absent or differs; the message names all such files.
fn check(folder: &Path) -> Result<(), String> {
    let mut differing = Vec::new();
    for (name, text) in files()? {
        let path = folder.join(name);
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            differing.push(format!("{}: not what the types say; write it anew with `make schemas`", path.display()));
        }
    }
    if differing.is_empty() { Ok(()) } else { Err(differing.join("\n")) }
}

/// Returns the name and text of each file, such as `SageMakerExecutionRole.json`.
///
/// # Errors
/// When a schema can't be serialized.
fn files() -> Result<Vec<(String, String)>, String> {
    let schemas = [
        schema::<workflow_role::WorkflowRole>(resource::workflow_role::TYPE),
        schema::<execution_role::ExecutionRole>(resource::execution_role::TYPE),
        schema::<deploy_target::DeployTarget>(resource::deploy_target::TYPE),
        schema::<mlops_roles::MlopsRoles>(resource::mlops_roles::TYPE),
        schema::<service_catalog_roles::ServiceCatalogRoles>(resource::service_catalog::TYPE),
    ];
    let texts = schemas.into_iter().map(|(name, schema)| {
        let text = serde_json::to_string_pretty(&schema).map_err(|error| format!("{name}: {error}"))?;
        Ok((name, text + "\n"))
    });
    texts.collect()
}

/// Returns the file name and the schema of the resource type `of`, whose properties are the fields of `T`.
fn schema<T: JsonSchema>(of: &str) -> (String, Schema) {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    RecursiveTransform(without_null).transform(&mut schema);
    RecursiveTransform(in_one_line).transform(&mut schema);
    schema.insert("title".to_owned(), of.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    (format!("{}.json", of.trim_start_matches("Custom::")), schema)
}

/// Removes `null` from the schema.
///
/// A field is an `Option` only because the property may be absent; CloudFormation does not accept `null`.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
        let null = forms.len();
        forms.retain(|form| form.get("type") != Some(&Value::from("null")));
        if let ([Value::Object(one)], true) = (forms.as_slice(), forms.len() < null) {
            let one = one.clone();
            schema.remove("anyOf");
            schema.ensure_object().extend(one);
        }
    }
}

/// Joins the lines of a description, because a doc comment breaks lines where the source has no more room.
fn in_one_line(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}
