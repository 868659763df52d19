//! Predicts what a step does to the state of the account.

use crate::plan::step::Step;
use crate::state::{Policy, Role, State};

/// Returns the state after IAM has applied the step. A step on a role or policy that does not exist changes nothing.
pub fn after(mut state: State, step: &Step) -> State {
    match step {
        Step::CreatePolicy { arn, policy } => {
            state.policies.insert(arn.clone(), policy.clone());
        }
        Step::DeletePolicy { arn } => {
            state.policies.remove(arn);
        }
        Step::TagPolicy { arn, .. } | Step::UntagPolicy { arn, .. } | Step::SetPolicyDocument { arn, .. } => {
            if let Some(policy) = state.policies.get_mut(arn) {
                change_policy(policy, step);
            }
        }
        Step::CreateRole { role, made } => {
            state.roles.insert(role.clone(), made.clone());
        }
        Step::DeleteRole { role } => {
            state.roles.remove(role);
        }
        Step::TagRole { role, .. }
        | Step::UntagRole { role, .. }
        | Step::SetBoundary { role, .. }
        | Step::RemoveBoundary { role }
        | Step::SetTrust { role, .. }
        | Step::SetDetails { role, .. }
        | Step::Attach { role, .. }
        | Step::Detach { role, .. }
        | Step::PutInline { role, .. }
        | Step::DeleteInline { role, .. }
        | Step::RemoveFromInstanceProfile { role, .. } => {
            if let Some(role) = state.roles.get_mut(role) {
                change_role(role, step);
            }
        }
    }
    state
}

fn change_policy(policy: &mut Policy, step: &Step) {
    match step {
        Step::TagPolicy { tags, .. } => policy.tags.extend(tags.clone()),
        Step::UntagPolicy { keys, .. } => policy.tags.retain(|key, _| !keys.contains(key)),
        Step::SetPolicyDocument { document, .. } => policy.document = document.clone(),
        _ => {}
    }
}

fn change_role(role: &mut Role, step: &Step) {
    match step {
        Step::TagRole { tags, .. } => role.tags.extend(tags.clone()),
        Step::UntagRole { keys, .. } => role.tags.retain(|key, _| !keys.contains(key)),
        Step::SetBoundary { arn, .. } => role.boundary = Some(arn.clone()),
        Step::RemoveBoundary { .. } => role.boundary = None,
        Step::SetTrust { trust, .. } => role.trust = trust.clone(),
        Step::SetDetails { description, max_session_duration, .. } => {
            role.description.clone_from(description);
            role.max_session_duration = *max_session_duration;
        }
        Step::Attach { arn, .. } => {
            role.attached.insert(arn.clone());
        }
        Step::Detach { arn, .. } => {
            role.attached.remove(arn);
        }
        Step::PutInline { name, document, .. } => {
            role.inline.insert(name.clone(), document.clone());
        }
        Step::DeleteInline { name, .. } => {
            role.inline.remove(name);
        }
        Step::RemoveFromInstanceProfile { profile, .. } => {
            role.instance_profiles.remove(profile);
        }
        _ => {}
    }
}
