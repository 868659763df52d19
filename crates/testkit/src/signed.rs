//! Events whose response URL tells when it was signed.

use crate::stage::SECRET;
use serde_json::{Value, json};

/// As sent on 22 November 2026 at one o'clock.
pub const SENT: i64 = 1_795_309_200;

pub fn sent(event: Value) -> Value {
    sent_at(event, "010000")
}

pub fn sent_at(mut event: Value, time: &str) -> Value {
    let url = event["ResponseURL"].as_str().unwrap();
    event["ResponseURL"] = json!(format!("{url}&X-Amz-Date=20261122T{time}Z&x={SECRET}"));
    event
}
