//! The reply to a call.

use serde_json::Value;

/// The result in AWS's own shape, or the refusal. Dates are seconds since the epoch; policy documents are text.
pub type Reply = Result<Value, Refusal>;

/// An error of a service: the HTTP status, the code and the message.
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
    /// The service refused the call.
    Refused(Refusal),
    /// No reply came.
    Lost,
}

pub(super) fn missing(what: &str, name: &str) -> Refusal {
    Refusal::new(404, "NoSuchEntity", &format!("{what} {name} cannot be found."))
}
