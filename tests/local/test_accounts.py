"""Tests of accounts.py: each account of one ministack has its own entities, and a role may act in another account only
as trust policies and identity policies allow."""

import json
import stat
import sys
from pathlib import Path

import pytest

from launched import REGION, allow, document, refused, unique

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
from local import Local, trusting  # noqa: E402

DEV, PRODUCTION = "111111111111", "333333333333"
PATH = "/pipelines/"
ASSUME = allow("sts:AssumeRole", f"arn:aws:iam::{PRODUCTION}:role/*")
# The code of a function that responds to an event of CloudFormation with its own ARN and the roles that it sees.
BOOTSTRAP = f"""#!{sys.executable}
import json, os, urllib.request
import boto3
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as response:
        request, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
    print("asked for", event["LogicalResourceId"], flush=True)
    roles = boto3.client("iam").get_paginator("list_roles").paginate()
    data = {{"Arn": boto3.client("sts").get_caller_identity()["Arn"],
            "Roles": ",".join(sorted(role["RoleName"] for page in roles for role in page["Roles"]))}}
    repeated = {{key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}}
    answer = {{**repeated, "Status": "SUCCESS", "PhysicalResourceId": "asked", "Data": data}}
    put = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
    urllib.request.urlopen(put).close()
    urllib.request.urlopen(api + request + "/response", b"{{}}").close()
"""
APPLICATION = """
Transform: AWS::Serverless-2016-10-31
Parameters: { Endpoint: { Type: String }, Stage: { Type: String } }
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: function
      Timeout: 30
      Environment: { Variables: { AWS_ENDPOINT_URL: !Ref Endpoint } }
      Policies: [{ Statement: [{ Effect: Allow, Action: "iam:ListRoles", Resource: "*" }] }]
  Asked: { Type: "Custom::Asked", Properties: { ServiceToken: !GetAtt Function.Arn, ServiceTimeout: 60 } }
  Stored: { Type: "AWS::SSM::Parameter", Properties: { Name: /stage, Type: String, Value: !Ref Stage } }
Outputs:
  Function: { Value: !Ref Function }
  Arn: { Value: !GetAtt Asked.Arn }
  Roles: { Value: !GetAtt Asked.Roles }
"""


@pytest.fixture
def dev(server):
    endpoint, sagemaker = (f"http://localhost:{server[name]}" for name in ("GATEWAY_PORT", "SAGEMAKER_PORT"))
    return Local(endpoint, sagemaker, DEV)


@pytest.fixture
def production(dev):
    return dev.of(PRODUCTION)


def letting(principal, **condition):
    """A trust policy that allows these AWS principals."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": principal}}
    return {"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition} if condition else statement]}


@pytest.fixture
def caller(dev):
    """Makes a role of dev with these statements; returns its ARN, and the account dev as that role."""
    def make(*statements, **more):
        name = unique("caller")
        arn = dev.make_role(name, Path=PATH, **more)
        if statements:
            dev.iam.put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=document(*statements))
        return arn, dev.session_of(name)
    return make


@pytest.fixture
def target(production):
    """Makes a role of production with this trust policy and returns its ARN."""
    return lambda trust: production.make_role(unique("target"), trust)


def denied(caller, arn, **more):
    message = refused("AccessDenied", caller.assume, role=arn, **more)
    assert f"is not authorized to perform: sts:AssumeRole on resource: {arn}" in message
    return True


# --- each has its own ---

def test_a_key_of_twelve_digits_may_do_everything_in_its_account_alone(dev, production):
    name = unique("both")
    assert dev.make_role(name) == dev.role_arn(name) == f"arn:aws:iam::{DEV}:role/{name}"
    assert production.role(name) is None
    assert production.make_role(name) == f"arn:aws:iam::{PRODUCTION}:role/{name}"
    dev.delete_role(name)
    assert production.role(name) and dev.role(name) is None
    assert dev.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{DEV}:root"


def test_an_application_deployed_to_two_accounts_sees_its_own_in_each(dev, production, caller, target, tmp_path):
    bootstrap = tmp_path / "function" / "bootstrap"
    bootstrap.parent.mkdir()
    bootstrap.write_text(BOOTSTRAP)
    bootstrap.chmod(bootstrap.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "template.yaml").write_text(APPLICATION)
    deployer, as_deployer = caller(ASSUME)
    role = target(letting(deployer))
    production.iam.attach_role_policy(RoleName=role.rpartition("/")[2],
                                      PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    for one, by in ((dev, dev), (production, as_deployer.assume(role))):
        marker = one.make_role(unique("marker")).rpartition("/")[2]
        by.sam("deploy", "--template-file", str(tmp_path / "template.yaml"), "--stack-name", "application",
               "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
               "--parameter-overrides", f"Endpoint={one.endpoint}", f"Stage={one.account}")
        outputs = one.outputs("application")
        assert outputs["Arn"].startswith(f"arn:aws:sts::{one.account}:assumed-role/application-FunctionRole")
        assert marker in outputs["Roles"].split(",")
        assert set(outputs["Roles"].split(",")) == {arn.rpartition("/")[2] for arn in one.world() if ":role/" in arn}
        assert one.client("ssm").get_parameter(Name="/stage")["Parameter"]["Value"] == one.account
        assert one.log(f"/aws/lambda/{outputs['Function']}").count("asked for Asked") == 1
        assert len(one.s3.list_buckets()["Buckets"]) == 1, "that of sam, and none of the other account"
    for one in (dev, production):
        stack = one.cloudformation.describe_stacks(StackName="application")["Stacks"][0]["StackId"]
        assert f":{one.account}:" in stack and one.delete_stack(stack) == "DELETE_COMPLETE"


def test_a_role_assumed_from_another_account_deploys_there(production, caller, target, dev):
    arn, as_caller = caller(ASSUME)
    role = target(letting(arn))
    production.iam.put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="grants",
                                   PolicyDocument=document(allow(["cloudformation:*", "ssm:*"])))
    name, stored = unique("stack"), unique("stored")
    template = {"Resources": {"Stored": {"Type": "AWS::SSM::Parameter", "Properties": {
        "Name": stored, "Type": "String", "Value": {"Ref": "AWS::AccountId"}}}}}
    there = as_caller.assume(role)
    assert there.create_stack(name, template)[1] == "CREATE_COMPLETE"
    assert production.client("ssm").get_parameter(Name=stored)["Parameter"]["Value"] == PRODUCTION
    refused("ParameterNotFound", dev.client("ssm").get_parameter, Name=stored)
    refused("AccessDenied", there.client("iam").list_roles)


def test_sagemaker_has_books_for_each_account(dev, production, caller):
    for one in (dev, production):
        one.set_sagemaker({REGION: {"notebooks": {"nb": one.role_arn("notebook")}}})
        found = one.sagemaker.describe_notebook_instance(NotebookInstanceName="nb")
        assert found["RoleArn"] == one.role_arn("notebook") and f":{one.account}:" in found["NotebookInstanceArn"]
    own = allow("sagemaker:DescribeNotebookInstance", f"arn:aws:sagemaker:{REGION}:{DEV}:notebook-instance/nb")
    caller(own)[1].sagemaker.describe_notebook_instance(NotebookInstanceName="nb")
    assert dev.sagemaker_calls() == {REGION: ["DescribeNotebookInstance"] * 2}
    assert production.sagemaker_calls() == {REGION: ["DescribeNotebookInstance"]}
    dev.set_sagemaker({})
    production.sagemaker.describe_notebook_instance(NotebookInstanceName="nb")


# --- sessions ---

def test_a_session_of_a_role_needs_no_trust_and_has_the_limits_of_the_role(dev):
    name = unique("executing")
    boundary = dev.make_policy(unique("boundary"), allow("ssm:*"))
    arn = dev.make_role(name, trusting("sagemaker.amazonaws.com", StringEquals={"aws:SourceAccount": DEV}),
                        PermissionsBoundary=boundary)
    dev.iam.put_role_policy(RoleName=name, PolicyName="grants",
                            PolicyDocument=document(allow(["ssm:PutParameter", "iam:ListRoles"])))
    session = dev.session_of(name)
    assert session.client("sts").get_caller_identity()["Arn"] == f"arn:aws:sts::{DEV}:assumed-role/{name}/test"
    session.client("ssm").put_parameter(Name=unique("parameter"), Value="x", Type="String")
    refused("AccessDeniedException", session.client("ssm").describe_parameters)
    refused("AccessDenied", session.iam.list_roles)
    assert denied(dev, arn), "who may do everything is no service either"


# --- who may assume a role of another account ---

def test_both_the_identity_policy_and_the_trust_have_to_allow(caller, target):
    arn, granted = caller(ASSUME)
    other, ungranted = caller()
    assert granted.assume(target(letting(arn))).account == PRODUCTION
    assert denied(ungranted, target(letting(other))) and denied(granted, target(letting(other)))
    elsewhere = caller(allow("sts:AssumeRole", f"arn:aws:iam::{PRODUCTION}:role/other-*"))[1]
    assert denied(elsewhere, target(letting(DEV)))


@pytest.mark.parametrize("principal", [DEV, f"arn:aws:iam::{DEV}:root", "*", [PRODUCTION, DEV]])
def test_a_trusted_account_lets_in_whom_its_own_policies_allow(caller, target, principal):
    role = target(letting(principal))
    caller(ASSUME)[1].assume(role)
    assert denied(caller()[1], role)


def test_the_callers_boundary_and_an_explicit_deny_limit_it(dev, caller, target):
    role = target(letting(DEV))
    within, without = (dev.make_policy(unique("boundary"), allow(action)) for action in ("sts:*", "s3:*"))
    caller(ASSUME, PermissionsBoundary=within)[1].assume(role)
    assert denied(caller(ASSUME, PermissionsBoundary=without)[1], role)
    assert denied(caller(ASSUME, {**ASSUME, "Effect": "Deny"})[1], role)
    arn, granted = caller(ASSUME)
    trust = letting(DEV)
    trust["Statement"].append({**letting(arn)["Statement"][0], "Effect": "Deny"})
    assert denied(granted, target(trust))


@pytest.mark.parametrize("operator, own, other", [
    ("StringEquals", "{arn}", "{arn}x"),
    ("ArnEquals", "{arn}", f"arn:aws:iam::{DEV}:role/caller-*"),
    ("ArnLike", f"arn:aws:iam::{DEV}:role{PATH}*", f"arn:aws:sts::{DEV}:assumed-role/*")])
def test_principal_arn_is_the_role_under_its_path(caller, target, operator, own, other):
    arn, granted = caller(ASSUME)
    granted.assume(target(letting(DEV, **{operator: {"aws:PrincipalArn": own.format(arn=arn)}})))
    assert denied(granted, target(letting(DEV, **{operator: {"aws:PrincipalArn": other.format(arn=arn)}})))


def test_principal_arn_is_the_role_in_the_callers_own_policies_too(dev, caller):
    def listing(arn):
        return caller(allow("iam:ListRoles", ArnLike={"aws:PrincipalArn": arn}))[1].iam.list_roles
    listing(f"arn:aws:iam::{DEV}:role{PATH}*")()
    refused("AccessDenied", listing(f"arn:aws:sts::{DEV}:assumed-role/*"))


def test_principal_account_is_judged(caller, target):
    granted = caller(ASSUME)[1]
    granted.assume(target(letting("*", StringEquals={"aws:PrincipalAccount": DEV})))
    assert denied(granted, target(letting("*", StringEquals={"aws:PrincipalAccount": PRODUCTION})))


def test_the_external_id_is_judged_on_both_sides(caller, target):
    condition = {"StringEquals": {"sts:ExternalId": "rollout"}}
    arn, granted = caller(ASSUME)
    role = target(letting(arn, **condition))
    granted.assume(role, ExternalId="rollout")
    assert denied(granted, role) and denied(granted, role, ExternalId="other")
    conditioned = caller({**ASSUME, "Condition": condition})[1]
    conditioned.assume(target(letting(DEV)), ExternalId="rollout")
    assert denied(conditioned, target(letting(DEV)))


def test_in_its_own_account_a_role_that_the_trust_names_needs_no_policy(dev, caller):
    arn, ungranted = caller()
    ungranted.assume(dev.make_role(unique("target"), letting(arn)))
    assert denied(ungranted, dev.make_role(unique("target"), letting(DEV)))
    assert denied(ungranted, dev.make_role(unique("target"), letting(caller()[0])))
    bounded_arn, bounded = caller(PermissionsBoundary=dev.make_policy(unique("boundary")))
    assert denied(bounded, dev.make_role(unique("target"), letting(bounded_arn)))


def test_no_account_is_let_in_for_a_service(dev, production, target):
    role = target(trusting("states.amazonaws.com"))
    assert denied(dev, role) and denied(production, role)


# --- principals that do not exist ---

def test_a_trust_policy_names_who_exists(dev, production, caller):
    user = unique("user")
    dev.iam.create_user(UserName=user, Path="/team/")
    arn, _ = caller()
    known = [arn, f"arn:aws:iam::{DEV}:user/team/{user}", f"arn:aws:iam::{DEV}:root", "999999999999",
             "arn:aws:iam::999999999999:root"]
    name = unique("target")
    production.make_role(name, letting(known))
    for unknown in (dev.role_arn("absent"), dev.role_arn(arn.rpartition("/")[2]), dev.role_arn("*"), arn + "/",
                    arn.replace(DEV, PRODUCTION), f"arn:aws:iam::{DEV}:user/{user}", "12345", "arn:aws:iam::x:root",
                    "arn:aws:iam::999999999999:role/any", arn.replace("arn:aws:", "arn:aws-cn:")):
        message = f'Invalid principal in policy: "AWS":"{unknown}"'
        trust = json.dumps(letting([*known, unknown]))
        for call, arguments in (
                (production.iam.create_role, {"RoleName": unique("r"), "AssumeRolePolicyDocument": trust}),
                (production.iam.update_assume_role_policy, {"RoleName": name, "PolicyDocument": trust})):
            assert refused("MalformedPolicyDocument", call, **arguments) == message
    assert production.role(name)["trust"][0]["Principal"]["AWS"] == sorted(known), "it is as it was"


def test_a_stack_fails_whose_role_trusts_who_does_not_exist(production, dev):
    trust = letting(dev.role_arn("absent"))
    template = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}}}
    stack_id, status = production.create_stack(unique("stack"), template)
    assert status == "ROLLBACK_COMPLETE"
    assert any("Invalid principal in policy" in reason for reason in production.reasons(stack_id))


def test_a_trusted_role_that_was_replaced_is_let_in_only_when_it_is_named_again(dev, production, caller, target):
    arn, _ = caller(ASSUME)
    name = arn.rpartition("/")[2]
    role_id = dev.role(name)["id"]
    by_name, by_condition = target(letting([arn])), target(letting(DEV, ArnEquals={"aws:PrincipalArn": arn}))
    dev.delete_role(name)
    trust = production.iam.get_role(RoleName=by_name.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    assert trust == letting([role_id]), "AWS shows the unique id of who is gone"
    dev.make_role(name, Path=PATH)
    dev.iam.put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=document(ASSUME))
    again = dev.session_of(name)
    assert denied(again, by_name)
    again.assume(by_condition)
    update = {"RoleName": by_name.rpartition("/")[2]}
    put = production.iam.update_assume_role_policy
    refused("MalformedPolicyDocument", put, PolicyDocument=json.dumps(trust), **update)
    put(PolicyDocument=json.dumps(letting(arn)), **update)
    again.assume(by_name)
