//! Runs the real process under a small Lambda. A proxy between the process and the local AWS breaks what passes.
//!
//! One port serves all three: Lambda's runtime API, the AWS endpoint, and the response URL.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// How long reads show the state from before a write.
pub const LAG: Duration = Duration::from_secs(3);
/// The duration of a slow call.
const SLOW: Duration = Duration::from_secs(2);
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

/// What CloudFormation would report of the resource.
#[derive(Clone, Debug, Default)]
struct Stack {
    operation: String,
    /// The end of the status: `IN_PROGRESS`, `COMPLETE` or `FAILED`.
    state: &'static str,
    logical_id: String,
    physical_id: String,
    since: u64,
}

#[derive(Default)]
struct State {
    /// The number of processes so far: a connection of a dead process must not take what is meant for the next one.
    process: usize,
    event: Option<String>,
    /// Whether the process reported success to the runtime API.
    outcome: Option<bool>,
    /// When Lambda would end the process, in milliseconds since the epoch.
    deadline: u128,
    breaks: Vec<(usize, Break)>,
    met: usize,
    calls: Vec<String>,
    /// The responses, each with the time since the delivery.
    answers: Vec<(Duration, Value)>,
    delivered_at: Option<Instant>,
    stack: Stack,
    seen: HashMap<Vec<u8>, Vec<u8>>,
    stale_until: Option<Instant>,
    each_takes: Duration,
}

#[derive(Clone)]
struct Shared {
    state: Arc<Mutex<State>>,
    event: Arc<Notify>,
    outcome: Arc<Notify>,
    kill: Arc<Notify>,
    upstream: Upstream,
}

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

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn serve(self, mut stream: TcpStream) {
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

impl Stack {
    fn told(&self, action: &str) -> Vec<u8> {
        let Self { operation, state, logical_id, physical_id, since } = self;
        let at = aws_smithy_types::DateTime::from_secs((*since).try_into().unwrap());
        let at = at.fmt(aws_smithy_types::date_time::Format::DateTime).unwrap();
        let result = match action {
            "DescribeStackResource" => format!(
                "<StackResourceDetail><StackId>x</StackId><LogicalResourceId>{logical_id}</LogicalResourceId>\
                 <PhysicalResourceId>{physical_id}</PhysicalResourceId><ResourceType>Custom::X</ResourceType>\
                 <LastUpdatedTimestamp>{at}</LastUpdatedTimestamp><ResourceStatus>{operation}_{state}</ResourceStatus>\
                 </StackResourceDetail>"
            ),
            "DescribeStacks" => format!(
                "<Stacks><member><StackName>x</StackName><CreationTime>{at}</CreationTime>\
                 <StackStatus>{operation}_{state}</StackStatus></member></Stacks>"
            ),
            // No other stack holds anything.
            _ => return refusal("400 Bad Request", "ValidationError", "Stack for x does not exist"),
        };
        let body = format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>");
        response("200 OK", "content-type: text/xml\r\n", &body)
    }
}

enum Reply {
    Whole(Vec<u8>),
    Half(Vec<u8>),
    Reset,
    Never,
}

struct Request {
    method: String,
    path: String,
    /// The head of the message, up to the empty line.
    head: String,
    body: Vec<u8>,
}

impl Request {
    async fn read(stream: &mut TcpStream) -> Option<Self> {
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 65_536]);
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
            bytes.extend(&buffer[..read]);
        };
        let mut body = bytes.split_off(end + 4);
        let head = String::from_utf8(bytes).unwrap();
        let length = header(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        while body.len() < length {
            let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
            body.extend(&buffer[..read]);
        }
        let mut words = head.split(' ').map(str::to_owned);
        Some(Self { method: words.next()?, path: words.next()?, head, body })
    }

    fn action(&self) -> String {
        if self.method == "PUT" {
            return "Answer".to_owned();
        }
        if let Some(target) = header(&self.head, "x-amz-target") {
            return target.rsplit('.').next().unwrap_or_default().to_owned();
        }
        let mut pairs = url::form_urlencoded::parse(&self.body);
        pairs.find(|(key, _)| key == "Action").map(|(_, action)| action.into_owned()).unwrap_or_default()
    }

    fn refusal(&self, status: &str, code: &str) -> Vec<u8> {
        match header(&self.head, "x-amz-target") {
            Some(_) => {
                let headers =
                    format!("x-amzn-errortype: {code}Exception\r\ncontent-type: application/x-amz-json-1.1\r\n");
                response(status, &headers, &json!({ "__type": format!("{code}Exception") }).to_string())
            }
            // S3 sends a 503 for all of these faults.
            None if self.method == "PUT" => response("503 Slow Down", "", ""),
            None => refusal(status, code, "for the test"),
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn refusal(status: &str, code: &str, message: &str) -> Vec<u8> {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>"
    );
    response(status, "content-type: text/xml\r\n", &body)
}

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
        .into_bytes()
}
