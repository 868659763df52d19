//! What an API of the table needs, and the form in which the table writes it.
//!
//! A `~` in needs is the noun of the line's first group, without an `s` at its end: `{~Id}`. Behind `:`, `/` and a
//! space it is in kebab case: `:batch-job/*` is `:~/*` in the line of `createBatchJob`.
//!
//! Each part of a need begins with a sign. Parts of one sign may repeat:
//!
//! | part | holds |
//! |---|---|
//! | `:job/*`, `*`, `>s3:::*` | `on`; `:` stands for the prefix of the service, and `>` begins any other resource |
//! | `<*` | `otherwise` |
//! | `#c` | `why`, a letter of `REASONS` |
//! | `+StopJob`, `+s3:GetObject` | `allow`; an action without a colon is of the service |
//! | `$RoleArn` | `pass` |
//! | `%events` | `to`, without `.amazonaws.com`; `%` if AWS does not document it; a role without it has the prefix |
//! | `` ` ``, `` `p `` | `optional`, `profile` |
//! | `^Tags` | `given` |
//! | `^!VersionId` | `lacking` |
//! | `^*Bucket` | `also` |
//! | `'{…}`, `&{…}` | `condition`, `declared`, in JSON |
//!
//! `!` at the beginning stands for the action `TagResource` of the service and for `^Tags`. A need without resources,
//! roles and `declared` has `on`, `otherwise` and `why` of the need before: `*;!`. A need never begins with `^`. JSON
//! has an escape such as `\u0023` for each character that would be a sign, `;` or `~`.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::permissions::integration::declarable::Declarable;
use crate::table::TableError;

/// The letters of the reasons for a wildcard.
const REASONS: [(&str, &str); 8] = [
    ("c", "created"),
    ("u", "unnamed"),
    ("o", "optional"),
    ("l", "list"),
    ("n", "other-name"),
    ("t", "content"),
    ("p", "partial"),
    ("d", "condition"),
];

/// What begins a further part of a need. No value has one of them.
const SIGNS: [char; 10] = ['>', '<', '#', '+', '$', '%', '`', '^', '\'', '&'];

/// A grant of the table: actions on resources, or roles to pass. The members are those of `Need` where both have them.
#[derive(Debug, Default)]
pub struct ApiNeed {
    /// The IAM actions. An empty list stands for the action of the API's name.
    pub allow: Vec<String>,
    /// The resources, as ARN templates.
    pub on: Vec<String>,
    /// The resources if `on` leads to none.
    pub otherwise: Vec<String>,
    /// The key of the reason for a wildcard in `on` itself or in `otherwise`: see `resource_pattern::reason`.
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
    /// What only the author of the definition can name.
    pub declared: Option<Declarable>,
}

impl ApiNeed {
    /// The need of an API whose line has none: the action of its name, for which IAM has no resource.
    pub fn without_resource() -> Self {
        Self { on: vec!["*".to_owned()], ..Self::default() }
    }

    /// The IAM actions. `own` is the action of the API's name: `sagemaker:CreateEndpoint`.
    pub fn actions(&self, own: &str) -> BTreeSet<String> {
        if self.allow.is_empty() { [own.to_owned()].into() } else { self.allow.iter().cloned().collect() }
    }

    /// Parses the needs of a line. `noun` is the first noun of the line, `prefix` that of the service in IAM.
    ///
    /// # Errors
    /// Fails if a part is broken, with the part or the error of its JSON.
    pub(super) fn parse_all(text: &str, noun: &str, prefix: &str) -> Result<Vec<Self>, TableError> {
        let text = with_noun(text, noun);
        let mut needs: Vec<Self> = Vec::new();
        for one in text.split(';').filter(|one| !one.is_empty()) {
            let need = Self::parse(one, needs.last(), prefix)?;
            needs.push(need);
        }
        Ok(needs)
    }

    /// Parses a need. `before` is the need before it.
    ///
    /// # Errors
    /// Fails if a part is broken, with the part or the error of its JSON.
    fn parse(text: &str, before: Option<&Self>, prefix: &str) -> Result<Self, TableError> {
        let (mut need, mut rest) = (Self::default(), text);
        if let Some(tagging) = text.strip_prefix('!') {
            need.allow.push(format!("{prefix}:TagResource"));
            need.given.push("Tags".to_owned());
            rest = tagging;
        }
        while !rest.is_empty() {
            let end = rest.char_indices().skip(1).find(|(_, c)| SIGNS.contains(c)).map_or(rest.len(), |(at, _)| at);
            let (part, behind) = rest.split_at(end);
            need.add(part, prefix)?;
            rest = behind;
        }
        if !need.pass.is_empty() && !text.contains('%') {
            need.to = format!("{prefix}.amazonaws.com");
        }
        let has_place = !need.on.is_empty() || !need.pass.is_empty() || need.declared.is_some();
        if let Some(before) = before.filter(|_| !has_place) {
            need.on.clone_from(&before.on);
            need.otherwise.clone_from(&before.otherwise);
            need.why.clone_from(&before.why);
        }
        Ok(need)
    }

    /// Adds a part to a need.
    ///
    /// # Errors
    /// Fails if the part is broken, with the part or the error of its JSON.
    fn add(&mut self, part: &str, prefix: &str) -> Result<(), TableError> {
        let mut chars = part.chars();
        let sign = chars.next();
        let value = chars.as_str();
        let broken = || TableError::Apis(part.to_owned());
        match (sign, value) {
            (Some(':' | '*'), _) => self.on.push(full(part, prefix)),
            (Some('>'), _) => self.on.push(full(value, prefix)),
            (Some('<'), _) => self.otherwise.push(full(value, prefix)),
            (Some('#'), _) => {
                let (_, why) = REASONS.iter().find(|(letter, _)| *letter == value).ok_or_else(broken)?;
                (*why).clone_into(&mut self.why);
            }
            (Some('+'), action) if action.contains(':') => self.allow.push(action.to_owned()),
            (Some('+'), action) => self.allow.push(format!("{prefix}:{action}")),
            (Some('$'), _) => self.pass.push(value.to_owned()),
            (Some('%'), "") => {}
            (Some('%'), _) => self.to = format!("{value}.amazonaws.com"),
            (Some('`'), "") => self.optional = true,
            (Some('`'), "p") => self.profile = true,
            (Some('^'), _) => {
                let (members, member) = match (value.strip_prefix('!'), value.strip_prefix('*')) {
                    (Some(member), _) => (&mut self.lacking, member),
                    (_, Some(member)) => (&mut self.also, member),
                    (None, None) => (&mut self.given, value),
                };
                members.push(member.to_owned());
            }
            (Some('\''), _) => self.condition = parsed(value)?,
            (Some('&'), _) => self.declared = parsed(value)?,
            _ => return Err(broken()),
        }
        Ok(())
    }
}

/// Parses the JSON in a need.
fn parsed<T: DeserializeOwned>(json: &str) -> Result<T, TableError> {
    serde_json::from_str(json).map_err(|error| TableError::Apis(error.to_string()))
}

/// A template with the prefix of the service if it begins with a colon.
fn full(template: &str, prefix: &str) -> String {
    if template.starts_with(':') { format!("{prefix}{template}") } else { template.to_owned() }
}

/// Writes a noun in the place of each `~`, without an `s` at its end.
fn with_noun(text: &str, noun: &str) -> String {
    let noun = noun.strip_suffix('s').unwrap_or(noun);
    let mut full = String::new();
    for c in text.chars() {
        if c != '~' {
            full.push(c);
        } else if full.ends_with([':', '/', ' ']) {
            full.push_str(&kebab(noun));
        } else {
            full.push_str(noun);
        }
    }
    full
}

/// A noun in kebab case: `BatchJob` is `batch-job`.
fn kebab(noun: &str) -> String {
    let mut words = String::new();
    for c in noun.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}
