//! Describes the properties of `Custom::SageMakerServiceCatalogRoles`.

use std::borrow::Cow;

use mlops_roles_core::iam::name::Name;
use mlops_roles_core::resource::service_catalog::TRACKED_DAYS;
use mlops_roles_core::resource::service_catalog_role::ROLES;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::common::{Always, also};
use crate::forms::{Flag, Number, OneOrMany, Region, words};

/// What becomes of the account's service-catalog roles, whoever made them
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = rules, extend("x-attributes" = attributes()))]
pub struct ServiceCatalogRoles {
    #[schemars(flatten)]
    always: Always,
    /// `LaunchAndUse` (the default): the two that every project needs; `All`: the eleven; or a list of their names
    roles: Option<OneOrMany<Role>>,
    /// `Keep` (the default): touch nothing; `Delete`: a clean slate before what comes after this resource; `Provision`:
    /// make those that are absent
    on_create: Option<OnCreate>,
    /// `Delete` (the default): also what others made; `Keep`: only what this resource provisioned
    on_delete: Option<OnDelete>,
    /// `Fail` (the default): nothing is touched; `Keep`: what is in use stays; `Delete`: delete anyway
    if_in_use: Option<IfInUse>,
    /// Every region where somebody may have a project
    regions: Option<OneOrMany<Region>>,
    /// `true`: before roles go, the portfolio of SageMaker in Service Catalog is disabled in `Regions`
    disable_portfolio: Option<Flag>,
    /// A role that somebody acted with within so many days is in use; 0 by default, which does not look
    in_use_within_days: Option<Number<0, TRACKED_DAYS>>,
}

/// The name of a service-catalog role, or `LaunchAndUse` or `All`.
struct Role;

impl JsonSchema for Role {
    fn schema_name() -> Cow<'static, str> {
        "Role".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = ROLES.map(|role| role.name());
        words(["LaunchAndUse", "All"].into_iter().chain(names.iter().map(Name::as_str)))
    }
}

#[derive(JsonSchema)]
enum OnCreate {
    Keep,
    Delete,
    Provision,
}

#[derive(JsonSchema)]
enum OnDelete {
    Delete,
    Keep,
}

#[derive(JsonSchema)]
enum IfInUse {
    Fail,
    Keep,
    Delete,
}

/// Adds the rules about empty lists and about properties that need or exclude each other.
fn rules(schema: &mut Schema) {
    for property in ["Roles", "Regions"] {
        if let Some(Value::Object(property)) = schema.pointer_mut(&format!("/properties/{property}")) {
            property.insert("minItems".to_owned(), 1.into());
        }
    }
    let keeps_all = json!({
        "properties": { "OnCreate": { "const": "Keep" }, "OnDelete": { "const": "Keep" } },
        "required": ["OnDelete"],
    });
    also(schema, json!({ "if": keeps_all, "else": { "required": ["Regions"] } }));
    also(
        schema,
        json!({
            "if": { "properties": { "IfInUse": { "const": "Delete" } }, "required": ["IfInUse"] },
            "then": { "properties": { "InUseWithinDays": { "maximum": 0 } } },
        }),
    );
}

/// Returns the attributes, each with its description.
fn attributes() -> Map<String, Value> {
    let attributes = [
        ("DeletedRoles", "The names of those deleted by this event, separated by commas"),
        ("KeptRoles", "The names of those of others that stand, separated by commas"),
        ("MissingRoles", "The names of those that are absent, separated by commas"),
        ("ProvisionedRoles", "The names of those of this resource that stand, separated by commas"),
        ("InUseBy", "What uses them, as far as the answer has room"),
        ("EnabledPortfolios", "Regions whose portfolio is enabled"),
        ("LaunchRoleName", "The name of the launch role, for one behind a clean slate in the same template"),
        ("UseRoleName", "The name of the use role, for one behind a clean slate in the same template"),
    ];
    attributes.map(|(name, meaning)| (name.to_owned(), meaning.into())).into_iter().collect()
}
