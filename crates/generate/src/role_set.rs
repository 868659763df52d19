//! Turns the files of the catalogue into the properties and attributes of a role set.

use std::collections::BTreeMap;

use mlops_roles_core::catalog::{EmptyName, Form, LABEL_LENGTH, Output, Parameter, RoleSet};
use mlops_roles_core::iam::quota::ROLE_NAME_LENGTH;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Map, Value, json};

use crate::common::{BEYOND_BOUNDARY, WARNED};
use crate::forms::{iam_name, scalar, text, words};

/// The names of parameters or outputs, each with its description.
pub type Descriptions = [(&'static str, &'static str)];

/// The outputs whose value alone does not show what they are for. The name of the set and a full stop follow.
const OUTPUTS: [(&str, &str); 6] = [
    (
        "AssumeDSAdministratorRole",
        "The console address at which a person switches to the role `DataScienceAdministratorRole`",
    ),
    (
        "AssumeTeamAdminRole",
        "The console address at which a person switches to the role `DataScienceTeamAdministratorRole`",
    ),
    ("AssumeDataScientistRole", "The console address at which a person switches to the role `DataScientistRole`"),
    ("ExecutionRoleArn", "The ARN of the role that models run with"),
    ("InitDestroyPolicyArn", "The ARN of the policy for `init` and `destroy`"),
    ("RunPolicyArn", "The ARN of the policy for `run`"),
];

/// Whether the policies are the narrowed or the published ones.
#[derive(JsonSchema)]
pub enum Fidelity {
    Narrowed,
    AsPublished,
}

/// Adds the parameters of the set and its roles to the properties.
pub fn describe(properties: &mut Map<String, Value>, set: &RoleSet, parameters: &Descriptions) {
    for parameter in &set.parameters {
        properties.entry(&parameter.name).or_insert_with(|| described(parameter, parameters).to_value());
    }
    let Some(names) = properties.get_mut("RoleNames").and_then(Value::as_object_mut) else { return };
    names.insert("additionalProperties".to_owned(), false.into());
    if let Some(names) = names.entry("properties").or_insert_with(|| json!({})).as_object_mut() {
        names.extend(role_names(set));
    }
}

/// Returns the schema of each role's name. An empty name is invalid where the set does not define what it means.
fn role_names(set: &RoleSet) -> impl Iterator<Item = (String, Value)> {
    set.roles.iter().map(|(id, entry)| {
        let least = usize::from(entry.empty_name.is_none() && entry.when.is_empty());
        let mut name = iam_name(least..=ROLE_NAME_LENGTH);
        let empty = match entry.empty_name {
            Some(EmptyName::NotMade) => " With empty text, the role is not created.",
            Some(EmptyName::Default) => " Empty text stands for the default name.",
            None => "",
        };
        let description = format!("The name of the role `{id}`: 1 to 64 letters, digits and `+=,.@_-`.{empty}");
        name.insert("description".to_owned(), description.into());
        name.insert("x-default".to_owned(), format!("`{}`", readable(&entry.name)).into());
        (id.clone(), name.to_value())
    })
}

/// Returns the schema of a parameter, with its description and its default.
fn described(parameter: &Parameter, descriptions: &Descriptions) -> Schema {
    let mut schema = form(parameter);
    if let Some((_, description)) = descriptions.iter().find(|(name, _)| *name == parameter.name) {
        schema.insert("description".to_owned(), (*description).into());
    }
    let default = match &parameter.default {
        Some(default) => format!("`{}`", readable(default)),
        None if parameter.optional => "**required** for a new resource".to_owned(),
        None => "**required**".to_owned(),
    };
    schema.insert("x-default".to_owned(), default.into());
    schema
}

/// Replaces the placeholders of the catalogue: `${NamePrefix}-${Region}` becomes `<NamePrefix>-<region>`.
fn readable(text: &str) -> String {
    let of_place = [("${Partition}", "<partition>"), ("${Region}", "<region>"), ("${Account}", "<account>")];
    let text = of_place.iter().fold(text.to_owned(), |text, (placeholder, word)| text.replace(placeholder, word));
    text.replace("${", "<").replace('}', ">")
}

/// Returns the schema of a parameter, without a description.
fn form(parameter: &Parameter) -> Schema {
    match parameter.form {
        Form::Label => scalar(&format!("^[A-Za-z0-9-]{{1,{LABEL_LENGTH}}}$")),
        Form::LowerLabel => scalar(&format!("^[a-z0-9-]{{1,{LABEL_LENGTH}}}$")),
        Form::Account => scalar("^[0-9]{12}$"),
        Form::YesNo => json_schema!({ "type": ["boolean", "string"], "pattern": "^(YES|NO|true|false)$" }),
        Form::Choice => words(parameter.choices.iter().map(String::as_str)),
        Form::RoleName => iam_name(1..=ROLE_NAME_LENGTH),
        Form::RoleArn => text("^arn:[^:]+:iam::[0-9]{12}:role/(.*/)?[A-Za-z0-9+=,.@_-]{1,64}$"),
        Form::RepositoryArn => text("^arn:[^:*?$]+:ecr:[^:*?$]+:[0-9]{12}:repository/[A-Za-z0-9._/-]+$"),
        Form::Bucket => scalar("^(?=.*[a-z0-9])[a-z0-9.-]{3,63}$"),
        Form::BucketOrPattern => scalar("^(?=.*[a-z0-9])[a-z0-9.*-]{3,63}$"),
        Form::KeyOrAll => text(r"^(\*|arn:[^:*?$]+:kms:[^:*?$]+:[0-9]{12}:key/[A-Za-z0-9-]+)$"),
    }
}

/// Returns the attributes of the sets, each with its description.
///
/// With several sets, a description names the set of each meaning.
pub fn attributes(sets: &[(&str, &RoleSet)]) -> Map<String, Value> {
    let mut attributes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, set) in sets {
        let of_set = if sets.len() > 1 { format!(" of the set `{name}`") } else { String::new() };
        for (output, told) in &set.outputs {
            attributes.entry(output).or_default().push(meaning(output, told, set, &of_set));
        }
    }
    for (name, meaning) in [BEYOND_BOUNDARY, WARNED] {
        attributes.entry(name).or_default().push(meaning.to_owned());
    }
    attributes.into_iter().map(|(name, meanings)| (name.to_owned(), meanings.join(" ").into())).collect()
}

/// Describes an output of the set. `of_set` names the set, if that is needed.
fn meaning(name: &str, output: &Output, set: &RoleSet, of_set: &str) -> String {
    let value = output.value.as_str();
    if value.is_empty() {
        return format!("An output{of_set} that is always empty, as in the source.");
    }
    let known = OUTPUTS.iter().find(|(output, _)| *output == name).map(|(_, what)| (*what).to_owned());
    let what = known.unwrap_or_else(|| of_value(value));
    let is_about = |id: &str| value.contains(&format!("${{{id}}}")) || value.contains(&format!("${{{id}.Arn}}"));
    let role = set.roles.iter().find(|(id, _)| is_about(id));
    let may_be_absent =
        role.is_some_and(|(_, role)| !role.when.is_empty() || role.empty_name == Some(EmptyName::NotMade));
    let absent = match (may_be_absent, output.otherwise.is_empty()) {
        (true, true) => " Empty if the role is not created.",
        (true, false) => " If the role is not created, the ARN has the published name.",
        (false, _) => "",
    };
    format!("{what}{of_set}.{absent}")
}

/// Describes the value of an output, such as `${Role.Arn}`.
fn of_value(value: &str) -> String {
    let role = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    match (role, role.and_then(|role| role.strip_suffix(".Arn"))) {
        (_, Some(of)) => format!("The ARN of the role `{of}`"),
        (Some(role), None) => format!("The name of the role `{role}`"),
        (None, None) => format!("`{value}`"),
    }
}
