//! Assembles `template.yaml` from its parts, which are YAML with directives.
//!
//! A directive is a line with a name in angle brackets. The program replaces the line by other lines and keeps its
//! indentation:
//!
//! ```text
//! Resource:
//!   - <roles>
//! ```
//!
//! A line with `<` that is no directive is an error, and so is a directive that no part has.
//!
//! Each part begins with the key of its section, such as `Resources:`. The template has the key once for all parts of
//! the section that follow each other.

mod alarms;
mod boundary;
mod entities;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mlops_roles_core::guardrails::boundary::BoundaryDenies;
use mlops_roles_core::resource::service_catalog_role::PATH;

use crate::error::Error;

/// The path of the template.
pub const FILE: &str = "template.yaml";

/// The folder with the parts.
const FOLDER: &str = "crates/generate/template";

/// The first line of the template.
const HEADER: &str =
    "# `make generate` writes this file from crates/generate/template. Change the parts there, and not this file.\n";

/// The files of the parts, in the order of the template.
const PARTS: [&str; 13] = [
    "head.yaml",
    "parameters.yaml",
    "conditions.yaml",
    "permissions_boundary.yaml",
    "function.yaml",
    "alarms.yaml",
    "dashboard.yaml",
    "function_role.yaml",
    "service_catalog.yaml",
    "role_sets.yaml",
    "adoption.yaml",
    "custom_resources.yaml",
    "outputs.yaml",
];

/// A directive as it stands in a part, without its indentation, and the function that returns the lines in its place.
type Directive = (&'static str, fn() -> Vec<String>);

/// All directives but those of [`alarms`], which have parameters.
static DIRECTIVES: [Directive; 11] = [
    ("- <roles>", || entities::with_prefix_and_path("role")),
    ("- <roles at any path>", entities::roles_at_any_path),
    ("- <policies>", || entities::with_prefix_and_path("policy")),
    ("- <service-catalog roles>", || entities::service_catalog_roles(&[PATH])),
    ("- <service-catalog roles at any path>", || entities::service_catalog_roles(&["/", "/*/"])),
    ("- <policies of the service-catalog roles>", entities::policies_of_service_catalog_roles),
    ("- <policies of the role sets>", entities::policies_of_role_sets),
    ("iam:PermissionsBoundary: <boundaries>", boundary::boundaries),
    ("Action: <standard actions>", || boundary::actions(BoundaryDenies::Standard)),
    ("Action: <strict actions>", || boundary::actions(BoundaryDenies::Strict)),
    ("- <overrides>", boundary::overrides),
];

/// Returns the text of the template.
///
/// # Errors
/// When a part can't be read or has an unknown directive, or when a directive or a file of the folder is not used.
pub fn text() -> Result<String, Error> {
    let folder = Path::new(FOLDER);
    let mut used = BTreeSet::new();
    let mut text = HEADER.to_owned();
    let mut section = String::new();
    for name in PARTS {
        let part = expanded(&folder.join(name), &mut used)?;
        let (key, rest) = part.split_once('\n').unwrap_or((part.as_str(), ""));
        text.push('\n');
        text.push_str(if key == section { rest } else { part.as_str() });
        key.clone_into(&mut section);
    }
    let unused: Vec<&str> = DIRECTIVES.iter().map(|(name, _)| *name).filter(|name| !used.contains(name)).collect();
    if !unused.is_empty() {
        return Err(Error::UnusedDirectives(unused));
    }
    let entries = fs::read_dir(folder).map_err(Error::of_file(folder))?;
    let is_part = |path: &Path| PARTS.iter().any(|name| path.ends_with(name));
    match entries.flatten().map(|entry| entry.path()).find(|path| !is_part(path)) {
        Some(other) => Err(Error::UnlistedPart(other)),
        None => Ok(text),
    }
}

/// Returns the text of a part with its directives replaced, and adds their names to `used`.
fn expanded(part: &Path, used: &mut BTreeSet<&'static str>) -> Result<String, Error> {
    let text = fs::read_to_string(part).map_err(Error::of_file(part))?;
    let mut done = String::new();
    for (index, line) in text.lines().enumerate() {
        if !line.contains('<') {
            done.extend([line, "\n"]);
            continue;
        }
        let asked = line.trim_start();
        let lines = match DIRECTIVES.iter().find(|(name, _)| *name == asked) {
            Some((name, lines)) => {
                used.insert(*name);
                Some(lines())
            }
            None => alarms::properties(asked),
        };
        let indentation = line.strip_suffix(asked).unwrap_or_default();
        let unknown =
            || Error::UnknownDirective { part: part.to_owned(), line: index + 1, directive: asked.to_owned() };
        for line in lines.ok_or_else(unknown)? {
            done.extend([indentation, line.as_str(), "\n"]);
        }
    }
    Ok(done)
}
