//! What a call is answered.

use serde_json::Value;

/// The result in AWS's own shape. Dates are seconds since the epoch, documents their text.
pub type Reply = Result<Value, Refusal>;

#[derive(Clone, Debug, Hash)]
pub struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned() }
    }
}

/// Why a call had no result.
#[derive(Clone, Debug, Hash)]
pub enum Failure {
    Refused(Refusal),
    /// No reply came.
    Lost,
}

pub(super) fn missing(what: &str, name: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", &format!("{what} {name} cannot be found."))
}
