//! Derives the required permissions of a state machine: those of each state, and those of its features.

use std::collections::BTreeSet;

use crate::guardrails::boundary::BoundaryDenies;
use crate::permissions::asl::Machine;
use crate::permissions::data_keys::required_by_data_keys;
use crate::permissions::distributed_map::required_by_map;
use crate::permissions::features::{Features, required_by_features};
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::required::{Grant, RequiredPermissions, taken};
use crate::permissions::integration::required_by;
use crate::permissions::integration::task_resources::{TaskResources, Use};
use crate::permissions::storable::make_storable;

/// Derives the required permissions of a state machine. The result also has the errors found on the way.
pub fn derive(machine: &Machine, features: &Features, context: DeriveContext<'_>) -> RequiredPermissions {
    let mut required = RequiredPermissions { tightened: machine.tightened.clone(), ..RequiredPermissions::default() };
    // The states with an error. The derivation stops at an error, so it did not check whether their overrides fit.
    let mut failed = BTreeSet::new();
    for task in &machine.tasks {
        let (before, errors) = (required.grants.len(), required.errors.len());
        required_by(task, context, &mut required);
        if required.errors.len() > errors {
            failed.insert(&task.path);
        }
        let actions = required.grants.iter().skip(before).flat_map(|grant| &grant.actions);
        let overrides = actions.flat_map(|action| {
            let members = BoundaryDenies::Standard.members(action).filter(|member| task.arguments.shows(member));
            members.map(|member| (task.path.clone(), action.clone(), member))
        });
        let overrides: Vec<_> = overrides.collect();
        required.overrides.extend(overrides);
    }
    for map in &machine.maps {
        let errors = required.errors.len();
        required_by_map(map, features, context, &mut required);
        if required.errors.len() > errors {
            failed.insert(&map.path);
        }
    }
    required_by_features(features, context.place, &mut required);
    required_by_data_keys(features.data_keys.as_deref(), &mut required);
    let known = |path: &&String| {
        machine.tasks.iter().any(|task| task.path == **path) || machine.maps.iter().any(|map| map.path == **path)
    };
    for (path, told) in context.overrides {
        if !known(&path) {
            required.errors.push(format!(
                "`ResourceOverrides`: found `{path}`, expected the path of a task or of a distributed map"
            ));
        } else if !failed.contains(path) {
            idle(path, told, &mut required);
        }
    }
    for (path, declared) in context.resources {
        if !known(&path) {
            required
                .errors
                .push(format!("`TaskResources`: found `{path}`, expected the path of a task or of a distributed map"));
        } else if !failed.contains(path) {
            unneeded(path, declared, &mut required);
        }
    }
    for path in context.actions.keys().filter(|path| !required.declared.contains(*path)) {
        required.tightened.push(format!(
            "`TaskActions`: found `{path}`, expected the path of a task with an API that the function does not know"
        ));
    }
    make_storable(&mut required);
    let mut seen = BTreeSet::new();
    required.errors.retain(|error| seen.insert(error.clone()));
    required.tightened.retain(|error| seen.insert(error.clone()));
    required
}

/// Reports what `TaskResources` declares and no need of the state takes. Otherwise it would be ignored in silence.
///
/// A need of an earlier version may be gone, so the rule spares existing resources.
fn unneeded(path: &str, declared: &TaskResources, required: &mut RequiredPermissions) {
    let arns = |used, list| declared.arns(used).iter().map(move |arn| (used, list, arn.as_str(), ""));
    let roles = declared.all_roles().iter();
    let roles = roles.map(|one| (Use::PassRole, "PassRoles", one.role.as_str(), one.service.as_str()));
    for (used, list, arn, service) in arns(Use::Read, "Read").chain(arns(Use::Write, "Write")).chain(roles) {
        if !required.taken.contains(&taken(path, used, arn, service)) {
            let what = if service.is_empty() { format!("`{arn}`") } else { format!("`{arn}` for `{service}`") };
            required.tightened.push(format!(
                "`TaskResources`: {what} in `{list}` fits no need of state `{path}` that its definition leaves open; \
                 correct or remove it"
            ));
        }
    }
}

/// Reports each ARN in `ResourceOverrides` that replaces no wildcard. Otherwise it would be ignored in silence.
///
/// A wildcard of an earlier version may be gone, so the rule spares existing resources.
fn idle(path: &str, told: &[String], required: &mut RequiredPermissions) {
    let taken = |arn: &String| {
        let condition_has = |grant: &Grant| grant.condition.as_ref().is_some_and(|one| one.to_string().contains(arn));
        let grants = required.grants.iter().filter(|grant| grant.state == path);
        grants.into_iter().any(|grant| grant.resources.contains(arn) || condition_has(grant))
            || required
                .pass_role_grants
                .iter()
                .any(|pass_role_grant| pass_role_grant.state == path && pass_role_grant.role == *arn)
    };
    let idle: Vec<String> = told.iter().filter(|arn| !taken(arn)).map(|arn| format!("`{arn}`")).collect();
    if !idle.is_empty() {
        let (verb, what) = if idle.len() == 1 { ("matches", "it") } else { ("match", "them") };
        required.tightened.push(format!(
            "`ResourceOverrides`: {} {verb} no wildcard or role of state `{path}` that is known only at run time; \
             correct or remove {what}",
            idle.join(", "),
        ));
    }
}
