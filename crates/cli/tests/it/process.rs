//! Runs the program as a user does.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The root folder of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What a run of the program leads to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    /// The text on standard output.
    pub out: String,
    /// The text on standard error.
    pub error: String,
}

/// Runs the program in a folder, with a text on standard input and no environment.
pub fn run_in(folder: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlops-roles"));
    command.args(arguments).current_dir(folder).env_clear();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that ends early does not read its input.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
}

/// Runs the program in the root folder of the repository, without input.
pub fn run(arguments: &[&str]) -> Ran {
    run_in(Path::new(ROOT), arguments, "")
}

/// Writes a file for a test, and returns its path.
pub fn written(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
