//! What only a deployment knows: `${Topic}` is printed where its ARN will stand.
//!
//! The function's own reading of properties is strict, and the preview uses it as it is. So each unknown stands in as a
//! text of the shape that fits where it is used, found by trying; in all that is printed its name takes the place again.

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;

/// Stands for the account where nobody says which it is. Nothing else is written so.
pub const ACCOUNT: &str = "907060504030";

/// Services whose ARNs are used as they are, with the name at their end.
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
/// Those whose ARNs are looked into, as their resource begins and ends.
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
/// Types whose `Ref` is an ARN.
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

/// Types whose `Ref` is a name or an id, in a property that takes both or an ARN alone.
const REF_IS_NAME: [&str; 7] = [
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "Custom::SageMakerExecutionRole",
    "Custom::StepFunctionsWorkflowRole",
];

/// One unknown, where a property uses it.
#[derive(Clone, Debug)]
struct Symbol {
    /// The property.
    property: String,
    /// `Topic`, `ExecutionRole.Arn`.
    name: String,
    /// Part of a longer text.
    embedded: bool,
    /// In every shape that holds it.
    token: String,
    /// In its place where only a number can stand.
    number: String,
    shapes: Vec<String>,
    /// The shape that it has at the moment; past the last where none fits.
    shape: usize,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Unknown<'a> {
    pub name: &'a str,
    pub embedded: bool,
    /// The type of the resource of the template that it belongs to; empty where it is none.
    pub kind: &'a str,
}

/// All of them, in the order in which they turned up.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    all: Vec<Symbol>,
    /// Text and what is printed for it.
    named: Vec<(String, String)>,
    /// The property that is being resolved.
    property: String,
}

impl Symbols {
    /// Prints `text` as `name` from now on.
    pub fn name(&mut self, text: &str, name: &str) {
        if !self.named.iter().any(|(known, _)| known == text) {
            self.named.push((text.to_owned(), format!("${{{name}}}")));
            // The ARN before the account that is part of it.
            self.named.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
    }

    /// What follows is used by this property.
    pub fn begin(&mut self, property: &str) {
        property_of(property).clone_into(&mut self.property);
    }

    pub fn stand_in(&mut self, unknown: Unknown<'_>, place: &Place, guardrails: Option<&Guardrails>) -> String {
        let Unknown { name, embedded, .. } = unknown;
        let same =
            |symbol: &&Symbol| symbol.property == self.property && symbol.name == name && symbol.embedded == embedded;
        if let Some(symbol) = self.all.iter().find(same) {
            return symbol.text().to_owned();
        }
        let token = format!("Zq{:03}z", self.all.len());
        let number = (700_905_000 + self.all.len()).to_string();
        let shapes = if embedded {
            parts(&token, &number, guardrails)
        } else {
            shapes(&token, &number, unknown, place, guardrails)
        };
        let (property, name) = (self.property.clone(), name.to_owned());
        let symbol = Symbol { property, name, embedded, token, number, shapes, shape: 0 };
        let text = symbol.text().to_owned();
        self.all.push(symbol);
        text
    }

    /// Gives the unknowns that the mistakes speak of their next shape. `false` when there is nothing left to try.
    pub fn advance(&mut self, mistakes: &[String]) -> bool {
        let mut moved = false;
        for symbol in self.all.iter_mut().filter(|symbol| symbol.fits()) {
            if mistakes.iter().any(|mistake| symbol.concerns(mistake)) {
                symbol.shape += 1;
                moved = true;
            }
        }
        moved
    }

    /// Whether a mistake may come of what is unknown: it is about a property that holds such, or speaks of it.
    pub fn may_explain(&self, mistake: &str) -> bool {
        self.all.iter().any(|symbol| symbol.holds(mistake) || symbol.concerns(mistake))
            || self.named.iter().any(|(stand_in, _)| mistake.contains(stand_in))
    }

    /// Whether the text holds something that only a deployment knows.
    pub fn is_in(&self, text: &str) -> bool {
        self.all.iter().any(|symbol| symbol.holds(text))
            || self.named.iter().any(|(stand_in, _)| text.contains(stand_in))
    }

    /// What was taken for granted: `${Traced}` is `true`.
    pub fn assumptions(&self) -> Vec<String> {
        let plain = self.all.iter().filter(|symbol| symbol.fits() && !symbol.holds(symbol.text()));
        let told = plain.map(|symbol| {
            format!("`{}`: `${{{}}}` is taken for `{}`", symbol.property, symbol.name, self.printed(symbol.text()))
        });
        told.collect()
    }

    /// The names of those that the text holds.
    pub fn unknown_in(&self, text: &str) -> Vec<&str> {
        let held = self.all.iter().filter(|symbol| !symbol.holds(symbol.text()) || symbol.holds(text));
        let mut names: Vec<&str> = held.map(|symbol| symbol.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The text with names in the places of what stands in for them.
    pub fn printed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // The last first: its name was printed when it came.
        for symbol in self.all.iter().rev() {
            let (Symbol { name, token, .. }, shape) = (symbol, symbol.text());
            let lower = |text: &str| text.to_ascii_lowercase();
            if symbol.holds(shape) {
                text = text.replace(shape, &format!("${{{name}}}"));
                // IAM's resources have a lower-case spelling for some names.
                text = text.replace(&lower(shape), &format!("${{{name}, in lower case}}"));
            }
            let is_name = !shape.contains([':', '/']);
            let part = if is_name { format!("${{{name}}}") } else { format!("${{part of {name}}}") };
            text = text.replace(token.as_str(), &part);
            let as_written = shape.contains(&lower(token));
            let lower_case = if as_written { format!("${{{name}}}") } else { format!("${{{name}, in lower case}}") };
            text = text.replace(&lower(token), &lower_case);
            text = text.replace(&symbol.number, &format!("${{{name}}}"));
        }
        for (stand_in, name) in &self.named {
            text = text.replace(stand_in, name);
        }
        text
    }
}

impl Symbol {
    fn text(&self) -> &str {
        self.shapes.get(self.shape).unwrap_or(&self.token)
    }

    /// Whether the mistake is about the property that the symbol is used in, and speaks of it.
    fn concerns(&self, mistake: &str) -> bool {
        // A text that is cut, or can't be read at all, names none of its unknowns.
        let blurred = mistake.contains('…') || mistake.contains("is no JSON");
        let property = property_of(mistake.split('`').nth(1).unwrap_or_default());
        self.property == property && (blurred || self.is_in(mistake))
    }

    fn fits(&self) -> bool {
        self.shape < self.shapes.len()
    }

    fn holds(&self, text: &str) -> bool {
        [&self.token, &self.number, &self.token.to_ascii_lowercase()].iter().any(|one| text.contains(*one))
    }

    fn is_in(&self, mistake: &str) -> bool {
        self.holds(mistake) || mistake.contains(&format!("`{}`", self.text()))
    }
}

/// `SageMakerExecutionRoleArns[0]` is of `SageMakerExecutionRoleArns`; what goes into the definition is of that.
fn property_of(path: &str) -> &str {
    match path.split(['[', '.', ',']).next().unwrap_or_default() {
        "DefinitionSubstitutions" | "ResourceOverrides" | "Integrations" => "Definition",
        property => property,
    }
}

/// What part of a text can be.
fn parts(token: &str, number: &str, guardrails: Option<&Guardrails>) -> Vec<String> {
    vec![token.to_owned(), format!("{}{token}", prefix(guardrails)), token.to_ascii_lowercase(), number.to_owned()]
}

fn prefix(guardrails: Option<&Guardrails>) -> &str {
    guardrails.and_then(|guardrails| guardrails.role_name_prefixes.first()).map_or("", String::as_str)
}

/// As ARNs have it: `AWS::SNS::Topic` is of `sns`.
fn service(kind: &str) -> Option<String> {
    let service = kind.split("::").nth(1)?.to_ascii_lowercase();
    Some(match (service.as_str(), kind.rsplit("::").next()) {
        ("serverless", Some("Function")) => "lambda".to_owned(),
        ("serverless" | "stepfunctions", _) => "states".to_owned(),
        _ => service,
    })
}

/// Everything that a property or a definition may ask for, the likeliest first.
fn shapes(
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
    // Buckets and repositories have no upper case.
    let names = [token.to_owned(), format!("{prefix}{token}"), token.to_ascii_lowercase()];

    let mut arns: Vec<(&str, String)> = Vec::new();
    for pattern in guardrails.iter().flat_map(|guardrails| &guardrails.passable_roles) {
        // Of a pattern, the part of the name that is open; a role without one is itself.
        let pattern = pattern.replacen(":iam::*:", &format!(":iam::{account}:"), 1);
        arns.push(("iam", pattern.replacen('*', token, 1).replace(['*', '?'], "x")));
    }
    arns.push(("iam", arn("iam", &format!("role/{prefix}{token}"))));
    arns.push(("iam", arn("iam", &format!("policy/{token}"))));
    arns.push(("ecr", arn("ecr", &format!("repository/{}", token.to_ascii_lowercase()))));
    arns.extend(KINDS.map(|(service, start, end)| (service, arn(service, &format!("{start}{token}{end}")))));
    arns.extend(SERVICES.map(|service| (service, arn(service, token))));
    // The service of the ARN is in the type's name; an alias or a version of a function has a qualifier.
    let service = service(kind);
    let qualified = matches!(kind, "AWS::Lambda::Alias" | "AWS::Lambda::Version");
    arns.sort_by_key(|(of, arn)| (service.as_deref() != Some(*of), qualified && !arn.ends_with(":1")));
    let arns = arns.into_iter().map(|(_, arn)| arn);

    let says_arn = ["Arn", "ARN", "Arns", "ARNs", "arn", "arns"].iter().any(|end| name.ends_with(end));
    let is_arn = if kind.is_empty() || name.contains('.') { says_arn } else { REF_IS_ARN.contains(&kind) };
    // Where the type tells, the other form would hide a slip: `!Ref` of a role is no ARN.
    let attribute = name.split_once('.').map(|(_, attribute)| attribute);
    let only_arns = !kind.is_empty() && attribute == Some("Arn");
    let only_names = attribute.is_none() && REF_IS_NAME.contains(&kind);
    let first: Vec<String> = match (only_arns, only_names, is_arn) {
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
