//! The policies of one state machine, as they are printed.

use std::collections::{BTreeMap, BTreeSet};

use mlops_roles_core::iam::document::Document;
use mlops_roles_core::permissions::integration::required::Grant;
use mlops_roles_core::resource::properties::Problem;
use mlops_roles_core::resource::workflow_role;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::PolicyError;
use crate::error::Error;
use crate::input::symbol::Symbols;
use crate::plan::report::mapped;
use crate::plan::report::need::Need;
use crate::plan::resource::{Properties, unfilled};
use crate::plan::scene::Scene;

/// The note on a trust policy that allows any state machine.
const UNNAMED: &str = "the state machine has no name, so the trust policy allows every state machine of the account and \
                       region; set its name, or `--property StateMachineName=NAME`";

/// The problem that goes with others if the account is unknown: a role, for instance, is passed only within its account.
const NO_ACCOUNT: &str = "the account is unknown; set `--account`";

/// The policies that the role of a state machine needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Policies {
    /// The logical id of the state machine in the template, or the name of the file up to its first period.
    pub state_machine: String,
    /// The trust policy: Step Functions may assume the role for state machines of this account and region.
    #[cfg_attr(feature = "schemas", schemars(with = "serde_json::Map<String, Value>"))]
    pub trust_policy: Value,
    /// The scoped policies. Each fits IAM's quota for a managed policy. Empty if the states need nothing.
    #[cfg_attr(feature = "schemas", schemars(with = "Vec<serde_json::Map<String, Value>>"))]
    pub policies: Vec<Value>,
    /// The policy that allows `iam:PassRole`, each role for its service. `null` if no role is passed.
    #[cfg_attr(feature = "schemas", schemars(with = "Option<serde_json::Map<String, Value>>"))]
    pub pass_role_policy: Option<Value>,
    /// The wildcards in the policies, with their reasons.
    pub wildcards: Vec<Wildcard>,
    /// What the states need and neither the definition nor its author names.
    pub needs: Vec<Need>,
    /// Assumptions and warnings.
    pub notes: Vec<String>,
}

/// A resource with a wildcard.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Wildcard {
    /// The ARN in the policies.
    pub arn: String,
    /// Why the ARN has a wildcard.
    pub reasons: BTreeSet<String>,
    /// The paths of the states that need it.
    pub states: BTreeSet<String>,
}

/// The policies as one object of strings, as Terraform's `external` data source has it.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
pub struct Flat {
    /// The trust policy, as JSON.
    pub trust_policy: String,
    /// The list of the scoped policies, as JSON.
    pub policies: String,
    /// The policy that allows `iam:PassRole`, as JSON. Empty if no role is passed.
    pub pass_role_policy: String,
    /// The list of the wildcards in the policies with their reasons, as JSON.
    pub wildcards: String,
    /// The list of what the states need and neither the definition nor its author names, as JSON.
    pub needs: String,
    /// The list of assumptions and warnings, as JSON.
    pub notes: String,
}

/// The policies, and what speaks against them.
#[derive(Debug)]
pub struct Derived {
    /// The policies.
    pub policies: Policies,
    /// The problems of states that certainly need what nobody names.
    pub undeclared: Vec<String>,
    /// Whether the settings refuse such states.
    pub is_strict: bool,
}

impl Policies {
    /// The policies as one object of strings, as Terraform's `external` data source has it.
    ///
    /// # Errors
    /// When a part can't be written as JSON, which would be a bug in this program.
    pub fn flat(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Flat {
            trust_policy: self.trust_policy.to_string(),
            policies: serde_json::to_string(&self.policies)?,
            pass_role_policy: self.pass_role_policy.as_ref().map_or_else(String::new, Value::to_string),
            wildcards: serde_json::to_string(&self.wildcards)?,
            needs: serde_json::to_string(&self.needs)?,
            notes: serde_json::to_string(&self.notes)?,
        })
    }
}

impl Scene<'_> {
    /// Derives the policies of one state machine from the properties of a workflow role for it.
    ///
    /// # Errors
    /// When they can't be derived, or have a value that only a deployment knows and `placeholders` does not allow.
    pub fn derived(&self, name: &str, properties: &Properties<'_>, placeholders: bool) -> Result<Derived, Error> {
        let (mut read, given, symbols) = self.read(name, workflow_role::TYPE, properties);
        let findings = given.findings.clone();
        let (undeclared, errors): (Vec<_>, Vec<_>) = std::mem::take(&mut read.errors)
            .into_iter()
            .partition(|error| matches!(error.problem, Problem::Undeclared(_)));
        let (open, errors) = symbols.divided(&errors);
        let mut problems: Vec<String> = findings.faults.iter().cloned().collect();
        if !findings.is_cut {
            problems.extend(unfilled(&given).iter().filter(|name| is_name(name)).map(|name| no_value(name)));
        }
        problems.extend(errors.into_iter().map(ToString::to_string));
        if problems.is_empty() {
            // The policies of a state with such an error lack what it needs, whatever its value will be.
            problems.extend(open.iter().map(ToString::to_string));
        }
        let printed = |texts: Vec<String>| texts.iter().map(|text| symbols.printed(text)).collect::<Vec<_>>();
        if !problems.is_empty() {
            problems.extend(self.is_account_unknown().then(|| NO_ACCOUNT.to_owned()));
            return Err(PolicyError::Refused { problems: printed(problems) }.into());
        }
        if self.is_template() {
            self.check_names(&findings.asked)?;
        }
        let role = read.spec.state.roles.into_values().next();
        let documents: Vec<&Document> = read.spec.state.policies.values().map(|policy| &policy.document).collect();
        let pass_role = role.as_ref().and_then(|role| role.inline.values().next());
        let trust = role.as_ref().map(|role| value(&role.trust)).unwrap_or_default();
        let unnamed = given.properties.get("StateMachineName").is_none().then(|| UNNAMED.to_owned());
        let defaults = findings.defaults.iter().map(|name| default_note(name));
        let notes = findings.notes.into_iter();
        let notes = notes
            .chain(unnamed)
            .chain(defaults)
            .chain(self.partition_note())
            .chain(read.warnings)
            .chain(read.spec.notices)
            .chain(symbols.assumptions());
        let policies = Policies {
            state_machine: name.to_owned(),
            trust_policy: trust,
            wildcards: wildcards(&read.spec.required.grants, &documents),
            policies: documents.into_iter().map(value).collect(),
            pass_role_policy: pass_role.map(value),
            needs: read.spec.required.undeclared.into_iter().map(Need::from).collect(),
            notes: notes.collect(),
        };
        self.check_known(&policies, &symbols, placeholders)?;
        let policies = serde_json::from_value(mapped(&serde_json::to_value(policies)?, &|text| symbols.printed(text)))?;
        let undeclared = printed(undeclared.iter().map(ToString::to_string).collect());
        Ok(Derived { policies, undeclared, is_strict: false })
    }

    /// Refuses policies with values that only a deployment knows. With `placeholders`, only those that no template can
    /// fill in.
    fn check_known(&self, policies: &Policies, symbols: &Symbols, placeholders: bool) -> Result<(), PolicyError> {
        let Policies { trust_policy, policies, pass_role_policy, .. } = policies;
        let documents = json!([trust_policy, policies, pass_role_policy]).to_string();
        let mut names: BTreeSet<String> = symbols.unknown_in(&documents).into_iter().map(str::to_owned).collect();
        // What is left are the place, the stack, and parts of values. A name may have a brace.
        let mut left = symbols.printed(&documents);
        let mut longest_first: Vec<&String> = names.iter().collect();
        longest_first.sort_by_key(|name| std::cmp::Reverse(name.len()));
        for name in longest_first {
            left = left.replace(&format!("${{{name}}}"), "");
        }
        names.extend(left.split("${").skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())));
        let is_filled_in = |name: &str| name.starts_with("AWS::") || is_name(&name.replace('.', ""));
        names.retain(|name| !placeholders || !is_filled_in(name));
        if names.is_empty() {
            return Ok(());
        }
        let options: BTreeSet<String> = names.iter().map(|name| self.option_for(name)).collect();
        let (names, options) = (names.into_iter().collect(), options.into_iter().collect());
        Err(if placeholders {
            PolicyError::NoPlaceholder { names, options }
        } else {
            PolicyError::Unknown { names, options }
        })
    }

    /// The note on the partition, if nothing tells it.
    fn partition_note(&self) -> Option<String> {
        let is_told = self.settings.partition.is_some() || self.settings.region.is_some();
        (!is_told).then(|| {
            let partition = &self.place.partition;
            format!("the partition is assumed to be `{partition}`; set `--region` or `--partition` if it is not")
        })
    }
}

/// Whether the text is a name that `Fn::Sub` or `DefinitionSubstitutions` may have.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The problem of a `${NAME}` in the definition of a template that nothing gives a value.
fn no_value(name: &str) -> String {
    format!(
        "the definition has `${{{name}}}`, and `DefinitionSubstitutions` has no value for it; set it there, or with \
         `--definition-substitution {name}=VALUE`"
    )
}

/// The note on a parameter that has its default.
fn default_note(name: &str) -> String {
    format!("parameter `{name}` is assumed to have its default; set `--set {name}=VALUE` if it has not")
}

fn value(document: &Document) -> Value {
    serde_json::from_str(&document.to_string()).unwrap_or_default()
}

/// The wildcards that the documents have, with what the grants say of each.
fn wildcards(grants: &[Grant], documents: &[&Document]) -> Vec<Wildcard> {
    let texts: Vec<String> = documents.iter().map(ToString::to_string).collect();
    let mut found: BTreeMap<&String, Wildcard> = BTreeMap::new();
    for grant in grants {
        for (arn, why) in &grant.wildcards {
            let empty = || Wildcard { arn: arn.clone(), reasons: BTreeSet::new(), states: BTreeSet::new() };
            let wildcard = found.entry(arn).or_insert_with(empty);
            wildcard.reasons.insert(why.clone());
            wildcard.states.insert(grant.state.clone());
        }
    }
    let quoted = |arn: &str| Value::from(arn).to_string();
    found.retain(|arn, _| texts.iter().any(|text| text.contains(&quoted(arn))));
    found.into_values().collect()
}
