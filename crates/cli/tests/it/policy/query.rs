//! Tests the protocol of Terraform's `external` data source.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{MACHINES, QUERY, TELL, TOPIC, derived, of_machine};
use crate::process::{ROOT, Ran, run_in, written};

/// Runs the program with a query on standard input.
fn asked(query: &str, options: &[&str]) -> Ran {
    run_in(Path::new(ROOT), &[&["policy", "--format", "terraform-external"][..], options].concat(), query)
}

/// A query for the definition with one task, with other members besides.
fn query(more: &Value) -> String {
    let mut query = json!({
        "definition": std::fs::read_to_string(Path::new(ROOT).join(TELL)).unwrap(),
        "account": "123456789012",
        "region": "eu-west-1",
        "definition_substitutions": json!({ "TopicArn": TOPIC }).to_string(),
    });
    query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    query.to_string()
}

/// The result of a query that succeeds: an object of strings.
fn answered(query: &str, options: &[&str]) -> Map<String, Value> {
    let ran = asked(query, options);
    assert_eq!(ran.code, Some(0), "{query}: {}", ran.error);
    let found: Map<String, Value> = serde_json::from_str(&ran.out).unwrap();
    assert!(found.values().all(Value::is_string), "{found:?}");
    found
}

/// The error output of a query that fails, without an answer.
fn refused(query: &str, options: &[&str]) -> String {
    let ran = asked(query, options);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{query}: {}", ran.error);
    ran.error
}

/// The JSON in a member of a result.
fn inside(found: &Map<String, Value>, member: &str) -> Value {
    serde_json::from_str(found[member].as_str().unwrap()).unwrap()
}

#[test]
fn the_result_is_one_flat_object_with_all_that_the_other_format_has() {
    let found = answered(
        &json!({
            "file": MACHINES, "resource": "Inline", "account": "123456789012", "region": "eu-west-1"
        })
        .to_string(),
        &[],
    );
    let mut members: Vec<&str> = found.keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["needs", "notes", "pass_role_policy", "policies", "trust_policy", "wildcards"]);
    let whole = derived(&of_machine("Inline", &[]));
    for (member, name) in [
        ("needs", "needs"),
        ("notes", "notes"),
        ("pass_role_policy", "passRolePolicy"),
        ("policies", "policies"),
        ("trust_policy", "trustPolicy"),
        ("wildcards", "wildcards"),
    ] {
        assert_eq!(inside(&found, member), whole[name], "{member}");
    }
    let found = answered(&query(&json!({})), &[]);
    assert_eq!(found["pass_role_policy"], "");
    assert_eq!(inside(&found, "policies")[0]["Statement"][0]["Resource"], json!([TOPIC]));
}

#[test]
fn each_member_stands_for_an_option() {
    let told = |more: Value| answered(&query(&more), &[]);
    let trust = told(json!({ "state_machine_name": "churn" }))["trust_policy"].to_string();
    assert!(trust.contains("arn:aws:states:eu-west-1:123456789012:stateMachine:churn*"), "{trust}");
    let of_china = json!({
        "partition": "aws-cn", "region": "cn-north-1", "definition_substitutions": json!({ "TopicArn": TOPIC.replace("aws:", "aws-cn:").replace("eu-west-1", "cn-north-1") }).to_string()
    });
    let trust = told(of_china)["trust_policy"].to_string();
    assert!(trust.contains("arn:aws-cn:states:cn-north-1:123456789012"), "{trust}");
    let policies = told(json!({ "properties": r#"{"Tracing": true, "Logging": "true"}"# }))["policies"].to_string();
    assert!(policies.contains("xray:PutTraceSegments") && policies.contains("logs:CreateLogDelivery"), "{policies}");
    let ask = json!({ "file": QUERY, "definition": "", "definition_substitutions": "", "strict": "true" });
    assert!(refused(&query(&ask), &[]).contains("error: `TaskResources`: missing for state `Ask`"));
    let mut declared = ask.clone();
    declared["task_resources"] = r#"{"Ask": {"Read": ["arn:aws:s3:::sales/*"]}}"#.into();
    assert!(told(declared)["policies"].to_string().contains("arn:aws:s3:::sales/*"));
    let sam = json!({
        "file": "tests/data/policy/sam.yaml", "definition": "", "stack_name": "prod",
        "definition_substitutions": json!({ "TopicArn": TOPIC, "Table": "scores" }).to_string(),
        "set": json!({
            "Role.Arn": "arn:aws:iam::123456789012:role/Train",
            "Score.Arn": "arn:aws:lambda:eu-west-1:123456789012:function:score",
            "Key.Arn": "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        }).to_string(),
    });
    let found = told(sam);
    assert!(found["trust_policy"].to_string().contains(":stateMachine:prod-churn*"), "{found:?}");
    assert!(found["policies"].to_string().contains("table/scores"), "{found:?}");
}

#[test]
fn a_member_has_priority_over_the_option() {
    let named = |more: Value, options: &[&str]| answered(&query(&more), options);
    let other = TOPIC.replace("done", "other");
    let found = named(json!({}), &["--definition-substitution", &format!("TopicArn={other}")]);
    assert!(!found["policies"].to_string().contains(&other), "{found:?}");
    let churn = json!({ "state_machine_name": "churn" });
    let found = named(churn, &["--property", "StateMachineName=other", "--account", "210987654321"]);
    let trust = found["trust_policy"].to_string();
    assert!(trust.contains(":123456789012:stateMachine:churn*") && !trust.contains("other"), "{trust}");
    let two = json!({ "file": MACHINES, "definition": "", "definition_substitutions": "", "resource": "Nothing" });
    assert_eq!(named(two, &["--resource", "Inline"])["policies"], "[]");
    let file = written("policy-query-tr.json", "{}");
    let declared = json!({
        "file": QUERY, "definition": "", "definition_substitutions": "",
        "task_resources": r#"{"Ask": {"Read": ["arn:aws:s3:::sales/*"]}}"#,
    });
    let found = named(declared, &["--task-resources", &file, "--strict"]);
    assert!(found["policies"].to_string().contains("arn:aws:s3:::sales/*"), "{found:?}");
    let lax = json!({ "file": QUERY, "definition": "", "definition_substitutions": "", "strict": "false" });
    assert_ne!(named(lax, &["--strict"])["needs"], "[]");
    // An empty string is no member, and `null` no value.
    let absent = json!({ "properties": r#"{"StateMachineName": null}"#, "strict": "" });
    let found = named(absent, &["--property", "StateMachineName=given"]);
    assert!(found["trust_policy"].to_string().contains(":stateMachine:given*"), "{found:?}");
    let found = named(json!({ "account": "" }), &["--account", "210987654321"]);
    assert!(found["trust_policy"].to_string().contains("210987654321"), "{found:?}");
}

#[test]
fn a_query_of_another_form_is_refused() {
    for (text, part) in [
        ("", "EOF while parsing a value"),
        ("not json", "expected ident"),
        ("[]", "invalid type: sequence"),
        ("null", "invalid type: null"),
        (r#""text""#, "invalid type: string"),
        (r#"{"account": 123456789012}"#, "invalid type: integer `123456789012`, expected a string"),
        (r#"{"file": null}"#, "invalid type: null, expected a string"),
    ] {
        let said = refused(text, &[]);
        assert!(said.contains("the query on standard input: expected a JSON object of strings: "), "{text}: {said}");
        assert!(said.contains(part), "{text}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let said = refused(&query(&json!({})), &[TELL]);
    assert!(said.contains("FILE: not allowed with `--format terraform-external`, whose query has `file`"), "{said}");
}

#[test]
fn all_wrong_members_are_told_at_once() {
    let said = refused(
        &query(&json!({
            "acount": "1", "zone": "a", "account": "12", "strict": "yes", "file": "-",
            "definition_substitutions": "5", "set": "x", "properties": "[1]", "task_resources": "{",
        })),
        &[],
    );
    for part in [
        "error: the query on standard input: ",
        "`acount`: no such member, did you mean `account`?",
        "`zone`: no such member, expected one of `account`, `definition`, `definition_substitutions`, `file`",
        "`account`: found `12`, expected 12 digits",
        "`strict`: found `yes`, expected `true` or `false`",
        "`file`: found `-`, which is the query itself; name a file",
        "expected either `file` or `definition`",
        "`definition_substitutions`: expected a JSON object as text: invalid type: integer `5`",
        "`set`: expected a JSON object as text: expected value",
        "`properties`: expected a JSON object as text: invalid type: sequence",
        "`task_resources`: expected a JSON object as text: EOF while parsing an object",
    ] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_query_with_two_values_for_one_thing_is_refused() {
    for (more, part) in [
        (json!({ "definition": "" }), "expected either `file` or `definition`"),
        (json!({ "file": TELL }), "expected either `file` or `definition`"),
        (
            json!({ "state_machine_name": "a", "properties": r#"{"StateMachineName": "b"}"# }),
            "`state_machine_name`: not allowed with `StateMachineName` in `properties`; leave one of the two out",
        ),
        (
            json!({ "task_resources": r#"{"Tell": {}}"#, "properties": r#"{"TaskResources": {}}"# }),
            "`task_resources`: not allowed with `TaskResources` in `properties`; leave one of the two out",
        ),
    ] {
        let said = refused(&query(&more), &[]);
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn what_is_wrong_with_the_definition_is_told_as_for_a_file() {
    for (more, part) in [
        (json!({ "definition": "a: [" }), "`definition`: can't be read as YAML: "),
        (
            json!({ "definition": "a: b" }),
            "`definition`: found none of the keys `Resources`, `RequestType` and `States`",
        ),
        (json!({ "file": "no-such-file", "definition": "" }), "`no-such-file`: can't be read: "),
        (json!({ "definition_substitutions": r#"{"Nope": "x"}"# }), "the definition has no `${Nope}`"),
        (json!({ "definition_substitutions": "" }), "the policies have values that are unknown: `TopicArn`"),
        (json!({ "region": "mars" }), "`--region mars`: expected a region of partition `aws`"),
        (json!({ "properties": r#"{"RoleName": "x"}"# }), "`--property RoleName`: does not change the policies"),
    ] {
        let said = refused(&query(&more), &[]);
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

/// Terraform reads the result from standard output.
#[test]
fn files_are_not_written_beside_an_answer() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("policy-query-files");
    let said = refused(&query(&json!({})), &["--output-dir", out.to_str().unwrap()]);
    assert!(said.contains("`--output-dir`: not allowed with `--format terraform-external`"), "{said}");
    assert!(!out.exists());
}
