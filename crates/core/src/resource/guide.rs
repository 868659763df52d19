//! The scoped policy of the console guide, corrected: rule ARNs of this partition, region and account, the rule for
//! processing jobs that the guide lacks, and no `iam:PassRole`, which stands in the inline grant alone.

use serde_json::json;

use crate::iam::arn::Place;
use crate::iam::document::Document;

/// Rules that Step Functions keeps in EventBridge to hear of the end of a `.sync` job.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html>
const RULES: [&str; 6] = [
    "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "StepFunctionsGetEventsForSageMakerTuningJobsRule",
    "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
    "StepFunctionsGetEventsForECSTaskRule",
    "StepFunctionsGetEventsForBatchJobsRule",
];

/// The guide grants these on `*`: it knows nothing of the state machine.
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
