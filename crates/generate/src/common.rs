//! Properties that several resource types share, and functions that build the rules of a schema.

use mlops_roles_core::resource::role::{SESSION_SECONDS, USER_TAGS};
use mlops_roles_core::resource::single_role::PROPAGATION_WAIT_RANGE;
use mlops_roles_core::resource::spec::{NOT_VERIFIED, WARNINGS};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::forms::{
    Anything, Description, Flag, Number, OneOrMany, Path, PolicyArn, PolicyName, RoleName, StackId, TagKey, TagValue,
    Text, Token,
};

/// What CloudFormation and every type know.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
pub struct Always {
    /// The function that provisions it: the export `<stack>-ServiceToken` of the stack that mlops-roles is deployed as
    service_token: Token,
    /// CloudFormation's own: how long it waits for the function, in seconds. 1,200 leaves room for two retries
    service_timeout: Option<Number<1, 3_600>>,
    /// Any text; changing it makes CloudFormation ask again, which puts drift right
    revision: Option<Anything>,
}

/// What every type knows that makes roles with a user's properties.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
pub struct Makes {
    /// One of the boundaries that the deployer allows; by default the deployer's
    permissions_boundary: Option<Text>,
    /// On roles and policies
    #[schemars(length(max = USER_TAGS))]
    tags: Option<Vec<Tag>>,
    /// `true`: take over a role or policy of that name that no stack owns
    adopt_existing: Option<Flag>,
    /// The id of a stack of this account and region that owned them and no longer holds them
    adopt_from: Option<StackId>,
    /// How long to wait after a role was made, so that it can be assumed; 10 by default
    settle_seconds: Option<Number<{ *PROPAGATION_WAIT_RANGE.start() }, { *PROPAGATION_WAIT_RANGE.end() }>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields)]
struct Tag {
    key: TagKey,
    value: TagValue,
}

/// What every type knows that makes one role.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
pub struct MakesOne {
    /// With one of the deployer's prefixes. Changing it replaces the role
    role_name: Option<RoleName>,
    /// One of the deployer's `RolePaths`; of role and policy. Changing it replaces the role
    path: Option<Path>,
    /// At most 1,000 characters of Latin-1
    description: Option<Description>,
    /// Seconds; 3,600 by default
    max_session_duration: Option<Number<{ *SESSION_SECONDS.start() }, { *SESSION_SECONDS.end() }>>,
    /// The scoped customer-managed policy, with one of the deployer's prefixes; `<RoleName>-Policy` by default
    policy_name: Option<PolicyName>,
    /// The inline policy with the grant to pass roles
    pass_role_policy_name: Option<PolicyName>,
    /// Policies to attach besides; each must be on the deployer's list
    managed_policy_arns: Option<OneOrMany<PolicyArn>>,
}

/// Returns the attributes of every resource type that creates one role: each name with its description.
pub fn of_one() -> Map<String, Value> {
    let attributes = [
        ("RoleArn", "The ARN of the role"),
        ("RoleName", "The name of the role"),
        ("RoleId", "The id that IAM gave the role"),
        ("PolicyArn", "The ARN of the scoped policy, of several the first"),
        ("PolicyArns", "The ARNs of all scoped policies, separated by commas"),
        ("PolicySha256", "SHA-256 of the policy documents: changes exactly when what they grant does"),
        BEYOND_BOUNDARY,
        (
            NOT_VERIFIED,
            "Actions that were to be verified and that IAM's simulator can't judge, separated by semicolons",
        ),
        WARNED,
    ];
    attributes.map(|(name, meaning)| (name.to_owned(), meaning.into())).into_iter().collect()
}

/// The name and description of the attribute with the actions that the permissions boundary denies.
pub const BEYOND_BOUNDARY: (&str, &str) =
    ("BeyondBoundary", "Actions that are granted and that the boundary of `template.yaml` denies all the same");

/// The name and description of the attribute with the warnings.
pub const WARNED: (&str, &str) = (
    WARNINGS,
    "What a new resource would be refused for, and this one had before; separated by semicolons, empty for nothing",
);

/// Adds a rule to the `allOf` of the schema.
pub fn also(schema: &mut Schema, rule: Value) {
    let rules = schema.ensure_object().entry("allOf").or_insert_with(|| json!([]));
    if let Some(rules) = rules.as_array_mut() {
        rules.push(rule);
    }
}

/// Adds a rule that forbids what matches `what`. The rules in `lint/` show `why` as their message.
pub fn never(schema: &mut Schema, what: &Value, why: &str) {
    also(schema, json!({ "not": what, "description": why }));
}

/// Returns a schema that matches where the property is present and is not an empty list.
pub fn given(property: &str) -> Value {
    json!({ "required": [property], "properties": { property: { "minItems": 1 } } })
}
