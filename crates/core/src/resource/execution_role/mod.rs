//! Reads the properties of `Custom::SageMakerExecutionRole`, the role that notebooks, jobs and models run with.
//!
//! The role gets access to the named buckets, repositories, keys, topics and networks only, and to SageMaker itself by
//! capabilities.

mod access;
mod bucket;
mod capability;
mod network;
mod trust;

use serde_json::json;

use crate::iam::arn::{Arn, Place};
use crate::permissions::documents::{documents, pass_role};
use crate::permissions::integration::required::{Grant, PassRoleGrant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::permissions::simulation::Check;
use crate::resource::execution_role::access::Calls;
use crate::resource::execution_role::bucket::Bucket;
use crate::resource::execution_role::capability::{Capabilities, Named, name_prefix};
use crate::resource::execution_role::network::Network;
use crate::resource::execution_role::trust::{PassedTo, SERVICE, Trust};
use crate::resource::properties::{Problem, Reader};
use crate::resource::role;
use crate::resource::role::RoleProperties;
use crate::resource::single_role::SingleRole;
use crate::resource::spec::{Granted, ReadContext, ResourceSpec};

pub use capability::{NAME_PREFIX_LENGTH, capability_names};
pub use trust::{trusted_actions, trusted_services};

/// The resource type.
pub const TYPE: &str = "Custom::SageMakerExecutionRole";
/// The name of the inline policy that lets the role pass itself, where the properties give no other name.
const PASS_SELF_POLICY_NAME: &str = "PassItselfToSageMaker";

/// The CloudWatch namespaces of SageMaker's metrics, as IAM patterns. The role may write metrics to no others.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html>
const NAMESPACES: [&str; 4] = ["/aws/sagemaker/*", "AWS/SageMaker", "AWS/SageMaker/*", "aws/sagemaker/*"];

/// Parses the properties into the spec of one role with its policies.
///
/// The reader collects the validation errors.
pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> ResourceSpec {
    let place = context.place;
    let properties = role::parse(reader, context);
    let mut required = RequiredPermissions::default();
    always(place, &mut required);
    let buckets = Bucket::parse_all(reader, place);
    for bucket in &buckets {
        bucket.grant(&mut required);
    }
    repositories(reader, place, &mut required);
    let keys = keys(reader, place, &mut required);
    topics(reader, place, &mut required);
    let network = Network::parse(reader, place);
    if let Some(network) = &network {
        network.grant(&mut required);
    }
    let databases = databases(reader);
    let prefix = name_prefix(reader);
    let prefixes = [prefix.clone(), prefix.to_ascii_lowercase()].into();
    let named = Named { place, buckets: &buckets, keys: &keys, databases: &databases, prefixes };
    let capabilities = Capabilities::parse(reader);
    capabilities.check(reader, &named);
    if let Some(network) = &network {
        network.check(reader, |one| capabilities.has(one));
    }
    required.grants.extend(capabilities.grants(&named));
    let trust = Trust::parse(reader, context);
    let passes_itself = ["Notebook", "Pipelines"].iter().any(|one| capabilities.has(one));
    let passes_itself = reader.flag("PassSelf").unwrap_or(passes_itself);
    trust.check(reader, context, &capabilities, &PassedTo { prefix: &prefix, passes_itself });
    if passes_itself {
        pass_itself(reader, context, &properties, &trust, &mut required);
    }
    let policies = documents(&required.grants).unwrap_or_else(|why| {
        reader.report("", Problem::other(why));
        Vec::new()
    });
    let checks = if reader.flag("VerifyAccess").unwrap_or(false) {
        calls(context.place, &buckets, network.as_ref(), &required)
    } else {
        Vec::new()
    };
    let trust = trust.document(context, &capabilities);
    let pass_role_grant = pass_role(&required.pass_role_grants);
    let granted = Granted { policies, pass_role_grant, required, checks, ..Granted::default() };
    SingleRole { properties, inline_name: Some(PASS_SELF_POLICY_NAME) }.spec(reader, context, trust, granted)
}

/// Lists the calls that the role is for, as questions to IAM's policy simulator.
fn calls(place: &Place, buckets: &[Bucket], network: Option<&Network>, required: &RequiredPermissions) -> Vec<Check> {
    let mut calls = Calls::of_every_job(place);
    for bucket in buckets {
        calls.of_bucket(bucket);
    }
    if let Some(network) = network {
        network.called(&mut calls);
    }
    // Every other grant names one resource, or the resources that the prefix names.
    let listed = |state: &str| ["(logs)", "(metrics)", "Subnets"].contains(&state) || state.starts_with("Buckets[");
    for grant in required.grants.iter().filter(|grant| !listed(&grant.state)) {
        calls.of_grant(grant);
    }
    for passed in &required.pass_role_grants {
        calls.of_passed(passed);
    }
    calls.into_checks()
}

/// Adds the grants that every role gets: logs and metrics. Without them, no job can report how it went.
fn always(place: &Place, required: &mut RequiredPermissions) {
    let Place { partition, region, account } = place;
    let groups = format!("arn:{partition}:logs:{region}:{account}:log-group:/aws/sagemaker/*");
    let groups = vec![ResourcePattern::always(groups, "SageMaker names its log groups after the kind of job")];
    let actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"];
    required.grants.push(Grant::of("(logs)", &actions, groups, None));
    let condition = json!({ "StringLike": { "cloudwatch:namespace": NAMESPACES } });
    let why = "`cloudwatch:PutMetricData` has no resource-level permissions; the condition limits the namespaces";
    let any = vec![ResourcePattern::always("*".to_owned(), why)];
    required.grants.push(Grant::of("(metrics)", &["cloudwatch:PutMetricData"], any, Some(condition)));
}

/// Adds the grants of `Repositories`: permission to pull images.
///
/// A name stands for a repository of this account and region; repositories of other accounts are given by ARN.
fn repositories(reader: &Reader<'_>, place: &Place, required: &mut RequiredPermissions) {
    let Place { partition, region, account } = place;
    let texts = reader.texts("Repositories");
    for (path, text) in &texts {
        let arn = Arn::parse(text).filter(|_| Arn::is_of_one_place(text));
        let arn = arn.filter(|arn| arn.service == "ecr" && arn.partition == *partition);
        let named = arn.map_or(Some(text.as_str()), |arn| arn.resource.strip_prefix("repository/"));
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b);
        if !named.is_some_and(|name| (2..=256).contains(&name.len()) && name.bytes().all(allowed)) {
            reader.invalid(path, text, "the name or the ARN of an ECR repository");
            continue;
        }
        let arn =
            arn.map_or_else(|| format!("arn:{partition}:ecr:{region}:{account}:repository/{text}"), |_| text.clone());
        let actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
        required.grants.push(Grant::of(path, &actions, vec![ResourcePattern::exact(arn)], None));
    }
    if !texts.is_empty() {
        let why = "`ecr:GetAuthorizationToken` has no resource-level permissions";
        let any = vec![ResourcePattern::always("*".to_owned(), why)];
        required.grants.push(Grant::of("Repositories", &["ecr:GetAuthorizationToken"], any, None));
    }
}

/// Adds the grants of `KmsKeys`. Returns the ARNs of the keys.
///
/// An encrypted volume needs a KMS grant on the key. The condition `kms:GrantIsForAWSResource` limits such grants to
/// AWS services.
fn keys(reader: &Reader<'_>, place: &Place, required: &mut RequiredPermissions) -> Vec<String> {
    let mut keys = Vec::new();
    for (path, text) in reader.texts("KmsKeys") {
        let arn = Arn::parse(&text).filter(|_| Arn::is_of_one_place(&text));
        let arn = arn.filter(|arn| arn.service == "kms" && arn.partition == place.partition);
        let is_id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !arn.and_then(|arn| arn.resource.strip_prefix("key/")).is_some_and(is_id) {
            reader.invalid(&path, &text, "the ARN of a KMS key, not an alias");
            continue;
        }
        let actions = [
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyWithoutPlaintext",
        ];
        required.grants.push(Grant::of(&path, &actions, vec![ResourcePattern::exact(text.clone())], None));
        let condition = json!({ "Bool": { "kms:GrantIsForAWSResource": "true" } });
        required.grants.push(Grant::of(
            &path,
            &["kms:CreateGrant"],
            vec![ResourcePattern::exact(text.clone())],
            Some(condition),
        ));
        keys.push(text);
    }
    keys
}

/// Adds the grants of `Topics`: permission to publish to the topics, in this account or another.
///
/// Asynchronous inference publishes to topics with the role of the model.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/async-inference-check-predictions.html>
fn topics(reader: &Reader<'_>, place: &Place, required: &mut RequiredPermissions) {
    for (path, text) in reader.texts("Topics") {
        let arn = Arn::parse(&text).filter(|_| Arn::is_of_one_place(&text));
        let arn = arn.filter(|arn| arn.service == "sns" && arn.partition == place.partition);
        let is_name = |name: &str| {
            let stem = name.strip_suffix(".fifo").unwrap_or(name);
            !stem.is_empty()
                && name.len() <= 256
                && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if arn.is_some_and(|arn| is_name(arn.resource)) {
            required.grants.push(Grant::of(&path, &["sns:Publish"], vec![ResourcePattern::exact(text)], None));
        } else {
            reader.invalid(&path, &text, "the ARN of an SNS topic");
        }
    }
}

/// Reads `GlueDatabases`: the names of databases in the Glue Data Catalog of this account.
///
/// Athena works with names of lower-case letters, digits and underscores.
/// <https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html>
fn databases(reader: &Reader<'_>) -> Vec<String> {
    let mut databases = Vec::new();
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b);
    for (path, text) in reader.texts("GlueDatabases") {
        if text.len() <= 255 && text.bytes().all(allowed) {
            databases.push(text);
        } else {
            let expected = "the name of a Glue database: at most 255 lower-case letters, digits, `_` and `-`";
            reader.invalid(&path, &text, expected);
        }
    }
    databases
}

/// Adds the grants to pass the role itself to SageMaker and to the other services that it trusts.
///
/// Code that runs on a notebook or in a pipeline starts jobs with the same role.
fn pass_itself(
    reader: &Reader<'_>,
    context: ReadContext<'_>,
    properties: &RoleProperties,
    trust: &Trust,
    required: &mut RequiredPermissions,
) {
    let role = context.place.role_arn(&properties.path, properties.name.as_str());
    if !context.guardrails.allows_passing(&role) {
        let problem = format!(
            "role `{role}` can't pass itself, because it does not match the deployer's `PassableRoleArns`; choose \
             another `RoleName`, or set `PassSelf: false`"
        );
        reader.report("PassSelf", problem);
    }
    // A role that keeps a trust which the deployer no longer allows does not pass itself there.
    let services = trust.services.iter().map(String::as_str).filter(|service| context.guardrails.allows_trust(service));
    for service in [SERVICE].into_iter().chain(services) {
        required.pass_role_grants.push(PassRoleGrant {
            state: "PassSelf".to_owned(),
            role: role.clone(),
            service: service.to_owned(),
            is_new: false,
        });
    }
}
