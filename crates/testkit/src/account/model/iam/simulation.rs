//! `SimulatePrincipalPolicy`: the results of the policy simulator, in the form that IAM uses now or in the form that it
//! once used.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::list::paged;
use crate::account::call::Params;
use crate::account::model::books::Books;
use crate::account::model::simulator::allows;
use crate::account::reply::{Refusal, Reply, missing};

/// How the simulator answers.
#[derive(Default)]
pub struct Simulator {
    /// The prefixes of the actions that every boundary denies.
    pub beyond_boundary: Vec<&'static str>,
    /// The prefixes of the actions for which the simulator returns no result.
    pub silent_about: Vec<&'static str>,
    /// The actions that the simulator refuses to judge.
    pub unjudged: Vec<&'static str>,
    /// Whether the simulator returns one result for each resource, as it once did.
    pub old_form: bool,
    /// For how many more calls the simulator knows no role.
    pub lags: u32,
}

/// The policies of a role, and the context of the simulated calls.
struct Subject {
    policies: Vec<Value>,
    context: BTreeMap<String, Value>,
    /// Whether every action is allowed, whatever the policies say.
    lenient: bool,
}

/// What the simulator decides: whether the policies allow the action, and whether the boundary does.
#[derive(Clone, Copy)]
struct Decision {
    allowed: bool,
    bounded: bool,
}

impl Decision {
    fn text(self) -> &'static str {
        if self.allowed && self.bounded { "allowed" } else { "implicitDeny" }
    }

    fn detail(self) -> Value {
        json!({ "AllowedByPermissionsBoundary": self.bounded })
    }
}

impl Simulator {
    /// The reply of IAM. `page` is the number of results on a page; `lenient` allows every action.
    pub fn answer(&mut self, params: &Params, books: &Books, page: usize, lenient: bool) -> Reply {
        if self.lags > 0 {
            self.lags -= 1;
            return Err(Refusal::new(404, "NoSuchEntity", "Unable to retrieve specified IAM entity."));
        }
        let subject = Subject { lenient, ..subject(params, books)? };
        let (actions, resources) = (params.members("ActionNames"), params.members("ResourceArns"));
        self.judges(&actions, &resources)?;
        let told = |action: &&String| !self.silent_about.iter().any(|prefix| action.starts_with(prefix));
        let results = actions.iter().filter(told).flat_map(|action| {
            let decided = |resource: &String| (resource.clone(), self.decided(&subject, action, resource));
            let each: Vec<_> = resources.iter().map(decided).collect();
            if self.old_form { results_by_resource(action, &each) } else { vec![result_by_action(action, &each)] }
        });
        Ok(paged(params, page, "EvaluationResults", results))
    }

    fn judges(&self, actions: &[String], resources: &[String]) -> Result<(), Refusal> {
        if resources.len() > 1 && resources.iter().any(|one| one == "*") {
            return Err(Refusal::new(400, "InvalidInput", "ResourceNames are not in a valid ARN format: *."));
        }
        let Some(unknown) = actions.iter().find(|action| self.unjudged.contains(&action.as_str())) else {
            return Ok(());
        };
        let several = actions.len() > 1;
        let why = if several { "require different authorization information" } else { "can not be simulated" };
        Err(Refusal::new(400, "InvalidInput", &format!("Invalid Input Actions: [{unknown}] {why}.")))
    }

    fn decided(&self, subject: &Subject, action: &str, resource: &str) -> Decision {
        let allowed = subject.lenient || allows(&subject.policies, action, resource, &subject.context);
        Decision { allowed, bounded: !self.beyond_boundary.iter().any(|prefix| action.starts_with(prefix)) }
    }
}

fn subject(params: &Params, books: &Books) -> Result<Subject, Refusal> {
    let name = params.get("PolicySourceArn").rsplit('/').next().unwrap_or_default();
    let role = books.roles.get(&name.to_lowercase()).ok_or_else(|| missing("Role", name))?;
    let attached = role.attached.iter().filter_map(|arn| books.policies.get(arn));
    let attached = attached.map(|policy| policy.versions[&policy.default].clone());
    let policies = attached.chain(role.inline.values().cloned()).collect();
    let entries = (1..).map_while(|i| {
        let entry = |field: &str| params.get(&format!("ContextEntries.member.{i}.{field}")).to_owned();
        let (key, value) = (entry("ContextKeyName"), entry("ContextKeyValues.member.1"));
        (!key.is_empty()).then(|| (key, Value::from(value)))
    });
    Ok(Subject { policies, context: entries.collect(), lenient: false })
}

/// One result for each resource.
fn results_by_resource(action: &str, each: &[(String, Decision)]) -> Vec<Value> {
    let results = each.iter().map(|(resource, decision)| {
        json!({
            "EvalActionName": action, "EvalResourceName": resource, "EvalDecision": decision.text(),
            "PermissionsBoundaryDecisionDetail": decision.detail(),
        })
    });
    results.collect()
}

/// One result for the action, with the most restrictive decision, and the decision on each resource below it.
fn result_by_action(action: &str, each: &[(String, Decision)]) -> Value {
    let all = |holds: fn(&Decision) -> bool| each.iter().all(|(_, decision)| holds(decision));
    // The action is allowed if the policies and the boundary both allow it on every resource.
    let worst = Decision { allowed: all(|one| one.allowed), bounded: all(|one| one.bounded) };
    let name = if let [(one, _)] = each { one.as_str() } else { "arn:aws:x:::${ResourceType}/${ResourceName}" };
    let below = each.iter().map(|(resource, decision)| {
        json!({
            "EvalResourceName": resource, "EvalResourceDecision": decision.text(),
            "PermissionsBoundaryDecisionDetail": decision.detail(),
        })
    });
    json!({
        "EvalActionName": action, "EvalResourceName": name, "EvalDecision": worst.text(),
        "PermissionsBoundaryDecisionDetail": worst.detail(),
        "ResourceSpecificResults": below.collect::<Vec<_>>(),
    })
}
