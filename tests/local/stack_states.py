"""Lets a stack report what AWS reports while CloudFormation processes one of its resources; the launcher applies it.

ministack 1.5.33 registers a resource once it is created and forgets it once it is deleted. The events of the stack say
more. The file corrects ministack in three places:

- DescribeStackResource follows these events.
- The cleanup after an update is a state of the stack, and has events.
- When a replacement is rolled back, an event says that the stack has the old resource again.
"""

from types import FunctionType

from ministack.services import cloudformation
from ministack.services.cloudformation import handlers, stacks

CLEANUP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
NOT_MADE = {"DELETE_COMPLETE", "DELETE_SKIPPED", "CREATE_FAILED"}


def as_told(stack):
    """The resources of the stack, each with the state of its latest event. The deletion of a replaced resource does not
    count as a state of the new one."""
    told = {}
    for event in cloudformation._stack_events.get(stack["StackId"], []):
        logical_id, physical_id, status = (event[key] for key in (
            "LogicalResourceId", "PhysicalResourceId", "ResourceStatus"))
        before = told.get(logical_id, {"ResourceStatus": "DELETE_COMPLETE", "PhysicalResourceId": ""})
        is_made, held = before["ResourceStatus"] not in NOT_MADE, before["PhysicalResourceId"]
        if physical_id == stack["StackId"] or status.startswith("DELETE_") and physical_id != held:
            continue
        if not is_made or before["ResourceStatus"] == "CREATE_IN_PROGRESS":
            status = status.replace("UPDATE_", "CREATE_")  # ministack names it after the operation of the stack
        told[logical_id] = {**stack["_resources"].get(logical_id, {}), **event, "ResourceStatus": status,
                            "PhysicalResourceId": physical_id or (held if is_made else "")}
    return told


def mend_descriptions():
    resolve = handlers._resolve_stack

    def resolve_as_told(name):
        stack = resolve(name)
        return stack and {**stack, "_resources": as_told(stack)}

    # Only DescribeStackResource sees the stack like this: the rest of ministack follows its own records.
    cloudformation._ACTION_HANDLERS["DescribeStackResource"] = FunctionType(
        handlers._describe_stack_resource.__code__, {**vars(handlers), "_resolve_stack": resolve_as_told})


def mend_cleanup():
    resolve_outputs, delete = stacks._resolve_stack_outputs, stacks._delete_resource
    roll_back = stacks._roll_back_operation

    def resolve_outputs_and_begin(*arguments):
        """An update is complete once its outputs are known. Then the cleanup begins."""
        outputs = resolve_outputs(*arguments)
        stack = cloudformation._stacks[arguments[-2]]
        if stack["StackStatus"] == "UPDATE_IN_PROGRESS":
            stack["StackStatus"] = CLEANUP
            stacks._add_event(stack["StackId"], stack["StackName"], stack["StackName"], "AWS::CloudFormation::Stack",
                              CLEANUP, physical_id=stack["StackId"])
        return outputs

    def delete_with_events(resource_type, physical_id, properties, stack_name, logical_id):
        stack = cloudformation._stacks[stack_name]

        def tell(status):
            if stack["StackStatus"] == CLEANUP:  # ministack itself adds the events of other deletions
                stacks._add_event(stack["StackId"], stack_name, logical_id, resource_type, status,
                                  physical_id=physical_id)
        tell("DELETE_IN_PROGRESS")
        delete(resource_type, physical_id, properties, stack_name, logical_id)
        tell("DELETE_COMPLETE")

    async def roll_back_replacements(stack_name, stack_id, stack, operation, **more):
        for logical_id in operation["replaced_ids"]:
            old = operation["previous_stack"]["_resources"][logical_id]
            stacks._add_event(stack_id, stack_name, logical_id, old["ResourceType"], "UPDATE_COMPLETE",
                              physical_id=old["PhysicalResourceId"])
        await roll_back(stack_name, stack_id, stack, operation, **more)

    stacks._resolve_stack_outputs = resolve_outputs_and_begin
    stacks._delete_resource = delete_with_events
    stacks._roll_back_operation = handlers._roll_back_operation = roll_back_replacements


def mend():
    mend_descriptions()
    mend_cleanup()
