//! Runs the real process under a small Lambda. A proxy between the process and the local AWS breaks what passes.
//!
//! One port serves all three: Lambda's runtime API, the AWS endpoint, and the response URL.

mod message;
mod proxy;
mod stack;

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use self::proxy::Shared;
use self::stack::Stack;

/// How long reads show the state from before a write.
pub const LAG: Duration = Duration::from_secs(3);

/// The number of deliveries of one event: the first delivery and two retries, as Lambda has it.
const DELIVERIES: usize = 3;

/// What the proxy does to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Break {
    Throttled,
    /// The reply is a 500 and the call is not applied.
    Failed,
    /// The reply is a 503 and the call is not applied.
    Unavailable,
    /// The reply is a 409: another write is under way.
    Conflict,
    ResetBefore,
    /// The call is applied, and the connection is reset instead of a reply.
    ResetAfter,
    Slow,
    /// The call is applied, and the connection closes in the middle of the reply.
    Truncated,
    /// From this call on, reads show an earlier state for a while.
    Lag,
    /// The process gets SIGKILL before the call.
    KillBefore,
    /// The process gets SIGKILL once the call is applied.
    KillAfter,
}

pub const BREAKS: [Break; 11] = [
    Break::Throttled,
    Break::Failed,
    Break::Unavailable,
    Break::Conflict,
    Break::ResetBefore,
    Break::ResetAfter,
    Break::Slow,
    Break::Truncated,
    Break::Lag,
    Break::KillBefore,
    Break::KillAfter,
];

/// The ports of the local AWS.
#[derive(Clone, Copy)]
pub struct Upstream {
    pub iam: u16,
    pub sagemaker: u16,
}

/// One function in one account.
pub struct Lambda {
    pub account: String,
    port: u16,
    shared: Shared,
    environment: Vec<(&'static str, String)>,
    process: Option<Child>,
}

/// The result of sending an event.
#[derive(Debug)]
pub struct Delivered {
    /// The first response that arrived, which is the one that CloudFormation accepts, and the time since the delivery.
    pub answer: Option<(Duration, Value)>,
    pub deliveries: usize,
    /// The number of faults that calls met.
    pub met: usize,
    pub calls: Vec<String>,
}

impl Lambda {
    pub async fn new(account: String, upstream: Upstream, environment: Vec<(&'static str, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Shared {
            state: Arc::default(),
            event: Arc::default(),
            outcome: Arc::default(),
            kill: Arc::default(),
            upstream,
        };
        let serving = shared.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        Self { account, port, shared, environment, process: None }
    }

    /// Makes each call take this long, but not the response.
    pub fn slow_down(&self, each: Duration) {
        self.shared.state().each_takes = each;
    }

    fn start(&mut self) {
        self.shared.state().process += 1;
        let address = format!("127.0.0.1:{}", self.port);
        let process = Command::new(env!("CARGO_BIN_EXE_function"))
            .env_clear()
            .envs(self.environment.iter().cloned())
            .env("AWS_LAMBDA_RUNTIME_API", &address)
            .env("AWS_ENDPOINT_URL", format!("http://{address}"))
            .env("AWS_ACCESS_KEY_ID", &self.account)
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_LAMBDA_FUNCTION_NAME", "mlops-roles")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "log")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "log")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.process = Some(process.unwrap());
    }

    async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
    }

    /// Sends the event, and sends it again as Lambda does when the function fails, dies or runs out of time.
    pub async fn send(&mut self, event: &Value, breaks: &[(usize, Break)], remaining: Duration) -> Delivered {
        let mut event = event.clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let signed = aws_smithy_types::DateTime::from_secs(now.as_secs().try_into().unwrap());
        let signed = signed.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap().replace(['-', ':'], "");
        event["ResponseURL"] = json!(format!("http://127.0.0.1:{}/answer?X-Amz-Date={signed}", self.port));
        {
            let mut state = self.shared.state();
            state.breaks = breaks.to_vec();
            (state.met, state.stale_until) = (0, None);
            state.calls.clear();
            state.answers.clear();
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            state.stack = Stack {
                operation: text("RequestType").to_uppercase(),
                state: "IN_PROGRESS",
                logical_id: text("LogicalResourceId"),
                physical_id: text("PhysicalResourceId"),
                since: now.as_secs(),
            };
        }
        let mut deliveries = 0;
        while deliveries < DELIVERIES {
            deliveries += 1;
            if self.deliver(&event, remaining).await == Some(true) {
                break;
            }
        }
        let mut state = self.shared.state();
        let answers = std::mem::take(&mut state.answers);
        Delivered {
            answer: answers.into_iter().next(),
            deliveries,
            met: state.met,
            calls: std::mem::take(&mut state.calls),
        }
    }

    /// Whether the function reported success; `None` when it died.
    async fn deliver(&mut self, event: &Value, remaining: Duration) -> Option<bool> {
        {
            let mut state = self.shared.state();
            state.event = Some(event.to_string());
            state.outcome = None;
            state.delivered_at = None;
            state.deadline = remaining.as_millis();
        }
        if self.process.is_none() {
            self.start();
        }
        self.shared.event.notify_waiters();
        let shared = self.shared.clone();
        let ended = async {
            loop {
                let told = shared.outcome.notified();
                if let Some(outcome) = shared.state().outcome {
                    return Some(outcome);
                }
                told.await;
            }
        };
        // The time that the process takes to start does not count, as with Lambda.
        let end = async {
            while shared.state().delivered_at.is_none() {
                sleep(Duration::from_millis(5)).await;
            }
            sleep(remaining).await;
        };
        let outcome = tokio::select! {
            outcome = ended => outcome,
            () = shared.kill.notified() => None,
            () = end => None,
        };
        if outcome.is_none() {
            self.kill().await;
        }
        outcome
    }
}
