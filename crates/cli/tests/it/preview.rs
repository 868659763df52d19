//! Tests the preview as a user runs it. The expected output is in `preview/`; `make bless` writes the current output
//! there.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Map, Value};

const EXECUTION_ROLE: &str = "arn:aws:iam::123456789012:role/SageMakerExecution";
const ALL_TYPES: &str = "EnabledTypes=Custom::StepFunctionsWorkflowRole,Custom::SageMakerServiceCatalogRoles";

/// The root folder of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preview"));
    command.args(arguments).current_dir(ROOT).env_clear().output().unwrap()
}

/// The standard output of a run that succeeds.
pub fn printed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {out}{error}");
    out
}

/// The error output of a run that fails, or in which the function would refuse a resource.
pub fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn written(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_is_printed_is_what_was_blessed() {
    let functions = "tests/data/preview/functions.yaml";
    let place: &[&str] = &["--account", "123456789012", "--region", "eu-west-1"];
    let role = format!("SageMakerExecutionRoleArn={EXECUTION_ROLE}");
    let roles = format!("ExecutionRoles={EXECUTION_ROLE},arn:aws:iam::123456789012:role/OtherSageMaker");
    let own = format!("SageMakerExecutionRoleArns={EXECUTION_ROLE}");
    let sets = [
        "EnabledTypes=Custom::SageMakerMlopsRoles,Custom::SageMakerDeployTarget",
        "RoleNamePrefixes=ds-team,bridge",
        "RolePaths=/,/service-role/",
    ];
    let cases: [(&str, Vec<&str>); 17] = [
        (
            "target-account.txt",
            vec!["events/role-set.json", "--deployer", sets[0], "--deployer", sets[1], "--deployer", sets[2]],
        ),
        ("deploy-target.txt", vec!["examples/deploy-target.yaml", "--deployer", sets[0], "--deployer", sets[1]]),
        ("pipeline.txt", vec!["examples/pipeline.yaml"]),
        ("pipeline.md", [&["examples/pipeline.yaml", "--format", "markdown", "--set", &role], place].concat()),
        ("workflow.txt", vec!["examples/workflow.yaml", "--stack-name", "churn"]),
        ("notebook.txt", vec!["examples/notebook.yaml"]),
        ("functions.txt", vec![functions]),
        ("symbols.txt", vec!["tests/data/preview/symbols.yaml"]),
        ("replace.txt", vec!["events/replace.json"]),
        (
            "provision.md",
            vec!["events/service-catalog-provision.json", "--deployer", ALL_TYPES, "--format", "markdown"],
        ),
        ("functions.json", vec![functions, "--format", "json"]),
        (
            "functions-told.txt",
            [&[functions, "--set", "IsTraced=false", "--set", &roles, "--set", "Prefix=churn"], place].concat(),
        ),
        (
            "service-catalog.txt",
            vec!["examples/service-catalog.yaml", "--deployer", ALL_TYPES, "--set", "Regions=eu-west-1"],
        ),
        ("update.txt", vec!["events/update.json"]),
        ("delete.txt", vec!["events/delete.json"]),
        (
            "definition.txt",
            vec![
                "examples/pipeline.asl.json",
                "--property",
                "StateMachineName=churn",
                "--property",
                "Tracing=true",
                "--set",
                "TopicArn=arn:aws:sns:eu-west-1:123456789012:done",
            ],
        ),
        ("own.txt", vec!["template.yaml", "--set", &own, "--account", "123456789012"]),
    ];
    let bless = std::env::var_os("BLESS").is_some();
    let mut different = Vec::new();
    for (name, arguments) in cases {
        let golden = Path::new(ROOT).join("tests/data/preview").join(name);
        let found = printed(&arguments);
        if bless {
            std::fs::write(&golden, &found).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != found {
            different.push(format!("{name}:\n{found}"));
        }
        assert!(
            !found.contains("Zq")
                && !found.contains("zq0")
                && !found.contains("700905")
                && !found.contains("to-be-found")
                && !found.contains("zz-west-9")
                && !found.contains("907060504030"),
            "{found}"
        );
        assert!(!found.contains('\u{1b}'), "colours where there is no terminal: {found}");
    }
    assert!(different.is_empty(), "not as blessed:\n{}", different.join("\n"));
}

#[test]
fn every_definition_is_previewed_with_the_policies_that_it_leads_to() {
    let folder = Path::new(ROOT).join("tests/data/definitions");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_suffix(".asl.json") else { continue };
        let path = folder.join(&file);
        let place = ["--account", "123456789012", "--region", "us-east-1", "--format", "json"];
        let properties =
            std::fs::read(folder.join(format!("{name}.properties.json"))).unwrap_or_else(|_| b"{}".to_vec());
        let mut properties: Map<String, Value> = serde_json::from_slice(&properties).unwrap();
        properties.entry("RoleName").or_insert_with(|| "AmazonSageMaker-Churn".into());
        // The substitutions of a bare definition are given with `--set`, and some overrides are of an earlier version.
        if ["DefinitionSubstitutions", "ResourceOverrides"].iter().any(|name| properties.contains_key(*name)) {
            continue;
        }
        seen += 1;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let more: Vec<String> = properties.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
        let more: Vec<&str> = more.iter().flat_map(|one| ["--property", one]).collect();
        let reports: Value =
            serde_json::from_str(&printed(&[&[path.to_str().unwrap()], &place[..], &more].concat())).unwrap();
        let golden = std::fs::read(folder.join(format!("{name}.policy.json"))).unwrap();
        let golden: Value = serde_json::from_slice(&golden).unwrap();
        let statements = |policy: &Value| policy["Statement"].as_array().unwrap().len();
        let scoped = golden["policies"].as_object().unwrap().values().map(statements);
        let inline = golden["inline"].as_object().unwrap().values().map(statements);
        let found = reports[0]["policies"].as_array().unwrap();
        let all: Vec<&Value> = found.iter().flat_map(|policy| policy["statements"].as_array().unwrap()).collect();
        assert_eq!(all.len(), scoped.chain(inline).sum::<usize>(), "{name}");
        for statement in all {
            assert!(!statement["states"].as_array().unwrap().is_empty(), "{name}: nobody needs {statement}");
            for resource in statement["resources"].as_array().unwrap() {
                let wild = resource["arn"].as_str().unwrap().contains('*');
                let why = resource["wildcardBecause"].as_array().unwrap();
                assert_eq!(wild, !why.is_empty(), "{name}: {resource}");
            }
        }
    }
    assert!(seen > 30, "{seen}");
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
    // With the deployer's own prefix, or with a parameter whose allowed values are numbers, the preview succeeds.
    printed(&["examples/pipeline.yaml", "--deployer", "LogRetentionInDays=14"]);
    printed(&[&elsewhere, "--deployer", "RoleNamePrefixes=Others-"]);
}

#[test]
fn what_can_not_be_previewed_is_said_with_what_to_change() {
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
        (vec!["examples/pipeline.asl.json", "--set", "Nothing=x"], "the definition has no `${Nothing}`"),
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
        (vec![], "Usage: preview"),
    ] {
        let said = refused(&arguments);
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn a_statement_is_for_the_states_that_need_it_and_no_others() {
    let task = |resource: &str, parameters: &str| {
        format!(r#"{{"Type":"Task","Resource":"arn:aws:states:::{resource}","Parameters":{parameters},"End":true}}"#)
    };
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}SageMaker");
    let run = format!(
        r#"{{"Cluster":"c","TaskDefinition":"t:1","Overrides":{{"TaskRoleArn":"{0}","ExecutionRoleArn":"{0}"}}}}"#,
        role("Shared")
    );
    let train = format!(r#"{{"TrainingJobName":"x","RoleArn":"{}"}}"#, role("Shared"));
    let states = [
        ("Run", task("ecs:runTask", &run)),
        ("Train", task("sagemaker:createTrainingJob", &train)),
        ("One", task("aws-sdk:sagemaker:describeEndpoint", r#"{"EndpointName":"churn"}"#)),
        ("Tune", task("sagemaker:createTrainingJob", &train.replace("Shared", "Other"))),
        ("Any", task("aws-sdk:sagemaker:listEndpoints", "{}")),
        ("Unnamed", task("aws-sdk:sagemaker:describeModel", "{}")),
    ];
    let states: Vec<String> = states.iter().map(|(name, task)| format!("\"{name}\":{task}")).collect();
    let definition = written("needs.asl.json", &format!("{{\"StartAt\":\"Run\",\"States\":{{{}}}}}", states.join(",")));
    let reports: Value = serde_json::from_str(&printed(&[&definition, "--format", "json"])).unwrap();
    let policies = reports[0]["policies"].as_array().unwrap();
    let statements: Vec<&Value> = policies.iter().flat_map(|policy| policy["statements"].as_array().unwrap()).collect();
    let states = |part: &str| -> Vec<&str> {
        let found = statements.iter().find(|one| one.to_string().contains(part)).unwrap_or_else(|| panic!("{part}"));
        found["states"].as_array().unwrap().iter().map(|state| state.as_str().unwrap()).collect()
    };
    assert_eq!(states("ecs-tasks.amazonaws.com"), ["Run"]);
    assert_eq!(states("\"sagemaker.amazonaws.com"), ["Train", "Tune"]);
    assert_eq!(states("endpoint/churn"), ["One"]);
    assert_eq!(states("sagemaker:ListEndpoints"), ["Any"]);
    assert_eq!(states("model/*"), ["Unnamed"]);
}

/// The actions of log delivery are on `*`, as those of EC2, and one statement can't have all of them.
#[test]
fn a_state_is_named_at_each_statement_that_shares_its_actions() {
    let apis = include_str!("../../../core/tests/it/ec2-apis.txt").lines();
    let task = |api: &str| {
        format!(r#""{api}":{{"Type":"Task","Resource":"arn:aws:states:::aws-sdk:ec2:{api}","Parameters":{{}}}}"#)
    };
    let states: Vec<String> = apis.map(task).collect();
    let states = states.join(",");
    let definition = format!(r#"{{"StartAt":"describeAccountAttributes","States":{{{states}}}}}"#);
    let definition = written("shared.asl.json", &definition);
    let out = printed(&[&definition, "--property", "Logging=true", "--format", "json"]);
    let reports: Value = serde_json::from_str(&out).unwrap();
    let policies = reports[0]["policies"].as_array().unwrap();
    let statements = policies.iter().flat_map(|policy| policy["statements"].as_array().unwrap());
    let on_any: Vec<&Value> = statements.filter(|statement| statement["resources"][0]["arn"] == "*").collect();
    assert_eq!(on_any.len(), 2);
    for statement in on_any {
        let texts = |member: &str| -> Vec<&str> {
            statement[member].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
        };
        let (actions, states) = (texts("actions"), texts("states"));
        let is_logging = actions.iter().any(|action| action.starts_with("logs:"));
        assert_eq!(states.contains(&"(logging)"), is_logging, "{states:?}");
        let calls = actions.iter().filter(|action| action.starts_with("ec2:")).count();
        assert_eq!(calls + usize::from(is_logging), states.len(), "one state for each API: {statement}");
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
fn a_name_that_leaves_no_room_for_the_stacks_is_told_as_a_whole() {
    let prefix = "RoleNamePrefixes=AmazonSageMaker-Team-Machine-Learning-Prod";
    let said = printed(&["examples/pipeline.yaml", "--deployer", prefix]);
    assert!(said.contains("create role `${derived name}`") && !said.contains("ZqS"), "{said}");
}

#[test]
fn colours_are_there_where_they_are_asked_for() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_preview"));
    command.arg("examples/pipeline.yaml").current_dir(ROOT).env_clear();
    let output = command.env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("\u{1b}[1m"));
}
