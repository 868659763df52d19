//! Tests the delivery of a response over a real connection, to a server that behaves in various ways.

use crate::log::{Lines, keep_events_on};
use mlops_roles::http::connector;
use mlops_roles::http::transport::HttpTransport;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::protocol::response::Response;
use mlops_roles_core::protocol::response_url::ResponseUrl;
use mlops_roles_engine::deliver::{DeliveryError, ResponseSender};
use mlops_roles_testkit::stage::{create, properties};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tracing::Level;
use tracing::instrument::WithSubscriber;

/// What the server does with one connection.
#[derive(Clone, Copy)]
enum Reply {
    Status(u16),
    Redirect(u16),
    Hang,
    CloseAtOnce,
    CloseHalfWay,
}

struct Server {
    endpoint: String,
    /// The requests in the order in which they arrived.
    requests: Arc<Mutex<Vec<String>>>,
}

/// A server that sends the replies in turn, and the last one forever.
async fn serve(replies: &[Reply]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let (seen, replies) = (requests.clone(), replies.to_vec());
    tokio::task::spawn_local(async move {
        for turn in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let reply = replies[turn.min(replies.len() - 1)];
            let seen = Arc::clone(&seen);
            tokio::task::spawn_local(async move {
                if matches!(reply, Reply::CloseAtOnce) {
                    return;
                }
                let mut request = Vec::new();
                let mut buffer = [0; 4_096];
                loop {
                    let read = stream.read(&mut buffer).await.unwrap_or(0);
                    request.extend(&buffer[..read]);
                    let text = String::from_utf8_lossy(&request);
                    if read == 0 || text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.ends_with('}')) {
                        break;
                    }
                }
                seen.lock().unwrap().push(String::from_utf8(request).unwrap());
                let head = match reply {
                    Reply::Status(status) => {
                        format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    }
                    Reply::Redirect(status) => format!(
                        "HTTP/1.1 {status} X\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 0\r\n\
                         connection: close\r\n\r\n"
                    ),
                    Reply::Hang => return std::future::pending().await,
                    Reply::CloseAtOnce | Reply::CloseHalfWay => "HTTP/1.1 2".to_owned(),
                };
                let _ = stream.write_all(head.as_bytes()).await;
            });
        }
    });
    Server { endpoint, requests }
}

async fn deliver(replies: &[Reply], within: Duration) -> (Result<u16, DeliveryError>, Vec<String>) {
    tokio::task::LocalSet::new()
        .run_until(async {
            let server = serve(replies).await;
            let sender =
                ResponseSender { transport: HttpTransport(connector()), endpoint: Some(server.endpoint.clone()) };
            let request = Request::parse(&create(&properties())).unwrap();
            let response = Response::failed(&request.target, "id", "why".into());
            let url = ResponseUrl::new(&format!("{}/bucket/key?Signature=a%2Fb%3D", server.endpoint));
            let delivered = sender.deliver(&url, &response, None, Instant::now() + within).await;
            let requests = server.requests.lock().unwrap().clone();
            (delivered, requests)
        })
        .await
}

#[tokio::test]
async fn an_answer_arrives_as_a_put_with_an_empty_content_type_and_its_length() {
    let (delivered, requests) = deliver(&[Reply::Status(200)], Duration::from_secs(5)).await;
    assert_eq!(delivered.unwrap(), 200);
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("put /bucket/key?signature=a%2fb%3d http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\ncontent-type: \r\n") || head.contains("\r\ncontent-type:\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
    let value: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(value["Status"], "FAILED");
    assert_eq!(value["PhysicalResourceId"], "id");
}

#[tokio::test]
async fn every_2xx_counts_as_delivered() {
    for status in [200, 201, 204] {
        assert_eq!(deliver(&[Reply::Status(status)], Duration::from_secs(5)).await.0.unwrap(), status);
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for first in [
        Reply::Status(408),
        Reply::Status(429),
        Reply::Status(500),
        Reply::Status(503),
        Reply::CloseAtOnce,
        Reply::CloseHalfWay,
    ] {
        let (delivered, _) = deliver(&[first, Reply::Status(200)], Duration::from_secs(8)).await;
        assert_eq!(delivered.unwrap(), 200);
    }
}

#[tokio::test]
async fn what_will_not_pass_is_an_error_at_once_and_no_redirect_is_followed() {
    for reply in
        [Reply::Status(400), Reply::Status(403), Reply::Status(404), Reply::Redirect(301), Reply::Redirect(307)]
    {
        let (delivered, requests) = deliver(&[reply], Duration::from_secs(8)).await;
        assert!(matches!(delivered, Err(DeliveryError::Refused { .. })));
        assert_eq!(requests.len(), 1);
    }
}

#[tokio::test]
async fn tries_end_with_the_deadline() {
    for reply in [Reply::Status(503), Reply::Hang, Reply::CloseAtOnce] {
        let started = Instant::now();
        let (delivered, _) = deliver(&[reply], Duration::from_secs(2)).await;
        assert!(matches!(delivered, Err(DeliveryError::OutOfTime { .. })));
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_an_error_without_the_url() {
    let sender = ResponseSender { transport: HttpTransport(connector()), endpoint: Some("http://127.0.0.1:9".into()) };
    let request = Request::parse(&create(&properties())).unwrap();
    let response = Response::failed(&request.target, "id", "why".into());
    let url = ResponseUrl::new("http://127.0.0.1:9/?Signature=secret");
    let error = sender.deliver(&url, &response, None, Instant::now() + Duration::from_secs(1)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[tokio::test]
async fn the_cipher_suite_that_processors_are_made_for_is_offered_first() {
    // https://www.rfc-editor.org/rfc/rfc8446#appendix-B.4
    const AES_128_THEN_AES_256: [u8; 4] = [0x13, 0x01, 0x13, 0x02];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let hello = tokio::spawn(async move {
        let mut hello = vec![0; 4_096];
        let read = listener.accept().await.unwrap().0.read(&mut hello).await.unwrap();
        hello.truncate(read);
        hello
    });
    let url = ResponseUrl::new(&format!("{endpoint}/"));
    let sender = ResponseSender { transport: HttpTransport(connector()), endpoint: Some(endpoint) };
    let request = Request::parse(&create(&properties())).unwrap();
    let response = Response::failed(&request.target, "id", "why".into());
    sender.deliver(&url, &response, None, Instant::now() + Duration::from_secs(1)).await.unwrap_err();
    let suites = timeout(Duration::from_secs(5), hello).await.unwrap().unwrap();
    assert!(suites.windows(4).any(|four| four == AES_128_THEN_AES_256), "{suites:x?}");
}

#[tokio::test]
async fn the_http_client_prints_no_response_url_at_trace_level() {
    keep_events_on();
    let lines = Lines::default();
    let subscriber = mlops_roles::log::subscriber(Level::TRACE, lines.clone());
    let replies = [Reply::Status(503), Reply::CloseHalfWay, Reply::Status(403)];
    let (delivered, requests) = deliver(&replies, Duration::from_secs(8)).with_subscriber(subscriber).await;
    assert!(matches!(delivered, Err(DeliveryError::Refused { status: 403 })));
    assert!(requests[0].contains("Signature=a%2Fb%3D"));
    assert!(lines.text().contains("attempt to deliver the response failed"));
    assert!(!lines.text().contains("Signature"), "{}", lines.text());
}
