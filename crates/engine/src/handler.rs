//! Handles one event, from the payload that Lambda delivers to the response that CloudFormation receives.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::timeout_at;

use crate::deadlines::Deadlines;
use crate::deliver::{DeliveryError, ResponseSender};
use crate::operation::outcome::{Done, Failed, failed, nothing};
use crate::port::{Iam, Objects, Ports, SageMaker, Stacks, Transport};
use crate::staleness::{EventAge, check_staleness};
use crate::telemetry;
use crate::telemetry::{Phase, timed};
use mlops_roles_core::guardrails::{Guardrails, MisconfiguredEnvironment};
use mlops_roles_core::iam::arn::{Arn, Place};
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::protocol::response::Response;
use mlops_roles_core::protocol::target::ResponseTarget;
use mlops_roles_core::resource;
use mlops_roles_core::resource::spec::ReadContext;

/// The handler of the function. It serves one event at a time and keeps no state between events.
#[derive(Clone, Debug)]
pub struct Handler<I, S, M, O, T> {
    /// The clients of IAM, CloudFormation, SageMaker and Amazon S3.
    pub ports: Ports<I, S, M, O>,
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

impl<I: Iam, S: Stacks, M: SageMaker, O: Objects, T: Transport> Handler<I, S, M, O, T> {
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
                let failed = failed(&target, broken.why);
                (target, Err(failed))
            }
        };
        let response = match outcome {
            Ok(done) => Response::success(&target, &done.physical_id, done.data),
            Err(failed) => Response::failed(&target, &failed.physical_id, failed.reason),
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
            Ok(Err(panic)) => {
                let reason = format!(
                    "the function panicked, which is a bug: {}; changes may be incomplete; see the function's log, and \
                     report the bug",
                    message(&*panic)
                );
                Err(failed(&request.target, reason))
            }
            Err(_) => {
                let why = "the function ran out of time; changes may be incomplete; see the function's log";
                Err(failed(&request.target, why.to_owned()))
            }
        }
    }

    async fn work(
        &self,
        request: &Request,
        place: Option<&Place>,
        age: EventAge,
        deadlines: Deadlines,
    ) -> Result<Done, Failed> {
        let fail = |reason: String| failed(&request.target, reason);
        let place =
            place.ok_or_else(|| fail("the ARN of the function can't be parsed; nothing was changed".to_owned()))?;
        let stack_id = &request.target.stack_id;
        let is_stack = Arn::parse(stack_id).is_some_and(|arn| arn.service == "cloudformation");
        if !is_stack || Place::from_arn(stack_id).as_ref() != Some(place) {
            // The function never created anything for such a stack, so a Delete has nothing to delete.
            return match request.operation {
                Operation::Delete { .. } => Ok(nothing(request)),
                _ => Err(fail(format!(
                    "stack `{stack_id}` does not belong to {place}, the only place that this function serves; deploy \
                     the function in the account and region of the stack; nothing was changed"
                ))),
            };
        }
        let guardrails = self.guardrails.as_ref().map_err(|error| fail(error.to_string()))?;
        let staleness = check_staleness(&self.ports.stacks, request, age, guardrails.verifies_events, deadlines.work);
        let asked = timed(Phase::Observe, staleness).await.map_err(fail)?;
        let owner = request.owner();
        let context = ReadContext { place, guardrails, owner: &owner, existing: None, found: None };
        if request.resource_type == resource::service_catalog::TYPE {
            return self.ports.service_catalog(request, asked, context, deadlines).await;
        }
        match &request.operation {
            Operation::Create => self.ports.provision(request, asked, context, None, deadlines).await,
            Operation::Update { physical_id, old_properties } => {
                self.ports.provision(request, asked, context, Some((physical_id, old_properties)), deadlines).await
            }
            Operation::Delete { physical_id } => {
                self.ports.delete(request, asked, context, physical_id, deadlines).await
            }
        }
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
