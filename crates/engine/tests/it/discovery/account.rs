//! An account in which each thing of SageMaker has a role of its own.

use serde_json::{Value, json};

use mlops_roles_testkit::account::sagemaker::Region;
use mlops_roles_testkit::account::{Fake, Role};

use super::role;

/// A request, and what SageMaker replies.
type Described = (&'static str, Value);

/// An account in which each thing has a role of its own.
pub(super) fn account() -> Fake {
    let fake = Fake::new();
    fake.change(|books| {
        let described = [domains(), jobs_and_clusters(), endpoints(), configurations()].into_iter().flatten();
        let described = described.map(|(request, reply)| (request.to_owned(), reply)).collect();
        books.regions.insert("us-east-1".into(), Region { described, ..Region::default() });
        for name in ["stackSageMakerExecutionRole-1a", "otherSageMakerExecutionRole-2b", "otherSageMakerX"] {
            let one = Role { name: name.into(), path: "/service-role/".into(), ..Role::default() };
            books.roles.insert(name.to_lowercase(), one);
        }
    });
    fake
}

/// Domains, with their user profiles and spaces.
fn domains() -> Vec<Described> {
    let settings = |member: &str, name: &str| json!({ member: { "ExecutionRole": role(name) } });
    let space = |sharing: &str| {
        json!({
            "SpaceSharingSettings": { "SharingType": sharing },
            "OwnershipSettings": { "OwnerUserProfileName": "alice" },
        })
    };
    vec![
        (
            "DescribeDomain d-1",
            json!({
                "DefaultUserSettings": { "ExecutionRole": role("domain") },
                "DefaultSpaceSettings": { "ExecutionRole": role("spaces") },
            }),
        ),
        ("DescribeDomain d-2", json!({})),
        ("DescribeUserProfile d-1/alice", settings("UserSettings", "alice")),
        ("DescribeUserProfile d-1/bob", json!({})),
        ("DescribeUserProfile d-2/carol", json!({ "UserSettings": {} })),
        ("DescribeSpace d-1/own", space("Private")),
        ("DescribeSpace d-1/all", space("Shared")),
    ]
}

fn jobs_and_clusters() -> Vec<Described> {
    vec![
        ("DescribeNotebookInstance nb", json!({ "RoleArn": role("notebook") })),
        ("DescribePipeline p", json!({ "RoleArn": role("pipeline") })),
        ("DescribeTrainingJob job", json!({ "TrainingJobStatus": "Completed", "RoleArn": role("training") })),
        ("DescribeTrainingJob serverless", json!({ "TrainingJobStatus": "Completed" })),
        ("DescribeCluster alike", groups(&["cluster", "cluster"], &["cluster"])),
        ("DescribeCluster mixed", groups(&["cluster"], &["restricted"])),
        ("DescribeCluster restricted", groups(&[], &["restricted"])),
        ("DescribeCluster bare", json!({ "ClusterRole": role("autoscaling"), "InstanceGroups": [] })),
        (
            "DescribeModelPackage MetadataOnly/package",
            json!({ "ValidationSpecification": { "ValidationRole": role("validation") } }),
        ),
        ("DescribeModelPackage MetadataOnly/unvalidated", json!({ "ModelPackageStatus": "Completed" })),
    ]
}

/// Endpoints, and the models that they lead to.
fn endpoints() -> Vec<Described> {
    let endpoints = [
        ("DescribeEndpoint pooled", "with-pools"),
        ("DescribeEndpoint shadowed", "with-shadow-pools"),
        ("DescribeEndpoint configured", "with-role"),
        ("DescribeEndpoint alike", "two-alike"),
        ("DescribeEndpoint mixed", "two-different"),
        ("DescribeEndpoint broken", "of-a-model-that-went"),
    ];
    let models =
        [("DescribeModel m1", "m1", "model"), ("DescribeModel m2", "m2", "model"), ("DescribeModel m3", "m3", "other")];
    let endpoints = endpoints.map(|(request, config)| (request, json!({ "EndpointConfigName": config })));
    let models =
        models.map(|(request, name, of)| (request, json!({ "ModelName": name, "ExecutionRoleArn": role(of) })));
    endpoints.into_iter().chain(models).collect()
}

/// Configurations of endpoints.
fn configurations() -> Vec<Described> {
    vec![
        ("DescribeEndpointConfig with-pools", json!({ "ProductionVariants": [pooled("m1", &["m2", "m3"])] })),
        (
            "DescribeEndpointConfig with-shadow-pools",
            json!({
                "ProductionVariants": [pooled("m1", &["m2"])],
                "ShadowProductionVariants": [pooled("m2", &["m3"])],
            }),
        ),
        ("DescribeEndpointConfig with-gone-pool", json!({ "ProductionVariants": [pooled("m1", &["m2", "gone"])] })),
        ("DescribeEndpointConfig of-another", variants(&["m3"])),
        ("DescribeEndpointConfig with-role", json!({ "ExecutionRoleArn": role("config") })),
        ("DescribeEndpointConfig two-alike", variants(&["m1", "m2"])),
        ("DescribeEndpointConfig two-different", variants(&["m1", "m3"])),
        ("DescribeEndpointConfig of-a-model-that-went", variants(&["gone"])),
    ]
}

fn variants(models: &[&str]) -> Value {
    let variants = models.iter().map(|model| json!({ "VariantName": model, "ModelName": model }));
    json!({ "ProductionVariants": variants.collect::<Vec<_>>() })
}

/// A variant with a model, and an instance pool for each model that overrides it.
fn pooled(model: &str, overrides: &[&str]) -> Value {
    let with_override = |model: &&str| json!({ "InstanceType": "ml.g5.xlarge", "ModelNameOverride": model });
    let pools = [json!({ "InstanceType": "ml.m5.xlarge" })].into_iter().chain(overrides.iter().map(with_override));
    json!({ "VariantName": model, "ModelName": model, "InstancePools": pools.collect::<Vec<_>>() })
}

/// A cluster with an instance group for each role, and restricted instance groups.
fn groups(plain: &[&str], restricted: &[&str]) -> Value {
    let groups = |names: &[&str]| names.iter().map(|name| json!({ "ExecutionRole": role(name) })).collect::<Vec<_>>();
    json!({
        "ClusterRole": role("autoscaling"),
        "InstanceGroups": groups(plain),
        "RestrictedInstanceGroups": groups(restricted),
    })
}
