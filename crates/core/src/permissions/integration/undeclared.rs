//! What states need and nobody names.

use crate::permissions::integration::task_resources::Use;

/// A need that the definition does not name and the author has not declared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UndeclaredNeed {
    /// The path of the state: `Prepare.Branches[0].Train`. For the keys of data, `(data keys)`.
    pub state: String,
    /// How the state uses it.
    pub used: Use,
    /// What the state uses, as a noun phrase: `the data behind the tables of the query`.
    pub what: String,
    /// Whether the state certainly needs it. Otherwise it depends on what the definition does not tell.
    pub required: bool,
    /// The service principal that a role is passed to: `ecs-tasks.amazonaws.com`. `None` for other uses.
    pub service: Option<String>,
    /// The page of AWS that has the need.
    pub source: String,
}
