//! Plans the steps from an observed state to a desired one, so that they can be read before they are applied.
//!
//! The rest of the program relies on two laws. Folding [`after`](crate::plan::after::after) over
//! `plan(desired, observed)`, starting from `observed`, gives `desired`. And `plan(desired, desired)` is empty.

pub mod after;
pub mod propagation;
pub mod schedule;
pub mod step;

use std::collections::BTreeSet;

use crate::iam::document::Document;
use crate::iam::name::Name;
use crate::iam::quota::{INLINE_SIZE_PER_ROLE, MANAGED_POLICIES_PER_ROLE, TAGS_PER_ENTITY};
use crate::plan::step::{Step, Turn};
use crate::state::{Role, State, Tags};

/// Returns the steps from `observed` to `desired`. It is safe to stop after any of them.
///
/// The steps on a role that stays come in this order:
///
/// 1. The new tags, with the ownership tags among them.
/// 2. The new permissions boundary: without it, the function may not write the rest.
/// 3. A narrower trust policy.
/// 4. Everything that grants, and the description and maximum session duration. A policy whose statements may move to
///    another policy of the role is set after the other one. Policies that both gain and lose are set side by side, since
///    none of them can be first.
/// 5. A wider trust policy.
/// 6. The removal of the boundary.
/// 7. The removal of tags.
///
/// Policies are created before they are attached, and deleted after they are detached.
pub fn plan(desired: &State, observed: &State) -> Vec<Step> {
    let mut stages = Stages::default();
    for (name, want) in &desired.roles {
        if let Some(have) = kept(observed, name, want) {
            stages.early.extend(restrictions(name, want, have));
        }
    }
    stages.set_policies(desired, observed);
    for (name, want) in &desired.roles {
        stages.set_role(name, want, observed);
    }
    let Stages { early: mut steps, late, last } = stages;
    steps.extend(late);
    for (name, have) in &observed.roles {
        if !desired.roles.contains_key(name) {
            steps.extend(teardown(name, have));
        }
    }
    for arn in observed.policies.keys() {
        if !desired.policies.contains_key(arn) {
            steps.push(Step::DeletePolicy { arn: arn.clone() });
        }
    }
    steps.extend(last);
    steps
}

/// The steps on the roles and policies of the desired state, in three stages.
#[derive(Default)]
struct Stages {
    /// The steps that restrict roles, or grant and take nothing away.
    early: Vec<Step>,
    /// The steps that may take away what another policy of the role has by then, and those that open roles to others.
    late: Vec<Step>,
    /// The removal of tags, after everything else.
    last: Vec<Step>,
}

impl Stages {
    /// Adds the steps on the policies of the desired state.
    fn set_policies(&mut self, desired: &State, observed: &State) {
        // The documents that only lose statements come after those that also gain some.
        let mut losing = Vec::new();
        for (arn, want) in &desired.policies {
            let Some(have) = observed.policies.get(arn) else {
                self.early.push(Step::CreatePolicy { arn: arn.clone(), policy: want.clone() });
                continue;
            };
            let (add, drop) = tag_changes(&want.tags, &have.tags);
            if !drop.is_empty() {
                let when = if crowded_tags(&want.tags, &have.tags) { &mut self.early } else { &mut self.last };
                when.push(Step::UntagPolicy { arn: arn.clone(), keys: drop });
            }
            if !add.is_empty() {
                self.early.push(Step::TagPolicy { arn: arn.clone(), tags: add });
            }
            if want.document != have.document {
                let turn = turn(arn, desired, observed);
                let when = match turn {
                    Turn::First => &mut self.early,
                    Turn::Second => &mut self.late,
                    Turn::Last => &mut losing,
                };
                when.push(Step::SetPolicyDocument { arn: arn.clone(), document: want.document.clone(), turn });
            }
        }
        self.late.append(&mut losing);
    }

    /// Adds the steps on a role of the desired state that come after its restrictions.
    fn set_role(&mut self, name: &Name, want: &Role, observed: &State) {
        if let Some(have) = kept(observed, name, want) {
            let is_set = |step: &Step| matches!(step, Step::SetTrust { role, .. } if role == name);
            let is_trust_set = self.early.iter().any(is_set);
            let (first, then) = grants(name, want, have);
            self.early.extend(first);
            self.late.extend(then);
            self.late.extend(openings(name, want, have, is_trust_set));
            self.last.extend(untag(name, want, have));
            return;
        }
        if let Some(have) = observed.roles.get(name) {
            self.early.extend(teardown(name, have));
        }
        let made = want.bare();
        self.early.push(Step::CreateRole { role: name.clone(), made: made.clone() });
        let (first, then) = grants(name, want, &made);
        self.early.extend(first.into_iter().chain(then));
    }
}

/// The observed role, if it can stay. A role with another path can't: IAM fixes the path at creation.
fn kept<'a>(observed: &'a State, name: &Name, want: &Role) -> Option<&'a Role> {
    observed.roles.get(name).filter(|have| have.path == want.path)
}

/// The steps that must precede any grant on a role that stays.
fn restrictions(role: &Name, want: &Role, have: &Role) -> Vec<Step> {
    let role = || role.clone();
    let mut steps = Vec::new();
    let (add, drop) = tag_changes(&want.tags, &have.tags);
    if !drop.is_empty() && crowded_tags(&want.tags, &have.tags) {
        steps.push(Step::UntagRole { role: role(), keys: drop });
    }
    if !add.is_empty() {
        steps.push(Step::TagRole { role: role(), tags: add });
    }
    if let Some(arn) = &want.boundary
        && want.boundary != have.boundary
    {
        steps.push(Step::SetBoundary { role: role(), arn: arn.clone() });
    }
    if want.trust != have.trust && want.trust.narrows(&have.trust) {
        steps.push(Step::SetTrust { role: role(), trust: want.trust.clone() });
    }
    steps
}

/// When the document of the policy is set.
///
/// It is not the first one if it loses a statement, and the statement may move to another policy of the same role. That
/// policy is still to be created, changed or attached. A larger grant is split into more policies, for one.
fn turn(arn: &str, desired: &State, observed: &State) -> Turn {
    let (Some(want), Some(have)) = (desired.policies.get(arn), observed.policies.get(arn)) else { return Turn::First };
    if want.document.has_statements_of(&have.document) {
        return Turn::First;
    }
    let is_due = |role: &Name, other: &String| {
        let wanted = desired.policies.get(other).map(|policy| &policy.document);
        let differs = wanted != observed.policies.get(other).map(|policy| &policy.document);
        let is_attached = observed.roles.get(role).is_some_and(|role| role.attached.contains(other));
        other != arn && wanted.is_some() && (differs || !is_attached)
    };
    let mut roles = desired.roles.iter().filter(|(_, role)| role.attached.contains(arn));
    if !roles.any(|(name, role)| role.attached.iter().any(|other| is_due(name, other))) {
        Turn::First
    } else if have.document.has_statements_of(&want.document) {
        Turn::Last
    } else {
        Turn::Second
    }
}

/// The steps that change what the role may do, and its details. The second list removes what the role was granted, after
/// all policies have what they gain.
fn grants(role: &Name, want: &Role, have: &Role) -> (Vec<Step>, Vec<Step>) {
    let role = || role.clone();
    let (mut steps, mut last) = (Vec::new(), Vec::new());

    let attach = want.attached.difference(&have.attached).map(|arn| Step::Attach { role: role(), arn: arn.clone() });
    let detach = have.attached.difference(&want.attached).map(|arn| Step::Detach { role: role(), arn: arn.clone() });
    let size_before = |name: &String| have.inline.get(name).map_or(0, Document::size);
    let changed = want.inline.iter().filter(|(name, document)| have.inline.get(*name) != Some(document));
    let mut changed: Vec<_> = changed.collect();
    // Policies that shrink come first, because they make room for those that grow.
    changed.sort_by_key(|(name, document)| document.size() > size_before(name));
    let put = changed.into_iter().map(|(name, document)| Step::PutInline {
        role: role(),
        name: name.clone(),
        document: document.clone(),
    });
    let gone = have.inline.keys().filter(|name| !want.inline.contains_key(*name));
    let delete = gone.map(|name| Step::DeleteInline { role: role(), name: name.clone() });
    // Additions come before removals, so that a role in use never lacks a grant that it keeps under another name.
    // What others gave the role is removed only after the rest has worked. The order is reversed where the old and the
    // new policies together would exceed a quota.
    let names: BTreeSet<_> = have.inline.keys().chain(want.inline.keys()).collect();
    let size_after = |name: &String| want.inline.get(name).map_or(0, Document::size);
    let together: usize = names.into_iter().map(|name| size_before(name).max(size_after(name))).sum();
    let crowded =
        want.attached.union(&have.attached).count() > MANAGED_POLICIES_PER_ROLE || together > INLINE_SIZE_PER_ROLE;
    if crowded {
        steps.extend(detach.chain(delete).chain(attach).chain(put));
    } else {
        steps.extend(attach.chain(put));
        last.extend(detach.chain(delete));
    }

    if (&want.description, want.max_session_duration) != (&have.description, have.max_session_duration) {
        steps.push(Step::SetDetails {
            role: role(),
            description: want.description.clone(),
            max_session_duration: want.max_session_duration,
        });
    }
    (steps, last)
}

/// The steps that open a role that stays to others: a wider trust policy, and the removal of its boundary.
///
/// `is_trust_set` says that an earlier step sets the trust policy already.
fn openings(role: &Name, want: &Role, have: &Role, is_trust_set: bool) -> Vec<Step> {
    let role = || role.clone();
    let mut steps = Vec::new();
    if want.trust != have.trust && !is_trust_set {
        steps.push(Step::SetTrust { role: role(), trust: want.trust.clone() });
    }
    if want.boundary.is_none() && have.boundary.is_some() {
        steps.push(Step::RemoveBoundary { role: role() });
    }
    steps
}

fn teardown(role: &Name, have: &Role) -> Vec<Step> {
    let profiles = have.instance_profiles.iter();
    profiles
        .map(|profile| Step::RemoveFromInstanceProfile { role: role.clone(), profile: profile.clone() })
        .chain(have.attached.iter().map(|arn| Step::Detach { role: role.clone(), arn: arn.clone() }))
        .chain(have.inline.keys().map(|name| Step::DeleteInline { role: role.clone(), name: name.clone() }))
        .chain([Step::DeleteRole { role: role.clone() }])
        .collect()
}

fn untag(role: &Name, want: &Role, have: &Role) -> Option<Step> {
    let (_, keys) = tag_changes(&want.tags, &have.tags);
    let due = !keys.is_empty() && !crowded_tags(&want.tags, &have.tags);
    due.then(|| Step::UntagRole { role: role.clone(), keys })
}

/// Whether the old and the new tags together would exceed the quota, so that the old tags have to be removed first.
///
/// The ownership tags are never among the tags removed first: they are removed only where no tag is added.
fn crowded_tags(want: &Tags, have: &Tags) -> bool {
    want.keys().chain(have.keys()).collect::<BTreeSet<_>>().len() > TAGS_PER_ENTITY
}

fn tag_changes(want: &Tags, have: &Tags) -> (Tags, BTreeSet<String>) {
    let add = want.iter().filter(|(key, value)| have.get(*key) != Some(value));
    let drop = have.keys().filter(|key| !want.contains_key(*key));
    (add.map(|(k, v)| (k.clone(), v.clone())).collect(), drop.cloned().collect())
}
