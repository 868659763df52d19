"""Tests of `VerifyEvents`: every operation of CloudFormation succeeds, and forged events are refused."""

import pytest

import local
from local import RESOURCE_TYPE, unique
from test_guardrails import environment


@pytest.fixture(autouse=True)
def verifying(aws, function):
    """Switches `VerifyEvents` on. Tests use this fixture first, so that their stacks are deleted before it ends."""
    with environment(aws, function, VERIFY_EVENTS="true"):
        yield


@pytest.fixture
def names():
    return {part: unique(f"{part}-verified") for part in ("own", "new", "second")}


@pytest.fixture
def standing(aws, names):
    """The roles that exist, each with its description and whether its policy exists too."""
    def look():
        roles = {part: aws.role(name) for part, name in names.items()}
        return {part: (role["description"], aws.policy(local.policy_arn(f"{names[part]}-Policy")) is not None)
                for part, role in roles.items() if role}
    return look


@pytest.fixture
def described(template, names, broken, function, execution_role):
    """Makes a template whose `Workflow` has one of these names, with more properties and other resources."""
    others = {"Broken": broken, "Second": {"Type": RESOURCE_TYPE, "Properties": {
        "ServiceToken": function, "ServiceTimeout": 60, "SettleSeconds": 0, "RoleName": names["second"],
        "SageMakerExecutionRoleArns": [execution_role]}}}

    def make(part="own", *beside, **properties):
        return template({name: others[name] for name in beside}, RoleName=names[part], **properties)
    return make


@pytest.fixture
def made(aws, stack, described):
    stack_id, status = stack(described("own", "Second", Description="1"))
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    return stack_id


OWN, NEW, SECOND = {"own": ("1", True)}, {"new": ("1", True)}, {"second": ("", True)}
DONE, UNDONE = "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"
UPDATES = {
    "in_place": (DONE, ["own", "Second"], {"Description": "2"}, {"own": ("2", True), **SECOND}),
    "that_fails": (UNDONE, ["own", "Second"], {"Description": "2", "SettleSeconds": "soon"}, {**OWN, **SECOND}),
    "that_another_fails": (UNDONE, ["own", "Second", "Broken"], {"Description": "2"}, {**OWN, **SECOND}),
    "that_replaces": (DONE, ["new", "Second"], {"Description": "1"}, {**NEW, **SECOND}),
    "that_replaces_while_another_fails": (UNDONE, ["new", "Second", "Broken"], {}, {**OWN, **SECOND}),
    "that_takes_one_out": (DONE, ["own"], {"Description": "1"}, OWN),
}


@pytest.mark.parametrize("status, parts, properties, left", UPDATES.values(), ids=UPDATES)
def test_a_stack_is_created_updated_and_deleted(
        aws, made, described, standing, status, parts, properties, left):
    assert standing() == {**OWN, **SECOND}
    assert aws.update_stack(made, described(*parts, **properties)) == status, aws.reasons(made)
    assert standing() == left, aws.reasons(made)
    assert aws.delete_stack(made) == "DELETE_COMPLETE", aws.reasons(made)
    assert standing() == {}


@pytest.mark.parametrize("parts, properties", [(["own"], {"SettleSeconds": "soon"}), (["own", "Second", "Broken"], {})],
                         ids=["by_itself", "by_another"])
def test_a_create_that_fails_leaves_nothing(aws, stack, described, same_world, parts, properties):
    stack_id, status = stack(described(*parts, **properties))
    assert status == "ROLLBACK_COMPLETE"
    assert not any("the event is stale" in reason for reason in aws.reasons(stack_id))
    same_world()


def test_a_delete_that_failed_goes_through_the_second_time(aws, made, names, standing):
    other, policy_arn = unique("other"), local.policy_arn(f"{names['own']}-Policy")
    aws.make_role(other)
    aws.iam.attach_role_policy(RoleName=other, PolicyArn=policy_arn)
    assert aws.delete_stack(made) == "DELETE_FAILED" and standing() == OWN
    assert any(f"role {other}" in reason for reason in aws.reasons(made))
    aws.iam.detach_role_policy(RoleName=other, PolicyArn=policy_arn)
    aws.delete_role(other)
    assert aws.delete_stack(made) == "DELETE_COMPLETE" and standing() == {}


# --- what CloudFormation did not send ---

STATES = {
    "updated": ("UPDATE_COMPLETE", ["own", "Second"], {"Description": "2"}),
    "replaced": ("UPDATE_COMPLETE", ["new", "Second"], {}),
    "without_it": ("UPDATE_COMPLETE", ["own"], {"Description": "1"}),
    "whose_update_was_rolled_back": ("UPDATE_ROLLBACK_COMPLETE", ["new", "Second", "Broken"], {}),
    "deleted": ("DELETE_COMPLETE", [], {}),
}


@pytest.mark.parametrize("status, parts, properties", STATES.values(), ids=STATES)
def test_for_a_stack_that_cloudformation_is_done_with_nothing_is_made_changed_or_deleted(
        aws, made, described, resource, names, status, parts, properties):
    assert status == (aws.update_stack(made, described(*parts, **properties)) if parts else aws.delete_stack(made))
    before = aws.world()
    forger = resource(Description="forged")
    forger.stack_id = made
    for forger.logical_id in ("Workflow", "Second", "Absent"):
        for name in (*names.values(), "stack-Workflow-1ABCDEFGHIJKL"):
            forger.properties["RoleName"] = name if name in names.values() else names["own"]
            for answer in (forger.send("Create"), forger.delete(name),
                           forger.send("Update", PhysicalResourceId=name, OldResourceProperties={})):
                assert answer["Status"] == "FAILED" and "the event is stale: " in answer["Reason"], answer
    assert aws.world() == before
