"""The workflow role by crhelper and boto3, one call after the other."""

import os

import boto3
from crhelper import CfnResource

from role import WorkflowRole, attributes, gone, listed

# By default crhelper waits two minutes before it answers a Delete.
helper = CfnResource(log_level="WARNING", sleep_on_delete=0)
try:
    iam = boto3.client("iam", region_name=os.environ["AWS_REGION"])
except Exception as error:
    # crhelper answers with it, where Lambda would leave the stack waiting.
    helper.init_failure(error)


def handler(event, context):
    helper(event, context)


@helper.create
def create(event, _context):
    wanted = WorkflowRole(event)
    policy = iam.create_policy(**wanted.create_policy())
    role = iam.create_role(**wanted.create_role())
    iam.attach_role_policy(**wanted.attach_role_policy())
    iam.put_role_policy(**wanted.put_role_policy())
    helper.Data.update(attributes(role, policy))
    return wanted.name


@helper.update
def update(_event, _context):
    # Without a function crhelper answers SUCCESS, though nothing was done.
    raise NotImplementedError("the role can be made and deleted, not changed")


@helper.delete
def delete(event, _context):
    role = WorkflowRole(event)
    for policy in listed(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=role.name):
        gone(iam.detach_role_policy, RoleName=role.name, PolicyArn=policy["PolicyArn"])
    for name in listed(iam, "list_role_policies", "PolicyNames", RoleName=role.name):
        gone(iam.delete_role_policy, RoleName=role.name, PolicyName=name)
    gone(iam.delete_role, RoleName=role.name)
    for version in listed(iam, "list_policy_versions", "Versions", PolicyArn=role.policy_arn):
        if not version["IsDefaultVersion"]:
            gone(iam.delete_policy_version, PolicyArn=role.policy_arn, VersionId=version["VersionId"])
    gone(iam.delete_policy, PolicyArn=role.policy_arn)
    return role.name
