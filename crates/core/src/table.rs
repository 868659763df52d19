//! The error that a table of this project is broken.

/// The error that a table of this project is broken. It is a bug, and tests read every table.
///
/// The text of a variant is the part of the table that is broken, or the error of its JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A table of integrations, of which each service has one.
    #[error("the table of integrations can't be parsed: {0}; report it as a bug")]
    Integrations(String),
    /// The table of APIs.
    #[error("the table of APIs can't be parsed: {0}; report it as a bug")]
    Apis(String),
    /// The table of the services whose callers need the key of the data.
    #[error("the table of data keys can't be parsed: {0}; report it as a bug")]
    DataKeys(String),
    /// The table of the capabilities of an execution role.
    #[error("the table of capabilities can't be parsed: {0}; report it as a bug")]
    Capabilities(String),
    /// The file of a role set.
    #[error("the file of role set `{name}` can't be parsed: {problem}; report it as a bug")]
    RoleSet {
        /// The name of the role set: `CoreShared`.
        name: &'static str,
        /// The part of the file that is broken, or the error of its JSON.
        problem: String,
    },
    /// No file has the role set of this name. The text is the name.
    #[error("role set `{0}` does not exist")]
    NoRoleSet(String),
}
