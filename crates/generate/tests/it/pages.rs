//! The program on a copy of the pages: what is not up to date, absent or doubled is found.

use std::path::Path;
use std::process::Command;

use crate::copy::{ROOT, said};

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
