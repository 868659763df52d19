//! Renders what the command shows for a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::search::Found;
use super::shown::{Declared, Kind, Member, PASS_ROLE, Resource, Roles, Shown, ShownNeed};
use crate::plan::report::need::Use;

const TITLE: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default();
const OPEN: Style = AnsiColor::Yellow.on_default();
const ASIDE: Style = Style::new().dimmed();
const PLAIN: Style = Style::new();

/// Renders what a name needs, in colour. A stream that is not a terminal drops the colours.
pub fn render(shown: &Shown) -> String {
    let mut out = Lines(String::new());
    out.line(0, TITLE, &format!("{} ({})", shown.name, kind(shown.kind)));
    if !shown.patterns.is_empty() {
        let patterns: Vec<String> = shown.patterns.iter().map(|pattern| format!(".{pattern}")).collect();
        out.line(1, PLAIN, &format!("patterns: request-response, {}", patterns.join(", ")));
    }
    if let Some(integration) = &shown.integration {
        out.line(1, PLAIN, &format!("needs what the optimised integration {integration} needs"));
    }
    if !shown.is_supported {
        out.line(1, BAD, "Step Functions does not support this API; call another one");
    }
    if !shown.is_confirmed {
        let date = &shown.reference_date;
        let what = format!("the service authorization reference of {date} does not have this API's action");
        out.line(1, OPEN, &format!("{what}, so the name of the action is not confirmed"));
    }
    if let Some(reason) = &shown.no_permission {
        out.line(1, PLAIN, &format!("needs no permission of IAM ({reason})"));
    }
    if !shown.needs.is_empty() {
        out.line(1, TITLE, "Needs");
    }
    for need in &shown.needs {
        out.need(need);
    }
    if !shown.sources.is_empty() {
        out.line(1, TITLE, "Sources");
    }
    for source in &shown.sources {
        out.line(2, PLAIN, source);
    }
    out.line(1, ASIDE, &format!("service authorization reference of {}", shown.reference_date));
    out.0
}

/// Renders the result of a search: one line for each name, and one for its actions.
pub fn render_found(found: &[Found]) -> String {
    let mut out = Lines(String::new());
    for one in found {
        let patterns = one.patterns.iter().map(|pattern| format!(" [.{pattern}]")).collect::<Vec<_>>().concat();
        out.line(0, TITLE, &format!("{}{patterns}", one.name));
        if !one.actions.is_empty() {
            out.line(1, PLAIN, &one.actions.join(", "));
        }
    }
    if found.is_empty() {
        out.line(0, PLAIN, "nothing found");
    }
    out.0
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Integration => "optimised integration",
        Kind::Api => "API of the AWS SDK integration",
        Kind::Function => "Lambda function",
        Kind::Activity => "activity",
    }
}

struct Lines(String);

impl Lines {
    fn line(&mut self, depth: usize, style: Style, text: &str) {
        // Control characters of a name must not reach the terminal.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // Writing to a `String` can't fail.
        let _ = writeln!(self.0, "{:1$}{style}{text}{style:#}", "", depth * 2);
    }

    fn need(&mut self, need: &ShownNeed) {
        if let Some(declared) = &need.declared {
            self.declared(declared, &need.actions);
        } else if !need.actions.is_empty() {
            self.line(2, PLAIN, &format!("allow {}", need.actions.join(", ")));
        }
        for resource in &need.resources {
            self.resource("on", resource);
        }
        for resource in &need.otherwise {
            self.resource("otherwise on", resource);
        }
        if let Some(condition) = &need.condition {
            self.line(3, PLAIN, &format!("with the condition {condition}"));
            self.members(&need.condition_members);
        }
        if let Some(roles) = &need.roles {
            self.roles(roles);
        }
        if let Some(rule) = &need.rule {
            let what = "which tells Step Functions that the job has ended";
            self.line(3, ASIDE, &format!("for the managed rule {rule}, {what}"));
        }
        for when in &need.when {
            self.line(3, PLAIN, when);
        }
        for note in &need.notes {
            self.line(3, ASIDE, note);
        }
    }

    fn resource(&mut self, word: &str, resource: &Resource) {
        self.line(3, PLAIN, &format!("{word} {}", resource.arn));
        if let Some(why) = &resource.wildcard_because {
            self.line(4, ASIDE, &format!("* because {why}"));
        }
        self.members(&resource.members);
    }

    fn members(&mut self, members: &[Member]) {
        for member in members {
            let refused = member.refused.as_ref().map_or_else(String::new, |what| format!("; {what}"));
            let Member { name, taken, absent, .. } = member;
            self.line(4, ASIDE, &format!("{{{name}}}: {taken}{refused}; if absent: {absent}"));
            if let Some(why) = &member.wildcard_because {
                self.line(5, ASIDE, &format!("* because {why}"));
            }
        }
    }

    fn roles(&mut self, roles: &Roles) {
        let what = if roles.is_instance_profile { "the role of the instance profile in" } else { "the role in" };
        let members: Vec<String> = roles.members.iter().map(|member| format!("`{member}`")).collect();
        let to = roles.service.as_deref().unwrap_or("a service that AWS does not document; name it in `TaskResources`");
        self.line(2, PLAIN, &format!("allow {PASS_ROLE} of {what} {} to {to}", members.join(", ")));
        if roles.is_optional {
            self.line(3, ASIDE, "the call may pass none; a role that is known only at run time has to be declared");
        }
    }

    fn declared(&mut self, declared: &Declared, actions: &[String]) {
        let Declared { what, source, .. } = declared;
        let property = match declared.used {
            Use::Read => "`Read` of `TaskResources`",
            Use::Write => "`Write` of `TaskResources`",
            Use::PassRole => "`PassRoles` of `TaskResources`",
            Use::Key => "`DataKeys`",
        };
        let verb = if declared.is_required { "requires" } else { "may need" };
        self.line(2, OPEN, &format!("{verb} {what}; declare it in {property}"));
        if let Some(service) = &declared.service {
            self.line(3, PLAIN, &format!("allow {PASS_ROLE} of the declared roles to {service}"));
        }
        if let Some(fits) = &declared.fits {
            self.line(3, PLAIN, &format!("allow {} on the declared ARNs that fit {fits}", actions.join(", ")));
        }
        if !declared.bucket_actions.is_empty() {
            self.line(3, PLAIN, &format!("allow {} on their buckets", declared.bucket_actions.join(", ")));
        }
        self.line(3, ASIDE, &format!("source: {source}"));
    }
}
