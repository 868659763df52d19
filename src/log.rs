//! Log lines: JSON, one event each, and nothing from anybody who might print the response URL.

use std::io::Write;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

/// The crates whose lines are ours. The core writes none.
const OURS: [&str; 2] = ["mlops_roles", "mlops_roles_engine"];

/// A subscriber that takes our own lines down to `level` and everybody else's only from warnings up: at lower levels
/// HTTP clients and the Lambda runtime print requests and payloads whole, the response URL with them.
pub fn subscriber<W>(level: Level, writer: W) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let others = LevelFilter::WARN.min(level.into());
    let all = Targets::new().with_default(others);
    let filter = OURS.into_iter().fold(all, |filter, name| filter.with_target(name, level));
    let lines = tracing_subscriber::fmt::layer().json().without_time().with_writer(writer);
    registry().with(filter).with(lines)
}

/// `level` is one of `error`, `warn`, `info`; anything else is `info`. What is below is not in the function (Cargo.toml).
pub fn init(level: Option<&str>) {
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    // Fails only where a subscriber is set already, which then serves.
    drop(set_global_default(subscriber(level, std::io::stdout)));
}

/// Writes a line of its own, whatever the level. What can't be written is lost: the log is never a reason to fail.
pub fn line(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}
