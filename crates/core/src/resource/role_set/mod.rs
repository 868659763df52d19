//! Reads the properties that every resource type with a role set shares, and fills the set of the catalogue with them.

mod names;
mod parameters;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::catalog;
use crate::catalog::{RoleEntry, RoleSet, Statement, Values, filled};
use crate::guardrails::Guardrails;
use crate::iam::document::{Document, hex};
use crate::iam::name::Name;
use crate::iam::quota::{INLINE_SIZE_PER_ROLE, POLICY_SIZE};
use crate::resource::physical_id::PhysicalId;
use crate::resource::properties::Reader;
use crate::resource::role;
use crate::resource::role_set::names::Names;
use crate::resource::role_set::parameters::{accounts, parameters};
use crate::resource::single_role::{adoption, propagation_wait};
use crate::resource::spec::{ReadContext, ResourceSpec, WARNINGS};
use crate::state::{Policy, Role, State, Tags};

/// The name of the value that lists the managed policies that the deployer allows.
const MANAGED_POLICIES: &str = "AllowedManagedPolicies";

/// A role set with the properties of one resource.
struct Asked<'a> {
    /// The set of the catalogue.
    set: &'static RoleSet,
    /// The properties; collects the validation errors.
    reader: &'a Reader<'a>,
    /// What the properties are read against.
    context: ReadContext<'a>,
    /// The values that `${…}` is filled with.
    values: Values,
    /// Whether the policies stay as the source published them (`Fidelity: AsPublished`).
    as_published: bool,
}

/// Parses the parameters of the set and the properties that all sets share into a resource spec.
///
/// `set_name` is the name of the set in the catalogue, such as `Environment`. The reader collects the validation
/// errors.
pub fn parse(set_name: &str, set: &'static RoleSet, reader: &Reader<'_>, context: ReadContext<'_>) -> ResourceSpec {
    let fidelity = reader.choice("Fidelity", &[("Narrowed", false), ("AsPublished", true)]);
    let as_published = fidelity.unwrap_or(false);
    let boundary = role::boundary(reader, context);
    let mut values = parameters(set, reader, context, as_published);
    values.insert("Boundary".to_owned(), boundary.clone());
    values.insert(MANAGED_POLICIES.to_owned(), context.guardrails.managed_policies.join(","));
    let mut names = Names::new(set, reader, context, values);
    let role_names = names.of_roles();
    let policy_arns = names.of_policies();
    names.check_guardrails();
    let Names { values, outside_guardrails: names_outside_guardrails, .. } = names;
    let asked = Asked { set, reader, context, values, as_published };
    asked.check_fidelity(set_name);
    let tags = role::tags(reader);
    let (adopt_existing, adopt_from) = adoption(reader, context);
    let policies = asked.policies(policy_arns, &tags);
    let roles = asked.roles(set_name, &role_names, &tags, &boundary);
    let beyond = asked.beyond_boundary(&role_names, &roles);
    let mut attributes = asked.outputs();
    attributes.insert("BeyondBoundary".to_owned(), beyond.into_iter().collect::<Vec<_>>().join(", "));
    attributes.insert(WARNINGS.to_owned(), String::new());
    ResourceSpec {
        // A set with a name outside the guardrails is not created, and a physical id would not make a read look for
        // that name.
        physical_id: if names_outside_guardrails.is_empty() { asked.physical_id(set_name) } else { String::new() },
        state: State { roles, policies },
        attributes,
        adopt_existing,
        adopt_from,
        propagation_wait: propagation_wait(reader),
        notices: asked.notices(),
        names_outside_guardrails,
        boundary,
        naming: "RoleNames",
        ..ResourceSpec::default()
    }
}

impl Asked<'_> {
    /// Reports published policies that the deployer does not allow.
    fn check_fidelity(&self, set_name: &str) {
        let allowed = self.context.guardrails.allow_published_iam_writes;
        if self.as_published && self.set.publishes_iam_writes(&self.values) && !allowed {
            let of_account =
                accounts(self.set, &self.values).map(|id| format!(" for account {id}")).unwrap_or_default();
            let problem = format!(
                "found `AsPublished`, expected `Narrowed`: the published policies of `{set_name}`{of_account} create \
                 and change roles without a permissions boundary; to allow this, ask the deployer to set \
                 `AllowPublishedIamWrites`"
            );
            self.reader.tighten("Fidelity", problem);
        }
    }

    /// Returns the customer-managed policies, by ARN. `arns` has their ARNs, by the source's ids.
    fn policies(&self, arns: BTreeMap<&'static str, String>, tags: &Tags) -> BTreeMap<String, Policy> {
        let mut policies = BTreeMap::new();
        for (id, arn) in arns {
            let Some(entry) = self.set.policies.get(id) else { continue };
            let document = self.document(&entry.statements);
            role::within(self.reader, &format!("policy `{id}`"), &document, POLICY_SIZE);
            policies.insert(arn, Policy { document, tags: tags.clone() });
        }
        policies
    }

    /// Returns the roles, and reports tags that leave too little room for those of the set. `names` has the names of the
    /// roles, by the source's ids.
    fn roles(
        &self,
        set_name: &str,
        names: &BTreeMap<&'static str, Name>,
        tags: &Tags,
        boundary: &str,
    ) -> BTreeMap<Name, Role> {
        let mut roles = BTreeMap::new();
        let mut most_tags = role::USER_TAGS;
        for (id, name) in names {
            let Some(entry) = self.set.roles.get(*id) else { continue };
            // IAM ignores case when it compares the keys of tags.
            let is_given = |key: &String| tags.keys().any(|given| given.to_lowercase() == key.to_lowercase());
            let own = entry.tags.iter().filter(|(key, _)| !is_given(key));
            let own: Tags = own.filter_map(|(key, value)| Some((key.clone(), filled(value, &self.values)?))).collect();
            most_tags = most_tags.min(role::USER_TAGS - own.len());
            let role = Role {
                tags: tags.clone().into_iter().chain(own).collect(),
                boundary: Some(boundary.to_owned()),
                description: format!("{id} of the role set {set_name}"),
                ..self.role(id, entry)
            };
            roles.insert(name.clone(), role);
        }
        if tags.len() > most_tags {
            let found = tags.len().to_string();
            let expected =
                format!("at most {most_tags} tags (the role set and mlops-roles need the others of IAM's 50)");
            self.reader.invalid("Tags", &found, &expected);
        }
        roles
    }

    /// Returns the outputs of the source as `Fn::GetAtt` attributes.
    fn outputs(&self) -> BTreeMap<String, String> {
        let outputs = self.set.outputs.iter().map(|(name, output)| {
            let otherwise = || filled(&output.otherwise, &self.values).unwrap_or_default();
            (name.clone(), filled(&output.value, &self.values).unwrap_or_else(otherwise))
        });
        outputs.collect()
    }

    /// Returns the physical id of the set, such as `role-set/Environment/0123456789ab`.
    ///
    /// The id is a hash of the names that the parameters lead to. An update that changes these names is therefore a
    /// replacement. Names that `RoleNames` gives change in place.
    fn physical_id(&self, set: &str) -> String {
        let names = self.set.roles.values().map(|entry| format!("role{}{}", entry.path, entry.name));
        let names = names.chain(self.set.policies.values().map(|entry| format!("policy/{}", entry.name)));
        let names: BTreeSet<String> = names.filter_map(|name| filled(&name, &self.values)).collect();
        let digest = Sha256::digest(names.into_iter().collect::<Vec<_>>().join("\n").to_ascii_lowercase().as_bytes());
        let hash: String = hex(&digest).chars().take(12).collect();
        PhysicalId::RoleSet(format!("{set}/{hash}")).to_string()
    }

    /// Returns the remarks on permissions that the set leaves out because the deployer allows no managed policy.
    fn notices(&self) -> Vec<String> {
        if self.as_published || !self.context.guardrails.managed_policies.is_empty() {
            return Vec::new();
        }
        let limited = self.set.limited_by(MANAGED_POLICIES, &self.values).into_iter();
        let left_out = |id: &str| {
            format!("`{id}` can't attach policies to roles, because the deployer's `AllowedManagedPolicyArns` is empty")
        };
        limited.map(left_out).collect()
    }

    /// Returns the policy document of the statements, with the values filled in.
    fn document(&self, statements: &[Statement]) -> Document {
        Document::from_statements(catalog::of_iam(statements, &self.values, self.as_published))
    }

    /// Returns the actions that the roles are granted and the permissions boundary of `template.yaml` denies.
    ///
    /// The boundary caps roles only, so it says nothing about a policy that no role of the set has.
    fn beyond_boundary(&self, names: &BTreeMap<&'static str, Name>, roles: &BTreeMap<Name, Role>) -> BTreeSet<String> {
        let inline = names.keys().filter_map(|id| self.set.roles.get(*id)).flat_map(|entry| entry.inline.values());
        let is_attached = |id: &str| {
            let arn = self.values.get(&format!("{id}.Arn"));
            roles.values().any(|role| arn.is_some_and(|arn| role.attached.contains(arn)))
        };
        let attached = self.set.policies.iter().filter(|(id, _)| is_attached(id)).map(|(_, entry)| &entry.statements);
        let statements = inline.chain(attached);
        let statements = statements.flat_map(|statements| catalog::of_iam(statements, &self.values, self.as_published));
        statements.flat_map(|statement| beyond_boundary(&statement, self.context.guardrails)).collect()
    }

    /// Returns the role with its trust and policies; the caller adds the description, the boundary and the tags.
    fn role(&self, id: &str, entry: &RoleEntry) -> Role {
        let partition = &self.context.place.partition;
        let attached = entry.managed.iter().filter_map(|managed| {
            let policy = managed.policy(&self.values)?;
            let is_own = policy.starts_with("${");
            if is_own {
                filled(policy, &self.values)
            } else {
                Some(format!("arn:{partition}:iam::aws:policy/{policy}"))
            }
        });
        let attached: BTreeSet<String> = attached.collect();
        let trust = self.document(&entry.trust);
        let mut inline = BTreeMap::new();
        let mut size = 0;
        for (name, statements) in &entry.inline {
            let document = self.document(statements);
            size += document.size();
            inline.extend(filled(name, &self.values).map(|name| (name, document)));
        }
        if size > INLINE_SIZE_PER_ROLE {
            let problem = format!(
                "the inline policies of `{id}` would have {size} characters, and IAM allows {INLINE_SIZE_PER_ROLE}; \
                 choose shorter names"
            );
            self.reader.report("", problem);
        }
        Role {
            path: entry.path.clone(),
            trust,
            description: String::new(),
            max_session_duration: *role::SESSION_SECONDS.start(),
            boundary: None,
            tags: Tags::new(),
            attached,
            inline,
            instance_profiles: BTreeSet::new(),
        }
    }
}

/// Returns the actions that the statement grants and the permissions boundary of `template.yaml` denies.
fn beyond_boundary<'a>(statement: &'a Value, guardrails: &Guardrails) -> Vec<String> {
    let texts = |key: &str| -> Vec<&'a str> {
        match &statement[key] {
            Value::String(one) => vec![one],
            more => more.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
        }
    };
    let grants = statement.get("Effect") == Some(&json!("Allow"));
    let denied = |action: &&str| guardrails.boundary_denies(action, texts("Resource").into_iter());
    texts("Action").into_iter().filter(|action| grants && denied(action)).map(str::to_owned).collect()
}
