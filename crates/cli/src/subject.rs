//! Previews one resource: parses its properties, and decides what the function would do about it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::slice;

use mlops_roles_core::guardrails::{DefinitionObjects, Guardrails};
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::request::{Operation, Request, object};
use mlops_roles_core::resource;
use mlops_roles_core::resource::execution_role_source::placeholder_role;
use mlops_roles_core::resource::prior::PriorState;
use mlops_roles_core::resource::properties::Reader;
use mlops_roles_core::resource::role::hash;
use mlops_roles_core::resource::service_catalog::{IfInUse, OnCreate, ServiceCatalogRoles, TYPE as SERVICE_CATALOG};
use mlops_roles_core::resource::spec::beyond_boundary;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::resource::{TYPES, is_set, unavailable};
use mlops_roles_core::state::State;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::query::Query;
use serde_json::{Map, Value};

use crate::definition::{Given, LOCATION, replace};
use crate::error::Error;
use crate::report::Report;
use crate::scene::{STACK, Scene};
use crate::symbol::Symbols;

/// The properties as the function parses them.
#[derive(Debug, Default)]
struct Subject {
    spec: ResourceSpec,
    catalog: Option<ServiceCatalogRoles>,
    /// The text of the object that `DefinitionS3Location` names.
    object: Option<String>,
    errors: Vec<String>,
    /// What a new resource could not have, but this resource may keep.
    warnings: Vec<String>,
}

/// What the function would do, with the states before and after.
#[derive(Debug, Default)]
struct Course {
    steps: Vec<Step>,
    before: State,
    desired: State,
}

impl Subject {
    /// Parses the properties. `accepted` lists what the resource had before and may keep, though a new resource could
    /// not have it. It is `None` when the resource exists but its earlier properties are unknown.
    fn parse(kind: &str, given: &Given, accepted: Option<&[String]>, context: ReadContext<'_>) -> Self {
        let refused = |why: String| Self { errors: vec![why], ..Self::default() };
        if let Some(why) = unavailable(kind, context.guardrails) {
            let hint = format!("; if your deployer has enabled it, set `--deployer EnabledTypes={kind}`");
            return refused(why + if TYPES.contains(&kind) { &hint } else { "" });
        }
        let properties = match object(&given.properties) {
            Ok(properties) => properties,
            Err(why) => return refused(why),
        };
        if kind == SERVICE_CATALOG {
            let reader = Reader::new(properties);
            let asked = ServiceCatalogRoles::parse(&reader, context);
            let provisions = asked.on_create == OnCreate::Provision;
            let spec = if provisions { asked.spec(&BTreeSet::new(), context) } else { ResourceSpec::default() };
            let physical_id = format!("SageMakerServiceCatalogRoles/{}", context.owner.logical_id);
            let spec = ResourceSpec { physical_id, ..spec };
            return Self { spec, catalog: Some(asked), errors: reader.finish().errors, ..Self::default() };
        }
        match resource::parse_with_definition(kind, properties, context, given.object.as_deref()) {
            Some((spec, mut errors)) => {
                let all = errors.tightened.clone();
                let warnings = errors.tighten(accepted.unwrap_or(&all));
                Self { spec, catalog: None, object: given.object.clone(), errors: errors.errors, warnings }
            }
            None => refused(format!("`{kind}` is not a resource type that creates roles")),
        }
    }
}

/// Resolves the properties with the current stand-ins for unknown values.
pub type Properties<'a> = dyn Fn(&RefCell<Symbols>) -> Given + 'a;

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
        let context = ReadContext {
            place: &self.place,
            guardrails: &self.guardrails,
            owner: &owner,
            existing: None,
            found: None,
        };
        let symbols = RefCell::new(self.symbols.clone());
        let is_delete = matches!(request.map(|request| &request.operation), Some(Operation::Delete { .. }));
        let is_deployed = request.is_none() && self.deployed_ids.contains(id);
        let any_object = allowing_any_object(&self.guardrails);
        let (mut read, given, accepted, context) = loop {
            let mut given = properties(&symbols);
            given.findings.notes.extend(unfilled(&given));
            let is_checked = self.knows_locations() && !is_location_unknown(&given, &symbols.borrow());
            let guardrails = if is_checked { &self.guardrails } else { &any_object };
            let context = ReadContext { guardrails, ..context };
            let accepted = (!is_deployed).then(|| kept_from_before(kind, request, &given, context));
            let mut read = Subject::parse(kind, &given, accepted.as_deref(), context);
            if is_delete {
                // A Delete accepts properties of any shape.
                read.errors.clear();
            }
            if read.errors.is_empty() || !symbols.borrow_mut().advance(&of_definition(&read.errors)) {
                break (read, given, accepted, context);
            }
        };
        let mut symbols = symbols.into_inner();
        let source = read.spec.source.clone().filter(|_| !is_delete);
        let found = source.as_ref().map_or("the execution role that was found before".to_owned(), ToString::to_string);
        let found = symbols.printed(&found);
        symbols.name(&placeholder_role(&self.place), &found);
        if let (Some(source), Some(account), true) = (source, &self.account, read.errors.is_empty()) {
            let itself = [read.spec.physical_id.as_str()];
            let found = account.find(&source, &self.place, &itself).await;
            match found {
                Ok(found) => {
                    let given = properties(&RefCell::new(symbols.clone()));
                    let context = ReadContext { found: Some(&found), ..context };
                    read = Subject::parse(kind, &given, accepted.as_deref(), context);
                }
                Err(error) => read.errors.push(error.to_string()),
            }
        }
        if self.symbols.printed(&self.stack_id) != self.stack_id {
            for path in &self.guardrails.role_paths {
                let hash = hash(&owner, path);
                let cut = self.stack_name.is_empty() && !read.spec.physical_id.contains(STACK);
                if cut && read.spec.physical_id.ends_with(&hash) {
                    // The name of the stack was cut to make the whole name fit.
                    symbols.name(&read.spec.physical_id, "derived name");
                }
                symbols.name(&hash, "hash");
            }
        }
        let (open, errors) = divided(&read.errors, &symbols);
        let findings = given.findings;
        let given_out = request.filter(|_| is_delete).map(|request| request.target.physical_id.clone());
        let mut report = Report {
            logical_id: id.to_owned(),
            resource_type: kind.to_owned(),
            physical_id: given_out.unwrap_or(read.spec.physical_id.clone()),
            refusals: findings.faults.into_iter().chain(errors).collect(),
            open,
            notes: findings.notes.into_iter().chain(symbols.assumptions()).collect(),
            needs: read.spec.required.undeclared.clone(),
            ..Report::default()
        };
        if report.refusals.is_empty() {
            match self.course(&mut read, &mut report.notes, request, context).await {
                Ok(course) => {
                    let why = read.reason(kind);
                    report.tell_plan(&course.steps, &course.before);
                    report.tell_state(&course.desired, &read.spec.required, why);
                    let names = |states: BTreeSet<&str>| states.into_iter().map(str::to_owned).collect();
                    let beyond = beyond_boundary(&read.spec.required, context.guardrails).into_iter();
                    report.beyond_boundary = beyond.map(|(action, of)| (action, names(of))).collect();
                    report.notes.extend(read.notes(request));
                    report.notes.extend(self.assumed_location(&read.spec).filter(|_| !is_delete));
                    report.notes.append(&mut read.warnings);
                    report.notes.append(&mut read.spec.notices);
                }
                Err(why) => report.refusals.push(why),
            }
        }
        let unknown = serde_json::to_string(&report)?;
        let unknown = symbols.unknown_in(&unknown);
        if self.account.is_some() && !unknown.is_empty() {
            let names = unknown.into_iter().map(str::to_owned).collect();
            return Err(Error::UnknownValues { resource: id.to_owned(), names });
        }
        Ok(report.printed(&|text| symbols.printed(text))?)
    }

    /// The old properties of an Update, with the definition instead of its location if the new properties name the same
    /// object. With an account, they stay as they are: the plan then starts from what the account has.
    fn earlier(
        &self,
        read: &Subject,
        notes: &mut Vec<String>,
        request: &Request,
        old_properties: &Value,
        context: ReadContext<'_>,
    ) -> Value {
        let mut old = old_properties.clone();
        let Some(members) = old.as_object_mut() else { return old };
        if self.account.is_some() || !members.contains_key(LOCATION) {
            return old;
        }
        let is_same = is_same_object(&request.resource_type, old_properties, &request.properties, context);
        match read.object.as_ref().filter(|_| is_same) {
            Some(text) => replace(members, Value::from(text.as_str())),
            None => notes.push(
                "`DefinitionS3Location` changes, and the program does not know what the old definition needed"
                    .to_owned(),
            ),
        }
        old
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

    /// Makes the function's own decision. Without `--against-account`, the observed state is what the old properties
    /// asked for and nothing else.
    async fn course(
        &self,
        read: &mut Subject,
        notes: &mut Vec<String>,
        request: Option<&Request>,
        context: ReadContext<'_>,
    ) -> Result<Course, String> {
        let owner = context.owner;
        if self.account.is_none()
            && !matches!(request.map(|request| &request.operation), None | Some(Operation::Create))
        {
            notes.push(
                "the account was not read; the plan assumes that it has what the properties asked for before this event"
                    .to_owned(),
            );
        }
        let holding = |prior: &PriorState, placeholders: &[String]| {
            let managed = without(&prior.managed, placeholders);
            owner.desired(&managed, &State::default(), &State::default())
        };
        let mut placeholders = Vec::new();
        let prior = match request.map(|request| (&request.operation, request)) {
            Some((Operation::Update { physical_id, old_properties }, request)) if read.catalog.is_none() => {
                let old = self.earlier(read, notes, request, old_properties, context);
                let before = old.as_object().and_then(|old| resource::parse(&request.resource_type, old, context));
                placeholders = before.map(|(spec, _)| spec.surplus_arns).unwrap_or_default();
                PriorState::from_update(&request.resource_type, &read.spec, physical_id, &old, context)?
            }
            None | Some((Operation::Create | Operation::Update { .. }, _)) => PriorState::default(),
            Some((Operation::Delete { physical_id }, request)) => {
                let empty = Map::new();
                let properties = request.properties.as_object().unwrap_or(&empty);
                let prior = PriorState::from_delete(&request.resource_type, physical_id, None, properties, context)?;
                let before = match &self.account {
                    None => {
                        if properties.contains_key(LOCATION) {
                            notes.push(
                                "`DefinitionS3Location`: the program does not know how many policies the definition \
                                 led to, and the function deletes all of them"
                                    .to_owned(),
                            );
                        }
                        holding(&prior, &prior.alternate_arns)
                    }
                    Some(account) => {
                        let mut query = Query::default();
                        query.add(&prior.managed);
                        query.policies.extend(prior.alternate_arns.iter().map(|arn| (arn.clone(), false)));
                        account.observe(&query, context).await.map_err(|error| error.to_string())?
                    }
                };
                prior.check_within_guardrails(&before, owner)?;
                let after = owner.desired(&State::default(), &prior.managed, &before);
                return Ok(Course { steps: plan(&after, &before), before, desired: State::default() });
            }
        };
        let looked_up = |properties: &Value| properties.get("SageMakerExecutionRole").cloned();
        if let Some(Request { operation: Operation::Update { old_properties, .. }, properties, .. }) = request
            && looked_up(old_properties) != looked_up(properties)
            && self.account.is_none()
        {
            notes.push(
                "`SageMakerExecutionRole` changes; if it finds another role, an inline policy changes too".to_owned(),
            );
        }
        notes.extend(prior.superseded.roles.keys().map(|name| {
            format!(
                "role `{name}` and its policies stay until the Delete that CloudFormation sends after the stack update"
            )
        }));
        if read.catalog.is_some() && !provisions(request) {
            read.spec = ResourceSpec { physical_id: read.spec.physical_id.clone(), ..ResourceSpec::default() };
            return Ok(Course::default());
        }
        let Some(account) = &self.account else {
            let before = holding(&prior, &placeholders);
            let desired = owner.desired(&read.spec.state, &prior.managed, &before);
            return Ok(Course { steps: plan(&desired, &before), before, desired });
        };
        if let Some(asked) = read.catalog.as_ref().filter(|asked| asked.on_create == OnCreate::Provision) {
            let query = Query::for_roles(asked.names());
            let observed = account.observe(&query, context).await.map_err(|error| error.to_string())?;
            let others = observed.roles.iter().filter(|(_, role)| !owner.owns(&role.tags));
            let kept: BTreeSet<Name> = others.map(|(name, _)| name.clone()).collect();
            read.spec = ResourceSpec { physical_id: read.spec.physical_id.clone(), ..asked.spec(&kept, context) };
        }
        let decided = account.decide(&read.spec, &prior, context).await.map_err(|error| error.to_string())?;
        Ok(Course { steps: decided.steps, before: decided.before, desired: decided.desired })
    }
}

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

/// Divides errors into those that an unknown value may explain, and the others.
fn divided(errors: &[String], symbols: &Symbols) -> (Vec<String>, Vec<String>) {
    errors.iter().cloned().partition(|error| !symbols.divided(&of_definition(slice::from_ref(error))).0.is_empty())
}

/// What the resource had before and may keep, although a new resource could not have it. What the old properties name
/// in Amazon S3 counts only if the new properties name the same object, as for the function.
fn kept_from_before(kind: &str, request: Option<&Request>, given: &Given, context: ReadContext<'_>) -> Vec<String> {
    let Some(Request { operation: Operation::Update { old_properties, .. }, .. }) = request else { return Vec::new() };
    let is_same = given.object.is_some() && is_same_object(kind, old_properties, &given.properties, context);
    let object = given.object.as_deref().filter(|_| is_same);
    let old = old_properties.as_object();
    let old = old.and_then(|old| resource::parse_with_definition(kind, old, context, object));
    old.map(|(_, errors)| errors.tightened).unwrap_or_default()
}

/// Whether two lists of properties name the same object with a definition.
fn is_same_object(kind: &str, one: &Value, other: &Value, context: ReadContext<'_>) -> bool {
    let location = |properties: &Value| resource::parse(kind, properties.as_object()?, context)?.0.definition;
    location(one).is_some_and(|of_one| location(other) == Some(of_one))
}

/// A state in which the roles don't have the attached policies of a list, except those in the state itself.
fn without(state: &State, arns: &[String]) -> State {
    let State { mut roles, policies } = state.clone();
    for role in roles.values_mut() {
        role.attached.retain(|arn| policies.contains_key(arn) || !arns.contains(arn));
    }
    State { roles, policies }
}

/// Errors as [`Symbols`] reads them. What a definition in Amazon S3 leads to depends on the values that fill it in, and
/// they belong to `Definition`.
fn of_definition(errors: &[String]) -> Vec<String> {
    let starts = [format!("`{LOCATION}`: "), format!("`{LOCATION}, ")];
    let is_one = |error: &String| starts.iter().any(|start| error.starts_with(start));
    let renamed = errors
        .iter()
        .map(|error| if is_one(error) { error.replacen(LOCATION, "Definition", 1) } else { error.clone() });
    renamed.collect()
}

/// Notes on each `${NAME}` of the definition that `DefinitionSubstitutions` leaves open. Such a name has the effect of
/// an expression, but it may be a mistake.
fn unfilled(given: &Given) -> Vec<String> {
    let Given { properties, object, .. } = given;
    let property = if object.is_some() { LOCATION } else { "Definition" };
    let definition = properties.get("Definition").map(Value::to_string);
    let definition = object.clone().or(definition).unwrap_or_default();
    let filled = properties.get("DefinitionSubstitutions");
    let names = definition.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    let open = names.filter(|name| filled.and_then(|filled| filled.get(name)).is_none());
    let open: BTreeSet<&str> = open.collect();
    let told = open.into_iter().map(|name| {
        format!(
            "`{property}`: `DefinitionSubstitutions` has no value for `${{{name}}}`, so it is treated as known only at \
             run time"
        )
    });
    told.collect()
}

/// Whether the event provisions the service-catalog roles. An Update does so only when it asks for other roles, or asks
/// again by `Revision`.
fn provisions(request: Option<&Request>) -> bool {
    let Some(Request { operation: Operation::Update { old_properties, .. }, properties, .. }) = request else {
        return true;
    };
    ["OnCreate", "Roles", "Revision"].iter().any(|name| properties.get(name) != old_properties.get(name))
}

impl Subject {
    /// The reason for a wildcard that no definition asks for.
    fn reason(&self, kind: &str) -> &'static str {
        if !self.spec.required.grants.is_empty() {
            "the properties ask for it"
        } else if self.catalog.is_some() {
            "the roles of SageMaker's projects have it"
        } else if is_set(kind) {
            "the published solution has it"
        } else {
            "the policy of the console guide has it; with a `Definition`, the policy is derived instead"
        }
    }

    /// The note on what the boundary denies a role set, from the attribute of the role set.
    fn beyond_boundary(&self) -> Vec<String> {
        let beyond = self.spec.attributes.get("BeyondBoundary").filter(|beyond| !beyond.is_empty());
        let beyond = beyond.filter(|_| self.spec.required.grants.is_empty());
        let note = |beyond| {
            format!("the default permissions boundary denies these actions, whatever the policies allow: {beyond}")
        };
        beyond.map(note).into_iter().collect()
    }

    /// Notes on what the type does besides creating roles.
    fn notes(&self, request: Option<&Request>) -> Vec<String> {
        let Some(asked) = &self.catalog else { return self.beyond_boundary() };
        let names: Vec<String> = asked.roles.iter().map(|role| format!("`{}`", role.name())).collect();
        let regions: Vec<&str> = asked.regions.iter().map(String::as_str).collect();
        let regions = if regions.is_empty() { "one of the `Regions`".to_owned() } else { regions.join(", ") };
        let names = names.join(", ");
        let goes = match asked.if_in_use {
            IfInUse::Fail => format!("it fails if a resource in {regions} uses one of them"),
            IfInUse::Keep => format!("it keeps the roles that a resource in {regions} uses"),
            IfInUse::Delete => "it deletes them even if they are in use".to_owned(),
        };
        let kind = request.map(|request| &request.operation);
        let mut notes = Vec::new();
        if asked.on_create == OnCreate::Delete && matches!(kind, None | Some(Operation::Create)) {
            notes.push(format!("on Create, the function deletes {names}, whoever created them; {goes}"));
        }
        if asked.deletes {
            notes.push(format!("on Delete, the function deletes {names}, whoever created them; {goes}"));
        }
        notes
    }
}
