//! The one port behind which the process sees Lambda, AWS and the response URL, and which breaks what passes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::message::{Request, response};
use super::stack::Stack;
use super::{Break, LAG, Upstream};

/// The duration of a slow call.
const SLOW: Duration = Duration::from_secs(2);

/// What the connections of a function share.
#[derive(Default)]
pub struct State {
    /// The number of processes so far: a connection of a dead process must not take what is meant for the next one.
    pub process: usize,
    pub event: Option<String>,
    /// Whether the process reported success to the runtime API.
    pub outcome: Option<bool>,
    /// When Lambda would end the process, in milliseconds since the epoch.
    pub deadline: u128,
    pub breaks: Vec<(usize, Break)>,
    pub met: usize,
    pub calls: Vec<String>,
    /// The responses, each with the time since the delivery.
    pub answers: Vec<(Duration, Value)>,
    pub delivered_at: Option<Instant>,
    pub stack: Stack,
    pub seen: HashMap<Vec<u8>, Vec<u8>>,
    pub stale_until: Option<Instant>,
    pub each_takes: Duration,
}

/// A handle of the state, for each connection.
#[derive(Clone)]
pub struct Shared {
    pub state: Arc<Mutex<State>>,
    pub event: Arc<Notify>,
    pub outcome: Arc<Notify>,
    pub kill: Arc<Notify>,
    pub upstream: Upstream,
}

enum Reply {
    Whole(Vec<u8>),
    Half(Vec<u8>),
    Reset,
    Never,
}

impl Shared {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one connection.
    pub async fn serve(self, mut stream: TcpStream) {
        let process = self.state().process;
        let Some(request) = Request::read(&mut stream).await else { return };
        let reply = if request.path.starts_with("/2018-06-01/runtime/") {
            self.runtime(&request, process).await
        } else {
            self.meet(&request).await
        };
        match reply {
            Reply::Whole(bytes) => drop(stream.write_all(&bytes).await),
            Reply::Half(bytes) => drop(stream.write_all(&bytes[..bytes.len() - bytes.len() / 4]).await),
            Reply::Reset => drop(stream.set_zero_linger()),
            Reply::Never => return,
        }
        drop(stream.shutdown().await);
    }

    async fn runtime(&self, request: &Request, process: usize) -> Reply {
        if request.method == "POST" {
            self.state().outcome = Some(request.path.ends_with("/response"));
            self.outcome.notify_waiters();
            return Reply::Whole(response("202 Accepted", "", "{}"));
        }
        loop {
            let next = self.event.notified();
            {
                let mut state = self.state();
                if state.process != process {
                    return Reply::Never;
                }
                if let Some(event) = state.event.take() {
                    state.delivered_at = Some(Instant::now());
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
                    let headers = format!(
                        "lambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: {}\r\n\
                         lambda-runtime-invoked-function-arn: {}\r\n",
                        now + state.deadline,
                        serde_json::from_str::<Value>(&event).unwrap()["ResourceProperties"]["ServiceToken"]
                            .as_str()
                            .unwrap_or_default()
                    );
                    return Reply::Whole(response("200 OK", &headers, &event));
                }
            }
            next.await;
        }
    }

    /// Handles a call or a response, with the fault that it meets.
    async fn meet(&self, request: &Request) -> Reply {
        let action = request.action();
        let (mischief, takes) = {
            let mut state = self.state();
            let index = state.calls.len();
            state.calls.push(action.clone());
            let at = state.breaks.iter().position(|(at, _)| *at == index);
            let mischief = at.map(|at| state.breaks.remove(at).1);
            state.met += usize::from(mischief.is_some());
            (mischief, state.each_takes)
        };
        sleep(if request.method == "PUT" { Duration::ZERO } else { takes }).await;
        match mischief {
            None => Reply::Whole(self.pass(request, &action, false).await),
            Some(Break::Throttled) => Reply::Whole(request.refusal("400 Bad Request", "Throttling")),
            Some(Break::Failed) => Reply::Whole(request.refusal("500 Internal Server Error", "ServiceFailure")),
            Some(Break::Unavailable) => Reply::Whole(request.refusal("503 Service Unavailable", "ServiceUnavailable")),
            Some(Break::Conflict) => Reply::Whole(request.refusal("409 Conflict", "ConcurrentModification")),
            Some(Break::ResetBefore) => Reply::Reset,
            Some(Break::ResetAfter) => {
                self.pass(request, &action, false).await;
                Reply::Reset
            }
            Some(Break::Slow) => {
                let reply = self.pass(request, &action, false).await;
                sleep(SLOW).await;
                Reply::Whole(reply)
            }
            Some(Break::Truncated) => Reply::Half(self.pass(request, &action, false).await),
            Some(Break::Lag) => Reply::Whole(self.pass(request, &action, true).await),
            Some(kind @ (Break::KillBefore | Break::KillAfter)) => {
                if kind == Break::KillAfter {
                    self.pass(request, &action, false).await;
                }
                self.kill.notify_one();
                Reply::Never
            }
        }
    }

    async fn pass(&self, request: &Request, action: &str, lags: bool) -> Vec<u8> {
        if request.method == "PUT" {
            return self.answered(&request.body);
        }
        if request.head.contains("/cloudformation/aws4_request") {
            return self.state().stack.told(action);
        }
        let reads = ["Get", "List", "Describe", "Simulate"].iter().any(|verb| action.starts_with(verb));
        {
            let mut state = self.state();
            if lags {
                state.stale_until = Some(Instant::now() + LAG);
            }
            if let Some(before) = state.seen.get(&request.body).filter(|_| reads && state.lags()) {
                return before.clone();
            }
        }
        let reply = self.upstream(request).await;
        let mut state = self.state();
        if reads && !state.lags() {
            state.seen.insert(request.body.clone(), reply.clone());
        }
        reply
    }

    /// The reply of the local AWS; empty when the local AWS was too busy, which is one more fault.
    async fn upstream(&self, request: &Request) -> Vec<u8> {
        let sagemaker = request.head.contains("/sagemaker/aws4_request");
        let port = if sagemaker { self.upstream.sagemaker } else { self.upstream.iam };
        let head = request.head.trim_end();
        let mut reply = Vec::new();
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
            stream.write_all(&request.body).await?;
            stream.read_to_end(&mut reply).await
        };
        drop(timeout(Duration::from_mins(1), exchange).await);
        reply
    }

    fn answered(&self, body: &[u8]) -> Vec<u8> {
        let answer: Value = serde_json::from_slice(body).unwrap();
        let mut state = self.state();
        let after = state.delivered_at.map_or(Duration::ZERO, |at| at.elapsed());
        state.stack.state = if answer["Status"] == "SUCCESS" { "COMPLETE" } else { "FAILED" };
        answer["PhysicalResourceId"].as_str().unwrap_or_default().clone_into(&mut state.stack.physical_id);
        state.answers.push((after, answer));
        response("200 OK", "", "")
    }
}

impl State {
    fn lags(&self) -> bool {
        self.stale_until.is_some_and(|until| Instant::now() < until)
    }
}
