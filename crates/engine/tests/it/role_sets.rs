//! Tests the role sets against tables that other people transcribed from the source (`role_sets/published.json`), and
//! against what an evaluator from outside this project must allow and deny. `make bless` writes the policies that
//! narrowing results in.

pub mod catalog;
mod lifecycle;
mod narrowed;
pub mod permissions;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::resource;
use mlops_roles_core::resource::properties::ValidationErrors;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::ownership::{Owner, TAG_KEYS};

use mlops_roles_testkit::account::{ACCOUNT, Books};
use mlops_roles_testkit::data;
use mlops_roles_testkit::role_sets::{asking, of_type, stage, wide};
use mlops_roles_testkit::snapshot::{assert_unchanged, json_text};
use mlops_roles_testkit::stage::{STACK, create};

use crate::definitions::json_of;

pub const TYPE: &str = "Custom::SageMakerMlopsRoles";

const DEPLOY_TARGET: &str = "Custom::SageMakerDeployTarget";

fn folder() -> PathBuf {
    data("role_sets")
}

pub fn file(name: &str) -> Value {
    json_of(&folder().join(name)).unwrap()
}

fn read(
    kind: &str,
    properties: &Value,
    guardrails: &mlops_roles_core::guardrails::Guardrails,
) -> (ResourceSpec, ValidationErrors) {
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: ACCOUNT.into() };
    let owner = Owner { stack_id: STACK.into(), logical_id: "Roles".into() };
    let context = ReadContext { place: &place, guardrails, owner: &owner, existing: None, found: None };
    resource::parse(kind, properties.as_object().unwrap(), context).unwrap()
}

pub fn spec(kind: &str, properties: &Value) -> Result<ResourceSpec, String> {
    let (spec, errors) = read(kind, properties, &wide());
    if errors.errors.is_empty() { Ok(spec) } else { Err(errors.to_string()) }
}

/// The document in normal form.
pub fn normal(document: &Value) -> Value {
    serde_json::from_str(&Document::new(document.clone()).to_string()).unwrap()
}

fn without_ours(tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    tags.iter().filter(|(key, _)| !TAG_KEYS.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// The whole account in the form of the published tables.
fn as_tables(books: &Books) -> Value {
    let roles: Map<String, Value> = books
        .roles
        .values()
        .map(|role| {
            let inline: BTreeMap<&String, Value> =
                role.inline.iter().map(|(name, document)| (name, normal(document))).collect();
            let managed: BTreeSet<&String> = role.attached.iter().collect();
            let role_told = json!({
                "path": role.path,
                "max_session_duration": role.max_session_duration,
                "trust": normal(&role.trust),
                "managed": managed,
                "inline": inline,
                "tags": without_ours(&role.tags),
            });
            (role.name.clone(), role_told)
        })
        .collect();
    let policies: Map<String, Value> = books
        .policies
        .values()
        .map(|policy| (policy.name.clone(), normal(&policy.versions[&policy.default])))
        .collect();
    json!({ "roles": roles, "policies": policies })
}

#[tokio::test(start_paused = true)]
async fn as_published_each_set_is_what_its_tables_say() {
    let published = file("published.json");
    assert_eq!(published.as_object().unwrap().len(), 5);
    for (name, tables) in published.as_object().unwrap() {
        let mut stage = stage(Books::default());
        stage.handler.guardrails =
            Ok(mlops_roles_core::guardrails::Guardrails { allow_published_iam_writes: true, ..wide() });
        let asked = asking(&tables["properties"], json!({ "Fidelity": "AsPublished" }));
        let response = stage.send(&of_type(create(&asked), TYPE)).await.success();

        let mut expected = json!({ "roles": tables["roles"], "policies": tables["policies"] });
        for role in expected["roles"].as_object_mut().unwrap().values_mut() {
            role["trust"] = normal(&role["trust"]);
            let managed: BTreeSet<String> = serde_json::from_value(role["managed"].clone()).unwrap();
            role["managed"] = json!(managed);
            role["inline"].as_object_mut().unwrap().values_mut().for_each(|document| *document = normal(document));
        }
        expected["policies"].as_object_mut().unwrap().values_mut().for_each(|document| *document = normal(document));
        let found = as_tables(&stage.fake.books());
        for part in ["roles", "policies"] {
            let (found, expected) = (found[part].as_object().unwrap(), expected[part].as_object().unwrap());
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{name}");
            for (one, expected) in expected {
                assert_eq!(&found[one], expected, "{name}, {one}");
            }
        }
        let mut data = response.0["Data"].as_object().unwrap().clone();
        assert!(data.remove("BeyondBoundary").is_some());
        assert_eq!(data.remove("Warnings").unwrap(), "");
        assert_eq!(Value::Object(data), tables["attributes"], "{name}");
    }
}

/// The documents of the resource spec, by the names of the role and the policy.
fn documents(spec: &ResourceSpec) -> BTreeMap<String, Value> {
    let parsed = |document: &Document| -> Value { serde_json::from_str(&document.to_string()).unwrap() };
    let mut documents = BTreeMap::new();
    for (name, role) in &spec.state.roles {
        documents.insert(format!("{name}, trust"), parsed(&role.trust));
        documents.extend(role.inline.iter().map(|(policy, one)| (format!("{name}, {policy}"), parsed(one))));
    }
    documents.extend(spec.state.policies.iter().map(|(arn, policy)| (arn.clone(), parsed(&policy.document))));
    documents
}

fn statements(document: &Value) -> &Vec<Value> {
    document["Statement"].as_array().unwrap()
}

/// The properties of each role set and of the deploy target.
pub fn asked() -> BTreeMap<String, (&'static str, Value)> {
    let published = file("published.json");
    let mut asked: BTreeMap<String, (&str, Value)> = published
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, tables)| (name.clone(), (TYPE, tables["properties"].clone())))
        .collect();
    asked.insert("DeployTarget".into(), (DEPLOY_TARGET, json!({})));
    asked
        .insert("DeployTarget full".into(), (DEPLOY_TARGET, json!({ "ExecutionPolicy": "AmazonSageMakerFullAccess" })));
    asked
}

#[test]
fn what_narrowing_changes_is_as_blessed() {
    let mut differences = Map::new();
    for (name, (kind, properties)) in asked() {
        let [narrowed, published] = ["Narrowed", "AsPublished"].map(|fidelity| {
            let asked = asking(&properties, json!({ "Fidelity": fidelity }));
            spec(kind, &asked).unwrap_or_else(|why| panic!("{name}: {why}"))
        });
        for ((role, narrow), wide) in narrowed.state.roles.iter().zip(published.state.roles.values()) {
            assert_eq!((&narrow.attached, &narrow.path), (&wide.attached, &wide.path), "{role}");
        }
        let (narrowed, published) = (documents(&narrowed), documents(&published));
        assert_eq!(narrowed.keys().collect::<Vec<_>>(), published.keys().collect::<Vec<_>>(), "{name}");
        let mut of_set = Map::new();
        for (document, narrowed) in narrowed {
            let published = &published[&document];
            let only = |of: &Value, other: &Value| -> Vec<Value> {
                statements(of).iter().filter(|one| !statements(other).contains(one)).cloned().collect()
            };
            let (published, narrowed) = (only(published, &narrowed), only(&narrowed, published));
            if published != narrowed {
                of_set.insert(document, json!({ "published": published, "narrowed": narrowed }));
            }
        }
        differences.insert(name, Value::Object(of_set));
    }
    let found = Value::Object(differences);
    assert_unchanged([(folder().join("differences.json"), json_text(&found))]);
}

/// `tests/local/policies.py` checks the blessed policies against the service-authorization data.
#[test]
fn the_policies_are_as_blessed() {
    assert_unchanged(asked().into_iter().map(|(name, (kind, properties))| {
        let spec = spec(kind, &asking(&properties, json!({}))).unwrap();
        let (policies, inline): (Map<_, _>, Map<_, _>) = documents(&spec)
            .into_iter()
            .filter(|(document, _)| !document.ends_with(", trust"))
            .partition(|(document, _)| document.starts_with("arn:"));
        let found = json!({ "policies": policies, "inline": inline });
        (folder().join(format!("{}.policy.json", name.replace(' ', "-"))), json_text(&found))
    }));
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
