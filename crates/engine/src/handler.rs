//! Handles one event, from the payload that Lambda delivers to the response that CloudFormation receives.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::timeout_at;

use crate::context::Context;
use crate::deadlines::Deadlines;
use crate::decide::refusal::Refusal;
use crate::deliver::{DeliveryError, ResponseSender};
use crate::operation;
use crate::operation::outcome::{Done, Failed, Failure};
use crate::port::{Aws, Transport};
use crate::staleness::{EventAge, check_staleness};
use crate::telemetry;
use crate::telemetry::{Phase, timed};
use mlops_roles_core::guardrails::{Guardrails, MisconfiguredEnvironment};
use mlops_roles_core::iam::arn::{Arn, Place};
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::protocol::response::Response;
use mlops_roles_core::protocol::target::ResponseTarget;
use mlops_roles_core::resource::spec::ReadContext;

/// The handler of the function. It serves one event at a time and keeps no state between events.
#[derive(Clone, Debug)]
pub struct Handler<A, T> {
    /// The clients of IAM, CloudFormation, SageMaker and Amazon S3.
    pub ports: A,
    /// The deployer's guardrails, or what is wrong with the environment variables that set them. An error fails every
    /// event of the stacks that this function serves.
    pub guardrails: Result<Guardrails, MisconfiguredEnvironment>,
    /// Delivers the response to the response URL.
    pub sender: ResponseSender<T>,
}

/// What Lambda tells the function about one invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The ARN of the invoked function: `arn:aws:lambda:eu-west-1:123456789012:function:mlops-roles`. The function
    /// serves only stacks of this partition, region and account.
    pub function_arn: String,
    /// The time until Lambda ends the invocation.
    pub remaining: Duration,
    /// The current time, in seconds since the Unix epoch.
    pub now: i64,
}

impl<A: Aws, T: Transport> Handler<A, T> {
    /// Processes the event and sends a response to CloudFormation, whatever the event contains and whatever goes wrong.
    ///
    /// # Errors
    /// Returns an error when CloudFormation has certainly not received a response. Lambda then runs the event again.
    pub async fn handle(&self, payload: &Value, invocation: &Invocation) -> Result<(), DeliveryError> {
        let place = Place::from_arn(&invocation.function_arn);
        let read = Request::parse(payload);
        let allowed = read.as_ref().ok().and_then(|request| request.service_timeout);
        let deadlines =
            Deadlines::from_remaining(allowed.map_or(invocation.remaining, |most| most.min(invocation.remaining)));
        let target = read.as_ref().map_or_else(|broken| broken.target.as_ref(), |request| Some(&request.target));
        if let Some(target) = target {
            telemetry::targeted(target);
            // The URL is checked before any work: the function must not start work whose result it can't report.
            self.sender.check(&target.response_url, place.as_ref())?;
        }
        let (target, outcome) = match read {
            Ok(request) => {
                let age = EventAge { signed_at: request.target.response_url.signed_at(), now: invocation.now };
                let outcome = self.guarded(&request, place.as_ref(), age, deadlines).await;
                (request.target, outcome)
            }
            Err(broken) => {
                tracing::error!(reason = broken.why, "event is not a custom resource request");
                let Some(target) = broken.target else { return Err(DeliveryError::Nobody { why: broken.why }) };
                let failed = Failed::with_id_of(&target, Failure::NotARequest(broken.why));
                (target, Err(failed))
            }
        };
        let response = match outcome {
            Ok(done) => Response::success(&target, &done.physical_id, done.data),
            Err(failed) => Response::failed(&target, &failed.physical_id, failed.failure.to_string()),
        };
        tracing::info!(
            status = ?response.status,
            reason = response.reason,
            physical_id = response.physical_resource_id,
            "responding"
        );
        let delivery = self.sender.deliver(&target.response_url, &response, place.as_ref(), deadlines.response);
        timed(Phase::Response, delivery).await.map(drop)
    }

    /// Does the work of an event, and returns an outcome even when the work panics or hangs.
    async fn guarded(
        &self,
        request: &Request,
        place: Option<&Place>,
        age: EventAge,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        telemetry::received(request);
        let ResponseTarget { stack_id, logical_id, .. } = &request.target;
        tracing::info!(
            operation = request.operation.name(),
            resource_type = request.resource_type,
            stack_id,
            logical_id,
            "event received"
        );
        // The future is boxed because it holds the futures of all SDK calls, and those are large.
        let work = AssertUnwindSafe(Box::pin(self.work(request, place, age, deadlines))).catch_unwind();
        match timeout_at(deadlines.watchdog, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(Failed::with_id_of(&request.target, Failure::Panicked(message(&*panic)))),
            Err(_) => Err(Failed::with_id_of(&request.target, Failure::OutOfTime)),
        }
    }

    async fn work(
        &self,
        request: &Request,
        place: Option<&Place>,
        age: EventAge,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let refuse = |refusal: Refusal| Failed::with_id_of(&request.target, refusal);
        let place = place.ok_or_else(|| refuse(Refusal::NoPlace))?;
        let stack_id = &request.target.stack_id;
        let is_stack = Arn::parse(stack_id).is_some_and(|arn| arn.service == "cloudformation");
        if !is_stack || Place::from_arn(stack_id).as_ref() != Some(place) {
            // The function never created anything for such a stack, so a Delete has nothing to delete.
            return match request.operation {
                Operation::Delete { .. } => Ok(Done::unchanged(&request.target)),
                _ => Err(refuse(Refusal::OtherPlace { stack_id: stack_id.clone(), place: place.clone() })),
            };
        }
        let guardrails = self.guardrails.as_ref().map_err(|error| refuse(error.clone().into()))?;
        let stacks = self.ports.stacks();
        let staleness = check_staleness(stacks, request, age, guardrails.verifies_events, deadlines.work);
        let asked = timed(Phase::Observe, staleness).await.map_err(|stale| refuse(stale.into()))?;
        let owner = request.owner();
        let read = ReadContext { place, guardrails, owner: &owner, existing: None, found: None };
        let cx = Context { aws: &self.ports, read, resource_type: &request.resource_type, deadlines };
        operation::run(&cx, request, asked).await
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
