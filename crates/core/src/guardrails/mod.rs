//! What the deployer of the function lets templates do. `template.yaml` enforces the same by IAM on the function's
//! own role; here it gives the template's author a clear error instead of an `AccessDenied`.

pub mod boundary;

use crate::guardrails::boundary::BoundaryDenies;
use crate::iam::arn;
use crate::iam::arn::{Arn, Place};

/// The deployer's limits, from the function's environment. Whoever writes a stack's template has no say in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardrails {
    /// At least one; derived names begin with the first.
    pub role_name_prefixes: Vec<String>,
    /// At least one, each beginning and ending with a slash: where roles and policies are made. The first is the default.
    pub role_paths: Vec<String>,
    /// The ARN of the permissions boundary that every role gets.
    pub boundary: String,
    /// Boundaries that a template may name instead.
    pub narrower_boundaries: Vec<String>,
    /// IAM patterns of the role ARNs that a made role may pass.
    pub passable_roles: Vec<String>,
    /// IAM patterns of the managed policies that may be attached, besides those the function makes.
    pub managed_policies: Vec<String>,
    /// The resource types that are switched on.
    pub types: Vec<String>,
    pub allow_adoption: bool,
    /// Whether templates may have the policies of a role set that write to IAM as they were published.
    pub allow_published_iam_writes: bool,
    /// What the boundary of `template.yaml` denies besides the identity services.
    pub boundary_denies: BoundaryDenies,
    /// Whether the stack is asked about every event, not only about one that may be late.
    pub verifies_events: bool,
}

/// The function's environment is not as `template.yaml` sets it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the function's environment variable `{variable}` is {found}, expected {expected}; deploy its `template.yaml` again"
)]
pub struct MisconfiguredEnvironment {
    variable: &'static str,
    found: String,
    expected: &'static str,
}

impl Guardrails {
    /// `variable` looks an environment variable up. Lists are separated by commas.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MisconfiguredEnvironment> {
        let text = |name: &str| variable(name).unwrap_or_default();
        let list = |name: &str| -> Vec<String> {
            // White space is part of an item, as it is in IAM; the parameters of `template.yaml` take none.
            text(name).split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let invalid = |variable, found: String, expected| {
            let found = if found.is_empty() { "missing".to_owned() } else { format!("`{found}`") };
            MisconfiguredEnvironment { variable, found, expected }
        };

        let role_name_prefixes = list("ROLE_NAME_PREFIXES");
        if role_name_prefixes.is_empty() {
            return Err(invalid("ROLE_NAME_PREFIXES", String::new(), "at least one prefix of role names"));
        }
        let role_paths = list("ROLE_PATHS");
        if role_paths.is_empty() || !role_paths.iter().all(|path| path.starts_with('/') && path.ends_with('/')) {
            return Err(invalid("ROLE_PATHS", text("ROLE_PATHS"), "paths that begin and end with `/`"));
        }
        let boundary = text("PERMISSIONS_BOUNDARY_ARN");
        if !boundary.starts_with("arn:") {
            return Err(invalid("PERMISSIONS_BOUNDARY_ARN", boundary, "the ARN of a managed policy"));
        }
        let flag = |name| match text(name).as_str() {
            "true" => Ok(true),
            "false" | "" => Ok(false),
            other => Err(invalid(name, other.to_owned(), "`true` or `false`")),
        };
        let denies = text("BOUNDARY_DENIES");
        let Some(boundary_denies) = BoundaryDenies::parse(&denies) else {
            return Err(invalid("BOUNDARY_DENIES", denies, "`None`, `Standard` or `Strict`"));
        };
        Ok(Self {
            role_name_prefixes,
            role_paths,
            boundary,
            narrower_boundaries: list("NARROWER_PERMISSIONS_BOUNDARY_ARNS"),
            passable_roles: list("PASSABLE_ROLE_ARNS"),
            managed_policies: list("ALLOWED_MANAGED_POLICY_ARNS"),
            types: list("ENABLED_TYPES"),
            allow_adoption: flag("ALLOW_ADOPTION")?,
            allow_published_iam_writes: flag("ALLOW_PUBLISHED_IAM_WRITES")?,
            boundary_denies,
            verifies_events: flag("VERIFY_EVENTS")?,
        })
    }

    pub fn allows_name(&self, name: &str) -> bool {
        self.role_name_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }

    pub fn allows_path(&self, path: &str) -> bool {
        self.role_paths.iter().any(|allowed| allowed == path)
    }

    pub fn default_path(&self) -> &str {
        self.role_paths.first().map_or("/", String::as_str)
    }

    /// Whether it is a customer-managed policy that the function may read and change.
    pub fn allows_policy(&self, arn: &str, place: &Place) -> bool {
        let arn = Arn::parse(arn).filter(|arn| arn.account == place.account && arn.partition == place.partition);
        let entity = arn.and_then(|arn| arn.iam_entity("policy"));
        entity.is_some_and(|(path, name)| self.allows_path(path) && self.allows_name(name))
    }

    pub fn allows_boundary(&self, arn: &str) -> bool {
        self.boundary == arn || self.narrower_boundaries.iter().any(|allowed| allowed == arn)
    }

    pub fn allows_passing(&self, role_arn: &str) -> bool {
        self.passable_roles.iter().any(|pattern| arn::matches(pattern, role_arn))
    }

    /// Whether the boundary of `template.yaml` denies the action on these resources, whatever a policy grants. A deployer's
    /// own boundary may differ.
    pub fn boundary_denies<'a>(&self, action: &str, mut resources: impl Iterator<Item = &'a str>) -> bool {
        let (service, _) = action.split_once(':').unwrap_or_default();
        match action {
            // IAM lets everybody ask who they are, whatever a policy denies.
            // https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
            "sts:GetCallerIdentity" | "sts:GetServiceBearerToken" => false,
            "iam:PassRole" | "sts:AssumeRole" => !resources.all(|role| self.allows_passing(role)),
            _ if matches!(service, "iam" | "sts" | "organizations" | "account") => true,
            _ => self.boundary_denies.holds(action),
        }
    }

    pub fn allows_managed_policy(&self, arn: &str) -> bool {
        self.managed_policies.iter().any(|pattern| arn::matches(pattern, arn))
    }
}
