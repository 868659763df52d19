//! Reads the values of a definition: literals, and expressions of `JSONPath` and `JSONata`.

/// What the arguments of a task have at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// The text itself; a boolean or a number in its JSON form.
    Literal(String),
    /// A value that is known at run time only.
    Expression {
        /// The text that the value begins with: `churn-`. Empty if nothing is known of the value.
        prefix: String,
    },
    /// Nothing: this item of a list does not have the member.
    Absent,
}

impl Found {
    /// A value of which nothing is known.
    pub(super) fn unknown() -> Self {
        Self::Expression { prefix: String::new() }
    }
}

/// A text as a literal. A text with a `${Name}` that no substitution replaced counts as an expression.
pub(super) fn literal(text: &str) -> Found {
    match text.split_once("${") {
        None => Found::Literal(text.to_owned()),
        Some((prefix, _)) => Found::Expression { prefix: prefix.to_owned() },
    }
}

/// Parses a text such as `{% 'churn-' & $x %}`. Returns `None` if the text is not an expression.
pub(super) fn jsonata(text: &str) -> Option<Found> {
    let inner = text.trim().strip_prefix("{%")?.strip_suffix("%}")?.trim();
    let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some((quoted, rest)) = quote.and_then(|quote| inner.get(1..)?.split_once(quote)) else {
        return Some(Found::unknown());
    };
    // An escape may stand for any character, so the known text ends before it.
    let plain = quoted.split('\\').next().unwrap_or_default();
    Some(match rest.trim() {
        "" if plain == quoted => literal(plain),
        rest if rest.starts_with('&') && only_joins(rest) => Found::Expression { prefix: plain.to_owned() },
        _ => Found::unknown(),
    })
}

/// Whether the rest of an expression has no operator that binds less tightly than `&`.
///
/// With such an operator, the value may begin with another text: `'a' & $b = 'ac' ? …` does not begin with `a`.
fn only_joins(rest: &str) -> bool {
    let (mut depth, mut quote) = (0_u32, None);
    let mut word = String::new();
    for c in rest.chars().chain([' ']) {
        match quote {
            Some(end) => quote = Some(end).filter(|end| *end != c),
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            None if matches!(c, '(' | '[' | '{') => depth += 1,
            None if matches!(c, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            None if depth == 0 && "=<>?!~;:,".contains(c) => return false,
            None => {}
        }
        if c.is_ascii_alphabetic() && quote.is_none() && depth == 0 {
            word.push(c);
        } else {
            if matches!(word.as_str(), "and" | "or" | "in") {
                return false;
            }
            word.clear();
        }
    }
    true
}

/// Parses a `JSONPath` expression: the value of `States.Format('churn-{}', $.x)` begins with `churn-`.
pub(super) fn json_path(expression: &str) -> Found {
    let format = expression.trim().strip_prefix("States.Format(").map(str::trim_start);
    let quoted = format.and_then(|rest| rest.strip_prefix('\'')).unwrap_or_default();
    let prefix = quoted.split(['\'', '{', '\\']).next().unwrap_or_default();
    Found::Expression { prefix: prefix.to_owned() }
}

/// The text that a value begins with, and whether that is the whole value.
///
/// Returns an empty text and `false` if nothing is known of the value or the known text has a wildcard.
pub fn starts(found: Option<Found>) -> (String, bool) {
    match found {
        Some(Found::Literal(text)) if !text.contains(['*', '?']) => (text, true),
        Some(Found::Expression { prefix }) if !prefix.contains(['*', '?']) => (prefix, false),
        _ => (String::new(), false),
    }
}
