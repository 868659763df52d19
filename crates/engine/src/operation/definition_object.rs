//! The part of a Create or Update that reads the definition from Amazon S3.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::decide::observe;
use crate::definition;
use crate::port::{Iam, Objects, Ports, SageMaker, Stacks};
use crate::staleness::is_rolling_back;
use crate::telemetry::{Phase, timed};
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::resource;
use mlops_roles_core::resource::definition_location::SHA256;
use mlops_roles_core::resource::kept_grants::keep_grants;
use mlops_roles_core::resource::properties::ValidationErrors;
use mlops_roles_core::resource::spec::{ReadContext, ResourceSpec};
use mlops_roles_core::state::query::Query;

/// How long the function tries to read the object: 60 seconds.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// What the properties lead to.
#[derive(Debug)]
pub struct Parsed {
    /// The resource spec.
    pub spec: ResourceSpec,
    /// The validation errors.
    pub errors: ValidationErrors,
    /// What the resource keeps although a new one could not have it.
    pub warnings: Vec<String>,
}

impl<I: Iam, S: Stacks, M: SageMaker, O: Objects> Ports<I, S, M, O> {
    /// Reads the definition that the properties name in Amazon S3, and parses the properties again with it. `first` is
    /// what the properties lead to without the definition.
    ///
    /// While the stack rolls back, such a definition does not fail the event: one that can't be read or used, or that
    /// the deployer no longer allows. A stack whose rollback fails stays where it is. The role keeps the grants that it
    /// has, and a warning says so.
    ///
    /// # Errors
    /// Fails when the definition can't be read, or when the stack can't be asked. Errors of the definition itself are
    /// returned with the spec.
    pub(super) async fn with_definition(
        &self,
        request: &Request,
        properties: &Map<String, Value>,
        first: Parsed,
        context: ReadContext<'_>,
        deadline: Instant,
    ) -> Result<Parsed, String> {
        let Parsed { mut spec, mut errors, mut warnings } = first;
        let Some(location) = spec.definition.clone() else { return Ok(Parsed { spec, errors, warnings }) };
        let read = match location.refusals.join("; ") {
            refusals if refusals.is_empty() => {
                // Whether the stack rolls back is asked afterwards, so that takes a part of the time.
                let until = deadline.min(Instant::now() + READ_TIMEOUT);
                let read = definition::read(&self.objects, &location, context.place, until);
                timed(Phase::Observe, read).await
            }
            refusals => Err(refusals),
        };
        let refused = match read {
            Ok(text) => {
                let kind = &request.resource_type;
                let (spec, mut errors) =
                    resource::parse_with_definition(kind, properties, context, Some(&text)).unwrap_or_default();
                let sha256 = spec.attributes.get(SHA256);
                tracing::info!(%location, sha256, bytes = text.len(), "definition read");
                let accepted = self.accepted(request, (&spec, Some(&text)), &errors, context, deadline).await?;
                let warnings = errors.tighten(&accepted);
                let parsed = Parsed { spec, errors, warnings };
                if parsed.errors.errors.is_empty() {
                    return Ok(parsed);
                }
                Ok(parsed)
            }
            Err(why) => Err(why),
        };
        if !self.keeps_grants(request, &mut spec, context, deadline).await {
            return refused.map_err(|why| format!("{why}; nothing was changed"));
        }
        let why = match refused {
            Ok(parsed) => parsed.errors.to_string(),
            Err(why) => why,
        };
        let warning = "the role keeps its grants, because the stack is rolling back and the definition can't be used";
        tracing::warn!(reason = why, "{warning}");
        warnings.push(format!("{warning}: {why}"));
        errors.errors.retain(|error| !location.refusals.contains(error));
        Ok(Parsed { spec, errors, warnings })
    }

    /// Gives the spec the grants that its role has, if the stack rolls back an update. Returns whether it did.
    async fn keeps_grants(
        &self,
        request: &Request,
        spec: &mut ResourceSpec,
        context: ReadContext<'_>,
        deadline: Instant,
    ) -> bool {
        // The event alone does not prove a rollback, so the stack is asked.
        if !matches!(request.operation, Operation::Update { .. })
            || is_rolling_back(&self.stacks, &context.owner.stack_id, deadline).await != Some(true)
        {
            return false;
        }
        let query = Query::for_roles(spec.state.roles.keys().cloned());
        let observed = timed(Phase::Observe, observe(&self.iam, &query, context, deadline)).await;
        let observed = observed.inspect_err(|why| tracing::warn!(reason = why, "could not read the role's grants"));
        observed.is_ok_and(|observed| keep_grants(spec, &observed.state, context.owner))
    }
}
