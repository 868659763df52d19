//! A resource of a grant, and why there is a wildcard in it.

use crate::permissions::integration::context::DeriveContext;

/// A resource, and why there is a wildcard in it, if so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePattern {
    pub arn: String,
    pub wildcard: Option<WildcardReason>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WildcardReason {
    /// Only run time knows what stands there: ARNs told by hand may take its place.
    AtRunTime(String),
    /// Whatever the definition says.
    Always(String),
}

impl ResourcePattern {
    pub fn exact(arn: String) -> Self {
        Self { arn, wildcard: None }
    }

    /// As somebody wrote it there: a pattern is told as one.
    pub fn literal(arn: &str, told_by: &str) -> Self {
        let wildcard = arn.contains(['*', '?']).then(|| WildcardReason::Always(format!("{told_by} says so")));
        Self { arn: arn.to_owned(), wildcard }
    }

    /// As `ResourceOverrides` has it.
    pub fn by_hand(arn: &str) -> Self {
        Self::literal(arn, "`ResourceOverrides`")
    }

    pub fn at_run_time(arn: String, what: &str) -> Self {
        Self { arn, wildcard: Some(WildcardReason::at_run_time(what)) }
    }

    pub fn always(arn: String, why: &str) -> Self {
        Self { arn, wildcard: Some(WildcardReason::Always(why.to_owned())) }
    }
}

impl WildcardReason {
    pub fn at_run_time(what: &str) -> Self {
        Self::AtRunTime(format!("only run time knows {what}"))
    }

    pub fn why(&self) -> &str {
        match self {
            Self::AtRunTime(why) | Self::Always(why) => why,
        }
    }
}

/// What only run time knows can be told by hand: ARNs of the state's overrides stand in for the wildcards that they are
/// within.
pub fn narrowed(rendered: Vec<ResourcePattern>, state: &str, context: DeriveContext<'_>) -> Vec<ResourcePattern> {
    let Some(told) = context.overrides.get(state) else { return rendered };
    let narrow = |one: ResourcePattern| -> Vec<ResourcePattern> {
        let replaceable = matches!(one.wildcard, Some(WildcardReason::AtRunTime(_)));
        let within = told.iter().filter(|arn| replaceable && crate::iam::arn::matches(&one.arn, arn));
        let within: Vec<ResourcePattern> = within.map(|arn| ResourcePattern::by_hand(arn)).collect();
        if within.is_empty() { vec![one] } else { within }
    };
    rendered.into_iter().flat_map(narrow).collect()
}
