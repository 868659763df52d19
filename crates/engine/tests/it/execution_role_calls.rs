//! Tests the policies of `Custom::SageMakerExecutionRole` against what runs with the role: the calls that SageMaker's SDK
//! makes (`sdk.json`, recorded by `make sdk-calls`), the calls that AWS's page says SageMaker makes (`service.json`), and
//! the grants of AWS's Role Manager (`role_manager.json`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use mlops_roles_core::permissions::simulation::Check;
use mlops_roles_core::resource::execution_role::capability_names;
use mlops_roles_core::resource::spec::ResourceSpec;
use mlops_roles_testkit::account::simulator::allows;
use mlops_roles_testkit::data;

use crate::definitions::{granted, json_of};
use crate::execution_role::spec;

#[derive(Debug, Deserialize)]
struct Scenario {
    name: String,
    properties: Map<String, Value>,
    calls: Vec<Call>,
    /// Near misses that only the page makes clear.
    #[serde(default)]
    denied: Vec<Call>,
}

#[derive(Debug, Deserialize)]
struct Call {
    action: String,
    resource: String,
    #[serde(default)]
    context: BTreeMap<String, Value>,
    /// Why the caller goes on without it.
    #[serde(default)]
    optional: Option<String>,
}

fn file(name: &str) -> Value {
    json_of(&data("execution_role_calls").join(name)).unwrap_or_else(|| panic!("{name} is missing"))
}

/// The scenarios of the SDK and of the service.
fn scenarios() -> Vec<Scenario> {
    let of = |name: &str| serde_json::from_value::<Vec<Scenario>>(file(name)["scenarios"].clone()).unwrap();
    let mut all: Vec<Scenario> = of("sdk.json").into_iter().chain(of("service.json")).collect();
    for scenario in &mut all {
        // The calls pass this role.
        scenario.properties.insert("RoleName".to_owned(), json!("AmazonSageMaker-Churn"));
        scenario.properties.entry("PassSelf").or_insert(json!("true"));
    }
    assert!(all.len() > 30, "{} scenarios", all.len());
    all
}

fn documents(spec: &ResourceSpec) -> Vec<Value> {
    let granted = granted(spec);
    ["policies", "inline"].iter().flat_map(|part| granted[part].as_object().unwrap().values().cloned()).collect()
}

fn spec_of(scenario: &Scenario) -> ResourceSpec {
    spec(&scenario.properties).unwrap_or_else(|why| panic!("{}: {why}", scenario.name))
}

#[test]
fn each_call_of_the_sdk_and_of_the_service_is_allowed() {
    let (mut denied, mut count) = (BTreeSet::new(), 0);
    for scenario in scenarios() {
        let documents = documents(&spec_of(&scenario));
        for call in scenario.calls.iter().filter(|call| call.optional.is_none()) {
            count += 1;
            if !allows(&documents, &call.action, &call.resource, &call.context) {
                denied.insert(format!("{}: {} on {} {:?}", scenario.name, call.action, call.resource, call.context));
            }
        }
    }
    assert!(count > 200, "{count} calls");
    assert!(denied.is_empty(), "{} of {count} calls:\n{}", denied.len(), Vec::from_iter(denied).join("\n"));
}

/// The calls on another account, region, bucket, folder or name, or for another service. What is granted on every
/// resource, or on those of every name, has none of the kind.
fn near_misses(scenario: &Scenario, call: &Call) -> Vec<(String, BTreeMap<String, Value>)> {
    let mut misses = Vec::new();
    let limits = scenario.properties.contains_key("LimitToSubnets");
    if call.action.starts_with("ec2:") && !limits || call.action == "cloudwatch:DescribeAlarms" {
        return misses;
    }
    let mut miss = |from: &str, to: &str| {
        if call.resource.contains(from) {
            misses.push((call.resource.replacen(from, to, 1), call.context.clone()));
        }
    };
    miss(":123456789012:", ":210987654321:");
    miss(":us-east-1:", ":eu-west-1:");
    miss("arn:aws:s3:::", "arn:aws:s3:::other-");
    let monitors = scenario.properties.get("Capabilities").is_some_and(|all| all.to_string().contains("ModelMonitor"));
    if call.action == "logs:GetLogEvents" {
        miss(":log-stream:churn", ":log-stream:other");
    } else if call.resource.starts_with("arn:aws:sagemaker:") {
        // SageMaker names the processing jobs of a monitoring schedule.
        if !(monitors && call.action == "sagemaker:DescribeProcessingJob") {
            miss("/churn", "/other");
        }
    } else if call.resource.starts_with("arn:aws:s3:") {
        miss("/churn/", "/churn-old/");
    }
    if let Some(Value::String(prefix)) = call.context.get("s3:prefix").filter(|one| one.as_str() != Some("")) {
        let other = format!("other-{prefix}");
        misses.push((call.resource.clone(), BTreeMap::from([("s3:prefix".to_owned(), other.into())])));
    }
    if call.action == "iam:PassRole" {
        let other = json!("lambda.amazonaws.com");
        misses.push((call.resource.clone(), BTreeMap::from([("iam:PassedToService".to_owned(), other)])));
    }
    misses
}

#[test]
fn the_near_misses_of_each_call_are_denied() {
    let (mut allowed, mut count) = (BTreeSet::new(), 0);
    for scenario in scenarios() {
        let documents = documents(&spec_of(&scenario));
        let is_whole_bucket = |call: &Call| {
            let buckets = scenario.properties.get("Buckets").and_then(Value::as_array).into_iter().flatten();
            let bucket = call.resource.strip_prefix("arn:aws:s3:::").and_then(|rest| rest.split('/').next());
            buckets.clone().any(|one| one["Name"].as_str() == bucket && one.get("Prefix").is_none())
        };
        count += scenario.denied.len();
        let denied = |call: &&Call| !allows(&documents, &call.action, &call.resource, &call.context);
        let wrong = scenario.denied.iter().filter(|call| !denied(call));
        allowed.extend(wrong.map(|call| format!("{}: {call:?}", scenario.name)));
        for call in scenario.calls.iter().filter(|call| allows(&documents, &call.action, &call.resource, &call.context))
        {
            for (resource, context) in near_misses(&scenario, call) {
                let in_bucket = resource.split('/').next() == call.resource.split('/').next();
                if in_bucket && is_whole_bucket(call) {
                    continue;
                }
                count += 1;
                if allows(&documents, &call.action, &resource, &context) {
                    allowed.insert(format!("{}: {} on {resource} {context:?}", scenario.name, call.action));
                }
            }
        }
    }
    assert!(count > 300, "{count} near misses");
    assert!(allowed.is_empty(), "{} of {count}:\n{}", allowed.len(), Vec::from_iter(allowed).join("\n"));
}

/// Whether a policy allows all that a check asks for.
fn passes(documents: &[Value], check: &Check) -> bool {
    let context = check.context.iter().map(|one| {
        let value = if one.is_bool { json!(one.value == "true") } else { json!(one.value) };
        (one.key.clone(), value)
    });
    let context: BTreeMap<String, Value> = context.collect();
    let mut asked = check.actions.iter().flat_map(|action| check.resources.iter().map(move |on| (action, on)));
    asked.all(|(action, resource)| allows(documents, action, resource, &context))
}

#[test]
fn the_verification_of_access_passes_with_the_derived_policies() {
    let mut denied = Vec::new();
    for mut scenario in scenarios() {
        scenario.properties.insert("VerifyAccess".to_owned(), json!("true"));
        let spec = spec_of(&scenario);
        let documents = documents(&spec);
        assert!(spec.checks.len() > 3, "{}", scenario.name);
        denied.extend(spec.checks.iter().filter(|check| !passes(&documents, check)).map(|one| format!("{one:?}")));
    }
    assert!(denied.is_empty(), "{}", denied.join("\n"));
}

/// The network grants that this project derived before it followed AWS's page of `CreateProcessingJob`.
#[test]
fn the_verification_of_access_fails_with_network_grants_that_name_the_subnets() {
    let of = |more: Value| {
        let mut properties = json!({
            "Capabilities": ["Training"], "NamePrefix": "churn", "VerifyAccess": "true",
            "Subnets": "subnet-1", "SecurityGroups": "sg-1",
        });
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec(properties.as_object().unwrap()).unwrap()
    };
    let (wide, narrow) = (of(json!({})), of(json!({ "LimitToSubnets": "true" })));
    let failing = |documents: &[Value], asked: &ResourceSpec| {
        let failing = asked.checks.iter().filter(|check| !passes(documents, check));
        failing.flat_map(|check| check.actions.clone()).collect::<Vec<_>>()
    };
    assert_eq!(failing(&documents(&narrow), &narrow), Vec::<String>::new());
    assert_eq!(failing(&documents(&wide), &wide), Vec::<String>::new());
    let changes = [
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
    ];
    assert_eq!(failing(&documents(&narrow), &wide), changes);
}

#[derive(Debug, Deserialize)]
struct Judged {
    #[serde(default)]
    activity: String,
    capability: String,
    action: String,
    resource: String,
    #[serde(default)]
    context: BTreeMap<String, Value>,
    verdict: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    source: String,
}

#[test]
fn each_difference_from_the_role_manager_is_judged() {
    let file = file("role_manager.json");
    let list = |name: &str| serde_json::from_value::<Vec<Judged>>(file[name].clone()).unwrap();
    let judged: Vec<Judged> = list("judged").into_iter().chain(list("ours")).collect();
    let mut wrong = Vec::new();
    for name in capability_names() {
        let mut properties = file["properties"].as_object().unwrap().clone();
        properties.insert("Capabilities".to_owned(), json!([name]));
        properties.extend(file["moreProperties"][name].as_object().cloned().unwrap_or_default());
        let spec = spec(&properties).unwrap_or_else(|why| panic!("{name}: {why}"));
        let documents = documents(&spec);
        let grants = spec.required.grants.iter().filter(|grant| grant.state.starts_with("Capabilities"));
        let mut ours: BTreeSet<String> = grants.flat_map(|grant| grant.actions.clone()).collect();
        for one in judged.iter().filter(|one| one.capability == name) {
            let allowed = allows(&documents, &one.action, &one.resource, &one.context);
            let expected = match one.verdict.as_str() {
                "granted" | "ours" => true,
                "left out" => false,
                other => panic!("{other}"),
            };
            let reasoned = one.verdict == "granted" || !one.why.is_empty() && one.source.starts_with("https://");
            if allowed != expected || !reasoned {
                wrong.push(format!("{name}: allowed is {allowed}: {one:?}"));
            }
            ours.remove(&one.action);
        }
        if file["withoutActivity"].get(name).is_none() {
            wrong.extend(ours.into_iter().map(|action| format!("{name}: nobody judged {action}")));
        }
    }
    assert!(judged.iter().any(|one| !one.activity.is_empty()) && judged.len() > 100, "{}", judged.len());
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
