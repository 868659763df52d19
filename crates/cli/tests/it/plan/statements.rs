//! Tests the statements that `plan` shows of a policy, each with the states that need it.

use std::path::Path;

use serde_json::{Map, Value};

use super::{ROOT, printed, written};

#[test]
fn every_definition_is_planned_with_the_policies_that_it_leads_to() {
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
    let apis = include_str!("../../../../core/tests/it/ec2-apis.txt").lines();
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
