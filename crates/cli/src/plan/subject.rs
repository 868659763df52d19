//! The properties of one resource, as the function parses them.

use std::collections::BTreeSet;

use mlops_roles_core::protocol::request::{Operation, Request, object};
use mlops_roles_core::resource;
use mlops_roles_core::resource::definition_location::Location;
use mlops_roles_core::resource::properties::{Problem, Reader, ValidationError};
use mlops_roles_core::resource::service_catalog::{
    IfInUse, OnCreate, ServiceCatalogRoles, TYPE as SERVICE_CATALOG, physical_id,
};
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::resource::{Unavailable, is_set, unavailable};
use serde_json::Value;

use crate::input::definition::Given;

/// The properties as the function parses them.
#[derive(Debug, Default)]
pub struct Subject {
    /// What the properties ask for.
    pub spec: ResourceSpec,
    /// The properties of the service-catalog type; `None` for every other type.
    pub catalog: Option<ServiceCatalogRoles>,
    /// The text of the object that `DefinitionS3Location` names.
    pub object: Option<String>,
    /// The errors for which the function would refuse the properties.
    pub errors: Vec<ValidationError>,
    /// What a new resource could not have, but this resource may keep.
    pub warnings: Vec<String>,
}

impl Subject {
    /// Parses the properties. `earlier` is what the resource had before. It is `None` when the resource exists but its
    /// earlier properties are unknown.
    pub fn parse(kind: &str, given: &Given, earlier: Option<&Earlier>, context: ReadContext<'_>) -> Self {
        if let Some(why) = unavailable(kind, context.guardrails) {
            return Self::refused(match why {
                Unavailable::Disabled(_) => Problem::Other(format!(
                    "{why}; if your deployer has enabled it, set `--deployer EnabledTypes={kind}`"
                )),
                Unavailable::NoSuchType { .. } => Problem::other(why),
            });
        }
        let properties = match object(&given.properties) {
            Ok(properties) => properties,
            Err(why) => return Self::refused(Problem::other(why)),
        };
        if kind == SERVICE_CATALOG {
            let reader = Reader::new(properties);
            let asked = ServiceCatalogRoles::parse(&reader, context);
            let provisions = asked.on_create == OnCreate::Provision;
            let spec = if provisions { asked.spec(&BTreeSet::new(), context) } else { ResourceSpec::default() };
            let physical_id = physical_id(&context.owner.logical_id);
            let spec = ResourceSpec { physical_id, ..spec };
            return Self { spec, catalog: Some(asked), errors: reader.finish().errors, ..Self::default() };
        }
        match resource::parse_with_definition(kind, properties, context, given.object.as_deref()) {
            Some((spec, mut errors)) => {
                // As the function, a resource may keep all that it had before, unless the update replaces it.
                let accepted = match earlier {
                    None => errors.tightened.clone(),
                    Some(earlier) if earlier.physical_id != spec.physical_id => Vec::new(),
                    Some(earlier) if !errors.tightened_is_in(&earlier.tightened) => Vec::new(),
                    Some(earlier) => earlier.tightened.clone(),
                };
                let warnings = errors.tighten(&accepted).iter().map(ToString::to_string).collect();
                Self { spec, catalog: None, object: given.object.clone(), errors: errors.errors, warnings }
            }
            None => Self::refused(format!("`{kind}` is not a resource type that creates roles")),
        }
    }

    /// A resource that the function refuses as a whole.
    fn refused(why: impl Into<Problem>) -> Self {
        Self { errors: vec![ValidationError::new("", why)], ..Self::default() }
    }

    /// The reason for a wildcard that no definition asks for.
    pub fn reason(&self, kind: &str) -> &'static str {
        if !self.spec.required.grants.is_empty() {
            "the properties ask for it"
        } else if self.catalog.is_some() {
            "the roles of SageMaker's projects have it"
        } else if is_set(kind) {
            "the published solution has it"
        } else {
            "the policy of the console guide has it; with a `Definition`, the policy is derived instead"
        }
    }

    /// The note on what the boundary denies a role set, from the attribute of the role set.
    fn beyond_boundary(&self) -> Vec<String> {
        let beyond = self.spec.attributes.get("BeyondBoundary").filter(|beyond| !beyond.is_empty());
        let beyond = beyond.filter(|_| self.spec.required.grants.is_empty());
        let note = |beyond| {
            format!("the default permissions boundary denies these actions, whatever the policies allow: {beyond}")
        };
        beyond.map(note).into_iter().collect()
    }

    /// Notes on what the type does besides creating roles.
    pub fn notes(&self, request: Option<&Request>) -> Vec<String> {
        let Some(asked) = &self.catalog else { return self.beyond_boundary() };
        let names: Vec<String> = asked.roles.iter().map(|role| format!("`{}`", role.name())).collect();
        let regions: Vec<&str> = asked.regions.iter().map(String::as_str).collect();
        let regions = if regions.is_empty() { "one of the `Regions`".to_owned() } else { regions.join(", ") };
        let names = names.join(", ");
        let goes = match asked.if_in_use {
            IfInUse::Fail => format!("it fails if a resource in {regions} uses one of them"),
            IfInUse::Keep => format!("it keeps the roles that a resource in {regions} uses"),
            IfInUse::Delete => "it deletes them even if they are in use".to_owned(),
        };
        let kind = request.map(|request| &request.operation);
        let mut notes = Vec::new();
        if asked.on_create == OnCreate::Delete && matches!(kind, None | Some(Operation::Create)) {
            notes.push(format!("on Create, the function deletes {names}, whoever created them; {goes}"));
        }
        if asked.deletes {
            notes.push(format!("on Delete, the function deletes {names}, whoever created them; {goes}"));
        }
        notes
    }
}

/// What the resource had before an Update. Empty for any other event.
#[derive(Debug, Default)]
pub struct Earlier {
    /// The physical id.
    physical_id: String,
    /// The errors of its properties that a new resource could not have.
    tightened: Vec<ValidationError>,
}

impl Earlier {
    /// Parses the old properties. What they name in Amazon S3 counts only if the new properties name the same object,
    /// and if nobody can have changed it, as for the function.
    pub fn parse(kind: &str, request: Option<&Request>, given: &Given, context: ReadContext<'_>) -> Self {
        let Some(Request { operation: Operation::Update { physical_id, old_properties }, .. }) = request else {
            return Self::default();
        };
        let is_pinned = located(kind, old_properties, context).is_some_and(|location| location.is_pinned());
        let is_same = is_pinned && is_same_object(kind, old_properties, &given.properties, context);
        let object = given.object.as_deref().filter(|_| is_same);
        let old = old_properties.as_object();
        let old = old.and_then(|old| resource::parse_with_definition(kind, old, context, object));
        let tightened = old.map(|(_, errors)| errors.tightened).unwrap_or_default();
        Self { physical_id: physical_id.clone(), tightened }
    }
}

/// Returns the object with a definition that the properties name.
fn located(kind: &str, properties: &Value, context: ReadContext<'_>) -> Option<Location> {
    resource::parse(kind, properties.as_object()?, context)?.0.definition
}

/// Returns whether two lists of properties name the same object with a definition.
pub fn is_same_object(kind: &str, one: &Value, other: &Value, context: ReadContext<'_>) -> bool {
    located(kind, one, context).is_some_and(|of_one| located(kind, other, context) == Some(of_one))
}
