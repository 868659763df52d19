//! Reads the definition of a state machine from Amazon S3. No error quotes its content.

use tokio::time::Instant;

use crate::failure::Cause;
use crate::port::{AwsError, FaultKind, Objects};
use crate::retry;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource::definition_location::{Location, MAX_BYTES, PROPERTY};

/// The call by which S3 decrypts an object.
const DECRYPT: &str = "kms:Decrypt";

/// The error codes of a bucket that is in another region than the one that was asked.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
const OF_ANOTHER_REGION: [&str; 3] =
    ["AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"];

/// Reads the object, and returns its text.
///
/// # Errors
/// The object can't be read, is too large, is not UTF-8, or has another SHA-256 than `DefinitionSha256`. The error is
/// text for the author, which the caller ends with what was changed.
pub async fn read(
    objects: &impl Objects,
    location: &Location,
    place: &Place,
    deadline: Instant,
) -> Result<String, String> {
    let asked = retry::until(deadline, async || objects.read(place, location).await).await;
    let read = match asked {
        Ok(Some(bytes)) => location.checked(bytes),
        Ok(None) => {
            Err(format!("the object has more than {MAX_BYTES} bytes, the maximum of Step Functions; shorten it"))
        }
        Err(cause) => Err(explain(place, &cause)),
    };
    read.map_err(|why| format!("`{PROPERTY}`: {location}: {why}"))
}

/// Explains why the object could not be read, and what to do about it.
fn explain(place: &Place, cause: &Cause) -> String {
    let region = &place.region;
    match cause {
        Cause::Aws(AwsError { code, .. }) if OF_ANOTHER_REGION.contains(&code.as_str()) => format!(
            "the bucket is in another region than {region}, the only region that the function reads ({cause}); copy \
             the object to a bucket in {region}"
        ),
        Cause::Aws(AwsError { kind: FaultKind::NotFound, code, .. }) if code == "NoSuchBucket" => {
            format!("the bucket does not exist ({cause}); correct `Bucket`")
        }
        Cause::Aws(AwsError { kind: FaultKind::NotFound, .. }) => {
            format!("the object does not exist ({cause}); correct `Key` and `Version`, or upload the object again")
        }
        Cause::Aws(AwsError { call: DECRYPT, .. }) => format!(
            "the function can't use the KMS key of the object: {cause}; ask the deployer to allow \
             `kms:Decrypt` to the function's role in the policy of the key, or encrypt the object with a key of S3"
        ),
        Cause::Aws(AwsError { kind: FaultKind::MaybePropagating, .. }) => format!(
            "the function is not allowed to read the object, or the object does not exist: {cause}; check `Bucket`, \
             `Key` and `Version`, the policy of the bucket, and that account {} owns the bucket",
            place.account
        ),
        Cause::Aws(AwsError { kind: FaultKind::Transient, .. }) | Cause::OutOfTime => {
            format!("S3 did not return the object in time: {cause}; try again later")
        }
        _ => cause.to_string(),
    }
}
