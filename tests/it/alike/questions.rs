//! Tests that every question to the ports is answered alike through the port and on the wire, with every fault at each
//! of its calls. The one change outside IAM, which disables a portfolio, is among the questions.

use std::collections::BTreeSet;

use mlops_roles_core::iam::name::Name;
use mlops_roles_core::permissions::simulation::{Check, ContextEntry};
use mlops_roles_core::resource::definition_location::Location;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::query::Query;
use mlops_roles_engine::port::{Iam, Objects, SageMaker, Stacks};
use mlops_roles_testkit::account::sagemaker::Region;
use mlops_roles_testkit::account::{Books, Face, Fake};
use mlops_roles_testkit::cases::foreign;
use mlops_roles_testkit::fixtures::{STACK, place};
use mlops_roles_testkit::stage::{POLICY, ROLE, Stage, create, properties};
use serde_json::json;

use super::trace::{Use, names};

names!(source, SOURCES, Source:
    Domain UserProfile Space NotebookInstance Endpoint EndpointVariants Pipeline Cluster TrainingJob ModelPackage
    RoleNamePrefix);

const REGION: &str = "us-east-1";
/// A policy that does not exist.
const ABSENT: &str = "arn:aws:iam::123456789012:policy/AmazonSageMaker-Absent";

/// One call of a port that reads, or that changes something outside IAM.
#[derive(Debug)]
enum Question {
    Observe(Query),
    HasPolicy(&'static str),
    UsersOfPolicy(&'static str),
    Simulate(Check),
    PoliciesBelow(&'static str),
    RolesNamed(&'static str),
    Resource(Owner),
    Holder(&'static str),
    Holds(Owner),
    Status,
    Projects(Option<&'static str>),
    Origin(&'static str),
    HasPortfolio(&'static str),
    DisablePortfolio,
    ExecutionRoles(Source),
    Read(Location),
}

impl Question {
    async fn ask(&self, face: &Face) -> String {
        match self {
            Self::Observe(query) => format!("{:?}", Box::pin(face.observe(query)).await),
            Self::HasPolicy(arn) => format!("{:?}", Box::pin(face.has_policy(arn)).await),
            Self::UsersOfPolicy(arn) => format!("{:?}", Box::pin(face.users_of_policy(arn)).await),
            Self::Simulate(check) => {
                let role = format!("arn:aws:iam::123456789012:role/{ROLE}");
                format!("{:?}", Box::pin(face.simulate(&role, check)).await)
            }
            Self::PoliciesBelow(path) => format!("{:?}", Box::pin(face.policies_below(path)).await),
            Self::RolesNamed(prefix) => format!("{:?}", Box::pin(face.roles_named(prefix)).await),
            Self::Resource(owner) => format!("{:?}", Box::pin(face.resource(owner)).await),
            Self::Holder(id) => format!("{:?}", Box::pin(face.holder(id)).await),
            Self::Holds(owner) => format!("{:?}", Box::pin(face.holds(owner)).await),
            Self::Status => format!("{:?}", Box::pin(face.status(STACK)).await),
            Self::Projects(page) => format!("{:?}", Box::pin(face.projects(REGION, *page)).await),
            Self::Origin(project) => format!("{:?}", Box::pin(face.origin(REGION, project)).await),
            Self::HasPortfolio(region) => format!("{:?}", Box::pin(face.has_portfolio(region)).await),
            Self::DisablePortfolio => format!("{:?}", Box::pin(face.disable_portfolio(REGION)).await),
            Self::ExecutionRoles(source) => format!("{:?}", Box::pin(face.execution_roles(REGION, source)).await),
            Self::Read(location) => format!("{:?}", Box::pin(face.read(&place(), location)).await),
        }
    }

    fn is_of_iam(&self) -> bool {
        matches!(
            self,
            Self::Observe(_)
                | Self::HasPolicy(_)
                | Self::UsersOfPolicy(_)
                | Self::Simulate(_)
                | Self::PoliciesBelow(_)
                | Self::RolesNamed(_)
        )
    }
}

async fn start() -> Books {
    let fake = Fake::with(foreign());
    let stage = Stage::before(Face::Port(fake.clone()), fake);
    stage.send(&create(&properties())).await.success();
    let mut books = stage.fake.books();
    books.users.insert("somebody".into(), [POLICY.to_owned()].into());
    let template = json!({ "CfnTemplateProviderDetail": { "RoleARN": "arn:aws:iam::123456789012:role/Own" } });
    let region = Region::with(&[("own", "CreateCompleted"), ("product", "DeleteFailed"), ("gone", "DeleteCompleted")])
        .describing("own", json!({ "TemplateProviderDetails": [template] }));
    books.regions.insert(REGION.into(), Region { portfolio: true, ..region });
    books.regions.insert("eu-west-1".into(), Region { closed: true, ..Region::default() });
    books.objects.insert("artifacts/churn/a b.json".into(), "{}".into());
    books
}

/// The account in front of which the questions are asked. A page has one item.
fn account(start: &Books, lenient: bool) -> Fake {
    let account = Fake::with(start.clone());
    if lenient {
        account.lenient();
    }
    account.page(1);
    account.hold_as(ROLE, STACK, "WorkflowRole", "UPDATE_IN_PROGRESS");
    account.beyond_boundary("s3:Put");
    account.silent_about("s3:List");
    account
}

fn of_iam(start: &Books) -> Vec<Question> {
    let mut state = start.state();
    state.roles.retain(|name, _| name.as_str() == ROLE);
    state.policies.retain(|arn, _| arn == POLICY);
    let mut likely = Query::default();
    likely.expect_present(&state);
    likely.roles.insert(Name::new("AmazonSageMaker-Absent"), None);
    likely.policies.insert(ABSENT.to_owned(), false);
    let mut unlikely = Query { skip_instance_profiles: true, ..Query::default() };
    unlikely.add(&state);
    let check = Check {
        who: "state `Read`".to_owned(),
        actions: ["s3:GetObject", "s3:ListBucket", "s3:PutObject"].map(str::to_owned).into(),
        resources: ["*", "arn:aws:s3:::data", "arn:aws:s3:::data/in.csv"].map(str::to_owned).into(),
        context: vec![ContextEntry::text("iam:PassedToService", "sagemaker.amazonaws.com")],
    };
    vec![
        Question::Observe(likely),
        Question::Observe(unlikely),
        Question::HasPolicy(POLICY),
        Question::HasPolicy(ABSENT),
        Question::UsersOfPolicy(POLICY),
        Question::UsersOfPolicy(ABSENT),
        Question::Simulate(check),
        Question::PoliciesBelow("/"),
        Question::PoliciesBelow("/service-role/"),
        Question::RolesNamed("AmazonSageMaker-"),
    ]
}

fn of_stacks_and_objects() -> Vec<Question> {
    let owner = |logical_id: &str| Owner { stack_id: STACK.to_owned(), logical_id: logical_id.to_owned() };
    let location = |key: &str, version: Option<&str>| Location {
        bucket: "artifacts".to_owned(),
        key: key.to_owned(),
        version: version.map(str::to_owned),
        sha256: None,
        refusals: Vec::new(),
    };
    vec![
        Question::Resource(owner("WorkflowRole")),
        Question::Resource(owner("Absent")),
        Question::Holder(ROLE),
        Question::Holder("absent"),
        Question::Holds(owner("WorkflowRole")),
        Question::Holds(owner("Absent")),
        Question::Status,
        Question::Read(location("churn/a b.json", None)),
        Question::Read(location("churn/a b.json", Some("v1"))),
        Question::Read(location("churn/absent.json", None)),
    ]
}

fn of_sagemaker() -> Vec<Question> {
    let (domain, name) = ("d-1".to_owned(), "one".to_owned());
    let sources = [
        Source::Domain(domain.clone()),
        Source::UserProfile { domain: domain.clone(), name: name.clone() },
        Source::Space { domain, name: name.clone() },
        Source::NotebookInstance(name.clone()),
        Source::Endpoint(name.clone()),
        Source::EndpointVariants(name.clone()),
        Source::Pipeline(name.clone()),
        Source::Cluster(name.clone()),
        Source::TrainingJob(name.clone()),
        Source::ModelPackage(name),
    ];
    // A prefix is looked up in IAM, so SageMaker gets no call.
    let all = SOURCES.iter().copied().filter(|source| *source != "RoleNamePrefix");
    assert_eq!(sources.iter().map(source).collect::<BTreeSet<_>>(), all.collect());
    let questions = [
        Question::Projects(None),
        Question::Projects(Some("1")),
        Question::Projects(Some("2")),
        Question::Origin("own"),
        Question::Origin("product"),
        Question::Origin("absent"),
        Question::HasPortfolio(REGION),
        Question::HasPortfolio("eu-west-1"),
        Question::HasPortfolio("eu-central-1"),
        Question::DisablePortfolio,
    ];
    questions.into_iter().chain(sources.map(Question::ExecutionRoles)).collect()
}

/// In a lenient account, everything exists that a question asks for.
#[tokio::test(start_paused = true)]
async fn every_question_is_answered_alike_with_every_fault() {
    let start = start().await;
    let questions = of_iam(&start).into_iter().chain(of_stacks_and_objects()).chain(of_sagemaker());
    for question in questions {
        for lenient in [false, true] {
            let asked = Use {
                what: format!("{question:?}, lenient: {lenient}"),
                account: &|| account(&start, lenient),
                repeats_reads: question.is_of_iam(),
                act: async |face: &Face| question.ask(face).await,
            };
            asked.compare().await;
        }
    }
}
