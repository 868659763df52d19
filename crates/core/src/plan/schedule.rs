//! Decides which steps of a plan wait for others; the remaining steps are applied side by side.

use crate::plan::step::Step;
use crate::state::Entity;

/// The most steps applied side by side. IAM throttles an account as a whole, and others use the account too.
const AT_ONCE: usize = 4;

/// Returns the steps of a plan that wait for no earlier step, in the order of the plan, at most 4.
///
/// The result is empty only if the plan is empty. No two of its steps concern the same role or policy, because IAM may
/// refuse overlapping writes to one entity.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_AttachRolePolicy.html> (`ConcurrentModification`)
pub fn next_round(steps: &[Step]) -> Vec<Step> {
    let waits = |at: usize, step: &Step| steps.iter().take(at).any(|earlier| step.waits_for(earlier));
    steps
        .iter()
        .enumerate()
        .filter(|(at, step)| !waits(*at, step))
        .map(|(_, step)| step)
        .take(AT_ONCE)
        .cloned()
        .collect()
}

impl Step {
    fn waits_for(&self, earlier: &Self) -> bool {
        let policy = self.policy();
        match self {
            _ if self.entity() == earlier.entity() || (policy.is_some() && policy == earlier.policy()) => true,
            // The ownership tags identify what is left of an unfinished plan, so tags are removed last.
            Self::UntagRole { .. } | Self::UntagPolicy { .. } => true,
            // The new document may grant more to every role that the policy is attached to. The steps that restrict
            // those roles come first.
            //
            // A document that may lose a statement to another policy waits until the other one has it.
            Self::SetPolicyDocument { turn, .. } => match earlier {
                Self::SetPolicyDocument { turn: other, .. } => other < turn,
                other => matches!(other.entity(), Entity::Role(_)),
            },
            // A statement of the detached policy may have moved into the new document.
            Self::Detach { .. } | Self::DeleteInline { .. } => matches!(earlier, Self::SetPolicyDocument { .. }),
            // A new trust policy or a removed boundary may open the role to others. These steps come after the change
            // of what the role is granted.
            Self::SetTrust { .. } | Self::RemoveBoundary { .. } => matches!(earlier, Self::SetPolicyDocument { .. }),
            _ => false,
        }
    }

    /// The ARN of the managed policy that the step concerns; `None` if it concerns no managed policy.
    fn policy(&self) -> Option<&str> {
        match self {
            Self::CreatePolicy { arn, .. }
            | Self::TagPolicy { arn, .. }
            | Self::UntagPolicy { arn, .. }
            | Self::SetPolicyDocument { arn, .. }
            | Self::DeletePolicy { arn }
            | Self::Attach { arn, .. }
            | Self::Detach { arn, .. } => Some(arn),
            Self::CreateRole { .. }
            | Self::TagRole { .. }
            | Self::UntagRole { .. }
            | Self::SetBoundary { .. }
            | Self::RemoveBoundary { .. }
            | Self::SetTrust { .. }
            | Self::SetDetails { .. }
            | Self::PutInline { .. }
            | Self::DeleteInline { .. }
            | Self::RemoveFromInstanceProfile { .. }
            | Self::DeleteRole { .. } => None,
        }
    }
}
