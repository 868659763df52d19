//! The operations that CloudFormation asks for: Create, Update and Delete.

mod action;
mod delete;
pub mod outcome;
mod properties;
mod provision;
mod service_catalog;

use crate::context::Context;
use crate::operation::outcome::{Done, Failed};
use crate::port::Aws;
use mlops_roles_core::protocol::request::{Operation, Request};
use mlops_roles_core::resource::service_catalog as service_catalog_type;

/// Does what the request asks for. `asked` is true if the staleness check has already asked the stack.
///
/// # Errors
/// What went wrong, with the physical id for the response.
pub async fn run<A: Aws>(cx: &Context<'_, A>, request: &Request, asked: bool) -> Result<Done, Failed> {
    let target = &request.target;
    if request.resource_type == service_catalog_type::TYPE {
        let done = service_catalog::service_catalog(cx, request, asked).await;
        return done.map_err(|failure| Failed::with_id_of(target, failure));
    }
    match &request.operation {
        Operation::Create | Operation::Update { .. } => provision::provision(cx, request, asked).await,
        Operation::Delete { physical_id } => {
            let done = delete::delete(cx, request, physical_id, asked).await;
            done.map_err(|failure| Failed::with_id_of(target, failure))
        }
    }
}
