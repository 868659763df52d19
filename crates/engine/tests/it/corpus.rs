//! Checks the claims on every input that the fuzzers kept, including those that once broke something.

use mlops_roles_testkit::{claims, repository};

fn each(target: &str, claim: fn(&str) -> bool) {
    let path = repository().join(format!("fuzz/corpus/{target}.jsonl"));
    let kept = std::fs::read_to_string(path).unwrap();
    let mut of_use = 0;
    for line in kept.lines() {
        let text: String = serde_json::from_str(line).unwrap();
        of_use += usize::from(claim(&text));
    }
    assert!(of_use > 100, "{of_use} inputs of {}", kept.lines().count());
}

#[test]
fn events_of_the_corpus_are_answered_and_can_be_taken_back() {
    each("event", claims::event);
}

#[test]
fn properties_of_the_corpus_keep_to_the_guardrails_or_are_mistakes() {
    each("properties", claims::properties);
}

#[test]
fn definitions_of_the_corpus_pass_roles_by_name_only() {
    each("definition", claims::definition);
}

#[test]
fn response_urls_of_the_corpus_lead_nowhere_else() {
    each("response_url", claims::response_url);
}

/// CloudFormation can't have sent such an id, but the id led to a name that IAM refuses, or to a panic.
#[test]
fn a_logical_id_of_any_text_leads_to_a_name_that_iam_takes() {
    let event = include_str!("../../../../events/create.json");
    for logical_id in
        ["W{orkflowRole", "\u{1f980}\u{1f980}\u{1f980}\u{1f980}\u{1f980}\u{1f980}", "a/b", "漢漢漢漢漢漢漢漢漢"]
    {
        let mut event: serde_json::Value = serde_json::from_str(event).unwrap();
        event["LogicalResourceId"] = logical_id.into();
        event["ResourceProperties"].as_object_mut().unwrap().remove("RoleName");
        event["ResourceProperties"].as_object_mut().unwrap().remove("PolicyName");
        assert!(claims::event(&event.to_string()));
    }
}

#[test]
fn an_empty_physical_id_is_answered_with_one() {
    let mut event: serde_json::Value = serde_json::from_str(include_str!("../../../../events/update.json")).unwrap();
    event["PhysicalResourceId"] = "".into();
    for kind in ["Update", "Delete"] {
        event["RequestType"] = kind.into();
        assert!(claims::event(&event.to_string()));
    }
}
