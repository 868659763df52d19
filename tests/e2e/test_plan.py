"""Tests of `mlops-roles plan` against an account: a drift check that only reads."""

import json
import os
import subprocess

import boto3
import pytest

import local
import service_catalog
from local import ACCOUNT, REGION, ROOT, allow, document, unique
from conftest import APP, CATALOGUING_APP

READS = ["cloudformation:DescribeStacks", "cloudformation:ListStackResources", "cloudformation:DescribeStackResources",
         "iam:GetRole", "iam:ListRoleTags", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy",
         "iam:ListInstanceProfilesForRole", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyTags",
         "iam:ListEntitiesForPolicy", "iam:ListPolicies", "iam:ListRoles", "cloudformation:DescribeStackResource",
         "sagemaker:ListProjects", "sagemaker:DescribeProject", "sagemaker:GetSagemakerServicecatalogPortfolioStatus"]


@pytest.fixture(scope="session")
def binary():
    """The command line, which is built together with the Rust tests."""
    subprocess.run(["cargo", "test", "--quiet", "--locked", "--workspace", "--all-features", "--no-run"], cwd=ROOT, check=True)
    return ROOT / "target" / "debug" / "mlops-roles"


@pytest.fixture(scope="session")
def reader(aws):
    """Keys with the permissions that the documentation lists for the command line, and no others."""
    aws.iam.create_user(UserName="plan")
    aws.iam.put_user_policy(UserName="plan", PolicyName="read", PolicyDocument=json.dumps(document(allow(READS))))
    key = aws.iam.create_access_key(UserName="plan")["AccessKey"]
    yield {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    aws.iam.delete_access_key(UserName="plan", AccessKeyId=key["AccessKeyId"])
    aws.iam.delete_user_policy(UserName="plan", PolicyName="read")
    aws.iam.delete_user(UserName="plan")


@pytest.fixture
def plan(aws, binary, reader, tmp_path):
    """Runs `plan` and returns its exit code and output. The account is as before in any case."""
    def run(what, *arguments, **environment):
        if not isinstance(what, os.PathLike):
            text, what = json.dumps(what), tmp_path / "input.json"
            what.write_text(text)
        before = aws.world()
        done = subprocess.run([binary, "plan", what, "--against-account", *arguments], capture_output=True, text=True,
                              env={"AWS_ENDPOINT_URL": aws.endpoint, "AWS_ENDPOINT_URL_SAGEMAKER": aws.sagemaker_endpoint,
                                   "AWS_REGION": REGION, **reader, **environment})
        assert aws.world() == before
        return done.returncode, done.stdout + done.stderr
    return run


def test_the_readers_keys_open_nothing_else(aws, reader):
    iam = boto3.client("iam", endpoint_url=aws.endpoint, region_name=REGION,
                       aws_access_key_id=reader["AWS_ACCESS_KEY_ID"],
                       aws_secret_access_key=reader["AWS_SECRET_ACCESS_KEY"])
    with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
        iam.create_role(RoleName=unique("x"), AssumeRolePolicyDocument=json.dumps(local.trusting("states.amazonaws.com")))


def test_what_was_deployed_does_not_differ_and_what_was_changed_by_hand_does(aws, stack, template, plan):
    execution_role = {"Type": "AWS::IAM::Role", "Properties": {
        "RoleName": unique("execution"), "AssumeRolePolicyDocument": local.trusting("sagemaker.amazonaws.com")}}
    task = {"Type": "Task", "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync", "End": True, "Parameters": {
        "TrainingJobName": "churn", "RoleArn": "${Role}"}}
    body = template({"Execution": execution_role}, SageMakerExecutionRoleArns={"Ref": "AWS::NoValue"},
                    Definition={"StartAt": "Train", "States": {"Train": task}},
                    DefinitionSubstitutions={"Role": {"Fn::GetAtt": ["Execution", "Arn"]}}, Tags=[{"Key": "a", "Value": "b"}])
    body["Resources"]["Workflow"]["Properties"]["ServiceToken"] = {"Fn::ImportValue": f"{APP}-ServiceToken"}
    stack_id, status = stack(body)
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    name = stack_id.split("/")[1]
    code, said = plan(body, "--stack-name", name)
    assert (code, "no changes" in said) == (0, True), said
    role = aws.resource_id(name, "Workflow")
    policy = local.policy_arn(f"{role}-Policy")
    assert f"on {local.role_arn(execution_role['Properties']['RoleName'])}" in said, said

    aws.iam.create_policy_version(PolicyArn=policy, SetAsDefault=True,
                                  PolicyDocument=json.dumps(document(allow("s3:*"))))
    aws.iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(local.trusting("ec2.amazonaws.com")))
    aws.iam.attach_role_policy(RoleName=role, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    code, said = plan(body, "--stack-name", name)
    assert code == 2, said
    for part in (f"set the document of policy `{policy}`", '- {"Action":["s3:*"]', '+ {"Action":["sagemaker:AddTags"',
                 f"set the trust policy of role `{role}`", '- {"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":{"Service":["ec2',
                 f"detach `arn:aws:iam::aws:policy/ReadOnlyAccess` from role `{role}`"):
        assert part in said, f"{part} is missing in {said}"
    code, said = plan(body, "--stack-name", name, "--format", "json")
    assert code == 2 and any("set the trust policy" in step["step"] for step in json.loads(said)[0]["steps"])


def test_a_change_of_the_template_is_told_as_the_update_would_bring_it(aws, stack, template, plan):
    body = template(Description="one")
    stack_id, _ = stack(body)
    body["Resources"]["Workflow"]["Properties"]["Description"] = "two"
    code, said = plan(body, "--stack-name", stack_id.split("/")[1])
    assert code == 2 and said.count("set the description of role") == 1 and "2." not in said, said


def test_what_is_not_ours_is_refused_as_the_function_would(aws, events, plan, execution_role):
    name = unique("theirs")
    aws.make_role(name)
    event = events("create.json")
    event["ResourceProperties"] |= {"RoleName": name, "PolicyName": f"{name}-Policy",
                                    "SageMakerExecutionRoleArns": execution_role}
    code, said = plan(event)
    assert code == 1 and f"role `{name}` exists and is not managed by this resource" in said, said
    aws.iam.delete_role(RoleName=name)


def test_the_replaced_role_is_not_among_those_that_a_prefix_finds(aws, events, plan):
    prefix = unique("AmazonSageMaker")
    names = f"{prefix}-old", f"{prefix}-execution"
    for name in names:
        aws.make_role(name)
    event = events("update.json")
    event |= {"PhysicalResourceId": names[0]}
    for properties, name in (event["OldResourceProperties"], names[0]), (event["ResourceProperties"], f"{prefix}-new"):
        properties.pop("SageMakerExecutionRoleArns", None)
        properties |= {"RoleName": name, "PolicyName": f"{name}-Policy", "SageMakerExecutionRole": {"RoleNamePrefix": prefix}}
    code, said = plan(event)
    for name in names:
        aws.delete_role(name)
    assert code == 2 and local.role_arn(names[1]) in said, said


@pytest.fixture
def deleted(aws, events):
    """Makes the Delete event of the resource `Workflow` of a stack."""
    def make(stack_id, body, physical_id=None):
        stack = stack_id.split("/")[1]
        return events("delete.json") | {
            "StackId": stack_id, "LogicalResourceId": "Workflow",
            "PhysicalResourceId": physical_id or aws.resource_id(stack, "Workflow"),
            "ResourceProperties": body["Resources"]["Workflow"]["Properties"]}
    return make


def test_a_delete_is_refused_where_the_function_would_refuse_it(aws, stack, template, plan, deleted):
    body = template()
    stack_id, _ = stack(body)
    event = deleted(stack_id, body)
    role, theirs = event["PhysicalResourceId"], unique("theirs")
    policy = local.policy_arn(f"{role}-Policy")
    code, said = plan(event)
    assert code == 2 and f"delete role `{role}`" in said and f"delete policy `{policy}`" in said, said
    aws.make_role(theirs)
    aws.iam.attach_role_policy(RoleName=theirs, PolicyArn=policy)
    code, said = plan(event)
    aws.delete_role(theirs)
    assert code == 1 and f"policy `{policy}` is in use by role {theirs}; detach it there first; nothing was deleted" in said, said


def test_a_delete_leaves_what_lives_under_another_id(aws, stack, template, plan, deleted):
    body = template()
    stack_id, _ = stack(body)
    # CloudFormation invents such an id for a Create that got no response.
    event = deleted(stack_id, body, f"{stack_id.split('/')[1]}-Workflow-1ABCDEFGHIJKL")
    code, said = plan(event)
    assert code == 0 and "no changes" in said, said


def test_the_service_catalog_roles_that_the_function_would_delete_are_told(aws, cataloguing, events, plan):
    service_catalog.by_the_solution(aws)
    aws.set_sagemaker({})
    properties = {"ServiceToken": cataloguing["ServiceToken"], "Regions": [REGION]}
    event = events("delete.json") | {
        "ResourceType": service_catalog.TYPE, "LogicalResourceId": "ServiceCatalog",
        "PhysicalResourceId": "SageMakerServiceCatalogRoles/ServiceCatalog", "ResourceProperties": properties}
    code, said = plan(event, "--deployment", CATALOGUING_APP)
    assert code == 2 and all(f"delete role `{name}`" in said for name in (service_catalog.LAUNCH, service_catalog.USE)), said
    aws.set_sagemaker({REGION: {"projects": [{"name": "churn", "status": "CreateCompleted"}]}})
    code, said = plan(event, "--deployment", CATALOGUING_APP)
    for name in (service_catalog.LAUNCH, service_catalog.USE):
        aws.delete_role(name)
    aws.set_sagemaker({})
    assert code == 1 and f"found: project `churn` (CreateCompleted) in {REGION}" in said, said


def test_what_only_the_deployment_knows_has_to_be_said(aws, stack, template, plan, function):
    body = template()
    stack_id, _ = stack(body)
    body["Resources"]["Workflow"]["Properties"]["SageMakerExecutionRoleArns"] = {"Fn::GetAtt": ["Made", "RoleArn"]}
    body["Resources"]["Made"] = {"Type": "AWS::CloudFormation::Stack"}
    name = stack_id.split("/")[1]
    code, said = plan(body, "--stack-name", name)
    assert code == 1 and "the deployed value of `Made.RoleArn` is unknown" in said and "--set" in said, said
    code, said = plan(body, "--stack-name", name, "--set", f"Made.RoleArn={local.role_arn('SageMaker-other')}")
    assert code == 2 and "put inline policy" in said, said


def test_where_it_can_not_look_it_says_so(plan, template, function):
    body = template()
    code, said = plan(body, "--stack-name", "nowhere")
    assert code == 1 and "stack `nowhere`: does not exist" in said, said
    code, said = plan(body)
    assert code == 1 and "--stack-name" in said, said
    code, said = plan(body, "--stack-name", APP, "--deployment", "elsewhere")
    assert code == 1 and "stack `elsewhere`: does not exist" in said, said
    code, said = plan(body, "--stack-name", APP, "--account", "123456789012")
    assert code == 1 and f"the credentials are for account {ACCOUNT}" in said, said
    code, said = plan(body, "--stack-name", APP, AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE")
    assert code == 1 and "cloudformation:DescribeStacks" in said, said
