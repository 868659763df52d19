//! Tests the connections of EventBridge that a task uses.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{derived, derived_in, granted};

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html>
#[test]
fn a_message_to_a_connection_is_another_action_than_a_request() {
    let host = "a1b2.execute-api.us-east-1.amazonaws.com";
    let actions = |more: Value| {
        let mut parameters = json!({ "ApiEndpoint": host, "Stage": "prod", "Method": "POST", "AuthType": "IAM_ROLE" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let required = derived("apigateway:invoke", parameters);
        let all = |action| granted(&required, action).into_iter().collect::<Vec<_>>();
        (all("execute-api:Invoke"), all("execute-api:ManageConnections"))
    };
    let arn = |path: &str| vec![format!("arn:aws:execute-api:us-east-1:123456789012:a1b2/prod/POST/{path}")];
    let none = Vec::<String>::new;
    for path in ["/@connections/x", "@connections/x", "/%40connections/x", "%40connections/x"] {
        assert_eq!(actions(json!({ "Path": path })), (none(), arn("@connections/x")));
    }
    for (begun, known) in [("/@connections/", ""), ("/%40connections", ""), ("@connections/team-", "team-")] {
        let begun = json!({ "Path.$": format!("States.Format('{begun}{{}}', $.id)") });
        assert_eq!(actions(begun), (none(), arn(&format!("@connections/{known}*"))));
    }
    assert_eq!(actions(json!({ "Path": "/score" })), (arn("score"), none()));
    assert_eq!(actions(json!({})), (arn("*"), none()));
    assert_eq!(actions(json!({ "Path.$": "States.Format('/s-{}', $.id)" })), (arn("s-*"), none()));
    assert_eq!(actions(json!({ "Path.$": "$.path" })), (arn("*"), arn("@connections/*")));
    assert_eq!(actions(json!({ "Path.$": "$.path", "AuthType": "NO_AUTH" })), (none(), none()));
}

#[test]
fn an_http_task_may_have_two_connections_and_a_query() {
    let connection = |name: &str| format!("arn:aws:events:us-east-1:123456789012:connection/{name}/1");
    let request = |more: Value| {
        let mut parameters = json!({ "ApiEndpoint": "https://example.com/x?v=1", "Method": "GET" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        derived_in("aws", "http:invoke", Some(("Parameters", parameters)))
    };
    let both = json!({
        "Authentication": { "ConnectionArn": connection("a") },
        "InvocationConfig": { "ConnectionArn": connection("b") },
    });
    let only = |name: &str| Value::Object(Map::from_iter([(name.to_owned(), both[name].clone())]));
    for (more, names) in
        [(both.clone(), vec!["a", "b"]), (only("Authentication"), vec!["a"]), (only("InvocationConfig"), vec!["b"])]
    {
        let required = request(more);
        assert!(required.errors.is_empty(), "{:?}", required.errors);
        let connections: BTreeSet<String> = names.iter().map(|name| connection(name)).collect();
        assert_eq!(granted(&required, "events:RetrieveConnectionCredentials"), connections);
        let secret = |name| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:events!connection/{name}/*");
        assert_eq!(
            granted(&required, "secretsmanager:GetSecretValue"),
            names.into_iter().map(secret).collect::<BTreeSet<String>>()
        );
        let endpoint =
            &required.grants.first().unwrap().condition.as_ref().unwrap()["StringLike"]["states:HTTPEndpoint"];
        assert_eq!(*endpoint, json!(["https://example.com/x", "https://example.com/x${?}v=1"]));
    }
    let neither = request(json!({})).errors.join("; ");
    assert!(neither.contains("`Authentication.ConnectionArn`: missing"), "{neither}");
}
