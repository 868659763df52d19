//! Tests that every event gets a response, and that neither the response nor the log has anything it must not have.

use mlops_roles_core::guardrails::Guardrails;
use mlops_roles_core::protocol::request::{Request, payload};
use mlops_roles_core::protocol::response::{MAX_RESPONSE_BYTES, Response};
use mlops_roles_engine::deliver::DeliveryError;
use mlops_roles_testkit::account::{Books, Fake, Fault, Mischief};
use mlops_roles_testkit::stage::{ROLE, STACK, Stage, TYPE, create, delete, from_stack, properties, update, with};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_payload_that_is_no_event_is_an_error_for_lambda() {
    let stage = Stage::new(Fake::new());
    for payload in [json!(null), json!(7), json!("text"), json!([]), json!({}), json!({ "ResponseURL": 7 })] {
        let undelivered = stage.try_send(&payload).await.unwrap_err();
        assert!(matches!(undelivered, DeliveryError::Nobody { .. }), "{undelivered}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_envelope_is_answered_with_the_fields_that_are_there() {
    let stage = Stage::new(Fake::new());
    let fields = ["RequestType", "StackId", "RequestId", "LogicalResourceId", "ResourceType", "ResourceProperties"];
    for field in fields {
        for broken in [Value::Null, json!(["x"])] {
            if field == "ResourceProperties" && !broken.is_null() {
                continue;
            }
            let mut event = create(&properties());
            if broken.is_null() {
                event.as_object_mut().unwrap().remove(field);
            } else {
                event[field] = broken;
            }
            let response = stage.send(&event).await.failure();
            assert!(response.reason().contains("not a custom resource request"), "{field}: {}", response.reason());
            assert!(!response.id().is_empty());
        }
    }
    let mut event = update(ROLE, &properties(), &properties());
    event["RequestType"] = json!("Destroy");
    let response = stage.send(&event).await.failure();
    assert_eq!(response.id(), ROLE, "the id is echoed");
    assert_eq!(response.0["StackId"], STACK);
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn empty_ids_are_a_broken_envelope() {
    let stage = Stage::new(Fake::new());
    for field in ["StackId", "LogicalResourceId"] {
        let mut event = create(&properties());
        event[field] = json!("");
        let response = stage.send(&event).await.failure();
        assert!(response.reason().contains(field), "{}", response.reason());
    }
}

#[tokio::test(start_paused = true)]
async fn properties_that_are_no_object_fail_create_and_not_delete() {
    let stage = Stage::new(Fake::new());
    for properties in [json!(null), json!("text"), json!([1]), json!(true), json!(7)] {
        let response = stage.send(&create(&properties)).await.failure();
        assert!(response.reason().contains("expected an object"), "{}", response.reason());
        stage.send(&update(ROLE, &properties, &properties)).await.failure();
        stage.send(&delete(response.id(), &properties)).await.success();
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_would_hear_of_is_not_begun() {
    let stage = Stage::new(Fake::new());
    let mut event = create(&properties());
    event["ResponseURL"] = json!("https://example.com/answer");
    let undelivered = stage.try_send(&event).await.unwrap_err();
    assert!(matches!(undelivered, DeliveryError::Untrusted { .. }), "{undelivered}");
    assert_eq!((stage.fake.books(), stage.fake.calls().len()), (Books::default(), 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_any_depth_is_answered() {
    let stage = Stage::new(Fake::new());
    for (levels, is_read) in [(100, true), (200, false), (100_000, false)] {
        let deep = format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let mut event = create(&with(json!({ "Definition": "DEEP", "SageMakerExecutionRoleArns": null })));
        let text = event.to_string().replace("\"DEEP\"", &deep);
        let response = stage.send(&payload(&text)).await.failure();
        let told = response.reason().contains("the properties are nested more than 127 levels deep");
        assert_eq!(told, !is_read, "{}", response.reason());
        event["RequestType"] = json!("Delete");
        event["PhysicalResourceId"] = json!(response.id());
        let text = event.to_string().replace("\"DEEP\"", &deep);
        stage.send(&payload(&text)).await.success();
    }
    assert_eq!(payload("no JSON"), json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_answered() {
    let stage = Stage::new(Fake::new());
    stage.fake.fail(Fault { at: 2, mischief: Mischief::Panic, sticky: false });
    let response = stage.send(&create(&properties())).await.failure();
    assert!(
        response.reason().contains("panicked") && response.reason().contains("for the test"),
        "{}",
        response.reason()
    );
    assert_eq!(response.id(), "not-created/WorkflowRole");
    stage.send(&delete(response.id(), &properties())).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_answered_in_time() {
    let mut stage = Stage::new(Fake::new());
    stage.invocation.remaining = Duration::from_mins(1);
    stage.fake.fail(Fault { at: 0, mischief: Mischief::HangAfter, sticky: true });
    let started = tokio::time::Instant::now();
    stage.send(&create(&properties())).await.failure();
    assert!(started.elapsed() < Duration::from_secs(57), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stack_from_elsewhere_is_refused_and_its_delete_touches_nothing() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let books = stage.fake.books();
    for stack in [
        "arn:aws:cloudformation:us-east-1:999999999999:stack/pipeline/7c1d",
        "arn:aws:cloudformation:eu-west-1:123456789012:stack/pipeline/7c1d",
        "arn:aws-cn:cloudformation:us-east-1:123456789012:stack/pipeline/7c1d",
        "arn:aws:s3:us-east-1:123456789012:stack/pipeline/7c1d",
        "pipeline",
    ] {
        let response = stage.send(&from_stack(create(&properties()), stack)).await.failure();
        assert!(response.reason().contains("the only place that this function serves"), "{}", response.reason());
        stage.send(&from_stack(delete(ROLE, &properties()), stack)).await.success();
    }
    assert_eq!(stage.fake.books(), books);
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_unknown_or_off_is_refused_and_its_delete_succeeds() {
    let mut stage = Stage::new(Fake::new());
    let mut event = create(&properties());
    event["ResourceType"] = json!("Custom::StepFunctionWorkflowRole");
    let response = stage.send(&event).await.failure();
    assert!(response.reason().contains(&format!("did you mean `{TYPE}`?")), "{}", response.reason());
    let mut event = delete(response.id(), &properties());
    event["ResourceType"] = json!("Custom::Whatever");
    stage.send(&event).await.success();

    stage.send(&create(&properties())).await.success();
    stage.handler.guardrails.as_mut().unwrap().types = vec!["Custom::Other".into()];
    let response = stage.send(&create(&properties())).await.failure();
    assert!(response.reason().contains("`EnabledTypes`"), "{}", response.reason());
    stage.send(&delete(ROLE, &properties())).await.success();
    assert_eq!(stage.fake.books(), Books::default(), "what was made while the type was on still goes");
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_is_not_the_templates_is_told_to_every_event() {
    let mut stage = Stage::new(Fake::new());
    for (missing, value) in [
        ("ROLE_NAME_PREFIXES", ""),
        ("ROLE_PATHS", "x"),
        ("PERMISSIONS_BOUNDARY_ARN", ""),
        ("ALLOW_ADOPTION", "yes"),
        ("ALLOW_PUBLISHED_IAM_WRITES", "yes"),
        ("ALLOW_UNPINNED_DEFINITIONS", "yes"),
        ("BOUNDARY_DENIES", "Lax"),
    ] {
        stage.handler.guardrails = Guardrails::from_environment(|name| {
            let usual = match name {
                "ROLE_PATHS" => "/",
                "PERMISSIONS_BOUNDARY_ARN" => "arn:aws:iam::123456789012:policy/B",
                "ALLOW_ADOPTION" | "ALLOW_PUBLISHED_IAM_WRITES" | "ALLOW_UNPINNED_DEFINITIONS" => "false",
                "BOUNDARY_DENIES" => "Standard",
                _ => "x",
            };
            Some(if name == missing { value } else { usual }.to_owned())
        });
        for event in [create(&properties()), delete(ROLE, &properties())] {
            let response = stage.send(&event).await.failure();
            assert!(response.reason().contains(missing), "{}", response.reason());
        }
    }
}

#[test]
fn an_answer_of_4096_bytes_stays_and_one_of_4097_is_cut() {
    let request = Request::parse(&create(&properties())).unwrap();
    let fixed = Response::failed(&request.target, "id", "x".into()).body().len() - 1;
    let room = MAX_RESPONSE_BYTES - fixed;
    let body = |reason: String| Response::failed(&request.target, "id", reason).body();
    assert_eq!(body("a".repeat(room)).len(), 4_096);
    assert!(!String::from_utf8(body("a".repeat(room))).unwrap().contains('…'));
    let cut = body("a".repeat(room + 1));
    assert_eq!(cut.len(), 4_096);
    assert!(String::from_utf8(cut).unwrap().contains("a…"));
}

#[test]
fn a_cut_falls_between_characters_and_counts_escapes() {
    let request = Request::parse(&create(&properties())).unwrap();
    for text in ["é", "漢", "🦀", "\"", "a🦀\\"] {
        for length in 1_000..1_040 {
            let reason = text.repeat(length * 4);
            let body = Response::failed(&request.target, "id", reason.clone()).body();
            assert!(
                body.len() <= MAX_RESPONSE_BYTES && body.len() > MAX_RESPONSE_BYTES - 40,
                "{} bytes of {text:?}",
                body.len()
            );
            let value: Value = serde_json::from_slice(&body).unwrap();
            let kept = value["Reason"].as_str().unwrap().strip_suffix('…').unwrap().to_owned();
            assert!(reason.starts_with(&kept));
        }
    }
}

/// A stack can't be listed any more when one of its events has a control character.
#[tokio::test(start_paused = true)]
async fn no_reason_holds_a_control_character() {
    let stage = Stage::new(Fake::new());
    let name = "Amazon\u{1b}[31m\nSageMaker\u{85}";
    let reason = stage.send(&create(&with(json!({ "RoleName": name })))).await.failure().reason().to_owned();
    assert!(reason.contains("`Amazon [31m SageMaker `") && !reason.contains(char::is_control), "{reason:?}");
}

#[tokio::test(start_paused = true)]
async fn a_success_that_would_not_fit_is_refused_before_any_write() {
    let mut stage = Stage::new(Fake::new());
    let path = format!("/{}/", "p".repeat(510));
    stage.handler.guardrails.as_mut().unwrap().role_paths = vec![path];
    let mut event = create(&with(json!({ "PolicyName": format!("AmazonSageMaker-{}", "p".repeat(100)) })));
    event["RequestId"] = json!("r".repeat(2_000));
    let response = stage.send(&event).await.failure();
    assert!(response.reason().contains("bytes, and CloudFormation accepts at most 4096"), "{}", response.reason());
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn a_failed_update_and_a_delete_keep_the_id() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&properties())).await.success();
    let bad = with(json!({ "RoleName": "AmazonSageMaker-New", "MaxSessionDuration": "soon" }));
    assert_eq!(stage.send(&update(ROLE, &bad, &properties())).await.failure().id(), ROLE);
    stage.fake.fail(Fault { at: stage.fake.calls().len(), mischief: Mischief::Refused, sticky: false });
    assert_eq!(stage.send(&delete(ROLE, &properties())).await.failure().id(), ROLE);
}
