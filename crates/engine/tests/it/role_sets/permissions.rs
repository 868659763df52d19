//! Tests what the roles of each set may do, as an evaluator from outside this project judges the policies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::resource::spec::ResourceSpec;

use mlops_roles_testkit::account::ACCOUNT;
use mlops_roles_testkit::account::simulator::allows;
use mlops_roles_testkit::role_sets::asking;

use crate::definitions::Call;

use super::{DEPLOY_TARGET, TYPE, asked, documents, file, spec, statements, texts};

/// A call, and whether each form of the role set allows it.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCall {
    action: String,
    resource: String,
    #[serde(default)]
    context: BTreeMap<String, Value>,
    published: bool,
    narrowed: bool,
    /// The managed policy of AWS that allows the call. The documents of the set must not deny it.
    by: Option<String>,
    /// Which file of a published solution calls it.
    pub from: Option<String>,
    /// Why a form denies it.
    pub why: Option<String>,
}

impl SetCall {
    /// Whether the form of the set must allow the call.
    pub fn is_expected(&self, fidelity: &str) -> bool {
        if fidelity == "Narrowed" { self.narrowed } else { self.published }
    }

    /// Whether the role may make the call, or whoever has the policy of this name.
    pub fn is_allowed(&self, spec: &ResourceSpec, name: &str) -> bool {
        let mut documents = documents_of(spec, name);
        if let Some(by) = &self.by {
            let attached = &spec.state.roles[&Name::new(name)].attached;
            assert!(attached.contains(&format!("arn:aws:iam::aws:policy/{by}")), "{name}: {self:?}");
            let statement = json!({ "Effect": "Allow", "Action": [self.action], "Resource": ["*"] });
            documents.push(json!({ "Version": "2012-10-17", "Statement": [statement] }));
        }
        allows(&documents, &self.action, &self.resource, &self.context)
    }
}

/// The documents of a role, or of a policy that no role of the set has.
fn documents_of(spec: &ResourceSpec, name: &str) -> Vec<Value> {
    let own: Vec<&Document> = match spec.state.roles.get(&Name::new(name)) {
        Some(role) => {
            let scoped = role.attached.iter().filter_map(|arn| Some(&spec.state.policies.get(arn)?.document));
            role.inline.values().chain(scoped).collect()
        }
        None => vec![&spec.state.policies[&format!("arn:aws:iam::{ACCOUNT}:policy/{name}")].document],
    };
    own.into_iter().map(|one| serde_json::from_str(&one.to_string()).unwrap()).collect()
}

#[test]
fn an_evaluator_that_is_not_ours_allows_what_each_role_is_for_and_denies_the_near_misses() {
    let calls: BTreeMap<String, BTreeMap<String, Vec<SetCall>>> = serde_json::from_value(file("calls.json")).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (set, roles) in &calls {
        for fidelity in ["AsPublished", "Narrowed"] {
            let properties = file("published.json")[set]["properties"].clone();
            let spec = spec(TYPE, &asking(&properties, json!({ "Fidelity": fidelity }))).unwrap();
            assert_eq!(roles.len(), spec.state.roles.len(), "{set}: every role has its calls");
            for (name, calls) in roles {
                let expected = |call: &SetCall| call.is_expected(fidelity);
                assert!(calls.iter().any(expected) && !calls.iter().all(expected), "{name}");
                for call in calls {
                    count += 1;
                    if call.is_allowed(&spec, name) != expected(call) {
                        wrong.push(format!("{set}, {name}, {fidelity}: {call:?}"));
                    }
                }
            }
        }
    }
    assert!(count > 1_000, "{count} calls");
    assert!(wrong.is_empty(), "{} of {count} calls:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_tool_may_run_its_commands_and_nothing_beside_them() {
    let calls: BTreeMap<String, Vec<Call>> = serde_json::from_value(file("deploy_target.calls.json")).unwrap();
    let mut wrong = Vec::new();
    for (policy, name) in [
        ("InitDestroyPolicy", "bridge-init-destroy"),
        ("RunPolicy", "bridge-run"),
        ("ExecutionPolicy", "bridge-sagemaker-execution"),
    ] {
        // The tool attaches this AWS managed policy, which a scoped role must not have.
        let execution = if policy == "ExecutionPolicy" { "Scoped" } else { "AmazonSageMakerFullAccess" };
        let spec = spec(DEPLOY_TARGET, &asking(&json!({ "ExecutionPolicy": execution }), json!({}))).unwrap();
        let document = &spec.state.policies[&format!("arn:aws:iam::{ACCOUNT}:policy/{name}")].document;
        let document: Value = serde_json::from_str(&document.to_string()).unwrap();
        assert!(calls[policy].iter().any(|call| call.allowed) && calls[policy].iter().any(|call| !call.allowed));
        for call in &calls[policy] {
            if allows(std::slice::from_ref(&document), &call.action, &call.resource, &call.context) != call.allowed {
                wrong.push(format!("{policy}: {call:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_scoped_role_can_not_be_made_wider_by_the_tool() {
    let spec = spec(DEPLOY_TARGET, &asking(&json!({}), json!({}))).unwrap();
    let policy = &spec.state.policies[&format!("arn:aws:iam::{ACCOUNT}:policy/bridge-init-destroy")].document;
    let policy: Value = serde_json::from_str(&policy.to_string()).unwrap();
    let role = format!("arn:aws:iam::{ACCOUNT}:role/bridge-sagemaker-execution");
    let may_attach = |arn: &str| {
        let bounded = ("iam:PermissionsBoundary".to_owned(), json!(mlops_roles_testkit::stage::BOUNDARY));
        let context = BTreeMap::from([("iam:PolicyARN".to_owned(), json!(arn)), bounded]);
        allows(std::slice::from_ref(&policy), "iam:AttachRolePolicy", &role, &context)
    };
    assert!(may_attach(&format!("arn:aws:iam::{ACCOUNT}:policy/bridge-sagemaker-execution")));
    assert!(!may_attach("arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"));
    assert!(!may_attach("arn:aws:iam::aws:policy/AdministratorAccess"));
}

/// In every set, no policy creates a role without the boundary or attaches a policy that the deployer did not list. No
/// policy writes to IAM in a way that no condition of IAM can restrict to a boundary.
#[test]
fn no_policy_of_the_catalogue_makes_its_holder_anybody() {
    let bounded = ("iam:PermissionsBoundary".to_owned(), json!(mlops_roles_testkit::stage::BOUNDARY));
    let other = ("iam:PermissionsBoundary".to_owned(), json!("arn:aws:iam::aws:policy/AdministratorAccess"));
    let policy = |arn: &str| ("iam:PolicyARN".to_owned(), json!(arn));
    let (listed, administrator) = ("arn:aws:iam::aws:policy/AmazonX", "arn:aws:iam::aws:policy/AdministratorAccess");
    let held = ["CreateRole", "PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy"];
    let never = [
        "AddUserToGroup",
        "AttachGroupPolicy",
        "AttachUserPolicy",
        "CreateAccessKey",
        "CreateLoginProfile",
        "CreatePolicyVersion",
        "CreateUser",
        "DeleteRolePermissionsBoundary",
        "PutGroupPolicy",
        "PutUserPolicy",
        "SetDefaultPolicyVersion",
        "UpdateLoginProfile",
    ];
    let mut makers = 0;
    for (name, (kind, properties)) in asked() {
        let spec = spec(kind, &asking(&properties, json!({}))).unwrap();
        for (document, of) in documents(&spec).into_iter().filter(|(document, _)| !document.ends_with(", trust")) {
            // One IAM resource for each resource that the statements name, and one of each kind besides.
            let told = statements(&of).iter().flat_map(|statement| texts(&statement["Resource"]));
            let told = told.filter(|arn| arn.starts_with("arn:aws:iam:") && arn.contains('/'));
            let mut of_iam: BTreeSet<String> =
                told.map(|arn| arn.replace("::*:", &format!("::{ACCOUNT}:")).replace('*', "x")).collect();
            of_iam.extend(["role", "user", "group", "policy"].map(|kind| format!("arn:aws:iam::{ACCOUNT}:{kind}/x")));
            let may = |action: &str, on: &str, context: &[(String, Value)]| {
                allows(std::slice::from_ref(&of), &format!("iam:{action}"), on, &context.iter().cloned().collect())
            };
            for on in &of_iam {
                for action in held {
                    assert!(!may(action, on, &[]), "{name}, {document}: {action} on {on} without a boundary");
                    assert!(!may(action, on, std::slice::from_ref(&other)), "{name}, {document}: {action} on {on}");
                }
                for context in [vec![], vec![policy(listed)], vec![policy(administrator), bounded.clone()]] {
                    let is_allowed = may("AttachRolePolicy", on, &context);
                    assert!(!is_allowed, "{name}, {document}: AttachRolePolicy on {on} with {context:?}");
                }
                for action in never {
                    let context = [bounded.clone(), policy(listed)];
                    assert!(!may(action, on, &context), "{name}, {document}: {action} on {on}");
                }
                makers += usize::from(may("CreateRole", on, std::slice::from_ref(&bounded)));
            }
        }
    }
    assert!(makers >= 4, "{makers}: what the sets are for is still granted");
}
