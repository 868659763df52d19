//! The shapes that an unknown value may have: a name, an ARN of some service, a number and others.

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;

/// Services whose ARNs are used as they are, with the name at the end. A service is here if a property or a member of a
/// task takes one of its ARNs.
const SERVICES: [&str; 24] = [
    "sns",
    "sqs",
    "dynamodb",
    "s3",
    "athena",
    "batch",
    "bedrock",
    "bedrock-agentcore",
    "codebuild",
    "databrew",
    "ecr",
    "ecs",
    "eks",
    "elasticmapreduce",
    "emr-containers",
    "emr-serverless",
    "events",
    "execute-api",
    "glue",
    "logs",
    "mediaconvert",
    "sagemaker",
    "secretsmanager",
    "ssm",
];
/// Services whose ARNs are parsed, each with the start and the end of the ARN's resource part.
const KINDS: [(&str, &str, &str); 10] = [
    ("lambda", "function:", ""),
    ("lambda", "function:", ":1"),
    ("states", "stateMachine:", ""),
    ("kms", "key/", ""),
    ("events", "connection/", "/id"),
    ("ecs", "task-definition/", ":1"),
    ("batch", "job-definition/", ":1"),
    ("codebuild", "report/", ":id"),
    ("states", "activity:", ""),
    ("cloudformation", "stack/", "/id"),
];
/// Resource types whose `Ref` is an ARN.
const REF_IS_ARN: [&str; 12] = [
    "AWS::Batch::ComputeEnvironment",
    "AWS::Batch::JobDefinition",
    "AWS::Batch::JobQueue",
    "AWS::ECS::TaskDefinition",
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::Alias",
    "AWS::Lambda::Version",
    "AWS::SNS::Topic",
    "AWS::SecretsManager::Secret",
    "AWS::Serverless::StateMachine",
    "AWS::StepFunctions::Activity",
    "AWS::StepFunctions::StateMachine",
];

/// Resource types whose `Ref` is a name or an id. The properties that use it take both names and ARNs, or ARNs alone.
/// `tests/local/test_lists.py` finds a type of one role that is not here.
const REF_IS_NAME: [&str; 7] = [
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "Custom::SageMakerExecutionRole",
    "Custom::StepFunctionsWorkflowRole",
];

/// The position of a value in a longer text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// The value is the whole text.
    Whole,
    /// The text begins with the value: `${Function.Arn}:live`.
    Start,
    /// The value follows other text.
    Inside,
}

impl Position {
    /// The position of a part of what has this position: between the text before it and the text behind it.
    ///
    /// A definition may be one text in JSON. There a value begins after a quote.
    pub fn of(self, before: &str, behind: &str) -> Self {
        match self {
            _ if before.ends_with('"') && behind.starts_with('"') => Self::Whole,
            _ if before.ends_with('"') => Self::Start,
            _ if !before.is_empty() => Self::Inside,
            Self::Whole if !behind.is_empty() => Self::Start,
            position => position,
        }
    }
}

/// A request for a stand-in.
#[derive(Clone, Copy, Debug)]
pub struct Unknown<'a> {
    /// The name of the value: `Topic`, `ExecutionRole.Arn`.
    pub name: &'a str,
    /// The position of the value in a longer text.
    pub position: Position,
    /// The type of the template's resource that has the value: `AWS::SNS::Topic`; empty when it belongs to no resource.
    pub kind: &'a str,
}

/// Returns the shapes that an unknown value can have at its position, the most likely first.
///
/// `token` and `number` stand for the value: every shape of an unknown text holds one of the two.
pub fn shapes(
    token: &str,
    number: &str,
    unknown: Unknown<'_>,
    place: &Place,
    guardrails: Option<&Guardrails>,
) -> Vec<String> {
    match unknown.position {
        Position::Whole => wholes(token, number, unknown, place, guardrails),
        Position::Start => starts(token, number, unknown, place, guardrails),
        Position::Inside => parts(token, number, guardrails),
    }
}

/// The shapes that a part of a text can have.
fn parts(token: &str, number: &str, guardrails: Option<&Guardrails>) -> Vec<String> {
    vec![token.to_owned(), number.to_owned(), format!("{}{token}", prefix(guardrails)), token.to_ascii_lowercase()]
}

/// The shapes that the beginning of a text can have: an ARN first if the value is one.
fn starts(
    token: &str,
    number: &str,
    unknown: Unknown<'_>,
    place: &Place,
    guardrails: Option<&Guardrails>,
) -> Vec<String> {
    let arns = wholes(token, number, unknown, place, guardrails).into_iter().filter(|shape| shape.starts_with("arn:"));
    let (arns, parts) = (arns.collect::<Vec<_>>(), parts(token, number, guardrails));
    if is_arn(unknown) { [arns, parts].concat() } else { [parts, arns].concat() }
}

fn prefix(guardrails: Option<&Guardrails>) -> &str {
    guardrails.and_then(|guardrails| guardrails.role_name_prefixes.first()).map_or("", String::as_str)
}

/// The service as ARNs spell it: `AWS::SNS::Topic` belongs to `sns`.
fn service(kind: &str) -> Option<String> {
    let service = kind.split("::").nth(1)?.to_ascii_lowercase();
    Some(match (service.as_str(), kind.rsplit("::").next()) {
        ("serverless", Some("Function")) => "lambda".to_owned(),
        ("serverless" | "stepfunctions", _) => "states".to_owned(),
        _ => service,
    })
}

/// Whether the value is probably an ARN, by its name or by the type of its resource.
fn is_arn(unknown: Unknown<'_>) -> bool {
    let Unknown { name, kind, .. } = unknown;
    let says_arn = ["Arn", "ARN", "Arns", "ARNs", "arn", "arns"].iter().any(|end| name.ends_with(end));
    if kind.is_empty() || name.contains('.') { says_arn } else { REF_IS_ARN.contains(&kind) }
}

/// Every shape that a property or a definition may ask for, the most likely first.
fn wholes(
    token: &str,
    number: &str,
    unknown: Unknown<'_>,
    place: &Place,
    guardrails: Option<&Guardrails>,
) -> Vec<String> {
    let Unknown { name, kind, .. } = unknown;
    let Place { partition, region, account } = place;
    let arn = |service: &str, resource: &str| match service {
        "iam" => format!("arn:{partition}:iam::{account}:{resource}"),
        "s3" => format!("arn:{partition}:s3:::{resource}"),
        service => format!("arn:{partition}:{service}:{region}:{account}:{resource}"),
    };
    let prefix = prefix(guardrails);
    // Buckets and repositories have names without upper case.
    let names = [token.to_owned(), format!("{prefix}{token}"), token.to_ascii_lowercase()];

    let mut arns: Vec<(&str, String)> = Vec::new();
    let passable = guardrails.iter().flat_map(|guardrails| &guardrails.passable_roles);
    for pattern in passable.filter(|pattern| pattern.starts_with("arn:")) {
        // The token replaces the wildcard in the name of a pattern. A role without a wildcard stays as it is.
        let pattern = pattern.replacen(":iam::*:", &format!(":iam::{account}:"), 1);
        arns.push(("iam", pattern.replacen('*', token, 1).replace(['*', '?'], "x")));
    }
    arns.push(("iam", arn("iam", &format!("role/{prefix}{token}"))));
    arns.push(("iam", arn("iam", &format!("policy/{token}"))));
    arns.push(("ecr", arn("ecr", &format!("repository/{}", token.to_ascii_lowercase()))));
    arns.extend(KINDS.map(|(service, start, end)| (service, arn(service, &format!("{start}{token}{end}")))));
    arns.extend(SERVICES.map(|service| (service, arn(service, token))));
    // The type's name has the service of its ARN. ARNs of that service come first, and for an alias or a version of a
    // function those with a qualifier.
    let service = service(kind);
    let qualified = matches!(kind, "AWS::Lambda::Alias" | "AWS::Lambda::Version");
    arns.sort_by_key(|(of, arn)| (service.as_deref() != Some(*of), qualified && !arn.ends_with(":1")));
    let arns = arns.into_iter().map(|(_, arn)| arn);

    // When the type tells the form, a stand-in of the other form would hide a mistake: `!Ref` of a role is not an ARN.
    let attribute = name.split_once('.').map(|(_, attribute)| attribute);
    let only_arns = !kind.is_empty() && attribute == Some("Arn");
    let only_names = attribute.is_none() && REF_IS_NAME.contains(&kind);
    let first: Vec<String> = match (only_arns, only_names, is_arn(unknown)) {
        (true, ..) => arns.collect(),
        (_, true, _) => names.into(),
        (.., true) => arns.chain(names).collect(),
        _ => names.into_iter().chain(arns).collect(),
    };
    let boundaries = guardrails
        .iter()
        .flat_map(|guardrails| [&guardrails.boundary].into_iter().chain(&guardrails.narrower_boundaries));
    let managed = guardrails
        .iter()
        .flat_map(|guardrails| &guardrails.managed_policies)
        .map(|pattern| pattern.replace('*', token));
    let others = [
        format!("https://sqs.{region}.amazonaws.com/{account}/{token}"),
        format!("https://{token}.example.com"),
        format!("s3://{token}/{token}"),
        format!("subnet-{number}"),
        format!("sg-{number}"),
        "true".to_owned(),
        "3600".to_owned(),
        "60".to_owned(),
        region.clone(),
    ];
    let paths = guardrails.iter().map(|guardrails| guardrails.default_path().to_owned());
    first.into_iter().chain(boundaries.cloned()).chain(managed).chain(others).chain(paths).collect()
}
