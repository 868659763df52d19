//! What IAM checks of a document or a name, whatever it is for.

use serde_json::Value;

use crate::account::call::Params;
use crate::account::model::books::Books;
use crate::account::reply::Refusal;
use crate::fixtures::ACCOUNT;

/// The refusal of what exceeds a quota.
pub fn limit(message: &str) -> Refusal {
    Refusal::new(409, "LimitExceeded", message)
}

/// The number of characters that IAM counts against the quotas of documents.
pub fn size(document: &Value) -> usize {
    document.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

/// The document in the request, which is a policy or a trust policy.
pub fn document(params: &Params) -> Result<Value, Refusal> {
    let text = match params.get("PolicyDocument") {
        "" => params.get("AssumeRolePolicyDocument"),
        text => text,
    };
    let malformed = |why: &str| Refusal::new(400, "MalformedPolicyDocument", why);
    if !text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
        return Err(malformed("The specified value is invalid"));
    }
    serde_json::from_str(text).map_err(|_| malformed("Syntax errors in policy."))
}

/// The document of a customer-managed policy in the request.
pub fn managed(params: &Params) -> Result<Value, Refusal> {
    let document = document(params)?;
    if size(&document) > 6_144 {
        return Err(limit("Cannot exceed quota for PolicySize: 6144"));
    }
    Ok(document)
}

/// The trust policy in the request, in the form that IAM keeps. `lenient` accepts every principal.
pub fn trust(params: &Params, books: &Books, lenient: bool) -> Result<Value, Refusal> {
    let trust = document(params)?;
    if size(&trust) > 2_048 {
        return Err(limit("Cannot exceed quota for ACLSizePerRole: 2048"));
    }
    if !lenient {
        known_principals(&trust, books)?;
    }
    Ok(rooted(trust))
}

/// Refuses the name or the tags of something to create. `longest` is the maximum length of the name.
pub fn creation(params: &Params, name: &str, longest: usize) -> Result<(), Refusal> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if name.is_empty() || name.len() > longest || !name.chars().all(fine) {
        return Err(Refusal::new(400, "ValidationError", &format!("name {name} is invalid")));
    }
    tag_count(params.tags().len())
}

/// Refuses more tags than an entity may have.
pub fn tag_count(count: usize) -> Result<(), Refusal> {
    if count > 50 { Err(limit("Cannot exceed quota for TagsPerResource: 50")) } else { Ok(()) }
}

fn known_principals(trust: &Value, books: &Books) -> Result<(), Refusal> {
    let statements = trust["Statement"].as_array().into_iter().flatten();
    let named = statements.filter_map(|statement| statement["Principal"]["AWS"].as_array()).flatten();
    for arn in named.filter_map(Value::as_str) {
        let role = arn.rsplit('/').next().unwrap_or_default().to_lowercase();
        // The books don't hold roles of other accounts.
        if arn.contains(":role/") && arn.contains(ACCOUNT) && !books.roles.contains_key(&role) {
            let why = format!("Invalid principal in policy: \"AWS\":\"{arn}\"");
            return Err(Refusal::new(400, "MalformedPolicyDocument", &why));
        }
    }
    Ok(())
}

/// Converts a trusted account to the form that IAM keeps: an account id becomes the ARN of the account's root.
fn rooted(mut trust: Value) -> Value {
    for statement in trust["Statement"].as_array_mut().into_iter().flatten() {
        for one in statement.pointer_mut("/Principal/AWS").and_then(Value::as_array_mut).into_iter().flatten() {
            let account = one.as_str().filter(|text| text.len() == 12 && !text.contains(':'));
            *one = account.map_or(one.clone(), |account| Value::from(format!("arn:aws:iam::{account}:root")));
        }
    }
    trust
}
