//! Shows the resources and the conditions of the tables, in which members of a call stand.

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::integration::arn_template::ArnTemplate;
use mlops_roles_core::permissions::integration::placeholder::Placeholder;
use mlops_roles_core::permissions::integration::resource_pattern::ResourcePattern;
use serde_json::Value;

use super::form::{Before, Form, condition_form, form};
use super::shown::{Member, Resource};

/// What a call without a member of a resource means.
pub(super) enum Absent<'a> {
    /// The task is refused.
    Refused,
    /// The member counts as known only at run time.
    AtRunTime,
    /// The same if one of these members names the resource, or else the task is refused.
    Named(&'a [String]),
    /// The resource is left out.
    Nothing,
}

/// What a call without the member of one of several resources means.
const LEFT_OUT: &str = "the resource is left out";

/// The place that stands for the one of any state machine.
pub(super) fn anywhere() -> Place {
    let [partition, region, account] = ["${Partition}", "${Region}", "${Account}"].map(str::to_owned);
    Place { partition, region, account }
}

/// A resource that the tables write as a template. `why` is the reason for a wildcard in the template itself.
pub(super) fn resource(template: &str, absent: &Absent<'_>, why: Option<&str>) -> Resource {
    let parsed = ArnTemplate::parse(template);
    let because = || why.filter(|why| !why.is_empty()).map(str::to_owned);
    if parsed.is_any() {
        return Resource { arn: "*".to_owned(), wildcard_because: because(), members: Vec::new() };
    }
    let mut arn = parsed.base(&anywhere());
    // The same without the members, whose wildcards have reasons of their own.
    let mut literal = arn.clone();
    let mut members = Vec::new();
    let mut rest = parsed.text;
    while let Some((before, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}').unwrap_or((after, ""));
        let placeholder = Placeholder::parse(inside);
        let (how, kind) = placeholder.how.split_once(' ').unwrap_or((placeholder.how, ""));
        let form = form(how);
        arn.push_str(before);
        literal.push_str(before);
        let kind = if let Before::Is(kind) = form.before { kind } else { kind };
        let named = format!("{{{}}}", placeholder.member);
        match form.before {
            Before::KindAlone => arn.push_str(kind),
            Before::Whole(beginning) => arn = [beginning, named.as_str()].concat(),
            Before::WholeWithoutKind if kind.is_empty() => arn = named,
            Before::Kind | Before::Is(_) | Before::WholeWithoutKind => arn.extend([kind, named.as_str()]),
        }
        members.push(member(&placeholder, form, absent));
        rest = after;
    }
    arn.push_str(rest);
    literal.push_str(rest);
    let wildcard_because = if literal.contains(['*', '?']) { because() } else { None };
    Resource { arn, wildcard_because, members }
}

/// A resource that the derivation has rendered.
pub(super) fn of_pattern(pattern: &ResourcePattern) -> Resource {
    let wildcard_because = pattern.wildcard.as_ref().map(|why| why.why().to_owned());
    Resource { arn: pattern.arn.clone(), wildcard_because, members: Vec::new() }
}

/// A condition with `{KmsKeyId}` for each placeholder, whose members it adds to `members`.
pub(super) fn condition(written: &Value, members: &mut Vec<Member>) -> Value {
    match written {
        Value::Object(parts) => parts.iter().map(|(key, part)| (key.clone(), condition(part, members))).collect(),
        Value::String(text) => match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(inside) => {
                let placeholder = Placeholder::parse(inside);
                let name = placeholder.member;
                members.push(member(&placeholder, condition_form(placeholder.how), &Absent::Refused));
                format!("{{{name}}}").into()
            }
            None => written.clone(),
        },
        other => other.clone(),
    }
}

/// A member of the call, with what becomes of its value.
fn member(placeholder: &Placeholder<'_>, form: &Form, absent: &Absent<'_>) -> Member {
    let not_taken = |what: &str| match absent {
        Absent::Nothing => format!("{what} names no resource"),
        _ => format!("{what} is refused"),
    };
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Member {
        name: placeholder.member.to_owned(),
        taken: form.taken.to_owned(),
        refused: some(form.refused).map(|what| not_taken(&what)),
        wildcard_because: some(placeholder.wildcard()),
        absent: match (placeholder.default, absent) {
            (Some(""), _) => LEFT_OUT.to_owned(),
            (None, Absent::Nothing) => format!("{LEFT_OUT}; if none remains, counts as known only at run time"),
            (Some(default), _) => format!("`{default}`"),
            (None, Absent::Refused) => "the task is refused".to_owned(),
            (None, Absent::AtRunTime) => "counts as known only at run time".to_owned(),
            (None, Absent::Named(members)) => {
                let members: Vec<String> = members.iter().map(|member| format!("`{member}`")).collect();
                format!("counts as known only at run time if {} is set, else refused", members.join(" or "))
            }
        },
    }
}
