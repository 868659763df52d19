//! What the command shows of a name. The members are the output in JSON, and `text` shows the same facts.

use std::collections::BTreeSet;

use mlops_roles_core::permissions::integration::apis;
use serde::Serialize;
use serde_json::Value;

use crate::plan::report::need::Use;

/// The action that passes a role.
pub const PASS_ROLE: &str = "iam:PassRole";

/// What an integration, an API, a function or an activity needs.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The name in `Resource`: `sagemaker:createTrainingJob.sync`, or the ARN of a function or an activity.
    pub name: String,
    /// What the name stands for.
    pub kind: Kind,
    /// The patterns that the name can have besides request-response: `sync`, `sync:2`, `waitForTaskToken`.
    pub patterns: Vec<String>,
    /// The optimised integration whose table has the needs of an API: `sagemaker:createEndpoint`.
    pub integration: Option<String>,
    /// Whether Step Functions supports the API. If not, `needs` is empty.
    pub is_supported: bool,
    /// Whether the service authorization reference has the action of the API's name.
    pub is_confirmed: bool,
    /// The reason that the call needs no permission of IAM: `bearer token`.
    pub no_permission: Option<String>,
    /// The needs, each for the calls that it applies to.
    pub needs: Vec<ShownNeed>,
    /// The pages and other sources that the needs rest on.
    pub sources: Vec<String>,
    /// The date of the service authorization reference: `2026-10-27`.
    pub reference_date: String,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// An optimised integration.
    Integration,
    /// An API that a task calls through the AWS SDK integration.
    Api,
    /// A Lambda function.
    Function,
    /// An activity.
    Activity,
}

/// One need: actions on resources, roles to pass, or what only the author of a definition can name.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ShownNeed {
    /// The IAM actions: `sagemaker:CreateTrainingJob`.
    pub actions: Vec<String>,
    /// The resources of the actions.
    pub resources: Vec<Resource>,
    /// The resources if the call names none of `resources`.
    pub otherwise: Vec<Resource>,
    /// The `Condition` of the policy statement. `{KmsKeyId}` stands for the value of that member of the call.
    #[cfg_attr(feature = "schemas", schemars(with = "Option<serde_json::Map<String, Value>>"))]
    pub condition: Option<Value>,
    /// The members of the call in the condition.
    pub condition_members: Vec<Member>,
    /// When the need applies, in words. All of them have to hold. An empty list says that every call has the need.
    pub when: Vec<String>,
    /// The roles that the call passes, which need `iam:PassRole`.
    pub roles: Option<Roles>,
    /// What only the author of the definition can name, in `TaskResources`.
    pub declared: Option<Declared>,
    /// The managed EventBridge rule by which Step Functions learns that a `.sync` task has ended.
    pub rule: Option<String>,
    /// What else to know of the need.
    pub notes: Vec<String>,
}

/// A resource of a need.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// The ARN. `{TrainingJobName}` stands for the value of that member of the call, and `${Region}` for the region of
    /// the state machine: `arn:${Partition}:sagemaker:${Region}:${Account}:training-job/{TrainingJobName}`.
    pub arn: String,
    /// The reason for a wildcard that the ARN has whatever the call says.
    pub wildcard_because: Option<String>,
    /// The members of the call in the ARN.
    pub members: Vec<Member>,
}

/// A member of a call whose value becomes a part of an ARN or of a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The path of the member: `ResourceConfig.VolumeKmsKeyId`.
    pub name: String,
    /// What of the value is taken, in words: `an id, or the ARN of a key`.
    pub taken: String,
    /// What happens with other values, in words: `an alias is refused`.
    pub refused: Option<String>,
    /// The reason for a wildcard that follows a literal value.
    pub wildcard_because: Option<String>,
    /// What a call without the member means, in words: `refused`.
    pub absent: String,
}

/// Roles that a call passes to a service.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Roles {
    /// The members of the call that name the roles: `RoleArn`.
    pub members: Vec<String>,
    /// The service principal that gets the roles: `sagemaker.amazonaws.com`. `null` if AWS does not document it.
    pub service: Option<String>,
    /// Whether a call that does not set the members literally may pass no role.
    pub is_optional: bool,
    /// Whether the members name instance profiles, which hold the roles.
    pub is_instance_profile: bool,
}

/// What only the author of a definition can name, in the property `TaskResources`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schemas", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// How the state uses it, as a member of `TaskResources`: `Read`, `Write` or `PassRole`.
    #[serde(rename = "use")]
    pub used: Use,
    /// What the state uses: `the data behind the tables of the query`.
    pub what: String,
    /// Whether the call fails for nearly everyone without it. Otherwise it may do without.
    pub is_required: bool,
    /// The service principal that a role is passed to. `null` for other uses.
    pub service: Option<String>,
    /// The pattern of the ARNs that get the actions: `arn:${Partition}:s3:::*/*`. `null` for roles.
    pub fits: Option<String>,
    /// The further actions on the bucket of a declared object.
    pub bucket_actions: Vec<String>,
    /// The page of AWS that has the need.
    pub source: String,
}

impl Shown {
    /// Creates what is shown of a name, without needs.
    pub(super) fn new(name: &str, kind: Kind, sources: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            patterns: Vec::new(),
            integration: None,
            is_supported: true,
            is_confirmed: true,
            no_permission: None,
            needs: Vec::new(),
            sources,
            reference_date: apis::date().to_owned(),
        }
    }

    /// The IAM actions of all needs, in alphabetical order.
    pub fn actions(&self) -> Vec<String> {
        let all = self.needs.iter().flat_map(ShownNeed::all_actions);
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl ShownNeed {
    /// The IAM actions of the need, with those on buckets and `iam:PassRole`.
    fn all_actions(&self) -> impl Iterator<Item = String> {
        let declared = self.declared.as_ref();
        let of_buckets = declared.into_iter().flat_map(|declared| &declared.bucket_actions);
        let passes = self.roles.is_some() || declared.is_some_and(|declared| declared.service.is_some());
        self.actions.iter().chain(of_buckets).cloned().chain(passes.then(|| PASS_ROLE.to_owned()))
    }
}
