//! Tests what policies contain, and when two policies have the same meaning.

use serde_json::{Value, json};

use mlops_roles_core::iam::arn::{is_region, matches};
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::protocol::response_url::ResponseUrl;

use mlops_roles_testkit::account::Fake;
use mlops_roles_testkit::stage::{POLICY, ROLE, Stage, create, properties, with};

#[test]
fn spellings_of_one_document_are_equal() {
    let short = Document::new(json!({
        "Version": "2012-10-17",
        "Statement": { "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
                       "Condition": { "Bool": { "aws:SecureTransport": true } } },
    }));
    let long = Document::parse(
        r#"{"Statement":[{"Resource":["*"],"Action":["s3:GetObject"],"Effect":"Allow",
            "Condition":{"Bool":{"aws:SecureTransport":["true"]}}}],"Version":"2012-10-17"}"#,
    );
    assert_eq!(short, long);
    assert_eq!(short.to_string(), long.to_string());
    assert_eq!(short.sha256(), long.sha256());
    let other = Document::new(json!({ "Version": "2012-10-17", "Statement": [] }));
    assert_ne!(short, other);
}

#[test]
fn the_order_of_lists_means_nothing_and_a_value_more_does() {
    let of = |actions: &[&str]| {
        Document::from_statements(vec![json!({ "Effect": "Allow", "Action": actions, "Resource": ["b", "a"] })])
    };
    assert_eq!(of(&["x:A", "x:B"]), of(&["x:B", "x:A", "x:A"]));
    assert_ne!(of(&["x:A"]), of(&["x:A", "x:B"]));
}

#[test]
fn what_is_written_and_hashed_is_the_normal_form() {
    let document = Document::parse(
        r#"{ "Version": "2012-10-17",
             "Statement": { "Resource": ["b", "a b", "a", "b"], "NotAction": "x:A", "Effect": "Deny" } }"#,
    );
    let normal =
        r#"{"Statement":[{"Effect":"Deny","NotAction":["x:A"],"Resource":["a","a b","b"]}],"Version":"2012-10-17"}"#;
    assert_eq!(document.to_string(), normal);
    assert_eq!(document.sha256(), "5fa839ce2d3bca61849d91860c800301846f4ef9783ce7685860c148e3909cd1");
    assert_eq!(Document::parse(normal), document);
}

#[test]
fn an_account_is_the_same_by_its_id_and_by_its_root() {
    let of = |principal: &str| {
        Document::from_statements(vec![json!({ "Effect": "Allow", "Principal": { "AWS": principal } })])
    };
    assert_eq!(of("123456789012"), of("arn:aws:iam::123456789012:root"));
    assert_ne!(of("123456789012"), of("arn:aws:iam::123456789013:root"));
    assert_ne!(of("123456789012"), of("arn:aws:iam::123456789012:role/root"));
}

#[test]
fn text_that_is_no_document_differs_from_all_others() {
    let (text, document) = (Document::parse("{"), trust(json!({})));
    assert_ne!(text, Document::from_statements(Vec::new()));
    assert!(!text.narrows(&document) && !document.narrows(&text) && !text.narrows(&text));
}

#[test]
fn white_space_is_not_counted() {
    let document = Document::from_statements(vec![json!({ "Sid": "a b c" })]);
    assert_eq!(document.size(), document.to_string().replace(' ', "").len());
}

fn trust(condition: Value) -> Document {
    Document::from_statements(vec![json!({
        "Effect": "Allow", "Principal": { "Service": "states.amazonaws.com" }, "Action": "sts:AssumeRole",
        "Condition": condition,
    })])
}

#[test]
fn a_trust_is_narrower_when_each_condition_is() {
    let all = trust(json!({ "ArnLike": { "aws:SourceArn": "arn:aws:states:us-east-1:1:stateMachine:*" } }));
    let some = trust(json!({ "ArnLike": { "aws:SourceArn": "arn:aws:states:us-east-1:1:stateMachine:churn*" } }));
    let both = trust(json!({
        "ArnLike": { "aws:SourceArn": "arn:aws:states:us-east-1:1:stateMachine:*" },
        "StringEquals": { "aws:SourceAccount": "1" },
    }));
    let none = trust(json!({}));
    assert!(some.narrows(&all) && both.narrows(&all) && all.narrows(&none) && all.narrows(&all));
    assert!(!all.narrows(&some) && !all.narrows(&both) && !none.narrows(&all) && !some.narrows(&both));
}

#[test]
fn a_trust_with_another_principal_or_no_statement_is_not_narrower() {
    let lambda = Document::from_statements(vec![json!({
        "Effect": "Allow", "Principal": { "Service": "lambda.amazonaws.com" }, "Action": "sts:AssumeRole",
    })]);
    assert!(!lambda.narrows(&trust(json!({}))));
    assert!(!Document::from_statements(Vec::new()).narrows(&lambda));
    let denied =
        Document::from_statements(vec![json!({ "Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole" })]);
    assert!(!trust(json!({})).narrows(&denied), "an Allow where there was a Deny");
}

#[test]
fn patterns_match_as_iam_has_it() {
    for (pattern, text, fits) in [
        ("*", "", true),
        ("a*c", "abbc", true),
        ("a*c", "abbd", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("*SageMaker*", "arn:aws:iam::1:role/MySageMakerRole", true),
        ("*SageMaker*", "arn:aws:iam::1:role/sagemaker", false),
        ("a**b", "ab", true),
        ("", "a", false),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_role_comes_out_as_the_guide_corrected_has_it() {
    let stage = Stage::new(Fake::new());
    let response = stage.send(&create(&properties())).await.success();
    let books = stage.fake.books();
    let role = &books.roles[&ROLE.to_lowercase()];
    assert_eq!(
        role.trust,
        json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": ["states.amazonaws.com"] },
            "Action": ["sts:AssumeRole"],
            "Condition": {
                "ArnLike": { "aws:SourceArn": ["arn:aws:states:us-east-1:123456789012:stateMachine:*"] },
                "StringEquals": { "aws:SourceAccount": ["123456789012"] },
            },
        }]})
    );
    assert_eq!(
        role.inline["AssumeRoleSMforStepFunctionPolicy"],
        json!({ "Version": "2012-10-17", "Statement": [{
            "Sid": "PassToSageMaker",
            "Effect": "Allow",
            "Action": ["iam:PassRole"],
            "Resource": ["arn:aws:iam::123456789012:role/MySageMakerRole"],
            "Condition": { "StringEquals": { "iam:PassedToService": ["sagemaker.amazonaws.com"] } },
        }]})
    );
    assert_eq!(role.inline.len(), 1);
    assert_eq!(role.attached.iter().collect::<Vec<_>>(), [POLICY]);

    let policy = &books.policies[POLICY].versions[&1];
    let statements = policy["Statement"].as_array().unwrap();
    let events = statements.iter().find(|statement| statement["Sid"] == "HearOfJobs").unwrap();
    let rules: Vec<&str> = events["Resource"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(rules.len(), 6);
    assert!(rules.iter().all(|rule| rule.starts_with("arn:aws:events:us-east-1:123456789012:rule/StepFunctionsGet")));
    assert!(rules.iter().any(|rule| rule.ends_with("ForSageMakerProcessingJobsRule")), "the rule that the guide lacks");
    assert_eq!(events["Action"], json!(["events:DescribeRule", "events:PutRule", "events:PutTargets"]));
    // The service statement of the guide, action by action. Only the inline grant has its `iam:PassRole`.
    let guide = include_str!("../../../../tests/data/guide-actions.txt");
    let jobs = statements.iter().find(|statement| statement["Sid"] == "RunJobs").unwrap();
    let actions: Vec<&str> = jobs["Action"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(actions, guide.lines().collect::<Vec<_>>());
    assert_eq!(statements.len(), 2);
    assert!(!policy.to_string().contains("PassRole"));

    let data = &response.0["Data"];
    assert_eq!(response.id(), ROLE);
    assert_eq!(data["RoleArn"], "arn:aws:iam::123456789012:role/AmazonSageMaker-Churn");
    assert_eq!(data["RoleName"], ROLE);
    assert_eq!(data["RoleId"], role.id);
    assert_eq!(data["PolicyArn"], POLICY);
    assert_eq!(data["PolicyArns"], POLICY);
    assert_eq!(data["PolicySha256"], Document::new(policy.clone()).sha256());
}

#[tokio::test(start_paused = true)]
async fn a_state_machine_name_narrows_the_trust() {
    let stage = Stage::new(Fake::new());
    stage.send(&create(&with(json!({ "StateMachineName": "churn" })))).await.success();
    let trust = stage.fake.books().roles[&ROLE.to_lowercase()].trust.to_string();
    assert!(trust.contains(r#""arn:aws:states:us-east-1:123456789012:stateMachine:churn*""#), "{trust}");
}

#[test]
fn regions_are_told_by_their_form_and_partition() {
    for (partition, regions) in [
        ("aws", "us-east-1 eu-west-3 ap-southeast-7 ap-northeast-1 ca-central-1 mx-central-1 il-central-1 sa-east-1"),
        ("aws-cn", "cn-north-1 cn-northwest-1"),
        ("aws-us-gov", "us-gov-west-1 us-gov-east-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-iso-b", "us-isob-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-iso-f", "us-isof-south-1"),
        ("aws-eusc", "eusc-de-east-1"),
    ] {
        for region in regions.split(' ') {
            assert!(is_region(region, partition), "{region} in {partition}");
            let elsewhere = if partition == "aws" { "aws-cn" } else { "aws" };
            assert!(!is_region(region, elsewhere), "{region} in {elsewhere}");
        }
    }
    for none in
        ["", "us", "us-east", "us-est-1", "us-east-11", "us-east-x", "US-EAST-1", "usa-east-1", "us-east-1a", "*"]
    {
        assert!(!is_region(none, "aws"), "{none}");
    }
}

#[test]
fn when_an_event_was_sent_is_told_by_the_signature_of_its_url() {
    let at = |query: &str| ResponseUrl::new(&format!("https://bucket.s3.amazonaws.com/key?{query}")).signed_at();
    assert_eq!(at("X-Amz-Expires=7200&X-Amz-Date=20261122T010158Z&X-Amz-Signature=0"), Some(1_795_309_318));
    for none in [
        "",
        "X-Amz-Date=",
        "X-Amz-Date=20261322T010158Z",
        "X-Amz-Date=2026",
        "X-Amz-Date=\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
    ] {
        assert_eq!(at(none), None, "{none}");
    }
    assert_eq!(ResponseUrl::new("no url").signed_at(), None);
}
