//! What says that service-catalog roles are in use. Roles are global and their use is regional, so each region is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use crate::failure::Cause;
use crate::port::{Project, SageMaker};
use crate::retry;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::ownership::{Owner, Ownership};

/// How long a region is asked that does not answer, at the most. It takes half of what time there is.
const PATIENCE: Duration = Duration::from_mins(1);
const SECONDS_A_DAY: i64 = 86_400;

/// Uses that a reason names before it only counts them.
pub const NAMED: usize = 20;

#[derive(Debug, Default)]
pub struct Usage {
    regions: BTreeMap<String, InRegion>,
    /// Uses of one role and not of the others.
    by_role: BTreeMap<Name, Vec<String>>,
    /// Whether a portfolio must be known: it is to be disabled.
    ends_portfolios: bool,
}

#[derive(Debug)]
struct InRegion {
    projects: Result<Vec<Project>, Cause>,
    /// Whether it is enabled. That is no use by itself.
    portfolio: Result<bool, Cause>,
}

impl Usage {
    /// Asks every region at once for projects and portfolio. What can't be asked counts as use.
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
            let (projects, portfolio) = join(projects(sagemaker, region, until), portfolio).await;
            (region.clone(), InRegion { projects, portfolio })
        });
        let mut usage = Self { ends_portfolios, ..Self::default() };
        usage.regions.extend(join_all(asked).await);
        usage
    }

    /// Adds what the roles themselves tell: a recent use, if `days` are asked for, and another owner of ours.
    pub fn add_roles(&mut self, observed: &Observation, owner: &Owner, days: i32) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for (name, role) in &observed.state.roles {
            let mut uses = Vec::new();
            if let Some(last) = observed.metadata.get(name).and_then(|known| known.last_used.as_ref()) {
                let ago = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(last.at) / SECONDS_A_DAY;
                if days > 0 && ago <= days.into() {
                    uses.push(format!("role `{name}` was last used {ago} days ago in {}", last.region));
                }
            }
            if let Ownership::Foreign(other) = owner.ownership(&role.tags) {
                uses.push(format!("role `{name}` belongs to {other}"));
            }
            if !uses.is_empty() {
                self.by_role.insert(name.clone(), uses);
            }
        }
    }

    /// Whether the role is in use.
    pub fn keeps(&self, role: &Name) -> bool {
        self.keeps_all() || self.by_role.contains_key(role)
    }

    /// Whether there are projects, or may be: they count against every role, and a portfolio must not go before them.
    pub fn keeps_all(&self) -> bool {
        self.regions.values().any(|region| self.has_use(region))
    }

    fn has_use(&self, region: &InRegion) -> bool {
        !matches!(&region.projects, Ok(projects) if projects.is_empty())
            || (self.ends_portfolios && region.portfolio.is_err())
    }

    pub fn enabled_portfolios(&self) -> Vec<&str> {
        let enabled = self.regions.iter().filter(|(_, region)| matches!(region.portfolio, Ok(true)));
        enabled.map(|(name, _)| name.as_str()).collect()
    }

    /// Regions whose portfolio is enabled and whose projects are gone.
    pub fn idle_portfolios(&self) -> Vec<String> {
        let enabled = self.regions.iter().filter(|(_, region)| matches!(region.portfolio, Ok(true)));
        enabled.filter(|(_, region)| !self.has_use(region)).map(|(name, _)| name.clone()).collect()
    }

    pub fn portfolio_disabled(&mut self, region: &str) {
        if let Some(region) = self.regions.get_mut(region) {
            region.portfolio = Ok(false);
        }
    }

    /// One text for each use.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for (name, region) in &self.regions {
            let unasked = |what: &str, cause: &Cause| format!("region {name} could not be asked for {what}: {cause}");
            match &region.projects {
                Ok(projects) => texts.extend(
                    projects.iter().map(|project| format!("project `{}` ({}) in {name}", project.name, project.status)),
                ),
                Err(cause) => texts.push(unasked("projects", cause)),
            }
            if self.ends_portfolios {
                texts.extend(region.portfolio.as_ref().err().map(|cause| unasked("its portfolio", cause)));
            }
        }
        texts.extend(self.by_role.values().flatten().cloned());
        texts
    }
}

/// Page by page, so that a throttled page does not begin the list anew.
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

/// The first `most` of the texts, and how many more there are.
pub fn summed_up(texts: &[String], most: usize) -> String {
    let mut parts: Vec<String> = texts.iter().take(most).cloned().collect();
    let more = texts.len() - parts.len();
    parts.extend((more > 0).then(|| format!("{more} more")));
    parts.join("; ")
}
