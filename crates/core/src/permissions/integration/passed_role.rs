//! The members of calls that name roles to pass.

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
}
