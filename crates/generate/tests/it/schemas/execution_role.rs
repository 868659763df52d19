//! Tests the properties of an execution role that need or exclude each other.

use serde_json::{Value, json};

use super::{EXECUTION, both_refuse, both_take};

/// An execution role with these capabilities, and with `more`.
fn capable(capabilities: Value, more: Value) -> Value {
    let mut properties = more;
    properties["Capabilities"] = capabilities;
    properties["NamePrefix"] = json!("churn");
    properties
}

/// A network, and whether the grants are limited to it.
fn in_network(is_limited: Value) -> Value {
    let mut properties = json!({ "Subnets": "subnet-1", "SecurityGroups": ["sg-1"] });
    properties["LimitToSubnets"] = is_limited;
    properties
}

/// The ARN of a topic whose name has this many letters before `end`.
fn topic(letters: usize, end: &str) -> String {
    format!("arn:aws:sns:us-east-1:123456789012:{}{end}", "a".repeat(letters))
}

/// Each refused value has nothing else wrong.
#[test]
fn what_needs_or_excludes_another_property_of_an_execution_role_is_told_alike() {
    let [reads, written] = ["Read", "ReadWrite"].map(|access| json!({ "Name": "abc", "Access": access }));
    both_take(
        EXECUTION,
        &[
            json!({ "GlueDatabases": [] }),
            json!({ "Topics": topic(251, ".fifo") }),
            json!({ "Topics": [topic(256, "")] }),
            capable(json!("Athena"), json!({ "GlueDatabases": "sales" })),
            capable(json!(["Training", "GlueTables"]), json!({ "GlueDatabases": ["sales"] })),
            capable(json!(["Training", "Hosting"]), json!({ "GlueDatabases": [] })),
            capable(json!("FeatureStoreOffline"), json!({ "Buckets": { "Name": "abc", "Access": "Write" } })),
            capable(json!("FeatureStoreOffline"), json!({ "Buckets": { "Name": "abc", "Access": "ReadWrite" } })),
            capable(json!(["FeatureStore", "FeatureStoreOffline"]), json!({ "Buckets": [reads, written] })),
            capable(json!("FeatureStore"), json!({ "Buckets": reads })),
            capable(json!(["Training", "Transform"]), in_network(json!(true))),
            capable(json!(["ModelMonitor", "Processing"]), in_network(json!(false))),
            capable(json!("Processing"), in_network(json!("false"))),
            capable(json!("ModelMonitor"), json!({ "LimitToSubnets": "false" })),
        ],
    );
    both_refuse(
        EXECUTION,
        &[
            capable(json!("Athena"), json!({})),
            capable(json!("GlueTables"), json!({})),
            capable(json!(["Training", "Athena"]), json!({})),
            capable(json!(["GlueTables", "Training"]), json!({ "GlueDatabases": [] })),
            capable(json!("Athena"), json!({ "GlueDatabases": [] })),
            json!({ "GlueDatabases": "sales" }),
            json!({ "GlueDatabases": ["sales"], "Capabilities": [] }),
            capable(json!("Training"), json!({ "GlueDatabases": "sales" })),
            capable(json!(["Training", "Hosting"]), json!({ "GlueDatabases": ["sales"] })),
            capable(json!("FeatureStoreOffline"), json!({})),
            capable(json!(["FeatureStore", "FeatureStoreOffline"]), json!({ "Buckets": [] })),
            capable(json!("FeatureStoreOffline"), json!({ "Buckets": reads })),
            capable(json!(["FeatureStoreOffline"]), json!({ "Buckets": [reads, reads] })),
            json!({ "LimitToSubnets": true }),
            json!({ "LimitToSubnets": "true" }),
            json!({ "LimitToSubnets": "true", "Subnets": [], "SecurityGroups": [] }),
            capable(json!("Processing"), in_network(json!(true))),
            capable(json!("ModelMonitor"), in_network(json!("true"))),
            capable(json!(["Training", "Processing"]), in_network(json!("true"))),
            capable(json!(["ModelMonitor", "Training"]), in_network(json!(true))),
            json!({ "Topics": topic(252, ".fifo") }),
            json!({ "Topics": [topic(257, "")] }),
            json!({ "Topics": topic(0, ".fifo") }),
        ],
    );
}
