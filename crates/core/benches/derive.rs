//! What a definition costs: reading it, deriving the grants, merging them into documents.
//!
//!     cargo bench --package mlops-roles-core

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Map, Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::documents::documents;
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::context::DeriveContext;

/// Tasks of five kinds, half of them with names of their own.
fn machine(states: usize) -> Value {
    let kinds = [
        ("lambda:invoke", "FunctionName"),
        ("glue:startJobRun.sync", "JobName"),
        ("sagemaker:createTransformJob.sync", "TransformJobName"),
        ("dynamodb:putItem", "TableName"),
        ("aws-sdk:sagemaker:describeEndpoint", "EndpointName"),
    ];
    let states: Map<String, Value> = (0..states)
        .zip(kinds.iter().cycle())
        .map(|(i, (resource, member))| {
            let name = if i % 2 == 0 { format!("name-{i}") } else { "shared".to_owned() };
            let resource = format!("arn:aws:states:::{resource}");
            (format!("S{i}"), json!({ "Type": "Task", "Resource": resource, "Parameters": { *member: name } }))
        })
        .collect();
    json!({ "StartAt": "S0", "States": states })
}

fn deriving(criterion: &mut Criterion) {
    let place = Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() };
    let overrides = BTreeMap::new();
    let context = DeriveContext {
        place: &place,
        execution_roles: &[],
        overrides: &overrides,
        actions: &BTreeMap::new(),
        resources: &BTreeMap::new(),
    };
    let mut group = criterion.benchmark_group("derive");
    group.sample_size(20);
    for states in [10, 1_000, 10_000] {
        let definition = machine(states);
        group.throughput(Throughput::Elements(states.try_into().unwrap_or(u64::MAX)));
        group.bench_with_input(BenchmarkId::from_parameter(states), &definition, |bencher, definition| {
            bencher.iter(|| {
                let (machine, _) = asl::parse(black_box(definition));
                let required = derive(&machine, &Features::default(), context);
                black_box(documents(&required.grants))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, deriving);
criterion_main!(benches);
