//! Tests the files of `--output-dir`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{MACHINES, PLACE, QUERY, TELL, TOPIC, derived, of_machine, printed, refused};

/// An empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn read(folder: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(name)).unwrap()).unwrap()
}

/// Writes the policies of a state machine of the template with several. Prints nothing.
fn write(folder: &Path, id: &str) {
    assert_eq!(printed(&of_machine(id, &["--output-dir", folder.to_str().unwrap()])), "");
}

#[test]
fn each_document_is_a_file_and_the_result_has_all() {
    let out = folder("policy-files").join("new/folder");
    write(&out, "Inline");
    assert_eq!(names(&out), ["pass-role-policy.json", "policy-1.json", "result.json", "trust-policy.json"]);
    let found = derived(&of_machine("Inline", &[]));
    assert_eq!(read(&out, "result.json"), found);
    assert_eq!(read(&out, "trust-policy.json"), found["trustPolicy"]);
    assert_eq!(read(&out, "policy-1.json"), found["policies"][0]);
    assert_eq!(read(&out, "pass-role-policy.json"), found["passRolePolicy"]);
    let before = fs::read(out.join("result.json")).unwrap();
    write(&out, "Inline");
    assert_eq!(fs::read(out.join("result.json")).unwrap(), before);
}

/// Runs the program, which refuses to write, and names a path with the reason.
fn assert_refused(folder: &Path, named: &Path, reason: &str) {
    let said = refused(&of_machine("Inline", &["--output-dir", folder.to_str().unwrap()]));
    assert!(said.contains(&format!("error: `{}`: {reason}", named.display())), "{said}");
}

#[test]
fn a_later_run_deletes_the_files_of_the_earlier_result_and_no_others() {
    let out = folder("policy-outdated");
    write(&out, "Inline");
    fs::write(out.join("README.md"), "mine").unwrap();
    fs::write(out.join("policy-new.json"), "mine").unwrap();
    rename(&out, "Nothing");
    write(&out, "Nothing");
    assert_eq!(names(&out), ["README.md", "policy-new.json", "result.json", "trust-policy.json"]);
    assert_eq!(read(&out, "result.json")["stateMachine"], "Nothing");
    // A file that is gone is no error.
    rename(&out, "Inline");
    write(&out, "Inline");
    fs::remove_file(out.join("policy-1.json")).unwrap();
    rename(&out, "Nothing");
    write(&out, "Nothing");
    assert_eq!(names(&out), ["README.md", "policy-new.json", "result.json", "trust-policy.json"]);
}

/// Makes the result that of a state machine with another name.
fn rename(out: &Path, name: &str) {
    let mut result = read(out, "result.json");
    result["stateMachine"] = name.into();
    fs::write(out.join("result.json"), result.to_string()).unwrap();
}

#[test]
fn a_folder_has_the_policies_of_one_state_machine() {
    let out = folder("policy-two");
    write(&out, "Inline");
    let before = names(&out);
    let said = refused(&of_machine("Nothing", &["--output-dir", out.to_str().unwrap()]));
    assert!(said.contains("has the policies of `Inline`; choose a folder for each state machine"), "{said}");
    assert_eq!(names(&out), before);
}

/// Whoever reads `policy-*.json` would take it for a policy of the result.
#[test]
fn a_file_of_somebody_else_with_such_a_name_stays_and_stops_the_program() {
    let foreign = "exists, and no earlier run wrote it; choose another folder, or delete the file";
    for (name, text) in [
        ("policy-9.json", "mine"),
        ("trust-policy.json", "mine"),
        ("pass-role-policy.json", "mine"),
        ("result.json", r#"{"policies": [{}, {}], "passRolePolicy": {}}"#),
        ("result.json", "{"),
        ("result.json", "[]"),
    ] {
        let out = folder(&format!("policy-foreign-{}", name.len() + text.len()));
        fs::write(out.join(name), text).unwrap();
        assert_refused(&out, &out.join(name), foreign);
        assert_eq!(names(&out), [name]);
        assert_eq!(fs::read_to_string(out.join(name)).unwrap(), text);
    }
    let out = folder("policy-foreign-later");
    write(&out, "Inline");
    fs::write(out.join("policy-9.json"), "mine").unwrap();
    let before = fs::read(out.join("result.json")).unwrap();
    assert_refused(&out, &out.join("policy-9.json"), foreign);
    assert_eq!(fs::read(out.join("result.json")).unwrap(), before);
}

#[test]
fn a_folder_that_can_not_be_written_is_an_error() {
    let out = folder("policy-unwritable");
    fs::write(out.join("file"), "mine").unwrap();
    for path in [out.join("file"), out.join("file/below")] {
        assert_refused(&path, &path, "can't be written: ");
    }
    assert_eq!(fs::read_to_string(out.join("file")).unwrap(), "mine");
    // What an earlier run wrote, and somebody replaced by a folder. The result is the last file, so it stays.
    write(&out, "Inline");
    let before = fs::read(out.join("result.json")).unwrap();
    fs::remove_file(out.join("policy-1.json")).unwrap();
    fs::create_dir(out.join("policy-1.json")).unwrap();
    assert_refused(&out, &out.join("policy-1.json"), "can't be written: ");
    assert_eq!(fs::read(out.join("result.json")).unwrap(), before);
    let left = ["file", "pass-role-policy.json", "policy-1.json", "result.json", "trust-policy.json"];
    assert_eq!(names(&out), left, "a temporary file is left");
}

#[test]
fn an_error_writes_nothing() {
    let out = folder("policy-error");
    let path = out.join("new");
    let to = ["--output-dir", path.to_str().unwrap()];
    refused(&[&[MACHINES][..], &to].concat());
    refused(&[&[TELL][..], &PLACE, &to].concat());
    refused(&[&[QUERY, "--strict"][..], &PLACE, &to].concat());
    assert!(!path.exists());
    let topic = format!("TopicArn={TOPIC}");
    printed(&[&[TELL, "--definition-substitution", &topic][..], &PLACE, &to].concat());
    let before = fs::read(path.join("policy-1.json")).unwrap();
    refused(&[&[TELL][..], &PLACE, &to].concat());
    assert_eq!(fs::read(path.join("policy-1.json")).unwrap(), before);
}

/// Whoever can put a link into the folder does not decide which other file is written.
#[cfg(unix)]
#[test]
fn a_link_is_not_followed() {
    let out = folder("policy-links");
    let target = out.join("target");
    fs::write(&target, "mine").unwrap();
    let into = out.join("into");
    write(&into, "Inline");
    fs::remove_file(into.join("policy-1.json")).unwrap();
    std::os::unix::fs::symlink(&target, into.join("policy-1.json")).unwrap();
    write(&into, "Inline");
    assert!(!into.join("policy-1.json").is_symlink());
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
}
