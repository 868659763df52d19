//! The port to SageMaker.

use std::collections::BTreeSet;

use serde_json::Value;

use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_engine::port::{AwsError, FaultKind, Origin, Project, SageMaker};

use super::request::{listed, text};
use crate::account::call::Call;
use crate::account::handle::Fake;
use crate::account::model::sagemaker::Request;

impl Fake {
    async fn of_sagemaker(
        &self,
        name: &'static str,
        region: &str,
        members: &[(&str, &str)],
    ) -> Result<Value, AwsError> {
        let members = members.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let action = name.rsplit(':').next().unwrap().to_owned();
        let request = Request { action, region: region.to_owned(), members };
        self.reply(name, Call::SageMaker(request)).await.map_err(|error| {
            let absent = error.code == "ResourceNotFound"
                || error.code == "ValidationException"
                    && ["RecordNotFound", "Requested resource not found", "does not exist", "Could not find"]
                        .iter()
                        .any(|part| error.message.contains(part));
            if absent { AwsError { kind: FaultKind::NotFound, ..error } } else { error }
        })
    }

    async fn domain(&self, region: &str, id: &str, settings: &str) -> Result<String, AwsError> {
        let domain = self.of_sagemaker("sagemaker:DescribeDomain", region, &[("DomainId", id)]).await?;
        Ok(text(&domain[settings]["ExecutionRole"]))
    }

    async fn user_profile(&self, region: &str, domain: &str, name: &str) -> Result<String, AwsError> {
        let members = [("DomainId", domain), ("UserProfileName", name)];
        let profile = self.of_sagemaker("sagemaker:DescribeUserProfile", region, &members).await?;
        match text(&profile["UserSettings"]["ExecutionRole"]) {
            none if none.is_empty() => self.domain(region, domain, "DefaultUserSettings").await,
            own => Ok(own),
        }
    }

    async fn endpoint(&self, region: &str, name: &str, with_pools: bool) -> Result<BTreeSet<String>, AwsError> {
        let endpoint = self.of_sagemaker("sagemaker:DescribeEndpoint", region, &[("EndpointName", name)]).await?;
        let Some(config) = endpoint["EndpointConfigName"].as_str() else { return Ok(BTreeSet::new()) };
        let members = [("EndpointConfigName", config)];
        let config = self.of_sagemaker("sagemaker:DescribeEndpointConfig", region, &members).await?;
        if let Some(role) = config["ExecutionRoleArn"].as_str().filter(|role| !role.is_empty()) {
            return Ok([role.to_owned()].into());
        }
        let variants = listed(&config, "ProductionVariants").chain(listed(&config, "ShadowProductionVariants"));
        let models = variants.flat_map(|variant| {
            let pools = listed(variant, "InstancePools").filter(|_| with_pools);
            let overrides = pools.map(|pool| &pool["ModelNameOverride"]);
            [&variant["ModelName"]].into_iter().chain(overrides).filter_map(Value::as_str)
        });
        let models: BTreeSet<&str> = models.collect();
        let mut roles = BTreeSet::new();
        for model in models {
            let model = self.of_sagemaker("sagemaker:DescribeModel", region, &[("ModelName", model)]).await?;
            roles.extend(Some(text(&model["ExecutionRoleArn"])).filter(|role| !role.is_empty()));
        }
        Ok(roles)
    }
}

impl SageMaker for Fake {
    async fn projects(&self, region: &str, page: Option<&str>) -> Result<(Vec<Project>, Option<String>), AwsError> {
        let token: Vec<(&str, &str)> = page.map(|page| ("NextToken", page)).into_iter().collect();
        let reply = self.of_sagemaker("sagemaker:ListProjects", region, &token).await?;
        let live = listed(&reply, "ProjectSummaryList").filter(|one| one["ProjectStatus"] != "DeleteCompleted");
        let projects = live.map(|one| Project { name: text(&one["ProjectName"]), status: text(&one["ProjectStatus"]) });
        Ok((projects.collect(), reply["NextToken"].as_str().map(str::to_owned)))
    }

    async fn origin(&self, region: &str, project: &str) -> Result<Origin, AwsError> {
        let members = [("ProjectName", project)];
        let reply = match self.of_sagemaker("sagemaker:DescribeProject", region, &members).await {
            Err(error) if error.kind == FaultKind::NotFound && error.message.starts_with("Project ") => {
                return Ok(Origin::Gone);
            }
            reply => reply?,
        };
        let has = |reply: &Value, member: &str| reply[member].as_object().is_some_and(|members| !members.is_empty());
        let templates: Vec<_> = listed(&reply, "TemplateProviderDetails").collect();
        Ok(if reply["ProjectStatus"] == "DeleteCompleted" {
            Origin::Gone
        } else if has(&reply, "ServiceCatalogProvisioningDetails")
            || has(&reply, "ServiceCatalogProvisionedProductDetails")
        {
            Origin::Product
        } else if templates.is_empty() || templates.iter().any(|one| !has(one, "CfnTemplateProviderDetail")) {
            Origin::Unknown
        } else {
            let roles = templates.iter().map(|one| text(&one["CfnTemplateProviderDetail"]["RoleARN"]));
            Origin::Templates(roles.filter(|role| !role.is_empty()).collect())
        })
    }

    async fn has_portfolio(&self, region: &str) -> Result<bool, AwsError> {
        let call = "sagemaker:GetSagemakerServicecatalogPortfolioStatus";
        Ok(self.of_sagemaker(call, region, &[]).await?["Status"] != "Disabled")
    }

    async fn disable_portfolio(&self, region: &str) -> Result<(), AwsError> {
        self.of_sagemaker("sagemaker:DisableSagemakerServicecatalogPortfolio", region, &[]).await.map(drop)
    }

    async fn execution_roles(&self, region: &str, source: &Source) -> Result<BTreeSet<String>, AwsError> {
        let one = |role: String| Some(role).filter(|role| !role.is_empty()).into_iter().collect();
        Ok(match source {
            Source::Domain(id) => one(self.domain(region, id, "DefaultUserSettings").await?),
            Source::UserProfile { domain, name } => one(self.user_profile(region, domain, name).await?),
            Source::Space { domain, name } => {
                let members = [("DomainId", domain.as_str()), ("SpaceName", name.as_str())];
                let space = self.of_sagemaker("sagemaker:DescribeSpace", region, &members).await?;
                let private = space["SpaceSharingSettings"]["SharingType"] == "Private";
                match space["OwnershipSettings"]["OwnerUserProfileName"].as_str().filter(|_| private) {
                    Some(owner) => one(self.user_profile(region, domain, owner).await?),
                    None => one(self.domain(region, domain, "DefaultSpaceSettings").await?),
                }
            }
            Source::NotebookInstance(name) => {
                let members = [("NotebookInstanceName", name.as_str())];
                let call = "sagemaker:DescribeNotebookInstance";
                one(text(&self.of_sagemaker(call, region, &members).await?["RoleArn"]))
            }
            Source::Endpoint(name) => self.endpoint(region, name, true).await?,
            Source::EndpointVariants(name) => self.endpoint(region, name, false).await?,
            Source::Pipeline(name) => {
                let members = [("PipelineName", name.as_str())];
                one(text(&self.of_sagemaker("sagemaker:DescribePipeline", region, &members).await?["RoleArn"]))
            }
            Source::TrainingJob(name) => {
                let members = [("TrainingJobName", name.as_str())];
                one(text(&self.of_sagemaker("sagemaker:DescribeTrainingJob", region, &members).await?["RoleArn"]))
            }
            Source::Cluster(name) => {
                let members = [("ClusterName", name.as_str())];
                let cluster = self.of_sagemaker("sagemaker:DescribeCluster", region, &members).await?;
                let groups = listed(&cluster, "InstanceGroups").chain(listed(&cluster, "RestrictedInstanceGroups"));
                groups.map(|group| text(&group["ExecutionRole"])).filter(|role| !role.is_empty()).collect()
            }
            Source::ModelPackage(name) => {
                let members = [("IncludedData", "MetadataOnly"), ("ModelPackageName", name.as_str())];
                let package = self.of_sagemaker("sagemaker:DescribeModelPackage", region, &members).await?;
                one(text(&package["ValidationSpecification"]["ValidationRole"]))
            }
            Source::RoleNamePrefix(_) => BTreeSet::new(),
        })
    }
}
