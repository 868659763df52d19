//! Renders ARN templates, the form in which the tables write resources.
//!
//! `sagemaker:training-job/{TrainingJobName|cased}` is the ARN of a training job in the partition, region and account
//! of the state machine. The member `TrainingJobName` of the call names the job.
//!
//! A placeholder has the form `{member|how=default}`. The function `turned` turns the value of the member into a name
//! or an ARN, as `how` says. `default` is the value if the member is absent. A value that is known at run time only
//! becomes its known beginning followed by a wildcard.

use serde_json::{Map, Value};

use crate::iam::arn::{Arn, Place};
use crate::permissions::asl::{Found, Task};
use crate::permissions::integration::context::DeriveContext;
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

/// What replaces a placeholder.
enum ArnPart {
    /// A piece of the resource, which is the last part of the ARN.
    Part(String),
    /// An ARN that replaces all that precedes the placeholder.
    Whole(String),
}

impl ArnPart {
    fn text(&self) -> &str {
        match self {
            Self::Part(text) | Self::Whole(text) => text,
        }
    }
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
                    let wildcard = WildcardReason::at_run_time(&format!("`{}`", self.member));
                    parts.extend(widened.into_iter().map(|part| (part, Some(wildcard.clone()))));
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
/// name does not end in `Arn` may also have the name of a role. A role that is known at run time only is an error if
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
            } else if name(text) && !member.ends_with("Arn") {
                Ok(vec![place.role_arn("/", text)])
            } else {
                Err(format!("`{member}`: found `{text}`, expected the ARN of a role"))
            }
        }
        Found::Expression { .. } => {
            let told = context.overrides.get(state).into_iter().flatten();
            let told: Vec<String> = told.filter(|arn| arn.contains(":role/")).cloned().collect();
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

/// Turns a literal into parts of an ARN, as `how` says. Returns `None` if the literal is not what `how` expects.
fn turned(text: &str, how: &str, service: &str, place: &Place) -> Option<Vec<ArnPart>> {
    let Place { partition, region, account } = place;
    let arn = Arn::parse(text);
    let own = arn.filter(|arn| arn.service == service && arn.partition == *partition);
    let part = |text: &str| Some(vec![ArnPart::Part(text.to_owned())]);
    let whole = |text: &str| Some(vec![ArnPart::Whole(text.to_owned())]);
    let s3 = |key: fn(&str, &str) -> String| {
        let (bucket, rest) = text.strip_prefix("s3://")?.split_once('/').unwrap_or((text.strip_prefix("s3://")?, ""));
        (!bucket.is_empty()).then(|| vec![ArnPart::Whole(format!("arn:{partition}:s3:::{}", key(bucket, rest)))])
    };
    let (how, kind) = how.split_once(' ').unwrap_or((how, ""));
    match how {
        "" => part(text),
        // SageMaker's ARNs have been seen with the name as given and with the name in lower case.
        "cased" => {
            let lower = text.to_ascii_lowercase();
            let mut parts = vec![ArnPart::Part(text.to_owned())];
            parts.extend((lower != text).then_some(ArnPart::Part(lower)));
            Some(parts)
        }
        "arn" => whole(own.map(|_| text)?),
        "or" if arn.is_some() => whole(own.map(|_| text)?),
        "or" => part(&format!("{kind}{text}")),
        "key" if arn.is_some() => whole(own.filter(|arn| arn.resource.starts_with("key/")).map(|_| text)?),
        "key" if text.starts_with("alias/") => None,
        "key" => part(&format!("key/{text}")),
        // A name without a revision may run any revision.
        "revision" => {
            let named = match arn {
                Some(_) => own?.resource.strip_prefix(kind)?,
                None => text,
            };
            let one = |text: String| {
                if arn.is_some() { ArnPart::Whole(text) } else { ArnPart::Part(format!("{kind}{text}")) }
            };
            let mut parts = vec![one(text.to_owned())];
            parts.extend((!named.contains(':')).then(|| one(format!("{text}:*"))));
            Some(parts)
        }
        // `function` turns an unqualified name into two parts: the function, and any qualifier of it. The template adds
        // the qualifier itself, so only the first part is kept.
        "function-name" => {
            let mut parts = turned(text, "function", service, place).filter(|parts| parts.len() == 2)?;
            parts.truncate(1);
            Some(parts)
        }
        "function" => {
            let named = |account: &str, region: &str, rest: &str| {
                let arn = format!("arn:{partition}:lambda:{region}:{account}:function:{rest}");
                let mut parts = vec![ArnPart::Whole(arn.clone())];
                parts.extend((!rest.contains(':')).then(|| ArnPart::Whole(format!("{arn}:*"))));
                Some(parts)
            };
            match (arn, text.split_once(":function:")) {
                (Some(_), _) => named(own?.account, own?.region, own?.resource.strip_prefix("function:")?),
                (None, Some((account, rest))) => named(account, region, rest),
                (None, None) => named(account, region, text),
            }
        }
        // The URL of a queue is `https://sqs.us-east-1.amazonaws.com/123456789012/queue`, or the older
        // `https://us-east-1.queue.amazonaws.com/123456789012/queue`.
        "queue" => {
            let mut parts = text.strip_prefix("https://")?.split('/');
            let (host, account, name) = (parts.next()?, parts.next()?, parts.next()?);
            let mut labels = host.split('.');
            let (("sqs", region) | (region, "queue")) = (labels.next()?, labels.next()?) else { return None };
            whole(&format!("arn:{partition}:sqs:{region}:{account}:{name}"))
        }
        "task-definition" => {
            let named = |text: &str| if text.contains(':') { text.to_owned() } else { format!("{text}:*") };
            match arn {
                Some(_) => {
                    let family = own?.resource.strip_prefix("task-definition/")?;
                    let all = if family.contains(':') { "" } else { ":*" };
                    whole(&format!("{text}{all}"))
                }
                None => part(&format!("task-definition/{}", named(text))),
            }
        }
        "last-segment" => part(text.rsplit('/').next()?),
        "before-colon" => part(arn.map_or(text, |arn| arn.resource).rsplit('/').next()?.split(':').next()?),
        "report-group" => part(own?.resource.strip_prefix("report/")?.split(':').next()?),
        "state-machine-name" => part(own?.resource.strip_prefix("stateMachine:")?.split(':').next()?),
        "api" => part(text.split('.').next()?),
        "path" => part(text.strip_prefix('/').unwrap_or(text)),
        "connection-name" => {
            part(arn.filter(|arn| arn.service == "events")?.resource.strip_prefix("connection/")?.split('/').next()?)
        }
        "model" if arn.is_some() => whole(own.map(|_| text)?),
        "model" => {
            let foundation = |region: &str, id: &str| {
                ArnPart::Whole(format!("arn:{partition}:bedrock:{region}::foundation-model/{id}"))
            };
            match text.split_once('.') {
                // An inference profile reaches the model in every region that it spans.
                Some(("us" | "us-gov" | "eu" | "apac" | "jp" | "au" | "ca" | "global", id)) => {
                    Some(vec![ArnPart::Part(format!("inference-profile/{text}")), foundation("*", id)])
                }
                _ => Some(vec![foundation(region, text)]),
            }
        }
        "bucket" => s3(|bucket, _| bucket.to_owned()),
        "objects" => s3(|bucket, prefix| format!("{bucket}/{prefix}*")),
        "object" => s3(|bucket, key| format!("{bucket}/{key}")),
        _ => None,
    }
}

/// The reason for a wildcard that `turned` puts behind a literal.
fn covered(how: &str) -> &'static str {
    match how.split(' ').next().unwrap_or_default() {
        "function" => "the grant covers every version and alias of the function",
        "revision" | "task-definition" => "the task names no revision, so the grant covers all revisions",
        "model" => "an inference profile uses the model in every region that it spans",
        "objects" => "the grant covers every object below the prefix",
        _ => "",
    }
}

/// Turns a value of which only the beginning is known into parts of an ARN with wildcards, as `how` says.
fn widened(prefix: &str, how: &str, service: &str, place: &Place) -> Vec<ArnPart> {
    let partition = &place.partition;
    let part = |text: String| vec![ArnPart::Part(text)];
    let (how, kind) = how.split_once(' ').unwrap_or((how, ""));
    // The beginning of an ARN limits the grant only once it reaches past the account.
    let arn = Arn::parse(prefix).filter(|arn| arn.service == service && arn.partition == *partition);
    let is_arn = "arn:".starts_with(prefix.get(..4).unwrap_or(prefix)) && !prefix.is_empty();
    let name = if is_arn { "" } else { prefix };
    match how {
        "cased" => {
            let lower = name.to_ascii_lowercase();
            let mut parts = part(format!("{name}*"));
            parts.extend((lower != name).then(|| ArnPart::Part(format!("{lower}*"))));
            parts
        }
        "arn" | "or" | "model" | "function" | "function-name" | "revision" | "task-definition" if arn.is_some() => {
            vec![ArnPart::Whole(format!("{prefix}*"))]
        }
        "arn" => part(format!("{kind}*")),
        "or" | "revision" => part(format!("{kind}{name}*")),
        "key" => part("key/*".to_owned()),
        "function" | "function-name" => part(format!("function:{name}*")),
        "task-definition" => part(format!("task-definition/{name}*")),
        "queue" | "report-group" | "state-machine-name" | "api" | "connection-name" => part("*".to_owned()),
        "model" => vec![
            ArnPart::Whole(format!("arn:{partition}:bedrock:*::foundation-model/{name}*")),
            ArnPart::Part(format!("inference-profile/{name}*")),
            ArnPart::Part("provisioned-model/*".to_owned()),
        ],
        "bucket" | "objects" | "object" => {
            let known = prefix.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
            let resource = match (how, known) {
                (_, None) => "*".to_owned(),
                ("bucket", Some((bucket, _))) => bucket.to_owned(),
                (_, Some((bucket, key))) => format!("{bucket}/{key}*"),
            };
            vec![ArnPart::Whole(format!("arn:{partition}:s3:::{resource}"))]
        }
        _ => part(format!("{}*", name.rsplit(['/', ':']).next().unwrap_or_default())),
    }
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
        "arn" => "an ARN of the called service in this partition",
        "or" | "function" | "revision" | "task-definition" | "model" => {
            "a name, or an ARN of the called service in this partition"
        }
        "key" => "the ARN or id of a KMS key, not an alias",
        "queue" => "the URL of an SQS queue",
        "state-machine-name" => "the ARN of a state machine",
        "report-group" => "the ARN of a CodeBuild report",
        "connection-name" => "the ARN of an EventBridge connection",
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
                (_, Found::Literal(text)) if text.contains(['*', '?']) => {
                    return Err(with_wildcard(self.member, &text));
                }
                (_, Found::Literal(text)) => values.push(text),
                ("url", Found::Expression { prefix }) if prefix.starts_with("https://") => values.push(prefix + "*"),
                ("url", Found::Expression { .. }) => values.push("https://*".to_owned()),
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
