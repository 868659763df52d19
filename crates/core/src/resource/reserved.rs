//! The role names that are reserved because they are trusted elsewhere by the name alone.
//!
//! Only the resource types that create such roles may use their names. Otherwise an author who chooses the name of a
//! role could gain the access that the name is trusted with.

use crate::catalog;
use crate::iam::arn::matches;
use crate::resource::service_catalog_role::ROLES;

/// The patterns of role names that the published trust policies of target accounts allow. Each pattern matches by a
/// literal part of a name in the catalogue.
pub const TRUSTED_ELSEWHERE: [&str; 2] = ["*StackSetAdministration*", "*SetupLambdaExecution*"];

/// The reason why a role can't have a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reserved {
    /// The name is that of a service-catalog role. Holds the name.
    #[error(
        "`{0}` is reserved for `Custom::SageMakerServiceCatalogRoles` and the role set that has it, because SageMaker's \
         project templates use it; choose another name"
    )]
    ServiceCatalog(String),
    /// Roles of target accounts trust the name.
    #[error(
        "`{whole}` is reserved for the role set that has such a role, because roles of target accounts trust every name \
         that matches `{pattern}`; choose another name"
    )]
    TrustedElsewhere {
        /// The path without its first slash, and the name.
        whole: String,
        /// The pattern that is trusted.
        pattern: &'static str,
    },
}

/// Returns the reason why a role can't have this path and name. Returns `None` where it can.
///
/// `usual` is the name that the catalogue has for the role, with its `${…}`. It is empty for a role that is in no role
/// set.
pub fn reserved(path: &str, name: &str, usual: &str) -> Option<Reserved> {
    let usual = catalog::literal(usual);
    let is_eleven = |text: &str| ROLES.iter().any(|role| role.name().as_str().eq_ignore_ascii_case(text));
    if is_eleven(name) && !usual.eq_ignore_ascii_case(name) {
        return Some(Reserved::ServiceCatalog(name.to_owned()));
    }
    // As in an ARN, the path precedes the name.
    let whole = format!("{}{name}", path.strip_prefix('/').unwrap_or(path));
    let pattern =
        TRUSTED_ELSEWHERE.into_iter().find(|pattern| matches(pattern, &whole) && !matches(pattern, &usual))?;
    Some(Reserved::TrustedElsewhere { whole, pattern })
}
