//! Parses the `Resource` of a task.

use crate::iam::arn::{Arn, Place};
use crate::permissions::state_error::StateError;

/// What the `Resource` of a task names.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// An optimised integration. The pattern is empty for request-response.
    Integration {
        /// The service: `sagemaker`.
        service: &'a str,
        /// The action: `createTrainingJob`.
        action: &'a str,
        /// The pattern: `sync`, `sync:2` or `waitForTaskToken`.
        pattern: &'a str,
    },
    /// An API that the task calls through the AWS SDK integration.
    Sdk {
        /// The service as Step Functions writes it: `cloudwatchlogs`.
        service: &'a str,
        /// The API: `createLogGroup`.
        action: &'a str,
    },
    /// A Lambda function by its ARN.
    Function(&'a str),
    /// An activity, which needs no permission.
    Activity,
}

impl<'a> Target<'a> {
    /// Parses the `Resource` of a task. `place` is the place of the state machine.
    ///
    /// # Errors
    /// Fails if the text is the ARN of nothing that a task can call.
    pub fn parse(resource: &'a str, place: &Place) -> Result<Self, StateError> {
        if resource.contains("${") {
            return Err(StateError::NotSubstituted(resource.to_owned()));
        }
        let unexpected = |expected| {
            let (member, found) = ("Resource".to_owned(), resource.to_owned());
            StateError::Unexpected { member, found, expected }
        };
        let unknown = || unexpected("the ARN of an integration, a Lambda function or an activity");
        let arn = Arn::parse(resource).ok_or_else(unknown)?;
        match arn.service {
            "lambda" if arn.resource.starts_with("function:") => Ok(Self::Function(resource)),
            "states" if arn.resource.starts_with("activity:") => Ok(Self::Activity),
            "states" => {
                let (service, rest) = arn.resource.split_once(':').ok_or_else(unknown)?;
                // Templates of AWS also write an integration with a region and an account, as in `tts-converter` of
                // <https://github.com/aws-samples/step-functions-workflows-collection>.
                let plain = arn.region.is_empty() && arn.account.is_empty();
                let placed = Place::from_arn(resource).is_some_and(|of| of.partition == place.partition);
                // These are resources of Step Functions: `arn:aws:states:us-east-1:123456789012:stateMachine:churn`.
                let own = ["execution", "express", "mapRun", "stateMachine"].contains(&service);
                if own || !(plain || placed) {
                    return Err(unknown());
                }
                if service == "aws-sdk" {
                    let (service, action) = rest.split_once(':').ok_or_else(unknown)?;
                    let action = action.strip_suffix(".waitForTaskToken").unwrap_or(action);
                    if action.contains('.') {
                        return Err(unexpected("`aws-sdk:<service>:<action>`, alone or with `.waitForTaskToken`"));
                    }
                    return Ok(Self::Sdk { service, action });
                }
                let (action, pattern) = rest.split_once('.').unwrap_or((rest, ""));
                Ok(Self::Integration { service, action, pattern })
            }
            _ => Err(unknown()),
        }
    }
}
