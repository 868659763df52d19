//! Says in words to which calls a need applies.

/// The need is only for a call that certainly has the members of `given`.
pub(super) const CERTAIN: &str = "only if that is certain before the execution starts";

/// The need is for what a call writes, certainly or by declaration.
pub(super) const CERTAIN_OR_WRITE: &str =
    "only if that is certain before the execution starts, or `TaskResources` declares a `Write` for the state";

/// The need is for what a call writes by declaration.
pub(super) const WRITE: &str = "only if `TaskResources` declares a `Write` for the state";

/// The calls that a need applies to, by its lists `given`, `also` and `lacking`. Empty for every call.
pub(super) fn applies(given: &[String], also: &[String], lacking: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    for list in [given, also] {
        if !list.is_empty() {
            all.push(format!("if {}", one_of(list)));
        }
    }
    if !lacking.is_empty() {
        all.push(format!("unless every execution has: {}", one_of(lacking)));
    }
    all
}

fn one_of(members: &[String]) -> String {
    members.iter().map(|member| words(member)).collect::<Vec<_>>().join(" or ")
}

/// A member as the tables write it: `Tags`, `AuthType=IAM_ROLE`, `QueryString:SHOW,DROP VIEW`.
fn words(member: &str) -> String {
    let (name, value) = member.split_at(member.find([':', '=']).unwrap_or(member.len()));
    if let Some(beginnings) = value.strip_prefix(':') {
        let beginnings: Vec<String> = beginnings.split(',').map(|words| format!("`{words}`")).collect();
        return format!("`{name}` is a statement of SQL that begins with {}", beginnings.join(" or "));
    }
    match value.strip_prefix('=') {
        None => format!("`{name}` is set"),
        Some(pattern) if pattern.contains('*') => format!("`{name}` fits `{pattern}`"),
        Some(value) => format!("`{name}` is `{value}`"),
    }
}
