//! An account in memory, behind the real clients: it answers the wire, refuses what IAM refuses, lags and fails on demand.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use mlops_roles::cloudformation::Region;
use mlops_roles::iam::{Account, ONE_CALL};
use mlops_roles::policy::Document;
use mlops_roles::sagemaker::Regions;

use crate::interleavings::Gate;
use crate::sagemaker::{self, Region as SageMaker};
use crate::simulator::allows;
use crate::stage::TYPE;

pub const ACCOUNT: &str = "123456789012";

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Role {
    pub name: String,
    pub path: String,
    pub id: String,
    pub trust: Value,
    pub description: String,
    pub max_session_duration: i32,
    pub boundary: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub attached: BTreeSet<String>,
    pub inline: BTreeMap<String, Value>,
    /// Seconds since the epoch, and the region.
    pub last_used: Option<(u64, String)>,
    /// Seconds since the epoch; 0 for long ago.
    pub made_at: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub path: String,
    pub versions: BTreeMap<u32, Value>,
    pub default: u32,
    pub next: u32,
    pub tags: BTreeMap<String, String>,
    /// Seconds since the epoch; 0 for long ago.
    pub made_at: u32,
}

/// An account, as a value: the tests compare it before and after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// By lower-case name: IAM does not tell case apart.
    pub roles: BTreeMap<String, Role>,
    /// By ARN.
    pub policies: BTreeMap<String, Policy>,
    /// Instance profiles and the role in each.
    pub profiles: BTreeMap<String, Option<String>>,
    /// Users that have a policy attached.
    pub users: BTreeMap<String, BTreeSet<String>>,
    /// What SageMaker holds, by region.
    pub regions: BTreeMap<String, SageMaker>,
}

impl Books {
    /// What grants, without what does not: unused policy versions, ids, and ways to spell a document.
    pub fn meaning(&self) -> Self {
        let mut books = self.clone();
        let spelled = |document: &Value| serde_json::from_str(&Document::new(document.clone()).to_string()).unwrap();
        for policy in books.policies.values_mut() {
            let document = spelled(&policy.versions[&policy.default]);
            policy.versions = BTreeMap::from([(0, document)]);
            (policy.default, policy.next) = (0, 0);
        }
        for role in books.roles.values_mut() {
            role.id.clear();
            role.trust = spelled(&role.trust);
            role.inline.values_mut().for_each(|document| *document = spelled(document));
        }
        books
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// A refusal that no patience mends.
    Refused,
    Denied,
    /// The trust names a principal that IAM has not heard of yet.
    UnknownPrincipal,
    Throttled,
    Conflict,
    /// The request never arrives.
    LostBefore,
    /// The request does its work, the reply is lost.
    LostAfter,
    /// A 500 that did its work.
    ServerErrorAfter,
    /// No reply, ever; the work is done.
    HangAfter,
    /// The process ends before the request is sent.
    KillBefore,
    /// The process ends once the request has done its work.
    KillAfter,
    Panic,
}

#[derive(Clone, Debug)]
pub struct Fault {
    /// The index of the call.
    pub at: usize,
    pub mischief: Mischief,
    /// Every later call of the same action fares the same.
    pub sticky: bool,
}

type Meddling = Box<dyn FnOnce(&mut Books) + Send>;

#[derive(Default)]
struct State {
    books: Books,
    past: Vec<(Instant, Books)>,
    /// How far reads lag behind.
    lag: Duration,
    /// How long a call takes.
    slow: Duration,
    /// How many calls to IAM a second are served, where that is limited; how many of them are left, and since when.
    rate: Option<(f64, f64, Instant)>,
    /// Whether calls are permitted as `template.yaml` has it: some only on what is tagged, some only on bounded roles.
    fenced: bool,
    page: usize,
    calls: Vec<String>,
    faults: Vec<Fault>,
    stuck: BTreeMap<String, Mischief>,
    /// What somebody else does just before the call of that index.
    meddling: BTreeMap<usize, Meddling>,
    /// Roles and policies that a call is changing.
    writing: BTreeSet<String>,
    /// Calls under way, and the most of them that were.
    under_way: (usize, usize),
    /// What CloudFormation knows: physical id to stack, logical id and status.
    stacks: BTreeMap<String, (String, String, String)>,
    /// Of every stack.
    stack_status: &'static str,
    /// When the resources of stacks came to their status.
    held_since: i64,
    /// Their type, where it is another than the usual.
    held_type: Option<&'static str>,
    /// How the actions begin that every boundary denies.
    beyond_boundary: Vec<&'static str>,
    /// Prefixes of actions that the simulator tells nothing of.
    silent_about: Vec<&'static str>,
    /// Actions that the simulator can't judge.
    unjudged: Vec<&'static str>,
    /// Whether it answers a result a resource, as it did.
    old_simulator: bool,
    /// How many calls more it does not know a role.
    simulator_lags: Cell<u32>,
    ids: u32,
}

#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    killed: Arc<Notify>,
    /// Where each call waits for its turn.
    gate: Option<Gate>,
}

impl std::fmt::Debug for Fake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fake")
    }
}

impl Fake {
    pub fn new() -> Self {
        let state = State { page: 100, stack_status: "DELETE_IN_PROGRESS", ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), killed: Arc::new(Notify::new()), gate: None }
    }

    pub fn with(books: Books) -> Self {
        let fake = Self::new();
        fake.state().books = books;
        fake
    }

    /// The same account, as one of several sees it whose calls wait for their turn.
    pub fn behind(&self, gate: Gate) -> Self {
        Self { gate: Some(gate), ..self.clone() }
    }

    /// Another account with the same books and calls, and no faults.
    pub fn twin(&self) -> Self {
        let twin = Self::new();
        {
            let (from, mut to) = (self.state(), twin.state());
            to.books = from.books.clone();
            to.calls.clone_from(&from.calls);
            to.ids = from.ids;
        }
        twin
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn books(&self) -> Books {
        self.state().books.clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut Books)) {
        change(&mut self.state().books);
    }

    pub fn lag(&self, lag: Duration) {
        self.state().lag = lag;
    }

    pub fn slow(&self, slow: Duration) {
        self.state().slow = slow;
    }

    /// Serves so many calls to IAM at once, and as many each second; the others are throttled.
    pub fn throttle(&self, per_second: u32) {
        self.state().rate = Some((per_second.into(), per_second.into(), Instant::now()));
    }

    pub fn fence(&self) {
        self.state().fenced = true;
    }

    pub fn page(&self, page: usize) {
        self.state().page = page;
    }

    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Every call of the action is refused.
    pub fn refuse(&self, action: &str) {
        self.break_action(action, Mischief::Refused);
    }

    /// Every call of the action fares so.
    pub fn break_action(&self, action: &str, mischief: Mischief) {
        self.state().stuck.insert(action.to_owned(), mischief);
    }

    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.stuck.clear();
    }

    pub fn meddle(&self, at: usize, how: impl FnOnce(&mut Books) + Send + 'static) {
        self.state().meddling.insert(at, Box::new(how));
    }

    pub fn hold(&self, physical_id: &str, stack: &str, logical: &str) {
        self.hold_as(physical_id, stack, logical, "CREATE_COMPLETE");
    }

    pub fn hold_as(&self, physical_id: &str, stack: &str, logical: &str, status: &str) {
        let held = (stack.to_owned(), logical.to_owned(), status.to_owned());
        self.state().stacks.insert(physical_id.to_owned(), held);
    }

    pub fn beyond_boundary(&self, action: &'static str) {
        self.state().beyond_boundary.push(action);
    }

    pub fn unjudged(&self, action: &'static str) {
        self.state().unjudged.push(action);
    }

    pub fn silent_about(&self, action: &'static str) {
        self.state().silent_about.push(action);
    }

    pub fn simulator_lags(&self, calls: u32) {
        self.state().simulator_lags.set(calls);
    }

    pub fn old_simulator(&self) {
        self.state().old_simulator = true;
    }

    pub fn held_type(&self, resource_type: &'static str) {
        self.state().held_type = Some(resource_type);
    }

    pub fn held_since(&self, at: i64) {
        self.state().held_since = at;
    }

    pub fn stack_status(&self, status: &'static str) {
        self.state().stack_status = status;
    }

    /// The actions called so far.
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    pub fn most_at_once(&self) -> usize {
        self.state().under_way.1
    }

    pub fn forget_calls(&self) {
        self.state().calls.clear();
    }

    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    pub fn iam(&self) -> Account {
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(aws_sdk_iam::config::BehaviorVersion::latest())
            .region(aws_sdk_iam::config::Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(aws_sdk_iam::config::retry::RetryConfig::disabled())
            .timeout_config(aws_sdk_iam::config::timeout::TimeoutConfig::builder().operation_timeout(ONE_CALL).build())
            .http_client(self.http())
            .build();
        Account::new(aws_sdk_iam::Client::from_conf(config))
    }

    pub fn stacks(&self) -> Region {
        let config = aws_sdk_cloudformation::Config::builder()
            .behavior_version(aws_sdk_cloudformation::config::BehaviorVersion::latest())
            .region(aws_sdk_cloudformation::config::Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(aws_sdk_cloudformation::config::retry::RetryConfig::disabled())
            .timeout_config(
                aws_sdk_cloudformation::config::timeout::TimeoutConfig::builder().operation_timeout(ONE_CALL).build(),
            )
            .http_client(self.http())
            .build();
        Region::new(aws_sdk_cloudformation::Client::from_conf(config))
    }

    pub fn sagemaker(&self) -> Regions {
        sagemaker::regions(self.http())
    }

    fn http(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }
}

impl HttpConnector for Fake {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(gate) = self.gate.clone() else { return self.serve(&request) };
        let (fake, turn) = (self.clone(), gate.queue());
        HttpConnectorFuture::new(async move {
            // A gate that is gone lets everybody through.
            drop(turn.await);
            let reply = fake.serve(&request).await;
            gate.remember(&request, reply.as_ref().ok());
            reply
        })
    }
}

impl Fake {
    fn serve(&self, request: &HttpRequest) -> HttpConnectorFuture {
        let call = Call::of(request);
        let mut state = self.state();
        let action = call.action().to_owned();
        let index = state.calls.len();
        state.calls.push(action.clone());
        if let Some(meddle) = state.meddling.remove(&index) {
            meddle(&mut state.books);
        }
        if matches!(call, Call::Query(_)) && state.is_throttled() {
            return self.mischief(Mischief::Throttled, &mut state, &call);
        }
        if let Some(at) = state.faults.iter().position(|fault| fault.at == index) {
            let fault = state.faults.remove(at);
            if fault.sticky {
                state.stuck.insert(action.clone(), fault.mischief);
            } else {
                return self.mischief(fault.mischief, &mut state, &call);
            }
        }
        if let Some(mischief) = state.stuck.get(&action).copied() {
            return self.mischief(mischief, &mut state, &call);
        }
        let written = call.written();
        if written.as_ref().is_some_and(|entity| state.writing.contains(entity)) {
            let why = "multiple requests to change this object were submitted simultaneously";
            return HttpConnectorFuture::ready(Ok(call.refusal(409, "ConcurrentModification", why)));
        }
        let (answer, slow) = (state.answer(&call), state.slow);
        state.writing.extend(written.clone());
        state.under_way.0 += 1;
        state.under_way.1 = state.under_way.1.max(state.under_way.0);
        let under_way = UnderWay { fake: self.clone(), written };
        HttpConnectorFuture::new(async move {
            sleep(slow).await;
            drop(under_way);
            Ok(answer)
        })
    }
}

impl State {
    fn is_throttled(&mut self) -> bool {
        let Some((per_second, left, since)) = &mut self.rate else { return false };
        *left = per_second.min(*left + *per_second * since.elapsed().as_secs_f64());
        *since = Instant::now();
        let throttled = *left < 1.0;
        *left -= if throttled { 0.0 } else { 1.0 };
        throttled
    }
}

/// A call until it is answered, or nobody waits for it any more.
struct UnderWay {
    fake: Fake,
    written: Option<String>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.fake.state();
        state.under_way.0 -= 1;
        if let Some(entity) = &self.written {
            state.writing.remove(entity);
        }
    }
}

impl Fake {
    fn mischief(&self, mischief: Mischief, state: &mut State, call: &Call) -> HttpConnectorFuture {
        let error = |status, code, message| HttpConnectorFuture::ready(Ok(call.refusal(status, code, message)));
        let lost = || HttpConnectorFuture::ready(Err(ConnectorError::io("connection reset".into())));
        match mischief {
            Mischief::Refused => error(400, "UnmodifiableEntity", "refused for the test"),
            Mischief::Denied => error(403, "AccessDenied", "not authorized for the test"),
            Mischief::UnknownPrincipal => error(400, "MalformedPolicyDocument", "Invalid principal in policy: x"),
            Mischief::Throttled => error(400, "Throttling", "Rate exceeded"),
            Mischief::Conflict => error(409, "ConcurrentModification", "another write is under way"),
            Mischief::LostBefore => lost(),
            Mischief::LostAfter => {
                state.answer(call);
                lost()
            }
            Mischief::ServerErrorAfter => {
                state.answer(call);
                error(500, "ServiceFailure", "something broke")
            }
            Mischief::HangAfter => {
                state.answer(call);
                HttpConnectorFuture::new(std::future::pending())
            }
            Mischief::KillBefore | Mischief::KillAfter => {
                if mischief == Mischief::KillAfter {
                    state.answer(call);
                }
                self.killed.notify_one();
                HttpConnectorFuture::new(std::future::pending())
            }
            Mischief::Panic => HttpConnectorFuture::new(async { panic!("for the test") }),
        }
    }
}

/// A request, in the protocol of its service.
enum Call {
    Query(Params),
    SageMaker(sagemaker::Request),
}

impl Call {
    fn of(request: &HttpRequest) -> Self {
        if let Some(request) = sagemaker::Request::of(request) {
            return Self::SageMaker(request);
        }
        let body = request.body().bytes().unwrap_or_default();
        Self::Query(Params(url::form_urlencoded::parse(body).into_owned().collect()))
    }

    fn action(&self) -> &str {
        match self {
            Self::Query(params) => params.get("Action"),
            Self::SageMaker(request) => &request.action,
        }
    }

    /// What it changes of IAM.
    fn written(&self) -> Option<String> {
        let Self::Query(params) = self else { return None };
        let reads = ["Get", "List", "Describe", "Simulate"].iter().any(|verb| self.action().starts_with(verb));
        let entity =
            ["RoleName", "PolicyArn"].into_iter().map(|name| params.get(name)).find(|name| !name.is_empty())?;
        (!reads).then(|| entity.to_ascii_lowercase())
    }

    fn refusal(&self, status: u16, code: &str, message: &str) -> HttpResponse {
        match self {
            Self::Query(_) => refusal(status, code, message),
            Self::SageMaker(_) => sagemaker::refusal(status, code, message),
        }
    }
}

struct Params(BTreeMap<String, String>);

impl Params {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn members(&self, name: &str) -> Vec<String> {
        (1..).map_while(|i| self.0.get(&format!("{name}.member.{i}")).cloned()).collect()
    }

    fn tags(&self) -> Vec<(String, String)> {
        (1..)
            .map_while(|i| {
                let key = self.0.get(&format!("Tags.member.{i}.Key"))?;
                Some((key.clone(), self.get(&format!("Tags.member.{i}.Value")).to_owned()))
            })
            .collect()
    }
}

/// The result's inner XML, or status, code and message.
type Reply = Result<String, (u16, &'static str, String)>;

fn missing(what: &str, name: &str) -> (u16, &'static str, String) {
    (404, "NoSuchEntity", format!("{what} {name} cannot be found."))
}

fn limit(message: &str) -> (u16, &'static str, String) {
    (409, "LimitExceeded", message.to_owned())
}

fn size(document: &Value) -> usize {
    document.to_string().chars().filter(|c| !c.is_whitespace()).count()
}

impl State {
    fn answer(&mut self, call: &Call) -> HttpResponse {
        let params = match call {
            Call::Query(params) => params,
            Call::SageMaker(request) => return sagemaker::answer(&mut self.books.regions, request, self.page),
        };
        let action = params.get("Action");
        let reads = ["Get", "List", "Describe", "Simulate"].iter().any(|verb| action.starts_with(verb));
        let now = Instant::now();
        if !reads {
            let books = self.books.clone();
            self.past.push((now, books));
        }
        let by_tag = [
            "DeleteRole",
            "DeleteRolePolicy",
            "DetachRolePolicy",
            "UpdateRole",
            "CreatePolicyVersion",
            "DeletePolicy",
            "DeletePolicyVersion",
            "SetDefaultPolicyVersion",
        ];
        let tagged = self.books.roles.get(&params.get("RoleName").to_lowercase()).map(|role| &role.tags);
        let tagged = tagged.or_else(|| self.books.policies.get(params.get("PolicyArn")).map(|policy| &policy.tags));
        let condemned = [params.get("RoleName"), params.get("PolicyArn")]
            .iter()
            .any(|name| name.contains("AmazonSageMakerServiceCatalogProducts"));
        let unmarked = !condemned
            && by_tag.contains(&action)
            && !tagged.is_some_and(|tags| tags.contains_key("mlops-roles:stack-id"));
        let by_boundary = ["AttachRolePolicy", "PutRolePolicy", "UpdateAssumeRolePolicy"];
        let role = self.books.roles.get(&params.get("RoleName").to_lowercase());
        let unbounded = by_boundary.contains(&action) && role.is_none_or(|role| role.boundary.is_none());
        let denied = self.fenced && (unmarked || unbounded);
        let reply = if denied {
            Err((403, "AccessDenied", "not authorized".to_owned()))
        } else if reads {
            // As the books stood `lag` ago: before the first change since.
            let since = self.past.iter().find(|(at, _)| !self.lag.is_zero() && *at + self.lag > now);
            let books = since.map_or_else(|| self.books.clone(), |(_, books)| books.clone());
            self.read(action, params, &books)
        } else {
            self.write(action, params)
        };
        match reply {
            Ok(inner) => {
                let body = format!(
                    "<{action}Response><{action}Result>{inner}</{action}Result><ResponseMetadata><RequestId>1</RequestId>\
                     </ResponseMetadata></{action}Response>"
                );
                response(200, body)
            }
            Err((status, code, message)) => refusal(status, code, &message),
        }
    }

    fn read(&self, action: &str, params: &Params, books: &Books) -> Reply {
        let name = params.get("RoleName");
        let arn = params.get("PolicyArn");
        let role = || books.roles.get(&name.to_lowercase()).ok_or_else(|| missing("The role with name", name));
        let policy = || books.policies.get(arn).ok_or_else(|| missing("Policy", arn));
        Ok(match action {
            "GetRole" => role_xml(role()?),
            "GetRolePolicy" => {
                let inline = params.get("PolicyName");
                let document = role()?.inline.get(inline).ok_or_else(|| missing("The role policy", inline))?;
                format!(
                    "<RoleName>{name}</RoleName><PolicyName>{inline}</PolicyName><PolicyDocument>{}</PolicyDocument>",
                    encoded(document)
                )
            }
            "ListAttachedRolePolicies" => self.paged(
                params,
                "AttachedPolicies",
                role()?.attached.iter().map(|arn| format!("<PolicyName>x</PolicyName><PolicyArn>{arn}</PolicyArn>")),
            ),
            "ListRolePolicies" => self.paged(params, "PolicyNames", role()?.inline.keys().cloned()),
            "ListInstanceProfilesForRole" => {
                let role = role()?;
                let held = books.profiles.iter().filter(|(_, held)| held.as_ref() == Some(&role.name));
                let xml = held.map(|(profile, _)| {
                    format!(
                        "<InstanceProfileName>{profile}</InstanceProfileName><InstanceProfileId>AIPA</InstanceProfileId>\
                         <Arn>arn:aws:iam::{ACCOUNT}:instance-profile/{profile}</Arn><Path>/</Path>\
                         <CreateDate>2026-01-01T00:00:00Z</CreateDate><Roles/>"
                    )
                });
                self.paged(params, "InstanceProfiles", xml)
            }
            // Boundaries are the deployer's: there, and not in the books.
            "GetPolicy" if arn.contains("oundary") => {
                format!("<Policy><Arn>{arn}</Arn><DefaultVersionId>v1</DefaultVersionId></Policy>")
            }
            "GetPolicy" => {
                let policy = policy()?;
                let tags = tags_xml(&policy.tags);
                format!(
                    "<Policy><Arn>{arn}</Arn><PolicyName>{}</PolicyName><DefaultVersionId>v{}</DefaultVersionId>{tags}\
                     </Policy>",
                    policy.name, policy.default
                )
            }
            "GetPolicyVersion" => {
                let version = params.get("VersionId");
                let number = version.trim_start_matches('v').parse().unwrap_or(0);
                let document = policy()?.versions.get(&number).ok_or_else(|| missing("Version", version))?;
                format!(
                    "<PolicyVersion><VersionId>{version}</VersionId><Document>{}</Document></PolicyVersion>",
                    encoded(document)
                )
            }
            "ListPolicyVersions" => {
                let policy = policy()?;
                let xml = policy.versions.keys().map(|number| {
                    format!(
                        "<VersionId>v{number}</VersionId><IsDefaultVersion>{}</IsDefaultVersion>\
                         <CreateDate>2026-01-{number:02}T00:00:00Z</CreateDate>",
                        *number == policy.default
                    )
                });
                self.paged(params, "Versions", xml)
            }
            "ListEntitiesForPolicy" => {
                policy()?;
                let roles = books
                    .roles
                    .values()
                    .filter(|role| role.attached.contains(arn) || role.boundary.as_deref() == Some(arn));
                let roles: String =
                    roles.map(|role| format!("<member><RoleName>{}</RoleName></member>", role.name)).collect();
                let users = books.users.iter().filter(|(_, attached)| attached.contains(arn));
                let users: String =
                    users.map(|(user, _)| format!("<member><UserName>{user}</UserName></member>")).collect();
                format!(
                    "<PolicyRoles>{roles}</PolicyRoles><PolicyUsers>{users}</PolicyUsers><IsTruncated>false</IsTruncated>"
                )
            }
            "ListPolicies" => {
                assert_eq!(params.get("Scope"), "Local");
                let below =
                    books.policies.iter().filter(|(_, policy)| policy.path.starts_with(params.get("PathPrefix")));
                self.paged(
                    params,
                    "Policies",
                    below.map(|(arn, policy)| {
                        format!("<Arn>{arn}</Arn><CreateDate>{}</CreateDate>", date(policy.made_at.into()))
                    }),
                )
            }
            "ListRoles" => {
                let xml = books.roles.values().map(|role| {
                    format!(
                        "<Path>{0}</Path><RoleName>{1}</RoleName><RoleId>{1}</RoleId>\
                         <Arn>arn:aws:iam::{ACCOUNT}:role{0}{1}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>",
                        role.path, role.name
                    )
                });
                self.paged(params, "Roles", xml)
            }
            "SimulatePrincipalPolicy" => self.simulated(params, books)?,
            "DescribeStackResources" => self.stack_resources(params)?,
            "DescribeStackResource" => self.stack_resource(params)?,
            "DescribeStacks" => format!(
                "<Stacks><member><StackName>x</StackName><CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{}\
                 </StackStatus></member></Stacks>",
                self.stack_status
            ),
            other => return Err((400, "InvalidAction", format!("{other} is not served"))),
        })
    }

    /// In the form that IAM has now, or the one that it had.
    fn simulated(&self, params: &Params, books: &Books) -> Reply {
        let lags = self.simulator_lags.get();
        if lags > 0 {
            self.simulator_lags.set(lags - 1);
            return Err((404, "NoSuchEntity", "Unable to retrieve specified IAM entity.".to_owned()));
        }
        let name = params.get("PolicySourceArn").rsplit('/').next().unwrap_or_default();
        let role = books.roles.get(&name.to_lowercase()).ok_or_else(|| missing("Role", name))?;
        let attached = role.attached.iter().filter_map(|arn| books.policies.get(arn));
        let attached = attached.map(|policy| policy.versions[&policy.default].clone());
        let policies: Vec<Value> = attached.chain(role.inline.values().cloned()).collect();
        let entries = (1..).map_while(|i| {
            let entry = |field: &str| params.get(&format!("ContextEntries.member.{i}.{field}")).to_owned();
            let (key, value) = (entry("ContextKeyName"), entry("ContextKeyValues.member.1"));
            (!key.is_empty()).then(|| (key, Value::from(value)))
        });
        let context: BTreeMap<String, Value> = entries.collect();
        let (actions, resources) = (params.members("ActionNames"), params.members("ResourceArns"));
        if resources.len() > 1 && resources.iter().any(|one| one == "*") {
            return Err((400, "InvalidInput", "ResourceNames are not in a valid ARN format: *.".to_owned()));
        }
        if let Some(unknown) = actions.iter().find(|action| self.unjudged.contains(&action.as_str())) {
            let why =
                if actions.len() > 1 { "require different authorization information" } else { "can not be simulated" };
            return Err((400, "InvalidInput", format!("Invalid Input Actions: [{unknown}] {why}.")));
        }
        let decided = |action: &str, resource: &str| {
            let allowed = allows(&policies, action, resource, &context);
            let bounded = !self.beyond_boundary.iter().any(|prefix| action.starts_with(prefix));
            (if allowed && bounded { "allowed" } else { "implicitDeny" }, bounded)
        };
        let detail = |bounded: bool| {
            format!(
                "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>{bounded}</AllowedByPermissionsBoundary>\
                 </PermissionsBoundaryDecisionDetail>"
            )
        };
        let mut results = Vec::new();
        let told = |action: &&String| !self.silent_about.iter().any(|prefix| action.starts_with(prefix));
        for action in actions.iter().filter(told) {
            if self.old_simulator {
                results.extend(resources.iter().map(|resource| {
                    let (decision, bounded) = decided(action, resource);
                    format!(
                        "<EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>\
                         <EvalDecision>{decision}</EvalDecision>{}",
                        detail(bounded)
                    )
                }));
                continue;
            }
            // One result an action, which has the most restrictive decision.
            let each: Vec<_> = resources.iter().map(|resource| (resource, decided(action, resource))).collect();
            let worst =
                if each.iter().all(|(_, (decision, _))| *decision == "allowed") { "allowed" } else { "implicitDeny" };
            let bounded = each.iter().all(|(_, (_, bounded))| *bounded);
            let name =
                if let [(one, _)] = each.as_slice() { one } else { "arn:aws:x:::${ResourceType}/${ResourceName}" };
            let below: String = each
                .iter()
                .map(|(resource, (decision, bounded))| {
                    format!(
                        "<member><EvalResourceName>{resource}</EvalResourceName><EvalResourceDecision>{decision}\
                         </EvalResourceDecision>{}</member>",
                        detail(*bounded)
                    )
                })
                .collect();
            results.push(format!(
                "<EvalActionName>{action}</EvalActionName><EvalResourceName>{name}</EvalResourceName><EvalDecision>{worst}\
                 </EvalDecision>{}<ResourceSpecificResults>{below}</ResourceSpecificResults>",
                detail(bounded)
            ));
        }
        Ok(self.paged(params, "EvaluationResults", results.into_iter()))
    }

    fn stack_resources(&self, params: &Params) -> Reply {
        let (id, stack, logical) =
            (params.get("PhysicalResourceId"), params.get("StackName"), params.get("LogicalResourceId"));
        let found: Vec<_> = if id.is_empty() {
            self.stacks.iter().filter(|(_, held)| held.0 == stack && held.1 == logical).collect()
        } else {
            let Some((of, ..)) = self.stacks.get(id) else {
                return Err((400, "ValidationError", format!("Stack for {id} does not exist")));
            };
            self.stacks.iter().filter(|(_, held)| held.0 == *of).collect()
        };
        if found.is_empty() {
            return Err((400, "ValidationError", format!("Stack with id {stack} does not exist")));
        }
        let member = |(id, (stack, logical, status)): (&String, &(String, String, String))| {
            format!(
                "<member><StackId>{stack}</StackId><LogicalResourceId>{logical}</LogicalResourceId>\
                 <PhysicalResourceId>{id}</PhysicalResourceId><ResourceType>{}</ResourceType>\
                 <Timestamp>2026-01-01T00:00:00Z</Timestamp><ResourceStatus>{status}</ResourceStatus></member>",
                self.type_of(logical)
            )
        };
        Ok(format!("<StackResources>{}</StackResources>", found.into_iter().take(100).map(member).collect::<String>()))
    }

    fn stack_resource(&self, params: &Params) -> Reply {
        let (stack, logical) = (params.get("StackName"), params.get("LogicalResourceId"));
        let found = self.stacks.iter().find(|(_, held)| held.0 == stack && held.1 == logical);
        let Some((id, (.., status))) = found else {
            return Err((400, "ValidationError", format!("Resource {logical} does not exist for stack {stack}")));
        };
        Ok(format!(
            "<StackResourceDetail><StackId>{stack}</StackId><LogicalResourceId>{logical}</LogicalResourceId>\
             <PhysicalResourceId>{id}</PhysicalResourceId><ResourceType>{}</ResourceType>\
             <LastUpdatedTimestamp>{}</LastUpdatedTimestamp><ResourceStatus>{status}</ResourceStatus>\
             </StackResourceDetail>",
            self.type_of(logical),
            date(self.held_since)
        ))
    }

    fn type_of(&self, logical: &str) -> &'static str {
        let usual = if logical == "WorkflowRole" { TYPE } else { "AWS::IAM::Role" };
        self.held_type.unwrap_or(usual)
    }

    fn paged(&self, params: &Params, list: &str, items: impl Iterator<Item = String>) -> String {
        let items: Vec<String> = items.collect();
        let start: usize = params.get("Marker").parse().unwrap_or(0);
        let end = items.len().min(start + self.page);
        let mut xml = format!("<{list}>");
        for item in &items[start..end] {
            let _ = write!(xml, "<member>{item}</member>");
        }
        let _ = write!(xml, "</{list}><IsTruncated>{}</IsTruncated>", end < items.len());
        if end < items.len() {
            let _ = write!(xml, "<Marker>{end}</Marker>");
        }
        xml
    }

    fn write(&mut self, action: &str, params: &Params) -> Reply {
        let name = params.get("RoleName").to_owned();
        let arn = params.get("PolicyArn").to_owned();
        let document = || -> Result<Value, (u16, &'static str, String)> {
            let text = match params.get("PolicyDocument") {
                "" => params.get("AssumeRolePolicyDocument"),
                text => text,
            };
            let malformed = |why: &str| (400, "MalformedPolicyDocument", why.to_owned());
            if !text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}')) {
                return Err(malformed("The specified value is invalid"));
            }
            serde_json::from_str(text).map_err(|_| malformed("Syntax errors in policy."))
        };
        if matches!(action, "CreateRole" | "UpdateAssumeRolePolicy") {
            let trust = document()?;
            if size(&trust) > 2_048 {
                return Err(limit("Cannot exceed quota for ACLSizePerRole: 2048"));
            }
            self.known_principals(&trust)?;
        }
        if matches!(action, "CreatePolicy" | "CreatePolicyVersion") && size(&document()?) > 6_144 {
            return Err(limit("Cannot exceed quota for PolicySize: 6144"));
        }
        if matches!(action, "CreateRole" | "CreatePolicy") {
            let (name, longest) = match action {
                "CreateRole" => (name.as_str(), 64),
                _ => (params.get("PolicyName"), 128),
            };
            let fine = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
            if name.is_empty() || name.len() > longest || !name.chars().all(fine) {
                return Err((400, "ValidationError", format!("name {name} is invalid")));
            }
            if params.tags().len() > 50 {
                return Err(limit("Cannot exceed quota for TagsPerResource: 50"));
            }
        }
        match action {
            "CreateRole" => return self.create_role(params, document()?),
            "CreatePolicy" => return self.create_policy(params, document()?),
            "RemoveRoleFromInstanceProfile" => {
                let profile = params.get("InstanceProfileName");
                let held = self.books.profiles.get_mut(profile).ok_or_else(|| missing("Instance profile", profile))?;
                if held.as_deref() != Some(name.as_str()) {
                    return Err(missing("Role in the profile", &name));
                }
                *held = None;
                return Ok(String::new());
            }
            "DeletePolicy"
            | "CreatePolicyVersion"
            | "SetDefaultPolicyVersion"
            | "DeletePolicyVersion"
            | "TagPolicy"
            | "UntagPolicy" => {
                return self.write_policy(action, &arn, params, document().unwrap_or_default());
            }
            _ => {}
        }
        let attachable = arn.contains(":iam::aws:") || self.books.policies.contains_key(&arn);
        let in_profile = self.books.profiles.values().any(|held| held.as_deref() == Some(&name));
        let boundary_exists = |arn: &str| arn.contains("oundary") || self.books.policies.contains_key(arn);
        let boundary_exists = boundary_exists(params.get("PermissionsBoundary"));
        let key = name.to_lowercase();
        let role = self.books.roles.get_mut(&key).ok_or_else(|| missing("The role with name", &name))?;
        match action {
            "DeleteRole" => {
                let conflict = |why: &str| Err((409, "DeleteConflict", format!("Cannot delete entity, {why}")));
                if !role.attached.is_empty() {
                    return conflict("must detach all policies first.");
                }
                if !role.inline.is_empty() {
                    return conflict("must delete policies first.");
                }
                if in_profile {
                    return conflict("must remove roles from instance profile first.");
                }
                self.books.roles.remove(&key);
            }
            "TagRole" => {
                role.tags.extend(params.tags());
                if role.tags.len() > 50 {
                    return Err(limit("Cannot exceed quota for TagsPerResource: 50"));
                }
            }
            "UntagRole" => params.members("TagKeys").iter().for_each(|key| drop(role.tags.remove(key))),
            "PutRolePermissionsBoundary" => {
                if !boundary_exists {
                    return Err(missing("Policy", params.get("PermissionsBoundary")));
                }
                role.boundary = Some(params.get("PermissionsBoundary").to_owned());
            }
            "DeleteRolePermissionsBoundary" => {
                role.boundary.take().ok_or_else(|| missing("Boundary of", &name))?;
            }
            "UpdateAssumeRolePolicy" => role.trust = rooted(document()?),
            "UpdateRole" => {
                params.get("Description").clone_into(&mut role.description);
                // IAM resets what is left out.
                role.max_session_duration = params.get("MaxSessionDuration").parse().unwrap_or(3_600);
            }
            "AttachRolePolicy" => {
                if !attachable {
                    return Err(missing("Policy", &arn));
                }
                if !role.attached.contains(&arn) && role.attached.len() >= 10 {
                    return Err(limit("Cannot exceed quota for PoliciesPerRole: 10"));
                }
                role.attached.insert(arn);
            }
            "DetachRolePolicy" => {
                if !role.attached.remove(&arn) {
                    return Err(missing("Attached policy", &arn));
                }
            }
            "PutRolePolicy" => {
                let name = params.get("PolicyName");
                let document = document()?;
                let others: usize = role.inline.iter().filter(|(other, _)| *other != name).map(|(_, d)| size(d)).sum();
                if others + size(&document) > 10_240 {
                    return Err(limit("Maximum policy size of 10240 bytes exceeded for role"));
                }
                role.inline.insert(name.to_owned(), document);
            }
            "DeleteRolePolicy" => {
                let name = params.get("PolicyName");
                role.inline.remove(name).ok_or_else(|| missing("The role policy", name))?;
            }
            other => return Err((400, "InvalidAction", format!("{other} is not served"))),
        }
        Ok(String::new())
    }

    fn create_role(&mut self, params: &Params, trust: Value) -> Reply {
        let name = params.get("RoleName").to_owned();
        if self.books.roles.contains_key(&name.to_lowercase()) {
            return Err((409, "EntityAlreadyExists", format!("Role with name {name} already exists.")));
        }
        self.ids += 1;
        let role = Role {
            path: params.get("Path").to_owned(),
            id: format!("AROA{:017}", self.ids),
            trust: rooted(trust),
            description: params.get("Description").to_owned(),
            max_session_duration: params.get("MaxSessionDuration").parse().unwrap_or(3_600),
            boundary: Some(params.get("PermissionsBoundary").to_owned()).filter(|arn| !arn.is_empty()),
            tags: params.tags().into_iter().collect(),
            attached: BTreeSet::new(),
            inline: BTreeMap::new(),
            last_used: None,
            made_at: 0,
            name: name.clone(),
        };
        let xml = role_xml(&role);
        self.books.roles.insert(name.to_lowercase(), role);
        Ok(xml)
    }

    fn create_policy(&mut self, params: &Params, document: Value) -> Reply {
        let (name, path) = (params.get("PolicyName").to_owned(), params.get("Path").to_owned());
        if self.books.policies.values().any(|policy| policy.name.eq_ignore_ascii_case(&name)) {
            return Err((409, "EntityAlreadyExists", format!("A policy called {name} already exists.")));
        }
        let arn = format!("arn:aws:iam::{ACCOUNT}:policy{path}{name}");
        let tags = params.tags().into_iter().collect();
        let policy =
            Policy { name, path, versions: BTreeMap::from([(1, document)]), default: 1, next: 2, tags, made_at: 0 };
        self.books.policies.insert(arn.clone(), policy);
        Ok(format!("<Policy><Arn>{arn}</Arn></Policy>"))
    }

    fn write_policy(&mut self, action: &str, arn: &str, params: &Params, document: Value) -> Reply {
        let attached = self.books.roles.values().any(|role| role.attached.contains(arn))
            || self.books.users.values().any(|attached| attached.contains(arn));
        let bounds = self.books.roles.values().any(|role| role.boundary.as_deref() == Some(arn));
        let version = params.get("VersionId").trim_start_matches('v').parse().unwrap_or(0);
        let policy = self.books.policies.get_mut(arn).ok_or_else(|| missing("Policy", arn))?;
        match action {
            "DeletePolicy" => {
                let conflict = |why: &str| Err((409, "DeleteConflict", why.to_owned()));
                if attached || bounds {
                    return conflict("Cannot delete a policy attached to entities.");
                }
                if policy.versions.len() > 1 {
                    return conflict("This policy has more than one version.");
                }
                self.books.policies.remove(arn);
            }
            "CreatePolicyVersion" => {
                if policy.versions.len() >= 5 {
                    return Err(limit("A managed policy can have up to 5 versions."));
                }
                policy.versions.insert(policy.next, document);
                if params.get("SetAsDefault") == "true" {
                    policy.default = policy.next;
                }
                policy.next += 1;
            }
            "SetDefaultPolicyVersion" => {
                policy.versions.get(&version).ok_or_else(|| missing("Version", params.get("VersionId")))?;
                policy.default = version;
            }
            "DeletePolicyVersion" => {
                if version == policy.default {
                    return Err((409, "DeleteConflict", "Cannot delete the default version of a policy.".to_owned()));
                }
                policy.versions.remove(&version).ok_or_else(|| missing("Version", params.get("VersionId")))?;
            }
            "TagPolicy" => policy.tags.extend(params.tags()),
            _ => params.members("TagKeys").iter().for_each(|key| drop(policy.tags.remove(key))),
        }
        Ok(String::new())
    }

    fn known_principals(&self, trust: &Value) -> Result<(), (u16, &'static str, String)> {
        let statements = trust["Statement"].as_array().cloned().unwrap_or_default();
        let named = statements.iter().filter_map(|statement| statement["Principal"]["AWS"].as_array().cloned());
        for arn in named.flatten().filter_map(|arn| arn.as_str().map(str::to_owned)) {
            let role = arn.rsplit('/').next().unwrap_or_default().to_lowercase();
            // Another account's roles are not in the books.
            if arn.contains(":role/") && arn.contains(ACCOUNT) && !self.books.roles.contains_key(&role) {
                return Err((
                    400,
                    "MalformedPolicyDocument",
                    format!("Invalid principal in policy: \"AWS\":\"{arn}\""),
                ));
            }
        }
        Ok(())
    }
}

/// IAM keeps an account that is trusted by its bare id as the ARN of its root.
fn rooted(mut trust: Value) -> Value {
    for statement in trust["Statement"].as_array_mut().into_iter().flatten() {
        for one in statement.pointer_mut("/Principal/AWS").and_then(Value::as_array_mut).into_iter().flatten() {
            let account = one.as_str().filter(|text| text.len() == 12 && !text.contains(':'));
            *one = account.map_or(one.clone(), |account| Value::from(format!("arn:aws:iam::{account}:root")));
        }
    }
    trust
}

fn role_xml(role: &Role) -> String {
    let boundary = role.boundary.as_ref().map_or_else(String::new, |arn| {
        format!(
            "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType><PermissionsBoundaryArn>{arn}\
             </PermissionsBoundaryArn></PermissionsBoundary>"
        )
    });
    let last_used = role.last_used.as_ref().map_or_else(String::new, |(at, region)| {
        let at = date((*at).try_into().unwrap());
        format!("<RoleLastUsed><LastUsedDate>{at}</LastUsedDate><Region>{region}</Region></RoleLastUsed>")
    });
    format!(
        "<Role><Path>{path}</Path><RoleName>{name}</RoleName><RoleId>{id}</RoleId>\
         <Arn>arn:aws:iam::{ACCOUNT}:role{path}{name}</Arn><CreateDate>{made_at}</CreateDate>\
         <AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument><Description>{description}</Description>\
         <MaxSessionDuration>{session}</MaxSessionDuration>{boundary}{tags}{last_used}</Role>",
        path = role.path,
        name = role.name,
        id = role.id,
        trust = encoded(&role.trust),
        description = role.description.replace('&', "&amp;").replace('<', "&lt;"),
        session = role.max_session_duration,
        tags = tags_xml(&role.tags),
        made_at = date(role.made_at.into()),
    )
}

fn date(seconds: i64) -> String {
    aws_smithy_types::DateTime::from_secs(seconds).fmt(aws_smithy_types::date_time::Format::DateTime).unwrap()
}

fn tags_xml(tags: &BTreeMap<String, String>) -> String {
    let members: String =
        tags.iter().map(|(k, v)| format!("<member><Key>{k}</Key><Value>{v}</Value></member>")).collect();
    format!("<Tags>{members}</Tags>")
}

/// IAM sends documents percent-encoded.
fn encoded(document: &Value) -> String {
    percent_encoding::utf8_percent_encode(&document.to_string(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn refusal(status: u16, code: &str, message: &str) -> HttpResponse {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    response(
        status,
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>"
        ),
    )
}

fn response(status: u16, body: String) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}
