//! Reads the properties of `Custom::SageMakerDeployTarget`, the roles and policies for a tool that deploys models.
//!
//! These are the role that the models run with, a policy for those who set up the tool, and one for those who use it.

use crate::catalog;
use crate::catalog::DEPLOY_TARGET;
use crate::resource::properties::{Problem, Reader};
use crate::resource::role_set;
use crate::resource::spec::{ReadContext, ResourceSpec};

/// The resource type.
pub const TYPE: &str = "Custom::SageMakerDeployTarget";

/// Parses the properties into the spec of the role set; the reader collects the validation errors.
pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> ResourceSpec {
    let set = match catalog::role_set(DEPLOY_TARGET) {
        Ok(set) => set,
        Err(why) => {
            reader.report("", Problem::other(why));
            return ResourceSpec::default();
        }
    };
    let spec = role_set::parse(DEPLOY_TARGET, set, reader, context);
    let attached = spec.state.roles.values().flat_map(|role| &role.attached);
    for arn in attached.filter(|arn| !spec.state.policies.contains_key(*arn)) {
        if !context.guardrails.allows_managed_policy(arn) {
            let problem = format!(
                "`{arn}` is not in the deployer's `AllowedManagedPolicyArns`; ask the deployer to add it, or set \
                 `ExecutionPolicy: Scoped`"
            );
            reader.report("ExecutionPolicy", problem);
        }
    }
    spec
}
