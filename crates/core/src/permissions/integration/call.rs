//! Whether a need of a table applies to a call.

use crate::iam::arn::matches;
use crate::permissions::asl::Task;
use crate::permissions::asl::value::Found;
use crate::permissions::integration::context::DeriveContext;

/// A call with the members on which a need depends.
pub(super) struct Call<'a> {
    pub task: &'a Task,
    pub context: DeriveContext<'a>,
    pub given: &'a [String],
    pub also: &'a [String],
    pub lacking: &'a [String],
}

impl Call<'_> {
    /// Whether the need applies to the call.
    pub(super) fn applies(&self) -> bool {
        let one_of = |members: &[String]| members.is_empty() || members.iter().any(|one| has(self.task, one, false));
        one_of(self.given) && one_of(self.also) && !self.lacking.iter().any(|one| has(self.task, one, true))
    }

    /// Whether every execution has one of the members in `given`.
    pub(super) fn is_given(&self) -> bool {
        self.given.iter().any(|one| has(self.task, one, true))
    }
}

/// Whether a call has a member, as `given` and `lacking` write it: in every execution if `always`, else in some.
fn has(task: &Task, member: &str, always: bool) -> bool {
    let (holder, value) = member.split_at(member.find([':', '=']).unwrap_or(member.len()));
    if let Some(beginnings) = value.strip_prefix(':') {
        let found = task.arguments.at(holder);
        let fits = |found: &Found| beginnings.split(',').any(|words| begins(found, words, always));
        return if always { !found.is_empty() && found.iter().all(fits) } else { found.iter().any(fits) };
    }
    let Some((member, value)) = member.split_once('=') else {
        // One expression for the call, or for a holder of the member, may have the member or not.
        let found = task.arguments.at(member);
        return if always {
            task.arguments.tells(member) && !found.is_empty() && !found.contains(&Found::Absent)
        } else {
            task.arguments.shows(member) || !task.arguments.has_members()
        };
    };
    let fits = |found: &Found| match (found, value.split_once('*')) {
        (Found::Absent, _) => false,
        (Found::Literal(text), _) => matches(value, text),
        (Found::Expression { .. }, None) => !always,
        (Found::Expression { prefix }, Some((beginning, rest))) => {
            let begun = prefix.starts_with(beginning);
            begun && rest.is_empty() || !always && (begun || beginning.starts_with(prefix.as_str()))
        }
    };
    let found = task.arguments.at(member);
    if always { !found.is_empty() && found.iter().all(fits) } else { found.iter().any(fits) }
}

/// Whether a statement of SQL begins with words such as `DROP VIEW`: certainly if `always`, else perhaps.
fn begins(found: &Found, words: &str, always: bool) -> bool {
    let (text, whole) = match found {
        Found::Literal(text) => (text.as_str(), true),
        Found::Expression { prefix } => (prefix.as_str(), false),
        Found::Absent => return false,
    };
    let mut rest = statement(text);
    for word in words.split(' ') {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (next, behind) = rest.split_at(end);
        if behind.is_empty() && !whole {
            // The word may go on, or it is not known at all.
            let begun = word.get(..next.len()).is_some_and(|begun| begun.eq_ignore_ascii_case(next));
            return begun && !always;
        }
        if !next.eq_ignore_ascii_case(word) {
            return false;
        }
        rest = statement(behind);
    }
    true
}

/// A statement of SQL without the white space, comments and opening parentheses before it.
fn statement(text: &str) -> &str {
    let mut rest = text;
    loop {
        let text = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        rest = if let Some(comment) = text.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, behind)| behind)
        } else if let Some(comment) = text.strip_prefix("/*") {
            comment.split_once("*/").map_or("", |(_, behind)| behind)
        } else {
            return text;
        };
    }
}
