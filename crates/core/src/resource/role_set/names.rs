//! The names of the roles and policies of a role set.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog;
use crate::catalog::{EmptyName, RoleSet, Values, filled};
use crate::iam::name::{Name, is_iam_name};
use crate::iam::quota::{POLICY_NAME_LENGTH, ROLE_NAME_LENGTH};
use crate::resource::properties::{Problem, Reader, ValidationError};
use crate::resource::reserved::reserved;
use crate::resource::role;
use crate::resource::spec::ReadContext;
use crate::text::{closest, listed};

/// The origin of a name, for validation errors.
#[derive(Clone, Copy)]
enum Told<'a> {
    /// A property gives the name. Holds the path of the property, such as `RoleNames.LaunchRole`.
    By(&'a str),
    /// The set gives the name. Holds the id of the role or policy in the set and the text whose `${…}` are filled in.
    Default(&'a str, &'a str),
}

/// The reader of the names, which come from `RoleNames` or from the set itself.
#[derive(Debug)]
pub struct Names<'a> {
    /// The set of the catalogue.
    set: &'static RoleSet,
    /// The properties; collects the validation errors.
    reader: &'a Reader<'a>,
    /// What the properties are read against.
    context: ReadContext<'a>,
    /// The values that `${…}` is filled with. The names and ARNs that were read are among them.
    pub values: Values,
    /// Names without any of the deployer's `RoleNamePrefixes`.
    pub outside_guardrails: Vec<String>,
    /// Paths of roles that are not among the deployer's `RolePaths`.
    paths_outside_guardrails: BTreeSet<String>,
}

impl<'a> Names<'a> {
    /// Starts with the values of the parameters.
    pub fn new(set: &'static RoleSet, reader: &'a Reader<'a>, context: ReadContext<'a>, values: Values) -> Self {
        let (outside_guardrails, paths_outside_guardrails) = (Vec::new(), BTreeSet::new());
        Self { set, reader, context, values, outside_guardrails, paths_outside_guardrails }
    }

    /// Returns the names of the roles to create, by the source's ids, and adds their names and ARNs to the values.
    pub fn of_roles(&mut self) -> BTreeMap<&'static str, Name> {
        let overrides = self.overrides();
        let mut names = BTreeMap::new();
        for (id, entry) in &self.set.roles {
            let (id, path) = (id.as_str(), format!("RoleNames.{id}"));
            let asked = overrides.get(id);
            if !catalog::holds(&entry.when, &self.values) {
                if asked.is_some_and(|name| !name.is_empty()) {
                    let switch: Vec<String> = entry.when.keys().cloned().collect();
                    let problem = format!(
                        "the role is not created, because of the value of {switch}; remove the name, or change {switch}",
                        switch = listed(&switch)
                    );
                    self.reader.report(&path, problem);
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
                let problem = format!("another role of the role set has the name `{name}`; choose another name");
                self.reader.report(&path, problem);
                continue;
            }
            if let Some(why) = reserved(&entry.path, name.as_str(), &entry.name) {
                let missing = if matches!(told, Told::Default(..)) { "missing, and " } else { "" };
                self.reader.tighten(&path, format!("{missing}{why}"));
            }
            self.values.insert(id.to_owned(), name.to_string());
            self.values.insert(format!("{id}.Arn"), self.context.place.role_arn(&entry.path, name.as_str()));
            names.insert(id, name);
        }
        names
    }

    /// Returns the ARNs of the customer-managed policies to create, by the source's ids, and adds them to the values.
    pub fn of_policies(&mut self) -> BTreeMap<&'static str, String> {
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
                reader.report(&path, format!("the role set has no such role{}", hint.unwrap_or_else(all)));
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
                    let problem = Problem::LongName { id: id.to_owned(), name: name.to_owned(), longest };
                    self.reader.add(ValidationError { paths: parts.collect(), problem });
                }
                // The errors of the parameters that make up the name are already reported.
                Told::Default(..) => {}
            }
            return false;
        }
        if !self.context.guardrails.allows_name(name) {
            self.outside_guardrails.push(name.to_owned());
            return false;
        }
        true
    }

    /// Reports the names and paths that are outside the guardrails.
    pub fn check_guardrails(&self) {
        let (reader, guardrails) = (self.reader, self.context.guardrails);
        if !self.outside_guardrails.is_empty() {
            let problem = format!(
                "the role set would have the names {}, expected names that begin with one of {} (the deployer's \
                 `RoleNamePrefixes`); choose other names, or ask the deployer to add a prefix",
                listed(&self.outside_guardrails),
                listed(&guardrails.role_name_prefixes)
            );
            reader.report("", problem);
        }
        for path in &self.paths_outside_guardrails {
            let problem = format!(
                "the role set has roles at path `{path}`, expected one of {} (the deployer's `RolePaths`); ask the \
                 deployer to add the path",
                listed(&guardrails.role_paths)
            );
            reader.report("", problem);
        }
    }
}
