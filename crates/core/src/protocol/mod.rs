//! The custom resource protocol: what CloudFormation sends and what it is answered.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>

pub mod request;
pub mod response;
pub mod response_url;
pub mod target;
