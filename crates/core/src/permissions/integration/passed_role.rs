//! The roles that tasks name: the members of calls that name them, and their ARNs.

use crate::iam::arn::Arn;
use crate::permissions::asl::value::Found;
use crate::permissions::integration::context::DeriveContext;
use crate::permissions::state_error::StateError;

/// A member of a call that names a role to pass.
#[derive(Clone, Copy)]
pub(super) struct PassedRole<'a> {
    pub member: &'a str,
    /// The service principal that the role is passed to.
    pub service: &'a str,
    /// Whether the member names an instance profile, which holds the role.
    pub is_profile: bool,
}

impl<'a> PassedRole<'a> {
    /// A member that names a role, whichever service gets it.
    pub(super) fn of(member: &'a str) -> Self {
        Self { member, service: "", is_profile: false }
    }

    /// The ARNs of the roles that the member names. The list is empty if the member is absent.
    ///
    /// A role that is known at run time only is replaced by the roles in the state's `ResourceOverrides`, or else by
    /// the execution roles of the context.
    ///
    /// # Errors
    /// Fails if the literal is not the ARN of a role in this partition. A member whose name does not end in `Arn` may
    /// also have the name of a role. An instance profile is taken to have a role of the same path and name. A role that
    /// is known at run time only is an error if neither `ResourceOverrides` nor the context names roles.
    pub(super) fn roles(
        self,
        found: &Found,
        state: &str,
        context: DeriveContext<'_>,
    ) -> Result<Vec<String>, StateError> {
        let Self { member, service, .. } = self;
        match found {
            Found::Absent => Ok(Vec::new()),
            Found::Literal(text) => self.literal(text, context),
            Found::Expression { .. } => {
                let told = told_roles(state, context);
                if !told.is_empty() {
                    Ok(told)
                } else if context.execution_roles.is_empty() {
                    Err(match service {
                        "" => StateError::RoleAtRunTime(member.to_owned()),
                        _ => StateError::PassedRoleAtRunTime { member: member.to_owned(), service: service.to_owned() },
                    })
                } else {
                    Ok(context.execution_roles.to_vec())
                }
            }
        }
    }

    /// The ARN of the role that a literal names.
    fn literal(self, text: &str, context: DeriveContext<'_>) -> Result<Vec<String>, StateError> {
        let place = context.place;
        let name =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b)) && !text.is_empty();
        let arn = Arn::parse(text).filter(|arn| arn.partition == place.partition && arn.region.is_empty());
        if arn.and_then(|arn| arn.iam_entity("role")).is_some_and(|(_, role)| name(role)) && !text.contains(['*', '?'])
        {
            Ok(vec![text.to_owned()])
        } else if let Some(arn) = arn.filter(|_| self.is_profile && !text.contains(['*', '?']))
            && let Some((path, role)) = arn.iam_entity("instance-profile").filter(|(_, role)| name(role))
        {
            Ok(vec![format!("arn:{}:iam::{}:role{path}{role}", arn.partition, arn.account)])
        } else if text.split('/').all(name) && !self.member.ends_with("Arn") {
            Ok(vec![place.role_arn("/", text)])
        } else {
            let (member, found) = (self.member.to_owned(), text.to_owned());
            Err(StateError::Unexpected { member, found, expected: "the ARN of a role" })
        }
    }
}

/// The roles in the `ResourceOverrides` of a state.
pub(super) fn told_roles(state: &str, context: DeriveContext<'_>) -> Vec<String> {
    let told = context.overrides.get(state).into_iter().flatten();
    told.filter(|arn| arn.contains(":role/")).cloned().collect()
}
