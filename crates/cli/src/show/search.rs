//! Finds integrations and APIs by a part of their name, or by an IAM action.

use mlops_roles_core::permissions::integration::{all, apis};
use serde::Serialize;

use super::find::find;
use super::shown::{Kind, Shown};

/// An integration or API that fits a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The name: `sagemaker:createTrainingJob`, `aws-sdk:sagemaker:describeEndpoint`.
    pub name: String,
    /// What the name stands for.
    pub kind: Kind,
    /// The patterns that the name can have besides request-response: `sync`, `sync:2`, `waitForTaskToken`.
    pub patterns: Vec<String>,
    /// The IAM actions of all its needs and patterns, in alphabetical order.
    pub actions: Vec<String>,
}

/// Lists the integrations, and after them the APIs, that fit a text: by service, name or IAM action.
///
/// Each word of the text has to occur in the name or in one of the actions. Case does not matter.
pub fn search(text: &str) -> Vec<Found> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let integrations = all().map(|(service, action, integration)| {
        let name = format!("{service}:{action}");
        // `.sync` has the actions of every pattern.
        let sync = integration.patterns.iter().find(|pattern| pattern.starts_with("sync"));
        let longest = sync.map_or_else(|| name.clone(), |pattern| format!("{name}.{pattern}"));
        (name, longest)
    });
    let apis = apis::services().flat_map(|service| {
        service.apis().map(move |api| format!("aws-sdk:{}:{api}", service.name)).map(|name| (name.clone(), name))
    });
    let found = integrations.chain(apis).filter_map(|(name, longest)| Some(summary(name, find(&longest).ok()?)));
    found.filter(|one| words.iter().all(|word| one.has(word))).collect()
}

fn summary(name: String, shown: Shown) -> Found {
    let actions = shown.actions();
    Found { name, kind: shown.kind, patterns: shown.patterns, actions }
}

impl Found {
    /// Whether a word in lower case occurs in the name or in one of the actions.
    fn has(&self, word: &str) -> bool {
        [&self.name].into_iter().chain(&self.actions).any(|text| text.to_lowercase().contains(word))
    }
}
