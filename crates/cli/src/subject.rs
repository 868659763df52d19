//! The properties of one resource, as the function parses them.

use std::collections::BTreeSet;

use mlops_roles_core::protocol::request::{Operation, Request, object};
use mlops_roles_core::resource;
use mlops_roles_core::resource::properties::{Problem, Reader, ValidationError};
use mlops_roles_core::resource::service_catalog::{
    IfInUse, OnCreate, ServiceCatalogRoles, TYPE as SERVICE_CATALOG, physical_id,
};
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::resource::{Unavailable, is_set, unavailable};
use serde_json::Value;

use crate::definition::Given;

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
    /// Parses the properties. `accepted` lists what the resource had before and may keep, though a new resource could
    /// not have it. It is `None` when the resource exists but its earlier properties are unknown.
    pub fn parse(kind: &str, given: &Given, accepted: Option<&[ValidationError]>, context: ReadContext<'_>) -> Self {
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
                let all = errors.tightened.clone();
                let warnings = errors.tighten(accepted.unwrap_or(&all)).iter().map(ToString::to_string).collect();
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

/// What the resource had before and may keep, although a new resource could not have it. What the old properties name
/// in Amazon S3 counts only if the new properties name the same object, as for the function.
pub fn kept_from_before(
    kind: &str,
    request: Option<&Request>,
    given: &Given,
    context: ReadContext<'_>,
) -> Vec<ValidationError> {
    let Some(Request { operation: Operation::Update { old_properties, .. }, .. }) = request else { return Vec::new() };
    let is_same = given.object.is_some() && is_same_object(kind, old_properties, &given.properties, context);
    let object = given.object.as_deref().filter(|_| is_same);
    let old = old_properties.as_object();
    let old = old.and_then(|old| resource::parse_with_definition(kind, old, context, object));
    old.map(|(_, errors)| errors.tightened).unwrap_or_default()
}

/// Whether two lists of properties name the same object with a definition.
pub fn is_same_object(kind: &str, one: &Value, other: &Value, context: ReadContext<'_>) -> bool {
    let location = |properties: &Value| resource::parse(kind, properties.as_object()?, context)?.0.definition;
    location(one).is_some_and(|of_one| location(other) == Some(of_one))
}
