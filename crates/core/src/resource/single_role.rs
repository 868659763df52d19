//! The resource spec of one role with scoped policies and a `PassRole` grant, for every type that creates one role.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::iam::arn::{Arn, Place};
use crate::iam::document::{Document, hex};
use crate::iam::quota::{INLINE_SIZE_PER_ROLE, MANAGED_POLICIES_PER_ROLE, POLICY_NAME_LENGTH};
use crate::resource::properties::Reader;
use crate::resource::role;
use crate::resource::role::RoleProperties;
use crate::resource::spec::{Granted, NOT_VERIFIED, ReadContext, ResourceSpec, WARNINGS, beyond_boundary};
use crate::state::{Policy, Role, State};

/// The default propagation wait, in seconds. A role can usually be assumed within seconds of its creation, in rare
/// cases only after a minute. Step Functions refuses a state machine whose role can't be assumed. Terraform's IAM
/// resources wait ten seconds for the same reason.
const PROPAGATION_WAIT_SECONDS: i32 = 10;

/// The range of the propagation wait that a resource may ask for by `SettleSeconds`, in seconds.
pub const PROPAGATION_WAIT_RANGE: std::ops::RangeInclusive<i32> = 0..=120;

/// The number of managed policies on a role that the quota `PoliciesPerRole` can be raised to at most. Below this
/// number IAM decides, because the function does not know the account's quota.
const MOST_MANAGED_POLICIES: usize = 20;

/// The role that a resource type creates, before its policies are known.
#[derive(Clone, Debug)]
pub struct SingleRole {
    /// The properties of the role.
    pub properties: RoleProperties,
    /// The default name of the inline policy with the `PassRole` grant, where `PassRolePolicyName` is absent. `None`
    /// for a type whose role passes no role; such a type has neither the property nor the grant.
    pub inline_name: Option<&'static str>,
}

impl SingleRole {
    /// Reads the remaining properties that types with one role share, and builds the resource spec. `trust` is the
    /// trust policy of the role.
    pub fn spec(
        self,
        reader: &Reader<'_>,
        context: ReadContext<'_>,
        trust: Document,
        granted: Granted,
    ) -> ResourceSpec {
        let properties = self.properties;
        let mut names_outside_guardrails = Vec::new();
        let policy_name = role::policy_name(reader, context, "PolicyName", &mut names_outside_guardrails)
            .unwrap_or_else(|| format!("{}-Policy", properties.name));
        let inline_name =
            self.inline_name.map(|default| role::inline_policy_name(reader, "PassRolePolicyName", default));
        let managed = role::managed_policies(reader, context);
        let (adopt_existing, adopt_from) = adoption(reader, context);
        let propagation_wait = propagation_wait(reader);
        if let Some(pass_role_grant) = &granted.pass_role_grant {
            role::within(reader, "inline policy with the PassRole grants", pass_role_grant, INLINE_SIZE_PER_ROLE);
        }
        let sha256 = policies_sha256(&granted.policies);
        let names = PolicyNames { first: policy_name, path: &properties.path, place: context.place };
        let count = granted.policies.len();
        names.check(reader, count);
        let surplus_arns = names.surplus(&granted);
        let policies: BTreeMap<String, Policy> = (1..)
            .zip(granted.policies)
            .map(|(number, document)| (names.arn(number), Policy { document, tags: properties.tags.clone() }))
            .collect();
        let mut attached: BTreeSet<String> = managed.into_iter().chain(policies.keys().cloned()).collect();
        check_attached(reader, attached.len(), count);
        let notices = over_quota(attached.len()).into_iter().chain(granted.required.notices.clone()).collect();
        if granted.is_unread {
            // As old properties, the spec says which attached policies are not somebody else's.
            attached.extend(surplus_arns.iter().cloned());
        }
        let mut attributes = attributes(&properties, &policies, context);
        let beyond = beyond_boundary(&granted.required, context.guardrails).into_keys().collect::<Vec<_>>().join(", ");
        attributes.extend([("PolicySha256".to_owned(), sha256), ("BeyondBoundary".to_owned(), beyond)]);
        let boundary = properties.boundary;
        let role = Role {
            path: properties.path,
            trust,
            description: properties.description,
            max_session_duration: properties.max_session_duration,
            boundary: Some(boundary.clone()),
            tags: properties.tags,
            attached,
            inline: inline_name.into_iter().zip(granted.pass_role_grant).collect(),
            instance_profiles: BTreeSet::new(),
        };
        ResourceSpec {
            physical_id: properties.name.to_string(),
            role_ids: BTreeMap::from([("RoleId", properties.name.clone())]),
            state: State { roles: BTreeMap::from([(properties.name, role)]), policies },
            attributes,
            adopt_existing,
            adopt_from,
            definition: granted.definition,
            required: granted.required,
            notices,
            checks: granted.checks,
            propagation_wait,
            names_outside_guardrails,
            surplus_arns,
            boundary,
            naming: "RoleName",
            ..ResourceSpec::default()
        }
    }
}

/// The names of the role's scoped policies.
struct PolicyNames<'a> {
    /// The name of the first policy. The others end in their numbers: `Name-2`.
    first: String,
    /// The path of the role and its policies.
    path: &'a str,
    place: &'a Place,
}

impl PolicyNames<'_> {
    /// Returns the name of a policy. `number` counts from 1.
    fn name(&self, number: usize) -> String {
        match number {
            1 => self.first.clone(),
            more => format!("{}-{more}", self.first),
        }
    }

    /// Returns the ARN of a policy. `number` counts from 1.
    fn arn(&self, number: usize) -> String {
        self.place.policy_arn(self.path, &self.name(number))
    }

    /// Reports a name that would be too long for the last of `count` policies.
    fn check(&self, reader: &Reader<'_>, count: usize) {
        let last = self.name(count);
        if count > 1 && last.len() > POLICY_NAME_LENGTH {
            let most = POLICY_NAME_LENGTH;
            let problem = format!(
                "the grants need {count} policies, and the name of the last, `{last}`, would have more than {most} \
                 characters; choose a shorter `PolicyName`"
            );
            reader.report("", problem);
        }
    }

    /// Returns the ARNs of the policies that the same properties may have led to before, beyond those of `granted`.
    ///
    /// Another version of this function has other tables and may have derived more policies from the same definition.
    /// A definition that can't be read any more leads to no policy at all, not even the first. Only the console guide's
    /// policy is always exactly one.
    fn surplus(&self, granted: &Granted) -> Vec<String> {
        let count = granted.policies.len();
        let is_guide = count == 1 && granted.required.grants.is_empty() && !granted.is_unread;
        let numbers = if is_guide { 0..0 } else { count + 1..MOST_MANAGED_POLICIES + 1 };
        numbers.map(|number| self.arn(number)).collect()
    }
}

/// Reports a role with more managed policies than IAM allows. `ours` is how many of them are its scoped policies.
fn check_attached(reader: &Reader<'_>, all: usize, ours: usize) {
    if all > MOST_MANAGED_POLICIES {
        let problem = format!(
            "the role would have {all} managed policies, {ours} of them for its own grants, and IAM allows at most \
             {MOST_MANAGED_POLICIES} (10 unless the quota of the account was raised); list fewer in \
             `ManagedPolicyArns`, or name fewer resources"
        );
        reader.report("", problem);
    }
}

/// Returns the `Fn::GetAtt` attributes that name the role and its policies, and empty ones that the engine fills in.
fn attributes(
    properties: &RoleProperties,
    policies: &BTreeMap<String, Policy>,
    context: ReadContext<'_>,
) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("RoleArn".to_owned(), context.place.role_arn(&properties.path, properties.name.as_str())),
        ("RoleName".to_owned(), properties.name.to_string()),
        ("PolicyArn".to_owned(), policies.keys().next().cloned().unwrap_or_default()),
        ("PolicyArns".to_owned(), policies.keys().cloned().collect::<Vec<_>>().join(",")),
        (NOT_VERIFIED.to_owned(), String::new()),
        (WARNINGS.to_owned(), String::new()),
    ])
}

/// Returns a notice for a role that needs more managed policies than IAM allows by default.
fn over_quota(attached: usize) -> Option<String> {
    (attached > MANAGED_POLICIES_PER_ROLE).then(|| {
        format!("the role needs {attached} managed policies; IAM allows 10 unless the quota of the account was raised")
    })
}

/// Returns the SHA-256 of the policies, in lower-case hexadecimal. One policy is hashed in its normal form, several as
/// their normal forms one after the other.
pub fn policies_sha256(policies: &[Document]) -> String {
    match policies {
        [one] => one.sha256(),
        several => hex(&Sha256::digest(several.iter().map(Document::to_string).collect::<String>().as_bytes())),
    }
}

/// Reads `SettleSeconds`, the propagation wait. 10 seconds where the property is absent.
pub fn propagation_wait(reader: &Reader<'_>) -> Duration {
    let seconds = reader.number("SettleSeconds", PROPAGATION_WAIT_RANGE, "seconds").unwrap_or(PROPAGATION_WAIT_SECONDS);
    Duration::from_secs(seconds.unsigned_abs().into())
}

/// Reads `AdoptExisting` and `AdoptFrom`: whether the resource may adopt unowned entities, and the id of the stack
/// whose entities it may adopt. `false` and `None` where the properties are absent.
pub fn adoption(reader: &Reader<'_>, context: ReadContext<'_>) -> (bool, Option<String>) {
    let existing = reader.flag("AdoptExisting").unwrap_or(false);
    let from = reader.text("AdoptFrom");
    if let Some(stack) = &from {
        // The function can only ask stacks of this region whether they still have the entities to adopt.
        let is_stack = Arn::parse(stack)
            .is_some_and(|arn| arn.service == "cloudformation" && arn.resource.starts_with("stack/"))
            && Place::from_arn(stack).as_ref() == Some(context.place);
        if !is_stack {
            reader.invalid("AdoptFrom", stack, "the id of a stack of this account and region (`arn:…:stack/name/…`)");
        }
    }
    (existing, from)
}
