//! `Custom::StepFunctionsWorkflowRole`: the role that a state machine runs with, its scoped policy, and the grant to
//! pass SageMaker its execution role.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::definition::{self, Granted};
use super::{Setting, Wanted, guide, role};
use crate::arn::{Arn, Place};
use crate::plan::INLINE_SIZE_PER_ROLE;
use crate::policy::{Document, hex};
use crate::properties::Reader;
use crate::world::{Policy, Role, World};

pub const TYPE: &str = "Custom::StepFunctionsWorkflowRole";

/// As the guide names it, though nothing is assumed by it.
const PASS_ROLE_POLICY_NAME: &str = "AssumeRoleSMforStepFunctionPolicy";
/// Characters of a trust policy at the default quota (`ACLSizePerRole`).
const TRUST_SIZE: usize = 2_048;
/// Seconds. A role can usually be assumed within seconds of its creation, rarely after a minute; Step Functions
/// refuses a state machine whose role can't. Terraform's IAM resources wait ten seconds for the same reason.
const SETTLE_SECONDS: i32 = 10;
/// Managed policies on a role when the quota (`PoliciesPerRole`) was raised as far as it goes. Up to there IAM decides.
const MOST_MANAGED_POLICIES: usize = 20;
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html>
const STATE_MACHINE_NAME_LENGTH: usize = 80;

pub fn read(reader: &Reader<'_>, setting: Setting<'_>) -> Wanted {
    let place = setting.place;
    let properties = role::read(reader, setting);
    let mut outside = Vec::new();
    let policy_name = role::policy_name(reader, setting, "PolicyName", &mut outside)
        .unwrap_or_else(|| format!("{}-Policy", properties.name));
    let inline_name = role::inline_policy_name(reader, "PassRolePolicyName", PASS_ROLE_POLICY_NAME);
    let passed = role::passed_roles(reader, setting, "SageMakerExecutionRoleArns", &properties);
    let managed = role::managed_policies(reader, setting);
    let state_machine = state_machine_name(reader);
    let granted = definition::read(reader, setting, &passed, state_machine.as_deref(), &properties);
    if granted.is_none() && passed.is_empty() {
        reader.note(
            "`SageMakerExecutionRoleArns`: missing, expected one ARN or a list: the roles that the workflow passes to \
             SageMaker (or say what it does by `Definition`)"
                .to_owned(),
        );
    }
    let granted = granted.unwrap_or_else(|| Granted {
        policies: vec![guide::policy(place)],
        passing: Some(pass_role(&passed)),
        ..Granted::default()
    });
    let (adopt_existing, adopt_from) = adoption(reader, setting);
    let settle = reader.number("SettleSeconds", 0..=120, "seconds").unwrap_or(SETTLE_SECONDS);

    let trust = trust(place, state_machine.as_deref());
    role::within(reader, "trust policy", &trust, TRUST_SIZE);
    if let Some(passing) = &granted.passing {
        role::within(reader, "inline policy of the roles to pass", passing, INLINE_SIZE_PER_ROLE);
    }
    let sha256 = sha256(&granted.policies);
    let numbered = |number| match number {
        1 => policy_name.clone(),
        more => format!("{policy_name}-{more}"),
    };
    let count = granted.policies.len();
    if count > 1 && numbered(count).len() > role::POLICY_NAME_LENGTH {
        let (last, most) = (numbered(count), role::POLICY_NAME_LENGTH);
        reader.note(format!("the grants need {count} policies, and the name of the last, `{last}`, would be longer than {most} characters: choose a shorter `PolicyName`"));
    }
    // Under the tables of another version of this function, the same definition may have led to more policies.
    let outgrown = if granted.needs.grants.is_empty() { 0..0 } else { count + 1..MOST_MANAGED_POLICIES + 1 };
    let outgrown = outgrown.map(|number| place.policy_arn(&properties.path, &numbered(number))).collect();
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
        reader.note(format!(
            "the role would have {all} managed policies, {ours} of them its own; IAM allows {MOST_MANAGED_POLICIES}, 10 \
             unless an account's quota was raised: attach fewer by `ManagedPolicyArns`, or name fewer resources"
        ));
    }

    let beyond = definition::beyond_boundary(&granted.needs, setting.fence);
    let role_arn = place.role_arn(&properties.path, properties.name.as_str());
    let attributes = BTreeMap::from([
        ("RoleArn".to_owned(), role_arn),
        ("RoleName".to_owned(), properties.name.to_string()),
        ("PolicyArn".to_owned(), policies.keys().next().cloned().unwrap_or_default()),
        ("PolicyArns".to_owned(), policies.keys().cloned().collect::<Vec<_>>().join(",")),
        ("PolicySha256".to_owned(), sha256),
        ("BeyondBoundary".to_owned(), beyond.into_keys().collect::<Vec<_>>().join(", ")),
    ]);
    let role = Role {
        path: properties.path,
        trust,
        description: properties.description,
        max_session_duration: properties.max_session_duration,
        boundary: Some(properties.boundary),
        tags: properties.tags,
        attached,
        inline: granted.passing.into_iter().map(|passing| (inline_name.clone(), passing)).collect(),
        instance_profiles: BTreeSet::new(),
    };
    Wanted {
        physical_id: properties.name.to_string(),
        role_ids: BTreeMap::from([("RoleId", properties.name.clone())]),
        world: World { roles: BTreeMap::from([(properties.name, role)]), policies },
        attributes,
        adopt_existing,
        adopt_from,
        needs: granted.needs,
        checks: granted.checks,
        settle: Duration::from_secs(settle.unsigned_abs().into()),
        outside,
        outgrown,
    }
}

/// Step Functions may assume the role, and only for state machines of this account and region whose names begin as
/// given. The prefix form covers versions, aliases and the labels of map runs.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html>
fn trust(place: &Place, state_machine: Option<&str>) -> Document {
    let Place { partition, region, account } = place;
    let machines =
        format!("arn:{partition}:states:{region}:{account}:stateMachine:{}*", state_machine.unwrap_or_default());
    Document::of(vec![json!({
        "Effect": "Allow",
        "Principal": { "Service": "states.amazonaws.com" },
        "Action": "sts:AssumeRole",
        "Condition": {
            "ArnLike": { "aws:SourceArn": machines },
            "StringEquals": { "aws:SourceAccount": account },
        },
    })])
}

/// Of one policy the hash of its normal form, of several that of theirs one after the other.
fn sha256(policies: &[Document]) -> String {
    match policies {
        [one] => one.sha256(),
        several => hex(&Sha256::digest(several.iter().map(Document::to_string).collect::<String>().as_bytes())),
    }
}

fn pass_role(roles: &[String]) -> Document {
    Document::of(vec![json!({
        "Sid": "PassToSageMaker",
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": roles,
        "Condition": { "StringEquals": { "iam:PassedToService": "sagemaker.amazonaws.com" } },
    })])
}

fn state_machine_name(reader: &Reader<'_>) -> Option<String> {
    let name = reader.text("StateMachineName")?;
    let refused = |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if name.chars().count() > STATE_MACHINE_NAME_LENGTH || name.chars().any(refused) || !name.is_ascii() {
        reader.wrong(
            "StateMachineName",
            &name,
            "the name of a state machine or how it begins: at most 80 ASCII characters, without white space, wildcards \
             or any of `<>{}[]\"#%\\^|~$&,;:/`",
        );
    }
    Some(name)
}

fn adoption(reader: &Reader<'_>, setting: Setting<'_>) -> (bool, Option<String>) {
    let existing = reader.flag("AdoptExisting").unwrap_or(false);
    let from = reader.text("AdoptFrom");
    if let Some(stack) = &from {
        // Only stacks of this region can be asked whether they still hold what is to be taken over.
        let is_stack = Arn::parse(stack)
            .is_some_and(|arn| arn.service == "cloudformation" && arn.resource.starts_with("stack/"))
            && Place::of_arn(stack).as_ref() == Some(setting.place);
        if !is_stack {
            reader.wrong("AdoptFrom", stack, "the id of a stack of this account and region (`arn:…:stack/name/…`)");
        }
    }
    (existing, from)
}
