//! Parses the property that says where to find an execution role.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::iam::arn::Place;
use crate::resource::properties::Reader;

/// The name of the property.
pub const PROPERTY: &str = "SageMakerExecutionRole";

/// The place where the execution role is looked up, in the region of the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The default execution role of a domain's users. Holds the id of the domain, such as `d-abcdefghijkl`.
    Domain(String),
    /// The execution role of a user profile; where the profile has none, the domain's default.
    UserProfile {
        /// The id of the domain.
        domain: String,
        /// The name of the user profile.
        name: String,
    },
    /// The execution role of the owner of a private space, or the domain's role for shared spaces.
    Space {
        /// The id of the domain.
        domain: String,
        /// The name of the space.
        name: String,
    },
    /// The role of a notebook instance. Holds the name of the instance.
    NotebookInstance(String),
    /// The role of an endpoint's configuration; where that has none, the role of its models. Holds the endpoint's name.
    Endpoint(String),
    /// The same without the models of instance pools. No property says so.
    EndpointVariants(String),
    /// The role of a pipeline. Holds the name of the pipeline.
    Pipeline(String),
    /// The role of the instance groups of a HyperPod cluster. Holds the name or the ARN of the cluster.
    Cluster(String),
    /// The role of a training job. Holds the name of the job.
    TrainingJob(String),
    /// The role that validates a model package. Holds the name or the ARN of the model package.
    ModelPackage(String),
    /// The one role of the account whose name begins with this text.
    RoleNamePrefix(String),
}

impl Source {
    /// Parses the property.
    ///
    /// Returns `None` where the property is absent or invalid; the reader collects the validation error of the latter.
    pub fn parse(reader: &Reader<'_>) -> Option<Self> {
        let value = reader.raw(PROPERTY)?;
        let expected = "one of `{DomainId}`, `{DomainId, UserProfileName}`, `{DomainId, SpaceName}`, \
                        `{NotebookInstanceName}`, `{EndpointName}`, `{PipelineName}`, `{ClusterName}`, \
                        `{TrainingJobName}`, `{ModelPackageName}`, `{RoleNamePrefix}`, each with text that is not \
                        empty";
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
            ["ClusterName"] => Self::Cluster(text("ClusterName")),
            ["TrainingJobName"] => Self::TrainingJob(text("TrainingJobName")),
            ["ModelPackageName"] => Self::ModelPackage(text("ModelPackageName")),
            ["RoleNamePrefix"] => Self::RoleNamePrefix(text("RoleNamePrefix")),
            _ => return invalid(),
        })
    }
}

impl Source {
    /// Returns what an earlier version of this function read in its place. `None` where nothing has changed.
    pub fn earlier(&self) -> Option<Self> {
        match self {
            Self::Endpoint(name) => Some(Self::EndpointVariants(name.clone())),
            _ => None,
        }
    }

    /// Returns the first API call of the look-up, as IAM names the action: `sagemaker:DescribeDomain`.
    pub fn call(&self) -> &'static str {
        match self {
            Self::Domain(_) => "sagemaker:DescribeDomain",
            Self::UserProfile { .. } => "sagemaker:DescribeUserProfile",
            Self::Space { .. } => "sagemaker:DescribeSpace",
            Self::NotebookInstance(_) => "sagemaker:DescribeNotebookInstance",
            Self::Endpoint(_) | Self::EndpointVariants(_) => "sagemaker:DescribeEndpoint",
            Self::Pipeline(_) => "sagemaker:DescribePipeline",
            Self::Cluster(_) => "sagemaker:DescribeCluster",
            Self::TrainingJob(_) => "sagemaker:DescribeTrainingJob",
            Self::ModelPackage(_) => "sagemaker:DescribeModelPackage",
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
            Self::Endpoint(name) | Self::EndpointVariants(name) => write!(f, "endpoint `{name}`"),
            Self::Pipeline(name) => write!(f, "pipeline `{name}`"),
            Self::Cluster(name) => write!(f, "cluster `{name}`"),
            Self::TrainingJob(name) => write!(f, "training job `{name}`"),
            Self::ModelPackage(name) => write!(f, "model package `{name}`"),
            Self::RoleNamePrefix(prefix) => write!(f, "the role whose name begins with `{prefix}`"),
        }
    }
}

/// Returns the ARN that stands for the role before the look-up: `arn:aws:iam::123456789012:role/SageMaker-to-be-found`.
///
/// With it, all other properties can be validated without the look-up.
pub fn placeholder_role(place: &Place) -> String {
    place.role_arn("/", "SageMaker-to-be-found")
}
