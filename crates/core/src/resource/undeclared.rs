//! What is told of the needs that neither the definition nor its author names.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::iam::document::hex;
use crate::permissions::integration::required::RequiredPermissions;
use crate::permissions::integration::task_resources::Use;
use crate::resource::properties::Reader;

/// Reports the needs that states certainly have, and adds a notice for each need that they may have.
///
/// `definition` is the text of the definition with its substitutions.
pub fn report(reader: &Reader<'_>, required: &mut RequiredPermissions, definition: &str) {
    if let Some(error) = error(required, definition) {
        reader.tighten(error);
    }
    for need in required.undeclared.iter().filter(|need| !need.required) {
        required.notices.push(match need.used {
            Use::Key => format!("name {} in `DataKeys`; an empty list says that there are none", need.what),
            used => format!(
                "state `{}`: perhaps it {used} {}; declare it in `TaskResources`, or `{{}}` for a state that needs \
                 nothing more",
                need.state, need.what
            ),
        });
    }
}

/// The error about all states that certainly need more than the definition names. `None` if there are none.
///
/// `definition` is in the error by its digest, so that an Update that changes the definition gets another error.
fn error(required: &RequiredPermissions, definition: &str) -> Option<String> {
    let mut needs: Vec<_> = required.undeclared.iter().filter(|need| need.required).collect();
    needs.sort();
    needs.dedup();
    let (mut told, mut text) = (Vec::new(), Map::new());
    for need in &needs {
        told.push(format!("state `{}` {} {}", need.state, need.used, need.what));
        let (list, item) = match &need.service {
            Some(service) => ("PassRoles", json!({ "RoleArn": "ROLE_ARN", "Service": service })),
            None if need.used == Use::Write => ("Write", json!("ARN")),
            None => ("Read", json!("ARN")),
        };
        let lists = text.entry(need.state.clone()).or_insert_with(|| json!({}));
        if let Some(lists) = lists.as_object_mut()
            && let Some(items) = lists.entry(list).or_insert_with(|| json!([])).as_array_mut()
            && !items.contains(&item)
        {
            items.push(item);
        }
    }
    let digest: String = hex(&Sha256::digest(definition)).chars().take(8).collect();
    (!needs.is_empty()).then(|| {
        format!(
            "`TaskResources`: missing, expected what the definition (digest {digest}) does not name: {}; add {} with \
             your ARNs, or `{{}}` for a state that needs nothing more",
            told.join(", "),
            Value::Object(text)
        )
    })
}
