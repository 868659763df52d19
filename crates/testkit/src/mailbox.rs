//! A transport that keeps the responses it gets.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use url::Url;

use mlops_roles_core::protocol::response::MAX_RESPONSE_BYTES;
use mlops_roles_engine::port::{Transport, TransportError};

/// The URL that a response went to, and the response.
pub type Letter = (String, Vec<u8>);

/// The responses that nobody took yet; a clone is the same mailbox.
#[derive(Clone, Debug, Default)]
pub struct Mailbox(Arc<Mutex<Vec<Letter>>>);

impl Transport for Mailbox {
    async fn put(&self, url: &Url, body: &[u8]) -> Result<u16, TransportError> {
        self.0.lock().unwrap().push((url.to_string(), body.to_vec()));
        Ok(200)
    }
}

impl Mailbox {
    /// Removes and returns the responses as they were sent.
    pub fn letters(&self) -> Vec<Letter> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Removes and returns the responses. Panics when CloudFormation would not read one of them.
    pub fn take(&self) -> Vec<Value> {
        let parsed = self.letters().into_iter().map(|(_, body)| {
            assert!(body.len() <= MAX_RESPONSE_BYTES, "{} bytes", body.len());
            serde_json::from_slice(&body).unwrap()
        });
        parsed.collect()
    }
}
