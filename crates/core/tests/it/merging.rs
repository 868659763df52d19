//! Tests of grants that are larger than a policy: statements share out their actions and resources.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::quota::POLICY_SIZE;
use mlops_roles_core::permissions::documents::documents;
use mlops_roles_core::permissions::integration::required::Grant;

use crate::machines::{allowed, grants};

/// APIs of EC2 that only read, one a line.
const EC2: &str = include_str!("ec2-apis.txt");

fn grant(actions: BTreeSet<String>, resources: BTreeSet<String>) -> Grant {
    Grant { state: "Call".to_owned(), actions, resources, condition: None, wildcards: BTreeMap::new() }
}

/// Whether the documents fit and allow each action of the grant on each of its resources, and nothing else.
fn is_shared_out(documents: &[Document], grant: &Grant) -> bool {
    let actions: Vec<&str> = grant.actions.iter().map(String::as_str).collect();
    let allowed: BTreeSet<_> = documents.iter().flat_map(|document| document.allowed(&actions)).collect();
    let on_each = |action| grant.resources.iter().map(move |resource| (String::clone(action), resource.clone()));
    let asked: BTreeSet<_> = grant.actions.iter().flat_map(on_each).collect();
    allowed == asked && documents.iter().all(|document| document.size() <= POLICY_SIZE)
}

#[test]
fn many_apis_of_one_machine_are_shared_out_over_statements() {
    let states: Map<String, Value> = EC2
        .lines()
        .map(|api| {
            let resource = format!("arn:aws:states:::aws-sdk:ec2:{api}");
            (api.to_owned(), json!({ "Type": "Task", "Resource": resource, "Parameters": {} }))
        })
        .collect();
    assert_eq!(states.len(), 230);
    let grants = grants(&json!({ "StartAt": "describeAccountAttributes", "States": states }));
    let documents = documents(&grants).unwrap();
    assert!(documents.len() > 1, "the actions alone are larger than a policy");
    assert!(documents.iter().all(|document| document.size() <= POLICY_SIZE));
    assert!(grants.iter().all(|grant| allowed(&documents, grant)));
}

#[test]
fn many_actions_on_many_resources_fit_the_policies_of_a_role() {
    let actions = EC2.lines().map(|api| format!("ec2:{api}")).collect();
    let resources = (0..100).map(|i| format!("arn:aws:ec2:us-east-1:123456789012:instance/i-{i:017}")).collect();
    let grant = grant(actions, resources);
    let documents = documents(std::slice::from_ref(&grant)).unwrap();
    assert!(is_shared_out(&documents, &grant));
    assert!(documents.len() <= 10, "{}", documents.len());
}

#[test]
fn one_action_on_one_resource_that_is_larger_than_a_policy_is_refused_with_its_size() {
    let actions = EC2.lines().map(|api| format!("ec2:{api}")).collect();
    let resource = format!("arn:aws:ec2:us-east-1:123456789012:instance/{}", "i".repeat(6_100));
    let why = documents(&[grant(actions, [resource].into())]).unwrap_err().to_string();
    assert!(why.starts_with("one statement would have 6"), "{why}");
}

/// A grant of one action on resources with about this many characters.
fn sized(number: usize, characters: usize) -> Grant {
    let resources = (0..characters / 100).map(|i| format!("arn:aws:sqs:us-east-1:123456789012:{number:03}{i:065}"));
    Grant {
        condition: Some(json!({ "Bool": { number.to_string(): "true" } })),
        ..grant([format!("sqs:{number}")].into(), resources.collect())
    }
}

#[test]
fn statements_that_fit_side_by_side_share_a_policy() {
    // In their order each large one would need a policy of its own.
    let grants: Vec<Grant> =
        [3_600, 3_600, 3_600, 1_600, 1_600, 1_600].into_iter().enumerate().map(|(i, size)| sized(i, size)).collect();
    assert_eq!(documents(&grants).unwrap().len(), 3);
}

#[test]
fn a_statement_is_cut_where_that_saves_a_policy() {
    let grants: Vec<Grant> = (0..5).map(|i| sized(i, 4_200)).collect();
    assert_eq!(documents(&grants).unwrap().len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_action_is_allowed_on_every_resource_whatever_the_sizes(
        actions in prop::collection::btree_set("[a-z]{2,8}:[A-Z][a-zA-Z]{5,60}", 1..200),
        resources in prop::collection::btree_set("arn:aws:sqs:us-east-1:123456789012:[a-z]{1,500}", 1..60),
    ) {
        let grant = grant(actions, resources);
        let documents = documents(std::slice::from_ref(&grant)).unwrap();
        prop_assert!(is_shared_out(&documents, &grant));
    }

    /// A policy that is full lacks room for at most one more resource and the rest of its statement.
    #[test]
    fn there_are_as_few_policies_as_the_sizes_allow(sizes in prop::collection::vec(100..9_000_usize, 1..20)) {
        let grants: Vec<Grant> = sizes.iter().enumerate().map(|(i, size)| sized(i, *size)).collect();
        let documents = documents(&grants).unwrap();
        let characters: usize = documents.iter().map(Document::size).sum();
        prop_assert!(documents.len() <= characters.div_ceil(POLICY_SIZE - 400), "{} in {characters}", documents.len());
    }
}
