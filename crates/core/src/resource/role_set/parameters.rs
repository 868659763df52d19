//! The parameters of a role set: the values that a template sets as properties, and their defaults.

use crate::catalog;
use crate::catalog::{Form, Parameter, RoleSet, Values, filled};
use crate::resource::properties::{Reader, ValidationError};
use crate::resource::spec::ReadContext;
use crate::text::listed;

/// Returns the values of the parameters and of the place.
///
/// An invalid value is used as it is, so that a Delete finds the roles and policies that the value names.
pub fn parameters(set: &'static RoleSet, reader: &Reader<'_>, context: ReadContext<'_>, as_published: bool) -> Values {
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
                            reader.add_tightened(missing_parameter(set, &values, parameter, otherwise));
                        }
                        values.insert(name.to_owned(), otherwise.clone());
                        continue;
                    }
                    (value, _) => value.unwrap_or_default(),
                };
                let is_reported = invalid.iter().any(|part| default.contains(part));
                if !is_reported && parameter.parse(&value, context.place).is_none() {
                    let expected = parameter.expected();
                    reader.report(name, format!("missing, and the default is `{value}`, expected {expected}"));
                }
                value
            }
            (None, None) if parameter.optional && !reader.has(name) => continue,
            (None, None) => {
                if !reader.has(name) {
                    reader.report(name, format!("missing, expected {}", parameter.expected()));
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
pub fn accounts(set: &RoleSet, values: &Values) -> Option<String> {
    let all = set.parameters.iter().filter(|one| one.form == Form::Account);
    let all: Vec<&str> = all.filter_map(|one| values.get(&one.name)).map(String::as_str).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Returns the validation error for a parameter that takes its wider value.
///
/// A parameter takes the wider value where its default names another parameter and that one is absent.
fn missing_parameter(set: &RoleSet, values: &Values, parameter: &Parameter, otherwise: &str) -> ValidationError {
    let default = parameter.default.as_deref().unwrap_or_default();
    let named = set.parameters.iter().filter(|one| default.contains(&format!("${{{}}}", one.name)));
    let absent: Vec<String> = named.map(|one| one.name.clone()).filter(|name| !values.contains_key(name)).collect();
    let problem = format!(
        "missing, so `{name}` would be `{otherwise}`, and every role of account {account} with a name that matches \
         could act in this account; set {absent} or `{name}`",
        absent = listed(&absent),
        account = accounts(set, values).unwrap_or_default(),
        name = parameter.name,
    );
    ValidationError { paths: absent, problem: problem.into() }
}
