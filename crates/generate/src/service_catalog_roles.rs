//! Describes the properties of `Custom::SageMakerServiceCatalogRoles`.

use std::borrow::Cow;

use mlops_roles_core::iam::name::Name;
use mlops_roles_core::resource::service_catalog::TRACKED_DAYS;
use mlops_roles_core::resource::service_catalog_role::ROLES;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::common::{Always, also, because};
use crate::forms::{Flag, Number, OneOrMany, Region, words};

/// The service-catalog roles of SageMaker's project templates in this account. The resource deletes them, whoever
/// created them, or provisions them.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = rules, extend("x-attributes" = attributes()))]
pub struct ServiceCatalogRoles {
    #[schemars(flatten)]
    always: Always,
    /// The roles that the resource applies to: `LaunchAndUse` for the two that every project needs, `All` for the
    /// eleven, or a list of their names. The type can delete no other role.
    #[schemars(extend("x-default" = "`LaunchAndUse`"))]
    roles: Option<OneOrMany<Role>>,
    /// What a Create does: `Keep`, `Delete` or `Provision`. `Keep` changes nothing, and `Provision` creates the roles
    /// that are absent. `Delete` deletes the roles, so that what comes after this resource finds a clean slate.
    #[schemars(extend("x-default" = "`Keep`"))]
    on_create: Option<OnCreate>,
    /// What a Delete does: `Delete` or `Keep`. `Delete` deletes the roles, also those that others created. `Keep`
    /// deletes only what this resource provisioned.
    #[schemars(extend("x-default" = "`Delete`"))]
    on_delete: Option<OnDelete>,
    /// What happens when a role to delete is in use, or may be: `Fail`, `Keep` or `Delete`. `Fail` fails the event and
    /// changes nothing. `Keep` keeps the roles in use and `LaunchRole` with them. `Delete` deletes the roles anyway.
    #[schemars(extend("x-default" = "`Fail`"))]
    if_in_use: Option<IfInUse>,
    /// The regions where the function looks for use: one region, or a list of at most 50. Name every region where
    /// somebody may have a project.
    #[schemars(extend("x-default" = "**required**, except with `OnCreate: Keep` and `OnDelete: Keep`"))]
    regions: Option<OneOrMany<Region>>,
    /// Whether SageMaker's portfolio in Service Catalog is disabled in the `Regions` before roles are deleted: `true`
    /// or `false`. `true` is refused where neither `OnCreate` nor `OnDelete` is `Delete`.
    #[schemars(extend("x-default" = "`false`"))]
    disable_portfolio: Option<Flag>,
    /// How many days a role counts as in use after somebody acted with it: 0 to 400. With 0, the last use does not
    /// count. IAM tracks the last use for 400 days.
    #[schemars(extend("x-default" = "`0`"))]
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
    let regions = because(
        &json!({ "required": ["Regions"] }),
        "`Regions` is missing; add all regions where projects may use the roles, or set `OnCreate: Keep` and \
         `OnDelete: Keep`",
    );
    also(schema, json!({ "if": keeps_all, "else": regions }));
    let no_days = because(
        &json!({ "maximum": 0 }),
        "has no effect, because `IfInUse: Delete` deletes roles that are in use; remove one of the two",
    );
    also(
        schema,
        json!({
            "if": { "properties": { "IfInUse": { "const": "Delete" } }, "required": ["IfInUse"] },
            "then": { "properties": { "InUseWithinDays": no_days } },
        }),
    );
}

/// Returns the attributes, each with its description.
fn attributes() -> Map<String, Value> {
    let attributes = [
        ("DeletedRoles", "The names of the roles that this event deleted, separated by commas."),
        ("KeptRoles", "The names of the roles in `Roles` that exist and that others created, separated by commas."),
        ("MissingRoles", "The names of the roles in `Roles` that do not exist, separated by commas."),
        ("ProvisionedRoles", "The names of the roles that exist and that this resource created, separated by commas."),
        (
            "InUseBy",
            "What uses the roles, or may use them, separated by semicolons: at most 20 uses, fewer where the response \
             has no room. The others are counted.",
        ),
        (
            "EnabledPortfolios",
            "The regions whose portfolio is enabled, separated by commas. An enabled portfolio alone does not count as \
             use.",
        ),
        (
            "RemainingSteps",
            "With `OnCreate: Provision`, what remains to be done before anybody can create a project, separated by \
             semicolons. Otherwise empty.",
        ),
        (
            "LaunchRoleName",
            "The name of the launch role. Use it for a role that comes after a clean slate in the same template.",
        ),
        (
            "UseRoleName",
            "The name of the use role. Use it for a role that comes after a clean slate in the same template.",
        ),
    ];
    attributes.map(|(name, meaning)| (name.to_owned(), meaning.into())).into_iter().collect()
}
