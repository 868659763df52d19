//! Replaces `account.rs` when the command line is built without the AWS SDKs. `Account` has no value, so the compiler
//! knows that its methods are never called.

use std::collections::BTreeMap;

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_core::resource::spec::ReadContext;
use mlops_roles_engine::decide::decision::{Change, Decision};
use mlops_roles_engine::decide::refusal::Refusal;
use mlops_roles_engine::lookup::{Found, LookupError};

/// The account that this build can't open.
#[derive(Debug)]
pub enum Account {}

/// Why no account can be read.
#[derive(Debug, thiserror::Error)]
#[error("`--against-account`: this program was built without the AWS SDKs; build it with `--features account`")]
pub struct AccountError;

/// A stack with its parameters and resources.
#[derive(Debug)]
pub struct Stack {
    /// The ARN of the stack.
    pub id: String,
    /// The values of the parameters, by name.
    pub parameters: BTreeMap<String, String>,
    /// The physical ids of the resources, by logical id.
    pub resources: BTreeMap<String, String>,
}

#[expect(clippy::unused_async, reason = "has the signatures of `account.rs`")]
impl Account {
    pub async fn open(_region: Option<&str>) -> Result<Self, AccountError> {
        Err(AccountError)
    }

    pub async fn stack(&self, _name: &str) -> Result<(Stack, Place), AccountError> {
        match *self {}
    }

    pub async fn values(
        &self,
        _stack: &Stack,
        _roles: &[&str],
        _place: &Place,
    ) -> Result<BTreeMap<String, String>, AccountError> {
        match *self {}
    }

    pub async fn find(
        &self,
        _source: &Source,
        _request: Option<&Request>,
        _context: ReadContext<'_>,
        _itself: &[&str],
    ) -> Result<Found, LookupError> {
        match *self {}
    }

    pub async fn decide(
        &self,
        _kind: &str,
        _change: Change<'_>,
        _context: ReadContext<'_>,
    ) -> Result<Decision, Refusal> {
        match *self {}
    }
}
