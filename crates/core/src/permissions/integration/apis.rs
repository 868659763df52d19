//! Looks an API of AWS up in the table of APIs.
//!
//! `make generate` writes the table from pinned packages and reviewed rows: see `crates/core/apis/README.md`. People read
//! `crates/core/apis/table.txt`. The program has the same table in a packed form, which it searches in place. So an API
//! that no task calls costs nothing.
//!
//! The first line names the sources. A block follows for each service, in byte order: `@sagemaker sagemaker` is the
//! service as Step Functions writes it, with its prefix in IAM. A service that Step Functions dropped has `!` instead.
//! Each further line has the names of APIs and what all of them need: `dgu~ :device/{~Id}`.
//!
//! # Names
//!
//! Names of one noun are one group: `cd.copyCrawler` is `createCrawler`, `deleteCrawler` and `copyCrawler`. A letter is
//! a verb of `VERBS`, a `b` before it is `batch`: `bg` is `batchGet`. Other verbs follow, each behind a period. A name
//! without a capital letter is a verb without a noun. A noun may begin with a mark:
//!
//! - `~` is the noun of the group before: `cCrawler l~s` is `createCrawler` and `listCrawlers`
//! - `^` is the same without its last capital letter and what follows: `gJobRun l^s` is `getJobRun` and `listJobs`
//!
//! A mark reaches the line before too, but not the service before. The lines are in the order of their first nouns.
//!
//! What follows the names is one of these:
//!
//! - nothing: the action has the name of the API, and IAM has no resource for it
//! - needs, separated by `;`: see `api_need.rs`
//! - `?`, alone or with needs: the API is newer than the reference, so its action is not confirmed
//! - `-` and a reason: the API needs no permission
//! - `!`: Step Functions does not support the API

use std::cmp::Ordering;

use crate::permissions::integration::api_need::ApiNeed;
use crate::permissions::state_error::StateError;
use crate::table::TableError;
use crate::text::{capital, closest};

const TABLE: &str = include_str!("apis.txt");

/// More characters than the name of any service or API has.
const LONGEST_NAME: usize = 100;

/// The letters of the commonest verbs.
const VERBS: [(char, &str); 25] = [
    ('l', "list"),
    ('g', "get"),
    ('d', "delete"),
    ('c', "create"),
    ('u', "update"),
    ('e', "describe"),
    ('p', "put"),
    ('s', "start"),
    ('t', "tag"),
    ('n', "untag"),
    ('a', "associate"),
    ('i', "disassociate"),
    ('o', "stop"),
    ('m', "modify"),
    ('x', "cancel"),
    ('h', "search"),
    ('j', "add"),
    ('f', "enable"),
    ('r', "remove"),
    ('k', "disable"),
    ('q', "register"),
    ('v', "send"),
    ('w', "set"),
    ('y', "import"),
    ('z', "deregister"),
];

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
pub fn find(name: &str) -> Option<Service> {
    found(blocks(), name).map(parsed)
}

/// Checks that a service and an API have names that AWS could have.
///
/// # Errors
/// Fails for other characters than letters and digits, and for `passRole`.
pub fn check_name(service: &str, action: &str) -> Result<(), StateError> {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    // `iam:PassRole` is a permission without an API. A `PassRoleGrant` allows it, for one service.
    if plain(service) && plain(action) && !action.eq_ignore_ascii_case("passRole") {
        return Ok(());
    }
    Err(StateError::NotAnApi { service: service.to_owned(), action: action.to_owned() })
}

/// The action of an API's name, with the prefix of its service in IAM: `sagemaker:CreateEndpoint`.
pub fn own_action(prefix: &str, api: &str) -> String {
    format!("{prefix}:{}", capital(api))
}

/// The error about a service that the table does not have, with the closest name if `is_hinted`.
pub fn unknown(name: &str, is_hinted: bool) -> StateError {
    let near = is_hinted.then(|| nearest(name, services().map(|service| service.name.to_owned()))).flatten();
    StateError::UnknownService { service: name.to_owned(), near }
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
    /// Whether Step Functions dropped the service.
    pub fn is_dropped(&self) -> bool {
        self.prefix == "!"
    }

    /// Finds an API by its name in the `Resource` of a task: `createEndpoint`.
    ///
    /// # Errors
    /// Fails if the service has no such API, with the closest name if `is_hinted`.
    pub fn api(&self, name: &str, is_hinted: bool) -> Result<Api, StateError> {
        let (noun, entry) = self.line(name).ok_or_else(|| {
            let near = is_hinted.then(|| nearest(name, self.apis())).flatten();
            StateError::UnknownApi { service: self.name, api: name.to_owned(), near, date: date() }
        })?;
        Ok(self.parsed(&noun, entry)?)
    }

    /// Whether the service has an API of this name.
    pub fn has(&self, name: &str) -> bool {
        self.line(name).is_some()
    }

    /// Finds the line of an API: its first noun, and what its APIs need.
    fn line(&self, name: &str) -> Option<(String, &'static str)> {
        let (mut noun, mut first) = (String::new(), String::new());
        for line in self.lines.lines() {
            let (names, entry) = divided(line);
            let mut is_here = false;
            for (at, group) in names.split(' ').enumerate() {
                let verbs = read(group, &mut noun);
                if at == 0 {
                    first.clone_from(&noun);
                }
                let verb = name.strip_suffix(noun.as_str());
                is_here |= verb.is_some_and(|verb| spelled(verbs).any(|one| one == verb));
            }
            if is_here {
                return Some((first, entry));
            }
        }
        None
    }

    /// Lists the names of all APIs.
    pub fn apis(&self) -> impl Iterator<Item = String> + use<> {
        let mut noun = String::new();
        self.lines.lines().flat_map(|line| divided(line).0.split(' ')).flat_map(move |group| {
            let verbs = read(group, &mut noun);
            let noun = noun.clone();
            spelled(verbs).map(move |verb| verb + &noun)
        })
    }

    /// Parses what APIs need. `noun` is the first noun of their line.
    ///
    /// # Errors
    /// Fails if the table is broken, which is a bug in this project. A test reads every line.
    fn parsed(&self, noun: &str, entry: &'static str) -> Result<Api, TableError> {
        if let Some(reason) = entry.strip_prefix('-') {
            return Ok(Api::NoAction(reason));
        }
        if entry == "!" {
            return Ok(Api::Unsupported);
        }
        let (text, confirmed) = entry.strip_prefix('?').map_or((entry, true), |needs| (needs, false));
        let needs = ApiNeed::parse_all(text, noun, self.prefix)?;
        Ok(Api::Known { needs, confirmed })
    }
}

/// The closest name for an error message. A longer name than any that AWS has gets none.
fn nearest(name: &str, all: impl Iterator<Item = String>) -> Option<String> {
    if name.len() > LONGEST_NAME {
        return None;
    }
    let all: Vec<String> = all.collect();
    closest(name, all.iter().map(String::as_str)).map(str::to_owned)
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

/// The names in a line, and what these APIs need. No need begins with a character of a name.
fn divided(line: &'static str) -> (&'static str, &'static str) {
    let is_of_names = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '~' | '^' | ' ');
    let (names, entry) = line.find(|c: char| !is_of_names(c)).map_or((line, ""), |at| line.split_at(at));
    (names.trim_end_matches(' '), entry)
}

/// Reads a group of names. Replaces `noun`, the noun of the group before, with its own, and returns the verbs.
fn read<'a>(group: &'a str, noun: &mut String) -> &'a str {
    let is_start = |c: char| c.is_ascii_uppercase() || matches!(c, '~' | '^');
    let (verbs, own) = group.find(is_start).map_or((group, ""), |at| group.split_at(at));
    let kept = match own.chars().next() {
        Some('~') => noun.len(),
        Some('^') => noun.rfind(|c: char| c.is_ascii_uppercase()).unwrap_or_default(),
        _ => 0,
    };
    noun.truncate(kept);
    noun.push_str(own.trim_start_matches(['~', '^']));
    verbs
}

/// Spells the verbs of a group out: `bg.copy` is `batchGet` and `copy`.
fn spelled(verbs: &str) -> impl Iterator<Item = String> {
    let (letters, others) = verbs.split_once('.').unwrap_or((verbs, ""));
    let mut is_batch = false;
    let common = letters.chars().filter_map(move |letter| {
        if letter == 'b' {
            is_batch = true;
            return None;
        }
        let (_, verb) = VERBS.iter().find(|(of, _)| *of == letter)?;
        Some(if std::mem::take(&mut is_batch) { format!("batch{}", capital(verb)) } else { (*verb).to_owned() })
    });
    common.chain(others.split('.').filter(|verb| !verb.is_empty()).map(str::to_owned))
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
