//! Fills the tables of the documentation that are generated.
//!
//! A generated part of a page stands between two comments. The first one names what is generated:
//!
//! ```text
//! <!-- generated: properties StepFunctionsWorkflowRole Definition Logging -->
//!
//! | property | meaning | default |
//! …
//!
//! <!-- /generated -->
//! ```

mod integrations;
mod options;
mod parameters;
mod permissions;
mod resource_type;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, PartError};

/// The beginning of the comment that opens a generated part.
const OPENS: &str = "<!-- generated: ";
/// The comment that closes a generated part.
const CLOSES: &str = "<!-- /generated -->";

/// What the generated parts are made of, and what was written so far.
pub struct Sources {
    /// The JSON Schemas by name: `StepFunctionsWorkflowRole`.
    schemas: BTreeMap<String, Value>,
    /// `template.yaml`.
    template: Value,
    /// What has been written: one text for each property, attribute, parameter and statement.
    written: BTreeSet<String>,
}

impl Sources {
    /// Collects the sources: the schemas by name, and the text of the template.
    ///
    /// # Errors
    /// When the template can't be parsed.
    pub fn new(schemas: BTreeMap<String, Value>, template: &str) -> Result<Self, Error> {
        let template = mlops_roles_cli::input::document::parse(template).map_err(|why| Error::Template(why.into()))?;
        Ok(Self { schemas, template, written: BTreeSet::new() })
    }

    /// Returns the text of a page with its generated parts written anew.
    ///
    /// # Errors
    /// When a generated part has no end or asks for what does not exist.
    pub fn filled(&mut self, page: &Path, text: &str) -> Result<String, Error> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPENS) {
            let (asked, after) = after.split_once(" -->\n").ok_or_else(|| Error::OpenComment(page.to_owned()))?;
            let closed = after.split_once(CLOSES);
            let (_, after) =
                closed.ok_or_else(|| Error::OpenPart { page: page.to_owned(), asked: asked.to_owned() })?;
            let table = self.part(asked);
            let table = table.map_err(|why| Error::Part { page: page.to_owned(), asked: asked.to_owned(), why })?;
            pieces.push(format!("{before}{OPENS}{asked} -->\n\n{}\n\n{CLOSES}", table.trim_end()));
            rest = after;
        }
        pieces.push(rest.to_owned());
        Ok(pieces.concat())
    }

    fn part(&mut self, asked: &str) -> Result<String, PartError> {
        let words: Vec<&str> = asked.split(' ').collect();
        let (rows, names) = match words.as_slice() {
            ["properties", of, names @ ..] => resource_type::properties(self.schema(of)?, names)?,
            ["attributes", of, names @ ..] => resource_type::attributes(self.schema(of)?, names)?,
            ["errors", of] => (resource_type::errors(of, self.schema(of)?)?, vec!["all".to_owned()]),
            ["parameters", names @ ..] => parameters::parameters(&self.template, names)?,
            ["outputs"] => parameters::outputs(&self.template)?,
            ["options", of] => options::options(of)?,
            ["permissions", policy] => permissions::statements(&self.template, policy)?,
            ["integrations"] => integrations::integrations(),
            ["wildcards"] => integrations::wildcards(),
            ["coverage"] => integrations::coverage(),
            _ => return Err(PartError::Unknown),
        };
        let kind = words.first().copied().unwrap_or_default();
        let of = match kind {
            "properties" | "attributes" | "errors" | "options" | "permissions" => {
                words.get(1).copied().unwrap_or_default()
            }
            _ => "",
        };
        for name in names {
            if !self.written.insert(format!("{kind} {of} {name}")) {
                return Err(PartError::Twice(name));
            }
        }
        Ok(rows)
    }

    fn schema(&self, of: &str) -> Result<&Value, PartError> {
        self.schemas.get(of).ok_or_else(|| PartError::NoType(of.to_owned()))
    }

    /// Lists what no page has: properties and attributes of a type, parameters, statements of a policy.
    pub fn missing(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (of, schema) in &self.schemas {
            all.push(format!("errors {of} all"));
            for (kind, pointer) in [("properties", "/properties"), ("attributes", "/x-attributes")] {
                all.extend(table::members(schema.pointer(pointer)).map(|(name, _)| format!("{kind} {of} {name}")));
            }
        }
        all.extend(table::members(self.template.get("Parameters")).map(|(name, _)| format!("parameters  {name}")));
        all.extend(permissions::all(&self.template));
        all.extend(options::commands().into_iter().map(|of| format!("options {of} all")));
        all.retain(|one| !self.written.contains(one));
        all
    }
}
