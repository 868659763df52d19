//! What an event took: one line of JSON in the log, from which CloudWatch makes metrics.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! It is gathered beside the work, wherever that happens, and nothing hangs on it.

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

const NAMESPACE: &str = "mlops-roles";

/// Name and unit of each metric, which is a member of the line too.
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

/// Characters of a text in the line. An event that somebody made up may hold any.
const LONGEST_TEXT: usize = 2_000;

tokio::task_local! {
    static CURRENT: RefCell<Telemetry>;
}

/// A part of the work whose time is told by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Phase {
    /// Whether the event is timely, and what there is: up to the plan.
    #[serde(rename = "LookMs")]
    Observe,
    #[serde(rename = "ApplyMs")]
    Apply,
    /// The wait until a new role can be used.
    #[serde(rename = "SettleMs")]
    PropagationWait,
    /// Until what was done shows, and is permitted.
    #[serde(rename = "ConfirmMs")]
    Confirm,
    #[serde(rename = "UndoMs")]
    Rollback,
    #[serde(rename = "AnswerMs")]
    Response,
}

/// What is gathered of one event.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    request_type: &'static str,
    resource_type: String,
    logical_id: String,
    stack_id: String,
    request_id: String,
    physical_id: String,
    /// The steps as they were first planned.
    plan: Vec<String>,
    /// Calls to AWS by action; the answer is none.
    calls: BTreeMap<String, u32>,
    /// Steps and questions that were tried again.
    retries: u32,
    /// In pauses and for new roles to settle.
    waited: Duration,
    /// Steps of the way back that were not taken.
    left_behind: usize,
    response: Option<(Status, String)>,
    answer_bytes: usize,
    answer_status: Option<u16>,
    phases: BTreeMap<Phase, u64>,
    took: Duration,
}

impl Telemetry {
    /// Does the work, and tells what was gathered meanwhile.
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

    /// The line, in CloudWatch's embedded metric format. `at` is in milliseconds since the epoch.
    pub fn line(&self, function: &str, at: u128) -> String {
        let (outcome, reason) = match &self.response {
            Some((Status::Success, _)) => ("SUCCESS", ""),
            Some((Status::Failed, reason)) => ("FAILED", reason.as_str()),
            None => ("NONE", ""),
        };
        // A dimension for every text that somebody makes up would be a metric for each.
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
            "AnswerStatus": self.answer_status,
            "AnswerBytes": self.answer_bytes,
            "Phases": self.phases,
            "Events": 1,
            "Failed": u32::from(outcome == "FAILED"),
            "Unanswered": u32::from(self.answer_status.is_none()),
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

/// Outside of an event nothing is gathered.
fn record(change: impl FnOnce(&mut Telemetry)) {
    CURRENT.try_with(|telemetry| change(&mut telemetry.borrow_mut())).unwrap_or_default();
}

pub fn targeted(target: &ResponseTarget) {
    record(|telemetry| {
        target.logical_id.clone_into(&mut telemetry.logical_id);
        target.stack_id.clone_into(&mut telemetry.stack_id);
        target.request_id.clone_into(&mut telemetry.request_id);
    });
}

pub fn received(request: &Request) {
    record(|telemetry| {
        telemetry.request_type = request.operation.name();
        request.resource_type.clone_into(&mut telemetry.resource_type);
    });
}

pub fn planned(steps: &[Step]) {
    record(|telemetry| telemetry.plan = steps.iter().map(Step::to_string).collect());
}

pub fn left_behind(steps: usize) {
    record(|telemetry| telemetry.left_behind = steps);
}

pub fn responding(response: &Response, bytes: usize) {
    record(|telemetry| {
        response.physical_resource_id.clone_into(&mut telemetry.physical_id);
        telemetry.response = Some((response.status, response.reason.clone()));
        telemetry.answer_bytes = bytes;
    });
}

/// `status` is that of the response that took the answer.
pub fn responded(status: u16) {
    record(|telemetry| telemetry.answer_status = Some(status));
}

/// One more call to AWS, by its action.
pub fn called(action: String) {
    record(|telemetry| *telemetry.calls.entry(action).or_default() += 1);
}

/// Does a part of the work and adds its time.
pub async fn timed<T>(phase: Phase, work: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let output = work.await;
    record(|telemetry| *telemetry.phases.entry(phase).or_default() += milliseconds(started.elapsed()));
    output
}

/// Waits before something is tried again.
pub async fn pause(duration: Duration) {
    record(|telemetry| telemetry.retries += 1);
    wait(duration).await;
}

pub async fn wait(duration: Duration) {
    record(|telemetry| telemetry.waited += duration);
    // A timer takes a millisecond even for nothing.
    if !duration.is_zero() {
        sleep(duration).await;
    }
}
