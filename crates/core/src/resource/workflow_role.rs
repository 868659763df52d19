//! `Custom::StepFunctionsWorkflowRole`: the role that a state machine runs with, its scoped policies, and the
//! `PassRole` grant for SageMaker's execution role.

use serde_json::json;

use crate::iam::arn::Place;
use crate::iam::document::Document;
use crate::resource::definition_location::{SHA256, digest};
use crate::resource::execution_role_source;
use crate::resource::execution_role_source::Source;
use crate::resource::properties::Reader;
use crate::resource::single_role::SingleRole;
use crate::resource::spec::{Granted, ReadContext, ResourceSpec};
use crate::resource::{definition, guide, role};

/// The name of the resource type.
pub const TYPE: &str = "Custom::StepFunctionsWorkflowRole";

/// The default name of the inline policy with the `PassRole` grant. The console guide names the policy so, although the
/// policy has nothing to do with assuming a role.
const PASS_ROLE_POLICY_NAME: &str = "AssumeRoleSMforStepFunctionPolicy";

/// The maximum length of a state machine's name, in characters.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_CreateStateMachine.html>
pub const STATE_MACHINE_NAME_LENGTH: usize = 80;

/// Parses the properties of a workflow role.
///
/// Without `Definition` and `Integrations` the role gets the policy of the console guide. A placeholder stands for the
/// execution role that `SageMakerExecutionRole` asks for until `context.found` has its ARN. The definition that
/// `DefinitionS3Location` names is that of the reader.
pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> ResourceSpec {
    let place = context.place;
    let properties = role::parse(reader, context);
    let source = Source::parse(reader);
    let mut passed = role::passed_roles(reader, context, "SageMakerExecutionRoleArns", &properties);
    match (&source, context.found) {
        _ if reader.has("SageMakerExecutionRole") && !passed.is_empty() => reader
            .report("SageMakerExecutionRole", "not allowed with `SageMakerExecutionRoleArns`; remove one of the two"),
        (Some(_), Some(found)) => {
            role::check_passable(reader, context, "SageMakerExecutionRole", found, &properties);
            passed.push(found.to_owned());
        }
        (Some(_), None) => passed.push(execution_role_source::placeholder_role(place)),
        (None, _) => {}
    }
    let state_machine = state_machine_name(reader);
    let granted = definition::parse(reader, context, &passed, state_machine.as_deref(), &properties);
    if granted.is_none() && passed.is_empty() && !reader.has("SageMakerExecutionRole") {
        reader.report(
            "SageMakerExecutionRoleArns",
            "missing, expected one ARN or a list of the roles that the workflow passes to SageMaker (not needed with \
             `SageMakerExecutionRole`, `Definition`, `DefinitionS3Location` or `Integrations`)",
        );
    }
    let granted = granted.unwrap_or_else(|| Granted {
        policies: vec![guide::policy(place)],
        pass_role_grant: Some(pass_role(&passed)),
        ..Granted::default()
    });
    let trust = trust(place, state_machine.as_deref());
    let made = SingleRole { properties, inline_name: Some(PASS_ROLE_POLICY_NAME) };
    let mut spec = made.spec(reader, context, trust, granted);
    // The attribute is empty for more than one role, because many ARNs would not fit the response.
    let one = if let [one] = passed.as_slice() { one.clone() } else { String::new() };
    spec.attributes.insert("SageMakerExecutionRoleArn".to_owned(), one);
    let read = reader.definition().filter(|_| spec.definition.is_some());
    let sha256 = read.map(|text| digest(text.as_bytes())).unwrap_or_default();
    spec.attributes.insert(SHA256.to_owned(), sha256);
    ResourceSpec { source, ..spec }
}

/// Returns the trust policy of the role. Step Functions may assume the role only for state machines of this account and
/// region whose names begin with `state_machine`; `None` allows any name. The prefix also covers versions, aliases and
/// the labels of map runs.
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
            "the name of a state machine or its beginning: at most 80 ASCII characters, without white space, wildcards \
             or any of `<>{}[]\"#%\\^|~$&,;:/`",
        );
    }
    Some(name)
}
