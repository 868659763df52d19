//! Events whose response URL says when it was signed.

use crate::stage::SECRET;
use serde_json::{Value, json};

/// When `sent` signs the response URL: 22 November 2026 at 01:00:00 UTC, in seconds since the epoch.
pub const SENT: i64 = 1_795_309_200;

/// The event with a response URL signed at `SENT`.
pub fn sent(event: Value) -> Value {
    sent_at(event, "010000")
}

/// The event with a response URL signed on 22 November 2026 at `time`: `010000`.
pub fn sent_at(mut event: Value, time: &str) -> Value {
    let url = event["ResponseURL"].as_str().unwrap();
    event["ResponseURL"] = json!(format!("{url}&X-Amz-Date=20261122T{time}Z&x={SECRET}"));
    event
}
