//! As much of HTTP/1.1 as the three sides of a function speak, over any stream.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub struct Request {
    pub method: String,
    /// Up to the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// The next one of a connection, or nothing where it has ended.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>) -> Option<Self> {
        let mut buffer = [0; 16_384];
        let end = loop {
            if let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
            rest.extend(&buffer[..read]);
        };
        let head = String::from_utf8(rest[..end].to_vec()).ok()?;
        let chunked = header(&head, "transfer-encoding").is_some();
        let length = header(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        loop {
            // Nobody here needs what comes in chunks.
            let last = rest[end..].windows(5).position(|five| five == b"0\r\n\r\n").map(|at| end + at + 5);
            let whole = if chunked { last } else { Some(end + length).filter(|whole| rest.len() >= *whole) };
            if let Some(whole) = whole {
                let body = rest[end..whole].to_vec();
                rest.drain(..whole);
                let method = head.split(' ').next()?.to_owned();
                return Some(Self { method, head, body });
            }
            let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
            rest.extend(&buffer[..read]);
        }
    }

    /// A parameter of IAM's query protocol.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let body = std::str::from_utf8(&self.body).ok()?;
        let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    }
}

pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

pub fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Option<()> {
    stream.write_all(bytes).await.ok()?;
    stream.flush().await.ok()
}
