//! The options of the command line.

use clap::builder::Str;
use clap::{Arg, CommandFactory as _};
use mlops_roles_cli::options::Options;

use super::table::{Part, code, codes, table};

/// Returns the table of the options, in the order of `--help`.
pub fn options() -> Part {
    let mut command = Options::command();
    // What clap adds itself: `--help` and `--version`.
    command.build();
    let rows = command.get_arguments().map(|arg| [name(arg), help(arg), default(arg)]).collect::<Vec<_>>();
    (table(["option", "meaning", "default"], rows), Vec::new())
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
