//! Tests which definition `plan` reads where the properties do not have it, and that it reads no other file.

mod objects;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::plan::{printed, refused};

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
pub struct Repository {
    pub root: PathBuf,
}

impl Repository {
    pub fn new(name: &str) -> Self {
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

    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn path(&self, path: &str) -> String {
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
    let name = format!("mlops-roles-plan-{}", std::process::id());
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

/// The function compares these ARNs with its account and region.
#[test]
fn the_arns_that_an_author_declares_fit_an_unknown_account_and_region() {
    let repository = Repository::new("declared");
    let limit = "arn:aws:ssm:eu-west-1:123456789012:parameter/churn/limit";
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let definition = json!({ "StartAt": "Limit", "States": {
        "Limit": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:ssm:getParameter",
            "Parameters": { "Name.$": "$.name" },
            "Next": "Tell",
        },
        "Tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Parameters": { "TopicArn": "${TopicArn}", "Message": "x" },
            "Next": "Sum",
        },
        "Sum": {
            "Type": "Task",
            "Resource": "arn:aws:states:::athena:startQueryExecution.sync",
            "Parameters": {
                "QueryString": "INSERT INTO totals SELECT * FROM sales",
                "WorkGroup": "primary",
                "QueryExecutionContext": { "Catalog": "AwsDataCatalog", "Database": "churn" },
                "ResultConfiguration": { "OutputLocation": "s3://results-of-churn/totals/" },
            },
            "End": true,
        },
    } });
    let lake = json!({ "Sum": {
        "Read": { "Fn::Sub": "arn:${AWS::Partition}:s3:::${Lake}/sales/*" },
        "Write": [{ "Fn::Sub": "${Lake.Arn}/totals/*" }],
    } });
    let others = json!({
        "Key": { "Type": "AWS::KMS::Key" },
        "Lake": { "Type": "AWS::S3::Bucket" },
        "Topic": { "Type": "AWS::SNS::Topic" },
        "Limit": { "Type": "AWS::SSM::Parameter" },
    });
    let printed_with = |overrides: Value, keys: Value| {
        let properties = json!({
            "Definition": definition,
            "DefinitionSubstitutions": { "TopicArn": { "Ref": "Topic" } },
            "ResourceOverrides": { "Limit": overrides },
            "TaskResources": lake,
            "DataKeys": keys,
        });
        let out = printed(&[&repository.template(&properties, &others)]);
        assert!(!out.contains("Possible errors"), "{out}");
        assert!(out.contains(":s3:::${Lake}/sales/*\n"), "{out}");
        assert!(out.contains("on ${Lake.Arn}/totals/*\n"), "{out}");
        out
    };
    let by_function = json!({ "Fn::Sub": "arn:aws:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${Limit}" });
    let out = printed_with(by_function, json!({ "Fn::GetAtt": ["Key", "Arn"] }));
    assert!(out.contains("on ${Key.Arn}\n"), "{out}");
    assert!(out.contains("on arn:aws:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${Limit}\n"), "{out}");
    let out = printed_with(json!([limit]), json!([key]));
    assert!(out.contains(&format!("on {limit}\n")) && out.contains(&format!("on {key}\n")), "{out}");
    assert!(out.contains("the region is assumed to be eu-west-1, the region of the ARNs in"), "{out}");
    assert!(out.contains("the account is assumed to be 123456789012, the account of the ARNs in"), "{out}");
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
        assert!(printed(&[&repository.path(file), "--definition-substitution", topic]).contains(GRANTED), "{file}");
    }
    let said = refused(&[&repository.path("tag.asl.yaml")]);
    assert!(said.contains("found a tag such as `!Sub`, expected a definition without functions"), "{said}");
}

/// git keeps credentials in its folder, and another repository below has a folder of its own.
#[test]
fn no_file_of_git_and_of_another_repository_is_read() {
    let repository = Repository::new("of-git");
    repository.write(".git/HEAD", "SECRET: 1").write("module/.git", "gitdir: x").write("module/a.yaml", "SECRET: 1");
    for location in ["../.git/HEAD", "../module/a.yaml"] {
        let include = json!({ "Fn::Transform": { "Name": "AWS::Include", "Parameters": { "Location": location } } });
        let said = refused(&[&repository.template(&json!({ "Definition": include }), &json!({}))]);
        assert!(said.contains("which is outside the repository") && !said.contains("SECRET"), "{said}");
    }
}
