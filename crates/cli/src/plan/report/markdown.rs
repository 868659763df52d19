//! Renders a report as Markdown.

use std::fmt::Write as _;

use super::{BEYOND, ERRORS, POSSIBLE_ERRORS, PlannedStep, Policy, Report, Role};
use crate::plan::explain::Statement;

/// Renders a report as Markdown, for a comment on a change.
pub fn render(report: &Report) -> String {
    let mut out = Lines(String::new());
    out.line(&format!("## {} {}\n", inert(&report.logical_id), code(&report.resource_type)));
    for (title, items) in [
        (ERRORS, &report.refusals),
        (POSSIBLE_ERRORS, &report.open),
        ("Notes", &report.notes),
        (BEYOND, &report.beyond()),
    ] {
        out.list(title, items);
    }
    if !report.refusals.is_empty() {
        return out.0;
    }
    out.plan(&report.steps);
    for role in &report.roles {
        out.role(role);
    }
    for policy in &report.policies {
        out.policy(policy);
    }
    out.0
}

/// The heading of the reports on one of several files.
pub fn heading(file: &str) -> String {
    let mut out = Lines(String::new());
    out.line(&format!("## {}\n", code(file)));
    out.0
}

struct Lines(String);

impl Lines {
    fn line(&mut self, text: &str) {
        // Control characters from a file must not reach the terminal.
        let text: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
        // Writing to a `String` can't fail.
        let _ = writeln!(self.0, "{text}");
    }

    fn list(&mut self, title: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.line(&format!("**{title}**\n"));
        for item in items {
            self.line(&format!("- {}", inert(item)));
        }
        self.line("");
    }

    fn plan(&mut self, steps: &[PlannedStep]) {
        self.line("**Plan**\n");
        if steps.is_empty() {
            self.line("No changes.");
        }
        for planned in steps {
            self.line(&format!("1. {}", inert(&planned.step)));
            for change in &planned.changes {
                self.line(&format!("   - {} {}", if change.added { "added" } else { "removed" }, code(&change.what)));
            }
        }
    }

    fn role(&mut self, role: &Role) {
        self.line(&format!("\n**Role {} at path {}**\n", code(&role.name), code(&role.path)));
        self.line(&format!(
            "- permissions boundary {}",
            role.permissions_boundary.as_deref().map_or("none".to_owned(), code)
        ));
        for arn in &role.attached {
            self.line(&format!("- attached {}", code(arn)));
        }
        for statement in &role.trust {
            let conditions =
                statement.conditions().iter().map(|condition| code(condition)).collect::<Vec<_>>().join(" and ");
            let conditions = if conditions.is_empty() { conditions } else { format!(" if {conditions}") };
            self.line(&format!("- trusts {}{conditions}", code(&statement.trusted().unwrap_or_default())));
        }
    }

    fn policy(&mut self, policy: &Policy) {
        self.line(&format!("\n**{}**\n", inert(&policy.title())));
        self.line("| effect | actions | resources | if | for |\n|---|---|---|---|---|");
        for statement in &policy.statements {
            self.line(&row(statement));
        }
    }
}

/// The row of the table of a policy for one statement.
fn row(statement: &Statement) -> String {
    let resources = statement.resources.iter().map(|resource| {
        let why: Vec<&str> = resource.wildcard_because.iter().map(String::as_str).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", inert(&why.join("; "))) };
        format!("{}{why}", code(&resource.arn))
    });
    let but = statement.all_resources_but.iter().map(|arn| format!("all but {}", code(arn)));
    let actions = statement.actions.iter().map(|action| code(action));
    let cells = [
        statement.effect.clone(),
        lines(actions.chain(statement.all_actions_but.iter().map(|action| format!("all but {}", code(action))))),
        lines(resources.chain(but)),
        lines(statement.conditions().iter().map(|condition| code(condition))),
        lines(statement.states.iter().map(|state| code(state))),
    ];
    format!("| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

fn lines(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("<br>")
}

/// Formats text as a code span, in which nothing is Markdown. Backticks in the text can't end the span.
fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if !text.contains('`') {
        return format!("`{text}`");
    }
    let longest = text.split(|c: char| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    format!("{fence} {text} {fence}")
}

/// Escapes the Markdown in a text. What is in backticks stays code.
fn inert(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let escape = |c: char| if "*_<>@#[]|\\`".contains(c) { format!("\\{c}") } else { c.to_string() };
    // Adjacent backticks could end a span of code where the text after them is not escaped.
    if text.contains("``") {
        return text.chars().map(escape).collect();
    }
    let parts = text
        .split('`')
        .enumerate()
        .map(|(i, part)| if i % 2 == 1 { format!("`{part}`") } else { part.chars().map(escape).collect() });
    parts.collect()
}
