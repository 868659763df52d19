//! Tests the role sets against tables that other people transcribed from the source (`role_sets/published.json`), and
//! against what an evaluator from outside this project must allow and deny. `make bless` writes the policies that
//! narrowing results in.

use crate::definitions::json_of;
use mlops_roles_core::catalog;
use mlops_roles_core::catalog::{RoleSet, Statement};
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::resource;
use mlops_roles_core::resource::properties::ValidationErrors;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::ownership::{Owner, TAG_KEYS};
use mlops_roles_testkit::fake::simulator::allows;
use mlops_roles_testkit::fake::{ACCOUNT, Books};
use mlops_roles_testkit::role_sets::asking;
use mlops_roles_testkit::role_sets::environment;
use mlops_roles_testkit::role_sets::of_type;
use mlops_roles_testkit::role_sets::stage;
use mlops_roles_testkit::role_sets::target_account;
use mlops_roles_testkit::role_sets::wide;
use mlops_roles_testkit::stage::{STACK, create, delete, from_stack, guardrails, update};
use mlops_roles_testkit::{data, repository};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

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
fn normal(document: &Value) -> Value {
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
    let golden = folder().join("differences.json");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, format!("{found:#}\n")).unwrap();
    }
    assert_eq!(json_of(&golden), Some(found), "not as blessed");
}

/// `tests/local/policies.py` checks the blessed policies against the service-authorization data.
#[test]
fn the_policies_are_as_blessed() {
    for (name, (kind, properties)) in asked() {
        let spec = spec(kind, &asking(&properties, json!({}))).unwrap();
        let (policies, inline): (Map<_, _>, Map<_, _>) = documents(&spec)
            .into_iter()
            .filter(|(document, _)| !document.ends_with(", trust"))
            .partition(|(document, _)| document.starts_with("arn:"));
        let found = json!({ "policies": policies, "inline": inline });
        let golden = folder().join(format!("{}.policy.json", name.replace(' ', "-")));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&golden, format!("{found:#}\n")).unwrap();
        }
        assert_eq!(json_of(&golden), Some(found), "{name}: not as blessed");
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    action: String,
    resource: String,
    #[serde(default)]
    context: BTreeMap<String, Value>,
    published: bool,
    narrowed: bool,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    action: String,
    resource: String,
    #[serde(default)]
    context: BTreeMap<String, Value>,
    allowed: bool,
}

#[test]
fn an_evaluator_that_is_not_ours_allows_what_each_role_is_for_and_denies_the_near_misses() {
    let calls: BTreeMap<String, BTreeMap<String, Vec<Call>>> = serde_json::from_value(file("calls.json")).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for (set, roles) in &calls {
        for fidelity in ["AsPublished", "Narrowed"] {
            let properties = file("published.json")[set]["properties"].clone();
            let spec = spec(TYPE, &asking(&properties, json!({ "Fidelity": fidelity }))).unwrap();
            assert_eq!(roles.len(), spec.state.roles.len(), "{set}: every role has its calls");
            for (name, calls) in roles {
                let role = &spec.state.roles[&mlops_roles_core::iam::name::Name::new(name)];
                let scoped = role.attached.iter().filter_map(|arn| Some(&spec.state.policies.get(arn)?.document));
                let documents: Vec<Value> = role
                    .inline
                    .values()
                    .chain(scoped)
                    .map(|one| serde_json::from_str(&one.to_string()).unwrap())
                    .collect();
                let expected = |call: &Call| if fidelity == "Narrowed" { call.narrowed } else { call.published };
                assert!(calls.iter().any(expected) && !calls.iter().all(expected), "{name}");
                for call in calls {
                    count += 1;
                    if allows(&documents, &call.action, &call.resource, &call.context) != expected(call) {
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
    let calls: BTreeMap<String, Vec<Asked>> = serde_json::from_value(file("deploy_target.calls.json")).unwrap();
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

#[test]
fn nothing_is_left_to_fill_in_and_nothing_is_lost_by_it() {
    for (name, (kind, properties)) in asked() {
        for fidelity in ["Narrowed", "AsPublished"] {
            let spec = spec(kind, &asking(&properties, json!({ "Fidelity": fidelity }))).unwrap();
            let text = format!("{:?}{:?}", spec.state, spec.attributes);
            assert!(!text.contains("${"), "{name}");
        }
        // A statement would go missing silently if it named what the set does not create.
        let published = file("published.json");
        let Some(tables) = published.get(&name) else { continue };
        let set = catalog::role_set(&name).unwrap();
        let told: usize =
            tables["roles"].as_object().unwrap().values().map(|role| statements(&role["trust"]).len()).sum();
        assert_eq!(set.roles.values().map(|role| role.trust.len()).sum::<usize>(), told, "{name}");
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn narrowed_roles_are_passed_to_named_services_and_trust_on_behalf_of_somebody() {
    let (mut pass_role_grants, mut trusts) = (0, 0);
    for (name, (kind, properties)) in asked() {
        let spec = spec(kind, &asking(&properties, json!({}))).unwrap();
        for (document, of) in documents(&spec) {
            for statement in statements(&of) {
                let condition = statement["Condition"].to_string();
                if texts(&statement["Action"])
                    .iter()
                    .any(|action| mlops_roles_core::iam::arn::matches(action, "iam:PassRole"))
                {
                    pass_role_grants += 1;
                    assert!(condition.contains("iam:PassedToService"), "{name}, {document}: {statement}");
                }
                let services = texts(&statement["Principal"]["Service"]);
                let accounts = texts(&statement["Principal"]["AWS"]);
                trusts += services.len() + accounts.len();
                let free = ["servicecatalog.amazonaws.com"];
                if !services.is_empty() && services != free {
                    assert!(condition.contains("aws:SourceAccount"), "{name}, {document}: {statement}");
                }
                for account in accounts.into_iter().filter(|one| !one.contains("role/") && *one != ACCOUNT) {
                    assert!(condition.contains("aws:PrincipalArn"), "{name}, {document}: {account}");
                }
            }
        }
    }
    assert!(pass_role_grants >= 9 && trusts >= 30, "{pass_role_grants} passings, {trusts} trusts");
}

/// The names are the longest that IAM accepts.
#[test]
fn every_set_fits_its_quotas_with_the_longest_names() {
    let long = "ds-team-abcdefghijklmnopqrstu"; // with `-d-` and the longest id, 64 characters
    for (set, roles) in [
        ("ServiceCatalogProjects", json!({})),
        (
            "CoreShared",
            json!({
                "DataScienceAdministratorRole": "ds-team-".repeat(8),
                "SCLaunchRole": format!("{}x", "ds-team-".repeat(7)),
                "SageMakerDetectiveControlExecutionRole": format!("{}y", "ds-team-".repeat(7)),
            }),
        ),
        ("Environment", json!({})),
        ("TargetAccount", json!({})),
        ("SetupStackSetExecution", json!({})),
    ] {
        let mut properties = file("published.json")[set]["properties"].clone();
        if properties.get("EnvName").is_some() {
            properties["EnvName"] = json!(long);
            properties["EnvType"] = json!("d");
        }
        // The deployer lists as many attachable policies as possible.
        let mut guardrails = wide();
        guardrails.managed_policies = vec![format!("arn:aws-us-gov:iam::aws:policy/{}*", "x".repeat(60)); 10];
        let properties = asking(&properties, json!({ "RoleNames": roles }));
        let (_, errors) = read(TYPE, &properties, &guardrails);
        assert!(errors.is_empty(), "{set}: {errors}");
    }
    spec(DEPLOY_TARGET, &asking(&json!({ "NamePrefix": "bridge-abcdefghijklmnopqrstuvwxy" }), json!({}))).unwrap();
}

/// `template.yaml` lists the attachable policies too, and there IAM enforces the list.
#[test]
fn the_template_admits_the_policies_of_aws_that_the_sets_have() {
    let mut attached = BTreeSet::new();
    for (_, (kind, properties)) in asked() {
        if kind == TYPE {
            let spec = spec(kind, &asking(&properties, json!({}))).unwrap();
            attached.extend(spec.state.roles.into_values().flat_map(|role| role.attached));
        }
    }
    attached.retain(|arn| arn.starts_with("arn:aws:iam::aws:"));
    let template = std::fs::read_to_string(repository().join("template.yaml")).unwrap();
    let part = template.split("\n  RoleSetsPolicy:").nth(1).unwrap().split("\n\n").next().unwrap();
    let admitted: BTreeSet<String> = part
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- !Sub arn:${AWS::Partition}:iam::aws:"))
        .map(|rest| format!("arn:aws:iam::aws:{rest}"))
        .collect();
    assert_eq!(admitted, attached);
}

#[tokio::test(start_paused = true)]
async fn a_set_is_made_once_and_taken_away_whole() {
    let stage = stage(Books::default());
    let made = stage.send(&of_type(create(&environment(json!({}))), TYPE)).await.success();
    assert!(made.id().starts_with("role-set/Environment/"), "{}", made.id());
    let books = stage.fake.books();
    assert_eq!((books.roles.len(), books.policies.len()), (7, 3));
    for role in books.roles.values() {
        assert_eq!(role.boundary.as_deref(), Some(mlops_roles_testkit::stage::BOUNDARY));
    }
    let again = stage.send(&of_type(create(&environment(json!({}))), TYPE)).await.success();
    assert_eq!((again.id(), &again.0["Data"]), (made.id(), &made.0["Data"]));
    assert_eq!(stage.fake.books(), books, "a second delivery changes nothing");
    stage.send(&of_type(delete(made.id(), &environment(json!({}))), TYPE)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn roles_can_be_switched_off_renamed_and_left_out() {
    let off = environment(json!({ "CreateIamUserRoles": "false", "CreateVPCFlowLogsRole": "NO" }));
    let stage = stage(Books::default());
    let made = stage.send(&of_type(create(&off), TYPE)).await.success();
    let data = &made.0["Data"];
    for absent in ["AssumeTeamAdminRole", "AssumeDataScientistRole", "DataScientistRoleArn", "VPCFlowLogsRoleArn"] {
        assert_eq!(data[absent], "", "{absent}");
    }
    assert_eq!(stage.fake.books().roles.len(), 4);

    let names =
        json!({ "DataScienceAdministratorRole": "", "SCLaunchRole": "ds-team-us-east-1-DSServiceCatalogLaunchRole" });
    let shared = asking(&json!({ "RoleSet": "CoreShared" }), json!({ "RoleNames": names }));
    let data = &stage.send(&of_type(create(&shared), TYPE)).await.success().0["Data"];
    assert_eq!((&data["DSAdministratorRoleArn"], &data["AssumeDSAdministratorRole"]), (&json!(""), &json!("")));
    let launch = &stage.fake.books().roles["ds-team-us-east-1-dsservicecataloglaunchrole"];
    assert!(launch.inline.contains_key("ds-team-us-east-1-DSServiceCatalogLaunchRole-SCLaunchInlinePolicy"));

    let nothing = json!({ "AmazonSageMakerServiceCatalogProductsLaunchRole": "" });
    let projects = asking(&json!({ "RoleSet": "ServiceCatalogProjects" }), json!({ "RoleNames": nothing }));
    let data = &stage.send(&of_type(create(&projects), TYPE)).await.success().0["Data"];
    assert_eq!(
        data["AmazonSageMakerServiceCatalogProductsLaunchRoleArn"],
        "arn:aws:iam::123456789012:role/service-role/AmazonSageMakerServiceCatalogProductsLaunchRole",
        "the conventional ARN, as published"
    );

    // As published, the roles of a target account may have any name.
    let target = target_account(json!({ "RoleNames": { "StackSetExecutionRole": "" } }));
    let data = &stage.send(&of_type(create(&target), TYPE)).await.success().0["Data"];
    assert_eq!(data["StackSetExecutionRoleName"], "ds-team-dev-StackSetExecutionRole");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_given_changes_in_place_and_a_rollback_changes_it_back() {
    let stage = stage(Books::default());
    let old = environment(json!({ "Tags": [{ "Key": "team", "Value": "a" }] }));
    let new =
        environment(json!({ "RoleNames": { "VPCFlowLogsRole": "ds-team-flow-logs" }, "CreateIamUserRoles": "NO" }));
    let made = stage.send(&of_type(create(&old), TYPE)).await.success();
    let first = stage.fake.books();
    let updated = stage.send(&of_type(update(made.id(), &new, &old), TYPE)).await.success();
    assert_eq!(updated.id(), made.id());
    let second = stage.fake.books();
    let names: Vec<&String> = second.roles.values().map(|role| &role.name).collect();
    assert_eq!((names.len(), second.policies.len()), (5, 3), "{names:?}");
    assert!(names.iter().any(|name| *name == "ds-team-flow-logs"), "{names:?}");
    for (name, role) in second.roles.iter().filter(|(name, _)| first.roles.contains_key(*name)) {
        assert_eq!(role.id, first.roles[name].id, "it is the same role");
        assert!(!role.tags.contains_key("team"), "a tag that is not asked for any more goes");
    }
    stage.send(&of_type(update(made.id(), &old, &new), TYPE)).await.success();
    assert_eq!(stage.fake.books().meaning(), first.meaning());
    stage.send(&of_type(delete(made.id(), &old), TYPE)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn another_environment_stands_beside_the_old_one_until_the_whole_update_has_succeeded() {
    let stage = stage(Books::default());
    let (old, new) = (environment(json!({})), environment(json!({ "EnvType": "test" })));
    let made = stage.send(&of_type(create(&old), TYPE)).await.success();
    let first = stage.fake.books();
    let updated = stage.send(&of_type(update(made.id(), &new, &old), TYPE)).await.success();
    assert_ne!(updated.id(), made.id());
    let both = stage.fake.books();
    assert_eq!((both.roles.len(), both.policies.len()), (14, 6));

    let forward = self::stage(both.clone());
    forward.send(&of_type(delete(made.id(), &old), TYPE)).await.success();
    assert_eq!((forward.fake.books().roles.len(), forward.fake.books().policies.len()), (7, 3));
    forward.send(&of_type(delete(updated.id(), &new), TYPE)).await.success();
    assert_eq!(forward.fake.books(), Books::default());

    // A rollback may ask for the old names again, or only delete the new roles. The old roles stay as they are in both
    // cases.
    for asks in [true, false] {
        let back = self::stage(both.clone());
        if asks {
            let restored = back.send(&of_type(update(updated.id(), &old, &new), TYPE)).await.success();
            assert_eq!(restored.id(), made.id());
        }
        back.send(&of_type(delete(updated.id(), &new), TYPE)).await.success();
        assert_eq!(back.fake.books(), first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_would_have_to_serve_both_is_refused_before_any_write() {
    let names = json!({ "RoleNames": { "VPCFlowLogsRole": "ds-team-flow-logs" } });
    let stage = stage(Books::default());
    let old = environment(names.clone());
    let new = environment(json!({ "EnvType": "test", "RoleNames": names["RoleNames"] }));
    let made = stage.send(&of_type(create(&old), TYPE)).await.success();
    let before = stage.fake.books();
    let reason = stage.send(&of_type(update(made.id(), &new, &old), TYPE)).await.failure().reason().to_owned();
    let told = "both role sets would have `ds-team-flow-logs`; give these roles new names with `RoleNames` too";
    assert!(reason.contains(told), "{reason}");
    assert_eq!(stage.fake.books(), before);
}

#[tokio::test(start_paused = true)]
async fn properties_that_no_longer_lead_to_the_names_are_no_reason_to_forget_them() {
    let stage = stage(Books::default());
    let asked = environment(json!({}));
    let made = stage.send(&of_type(create(&asked), TYPE)).await.success();
    let books = stage.fake.books();
    for other in [environment(json!({ "EnvType": "prod" })), json!({ "RoleSet": "Gone" }), json!({})] {
        let response = stage.send(&of_type(delete(made.id(), &other), TYPE)).await.failure();
        assert!(response.reason().contains("has other names than the properties lead to"), "{}", response.reason());
        let new = environment(json!({ "EnvType": "test" }));
        stage.send(&of_type(update(made.id(), &new, &other), TYPE)).await.failure();
        assert_eq!(stage.fake.books(), books);
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_was_switched_off_comes_back_and_another_set_takes_the_place_of_one() {
    let stage = stage(Books::default());
    let on = environment(json!({}));
    let off = environment(json!({ "CreateVPCFlowLogsRole": "NO" }));
    let setup = asking(&file("published.json")["SetupStackSetExecution"]["properties"], json!({}));
    let first = stage.send(&of_type(create(&on), TYPE)).await.success();
    let (mut id, mut before) = (first.id().to_owned(), &on);
    for (next, roles) in [(&off, 6), (&on, 7), (&setup, 1), (&off, 6)] {
        let response = stage.send(&of_type(update(&id, next, before), TYPE)).await.success();
        if response.id() != id {
            stage.send(&of_type(delete(&id, before), TYPE)).await.success();
        }
        assert_eq!(stage.fake.books().roles.len(), roles);
        (id, before) = (response.id().to_owned(), next);
    }
    stage.send(&of_type(delete(&id, before), TYPE)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn a_set_that_was_adopted_is_given_back_whole() {
    let stage = stage(Books::default());
    let setup = asking(&file("published.json")["SetupStackSetExecution"]["properties"], json!({}));
    let adopting = asking(&setup, json!({ "AdoptExisting": "true" }));
    let made = stage.send(&of_type(create(&setup), TYPE)).await.success();
    let mut books = stage.fake.books();
    for role in books.roles.values_mut() {
        (role.tags, role.boundary) = (BTreeMap::from([("theirs".to_owned(), "1".to_owned())]), None);
    }
    let theirs = self::stage(books.clone());
    let reason = theirs.send(&of_type(create(&setup), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("exists and is not managed by this resource"), "{reason}");
    assert_eq!(theirs.fake.books(), books);
    let adopted = theirs.send(&of_type(create(&adopting), TYPE)).await.success();
    assert_eq!(adopted.id(), made.id());
    let renamed = asking(&adopting, json!({ "RoleNames": { "SetupStackSetExecutionRole": "ds-team-setup" } }));
    theirs.send(&of_type(update(adopted.id(), &renamed, &adopting), TYPE)).await.success();
    let role = theirs.fake.books().roles["ds-team-dev-setupstacksetexecutionrole"].clone();
    assert_eq!((role.tags.len(), role.boundary.is_some()), (1, true), "released, not deleted");
    assert!(role.attached.is_empty() && role.inline.is_empty());
    theirs.send(&of_type(delete(adopted.id(), &renamed), TYPE)).await.success();
    assert_eq!(theirs.fake.books().roles.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn fidelity_changes_in_place() {
    let stage = stage(Books::default());
    let narrowed = environment(json!({}));
    let published = environment(json!({ "Fidelity": "AsPublished" }));
    let made = stage.send(&of_type(create(&narrowed), TYPE)).await.success();
    let before = stage.fake.books();
    let changed = stage.send(&of_type(update(made.id(), &published, &narrowed), TYPE)).await.success();
    assert_eq!(changed.id(), made.id());
    assert_ne!(stage.fake.books().meaning(), before.meaning());
    stage.send(&of_type(update(made.id(), &narrowed, &published), TYPE)).await.success();
    assert_eq!(stage.fake.books().meaning(), before.meaning());
}

#[tokio::test(start_paused = true)]
async fn a_trusted_principal_that_does_not_exist_is_named_and_nothing_is_left() {
    let stage = stage(Books::default());
    // A deployment in one account only, whose UseRole has been deleted.
    let asked = target_account(json!({ "AdministratorAccountId": ACCOUNT }));
    let reason = stage.send(&of_type(create(&asked), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("could not create role `ds-team-dev-SageMakerModelExecutionRole`"), "{reason}");
    assert!(
        reason.contains("arn:aws:iam::123456789012:role/service-role/AmazonSageMakerServiceCatalogProductsUseRole"),
        "{reason}"
    );
    assert!(reason.ends_with("; rolled back"), "{reason}");
    assert_eq!(stage.fake.books(), Books::default());

    let projects = asking(&json!({ "RoleSet": "ServiceCatalogProjects" }), json!({}));
    let mut event = of_type(create(&projects), TYPE);
    event["LogicalResourceId"] = json!("Projects");
    stage.send(&event).await.success();
    stage.send(&of_type(create(&asked), TYPE)).await.success();
}

#[tokio::test(start_paused = true)]
async fn a_second_region_of_the_account_is_told_who_has_the_names() {
    let stage = stage(Books::default());
    stage.send(&of_type(create(&environment(json!({}))), TYPE)).await.success();
    let books = stage.fake.books();
    let mut other = self::stage(books.clone());
    other.invocation.function_arn = format!("arn:aws:lambda:eu-west-1:{ACCOUNT}:function:mlops-roles");
    let stack = STACK.replace("us-east-1", "eu-west-1");
    let event = from_stack(of_type(create(&environment(json!({}))), TYPE), &stack);
    let event = serde_json::from_str(&event.to_string().replace("useast1", "euwest1")).unwrap();
    let response = other.send(&event).await.failure();
    assert!(
        response.reason().contains(
            "role `ds-team-dev-SageMakerExecutionRole` belongs to a stack in us-east-1; IAM names are global to the \
             account, so only one region can use these names; choose other names, or deploy only in us-east-1"
        ),
        "{}",
        response.reason()
    );
    let mut delete = from_stack(of_type(delete(response.id(), &environment(json!({}))), TYPE), &stack);
    delete["ResponseURL"] = event["ResponseURL"].clone();
    other.send(&delete).await.success();
    assert_eq!(other.fake.books(), books, "nothing of the first region was touched");
}

#[tokio::test(start_paused = true)]
async fn all_mistakes_come_at_once_and_nothing_is_written() {
    let stage = stage(Books::default());
    for (asked, expected) in [
        (
            target_account(json!({
                "AdministratorAccountId": 12_345,
                "EnvName": "ds-team-with-a-very-long-name-x",
                "EnvType": "production-and-a-bit-more",
                "ModelS3KmsKeyArn": "alias/key",
                "ModelBucketName": "*",
                "PipelineExecutionRoleArn": "UseRole",
                "RoleNames": { "StackSetExecutonRole": "ds-team-x" },
                "PermissionsBoundary": "arn:aws:iam::123456789012:policy/Absent",
                "Fidelity": "Wide",
                "CreateIamUserRoles": "YES",
            })),
            vec![
                "10 validation errors",
                "`AdministratorAccountId`: found `12345`, expected an account id of 12 digits",
                "`EnvName`, `EnvType`: the name of `SageMakerModelExecutionRole` would be",
                "IAM allows 64",
                "`ModelS3KmsKeyArn`: found `alias/key`",
                "`ModelBucketName`: found `*`",
                "`PipelineExecutionRoleArn`: found `UseRole`",
                "`RoleNames.StackSetExecutonRole`: the role set has no such role, did you mean `StackSetExecutionRole`?",
                "`PermissionsBoundary`: policy `arn:aws:iam::123456789012:policy/Absent` does not exist",
                "`Fidelity`: found `Wide`, expected one of `Narrowed`, `AsPublished`",
                "`CreateIamUserRoles`: no such property",
            ],
        ),
        (
            asking(&json!({ "RoleSet": "TargetAccount" }), json!({ "RoleNames": ["x"] })),
            vec![
                "`EnvName`: missing",
                "`AdministratorAccountId`: missing",
                "`ModelS3KmsKeyArn`: missing",
                "`ModelBucketName`: missing",
                "`RoleNames`: found",
            ],
        ),
        (json!({ "RoleSet": "Environments" }), vec!["`RoleSet`: found `Environments`, expected one of `CoreShared`"]),
        (json!({}), vec!["`RoleSet`: missing, expected one of `CoreShared`, `Environment`"]),
        (
            environment(
                json!({ "EnvName": "other", "RoleNames": { "VPCFlowLogsRole": "ds team", "SetupLambdaExecutionRole": {} } }),
            ),
            vec![
                "`other-dev-SageMakerExecutionPolicy`",
                "names that begin with one of `AmazonSageMaker`, `ds-team`",
                "`RoleNames.VPCFlowLogsRole`: found `ds team`, expected 1 to 64 letters",
                "`RoleNames.SetupLambdaExecutionRole`: found `{}`, expected the name of a role, or empty text",
            ],
        ),
        (
            environment(
                json!({ "RoleNames": { "VPCFlowLogsRole": "ds-team-x", "SageMakerExecutionRole": "DS-team-x" } }),
            ),
            vec!["`RoleNames.VPCFlowLogsRole`: another role of the role set has the name `ds-team-x`"],
        ),
    ] {
        let response = stage.send(&of_type(create(&asked), TYPE)).await.failure();
        for part in expected {
            assert!(response.reason().contains(part), "no `{part}` in {}", response.reason());
        }
        assert!(!response.id().is_empty());
        stage.send(&of_type(delete(response.id(), &asked), TYPE)).await.success();
    }
    let wrote = |call: &String| !["Get", "List", "Describe"].iter().any(|verb| call.starts_with(verb));
    assert_eq!(stage.fake.calls().into_iter().filter(wrote).collect::<Vec<_>>(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_the_deployer_does_not_admit_is_refused() {
    let asked = asking(&json!({ "RoleSet": "ServiceCatalogProjects" }), json!({}));
    let mut stage = stage(Books::default());
    stage.handler.guardrails = Ok(guardrails());
    let reason = stage.send(&of_type(create(&asked), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("the role set has roles at path `/service-role/`, expected one of `/`"), "{reason}");
    let asked = json!({ "ExecutionPolicy": "AmazonSageMakerFullAccess" });
    let mut narrow = wide();
    narrow.managed_policies.clear();
    stage.handler.guardrails = Ok(narrow);
    let reason = stage.send(&of_type(create(&asked), DEPLOY_TARGET)).await.failure().reason().to_owned();
    assert!(reason.contains("is not in the deployer's `AllowedManagedPolicyArns`"), "{reason}");
    let asked = json!({ "NamePrefix": "bridge-Upper" });
    let reason = stage.send(&of_type(create(&asked), DEPLOY_TARGET)).await.failure().reason().to_owned();
    assert!(reason.starts_with("`ModelBucketName`: missing, and the default is `bridge-Upper-models-"), "{reason}");
    assert!(stage.fake.books().roles.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_set_whose_prefix_was_taken_away_is_not_forgotten() {
    let asked = environment(json!({}));
    let mut stage = stage(Books::default());
    let made = stage.send(&of_type(create(&asked), TYPE)).await.success();
    stage.handler.guardrails = Ok(guardrails());
    let reason = stage.send(&of_type(delete(made.id(), &asked), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("outside the deployer's `RoleNamePrefixes`"), "{reason}");
    let new = environment(json!({ "EnvName": "Team" }));
    let reason = stage.send(&of_type(update(made.id(), &new, &asked), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("which the function can't delete: these names are outside"), "{reason}");
    assert_eq!(stage.fake.books().roles.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn what_the_boundary_denies_is_told() {
    let stage = stage(Books::default());
    let shared = asking(&json!({ "RoleSet": "CoreShared" }), json!({}));
    let data = &stage.send(&of_type(create(&shared), TYPE)).await.success().0["Data"];
    let beyond = data["BeyondBoundary"].as_str().unwrap();
    assert!(beyond.contains("iam:CreateRole") && beyond.contains("iam:PassRole"), "{beyond}");
    let environment = environment(json!({}));
    let mut event = of_type(create(&environment), TYPE);
    event["LogicalResourceId"] = json!("Environment");
    let data = &stage.send(&event).await.success().0["Data"];
    // The role may pass its own execution role, because of that role's name. The boundary does not allow it to assume
    // roles of other accounts.
    assert_eq!(
        data["BeyondBoundary"],
        "iam:GetRole, organizations:DescribeOrganizationalUnit, organizations:List*, sts:AssumeRole"
    );
}

#[tokio::test(start_paused = true)]
async fn only_what_is_made_counts_as_writing_to_iam() {
    let published = |names: Value| {
        asking(&json!({ "RoleSet": "CoreShared", "Fidelity": "AsPublished", "RoleNames": names }), json!({}))
    };
    let stage = stage(Books::default());
    let reason = stage.send(&of_type(create(&published(json!({}))), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("`AllowPublishedIamWrites`"), "{reason}");
    let without = published(json!({ "SCLaunchRole": "" }));
    stage.send(&of_type(create(&without), TYPE)).await.success();
}

#[tokio::test(start_paused = true)]
async fn a_set_tells_what_it_leaves_out_where_no_managed_policy_is_allowed() {
    let asked = |names: Value| asking(&json!({ "RoleSet": "CoreShared", "RoleNames": names }), json!({}));
    let mut stage = stage(Books::default());
    let made = stage.send(&of_type(create(&asked(json!({}))), TYPE)).await.success();
    assert_eq!(made.0["Data"]["Warnings"], "");
    stage.handler.guardrails.as_mut().unwrap().managed_policies.clear();
    let event = update(made.id(), &asked(json!({})), &asked(json!({})));
    let told = stage.send(&of_type(event, TYPE)).await.success();
    assert_eq!(
        told.0["Data"]["Warnings"],
        "`SCLaunchRole` can't attach policies to roles, because the deployer's `AllowedManagedPolicyArns` is empty"
    );
    let without = asked(json!({ "SCLaunchRole": "" }));
    let told = stage.send(&of_type(update(made.id(), &without, &asked(json!({}))), TYPE)).await.success();
    assert_eq!(told.0["Data"]["Warnings"], "");
}

#[tokio::test(start_paused = true)]
async fn a_deploy_target_is_made_changed_and_taken_away() {
    let stage = stage(Books::default());
    let scoped = asking(&json!({}), json!({}));
    let made = stage.send(&of_type(create(&scoped), DEPLOY_TARGET)).await.success();
    assert_eq!(
        made.0["Data"],
        json!({
            "ExecutionRoleArn": "arn:aws:iam::123456789012:role/bridge-sagemaker-execution",
            "InitDestroyPolicyArn": "arn:aws:iam::123456789012:policy/bridge-init-destroy",
            "RunPolicyArn": "arn:aws:iam::123456789012:policy/bridge-run",
            "BeyondBoundary": "",
            "Warnings": "",
        })
    );
    let full = asking(&json!({ "ExecutionPolicy": "AmazonSageMakerFullAccess" }), json!({}));
    stage.send(&of_type(update(made.id(), &full, &scoped), DEPLOY_TARGET)).await.success();
    let books = stage.fake.books();
    assert_eq!(books.policies.len(), 2);
    let role = &books.roles["bridge-sagemaker-execution"];
    assert_eq!(role.attached, ["arn:aws:iam::aws:policy/AmazonSageMakerFullAccess".to_owned()].into());
    stage.send(&of_type(delete(made.id(), &full), DEPLOY_TARGET)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}
