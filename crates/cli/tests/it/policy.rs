//! Tests `mlops-roles policy` as a user runs it. The expected output is in `tests/data/policy`; `make bless` writes the
//! current output there.

mod alike;
mod directory;
mod query;

use std::path::Path;

use serde_json::{Value, json};

use mlops_roles_testkit::data;
use mlops_roles_testkit::snapshot::assert_unchanged;

use crate::process::{ROOT, run, run_in, written};

const PLACE: [&str; 4] = ["--account", "123456789012", "--region", "eu-west-1"];

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:done";

/// The definition with one task, which publishes to `${TopicArn}`.
const TELL: &str = "tests/data/policy/tell.asl.json";

/// The definition with one query, whose tables nobody names.
const QUERY: &str = "tests/data/policy/query.asl.json";

/// A template with several state machines.
const MACHINES: &str = "tests/data/policy/machines.yaml";

/// A template of SAM with one state machine.
const SAM: &str = "tests/data/policy/sam.yaml";

/// The standard output of a run that succeeds.
fn printed(arguments: &[&str]) -> String {
    let ran = run(&[&["policy"][..], arguments].concat());
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.out, ran.error);
    ran.out
}

/// The result of a run that succeeds.
fn derived(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments)).unwrap()
}

/// The error output of a run that fails, and prints nothing else.
fn refused(arguments: &[&str]) -> String {
    let ran = run(&[&["policy"][..], arguments].concat());
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{arguments:?}: {}", ran.error);
    ran.error
}

/// The arguments for one state machine of the template with several.
fn of_machine<'a>(id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[MACHINES, "--resource", id][..], &PLACE, more].concat()
}

/// The file of the expected output, and the arguments that print it.
fn of_files() -> Vec<(&'static str, Vec<String>)> {
    let topic = format!("Topic={TOPIC}");
    let values = [
        "Role.Arn=arn:aws:iam::123456789012:role/Train",
        "Score.Arn=arn:aws:lambda:eu-west-1:123456789012:function:score",
        "churn-scores=scores",
        "Key.Arn=arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        &topic,
    ];
    let values: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
    let stored = format!("Stored={TELL}");
    let definition_topic = format!("TopicArn={TOPIC}");
    let pipeline = [
        "examples/pipeline.asl.json",
        "--property",
        "StateMachineName=churn",
        "--definition-substitution",
        "ExecutionRoleArn=arn:aws:iam::123456789012:role/SageMakerExecution",
        "--definition-substitution",
        &definition_topic,
    ];
    let all = [
        ("pipeline.json", [&pipeline[..], &PLACE].concat()),
        ("sam.json", [&[SAM, "--stack-name", "prod"][..], &PLACE, &values].concat()),
        ("sam-placeholders.json", vec![SAM, "--placeholders", "--set", "churn-scores=scores"]),
        ("cdk-placeholders.json", vec!["tests/data/policy/cdk.json", "--placeholders"]),
        ("inline.json", of_machine("Inline", &[])),
        ("text.json", of_machine("Text", &["--set", "Level=ALL"])),
        ("local.json", of_machine("Local", &["--placeholders"])),
        ("stored.json", of_machine("Stored", &["--definition", &stored, "--set", &topic, "--set", "IsTold=true"])),
        ("nothing.json", of_machine("Nothing", &[])),
        ("query.json", [&[QUERY, "--property", "StateMachineName=query"][..], &PLACE].concat()),
    ];
    all.into_iter().map(|(file, all)| (file, all.into_iter().map(str::to_owned).collect())).collect()
}

#[test]
fn what_is_printed_is_what_was_blessed() {
    assert_unchanged(of_files().into_iter().map(|(name, arguments)| {
        let found = printed(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        for stand_in in ["Zq", "zq0", "700905", "zz-west-9", "907060504030"] {
            assert!(!found.contains(stand_in), "{name}: {found}");
        }
        (data("policy").join(name), found)
    }));
}

#[test]
fn a_template_with_several_machines_needs_the_name_of_one() {
    // The stack does not have `Stored`.
    let all = "`Inline`, `Local`, `Nothing`, `Text`, `Undefined`";
    let said = refused(&[MACHINES]);
    assert!(said.contains(&format!("several state machines; choose one of {all} with `--resource`")), "{said}");
    let said = refused(&[MACHINES, "--resource", "Inlne"]);
    let part = format!("`--resource Inlne`: the template has no such state machine, expected one of {all}");
    assert!(said.contains(&part), "{said}");
    let said = refused(&[MACHINES, "--resource", "Inline", "--resource", "Text"]);
    assert!(said.contains("`--resource`: given 2 times; name one state machine"), "{said}");
    let found =
        derived(&[&[SAM, "--placeholders", "--set", "churn-scores=x", "--resource", "Pipeline"][..], &PLACE].concat());
    assert_eq!(found["stateMachine"], "Pipeline");
}

#[test]
fn what_has_no_policies_is_said_with_what_to_change() {
    let topics = written("policy-topics.yaml", "Resources: { Topic: { Type: 'AWS::SNS::Topic' } }");
    let located = |location: &str| {
        let machine =
            format!("{{ Type: 'AWS::Serverless::StateMachine', Properties: {{ DefinitionUri: {location} }} }}");
        written(&format!("policy-{}.yaml", location.len()), &format!("Resources: {{ M: {machine} }}"))
    };
    let (outside, absent, stored) =
        (located("../../../../../../../etc/passwd"), located("absent"), located("s3://a/b"));
    for (arguments, part) in [
        (vec!["no-such-file"], "`no-such-file`: can't be read: "),
        (vec!["events/create.json"], "the file is an event, expected a state machine definition or a template"),
        (vec![&topics], "the template has no state machine (`AWS::Serverless::StateMachine`, `AWS::StepFunctions"),
        (vec![MACHINES, "--resource", "Undefined"], "`Undefined` has no definition; give the local file with"),
        (
            vec![MACHINES, "--resource", "Stored", "--set", "IsTold=true"],
            "the definition of `Stored` is in S3, which the program does not read",
        ),
        (vec![&stored], "the definition of `M` is in S3, which the program does not read; give the local file with"),
        (vec![&absent], "the definition of `M`: found `absent`, expected a file that exists"),
        (vec![&outside], "which is outside the repository of the template"),
        (
            vec![SAM, "--definition", "Topic=x"],
            "`--definition Topic`: the file has no workflow role of this name that needs a definition, expected one of \
             `Pipeline`",
        ),
        (vec![SAM, "--definition", "Pipeline=absent"], "`--definition Pipeline`: found `absent`, expected a file that"),
        (vec![SAM, "--definition", "Pipeline=rustfmt.toml"], "`--definition Pipeline`: `rustfmt.toml`: "),
        (
            vec![TELL, "--property", "RoleName=x"],
            "`--property RoleName`: does not change the policies, expected one of",
        ),
        (vec![TELL, "--property", "Definition=x"], "`--property Definition`: the file is the definition"),
        (vec![TELL, "--property", "Logging=perhaps"], "`Logging`: found `perhaps`"),
        (vec![TELL, "--set", "x=y"], "`--set`: does not apply to a state machine definition"),
        (vec![TELL, "--resource", "x"], "`--resource`: does not apply to a state machine definition"),
        (vec![TELL, "--definition", "x=y"], "`--definition`: does not apply to a state machine definition"),
        (vec![TELL, "--definition-substitution", "Topic=x"], "the definition has no `${Topic}`"),
        (vec![TELL, "--region", "mars"], "`--region mars`: expected a region of partition `aws`"),
        (vec![TELL, "--task-resources", "absent"], "`--task-resources`: found `absent`, expected a file that exists"),
        (
            vec![TELL, "--task-resources", TELL, "--property", "TaskResources={}"],
            "`--property TaskResources`: not allowed with `--task-resources`",
        ),
        (vec![TELL, "--deployer", "RolePaths=/"], "unexpected argument '--deployer'"),
        (vec![TELL, "--against-account"], "unexpected argument '--against-account'"),
        (vec![], "FILE is missing; name a state machine definition or a template, or `-` for standard input"),
    ] {
        let said = refused(&arguments);
        assert!(said.contains(part), "{part} is missing in {said}");
        assert!(!said.contains("root:"), "{said}");
    }
}

/// An option without effect would be a mistake that nobody sees.
#[test]
fn an_option_that_the_machine_does_not_use_is_refused() {
    let said = refused(&of_machine("Text", &["--set", "Lvel=ALL"]));
    assert!(
        said.contains("`--set Lvel`: no resource of mlops-roles in the template uses this name, did you mean `Level`?"),
        "{said}"
    );
    let said = refused(&of_machine("Text", &["--set", "Other=ALL"]));
    assert!(
        said.contains("`--set Other`: no resource of mlops-roles in the template uses this name; leave the option out"),
        "{said}"
    );
    let said = refused(&of_machine("Text", &["--definition-substitution", "Other=x"]));
    assert!(said.contains("`--definition-substitution Other`: the definition has no `${Other}`"), "{said}");
    // The value decides about the permissions to write logs.
    assert!(printed(&of_machine("Text", &["--set", "Level=ALL"])).contains("logs:CreateLogDelivery"));
    assert!(!printed(&of_machine("Text", &["--set", "Level=OFF"])).contains("logs:CreateLogDelivery"));
}

#[test]
fn what_a_deployment_decides_is_not_assumed_in_silence() {
    let said = refused(&of_machine("Stored", &[]));
    let part = "`--resource Stored`: condition `IsTold` is false, so the stack does not have this state machine";
    assert!(said.contains(part), "{said}");
    let said = refused(&of_machine("Text", &[]));
    assert!(said.contains("are unknown: `Level`; set `--set Level=VALUE`"), "{said}");
    let found = derived(&of_machine("Text", &["--placeholders"]));
    assert!(found["notes"].to_string().contains("`Logging`: `${Level}` is assumed to be `true`"), "{found}");
    assert!(found["policies"].to_string().contains("logs:CreateLogDelivery"), "{found}");
    // A name without a value would become a wildcard.
    let text = std::fs::read_to_string(Path::new(ROOT).join(SAM)).unwrap().replace("        Table:", "        Other:");
    let template = data("policy").join("churn.asl.yaml");
    let text = text.replace("DefinitionUri: churn.asl.yaml", "DefinitionUri: policy-churn.asl.yaml");
    written("policy-churn.asl.yaml", &std::fs::read_to_string(template).unwrap());
    let said = refused(&[&[written("policy-without-table.yaml", &text).as_str()][..], &PLACE].concat());
    let part = "the definition has `${Table}`, and `DefinitionSubstitutions` has no value for it; set it there, or with \
                `--definition-substitution Table=VALUE`";
    assert!(said.contains(part), "{said}");
}

#[test]
fn options_replace_what_the_template_has() {
    let local = |more: &[&str]| printed(&[&of_machine("Local", &["--placeholders"])[..], more].concat());
    let other = TOPIC.replace("done", "other");
    let out = local(&["--definition-substitution", &format!("TopicArn={other}")]);
    assert!(out.contains(&other) && !out.contains("${Topic}"), "{out}");
    let out = local(&["--property", "StateMachineName=renamed"]);
    assert!(out.contains(":stateMachine:renamed*") && !out.contains(":stateMachine:local*"), "{out}");
    let out = local(&["--property", "Tracing=true"]);
    assert!(out.contains("xray:PutTraceSegments"), "{out}");
    let out = local(&["--definition", &format!("Local={QUERY}")]);
    assert!(out.contains("athena:StartQueryExecution") && !out.contains("sns:Publish"), "{out}");
}

#[test]
fn a_machine_without_a_name_is_trusted_for_all_names_and_that_is_said() {
    let template = written(
        "policy-unnamed.json",
        &json!({ "Resources": { "M": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": { "DefinitionString": std::fs::read_to_string(Path::new(ROOT).join(TELL)).unwrap() },
        } } })
        .to_string(),
    );
    let topic = format!("TopicArn={TOPIC}");
    let unnamed = [&[template.as_str(), "--definition-substitution", &topic][..], &PLACE].concat();
    let found = derived(&unnamed);
    let note =
        "the state machine has no name, so the trust policy allows every state machine of the account and region";
    assert!(found["notes"].to_string().contains(note), "{found}");
    assert!(found["trustPolicy"].to_string().contains(":stateMachine:*\""), "{found}");
    let named = derived(&[&unnamed[..], &["--property", "StateMachineName=m"]].concat());
    assert!(!named["notes"].to_string().contains(note), "{named}");
}

#[test]
fn each_unknown_value_is_told_with_the_option_that_sets_it() {
    let template = "tests/data/policy/unknown.yaml";
    let said = refused(&[template]);
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    for (name, option) in [
        ("AWS::AccountId", "--account"),
        ("AWS::Region", "--region"),
        ("AWS::StackName", "--stack-name"),
        ("Bus", "--set Bus=VALUE"),
        ("Queue", "--set Queue=VALUE"),
        ("Fn.Arn", "--set Fn.Arn=VALUE"),
        ("shared-table", "--set shared-table=VALUE"),
        ("resolve:ssm:/topic", "--set resolve:ssm:/topic=VALUE"),
        ("Stored", "--set Stored=VALUE"),
        (r#"Base64 "x""#, r#"--set 'Base64 "x"=VALUE'"#),
    ] {
        assert!(said.contains(&format!("`{name}`")) && said.contains(&format!("`{option}`")), "{name}: {said}");
    }
    assert!(said.contains("or keep the names with `--placeholders`"), "{said}");
    let topic = |name: &str| format!("{name}={TOPIC}");
    let (secret, stored) = (topic("resolve:ssm:/topic"), topic("Stored"));
    let values = [
        "Bus=churn",
        "Queue=https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
        "Fn.Arn=arn:aws:lambda:eu-west-1:123456789012:function:f",
        "shared-table=scores",
        r#"Base64 "x"=others"#,
        &secret,
        &stored,
    ];
    let values: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
    let out = printed(&[&[template, "--stack-name", "prod"][..], &PLACE, &values].concat());
    for part in ["event-bus/churn", ":123456789012:jobs", "function:f", "table/scores", "table/others", ":prod-m*"] {
        assert!(out.contains(part), "{part} is missing in {out}");
    }
    assert!(!out.contains("${"), "{out}");
}

#[test]
fn the_values_of_a_bare_definition_are_told_in_the_same_way() {
    let said = refused(&["examples/pipeline.asl.json"]);
    assert_eq!(
        said,
        "error: the policies have values that are unknown: `AWS::AccountId`, `AWS::Region`, `ExecutionRoleArn`, \
         `TopicArn`; set `--account`, `--definition-substitution ExecutionRoleArn=VALUE`, `--definition-substitution \
         TopicArn=VALUE`, `--region`, or keep the names with `--placeholders`\n"
    );
}

#[test]
fn a_name_with_a_brace_is_told_once_and_as_a_whole() {
    let template = "tests/data/policy/brace.yaml";
    let said = refused(&[&[template][..], &PLACE].concat());
    let name = r#"Select [1,{"Fn::Split":[",",{"Ref":"Names"}]}]"#;
    assert!(said.contains(&format!("are unknown: `{name}`; set `--set '{name}=VALUE'`, or keep")), "{said}");
    // No template can fill in such a name.
    let said = refused(&[&[template, "--placeholders"][..], &PLACE].concat());
    assert!(said.contains(&format!("`Fn::Sub` can't fill in: `{name}`; set `--set '{name}=VALUE'`")), "{said}");
    assert!(!said.contains("keep the names"), "{said}");
    let value = format!("{name}=scores");
    assert!(printed(&[&[template, "--set", &value][..], &PLACE].concat()).contains("table/scores"));
}

#[test]
fn needs_that_nobody_names_are_data_and_refused_only_if_asked() {
    let query = |more: &[&str]| run(&[&["policy", QUERY][..], &PLACE, more].concat());
    let problem = "`TaskResources`: missing for state `Ask` of the definition";
    let told = query(&[]);
    assert!(told.code == Some(0) && told.error.contains(&format!("note: {problem}")), "{}", told.error);
    let found: Value = serde_json::from_str(&told.out).unwrap();
    let certain: Vec<&Value> =
        found["needs"].as_array().unwrap().iter().filter(|need| need["required"] == true).collect();
    assert_eq!(certain.len(), 1, "{found}");
    assert_eq!((&certain[0]["state"], &certain[0]["use"]), (&json!("Ask"), &json!("Read")));
    let said = query(&["--strict"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""));
    assert!(said.error.contains(&format!("error: {problem}")), "{}", said.error);
    let file = written("policy-task-resources.yaml", "Ask: { Read: ['arn:aws:s3:::sales/*'] }\n");
    for more in
        [["--task-resources", &file], ["--property", r#"TaskResources={"Ask":{"Read":["arn:aws:s3:::sales/*"]}}"#]]
    {
        let declared = query(&[&more[..], &["--strict"]].concat());
        assert_eq!(declared.code, Some(0), "{}", declared.error);
        assert!(declared.out.contains("arn:aws:s3:::sales/*") && !declared.error.contains(problem), "{}", declared.out);
    }
}

#[test]
fn a_definition_is_read_from_standard_input() {
    let topic = format!("TopicArn={TOPIC}");
    let arguments = [&["policy", "-", "--definition-substitution", &topic][..], &PLACE].concat();
    let definition = std::fs::read_to_string(Path::new(ROOT).join(TELL)).unwrap();
    let ran = run_in(Path::new(ROOT), &arguments, &definition);
    let found: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.error));
    assert_eq!(found["stateMachine"], "StateMachine");
    assert_eq!(found["policies"][0]["Statement"][0]["Resource"], json!([TOPIC]));
    // The paths of a template on standard input start from the current folder.
    let template = std::fs::read_to_string(Path::new(ROOT).join(SAM)).unwrap();
    let arguments = ["policy", "-", "--placeholders", "--set", "churn-scores=scores"];
    let ran = run_in(&data("policy"), &arguments, &template);
    assert_eq!(
        ran.out,
        std::fs::read_to_string(data("policy").join("sam-placeholders.json")).unwrap(),
        "{}",
        ran.error
    );
}

/// A need would otherwise be left out in silence: KMS does not look at a grant on an alias, and a state whose error an
/// unknown value may explain has no grants.
#[test]
fn placeholders_do_not_hide_what_the_policies_may_lack() {
    let machine = |key: &str, role: &str| {
        format!(
            "Resources:\n  Key: {{ Type: 'AWS::KMS::Alias' }}\n  M:\n    Type: AWS::StepFunctions::StateMachine\n    \
             Properties:\n      StateMachineName: m\n      EncryptionConfiguration: {{ KmsKeyId: {key} }}\n      \
             Definition: {{ StartAt: A, States: {{ A: {{ Type: Task, End: true, Resource: \
             'arn:aws:states:::sagemaker:createModel', Parameters: {{ ModelName: m, ExecutionRoleArn: '{role}' }} }} }} }}\n"
        )
    };
    let at = ["--account", "123456789012", "--region", "eu-west-1", "--placeholders"];
    let own = "arn:aws:iam::123456789012:role/R";
    let file = written("alias.yaml", &machine("!Ref Key", own));
    let said = run(&[&["policy", &file], &at[..]].concat());
    assert!(said.error.contains("`${Key}` is assumed to be the id of a key, and not an alias"), "{}", said.error);
    let file = written("arn.yaml", &machine("arn:aws:kms:eu-west-1:123456789012:key/1", own));
    let said = run(&[&["policy", &file], &at[..]].concat());
    assert!(said.code == Some(0) && !said.error.contains("is assumed to be the id"), "{}", said.error);
    let said = run(&["policy", &file, "--placeholders"]);
    assert!(said.code == Some(1) && said.out.is_empty(), "{}", said.error);
    assert!(said.error.contains("the account is unknown; set `--account`"), "{}", said.error);
}
