//! Claims that hold for any input. A claim that does not hold panics.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::runtime::Builder;
use tokio::time::Instant;

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::is_iam_name;
use mlops_roles_core::iam::quota::INLINE_SIZE_PER_ROLE;
use mlops_roles_core::iam::quota::ROLE_NAME_LENGTH;
use mlops_roles_core::protocol::request::{Request, payload};
use mlops_roles_core::protocol::response::{MAX_RESPONSE_BYTES, Response};
use mlops_roles_core::protocol::response_url::ResponseUrl;
use mlops_roles_core::resource;
use mlops_roles_core::resource::TYPES;
use mlops_roles_core::resource::spec::ReadContext;
use mlops_roles_core::state::State;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_engine::deliver::ResponseSender;
use mlops_roles_engine::handler::{Handler, Invocation};

use crate::account::{Books, Fake};
use crate::cases::foreign;
use crate::fixtures::{FUNCTION, PASSABLE, STACK, guardrails_with, place};
use crate::mailbox::Mailbox;
use crate::service_catalog::role;

const HOST: &str = "cloudformation-custom-resource-response-useast1";

/// Guardrails that enable everything a template may ask for, but no adoption.
fn guardrails() -> Guardrails {
    guardrails_with(&[
        ("ROLE_PATHS", "/,/service-role/"),
        ("PERMISSIONS_BOUNDARY_ARN", "arn:aws:iam::123456789012:policy/Boundary"),
        ("NARROWER_PERMISSIONS_BOUNDARY_ARNS", ""),
        ("PASSABLE_ROLE_ARNS", "arn:aws:iam::*:role/*SageMaker*"),
        ("ALLOWED_MANAGED_POLICY_ARNS", "arn:aws:iam::aws:policy/AmazonX"),
        ("ENABLED_TYPES", &TYPES.join(",")),
        ("ALLOW_ADOPTION", ""),
        ("DEFINITION_LOCATIONS", "arn:aws:s3:::artifacts/*"),
        ("ALLOW_UNPINNED_DEFINITIONS", "true"),
    ])
}

/// What the account holds before an event: foreign entities, and the role that may be passed.
fn before() -> Books {
    let mut books = foreign();
    books.roles.insert("mysagemakerrole".to_owned(), role("MySageMakerRole", "/", &[], &[]));
    books
}

/// An account in which the resource of the event is being processed.
fn account(event: &Value) -> Fake {
    let account = Fake::with(before());
    account.lenient();
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    account.hold_as("", text("StackId"), text("LogicalResourceId"), "CREATE_IN_PROGRESS");
    account.held_type(text("ResourceType"));
    account.held_undated();
    account
}

/// Runs the work with a paused clock, so that no wait takes time, and with the same random parts of pauses each time.
fn run<T>(work: impl Future<Output = T>) -> T {
    fastrand::seed(0);
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(Box::pin(work))
}

/// Checks that any event gets a response or an error for Lambda, and that a failure changes nothing. Checks also that a
/// Create can be repeated, and that a Delete then removes everything.
///
/// Returns whether the text was an event at all.
pub fn event(text: &str) -> bool {
    let mut event = payload(text);
    if event.get("ResponseURL").is_none() {
        return false;
    }
    let account = account(&event);
    let before = account.books();
    let first = send(&account, &event);
    within_the_guardrails(&made(&account));
    let kind = event["RequestType"].as_str().unwrap_or_default().to_owned();
    let Some(first) = first else {
        assert_eq!(account.books(), before, "something was done that nobody hears of");
        return true;
    };
    if first["Status"] == "FAILED" {
        assert_eq!(account.books(), before, "a failure changed something: {first}");
        return true;
    }
    if kind != "Create" {
        return true;
    }
    let made = account.books();
    assert_eq!(send(&account, &event).as_ref(), Some(&first), "the same event has another answer");
    assert_eq!(account.books(), made, "the same event does something else");
    event["RequestType"] = json!("Delete");
    event["PhysicalResourceId"] = first["PhysicalResourceId"].clone();
    let last = send(&account, &event).unwrap();
    assert_eq!(last["Status"], "SUCCESS", "{last}");
    assert_eq!(account.books(), before, "something is left");
    true
}

/// The entities that were not there before the event.
fn made(account: &Fake) -> State {
    let (mut state, before) = (account.books().state(), before());
    state.roles.retain(|name, _| !before.roles.contains_key(&name.as_str().to_lowercase()));
    state.policies.retain(|arn, _| !before.policies.contains_key(arn));
    state
}

fn send(account: &Fake, event: &Value) -> Option<Value> {
    let mailbox = Mailbox::default();
    let handler = Handler {
        ports: account.clone(),
        guardrails: Ok(guardrails()),
        sender: ResponseSender { transport: mailbox.clone(), endpoint: None },
    };
    let invocation =
        Invocation { function_arn: FUNCTION.to_owned(), remaining: Duration::from_mins(5), now: 1_800_000_000 };
    let delivered = run(handler.handle(event, &invocation));
    let mut responses = mailbox.letters();
    if delivered.is_err() {
        assert!(responses.is_empty(), "a response went out, and Lambda hears that none did");
        return None;
    }
    assert_eq!(responses.len(), 1);
    let (_, body) = responses.remove(0);
    let response: Value = serde_json::from_slice(&body).unwrap();
    let repeated = ["StackId", "RequestId", "LogicalResourceId", "PhysicalResourceId"];
    let echoes: usize = repeated.iter().map(|name| response[name].to_string().len()).sum();
    let reason = response["Reason"].as_str().unwrap_or_default();
    // CloudFormation itself limits the length of what a response repeats.
    if echoes + 200 < MAX_RESPONSE_BYTES {
        assert!(body.len() <= MAX_RESPONSE_BYTES, "{} bytes", body.len());
        assert_eq!(response["Status"] == "FAILED", !reason.is_empty(), "a reason for a failure");
    }
    assert_ne!(response["PhysicalResourceId"], "");
    assert!(!reason.contains("panicked") && !reason.contains("ran out of time"), "{reason}");
    Some(response)
}

/// Checks that properties, as `["Custom::Type", {properties}]`, lead to an error, or to a state that IAM accepts and
/// the guardrails allow.
///
/// Returns whether the text has that form.
pub fn properties(text: &str) -> bool {
    let Ok(Value::Array(pair)) = serde_json::from_str(text) else { return false };
    let [Value::String(resource_type), Value::Object(properties)] = pair.as_slice() else { return false };
    check(resource_type, properties);
    true
}

/// Checks the same for a workflow role with this definition. Returns `true`.
pub fn definition(text: &str) -> bool {
    let definition = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    let properties = json!({ "Definition": definition, "SageMakerExecutionRoleArns": PASSABLE });
    check(TYPES[0], properties.as_object().unwrap());
    true
}

fn check(resource_type: &str, properties: &Map<String, Value>) {
    let (place, guardrails) = (place(), guardrails());
    let owner = Owner { stack_id: STACK.into(), logical_id: "Role".into() };
    let found = Some(PASSABLE).filter(|_| properties.contains_key("SageMakerExecutionRole"));
    for found in std::iter::once(None).chain(found.map(Some)) {
        let context = ReadContext { place: &place, guardrails: &guardrails, owner: &owner, existing: None, found };
        let Some((spec, errors)) = resource::parse(resource_type, properties, context) else { return };
        let (again, _) = resource::parse(resource_type, properties, context).unwrap();
        assert_eq!(spec.state, again.state, "equal input, equal output");
        let (spec, errors) = match spec.definition.as_ref().map(|location| location.key.clone()) {
            // As the account of the fuzzers has it.
            Some(text) if errors.is_empty() => {
                resource::parse_with_definition(resource_type, properties, context, Some(&text)).unwrap()
            }
            _ => (spec, errors),
        };
        if !errors.is_empty() {
            assert!(errors.errors.iter().chain(&errors.tightened).all(|mistake| !mistake.to_string().is_empty()));
            continue;
        }
        assert!(!spec.physical_id.is_empty());
        within_the_guardrails(&spec.state);
        // The wildcards of role sets are those of the published templates.
        if !resource::is_set(resource_type) {
            passes_by_name(&spec.state);
        }
    }
}

fn within_the_guardrails(state: &State) {
    let (place, guardrails) = (place(), guardrails());
    for (name, role) in &state.roles {
        assert!(guardrails.allows_name(name.as_str()) && is_iam_name(name.as_str(), ROLE_NAME_LENGTH), "{name}");
        assert!(guardrails.allows_path(&role.path), "{}", role.path);
        assert!(role.boundary.as_deref().is_some_and(|arn| guardrails.allows_boundary(arn)), "{:?}", role.boundary);
        assert!((3_600..=43_200).contains(&role.max_session_duration));
        assert!(role.tags.len() <= 50);
        let inline: usize = role.inline.values().map(Document::size).sum();
        assert!(inline <= INLINE_SIZE_PER_ROLE, "{inline} characters inline");
        assert!(role.trust.size() <= 2_048);
        let trust: Value = serde_json::from_str(&role.trust.to_string()).unwrap();
        assert!(!trust.to_string().contains("\"*\""), "anybody is trusted: {trust}");
        for arn in &role.attached {
            let ours = guardrails.allows_policy(arn, &place) && state.policies.contains_key(arn);
            assert!(ours || arn.contains(":iam::aws:policy/"), "{arn} is attached");
        }
    }
    for (arn, policy) in &state.policies {
        assert!(guardrails.allows_policy(arn, &place), "{arn}");
        assert!(policy.document.size() <= 6_144 && policy.tags.len() <= 50);
    }
}

fn passes_by_name(state: &State) {
    let inline = state.roles.values().flat_map(|role| role.inline.values());
    for document in inline.chain(state.policies.values().map(|policy| &policy.document)) {
        let document: Value = serde_json::from_str(&document.to_string()).unwrap();
        for statement in document["Statement"].as_array().unwrap() {
            let text = |name: &str| statement[name].to_string();
            assert!(!text("Action").contains("\"*\""), "{statement}");
            if text("Action").to_lowercase().contains("iam:passrole") {
                assert!(!text("Resource").contains('*'), "a pattern is passed: {statement}");
                assert!(text("Condition").contains("iam:PassedToService"), "{statement}");
            }
        }
    }
}

/// Checks that a response goes to the region's response bucket or to the deployer's endpoint, and nowhere else. Returns
/// `true`.
pub fn response_url(text: &str) -> bool {
    const ENDPOINT: &str = "http://localhost:4566";
    let url = ResponseUrl::new(text);
    let _ = url.signed_at();
    assert_eq!(format!("{url} {url:?}"), "[response URL] [response URL]");
    let event = json!({
        "RequestType": "Create", "RequestId": "1", "ResponseURL": text, "StackId": STACK,
        "ResourceType": "Custom::X", "LogicalResourceId": "Role", "ResourceProperties": {},
    });
    let request = Request::parse(&event).unwrap();
    let response = Response::failed(&request.target, "id", "why".into());
    for endpoint in [None, Some(ENDPOINT.to_owned())] {
        let mailbox = Mailbox::default();
        let allowed = [
            format!("https://{HOST}.s3.amazonaws.com/"),
            format!("https://{HOST}.s3-us-east-1.amazonaws.com/"),
            format!("https://{HOST}.s3.us-east-1.amazonaws.com/"),
            format!("https://{HOST}.s3.dualstack.us-east-1.amazonaws.com/"),
            format!("https://{HOST}.s3-fips.us-east-1.amazonaws.com/"),
            format!("https://{HOST}.s3-fips.dualstack.us-east-1.amazonaws.com/"),
        ];
        let local = endpoint.is_some();
        let sender = ResponseSender { transport: mailbox.clone(), endpoint };
        let place = place();
        let sent = run(async {
            sender.deliver(&url, &response, Some(&place), Instant::now() + Duration::from_secs(1)).await.is_ok()
        });
        let went = mailbox.letters();
        assert_eq!(went.len(), usize::from(sent));
        for (uri, _) in went {
            let fits = allowed.iter().any(|host| uri.starts_with(host.as_str()));
            assert!(fits || (local && uri.starts_with("http://localhost:4566/")), "the response went to {uri}");
        }
    }
    true
}
