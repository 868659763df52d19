//! Describes the properties of `Custom::SageMakerExecutionRole`.

use std::borrow::Cow;

use mlops_roles_core::resource::execution_role::{NAME_PREFIX_LENGTH, capability_names};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::json;

use crate::common::{Always, Makes, MakesOne, also, given, of_one};
use crate::forms::{
    BucketName, Flag, Folder, KeyArn, OneOrMany, Repository, SageMakerArn, SecurityGroupId, SubnetId, scalar, words,
};

/// The role that notebooks, jobs and models run with, made to measure
#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", transform = rules, extend("x-attributes" = of_one()))]
pub struct ExecutionRole {
    #[schemars(flatten)]
    always: Always,
    #[schemars(flatten)]
    makes: Makes,
    #[schemars(flatten)]
    makes_one: MakesOne,
    /// Objects below a prefix, and listing them. Nothing deletes
    buckets: Option<OneOrMany<Bucket>>,
    /// ECR repositories to pull images from, by name or, of other accounts too, by ARN
    repositories: Option<OneOrMany<Repository>>,
    /// ARNs of keys for volumes, buckets and outputs
    kms_keys: Option<OneOrMany<KeyArn>>,
    /// Where jobs have their network interfaces; with `SecurityGroups`
    subnets: Option<OneOrMany<SubnetId>>,
    /// Of the network interfaces of jobs; with `Subnets`
    security_groups: Option<OneOrMany<SecurityGroupId>>,
    /// What the role may ask of SageMaker itself, on names that begin with `NamePrefix`
    capabilities: Option<OneOrMany<Capability>>,
    /// How the names begin that the role may use in SageMaker: letters, digits and hyphens
    name_prefix: Option<NamePrefix>,
    /// `true`: passing itself, to SageMaker only; by default with `Notebook` or `Pipelines`
    pass_self: Option<Flag>,
    /// A condition of the trust: the ARN of a domain or the like, or a pattern
    source_arn: Option<SageMakerArn>,
    /// `true`: once the role stands, IAM's simulator is asked for all of this
    verify_access: Option<Flag>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "PascalCase", deny_unknown_fields)]
struct Bucket {
    name: BucketName,
    /// A folder: `churn` and `churn/` are `churn/…`
    prefix: Option<Folder>,
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

/// Adds the rules about properties that need each other.
fn rules(schema: &mut Schema) {
    for (one, other) in [("Subnets", "SecurityGroups"), ("SecurityGroups", "Subnets")] {
        also(schema, json!({ "if": given(one), "then": given(other) }));
    }
    also(schema, json!({ "if": given("Capabilities"), "then": { "required": ["NamePrefix"] } }));
    schema.insert("dependentRequired".to_owned(), json!({ "NamePrefix": ["Capabilities"] }));
}
