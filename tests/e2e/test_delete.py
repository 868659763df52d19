"""Tests of Delete: it follows the ownership tags, deletes everything that the resource manages, and nothing else."""

import json

from local import allow, document, unique


def test_a_delete_takes_off_what_others_hung_on_the_role_and_leaves_it_to_them(aws, created):
    one, profile = created(), unique("profile")
    theirs = aws.make_policy(unique("theirs"))
    inline = json.dumps(document(allow("s3:*")))
    aws.iam.attach_role_policy(RoleName=one.physical_id, PolicyArn=theirs)
    aws.iam.put_role_policy(RoleName=one.physical_id, PolicyName="more", PolicyDocument=inline)
    aws.iam.create_instance_profile(InstanceProfileName=profile)
    aws.iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=one.physical_id)

    assert one.delete()["Status"] == "SUCCESS"
    assert one.role is None and aws.policy(one.policy_arn) is None
    assert aws.policy(theirs) is not None
    assert aws.iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"] == []
    aws.iam.delete_policy(PolicyArn=theirs)
    aws.iam.delete_instance_profile(InstanceProfileName=profile)


def test_a_delete_is_refused_while_others_use_our_policy(aws, created):
    one, other = created(), "somebody-elses"
    aws.make_role(other)
    aws.iam.attach_role_policy(RoleName=other, PolicyArn=one.policy_arn)
    before = aws.world()
    answer = one.delete()
    assert answer["Status"] == "FAILED" and f"role {other}" in answer["Reason"], answer
    assert aws.world() == before

    aws.iam.detach_role_policy(RoleName=other, PolicyArn=one.policy_arn)
    assert one.delete()["Status"] == "SUCCESS"
    assert one.role is None and aws.policy(one.policy_arn) is None
    aws.delete_role(other)


def test_a_policy_that_serves_as_a_boundary_elsewhere_is_in_use_too(aws, created):
    one, other = created(), "bounded-by-ours"
    aws.make_role(other, PermissionsBoundary=one.policy_arn)
    answer = one.delete()
    assert answer["Status"] == "FAILED" and f"role {other}" in answer["Reason"], answer
    aws.delete_role(other)
    assert one.delete()["Status"] == "SUCCESS"


def test_deleting_twice_and_deleting_what_never_was_both_succeed(aws, created, resource, same_world):
    one = created()
    assert one.delete()["Status"] == one.delete()["Status"] == "SUCCESS"
    never = resource()
    assert never.delete(never.properties["RoleName"])["Status"] == "SUCCESS"
    same_world()


def test_a_delete_finds_the_role_under_an_id_that_cloudformation_invented(aws, created):
    one = created()
    other = created()
    assert one.delete("direct-Workflow-1ABCDEFGHIJKL")["PhysicalResourceId"] == "direct-Workflow-1ABCDEFGHIJKL"
    assert one.role is None and other.role is not None


def test_a_delete_under_an_invented_id_finds_a_derived_name_too(aws, created):
    one = created(RoleName=None)
    assert one.delete("direct-Workflow-1ABCDEFGHIJKL")["Status"] == "SUCCESS"
    assert one.role is None and aws.policy(one.policy_arn) is None


def test_a_delete_takes_properties_of_any_shape(aws, created):
    one = created()
    odd = {"ServiceToken": one.function, "RoleName": one.physical_id, "Tags": "none", "Surprise": {"a": []}}
    assert one.delete(ResourceProperties=odd)["Status"] == "SUCCESS"
    assert one.role is None and aws.policy(one.policy_arn) is None


def test_a_delete_of_another_accounts_stack_does_nothing(aws, created):
    one = created()
    before = one.role
    elsewhere = one.stack_id.replace("000000000000", "210987654321")
    assert one.delete(StackId=elsewhere)["Status"] == "SUCCESS"
    assert one.role == before
