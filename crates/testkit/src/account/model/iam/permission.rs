//! What `template.yaml` permits the function: some calls only on tagged entities, some only on roles with a permissions
//! boundary.

use crate::account::call::Params;
use crate::account::model::books::Books;
use crate::account::reply::Refusal;

/// The actions that are permitted on entities with the tags of this project.
const BY_TAG: [&str; 8] = [
    "DeleteRole",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "UpdateRole",
    "CreatePolicyVersion",
    "DeletePolicy",
    "DeletePolicyVersion",
    "SetDefaultPolicyVersion",
];

/// The actions that are permitted on roles with a permissions boundary.
const BY_BOUNDARY: [&str; 3] = ["AttachRolePolicy", "PutRolePolicy", "UpdateAssumeRolePolicy"];

/// Refuses the call unless the function is permitted to make it.
pub fn check(books: &Books, params: &Params) -> Result<(), Refusal> {
    let action = params.action.as_str();
    let (name, arn) = (params.get("RoleName"), params.get("PolicyArn"));
    let role = books.roles.get(&name.to_lowercase());
    let tags = role.map(|role| &role.tags).or_else(|| books.policies.get(arn).map(|policy| &policy.tags));
    let of_service_catalog = [name, arn].iter().any(|name| name.contains("AmazonSageMakerServiceCatalogProducts"));
    let unmarked = !of_service_catalog
        && BY_TAG.contains(&action)
        && !tags.is_some_and(|tags| tags.contains_key("mlops-roles:stack-id"));
    let unbounded = BY_BOUNDARY.contains(&action) && role.is_none_or(|role| role.boundary.is_none());
    if unmarked || unbounded { Err(Refusal::new(403, "AccessDenied", "not authorized")) } else { Ok(()) }
}
