//! Reads the properties of `Custom::SageMakerExecutionRole`, the role that notebooks, jobs and models run with.
//!
//! The role gets access to the named buckets, repositories, keys and networks only, and to SageMaker itself by
//! capabilities.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::iam::arn::{Arn, Place};
use crate::iam::document::Document;
use crate::permissions::documents::{documents, pass_role};
use crate::permissions::integration::required::{Grant, PassRoleGrant, RequiredPermissions};
use crate::permissions::integration::resource_pattern::ResourcePattern;
use crate::permissions::simulation::Check;
use crate::resource::properties::Reader;
use crate::resource::role;
use crate::resource::role::RoleProperties;
use crate::resource::single_role::SingleRole;
use crate::resource::spec::{Granted, ReadContext, ResourceSpec};
use crate::text::closest;

/// The resource type.
pub const TYPE: &str = "Custom::SageMakerExecutionRole";
/// The name of the inline policy that lets the role pass itself, where the properties give no other name.
const PASS_SELF_POLICY_NAME: &str = "PassItselfToSageMaker";
/// The service principal that assumes the role and that the role may pass itself to.
const SERVICE: &str = "sagemaker.amazonaws.com";

/// The CloudWatch namespaces of SageMaker's metrics, as IAM patterns. The role may write metrics to no others.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html>
const NAMESPACES: [&str; 4] = ["/aws/sagemaker/*", "AWS/SageMaker", "AWS/SageMaker/*", "aws/sagemaker/*"];

/// The capabilities whose features AWS lists as telling on whose behalf they act, such as by `aws:SourceAccount`.
///
/// AWS lists training, processing and transform jobs, inference, pipelines and model packages. The list has neither
/// notebook instances nor tuning jobs nor feature groups. A role without capabilities may serve any feature.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html>
const SENDS_SOURCE: [&str; 6] = ["Hosting", "ModelRegistry", "Pipelines", "Processing", "Training", "Transform"];

/// The length of the longest `NamePrefix`, in characters: the longest names of SageMaker resources have as many.
pub const NAME_PREFIX_LENGTH: usize = 63;

/// The SageMaker actions of each capability, by kind of resource; the error of parsing where the table is broken.
static CAPABILITIES: LazyLock<Result<BTreeMap<String, Vec<Ability>>, String>> = LazyLock::new(|| {
    let text = include_str!("capabilities.json");
    let broken =
        |error: serde_json::Error| format!("the table of capabilities can't be parsed: {error}; report it as a bug");
    serde_json::from_str(text).map_err(broken)
});

/// Returns the names of the capabilities, such as `Training`, in alphabetical order.
///
/// There are none where the table of capabilities is broken; [`parse`] reports that.
pub fn capability_names() -> impl Iterator<Item = &'static str> {
    CAPABILITIES.iter().flat_map(|table| table.keys()).map(String::as_str)
}

/// Actions on SageMaker resources of some kinds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ability {
    /// Actions, such as `sagemaker:CreateTrainingJob`.
    allow: BTreeSet<String>,
    /// How the resource part of the ARNs begins, such as `training-job/`.
    on: Vec<String>,
}

/// Parses the properties into the spec of one role with its policies.
///
/// The reader collects the validation errors.
pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> ResourceSpec {
    let properties = role::parse(reader, context);
    let mut required = RequiredPermissions::default();
    always(context.place, &mut required);
    buckets(reader, context.place, &mut required);
    repositories(reader, context.place, &mut required);
    keys(reader, context.place, &mut required);
    network(reader, context.place, &mut required);
    let capabilities = capabilities(reader, context.place, &mut required);
    let passes_itself = ["Notebook", "Pipelines"].iter().any(|one| capabilities.contains(*one));
    if reader.flag("PassSelf").unwrap_or(passes_itself) {
        pass_itself(reader, context, &properties, &mut required);
    }
    let policies = documents(&required.grants).unwrap_or_else(|why| {
        reader.report(why);
        Vec::new()
    });
    let checks = if reader.flag("VerifyAccess").unwrap_or(false) {
        own(Check::from_required(&required, |property| format!("`{property}`: the role")), context.place)
    } else {
        Vec::new()
    };
    let trust = trust(reader, context.place, &capabilities);
    let pass_role_grant = pass_role(&required.pass_role_grants);
    let granted = Granted { policies, pass_role_grant, required, checks, ..Granted::default() };
    SingleRole { properties, inline_name: PASS_SELF_POLICY_NAME }.spec(reader, context, trust, granted)
}

/// Drops the checks on resources of other accounts.
///
/// The policies of another account also decide on access to its resources, and IAM's simulator does not see them.
fn own(mut checks: Vec<Check>, place: &Place) -> Vec<Check> {
    let is_own = |resource: &String| Place::from_arn(resource).is_none_or(|of| of.account == place.account);
    for check in &mut checks {
        check.resources.retain(is_own);
    }
    checks.retain(|check| !check.resources.is_empty());
    checks
}

/// Returns the trust policy: SageMaker may assume the role for this account and, where it is given, for `SourceArn`.
///
/// Features that AWS does not list may omit `aws:SourceAccount`. The trust of a role that may serve such a feature
/// checks the account only where the request has it. Otherwise the feature could not assume the role.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html>
fn trust(reader: &Reader<'_>, place: &Place, capabilities: &BTreeSet<String>) -> Document {
    let tells = !capabilities.is_empty() && capabilities.iter().all(|one| SENDS_SOURCE.contains(&one.as_str()));
    let operator = if tells { "StringEquals" } else { "StringEqualsIfExists" };
    let mut condition = Map::from_iter([(operator.to_owned(), json!({ "aws:SourceAccount": place.account }))]);
    if let Some(source) = reader.text("SourceArn") {
        let arn = Arn::parse(&source).filter(|arn| arn.service == "sagemaker" && arn.partition == place.partition);
        if arn.is_some_and(|arn| arn.account == place.account) && !source.contains('$') {
            condition.insert("ArnLike".to_owned(), json!({ "aws:SourceArn": source }));
        } else {
            let example = format!("arn:{}:sagemaker:{}:{}:*", place.partition, place.region, place.account);
            let expected = format!("the ARN of a SageMaker resource of this account, or a pattern such as `{example}`");
            reader.invalid("SourceArn", &source, &expected);
        }
    }
    Document::from_statements(vec![json!({
        "Effect": "Allow",
        "Principal": { "Service": SERVICE },
        "Action": "sts:AssumeRole",
        "Condition": condition,
    })])
}

/// Creates a grant that stands for a property instead of a state.
fn grant(property: &str, actions: &[&str], resources: Vec<ResourcePattern>, condition: Option<Value>) -> Grant {
    Grant::new(property, actions.iter().map(|action| (*action).to_owned()).collect(), resources, condition)
}

/// Adds the grants that every role gets: logs and metrics. Without them, no job can report how it went.
fn always(place: &Place, required: &mut RequiredPermissions) {
    let Place { partition, region, account } = place;
    let groups = format!("arn:{partition}:logs:{region}:{account}:log-group:/aws/sagemaker/*");
    let groups = vec![ResourcePattern::always(groups, "SageMaker names its log groups after the kind of job")];
    let actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"];
    required.grants.push(grant("(logs)", &actions, groups, None));
    let condition = json!({ "StringLike": { "cloudwatch:namespace": NAMESPACES } });
    let why = "`cloudwatch:PutMetricData` has no resource-level permissions; the condition limits the namespaces";
    let any = vec![ResourcePattern::always("*".to_owned(), why)];
    required.grants.push(grant("(metrics)", &["cloudwatch:PutMetricData"], any, Some(condition)));
}

/// Adds the grants of `Buckets`: access to the objects below the prefix, and permission to list them.
///
/// The prefix always ends with a slash, so that `churn` does not include `churn-old/`.
fn buckets(reader: &Reader<'_>, place: &Place, required: &mut RequiredPermissions) {
    for (path, item) in reader.objects("Buckets", "`{Name, Prefix?, Access}`") {
        let name = item.text("Name");
        let prefix = item.text("Prefix");
        let access = [("Read", (true, false)), ("Write", (false, true)), ("ReadWrite", (true, true))];
        let access = item.choice("Access", &access);
        if name.is_none() && !item.has("Name") {
            item.report("`Name`: missing, expected the name of a bucket".to_owned());
        }
        if access.is_none() && !item.has("Access") {
            item.report("`Access`: missing, expected `Read`, `Write` or `ReadWrite`".to_owned());
        }
        if let Some(name) = name.as_ref().filter(|name| !is_bucket(name)) {
            item.invalid("Name", name, "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens");
        }
        let refused = |c: char| "*?$".contains(c) || !c.is_ascii() || c.is_ascii_control();
        if let Some(prefix) = prefix.as_ref().filter(|prefix| prefix.contains(refused) || prefix.starts_with('/')) {
            let expected = "printable ASCII text without `*`, `?` and `$` that does not begin with `/`";
            item.invalid("Prefix", prefix, expected);
        }
        reader.take(&path, item);
        let (Some(name), Some((reads, writes))) = (name, access) else { continue };
        let bucket = format!("arn:{}:s3:::{name}", place.partition);
        let below = prefix.map_or_else(String::new, |prefix| if prefix.ends_with('/') { prefix } else { prefix + "/" });
        let why = if below.is_empty() {
            "the grant covers every object of the bucket"
        } else {
            "the grant covers every object below the prefix"
        };
        let objects = || vec![ResourcePattern::always(format!("{bucket}/{below}*"), why)];
        if reads {
            required.grants.push(grant(&path, &["s3:GetObject"], objects(), None));
            let condition = (!below.is_empty()).then(|| json!({ "StringLike": { "s3:prefix": format!("{below}*") } }));
            required.grants.push(grant(
                &path,
                &["s3:ListBucket"],
                vec![ResourcePattern::exact(bucket.clone())],
                condition,
            ));
        }
        if writes {
            let actions = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"];
            required.grants.push(grant(&path, &actions, objects(), None));
        }
    }
}

/// Returns whether the text is a valid name of a general purpose bucket.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket(name: &str) -> bool {
    let end = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && name.bytes().all(allowed)
        && end(bytes.first())
        && end(bytes.last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
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
        required.grants.push(grant(path, &actions, vec![ResourcePattern::exact(arn)], None));
    }
    if !texts.is_empty() {
        let why = "`ecr:GetAuthorizationToken` has no resource-level permissions";
        let any = vec![ResourcePattern::always("*".to_owned(), why)];
        required.grants.push(grant("Repositories", &["ecr:GetAuthorizationToken"], any, None));
    }
}

/// Adds the grants of `KmsKeys`.
///
/// An encrypted volume needs a KMS grant on the key. The condition `kms:GrantIsForAWSResource` limits such grants to
/// AWS services.
fn keys(reader: &Reader<'_>, place: &Place, required: &mut RequiredPermissions) {
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
        required.grants.push(grant(&path, &actions, vec![ResourcePattern::exact(text.clone())], None));
        let condition = json!({ "Bool": { "kms:GrantIsForAWSResource": "true" } });
        required.grants.push(grant(&path, &["kms:CreateGrant"], vec![ResourcePattern::exact(text)], Some(condition)));
    }
}

/// Adds the grants of `Subnets` and `SecurityGroups`: permission to manage network interfaces in the subnets.
///
/// AWS does not document whom SageMaker gives permission on a network interface, so no condition limits the grantee.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html>
fn network(reader: &Reader<'_>, place: &Place, required: &mut RequiredPermissions) {
    let Place { partition, region, account } = place;
    let arn = |kind: &str, id: &str| format!("arn:{partition}:ec2:{region}:{account}:{kind}/{id}");
    let ids = |property: &'static str, start: &str, kind: &str| -> Vec<ResourcePattern> {
        let mut ids = Vec::new();
        for (path, text) in reader.texts(property) {
            let id = text.strip_prefix(start).filter(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit()));
            match id {
                Some(_) => ids.push(ResourcePattern::exact(arn(kind, &text))),
                None => reader.invalid(&path, &text, &format!("`{start}` followed by hexadecimal digits")),
            }
        }
        ids
    };
    let subnets = ids("Subnets", "subnet-", "subnet");
    let groups = ids("SecurityGroups", "sg-", "security-group");
    let given =
        |property| reader.raw(property).is_some_and(|value| value.as_array().is_none_or(|items| !items.is_empty()));
    if given("Subnets") != given("SecurityGroups") {
        reader.report(
            "`Subnets`, `SecurityGroups`: only one of the two is given, and a job in a VPC needs both; give both, or \
             neither"
                .to_owned(),
        );
    }
    if subnets.is_empty() || groups.is_empty() {
        return;
    }
    let interfaces =
        || ResourcePattern::always(arn("network-interface", "*"), "EC2 chooses the id of a network interface");
    let inside = json!({ "ArnEquals": { "ec2:Subnet": subnets.iter().map(|one| &one.arn).collect::<Vec<_>>() } });
    let on = subnets.into_iter().chain(groups).chain([interfaces()]).collect();
    required.grants.push(grant("Subnets", &["ec2:CreateNetworkInterface"], on, None));
    let actions =
        ["ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"];
    required.grants.push(grant("Subnets", &actions, vec![interfaces()], Some(inside)));
    let actions = [
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    ];
    let why = "the `ec2:Describe…` actions have no resource-level permissions";
    let any = vec![ResourcePattern::always("*".to_owned(), why)];
    required.grants.push(grant("Subnets", &actions, any, None));
}

/// Adds the grants of `Capabilities` and returns the valid capabilities that the property names.
fn capabilities(reader: &Reader<'_>, place: &Place, required: &mut RequiredPermissions) -> BTreeSet<String> {
    let Place { partition, region, account } = place;
    let table = match CAPABILITIES.as_ref() {
        Ok(table) => table,
        Err(why) => {
            reader.report(why.clone());
            return BTreeSet::new();
        }
    };
    let prefix = name_prefix(reader);
    let mut asked = BTreeSet::new();
    for (path, text) in reader.texts("Capabilities") {
        let Some(abilities) = table.get(&text) else {
            let near = closest(&text, table.keys().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
            let all: Vec<String> = table.keys().map(|name| format!("`{name}`")).collect();
            reader.invalid(&path, &text, &format!("one of {}{near}", all.join(", ")));
            continue;
        };
        asked.insert(text);
        for Ability { allow, on } in abilities {
            // SageMaker's ARNs have been seen with names in their original case and in lower case.
            let names: BTreeSet<String> = [prefix.clone(), prefix.to_ascii_lowercase()].into();
            let resources = on.iter().flat_map(|kind| {
                let arn = move |name: &String| format!("arn:{partition}:sagemaker:{region}:{account}:{kind}{name}*");
                names.iter().map(arn).map(|arn| {
                    ResourcePattern::always(arn, "the grant covers every name that begins with `NamePrefix`")
                })
            });
            required.grants.push(Grant::new(&path, allow.clone(), resources.collect(), None));
        }
    }
    if !asked.is_empty() && !reader.has("NamePrefix") {
        reader.report(
            "`NamePrefix`: missing, expected the prefix of the SageMaker names that `Capabilities` cover".to_owned(),
        );
    }
    if !reader.has("Capabilities") && reader.has("NamePrefix") {
        reader.report("`NamePrefix`: allowed only with `Capabilities`".to_owned());
    }
    asked
}

/// Parses `NamePrefix`; returns empty text where it is absent.
fn name_prefix(reader: &Reader<'_>) -> String {
    let Some(prefix) = reader.text("NamePrefix") else { return String::new() };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if prefix.len() > NAME_PREFIX_LENGTH || !prefix.bytes().all(allowed) {
        reader.invalid("NamePrefix", &prefix, "a prefix of SageMaker names: at most 63 letters, digits and hyphens");
    }
    prefix
}

/// Adds the grant to pass the role itself to SageMaker.
///
/// Code that runs on a notebook or in a pipeline starts jobs with the same role.
fn pass_itself(
    reader: &Reader<'_>,
    context: ReadContext<'_>,
    properties: &RoleProperties,
    required: &mut RequiredPermissions,
) {
    let role = context.place.role_arn(&properties.path, properties.name.as_str());
    if !context.guardrails.allows_passing(&role) {
        reader.report(format!(
            "`PassSelf`: role `{role}` can't pass itself, because it does not match the deployer's `PassableRoleArns`; \
             choose another `RoleName`, or set `PassSelf: false`"
        ));
    }
    required.pass_role_grants.push(PassRoleGrant {
        state: "PassSelf".to_owned(),
        role,
        service: SERVICE.to_owned(),
        is_new: false,
    });
}
