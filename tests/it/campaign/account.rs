//! The accounts of the local AWS.

use std::collections::{BTreeMap, BTreeSet};

use aws_credential_types::Credentials;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_iam::types::{EntityType, ManagedPolicyDetail, RoleDetail};
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use mlops_roles::http::connector;
use mlops_roles_core::iam::document::Document;
use mlops_roles_testkit::fixtures::ACCOUNT;

use crate::wire::{Server, free_port, ministack};
use crate::wire_faults::Upstream;

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}"#;
const GRANT: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}"#;

/// The environment of the function in this account.
pub fn environment(account: &str) -> Vec<(&'static str, String)> {
    let types = mlops_roles_core::resource::TYPES.join(",");
    [
        ("ROLE_NAME_PREFIXES", "AmazonSageMaker,ds-team,bridge"),
        ("ROLE_PATHS", "/,/service-role/"),
        ("PERMISSIONS_BOUNDARY_ARN", "arn:aws:iam::123456789012:policy/Foreign-Boundary"),
        ("PASSABLE_ROLE_ARNS", "arn:aws:iam::*:role/*"),
        ("ALLOWED_MANAGED_POLICY_ARNS", "arn:aws:iam::aws:policy/*"),
        ("ENABLED_TYPES", &types),
        ("ALLOW_ADOPTION", "true"),
        ("LOG_LEVEL", "error"),
    ]
    .map(|(name, value)| (name, value.replace(ACCOUNT, account)))
    .into()
}

/// Everything in an account that matters, by entity, with the same account id for all accounts.
pub type Books = BTreeMap<String, String>;

/// The local AWS, and what is in its accounts.
pub struct Harness {
    _server: Server,
    pub upstream: Upstream,
    /// One connector for all clients, since each connector reads the certificates of the machine.
    http: SharedHttpConnector,
}

impl Harness {
    /// Starts the local AWS.
    pub fn new() -> Self {
        let sagemaker = free_port();
        let server = ministack(sagemaker);
        let upstream = Upstream { iam: server.port, sagemaker };
        Self { _server: server, upstream, http: connector() }
    }

    fn iam(&self, account: &str) -> Client {
        let http = self.http.clone();
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://127.0.0.1:{}", self.upstream.iam))
            .credentials_provider(Credentials::new(account, "test", None, None, "test"))
            .retry_config(RetryConfig::standard())
            .http_client(http_client_fn(move |_, _| http.clone()))
            .build();
        Client::from_conf(config)
    }

    /// Creates foreign entities in the account, and what somebody created by hand.
    pub async fn populate(&self, account: &str, by_hand: &[(&str, &str)]) {
        let iam = self.iam(account);
        let policy = async |name: &str| {
            let made = iam.create_policy().policy_name(name).policy_document(GRANT).send().await.unwrap();
            made.policy.unwrap().arn.unwrap()
        };
        policy("Foreign-Boundary").await;
        let foreign = policy("Foreign").await;
        for (path, name) in [("/", "Foreign")].iter().chain(by_hand) {
            let role = iam.create_role().role_name(*name).path(*path).assume_role_policy_document(TRUST);
            role.send().await.unwrap();
            iam.attach_role_policy().role_name(*name).policy_arn(&foreign).send().await.unwrap();
        }
        let role = format!("arn:aws:iam::{account}:role/SageMakerNotebook");
        // The project does not run with service-catalog roles, so it is described, and keeps nothing.
        let projects = json!([{ "name": "churn", "templates": [role] }]);
        let region = json!({ "portfolio": "Enabled", "notebooks": { "nb": role }, "projects": projects });
        let books = json!({ "us-east-1": region }).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.upstream.sagemaker)).await.unwrap();
        let head = format!(
            "PUT /_test/{account} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            books.len()
        );
        stream.write_all((head + &books).as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).await.unwrap();
        assert!(reply.starts_with(b"HTTP/1.1 200"));
    }

    /// What the account holds.
    pub async fn books(&self, account: &str) -> Books {
        let iam = self.iam(account);
        let filter = [EntityType::Role, EntityType::LocalManagedPolicy].to_vec();
        let all = iam.get_account_authorization_details().set_filter(Some(filter)).send().await.unwrap();
        let mut books = Books::new();
        for role in all.role_detail_list.unwrap_or_default() {
            let (name, text) = described_role(&iam, role).await;
            books.insert(format!("role {name}"), text.replace(account, ACCOUNT));
        }
        for policy in all.policies.unwrap_or_default() {
            let (arn, text) = described_policy(&iam, policy).await;
            books.insert(arn.replace(account, ACCOUNT), text.replace(account, ACCOUNT));
        }
        books
    }
}

/// The name of a role, and everything of it that matters.
async fn described_role(iam: &Client, role: RoleDetail) -> (String, String) {
    let name = role.role_name.unwrap();
    let more = iam.get_role().role_name(&name).send().await.unwrap().role.unwrap();
    let attached = role.attached_managed_policies.unwrap_or_default();
    let attached: BTreeSet<_> = attached.into_iter().filter_map(|policy| policy.policy_arn).collect();
    let inline = role.role_policy_list.unwrap_or_default();
    let inline: BTreeMap<_, _> =
        inline.into_iter().map(|one| (one.policy_name, meaning(one.policy_document.as_deref()))).collect();
    let tags: BTreeMap<_, _> = role.tags.unwrap_or_default().into_iter().map(|t| (t.key, t.value)).collect();
    let trust = meaning(role.assume_role_policy_document.as_deref());
    let boundary = more.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn);
    let text = format!(
        "{:?} {trust} {:?} {:?} {boundary:?} {tags:?} {attached:?} {inline:?}",
        role.path, more.description, more.max_session_duration
    );
    (name, text)
}

/// The ARN of a policy, and everything of it that matters.
async fn described_policy(iam: &Client, policy: ManagedPolicyDetail) -> (String, String) {
    let arn = policy.arn.unwrap();
    let tags = iam.list_policy_tags().policy_arn(&arn).send().await.unwrap().tags;
    let tags: BTreeMap<_, _> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    let versions = policy.policy_version_list.unwrap_or_default();
    let version = versions.iter().find(|version| version.is_default_version).unwrap();
    let text = format!("{} {tags:?}", meaning(version.document.as_deref()));
    (arn, text)
}

fn meaning(text: Option<&str>) -> String {
    let text = percent_encoding::percent_decode_str(text.unwrap_or_default()).decode_utf8().unwrap();
    Document::parse(&text).to_string()
}

/// The entities that differ between the two accounts.
pub fn differences(have: &Books, want: &Books) -> Books {
    let names: BTreeSet<&String> = have.keys().chain(want.keys()).collect();
    let text = |books: &Books, name: &String| books.get(name).cloned().unwrap_or_else(|| "nothing".to_owned());
    let differ = names.into_iter().filter(|name| have.get(*name) != want.get(*name));
    differ.map(|name| (name.clone(), format!("{} instead of {}", text(have, name), text(want, name)))).collect()
}
