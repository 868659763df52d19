//! The function beside what else would do the same work: the same events, the same local IAM over https, interleaved.
//!
//!     make bench
//!
//! Prints medians, and how many times as much each peer takes. `ROUNDS` of each, 10 unless told.

mod aws;
mod cpu;
mod lambda;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use aws::Aws;
use cpu::Share;
use lambda::{Invocation, Lambda, Peer};

/// Pairs of Create and Delete after the first ones.
const WARM: usize = 3;
const DELAYS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(100)];

/// MB. Lambda's smallest, and the largest that adds to one CPU.
const MEMORY_SIZES: [u64; 6] = [128, 256, 384, 512, 1_024, 1_769];

/// One life of a process: what each metric was, in the order of `METRICS`.
type Sample = [f64; METRICS.len()];

/// Name and unit. What has the unit `ms` or `MB` is told with its ratio.
const METRICS: [(&str, &str); 15] = [
    ("cold start", "ms"),
    ("first Create", "ms"),
    ("first Create, own time", "ms"),
    ("cold start and first Create, own time", "ms"),
    ("first Delete, own time", "ms"),
    ("warm Create", "ms"),
    ("warm Create, own time", "ms"),
    ("warm Delete", "ms"),
    ("warm Delete, own time", "ms"),
    ("CPU time, start to first Create", "ms"),
    ("peak memory", "MB"),
    ("calls of a Create", ""),
    ("calls of a Delete", ""),
    ("longest chain of a Create", ""),
    ("longest chain of a Delete", ""),
];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |what| arguments.next().unwrap_or_else(|| panic!("missing: {what}"));
    let peers = peers(Path::new(&argument("the file with the peers")));
    let upstream = argument("the port of the local IAM").parse().unwrap();
    let work_dir = PathBuf::from(argument("a folder to write to"));
    let rounds: usize = std::env::var("ROUNDS").map_or(10, |text| text.parse().unwrap());
    let aws = Aws::start(upstream).await;
    let environment = environment(&aws, &work_dir);
    let mut accounts = 100_000_000_000_u64;

    let mut results = Vec::new();
    for delay in DELAYS {
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); peers.len()];
        for round in 0..rounds {
            for turn in 0..peers.len() {
                // Nobody always runs behind the same other.
                let at = (turn + round) % peers.len();
                accounts += 1;
                aws.state().delay = delay;
                samples[at].push(live(&peers[at], &environment, accounts, &aws).await);
            }
        }
        let medians: Vec<Sample> = samples.iter().map(|samples| medians(samples)).collect();
        println!("\n### {} ms added to each call, medians of {rounds} interleaved runs\n", delay.as_millis());
        print(&peers, &medians);
        let named = peers.iter().zip(&medians).map(|(peer, medians)| (peer.name.clone(), json!(medians)));
        results.push(json!({ "delay_ms": delay.as_millis() as u64, "medians": Value::Object(named.collect()) }));
    }
    println!("\n### Where IAM refuses writes to one role that overlap (409 ConcurrentModification)\n");
    println!("| | Create | Delete | writes refused | left in the account |\n|---|---|---|--:|--:|");
    for peer in &peers {
        accounts += 1;
        contend(peer, &environment, accounts, &aws).await;
    }
    println!("\n### First Create by memory size, 100 ms added to each call, medians of {rounds} interleaved runs\n");
    println!("| | {} |", MEMORY_SIZES.map(|size| format!("{size} MB")).join(" | "));
    println!("|---|{}", "--:|".repeat(MEMORY_SIZES.len()));
    for peer in peers.iter().take(1) {
        let mut walls = vec![Vec::new(); MEMORY_SIZES.len()];
        for _ in 0..rounds {
            for (size, walls) in MEMORY_SIZES.into_iter().zip(&mut walls) {
                accounts += 1;
                walls.extend(squeezed(peer, size, &environment, accounts, &aws).await);
            }
        }
        let cells = walls.into_iter().map(|walls| {
            if walls.is_empty() { "not permitted here".to_owned() } else { format!("{:.0} ms", median(walls)) }
        });
        println!("| {} | {} |", peer.name, cells.collect::<Vec<_>>().join(" | "));
    }
    let names: Vec<&str> = METRICS.iter().map(|(name, _)| *name).collect();
    let all = json!({ "metrics": names, "rounds": rounds, "results": results });
    std::fs::write(work_dir.join("bench.json"), format!("{all:#}\n")).unwrap();
}

fn peers(file: &Path) -> Vec<Peer> {
    let list: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.as_array()
        .unwrap()
        .iter()
        .map(|peer| Peer {
            name: text(&peer["name"]),
            command: peer["command"].as_array().unwrap().iter().map(text).collect(),
            cwd: text(&peer["cwd"]).into(),
            properties: peer["properties"].clone(),
            package: std::fs::metadata(text(&peer["package"])).unwrap().len(),
        })
        .collect()
}

/// What Lambda and the deployer set, for whichever peer reads it.
fn environment(aws: &Aws, work_dir: &Path) -> Vec<(String, String)> {
    // Lambda's own list of authorities is as long.
    let known = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let bundle = work_dir.join("authorities.pem");
    std::fs::write(&bundle, known + &aws.authority).unwrap();
    let bundle = bundle.to_str().unwrap();
    [
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", &format!("https://localhost:{}", aws.port)),
        ("AWS_CA_BUNDLE", bundle),
        ("SSL_CERT_FILE", bundle),
        ("NODE_EXTRA_CA_CERTS", bundle),
        ("AWS_LAMBDA_FUNCTION_NAME", "mlops-roles"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "log"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "log"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("PATH", "/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("ROLE_NAME_PREFIXES", "AmazonSageMaker"),
        ("ROLE_PATHS", "/"),
        ("PERMISSIONS_BOUNDARY_ARN", "arn:aws:iam::aws:policy/PowerUserAccess"),
        ("PASSABLE_ROLE_ARNS", "arn:aws:iam::*:role/*SageMaker*"),
        ("ENABLED_TYPES", "Custom::StepFunctionsWorkflowRole"),
        ("ALLOW_ADOPTION", "false"),
        ("LOG_LEVEL", "info"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Each run has an account of its own in the local IAM, which tells them apart by the access key.
async fn start(peer: &Peer, environment: &[(String, String)], account: u64) -> Lambda {
    let mut environment = environment.to_vec();
    environment.push(("AWS_ACCESS_KEY_ID".to_owned(), account.to_string()));
    Lambda::start(peer, &environment, &function(account)).await
}

fn function(account: u64) -> String {
    format!("arn:aws:lambda:us-east-1:{account}:function:mlops-roles")
}

/// As CloudFormation sends it.
fn event(peer: &Peer, kind: &str, account: u64, port: u16) -> Value {
    let role = "AmazonSageMaker-Bench";
    let mut event = json!({
        "RequestType": kind,
        "ResponseURL": format!("https://localhost:{port}/answer"),
        "StackId": format!("arn:aws:cloudformation:us-east-1:{account}:stack/bench/7c1d"),
        "RequestId": "b3a5c9e0-0000-4000-8000-000000000000",
        "ResourceType": "Custom::StepFunctionsWorkflowRole",
        "LogicalResourceId": "WorkflowRole",
        "ResourceProperties": {
            "ServiceToken": function(account),
            "RoleName": role,
            "SageMakerExecutionRoleArns": format!("arn:aws:iam::{account}:role/MySageMakerRole"),
            "SettleSeconds": "0",
        },
    });
    for (name, value) in peer.properties.as_object().into_iter().flatten() {
        event["ResourceProperties"][name] = value.clone();
    }
    if kind == "Delete" {
        event["PhysicalResourceId"] = json!(role);
    }
    event
}

/// Starts the process, has it make and delete the role several times, and ends it.
async fn live(peer: &Peer, environment: &[(String, String)], account: u64, aws: &Aws) -> Sample {
    let mut lambda = start(peer, environment, account).await;
    let (create, delete) = (event(peer, "Create", account, aws.port), event(peer, "Delete", account, aws.port));
    let first = done(peer, lambda.send(&create, aws).await);
    let (cpu, _) = lambda.took();
    let first_delete = done(peer, lambda.send(&delete, aws).await);
    let (mut creates, mut deletes) = (Vec::new(), Vec::new());
    for _ in 0..WARM {
        creates.push(done(peer, lambda.send(&create, aws).await));
        deletes.push(done(peer, lambda.send(&delete, aws).await));
    }
    assert_eq!(aws.left(&account.to_string()).await, 0, "{}: all is deleted", peer.name);
    let (_, peak) = lambda.took();
    let cold_start = ms(lambda.cold_start);
    lambda.stop().await;
    let warm = |invocations: &[Invocation], of: fn(&Invocation) -> Duration| {
        median(invocations.iter().map(|invocation| ms(of(invocation))).collect())
    };
    [
        cold_start,
        ms(first.wall),
        ms(first.own),
        cold_start + ms(first.own),
        ms(first_delete.own),
        warm(&creates, |one| one.wall),
        warm(&creates, |one| one.own),
        warm(&deletes, |one| one.wall),
        warm(&deletes, |one| one.own),
        ms(cpu),
        peak as f64 / 1e6,
        first.calls as f64,
        first_delete.calls as f64,
        first.chain as f64,
        first_delete.chain as f64,
    ]
}

/// The first Create in ms, with the share of a CPU that Lambda gives that memory size. It starts at full speed, as there.
async fn squeezed(
    peer: &Peer,
    memory_size: u64,
    environment: &[(String, String)],
    account: u64,
    aws: &Aws,
) -> Option<f64> {
    aws.state().delay = DELAYS[1];
    let mut lambda = start(peer, environment, account).await;
    let share = Share::of(memory_size, lambda.id());
    let first = match &share {
        Ok(_) => Some(ms(done(peer, lambda.send(&event(peer, "Create", account, aws.port), aws).await).wall)),
        Err(_) => None,
    };
    lambda.stop().await;
    first
}

fn done(peer: &Peer, invocation: Invocation) -> Invocation {
    let answer = invocation.answer.as_ref().unwrap_or_else(|| panic!("{} does not answer", peer.name));
    assert_eq!(answer["Status"], "SUCCESS", "{}: {answer}", peer.name);
    invocation
}

/// A Create and a Delete where IAM minds what overlaps.
async fn contend(peer: &Peer, environment: &[(String, String)], account: u64, aws: &Aws) {
    aws.state().conflicts = true;
    aws.state().delay = Duration::ZERO;
    let mut lambda = start(peer, environment, account).await;
    let mut outcomes = Vec::new();
    aws.state().refused = 0;
    for kind in ["Create", "Delete"] {
        let answer = lambda.send(&event(peer, kind, account, aws.port), aws).await.answer;
        outcomes.push(
            answer.map_or("no answer".to_owned(), |answer| answer["Status"].as_str().unwrap_or_default().to_owned()),
        );
    }
    lambda.stop().await;
    let refused = aws.state().refused;
    aws.state().conflicts = false;
    let left = aws.left(&account.to_string()).await;
    println!("| {} | {} | {} | {refused} | {left} |", peer.name, outcomes[0], outcomes[1]);
}

/// The first is ours; each other has its figure and how many times ours that is.
fn print(peers: &[Peer], medians: &[Sample]) {
    println!("| | {} |", peers.iter().map(|peer| peer.name.as_str()).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "--:|".repeat(peers.len()));
    let row = |name: &str, unit: &str, figures: Vec<f64>| {
        let digits = if unit.is_empty() { 0 } else { 1 };
        let cells = figures.iter().enumerate().map(|(at, figure)| {
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            let ratio =
                if at == 0 || unit.is_empty() { String::new() } else { format!(" ({:.1}x)", figure / figures[0]) };
            format!("{figure:.digits$}{unit}{ratio}")
        });
        println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    };
    for (at, (name, unit)) in METRICS.iter().enumerate() {
        row(name, unit, medians.iter().map(|medians| medians[at]).collect());
    }
    let packages: Vec<String> = peers.iter().map(|peer| format!("{:.2} MB", peer.package as f64 / 1e6)).collect();
    println!("| deployment package | {} |", packages.join(" | "));
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn medians(samples: &[Sample]) -> Sample {
    std::array::from_fn(|at| median(samples.iter().map(|sample| sample[at]).collect()))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 { figures[middle] } else { (figures[middle - 1] + figures[middle]) / 2.0 }
}
