//! Derives what a task needs for its Step Functions integration, from one table for each service.
//!
//! The tables are the JSON files beside this file. A table has an entry for each action of the service. An entry lists
//! its patterns besides request-response (`sync`, `sync:2`, `token`) and its grants. A grant has these members:
//!
//! - `allow`: the IAM actions of every pattern
//! - `sync`: further IAM actions that only `.sync` needs
//! - `on`: the resources, as ARN templates (see `arn_template.rs`)
//! - `why`: the reason for a wildcard in `on`
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
//! <https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html>

pub mod context;
pub mod required;

mod api_form;
pub mod api_need;
pub mod apis;
mod arn_part;
mod arn_template;
mod call;
pub mod declarable;
mod form;
mod model;
mod passed_role;
pub mod resource_pattern;
mod sdk;
pub mod task_resources;
pub mod undeclared;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::iam::arn::{Arn, Place};
use crate::permissions::asl::Task;
use crate::permissions::integration::arn_template::{Absent, ArnTemplate};
use crate::permissions::integration::call::Call;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::declarable::Declarable;
use crate::permissions::integration::passed_role::PassedRole;
use crate::permissions::integration::required::{Grant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::{ResourcePattern, WildcardReason};
use crate::permissions::integration::task_resources::Use;
use crate::text::closest;

/// The tables by service. A table that can't be parsed is a bug in this project, and a test reads them all.
static TABLES: LazyLock<BTreeMap<&str, Result<Table, String>>> = LazyLock::new(|| {
    let broken = |error| format!("the table of integrations can't be parsed: {error}; report it as a bug");
    let parse = |text| serde_json::from_str(text).map_err(broken);
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
const OPTIMISED: [(&str, &str); 6] = [
    ("bedrockruntime", "bedrock"),
    ("emr", "elasticmapreduce"),
    ("emrcontainers", "emr-containers"),
    ("emrserverless", "emr-serverless"),
    ("eventbridge", "events"),
    ("sfn", "states"),
];

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

/// A grant of a table: actions on resources, roles to pass, or a managed EventBridge rule.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a member of the tables, true in a few rows")]
pub struct Need {
    /// The IAM actions of every pattern: `sagemaker:CreateTrainingJob`.
    pub allow: BTreeSet<String>,
    /// Further IAM actions that only `.sync` needs.
    pub sync: BTreeSet<String>,
    /// The resources, as ARN templates: `sagemaker:training-job/{TrainingJobName|cased}`.
    pub on: Vec<String>,
    /// The reason for a wildcard in `on` itself, whatever the task says.
    pub why: String,
    /// Members of the call; the grant applies only if the call has one of them.
    pub given: Vec<String>,
    /// Members of the call; the grant applies only if an execution may have none of them.
    pub lacking: Vec<String>,
    /// Members of the call; the grant applies only if the call has one of them, and one of `given`.
    pub also: Vec<String>,
    /// Members of the call that may name the resource if the member in `on` is absent.
    pub otherwise: Option<Vec<String>>,
    /// The condition of the grant, with placeholders.
    pub condition: Option<Value>,
    /// The members of the call that name roles to pass.
    pub pass: Vec<String>,
    /// The service that the roles are passed to: `sagemaker.amazonaws.com`.
    pub to: String,
    /// Whether the members in `pass` name instance profiles, which hold the roles.
    pub profile: bool,
    /// Whether an earlier version lacked the grant, so that existing resources are spared the errors it leads to.
    pub new: bool,
    /// Whether a call that is known only at run time counts as one without the members in `pass`.
    pub optional: bool,
    /// Whether the service also has a name that ends in `.cn` in the partition `aws-cn`.
    pub cn: bool,
    /// The managed EventBridge rule by which Step Functions learns that a `.sync` task has ended.
    pub rule: Option<String>,
    /// When a call has a grant that is for what it writes. `None` if that does not matter.
    pub writes: Option<Writes>,
    /// What only the author of the definition can name. The actions are granted on what the author declares.
    pub declared: Option<Declarable>,
}

/// When a call has a grant that is for what it writes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Writes {
    /// If it certainly fits `given`, or if `TaskResources` declares a `Write` for its state.
    Given,
    /// If `TaskResources` declares a `Write` for its state.
    Declared,
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
            .map(|found| arn_template::role(found, PassedRole::of("Credentials.RoleArn"), &task.path, context));
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
            // `arn:aws:lambda:us-east-1:123456789012:function:name` has seven parts; an eighth part is the qualifier.
            // For an ARN without a qualifier, the grant also covers any qualifier.
            let qualified = arn.split(':').count() > 7;
            let any = "the grant covers every version and alias of the function";
            let versions = (!qualified).then(|| ResourcePattern::always(format!("{arn}:*"), any));
            let resources = [ResourcePattern::literal(arn, "`Resource`")].into_iter().chain(versions).collect();
            required.grant(&task.path, ["lambda:InvokeFunction".to_owned()].into(), resources, None);
        }
        Ok(Target::Sdk { service, action }) => {
            let of_table = OPTIMISED.iter().find(|(sdk, _)| *sdk == service).map_or(service, |(_, table)| *table);
            let optimised = TABLES.get(of_table).and_then(|table| table.as_ref().ok()?.get(action));
            // An integration may have a name that is no API: `emr:createCluster`.
            let optimised = optimised.filter(|_| apis::find(service).is_some_and(|found| found.has(action)));
            let mut own = RequiredPermissions::default();
            for need in optimised.iter().flat_map(|integration| &integration.grants) {
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

/// What the `Resource` of a task names.
enum Target<'a> {
    /// An optimised integration. The pattern is empty for request-response.
    Integration { service: &'a str, action: &'a str, pattern: &'a str },
    /// An API that the task calls through the AWS SDK integration.
    Sdk { service: &'a str, action: &'a str },
    /// A Lambda function by its ARN.
    Function(&'a str),
    /// An activity, which needs no permission.
    Activity,
}

impl<'a> Target<'a> {
    fn parse(resource: &'a str, place: &Place) -> Result<Self, String> {
        if resource.contains("${") {
            return Err(format!(
                "`Resource`: found `{resource}`, expected text without `${{Name}}`; write the value, or set it in \
                 `DefinitionSubstitutions`, which applies only to `Definition`"
            ));
        }
        let expected = "the ARN of an integration, a Lambda function or an activity";
        let unknown = || format!("`Resource`: found `{resource}`, expected {expected}");
        let arn = Arn::parse(resource).ok_or_else(unknown)?;
        match arn.service {
            "lambda" if arn.resource.starts_with("function:") => Ok(Self::Function(resource)),
            "states" if arn.resource.starts_with("activity:") => Ok(Self::Activity),
            "states" => {
                let (service, rest) = arn.resource.split_once(':').ok_or_else(unknown)?;
                // Templates of AWS also write an integration with a region and an account, as in `tts-converter` of
                // <https://github.com/aws-samples/step-functions-workflows-collection>.
                let plain = arn.region.is_empty() && arn.account.is_empty();
                let placed = Place::from_arn(resource).is_some_and(|of| of.partition == place.partition);
                // These are resources of Step Functions: `arn:aws:states:us-east-1:123456789012:stateMachine:churn`.
                let own = ["execution", "express", "mapRun", "stateMachine"].contains(&service);
                if own || !(plain || placed) {
                    return Err(unknown());
                }
                if service == "aws-sdk" {
                    let (service, action) = rest.split_once(':').ok_or_else(unknown)?;
                    let action = action.strip_suffix(".waitForTaskToken").unwrap_or(action);
                    if action.contains('.') {
                        return Err(format!(
                            "`Resource`: found `{resource}`, expected `aws-sdk:<service>:<action>`, alone or with \
                             `.waitForTaskToken`"
                        ));
                    }
                    return Ok(Self::Sdk { service, action });
                }
                let (action, pattern) = rest.split_once('.').unwrap_or((rest, ""));
                Ok(Self::Integration { service, action, pattern })
            }
            _ => Err(unknown()),
        }
    }
}

fn integration(service: &str, action: &str, pattern: &str, express: bool) -> Result<&'static Integration, String> {
    let Some(table) = TABLES.get(service) else {
        let hint = closest(service, TABLES.keys().copied());
        let hint = hint.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        return Err(format!(
            "`{service}`: Step Functions has no optimised integration with this service{hint}; correct the service, or \
             call the API as `aws-sdk:<service>:<action>`"
        ));
    };
    let table = table.as_ref().map_err(Clone::clone)?;
    let integration = table.get(action).ok_or_else(|| {
        let near = closest(action, table.keys().map(String::as_str));
        let hint = near.map_or_else(String::new, |near| format!(" (did you mean `{service}:{near}`?)"));
        format!(
            "`{service}:{action}`: Step Functions has no such optimised integration{hint}; correct the action, or call \
             the API as `aws-sdk:<service>:<action>`"
        )
    })?;
    let known = match pattern {
        "" => true,
        "waitForTaskToken" => integration.patterns.contains("token"),
        other => integration.patterns.contains(other),
    };
    if !known {
        return Err(format!(
            "`{service}:{action}.{pattern}`: Step Functions does not support `.{pattern}` for this action; use another \
             pattern, or none"
        ));
    }
    if express && !pattern.is_empty() {
        return Err(format!(
            "`{service}:{action}.{pattern}`: a distributed map of type `EXPRESS` does not support `.{pattern}`; remove \
             it, or use the type `STANDARD`"
        ));
    }
    Ok(integration)
}

impl Need {
    fn require(&self, task: &Task, sync: bool, context: DeriveContext<'_>, required: &mut RequiredPermissions) {
        if self.new {
            let mut own = RequiredPermissions::default();
            self.add(task, sync, context, &mut own);
            return required.append(own.spared());
        }
        self.add(task, sync, context, required);
    }

    fn add(&self, task: &Task, sync: bool, context: DeriveContext<'_>, required: &mut RequiredPermissions) {
        let state = &task.path;
        let call = Call { task, given: &self.given, also: &self.also, lacking: &self.lacking };
        let may_write = context.resources.get(state).is_some_and(|declared| !declared.arns(Use::Write).is_empty());
        let writes = match self.writes {
            None => true,
            Some(Writes::Given) => may_write || call.is_given(),
            Some(Writes::Declared) => may_write,
        };
        if !writes || !call.applies() {
            return;
        }
        if let Some(declarable) = &self.declared {
            return declarable.require(&call, &self.allow, &self.to, context, required);
        }
        if let Some(rule) = self.rule.as_ref().filter(|_| sync) {
            required.grants.push(hears_of_end(state, rule, context.place));
        }
        for member in &self.pass {
            if self.optional && !task.arguments.tells(member) {
                required.pass_optional(state, member, &self.to, context);
                continue;
            }
            let role = PassedRole { service: &self.to, is_profile: self.profile, ..PassedRole::of(member) };
            required.pass(task, role, context);
            if self.in_china(context) {
                required.pass(task, PassedRole { service: &format!("{}.cn", self.to), ..role }, context);
            }
        }
        let mut actions = self.allow.clone();
        if sync {
            actions.extend(self.sync.clone());
        }
        if actions.is_empty() || self.on.is_empty() {
            return;
        }
        let stands_in =
            |members: &Vec<String>| members.is_empty() || members.iter().any(|member| task.arguments.shows(member));
        let absent = match &self.otherwise {
            Some(members) if stands_in(members) => Absent::AtRunTime,
            _ => Absent::Error,
        };
        let why = WildcardReason::Always(self.why.clone());
        let mut resources = Vec::new();
        for on in &self.on {
            let in_china = self.in_china(context).then(|| on.replace(".amazonaws.com/", ".amazonaws.com.cn/"));
            for on in [Some(on), in_china.as_ref()].into_iter().flatten() {
                match ArnTemplate::parse(on).render(task, absent, &why, context) {
                    Ok(patterns) => resources.extend(patterns),
                    Err(why) => return required.invalid(state, &why),
                }
            }
        }
        let condition = self.condition.as_ref().map(|condition| arn_template::condition(condition, task, context));
        match condition.transpose() {
            Ok(mut condition) if !resources.is_empty() => {
                if let Some(names) =
                    condition.as_mut().and_then(|one| one.pointer_mut("/StringLike/iam:AWSServiceName"))
                    && let Some(name) = names.as_str().filter(|_| self.in_china(context))
                {
                    *names = json!([name, format!("{name}.cn")]);
                }
                required.grant(state, actions, resources, condition);
            }
            Ok(_) => {}
            Err(why) => required.invalid(state, &why),
        }
    }

    /// Whether the name of the service has to be granted with and without `.cn`.
    fn in_china(&self, context: DeriveContext<'_>) -> bool {
        self.cn && context.place.partition == "aws-cn"
    }
}

/// The grant for the EventBridge rule that Step Functions keeps to learn that a `.sync` task has ended.
fn hears_of_end(state: &str, rule: &str, place: &Place) -> Grant {
    let Place { partition, region, account } = place;
    let actions = ["events:DescribeRule", "events:PutRule", "events:PutTargets"].map(str::to_owned).into();
    let rule = ResourcePattern::exact(format!("arn:{partition}:events:{region}:{account}:rule/StepFunctions{rule}"));
    Grant::new(state, actions, vec![rule], None)
}
