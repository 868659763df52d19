//! Finds out whether service-catalog roles are in use. Roles are global and their use is regional, so each region is
//! asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use crate::failure::Cause;
use crate::port::{Origin, Project, SageMaker};
use crate::retry;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::resource::service_catalog_role::{ROLES, ServiceCatalogRole};
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::ownership::{Owner, Ownership};

/// The maximum time for which a region that does not answer is asked. It is never more than half of the time that is
/// left.
const PATIENCE: Duration = Duration::from_mins(1);
const SECONDS_A_DAY: i64 = 86_400;
/// The number of projects of a region that are described at the same time.
const AT_ONCE: usize = 4;

/// The number of uses that a reason names; it only counts the others.
pub const NAMED: usize = 20;

/// A use of service-catalog roles, or what may be one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RoleUse {
    /// A project runs with the roles.
    #[error("{0}")]
    Project(ProjectInRegion),
    /// SageMaker does not say what the project was created from.
    #[error("{0}, for which SageMaker names no product or template")]
    NoOrigin(ProjectInRegion),
    /// The project was not read, because enough uses were known.
    #[error("{0}, which was not read and may run with the roles")]
    ProjectNotRead(ProjectInRegion),
    /// The project could not be read.
    #[error("{0}, which could not be read: {1}")]
    ProjectUnread(ProjectInRegion, Cause),
    /// The projects of the region could not be read.
    #[error("could not read the projects in region {0}: {1}")]
    ProjectsUnread(String, Cause),
    /// The portfolio of the region could not be read.
    #[error("could not read the portfolio in region {0}: {1}")]
    PortfolioUnread(String, Cause),
    /// The role was used a short time ago.
    #[error("role `{role}` was last used {days} days ago in {region}")]
    LastUsed {
        /// The role.
        role: Name,
        /// The age of the last use, in days.
        days: i64,
        /// The region of the last use.
        region: String,
    },
    /// The tags of the role name another owner.
    #[error("role `{0}` belongs to {1}")]
    Owned(Name, Owner),
}

/// A project, with its region.
#[derive(Clone, Debug)]
pub struct ProjectInRegion {
    /// The project.
    pub project: Project,
    /// Its region.
    pub region: String,
}

impl fmt::Display for ProjectInRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "project `{}` ({}) in {}", self.project.name, self.project.status, self.region)
    }
}

/// The uses of the service-catalog roles.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    regions: BTreeMap<String, InRegion>,
    /// Uses that count against one role and not against the others.
    by_role: BTreeMap<Name, Vec<RoleUse>>,
    /// Whether the portfolios are to be disabled. A region whose portfolio is unknown then counts as use.
    ends_portfolios: bool,
}

#[derive(Clone, Debug)]
struct InRegion {
    /// The projects that run with service-catalog roles, or may.
    projects: Result<Vec<RoleUse>, Cause>,
    /// Whether the portfolio is enabled. An enabled portfolio alone does not count as use.
    portfolio: Result<bool, Cause>,
}

impl Usage {
    /// Asks all regions at once for their projects and their portfolio. A project counts as use if it runs with
    /// service-catalog roles. What can't be asked counts as use.
    ///
    /// `ends_portfolios` says whether the portfolios are to be disabled, which makes an unknown portfolio count as use
    /// too.
    pub async fn in_regions(
        sagemaker: &impl SageMaker,
        regions: &BTreeSet<String>,
        ends_portfolios: bool,
        deadline: Instant,
    ) -> Self {
        let now = Instant::now();
        let until = now + PATIENCE.min(deadline.saturating_duration_since(now) / 2);
        let asked = regions.iter().map(|region| async move {
            let portfolio = retry::until(until, async || sagemaker.has_portfolio(region).await);
            let (projects, portfolio) = join(uses(sagemaker, region, until), portfolio).await;
            (region.clone(), InRegion { projects, portfolio })
        });
        let mut usage = Self { ends_portfolios, ..Self::default() };
        usage.regions.extend(join_all(asked).await);
        usage
    }

    /// Adds the uses that the roles themselves show: a use within the last `days`, if that is more than 0, and the tags
    /// of another owner.
    pub fn add_roles(&mut self, observed: &Observation, owner: &Owner, days: i32) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for (name, role) in &observed.state.roles {
            let mut uses = Vec::new();
            if let Some(last) = observed.metadata.get(name).and_then(|known| known.last_used.as_ref()) {
                let ago = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(last.at) / SECONDS_A_DAY;
                if days > 0 && ago <= days.into() {
                    uses.push(RoleUse::LastUsed { role: name.clone(), days: ago, region: last.region.clone() });
                }
            }
            if let Ownership::Foreign(other) = owner.ownership(&role.tags) {
                uses.push(RoleUse::Owned(name.clone(), other));
            }
            if !uses.is_empty() {
                self.by_role.insert(name.clone(), uses);
            }
        }
    }

    /// Returns whether the role is in use, or may be.
    pub fn keeps(&self, role: &Name) -> bool {
        self.keeps_all() || self.by_role.contains_key(role)
    }

    /// Returns whether there are projects that run with service-catalog roles, or may be. They count against every
    /// role, and a portfolio must not be disabled before they are gone.
    pub fn keeps_all(&self) -> bool {
        self.regions.values().any(|region| self.has_use(region))
    }

    fn has_use(&self, region: &InRegion) -> bool {
        !matches!(&region.projects, Ok(projects) if projects.is_empty())
            || (self.ends_portfolios && region.portfolio.is_err())
    }

    /// Returns the regions whose portfolio is enabled.
    pub fn enabled_portfolios(&self) -> Vec<&str> {
        let enabled = self.regions.iter().filter(|(_, region)| matches!(region.portfolio, Ok(true)));
        enabled.map(|(name, _)| name.as_str()).collect()
    }

    /// Returns the regions whose portfolio is enabled and that have no project which counts as use.
    pub fn idle_portfolios(&self) -> Vec<String> {
        let enabled = self.regions.iter().filter(|(_, region)| matches!(region.portfolio, Ok(true)));
        enabled.filter(|(_, region)| !self.has_use(region)).map(|(name, _)| name.clone()).collect()
    }

    /// Records that the portfolios of the regions are disabled.
    pub fn portfolios_disabled(&mut self, regions: &[String]) {
        for region in regions {
            if let Some(region) = self.regions.get_mut(region) {
                region.portfolio = Ok(false);
            }
        }
    }

    /// Returns the uses, and the questions that a region did not answer.
    pub fn uses(&self) -> Vec<RoleUse> {
        let mut uses = Vec::new();
        for (name, region) in &self.regions {
            match &region.projects {
                Ok(projects) => uses.extend(projects.iter().cloned()),
                Err(cause) => uses.push(RoleUse::ProjectsUnread(name.clone(), cause.clone())),
            }
            if let (true, Err(cause)) = (self.ends_portfolios, &region.portfolio) {
                uses.push(RoleUse::PortfolioUnread(name.clone(), cause.clone()));
            }
        }
        uses.extend(self.by_role.values().flatten().cloned());
        uses
    }
}

/// Returns the projects of a region that run with service-catalog roles, or may.
///
/// Every use counts against all roles. So where enough of them are known to be named, or a project can't be read, the
/// other projects are not read: they may be uses.
async fn uses(sagemaker: &impl SageMaker, region: &str, until: Instant) -> Result<Vec<RoleUse>, Cause> {
    let (mut uses, mut unread) = (Vec::new(), false);
    for few in projects(sagemaker, region, until).await?.chunks(AT_ONCE) {
        let is_enough = unread || uses.len() >= NAMED;
        let asked = few.iter().map(|project| async move {
            if is_enough {
                return Ok(None);
            }
            retry::until(until, async || sagemaker.origin(region, &project.name).await).await.map(Some)
        });
        for (project, origin) in few.iter().zip(join_all(asked).await) {
            unread |= origin.is_err();
            let project = ProjectInRegion { project: project.clone(), region: region.to_owned() };
            uses.extend(match origin {
                Ok(Some(Origin::Gone)) => None,
                Ok(Some(Origin::Templates(roles))) if !roles.iter().any(|role| is_service_catalog_role(role)) => None,
                Ok(Some(Origin::Product | Origin::Templates(_))) => Some(RoleUse::Project(project)),
                Ok(Some(Origin::Unknown)) => Some(RoleUse::NoOrigin(project)),
                Ok(None) => Some(RoleUse::ProjectNotRead(project)),
                Err(cause) => Some(RoleUse::ProjectUnread(project, cause)),
            });
        }
    }
    Ok(uses)
}

/// Returns whether this is the ARN of one of the eleven roles, at any path.
fn is_service_catalog_role(arn: &str) -> bool {
    let name = arn.rsplit('/').next().map(Name::new);
    ROLES.iter().map(ServiceCatalogRole::name).any(|role| name.as_ref() == Some(&role))
}

/// Lists the projects of a region page by page, so that a throttled page does not restart the list.
async fn projects(sagemaker: &impl SageMaker, region: &str, until: Instant) -> Result<Vec<Project>, Cause> {
    let (mut projects, mut page) = (Vec::new(), None);
    loop {
        let token: Option<&str> = page.as_deref();
        let (more, next) = retry::until(until, async || sagemaker.projects(region, token).await).await?;
        projects.extend(more);
        if next.is_none() {
            return Ok(projects);
        }
        page = next;
    }
}

/// Joins the texts of the first `most` uses and counts the others: `a; b; 3 more`.
pub fn summed_up(uses: &[RoleUse], most: usize) -> String {
    let mut parts: Vec<String> = uses.iter().take(most).map(RoleUse::to_string).collect();
    let more = uses.len() - parts.len();
    parts.extend((more > 0).then(|| format!("{more} more")));
    parts.join("; ")
}
