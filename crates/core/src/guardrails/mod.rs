//! Checks what a template asks for against the limits that the deployer of the function sets.
//!
//! `template.yaml` enforces the same limits through the IAM policies of the function's own role. The checks here give
//! the author of a template a clear error instead of an `AccessDenied`.

pub mod boundary;

use crate::guardrails::boundary::BoundaryDenies;
use crate::iam::arn;
use crate::iam::arn::{Arn, Place};

/// The limits that the deployer sets, read from the environment of the function.
///
/// The author of a template can't change them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guardrails {
    /// The prefixes that the names of roles and policies may begin with: `AmazonSageMaker`. At least one.
    ///
    /// Derived names begin with the first prefix.
    pub role_name_prefixes: Vec<String>,
    /// The paths at which roles and policies may be created: `/service-role/`. At least one; the first is the default.
    ///
    /// Each path begins and ends with a slash.
    pub role_paths: Vec<String>,
    /// The ARN of the permissions boundary that every role gets by default.
    pub boundary: String,
    /// The ARNs of the permissions boundaries that a template may name instead. May be empty.
    pub narrower_boundaries: Vec<String>,
    /// IAM patterns of the ARNs of roles that a created role may pass: `arn:aws:iam::123456789012:role/*SageMaker*`.
    pub passable_roles: Vec<String>,
    /// IAM patterns of the ARNs of managed policies that a template may attach: `arn:aws:iam::aws:policy/AmazonS3*`.
    ///
    /// A template may also attach the policies that the function creates. May be empty.
    pub managed_policies: Vec<String>,
    /// What the trust policies of execution roles may have besides SageMaker and `sts:AssumeRole`. May be empty.
    ///
    /// An item is a service principal, `events.amazonaws.com`, or an action of STS, `sts:TagSession`. It is no pattern.
    pub allowed_trust: Vec<String>,
    /// The resource types that are enabled: `Custom::StepFunctionsWorkflowRole`.
    pub types: Vec<String>,
    /// Whether templates may adopt roles and policies that the function did not create.
    pub allow_adoption: bool,
    /// Whether templates may ask for the policies of a role set that write to IAM in their published form.
    pub allow_published_iam_writes: bool,
    /// The objects in Amazon S3 that definitions may be read from.
    pub definitions: DefinitionObjects,
    /// Which actions the boundary of `template.yaml` denies besides the identity services.
    pub boundary_denies: BoundaryDenies,
    /// Whether the function asks the stack about every event. Otherwise it asks only about events that may be stale.
    pub verifies_events: bool,
}

/// The objects in Amazon S3 that the deployer lets the function read definitions from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DefinitionObjects {
    /// IAM patterns of the ARNs of the objects: `arn:aws:s3:::artifacts/*`. Empty: no definition is read.
    pub locations: Vec<String>,
    /// Whether a template may name an object without its version or SHA-256.
    pub allow_unpinned: bool,
}

impl DefinitionObjects {
    /// Whether a definition may be read from the object with this ARN: `arn:aws:s3:::artifacts/churn.asl.json`.
    pub fn allow(&self, object_arn: &str) -> bool {
        self.locations.iter().any(|pattern| arn::matches(pattern, object_arn))
    }
}

/// The error that an environment variable of the function is not as `template.yaml` sets it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the function's environment variable `{variable}`: {found}, expected {expected}; \
     deploy the function's `template.yaml` again"
)]
pub struct MisconfiguredEnvironment {
    /// The environment variable: `ROLE_NAME_PREFIXES` for the parameter `RoleNamePrefixes`.
    pub variable: &'static str,
    /// What it has: ``found `x` `` or `missing`.
    pub found: String,
    /// What it may have, as a noun phrase.
    pub expected: &'static str,
}

impl Guardrails {
    /// Reads the guardrails from environment variables, which `variable` looks up by name. Commas separate list items.
    ///
    /// `ROLE_NAME_PREFIXES`, `ROLE_PATHS` and `PERMISSIONS_BOUNDARY_ARN` are required. When absent, other lists are
    /// empty, flags are `false`, and `BOUNDARY_DENIES` is `Standard`.
    ///
    /// # Errors
    ///
    /// Fails when a required variable is missing, or when a path, the boundary, a flag or `BOUNDARY_DENIES` has a wrong
    /// form.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MisconfiguredEnvironment> {
        let text = |name: &str| variable(name).unwrap_or_default();
        let list = |name: &str| -> Vec<String> {
            // White space is part of an item, as in IAM. The parameters of `template.yaml` do not accept white space.
            text(name).split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let invalid = |variable, found: String, expected| {
            let found = if found.is_empty() { "missing".to_owned() } else { format!("found `{found}`") };
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
            allowed_trust: list("ALLOWED_TRUST"),
            types: list("ENABLED_TYPES"),
            allow_adoption: flag("ALLOW_ADOPTION")?,
            allow_published_iam_writes: flag("ALLOW_PUBLISHED_IAM_WRITES")?,
            definitions: DefinitionObjects {
                locations: list("DEFINITION_LOCATIONS"),
                allow_unpinned: flag("ALLOW_UNPINNED_DEFINITIONS")?,
            },
            boundary_denies,
            verifies_events: flag("VERIFY_EVENTS")?,
        })
    }

    /// Whether the name of a role or policy begins with an allowed prefix. The comparison is case-sensitive.
    pub fn allows_name(&self, name: &str) -> bool {
        self.role_name_prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
    }

    /// Whether the path is one of the allowed paths. A path below an allowed path is not allowed by it.
    pub fn allows_path(&self, path: &str) -> bool {
        self.role_paths.iter().any(|allowed| allowed == path)
    }

    /// The path of roles for which the template names none: the first allowed path.
    pub fn default_path(&self) -> &str {
        self.role_paths.first().map_or("/", String::as_str)
    }

    /// Whether the ARN is of a customer-managed policy that the function may read and change.
    ///
    /// Such a policy is in the account and partition of `place`, at an allowed path and with an allowed prefix.
    pub fn allows_policy(&self, arn: &str, place: &Place) -> bool {
        let arn = Arn::parse(arn).filter(|arn| arn.account == place.account && arn.partition == place.partition);
        let entity = arn.and_then(|arn| arn.iam_entity("policy"));
        entity.is_some_and(|(path, name)| self.allows_path(path) && self.allows_name(name))
    }

    /// Whether the ARN is of a permissions boundary that a role may have: the default one or a narrower one.
    pub fn allows_boundary(&self, arn: &str) -> bool {
        self.boundary == arn || self.narrower_boundaries.iter().any(|allowed| allowed == arn)
    }

    /// Whether a created role may pass the role with this ARN.
    pub fn allows_passing(&self, role_arn: &str) -> bool {
        self.passable_roles.iter().any(|pattern| arn::matches(pattern, role_arn))
    }

    /// Whether the boundary of `template.yaml` denies the action on at least one resource, whatever a policy grants.
    ///
    /// A boundary that the deployer wrote may differ.
    pub fn boundary_denies<'a>(&self, action: &str, mut resources: impl Iterator<Item = &'a str>) -> bool {
        let (service, _) = action.split_once(':').unwrap_or_default();
        match action {
            // IAM allows `GetCallerIdentity` to every principal, even when a policy denies the action.
            // https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
            // The boundary allows `GetServiceBearerToken` explicitly.
            "sts:GetCallerIdentity" | "sts:GetServiceBearerToken" => false,
            "iam:PassRole" | "sts:AssumeRole" => !resources.all(|role| self.allows_passing(role)),
            _ if matches!(service, "iam" | "sts" | "organizations" | "account") => true,
            _ => self.boundary_denies.holds(action),
        }
    }

    /// Whether a template may attach the managed policy with this ARN.
    pub fn allows_managed_policy(&self, arn: &str) -> bool {
        self.managed_policies.iter().any(|pattern| arn::matches(pattern, arn))
    }

    /// Whether the trust policy of an execution role may have the service principal or the action of STS.
    ///
    /// The comparison is exact: an item of the list is no pattern.
    pub fn allows_trust(&self, what: &str) -> bool {
        self.allowed_trust.iter().any(|allowed| allowed == what)
    }
}
