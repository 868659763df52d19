//! Records what one event did and how long it took.
//!
//! The record is one line of JSON in the log, from which CloudWatch makes metrics.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! The values are recorded beside the work, from wherever it happens. Nothing depends on them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use mlops_roles_core::iam::document::json;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::protocol::response::{Response, Status};
use mlops_roles_core::protocol::target::ResponseTarget;
use mlops_roles_core::resource::TYPES;

/// The CloudWatch namespace of the metrics.
const NAMESPACE: &str = "mlops-roles";

/// The name and unit of each metric. The line has a member of the same name.
const METRICS: [(&str, &str); 8] = [
    ("Events", "Count"),
    ("Failed", "Count"),
    ("Unanswered", "Count"),
    ("LeftBehind", "Count"),
    ("Duration", "Milliseconds"),
    ("Calls", "Count"),
    ("Retries", "Count"),
    ("Waited", "Milliseconds"),
];

/// The longest text in the line, in characters. A forged event may hold a text of any length.
const LONGEST_TEXT: usize = 2_000;

tokio::task_local! {
    static CURRENT: RefCell<Telemetry>;
}

/// A part of the work whose time is recorded separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Phase {
    /// The checks and reads up to the plan: whether the event is stale, and the observed state.
    #[serde(rename = "LookMs")]
    Observe,
    /// The steps of the plan.
    #[serde(rename = "ApplyMs")]
    Apply,
    /// The propagation wait: the pause until a new role can be used.
    #[serde(rename = "SettleMs")]
    PropagationWait,
    /// The reads until the changes are visible, and the simulation of the role's permissions.
    #[serde(rename = "ConfirmMs")]
    Confirm,
    /// The rollback.
    #[serde(rename = "UndoMs")]
    Rollback,
    /// The delivery of the response.
    #[serde(rename = "AnswerMs")]
    Response,
}

/// The values recorded for one event.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    request_type: &'static str,
    resource_type: String,
    logical_id: String,
    stack_id: String,
    request_id: String,
    physical_id: String,
    /// The steps of the first plan.
    plan: Vec<String>,
    /// The number of calls to AWS by action. The delivery of the response does not count.
    calls: BTreeMap<String, u32>,
    /// The number of steps and reads that were tried again.
    retries: u32,
    /// The time spent in retry pauses and propagation waits.
    waited: Duration,
    /// The number of rollback steps that were not applied.
    left_behind: usize,
    response: Option<(Status, String)>,
    response_bytes: usize,
    response_status: Option<u16>,
    phases: BTreeMap<Phase, u64>,
    took: Duration,
}

impl Telemetry {
    /// Runs the work and returns its output with the values recorded meanwhile.
    pub async fn gather<T>(work: impl Future<Output = T>) -> (T, Self) {
        let work = async {
            let started = Instant::now();
            let output = work.await;
            let mut telemetry = CURRENT.with(RefCell::take);
            telemetry.took = started.elapsed();
            (output, telemetry)
        };
        CURRENT.scope(RefCell::default(), work).await
    }

    /// Renders the line in CloudWatch's embedded metric format. `function` is the name of the Lambda function; `at` is
    /// the time in milliseconds since the epoch.
    pub fn line(&self, function: &str, at: u128) -> String {
        let (outcome, reason) = match &self.response {
            Some((Status::Success, _)) => ("SUCCESS", ""),
            Some((Status::Failed, reason)) => ("FAILED", reason.as_str()),
            None => ("NONE", ""),
        };
        // Each value of a dimension is a metric of its own, so a forged resource type must not become one.
        let resource_type = TYPES.into_iter().find(|known| *known == self.resource_type).unwrap_or("Other");
        let metrics: Vec<Value> = METRICS.iter().map(|(name, unit)| json!({ "Name": name, "Unit": unit })).collect();
        json(&json!({
            "_aws": {
                "Timestamp": u64::try_from(at).unwrap_or(u64::MAX),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["FunctionName"], ["FunctionName", "ResourceType"]],
                    "Metrics": metrics,
                }],
            },
            "FunctionName": function,
            "ResourceType": resource_type,
            "RequestType": self.request_type,
            "LogicalResourceId": cut(&self.logical_id),
            "PhysicalResourceId": cut(&self.physical_id),
            "StackId": cut(&self.stack_id),
            "RequestId": cut(&self.request_id),
            "Plan": self.plan,
            "CallsByAction": self.calls,
            "Outcome": outcome,
            "Reason": cut(reason),
            "AnswerStatus": self.response_status,
            "AnswerBytes": self.response_bytes,
            "Phases": self.phases,
            "Events": 1,
            "Failed": u32::from(outcome == "FAILED"),
            "Unanswered": u32::from(self.response_status.is_none()),
            "LeftBehind": self.left_behind,
            "Duration": milliseconds(self.took),
            "Calls": self.calls.values().sum::<u32>(),
            "Retries": self.retries,
            "Waited": milliseconds(self.waited),
        }))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

/// Changes the values of the current event. Does nothing outside of `Telemetry::gather`.
fn record(change: impl FnOnce(&mut Telemetry)) {
    CURRENT.try_with(|telemetry| change(&mut telemetry.borrow_mut())).unwrap_or_default();
}

/// Records the ids that the response repeats: logical id, stack id and request id.
pub fn targeted(target: &ResponseTarget) {
    record(|telemetry| {
        target.logical_id.clone_into(&mut telemetry.logical_id);
        target.stack_id.clone_into(&mut telemetry.stack_id);
        target.request_id.clone_into(&mut telemetry.request_id);
    });
}

/// Records the operation and the resource type of the event.
pub fn received(request: &Request) {
    record(|telemetry| {
        telemetry.request_type = request.operation.name();
        request.resource_type.clone_into(&mut telemetry.resource_type);
    });
}

/// Records the steps of the plan.
pub fn planned(steps: &[Step]) {
    record(|telemetry| telemetry.plan = steps.iter().map(Step::to_string).collect());
}

/// Records how many rollback steps were not applied.
pub fn left_behind(steps: usize) {
    record(|telemetry| telemetry.left_behind = steps);
}

/// Records the response that is about to be sent, and the size of its body in bytes.
pub fn responding(response: &Response, bytes: usize) {
    record(|telemetry| {
        response.physical_resource_id.clone_into(&mut telemetry.physical_id);
        telemetry.response = Some((response.status, response.reason.clone()));
        telemetry.response_bytes = bytes;
    });
}

/// Records that the response was delivered. `status` is the HTTP status of the reply: `200`.
pub fn responded(status: u16) {
    record(|telemetry| telemetry.response_status = Some(status));
}

/// Records one more call to AWS, by its action without the service: `CreateRole`.
pub fn called(action: String) {
    record(|telemetry| *telemetry.calls.entry(action).or_default() += 1);
}

/// Runs a part of the work and adds its duration to the phase.
pub async fn timed<T>(phase: Phase, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let output = work.await;
    record(|telemetry| *telemetry.phases.entry(phase).or_default() += milliseconds(started.elapsed()));
    output
}

/// Waits before a retry, and counts the retry.
pub async fn pause(duration: Duration) {
    record(|telemetry| telemetry.retries += 1);
    wait(duration).await;
}

/// Waits, and adds the duration to the waited time.
pub async fn wait(duration: Duration) {
    record(|telemetry| telemetry.waited += duration);
    // Even a timer of zero length takes a millisecond.
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
