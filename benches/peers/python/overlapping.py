"""The workflow role by crhelper and boto3, with all calls at once that do not wait for each other."""

import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

import boto3
from crhelper import CfnResource

from role import WorkflowRole, attributes, gone, listed

# By default crhelper waits two minutes before it answers a Delete.
helper = CfnResource(log_level="WARNING", sleep_on_delete=0)
# As many as the client keeps connections open.
pool = ThreadPoolExecutor(max_workers=10)
try:
    iam = boto3.client("iam", region_name=os.environ["AWS_REGION"])
except Exception as error:
    # crhelper answers with it, where Lambda would leave the stack waiting.
    helper.init_failure(error)


def handler(event, context):
    helper(event, context)


def together(*calls):
    """Waits for all, those that outlive an error too: none may still run when the answer goes out."""
    futures = [pool.submit(call) for call in calls]
    wait(futures)
    return [future.result() for future in futures]


@helper.create
def create(event, _context):
    wanted = WorkflowRole(event)
    role, policy = together(
        partial(iam.create_role, **wanted.create_role()),
        partial(iam.create_policy, **wanted.create_policy()),
    )
    together(
        partial(iam.attach_role_policy, **wanted.attach_role_policy()),
        partial(iam.put_role_policy, **wanted.put_role_policy()),
    )
    helper.Data.update(attributes(role, policy))
    return wanted.name


@helper.update
def update(_event, _context):
    # Without a function crhelper answers SUCCESS, though nothing was done.
    raise NotImplementedError("the role can be made and deleted, not changed")


@helper.delete
def delete(event, _context):
    role = WorkflowRole(event)
    of_role, of_policy = {"RoleName": role.name}, {"PolicyArn": role.policy_arn}
    attached, inline, versions = together(
        partial(listed, iam, "list_attached_role_policies", "AttachedPolicies", **of_role),
        partial(listed, iam, "list_role_policies", "PolicyNames", **of_role),
        partial(listed, iam, "list_policy_versions", "Versions", **of_policy),
    )
    together(
        *(partial(gone, iam.detach_role_policy, **of_role, PolicyArn=one["PolicyArn"]) for one in attached),
        *(partial(gone, iam.delete_role_policy, **of_role, PolicyName=name) for name in inline),
        *(
            partial(gone, iam.delete_policy_version, **of_policy, VersionId=version["VersionId"])
            for version in versions
            if not version["IsDefaultVersion"]
        ),
    )
    together(partial(gone, iam.delete_role, **of_role), partial(gone, iam.delete_policy, **of_policy))
    return role.name
