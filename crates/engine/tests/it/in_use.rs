//! Tests when service-catalog roles count as in use, and what happens to them then.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use mlops_roles_testkit::account::sagemaker::Region;
use mlops_roles_testkit::account::{Books, Fault, Mischief};
use mlops_roles_testkit::service_catalog::{
    LAUNCH, USE, attribute, console, creating, deleting, joined, names, neighbours, role, solution, stage,
};
use mlops_roles_testkit::stage::from_stack;

fn ago(days: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - days * 86_400
}

#[tokio::test(start_paused = true)]
async fn a_project_in_any_region_on_any_page_is_use() {
    let mut books = console();
    let done: Vec<_> = (0..5).map(|i| (format!("old-{i}"), "DeleteCompleted")).collect();
    let mut projects: Vec<_> = done.iter().map(|(name, state)| (name.as_str(), *state)).collect();
    projects.push(("churn", "DeleteFailed"));
    books.regions.insert("eu-west-1".into(), Region::with(&projects));
    let before = joined(books.clone(), neighbours());

    for event in [creating(json!({ "OnCreate": "Delete" })), deleting(json!({}))] {
        let stage = stage(books.clone());
        stage.fake.page(2);
        let reason = stage.send(&event).await.failure().reason().to_owned();
        assert!(reason.contains("project `churn` (DeleteFailed) in eu-west-1"), "{reason}");
        assert!(!reason.contains("old-") && reason.contains("nothing was changed"), "{reason}");
        assert_eq!(stage.fake.books(), before);
        // The deletion works once the project is gone.
        stage.fake.change(|books| drop(books.regions.remove("eu-west-1")));
        stage.send(&event).await.success();
        assert!(!stage.fake.books().roles.contains_key(&LAUNCH.to_lowercase()));
    }

    let kept = stage(books.clone());
    let response = kept.send(&deleting(json!({ "IfInUse": "Keep" }))).await.success();
    assert_eq!(kept.fake.books(), before);
    assert_eq!(attribute(&response, "KeptRoles"), names(&["LaunchRole", "UseRole"]));
    assert!(response.0["Data"]["InUseBy"].as_str().unwrap().contains("`churn`"), "{}", response.0);

    let forced = stage(books);
    let response = forced.send(&deleting(json!({ "IfInUse": "Delete" }))).await.success();
    assert_eq!(attribute(&response, "DeletedRoles"), names(&["LaunchRole", "UseRole"]));
}

#[tokio::test(start_paused = true)]
async fn each_state_of_a_project_but_deleted_is_use() {
    for state in ["Pending", "CreateInProgress", "CreateFailed", "DeleteInProgress", "UpdateCompleted", "SomethingNew"]
    {
        let mut books = solution("/");
        books.regions.insert("us-east-1".into(), Region::with(&[("churn", state)]));
        let reason = stage(books).send(&deleting(json!({}))).await.failure().reason().to_owned();
        assert!(reason.contains(&format!("project `churn` ({state}) in us-east-1")), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_region_that_cannot_be_asked_is_use() {
    let closed = |books: &mut Books| {
        books.regions.insert("eu-west-1".into(), Region { closed: true, ..Region::default() });
    };
    let mut books = solution("/");
    closed(&mut books);
    let refused = stage(books.clone());
    let reason = refused.send(&deleting(json!({}))).await.failure().reason().to_owned();
    assert!(
        reason.contains("could not read the projects in region eu-west-1: sagemaker:ListProjects: Unrecog"),
        "{reason}"
    );
    assert_eq!(refused.fake.books(), joined(books.clone(), neighbours()));
    let forced = stage(books);
    forced.send(&deleting(json!({ "IfInUse": "Delete" }))).await.success();
    assert!(!forced.fake.books().roles.contains_key(&USE.to_lowercase()));

    for (call, mischief, why) in [
        ("ListProjects", Mischief::Denied, "projects in region us-east-1: sagemaker:ListProjects: AccessDenied"),
        (
            "GetSagemakerServicecatalogPortfolioStatus",
            Mischief::Denied,
            "portfolio in region us-east-1: sagemaker:GetSagemakerServicecatalogPortfolioStatus: AccessDeniedException",
        ),
        ("ListProjects", Mischief::Throttled, "projects in region us-east-1: sagemaker:ListProjects: Throttling"),
        ("ListProjects", Mischief::HangAfter, "projects in region us-east-1: the deadline passed before AWS replied"),
        (
            "ListProjects",
            Mischief::ServerErrorAfter,
            "projects in region us-east-1: sagemaker:ListProjects: ServiceFailureException",
        ),
    ] {
        let stage = stage(solution("/"));
        stage.fake.break_action(call, mischief);
        let event = deleting(json!({ "DisablePortfolio": (call != "ListProjects").to_string() }));
        let reason = stage.send(&event).await.failure().reason().to_owned();
        assert!(reason.contains(&format!("could not read the {why}")), "{mischief:?}: {reason}");
        assert_eq!(stage.fake.books(), joined(solution("/"), neighbours()));
        if call != "ListProjects" {
            // A portfolio does not use the roles, so its status need not be known when it stays.
            stage.send(&deleting(json!({}))).await.success();
        }
        // A transient fault does not mean that the roles are in use.
        stage.fake.heal();
        stage.fake.forget_calls();
        stage.send(&deleting(json!({}))).await.success();
    }
}

#[tokio::test(start_paused = true)]
async fn a_recent_use_counts_only_where_it_is_asked_for_and_for_that_role() {
    let mut books = solution("/");
    books.roles.get_mut(&USE.to_lowercase()).unwrap().last_used = Some((ago(9), "eu-west-1".into()));
    let recent = stage(books.clone());
    let reason = recent.send(&deleting(json!({ "InUseWithinDays": "10" }))).await.failure().reason().to_owned();
    assert!(reason.contains(&format!("role `{USE}` was last used 9 days ago in eu-west-1")), "{reason}");
    assert_eq!(recent.fake.books(), joined(books.clone(), neighbours()));

    let keeping = json!({ "InUseWithinDays": "10", "IfInUse": "Keep" });
    let response = recent.send(&deleting(keeping)).await.success();
    assert_eq!(
        attribute(&response, "KeptRoles"),
        names(&["LaunchRole", "UseRole"]),
        "while one stays, so does LaunchRole"
    );
    let glue = json!({
        "InUseWithinDays": "9",
        "IfInUse": "Keep",
        "Roles": [USE, "AmazonSageMakerServiceCatalogProductsGlueRole"],
    });
    let with_glue = role("AmazonSageMakerServiceCatalogProductsGlueRole", "/", &[], &[]);
    recent.fake.change(|books| drop(books.roles.insert(with_glue.name.to_lowercase(), with_glue)));
    let response = recent.send(&deleting(glue)).await.success();
    assert_eq!(attribute(&response, "DeletedRoles"), names(&["GlueRole"]));
    assert_eq!(recent.fake.books(), joined(books.clone(), neighbours()));

    for days in ["8", "0"] {
        stage(books.clone()).send(&deleting(json!({ "InUseWithinDays": days }))).await.success();
    }
}

#[tokio::test(start_paused = true)]
async fn an_enabled_portfolio_is_no_use_and_goes_only_when_told_before_the_roles() {
    let enabled = || {
        let mut books = solution("/");
        for region in ["us-east-1", "eu-west-1", "ap-south-1"] {
            books.regions.insert(region.into(), Region { portfolio: true, ..Region::default() });
        }
        books
    };
    let untold = stage(enabled());
    let response = untold.send(&deleting(json!({}))).await.success();
    assert_eq!(response.0["Data"]["EnabledPortfolios"], "eu-west-1, us-east-1");
    assert_eq!(untold.fake.books().regions, enabled().regions);

    let told = stage(enabled());
    told.send(&deleting(json!({ "DisablePortfolio": "true" }))).await.success();
    assert_eq!(told.fake.books().regions.keys().collect::<Vec<_>>(), ["ap-south-1"], "not asked for, not disabled");
    let calls = told.fake.calls();
    let disabled = calls.iter().rposition(|call| call == "DisableSagemakerServicecatalogPortfolio").unwrap();
    let first_write = calls.iter().position(|call| call == "DetachRolePolicy").unwrap();
    let asked = calls.iter().position(|call| call == "ListProjects").unwrap();
    assert!(asked < disabled && disabled < first_write, "{calls:?}");

    // The roles may be gone already.
    let mut alone = enabled();
    alone.roles.clear();
    let alone = stage(alone);
    alone.send(&deleting(json!({ "DisablePortfolio": "true" }))).await.success();
    assert_eq!(alone.fake.books().regions.len(), 1);

    let mut used = enabled();
    used.regions.get_mut("us-east-1").unwrap().projects.push(("churn".into(), "CreateCompleted".into()));
    for (if_in_use, fails) in [("Fail", true), ("Keep", false)] {
        let stage = stage(used.clone());
        let event = deleting(json!({ "DisablePortfolio": "true", "IfInUse": if_in_use }));
        assert_eq!(stage.send(&event).await.succeeded(), !fails);
        assert_eq!(stage.fake.books(), joined(used.clone(), neighbours()), "where roles stay, portfolios do");
    }

    let stuck = stage(enabled());
    stuck.fake.refuse("DisableSagemakerServicecatalogPortfolio");
    let event = deleting(json!({ "DisablePortfolio": "true" }));
    let reason = stuck.send(&event).await.failure().reason().to_owned();
    assert!(reason.contains("could not disable the portfolio in eu-west-1"), "{reason}");
    assert_eq!(stuck.fake.books(), joined(enabled(), neighbours()));
}

#[tokio::test(start_paused = true)]
async fn what_another_stack_made_counts_as_in_use_by_it() {
    let stage = stage(Books::default());
    let other = "arn:aws:cloudformation:us-east-1:123456789012:stack/other/8d2e";
    stage.send(&from_stack(creating(json!({ "OnCreate": "Provision" })), other)).await.success();
    let reason = stage.send(&deleting(json!({}))).await.failure().reason().to_owned();
    assert!(reason.contains(&format!("belongs to resource `ServiceCatalog` of stack `{other}`")), "{reason}");
    stage.send(&deleting(json!({ "IfInUse": "Delete" }))).await.success();
    assert_eq!(stage.fake.books(), neighbours());
}

#[tokio::test(start_paused = true)]
async fn the_uses_are_told_as_far_as_the_answer_has_room() {
    let mut books = solution("/");
    let projects = (0..500).map(|i| (format!("{}-{i}", "long".repeat(7)), "CreateCompleted".to_owned())).collect();
    books.regions.insert("us-east-1".into(), Region { projects, ..Region::default() });
    let stage = stage(books);
    let response = stage.send(&creating(json!({}))).await.success();
    let uses = response.0["Data"]["InUseBy"].as_str().unwrap();
    assert!(uses.starts_with("project `long") && uses.ends_with("; 480 more"), "{uses}");
    let reason = stage.send(&deleting(json!({}))).await.failure().reason().to_owned();
    assert!(reason.contains("end the use") && reason.ends_with("; 480 more"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn time_that_is_short_is_shared_between_the_question_and_the_work() {
    let mut stage = stage(console());
    stage.invocation.remaining = Duration::from_mins(1);
    for call in ["ListProjects", "GetSagemakerServicecatalogPortfolioStatus"] {
        stage.fake.break_action(call, Mischief::HangAfter);
    }
    let response = stage.send(&deleting(json!({ "IfInUse": "Delete" }))).await.success();
    assert!(response.0["Data"]["InUseBy"].as_str().unwrap().contains("could not read the"), "{}", response.0);
    assert!(!stage.fake.books().roles.contains_key(&USE.to_lowercase()));
    // Each step takes time too: without time reserved for them, the steps would not finish.
    let mut slow = mlops_roles_testkit::service_catalog::stage(console());
    slow.invocation.remaining = Duration::from_mins(1);
    slow.fake.break_action("ListProjects", Mischief::HangAfter);
    slow.fake.slow(Duration::from_millis(500));
    slow.send(&deleting(json!({ "IfInUse": "Delete" }))).await.success();
}

#[tokio::test(start_paused = true)]
async fn a_region_that_cannot_be_asked_holds_up_no_deletion_that_is_wanted_anyway() {
    let mut books = solution("/");
    let enabled = || Region { portfolio: true, ..Region::default() };
    books.regions.insert("us-east-1".into(), enabled());
    books.regions.insert("eu-west-1".into(), Region { closed: true, ..enabled() });
    let stage = stage(books.clone());
    let asked = json!({ "IfInUse": "Delete", "DisablePortfolio": "true" });
    let response = stage.send(&deleting(asked)).await.success();
    books.regions.remove("us-east-1");
    books.roles.clear();
    assert_eq!(stage.fake.books(), joined(books, neighbours()));
    assert_eq!(response.0["Data"]["EnabledPortfolios"], "", "what is not known to be enabled is not said to be");
}

#[tokio::test(start_paused = true)]
async fn a_portfolio_does_not_go_before_the_projects_though_the_roles_do() {
    let mut books = solution("/");
    books.regions.insert("us-east-1".into(), Region { portfolio: true, ..Region::with(&[("churn", "Pending")]) });
    books.regions.insert("eu-west-1".into(), Region { portfolio: true, ..Region::default() });
    let stage = stage(books.clone());
    let asked = json!({ "IfInUse": "Delete", "DisablePortfolio": "true" });
    let response = stage.send(&deleting(asked)).await.success();
    assert_eq!(response.0["Data"]["EnabledPortfolios"], "us-east-1");
    books.regions.remove("eu-west-1");
    books.roles.clear();
    assert_eq!(stage.fake.books(), joined(books, neighbours()));
}

#[tokio::test(start_paused = true)]
async fn what_stays_because_a_region_cannot_be_asked_stays_whole() {
    let mut books = console();
    books.regions.insert("eu-west-1".into(), Region { closed: true, ..Region::default() });
    // An earlier attempt detached the policy, before the region was closed.
    let used = books.roles.get_mut(&USE.to_lowercase()).unwrap();
    used.attached.clear();
    let stage = stage(books.clone());
    let response = stage.send(&deleting(json!({ "IfInUse": "Keep" }))).await.success();
    assert_eq!(attribute(&response, "KeptRoles"), names(&["LaunchRole", "UseRole"]));
    assert_eq!(stage.fake.books(), joined(books, neighbours()), "the policy that UseRole had stays with it");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_page_does_not_begin_the_list_anew() {
    let mut books = solution("/");
    let projects = (0..20).map(|i| (format!("old-{i}"), "DeleteCompleted".to_owned())).collect();
    books.regions.insert("us-east-1".into(), Region { projects, ..Region::default() });
    let stage = stage(books);
    stage.fake.page(2);
    let first = 4 * 2 + 9 + 3;
    for at in (first..first + 30).step_by(3) {
        stage.fake.fail(Fault { at, mischief: Mischief::Throttled, sticky: false });
    }
    stage.send(&deleting(json!({ "Regions": [" us-east-1"] }))).await.success();
    let asked = stage.fake.calls().iter().filter(|call| *call == "ListProjects").count();
    assert!((11..=20).contains(&asked), "{asked} calls for 10 pages");
}
