"""Tests of a new role name: the new role exists before the old one is deleted."""

import pytest

import local
from local import unique


def physical_id(aws, stack_id):
    detail = aws.cloudformation.describe_stack_resource(StackName=stack_id, LogicalResourceId="Workflow")
    return detail["StackResourceDetail"]["PhysicalResourceId"]


@pytest.fixture
def two_names():
    """The names of a role and its policy, before and after the replacement."""
    return [{"RoleName": unique(f"{when}-role"), "PolicyName": unique(f"{when}-policy")} for when in ("old", "new")]


def there(aws, names):
    return aws.role(names["RoleName"]) is not None, aws.policy(local.policy_arn(names["PolicyName"])) is not None


def test_after_the_update_the_new_role_is_there_and_the_old_one_is_gone(aws, template, stack, two_names):
    old, new = two_names
    stack_id, _ = stack(template(**old))
    assert there(aws, old) == (True, True)
    assert aws.update_stack(stack_id, template(**new)) == "UPDATE_COMPLETE", aws.reasons(stack_id)
    assert there(aws, new) == (True, True) and there(aws, old) == (False, False)
    assert physical_id(aws, stack_id) == new["RoleName"]
    assert aws.role(new["RoleName"])["attached"] == {local.policy_arn(new["PolicyName"])}


def test_old_and_new_stand_side_by_side_until_the_delete_comes(aws, created):
    one = created(RoleName=(old := unique("old")))
    properties = dict(one.properties)
    assert one.update(RoleName=(new := unique("new")))["Status"] == "SUCCESS"
    assert one.physical_id == new and aws.role(old) and aws.role(new)
    assert one.delete(old, ResourceProperties=properties)["Status"] == "SUCCESS"
    assert aws.role(old) is None and aws.role(new)["attached"] == {local.policy_arn(f"{new}-Policy")}


def test_a_new_role_name_is_refused_while_the_policy_name_stays(aws, template, stack, two_names):
    old, new = two_names
    stack_id, _ = stack(template(**old))
    before = aws.world()
    stays = {**new, "PolicyName": old["PolicyName"]}
    assert aws.update_stack(stack_id, template(**stays)) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("give `PolicyName` a new value too" in reason for reason in aws.reasons(stack_id))
    assert physical_id(aws, stack_id) == old["RoleName"] and aws.world() == before


def test_a_replacement_by_somebody_elses_name_leaves_the_old_role_alone(aws, template, stack, two_names):
    old, new = two_names
    stack_id, _ = stack(template(**old))
    aws.make_role(new["RoleName"])
    before = aws.world()
    try:
        assert aws.update_stack(stack_id, template(**new)) == "UPDATE_ROLLBACK_COMPLETE"
        assert any(new["RoleName"] in reason and "AdoptExisting" in reason for reason in aws.reasons(stack_id))
        assert physical_id(aws, stack_id) == old["RoleName"] and aws.world() == before
    finally:
        aws.delete_role(new["RoleName"])


def test_a_replacement_is_undone_when_another_resource_of_the_stack_fails(aws, template, stack, two_names, broken):
    old, new = two_names
    stack_id, _ = stack(template(**old))
    before = aws.world()
    assert aws.update_stack(stack_id, template({"Broken": broken}, **new)) == "UPDATE_ROLLBACK_COMPLETE"
    assert physical_id(aws, stack_id) == old["RoleName"] and aws.world() == before


def test_a_stack_whose_other_resource_fails_leaves_nothing(aws, template, stack, broken, same_world):
    stack_id, status = stack(template({"Broken": broken}))
    assert status == "ROLLBACK_COMPLETE"
    assert any("NoSuchProperty" in reason for reason in aws.reasons(stack_id))
    same_world()
