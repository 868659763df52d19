//! Which steps of a plan wait for which: the others are taken side by side.

use crate::plan::step::Step;
use crate::state::Entity;

/// Steps taken side by side at the most. IAM throttles an account as a whole, and others work in it too.
const AT_ONCE: usize = 4;

/// Of the steps of a plan, in its order, those that wait for none before them. Never empty where the plan is not; no two are
/// of one role or policy, for IAM may refuse writes to one thing that overlap.
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
            // Our tags are the handle of what is left: they go last.
            Self::UntagRole { .. } | Self::UntagPolicy { .. } => true,
            // Whoever has it is granted more: what fences a role in stands before.
            Self::SetPolicyDocument { .. } => matches!(earlier.entity(), Entity::Role(_)),
            // And what lets others come to it, after what it is granted.
            Self::SetTrust { .. } | Self::RemoveBoundary { .. } => matches!(earlier, Self::SetPolicyDocument { .. }),
            _ => false,
        }
    }

    /// The managed policy that it is about. ARN.
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
