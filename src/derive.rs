//! From a state machine to what its role may do: grants by state, then documents that say the same in fewer words. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::arn::Place;
use crate::asl::{DistributedMap, Found, Machine};
use crate::integration::{Grant, Needs, Passing, Setting, needs_of};
use crate::policy::Document;

/// Characters of a customer-managed policy, white space aside.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const POLICY_SIZE: usize = 6_144;
/// What a document has around its statements.
const AROUND: usize = 50;

/// What hangs on the state machine as a whole.
#[derive(Clone, Debug, Default)]
pub struct Features {
    pub state_machine: Option<String>,
    pub logging: bool,
    pub tracing: bool,
    /// The ARN of the key that the state machine's data is encrypted with.
    pub key: Option<String>,
}

/// All that the machine needs, and all that stands against it.
pub fn derive(machine: &Machine, features: &Features, setting: Setting<'_>) -> Needs {
    let mut needs = Needs::default();
    for task in &machine.tasks {
        needs_of(task, setting, &mut needs);
    }
    for map in &machine.maps {
        map_needs(map, features, setting, &mut needs);
    }
    feature_needs(features, setting.place, &mut needs);
    let known = |path: &&String| {
        machine.tasks.iter().any(|task| task.path == **path) || machine.maps.iter().any(|map| map.path == **path)
    };
    for path in setting.overrides.keys().filter(|path| !known(path)) {
        needs.mistakes.push(format!("`ResourceOverrides`: there is no task or distributed map `{path}`"));
    }
    needs
}

fn grant(state: &str, actions: &[&str], resources: Vec<String>, condition: Option<Value>) -> Grant {
    Grant {
        state: state.to_owned(),
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        resources: resources.into_iter().collect(),
        condition,
        widened: BTreeSet::new(),
    }
}

/// A distributed map runs its iterations as executions of the very machine.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html>
fn map_needs(map: &DistributedMap, features: &Features, setting: Setting<'_>, needs: &mut Needs) {
    let Place { partition, region, account } = setting.place;
    match &features.state_machine {
        None => needs.mistakes.push(format!(
            "state `{}`: a distributed map starts executions of the state machine itself, so `StateMachineName` is needed",
            map.path
        )),
        Some(name) => {
            let states = |rest: &str| vec![format!("arn:{partition}:states:{region}:{account}:{rest}")];
            let machine = states(&format!("stateMachine:{name}"));
            needs.grants.push(grant(&map.path, &["states:StartExecution"], machine, None));
            let ends = ["states:DescribeExecution", "states:StopExecution"];
            needs.grants.push(grant(&map.path, &ends, states(&format!("execution:{name}:*")), None));
            let label = map.label.as_deref().unwrap_or("*");
            let redrive = states(&format!("execution:{name}/{label}:*"));
            needs.grants.push(grant(&map.path, &["states:RedriveExecution"], redrive, None));
        }
    }
    for part in [&map.reader, &map.writer].into_iter().flatten() {
        let literal = |member: &&str| match part.arguments.at(member).into_iter().next() {
            Some(Found::Literal(text)) => text.contains(['*', '?']),
            _ => false,
        };
        if let Some(member) = ["Bucket", "Key", "Prefix"].iter().find(|member| literal(member)) {
            needs
                .mistakes
                .push(format!("state `{}`: `{member}` holds a wildcard, which names more than one", part.path));
            continue;
        }
        let s3 = part.resource.rsplit(":::").next().unwrap_or_default();
        let at = |member: &str| part.arguments.at(member).into_iter().next();
        let text = |member: &str| crate::asl::starts(at(member));
        let (bucket, exact) = text("Bucket");
        let object = |key: String| vec![format!("arn:{partition}:s3:::{}", join(&bucket, exact, &key))];
        match s3 {
            "s3:getObject" => {
                let (key, whole) = text("Key");
                let key = if whole { key } else { format!("{key}*") };
                needs.grants.push(grant(&map.path, &["s3:GetObject"], object(key), None));
            }
            "s3:listObjectsV2" => {
                let (prefix, _) = text("Prefix");
                let condition = (!prefix.is_empty())
                    .then(|| json!({ "StringLike": { "s3:prefix": [format!("{prefix}*")] } }));
                let bucket = if exact { bucket.clone() } else { format!("{bucket}*") };
                let on = vec![format!("arn:{partition}:s3:::{bucket}")];
                needs.grants.push(grant(&map.path, &["s3:ListBucket"], on, condition));
            }
            "s3:putObject" => {
                let (prefix, whole) = text("Prefix");
                let key = if whole && !prefix.is_empty() { format!("{prefix}/*") } else { format!("{prefix}*") };
                let actions =
                    ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"];
                needs.grants.push(grant(&map.path, &actions, object(key), None));
            }
            _ => needs.mistakes.push(format!(
                "state `{}`: `{}` reads or writes no items; expected `s3:getObject`, `s3:listObjectsV2` or `s3:putObject`",
                map.path, part.resource
            )),
        }
    }
}

/// A key in a bucket; of a bucket that is known in part, any key.
fn join(bucket: &str, exact: bool, key: &str) -> String {
    if exact { format!("{bucket}/{key}") } else { format!("{bucket}*") }
}

fn feature_needs(features: &Features, place: &Place, needs: &mut Needs) {
    let Place { partition, region, account } = place;
    let any = || vec!["*".to_owned()];
    if features.tracing {
        let actions =
            ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"];
        needs.grants.push(grant("(tracing)", &actions, any(), None));
    }
    if features.logging {
        let actions = [
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        ];
        needs.grants.push(grant("(logging)", &actions, any(), None));
    }
    if let Some(key) = &features.key {
        let name = features.state_machine.as_deref().unwrap_or("*");
        let machine = format!("arn:{partition}:states:{region}:{account}:stateMachine:{name}");
        let context = |key: &str, value: &str| {
            let operator = if value.contains('*') { "StringLike" } else { "StringEquals" };
            Some(json!({ operator: { format!("kms:EncryptionContext:{key}"): value } }))
        };
        let condition = context("aws:states:stateMachineArn", &machine);
        needs.grants.push(grant("(encryption)", &["kms:Decrypt", "kms:GenerateDataKey"], vec![key.clone()], condition));
        if features.logging {
            let logs = format!("arn:{partition}:logs:{region}:{account}:*");
            let condition = context("SourceArn", &logs);
            needs.grants.push(grant("(encryption)", &["kms:GenerateDataKey"], vec![key.clone()], condition));
        }
    }
}

/// The grants as documents that fit IAM's quota each: merged, sorted, without repetition. None for no grants.
///
/// # Errors
/// When one statement alone is too large, with its size.
pub fn documents(grants: &[Grant]) -> Result<Vec<Document>, String> {
    let mut by_place: BTreeMap<(String, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
    let condition = |grant: &Grant| grant.condition.as_ref().map_or_else(String::new, Value::to_string);
    for grant in grants {
        let key = (condition(grant), without_covered(&grant.resources));
        by_place.entry(key).or_default().extend(grant.actions.clone());
    }
    let mut by_actions: BTreeMap<(String, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
    for ((condition, resources), actions) in by_place {
        by_actions.entry((condition, actions)).or_default().extend(resources);
    }
    let mut documents = Vec::new();
    let mut statements: Vec<Value> = Vec::new();
    let mut size = AROUND;
    for ((condition, actions), resources) in by_actions {
        for statement in fitting(&condition, &actions, &without_covered(&resources))? {
            let more = length(&statement) + 1;
            if size + more > POLICY_SIZE {
                documents.push(Document::of(std::mem::take(&mut statements)));
                size = AROUND;
            }
            size += more;
            statements.push(statement);
        }
    }
    if !statements.is_empty() {
        documents.push(Document::of(statements));
    }
    Ok(documents)
}

/// Resources that no other of the set covers by its beginning.
fn without_covered(resources: &BTreeSet<String>) -> BTreeSet<String> {
    let beginnings = resources.iter().filter_map(|one| one.strip_suffix('*').filter(|rest| !rest.contains(['*', '?'])));
    let beginnings: BTreeSet<&str> = beginnings.collect();
    let covered = |one: &&String| {
        let own = one.strip_suffix('*').unwrap_or(one);
        (0..own.len()).filter_map(|end| own.get(..end)).any(|start| beginnings.contains(start))
            || (own.len() == one.len() && beginnings.contains(own))
    };
    resources.iter().filter(|one| !covered(one)).cloned().collect()
}

/// One statement, or several of its resources' halves where one would not fit a document.
fn fitting(condition: &str, actions: &BTreeSet<String>, resources: &BTreeSet<String>) -> Result<Vec<Value>, String> {
    let mut statement = Map::from_iter([
        ("Effect".to_owned(), Value::from("Allow")),
        ("Action".to_owned(), actions.iter().cloned().collect()),
        ("Resource".to_owned(), resources.iter().cloned().collect()),
    ]);
    if !condition.is_empty() {
        statement.insert("Condition".to_owned(), serde_json::from_str(condition).unwrap_or_default());
    }
    let statement = Value::Object(statement);
    let size = length(&statement) + AROUND;
    if size <= POLICY_SIZE {
        return Ok(vec![statement]);
    }
    if resources.len() < 2 {
        return Err(format!("one statement alone would have {size} characters, IAM allows {POLICY_SIZE} a policy"));
    }
    let (first, second): (Vec<_>, Vec<_>) =
        resources.iter().cloned().enumerate().partition(|(i, _)| *i < resources.len() / 2);
    let half = |half: Vec<(usize, String)>| half.into_iter().map(|(_, one)| one).collect();
    let mut statements = fitting(condition, actions, &half(first))?;
    statements.extend(fitting(condition, actions, &half(second))?);
    Ok(statements)
}

fn length(statement: &Value) -> usize {
    statement.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

/// The grant to pass each service its roles.
pub fn pass_role(passings: &[Passing]) -> Option<Document> {
    let mut by_roles: BTreeMap<BTreeSet<&String>, BTreeSet<&String>> = BTreeMap::new();
    let services: BTreeSet<&String> = passings.iter().map(|passing| &passing.service).collect();
    for service in services {
        let roles = passings.iter().filter(|passing| passing.service == *service).map(|passing| &passing.role);
        by_roles.entry(roles.collect()).or_default().insert(service);
    }
    let statements = by_roles.into_iter().map(|(roles, services)| {
        json!({
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": roles,
            "Condition": { "StringEquals": { "iam:PassedToService": services } },
        })
    });
    let statements: Vec<Value> = statements.collect();
    (!statements.is_empty()).then(|| Document::of(statements))
}
