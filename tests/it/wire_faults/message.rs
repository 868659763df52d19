//! The requests that the process sends, and the replies to them.

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A request of the process.
pub struct Request {
    pub method: String,
    pub path: String,
    /// The head of the message, up to the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// Reads a request; `None` where the connection ends before.
    pub async fn read(stream: &mut TcpStream) -> Option<Self> {
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

    /// The action of the call; `Answer` for a response to CloudFormation.
    pub fn action(&self) -> String {
        if self.method == "PUT" {
            return "Answer".to_owned();
        }
        if let Some(target) = header(&self.head, "x-amz-target") {
            return target.rsplit('.').next().unwrap_or_default().to_owned();
        }
        let mut pairs = url::form_urlencoded::parse(&self.body);
        pairs.find(|(key, _)| key == "Action").map(|(_, action)| action.into_owned()).unwrap_or_default()
    }

    /// The refusal of this call, in the form of its service.
    pub fn refusal(&self, status: &str, code: &str) -> Vec<u8> {
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

/// A refusal in the form of the query protocol.
pub fn refusal(status: &str, code: &str, message: &str) -> Vec<u8> {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>1</RequestId></ErrorResponse>"
    );
    response(status, "content-type: text/xml\r\n", &body)
}

/// A reply with this status, further headers and body.
pub fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
        .into_bytes()
}
