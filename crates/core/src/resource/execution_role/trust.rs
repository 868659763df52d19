//! The trust policy: who may assume the role, and on whose behalf.

use serde_json::{Map, Value, json};

use crate::iam::arn::{Arn, matches, overlap};
use crate::iam::document::Document;
use crate::iam::quota::TRUST_POLICY_SIZE;
use crate::resource::execution_role::capability::Capabilities;
use crate::resource::properties::Reader;
use crate::resource::spec::ReadContext;
use crate::text::shown;

/// The service principal that assumes every execution role.
pub const SERVICE: &str = "sagemaker.amazonaws.com";

/// The other services that AWS's guides ask for in the trust policy of an execution role.
///
/// | service | feature | page |
/// |---|---|---|
/// | `bedrock` | Bedrock models in Canvas | `canvas-fine-tuning-permissions` |
/// | `events` | scheduled notebook jobs, event triggers of a feature processor | `scheduled-notebook-policies-studio` |
/// | `forecast` | time series in Canvas | `canvas-set-up-forecast` |
/// | `glue` | interactive sessions, feature processors | `getting-started-glue-sm` |
/// | `job.sagemaker` | jobs of `CreateJob` | `model-customize-mtrl-prereqs` |
/// | `redshift` | import from Redshift in Canvas | `canvas-redshift-permissions` |
/// | `sagemaker-geospatial` | geospatial jobs | `sagemaker-geospatial-roles-pass-role` |
/// | `scheduler` | schedules of a feature processor or a pipeline | `feature-store-feature-processor-iam-permissions` |
///
/// The pages are below <https://docs.aws.amazon.com/sagemaker/latest/dg/>. AWS advises against `lambda`, whose functions
/// would inherit every permission of the role, and has a role of its own for EMR Serverless.
const SERVICES: [&str; 8] = [
    "bedrock.amazonaws.com",
    "events.amazonaws.com",
    "forecast.amazonaws.com",
    "glue.amazonaws.com",
    TAGS_SESSIONS,
    "redshift.amazonaws.com",
    "sagemaker-geospatial.amazonaws.com",
    "scheduler.amazonaws.com",
];

/// The service whose page asks for `sts:TagSession` beside `sts:AssumeRole`.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/model-customize-mtrl-prereqs.html>
const TAGS_SESSIONS: &str = "job.sagemaker.amazonaws.com";

/// The actions besides `sts:AssumeRole` that SageMaker may need in the trust policy.
///
/// | action | feature | page |
/// |---|---|---|
/// | `sts:SetContext` | trusted identity propagation | `trustedidentitypropagation-setup` |
/// | `sts:SetSourceIdentity` | names of user profiles as source identity | `monitor-user-access` |
/// | `sts:TagSession` | session tags of training jobs | `model-access-training-data-abac` |
const ACTIONS: [&str; 3] = ["sts:SetContext", "sts:SetSourceIdentity", "sts:TagSession"];

/// The capabilities whose features AWS lists as telling on whose behalf they act, by `aws:SourceAccount` and
/// `aws:SourceArn`. With each stands the resource part of the `aws:SourceArn` that it tells.
///
/// `*` is sent as it is: AWS says that it "does not stand for wildcard and should not be changed". The list has neither
/// notebook instances nor tuning jobs nor feature groups. A role without capabilities may serve any feature.
/// <https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html>
const SENDS_SOURCE: [(&str, &str); 8] = [
    ("Hosting", "*"),
    ("InferenceComponents", "*"),
    ("ModelRegistry", "*"),
    ("Pipelines", "pipeline/{name}/*"),
    ("Processing", "processing-job/{name}"),
    ("StudioApps", "*"),
    ("Training", "training-job/{name}"),
    ("Transform", "transform-job/{name}"),
];

/// The capabilities for which SageMaker assumes no role: code that has the role calls the services.
const ASSUMES_NOTHING: [&str; 4] = ["Athena", "Experiments", "GlueTables", "MLflow"];

/// The resources that no feature tells as `aws:SourceArn`, whatever AWS's page calls the feature.
const NEVER_SENT: [&str; 6] = ["app/", "domain/", "endpoint/", "model/", "space/", "user-profile/"];

/// Returns the services that `TrustedServices` may name.
pub fn trusted_services() -> impl Iterator<Item = &'static str> {
    SERVICES.into_iter()
}

/// Returns the actions that `TrustedActions` may name.
pub fn trusted_actions() -> impl Iterator<Item = &'static str> {
    ACTIONS.into_iter()
}

/// What the role is passed to.
#[derive(Debug)]
pub struct PassedTo<'a> {
    /// The beginning of the names of the resources (`NamePrefix`).
    pub prefix: &'a str,
    /// Whether the role passes itself (`PassSelf`).
    pub passes_itself: bool,
}

/// What the properties say about the trust policy.
#[derive(Debug)]
pub struct Trust {
    /// The services of `TrustedServices`.
    pub services: Vec<String>,
    actions: Vec<String>,
    source: Option<String>,
}

impl Trust {
    /// Parses `TrustedServices`, `TrustedActions` and `SourceArn`.
    pub fn parse(reader: &Reader<'_>, context: ReadContext<'_>) -> Self {
        Self {
            services: allowed(reader, "TrustedServices", &SERVICES, context),
            actions: allowed(reader, "TrustedActions", &ACTIONS, context),
            source: source_arn(reader, context),
        }
    }

    /// Reports a `SourceArn` that keeps SageMaker from assuming the role for a capability, each with an error of its own.
    ///
    /// What AWS's page does not list may tell the ARN that stands for every resource. The same goes for what a role
    /// without capabilities is passed to.
    pub fn check(&self, reader: &Reader<'_>, context: ReadContext<'_>, capabilities: &Capabilities, of: &PassedTo<'_>) {
        let place = context.place;
        let Some(source) = &self.source else { return };
        let arn =
            |resource: &str| format!("arn:{}:sagemaker:{}:{}:{resource}", place.partition, place.region, place.account);
        let listed = |name: &str| SENDS_SOURCE.iter().find(|(one, _)| *one == name).map_or("*", |(_, kind)| *kind);
        // SageMaker's ARNs have been seen with names in lower case.
        let prefixes = [of.prefix.to_owned(), of.prefix.to_ascii_lowercase()];
        let is_locked = |kind: &str| match kind {
            "*" => !matches(source, &arn("*")),
            _ => !prefixes.iter().any(|prefix| overlap(source, &arn(&kind.replace("{name}", &format!("{prefix}*"))))),
        };
        let mut assumed = assumed(capabilities).peekable();
        let resource = Arn::parse(source).map_or("", |arn| arn.resource);
        let mut locked = Vec::new();
        if assumed.peek().is_some() {
            let names = assumed.filter(|name| is_locked(listed(name)));
            locked.extend(names.map(|name| format!("the capability `{name}`")));
        } else if of.passes_itself && is_locked("*") {
            locked.push("what it passes itself to (`PassSelf`)".to_owned());
        } else if NEVER_SENT.iter().any(|kind| resource.starts_with(kind)) {
            locked.push("any feature".to_owned());
        }
        for what in locked {
            let problem = format!(
                "with `{source}`, SageMaker can't assume the role for {what}; use `{}`",
                every_resource(context)
            );
            reader.tighten("SourceArn", problem);
        }
    }

    /// Returns the trust policy. SageMaker may assume the role for this account and, where it is given, for
    /// `SourceArn`. The services of `TrustedServices` may assume it for this account.
    ///
    /// Features that AWS does not list may omit both condition keys. The trust of a role that may serve such a feature
    /// checks a key only where the request has it. Otherwise the feature could not assume the role.
    /// <https://docs.aws.amazon.com/sagemaker/latest/dg/security-confused-deputy-prevention.html>
    pub fn document(&self, context: ReadContext<'_>, capabilities: &Capabilities) -> Document {
        let account = || json!({ "aws:SourceAccount": context.place.account });
        let mut names = assumed(capabilities).peekable();
        let tells = names.peek().is_some() && names.all(|name| SENDS_SOURCE.iter().any(|(one, _)| *one == name));
        let operator = |operator: &str| if tells { operator.to_owned() } else { format!("{operator}IfExists") };
        let mut condition = Map::from_iter([(operator("StringEquals"), account())]);
        if let Some(source) = &self.source {
            condition.insert(operator("ArnLike"), json!({ "aws:SourceArn": source }));
        }
        let actions: Vec<&str> =
            ["sts:AssumeRole"].into_iter().chain(self.actions.iter().map(String::as_str)).collect();
        let statement = |service: &str, actions: &[&str], condition: Value| {
            json!({
                "Effect": "Allow",
                "Principal": { "Service": service },
                "Action": actions,
                "Condition": condition,
            })
        };
        let mut statements = vec![statement(SERVICE, &actions, condition.into())];
        for service in &self.services {
            // `SourceArn` is of SageMaker, and these services tell ARNs of their own, if any.
            let condition = json!({ "StringEqualsIfExists": account() });
            let tags = Some("sts:TagSession").filter(|_| service == TAGS_SESSIONS);
            statements.push(statement(
                service,
                &["sts:AssumeRole"].into_iter().chain(tags).collect::<Vec<_>>(),
                condition,
            ));
        }
        Document::from_statements(statements)
    }
}

/// Reads words of a closed list that the deployer allows too.
fn allowed(reader: &Reader<'_>, name: &'static str, closed: &[&'static str], context: ReadContext<'_>) -> Vec<String> {
    let mut allowed = Vec::new();
    for (path, text) in reader.texts(name) {
        if !closed.contains(&text.as_str()) {
            // Nothing close is suggested: a trust is no place for a guess.
            let all: Vec<String> = closed.iter().map(|name| format!("`{name}`")).collect();
            reader.invalid(&path, &text, &format!("one of {}", all.join(", ")));
            continue;
        }
        if !context.guardrails.allows_trust(&text) {
            // An existing role keeps what the deployer no longer allows.
            let what = shown(&text);
            let problem =
                format!("found {what}, which the deployer's `AllowedTrust` does not have; ask the deployer to add it");
            reader.tighten(name, problem);
        }
        allowed.push(text);
    }
    allowed
}

/// Returns the capabilities for which SageMaker assumes the role.
fn assumed(capabilities: &Capabilities) -> impl Iterator<Item = &'static str> {
    capabilities.names().filter(|name| !ASSUMES_NOTHING.contains(name))
}

/// Reads `SourceArn`: an ARN or a pattern of SageMaker resources of this account.
fn source_arn(reader: &Reader<'_>, context: ReadContext<'_>) -> Option<String> {
    let place = context.place;
    let source = reader.text("SourceArn")?;
    let arn = Arn::parse(&source).filter(|arn| arn.service == "sagemaker" && arn.partition == place.partition);
    let arn = arn.filter(|_| source.len() <= TRUST_POLICY_SIZE);
    if arn.is_some_and(|arn| arn.account == place.account) && !source.contains('$') {
        return Some(source);
    }
    let example = every_resource(context);
    let expected = format!("the ARN of a SageMaker resource of this account, or a pattern such as `{example}`");
    reader.invalid("SourceArn", &source, &expected);
    None
}

/// Returns the pattern that AWS's page gives for Studio: every SageMaker resource of the account and region.
fn every_resource(context: ReadContext<'_>) -> String {
    let place = context.place;
    format!("arn:{}:sagemaker:{}:{}:*", place.partition, place.region, place.account)
}
