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
    let mut required = RequiredPermissions { tightened: machine.tightened.clone(), ..RequiredPermissions::default() };
    // The states with an error. The derivation stops at an error, so it did not check whether their overrides fit.
    let mut failed = BTreeSet::new();
    for task in &machine.tasks {
        let (before, errors) = (required.grants.len(), required.errors.len());
        required_by(task, context, &mut required);
        if required.errors.len() > errors {
            failed.insert(&task.path);
        }
        let actions = required.grants.iter().skip(before).flat_map(|grant| &grant.actions);
        let overrides = actions.flat_map(|action| {
            let members = BoundaryDenies::Standard.members(action).filter(|member| task.arguments.shows(member));
            members.map(|member| (task.path.clone(), action.clone(), member))
        });
        let overrides: Vec<_> = overrides.collect();
        required.overrides.extend(overrides);
    }
    for map in &machine.maps {
        let errors = required.errors.len();
        required_by_map(map, features, context, &mut required);
        if required.errors.len() > errors {
            failed.insert(&map.path);
        }
    }
    required_by_features(features, context.place, &mut required);
    let known = |path: &&String| {
        machine.tasks.iter().any(|task| task.path == **path) || machine.maps.iter().any(|map| map.path == **path)
    };
    for (path, told) in context.overrides {
        if !known(&path) {
            required.errors.push(format!(
                "`ResourceOverrides`: found `{path}`, expected the path of a task or of a distributed map"
            ));
        } else if !failed.contains(path) {
            idle(path, told, &mut required);
        }
    }
    required
}

/// Reports each ARN in `ResourceOverrides` that replaces no wildcard. Otherwise it would be ignored in silence.
///
/// A wildcard of an earlier version may be gone, so the rule spares existing resources.
fn idle(path: &str, told: &[String], required: &mut RequiredPermissions) {
    let taken = |arn: &String| {
        required.grants.iter().any(|grant| grant.state == path && grant.resources.contains(arn))
            || required
                .pass_role_grants
                .iter()
                .any(|pass_role_grant| pass_role_grant.state == path && pass_role_grant.role == *arn)
    };
    let idle: Vec<String> = told.iter().filter(|arn| !taken(arn)).map(|arn| format!("`{arn}`")).collect();
    if !idle.is_empty() {
        let (verb, what) = if idle.len() == 1 { ("matches", "it") } else { ("match", "them") };
        required.tightened.push(format!(
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
        required.tightened.extend(missing(part).map(|why| format!("state `{}`: {why}", part.path)));
        match in_s3(map, part, context) {
            Ok(grants) => required.grants.extend(grants),
            Err(why) => required.errors.push(format!("state `{}`: {why}", part.path)),
        }
    }
}

/// Returns what the arguments of an `ItemReader` or a `ResultWriter` lack, as an error. Without it, the grant covers
/// every bucket, or every object of the bucket.
fn missing(part: &Task) -> Option<&'static str> {
    let has = |member: &str| !part.arguments.at(member).is_empty();
    match () {
        () if !has("Bucket") => Some("`Bucket`: missing, expected the name of a bucket"),
        () if !has("Key") && part.resource.ends_with(":s3:getObject") => {
            Some("`Key`: missing, expected the key of an object")
        }
        () => None,
    }
}

/// Lists what an `ItemReader` or a `ResultWriter` needs in S3.
///
/// The other members of its arguments and of its configuration need no permission: `ExpectedBucketOwner`, `InputType`,
/// `WriterConfig` and the like. <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>,
/// <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html>
///
/// # Errors
/// Returns a message that names the member if the member has a wildcard, or if `Resource` is another one.
fn in_s3(map: &DistributedMap, part: &Task, context: DeriveContext<'_>) -> Result<Vec<Grant>, String> {
    // The ARN may name a region and an account, as that of a task.
    let operation = part.resource.rsplit_once(":s3:").filter(|(before, _)| !before.ends_with(":aws-sdk"));
    let bucket = Bucket::parse(map, part, context)?;
    let found = |member: &str| part.arguments.at(member).into_iter().next();
    match operation.map(|(_, operation)| operation) {
        Some("getObject") => {
            // A request with a version needs another action than one without:
            // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
            let actions: &[&str] = match found("VersionId") {
                None => &["s3:GetObject"],
                Some(Found::Literal(_)) => &["s3:GetObjectVersion"],
                Some(_) => &["s3:GetObject", "s3:GetObjectVersion"],
            };
            let (key, whole) = starts(found("Key"));
            let key = if whole { key } else { format!("{key}*") };
            Ok(vec![grant(&map.path, actions, bucket.object(&key, "Key"), None)])
        }
        Some("listObjectsV2") => {
            let (prefix, _) = starts(found("Prefix"));
            let condition =
                (!prefix.is_empty()).then(|| json!({ "StringLike": { "s3:prefix": [format!("{prefix}*")] } }));
            let mut grants = vec![grant(&map.path, &["s3:ListBucket"], bucket.itself(), condition)];
            // With `LOAD_AND_FLATTEN`, the map also reads the objects that it lists.
            let only_lists = |found: &Found| matches!(found, Found::Literal(text) if text != "LOAD_AND_FLATTEN");
            if !map.reader_config.at("Transformation").iter().all(only_lists) {
                let objects = bucket.object(&format!("{prefix}*"), "Prefix");
                grants.push(grant(&map.path, &["s3:GetObject"], objects, None));
            }
            Ok(grants)
        }
        Some("putObject") => {
            let (prefix, whole) = starts(found("Prefix"));
            // The guide does not say how a prefix that ends with a slash is joined: `out/*` covers `out//id` too.
            let folder = whole && !prefix.is_empty() && !prefix.ends_with('/');
            let key = if folder { format!("{prefix}/*") } else { format!("{prefix}*") };
            let actions = &["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"];
            Ok(vec![grant(&map.path, actions, bucket.object(&key, "Prefix"), None)])
        }
        _ => Err(format!(
            "`Resource`: found `{}`, expected an ARN that ends with `s3:getObject`, `s3:listObjectsV2` or \
             `s3:putObject`",
            part.resource
        )),
    }
}

/// The bucket that an `ItemReader` or a `ResultWriter` names, with the task that names it.
struct Bucket<'a> {
    /// The name, or the known beginning of it.
    name: String,
    /// Whether `name` is the whole name.
    whole: bool,
    /// The `ItemReader` or the `ResultWriter`.
    part: &'a Task,
    /// The path of the map, by which `ResourceOverrides` knows both.
    state: &'a str,
    /// The context of the derivation, with `ResourceOverrides`.
    context: DeriveContext<'a>,
}

impl<'a> Bucket<'a> {
    fn parse(map: &'a DistributedMap, part: &'a Task, context: DeriveContext<'a>) -> Result<Self, String> {
        for member in ["Bucket", "Key", "Prefix"] {
            if let Some(Found::Literal(text)) = part.arguments.at(member).first()
                && text.contains(['*', '?'])
            {
                return Err(format!("`{member}`: found `{text}`, expected a value without the wildcards `*` and `?`"));
            }
        }
        let (name, whole) = starts(part.arguments.at("Bucket").into_iter().next());
        Ok(Self { name, whole, part, state: &map.path, context })
    }

    /// The resource of the bucket itself.
    fn itself(&self) -> Vec<ResourcePattern> {
        let end = if self.whole { "" } else { "*" };
        self.pattern(&format!("{}{end}", self.name), "Bucket")
    }

    /// The resource of a key, which may end in a wildcard. If only the beginning of the bucket's name is known, the
    /// resource covers any key.
    fn object(&self, key: &str, member: &str) -> Vec<ResourcePattern> {
        let name = &self.name;
        let resource = if self.whole { format!("{name}/{key}") } else { format!("{name}*") };
        self.pattern(&resource, member)
    }

    /// The pattern of a bucket or an object, with the reason for the wildcard at its end.
    ///
    /// ARNs from `ResourceOverrides` replace a wildcard for a value that is known at run time only.
    fn pattern(&self, resource: &str, member: &str) -> Vec<ResourcePattern> {
        let unknown = if self.whole { member } else { "Bucket" };
        let arn = format!("arn:{}:s3:::{resource}", self.context.place.partition);
        let resource = match self.part.arguments.at(unknown).first() {
            Some(Found::Literal(_)) | None if self.whole && arn.contains('*') => {
                ResourcePattern::always(arn, "the grant covers every object below the prefix")
            }
            Some(Found::Literal(_)) if self.whole => ResourcePattern::exact(arn),
            _ => ResourcePattern::at_run_time(arn, &format!("`{unknown}`")),
        };
        narrowed(vec![resource], self.state, self.context)
    }
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
        // <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy> has these actions.
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
        let groups = format!("arn:{partition}:logs:{region}:{account}:log-group:*");
        let groups = vec![ResourcePattern::always(groups, "the definition does not name the log group")];
        required.grants.push(grant("(logging)", &["logs:CreateLogStream", "logs:PutLogEvents"], groups, None));
    }
    if let Some(key) = &features.key {
        let exact = || vec![ResourcePattern::exact(key.clone())];
        // `StateMachineName` may be the beginning of the name, as in the trust policy.
        let name = features.state_machine.as_deref().unwrap_or_default();
        let machine = format!("arn:{partition}:states:{region}:{account}:stateMachine:{name}*");
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
/// Returns a message with the size if a statement of one action on one resource is larger than the quota.
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

/// The statements that allow the actions on the resources, each small enough for a document.
///
/// This is one statement if it fits. Otherwise several statements share out the resources. They also share out the
/// actions if all actions do not fit beside one resource.
fn fitting(condition: &str, actions: &BTreeSet<String>, resources: &BTreeSet<String>) -> Result<Vec<Value>, String> {
    let largest = |items: &BTreeSet<String>| items.iter().map(|item| listed(item)).max().unwrap_or_default();
    let total = |items: &BTreeSet<String>| items.iter().map(|item| listed(item)).sum::<usize>();
    // Each item counts with a comma, and a list of actions has one comma less.
    let frame = AROUND + length(&statement(condition, &[], &[])) - 1;
    let one_resource = largest(resources);
    let size = frame + largest(actions) + one_resource;
    if size > POLICY_SIZE {
        return Err(format!(
            "one statement would have {size} characters, and IAM allows {POLICY_SIZE} in a policy; shorten the names \
             of the resources"
        ));
    }
    let room = POLICY_SIZE - frame;
    let is_shared = total(actions) + one_resource > room;
    // Shared actions leave up to half of the room to the resources. Otherwise many resources would repeat them often.
    let beside = if is_shared { one_resource.max(total(resources).min(room / 2)) } else { one_resource };
    let statements = shares(actions, room - beside).into_iter().flat_map(|actions| {
        let left = room - actions.iter().map(|action| listed(action)).sum::<usize>();
        shares(resources, left).into_iter().map(move |resources| statement(condition, &actions, &resources))
    });
    Ok(statements.collect())
}

/// Shares the items out in their order. The items of a share have at most `room` characters with their commas, except
/// that a share has at least one item.
fn shares(items: &BTreeSet<String>, room: usize) -> Vec<Vec<&String>> {
    let (mut shares, mut size) = (vec![Vec::new()], 0);
    for item in items {
        let more = listed(item);
        if size > 0 && size + more > room {
            shares.push(Vec::new());
            size = 0;
        }
        size += more;
        shares.last_mut().into_iter().for_each(|share| share.push(item));
    }
    shares
}

fn statement(condition: &str, actions: &[&String], resources: &[&String]) -> Value {
    let mut statement = Map::from_iter([
        ("Effect".to_owned(), Value::from("Allow")),
        ("Action".to_owned(), actions.iter().map(|action| action.as_str()).collect()),
        ("Resource".to_owned(), resources.iter().map(|resource| resource.as_str()).collect()),
    ]);
    if !condition.is_empty() {
        statement.insert("Condition".to_owned(), serde_json::from_str(condition).unwrap_or_default());
    }
    Value::Object(statement)
}

/// The characters of an item of a list in a statement, with its comma.
fn listed(item: &str) -> usize {
    length(&Value::from(item)) + 1
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
