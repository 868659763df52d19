//! Renders a report for a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::{BEYOND, ERRORS, POSSIBLE_ERRORS, Report};
use crate::plan::explain::Statement;

const TITLE: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();
const OPEN: Style = AnsiColor::Yellow.on_default();
const ADDED: Style = AnsiColor::Green.on_default();
const ASIDE: Style = Style::new().dimmed();

/// Renders a report for a terminal, in colour. A stream that is not a terminal drops the colours.
pub fn render(report: &Report) -> String {
    let mut out = Lines(String::new());
    out.line(0, TITLE, &format!("{} ({})", report.logical_id, report.resource_type));
    out.list(ERRORS, BAD, &report.refusals);
    out.list(POSSIBLE_ERRORS, OPEN, &report.open);
    out.list("Notes", OPEN, &report.notes);
    if !report.refusals.is_empty() {
        return out.0;
    }
    out.line(1, TITLE, "Plan");
    if report.steps.is_empty() {
        out.line(2, Style::new(), "no changes");
    }
    for (i, planned) in report.steps.iter().enumerate() {
        out.line(2, Style::new(), &format!("{}. {}", i + 1, planned.step));
        for change in &planned.changes {
            let style = if change.added { ADDED } else { BAD };
            out.line(3, style, &format!("{} {}", if change.added { "+" } else { "-" }, change.what));
        }
    }
    for role in &report.roles {
        out.line(1, TITLE, &format!("Role {} at path {}", role.name, role.path));
        out.line(
            2,
            Style::new(),
            &format!("permissions boundary {}", role.permissions_boundary.as_deref().unwrap_or("none")),
        );
        out.line(2, Style::new(), &format!("maximum session duration {} s", role.max_session_duration));
        for (what, items) in [("attached", &role.attached.iter().cloned().collect::<Vec<_>>()), ("tag", &role.tags())] {
            for item in items {
                out.line(2, Style::new(), &format!("{what} {item}"));
            }
        }
        out.line(2, Style::new(), "trust policy");
        out.statements(3, &role.trust);
    }
    for policy in &report.policies {
        out.line(1, TITLE, &policy.title());
        out.statements(2, &policy.statements);
    }
    let beyond: Vec<String> = report.beyond();
    out.list(BEYOND, BAD, &beyond);
    out.0
}

/// The line above the reports on one of several files.
pub fn heading(file: &str) -> String {
    let mut out = Lines(String::new());
    out.line(0, TITLE, &format!("== {file} =="));
    out.0 + "\n"
}

struct Lines(String);

impl Lines {
    fn line(&mut self, depth: usize, style: Style, text: &str) {
        // Control characters from a file must not reach the terminal.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // Writing to a `String` can't fail.
        let _ = writeln!(self.0, "{:1$}{style}{text}{style:#}", "", depth * 2);
    }

    fn statements(&mut self, depth: usize, statements: &[Statement]) {
        for statement in statements {
            let whom = statement.trusted().map_or_else(String::new, |whom| format!(" to {whom}"));
            let effect = statement.effect.to_lowercase();
            self.line(depth, Style::new(), &format!("{effect} {}{whom}", statement.what()));
            for resource in &statement.resources {
                self.line(depth + 1, Style::new(), &format!("on {}", resource.arn));
                for why in &resource.wildcard_because {
                    self.line(depth + 2, ASIDE, &format!("* because {why}"));
                }
            }
            if !statement.all_resources_but.is_empty() {
                self.line(depth + 1, OPEN, &format!("on all but {}", statement.all_resources_but.join(", ")));
            }
            for condition in statement.conditions() {
                self.line(depth + 1, Style::new(), &format!("if {condition}"));
            }
            if let Some(need) = statement.need() {
                self.line(depth + 1, ASIDE, &format!("for {need}"));
            }
        }
    }

    fn list(&mut self, title: &str, style: Style, items: &[String]) {
        if !items.is_empty() {
            self.line(1, style, title);
            for item in items {
                self.line(2, Style::new(), item);
            }
        }
    }
}
