//! `mlops-roles policy`: the policies that the role of a state machine needs, as plain IAM policy documents.

mod directory;
pub mod error;
mod machine;
mod query;
pub mod result;

use std::path::Path;

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::text::closest;
use serde_json::{Map, Value};

use crate::REFUSED;
use crate::error::Error;
use crate::input::document::{Document, parse};
use crate::options::policy::{Format, PolicyOptions};
use crate::output::{complain, note, print};
use crate::plan::scene::Scene;
use crate::settings::Settings;
use error::{PROPERTIES, PolicyError};
use machine::Machine;
use query::Query;
use result::Derived;

/// The JSON Schema of a workflow role, which has the names of its properties.
const WORKFLOW_ROLE: &str = include_str!("../../../../schemas/StepFunctionsWorkflowRole.json");

/// Prints or writes the policies of a state machine, and returns the exit code.
///
/// # Errors
/// When the policies can't be derived or written.
pub fn run(options: &PolicyOptions) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
    let asked = match options.format {
        Format::Json => {
            let file = options.file.as_ref().ok_or(PolicyError::NoFile)?;
            Query::of_file(file, &options.input)
        }
        Format::TerraformExternal => Query::from_stdin(options)?,
    };
    let derived = runtime.block_on(Box::pin(derive(&asked, options.placeholders)))?;
    let is_strict = asked.strict.unwrap_or(options.strict || derived.is_strict);
    let is_refused = is_strict && !derived.undeclared.is_empty();
    for one in &derived.undeclared {
        if is_refused { complain(one) } else { note(one) }
    }
    if is_refused {
        return Ok(REFUSED);
    }
    for one in &derived.policies.notes {
        note(one);
    }
    match (&options.output_dir, options.format) {
        (Some(folder), _) => directory::write(folder, &derived.policies)?,
        (None, Format::Json) => print(&format!("{}\n", serde_json::to_string_pretty(&derived.policies)?))?,
        (None, Format::TerraformExternal) => print(&format!("{}\n", derived.policies.flat()?))?,
    }
    Ok(0)
}

/// Derives the policies of the state machine that a query asks for.
async fn derive(asked: &Query, placeholders: bool) -> Result<Derived, Error> {
    let file: &Path = asked.file.as_deref().unwrap_or(Path::new("-"));
    let named = asked.file.as_deref().unwrap_or(Path::new("definition"));
    let read = |problem| Error::File { path: named.to_owned(), problem };
    let text = match &asked.definition {
        Some(text) => text.clone(),
        None => Document::read(file).map_err(read)?,
    };
    let document = Document::parse(&text).map_err(read)?;
    let mut settings = Settings::new(file, &asked.input, true)?;
    settings.deployer.clear();
    let needless = asked.input.property.iter().find(|(name, _)| !PROPERTIES.contains(&name.as_str()));
    if let Some((name, _)) = needless {
        return Err(PolicyError::Property { name: name.clone() }.into());
    }
    check_configured(&settings)?;
    settings.configured.retain(|name, _| PROPERTIES.contains(&name.as_str()));
    settings.guesses = false;
    settings.given.check(&document, false, true)?;
    let mut scene = Scene::set(&settings, &document).await?;
    scene.guardrails = without_limits(scene.guardrails);
    let derived = match &document {
        Document::Template(template) => {
            let machine = Machine::find(&scene, template, &asked.input.resource)?;
            machine.check(&settings)?;
            scene.derived(machine.id, &|symbols| machine.given(&scene, template, symbols), placeholders)
        }
        Document::Definition(definition) => {
            let properties = scene.properties_of(definition)?;
            scene.derived(&stem(file), &properties, placeholders)
        }
        Document::Event(_) => return Err(PolicyError::Event.into()),
    }?;
    Ok(Derived { is_strict: settings.strict, ..derived })
}

/// Refuses a property of the settings that no workflow role has.
fn check_configured(settings: &Settings<'_>) -> Result<(), PolicyError> {
    let Some(schema) = settings.configured.keys().next().map(|_| parse(WORKFLOW_ROLE)) else { return Ok(()) };
    let schema = schema.unwrap_or_default();
    let names = || schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    match settings.configured.keys().find(|name| !names().any(|known| known == *name)) {
        Some(name) => {
            let near = closest(name, names().map(String::as_str)).map(str::to_owned);
            Err(PolicyError::NoProperty { name: name.clone(), near })
        }
        None => Ok(()),
    }
}

/// The guardrails of somebody who deploys the policies without the function: whoever deploys sets the limits.
fn without_limits(guardrails: Guardrails) -> Guardrails {
    Guardrails { passable_roles: vec!["*".to_owned()], ..guardrails }
}

/// The name of a bare definition: `churn` for `machines/churn.asl.json`.
fn stem(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match name.split('.').next() {
        Some("" | "-") | None => "StateMachine".to_owned(),
        Some(stem) => stem.to_owned(),
    }
}
