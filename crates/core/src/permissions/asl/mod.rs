//! Reads from the Amazon States Language what permissions depend on: tasks, distributed maps and their literal values.
//!
//! <https://states-language.net/spec.html>

pub mod arguments;
pub mod value;

use serde_json::{Map, Value};

use crate::permissions::asl::arguments::{Arguments, Language};
use crate::permissions::asl::value::Found;

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
