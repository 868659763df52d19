//! Tests `Custom::SageMakerExecutionRole` with the properties in `execution_roles/`. Beside each are the reviewed
//! policies, and the calls that an evaluator from outside this project must allow and deny. `make bless` writes the
//! current policies.

use mlops_roles_testkit::data;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource;
use mlops_roles_core::resource::execution_role::capability_names;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::ownership::Owner;

use crate::definitions::{Call, granted, json_of};
use mlops_roles_testkit::account::Fake;
use mlops_roles_testkit::account::simulator::allows;
use mlops_roles_testkit::snapshot::{assert_unchanged, json_text};
use mlops_roles_testkit::stage::{STACK, Stage, create, delete, guardrails, update};

const TYPE: &str = "Custom::SageMakerExecutionRole";

fn folder() -> PathBuf {
    data("execution_roles")
}

fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.strip_suffix(".properties.json")?.to_owned())).collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

fn properties(folder: &Path, name: &str) -> Map<String, Value> {
    json_of(&folder.join(format!("{name}.properties.json"))).unwrap().as_object().unwrap().clone()
}

pub fn spec(properties: &Map<String, Value>) -> Result<ResourceSpec, String> {
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
    let owner = Owner { stack_id: STACK.into(), logical_id: "ExecutionRole".into() };
    let guardrails = guardrails();
    let context = ReadContext { place: &place, guardrails: &guardrails, owner: &owner, existing: None, found: None };
    let (spec, errors) = resource::parse(TYPE, properties, context).unwrap();
    if errors.errors.is_empty() { Ok(spec) } else { Err(errors.to_string()) }
}

#[test]
fn the_properties_lead_to_the_policies_beside_them() {
    assert_unchanged(names(&folder()).into_iter().map(|name| {
        let spec = spec(&properties(&folder(), &name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        for grant in &spec.required.grants {
            for resource in grant.resources.iter().filter(|resource| resource.contains('*')) {
                assert!(grant.wildcards.contains_key(resource), "{name}: no reason for {resource}");
            }
        }
        (folder().join(format!("{name}.policy.json")), json_text(&granted(&spec)))
    }));
}

#[test]
fn an_evaluator_that_is_not_ours_allows_what_was_asked_for_and_denies_the_near_misses() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for name in names(&folder()) {
        let granted = granted(&spec(&properties(&folder(), &name)).unwrap());
        let parts = ["policies", "inline"].iter();
        let documents: Vec<Value> =
            parts.flat_map(|part| granted[part].as_object().unwrap().values().cloned()).collect();
        let calls: Vec<Call> =
            serde_json::from_value(json_of(&folder().join(format!("{name}.calls.json"))).unwrap()).unwrap();
        assert!(calls.iter().any(|call| call.allowed) && calls.iter().any(|call| !call.allowed), "{name}");
        for call in calls {
            count += 1;
            if allows(&documents, &call.action, &call.resource, &call.context) != call.allowed {
                wrong.push(format!("{name}: {call:?}"));
            }
            let granting = |statement: &Value| {
                let alone = json!({ "Version": "2012-10-17", "Statement": [statement] });
                allows(&[alone], &call.action, &call.resource, &call.context)
            };
            let mut without = documents.clone();
            for document in &mut without {
                document["Statement"].as_array_mut().unwrap().retain(|statement| !granting(statement));
            }
            without.retain(|document| document["Statement"].as_array().is_some_and(|left| !left.is_empty()));
            assert!(!allows(&without, &call.action, &call.resource, &call.context), "{name}: {call:?}");
        }
    }
    assert!(count > 300, "{count} calls");
    assert!(wrong.is_empty(), "{} of {count} calls:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_can_not_be_made_is_refused_by_path_and_all_at_once() {
    let folder = folder().join("refused");
    let mut wrong = Vec::new();
    for name in names(&folder) {
        let why = spec(&properties(&folder, &name)).err().unwrap_or_else(|| panic!("{name} is granted"));
        let parts = std::fs::read_to_string(folder.join(format!("{name}.reason.txt"))).unwrap();
        let missing = parts.lines().filter(|part| !why.contains(part)).map(|part| format!("{name}: `{part}` in {why}"));
        wrong.extend(missing);
    }
    assert!(wrong.is_empty(), "missing:\n{}", wrong.join("\n"));
}

fn of_type(mut event: Value) -> Value {
    event["ResourceType"] = json!(TYPE);
    event["LogicalResourceId"] = json!("ExecutionRole");
    event
}

fn asking(more: Value) -> Value {
    let mut properties = json!({
        "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:mlops-roles",
        "RoleName": "AmazonSageMaker-Execution",
        "SettleSeconds": "0",
        "Buckets": [{ "Name": "churn-data", "Prefix": "daily", "Access": "Read" }],
    });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    properties
}

#[tokio::test(start_paused = true)]
async fn the_role_is_made_changed_and_taken_away() {
    let stage = Stage::new(Fake::new());
    let source = "arn:aws:sagemaker:us-east-1:123456789012:*";
    let first = asking(json!({ "SourceArn": source }));
    let made = stage.send(&of_type(create(&first))).await.success();
    assert_eq!(made.id(), "AmazonSageMaker-Execution");
    let data = &made.0["Data"];
    assert_eq!(data["RoleArn"], "arn:aws:iam::123456789012:role/AmazonSageMaker-Execution");
    assert_eq!(data["PolicyArn"], "arn:aws:iam::123456789012:policy/AmazonSageMaker-Execution-Policy");
    let role = |stage: &Stage| stage.fake.books().roles["amazonsagemaker-execution"].clone();
    let trust = &role(&stage).trust["Statement"][0];
    assert_eq!(trust["Principal"]["Service"], json!(["sagemaker.amazonaws.com"]));
    assert_eq!(trust["Condition"]["StringEqualsIfExists"]["aws:SourceAccount"], json!(["123456789012"]));
    assert_eq!(trust["Condition"]["ArnLikeIfExists"]["aws:SourceArn"], json!([source]));
    assert!(role(&stage).inline.is_empty(), "it passes nothing, and so not itself");

    let second = asking(json!({ "Capabilities": ["Notebook"], "NamePrefix": "churn" }));
    let changed = stage.send(&of_type(update(made.id(), &second, &first))).await.success();
    assert_ne!(changed.0["Data"]["PolicySha256"], data["PolicySha256"]);
    let pass_role_grant = &role(&stage).inline["PassItselfToSageMaker"]["Statement"][0];
    assert_eq!(pass_role_grant["Resource"], json!([data["RoleArn"]]));
    stage.send(&of_type(delete(made.id(), &second))).await.success();
    assert!(stage.fake.books().roles.is_empty() && stage.fake.books().policies.is_empty());
}

/// AWS lists the features for which SageMaker says on whose behalf it assumes the role. For other features, a condition
/// on the source account would prevent SageMaker from assuming the role.
#[test]
fn the_account_is_asked_for_where_every_feature_of_the_role_tells_it() {
    let trust = |capabilities: Value| {
        let buckets = json!([{ "Name": "churn-data", "Access": "ReadWrite" }]);
        let mut properties = asking(json!({ "Capabilities": capabilities, "NamePrefix": "churn", "Buckets": buckets }));
        if ["Athena", "GlueTables"].iter().any(|one| capabilities.to_string().contains(one)) {
            properties["GlueDatabases"] = json!("sales");
        }
        let trust = spec(properties.as_object().unwrap()).unwrap().state.roles.into_values().next().unwrap().trust;
        let trust: Value = serde_json::from_str(&trust.to_string()).unwrap();
        trust["Statement"][0]["Condition"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let listed = [
        "Hosting",
        "InferenceComponents",
        "ModelRegistry",
        "Pipelines",
        "Processing",
        "StudioApps",
        "Training",
        "Transform",
    ];
    // SageMaker assumes no role for these.
    let neutral = ["Athena", "Experiments", "GlueTables", "MLflow"];
    for capability in capability_names() {
        let expected = if listed.contains(&capability) { "StringEquals" } else { "StringEqualsIfExists" };
        assert_eq!(trust(json!([capability])), [expected], "{capability}");
        let beside =
            if listed.contains(&capability) || neutral.contains(&capability) { "StringEquals" } else { expected };
        assert_eq!(trust(json!([capability, "Training"])), [beside], "{capability}");
        assert_eq!(trust(json!([capability, "Notebook"])), ["StringEqualsIfExists"], "{capability}");
    }
    assert_eq!(trust(json!(listed)), ["StringEquals"]);
    assert_eq!(capability_names().count(), listed.len() + neutral.len() + 5, "of a new one somebody has to look");
}

#[tokio::test(start_paused = true)]
async fn access_that_is_denied_is_told_by_property_and_undone() {
    let stage = Stage::new(Fake::new());
    stage.send(&of_type(create(&asking(json!({ "VerifyAccess": "true" }))))).await.success();
    stage.send(&of_type(delete("AmazonSageMaker-Execution", &asking(json!({}))))).await.success();

    stage.fake.beyond_boundary("s3:ListBucket");
    let response = stage.send(&of_type(create(&asking(json!({ "VerifyAccess": "true" }))))).await.failure();
    let reason = response.reason();
    assert!(
        reason.contains("`Buckets[0]`: the role can't perform `s3:ListBucket` on `arn:aws:s3:::churn-data`: denied by"),
        "{reason}"
    );
    assert!(reason.ends_with("; rolled back"), "{reason}");
    assert!(stage.fake.books().roles.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_other_accounts_own_is_not_asked_of_our_simulator() {
    let stage = Stage::new(Fake::new());
    stage.fake.beyond_boundary("ecr:BatchGetImage");
    let of = |repository: &str| asking(json!({ "VerifyAccess": "true", "Repositories": repository }));
    let theirs = of("arn:aws:ecr:us-east-1:683313688378:repository/sagemaker-xgboost");
    stage.send(&of_type(create(&theirs))).await.success();
    let reason = stage.send(&of_type(create(&of("ours")))).await.failure().reason().to_owned();
    assert!(reason.contains("`Repositories`: the role can't perform `ecr:BatchGetImage`"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn the_deployer_says_what_else_the_role_may_trust() {
    let services = ["events.amazonaws.com", "glue.amazonaws.com"];
    let asked = asking(json!({ "TrustedServices": services, "TrustedActions": "sts:TagSession" }));
    let mut stage = Stage::new(Fake::new());
    let allow = |stage: &mut Stage, allowed: &[&str]| {
        let allowed = allowed.iter().map(|one| (*one).to_owned()).collect();
        stage.handler.guardrails.as_mut().unwrap().allowed_trust = allowed;
    };
    let cases: [(&[&str], &[&str]); 4] = [
        (&[], &["events.amazonaws.com", "glue.amazonaws.com", "sts:TagSession"]),
        (&["glue.amazonaws.com"], &["events.amazonaws.com", "sts:TagSession"]),
        (&["glue.amazonaws.com", "sts:TagSession", "*"], &["events.amazonaws.com"]),
        (&["events.amazonaws.com", "glue.amazonaws.com", "sts:*"], &["sts:TagSession"]),
    ];
    for (allowed, refused) in cases {
        allow(&mut stage, allowed);
        let response = stage.send(&of_type(create(&asked))).await.failure();
        let reason = response.reason();
        for one in ["events.amazonaws.com", "glue.amazonaws.com", "sts:TagSession"] {
            assert_eq!(reason.contains(&format!(": found `{one}`")), refused.contains(&one), "{allowed:?}: {reason}");
        }
        assert!(reason.contains("which the deployer's `AllowedTrust` does not have"), "{reason}");
    }
    assert_eq!(stage.fake.calls(), Vec::<String>::new());

    allow(&mut stage, &["events.amazonaws.com", "glue.amazonaws.com", "sts:TagSession"]);
    let made = stage.send(&of_type(create(&asked))).await.success();
    let statements = |stage: &Stage| {
        let role = stage.fake.books().roles["amazonsagemaker-execution"].clone();
        role.trust["Statement"].as_array().unwrap().clone()
    };
    let trust = statements(&stage);
    let of = |service: &str| {
        let trusts = |one: &&Value| one["Principal"]["Service"].as_array().unwrap().contains(&json!(service));
        trust.iter().find(trusts).unwrap_or_else(|| panic!("{service} is not in {trust:?}"))
    };
    assert_eq!(of("sagemaker.amazonaws.com")["Action"], json!(["sts:AssumeRole", "sts:TagSession"]));
    for service in services {
        assert_eq!(of(service)["Action"], json!(["sts:AssumeRole"]), "{service}");
        assert_eq!(
            of(service)["Condition"]["StringEqualsIfExists"]["aws:SourceAccount"],
            json!(["123456789012"]),
            "{service}"
        );
    }

    stage.send(&of_type(update(made.id(), &asking(json!({})), &asked))).await.success();
    let left = statements(&stage);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["Principal"]["Service"], json!(["sagemaker.amazonaws.com"]));
    assert_eq!(left[0]["Action"], json!(["sts:AssumeRole"]));
}

/// A role keeps its trust policy, whatever the deployer removes from the list. It gets no other one.
#[tokio::test(start_paused = true)]
async fn a_trust_that_the_deployer_no_longer_allows_is_kept_and_can_be_removed() {
    let trusting = asking(json!({ "TrustedServices": "events.amazonaws.com" }));
    let tagged = asking(json!({ "TrustedServices": "events.amazonaws.com", "Description": "changed" }));
    let more = asking(json!({ "TrustedServices": ["events.amazonaws.com", "glue.amazonaws.com"] }));
    let id = "AmazonSageMaker-Execution";
    let mut stage = Stage::new(Fake::new());
    stage.send(&of_type(create(&trusting))).await.success();
    stage.handler.guardrails.as_mut().unwrap().allowed_trust.clear();
    stage.fake.stack_status("UPDATE_IN_PROGRESS");
    stage.fake.hold_as(id, STACK, "ExecutionRole", "UPDATE_IN_PROGRESS");
    stage.fake.held_type(TYPE);

    let before = stage.fake.books();
    let response = stage.send(&of_type(update(id, &more, &trusting))).await.failure();
    let says = |one: &str| format!("found `{one}`, which the deployer's `AllowedTrust` does not have");
    assert!(response.reason().contains(&says("glue.amazonaws.com")), "{}", response.reason());
    assert_eq!(stage.fake.books(), before);
    let kept = stage.send(&of_type(update(id, &tagged, &trusting))).await.success();
    let told = kept.0["Data"]["Warnings"].as_str().unwrap();
    assert!(told.contains(&says("events.amazonaws.com")), "{told}");
    stage.fake.stack_status("UPDATE_ROLLBACK_IN_PROGRESS");
    stage.send(&of_type(update(id, &trusting, &tagged))).await.success();
    let trusts = |stage: &Stage| stage.fake.books().roles[&id.to_lowercase()].trust["Statement"].to_string();
    assert!(trusts(&stage).contains("events.amazonaws.com"), "{}", trusts(&stage));
    stage.fake.stack_status("UPDATE_IN_PROGRESS");
    stage.send(&of_type(update(id, &asking(json!({})), &trusting))).await.success();
    assert!(!trusts(&stage).contains("events.amazonaws.com"), "{}", trusts(&stage));
}
