//! Writes the policies to files in a folder.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde_json::Value;

use super::error::PolicyError;
use super::result::Policies;
use crate::error::Error;

/// The file with the whole result. It tells a later run which files the program wrote.
const RESULT: &str = "result.json";
const TRUST: &str = "trust-policy.json";
const PASS_ROLE: &str = "pass-role-policy.json";

/// Writes the documents. Files of the earlier result that the new one lacks are deleted, so that `policy-*.json` are the
/// policies of this result.
///
/// # Errors
/// When the folder has the policies of another state machine, or a file of such a name exists that no earlier run wrote.
/// Then nothing is written. When a file can't be written or
/// deleted. Then each file is either the old one or the new one, and the earlier result stays for the next run.
pub fn write(folder: &Path, policies: &Policies) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let result = serde_json::to_value(policies)?;
    let files = files(&result);
    let earlier = fs::read_to_string(folder.join(RESULT)).ok();
    let earlier: Option<Value> = earlier.and_then(|text| serde_json::from_str(&text).ok());
    let of = earlier.as_ref().and_then(|result| result.get("stateMachine")?.as_str());
    if let Some(other) = of.filter(|of| *of != policies.state_machine) {
        return Err(PolicyError::OtherMachine { path: folder.to_owned(), other: other.to_owned() }.into());
    }
    let mut earlier: BTreeSet<String> =
        earlier.iter().filter(|value| value.get("trustPolicy").is_some()).flat_map(names).collect();
    if let Some(name) = present(folder)?.into_iter().find(|name| !earlier.contains(name)) {
        return Err(PolicyError::Foreign { path: folder.join(name) }.into());
    }
    for (name, content) in &files {
        replace(folder, name, content)?;
        earlier.remove(name);
    }
    earlier.remove(RESULT);
    for name in earlier {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path)(error).into()),
            _ => {}
        }
    }
    replace(folder, RESULT, &result)
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> PolicyError {
    let path = path.to_owned();
    move |error| PolicyError::Output { path: path.clone(), error }
}

/// Writes a file as a whole, or leaves the old one.
fn replace(folder: &Path, name: &str, content: &Value) -> Result<(), Error> {
    let path = folder.join(name);
    let temporary = folder.join(format!(".{name}.{}", std::process::id()));
    let text = serde_json::to_string_pretty(content)? + "\n";
    // A link of this name, which would lead elsewhere, is refused.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(failed(&temporary))?;
    if let Err(error) = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&temporary, &path)) {
        drop(fs::remove_file(&temporary));
        return Err(failed(&path)(error).into());
    }
    Ok(())
}

/// The names in a folder that a result may have.
fn present(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let name = entry.map_err(failed(folder))?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("policy-").and_then(|rest| rest.strip_suffix(".json"));
        let is_numbered = number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        if is_numbered || [RESULT, TRUST, PASS_ROLE].contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The names of the files of a result.
fn names(result: &Value) -> Vec<String> {
    files(result).into_iter().map(|(name, _)| name).chain([RESULT.to_owned()]).collect()
}

/// The names and the contents of the files of a result, except the result itself.
fn files(result: &Value) -> Vec<(String, Value)> {
    let policies = result.get("policies").and_then(Value::as_array).into_iter().flatten();
    let numbered = policies.enumerate().map(|(i, policy)| (format!("policy-{}.json", i + 1), policy.clone()));
    let one = |name: &str, member: &str| {
        result.get(member).filter(|policy| !policy.is_null()).map(|policy| (name.to_owned(), policy.clone()))
    };
    one(TRUST, "trustPolicy").into_iter().chain(numbered).chain(one(PASS_ROLE, "passRolePolicy")).collect()
}
