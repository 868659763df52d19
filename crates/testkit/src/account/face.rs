//! The account as a handler sees it: through the ports themselves, or through the real clients over the wire.

use std::collections::BTreeSet;

#[cfg(feature = "wire")]
use mlops_roles::aws::{
    cloudformation::CloudFormationClient, iam::IamClient, s3::ObjectClient, sagemaker::SageMakerClients,
};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::simulation::{Check, Simulated};
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::protocol::resource_status::ResourceStatus;
use mlops_roles_core::resource::definition_location::Location;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_core::state::observation::Observation;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::policy_user::PolicyUser;
use mlops_roles_core::state::query::Query;
use mlops_roles_engine::port::{AwsError, Holder, Iam, Objects, Origin, Project, SageMaker, StackResource, Stacks};

use super::handle::Fake;

/// The real clients, connected to an account in memory.
#[cfg(feature = "wire")]
#[derive(Clone, Debug)]
pub struct Clients {
    iam: IamClient,
    stacks: CloudFormationClient,
    sagemaker: SageMakerClients,
    objects: ObjectClient,
}

/// One of the two ways to the account.
#[derive(Clone, Debug)]
pub enum Face {
    /// Through the engine's ports.
    Port(Fake),
    /// Through the real clients, over the wire.
    #[cfg(feature = "wire")]
    Wire(Box<Clients>),
}

impl Face {
    /// The face that the test run selects: the wire with `FACE=wire`, otherwise the port.
    pub fn from_environment(fake: Fake) -> Self {
        #[cfg(feature = "wire")]
        if std::env::var("FACE").is_ok_and(|face| face == "wire") {
            return Self::wire(&fake);
        }
        Self::Port(fake)
    }

    /// The face of the real clients.
    #[cfg(feature = "wire")]
    pub fn wire(fake: &Fake) -> Self {
        let (iam, stacks, sagemaker, objects) = (fake.iam(), fake.stacks(), fake.sagemaker(), fake.objects());
        Self::Wire(Box::new(Clients { iam, stacks, sagemaker, objects }))
    }
}

/// Passes the call on to the face in use.
macro_rules! ask {
    ($face:ident, $client:ident, $($call:tt)+) => {
        match $face {
            Face::Port(fake) => fake.$($call)+.await,
            #[cfg(feature = "wire")]
            Face::Wire(clients) => clients.$client.$($call)+.await,
        }
    };
}

impl Iam for Face {
    async fn observe(&self, query: &Query) -> Result<Observation, AwsError> {
        ask!(self, iam, observe(query))
    }

    async fn execute(&self, step: &Step) -> Result<(), AwsError> {
        ask!(self, iam, execute(step))
    }

    async fn has_policy(&self, arn: &str) -> Result<bool, AwsError> {
        ask!(self, iam, has_policy(arn))
    }

    async fn users_of_policy(&self, arn: &str) -> Result<Vec<PolicyUser>, AwsError> {
        ask!(self, iam, users_of_policy(arn))
    }

    async fn simulate(&self, role_arn: &str, check: &Check) -> Result<Simulated, AwsError> {
        ask!(self, iam, simulate(role_arn, check))
    }

    async fn policies_below(&self, path: &str) -> Result<Vec<(String, i64)>, AwsError> {
        ask!(self, iam, policies_below(path))
    }

    async fn roles_named(&self, prefix: &str) -> Result<BTreeSet<String>, AwsError> {
        ask!(self, iam, roles_named(prefix))
    }
}

impl Stacks for Face {
    async fn resource(&self, owner: &Owner) -> Result<Option<StackResource>, AwsError> {
        ask!(self, stacks, resource(owner))
    }

    async fn holder(&self, physical_id: &str) -> Result<Option<Holder>, AwsError> {
        ask!(self, stacks, holder(physical_id))
    }

    async fn holds(&self, resource: &Owner) -> Result<bool, AwsError> {
        ask!(self, stacks, holds(resource))
    }

    async fn status(&self, stack_id: &str) -> Result<Option<ResourceStatus>, AwsError> {
        ask!(self, stacks, status(stack_id))
    }
}

impl SageMaker for Face {
    async fn projects(&self, region: &str, page: Option<&str>) -> Result<(Vec<Project>, Option<String>), AwsError> {
        ask!(self, sagemaker, projects(region, page))
    }

    async fn origin(&self, region: &str, project: &str) -> Result<Origin, AwsError> {
        ask!(self, sagemaker, origin(region, project))
    }

    async fn has_portfolio(&self, region: &str) -> Result<bool, AwsError> {
        ask!(self, sagemaker, has_portfolio(region))
    }

    async fn disable_portfolio(&self, region: &str) -> Result<(), AwsError> {
        ask!(self, sagemaker, disable_portfolio(region))
    }

    async fn execution_roles(&self, region: &str, source: &Source) -> Result<BTreeSet<String>, AwsError> {
        ask!(self, sagemaker, execution_roles(region, source))
    }
}

impl Objects for Face {
    async fn read(&self, place: &Place, location: &Location) -> Result<Option<Vec<u8>>, AwsError> {
        ask!(self, objects, read(place, location))
    }
}
