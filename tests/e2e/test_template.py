"""Tests of template.yaml: the role of its own stack, and what its parameters do."""

import itertools
import json

import pytest

import local
from conftest import ADOPTING_APP, ALARM_TOPIC, APP, MANAGED_POLICY, NARROW_BOUNDARY, OTHER_EXECUTION_ROLE

NAMESPACE = "mlops-roles"
ALARMS = {"LeftBehindAlarm": (NAMESPACE, "LeftBehind", "Sum", 60, 1), "FunctionErrorsAlarm": ("AWS/Lambda", "Errors", "Sum", 60, 1),
          "ThrottledAccountAlarm": (NAMESPACE, "Retries", "Sum", 300, 50),
          "SlowEventsAlarm": (NAMESPACE, "Duration", "Maximum", 60, 240_000)}


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
    # This is the cleanup that CloudFormation sends after a successful update of the stack.
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


# --- alarms, dashboard and log ---

def name_of(function):
    return function.rpartition(":")[2]


@pytest.fixture(scope="module")
def widgets(aws, wide):
    """The properties of the dashboard's widgets, by title, with each metric written in full."""
    name = aws.resource_id(ADOPTING_APP, "FunctionDashboard")
    body = json.loads(aws.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    found = {}
    for widget in body["widgets"]:
        above, spelled = [], []
        for metric in widget["properties"].get("metrics", []):
            words = [one for one in metric if isinstance(one, str)]
            # "..." stands for the whole metric above, "." for its word at that place.
            above = above if words == ["..."] else [above[i] if one == "." else one for i, one in enumerate(words)]
            spelled.append(tuple(above))
        found[widget["properties"]["title"]] = {**widget, **widget["properties"], "metrics": spelled}
    assert len(found) == len(body["widgets"])
    return found


@pytest.fixture
def written(aws, wide, created):
    """The line of an event that the function writes in CloudWatch's embedded metric format."""
    created(of=wide["ServiceToken"])
    lines = [json.loads(line) for line in aws.log(wide["LogGroupName"]) if line.startswith('{"') and '"_aws"' in line]
    assert lines, "no line in the embedded metric format"
    return lines[-1]


def test_the_dashboard_is_about_this_function_its_queue_and_its_log(aws, wide, widgets):
    name = name_of(wide["ServiceToken"])
    # Dashboards have no region, so their names are unique in the account.
    assert aws.resource_id(ADOPTING_APP, "FunctionDashboard") == name
    queue = aws.resource_id(ADOPTING_APP, "UnansweredEvents").rpartition("/")[2]
    dimensions = {metric[2:] for widget in widgets.values() for metric in widget["metrics"] if metric}
    assert dimensions == {("FunctionName", name), ("QueueName", queue)}
    assert {widget["region"] for widget in widgets.values()} == {aws.region}
    assert f"SOURCE '{wide['LogGroupName']}' " in widgets["The latest failures"]["query"]


def test_the_widgets_of_the_dashboard_lie_side_by_side(widgets):
    places = [(column, row) for one in widgets.values()
              for column in range(one["x"], one["x"] + one["width"]) for row in range(one["y"], one["y"] + one["height"])]
    assert len(places) == len({*places}) and max(column for column, _ in places) < 24


def test_every_further_alarm_is_about_this_function_and_tells_the_topic(aws, wide):
    for logical_id, expected in ALARMS.items():
        alarm = aws.resource_id(ADOPTING_APP, logical_id)
        found = aws.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]
        told = found["Namespace"], found["MetricName"], found["Statistic"], found["Period"], found["Threshold"]
        assert told == expected
        assert found["Dimensions"] == [{"Name": "FunctionName", "Value": name_of(wide["ServiceToken"])}]
        assert found["ComparisonOperator"] == "GreaterThanOrEqualToThreshold" and found["EvaluationPeriods"] == 1
        assert found["TreatMissingData"] == "notBreaching" and found["AlarmActions"] == [ALARM_TOPIC]


def test_the_alarm_for_unanswered_events_tells_the_topic_too(aws, wide):
    alarm = aws.resource_id(ADOPTING_APP, "UnansweredEventsAlarm")
    found = aws.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"][0]
    assert found["AlarmActions"] == [ALARM_TOPIC]


def test_an_event_is_slow_before_the_function_runs_out_of_time(aws, wide):
    timeout = aws.functions.get_function_configuration(FunctionName=wide["ServiceToken"])["Timeout"]
    assert ALARMS["SlowEventsAlarm"][-1] == timeout * 1000 * 4 / 5


def test_without_the_parameters_there_is_no_dashboard_and_no_further_alarm(aws, app):
    assert aws.resource_id(APP, "UnansweredEventsAlarm")
    for logical_id in ("FunctionDashboard", *ALARMS):
        assert aws.resource_id(APP, logical_id) is None


def test_the_function_writes_every_metric_that_alarms_and_dashboard_are_about(wide, widgets, written):
    shown = {metric[:2] for widget in widgets.values() for metric in widget["metrics"] if metric}
    needed = {name for namespace, name in itertools.chain(shown, (one[:2] for one in ALARMS.values()))
              if namespace == NAMESPACE}
    [directive] = [one for one in written["_aws"]["CloudWatchMetrics"] if one["Namespace"] == NAMESPACE]
    assert needed == {metric["Name"] for metric in directive["Metrics"]} <= written.keys()
    assert sorted(directive["Dimensions"], key=len) == [["FunctionName"], ["FunctionName", "ResourceType"]]
    assert written["FunctionName"] == name_of(wide["ServiceToken"])
    assert {metric["Name"]: metric.get("Unit") for metric in directive["Metrics"]} == {
        **dict.fromkeys(needed, "Count"), "Duration": "Milliseconds", "Waited": "Milliseconds"}


def test_the_dashboard_lists_what_the_function_writes_of_a_failure(widgets, written):
    query = widgets["The latest failures"]["query"].split(" | ")
    fields = query[1].removeprefix("fields @timestamp, ").split(", ")
    # Only a failure has a reason.
    assert {*fields} - {"Reason"} <= written.keys()
    assert {one.partition(" = ")[0] for one in query[2].removeprefix("filter ").split(" or ")} <= written.keys()
