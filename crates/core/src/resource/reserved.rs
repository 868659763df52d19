//! Names of roles that are trusted elsewhere for the name alone. They are reserved for the types that make them, else whoever
//! may choose a role's name could take over what the name is trusted with.

use crate::catalog;
use crate::iam::arn::matches;
use crate::resource::service_catalog_role::ROLES;

/// Names that the trusts of target accounts let in, as published; by what in a name of the catalogue makes them.
pub const TRUSTED_ELSEWHERE: [&str; 2] = ["*StackSetAdministration*", "*SetupLambdaExecution*"];

/// What stands against giving a role this name; `None` where nothing does. `usual` is the name that the catalogue has for the
/// role, `${…}` in it, and empty for roles that are in no set.
pub fn reserved(path: &str, name: &str, usual: &str) -> Option<String> {
    let usual = catalog::literal(usual);
    let is_eleven = |text: &str| ROLES.iter().any(|role| role.name().as_str().eq_ignore_ascii_case(text));
    if is_eleven(name) && !usual.eq_ignore_ascii_case(name) {
        return Some(format!(
            "`{name}` is a role of SageMaker's project templates: it is reserved for \
             `Custom::SageMakerServiceCatalogRoles` and the role set that has it; choose another name"
        ));
    }
    // As in ARNs, where the path stands before the name.
    let whole = format!("{}{name}", path.strip_prefix('/').unwrap_or(path));
    let trusted =
        TRUSTED_ELSEWHERE.into_iter().find(|pattern| matches(pattern, &whole) && !matches(pattern, &usual))?;
    Some(format!(
        "`{whole}` is trusted by the roles of target accounts, which let in `{trusted}`: it is reserved for the role set that \
         has such a role; choose another name"
    ))
}
