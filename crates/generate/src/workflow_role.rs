//! Describes the properties of `Custom::StepFunctionsWorkflowRole`.

use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::common::{Always, Makes, MakesOne, also, given, never, of_one};
use crate::forms::{
    Anything, Arn, ByName, Definition, Flag, MachineKeyArn, OneOrMany, RoleArn, Scalar, StateMachineName, Text,
};

/// The properties that need `Definition` or `Integrations`.
const OF_DEFINITION: [&str; 6] =
    ["DefinitionSubstitutions", "KmsKeyArn", "Logging", "ResourceOverrides", "Tracing", "VerifyPermissions"];

/// The role that a state machine runs with, its scoped policy, and the grant to pass SageMaker its execution role
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = rules, extend("x-attributes" = attributes()))]
pub struct WorkflowRole {
    #[schemars(flatten)]
    always: Always,
    #[schemars(flatten)]
    makes: Makes,
    #[schemars(flatten)]
    makes_one: MakesOne,
    /// The state machine, as an object or a JSON string: the role may do what its tasks do, and no more
    definition: Option<Definition>,
    /// Values for `${Name}` in the definition
    definition_substitutions: Option<ByName<Scalar>>,
    /// Instead of a definition: resources of tasks, such as `sagemaker:createTrainingJob.sync`
    integrations: Option<Vec<Integration>>,
    /// `true`: the machine writes logs
    logging: Option<Flag>,
    /// `true`: the machine writes traces
    tracing: Option<Flag>,
    /// The key that the machine's data is encrypted with
    kms_key_arn: Option<MachineKeyArn>,
    /// By the path of a state, the ARNs that it may touch or roles that it passes, where only run time knows them
    resource_overrides: Option<ByName<OneOrMany<Arn>>>,
    /// `true`: once the role stands, IAM's simulator is asked for every action on every resource
    verify_permissions: Option<Flag>,
    /// The roles that the workflow may pass to SageMaker
    sage_maker_execution_role_arns: Option<OneOrMany<RoleArn>>,
    /// Instead of their ARNs: where to find the one role
    sage_maker_execution_role: Option<Source>,
    /// The name of the state machine, or how the names begin of those that may use the role
    state_machine_name: Option<StateMachineName>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Integration {
    Resource(#[schemars(length(min = 1))] String),
    Task(Task),
}

#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields)]
struct Task {
    #[schemars(length(min = 1))]
    resource: String,
    parameters: Option<Anything>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields, transform = one_source)]
struct Source {
    /// Alone: the default of the domain's users
    domain_id: Option<Text>,
    /// With `DomainId`: the profile's own role, or else the domain's default
    user_profile_name: Option<Text>,
    /// With `DomainId`: the role of its owner where the space is private, or else the domain's for shared spaces
    space_name: Option<Text>,
    notebook_instance_name: Option<Text>,
    /// The role of its configuration, or else of its models
    endpoint_name: Option<Text>,
    pipeline_name: Option<Text>,
    /// The one role of the account whose name begins so
    role_name_prefix: Option<Text>,
}

/// Adds the rules that the source is exactly one, and that a user profile or space needs its domain.
fn one_source(schema: &mut Schema) {
    let sources = ["DomainId", "NotebookInstanceName", "EndpointName", "PipelineName", "RoleNamePrefix"];
    schema.insert("oneOf".to_owned(), sources.map(|source| json!({ "required": [source] })).as_slice().into());
    never(schema, &json!({ "required": ["UserProfileName", "SpaceName"] }), "a user profile or a space, not both");
    let of_domain = json!({ "UserProfileName": ["DomainId"], "SpaceName": ["DomainId"] });
    schema.insert("dependentRequired".to_owned(), of_domain);
}

/// Adds the rules about properties that need or exclude each other.
fn rules(schema: &mut Schema) {
    let required = |name: &str| json!({ "required": [name] });
    let (of_definition, definitions) = (OF_DEFINITION.map(required), ["Definition", "Integrations"].map(required));
    schema.insert(
        "anyOf".to_owned(),
        json!([
            given("SageMakerExecutionRoleArns"),
            required("SageMakerExecutionRole"),
            required("Definition"),
            required("Integrations"),
        ]),
    );
    let both = json!({ "required": ["Definition", "Integrations"] });
    never(schema, &both, "`Integrations` only goes without `Definition`, which says the same and more");
    let both = json!({ "allOf": [given("SageMakerExecutionRoleArns"), required("SageMakerExecutionRole")] });
    never(
        schema,
        &both,
        "`SageMakerExecutionRole` only goes without `SageMakerExecutionRoleArns`, which names the roles itself",
    );
    also(
        schema,
        json!({
            "if": { "anyOf": of_definition },
            "then": { "anyOf": definitions },
        }),
    );
}

/// Returns the attributes, each with its description.
fn attributes() -> Map<String, Value> {
    let mut attributes = of_one();
    let found =
        "The ARN of the execution role that was found, or the one that was named; empty where several or none are";
    attributes.insert("SageMakerExecutionRoleArn".to_owned(), found.into());
    attributes
}
