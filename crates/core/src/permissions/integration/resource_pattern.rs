//! The resource of a grant, with the reason for the wildcards in it.

use std::collections::BTreeSet;

use crate::permissions::integration::context::DeriveContext;

/// The ARN of a grant, which may have wildcards, with the reason for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePattern {
    /// The ARN: `arn:aws:sagemaker:us-east-1:123456789012:training-job/churn-*`, or `*` for every resource.
    pub arn: String,
    /// The reason for the wildcards. `None` if the ARN names exactly one resource.
    pub wildcard: Option<WildcardReason>,
}

/// The reason for a wildcard in a resource pattern, in words for a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WildcardReason {
    /// The value is known at run time only. ARNs from `ResourceOverrides` may replace the wildcard.
    AtRunTime(String),
    /// The wildcard is needed whatever the definition says. `ResourceOverrides` can't replace it.
    Always(String),
}

impl ResourcePattern {
    /// Creates a pattern without wildcards.
    pub fn exact(arn: String) -> Self {
        Self { arn, wildcard: None }
    }

    /// Creates a pattern from an ARN that a person wrote. If it has wildcards, their reason is that `told_by` says so.
    pub fn literal(arn: &str, told_by: &str) -> Self {
        let wildcard = arn.contains(['*', '?']).then(|| WildcardReason::Always(format!("{told_by} has this wildcard")));
        Self { arn: arn.to_owned(), wildcard }
    }

    /// Creates a pattern from an ARN in `ResourceOverrides`.
    pub fn by_hand(arn: &str) -> Self {
        Self::literal(arn, "`ResourceOverrides`")
    }

    /// Creates a pattern from an ARN in `TaskResources`.
    pub fn declared(arn: &str) -> Self {
        Self::literal(arn, "`TaskResources`")
    }

    /// Creates a pattern with a wildcard for `what`, which is known at run time only.
    pub fn at_run_time(arn: String, what: &str) -> Self {
        Self { arn, wildcard: Some(WildcardReason::at_run_time(what)) }
    }

    /// Whether ARNs from `ResourceOverrides` may replace the wildcards.
    pub fn is_replaceable(&self) -> bool {
        matches!(self.wildcard, Some(WildcardReason::AtRunTime(_)))
    }

    /// Creates a pattern with a wildcard that is needed whatever the definition says, because of `why`.
    pub fn always(arn: String, why: &str) -> Self {
        Self { arn, wildcard: Some(WildcardReason::Always(why.to_owned())) }
    }
}

impl WildcardReason {
    /// The reason that `what` is known at run time only.
    pub fn at_run_time(what: &str) -> Self {
        Self::AtRunTime(format!("{what} is known only at run time"))
    }

    /// The reason in words.
    pub fn why(&self) -> &str {
        match self {
            Self::AtRunTime(why) | Self::Always(why) => why,
        }
    }
}

/// Replaces patterns whose wildcards stand for run-time values with the ARNs of `ResourceOverrides` that they match.
///
/// Only the overrides of the state count. A pattern that matches none of them stays as it is.
pub fn narrowed(rendered: Vec<ResourcePattern>, state: &str, context: DeriveContext<'_>) -> Vec<ResourcePattern> {
    let Some(told) = context.overrides.get(state) else { return rendered };
    rendered.into_iter().flat_map(|one| narrowed_by(one, told.iter())).collect()
}

/// Replaces a pattern whose wildcards stand for run-time values with those of the given ARNs that it matches.
pub fn narrowed_by<'a>(one: ResourcePattern, told: impl Iterator<Item = &'a String>) -> Vec<ResourcePattern> {
    let within = told.filter(|arn| one.is_replaceable() && crate::iam::arn::matches(&one.arn, arn));
    let within: Vec<ResourcePattern> = within.map(|arn| ResourcePattern::by_hand(arn)).collect();
    if within.is_empty() { vec![one] } else { within }
}

/// The reason for a wildcard that a key in the table of APIs stands for: `created`.
///
/// Where the call may tell the resource in a way that the derivation does not read, `ResourceOverrides` can tell it.
pub fn reason(key: &str, actions: &BTreeSet<String>) -> WildcardReason {
    let action = actions.first().map_or("", String::as_str);
    let always = |why: &str| WildcardReason::Always(why.to_owned());
    let open = |why: &str| WildcardReason::AtRunTime(format!("{why}, but `ResourceOverrides` can name it"));
    match key {
        "created" => always("AWS chooses the id of what the call creates"),
        "list" => always("IAM checks a call that lists against every resource"),
        "condition" => always("IAM limits the call by a condition and not by a resource"),
        "unnamed" => open("no member of the call names the resource"),
        "optional" => open("the call does not set the member that names the resource"),
        "other-name" => open("the call names the resource by something that its ARN does not have"),
        "content" => open("a document or a query in the call names the resource"),
        "partial" => always("the ARN has a part that the call does not name"),
        _ => WildcardReason::Always(format!("`{action}` has no resource-level permissions")),
    }
}
