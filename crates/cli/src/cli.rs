//! The command line as clap knows it: the commands, the completions and the man pages.

use std::sync::LazyLock;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use mlops_roles_core::permissions::integration::apis;
use mlops_roles_core::text::listed;

use crate::error::Error;
use crate::options::plan::PlanOptions;
use crate::options::policy::PolicyOptions;
use crate::options::show::ShowOptions;

/// The version of the program, with the date of the tables that it derives policies from.
static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} (service authorization reference of {})", env!("CARGO_PKG_VERSION"), apis::date()));

/// Derives the IAM roles of SageMaker and Step Functions pipelines from their state machines.
#[derive(Clone, Debug, Parser)]
#[command(name = "mlops-roles", version = VERSION.as_str(), arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    #[expect(missing_docs, reason = "the options have the help")]
    Plan(Box<PlanOptions>),
    #[expect(missing_docs, reason = "the options have the help")]
    Policy(Box<PolicyOptions>),
    #[expect(missing_docs, reason = "the options have the help")]
    Show(ShowOptions),
    /// Prints the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints a man page.
    Man {
        /// The command. By default, the page is that of the whole program.
        command: Option<String>,
    },
}

/// The script that completes the commands and options in a shell.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mlops-roles", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The man page of a command, or of the whole program.
///
/// # Errors
/// When there is no such command.
pub fn man(command: Option<&str>) -> Result<String, Error> {
    let mut whole = Cli::command();
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => {
            let found = whole.get_subcommands().find(|command| command.get_name() == name).cloned();
            found.ok_or_else(|| Error::NoCommand {
                found: name.to_owned(),
                commands: listed(&whole.get_subcommands().map(|one| one.get_name().to_owned()).collect::<Vec<_>>()),
            })?
        }
    };
    let mut text = Vec::new();
    // Writing to a vector can't fail.
    drop(clap_mangen::Man::new(page).source(concat!("mlops-roles ", env!("CARGO_PKG_VERSION"))).render(&mut text));
    Ok(String::from_utf8_lossy(&text).into_owned())
}
