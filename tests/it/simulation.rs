//! Tests the forms in which IAM's policy simulator has answered.

use mlops_roles_testkit::account::Fake;
use mlops_roles_testkit::stage::{Stage, create, with};
use serde_json::json;

/// IAM has answered in two forms: one result for each resource, or one result for each action with the decision on each
/// resource below it.
#[tokio::test(start_paused = true)]
async fn what_is_denied_is_read_in_both_forms_of_the_simulators_answer() {
    let task = |api: &str, parameters| json!({ "Type": "Task", "Resource": format!("arn:aws:states:::{api}"), "Parameters": parameters, "End": true });
    let verified = with(json!({
        "SageMakerExecutionRoleArns": null,
        "VerifyPermissions": "true",
        "Definition": { "StartAt": "Read", "States": {
            "Read": task("aws-sdk:s3:getObject", json!({ "Bucket": "data", "Key": "in.csv" })),
            "Score": task("lambda:invoke", json!({ "FunctionName": "score" })),
        } },
    }));
    for old in [false, true] {
        let stage = Stage::wired(Fake::new());
        if old {
            stage.fake.old_simulator();
        }
        stage.send(&create(&verified)).await.success();
        let denying = Stage::wired(Fake::new());
        denying.fake.beyond_boundary("lambda:");
        if old {
            denying.fake.old_simulator();
        }
        let reason = denying.send(&create(&verified)).await.failure().reason().to_owned();
        for resource in ["function:score`", "function:score:*`"] {
            let told =
                format!("on `arn:aws:lambda:us-east-1:123456789012:{resource}: denied by the permissions boundary");
            assert!(reason.contains(&told), "{reason}");
        }
        assert!(!reason.contains("${"), "no template of an ARN: {reason}");
    }
}
