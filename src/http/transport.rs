//! Sends responses over the HTTP client that the SDKs use.

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use mlops_roles_engine::port::{Transport, TransportError};
use url::Url;

/// A transport that sends responses with the connector of the SDKs.
#[derive(Clone, Debug)]
pub struct HttpTransport(pub SharedHttpConnector);

impl Transport for HttpTransport {
    async fn put(&self, url: &Url, body: &[u8]) -> Result<u16, TransportError> {
        let request = request(url, body).ok_or(TransportError::Unrequestable)?;
        let reply = self.0.call(request).await.map_err(|error| kind(&error))?;
        Ok(reply.status().as_u16())
    }
}

/// Builds the PUT request. S3 signed the URL for an empty content type and refuses any other.
fn request(url: &Url, body: &[u8]) -> Option<HttpRequest> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    request.set_method("PUT").ok()?;
    request.set_uri(url.as_str()).ok()?;
    request.headers_mut().insert("content-type", "");
    request.headers_mut().insert("content-length", body.len().to_string());
    Some(request)
}

fn kind(error: &ConnectorError) -> TransportError {
    if error.is_timeout() {
        TransportError::Timeout
    } else if error.is_io() {
        TransportError::Connection
    } else {
        TransportError::Other
    }
}
