//! Tests the real clients over real HTTP, against two AWS stand-ins from other projects.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iam::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_sagemaker::types::{
    AuthMode, InstanceType, ProductionVariant, ProductionVariantInstanceType, UserSettings,
};
use aws_smithy_runtime_api::client::http::http_client_fn;
use aws_types::SdkConfig;
use serde_json::json;

use mlops_roles::aws::iam::IamClient;
use mlops_roles::aws::sagemaker::SageMakerClients;
use mlops_roles::http::connector;
use mlops_roles_core::iam::document::Document;
use mlops_roles_core::iam::name::Name;
use mlops_roles_core::plan::plan;
use mlops_roles_core::plan::step::Step;
use mlops_roles_core::resource::execution_role_source::Source;
use mlops_roles_core::state::Entity;
use mlops_roles_core::state::ownership::Owner;
use mlops_roles_core::state::policy_user::PolicyUser;
use mlops_roles_core::state::query::Query;
use mlops_roles_core::state::{Policy, Role, State, Tags};
use mlops_roles_engine::port::{FaultKind, Iam, SageMaker};

pub struct Server {
    process: Child,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM lets a server end its own children and remove its files.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

fn python(variable: &str, tool: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python =
        std::env::var_os(variable).map_or_else(|| here.join(format!(".tools/{tool}/bin/python")), PathBuf::from);
    assert!(python.exists(), "{} is missing: `make tools` installs it", python.display());
    python
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Server {
    fn start(health: &str, command: impl FnOnce(u16) -> Command) -> Self {
        let port = free_port();
        let mut command = command(port);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { process, port };
        let begun = Instant::now();
        while !server.is_up(health) {
            assert!(begun.elapsed() < Duration::from_mins(1), "{command:?} does not answer");
            sleep(Duration::from_millis(100));
        }
        server
    }

    fn is_up(&self, path: &str) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let request = format!("GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n");
        let mut reply = [0; 12];
        stream.write_all(request.as_bytes()).is_ok() && stream.read_exact(&mut reply).is_ok() && reply.ends_with(b"200")
    }

    fn account(&self) -> IamClient {
        let http = connector();
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://localhost:{}", self.port))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| http.clone()))
            .build();
        IamClient::new(aws_sdk_iam::Client::from_conf(config))
    }
}

impl Server {
    /// The clients of `sagemaker.rs`, and the SDK's own client to create things with.
    fn sagemaker(&self) -> (SageMakerClients, aws_sdk_sagemaker::Client) {
        let http = connector();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://localhost:{}", self.port))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test")))
            .retry_config(RetryConfig::disabled())
            .http_client(http_client_fn(move |_, _| http.clone()))
            .build();
        (SageMakerClients::new(config.clone()), aws_sdk_sagemaker::Client::new(&config))
    }
}

/// A ministack server with its SageMaker on a port of its own.
pub fn ministack(sagemaker: u16) -> Server {
    let python = python("MINISTACK_PYTHON", "ministack");
    Server::start("/_ministack/health", |port| {
        let mut command = Command::new(python);
        command.env("SAGEMAKER_PORT", sagemaker.to_string());
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/local/ministack_launcher.py"))
            .env("GATEWAY_PORT", port.to_string())
            .env("MINISTACK_ACCOUNT_ID", "123456789012");
        command
    })
}

fn moto() -> Server {
    let python = python("MOTO_PYTHON", "moto");
    Server::start("/moto-api/", |port| {
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
        command
    })
}

const ARN: &str = "arn:aws:iam::123456789012:policy/AmazonSageMaker-Wire";

fn document(action: &str) -> Document {
    Document::from_statements(vec![json!({ "Effect": "Allow", "Action": action, "Resource": "*" })])
}

fn trust(account: &str) -> Document {
    Document::from_statements(vec![json!({
        "Effect": "Allow", "Principal": { "Service": "states.amazonaws.com" }, "Action": "sts:AssumeRole",
        "Condition": { "StringEquals": { "aws:SourceAccount": account } },
    })])
}

fn owner() -> Owner {
    Owner { stack_id: "arn:aws:cloudformation:us-east-1:123456789012:stack/wire/1".into(), logical_id: "Wire".into() }
}

fn state(change: impl FnOnce(&mut Role, &mut Policy)) -> State {
    let mut role = Role {
        path: "/".into(),
        trust: trust("123456789012"),
        description: "über alles".into(),
        max_session_duration: 3_600,
        boundary: Some(ARN.into()),
        tags: owner().tags(),
        attached: [ARN.to_owned()].into(),
        inline: [("One".to_owned(), document("s3:GetObject"))].into(),
        instance_profiles: [].into(),
    };
    let mut policy = Policy { document: document("s3:ListBucket"), tags: owner().tags() };
    change(&mut role, &mut policy);
    State { roles: [(Name::new("AmazonSageMaker-Wire"), role)].into(), policies: [(ARN.to_owned(), policy)].into() }
}

/// Executes every step over the wire, and asserts what the next read shows of it.
async fn walk(account: &IamClient, times: usize) {
    let mut query = Query::default();
    query.add(&state(|_, _| {}));
    let ends = [
        state(|_, _| {}),
        state(|role, policy| {
            role.trust = trust("999999999999");
            role.description = "another".into();
            role.max_session_duration = 7_200;
            role.tags.insert("team".into(), "ml".into());
            role.inline = [("Two".to_owned(), document("s3:PutObject"))].into();
            policy.document = document("s3:DeleteObject");
            policy.tags.insert("team".into(), "ml".into());
        }),
        state(|role, _| {
            role.attached.clear();
            role.inline.clear();
            role.tags = Tags::new();
        }),
        state(|role, policy| {
            role.boundary = None;
            policy.tags = Tags::new();
        }),
        State::default(),
    ];
    for end in ends {
        let seen = account.observe(&query).await.unwrap().state;
        let steps = plan(&end, &seen);
        for step in &steps {
            for _ in 0..times {
                // A second execution does no harm: what the step removes is absent, and what the step creates exists.
                match account.execute(step).await {
                    Ok(()) => {}
                    Err(error) if error.kind == FaultKind::NotFound && step.removes() => {}
                    Err(error) if error.kind == FaultKind::AlreadyExists && step.creates() => {}
                    Err(error) => panic!("{step}: {error}"),
                }
            }
        }
        let seen = account.observe(&query).await.unwrap();
        assert_eq!(seen.state, end, "after {steps:?}");
        assert_eq!(seen.metadata.len(), end.roles.len());
    }
}

async fn refusals(account: &IamClient) {
    let state = state(|_, _| {});
    for step in plan(&state, &State::default()) {
        account.execute(&step).await.unwrap();
    }
    let kind = async |step: Step| account.execute(&step).await.unwrap_err();
    let role = Name::new("AmazonSageMaker-Wire");
    assert_eq!(account.users_of_policy(ARN).await.unwrap(), [PolicyUser::Role(role.clone())]);
    assert_eq!(account.users_of_policy(&format!("{ARN}-absent")).await.unwrap(), Vec::<PolicyUser>::new());
    let conflict = kind(Step::DeleteRole { role: role.clone() }).await;
    assert_eq!((conflict.kind, conflict.code.as_str()), (FaultKind::MaybePropagating, "DeleteConflict"));
    let absent = kind(Step::DeleteRole { role: Name::new("AmazonSageMaker-Absent") }).await;
    assert_eq!((absent.kind, absent.code.as_str()), (FaultKind::NotFound, "NoSuchEntity"));
    assert!(owner().owns_entity(
        &Entity::Role(role),
        &account.observe(&Query::for_roles([Name::new("AmazonSageMaker-Wire")])).await.unwrap().state
    ));
    for step in plan(&State::default(), &state) {
        account.execute(&step).await.unwrap();
    }
}

#[tokio::test]
async fn every_step_works_against_ministack() {
    let server = ministack(free_port());
    walk(&server.account(), 2).await;
    refusals(&server.account()).await;
}

#[tokio::test]
async fn every_step_works_against_moto() {
    let server = moto();
    // Executes each step once: moto 5.2.5 forgets which version is the default when that version is set again.
    walk(&server.account(), 1).await;
    refusals(&server.account()).await;
}

#[tokio::test]
async fn a_connection_that_is_refused_leaves_the_outcome_open() {
    let server = Server { process: Command::new("true").spawn().unwrap(), port: 9 };
    let error = server.account().observe(&Query::for_policy(ARN)).await.unwrap_err();
    assert_eq!((error.kind, error.outcome_unknown), (FaultKind::Transient, true));
}

/// Covers what moto knows; it does not know user profiles and spaces.
#[tokio::test]
async fn execution_roles_are_found_in_motos_sagemaker() {
    let server = moto();
    let (regions, client) = server.sagemaker();
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/SageMaker-{name}");
    let settings = UserSettings::builder().execution_role(role("domain")).build();
    let domain = client.create_domain().domain_name("d").auth_mode(AuthMode::Iam).default_user_settings(settings);
    let domain = Box::pin(domain.subnet_ids("subnet-0a").vpc_id("vpc-0a").send()).await.unwrap();
    let domain = domain.domain_arn.unwrap().rsplit('/').next().unwrap().to_owned();
    let notebook = client.create_notebook_instance().notebook_instance_name("nb").role_arn(role("notebook"));
    notebook.instance_type(InstanceType::MlT2Medium).send().await.unwrap();
    let pipeline = client.create_pipeline().pipeline_name("p").client_request_token("x".repeat(32));
    pipeline.role_arn(role("pipeline")).pipeline_definition("{}").send().await.unwrap();
    for model in ["one", "two"] {
        client.create_model().model_name(model).execution_role_arn(role(model)).send().await.unwrap();
        let variant = ProductionVariant::builder()
            .variant_name("v")
            .model_name(model)
            .instance_type(ProductionVariantInstanceType::MlT2Medium)
            .initial_instance_count(1)
            .initial_variant_weight(1.0)
            .build();
        let config = client.create_endpoint_config().endpoint_config_name(model).production_variants(variant);
        config.send().await.unwrap();
        client.create_endpoint().endpoint_name(model).endpoint_config_name(model).send().await.unwrap();
    }
    for (source, found) in [
        (Source::Domain(domain), "domain"),
        (Source::NotebookInstance("nb".into()), "notebook"),
        (Source::Pipeline("p".into()), "pipeline"),
        (Source::Endpoint("two".into()), "two"),
    ] {
        let roles = regions.execution_roles("us-east-1", &source).await.unwrap();
        assert_eq!(roles, [role(found)].into(), "{source}");
    }
    for absent in [Source::NotebookInstance("x".into()), Source::Endpoint("x".into())] {
        let error = regions.execution_roles("us-east-1", &absent).await.unwrap_err();
        assert_eq!(error.kind, FaultKind::NotFound, "{absent}: {error}");
    }
}
