//! A resource of a grant, and why there is a wildcard in it.

use crate::permissions::integration::context::DeriveContext;

/// A resource, and why there is a wildcard in it, if so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub arn: String,
    pub open: Option<Open>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// Only run time knows what stands there: ARNs told by hand may take its place.
    AtRunTime(String),
    /// Whatever the definition says.
    Always(String),
}

impl Rendered {
    pub fn exact(arn: String) -> Self {
        Self { arn, open: None }
    }

    /// As somebody wrote it there: a pattern is told as one.
    pub fn literal(arn: &str, told_by: &str) -> Self {
        let open = arn.contains(['*', '?']).then(|| Open::Always(format!("{told_by} says so")));
        Self { arn: arn.to_owned(), open }
    }

    /// As `ResourceOverrides` has it.
    pub fn by_hand(arn: &str) -> Self {
        Self::literal(arn, "`ResourceOverrides`")
    }

    pub fn at_run_time(arn: String, what: &str) -> Self {
        Self { arn, open: Some(Open::at_run_time(what)) }
    }

    pub fn always(arn: String, why: &str) -> Self {
        Self { arn, open: Some(Open::Always(why.to_owned())) }
    }
}

impl Open {
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
pub fn narrowed(rendered: Vec<Rendered>, state: &str, context: DeriveContext<'_>) -> Vec<Rendered> {
    let Some(told) = context.overrides.get(state) else { return rendered };
    let narrow = |one: Rendered| -> Vec<Rendered> {
        let replaceable = matches!(one.open, Some(Open::AtRunTime(_)));
        let within = told.iter().filter(|arn| replaceable && crate::iam::arn::matches(&one.arn, arn));
        let within: Vec<Rendered> = within.map(|arn| Rendered::by_hand(arn)).collect();
        if within.is_empty() { vec![one] } else { within }
    };
    rendered.into_iter().flat_map(narrow).collect()
}
