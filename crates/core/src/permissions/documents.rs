//! Merges grants into policy documents that fit the quotas of IAM.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::iam::document::{Document, json};
use crate::iam::quota::POLICY_SIZE;
use crate::permissions::integration::required::{Grant, PassRoleGrant};

/// A statement of one action on one resource is larger than a policy may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "one statement would have {size} characters, and IAM allows {most} in a policy; shorten the names of the resources",
    most = POLICY_SIZE
)]
pub struct StatementTooLarge {
    /// The size of a policy with the statement alone, in characters.
    pub size: usize,
}

/// The characters that a policy document has around its statements, rounded up.
const AROUND: usize = 40;

/// Merges grants into policy documents, sorted and without repetition. The list is empty if there are no grants.
///
/// Each document fits IAM's quota for a managed policy, `POLICY_SIZE` characters.
///
/// # Errors
/// Fails if a statement of one action on one resource is larger than the quota.
pub fn documents(grants: &[Grant]) -> Result<Vec<Document>, StatementTooLarge> {
    let mut by_place: BTreeMap<(String, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
    let condition = |grant: &Grant| grant.condition.as_ref().map_or_else(String::new, Value::to_string);
    for grant in grants {
        let key = (condition(grant), without_covered(&grant.resources));
        by_place.entry(key).or_default().extend(grant.actions.clone());
    }
    let mut by_actions: BTreeMap<(String, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
    for ((condition, resources), actions) in by_place {
        by_actions.entry((condition, actions)).or_default().extend(resources);
    }
    let mut parts = Vec::new();
    let merged: Vec<_> = by_actions.into_iter().map(|(key, resources)| (key, without_covered(&resources))).collect();
    for ((condition, actions), resources) in &merged {
        for actions in shared_actions(condition, actions, resources)? {
            parts.push(Part { condition, actions, resources: resources.iter().collect() });
        }
    }
    let (whole, cut) = (packed(&parts), filled(&parts));
    let fewest = if cut.len() < whole.len() { cut } else { whole };
    Ok(fewest.into_iter().map(|parts| Document::from_statements(parts.iter().map(Part::statement).collect())).collect())
}

/// A part of the merged grants: a statement, if it is small enough for a document.
#[derive(Clone)]
struct Part<'a> {
    condition: &'a str,
    actions: Vec<&'a String>,
    resources: Vec<&'a String>,
}

impl Part<'_> {
    fn statement(&self) -> Value {
        statement(self.condition, &self.actions, &self.resources)
    }

    /// The characters of the statement without its resources.
    fn frame(&self) -> usize {
        let actions = self.actions.iter().map(|action| listed(action)).sum::<usize>();
        length(&statement(self.condition, &[], &[])) + actions
    }

    /// The characters of the statement in a document, with its comma.
    fn size(&self) -> usize {
        self.frame() + self.resources.iter().map(|resource| listed(resource)).sum::<usize>()
    }

    /// Splits off the first resources that fit the room. Returns `None` if not even one fits.
    fn split_off(&mut self, room: usize) -> Option<Self> {
        let mut left = room.checked_sub(self.frame())?;
        let fits = |resource: &&&String| {
            left.checked_sub(listed(resource)).is_some_and(|rest| {
                left = rest;
                true
            })
        };
        let count = self.resources.iter().take_while(fits).count();
        let rest = self.resources.split_off(count);
        let first = Self { resources: std::mem::replace(&mut self.resources, rest), ..self.clone() };
        (count > 0).then_some(first)
    }
}

/// Puts the parts into documents so that few of them are cut: the largest first, each into the first with room for it.
fn packed<'a>(parts: &[Part<'a>]) -> Vec<Vec<Part<'a>>> {
    let mut pieces: Vec<(usize, usize, Part<'a>)> = Vec::new();
    for part in parts {
        let mut part = part.clone();
        while let Some(piece) = part.split_off(POLICY_SIZE - AROUND) {
            pieces.push((piece.size(), pieces.len(), piece));
        }
    }
    pieces.sort_by_key(|(size, place, _)| (std::cmp::Reverse(*size), *place));
    let mut documents: Vec<(usize, Vec<(usize, Part<'a>)>)> = Vec::new();
    for (size, place, piece) in pieces {
        match documents.iter_mut().find(|(used, _)| used + size <= POLICY_SIZE) {
            Some((used, pieces)) => {
                *used += size;
                pieces.push((place, piece));
            }
            None => documents.push((AROUND + size, vec![(place, piece)])),
        }
    }
    let mut documents: Vec<_> = documents.into_iter().map(|(_, pieces)| pieces).collect();
    for pieces in &mut documents {
        pieces.sort_by_key(|(place, _)| *place);
    }
    documents.sort_by_key(|pieces| pieces.first().map(|(place, _)| *place));
    documents.into_iter().map(|pieces| pieces.into_iter().map(|(_, piece)| piece).collect()).collect()
}

/// Puts the parts into documents so that each document is full, in their order: cuts a part where a document ends.
fn filled<'a>(parts: &[Part<'a>]) -> Vec<Vec<Part<'a>>> {
    let (mut documents, mut used) = (vec![Vec::new()], AROUND);
    for part in parts {
        let mut part = part.clone();
        while !part.resources.is_empty() {
            if let (Some(piece), Some(document)) = (part.split_off(POLICY_SIZE - used), documents.last_mut()) {
                used += piece.size();
                document.push(piece);
            } else {
                // Each part fits an empty document with at least one of its resources: see `shared_actions`.
                documents.push(Vec::new());
                used = AROUND;
            }
        }
    }
    documents.retain(|document| !document.is_empty());
    documents
}

/// The resources that no other resource of the set covers with a wildcard at its end.
fn without_covered(resources: &BTreeSet<String>) -> BTreeSet<String> {
    let mut stems: Vec<(&str, bool, &String)> = resources
        .iter()
        .map(|one| one.strip_suffix('*').map_or((one.as_str(), true, one), |stem| (stem, false, one)))
        .collect();
    // Sorting puts resources with the same beginning side by side, the shortest first, and `churn*` before `churn`.
    stems.sort_unstable();
    let mut beginning: Option<&str> = None;
    stems.retain(|(stem, exact, _)| {
        if beginning.is_some_and(|beginning| stem.starts_with(beginning)) {
            return false;
        }
        if !exact && !stem.contains(['*', '?']) {
            beginning = Some(stem);
        }
        true
    });
    stems.into_iter().map(|(_, _, one)| one.clone()).collect()
}

/// Shares out the actions over statements, each small enough for a document beside any one of the resources.
///
/// # Errors
/// Fails if a statement of one action on one resource is larger than a policy.
fn shared_actions<'a>(
    condition: &str,
    actions: &'a BTreeSet<String>,
    resources: &BTreeSet<String>,
) -> Result<Vec<Vec<&'a String>>, StatementTooLarge> {
    let largest = |items: &BTreeSet<String>| items.iter().map(|item| listed(item)).max().unwrap_or_default();
    let total = |items: &BTreeSet<String>| items.iter().map(|item| listed(item)).sum::<usize>();
    let frame = AROUND + length(&statement(condition, &[], &[]));
    let one_resource = largest(resources);
    let size = frame + largest(actions) + one_resource;
    if size > POLICY_SIZE {
        return Err(StatementTooLarge { size });
    }
    let room = POLICY_SIZE - frame;
    if total(actions) + one_resource <= room {
        return Ok(vec![actions.iter().collect()]);
    }
    // Shared actions leave up to half of the room to the resources. Otherwise many resources would repeat them often.
    let beside = one_resource.max(total(resources).min(room / 2));
    Ok(shares(actions, room - beside))
}

/// Shares the items out in their order. The items of a share have at most `room` characters with their commas, except
/// that a share has at least one item.
fn shares(items: &BTreeSet<String>, room: usize) -> Vec<Vec<&String>> {
    let (mut shares, mut size) = (vec![Vec::new()], 0);
    for item in items {
        let more = listed(item);
        if size > 0 && size + more > room {
            shares.push(Vec::new());
            size = 0;
        }
        size += more;
        shares.last_mut().into_iter().for_each(|share| share.push(item));
    }
    shares
}

fn statement(condition: &str, actions: &[&String], resources: &[&String]) -> Value {
    let mut statement = Map::from_iter([
        ("Effect".to_owned(), Value::from("Allow")),
        ("Action".to_owned(), actions.iter().map(|action| action.as_str()).collect()),
        ("Resource".to_owned(), resources.iter().map(|resource| resource.as_str()).collect()),
    ]);
    if !condition.is_empty() {
        statement.insert("Condition".to_owned(), serde_json::from_str(condition).unwrap_or_default());
    }
    Value::Object(statement)
}

/// The characters of an item of a list in a statement, with its comma.
fn listed(item: &str) -> usize {
    length(&Value::from(item)) + 1
}

/// The length of a statement in characters, as IAM counts them: without white space.
fn length(statement: &Value) -> usize {
    json(statement).chars().filter(|c| !c.is_whitespace()).count()
}

/// The policy document that allows `iam:PassRole` for each service and its roles. `None` if there are no roles to pass.
pub fn pass_role(pass_role_grants: &[PassRoleGrant]) -> Option<Document> {
    let mut by_roles: BTreeMap<BTreeSet<&String>, BTreeSet<&String>> = BTreeMap::new();
    let services: BTreeSet<&String> = pass_role_grants.iter().map(|pass_role_grant| &pass_role_grant.service).collect();
    for service in services {
        let roles = pass_role_grants
            .iter()
            .filter(|pass_role_grant| pass_role_grant.service == *service)
            .map(|pass_role_grant| &pass_role_grant.role);
        by_roles.entry(roles.collect()).or_default().insert(service);
    }
    let statements = by_roles.into_iter().map(|(roles, services)| {
        json!({
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": roles,
            "Condition": { "StringEquals": { "iam:PassedToService": services } },
        })
    });
    let statements: Vec<Value> = statements.collect();
    (!statements.is_empty()).then(|| Document::from_statements(statements))
}
