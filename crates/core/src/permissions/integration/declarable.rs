//! Needs of the tables that a definition does not name, so that only its author can.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::iam::arn::{Arn, matches};
use crate::permissions::integration::call::Call;
use crate::permissions::integration::required::RequiredPermissions;
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::permissions::integration::task_resources::Use;
use crate::permissions::integration::undeclared::UndeclaredNeed;

/// A need of a table that the author of a definition declares in `TaskResources`.
///
/// The need also has `allow`, `given` and `lacking` as every need of the table, and `to` if roles are passed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declarable {
    /// How the state uses it.
    #[serde(rename = "use")]
    pub used: Use,
    /// What the state uses, as a noun phrase: `the data behind the tables of the query`.
    pub what: String,
    /// Whether the call may do without. Otherwise it fails for nearly everyone if the permission is missing.
    #[serde(default)]
    pub possible: bool,
    /// Whether only a call that certainly fits `given` has the need, and not one that is known only at run time.
    #[serde(default)]
    pub certain: bool,
    /// The pattern of the ARNs that the actions are granted on, from the service on: `s3:::*/*`.
    #[serde(default)]
    pub fits: String,
    /// The actions on the bucket of a declared object.
    #[serde(default)]
    pub bucket: BTreeSet<String>,
    /// The page of AWS that has the need.
    pub source: String,
}

impl Declarable {
    /// Grants what the author declares for the state of a call, or records the need as undeclared.
    ///
    /// `to` is the service that roles are passed to.
    pub(super) fn require(
        &self,
        call: &Call<'_>,
        actions: &BTreeSet<String>,
        to: &str,
        required: &mut RequiredPermissions,
    ) {
        let (state, context) = (&call.task.path, call.context);
        let certain = call.given.is_empty() || call.is_given();
        if self.certain && !certain {
            return;
        }
        let is_required = !self.possible && certain;
        let declared = context.resources.get(state);
        let Some(declared) = declared.filter(|declared| declared.tells(self.used)) else {
            required.undeclared.push(UndeclaredNeed {
                state: state.clone(),
                used: self.used,
                what: self.what.clone(),
                required: is_required,
                service: (self.used == Use::PassRole).then(|| to.to_owned()),
                source: self.source.clone(),
            });
            return;
        };
        let mut fits = self.used == Use::PassRole && required.pass_declared(state, to, context);
        let pattern = format!("arn:{}:{}", context.place.partition, self.fits);
        for arn in declared.arns(self.used).iter().filter(|arn| matches(&pattern, arn)) {
            fits = true;
            required.take(state, self.used, arn, "");
            required.grant(state, actions.clone(), vec![ResourcePattern::declared(arn)], None);
            let bucket = Arn::parse(arn).and_then(|arn| arn.resource.split('/').next());
            if let Some(bucket) = bucket.filter(|_| !self.bucket.is_empty()) {
                let bucket = format!("arn:{}:s3:::{bucket}", context.place.partition);
                required.grant(state, self.bucket.clone(), vec![ResourcePattern::declared(&bucket)], None);
            }
        }
        let is_none = if self.used == Use::PassRole {
            declared.all_roles().is_empty()
        } else {
            declared.arns(self.used).is_empty()
        };
        if is_required && !fits && !is_none {
            required.notice(state, &format!("`TaskResources` has nothing that fits {}", self.what));
        }
    }
}
