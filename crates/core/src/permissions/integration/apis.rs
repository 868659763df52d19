//! Looks an API of AWS up in the table of APIs.
//!
//! `make generate` writes the table from pinned packages and reviewed rows: see `crates/core/apis/README.md`. The
//! program searches it in place, so an API that no task calls costs nothing.
//!
//! The first line names the sources. A block follows for each service, in byte order: `@sagemaker sagemaker` is the
//! service as Step Functions writes it, with its prefix in IAM. A service that Step Functions dropped has `!` instead.
//! Each further line has the names of APIs and what all of them need: `create,delete/Crawler startCrawler […]` is about
//! `createCrawler`, `deleteCrawler` and `startCrawler`. What they need is one of these:
//!
//! - nothing: the action has the name of the API, and IAM has no resource for it
//! - a JSON list of needs, in which a text that begins with a colon begins with the prefix of the service
//! - `?`, alone or with such a list: the API is newer than the reference, so its action is not confirmed
//! - `-` and a reason: the API needs no permission
//! - `!`: Step Functions does not support the API

use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::Value;

use crate::text::closest;

const TABLE: &str = include_str!("apis.txt");

/// More characters than the name of any service or API has.
const LONGEST_NAME: usize = 100;

/// What the table has for an API.
#[derive(Debug)]
pub enum Api {
    /// Grants, each for the calls that it applies to.
    Known {
        /// The grants. An empty list stands for the action of the API's name, without a resource.
        needs: Vec<ApiNeed>,
        /// Whether the service authorization reference has the API's action.
        confirmed: bool,
    },
    /// The API needs no permission of IAM, for this reason: `bearer token`.
    NoAction(&'static str),
    /// Step Functions does not support the API.
    Unsupported,
}

/// A grant of the table: actions on resources, or roles to pass. The members are those of `Need` where both have them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiNeed {
    /// The IAM actions. An empty list stands for the action of the API's name.
    pub allow: Vec<String>,
    /// The resources, as ARN templates.
    pub on: Vec<String>,
    /// The resources if `on` leads to none.
    #[serde(rename = "else")]
    pub otherwise: Vec<String>,
    /// The key of the reason for a wildcard in `on` itself or in `otherwise`: see `reason`.
    pub why: String,
    /// Members of the call; the grant applies only if the call has one of them.
    pub given: Vec<String>,
    /// Members of the call; the grant applies only if an execution may have none of them.
    pub lacking: Vec<String>,
    /// Members of the call; the grant applies only if the call has one of them, and one of `given`.
    pub also: Vec<String>,
    /// The condition of the grant, with placeholders.
    pub condition: Option<Value>,
    /// The members of the call that name roles to pass.
    pub pass: Vec<String>,
    /// The service that the roles are passed to. Empty if AWS does not document it.
    pub to: String,
    /// Whether the call may lack the members in `pass`.
    pub optional: bool,
    /// Whether the members in `pass` name instance profiles, which hold the roles.
    pub profile: bool,
    /// Whether the members in `pass` name the roles by name only.
    pub named: bool,
}

/// A service of the table.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The name as Step Functions writes it: `cloudwatchlogs`.
    pub name: &'static str,
    /// The prefix of its actions in IAM: `logs`. It is `!` if Step Functions dropped the service.
    pub prefix: &'static str,
    /// The lines of its APIs.
    lines: &'static str,
}

/// Finds a service by its name in the `Resource` of a task.
///
/// # Errors
/// Returns a message with the closest name if the table has no such service.
pub fn service(name: &str) -> Result<Service, String> {
    found(blocks(), name).map(parsed).ok_or_else(|| {
        let near = hint(name, services().map(|service| service.name.to_owned()));
        format!("`aws-sdk:{name}`: AWS has no such service{near}; correct the service")
    })
}

/// Lists all services.
pub fn services() -> impl Iterator<Item = Service> {
    blocks().split("\n@").map(parsed)
}

/// The date of the service authorization reference that the table is from: `2026-10-27`.
pub fn date() -> &'static str {
    let line = TABLE.split('\n').next().unwrap_or_default();
    line.split([' ', ';']).find(|word| word.split('-').count() == 3).unwrap_or_default()
}

impl Service {
    /// Finds an API by its name in the `Resource` of a task: `createEndpoint`.
    ///
    /// # Errors
    /// Returns a message with the closest name if the service has no such API.
    pub fn api(&self, name: &str) -> Result<Api, String> {
        let (_, entry) = self.line(name).ok_or_else(|| {
            let near = hint(name, self.apis());
            let date = date();
            format!("`aws-sdk:{}:{name}`: the service has no such API{near} as of {date}; correct the API", self.name)
        })?;
        self.parsed(entry)
    }

    /// Whether the service has an API of this name.
    pub fn has(&self, name: &str) -> bool {
        self.line(name).is_some()
    }

    fn line(&self, name: &str) -> Option<(&'static str, &'static str)> {
        self.lines.lines().map(divided).find(|(names, _)| is_among(name, names))
    }

    /// Lists the names of all APIs.
    pub fn apis(&self) -> impl Iterator<Item = String> + use<> {
        self.lines.lines().flat_map(|line| divided(line).0.split(' ')).flat_map(|names| {
            let (verbs, noun) = names.split_once('/').unwrap_or((names, ""));
            verbs.split(',').map(move |verb| format!("{verb}{noun}"))
        })
    }

    /// Parses what APIs need.
    ///
    /// # Errors
    /// Returns a message if the table is broken, which is a bug in this project. A test reads every line.
    fn parsed(&self, entry: &'static str) -> Result<Api, String> {
        if let Some(reason) = entry.strip_prefix('-') {
            return Ok(Api::NoAction(reason));
        }
        if entry == "!" {
            return Ok(Api::Unsupported);
        }
        let (text, confirmed) = entry.strip_prefix('?').map_or((entry, true), |needs| (needs, false));
        let broken = |error| format!("the table of APIs can't be parsed: {error}; report it as a bug");
        let mut needs: Vec<ApiNeed> =
            if text.is_empty() { Vec::new() } else { serde_json::from_str(text).map_err(broken)? };
        for need in &mut needs {
            let texts = need.allow.iter_mut().chain(&mut need.on).chain(&mut need.otherwise);
            for text in texts.filter(|text| text.starts_with(':')) {
                text.insert_str(0, self.prefix);
            }
        }
        Ok(Api::Known { needs, confirmed })
    }
}

/// The closest name for an error message. A longer name than any that AWS has gets none.
fn hint(name: &str, all: impl Iterator<Item = String>) -> String {
    if name.len() > LONGEST_NAME {
        return String::new();
    }
    let all: Vec<String> = all.collect();
    let near = closest(name, all.iter().map(String::as_str));
    near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

/// The blocks of the services, separated by `\n@`.
fn blocks() -> &'static str {
    TABLE.split_once("\n@").map_or("", |(_, blocks)| blocks.trim_end_matches('\n'))
}

fn parsed(block: &'static str) -> Service {
    let (head, lines) = block.split_once('\n').unwrap_or((block, ""));
    let (name, prefix) = head.split_once(' ').unwrap_or((head, head));
    Service { name, prefix, lines }
}

/// The names in a line, and what these APIs need.
fn divided(line: &'static str) -> (&'static str, &'static str) {
    let starts = line.match_indices(' ').map(|(at, _)| at);
    let entry = starts.into_iter().find_map(|at| {
        let entry = line.get(at + 1..)?;
        entry.starts_with(['[', '?', '-', '!']).then_some((line.get(..at)?, entry))
    });
    entry.unwrap_or((line, ""))
}

/// Whether an API is among the names of a line: `create,delete/Crawler startCrawler`.
fn is_among(api: &str, names: &str) -> bool {
    names.split(' ').any(|names| match names.split_once('/') {
        Some((verbs, noun)) => api.strip_suffix(noun).is_some_and(|verb| verbs.split(',').any(|one| one == verb)),
        None => names == api,
    })
}

/// Finds the block of a service by bisection.
fn found(blocks: &'static str, service: &str) -> Option<&'static str> {
    const SEPARATOR: &str = "\n@";
    let mut left = blocks;
    while !left.is_empty() {
        let mut middle = left.len() / 2;
        while !left.is_char_boundary(middle) {
            middle -= 1;
        }
        let before = left.get(..middle)?;
        let start = before.rfind(SEPARATOR).map_or(0, |at| at + SEPARATOR.len());
        let rest = left.get(start..)?;
        let (block, behind) = rest.split_once(SEPARATOR).unwrap_or((rest, ""));
        match block.split([' ', '\n']).next()?.cmp(service) {
            Ordering::Equal => return Some(block),
            Ordering::Less => left = behind,
            Ordering::Greater => left = left.get(..start.saturating_sub(SEPARATOR.len()))?,
        }
    }
    None
}
