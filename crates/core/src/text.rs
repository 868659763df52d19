//! How messages show values, lists and near misses.

/// Longest piece of a user's input that a message repeats, in characters.
const SHOWN: usize = 80;

/// The candidate that `name` is most likely a slip of, if any is near enough.
pub fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |candidate: &str| strsim::jaro_winkler(&name.to_lowercase(), &candidate.to_lowercase());
    candidates
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// What was found, in backticks, at a length that leaves room for the other mistakes.
pub fn shown(found: &str) -> String {
    let found = found.trim_matches('"');
    if found.chars().count() <= SHOWN {
        return format!("`{found}`");
    }
    let start: String = found.chars().take(SHOWN).collect();
    format!("`{start}…` ({} characters)", found.chars().count())
}

/// A list for a message: each item in backticks.
pub fn listed(items: &[String]) -> String {
    items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}
