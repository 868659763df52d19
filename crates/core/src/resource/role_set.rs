//! Reads the properties that every resource type with a role set shares, and fills the set of the catalogue with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::catalog;
use crate::catalog::{EmptyName, Form, Parameter, RoleEntry, RoleSet, Statement, Values, filled};
use crate::guardrails::Guardrails;
use crate::iam::document::{Document, hex};
use crate::iam::name::{Name, is_iam_name};
use crate::iam::quota::{INLINE_SIZE_PER_ROLE, POLICY_NAME_LENGTH, POLICY_SIZE, ROLE_NAME_LENGTH, TAGS_PER_ENTITY};
use crate::resource::properties::Reader;
use crate::resource::reserved::reserved;
use crate::resource::role;
use crate::resource::single_role::{adoption, propagation_wait};
use crate::resource::spec::{ReadContext, ResourceSpec, WARNINGS};
use crate::state::ownership::TAG_KEYS;
use crate::state::{Policy, Role, State, Tags};
use crate::text::{closest, listed, shown};

/// The beginning of every physical id of a role set.
///
/// A physical id that CloudFormation generates for a failed Create has no slash.
pub const ID_PREFIX: &str = "role-set/";

/// The name of the value that lists the managed policies that the deployer allows.
const MANAGED_POLICIES: &str = "AllowedManagedPolicies";

/// The origin of a name, for validation errors.
#[derive(Clone, Copy)]
enum Told<'a> {
    /// A property gives the name. Holds the path of the property, such as `RoleNames.LaunchRole`.
    By(&'a str),
    /// The set gives the name. Holds the id of the role or policy in the set and the text whose `${…}` are filled in.
    Default(&'a str, &'a str),
}

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
    /// Names without any of the deployer's `RoleNamePrefixes`.
    names_outside_guardrails: Vec<String>,
    /// Paths of roles that are not among the deployer's `RolePaths`.
    paths_outside_guardrails: BTreeSet<String>,
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
    let mut asked = Asked {
        set,
        reader,
        context,
        values,
        as_published,
        names_outside_guardrails: Vec::new(),
        paths_outside_guardrails: BTreeSet::new(),
    };
    let roles = asked.role_names();
    let policies = asked.policy_names();
    asked.check_guardrails();
    if as_published && set.publishes_iam_writes(&asked.values) && !context.guardrails.allow_published_iam_writes {
        let of_account = accounts(set, &asked.values).map(|id| format!(" for account {id}")).unwrap_or_default();
        reader.tighten(format!(
            "`Fidelity`: found `AsPublished`, expected `Narrowed`: the published policies of `{set_name}`{of_account} \
             create and change roles without a permissions boundary; to allow this, ask the deployer to set \
             `AllowPublishedIamWrites`"
        ));
    }
    let physical_id = asked.physical_id(set_name);
    let tags = role::tags(reader);
    let (adopt_existing, adopt_from) = adoption(reader, context);
    let mut state = State::default();
    // The boundary caps roles only, so it says nothing about a policy that no role of the set has.
    let mut of_roles: Vec<&[Statement]> = Vec::new();
    for (id, arn) in policies {
        let Some(entry) = set.policies.get(id) else { continue };
        let document = asked.document(&entry.statements);
        role::within(reader, &format!("policy `{id}`"), &document, POLICY_SIZE);
        state.policies.insert(arn, Policy { document, tags: tags.clone() });
    }
    let mut most_tags = TAGS_PER_ENTITY - TAG_KEYS.len();
    for (id, name) in roles {
        let Some(entry) = set.roles.get(id) else { continue };
        // IAM ignores case when it compares the keys of tags.
        let is_given = |key: &String| tags.keys().any(|given| given.to_lowercase() == key.to_lowercase());
        let own = entry.tags.iter().filter(|(key, _)| !is_given(key));
        let own: Tags = own.filter_map(|(key, value)| Some((key.clone(), filled(value, &asked.values)?))).collect();
        let own_count = own.len();
        let role_tags = tags.clone().into_iter().chain(own).collect();
        let description = format!("{id} of the role set {set_name}");
        let role = Role { tags: role_tags, boundary: Some(boundary.clone()), description, ..asked.role(id, entry) };
        most_tags = most_tags.min(TAGS_PER_ENTITY - TAG_KEYS.len() - own_count);
        of_roles.extend(entry.inline.values().map(Vec::as_slice));
        state.roles.insert(name, role);
    }
    if tags.len() > most_tags {
        let found = tags.len().to_string();
        let expected = format!("at most {most_tags} tags (the role set and mlops-roles need the others of IAM's 50)");
        reader.invalid("Tags", &found, &expected);
    }
    let is_attached = |id: &str| {
        let arn = asked.values.get(&format!("{id}.Arn"));
        state.roles.values().any(|role| arn.is_some_and(|arn| role.attached.contains(arn)))
    };
    let attached = set.policies.iter().filter(|(id, _)| is_attached(id));
    of_roles.extend(attached.map(|(_, entry)| entry.statements.as_slice()));
    let beyond: BTreeSet<String> =
        of_roles.into_iter().flat_map(|statements| asked.beyond_boundary(statements)).collect();
    let notices = asked.notices();
    let Asked { values, names_outside_guardrails, .. } = asked;
    let mut attributes: BTreeMap<String, String> = set
        .outputs
        .iter()
        .map(|(name, output)| {
            let otherwise = || filled(&output.otherwise, &values).unwrap_or_default();
            (name.clone(), filled(&output.value, &values).unwrap_or_else(otherwise))
        })
        .collect();
    attributes.insert("BeyondBoundary".to_owned(), beyond.into_iter().collect::<Vec<_>>().join(", "));
    attributes.insert(WARNINGS.to_owned(), String::new());
    ResourceSpec {
        // A set with a name outside the guardrails is not created, and a physical id would not make a read look for
        // that name.
        physical_id: if names_outside_guardrails.is_empty() { physical_id } else { String::new() },
        state,
        attributes,
        adopt_existing,
        adopt_from,
        propagation_wait: propagation_wait(reader),
        notices,
        names_outside_guardrails,
        boundary,
        naming: "RoleNames",
        ..ResourceSpec::default()
    }
}

/// Returns the values of the parameters and of the place.
///
/// An invalid value is used as it is, so that a Delete finds the roles and policies that the value names.
fn parameters(set: &'static RoleSet, reader: &Reader<'_>, context: ReadContext<'_>, as_published: bool) -> Values {
    let mut values = catalog::values_of(context.place);
    let mut invalid: Vec<String> = Vec::new();
    for parameter in &set.parameters {
        let name = parameter.name.as_str();
        let value = match (reader.text(name), &parameter.default) {
            (Some(text), _) => parameter.parse(&text, context.place).unwrap_or_else(|| {
                reader.invalid(name, &text, &parameter.expected());
                invalid.push(format!("${{{name}}}"));
                text
            }),
            (None, Some(default)) => {
                let value = match (filled(default, &values), &parameter.otherwise) {
                    (None, Some(otherwise)) => {
                        // With `AsPublished` the wider value is expected: the source lets in the whole account.
                        if !as_published {
                            reader.tighten(missing_parameter(set, &values, parameter, otherwise));
                        }
                        values.insert(name.to_owned(), otherwise.clone());
                        continue;
                    }
                    (value, _) => value.unwrap_or_default(),
                };
                let is_reported = invalid.iter().any(|part| default.contains(part));
                if !is_reported && parameter.parse(&value, context.place).is_none() {
                    let expected = parameter.expected();
                    reader.report(format!("`{name}`: missing, and the default is `{value}`, expected {expected}"));
                }
                value
            }
            (None, None) if parameter.optional && !reader.has(name) => continue,
            (None, None) => {
                if !reader.has(name) {
                    reader.report(format!("`{name}`: missing, expected {}", parameter.expected()));
                }
                invalid.push(format!("${{{name}}}"));
                continue;
            }
        };
        values.insert(name.to_owned(), value);
    }
    values
}

/// Returns the account ids that the parameters name, separated by commas; `None` where there are none.
fn accounts(set: &RoleSet, values: &Values) -> Option<String> {
    let all = set.parameters.iter().filter(|one| one.form == Form::Account);
    let all: Vec<&str> = all.filter_map(|one| values.get(&one.name)).map(String::as_str).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Returns the validation error for a parameter that takes its wider value.
///
/// A parameter takes the wider value where its default names another parameter and that one is absent.
fn missing_parameter(set: &RoleSet, values: &Values, parameter: &Parameter, otherwise: &str) -> String {
    let default = parameter.default.as_deref().unwrap_or_default();
    let named = set.parameters.iter().filter(|one| default.contains(&format!("${{{}}}", one.name)));
    let absent: Vec<String> = named.map(|one| one.name.clone()).filter(|name| !values.contains_key(name)).collect();
    format!(
        "{absent}: missing, so `{name}` would be `{otherwise}`, and every role of account {account} with a name that \
         matches could act in this account; set {absent} or `{name}`",
        absent = listed(&absent),
        account = accounts(set, values).unwrap_or_default(),
        name = parameter.name,
    )
}

impl Asked<'_> {
    /// Returns the names of the roles to create, by the source's ids, and adds their names and ARNs to the values.
    fn role_names(&mut self) -> BTreeMap<&'static str, Name> {
        let overrides = self.overrides();
        let mut names = BTreeMap::new();
        for (id, entry) in &self.set.roles {
            let (id, path) = (id.as_str(), format!("RoleNames.{id}"));
            let asked = overrides.get(id);
            if !catalog::holds(&entry.when, &self.values) {
                if asked.is_some_and(|name| !name.is_empty()) {
                    let switch: Vec<String> = entry.when.keys().cloned().collect();
                    self.reader.report(format!(
                        "`{path}`: the role is not created, because of the value of {switch}; remove the name, or \
                         change {switch}",
                        switch = listed(&switch)
                    ));
                }
                continue;
            }
            if asked.is_some_and(String::is_empty) {
                match entry.empty_name {
                    Some(EmptyName::NotMade) => continue,
                    Some(EmptyName::Default) => {}
                    None => {
                        self.reader.invalid(&path, "", "the name of a role (the role set always has this role)");
                    }
                }
            }
            let given = asked.filter(|name| !name.is_empty()).cloned();
            let Some(name) = given.clone().or_else(|| filled(&entry.name, &self.values)) else { continue };
            let told = if given.is_some() { Told::By(&path) } else { Told::Default(id, &entry.name) };
            if !self.is_name(&name, ROLE_NAME_LENGTH, told) {
                continue;
            }
            if !self.context.guardrails.allows_path(&entry.path) {
                self.paths_outside_guardrails.insert(entry.path.clone());
            }
            let name = Name::new(name);
            if names.values().any(|other| *other == name) {
                self.reader.report(format!(
                    "`{path}`: another role of the role set has the name `{name}`; choose another name"
                ));
                continue;
            }
            if let Some(why) = reserved(&entry.path, name.as_str(), &entry.name) {
                self.reader.tighten(match told {
                    Told::By(path) => format!("`{path}`: {why}"),
                    Told::Default(..) => format!("`RoleNames.{id}`: missing, and {why}"),
                });
            }
            self.values.insert(id.to_owned(), name.to_string());
            self.values.insert(format!("{id}.Arn"), self.context.place.role_arn(&entry.path, name.as_str()));
            names.insert(id, name);
        }
        names
    }

    /// Returns the ARNs of the customer-managed policies to create, by the source's ids, and adds them to the values.
    fn policy_names(&mut self) -> BTreeMap<&'static str, String> {
        let mut arns = BTreeMap::new();
        for (id, entry) in &self.set.policies {
            if !catalog::holds(&entry.when, &self.values) {
                continue;
            }
            let id = id.as_str();
            let Some(name) = filled(&entry.name, &self.values) else { continue };
            if self.is_name(&name, POLICY_NAME_LENGTH, Told::Default(id, &entry.name)) {
                let arn = self.context.place.policy_arn("/", &name);
                self.values.insert(format!("{id}.Arn"), arn.clone());
                arns.insert(id, arn);
            }
        }
        arns
    }

    /// Returns the names that `RoleNames` gives, by the source's ids.
    fn overrides(&self) -> BTreeMap<String, String> {
        let reader = self.reader;
        let Some(value) = reader.raw("RoleNames") else { return BTreeMap::new() };
        let Some(members) = value.as_object() else {
            reader.invalid("RoleNames", &value.to_string(), "an object that maps the id of a role to a name");
            return BTreeMap::new();
        };
        let ids = || self.set.roles.keys().map(String::as_str);
        let mut names = BTreeMap::new();
        for (id, name) in members {
            let path = format!("RoleNames.{id}");
            if !self.set.roles.contains_key(id) {
                let hint = closest(id, ids()).map(|close| format!(", did you mean `{close}`?"));
                let all = || format!("; its roles are {}", listed(&ids().map(str::to_owned).collect::<Vec<_>>()));
                reader.report(format!("`{path}`: the role set has no such role{}", hint.unwrap_or_else(all)));
                continue;
            }
            match name.as_str() {
                Some(name) => drop(names.insert(id.clone(), name.to_owned())),
                None => reader.invalid(&path, &name.to_string(), "the name of a role, or empty text"),
            }
        }
        names
    }

    /// Returns whether IAM and the guardrails allow the name.
    ///
    /// An error of IAM's rules is reported, and a name outside the guardrails is collected.
    fn is_name(&mut self, name: &str, longest: usize, told: Told<'_>) -> bool {
        if !is_iam_name(name, longest) {
            match told {
                Told::By(path) => self.reader.invalid(path, name, &role::name_rule(longest)),
                Told::Default(id, template) if name.len() > longest => {
                    let parts = self.set.parameters.iter().map(|parameter| &parameter.name);
                    let parts = parts.filter(|part| template.contains(&format!("${{{part}}}"))).cloned();
                    self.reader.report(format!(
                        "{}: the name of `{id}` would be {}, which has {} characters, and IAM allows {longest}; choose \
                         shorter values, or set a name in `RoleNames`",
                        listed(&parts.collect::<Vec<_>>()),
                        shown(name),
                        name.len()
                    ));
                }
                // The errors of the parameters that make up the name are already reported.
                Told::Default(..) => {}
            }
            return false;
        }
        if !self.context.guardrails.allows_name(name) {
            self.names_outside_guardrails.push(name.to_owned());
            return false;
        }
        true
    }

    /// Reports the names and paths that are outside the guardrails.
    fn check_guardrails(&self) {
        let (reader, guardrails) = (self.reader, self.context.guardrails);
        if !self.names_outside_guardrails.is_empty() {
            reader.report(format!(
                "the role set would have the names {}, expected names that begin with one of {} (the deployer's \
                 `RoleNamePrefixes`); choose other names, or ask the deployer to add a prefix",
                listed(&self.names_outside_guardrails),
                listed(&guardrails.role_name_prefixes)
            ));
        }
        for path in &self.paths_outside_guardrails {
            reader.report(format!(
                "the role set has roles at path `{path}`, expected one of {} (the deployer's `RolePaths`); ask the \
                 deployer to add the path",
                listed(&guardrails.role_paths)
            ));
        }
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
        format!("{ID_PREFIX}{set}/{}", hex(&digest).chars().take(12).collect::<String>())
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

    /// Returns the actions that the statements grant and the permissions boundary of `template.yaml` denies.
    fn beyond_boundary(&self, statements: &[Statement]) -> Vec<String> {
        let guardrails = self.context.guardrails;
        let statements = catalog::of_iam(statements, &self.values, self.as_published);
        statements.iter().flat_map(|statement| beyond_boundary(statement, guardrails)).collect()
    }

    /// Returns the role with its trust and policies; the caller adds the description, the boundary and the tags.
    fn role(&self, id: &str, entry: &RoleEntry) -> Role {
        let reader = self.reader;
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
            reader.report(format!(
                "the inline policies of `{id}` would have {size} characters, and IAM allows {INLINE_SIZE_PER_ROLE}; \
                 choose shorter names"
            ));
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
