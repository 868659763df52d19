//! Describes the properties of `Custom::SageMakerDeployTarget`.

use std::collections::BTreeMap;

use mlops_roles_core::catalog;
use mlops_roles_core::catalog::DEPLOY_TARGET;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::common::{Always, Makes};
use crate::role_set::{self, Fidelity};

/// The parameters of the role set, each with its description.
const PARAMETERS: [(&str, &str); 5] = [
    (
        "NamePrefix",
        "The beginning of the names of the role and the policies: 1 to 32 letters, digits and hyphens. Bridge expects \
         `bridge`. A change is a replacement: the new role and policies exist beside the old ones until the stack \
         update has succeeded.",
    ),
    ("ModelBucketName", "The bucket of the tool: 3 to 63 lower-case letters, digits, dots and hyphens."),
    (
        "ResourcePrefix",
        "The beginning of the names of models and endpoints: 1 to 32 lower-case letters, digits and hyphens.",
    ),
    (
        "ExecutionPolicy",
        "What the role may do: `Scoped` for the grants that models need, or `AmazonSageMakerFullAccess` for AWS's \
         policy of that name. The deployer has to list AWS's policy in `AllowedManagedPolicyArns`.",
    ),
    (
        "ImageRepositoryArn",
        "The ARN of the ECR repository of the image that models run in. The default is the repository of Bridge's \
         runtime, in this region.",
    ),
];

/// What a tool needs to deploy models to SageMaker: the role that models run with, and two policies for the tool.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = of_catalog)]
pub struct DeployTarget {
    #[schemars(flatten)]
    always: Always,
    #[schemars(flatten)]
    makes: Makes,
    /// Another name of the role, by its id: `{ExecutionRole: bridge-models}`. A change is made in place.
    #[schemars(extend("x-default" = "`<NamePrefix>-sagemaker-execution`"))]
    role_names: Option<BTreeMap<String, String>>,
    /// Which policies the role and the tool get: `Narrowed`, or `AsPublished` for the grants that Bridge documents. For
    /// `AsPublished`, the deployer has to set `AllowPublishedIamWrites`.
    #[schemars(extend("x-default" = "`Narrowed`"))]
    fidelity: Option<Fidelity>,
}

/// Adds the parameters, roles and attributes of the role set to the schema.
fn of_catalog(schema: &mut Schema) {
    let Ok(set) = catalog::role_set(DEPLOY_TARGET) else { return };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        role_set::describe(properties, set, &PARAMETERS);
    }
    schema.insert("x-attributes".to_owned(), role_set::attributes(&[(DEPLOY_TARGET, set)]).into());
}
