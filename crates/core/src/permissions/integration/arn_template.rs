//! Renders ARN templates, the form in which the tables write resources.
//!
//! `sagemaker:training-job/{TrainingJobName|cased}` is the ARN of a training job in the partition, region and account
//! of the state machine. The member `TrainingJobName` of the call names the job.
//!
//! A placeholder has the form `{member|how=default}`. The function `turned` turns the value of the member into a name
//! or an ARN, as `how` says. `default` is the value if the member is absent. With an empty default, the template then
//! stands for no resource. A value that is known at run time only becomes its known beginning followed by a wildcard.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::iam::arn::{Arn, Place};
use crate::permissions::asl::{Found, Task};
use crate::permissions::integration::api_form;
use crate::permissions::integration::arn_part::ArnPart;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::form::{turned, widened};
use crate::permissions::integration::passed_role::PassedRole;
use crate::permissions::integration::resource_pattern::{ResourcePattern, WildcardReason, narrowed};

/// A resource of a table: `sagemaker:training-job/{TrainingJobName|cased}`.
pub struct ArnTemplate<'a> {
    service: &'a str,
    /// The region and the account of the ARN, if the template tells them.
    place: Option<(&'a str, &'a str)>,
    /// The resource, which is the last part of the ARN.
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
    /// A region and an account may precede the resource: `ec2:@::image/{ImageId}`. There `@` stands for our own, and an
    /// empty text for none. A text without a colon means every resource.
    pub fn parse(text: &'a str) -> Self {
        let (service, text) = text.split_once(':').unwrap_or(("", text));
        let mut parts = text.splitn(3, ':');
        if let (Some(region), Some(account), Some(resource)) = (parts.next(), parts.next(), parts.next()) {
            let is_region = matches!(region, "" | "@" | "*") || region.ends_with(|end: char| end.is_ascii_digit());
            if is_region && matches!(account, "" | "@" | "*" | "aws") {
                return Self { service, place: Some((region, account)), text: resource };
            }
        }
        Self { service, place: None, text }
    }

    /// The ARN up to the resource, in our own place if the template tells no other.
    fn base(&self, place: &Place) -> String {
        let Place { partition, region, account } = place;
        let (of_region, of_account) = match (self.place, self.service) {
            (Some(told), _) => told,
            (None, "iam") => ("", "@"),
            (None, _) => ("@", "@"),
        };
        let region = if of_region == "@" { region } else { of_region };
        let account = if of_account == "@" { account } else { of_account };
        format!("arn:{partition}:{}:{region}:{account}:", self.service)
    }

    /// Renders the ARNs that the template stands for in a task, narrowed by `ResourceOverrides`.
    ///
    /// `absent` says what an absent member means. `why` is the reason for a wildcard in the template itself.
    ///
    /// # Errors
    /// Returns a message that names the member if the member is missing, has a wildcard or is not what `how` expects.
    /// A role that is known at run time only is an error if neither `ResourceOverrides` nor the context names roles.
    pub fn render(
        &self,
        task: &Task,
        absent: Absent,
        why: &WildcardReason,
        context: DeriveContext<'_>,
    ) -> Result<Vec<ResourcePattern>, String> {
        if self.service.is_empty() {
            return Ok(vec![ResourcePattern { arn: "*".to_owned(), wildcard: Some(why.clone()) }]);
        }
        if let Some(list) = self.shared_list()
            && let Some(count) = task.arguments.items(list)
        {
            return self.each_item(list, count, task, absent, why, context);
        }
        // What is rendered so far, and whether it is already the whole ARN.
        let mut done = vec![(ResourcePattern::exact(self.base(context.place)), false)];
        let mut rest = self.text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = after.split_once('}').unwrap_or((after, ""));
            let parts = Placeholder::parse(inside).fill(task, self.service, absent, context)?;
            let extend = |(so_far, full)| {
                if full {
                    return vec![(so_far, full)];
                }
                parts.iter().map(|(part, wildcard)| extended(&so_far, before, part, wildcard.as_ref())).collect()
            };
            done = done.into_iter().flat_map(extend).collect();
            rest = after;
        }
        let done = done.into_iter().map(|(mut one, full)| {
            if !full {
                one.arn.push_str(rest);
            }
            if one.wildcard.is_none() && one.arn.contains(['*', '?']) {
                one.wildcard = Some(why.clone());
            }
            one
        });
        Ok(narrowed(done.collect(), &task.path, context))
    }
}

impl ArnTemplate<'_> {
    /// The list that two placeholders are about: `Pages` in `{Pages[*].Bucket}/{Pages[*].Key}`.
    fn shared_list(&self) -> Option<&str> {
        let members = self.text.split('{').skip(1).map(|rest| rest.split(['}', '|', '=']).next().unwrap_or_default());
        let lists: Vec<&str> = members.filter_map(|member| Some(member.split_once("[*]")?.0)).collect();
        lists.iter().find(|list| lists.iter().filter(|other| other == list).count() > 1).copied()
    }

    /// Renders the template for each item of a list, so that the values of an item stay together.
    fn each_item(
        &self,
        list: &str,
        count: usize,
        task: &Task,
        absent: Absent,
        why: &WildcardReason,
        context: DeriveContext<'_>,
    ) -> Result<Vec<ResourcePattern>, String> {
        let mut all = BTreeMap::new();
        for item in 0..count {
            let text = self.text.replace(&format!("{{{list}[*]"), &format!("{{{list}[{item}]"));
            let of_item = ArnTemplate { service: self.service, place: self.place, text: &text };
            let rendered = of_item.render(task, absent, why, context)?;
            all.extend(rendered.into_iter().map(|one| (one.arn.clone(), one)));
        }
        Ok(all.into_values().collect())
    }
}

/// What it means that a call lacks the member of a placeholder without a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The call is wrong.
    Error,
    /// Something other than the member names the resource, so the member counts as known only at run time.
    AtRunTime,
    /// The template stands for no resource. The same holds for a value that it has no form for.
    Nothing,
}

/// Appends a part to what is rendered so far. Returns whether the result is the whole ARN.
fn extended(
    so_far: &ResourcePattern,
    before: &str,
    part: &ArnPart,
    wildcard: Option<&WildcardReason>,
) -> (ResourcePattern, bool) {
    let arn = match part {
        ArnPart::Part(part) => format!("{}{before}{part}", so_far.arn),
        ArnPart::Elsewhere(base, part) => {
            let resource = so_far.arn.splitn(6, ':').nth(5).unwrap_or_default();
            format!("{base}{resource}{before}{part}")
        }
        ArnPart::Whole(arn) | ArnPart::Full(arn) => arn.clone(),
    };
    // A value that is known only at run time is the reason that `ResourceOverrides` can replace.
    let wildcard = match (&so_far.wildcard, wildcard) {
        (Some(known @ WildcardReason::AtRunTime(_)), _) | (Some(known), None) | (_, Some(known)) => Some(known.clone()),
        (None, None) => None,
    };
    (ResourcePattern { arn, wildcard }, matches!(part, ArnPart::Full(_)))
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
        absent: Absent,
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
                    let kind = self.how.split_once(' ').map_or("", |(_, kind)| kind);
                    parts.push((ArnPart::Part(format!("{kind}*")), Some(any)));
                    continue;
                }
                (Found::Absent, Some(default)) => Found::Literal(default.to_owned()),
                (Found::Absent, None) if absent == Absent::AtRunTime => Found::Expression { prefix: String::new() },
                (Found::Absent, None) if absent == Absent::Nothing => continue,
                (Found::Absent, None) => {
                    return Err(format!("`{}`: missing, expected {}", self.member, expected(self.how)));
                }
                (found, _) => found,
            };
            if self.how == "role" {
                let roles = role(&found, PassedRole::of(self.member), &task.path, context)?;
                parts.extend(roles.into_iter().map(|role| (ArnPart::Whole(role), None)));
                continue;
            }
            match found {
                Found::Literal(text) => {
                    // A version of an object follows a question mark.
                    let named = text.split("?versionId=").next().filter(|_| self.how == "copy-source");
                    if named.unwrap_or(&text).contains(['*', '?']) {
                        return Err(with_wildcard(self.member, &text));
                    }
                    let turned = turned(&text, self.how, service, context.place);
                    if turned.is_none() && absent == Absent::Nothing {
                        continue;
                    }
                    let turned = turned
                        .ok_or_else(|| format!("`{}`: found `{text}`, expected {}", self.member, expected(self.how)))?;
                    parts.extend(turned.into_iter().map(|part| {
                        let wildcard = part
                            .text()
                            .contains(['*', '?'])
                            .then(|| WildcardReason::Always(covered(self.how).to_owned()));
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
/// name does not end in `Arn` may also have the name of a role. An instance profile is taken to have a role of the same
/// path and name. A role that is known at run time only is an error if
/// neither `ResourceOverrides` nor the context names roles.
pub(super) fn role(
    found: &Found,
    passed: PassedRole<'_>,
    state: &str,
    context: DeriveContext<'_>,
) -> Result<Vec<String>, String> {
    let member = passed.member;
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
            } else if let Some(arn) = arn.filter(|_| passed.is_profile && !text.contains(['*', '?']))
                && let Some((path, role)) = arn.iam_entity("instance-profile").filter(|(_, role)| name(role))
            {
                Ok(vec![format!("arn:{}:iam::{}:role{path}{role}", arn.partition, arn.account)])
            } else if text.split('/').all(name) && !member.ends_with("Arn") {
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
                Err(match passed.service {
                    "" => {
                        format!("`{member}`: the role is known only at run time; name the roles in `ResourceOverrides`")
                    }
                    service => format!(
                        "`{member}`: the role is known only at run time; name the roles for `{service}` in `PassRoles` \
                         of `TaskResources`, in `ResourceOverrides`, or in `SageMakerExecutionRoleArns`"
                    ),
                })
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
        how => api_form::covered(how),
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
                ("role", found) => values.extend(role(&found, PassedRole::of(self.member), &task.path, context)?),
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
                ("job-template", Found::Literal(id)) => values.push(job_template(&id, context.place)),
                (_, Found::Literal(text)) => values.push(text),
                ("job-template", Found::Expression { prefix }) => {
                    let known = prefix.split(['*', '?', '$']).next().unwrap_or_default();
                    values.push(job_template(&format!("{known}*"), context.place));
                }
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

/// The ARN of a job template of EMR on EKS.
fn job_template(id: &str, place: &Place) -> String {
    let Place { partition, region, account } = place;
    format!("arn:{partition}:emr-containers:{region}:{account}:/jobtemplates/{id}")
}

/// A URL in which `?` stands for itself and not for any character.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
fn without_wildcards(url: &str) -> String {
    url.replace('?', "${?}")
}
