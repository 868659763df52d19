//! The program on a copy of the pages and schemas: what is not up to date, absent or doubled is found.

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Copies the schemas and the pages with generated parts, and returns the folder.
fn copy(name: &str) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&to);
    for folder in ["schemas", "docs/reference", "docs/evidence"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for entry in std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, to.join(folder).join(path.file_name().unwrap())).unwrap();
        }
    }
    to
}

/// Changes a page, and returns what the program says about it.
fn said(name: &str, page: &str, change: impl Fn(&str) -> String) -> String {
    let folder = copy(name);
    let path = folder.join(page);
    let before = std::fs::read_to_string(&path).unwrap();
    let after = change(&before);
    assert_ne!(before, after, "the page has nothing to change");
    std::fs::write(&path, after).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_generate")).arg("--check").current_dir(&folder).output().unwrap();
    assert!(!done.status.success());
    String::from_utf8(done.stderr).unwrap()
}

#[test]
fn what_differs_from_the_types_is_found_and_written_anew() {
    let page = "docs/reference/workflow-role.md";
    let said = said("differs", page, |text| text.replacen("| `Logging` | Whether", "| `Logging` | If", 1));
    assert_eq!(said, format!("{page}: is not up to date; run `make generate`\n"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differs");
    let done = Command::new(env!("CARGO_BIN_EXE_generate")).current_dir(&folder).status().unwrap();
    assert!(done.success());
    let again = |of: &Path| std::fs::read_to_string(of.join(page)).unwrap();
    assert_eq!(again(&folder), again(Path::new(ROOT)));
}

#[test]
fn what_no_page_has_or_two_tables_have_is_found() {
    let page = "docs/reference/workflow-role.md";
    let without = said("without", page, |text| text.replacen(" Logging Tracing ", " Tracing ", 1));
    assert_eq!(without, "no page has: properties StepFunctionsWorkflowRole Logging\n");
    let twice = said("twice", page, |text| text.replacen(" Logging Tracing ", " Logging Tracing Logging ", 1));
    assert!(twice.ends_with("`Logging` stands in another generated table already\n"), "{twice}");
    let unknown = said("unknown", page, |text| text.replacen(" Logging Tracing ", " Logging Loging Tracing ", 1));
    assert!(unknown.ends_with("the type has no property `Loging`\n"), "{unknown}");
    let statement = said("statement", "docs/reference/function-permissions.md", |text| {
        text.replacen("<!-- generated: permissions RoleSetsPolicy -->", "", 1)
    });
    assert_eq!(statement, "no page has: permissions RoleSetsPolicy AttachInsideTheBoundary\n");
}

#[test]
fn a_generated_part_has_an_end_and_a_known_name() {
    let page = "docs/reference/integrations.md";
    let open = said("open", page, |text| text.replace("<!-- /generated -->", ""));
    assert_eq!(open, format!("{page}: `integrations`: without `<!-- /generated -->`\n"));
    let unknown = said("name", page, |text| text.replacen("generated: wildcards", "generated: wild cards", 1));
    assert_eq!(unknown, format!("{page}: `wild cards`: nothing of that name is generated\n"));
}
