//! The sources of needs: the pages and tables of AWS. `make generate` writes them (see `crates/core/apis/sources.py`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;

static SOURCES: LazyLock<Result<Sources, String>> =
    LazyLock::new(|| serde_json::from_str(include_str!("sources.json")).map_err(|error| error.to_string()));

/// The sources. All members but `texts` have positions in it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sources {
    texts: Vec<String>,
    /// By service as Step Functions writes it.
    services: BTreeMap<String, Vec<usize>>,
    /// By integration, such as `sagemaker:createTrainingJob`, and pattern, as the tables write it.
    integrations: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
    /// By service and API. An API without reviewed rows has none.
    apis: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
}

impl Sources {
    /// The table.
    ///
    /// # Errors
    /// Fails with the error of its JSON if the table is broken, which would be a bug in this program.
    pub(super) fn get() -> Result<&'static Self, String> {
        SOURCES.as_ref().map_err(Clone::clone)
    }

    /// The pages that a pattern of an integration rests on, which has all that request-response needs.
    pub(super) fn of_integration(&self, name: &str, pattern: &str) -> Vec<String> {
        let pattern = if pattern == "waitForTaskToken" { "token" } else { pattern };
        let patterns = BTreeSet::from(["", pattern]);
        let of = self.integrations.get(name).into_iter().flatten();
        self.spelled(of.filter(|(pattern, _)| patterns.contains(pattern.as_str())).flat_map(|(_, all)| all))
    }

    /// The pages of a service, and the sources of what the tables add for an API of it.
    pub(super) fn of_api(&self, service: &str, api: &str) -> Vec<String> {
        let of_api = self.apis.get(service).and_then(|apis| apis.get(api));
        self.spelled(self.services.get(service).into_iter().chain(of_api).flatten())
    }

    /// The texts at positions, each once.
    fn spelled<'a>(&'a self, positions: impl Iterator<Item = &'a usize>) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let positions = positions.filter(|at| seen.insert(**at));
        positions
            .filter_map(|at| Some(self.texts.get(*at)?.replace("SAR", "service authorization reference")))
            .collect()
    }
}
