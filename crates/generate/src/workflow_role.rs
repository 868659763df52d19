//! Describes the properties of `Custom::StepFunctionsWorkflowRole`.

use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::common::{Always, Makes, MakesOne, also, because, given, needs, never, of_one};
use crate::forms::{
    Action, Anything, Arn, BucketName, ByName, Definition, Flag, MachineKeyArn, OneOrMany, PolicyName, Principal,
    RoleArn, Scalar, Sha256, StateMachineName, Text,
};

/// The properties that need `Definition`, `DefinitionS3Location` or `Integrations`.
const OF_DEFINITION: [&str; 9] = [
    "DataKeys",
    "DefinitionSubstitutions",
    "KmsKeyArn",
    "Logging",
    "ResourceOverrides",
    "TaskActions",
    "TaskResources",
    "Tracing",
    "VerifyPermissions",
];

/// The workflow role: the role that a Step Functions state machine runs with. It has its scoped policies and the
/// `PassRole` grant for the execution role of SageMaker.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = rules, extend("x-attributes" = attributes()))]
pub struct WorkflowRole {
    #[schemars(flatten)]
    always: Always,
    #[schemars(flatten)]
    makes: Makes,
    #[schemars(flatten)]
    makes_one: MakesOne,
    /// The state machine, as an object or as JSON text. The role may do what its tasks do, and no more. `Definition`,
    /// `DefinitionS3Location` and `Integrations` exclude each other.
    #[schemars(extend("x-default" = "the policy of the console guide"))]
    definition: Option<Definition>,
    /// The object in Amazon S3 with the state machine as JSON, instead of `Definition`: one object
    /// `{Bucket, Key, Version}`. It has to match the deployer's `DefinitionLocations`. The function reads it on Create
    /// and on every Update, and never on Delete.
    definition_s3_location: Option<ObjectLocation>,
    /// The SHA-256 of the object that `DefinitionS3Location` names, as 64 hexadecimal digits. The function refuses
    /// other content. It is needed without `Version`, unless the deployer sets `AllowUnpinnedDefinitions`.
    definition_sha256: Option<Sha256>,
    /// The values for `${Name}` in the definition, by name, as in `AWS::StepFunctions::StateMachine`.
    definition_substitutions: Option<ByName<Scalar>>,
    /// What the state machine calls, instead of `Definition`: a list. Each item is a resource such as
    /// `sagemaker:createTrainingJob.sync`, or an object `{Resource, Parameters}`.
    integrations: Option<Vec<Integration>>,
    /// Whether the state machine writes logs: `true` or `false`.
    #[schemars(extend("x-default" = "`false`"))]
    logging: Option<Flag>,
    /// Whether the state machine writes traces: `true` or `false`.
    #[schemars(extend("x-default" = "`false`"))]
    tracing: Option<Flag>,
    /// The ARN of the KMS key that encrypts the data of the state machine. An alias is refused.
    kms_key_arn: Option<MachineKeyArn>,
    /// The ARNs that are known only at run time, by the path of a state such as `Each.ItemProcessor.Score`: one ARN or
    /// a list each. They are the resources that the state uses, or the roles that it passes or assumes.
    resource_overrides: Option<ByName<OneOrMany<Arn>>>,
    /// The IAM actions of `aws-sdk:` tasks whose API is newer than the function, by the path of a state: one action or
    /// a list each, such as `sagemaker:CreateEndpoint`. They are granted on the ARNs in `ResourceOverrides`, or on
    /// every resource.
    task_actions: Option<ByName<OneOrMany<Action>>>,
    /// What states use and the definition does not name, by the path of a state: what they read, what they write, and
    /// the roles that they pass. `{}` says that the state needs nothing more. Each ARN is granted for its use only.
    task_resources: Option<ByName<Declared>>,
    /// The KMS keys that encrypt the data of the tasks: one ARN or a list. An alias is refused. They may be used only
    /// by way of the services that the tasks call. An empty list says that there are none.
    data_keys: Option<OneOrMany<MachineKeyArn>>,
    /// Whether IAM's policy simulator checks the new role: `true` or `false`. The function asks the simulator about
    /// every action on every resource once the role exists, and a denial fails the operation.
    #[schemars(extend("x-default" = "`false`"))]
    verify_permissions: Option<Flag>,
    /// The roles that the workflow may pass to SageMaker: one ARN or a list. Each is a literal ARN of a role of this
    /// account and matches the deployer's `PassableRoleArns`.
    #[schemars(extend(
        "x-default" = "**required** without `SageMakerExecutionRole`, `Definition`, `DefinitionS3Location` and \
                       `Integrations`"
    ))]
    sage_maker_execution_role_arns: Option<OneOrMany<RoleArn>>,
    /// Where to find the one role that the workflow may pass to SageMaker, instead of `SageMakerExecutionRoleArns`. The
    /// function looks the role up on Create and on every Update. The role has to match the deployer's
    /// `PassableRoleArns`.
    sage_maker_execution_role: Option<Source>,
    /// The name of the inline policy with the `PassRole` grant: 1 to 128 letters, digits and `+=,.@_-`.
    #[schemars(extend("x-default" = "`AssumeRoleSMforStepFunctionPolicy`, as the console guide names it"))]
    pass_role_policy_name: Option<PolicyName>,
    /// The name of the state machine, or the beginning of the names of the state machines that may use the role. It has
    /// at most 80 ASCII characters. A distributed map needs the whole name.
    #[schemars(extend("x-default" = "any state machine of the account in the region"))]
    state_machine_name: Option<StateMachineName>,
}

// A doc comment here would replace the description of the property.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields)]
struct ObjectLocation {
    /// The name of a bucket of the function's account and region.
    bucket: BucketName,
    /// The key of the object: at most 1,024 bytes, without percent-encoding.
    #[schemars(length(min = 1, max = 1_024))]
    key: String,
    /// The id of the version of the object. `null`, the version of a bucket without versions, does not replace
    /// `DefinitionSha256`.
    version: Option<Text>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum Integration {
    /// The resource of a task, such as `sagemaker:createTrainingJob.sync`.
    Resource(#[schemars(length(min = 1))] String),
    /// The resource of a task, with its parameters.
    Task(Task),
}

/// The resource of a task, with its parameters.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields)]
struct Task {
    /// The resource of the task, such as `sagemaker:createTrainingJob.sync`.
    #[schemars(length(min = 1))]
    resource: String,
    /// The parameters of the task, as in the definition of a state machine. The grants are limited to the resources
    /// that the parameters name.
    #[schemars(extend("x-default" = "known only at run time"))]
    parameters: Option<Anything>,
}

/// What a state uses and its definition does not name.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields)]
struct Declared {
    /// What the state reads: one ARN or a list, such as `arn:aws:s3:::sales/2026/*`.
    read: Option<OneOrMany<Arn>>,
    /// What the state writes: one ARN or a list.
    write: Option<OneOrMany<Arn>>,
    /// The roles that the state passes.
    pass_roles: Option<Vec<DeclaredRole>>,
}

/// A role that a state passes, and the service that gets it.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields)]
struct DeclaredRole {
    /// The ARN of the role. It is a literal ARN of this account and matches the deployer's `PassableRoleArns`.
    role_arn: RoleArn,
    /// The service principal, such as `ecs-tasks.amazonaws.com`.
    service: Principal,
}

// A doc comment here would replace the description of the property.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields, transform = one_source)]
struct Source {
    /// The id of a domain, such as `d-abcdefghijkl`. With `DomainId` alone, the role is the domain's default for its
    /// users.
    domain_id: Option<Text>,
    /// The name of a user profile of the domain `DomainId`. The role is the profile's own, or the domain's default if
    /// the profile has none.
    user_profile_name: Option<Text>,
    /// The name of a space of the domain `DomainId`. The role is that of the owner of a private space, and otherwise
    /// the domain's role for shared spaces.
    space_name: Option<Text>,
    /// The name of a notebook instance. The role is that of the notebook instance.
    notebook_instance_name: Option<Text>,
    /// The name of an endpoint. The role is that of the endpoint's configuration, or that of its models if the
    /// configuration has none. The models must agree, also those of instance pools.
    endpoint_name: Option<Text>,
    /// The name of a pipeline. The role is that of the pipeline.
    pipeline_name: Option<Text>,
    /// The name or the ARN of a HyperPod cluster. The role is that of its instance groups, which must agree.
    cluster_name: Option<Text>,
    /// The name of a training job. The role is that of the job.
    training_job_name: Option<Text>,
    /// The name or the ARN of a model package. The role is the one that validates the model package.
    model_package_name: Option<Text>,
    /// The beginning of the name of a role, such as `my-stackSageMakerExecutionRole-`. The role is the one of the
    /// account whose name begins so.
    role_name_prefix: Option<Text>,
}

/// Adds the rules that the source is exactly one, and that a user profile or space needs its domain.
fn one_source(schema: &mut Schema) {
    let sources = [
        "DomainId",
        "NotebookInstanceName",
        "EndpointName",
        "PipelineName",
        "ClusterName",
        "TrainingJobName",
        "ModelPackageName",
        "RoleNamePrefix",
    ];
    let one = json!({ "oneOf": sources.map(|source| json!({ "required": [source] })) });
    also(
        schema,
        because(
            &one,
            "exactly one of `DomainId`, `NotebookInstanceName`, `EndpointName`, `PipelineName`, `ClusterName`, \
             `TrainingJobName`, `ModelPackageName` and `RoleNamePrefix` is needed; choose one",
        ),
    );
    let both = json!({ "required": ["UserProfileName", "SpaceName"] });
    never(schema, &both, "`UserProfileName` and `SpaceName` exclude each other; leave one of them out");
    for name in ["UserProfileName", "SpaceName"] {
        let why = format!("`{name}` needs `DomainId`; add `DomainId`");
        needs(schema, &json!({ "required": [name] }), &json!({ "required": ["DomainId"] }), &why);
    }
}

/// Adds the rules about properties that need or exclude each other.
fn rules(schema: &mut Schema) {
    let required = |name: &str| json!({ "required": [name] });
    let roles_or_definition = json!({ "anyOf": [
        given("SageMakerExecutionRoleArns"),
        required("SageMakerExecutionRole"),
        required("Definition"),
        required("DefinitionS3Location"),
        required("Integrations"),
    ] });
    also(
        schema,
        because(
            &roles_or_definition,
            "`SageMakerExecutionRoleArns` is missing; add it, or one of `SageMakerExecutionRole`, `Definition`, \
             `DefinitionS3Location` and `Integrations`",
        ),
    );
    let both = json!({ "required": ["Definition", "Integrations"] });
    never(schema, &both, "`Integrations` and `Definition` exclude each other; leave `Integrations` out");
    for other in ["Definition", "Integrations"] {
        let both = json!({ "required": ["DefinitionS3Location", other] });
        let why = format!("`{other}` and `DefinitionS3Location` exclude each other; leave one of them out");
        never(schema, &both, &why);
    }
    let why = "`DefinitionSha256` needs `DefinitionS3Location`; add it, or leave `DefinitionSha256` out";
    needs(schema, &required("DefinitionSha256"), &required("DefinitionS3Location"), why);
    let both = json!({ "allOf": [given("SageMakerExecutionRoleArns"), required("SageMakerExecutionRole")] });
    never(
        schema,
        &both,
        "`SageMakerExecutionRole` and `SageMakerExecutionRoleArns` exclude each other; leave one of them out",
    );
    let definitions = ["Definition", "DefinitionS3Location", "Integrations"].map(required);
    let definitions = json!({ "anyOf": definitions });
    for name in OF_DEFINITION {
        let why = format!(
            "`{name}` needs `Definition`, `DefinitionS3Location` or `Integrations`; add one of them, or leave `{name}` \
             out"
        );
        needs(schema, &required(name), &definitions, &why);
    }
}

/// Returns the attributes, each with its description.
fn attributes() -> Map<String, Value> {
    let mut attributes = of_one();
    let found = "The ARN of the execution role that was found or named. Empty for several or none.";
    attributes.insert("SageMakerExecutionRoleArn".to_owned(), found.into());
    let read = "The SHA-256 of the object that `DefinitionS3Location` names, as it was read. Empty without the \
                property, where the role keeps its grants in a rollback, and where the response has no room.";
    attributes.insert("DefinitionSha256".to_owned(), read.into());
    attributes
}
