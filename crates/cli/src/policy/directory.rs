//! Writes the policies to files in a folder.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use super::error::PolicyError;
use super::result::Policies;
use crate::error::Error;

/// The file with the whole result. It tells a later run which files are the program's own.
const RESULT: &str = "result.json";
const TRUST: &str = "trust-policy.json";
const PASS_ROLE: &str = "pass-role-policy.json";

/// Writes the documents. Files of an earlier result that the new one lacks are deleted, so that `policy-*.json` are the
/// policies of this result.
///
/// # Errors
/// When a file can't be written. Each file is either the old one or the new one.
pub fn write(folder: &Path, policies: &Policies) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| PolicyError::Output { path, error }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let earlier = fs::read_to_string(folder.join(RESULT)).ok();
    let earlier: Option<Policies> = earlier.and_then(|text| serde_json::from_str(&text).ok());
    let files = files(policies);
    // The result is the last file, so that an interrupted run is repeated in full.
    let result = (RESULT.to_owned(), serde_json::to_value(policies)?);
    for (name, content) in files.iter().chain([&result]) {
        let path = folder.join(name);
        let temporary = folder.join(format!(".{name}.{}", std::process::id()));
        let text = serde_json::to_string_pretty(content)? + "\n";
        let written = fs::File::create(&temporary).and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written.and_then(|()| fs::rename(&temporary, &path)) {
            drop(fs::remove_file(&temporary));
            return Err(failed(&path)(error).into());
        }
    }
    let outdated = earlier.iter().flat_map(self::files).filter(|(name, _)| !files.iter().any(|(kept, _)| kept == name));
    for (name, _) in outdated {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(&path)(error).into()),
            _ => {}
        }
    }
    Ok(())
}

/// The names and the contents of the files of a result, except the result itself.
fn files(policies: &Policies) -> Vec<(String, Value)> {
    let Policies { trust_policy, policies, pass_role_policy, .. } = policies;
    let numbered = policies.iter().enumerate().map(|(i, policy)| (format!("policy-{}.json", i + 1), policy.clone()));
    let trust = (TRUST.to_owned(), trust_policy.clone());
    let pass_role = pass_role_policy.clone().map(|policy| (PASS_ROLE.to_owned(), policy));
    [trust].into_iter().chain(numbered).chain(pass_role).collect()
}
