//! The models of Bedrock that the id or ARN of a model or an inference profile reaches.

use crate::iam::arn::{Arn, Place};
use crate::permissions::integration::arn_part::{ArnPart, begun, completed};

/// The first parts of the ids of inference profiles: `us.anthropic.claude-3-haiku-20240307-v1:0`.
const GEOGRAPHIES: [&str; 8] = ["us", "us-gov", "eu", "apac", "jp", "au", "ca", "global"];

/// The other kinds of models, which a call names by ARN only.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html>
const MODELS_BY_ARN: [&str; 5] =
    ["custom-model-deployment", "default-prompt-router", "imported-model", "prompt-router", "provisioned-model"];

pub(super) fn foundation_model(place: &Place, region: &str, id: &str) -> ArnPart {
    ArnPart::Whole(format!("arn:{}:bedrock:{region}::foundation-model/{id}", place.partition))
}

fn profiles(place: &Place, account: &str) -> ArnPart {
    ArnPart::Whole(format!("arn:{}:bedrock:*:{account}:inference-profile/*", place.partition))
}

/// The models behind what a call names, and what limits the grant of them.
struct Behind {
    models: Vec<ArnPart>,
    limit: Limit,
}

/// What limits the grant of the models behind what a call names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// The names of the models.
    Names,
    /// A condition on the inference profile, which does not tell the models.
    Profile,
    /// A condition on the prompt router, which does not tell the models.
    Router,
}

impl Behind {
    fn none() -> Self {
        Self { models: Vec::new(), limit: Limit::Names }
    }

    /// The models behind an inference profile. An id without a dot tells no model.
    ///
    /// An inference profile uses a model in every region that it spans.
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html>
    fn profile(place: &Place, id: &str, end: &str) -> Self {
        match id.split_once('.') {
            Some((_, id)) => {
                Self { models: vec![foundation_model(place, "*", &format!("{id}{end}"))], limit: Limit::Names }
            }
            None => Self { models: vec![foundation_model(place, "*", "*")], limit: Limit::Profile },
        }
    }

    /// The models behind what an ARN of Bedrock names. `end` is a wildcard if only the beginning of the ARN is known.
    fn arn(arn: Arn<'_>, place: &Place, end: &str) -> Self {
        match arn.resource.split_once('/') {
            Some(("inference-profile", id)) => Self::profile(place, id, end),
            Some(("application-inference-profile", _)) => {
                Self { models: vec![foundation_model(place, "*", "*")], limit: Limit::Profile }
            }
            Some(("prompt-router" | "default-prompt-router", _)) => Self {
                models: vec![foundation_model(place, "*", "*"), profiles(place, arn.account)],
                limit: Limit::Router,
            },
            _ => Self::none(),
        }
    }

    /// Chooses from what a call names and the models behind it, as `how` says.
    ///
    /// `called-model` is for the grant without a condition, `profile-models` and `router-models` are for those with one.
    fn chosen(self, itself: Vec<ArnPart>, how: &str) -> Vec<ArnPart> {
        match (how, self.limit) {
            ("called-model", Limit::Profile | Limit::Router) => itself,
            ("profile-models", Limit::Profile) | ("router-models", Limit::Router) => self.models,
            ("profile-models" | "router-models", _) => Vec::new(),
            _ => itself.into_iter().chain(self.models).collect(),
        }
    }
}

/// The models that a literal reaches: a model, or an inference profile or a prompt router and the models behind it.
pub(super) fn models(text: &str, how: &str, place: &Place) -> Option<Vec<ArnPart>> {
    let whole = || ArnPart::Whole(text.to_owned());
    let arn = Arn::parse(text);
    if let Some(endpoint) = arn.filter(|arn| arn.service == "sagemaker" && arn.partition == place.partition) {
        return marketplace(endpoint, how);
    }
    let (itself, behind) = match arn {
        Some(arn) if arn.service == "bedrock" && arn.partition == place.partition => {
            (whole(), Behind::arn(arn, place, ""))
        }
        Some(_) => return None,
        None => match text.split_once('.') {
            Some((geography, _)) if GEOGRAPHIES.contains(&geography) => {
                (ArnPart::Part(format!("inference-profile/{text}")), Behind::profile(place, text, ""))
            }
            _ => (foundation_model(place, &place.region, text), Behind::none()),
        },
    };
    if how == "marketplace-endpoint" {
        return Some(Vec::new());
    }
    Some(behind.chosen(vec![itself], how))
}

/// What a call needs for a model of Bedrock Marketplace, which it names by the ARN of its SageMaker endpoint.
///
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/bedrock-marketplace-prerequisites.html>
fn marketplace(endpoint: Arn<'_>, how: &str) -> Option<Vec<ArnPart>> {
    let Arn { partition, region, account, resource, .. } = endpoint;
    resource.strip_prefix("endpoint/")?;
    Some(match how {
        "marketplace-endpoint" => {
            vec![ArnPart::Whole(format!("arn:{partition}:sagemaker:{region}:{account}:{resource}"))]
        }
        "profile-models" | "router-models" => Vec::new(),
        _ => {
            let all = format!("arn:{partition}:bedrock:{region}:{account}:marketplace/model-endpoint/all-access");
            vec![ArnPart::Whole(all)]
        }
    })
}

/// The models that a value may reach of which only the beginning is known. See `models`.
///
/// A name is of a foundation model or an inference profile.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html>
pub(super) fn widened_models(prefix: &str, own: Option<Arn<'_>>, how: &str, place: &Place) -> Vec<ArnPart> {
    if let Some(endpoint) = completed(prefix, "sagemaker", place).as_deref().and_then(begun) {
        let known = endpoint.resource.strip_prefix("endpoint/").unwrap_or_default();
        let resource = format!("endpoint/{known}*");
        return marketplace(Arn { resource: &resource, ..endpoint }, how).unwrap_or_default();
    }
    if how == "marketplace-endpoint" {
        return Vec::new();
    }
    if let Some(arn) = own.filter(|arn| arn.resource.contains('/')) {
        return Behind::arn(arn, place, "*").chosen(vec![ArnPart::Whole(format!("{prefix}*"))], how);
    }
    let name = if prefix.starts_with("arn:") { "" } else { prefix };
    let id = match name.split_once('.') {
        Some((geography, id)) if GEOGRAPHIES.contains(&geography) => id,
        None if GEOGRAPHIES.iter().any(|geography| geography.starts_with(name)) => "",
        _ => name,
    };
    // The beginning of an ARN may tell the beginning of the kind.
    let kind = own.map_or("", |arn| arn.resource);
    let kinds = ["application-inference-profile", "inference-profile"].into_iter();
    let kinds = kinds.chain(MODELS_BY_ARN.into_iter().filter(|_| name.is_empty()));
    let kinds = kinds.filter(|one| one.starts_with(kind));
    let itself = kinds.map(|kind| ArnPart::at(own, format!("{kind}/{name}*"))).collect();
    let reaches_models = ["foundation-model", "application-inference-profile", "inference-profile"];
    let reached = reaches_models.iter().any(|one| one.starts_with(kind));
    let models = if reached { vec![foundation_model(place, "*", &format!("{id}*"))] } else { Vec::new() };
    Behind { models, limit: Limit::Names }.chosen(itself, how)
}
