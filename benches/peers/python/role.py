"""What is asked of IAM for the workflow role, and what both handlers do with the answers."""

import json
import os

from botocore.exceptions import ClientError

PASS_ROLE_POLICY_NAME = "AssumeRoleSMforStepFunctionPolicy"

with open(os.path.join(os.path.dirname(__file__), "guide.json"), encoding="utf-8") as file:
    GUIDE = json.load(file)


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


class WorkflowRole:
    """Role and policy of a resource. Their names follow from its properties, so that a Delete needs nothing else."""

    def __init__(self, event):
        properties = event["ResourceProperties"]
        _, self.partition, _, self.region, self.account, _ = event["StackId"].split(":", 5)
        self.name = properties["RoleName"]
        self.policy_name = f"{self.name}-Policy"
        self.policy_arn = f"arn:{self.partition}:iam::{self.account}:policy/{self.policy_name}"
        self.passed = properties.get("SageMakerExecutionRoleArns")
        self.tags = [
            {"Key": "mlops-roles:stack-id", "Value": event["StackId"]},
            {"Key": "mlops-roles:logical-id", "Value": event["LogicalResourceId"]},
        ]

    def create_policy(self):
        rules = f"arn:{self.partition}:events:{self.region}:{self.account}:rule/"
        return {
            "PolicyName": self.policy_name,
            "PolicyDocument": document(
                {
                    "Sid": "HearOfJobs",
                    "Effect": "Allow",
                    "Action": ["events:PutTargets", "events:DescribeRule", "events:PutRule"],
                    "Resource": [rules + rule for rule in GUIDE["rules"]],
                },
                {"Sid": "RunJobs", "Effect": "Allow", "Action": GUIDE["actions"], "Resource": "*"},
            ),
            "Tags": self.tags,
        }

    def create_role(self):
        machines = f"arn:{self.partition}:states:{self.region}:{self.account}:stateMachine:*"
        return {
            "RoleName": self.name,
            "AssumeRolePolicyDocument": document({
                "Effect": "Allow",
                "Principal": {"Service": "states.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "ArnLike": {"aws:SourceArn": machines},
                    "StringEquals": {"aws:SourceAccount": self.account},
                },
            }),
            "PermissionsBoundary": os.environ["PERMISSIONS_BOUNDARY_ARN"],
            "Tags": self.tags,
        }

    def attach_role_policy(self):
        return {"RoleName": self.name, "PolicyArn": self.policy_arn}

    def put_role_policy(self):
        return {
            "RoleName": self.name,
            "PolicyName": PASS_ROLE_POLICY_NAME,
            "PolicyDocument": document({
                "Sid": "PassToSageMaker",
                "Effect": "Allow",
                "Action": "iam:PassRole",
                "Resource": [self.passed] if isinstance(self.passed, str) else self.passed,
                "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            }),
        }


def attributes(role, policy):
    """What `Fn::GetAtt` gives, from the replies to CreateRole and CreatePolicy."""
    role, policy = role["Role"], policy["Policy"]
    return {"RoleArn": role["Arn"], "RoleName": role["RoleName"], "RoleId": role["RoleId"], "PolicyArn": policy["Arn"]}


def listed(iam, operation, key, **parameters):
    """All pages of a list, and nothing of a role or policy that is not there."""
    try:
        return [one for page in iam.get_paginator(operation).paginate(**parameters) for one in page[key]]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return []


def gone(call, **parameters):
    """Deletes or detaches. A Delete that comes twice finds less than it looks for."""
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
