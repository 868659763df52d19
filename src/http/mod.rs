//! The one HTTP client and TLS stack of the program, for the SDKs and the answer.
//!
//! The SDK's own client brings HTTP/2 along, which none of the four services speaks and which is a tenth of the function;
//! its default TLS gathers entropy from the CPU for some 60 ms at the first call of a process. Hence ring, and HTTP/1.1 alone.

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

/// Until the head of the response is there.
const ONE_REQUEST: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);

/// Servers close what is idle for longer, and a function that Lambda froze does not hear of it.
const IDLE: Duration = Duration::from_secs(15);

/// For the function, within tokio's runtime: the list of certificate authorities, a quarter of a cold start, is read beside
/// what else there is to do. Without one the process ends, so that Lambda starts another.
pub fn connector() -> SharedHttpConnector {
    let client = spawn_blocking(client);
    over(async move {
        client.await.map_err(io::Error::from).flatten().unwrap_or_else(|error| {
            tracing::error!(%error, "without an HTTP client, nothing can be done and nobody be answered");
            exit(1)
        })
    })
}

/// For a command line, which can tell what is wrong.
///
/// # Errors
/// When the machine has no list of certificate authorities.
pub fn ready_connector() -> io::Result<SharedHttpConnector> {
    Ok(over(ready(client()?)))
}

/// Each call to AWS through it is counted in the summary of the event.
fn over(client: impl Future<Output = Client<Https, SdkBody>> + Send + 'static) -> SharedHttpConnector {
    counting(SharedHttpConnector::new(Http(client.boxed().shared())))
}

fn client() -> io::Result<Client<Https, SdkBody>> {
    let mut tcp = Tcp::new_with_resolver(DnsCache::new(GaiResolver::new()));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let mut provider = default_provider();
    // ring has the processor compute its hash, and not that of the suite before it: each connection begins sooner.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?;
    let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
    Ok(client.build(connector))
}

type Https = HttpsConnector<Tcp<DnsCache<GaiResolver>>>;

/// With the client, once that is ready.
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
