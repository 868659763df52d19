//! The command line: what mlops-roles would do for a file, and what policies a state machine needs. It never writes to
//! AWS.

pub mod cli;
pub mod config;
mod error;
pub mod input;
pub mod options;
mod output;
pub mod plan;
pub mod policy;
pub mod settings;
pub mod show;

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use error::Error;

/// The exit code when there is an error, or when the function would refuse a resource.
const REFUSED: u8 = 1;
/// The exit code when the account differs from what the file asks for.
const DIFFERENT: u8 = 2;

/// Runs the command line on the arguments of the process, and returns its exit code.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            let code = if told.use_stderr() { REFUSED } else { 0 };
            return ExitCode::from(match told.print() {
                // Whoever closes the pipe has read enough.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    output::complain(&Error::Output(error));
                    REFUSED
                }
                _ => code,
            });
        }
    };
    let code = match &cli.command {
        Command::Plan(options) => plan::run(options),
        Command::Policy(options) => policy::run(options),
        Command::Show(options) => show::run(options),
        Command::Completions { shell } => output::print(&cli::completions(*shell)).map(|()| 0),
        Command::Man { command } => cli::man(command.as_deref()).and_then(|page| output::print(&page)).map(|()| 0),
    };
    ExitCode::from(code.unwrap_or_else(|error| {
        error.problems().iter().for_each(|problem| output::complain(problem));
        REFUSED
    }))
}
