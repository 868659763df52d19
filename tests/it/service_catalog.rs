//! The type that takes down what others made: what goes, what stays, and what is looked at before.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::fake::{Books, Fake, Fault, Mischief, Policy, Role};
use crate::sagemaker::Region;
use crate::stage::{Answer, STACK, Stage, create, delete, from_stack, update};

pub const TYPE: &str = "Custom::SageMakerServiceCatalogRoles";
pub const ID: &str = "SageMakerServiceCatalogRoles/ServiceCatalog";
const LAUNCH: &str = "AmazonSageMakerServiceCatalogProductsLaunchRole";
const USE: &str = "AmazonSageMakerServiceCatalogProductsUseRole";
const CONSOLE_POLICY: &str =
    "arn:aws:iam::123456789012:policy/service-role/AmazonSageMakerServiceCatalogProductsUseRole-20210603T132536";
const SUFFIXES: [&str; 11] = [
    "LaunchRole",
    "UseRole",
    "ApiGatewayRole",
    "CloudformationRole",
    "CodeBuildRole",
    "CodePipelineRole",
    "EventsRole",
    "FirehoseRole",
    "GlueRole",
    "LambdaRole",
    "ExecutionRole",
];

pub fn asking(more: Value) -> Value {
    let mut properties = json!({
        "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:mlops-roles",
        "Regions": ["us-east-1", "eu-west-1"],
    });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    properties
}

/// The event as one of this type.
pub fn of_type(mut event: Value) -> Value {
    event["ResourceType"] = json!(TYPE);
    event["LogicalResourceId"] = json!("ServiceCatalog");
    event
}

fn creating(more: Value) -> Value {
    of_type(create(&asking(more)))
}

fn deleting(more: Value) -> Value {
    of_type(delete(ID, &asking(more)))
}

fn updating(new: Value, old: Value) -> Value {
    of_type(update(ID, &asking(new), &asking(old)))
}

pub fn role(name: &str, path: &str, attached: &[&str], inline: &[&str]) -> Role {
    let empty = || json!({ "Version": "2012-10-17", "Statement": [] });
    Role {
        name: name.into(),
        path: path.into(),
        id: format!("AROA{name}"),
        trust: json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
            "Principal": { "Service": "servicecatalog.amazonaws.com" }, "Action": "sts:AssumeRole" }] }),
        description: "SageMaker role created from the SageMaker AWS Management Console.".into(),
        max_session_duration: 3_600,
        boundary: None,
        tags: [].into(),
        attached: attached.iter().map(|arn| (*arn).to_owned()).collect(),
        inline: inline.iter().map(|name| ((*name).to_owned(), empty())).collect(),
        last_used: None,
    }
}

pub fn policy(arn: &str) -> (String, Policy) {
    let (path, name) = arn.split_once(":policy").unwrap().1.rsplit_once('/').unwrap();
    let document = json!({ "Version": "2012-10-17", "Statement": [] });
    let policy = Policy {
        name: name.into(),
        path: format!("{path}/"),
        versions: [(1, document.clone()), (2, document)].into(),
        default: 2,
        next: 3,
        tags: [].into(),
    };
    (arn.to_owned(), policy)
}

fn books(roles: impl IntoIterator<Item = Role>) -> Books {
    let roles = roles.into_iter().map(|role| (role.name.to_lowercase(), role)).collect();
    Books { roles, ..Books::default() }
}

/// As the solution of the document makes them.
fn solution(path: &str) -> Books {
    books([
        role(
            LAUNCH,
            path,
            &[
                "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
                "arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess",
            ],
            &["AmazonSageMakerServiceCatalogProductsLaunchRolePolicy"],
        ),
        role(
            USE,
            path,
            &["arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess"],
            &["AmazonSageMakerServiceCatalogProductsUseRolePolicy"],
        ),
    ])
}

/// All eleven as the console makes them, one with a policy that somebody attached by hand.
pub fn console() -> Books {
    let mut books = books(SUFFIXES.map(|suffix| {
        let name = format!("AmazonSageMakerServiceCatalogProducts{suffix}");
        role(&name, "/service-role/", &[&format!("arn:aws:iam::aws:policy/service-role/{name}ServicePolicy")], &[])
    }));
    let role = books.roles.get_mut(&USE.to_lowercase()).unwrap();
    role.attached = [CONSOLE_POLICY.to_owned(), "arn:aws:iam::aws:policy/AmazonS3FullAccess".to_owned()].into();
    books.policies.extend([policy(CONSOLE_POLICY)]);
    books
}

/// Roles and policies that are named nearly so, and must never change.
pub fn neighbours() -> Books {
    let near = [
        "AmazonSageMakerProjectsLaunchRole",
        "AmazonSageMakerProjectsUseRole",
        "AmazonSageMakerServiceCatalogProductsUseRole2",
        "XAmazonSageMakerServiceCatalogProductsUseRole",
    ];
    let hand = "arn:aws:iam::123456789012:policy/service-role/AmazonSageMakerServiceCatalogProductsUseRole";
    let mut books =
        books(near.map(|name| role(name, "/service-role/", &["arn:aws:iam::aws:policy/ReadOnlyAccess"], &["Own"])));
    books.policies.extend([
        policy(&format!("{hand}-by-hand")),
        policy(&format!("{hand}-20210603T13253")),
        policy(&format!("{hand}20210603T132536")),
        policy(&CONSOLE_POLICY.replace("/service-role/", "/service-role/more/")),
        policy(&CONSOLE_POLICY.replace("/service-role/", "/")),
    ]);
    books.profiles.insert("Neighbour".into(), Some("AmazonSageMakerProjectsUseRole".into()));
    books
}

pub fn joined(mut books: Books, more: Books) -> Books {
    books.roles.extend(more.roles);
    books.policies.extend(more.policies);
    books.profiles.extend(more.profiles);
    books.regions.extend(more.regions);
    books
}

fn stage(books: Books) -> Stage {
    Stage::new(Fake::with(joined(books, neighbours())))
}

fn writes(stage: &Stage) -> Vec<String> {
    let reads = |call: &String| ["Get", "List", "Describe"].iter().any(|verb| call.starts_with(verb));
    stage.fake.calls().into_iter().filter(|call| !reads(call)).collect()
}

fn attribute(answer: &Answer, name: &str) -> BTreeSet<String> {
    let text = answer.0["Data"][name].as_str().unwrap_or_else(|| panic!("{name} is missing in {}", answer.0));
    text.split(", ").filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

fn names(suffixes: &[&str]) -> BTreeSet<String> {
    suffixes.iter().map(|suffix| format!("AmazonSageMakerServiceCatalogProducts{suffix}")).collect()
}

fn ago(days: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - days * 86_400
}

#[tokio::test(start_paused = true)]
async fn a_create_that_keeps_tells_what_there_is_and_touches_nothing() {
    let mut books = console();
    books.roles.remove(&LAUNCH.to_lowercase());
    books
        .regions
        .insert("eu-west-1".into(), Region { portfolio: true, ..Region::with(&[("churn", "CreateCompleted")]) });
    let stage = stage(books);
    let answer = stage.send(&creating(json!({}))).await.success();
    assert_eq!(answer.id(), ID);
    assert_eq!(attribute(&answer, "KeptRoles"), names(&["UseRole"]));
    assert_eq!(attribute(&answer, "MissingRoles"), names(&["LaunchRole"]));
    assert_eq!(answer.0["Data"]["DeletedRoles"], "");
    assert_eq!(answer.0["Data"]["InUseBy"], "project `churn` (CreateCompleted) in eu-west-1");
    assert_eq!(answer.0["Data"]["EnabledPortfolios"], "eu-west-1");
    assert_eq!(writes(&stage), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_roles_of_the_solution_go_at_either_path_and_nothing_else_does() {
    for path in ["/service-role/", "/", "/elsewhere/"] {
        for event in [creating(json!({ "OnCreate": "Delete" })), deleting(json!({}))] {
            let stage = stage(solution(path));
            let answer = stage.send(&event).await.success();
            assert_eq!(attribute(&answer, "DeletedRoles"), names(&["LaunchRole", "UseRole"]));
            assert_eq!(stage.fake.books(), neighbours(), "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_roles_of_the_console_go_with_all_that_hangs_on_them_and_the_policy_made_for_one() {
    let mut books = console();
    let role = books.roles.get_mut(&LAUNCH.to_lowercase()).unwrap();
    role.attached.extend((0..30).map(|i| format!("arn:aws:iam::aws:policy/Policy{i}")));
    role.inline.extend((0..30).map(|i| (format!("Inline{i}"), json!({}))));
    books.profiles.insert("Holds".into(), Some(LAUNCH.into()));
    let stage = stage(books);
    stage.fake.page(7);
    let answer = stage.send(&deleting(json!({ "Roles": "All" }))).await.success();
    assert_eq!(attribute(&answer, "DeletedRoles"), names(&SUFFIXES));
    let mut left = neighbours();
    left.profiles.insert("Holds".into(), None);
    assert_eq!(stage.fake.books(), left);
}

#[tokio::test(start_paused = true)]
async fn roles_that_are_not_named_stay() {
    let stage = stage(console());
    let answer = stage.send(&deleting(json!({ "Roles": ["AmazonSageMakerServiceCatalogProductsGlueRole"] }))).await;
    assert_eq!(attribute(&answer.success(), "DeletedRoles"), names(&["GlueRole"]));
    let mut left = joined(console(), neighbours());
    left.roles.remove("amazonsagemakerservicecatalogproductsgluerole");
    assert_eq!(stage.fake.books(), left, "the console's policy for UseRole stays too");
}

#[tokio::test(start_paused = true)]
async fn what_is_absent_is_done() {
    let stage_of_none = stage(Books::default());
    let answer = stage_of_none.send(&deleting(json!({ "DisablePortfolio": "false" }))).await.success();
    assert_eq!(attribute(&answer, "MissingRoles"), names(&["LaunchRole", "UseRole"]));
    assert!(
        !stage_of_none.fake.calls().contains(&"ListProjects".to_owned()),
        "no use of what is not there is looked for"
    );

    let mut one = solution("/");
    one.roles.remove(&USE.to_lowercase());
    let stage = stage(one);
    let answer = stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.success();
    assert_eq!(attribute(&answer, "DeletedRoles"), names(&["LaunchRole"]));
    assert_eq!(attribute(&answer, "MissingRoles"), names(&["UseRole"]));
    assert_eq!(stage.fake.books(), neighbours());
}

#[tokio::test(start_paused = true)]
async fn the_launch_role_is_the_last_to_go() {
    let stage = stage(console());
    stage.fake.fail(Fault { at: 0, mischief: Mischief::Throttled, sticky: false });
    stage.send(&deleting(json!({ "Roles": "All" }))).await.success();
    let twin = Stage::new(Fake::with(joined(console(), neighbours())));
    // Stopped at the first step on it, all others are gone.
    let calls = stage.fake.calls();
    let last = calls.iter().rposition(|call| call == "DetachRolePolicy").unwrap();
    twin.fake.fail(Fault { at: last - 1, mischief: Mischief::Refused, sticky: true });
    twin.send(&deleting(json!({ "Roles": "All" }))).await.failure();
    let left = twin.fake.books().roles;
    let left: Vec<&String> = left.keys().filter(|name| name.contains("servicecatalogproducts")).collect();
    assert_eq!(left.len(), 1 + 2, "{left:?}");
    assert!(left.contains(&&LAUNCH.to_lowercase()));
}

#[tokio::test(start_paused = true)]
async fn a_console_policy_that_anybody_else_uses_stays() {
    let mut shared = console();
    shared.users.insert("somebody".into(), [CONSOLE_POLICY.to_owned()].into());
    let mut bounding = console();
    bounding
        .roles
        .insert("bounded".into(), Role { boundary: Some(CONSOLE_POLICY.into()), ..role("bounded", "/", &[], &[]) });
    for books in [shared, bounding] {
        let stage = stage(books.clone());
        stage.send(&deleting(json!({ "Roles": "All" }))).await.success();
        let left = stage.fake.books();
        assert_eq!(left.policies[CONSOLE_POLICY], books.policies[CONSOLE_POLICY]);
        assert!(!left.roles.contains_key(&USE.to_lowercase()));
    }
    // Attached to another role that goes, it is nobody else's.
    let mut twice = console();
    twice.roles.get_mut(&LAUNCH.to_lowercase()).unwrap().attached.insert(CONSOLE_POLICY.into());
    let stage = stage(twice);
    stage.send(&deleting(json!({}))).await.success();
    assert!(!stage.fake.books().policies.contains_key(CONSOLE_POLICY));
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
        // It works once the project is gone.
        stage.fake.change(|books| drop(books.regions.remove("eu-west-1")));
        stage.send(&event).await.success();
        assert!(!stage.fake.books().roles.contains_key(&LAUNCH.to_lowercase()));
    }

    let kept = stage(books.clone());
    let answer = kept.send(&deleting(json!({ "IfInUse": "Keep" }))).await.success();
    assert_eq!(kept.fake.books(), before);
    assert_eq!(attribute(&answer, "KeptRoles"), names(&["LaunchRole", "UseRole"]));
    assert!(answer.0["Data"]["InUseBy"].as_str().unwrap().contains("`churn`"), "{}", answer.0);

    let forced = stage(books);
    let answer = forced.send(&deleting(json!({ "IfInUse": "Delete" }))).await.success();
    assert_eq!(attribute(&answer, "DeletedRoles"), names(&["LaunchRole", "UseRole"]));
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
        reason.contains("region eu-west-1, which could not be asked for projects: sagemaker:ListProjects: Unrecog"),
        "{reason}"
    );
    assert_eq!(refused.fake.books(), joined(books.clone(), neighbours()));
    let forced = stage(books);
    forced.send(&deleting(json!({ "IfInUse": "Delete" }))).await.success();
    assert!(!forced.fake.books().roles.contains_key(&USE.to_lowercase()));

    for (call, mischief, why) in [
        ("ListProjects", Mischief::Denied, "projects: sagemaker:ListProjects: AccessDeniedException"),
        (
            "GetSagemakerServicecatalogPortfolioStatus",
            Mischief::Denied,
            "its portfolio: sagemaker:GetSagemakerServicecatalogPortfolioStatus: AccessDeniedException",
        ),
        ("ListProjects", Mischief::Throttled, "projects: sagemaker:ListProjects: ThrottlingException"),
        ("ListProjects", Mischief::HangAfter, "projects: no reply before the time was up"),
        ("ListProjects", Mischief::ServerErrorAfter, "projects: sagemaker:ListProjects: ServiceFailureException"),
    ] {
        let stage = stage(solution("/"));
        stage.fake.break_action(call, mischief);
        let reason = stage.send(&deleting(json!({}))).await.failure().reason().to_owned();
        assert!(reason.contains(&format!("could not be asked for {why}")), "{mischief:?}: {reason}");
        assert_eq!(stage.fake.books(), joined(solution("/"), neighbours()));
        // A passing fault is no use.
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
    let answer = recent.send(&deleting(keeping)).await.success();
    assert_eq!(attribute(&answer, "KeptRoles"), names(&["UseRole"]));
    assert_eq!(attribute(&answer, "DeletedRoles"), names(&["LaunchRole"]));

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
    let answer = untold.send(&deleting(json!({}))).await.success();
    assert_eq!(answer.0["Data"]["EnabledPortfolios"], "eu-west-1, us-east-1");
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
async fn a_delete_of_what_never_was_created_deletes_nothing_of_others() {
    let books = || joined(console(), neighbours());
    for id in
        ["not-created/ServiceCatalog", "pipeline-ServiceCatalog-1ABCDEFGHIJKL", "SageMakerServiceCatalogRoles/Other"]
    {
        let stage = stage(console());
        let mut event = deleting(json!({ "Roles": "All" }));
        event["PhysicalResourceId"] = json!(id);
        assert_eq!(stage.send(&event).await.success().id(), id);
        assert_eq!(stage.fake.books(), books(), "{id}");
    }
    // The whole story: a Create that fails, and the Delete that CloudFormation sends for it.
    let mut used = console();
    used.regions.insert("us-east-1".into(), Region::with(&[("churn", "CreateCompleted")]));
    let stage = stage(used.clone());
    let failed = stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.failure();
    let mut event = deleting(json!({ "OnCreate": "Delete" }));
    event["PhysicalResourceId"] = json!(failed.id());
    stage.send(&event).await.success();
    assert_eq!(stage.fake.books(), joined(used, neighbours()));
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
    let answer = stage.send(&creating(asked())).await.success();
    assert_eq!(attribute(&answer, "ProvisionedRoles"), names(&["UseRole", "GlueRole"]));
    assert_eq!(attribute(&answer, "KeptRoles").len(), 9);
    assert_eq!(attribute(&answer, "MissingRoles").len(), 0);
    let made = &stage.fake.books().roles[&USE.to_lowercase()];
    assert_eq!(made.path, "/service-role/");
    assert_eq!(made.tags["mlops-roles:stack-id"], STACK);
    assert_eq!(made.boundary.as_deref(), Some(crate::stage::BOUNDARY));
    assert_eq!(made.attached, ["arn:aws:iam::aws:policy/AmazonEC2ReadOnlyAccess".to_owned()].into());
    let inline = made.inline["AmazonSageMakerServiceCatalogProductsUseRolePolicy"].to_string();
    assert!(inline.contains("arn:aws:iam::123456789012:role/service-role/AmazonSageMakerServiceCatalog*"), "{inline}");
    assert!(!inline.contains("${"), "{inline}");
    let mut others = stage.fake.books();
    others.roles.retain(|_, role| role.tags.is_empty());
    assert_eq!(others, before);

    let calls = stage.fake.calls().len();
    assert_eq!(stage.send(&creating(asked())).await.success().0, answer.0, "a second delivery finds the work done");
    assert!(!stage.fake.calls()[calls..].contains(&"CreateRole".to_owned()));
    let answer = stage.send(&deleting(asked())).await.success();
    assert_eq!(attribute(&answer, "DeletedRoles"), names(&["UseRole", "GlueRole"]));
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
        // The one that AWS keeps at another path.
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
    let answer = stage.send(&updating(provisioning(), json!({}))).await.success();
    assert_eq!(attribute(&answer, "ProvisionedRoles"), names(&["UseRole"]));
    let made = stage.fake.books();

    // What drifted is put right when `Revision` asks for it, and not by the way.
    stage.fake.change(|books| books.roles.get_mut(&USE.to_lowercase()).unwrap().inline.clear());
    let drifted = stage.fake.books();
    stage.send(&updating(json!({ "OnCreate": "Provision", "IfInUse": "Keep" }), provisioning())).await.success();
    assert_eq!(stage.fake.books(), drifted);
    stage.send(&updating(json!({ "OnCreate": "Provision", "Revision": "2" }), provisioning())).await.success();
    assert_eq!(stage.fake.books(), made);
    // And back: what we made stays ours until the Delete.
    let answer = stage.send(&updating(json!({}), provisioning())).await.success();
    assert_eq!(attribute(&answer, "ProvisionedRoles"), names(&["UseRole"]));
    assert_eq!(stage.fake.books(), made);
    stage.send(&deleting(json!({ "OnDelete": "Keep" }))).await.success();
    assert!(!stage.fake.books().roles.contains_key(&USE.to_lowercase()));
    assert!(stage.fake.books().roles.contains_key(&LAUNCH.to_lowercase()));
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_create_may_have_left_goes_without_asking_anybody() {
    let stage = stage(Books::default());
    stage.send(&creating(json!({ "OnCreate": "Provision" }))).await.success();
    stage.fake.change(|books| drop(books.regions.insert("us-east-1".into(), Region::with(&[("old", "CreateFailed")]))));
    stage.fake.forget_calls();
    // The answer was lost: CloudFormation invents an id.
    let mut event = deleting(json!({ "OnCreate": "Provision" }));
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
    let answer = stage.send(&deleting(keeping())).await.success();
    assert_eq!(attribute(&answer, "DeletedRoles").len(), 0);
    let left = stage.fake.books().roles;
    assert_eq!(left.len(), 2 + neighbours().roles.len());
    assert!(left.values().all(|role| role.tags.is_empty()), "nobody would know the owner any more");
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
async fn a_policy_that_is_attached_in_between_is_detached_too() {
    let undisturbed = stage(console());
    undisturbed.send(&deleting(json!({}))).await.success();
    let end = undisturbed.fake.books();
    let calls = undisturbed.fake.calls();
    let first = calls.iter().position(|call| call == "DetachRolePolicy").unwrap();
    for at in first..calls.len() {
        let stage = stage(console());
        stage.fake.meddle(at, |books| {
            for role in [LAUNCH, USE] {
                if let Some(role) = books.roles.get_mut(&role.to_lowercase()) {
                    role.attached.insert("arn:aws:iam::aws:policy/ReadOnlyAccess".into());
                }
            }
        });
        stage.send(&deleting(json!({}))).await.success();
        assert_eq!(stage.fake.books(), end, "before call {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_is_refused_says_what_is_left_and_the_next_one_finishes() {
    let stage = stage(console());
    stage.fake.break_action("DeleteRole", Mischief::Refused);
    let answer = stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.failure();
    assert_eq!(answer.id(), "not-created/ServiceCatalog");
    let reason = answer.reason();
    assert!(reason.contains("could not delete role") && reason.contains("the next try goes on from here"), "{reason}");
    assert!(reason.contains(&format!("delete policy `{CONSOLE_POLICY}`")), "{reason}");
    stage.fake.heal();
    stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.success();
    let left = stage.fake.books();
    assert!(!left.roles.contains_key(&USE.to_lowercase()) && !left.policies.contains_key(CONSOLE_POLICY));
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_switched_off_deletes_nothing() {
    let mut stage = stage(console());
    stage.handler.fence.as_mut().unwrap().types = vec!["Custom::StepFunctionsWorkflowRole".into()];
    let failed = stage.send(&creating(json!({ "OnCreate": "Delete" }))).await.failure();
    assert!(failed.reason().contains("is switched off"), "{}", failed.reason());
    let mut event = deleting(json!({}));
    event["PhysicalResourceId"] = json!(failed.id());
    stage.send(&event).await.success();
    // Switched off while a resource stands: there is something to do, so it must not be forgotten.
    assert!(stage.send(&deleting(json!({}))).await.failure().reason().contains("is switched off"));
    assert_eq!(stage.fake.calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn all_mistakes_come_at_once_and_nothing_is_touched() {
    let stage = stage(console());
    let answer = stage
        .send(&creating(json!({
            "Roles": ["AmazonSageMakerServiceCatalogProductsLaunchRol", "Administrator", "All"],
            "Regions": ["us-east-1", "us-est-1", "cn-north-1"],
            "OnCreate": "Destroy",
            "OnDelete": "Keep",
            "IfInUse": "Delete",
            "InUseWithinDays": "7",
            "DisablePortfolio": "true",
            "Surprise": "x",
        })))
        .await
        .failure();
    let reason = answer.reason();
    for part in [
        "9 mistakes",
        "`Roles[0]`: found `AmazonSageMakerServiceCatalogProductsLaunchRol`, expected `LaunchAndUse`, `All`, or names of \
         the eleven roles `AmazonSageMakerServiceCatalogProducts…Role` (did you mean \
         `AmazonSageMakerServiceCatalogProductsLaunchRole`?): nothing else can be deleted",
        "`Roles[1]`: found `Administrator`",
        "`Roles[2]`: found `All`",
        "`Regions[1]`: found `us-est-1`, expected a region of partition aws, such as `us-east-1`",
        "`Regions[2]`: found `cn-north-1`",
        "`OnCreate`: found `Destroy`, expected one of `Keep`, `Delete`, `Provision`",
        "`DisablePortfolio`: `true` has no effect",
        "`InUseWithinDays`: has no effect",
        "`Surprise`: no such property",
    ] {
        assert!(reason.contains(part), "{part} is missing in {reason}");
    }
    assert_eq!(stage.fake.calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn regions_are_asked_for_wherever_something_could_be_deleted() {
    let without = |more: Value| {
        let mut properties = asking(more);
        properties.as_object_mut().unwrap().remove("Regions");
        of_type(create(&properties))
    };
    let stage = stage(solution("/"));
    for more in [
        json!({}),
        json!({ "OnCreate": "Delete", "OnDelete": "Keep" }),
        json!({ "OnCreate": "Provision", "OnDelete": "Keep" }),
        json!({ "IfInUse": "Delete" }),
    ] {
        let reason = stage.send(&without(more)).await.failure().reason().to_owned();
        assert!(reason.starts_with("`Regions`: missing"), "{reason}");
    }
    stage.send(&without(json!({ "OnDelete": "Keep" }))).await.success();
    for (property, empty) in [("Regions", json!([])), ("Roles", json!([]))] {
        let reason = stage.send(&creating(json!({ property: empty }))).await.failure().reason().to_owned();
        assert!(reason.starts_with(&format!("`{property}`: found `an empty list`")), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_uses_are_told_as_far_as_the_answer_has_room() {
    let mut books = solution("/");
    let projects = (0..500).map(|i| (format!("{}-{i}", "long".repeat(7)), "CreateCompleted".to_owned())).collect();
    books.regions.insert("us-east-1".into(), Region { projects, ..Region::default() });
    let stage = stage(books);
    let answer = stage.send(&creating(json!({}))).await.success();
    let uses = answer.0["Data"]["InUseBy"].as_str().unwrap();
    assert!(uses.starts_with("project `long") && uses.ends_with("; 480 more"), "{uses}");
    let reason = stage.send(&deleting(json!({}))).await.failure().reason().to_owned();
    assert!(reason.contains("; 480 more. End that use and try again"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn time_that_is_short_is_shared_between_the_question_and_the_work() {
    let mut stage = stage(solution("/"));
    stage.invocation.remaining = Duration::from_mins(1);
    stage.fake.break_action("ListProjects", Mischief::Throttled);
    let answer = stage.send(&deleting(json!({ "IfInUse": "Delete" }))).await.success();
    assert!(answer.0["Data"]["InUseBy"].as_str().unwrap().contains("could not be asked"), "{}", answer.0);
    assert_eq!(stage.fake.books(), neighbours());
}
