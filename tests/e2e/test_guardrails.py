"""Tests of the guardrails: the function refuses what the deployer did not allow, and IAM refuses it if the function
would not."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import local
from conftest import APP, CATALOGUING_APP
from local import ACCOUNT
from service_catalog import CONSOLE, CONSOLE_POLICY, EC2, LAUNCH, NEIGHBOURS, PATH, USE, arn

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
OTHER_BOUNDARY = local.policy_arn("their-boundary")


@pytest.mark.parametrize("property, value, named", [
    ("RoleName", "Admin", "RoleNamePrefixes"),
    ("PolicyName", "AdminPolicy", "RoleNamePrefixes"),
    ("Path", "/service-role/", "RolePaths"),
    ("PermissionsBoundary", OTHER_BOUNDARY, "PermissionsBoundaryArn"),
    ("ManagedPolicyArns", [ADMINISTRATOR], "AllowedManagedPolicyArns"),
    ("SageMakerExecutionRoleArns", [local.role_arn("Admin")], "PassableRoleArns"),
])
def test_the_function_names_the_parameter_that_stands_against_it(resource, same_world, property, value, named):
    answer = resource(**{property: value}).create()
    text = value if isinstance(value, str) else value[0]
    assert answer["Status"] == "FAILED"
    assert f"`{property}" in answer["Reason"] and f"`{text}`" in answer["Reason"]
    assert f"the deployer's `{named}`" in answer["Reason"]
    same_world()


@pytest.mark.parametrize("property, value", [
    ("TrustedServices", "events.amazonaws.com"), ("TrustedActions", "sts:TagSession")])
def test_the_function_names_the_parameter_that_has_no_such_trust(resource, same_world, property, value):
    one = resource(SageMakerExecutionRoleArns=None, **{property: [value]})
    one.resource_type = "Custom::SageMakerExecutionRole"
    answer = one.create()
    assert answer["Status"] == "FAILED"
    said = f"`{property}`: found `{value}`, which the deployer's `AllowedTrust` does not have"
    assert said in answer["Reason"], answer
    same_world()


@pytest.mark.parametrize("part, other", [
    (ACCOUNT, "210987654321"), (local.REGION, "us-west-2"), ("arn:aws:", "arn:aws-cn:")])
def test_a_stack_of_elsewhere_is_not_served(resource, same_world, part, other):
    one = resource()
    one.stack_id = one.stack_id.replace(part, other, 1)
    answer = one.create()
    assert answer["Status"] == "FAILED" and one.stack_id in answer["Reason"]
    one.stack_id = one.stack_id.replace(other, part, 1)
    same_world()


@contextmanager
def environment(aws, function, **changes):
    """Switches off some of the function's own checks: its environment allows what the policy of its role does not."""
    settings = aws.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    aws.functions.update_function_configuration(FunctionName=function, Environment={"Variables": settings | changes})
    yield
    aws.functions.update_function_configuration(FunctionName=function, Environment={"Variables": settings})


@pytest.fixture
def without_guardrails(aws, function):
    aws.make_policy("their-boundary", local.allow("*"))
    with environment(aws, function, ROLE_NAME_PREFIXES="AmazonSageMaker,Other",
                     NARROWER_PERMISSIONS_BOUNDARY_ARNS=OTHER_BOUNDARY, ALLOWED_MANAGED_POLICY_ARNS=ADMINISTRATOR,
                     PASSABLE_ROLE_ARNS="*"):
        yield
    aws.iam.delete_policy(PolicyArn=OTHER_BOUNDARY)


def test_iam_refuses_what_the_functions_own_checks_would_let_through(aws, without_guardrails, resource):
    before = aws.world()
    asked = {
        "iam:GetRole": resource(RoleName="Other-role"),
        "iam:CreateRole": resource(PermissionsBoundary=OTHER_BOUNDARY),
        "iam:AttachRolePolicy": resource(ManagedPolicyArns=[ADMINISTRATOR]),
        "iam:GetPolicy": resource(PolicyName="Other-policy"),
    }
    # The function believes a refusal only after 30 s, so these events wait at the same time.
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = dict(zip(asked, threads.map(lambda one: one.send("Create"), asked.values())))
    for call, answer in answers.items():
        assert answer["Status"] == "FAILED" and f"{call}: AccessDenied" in answer["Reason"], answer
    assert aws.world() == before


def test_iam_refuses_another_path(aws, function, resource):
    before = aws.world()
    with environment(aws, function, ROLE_PATHS="/other/"):
        answer = resource().create()
    assert answer["Status"] == "FAILED" and "AccessDenied" in answer["Reason"] and "/other/" in answer["Reason"]
    assert aws.world() == before


def test_the_boundary_keeps_a_role_from_passing_what_the_deployer_did_not_list(aws, without_guardrails, created):
    administrator = local.role_arn("Administrator")
    one = created("passing", SageMakerExecutionRoleArns=[administrator])
    grants = [statement["Resource"] for policy in one.role["inline"].values() for statement in policy]
    assert grants == [[administrator]], "the grant is there"
    decision = aws.decision(one.physical_id, "iam:PassRole", administrator,
                            iam_PassedToService="sagemaker.amazonaws.com")
    assert decision == "implicitDeny"


def test_a_boundary_that_somebody_exchanged_is_put_back(aws, without_guardrails, created):
    one = created("rebounded")
    bounded = one.role
    aws.iam.put_role_permissions_boundary(RoleName=one.physical_id, PermissionsBoundary=OTHER_BOUNDARY)
    assert one.update(Revision="2", Description="x")["Status"] == "SUCCESS"
    assert one.role == {**bounded, "description": "x"}


# --- the service-catalog roles ---

DOWN = ("iam:DeleteRole", "iam:DetachRolePolicy", "iam:DeleteRolePolicy")


@pytest.fixture
def may(aws, app, cataloguing):
    """The decision of IAM for the role of a function, on which the type is enabled or not."""
    def decide(action, resource, app=CATALOGUING_APP, **context):
        return aws.decision(aws.resource_id(app, "FunctionRole"), action, resource, **context)
    return decide


@pytest.mark.parametrize("path", ["/", PATH, "/some/where/"])
def test_iam_lets_the_function_take_down_exactly_the_eleven_at_any_path(may, path):
    for action in DOWN:
        assert {may(action, arn(name, path)) for name in CONSOLE} == {"allowed"}
        for name in (*NEIGHBOURS, f"{USE}/other", USE.lower()):
            assert may(action, arn(name, path)) == "implicitDeny", (action, name)


def test_iam_lets_the_function_mark_them_where_it_makes_them_and_describe_them_once_marked(may):
    marked = {f"aws_ResourceTag/{local.STACK_TAG}": "x"}
    for path, decision in ((PATH, "allowed"), ("/", "implicitDeny")):
        for action in ("iam:TagRole", "iam:UntagRole"):
            assert may(action, arn(USE, path)) == decision
        assert may("iam:UpdateRole", arn(USE, path), **marked) == decision
        assert may("iam:UpdateRole", arn(USE, path)) == "implicitDeny"


def test_iam_lets_the_function_delete_the_policy_of_the_console_and_not_its_own(aws, may):
    own = [aws.resource_id(CATALOGUING_APP, name) for name in ("ServiceCatalogPolicy", "ServiceCatalogProvisionPolicy")]
    for action in ("iam:DeletePolicy", "iam:DeletePolicyVersion"):
        assert may(action, CONSOLE_POLICY) == "allowed"
        assert [may(action, policy) for policy in own] == ["explicitDeny"] * 2
        for name in (f"service-role/{USE}", f"{USE}-20210603T132536", f"service-role/{LAUNCH}-20210603T132536"):
            assert may(action, local.policy_arn(name)) == "implicitDeny", (action, name)


@pytest.mark.parametrize("action, resource, context, decision", [
    ("CreateRole", arn(USE), {}, "allowed"),
    ("PutRolePolicy", arn(USE), {}, "allowed"),
    ("AttachRolePolicy", arn(USE), {"iam_PolicyARN": EC2}, "allowed"),
    ("AttachRolePolicy", arn(USE), {"iam_PolicyARN": ADMINISTRATOR}, "implicitDeny"),
    ("CreateRole", arn(USE, "/"), {}, "implicitDeny"),
    ("CreateRole", arn(NEIGHBOURS[0]), {}, "implicitDeny"),
    ("DeleteRolePermissionsBoundary", arn(USE), {}, "implicitDeny"),
    ("PassRole", arn(USE), {}, "implicitDeny"),
])
def test_iam_lets_the_function_make_them_only_inside_the_boundary(
        may, cataloguing, action, resource, context, decision):
    for boundary, expected in (({"iam_PermissionsBoundary": cataloguing["PermissionsBoundaryArn"]}, decision),
                               ({"iam_PermissionsBoundary": ADMINISTRATOR}, "implicitDeny"), ({}, "implicitDeny")):
        assert may(f"iam:{action}", resource, **context, **boundary) == expected, boundary


def test_iam_lets_a_function_without_the_type_do_nothing_to_them(may):
    asked = [(action, arn(name)) for action in DOWN for name in CONSOLE] + [("sagemaker:ListProjects", "*")]
    assert {may(action, resource, APP) for action, resource in asked} == {"implicitDeny"}
