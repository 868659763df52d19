//! A stage for tests: a stack and its events, the handler in front of the account, and the responses that it sent.

use std::time::Duration;

use serde_json::{Value, json};

use mlops_roles_engine::deliver::{DeliveryError, ResponseSender};
use mlops_roles_engine::handler::{Handler, Invocation};

use crate::account::{Face, Fake};
use crate::fixtures::{FUNCTION, PASSABLE};

pub use crate::fixtures::{BOUNDARY, STACK, TYPE, guardrails};
pub use crate::mailbox::Mailbox;

/// The signature in the response URL, which must never show in logs or messages.
pub const SECRET: &str = "Signature=the-secret-of-the-response-url";
/// The name of the role in `properties`.
pub const ROLE: &str = "AmazonSageMaker-Churn";
/// The ARN of the policy that the properties in `properties` lead to.
pub const POLICY: &str = "arn:aws:iam::123456789012:policy/AmazonSageMaker-Churn-Policy";

/// A handler in front of the account in memory, with the responses that it sent.
pub struct Stage {
    /// The account behind the handler.
    pub fake: Fake,
    /// The responses that were not taken yet.
    pub mailbox: Mailbox,
    pub handler: Handler<Face, Mailbox>,
    /// What Lambda tells the handler of the invocation: five minutes remain.
    pub invocation: Invocation,
}

impl Stage {
    /// A stage in front of the account, in the way that the environment variable `FACE` selects.
    pub fn new(fake: Fake) -> Self {
        Self::before(Face::from_environment(fake.clone()), fake)
    }

    /// A stage in front of the real clients, whatever `FACE` selects.
    #[cfg(feature = "wire")]
    pub fn wired(fake: Fake) -> Self {
        Self::before(Face::wire(&fake), fake)
    }

    /// A stage in front of `face`; `account` is the account behind it.
    pub fn before(face: Face, account: Fake) -> Self {
        // The random parts of pauses are the same for each stage: faults are placed by the number of calls.
        fastrand::seed(0);
        let mailbox = Mailbox::default();
        let sender = ResponseSender { transport: mailbox.clone(), endpoint: None };
        let handler = Handler { ports: face, guardrails: Ok(guardrails()), sender };
        let invocation =
            Invocation { function_arn: FUNCTION.to_owned(), remaining: Duration::from_mins(5), now: 1_800_000_000 };
        Self { fake: account, mailbox, handler, invocation }
    }

    /// Sends the event and returns the single response to it.
    pub async fn send(&self, event: &Value) -> Response {
        let delivered = Box::pin(self.handler.handle(event, &self.invocation)).await;
        delivered.expect("the response is delivered");
        let mut responses = self.mailbox.take();
        assert_eq!(responses.len(), 1, "one answer to {event}");
        Response(responses.remove(0))
    }

    /// Sends the event and returns whether the response was delivered.
    pub async fn try_send(&self, event: &Value) -> Result<(), DeliveryError> {
        Box::pin(self.handler.handle(event, &self.invocation)).await
    }

    /// Sends the event. When the process dies, sends it again as Lambda does, three times at most.
    pub async fn send_until_answered(&self, event: &Value) -> Response {
        for _ in 0..3 {
            tokio::select! {
                delivered = Box::pin(self.handler.handle(event, &self.invocation)) => {
                    delivered.expect("the response is delivered");
                    return Response(self.mailbox.take().remove(0));
                }
                () = self.fake.killed() => {}
            }
        }
        panic!("three deliveries were not enough");
    }
}

/// A response as CloudFormation gets it.
#[derive(Clone, Debug)]
pub struct Response(pub Value);

impl Response {
    /// The physical id.
    pub fn id(&self) -> &str {
        self.0["PhysicalResourceId"].as_str().unwrap()
    }

    /// Whether the status is SUCCESS.
    pub fn succeeded(&self) -> bool {
        self.0["Status"] == "SUCCESS"
    }

    /// The reason; empty when there is none.
    pub fn reason(&self) -> &str {
        self.0["Reason"].as_str().unwrap_or_default()
    }

    /// The response itself; panics when it is a failure.
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(self.succeeded(), "{}", self.0);
        self
    }

    /// The response itself; panics when it is a success.
    #[track_caller]
    pub fn failure(self) -> Self {
        assert!(!self.succeeded(), "{}", self.0);
        self
    }
}

/// The properties that most tests start from.
pub fn properties() -> Value {
    json!({
        "ServiceToken": FUNCTION,
        "RoleName": ROLE,
        "SageMakerExecutionRoleArns": PASSABLE,
        "SettleSeconds": "0",
    })
}

/// `properties()` with other values; null removes a property.
pub fn with(changes: Value) -> Value {
    let mut properties = properties();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            properties.as_object_mut().unwrap().remove(name);
        } else {
            properties[name] = value.clone();
        }
    }
    properties
}

fn event(kind: &str, properties: &Value) -> Value {
    json!({
        "RequestType": kind,
        "RequestId": "1",
        "ResponseURL": format!(
            "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com/stack?{SECRET}"
        ),
        "StackId": STACK,
        "ResourceType": TYPE,
        "LogicalResourceId": "WorkflowRole",
        "ResourceProperties": properties,
    })
}

/// A Create with these properties.
pub fn create(properties: &Value) -> Value {
    event("Create", properties)
}

/// An Update of the resource with this physical id, from `old` to `properties`.
pub fn update(id: &str, properties: &Value, old: &Value) -> Value {
    let mut event = event("Update", properties);
    event["PhysicalResourceId"] = json!(id);
    event["OldResourceProperties"] = old.clone();
    event
}

/// A Delete of the resource with this physical id.
pub fn delete(id: &str, properties: &Value) -> Value {
    let mut event = event("Delete", properties);
    event["PhysicalResourceId"] = json!(id);
    event
}

/// The same event from another stack.
pub fn from_stack(mut event: Value, stack: &str) -> Value {
    event["StackId"] = json!(stack);
    event
}
