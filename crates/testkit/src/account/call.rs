//! A request to one of the services.

use std::collections::BTreeMap;
use std::hash::Hash;

use super::model::sagemaker;
use super::reply::{Failure, Refusal};

/// A request, by service.
#[derive(Clone, Debug, Hash)]
pub enum Call {
    Iam(Params),
    CloudFormation(Params),
    SageMaker(sagemaker::Request),
    /// A read of the object `bucket/key` or `bucket/key?versionId=version`.
    S3(String),
}

impl Call {
    pub(super) fn action(&self) -> &str {
        match self {
            Self::Iam(params) | Self::CloudFormation(params) => &params.action,
            Self::SageMaker(request) => &request.action,
            Self::S3(_) => "GetObject",
        }
    }

    /// The role or policy of IAM that the call changes; `None` for a read.
    pub(super) fn written(&self) -> Option<String> {
        let Self::Iam(params) = self else { return None };
        let entity =
            ["RoleName", "PolicyArn"].into_iter().map(|name| params.get(name)).find(|name| !name.is_empty())?;
        (!params.reads()).then(|| entity.to_ascii_lowercase())
    }

    /// A refusal in the words of the service; `code` is the code that IAM would use. SageMaker has no code for two
    /// writes at once. The message of S3 is replaced by the status, as the client does it.
    pub(super) fn refused(&self, status: u16, code: &str, message: &str) -> Failure {
        let code = match self {
            Self::SageMaker(_) if code == "ConcurrentModification" => "ThrottlingException".to_owned(),
            Self::SageMaker(_) => format!("{code}Exception"),
            _ => code.to_owned(),
        };
        let message = if matches!(self, Self::S3(_)) { format!("HTTP status {status}") } else { message.to_owned() };
        Failure::Refused(Refusal { status, code, message })
    }
}

/// A request of the query protocol. Parameters have names such as `RoleName` and `Tags.member.1.Key`.
#[derive(Clone, Debug, Default, Hash)]
pub struct Params {
    pub(super) action: String,
    pub(super) values: BTreeMap<String, String>,
}

impl Params {
    pub(super) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    pub(super) fn reads(&self) -> bool {
        ["Get", "List", "Describe", "Simulate"].iter().any(|verb| self.action.starts_with(verb))
    }

    pub(super) fn members(&self, name: &str) -> Vec<String> {
        (1..).map_while(|i| self.values.get(&format!("{name}.member.{i}")).cloned()).collect()
    }

    pub(super) fn tags(&self) -> Vec<(String, String)> {
        (1..)
            .map_while(|i| {
                let key = self.values.get(&format!("Tags.member.{i}.Key"))?;
                Some((key.clone(), self.get(&format!("Tags.member.{i}.Value")).to_owned()))
            })
            .collect()
    }
}
