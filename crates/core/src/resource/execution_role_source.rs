//! Where in SageMaker an execution role is to be found.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::iam::arn::Place;
use crate::resource::properties::Reader;

pub const PROPERTY: &str = "SageMakerExecutionRole";

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
    pub fn parse(reader: &Reader<'_>) -> Option<Self> {
        let value = reader.raw(PROPERTY)?;
        let expected = "one of `{DomainId}`, `{DomainId, UserProfileName}`, `{DomainId, SpaceName}`, \
                        `{NotebookInstanceName}`, `{EndpointName}`, `{PipelineName}`, `{RoleNamePrefix}`, all text";
        let invalid = || {
            reader.invalid(PROPERTY, &value.to_string(), expected);
            None
        };
        let Some(members) = value.as_object() else { return invalid() };
        if members.values().any(|value| value.as_str().is_none_or(str::is_empty)) {
            return invalid();
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
            _ => return invalid(),
        })
    }
}

impl Source {
    /// The first call of the look-up.
    pub fn call(&self) -> &'static str {
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
