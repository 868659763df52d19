//! Compares and checks the names of roles and policies by the rules of IAM.

use std::cmp::Ordering;
use std::fmt;

/// The name of a role: `AmazonSageMaker-Train`.
///
/// Comparison ignores ASCII case, because IAM does not allow two names that differ only in case. The spelling is kept.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
#[derive(Clone, Debug)]
pub struct Name(String);

impl Name {
    /// Wraps a name and keeps its spelling. It does not check the name: see `is_iam_name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the name as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

/// Whether IAM accepts `name` as the name of a role or policy: 1 to `longest` ASCII letters, digits and `+=,.@_-`.
///
/// `longest` is in characters: `ROLE_NAME_LENGTH` or `POLICY_NAME_LENGTH`.
pub fn is_iam_name(name: &str, longest: usize) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    (1..=longest).contains(&name.len()) && name.bytes().all(allowed)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(&other.folded())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
