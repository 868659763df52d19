//! The calls that the ports make, and what their replies say.

use serde_json::Value;
use tokio::time::timeout;

use mlops_roles_core::iam::name::Name;
use mlops_roles_core::state::Tags;
use mlops_roles_engine::port::{AwsError, FaultKind, ONE_CALL};

use crate::account::call::{Call, Params};
use crate::account::handle::Fake;
use crate::account::reply::Failure;

/// A call such as `iam:GetRole`, with its parameters.
pub struct Asked(pub &'static str, pub Params);

/// Begins a request.
pub fn ask(call: &'static str) -> Asked {
    let action = call.rsplit(':').next().unwrap().to_owned();
    Asked(call, Params { action, ..Params::default() })
}

impl Asked {
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.1.values.insert(name.to_owned(), value.to_string());
        self
    }

    pub fn of_role(self, role: &Name) -> Self {
        self.with("RoleName", role)
    }

    pub fn of_policy(self, arn: &str) -> Self {
        self.with("PolicyArn", arn)
    }

    pub fn tags(self, tags: &Tags) -> Self {
        let numbered = (1..).zip(tags);
        numbered.fold(self, |asked, (i, (key, value))| {
            asked.with(&format!("Tags.member.{i}.Key"), key).with(&format!("Tags.member.{i}.Value"), value)
        })
    }

    pub fn members<'a>(self, name: &str, items: impl IntoIterator<Item = &'a String>) -> Self {
        (1..).zip(items).fold(self, |asked, (i, item)| asked.with(&format!("{name}.member.{i}"), item))
    }
}

/// A member that is text; empty where the member is absent.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The items of a list in a reply.
pub fn listed<'a>(reply: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    reply[list].as_array().into_iter().flatten()
}

/// The tags of an entity in a reply.
pub fn tags(entity: &Value) -> Tags {
    listed(entity, "Tags").map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

/// The reply, or `None` when the entity does not exist.
pub fn if_exists(reply: Result<Value, AwsError>) -> Result<Option<Value>, AwsError> {
    match reply {
        Err(error) if error.kind == FaultKind::NotFound => Ok(None),
        reply => reply.map(Some),
    }
}

/// Maps the error of a read that follows one that found the entity. If the entity is gone by now, the whole read is
/// worth repeating.
pub fn unless_changed<T>(reply: Result<T, AwsError>) -> Result<T, AwsError> {
    reply.map_err(|error| match error.kind {
        FaultKind::NotFound => AwsError { kind: FaultKind::MaybePropagating, ..error },
        _ => error,
    })
}

impl Fake {
    pub(super) async fn reply(&self, name: &'static str, call: Call) -> Result<Value, AwsError> {
        let lost = |message: &str| AwsError {
            kind: FaultKind::Transient,
            outcome_unknown: true,
            call: name,
            code: String::new(),
            message: message.to_owned(),
        };
        match timeout(ONE_CALL, self.ask(&call)).await {
            Err(_) => Err(lost("no reply arrived in time")),
            Ok(Err(Failure::Lost)) => Err(lost("the connection failed")),
            Ok(Err(Failure::Refused(refusal))) => Err(AwsError {
                kind: FaultKind::from_response(&refusal.code, &refusal.message, refusal.status),
                outcome_unknown: refusal.status >= 500,
                call: name,
                code: refusal.code,
                message: refusal.message,
            }),
            Ok(Ok(reply)) => Ok(reply),
        }
    }

    pub(super) async fn of_iam(&self, Asked(name, params): Asked) -> Result<Value, AwsError> {
        self.reply(name, Call::Iam(params)).await
    }

    /// All items of a list, from all of its pages.
    pub(super) async fn pages(&self, Asked(name, params): Asked, list: &str) -> Result<Vec<Value>, AwsError> {
        let (mut items, mut marker) = (Vec::new(), None);
        loop {
            let asked = Asked(name, params.clone());
            let asked = if let Some(marker) = marker { asked.with("Marker", marker) } else { asked };
            let page = self.of_iam(asked).await?;
            items.extend(listed(&page, list).cloned());
            marker = page["Marker"].as_str().map(str::to_owned);
            if marker.is_none() {
                return Ok(items);
            }
        }
    }
}
