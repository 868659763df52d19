//! The role sets that can be provisioned, each a file of data in `catalog/`: published roles, and beside each statement
//! what we make of it instead and why.
//!
//! A file holds `parameters`, `roles` and standalone `policies` by the names that the source has for them, and `outputs`.
//! Any text may hold `${…}`: a parameter, `Partition`, `Region`, `Account`, the name of a role of the set (`${Role}`), the
//! ARN of a role or policy of the set (`${Role.Arn}`), or `Boundary`, the ARN of the roles' permissions boundary. In a list,
//! `${*Name}` stands for each item of a value that is a list: `AllowedManagedPolicies` has what the deployer allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::iam::arn::{Arn, Place};
use crate::iam::name::is_iam_name;
use crate::iam::quota::ROLE_NAME_LENGTH;

/// What `${…}` is filled with, by name. The items of a list are separated by commas.
pub type Values = BTreeMap<String, String>;

/// The set of `Custom::SageMakerDeployTarget`.
pub const DEPLOY_TARGET: &str = "DeployTarget";

/// Every set. A new one is a file and its line here.
const FILES: [(&str, &str); 6] = [
    ("CoreShared", include_str!("core-shared.json")),
    (DEPLOY_TARGET, include_str!("deploy-target.json")),
    ("Environment", include_str!("environment.json")),
    ("ServiceCatalogProjects", include_str!("service-catalog-projects.json")),
    ("SetupStackSetExecution", include_str!("setup-stack-set-execution.json")),
    ("TargetAccount", include_str!("target-account.json")),
];

static SETS: LazyLock<BTreeMap<&str, Result<RoleSet, String>>> = LazyLock::new(|| {
    let parse = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
    FILES.into_iter().map(|(name, text)| (name, parse(text))).collect()
});

/// The names of all sets, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().map(|(name, _)| name)
}

/// The values that every set knows.
pub fn values_of(place: &Place) -> Values {
    let Place { partition, region, account } = place.clone();
    [("Partition", partition), ("Region", region), ("Account", account)]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// # Errors
/// When there is no such set, or its file is broken.
pub fn role_set(name: &str) -> Result<&'static RoleSet, String> {
    let set = SETS.get(name).ok_or_else(|| format!("there is no role set `{name}`"))?;
    set.as_ref().map_err(|error| format!("the file of role set `{name}` is broken: {error}"))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSet {
    /// Where it was published.
    pub source: String,
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// By the logical ids of the source.
    pub roles: BTreeMap<String, RoleEntry>,
    /// Customer-managed policies, by the logical ids of the source.
    #[serde(default)]
    pub policies: BTreeMap<String, PolicyEntry>,
    /// The attributes, by the names of the source's outputs.
    pub outputs: BTreeMap<String, Output>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub name: String,
    pub form: Form,
    /// Without one it is required, unless it is optional.
    pub default: Option<String>,
    /// Whether it may be absent. What names it then has its `otherwise`.
    #[serde(default)]
    pub optional: bool,
    /// The value where the default names what is absent. Wider than a new resource may have.
    pub otherwise: Option<String>,
    /// Of a choice.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// Parameters, each with the value that it must have.
pub type When = BTreeMap<String, String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// Its name where nobody gives another.
    pub name: String,
    /// What an empty name means in the source. Where it means nothing, it is refused.
    pub empty_name: Option<EmptyName>,
    #[serde(default = "root")]
    pub path: String,
    #[serde(default)]
    pub when: When,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    pub trust: Vec<Statement>,
    #[serde(default)]
    pub managed: Vec<Managed>,
    #[serde(default)]
    pub inline: BTreeMap<String, Vec<Statement>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyName {
    NotMade,
    Default,
}

/// The ARN of a managed policy; of AWS's own, what follows `arn:aws:iam::aws:policy/`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Managed {
    Always(String),
    Perhaps { policy: String, when: When },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEntry {
    pub name: String,
    #[serde(default)]
    pub when: When,
    pub statements: Vec<Statement>,
}

/// As published, and what becomes of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    #[serde(rename = "When", default)]
    pub when: When,
    /// For each a statement takes the place of the published one, with these members instead of its own. None drops it.
    #[serde(rename = "Narrowed")]
    pub narrowed: Option<Vec<Map<String, Value>>>,
    /// Whether the source lacks it.
    #[serde(rename = "Added", default)]
    pub added: bool,
    /// Of what is narrowed or added; also of what is wide and stays so.
    #[serde(rename = "Why")]
    pub why: Option<String>,
    #[serde(rename = "Sid")]
    sid: Option<Value>,
    #[serde(rename = "Effect")]
    effect: Value,
    #[serde(rename = "Principal")]
    principal: Option<Value>,
    #[serde(rename = "Action")]
    action: Value,
    #[serde(rename = "Resource")]
    resource: Option<Value>,
    #[serde(rename = "NotResource")]
    not_resource: Option<Value>,
    #[serde(rename = "Condition")]
    condition: Option<Value>,
}

/// An attribute: its value, and what it is where a role that it names is not made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    pub value: String,
    #[serde(default)]
    pub otherwise: String,
}

/// What a parameter must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Letters, digits and hyphens: part of names.
    Label,
    /// The same in lower case.
    LowerLabel,
    Account,
    /// `YES` or `NO`, and what YAML makes of them.
    YesNo,
    Choice,
    RoleName,
    RoleArn,
    RepositoryArn,
    Bucket,
    /// With `*` in it, beside something literal.
    BucketOrPattern,
    /// The ARN of a key, or `*`.
    KeyOrAll,
}

/// Characters of a label.
pub const LABEL_LENGTH: usize = 32;

impl Parameter {
    /// What it must look like, as a noun phrase.
    pub fn expected(&self) -> String {
        let expected = match self.form {
            Form::Label => "1 to 32 letters, digits and hyphens",
            Form::LowerLabel => "1 to 32 lower-case letters, digits and hyphens",
            Form::Account => "the 12 digits of an account, in quotes (YAML drops the zeros in front of a number)",
            Form::YesNo => "`YES` or `NO`",
            Form::Choice => {
                let choices: Vec<String> = self.choices.iter().map(|choice| format!("`{choice}`")).collect();
                return format!("one of {}", choices.join(", "));
            }
            Form::RoleName => "the name of a role: 1 to 64 letters, digits and `+=,.@_-`",
            Form::RoleArn => "the ARN of one role (`arn:aws:iam::123456789012:role/Name`)",
            Form::RepositoryArn => "the ARN of one ECR repository",
            Form::Bucket => "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
            Form::BucketOrPattern => "the name of a bucket, or a pattern with `*` and more than that in it",
            Form::KeyOrAll => "the ARN of a key, or `*` for every key",
        };
        expected.to_owned()
    }

    /// The value as the set has it; `None` where it does not look like one.
    pub fn parse(&self, text: &str, place: &Place) -> Option<String> {
        let arn = |service| Arn::parse(text).filter(|arn| arn.service == service && arn.partition == place.partition);
        let regional = |service, kind: &str, more: &[u8]| {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || more.contains(&b);
            let name =
                arn(service).filter(|_| Arn::is_of_one_place(text)).and_then(|arn| arn.resource.strip_prefix(kind));
            name.is_some_and(|name| !name.is_empty() && name.bytes().all(allowed))
        };
        let label = |allowed: fn(&u8) -> bool| {
            (1..=LABEL_LENGTH).contains(&text.len()) && text.bytes().all(|b| allowed(&b) || b == b'-')
        };
        let bucket = |more: &str| {
            let allowed =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c) || more.contains(c);
            (3..=63).contains(&text.len()) && text.chars().all(allowed) && text.contains(char::is_alphanumeric)
        };
        let account = |text: &str| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
        let fits = match self.form {
            Form::Label => label(u8::is_ascii_alphanumeric),
            Form::LowerLabel => label(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            Form::Account => account(text),
            Form::YesNo => {
                let said = [("YES", "YES"), ("true", "YES"), ("NO", "NO"), ("false", "NO")];
                return said.iter().find(|(word, _)| *word == text).map(|(_, meant)| (*meant).to_owned());
            }
            Form::Choice => self.choices.iter().any(|choice| choice == text),
            Form::RoleName => is_iam_name(text, ROLE_NAME_LENGTH),
            Form::RoleArn => arn("iam").is_some_and(|arn| {
                let name = arn.iam_entity("role").map(|(_, name)| name);
                arn.region.is_empty()
                    && account(arn.account)
                    && name.is_some_and(|name| is_iam_name(name, ROLE_NAME_LENGTH))
            }),
            Form::RepositoryArn => regional("ecr", "repository/", b"._-/"),
            Form::Bucket => bucket(""),
            Form::BucketOrPattern => bucket("*"),
            Form::KeyOrAll => text == "*" || regional("kms", "key/", b"-"),
        };
        fits.then(|| text.to_owned())
    }
}

impl Managed {
    /// The policy, where these values want it attached.
    pub fn policy(&self, values: &Values) -> Option<&str> {
        match self {
            Self::Always(policy) => Some(policy),
            Self::Perhaps { policy, when } => holds(when, values).then_some(policy),
        }
    }
}

impl Statement {
    /// The statements of IAM that stand for it, `${…}` not filled in.
    pub fn of_iam(&self, as_published: bool) -> Vec<Value> {
        if self.added && as_published {
            return Vec::new();
        }
        let members = [
            ("Sid", self.sid.as_ref()),
            ("Effect", Some(&self.effect)),
            ("Principal", self.principal.as_ref()),
            ("Action", Some(&self.action)),
            ("Resource", self.resource.as_ref()),
            ("NotResource", self.not_resource.as_ref()),
            ("Condition", self.condition.as_ref()),
        ];
        let members = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.clone())));
        let published: Map<String, Value> = members.collect();
        let Some(narrowed) = self.narrowed.as_ref().filter(|_| !as_published) else {
            return vec![Value::Object(published)];
        };
        let with = |other: &Map<String, Value>| {
            let mut statement = published.clone();
            statement.extend(other.clone());
            // Two statements of a policy can't share one.
            if narrowed.len() > 1 {
                statement.remove("Sid");
            }
            Value::Object(statement)
        };
        narrowed.iter().map(with).collect()
    }
}

/// The statements of IAM that stand for these. One that names what the set does not make is left out.
pub fn of_iam(statements: &[Statement], values: &Values, as_published: bool) -> Vec<Value> {
    let spec = statements.iter().filter(|statement| holds(&statement.when, values));
    let of_iam = spec.flat_map(|statement| statement.of_iam(as_published));
    of_iam.filter_map(|statement| filled_in(&statement, values)).collect()
}

impl RoleSet {
    /// The statements of the roles and policies that are made with these values, by the ids of the set.
    pub fn made<'a>(&'a self, values: &'a Values) -> impl Iterator<Item = (&'a str, &'a Statement)> {
        let roles = self.roles.iter().filter(|(id, _)| values.contains_key(*id));
        let of_roles = roles.flat_map(|(id, role)| role.inline.values().flatten().map(move |one| (id.as_str(), one)));
        let policies = self.policies.iter().filter(|(id, _)| values.contains_key(&format!("{id}.Arn")));
        let of_policies = policies.flat_map(|(id, entry)| entry.statements.iter().map(move |one| (id.as_str(), one)));
        of_roles.chain(of_policies).filter(|(_, statement)| holds(&statement.when, values))
    }

    /// Whether what was published writes to IAM: whoever makes roles without a permissions boundary can be anybody.
    pub fn publishes_iam_writes(&self, values: &Values) -> bool {
        let granted = self.made(values).filter(|(_, one)| one.effect == "Allow");
        let mut actions = granted.flat_map(|(_, one)| match &one.action {
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            one => Vec::from_iter(one.as_str()),
        });
        actions.any(|action| {
            let of_iam = if action == "*" { Some(action) } else { action.strip_prefix("iam:") };
            of_iam.is_some_and(|one| one != "PassRole" && !one.starts_with("Get") && !one.starts_with("List"))
        })
    }

    /// What the list of the name would be a condition of, and is left out where the list is empty: by the ids of the set.
    pub fn limited_by<'a>(&'a self, list: &str, values: &'a Values) -> BTreeSet<&'a str> {
        let hole = format!("${{*{list}}}");
        let narrowed = |one: &Statement| one.of_iam(false).iter().any(|one| one.to_string().contains(&hole));
        self.made(values).filter(|(_, one)| narrowed(one)).map(|(id, _)| id).collect()
    }
}

/// Whether the parameters have the values that are asked for.
pub fn holds(when: &When, values: &Values) -> bool {
    when.iter().all(|(name, value)| values.get(name) == Some(value))
}

/// The text with `${Name}` filled in; `None` where nothing is known by a name. What IAM fills in (`${aws:username}`) stays.
pub fn filled(text: &str, values: &Values) -> Option<String> {
    let mut done = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}')?;
        done.push_str(before);
        if name.contains(':') {
            done.extend(["${", name, "}"]);
        } else {
            done.push_str(values.get(name)?);
        }
        rest = behind;
    }
    Some(done + rest)
}

/// The text without `${Name}`.
pub fn literal(text: &str) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| done + part.split_once('}').map_or(part, |(_, behind)| behind))
}

/// The same for every text within.
fn filled_in(value: &Value, values: &Values) -> Option<Value> {
    Some(match value {
        Value::String(text) => Value::String(filled(text, values)?),
        Value::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                match item.as_str().and_then(|text| text.strip_prefix("${*")?.strip_suffix('}')) {
                    Some(name) => {
                        all.extend(values.get(name)?.split(',').filter(|one| !one.is_empty()).map(Value::from));
                    }
                    None => all.push(filled_in(item, values)?),
                }
            }
            // Of a condition, no value would be no limit.
            if all.is_empty() && !items.is_empty() {
                return None;
            }
            Value::Array(all)
        }
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| Some((key.clone(), filled_in(value, values)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
        other => other.clone(),
    })
}

fn root() -> String {
    "/".to_owned()
}
