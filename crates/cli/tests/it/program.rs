//! Tests what all commands share: several files, standard output and standard error, completions and man pages.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use mlops_roles_cli::plan::report::Report;
use mlops_roles_cli::plan::report::markdown::{heading, render};

use crate::definitions::Repository;
use crate::process::{ROOT, Ran, run, run_in, written};

const COMMANDS: [&str; 5] = ["plan", "policy", "show", "completions", "man"];

const PIPELINE: &str = "examples/pipeline.yaml";

const TELL: &str = "tests/data/policy/tell.asl.json";

/// A template without a resource of mlops-roles.
const OTHER: &str = "tests/data/policy/sam.yaml";

/// Each command in a form that prints something.
const EACH: [&[&str]; 8] = [
    &["plan", PIPELINE],
    &["plan", PIPELINE, "--format", "json"],
    &["policy", TELL, "--placeholders"],
    &["show", "sagemaker:createTrainingJob.sync"],
    &["completions", "bash"],
    &["man"],
    &["--version"],
    &["--help"],
];

/// What a terminal obeys: escape sequences, bell, backspace, and the start of a sequence as one character.
const CONTROLS: &str = "\u{1b}[5m\u{7}\u{8}\u{9b}5m\u{7f}";

/// The names of the files in a report in JSON.
fn files(ran: &Ran) -> Vec<String> {
    let reports: Value = serde_json::from_str(&ran.out).unwrap();
    reports.as_array().unwrap().iter().map(|report| report["file"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_of_several_files_has_its_heading_and_an_error_stops_no_other() {
    let ran = run(&["plan", TELL, "no-such-file", OTHER, PIPELINE]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.starts_with(&format!("== {TELL} ==\n\nWorkflowRole (")), "{}", ran.out);
    assert!(ran.out.contains(&format!("\n== {PIPELINE} ==\n")), "{}", ran.out);
    assert_eq!(ran.out.matches("== ").count(), 2, "{}", ran.out);
    let errors: Vec<&str> = ran.error.lines().collect();
    assert!(errors[0].starts_with("error: `no-such-file`: can't be read: "), "{}", ran.error);
    assert!(
        errors[1].starts_with(&format!("error: `{OTHER}`: the template has no resource of mlops-roles")),
        "{}",
        ran.error
    );
    let ran = run(&["plan", TELL, PIPELINE, "--format", "markdown"]);
    assert!(ran.code == Some(0) && ran.out.starts_with(&format!("## `{TELL}`\n\n## WorkflowRole ")), "{}", ran.out);
    assert!(ran.out.contains(&format!("\n## `{PIPELINE}`\n\n")), "{}", ran.out);
    let ran = run(&["plan", TELL, "no-such-file", PIPELINE, "--format", "json"]);
    assert_eq!((ran.code, files(&ran)), (Some(1), vec![TELL.to_owned(), PIPELINE.to_owned()]));
    // One file needs no heading.
    assert!(run(&["plan", PIPELINE]).out.starts_with("WorkflowRole ("));
}

#[test]
fn a_resource_that_is_refused_is_the_exit_code_of_all_files() {
    let refused = written("program-refused.asl.json", r#"{"StartAt":"A","States":{"A":{"Type":"Tusk"}}}"#);
    for files in [[refused.as_str(), TELL], [TELL, refused.as_str()]] {
        let ran = run(&[&["plan"][..], &files].concat());
        assert_eq!(ran.code, Some(1), "{}", ran.out);
        assert!(ran.out.contains("found `Tusk`") && ran.out.contains("sns:Publish"), "{}", ran.out);
    }
}

#[test]
fn other_files_are_skipped_only_if_asked() {
    let ran = run(&["plan", OTHER]);
    assert!(ran.code == Some(1) && ran.error.contains("the template has no resource of mlops-roles"), "{}", ran.error);
    let ran = run(&["plan", "--skip-others", OTHER]);
    assert_eq!((ran.code, ran.out.as_str(), ran.error.as_str()), (Some(0), "", ""));
    // Such a file need not even be a template.
    let ran = run(&["plan", "--skip-others", OTHER, "rustfmt.toml", PIPELINE, "--format", "json"]);
    assert_eq!((ran.code, files(&ran)), (Some(0), vec![PIPELINE.to_owned()]));
    let ran = run(&["plan", "--skip-others", "no-such-file", PIPELINE]);
    assert_eq!(ran.code, Some(1), "{}", ran.out);
}

#[test]
fn a_template_is_read_from_standard_input_with_paths_from_the_current_folder() {
    let text = std::fs::read_to_string(Path::new(ROOT).join(PIPELINE)).unwrap();
    let ran = run_in(&Path::new(ROOT).join("examples"), &["plan", "-", "--format", "json"], &text);
    assert_eq!((ran.code, files(&ran)), (Some(0), vec!["-".to_owned()]), "{}", ran.error);
    let ran = run_in(Path::new(ROOT), &["plan", "-"], &text);
    assert!(
        ran.code == Some(1) && ran.out.contains("found `pipeline.asl.json`, expected a file that exists"),
        "{}",
        ran.out
    );
    let ran = run_in(Path::new(ROOT), &["plan", "-"], "");
    assert!(ran.code == Some(1) && ran.error.starts_with("error: `-`: "), "{}", ran.error);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    for arguments in EACH {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlops-roles"));
        command.args(arguments).current_dir(ROOT).env_clear().stdin(Stdio::null());
        let (reader, writer) = std::io::pipe().unwrap();
        // Nobody reads from the start.
        drop(reader);
        let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        let mut error = String::new();
        child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}: {error}");
        let notes = error.lines().all(|line| line.starts_with("note: "));
        assert!(notes, "{arguments:?}: {error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    for arguments in EACH {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlops-roles"));
        command.args(arguments).current_dir(ROOT).env_clear().stdin(Stdio::null()).stdout(full);
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {error}");
        assert!(error.contains("error: standard output can't be written: No space left"), "{arguments:?}: {error}");
    }
}

#[test]
fn the_version_has_the_date_of_the_tables() {
    let version = env!("CARGO_PKG_VERSION");
    for option in ["--version", "-V"] {
        let ran = run(&[option]);
        let (start, date) = ran.out.trim_end().rsplit_once(' ').unwrap();
        assert_eq!(start, format!("mlops-roles {version} (service authorization reference of"));
        let date: Vec<&str> = date.strip_suffix(')').unwrap().split('-').collect();
        let lengths: Vec<usize> = date.iter().map(|part| part.len()).collect();
        assert!(lengths == [4, 2, 2] && date.concat().bytes().all(|byte| byte.is_ascii_digit()), "{}", ran.out);
    }
}

#[test]
fn wrong_commands_are_errors() {
    let ran = run(&[]);
    assert!(ran.code == Some(1) && ran.out.is_empty() && ran.error.contains("Usage: mlops-roles"), "{}", ran.error);
    let ran = run(&["preview"]);
    assert!(ran.code == Some(1) && ran.error.contains("unrecognized subcommand 'preview'"), "{}", ran.error);
    let ran = run(&["completions", "tcsh"]);
    assert!(ran.code == Some(1) && ran.error.contains("bash, elvish, fish, powershell, zsh"), "{}", ran.error);
    let ran = run(&["man", "preview"]);
    let part = "error: `preview`: no such command, expected one of `plan`, `policy`, `show`, `completions`, `man`";
    assert!(ran.code == Some(1) && ran.out.is_empty() && ran.error.starts_with(part), "{}", ran.error);
}

#[test]
fn the_completions_of_each_shell_name_each_command() {
    let mut scripts = Vec::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = run(&["completions", shell]);
        assert_eq!((ran.code, ran.error.as_str()), (Some(0), ""), "{shell}");
        for part in COMMANDS.into_iter().chain(["mlops-roles", "definition-substitution"]) {
            assert!(ran.out.contains(part), "{shell}: {part} is missing");
        }
        scripts.push(ran.out);
    }
    scripts.sort();
    scripts.dedup();
    assert_eq!(scripts.len(), 5);
}

#[test]
fn each_command_has_a_man_page() {
    let version = run(&["--version"]).out;
    for command in COMMANDS.map(Some).into_iter().chain([None]) {
        let ran = run(&["man"].into_iter().chain(command).collect::<Vec<_>>());
        let name = command.map_or("mlops-roles".to_owned(), |command| format!("mlops-roles-{command}"));
        assert_eq!((ran.code, ran.error.as_str()), (Some(0), ""), "{name}");
        for section in [".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH OPTIONS\n"] {
            assert!(ran.out.contains(section), "{name}: {section} is missing in {}", ran.out);
        }
        let title = ran.out.lines().find(|line| line.starts_with(".TH ")).unwrap();
        assert!(title.starts_with(&format!(".TH {name} 1 ")), "{title}");
        let number = version.split(' ').take(2).collect::<Vec<_>>().join(" ");
        assert!(title.contains(&number), "{name}: the version is missing in {title}");
    }
    let page = run(&["man"]).out;
    for command in COMMANDS {
        assert!(page.contains(&format!("mlops\\-roles\\-{command}(1)")), "{command} is missing in {page}");
    }
}

/// A name that begins with a letter, so that no option begins with a control character.
fn controlled() -> String {
    format!("A{CONTROLS}")
}

/// Files of which each name and each text has control characters. Returns their names.
fn hostile(repository: &Repository) -> Vec<String> {
    let name = controlled();
    let task = json!({ "Type": "Task", "Resource": "arn:aws:states:::athena:startQueryExecution.sync",
        "Parameters": { "QueryString.$": "$.q", "WorkGroup": "primary" }, "End": true });
    let fine = json!({ "StartAt": name, "States": { &name: task } });
    let wrong = json!({ "StartAt": "B", "States": { &name: { "Type": format!("Tusk{CONTROLS}") } } });
    let role = json!({ "Type": "Custom::StepFunctionsWorkflowRole", "Properties": {
        "ServiceToken": "x", "Definition": fine, &name: "x" } });
    let machine = json!({ "Type": "AWS::StepFunctions::StateMachine", "Properties": { "Definition": wrong } });
    let both = json!({ "Resources": { &name: role, "B": machine, format!("C{CONTROLS}"): machine } });
    let unknown = json!({ "Parameters": { &name: { "Type": "String" } }, "Resources": { "Role": {
        "Type": "Custom::StepFunctionsWorkflowRole",
        "Properties": { "ServiceToken": "x", "Definition": { "Ref": name }, "StateMachineName": { "Ref": name } } } } });
    let files = [("fine", fine), ("wrong", wrong), ("both", both), ("unknown", unknown)];
    let named: Vec<String> = files.iter().map(|(file, _)| format!("{file}\u{1b}[5m\u{9b}.json")).collect();
    for (file, (_, content)) in named.iter().zip(&files) {
        repository.write(file, &content.to_string());
    }
    named
}

/// Colours are a sequence that the program itself prints.
fn without_colours(text: &str) -> String {
    ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"]
        .iter()
        .fold(text.to_owned(), |text, colour| text.replace(colour, ""))
}

#[test]
fn no_control_character_of_a_file_reaches_the_terminal() {
    let repository = Repository::new("program-controls");
    let files = hostile(&repository);
    let all: Vec<&str> = files.iter().map(String::as_str).collect();
    let controlled = controlled();
    let mut cases: Vec<Vec<&str>> = Vec::new();
    for format in ["text", "markdown", "json"] {
        cases.push([&["plan", "--format", format][..], &all].concat());
    }
    for &file in &all {
        cases.extend([vec!["policy", file], vec!["policy", file, "--placeholders"], vec!["plan", file]]);
        cases.push(vec!["policy", file, "--resource", "B"]);
    }
    cases.extend([vec!["plan", &controlled], vec!["man", &controlled], vec!["show", &controlled]]);
    cases.push(vec!["show", "--search", &controlled]);
    for arguments in cases {
        // As on a terminal, where escape sequences are not removed.
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlops-roles"));
        command.args(&arguments).current_dir(&repository.root).env_clear().env("CLICOLOR_FORCE", "1");
        let output = command.output().unwrap();
        for text in [output.stdout, output.stderr] {
            let text = without_colours(&String::from_utf8(text).unwrap());
            let found: Vec<char> = text.chars().filter(|c| c.is_control() && *c != '\n').collect();
            assert!(found.is_empty(), "{arguments:?}: {found:?} in {text:?}");
        }
    }
}

#[test]
fn control_characters_stay_in_the_texts_of_json() {
    let repository = Repository::new("program-json");
    let files = hostile(&repository);
    let ran = run_in(&repository.root, &["policy", &files[0], "--placeholders"], "");
    let found: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.error));
    assert_eq!(found["needs"][0]["state"], json!(controlled()));
}

#[test]
fn markdown_has_no_control_characters() {
    let report = Report { logical_id: controlled(), notes: vec![controlled()], ..Report::default() };
    let text = heading(&controlled()) + &render(&report);
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

#[test]
fn there_are_no_colours_without_a_terminal() {
    for arguments in EACH.into_iter().chain([&["plan", "no-such-file"][..], &["nope"], &["plan", OTHER, "x"]]) {
        let ran = run(arguments);
        assert!(
            !ran.out.contains('\u{1b}') && !ran.error.contains('\u{1b}'),
            "{arguments:?}: {}{}",
            ran.out,
            ran.error
        );
    }
}
