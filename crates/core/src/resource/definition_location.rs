//! Parses the property that names the object in Amazon S3 with the definition of a state machine, and checks what was
//! read of the object.

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::guardrails::Guardrails;
use crate::iam::arn::Place;
use crate::iam::document::hex;
use crate::resource::properties::{Problem, Reader, ValidationError};
use crate::text::listed;

/// The name of the property.
pub const PROPERTY: &str = "DefinitionS3Location";

/// The name of the property with the expected SHA-256 of the object, and of the attribute with the SHA-256 of the
/// object that was read.
pub const SHA256: &str = "DefinitionSha256";

/// The maximum size of a definition, in bytes.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
pub const MAX_BYTES: usize = 1_048_576;

/// The maximum length of a key, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const KEY_BYTES: usize = 1_024;

/// The id of the one version in a bucket that keeps no versions. Whoever writes the object replaces that version.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/AddingObjectstoVersionSuspendedBuckets.html>
const NULL_VERSION: &str = "null";

/// An object in a bucket of the function's account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The name of the bucket: `my-artifacts`.
    pub bucket: String,
    /// The key of the object: `churn/pipeline.asl.json`. Not empty, and without percent-encoding.
    pub key: String,
    /// The id of the object's version. `None` for the current version.
    pub version: Option<String>,
    /// The SHA-256 that the object must have, in lower-case hexadecimal. `None` where the author names none.
    pub sha256: Option<String>,
    /// The validation errors for which the deployer does not allow the location. It is not read then.
    pub refusals: Vec<ValidationError>,
}

/// The error for an object whose content can't be a definition. It never quotes the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableObject {
    /// The SHA-256 differs from `DefinitionSha256`.
    #[error(
        "the object has the SHA-256 `{found}`, expected `{expected}` (`{SHA256}`); upload the object again, or correct \
         `{SHA256}`"
    )]
    OtherSha256 {
        /// The SHA-256 of the object, in lower-case hexadecimal.
        found: String,
        /// The SHA-256 that the author names.
        expected: String,
    },
    /// The object is not UTF-8. Holds the offset of the first byte that is not, in bytes.
    #[error("the object is not UTF-8 text: found another byte at offset {0}; upload it as UTF-8")]
    NotUtf8(usize),
}

impl Location {
    /// Parses the property and `DefinitionSha256`. Returns `None` where the property is absent or has another form. The
    /// validation errors go to `reader`.
    ///
    /// A location that the deployer does not allow is reported and returned all the same.
    pub fn parse(reader: &Reader<'_>, place: &Place, guardrails: &Guardrails) -> Option<Self> {
        let sha256 = sha256(reader);
        let Some(value) = reader.raw(PROPERTY) else {
            if reader.has(SHA256) {
                reader.report(SHA256, format!("allowed only with `{PROPERTY}`"));
            }
            return None;
        };
        let members = value.as_object().filter(|members| are_texts(members));
        let text = |name: &str| members.and_then(|members| members.get(name)).and_then(Value::as_str);
        let (Some(bucket), Some(key)) = (text("Bucket"), text("Key")) else {
            let expected = "`{Bucket, Key}` or `{Bucket, Key, Version}`, each with text that is not empty";
            reader.invalid(PROPERTY, &value.to_string(), expected);
            return None;
        };
        if !is_bucket_name(bucket) {
            let expected = "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens";
            reader.invalid("DefinitionS3Location.Bucket", bucket, expected);
            return None;
        }
        if key.len() > KEY_BYTES {
            reader.invalid("DefinitionS3Location.Key", key, "a key of at most 1,024 bytes");
            return None;
        }
        let version = text("Version").map(str::to_owned);
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let mut location = Self { bucket, key, version, sha256, refusals: Vec::new() };
        location.refusals = location.refused(reader, place, guardrails);
        for refusal in &location.refusals {
            reader.add(refusal.clone());
        }
        Some(location)
    }

    /// Lists why the deployer does not allow the location: where it is, or that its content may change unnoticed.
    fn refused(&self, reader: &Reader<'_>, place: &Place, guardrails: &Guardrails) -> Vec<ValidationError> {
        let allowed = &guardrails.definitions.locations;
        let arn = self.arn(&place.partition);
        let mut refusals = Vec::new();
        let mut refuse = |problem: Problem| refusals.push(ValidationError::new(PROPERTY, problem));
        if allowed.is_empty() {
            refuse(Problem::Other(format!(
                "not allowed, because the deployer's `DefinitionLocations` is empty; ask the deployer to add `{arn}`, \
                 or use `Definition`"
            )));
        } else if !guardrails.definitions.allow(&arn) {
            let expected =
                format!("an object that matches one of {} (the deployer's `DefinitionLocations`)", listed(allowed));
            refuse(Problem::invalid(&arn, &expected));
        }
        // An invalid `DefinitionSha256` has an error of its own.
        if !self.is_pinned() && !reader.has(SHA256) && !guardrails.definitions.allow_unpinned {
            refuse(Problem::Other(format!(
                "found neither `Version` nor `{SHA256}`, expected one of them: without it, whoever writes the object \
                 changes what the role may do; add one, or ask the deployer to set `AllowUnpinnedDefinitions`"
            )));
        }
        refusals
    }

    /// Whether the object can't change unnoticed: its version or its SHA-256 is named. The version `null` of a bucket
    /// without versions does not count.
    pub fn is_pinned(&self) -> bool {
        self.sha256.is_some() || self.version.as_deref().is_some_and(|version| version != NULL_VERSION)
    }

    /// Returns the ARN of the object: `arn:aws:s3:::my-artifacts/churn/pipeline.asl.json`.
    pub fn arn(&self, partition: &str) -> String {
        format!("arn:{partition}:s3:::{}/{}", self.bucket, self.key)
    }

    /// Checks the content of the object, and returns it as text.
    ///
    /// # Errors
    /// The SHA-256 differs from `DefinitionSha256`, or the bytes are not UTF-8.
    pub fn checked(&self, bytes: Vec<u8>) -> Result<String, UnusableObject> {
        let found = digest(&bytes);
        if let Some(expected) = self.sha256.as_ref().filter(|expected| **expected != found) {
            return Err(UnusableObject::OtherSha256 { found, expected: expected.clone() });
        }
        String::from_utf8(bytes).map_err(|error| UnusableObject::NotUtf8(error.utf8_error().valid_up_to()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object `{}` of bucket `{}`", self.key, self.bucket)?;
        if let Some(version) = &self.version {
            write!(f, ", version `{version}`")?;
        }
        Ok(())
    }
}

/// Returns the SHA-256 in lower-case hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Reads `DefinitionSha256`. `None` where the property is absent or invalid.
fn sha256(reader: &Reader<'_>) -> Option<String> {
    let text = reader.text(SHA256)?;
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Some(text.to_ascii_lowercase());
    }
    reader.invalid(SHA256, &text, "the SHA-256 of the object as 64 hexadecimal digits");
    None
}

/// Whether the object has only members of a location, each with text that is not empty.
fn are_texts(members: &Map<String, Value>) -> bool {
    members.iter().all(|(name, value)| {
        matches!(name.as_str(), "Bucket" | "Key" | "Version") && value.as_str().is_some_and(|text| !text.is_empty())
    })
}

/// Whether the text can be the name of a bucket. A host name is made of it, so nothing else may be in it.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&text.len())
        && text.split('.').all(|label| {
            let ends = label.bytes().next().is_some_and(is_plain) && label.bytes().last().is_some_and(is_plain);
            ends && label.bytes().all(|byte| is_plain(byte) || byte == b'-')
        })
}
