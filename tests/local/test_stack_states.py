"""Tests of stack_states.py: what a stack reports of a resource while CloudFormation waits for it, and afterwards."""

import json
import time
import urllib.request

import pytest

from launched import BOOTSTRAP, MAKE_CALL, a_zip, allow, document, refused, role_arn, unique

FORWARD = 'boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))'
CLEANUP, ROLLBACK_CLEANUP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"


@pytest.fixture
def queue(aws):
    return aws("sqs").create_queue(QueueName=unique("events"))["QueueUrl"]


@pytest.fixture
def token(aws, role, server, queue):
    """A function that passes its events on to the queue, so that the test can respond to them."""
    name, executing = unique("function"), role(Path="/functions/")
    aws("iam").put_role_policy(RoleName=executing, PolicyName="p", PolicyDocument=document(allow("sqs:SendMessage")))
    code = a_zip(bootstrap=BOOTSTRAP.replace(MAKE_CALL, FORWARD))
    return aws("lambda").create_function(
        FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Timeout=30, Code={"ZipFile": code},
        Role=role_arn(f"functions/{executing}"), Environment={"Variables": {
            "AWS_ENDPOINT_URL": f"http://localhost:{server['GATEWAY_PORT']}", "QUEUE": queue}})["FunctionArn"]


@pytest.fixture
def tells(aws):
    """What a stack reports of one of its resources: the physical id, the state, and the time of the state."""
    def ask(stack, logical_id):
        found = aws("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        detail = found["StackResourceDetail"]
        return detail["PhysicalResourceId"], detail["ResourceStatus"], detail["LastUpdatedTimestamp"].timestamp()
    return ask


@pytest.fixture
def state(aws):
    return lambda stack: aws("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]


@pytest.fixture
def answer(aws, queue, tells, state):
    """Responds to the next event with an id or a failure. Returns the event, and what the stack reported before."""
    def send(physical_id, began):
        message, = aws("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
        aws("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        event = json.loads(message["Body"])
        stack, logical_id = event["StackId"], event["LogicalResourceId"]
        held, status, since = tells(stack, logical_id)
        assert since >= began
        found = (f"{event['RequestType']} {logical_id} {event.get('PhysicalResourceId', '')}".strip(), held, status,
                 state(stack))
        body = {"Status": "SUCCESS" if physical_id else "FAILED", "PhysicalResourceId": physical_id or "x",
                "Reason": "so", **{key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}}
        urllib.request.urlopen(urllib.request.Request(
            event["ResponseURL"], json.dumps(body).encode(), method="PUT")).close()
        return found
    return send


@pytest.fixture
def operate(aws, token, answer, state):
    """Creates, updates or deletes a stack with the resources `A` and `B` in these revisions; returns its id."""
    def run(operation, stack, resources, rows, status):
        template = {"Resources": {logical_id: {
            "Type": "Custom::Own", "Properties": {"ServiceToken": token, "Revision": revision},
            **({"DependsOn": "A"} if logical_id == "B" and "A" in resources else {})}
            for logical_id, revision in resources.items()}}
        body = {"TemplateBody": json.dumps(template)} if resources else {}
        began = int(time.time() * 1000) / 1000
        stack = getattr(aws("cloudformation"), f"{operation}_stack")(StackName=stack, **body).get("StackId", stack)
        for *expected, physical_id in rows:
            assert answer(physical_id, began) == tuple(expected)
        end = time.monotonic() + 20
        while (found := state(stack)) != status:
            assert found.endswith("_IN_PROGRESS") and time.monotonic() < end, found
            time.sleep(0.05)
        return stack
    return run


# Each entry has the operation, the resources with their revisions, and the final state of the stack. Then come the
# events, each with the reported id and state of the resource, the state of the stack, and the id of the response, or
# None for a failure. The last item is what the stack reports afterwards.
LIFE = [
    ("create", {"A": 1}, "CREATE_COMPLETE",
     [("Create A", "", "CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "a1")], {"A": ("a1", "CREATE_COMPLETE")}),
    ("update", {"A": 2}, "UPDATE_COMPLETE",
     [("Update A a1", "a1", "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "a1")], {"A": ("a1", "UPDATE_COMPLETE")}),
    ("update", {"A": 3}, "UPDATE_COMPLETE",
     [("Update A a1", "a1", "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "a2"),
      ("Delete A a1", "a2", "UPDATE_COMPLETE", CLEANUP, "a1")], {"A": ("a2", "UPDATE_COMPLETE")}),
    ("update", {"A": 4}, "UPDATE_ROLLBACK_COMPLETE",
     [("Update A a2", "a2", "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", None),
      ("Update A a2", "a2", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "a2")],
     {"A": ("a2", "UPDATE_COMPLETE")}),
    ("update", {"A": 5, "B": 1}, "UPDATE_ROLLBACK_COMPLETE",
     [("Update A a2", "a2", "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "a3"),
      ("Create B", "", "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", None),
      ("Delete A a3", "a2", "UPDATE_COMPLETE", ROLLBACK_CLEANUP, "a3")],
     {"A": ("a2", "UPDATE_COMPLETE"), "B": ("", "CREATE_FAILED")}),
    ("update", {"A": 3, "B": 2}, "UPDATE_COMPLETE",
     [("Create B", "", "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "b1")], {"B": ("b1", "CREATE_COMPLETE")}),
    ("update", {"B": 2}, "UPDATE_COMPLETE",
     [("Delete A a2", "a2", "DELETE_IN_PROGRESS", CLEANUP, "a2")], {"A": ("a2", "DELETE_COMPLETE")}),
    ("update", {"A": 6, "B": 2}, "UPDATE_COMPLETE",
     [("Create A", "", "CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "a4")], {"A": ("a4", "CREATE_COMPLETE")}),
    ("delete", {}, "DELETE_FAILED",
     [("Delete B b1", "b1", "DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", "b1"),
      ("Delete A a4", "a4", "DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", None)],
     {"A": ("a4", "DELETE_FAILED"), "B": ("b1", "DELETE_COMPLETE")}),
    ("delete", {}, "DELETE_COMPLETE",
     [("Delete A a4", "a4", "DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", "a4")], {"A": ("a4", "DELETE_COMPLETE")}),
]
FAILS = [
    ("create", {"A": 1, "B": 1}, "ROLLBACK_COMPLETE",
     [("Create A", "", "CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "a1"),
      ("Create B", "", "CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", None),
      ("Delete A a1", "a1", "DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "a1")],
     {"A": ("a1", "DELETE_COMPLETE"), "B": ("", "CREATE_FAILED")}),
]


@pytest.mark.parametrize("operations", [LIFE, FAILS], ids=["of_its_life", "of_a_failed_create"])
def test_a_stack_tells_at_each_event_what_it_is_at(operate, tells, operations):
    stack = unique("stack")
    for operation, resources, status, rows, afterwards in operations:
        stack = operate(operation, stack, resources, rows, status)
        assert {logical_id: tells(stack, logical_id)[:2] for logical_id in afterwards} == afterwards


def test_of_a_resource_that_never_was_and_of_a_stack_that_never_was_nothing_is_told(operate, tells):
    row = ("Create A", "", "CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "a1")
    stack = operate("create", unique("stack"), {"A": 1}, [row], "CREATE_COMPLETE")
    for asked in ((stack, "C"), (stack, stack.split("/")[1]), (unique("stack"), "A")):
        assert "does not exist" in refused("ValidationError", tells, stack=asked[0], logical_id=asked[1])
