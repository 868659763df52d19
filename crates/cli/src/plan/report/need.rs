//! What states need and nobody names, as the commands print it.

use mlops_roles_core::permissions::integration::task_resources;
use mlops_roles_core::permissions::integration::undeclared::UndeclaredNeed;
use serde::{Deserialize, Serialize};

/// A need that the definition does not name and the author has not declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Need {
    /// The path of the state: `Prepare.Branches[0].Train`. For the keys of data, `(data keys)`.
    pub state: String,
    /// How the state uses it.
    #[serde(rename = "use")]
    pub used: Use,
    /// What the state uses, as a noun phrase: `the data behind the tables of the query`.
    pub what: String,
    /// Whether the state certainly needs it. Otherwise it depends on what the definition does not tell.
    pub required: bool,
    /// The service principal that a role is passed to: `ecs-tasks.amazonaws.com`. `null` for other uses.
    pub service: Option<String>,
    /// The page of AWS that has the need.
    pub source: String,
}

/// How a state uses what its definition does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub enum Use {
    /// It reads the content.
    Read,
    /// It writes the content.
    Write,
    /// It passes a role.
    PassRole,
    /// It uses a KMS key by way of another service.
    Key,
}

impl From<UndeclaredNeed> for Need {
    fn from(need: UndeclaredNeed) -> Self {
        let UndeclaredNeed { state, used, what, required, service, source } = need;
        Self { state, used: used.into(), what, required, service, source }
    }
}

impl From<task_resources::Use> for Use {
    fn from(used: task_resources::Use) -> Self {
        match used {
            task_resources::Use::Read => Self::Read,
            task_resources::Use::Write => Self::Write,
            task_resources::Use::PassRole => Self::PassRole,
            task_resources::Use::Key => Self::Key,
        }
    }
}
