//! The needs of an API for one call: the ARNs and conditions that the templates of the table lead to.

use serde_json::{Value, json};

use mlops_roles_core::iam::arn::{Arn, matches};
use mlops_roles_core::permissions::integration::api_need::ApiNeed;

use super::forms::{HERE, Hole, Part};
use super::{Context, Expected};

/// What the first item of each list has at a path.
pub(super) fn found<'a>(call: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(call, |value, part| {
        let member = value.get(part.trim_end_matches("[*]"))?;
        if part.ends_with("[*]") { member.get(0) } else { Some(member) }
    })
}

fn literal_at<'a>(call: &'a Value, path: &str) -> Option<&'a str> {
    match path.strip_suffix(".keys()") {
        Some(map) => found(call, map)?.as_object()?.keys().next().map(String::as_str),
        None => found(call, path)?.as_str(),
    }
}

/// Sets a member, unless a holder of it has a text. A list gets one item.
fn put(value: &mut Value, path: &[&str], text: &str) {
    let Some((first, rest)) = path.split_first() else {
        if value.is_null() {
            *value = json!(text);
        }
        return;
    };
    if value.is_null() {
        *value = json!({});
    }
    let (name, each) = first.strip_suffix("[*]").map_or((*first, false), |name| (name, true));
    let Some(members) = value.as_object_mut() else { return };
    let member = members.entry(if name == "keys()" { text } else { name }).or_insert(Value::Null);
    if !each {
        put(member, rest, text);
        return;
    }
    if member.is_null() {
        *member = json!([null]);
    }
    if let Some(item) = member.get_mut(0) {
        put(item, rest, text);
    }
}

pub(super) fn put_at(call: &mut Value, path: &str, text: &str) {
    put(call, &path.split('.').collect::<Vec<_>>(), text);
}

/// Whether a call has a member of `given` or `lacking`: `Tags`, `Type=Automation` or `KeyId=alias/*`.
pub(super) fn has(call: &Value, member: &str) -> bool {
    let Some((path, value)) = member.split_once('=') else { return found(call, member).is_some() };
    literal_at(call, path).is_some_and(|text| matches(value, text))
}

fn applies(need: &ApiNeed, call: &Value) -> bool {
    let one_of = |members: &[String]| members.is_empty() || members.iter().any(|member| has(call, member));
    one_of(&need.given) && one_of(&need.also) && !need.lacking.iter().any(|member| has(call, member))
}

/// The templates of a need that name a service.
pub(super) fn scoped(need: &ApiNeed) -> impl Iterator<Item = &String> {
    need.on.iter().chain(&need.otherwise).filter(|on| on.contains(':'))
}

/// The beginning of the ARN of a template up to the resource, and the text of the resource.
fn divided(template: &str) -> (String, &str) {
    let (service, rest) = template.split_once(':').unwrap();
    let is_place = |region: &str, account: &str| {
        (matches!(region, "" | "@" | "*") || region.ends_with(|end: char| end.is_ascii_digit()))
            && matches!(account, "" | "@" | "*" | "aws")
    };
    let parts: Vec<&str> = rest.splitn(3, ':').collect();
    let (region, account, resource) = match parts[..] {
        [region, account, resource] if is_place(region, account) => (region, account, resource),
        _ if service == "iam" => ("", "@", rest),
        _ => ("@", "@", rest),
    };
    let (our_region, our_account) = HERE.split_once(':').unwrap();
    let (region, account) = (region.replace('@', our_region), account.replace('@', our_account));
    (format!("arn:aws:{service}:{region}:{account}:"), resource)
}

/// The ARNs of a template, and whether each member that it needs is there in a form that it takes.
fn rendered(template: &str, call: &Value) -> (Vec<String>, bool) {
    if !template.contains(':') {
        return (vec![template.to_owned()], true);
    }
    let (base, resource) = divided(template);
    let (holes, rest) = Hole::all(resource, template.split(':').next().unwrap());
    let (mut done, mut fits) = (vec![(base, false)], true);
    for (before, hole) in holes {
        let parts = match literal_at(call, hole.member).or(hole.default) {
            Some("") => Some(Vec::new()),
            Some("*") => Some(vec![Part::Piece(format!("{}*", hole.kind))]),
            Some(text) => hole.form(text),
            None => None,
        };
        fits &= parts.is_some();
        let parts = parts.unwrap_or_default();
        let extended = |(so_far, is_full): (String, bool)| -> Vec<(String, bool)> {
            if is_full {
                return vec![(so_far, true)];
            }
            let resource = so_far.splitn(6, ':').nth(5).unwrap();
            let extended = |part: &Part| match part {
                Part::Piece(text) => (format!("{so_far}{before}{text}"), false),
                Part::At(head, text) => (format!("{head}{resource}{before}{text}"), false),
                Part::Whole(text) => (text.clone(), false),
                Part::Full(text) => (text.clone(), true),
            };
            parts.iter().map(extended).collect()
        };
        done = done.into_iter().flat_map(extended).collect();
    }
    (done.into_iter().map(|(arn, is_full)| if is_full { arn } else { arn + rest }).collect(), fits)
}

/// The values of the keys in the condition of a need, with an `x` for each wildcard.
fn context(need: &ApiNeed, call: &Value) -> Context {
    let operators = need.condition.iter().filter_map(Value::as_object).flat_map(serde_json::Map::values);
    let keys = operators.filter_map(Value::as_object).flatten();
    let value = |text: &str| match text.strip_prefix('{').and_then(|inside| inside.split('|').next()) {
        Some(member) => {
            let literal = literal_at(call, member).unwrap_or_default();
            Arn::parse(literal).map_or(literal, |arn| arn.resource).to_owned()
        }
        None => text.replace('*', "x"),
    };
    keys.map(|(key, text)| (key.clone(), json!(value(text.as_str().unwrap())))).collect()
}

/// What the policy of a call must allow. Returns `None` if a literal of the call has no form that a need takes.
pub(super) fn expected(needs: &[ApiNeed], own: &str, call: &Value) -> Option<Vec<Expected>> {
    let mut expected = Vec::new();
    for need in needs.iter().filter(|need| !need.on.is_empty() && applies(need, call)) {
        let (mut patterns, mut all_fit) = (Vec::new(), true);
        for templates in [&need.on, &need.otherwise] {
            if patterns.is_empty() {
                for (arns, fits) in templates.iter().map(|template| rendered(template, call)) {
                    patterns.extend(arns);
                    all_fit &= fits;
                }
            }
        }
        if patterns.is_empty() && !all_fit {
            return None;
        }
        let actions = if need.allow.is_empty() { vec![own.to_owned()] } else { need.allow.clone() };
        for action in actions {
            let one = |pattern: &String| Expected {
                action: action.clone(),
                pattern: pattern.clone(),
                context: context(need, call),
            };
            expected.extend(patterns.iter().map(one));
        }
    }
    Some(expected)
}
