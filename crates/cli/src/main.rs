//! Starts the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlops_roles_cli::run()
}
