//! `Custom::StepFunctionsWorkflowRole`: the role that a state machine runs with, its scoped policy, and the grant to
//! pass SageMaker its execution role.

use serde_json::json;

use crate::iam::arn::Place;
use crate::iam::document::Document;
use crate::resource::execution_role_source;
use crate::resource::execution_role_source::Source;
use crate::resource::made_role::MadeRole;
use crate::resource::properties::Reader;
use crate::resource::spec::{Granted, ReadContext, ResourceSpec};
use crate::resource::{definition, guide, role};

pub const TYPE: &str = "Custom::StepFunctionsWorkflowRole";

/// As the guide names it, though nothing is assumed by it.
const PASS_ROLE_POLICY_NAME: &str = "AssumeRoleSMforStepFunctionPolicy";

/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html>
pub const STATE_MACHINE_NAME_LENGTH: usize = 80;

pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> ResourceSpec {
    let place = context.place;
    let properties = role::parse(reader, context);
    let source = Source::parse(reader);
    let mut passed = role::passed_roles(reader, context, "SageMakerExecutionRoleArns", &properties);
    match (&source, context.found) {
        _ if reader.has("SageMakerExecutionRole") && !passed.is_empty() => reader.report(
            "`SageMakerExecutionRole`: only goes without `SageMakerExecutionRoleArns`, which names the roles itself"
                .to_owned(),
        ),
        (Some(_), Some(found)) => {
            role::passable(reader, context, "SageMakerExecutionRole", found, &properties);
            passed.push(found.to_owned());
        }
        (Some(_), None) => passed.push(execution_role_source::to_be_found(place)),
        (None, _) => {}
    }
    let state_machine = state_machine_name(reader);
    let granted = definition::parse(reader, context, &passed, state_machine.as_deref(), &properties);
    if granted.is_none() && passed.is_empty() && !reader.has("SageMakerExecutionRole") {
        reader.report(
            "`SageMakerExecutionRoleArns`: missing, expected one ARN or a list: the roles that the workflow passes to \
             SageMaker (or say by `SageMakerExecutionRole` where to find the role, or what the workflow does by \
             `Definition`)"
                .to_owned(),
        );
    }
    let granted = granted.unwrap_or_else(|| Granted {
        policies: vec![guide::policy(place)],
        pass_role_grant: Some(pass_role(&passed)),
        ..Granted::default()
    });
    let trust = trust(place, state_machine.as_deref());
    let made = MadeRole { properties, inline_name: PASS_ROLE_POLICY_NAME };
    let mut spec = made.spec(reader, context, trust, granted);
    // Many would not fit an answer.
    let one = if let [one] = passed.as_slice() { one.clone() } else { String::new() };
    spec.attributes.insert("SageMakerExecutionRoleArn".to_owned(), one);
    ResourceSpec { source, ..spec }
}

/// Step Functions may assume the role, and only for state machines of this account and region whose names begin as
/// given. The prefix form covers versions, aliases and the labels of map runs.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html>
fn trust(place: &Place, state_machine: Option<&str>) -> Document {
    let Place { partition, region, account } = place;
    let machines =
        format!("arn:{partition}:states:{region}:{account}:stateMachine:{}*", state_machine.unwrap_or_default());
    Document::from_statements(vec![json!({
        "Effect": "Allow",
        "Principal": { "Service": "states.amazonaws.com" },
        "Action": "sts:AssumeRole",
        "Condition": {
            "ArnLike": { "aws:SourceArn": machines },
            "StringEquals": { "aws:SourceAccount": account },
        },
    })])
}

fn pass_role(roles: &[String]) -> Document {
    Document::from_statements(vec![json!({
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
        reader.invalid(
            "StateMachineName",
            &name,
            "the name of a state machine or how it begins: at most 80 ASCII characters, without white space, wildcards \
             or any of `<>{}[]\"#%\\^|~$&,;:/`",
        );
    }
    Some(name)
}
