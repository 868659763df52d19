//! Defines the eleven roles that SageMaker's project templates expect in an account.
//!
//! Their names, trust policies and permissions are those of the roles that the console creates.
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-projects-studio-updates.html>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::catalog;
use crate::catalog::Statement;
use crate::iam::arn::{Arn, Place};
use crate::iam::document::Document;
use crate::iam::name::Name;
use crate::state::{Role, Tags};

/// The beginning of the names of all eleven roles.
pub const PREFIX: &str = "AmazonSageMakerServiceCatalogProducts";

/// The IAM path of the roles. Launch constraints and the roles' own policies name the roles at this path.
pub const PATH: &str = "/service-role/";

/// The role set whose narrowed inline policy `UseRole` gets, because AWS does not publish what the console grants it.
const SET_OF_USE_ROLE: &str = "ServiceCatalogProjects";

/// The statements that `UseRole` gets besides those of the role set: what projects call and the set does not grant.
///
/// The set itself does not get them: it has what its source publishes.
///
/// - `PutMetricData`: the set grants it on an ARN that no metric has.
/// - `InvokeEndpoint`, `InvokeEndpointAsync`: AWS's policies for `CodeBuildRole` and `LambdaRole` have both.
/// - `PutObjectAcl`: the console's policy for `UseRole` has it, in public listings of accounts of 2023 and 2024.
/// - `UseConnection`: projects with third-party Git tag their connection `sagemaker: true`. Connections have ARNs of two
///   services. The resources and the condition are those of AWS's policies for `CodeBuildRole` and `CodePipelineRole`.
///   <https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-projects-walkthrough-3rdgit.html>
///   <https://docs.aws.amazon.com/dtconsole/latest/userguide/security-iam.html>
/// - `GetUserDefinedFunctions`: AWS's policy for `GlueRole` has it.
///   <https://docs.aws.amazon.com/sagemaker/latest/dg/security-iam-awsmanpol-sc.html>
/// - Log delivery: the actions have no resource-level permissions, and the set grants them on an ARN.
///   <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy>
const ADDED_TO_USE_ROLE: &str = include_str!("use_role.json");

/// One of the eleven roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceCatalogRole {
    /// The name without the common prefix, such as `LaunchRole`.
    suffix: &'static str,
    /// The services that may assume the role, without `.amazonaws.com`.
    trusted: &'static [&'static str],
    /// The attached AWS managed policy: the part of its ARN after `arn:aws:iam::aws:policy/`.
    managed: &'static str,
}

/// Creates an entry of the table [`ROLES`].
const fn service_catalog_role(
    suffix: &'static str,
    trusted: &'static [&'static str],
    managed: &'static str,
) -> ServiceCatalogRole {
    ServiceCatalogRole { suffix, trusted, managed }
}

/// The eleven roles, first the launch and the use role.
pub const ROLES: [ServiceCatalogRole; 11] = [
    service_catalog_role(
        "LaunchRole",
        &["servicecatalog"],
        "AmazonSageMakerAdmin-ServiceCatalogProductsServiceRolePolicy",
    ),
    service_catalog_role(
        "UseRole",
        &[
            "apigateway",
            "cloudformation",
            "codebuild",
            "codepipeline",
            "events",
            "firehose",
            "glue",
            "lambda",
            "sagemaker",
            "states",
        ],
        "AmazonEC2ReadOnlyAccess",
    ),
    service_catalog_role(
        "ApiGatewayRole",
        &["apigateway"],
        "service-role/AmazonSageMakerServiceCatalogProductsApiGatewayServiceRolePolicy",
    ),
    service_catalog_role(
        "CloudformationRole",
        &["cloudformation"],
        "service-role/AmazonSageMakerServiceCatalogProductsCloudformationServiceRolePolicy",
    ),
    service_catalog_role(
        "CodeBuildRole",
        &["codebuild"],
        "AmazonSageMakerServiceCatalogProductsCodeBuildServiceRolePolicy",
    ),
    service_catalog_role(
        "CodePipelineRole",
        &["codepipeline"],
        "service-role/AmazonSageMakerServiceCatalogProductsCodePipelineServiceRolePolicy",
    ),
    service_catalog_role(
        "EventsRole",
        &["events"],
        "service-role/AmazonSageMakerServiceCatalogProductsEventsServiceRolePolicy",
    ),
    service_catalog_role(
        "FirehoseRole",
        &["firehose"],
        "service-role/AmazonSageMakerServiceCatalogProductsFirehoseServiceRolePolicy",
    ),
    service_catalog_role(
        "GlueRole",
        &["glue"],
        "service-role/AmazonSageMakerServiceCatalogProductsGlueServiceRolePolicy",
    ),
    service_catalog_role(
        "LambdaRole",
        &["lambda"],
        "service-role/AmazonSageMakerServiceCatalogProductsLambdaServiceRolePolicy",
    ),
    service_catalog_role("ExecutionRole", &["sagemaker"], "AmazonSageMakerFullAccess"),
];

/// Returns the name of the launch role, which is deleted last because Service Catalog needs it to end a project.
pub fn launch_role() -> Name {
    Name::new(format!("{PREFIX}LaunchRole"))
}

/// Returns the name of the use role.
pub fn use_role() -> Name {
    Name::new(format!("{PREFIX}UseRole"))
}

impl ServiceCatalogRole {
    /// Returns the name of the role, such as `AmazonSageMakerServiceCatalogProductsLaunchRole`.
    pub fn name(&self) -> Name {
        Name::new(format!("{PREFIX}{}", self.suffix))
    }

    /// Returns the attached AWS managed policy: the part of its ARN after `arn:aws:iam::aws:policy/`.
    pub fn managed_policy(&self) -> &'static str {
        self.managed
    }

    /// Returns whether the role is the launch or the use role, which `Roles: LaunchAndUse` stands for.
    ///
    /// These two roles existed before projects had a role for each service.
    pub fn is_launch_or_use(&self) -> bool {
        matches!(self.suffix, "LaunchRole" | "UseRole")
    }

    /// Returns the role to create where it is absent. `boundary` is the ARN of its permissions boundary.
    pub fn role(&self, place: &Place, boundary: &str) -> Role {
        let partition = &place.partition;
        let services: Vec<String> = self.trusted.iter().map(|service| format!("{service}.amazonaws.com")).collect();
        let trust = Document::from_statements(vec![json!({
            "Effect": "Allow",
            "Principal": { "Service": services },
            "Action": "sts:AssumeRole",
        })]);
        let inline = if self.name() == use_role() { use_role_policies(place) } else { BTreeMap::new() };
        Role {
            path: PATH.to_owned(),
            trust,
            description: "Made by mlops-roles for the project templates of SageMaker".to_owned(),
            max_session_duration: 3_600,
            boundary: Some(boundary.to_owned()),
            tags: Tags::new(),
            attached: BTreeSet::from([format!("arn:{partition}:iam::aws:policy/{}", self.managed)]),
            inline,
            instance_profiles: BTreeSet::new(),
        }
    }
}

/// Returns the inline policies of `UseRole`, by name: that of the role set, and one with the added statements.
fn use_role_policies(place: &Place) -> BTreeMap<String, Document> {
    let entry = catalog::role_set(SET_OF_USE_ROLE).ok().and_then(|set| set.roles.get(use_role().as_str()));
    let values = catalog::values_of(place);
    let document = |statements: &[Statement]| Document::from_statements(catalog::of_iam(statements, &values, false));
    let inline = entry.into_iter().flat_map(|entry| &entry.inline);
    let mut policies: BTreeMap<_, _> = inline.map(|(name, statements)| (name.clone(), document(statements))).collect();
    let added: Vec<Statement> = serde_json::from_str(ADDED_TO_USE_ROLE).unwrap_or_default();
    policies.insert(format!("{}AddedPolicy", use_role()), document(&added));
    policies
}

/// Returns whether the ARN is of the customer-managed policy that the console creates for `UseRole`:
/// `policy/service-role/AmazonSageMakerServiceCatalogProductsUseRole-20210603T132536`.
pub fn is_console_policy(arn: &str, place: &Place) -> bool {
    let arn = Arn::parse(arn).filter(|arn| arn.account == place.account && arn.partition == place.partition);
    let Some((PATH, name)) = arn.and_then(|arn| arn.iam_entity("policy")) else { return false };
    let time = name.strip_prefix(use_role().as_str()).and_then(|rest| rest.strip_prefix('-'));
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    time.and_then(|time| time.split_once('T')).is_some_and(|(day, hour)| digits(day, 8) && digits(hour, 6))
}
