//! Keeps text out of the grants that IAM can't store in a policy.
//!
//! A policy may have the characters U+0020 to U+00FF. The keys of objects in S3 may have others, and the names of other
//! resources may not. <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>

use std::collections::BTreeSet;

use serde_json::Value;

use crate::permissions::integration::required::RequiredPermissions;

/// Puts wildcards in place of the characters in keys of objects that IAM can't store, with a reason.
///
/// Each other grant with such characters is refused for new resources and left out for existing ones.
pub(super) fn make_storable(required: &mut RequiredPermissions) {
    let RequiredPermissions { grants, tightened, .. } = required;
    let mut refused_grants = BTreeSet::new();
    for (place, grant) in grants.iter_mut().enumerate() {
        for arn in grant.resources.iter().filter(|arn| !is_storable(arn)).cloned().collect::<Vec<_>>() {
            // The key follows the bucket, or the access point.
            let object = arn.split_once("/object/");
            let object = object.or_else(|| arn.split_once('/')).filter(|(bucket, _)| bucket.contains(":s3:"));
            if object.is_some_and(|(bucket, _)| is_storable(bucket)) {
                let stored = with_wildcards(&arn);
                grant.resources.remove(&arn);
                let why = grant.wildcards.remove(&arn);
                let why = why.unwrap_or_else(|| "a policy can't have all characters of the key".to_owned());
                grant.wildcards.insert(stored.clone(), why);
                grant.resources.insert(stored);
            } else {
                tightened.push(refused(&grant.state, &arn));
                refused_grants.insert(place);
            }
        }
        let Some(condition) = grant.condition.as_mut().filter(|condition| !is_storable(&condition.to_string())) else {
            continue;
        };
        if let Some(Value::String(prefix)) = condition.pointer_mut("/StringLike/s3:prefix/0") {
            *prefix = with_wildcards(prefix);
            let why = "a policy can't have all characters of the prefix, so the condition has wildcards";
            let buckets = grant.resources.iter().map(|bucket| (bucket.clone(), why.to_owned()));
            grant.wildcards.extend(buckets.collect::<Vec<_>>());
        } else {
            tightened.push(refused(&grant.state, &condition.to_string()));
            refused_grants.insert(place);
        }
    }
    // A policy with such text can't be created, so an existing resource has no use for the grant.
    let mut place = 0;
    grants.retain(|_| {
        place += 1;
        !refused_grants.contains(&(place - 1))
    });
}

fn refused(state: &str, text: &str) -> String {
    format!("state `{state}`: found `{text}`, expected only characters that a policy can have, U+0020 to U+00FF")
}

fn is_storable(text: &str) -> bool {
    text.chars().all(may_have)
}

/// Whether a policy may have the character.
fn may_have(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')
}

/// The text with one wildcard in place of each run of characters that a policy can't have.
fn with_wildcards(text: &str) -> String {
    let mut stored = String::new();
    for c in text.chars() {
        match c {
            c if may_have(c) => stored.push(c),
            _ if stored.ends_with('*') => {}
            _ => stored.push('*'),
        }
    }
    stored
}
