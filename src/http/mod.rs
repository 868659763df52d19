//! The one HTTP client and TLS stack of the program, for the calls of the SDKs and for the response.
//!
//! The client that comes with the SDKs contains HTTP/2, which none of the four services speaks and which makes up a
//! tenth of the function. Its default TLS gathers entropy from the CPU for some 60 ms at the first call of a process.
//! This client therefore uses ring, and HTTP/1.1 alone.

pub mod counting;
pub mod dns_cache;
pub mod transport;

use std::io;
use std::process::exit;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use futures_util::future::{BoxFuture, FutureExt, Shared, ready};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::CipherSuite;
use rustls::crypto::ring::default_provider;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::http::counting::counting;
use crate::http::dns_cache::DnsCache;

/// The maximum time until the head of a reply has arrived.
const ONE_REQUEST: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);

/// The time after which an idle connection is closed. Servers close connections that are idle for longer, and a
/// function that Lambda has frozen does not notice.
const IDLE: Duration = Duration::from_secs(15);

/// Returns a connector for the function. It must be called within tokio's runtime.
///
/// The list of certificate authorities, whose reading takes a quarter of a cold start, is read beside the other work.
/// If the client can't be built, the process ends, so that Lambda starts another one.
pub fn connector() -> SharedHttpConnector {
    let client = spawn_blocking(client);
    over(async move {
        client.await.map_err(io::Error::from).flatten().unwrap_or_else(|error| {
            tracing::error!(%error, "could not create the HTTP client, so the process exits");
            exit(1)
        })
    })
}

/// Returns a connector for a command line, which can report an error.
///
/// # Errors
/// Fails when the machine has no list of certificate authorities.
pub fn ready_connector() -> io::Result<SharedHttpConnector> {
    Ok(over(ready(client()?)))
}

/// Returns a connector that counts each call to AWS in the telemetry of the event.
fn over(client: impl Future<Output = Client<Https, SdkBody>> + Send + 'static) -> SharedHttpConnector {
    counting(SharedHttpConnector::new(Http(client.boxed().shared())))
}

fn client() -> io::Result<Client<Https, SdkBody>> {
    let mut tcp = Tcp::new_with_resolver(DnsCache::new(GaiResolver::new()));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let mut provider = default_provider();
    // ring computes the hash of this suite with the processor, unlike that of the suite it puts first. Each connection
    // therefore begins sooner.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?;
    let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
    Ok(client.build(connector))
}

type Https = HttpsConnector<Tcp<DnsCache<GaiResolver>>>;

/// A connector that waits until its client is ready.
#[derive(Clone, Debug)]
struct Http(Shared<BoxFuture<'static, Client<Https, SdkBody>>>);

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let response = timeout(ONE_REQUEST, client.await.request(request)).await;
            let response = response.map_err(|late| ConnectorError::timeout(late.into()))?;
            let response = response.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
