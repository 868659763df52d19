//! The conditions of grants, whose placeholders the values of a call replace.
//!
//! | `how` | literal | expression |
//! |---|---|---|
//! | empty, `any` | unchanged | `*` |
//! | `beginning` | unchanged | the known beginning and `*` |
//! | `role` | the ARN of the role | the roles that are told |
//! | `alias` | `alias/churn`, also of its ARN | the known beginning of the alias and `*` |
//! | `url` | the URL, and without its query | the known beginning and `*` |
//! | `job-template` | the ARN of the template with this id | the same with the known beginning and `*` |

use serde_json::Value;

use crate::iam::arn::{Arn, Place};
use crate::permissions::asl::Task;
use crate::permissions::asl::value::Found;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::integration::passed_role::PassedRole;
use crate::permissions::integration::placeholder::Placeholder;
use crate::permissions::state_error::StateError;

/// Replaces the placeholders of a condition with the values of the task's members.
///
/// # Errors
/// Fails if a member is missing or has a wildcard, or if `PassedRole::roles` refuses its role.
pub(super) fn filled(condition: &Value, task: &Task, context: DeriveContext<'_>) -> Result<Value, StateError> {
    Ok(match condition {
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| Ok((key.clone(), filled(value, task, context)?)));
            Value::Object(members.collect::<Result<_, StateError>>()?)
        }
        Value::String(text) => match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(inside) => listed(&Placeholder::parse(inside), task, context)?,
            None => condition.clone(),
        },
        other => other.clone(),
    })
}

/// The values for a condition, as a JSON list of at least one text.
fn listed(placeholder: &Placeholder<'_>, task: &Task, context: DeriveContext<'_>) -> Result<Value, StateError> {
    let mut values: Vec<String> = Vec::new();
    for found in task.arguments.at(placeholder.member) {
        match (placeholder.how, found) {
            ("role", found) => {
                values.extend(PassedRole::of(placeholder.member).roles(&found, &task.path, context)?);
            }
            ("url", Found::Literal(text)) if !text.contains('*') => {
                // AWS does not say whether the key has the query, so both forms are allowed.
                values.extend(text.split_once('?').map(|(url, _)| url.to_owned()));
                values.push(without_wildcards(&text));
            }
            ("alias", Found::Literal(text)) if !text.contains(['*', '?']) => {
                values.push(Arn::parse(&text).map_or(text.as_str(), |arn| arn.resource).to_owned());
            }
            (_, Found::Literal(text)) if text.contains(['*', '?']) => {
                return Err(placeholder.with_wildcard(&text));
            }
            ("job-template", Found::Literal(id)) => values.push(job_template(&id, context.place)),
            (_, Found::Literal(text)) => values.push(text),
            ("job-template", Found::Expression { prefix }) => {
                let known = prefix.split(['*', '?', '$']).next().unwrap_or_default();
                values.push(job_template(&format!("{known}*"), context.place));
            }
            // The other grant of the key has no condition. Here the beginning of the alias is known.
            ("alias", Found::Expression { prefix }) => {
                let known = prefix.split(['*', '?', '$']).next().unwrap_or_default();
                let known = known.find("alias/").and_then(|at| known.get(at..)).unwrap_or_default();
                values.push(format!("{known}*"));
            }
            ("url", Found::Expression { prefix }) if prefix.starts_with("https://") => {
                let known = prefix.split(['*', '$']).next().unwrap_or_default();
                values.extend(known.split_once('?').map(|(url, _)| url.to_owned()));
                values.push(without_wildcards(known) + "*");
            }
            ("url", Found::Expression { .. }) => values.push("https://*".to_owned()),
            ("beginning", Found::Expression { prefix }) => {
                values.push(format!("{}*", prefix.split(['*', '?', '$']).next().unwrap_or_default()));
            }
            (_, Found::Expression { .. }) => values.push("*".to_owned()),
            (_, Found::Absent) => {}
        }
    }
    if values.is_empty() {
        return Err(placeholder.missing());
    }
    Ok(values.into())
}

/// The ARN of a job template of EMR on EKS.
fn job_template(id: &str, place: &Place) -> String {
    let Place { partition, region, account } = place;
    format!("arn:{partition}:emr-containers:{region}:{account}:/jobtemplates/{id}")
}

/// A URL in which `?` stands for itself and not for any character.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>
fn without_wildcards(url: &str) -> String {
    url.replace('?', "${?}")
}
