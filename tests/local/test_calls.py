"""Tests of calls.py: the record of what roles did, and what Lambda does for a function only if its role may."""

import json
import time
import urllib.request

import pytest

from launched import ACCOUNT, REGION, TRUST, allow, role_arn, unique

LOGGING = allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:*:*")


@pytest.fixture
def record(server):
    def read(role):
        with urllib.request.urlopen(f"http://localhost:{server['GATEWAY_PORT']}/_test/calls/{role}") as answer:
            return json.load(answer)
    return read


@pytest.fixture
def groups(aws, function):
    """The log groups of a function that has served a call."""
    def serve(*statements):
        call = function(*statements)
        call("sts", "get_caller_identity")
        return aws("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{call.name}")["logGroups"]
    return serve


def test_what_a_role_did_is_recorded_with_all_that_was_asked_of_its_policies(function, record):
    call = function(LOGGING, allow(["iam:ListRoles", "iam:CreateRole"]))
    made = {"RoleName": unique("tagged"), "AssumeRolePolicyDocument": TRUST, "Tags": [{"Key": "k", "Value": "v"}]}
    assert [call("iam", "list_roles"), call("iam", "create_role", **made)] == ["done", "AccessDenied"]
    assert record(call.role) == {"denied": {"iam:TagRole": 1}, "allowed": {
        "iam:ListRoles": 1, "iam:CreateRole": 1, "logs:CreateLogStream": 2, "logs:PutLogEvents": 2}}


def test_of_a_role_that_did_nothing_and_of_who_may_do_everything_there_is_no_record(aws, role, record):
    name = role()
    aws("iam").get_role(RoleName=name)
    for arn in (role_arn(name), f"arn:aws:iam::{ACCOUNT}:root"):
        assert record(arn) == {"allowed": {}, "denied": {}}


def test_a_function_has_a_log_where_its_role_may_write_one(groups):
    assert len(groups(LOGGING)) == 1
    for action in ("CreateLogStream", "PutLogEvents"):
        assert groups(allow(f"logs:{action}")) == []
    assert groups({**LOGGING, "Resource": LOGGING["Resource"].replace("*", "other", 1)}) == []


@pytest.mark.parametrize("granted", [True, False])
def test_an_event_that_was_not_served_is_sent_where_the_role_may_send_it(aws, function, record, granted):
    queue = aws("sqs").create_queue(QueueName=unique("unserved"))["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue.rpartition('/')[2]}"
    call = function(allow("sqs:SendMessage", arn if granted else f"{arn}-other"))
    aws("lambda").put_function_event_invoke_config(
        FunctionName=call.name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}})
    aws("lambda").invoke(FunctionName=call.name, InvocationType="Event", Payload="{}")
    end = time.monotonic() + 20
    while not any("sqs:SendMessage" in calls for calls in record(call.role).values()):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert len(aws("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])) == granted
