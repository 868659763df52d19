//! Keeps the grants that a role has, where its definition can't be read while the stack rolls back.

use crate::iam::document::Document;
use crate::resource::single_role::policies_sha256;
use crate::resource::spec::ResourceSpec;
use crate::state::ownership::Owner;
use crate::state::{Policy, State};

/// Replaces the grants of a spec whose definition was not read by the grants that its role has in `observed`: the
/// owner's attached policies and the inline policies.
///
/// Returns `false`, and changes nothing, where `observed` has no role of the owner with that name.
pub fn keep_grants(spec: &mut ResourceSpec, observed: &State, owner: &Owner) -> bool {
    let Some((name, role)) = spec.state.roles.iter_mut().next() else { return false };
    let Some(have) = observed.roles.get(name).filter(|have| owner.owns(&have.tags)) else { return false };
    // The policies of the spec stand for those that the definition leads to, which are not known.
    role.attached.retain(|arn| !spec.state.policies.contains_key(arn) && !spec.surplus_arns.contains(arn));
    spec.state.policies.clear();
    for arn in &have.attached {
        let Some(policy) = observed.policies.get(arn).filter(|policy| owner.owns(&policy.tags)) else { continue };
        let policy = Policy { document: policy.document.clone(), tags: role.tags.clone() };
        spec.state.policies.insert(arn.clone(), policy);
        role.attached.insert(arn.clone());
    }
    role.inline.clone_from(&have.inline);
    // `Name-Policy-2` comes before `Name-Policy-10`, as where the policies are derived.
    let mut kept: Vec<(&String, &Policy)> = spec.state.policies.iter().collect();
    kept.sort_by(|(one, _), (other, _)| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
    let documents: Vec<Document> = kept.into_iter().map(|(_, policy)| policy.document.clone()).collect();
    let arns: Vec<String> = spec.state.policies.keys().cloned().collect();
    let first = arns.first().cloned().unwrap_or_default();
    spec.attributes.insert("PolicyArn".to_owned(), first);
    spec.attributes.insert("PolicyArns".to_owned(), arns.join(","));
    spec.attributes.insert("PolicySha256".to_owned(), policies_sha256(&documents));
    true
}
