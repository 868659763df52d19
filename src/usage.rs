//! What says that service-catalog roles are in use. Roles are global and their use is regional, so each region is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use crate::apply::{Cause, patiently};
use crate::ownership::{Owner, Standing};
use crate::port::{Observed, Project, SageMaker};
use crate::world::Name;

/// How long a region is asked that does not answer, at the most. It takes half of what time there is.
const PATIENCE: Duration = Duration::from_mins(1);
const SECONDS_A_DAY: u64 = 86_400;
/// Uses that a reason names before it only counts them.
pub const NAMED: usize = 20;

#[derive(Debug, Default)]
pub struct Usage {
    /// What counts against every role: projects, and regions that could not be asked.
    of_all: Vec<String>,
    of_one: BTreeMap<Name, Vec<String>>,
    /// Regions whose portfolio is enabled, or may be. No use by itself.
    pub portfolios: BTreeSet<String>,
}

impl Usage {
    /// Asks every region at once for projects and portfolio. What can't be asked counts as use.
    pub async fn in_regions(sagemaker: &impl SageMaker, regions: &BTreeSet<String>, deadline: Instant) -> Self {
        let now = Instant::now();
        let until = now + PATIENCE.min(deadline.saturating_duration_since(now) / 2);
        let ask = regions.iter().map(|region| {
            let projects = patiently(until, async || sagemaker.projects(region).await);
            join(projects, patiently(until, async || sagemaker.has_portfolio(region).await))
        });
        let mut usage = Self::default();
        for (region, (projects, portfolio)) in regions.iter().zip(join_all(ask).await) {
            let line = |Project { name, status }: Project| format!("project `{name}` ({status}) in {region}");
            let unasked =
                |what: &str, cause: Cause| format!("region {region}, which could not be asked for {what}: {cause}");
            match projects {
                Ok(projects) => usage.of_all.extend(projects.into_iter().map(line)),
                Err(cause) => usage.of_all.push(unasked("projects", cause)),
            }
            if !matches!(portfolio, Ok(false)) {
                usage.portfolios.insert(region.clone());
            }
            usage.of_all.extend(portfolio.err().map(|cause| unasked("its portfolio", cause)));
        }
        usage
    }

    /// Adds what the roles themselves tell: a recent use, if `days` are asked for, and another owner of ours.
    pub fn of_roles(&mut self, seen: &Observed, owner: &Owner, days: i32) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        for (name, role) in &seen.world.roles {
            let mut uses = Vec::new();
            if let Some(last) = seen.last_used.get(name) {
                let ago = now.saturating_sub(u64::try_from(last.at).unwrap_or_default()) / SECONDS_A_DAY;
                if days > 0 && ago <= u64::from(days.unsigned_abs()) {
                    uses.push(format!("role `{name}` was last used {ago} days ago in {}", last.region));
                }
            }
            if let Standing::Others(other) = owner.standing(&role.tags) {
                uses.push(format!("role `{name}` belongs to {other}"));
            }
            if !uses.is_empty() {
                self.of_one.insert(name.clone(), uses);
            }
        }
    }

    /// Whether the role is in use.
    pub fn keeps(&self, role: &Name) -> bool {
        !self.of_all.is_empty() || self.of_one.contains_key(role)
    }

    /// Whether one of the roles is in use, or the region's projects are: a portfolio must not go before them.
    pub fn keeps_any<'a>(&self, mut roles: impl Iterator<Item = &'a Name>) -> bool {
        !self.of_all.is_empty() || roles.any(|role| self.keeps(role))
    }

    /// One text for each use.
    pub fn texts(&self) -> Vec<String> {
        self.of_all.iter().chain(self.of_one.values().flatten()).cloned().collect()
    }
}

/// The first `most` of the texts, and how many more there are.
pub fn summed_up(texts: &[String], most: usize) -> String {
    let mut parts: Vec<String> = texts.iter().take(most).cloned().collect();
    let more = texts.len() - parts.len();
    parts.extend((more > 0).then(|| format!("{more} more")));
    parts.join("; ")
}
