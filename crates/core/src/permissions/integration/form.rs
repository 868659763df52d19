//! Turns the value of a member into a name or an ARN, as the `how` of a placeholder says.
//!
//! An empty `how` inserts the value unchanged. Any other is a word, and for some words a kind of resource follows. In
//! this table, "the ARN" is one of the service of the template in this partition, and replaces all that precedes the
//! placeholder. "There" is the region and account of the ARN, or our own for a name:
//!
//! | `how` | value | becomes |
//! |---|---|---|
//! | none | `churn` | `churn` |
//! | `or table/` | `churn`; an ARN | `table/churn`; the ARN |
//! | `arn job/` | an ARN | the ARN; a name is refused, and an expression becomes `job/*` |
//! | `cased job/` | `Churn`; an ARN | `job/Churn` and `job/churn`; the ARN in both spellings |
//! | `cased-arn` | an ARN | the ARN in both spellings; a name is refused |
//! | `place job/` | `churn`; an ARN | `job/` there |
//! | `last-segment task/` | `churn`; `arn:…:cluster/churn` | `task/churn` there; for SageMaker also in lower case |
//! | `before-colon project/` | `churn:1a`; `arn:…:build/churn:1a` | `project/churn` there |
//! | `report-group report-group/` | `arn:…:report/churn:1a` | `report-group/churn` there |
//! | `state-machine execution:` | `arn:…:stateMachine:churn:live` | `execution:churn` there |
//! | `revision job/` | `churn`; `churn:3`; an ARN | `job/churn` and `job/churn:*`; `job/churn:3`; the ARN likewise |
//! | `task-definition` | `churn`; `churn:3` | `task-definition/churn:*`; `task-definition/churn:3` |
//! | `function` | `churn`; `churn:live` | the ARN and the ARN with `:*`; the ARN with `:live` |
//! | `function-name` | `churn` | the ARN alone; a name with a qualifier is refused |
//! | `queue` | `https://sqs.eu-west-1.amazonaws.com/123456789012/churn` | the ARN of the queue |
//! | `key` | `1a-2b`; the ARN of a key | `key/1a-2b`; the ARN; an alias is refused |
//! | `used-key` | the same | the same; nothing for an alias |
//! | `aliased-key` | `alias/churn` | `key/*`, for a grant with a condition; nothing for any other value |
//! | `role` | the ARN of a role | the ARN; for an expression the roles that are told (see `passed_role.rs`) |
//! | `bucket`, `object`, `objects` | `s3://data/in` | the ARN of `data`, of `data/in`, of `data/in*` |
//! | `api` | `a1.execute-api.eu-west-1.amazonaws.com` | the ARN of the API up to its id, `a1` |
//! | `path` | `/models/churn` | `models/churn` |
//! | `connection` | `/%40connections/c1` | `@connections/c1` |
//! | `connection-secret` | the ARN of a connection of EventBridge | the ARN of its secret, without the id at the end |
//! | `base-model` | `amazon.x`; an ARN | the ARN of the foundation model; the ARN |
//! | `model` | the id or ARN of a model, inference profile or prompt router | it, and the models behind it |
//! | `called-model` | the same | the same; without the models if a condition limits them |
//! | `profile-models` | the ARN of an application inference profile | its models; nothing for any other value |
//! | `router-models` | the ARN of a prompt router | its models; nothing for any other value |
//! | `marketplace-endpoint` | the ARN of an endpoint of SageMaker | the ARN; nothing for any other value |
//!
//! `api_form.rs` has the words that only the table of APIs has, and `condition.rs` those of conditions.
//!
//! A new word needs a line in `turned` and in `widened`. In `placeholder.rs` it needs its error in `expected`, and the
//! reason for a wildcard in `covered`. Add its row to the table here, and its words to `crates/cli/src/show/form.rs`.

use crate::iam::arn::{Arn, Place};
use crate::permissions::integration::api_form;
use crate::permissions::integration::arn_part::{ArnPart, begun, completed, own_or_begun};
use crate::permissions::integration::model::{foundation_model, models, widened_models};

/// Turns a literal into parts of an ARN, as `how` says. Returns `None` if the literal is not what `how` expects.
pub(super) fn turned(text: &str, how: &str, service: &str, place: &Place) -> Option<Vec<ArnPart>> {
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
        "last-segment" if service == "sagemaker" => {
            let name = own.map_or(text, |arn| arn.resource).rsplit('/').next()?;
            Some(spellings(&format!("{kind}{name}")).map(|one| ArnPart::at(own, one)).collect())
        }
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
        "connection" => part(&connection(text)),
        "connection-secret" => {
            let arn = arn.filter(|arn| arn.service == "events" && arn.partition == place.partition)?;
            let name = arn.resource.strip_prefix("connection/")?.split('/').next()?;
            Some(vec![connection_secret(Some(arn), name)])
        }
        "base-model" => Some(vec![foundation_model(place, &place.region, text)]),
        "model" | "called-model" | "profile-models" | "router-models" | "marketplace-endpoint" => {
            models(text, how, place)
        }
        "bucket" | "objects" | "object" => s3(text, how, place),
        _ => api_form::turned(how, api_form::Value { text, arn, own, kind }, place),
    }
}

/// Turns a value of which only the beginning is known into parts of an ARN with wildcards, as `how` says.
///
/// The whole known beginning is kept, unless it says nothing of the resource.
pub(super) fn widened(prefix: &str, how: &str, service: &str, place: &Place) -> Vec<ArnPart> {
    let partition = &place.partition;
    let part = |text: String| vec![ArnPart::Part(text)];
    let whole = |text: String| vec![ArnPart::Whole(text)];
    let (how, kind) = match how.split_once(' ').unwrap_or((how, "")) {
        (how @ ("function" | "function-name"), _) => (how, "function:"),
        (how @ "task-definition", _) => (how, "task-definition/"),
        other => other,
    };
    let prefix = &completed(prefix, service, place).unwrap_or_else(|| prefix.to_owned());
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
        "key" | "used-key" | "aliased-key" => widened_key(name, how, own),
        "queue" => match begun_queue(prefix, place) {
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
        "api" if name.contains('.') => vec![begun_api(name, place)],
        "connection-secret" => vec![begun_secret(prefix, place)],
        "base-model" if resource.is_some_and(|resource| resource.contains('/')) => at(format!("{known}*")),
        // A base model is a foundation model, which is of no account, or by its ARN a custom model.
        // <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelCustomizationJob.html>
        "base-model" => {
            let region = own.map_or(place.region.as_str(), |arn| arn.region);
            let custom = prefix.is_empty() || prefix.starts_with("arn:");
            let custom = custom.then(|| ArnPart::at(own, "custom-model/*".to_owned()));
            [foundation_model(place, region, &format!("{name}*"))].into_iter().chain(custom).collect()
        }
        "model" | "called-model" | "profile-models" | "router-models" | "marketplace-endpoint" => {
            widened_models(prefix, own, how, place)
        }
        "bucket" | "objects" | "object" => whole(format!("arn:{partition}:s3:::{}", begun_in_s3(prefix, how))),
        "path" => part(format!("{}*", name.strip_prefix('/').unwrap_or(name))),
        "" | "api" => part(format!("{name}*")),
        "connection" => {
            let path = connection(name);
            part(if "@connections/".starts_with(&path) { "@connections/*".to_owned() } else { format!("{path}*") })
        }
        _ => api_form::widened(how, api_form::Value { text: prefix, arn: begun(prefix), own, kind }, place),
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

/// The bucket or the objects that the beginning of an S3 URI names, as an ARN ends with them.
fn begun_in_s3(uri: &str, how: &str) -> String {
    let rest = uri.strip_prefix("s3://").unwrap_or_default();
    match (how, rest.split_once('/')) {
        ("bucket", Some((bucket, _))) => bucket.to_owned(),
        _ => format!("{rest}*"),
    }
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

/// The keys that the beginning of a name or of an ARN names. `name` is empty for the beginning of an ARN.
fn widened_key(name: &str, how: &str, own: Option<Arn<'_>>) -> Vec<ArnPart> {
    let named = own.map_or(name, |arn| arn.resource);
    // An alias does not tell the key, but a condition can name the alias.
    let is_alias = named.starts_with("alias/");
    let id = match how {
        "aliased-key" if is_alias => "",
        "aliased-key" => return Vec::new(),
        "used-key" if is_alias => return Vec::new(),
        _ => {
            let id = if own.is_some() { named.strip_prefix("key/").unwrap_or_default() } else { named };
            if is_alias || "alias/".starts_with(id) { "" } else { id }
        }
    };
    vec![ArnPart::at(own, format!("key/{id}*"))]
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
    Some((queue_region(host)?, account, name))
}

/// The region of a queue, by the host in its URL.
fn queue_region(host: &str) -> Option<&str> {
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        ["sqs" | "sqs-fips", region, _, ..] | [region, "queue", ..] | [_, "sqs", region, "vpce", ..] => Some(*region),
        ["queue", ..] => Some("us-east-1"),
        _ => None,
    }
}

/// The region, the account and the beginning of the name of a queue, by the beginning of its URL.
///
/// Returns `None` if the beginning does not tell the region.
fn begun_queue(url: &str, place: &Place) -> Option<(String, String, String)> {
    let mut parts = url.strip_prefix("https://")?.splitn(3, '/');
    let (region, account, name) = (queue_region(parts.next()?)?, parts.next(), parts.next());
    let account = match (account, name) {
        (Some(account), Some(_)) => account.to_owned(),
        (account, _) => own_or_begun(&place.account, account.unwrap_or_default()),
    };
    Some((region.to_owned(), account, name.unwrap_or_default().to_owned()))
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

/// The API that the beginning of a host names. The beginning may end within the region.
fn begun_api(host: &str, place: &Place) -> ArnPart {
    match host.split('.').collect::<Vec<_>>().as_slice() {
        [id, "execute-api", region] if !place.region.starts_with(region) => {
            let Place { partition, account, .. } = place;
            ArnPart::Whole(format!("arn:{partition}:execute-api:{region}*:{account}:{id}"))
        }
        _ => api(host, place),
    }
}

/// The resource of a path to a connection of a WebSocket API: `@connections/{id}`. A URL may encode the `@`.
fn connection(path: &str) -> String {
    path.strip_prefix('/').unwrap_or(path).replacen("%40", "@", 1)
}

/// The secret in which EventBridge keeps the credentials of a connection, without the id at its end.
fn connection_secret(connection: Option<Arn<'_>>, name: &str) -> ArnPart {
    let secret = connection.map(|arn| Arn { service: "secretsmanager", ..arn });
    ArnPart::at(secret, format!("secret:events!connection/{name}"))
}

/// The secret of a connection of which only the beginning of its ARN is known.
fn begun_secret(prefix: &str, place: &Place) -> ArnPart {
    let connection = completed(prefix, "events", place);
    let connection = connection.as_deref().and_then(begun);
    let name = connection.and_then(|arn| arn.resource.strip_prefix("connection/")).unwrap_or_default();
    connection_secret(connection, &up_to(name, '/'))
}

/// The name that a text begins with: the whole name if its end is known too, else its beginning with a wildcard.
fn up_to(known: &str, end: char) -> String {
    known.split_once(end).map_or_else(|| format!("{known}*"), |(name, _)| name.to_owned())
}
