//! SageMaker's projects and service-catalog portfolio, region by region, as aws-sdk-sagemaker tells it.

use aws_config::{Region, SdkConfig};
use aws_sdk_sagemaker::Client;
use aws_sdk_sagemaker::config::Builder;
use aws_sdk_sagemaker::types::{ProjectStatus, SagemakerServicecatalogStatus};

use crate::iam::fault;
use crate::port::{Fault, Project, SageMaker};

/// As many projects as SageMaker lists in one call.
const PAGE: i32 = 100;

/// The service in any region. A client is made when a region is asked: most events ask none.
#[derive(Clone, Debug)]
pub struct Regions {
    config: SdkConfig,
}

impl Regions {
    pub fn new(config: SdkConfig) -> Self {
        Self { config }
    }

    fn client(&self, region: &str) -> Client {
        Client::from_conf(Builder::from(&self.config).region(Region::new(region.to_owned())).build())
    }
}

impl SageMaker for Regions {
    async fn projects(&self, region: &str, page: Option<&str>) -> Result<(Vec<Project>, Option<String>), Fault> {
        let call = self.client(region).list_projects().max_results(PAGE).set_next_token(page.map(str::to_owned));
        let reply = fault("sagemaker:ListProjects", call.send().await)?;
        let listed = reply.project_summary_list.unwrap_or_default().into_iter();
        let live = listed.filter(|one| one.project_status != Some(ProjectStatus::DeleteCompleted));
        let projects = live.map(|project| Project {
            name: project.project_name.unwrap_or_default(),
            status: project.project_status.map_or("state unknown".to_owned(), |status| status.to_string()),
        });
        Ok((projects.collect(), reply.next_token.filter(|token| !token.is_empty())))
    }

    async fn has_portfolio(&self, region: &str) -> Result<bool, Fault> {
        let reply = self.client(region).get_sagemaker_servicecatalog_portfolio_status().send().await;
        let status = fault("sagemaker:GetSagemakerServicecatalogPortfolioStatus", reply)?.status;
        Ok(status != Some(SagemakerServicecatalogStatus::Disabled))
    }

    async fn disable_portfolio(&self, region: &str) -> Result<(), Fault> {
        let reply = self.client(region).disable_sagemaker_servicecatalog_portfolio().send().await;
        fault("sagemaker:DisableSagemakerServicecatalogPortfolio", reply).map(drop)
    }
}
