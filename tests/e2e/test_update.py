"""Tests of updates in place, and of drift that is repaired."""

import json

import pytest

import local
from local import GRANT, LOGICAL_TAG, STACK_TAG, allow, document, unique
from test_provision import grant, guide_policy, trust


def ok(answer):
    assert answer["Status"] == "SUCCESS", answer
    return answer


def test_an_update_changes_the_details_and_leaves_the_role_itself(aws, created):
    one = created(Tags=[{"Key": "team", "Value": "a"}, {"Key": "old", "Value": "x"}])
    before = one.role
    answer = ok(one.update(Tags=[{"Key": "team", "Value": "b"}], Description="new", MaxSessionDuration="7200"))
    tags = {STACK_TAG: one.stack_id, LOGICAL_TAG: one.logical_id, "team": "b"}
    assert one.role == {**before, "tags": tags, "description": "new", "session": 7200}
    assert aws.policy(one.policy_arn)["tags"] == tags
    assert answer["Data"]["RoleId"] == before["id"]


def test_an_update_narrows_the_trust_to_the_named_state_machine(created):
    one = created()
    before = one.role
    ok(one.update(StateMachineName="churn"))
    assert one.role == {**before, "trust": trust("churn*")}
    ok(one.update(StateMachineName=None))
    assert one.role == before


def test_an_update_passes_another_execution_role_and_no_longer_the_first(aws, created, execution_role):
    one, other = created(), local.role_arn("other-SageMaker-execution")
    ok(one.update(SageMakerExecutionRoleArns=[other]))
    assert one.role["inline"] == {GRANT: grant(other)}
    ok(one.update(SageMakerExecutionRoleArns=[other, execution_role]))
    assert one.role["inline"] == {GRANT: grant(other, execution_role)}


def test_an_update_renames_the_policies_and_leaves_no_old_one(aws, created):
    one = created()
    old, new = one.policy_arn, local.policy_arn(name := unique("renamed"))
    answer = ok(one.update(PolicyName=name, PassRolePolicyName="PassOn"))
    assert answer["Data"]["PolicyArn"] == new
    assert one.role["attached"] == {new} and one.role["inline"].keys() == {"PassOn"}
    assert aws.policy(new)["statements"] == guide_policy() and aws.policy(old) is None


def test_an_update_without_a_change_changes_nothing(aws, created):
    one = created()
    before = aws.world()
    ok(one.update())
    assert aws.world() == before


def test_a_stack_update_goes_through_and_a_failed_one_goes_back(aws, template, stack, broken):
    stack_id, status = stack(template())
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    name = aws.cloudformation.describe_stack_resource(
        StackName=stack_id, LogicalResourceId="Workflow")["StackResourceDetail"]["PhysicalResourceId"]
    assert aws.update_stack(stack_id, template(Description="second")) == "UPDATE_COMPLETE"
    second = aws.role(name)
    assert second["description"] == "second"
    assert aws.update_stack(stack_id, template({"Broken": broken}, Description="third")) == "UPDATE_ROLLBACK_COMPLETE"
    assert aws.role(name) == second


# --- drift: a change of `Revision` repairs what a person did by hand ---

def trust_another_service(aws, one):
    other = json.dumps(local.trusting("ec2.amazonaws.com"))
    aws.iam.update_assume_role_policy(RoleName=one.physical_id, PolicyDocument=other)


def drop_the_trusts_conditions(aws, one):
    bare = json.dumps(local.trusting("states.amazonaws.com"))
    aws.iam.update_assume_role_policy(RoleName=one.physical_id, PolicyDocument=bare)


def add_inline(aws, one):
    everything = json.dumps(document(allow("s3:*")))
    aws.iam.put_role_policy(RoleName=one.physical_id, PolicyName="more", PolicyDocument=everything)


def edit_inline(aws, one):
    aws.iam.put_role_policy(RoleName=one.physical_id, PolicyName=GRANT,
                            PolicyDocument=json.dumps(document(allow("iam:PassRole"))))


def attach_another(aws, one):
    aws.iam.attach_role_policy(RoleName=one.physical_id, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")


def detach(aws, one):
    aws.iam.detach_role_policy(RoleName=one.physical_id, PolicyArn=one.policy_arn)


def edit_policy(aws, one):
    aws.iam.create_policy_version(PolicyArn=one.policy_arn, SetAsDefault=True,
                                  PolicyDocument=json.dumps(document(allow("*"))))


def remove_boundary(aws, one):
    aws.iam.delete_role_permissions_boundary(RoleName=one.physical_id)


def delete_policy(aws, one):
    detach(aws, one)
    aws.iam.delete_policy(PolicyArn=one.policy_arn)


DRIFTS = [trust_another_service, drop_the_trusts_conditions, add_inline, edit_inline, attach_another, detach,
          edit_policy, remove_boundary]


@pytest.mark.parametrize("drifts", [*([drift] for drift in DRIFTS), [delete_policy], DRIFTS],
                         ids=lambda drifts: drifts[0].__name__ if len(drifts) == 1 else "all_at_once")
def test_a_new_revision_puts_drift_right(aws, created, drifts):
    one = created()
    before = aws.world()
    for drift in drifts:
        drift(aws, one)
    assert aws.world() != before
    ok(one.update(Revision="2"))
    assert aws.world() == before


def test_a_role_that_somebody_deleted_is_made_again(aws, created):
    one = created()
    before = one.role
    aws.delete_role(one.physical_id)
    ok(one.update(Revision="2"))
    assert {**one.role, "id": ""} == {**before, "id": ""}
    assert aws.policy(one.policy_arn)["statements"] == guide_policy()
