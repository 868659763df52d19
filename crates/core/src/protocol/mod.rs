//! Implements the custom resource protocol: the requests of CloudFormation and the responses to them.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>

pub mod request;
pub mod resource_status;
pub mod response;
pub mod response_url;
pub mod target;
