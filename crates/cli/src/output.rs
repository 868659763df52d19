//! Prints to standard output and standard error.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::ProgressBar;

use crate::error::Error;

/// The time between two pictures of the progress.
const TICK: Duration = Duration::from_millis(100);
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Prints text to standard output. Colours reach only a terminal. Whoever closes the pipe has read enough: that is no
/// error.
///
/// # Errors
/// When the output can't be written, such as to a full disk.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = anstream::stdout();
    match out.write_all(escaped(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

/// The text with the escape of JSON for each control character above ASCII. Only JSON still has such characters, and some
/// terminals obey them.
fn escaped(text: &str) -> Cow<'_, str> {
    let is_control = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if is_control(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Shows on standard error that the program works, if that is a terminal. `count` is the number of files.
pub fn progress(count: usize, is_reading_account: bool) -> ProgressBar {
    let bar = match (count, is_reading_account) {
        (1, false) => return ProgressBar::hidden(),
        (1, true) => ProgressBar::new_spinner().with_message("reading the account"),
        (several, _) => ProgressBar::new(several as u64),
    };
    bar.enable_steady_tick(TICK);
    bar
}

/// Prints an error to standard error.
pub fn complain(error: &dyn Display) {
    // Nothing is left to do if standard error can't be written.
    drop(writeln!(anstream::stderr(), "{BAD}error:{BAD:#} {}", visible(&error.to_string())));
}

/// Prints a note to standard error.
pub fn note(text: &str) {
    drop(writeln!(anstream::stderr(), "note: {}", visible(text)));
}

/// The text without the characters of a file that a terminal or a log would obey: control characters, also line breaks,
/// and those that change the direction of the text.
fn visible(text: &str) -> String {
    let is_obeyed = |c: char| c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_obeyed(c) { ' ' } else { c }).collect()
}
