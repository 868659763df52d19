//! Tests service-catalog roles that are created because they do not exist, and what happens to them later.

use std::collections::BTreeMap;

use mlops_roles_testkit::data;

use serde_json::{Value, json};

use mlops_roles_core::iam::arn::Place;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::quota::INLINE_SIZE_PER_ROLE;
use mlops_roles_core::resource::service_catalog_role::ROLES;

use crate::definitions::json_of;
use mlops_roles_testkit::account::Books;
use mlops_roles_testkit::account::sagemaker::Region;
use mlops_roles_testkit::account::simulator::allows;
use mlops_roles_testkit::service_catalog::{
    ID, LAUNCH, USE, attribute, console, creating, deleting, joined, names, neighbours, solution, stage, updating,
    writes,
};
use mlops_roles_testkit::snapshot::{assert_unchanged, json_text};
use mlops_roles_testkit::stage::STACK;

/// The inline policy of `UseRole` that is the role set's, and the one that is added to it.
const OF_THE_SET: &str = "AmazonSageMakerServiceCatalogProductsUseRolePolicy";
const ADDED: &str = "AmazonSageMakerServiceCatalogProductsUseRoleAddedPolicy";

/// What remains to be done if the portfolio of every region is enabled.
const ACCESS: &str = "associate the role of each user with SageMaker's portfolio, in each region \
                      (`AssociatePrincipalWithPortfolio`)";

/// The inline policies of `UseRole` in this place, by name.
fn inline_of_use_role(partition: &str, region: &str) -> BTreeMap<String, Document> {
    let place = Place { partition: partition.into(), region: region.into(), account: "123456789012".into() };
    let role = ROLES.iter().find(|role| role.name().as_str() == USE).unwrap();
    role.role(&place, mlops_roles_testkit::stage::BOUNDARY).inline
}

fn parsed(document: &Document) -> Value {
    serde_json::from_str(&document.to_string()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn absent_roles_are_provisioned_as_ours_and_only_those_are_taken_down_where_others_are_kept() {
    let mut books = console();
    for suffix in ["UseRole", "GlueRole"] {
        books.roles.remove(&format!("amazonsagemakerservicecatalogproducts{}", suffix.to_lowercase()));
    }
    books.policies.clear();
    let asked = || json!({ "Roles": "All", "OnCreate": "Provision", "OnDelete": "Keep" });
    let before = joined(books.clone(), neighbours());
    let stage = stage(books);
    let response = stage.send(&creating(asked())).await.success();
    assert_eq!(attribute(&response, "ProvisionedRoles"), names(&["UseRole", "GlueRole"]));
    assert_eq!(attribute(&response, "KeptRoles").len(), 9);
    assert_eq!(attribute(&response, "MissingRoles").len(), 0);
    let made = &stage.fake.books().roles[&USE.to_lowercase()];
    assert_eq!(made.path, "/service-role/");
    assert_eq!(made.tags["mlops-roles:stack-id"], STACK);
    assert_eq!(made.boundary.as_deref(), Some(mlops_roles_testkit::stage::BOUNDARY));
    assert_eq!(made.attached, ["arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess".to_owned()].into());
    let inline = made.inline["AmazonSageMakerServiceCatalogProductsUseRolePolicy"].to_string();
    assert!(inline.contains("arn:aws:iam::123456789012:role/service-role/AmazonSageMakerServiceCatalog*"), "{inline}");
    assert!(!inline.contains("${"), "{inline}");
    let mut others = stage.fake.books();
    others.roles.retain(|_, role| role.tags.is_empty());
    assert_eq!(others, before);

    let calls = stage.fake.calls().len();
    assert_eq!(stage.send(&creating(asked())).await.success().0, response.0, "a second delivery finds the work done");
    assert!(!stage.fake.calls()[calls..].contains(&"CreateRole".to_owned()));
    let response = stage.send(&deleting(asked())).await.success();
    assert_eq!(attribute(&response, "DeletedRoles"), names(&["UseRole", "GlueRole"]));
    assert_eq!(stage.fake.books(), before);
}

#[tokio::test(start_paused = true)]
async fn what_was_provisioned_is_as_the_console_makes_it() {
    let stage = stage(Books::default());
    stage.send(&creating(json!({ "Roles": "All", "OnCreate": "Provision" }))).await.success();
    let books = stage.fake.books();
    let of = |suffix: &str| &books.roles[&format!("amazonsagemakerservicecatalogproducts{suffix}").to_lowercase()];
    let service_policy = |suffix: &str| {
        format!("arn:aws:iam::aws:policy/service-role/AmazonSageMakerServiceCatalogProducts{suffix}ServiceRolePolicy")
    };
    for (suffix, service, policy) in [
        (
            "LaunchRole",
            "servicecatalog",
            "arn:aws:iam::aws:policy/AmazonSageMakerAdmin-ServiceCatalogProductsServiceRolePolicy".to_owned(),
        ),
        ("ApiGatewayRole", "apigateway", service_policy("ApiGateway")),
        ("CloudformationRole", "cloudformation", service_policy("Cloudformation")),
        // AWS keeps this policy at another path.
        ("CodeBuildRole", "codebuild", service_policy("CodeBuild").replace("/service-role/", "/")),
        ("CodePipelineRole", "codepipeline", service_policy("CodePipeline")),
        ("EventsRole", "events", service_policy("Events")),
        ("FirehoseRole", "firehose", service_policy("Firehose")),
        ("GlueRole", "glue", service_policy("Glue")),
        ("LambdaRole", "lambda", service_policy("Lambda")),
        ("ExecutionRole", "sagemaker", "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess".to_owned()),
    ] {
        assert_eq!(of(suffix).attached, [policy].into(), "{suffix}");
        assert!(of(suffix).inline.is_empty(), "{suffix}");
        let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": ["sts:AssumeRole"],
            "Principal": { "Service": [format!("{service}.amazonaws.com")] } }] });
        assert_eq!(of(suffix).trust, trust, "{suffix}");
    }
    assert_eq!(of("UseRole").trust["Statement"][0]["Principal"]["Service"].as_array().unwrap().len(), 10);
    // One policy is that of the role set, as reviewed, and the other one has what is added.
    assert_eq!(of("UseRole").inline.keys().collect::<Vec<_>>(), [ADDED, OF_THE_SET]);
    for (file, name) in [("ServiceCatalogProjects", OF_THE_SET), ("UseRole", ADDED)] {
        let blessed = json_of(&data(&format!("role_sets/{file}.policy.json"))).unwrap();
        let blessed = blessed["inline"][format!("{USE}, {name}")].clone();
        assert_eq!(Document::new(of("UseRole").inline[name].clone()), Document::new(blessed), "{name}");
    }
    stage.send(&deleting(json!({ "OnCreate": "Provision", "OnDelete": "Keep" }))).await.success();
    assert_eq!(stage.fake.books(), neighbours(), "all that was made goes, whatever `Roles` says by then");
}

#[tokio::test(start_paused = true)]
async fn an_update_provisions_when_asked_and_touches_nothing_otherwise() {
    let stage = stage(solution("/service-role/"));
    stage.send(&creating(json!({}))).await.success();
    for new in [
        json!({ "IfInUse": "Keep" }),
        json!({ "OnDelete": "Keep", "InUseWithinDays": "7" }),
        json!({ "Regions": ["eu-west-1"], "Revision": "2" }),
        json!({ "OnCreate": "Delete", "DisablePortfolio": "true" }),
    ] {
        assert_eq!(stage.send(&updating(new, json!({}))).await.success().id(), ID);
    }
    assert_eq!(
        writes(&stage),
        Vec::<String>::new(),
        "Create alone deletes, and an Update that could not be undone is none"
    );

    stage.fake.change(|books| drop(books.roles.remove(&USE.to_lowercase())));
    let provisioning = || json!({ "OnCreate": "Provision" });
    let response = stage.send(&updating(provisioning(), json!({}))).await.success();
    assert_eq!(attribute(&response, "ProvisionedRoles"), names(&["UseRole"]));
    let made = stage.fake.books();

    // Drift is repaired when `Revision` asks for it, but not by an update that asks for something else.
    stage.fake.change(|books| books.roles.get_mut(&USE.to_lowercase()).unwrap().inline.clear());
    let drifted = stage.fake.books();
    stage.send(&updating(json!({ "OnCreate": "Provision", "IfInUse": "Keep" }), provisioning())).await.success();
    assert_eq!(stage.fake.books(), drifted);
    stage.send(&updating(json!({ "OnCreate": "Provision", "Revision": "2" }), provisioning())).await.success();
    assert_eq!(stage.fake.books(), made);
    // The update back: created roles stay managed until the Delete.
    let response = stage.send(&updating(json!({}), provisioning())).await.success();
    assert_eq!(attribute(&response, "ProvisionedRoles"), names(&["UseRole"]));
    assert_eq!(stage.fake.books(), made);
    stage.send(&deleting(json!({ "OnDelete": "Keep" }))).await.success();
    assert!(!stage.fake.books().roles.contains_key(&USE.to_lowercase()));
    assert!(stage.fake.books().roles.contains_key(&LAUNCH.to_lowercase()));
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_create_may_have_left_goes_without_asking_anybody() {
    let stage = stage(Books::default());
    stage.send(&creating(json!({ "OnCreate": "Provision" }))).await.success();
    stage.fake.change(|books| {
        books.regions.insert("us-east-1".into(), Region::with(&[("old", "CreateFailed")]));
        books.roles.get_mut(&USE.to_lowercase()).unwrap().last_used = Some((4_000_000_000, "us-east-1".into()));
    });
    stage.fake.forget_calls();
    // The response was lost, so CloudFormation invents an id.
    let mut event = deleting(json!({ "OnCreate": "Provision", "InUseWithinDays": "7" }));
    event["PhysicalResourceId"] = json!("pipeline-ServiceCatalog-1ABCDEFGHIJKL");
    stage.send(&event).await.success();
    assert_eq!(stage.fake.books().roles, neighbours().roles);
    assert!(!stage.fake.calls().contains(&"ListProjects".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_we_made_and_is_in_use_is_released_when_it_stays() {
    let stage = stage(Books::default());
    let keeping = || json!({ "OnCreate": "Provision", "IfInUse": "Keep" });
    stage.send(&creating(keeping())).await.success();
    stage.fake.change(|books| drop(books.regions.insert("us-east-1".into(), Region::with(&[("churn", "Pending")]))));
    let response = stage.send(&deleting(keeping())).await.success();
    assert_eq!(attribute(&response, "DeletedRoles").len(), 0);
    let left = stage.fake.books().roles;
    assert_eq!(left.len(), 2 + neighbours().roles.len());
    assert!(left.values().all(|role| role.tags.is_empty()), "nobody would know the owner any more");
}

#[tokio::test(start_paused = true)]
async fn what_was_provisioned_goes_also_when_the_type_is_switched_off_since() {
    let mut stage = stage(Books::default());
    stage.send(&creating(json!({ "OnCreate": "Provision" }))).await.success();
    stage.handler.guardrails.as_mut().unwrap().types.clear();
    stage.send(&deleting(json!({ "OnCreate": "Provision" }))).await.success();
    assert_eq!(stage.fake.books(), neighbours(), "a cleanup that fails, fails silently");
}

#[tokio::test(start_paused = true)]
async fn more_roles_are_made_when_more_are_named() {
    let stage = stage(Books::default());
    let with = |roles: &str| json!({ "OnCreate": "Provision", "Roles": roles });
    stage.send(&creating(with("LaunchAndUse"))).await.success();
    let response = stage.send(&updating(with("All"), with("LaunchAndUse"))).await.success();
    assert_eq!(attribute(&response, "ProvisionedRoles").len(), 11);
    // With fewer roles, an Update deletes nothing.
    let response = stage.send(&updating(with("LaunchAndUse"), with("All"))).await.success();
    assert_eq!(attribute(&response, "ProvisionedRoles").len(), 11);
    stage.send(&deleting(with("LaunchAndUse"))).await.success();
    assert_eq!(stage.fake.books(), neighbours());
}

#[tokio::test(start_paused = true)]
async fn regions_can_not_be_taken_from_what_was_provisioned() {
    let stage = stage(Books::default());
    stage.send(&creating(json!({ "OnCreate": "Provision" }))).await.success();
    let made = stage.fake.books();
    let mut event = updating(json!({ "OnDelete": "Keep" }), json!({ "OnCreate": "Provision" }));
    event["ResourceProperties"].as_object_mut().unwrap().remove("Regions");
    let reason = stage.send(&event).await.failure().reason().to_owned();
    let told = "`Regions`: missing, expected the regions where projects may use the roles that this resource created";
    assert!(reason.contains(told), "{reason}");
    assert_eq!(stage.fake.books(), made);
}

#[tokio::test(start_paused = true)]
async fn the_portfolio_stays_where_only_our_own_roles_go() {
    let stage = stage(Books::default());
    let asked = || json!({ "OnCreate": "Provision", "DisablePortfolio": "true" });
    stage.send(&creating(asked())).await.success();
    stage.fake.change(|books| {
        books.regions.insert("us-east-1".into(), Region { portfolio: true, ..Region::default() });
    });
    let mut event = deleting(asked());
    event["ResourceProperties"]["OnDelete"] = json!("Keep");
    stage.send(&event).await.success();
    assert!(stage.fake.books().regions["us-east-1"].portfolio);
}

#[tokio::test(start_paused = true)]
async fn provisioning_tells_who_uses_the_roles_that_were_there() {
    let mut books = solution("/");
    books.regions.insert("us-east-1".into(), Region::with(&[("churn", "CreateCompleted")]));
    let response = stage(books).send(&creating(json!({ "OnCreate": "Provision" }))).await.success();
    assert_eq!(response.0["Data"]["InUseBy"], "project `churn` (CreateCompleted) in us-east-1");
}

/// `tests/local/policies.py` checks the blessed policy against the service authorization reference.
#[test]
fn what_is_added_to_use_role_is_as_blessed() {
    let inline = inline_of_use_role("aws", "us-east-1");
    let found = json!({ "policies": {}, "inline": { format!("{USE}, {ADDED}"): parsed(&inline[ADDED]) } });
    assert_unchanged([(data("role_sets/UseRole.policy.json"), json_text(&found))]);
}

#[test]
fn use_role_may_call_what_projects_need_and_not_the_near_misses() {
    let inline = inline_of_use_role("aws", "us-east-1");
    let of_the_set = parsed(&inline[OF_THE_SET]);
    let both = [of_the_set.clone(), parsed(&inline[ADDED])];
    let calls = json_of(&data("role_sets/use_role.calls.json")).unwrap();
    let calls = calls.as_array().unwrap();
    assert!(calls.len() > 50, "{}", calls.len());
    for call in calls {
        let text = |key: &str| call[key].as_str().unwrap();
        let context = call["context"].as_object().into_iter().flatten();
        let context: BTreeMap<String, Value> = context.map(|(key, value)| (key.clone(), value.clone())).collect();
        let may = |policies: &[Value]| allows(policies, text("action"), text("resource"), &context);
        assert_eq!(may(&both), call["allowed"].as_bool().unwrap(), "{call}");
        assert!(!may(std::slice::from_ref(&of_the_set)), "the set grants it, so it need not be added: {call}");
    }
}

#[test]
fn the_policies_of_use_role_fit_one_role_in_every_partition() {
    for (partition, region) in [("aws", "us-east-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")] {
        let size: usize = inline_of_use_role(partition, region).values().map(Document::size).sum();
        assert!(size < INLINE_SIZE_PER_ROLE, "{partition}: {size}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_use_role_of_an_earlier_version_gets_what_was_added_when_revision_asks_for_it() {
    let stage = stage(Books::default());
    let provisioning = || json!({ "OnCreate": "Provision" });
    stage.send(&creating(provisioning())).await.success();
    let made = stage.fake.books();
    stage.fake.change(|books| drop(books.roles.get_mut(&USE.to_lowercase()).unwrap().inline.remove(ADDED)));
    let earlier = stage.fake.books();
    assert_ne!(earlier, made);
    stage.send(&updating(json!({ "OnCreate": "Provision", "OnDelete": "Keep" }), provisioning())).await.success();
    assert_eq!(stage.fake.books(), earlier);
    stage.send(&updating(json!({ "OnCreate": "Provision", "Revision": "2" }), provisioning())).await.success();
    assert_eq!(stage.fake.books(), made);
    stage.send(&deleting(provisioning())).await.success();
    assert_eq!(stage.fake.books(), neighbours());
}

/// An upgrade sends such an Update to the resource in the function's own stack.
#[tokio::test(start_paused = true)]
async fn another_revision_deletes_no_role_whatever_the_other_properties_say() {
    for (on_create, on_delete) in [("Keep", "Keep"), ("Keep", "Delete"), ("Delete", "Delete"), ("Provision", "Delete")]
    {
        let old = json!({ "OnCreate": on_create, "OnDelete": on_delete, "IfInUse": "Delete" });
        let mut new = old.clone();
        new["Revision"] = json!("2026-12-01");
        for of_others in [console(), solution("/")] {
            let stage = stage(of_others);
            let before = stage.fake.books();
            let response = stage.send(&updating(new.clone(), old.clone())).await.success();
            assert_eq!(stage.fake.books(), before, "{new}");
            assert_eq!(writes(&stage), Vec::<String>::new(), "{new}");
            assert_eq!(response.0["Data"]["DeletedRoles"], "");
            let steps = response.0["Data"]["RemainingSteps"].as_str().unwrap();
            assert_eq!(steps.is_empty(), on_create != "Provision", "{steps}");
        }
        let own = stage(Books::default());
        own.send(&creating(json!({ "OnCreate": "Provision" }))).await.success();
        let before = own.fake.books();
        let response = own.send(&updating(new.clone(), old)).await.success();
        assert_eq!(own.fake.books(), before, "{new}");
        assert_eq!(attribute(&response, "ProvisionedRoles"), names(&["LaunchRole", "UseRole"]));
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_has_the_steps_that_remain_after_provisioning() {
    let remaining = |response: &mlops_roles_testkit::stage::Response| response.0["Data"]["RemainingSteps"].clone();
    let enable = |regions: &str| {
        format!("enable SageMaker's portfolio in {regions} (`EnableSagemakerServicecatalogPortfolio`); {ACCESS}")
    };
    let provisioning = || json!({ "OnCreate": "Provision" });
    let enabled = || Region { portfolio: true, ..Region::default() };
    for (of_us, of_eu, expected) in [
        (Region::default(), Region::default(), enable("eu-west-1, us-east-1")),
        (enabled(), Region::default(), enable("eu-west-1")),
        // What could not be read is not known to be enabled.
        (enabled(), Region { closed: true, ..enabled() }, enable("eu-west-1")),
        (enabled(), enabled(), ACCESS.to_owned()),
    ] {
        let mut books = Books::default();
        books.regions.insert("us-east-1".into(), of_us);
        books.regions.insert("eu-west-1".into(), of_eu);
        let stage = stage(books);
        let response = stage.send(&creating(provisioning())).await.success();
        assert_eq!(remaining(&response), expected);
        // An update that touches no role tells it too, and one that provisions no more tells nothing.
        let mut more = provisioning();
        more["IfInUse"] = json!("Keep");
        let response = stage.send(&updating(more, provisioning())).await.success();
        assert_eq!(remaining(&response), expected);
        let response = stage.send(&updating(json!({}), provisioning())).await.success();
        assert_eq!(remaining(&response), "");
    }
    for on_create in ["Keep", "Delete"] {
        let response = stage(Books::default()).send(&creating(json!({ "OnCreate": on_create }))).await.success();
        assert_eq!(remaining(&response), "", "{on_create}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_has_room_for_the_steps_that_remain_in_as_many_regions_as_can_be_named() {
    let places = ["af", "ap", "eu", "me", "sa", "us"];
    let regions = places.iter().flat_map(|place| (1..=9).map(move |i| format!("{place}-southeast-{i}")));
    let regions: Vec<String> = regions.take(50).collect();
    let projects: Vec<(String, String)> =
        (0..30).map(|i| (format!("{}-{i}", "long".repeat(7)), "CreateCompleted".to_owned())).collect();
    let mut books = Books::default();
    books.regions.insert(regions[0].clone(), Region { projects, ..Region::default() });
    let stage = stage(books);
    let asked = json!({ "OnCreate": "Provision", "Roles": "All", "Regions": &regions });
    let response = stage.send(&creating(asked)).await.success();
    let steps = response.0["Data"]["RemainingSteps"].as_str().unwrap();
    assert!(steps.contains(&regions.join(", ")) && steps.ends_with(ACCESS), "{steps}");
    let uses = response.0["Data"]["InUseBy"].as_str().unwrap();
    assert!(uses.starts_with("project `long") && uses.ends_with(" more"), "{uses}");
}
