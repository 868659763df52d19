//! Derives the grants of each state of a state machine, and merges them into policy documents. Nothing here does I/O.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::guardrails::boundary::BoundaryDenies;
use crate::iam::arn::Place;
use crate::iam::document::{Document, json};
use crate::iam::quota::POLICY_SIZE;
use crate::permissions::asl::{DistributedMap, Found, Machine, Task, starts};
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::required::{Grant, PassRoleGrant, RequiredPermissions};
use crate::permissions::integration::required_by;
use crate::permissions::integration::resource_pattern::{ResourcePattern, narrowed};

/// The characters that a policy document has around its statements, rounded up.
const AROUND: usize = 50;

/// The features of a state machine that need permissions of their own.
#[derive(Clone, Debug, Default)]
pub struct Features {
    /// The name of the state machine: `churn`. `None` is an error if the definition has a distributed map.
    pub state_machine: Option<String>,
    /// Whether the state machine logs its executions to CloudWatch Logs.
    pub logging: bool,
    /// Whether the state machine sends traces to X-Ray.
    pub tracing: bool,
    /// The ARN of the KMS key that encrypts the data of the state machine. `None` needs no permission.
    pub key: Option<String>,
}

/// Derives the required permissions of a state machine. The result also has the errors found on the way.
pub fn derive(machine: &Machine, features: &Features, context: DeriveContext<'_>) -> RequiredPermissions {
    let mut required = RequiredPermissions::default();
    for task in &machine.tasks {
        let before = required.grants.len();
        required_by(task, context, &mut required);
        let actions = required.grants.iter().skip(before).flat_map(|grant| &grant.actions);
        let overrides = actions.flat_map(|action| {
            let members = BoundaryDenies::Standard.members(action).filter(|member| task.arguments.shows(member));
            members.map(|member| (task.path.clone(), action.clone(), member))
        });
        let overrides: Vec<_> = overrides.collect();
        required.overrides.extend(overrides);
    }
    for map in &machine.maps {
        required_by_map(map, features, context, &mut required);
    }
    required_by_features(features, context.place, &mut required);
    let known = |path: &&String| {
        machine.tasks.iter().any(|task| task.path == **path) || machine.maps.iter().any(|map| map.path == **path)
    };
    for (path, told) in context.overrides {
        if known(&path) {
            idle(path, told, &mut required);
        } else {
            required.errors.push(format!(
                "`ResourceOverrides`: found `{path}`, expected the path of a task or of a distributed map"
            ));
        }
    }
    required
}

/// Reports each ARN in `ResourceOverrides` that replaces no wildcard. Otherwise it would be ignored in silence.
fn idle(path: &str, told: &[String], required: &mut RequiredPermissions) {
    let taken = |arn: &String| {
        required.grants.iter().any(|grant| grant.state == path && grant.resources.contains(arn))
            || required
                .pass_role_grants
                .iter()
                .any(|pass_role_grant| pass_role_grant.state == path && pass_role_grant.role == *arn)
    };
    let idle: Vec<String> = told.iter().filter(|arn| !taken(arn)).map(|arn| format!("`{arn}`")).collect();
    // The derivation stops at an error of the state, so it did not check whether the ARNs fit.
    let read = !required.errors.iter().any(|error| error.starts_with(&format!("state `{path}")));
    if !idle.is_empty() && read {
        let (verb, what) = if idle.len() == 1 { ("matches", "it") } else { ("match", "them") };
        required.errors.push(format!(
            "`ResourceOverrides`: {} {verb} no wildcard or role of state `{path}` that is known only at run time; \
             correct or remove {what}",
            idle.join(", "),
        ));
    }
}

fn grant(state: &str, actions: &[&str], resources: Vec<ResourcePattern>, condition: Option<Value>) -> Grant {
    let actions = actions.iter().map(|action| (*action).to_owned()).collect();
    Grant::new(state, actions, resources, condition)
}

/// Adds what a distributed map needs: it runs its iterations as executions of the same state machine.
///
/// <https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html>
fn required_by_map(
    map: &DistributedMap,
    features: &Features,
    context: DeriveContext<'_>,
    required: &mut RequiredPermissions,
) {
    let Place { partition, region, account } = context.place;
    match &features.state_machine {
        None => required.errors.push(format!(
            "state `{}`: `StateMachineName`: missing, expected the whole name, because a distributed map starts \
             executions of its own state machine",
            map.path
        )),
        Some(name) => {
            let states = |rest: &str| format!("arn:{partition}:states:{region}:{account}:{rest}");
            let machine = vec![ResourcePattern::exact(states(&format!("stateMachine:{name}")))];
            required.grants.push(grant(&map.path, &["states:StartExecution"], machine, None));
            let ends = ["states:DescribeExecution", "states:StopExecution"];
            let ids = "the ids of executions are known only at run time";
            let executions = ResourcePattern::always(states(&format!("execution:{name}:*")), ids);
            required.grants.push(grant(&map.path, &ends, vec![executions], None));
            let label = map.label.as_deref().unwrap_or("*");
            let unlabelled = "the map has no `Label`, and the ids of executions are known only at run time";
            let ids = if map.label.is_some() { ids } else { unlabelled };
            let redrive = ResourcePattern::always(states(&format!("execution:{name}/{label}:*")), ids);
            required.grants.push(grant(&map.path, &["states:RedriveExecution"], vec![redrive], None));
        }
    }
    for part in [&map.reader, &map.writer].into_iter().flatten() {
        items(map, part, context, required);
    }
}

/// Adds what an `ItemReader` or a `ResultWriter` needs in S3.
fn items(map: &DistributedMap, part: &Task, context: DeriveContext<'_>, required: &mut RequiredPermissions) {
    let partition = &context.place.partition;
    let found = |member: &str| part.arguments.at(member).into_iter().next();
    let wild = ["Bucket", "Key", "Prefix"].into_iter().find_map(|member| match found(member) {
        Some(Found::Literal(text)) if text.contains(['*', '?']) => Some((member, text)),
        _ => None,
    });
    if let Some((member, text)) = wild {
        required.errors.push(format!(
            "state `{}`: `{member}`: found `{text}`, expected a value without the wildcards `*` and `?`",
            part.path
        ));
        return;
    }
    let text = |member: &str| starts(found(member));
    let (bucket, exact) = text("Bucket");
    // The pattern of a bucket or an object, with the reason for the wildcard at its end. A wildcard for a value that is
    // known at run time only may be replaced by an ARN from `ResourceOverrides`.
    let on = |resource: String, member: &str| {
        let unknown = if exact { member } else { "Bucket" };
        let arn = format!("arn:{partition}:s3:::{resource}");
        let resource = match found(unknown) {
            Some(Found::Literal(_)) | None if exact && arn.contains('*') => {
                ResourcePattern::always(arn, "the grant covers every object below the prefix")
            }
            Some(Found::Literal(_)) if exact => ResourcePattern::exact(arn),
            _ => ResourcePattern::at_run_time(arn, &format!("`{unknown}`")),
        };
        narrowed(vec![resource], &map.path, context)
    };
    let object = |key: String, member: &str| on(join(&bucket, exact, &key), member);
    let (actions, resources, condition): (&[&str], _, _) = match part.resource.rsplit(":::").next() {
        Some("s3:getObject") => {
            let (key, whole) = text("Key");
            (&["s3:GetObject"], object(if whole { key } else { format!("{key}*") }, "Key"), None)
        }
        Some("s3:listObjectsV2") => {
            let (prefix, _) = text("Prefix");
            let condition =
                (!prefix.is_empty()).then(|| json!({ "StringLike": { "s3:prefix": [format!("{prefix}*")] } }));
            let bucket = if exact { bucket.clone() } else { format!("{bucket}*") };
            (&["s3:ListBucket"], on(bucket, "Bucket"), condition)
        }
        Some("s3:putObject") => {
            let (prefix, whole) = text("Prefix");
            let key = if whole && !prefix.is_empty() { format!("{prefix}/*") } else { format!("{prefix}*") };
            let actions = &["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"];
            (actions, object(key, "Prefix"), None)
        }
        _ => {
            required.errors.push(format!(
                "state `{}`: `Resource`: found `{}`, expected an ARN that ends with `s3:getObject`, `s3:listObjectsV2` \
                 or `s3:putObject`",
                part.path, part.resource
            ));
            return;
        }
    };
    required.grants.push(grant(&map.path, actions, resources, condition));
}

/// The resource of a key in a bucket. If only the beginning of the bucket's name is known, the resource covers any key.
fn join(bucket: &str, exact: bool, key: &str) -> String {
    if exact { format!("{bucket}/{key}") } else { format!("{bucket}*") }
}

fn required_by_features(features: &Features, place: &Place, required: &mut RequiredPermissions) {
    let Place { partition, region, account } = place;
    let any = |whose: &str| {
        let why = format!("the actions of {whose} have no resource-level permissions");
        vec![ResourcePattern::always("*".to_owned(), &why)]
    };
    if features.tracing {
        let actions =
            ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"];
        required.grants.push(grant("(tracing)", &actions, any("X-Ray"), None));
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
        required.grants.push(grant("(logging)", &actions, any("log delivery"), None));
    }
    if let Some(key) = &features.key {
        let exact = || vec![ResourcePattern::exact(key.clone())];
        let name = features.state_machine.as_deref().unwrap_or("*");
        let machine = format!("arn:{partition}:states:{region}:{account}:stateMachine:{name}");
        let condition_on = |key: &str, value: &str| {
            let operator = if value.contains('*') { "StringLike" } else { "StringEquals" };
            Some(json!({ operator: { format!("kms:EncryptionContext:{key}"): value } }))
        };
        let condition = condition_on("aws:states:stateMachineArn", &machine);
        required.grants.push(grant("(encryption)", &["kms:Decrypt", "kms:GenerateDataKey"], exact(), condition));
        if features.logging {
            let logs = format!("arn:{partition}:logs:{region}:{account}:*");
            let condition = condition_on("SourceArn", &logs);
            required.grants.push(grant("(encryption)", &["kms:GenerateDataKey"], exact(), condition));
        }
    }
}

/// Merges grants into policy documents, sorted and without repetition. The list is empty if there are no grants.
///
/// Each document fits IAM's quota for a managed policy, `POLICY_SIZE` characters.
///
/// # Errors
/// Returns a message with the size if one statement alone is larger than the quota.
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
                documents.push(Document::from_statements(std::mem::take(&mut statements)));
                size = AROUND;
            }
            size += more;
            statements.push(statement);
        }
    }
    if !statements.is_empty() {
        documents.push(Document::from_statements(statements));
    }
    Ok(documents)
}

/// The resources that no other resource of the set covers with a wildcard at its end.
fn without_covered(resources: &BTreeSet<String>) -> BTreeSet<String> {
    let mut stems: Vec<(&str, bool, &String)> = resources
        .iter()
        .map(|one| one.strip_suffix('*').map_or((one.as_str(), true, one), |stem| (stem, false, one)))
        .collect();
    // Sorting puts resources with the same beginning side by side, the shortest first, and `churn*` before `churn`.
    stems.sort_unstable();
    let mut beginning: Option<&str> = None;
    stems.retain(|(stem, exact, _)| {
        if beginning.is_some_and(|beginning| stem.starts_with(beginning)) {
            return false;
        }
        if !exact && !stem.contains(['*', '?']) {
            beginning = Some(stem);
        }
        true
    });
    stems.into_iter().map(|(_, _, one)| one.clone()).collect()
}

/// One statement, or several that divide the resources among them if one statement would not fit into a document.
fn fitting(condition: &str, actions: &BTreeSet<String>, resources: &BTreeSet<String>) -> Result<Vec<Value>, String> {
    let frame = AROUND + length(&statement(condition, actions, &[]));
    let mut shares: Vec<Vec<&String>> = vec![Vec::new()];
    let mut size = frame;
    for resource in resources {
        let more = length(&Value::from(resource.as_str())) + 1;
        if frame + more > POLICY_SIZE {
            let size = frame + more;
            return Err(format!(
                "one statement would have {size} characters, and IAM allows {POLICY_SIZE} in a policy; shorten the \
                 names of the resources"
            ));
        }
        if size + more > POLICY_SIZE {
            shares.push(Vec::new());
            size = frame;
        }
        size += more;
        shares.last_mut().into_iter().for_each(|share| share.push(resource));
    }
    Ok(shares.iter().map(|share| statement(condition, actions, share)).collect())
}

fn statement(condition: &str, actions: &BTreeSet<String>, resources: &[&String]) -> Value {
    let mut statement = Map::from_iter([
        ("Effect".to_owned(), Value::from("Allow")),
        ("Action".to_owned(), actions.iter().cloned().collect()),
        ("Resource".to_owned(), resources.iter().map(|resource| resource.as_str()).collect()),
    ]);
    if !condition.is_empty() {
        statement.insert("Condition".to_owned(), serde_json::from_str(condition).unwrap_or_default());
    }
    Value::Object(statement)
}

/// The length of a statement in characters, as IAM counts them: without white space.
fn length(statement: &Value) -> usize {
    json(statement).chars().filter(|c| !c.is_whitespace()).count()
}

/// The policy document that allows `iam:PassRole` for each service and its roles. `None` if there are no roles to pass.
pub fn pass_role(pass_role_grants: &[PassRoleGrant]) -> Option<Document> {
    let mut by_roles: BTreeMap<BTreeSet<&String>, BTreeSet<&String>> = BTreeMap::new();
    let services: BTreeSet<&String> = pass_role_grants.iter().map(|pass_role_grant| &pass_role_grant.service).collect();
    for service in services {
        let roles = pass_role_grants
            .iter()
            .filter(|pass_role_grant| pass_role_grant.service == *service)
            .map(|pass_role_grant| &pass_role_grant.role);
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
    (!statements.is_empty()).then(|| Document::from_statements(statements))
}
