"""Tests of the execution role: a stack creates it, real calls use it, and a state machine passes it to SageMaker."""

import json
import re

import pytest
from botocore.exceptions import ClientError

import local
from local import ACCOUNT, REGION, ROOT, unique
from conftest import APP

TYPE = "Custom::SageMakerExecutionRole"
PASSED = {"iam_PassedToService": "sagemaker.amazonaws.com"}


@pytest.fixture
def buckets(aws):
    """Makes buckets with an object for each key; they are deleted at the end."""
    s3, made = aws.client("s3"), []

    def make(name, *keys):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        made.append(name)
        for key in keys:
            s3.put_object(Bucket=name, Key=key, Body=b"x")
        return name
    yield make
    for name in made:
        for one in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=one["Key"])
        s3.delete_bucket(Bucket=name)


@pytest.fixture
def made(resource):
    """Makes an execution role with events that the test sends directly."""
    def make(**properties):
        one = resource("execution", SageMakerExecutionRoleArns=None, **properties)
        one.resource_type = TYPE
        return one
    return make


def denied(call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    assert raised.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException", "403"), raised.value
    return True


def test_a_role_made_by_a_stack_lists_its_bucket_and_is_refused_the_neighbours(aws, stack, function, buckets):
    own, other = buckets(unique("own").lower(), "churn/a", "churn-secret/b"), buckets(unique("other").lower(), "churn/c")
    stack_id, status = stack({"Resources": {"Role": {"Type": TYPE, "Properties": {
        "ServiceToken": function, "ServiceTimeout": 60, "SettleSeconds": 0, "VerifyAccess": True,
        "Buckets": [{"Name": own, "Prefix": "churn", "Access": "Read"},
                    {"Name": own, "Prefix": "models/", "Access": "Write"}]}}}})
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    s3 = aws.session_of(aws.resource_id(stack_id.split("/")[1], "Role")).client("s3")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=own, Prefix="churn/")["Contents"]] == ["churn/a"]
    assert s3.get_object(Bucket=own, Key="churn/a")["Body"].read() == b"x"
    s3.put_object(Bucket=own, Key="models/m", Body=b"m")
    assert denied(s3.list_objects_v2, Bucket=own)
    assert denied(s3.list_objects_v2, Bucket=own, Prefix="churn-secret/")
    assert denied(s3.get_object, Bucket=own, Key="churn-secret/b")
    assert denied(s3.get_object, Bucket=own, Key="models/m")
    assert denied(s3.put_object, Bucket=own, Key="churn/a", Body=b"y")
    assert denied(s3.delete_object, Bucket=own, Key="models/m")
    assert denied(s3.list_objects_v2, Bucket=other, Prefix="churn/")
    assert denied(s3.get_object, Bucket=other, Key="churn/c")


@pytest.fixture
def example(tmp_path):
    """The example without its notebook instance, because ministack does not have that type."""
    folder, template = ROOT / "examples", tmp_path / "notebook.yaml"
    text = (folder / "notebook.yaml").read_text()
    shorter = re.sub(r"\n  Notebook:\n.*?(?=\n\n)\n", "", text, count=1, flags=re.S)
    assert "AWS::SageMaker" in text and "AWS::SageMaker" not in shorter
    template.write_text(shorter.replace("pipeline.asl.json }", f"{folder}/pipeline.asl.json }}"))
    return template


def test_the_example_makes_both_roles_and_the_one_hands_the_other_on(aws, function, example, same_world):
    aws.sam("deploy", "--template-file", str(example), "--stack-name", "notebook",
            "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "--no-confirm-changeset",
            "--no-progressbar", "--parameter-overrides", f"MlopsRolesStack={APP}")
    outputs = aws.outputs("notebook")
    execution, workflow = outputs["ExecutionRoleArn"], outputs["WorkflowRoleArn"].rpartition("/")[2]
    name, bucket = execution.rpartition("/")[2], f"arn:aws:s3:::{outputs['Bucket']}"
    job = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job"
    for role, expected, action, target, context in (
            (workflow, "allowed", "iam:PassRole", execution, PASSED),
            (name, "allowed", "iam:PassRole", execution, PASSED),
            (name, "implicitDeny", "iam:PassRole", local.role_arn("Other-SageMaker"), PASSED),
            (name, "allowed", "s3:GetObject", f"{bucket}/input/x", {}),
            (name, "implicitDeny", "s3:PutObject", f"{bucket}/input/x", {}),
            (name, "allowed", "s3:PutObject", f"{bucket}/models/x", {}),
            (name, "allowed", "s3:ListBucket", bucket, {"s3_prefix": "input/"}),
            (name, "implicitDeny", "s3:ListBucket", bucket, {"s3_prefix": ""}),
            (name, "allowed", "sagemaker:CreateTrainingJob", f"{job}/churn-1", {}),
            (name, "implicitDeny", "sagemaker:CreateTrainingJob", f"{job}/other", {}),
            (name, "implicitDeny", "sagemaker:CreateProcessingJob", "*", {})):
        assert aws.decision(role, action, target, **context) == expected, (role, action, target)
    trust = aws.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert [one["Principal"]["Service"] for one in trust] in (["sagemaker.amazonaws.com"], [["sagemaker.amazonaws.com"]])
    stack_id = aws.cloudformation.describe_stacks(StackName="notebook")["Stacks"][0]["StackId"]
    assert aws.delete_stack(stack_id) == "DELETE_COMPLETE"
    same_world()


def test_an_update_widens_and_narrows_what_the_role_may_do(aws, made):
    one = made(Buckets=[{"Name": "churn-a", "Access": "Read"}])
    assert one.create()["Status"] == "SUCCESS"
    read = lambda bucket: aws.decision(one.physical_id, "s3:GetObject", f"arn:aws:s3:::{bucket}/x")  # noqa: E731
    assert (read("churn-a"), read("churn-b")) == ("allowed", "implicitDeny")
    assert one.update(Buckets=[{"Name": "churn-b", "Access": "Read"}])["Status"] == "SUCCESS"
    assert (read("churn-a"), read("churn-b")) == ("implicitDeny", "allowed")


def trusted(one):
    """The actions that the trust policy of the role allows, by service."""
    found = {}
    for statement in one.role["trust"]:
        for service in statement["Principal"]["Service"]:
            found.setdefault(service, set()).update(statement["Action"])
    return found


def test_the_deployer_lets_another_service_assume_the_role_and_tags_be_passed(made, adopting, same_world):
    one = made(of=adopting, TrustedServices="events.amazonaws.com", TrustedActions=["sts:TagSession"])
    assert one.create()["Status"] == "SUCCESS"
    assert trusted(one) == {"sagemaker.amazonaws.com": {"sts:AssumeRole", "sts:TagSession"},
                            "events.amazonaws.com": {"sts:AssumeRole"}}
    assert all(ACCOUNT in json.dumps(statement["Condition"]) for statement in one.role["trust"])
    answer = one.update(TrustedServices=["events.amazonaws.com", "glue.amazonaws.com"])
    assert answer["Status"] == "FAILED"
    assert "`TrustedServices`: found `glue.amazonaws.com`, which the deployer's `AllowedTrust`" in answer["Reason"]
    assert "events.amazonaws.com" in trusted(one)
    assert one.update(TrustedServices=None, TrustedActions=None)["Status"] == "SUCCESS"
    assert trusted(one) == {"sagemaker.amazonaws.com": {"sts:AssumeRole"}}
    assert one.delete()["Status"] == "SUCCESS"
    same_world()


def test_an_update_takes_back_a_trust_that_somebody_added_by_hand(aws, made):
    one = made()
    assert one.create()["Status"] == "SUCCESS"
    before = one.role["trust"]
    by_hand = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
    aws.iam.update_assume_role_policy(RoleName=one.physical_id, PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [*before, by_hand]}))
    assert "events.amazonaws.com" in trusted(one)
    assert one.update(Revision="2")["Status"] == "SUCCESS"
    assert one.role["trust"] == before


def test_all_mistakes_come_at_once_and_nothing_is_made(made, same_world):
    answer = made(Buckets=[{"Prefix": "x", "Access": "All"}, {"Name": "Upper", "Access": "Read"}, "data"],
                  Capabilities=["Trainning"], Subnets=["subnet-0a"], KmsKeys=["alias/x"]).create()
    assert answer["Status"] == "FAILED"
    for path in ("Buckets[0].Name", "Buckets[0].Access", "Buckets[1].Name", "Buckets[2]", "Capabilities[0]", "KmsKeys",
                 "`Subnets`, `SecurityGroups`", "did you mean `Training`"):
        assert path in answer["Reason"], answer["Reason"]
    same_world()
