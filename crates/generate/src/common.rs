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

/// The properties that CloudFormation itself or every resource type has.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
pub struct Always {
    /// The function that provisions the resource: the export `<stack>-ServiceToken` of the stack that mlops-roles is
    /// deployed as.
    service_token: Token,
    /// How long CloudFormation waits for the function, in seconds: 1 to 3,600. The property is CloudFormation's own.
    /// 1,200 leaves room for two retries of the function.
    #[schemars(extend("x-default" = "`3600`, CloudFormation's default"))]
    service_timeout: Option<Number<1, 3_600>>,
    /// Any text: a change makes CloudFormation send an Update. The Update repairs drift of what the resource
    /// provisions.
    revision: Option<Anything>,
}

/// The properties of every resource type that creates roles with an author's properties.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
pub struct Makes {
    /// The ARN of the permissions boundary of the roles: the deployer's `PermissionsBoundaryArn`, or one of
    /// `NarrowerPermissionsBoundaryArns`.
    #[schemars(extend("x-default" = "the deployer's `PermissionsBoundaryArn`"))]
    permissions_boundary: Option<Text>,
    /// The tags on all roles and policies of the resource: a list of `{Key, Value}`, at most 47. A role set whose roles
    /// have tags of their own accepts fewer.
    #[schemars(length(max = USER_TAGS))]
    tags: Option<Vec<Tag>>,
    /// Whether the resource adopts roles and policies of its names that exist and that no stack owns: `true` or
    /// `false`. Adoption needs `AllowAdoption` of the deployer.
    #[schemars(extend("x-default" = "`false`"))]
    adopt_existing: Option<Flag>,
    /// The id of a stack that owned roles and policies of these names and no longer holds them: the resource adopts
    /// them. The stack is of this account and region. Adoption needs `AllowAdoption` of the deployer.
    adopt_from: Option<StackId>,
    /// The propagation wait, in seconds: 0 to 120. After it creates a role, the function waits before it reports
    /// success, so that the role can be assumed. It also waits after an Update that changes a trust policy, or that
    /// grants what Step Functions tries at once.
    #[schemars(extend("x-default" = "`10`"))]
    settle_seconds: Option<Number<{ *PROPAGATION_WAIT_RANGE.start() }, { *PROPAGATION_WAIT_RANGE.end() }>>,
}

/// A tag of IAM.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields)]
struct Tag {
    /// The key of the tag: 1 to 128 letters, digits, spaces and `_.:/=+-@`. Keys that begin with `aws:` and the keys of
    /// the ownership tags (`mlops-roles:…`) are refused.
    key: TagKey,
    /// The value of the tag: at most 256 letters, digits, spaces and `_.:/=+-@`.
    value: TagValue,
}

/// The properties of every resource type that creates one role.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase")]
pub struct MakesOne {
    /// The name of the role: 1 to 64 letters, digits and `+=,.@_-`, with one of the deployer's `RoleNamePrefixes` at
    /// the beginning. A change replaces the role.
    #[schemars(extend("x-default" = "a derived name"))]
    role_name: Option<RoleName>,
    /// The path of the role and its policies: one of the deployer's `RolePaths`. A change replaces the role. If
    /// `RoleName` is given, it has to change along with `Path`.
    #[schemars(extend("x-default" = "the first of the deployer's `RolePaths`"))]
    path: Option<Path>,
    /// The description of the role: at most 1,000 characters of Latin-1.
    description: Option<Description>,
    /// The maximum session duration of the role, in seconds: 3,600 to 43,200.
    #[schemars(extend("x-default" = "`3600`"))]
    max_session_duration: Option<Number<{ *SESSION_SECONDS.start() }, { *SESSION_SECONDS.end() }>>,
    /// The name of the scoped customer-managed policy: 1 to 128 letters, digits and `+=,.@_-`, with one of the
    /// deployer's `RoleNamePrefixes` at the beginning. A change creates policies with the new name and deletes the old
    /// ones.
    #[schemars(extend("x-default" = "`<RoleName>-Policy`"))]
    policy_name: Option<PolicyName>,
    /// The managed policies to attach to the role as well: one ARN or a list. Each is a policy of AWS or of this
    /// account, and must match the deployer's `AllowedManagedPolicyArns`.
    managed_policy_arns: Option<OneOrMany<PolicyArn>>,
}

/// Returns the attributes of every resource type that creates one role: each name with its description.
pub fn of_one() -> Map<String, Value> {
    let attributes = [
        ("RoleArn", "The ARN of the role."),
        ("RoleName", "The name of the role."),
        ("RoleId", "The unique id that IAM gave the role."),
        ("PolicyArn", "The ARN of the scoped policy, or of the first of several. Empty if the role needs none."),
        ("PolicyArns", "The ARNs of all scoped policies, separated by commas. Empty if the role needs none."),
        (
            "PolicySha256",
            "The SHA-256 of the scoped policy documents in normal form. It changes exactly when what they grant \
             changes.",
        ),
        BEYOND_BOUNDARY,
        (
            NOT_VERIFIED,
            "The actions that IAM's policy simulator can't judge or returns no result for, separated by semicolons. \
             Empty if there are none, and without `VerifyPermissions` or `VerifyAccess`.",
        ),
        WARNED,
    ];
    attributes.map(|(name, meaning)| (name.to_owned(), meaning.into())).into_iter().collect()
}

/// The name and description of the attribute with the actions that the permissions boundary denies.
pub const BEYOND_BOUNDARY: (&str, &str) = (
    "BeyondBoundary",
    "The actions that the roles need or are granted and that the default permissions boundary denies, separated by \
     commas. Empty if there are none.",
);

/// The name and description of the attribute with the warnings.
pub const WARNED: (&str, &str) = (
    WARNINGS,
    "The warnings, separated by semicolons: what a new resource would be refused for and this one keeps. They also \
     say what verification finds denied while the stack rolls back, and what a role set leaves out. A role that needs \
     more than 10 managed policies has a warning too. So has a task whose action is not confirmed, that needs no \
     permission, or that may name a role that is not passed. Needs that nobody declares are warnings if they are \
     possible only. Empty if there are none.",
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

/// Adds a rule that what matches `when` has to match `then` too. The rules in `lint/` show `why` as their message.
pub fn needs(schema: &mut Schema, when: &Value, then: &Value, why: &str) {
    also(schema, json!({ "if": when, "then": because(then, why) }));
}

/// Returns the schema with `why` as its description. The rules in `lint/` show it when something does not match.
pub fn because(schema: &Value, why: &str) -> Value {
    let mut schema = schema.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), why.into());
    }
    schema
}

/// Returns a schema that matches where the property is present and is not an empty list.
pub fn given(property: &str) -> Value {
    json!({ "required": [property], "properties": { property: { "minItems": 1 } } })
}
