//! The scoped policy of the console guide for Step Functions with SageMaker, with corrections.
//!
//! The rule ARNs have this partition, region and account. The policy includes the rule for processing jobs that the
//! guide lacks. It does not allow `iam:PassRole`, which only the inline policy grants.

use serde_json::json;

use crate::iam::arn::Place;
use crate::iam::document::Document;

/// The names of the EventBridge rules by which Step Functions learns that a `.sync` job has ended.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html>
const RULES: [&str; 6] = [
    "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "StepFunctionsGetEventsForSageMakerTuningJobsRule",
    "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    "StepFunctionsGetEventsForECSTaskRule",
    "StepFunctionsGetEventsForBatchJobsRule",
];

/// The actions that the guide grants on `*`, because it knows nothing about the state machine.
const SERVICE_ACTIONS: [&str; 38] = [
    "batch:DescribeJobs",
    "batch:SubmitJob",
    "batch:TerminateJob",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "ecs:DescribeTasks",
    "ecs:RunTask",
    "ecs:StopTask",
    "glue:BatchStopJobRun",
    "glue:GetJobRun",
    "glue:GetJobRuns",
    "glue:StartJobRun",
    "lambda:InvokeFunction",
    "sagemaker:AddTags",
    "sagemaker:CreateEndpoint",
    "sagemaker:CreateEndpointConfig",
    "sagemaker:CreateHyperParameterTuningJob",
    "sagemaker:CreateModel",
    "sagemaker:CreateProcessingJob",
    "sagemaker:CreateTrainingJob",
    "sagemaker:CreateTransformJob",
    "sagemaker:DeleteEndpoint",
    "sagemaker:DeleteEndpointConfig",
    "sagemaker:DescribeHyperParameterTuningJob",
    "sagemaker:DescribeProcessingJob",
    "sagemaker:DescribeTrainingJob",
    "sagemaker:DescribeTransformJob",
    "sagemaker:ListProcessingJobs",
    "sagemaker:ListTags",
    "sagemaker:StopHyperParameterTuningJob",
    "sagemaker:StopProcessingJob",
    "sagemaker:StopTrainingJob",
    "sagemaker:StopTransformJob",
    "sagemaker:UpdateEndpoint",
    "sns:Publish",
    "sqs:SendMessage",
];

/// Returns the policy for this partition, region and account.
pub fn policy(place: &Place) -> Document {
    let Place { partition, region, account } = place;
    let rules: Vec<String> =
        RULES.iter().map(|rule| format!("arn:{partition}:events:{region}:{account}:rule/{rule}")).collect();
    Document::from_statements(vec![
        json!({
            "Sid": "HearOfJobs",
            "Effect": "Allow",
            "Action": ["events:PutTargets", "events:DescribeRule", "events:PutRule"],
            "Resource": rules,
        }),
        json!({ "Sid": "RunJobs", "Effect": "Allow", "Action": SERVICE_ACTIONS.as_slice(), "Resource": "*" }),
    ])
}
