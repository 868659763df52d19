//! AWS over https in front of the local IAM: each call takes so much longer, and is written down with its times.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::wire::{Request, response, write};

/// A call as the server saw it.
#[derive(Clone, Debug)]
pub struct Call {
    pub action: String,
    pub from: Instant,
    pub to: Instant,
}

#[derive(Default)]
pub struct State {
    pub calls: Vec<Call>,
    /// The last answer to CloudFormation.
    pub answer: Option<serde_json::Value>,
    /// Added to each call.
    pub delay: Duration,
    /// Whether writes to one role that overlap are refused, as IAM may.
    pub conflicts: bool,
    pub refused: usize,
    writing: Vec<String>,
}

#[derive(Clone)]
pub struct Aws {
    pub port: u16,
    pub authority: String,
    state: Arc<Mutex<State>>,
    upstream: u16,
}

impl Aws {
    /// `upstream` is the port of the local IAM.
    pub async fn start(upstream: u16) -> Self {
        let (authority, acceptor) = identity();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let aws = Self { port, authority, state: Arc::default(), upstream };
        let serving = aws.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (serving, acceptor) = (serving.clone(), acceptor.clone());
                tokio::spawn(async move { serving.serve(acceptor.accept(stream).await.ok()?).await });
            }
        });
        aws
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn serve(self, mut stream: tokio_rustls::server::TlsStream<TcpStream>) -> Option<()> {
        let mut rest = Vec::new();
        loop {
            let request = Request::read(&mut stream, &mut rest).await?;
            let from = Instant::now();
            let (action, reply) = self.reply(&request).await;
            let written = write(&mut stream, &reply).await;
            // What is in flight ends with the last byte handed over.
            let to = Instant::now();
            self.state().calls.push(Call { action, from, to });
            written?;
        }
    }

    async fn reply(&self, request: &Request) -> (String, Vec<u8>) {
        if request.method == "PUT" {
            self.state().answer = serde_json::from_slice(&request.body).ok();
            return ("Answer".to_owned(), response("200 OK", "", b""));
        }
        let action = request.parameter("Action").unwrap_or_default();
        let delay = self.state().delay;
        sleep(delay).await;
        if request.head.contains("/cloudformation/aws4_request") {
            return (action.clone(), response("200 OK", "content-type: text/xml\r\n", told(&action).as_bytes()));
        }
        let role = request.parameter("RoleName").unwrap_or_default();
        let writes = !["Get", "List"].iter().any(|verb| action.starts_with(verb)) && !role.is_empty();
        let conflicts = {
            let mut state = self.state();
            let conflicts = state.conflicts && writes && state.writing.contains(&role);
            state.refused += usize::from(conflicts);
            state.writing.extend((writes && !conflicts).then(|| role.clone()));
            conflicts
        };
        if conflicts {
            let body = "<ErrorResponse><Error><Type>Sender</Type><Code>ConcurrentModification</Code><Message>The request was \
                        rejected because multiple requests to change this object were submitted simultaneously.</Message>\
                        </Error><RequestId>1</RequestId></ErrorResponse>";
            return (action, response("409 Conflict", "content-type: text/xml\r\n", body.as_bytes()));
        }
        if self.state().conflicts {
            // Long enough for whatever overlaps to do so.
            sleep(Duration::from_millis(20)).await;
        }
        let reply = self.upstream(request).await;
        self.state().writing.retain(|writing| !writes || *writing != role);
        (action, reply)
    }

    async fn upstream(&self, request: &Request) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.upstream)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let lines =
            request.head.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
        let head: String = lines.map(|line| format!("{line}\r\n")).collect();
        let mut bytes = format!("{head}connection: close\r\n\r\n").into_bytes();
        bytes.extend(&request.body);
        stream.write_all(&bytes).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let status = String::from_utf8_lossy(&reply[..end]).lines().next().unwrap()[9..].to_owned();
        response(&status, "content-type: text/xml\r\n", &reply[end..])
    }

    /// How many roles and policies the account has.
    pub async fn left(&self, account: &str) -> usize {
        let mut left = 0;
        for (action, member) in [("ListRoles", "<RoleName>"), ("ListPolicies&Scope=Local", "<PolicyName>")] {
            let body = format!("Action={action}&Version=2010-05-08").into_bytes();
            let head = format!(
                "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
                 authorization: AWS4-HMAC-SHA256 Credential={account}/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, \
                 Signature=0\r\n\r\n",
                body.len()
            );
            let request = Request { method: "POST".into(), head, body };
            let reply = self.upstream(&request).await;
            left += String::from_utf8_lossy(&reply).matches(member).count();
        }
        left
    }
}

/// What CloudFormation says while it waits for an answer.
fn told(action: &str) -> String {
    format!(
        "<{action}Response><{action}Result><StackResourceDetail><StackId>x</StackId><LogicalResourceId>WorkflowRole\
         </LogicalResourceId><ResourceType>Custom::X</ResourceType><LastUpdatedTimestamp>2026-01-01T00:00:00Z\
         </LastUpdatedTimestamp><ResourceStatus>CREATE_IN_PROGRESS</ResourceStatus></StackResourceDetail></{action}Result>\
         </{action}Response>"
    )
}

/// An authority that was made just now, and a server that it vouches for.
fn identity() -> (String, TlsAcceptor) {
    let named = |name: &str, hosts: &[&str]| {
        let mut params =
            CertificateParams::new(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut params = named("bench", &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate = named("localhost", &["localhost"]).signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (authority, TlsAcceptor::from(Arc::new(config)))
}
