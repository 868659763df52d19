//! The options of the command line.

use clap::builder::Str;
use clap::{Arg, Args as _, Command, CommandFactory as _};
use mlops_roles_cli::cli::Cli;
use mlops_roles_cli::options::input::InputOptions;

use super::table::{Part, code, codes, table};
use crate::error::PartError;

/// What stands for the options of each command that reads a file.
const INPUT: &str = "input";

/// Returns the table of the options of a command, in the order of `--help`. The options that each command with a file
/// has are a table of their own, `input`.
///
/// # Errors
/// When there is no such command.
pub fn options(of: &str) -> Result<Part, PartError> {
    let input = InputOptions::augment_args(Command::new(INPUT));
    let mut whole = Cli::command();
    // What clap adds itself: `--help`.
    whole.build();
    let found = if of == INPUT { Some(&input) } else { whole.find_subcommand(of) };
    let command = found.ok_or_else(|| PartError::NoCommand(of.to_owned()))?;
    let is_own = |arg: &&Arg| of == INPUT || !input.get_arguments().any(|one| one.get_id() == arg.get_id());
    let rows = command.get_arguments().filter(is_own).map(|arg| [name(arg), help(arg), default(arg)]);
    Ok((table(["option", "meaning", "default"], rows.collect::<Vec<_>>()), vec!["all".to_owned()]))
}

/// Lists the commands that have options, and `input`.
pub fn commands() -> Vec<String> {
    let whole = Cli::command();
    let commands = whole.get_subcommands().filter(|command| command.get_opts().next().is_some());
    commands.map(|command| command.get_name().to_owned()).chain([INPUT.to_owned()]).collect()
}

fn name(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default().iter().map(Str::as_str).collect::<Vec<_>>().join(" ");
    let takes = arg.get_action().takes_values();
    match arg.get_long() {
        Some(long) if takes => code(&format!("--{long} {values}")),
        Some(long) => code(&format!("--{long}")),
        None => code(&values),
    }
}

fn help(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    help.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn default(arg: &Arg) -> String {
    let defaults: Vec<&str> = arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    match () {
        () if arg.is_required_set() => "**required**".to_owned(),
        () if !arg.get_action().takes_values() => String::new(),
        () => codes(defaults),
    }
}
