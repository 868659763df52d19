//! What is told of the needs that neither the definition nor its author names.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::iam::document::hex;
use crate::permissions::integration::required::RequiredPermissions;
use crate::permissions::integration::task_resources::Use;
use crate::permissions::integration::undeclared::UndeclaredNeed;
use crate::resource::properties::{Problem, Reader};

/// Reports the needs that states certainly have, and adds a notice for each need that they may have.
///
/// `definition` is the text of the definition with its substitutions. The errors have its digest, so that an Update that
/// changes the definition gets other errors.
pub fn report(reader: &Reader<'_>, required: &mut RequiredPermissions, definition: &str) {
    let digest: String = hex(&Sha256::digest(definition)).chars().take(8).collect();
    // A property in another form has an error of its own.
    let is_readable = reader.raw("TaskResources").is_none_or(Value::is_object);
    // The needs of a state follow one another.
    for needs in required.undeclared.chunk_by(|one, next| one.state == next.state) {
        let (certain, possible): (Vec<_>, Vec<_>) =
            without_repetition(needs).into_iter().partition(|need| need.required);
        if is_readable && let Some(first) = certain.first() {
            reader.tighten("TaskResources", Problem::Undeclared(problem(&first.state, &certain, &digest)));
        }
        required.notices.extend(possible.into_iter().map(|need| match need.used {
            Use::Key => format!("name {} in `DataKeys`; an empty list says that there are none", need.what),
            used => format!(
                "state `{}`: perhaps it {used} {}; declare it in `TaskResources`, or `{{}}` for a state that needs \
                 nothing more",
                need.state, need.what
            ),
        }));
    }
}

/// The needs, each once. What is certainly needed is not told as possible, too.
fn without_repetition(needs: &[UndeclaredNeed]) -> Vec<&UndeclaredNeed> {
    let mut found: Vec<&UndeclaredNeed> = Vec::new();
    let (certain, possible): (Vec<_>, Vec<_>) = needs.iter().partition(|need| need.required);
    for need in certain.into_iter().chain(possible) {
        if !found.iter().any(|one| one.used == need.used && one.what == need.what) {
            found.push(need);
        }
    }
    found
}

/// The problem of a state that certainly needs more than the definition names, with the text to add.
fn problem(state: &str, needs: &[&UndeclaredNeed], digest: &str) -> String {
    let mut lists = json!({});
    for need in needs {
        let arn = Value::from(format!("ARN of {}", need.what));
        let (list, item) = match (&need.service, need.used) {
            (Some(service), _) => ("PassRoles", json!({ "RoleArn": arn, "Service": service })),
            (None, Use::Write) => ("Write", arn),
            (None, _) => ("Read", arn),
        };
        if let Some(lists) = lists.as_object_mut()
            && let Some(items) = lists.entry(list).or_insert_with(|| json!([])).as_array_mut()
        {
            items.push(item);
        }
    }
    let told: Vec<String> = needs.iter().map(|need| format!("{} {}", need.used, need.what)).collect();
    format!(
        "missing for state `{state}` of the definition (digest {digest}), which {}; add {}, with an empty list for what \
         it does not need",
        told.join(" and "),
        json!({ state: lists })
    )
}
