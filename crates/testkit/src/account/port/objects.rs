//! The port to Amazon S3.

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::resource::definition_location::{Location, MAX_BYTES};
use mlops_roles_engine::port::{AwsError, FaultKind, Objects};

use super::request::text;
use crate::account::call::Call;
use crate::account::handle::Fake;

impl Objects for Fake {
    async fn read(&self, _place: &Place, location: &Location) -> Result<Option<Vec<u8>>, AwsError> {
        let Location { bucket, key, version, .. } = location;
        let (name, object) = match version {
            Some(version) => ("s3:GetObjectVersion", format!("{bucket}/{key}?versionId={version}")),
            None => ("s3:GetObject", format!("{bucket}/{key}")),
        };
        let reply = self.reply(name, Call::S3(object)).await.map_err(|error| {
            let kind = if error.code == "NoSuchKey" { FaultKind::NotFound } else { error.kind };
            AwsError { kind, ..error }
        })?;
        Ok(Some(text(&reply).into_bytes()).filter(|bytes| bytes.len() <= MAX_BYTES))
    }
}
