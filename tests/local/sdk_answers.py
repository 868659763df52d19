"""What the account of `sdk_account` answers, beside what the API models require: jobs are completed, endpoints are in
service, log streams have an event."""

import time
from datetime import datetime, timezone
from pathlib import Path

from sdk_account import ACCOUNT, ARTIFACT, BUCKET, ROLE, START, Missing, archive, arn, child, stream

NOW = datetime.fromtimestamp(START, timezone.utc)


def objects(given):
    key = given["Key"]
    data = archive() if key.endswith(".tar.gz") else (b"{}" if key.endswith(".json") else b"a,b\n1,2\n")
    return {"Body": stream(data), "ContentLength": len(data), "ContentRange": f"bytes 0-{len(data) - 1}/{len(data)}",
            "ETag": '"1"'}


def head(given):
    found = objects(given)
    del found["Body"]
    # The output of an asynchronous inference is there ten seconds after the request.
    if given["Key"].endswith(".out") and time.time() < int(Path(given["Key"]).stem) + 10:
        raise Missing(given["Key"])
    return found


def events(given):
    """The events of a log stream: one, and no more at the next request."""
    one = {"timestamp": int(START * 1000), "message": "done", "ingestionTime": int(START * 1000)}
    return {"events": [] if "nextToken" in given else [one], "nextForwardToken": "f/1", "nextBackwardToken": "b/1"}


def summary(given):
    """The training job of a tuning job."""
    name = child(given["HyperParameterTuningJobName"])
    return {"TrainingJobName": name, "TrainingJobArn": arn("training-job", name), "TrainingJobStatus": "Completed",
            "CreationTime": NOW, "TunedHyperParameters": {"depth": "3"}, "ObjectiveStatus": "Succeeded",
            "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "loss", "Value": 1.0}}


def offline(given):
    """The table of the offline store, if there is one."""
    config = given.get("OfflineStoreConfig")
    table = {"TableName": f"{given['FeatureGroupName']}_1767323045", "Catalog": "AwsDataCatalog",
             "Database": "sagemaker_featurestore"}
    return {"OfflineStoreConfig": {**config, "DataCatalogConfig": table}} if config else {}


# SageMaker names the jobs of a schedule, and not after `base_job_name`:
# https://github.com/aws/sagemaker-python-sdk/issues/4783
MONITORING_JOB = "model-monitoring-202601020300-0123456789abcdef"
EXECUTION = arn("pipeline", "churn/execution/a1b2c3d4e5f6")
ANSWERS = {
    "s3:GetObject": objects,
    "s3:HeadObject": head,
    "s3:PutObject": {"ETag": '"1"'},
    "s3:ListObjectsV2": {"KeyCount": 1, "IsTruncated": False, "Contents": [{"Key": "churn/data/churn.csv", "Size": 8}]},
    "sts:GetCallerIdentity": {"Account": ACCOUNT, "UserId": "A:b",
                              "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE.rpartition('/')[2]}/SageMaker"},
    "logs:DescribeLogStreams": lambda given: {"logStreams": [
        {"logStreamName": f"{given['logStreamNamePrefix'].removesuffix('/')}/algo-1-1767323045"}]},
    "logs:GetLogEvents": events,
    "sagemaker:DescribeTrainingJob": lambda given: {
        "TrainingJobStatus": "Completed", "CreationTime": NOW, "TrainingStartTime": NOW, "TrainingEndTime": NOW,
        "SecondaryStatus": "Completed",
        "SecondaryStatusTransitions": [{"Status": "Completed", "StartTime": NOW, "StatusMessage": "done"}],
        "TrainingTimeInSeconds": 60, "BillableTimeInSeconds": 60,
        "TrainingJobArn": arn("training-job", given["TrainingJobName"]),
        # The training job of a tuning job was created with a definition of another form.
        **({} if "ResourceConfig" in given else {"ResourceConfig": {
            "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30}}),
        "OutputDataConfig": {"KmsKeyId": "", **given["OutputDataConfig"]},
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://{BUCKET}/churn/{given['TrainingJobName']}/output/model.tar.gz"}},
    "sagemaker:DescribeProcessingJob": {
        "ProcessingJobStatus": "Completed", "CreationTime": NOW, "ProcessingEndTime": NOW},
    "sagemaker:DescribeTransformJob": {"TransformJobStatus": "Completed", "CreationTime": NOW, "TransformEndTime": NOW},
    "sagemaker:DescribeEndpoint": {"EndpointStatus": "InService"},
    "sagemaker:DescribeHyperParameterTuningJob": lambda given: {
        "HyperParameterTuningJobStatus": "Completed",
        "BestTrainingJob": summary(given)},
    "sagemaker:ListTrainingJobsForHyperParameterTuningJob": lambda given: {"TrainingJobSummaries": [summary(given)]},
    "sagemaker:DescribeInferenceComponent": lambda given: {
        "InferenceComponentStatus": "InService", "RuntimeConfig": {"DesiredCopyCount": 1, "CurrentCopyCount": 1}},
    "sagemaker:DescribeFeatureGroup": lambda given: {
        "FeatureGroupStatus": "Created", "OfflineStoreStatus": {"Status": "Active"}, **offline(given)},
    "sagemaker:DescribeMonitoringSchedule": {"MonitoringScheduleStatus": "Scheduled"},
    "sagemaker:ListMonitoringExecutions": lambda given: {"MonitoringExecutionSummaries": [{
        "MonitoringScheduleName": given["MonitoringScheduleName"], "ScheduledTime": NOW, "CreationTime": NOW,
        "LastModifiedTime": NOW, "MonitoringExecutionStatus": "Completed",
        "ProcessingJobArn": arn("processing-job", MONITORING_JOB)}]},
    "sagemaker:ListInferenceComponents": {"InferenceComponents": []},
    "sagemaker:ListPipelineVersions": {"PipelineVersionSummaries": []},
    "sagemaker:ListFeatureGroups": {"FeatureGroupSummaries": []},
    "sagemaker:BatchGetRecord": {"Records": [], "Errors": [], "UnprocessedIdentifiers": []},
    "sagemaker:InvokeEndpointWithResponseStream": {"ContentType": "text/csv"},
    "sagemaker:Search": {"Results": []},
    "sagemaker:ListTags": {"Tags": []},
    "sagemaker:GetRecord": {"Record": [{"FeatureName": "id", "ValueAsString": "1"}]},
    "sagemaker:StartPipelineExecution": {"PipelineExecutionArn": EXECUTION},
    "sagemaker:DescribePipelineExecution": {"PipelineExecutionArn": EXECUTION, "PipelineExecutionStatus": "Succeeded"},
    "sagemaker:ListPipelineExecutionSteps": {
        "PipelineExecutionSteps": [{"StepName": "train", "StepStatus": "Succeeded"}]},
    "sagemaker:CreateArtifact": {"ArtifactArn": arn("artifact", ARTIFACT)},
    "sagemaker:ListPipelineParametersForExecution": {"PipelineParameters": []},
    "athena:StartQueryExecution": {"QueryExecutionId": "q-1"},
    "athena:GetQueryExecution": {"QueryExecution": {"QueryExecutionId": "q-1", "Status": {"State": "SUCCEEDED"}}},
    "sagemaker:InvokeEndpointAsync": lambda _: {"OutputLocation": f"s3://{BUCKET}/churn/async/{int(time.time())}.out"},
    "sagemaker:InvokeEndpoint": lambda given: {"Body": stream(b"1.0"), "ContentType": "text/csv"},
}
