//! Stand-ins for what only a deployment knows: `${Topic}` is printed where the topic's ARN will be.
//!
//! The function parses properties strictly, and the preview uses the same parser. So a stand-in takes the place of each
//! unknown value: a text of the shape that fits where the value is used, found by trial. Everything printed has the
//! value's name instead of the stand-in.

use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;

/// The stand-in for an unknown account. No other text is written like that.
pub const ACCOUNT: &str = "907060504030";
/// The number of the first unknown value. The others follow in order.
const FIRST_NUMBER: usize = 700_905_000;

/// Services whose ARNs are used as they are, with the name at the end.
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
const REF_IS_NAME: [&str; 7] = [
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "Custom::SageMakerExecutionRole",
    "Custom::StepFunctionsWorkflowRole",
];

/// One unknown value, as one property uses it.
#[derive(Clone, Debug)]
struct Symbol {
    /// The property that uses the value.
    property: String,
    /// The name of the value: `Topic`, `ExecutionRole.Arn`.
    name: String,
    /// The text that every shape but a number holds: `Zq001z`, with the index of the value.
    token: String,
    /// The number that replaces the token where only a number can be.
    number: String,
    shapes: Vec<String>,
    /// The index of the current shape; past the last when no shape fits.
    shape: usize,
}

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

/// All unknown values, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    all: Vec<Symbol>,
    /// The index of each value by its property, its name and its position.
    by_use: BTreeMap<(String, String, Position), usize>,
    /// Texts, each with what is printed instead.
    named: Vec<(String, String)>,
    /// The property that is being resolved.
    property: String,
}

impl Symbols {
    /// Makes `text` print as `${name}` from now on.
    pub fn name(&mut self, text: &str, name: &str) {
        if !self.named.iter().any(|(known, _)| known == text) {
            self.named.push((text.to_owned(), format!("${{{name}}}")));
            // Replaces an ARN before the account that is part of it.
            self.named.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
    }

    /// Sets the property that uses the unknown values from now on.
    pub fn begin(&mut self, property: &str) {
        property_of(property).clone_into(&mut self.property);
    }

    /// The stand-in for an unknown value: always the same one within one property, until `advance` changes its shape.
    pub fn stand_in(&mut self, unknown: Unknown<'_>, place: &Place, guardrails: Option<&Guardrails>) -> String {
        let Unknown { name, position, .. } = unknown;
        let used = (self.property.clone(), name.to_owned(), position);
        if let Some(symbol) = self.by_use.get(&used).and_then(|i| self.all.get(*i)) {
            return symbol.text().to_owned();
        }
        let token = format!("Zq{:03}z", self.all.len());
        let number = (FIRST_NUMBER + self.all.len()).to_string();
        let shapes = match position {
            Position::Whole => shapes(&token, &number, unknown, place, guardrails),
            Position::Start => starts(&token, &number, unknown, place, guardrails),
            Position::Inside => parts(&token, &number, guardrails),
        };
        let (property, name) = (self.property.clone(), name.to_owned());
        let symbol = Symbol { property, name, token, number, shapes, shape: 0 };
        let text = symbol.text().to_owned();
        self.by_use.insert(used, self.all.len());
        self.all.push(symbol);
        text
    }

    /// Gives each unknown value that an error mentions its next shape. Returns `false` when no shape is left to try.
    pub fn advance(&mut self, errors: &[String]) -> bool {
        let mut by_property: BTreeMap<&str, Mentioned<'_>> = BTreeMap::new();
        for mistake in errors {
            by_property.entry(about(mistake)).or_default().add(mistake, self.held(mistake));
        }
        let mut moved = false;
        for (i, symbol) in self.all.iter_mut().enumerate().filter(|(_, symbol)| symbol.fits()) {
            let mentioned = by_property.get(symbol.property.as_str());
            if mentioned.is_some_and(|mentioned| mentioned.has(i, symbol.text())) {
                symbol.shape += 1;
                moved = true;
            }
        }
        moved
    }

    /// Divides errors into those that an unknown value may explain, and the others. A value may explain an error that
    /// mentions it, or that is about a property in which the value is hidden.
    pub fn divided(&self, errors: &[String]) -> (Vec<String>, Vec<String>) {
        let texts: BTreeSet<(&str, &str)> =
            self.all.iter().map(|symbol| (symbol.property.as_str(), symbol.text())).collect();
        let properties: BTreeSet<&str> = texts.iter().map(|(property, _)| *property).collect();
        let may_explain = |mistake: &String| {
            let property = about(mistake);
            self.is_in(mistake)
                || blurred(mistake) && properties.contains(property)
                || quoted(mistake).any(|text| texts.contains(&(property, text)))
        };
        errors.iter().cloned().partition(may_explain)
    }

    /// Whether the text holds something that only a deployment knows.
    pub fn is_in(&self, text: &str) -> bool {
        !self.held(text).is_empty() || self.named.iter().any(|(stand_in, _)| text.contains(stand_in))
    }

    /// The indexes of the unknown values whose token or number is in the text. One pass finds all of them.
    fn held(&self, text: &str) -> BTreeSet<usize> {
        let tokens = text.match_indices('q').filter_map(|(at, _)| {
            let token = text.get(at.checked_sub(1)?..)?;
            let (digits, _) = token.get(2..)?.split_once(|c: char| !c.is_ascii_digit())?;
            let index = digits.parse::<usize>().ok()?;
            let own = &self.all.get(index)?.token;
            (token.starts_with(own.as_str()) || token.starts_with(&own.to_ascii_lowercase())).then_some(index)
        });
        let numbers = text.match_indices("70").filter_map(|(at, _)| {
            let index = text.get(at..at + 9)?.parse::<usize>().ok()?.checked_sub(FIRST_NUMBER)?;
            (index < self.all.len()).then_some(index)
        });
        tokens.chain(numbers).collect()
    }

    /// Notes on the values that were assumed: `${Traced}` is assumed to be `true`.
    pub fn assumptions(&self) -> Vec<String> {
        let plain = self.all.iter().filter(|symbol| symbol.fits() && !symbol.holds(symbol.text()));
        let told = plain.map(|symbol| {
            format!("`{}`: `${{{}}}` is assumed to be `{}`", symbol.property, symbol.name, self.printed(symbol.text()))
        });
        told.collect()
    }

    /// The names of the unknown values that the text holds.
    pub fn unknown_in(&self, text: &str) -> Vec<&str> {
        let in_text = self.held(text);
        let held = self.all.iter().enumerate();
        let held = held.filter(|(i, symbol)| !symbol.holds(symbol.text()) || in_text.contains(i));
        let mut names: Vec<&str> = held.map(|(_, symbol)| symbol.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The text with the name of each unknown value instead of its stand-in.
    pub fn printed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // In reverse order, because the name of a later symbol was printed when the symbol was added, so it holds no
        // stand-in of an earlier one.
        let held = self.held(&text).into_iter().rev();
        for symbol in held.filter_map(|i| self.all.get(i)) {
            let (Symbol { name, token, .. }, shape) = (symbol, symbol.text());
            let lower = |text: &str| text.to_ascii_lowercase();
            if symbol.holds(shape) {
                text = text.replace(shape, &format!("${{{name}}}"));
                // Some names of IAM resources are spelled in lower case.
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

    fn fits(&self) -> bool {
        self.shape < self.shapes.len()
    }

    fn holds(&self, text: &str) -> bool {
        [&self.token, &self.number, &self.token.to_ascii_lowercase()].iter().any(|one| text.contains(*one))
    }
}

/// What the errors about one property mention.
#[derive(Debug, Default)]
struct Mentioned<'e> {
    /// Whether an error hides which values it is about.
    blurred: bool,
    /// The indexes of the unknown values whose token or number is in an error.
    held: BTreeSet<usize>,
    /// The texts in backticks.
    quoted: BTreeSet<&'e str>,
}

impl<'e> Mentioned<'e> {
    fn add(&mut self, mistake: &'e str, held: BTreeSet<usize>) {
        self.blurred |= blurred(mistake);
        self.held.extend(held);
        self.quoted.extend(quoted(mistake));
    }

    fn has(&self, index: usize, text: &str) -> bool {
        self.blurred || self.held.contains(&index) || self.quoted.contains(text)
    }
}

/// The property that an error is about.
fn about(mistake: &str) -> &str {
    property_of(mistake.split('`').nth(1).unwrap_or_default())
}

/// Whether an error hides which values it is about: it is about a text that is cut, or that can't be parsed at all.
fn blurred(mistake: &str) -> bool {
    mistake.contains('…') || mistake.contains("is not valid JSON")
}

/// The texts between two backticks of an error.
fn quoted(mistake: &str) -> impl Iterator<Item = &str> {
    let parts = mistake.split('`').count();
    mistake.split('`').take(parts.saturating_sub(1)).skip(1)
}

/// The property that a path belongs to: `SageMakerExecutionRoleArns[0]` belongs to `SageMakerExecutionRoleArns`. The
/// properties that fill in the definition belong to `Definition`.
fn property_of(path: &str) -> &str {
    match path.split(['[', '.', ',']).next().unwrap_or_default() {
        "DefinitionSubstitutions"
        | "ResourceOverrides"
        | "TaskActions"
        | "TaskResources"
        | "DataKeys"
        | "Integrations" => "Definition",
        property => property,
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
    let arns = shapes(token, number, unknown, place, guardrails).into_iter().filter(|shape| shape.starts_with("arn:"));
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
    // Buckets and repositories have names without upper case.
    let names = [token.to_owned(), format!("{prefix}{token}"), token.to_ascii_lowercase()];

    let mut arns: Vec<(&str, String)> = Vec::new();
    for pattern in guardrails.iter().flat_map(|guardrails| &guardrails.passable_roles) {
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
