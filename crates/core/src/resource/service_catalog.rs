//! Reads the properties of `Custom::SageMakerServiceCatalogRoles`, which manages the account's service-catalog roles.
//!
//! The type applies to these roles whoever created them.

use std::collections::BTreeSet;

use crate::iam::arn::is_region;
use crate::iam::name::Name;
use crate::resource::physical_id::PhysicalId;
use crate::resource::properties::Reader;
use crate::resource::service_catalog_role;
use crate::resource::service_catalog_role::{ROLES, ServiceCatalogRole};
use crate::resource::spec::{ReadContext, ResourceSpec};
use crate::state::State;
use crate::text::closest;

/// The resource type.
pub const TYPE: &str = "Custom::SageMakerServiceCatalogRoles";

/// How long IAM tracks the last use of a role, in days: the greatest value of `InUseWithinDays`.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html>
pub const TRACKED_DAYS: i32 = 400;

/// The greatest number of regions: more than AWS has, and few enough that all of them fit the response.
const MOST_REGIONS: usize = 50;

/// What a Create does with the roles (`OnCreate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCreate {
    /// Changes nothing and reports which roles exist. The default.
    Keep,
    /// Deletes the roles, so that a deployment starts without them.
    Delete,
    /// Creates the roles that are absent.
    Provision,
}

/// What happens where roles that should be deleted are in use, or may be (`IfInUse`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfInUse {
    /// Fails the event and changes nothing. The default.
    Fail,
    /// Keeps the roles that are in use, and the launch role with them; deletes the others.
    Keep,
    /// Deletes the roles all the same.
    Delete,
}

/// The properties of one `Custom::SageMakerServiceCatalogRoles` resource.
#[derive(Clone, Debug)]
pub struct ServiceCatalogRoles {
    /// The roles that the resource applies to; the launch and the use role by default.
    pub roles: Vec<&'static ServiceCatalogRole>,
    /// What a Create does with the roles.
    pub on_create: OnCreate,
    /// Whether a Delete also deletes roles that this resource did not create (`OnDelete`); `true` by default.
    ///
    /// A Delete always deletes the roles that this resource created.
    pub deletes: bool,
    /// What happens where the roles are in use.
    pub if_in_use: IfInUse,
    /// The regions that are searched for uses of the roles, such as `eu-central-1`. Empty where the property is absent.
    pub regions: BTreeSet<String>,
    /// Whether SageMaker's portfolio in Service Catalog is disabled in `regions` before roles are deleted.
    ///
    /// `false` by default.
    pub disable_portfolio: bool,
    /// The age of a last use, in days, up to which a role counts as in use: 0 to 400. With 0, the default, the last use
    /// does not count.
    pub in_use_within: i32,
}

impl ServiceCatalogRoles {
    /// Parses the properties; the reader collects the validation errors.
    pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> Self {
        let roles = roles(reader);
        let on_create = [("Keep", OnCreate::Keep), ("Delete", OnCreate::Delete), ("Provision", OnCreate::Provision)];
        let on_create = reader.choice("OnCreate", &on_create).unwrap_or(OnCreate::Keep);
        let deletes = reader.choice("OnDelete", &[("Delete", true), ("Keep", false)]).unwrap_or(true);
        let if_in_use = [("Fail", IfInUse::Fail), ("Keep", IfInUse::Keep), ("Delete", IfInUse::Delete)];
        let if_in_use = reader.choice("IfInUse", &if_in_use).unwrap_or(IfInUse::Fail);
        let regions = regions(reader, context);
        let disable_portfolio = reader.flag("DisablePortfolio").unwrap_or(false);
        let in_use_within = reader.number("InUseWithinDays", 0..=TRACKED_DAYS, "days").unwrap_or(0);

        let keeps_all = on_create == OnCreate::Keep && !deletes;
        if regions.is_none() && !keeps_all {
            reader.report(
                "Regions",
                "missing, expected all regions where projects may use the roles, because a deleted role is missing in \
                 all of them (not needed with `OnCreate: Keep` and `OnDelete: Keep`)",
            );
        }
        if disable_portfolio && !deletes && on_create != OnCreate::Delete {
            reader.report(
                "DisablePortfolio",
                "`true` has no effect, because neither `OnCreate` nor `OnDelete` is `Delete`; remove \
                 `DisablePortfolio`, or set `OnCreate` or `OnDelete` to `Delete`",
            );
        }
        if in_use_within > 0 && if_in_use == IfInUse::Delete {
            reader.report(
                "InUseWithinDays",
                "has no effect, because `IfInUse: Delete` deletes roles that are in use; remove one of the two",
            );
        }
        Self {
            roles,
            on_create,
            deletes,
            if_in_use,
            regions: regions.unwrap_or_default(),
            disable_portfolio,
            in_use_within,
        }
    }

    /// Returns the names of the roles that the resource applies to.
    pub fn names(&self) -> BTreeSet<Name> {
        self.roles.iter().map(|role| role.name()).collect()
    }

    /// Returns the spec of `OnCreate: Provision`: all roles but those in `kept`.
    ///
    /// `kept` are the roles that exist and do not belong to this resource.
    pub fn spec(&self, kept: &BTreeSet<Name>, context: ReadContext<'_>) -> ResourceSpec {
        let roles = self.roles.iter().filter(|role| !kept.contains(&role.name()));
        let roles = roles.map(|role| (role.name(), role.role(context.place, &context.guardrails.boundary)));
        ResourceSpec { state: State { roles: roles.collect(), ..State::default() }, ..ResourceSpec::default() }
    }
}

/// Returns the roles that `Roles` names.
///
/// There are none where the property can't be read, so that a Delete whose properties were never valid deletes none.
fn roles(reader: &Reader<'_>) -> Vec<&'static ServiceCatalogRole> {
    let launch_and_use = || ROLES.iter().filter(|role| role.is_launch_or_use()).collect();
    let Some(texts) = reader.texts_if_any("Roles") else { return launch_and_use() };
    match texts.as_slice() {
        [(_, one)] if one == "LaunchAndUse" => return launch_and_use(),
        [(_, one)] if one == "All" => return ROLES.iter().collect(),
        [] => reader.invalid("Roles", "[]", "`LaunchAndUse`, `All`, or a list of roles"),
        _ => {}
    }
    let mut roles = Vec::new();
    for (path, text) in &texts {
        if let Some(role) = ROLES.iter().find(|role| role.name().as_str() == text) {
            roles.push(role);
            continue;
        }
        let names: Vec<String> = ROLES.iter().map(|role| role.name().to_string()).collect();
        let near = closest(text, names.iter().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        let expected = format!(
            "`LaunchAndUse` or `All` alone, or names of the eleven roles `{}…Role`{near}",
            service_catalog_role::PREFIX
        );
        reader.invalid(path, text, &expected);
    }
    roles
}

/// Returns the regions that `Regions` names; `None` where the property is absent.
fn regions(reader: &Reader<'_>, context: ReadContext<'_>) -> Option<BTreeSet<String>> {
    let texts = reader.texts_if_any("Regions")?;
    if texts.is_empty() || texts.len() > MOST_REGIONS {
        let expected = format!("1 to {MOST_REGIONS} regions");
        reader.invalid("Regions", &format!("{} regions", texts.len()), &expected);
    }
    let mut regions = BTreeSet::new();
    for (path, text) in texts {
        let text = text.trim().to_owned();
        if is_region(&text, &context.place.partition) {
            regions.insert(text);
        } else {
            let expected =
                format!("a region of partition `{}`, such as `{}`", context.place.partition, context.place.region);
            reader.invalid(&path, &text, &expected);
        }
    }
    Some(regions)
}

/// Returns the physical id of a resource of this type with this logical id.
pub fn physical_id(logical_id: &str) -> String {
    PhysicalId::ServiceCatalogRoles(logical_id.to_owned()).to_string()
}
