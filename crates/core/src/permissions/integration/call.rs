//! Whether a need of a table applies to a call.

use crate::permissions::asl::{Found, Task};

/// A call with the members on which a need depends.
pub(super) struct Call<'a> {
    pub task: &'a Task,
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
}

/// Whether a call has a member, as `given` and `lacking` write it: in every execution if `always`, else in some.
fn has(task: &Task, member: &str, always: bool) -> bool {
    let Some((member, value)) = member.split_once('=') else {
        // One expression for the call, or for a holder of the member, may have the member or not.
        let found = task.arguments.at(member);
        return if always {
            task.arguments.tells(member) && !found.is_empty() && !found.contains(&Found::Absent)
        } else {
            task.arguments.shows(member) || !task.arguments.has_members()
        };
    };
    let fits = |found: &Found| match (found, value.strip_suffix('*')) {
        (Found::Absent, _) => false,
        (Found::Literal(text), None) => text == value,
        (Found::Literal(text), Some(beginning)) => text.starts_with(beginning),
        (Found::Expression { .. }, None) => !always,
        (Found::Expression { prefix }, Some(beginning)) => {
            prefix.starts_with(beginning) || !always && beginning.starts_with(prefix.as_str())
        }
    };
    let found = task.arguments.at(member);
    if always { !found.is_empty() && found.iter().all(fits) } else { found.iter().any(fits) }
}
