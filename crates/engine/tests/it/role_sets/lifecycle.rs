//! Tests Create, Update and Delete of role sets and of the deploy target.

use std::collections::BTreeMap;

use serde_json::json;

use mlops_roles_testkit::account::Books;
use mlops_roles_testkit::role_sets::{asking, environment, of_type, stage, target_account};
use mlops_roles_testkit::stage::{create, delete, update};

use super::{DEPLOY_TARGET, TYPE, file};

#[tokio::test(start_paused = true)]
async fn a_set_is_made_once_and_taken_away_whole() {
    let stage = stage(Books::default());
    let made = stage.send(&of_type(create(&environment(json!({}))), TYPE)).await.success();
    assert!(made.id().starts_with("role-set/Environment/"), "{}", made.id());
    let books = stage.fake.books();
    assert_eq!((books.roles.len(), books.policies.len()), (7, 3));
    for role in books.roles.values() {
        assert_eq!(role.boundary.as_deref(), Some(mlops_roles_testkit::stage::BOUNDARY));
    }
    let again = stage.send(&of_type(create(&environment(json!({}))), TYPE)).await.success();
    assert_eq!((again.id(), &again.0["Data"]), (made.id(), &made.0["Data"]));
    assert_eq!(stage.fake.books(), books, "a second delivery changes nothing");
    stage.send(&of_type(delete(made.id(), &environment(json!({}))), TYPE)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn roles_can_be_switched_off_renamed_and_left_out() {
    let off = environment(json!({ "CreateIamUserRoles": "false", "CreateVPCFlowLogsRole": "NO" }));
    let stage = stage(Books::default());
    let made = stage.send(&of_type(create(&off), TYPE)).await.success();
    let data = &made.0["Data"];
    for absent in ["AssumeTeamAdminRole", "AssumeDataScientistRole", "DataScientistRoleArn", "VPCFlowLogsRoleArn"] {
        assert_eq!(data[absent], "", "{absent}");
    }
    assert_eq!(stage.fake.books().roles.len(), 4);

    let names =
        json!({ "DataScienceAdministratorRole": "", "SCLaunchRole": "ds-team-us-east-1-DSServiceCatalogLaunchRole" });
    let shared = asking(&json!({ "RoleSet": "CoreShared" }), json!({ "RoleNames": names }));
    let data = &stage.send(&of_type(create(&shared), TYPE)).await.success().0["Data"];
    assert_eq!((&data["DSAdministratorRoleArn"], &data["AssumeDSAdministratorRole"]), (&json!(""), &json!("")));
    let launch = &stage.fake.books().roles["ds-team-us-east-1-dsservicecataloglaunchrole"];
    assert!(launch.inline.contains_key("ds-team-us-east-1-DSServiceCatalogLaunchRole-SCLaunchInlinePolicy"));

    let nothing = json!({ "AmazonSageMakerServiceCatalogProductsLaunchRole": "" });
    let projects = asking(&json!({ "RoleSet": "ServiceCatalogProjects" }), json!({ "RoleNames": nothing }));
    let data = &stage.send(&of_type(create(&projects), TYPE)).await.success().0["Data"];
    assert_eq!(
        data["AmazonSageMakerServiceCatalogProductsLaunchRoleArn"],
        "arn:aws:iam::123456789012:role/service-role/AmazonSageMakerServiceCatalogProductsLaunchRole",
        "the conventional ARN, as published"
    );

    // As published, the roles of a target account may have any name.
    let target = target_account(json!({ "RoleNames": { "StackSetExecutionRole": "" } }));
    let data = &stage.send(&of_type(create(&target), TYPE)).await.success().0["Data"];
    assert_eq!(data["StackSetExecutionRoleName"], "ds-team-dev-StackSetExecutionRole");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_given_changes_in_place_and_a_rollback_changes_it_back() {
    let stage = stage(Books::default());
    let old = environment(json!({ "Tags": [{ "Key": "team", "Value": "a" }] }));
    let new =
        environment(json!({ "RoleNames": { "VPCFlowLogsRole": "ds-team-flow-logs" }, "CreateIamUserRoles": "NO" }));
    let made = stage.send(&of_type(create(&old), TYPE)).await.success();
    let first = stage.fake.books();
    let updated = stage.send(&of_type(update(made.id(), &new, &old), TYPE)).await.success();
    assert_eq!(updated.id(), made.id());
    let second = stage.fake.books();
    let names: Vec<&String> = second.roles.values().map(|role| &role.name).collect();
    assert_eq!((names.len(), second.policies.len()), (5, 3), "{names:?}");
    assert!(names.iter().any(|name| *name == "ds-team-flow-logs"), "{names:?}");
    for (name, role) in second.roles.iter().filter(|(name, _)| first.roles.contains_key(*name)) {
        assert_eq!(role.id, first.roles[name].id, "it is the same role");
        assert!(!role.tags.contains_key("team"), "a tag that is not asked for any more goes");
    }
    stage.send(&of_type(update(made.id(), &old, &new), TYPE)).await.success();
    assert_eq!(stage.fake.books().meaning(), first.meaning());
    stage.send(&of_type(delete(made.id(), &old), TYPE)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn another_environment_stands_beside_the_old_one_until_the_whole_update_has_succeeded() {
    let stage = stage(Books::default());
    let (old, new) = (environment(json!({})), environment(json!({ "EnvType": "test" })));
    let made = stage.send(&of_type(create(&old), TYPE)).await.success();
    let first = stage.fake.books();
    let updated = stage.send(&of_type(update(made.id(), &new, &old), TYPE)).await.success();
    assert_ne!(updated.id(), made.id());
    let both = stage.fake.books();
    assert_eq!((both.roles.len(), both.policies.len()), (14, 6));

    let forward = self::stage(both.clone());
    forward.send(&of_type(delete(made.id(), &old), TYPE)).await.success();
    assert_eq!((forward.fake.books().roles.len(), forward.fake.books().policies.len()), (7, 3));
    forward.send(&of_type(delete(updated.id(), &new), TYPE)).await.success();
    assert_eq!(forward.fake.books(), Books::default());

    // A rollback may ask for the old names again, or only delete the new roles. The old roles stay as they are in both
    // cases.
    for asks in [true, false] {
        let back = self::stage(both.clone());
        if asks {
            let restored = back.send(&of_type(update(updated.id(), &old, &new), TYPE)).await.success();
            assert_eq!(restored.id(), made.id());
        }
        back.send(&of_type(delete(updated.id(), &new), TYPE)).await.success();
        assert_eq!(back.fake.books(), first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_would_have_to_serve_both_is_refused_before_any_write() {
    let names = json!({ "RoleNames": { "VPCFlowLogsRole": "ds-team-flow-logs" } });
    let stage = stage(Books::default());
    let old = environment(names.clone());
    let new = environment(json!({ "EnvType": "test", "RoleNames": names["RoleNames"] }));
    let made = stage.send(&of_type(create(&old), TYPE)).await.success();
    let before = stage.fake.books();
    let reason = stage.send(&of_type(update(made.id(), &new, &old), TYPE)).await.failure().reason().to_owned();
    let told = "both role sets would have `ds-team-flow-logs`; give these roles new names with `RoleNames` too";
    assert!(reason.contains(told), "{reason}");
    assert_eq!(stage.fake.books(), before);
}

#[tokio::test(start_paused = true)]
async fn properties_that_no_longer_lead_to_the_names_are_no_reason_to_forget_them() {
    let stage = stage(Books::default());
    let asked = environment(json!({}));
    let made = stage.send(&of_type(create(&asked), TYPE)).await.success();
    let books = stage.fake.books();
    for other in [environment(json!({ "EnvType": "prod" })), json!({ "RoleSet": "Gone" }), json!({})] {
        let response = stage.send(&of_type(delete(made.id(), &other), TYPE)).await.failure();
        assert!(response.reason().contains("has other names than the properties lead to"), "{}", response.reason());
        let new = environment(json!({ "EnvType": "test" }));
        stage.send(&of_type(update(made.id(), &new, &other), TYPE)).await.failure();
        assert_eq!(stage.fake.books(), books);
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_was_switched_off_comes_back_and_another_set_takes_the_place_of_one() {
    let stage = stage(Books::default());
    let on = environment(json!({}));
    let off = environment(json!({ "CreateVPCFlowLogsRole": "NO" }));
    let setup = asking(&file("published.json")["SetupStackSetExecution"]["properties"], json!({}));
    let first = stage.send(&of_type(create(&on), TYPE)).await.success();
    let (mut id, mut before) = (first.id().to_owned(), &on);
    for (next, roles) in [(&off, 6), (&on, 7), (&setup, 1), (&off, 6)] {
        let response = stage.send(&of_type(update(&id, next, before), TYPE)).await.success();
        if response.id() != id {
            stage.send(&of_type(delete(&id, before), TYPE)).await.success();
        }
        assert_eq!(stage.fake.books().roles.len(), roles);
        (id, before) = (response.id().to_owned(), next);
    }
    stage.send(&of_type(delete(&id, before), TYPE)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}

#[tokio::test(start_paused = true)]
async fn a_set_that_was_adopted_is_given_back_whole() {
    let stage = stage(Books::default());
    let setup = asking(&file("published.json")["SetupStackSetExecution"]["properties"], json!({}));
    let adopting = asking(&setup, json!({ "AdoptExisting": "true" }));
    let made = stage.send(&of_type(create(&setup), TYPE)).await.success();
    let mut books = stage.fake.books();
    for role in books.roles.values_mut() {
        (role.tags, role.boundary) = (BTreeMap::from([("theirs".to_owned(), "1".to_owned())]), None);
    }
    let theirs = self::stage(books.clone());
    let reason = theirs.send(&of_type(create(&setup), TYPE)).await.failure().reason().to_owned();
    assert!(reason.contains("exists and is not managed by this resource"), "{reason}");
    assert_eq!(theirs.fake.books(), books);
    let adopted = theirs.send(&of_type(create(&adopting), TYPE)).await.success();
    assert_eq!(adopted.id(), made.id());
    let renamed = asking(&adopting, json!({ "RoleNames": { "SetupStackSetExecutionRole": "ds-team-setup" } }));
    theirs.send(&of_type(update(adopted.id(), &renamed, &adopting), TYPE)).await.success();
    let role = theirs.fake.books().roles["ds-team-dev-setupstacksetexecutionrole"].clone();
    assert_eq!((role.tags.len(), role.boundary.is_some()), (1, true), "released, not deleted");
    assert!(role.attached.is_empty() && role.inline.is_empty());
    theirs.send(&of_type(delete(adopted.id(), &renamed), TYPE)).await.success();
    assert_eq!(theirs.fake.books().roles.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn fidelity_changes_in_place() {
    let stage = stage(Books::default());
    let narrowed = environment(json!({}));
    let published = environment(json!({ "Fidelity": "AsPublished" }));
    let made = stage.send(&of_type(create(&narrowed), TYPE)).await.success();
    let before = stage.fake.books();
    let changed = stage.send(&of_type(update(made.id(), &published, &narrowed), TYPE)).await.success();
    assert_eq!(changed.id(), made.id());
    assert_ne!(stage.fake.books().meaning(), before.meaning());
    stage.send(&of_type(update(made.id(), &narrowed, &published), TYPE)).await.success();
    assert_eq!(stage.fake.books().meaning(), before.meaning());
}

#[tokio::test(start_paused = true)]
async fn a_deploy_target_is_made_changed_and_taken_away() {
    let stage = stage(Books::default());
    let scoped = asking(&json!({}), json!({}));
    let made = stage.send(&of_type(create(&scoped), DEPLOY_TARGET)).await.success();
    assert_eq!(
        made.0["Data"],
        json!({
            "ExecutionRoleArn": "arn:aws:iam::123456789012:role/bridge-sagemaker-execution",
            "InitDestroyPolicyArn": "arn:aws:iam::123456789012:policy/bridge-init-destroy",
            "RunPolicyArn": "arn:aws:iam::123456789012:policy/bridge-run",
            "BeyondBoundary": "",
            "Warnings": "",
        })
    );
    let full = asking(&json!({ "ExecutionPolicy": "AmazonSageMakerFullAccess" }), json!({}));
    stage.send(&of_type(update(made.id(), &full, &scoped), DEPLOY_TARGET)).await.success();
    let books = stage.fake.books();
    assert_eq!(books.policies.len(), 2);
    let role = &books.roles["bridge-sagemaker-execution"];
    assert_eq!(role.attached, ["arn:aws:iam::aws:policy/AmazonSageMakerFullAccess".to_owned()].into());
    stage.send(&of_type(delete(made.id(), &full), DEPLOY_TARGET)).await.success();
    assert_eq!(stage.fake.books(), Books::default());
}
