//! Describes the properties of `Custom::SageMakerMlopsRoles`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use mlops_roles_core::catalog;
use mlops_roles_core::catalog::{DEPLOY_TARGET, RoleSet};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::common::{Always, Makes, also};
use crate::forms::words;
use crate::role_set::{self, Fidelity};

/// The parameters of the role sets, each with its description.
const PARAMETERS: [(&str, &str); 13] = [
    (
        "EnvName",
        "The name of the environment, a part of the names of roles and policies: 1 to 32 letters, digits and hyphens. \
         A change is a replacement.",
    ),
    (
        "EnvType",
        "The type of the environment, a part of the names of roles and policies: 1 to 32 letters, digits and hyphens. \
         A change is a replacement.",
    ),
    (
        "AdministratorAccountId",
        "The id of the administrator account, which deploys to this account: 12 digits, in quotes. Without quotes, \
         YAML drops the leading zeros of a number.",
    ),
    (
        "AdministratorEnvName",
        "The `EnvName` of the administrator account: 1 to 32 letters, digits and hyphens. The trust policies let in \
         roles of that account by names that begin with it. It is not required where `StackSetAdministrationRoleName` \
         and, in `TargetAccount`, `SetupLambdaExecutionRoleName` give the names, or with `Fidelity: AsPublished`.",
    ),
    ("AdministratorEnvType", "The `EnvType` of the administrator account: 1 to 32 letters, digits and hyphens."),
    (
        "StackSetAdministrationRoleName",
        "The name of the role `StackSetAdministrationRole` in the administrator account: 1 to 64 letters, digits and \
         `+=,.@_-`. It is needed if `RoleNames` changed the name there.",
    ),
    (
        "SetupLambdaExecutionRoleName",
        "The name of the role `SetupLambdaExecutionRole` in the administrator account: 1 to 64 letters, digits and \
         `+=,.@_-`. It is needed if `RoleNames` changed the name there.",
    ),
    (
        "ModelBucketName",
        "The bucket of the models: a name, or a pattern with `*` and at least one letter or digit. It has 3 to 63 \
         lower-case letters, digits, dots and hyphens.",
    ),
    ("ModelS3KmsKeyArn", "The KMS key of the models: an ARN, or `*` for every key."),
    (
        "PipelineExecutionRoleArn",
        "The ARN of the role that may assume `SageMakerModelExecutionRole`. The role has to exist.",
    ),
    (
        "CreateIamUserRoles",
        "Whether to create the roles of people, `DataScienceTeamAdministratorRole` and `DataScientistRole`: `YES` or \
         `NO`. A change to `NO` deletes these roles in place.",
    ),
    (
        "CreateVPCFlowLogsRole",
        "Whether to create `VPCFlowLogsRole`: `YES` or `NO`. A change to `NO` deletes the role in place.",
    ),
    (
        "SetupStackSetExecutionRoleName",
        "The name of a role that `StackSetAdministrationRole` may assume besides `*StackSetExecutionRole*`: 1 to 64 \
         letters, digits and `+=,.@_-`.",
    ),
];

/// A role set that amazon-sagemaker-secure-mlops needs before it is deployed.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = of_catalog)]
pub struct MlopsRoles {
    #[schemars(flatten)]
    always: Always,
    #[schemars(flatten)]
    makes: Makes,
    /// The role set to create: `CoreShared`, `Environment`, `ServiceCatalogProjects`, `SetupStackSetExecution` or
    /// `TargetAccount`. A change is a replacement: the new roles exist beside the old ones until the stack update has
    /// succeeded.
    role_set: Name,
    /// Other names of roles, by the id of the role: `{SCLaunchRole: ds-team-launch}`. Empty text means what it means in
    /// the source: the role is not created, or has its default name. A change is made in place: the update deletes the
    /// role of the old name.
    #[schemars(extend("x-default" = "the names of the source"))]
    role_names: Option<BTreeMap<String, String>>,
    /// Which policies the roles get: `Narrowed`, or `AsPublished` for the source's own grants and trust policies. For
    /// `AsPublished`, `CoreShared` with `SCLaunchRole` and `SetupStackSetExecution` need `AllowPublishedIamWrites` of
    /// the deployer.
    #[schemars(extend("x-default" = "`Narrowed`"))]
    fidelity: Option<Fidelity>,
}

/// The name of a role set.
struct Name;

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "RoleSet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(sets().map(|(name, _)| name))
    }
}

/// Returns the role sets of this resource type: all but the one of `Custom::SageMakerDeployTarget`.
pub fn sets() -> impl Iterator<Item = (&'static str, &'static RoleSet)> {
    let sets = catalog::names().filter(|name| *name != DEPLOY_TARGET);
    sets.filter_map(|name| Some((name, catalog::role_set(name).ok()?)))
}

/// Adds the parameters, roles, attributes and rules of all role sets to the schema.
fn of_catalog(schema: &mut Schema) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let of_all: Vec<String> = properties.keys().cloned().collect();
    for (_, set) in sets() {
        role_set::describe(properties, set, &PARAMETERS);
    }
    schema.insert("x-attributes".to_owned(), role_set::attributes(&sets().collect::<Vec<_>>()).into());
    for (name, set) in sets() {
        also(schema, of_set(name, set, &of_all));
    }
}

/// Returns the rule of one role set, which forbids the parameters and roles of the other sets.
///
/// `of_all` are the properties that all sets share.
fn of_set(name: &str, set: &RoleSet, of_all: &[String]) -> Value {
    let required = set.parameters.iter().filter(|parameter| parameter.default.is_none() && !parameter.optional);
    let required: Vec<&String> = required.map(|parameter| &parameter.name).collect();
    let known = |name: &String| (name.clone(), Value::Bool(true));
    let roles: Map<String, Value> = set.roles.keys().map(known).collect();
    let parameters = set.parameters.iter().map(|parameter| &parameter.name);
    let mut properties: Map<String, Value> = of_all.iter().chain(parameters).map(known).collect();
    properties.insert("RoleNames".to_owned(), json!({ "properties": roles, "additionalProperties": false }));
    json!({
        "if": { "properties": { "RoleSet": { "const": name } }, "required": ["RoleSet"] },
        "then": { "required": required, "properties": properties, "additionalProperties": false },
    })
}
