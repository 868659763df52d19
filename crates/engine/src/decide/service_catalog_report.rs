//! What the function found out about the service-catalog roles.

use std::collections::BTreeSet;

use crate::usage::Usage;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::resource::service_catalog::ServiceCatalogRoles;
use mlops_roles_core::state::State;
use mlops_roles_core::state::ownership::Owner;

/// Which service-catalog roles exist, whose they are, and who uses them: the attributes of the response.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Roles that are deleted.
    pub deleted: BTreeSet<Name>,
    /// Foreign and unowned roles that still exist.
    pub kept: BTreeSet<Name>,
    /// Roles of this resource that exist.
    pub provisioned: BTreeSet<Name>,
    /// Roles that don't exist.
    pub missing: BTreeSet<Name>,
    /// Who uses the roles.
    pub usage: Usage,
    /// What remains to be done before anybody can create a project. Empty unless `OnCreate` is `Provision`.
    pub remaining: String,
}

impl Report {
    /// Returns the report of an observed state, without the usage.
    pub(super) fn from_observed(asked: &ServiceCatalogRoles, observed: &State, owner: &Owner) -> Self {
        let ours = owner.roles_of(observed).map(|(name, _)| name.clone());
        let mut report = Self { provisioned: ours.collect(), ..Self::default() };
        for name in asked.names().difference(&report.provisioned.clone()).cloned() {
            let which = if observed.roles.contains_key(&name) { &mut report.kept } else { &mut report.missing };
            which.insert(name);
        }
        report
    }
}

/// Describes what AWS asks for besides the roles: the portfolio has to be enabled in each region, and the role of each
/// user has to have access to it. The function does neither. A region that could not be read counts as disabled.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-projects-studio-updates.html>
pub(super) fn remaining_steps(regions: &BTreeSet<String>, usage: &Usage) -> String {
    let enabled = usage.enabled_portfolios();
    let disabled: Vec<&str> = regions.iter().map(String::as_str).filter(|region| !enabled.contains(region)).collect();
    let access = "associate the role of each user with SageMaker's portfolio, in each region \
                  (`AssociatePrincipalWithPortfolio`)";
    if disabled.is_empty() {
        return access.to_owned();
    }
    let disabled = disabled.join(", ");
    format!("enable SageMaker's portfolio in {disabled} (`EnableSagemakerServicecatalogPortfolio`); {access}")
}
