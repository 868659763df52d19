//! A fast account without faults for the fuzzers, and a mailbox for the responses.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use url::Url;

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::permissions::simulation::{Check, Simulated};
use mlops_roles_core::plan::after::after;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::resource::definition_location::Location;
use mlops_roles_core::resource::execution_role::{trusted_actions, trusted_services};
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_core::state::observation::{Observation, RoleMetadata};
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Role, State};
use mlops_roles_engine::port::{
    AwsError, Holder, Iam, Objects, Origin, Project, SageMaker, StackResource, Stacks, Transport, TransportError,
};

/// The id of the account.
pub const ACCOUNT: &str = "123456789012";
/// The ARN of a role that the guardrails allow to be passed.
pub const PASSABLE: &str = "arn:aws:iam::123456789012:role/MySageMakerRole";

/// Guardrails that enable everything a template may ask for.
pub fn guardrails() -> Guardrails {
    let types = mlops_roles_core::resource::TYPES.join(",");
    let trust = trusted_services().chain(trusted_actions()).collect::<Vec<_>>().join(",");
    let variable = |name: &str| match name {
        "ROLE_NAME_PREFIXES" => Some("AmazonSageMaker,Team".to_owned()),
        "ROLE_PATHS" => Some("/,/service-role/".to_owned()),
        "PERMISSIONS_BOUNDARY_ARN" => Some(format!("arn:aws:iam::{ACCOUNT}:policy/Boundary")),
        "PASSABLE_ROLE_ARNS" => Some("arn:aws:iam::*:role/*SageMaker*".to_owned()),
        "ALLOWED_MANAGED_POLICY_ARNS" => Some("arn:aws:iam::aws:policy/AmazonX".to_owned()),
        "ALLOWED_TRUST" => Some(trust.clone()),
        "ENABLED_TYPES" => Some(types.clone()),
        "DEFINITION_LOCATIONS" => Some("arn:aws:s3:::artifacts/*".to_owned()),
        "ALLOW_UNPINNED_DEFINITIONS" => Some("true".to_owned()),
        _ => None,
    };
    Guardrails::from_environment(variable).unwrap()
}

/// An account that applies every step.
#[derive(Clone, Debug)]
pub struct Account(Rc<RefCell<State>>);

impl Account {
    /// An account that holds one foreign role.
    pub fn new() -> Self {
        let role = Role {
            path: "/".into(),
            trust: Document::from_statements(Vec::new()),
            description: String::new(),
            max_session_duration: 3_600,
            boundary: None,
            tags: BTreeMap::new(),
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
            instance_profiles: BTreeSet::new(),
        };
        let roles = BTreeMap::from([(Name::new("Foreign"), role)]);
        Self(Rc::new(RefCell::new(State { roles, policies: BTreeMap::new() })))
    }

    /// The current state.
    pub fn state(&self) -> State {
        self.0.borrow().clone()
    }
}

impl Iam for Account {
    async fn observe(&self, query: &Query) -> Result<Observation, AwsError> {
        let mut state = self.state();
        state.roles.retain(|name, _| query.roles.contains_key(name));
        state.policies.retain(|arn, _| query.policies.contains_key(arn));
        let metadata =
            |name: &Name| (name.clone(), RoleMetadata { id: "AROA1".to_owned(), made_at: 0, last_used: None });
        let metadata = state.roles.keys().map(metadata).collect();
        Ok(Observation { state, metadata })
    }

    async fn execute(&self, step: &Step) -> Result<(), AwsError> {
        let state = self.0.take();
        self.0.replace(after(state, step));
        Ok(())
    }

    async fn has_policy(&self, _arn: &str) -> Result<bool, AwsError> {
        Ok(true)
    }

    async fn users_of_policy(&self, _arn: &str) -> Result<Vec<String>, AwsError> {
        Ok(Vec::new())
    }

    async fn simulate(&self, _role_arn: &str, _check: &Check) -> Result<Simulated, AwsError> {
        Ok(Simulated::default())
    }

    async fn policies_below(&self, path: &str) -> Result<Vec<(String, i64)>, AwsError> {
        let below = format!("arn:aws:iam::{ACCOUNT}:policy{path}");
        Ok(self.0.borrow().policies.keys().filter(|arn| arn.starts_with(&below)).map(|arn| (arn.clone(), 0)).collect())
    }

    async fn roles_named(&self, prefix: &str) -> Result<BTreeSet<String>, AwsError> {
        Ok(Some(PASSABLE.to_owned()).filter(|_| "MySageMakerRole".starts_with(prefix)).into_iter().collect())
    }
}

impl SageMaker for Account {
    async fn projects(&self, _region: &str, _page: Option<&str>) -> Result<(Vec<Project>, Option<String>), AwsError> {
        Ok((Vec::new(), None))
    }

    async fn origin(&self, _region: &str, _project: &str) -> Result<Origin, AwsError> {
        Ok(Origin::Unknown)
    }

    async fn has_portfolio(&self, _region: &str) -> Result<bool, AwsError> {
        Ok(false)
    }

    async fn disable_portfolio(&self, _region: &str) -> Result<(), AwsError> {
        Ok(())
    }

    async fn execution_roles(&self, _region: &str, _source: &Source) -> Result<BTreeSet<String>, AwsError> {
        Ok(BTreeSet::from([PASSABLE.to_owned()]))
    }
}

impl Objects for Account {
    async fn read(&self, _place: &Place, location: &Location) -> Result<Option<Vec<u8>>, AwsError> {
        // The key is the definition, so that the fuzzers choose it.
        Ok(Some(location.key.clone().into_bytes()))
    }
}

/// A stack that is processing the resource of an event, whatever its type.
#[derive(Clone, Debug)]
pub struct Stack {
    pub resource_type: String,
}

impl Stacks for Stack {
    async fn resource(&self, _owner: &Owner) -> Result<Option<StackResource>, AwsError> {
        let (resource_type, status) = (self.resource_type.clone(), "CREATE_IN_PROGRESS".to_owned());
        Ok(Some(StackResource { physical_id: String::new(), resource_type, status, since: None }))
    }

    async fn holder(&self, _physical_id: &str) -> Result<Option<Holder>, AwsError> {
        Ok(None)
    }

    async fn holds(&self, _resource: &Owner) -> Result<bool, AwsError> {
        Ok(false)
    }

    async fn status(&self, _stack_id: &str) -> Result<Option<String>, AwsError> {
        Ok(Some("DELETE_IN_PROGRESS".to_owned()))
    }
}

/// The URL that a response went to, and the response.
type Letter = (String, Vec<u8>);

/// A transport that keeps the responses it gets.
#[derive(Clone, Debug, Default)]
pub struct Mailbox(Arc<Mutex<Vec<Letter>>>);

impl Mailbox {
    /// Removes and returns the responses.
    pub fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Transport for Mailbox {
    async fn put(&self, url: &Url, body: &[u8]) -> Result<u16, TransportError> {
        self.0.lock().unwrap().push((url.to_string(), body.to_vec()));
        Ok(200)
    }
}
