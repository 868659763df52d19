"""Tests of roles that others created: they are left alone, or adopted and released."""

import json

import pytest

import local
from local import ADOPTED_TAG, GRANT, allow, document, unique

EVENTS_ACCESS = "arn:aws:iam::aws:policy/CloudWatchEventsFullAccess"


@pytest.fixture
def hand_made(aws):
    """Makes a workflow role as the console guide does, and returns its name."""
    made = []

    def make(**more):
        name = unique("hand-made")
        aws.make_role(name, local.trusting("states.amazonaws.com"), Tags=[{"Key": "by", "Value": "hand"}], **more)
        aws.iam.attach_role_policy(RoleName=name, PolicyArn=EVENTS_ACCESS)
        by_hand = json.dumps(document(allow("s3:GetObject", "arn:aws:s3:::data/*")))
        aws.iam.put_role_policy(RoleName=name, PolicyName="by-hand", PolicyDocument=by_hand)
        made.append(name)
        return name
    yield make
    for name in made:
        aws.delete_role(name)


def test_a_foreign_role_of_the_same_name_is_left_alone_by_create_and_by_the_delete_after_it(
        aws, resource, hand_made):
    name = hand_made()
    before = aws.world()
    one = resource(RoleName=name)
    answer = one.create()
    assert answer["Status"] == "FAILED"
    assert name in answer["Reason"] and "`AdoptExisting: true`" in answer["Reason"]
    assert aws.world() == before
    assert one.delete()["Status"] == "SUCCESS"
    assert aws.world() == before


def test_adoption_is_refused_where_the_deployer_has_not_allowed_it(aws, resource, hand_made):
    name = hand_made()
    before = aws.world()
    answer = resource(RoleName=name, AdoptExisting="true").create()
    assert answer["Status"] == "FAILED" and "`AllowAdoption`" in answer["Reason"]
    assert aws.world() == before


def test_an_adopted_role_keeps_what_others_gave_it_and_is_given_back_as_it_was(aws, adopting, created, hand_made):
    name = hand_made()
    before = aws.role(name)
    one = created(of=adopting, RoleName=name, AdoptExisting="true")
    during = one.role
    assert during["id"] == before["id"]
    assert during["attached"] == {EVENTS_ACCESS, one.policy_arn}
    assert during["inline"].keys() == {"by-hand", GRANT}
    assert during["boundary"] and during["tags"][ADOPTED_TAG] and during["tags"]["by"] == "hand"

    assert one.update(Revision="2")["Status"] == "SUCCESS"
    assert one.role == during
    assert one.delete()["Status"] == "SUCCESS"
    after = one.role
    # Trust policy and boundary stay as the resource set them. The log has the trust policy from before.
    assert {**after, "trust": []} == {**before, "trust": [], "boundary": during["boundary"]}
    assert aws.policy(one.policy_arn) is None


def test_an_adopted_role_keeps_the_boundary_that_it_had(aws, adopting, created, hand_made):
    boundary = aws.outputs("mlops-roles-adopting")["PermissionsBoundaryArn"]
    name = hand_made(PermissionsBoundary=boundary)
    one = created(of=adopting, RoleName=name, AdoptExisting="true")
    assert one.delete()["Status"] == "SUCCESS"
    assert one.role["boundary"] == boundary and one.role["tags"] == {"by": "hand"}


def test_a_role_that_a_stack_holds_is_not_adopted(aws, adopting, resource, stack):
    name = unique("held")
    held = {"Type": "AWS::IAM::Role", "Properties": {
        "RoleName": name, "AssumeRolePolicyDocument": local.trusting("states.amazonaws.com")}}
    stack_id, _ = stack({"Resources": {"Held": held, "Queue": {"Type": "AWS::SQS::Queue"}}})
    before = aws.world()
    answer = resource(of=adopting, RoleName=name, AdoptExisting="true").create()
    assert answer["Status"] == "FAILED" and stack_id in answer["Reason"], answer
    assert aws.world() == before


def test_a_role_that_another_stack_released_is_taken_over_from_it_by_name(aws, adopting, created, resource):
    first = created(of=adopting)
    second = resource(of=adopting, RoleName=first.physical_id, AdoptFrom=first.stack_id)
    assert second.create()["Status"] == "SUCCESS"
    assert second.role["tags"][local.STACK_TAG] == second.stack_id
    # The Delete of the first resource finds nothing that it owns.
    during = second.role
    assert first.delete()["Status"] == "SUCCESS" and second.role == during
    assert second.delete()["Status"] == "SUCCESS"
    aws.delete_role(first.physical_id)
    if aws.policy(first.policy_arn):
        aws.iam.delete_policy(PolicyArn=first.policy_arn)
