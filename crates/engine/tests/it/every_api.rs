//! Tests the policy of a call of each API whose needs name a resource: it allows the call, and denies near misses.
//!
//! The expected ARNs come from the templates of the table, and from literals that the test chooses and reads itself.
//! The table also says what an API needs. The test `service_calls` compares that with AWS's pages.

mod forms;
mod needs;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use mlops_roles_core::iam::arn::{Place, matches};
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::documents::{documents, pass_role};
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::api_need::ApiNeed;
use mlops_roles_core::permissions::integration::apis::{Api, Service, services};
use mlops_roles_core::permissions::integration::context::DeriveContext;
use mlops_roles_core::permissions::integration::{OPTIMISED, all};

use mlops_roles_testkit::account::simulator::allows;

use forms::{HERE, Hole};
use needs::{expected, found, has, put_at, scoped};

/// The role in a member that has no other text.
const ROLE: &str = "arn:aws:iam::123456789012:role/given";

/// A reason why an API is not run.
const OF_AWS: &str = "the evaluator takes no ARN of the account `aws`";

/// The APIs that are not run, each with the reason.
const NOT_RUN: [(&str, &str); 1] = [("ssoadmin:listApplicationProviders", OF_AWS)];

type Context = BTreeMap<String, Value>;

/// An action that the policy must allow on an ARN, which may have wildcards.
struct Expected {
    action: String,
    pattern: String,
    context: Context,
}

/// Calls with names and with ARNs. Each begins with another need, whose conditions it meets first.
fn calls(needs: &[ApiNeed]) -> Vec<Value> {
    let mut calls = Vec::new();
    for round in 0..needs.len().min(30) + 2 {
        let (behind, first) = needs.split_at(round % needs.len());
        let needs: Vec<&ApiNeed> = first.iter().chain(behind).collect();
        let call = call(&needs, round);
        if !calls.contains(&call) {
            calls.push(call);
        }
    }
    calls
}

/// A call with each member that a template names. In every other round it has no member that a need forbids.
fn call(needs: &[&ApiNeed], round: usize) -> Value {
    let by_arn = round % 2 == 1;
    let mut members: BTreeMap<&str, Vec<Hole<'_>>> = BTreeMap::new();
    for on in needs.iter().flat_map(|need| scoped(need)) {
        for (_, hole) in Hole::all(on, on.split(':').next().unwrap()).0 {
            members.entry(hole.member).or_default().push(hole);
        }
    }
    let left_out: Vec<&String> = needs.iter().flat_map(|need| &need.lacking).filter(|_| by_arn).collect();
    let is_free = |member: &str| !left_out.iter().any(|one| one.as_str() == member);
    let mut call = json!({});
    for (i, (member, holes)) in members.iter().enumerate() {
        if is_free(member) {
            // Seven characters with a digit, as a short id has.
            let name = format!("name{i:03}");
            let texts = |by_arn: bool| holes.iter().map(|hole| hole.literal(&name, by_arn)).collect::<Vec<String>>();
            let texts = [texts(by_arn), texts(!by_arn)].concat();
            let fits = |text: &&String| holes.iter().all(|hole| hole.form(text).is_some());
            let text = texts.iter().find(fits).unwrap_or(&texts[round % texts.len()]);
            put_at(&mut call, member, text);
        }
    }
    for list in needs.iter().flat_map(|need| [&need.given, &need.also]) {
        if !list.iter().any(|member| has(&call, member)) {
            let mut all = list.iter().map(|member| (member, member.split_once('=').unwrap_or((member.as_str(), ROLE))));
            let unset = all.find(|(member, (path, _))| is_free(member) && found(&call, path).is_none());
            if let Some((_, (path, value))) = unset {
                put_at(&mut call, path, &value.replace('*', "x"));
            }
        }
    }
    call
}

/// The policies of a task that calls an API, what is refused, and the notices.
struct Outcome {
    policies: Vec<Value>,
    refused: Vec<String>,
    notices: Vec<String>,
}

fn outcome(service: Service, api: &str, arguments: &Value) -> Outcome {
    let (field, language) = if arguments.is_string() { ("Arguments", "JSONata") } else { ("Parameters", "JSONPath") };
    let resource = format!("arn:aws:states:::aws-sdk:{}:{api}", service.name);
    let mut task = json!({ "Type": "Task", "Resource": resource, "QueryLanguage": language, "End": true });
    task[field] = arguments.clone();
    let (machine, mut refused) = asl::parse(&json!({ "StartAt": "S", "States": { "S": task } }));
    let (region, account) = HERE.split_once(':').unwrap();
    let place = Place { partition: "aws".into(), region: region.into(), account: account.into() };
    let (none, roles) = (BTreeMap::new(), [ROLE.to_owned()]);
    let context = DeriveContext {
        place: &place,
        execution_roles: &roles,
        overrides: &none,
        actions: &none,
        resources: &BTreeMap::new(),
    };
    let required = derive(&machine, &Features::default(), context);
    let documents = documents(&required.grants).unwrap().into_iter().chain(pass_role(&required.pass_role_grants));
    let policies = documents.map(|document| serde_json::from_str(&document.to_string()).unwrap()).collect();
    refused.extend(required.errors.into_iter().chain(required.tightened));
    Outcome { policies, refused, notices: required.notices }
}

/// An ARN that a pattern covers.
fn sample(pattern: &str) -> String {
    let mut parts: Vec<&str> = pattern.splitn(6, ':').collect();
    if parts[4] == "*" {
        parts[4] = "111122223333";
    }
    parts.join(":").replace(['*', '?'], "x")
}

/// What differs from the call on an ARN in one thing that the pattern has literally.
fn near_misses(call: &Expected, arn: &str) -> Vec<Expected> {
    let Expected { action, pattern, context } = call;
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let with = |at: usize, text: &str| {
        let mut parts = parts.clone();
        parts[at] = text;
        parts.join(":")
    };
    let names: BTreeSet<&str> =
        parts[5].match_indices("name0").filter_map(|(at, _)| parts[5].get(at..at + "name000".len())).collect();
    let mut arns: Vec<String> = names.iter().map(|name| with(5, &parts[5].replace(*name, "near-miss"))).collect();
    for (at, other) in [(3, "ap-south-2"), (4, "999999999999")] {
        if pattern.split(':').nth(at).is_some_and(|part| !part.is_empty() && !part.contains('*')) {
            arns.push(with(at, other));
        }
    }
    let elsewhere =
        arns.into_iter().map(|pattern| Expected { action: action.clone(), pattern, context: context.clone() });
    let of_service = Expected { action: format!("other-{action}"), pattern: arn.to_owned(), context: context.clone() };
    let without = context.iter().map(|(key, value)| {
        let mut context = context.clone();
        context.remove(key);
        if *value != "true" {
            context.insert(key.clone(), json!("near-miss"));
        }
        Expected { action: action.clone(), pattern: arn.to_owned(), context }
    });
    elsewhere.chain([of_service]).chain(without).collect()
}

/// Whether something else that the call needs covers a near miss.
fn is_needed(expected: &[Expected], miss: &Expected) -> bool {
    expected.iter().any(|one| {
        one.action == miss.action
            && matches(&one.pattern, &miss.pattern)
            && one.context.iter().all(|(key, value)| miss.context.get(key) == Some(value))
    })
}

/// Runs the calls of an API, and adds what is wrong. Returns how many calls were allowed, and how many near misses run.
fn run(service: Service, api: &str, needs: &[ApiNeed], faults: &mut Vec<String>) -> (usize, usize) {
    let own = format!("{}:{}{}", service.prefix, api[..1].to_uppercase(), &api[1..]);
    let (mut allowed, mut denied) = (0, 0);
    for call in calls(needs) {
        let Some(expected) = expected(needs, &own, &call) else { continue };
        let Outcome { policies, refused, .. } = outcome(service, api, &call);
        let mut wrong = |what: String| faults.push(format!("{}:{api} {call}: {what}", service.name));
        if !refused.is_empty() {
            wrong(format!("refuses {refused:?}"));
            continue;
        }
        // See `OF_AWS`. The text `*` has no account.
        let evaluable = |one: &&Expected| one.pattern.split(':').nth(4).is_some_and(|account| account != "aws");
        for one in expected.iter().filter(evaluable) {
            let Expected { action, context, .. } = one;
            let arn = sample(&one.pattern);
            if !allows(&policies, action, &arn, context) {
                wrong(format!("denies {action} on {arn} with {context:?}"));
                continue;
            }
            allowed += 1;
            for miss in near_misses(one, &arn).iter().filter(|miss| !is_needed(&expected, miss)) {
                let Expected { action, pattern, context } = miss;
                if allows(&policies, action, pattern, context) {
                    wrong(format!("allows {action} on {pattern} with {context:?}"));
                }
                denied += 1;
            }
        }
    }
    (allowed, denied)
}

/// Whether an optimised integration says what a task needs that calls the API.
fn is_optimised(service: Service, api: &str) -> bool {
    let table = OPTIMISED.iter().find(|(sdk, _)| *sdk == service.name).map_or(service.name, |(_, table)| table);
    all().any(|(service, action, _)| service == table && action == api)
}

#[test]
fn each_policy_allows_the_call_of_its_api_and_denies_near_misses() {
    let (mut faults, mut not_run) = (Vec::new(), Vec::new());
    let (mut apis, mut allowed, mut denied) = (0, 0, 0);
    for service in services().filter(|service| service.prefix != "!") {
        for api in service.apis().filter(|api| !is_optimised(service, api)) {
            let Ok(Api::Known { needs, .. }) = service.api(&api, true) else { continue };
            if !needs.iter().any(|need| scoped(need).next().is_some()) {
                continue;
            }
            let before = faults.len();
            let counts = run(service, &api, &needs, &mut faults);
            if counts.0 == 0 && faults.len() == before {
                not_run.push(format!("{}:{api}", service.name));
            }
            (apis, allowed, denied) = (apis + 1, allowed + counts.0, denied + counts.1);
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    not_run.sort();
    assert_eq!(not_run, NOT_RUN.map(|(api, _)| api));
    let counts = (apis, allowed, denied);
    assert!(apis > 14_000 && allowed > 22_000 && denied > 85_000, "run, allowed, denied: {counts:?}");
}

#[test]
fn each_call_that_tells_no_member_leads_to_a_grant_or_a_message() {
    let (mut silent, mut count) = (Vec::new(), 0);
    for service in services() {
        for api in service.apis() {
            for arguments in [json!({}), json!("{% $x %}")] {
                count += 1;
                let Outcome { policies, refused, notices } = outcome(service, &api, &arguments);
                if policies.is_empty() && refused.is_empty() && notices.is_empty() {
                    silent.push(format!("{}:{api} {arguments}", service.name));
                }
            }
        }
    }
    silent.sort();
    assert!(silent.is_empty(), "{silent:?}");
    assert!(count > 39_000, "{count}");
}
