//! The part of a Create or Update before the decision: parses the properties, looks up the execution role, and reads the
//! definition from Amazon S3.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::context::Context;
use crate::decide::observe;
use crate::decide::refusal::Refusal;
use crate::definition;
use crate::definition::ObjectError;
use crate::failure::{Question, Unread};
use crate::lookup::{Found, find_role};
use crate::port::{Aws, Stacks as _};
use crate::preconditions::absent_boundary;
use crate::retry;
use crate::staleness::{PAUSE, REPEATS, is_rolling_back};
use crate::telemetry;
use crate::telemetry::{Phase, timed};
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::resource;
use mlops_roles_core::resource::definition_location::{Location, SHA256};
use mlops_roles_core::resource::kept_grants::keep_grants;
use mlops_roles_core::resource::properties::{ValidationError, ValidationErrors};
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::query::Query;

/// How long the function tries to read the object: 60 seconds.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// What the properties lead to.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The resource spec.
    pub(crate) spec: ResourceSpec,
    /// The validation errors.
    pub(crate) errors: ValidationErrors,
    /// What the resource keeps although a new one could not have it.
    pub(crate) warnings: Vec<String>,
    /// The tightened errors that the resource may keep.
    accepted: Vec<ValidationError>,
}

/// Parses the properties as the event has them.
///
/// # Errors
/// Fails when the stack can't be asked.
pub(crate) async fn parse<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    properties: &Map<String, Value>,
) -> Result<Parsed, Refusal> {
    let (spec, mut errors) = parsed(cx, properties, cx.read, None);
    let accepted = accepted(cx, request, (&spec, None), &errors).await?;
    let warnings = texts(errors.tighten(&accepted));
    Ok(Parsed { spec, errors, warnings, accepted })
}

/// Completes what the properties lead to with what only the account knows: the execution role, the definition in Amazon
/// S3, and whether the permissions boundary exists.
///
/// # Errors
/// Fails when the account can't be asked, or has no such role or definition. Errors of the properties are returned with
/// the spec.
pub(crate) async fn complete<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    properties: &Map<String, Value>,
    mut read: Parsed,
) -> Result<Parsed, Refusal> {
    let found = look_up_role(cx, request, &read).await?;
    let mut known = *cx;
    if let Some(found) = &found {
        known = cx.with_found(&found.role);
        (read.spec, read.errors) = parsed(cx, properties, known.read, None);
        read.errors.tighten(&read.accepted);
    }
    if let Some(location) = read.spec.definition.clone()
        && is_open(&read.spec, &read.errors)
    {
        read = with_definition(&known, request, properties, &location, read).await?;
    }
    read.warnings.extend(found.and_then(|found| found.warning));
    read.errors.errors.extend(timed(Phase::Observe, absent_boundary(cx, &read.spec)).await);
    Ok(read)
}

fn parsed<A: Aws>(
    cx: &Context<'_, A>,
    properties: &Map<String, Value>,
    context: ReadContext<'_>,
    definition: Option<&str>,
) -> (ResourceSpec, ValidationErrors) {
    resource::parse_with_definition(cx.resource_type, properties, context, definition).unwrap_or_default()
}

fn texts(errors: Vec<ValidationError>) -> Vec<String> {
    errors.into_iter().map(|error| error.to_string()).collect()
}

/// Looks up the execution role, if the properties ask for it and nothing is wrong with them.
async fn look_up_role<A: Aws>(cx: &Context<'_, A>, request: &Request, read: &Parsed) -> Result<Option<Found>, Refusal> {
    let Some(source) = read.spec.source.as_ref().filter(|_| is_open(&read.spec, &read.errors)) else {
        return Ok(None);
    };
    let itself = [read.spec.physical_id.as_str(), request.target.physical_id.as_str()];
    let found = timed(Phase::Observe, find_role(cx, Some(request), source, &itself)).await?;
    tracing::info!(%source, role = found.role, "execution role found");
    Ok(Some(found))
}

/// Whether nothing is wrong with the properties but a location of the definition that the deployer does not allow. A
/// rollback may keep such a location.
fn is_open(spec: &ResourceSpec, errors: &ValidationErrors) -> bool {
    let refusals = spec.definition.as_ref().map(|location| location.refusals.as_slice()).unwrap_or_default();
    errors.errors.iter().all(|error| refusals.contains(error))
}

/// Reads the definition that the properties name in Amazon S3, and parses the properties again with it. `first` is what
/// the properties lead to without the definition.
///
/// While the stack rolls back, such a definition does not fail the event: one that can't be read or used, or that the
/// deployer no longer allows. A stack whose rollback fails stays where it is. The role keeps the grants that it has, and
/// a warning says so.
///
/// # Errors
/// Fails when the definition can't be read, or when the stack can't be asked. Errors of the definition itself are
/// returned with the spec.
async fn with_definition<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    properties: &Map<String, Value>,
    location: &Location,
    mut first: Parsed,
) -> Result<Parsed, Refusal> {
    let refused = match read(cx, location).await {
        Ok(text) => {
            let (spec, mut errors) = parsed(cx, properties, cx.read, Some(&text));
            let sha256 = spec.attributes.get(SHA256);
            tracing::info!(%location, sha256, bytes = text.len(), "definition read");
            let accepted = accepted(cx, request, (&spec, Some(&text)), &errors).await?;
            let warnings = texts(errors.tighten(&accepted));
            let with_definition = Parsed { spec, errors, warnings, accepted };
            if with_definition.errors.errors.is_empty() {
                return Ok(with_definition);
            }
            Ok(with_definition)
        }
        Err(why) => Err(why),
    };
    if !keeps_grants(cx, request, &mut first.spec).await {
        return Ok(refused?);
    }
    let why = match refused {
        Ok(with_definition) => with_definition.errors.to_string(),
        Err(why) => why.to_string(),
    };
    let warning = "the role keeps its grants, because the stack is rolling back and the definition can't be used";
    tracing::warn!(reason = why, "{warning}");
    first.warnings.push(format!("{warning}: {why}"));
    first.errors.errors.retain(|error| !location.refusals.contains(error));
    Ok(first)
}

async fn read<A: Aws>(cx: &Context<'_, A>, location: &Location) -> Result<String, ObjectError> {
    if !location.refusals.is_empty() {
        return Err(ObjectError::NotAllowed(location.refusals.clone()));
    }
    // Whether the stack rolls back is asked afterwards, so that takes a part of the time.
    let until = cx.deadlines.work.min(Instant::now() + READ_TIMEOUT);
    timed(Phase::Observe, definition::read(cx.aws.objects(), location, cx.read.place, until)).await
}

/// Gives the spec the grants that its role has, if the stack rolls back an update. Returns whether it did.
async fn keeps_grants<A: Aws>(cx: &Context<'_, A>, request: &Request, spec: &mut ResourceSpec) -> bool {
    // The event alone does not prove a rollback, so the stack is asked.
    if !matches!(request.operation, Operation::Update { .. })
        || is_rolling_back(cx.aws.stacks(), &cx.read.owner.stack_id, cx.deadlines.work).await != Some(true)
    {
        return false;
    }
    let query = Query::for_roles(spec.state.roles.keys().cloned());
    let observed = timed(Phase::Observe, observe(cx, &query)).await;
    let observed =
        observed.inspect_err(|why| tracing::warn!(reason = why.reason(), "could not read the role's grants"));
    observed.is_ok_and(|observed| keep_grants(spec, &observed.state, cx.read.owner))
}

/// Returns the errors in `tightened` that this resource may keep: earlier versions of this function accepted those
/// properties.
///
/// The resource may keep what its old properties had, unless the update replaces it. While the stack rolls back, it may
/// keep everything, since a stack whose rollback is refused can only be deleted. The event alone proves neither the
/// update nor the rollback, so the function asks the stack.
///
/// `definition` is the text that was read from Amazon S3. It counts for the old properties only where they name the same
/// object: what the old properties name is never read.
///
/// # Errors
/// Fails when the stack can't be asked.
async fn accepted<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    (spec, definition): (&ResourceSpec, Option<&str>),
    errors: &ValidationErrors,
) -> Result<Vec<ValidationError>, Refusal> {
    let Operation::Update { physical_id, old_properties } = &request.operation else { return Ok(Vec::new()) };
    if errors.tightened.is_empty() {
        return Ok(Vec::new());
    }
    let empty = Map::new();
    let old_properties = old_properties.as_object().unwrap_or(&empty);
    let (old_spec, mut old) = parsed(cx, old_properties, cx.read, None);
    // The object of a location that is not pinned may have had another content.
    let is_same = spec.definition.as_ref().is_some_and(Location::is_pinned) && old_spec.definition == spec.definition;
    if definition.is_some() && is_same {
        old = parsed(cx, old_properties, cx.read, definition).1;
    }
    let old = old.tightened;
    let (replaces, deadline) = (spec.physical_id != *physical_id, cx.deadlines.work);
    for tries in 0..=REPEATS {
        if tries > 0 {
            telemetry::pause(PAUSE).await;
        }
        let told = retry::until(deadline, async || cx.aws.stacks().resource(cx.read.owner).await).await;
        let told = told.map_err(Unread::because(Question::IsUpdating))?;
        let Some(told) = told.filter(|told| told.is_updated(cx.resource_type)) else { continue };
        if !replaces && told.physical_id == *physical_id && errors.tightened_is_in(&old) {
            return Ok(old);
        }
        let is_rolling_back = is_rolling_back(cx.aws.stacks(), &cx.read.owner.stack_id, deadline).await;
        if is_rolling_back.ok_or(Refusal::StackStatusUnread)? {
            return Ok(errors.tightened.clone());
        }
    }
    Ok(Vec::new())
}
