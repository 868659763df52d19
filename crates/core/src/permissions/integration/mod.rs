//! Derives what a task needs for its Step Functions integration, from one table for each service.
//!
//! The tables are the JSON files beside this file. A table has an entry for each action of the service. An entry lists
//! its patterns besides request-response (`sync`, `sync:2`, `token`) and its grants. A grant has these members:
//!
//! - `allow`: the IAM actions of every pattern
//! - `sync`: further IAM actions that only `.sync` needs
//! - `on`: the resources, as ARN templates (see `arn_template.rs`; what follows `|` in them is listed in `form.rs`)
//! - `why`: the reason for a wildcard in `on`. For an action without resources, the reason is
//!   "`batch:DescribeJobs` has no resource-level permissions"
//! - `given`: members of the call; the grant applies only if the call has one of them
//! - `lacking`: members of the call; the grant applies only if an execution may have none of them
//! - `also`: like `given`; the grant applies only if the call has one of both lists
//! - `otherwise`: members of the call that may name the resource if the member in `on` is absent; an empty list says
//!   that the member in `on` may always be absent
//! - `condition`: the condition of the grant, with placeholders
//! - `pass`: the members of the call that name roles to pass
//! - `to`: the service that the roles are passed to
//! - `profile`: whether the members in `pass` name instance profiles, which hold the roles
//! - `new`: whether an earlier version lacked the grant, so that existing resources are spared the errors it leads to
//! - `optional`: whether a call that is known only at run time counts as one without the members in `pass`
//! - `cn`: whether the service also has a name that ends in `.cn` in the partition `aws-cn`
//! - `declared`: what only the author of the definition can name, in `TaskResources` (see `declarable.rs`)
//! - `writes`: `given` if the call has the grant only if it certainly fits `given` or `TaskResources` declares a `Write`;
//!   `declared` if it has the grant only in the second case
//! - `rule`: the managed EventBridge rule by which Step Functions learns that a `.sync` task has ended
//!
//! A member of `given`, `also` or `lacking` may have a value, or a pattern for it: `Path=/@connections*`.
//! `AuthType=IAM_ROLE` counts as present if the call has that literal there. `QueryString:SHOW,DROP VIEW` counts as
//! present if the text is a statement of SQL that begins with these words. A value that is known at run time only is
//! taken to fit `given` and `also`, but not `lacking`, unless its known beginning decides.
//!
//! Only `declared` has a place for a source. The source of any other grant is that of its case in
//! `crates/engine/tests/data/service_calls`.
//!
//! <https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html>

pub mod api_need;
pub mod apis;
pub mod arn_template;
pub mod context;
pub mod declarable;
pub mod need;
pub mod placeholder;
pub mod required;
pub mod resource_pattern;
pub mod sdk;
pub mod target;
pub mod task_resources;
pub mod undeclared;

mod api_form;
mod arn_part;
mod call;
mod condition;
mod form;
mod model;
mod passed_role;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::permissions::asl::Task;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::need::Need;
use crate::permissions::integration::passed_role::PassedRole;
use crate::permissions::integration::required::RequiredPermissions;
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::permissions::integration::target::Target;
use crate::permissions::state_error::StateError;
use crate::table::TableError;
use crate::text::closest;

/// The tables by service. A table that can't be parsed is a bug in this project, and a test reads them all.
static TABLES: LazyLock<BTreeMap<&str, Result<Table, TableError>>> = LazyLock::new(|| {
    let parse = |text| serde_json::from_str(text).map_err(|error| TableError::Integrations(error.to_string()));
    FILES.into_iter().map(|(service, text)| (service, parse(text))).collect()
});

const FILES: [(&str, &str); 22] = [
    ("apigateway", include_str!("apigateway.json")),
    ("athena", include_str!("athena.json")),
    ("batch", include_str!("batch.json")),
    ("bedrock", include_str!("bedrock.json")),
    ("bedrockagentcore", include_str!("bedrockagentcore.json")),
    ("codebuild", include_str!("codebuild.json")),
    ("databrew", include_str!("databrew.json")),
    ("dynamodb", include_str!("dynamodb.json")),
    ("ecs", include_str!("ecs.json")),
    ("eks", include_str!("eks.json")),
    ("elasticmapreduce", include_str!("elasticmapreduce.json")),
    ("emr-containers", include_str!("emr-containers.json")),
    ("emr-serverless", include_str!("emr-serverless.json")),
    ("events", include_str!("events.json")),
    ("glue", include_str!("glue.json")),
    ("http", include_str!("http.json")),
    ("lambda", include_str!("lambda.json")),
    ("mediaconvert", include_str!("mediaconvert.json")),
    ("sagemaker", include_str!("sagemaker.json")),
    ("sns", include_str!("sns.json")),
    ("sqs", include_str!("sqs.json")),
    ("states", include_str!("states.json")),
];

/// The services whose table of optimised integrations has another name than the service in the SDK.
///
/// An `aws-sdk:` task of such a service needs what the table of the integration says. That holds only if the API takes
/// the members that the integration takes; otherwise leave the service out, or such tasks are refused.
pub const OPTIMISED: [(&str, &str); 6] = [
    ("bedrockruntime", "bedrock"),
    ("emr", "elasticmapreduce"),
    ("emrcontainers", "emr-containers"),
    ("emrserverless", "emr-serverless"),
    ("eventbridge", "events"),
    ("sfn", "states"),
];

/// The action that a task needs whose `Resource` is the ARN of a Lambda function.
pub const INVOKE_FUNCTION: &str = "lambda:InvokeFunction";

/// The integrations of a service by action: `createTrainingJob`.
type Table = BTreeMap<String, Integration>;

/// What the tasks of an action need. The module's documentation describes the members.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Integration {
    /// The patterns besides request-response: `sync`, `sync:2`, `token`.
    #[serde(default)]
    pub patterns: BTreeSet<String>,
    /// The grants, each for the calls that it applies to.
    pub grants: Vec<Need>,
}

/// Lists the optimised integrations: the service, the action and what its tasks need, in alphabetical order.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static Integration)> {
    let tables = TABLES.iter().filter_map(|(service, table)| Some((*service, table.as_ref().ok()?)));
    tables.flat_map(|(service, table)| table.iter().map(move |(action, needs)| (service, action.as_str(), needs)))
}

/// Adds what a task needs to the required permissions, or an error if that can't be derived.
pub fn required_by(task: &Task, context: DeriveContext<'_>, required: &mut RequiredPermissions) {
    if !task.credentials.is_empty() {
        // The role that the task assumes needs the permissions for the task's own actions, not the workflow role.
        // Execution roles are roles to pass, not roles to assume: only `ResourceOverrides` names roles to assume.
        let context = DeriveContext { execution_roles: &[], ..context };
        let on = task
            .credentials
            .iter()
            .map(|found| PassedRole::of("Credentials.RoleArn").roles(found, &task.path, context));
        match on.collect::<Result<Vec<_>, _>>() {
            Ok(roles) => {
                let roles = roles.into_iter().flatten().map(ResourcePattern::exact).collect();
                required.grant(&task.path, ["sts:AssumeRole".to_owned()].into(), roles, None);
            }
            Err(why) => required.invalid(&task.path, &why),
        }
        return;
    }
    match Target::parse(&task.resource, context.place) {
        Ok(Target::Activity) => {}
        Ok(Target::Function(arn)) => {
            required.grant(&task.path, [INVOKE_FUNCTION.to_owned()].into(), invoked(arn), None);
        }
        Ok(Target::Sdk { service, action }) => {
            let optimised = optimised(service, action);
            let mut own = RequiredPermissions::default();
            for need in optimised.iter().flat_map(|(_, integration)| &integration.grants) {
                need.require(task, false, context, &mut own);
            }
            let is_refused = !own.errors.is_empty();
            // What the optimised integration refuses, an earlier version granted here.
            required.append(own.spared());
            if optimised.is_none() || is_refused {
                sdk::required_by(task, service, action, context, required);
            }
        }
        Ok(Target::Integration { service, action, pattern }) => {
            match integration(service, action, pattern, task.express) {
                Ok(integration) => {
                    for need in &integration.grants {
                        need.require(task, pattern.starts_with("sync"), context, required);
                    }
                }
                Err(why) => required.invalid(&task.path, &why),
            }
        }
        Err(why) => required.invalid(&task.path, &why),
    }
}

/// The resources of a task whose `Resource` is the ARN of a Lambda function.
pub fn invoked(function: &str) -> Vec<ResourcePattern> {
    // `arn:aws:lambda:us-east-1:123456789012:function:name` has seven parts; an eighth part is the qualifier.
    // For an ARN without a qualifier, the grant also covers any qualifier.
    let qualified = function.split(':').count() > 7;
    let any = "the grant covers every version and alias of the function";
    let versions = (!qualified).then(|| ResourcePattern::always(format!("{function}:*"), any));
    [ResourcePattern::literal(function, "`Resource`")].into_iter().chain(versions).collect()
}

/// Finds the integration whose table has what an `aws-sdk:` task needs, with the service of that table.
///
/// Returns `None` if the table of APIs has it.
pub fn optimised(service: &str, api: &str) -> Option<(&'static str, &'static Integration)> {
    let of_table = OPTIMISED.iter().find(|(sdk, _)| *sdk == service).map_or(service, |(_, table)| *table);
    let (name, table) = TABLES.get_key_value(of_table)?;
    let found = table.as_ref().ok()?.get(api)?;
    // An integration may have a name that is no API: `emr:createCluster`.
    apis::find(service).is_some_and(|service| service.has(api)).then_some((*name, found))
}

/// Finds what a table says of an integration. `express` says whether the task runs in an express child workflow.
///
/// # Errors
/// Fails if Step Functions has no such integration or does not support its pattern, or if the table is broken.
pub fn integration(
    service: &str,
    action: &str,
    pattern: &str,
    express: bool,
) -> Result<&'static Integration, StateError> {
    let Some(table) = TABLES.get(service) else {
        let near = closest(service, TABLES.keys().copied()).map(str::to_owned);
        return Err(StateError::ServiceNotIntegrated { service: service.to_owned(), near });
    };
    let table = table.as_ref().map_err(Clone::clone)?;
    let owned = || (service.to_owned(), action.to_owned(), pattern.to_owned());
    let Some(integration) = table.get(action) else {
        let near = closest(action, table.keys().map(String::as_str)).map(|near| format!("{service}:{near}"));
        let (service, action, _) = owned();
        return Err(StateError::ActionNotIntegrated { service, action, near });
    };
    let is_known = match pattern {
        "" => true,
        "waitForTaskToken" => integration.patterns.contains("token"),
        other => integration.patterns.contains(other),
    };
    if !is_known {
        let (service, action, pattern) = owned();
        return Err(StateError::UnsupportedPattern { service, action, pattern });
    }
    if express && !pattern.is_empty() {
        let (service, action, pattern) = owned();
        return Err(StateError::PatternInExpress { service, action, pattern });
    }
    Ok(integration)
}
