//! Tests what a call needs besides the permission for its own action.

use std::collections::BTreeSet;

use serde_json::json;

use super::{ROLE, derived, derived_in, on, set};

/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsagemaker.html>
#[test]
fn a_training_job_needs_the_training_plans_that_it_names() {
    let plan = |name: &str| format!("arn:aws:sagemaker:us-east-1:123456789012:training-plan/{name}");
    let parameters = json!({
        "TrainingJobName": "churn",
        "RoleArn": ROLE,
        "ResourceConfig": {
            "TrainingPlanArn": plan("a"),
            "InstancePreferences": [{ "TrainingPlanArns": [plan("b"), plan("c")] }, {}],
        },
    });
    let granted = on("sagemaker:createTrainingJob", parameters, "sagemaker:CreateTrainingJob");
    assert!(["a", "b", "c"].map(plan).iter().all(|plan| granted.contains(plan)), "{granted:?}");
    assert_eq!(granted.len(), 4);
}

/// Each API that tags what it makes needs the tagging action of its service.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>
#[test]
fn tags_of_what_a_task_makes_need_the_tagging_action() {
    let role = json!(ROLE);
    for (resource, parameters, member, action) in [
        ("batch:submitJob", json!({ "JobQueue": "q", "JobDefinition": "d" }), "Tags", "batch:TagResource"),
        (
            "bedrock:createModelCustomizationJob",
            json!({ "BaseModelIdentifier": "m", "RoleArn": role }),
            "JobTags",
            "bedrock:TagResource",
        ),
        (
            "bedrock:createModelCustomizationJob",
            json!({ "BaseModelIdentifier": "m", "RoleArn": role }),
            "CustomModelTags",
            "bedrock:TagResource",
        ),
        ("ecs:runTask", json!({ "TaskDefinition": "t" }), "Tags", "ecs:TagResource"),
        ("eks:createCluster", json!({ "Name": "c", "RoleArn": role }), "Tags", "eks:TagResource"),
        (
            "eks:createNodegroup",
            json!({ "ClusterName": "c", "NodegroupName": "n", "NodeRole": role }),
            "Tags",
            "eks:TagResource",
        ),
        (
            "eks:createFargateProfile",
            json!({ "ClusterName": "c", "FargateProfileName": "f", "PodExecutionRoleArn": role }),
            "Tags",
            "eks:TagResource",
        ),
        ("elasticmapreduce:createCluster", json!({}), "Tags", "elasticmapreduce:AddTags"),
        ("emr-containers:createVirtualCluster", json!({}), "Tags", "emr-containers:TagResource"),
        (
            "emr-containers:startJobRun",
            json!({ "VirtualClusterId": "v", "ExecutionRoleArn": role }),
            "Tags",
            "emr-containers:TagResource",
        ),
        ("emr-serverless:createApplication", json!({}), "Tags", "emr-serverless:TagResource"),
        (
            "emr-serverless:startJobRun",
            json!({ "ApplicationId": "a", "ExecutionRoleArn": role }),
            "Tags",
            "emr-serverless:TagResource",
        ),
        ("mediaconvert:createJob", json!({ "Role": role }), "Tags", "mediaconvert:TagResource"),
    ] {
        assert!(on(resource, parameters.clone(), action).is_empty(), "{resource}: without tags");
        let mut tagged = parameters;
        tagged[member] = json!({ "team": "churn" });
        assert!(!on(resource, tagged, action).is_empty(), "{resource}: with `{member}`");
    }
}

/// <https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-marketplace-prerequisites.html>
#[test]
fn a_model_of_the_marketplace_is_called_by_way_of_its_endpoint() {
    let endpoint = "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/churn";
    let required = derived("bedrock:invokeModel", json!({ "ModelId": endpoint }));
    let [model, called] = required.grants.as_slice() else { panic!("{:?}", required.grants) };
    let all = "arn:aws:bedrock:eu-west-1:123456789012:marketplace/model-endpoint/all-access".to_owned();
    assert_eq!((&model.resources, &model.condition), (&BTreeSet::from([all]), &None));
    assert_eq!(called.actions, BTreeSet::from(["sagemaker:InvokeEndpoint".to_owned()]));
    let condition = json!({ "StringEquals": { "aws:CalledViaLast": "bedrock.amazonaws.com" } });
    assert_eq!((&called.resources, &called.condition), (&BTreeSet::from([endpoint.to_owned()]), &Some(condition)));
}

/// A role that a call seldom names is granted if the definition names it.
#[test]
fn an_optional_role_is_passed_if_the_definition_names_it() {
    let builds = "codebuild.amazonaws.com";
    for (resource, name, member, services) in [
        ("codebuild:startBuild", "ProjectName", "ServiceRoleOverride", &[builds][..]),
        ("codebuild:startBuildBatch", "ProjectName", "ServiceRoleOverride", &[builds]),
        ("codebuild:startBuildBatch", "ProjectName", "BuildBatchConfigOverride.ServiceRole", &[builds]),
        ("ecs:runTask", "TaskDefinition", "VolumeConfigurations[*].ManagedEBSVolume.RoleArn", &["ecs.amazonaws.com"]),
        ("eks:createCluster", "Name", "ComputeConfig.NodeRoleArn", &["eks.amazonaws.com", "ec2.amazonaws.com"]),
    ] {
        let mut parameters = json!({ name: "churn" });
        set(&mut parameters, member, ("", ROLE));
        let passed = derived(resource, parameters).pass_role_grants;
        let passed: Vec<&str> = passed.iter().map(|one| one.service.as_str()).collect();
        assert_eq!(passed, services, "{resource}");
    }
    assert_eq!(derived_in("aws", "codebuild:startBuild", None).pass_role_grants, []);
}
