//! Plans one resource: finds values for what only a deployment knows, and reports what the function would do.

use std::cell::RefCell;
use std::collections::BTreeSet;

use mlops_roles_core::guardrails::{DefinitionObjects, Guardrails};
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::resource::execution_role_source::{Source, placeholder_role};
use mlops_roles_core::resource::properties::{Problem, ValidationError};
use mlops_roles_core::resource::role::hash;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec, beyond_boundary};
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_engine::decide::refusal::Refusal;
use serde_json::Value;

use crate::error::Error;
use crate::input::definition::{Given, LOCATION};
use crate::input::symbol::Symbols;
use crate::plan::course::Case;
use crate::plan::report::Report;
use crate::plan::report::need::Need;
use crate::plan::scene::{STACK, Scene};
use crate::plan::subject::{Earlier, Subject};

/// The maximum number of times that the properties of one resource are parsed, each time with other shapes for unknown
/// values. A value has about 70 shapes.
const ROUNDS: usize = 1_000;
/// The maximum number of values that are resolved in all of these rounds.
const STEPS: usize = 20_000_000;

/// Resolves the properties with the current stand-ins for unknown values.
pub type Properties<'a> = dyn Fn(&RefCell<Symbols>) -> Given + 'a;

/// One resource of the file.
struct Asked<'a> {
    /// The resource type.
    kind: &'a str,
    /// What resolves its properties.
    properties: &'a Properties<'a>,
    /// The event; `None` for a resource of a template.
    request: Option<&'a Request>,
    /// Whether the stack has the resource already, with properties that are unknown.
    is_deployed: bool,
}

/// The properties with stand-ins that fit, or with the last ones that were tried.
struct Fitted<'a> {
    read: Subject,
    given: Given,
    /// What the resource had before. `None` when the resource exists but its earlier properties are unknown.
    earlier: Option<Earlier>,
    context: ReadContext<'a>,
}

impl Scene<'_> {
    /// Parses the properties, with other shapes for the unknown values until they fit, and reports what the function
    /// would do.
    ///
    /// # Errors
    /// When only the deployment knows a value that the comparison with the account needs.
    pub async fn report(
        &self,
        id: &str,
        kind: &str,
        properties: &Properties<'_>,
        request: Option<&Request>,
    ) -> Result<Report, Error> {
        let owner = Owner { stack_id: self.stack_id.clone(), logical_id: id.to_owned() };
        let context = self.context(&owner);
        let is_deployed = request.is_none() && self.deployed_ids.contains(id);
        let asked = Asked { kind, properties, request, is_deployed };
        let symbols = RefCell::new(self.symbols.clone());
        let any_object = allowing_any_object(&self.guardrails);
        let mut fitted = self.fit(&asked, &symbols, &any_object, context);
        let mut symbols = symbols.into_inner();
        let source = fitted.read.spec.source.clone().filter(|_| !asked.is_delete());
        let found = source.as_ref().map_or("the execution role that was found before".to_owned(), ToString::to_string);
        let found = symbols.printed(&found);
        symbols.name(&placeholder_role(&self.place), &found);
        if let Some(source) = &source {
            self.look_up(&asked, source, &symbols, &mut fitted).await;
        }
        self.name_hashes(&owner, &fitted.read.spec.physical_id, &mut symbols);
        let report = self.told(id, &asked, &symbols, &mut fitted).await;
        let unknown = serde_json::to_string(&report)?;
        let unknown = symbols.unknown_in(&unknown);
        if self.account.is_some() && !unknown.is_empty() {
            let names = unknown.into_iter().map(str::to_owned).collect();
            return Err(Error::UnknownValues { resource: id.to_owned(), names });
        }
        Ok(report.printed(&|text| symbols.printed(text))?)
    }

    /// Parses the properties of a resource that does not exist yet, with the shapes that fit. Also returns the properties
    /// and what was found on the way.
    pub fn read(&self, id: &str, kind: &str, properties: &Properties<'_>) -> (Subject, Given, Symbols) {
        let owner = Owner { stack_id: self.stack_id.clone(), logical_id: id.to_owned() };
        let context = self.context(&owner);
        let symbols = RefCell::new(self.symbols.clone());
        let any_object = allowing_any_object(&self.guardrails);
        let asked = Asked { kind, properties, request: None, is_deployed: false };
        let fitted = self.fit(&asked, &symbols, &any_object, context);
        (fitted.read, fitted.given, symbols.into_inner())
    }

    fn context<'c>(&'c self, owner: &'c Owner) -> ReadContext<'c> {
        ReadContext { place: &self.place, guardrails: &self.guardrails, owner, existing: None, found: None }
    }

    /// Parses the properties, with other shapes for the unknown values until they fit or no shape is left. `any_object`
    /// are the guardrails that allow every object with a definition.
    fn fit<'c>(
        &self,
        asked: &Asked<'_>,
        symbols: &RefCell<Symbols>,
        any_object: &'c Guardrails,
        context: ReadContext<'c>,
    ) -> Fitted<'c> {
        let (mut rounds, mut steps) = (0, 0);
        loop {
            let mut given = (asked.properties)(symbols);
            (rounds, steps) = (rounds + 1, steps + given.findings.steps);
            let notes = unfilled(&given).iter().map(|name| unfilled_note(&given, name)).collect::<Vec<_>>();
            given.findings.notes.extend(notes);
            let is_checked = self.knows_locations() && !is_location_unknown(&given, &symbols.borrow());
            let guardrails = if is_checked { context.guardrails } else { any_object };
            let context = ReadContext { guardrails, ..context };
            let earlier = (!asked.is_deployed).then(|| Earlier::parse(asked.kind, asked.request, &given, context));
            let mut read = Subject::parse(asked.kind, &given, earlier.as_ref(), context);
            if asked.is_delete() || given.findings.is_cut {
                // A Delete accepts properties of any shape. The errors of incomplete properties would only distract.
                read.errors.clear();
            }
            let is_last = rounds >= ROUNDS || steps >= STEPS;
            if read.errors.is_empty() || is_last || !symbols.borrow_mut().advance(&read.errors) {
                given.findings.notes.extend((is_last && !read.errors.is_empty()).then(|| STOPPED.to_owned()));
                return Fitted { read, given, earlier, context };
            }
        }
    }

    /// Finds the execution role in the account, if there is one and the properties fit, and parses them again with it.
    async fn look_up(&self, asked: &Asked<'_>, source: &Source, symbols: &Symbols, fitted: &mut Fitted<'_>) {
        let Some(account) = self.account.as_ref().filter(|_| fitted.read.errors.is_empty()) else { return };
        let before = asked.request.map_or("", |request| request.target.physical_id.as_str());
        let itself = [fitted.read.spec.physical_id.as_str(), before];
        let found = account.find(source, asked.request, fitted.context, &itself).await;
        match found {
            Ok(found) => {
                let given = (asked.properties)(&RefCell::new(symbols.clone()));
                let context = ReadContext { found: Some(&found.role), ..fitted.context };
                fitted.read = Subject::parse(asked.kind, &given, fitted.earlier.as_ref(), context);
                fitted.read.warnings.extend(found.warning);
            }
            Err(why) => {
                fitted.read.errors.push(ValidationError::new("", Problem::Other(Refusal::from(why).reason())));
            }
        }
    }

    /// Makes what depends on a stack that does not exist yet print as such: the hashes in derived names.
    fn name_hashes(&self, owner: &Owner, physical_id: &str, symbols: &mut Symbols) {
        if self.symbols.printed(&self.stack_id) == self.stack_id {
            return;
        }
        for path in &self.guardrails.role_paths {
            let hash = hash(owner, path);
            let cut = self.stack_name.is_empty() && !physical_id.contains(STACK);
            if cut && physical_id.ends_with(&hash) {
                // The name of the stack was cut to make the whole name fit.
                symbols.name(physical_id, "derived name");
            }
            symbols.name(&hash, "hash");
        }
    }

    /// The report on the properties, with stand-ins in its texts.
    async fn told(&self, id: &str, asked: &Asked<'_>, symbols: &Symbols, fitted: &mut Fitted<'_>) -> Report {
        let Fitted { read, given, context, .. } = fitted;
        let (open, errors) = symbols.divided(&read.errors);
        let findings = std::mem::take(&mut given.findings);
        let given_out = asked.request.filter(|_| asked.is_delete()).map(|request| request.target.physical_id.clone());
        let mut report = Report {
            logical_id: id.to_owned(),
            resource_type: asked.kind.to_owned(),
            physical_id: given_out.unwrap_or(read.spec.physical_id.clone()),
            refusals: findings.faults.into_iter().chain(errors.into_iter().map(ToString::to_string)).collect(),
            open: open.into_iter().map(ToString::to_string).collect(),
            notes: findings.notes.into_iter().chain(symbols.assumptions()).collect(),
            needs: read.spec.required.undeclared.iter().cloned().map(Need::from).collect(),
            ..Report::default()
        };
        if !report.refusals.is_empty() {
            return report;
        }
        let properties = asked.request.map_or(&given.properties, |request| &request.properties);
        let Asked { kind, request, is_deployed, .. } = *asked;
        let case = Case { kind, properties, request, is_deployed, context: *context };
        match self.course(case, read, &mut report.notes).await {
            Ok(course) => {
                let why = read.reason(asked.kind);
                report.tell_plan(&course.steps, &course.before);
                report.tell_state(&course.desired, &read.spec.required, why);
                let names = |states: BTreeSet<&str>| states.into_iter().map(str::to_owned).collect();
                let beyond = beyond_boundary(&read.spec.required, context.guardrails).into_iter();
                report.beyond_boundary = beyond.map(|(action, of)| (action, names(of))).collect();
                report.notes.extend(read.notes(asked.request));
                report.notes.extend(self.assumed_location(&read.spec).filter(|_| !asked.is_delete()));
                report.notes.append(&mut read.warnings);
                report.notes.append(&mut read.spec.notices);
            }
            Err(refusal) => report.refusals.push(refusal.reason()),
        }
        report
    }

    /// The note on an object that the deployer has to allow, if the program does not know what the deployer allows.
    fn assumed_location(&self, spec: &ResourceSpec) -> Option<String> {
        let location = spec.definition.as_ref().filter(|_| !self.knows_locations())?;
        Some(format!(
            "`{LOCATION}`: the deployer's `DefinitionLocations` is assumed to allow `{}`; set `--deployer \
             DefinitionLocations=ARNS`, so that the program checks it",
            location.arn(&self.place.partition)
        ))
    }
}

impl Asked<'_> {
    fn is_delete(&self) -> bool {
        matches!(self.request.map(|request| &request.operation), Some(Operation::Delete { .. }))
    }
}

/// The note on a search for values that ended before it was complete.
const STOPPED: &str =
    "the program did not try all values that may fit, because that takes too long; set values with `--set NAME=VALUE`";

/// The guardrails of a deployer who allows each object with a definition.
fn allowing_any_object(guardrails: &Guardrails) -> Guardrails {
    let locations = vec!["*".to_owned()];
    let definitions = DefinitionObjects { locations, ..guardrails.definitions.clone() };
    Guardrails { definitions, ..guardrails.clone() }
}

/// Whether only the deployment knows which object `DefinitionS3Location` names, so that it can't be compared with what
/// the deployer allows.
fn is_location_unknown(given: &Given, symbols: &Symbols) -> bool {
    let location = given.properties.get(LOCATION).map(Value::to_string);
    location.is_some_and(|location| symbols.is_in(&location))
}

/// The names of each `${NAME}` of the definition that `DefinitionSubstitutions` leaves open.
pub fn unfilled(given: &Given) -> BTreeSet<String> {
    let Given { properties, object, .. } = given;
    let definition = properties.get("Definition").map(Value::to_string);
    let definition = object.clone().or(definition).unwrap_or_default();
    let filled = properties.get("DefinitionSubstitutions");
    let names = definition.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    names.filter(|name| filled.and_then(|filled| filled.get(name)).is_none()).map(str::to_owned).collect()
}

/// The note on a `${NAME}` without a value. It has the effect of an expression, but it may be a mistake.
fn unfilled_note(given: &Given, name: &str) -> String {
    let property = if given.object.is_some() { LOCATION } else { "Definition" };
    format!(
        "`{property}`: `DefinitionSubstitutions` has no value for `${{{name}}}`, so it is treated as known only at run \
         time"
    )
}
