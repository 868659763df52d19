//! Holds the IAM quotas that more than one module uses.

/// The longest name of a role, in characters.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const ROLE_NAME_LENGTH: usize = 64;

/// The longest name of a policy, in characters.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const POLICY_NAME_LENGTH: usize = 128;

/// The largest size of a customer-managed policy, in characters. White space does not count.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const POLICY_SIZE: usize = 6_144;

/// The largest size of a trust policy that the quota can be raised to, in characters.
pub const TRUST_POLICY_SIZE: usize = 4_096;
/// The default quota of managed policies that are attached to one role (`PoliciesPerRole`).
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const MANAGED_POLICIES_PER_ROLE: usize = 10;

/// The largest total size of the inline policies of one role, in characters. White space does not count.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const INLINE_SIZE_PER_ROLE: usize = 10_240;

/// The largest number of tags on one role or one customer-managed policy.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const TAGS_PER_ENTITY: usize = 50;
