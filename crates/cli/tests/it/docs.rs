//! Runs the commands of the documentation, and compares what they print with what the pages show. `make bless` writes
//! the current output into the pages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser as _;
use mlops_roles_cli::cli::Cli;
use serde_json::{Value, json};

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

/// The commands of the program in the blocks of a page that `is_meant` tells by their words, each in one line.
fn commands(text: &str, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for block in text.split("\n```").skip(1).step_by(2) {
        let (info, body) = block.split_once('\n').unwrap_or_default();
        if !is_meant(info) {
            continue;
        }
        let joined = body.replace("\\\n", " ").replace("\n> ", " ");
        for line in joined.lines() {
            let line = line.trim().trim_start_matches("$ ").trim_start_matches("uvx ");
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
        for command in commands(&text, |info| matches!(info.split(' ').next(), Some("sh" | "console"))) {
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

/// A folder with files of the names that the pages give to those of the reader.
fn of_the_reader() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reader");
    drop(std::fs::remove_dir_all(&folder));
    for (name, file) in [
        ("template.yaml", "examples/pipeline.yaml"),
        ("pipeline.asl.json", "examples/pipeline.asl.json"),
        ("churn.asl.json", "examples/pipeline.asl.json"),
        ("infra/app.yaml", "examples/pipeline.yaml"),
        ("infra/pipeline.asl.json", "examples/pipeline.asl.json"),
        ("../base/template.yaml", "examples/pipeline.yaml"),
        ("../base/pipeline.asl.json", "examples/pipeline.asl.json"),
        ("cdk.out/ChurnStack.template.json", "examples/cdk/ChurnStack.template.json"),
    ] {
        let path = folder.join("here").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(Path::new(ROOT).join(file), path).unwrap();
    }
    // The page of the CDK has a stack with a workflow role too.
    let stack = folder.join("here/cdk.out/ChurnStack.template.json");
    let mut template: Value = serde_json::from_str(&std::fs::read_to_string(&stack).unwrap()).unwrap();
    template["Resources"]["WorkflowRole"] = json!({
        "Type": "Custom::StepFunctionsWorkflowRole",
        "Properties": {
            "ServiceToken": { "Fn::ImportValue": "mlops-roles-ServiceToken" },
            "Definition": std::fs::read_to_string(Path::new(ROOT).join("examples/pipeline.asl.json")).unwrap(),
            "DefinitionSubstitutions": {
                "ExecutionRoleArn": "arn:aws:iam::123456789012:role/MySageMakerRole",
                "TopicArn": { "Ref": "TopicBFC7AF6E" },
            },
        },
    });
    std::fs::write(stack, template.to_string()).unwrap();
    folder.join("here")
}

/// Copies what is in a folder into another.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[test]
fn the_commands_on_files_of_the_reader_work() {
    let programs = Path::new(env!("CARGO_BIN_EXE_mlops-roles")).parent().unwrap();
    let mut count = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        // The page of an example is about the template beside it.
        let beside = page.parent().unwrap();
        let folder = of_the_reader();
        if beside.starts_with(Path::new(ROOT).join("examples")) {
            copy(beside, &folder);
        }
        for command in commands(&text, |info| info == "sh example") {
            if command.contains("--against-account") {
                continue;
            }
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &command]).current_dir(&folder).env_clear().env("PATH", programs).stdin(Stdio::null());
            let done = shell.output().unwrap();
            let said = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
            assert_eq!(done.status.code(), Some(0), "{}: {command}\n{said}", page.display());
            count += 1;
        }
    }
    assert!(count > 3, "{count} commands were run");
}
