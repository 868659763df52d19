//! Reads from the Amazon States Language what permissions depend on: tasks, distributed maps and their literal values.
//!
//! <https://states-language.net/spec.html>

use std::collections::HashSet;

use serde_json::{Map, Value};

/// The parts of a state machine that need permissions, in the order of the definition.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// The Task states, nested ones included.
    pub tasks: Vec<Task>,
    /// The Map states in distributed mode, nested ones included.
    pub maps: Vec<DistributedMap>,
    /// The messages of rules that an earlier version of this function did not have. What they are about is read as
    /// before. The module `resource::properties` decides which of them count.
    pub tightened: Vec<String>,
}

/// The types of states, for an error message.
const TYPES: &str = "`Task`, `Parallel`, `Map`, `Pass`, `Choice`, `Wait`, `Succeed` or `Fail`";
/// What `Resource` may be, for an error message.
const RESOURCE: &str = "an ARN such as `arn:aws:states:::lambda:invoke`";

/// A Task state, or the `ItemReader` or `ResultWriter` of a distributed map.
#[derive(Clone, Debug)]
pub struct Task {
    /// The path of the state in the definition: `Prepare.Branches[0].Train`. `[0]` is an item of `Integrations`.
    pub path: String,
    /// The `Resource` of the state: `arn:aws:states:::sagemaker:createTrainingJob.sync`.
    pub resource: String,
    /// What the task passes to the service that it calls.
    pub arguments: Arguments,
    /// `Credentials.RoleArn`, the role that the task assumes. Empty if the task uses the role of the state machine.
    pub credentials: Vec<Found>,
    /// Whether the task runs in an express child workflow.
    pub express: bool,
}

/// A Map state whose iterations are executions of their own.
#[derive(Clone, Debug)]
pub struct DistributedMap {
    /// The path of the state in the definition: `Prepare.Branches[0].Score`.
    pub path: String,
    /// The `Label` of the state, which is part of the ARNs of its executions. `None` if Step Functions makes one up.
    pub label: Option<String>,
    /// The `ItemReader` of the state. `None` if the items come from the input of the state.
    pub reader: Option<Task>,
    /// The `ResultWriter` of the state. `None` if the state has none or its `ResultWriter` has no `Resource`.
    pub writer: Option<Task>,
    /// The `ItemReader.ReaderConfig` of the state. Without one, no member of it has a value.
    pub reader_config: Arguments,
}

/// What a task passes to the service that it calls.
#[derive(Clone, Debug)]
pub enum Arguments {
    /// Nothing is known before run time: the definition has no arguments, so the task passes on the input of the state.
    Unknown,
    /// The value of `Parameters`: members whose names end in `.$` are expressions.
    JsonPath(Value),
    /// The value of `Arguments`: text between `{%` and `%}` is an expression.
    Jsonata(Value),
}

/// What the arguments of a task have at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// The text itself; a boolean or a number in its JSON form.
    Literal(String),
    /// A value that is known at run time only.
    Expression {
        /// The text that the value begins with: `churn-`. Empty if nothing is known of the value.
        prefix: String,
    },
    /// Nothing: this item of a list does not have the member.
    Absent,
}

impl Found {
    fn unknown() -> Self {
        Self::Expression { prefix: String::new() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    JsonPath,
    Jsonata,
}

/// Parses a definition. A part that can't be read is skipped, and a message with the path of its state reports it.
pub fn parse(definition: &Value) -> (Machine, Vec<String>) {
    let mut reading = Reading::default();
    let scope = Scope { path: String::new(), language: Language::JsonPath, express: false };
    reading.nested(definition, &scope);
    (reading.machine, reading.errors)
}

/// The position of a state in the definition, with what the state inherits from there.
struct Scope {
    path: String,
    /// The language of the machine, or of the state that is being read.
    language: Language,
    express: bool,
}

impl Scope {
    fn below(&self, part: &str) -> Self {
        let path = if self.path.is_empty() { part.to_owned() } else { format!("{}.{part}", self.path) };
        Self { path, ..*self }
    }
}

#[derive(Default)]
struct Reading {
    machine: Machine,
    errors: Vec<String>,
}

impl Reading {
    fn report(&mut self, scope: &Scope, what: &str) {
        let whose = if scope.path.is_empty() { "top level".to_owned() } else { format!("state `{}`", scope.path) };
        self.errors.push(format!("{whose}: {what}"));
    }

    /// Reports what an earlier version of this function accepted.
    fn tighten(&mut self, scope: &Scope, what: &str) {
        self.machine.tightened.push(format!("state `{}`: {what}", scope.path));
    }

    fn machine(&mut self, machine: &Map<String, Value>, scope: &Scope) {
        let Some(language) = self.language(machine, scope) else { return };
        let scope = Scope { path: scope.path.clone(), language, ..*scope };
        let Some(states) = machine.get("States").and_then(Value::as_object) else {
            return self.report(&scope, "`States`: found no object, expected the states by name");
        };
        for (name, state) in states {
            let scope = scope.below(name);
            match state.as_object() {
                Some(state) => self.state(state, &scope),
                None => self.report(&scope, "found no object, expected an object with `Type`"),
            }
        }
    }

    fn language(&mut self, holder: &Map<String, Value>, scope: &Scope) -> Option<Language> {
        match holder.get("QueryLanguage").map(|language| language.as_str().unwrap_or_default()) {
            None => Some(scope.language),
            Some("JSONPath") => Some(Language::JsonPath),
            Some("JSONata") => Some(Language::Jsonata),
            Some(other) => {
                self.report(scope, &format!("`QueryLanguage`: found `{other}`, expected `JSONPath` or `JSONata`"));
                None
            }
        }
    }

    /// Reads a state. Its `QueryLanguage` is its own: a state inside it without one has the language of the machine.
    ///
    /// <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>
    fn state(&mut self, state: &Map<String, Value>, scope: &Scope) {
        let Some(language) = self.language(state, scope) else { return };
        match state.get("Type").and_then(Value::as_str) {
            Some("Task") => {
                if let Some(task) = self.task(state, &Scope { path: scope.path.clone(), language, ..*scope }) {
                    self.machine.tasks.push(task);
                }
            }
            Some("Parallel") => match state.get("Branches").and_then(Value::as_array) {
                Some(branches) => {
                    for (i, branch) in branches.iter().enumerate() {
                        self.nested(branch, &scope.below(&format!("Branches[{i}]")));
                    }
                }
                None => self.report(scope, "`Branches`: found no list, expected a list of objects with `States`"),
            },
            Some("Map") => self.map(state, language, scope),
            Some("Pass" | "Choice" | "Wait" | "Succeed" | "Fail") => {}
            Some(other) => self.report(scope, &format!("`Type`: found `{other}`, expected {TYPES}")),
            None => self.report(scope, &format!("`Type`: found no text, expected {TYPES}")),
        }
    }

    fn nested(&mut self, machine: &Value, scope: &Scope) {
        match machine.as_object() {
            Some(machine) => self.machine(machine, scope),
            None => self.report(scope, "found no object, expected an object with `States`"),
        }
    }

    fn map(&mut self, state: &Map<String, Value>, language: Language, scope: &Scope) {
        let (part, processor) = match (state.get("ItemProcessor"), state.get("Iterator")) {
            (Some(processor), _) => ("ItemProcessor", processor),
            (None, Some(iterator)) => ("Iterator", iterator),
            (None, None) => return self.report(scope, "`ItemProcessor`: missing, expected an object with `States`"),
        };
        let config =
            |name| processor.get("ProcessorConfig").and_then(|config| config.get(name)).and_then(Value::as_str);
        let distributed = match config("Mode") {
            None | Some("INLINE") => false,
            Some("DISTRIBUTED") => true,
            Some(other) => {
                return self.report(
                    scope,
                    &format!("`{part}.ProcessorConfig.Mode`: found `{other}`, expected `INLINE` or `DISTRIBUTED`"),
                );
            }
        };
        if distributed {
            self.distributed(state, &Scope { path: scope.path.clone(), language, ..*scope });
        } else {
            // Inline mode has neither: <https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html>
            for name in ["ItemReader", "ResultWriter"].into_iter().filter(|name| state.contains_key(*name)) {
                self.tighten(
                    scope,
                    &format!(
                        "`{name}`: allowed only in a distributed map; remove it, or set `{part}.ProcessorConfig.Mode` \
                         to `DISTRIBUTED`"
                    ),
                );
            }
        }
        let express = if distributed { config("ExecutionType") == Some("EXPRESS") } else { scope.express };
        self.nested(processor, &Scope { express, ..scope.below(part) });
    }

    /// Reads what a Map state in distributed mode has besides its processor.
    ///
    /// <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>,
    /// <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html>
    fn distributed(&mut self, state: &Map<String, Value>, scope: &Scope) {
        let mut task = |name: &str| {
            let scope = scope.below(name);
            let Some(part) = state.get(name)?.as_object() else {
                self.tighten(&scope, "found no object, expected an object with `Resource`");
                return None;
            };
            // Without a `Resource`, a reader reads the input of the state and a writer writes to its output. Neither
            // needs a permission.
            part.get("Resource")?;
            self.task(part, &scope)
        };
        let (reader, writer) = (task("ItemReader"), task("ResultWriter"));
        let label = state.get("Label").and_then(Value::as_str).map(str::to_owned);
        let config = state.get("ItemReader").and_then(|reader| reader.get("ReaderConfig")).cloned().unwrap_or_default();
        // As in `task`: the field of the reader tells the language.
        let jsonata = match reader.as_ref().map(|reader| &reader.arguments) {
            Some(Arguments::JsonPath(_)) => false,
            Some(Arguments::Jsonata(_)) => true,
            Some(Arguments::Unknown) | None => scope.language == Language::Jsonata,
        };
        let reader_config = if jsonata { Arguments::Jsonata(config) } else { Arguments::JsonPath(config) };
        let path = scope.path.clone();
        self.machine.maps.push(DistributedMap { path, label, reader, writer, reader_config });
    }

    fn task(&mut self, state: &Map<String, Value>, scope: &Scope) -> Option<Task> {
        let resource = match state.get("Resource").map(Value::as_str) {
            Some(Some(resource)) => resource,
            Some(None) => {
                self.report(scope, &format!("`Resource`: found no text, expected {RESOURCE}"));
                return None;
            }
            None => {
                self.report(scope, &format!("`Resource`: missing, expected {RESOURCE}"));
                return None;
            }
        };
        // The field tells the language, whatever is inherited: `Parameters` is of JSONPath, `Arguments` of JSONata.
        let jsonpath = scope.language == Language::JsonPath;
        let arguments = match (state.get("Parameters"), state.get("Arguments")) {
            (Some(parameters), other) if jsonpath || other.is_none() => Arguments::JsonPath(parameters.clone()),
            (_, Some(arguments)) => Arguments::Jsonata(arguments.clone()),
            _ => Arguments::Unknown,
        };
        let (path, resource) = (scope.path.clone(), resource.to_owned());
        let credentials = state.get("Credentials").map(credentials).unwrap_or_default();
        Some(Task { path, resource, arguments, credentials, express: scope.express })
    }
}

/// The values of `Credentials.RoleArn`. The name of the member tells the language: `RoleArn.$` is of `JSONPath`.
fn credentials(credentials: &Value) -> Vec<Found> {
    let credentials = match credentials.get("RoleArn.$") {
        Some(_) => Arguments::JsonPath(credentials.clone()),
        None => Arguments::Jsonata(credentials.clone()),
    };
    match credentials.at("RoleArn") {
        none if none.is_empty() => vec![Found::unknown()],
        some => some,
    }
}

impl Arguments {
    /// Lists the values at a path of member names: `Entries[*].EventBusName`.
    ///
    /// The list is empty if a member of the path is absent. It has several values if `[*]` is in the path: those of
    /// the items without repetition, with `Found::Absent` if an item lacks the member. `RequestItems.keys()` stands for the names of the members
    /// of a map, and `Actions.*.ActionId` for a member in each of its values.
    pub fn at(&self, path: &str) -> Vec<Found> {
        let mut found = Vec::new();
        let parts: Vec<&str> = path.split('.').collect();
        match self {
            Self::Unknown => found.push(Found::unknown()),
            Self::JsonPath(value) => at(value, &parts, Language::JsonPath, &mut found),
            Self::Jsonata(value) => at(value, &parts, Language::Jsonata, &mut found),
        }
        // A long list has few values that differ.
        let mut seen = HashSet::new();
        found.retain(|one| seen.insert(one.clone()));
        found
    }

    /// The number of items of the list at a path such as `Pages` or `Runs[0].Pages`. `None` if that is no list.
    pub fn items(&self, path: &str) -> Option<usize> {
        let (Self::JsonPath(value) | Self::Jsonata(value)) = self else { return None };
        let list = path.split('.').try_fold(value, |value, part| {
            let (name, item) = indexed(part);
            let member = value.get(name)?;
            item.map_or(Some(member), |item| member.get(item))
        })?;
        list.as_array().map(Vec::len)
    }

    /// Whether the definition names members of the call. It may have none, or one expression for all.
    pub fn has_members(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Jsonata(Value::String(_)))
    }

    /// Whether the definition tells if the call has the member. One expression for a holder of the member does not.
    pub fn tells(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('.').collect();
        match self {
            Self::Unknown => false,
            Self::JsonPath(value) => tells(value, &parts, Language::JsonPath),
            Self::Jsonata(value) => tells(value, &parts, Language::Jsonata),
        }
    }

    /// Whether the definition has a value or an expression at the path.
    pub fn shows(&self, path: &str) -> bool {
        !matches!(self, Self::Unknown) && self.at(path).iter().any(|found| *found != Found::Absent)
    }
}

/// The name and the index of a part of a path: `Pages[0]`.
fn indexed(part: &str) -> (&str, Option<usize>) {
    let index = part.strip_suffix(']').and_then(|part| part.split_once('['));
    index.and_then(|(name, item)| Some((name, Some(item.parse().ok()?)))).unwrap_or((part, None))
}

/// See `Arguments::tells`.
fn tells(value: &Value, parts: &[&str], language: Language) -> bool {
    if language == Language::Jsonata && value.as_str().is_some_and(|text| jsonata(text).is_some()) {
        return parts.is_empty();
    }
    let (Some((part, rest)), Some(members)) = (parts.split_first(), value.as_object()) else { return true };
    let (name, each) = part.strip_suffix("[*]").map_or((*part, false), |name| (name, true));
    if language == Language::JsonPath && members.contains_key(&format!("{name}.$")) {
        return rest.is_empty() && !each;
    }
    match members.get(name) {
        Some(Value::Array(items)) if each => items.iter().all(|item| tells(item, rest, language)),
        Some(member) => tells(member, rest, language),
        None => true,
    }
}

fn at(value: &Value, parts: &[&str], language: Language, found: &mut Vec<Found>) {
    if language == Language::Jsonata
        && let Some(text) = value.as_str()
        && let Some(expression) = jsonata(text)
    {
        // An expression for a whole object says nothing of the values in it.
        found.push(if parts.is_empty() { expression } else { Found::unknown() });
        return;
    }
    let Some((part, rest)) = parts.split_first() else {
        match value {
            Value::String(text) => found.push(literal(text)),
            Value::Bool(_) | Value::Number(_) => found.push(Found::Literal(value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => found.push(Found::unknown()),
        }
        return;
    };
    let (name, each) = part.strip_suffix("[*]").map_or((*part, false), |name| (name, true));
    let Some(members) = value.as_object() else { return };
    if matches!(name, "*" | "keys()") {
        for (key, member) in members {
            let is_path = language == Language::JsonPath && key.ends_with(".$");
            match name {
                "keys()" => found.push(literal(key.strip_suffix(".$").filter(|_| is_path).unwrap_or(key))),
                _ if is_path => found.push(Found::unknown()),
                _ => at(member, rest, language, found),
            }
        }
        return;
    }
    if language == Language::JsonPath
        && let Some(expression) = members.get(&format!("{name}.$"))
    {
        let whole = rest.is_empty() && !each;
        found.push(if whole { json_path(expression.as_str().unwrap_or_default()) } else { Found::unknown() });
        return;
    }
    let (name, item) = indexed(name);
    let Some(member) = members.get(name) else { return };
    let Some(member) = item.map_or(Some(member), |item| member.get(item)) else { return };
    match member.as_array().filter(|_| each) {
        Some(items) => {
            for item in items {
                let before = found.len();
                at(item, rest, language, found);
                if found.len() == before {
                    found.push(Found::Absent);
                }
            }
        }
        None => at(member, rest, language, found),
    }
}

/// A text as a literal. A text with a `${Name}` that no substitution replaced counts as an expression.
fn literal(text: &str) -> Found {
    match text.split_once("${") {
        None => Found::Literal(text.to_owned()),
        Some((prefix, _)) => Found::Expression { prefix: prefix.to_owned() },
    }
}

/// Parses a text such as `{% 'churn-' & $x %}`. Returns `None` if the text is not an expression.
fn jsonata(text: &str) -> Option<Found> {
    let inner = text.trim().strip_prefix("{%")?.strip_suffix("%}")?.trim();
    let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some((quoted, rest)) = quote.and_then(|quote| inner.get(1..)?.split_once(quote)) else {
        return Some(Found::unknown());
    };
    // An escape may stand for any character, so the known text ends before it.
    let plain = quoted.split('\\').next().unwrap_or_default();
    Some(match rest.trim() {
        "" if plain == quoted => literal(plain),
        rest if rest.starts_with('&') && only_joins(rest) => Found::Expression { prefix: plain.to_owned() },
        _ => Found::unknown(),
    })
}

/// Whether the rest of an expression has no operator that binds less tightly than `&`.
///
/// With such an operator, the value may begin with another text: `'a' & $b = 'ac' ? …` does not begin with `a`.
fn only_joins(rest: &str) -> bool {
    let (mut depth, mut quote) = (0_u32, None);
    let mut word = String::new();
    for c in rest.chars().chain([' ']) {
        match quote {
            Some(end) => quote = Some(end).filter(|end| *end != c),
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            None if matches!(c, '(' | '[' | '{') => depth += 1,
            None if matches!(c, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            None if depth == 0 && "=<>?!~;:,".contains(c) => return false,
            None => {}
        }
        if c.is_ascii_alphabetic() && quote.is_none() && depth == 0 {
            word.push(c);
        } else {
            if matches!(word.as_str(), "and" | "or" | "in") {
                return false;
            }
            word.clear();
        }
    }
    true
}

/// Parses a `JSONPath` expression: the value of `States.Format('churn-{}', $.x)` begins with `churn-`.
fn json_path(expression: &str) -> Found {
    let format = expression.trim().strip_prefix("States.Format(").map(str::trim_start);
    let quoted = format.and_then(|rest| rest.strip_prefix('\'')).unwrap_or_default();
    let prefix = quoted.split(['\'', '{', '\\']).next().unwrap_or_default();
    Found::Expression { prefix: prefix.to_owned() }
}

/// The text that a value begins with, and whether that is the whole value.
///
/// Returns an empty text and `false` if nothing is known of the value or the known text has a wildcard.
pub fn starts(found: Option<Found>) -> (String, bool) {
    match found {
        Some(Found::Literal(text)) if !text.contains(['*', '?']) => (text, true),
        Some(Found::Expression { prefix }) if !prefix.contains(['*', '?']) => (prefix, false),
        _ => (String::new(), false),
    }
}
