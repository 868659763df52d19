//! Finds the stacks of the function and of the file, as far as the account and the file tell them.

use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::iam::arn::Place;
use serde_json::Value;

use crate::error::Error;
use crate::input::document::Document;
use crate::input::place::place;
use crate::input::symbol::Symbols;
use crate::options::error::OptionError;
use crate::plan::account::Account;
use crate::settings::Settings;

/// The stacks of the function and of the file. Without `--against-account`, most of this is unknown and empty.
#[derive(Debug)]
pub struct Stacks {
    /// The partition, region and account of both stacks.
    pub place: Place,
    /// The parameters and physical ids of the function's stack, by name.
    pub function: BTreeMap<String, String>,
    /// The ARN of the file's stack; `None` when it is unknown.
    pub id: Option<String>,
    /// The logical ids of the resources in the file's stack.
    pub logical_ids: BTreeSet<String>,
    /// The parameters, physical ids and ARNs of roles in the file's stack, by name.
    pub values: BTreeMap<String, String>,
}

impl Stacks {
    /// Finds the stacks. An unknown region or account becomes a stand-in, and what is assumed becomes a note.
    ///
    /// # Errors
    /// When the account can't be read, or the options, the file and the account don't go together.
    pub async fn find(
        account: Option<&Account>,
        settings: &Settings<'_>,
        document: &Document,
        symbols: &mut Symbols,
        notes: &mut BTreeSet<String>,
    ) -> Result<Self, Error> {
        let id = match document {
            Document::Event(event) => event.get("StackId").and_then(Value::as_str),
            _ => None,
        };
        match (account, id) {
            (Some(account), id) => Self::read(account, settings, document, id).await,
            (None, Some(id)) => {
                let place = Place::from_arn(id).ok_or_else(|| Error::StackId { found: id.to_owned() })?;
                Ok(Self::at(place, Some(id)))
            }
            (None, None) => Ok(Self::at(place(settings, document, symbols, notes)?, None)),
        }
    }

    /// Stacks of which only the place and perhaps the ARN are known.
    fn at(place: Place, id: Option<&str>) -> Self {
        Self {
            place,
            function: BTreeMap::new(),
            id: id.map(str::to_owned),
            logical_ids: BTreeSet::new(),
            values: BTreeMap::new(),
        }
    }

    /// Reads the stack of the function, and that of a template. `id` is the `StackId` of an event.
    async fn read(
        account: &Account,
        settings: &Settings<'_>,
        document: &Document,
        id: Option<&str>,
    ) -> Result<Self, Error> {
        let (function, place) = account.stack(&settings.deployment).await?;
        if let Some(asked) = settings.account.as_ref().filter(|asked| **asked != place.account) {
            return Err(OptionError::Account { asked: asked.clone(), account: place.account }.into());
        }
        if let Some(found) = id.filter(|id| Place::from_arn(id).as_ref() != Some(&place)) {
            return Err(Error::OtherPlace { found: found.to_owned(), place });
        }
        let mut stacks = Self::at(place, id);
        stacks.function.extend(function.resources);
        stacks.function.extend(function.parameters);
        if let Document::Template(template) = document {
            let name = settings.stack_name.as_ref().ok_or(OptionError::NoStackName)?;
            let (found, _) = account.stack(name).await?;
            stacks.values = account.values(&found, &roles(template), &stacks.place).await?;
            stacks.logical_ids.extend(found.resources.into_keys());
            stacks.id = Some(found.id);
        }
        Ok(stacks)
    }
}

/// The logical ids of the roles that the template creates.
fn roles(template: &Value) -> Vec<&str> {
    let resources = template.get("Resources").and_then(Value::as_object).into_iter().flatten();
    let is_role = |resource: &Value| resource.get("Type").and_then(Value::as_str) == Some("AWS::IAM::Role");
    resources.filter(|(_, resource)| is_role(resource)).map(|(id, _)| id.as_str()).collect()
}
