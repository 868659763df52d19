//! Formats values and lists for messages, and finds the name that a misspelled one most likely means.

/// The longest part of an author's input that a message repeats, in characters.
const SHOWN: usize = 80;

/// Finds the candidate that `name` most likely misspells.
///
/// The comparison ignores case. Returns `None` when no candidate has a Jaro-Winkler similarity above 0.8.
pub fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = |candidate: &str| strsim::jaro_winkler(&name, &candidate.to_lowercase());
    candidates
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Formats a value that was found: in backticks, without surrounding double quotes.
///
/// A value of more than 80 characters is cut, followed by its length in characters. This leaves room in the message for
/// the other errors.
pub fn shown(found: &str) -> String {
    let cut = is_cut(found);
    let found = found.trim_matches('"');
    if !cut {
        return format!("`{found}`");
    }
    let start: String = found.chars().take(SHOWN).collect();
    format!("`{start}…` ({} characters)", found.chars().count())
}

/// Returns whether [`shown`] cuts the value.
pub fn is_cut(found: &str) -> bool {
    found.trim_matches('"').chars().count() > SHOWN
}

/// Formats a list for a message: each item in backticks, separated by commas.
pub fn listed(items: &[String]) -> String {
    items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", ")
}

/// Writes the first letter as an ASCII capital: `createEndpoint` becomes `CreateEndpoint`.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}
