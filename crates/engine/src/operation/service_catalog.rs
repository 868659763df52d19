//! The operations of `Custom::SageMakerServiceCatalogRoles`: report, provision or delete the service-catalog roles.
//!
//! A deletion is never rolled back: a new role can't have the unique id of the old one, which trust policies in other
//! accounts refer to.

use std::collections::{BTreeMap, BTreeSet};

use crate::context::Context;
use crate::decide::decision::{Action, Change};
use crate::decide::refusal::Refusal;
use crate::decide::service_catalog_report::Report;
use crate::decide::{decide, provisions};
use crate::operation::action::{carry_out, decide_unless_redelivered};
use crate::operation::outcome::{Done, Failure};

use crate::port::Aws;
use crate::staleness::check_redelivery;
use crate::telemetry::{Phase, timed};
use crate::usage::{NAMED, summed_up};
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::protocol::response::{MAX_RESPONSE_BYTES, Response};
use mlops_roles_core::protocol::target::ResponseTarget;
use mlops_roles_core::resource::service_catalog::physical_id;
use mlops_roles_core::resource::service_catalog_role::{launch_role, use_role};

/// Handles a Create, Update or Delete of the service-catalog type. `asked_stack` is true if the staleness check has
/// already asked the stack.
///
/// # Errors
/// Fails when the event is a redelivery, the properties are invalid, roles are in use and `IfInUse` is `Fail`, or AWS
/// can't be asked or refuses a step.
pub(crate) async fn service_catalog<A: Aws>(
    cx: &Context<'_, A>,
    request: &Request,
    asked_stack: bool,
) -> Result<Done, Failure> {
    let target = &request.target;
    let again = check_redelivery(cx.aws.stacks(), request, asked_stack, cx.deadlines.work);
    timed(Phase::Observe, again).await.map_err(Refusal::from)?;
    let (operation, properties) = (&request.operation, &request.properties);
    let change = Change::ServiceCatalog { operation, properties, signed_at: target.response_url.signed_at() };
    let (was_rolling_back, decision) = if provisions(operation, properties, cx.read) {
        decide_unless_redelivered(cx, request, true, change).await?
    } else {
        (None, timed(Phase::Observe, decide(cx, change)).await?)
    };
    let mut report = decision.report.unwrap_or_default();
    if let Action::Delete(deletion) = &decision.action {
        report.usage.portfolios_disabled(&deletion.portfolios);
    }
    carry_out(cx, request, decision.action, was_rolling_back).await?;
    tracing::info!(?report, "report of the service-catalog roles");
    let physical_id = match request.operation {
        Operation::Create => physical_id(&target.logical_id),
        _ => target.physical_id.clone(),
    };
    Ok(done(&report, target, physical_id))
}

/// Builds the attributes of the response. `InUseBy` names as many uses as fit into it.
fn done(report: &Report, target: &ResponseTarget, physical_id: String) -> Done {
    let names = |names: &BTreeSet<Name>| names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
    let mut data = BTreeMap::from([
        ("DeletedRoles".to_owned(), names(&report.deleted)),
        ("KeptRoles".to_owned(), names(&report.kept)),
        ("MissingRoles".to_owned(), names(&report.missing)),
        ("ProvisionedRoles".to_owned(), names(&report.provisioned)),
        // The next two are for roles in the same template: CloudFormation refuses literal names of roles that exist
        // before this resource has deleted them.
        ("LaunchRoleName".to_owned(), launch_role().to_string()),
        ("UseRoleName".to_owned(), use_role().to_string()),
        ("EnabledPortfolios".to_owned(), report.usage.enabled_portfolios().join(", ")),
        ("RemainingSteps".to_owned(), report.remaining.clone()),
    ]);
    let uses = report.usage.uses();
    for most in (0..=uses.len().min(NAMED)).rev() {
        data.insert("InUseBy".to_owned(), summed_up(&uses, most));
        if Response::success(target, &physical_id, data.clone()).body().len() <= MAX_RESPONSE_BYTES {
            break;
        }
    }
    Done { physical_id, data }
}
