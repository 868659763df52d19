//! The input of `policy`: a file, or the query of Terraform's `external` data source.
//! <https://registry.terraform.io/providers/hashicorp/external/latest/docs/data-sources/external>

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use mlops_roles_core::text::{closest, listed};
use serde_json::{Map, Value, json};

use super::error::PolicyError;
use crate::input::read::LONGEST;
use crate::options::input::InputOptions;
use crate::options::is_account_id;
use crate::options::policy::PolicyOptions;

/// The members that a query may have.
const MEMBERS: [&str; 13] = [
    "account",
    "definition",
    "definition_substitutions",
    "file",
    "partition",
    "properties",
    "region",
    "resource",
    "set",
    "stack_name",
    "state_machine_name",
    "strict",
    "task_resources",
];

/// The input of `policy`.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// The file with the state machine.
    pub file: Option<PathBuf>,
    /// The text of the definition, instead of a file.
    pub definition: Option<String>,
    /// What is known besides.
    pub input: InputOptions,
    /// Whether states must not need what nobody names. `None` where the query does not say.
    pub strict: Option<bool>,
}

impl Query {
    /// What the command line asks for.
    pub fn of_file(file: &Path, input: &InputOptions) -> Self {
        Self { file: Some(file.to_owned()), input: input.clone(), ..Self::default() }
    }

    /// Reads a query from standard input. Its members have priority over the options.
    ///
    /// # Errors
    /// When the query is no JSON object of strings, or has wrong members.
    pub fn from_stdin(options: &PolicyOptions) -> Result<Self, PolicyError> {
        if options.file.is_some() {
            return Err(PolicyError::FileBesideQuery);
        }
        if options.output_dir.is_some() {
            return Err(PolicyError::FolderBesideQuery);
        }
        let mut text = String::new();
        let read = std::io::stdin().lock().take(LONGEST).read_to_string(&mut text);
        read.map_err(|error| PolicyError::Query { problem: format!("can't be read: {error}") })?;
        Self::parse(&text, &options.input)
    }

    fn parse(text: &str, input: &InputOptions) -> Result<Self, PolicyError> {
        let query: BTreeMap<String, String> = serde_json::from_str(text)
            .map_err(|error| PolicyError::Query { problem: format!("expected a JSON object of strings: {error}") })?;
        let mut problems: Vec<String> =
            query.keys().filter(|name| !MEMBERS.contains(&name.as_str())).map(|name| no_member(name)).collect();
        let text = |name: &str| query.get(name).filter(|text| !text.is_empty()).cloned();
        let mut object = |name: &str| {
            let parsed = text(name).map_or_else(|| Ok(Map::new()), |text| serde_json::from_str(&text));
            parsed.unwrap_or_else(|error| {
                problems.push(format!("`{name}`: expected a JSON object as text: {error}"));
                Map::new()
            })
        };
        let mut input = input.clone();
        input.definition_substitution.extend(pairs(object("definition_substitutions")));
        input.set.extend(pairs(object("set")));
        let properties = pairs(object("properties")).collect();
        let task_resources = text("task_resources").map(|_| Value::Object(object("task_resources")).to_string());
        let own = [
            ("task_resources", "TaskResources", task_resources),
            ("state_machine_name", "StateMachineName", text("state_machine_name")),
        ];
        problems.extend(add_properties(&mut input, properties, own));
        if let Some(resource) = text("resource") {
            input.resource = vec![resource];
        }
        for (name, own) in [
            ("account", &mut input.account),
            ("partition", &mut input.partition),
            ("region", &mut input.region),
            ("stack_name", &mut input.stack_name),
        ] {
            *own = text(name).or(own.take());
        }
        if let Some(found) = input.account.as_ref().filter(|account| !is_account_id(account)) {
            problems.push(format!("`account`: found `{found}`, expected 12 digits"));
        }
        let (file, definition) = (text("file").map(PathBuf::from), text("definition"));
        if file.is_some() == definition.is_some() {
            problems.push("expected either `file` or `definition`".to_owned());
        }
        if file.as_deref() == Some(Path::new("-")) {
            problems.push("`file`: found `-`, which is the query itself; name a file".to_owned());
        }
        let strict = match text("strict").as_deref() {
            None => None,
            Some("false") => Some(false),
            Some("true") => Some(true),
            Some(other) => {
                problems.push(format!("`strict`: found `{other}`, expected `true` or `false`"));
                None
            }
        };
        if problems.is_empty() {
            return Ok(Self { file, definition, input, strict });
        }
        Err(PolicyError::Query { problem: problems.join("; ") })
    }
}

/// Adds the properties of a query to the options, over which they have priority. `own` are the members that stand for one
/// property, each with its property and value. Returns what is wrong.
fn add_properties(
    input: &mut InputOptions,
    mut properties: Vec<(String, String)>,
    own: [(&str, &str, Option<String>); 2],
) -> Vec<String> {
    let mut problems = Vec::new();
    for (member, property, value) in own {
        let Some(value) = value else { continue };
        if properties.iter().any(|(name, _)| name == property) {
            problems
                .push(format!("`{member}`: not allowed with `{property}` in `properties`; leave one of the two out"));
        }
        properties.push((property.to_owned(), value));
    }
    if properties.iter().any(|(name, _)| name == "TaskResources") {
        input.task_resources = None;
    }
    input.property.retain(|(name, _)| !properties.iter().any(|(own, _)| own == name));
    input.property.extend(properties);
    problems
}

fn no_member(name: &str) -> String {
    match closest(name, MEMBERS.into_iter()) {
        Some(near) => format!("`{name}`: no such member, did you mean `{near}`?"),
        None => format!("`{name}`: no such member, expected one of {}", listed(&MEMBERS.map(str::to_owned))),
    }
}

/// The members as NAME and VALUE of an option. What is no text stays JSON, and `null` counts as absent.
fn pairs(members: Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    members.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
        let text = value.as_str().map_or_else(|| json!(value).to_string(), str::to_owned);
        (name, text)
    })
}
