//! Tests what may be logged.

use mlops_roles::log;
use mlops_roles_core::protocol::request::Request;
use mlops_roles_core::protocol::response_url::ResponseUrl;
use mlops_roles_testkit::account::{Fake, Fault, Mischief};
use mlops_roles_testkit::stage::{ROLE, SECRET, Stage, create, delete, properties, with};
use serde_json::json;
use std::io;
use std::sync::{Arc, Mutex};
use tracing::Level;
use tracing::instrument::WithSubscriber;

/// A writer that keeps what was logged.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Lets one subscriber stay to the end: where the last one goes in another thread, events are off for a moment.
pub fn keep_events_on() {
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
}

#[tokio::test(start_paused = true)]
async fn the_response_url_is_in_no_line_and_no_answer_at_trace_level() {
    keep_events_on();
    // A message that another thread logs for the first time just now might miss the subscriber, so one event runs
    // before.
    Stage::new(Fake::new()).send(&create(&properties())).await.success();
    let lines = Lines::default();
    let subscriber = log::subscriber(Level::TRACE, lines.clone());
    async {
        let stage = Stage::new(Fake::new());
        let response = stage.send(&create(&properties())).await.success();
        assert!(!response.0.to_string().contains(SECRET));
        stage.send(&create(&with(json!({ "SettleSeconds": "x" })))).await.failure();
        stage.fake.fail(Fault { at: stage.fake.calls().len() + 1, mischief: Mischief::Panic, sticky: false });
        stage.send(&delete(ROLE, &properties())).await.failure();
        let mut elsewhere = create(&properties());
        elsewhere["ResponseURL"] = json!(format!("https://example.com/?{SECRET}"));
        let undelivered = stage.try_send(&elsewhere).await.unwrap_err();
        assert!(!format!("{undelivered} {undelivered:?}").contains(SECRET));
        let mut broken = create(&properties());
        broken["RequestType"] = json!(7);
        stage.send(&broken).await.failure();
        let request = Request::parse(&create(&properties())).unwrap();
        assert!(!format!("{request:?}").contains(SECRET));
        assert_eq!(
            format!("{} {:?}", ResponseUrl::new(SECRET), ResponseUrl::new(SECRET)).matches("[response URL]").count(),
            2
        );
    }
    .with_subscriber(subscriber)
    .await;
    let text = lines.text();
    assert!(text.contains("create role `AmazonSageMaker-Churn`"), "the log has our lines:\n{text}");
    assert!(!text.contains("the-secret-of-the-response-url"), "{text}");
}
