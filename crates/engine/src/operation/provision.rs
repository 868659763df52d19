//! The Create and Update operations: apply what the properties ask for, or roll back to the state before the event.

use crate::context::Context;
use crate::decide::decision::Change;
use crate::decide::refusal::Refusal;
use crate::operation::action::{carry_out, decide_unless_redelivered};
use crate::operation::outcome::{Done, Failed, Failure, measure, tell};
use crate::operation::properties::{Parsed, complete, parse};
use crate::port::Aws;
use crate::transaction::Reconciled;
use mlops_roles_core::protocol::request::{Operation, Request, object};
use mlops_roles_core::resource;
use mlops_roles_core::resource::definition_location::SHA256;
use mlops_roles_core::resource::spec::{NOT_VERIFIED, WARNINGS};

/// Creates or updates the resource as its properties ask, or rolls back to the state before the event.
///
/// `asked` is true if the staleness check has already asked the stack.
///
/// # Errors
/// Fails when the properties are invalid, a precondition does not hold, or the plan can't be finished. The failure says
/// whether the change was rolled back.
pub(crate) async fn provision<A: Aws>(cx: &Context<'_, A>, request: &Request, asked: bool) -> Result<Done, Failed> {
    let target = &request.target;
    let refuse = |refusal: Refusal| Failed::with_id_of(target, refusal);
    if let Some(why) = resource::unavailable(cx.resource_type, cx.read.guardrails) {
        return Err(refuse(why.into()));
    }
    let properties = object(&request.properties).map_err(|why| refuse(why.into()))?;
    let parsed = parse(cx, request, properties).await.map_err(refuse)?;
    // A failed Create returns the physical id that the resource would have had. The Delete that follows checks the tags
    // in any case.
    let new = Some(&parsed.spec.physical_id).filter(|id| !id.is_empty());
    let physical_id = match request.operation {
        Operation::Create => new.unwrap_or(&target.physical_id).clone(),
        _ => target.physical_id.clone(),
    };
    let done = match complete(cx, request, properties, parsed).await {
        Ok(parsed) => provision_parsed(cx, request, parsed, asked).await,
        Err(refusal) => Err(refusal.into()),
    };
    done.map_err(|failure| Failed { physical_id, failure })
}

async fn provision_parsed<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    parsed: Parsed,
    asked: bool,
) -> Result<Done, Failure> {
    let Parsed { mut spec, errors, mut warnings, .. } = parsed;
    if !errors.is_empty() {
        return Err(Refusal::Invalid(errors).into());
    }
    if !warnings.is_empty() {
        tracing::warn!(?warnings, "accepted properties that a new resource may not have");
    }
    for notice in std::mem::take(&mut spec.notices) {
        tracing::warn!(notice, "notice about the resource");
        warnings.push(notice);
    }
    if measure(request, &spec).is_err()
        && let Some(sha256) = spec.attributes.get_mut(SHA256)
    {
        // The response has to fit, and a template can do without this attribute.
        sha256.clear();
    }
    measure(request, &spec)?;
    let old = match &request.operation {
        Operation::Update { physical_id, old_properties } => Some((physical_id.as_str(), old_properties)),
        _ => None,
    };
    let change = Change::Provision { spec: &spec, old };
    let (was_rolling_back, decision) = decide_unless_redelivered(cx, request, asked, change).await?;
    let Reconciled { metadata, verified } = carry_out(cx, request, decision.action, was_rolling_back).await?;
    warnings.extend(verified.denied.iter().map(ToString::to_string));
    tell(request, &mut spec, WARNINGS, &warnings);
    if spec.attributes.contains_key(NOT_VERIFIED) {
        tell(request, &mut spec, NOT_VERIFIED, &verified.not_judged);
    }
    Done::from_spec(&spec, &metadata).ok_or(Failure::NoRoleId)
}
