//! Turns the value of a member into a name or an ARN for the placeholders that only the table of APIs has.
//!
//! The words of `how` are those of `form.rs` and these. "The ARN" and "there" mean what they mean there:
//!
//! | `how` | value | becomes |
//! |---|---|---|
//! | `any-arn` | an ARN of any service | the ARN |
//! | `full stack/` | `churn`; an ARN | `stack/churn`; the ARN, which replaces the whole template |
//! | `known-by-arn custom-model/` | an ARN; `churn` | the ARN; `custom-model/*` |
//! | `any-path role/` | `churn`; an ARN | `role/churn` and `role/*/churn`; the ARN |
//! | `parent service/` | `arn:…:service-deployment/c/churn/1a` | `service/c/churn` there |
//! | `retyped topic/` | `arn:…:cluster/churn/1a`; `churn` | `topic/churn/1a` there; `topic/churn` |
//! | `secret` | `churn`; an ARN | `secret:churn-??????`; the ARN with `-??????`, and itself if it ends with an id |
//! | `parameter` | `/churn/model:3` | `parameter/churn/model` there |
//! | `resolved-parameter` | `resolve:ssm:churn` | `parameter/churn`; nothing for any other value |
//! | `document` | `churn`; `AWS-RunShellScript`; an ARN | `document/churn`; the ARN of the public document; the ARN |
//! | `bus` | `churn`; `default`; an ARN | `churn/`; nothing before the name of the rule; the same there |
//! | `object-in` | `data`; the ARN of an access point or a bucket | `data`; the ARN with `/object`; the ARN |
//! | `bucket-arn`, `object-arn` | an ARN of S3 | the ARN |
//! | `objects-below-arn` | an ARN of S3 | the ARN with `/*` |
//! | `bucket-of-arn` | `arn:aws:s3:::data/in` | the ARN of the bucket `data` |
//! | `copy-source` | `data/in%20x?versionId=1` | the ARN of the object |
//! | `object-url` | `s3://data/in`; `https://data.s3.amazonaws.com/in` | the ARN of the object |
//! | `prompt` | the ARN of a prompt of Bedrock | the ARN; nothing for any other value |
//! | `profile` | the ARN of an inference profile | the ARN; nothing for any other value |
//! | `image-repository` | `123456789012.dkr.ecr.eu-west-1.amazonaws.com/churn:1` | the ARN of the repository |
//! | `email` | `a@b.example.com` | `identity/` with the address, its domain, and the domains above |
//! | `short-id` | `abc1234`; any other text | `abc1234`; `*` |
//! | `slug` | `My image` | `my-image` |
//! | `without-scheme` | `https://example.com/id` | `example.com/id` |
//! | `url-encoded` | `arn:aws:…` | `arn%3Aaws%3A…` |
//!
//! A new word of the table of APIs also needs a place in `HOWS` of `crates/core/apis/needs.py`, and its literals in
//! `crates/engine/tests/it/every_api/forms.rs`. `crates/cli/src/show/form.rs` needs what it means in words.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::iam::arn::{Arn, Place};
use crate::permissions::integration::arn_part::ArnPart;

/// A value with what is known about it.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    /// The literal, or the known beginning of the value.
    pub text: &'a str,
    /// The text as an ARN. An incomplete one if only its beginning is known.
    pub arn: Option<Arn<'a>>,
    /// `arn` if it is of the called service in this partition.
    pub own: Option<Arn<'a>>,
    /// The kind of resource that `how` names: `role/`.
    pub kind: &'a str,
}

/// Turns a literal into parts of an ARN. Returns `None` if the literal is not what `how` expects.
pub(super) fn turned(how: &str, value: Value<'_>, place: &Place) -> Option<Vec<ArnPart>> {
    let Value { text, arn, own, kind } = value;
    let part = |text: String| Some(vec![ArnPart::Part(text)]);
    let whole = |text: String| Some(vec![ArnPart::Whole(text)]);
    match how {
        "any-arn" => whole(arn.map(|_| text)?.to_owned()),
        "full" if own.is_some() => Some(vec![ArnPart::Full(text.to_owned())]),
        "known-by-arn" | "any-path" | "document" if own.is_some() => whole(text.to_owned()),
        "parent" => Some(vec![ArnPart::at(own, parent(own?.resource, kind))]),
        "retyped" => match own {
            Some(arn) => Some(vec![ArnPart::at(own, format!("{kind}{}", arn.resource.split_once('/')?.1))]),
            None => part(format!("{kind}{text}")),
        },
        "secret" => secret(text, own),
        "parameter" => parameter(text, own),
        "bus" => Some(vec![bus(text, own)]),
        "object-in" | "object-arn" | "objects-below-arn" | "bucket-arn" | "bucket-of-arn" | "copy-source"
        | "object-url" => in_s3(how, text, arn, place),
        "prompt" | "profile" => {
            let kinds =
                if how == "prompt" { &["prompt"][..] } else { &["inference-profile", "application-inference-profile"] };
            let named = own.filter(|arn| arn.resource.split_once('/').is_some_and(|(kind, _)| kinds.contains(&kind)));
            Some(named.map(|_| ArnPart::Whole(text.to_owned())).into_iter().collect())
        }
        "resolved-parameter" => match text.strip_prefix("resolve:ssm:") {
            Some(name) => parameter(name, None),
            None => Some(Vec::new()),
        },
        "image-repository" => whole(repository(text, place)?),
        "email" => Some(identities(text).into_iter().map(ArnPart::Part).collect()),
        // An id has a digit, and a name of these resources is seldom that short.
        "short-id" => part(if is_short_id(text) { text } else { "*" }.to_owned()),
        "slug" => part(text.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
        "without-scheme" => part(text.split_once("://").map_or(text, |(_, rest)| rest).to_owned()),
        "url-encoded" => part(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()),
        _ if arn.is_some() => None,
        "full" => part(format!("{kind}{text}")),
        "known-by-arn" => part(format!("{kind}*")),
        "any-path" => Some(vec![ArnPart::Part(format!("{kind}{text}")), ArnPart::Part(format!("{kind}*/{text}"))]),
        "document" => Some(vec![document(text, place)]),
        _ => None,
    }
}

/// Turns a value of which only the beginning is known into parts of an ARN with wildcards.
pub(super) fn widened(how: &str, value: Value<'_>, place: &Place) -> Vec<ArnPart> {
    let Value { text, own, kind, .. } = value;
    let part = |text: String| vec![ArnPart::Part(text)];
    let name = if text.starts_with("arn:") { "" } else { text };
    let begun = own.map(|arn| format!("{}*", arn.resource)).filter(|resource| resource.len() > 1);
    let at = |unknown: String| vec![ArnPart::at(own, begun.clone().unwrap_or(unknown))];
    let in_s3 = |resource: &str| vec![ArnPart::Whole(format!("arn:{}:s3:::{resource}", place.partition))];
    match how {
        "any-arn" => vec![ArnPart::Whole("*".to_owned())],
        "full" => at(format!("{kind}{name}*")),
        "retyped" | "parent" => vec![ArnPart::at(own, format!("{kind}*"))],
        "any-path" if own.is_none() && !name.is_empty() => {
            vec![ArnPart::Part(format!("{kind}{name}*")), ArnPart::Part(format!("{kind}*/{name}*"))]
        }
        "known-by-arn" | "any-path" => at(format!("{kind}*")),
        "secret" => at(format!("secret:{name}*")),
        "parameter" => at(format!("parameter/{}*", name.trim_start_matches('/'))),
        "document" => {
            let public = format!("arn:{}:ssm:{}::document/{name}*", place.partition, place.region);
            at(format!("document/{name}*")).into_iter().chain([ArnPart::Whole(public)]).collect()
        }
        "object-in" => match value.arn.filter(|arn| arn.service.starts_with("s3")) {
            Some(arn) => vec![ArnPart::at(Some(arn), format!("{}*", arn.resource))],
            None => part(format!("{name}*")),
        },
        "copy-source" => in_s3(&format!("{}*", name.trim_start_matches('/'))),
        "object-arn" | "objects-below-arn" | "bucket-arn" | "bucket-of-arn" | "object-url" => in_s3("*"),
        "prompt" if own.is_some() => at("prompt/*".to_owned()),
        "profile" if own.is_some() => at("*inference-profile/*".to_owned()),
        "resolved-parameter" => match text.strip_prefix("resolve:ssm:") {
            Some(name) => part(format!("parameter/{}*", name.trim_start_matches('/'))),
            None => Vec::new(),
        },
        "prompt" | "profile" => Vec::new(),
        "image-repository" => part("repository/*".to_owned()),
        "email" => part("identity/*".to_owned()),
        _ => part("*".to_owned()),
    }
}

/// The reason for a wildcard that `turned` puts behind a literal. Empty if it puts none.
pub(super) fn covered(how: &str) -> &'static str {
    match how {
        "secret" => "Secrets Manager appends an id to the name",
        "any-path" => "the call names no path",
        "known-by-arn" | "short-id" => "the call names the resource by something that its ARN does not have",
        "objects-below-arn" => "the grant covers every object below the prefix",
        _ => "",
    }
}

/// The resource above another one: `service/c/s` above `service-deployment/c/s/id`.
fn parent(resource: &str, kind: &str) -> String {
    let inner = resource.split_once('/').map_or("", |(_, inner)| inner);
    let inner = inner.rsplit_once('/').map_or("*", |(above, _)| above);
    format!("{kind}{inner}")
}

/// A secret. Its ARN ends with a hyphen and six characters, which a call may leave out.
///
/// <https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html>
fn secret(text: &str, own: Option<Arn<'_>>) -> Option<Vec<ArnPart>> {
    let Some(arn) = own else {
        return Arn::parse(text).is_none().then(|| vec![ArnPart::Part(format!("secret:{text}-??????"))]);
    };
    let ends_with_id = arn.resource.rsplit_once('-').is_some_and(|(_, id)| id.len() == 6);
    let itself = ends_with_id.then(|| ArnPart::Whole(text.to_owned()));
    Some(itself.into_iter().chain([ArnPart::Whole(format!("{text}-??????"))]).collect())
}

/// A parameter of Systems Manager without the version or the label that a call may select: `/churn/model:3`.
fn parameter(text: &str, own: Option<Arn<'_>>) -> Option<Vec<ArnPart>> {
    let without_selector = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    match own {
        Some(arn) => Some(vec![ArnPart::at(own, without_selector(arn.resource))]),
        None if Arn::parse(text).is_some() => None,
        None => Some(vec![ArnPart::Part(format!("parameter/{}", without_selector(text).trim_start_matches('/')))]),
    }
}

/// A document of Systems Manager. Those of AWS are in no account.
///
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-setup-identity-based-policies.html>
fn document(name: &str, place: &Place) -> ArnPart {
    let is_public = name.starts_with("AWS") && name.contains('-') || name.starts_with("Amazon");
    if is_public {
        return ArnPart::Whole(format!("arn:{}:ssm:{}::document/{name}", place.partition, place.region));
    }
    ArnPart::Part(format!("document/{name}"))
}

/// The part of a rule's ARN before the name of the rule, which has the bus unless it is the default one.
///
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-manage-iam-access.html>
fn bus(text: &str, own: Option<Arn<'_>>) -> ArnPart {
    let name = own.map_or(text, |arn| arn.resource.strip_prefix("event-bus/").unwrap_or(arn.resource));
    let before = if name == "default" { String::new() } else { format!("{name}/") };
    match own {
        Some(_) => ArnPart::at(own, before),
        None => ArnPart::Part(before),
    }
}

fn in_s3(how: &str, text: &str, arn: Option<Arn<'_>>, place: &Place) -> Option<Vec<ArnPart>> {
    let whole = |text: String| Some(vec![ArnPart::Whole(text)]);
    let own = arn.filter(|arn| arn.service.starts_with("s3") && arn.partition == place.partition);
    let bucket = || own?.resource.split('/').next();
    match how {
        "object-in" if arn.is_none() => Some(vec![ArnPart::Part(text.to_owned())]),
        // An access point, of S3 itself or of Outposts.
        "object-in" if own?.resource.contains("accesspoint/") => whole(format!("{text}/object")),
        "object-in" | "object-arn" | "bucket-arn" => whole(own.map(|_| text)?.to_owned()),
        "objects-below-arn" => whole(format!("{}/*", own.map(|_| text)?.trim_end_matches('/'))),
        "bucket-of-arn" => whole(format!("arn:{}:s3:::{}", place.partition, bucket()?)),
        "copy-source" => {
            let source = percent_decode_str(text).decode_utf8().ok()?;
            let source = source.split("?versionId=").next().unwrap_or_default();
            match Arn::parse(source) {
                Some(_) => whole(source.to_owned()),
                None => whole(format!("arn:{}:s3:::{}", place.partition, source.trim_start_matches('/'))),
            }
        }
        _ => whole(format!("arn:{}:s3:::{}", place.partition, object_of_url(text)?)),
    }
}

/// The bucket and the key in the URL of an object: `s3://b/k`, `https://b.s3.amazonaws.com/k` or
/// `https://s3.us-east-1.amazonaws.com/b/k`.
fn object_of_url(url: &str) -> Option<String> {
    if let Some(object) = url.strip_prefix("s3://") {
        return Some(object.to_owned());
    }
    let url = Url::parse(url).ok()?;
    let (host, path) = (url.host_str()?, percent_decode_str(url.path()).decode_utf8().ok()?);
    match host.split_once(".s3") {
        Some((bucket, rest)) if rest.starts_with(['.', '-']) => Some(format!("{bucket}{path}")),
        _ if host.starts_with("s3.") || host.starts_with("s3-") => Some(path.trim_start_matches('/').to_owned()),
        _ => None,
    }
}

/// The ARN of the repository in the URI of an image: `123456789012.dkr.ecr.us-east-1.amazonaws.com/churn:latest`.
fn repository(uri: &str, place: &Place) -> Option<String> {
    let (host, image) = uri.split_once('/')?;
    let labels: Vec<&str> = host.split('.').collect();
    let [account, "dkr", "ecr", region, ..] = labels.as_slice() else { return None };
    let name = image.split(['@', ':']).next()?;
    Some(format!("arn:{}:ecr:{region}:{account}:repository/{name}", place.partition))
}

/// The identities of SES that may stand for an address: the address, its domain, and the domains above.
fn identities(address: &str) -> Vec<String> {
    let address = address.rsplit_once('<').map_or(address, |(_, rest)| rest.trim_end_matches('>'));
    let domain = address.rsplit_once('@').map_or(address, |(_, domain)| domain);
    let above = domain.match_indices('.').filter_map(|(at, _)| domain.get(at + 1..)).filter(|rest| rest.contains('.'));
    let all = [address, domain].into_iter().chain(above);
    let mut identities: Vec<String> = all.map(|one| format!("identity/{one}")).collect();
    identities.dedup();
    identities
}

fn is_short_id(text: &str) -> bool {
    text.len() == 7
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text.bytes().any(|b| b.is_ascii_digit())
}
