//! Describes the properties of `Custom::SageMakerExecutionRole`.

use std::borrow::Cow;

use mlops_roles_core::resource::execution_role::{
    NAME_PREFIX_LENGTH, capability_names, trusted_actions, trusted_services,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::common::{Always, Makes, MakesOne, given, needs, never, of_one};
use crate::forms::{
    BucketName, Flag, Folder, GlueDatabase, KeyArn, OneOrMany, PolicyName, Repository, SageMakerArn, SecurityGroupId,
    SubnetId, TopicArn, scalar, words,
};

/// The capabilities that need `GlueDatabases`.
const OF_DATABASES: [&str; 2] = ["Athena", "GlueTables"];

/// The capabilities that start processing jobs, which `LimitToSubnets` would keep from being created.
const OF_PROCESSING_JOBS: [&str; 2] = ["ModelMonitor", "Processing"];

/// The execution role: the role that SageMaker runs notebooks, jobs and models with. It gets access to what the
/// properties name.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = rules, extend("x-attributes" = of_one()))]
pub struct ExecutionRole {
    #[schemars(flatten)]
    always: Always,
    #[schemars(flatten)]
    makes: Makes,
    #[schemars(flatten)]
    makes_one: MakesOne,
    /// The S3 buckets that the role may use: one object `{Name, Prefix, Access}` or a list. No value of `Access`
    /// lets the role delete an object.
    buckets: Option<OneOrMany<Bucket>>,
    /// The ECR repositories to pull images from: one or a list, by name or by ARN. A name stands for a repository of
    /// this account and region; an ARN may be one of another account.
    repositories: Option<OneOrMany<Repository>>,
    /// The ARNs of the KMS keys of volumes, buckets and outputs: one or a list. An alias is refused.
    kms_keys: Option<OneOrMany<KeyArn>>,
    /// The ids of the subnets in which jobs in a VPC have their network interfaces: one or a list. `SecurityGroups` is
    /// needed too. The subnets have to belong to this account.
    subnets: Option<OneOrMany<SubnetId>>,
    /// The ids of the security groups of the network interfaces of jobs in a VPC: one or a list. `Subnets` is needed
    /// too.
    security_groups: Option<OneOrMany<SecurityGroupId>>,
    /// Whether the network grants are limited to `Subnets` and `SecurityGroups`: `true` or `false`. SageMaker refuses
    /// processing jobs of such a role, so `Processing` and `ModelMonitor` refuse it.
    #[schemars(extend("x-default" = "`false`"))]
    limit_to_subnets: Option<Flag>,
    /// The ARNs of the SNS topics that the role may publish to: one or a list. A topic may be in this account or in
    /// another.
    topics: Option<OneOrMany<TopicArn>>,
    /// The names of the Glue databases that `Athena` reads and `GlueTables` manages: one or a list. It is required with
    /// one of these capabilities, and refused without.
    #[schemars(extend("x-default" = "**required** with `Athena` or `GlueTables`, refused without"))]
    glue_databases: Option<OneOrMany<GlueDatabase>>,
    /// What the role may do in SageMaker itself, on resources whose names begin with `NamePrefix`: one capability or a
    /// list.
    capabilities: Option<OneOrMany<Capability>>,
    /// The beginning of the SageMaker names that `Capabilities` cover: 1 to 63 letters, digits and hyphens. It is
    /// required with `Capabilities`, and refused without.
    #[schemars(extend("x-default" = "**required** with `Capabilities`, refused without"))]
    name_prefix: Option<NamePrefix>,
    /// Whether the role may pass itself, to SageMaker and the services of `TrustedServices` only: `true` or `false`. Code
    /// that runs with the role needs this to create jobs, models or pipelines with the same role. The role has to match
    /// the deployer's `PassableRoleArns`.
    #[schemars(extend("x-default" = "`true` with `Notebook` or `Pipelines`, else `false`"))]
    pass_self: Option<Flag>,
    /// The name of the inline policy that allows the role to pass itself: 1 to 128 letters, digits and `+=,.@_-`.
    #[schemars(extend("x-default" = "`PassItselfToSageMaker`"))]
    pass_role_policy_name: Option<PolicyName>,
    /// A further condition of the trust policy: the ARN of a SageMaker resource of this account, or a pattern. An
    /// example is `arn:aws:sagemaker:us-east-1:123456789012:*`.
    source_arn: Option<SageMakerArn>,
    /// The services besides SageMaker that may assume the role: one or a list. Each must be among the deployer's
    /// `AllowedTrust`.
    trusted_services: Option<OneOrMany<TrustedService>>,
    /// The actions besides `sts:AssumeRole` that the trust policy allows to SageMaker: one or a list. Each must be among
    /// the deployer's `AllowedTrust`.
    trusted_actions: Option<OneOrMany<TrustedAction>>,
    /// Whether IAM's policy simulator checks the new role: `true` or `false`. The function asks the simulator about the
    /// calls that the role is for, once the role exists. A denial fails the operation.
    #[schemars(extend("x-default" = "`false`"))]
    verify_access: Option<Flag>,
}

/// A bucket, and what the role may do with its objects.
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields)]
struct Bucket {
    /// The name of the bucket: 3 to 63 lower-case letters, digits, dots and hyphens.
    name: BucketName,
    /// The folder that the access is limited to. `churn` and `churn/` both mean `churn/…`, and never `churn-old/…`. It
    /// is ASCII without `*`, `?` and `$`, and does not begin with a slash.
    #[schemars(extend("x-default" = "the whole bucket"))]
    prefix: Option<Folder>,
    /// What the role may do with the objects: `Read`, `Write` or `ReadWrite`. `Read` allows getting and listing
    /// objects. `Write` allows putting objects, also by multipart upload.
    access: Access,
}

#[derive(JsonSchema)]
enum Access {
    Read,
    Write,
    ReadWrite,
}

/// The name of a capability, such as `Training`.
struct Capability;

impl JsonSchema for Capability {
    fn schema_name() -> Cow<'static, str> {
        "Capability".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(capability_names())
    }
}

/// A service besides SageMaker that may assume the role, such as `events.amazonaws.com`.
struct TrustedService;

impl JsonSchema for TrustedService {
    fn schema_name() -> Cow<'static, str> {
        "TrustedService".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(trusted_services())
    }
}

/// An action of a trust policy besides `sts:AssumeRole`, such as `sts:TagSession`.
struct TrustedAction;

impl JsonSchema for TrustedAction {
    fn schema_name() -> Cow<'static, str> {
        "TrustedAction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        words(trusted_actions())
    }
}

/// The beginning of names in SageMaker: at most 63 letters, digits and hyphens.
struct NamePrefix;

impl JsonSchema for NamePrefix {
    fn schema_name() -> Cow<'static, str> {
        "NamePrefix".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        scalar(&format!("^[A-Za-z0-9-]{{1,{NAME_PREFIX_LENGTH}}}$"))
    }
}

/// Adds the rules about properties that need or exclude each other.
fn rules(schema: &mut Schema) {
    for (one, other) in [("Subnets", "SecurityGroups"), ("SecurityGroups", "Subnets")] {
        let why = format!("`{one}` needs `{other}`; add `{other}`, or leave `{one}` out");
        needs(schema, &given(one), &given(other), &why);
    }
    limited(schema);
    needs(
        schema,
        &given("Capabilities"),
        &json!({ "required": ["NamePrefix"] }),
        "`Capabilities` needs `NamePrefix`; add `NamePrefix`",
    );
    needs(
        schema,
        &json!({ "required": ["NamePrefix"] }),
        &json!({ "required": ["Capabilities"] }),
        "`NamePrefix` needs `Capabilities`; add `Capabilities`, or leave `NamePrefix` out",
    );
    for capability in OF_DATABASES {
        let why = format!("the capability `{capability}` needs `GlueDatabases`; add `GlueDatabases`");
        needs(schema, &has(&[capability]), &given("GlueDatabases"), &why);
    }
    needs(
        schema,
        &given("GlueDatabases"),
        &has(&OF_DATABASES),
        "`GlueDatabases` needs the capability `Athena` or `GlueTables`; add one of them, or leave `GlueDatabases` out",
    );
    // Not `contains` with the accesses that write: cfn-lint would refuse `Fn::If` where one branch alone is `Read`, also
    // if the capability has the same condition.
    let only_read = json!({ "Access": { "enum": ["Read"] } });
    let none_written = json!({ "properties": only_read, "items": { "properties": only_read } });
    needs(
        schema,
        &has(&["FeatureStoreOffline"]),
        &json!({ "required": ["Buckets"], "properties": { "Buckets": { "not": none_written } } }),
        "the capability `FeatureStoreOffline` needs a bucket with `Access: ReadWrite` or `Write`; add the bucket of \
         the offline store to `Buckets`",
    );
}

/// Adds the rules about `LimitToSubnets: true`.
fn limited(schema: &mut Schema) {
    let is_limited = json!({
        "required": ["LimitToSubnets"],
        "properties": { "LimitToSubnets": { "enum": [true, "true"] } },
    });
    needs(
        schema,
        &is_limited,
        &given("Subnets"),
        "`LimitToSubnets: true` needs `Subnets` and `SecurityGroups`; add them, or leave `LimitToSubnets` out",
    );
    for capability in OF_PROCESSING_JOBS {
        let why = format!(
            "`LimitToSubnets: true` and the capability `{capability}` exclude each other, because SageMaker refuses \
             processing jobs of such a role; leave one of the two out"
        );
        never(schema, &json!({ "allOf": [is_limited, has(&[capability])] }), &why);
    }
}

/// Returns a schema that matches where `Capabilities` is one of these capabilities, or a list with one of them.
///
/// An `enum` applies to lists too, so a pattern is beside the keyword of the list.
fn has(capabilities: &[&str]) -> Value {
    let one = format!("^({})$", capabilities.join("|"));
    json!({
        "required": ["Capabilities"],
        "properties": { "Capabilities": { "pattern": one, "contains": { "enum": capabilities } } },
    })
}
