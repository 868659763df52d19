//! Implements the `SageMaker` port with `aws-sdk-sagemaker`: projects, the service-catalog portfolio and execution
//! roles, by region.

use std::collections::BTreeSet;

use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::Builder;
use aws_sdk_sagemaker::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sagemaker::types::{ProjectStatus, SagemakerServicecatalogStatus, SharingType};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::aws::error;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_engine::port::{AwsError, FaultKind, Project, SageMaker};

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

    fn client(&self, region: &str) -> Client {
        Client::from_conf(Builder::from(&self.config).region(Region::new(region.to_owned())).build())
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
        let client = self.client(region);
        let one = |role: Option<String>| role.filter(|role| !role.is_empty()).into_iter().collect();
        Ok(match source {
            Source::Domain(id) => one(domain(&client, id).await?.of_users),
            Source::UserProfile { domain, name } => one(user_profile(&client, domain, name).await?),
            Source::Space { domain: id, name } => {
                let reply = client.describe_space().domain_id(id).space_name(name).send().await;
                let space = classify("sagemaker:DescribeSpace", reply)?;
                let sharing = space.space_sharing_settings.and_then(|settings| settings.sharing_type);
                let owner = space.ownership_settings.and_then(|settings| settings.owner_user_profile_name);
                match owner.filter(|_| sharing == Some(SharingType::Private)) {
                    Some(owner) => one(user_profile(&client, id, &owner).await?),
                    None => one(domain(&client, id).await?.of_spaces),
                }
            }
            Source::NotebookInstance(name) => {
                let reply = client.describe_notebook_instance().notebook_instance_name(name).send().await;
                one(classify("sagemaker:DescribeNotebookInstance", reply)?.role_arn)
            }
            Source::Endpoint(name) => endpoint(&client, name).await?,
            Source::Pipeline(name) => {
                let reply = client.describe_pipeline().pipeline_name(name).send().await;
                one(classify("sagemaker:DescribePipeline", reply)?.role_arn)
            }
            // IAM answers this question, not SageMaker.
            Source::RoleNamePrefix(_) => BTreeSet::new(),
        })
    }
}

struct Domain {
    of_users: Option<String>,
    of_spaces: Option<String>,
}

async fn domain(client: &Client, id: &str) -> Result<Domain, AwsError> {
    let domain = classify("sagemaker:DescribeDomain", client.describe_domain().domain_id(id).send().await)?;
    Ok(Domain {
        of_users: domain.default_user_settings.and_then(|settings| settings.execution_role),
        of_spaces: domain.default_space_settings.and_then(|settings| settings.execution_role),
    })
}

async fn user_profile(client: &Client, domain_id: &str, name: &str) -> Result<Option<String>, AwsError> {
    let reply = client.describe_user_profile().domain_id(domain_id).user_profile_name(name).send().await;
    let settings = classify("sagemaker:DescribeUserProfile", reply)?.user_settings;
    match settings.and_then(|settings| settings.execution_role).filter(|role| !role.is_empty()) {
        Some(own) => Ok(Some(own)),
        None => Ok(domain(client, domain_id).await?.of_users),
    }
}

async fn endpoint(client: &Client, name: &str) -> Result<BTreeSet<String>, AwsError> {
    let reply = client.describe_endpoint().endpoint_name(name).send().await;
    let Some(config) = classify("sagemaker:DescribeEndpoint", reply)?.endpoint_config_name else {
        return Ok(BTreeSet::new());
    };
    let reply = client.describe_endpoint_config().endpoint_config_name(config).send().await;
    let config = classify("sagemaker:DescribeEndpointConfig", reply)?;
    if let Some(role) = config.execution_role_arn.filter(|role| !role.is_empty()) {
        return Ok([role].into());
    }
    let variants = config.production_variants.into_iter().chain(config.shadow_production_variants).flatten();
    let models: BTreeSet<String> = variants.filter_map(|variant| variant.model_name).collect();
    let mut roles = BTreeSet::new();
    for model in models {
        let reply = client.describe_model().model_name(model).send().await;
        roles.extend(classify("sagemaker:DescribeModel", reply)?.execution_role_arn.filter(|role| !role.is_empty()));
    }
    Ok(roles)
}

/// Classifies a reply. SageMaker's error for a missing resource differs by the type of the resource.
fn classify<T, E>(call: &'static str, reply: Result<T, SdkError<E, HttpResponse>>) -> Result<T, AwsError>
where
    E: ProvideErrorMetadata,
{
    error::classify(call, reply).map_err(|error| {
        let absent = error.code == "ResourceNotFound"
            || error.code == "ValidationException"
                && (error.message.contains("RecordNotFound") || error.message.starts_with("Could not find"));
        if absent { AwsError { kind: FaultKind::NotFound, ..error } } else { error }
    })
}
