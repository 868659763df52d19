//! The table of the campaign.

use super::run::Outcome;

/// The counts of one case, or of all.
#[derive(Default)]
pub struct Row {
    pub calls: usize,
    pub events: usize,
    pub faults: usize,
    pub succeeded: usize,
    pub undone: usize,
    pub converged: usize,
    pub orphans: usize,
    pub foreign_changes: usize,
    pub stuck: usize,
}

/// The head of the table.
pub const HEAD: &str = "| operation | calls | events | faults | answered | SUCCESS | FAILED | converged | orphans | foreign changes \
                    | stuck |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";

impl Row {
    /// Counts a run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.events += 1;
        self.faults += outcome.met;
        self.succeeded += usize::from(outcome.succeeded);
        self.undone += usize::from(outcome.answered && !outcome.succeeded);
        self.converged += usize::from(outcome.converged);
        self.orphans += outcome.orphans;
        self.foreign_changes += outcome.foreign_changes;
        self.stuck += usize::from(!outcome.answered);
    }

    /// The line of the table.
    pub fn line(&self, name: &str) -> String {
        let Self { calls, events, faults, succeeded, undone, converged, orphans, foreign_changes, stuck } = self;
        let answered = succeeded + undone;
        format!(
            "| {name} | {calls} | {events} | {faults} | {answered} | {succeeded} | {undone} | {converged} | {orphans} | \
             {foreign_changes} | {stuck} |\n"
        )
    }
}
