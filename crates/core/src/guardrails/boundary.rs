//! Knows which actions the default permissions boundary of `template.yaml` denies besides the identity services.
//!
//! These actions give a role the permissions of other principals without a role to pass. An example is an update of the
//! code of an existing function. `boundary.json` lists the actions, and `crates/generate` writes them to `template.yaml`.
//! `tests/local/test_boundary.py` proves that the boundary denies them and that no role of the catalog needs the standard
//! ones.
//!
//! `boundary.json` has three members:
//!
//! - `standard`: actions that no role of the catalog, no capability and no optimized integration has.
//! - `strict`: actions that only roles of the catalog have.
//! - `overrides`: members of a call that replace what the owner of the called resource chose. Each has the condition
//!   key by which a policy recognizes the member.

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
    /// The condition key of each member: `codebuild:source.buildspec` for `BuildspecOverride`.
    members: BTreeMap<String, String>,
}

/// The parsed `boundary.json`.
///
/// The table is empty when the file can't be parsed. The file is part of this project, and a test reads it.
static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(include_str!("boundary.json")).unwrap_or_default());

/// The level of the deployer's parameter `BoundaryDenies`: which actions the default boundary denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BoundaryDenies {
    /// Denies only the identity services and every action on the deployment that created the roles.
    None,
    /// Denies the `standard` actions and the `overrides` too. The default.
    #[default]
    Standard,
    /// Denies the `strict` actions in addition to `Standard`.
    Strict,
}

impl BoundaryDenies {
    /// Parses `None`, `Standard` or `Strict`. An empty text means `Standard`; any other text gives no level.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "None" => Some(Self::None),
            "Standard" | "" => Some(Self::Standard),
            "Strict" => Some(Self::Strict),
            _ => None,
        }
    }

    /// Whether this level denies the action: `ecs:ExecuteCommand`.
    ///
    /// An action with `*` counts as denied when it covers one of the denied actions.
    pub fn holds(self, action: &str) -> bool {
        let table = &*TABLE;
        let more: &[String] = if self == Self::Strict { &table.strict } else { &[] };
        let denied: &[String] = if self == Self::None { &[] } else { &table.standard };
        denied.iter().chain(more).any(|pattern| meets(pattern, action))
    }

    /// The members that this level denies in a call of the action: `BuildspecOverride` for `codebuild:StartBuild`.
    ///
    /// Empty for the level `None` and for actions without such members.
    pub fn members(self, action: &str) -> impl Iterator<Item = &'static str> {
        let overrides = &TABLE.overrides;
        let is_one = self != Self::None && overrides.actions.iter().any(|pattern| meets(pattern, action));
        overrides.members.keys().map(String::as_str).filter(move |_| is_one)
    }

    /// Lists the patterns of actions that are denied from this level on: `ecs:ExecuteCommand` from `Standard` on.
    ///
    /// Empty for the level `None`.
    pub fn actions(self) -> &'static [String] {
        match self {
            Self::None => &[],
            Self::Standard => &TABLE.standard,
            Self::Strict => &TABLE.strict,
        }
    }

    /// Lists the calls with an override that are denied from `Standard` on.
    ///
    /// Each item is a pattern of actions with the condition key of a member: `codebuild:StartBuild*` with
    /// `codebuild:source.buildspec`.
    pub fn overrides() -> impl Iterator<Item = (&'static str, &'static str)> {
        let overrides = &TABLE.overrides;
        let keys = move |action: &'static str| overrides.members.values().map(move |key| (action, key.as_str()));
        overrides.actions.iter().map(String::as_str).flat_map(keys)
    }
}

/// Whether the denied pattern covers the action, or an action with `*` covers the pattern.
///
/// IAM ignores the case of actions.
fn meets(pattern: &str, action: &str) -> bool {
    matches_in_any_case(pattern, action) || (action.contains('*') && matches_in_any_case(action, pattern))
}
