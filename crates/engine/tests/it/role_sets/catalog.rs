//! Tests the files of the catalog: the statements of each set, and what they are narrowed to.

use std::collections::BTreeSet;

use serde_json::Value;

use mlops_roles_core::catalog::{RoleSet, Statement};
use mlops_roles_core::{catalog, resource};

use mlops_roles_testkit::repository;

use super::texts;

/// The reserved names are those that a trust policy of the catalogue trusts by name alone.
#[test]
fn the_names_that_are_reserved_are_those_that_published_trusts_match() {
    let mut trusted = BTreeSet::new();
    for name in catalog::names() {
        let set = catalog::role_set(name).unwrap();
        for parameter in &set.parameters {
            trusted.extend(parameter.otherwise.clone());
        }
        for statement in set.roles.values().flat_map(|role| &role.trust) {
            for one in statement.of_iam(false) {
                let arns = one["Condition"]["ArnLike"]["aws:PrincipalArn"].clone();
                for arn in texts(&arns).into_iter().map(|arn| arn.rsplit(":role/").next().unwrap().to_owned()) {
                    let parameter = set.parameters.iter().find(|parameter| arn == format!("${{{}}}", parameter.name));
                    assert!(parameter.is_some_and(|one| one.otherwise.is_some()), "{name}: {arn} is no name");
                }
            }
        }
    }
    let reserved: BTreeSet<String> = resource::reserved::TRUSTED_ELSEWHERE.map(str::to_owned).into();
    assert_eq!(trusted, reserved);
}

/// Every statement of the set, also those of trust policies.
pub fn every_statement(set: &RoleSet) -> impl Iterator<Item = &Statement> {
    let of_roles = set.roles.values().flat_map(|role| role.trust.iter().chain(role.inline.values().flatten()));
    of_roles.chain(set.policies.values().flat_map(|policy| &policy.statements))
}

#[test]
fn the_files_of_the_catalogue_hold_together() {
    let folder = repository().join("crates/core/src/catalog");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert_eq!(files.count(), catalog::names().count(), "a file without its line");
    for name in catalog::names() {
        let set = catalog::role_set(name).unwrap();
        for statement in every_statement(set) {
            let is_changed = statement.narrowed.is_some() || statement.added;
            assert!(!is_changed || statement.why.is_some(), "{name}: what is changed says why: {statement:?}");
        }
        let parameters: BTreeSet<&str> = set.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let policies = set.policies.values().map(|policy| &policy.when);
        let whens = set.roles.values().map(|role| &role.when).chain(policies);
        for when in whens.chain(every_statement(set).map(|statement| &statement.when)) {
            assert!(when.keys().all(|name| parameters.contains(name.as_str())), "{name}: {when:?}");
        }
    }
}

/// Whether every text of the narrow document is within some text of the wide document.
fn within(narrow: &Value, wide: &Value) -> bool {
    let wide = texts(wide);
    texts(narrow).iter().all(|text| wide.iter().any(|pattern| mlops_roles_core::iam::arn::matches(pattern, text)))
}

/// The actions that a published `Deny` has and its narrowed form has not. Without them, the role may do more.
const SPARED: [&str; 1] = ["sagemaker:CreateCompilationJob"];

/// This test can't be blessed, unlike a golden file.
#[test]
fn what_is_narrowed_grants_nothing_that_was_not_published() {
    let mut count = 0;
    for name in catalog::names() {
        for statement in every_statement(catalog::role_set(name).unwrap()).filter(|statement| !statement.added) {
            let [published] = statement.of_iam(true).try_into().unwrap();
            for narrowed in statement.of_iam(false) {
                count += 1;
                for part in ["Effect", "NotResource"] {
                    assert_eq!(narrowed[part], published[part], "{name}: {narrowed}");
                }
                if published["Action"].is_array() {
                    assert!(within(&narrowed["Action"], &published["Action"]), "{name}: {narrowed}");
                    assert!(within(&narrowed["Resource"], &published["Resource"]), "{name}: {narrowed}");
                }
                if published["Effect"] == "Deny" {
                    let kept = texts(&narrowed["Action"]);
                    let spared: Vec<&str> =
                        texts(&published["Action"]).into_iter().filter(|one| !kept.contains(one)).collect();
                    assert_eq!(spared, SPARED, "{name}: {narrowed}");
                    assert_eq!(narrowed["Resource"], published["Resource"], "{name}: {narrowed}");
                }
                for kind in ["AWS", "Service"] {
                    let [narrow, wide] = [&narrowed, &published].map(|one| &one["Principal"][kind]);
                    assert!(texts(narrow).iter().all(|one| texts(wide).contains(one)), "{name}: {narrowed}");
                }
                for (operator, keys) in published["Condition"].as_object().into_iter().flatten() {
                    for (key, value) in keys.as_object().unwrap() {
                        assert_eq!(&narrowed["Condition"][operator][key], value, "{name}: {narrowed}");
                    }
                }
            }
        }
    }
    assert!(count > 150, "{count}");
}

#[test]
fn what_stays_wide_says_why() {
    for name in catalog::names() {
        for statement in every_statement(catalog::role_set(name).unwrap()).filter(|one| one.why.is_none()) {
            for narrowed in statement.of_iam(false) {
                let root = texts(&narrowed["Principal"]["AWS"]).iter().any(|one| one.ends_with(":root"));
                let wide = texts(&narrowed["Resource"]).contains(&"*") || narrowed["NotResource"].is_array() || root;
                assert!(!wide, "{name}: {narrowed}");
            }
        }
    }
}
