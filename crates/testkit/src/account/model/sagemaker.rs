//! What SageMaker answers in each region: projects, the service-catalog portfolio, and which role something runs with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::account::reply::{Refusal, Reply};
use crate::fixtures::PASSABLE;

/// One region of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Region {
    /// The projects, each with its name and state.
    pub projects: Vec<(String, String)>,
    /// Whether the service-catalog portfolio is enabled.
    pub portfolio: bool,
    /// Whether the region is not enabled for the account.
    pub closed: bool,
    /// The replies to Describe calls, by operation and the values of the request's members: `DescribeSpace d-1/own`.
    /// A listed project without a reply here was created from a product of Service Catalog.
    pub described: BTreeMap<String, Value>,
}

impl Region {
    /// A region with these projects, each with its name and state.
    pub fn with(projects: &[(&str, &str)]) -> Self {
        let projects = projects.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect();
        Self { projects, ..Self::default() }
    }

    /// The same region, with what `DescribeProject` replies for a project.
    pub fn describing(mut self, project: &str, reply: Value) -> Self {
        self.described.insert(format!("DescribeProject {project}"), reply);
        self
    }

    /// The reply for a listed project that was created from a product of Service Catalog.
    fn of_product(&self, project: &str) -> Option<Value> {
        let (name, status) = self.projects.iter().find(|(name, _)| name == project)?;
        Some(json!({
            "ProjectName": name,
            "ProjectStatus": status,
            "ServiceCatalogProvisioningDetails": { "ProductId": "prod-1", "ProvisioningArtifactId": "pa-1" },
        }))
    }
}

/// A request to SageMaker.
#[derive(Clone, Debug, Hash)]
pub struct Request {
    /// The operation: `ListProjects`.
    pub action: String,
    pub region: String,
    /// The members of the request that are strings, by name.
    pub members: BTreeMap<String, String>,
}

impl Request {
    fn token(&self) -> usize {
        self.members.get("NextToken").map_or(0, |token| token.parse().unwrap())
    }

    /// The values of the members, in the order of the members' names.
    fn named(&self) -> String {
        self.members.values().map(String::as_str).collect::<Vec<_>>().join("/")
    }
}

/// The reply of SageMaker to a request. `page` is the number of projects on a page. With `lenient`, everything exists
/// that a request may describe, but no project; it runs with `PASSABLE`.
pub fn answer(regions: &mut BTreeMap<String, Region>, request: &Request, page: usize, lenient: bool) -> Reply {
    let region = regions.entry(request.region.clone()).or_default();
    if region.closed {
        let why = "The security token included in the request is invalid.";
        return Err(Refusal::new(400, "UnrecognizedClientException", why));
    }
    let body = match request.action.as_str() {
        "ListProjects" => projects(region, request, page),
        "GetSagemakerServicecatalogPortfolioStatus" => {
            json!({ "Status": if region.portfolio { "Enabled" } else { "Disabled" } })
        }
        "DisableSagemakerServicecatalogPortfolio" => {
            region.portfolio = false;
            json!({})
        }
        describe if describe.starts_with("Describe") => {
            let (named, is_project) = (request.named(), describe == "DescribeProject");
            let described = region.described.get(&format!("{describe} {named}")).cloned();
            let described = described.or_else(|| is_project.then(|| region.of_product(&named))?);
            let described = described.or_else(|| (lenient && !is_project).then(|| running_with(PASSABLE)));
            described.ok_or_else(|| absent(describe, &named))?
        }
        other => return Err(Refusal::new(400, "UnknownOperationException", other)),
    };
    if *region == Region::default() {
        // A region that was only read is no change of the account.
        regions.remove(&request.region);
    }
    Ok(body)
}

fn projects(region: &Region, request: &Request, page: usize) -> Value {
    let start = request.token();
    let end = region.projects.len().min(start + page);
    let shown = region.projects[start..end].iter().map(|(name, status)| {
        json!({
            "ProjectName": name,
            "ProjectId": "p-1",
            "ProjectArn": format!("arn:aws:sagemaker:{}:123456789012:project/{name}", request.region),
            "ProjectStatus": status,
            "CreationTime": 1.0,
        })
    });
    let mut body = json!({ "ProjectSummaryList": shown.collect::<Vec<_>>() });
    if end < region.projects.len() {
        body["NextToken"] = json!(end.to_string());
    }
    body
}

/// A description with the role at each place where one of the APIs has it.
fn running_with(role: &str) -> Value {
    json!({
        "RoleArn": role, "ExecutionRoleArn": role, "EndpointConfigName": "config",
        "DefaultUserSettings": { "ExecutionRole": role }, "DefaultSpaceSettings": { "ExecutionRole": role },
        "UserSettings": { "ExecutionRole": role }, "InstanceGroups": [{ "ExecutionRole": role }],
        "ValidationSpecification": { "ValidationRole": role },
    })
}

/// The refusal of a name that does not exist, in the words of each API.
fn absent(action: &str, name: &str) -> Refusal {
    let (code, message) = match action {
        "DescribeNotebookInstance" => ("ValidationException", "RecordNotFound".to_owned()),
        "DescribeEndpoint" | "DescribeEndpointConfig" | "DescribeModel" => {
            ("ValidationException", format!("Could not find {name:?}."))
        }
        "DescribeTrainingJob" => ("ValidationException", "Requested resource not found.".to_owned()),
        "DescribeModelPackage" => ("ValidationException", format!("ModelPackage {name} does not exist.")),
        "DescribeProject" => ("ValidationException", format!("Project {name} does not exist.")),
        _ => ("ResourceNotFound", format!("{name} does not exist.")),
    };
    Refusal::new(400, code, &message)
}
