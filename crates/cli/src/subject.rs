//! Previews one resource: parses its properties, and decides what the function would do about it.

use std::cell::RefCell;
use std::collections::BTreeSet;

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

use crate::report::Report;
use crate::scene::{STACK, Scene};
use crate::symbol::Symbols;
use crate::template::Findings;

/// The properties as the function parses them.
#[derive(Debug, Default)]
struct Subject {
    spec: ResourceSpec,
    catalog: Option<ServiceCatalogRoles>,
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
    fn parse(kind: &str, properties: &Value, accepted: Option<&[String]>, context: ReadContext<'_>) -> Self {
        let refused = |why: String| Self { errors: vec![why], ..Self::default() };
        if let Some(why) = unavailable(kind, context.guardrails) {
            let hint = format!("; if your deployer has enabled it, set `--deployer EnabledTypes={kind}`");
            return refused(why + if TYPES.contains(&kind) { &hint } else { "" });
        }
        let properties = match object(properties) {
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
            return Self { spec, catalog: Some(asked), errors: reader.finish().errors, warnings: Vec::new() };
        }
        match resource::parse(kind, properties, context) {
            Some((spec, mut errors)) => {
                let all = errors.tightened.clone();
                let warnings = errors.tighten(accepted.unwrap_or(&all));
                Self { spec, catalog: None, errors: errors.errors, warnings }
            }
            None => refused(format!("`{kind}` is not a resource type that creates roles")),
        }
    }
}

/// Resolves the properties with the current stand-ins for unknown values. The second result says what resolving found.
pub type Properties<'a> = dyn Fn(&RefCell<Symbols>) -> (Value, Findings) + 'a;

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
    ) -> Result<Report, String> {
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
        let accepted = kept_from_before(kind, request, context);
        let accepted =
            if request.is_none() && self.deployed_ids.contains(id) { None } else { Some(accepted.as_slice()) };
        let (mut read, findings) = loop {
            let (properties, mut findings) = properties(&symbols);
            findings.notes.extend(unfilled(&properties));
            let mut read = Subject::parse(kind, &properties, accepted, context);
            if is_delete {
                // A Delete accepts properties of any shape.
                read.errors.clear();
            }
            if read.errors.is_empty() || !symbols.borrow_mut().advance(&read.errors) {
                break (read, findings);
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
                    let (properties, _) = properties(&RefCell::new(symbols.clone()));
                    read = Subject::parse(kind, &properties, accepted, ReadContext { found: Some(&found), ..context });
                }
                Err(why) => read.errors.push(why),
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
        let (open, errors) = symbols.divided(&read.errors);
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
                    report.tell(&course.desired, &read.spec.required, &course.steps, &course.before, why);
                    let names = |states: BTreeSet<&str>| states.into_iter().map(str::to_owned).collect();
                    let beyond = beyond_boundary(&read.spec.required, context.guardrails).into_iter();
                    report.beyond_boundary = beyond.map(|(action, of)| (action, names(of))).collect();
                    report.notes.extend(read.notes(request));
                    report.notes.append(&mut read.warnings);
                    report.notes.append(&mut read.spec.notices);
                }
                Err(why) => report.refusals.push(why),
            }
        }
        let unknown = serde_json::to_string(&report).map_err(|error| error.to_string())?;
        let unknown = symbols.unknown_in(&unknown);
        if self.account.is_some() && !unknown.is_empty() {
            return Err(format!(
                "resource `{id}`: the deployed value of `{}` is unknown; set it with `--set NAME=VALUE`",
                unknown.join("`, `")
            ));
        }
        report.printed(&|text| symbols.printed(text))
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
        let holding = |state: &State| owner.desired(state, &State::default(), &State::default());
        let prior = match request.map(|request| (&request.operation, request)) {
            Some((Operation::Update { physical_id, old_properties }, request)) if read.catalog.is_none() => {
                PriorState::from_update(&request.resource_type, &read.spec, physical_id, old_properties, context)?
            }
            None | Some((Operation::Create | Operation::Update { .. }, _)) => PriorState::default(),
            Some((Operation::Delete { physical_id }, request)) => {
                let empty = Map::new();
                let properties = request.properties.as_object().unwrap_or(&empty);
                let prior = PriorState::from_delete(&request.resource_type, physical_id, None, properties, context)?;
                let before = match &self.account {
                    None => holding(&prior.managed),
                    Some(account) => {
                        let mut query = Query::default();
                        query.add(&prior.managed);
                        query.policies.extend(prior.alternate_arns.iter().map(|arn| (arn.clone(), false)));
                        account.observe(&query, context).await?
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
            let before = holding(&prior.managed);
            let desired = owner.desired(&read.spec.state, &prior.managed, &before);
            return Ok(Course { steps: plan(&desired, &before), before, desired });
        };
        if let Some(asked) = read.catalog.as_ref().filter(|asked| asked.on_create == OnCreate::Provision) {
            let query = Query::for_roles(asked.names());
            let observed = account.observe(&query, context).await?;
            let others = observed.roles.iter().filter(|(_, role)| !owner.owns(&role.tags));
            let kept: BTreeSet<Name> = others.map(|(name, _)| name.clone()).collect();
            read.spec = ResourceSpec { physical_id: read.spec.physical_id.clone(), ..asked.spec(&kept, context) };
        }
        let decided = account.decide(&read.spec, &prior, context).await?;
        Ok(Course { steps: decided.steps, before: decided.before, desired: decided.desired })
    }
}

/// What the resource had before and may keep, although a new resource could not have it.
fn kept_from_before(kind: &str, request: Option<&Request>, context: ReadContext<'_>) -> Vec<String> {
    let Some(Request { operation: Operation::Update { old_properties, .. }, .. }) = request else { return Vec::new() };
    let old = old_properties.as_object().and_then(|old| resource::parse(kind, old, context));
    old.map(|(_, errors)| errors.tightened).unwrap_or_default()
}

/// Notes on each `${NAME}` of the definition that `DefinitionSubstitutions` leaves open. Such a name has the effect of
/// an expression, but it may be a mistake.
fn unfilled(properties: &Value) -> Vec<String> {
    let definition = properties.get("Definition").map(Value::to_string).unwrap_or_default();
    let filled = properties.get("DefinitionSubstitutions");
    let names = definition.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
    let open = names.filter(|name| filled.and_then(|filled| filled.get(name)).is_none());
    let open: BTreeSet<&str> = open.collect();
    let told = open.into_iter().map(|name| {
        format!(
            "`Definition`: `DefinitionSubstitutions` has no value for `${{{name}}}`, so it is treated as known only at \
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
        } else if self.catalog.is_some() || is_set(kind) {
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
