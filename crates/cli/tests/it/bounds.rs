//! Tests that input of any size ends in a message, within a bound of memory and time.
#![cfg(unix)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Runs a program with at most 1 GB of memory, and ends it after 20 seconds.
const BOUNDED: &str = r#"ulimit -v 1000000; exec timeout 20 "$0" "$@""#;

const LONG: &str = "has more than 10,485,760 bytes, the maximum of this program; shorten it: CloudFormation accepts a \
                    template of 1 MB, and Step Functions a definition of 1,048,576 bytes";
const DEEP: &str = "can't be read as YAML: line 1: found lists and mappings more than 127 deep, with each alias \
                    counted as what it stands for; nest them less";
const ALIASES: &str =
    ", with each alias counted as what it stands for; use shorter or fewer aliases, or divide the file";
const SIGNS: &str = "can't be read as YAML: found more than 2,000,000 of the signs `, : ? [ ] { }`; divide the file";

const STEPS: &str = "the template takes more than 2,000,000 steps to resolve; use fewer nested functions, shorter \
                     lists or fewer included files";
const TEXT: &str = "the functions of the template return more than 50,000,000 bytes of text; shorten the texts and \
                    variables of `Fn::Sub`, `Fn::Join` and `Fn::ToJsonString`";
const INCLUDED: &str = "the template includes more than 10,485,760 bytes, with each file counted as often as it is \
                        included; include fewer or smaller files with `AWS::Include`";
const NESTED: &str = "functions, conditions and included files of the template are nested more than 256 deep; nest \
                      them less, or set conditions with `--set NAME=true`";
const UNKNOWN: &str = "the template has more than 20,000 values that only a deployment knows; set them with `--set \
                       NAME=VALUE`, or divide the template";

/// A definition with one task, which needs `sns:Publish`.
const DEFINITION: &str = r#"{"StartAt":"Tell","States":{"Tell":{"Type":"Task","Resource":"arn:aws:states:::sns:publish",
    "Parameters":{"TopicArn":"arn:aws:sns:eu-west-1:123456789012:done","Message":"x"},"End":true}}}"#;

/// Runs `plan`, and returns its exit code and all that it prints.
fn run(file: &str, input: Stdio) -> (Option<i32>, String) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", BOUNDED, env!("CARGO_BIN_EXE_mlops-roles"), "plan", file]).stdin(input);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.current_dir(env!("CARGO_TARGET_TMPDIR")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

fn assert_refused(file: &str, input: Stdio, message: &str) {
    let (code, said) = run(file, input);
    let start: String = said.chars().take(2_000).collect();
    assert_eq!(code, Some(1), "{file}: {start}");
    assert!(said.contains(message), "`{message}` is missing for {file} in {start}");
}

/// Writes a file, and returns its name in the folder that the program runs in.
fn written(name: &str, content: impl AsRef<[u8]>) -> String {
    let name = format!("bounds-{name}");
    std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name), content).unwrap();
    name
}

fn opened(name: &str) -> Stdio {
    Stdio::from(File::open(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)).unwrap())
}

/// A template with one role.
fn template(properties: &Value, others: &Value) -> Value {
    let mut role =
        json!({ "ServiceToken": "x", "SageMakerExecutionRoleArns": "arn:aws:iam::123456789012:role/SageMakerSome" });
    role.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
    let role = json!({ "Type": "Custom::StepFunctionsWorkflowRole", "Properties": role });
    let mut template = json!({ "Resources": { "Role": role } });
    template.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    template
}

fn assert_template_refused(name: &str, template: &Value, message: &str) {
    assert_refused(&written(name, template.to_string()), Stdio::null(), message);
}

#[test]
fn a_file_that_is_too_long_or_no_text_is_refused() {
    let sparse = written("1gb.yaml", "");
    let file = File::options().write(true).open(Path::new(env!("CARGO_TARGET_TMPDIR")).join(&sparse)).unwrap();
    file.set_len(1 << 30).unwrap();
    assert_refused(&sparse, Stdio::null(), &format!("`{sparse}`: {LONG}"));
    assert_refused("/dev/zero", Stdio::null(), &format!("`/dev/zero`: {LONG}"));
    assert_refused("-", opened("/dev/zero"), &format!("`-`: {LONG}"));
    assert_refused(".", Stdio::null(), "`.`: is a folder, expected a file; correct the path");
    let latin1 = written("latin1.json", b"{\"States\": \"\xe9\"}");
    assert_refused(
        &latin1,
        Stdio::null(),
        "`bounds-latin1.json`: is not text in UTF-8; save the file in this encoding",
    );
    let utf16 = written("utf16.json", b"\xff\xfe{\0}\0");
    let message = "`bounds-utf16.json`: is text in UTF-16, expected UTF-8; save the file in this encoding";
    assert_refused(&utf16, Stdio::null(), message);
}

#[test]
fn a_definition_is_read_from_standard_input_from_a_pipe_and_with_a_byte_order_mark() {
    let file = written("marked.json", format!("\u{feff}{DEFINITION}"));
    let piped = || {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(DEFINITION.as_bytes()).unwrap();
        Stdio::from(reader)
    };
    for (file, input) in [(file.as_str(), Stdio::null()), ("-", piped()), ("/dev/stdin", piped())] {
        let (code, said) = run(file, input);
        assert!(code == Some(0) && said.contains("sns:Publish"), "{file}: {said}");
    }
}

#[test]
fn yaml_that_grows_or_is_nested_too_deep_is_refused() {
    let bomb = (1..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
        text + &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "))
    });
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), ["*a"; 100].join(", "));
    let nested = |depth: usize, inside: &str| format!("{}{inside}{}", "[".repeat(depth), "]".repeat(depth));
    for (name, text, message) in [
        ("bomb.yaml", bomb, format!("can't be read as YAML: found more than 1,000,000 values{ALIASES}")),
        ("long.yaml", long, format!("can't be read as YAML: found more than 20,971,520 bytes of text{ALIASES}")),
        ("flow.yaml", format!("a: {}", nested(200, "")), DEEP.to_owned()),
        ("block.yaml", "- ".repeat(2_000_000), DEEP.to_owned()),
        ("anchors.yaml", format!("a: [&a {}, {}]", nested(100, ""), nested(100, "*a")), DEEP.to_owned()),
        (
            "scanner.yaml",
            "[".repeat(100_000),
            "can't be read as YAML: recursion limit exceeded at byte 255 line 1 column 256".to_owned(),
        ),
        ("brackets.yaml", "[".repeat(10_000_000), SIGNS.to_owned()),
        (
            "deep.json",
            r#"{"a":"#.repeat(100_000),
            "is not valid JSON: recursion limit exceeded at line 1 column ".to_owned(),
        ),
        (
            "values.json",
            format!("{{\"States\": [{}0]}}", "0,".repeat(1_000_000)),
            "found more than 1,000,000 values; divide the file".to_owned(),
        ),
    ] {
        let file = written(name, text);
        assert_refused(&file, Stdio::null(), &format!("`{file}`: {message}"));
    }
}

#[test]
fn yaml_that_can_mean_several_things_is_refused() {
    for (name, text, message) in [
        (
            "circle.yaml",
            "States: &a [*a]",
            "line 1: found an alias inside of the value that it stands for; write the value out",
        ),
        ("nobody.yaml", "States: *nobody", "while parsing node, found unknown anchor at byte 8 line 1 column 9"),
        (
            "twice.yaml",
            "States: {}\n\"States\": {}\n",
            "line 2: found a duplicated key, expected each key of a mapping once; remove one",
        ),
        ("documents.yaml", "States: {}\n---\nStates: {}\n", "found 2 documents, expected 1"),
        (
            "merge.yaml",
            "States: { <<: [x] }",
            "line 1: found `<<` with another value than a mapping or a list of mappings; correct the value",
        ),
        ("key.yaml", "States: { [a]: b }", "line 1: found a key that is not a string; write a string"),
    ] {
        let file = written(name, text);
        assert_refused(&file, Stdio::null(), &format!("`{file}`: can't be read as YAML: {message}"));
    }
}

#[test]
fn a_merged_mapping_adds_the_keys_that_are_missing() {
    let text = "StartAt: Tell\nStates:\n  Tell:\n    \
                <<: [&task { Type: Task, Resource: wrong }, { Type: Pass, End: true }]\n    \
                Resource: 'arn:aws:states:::sns:publish'\n    Parameters:\n      \
                TopicArn: 'arn:aws:sns:eu-west-1:123456789012:done'\n      Message: x\n";
    let (code, said) = run(&written("merged.asl.yaml", text), Stdio::null());
    assert!(code == Some(0) && said.contains("sns:Publish"), "{said}");
}

#[test]
fn functions_that_grow_are_refused() {
    let twice = (0..36).fold(json!("x"), |inside, _| json!({ "Fn::Sub": ["${a}${a}", { "a": inside }] }));
    let escaped = (0..60).fold(json!(["\""]), |inside, _| json!({ "Fn::ToJsonString": inside }));
    let long = "x".repeat(1_000_000);
    for (name, description, message) in [
        ("sub.json", twice, STEPS),
        ("split.json", json!({ "Fn::Split": [",", ",".repeat(3_000_000)] }), STEPS),
        ("text.json", json!({ "Fn::Sub": ["${a}".repeat(100), { "a": long }] }), TEXT),
        ("join.json", json!({ "Fn::Join": [long, vec!["x"; 100]] }), TEXT),
        ("escaped.json", escaped, TEXT),
    ] {
        assert_template_refused(name, &template(&json!({ "Description": description }), &json!({})), message);
    }
    // A text with many references takes time in proportion to its length.
    for (name, description) in [
        ("open.json", json!({ "Fn::Sub": "${".repeat(1_000_000) })),
        ("dynamic.json", json!("{{resolve:ssm:a}}".repeat(100_000))),
    ] {
        let (code, said) = run(
            &written(name, template(&json!({ "Description": description }), &json!({})).to_string()),
            Stdio::null(),
        );
        let start: String = said.chars().take(2_000).collect();
        assert!(matches!(code, Some(0 | 1)), "{name}: {code:?}: {start}");
    }
}

#[test]
fn conditions_are_decided_once_and_end() {
    let conditions = |count: usize| {
        let each = (0..count).map(|i| {
            let next = json!({ "Condition": format!("C{}", i + 1) });
            (format!("C{i}"), json!({ "Fn::And": [next, next] }))
        });
        let last = (format!("C{count}"), json!({ "Fn::Equals": ["a", "a"] }));
        let mut whole = template(&json!({}), &json!({ "Conditions": each.chain([last]).collect::<Value>() }));
        whole["Resources"]["Role"]["Condition"] = json!("C0");
        whole
    };
    let (code, said) = run(&written("conditions.json", conditions(100).to_string()), Stdio::null());
    assert_eq!(code, Some(0), "{said}");
    assert_template_refused("chain.json", &conditions(10_000), NESTED);
}

#[test]
fn included_files_are_bounded_together() {
    let include =
        |file: &str| json!({ "Fn::Transform": { "Name": "AWS::Include", "Parameters": { "Location": file } } });
    let wide = |level: usize| {
        let items = vec![include(&format!("bounds-wide{}.json", level + 1)); 10];
        json!({ "Items": items, "Comment": "x".repeat(2_000) }).to_string()
    };
    for level in 0..8 {
        written(&format!("wide{level}.json"), wide(level));
    }
    written("wide8.json", "{}");
    let definition = json!({ "Definition": include("bounds-wide0.json") });
    assert_template_refused("wide.json", &template(&definition, &json!({})), INCLUDED);
    for level in 0..300 {
        let next = include(&format!("bounds-long{}.json", level + 1));
        written(&format!("long{level}.json"), json!({ "Item": next }).to_string());
    }
    written("long300.json", "{}");
    let definition = json!({ "Definition": include("bounds-long0.json") });
    assert_template_refused("chained.json", &template(&definition, &json!({})), NESTED);
}

#[test]
fn more_unknown_values_or_resources_than_a_deployment_can_have_are_refused() {
    let parameters: Value = (0..21_000).map(|i| (format!("P{i}"), json!({ "Type": "String" }))).collect();
    let arns: Vec<Value> = (0..21_000).map(|i| json!({ "Ref": format!("P{i}") })).collect();
    let unknown = template(&json!({ "ManagedPolicyArns": arns }), &json!({ "Parameters": parameters }));
    assert_template_refused("unknown.json", &unknown, UNKNOWN);
    let names = (0..20_001).map(|i| format!("${{n{i}}}")).collect::<Vec<_>>().concat();
    assert_refused(
        &written("names.asl.json", DEFINITION.replace("\"x\"", &format!("\"{names}\""))),
        Stdio::null(),
        "the definition has 20001 different `${NAME}`, expected at most 20,000; use fewer of them",
    );
    let mut many = template(&json!({}), &json!({}));
    for i in 0..500 {
        many["Resources"][format!("Topic{i}")] = json!({ "Type": "AWS::SNS::Topic" });
    }
    assert_template_refused(
        "resources.json",
        &many,
        "the template has 501 resources, expected at most 500, the maximum of CloudFormation; divide the template",
    );
}
