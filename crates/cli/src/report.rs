//! Renders a report as text, Markdown or JSON. All three show the same facts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::quota::POLICY_SIZE;
use mlops_roles_core::permissions::integration::required::RequiredPermissions;
use mlops_roles_core::permissions::integration::undeclared::UndeclaredNeed;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::state::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::explain::{Change, Grounds, Statement, changes, statements};

/// What the function would do about one resource.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub logical_id: String,
    pub resource_type: String,
    /// The physical id, which `Ref` will give.
    pub physical_id: String,
    /// The errors for which the function would refuse the resource.
    pub refusals: Vec<String>,
    /// The errors that an unknown value may explain: only the deployment shows whether they remain.
    pub open: Vec<String>,
    /// Assumptions, warnings, and effects beyond roles and policies.
    pub notes: Vec<String>,
    /// What the states need and neither the definition nor its author names.
    pub needs: Vec<UndeclaredNeed>,
    /// The plan; empty when there is nothing to do.
    pub steps: Vec<PlannedStep>,
    /// The roles of the desired state.
    pub roles: Vec<Role>,
    /// The policies of the desired state, managed policies first.
    pub policies: Vec<Policy>,
    /// The actions that the default permissions boundary denies, whatever the policies allow, with the states that need
    /// them.
    pub beyond_boundary: BTreeMap<String, BTreeSet<String>>,
}

/// One step of the plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The step in words.
    pub step: String,
    /// The changes that the words of the step do not show.
    pub changes: Vec<Change>,
}

/// One role of the desired state.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub name: String,
    /// The IAM path: `/service-role/`.
    pub path: String,
    pub description: String,
    /// The maximum session duration, in seconds.
    pub max_session_duration: i32,
    /// The statements of the trust policy.
    pub trust: Vec<Statement>,
    /// The ARN of the permissions boundary.
    pub permissions_boundary: Option<String>,
    /// The ARNs of the attached managed policies.
    pub attached: BTreeSet<String>,
    pub tags: BTreeMap<String, String>,
}

/// One policy of the desired state, managed or inline.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// The ARN of a managed policy, or `role/policy` for an inline policy.
    pub name: String,
    /// Whether the policy is an inline policy.
    pub inline: bool,
    /// The size in characters without white space, as IAM counts it.
    pub size: usize,
    pub statements: Vec<Statement>,
}

impl Report {
    /// Fills in the plan, the roles and the policies.
    ///
    /// `before` is the state that the steps start from. `otherwise` is the reason for a wildcard that no definition
    /// asks for.
    pub fn tell(
        &mut self,
        state: &State,
        required: &RequiredPermissions,
        steps: &[Step],
        before: &State,
        otherwise: &str,
    ) {
        self.steps =
            steps.iter().map(|step| PlannedStep { step: step.to_string(), changes: changes(step, before) }).collect();
        let managed = state.policies.values().map(|policy| &policy.document);
        let documents = managed.chain(state.roles.values().flat_map(|role| role.inline.values()));
        let grounds = Grounds::new(required, otherwise, documents);
        let policy = |name: String, inline: bool, document: &Document| Policy {
            name,
            inline,
            size: document.size(),
            statements: statements(document, &grounds),
        };
        for (name, role) in &state.roles {
            self.roles.push(Role {
                name: name.to_string(),
                path: role.path.clone(),
                description: role.description.clone(),
                max_session_duration: role.max_session_duration,
                trust: statements(&role.trust, &grounds),
                permissions_boundary: role.boundary.clone(),
                attached: role.attached.clone(),
                tags: role.tags.clone(),
            });
            let inline = role.inline.iter();
            self.policies.extend(inline.map(|(inline, document)| policy(format!("{name}/{inline}"), true, document)));
        }
        self.policies.extend(state.policies.iter().map(|(arn, managed)| policy(arn.clone(), false, &managed.document)));
        self.policies.sort_by_key(|policy| policy.inline);
    }

    /// The report with each of its texts mapped by `printed`.
    ///
    /// # Errors
    /// When two members get the same name, which would be a bug in this program.
    pub fn printed(&self, printed: &dyn Fn(&str) -> String) -> Result<Self, String> {
        let report = serde_json::to_value(self).map_err(|error| error.to_string())?;
        serde_json::from_value(each_text(&report, printed)).map_err(|error| error.to_string())
    }
}

fn each_text(value: &Value, printed: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(printed(text)),
        Value::Array(items) => items.iter().map(|item| each_text(item, printed)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (printed(name), each_text(value, printed))).collect::<BTreeMap<_, _>>()
        }
        .into_iter()
        .collect(),
        other => other.clone(),
    }
}

/// The title of `refusals`.
const ERRORS: &str = "Errors";
/// The title of `open`.
const POSSIBLE_ERRORS: &str = "Possible errors: only the deployment shows whether they remain";
/// The title of `beyond_boundary`.
const BEYOND: &str = "Denied by the default permissions boundary, whatever the policies allow";
const TITLE: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();
const OPEN: Style = AnsiColor::Yellow.on_default();
const ADDED: Style = AnsiColor::Green.on_default();
const ASIDE: Style = Style::new().dimmed();

/// Renders a report for a terminal, in colour. A stream that is not a terminal drops the colours.
pub fn text(report: &Report) -> String {
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

impl Role {
    fn tags(&self) -> Vec<String> {
        self.tags.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    }
}

impl Policy {
    fn title(&self) -> String {
        if self.inline {
            return format!("Inline policy {} (about {} characters)", self.name, self.size);
        }
        format!("Policy {} (about {} of {POLICY_SIZE} characters)", self.name, self.size)
    }
}

impl Report {
    fn beyond(&self) -> Vec<String> {
        let states = |states: &BTreeSet<String>| states.iter().cloned().collect::<Vec<_>>().join(", ");
        self.beyond_boundary.iter().map(|(action, of)| format!("{action} for {}", states(of))).collect()
    }
}

/// Renders a report as Markdown, for a comment on a change.
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(out, "{text}");
    };
    line(&format!("## {} `{}`\n", report.logical_id, report.resource_type));
    for (title, items) in [
        (ERRORS, &report.refusals),
        (POSSIBLE_ERRORS, &report.open),
        ("Notes", &report.notes),
        (BEYOND, &report.beyond()),
    ] {
        if !items.is_empty() {
            line(&format!("**{title}**\n"));
            for item in items {
                line(&format!("- {}", inert(item)));
            }
            line("");
        }
    }
    if !report.refusals.is_empty() {
        return out;
    }
    line("**Plan**\n");
    if report.steps.is_empty() {
        line("No changes.");
    }
    for planned in &report.steps {
        line(&format!("1. {}", inert(&planned.step)));
        for change in &planned.changes {
            line(&format!("   - {} {}", if change.added { "added" } else { "removed" }, code(&change.what)));
        }
    }
    for role in &report.roles {
        line(&format!("\n**Role {} at path {}**\n", code(&role.name), code(&role.path)));
        line(&format!(
            "- permissions boundary {}",
            role.permissions_boundary.as_deref().map_or("none".to_owned(), code)
        ));
        for arn in &role.attached {
            line(&format!("- attached {}", code(arn)));
        }
        for statement in &role.trust {
            let conditions =
                statement.conditions().iter().map(|condition| code(condition)).collect::<Vec<_>>().join(" and ");
            let conditions = if conditions.is_empty() { conditions } else { format!(" if {conditions}") };
            line(&format!("- trusts {}{conditions}", code(&statement.trusted().unwrap_or_default())));
        }
    }
    for policy in &report.policies {
        line(&format!("\n**{}**\n", inert(&policy.title())));
        line("| effect | actions | resources | if | for |\n|---|---|---|---|---|");
        for statement in &policy.statements {
            let resources = statement.resources.iter().map(|resource| {
                let why: Vec<&str> = resource.wildcard_because.iter().map(String::as_str).collect();
                let why = if why.is_empty() { String::new() } else { format!(" ({})", inert(&why.join("; "))) };
                format!("{}{why}", code(&resource.arn))
            });
            let but = statement.all_resources_but.iter().map(|arn| format!("all but {}", code(arn)));
            let actions = statement.actions.iter().map(|action| code(action));
            let row = [
                statement.effect.clone(),
                lines(
                    actions.chain(statement.all_actions_but.iter().map(|action| format!("all but {}", code(action)))),
                ),
                lines(resources.chain(but)),
                lines(statement.conditions().iter().map(|condition| code(condition))),
                lines(statement.states.iter().map(|state| code(state))),
            ];
            line(&format!("| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | ")));
        }
    }
    out
}

fn lines(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("<br>")
}

/// Formats text as a code span, in which nothing is Markdown.
fn code(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

/// Escapes the Markdown in a text. What is in backticks stays code.
fn inert(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let parts = text.split('`').enumerate().map(|(i, part)| {
        if i % 2 == 1 {
            return format!("`{part}`");
        }
        let escape = |c: char| if "*_<>@#[]|\\".contains(c) { format!("\\{c}") } else { c.to_string() };
        part.chars().map(escape).collect()
    });
    parts.collect()
}
