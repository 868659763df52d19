"""Tests of the role of a state machine that derives from the definition."""

import json

from local import ACCOUNT, REGION, ROOT, unique
from conftest import APP

PASSED = {"iam_PassedToService": "sagemaker.amazonaws.com"}


def of_lambda(*functions):
    states = {name: {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": name},
                     "End": True} for name in functions}
    return {"StartAt": functions[0], "States": states}


def test_the_example_is_written_once_and_its_role_may_do_just_that(aws, function, execution_role, same_world):
    aws.sam("deploy", "--template-file", str(ROOT / "examples" / "pipeline.yaml"), "--stack-name", "pipeline",
            "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "--no-confirm-changeset",
            "--no-progressbar", "--parameter-overrides", f"MlopsRolesStack={APP}",
            f"SageMakerExecutionRoleArn={execution_role}")
    outputs = aws.outputs("pipeline")
    name = outputs["WorkflowRoleArn"].rpartition("/")[2]
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}"
    job = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job"
    granted = json.dumps([one["Resource"] for arn in outputs["PolicyArns"].split(",")
                          for one in aws.policy(arn)["statements"]])
    assert f"{job}/churn-*" in granted and granted.count("*") == 1
    published = next(one for one in json.loads(granted) if one[0].startswith(topic))[0]
    for expected, action, target, context in (
            ("allowed", "sagemaker:CreateTrainingJob", f"{job}/churn-1", {}),
            ("allowed", "sagemaker:StopTrainingJob", f"{job}/churn-1", {}),
            ("implicitDeny", "sagemaker:CreateTrainingJob", f"{job}/other", {}),
            ("implicitDeny", "sagemaker:CreateModel", f"{job}/churn-1", {}),
            ("allowed", "iam:PassRole", execution_role, PASSED),
            ("implicitDeny", "iam:PassRole", execution_role, {"iam_PassedToService": "ec2.amazonaws.com"}),
            ("allowed", "sns:Publish", published, {}),
            ("implicitDeny", "sns:Publish", f"{topic}:other", {})):
        assert aws.decision(name, action, target, **context) == expected, (action, target)
    stack_id = aws.cloudformation.describe_stacks(StackName="pipeline")["Stacks"][0]["StackId"]
    assert aws.delete_stack(stack_id) == "DELETE_COMPLETE"
    same_world()


def test_an_object_arrives_with_its_scalars_as_text_and_means_the_same(aws, stack, template, created):
    stack_id, status = stack(template(Definition=of_lambda("score"), SageMakerExecutionRoleArns=[], RoleName="AmazonSageMaker-x"))
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    of_text = created(Definition=json.dumps(of_lambda("score")), SageMakerExecutionRoleArns=None)
    of_object = aws.policy("arn:aws:iam::000000000000:policy/AmazonSageMaker-x-Policy")
    assert aws.policy(of_text.policy_arn)["statements"] == of_object["statements"]


def test_an_update_of_the_definition_changes_what_the_role_may_do(aws, created):
    one = created(Definition=of_lambda("score"), SageMakerExecutionRoleArns=None, VerifyPermissions="true")
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function"
    assert aws.decision(one.physical_id, "lambda:InvokeFunction", f"{function}:score") == "allowed"
    assert one.update(Definition=of_lambda("rank"))["Status"] == "SUCCESS"
    assert aws.decision(one.physical_id, "lambda:InvokeFunction", f"{function}:score") == "implicitDeny"
    assert aws.decision(one.physical_id, "lambda:InvokeFunction", f"{function}:rank") == "allowed"


def test_what_the_boundary_denies_is_told_and_when_verified_undone(created, resource, same_world):
    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:iam:createUser", "Parameters": {"UserName": "x"}}
    definition = {"StartAt": "Make", "States": {"Make": task}}
    one = created(Definition=definition, SageMakerExecutionRoleArns=None)
    assert one.send("Update", PhysicalResourceId=one.physical_id, OldResourceProperties=one.properties)["Data"][
        "BeyondBoundary"] == "iam:CreateUser"
    one.delete()
    one = resource(Definition=definition, SageMakerExecutionRoleArns=None, VerifyPermissions="true")
    answer = one.create()
    assert answer["Status"] == "FAILED", answer
    assert "state `Make` can't perform `iam:CreateUser`" in answer["Reason"], answer
    assert "denied by the permissions boundary" in answer["Reason"], answer
    same_world()


def test_where_no_rollback_comes_a_failed_create_and_a_failed_update_leave_nothing(aws, template, same_world):
    """In CloudFormation's express mode, and with `--disable-rollback`, no further event follows a failure."""
    def untouched(stack_id, status, world):
        assert aws.settled(stack_id) == status
        assert any("; rolled back" in reason for reason in aws.reasons(stack_id)), aws.reasons(stack_id)
        assert aws.world() == world
        assert aws.delete_stack(stack_id) == "DELETE_COMPLETE"

    task = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:iam:createUser", "Parameters": {"UserName": "x"}}
    properties = {"SageMakerExecutionRoleArns": [], "RoleName": unique("express")}
    denied = {"StartAt": "Make", "States": {"Make": task}}
    fails = {"TemplateBody": json.dumps(template(Definition=denied, VerifyPermissions="true", **properties)),
             "DisableRollback": True}
    before = aws.world()
    created = aws.cloudformation.create_stack(StackName=unique("express"), **fails)["StackId"]
    untouched(created, "CREATE_FAILED", before)

    stack_id, status = aws.create_stack(unique("express"), template(Definition=of_lambda("score"), **properties))
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    made = aws.world()
    aws.cloudformation.update_stack(StackName=stack_id, **fails)
    untouched(stack_id, "UPDATE_FAILED", made)
    same_world()


def test_all_that_stands_against_a_definition_comes_at_once(aws, resource, same_world):
    answer = resource(SageMakerExecutionRoleArns=None, Definition={"StartAt": "A", "States": {
        "A": {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createModel.sync", "Parameters": {}},
        "B": {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob",
              "Parameters": {"TrainingJobName": "x", "RoleArn.$": "$.role"}},
        "C": {"Type": "Parallel", "Branches": [{"StartAt": "D", "States": {"D": {"Type": "Tusk"}}}]}}}).create()
    assert answer["Status"] == "FAILED"
    for part in ("3 validation errors", "state `A`: `sagemaker:createModel.sync`: Step Functions does not support",
                 "state `B`: `RoleArn`: the role is known only at run time",
                 "state `C.Branches[0].D`: `Type`: found `Tusk`"):
        assert part in answer["Reason"], answer["Reason"]
    same_world()
