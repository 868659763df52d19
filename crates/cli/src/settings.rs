//! What applies to one file: the options, and the settings of its repository.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::config::{Config, ConfigError};
use crate::input::document::parse;
use crate::input::repository::{FileError, Repository, text_of};
use crate::options::error::OptionError;
use crate::options::input::InputOptions;

/// What applies to one file. An option has priority over the settings of the repository.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// The file. `-` is standard input.
    pub file: PathBuf,
    /// The options as they are given. The program refuses those that don't apply to the file.
    pub given: &'a InputOptions,
    /// Whether the account and the region may be those of ARNs in the file.
    pub guesses: bool,
    /// Whether the account is read.
    pub against_account: bool,
    /// Values that only a deployment knows, by name.
    pub set: BTreeMap<String, String>,
    /// The values of `${NAME}` in the definition, by name.
    pub definition_substitutions: BTreeMap<String, String>,
    /// The properties of the workflow role that a definition is for, of the settings.
    pub configured: Map<String, Value>,
    /// The same, of the options.
    pub properties: Map<String, Value>,
    /// The account to deploy to.
    pub account: Option<String>,
    /// The region to deploy to.
    pub region: Option<String>,
    /// The partition to deploy to.
    pub partition: Option<String>,
    /// The name of the stack that the file is deployed as.
    pub stack_name: Option<String>,
    /// The name of the stack that mlops-roles is deployed as.
    pub deployment: String,
    /// Deployer parameters, by name.
    pub deployer: BTreeMap<String, String>,
    /// Whether states must not need what nobody names.
    pub strict: bool,
}

impl<'a> Settings<'a> {
    /// The properties of the workflow role that a bare definition is for.
    pub fn all_properties(&self) -> Map<String, Value> {
        self.configured.clone().into_iter().chain(self.properties.clone()).collect()
    }

    /// Collects what applies to a file. `takes_properties` says whether the properties of a workflow role do.
    ///
    /// # Errors
    /// When the settings of the repository can't be used, or an option has a wrong value.
    pub fn new(file: &Path, given: &'a InputOptions, takes_properties: bool) -> Result<Self, SettingsError> {
        let config = match &given.config {
            Some(path) => Config::read(path)?,
            None if given.no_config => Config::default(),
            None => Config::find(file)?.unwrap_or_default(),
        };
        let mut configured = config.properties.clone();
        let mut properties = given_properties(given)?;
        if let Some(path) = &given.task_resources {
            let named_by = "`--task-resources`".to_owned();
            let text = text_of(path, &path.display().to_string());
            properties.insert("TaskResources".to_owned(), task_resources(named_by, path, text)?);
        } else if let Some(name) = config.task_resources.as_ref().filter(|_| takes_properties) {
            let named_by = format!("`{}`: `task-resources`", config.path.display());
            let text = Repository::of(&config.path).read(name);
            configured.insert("TaskResources".to_owned(), task_resources(named_by, Path::new(name), text)?);
        }
        if let Some(name) = configured.keys().find(|name| name.starts_with("Definition")) {
            return Err(OptionError::PropertyIsFile { name: name.clone() }.into());
        }
        let both = |of_config: BTreeMap<String, String>, given: &[(String, String)]| {
            of_config.into_iter().chain(given.iter().cloned()).collect()
        };
        let texts = |values: &BTreeMap<String, crate::config::Scalar>| {
            values.iter().map(|(name, value)| (name.clone(), value.text())).collect()
        };
        Ok(Self {
            file: file.to_owned(),
            given,
            guesses: true,
            against_account: false,
            set: both(texts(&config.set), &given.set),
            definition_substitutions: both(texts(&config.definition_substitutions), &given.definition_substitution),
            configured,
            properties,
            account: given.account.clone().or(config.account),
            region: given.region.clone().or(config.region),
            partition: given.partition.clone().or(config.partition),
            stack_name: given.stack_name.clone().or(config.stack_name),
            deployment: config.deployment.unwrap_or_else(|| "mlops-roles".to_owned()),
            deployer: config.deployer.iter().map(|(name, value)| (name.clone(), value.text())).collect(),
            strict: config.strict,
        })
    }
}

/// Why it can't be told what applies to a file.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The settings of the repository can't be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An option has a wrong value.
    #[error(transparent)]
    Option(#[from] OptionError),
}

/// Parses the text of a file with `TaskResources`. `named_by` is what names the file.
fn task_resources(named_by: String, path: &Path, text: Result<String, FileError>) -> Result<Value, OptionError> {
    let text = match text {
        Ok(text) => text,
        Err(problem) => return Err(OptionError::TaskResourcesFile { named_by, problem }),
    };
    let path = path.to_owned();
    parse(&text).map_err(|problem| OptionError::TaskResourcesDocument { named_by, path, problem })
}

/// The properties of `--property`. A property that is given twice becomes a list.
fn given_properties(given: &InputOptions) -> Result<Map<String, Value>, OptionError> {
    let mut properties: Map<String, Value> = Map::new();
    for (name, value) in &given.property {
        if name.starts_with("Definition") {
            return Err(OptionError::PropertyIsFile { name: name.clone() });
        }
        if name == "TaskResources" && given.task_resources.is_some() {
            return Err(OptionError::TaskResourcesTwice);
        }
        let is_json = value.starts_with(['[', '{']);
        let value = if is_json { parse(value) } else { Ok(json!(value)) };
        let value = value.map_err(|problem| OptionError::Property { name: name.clone(), problem })?;
        match properties.get_mut(name) {
            Some(Value::Array(items)) => items.push(value),
            Some(one) => *one = json!([one.clone(), value]),
            None => drop(properties.insert(name.clone(), value)),
        }
    }
    Ok(properties)
}
