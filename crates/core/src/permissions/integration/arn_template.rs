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
    /// A resource in the region and account of an ARN. Without an ARN, it is a piece of an ARN in our own place.
    fn at(arn: Option<Arn<'_>>, resource: String) -> Self {
        match arn {
            Some(Arn { partition, service, region, account, .. }) => {
                Self::Whole(format!("arn:{partition}:{service}:{region}:{account}:{resource}"))
            }
            None => Self::Part(resource),
        }
    }

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
    let arn = Arn::parse(text);
    let own = arn.filter(|arn| arn.service == service && arn.partition == place.partition);
    let part = |text: &str| Some(vec![ArnPart::Part(text.to_owned())]);
    let whole = |text: &str| Some(vec![ArnPart::Whole(text.to_owned())]);
    let (how, kind) = how.split_once(' ').unwrap_or((how, ""));
    // What an ARN names by its last part is in the region and account of the ARN.
    let named = |name: &str| Some(vec![ArnPart::at(own, format!("{kind}{name}"))]);
    match how {
        "" => part(text),
        "cased" | "cased-arn" | "last-segment" | "before-colon" | "place" if arn.is_some() && own.is_none() => None,
        "cased" | "cased-arn" if own.is_some() => Some(spellings(text).map(ArnPart::Whole).collect()),
        "cased" => Some(spellings(&format!("{kind}{text}")).map(ArnPart::Part).collect()),
        "arn" => whole(own.map(|_| text)?),
        "or" | "base-model" if arn.is_some() => whole(own.map(|_| text)?),
        "or" => part(&format!("{kind}{text}")),
        "used-key" | "aliased-key" => used_key(text, how == "aliased-key", own),
        "key" => key(text, own),
        "revision" => revisions(text, kind, own),
        // `function` turns an unqualified name into two parts: the function, and any qualifier of it. The template adds
        // the qualifier itself, so only the first part is kept.
        "function-name" => {
            let mut parts = turned(text, "function", service, place).filter(|parts| parts.len() == 2)?;
            parts.truncate(1);
            Some(parts)
        }
        "function" => function(text, own, place),
        "queue" => {
            let (region, account, name) = queue(text).filter(|(_, _, name)| !name.is_empty())?;
            whole(&format!("arn:{}:sqs:{region}:{account}:{name}", place.partition))
        }
        // The ARN of a task definition always has a revision.
        "task-definition" => revisions(text, "task-definition/", own)?.pop().map(|part| vec![part]),
        "last-segment" => named(own.map_or(text, |arn| arn.resource).rsplit('/').next()?),
        "before-colon" => named(own.map_or(text, |arn| arn.resource).rsplit('/').next()?.split(':').next()?),
        "place" => named(""),
        "report-group" => named(own?.resource.strip_prefix("report/")?.split(':').next()?),
        // Step Functions authorizes a call with a version or an alias by the ARN of the state machine.
        // <https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html>
        "state-machine" => {
            let name = own?.resource.strip_prefix("stateMachine:")?.split(':').next()?;
            named(Some(name).filter(|name| !name.is_empty())?)
        }
        "api" => Some(vec![api(text, place)]),
        "path" => part(text.strip_prefix('/').unwrap_or(text)),
        "connection-secret" => {
            let arn = arn.filter(|arn| arn.service == "events" && arn.partition == place.partition)?;
            let name = arn.resource.strip_prefix("connection/")?.split('/').next()?;
            Some(vec![connection_secret(Some(arn), name)])
        }
        "base-model" => Some(vec![foundation_model(place, &place.region, text)]),
        "model" | "called-model" | "profile-models" => models(text, how, place),
        "bucket" | "objects" | "object" => s3(text, how, place),
        _ => None,
    }
}

/// The bucket, the object or the objects below the prefix that an S3 URI names: `s3://bucket/key`.
fn s3(uri: &str, how: &str, place: &Place) -> Option<Vec<ArnPart>> {
    let rest = uri.strip_prefix("s3://")?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let resource = match how {
        "bucket" => bucket.to_owned(),
        "objects" => format!("{bucket}/{key}*"),
        _ => format!("{bucket}/{key}"),
    };
    (!bucket.is_empty()).then(|| vec![ArnPart::Whole(format!("arn:{}:s3:::{resource}", place.partition))])
}

/// The key that a literal names. Returns `None` for an alias.
fn key(text: &str, own: Option<Arn<'_>>) -> Option<Vec<ArnPart>> {
    if Arn::parse(text).is_some() {
        return own.filter(|arn| arn.resource.starts_with("key/")).map(|_| vec![ArnPart::Whole(text.to_owned())]);
    }
    (!text.starts_with("alias/")).then(|| vec![ArnPart::Part(format!("key/{text}"))])
}

/// The key that a literal names, or with `by_alias` the keys that may have the alias that it names. An ARN has to be
/// `own`: of KMS in this partition.
///
/// A policy can't name an alias, but a condition can: `kms:ResourceAliases`.
/// <https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html>
fn used_key(text: &str, by_alias: bool, own: Option<Arn<'_>>) -> Option<Vec<ArnPart>> {
    let named = if Arn::parse(text).is_some() { own?.resource } else { text };
    match (named.starts_with("alias/"), by_alias) {
        (true, true) => Some(vec![ArnPart::at(own, "key/*".to_owned())]),
        (false, false) => key(text, own),
        _ => Some(Vec::new()),
    }
}

/// The name or ARN that a literal is, and any revision of it if the literal has none. The last part has a revision.
fn revisions(text: &str, kind: &str, own: Option<Arn<'_>>) -> Option<Vec<ArnPart>> {
    let is_arn = Arn::parse(text).is_some();
    let named = if is_arn { own?.resource.strip_prefix(kind)? } else { text };
    let one = |text: String| if is_arn { ArnPart::Whole(text) } else { ArnPart::Part(format!("{kind}{text}")) };
    let any = (!named.contains(':')).then(|| one(format!("{text}:*")));
    Some([Some(one(text.to_owned())), any].into_iter().flatten().collect())
}

/// The function that a literal names, and any qualifier of it if the literal has none.
fn function(text: &str, own: Option<Arn<'_>>, place: &Place) -> Option<Vec<ArnPart>> {
    let named = |account: &str, region: &str, rest: &str| {
        let arn = format!("arn:{}:lambda:{region}:{account}:function:{rest}", place.partition);
        let any = (!rest.contains(':')).then(|| ArnPart::Whole(format!("{arn}:*")));
        Some([Some(ArnPart::Whole(arn)), any].into_iter().flatten().collect())
    };
    match (Arn::parse(text), text.split_once(":function:")) {
        (Some(_), _) => named(own?.account, own?.region, own?.resource.strip_prefix("function:")?),
        (None, Some((account, rest))) => named(account, &place.region, rest),
        (None, None) => named(&place.account, &place.region, text),
    }
}

/// A name as given and, if that differs, in lower case. SageMaker's ARNs have been seen with both.
fn spellings(text: &str) -> impl Iterator<Item = String> + use<> {
    let lower = text.to_ascii_lowercase();
    let other = (lower != text).then_some(lower);
    [Some(text.to_owned()), other].into_iter().flatten()
}

/// The region, account and name in the URL of a queue: `https://sqs.us-east-1.amazonaws.com/123456789012/queue`.
///
/// A host may also be a FIPS endpoint `sqs-fips.us-east-1.amazonaws.com`, an endpoint of a VPC, or one of the older
/// forms `us-west-2.queue.amazonaws.com` and `queue.amazonaws.com`, which is of us-east-1.
/// <https://docs.aws.amazon.com/general/latest/gr/sqs-service.html>
fn queue(url: &str) -> Option<(&str, &str, &str)> {
    let mut parts = url.strip_prefix("https://")?.split('/');
    let (host, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let labels: Vec<&str> = host.split('.').collect();
    let region = match labels.as_slice() {
        ["sqs" | "sqs-fips", region, ..] | [region, "queue", ..] | [_, "sqs", region, "vpce", ..] => *region,
        ["queue", ..] => "us-east-1",
        _ => return None,
    };
    Some((region, account, name))
}

/// The API that a host names, or the known beginning of a host: `a1b2c3.execute-api.us-east-1.amazonaws.com`.
///
/// The region of an API is the one in its host.
fn api(host: &str, place: &Place) -> ArnPart {
    let Place { partition, account, .. } = place;
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        [id, "execute-api", region, _, ..] => {
            ArnPart::Whole(format!("arn:{partition}:execute-api:{region}:{account}:{id}"))
        }
        [id, ..] => ArnPart::Part((*id).to_owned()),
        [] => ArnPart::Part(String::new()),
    }
}

/// The secret in which EventBridge keeps the credentials of a connection, without the id at its end.
fn connection_secret(connection: Option<Arn<'_>>, name: &str) -> ArnPart {
    let secret = connection.map(|arn| Arn { service: "secretsmanager", ..arn });
    ArnPart::at(secret, format!("secret:events!connection/{name}"))
}

/// The first parts of the ids of inference profiles: `us.anthropic.claude-3-haiku-20240307-v1:0`.
const GEOGRAPHIES: [&str; 8] = ["us", "us-gov", "eu", "apac", "jp", "au", "ca", "global"];

/// The other kinds of models, which a call names by ARN only.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html>
const MODELS_BY_ARN: [&str; 5] =
    ["custom-model-deployment", "default-prompt-router", "imported-model", "prompt-router", "provisioned-model"];

fn foundation_model(place: &Place, region: &str, id: &str) -> ArnPart {
    ArnPart::Whole(format!("arn:{}:bedrock:{region}::foundation-model/{id}", place.partition))
}

/// The models that a literal reaches: the model, or an inference profile and the foundation models behind it.
///
/// An inference profile uses a model in every region that it spans. An application inference profile does not tell the
/// model. Its models are left out of `called-model`: `profile-models` has them, for a grant with a condition.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html>
fn models(text: &str, how: &str, place: &Place) -> Option<Vec<ArnPart>> {
    let whole = || ArnPart::Whole(text.to_owned());
    let (itself, behind, of_application) = match Arn::parse(text) {
        Some(arn) if arn.service == "bedrock" && arn.partition == place.partition => {
            match arn.resource.split_once('/') {
                Some(("inference-profile", id)) => {
                    // An id without a dot tells no model: the condition on the profile then limits the grant.
                    let model = id.split_once('.').map(|(_, id)| id);
                    (whole(), Some(model.unwrap_or("*")), model.is_none())
                }
                Some(("application-inference-profile", _)) => (whole(), Some("*"), true),
                _ => (whole(), None, false),
            }
        }
        Some(_) => return None,
        None => match text.split_once('.') {
            Some((geography, id)) if GEOGRAPHIES.contains(&geography) => {
                (ArnPart::Part(format!("inference-profile/{text}")), Some(id), false)
            }
            _ => (foundation_model(place, &place.region, text), None, false),
        },
    };
    let behind = behind.map(|id| foundation_model(place, "*", id));
    Some(chosen_models(vec![itself], behind, of_application, how))
}

/// Chooses from a model and the models behind it, as `how` says. See `models`.
fn chosen_models(itself: Vec<ArnPart>, behind: Option<ArnPart>, of_application: bool, how: &str) -> Vec<ArnPart> {
    match (how, of_application) {
        ("profile-models", true) => behind.into_iter().collect(),
        ("profile-models", false) => Vec::new(),
        ("called-model", true) => itself,
        _ => itself.into_iter().chain(behind).collect(),
    }
}

/// The reason for a wildcard that `turned` puts behind a literal.
fn covered(how: &str) -> &'static str {
    match how.split(' ').next().unwrap_or_default() {
        "function" => "the grant covers every version and alias of the function",
        "revision" | "task-definition" => "the task names no revision, so the grant covers all revisions",
        "model" | "called-model" => "an inference profile uses the model in every region that it spans",
        "profile-models" => "the ARN of an application inference profile does not tell the model",
        "objects" => "the grant covers every object below the prefix",
        "aliased-key" => "a policy can't name an alias, so the condition does",
        _ => "",
    }
}

/// Turns a value of which only the beginning is known into parts of an ARN with wildcards, as `how` says.
///
/// The whole known beginning is kept, unless it says nothing of the resource.
fn widened(prefix: &str, how: &str, service: &str, place: &Place) -> Vec<ArnPart> {
    let partition = &place.partition;
    let part = |text: String| vec![ArnPart::Part(text)];
    let whole = |text: String| vec![ArnPart::Whole(text)];
    let (how, kind) = match how.split_once(' ').unwrap_or((how, "")) {
        (how @ ("function" | "function-name"), _) => (how, "function:"),
        (how @ "task-definition", _) => (how, "task-definition/"),
        other => other,
    };
    let own = begun(prefix).filter(|arn| arn.service == service && arn.partition == *partition);
    let at = |resource: String| vec![ArnPart::at(own, resource)];
    // The members that take only an ARN have no name to begin with.
    let only_arn = matches!(how, "arn" | "cased-arn" | "state-machine" | "report-group" | "connection-secret");
    let name = if only_arn || prefix.starts_with("arn:") { "" } else { prefix };
    let resource = own.map(|arn| arn.resource).filter(|resource| !resource.is_empty());
    let known = resource.map_or_else(|| format!("{kind}{name}"), str::to_owned);
    let last = own.map_or(name, |arn| arn.resource.split_once('/').map_or("", |(_, last)| last));
    match how {
        "cased" | "cased-arn" => spellings(&known).map(|one| ArnPart::at(own, format!("{one}*"))).collect(),
        "function" | "function-name" => match name.split_once(":function:") {
            Some((account, rest)) => {
                whole(format!("arn:{partition}:lambda:{}:{account}:function:{rest}*", place.region))
            }
            None => at(format!("{known}*")),
        },
        "arn" | "or" | "revision" | "task-definition" => at(format!("{known}*")),
        "aliased-key" => Vec::new(),
        "key" | "used-key" => {
            let id = own.map_or(name, |arn| arn.resource.strip_prefix("key/").unwrap_or_default());
            // An alias does not tell the key.
            let id = if id.starts_with("alias/") || "alias/".starts_with(id) { "" } else { id };
            at(format!("key/{id}*"))
        }
        "queue" => match queue(prefix) {
            Some((region, account, name)) => whole(format!("arn:{partition}:sqs:{region}:{account}:{name}*")),
            None => part("*".to_owned()),
        },
        "last-segment" => at(format!("{kind}{last}*")),
        "before-colon" | "report-group" => at(format!("{kind}{}", up_to(last, ':'))),
        "place" => at(kind.to_owned()),
        "state-machine" => {
            let name = own.and_then(|arn| arn.resource.strip_prefix("stateMachine:")).unwrap_or_default();
            at(format!("{kind}{}", up_to(name, ':')))
        }
        "api" if name.contains('.') => vec![api(name, place)],
        "connection-secret" => {
            let connection = begun(prefix).filter(|arn| arn.service == "events" && arn.partition == *partition);
            let name = connection.and_then(|arn| arn.resource.strip_prefix("connection/")).unwrap_or_default();
            vec![connection_secret(connection, &up_to(name, '/'))]
        }
        "base-model" if own.is_some() => at(format!("{known}*")),
        "base-model" => vec![foundation_model(place, &place.region, &format!("{name}*"))],
        "model" | "called-model" | "profile-models" => widened_models(prefix, own, how, place),
        "bucket" | "objects" | "object" => {
            let rest = prefix.strip_prefix("s3://").unwrap_or_default();
            let resource = match (how, rest.split_once('/')) {
                ("bucket", Some((bucket, _))) => bucket.to_owned(),
                _ => format!("{rest}*"),
            };
            whole(format!("arn:{partition}:s3:::{resource}"))
        }
        "path" => part(format!("{}*", name.strip_prefix('/').unwrap_or(name))),
        _ => part(format!("{name}*")),
    }
}

/// The beginning of an ARN that reaches past the account. The resource may be empty or incomplete.
///
/// A shorter beginning does not limit a grant.
fn begun(prefix: &str) -> Option<Arn<'_>> {
    let mut parts = prefix.splitn(6, ':');
    let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    (scheme == "arn").then_some(Arn { partition, service, region, account, resource })
}

/// The name that a text begins with: the whole name if its end is known too, else its beginning with a wildcard.
fn up_to(known: &str, end: char) -> String {
    known.split_once(end).map_or_else(|| format!("{known}*"), |(name, _)| name.to_owned())
}

/// The models that a value may reach of which only the beginning is known. See `models`.
///
/// A name is of a foundation model or an inference profile.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>
fn widened_models(prefix: &str, own: Option<Arn<'_>>, how: &str, place: &Place) -> Vec<ArnPart> {
    if let Some((kind, id)) = own.and_then(|arn| arn.resource.split_once('/')) {
        let behind = match kind {
            "inference-profile" => Some(format!("{}*", id.split_once('.').map_or("", |(_, id)| id))),
            "application-inference-profile" => Some("*".to_owned()),
            _ => None,
        };
        let behind = behind.map(|id| foundation_model(place, "*", &id));
        let itself = vec![ArnPart::Whole(format!("{prefix}*"))];
        let tells_model = kind == "inference-profile" && id.contains('.');
        return chosen_models(itself, behind, !tells_model, how);
    }
    let name = if prefix.starts_with("arn:") { "" } else { prefix };
    let id = match name.split_once('.') {
        Some((geography, id)) if GEOGRAPHIES.contains(&geography) => id,
        None if GEOGRAPHIES.iter().any(|geography| geography.starts_with(name)) => "",
        _ => name,
    };
    let kinds = ["application-inference-profile", "inference-profile"].into_iter();
    let kinds = kinds.chain(MODELS_BY_ARN.into_iter().filter(|_| name.is_empty()));
    let itself = kinds.map(|kind| ArnPart::at(own, format!("{kind}/{name}*"))).collect();
    chosen_models(itself, Some(foundation_model(place, "*", &format!("{id}*"))), false, how)
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
        "or" | "cased" | "place" | "function" | "revision" | "task-definition" | "model" | "called-model"
        | "profile-models" | "base-model" => "a name, or an ARN of the called service in this partition",
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
