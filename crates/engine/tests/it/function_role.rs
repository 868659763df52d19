//! Tests what the function's own role allows, as `iam-rs` evaluates it.
//!
//! `function_role.json` holds its policies as `template.yaml` deploys them; `tests/e2e/test_power.py` compares the two.
//! It also holds calls: action, resource, context, and whether the role allows the call.

use std::collections::BTreeMap;

use serde_json::Value;

use mlops_roles_testkit::account::simulator::allows;

#[test]
fn the_role_of_the_function_allows_what_it_is_for_and_nothing_beside() {
    let file: Value = serde_json::from_str(include_str!("../../../../tests/data/function_role.json")).unwrap();
    let policies: Vec<Value> = file["policies"].as_object().unwrap().values().cloned().collect();
    let calls: Vec<(String, String, BTreeMap<String, Value>, bool)> =
        serde_json::from_value(file["asked"].clone()).unwrap();
    assert!(calls.iter().filter(|call| call.3).count() > 10 && calls.iter().filter(|call| !call.3).count() > 10);
    let wrong: Vec<_> = calls.iter().filter(|(a, r, context, is)| allows(&policies, a, r, context) != *is).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
