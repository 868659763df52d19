//! Snapshots: the files with what a test expects. `make bless` overwrites those that differ.

use std::path::PathBuf;

use serde_json::Value;
use snapbox::assert::DEFAULT_ACTION_ENV;
use snapbox::data::DataFormat;
use snapbox::{Assert, Data};

/// Compares each file with the text that was found, and panics with all differences. The comparison is literal: no
/// wildcards, no redactions, no change of separators. With `SNAPSHOTS=overwrite`, it writes the files that differ.
#[track_caller]
pub fn assert_unchanged(found: impl IntoIterator<Item = (PathBuf, String)>) {
    let assert = Assert::new().action_env(DEFAULT_ACTION_ENV);
    let compared = found.into_iter().map(|(file, text)| {
        let snapshot = Data::read_from(&file, Some(DataFormat::Text)).raw();
        assert.try_eq(None, Data::text(text), snapshot)
    });
    let compared: Vec<_> = compared.collect();
    assert!(!compared.is_empty(), "no file was compared");
    let different: Vec<String> = compared.into_iter().filter_map(|one| Some(one.err()?.to_string())).collect();
    assert!(different.is_empty(), "not as blessed:\n{}", different.join("\n"));
}

/// The text of a snapshot of JSON.
pub fn json_text(value: &Value) -> String {
    format!("{value:#}\n")
}
