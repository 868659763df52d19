//! Shows one need of the tables.

use std::collections::BTreeSet;

use mlops_roles_core::permissions::integration::INVOKE_FUNCTION;
use mlops_roles_core::permissions::integration::api_need::ApiNeed;
use mlops_roles_core::permissions::integration::declarable::Declarable;
use mlops_roles_core::permissions::integration::need::{Need, Writes, hears_of_end};
use mlops_roles_core::permissions::integration::resource_pattern::{ResourcePattern, reason};
use mlops_roles_core::permissions::integration::sdk::{DIRECTORY_BUCKET, SESSION};
use mlops_roles_core::permissions::integration::task_resources::Use;

use super::resource::{Absent, anywhere, condition, of_pattern, resource};
use super::shown::{Declared, Resource, Roles, ShownNeed};
use super::when;

/// A need of an optimised integration. `None` if it is only for `.sync` and `sync` is false.
pub(super) fn of_integration(need: &Need, sync: bool) -> Option<ShownNeed> {
    let mut shown = ShownNeed { when: when::applies(&need.given, &need.also, &need.lacking), ..ShownNeed::default() };
    shown.when.extend(need.writes.map(|writes| match writes {
        Writes::Given => when::CERTAIN_OR_WRITE.to_owned(),
        Writes::Declared => when::WRITE.to_owned(),
    }));
    if need.cn {
        shown.notes.push("in the partition `aws-cn`, the service also has a name that ends in `.cn`".to_owned());
    }
    if let Some(declarable) = &need.declared {
        shown.declare(declarable, &need.allow, &need.to);
        return Some(shown);
    }
    if let Some(rule) = &need.rule {
        let grant = hears_of_end("", rule, &anywhere());
        shown.actions = grant.actions.into_iter().collect();
        shown.resources = grant.resources.into_iter().map(|arn| of_pattern(&ResourcePattern::exact(arn))).collect();
        shown.rule = Some(format!("StepFunctions{rule}"));
        return sync.then_some(shown);
    }
    shown.pass(&need.pass, &need.to, (need.optional, need.profile));
    let mut actions = need.allow.clone();
    if sync {
        actions.extend(need.sync.iter().cloned());
    }
    if !actions.is_empty() && !need.on.is_empty() {
        let absent = match &need.otherwise {
            None => Absent::Refused,
            Some(members) if members.is_empty() => Absent::AtRunTime,
            Some(members) => Absent::Named(members),
        };
        shown.actions = actions.into_iter().collect();
        shown.resources = need.on.iter().map(|on| resource(on, &absent, Some(need.why.as_str()))).collect();
        shown.limit(need.condition.as_ref());
        shown.guard(&need.given, &need.also);
    }
    (shown.roles.is_some() || !shown.actions.is_empty()).then_some(shown)
}

/// A need of an API. `own` is the action of its name.
pub(super) fn of_api(need: &ApiNeed, own: &str) -> ShownNeed {
    let mut shown = ShownNeed { when: when::applies(&need.given, &need.also, &need.lacking), ..ShownNeed::default() };
    if let Some(declarable) = &need.declared {
        shown.declare(declarable, &need.allow.iter().cloned().collect(), &need.to);
        return shown;
    }
    shown.pass(&need.pass, &need.to, (need.optional, need.profile));
    if !need.on.is_empty() {
        let actions = need.actions(own);
        let of = |templates: &[String], key: &str| -> Vec<Resource> {
            let why = reason(key, &actions);
            templates.iter().map(|on| resource(on, &Absent::Nothing, Some(why.why()))).collect()
        };
        shown.resources = of(&need.on, &need.why);
        shown.otherwise = of(&need.otherwise, "optional");
        shown.actions = actions.into_iter().collect();
        shown.limit(need.condition.as_ref());
        shown.guard(&need.given, &need.also);
    }
    shown
}

/// What a task needs whose `Resource` is a Lambda function. `resources` are those that the derivation grants.
pub(super) fn of_function(resources: &[ResourcePattern]) -> ShownNeed {
    ShownNeed {
        actions: vec![INVOKE_FUNCTION.to_owned()],
        resources: resources.iter().map(of_pattern).collect(),
        ..ShownNeed::default()
    }
}

/// What a call of S3 needs besides the table if it names a directory bucket.
pub(super) fn session() -> ShownNeed {
    ShownNeed {
        actions: vec![SESSION.to_owned()],
        resources: vec![resource("s3express:bucket/{Bucket}", &Absent::Nothing, None)],
        when: vec![format!("if `Bucket` is literally a directory bucket, whose name ends in `{DIRECTORY_BUCKET}`")],
        ..ShownNeed::default()
    }
}

impl ShownNeed {
    /// Says of a member without which the need does not apply that it does not. `given` and `also` are lists of members
    /// of which a call must have one.
    fn guard(&mut self, given: &[String], also: &[String]) {
        let required: Vec<&String> =
            [given, also].into_iter().filter_map(|list| list.first().filter(|_| list.len() == 1)).collect();
        let resources = self.resources.iter_mut().chain(&mut self.otherwise).flat_map(|resource| &mut resource.members);
        for member in resources.chain(&mut self.condition_members) {
            if required.iter().any(|name| **name == member.name) {
                "the need does not apply".clone_into(&mut member.absent);
            }
        }
    }

    /// Sets the roles to pass. `marks` says whether they are optional, and whether they are in instance profiles.
    fn pass(&mut self, members: &[String], to: &str, marks: (bool, bool)) {
        if !members.is_empty() {
            let (is_optional, is_instance_profile) = marks;
            let service = Some(to.to_owned()).filter(|to| !to.is_empty());
            self.roles = Some(Roles { members: members.to_vec(), service, is_optional, is_instance_profile });
        }
    }

    /// Sets what only the author can name.
    fn declare(&mut self, declarable: &Declarable, actions: &BTreeSet<String>, to: &str) {
        if declarable.certain {
            self.when.push(when::CERTAIN.to_owned());
        }
        let is_role = declarable.used == Use::PassRole;
        self.actions = actions.iter().cloned().collect();
        self.declared = Some(Declared {
            used: declarable.used.into(),
            what: declarable.what.clone(),
            is_required: !declarable.possible,
            service: is_role.then(|| to.to_owned()),
            fits: (!is_role).then(|| format!("arn:{}:{}", anywhere().partition, declarable.fits)),
            bucket_actions: declarable.bucket.iter().cloned().collect(),
            source: declarable.source.clone(),
        });
    }

    /// Sets the condition.
    fn limit(&mut self, filled: Option<&serde_json::Value>) {
        if let Some(filled) = filled {
            self.condition = Some(condition(filled, &mut self.condition_members));
        }
    }
}
