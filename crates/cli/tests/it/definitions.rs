//! Tests which definition the preview reads where the properties do not have it, and that it reads no other file.

use std::fs;
use std::path::{Path, PathBuf};

use mlops_roles_core::resource::definition_location::digest;
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

/// The local file stands for the object, so the checks of the function apply to its location.
#[test]
fn the_location_of_an_object_is_checked_as_the_function_does_it() {
    let repository = Repository::new("checked-locations");
    let file = format!("Role={}", repository.write("churn.asl.json", JSON).path("churn.asl.json"));
    let (form, unpinned) = ("expected `{Bucket, Key}` or `{Bucket, Key, Version}`", "found neither `Version` nor");
    for (location, part) in [
        (json!({ "Bucket": "My_Assets", "Key": "a.json", "Version": "1" }), "found `My_Assets`, expected the name"),
        (json!({ "Bucket": "assets", "Key": "a.json", "Version": "" }), form),
        (json!({ "Bucket": "assets", "Key": "a.json", "Etag": "1" }), form),
        (json!({ "Bucket": "assets", "Key": "a.json" }), unpinned),
        (json!({ "Bucket": "assets", "Key": "a.json", "Version": "null" }), unpinned),
    ] {
        let said = refused(&[&repository.located(location), "--definition", &file]);
        assert!(said.contains(part) && !said.contains("Plan"), "{part} is missing in {said}");
    }
    let template = repository.located(json!({ "Bucket": "assets", "Key": "a.json" }));
    let out = printed(&[&template, "--definition", &file, "--deployer", "AllowUnpinnedDefinitions=true"]);
    assert!(out.contains(GRANTED), "{out}");
}

#[test]
fn the_locations_that_the_deployer_allows_are_checked_if_they_are_known() {
    let repository = Repository::new("allowed-locations");
    let file = format!("Role={}", repository.write("churn.asl.json", JSON).path("churn.asl.json"));
    let template = repository.located(object());
    let assumed = "the deployer's `DefinitionLocations` is assumed to allow `arn:aws:s3:::assets/churn.json`";
    let out = printed(&[&template, "--definition", &file]);
    assert!(out.contains(assumed) && out.contains(GRANTED), "{out}");
    let deployer = "DefinitionLocations=arn:aws:s3:::assets/*";
    let out = printed(&[&template, "--definition", &file, "--deployer", deployer]);
    assert!(!out.contains(assumed) && out.contains(GRANTED), "{out}");
    for (deployer, part) in [
        ("DefinitionLocations=arn:aws:s3:::others/*", "an object that matches one of `arn:aws:s3:::others/*`"),
        ("DefinitionLocations=", "not allowed, because the deployer's `DefinitionLocations` is empty"),
    ] {
        let said = refused(&[&template, "--definition", &file, "--deployer", deployer]);
        assert!(said.contains(part), "{part} is missing in {said}");
    }
}

#[test]
fn the_sha_256_of_the_object_is_that_of_the_local_file() {
    let repository = Repository::new("sha-256");
    repository.write("churn.asl.json", JSON).write("churn.asl.yaml", YAML);
    let [json_file, yaml_file] = ["json", "yaml"].map(|form| format!("Role={}", repository.path("churn.asl.") + form));
    let location = json!({ "Bucket": "assets", "Key": "churn.json" });
    let template = |sha256: &str| {
        repository.template(&json!({ "DefinitionS3Location": location, "DefinitionSha256": sha256 }), &json!({}))
    };
    let (of_json, of_yaml) = (digest(JSON.as_bytes()), digest(YAML.as_bytes()));
    for sha256 in [of_json.clone(), of_json.to_ascii_uppercase()] {
        assert!(printed(&[&template(&sha256), "--definition", &json_file]).contains(GRANTED));
    }
    let said = refused(&[&template(&of_json), "--definition", &yaml_file]);
    let advice = "give the file that the object was uploaded from";
    for part in ["`--definition Role`: found `", &of_json, &of_yaml, advice] {
        assert!(said.contains(part), "{part} is missing in {said}");
    }
    assert!(!said.contains("Plan"), "{said}");
    let said = refused(&[&template(&of_yaml), "--definition", &yaml_file]);
    assert!(said.contains("the object is not valid JSON at line 1, column 1"), "{said}");
    let said = refused(&[&template("12ab"), "--definition", &json_file]);
    assert!(said.contains("`DefinitionSha256`: found `12ab`, expected the SHA-256 of the object"), "{said}");
    let out = printed(&[&repository.located(object()), "--definition", &yaml_file]);
    assert!(out.contains("is YAML, but the function reads JSON alone") && out.contains(GRANTED), "{out}");
}

#[test]
fn the_location_and_the_values_in_the_definition_may_be_known_only_at_deployment() {
    let repository = Repository::new("unknown-locations");
    let file = format!("Role={}", repository.write("churn.asl.json", JSON).path("churn.asl.json"));
    let parameter = json!({ "Type": "String" });
    let properties = json!({
        "ServiceToken": "x",
        "DefinitionS3Location": {
            "Bucket": { "Fn::Sub": "assets-${AWS::AccountId}-${Team}" },
            "Key": { "Ref": "Key" },
            "Version": { "Ref": "Version" },
        },
        "DefinitionSha256": { "Ref": "Sha256" },
        "DefinitionSubstitutions": { "TopicArn": { "Ref": "Topic" } },
    });
    let template = json!({
        "Parameters": { "Team": parameter, "Key": parameter, "Version": parameter, "Sha256": parameter },
        "Resources": {
            "Topic": { "Type": "AWS::SNS::Topic" },
            "Role": { "Type": "Custom::StepFunctionsWorkflowRole", "Properties": properties },
        },
    });
    let path = repository.write("template.json", &template.to_string()).path("template.json");
    for more in [&[][..], &["--deployer", "DefinitionLocations=arn:aws:s3:::others/*"]] {
        let out = printed(&[&[path.as_str(), "--definition", &file], more].concat());
        assert!(out.contains("on ${Topic}\n"), "{out}");
        assert!(!out.contains("Possible errors") && !out.to_lowercase().contains("zq0"), "{out}");
    }
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
fn an_event_needs_no_file_for_what_it_deletes_or_replaces() {
    let repository = Repository::new("old-locations");
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    for (name, which, note) in [
        ("delete", "ResourceProperties", "the program does not know how many policies the definition led to"),
        ("update", "OldResourceProperties", "the program does not know what the old definition needed"),
    ] {
        let text = fs::read_to_string(events.join(format!("{name}.json"))).unwrap();
        let mut event: Value = serde_json::from_str(&text).unwrap();
        event[which]["DefinitionS3Location"] = object();
        let path = repository.write("event.json", &event.to_string()).path("event.json");
        let out = printed(&[&path]);
        assert!(out.contains(note) && !out.contains("Policy-2"), "{out}");
        assert!(!out.contains("is assumed to allow"), "{out}");
    }
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
        assert!(printed(&[&repository.path(file), "--set", topic]).contains(GRANTED), "{file}");
    }
    let said = refused(&[&repository.path("tag.asl.yaml")]);
    assert!(said.contains("found a tag such as `!Sub`, expected a definition without functions"), "{said}");
}
