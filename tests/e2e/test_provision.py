"""Tests of what a stack gets, and what the created role may do."""

import json
import time

import pytest

import local
from local import ACCOUNT, GRANT, LOGICAL_TAG, PREFIX, REGION, ROOT, STACK_TAG, allow, document, statements

# The EventBridge rules of `.sync` jobs: the five of the guide, and the one for processing jobs, which the guide lacks.
RULES = ("SageMakerTrainingJobs", "SageMakerTransformJobs", "SageMakerTuningJobs", "SageMakerProcessingJobs", "ECSTask",
         "BatchJobs")
# The actions that the console guide grants on `*`, by service.
RUN_JOBS = {
    "batch": "DescribeJobs SubmitJob TerminateJob",
    "dynamodb": "DeleteItem GetItem PutItem UpdateItem",
    "ecs": "DescribeTasks RunTask StopTask",
    "glue": "BatchStopJobRun GetJobRun GetJobRuns StartJobRun",
    "lambda": "InvokeFunction",
    "sagemaker": "AddTags CreateEndpoint CreateEndpointConfig CreateHyperParameterTuningJob CreateModel "
                 "CreateProcessingJob CreateTrainingJob CreateTransformJob DeleteEndpoint DeleteEndpointConfig "
                 "DescribeHyperParameterTuningJob DescribeProcessingJob DescribeTrainingJob DescribeTransformJob "
                 "ListProcessingJobs ListTags StopHyperParameterTuningJob StopProcessingJob StopTrainingJob "
                 "StopTransformJob UpdateEndpoint",
    "sns": "Publish",
    "sqs": "SendMessage",
}


def guide_policy():
    rules = [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/StepFunctionsGetEventsFor{rule}Rule" for rule in RULES]
    jobs = [f"{service}:{verb}" for service, verbs in RUN_JOBS.items() for verb in verbs.split()]
    hear = allow(["events:PutTargets", "events:PutRule", "events:DescribeRule"], rules)
    return statements(document({"Sid": "HearOfJobs", **hear}, {"Sid": "RunJobs", **allow(jobs)}))


def trust(machines="*"):
    return statements(local.trusting(
        "states.amazonaws.com", StringEquals={"aws:SourceAccount": ACCOUNT},
        ArnLike={"aws:SourceArn": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{machines}"}))


def grant(*roles):
    passing = allow("iam:PassRole", list(roles), StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"})
    return statements(document({"Sid": "PassToSageMaker", **passing}))


ATTRIBUTES = ("RoleArn", "RoleName", "RoleId", "PolicyArn", "PolicyArns", "PolicySha256")


def test_a_stack_gets_the_role_its_scoped_policy_and_the_grant_to_pass(aws, app, template, stack, execution_role):
    outputs = {name: {"Fn::GetAtt": ["Workflow", name]} for name in ATTRIBUTES}
    stack_id, status = stack(template(outputs={"Ref": {"Ref": "Workflow"}, **outputs}, Description="Runs churn",
                                      Tags=[{"Key": "team", "Value": "ml"}], MaxSessionDuration=7200,
                                      StateMachineName="churn"))
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)

    found = aws.outputs(stack_id)
    name = found["RoleName"]
    role = aws.role(name)
    tags = {STACK_TAG: stack_id, LOGICAL_TAG: "Workflow", "team": "ml"}
    assert name.startswith(f"{PREFIX}-") and "-Workflow-" in name
    assert role == {
        "id": found["RoleId"], "path": "/", "trust": trust("churn*"), "description": "Runs churn", "session": 7200,
        "boundary": app["PermissionsBoundaryArn"], "tags": tags, "attached": {found["PolicyArn"]},
        "inline": {GRANT: grant(execution_role)}, "profiles": set()}
    assert aws.policy(found["PolicyArn"]) == {"statements": guide_policy(), "tags": tags}
    assert found["Ref"] == name
    assert found["RoleArn"] == local.role_arn(name)
    assert found["PolicyArn"] == found["PolicyArns"] == local.policy_arn(f"{name}-Policy")
    assert len(found["PolicySha256"]) == 64
    assert "iam:" not in json.dumps(aws.policy(found["PolicyArn"])["statements"]), "PassRole stands in the grant alone"

    assert aws.delete_stack(stack_id) == "DELETE_COMPLETE"
    assert aws.role(name) is None and aws.policy(found["PolicyArn"]) is None


def test_the_example_deploys_as_it_stands(aws, stack, execution_role):
    example = (ROOT / "examples" / "workflow.yaml").read_text()
    stack_id, status = stack(example, SageMakerExecutionRoleArn=execution_role)
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    outputs = aws.outputs(stack_id)
    machine = aws.client("stepfunctions").describe_state_machine(stateMachineArn=outputs["WorkflowArn"])
    assert machine["roleArn"] == outputs["WorkflowRoleArn"]
    assert aws.role(outputs["WorkflowRoleArn"].rpartition("/")[2])["trust"] == trust(f"{machine['name']}*")


def test_a_create_waits_as_long_as_it_was_asked_to(created):
    started = time.monotonic()
    created("settling", SettleSeconds="2")
    assert time.monotonic() - started >= 2


@pytest.fixture
def may(aws, created):
    """The decision on an action of a workflow role."""
    one = created("simulated")
    return lambda action, resource="*", **context: aws.decision(one.physical_id, action, resource, **context)


def test_the_role_may_run_jobs_hear_of_them_and_pass_its_execution_role(may, execution_role):
    assert may("sagemaker:CreateTrainingJob", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/x") == "allowed"
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule"
    assert may("events:PutRule", rule) == "allowed"
    assert may("iam:PassRole", execution_role, iam_PassedToService="sagemaker.amazonaws.com") == "allowed"


@pytest.mark.parametrize("why, action, target, context", [
    ("another role", "iam:PassRole", local.role_arn("other-SageMaker"),
     {"iam_PassedToService": "sagemaker.amazonaws.com"}),
    ("another service", "iam:PassRole", local.role_arn("churn-SageMaker-execution"),
     {"iam_PassedToService": "ec2.amazonaws.com"}),
    ("no service", "iam:PassRole", local.role_arn("churn-SageMaker-execution"), {}),
    ("another rule", "events:PutRule", f"arn:aws:events:{REGION}:{ACCOUNT}:rule/Other", {}),
    ("another region's rule", "events:PutRule",
     f"arn:aws:events:us-west-2:{ACCOUNT}:rule/StepFunctionsGetEventsForECSTaskRule", {}),
    ("not a job", "iam:CreateUser", "*", {}),
    ("not a job", "s3:GetObject", "arn:aws:s3:::bucket/key", {}),
])
def test_the_role_may_not(may, why, action, target, context):
    assert may(action, target, **context) == "implicitDeny", why


def test_the_boundary_holds_when_somebody_makes_the_role_an_administrator(aws, created, may, execution_role):
    one = created("administrator")
    everything = json.dumps(document(allow("*")))
    aws.iam.put_role_policy(RoleName=one.physical_id, PolicyName="admin", PolicyDocument=everything)
    decide = lambda *asked, **context: aws.decision(one.physical_id, *asked, **context)  # noqa: E731
    assert decide("s3:GetObject") == "allowed"
    for action in ("iam:CreateUser", "iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePermissionsBoundary",
                   "sts:AssumeRole", "organizations:LeaveOrganization", "account:CloseAccount"):
        assert decide(action, local.role_arn("administrator")) == "implicitDeny", action
    sagemaker = {"iam_PassedToService": "sagemaker.amazonaws.com"}
    assert decide("iam:PassRole", local.role_arn("administrator"), **sagemaker) == "implicitDeny"
    assert decide("iam:PassRole", execution_role, **sagemaker) == "allowed"


def test_a_second_delivery_finds_the_work_done(aws, created, same_world):
    one = created("twice")
    before = aws.world()
    first, second = one.create(), one.create()
    assert first["Status"] == second["Status"] == "SUCCESS"
    assert (first["PhysicalResourceId"], first["Data"]) == (second["PhysicalResourceId"], second["Data"])
    assert aws.world() == before
    assert one.delete()["Status"] == "SUCCESS"
    same_world()


def test_the_log_tells_the_plan_and_never_the_response_url(aws, app, created):
    name = created("logged").physical_id
    lines = aws.log(app["LogGroupName"])
    assert any("planned" in line and f"create role `{name}`" in line for line in lines)
    assert not any("X-Amz-Signature" in line or "cfn-response" in line for line in lines)


def test_names_are_derived_alike_for_the_same_resource_and_otherwise_differ(created, resource):
    one = created(RoleName=None)
    other = resource(RoleName=None)
    other.create()
    assert one.physical_id != other.physical_id
    assert one.create()["PhysicalResourceId"] == one.physical_id
