//! `Custom::SageMakerServiceCatalogRoles`: what becomes of the account's service-catalog roles, whoever made them.

use std::collections::BTreeSet;

use crate::iam::arn::is_region;
use crate::iam::name::Name;
use crate::resource::properties::Reader;
use crate::resource::service_catalog_role;
use crate::resource::service_catalog_role::{ROLES, ServiceCatalogRole};
use crate::resource::spec::{ReadContext, ResourceSpec};
use crate::state::State;
use crate::text::closest;

pub const TYPE: &str = "Custom::SageMakerServiceCatalogRoles";

/// Days that IAM keeps track of a role's use.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_RoleLastUsed.html>
pub const TRACKED_DAYS: i32 = 400;

/// More than AWS has. All of them fit the answer.
const MOST_REGIONS: usize = 50;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCreate {
    Keep,
    /// The clean slate before a deployment.
    Delete,
    /// Those that are absent are made.
    Provision,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfInUse {
    Fail,
    Keep,
    Delete,
}

/// The properties of one resource.
#[derive(Clone, Debug)]
pub struct ServiceCatalogRoles {
    pub roles: Vec<&'static ServiceCatalogRole>,
    pub on_create: OnCreate,
    /// Whether Delete takes down what others made too. What we made goes in any case.
    pub tears_down: bool,
    pub if_in_use: IfInUse,
    /// Where use is looked for. Empty where none is given.
    pub regions: BTreeSet<String>,
    pub disable_portfolio: bool,
    /// Days, 0 for off.
    pub in_use_within: i32,
}

impl ServiceCatalogRoles {
    pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> Self {
        let roles = roles(reader);
        let on_create = [("Keep", OnCreate::Keep), ("Delete", OnCreate::Delete), ("Provision", OnCreate::Provision)];
        let on_create = reader.choice("OnCreate", &on_create).unwrap_or(OnCreate::Keep);
        let tears_down = reader.choice("OnDelete", &[("Delete", true), ("Keep", false)]).unwrap_or(true);
        let if_in_use = [("Fail", IfInUse::Fail), ("Keep", IfInUse::Keep), ("Delete", IfInUse::Delete)];
        let if_in_use = reader.choice("IfInUse", &if_in_use).unwrap_or(IfInUse::Fail);
        let regions = regions(reader, context);
        let disable_portfolio = reader.flag("DisablePortfolio").unwrap_or(false);
        let in_use_within = reader.number("InUseWithinDays", 0..=TRACKED_DAYS, "days").unwrap_or(0);

        let keeps_all = on_create == OnCreate::Keep && !tears_down;
        if regions.is_none() && !keeps_all {
            reader.report(
                "`Regions`: missing, expected the regions where projects may use the roles: roles are deleted in all \
                 regions at once (only `OnCreate: Keep` with `OnDelete: Keep` deletes none)"
                    .to_owned(),
            );
        }
        if disable_portfolio && !tears_down && on_create != OnCreate::Delete {
            reader.report(
                "`DisablePortfolio`: `true` has no effect, since neither `OnCreate` nor `OnDelete` is `Delete`: leave it \
                 out, or say when the roles go"
                    .to_owned(),
            );
        }
        if in_use_within > 0 && if_in_use == IfInUse::Delete {
            reader.report(
                "`InUseWithinDays`: has no effect, since `IfInUse: Delete` deletes what is in use: leave one of them out"
                    .to_owned(),
            );
        }
        Self {
            roles,
            on_create,
            tears_down,
            if_in_use,
            regions: regions.unwrap_or_default(),
            disable_portfolio,
            in_use_within,
        }
    }

    pub fn names(&self) -> BTreeSet<Name> {
        self.roles.iter().map(|role| role.name()).collect()
    }

    /// What `OnCreate: Provision` makes: all but the `kept` roles of others.
    pub fn spec(&self, kept: &BTreeSet<Name>, context: ReadContext<'_>) -> ResourceSpec {
        let roles = self.roles.iter().filter(|role| !kept.contains(&role.name()));
        let roles = roles.map(|role| (role.name(), role.role(context.place, &context.guardrails.boundary)));
        ResourceSpec { state: State { roles: roles.collect(), ..State::default() }, ..ResourceSpec::default() }
    }
}

/// Those that the property names; none where it can't be read, so that a Delete which never saw it right deletes none.
fn roles(reader: &Reader<'_>) -> Vec<&'static ServiceCatalogRole> {
    let launch_and_use = || ROLES.iter().filter(|role| role.is_launch_or_use()).collect();
    let Some(texts) = reader.texts_if_any("Roles") else { return launch_and_use() };
    match texts.as_slice() {
        [(_, one)] if one == "LaunchAndUse" => return launch_and_use(),
        [(_, one)] if one == "All" => return ROLES.iter().collect(),
        [] => reader.invalid("Roles", "a list of 0", "`LaunchAndUse`, `All`, or a list of roles"),
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
            "`LaunchAndUse` or `All` alone, or names of the eleven roles `{}…Role`{near}: nothing else can be deleted",
            service_catalog_role::PREFIX
        );
        reader.invalid(path, text, &expected);
    }
    roles
}

/// `None` where the property is absent.
fn regions(reader: &Reader<'_>, context: ReadContext<'_>) -> Option<BTreeSet<String>> {
    let texts = reader.texts_if_any("Regions")?;
    if texts.is_empty() || texts.len() > MOST_REGIONS {
        let expected = format!("1 to {MOST_REGIONS} regions");
        reader.invalid("Regions", &format!("a list of {}", texts.len()), &expected);
    }
    let mut regions = BTreeSet::new();
    for (path, text) in texts {
        let text = text.trim().to_owned();
        if is_region(&text, &context.place.partition) {
            regions.insert(text);
        } else {
            let expected =
                format!("a region of partition {}, such as `{}`", context.place.partition, context.place.region);
            reader.invalid(&path, &text, &expected);
        }
    }
    Some(regions)
}
