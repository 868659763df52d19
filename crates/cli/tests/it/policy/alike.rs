//! Tests that `policy` derives what `plan` shows, and has each error that `plan` has.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use mlops_roles_cli::policy::error::PROPERTIES;
use mlops_roles_core::iam::quota::POLICY_SIZE;
use mlops_roles_testkit::data;

use super::{PLACE, QUERY};
use crate::process::{ROOT, Ran, run, written};

/// A definition, and the options that both commands get.
struct Case {
    file: PathBuf,
    options: Vec<String>,
}

/// The definitions that all tests share, each with its properties.
fn cases() -> Vec<Case> {
    let folders = [data("definitions"), data("definitions/refused")];
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|file| file.to_str().unwrap().ends_with(".asl.json"));
    files.sort();
    files.into_iter().map(|file| Case { options: options(&file), file }).collect()
}

/// The properties of a definition as options.
fn options(file: &Path) -> Vec<String> {
    let properties = file.to_str().unwrap().replace(".asl.json", ".properties.json");
    let properties = std::fs::read(properties).unwrap_or_else(|_| b"{}".to_vec());
    let properties: Map<String, Value> = serde_json::from_slice(&properties).unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut options = Vec::new();
    for (name, value) in &properties {
        if name == "DefinitionSubstitutions" {
            let substitutions = value.as_object().unwrap().iter();
            options.extend(
                substitutions.flat_map(|(name, value)| {
                    ["--definition-substitution".to_owned(), format!("{name}={}", text(value))]
                }),
            );
        } else {
            assert!(PROPERTIES.contains(&name.as_str()), "{}: {name}", file.display());
            options.extend(["--property".to_owned(), format!("{name}={}", text(value))]);
        }
    }
    options
}

/// Runs both commands.
fn both(case: &Case) -> (Ran, Ran) {
    let options: Vec<&str> = case.options.iter().map(String::as_str).collect();
    let file = case.file.to_str().unwrap();
    let with = |command: &[&str]| run(&[command, &[file], &PLACE, &options].concat());
    let plan = with(&["plan", "--format", "json", "--property", "RoleName=AmazonSageMaker-Churn"]);
    (plan, with(&["policy", "--placeholders"]))
}

/// A statement of a plan as IAM has it.
fn planned(statement: &Value) -> Value {
    let arns: Vec<&Value> = statement["resources"].as_array().unwrap().iter().map(|one| &one["arn"]).collect();
    json!({
        "Effect": statement["effect"], "Action": statement["actions"], "Resource": arns,
        "Condition": statement.get("condition"), "Principal": statement.get("principal"),
    })
}

/// A statement of a document in the same form.
fn plain(statement: &Value) -> Value {
    json!({
        "Effect": statement["Effect"], "Action": statement["Action"],
        "Resource": statement.get("Resource").cloned().unwrap_or_else(|| json!([])),
        "Condition": statement.get("Condition"), "Principal": statement.get("Principal"),
    })
}

fn statements(list: &Value, form: fn(&Value) -> Value) -> Vec<Value> {
    list.as_array().unwrap().iter().map(form).collect()
}

/// Compares the trust policy, each policy, each reason for a wildcard and each need.
fn assert_same(report: &Value, found: &Value, what: &str) {
    let of_plan = |inline: bool| {
        let all = report["policies"].as_array().unwrap().iter().filter(move |policy| policy["inline"] == inline);
        all.map(|policy| statements(&policy["statements"], planned)).collect::<Vec<_>>()
    };
    let policies = found["policies"].as_array().unwrap().iter();
    let policies: Vec<Vec<Value>> = policies.map(|policy| statements(&policy["Statement"], plain)).collect();
    assert_eq!(policies, of_plan(false), "{what}");
    let pass_role = Some(&found["passRolePolicy"]).filter(|policy| !policy.is_null());
    let pass_role: Vec<Vec<Value>> = pass_role.iter().map(|policy| statements(&policy["Statement"], plain)).collect();
    assert_eq!(pass_role, of_plan(true), "{what}");
    let trust = statements(&found["trustPolicy"]["Statement"], plain);
    assert_eq!(trust, statements(&report["roles"][0]["trust"], planned), "{what}");
    assert_eq!(found["needs"], report["needs"], "{what}");
    let mut reasons = Map::new();
    for statement in
        report["policies"].as_array().unwrap().iter().flat_map(|policy| policy["statements"].as_array().unwrap())
    {
        for resource in statement["resources"].as_array().unwrap() {
            let told = resource["wildcardBecause"].as_array().unwrap();
            let known = reasons.entry(resource["arn"].as_str().unwrap()).or_insert_with(|| json!([]));
            known.as_array_mut().unwrap().extend(told.iter().cloned());
        }
    }
    reasons.retain(|_, told| *told != json!([]));
    for wildcard in found["wildcards"].as_array().unwrap() {
        let mut told = reasons.remove(wildcard["arn"].as_str().unwrap()).unwrap();
        let told = told.as_array_mut().unwrap();
        told.sort_by_key(|one| one.as_str().unwrap().to_owned());
        told.dedup();
        assert_eq!(&Value::Array(told.clone()), &wildcard["reasons"], "{what}");
        assert_ne!(wildcard["states"], json!([]), "{what}");
    }
    assert!(reasons.is_empty(), "{what}: no reason for {reasons:?}");
}

#[test]
fn each_definition_leads_to_the_policies_or_the_errors_of_its_plan() {
    let (mut same, mut refused) = (0, 0);
    for case in cases() {
        let what = case.file.display().to_string();
        let (plan, policy) = both(&case);
        let Ok(reports) = serde_json::from_str::<Value>(&plan.out) else {
            assert_eq!((policy.code, &policy.error), (Some(1), &plan.error), "{what}");
            refused += 1;
            continue;
        };
        let report = &reports[0];
        let mut refusals: Vec<&str> = report["refusals"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if refusals.is_empty() {
            assert_eq!(policy.code, Some(0), "{what}: {}", policy.error);
            assert_same(report, &serde_json::from_str(&policy.out).unwrap(), &what);
            same += 1;
        } else {
            assert_eq!((policy.code, policy.out.as_str()), (Some(1), ""), "{what}");
            let mut errors: Vec<&str> =
                policy.error.lines().map(|line| line.strip_prefix("error: ").unwrap()).collect();
            errors.sort_unstable();
            refusals.sort_unstable();
            assert_eq!(errors, refusals, "{what}");
            refused += 1;
        }
    }
    assert!(same > 60 && refused > 25, "{same} {refused}");
}

#[test]
fn an_undeclared_need_is_an_error_of_the_plan_and_a_note_of_the_policy() {
    let (plan, policy) = both(&Case { file: Path::new(ROOT).join(QUERY), options: Vec::new() });
    let reports: Value = serde_json::from_str(&plan.out).unwrap();
    let report = &reports[0];
    let refusals = report["refusals"].as_array().unwrap();
    assert_eq!((plan.code, refusals.len()), (Some(1), 1), "{report}");
    assert!(policy.error.contains(&format!("note: {}\n", refusals[0].as_str().unwrap())), "{}", policy.error);
    let found: Value = serde_json::from_str(&policy.out).unwrap();
    assert_eq!((policy.code, &found["needs"]), (Some(0), &report["needs"]));
    // Another error is not lost beside it.
    let text = std::fs::read_to_string(Path::new(ROOT).join(QUERY)).unwrap();
    let broken = written("policy-broken-query.asl.json", &text.replace("\"End\": true", "\"Next\": \"Nowhere\""));
    let options = ["--property".to_owned(), "Tracing=perhaps".to_owned()].to_vec();
    let (plan, policy) = both(&Case { file: broken.into(), options });
    assert_eq!((plan.code, policy.code, policy.out.as_str()), (Some(1), Some(1), ""));
    let part = "`Tracing`: found `perhaps`, expected `true` or `false`";
    assert!(plan.out.contains(part) && policy.error.contains(part), "{}{}", plan.out, policy.error);
}

/// A definition with as many tasks, each of which calls another function with a long name.
fn calls(count: usize) -> String {
    let states: Map<String, Value> = (0..count)
        .map(|i| {
            let function = format!("arn:aws:lambda:eu-west-1:123456789012:function:churn-{i:03}-{}", "x".repeat(40));
            let next = if i + 1 < count { ("Next", json!(format!("S{}", i + 1))) } else { ("End", json!(true)) };
            let mut task = json!({
                "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": { "FunctionName": function }
            });
            task[next.0] = next.1;
            (format!("S{i}"), task)
        })
        .collect();
    json!({ "StartAt": "S0", "States": states }).to_string()
}

#[test]
fn policies_that_are_too_long_are_divided_and_nothing_is_lost() {
    let file = written("policy-large.asl.json", &calls(120));
    let (plan, policy) = both(&Case { file: file.into(), options: Vec::new() });
    let (reports, found): (Value, Value) =
        (serde_json::from_str(&plan.out).unwrap(), serde_json::from_str(&policy.out).unwrap());
    assert_same(&reports[0], &found, "120 calls");
    let policies = found["policies"].as_array().unwrap();
    assert!(policies.len() > 2, "{}", policies.len());
    let mut arns = Vec::new();
    for policy in policies {
        let size = policy.to_string().chars().filter(|c| !c.is_whitespace()).count();
        assert!(size <= POLICY_SIZE, "{size}");
        for statement in policy["Statement"].as_array().unwrap() {
            assert_eq!(statement["Action"], json!(["lambda:InvokeFunction"]));
            arns.extend(statement["Resource"].as_array().unwrap().iter().map(Value::to_string));
        }
    }
    arns.sort();
    arns.dedup();
    // Each function, and its versions.
    assert_eq!(arns.len(), 240);
}

#[test]
fn more_policies_than_a_role_can_have_are_told() {
    let many = |count: usize| {
        let file = written(&format!("policy-many-{count}.asl.json"), &calls(count));
        both(&Case { file: file.into(), options: Vec::new() })
    };
    let (plan, policy) = many(300);
    let note = "the role needs 11 managed policies; IAM allows 10 unless the quota of the account was raised";
    assert!(plan.out.contains(note) && policy.error.contains(note), "{}", policy.error);
    let (plan, policy) = many(900);
    let part = "the role would have 31 managed policies, 31 of them for its own grants";
    assert!(plan.out.contains(part) && policy.error.contains(part), "{}", policy.error);
    assert_eq!((policy.code, policy.out.as_str()), (Some(1), ""));
}
