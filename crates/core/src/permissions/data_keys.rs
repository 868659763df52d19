//! Derives what the KMS keys of data need: the data that tasks read and write by way of other services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::json;

use crate::iam::arn::{Arn, matches};
use crate::permissions::integration::required::{Grant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::permissions::integration::task_resources::Use;
use crate::permissions::integration::undeclared::UndeclaredNeed;
use crate::table::TableError;

/// The name that stands for the state in the grants of keys.
pub const STATE: &str = "(data keys)";

/// The services whose callers need the key of the data. A table that can't be parsed is a bug, and a test reads it.
static ROWS: LazyLock<Result<Vec<Row>, TableError>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("data_keys.json")).map_err(|error| TableError::DataKeys(error.to_string()))
});

/// What the callers of a service need of the key that encrypts its data.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The name of the service in `kms:ViaService`: `s3`.
    pub via: String,
    /// The patterns of the actions that read or write data: `s3:GetObject*`.
    pub when: Vec<String>,
    /// The actions of KMS that they need: `kms:Decrypt`.
    pub allow: BTreeSet<String>,
    /// Whether the actions are only for grants that a service of AWS uses.
    #[serde(default)]
    pub grant: bool,
    /// The page of AWS that says so.
    pub source: String,
}

/// Lists the rows of the table.
///
/// # Errors
/// Fails if the table is broken, which is a bug in this project.
pub fn rows() -> Result<&'static [Row], TableError> {
    ROWS.as_deref().map_err(Clone::clone)
}

/// Adds what the keys need, each for the services that the grants touch in the region of the key.
///
/// `keys` has the ARNs of keys, or `None` if the author does not say whether there are any.
///
/// <https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service>
pub(super) fn required_by_data_keys(keys: Option<&[String]>, required: &mut RequiredPermissions) {
    let rows = match rows() {
        Ok(rows) => rows,
        Err(why) => return required.errors.push(why.to_string()),
    };
    let Some(keys) = keys else {
        let touched: BTreeSet<&str> =
            rows.iter().filter(|row| row.applies(&required.grants, None)).map(|row| row.via.as_str()).collect();
        if !touched.is_empty() {
            let services: Vec<&str> = touched.into_iter().collect();
            required.undeclared.push(UndeclaredNeed {
                state: STATE.to_owned(),
                used: Use::Key,
                what: format!("the customer managed keys of the data in {}", services.join(", ")),
                required: false,
                service: None,
                source: "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html".to_owned(),
            });
        }
        return;
    };
    for key in keys {
        let Some(region) = Arn::parse(key).map(|arn| arn.region) else { continue };
        let before = required.grants.len();
        for grant in [false, true] {
            // The actions with the services by way of which they are allowed.
            let mut allowed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            let fitting = rows.iter().filter(|row| row.grant == grant && row.applies(&required.grants, Some(region)));
            for row in fitting {
                for action in &row.allow {
                    // The name ends so in every partition.
                    let service = format!("{}.{region}.amazonaws.com", row.via);
                    allowed.entry(action.clone()).or_default().insert(service);
                }
            }
            for (action, services) in allowed {
                let via = json!({ "kms:ViaService": services });
                let condition = if grant {
                    json!({ "Bool": { "kms:GrantIsForAWSResource": "true" }, "StringEquals": via })
                } else {
                    json!({ "StringEquals": via })
                };
                let on = vec![ResourcePattern::exact(key.clone())];
                required.grants.push(Grant::new(STATE, [action].into(), on, Some(condition)));
            }
        }
        if required.grants.len() == before {
            required.tightened.push(format!(
                "`DataKeys`: found `{key}`, expected the key of data that a task reads or writes in the region of the \
                 key; remove it"
            ));
        }
    }
}

impl Row {
    /// Whether a grant touches data of the service in a region, or in any region if that is `None`.
    fn applies(&self, grants: &[Grant], region: Option<&str>) -> bool {
        let in_region = |resource: &String| {
            let found = Arn::parse(resource).map_or("", |arn| arn.region);
            region.is_none_or(|region| found.is_empty() || found == "*" || found == region)
        };
        let acts = |action: &String| self.when.iter().any(|pattern| matches(pattern, action));
        grants.iter().any(|grant| grant.actions.iter().any(acts) && grant.resources.iter().any(in_region))
    }
}
