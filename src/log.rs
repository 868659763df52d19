//! Writes the log: one JSON object per line, without those lines of other crates that might show the response URL.

use std::io::Write;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

/// The crates of this project that write log lines. The core crate writes none.
const OURS: [&str; 3] = ["function", "mlops_roles", "mlops_roles_engine"];

/// Returns a subscriber that takes the lines of this project down to `level`, and those of all other crates only from
/// warnings up. At lower levels, HTTP clients and the Lambda runtime print whole requests and payloads, with the
/// response URL.
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

/// Starts logging to standard output. `level` is one of `error`, `warn` and `info`; anything else counts as `info`.
/// Lower levels are not compiled into the function (`Cargo.toml`).
pub fn init(level: Option<&str>) {
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    // This only fails where a subscriber is already set, which then serves.
    drop(set_global_default(subscriber(level, std::io::stdout)));
}

/// Writes a line as it is, whatever the log level. A line that can't be written is lost: the log is never a reason to
/// fail.
pub fn line(text: &str) {
    drop(writeln!(std::io::stdout().lock(), "{text}"));
}
