//! Reads the definition of a state machine from Amazon S3. No error quotes its content.

use tokio::time::Instant;

use crate::failure::{Cause, joined};
use crate::port::{AwsError, FaultKind, Objects};
use crate::retry;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource::definition_location::{Location, MAX_BYTES, PROPERTY, UnusableObject};
use mlops_roles_core::resource::properties::ValidationError;

/// The call by which S3 decrypts an object.
const DECRYPT: &str = "kms:Decrypt";

/// The error codes of a bucket that is in another region than the one that was asked.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
const OF_ANOTHER_REGION: [&str; 3] =
    ["AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"];

/// Why the object with a definition can't be used. The author decides what to do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ObjectError {
    /// The object can't be read, or its content can't be used.
    #[error("`{PROPERTY}`: {location}: {problem}")]
    Unusable {
        /// The object.
        location: Box<Location>,
        /// What is wrong with it.
        problem: ObjectProblem,
    },
    /// The deployer does not allow the object.
    #[error("{}", joined(.0, "; "))]
    NotAllowed(Vec<ValidationError>),
}

/// What is wrong with an object.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ObjectProblem {
    /// It is longer than a definition may be.
    #[error("the object has more than {MAX_BYTES} bytes, the maximum of Step Functions; shorten it")]
    TooLong,
    /// Its content can't be used.
    #[error(transparent)]
    Content(#[from] UnusableObject),
    /// The bucket is in another region.
    #[error(
        "the bucket is in another region than {region}, the only region that the function reads ({cause}); copy the \
         object to a bucket in {region}"
    )]
    OtherRegion {
        /// The region of the function.
        region: String,
        /// The error of S3.
        cause: Cause,
    },
    /// The bucket does not exist.
    #[error("the bucket does not exist ({0}); correct `Bucket`")]
    NoBucket(Cause),
    /// The object does not exist.
    #[error("the object does not exist ({0}); correct `Key` and `Version`, or upload the object again")]
    NoObject(Cause),
    /// The function may not use the key that encrypts the object.
    #[error(
        "the function can't use the KMS key of the object: {0}; ask the deployer to allow `kms:Decrypt` to the \
         function's role in the policy of the key, or encrypt the object with a key of S3"
    )]
    NoKey(Cause),
    /// The function may not read the object, or the object does not exist.
    #[error(
        "the function is not allowed to read the object, or the object does not exist: {cause}; check `Bucket`, `Key` \
         and `Version`, the policy of the bucket, and that account {account} owns the bucket"
    )]
    NotReadable {
        /// The id of the function's account.
        account: String,
        /// The error of S3.
        cause: Cause,
    },
    /// S3 did not answer in time.
    #[error("S3 did not return the object in time: {0}; try again later")]
    TooLate(Cause),
    /// S3 refused the call for another reason.
    #[error("{0}")]
    Other(Cause),
}

/// Reads the object, and returns its text.
///
/// # Errors
/// The object can't be read, is too large, is not UTF-8, or has another SHA-256 than `DefinitionSha256`.
pub async fn read(
    objects: &impl Objects,
    location: &Location,
    place: &Place,
    deadline: Instant,
) -> Result<String, ObjectError> {
    let asked = retry::until(deadline, async || objects.read(place, location).await).await;
    let read = match asked {
        Ok(Some(bytes)) => location.checked(bytes).map_err(ObjectProblem::from),
        Ok(None) => Err(ObjectProblem::TooLong),
        Err(cause) => Err(ObjectProblem::of_cause(cause, place)),
    };
    read.map_err(|problem| ObjectError::Unusable { location: Box::new(location.clone()), problem })
}

impl ObjectProblem {
    fn of_cause(cause: Cause, place: &Place) -> Self {
        match &cause {
            Cause::Aws(AwsError { code, .. }) if OF_ANOTHER_REGION.contains(&code.as_str()) => {
                Self::OtherRegion { region: place.region.clone(), cause }
            }
            Cause::Aws(AwsError { kind: FaultKind::NotFound, code, .. }) if code == "NoSuchBucket" => {
                Self::NoBucket(cause)
            }
            Cause::Aws(AwsError { kind: FaultKind::NotFound, .. }) => Self::NoObject(cause),
            Cause::Aws(AwsError { call: DECRYPT, .. }) => Self::NoKey(cause),
            Cause::Aws(AwsError { kind: FaultKind::MaybePropagating, .. }) => {
                Self::NotReadable { account: place.account.clone(), cause }
            }
            Cause::Aws(AwsError { kind: FaultKind::Transient, .. }) | Cause::OutOfTime => Self::TooLate(cause),
            _ => Self::Other(cause),
        }
    }
}
