//! `mlops-roles.toml`: the settings that a repository always has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlops_roles_core::text::{closest, listed};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::input::repository::{FileError, Repository, text_of};
use crate::options::is_account_id;

/// The name of the file.
pub const NAME: &str = "mlops-roles.toml";

/// What the keys of the file may be.
const KEYS: [&str; 11] = [
    "account",
    "definition-substitutions",
    "deployer",
    "deployment",
    "partition",
    "properties",
    "region",
    "set",
    "stack-name",
    "strict",
    "task-resources",
];

/// The settings of a repository. Each has the meaning of the option of its name, which has priority.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// The account to deploy to, as 12 digits.
    #[cfg_attr(feature = "schemas", schemars(regex(pattern = "^[0-9]{12}$")))]
    pub account: Option<String>,
    /// The region to deploy to.
    pub region: Option<String>,
    /// The partition to deploy to: `aws-cn`.
    pub partition: Option<String>,
    /// The name of the stack that mlops-roles is deployed as.
    pub deployment: Option<String>,
    /// The name of the stack that the files are deployed as.
    pub stack_name: Option<String>,
    /// Whether `policy` refuses states that certainly need what nobody names.
    pub strict: bool,
    /// The path of the file with the property `TaskResources`, from the folder of this file.
    pub task_resources: Option<String>,
    /// Values that only a deployment knows, by name.
    pub set: BTreeMap<String, Scalar>,
    /// The values of `${NAME}` in definitions, by name.
    pub definition_substitutions: BTreeMap<String, Scalar>,
    /// Properties of the workflow role that a definition is for, by name.
    pub properties: Map<String, Value>,
    /// Deployer parameters, by name. A list stands for its items, separated by commas.
    pub deployer: BTreeMap<String, ScalarOrList>,
    /// The file, so that paths start from its folder.
    #[serde(skip)]
    pub path: PathBuf,
}

/// A value as text.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected text, a number, `true` or `false`")]
pub enum Scalar {
    /// Text.
    Text(String),
    /// A number.
    Number(serde_json::Number),
    /// `true` or `false`.
    Flag(bool),
}

/// One value, or a list of values.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "expected text, a number, `true` or `false`, or a list of these")]
pub enum ScalarOrList {
    /// One value.
    One(Scalar),
    /// A list of values.
    Many(Vec<Scalar>),
}

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("`{}`: {problem}", .path.display())]
    File { path: PathBuf, problem: FileError },
    /// The file is not TOML, or a value has another form.
    #[error("`{}`: line {line}, column {column}: {problem}", .path.display())]
    Toml { path: PathBuf, line: usize, column: usize, problem: String },
    /// The file has keys that don't exist.
    #[error("`{}`: {}", .path.display(), unknown(.keys))]
    Keys { path: PathBuf, keys: Vec<String> },
    /// The account has another form.
    #[error("`{}`: `account`: found `{found}`, expected 12 digits", .path.display())]
    Account { path: PathBuf, found: String },
}

/// The words for keys that don't exist, each with the nearest one that does.
fn unknown(keys: &[String]) -> String {
    let told = keys.iter().map(|key| match closest(key, KEYS.into_iter()) {
        Some(near) => format!("`{key}`: no such key, did you mean `{near}`?"),
        None => format!("`{key}`: no such key, expected one of {}", listed(&KEYS.map(str::to_owned))),
    });
    told.collect::<Vec<_>>().join("; ")
}

impl Config {
    /// Finds the nearest settings from the folder of a file upwards to the root of its repository. `None` where there
    /// are none.
    ///
    /// # Errors
    /// When the settings can't be read, or are not in the repository.
    pub fn find(file: &Path) -> Result<Option<Self>, ConfigError> {
        let Some(path) = Repository::of(file).nearest(NAME) else { return Ok(None) };
        let text = Repository::of(&path).read(NAME);
        let text = text.map_err(|problem| ConfigError::File { path: path.clone(), problem })?;
        Self::parse(&text, &path).map(Some)
    }

    /// Reads the settings of `--config`, which may be anywhere.
    ///
    /// # Errors
    /// When the file can't be read, or has wrong keys or values.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = text_of(path, &path.display().to_string());
        let text = text.map_err(|problem| ConfigError::File { path: path.to_owned(), problem })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let wrong = |error: toml::de::Error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            ConfigError::Toml { path: path.to_owned(), line, column, problem: error.message().to_owned() }
        };
        let table: toml::Table = text.parse().map_err(wrong)?;
        let keys: Vec<String> = table.keys().filter(|key| !KEYS.contains(&key.as_str())).cloned().collect();
        if !keys.is_empty() {
            return Err(ConfigError::Keys { path: path.to_owned(), keys });
        }
        let config: Self = toml::from_str(text).map_err(wrong)?;
        if let Some(found) = config.account.as_ref().filter(|account| !is_account_id(account)) {
            return Err(ConfigError::Account { path: path.to_owned(), found: found.clone() });
        }
        Ok(Self { path: path.to_owned(), ..config })
    }
}

impl Scalar {
    /// The value as text, as the command line would have it.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

impl ScalarOrList {
    /// The value as text. Commas separate the items of a list.
    pub fn text(&self) -> String {
        match self {
            Self::One(one) => one.text(),
            Self::Many(items) => items.iter().map(Scalar::text).collect::<Vec<_>>().join(","),
        }
    }
}
