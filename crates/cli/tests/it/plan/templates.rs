//! Tests what `plan` reads from a template: its functions, values and parameters.

use std::path::Path;

use super::{printed, refused, written};
use crate::process::ROOT;

#[test]
fn a_trust_of_another_service_has_to_be_in_the_list_of_the_deployer() {
    let template = written(
        "trusting.json",
        r#"{"Resources":{"Role":{"Type":"Custom::SageMakerExecutionRole","Properties":{"ServiceToken":"x",
        "TrustedServices":["events.amazonaws.com"],"TrustedActions":"sts:TagSession"}}}}"#,
    );
    let said = refused(&[&template]);
    assert!(
        said.contains("`TrustedServices`: found `events.amazonaws.com`, which the deployer's `AllowedTrust`"),
        "{said}"
    );
    let said = refused(&[&template, "--deployer", "AllowedTrust=events.amazonaws.com"]);
    assert!(!said.contains("`TrustedServices") && said.contains("`TrustedActions`: found `sts:TagSession`"), "{said}");
    let out = printed(&[&template, "--deployer", "AllowedTrust=events.amazonaws.com,sts:TagSession"]);
    assert!(out.contains("events.amazonaws.com") && out.contains("sts:TagSession"), "{out}");
}

/// The version or the alias behind the ARN of a function or a state machine of the template.
#[test]
fn what_follows_a_value_of_the_template_stays_behind_its_name() {
    let template = |resource: &str, member: &str, value: &str| {
        let text = format!(
            r#"{{"Resources":{{"Fn":{{"Type":"AWS::Lambda::Function"}},"Child":{{"Type":"AWS::StepFunctions::StateMachine"}},
            "Role":{{"Type":"Custom::StepFunctionsWorkflowRole","Properties":{{"ServiceToken":"x","Definition":
            {{"StartAt":"S","States":{{"S":{{"Type":"Task","Resource":"arn:aws:states:::{resource}",
            "Parameters":{{"{member}":{value}}},"End":true}}}}}}}}}}}}}}"#
        );
        printed(&[&written("qualified.json", &text)])
    };
    for value in [
        r#"{"Fn::Sub":"${Fn.Arn}:live"}"#,
        r#"{"Fn::Sub":["${A}:live",{"A":{"Fn::GetAtt":["Fn","Arn"]}}]}"#,
        r#"{"Fn::Join":[":",[{"Fn::GetAtt":["Fn","Arn"]},"live"]]}"#,
        r#"{"Fn::Join":["",[{"Fn::Sub":"${Fn.Arn}:"},"live"]]}"#,
    ] {
        let out = template("lambda:invoke", "FunctionName", value);
        assert!(out.contains("on ${Fn.Arn}:live\n"), "{value}: {out}");
        assert!(!out.contains("function:${Fn.Arn}"), "{value}: {out}");
    }
    for value in [r#"{"Fn::Sub":"${Child}:prod"}"#, r#"{"Fn::Sub":"${Child.Arn}:prod"}"#] {
        let out = template("states:startExecution", "StateMachineArn", value);
        assert!(out.contains("on ${Child}\n") || out.contains("on ${Child.Arn}\n"), "{value}: {out}");
    }
    // The definition as one text.
    let text = r#"{\"StartAt\":\"S\",\"States\":{\"S\":{\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::lambda:invoke\",\"Parameters\":{\"FunctionName\":\""#;
    for definition in [
        format!(r#"{{"Fn::Sub":"{text}${{Fn.Arn}}:live\"}},\"End\":true}}}}}}"}}"#),
        format!(r#"{{"Fn::Join":["",["{text}",{{"Fn::GetAtt":["Fn","Arn"]}},":live\"}},\"End\":true}}}}}}"]]}}"#),
    ] {
        let template = format!(
            r#"{{"Resources":{{"Fn":{{"Type":"AWS::Lambda::Function"}},"Role":{{"Type":"Custom::StepFunctionsWorkflowRole",
            "Properties":{{"ServiceToken":"x","Definition":{definition}}}}}}}}}"#
        );
        let out = printed(&[&written("text.json", &template)]);
        assert!(out.contains("on ${Fn.Arn}:live\n"), "{out}");
    }
    // A name that stands for a part of another name, as before.
    let out = template("lambda:invoke", "FunctionName", r#"{"Fn::Sub":"${Fn}:live"}"#);
    assert!(out.contains(":function:${Fn}:live\n"), "{out}");
    let definition = r#"{"StartAt":"S","States":{"S":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke",
        "Parameters":{"FunctionName":"${ScoreArn}:live"},"End":true}}}"#;
    let out = printed(&[&written("qualified.asl.json", definition)]);
    assert!(out.contains("on ${ScoreArn}:live\n"), "{out}");
}

#[test]
fn what_cloudformation_would_not_deploy_is_refused_and_a_circle_ends() {
    let role = |condition: &str, properties: &str| {
        format!(
            "Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\nMappings: {{ M: {{ a: {{ b: c }} }} }}\nResources:\n  \
             Fn: {{ Type: AWS::Lambda::Function }}\n  Role:\n    Type: Custom::StepFunctionsWorkflowRole\n{condition}    Properties:\n      \
             SageMakerExecutionRoleArns: arn:aws:iam::123456789012:role/SageMaker\n{properties}"
        )
    };
    let itself =
        written("itself.yaml", "Fn::Transform: { Name: AWS::Include, Parameters: { Location: itself.yaml } }\n");
    assert!(itself.ends_with("itself.yaml"));
    let include = |file: &str| {
        format!(
            "      Definition: {{ 'Fn::Transform': {{ Name: AWS::Include, Parameters: {{ Location: {file} }} }} }}\n"
        )
    };
    for (condition, properties, part) in [
        ("    Condition: A\n", String::new(), "condition `A` has a circular reference"),
        ("    Condition: Nope\n", String::new(), "the template has no condition `Nope`"),
        ("", include("itself.yaml"), "has a circular reference"),
        ("", include("nowhere.yaml"), "`AWS::Include`: found `nowhere.yaml`, expected a file that exists"),
        (
            "",
            include("/etc/passwd"),
            "`AWS::Include`: found `/etc/passwd`, expected a path that starts from the folder",
        ),
        ("", "      Description: !Ref Nope\n".to_owned(), "the template has no parameter or resource of this name"),
        ("", "      Description: !GetAtt Nope.Arn\n".to_owned(), "the template has no resource `Nope`"),
        ("", "      Description: !GetAtt Fn.arn\n".to_owned(), "found the attribute `arn`, expected `Arn`"),
    ] {
        let file = written("faulty.yaml", &role(condition, &properties));
        let said = refused(&[&file]);
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let twice = written("twice.yaml", "Resources: { A: { Type: x }, A: { Type: y } }");
    assert!(refused(&[&twice]).contains("duplicated key"), "{}", refused(&[&twice]));
    let slip = written(
        "slip.yaml",
        &role("", "").replace("Custom::StepFunctionsWorkflowRole", "Custom::StepFunctionWorkflowRole"),
    );
    assert!(refused(&[&slip]).contains("did you mean `Custom::StepFunctionsWorkflowRole`?"));
}

#[test]
fn a_name_that_leaves_no_room_for_the_stacks_is_told_as_a_whole() {
    let prefix = "RoleNamePrefixes=AmazonSageMaker-Team-Machine-Learning-Prod";
    let said = printed(&["examples/pipeline.yaml", "--deployer", prefix]);
    assert!(said.contains("create role `${derived name}`") && !said.contains("ZqS"), "{said}");
}

/// An error that a value of the template may explain refuses nothing, and the plan stays.
#[test]
fn service_catalog_roles_by_a_parameter_have_a_plan() {
    let template = written(
        "catalog.json",
        r#"{"Parameters":{"Roles":{"Type":"String"},"Use":{"Type":"String"}},
        "Resources":{"Roles":{"Type":"Custom::SageMakerServiceCatalogRoles","Properties":{"ServiceToken":"x",
        "OnCreate":"Provision","Regions":["eu-west-1"],"IfInUse":{"Ref":"Use"}}}}}"#,
    );
    let out = printed(&[&template, "--deployer", "EnabledTypes=Custom::SageMakerServiceCatalogRoles"]);
    assert!(out.contains("Possible errors") && out.contains("`IfInUse`"), "{out}");
    assert!(out.contains("create role `AmazonSageMakerServiceCatalogProductsLaunchRole`"), "{out}");
}

#[test]
fn resources_that_a_macro_makes_are_told_to_have_no_plan() {
    let pipeline = std::fs::read_to_string(Path::new(ROOT).join("examples/pipeline.asl.json")).unwrap();
    let template = serde_json::json!({
        "Transform": "AWS::LanguageExtensions",
        "Resources": {
            "Role": { "Type": "Custom::StepFunctionsWorkflowRole", "Properties": {
                "ServiceToken": "x",
                "Definition": pipeline,
                "DefinitionSubstitutions": {
                    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/SageMakerRun",
                    "TopicArn": "arn:aws:sns:eu-west-1:123456789012:done",
                },
            } },
            "Fn::ForEach::Roles": ["Name", ["A"], { "R${Name}": { "Type": "Custom::StepFunctionsWorkflowRole" } }],
        },
    });
    let said = printed(&[&written("macro.json", &template.to_string())]);
    assert!(said.contains("`Fn::ForEach::Roles` in `Resources`: the program does not run it"), "{said}");
}
