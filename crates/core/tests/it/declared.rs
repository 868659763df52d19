//! Tests what the definition does not name: needs that only its author can declare, and the keys of data.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::data_keys;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::context::DeriveContext;
use mlops_roles_core::permissions::integration::required::RequiredPermissions;
use mlops_roles_core::permissions::integration::task_resources::{DeclaredRole, TaskResources, Use};

use crate::states::machine;

const ECS_TASKS: &str = "ecs-tasks.amazonaws.com";
const ROLE: &str = "arn:aws:iam::123456789012:role/SageMakerTask";
const DATA: &str = "arn:aws:s3:::sales/2026/*";

/// The required permissions of a machine whose author declares something of its first state.
fn required(machine: &Value, declared: Option<TaskResources>, keys: Option<&[&str]>) -> RequiredPermissions {
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
    let resources: BTreeMap<_, _> = declared.into_iter().map(|declared| ("First".to_owned(), declared)).collect();
    let data_keys = keys.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
    let features = Features { state_machine: Some("runs".into()), data_keys, ..Features::default() };
    let none = BTreeMap::new();
    let context =
        DeriveContext { place: &place, execution_roles: &[], overrides: &none, actions: &none, resources: &resources };
    let (machine, errors) = asl::parse(machine);
    assert_eq!(errors, Vec::<String>::new());
    derive(&machine, &features, context)
}

fn task(resource: &str, parameters: &Value) -> Value {
    let resource = format!("arn:aws:states:::{resource}");
    machine(&json!({ "First": { "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true } }))
}

#[expect(clippy::unnecessary_wraps, reason = "the tests also declare nothing at all, which is `None`")]
fn declared(read: &[&str], write: &[&str], roles: &[(&str, &str)]) -> Option<TaskResources> {
    let owned = |arns: &[&str]| Some(arns.iter().map(|arn| (*arn).to_owned()).collect());
    let role = |(role, service): &(&str, &str)| DeclaredRole { role: (*role).into(), service: (*service).into() };
    Some(TaskResources { read: owned(read), write: owned(write), pass_roles: Some(roles.iter().map(role).collect()) })
}

/// The uses of a machine's undeclared needs: `(use, required)`.
fn open(machine: &Value) -> BTreeSet<(Use, bool)> {
    let needs = required(machine, None, Some(&[])).undeclared;
    needs.into_iter().map(|need| (need.used, need.required)).collect()
}

fn query(text: &str) -> Value {
    task(
        "athena:startQueryExecution.sync",
        &json!({ "QueryString": text, "ResultConfiguration": { "OutputLocation": "s3://results/out/" } }),
    )
}

fn on(required: &RequiredPermissions, action: &str) -> BTreeSet<String> {
    let grants = required.grants.iter().filter(|grant| grant.actions.contains(action));
    grants.flat_map(|grant| grant.resources.clone()).collect()
}

#[test]
fn the_roles_of_a_task_definition_are_passed_if_they_are_declared() {
    for resource in ["ecs:runTask", "ecs:runTask.sync", "ecs:runTask.waitForTaskToken", "aws-sdk:ecs:runTask"] {
        let run = task(resource, &json!({ "TaskDefinition": "score:3", "LaunchType": "FARGATE" }));
        assert_eq!(open(&run), [(Use::PassRole, true)].into(), "{resource}");
        let required = required(&run, declared(&[], &[], &[(ROLE, ECS_TASKS)]), Some(&[]));
        assert_eq!(required.undeclared, [], "{resource}");
        assert_eq!(required.tightened, Vec::<String>::new(), "{resource}");
        let passed = required.pass_role_grants.iter().map(|one| (one.role.as_str(), one.service.as_str()));
        assert_eq!(passed.collect::<BTreeSet<_>>(), [(ROLE, ECS_TASKS)].into(), "{resource}");
    }
}

#[test]
fn an_empty_declaration_says_that_the_state_needs_nothing_more() {
    let run = task("ecs:runTask", &json!({ "TaskDefinition": "score:3", "LaunchType": "FARGATE" }));
    let required = required(&run, declared(&[], &[], &[]), Some(&[]));
    assert_eq!((required.undeclared.len(), required.pass_role_grants.len(), required.tightened.len()), (0, 0, 0));
}

/// A list that is not there says nothing. An object without lists says that nothing is needed.
#[test]
fn each_certain_use_is_declared_or_missing() {
    let insert = query("INSERT INTO t SELECT * FROM s");
    let only = |read: Option<&[&str]>, write: Option<&[&str]>| {
        let owned = |arns: &[&str]| arns.iter().map(|arn| (*arn).to_owned()).collect();
        let declared = TaskResources { read: read.map(owned), write: write.map(owned), pass_roles: None };
        let needs = required(&insert, Some(declared), Some(&[])).undeclared;
        needs.into_iter().filter(|need| need.required).map(|need| need.used).collect::<BTreeSet<_>>()
    };
    assert_eq!(only(Some(&[DATA]), None), [Use::Write].into());
    assert_eq!(only(None, Some(&[DATA])), [Use::Read].into());
    assert_eq!(only(Some(&[]), Some(&[DATA])), [].into());
    assert_eq!(only(None, None), [].into());
}

/// Otherwise a role would lack them in silence.
#[test]
fn possible_needs_of_a_use_that_is_not_declared_stay_notes() {
    let create = query("CREATE TABLE t WITH (external_location = 's3://b/t/') AS SELECT * FROM s");
    let open = |write: Option<Vec<String>>| {
        let declared = TaskResources { read: Some(vec![DATA.to_owned()]), write, pass_roles: None };
        required(&create, Some(declared), Some(&[])).undeclared.into_iter().map(|need| need.used).collect::<Vec<_>>()
    };
    assert_eq!(open(None), [Use::Write]);
    assert_eq!(open(Some(Vec::new())), []);
}

#[test]
fn what_fits_only_another_need_is_told() {
    let using = query("USING EXTERNAL FUNCTION f(x INT) RETURNS INT LAMBDA 'f' SELECT f(a) FROM t");
    let notices = |read: &[&str]| required(&using, declared(read, &[], &[]), Some(&[])).notices;
    let missing = "state `First`: `TaskResources` has nothing that fits the Lambda functions of the external functions";
    assert_eq!(notices(&[DATA]), [missing]);
    let function = "arn:aws:lambda:us-east-1:123456789012:function:f";
    assert_eq!(notices(&[DATA, function]), Vec::<String>::new());
}

#[test]
fn a_role_for_another_service_is_refused_beside_the_right_one() {
    let run = task("ecs:runTask", &json!({ "TaskDefinition": "score:3" }));
    let both = declared(&[], &[], &[(ROLE, ECS_TASKS), (ROLE, "glue.amazonaws.com")]);
    let required = required(&run, both, Some(&[]));
    assert_eq!(required.tightened.len(), 1, "{:?}", required.tightened);
    assert!(required.tightened[0].contains(&format!("`{ROLE}` for `glue.amazonaws.com` in `PassRoles`")));
}

#[test]
fn objects_are_deleted_only_for_a_query_that_certainly_does_so() {
    let both = || declared(&[DATA], &[DATA], &[]);
    let deletes = |text: &str| on(&required(&query(text), both(), Some(&[])), "s3:DeleteObject");
    assert_eq!(deletes("VACUUM t"), [DATA.to_owned()].into());
    assert_eq!(deletes("${query}"), BTreeSet::new());
    assert_eq!(deletes("INSERT INTO t SELECT 1"), BTreeSet::new());
}

#[test]
fn overrides_of_both_roles_leave_nothing_to_declare() {
    let overrides = json!({ "TaskRoleArn": ROLE, "ExecutionRoleArn": ROLE });
    let run = json!({ "TaskDefinition": "score:3", "LaunchType": "FARGATE", "Overrides": overrides });
    assert_eq!(open(&task("ecs:runTask", &run)), BTreeSet::new());
    let one = json!({ "TaskDefinition": "score:3", "LaunchType": "FARGATE", "Overrides": { "TaskRoleArn": ROLE } });
    assert_eq!(open(&task("ecs:runTask", &one)), [(Use::PassRole, true)].into());
}

#[test]
fn a_task_on_instances_may_have_no_role() {
    for launch in ["EC2", "EXTERNAL"] {
        let run = task("ecs:runTask", &json!({ "TaskDefinition": "score:3", "LaunchType": launch }));
        assert_eq!(open(&run), [(Use::PassRole, false)].into(), "{launch}");
    }
}

#[test]
fn what_a_query_touches_follows_from_its_first_words() {
    let (reads, writes) = ((Use::Read, true), (Use::Write, true));
    for (text, expected) in [
        ("SELECT * FROM sales", &[reads][..]),
        ("  -- all of it\n/* and more */ (select * from sales)", &[reads]),
        ("WITH a AS (SELECT 1) SELECT * FROM a", &[reads]),
        ("INSERT INTO t SELECT * FROM s", &[reads, writes]),
        ("CREATE TABLE t AS SELECT * FROM s", &[reads]),
        ("UNLOAD (SELECT * FROM s) TO 's3://b/p/' WITH (format = 'PARQUET')", &[reads, writes]),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", &[reads, writes]),
        ("SHOW TABLES", &[]),
        ("DESCRIBE sales", &[]),
        ("DROP VIEW v", &[]),
        ("${query}", &[reads]),
    ] {
        let found: BTreeSet<_> = open(&query(text)).into_iter().filter(|(_, required)| *required).collect();
        assert_eq!(found, expected.iter().copied().collect(), "{text}");
    }
    let begun =
        task("athena:startQueryExecution", &json!({ "QueryString.$": "States.Format('SELECT * FROM {}', $.t)" }));
    assert_eq!(open(&begun).into_iter().filter(|(_, required)| *required).collect::<BTreeSet<_>>(), [reads].into());
}

#[test]
fn what_is_declared_as_read_never_becomes_writable() {
    let insert = query("INSERT INTO t SELECT * FROM s");
    let required = required(&insert, declared(&[DATA], &["arn:aws:s3:::target/t/*"], &[]), Some(&[]));
    assert_eq!(required.tightened, Vec::<String>::new());
    assert!(on(&required, "s3:GetObject").contains(DATA));
    assert!(on(&required, "s3:ListBucket").contains("arn:aws:s3:::sales"));
    assert!(!on(&required, "s3:PutObject").contains(DATA));
    assert!(on(&required, "s3:PutObject").contains("arn:aws:s3:::target/t/*"));
    let reason = required.grants.iter().find_map(|grant| grant.wildcards.get(DATA));
    assert_eq!(reason.map(String::as_str), Some("`TaskResources` has this wildcard"));
}

/// <https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html>
#[test]
fn a_query_gets_the_writes_to_the_catalog_that_its_first_words_need() {
    let writes = |query: &Value, declared| {
        let required = required(query, declared, Some(&[]));
        let actions = required.grants.iter().flat_map(|grant| &grant.actions);
        let is_write = |name: &str| {
            ["Create", "Update", "Delete", "BatchCreate", "BatchDelete"].iter().any(|verb| name.starts_with(verb))
        };
        let writes = actions.filter(|action| action.strip_prefix("glue:").is_some_and(is_write));
        writes.cloned().collect::<BTreeSet<_>>()
    };
    let nothing = || declared(&[DATA], &[], &[]);
    assert_eq!(writes(&query("SELECT 1"), nothing()), BTreeSet::new());
    assert_eq!(writes(&query("DROP TABLE t"), nothing()).len(), 3);
    assert!(writes(&query("CREATE EXTERNAL TABLE t (a int)"), nothing()).contains("glue:CreateTable"));
    assert!(writes(&query("MSCK REPAIR TABLE t"), nothing()).contains("glue:BatchCreatePartition"));
    assert_eq!(writes(&query("${query}"), nothing()), BTreeSet::new(), "nothing is written");
    assert_eq!(writes(&query("${query}"), None), BTreeSet::new(), "nobody says what is written");
    assert!(writes(&query("${query}"), declared(&[DATA], &[DATA], &[])).contains("glue:UpdateTable"));
}

#[test]
fn what_fits_no_need_is_refused() {
    let select = query("SELECT * FROM sales");
    let wrong = declared(&["arn:aws:s3:::sales"], &[DATA], &[(ROLE, ECS_TASKS)]);
    let tightened = required(&select, wrong, Some(&[])).tightened;
    for (what, list) in [
        ("`arn:aws:s3:::sales`".to_owned(), "Read"),
        (format!("`{DATA}`"), "Write"),
        (format!("`{ROLE}` for `{ECS_TASKS}`"), "PassRoles"),
    ] {
        let expected = format!("`TaskResources`: {what} in `{list}` fits no need of state `First`");
        assert!(tightened.iter().any(|error| error.contains(&expected)), "{expected}: {tightened:?}");
    }
    let nothing = task("lambda:invoke", &json!({ "FunctionName": "score" }));
    assert_eq!(required(&nothing, declared(&[], &[], &[]), Some(&[])).tightened, Vec::<String>::new());
    assert_eq!(required(&nothing, declared(&[DATA], &[], &[]), Some(&[])).tightened.len(), 1);
}

#[test]
fn a_role_that_is_an_expression_is_the_declared_one_for_its_service() {
    let arguments = json!({ "Name": "s", "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": { "Arn": "arn:aws:lambda:us-east-1:123456789012:function:x", "RoleArn.$": "$.role" } });
    let create = task("aws-sdk:scheduler:createSchedule", &arguments);
    let passed = |declared| required(&create, declared, Some(&[])).pass_role_grants;
    assert_eq!(passed(None).len(), 0);
    let found = passed(declared(&[], &[], &[(ROLE, "scheduler.amazonaws.com")]));
    assert_eq!(found.iter().map(|one| one.role.as_str()).collect::<Vec<_>>(), [ROLE]);
    assert_eq!(passed(declared(&[], &[], &[(ROLE, "glue.amazonaws.com")])).len(), 0);
}

#[test]
fn the_files_of_a_manifest_are_those_that_are_declared() {
    let reader = json!({
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": { "InputType": "CSV", "ManifestType": "ATHENA_DATA" },
        "Parameters": { "Bucket": "out", "Key": "unload/q1-manifest.csv" },
    });
    let map = json!({
        "Type": "Map", "ItemReader": reader, "End": true,
        "ItemProcessor": {
            "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "Each", "States": { "Each": { "Type": "Pass", "End": true } },
        },
    });
    let map = machine(&json!({ "First": map }));
    assert_eq!(open(&map), [(Use::Read, true)].into());
    let required = required(&map, declared(&[DATA], &[], &[]), Some(&[]));
    assert_eq!(required.tightened, Vec::<String>::new());
    let expected = ["arn:aws:s3:::out/unload/q1-manifest.csv", DATA].map(str::to_owned);
    assert_eq!(on(&required, "s3:GetObject"), expected.into());
}

#[test]
fn a_state_that_is_not_there_is_refused() {
    let nothing = machine(&json!({ "Second": { "Type": "Succeed" } }));
    let errors = required(&nothing, declared(&[], &[], &[]), Some(&[])).errors;
    assert_eq!(errors, ["`TaskResources`: found `First`, expected the path of a task or of a distributed map"]);
}

const KEY: &str = "arn:aws:kms:us-east-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab";

#[test]
fn a_key_of_data_may_be_used_by_way_of_the_services_that_the_tasks_touch() {
    let send = task("sqs:sendMessage", &json!({ "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/q" }));
    let keys = |machine: &Value, key: &str| {
        let grants = required(machine, None, Some(&[key])).grants;
        let of_keys = grants.into_iter().filter(|grant| grant.state == data_keys::STATE);
        of_keys.map(|grant| (grant.actions, grant.resources, grant.condition.unwrap())).collect::<Vec<_>>()
    };
    let by_queue = json!({ "StringEquals": { "kms:ViaService": ["sqs.us-east-1.amazonaws.com"] } });
    let granted = |action: &str| (BTreeSet::from([action.to_owned()]), [KEY.to_owned()].into(), by_queue.clone());
    assert_eq!(keys(&send, KEY), ["kms:Decrypt", "kms:GenerateDataKey"].map(granted));
    assert_eq!(keys(&send, &KEY.replace("us-east-1", "eu-west-1")), []);
    let read = task("aws-sdk:s3:getObject", &json!({ "Bucket": "b", "Key": "k" }));
    let by_s3 = json!({ "StringEquals": { "kms:ViaService": ["s3.eu-west-1.amazonaws.com"] } });
    let of_west = KEY.replace("us-east-1", "eu-west-1");
    let decrypt = ["kms:Decrypt".to_owned()];
    assert_eq!(keys(&read, &of_west), [(decrypt.into(), [of_west.clone()].into(), by_s3)]);
}

#[test]
fn keys_are_a_possible_need_unless_the_author_says_that_there_are_none() {
    let read = task("aws-sdk:s3:getObject", &json!({ "Bucket": "b", "Key": "k" }));
    let needs = |keys: Option<&[&str]>| required(&read, None, keys).undeclared;
    assert_eq!(needs(Some(&[])), []);
    let open = needs(None);
    assert_eq!(open.iter().map(|need| (need.used, need.required)).collect::<Vec<_>>(), [(Use::Key, false)]);
    assert!(open[0].what.contains("s3"), "{open:?}");
    let succeeds = machine(&json!({ "First": { "Type": "Succeed" } }));
    assert_eq!(required(&succeeds, None, None).undeclared, []);
}

#[test]
fn each_row_of_the_table_of_data_keys_has_its_source() {
    let rows = data_keys::rows().unwrap();
    assert!(rows.len() >= 10, "{}", rows.len());
    for row in rows {
        assert!(row.source.starts_with("https://"), "{row:?}");
        assert!(row.allow.iter().all(|action| action.starts_with("kms:")), "{row:?}");
        assert!(!row.when.is_empty() && row.when.iter().all(|action| action.contains(':')), "{row:?}");
    }
}
