//! Tests that no text of a template becomes Markdown or HTML in a report.

use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_cli::plan::report::markdown::render;
use mlops_roles_cli::plan::report::{Report, Role};

fn report() -> Report {
    Report { logical_id: "Role".to_owned(), resource_type: "Custom::Role".to_owned(), ..Report::default() }
}

#[test]
fn a_logical_id_is_no_html() {
    let report = Report { logical_id: "<img>\n# [a](b)".to_owned(), ..report() };
    assert!(render(&report).starts_with("## \\<img\\> \\# \\[a\\](b) `Custom::Role`\n"), "{}", render(&report));
}

#[test]
fn adjacent_backticks_open_no_code_that_ends_early() {
    let refusals = vec!["`` a ` <img> ``".to_owned(), "found `*a*`, not *b*".to_owned()];
    let found = render(&Report { refusals, ..report() });
    assert!(found.contains("- \\`\\` a \\` \\<img\\> \\`\\`\n"), "{found}");
    assert!(found.contains("- found `*a*`, not \\*b\\*\n"), "{found}");
}

#[test]
fn backticks_end_no_code() {
    let role = Role {
        name: "a`b".to_owned(),
        path: "/".to_owned(),
        description: String::new(),
        max_session_duration: 3600,
        trust: Vec::new(),
        permissions_boundary: Some("a`` <img>".to_owned()),
        attached: BTreeSet::new(),
        tags: BTreeMap::new(),
    };
    let found = render(&Report { roles: vec![role], ..report() });
    assert!(found.contains("**Role `` a`b `` at path `/`**"), "{found}");
    assert!(found.contains("- permissions boundary ``` a`` <img> ```\n"), "{found}");
}
