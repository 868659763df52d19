//! The execution role that something in SageMaker runs with, so that nobody has to look for it by eye.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;
use tokio::time::Instant;

use crate::apply::{Cause, patiently};
use crate::arn::Place;
use crate::port::{Fault, Iam, Kind, SageMaker};
use crate::properties::Reader;

/// Roles that a reason names before it only counts them.
const NAMED: usize = 10;
const PROPERTY: &str = "SageMakerExecutionRole";

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The default of a domain's users.
    Domain(String),
    /// The user profile's own role before the domain's default.
    UserProfile {
        domain: String,
        name: String,
    },
    /// That of its owner where the space is private, the domain's for shared spaces otherwise.
    Space {
        domain: String,
        name: String,
    },
    NotebookInstance(String),
    /// That of its configuration, or of its models.
    Endpoint(String),
    Pipeline(String),
    /// The one role of the account whose name begins so.
    RoleNamePrefix(String),
}

impl Source {
    /// What the property says, if it says so rightly.
    pub fn read(reader: &Reader<'_>) -> Option<Self> {
        let value = reader.raw(PROPERTY)?;
        let expected = "one of `{DomainId}`, `{DomainId, UserProfileName}`, `{DomainId, SpaceName}`, \
                        `{NotebookInstanceName}`, `{EndpointName}`, `{PipelineName}`, `{RoleNamePrefix}`, all text";
        let wrong = || {
            reader.wrong(PROPERTY, &value.to_string(), expected);
            None
        };
        let Some(members) = value.as_object() else { return wrong() };
        if members.values().any(|value| value.as_str().is_none_or(str::is_empty)) {
            return wrong();
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let names: BTreeSet<&str> = members.keys().map(String::as_str).collect();
        Some(match names.into_iter().collect::<Vec<_>>().as_slice() {
            ["DomainId"] => Self::Domain(text("DomainId")),
            ["DomainId", "UserProfileName"] => {
                Self::UserProfile { domain: text("DomainId"), name: text("UserProfileName") }
            }
            ["DomainId", "SpaceName"] => Self::Space { domain: text("DomainId"), name: text("SpaceName") },
            ["NotebookInstanceName"] => Self::NotebookInstance(text("NotebookInstanceName")),
            ["EndpointName"] => Self::Endpoint(text("EndpointName")),
            ["PipelineName"] => Self::Pipeline(text("PipelineName")),
            ["RoleNamePrefix"] => Self::RoleNamePrefix(text("RoleNamePrefix")),
            _ => return wrong(),
        })
    }
}

impl Source {
    /// The first call of the look-up.
    fn call(&self) -> &'static str {
        match self {
            Self::Domain(_) => "sagemaker:DescribeDomain",
            Self::UserProfile { .. } => "sagemaker:DescribeUserProfile",
            Self::Space { .. } => "sagemaker:DescribeSpace",
            Self::NotebookInstance(_) => "sagemaker:DescribeNotebookInstance",
            Self::Endpoint(_) => "sagemaker:DescribeEndpoint",
            Self::Pipeline(_) => "sagemaker:DescribePipeline",
            Self::RoleNamePrefix(_) => "iam:ListRoles",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(id) => write!(f, "domain `{id}`"),
            Self::UserProfile { domain, name } => write!(f, "user profile `{name}` of domain `{domain}`"),
            Self::Space { domain, name } => write!(f, "space `{name}` of domain `{domain}`"),
            Self::NotebookInstance(name) => write!(f, "notebook instance `{name}`"),
            Self::Endpoint(name) => write!(f, "endpoint `{name}`"),
            Self::Pipeline(name) => write!(f, "pipeline `{name}`"),
            Self::RoleNamePrefix(prefix) => write!(f, "the role whose name begins with `{prefix}`"),
        }
    }
}

/// Stands for the role before it is found: all else about the properties can be told without it.
pub fn to_be_found(place: &Place) -> String {
    place.role_arn("/", "SageMaker-to-be-found")
}

/// The ARN of the one role. `itself` are the names of the role that it is looked up for, before and after: it is never the
/// one, though its name may begin as asked for.
///
/// # Errors
/// When there is none, or several, or AWS does not tell.
pub async fn find(
    iam: &impl Iam,
    sagemaker: &impl SageMaker,
    source: &Source,
    place: &Place,
    itself: &[&str],
    deadline: Instant,
) -> Result<String, String> {
    let asked = patiently(deadline, async || match source {
        Source::RoleNamePrefix(prefix) => iam.roles_named(prefix).await,
        source => sagemaker.execution_roles(&place.region, source).await,
    });
    let mut roles = asked.await.map_err(|cause| untold(source, place, &cause))?;
    roles.retain(|role| !itself.iter().any(|name| role.rsplit('/').next() == Some(*name)));
    let mut rest = roles.iter();
    match (rest.next(), rest.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) if matches!(source, Source::RoleNamePrefix(_)) => {
            Err(format!("`{PROPERTY}`: {source}: account {} has no such role; nothing was changed", place.account))
        }
        (None, _) => Err(format!("`{PROPERTY}`: {source} has no execution role; nothing was changed")),
        _ => Err(format!(
            "`{PROPERTY}`: {source}: found {} roles, {}: name the one by `SageMakerExecutionRoleArns`, or by a longer \
             prefix; nothing was changed",
            roles.len(),
            listed(&roles)
        )),
    }
}

fn listed(roles: &BTreeSet<String>) -> String {
    let named: Vec<String> = roles.iter().take(NAMED).map(|role| format!("`{role}`")).collect();
    let more = roles.len().saturating_sub(NAMED);
    if more == 0 { named.join(", ") } else { format!("{} and {more} more", named.join(", ")) }
}

/// Why it is not told, and what to do about it.
fn untold(source: &Source, place: &Place, cause: &Cause) -> String {
    let why = match cause {
        Cause::Fault(Fault { kind: Kind::NotThere, call, .. }) if source.call() == *call => {
            format!("does not exist in {} ({cause}): correct the name, or look in its own region", place.region)
        }
        Cause::Fault(Fault { kind: Kind::NotThere, .. }) => format!("what it runs with does not exist ({cause})"),
        Cause::Fault(Fault { kind: Kind::Unsettled, .. }) => {
            format!("the function may not look at it: {cause}")
        }
        Cause::Fault(Fault { kind: Kind::TryAgain, .. }) | Cause::OutOfTime => {
            format!("AWS did not tell before the time was up, try again later: {cause}")
        }
        _ => cause.to_string(),
    };
    format!("`{PROPERTY}`: {source}: {why}; nothing was changed")
}
