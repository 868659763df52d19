//! Lists the ARNs of the roles and policies that the function's own role may work with.

use std::collections::BTreeSet;

use mlops_roles_core::catalog::Managed;
use mlops_roles_core::resource::service_catalog_role::ROLES;

use crate::mlops_roles;

/// The beginning of the ARNs of the account's roles and policies.
const ACCOUNT: &str = "arn:${AWS::Partition}:iam::${AWS::AccountId}";

/// Lists the roles or policies with the deployer's prefixes and paths. `kind` is `role` or `policy`.
pub fn with_prefix_and_path(kind: &str) -> Vec<String> {
    let pairs =
        [(0, 0, None), (0, 1, Some("SecondPath")), (1, 0, Some("SecondPrefix")), (1, 1, Some("SecondPrefixAndPath"))];
    let mut items = Vec::new();
    for (prefix, path, condition) in pairs {
        let (prefix, path) = (selected(prefix, "RoleNamePrefixes"), selected(path, "RolePaths"));
        let arn = format!(r#"!Sub ["{ACCOUNT}:{kind}${{Path}}${{P}}*", {{ P: {prefix}, Path: {path} }}]"#);
        items.extend(item(&arn, condition));
    }
    items
}

/// Lists the roles with the deployer's prefixes, at any path.
pub fn roles_at_any_path() -> Vec<String> {
    let mut items = Vec::new();
    for (prefix, condition) in [(0, None), (1, Some("SecondPrefix"))] {
        let prefix = selected(prefix, "RoleNamePrefixes");
        for path in ["/", "/*/"] {
            let arn = format!(r#"!Sub ["{ACCOUNT}:role{path}${{P}}*", {{ P: {prefix} }}]"#);
            items.extend(item(&arn, condition));
        }
    }
    items
}

/// Lists the eleven service-catalog roles at each of the paths, such as `/service-role/`.
pub fn service_catalog_roles(paths: &[&str]) -> Vec<String> {
    let at = |path: &&str| ROLES.map(|role| format!("- !Sub {ACCOUNT}:role{path}{}", role.name()));
    paths.iter().flat_map(at).collect()
}

/// Lists the AWS managed policies of the service-catalog roles, in the order of the roles.
pub fn policies_of_service_catalog_roles() -> Vec<String> {
    of_aws(ROLES.map(|role| role.managed_policy()))
}

/// Lists the AWS managed policies that roles of `Custom::SageMakerMlopsRoles` have, in alphabetical order.
pub fn policies_of_role_sets() -> Vec<String> {
    let roles = mlops_roles::sets().flat_map(|(_, set)| set.roles.values());
    let policies = roles.flat_map(|role| &role.managed).map(|managed| match managed {
        Managed::Always(policy) | Managed::Perhaps { policy, .. } => policy.as_str(),
    });
    // A placeholder stands for a policy of the role set itself.
    of_aws(policies.filter(|policy| !policy.contains("${")).collect::<BTreeSet<_>>())
}

/// Lists AWS managed policies, each given as the part of its ARN after `policy/`.
fn of_aws(policies: impl IntoIterator<Item = &'static str>) -> Vec<String> {
    policies.into_iter().map(|policy| format!("- !Sub arn:${{AWS::Partition}}:iam::aws:policy/{policy}")).collect()
}

/// Returns the value that selects an item of a parameter with one or two items.
///
/// The comma after the parameter makes sure that there is a second item, which may be empty.
fn selected(index: usize, parameter: &str) -> String {
    format!(r#"!Select [{index}, !Split [",", !Sub "${{{parameter}}},"]]"#)
}

/// Returns the lines of a list item that is present if the condition holds, or always.
fn item(value: &str, condition: Option<&str>) -> Vec<String> {
    match condition {
        None => vec![format!("- {value}")],
        Some(condition) => vec![
            "- !If".to_owned(),
            format!("  - {condition}"),
            format!("  - {value}"),
            "  - !Ref AWS::NoValue".to_owned(),
        ],
    }
}
