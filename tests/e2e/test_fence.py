"""What the deployer did not allow: refused by the function, and by IAM where the function would let it through."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import local
from local import ACCOUNT

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
OTHER_BOUNDARY = local.policy_arn("their-boundary")


@pytest.mark.parametrize("property, value, named", [
    ("RoleName", "Admin", "RoleNamePrefixes"),
    ("PolicyName", "AdminPolicy", "RoleNamePrefixes"),
    ("Path", "/service-role/", "RolePath"),
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


@pytest.mark.parametrize("part, other", [
    (ACCOUNT, "210987654321"), (local.REGION, "us-west-2"), ("arn:aws:", "arn:aws-cn:")])
def test_a_stack_of_elsewhere_is_not_served(resource, same_world, part, other):
    one = resource()
    one.stack_id = one.stack_id.replace(part, other, 1)
    answer = one.create()
    assert answer["Status"] == "FAILED" and one.stack_id in answer["Reason"]
    one.stack_id = one.stack_id.replace(other, part, 1)
    same_world()


@pytest.fixture
def unfenced(aws, function):
    """The function without its own checks: its environment allows what the policy of its role does not."""
    settings = aws.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    loose = {**settings, "ROLE_NAME_PREFIXES": f"{settings['ROLE_NAME_PREFIXES']},Other",
             "NARROWER_PERMISSIONS_BOUNDARY_ARNS": OTHER_BOUNDARY, "ALLOWED_MANAGED_POLICY_ARNS": ADMINISTRATOR,
             "PASSABLE_ROLE_ARNS": "*"}
    aws.make_policy("their-boundary", local.allow("*"))
    aws.functions.update_function_configuration(FunctionName=function, Environment={"Variables": loose})
    yield
    aws.functions.update_function_configuration(FunctionName=function, Environment={"Variables": settings})
    aws.iam.delete_policy(PolicyArn=OTHER_BOUNDARY)


def test_iam_refuses_what_the_functions_own_checks_would_let_through(aws, unfenced, resource):
    before = aws.world()
    asked = {
        "iam:GetRole": resource(RoleName="Other-role"),
        "iam:CreateRole": resource(PermissionsBoundary=OTHER_BOUNDARY),
        "iam:AttachRolePolicy": resource(ManagedPolicyArns=[ADMINISTRATOR]),
        "iam:GetPolicy": resource(PolicyName="Other-policy"),
    }
    # A refusal is put down to IAM's lag for 30 s, so they wait side by side.
    with ThreadPoolExecutor(len(asked)) as threads:
        answers = dict(zip(asked, threads.map(lambda one: one.send("Create"), asked.values())))
    for call, answer in answers.items():
        assert answer["Status"] == "FAILED" and f"{call}: AccessDenied" in answer["Reason"], answer
    assert aws.world() == before


def test_a_boundary_that_somebody_exchanged_is_put_back(aws, unfenced, created):
    one = created("rebounded")
    fenced = one.role
    aws.iam.put_role_permissions_boundary(RoleName=one.physical_id, PermissionsBoundary=OTHER_BOUNDARY)
    assert one.update(Revision="2", Description="x")["Status"] == "SUCCESS"
    assert one.role == {**fenced, "description": "x"}
