//! Derives what a task needs by one grant of a table of integrations.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::iam::arn::Place;
use crate::permissions::asl::Task;
use crate::permissions::integration::arn_template::ArnTemplate;
use crate::permissions::integration::call::Call;
use crate::permissions::integration::condition;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::declarable::Declarable;
use crate::permissions::integration::passed_role::PassedRole;
use crate::permissions::integration::placeholder::{Absent, Rendering};
use crate::permissions::integration::required::{Grant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::{ResourcePattern, WildcardReason};
use crate::permissions::integration::task_resources::Use;
use crate::permissions::state_error::StateError;

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

impl Need {
    /// Adds what a task needs by the grant, or an error if that can't be derived. `sync` is for the pattern `.sync`.
    pub(super) fn require(
        &self,
        task: &Task,
        sync: bool,
        context: DeriveContext<'_>,
        required: &mut RequiredPermissions,
    ) {
        if self.new {
            let mut own = RequiredPermissions::default();
            self.add(task, sync, context, &mut own);
            return required.append(own.spared());
        }
        self.add(task, sync, context, required);
    }

    fn add(&self, task: &Task, sync: bool, context: DeriveContext<'_>, required: &mut RequiredPermissions) {
        let state = &task.path;
        let call = Call { task, context, given: &self.given, also: &self.also, lacking: &self.lacking };
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
            return declarable.require(&call, &self.allow, &self.to, required);
        }
        if let Some(rule) = self.rule.as_ref().filter(|_| sync) {
            required.grants.push(hears_of_end(state, rule, context.place));
        }
        self.pass(task, context, required);
        let mut actions = self.allow.clone();
        if sync {
            actions.extend(self.sync.clone());
        }
        if actions.is_empty() || self.on.is_empty() {
            return;
        }
        let granted = self.resources(task, context).and_then(|on| Ok((on, self.condition(task, context)?)));
        match granted {
            Ok((resources, condition)) if !resources.is_empty() => {
                required.grant(state, actions, resources, condition);
            }
            Ok(_) => {}
            Err(why) => required.invalid(state, &why),
        }
    }

    /// Passes the roles that the members in `pass` name.
    fn pass(&self, task: &Task, context: DeriveContext<'_>, required: &mut RequiredPermissions) {
        for member in &self.pass {
            if self.optional && !task.arguments.tells(member) {
                required.pass_optional(&task.path, member, &self.to, context);
                continue;
            }
            let role = PassedRole { service: &self.to, is_profile: self.profile, ..PassedRole::of(member) };
            required.pass(task, role, context);
            if self.in_china(context) {
                required.pass(task, PassedRole { service: &format!("{}.cn", self.to), ..role }, context);
            }
        }
    }

    /// Renders the resources in `on`.
    fn resources(&self, task: &Task, context: DeriveContext<'_>) -> Result<Vec<ResourcePattern>, StateError> {
        let stands_in =
            |members: &Vec<String>| members.is_empty() || members.iter().any(|member| task.arguments.shows(member));
        let absent = match &self.otherwise {
            Some(members) if stands_in(members) => Absent::AtRunTime,
            _ => Absent::Error,
        };
        let why = WildcardReason::Always(self.why.clone());
        let rendering = Rendering { task, absent, why: &why, context };
        let mut resources = Vec::new();
        for on in &self.on {
            let in_china = self.in_china(context).then(|| on.replace(".amazonaws.com/", ".amazonaws.com.cn/"));
            for on in [Some(on), in_china.as_ref()].into_iter().flatten() {
                resources.extend(ArnTemplate::parse(on).render(rendering)?);
            }
        }
        Ok(resources)
    }

    /// Fills in the condition of the grant. `None` if it has none.
    fn condition(&self, task: &Task, context: DeriveContext<'_>) -> Result<Option<Value>, StateError> {
        let Some(condition) = &self.condition else { return Ok(None) };
        let mut condition = condition::filled(condition, task, context)?;
        if let Some(names) = condition.pointer_mut("/StringLike/iam:AWSServiceName")
            && let Some(name) = names.as_str().filter(|_| self.in_china(context))
        {
            *names = json!([name, format!("{name}.cn")]);
        }
        Ok(Some(condition))
    }

    /// Whether the name of the service has to be granted with and without `.cn`.
    fn in_china(&self, context: DeriveContext<'_>) -> bool {
        self.cn && context.place.partition == "aws-cn"
    }
}

/// The grant for the EventBridge rule that Step Functions keeps to learn that a `.sync` task has ended.
///
/// `rule` is the name without `StepFunctions`: `GetEventsForECSTaskRule`.
pub fn hears_of_end(state: &str, rule: &str, place: &Place) -> Grant {
    let Place { partition, region, account } = place;
    let actions = ["events:DescribeRule", "events:PutRule", "events:PutTargets"].map(str::to_owned).into();
    let rule = ResourcePattern::exact(format!("arn:{partition}:events:{region}:{account}:rule/StepFunctions{rule}"));
    Grant::new(state, actions, vec![rule], None)
}
