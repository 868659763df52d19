//! Derives what a task needs that calls an API of AWS directly: `aws-sdk:sagemaker:describeEndpoint`.
//!
//! The table of APIs has what each API needs (see `apis.rs`). A call that also has an optimised integration needs what
//! the table of that integration says of request-response, and does not come here.
//!
//! An earlier version knew less of most APIs, and granted them the action of their name, mostly on `*`. So what is
//! refused here is refused for new resources only. An existing resource then keeps the action, on every resource.
//!
//! <https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html>

use std::collections::BTreeSet;

use crate::iam::arn::{Arn, Place};
use crate::permissions::asl::Task;
use crate::permissions::asl::value::Found;
use crate::permissions::integration::api_need::ApiNeed;
use crate::permissions::integration::apis::{self, Api};
use crate::permissions::integration::arn_template::ArnTemplate;
use crate::permissions::integration::call::Call;
use crate::permissions::integration::condition;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::passed_role::PassedRole;
use crate::permissions::integration::placeholder::{Absent, Rendering};
use crate::permissions::integration::required::{PassRoleGrant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::{ResourcePattern, WildcardReason, reason};
use crate::permissions::integration::task_resources::{DeclaredRole, TaskResources, Use};
use crate::permissions::state_error::StateError;

const SAGEMAKER: &str = "sagemaker.amazonaws.com";

/// The end of the name of a directory bucket of S3.
pub const DIRECTORY_BUCKET: &str = "--x-s3";

/// The action that every call for a directory bucket needs, besides those in the table.
pub const SESSION: &str = "s3express:CreateSession";

/// The maximum number of errors about unknown names that have the closest name.
const MOST_HINTS: usize = 20;

/// Adds what a task needs to call `action` of `service`, or an error if there is no such API.
pub(super) fn required_by(
    task: &Task,
    service: &str,
    action: &str,
    context: DeriveContext<'_>,
    required: &mut RequiredPermissions,
) {
    if let Err(why) = apis::check_name(service, action) {
        return required.invalid(&task.path, &why);
    }
    // To look for the closest of all names takes long, so only the first errors have it.
    let is_hinted = required.tightened.len() < MOST_HINTS;
    let (prefix, is_known, api) = match apis::find(service) {
        Some(found) if found.is_dropped() => (service, true, Ok(Api::Unsupported)),
        Some(found) => (found.prefix, true, found.api(action, is_hinted)),
        None => (service, false, Err(apis::unknown(service, is_hinted))),
    };
    let call = ApiCall { task, service, action, own: apis::own_action(prefix, action), context };
    match api {
        Ok(Api::Known { needs, confirmed }) => call.known(&needs, confirmed, required),
        Ok(Api::NoAction(reason)) => {
            let what = format!("`aws-sdk:{service}:{action}` needs no permission of IAM ({reason})");
            required.notice(&task.path, &what);
        }
        Ok(Api::Unsupported) => {
            let why =
                format!("`aws-sdk:{service}:{action}`: Step Functions does not support this API; call another one");
            required.tighten(&task.path, &why);
            call.by_name(&[], required);
        }
        Err(why) => call.unknown(&why, is_known.then_some(prefix), required),
    }
}

/// A call of an API.
struct ApiCall<'a> {
    task: &'a Task,
    /// The service and the API, as Step Functions writes them: `sagemaker` and `createEndpoint`.
    service: &'a str,
    action: &'a str,
    /// The action of the API's name: `sagemaker:CreateEndpoint`.
    own: String,
    context: DeriveContext<'a>,
}

impl ApiCall<'_> {
    /// Adds what the table has for the API. `confirmed` says whether the reference has the API's action.
    fn known(&self, needs: &[ApiNeed], confirmed: bool, required: &mut RequiredPermissions) {
        if !confirmed {
            required.notice(
                &self.task.path,
                &format!(
                    "`{}` is not in the service authorization reference of {}, so the name of the action is not \
                     confirmed",
                    self.own,
                    apis::date()
                ),
            );
        }
        if self.service == "s3" {
            self.session(required);
        }
        if needs.is_empty() {
            self.require(&ApiNeed::without_resource(), required);
        }
        let mut own = RequiredPermissions::default();
        for need in needs {
            self.require(need, &mut own);
        }
        if own.is_empty() && !needs.is_empty() {
            let why = format!(
                "`aws-sdk:{}:{}`: no permission in the table fits the members of this call; correct them",
                self.service, self.action
            );
            required.tighten(&self.task.path, &why);
            self.by_name(&[], required);
        }
        required.append(own);
    }

    /// Adds what `TaskActions` tells of an API that the table lacks for the reason `why`, or that reason as an error.
    /// `prefix` is the prefix of the service in IAM. `None` if the table lacks the service.
    fn unknown(&self, why: &StateError, prefix: Option<&str>, required: &mut RequiredPermissions) {
        let state = &self.task.path;
        let Some(actions) = self.context.actions.get(state) else {
            let way_out = "or name its action in `TaskActions` if it is newer";
            required.tighten(state, &format!("{why}, {way_out}"));
            return self.by_name(&[], required);
        };
        required.declared.insert(state.clone());
        // An unknown service has one prefix, which no known service has.
        let of = |action: &str| action.split_once(':').map_or("", |(service, _)| service).to_owned();
        let first = || actions.first().map(|one| of(one)).unwrap_or_default();
        let expected = prefix.map_or_else(first, str::to_owned);
        let is_taken = prefix.is_none() && apis::services().any(|service| service.prefix == expected);
        if let Some(other) = actions.iter().find(|action| of(action) != expected || is_taken) {
            let what = prefix
                .map_or_else(|| "actions of one new service".to_owned(), |prefix| format!("an action of `{prefix}`"));
            required.tighten(state, &format!("`TaskActions`: found `{other}`, expected {what}"));
            return;
        }
        self.by_name(actions, required);
    }

    /// Adds what a need of the table says, if it applies to the call.
    fn require(&self, need: &ApiNeed, required: &mut RequiredPermissions) {
        let ApiCall { task, own, context, .. } = self;
        let call = Call { task, context: *context, given: &need.given, also: &need.also, lacking: &need.lacking };
        if !call.applies() {
            return;
        }
        if let Some(declarable) = &need.declared {
            let actions = need.allow.iter().cloned().collect();
            return declarable.require(&call, &actions, &need.to, required);
        }
        for member in &need.pass {
            if need.optional && !task.arguments.tells(member) {
                required.pass_optional(&task.path, member, &need.to, *context);
                continue;
            }
            // The credentials of the caller of an API in API Gateway are no role: `arn:aws:iam::*:user/*`.
            let is_user = |found: &Found| matches!(found, Found::Literal(text) if text.contains(":user/"));
            let found = task.arguments.at(member);
            if found.is_empty() || found.iter().any(is_user) {
                continue;
            }
            if need.to.is_empty() {
                self.pass_declared(member, &found, required);
                continue;
            }
            let mut passed = RequiredPermissions::default();
            // The execution roles are for SageMaker.
            let roles = if need.to == SAGEMAKER { context.execution_roles } else { &[] };
            let context = DeriveContext { execution_roles: roles, ..*context };
            let role = PassedRole { service: &need.to, is_profile: need.profile, ..PassedRole::of(member) };
            passed.pass(task, role, context);
            required.append(passed.spared());
        }
        let mut actions = need.actions(own);
        if need.on.is_empty() {
            return;
        }
        let why = reason(&need.why, &actions);
        let refused = required.tightened.len();
        let mut resources = self.rendered(&need.on, Absent::Nothing, &why, required);
        if resources.is_empty() {
            let why = reason("optional", &actions);
            resources = self.rendered(&need.otherwise, Absent::Nothing, &why, required);
        }
        if resources.is_empty() {
            // A call without a member that AWS requires fails. It is granted as if only the value were unknown.
            resources = self.rendered(&need.on, Absent::AtRunTime, &why, required);
        }
        if required.tightened.len() > refused {
            // An existing resource keeps the action that it had. It had none of the further needs.
            actions.retain(|action| action == own);
            if actions.is_empty() {
                return;
            }
            resources = vec![ResourcePattern::at_run_time("*".to_owned(), "the resource")];
        }
        let resources = self.told(resources, &actions);
        if resources.is_empty() {
            return;
        }
        match need.condition.as_ref().map(|one| condition::filled(one, task, *context)).transpose() {
            Ok(condition) => required.grant(&task.path, actions, resources, condition),
            Err(why) => required.tighten(&task.path, &why),
        }
    }

    /// Passes a role to the service that the author declares, because AWS documents none.
    fn pass_declared(&self, member: &str, found: &[Found], required: &mut RequiredPermissions) {
        let state = &self.task.path;
        let is_named = |role: &str| {
            found.iter().any(|found| match found {
                Found::Literal(text) => text == role,
                Found::Expression { .. } => true,
                Found::Absent => false,
            })
        };
        let declared = self.context.resources.get(state).into_iter().flat_map(TaskResources::all_roles);
        let mut named = declared.filter(|one| is_named(&one.role)).peekable();
        if named.peek().is_none() {
            let why = format!(
                "`{member}`: AWS does not document the service that the role is passed to; name the role and the \
                 service in `PassRoles` of `TaskResources`"
            );
            return required.tighten(state, &why);
        }
        for DeclaredRole { role, service } in named {
            required.take(state, Use::PassRole, role, service);
            let (state, role, service) = (state.clone(), role.clone(), service.clone());
            required.pass_role_grants.push(PassRoleGrant { state, role, service, is_new: false });
        }
    }

    /// Adds what a call needs for a directory bucket: a session authorizes it.
    ///
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-security-iam.html>
    fn session(&self, required: &mut RequiredPermissions) {
        let Place { partition, region, account } = self.context.place;
        for found in self.task.arguments.at("Bucket") {
            if let Found::Literal(bucket) = found
                && bucket.ends_with(DIRECTORY_BUCKET)
            {
                let arn = format!("arn:{partition}:s3express:{region}:{account}:bucket/{bucket}");
                required.grant(&self.task.path, [SESSION.to_owned()].into(), vec![ResourcePattern::exact(arn)], None);
            }
        }
    }

    /// Renders ARN templates. One that can't be rendered is told, and stands for no resource.
    fn rendered(
        &self,
        templates: &[String],
        absent: Absent,
        why: &WildcardReason,
        required: &mut RequiredPermissions,
    ) -> Vec<ResourcePattern> {
        let rendering = Rendering { task: self.task, absent, why, context: self.context };
        let mut resources = Vec::new();
        for on in templates {
            match ArnTemplate::parse(on).render(rendering) {
                Ok(patterns) => resources.extend(patterns),
                Err(why) => required.tighten(&self.task.path, &why),
            }
        }
        resources
    }

    /// Replaces `*` with the ARNs of `ResourceOverrides` that are of the services of the actions.
    fn told(&self, resources: Vec<ResourcePattern>, actions: &BTreeSet<String>) -> Vec<ResourcePattern> {
        let of_service = |arn: &&String| {
            let service = Arn::parse(arn).map(|arn| arn.service);
            actions.iter().any(|action| action.split_once(':').map(|(service, _)| service) == service)
        };
        let told = self.context.overrides.get(&self.task.path).into_iter().flatten().filter(of_service);
        let told: Vec<ResourcePattern> = told.map(|arn| ResourcePattern::by_hand(arn)).collect();
        let is_open = |one: &ResourcePattern| {
            one.arn == "*" && matches!(one.wildcard, Some(WildcardReason::AtRunTime(_))) && !told.is_empty()
        };
        let replaced = |one| if is_open(&one) { told.clone() } else { vec![one] };
        resources.into_iter().flat_map(replaced).collect()
    }

    /// Adds the given actions, or the action of the API's name, as an earlier version did for each API.
    fn by_name(&self, actions: &[String], required: &mut RequiredPermissions) {
        let (allow, on) = (actions.to_vec(), vec!["*".to_owned()]);
        let open = ApiNeed { allow, on, why: "unnamed".to_owned(), ..ApiNeed::default() };
        self.require(&open, required);
    }
}
