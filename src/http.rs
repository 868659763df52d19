//! The one HTTP client and TLS stack of the program, for the SDKs and the answer.
//!
//! The SDK's own client brings HTTP/2 along, which none of the four services speaks and which is a tenth of the function;
//! its default TLS gathers entropy from the CPU for some 60 ms at the first call of a process. Hence ring, and HTTP/1.1 alone.

use std::io;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring::default_provider;
use tokio::time::timeout;

use crate::hosts::Hosts;
use crate::summary::counting;

/// Until the head of the response is there.
const ONE_REQUEST: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// Servers close what is idle for longer, and a function that Lambda froze does not hear of it.
const IDLE: Duration = Duration::from_secs(15);

/// Each call to AWS through it is counted in the summary of the event.
///
/// # Errors
/// When the machine has no list of certificate authorities.
pub fn connector() -> io::Result<SharedHttpConnector> {
    let mut tcp = Tcp::new_with_resolver(Hosts::new(GaiResolver::new()));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(default_provider())?;
    let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
    Ok(counting(SharedHttpConnector::new(Http(client.build(connector)))))
}

#[derive(Clone, Debug)]
struct Http(Client<HttpsConnector<Tcp<Hosts<GaiResolver>>>, SdkBody>);

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let response = timeout(ONE_REQUEST, self.0.request(request));
        HttpConnectorFuture::new(async move {
            let response = response.await.map_err(|late| ConnectorError::timeout(late.into()))?;
            let response = response.map_err(|error| ConnectorError::io(error.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
