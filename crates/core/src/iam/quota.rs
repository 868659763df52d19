//! IAM's quotas that more than one module keeps to.

/// Characters of a role's name.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const ROLE_NAME_LENGTH: usize = 64;

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const POLICY_NAME_LENGTH: usize = 128;

/// Characters of a customer-managed policy, white space aside.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const POLICY_SIZE: usize = 6_144;

/// Managed policies that a role holds at IAM's default quota (`PoliciesPerRole`).
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const MANAGED_POLICIES_PER_ROLE: usize = 10;

/// Characters of a role's inline policies together, white space aside.
pub const INLINE_SIZE_PER_ROLE: usize = 10_240;

/// Tags on one role or policy.
pub const TAGS_PER_ENTITY: usize = 50;
