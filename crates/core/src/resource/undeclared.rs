//! What is told of the needs that neither the definition nor its author names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::iam::document::hex;
use crate::permissions::integration::required::RequiredPermissions;
use crate::permissions::integration::task_resources::Use;
use crate::permissions::integration::undeclared::UndeclaredNeed;
use crate::resource::properties::Reader;

/// Reports the needs that states certainly have, and adds a notice for each need that they may have.
///
/// `definition` is the text of the definition with its substitutions. The errors have its digest, so that an Update that
/// changes the definition gets other errors.
pub fn report(reader: &Reader<'_>, required: &mut RequiredPermissions, definition: &str) {
    let digest: String = hex(&Sha256::digest(definition)).chars().take(8).collect();
    let mut by_state: BTreeMap<&str, BTreeSet<&UndeclaredNeed>> = BTreeMap::new();
    for need in required.undeclared.iter().filter(|need| need.required) {
        by_state.entry(&need.state).or_default().insert(need);
    }
    // A property in another form has an error of its own.
    if reader.raw("TaskResources").is_none_or(Value::is_object) {
        for (state, needs) in &by_state {
            reader.tighten(error(state, needs, &digest));
        }
    }
    let possible: BTreeSet<&UndeclaredNeed> = required.undeclared.iter().filter(|need| !need.required).collect();
    let notices = possible.into_iter().map(|need| match need.used {
        Use::Key => format!("name {} in `DataKeys`; an empty list says that there are none", need.what),
        used => format!(
            "state `{}`: perhaps it {used} {}; declare it in `TaskResources`, or `{{}}` for a state that needs nothing \
             more",
            need.state, need.what
        ),
    });
    let notices: Vec<String> = notices.collect();
    required.notices.extend(notices);
}

/// The error about a state that certainly needs more than the definition names, with the text to add.
fn error(state: &str, needs: &BTreeSet<&UndeclaredNeed>, digest: &str) -> String {
    let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for need in needs {
        let (list, item) = match (&need.service, need.used) {
            (Some(service), _) => {
                ("PassRoles", json!({ "RoleArn": format!("ARN of {}", need.what), "Service": service }))
            }
            (None, Use::Write) => ("Write", format!("ARN of {}", need.what).into()),
            (None, _) => ("Read", format!("ARN of {}", need.what).into()),
        };
        lists.entry(list).or_default().push(item);
    }
    let told: Vec<String> = needs.iter().map(|need| format!("{} {}", need.used, need.what)).collect();
    format!(
        "`TaskResources`: missing for state `{state}` of the definition (digest {digest}), which {}; add {}, with an \
         empty list for what it does not need",
        told.join(" and "),
        json!({ state: lists })
    )
}
