//! One role with scoped policies and a grant to pass roles: what every type that makes one role asks for in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::iam::arn::{Arn, Place};
use crate::iam::document::{Document, hex};
use crate::iam::quota::INLINE_SIZE_PER_ROLE;
use crate::iam::quota::POLICY_NAME_LENGTH;
use crate::resource::properties::Reader;
use crate::resource::role;
use crate::resource::role::RoleProperties;
use crate::resource::spec::{Granted, NOT_VERIFIED, ReadContext, ResourceSpec, WARNINGS, beyond_boundary};
use crate::state::{Policy, Role, State};

/// Seconds. A role can usually be assumed within seconds of its creation, rarely after a minute; Step Functions
/// refuses a state machine whose role can't. Terraform's IAM resources wait ten seconds for the same reason.
const SETTLE_SECONDS: i32 = 10;

/// How long a resource may ask to wait, in seconds.
pub const SETTLE_RANGE: std::ops::RangeInclusive<i32> = 0..=120;

/// Managed policies on a role when the quota (`PoliciesPerRole`) was raised as far as it goes. Up to there IAM decides.
const MOST_MANAGED_POLICIES: usize = 20;

/// How the role is called, and its inline policy where the properties give it no name.
#[derive(Clone, Debug)]
pub struct MadeRole {
    pub properties: RoleProperties,
    pub inline_name: &'static str,
}

impl MadeRole {
    /// Reads what is left of the properties that such types share, and puts all together.
    pub fn spec(
        self,
        reader: &Reader<'_>,
        context: ReadContext<'_>,
        trust: Document,
        granted: Granted,
    ) -> ResourceSpec {
        let (place, properties) = (context.place, self.properties);
        let mut names_outside_guardrails = Vec::new();
        let policy_name = role::policy_name(reader, context, "PolicyName", &mut names_outside_guardrails)
            .unwrap_or_else(|| format!("{}-Policy", properties.name));
        let inline_name = role::inline_policy_name(reader, "PassRolePolicyName", self.inline_name);
        let managed = role::managed_policies(reader, context);
        let (adopt_existing, adopt_from) = adoption(reader, context);
        let propagation_wait = propagation_wait(reader);
        if let Some(pass_role_grant) = &granted.pass_role_grant {
            role::within(reader, "inline policy of the roles to pass", pass_role_grant, INLINE_SIZE_PER_ROLE);
        }
        let sha256 = sha256(&granted.policies);
        let numbered = |number| match number {
            1 => policy_name.clone(),
            more => format!("{policy_name}-{more}"),
        };
        let count = granted.policies.len();
        if count > 1 && numbered(count).len() > POLICY_NAME_LENGTH {
            let (last, most) = (numbered(count), POLICY_NAME_LENGTH);
            reader.report(format!("the grants need {count} policies, and the name of the last, `{last}`, would be longer than {most} characters: choose a shorter `PolicyName`"));
        }
        // Under the tables of another version of this function, the same definition may have led to more policies; and of
        // one that can't be read any more, not even the first is told. Only the guide's is always one.
        let is_guide = count == 1 && granted.required.grants.is_empty();
        let surplus_arns = if is_guide { 0..0 } else { count + 1..MOST_MANAGED_POLICIES + 1 };
        let surplus_arns = surplus_arns.map(|number| place.policy_arn(&properties.path, &numbered(number))).collect();
        let policies: BTreeMap<String, Policy> = (1..)
            .map(numbered)
            .zip(granted.policies)
            .map(|(name, document)| {
                let policy = Policy { document, tags: properties.tags.clone() };
                (place.policy_arn(&properties.path, &name), policy)
            })
            .collect();
        let attached: BTreeSet<String> = managed.into_iter().chain(policies.keys().cloned()).collect();
        if attached.len() > MOST_MANAGED_POLICIES {
            let (all, ours) = (attached.len(), policies.len());
            reader.report(format!(
                "the role would have {all} managed policies, {ours} of them its own; IAM allows {MOST_MANAGED_POLICIES}, 10 \
                 unless an account's quota was raised: attach fewer by `ManagedPolicyArns`, or name fewer resources"
            ));
        }

        let beyond = beyond_boundary(&granted.required, context.guardrails);
        let role_arn = place.role_arn(&properties.path, properties.name.as_str());
        let attributes = BTreeMap::from([
            ("RoleArn".to_owned(), role_arn),
            ("RoleName".to_owned(), properties.name.to_string()),
            ("PolicyArn".to_owned(), policies.keys().next().cloned().unwrap_or_default()),
            ("PolicyArns".to_owned(), policies.keys().cloned().collect::<Vec<_>>().join(",")),
            ("PolicySha256".to_owned(), sha256),
            ("BeyondBoundary".to_owned(), beyond.into_keys().collect::<Vec<_>>().join(", ")),
            (NOT_VERIFIED.to_owned(), String::new()),
            (WARNINGS.to_owned(), String::new()),
        ]);
        let boundary = properties.boundary;
        let role = Role {
            path: properties.path,
            trust,
            description: properties.description,
            max_session_duration: properties.max_session_duration,
            boundary: Some(boundary.clone()),
            tags: properties.tags,
            attached,
            inline: granted
                .pass_role_grant
                .into_iter()
                .map(|pass_role_grant| (inline_name.clone(), pass_role_grant))
                .collect(),
            instance_profiles: BTreeSet::new(),
        };
        ResourceSpec {
            physical_id: properties.name.to_string(),
            role_ids: BTreeMap::from([("RoleId", properties.name.clone())]),
            state: State { roles: BTreeMap::from([(properties.name, role)]), policies },
            attributes,
            adopt_existing,
            adopt_from,
            required: granted.required,
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

/// Of one policy the hash of its normal form, of several that of theirs one after the other.
fn sha256(policies: &[Document]) -> String {
    match policies {
        [one] => one.sha256(),
        several => hex(&Sha256::digest(several.iter().map(Document::to_string).collect::<String>().as_bytes())),
    }
}

/// How long to wait once a role was made.
pub fn propagation_wait(reader: &Reader<'_>) -> Duration {
    let seconds = reader.number("SettleSeconds", SETTLE_RANGE, "seconds").unwrap_or(SETTLE_SECONDS);
    Duration::from_secs(seconds.unsigned_abs().into())
}

/// `AdoptExisting` and `AdoptFrom`.
pub fn adoption(reader: &Reader<'_>, context: ReadContext<'_>) -> (bool, Option<String>) {
    let existing = reader.flag("AdoptExisting").unwrap_or(false);
    let from = reader.text("AdoptFrom");
    if let Some(stack) = &from {
        // Only stacks of this region can be asked whether they still hold what is to be taken over.
        let is_stack = Arn::parse(stack)
            .is_some_and(|arn| arn.service == "cloudformation" && arn.resource.starts_with("stack/"))
            && Place::from_arn(stack).as_ref() == Some(context.place);
        if !is_stack {
            reader.invalid("AdoptFrom", stack, "the id of a stack of this account and region (`arn:…:stack/name/…`)");
        }
    }
    (existing, from)
}
