//! Whether a change has to have reached all of IAM before it is told of, since what comes next in a stack needs it at once.
//! Pure.

use std::collections::BTreeSet;

use crate::plan::step::Step;
use crate::state::State;

/// What Step Functions tries with the role while a state machine is made or updated, by an action for each: the rule that a
/// `.sync` task hears of its end by (“is not authorized to create managed-rule”), and the delivery of logs (“is not authorized
/// to access the Log Destination”).
/// <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html>
const TRIED_AT_ONCE: [&str; 2] = ["events:PutRule", "logs:CreateLogDelivery"];

/// Whether the steps make a role or change who may assume it, or give one what its state machine needs at once.
pub fn needs_propagation(steps: &[Step], before: &State, desired: &State) -> bool {
    let is_new = steps.iter().any(|step| matches!(step, Step::CreateRole { .. } | Step::SetTrust { .. }));
    is_new || !needed_at_once(desired).is_subset(&needed_at_once(before))
}

/// By role, action and resource.
fn needed_at_once(state: &State) -> BTreeSet<(String, String, String)> {
    let mut needed = BTreeSet::new();
    for (name, role) in &state.roles {
        let attached = role.attached.iter().filter_map(|arn| state.policies.get(arn)).map(|policy| &policy.document);
        let allowed = attached.chain(role.inline.values()).flat_map(|document| document.allowed(&TRIED_AT_ONCE));
        needed.extend(allowed.map(|(action, resource)| (name.as_str().to_ascii_lowercase(), action, resource)));
    }
    needed
}
