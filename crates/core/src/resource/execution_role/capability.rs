//! `Capabilities`: what the role may do in SageMaker itself and in the services that a capability needs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::iam::arn::Place;
use crate::permissions::integration::required::Grant;
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::resource::execution_role::bucket::Bucket;
use crate::resource::properties::{Problem, Reader};
use crate::table::TableError;
use crate::text::closest;

/// The length of the longest `NamePrefix`, in characters: the longest names of SageMaker resources have as many.
pub const NAME_PREFIX_LENGTH: usize = 63;

/// The reason for the wildcard after `NamePrefix`.
const BY_PREFIX: &str = "the grant covers every name that begins with `NamePrefix`";

/// The reason for `*` alone.
const WITHOUT_RESOURCES: &str = "these actions have no resource-level permissions";

/// The abilities of each capability; the error of parsing where the table is broken.
static CAPABILITIES: LazyLock<Result<BTreeMap<String, Vec<Ability>>, TableError>> = LazyLock::new(|| {
    let text = include_str!("capabilities.json");
    serde_json::from_str(text).map_err(|error| TableError::Capabilities(error.to_string()))
});

/// Returns the names of the capabilities, such as `Training`, in alphabetical order.
///
/// There are none where the table of capabilities is broken; [`Capabilities::parse`] reports that.
pub fn capability_names() -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().flat_map(|table| table.keys()).map(String::as_str)
}

/// Actions on resources of some kinds: one row of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ability {
    /// Actions, such as `sagemaker:CreateTrainingJob`.
    allow: BTreeSet<String>,
    /// The resources: `*`, or service and resource part of an ARN of this account, such as
    /// `sagemaker:training-job/{prefix}*`. See [`Named::resources`] for what stands in braces.
    on: Vec<String>,
    /// A pattern as in `on`. The row grants nothing if there are no such resources.
    with: Option<String>,
    /// The `Condition` of the statement.
    condition: Option<Value>,
    /// The reason for the wildcards, if it is not that of `NamePrefix` or of an action without resources.
    why: Option<String>,
    /// The pages that say so.
    #[serde(rename = "source")]
    _source: IgnoredAny,
}

/// What the other properties name, for the rows of the table.
#[derive(Debug)]
pub struct Named<'a> {
    /// Where the resources are.
    pub place: &'a Place,
    /// The buckets of `Buckets`.
    pub buckets: &'a [Bucket],
    /// The ARNs of `KmsKeys`.
    pub keys: &'a [String],
    /// The names of `GlueDatabases`.
    pub databases: &'a [String],
    /// `NamePrefix` as written and in lower case: SageMaker's ARNs have been seen with names in both cases.
    pub prefixes: BTreeSet<String>,
}

impl Named<'_> {
    /// Returns the resources that a pattern of the table stands for. There are none if it names a property that is
    /// absent.
    ///
    /// - `{prefix}`: `NamePrefix`
    /// - `{database}`: the name of each Glue database
    /// - `{key}`: the ARN of each key
    /// - `{bucket}`: the ARN of each bucket
    /// - `{bucket:write}`: the ARN of each bucket that the role writes to
    /// - `{objects:write}`: the objects that it writes
    fn resources(&self, pattern: &str, why: &str) -> Vec<ResourcePattern> {
        let Place { partition, region, account } = self.place;
        let written = || self.buckets.iter().filter(|bucket| bucket.writes);
        let exact = |bucket: &Bucket| ResourcePattern::exact(bucket.arn.clone());
        match pattern {
            "*" => return vec![ResourcePattern::always("*".to_owned(), why)],
            "{key}" => return self.keys.iter().cloned().map(ResourcePattern::exact).collect(),
            "{bucket}" => return self.buckets.iter().map(exact).collect(),
            "{bucket:write}" => return written().map(exact).collect(),
            _ => {}
        }
        if let Some(below) = pattern.strip_prefix("{objects:write}") {
            let objects = written().map(Bucket::objects);
            return objects.map(|one| ResourcePattern { arn: one.arn + below, ..one }).collect();
        }
        let (service, resource) = pattern.split_once(':').unwrap_or_default();
        let resources: Vec<String> = if resource.contains("{prefix}") {
            self.prefixes.iter().map(|prefix| resource.replace("{prefix}", prefix)).collect()
        } else if resource.contains("{database}") {
            self.databases.iter().map(|database| resource.replace("{database}", database)).collect()
        } else {
            vec![resource.to_owned()]
        };
        let arn = |resource| format!("arn:{partition}:{service}:{region}:{account}:{resource}");
        let pattern = |arn: String| {
            if arn.contains('*') { ResourcePattern::always(arn, why) } else { ResourcePattern::exact(arn) }
        };
        resources.into_iter().map(arn).map(pattern).collect()
    }

    /// Returns a condition of the table with the place of this function.
    fn condition(&self, condition: &Value) -> Option<Value> {
        let Place { partition, region, account } = self.place;
        let text = condition.to_string().replace("{partition}", partition).replace("{region}", region);
        serde_json::from_str(&text.replace("{account}", account)).ok()
    }
}

/// The capabilities that a role asks for.
#[derive(Debug)]
pub struct Capabilities {
    /// Each valid item of the property: its path and the name of the capability.
    asked: Vec<(String, &'static str)>,
}

impl Capabilities {
    /// Parses `Capabilities`.
    pub fn parse(reader: &Reader<'_>) -> Self {
        let table = match CAPABILITIES.as_ref() {
            Ok(table) => table,
            Err(error) => {
                reader.report("", Problem::other(error));
                return Self { asked: Vec::new() };
            }
        };
        let mut asked = Vec::new();
        for (path, text) in reader.texts("Capabilities") {
            if let Some((name, _)) = table.get_key_value(&text) {
                asked.push((path, name.as_str()));
                continue;
            }
            let near = closest(&text, table.keys().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            let all: Vec<String> = table.keys().map(|name| format!("`{name}`")).collect();
            reader.invalid(&path, &text, &format!("one of {}{near}", all.join(", ")));
        }
        if !asked.is_empty() && !reader.has("NamePrefix") {
            reader
                .report("NamePrefix", "missing, expected the prefix of the SageMaker names that `Capabilities` cover");
        }
        if !reader.has("Capabilities") && reader.has("NamePrefix") {
            reader.report("NamePrefix", "allowed only with `Capabilities`");
        }
        Self { asked }
    }

    /// Returns whether the role has the capability.
    pub fn has(&self, name: &str) -> bool {
        self.asked.iter().any(|(_, one)| *one == name)
    }

    /// Returns the names of the capabilities.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.asked.iter().map(|(_, name)| *name)
    }

    /// Reports the properties that a capability needs and that are absent.
    pub fn check(&self, reader: &Reader<'_>, named: &Named<'_>) {
        let are_named =
            reader.raw("GlueDatabases").is_some_and(|value| value.as_array().is_none_or(|items| !items.is_empty()));
        for needs in ["Athena", "GlueTables"].into_iter().filter(|one| self.has(one) && !are_named) {
            let problem = format!("missing, expected the names of the databases for the capability `{needs}`");
            reader.report("GlueDatabases", problem);
        }
        if are_named && !self.has("Athena") && !self.has("GlueTables") {
            reader.report("GlueDatabases", "allowed only with the capability `Athena` or `GlueTables`");
        }
        if self.has("FeatureStoreOffline") && !named.buckets.iter().any(|bucket| bucket.writes) {
            reader.report(
                "Buckets",
                "missing, expected the bucket of the offline store with `Access: ReadWrite` or `Write` for the \
                 capability `FeatureStoreOffline`",
            );
        }
    }

    /// Returns the grants of the capabilities. Each stands for an item of the property.
    pub fn grants(&self, named: &Named<'_>) -> Vec<Grant> {
        let mut grants = Vec::new();
        for (path, name) in &self.asked {
            let abilities = CAPABILITIES.as_ref().ok().and_then(|table| table.get(*name));
            for Ability { allow, on, with, condition, why, .. } in abilities.into_iter().flatten() {
                if with.as_ref().is_some_and(|with| named.resources(with, BY_PREFIX).is_empty()) {
                    continue;
                }
                let resources = on.iter().flat_map(|pattern| {
                    let usual = if pattern == "*" { WITHOUT_RESOURCES } else { BY_PREFIX };
                    named.resources(pattern, why.as_deref().unwrap_or(usual))
                });
                let resources: Vec<ResourcePattern> = resources.collect();
                let condition = condition.as_ref().and_then(|condition| named.condition(condition));
                if !resources.is_empty() {
                    grants.push(Grant::new(path, allow.clone(), resources, condition));
                }
            }
        }
        grants
    }
}

/// Parses `NamePrefix`; returns empty text where it is absent.
pub fn name_prefix(reader: &Reader<'_>) -> String {
    let Some(prefix) = reader.text("NamePrefix") else { return String::new() };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if prefix.len() > NAME_PREFIX_LENGTH || !prefix.bytes().all(allowed) {
        reader.invalid("NamePrefix", &prefix, "a prefix of SageMaker names: at most 63 letters, digits and hyphens");
    }
    prefix
}
