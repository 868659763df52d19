//! Tests the KMS keys that a call names, also by an alias.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::context::DeriveContext;
use mlops_roles_core::permissions::integration::required::Grant;

use super::{ELSEWHERE, ROLE, derived, on, set};

#[test]
fn each_volume_key_of_a_tuning_job_is_granted() {
    let key = |id: &str| format!("arn:aws:kms:us-east-1:123456789012:key/{id}");
    let definition = |a: &str, b: &str| {
        json!({
            "RoleArn": ROLE,
            "ResourceConfig": { "VolumeKmsKeyId": key(a) },
            "HyperParameterTuningResourceConfig": { "VolumeKmsKeyId": key(b) },
        })
    };
    let tuning = |more: Value| {
        let mut parameters = json!({ "HyperParameterTuningJobName": "churn" });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        on("sagemaker:createHyperParameterTuningJob.sync", parameters, "kms:CreateGrant")
    };
    assert_eq!(tuning(json!({ "TrainingJobDefinition": definition("1", "2") })), [key("1"), key("2")]);
    let several = json!([definition("1", "2"), { "RoleArn": ROLE }, definition("3", "4")]);
    assert_eq!(tuning(json!({ "TrainingJobDefinitions": several })), ["1", "2", "3", "4"].map(key));
    assert!(tuning(json!({ "TrainingJobDefinition": { "RoleArn": ROLE } })).is_empty());
}

#[test]
fn an_alias_of_a_key_is_granted_by_a_condition() {
    for (resource, name, member) in [
        ("sagemaker:createEndpointConfig", "EndpointConfigName", "KmsKeyId"),
        ("sagemaker:createTransformJob", "TransformJobName", "TransformResources.VolumeKmsKeyId"),
    ] {
        let keys = |key: &str| {
            let mut parameters = json!({ name: "churn" });
            set(&mut parameters, member, ("", key));
            let required = derived(resource, parameters);
            let grants = required.grants.iter().filter(|grant| grant.actions.contains("kms:CreateGrant"));
            let grants: Vec<&Grant> = grants.collect();
            let [grant] = grants.as_slice() else { panic!("{resource}: {:?}", required.grants) };
            (grant.resources.first().unwrap().clone(), grant.condition.clone().unwrap())
        };
        let of = |place: &str, rest: &str| format!("arn:aws:kms:{place}:{rest}");
        let here = "us-east-1:123456789012";
        let by_alias = json!(["alias/churn"]);
        for (alias, place) in [("alias/churn".to_owned(), here), (of(ELSEWHERE, "alias/churn"), ELSEWHERE)] {
            let (on, condition) = keys(&alias);
            assert_eq!(
                (on, &condition["ForAnyValue:StringLike"]["kms:ResourceAliases"]),
                (of(place, "key/*"), &by_alias)
            );
            assert_eq!(condition["Bool"]["kms:GrantIsForAWSResource"], "true");
        }
        let (on, condition) = keys("1-2");
        assert_eq!((on, condition.get("ForAnyValue:StringEquals")), (of(here, "key/1-2"), None));
    }
}

#[test]
fn the_condition_on_an_encrypted_state_machine_admits_each_name_that_begins_so() {
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
    let overrides = BTreeMap::new();
    let context = DeriveContext {
        place: &place,
        execution_roles: &[],
        overrides: &overrides,
        actions: &BTreeMap::new(),
        resources: &BTreeMap::new(),
    };
    for (name, expected) in [(Some("churn-"), "churn-*"), (None, "*")] {
        let key = Some("arn:aws:kms:us-east-1:123456789012:key/1".to_owned());
        let features = Features { state_machine: name.map(str::to_owned), key, ..Features::default() };
        let required = derive(&asl::Machine::default(), &features, context);
        let machine = format!("arn:aws:states:us-east-1:123456789012:stateMachine:{expected}");
        let condition = json!({ "StringLike": { "kms:EncryptionContext:aws:states:stateMachineArn": machine } });
        assert_eq!(required.grants.first().unwrap().condition, Some(condition));
    }
}
