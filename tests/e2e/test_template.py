"""What template.yaml deploys besides the function's answers: the role of its own stack, and what its parameters do."""

import json

import pytest

import local
from conftest import ADOPTING_APP, APP, MANAGED_POLICY, NARROW_BOUNDARY, OTHER_EXECUTION_ROLE


def test_one_deploy_makes_the_workflow_role_too(aws, wide, execution_role):
    role = aws.role("AmazonSageMaker-of-the-app")
    assert wide["WorkflowRoleArn"] == local.role_arn("AmazonSageMaker-of-the-app")
    assert role["attached"] == {wide["WorkflowPolicyArn"]}
    assert "stateMachine:churn*" in json.dumps(role["trust"])
    assert [one["Resource"] for grant in role["inline"].values() for one in grant] == [[execution_role]]


def test_what_others_import_is_exported(aws, wide):
    exports = {export["Name"]: export["Value"] for export in aws.cloudformation.list_exports()["Exports"]}
    for name in ("ServiceToken", "PermissionsBoundaryArn", "WorkflowRoleArn", "WorkflowPolicyArn"):
        assert exports[f"{ADOPTING_APP}-{name}"] == wide[name]


def test_without_the_parameter_there_is_no_workflow_role(aws, app):
    assert "WorkflowRoleArn" not in app
    assert aws.resource_id(APP, "WorkflowRole") is None


@pytest.mark.parametrize("asked", [
    {"RoleName": "Team-second-prefix"},
    {"Path": "/team/"},
    {"RoleName": "Team-both", "PolicyName": "Team-both-policy", "Path": "/team/"},
    {"PermissionsBoundary": local.policy_arn(NARROW_BOUNDARY)},
    {"ManagedPolicyArns": [MANAGED_POLICY]},
    {"SageMakerExecutionRoleArns": [OTHER_EXECUTION_ROLE]},
], ids=lambda asked: "+".join(asked))
def test_what_the_deployer_allows_can_be_had_changed_and_taken_down(aws, adopting, created, asked):
    before = aws.world()
    one = created(of=adopting, **asked)
    assert one.update(Description="changed", StateMachineName="churn")["Status"] == "SUCCESS"
    assert one.role["description"] == "changed"
    assert one.delete()["Status"] == "SUCCESS"
    assert aws.world() == before


def test_a_role_moves_to_another_path_and_leaves_nothing_at_the_old_one(aws, adopting, created):
    before = aws.world()
    one = created(of=adopting, RoleName=None)
    old, old_properties = one.physical_id, dict(one.properties)
    assert one.update(Path="/team/")["Status"] == "SUCCESS"
    assert one.physical_id != old and one.role["path"] == "/team/"
    # The cleanup that CloudFormation sends when the stack's update has succeeded.
    new, one.properties = one.properties, old_properties
    assert one.delete(old)["Status"] == "SUCCESS" and aws.role(old) is None
    one.properties = new
    assert one.delete()["Status"] == "SUCCESS"
    assert aws.world() == before


def test_unanswered_events_are_kept_encrypted_for_a_day_and_raise_an_alarm(aws, app):
    queue = aws.resource_id(APP, "UnansweredEvents")
    attributes = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["MessageRetentionPeriod"] == "86400" and attributes["SqsManagedSseEnabled"] == "true"
    settings = aws.functions.get_function_event_invoke_config(FunctionName=app["ServiceToken"], Qualifier="$LATEST")
    assert settings["DestinationConfig"]["OnFailure"]["Destination"] == attributes["QueueArn"]
    assert settings["MaximumEventAgeInSeconds"] < 1200 and settings["MaximumRetryAttempts"] == 2
    alarm = aws.resource_id(APP, "UnansweredEventsAlarm")
    found = aws.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]
    assert found["Dimensions"] == [{"Name": "QueueName", "Value": queue.rpartition("/")[2]}]


def test_the_log_is_kept_for_as_long_as_the_deployer_says(aws, wide):
    group = wide["LogGroupName"]
    found = aws.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert [one["retentionInDays"] for one in found if one["logGroupName"] == group] == [30]
