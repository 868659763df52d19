//! The parts of an ARN that replace the placeholders of an ARN template.

use crate::iam::arn::{Arn, Place};

/// What replaces a placeholder.
pub(super) enum ArnPart {
    /// A piece of the resource, which is the last part of the ARN.
    Part(String),
    /// An ARN that replaces all that precedes the placeholder.
    Whole(String),
    /// A piece of the resource of an ARN in another place, with the beginning of that ARN up to the resource.
    Elsewhere(String, String),
    /// An ARN that replaces the whole template.
    Full(String),
}

impl ArnPart {
    /// A piece of a resource in the region and account of an ARN. Without an ARN, it is one in our own place.
    pub(super) fn at(arn: Option<Arn<'_>>, resource: String) -> Self {
        match arn {
            Some(Arn { partition, service, region, account, .. }) => {
                Self::Elsewhere(format!("arn:{partition}:{service}:{region}:{account}:"), resource)
            }
            None => Self::Part(resource),
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Part(text) | Self::Whole(text) | Self::Elsewhere(_, text) | Self::Full(text) => text,
        }
    }
}

/// Completes the beginning of an ARN of a service up to its resource. Returns `None` for any other text.
///
/// An account or region that is not told is our own. One that differs from ours gets a wildcard at its end.
pub(super) fn completed(prefix: &str, service: &str, place: &Place) -> Option<String> {
    let mut parts = prefix.strip_prefix(&format!("arn:{}:{service}:", place.partition))?.splitn(3, ':');
    let (region, account, resource) = (parts.next()?, parts.next(), parts.next());
    let region = if account.is_some() { region.to_owned() } else { own_or_begun(&place.region, region) };
    let account = match (account, resource) {
        (Some(account), Some(_)) => account.to_owned(),
        (account, _) => own_or_begun(&place.account, account.unwrap_or_default()),
    };
    Some(format!("arn:{}:{service}:{region}:{account}:{}", place.partition, resource.unwrap_or_default()))
}

/// Our own region or account if it begins with the known text, else any that does.
pub(super) fn own_or_begun(own: &str, known: &str) -> String {
    if own.starts_with(known) { own.to_owned() } else { format!("{known}*") }
}

/// The beginning of an ARN that reaches past the account. The resource may be empty or incomplete.
pub(super) fn begun(prefix: &str) -> Option<Arn<'_>> {
    let mut parts = prefix.splitn(6, ':');
    let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    (scheme == "arn").then_some(Arn { partition, service, region, account, resource })
}
