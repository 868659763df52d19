//! Finds what one name in the `Resource` of a task needs.

use mlops_roles_core::iam::arn::{Arn, Place};
use mlops_roles_core::permissions::integration::api_need::ApiNeed;
use mlops_roles_core::permissions::integration::apis::{self, Api};
use mlops_roles_core::permissions::integration::target::Target;
use mlops_roles_core::permissions::integration::{Integration, integration, invoked, optimised};
use mlops_roles_core::permissions::state_error::StateError;
use mlops_roles_core::text::shown as quoted;

use super::need;
use super::shown::{Kind, Shown};
use super::sources::Sources;

/// The page of AWS about activities, which have no table.
const ACTIVITIES: &str = "https://docs.aws.amazon.com/step-functions/latest/dg/concepts-activities.html";

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The text, which the variant holds, has the form of no name.
    #[error(
        "{}: expected an integration such as `sagemaker:createTrainingJob.sync`, an API such as \
         `aws-sdk:sagemaker:describeEndpoint`, or the ARN in the `Resource` of a task; to find names, use `--search`",
        quoted(.0)
    )]
    Name(String),
    /// Step Functions has no such integration, pattern or API.
    #[error(transparent)]
    Unknown(#[from] StateError),
    /// The table of sources is broken, which would be a bug in this program.
    #[error("the table of sources can't be parsed: {0}; report it as a bug")]
    Sources(String),
}

/// Finds what an integration, an API, a function or an activity needs.
///
/// `name` is what follows `arn:aws:states:::` in the `Resource` of a task, or that ARN in any partition.
///
/// # Errors
/// Fails if Step Functions has no such integration, pattern or API, with the closest name.
pub fn find(name: &str) -> Result<Shown, ShowError> {
    let is_arn = name.starts_with("arn:");
    let parts = name.split(':').count() - usize::from(name.starts_with("aws-sdk:"));
    // A pattern may have a colon: `states:startExecution.sync:2`.
    if !is_arn && (parts < 2 || name.contains(char::is_whitespace)) {
        return Err(ShowError::Name(name.to_owned()));
    }
    let resource = if is_arn { name.to_owned() } else { format!("arn:aws:states:::{name}") };
    let arn = Arn::parse(&resource).ok_or_else(|| ShowError::Name(name.to_owned()))?;
    let place = Place { partition: arn.partition.into(), region: arn.region.into(), account: arn.account.into() };
    let sources = Sources::get().map_err(ShowError::Sources)?;
    match Target::parse(&resource, &place)? {
        Target::Integration { service, action, pattern } => {
            let found = integration(service, action, pattern, false)?;
            let named = format!("{service}:{action}");
            let sources = sources.of_integration(&named, pattern);
            Ok(of_integration(Shown::new(arn.resource, Kind::Integration, sources), found, pattern))
        }
        Target::Sdk { service, action } => api(arn.resource, service, action, sources),
        Target::Function(function) => {
            let mut shown = Shown::new(function, Kind::Function, sources.of_integration("lambda:invoke", ""));
            shown.needs.push(need::of_function(&invoked(function)));
            Ok(shown)
        }
        Target::Activity => {
            let mut shown = Shown::new(&resource, Kind::Activity, vec![ACTIVITIES.to_owned()]);
            shown.no_permission = Some("Step Functions hands the task to a worker that asks for it".to_owned());
            Ok(shown)
        }
    }
}

/// What the tasks of an optimised integration need. `pattern` is empty for request-response.
fn of_integration(mut shown: Shown, integration: &Integration, pattern: &str) -> Shown {
    let spelled = |pattern: &String| if pattern == "token" { "waitForTaskToken".to_owned() } else { pattern.clone() };
    shown.patterns = integration.patterns.iter().map(spelled).collect();
    let needs = integration.grants.iter();
    shown.needs = needs.filter_map(|need| need::of_integration(need, pattern.starts_with("sync"))).collect();
    shown
}

/// What a task needs to call an API. An optimised integration of the same name has it, or else the table of APIs.
fn api(name: &str, service: &str, api: &str, sources: &Sources) -> Result<Shown, ShowError> {
    apis::check_name(service, api)?;
    let token = || vec!["waitForTaskToken".to_owned()];
    if let Some((table, found)) = optimised(service, api) {
        let integration = format!("{table}:{api}");
        let mut all = sources.of_integration(&integration, "");
        for source in sources.of_api(service, api) {
            if !all.contains(&source) {
                all.push(source);
            }
        }
        let mut shown = of_integration(Shown::new(name, Kind::Api, all), found, "");
        (shown.patterns, shown.integration) = (token(), Some(integration));
        return Ok(shown);
    }
    let mut shown = Shown::new(name, Kind::Api, sources.of_api(service, api));
    let found = apis::find(service).ok_or_else(|| apis::unknown(service, true))?;
    let needs = if found.is_dropped() { Api::Unsupported } else { found.api(api, true)? };
    match needs {
        Api::Unsupported => shown.is_supported = false,
        Api::NoAction(reason) => {
            shown.patterns = token();
            shown.no_permission = Some(reason.to_owned());
        }
        Api::Known { needs, confirmed } => {
            shown.patterns = token();
            shown.is_confirmed = confirmed;
            let needs = if needs.is_empty() { vec![ApiNeed::without_resource()] } else { needs };
            let own = apis::own_action(found.prefix, api);
            shown.needs = needs.iter().map(|one| need::of_api(one, &own)).collect();
            shown.needs.extend((service == "s3").then(need::session));
        }
    }
    Ok(shown)
}
