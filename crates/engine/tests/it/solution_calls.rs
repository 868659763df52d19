//! Tests what the published solutions call with the roles of the sets (`role_sets/solution_calls.json`), in both forms,
//! and that an Update gives an existing set what was added.
//!
//! The calls are those of the Lambda code, the build scripts and the templates of amazon-sagemaker-secure-mlops, and of
//! Bridge. Some are calls of AWS's own project templates, by AWS's managed policy.

use std::collections::BTreeMap;

use mlops_roles_core::catalog;
use mlops_roles_core::catalog::{RoleSet, Statement};
use mlops_roles_core::iam::arn::Place;
use mlops_roles_testkit::account::{ACCOUNT, Books};
use mlops_roles_testkit::role_sets::{asking, of_type, stage};
use mlops_roles_testkit::stage::{create, update};
use serde_json::{Value, json};

use crate::role_sets::catalog::every_statement;
use crate::role_sets::permissions::SetCall;
use crate::role_sets::{asked, file, normal, spec};

#[test]
fn each_call_of_the_published_solutions_is_allowed_or_has_its_reason() {
    let calls: BTreeMap<String, BTreeMap<String, Vec<SetCall>>> =
        serde_json::from_value(file("solution_calls.json")).unwrap();
    let sets = asked();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (set, roles) in &calls {
        let (kind, properties) = &sets[set];
        for fidelity in ["AsPublished", "Narrowed"] {
            let spec = spec(kind, &asking(properties, json!({ "Fidelity": fidelity }))).unwrap();
            for (name, call) in roles.iter().flat_map(|(name, calls)| calls.iter().map(move |call| (name, call))) {
                count += 1;
                assert!(call.from.as_ref().is_some_and(|file| !file.is_empty()), "{call:?}");
                let allowed = ["AsPublished", "Narrowed"].into_iter().all(|form| call.is_expected(form));
                assert_eq!(call.why.is_none(), allowed, "a denied call has its reason: {call:?}");
                if call.is_allowed(&spec, name) != call.is_expected(fidelity) {
                    wrong.push(format!("{set}, {name}, {fidelity}: {call:?}"));
                }
            }
        }
    }
    assert!(count > 900, "{count} calls");
    assert!(wrong.is_empty(), "{} of {count} calls:\n{}", wrong.len(), wrong.join("\n"));
}

/// The statements of the set that its source lacks, in normal form, for a resource with these properties.
fn added(set: &RoleSet, properties: &Value) -> Vec<Value> {
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: ACCOUNT.into() };
    let mut values = catalog::values_of(&place);
    for parameter in &set.parameters {
        let given = properties[&parameter.name].as_str().map(str::to_owned);
        let value = given.or_else(|| catalog::filled(parameter.default.as_deref()?, &values));
        values.extend(value.map(|value| (parameter.name.clone(), value)));
    }
    let added: Vec<&Statement> = every_statement(set).filter(|one| one.added).collect();
    let of_iam = added.iter().flat_map(|one| catalog::of_iam(std::slice::from_ref(*one), &values, false));
    let of_iam: Vec<Value> = of_iam.collect();
    assert!(of_iam.len() >= added.len(), "a statement has no value for a placeholder: {of_iam:?}");
    normal(&json!({ "Version": "2012-10-17", "Statement": of_iam }))["Statement"].as_array().unwrap().clone()
}

/// Takes the statements from the document. Returns how many it took.
fn take(document: &mut Value, statements: &[Value]) -> usize {
    *document = normal(document);
    let held = document["Statement"].as_array_mut().unwrap();
    let before = held.len();
    held.retain(|one| !statements.contains(one));
    before - held.len()
}

#[tokio::test(start_paused = true)]
async fn an_update_gives_an_existing_set_the_statements_that_it_lacks() {
    let mut without_any = Vec::new();
    for (name, (kind, properties)) in asked() {
        let set = catalog::role_set(name.split(' ').next().unwrap()).unwrap();
        let added = added(set, &properties);
        if added.is_empty() {
            without_any.push(name);
            continue;
        }
        let old = asking(&properties, json!({}));
        let made_on = stage(Books::default());
        let made = made_on.send(&of_type(create(&old), kind)).await.success();
        let complete = made_on.fake.books();
        // What an earlier version made had the other statements alone.
        let mut earlier = complete.clone();
        let of_roles = earlier.roles.values_mut().flat_map(|role| role.inline.values_mut().chain([&mut role.trust]));
        let of_policies = earlier.policies.values_mut().flat_map(|policy| policy.versions.values_mut());
        let taken: usize = of_roles.chain(of_policies).map(|document| take(document, &added)).sum();
        assert_eq!(taken, added.len(), "{name}: each added statement is in one document");
        assert_ne!(earlier.meaning(), complete.meaning(), "{name}");
        let existing = stage(earlier);
        let new = asking(&old, json!({ "Revision": "2" }));
        let updated = existing.send(&of_type(update(made.id(), &new, &old), kind)).await.success();
        assert_eq!(updated.id(), made.id(), "{name}: it is the same resource");
        assert_eq!(existing.fake.books().meaning(), complete.meaning(), "{name}");
    }
    assert_eq!(without_any, ["SetupStackSetExecution"]);
}
