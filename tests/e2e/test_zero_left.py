"""The end of the session (the file's name puts it last): all goes down, and nothing stays."""

import local
from conftest import ADOPTING_APP, APP, CATALOGUING_APP, NARROW_BOUNDARY
from local import REGION


def test_no_line_of_the_whole_session_holds_a_response_url(aws, app, created):
    created("last")
    stacks = aws.cloudformation.describe_stacks()["Stacks"]
    ours = [stack["StackId"] for stack in stacks if stack["StackName"] in (APP, ADOPTING_APP, CATALOGUING_APP)]
    lines = [line for stack_id in ours for line in aws.log(aws.outputs(stack_id)["LogGroupName"])]
    assert lines
    assert not any(part in line for line in lines for part in ("X-Amz-Signature", "X-Amz-Credential", "cfn-response"))


def test_after_sam_delete_the_account_is_as_it_was(aws, app, execution_role, untouched, aloud):
    stacks = {stack["StackName"]: stack["StackId"] for stack in aws.cloudformation.describe_stacks()["Stacks"]}
    for other in stacks.keys() & {ADOPTING_APP, CATALOGUING_APP}:
        assert aws.delete_stack(stacks[other]) == "DELETE_COMPLETE"
    if ADOPTING_APP in stacks:
        aws.iam.delete_policy(PolicyArn=local.policy_arn(NARROW_BOUNDARY))
    aws.delete_role(execution_role.rpartition("/")[2])
    aloud(aws.sam, "delete", "--stack-name", APP, "--no-prompts", "--region", REGION)
    assert aws.world() == untouched
