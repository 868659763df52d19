//! Tests the specs of the sets: placeholders, trust policies, quotas, and the managed policies of AWS.

use std::collections::BTreeSet;

use serde_json::json;

use mlops_roles_core::catalog;

use mlops_roles_testkit::account::ACCOUNT;
use mlops_roles_testkit::repository;
use mlops_roles_testkit::role_sets::{asking, wide};

use super::{DEPLOY_TARGET, TYPE, asked, documents, file, read, spec, statements, texts};

#[test]
fn nothing_is_left_to_fill_in_and_nothing_is_lost_by_it() {
    for (name, (kind, properties)) in asked() {
        for fidelity in ["Narrowed", "AsPublished"] {
            let spec = spec(kind, &asking(&properties, json!({ "Fidelity": fidelity }))).unwrap();
            let text = format!("{:?}{:?}", spec.state, spec.attributes);
            assert!(!text.contains("${"), "{name}");
        }
        // A statement would go missing silently if it named what the set does not create.
        let published = file("published.json");
        let Some(tables) = published.get(&name) else { continue };
        let set = catalog::role_set(&name).unwrap();
        let told: usize =
            tables["roles"].as_object().unwrap().values().map(|role| statements(&role["trust"]).len()).sum();
        assert_eq!(set.roles.values().map(|role| role.trust.len()).sum::<usize>(), told, "{name}");
    }
}

#[test]
fn narrowed_roles_are_passed_to_named_services_and_trust_on_behalf_of_somebody() {
    let (mut pass_role_grants, mut trusts) = (0, 0);
    for (name, (kind, properties)) in asked() {
        let spec = spec(kind, &asking(&properties, json!({}))).unwrap();
        for (document, of) in documents(&spec) {
            for statement in statements(&of) {
                let condition = statement["Condition"].to_string();
                if texts(&statement["Action"])
                    .iter()
                    .any(|action| mlops_roles_core::iam::arn::matches(action, "iam:PassRole"))
                {
                    pass_role_grants += 1;
                    assert!(condition.contains("iam:PassedToService"), "{name}, {document}: {statement}");
                }
                let services = texts(&statement["Principal"]["Service"]);
                let accounts = texts(&statement["Principal"]["AWS"]);
                trusts += services.len() + accounts.len();
                let free = ["servicecatalog.amazonaws.com"];
                if !services.is_empty() && services != free {
                    assert!(condition.contains("aws:SourceAccount"), "{name}, {document}: {statement}");
                }
                for account in accounts.into_iter().filter(|one| !one.contains("role/") && *one != ACCOUNT) {
                    assert!(condition.contains("aws:PrincipalArn"), "{name}, {document}: {account}");
                }
            }
        }
    }
    assert!(pass_role_grants >= 9 && trusts >= 30, "{pass_role_grants} passings, {trusts} trusts");
}

/// The names are the longest that IAM accepts.
#[test]
fn every_set_fits_its_quotas_with_the_longest_names() {
    let long = "ds-team-abcdefghijklmnopqrstu"; // with `-d-` and the longest id, 64 characters
    for (set, roles) in [
        ("ServiceCatalogProjects", json!({})),
        (
            "CoreShared",
            json!({
                "DataScienceAdministratorRole": "ds-team-".repeat(8),
                "SCLaunchRole": format!("{}x", "ds-team-".repeat(7)),
                "SageMakerDetectiveControlExecutionRole": format!("{}y", "ds-team-".repeat(7)),
            }),
        ),
        ("Environment", json!({})),
        ("TargetAccount", json!({})),
        ("SetupStackSetExecution", json!({})),
    ] {
        let mut properties = file("published.json")[set]["properties"].clone();
        if properties.get("EnvName").is_some() {
            properties["EnvName"] = json!(long);
            properties["EnvType"] = json!("d");
        }
        // The deployer lists as many attachable policies as possible.
        let mut guardrails = wide();
        guardrails.managed_policies = vec![format!("arn:aws-us-gov:iam::aws:policy/{}*", "x".repeat(60)); 10];
        let properties = asking(&properties, json!({ "RoleNames": roles }));
        let (_, errors) = read(TYPE, &properties, &guardrails);
        assert!(errors.is_empty(), "{set}: {errors}");
    }
    spec(DEPLOY_TARGET, &asking(&json!({ "NamePrefix": "bridge-abcdefghijklmnopqrstuvwxy" }), json!({}))).unwrap();
}

/// `template.yaml` lists the attachable policies too, and there IAM enforces the list.
#[test]
fn the_template_admits_the_policies_of_aws_that_the_sets_have() {
    let mut attached = BTreeSet::new();
    for (_, (kind, properties)) in asked() {
        if kind == TYPE {
            let spec = spec(kind, &asking(&properties, json!({}))).unwrap();
            attached.extend(spec.state.roles.into_values().flat_map(|role| role.attached));
        }
    }
    attached.retain(|arn| arn.starts_with("arn:aws:iam::aws:"));
    let template = std::fs::read_to_string(repository().join("template.yaml")).unwrap();
    let part = template.split("\n  RoleSetsPolicy:").nth(1).unwrap().split("\n\n").next().unwrap();
    let admitted: BTreeSet<String> = part
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- !Sub arn:${AWS::Partition}:iam::aws:"))
        .map(|rest| format!("arn:aws:iam::aws:{rest}"))
        .collect();
    assert_eq!(admitted, attached);
}
