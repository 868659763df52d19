//! Tests `mlops-roles.toml`: which one is read, what it sets, and what it can't do.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::definitions::Repository;
use crate::process::{Ran, run_in};

/// A definition with one task, which publishes to `${TopicArn}`.
const TELL: &str = r#"{"StartAt":"Tell","States":{"Tell":{"Type":"Task","Resource":"arn:aws:states:::sns:publish",
    "Parameters":{"TopicArn":"${TopicArn}","Message":"x"},"End":true}}}"#;

/// A definition with one query, whose tables only its author knows.
const QUERY: &str = r#"{"StartAt":"Ask","States":{"Ask":{"Type":"Task",
    "Resource":"arn:aws:states:::athena:startQueryExecution.sync",
    "Parameters":{"QueryString.$":"$.query","WorkGroup":"primary"},"End":true}}}"#;

/// Settings that are all that the definition with one task needs.
const ALL: &str = r#"
account = "123456789012"
region = "eu-west-1"
[definition-substitutions]
TopicArn = "arn:aws:sns:eu-west-1:123456789012:done"
"#;

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:done";

/// What no output may have.
const SECRET: &str = "hunter2";

/// A repository with the two definitions two folders below its root.
fn repository(name: &str) -> Repository {
    let repository = Repository::new(&format!("config-{name}"));
    repository.write("machines/churn/tell.asl.json", TELL).write("machines/churn/query.asl.json", QUERY);
    repository
}

/// Runs `policy` on a file of the repository, from the root of the repository.
fn policy(repository: &Repository, file: &str, options: &[&str]) -> Ran {
    run_in(&repository.root, &[&["policy", file][..], options].concat(), "")
}

fn tell(repository: &Repository, options: &[&str]) -> Ran {
    policy(repository, "machines/churn/tell.asl.json", options)
}

fn assert_refused(ran: &Ran, part: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{part}: {}", ran.error);
    assert!(ran.error.contains(part), "{part} is missing in {}", ran.error);
    assert!(!ran.error.contains(SECRET), "{}", ran.error);
}

#[test]
fn the_nearest_file_up_to_the_root_of_the_repository_is_read() {
    let repository = repository("nearest");
    let unknown = "are unknown: `AWS::AccountId`, `AWS::Region`, `TopicArn`";
    // What is above the root belongs to somebody else.
    repository.write("../mlops-roles.toml", ALL);
    assert_refused(&tell(&repository, &[]), unknown);
    repository.write("mlops-roles.toml", ALL);
    let ran = tell(&repository, &[]);
    assert!(ran.code == Some(0) && ran.out.contains(TOPIC), "{}", ran.error);
    // The nearest one is the only one that is read.
    repository.write("machines/mlops-roles.toml", "region = 'us-east-1'\n");
    assert_refused(&tell(&repository, &[]), "are unknown: `AWS::AccountId`, `TopicArn`; set");
    repository.write("machines/churn/mlops-roles.toml", &ALL.replace("done", "nearest"));
    assert!(tell(&repository, &[]).out.contains(&TOPIC.replace("done", "nearest")));
    assert_refused(&tell(&repository, &["--no-config"]), unknown);
    let ran = tell(&repository, &["--config", "mlops-roles.toml"]);
    assert!(ran.out.contains(TOPIC) && !ran.out.contains("nearest"), "{}", ran.out);
    assert_refused(&tell(&repository, &["--config", "mlops-roles.toml", "--no-config"]), "cannot be used with");
    assert_refused(
        &tell(&repository, &["--config", "absent.toml"]),
        "found `absent.toml`, expected a file that exists",
    );
    assert_refused(&tell(&repository, &["--config", "machines"]), "found `machines`, which is a folder");
}

#[test]
fn without_a_repository_only_the_folder_of_the_file_counts() {
    let folder = std::env::temp_dir().join(format!("mlops-roles-config-{}", std::process::id()));
    let repository = Repository { root: folder.clone() };
    repository.write("machines/tell.asl.json", TELL).write("mlops-roles.toml", ALL);
    assert_refused(&policy(&repository, "machines/tell.asl.json", &[]), "`AWS::AccountId`");
    repository.write("machines/mlops-roles.toml", ALL);
    assert_eq!(policy(&repository, "machines/tell.asl.json", &[]).code, Some(0));
    // Standard input and the query of Terraform belong to the current folder.
    let ran = run_in(&folder, &["policy", "-"], TELL);
    assert!(ran.code == Some(0) && ran.out.contains(TOPIC), "{}", ran.error);
    let query = json!({ "definition": TELL }).to_string();
    let ran = run_in(&folder, &["policy", "--format", "terraform-external"], &query);
    assert!(ran.code == Some(0) && ran.out.contains(TOPIC), "{}", ran.error);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_option_has_priority() {
    let repository = repository("priority");
    let more = r#"
[properties]
StateMachineName = "configured"
Logging = true
[deployer]
RoleNamePrefixes = ["Team", "Other"]
"#;
    repository.write("mlops-roles.toml", &format!("stack-name = 'configured'\npartition = 'aws'\n{ALL}{more}"));
    let ran = tell(&repository, &[]);
    let trust = "arn:aws:states:eu-west-1:123456789012:stateMachine:configured*";
    assert!(ran.out.contains(trust) && ran.out.contains("logs:CreateLogDelivery"), "{}{}", ran.out, ran.error);
    let ran = tell(
        &repository,
        &[
            "--account",
            "210987654321",
            "--region",
            "us-east-1",
            "--property",
            "StateMachineName=given",
            "--definition-substitution",
            "TopicArn=arn:aws:sns:us-east-1:210987654321:given",
        ],
    );
    assert!(ran.out.contains("arn:aws:states:us-east-1:210987654321:stateMachine:given*"), "{}{}", ran.out, ran.error);
    assert!(ran.out.contains("sns:us-east-1:210987654321:given") && !ran.out.contains("configured"), "{}", ran.out);
    assert!(ran.out.contains("logs:CreateLogDelivery"), "{}", ran.out);
    let plan = |options: &[&str]| {
        let ran = run_in(&repository.root, &[&["plan", "machines/churn/tell.asl.json"][..], options].concat(), "");
        assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.error);
        ran.out
    };
    let out = plan(&[]);
    assert!(out.contains("create role `Team-configured-WorkflowRole-") && out.contains(TOPIC), "{out}");
    let out = plan(&["--deployer", "RoleNamePrefixes=Given", "--stack-name", "given"]);
    assert!(out.contains("create role `Given-given-WorkflowRole-"), "{out}");
}

#[test]
fn the_name_of_the_deployment_is_that_of_the_option_or_the_file() {
    let repository = repository("deployment");
    repository.write("mlops-roles.toml", &format!("deployment = 'configured'\n{ALL}"));
    let plan = |options: &[&str]| {
        run_in(&repository.root, &[&["plan", "machines/churn/tell.asl.json"][..], options].concat(), "").out
    };
    assert!(plan(&[]).contains("${configured-PermissionsBoundaryArn}"), "{}", plan(&[]));
    assert!(plan(&["--deployment", "given"]).contains("${given-PermissionsBoundaryArn}"));
    assert!(plan(&["--no-config"]).contains("${mlops-roles-PermissionsBoundaryArn}"));
}

#[test]
fn the_values_of_a_template_are_set() {
    let repository = repository("set");
    let machine = json!({ "Type": "AWS::StepFunctions::StateMachine", "Properties": {
        "Definition": serde_json::from_str::<Value>(TELL).unwrap(),
        "DefinitionSubstitutions": { "TopicArn": { "Fn::Sub": "arn:aws:sns:eu-west-1:123456789012:${Name}-${Number}" } },
        "TracingConfiguration": { "Enabled": { "Ref": "Traced" } },
    } });
    let parameters = json!({
        "Name": { "Type": "String" }, "Number": { "Type": "Number" }, "Traced": { "Type": "String" }
    });
    let template = json!({ "Parameters": parameters, "Resources": { "M": machine } });
    repository.write("template.json", &template.to_string());
    let place = "account = '123456789012'\nregion = 'eu-west-1'\n";
    // A value that this template does not use may be that of another one.
    let set = "[set]\nName = 'done'\nNumber = 7\nTraced = true\nUnused = 'x'\n";
    repository.write("mlops-roles.toml", &format!("{place}{set}"));
    let ran = policy(&repository, "template.json", &[]);
    assert!(ran.out.contains(":done-7\"") && ran.out.contains("xray:PutTraceSegments"), "{}{}", ran.out, ran.error);
    let ran = policy(&repository, "template.json", &["--set", "Name=given", "--set", "Traced=false"]);
    assert!(ran.out.contains(":given-7\"") && !ran.out.contains("xray:"), "{}{}", ran.out, ran.error);
}

#[test]
fn strict_applies_to_each_form_of_the_command() {
    let repository = repository("strict");
    let place = "account = '123456789012'\nregion = 'eu-west-1'\n";
    let problem = "error: `TaskResources`: missing for state `Ask`";
    repository.write("mlops-roles.toml", place);
    assert_eq!(policy(&repository, "machines/churn/query.asl.json", &[]).code, Some(0));
    repository.write("mlops-roles.toml", &format!("{place}strict = true\n"));
    assert_refused(&policy(&repository, "machines/churn/query.asl.json", &[]), problem);
    let query = json!({ "file": "machines/churn/query.asl.json" }).to_string();
    let ran = run_in(&repository.root, &["policy", "--format", "terraform-external"], &query);
    assert_refused(&ran, problem);
}

#[test]
fn task_resources_are_read_from_the_folder_of_the_file() {
    let repository = repository("task-resources");
    let declared = r#"{"Ask": {"Read": ["arn:aws:s3:::sales/*"]}}"#;
    repository
        .write("declared/resources.json", declared)
        .write("declared/resources.yaml", "Ask: { Read: ['arn:aws:s3:::sales/*'] }");
    let of = |location: &str| {
        let settings = format!("account = '123456789012'\nregion = 'eu-west-1'\ntask-resources = '{location}'\n");
        repository.write("machines/mlops-roles.toml", &settings);
        policy(&repository, "machines/churn/query.asl.json", &["--strict"])
    };
    for location in ["../declared/resources.json", "../declared/resources.yaml"] {
        let ran = of(location);
        assert!(ran.code == Some(0) && ran.out.contains("arn:aws:s3:::sales/*"), "{location}: {}", ran.error);
    }
    // An option replaces the file of the settings.
    repository.write("other.json", &declared.replace("sales", "other"));
    let options = ["--task-resources", "other.json"];
    let ran = policy(&repository, "machines/churn/query.asl.json", &options);
    assert!(ran.out.contains("arn:aws:s3:::other/*") && !ran.out.contains("sales"), "{}{}", ran.out, ran.error);
    repository
        .write("../outside.json", &format!("{{\"{SECRET}\": 1}}"))
        .write("machines/broken.json", &format!("{{\"{SECRET}\": "));
    for (location, part) in [
        ("../../outside.json", "found `../../outside.json`, which is outside the repository"),
        ("../../absent.json", "found `../../absent.json`, which is outside the repository"),
        ("/etc/passwd", "found `/etc/passwd`, expected a path that starts from the folder"),
        ("absent.json", "found `absent.json`, expected a file that exists"),
        ("churn", "found `churn`, which is a folder"),
        ("broken.json", "`task-resources`: `broken.json`: is not valid JSON"),
    ] {
        assert_refused(&of(location), part);
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_repository_is_not_followed() {
    use std::os::unix::fs::symlink;

    let repository = repository("links");
    repository
        .write("../outside.toml", &format!("{SECRET} = 1\n"))
        .write("../outside.json", &format!("{{\"{SECRET}\": 1}}"))
        .write("shared.toml", ALL);
    let outside = "which is outside the repository of the template";
    symlink("../../outside.json", repository.root.join("machines/resources.json")).unwrap();
    repository.write("machines/mlops-roles.toml", "task-resources = 'resources.json'\n");
    assert_refused(&tell(&repository, &[]), outside);
    let settings = repository.root.join("machines/mlops-roles.toml");
    for target in ["../../outside.toml", "../../absent.toml", "/dev/zero"] {
        fs::remove_file(&settings).unwrap();
        symlink(target, &settings).unwrap();
        let part = if target.contains("absent") { "expected a file that exists" } else { outside };
        assert_refused(&tell(&repository, &[]), part);
    }
    fs::remove_file(&settings).unwrap();
    symlink("../shared.toml", &settings).unwrap();
    assert_eq!(tell(&repository, &[]).code, Some(0));
}

#[test]
fn wrong_settings_are_told_with_their_place() {
    let repository = repository("wrong");
    for (text, parts) in [
        ("acount = '1'\n", &["`acount`: no such key, did you mean `account`?"][..]),
        ("acount = '1'\nset-s = 1\n", &["`acount`: no such key", "`set-s`: no such key"]),
        ("hue = 1\n", &["`hue`: no such key, expected one of `account`, `definition-substitutions`, `deployer`"]),
        ("account = 123456789012\n", &["line 1, column 11", "invalid type: integer `123456789012`, expected a string"]),
        ("account = '12'\n", &["`account`: found `12`, expected 12 digits"]),
        ("region = 'eu-west-1'\nstrict = 'yes'\n", &["line 2, column 10", "expected a boolean"]),
        ("region = \n", &["line 1, column "]),
        ("region = 'a'\nregion = 'b'\n", &["line 2, column 1", "duplicate key"]),
        ("[set]\nx = [1]\n", &["line 2, column 5", "expected text, a number, `true` or `false`"]),
        (
            "[deployer]\nx = { a = 1 }\n",
            &["line 2, column 5", "expected text, a number, `true` or `false`, or a list of these"],
        ),
        ("region = 'mars'\n", &["`--region mars`: expected a region of partition `aws`"]),
        (
            "[properties]\nLoging = true\n",
            &[
                "`mlops-roles.toml`: `properties`: `Loging`: a workflow role has no such property, did you mean `Logging`?",
            ],
        ),
        ("[properties]\nDefinition = 'x'\n", &["`--property Definition`: the file is the definition"]),
        ("[properties]\nLogging = 'perhaps'\n", &["`Logging`: found `perhaps`, expected `true` or `false`"]),
    ] {
        repository.write("machines/mlops-roles.toml", text);
        let ran = tell(&repository, &[]);
        for part in parts {
            assert_refused(&ran, part);
        }
        let is_of_key = !text.contains("mars") && !text.contains("[properties]");
        let path = Path::new("machines").join("mlops-roles.toml");
        assert_eq!(ran.error.contains(path.to_str().unwrap()), is_of_key, "{}", ran.error);
    }
    repository.write("machines/mlops-roles.toml", "[deployer]\nRoleNamePrefix = 'x'\n");
    let ran = run_in(&repository.root, &["plan", "machines/churn/tell.asl.json"], "");
    assert_refused(
        &ran,
        "`--deployer RoleNamePrefix`: mlops-roles has no such parameter, did you mean `RoleNamePrefixes`?",
    );
}
