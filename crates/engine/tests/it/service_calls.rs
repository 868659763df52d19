//! Tests that the derived policy allows the calls that Step Functions makes for an optimized integration, and denies
//! near misses. Each case in `tests/data/service_calls` names the page of AWS that its calls rest on.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::documents::{documents, pass_role};
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::context::DeriveContext;
use mlops_roles_core::permissions::integration::task_resources::{DeclaredRole, TaskResources};
use mlops_roles_core::permissions::integration::{Integration, all};

use mlops_roles_testkit::account::simulator::allows;

/// The forms of placeholders whose member takes an ARN. `cased` is not one of them: the APIs of SageMaker that have an
/// optimized integration take the names of jobs, models and endpoints, not their ARNs.
/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html>
const BY_ARN: [&str; 21] = [
    "aliased-key",
    "arn",
    "base-model",
    "before-colon",
    "called-model",
    "cased-arn",
    "connection-secret",
    "function",
    "function-name",
    "key",
    "last-segment",
    "model",
    "or",
    "place",
    "profile-models",
    "report-group",
    "revision",
    "role",
    "state-machine",
    "task-definition",
    "used-key",
];

/// The condition key of the service that a role is passed to.
const SERVICE: &str = "iam:PassedToService";

/// A definition, and the calls that its policy must allow or deny.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The name in the failures of the tests: `batch:submitJob, ARN`.
    name: String,
    /// The page of AWS that the calls rest on. The tables have no other source of a grant, except in `declared`.
    source: String,
    /// The integration, the pattern (empty, `sync`, `sync:2` or `token`), and the form of the name: `literal`,
    /// `expression` or `ARN`.
    covers: Option<[String; 3]>,
    /// The only state, whose name is `S`.
    state: Option<Value>,
    /// The whole definition, in place of `state`.
    definition: Option<Value>,
    /// `StateMachineName` of the workflow role.
    state_machine: Option<String>,
    /// `Logging` of the workflow role.
    #[serde(default)]
    logging: bool,
    /// `Tracing` of the workflow role.
    #[serde(default)]
    tracing: bool,
    /// `KmsKeyArn` of the workflow role.
    key: Option<String>,
    /// `DataKeys` of the workflow role.
    data_keys: Option<Vec<String>>,
    /// `TaskResources` of the state `S`.
    #[serde(default)]
    declares: Option<Declares>,
    /// `partition`, `region` and `account` of the state machine. `aws`, `us-east-1` and `123456789012` if absent.
    place: Option<BTreeMap<String, String>>,
    /// `SageMakerExecutionRoleArns` of the workflow role.
    #[serde(default)]
    execution_roles: Vec<String>,
    /// `ResourceOverrides` of the workflow role.
    #[serde(default)]
    overrides: BTreeMap<String, Vec<String>>,
    /// The name that the definition tells, or the known beginning of it. Near misses change it where it first occurs in
    /// the resource of a call. A resource without it gets another end.
    known: Option<String>,
    /// Calls that must be allowed. The test denies a near miss of each: another region, account, name or service.
    #[serde(default)]
    allows: Vec<Call>,
    /// Further calls that must be denied. If a resource has several names, the near misses of all but `known` go here.
    #[serde(default)]
    denies: Vec<Call>,
    /// A text of an error.
    refuses: Option<String>,
    /// A text of a message of a rule that earlier versions did not have.
    tells: Option<String>,
    /// `false` if the case has no near misses, for the reason in `why_not`.
    near: Option<bool>,
    why_not: Option<String>,
}

/// `TaskResources` of a state.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "PascalCase")]
struct Declares {
    read: Option<Vec<String>>,
    write: Option<Vec<String>>,
    /// Each role with the service that it is passed to.
    pass_roles: Option<Vec<(String, String)>>,
}

/// The action, the resource, the context, and the kinds of near misses that the policy also allows: `region`,
/// `account`, `name` or `service`.
#[derive(Debug, Deserialize)]
struct Call(String, String, #[serde(default)] BTreeMap<String, Value>, #[serde(default)] BTreeSet<String>);

/// The policies that are derived from the definition of a case, and the messages about it.
struct Derived {
    policies: Vec<Value>,
    errors: Vec<String>,
    tightened: Vec<String>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/service_calls");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    let read = |path: &PathBuf| -> Vec<Case> {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.iter().flat_map(read).collect()
}

fn derived(case: &Case) -> Derived {
    let definition = match (&case.state, &case.definition) {
        (Some(state), None) => json!({ "StartAt": "S", "States": { "S": state } }),
        (None, Some(definition)) => definition.clone(),
        _ => panic!("{}: expected either `state` or `definition`", case.name),
    };
    let place = match &case.place {
        Some(place) => Place {
            partition: place["partition"].clone(),
            region: place["region"].clone(),
            account: place["account"].clone(),
        },
        None => Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() },
    };
    let features = Features {
        state_machine: case.state_machine.clone(),
        logging: case.logging,
        tracing: case.tracing,
        key: case.key.clone(),
        data_keys: case.data_keys.clone(),
    };
    let role = |(role, service): (String, String)| DeclaredRole { role, service };
    let resources = case.declares.clone().map(|Declares { read, write, pass_roles }| {
        let pass_roles = pass_roles.map(|roles| roles.into_iter().map(role).collect());
        ("S".to_owned(), TaskResources { read, write, pass_roles })
    });
    let resources: BTreeMap<_, _> = resources.into_iter().collect();
    let context = DeriveContext {
        place: &place,
        execution_roles: &case.execution_roles,
        overrides: &case.overrides,
        actions: &BTreeMap::new(),
        resources: &resources,
    };
    let (machine, mut errors) = asl::parse(&definition);
    let required = derive(&machine, &features, context);
    errors.extend(required.errors);
    let granting = documents(&required.grants).unwrap_or_else(|error| {
        errors.push(error.to_string());
        Vec::new()
    });
    let policies = granting.into_iter().chain(pass_role(&required.pass_role_grants));
    let policies = policies.map(|document| serde_json::from_str(&document.to_string()).unwrap()).collect();
    Derived { policies, errors, tightened: required.tightened }
}

/// A text with another name. If only the beginning of the name is known, the other name has another beginning.
fn missed(text: &str, case: &Case) -> String {
    let begins = case.covers.as_ref().is_some_and(|[_, _, form]| form == "expression");
    match case.known.as_deref().filter(|known| text.contains(*known)) {
        Some(known) if begins => text.replacen(known, "near-miss-", 1),
        Some(known) => text.replacen(known, &format!("{known}-near-miss"), 1),
        None => format!("{text}-near-miss"),
    }
}

/// The near misses of a call, each with its kind, resource and context. A near miss differs from the call in one thing.
fn near_misses(call: &Call, case: &Case) -> Vec<(&'static str, String, BTreeMap<String, Value>)> {
    let Call(_, resource, context, _) = call;
    let mut near = Vec::new();
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    if let [scheme, partition, service, region, account, name] = parts[..] {
        let at = |region: &str, account: &str, name: &str| {
            format!("{scheme}:{partition}:{service}:{region}:{account}:{name}")
        };
        if !region.is_empty() {
            near.push(("region", at("ap-south-2", account, name), context.clone()));
        }
        if !account.is_empty() {
            near.push(("account", at(region, "999999999999", name), context.clone()));
        }
        near.push(("name", at(region, account, &missed(name, case)), context.clone()));
    }
    if context.contains_key(SERVICE) {
        let mut context = context.clone();
        context.insert(SERVICE.to_owned(), json!("near-miss.amazonaws.com"));
        near.push(("service", resource.clone(), context));
    }
    near
}

/// Whether the policies allow a call. The simulator takes one value for each key, so a list of one value becomes it.
fn allowed(policies: &[Value], action: &str, resource: &str, context: &BTreeMap<String, Value>) -> bool {
    let one = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([only]) => only.clone(),
        _ => value.clone(),
    };
    let context: BTreeMap<String, Value> = context.iter().map(|(key, value)| (key.clone(), one(value))).collect();
    allows(policies, action, resource, &context)
}

/// Whether the messages have the expected text. Without one, there must be no messages.
fn as_expected(messages: &[String], expected: Option<&str>) -> bool {
    expected.map_or(messages.is_empty(), |text| messages.iter().any(|message| message.contains(text)))
}

/// What is wrong with a case, one line for each fault.
fn faults(case: &Case) -> Vec<String> {
    let Derived { policies, errors, tightened } = derived(case);
    let mut faults = Vec::new();
    if !as_expected(&errors, case.refuses.as_deref()) {
        faults.push(format!("expected {:?} in the errors {errors:?}", case.refuses));
    }
    if case.refuses.is_none() && !as_expected(&tightened, case.tells.as_deref()) {
        faults.push(format!("expected {:?} in the messages of new rules {tightened:?}", case.tells));
    }
    if !case.source.starts_with("https://") {
        faults.push(format!("found `{}`, expected the address of a page", case.source));
    }
    if case.near.is_some() != case.why_not.is_some() {
        faults.push("expected `near` and `why_not` together".to_owned());
    }
    if !faults.is_empty() || case.refuses.is_some() {
        return faults;
    }
    for call in &case.allows {
        let Call(action, resource, context, exempt) = call;
        if !allowed(&policies, action, resource, context) {
            faults.push(format!("denies {action} on {resource} with {}, expected to allow it", json!(context)));
            continue;
        }
        let near = if case.near == Some(false) { Vec::new() } else { near_misses(call, case) };
        for (kind, resource, context) in &near {
            let (found, expected) = (allowed(&policies, action, resource, context), exempt.contains(*kind));
            let context = json!(context);
            match (found, expected) {
                (true, false) => faults.push(format!("allows the near miss {action} on {resource} with {context}")),
                (false, true) => faults.push(format!("denies {action} on {resource} with {context}; remove `{kind}`")),
                _ => {}
            }
        }
        for kind in exempt.iter().filter(|kind| !near.iter().any(|(near, ..)| near == kind)) {
            faults.push(format!("{action} on {resource} has no near miss `{kind}`"));
        }
    }
    for Call(action, resource, context, _) in &case.denies {
        if allowed(&policies, action, resource, context) {
            faults.push(format!("allows {action} on {resource} with {}, expected to deny it", json!(context)));
        }
    }
    faults
}

#[test]
fn each_policy_allows_the_calls_of_its_definition_and_denies_near_misses() {
    let cases = cases();
    assert!(cases.len() > 250, "{} cases", cases.len());
    let named = |case: &Case| -> Vec<String> {
        faults(case).into_iter().map(|fault| format!("{}: {fault}", case.name)).collect()
    };
    let faults: Vec<String> = cases.iter().flat_map(named).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The `how` of each placeholder in an ARN template or a condition.
fn hows(text: &str) -> Vec<String> {
    let inside = text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(inside, _)| inside);
    let placeholders = inside.filter(|inside| !inside.contains('"'));
    let hows = placeholders.map(|inside| inside.split_once('|').map_or("", |(_, how)| how));
    hows.map(|how| how.split([' ', '=']).next().unwrap_or_default().to_owned()).collect()
}

/// The forms that the names in a call of an integration may have.
fn forms(integration: &Integration) -> Vec<&'static str> {
    let texts = integration.grants.iter().flat_map(|need| {
        let condition = need.condition.as_ref().map(Value::to_string);
        need.on.iter().cloned().chain(condition)
    });
    let hows: Vec<String> = texts.flat_map(|text| hows(&text)).collect();
    let passes = integration.grants.iter().any(|need| !need.pass.is_empty());
    let named = (passes || !hows.is_empty()).then_some("expression");
    let by_arn = (passes || hows.iter().any(|how| BY_ARN.contains(&how.as_str()))).then_some("ARN");
    once("literal").chain(named).chain(by_arn).collect()
}

#[test]
fn each_integration_has_a_case_of_each_pattern_and_form_of_a_name() {
    let (mut covered, mut other) = (BTreeSet::new(), Vec::new());
    for case in cases() {
        let Some([integration, pattern, form]) = case.covers else { continue };
        let suffix = match pattern.as_str() {
            "" => String::new(),
            "token" => ".waitForTaskToken".to_owned(),
            pattern => format!(".{pattern}"),
        };
        let resource = case.state.as_ref().map(|state| state["Resource"].to_string());
        if resource.is_some_and(|resource| !resource.ends_with(&format!(":::{integration}{suffix}\""))) {
            other.push(case.name);
        }
        covered.insert([integration, pattern, form]);
    }
    assert!(other.is_empty(), "the state is of another integration or pattern: {other:?}");
    let mut missing = Vec::new();
    for (service, action, integration) in all() {
        for pattern in once("").chain(integration.patterns.iter().map(String::as_str)) {
            for form in forms(integration) {
                let cell = [format!("{service}:{action}"), pattern.to_owned(), form.to_owned()];
                if !covered.contains(&cell) {
                    missing.push(cell.join(", "));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{} without a case:\n{}", missing.len(), missing.join("\n"));
}
