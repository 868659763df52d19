"""Tests of invalid properties: one reason reports all errors, before anything is created."""

import tomllib

from local import RESOURCE_TYPE, ROOT


def test_every_mistake_is_listed_and_nothing_is_made(resource, same_world):
    answer = resource(SageMakerExecutionRoleArns=None, SageMakerExecutionRoleArn="x", MaxSessionDuration="soon",
                      Tags="team", AdoptExisting="perhaps", Path=["/"]).create()
    assert answer["Status"] == "FAILED"
    for expected in ("6 validation errors", "`SageMakerExecutionRoleArns`: missing",
                     "`SageMakerExecutionRoleArn`: no such property, did you mean `SageMakerExecutionRoleArns`?",
                     "`MaxSessionDuration`: found `soon`, expected a whole number of seconds from 3600 to 43200",
                     "`Tags`: found `team`, expected a list of `{Key, Value}`",
                     "`AdoptExisting`: found `perhaps`, expected `true` or `false`", "`Path`"):
        assert expected in answer["Reason"], answer["Reason"]
    same_world()


def test_a_stack_fails_at_once_and_says_why(aws, template, stack, same_world):
    stack_id, status = stack(template(RoleNmae="x"))
    assert status == "ROLLBACK_COMPLETE"
    assert any("`RoleNmae`: no such property, did you mean `RoleName`?" in reason for reason in aws.reasons(stack_id))
    same_world()


def test_an_unknown_type_is_answered_with_the_known_ones(resource, same_world):
    answer = resource().send("Create", ResourceType="Custom::StepFunctionsWorkflowRoles")
    assert answer["Status"] == "FAILED" and f"did you mean `{RESOURCE_TYPE}`?" in answer["Reason"]
    same_world()


def test_an_answer_never_grows_over_what_cloudformation_takes(resource, same_world):
    odd = {f"Unknown{'é' * 40}{number}": "x" for number in range(100)}
    answer = resource(**odd).create()
    assert answer["Status"] == "FAILED" and answer["Reason"].endswith("…")
    same_world()


def test_a_panic_unwinds_in_what_is_deployed_so_that_it_can_be_answered():
    """cargo-lambda builds with `panic = "abort"` unless the release profile sets `panic`."""
    profile = tomllib.loads((ROOT / "Cargo.toml").read_text())["profile"]["release"]
    assert profile.get("panic") == "unwind"
