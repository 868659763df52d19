//! Tests the real process against the local AWS, over a wire that breaks: every call, every fault, alone and in pairs.
//!
//! `cargo test` runs a sample, `make campaign` runs everything; both write a table to `target/campaign.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_iam::types::EntityType;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use mlops_roles::http::connector;
use mlops_roles_core::iam::document::Document;

use crate::wire::{Server, free_port, ministack};
use crate::wire_faults::{BREAKS, Break, Delivered, LAG, Lambda, Upstream};

const WORKFLOW: &str = "Custom::StepFunctionsWorkflowRole";
const EXECUTION: &str = "Custom::SageMakerExecutionRole";
const CATALOG: &str = "Custom::SageMakerServiceCatalogRoles";
const SET: &str = "Custom::SageMakerMlopsRoles";
const TARGET: &str = "Custom::SageMakerDeployTarget";
/// The stand-in for the account that a run is in.
const ACCOUNT: &str = "123456789012";
const REMAINING: Duration = Duration::from_mins(2);
/// The number of concurrent runs; a run mostly waits.
const AT_ONCE: usize = 40;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}"#;
const GRANT: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;

/// The event of a case, and what exists before it.
#[derive(Clone)]
struct Case {
    name: &'static str,
    resource_type: &'static str,
    /// The properties of the resource that exists before the event, if any.
    before: Option<Value>,
    /// The properties in the event; `None` for a Delete, which has the properties of the existing resource.
    properties: Option<Value>,
    /// The path and name of each role that somebody created by hand, beside a policy.
    by_hand: &'static [(&'static str, &'static str)],
}

fn cases() -> Vec<Case> {
    let role = "arn:aws:iam::123456789012:role/MySageMakerRole";
    let workflow = json!({
        "RoleName": "AmazonSageMaker-Churn", "SageMakerExecutionRoleArns": role, "SettleSeconds": "0",
        "ManagedPolicyArns": ["arn:aws:iam::aws:policy/AmazonSageMakerReadOnly"],
        "Tags": [{ "Key": "a", "Value": "1" }],
    });
    let changed = json!({
        "RoleName": "AmazonSageMaker-Churn", "SageMakerExecutionRoleArns": role, "SettleSeconds": "0",
        "PolicyName": "AmazonSageMaker-Renamed", "PassRolePolicyName": "Renamed", "StateMachineName": "churn",
        "Description": "new", "Tags": [{ "Key": "b", "Value": "2" }],
    });
    let with = |properties: &Value, name: &str, value: Value| {
        let mut properties = properties.clone();
        properties[name] = value;
        properties
    };
    let mut found = with(&workflow, "SageMakerExecutionRole", json!({ "NotebookInstanceName": "nb" }));
    found.as_object_mut().unwrap().remove("SageMakerExecutionRoleArns");
    let replaced = with(&workflow, "RoleName", json!("AmazonSageMaker-Two"));
    let adopting = with(&workflow, "AdoptExisting", json!("true"));
    let execution = json!({
        "RoleName": "AmazonSageMaker-Churn", "NamePrefix": "churn", "Capabilities": ["Training"], "SettleSeconds": "0",
        "Buckets": [{ "Name": "data", "Prefix": "input", "Access": "Read" }],
    });
    let wider = with(&execution, "Buckets", json!([{ "Name": "data", "Prefix": "input", "Access": "ReadWrite" }]));
    let target = json!({ "NamePrefix": "bridge", "ExecutionPolicy": "Scoped", "SettleSeconds": "0" });
    let set = json!({
        "RoleSet": "TargetAccount", "EnvName": "ds-team", "EnvType": "prod", "SettleSeconds": "0",
        "AdministratorAccountId": ACCOUNT, "AdministratorEnvName": "ds-team", "ModelS3KmsKeyArn": "*", "ModelBucketName": "models",
    });
    let renamed = with(&set, "RoleNames", json!({ "SageMakerModelExecutionRole": "ds-team-other" }));
    let next_stage = with(&set, "EnvType", json!("staging"));
    let clean = json!({ "OnCreate": "Delete", "DisablePortfolio": "true", "Regions": "us-east-1" });
    let provision = json!({ "OnCreate": "Provision", "Regions": "us-east-1" });
    let case = |name, resource_type, before: Option<&Value>, properties: Option<&Value>| Case {
        name,
        resource_type,
        before: before.cloned(),
        properties: properties.cloned(),
        by_hand: &[],
    };
    let console: &[_] = &[
        ("/service-role/", "AmazonSageMakerServiceCatalogProductsLaunchRole"),
        ("/service-role/", "AmazonSageMakerServiceCatalogProductsUseRole"),
    ];
    // The principals that the roles of the set trust.
    let users: &[_] = &[("/service-role/", "AmazonSageMakerServiceCatalogProductsUseRole")];
    vec![
        case("workflow role, create", WORKFLOW, None, Some(&workflow)),
        case("workflow role, create with a role that is found", WORKFLOW, None, Some(&found)),
        case("workflow role, update", WORKFLOW, Some(&workflow), Some(&changed)),
        case("workflow role, replacement", WORKFLOW, Some(&workflow), Some(&replaced)),
        case("workflow role, delete", WORKFLOW, Some(&workflow), None),
        Case {
            by_hand: &[("/", "AmazonSageMaker-Churn")],
            ..case("workflow role, adoption", WORKFLOW, None, Some(&adopting))
        },
        Case {
            by_hand: &[("/", "AmazonSageMaker-Churn")],
            ..case("workflow role, release", WORKFLOW, Some(&adopting), None)
        },
        case("execution role, create", EXECUTION, None, Some(&execution)),
        case("execution role, update", EXECUTION, Some(&execution), Some(&wider)),
        case("execution role, delete", EXECUTION, Some(&execution), None),
        case("deploy target, create", TARGET, None, Some(&target)),
        case("deploy target, delete", TARGET, Some(&target), None),
        Case { by_hand: users, ..case("role set, create", SET, None, Some(&set)) },
        Case { by_hand: users, ..case("role set, update", SET, Some(&set), Some(&renamed)) },
        Case { by_hand: users, ..case("role set, replacement", SET, Some(&set), Some(&next_stage)) },
        Case { by_hand: users, ..case("role set, delete", SET, Some(&set), None) },
        Case { by_hand: console, ..case("service-catalog roles, clean slate", CATALOG, None, Some(&clean)) },
        case("service-catalog roles, provision", CATALOG, None, Some(&provision)),
        case("service-catalog roles, teardown", CATALOG, Some(&provision), None),
    ]
}

fn environment(account: &str) -> Vec<(&'static str, String)> {
    let types = mlops_roles_core::resource::TYPES.join(",");
    [
        ("ROLE_NAME_PREFIXES", "AmazonSageMaker,ds-team,bridge"),
        ("ROLE_PATHS", "/,/service-role/"),
        ("PERMISSIONS_BOUNDARY_ARN", "arn:aws:iam::123456789012:policy/Foreign-Boundary"),
        ("PASSABLE_ROLE_ARNS", "arn:aws:iam::*:role/*"),
        ("ALLOWED_MANAGED_POLICY_ARNS", "arn:aws:iam::aws:policy/*"),
        ("ENABLED_TYPES", &types),
        ("ALLOW_ADOPTION", "true"),
        ("LOG_LEVEL", "error"),
    ]
    .map(|(name, value)| (name, value.replace(ACCOUNT, account)))
    .into()
}

/// Everything in an account that matters, by entity, with the same account id for all accounts.
type Books = BTreeMap<String, String>;

struct Harness {
    _server: Server,
    upstream: Upstream,
    /// One connector for all clients, since each connector reads the certificates of the machine.
    http: SharedHttpConnector,
}

impl Harness {
    fn new() -> Self {
        let sagemaker = free_port();
        let server = ministack(sagemaker);
        let upstream = Upstream { iam: server.port, sagemaker };
        Self { _server: server, upstream, http: connector() }
    }

    fn iam(&self, account: &str) -> Client {
        let http = self.http.clone();
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://127.0.0.1:{}", self.upstream.iam))
            .credentials_provider(Credentials::new(account, "test", None, None, "test"))
            .retry_config(RetryConfig::standard())
            .http_client(http_client_fn(move |_, _| http.clone()))
            .build();
        Client::from_conf(config)
    }

    /// Creates foreign entities in the account, and what somebody created by hand.
    async fn populate(&self, account: &str, by_hand: &[(&str, &str)]) {
        let iam = self.iam(account);
        let policy = async |name: &str| {
            let made = iam.create_policy().policy_name(name).policy_document(GRANT).send().await.unwrap();
            made.policy.unwrap().arn.unwrap()
        };
        policy("Foreign-Boundary").await;
        let foreign = policy("Foreign").await;
        for (path, name) in [("/", "Foreign")].iter().chain(by_hand) {
            let role = iam.create_role().role_name(*name).path(*path).assume_role_policy_document(TRUST);
            role.send().await.unwrap();
            iam.attach_role_policy().role_name(*name).policy_arn(&foreign).send().await.unwrap();
        }
        let role = format!("arn:aws:iam::{account}:role/SageMakerNotebook");
        // The project does not run with service-catalog roles, so it is described, and keeps nothing.
        let projects = json!([{ "name": "churn", "templates": [role] }]);
        let region = json!({ "portfolio": "Enabled", "notebooks": { "nb": role }, "projects": projects });
        let books = json!({ "us-east-1": region }).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.upstream.sagemaker)).await.unwrap();
        let head = format!(
            "PUT /_test/{account} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            books.len()
        );
        stream.write_all((head + &books).as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        assert!(reply.starts_with(b"HTTP/1.1 200"));
    }

    async fn books(&self, account: &str) -> Books {
        let iam = self.iam(account);
        let meaning = |text: Option<&str>| {
            let text = percent_encoding::percent_decode_str(text.unwrap_or_default()).decode_utf8().unwrap();
            Document::parse(&text).to_string()
        };
        let filter = [EntityType::Role, EntityType::LocalManagedPolicy].to_vec();
        let all = iam.get_account_authorization_details().set_filter(Some(filter)).send().await.unwrap();
        let mut books = Books::new();
        for role in all.role_detail_list.unwrap_or_default() {
            let name = role.role_name.unwrap();
            let more = iam.get_role().role_name(&name).send().await.unwrap().role.unwrap();
            let attached = role.attached_managed_policies.unwrap_or_default();
            let attached: BTreeSet<_> = attached.into_iter().filter_map(|policy| policy.policy_arn).collect();
            let inline = role.role_policy_list.unwrap_or_default();
            let inline: BTreeMap<_, _> =
                inline.into_iter().map(|one| (one.policy_name, meaning(one.policy_document.as_deref()))).collect();
            let tags: BTreeMap<_, _> = role.tags.unwrap_or_default().into_iter().map(|t| (t.key, t.value)).collect();
            let trust = meaning(role.assume_role_policy_document.as_deref());
            let boundary = more.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn);
            let text = format!(
                "{:?} {trust} {:?} {:?} {boundary:?} {tags:?} {attached:?} {inline:?}",
                role.path, more.description, more.max_session_duration
            );
            books.insert(format!("role {name}"), text.replace(account, ACCOUNT));
        }
        for policy in all.policies.unwrap_or_default() {
            let arn = policy.arn.unwrap();
            let tags = iam.list_policy_tags().policy_arn(&arn).send().await.unwrap().tags;
            let tags: BTreeMap<_, _> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
            let versions = policy.policy_version_list.unwrap_or_default();
            let version = versions.iter().find(|version| version.is_default_version).unwrap();
            let text = format!("{} {tags:?}", meaning(version.document.as_deref()));
            books.insert(arn.replace(account, ACCOUNT), text.replace(account, ACCOUNT));
        }
        books
    }
}

/// The result of a run.
#[derive(Debug, Default)]
struct Outcome {
    met: usize,
    calls: Vec<String>,
    answered: bool,
    succeeded: bool,
    /// The account once the response was sent: at the end, or where it started.
    after: Books,
    /// Whether a success reached the desired state, and a failure led back, by its rollback or by the events that
    /// CloudFormation sends then.
    converged: bool,
    orphans: usize,
    foreign_changes: usize,
    what: String,
}

impl Case {
    fn event(&self, account: &str, kind: &str, properties: &Value) -> Value {
        let mut properties = properties.clone();
        properties["ServiceToken"] = json!(format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:mlops-roles"));
        let event = json!({
            "RequestType": kind,
            "RequestId": "1",
            "StackId": format!("arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/pipeline/7c1d"),
            "ResourceType": self.resource_type,
            "LogicalResourceId": "Resource",
            "ResourceProperties": properties,
        });
        serde_json::from_str(&event.to_string().replace(ACCOUNT, account)).unwrap()
    }

    fn update(&self, account: &str, id: &str, new: &Value, old: &Value) -> Value {
        let mut event = self.event(account, "Update", new);
        event["PhysicalResourceId"] = json!(id);
        event["OldResourceProperties"] = self.event(account, "Create", old)["ResourceProperties"].clone();
        event
    }

    fn delete(&self, account: &str, id: &str, properties: &Value) -> Value {
        let mut event = self.event(account, "Delete", properties);
        event["PhysicalResourceId"] = json!(id);
        event
    }

    /// Runs the case in an account of its own, with all events that CloudFormation would send afterwards.
    async fn run(&self, state: &Harness, account: String, breaks: &[(usize, Break)], end: Option<&Books>) -> Outcome {
        state.populate(&account, self.by_hand).await;
        let initial = state.books(&account).await;
        let mut lambda = Lambda::new(account.clone(), state.upstream, environment(&account)).await;
        let mut id = String::new();
        if let Some(before) = &self.before {
            id = success(&lambda.send(&self.event(&account, "Create", before), &[], REMAINING).await);
        }
        let start = state.books(&account).await;
        let event = match (&self.before, &self.properties) {
            (None, Some(new)) => self.event(&account, "Create", new),
            (Some(old), Some(new)) => self.update(&account, &id, new, old),
            (Some(old), None) => self.delete(&account, &id, old),
            (None, None) => unreachable!("a case does something"),
        };
        let told = lambda.send(&event, breaks, REMAINING).await;
        let mut outcome = Outcome { met: told.met, calls: told.calls, ..Outcome::default() };
        outcome.after = state.books(&account).await;
        let Some((_, answer)) = told.answer else {
            outcome.what = format!("not answered in {} deliveries", told.deliveries);
            return outcome;
        };
        outcome.answered = true;
        outcome.succeeded = answer["Status"] == "SUCCESS";
        outcome.what = format!("{} deliveries: {answer}", told.deliveries);
        outcome.converged = match end {
            Some(end) if outcome.succeeded => outcome.after == *end,
            _ => true,
        };
        let now = answer["PhysicalResourceId"].as_str().unwrap().to_owned();
        // A fault of the earlier event may still show in IAM reads.
        tokio::time::sleep(if breaks.iter().any(|(_, kind)| *kind == Break::Lag) { LAG } else { Duration::ZERO }).await;
        let follow_ups = match (&self.before, &self.properties) {
            (None, Some(new)) => vec![self.delete(&account, &now, new)],
            (Some(old), Some(new)) if outcome.succeeded && now != id => {
                vec![self.delete(&account, &id, old), self.delete(&account, &now, new)]
            }
            (Some(_), Some(new)) if outcome.succeeded => vec![self.delete(&account, &now, new)],
            (Some(old), Some(new)) => {
                vec![self.update(&account, &now, old, new), self.delete(&account, &now, old)]
            }
            (Some(old), _) if !outcome.succeeded => vec![self.delete(&account, &now, old)],
            _ => Vec::new(),
        };
        for (turn, event) in follow_ups.iter().enumerate() {
            let told = lambda.send(event, &[], REMAINING).await;
            let fine = told.answer.as_ref().is_some_and(|(_, answer)| answer["Status"] == "SUCCESS");
            outcome.converged &= fine;
            if !outcome.succeeded && event["RequestType"] == "Update" {
                outcome.converged &= state.books(&account).await == start;
            }
            if !fine {
                let _ = write!(outcome.what, "; follow-up {turn}: {:?}", told.answer);
            }
        }
        let last = state.books(&account).await;
        outcome.orphans =
            last.iter().filter(|(name, text)| !initial.contains_key(*name) || text.contains("mlops-roles:")).count();
        let foreign = initial.iter().filter(|(name, _)| name.contains("Foreign"));
        outcome.foreign_changes = foreign.filter(|(name, text)| last.get(*name) != Some(*text)).count();
        outcome
    }
}

/// The entities that differ between the two accounts.
fn differences(have: &Books, want: &Books) -> Books {
    let names: BTreeSet<&String> = have.keys().chain(want.keys()).collect();
    let text = |books: &Books, name: &String| books.get(name).cloned().unwrap_or_else(|| "nothing".to_owned());
    let differ = names.into_iter().filter(|name| have.get(*name) != want.get(*name));
    differ.map(|name| (name.clone(), format!("{} instead of {}", text(have, name), text(want, name)))).collect()
}

#[track_caller]
fn success(delivered: &Delivered) -> String {
    let (_, answer) = delivered.answer.as_ref().unwrap();
    assert_eq!(answer["Status"], "SUCCESS", "{answer}");
    answer["PhysicalResourceId"].as_str().unwrap().to_owned()
}

/// Pseudo-random choices, equal for equal seeds.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn fault(&mut self, calls: usize) -> (usize, Break) {
        (self.roll(calls), BREAKS[self.roll(BREAKS.len())])
    }
}

/// The faults of each run of a case that makes this number of calls.
fn plan(calls: usize, full: bool, dice: &mut Dice) -> Vec<Vec<(usize, Break)>> {
    let pair = |dice: &mut Dice| vec![dice.fault(calls), dice.fault(calls)];
    if !full {
        let singles: Vec<_> = (0..5).map(|_| vec![dice.fault(calls)]).collect();
        return singles.into_iter().chain((0..2).map(|_| pair(dice))).collect();
    }
    let singles = (0..calls).flat_map(|at| BREAKS.iter().map(move |kind| vec![(at, *kind)]));
    let singles: Vec<_> = singles.collect();
    let pairs: Vec<_> = (0..2 * calls).map(|_| pair(dice)).collect();
    singles.into_iter().chain(pairs).collect()
}

#[derive(Default)]
struct Row {
    calls: usize,
    events: usize,
    faults: usize,
    succeeded: usize,
    undone: usize,
    converged: usize,
    orphans: usize,
    foreign_changes: usize,
    stuck: usize,
}

const HEAD: &str = "| operation | calls | events | faults | answered | SUCCESS | FAILED | converged | orphans | foreign changes \
                    | stuck |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n";

impl Row {
    fn add(&mut self, outcome: &Outcome) {
        self.events += 1;
        self.faults += outcome.met;
        self.succeeded += usize::from(outcome.succeeded);
        self.undone += usize::from(outcome.answered && !outcome.succeeded);
        self.converged += usize::from(outcome.converged);
        self.orphans += outcome.orphans;
        self.foreign_changes += outcome.foreign_changes;
        self.stuck += usize::from(!outcome.answered);
    }

    fn line(&self, name: &str) -> String {
        let Self { calls, events, faults, succeeded, undone, converged, orphans, foreign_changes, stuck } = self;
        let answered = succeeded + undone;
        format!(
            "| {name} | {calls} | {events} | {faults} | {answered} | {succeeded} | {undone} | {converged} | {orphans} | \
             {foreign_changes} | {stuck} |\n"
        )
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// `CAMPAIGN=1` runs everything, and `CAMPAIGN_SEED` chooses the pairs and the samples. `CAMPAIGN_CASES` selects the
/// cases whose names contain one of its texts, separated by commas. A case then runs the same faults as it does among
/// all cases.
#[tokio::test]
async fn every_call_over_a_wire_that_breaks() {
    let full = variable("CAMPAIGN").is_some();
    let seed = variable("CAMPAIGN_SEED").unwrap_or(1);
    let state = Harness::new();
    let named = std::env::var("CAMPAIGN_CASES").unwrap_or_default();
    let mut accounts = (100_000_000_001_u64..).map(|number| number.to_string());
    let (mut table, mut total, mut bad, mut failed) = (HEAD.to_owned(), Row::default(), Vec::new(), String::new());
    for (number, case) in (1..).zip(cases()) {
        if !named.split(',').any(|text| case.name.contains(text)) {
            continue;
        }
        let calm = case.run(&state, accounts.next().unwrap(), &[], None).await;
        assert!(
            calm.succeeded && calm.converged && calm.orphans + calm.foreign_changes == 0,
            "{}: {calm:?}",
            case.name
        );
        let plan = plan(calm.calls.len(), full, &mut Dice(seed * 1_000 + number));
        let runs = stream::iter(plan.iter().zip(&mut accounts));
        let runs =
            runs.map(async |(breaks, account)| (breaks, case.run(&state, account, breaks, Some(&calm.after)).await));
        let outcomes: Vec<_> = runs.buffer_unordered(AT_ONCE).collect().await;
        let mut row = Row { calls: calm.calls.len(), ..Row::default() };
        for (breaks, outcome) in &outcomes {
            row.add(outcome);
            total.add(outcome);
            if outcome.answered && !outcome.succeeded {
                let _ = writeln!(failed, "- {}, {breaks:?} of {:?}: {}", case.name, calm.calls, outcome.what);
            }
            let clean = outcome.orphans + outcome.foreign_changes == 0;
            if !(outcome.answered && outcome.converged && clean) {
                bad.push(format!("{}, {breaks:?} of {:?}: {outcome:?}", case.name, calm.calls));
            }
        }
        total.calls += row.calls;
        table += &row.line(case.name);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/campaign.md");
        let told = format!("{table}{}\nSeed {seed}. What was answered by FAILED:\n\n{failed}", total.line("all"));
        std::fs::write(path, told).unwrap();
    }
    assert!(bad.is_empty(), "{} of {}:\n{}", bad.len(), total.events, bad.join("\n\n"));
}

/// Lambda ends a function that takes longer than its timeout. The response must be out by then, whatever was left to
/// do.
#[tokio::test]
async fn with_any_time_left_the_answer_is_out_before_the_process_ends() {
    let state = Harness::new();
    let case = &cases()[2];
    let mut accounts = (200_000_000_001_u64..).map(|number| number.to_string());
    let mut failed = 0;
    for milliseconds in [1_000, 1_500, 2_000, 3_000, 5_000, 8_000, 12_000, 30_000] {
        let (account, remaining) = (accounts.next().unwrap(), Duration::from_millis(milliseconds));
        state.populate(&account, &[]).await;
        let initial = state.books(&account).await;
        let mut lambda = Lambda::new(account.clone(), state.upstream, environment(&account)).await;
        let (old, new) = (case.before.as_ref().unwrap(), case.properties.as_ref().unwrap());
        let id = success(&lambda.send(&case.event(&account, "Create", old), &[], REMAINING).await);
        let start = state.books(&account).await;
        lambda.slow_down(Duration::from_millis(150));
        let told = lambda.send(&case.update(&account, &id, new, old), &[], remaining).await;
        let (after, answer) = told.answer.unwrap();
        assert!(after < remaining && told.deliveries == 1, "{remaining:?}: after {after:?}, {}", told.deliveries);
        lambda.slow_down(Duration::ZERO);
        if answer["Status"] == "FAILED" {
            failed += 1;
            let reason = answer["Reason"].as_str().unwrap();
            let undone = reason.contains("; rolled back") || reason.contains("nothing was");
            let named = reason.contains("rollback failed");
            assert!(undone || named || state.books(&account).await == start, "{remaining:?}: {reason}");
            success(&lambda.send(&case.update(&account, &id, old, new), &[], REMAINING).await);
            assert_eq!(differences(&state.books(&account).await, &start), Books::new(), "{remaining:?}: {reason}");
        }
        success(&lambda.send(&case.delete(&account, &id, new), &[], REMAINING).await);
        assert_eq!(differences(&state.books(&account).await, &initial), Books::new(), "{remaining:?}");
    }
    assert!((1..8).contains(&failed), "{failed} of 8 ran out of time");
}
