//! What the default boundary of `template.yaml` denies besides the identity services: ways to the power of other principals
//! that need no role to pass, such as code of a function that is there. `boundary.json` has the actions; what denies them in
//! `template.yaml`, and that no role of the catalogue needs the standard ones, `tests/local/test_boundary.py` proves.
//!
//! `standard` is what no role of the catalogue, no capability and no optimised integration has; `strict` is what only roles of
//! the catalogue have; `overrides` are members of a call that take the place of what its owner chose, by the condition key
//! that tells of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::iam::arn::matches_in_any_case;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    standard: Vec<String>,
    strict: Vec<String>,
    overrides: Overrides,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Overrides {
    actions: Vec<String>,
    /// Condition keys by members.
    members: BTreeMap<String, String>,
}

/// The file is ours, and a test reads it.
static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(include_str!("boundary.json")).unwrap_or_default());

/// The deployer's `BoundaryDenies`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoundaryDenies {
    /// Only what made the roles, and the identity services.
    None,
    #[default]
    Standard,
    Strict,
}

impl BoundaryDenies {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "None" => Some(Self::None),
            "Standard" | "" => Some(Self::Standard),
            "Strict" => Some(Self::Strict),
            _ => None,
        }
    }

    /// Whether the action is among those denied. Of one that is a pattern, whether it stands for any of them.
    pub fn holds(self, action: &str) -> bool {
        let table = &*TABLE;
        let more: &[String] = if self == Self::Strict { &table.strict } else { &[] };
        let denied: &[String] = if self == Self::None { &[] } else { &table.standard };
        denied.iter().chain(more).any(|pattern| meets(pattern, action))
    }

    /// The members of a call that are denied with it.
    pub fn members(self, action: &str) -> impl Iterator<Item = &'static str> {
        let overrides = &TABLE.overrides;
        let is_one = self != Self::None && overrides.actions.iter().any(|pattern| meets(pattern, action));
        overrides.members.keys().map(String::as_str).filter(move |_| is_one)
    }
}

/// IAM does not tell the case of actions apart.
fn meets(pattern: &str, action: &str) -> bool {
    matches_in_any_case(pattern, action) || (action.contains('*') && matches_in_any_case(action, pattern))
}
