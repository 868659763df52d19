//! Runs the commands of the documentation, and compares what they print with what the pages show. `make bless` writes
//! the current output into the pages.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use mlops_roles_cli::cli::Cli;

/// The root folder of the repository, which the paths in the documentation start from.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The pages of the documentation.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![Path::new(ROOT).join("README.md"), Path::new(ROOT).join("crates/cli/README.md")];
    let mut folders = vec![Path::new(ROOT).join("docs"), Path::new(ROOT).join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|end| end.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("md") => pages.push(path),
                _ => {}
            }
        }
    }
    pages
}

#[test]
fn the_commands_of_the_documentation_print_what_it_shows() {
    // The other tests name all paths in full.
    std::env::set_current_dir(ROOT).unwrap();
    let cases = trycmd::TestCases::new();
    cases.register_bin("mlops-roles", Path::new(env!("CARGO_BIN_EXE_mlops-roles")));
    for page in pages() {
        cases.case(page.strip_prefix(ROOT).unwrap());
    }
    cases.run();
}

/// The commands of the program in the blocks `sh` and `console` of a page, each in one line.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in text.split("\n```").skip(1).step_by(2) {
        let (info, body) = block.split_once('\n').unwrap_or_default();
        if !matches!(info.split(' ').next(), Some("sh" | "console")) {
            continue;
        }
        let joined = body.replace("\\\n", " ").replace("\n> ", " ");
        for line in joined.lines() {
            let line = line.trim().trim_start_matches("$ ");
            if line.starts_with("mlops-roles ") {
                // What follows belongs to the shell.
                let end = line.find([';', '|', '>', '&', '#']).unwrap_or(line.len());
                found.push(line[..end].trim_end().to_owned());
            }
        }
    }
    found
}

#[test]
fn each_command_of_the_documentation_has_options_that_exist() {
    let mut count = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for command in commands(&text) {
            let words = shlex::split(&command).unwrap_or_else(|| panic!("{}: {command}", page.display()));
            if let Err(error) = Cli::try_parse_from(words)
                && error.use_stderr()
            {
                panic!("{}: {command}\n{error}", page.display());
            }
            count += 1;
        }
    }
    assert!(count > 20, "{count} commands were found");
}
