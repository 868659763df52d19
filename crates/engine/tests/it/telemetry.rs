//! Tests the line that each event leaves in the log, and the metrics in it.

use mlops_roles_engine::telemetry::Telemetry;
use mlops_roles_testkit::account::{Fake, Fault, Mischief};
use mlops_roles_testkit::stage::{POLICY, ROLE, SECRET, STACK, Stage, TYPE, create, delete, properties, update, with};
use serde_json::{Value, json};
use std::time::Duration;

async fn line(stage: &Stage, event: &Value) -> Value {
    let (_, telemetry) = Telemetry::gather(Box::pin(stage.try_send(event))).await;
    let line = telemetry.line("mlops-roles-7c1d", 1_800_000_000_123);
    assert!(!line.contains('\n') && !line.contains(SECRET), "{line}");
    serde_json::from_str(&line).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_line_tells_what_was_asked_planned_and_answered() {
    let stage = Stage::new(Fake::new());
    stage.fake.slow(Duration::from_millis(100));
    let told = line(&stage, &create(&with(json!({ "SettleSeconds": "7" })))).await;
    let facts = [
        ("FunctionName", json!("mlops-roles-7c1d")),
        ("RequestType", json!("Create")),
        ("ResourceType", json!(TYPE)),
        ("LogicalResourceId", json!("WorkflowRole")),
        ("PhysicalResourceId", json!(ROLE)),
        ("StackId", json!(STACK)),
        ("RequestId", json!("1")),
        ("Outcome", json!("SUCCESS")),
        ("Reason", json!("")),
        ("AnswerStatus", json!(200)),
        ("Events", json!(1)),
        ("Failed", json!(0)),
        ("Unanswered", json!(0)),
        ("LeftBehind", json!(0)),
        ("Retries", json!(0)),
        ("Waited", json!(7_000)),
        ("Duration", json!(7_500)),
        ("Phases", json!({ "LookMs": 100, "ApplyMs": 300, "SettleMs": 7_000, "ConfirmMs": 100, "AnswerMs": 0 })),
        (
            "Plan",
            json!([
                format!("create policy `{POLICY}`"),
                format!(
                    "create role `{ROLE}` at path `/` with permissions boundary \
                     `arn:aws:iam::123456789012:policy/mlops-roles-Boundary`"
                ),
                format!("attach `{POLICY}` to role `{ROLE}`"),
                format!("put inline policy `AssumeRoleSMforStepFunctionPolicy` on role `{ROLE}`"),
            ]),
        ),
    ];
    for (name, fact) in facts {
        assert_eq!(told[name], fact, "{name}");
    }
    assert!(told["AnswerBytes"].as_u64().unwrap() > 500);
    // What is recorded of one event does not show in the next.
    let told = line(&stage, &delete(ROLE, &properties())).await;
    assert_eq!((&told["RequestType"], &told["Waited"], &told["Duration"]), (&json!("Delete"), &json!(0), &json!(400)));
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_a_number_in_the_line() {
    let told = line(&Stage::new(Fake::new()), &create(&properties())).await;
    assert_eq!(told["_aws"]["Timestamp"], 1_800_000_000_123_u64);
    let directives = told["_aws"]["CloudWatchMetrics"].as_array().unwrap();
    assert_eq!(directives.len(), 1);
    assert_eq!(directives[0]["Namespace"], "mlops-roles");
    for dimension in directives[0]["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap()) {
        assert!(told[dimension.as_str().unwrap()].as_str().is_some_and(|text| !text.is_empty()), "{dimension}");
    }
    for metric in directives[0]["Metrics"].as_array().unwrap() {
        assert!(told[metric["Name"].as_str().unwrap()].is_u64(), "{metric}");
        assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()), "{metric}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_told_with_its_reason_its_retries_and_what_is_left_behind() {
    let stage = Stage::new(Fake::new());
    stage.fake.fail(Fault { at: 2, mischief: Mischief::Throttled, sticky: false });
    stage.fake.refuse("PutRolePolicy");
    stage.fake.refuse("DeletePolicy");
    let told = line(&stage, &create(&properties())).await;
    assert_eq!((&told["Outcome"], &told["Failed"], &told["LeftBehind"]), (&json!("FAILED"), &json!(1), &json!(1)));
    let reason = told["Reason"].as_str().unwrap();
    assert!(reason.contains("; rollback failed; still in place: policy `"), "{told}");
    assert!(reason.contains("` (iam:DeletePolicy: ") && !reason.contains("not restored"), "{told}");
    assert_eq!(told["Retries"], 1);
    assert!((200..400).contains(&told["Waited"].as_u64().unwrap()), "{}", told["Waited"]);
    assert!(told["Phases"]["UndoMs"].is_u64());
    assert_eq!(told["Unanswered"], 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_could_be_told_of_is_unanswered() {
    let stage = Stage::new(Fake::new());
    let mut event = create(&properties());
    event["ResponseURL"] = json!("https://example.com/x");
    let told = line(&stage, &event).await;
    assert_eq!(
        (&told["Outcome"], &told["Unanswered"], &told["AnswerStatus"]),
        (&json!("NONE"), &json!(1), &Value::Null)
    );
    assert_eq!(told["LogicalResourceId"], "WorkflowRole");
    let told = line(&stage, &json!("no event")).await;
    assert_eq!((&told["Unanswered"], &told["ResourceType"]), (&json!(1), &json!("Other")));
}

/// Each value of a dimension would be a separate metric, which costs money.
#[tokio::test(start_paused = true)]
async fn a_made_up_type_is_no_dimension_and_a_long_text_is_cut() {
    let stage = Stage::new(Fake::new());
    let mut event = update(ROLE, &properties(), &properties());
    event["ResourceType"] = json!("Custom::MadeUp");
    event["LogicalResourceId"] = json!("x".repeat(100_000));
    event["ResponseURL"] = json!("https://example.com/x");
    let told = line(&stage, &event).await;
    assert_eq!(told["ResourceType"], "Other");
    assert!(told.to_string().len() < 20_000);
}
