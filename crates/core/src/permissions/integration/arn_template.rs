//! Renders ARN templates, the form in which the tables write resources.
//!
//! `sagemaker:training-job/{TrainingJobName|cased}` is the ARN of a training job in the partition, region and account
//! of the state machine. The member `TrainingJobName` of the call names the job.
//!
//! A placeholder has the form `{member|how=default}`. The function `turned` turns the value of the member into a name
//! or an ARN, as `how` says. `default` is the value if the member is absent. With an empty default, the template then
//! stands for no resource. A value that is known at run time only becomes its known beginning followed by a wildcard.

use serde_json::{Map, Value};

use crate::iam::arn::{Arn, Place};
use crate::permissions::asl::{Found, Task};
use crate::permissions::integration::arn_part::ArnPart;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::form::{turned, widened};
use crate::permissions::integration::resource_pattern::{ResourcePattern, WildcardReason, narrowed};

/// A resource of a table: `sagemaker:training-job/{TrainingJobName|cased}`.
pub struct ArnTemplate<'a> {
    service: &'a str,
    text: &'a str,
}

/// A placeholder of an ARN template or a condition: `{member|how=default}`.
struct Placeholder<'a> {
    member: &'a str,
    how: &'a str,
    default: Option<&'a str>,
}

impl<'a> ArnTemplate<'a> {
    /// Parses a template: the service up to the first colon, then the resource. Parsing can't fail.
    ///
    /// A resource that begins with `::` has no region and no account. A text without a colon means every resource.
    pub fn parse(text: &'a str) -> Self {
        let (service, text) = text.split_once(':').unwrap_or(("", text));
        Self { service, text }
    }

    /// Renders the ARNs that the template stands for in a task, narrowed by `ResourceOverrides`.
    ///
    /// With `stands_in`, something other than the member names the resource, so the member may be absent. `why` is the
    /// reason for a wildcard in the template itself.
    ///
    /// # Errors
    /// Returns a message that names the member if the member is missing, has a wildcard or is not what `how` expects.
    /// A role that is known at run time only is an error if neither `ResourceOverrides` nor the context names roles.
    pub fn render(
        &self,
        task: &Task,
        stands_in: bool,
        why: &str,
        context: DeriveContext<'_>,
    ) -> Result<Vec<ResourcePattern>, String> {
        let place = context.place;
        if self.service.is_empty() {
            return Ok(vec![ResourcePattern::always("*".to_owned(), why)]);
        }
        let Place { partition, region, account } = place;
        let base = match self.service {
            service if self.text.starts_with("::") => format!("arn:{partition}:{service}:"),
            "iam" => format!("arn:{partition}:iam::{account}:"),
            service => format!("arn:{partition}:{service}:{region}:{account}:"),
        };
        let mut done = vec![ResourcePattern::exact(base)];
        let mut rest = self.text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = after.split_once('}').unwrap_or((after, ""));
            let parts = Placeholder::parse(inside).fill(task, self.service, stands_in, context)?;
            done = done
                .iter()
                .flat_map(|so_far| {
                    parts.iter().map(|(part, wildcard)| ResourcePattern {
                        arn: match part {
                            ArnPart::Part(part) => format!("{}{before}{part}", so_far.arn),
                            ArnPart::Whole(arn) => arn.clone(),
                        },
                        wildcard: match (&so_far.wildcard, wildcard) {
                            (known @ Some(WildcardReason::AtRunTime(_)), _) | (known, None) | (_, known) => {
                                known.clone()
                            }
                        },
                    })
                })
                .collect();
            rest = after;
        }
        for one in &mut done {
            one.arn.push_str(rest);
            if one.wildcard.is_none() && one.arn.contains('*') {
                one.wildcard = Some(WildcardReason::Always(why.to_owned()));
            }
        }
        Ok(narrowed(done, &task.path, context))
    }
}

impl<'a> Placeholder<'a> {
    fn parse(inside: &'a str) -> Self {
        let (inside, default) = match inside.split_once('=') {
            Some((inside, default)) => (inside, Some(default)),
            None => (inside, None),
        };
        let (member, how) = inside.split_once('|').unwrap_or((inside, ""));
        Self { member, how, default }
    }

    fn fill(
        &self,
        task: &Task,
        service: &str,
        stands_in: bool,
        context: DeriveContext<'_>,
    ) -> Result<Vec<(ArnPart, Option<WildcardReason>)>, String> {
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
                    parts.push((ArnPart::Part("*".to_owned()), Some(any)));
                    continue;
                }
                (Found::Absent, Some(default)) => Found::Literal(default.to_owned()),
                (Found::Absent, None) if stands_in => Found::Expression { prefix: String::new() },
                (Found::Absent, None) => {
                    return Err(format!("`{}`: missing, expected {}", self.member, expected(self.how)));
                }
                (found, _) => found,
            };
            if self.how == "role" {
                let roles = role(&found, self.member, &task.path, context)?;
                parts.extend(roles.into_iter().map(|role| (ArnPart::Whole(role), None)));
                continue;
            }
            match found {
                Found::Literal(text) => {
                    if text.contains(['*', '?']) {
                        return Err(with_wildcard(self.member, &text));
                    }
                    let turned = turned(&text, self.how, service, context.place)
                        .ok_or_else(|| format!("`{}`: found `{text}`, expected {}", self.member, expected(self.how)))?;
                    parts.extend(turned.into_iter().map(|part| {
                        let wildcard =
                            part.text().contains('*').then(|| WildcardReason::Always(covered(self.how).to_owned()));
                        (part, wildcard)
                    }));
                }
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
}

/// The ARNs of the roles that a member names. The list is empty if the member is absent.
///
/// A role that is known at run time only is replaced by the roles in the state's `ResourceOverrides`, or else by the
/// execution roles of the context.
///
/// # Errors
/// Returns a message that names the member if the literal is not the ARN of a role in this partition. A member whose
/// name does not end in `Arn` may also have the name of a role. `JobFlowRole` of EMR may have the ARN of an instance
/// profile, whose role is taken to have the same path and name. A role that is known at run time only is an error if
/// neither `ResourceOverrides` nor the context names roles.
pub fn role(found: &Found, member: &str, state: &str, context: DeriveContext<'_>) -> Result<Vec<String>, String> {
    let place = context.place;
    match found {
        Found::Absent => Ok(Vec::new()),
        Found::Literal(text) => {
            let name = |text: &str| {
                text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b)) && !text.is_empty()
            };
            let arn = Arn::parse(text).filter(|arn| arn.partition == place.partition && arn.region.is_empty());
            if arn.and_then(|arn| arn.iam_entity("role")).is_some_and(|(_, role)| name(role))
                && !text.contains(['*', '?'])
            {
                Ok(vec![text.clone()])
            } else if let Some(arn) = arn.filter(|_| member == "JobFlowRole" && !text.contains(['*', '?']))
                && let Some((path, role)) = arn.iam_entity("instance-profile").filter(|(_, role)| name(role))
            {
                Ok(vec![format!("arn:{}:iam::{}:role{path}{role}", arn.partition, arn.account)])
            } else if name(text) && !member.ends_with("Arn") {
                Ok(vec![place.role_arn("/", text)])
            } else {
                Err(format!("`{member}`: found `{text}`, expected the ARN of a role"))
            }
        }
        Found::Expression { .. } => {
            let told = told_roles(state, context);
            if !told.is_empty() {
                Ok(told)
            } else if context.execution_roles.is_empty() {
                Err(format!(
                    "`{member}`: the role is known only at run time; name the roles in `ResourceOverrides`, or in \
                     `SageMakerExecutionRoleArns` if the task passes them"
                ))
            } else {
                Ok(context.execution_roles.to_vec())
            }
        }
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
        _ => "",
    }
}

/// The roles in the `ResourceOverrides` of a state.
pub fn told_roles(state: &str, context: DeriveContext<'_>) -> Vec<String> {
    let told = context.overrides.get(state).into_iter().flatten();
    told.filter(|arn| arn.contains(":role/")).cloned().collect()
}

/// The error for a member whose literal has a wildcard.
fn with_wildcard(member: &str, text: &str) -> String {
    format!("`{member}`: found `{text}`, expected a value without the wildcards `*` and `?`")
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

/// Replaces the placeholders of a condition with the values of the task's members.
///
/// # Errors
/// Returns a message that names the member if the member is missing or has a wildcard, or if `role` refuses its role.
pub fn condition(condition: &Value, task: &Task, context: DeriveContext<'_>) -> Result<Value, String> {
    Ok(match condition {
        Value::Object(members) => {
            let filled = members.iter().map(|(key, value)| Ok((key.clone(), self::condition(value, task, context)?)));
            Value::Object(filled.collect::<Result<Map<_, _>, String>>()?)
        }
        Value::String(text) => match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(placeholder) => Placeholder::parse(placeholder).value(task, context)?,
            None => condition.clone(),
        },
        other => other.clone(),
    })
}

impl Placeholder<'_> {
    /// The values for a condition, as a JSON list of at least one text.
    fn value(&self, task: &Task, context: DeriveContext<'_>) -> Result<Value, String> {
        let mut values: Vec<String> = Vec::new();
        for found in task.arguments.at(self.member) {
            match (self.how, found) {
                ("role", found) => values.extend(role(&found, self.member, &task.path, context)?),
                ("url", Found::Literal(text)) if !text.contains('*') => {
                    // AWS does not say whether the key has the query, so both forms are allowed.
                    values.extend(text.split_once('?').map(|(url, _)| url.to_owned()));
                    values.push(without_wildcards(&text));
                }
                ("alias", Found::Literal(text)) if !text.contains(['*', '?']) => {
                    values.push(Arn::parse(&text).map_or(text.as_str(), |arn| arn.resource).to_owned());
                }
                (_, Found::Literal(text)) if text.contains(['*', '?']) => {
                    return Err(with_wildcard(self.member, &text));
                }
                (_, Found::Literal(text)) => values.push(text),
                // The other grant of the key has no condition. Here the beginning of the alias is known.
                ("alias", Found::Expression { prefix }) => {
                    let known = prefix.split(['*', '?', '$']).next().unwrap_or_default();
                    let known = known.find("alias/").and_then(|at| known.get(at..)).unwrap_or_default();
                    values.push(format!("{known}*"));
                }
                ("url", Found::Expression { prefix }) if prefix.starts_with("https://") => {
                    let known = prefix.split(['*', '$']).next().unwrap_or_default();
                    values.extend(known.split_once('?').map(|(url, _)| url.to_owned()));
                    values.push(without_wildcards(known) + "*");
                }
                ("url", Found::Expression { .. }) => values.push("https://*".to_owned()),
                ("beginning", Found::Expression { prefix }) => {
                    values.push(format!("{}*", prefix.split(['*', '?', '$']).next().unwrap_or_default()));
                }
                (_, Found::Expression { .. }) => values.push("*".to_owned()),
                (_, Found::Absent) => {}
            }
        }
        if values.is_empty() {
            return Err(format!("`{}`: missing, expected {}", self.member, expected(self.how)));
        }
        Ok(values.into())
    }
}

/// A URL in which `?` stands for itself and not for any character.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
fn without_wildcards(url: &str) -> String {
    url.replace('?', "${?}")
}
