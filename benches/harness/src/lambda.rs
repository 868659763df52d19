//! One function's process under Lambda's runtime API, and what it takes.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::aws::{Aws, Call};
use crate::wire::{Request, response, write};

const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured side by side.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    pub command: Vec<String>,
    pub cwd: PathBuf,
    /// Further properties of the resource: an object, or null.
    pub properties: Value,
    /// Bytes of the deployment package.
    pub package: u64,
}

pub struct Lambda {
    process: Child,
    asked: mpsc::UnboundedReceiver<Asked>,
    /// From the start of the process to its first request for an event.
    pub cold_start: Duration,
    /// Where the next event goes.
    waiting: Option<oneshot::Sender<Vec<u8>>>,
    function_arn: String,
}

/// What the process asks of the runtime API.
struct Asked {
    request: Request,
    at: Instant,
    reply: oneshot::Sender<Vec<u8>>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// From the event to the outcome.
    pub wall: Duration,
    /// The same without the time that calls were in flight.
    pub own: Duration,
    /// Without the answer.
    pub calls: usize,
    /// The longest chain of calls each of which began when the one before it had ended, without the answer.
    pub chain: usize,
    pub answer: Option<Value>,
}

impl Lambda {
    pub async fn start(peer: &Peer, environment: &[(String, String)], function_arn: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = listener.local_addr().unwrap();
        let (sender, mut asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        let started = Instant::now();
        let process = Command::new(&peer.command[0])
            .args(&peer.command[1..])
            .current_dir(&peer.cwd)
            .env_clear()
            .envs(environment.iter().cloned())
            .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", peer.command));
        let next = timeout(PATIENCE, asked.recv()).await.expect("it starts").unwrap();
        let cold_start = next.at - started;
        Self { process, asked, cold_start, waiting: Some(next.reply), function_arn: function_arn.to_owned() }
    }

    pub async fn send(&mut self, event: &Value, aws: &Aws) -> Invocation {
        aws.state().calls.clear();
        aws.state().answer = None;
        let reply = self.waiting.take().unwrap();
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + PATIENCE;
        let headers = format!(
            "content-type: application/json\r\nlambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
             lambda-runtime-deadline-ms: {}\r\nlambda-runtime-invoked-function-arn: {}\r\n\
             lambda-runtime-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0\r\n",
            deadline.as_millis(),
            self.function_arn
        );
        let body = event.to_string();
        let started = Instant::now();
        reply.send(response("200 OK", &headers, body.as_bytes())).unwrap();
        let mut ended = None;
        while self.waiting.is_none() {
            let asked = timeout(PATIENCE, self.asked.recv()).await.expect("it goes on").unwrap();
            if asked.request.method == "POST" {
                ended = Some(asked.at);
                asked.reply.send(response("202 Accepted", "", b"{}")).unwrap();
            } else {
                self.waiting = Some(asked.reply);
            }
        }
        let ended = ended.expect("there is an outcome");
        let wall = ended - started;
        let mut state = aws.state();
        let mut calls = std::mem::take(&mut state.calls);
        calls.retain(|call| call.to > started);
        let own = wall.saturating_sub(in_flight(&calls));
        calls.retain(|call| call.action != "Answer");
        Invocation { wall, own, calls: calls.len(), chain: chain(&calls), answer: state.answer.take() }
    }

    pub fn id(&self) -> u32 {
        self.process.id().expect("it runs")
    }

    /// Of the process so far: CPU time, and the most memory that it had at once, in bytes.
    pub fn took(&self) -> (Duration, u64) {
        let id = self.id();
        // Of every thread, in nanoseconds.
        let tasks = std::fs::read_dir(format!("/proc/{id}/task")).unwrap().map(|task| task.unwrap().path());
        let times = tasks.filter_map(|task| std::fs::read_to_string(task.join("schedstat")).ok());
        let cpu: u64 = times.map(|text| text.split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        (Duration::from_nanos(cpu), peak * 1_024)
    }

    pub async fn stop(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// Hands over what comes in on a connection, one request after the other.
async fn serve(mut stream: TcpStream, asked: mpsc::UnboundedSender<Asked>) -> Option<()> {
    let mut rest = Vec::new();
    loop {
        let request = Request::read(&mut stream, &mut rest).await?;
        let (reply, replied) = oneshot::channel();
        asked.send(Asked { request, at: Instant::now(), reply }).ok()?;
        write(&mut stream, &replied.await.ok()?).await?;
    }
}

fn in_flight(calls: &[Call]) -> Duration {
    let mut spans: Vec<_> = calls.iter().map(|call| (call.from, call.to)).collect();
    spans.sort();
    let mut total = Duration::ZERO;
    let mut until: Option<Instant> = None;
    for (from, to) in spans {
        let from = until.map_or(from, |until| until.max(from));
        total += to.saturating_duration_since(from);
        until = Some(until.map_or(to, |until| until.max(to)));
    }
    total
}

fn chain(calls: &[Call]) -> usize {
    let mut calls = calls.to_vec();
    calls.sort_by_key(|call| call.to);
    let (mut length, mut until) = (0, None);
    for call in calls {
        if until.is_none_or(|until| call.from >= until) {
            (length, until) = (length + 1, Some(call.to));
        }
    }
    length
}
