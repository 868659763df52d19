//! The placeholders of ARN templates and conditions, which values of a call replace.

use crate::permissions::asl::Task;
use crate::permissions::asl::value::Found;
use crate::permissions::integration::api_form;
use crate::permissions::integration::arn_part::ArnPart;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::form::{turned, widened};
use crate::permissions::integration::passed_role::PassedRole;
use crate::permissions::integration::resource_pattern::WildcardReason;
use crate::permissions::state_error::StateError;

/// A placeholder of an ARN template or a condition: `{member|how=default}`.
#[derive(Clone, Copy, Debug)]
pub struct Placeholder<'a> {
    /// The member of the call: `TrainingJobName`.
    pub member: &'a str,
    /// What turns the value of the member into a part of the ARN, perhaps with a kind of resource: `cased training-job/`.
    pub how: &'a str,
    /// The value if the member is absent. An empty one says that the template then stands for no resource.
    pub default: Option<&'a str>,
}

/// The call that a template is rendered for, and what applies there.
#[derive(Clone, Copy)]
pub(super) struct Rendering<'a> {
    pub task: &'a Task,
    pub absent: Absent,
    /// The reason for a wildcard in the template itself.
    pub why: &'a WildcardReason,
    pub context: DeriveContext<'a>,
}

/// What it means that a call lacks the member of a placeholder without a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// The call is wrong.
    Error,
    /// Something other than the member names the resource, so the member counts as known only at run time.
    AtRunTime,
    /// The template stands for no resource. The same holds for a value that it has no form for.
    Nothing,
}

/// The parts of an ARN that replace a placeholder, each with the reason for its wildcard.
pub(super) type Parts = Vec<(ArnPart, Option<WildcardReason>)>;

impl<'a> Placeholder<'a> {
    /// Parses what stands between the braces.
    pub fn parse(inside: &'a str) -> Self {
        let (inside, default) = match inside.split_once('=') {
            Some((inside, default)) => (inside, Some(default)),
            None => (inside, None),
        };
        let (member, how) = inside.split_once('|').unwrap_or((inside, ""));
        Self { member, how, default }
    }

    /// The parts of an ARN that replace the placeholder. `service` is the service of the template.
    ///
    /// # Errors
    /// Fails if the member is missing, has a wildcard, is not what `how` expects, or names a role that is not known.
    pub(super) fn fill(&self, service: &str, rendering: Rendering<'_>) -> Result<Parts, StateError> {
        let Rendering { task, absent, context, .. } = rendering;
        let mut found = task.arguments.at(self.member);
        if found.is_empty() {
            found.push(Found::Absent);
        }
        let mut parts = Vec::new();
        for found in found {
            let found = match (found, self.default) {
                (Found::Absent, Some("")) => continue,
                (Found::Absent, Some("*")) => {
                    let any = WildcardReason::Always(format!("the task does not set `{}`", self.member));
                    let kind = self.how.split_once(' ').map_or("", |(_, kind)| kind);
                    parts.push((ArnPart::Part(format!("{kind}*")), Some(any)));
                    continue;
                }
                (Found::Absent, Some(default)) => Found::Literal(default.to_owned()),
                (Found::Absent, None) if absent == Absent::AtRunTime => Found::Expression { prefix: String::new() },
                (Found::Absent, None) if absent == Absent::Nothing => continue,
                (Found::Absent, None) => return Err(self.missing()),
                (found, _) => found,
            };
            if self.how == "role" {
                let roles = PassedRole::of(self.member).roles(&found, &task.path, context)?;
                parts.extend(roles.into_iter().map(|role| (ArnPart::Whole(role), None)));
                continue;
            }
            match found {
                Found::Literal(text) => parts.extend(self.literal(&text, service, rendering)?),
                Found::Expression { prefix } => {
                    let known = prefix.split(['*', '?', '$']).next().unwrap_or_default();
                    let widened = widened(known, self.how, service, context.place);
                    let unknown = WildcardReason::at_run_time(&format!("`{}`", self.member));
                    parts.extend(widened.into_iter().map(|part| {
                        let wildcard = part.text().contains('*').then(|| unknown.clone());
                        (part, wildcard)
                    }));
                }
                Found::Absent => {}
            }
        }
        Ok(parts)
    }

    /// The parts of an ARN that a literal leads to.
    fn literal(&self, text: &str, service: &str, rendering: Rendering<'_>) -> Result<Parts, StateError> {
        // A version of an object follows a question mark.
        let named = text.split("?versionId=").next().filter(|_| self.how == "copy-source");
        if named.unwrap_or(text).contains(['*', '?']) {
            return Err(self.with_wildcard(text));
        }
        let Some(turned) = turned(text, self.how, service, rendering.context.place) else {
            if rendering.absent == Absent::Nothing {
                return Ok(Vec::new());
            }
            let (member, found) = (self.member.to_owned(), text.to_owned());
            return Err(StateError::Unexpected { member, found, expected: expected(self.how) });
        };
        let parts = turned.into_iter().map(|part| {
            let has_wildcard = part.text().contains(['*', '?']);
            let wildcard = has_wildcard.then(|| WildcardReason::Always(covered(self.how).to_owned()));
            (part, wildcard)
        });
        Ok(parts.collect())
    }

    /// The reason for a wildcard that follows a literal value. Empty if none does.
    pub fn wildcard(&self) -> &'static str {
        covered(self.how)
    }

    /// The error that the call lacks the member.
    pub(super) fn missing(&self) -> StateError {
        StateError::Missing { member: self.member.to_owned(), expected: expected(self.how) }
    }

    /// The error that the member's literal has a wildcard.
    pub(super) fn with_wildcard(&self, found: &str) -> StateError {
        StateError::Wildcard { member: self.member.to_owned(), found: found.to_owned() }
    }
}

/// The reason for a wildcard that `turned` puts behind a literal.
fn covered(how: &str) -> &'static str {
    match how.split(' ').next().unwrap_or_default() {
        "function" => "the grant covers every version and alias of the function",
        "revision" | "task-definition" => "the task names no revision, so the grant covers all revisions",
        "model" | "called-model" => "an inference profile uses the model in every region that it spans",
        "profile-models" => "the ARN of an application inference profile does not tell the model",
        "router-models" => "the ARN of a prompt router does not tell the models",
        "objects" => "the grant covers every object below the prefix",
        "aliased-key" => "a policy can't name an alias, so the condition does",
        how => api_form::covered(how),
    }
}

/// What `turned` expects of a literal, in words for an error message.
fn expected(how: &str) -> &'static str {
    match how.split(' ').next().unwrap_or_default() {
        "function-name" => "the name or ARN of a function without a qualifier, because `Qualifier` is set",
        "arn" if how == "arn connection/" => "the ARN of an EventBridge connection",
        "arn" | "cased-arn" => "an ARN of the called service in this partition",
        "or"
        | "cased"
        | "place"
        | "function"
        | "revision"
        | "task-definition"
        | "model"
        | "called-model"
        | "profile-models"
        | "router-models"
        | "marketplace-endpoint"
        | "base-model" => "a name, or an ARN of the called service in this partition",
        "key" => "the ARN or id of a KMS key, not an alias",
        "used-key" | "aliased-key" => "the ARN, id or alias of a KMS key",
        "queue" => "the URL of an SQS queue",
        "state-machine" => "the ARN of a state machine",
        "report-group" => "the ARN of a CodeBuild report",
        "connection-secret" => "the ARN of an EventBridge connection",
        "role" => "the ARN of a role",
        "any" => "text such as `GET`",
        "api" => "the host name of an API",
        "url" => "a URL that begins with `https://`",
        "bucket" | "objects" | "object" => "an S3 URI such as `s3://bucket/key`",
        _ => "a name or an id",
    }
}
