//! The permissions of the function's own role, by the statements of `template.yaml`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::table::{Part, code, codes, list, members, table, text};
use crate::error::PartError;

/// What limits each statement, in words: the policy, the `Sid` and the limit. A test evaluates the statements themselves.
const LIMITS: [(&str, &str, &str); 26] = [
    ("FunctionPolicy", "Log", "the function's log group"),
    ("FunctionPolicy", "KeepUnansweredEvents", "the function's queue"),
    ("FunctionPolicy", "AskForTheStack", "stacks of the account and region"),
    ("FunctionPolicy", "FindExecutionRoles", "resources of SageMaker in the account and region"),
    ("FunctionPolicy", "FindRolesByName", "any: the action has no resource-level permissions"),
    ("FunctionPolicy", "SeeRoles", "roles with the prefixes, at any path"),
    ("FunctionPolicy", "MarkRoles", "roles with the prefixes and paths"),
    ("FunctionPolicy", "NarrowMarkedRoles", "tagged roles with the prefixes and paths"),
    ("FunctionPolicy", "WidenRolesInsideTheBoundary", "roles with the prefixes and paths, inside the boundary"),
    (
        "FunctionPolicy",
        "AttachInsideTheBoundary",
        "the same roles; only policies with the prefixes and paths and those in `AllowedManagedPolicyArns`",
    ),
    ("FunctionPolicy", "InstanceProfiles", "instance profiles of the account"),
    (
        "FunctionPolicy",
        "ReleaseFromTheBoundary",
        "only with `AllowAdoption=true`: roles with the prefixes and paths that carry the tag `mlops-roles:adopted`",
    ),
    ("FunctionPolicy", "SeeBoundaries", "only with `NarrowerPermissionsBoundaryArns`: these boundaries"),
    ("FunctionPolicy", "ProtectGuardrails", "the function's role, its managed policies, and the boundaries"),
    ("PoliciesPolicy", "SeeAndMakePolicies", "policies with the prefixes and paths"),
    ("PoliciesPolicy", "ChangeMarkedPolicies", "tagged policies with the prefixes and paths"),
    ("PoliciesPolicy", "ReadDefinitions", "only with `DefinitionLocations`: these objects, in buckets of the account"),
    ("ServiceCatalogPolicy", "SeeAndTakeDown", "the eleven names, at any path, whoever created the roles"),
    ("ServiceCatalogPolicy", "TakeDownTheConsolesPolicy", "the policy that the console created for `UseRole`"),
    ("ServiceCatalogPolicy", "LookForUse", "any: these actions have no resource-level permissions"),
    ("ServiceCatalogPolicy", "ReadProjects", "projects of the account, in any region"),
    ("ServiceCatalogProvisionPolicy", "Mark", "the eleven names at `/service-role/`"),
    ("ServiceCatalogProvisionPolicy", "DescribeMarkedRoles", "tagged roles of the eleven names at `/service-role/`"),
    (
        "ServiceCatalogProvisionPolicy",
        "MakeInsideTheBoundary",
        "the eleven names at `/service-role/`, inside the boundary; only eleven AWS managed policies may be attached",
    ),
    (
        "RoleSetsPolicy",
        "AttachInsideTheBoundary",
        "the 21 AWS managed policies of the [role sets](role-sets.md), on roles with the prefixes and paths, inside the boundary",
    ),
    ("AdoptionPolicy", "AskForTheStack", "any: a call by physical id names no stack"),
];

/// Returns the table of the statements of a policy, in the order of the template.
///
/// # Errors
/// When the template has no such policy, or a statement of it has no limit in words.
pub fn statements(template: &Value, policy: &str) -> Result<Part, PartError> {
    let (mut rows, mut names) = (Vec::new(), Vec::new());
    for statement in of_policy(template, policy) {
        let sid = text(statement, "Sid");
        let limit = LIMITS.iter().find(|(of, name, _)| (*of, *name) == (policy, sid));
        let (.., limit) = limit.ok_or_else(|| PartError::NoLimit(sid.to_owned()))?;
        let mut actions: BTreeSet<&str> = list(statement.get("Action")).into_iter().collect();
        let all_but: Vec<&str> = list(statement.get("NotAction"));
        let mut told = codes(std::mem::take(&mut actions));
        if !all_but.is_empty() {
            told = format!("everything except {}", codes(all_but));
        }
        if text(statement, "Effect") == "Deny" {
            told = format!("**denies** {told}");
        }
        rows.push([code(sid), told, (*limit).to_owned()]);
        names.push(sid.to_owned());
    }
    if rows.is_empty() {
        return Err(PartError::NoStatements(policy.to_owned()));
    }
    Ok((table(["statement", "actions", "limited to"], rows), names))
}

/// Lists the statements of all policies that the function's role has: `permissions FunctionPolicy Log`.
pub fn all(template: &Value) -> Vec<String> {
    let resources = members(template.get("Resources")).filter(|(_, resource)| {
        let roles = resource.pointer("/Properties/Roles").and_then(Value::as_array);
        roles.into_iter().flatten().any(|role| text(role, "Ref") == "FunctionRole")
    });
    let named = |policy: &String| {
        let of = of_policy(template, policy);
        of.into_iter().map(|statement| format!("permissions {policy} {}", text(statement, "Sid"))).collect::<Vec<_>>()
    };
    resources.flat_map(|(policy, _)| named(policy)).collect()
}

/// Returns the statements of a policy, also those that a condition switches on.
fn of_policy<'a>(template: &'a Value, policy: &str) -> Vec<&'a Value> {
    let statements = template.pointer(&format!("/Resources/{policy}/Properties/PolicyDocument/Statement"));
    let statements = statements.and_then(Value::as_array).into_iter().flatten();
    let inner = |one: &'a Value| one.pointer("/Fn::If/1").unwrap_or(one);
    statements.map(inner).collect()
}
