//! Tests values of which only the beginning is known: what the beginning tells is kept.

use serde_json::{Value, json};

use mlops_roles_core::permissions::integration::required::Grant;

use crate::integrations::{derived, on};

fn begun(member: &str, known: &str) -> Value {
    json!({ format!("{member}.$"): format!("States.Format('{known}{{}}', $.x)") })
}

#[test]
fn the_beginning_of_an_arn_tells_its_region_and_account() {
    let here = "us-east-1:123456789012";
    for (known, place) in [
        ("", here),
        ("arn:aws:sns:", here),
        ("arn:aws:sns:us-", here),
        ("arn:aws:sns:us-east-1:1234", here),
        ("arn:aws:sns:eu-", "eu-*:123456789012"),
        ("arn:aws:sns:eu-west-1:", "eu-west-1:123456789012"),
        ("arn:aws:sns:eu-west-1:2101", "eu-west-1:2101*"),
        ("arn:aws:sns:eu-west-1:210987654321:", "eu-west-1:210987654321"),
    ] {
        let expected = [format!("arn:aws:sns:{place}:*")];
        assert_eq!(on("sns:publish", begun("TopicArn", known), "sns:Publish"), expected, "{known}");
    }
    let machines = begun("StateMachineArn", "arn:aws:states:eu-west-1:");
    let machine = ["arn:aws:states:eu-west-1:123456789012:stateMachine:*"];
    assert_eq!(on("states:startExecution", machines, "states:StartExecution"), machine);
}

#[test]
fn the_beginning_of_the_url_of_a_queue_tells_its_region_and_account() {
    for (known, expected) in [
        ("https://", "us-east-1:123456789012:*"),
        ("https://sqs.eu-west-1.amazonaws.com", "eu-west-1:123456789012:*"),
        ("https://sqs.eu-west-1.amazonaws.com/", "eu-west-1:123456789012:*"),
        ("https://sqs.eu-west-1.amazonaws.com/2109", "eu-west-1:2109*:*"),
        ("https://sqs.eu-west-1.amazonaws.com/210987654321/", "eu-west-1:210987654321:*"),
        ("https://sqs-fips.us-west-2.amazonaws.com/210987654321/churn-", "us-west-2:210987654321:churn-*"),
    ] {
        let found = on("sqs:sendMessage", begun("QueueUrl", known), "sqs:SendMessage");
        assert_eq!(found, [format!("arn:aws:sqs:{expected}")], "{known}");
    }
}

#[test]
fn the_beginning_of_the_arn_of_a_connection_tells_the_region_of_its_secret() {
    let mut parameters = json!({ "ApiEndpoint": "https://example.com", "Method": "GET" });
    parameters["Authentication"] = begun("ConnectionArn", "arn:aws:events:eu-west-1:");
    let secret = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:events!connection/*/*";
    assert_eq!(on("http:invoke", parameters, "secretsmanager:GetSecretValue"), [secret]);
}

#[test]
fn the_beginning_of_the_arn_of_a_model_tells_its_kind() {
    let kinds = |known: &str| {
        let granted = on("bedrock:invokeModel", begun("ModelId", known), "bedrock:InvokeModel");
        let kinds = granted.iter().map(|arn| arn.rsplit_once(':').unwrap().1.split('/').next().unwrap().to_owned());
        let mut kinds: Vec<String> = kinds.collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds("arn:aws:bedrock:us-east-1:123456789012:prov"), ["provisioned-model"]);
    let profiles = ["foundation-model", "inference-profile"];
    assert_eq!(kinds("arn:aws:bedrock:us-east-1:123456789012:inf"), profiles);
    assert_eq!(kinds("arn:aws:bedrock:us-east-1::found"), ["foundation-model"]);
}

#[test]
fn the_beginning_of_an_alias_of_a_key_is_kept_in_the_condition() {
    for known in ["alias/team-", "arn:aws:kms:us-east-1:123456789012:alias/team-"] {
        let mut parameters = begun("KmsKeyId", known);
        parameters["EndpointConfigName"] = json!("churn");
        let required = derived("sagemaker:createEndpointConfig", parameters);
        let grants = required.grants.iter().filter(|grant| grant.actions.contains("kms:CreateGrant"));
        let [Grant { resources, condition, .. }] = grants.collect::<Vec<_>>()[..] else {
            panic!("{:?}", required.grants)
        };
        assert_eq!(resources.iter().collect::<Vec<_>>(), ["arn:aws:kms:us-east-1:123456789012:key/*"]);
        let aliases = &condition.as_ref().unwrap()["ForAnyValue:StringLike"]["kms:ResourceAliases"];
        assert_eq!(aliases, &json!(["alias/team-*"]), "{known}");
    }
}

#[test]
fn the_beginning_of_the_host_of_an_api_tells_its_region() {
    for (known, region) in
        [("a1.execute-api.us-east-1", "us-east-1"), ("a1.execute-api.eu-", "eu-*"), ("a1.", "us-east-1")]
    {
        let mut parameters = begun("ApiEndpoint", known);
        parameters["Method"] = json!("GET");
        parameters["AuthType"] = json!("IAM_ROLE");
        let expected = [format!("arn:aws:execute-api:{region}:123456789012:a1/*/GET/*")];
        assert_eq!(on("apigateway:invoke", parameters, "execute-api:Invoke"), expected, "{known}");
    }
}

#[test]
fn the_beginning_of_the_arn_of_an_endpoint_leads_to_the_marketplace() {
    let known = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/churn-";
    let required = derived("bedrock:invokeModel", begun("ModelId", known));
    let resources: Vec<&String> = required.grants.iter().flat_map(|grant| &grant.resources).collect();
    let all = "arn:aws:bedrock:eu-west-1:123456789012:marketplace/model-endpoint/all-access";
    assert_eq!(resources, [all, &format!("{known}*")]);
}
