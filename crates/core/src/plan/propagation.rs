//! Decides whether a change has to propagate through IAM before the response is sent.
//!
//! The next resource of a stack may need the change at once. The module makes no calls.

use std::collections::BTreeSet;

use crate::plan::step::Step;
use crate::state::State;

/// The actions that Step Functions tries with the role while it creates or updates a state machine.
///
/// Each action stands for one check. `events:PutRule` stands for the managed rule that tells a `.sync` task that its
/// job has ended (“is not authorized to create managed-rule”). `logs:CreateLogDelivery` stands for the delivery of logs
/// (“is not authorized to access the Log Destination”).
/// <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html>
const TRIED_AT_ONCE: [&str; 2] = ["events:PutRule", "logs:CreateLogDelivery"];

/// Returns whether the steps have to propagate before the response is sent.
///
/// They do if they create a role, change who may assume a role, or give a role an action that Step Functions tries at
/// once. `before` is the state before the steps, `desired` the state after them.
pub fn needs_propagation(steps: &[Step], before: &State, desired: &State) -> bool {
    let is_new = steps.iter().any(|step| matches!(step, Step::CreateRole { .. } | Step::SetTrust { .. }));
    is_new || !needed_at_once(desired).is_subset(&needed_at_once(before))
}

/// The allowed actions of `TRIED_AT_ONCE`, each with the name of its role in lower case, the action and the resource.
fn needed_at_once(state: &State) -> BTreeSet<(String, String, String)> {
    let mut needed = BTreeSet::new();
    for (name, role) in &state.roles {
        let attached = role.attached.iter().filter_map(|arn| state.policies.get(arn)).map(|policy| &policy.document);
        let allowed = attached.chain(role.inline.values()).flat_map(|document| document.allowed(&TRIED_AT_ONCE));
        needed.extend(allowed.map(|(action, resource)| (name.as_str().to_ascii_lowercase(), action, resource)));
    }
    needed
}
