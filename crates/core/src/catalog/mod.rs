//! Holds the role sets that can be provisioned, each as a JSON file in `catalog/`.
//!
//! A file has the roles as they were published. Beside a published statement, the file has the narrowed statements that
//! replace it, and the reason.
//!
//! A file has `parameters`, `roles`, customer-managed `policies` and `outputs`. Roles and policies have the names that
//! the source gives them. A text may contain placeholders:
//!
//! - `${EnvName}`: the value of a parameter.
//! - `${Partition}`, `${Region}`, `${Account}`: the place that the function runs in.
//! - `${Role}`: the name of a role of the set.
//! - `${Role.Arn}`: the ARN of a role or policy of the set.
//! - `${Boundary}`: the ARN of the permissions boundary of the roles.
//! - `${*Name}`, only as an item of a list: each item of a value that is a list. The value `AllowedManagedPolicies` has
//!   the patterns of the managed policies that the deployer allows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::iam::arn::{Arn, Place};
use crate::iam::name::is_iam_name;
use crate::iam::quota::ROLE_NAME_LENGTH;

/// The values of the placeholders `${…}`, by name. Commas separate the items of a value that is a list.
pub type Values = BTreeMap<String, String>;

/// The name of the role set that `Custom::SageMakerDeployTarget` provisions.
pub const DEPLOY_TARGET: &str = "DeployTarget";

/// The name and the file of every role set. A new role set needs a file and a line here.
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

/// Lists the names of all role sets, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().map(|(name, _)| name)
}

/// Returns the values that every role set has: `Partition`, `Region` and `Account`.
pub fn values_of(place: &Place) -> Values {
    let Place { partition, region, account } = place.clone();
    [("Partition", partition), ("Region", region), ("Account", account)]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// Returns the role set with this name: `CoreShared`.
///
/// # Errors
///
/// Fails when there is no such role set, or its file can't be parsed.
pub fn role_set(name: &str) -> Result<&'static RoleSet, String> {
    let set = SETS.get(name).ok_or_else(|| format!("role set `{name}` does not exist"))?;
    set.as_ref().map_err(|error| format!("the file of role set `{name}` can't be parsed: {error}; report it as a bug"))
}

/// A role set: several roles and policies that a published solution needs together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSet {
    /// Where the role set was published: `amazon-sagemaker-secure-mlops, env-iam.yaml`.
    pub source: String,
    /// The parameters, which a template sets as properties. A default refers only to parameters that stand before it.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// The roles, by their logical ids in the source.
    pub roles: BTreeMap<String, RoleEntry>,
    /// The customer-managed policies, by their logical ids in the source.
    #[serde(default)]
    pub policies: BTreeMap<String, PolicyEntry>,
    /// The attributes of the resource, by the names of the source's outputs.
    pub outputs: BTreeMap<String, Output>,
}

/// A parameter of a role set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The name of the property that sets the parameter: `EnvName`.
    pub name: String,
    /// The form of its value.
    pub form: Form,
    /// The value when the property is absent, with placeholders.
    ///
    /// A parameter without a default is required, unless it is optional.
    pub default: Option<String>,
    /// Whether the parameter may be absent. A parameter whose default refers to an absent one has its `otherwise`.
    #[serde(default)]
    pub optional: bool,
    /// The value when the default refers to an absent parameter: `*StackSetAdministration*`.
    ///
    /// The value is wider than a new resource may have.
    pub otherwise: Option<String>,
    /// The allowed values of a parameter with the form `Choice`. Empty for other forms.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// A condition: parameters by name, each with the value that it must have. An empty condition holds always.
pub type When = BTreeMap<String, String>;

/// A role of a role set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// The name, with placeholders, when `RoleNames` gives no other: `${EnvName}-${EnvType}-DataScientistRole`.
    pub name: String,
    /// What an empty name means in the source. When absent, an empty name is an error.
    pub empty_name: Option<EmptyName>,
    /// The path, which begins and ends with a slash: `/service-role/`. `/` when absent.
    #[serde(default = "root")]
    pub path: String,
    /// The condition under which the role set has the role.
    #[serde(default)]
    pub when: When,
    /// The tags that the source gives the role, with placeholders in their values.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The statements of the trust policy.
    pub trust: Vec<Statement>,
    /// The managed policies to attach.
    #[serde(default)]
    pub managed: Vec<Managed>,
    /// The statements of the inline policies, by the name of the policy. The names may have placeholders.
    #[serde(default)]
    pub inline: BTreeMap<String, Vec<Statement>>,
}

/// What an empty name of a role means in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmptyName {
    /// The role is not created: `not-made` in the file.
    NotMade,
    /// The role gets its default name: `default` in the file.
    Default,
}

/// A managed policy to attach to a role.
///
/// The text is `${ScopedPolicy.Arn}` for a policy of the role set. For an AWS managed policy, it is what follows
/// `arn:aws:iam::aws:policy/`: `AmazonSageMakerFullAccess`, `job-function/DataScientist`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Managed {
    /// A policy that is always attached.
    Always(String),
    /// A policy that is attached under a condition.
    Perhaps {
        /// The policy, in the form of `Managed`.
        policy: String,
        /// The condition under which the policy is attached.
        when: When,
    },
}

/// A customer-managed policy of a role set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyEntry {
    /// The name, with placeholders: `${NamePrefix}-init-destroy`.
    pub name: String,
    /// The condition under which the role set has the policy.
    #[serde(default)]
    pub when: When,
    /// The statements of the policy.
    pub statements: Vec<Statement>,
}

/// A statement as it was published, and the statements that replace it.
///
/// The private fields are the published members. They have the names that IAM gives them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The condition under which the document has the statement.
    #[serde(rename = "When", default)]
    pub when: When,
    /// The changes that narrow the published statement.
    ///
    /// Each item makes one statement, and its members override the published members. An empty list drops the published
    /// statement. When absent, the published statement stays.
    #[serde(rename = "Narrowed")]
    pub narrowed: Option<Vec<Map<String, Value>>>,
    /// Whether the source lacks the statement.
    #[serde(rename = "Added", default)]
    pub added: bool,
    /// Why the statement is narrowed or added, or why it is wide and stays wide. Otherwise absent.
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

/// An attribute of the resource.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The value, with placeholders: `${ExecutionRole.Arn}`.
    pub value: String,
    /// The value, with placeholders, when the role that `value` names is not created. Empty when absent.
    #[serde(default)]
    pub otherwise: String,
}

/// The form of a parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A part of names: 1 to 32 ASCII letters, digits and hyphens.
    Label,
    /// A part of names: 1 to 32 lower-case ASCII letters, digits and hyphens.
    LowerLabel,
    /// The id of an account: 12 digits.
    Account,
    /// `YES` or `NO`, or `true` or `false`, which YAML makes of them.
    YesNo,
    /// One of the `choices` of the parameter.
    Choice,
    /// The name of a role: 1 to 64 characters.
    RoleName,
    /// The ARN of one role: `arn:aws:iam::123456789012:role/Name`.
    RoleArn,
    /// The ARN of one repository of Amazon ECR: `arn:aws:ecr:us-east-1:123456789012:repository/name`.
    RepositoryArn,
    /// The name of an S3 bucket: 3 to 63 lower-case letters, digits, dots and hyphens.
    Bucket,
    /// The name of an S3 bucket, or a pattern of the same characters and `*` with at least one letter or digit.
    BucketOrPattern,
    /// The ARN of one AWS KMS key, or `*` for all keys.
    KeyOrAll,
}

/// The longest value with the form `Label` or `LowerLabel`, in characters.
pub const LABEL_LENGTH: usize = 32;

impl Parameter {
    /// Describes the expected value for an error message, as a noun phrase.
    pub fn expected(&self) -> String {
        let expected = match self.form {
            Form::Label => "1 to 32 letters, digits and hyphens",
            Form::LowerLabel => "1 to 32 lower-case letters, digits and hyphens",
            Form::Account => "an account id of 12 digits, in quotes (YAML drops the leading zeros of a number)",
            Form::YesNo => "`YES` or `NO`",
            Form::Choice => {
                let choices: Vec<String> = self.choices.iter().map(|choice| format!("`{choice}`")).collect();
                return format!("one of {}", choices.join(", "));
            }
            Form::RoleName => "the name of a role: 1 to 64 letters, digits and `+=,.@_-`",
            Form::RoleArn => "the ARN of one role, such as `arn:aws:iam::123456789012:role/Name`",
            Form::RepositoryArn => "the ARN of one ECR repository",
            Form::Bucket => "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
            Form::BucketOrPattern => "the name of a bucket, or a pattern with `*` and at least one letter or digit",
            Form::KeyOrAll => "the ARN of a KMS key, or `*` for every key",
        };
        expected.to_owned()
    }

    /// Checks a value and returns it as the role set uses it: `YES` for `true`, other forms unchanged.
    ///
    /// Returns `None` when the value does not have the form of the parameter. ARNs must be in the partition of `place`.
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
    /// Returns the policy if it is attached with these values. Placeholders are not replaced.
    pub fn policy(&self, values: &Values) -> Option<&str> {
        match self {
            Self::Always(policy) => Some(policy),
            Self::Perhaps { policy, when } => holds(when, values).then_some(policy),
        }
    }
}

impl Statement {
    /// Returns the IAM statements for this statement, with their placeholders.
    ///
    /// `as_published` selects the published statement instead of the narrowed ones, and omits an added statement.
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
            // The statements of one policy can't share a `Sid`.
            if narrowed.len() > 1 {
                statement.remove("Sid");
            }
            Value::Object(statement)
        };
        narrowed.iter().map(with).collect()
    }
}

/// Returns the IAM statements for these statements, with their placeholders replaced.
///
/// A statement is omitted when its condition does not hold, or when it refers to a role or policy that is not created.
pub fn of_iam(statements: &[Statement], values: &Values, as_published: bool) -> Vec<Value> {
    let holding = statements.iter().filter(|statement| holds(&statement.when, values));
    let of_iam = holding.flat_map(|statement| statement.of_iam(as_published));
    of_iam.filter_map(|statement| filled_in(&statement, values)).collect()
}

impl RoleSet {
    /// Lists the statements of the roles and policies that are created with these values, each with its logical id.
    ///
    /// Trust policies are not included. A role is created when the values have its id, a policy when they have its ARN.
    pub fn made<'a>(&'a self, values: &'a Values) -> impl Iterator<Item = (&'a str, &'a Statement)> {
        let roles = self.roles.iter().filter(|(id, _)| values.contains_key(*id));
        let of_roles = roles.flat_map(|(id, role)| role.inline.values().flatten().map(move |one| (id.as_str(), one)));
        let policies = self.policies.iter().filter(|(id, _)| values.contains_key(&format!("{id}.Arn")));
        let of_policies = policies.flat_map(|(id, entry)| entry.statements.iter().map(move |one| (id.as_str(), one)));
        of_roles.chain(of_policies).filter(|(_, statement)| holds(&statement.when, values))
    }

    /// Whether the published statements allow writes to IAM.
    ///
    /// Such writes matter because a principal that can create roles without a permissions boundary can gain any
    /// permission.
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

    /// The logical ids of the roles and policies with a narrowed statement that uses the list.
    ///
    /// `list` is the name of a value: `AllowedManagedPolicies`. `of_iam` omits such a statement when the list is empty.
    pub fn limited_by<'a>(&'a self, list: &str, values: &'a Values) -> BTreeSet<&'a str> {
        let placeholder = format!("${{*{list}}}");
        let narrowed = |one: &Statement| one.of_iam(false).iter().any(|one| one.to_string().contains(&placeholder));
        self.made(values).filter(|(_, one)| narrowed(one)).map(|(id, _)| id).collect()
    }
}

/// Whether the condition holds: every parameter that it names has the required value.
pub fn holds(when: &When, values: &Values) -> bool {
    when.iter().all(|(name, value)| values.get(name) == Some(value))
}

/// Replaces the placeholders `${Name}` of a text by their values.
///
/// Policy variables of IAM, such as `${aws:username}`, stay. Returns `None` when a placeholder has no value or no
/// closing brace.
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

/// Removes the placeholders from a text: `${EnvName}-Role` becomes `-Role`.
pub fn literal(text: &str) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |done, part| done + part.split_once('}').map_or(part, |(_, behind)| behind))
}

/// Replaces the placeholders in every text of a JSON value, as `filled` does, and expands `${*Name}` in lists.
///
/// Returns `None` when a placeholder has no value, or when a list becomes empty.
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
            // In a condition, an empty list of values would set no limit, so the whole statement is omitted.
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
