//! Tests `mlops-roles plan` as a user runs it. The expected output is in `tests/data/plan`; `make bless` writes the current output
//! there.

mod statements;
mod templates;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use mlops_roles_testkit::data;
use mlops_roles_testkit::snapshot::assert_unchanged;

use crate::process::{ROOT, run, written};

const EXECUTION_ROLE: &str = "arn:aws:iam::123456789012:role/SageMakerExecution";

const ALL_TYPES: &str = "EnabledTypes=Custom::StepFunctionsWorkflowRole,Custom::SageMakerServiceCatalogRoles";

/// What the deployer allows, so that role sets are not refused.
const SETS: [&str; 3] = [
    "EnabledTypes=Custom::SageMakerMlopsRoles,Custom::SageMakerDeployTarget",
    "RoleNamePrefixes=ds-team,bridge",
    "RolePaths=/,/service-role/",
];

/// The standard output of a run that succeeds.
pub fn printed(arguments: &[&str]) -> String {
    let ran = run(&[&["plan"][..], arguments].concat());
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.error);
    ran.out
}

/// The error output of a run that fails, or in which the function would refuse a resource.
pub fn refused(arguments: &[&str]) -> String {
    let ran = run(&[&["plan"][..], arguments].concat());
    assert_eq!(ran.code, Some(1), "{arguments:?}");
    ran.out + &ran.error
}

fn listed(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|one| (*one).to_owned()).collect()
}

/// The files of the expected output of templates, each with the arguments that print it.
fn of_templates() -> Vec<(&'static str, Vec<String>)> {
    let functions = "tests/data/plan/functions.yaml";
    let place = ["--account", "123456789012", "--region", "eu-west-1"];
    let role = format!("SageMakerExecutionRoleArn={EXECUTION_ROLE}");
    let roles = format!("ExecutionRoles={EXECUTION_ROLE},arn:aws:iam::123456789012:role/OtherSageMaker");
    let own = format!("SageMakerExecutionRoleArns={EXECUTION_ROLE}");
    let told = ["--set", "IsTraced=false", "--set", &roles, "--set", "Prefix=churn"];
    vec![
        ("deploy-target.txt", listed(&["examples/deploy-target.yaml", "--deployer", SETS[0], "--deployer", SETS[1]])),
        ("pipeline.txt", listed(&["examples/pipeline.yaml"])),
        (
            "pipeline.md",
            listed(&[&["examples/pipeline.yaml", "--format", "markdown", "--set", &role][..], &place].concat()),
        ),
        ("workflow.txt", listed(&["examples/workflow.yaml", "--stack-name", "churn"])),
        ("notebook.txt", listed(&["examples/notebook.yaml"])),
        ("functions.txt", listed(&[functions])),
        ("symbols.txt", listed(&["tests/data/plan/symbols.yaml"])),
        ("functions.json", listed(&[functions, "--format", "json"])),
        ("functions-told.txt", listed(&[&[functions][..], &told, &place].concat())),
        (
            "service-catalog.txt",
            listed(&["examples/service-catalog.yaml", "--deployer", ALL_TYPES, "--set", "Regions=eu-west-1"]),
        ),
        ("own.txt", listed(&["template.yaml", "--set", &own, "--account", "123456789012"])),
    ]
}

/// The same for events, and for a definition.
fn of_other_files() -> Vec<(&'static str, Vec<String>)> {
    let definition = [
        "examples/pipeline.asl.json",
        "--property",
        "StateMachineName=churn",
        "--property",
        "Tracing=true",
        "--definition-substitution",
        "TopicArn=arn:aws:sns:eu-west-1:123456789012:done",
    ];
    let provision = ["events/service-catalog-provision.json", "--deployer", ALL_TYPES, "--format", "markdown"];
    let set = ["events/role-set.json", "--deployer", SETS[0], "--deployer", SETS[1], "--deployer", SETS[2]];
    vec![
        ("target-account.txt", listed(&set)),
        ("replace.txt", listed(&["events/replace.json"])),
        ("provision.md", listed(&provision)),
        ("update.txt", listed(&["events/update.json"])),
        ("delete.txt", listed(&["events/delete.json"])),
        ("definition.txt", listed(&definition)),
    ]
}

#[test]
fn what_is_printed_is_what_was_blessed() {
    assert_unchanged(of_templates().into_iter().chain(of_other_files()).map(|(name, arguments)| {
        let found = printed(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        for stand_in in ["Zq", "zq0", "700905", "to-be-found", "zz-west-9", "907060504030"] {
            assert!(!found.contains(stand_in), "{found}");
        }
        assert!(!found.contains('\u{1b}'), "colours where there is no terminal: {found}");
        (data("plan").join(name), found)
    }));
}

#[test]
fn what_the_function_would_refuse_is_told_all_at_once_with_its_own_words() {
    let definition = written(
        "refused.asl.yaml",
        "StartAt: A\nStates:\n  A: { Type: Task, Resource: 'arn:aws:states:::sagemaker:createModel.sync', End: true }\n  \
         B: { Type: Tusk }\n",
    );
    let said = refused(&[&definition, "--property", "Nmae=x", "--property", "MaxSessionDuration=5"]);
    for part in [
        "state `A`: `sagemaker:createModel.sync`: Step Functions does not support `.sync`",
        "state `B`: `Type`: found `Tusk`",
        "`Nmae`: no such property",
        "`MaxSessionDuration`: found `5`",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let said = refused(&["examples/service-catalog.yaml"]);
    assert!(said.contains("ask the deployer to add it to `EnabledTypes`"), "{said}");
    assert!(said.contains("set `--deployer EnabledTypes=Custom::SageMakerServiceCatalogRoles`"), "{said}");
    let update = std::fs::read_to_string(Path::new(ROOT).join("events/update.json")).unwrap();
    let elsewhere = written("elsewhere.json", &update.replace("AmazonSageMaker-", "Others-"));
    assert!(refused(&[&elsewhere]).contains("RoleNamePrefixes"));
    // With the deployer's own prefix, or with a parameter whose allowed values are numbers, the plan succeeds.
    printed(&["examples/pipeline.yaml", "--deployer", "LogRetentionInDays=14"]);
    printed(&[&elsewhere, "--deployer", "RoleNamePrefixes=Others-"]);
}

#[test]
fn what_can_not_be_planned_is_said_with_what_to_change() {
    let empty = written("empty.yaml", "");
    let other = written("other.yaml", "Resources: { Topic: { Type: 'AWS::SNS::Topic' } }");
    let broken = written("broken.json", "{\"States\": {");
    for (arguments, part) in [
        (vec!["no-such-file"], "`no-such-file`: "),
        (vec![&empty], "found 0 documents"),
        (vec!["rustfmt.toml"], "`rustfmt.toml`: found none of the keys"),
        (vec![&broken], "is not valid JSON: EOF while parsing"),
        (vec![&other], "the template has no resource of mlops-roles"),
        (
            vec!["examples/pipeline.yaml", "--resource", "Nobody"],
            "`--resource Nobody`: the template has no such resource",
        ),
        (vec!["examples/pipeline.yaml", "--set", "Nothing=x"], "`--set Nothing`: no resource of mlops-roles"),
        (
            vec!["examples/pipeline.asl.json", "--definition-substitution", "Nothing=x"],
            "the definition has no `${Nothing}`",
        ),
        (vec!["examples/pipeline.yaml", "--property", "Path=/"], "`--property`: applies only to a state machine"),
        (vec!["examples/pipeline.yaml", "--deployer", "RolePath=/"], "did you mean `RolePaths`?"),
        (vec!["examples/pipeline.yaml", "--deployer", "AllowAdoption=yes"], "expected one of `true`, `false`"),
        (vec!["examples/pipeline.yaml", "--partition", "aws-moon"], "expected one of `aws`, `aws-cn`"),
        (
            vec!["examples/pipeline.yaml", "--region", "cn-north-1", "--partition", "aws"],
            "expected a region of partition `aws`, such as `us-east-1`",
        ),
        (vec!["events/create.json", "--region", "eu-west-1"], "`--region`: does not apply to an event"),
        (vec!["examples/pipeline.asl.json", "--property", "Definition=x"], "the file is the definition"),
        (vec!["examples/pipeline.yaml", "--account", "12"], "expected 12 digits"),
        (vec!["examples/pipeline.yaml", "--set", "x"], "expected NAME=VALUE"),
        (vec![], "Usage: mlops-roles plan"),
    ] {
        let said = refused(&arguments);
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn more_managed_policies_than_iam_allows_by_default_are_told() {
    let allowed = "AllowedManagedPolicyArns=arn:aws:iam::aws:policy/Amazon*";
    let told = |count: usize| {
        let arns: Vec<String> = (0..count).map(|n| format!("\"arn:aws:iam::aws:policy/Amazon{n}\"")).collect();
        let arns = format!("ManagedPolicyArns=[{}]", arns.join(","));
        let out = printed(&["examples/pipeline.asl.json", "--deployer", allowed, "--property", &arns]);
        out.contains("the role needs 11 managed policies; IAM allows 10 unless the quota of the account was raised")
    };
    assert!(told(10), "the policy of the definition is one more");
    assert!(!told(9));
}

#[test]
fn a_role_that_is_found_is_never_told_by_what_stands_in_for_it() {
    let update = std::fs::read_to_string(Path::new(ROOT).join("events/update.json")).unwrap();
    let mut event: Value = serde_json::from_str(&update).unwrap();
    for (which, kind) in [("OldResourceProperties", "Update"), ("ResourceProperties", "Delete")] {
        let properties = event[which].as_object_mut().unwrap();
        properties.remove("SageMakerExecutionRoleArns");
        properties.insert("SageMakerExecutionRole".into(), serde_json::json!({ "DomainId": "d-1" }));
        event["RequestType"] = kind.into();
        let said = printed(&[&written("found.json", &event.to_string())]);
        assert!(said.contains("${the execution role that was found before}"), "{said}");
        assert!(!said.contains("to-be-found"), "{said}");
    }
}

#[test]
fn colours_are_there_where_they_are_asked_for() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mlops-roles"));
    command.arg("plan").arg("examples/pipeline.yaml").current_dir(ROOT).env_clear();
    let output = command.env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("\u{1b}[1m"));
}
