//! What only a deployment knows: `${Topic}` is printed where its ARN will stand.
//!
//! The function's own reading of properties is strict, and the preview uses it as it is. So each unknown stands in as a
//! text of the shape that fits where it is used, found by trying; in all that is printed its name takes the place again.

use mlops_roles::arn::Place;
use mlops_roles::fence::Fence;

/// Stand for the place where nobody says which it is. Nothing else is written so.
pub const ACCOUNT: &str = "907060504030";
pub const REGION: &str = "zz-west-9";

/// Services whose ARNs end in the name, for those whose ARNs are used as they are.
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
const KINDS: [(&str, &str, &str); 9] = [
    ("lambda", "function:", ""),
    ("states", "stateMachine:", ""),
    ("kms", "key/", ""),
    ("events", "connection/", "/id"),
    ("ecs", "task-definition/", ":1"),
    ("batch", "job-definition/", ":1"),
    ("codebuild", "report/", ":id"),
    ("states", "activity:", ""),
    ("cloudformation", "stack/", "/id"),
];

/// One unknown.
#[derive(Clone, Debug)]
struct Symbol {
    /// `Topic`, `ExecutionRole.Arn`.
    name: String,
    /// In every shape that holds it.
    token: String,
    shapes: Vec<String>,
    /// The shape that it has at the moment; past the last where none fits.
    shape: usize,
}

/// All of them, by the order in which they turned up.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    symbols: Vec<Symbol>,
    /// Text and what is printed for it.
    named: Vec<(String, String)>,
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

    /// What stands in for `name`. `service` is that of the ARN that it is, where that is known: `sns`.
    pub fn stand_in(&mut self, name: &str, service: Option<&str>, place: &Place, fence: Option<&Fence>) -> String {
        if let Some(symbol) = self.symbols.iter().find(|symbol| symbol.name == name) {
            return symbol.text().to_owned();
        }
        let token = format!("Zq{:03}z", self.symbols.len());
        let shapes = shapes(&token, name, service, place, fence);
        let symbol = Symbol { name: name.to_owned(), token, shapes, shape: 0 };
        let text = symbol.text().to_owned();
        self.symbols.push(symbol);
        text
    }

    /// Gives the unknowns that the mistakes speak of their next shape. `false` when there is nothing left to try.
    pub fn advance(&mut self, mistakes: &[String]) -> bool {
        let mut moved = false;
        for symbol in &mut self.symbols {
            if symbol.shape < symbol.shapes.len() && mistakes.iter().any(|mistake| symbol.is_in(mistake)) {
                symbol.shape += 1;
                moved = true;
            }
        }
        moved
    }

    /// Whether the text speaks of something that only a deployment knows.
    pub fn is_in(&self, text: &str) -> bool {
        self.symbols.iter().any(|symbol| symbol.is_in(text))
    }

    /// What was taken for granted: `${Traced}` is `true`.
    pub fn assumptions(&self) -> Vec<String> {
        let plain = self.symbols.iter().filter(|symbol| !symbol.text().contains(&symbol.token));
        plain.map(|symbol| format!("`${{{}}}` is taken for `{}`", symbol.name, self.printed(symbol.text()))).collect()
    }

    /// The names of those that are part of the text as it is printed.
    pub fn unknown(&self) -> Vec<&str> {
        self.symbols.iter().map(|symbol| symbol.name.as_str()).collect()
    }

    /// The text with names in the places of what stands in for them.
    pub fn printed(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for symbol in &self.symbols {
            let name = format!("${{{}}}", symbol.name);
            if symbol.text().contains(&symbol.token) {
                text = text.replace(symbol.text(), &name);
            }
            text = text.replace(&symbol.token, &name);
            // IAM's resources have a lower-case spelling for some names.
            text = text.replace(&symbol.token.to_ascii_lowercase(), &format!("${{{}, in lower case}}", symbol.name));
        }
        for (stand_in, name) in &self.named {
            text = text.replace(stand_in, name);
        }
        text
    }
}

impl Symbol {
    fn text(&self) -> &str {
        self.shapes.get(self.shape).or(self.shapes.first()).map_or("", String::as_str)
    }

    fn is_in(&self, text: &str) -> bool {
        let shape = self.text();
        text.contains(&self.token) || text.contains(&format!("`{shape}`"))
    }
}

/// Everything that a property or a definition may ask for, the likeliest first.
fn shapes(token: &str, name: &str, service: Option<&str>, place: &Place, fence: Option<&Fence>) -> Vec<String> {
    let Place { partition, region, account } = place;
    let arn = |service: &str, resource: &str| match service {
        "iam" => format!("arn:{partition}:iam::{account}:{resource}"),
        "s3" => format!("arn:{partition}:s3:::{resource}"),
        service => format!("arn:{partition}:{service}:{region}:{account}:{resource}"),
    };
    let prefix = fence.and_then(|fence| fence.role_name_prefixes.first()).map_or("", String::as_str);
    let names = [token.to_owned(), format!("{prefix}{token}")];

    let mut arns: Vec<(&str, String)> = Vec::new();
    for pattern in fence.iter().flat_map(|fence| &fence.passable_roles) {
        // Of a pattern, the part that is open; a role without one is itself.
        arns.push(("iam", pattern.replacen('*', token, 1).replace('*', "x")));
    }
    arns.push(("iam", arn("iam", &format!("role/{prefix}{token}"))));
    arns.push(("iam", arn("iam", &format!("policy/{token}"))));
    arns.extend(KINDS.map(|(service, start, end)| (service, arn(service, &format!("{start}{token}{end}")))));
    arns.extend(SERVICES.map(|service| (service, arn(service, token))));
    // `AWS::IAM::Role` has the service of its ARN in its name.
    arns.sort_by_key(|(of, _)| service != Some(*of));
    let arns = arns.into_iter().map(|(_, arn)| arn);

    let is_arn = service.is_some() || name.to_ascii_lowercase().contains("arn");
    let first: Vec<String> = if is_arn { arns.chain(names).collect() } else { names.into_iter().chain(arns).collect() };
    let boundaries = fence.iter().flat_map(|fence| [&fence.boundary].into_iter().chain(&fence.narrower_boundaries));
    let managed = fence.iter().flat_map(|fence| &fence.managed_policies).map(|pattern| pattern.replace('*', token));
    let others = [
        format!("https://sqs.{region}.amazonaws.com/{account}/{token}"),
        format!("https://{token}.example.com"),
        format!("s3://{token}/{token}"),
        "true".to_owned(),
        "3600".to_owned(),
        "60".to_owned(),
    ];
    let paths = fence.iter().map(|fence| fence.default_path().to_owned());
    first.into_iter().chain(boundaries.cloned()).chain(managed).chain(others).chain(paths).collect()
}
