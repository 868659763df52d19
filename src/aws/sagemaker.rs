//! Implements the `SageMaker` port with `aws-sdk-sagemaker`: projects, the service-catalog portfolio and execution
//! roles, by region. Descriptions of resources go through `describe`.

use std::collections::BTreeSet;

use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::Builder;
use aws_sdk_sagemaker::types::{ProjectStatus, SagemakerServicecatalogStatus};
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::Value;

use crate::aws::describe::describe;
use crate::aws::error::classify;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_engine::port::{AwsError, FaultKind, Origin, Project, SageMaker};

/// The maximum number of projects that SageMaker lists in one call.
const PAGE: i32 = 100;

/// The clients of SageMaker in all regions. A client is only created when its region is asked, since most events ask
/// none.
#[derive(Clone, Debug)]
pub struct SageMakerClients {
    config: SdkConfig,
}

impl SageMakerClients {
    /// Takes the configuration for the clients. Each client replaces the region in it by its own.
    pub fn new(config: SdkConfig) -> Self {
        Self { config }
    }

    fn config(&self, region: &str) -> Builder {
        Builder::from(&self.config).region(Region::new(region.to_owned()))
    }

    fn client(&self, region: &str) -> Client {
        Client::from_conf(self.config(region).build())
    }

    async fn describe(&self, region: &str, call: &'static str, members: &[(&str, &str)]) -> Result<Value, AwsError> {
        describe(self.config(region), call, members).await.map_err(classify_absent)
    }

    /// Returns the execution role in the settings of a domain: `DefaultUserSettings` or `DefaultSpaceSettings`.
    async fn of_domain(&self, region: &str, id: &str, settings: &str) -> Result<Option<String>, AwsError> {
        let domain = self.describe(region, "sagemaker:DescribeDomain", &[("DomainId", id)]).await?;
        Ok(text(&domain, &format!("/{settings}/ExecutionRole")))
    }

    async fn of_user_profile(&self, region: &str, domain: &str, name: &str) -> Result<Option<String>, AwsError> {
        let members = [("DomainId", domain), ("UserProfileName", name)];
        let profile = self.describe(region, "sagemaker:DescribeUserProfile", &members).await?;
        match text(&profile, "/UserSettings/ExecutionRole") {
            Some(own) => Ok(Some(own)),
            None => self.of_domain(region, domain, "DefaultUserSettings").await,
        }
    }

    async fn of_space(&self, region: &str, domain: &str, name: &str) -> Result<Option<String>, AwsError> {
        let members = [("DomainId", domain), ("SpaceName", name)];
        let space = self.describe(region, "sagemaker:DescribeSpace", &members).await?;
        let is_private = text(&space, "/SpaceSharingSettings/SharingType").as_deref() == Some("Private");
        match text(&space, "/OwnershipSettings/OwnerUserProfileName").filter(|_| is_private) {
            Some(owner) => self.of_user_profile(region, domain, &owner).await,
            None => self.of_domain(region, domain, "DefaultSpaceSettings").await,
        }
    }

    async fn of_endpoint(&self, region: &str, name: &str, with_pools: bool) -> Result<BTreeSet<String>, AwsError> {
        let endpoint = self.describe(region, "sagemaker:DescribeEndpoint", &[("EndpointName", name)]).await?;
        let Some(config) = text(&endpoint, "/EndpointConfigName") else { return Ok(BTreeSet::new()) };
        let members = [("EndpointConfigName", config.as_str())];
        let config = self.describe(region, "sagemaker:DescribeEndpointConfig", &members).await?;
        if let Some(role) = text(&config, "/ExecutionRoleArn") {
            return Ok([role].into());
        }
        // An instance pool of a variant may have another model than the variant.
        // https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_InstancePool.html
        let variants = items(&config, "ProductionVariants").chain(items(&config, "ShadowProductionVariants"));
        let models = variants.flat_map(|variant| {
            let pools = items(variant, "InstancePools").filter(|_| with_pools);
            let overrides = pools.filter_map(|pool| text(pool, "/ModelNameOverride"));
            text(variant, "/ModelName").into_iter().chain(overrides)
        });
        let models: BTreeSet<String> = models.collect();
        let mut roles = BTreeSet::new();
        for model in models {
            let model = self.describe(region, "sagemaker:DescribeModel", &[("ModelName", model.as_str())]).await?;
            roles.extend(text(&model, "/ExecutionRoleArn"));
        }
        Ok(roles)
    }
}

impl SageMaker for SageMakerClients {
    async fn projects(&self, region: &str, page: Option<&str>) -> Result<(Vec<Project>, Option<String>), AwsError> {
        let call = self.client(region).list_projects().max_results(PAGE).set_next_token(page.map(str::to_owned));
        let reply = classify("sagemaker:ListProjects", call.send().await)?;
        let listed = reply.project_summary_list.unwrap_or_default().into_iter();
        let live = listed.filter(|one| one.project_status != Some(ProjectStatus::DeleteCompleted));
        let projects = live.map(|project| Project {
            name: project.project_name.unwrap_or_default(),
            status: project.project_status.map_or("status unknown".to_owned(), |status| status.to_string()),
        });
        Ok((projects.collect(), reply.next_token.filter(|token| !token.is_empty())))
    }

    async fn origin(&self, region: &str, project: &str) -> Result<Origin, AwsError> {
        match self.describe(region, "sagemaker:DescribeProject", &[("ProjectName", project)]).await {
            Ok(reply) => Ok(origin(&reply)),
            // The message has to be about the project: that its product is gone does not mean that the project is.
            Err(error) if error.kind == FaultKind::NotFound && error.message.starts_with("Project ") => {
                Ok(Origin::Gone)
            }
            Err(error) => Err(error),
        }
    }

    async fn has_portfolio(&self, region: &str) -> Result<bool, AwsError> {
        let reply = self.client(region).get_sagemaker_servicecatalog_portfolio_status().send().await;
        let status = classify("sagemaker:GetSagemakerServicecatalogPortfolioStatus", reply)?.status;
        Ok(status != Some(SagemakerServicecatalogStatus::Disabled))
    }

    async fn disable_portfolio(&self, region: &str) -> Result<(), AwsError> {
        let reply = self.client(region).disable_sagemaker_servicecatalog_portfolio().send().await;
        classify("sagemaker:DisableSagemakerServicecatalogPortfolio", reply).map(drop)
    }

    async fn execution_roles(&self, region: &str, source: &Source) -> Result<BTreeSet<String>, AwsError> {
        let call = source.call();
        let one = |role: Option<String>| role.into_iter().collect();
        Ok(match source {
            Source::Domain(id) => one(self.of_domain(region, id, "DefaultUserSettings").await?),
            Source::UserProfile { domain, name } => one(self.of_user_profile(region, domain, name).await?),
            Source::Space { domain, name } => one(self.of_space(region, domain, name).await?),
            Source::NotebookInstance(name) => {
                one(text(&self.describe(region, call, &[("NotebookInstanceName", name.as_str())]).await?, "/RoleArn"))
            }
            Source::Endpoint(name) => self.of_endpoint(region, name, true).await?,
            Source::EndpointVariants(name) => self.of_endpoint(region, name, false).await?,
            Source::Pipeline(name) => {
                one(text(&self.describe(region, call, &[("PipelineName", name.as_str())]).await?, "/RoleArn"))
            }
            Source::TrainingJob(name) => {
                one(text(&self.describe(region, call, &[("TrainingJobName", name.as_str())]).await?, "/RoleArn"))
            }
            Source::Cluster(name) => {
                let cluster = self.describe(region, call, &[("ClusterName", name.as_str())]).await?;
                let groups = items(&cluster, "InstanceGroups").chain(items(&cluster, "RestrictedInstanceGroups"));
                groups.filter_map(|group| text(group, "/ExecutionRole")).collect()
            }
            Source::ModelPackage(name) => {
                // `AllData` may need permission to decrypt the model card, and nothing of the card is read.
                // https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeModelPackage.html
                let members = [("ModelPackageName", name.as_str()), ("IncludedData", "MetadataOnly")];
                let package = self.describe(region, call, &members).await?;
                one(text(&package, "/ValidationSpecification/ValidationRole"))
            }
            // IAM answers this question, not SageMaker.
            Source::RoleNamePrefix(_) => BTreeSet::new(),
        })
    }
}

/// Returns the text at a path of members such as `/UserSettings/ExecutionRole`. Empty text counts as absent.
fn text(reply: &Value, path: &str) -> Option<String> {
    reply.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Returns the items of a list in the reply. A list that is absent has none.
fn items<'a>(reply: &'a Value, list: &'static str) -> impl Iterator<Item = &'a Value> {
    reply.get(list).and_then(Value::as_array).into_iter().flatten()
}

/// Tells from the description of a project what it was created from.
/// <https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeProject.html>
fn origin(project: &Value) -> Origin {
    let has = |reply: &Value, member: &str| {
        reply.get(member).and_then(Value::as_object).is_some_and(|members| !members.is_empty())
    };
    if text(project, "/ProjectStatus").as_deref() == Some("DeleteCompleted") {
        return Origin::Gone;
    }
    if has(project, "ServiceCatalogProvisioningDetails") || has(project, "ServiceCatalogProvisionedProductDetails") {
        return Origin::Product;
    }
    let templates: Vec<&Value> = items(project, "TemplateProviderDetails").collect();
    if templates.is_empty() || !templates.iter().all(|template| has(template, "CfnTemplateProviderDetail")) {
        return Origin::Unknown;
    }
    let roles = templates.iter().filter_map(|template| text(template, "/CfnTemplateProviderDetail/RoleARN"));
    Origin::Templates(roles.collect())
}

/// Marks the error of a resource that does not exist. Code and message differ by the type of the resource:
///
/// - `ResourceNotFound` in the API reference, for domains, clusters and others;
/// - `RecordNotFound` for notebook instances, `Could not find …` for endpoints and models;
/// - `Requested resource not found.` for training jobs: <https://github.com/aws/aws-sdk/issues/165>;
/// - `… does not exist` for model packages and projects, as Terraform's AWS provider reads it:
///   <https://github.com/hashicorp/terraform-provider-aws/blob/main/internal/service/sagemaker/project.go>.
fn classify_absent(error: AwsError) -> AwsError {
    let says = |part: &str| error.message.contains(part);
    let absent = error.code == "ResourceNotFound"
        || error.code == "ValidationException"
            && (says("RecordNotFound")
                || says("Requested resource not found")
                || says("does not exist")
                || error.message.starts_with("Could not find"));
    if absent { AwsError { kind: FaultKind::NotFound, ..error } } else { error }
}
