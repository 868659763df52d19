//! Properties of any state machine: deriving does not panic, no task is lost, and one more state removes no grant.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use mlops_roles_core::iam::arn::{Place, matches};
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::permissions::asl;
use mlops_roles_core::permissions::derive::derive;
use mlops_roles_core::permissions::documents::documents;
use mlops_roles_core::permissions::features::Features;
use mlops_roles_core::permissions::integration::context::DeriveContext;
use mlops_roles_core::permissions::integration::required::Grant;

fn place() -> Place {
    Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() }
}

/// A task, by its resource and its arguments.
fn task() -> impl Strategy<Value = Value> {
    let name = prop_oneof!["[a-zA-Z]{1,8}", Just("churn".to_owned())];
    (0..6_u8, name, any::<bool>()).prop_map(|(kind, name, dynamic)| {
        let (resource, member) = match kind {
            0 => ("arn:aws:states:::lambda:invoke", "FunctionName"),
            1 => ("arn:aws:states:::glue:startJobRun.sync", "JobName"),
            2 => ("arn:aws:states:::dynamodb:getItem", "TableName"),
            3 => ("arn:aws:states:::sagemaker:createTransformJob.sync", "TransformJobName"),
            4 => ("arn:aws:states:::aws-sdk:sagemaker:describeEndpoint", "EndpointName"),
            _ => ("arn:aws:states:::codebuild:startBuild", "ProjectName"),
        };
        let parameters = if dynamic {
            json!({ format!("{member}.$"): format!("States.Format('{name}-{{}}', $.x)") })
        } else {
            json!({ member: name })
        };
        json!({ "Type": "Task", "Resource": resource, "Parameters": parameters })
    })
}

fn states(inner: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    prop::collection::vec(inner, 1..4).prop_map(|states| {
        let states: Map<String, Value> =
            states.into_iter().enumerate().map(|(i, state)| (format!("S{i}"), state)).collect();
        json!({ "StartAt": "S0", "States": states })
    })
}

fn machine() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![4 => task(), 1 => Just(json!({ "Type": "Wait", "Seconds": "1" }))];
    let state = leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(states(inner.clone()), 1..3)
                .prop_map(|branches| json!({ "Type": "Parallel", "Branches": branches })),
            states(inner.clone()).prop_map(|machine| json!({ "Type": "Map", "Iterator": machine })),
            states(inner).prop_map(|machine| {
                let mut processor = machine;
                processor["ProcessorConfig"] = json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" });
                json!({ "Type": "Map", "ItemProcessor": processor })
            }),
        ]
    });
    states(state)
}

fn tasks_in(value: &Value) -> usize {
    let here = usize::from(value["Type"] == "Task");
    let below = match value {
        Value::Object(members) => members.values().map(tasks_in).sum(),
        Value::Array(items) => items.iter().map(tasks_in).sum(),
        _ => 0,
    };
    here + below
}

pub fn grants(machine: &Value) -> Vec<Grant> {
    let (machine, errors) = asl::parse(machine);
    assert!(errors.is_empty(), "{errors:?}");
    let features = Features { state_machine: Some("churn".into()), ..Features::default() };
    let (place, overrides) = (place(), BTreeMap::new());
    let required = derive(
        &machine,
        &features,
        DeriveContext {
            place: &place,
            execution_roles: &[],
            overrides: &overrides,
            actions: &BTreeMap::new(),
            resources: &BTreeMap::new(),
        },
    );
    assert!(required.errors.is_empty(), "{:?}", required.errors);
    required.grants
}

/// Whether the documents allow the grant.
pub fn allowed(documents: &[Document], grant: &Grant) -> bool {
    let statements: Vec<Value> = documents
        .iter()
        .flat_map(|document| {
            let document: Value = serde_json::from_str(&document.to_string()).unwrap();
            document["Statement"].as_array().cloned().unwrap()
        })
        .collect();
    let lists = |statement: &Value, member: &str, one: &str| {
        statement[member].as_array().unwrap().iter().any(|pattern| matches(pattern.as_str().unwrap(), one))
    };
    grant.actions.iter().all(|action| {
        grant.resources.iter().all(|resource| {
            statements
                .iter()
                .any(|statement| lists(statement, "Action", action) && lists(statement, "Resource", resource))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_task_is_lost_and_its_grants_survive_merging(machine in machine()) {
        let (read, _) = asl::parse(&machine);
        prop_assert_eq!(read.tasks.len(), tasks_in(&machine));
        let grants = grants(&machine);
        prop_assert!(read.tasks.iter().all(|task| grants.iter().any(|grant| grant.state == task.path)));
        let documents = documents(&grants).unwrap();
        prop_assert!(grants.iter().all(|grant| allowed(&documents, grant)));
        prop_assert!(documents.iter().all(|document| document.size() <= 6_144));
    }

    #[test]
    fn one_state_more_takes_no_grant_away(machine in machine(), more in task()) {
        let before = grants(&machine);
        let mut larger = machine;
        larger["States"]["More"] = more;
        let documents = documents(&grants(&larger)).unwrap();
        prop_assert!(before.iter().all(|grant| allowed(&documents, grant)));
    }

    #[test]
    fn no_definition_makes_it_panic(text in r#"[\[\]{}":,a-zA-Z$%.]{0,60}"#, machine in machine(), cut in 0_usize..400) {
        let whole = machine.to_string();
        let cut = whole.get(..cut).unwrap_or(&whole);
        for text in [text.as_str(), cut] {
            if let Ok(value) = serde_json::from_str::<Value>(text) {
                let (machine, _) = asl::parse(&value);
                let (place, overrides) = (place(), BTreeMap::new());
                derive(&machine, &Features::default(), DeriveContext { place: &place, execution_roles: &[], overrides: &overrides, actions: &BTreeMap::new(), resources: &BTreeMap::new() });
            }
        }
    }
}
