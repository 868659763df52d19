//! Tests which definition the preview reads where the properties do not have it, and that it reads no other file.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::preview::{printed, refused};

/// A definition with one task, which needs `sns:Publish` on the topic.
const JSON: &str = r#"{"StartAt":"Tell","States":{"Tell":{"Type":"Task","Resource":"arn:aws:states:::sns:publish",
    "Parameters":{"TopicArn":"${TopicArn}","Message":"x"},"End":true}}}"#;
/// The same definition as YAML.
const YAML: &str = "StartAt: Tell\nStates:\n  Tell:\n    Type: Task\n    Resource: arn:aws:states:::sns:publish\n    \
                    Parameters: { TopicArn: \"${TopicArn}\", Message: x }\n    End: true\n";
const GRANTED: &str = "on arn:aws:sns:eu-west-1:123456789012:done\n";
/// What no output may have.
const SECRET: &str = "hunter2";

/// An empty repository with a folder for templates.
struct Repository {
    root: PathBuf,
}

impl Repository {
    fn new(name: &str) -> Self {
        Self::below(Path::new(env!("CARGO_TARGET_TMPDIR")), name)
    }

    fn below(folder: &Path, name: &str) -> Self {
        let outer = folder.join(name);
        drop(fs::remove_dir_all(&outer));
        let root = outer.join("repository");
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::create_dir_all(root.join("templates")).unwrap();
        Self { root }
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn path(&self, path: &str) -> String {
        self.root.join(path).to_str().unwrap().to_owned()
    }

    /// Writes a template with a workflow role that has these properties, and with other resources.
    fn template(&self, properties: &Value, others: &Value) -> String {
        let mut role = json!({
            "ServiceToken": "x",
            "DefinitionSubstitutions": { "TopicArn": "arn:aws:sns:eu-west-1:123456789012:done" },
        });
        role.as_object_mut().unwrap().extend(properties.as_object().unwrap().clone());
        let mut resources = json!({ "Role": { "Type": "Custom::StepFunctionsWorkflowRole", "Properties": role } });
        resources.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        self.write("templates/template.json", &json!({ "Resources": resources }).to_string());
        self.path("templates/template.json")
    }

    /// A template whose role has the location.
    fn located(&self, location: impl Into<Value>) -> String {
        let location: Value = location.into();
        self.template(&json!({ "DefinitionS3Location": location }), &json!({}))
    }
}

/// The state machine of a SAM template.
fn serverless(uri: impl Into<Value>) -> Value {
    let uri: Value = uri.into();
    let role = json!({ "Fn::GetAtt": ["Role", "RoleArn"] });
    json!({ "Type": "AWS::Serverless::StateMachine", "Properties": { "Role": role, "DefinitionUri": uri } })
}

fn object() -> Value {
    json!({ "Bucket": "assets", "Key": "churn.json", "Version": "1" })
}

#[test]
fn a_local_path_is_read_as_the_definition() {
    let repository = Repository::new("local-path");
    repository.write("templates/churn.asl.json", JSON).write("machines/churn.asl.yaml", YAML);
    for path in ["churn.asl.json", "./churn.asl.json", "../machines/churn.asl.yaml"] {
        let out = printed(&[&repository.located(path)]);
        assert!(out.contains(GRANTED), "{path}: {out}");
        assert!(out.contains(&format!("`DefinitionS3Location`: `{path}` is a local file, but the function")), "{out}");
        assert!(!out.contains("no such property"), "{out}");
    }
}

#[test]
fn json_that_needs_its_substitutions_is_read_with_them() {
    let repository = Repository::new("substitutions");
    let text = JSON.replace(r#""End""#, r#""TimeoutSeconds":${Seconds},"End""#);
    repository.write("templates/churn.asl.json", &text);
    let substitutions = json!({ "TopicArn": "arn:aws:sns:eu-west-1:123456789012:done", "Seconds": "60" });
    let properties = json!({ "DefinitionS3Location": "churn.asl.json", "DefinitionSubstitutions": substitutions });
    let out = printed(&[&repository.template(&properties, &json!({}))]);
    assert!(out.contains(GRANTED), "{out}");
}

#[test]
fn a_path_that_can_not_be_read_is_refused_by_name_and_without_content() {
    let repository = Repository::new("refused-paths");
    let long = format!("{JSON}{}", " ".repeat(1_048_577));
    repository
        .write("../outside.json", JSON)
        .write("templates/long.json", &long)
        .write("templates/secret.yaml", &format!("password: {SECRET}\n"))
        .write("templates/broken.json", &format!("{{\"{SECRET}\": "))
        .write("templates/broken.yaml", &format!("a: [{SECRET}\n"))
        .write("templates/tag.asl.yaml", &YAML.replace("\"${TopicArn}\"", &format!("!Sub \"{SECRET}\"")));
    fs::create_dir_all(repository.root.join("templates/folder")).unwrap();
    fs::write(repository.root.join("templates/latin1.json"), b"{\"hunter2\": \"\xe9\"}").unwrap();
    for (path, part) in [
        ("/etc/passwd", "found `/etc/passwd`, expected a path that starts from the folder of the template"),
        ("../../outside.json", "found `../../outside.json`, which is outside the repository of the template"),
        ("../../absent.json", "found `../../absent.json`, which is outside the repository of the template"),
        ("absent.json", "found `absent.json`, expected a file that exists"),
        ("folder", "found `folder`, which is a folder, expected a file"),
        ("long.json", "bytes, expected at most 1048576, the maximum of Step Functions"),
        ("latin1.json", "found `latin1.json`, expected text in UTF-8"),
        ("secret.yaml", "`secret.yaml`: found no key `States`, expected a state machine definition"),
        ("broken.json", "`broken.json`: is not valid JSON: "),
        ("broken.yaml", "`broken.yaml`: can't be read as YAML: "),
        ("tag.asl.yaml", "`tag.asl.yaml`: can't be read as YAML: found a tag such as `!Sub`"),
        ("s3://assets/churn.json", "found `s3://assets/churn.json`, expected `{Bucket, Key, Version}`"),
        ("file:///etc/passwd", "found `file:///etc/passwd`, expected `{Bucket, Key, Version}`"),
        ("https://example.com/x", "found `https://example.com/x`, expected `{Bucket, Key, Version}`"),
    ] {
        let said = refused(&[&repository.located(path)]);
        assert!(said.contains(part) && said.contains("`DefinitionS3Location`: "), "{part} is missing in {said}");
        assert!(!said.contains(SECRET), "{path}: {said}");
        assert!(!said.contains("Plan") && !said.contains("allowed only with"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_within_the_repository_only_and_a_pipe_is_not_opened() {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    let repository = Repository::new("links");
    repository.write("machines/churn.asl.json", JSON).write("../outside.json", JSON);
    let folder = repository.root.join("templates");
    symlink("../machines/churn.asl.json", folder.join("inside.json")).unwrap();
    symlink("../../outside.json", folder.join("outside.json")).unwrap();
    symlink("../..", folder.join("above")).unwrap();
    symlink("/dev/zero", folder.join("zero.json")).unwrap();
    assert!(printed(&[&repository.located("inside.json")]).contains(GRANTED));
    for path in ["outside.json", "above/outside.json", "zero.json"] {
        let said = refused(&[&repository.located(path)]);
        assert!(said.contains("which is outside the repository of the template"), "{path}: {said}");
    }
    assert!(Command::new("mkfifo").arg(folder.join("pipe.json")).status().unwrap().success());
    let said = refused(&[&repository.located("pipe.json")]);
    assert!(said.contains("found `pipe.json`, which is a device or a pipe, expected a file"), "{said}");
    let said = refused(&[&repository.located(object()), "--definition", "Role=/dev/zero"]);
    assert!(said.contains("`--definition Role`: found `/dev/zero`, which is a device or a pipe"), "{said}");
}

#[test]
fn without_a_repository_the_folder_of_the_template_is_the_limit() {
    let name = format!("mlops-roles-preview-{}", std::process::id());
    let repository = Repository::below(&std::env::temp_dir(), &name);
    fs::remove_dir_all(repository.root.join(".git")).unwrap();
    repository.write("churn.asl.json", JSON).write("templates/churn.asl.json", JSON);
    assert!(printed(&[&repository.located("churn.asl.json")]).contains(GRANTED));
    assert!(refused(&[&repository.located("../churn.asl.json")]).contains("which is outside the repository"));
    // A worktree and a submodule have a file of this name.
    repository.write(".git", "gitdir: elsewhere\n");
    assert!(printed(&[&repository.located("../churn.asl.json")]).contains(GRANTED));
    fs::remove_dir_all(repository.root.parent().unwrap()).unwrap();
}

#[test]
fn an_object_in_s3_is_replaced_by_the_file_of_the_option() {
    let repository = Repository::new("objects");
    repository.write("machines/churn.asl.yaml", YAML);
    let file = format!("Role={}", repository.path("machines/churn.asl.yaml"));
    let template = repository.located(object());
    assert!(refused(&[&template]).contains("give the local file of the definition with `--definition Role=FILE`"));
    assert!(printed(&[&template, "--definition", &file]).contains(GRANTED));
    for (option, part) in [
        ("Role=absent.json", "`--definition Role`: found `absent.json`, expected a file that exists"),
        ("Other=absent.json", "`--definition Other`: the file has no workflow role of this name"),
        ("Role", "expected NAME=VALUE"),
    ] {
        let said = refused(&[&template, "--definition", option]);
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    let template = repository.template(&json!({ "Integrations": ["sns:publish"] }), &json!({}));
    let said = refused(&[&template, "--definition", &file]);
    assert!(said.contains("`--definition Role`: the resource has no `DefinitionS3Location`"), "{said}");
    let said = refused(&["examples/pipeline.asl.json", "--definition", &file]);
    assert!(said.contains("`--definition`: does not apply to a state machine definition"), "{said}");
}

#[test]
fn the_object_is_taken_to_be_the_file_of_the_state_machine_with_the_role() {
    let repository = Repository::new("beside");
    repository.write("templates/churn.asl.json", JSON);
    let location = json!({ "DefinitionS3Location": object() });
    let out = printed(&[&repository.template(&location, &json!({ "Machine": serverless("churn.asl.json") }))]);
    assert!(out.contains(GRANTED), "{out}");
    assert!(out.contains("the object is assumed to be the file of `DefinitionUri` of `Machine`"), "{out}");
    for others in [
        json!({ "Machine": serverless("s3://assets/churn.json") }),
        json!({ "Machine": serverless("churn.asl.json"), "Another": serverless("other.asl.json") }),
    ] {
        let said = refused(&[&repository.template(&location, &others)]);
        assert!(said.contains("the program does not read S3"), "{said}");
    }
    let said = refused(&[&repository.template(&location, &json!({ "Machine": serverless("absent.json") }))]);
    assert!(said.contains("`DefinitionUri` of `Machine`: found `absent.json`, expected a file that exists"), "{said}");
}

#[test]
fn a_definition_that_only_the_state_machine_has_is_not_read_but_told() {
    let repository = Repository::new("not-read");
    repository.write("templates/churn.asl.json", JSON);
    let role = "arn:aws:iam::123456789012:role/SageMaker";
    let properties =
        json!({ "SageMakerExecutionRoleArns": role, "DefinitionSubstitutions": { "Ref": "AWS::NoValue" } });
    let machine = json!({ "Type": "AWS::StepFunctions::StateMachine", "Properties": {
        "RoleArn": { "Fn::Sub": "${Role.RoleArn}" },
        "DefinitionS3Location": "churn.asl.json",
    } });
    for (machine, parts) in [
        (
            serverless("churn.asl.json"),
            ["`DefinitionUri` of `Machine` is not in the role's properties", "{ Location: churn.asl.json }"],
        ),
        (machine, ["`DefinitionS3Location` of `Machine` is not in the role's", "{ Location: churn.asl.json }"]),
        (
            serverless("s3://assets/churn.json"),
            ["`DefinitionUri` of `Machine` is not in the role's", "add `DefinitionS3Location` with `Bucket`"],
        ),
    ] {
        let out = printed(&[&repository.template(&properties, &json!({ "Machine": machine }))]);
        for part in parts {
            assert!(out.contains(part), "{part} is missing in {out}");
        }
        assert!(!out.contains("for Tell"), "the role has the policy of the console guide: {out}");
    }
    let mut other = serverless("churn.asl.json");
    other["Properties"]["Role"] = json!("arn:aws:iam::123456789012:role/Other");
    let out = printed(&[&repository.template(&properties, &json!({ "Machine": other }))]);
    assert!(!out.contains("`Machine`"), "{out}");
}

#[test]
fn the_definition_of_an_event_is_the_file_of_the_option() {
    let repository = Repository::new("event");
    let file = format!("WorkflowRole={}", repository.write("churn.asl.json", JSON).path("churn.asl.json"));
    let update = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/update.json")).unwrap();
    let mut event: Value = serde_json::from_str(&update).unwrap();
    event["LogicalResourceId"] = "WorkflowRole".into();
    for which in ["ResourceProperties", "OldResourceProperties"] {
        let properties = event[which].as_object_mut().unwrap();
        properties.remove("Definition");
        properties.remove("Integrations");
        properties.insert("DefinitionS3Location".into(), object());
        properties
            .insert("DefinitionSubstitutions".into(), json!({ "TopicArn": "arn:aws:sns:eu-west-1:123456789012:done" }));
    }
    let path = repository.write("event.json", &event.to_string()).path("event.json");
    assert!(refused(&[&path]).contains("`--definition WorkflowRole=FILE`"));
    let out = printed(&[&path, "--definition", &file]);
    assert!(out.contains(GRANTED) && !out.contains("what the old definition needed"), "{out}");
    event["OldResourceProperties"]["DefinitionS3Location"]["Version"] = "0".into();
    let path = repository.write("event.json", &event.to_string()).path("event.json");
    let out = printed(&[&path, "--definition", &file]);
    assert!(out.contains("the program does not know what the old definition needed"), "{out}");
}

#[test]
fn a_definition_is_read_as_json_and_as_yaml_without_functions() {
    let repository = Repository::new("bare");
    repository
        .write("churn.asl.json", JSON)
        .write("churn.asl.yaml", YAML)
        .write("tag.asl.yaml", &YAML.replace("\"${TopicArn}\"", "!Ref Topic"));
    let topic = "TopicArn=arn:aws:sns:eu-west-1:123456789012:done";
    for file in ["churn.asl.json", "churn.asl.yaml"] {
        assert!(printed(&[&repository.path(file), "--set", topic]).contains(GRANTED), "{file}");
    }
    let said = refused(&[&repository.path("tag.asl.yaml")]);
    assert!(said.contains("found a tag such as `!Sub`, expected a definition without functions"), "{said}");
}
