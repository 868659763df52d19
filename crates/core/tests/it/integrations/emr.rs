//! Tests clusters of Amazon EMR, which need roles of several kinds.

use serde_json::{Value, json};

use super::{ROLE, derived_in, on};

/// <https://docs.aws.amazon.com/emr/latest/ManagementGuide/using-service-linked-roles-cleanup.html>,
/// <https://docs.aws.amazon.com/eks/latest/userguide/using-service-linked-roles.html>,
/// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEMRFullAccessPolicy_v2.html>
#[test]
fn a_cluster_needs_its_service_linked_role_and_passes_roles() {
    let linked = "iam:CreateServiceLinkedRole";
    for (resource, parameters, host) in [
        ("elasticmapreduce:createCluster", json!({}), "elasticmapreduce.amazonaws.com/AWSServiceRoleForEMRCleanup"),
        ("eks:createCluster", json!({ "Name": "c", "RoleArn": ROLE }), "eks.amazonaws.com/AWSServiceRoleForAmazonEKS"),
        (
            "eks:createNodegroup",
            json!({ "ClusterName": "c", "NodegroupName": "n", "NodeRole": ROLE }),
            "eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup",
        ),
        (
            "eks:createFargateProfile",
            json!({ "ClusterName": "c", "FargateProfileName": "f", "PodExecutionRoleArn": ROLE }),
            "eks-fargate.amazonaws.com/AWSServiceRoleForAmazonEKSForFargate",
        ),
    ] {
        for pattern in ["", ".sync"] {
            let roles = on(&format!("{resource}{pattern}"), parameters.clone(), linked);
            assert!(roles.iter().all(|role| role.contains(host)) && roles.len() == 1, "{resource}{pattern}: {roles:?}");
        }
    }
    for node in ["NodeRole", "PodExecutionRoleArn"] {
        let kind = if node == "NodeRole" { "createNodegroup" } else { "createFargateProfile" };
        let parameters = json!({ "ClusterName": "c", "NodegroupName": "n", "FargateProfileName": "f", node: ROLE });
        let read = on(&format!("eks:{kind}"), parameters, "iam:GetRole");
        assert!(read.iter().any(|role| role.contains(":role/aws-service-role/eks-")), "{kind}: {read:?}");
    }
    for (partition, services) in
        [("aws", vec!["ec2.amazonaws.com"]), ("aws-cn", vec!["ec2.amazonaws.com", "ec2.amazonaws.com.cn"])]
    {
        for profile in ["Nodes".to_owned(), format!("arn:{partition}:iam::123456789012:instance-profile/Nodes")] {
            let parameters = json!({ "JobFlowRole": profile });
            let required = derived_in(partition, "elasticmapreduce:createCluster", Some(("Parameters", parameters)));
            assert!(required.errors.is_empty(), "{:?}", required.errors);
            let passed = required.pass_role_grants.iter().map(|one| (one.role.as_str(), one.service.as_str()));
            let role = format!("arn:{partition}:iam::123456789012:role/Nodes");
            let expected: Vec<(&str, &str)> = services.iter().map(|service| (role.as_str(), *service)).collect();
            assert_eq!(passed.collect::<Vec<_>>(), expected);
        }
    }
}

/// <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonEMRFullAccessPolicy_v2.html>
#[test]
fn in_china_the_service_linked_role_of_emr_may_have_either_name() {
    for (partition, names) in [
        ("aws", json!("elasticmapreduce.amazonaws.com")),
        ("aws-us-gov", json!("elasticmapreduce.amazonaws.com")),
        ("aws-cn", json!(["elasticmapreduce.amazonaws.com", "elasticmapreduce.amazonaws.com.cn"])),
    ] {
        let required = derived_in(partition, "elasticmapreduce:createCluster", Some(("Parameters", json!({}))));
        let linked =
            required.grants.iter().find(|grant| grant.actions.contains("iam:CreateServiceLinkedRole")).unwrap();
        assert_eq!(linked.condition, Some(json!({ "StringLike": { "iam:AWSServiceName": names } })));
        let hosts = linked.resources.iter().rev().map(|arn| arn.split('/').nth(2).unwrap());
        let expected: Vec<&str> = names
            .as_array()
            .map_or_else(|| vec![names.as_str().unwrap()], |all| all.iter().filter_map(Value::as_str).collect());
        assert_eq!(hosts.collect::<Vec<_>>(), expected);
    }
}
