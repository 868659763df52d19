"""Judges the calls of policies that were written by hand, and the main call of each task, against a derived policy."""

import re
from collections.abc import Iterator
from typing import Any

from corpus_files import PLACEHOLDER, Machine, arn, as_list, as_text, filled, function, placeholders, rendered, value_of

TABLE = arn("dynamodb", "table/{}")
READS = ("GetItem", "Scan", "Query", "BatchGetItem")
WRITES = ("PutItem", "UpdateItem", "BatchWriteItem")
# By SAM policy template: its parameter, the ARN, and its actions, without those that only prepare a call.
# https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-policy-template-list.html
SAM_POLICIES = {
    "LambdaInvokePolicy": ("FunctionName", arn("lambda", "function:{}"), ["lambda:InvokeFunction"]),
    "SNSPublishMessagePolicy": ("TopicName", arn("sns", "{}"), ["sns:Publish"]),
    "SQSSendMessagePolicy": ("QueueName", arn("sqs", "{}"), ["sqs:SendMessage"]),
    "EventBridgePutEventsPolicy": ("EventBusName", arn("events", "event-bus/{}"), ["events:PutEvents"]),
    "StepFunctionsExecutionPolicy": ("StateMachineName", arn("states", "stateMachine:{}"), ["states:StartExecution"]),
    "DynamoDBReadPolicy": ("TableName", TABLE, [f"dynamodb:{one}" for one in READS]),
    "DynamoDBWritePolicy": ("TableName", TABLE, [f"dynamodb:{one}" for one in WRITES]),
    "DynamoDBCrudPolicy": ("TableName", TABLE, [f"dynamodb:{one}" for one in (*READS, *WRITES, "DeleteItem")]),
}
# By resource of a task: the IAM action where it is not the action of the resource.
OTHER_ACTIONS = {
    "lambda:invoke": "lambda:InvokeFunction",
    "s3:listobjectsv2": "s3:ListBucket",
    "s3:listobjects": "s3:ListBucket",
    "s3:headobject": "s3:GetObject",
    "s3:headbucket": "s3:ListBucket",
    "s3:copyobject": "s3:PutObject",
    "s3:listbuckets": "s3:ListAllMyBuckets",
    "s3:deleteobjects": "s3:DeleteObject",
    "s3:createmultipartupload": "s3:PutObject",
    "s3:completemultipartupload": "s3:PutObject",
    "s3:uploadpart": "s3:PutObject",
    "sqs:sendmessagebatch": "sqs:SendMessage",
    "sns:publishbatch": "sns:Publish",
    "http:invoke": "states:InvokeHTTPEndpoint",
    "eks:call": "",
    "eks:runjob": "",
    "bedrock:converse": "bedrock:InvokeModel",
    "dynamodb:transactwriteitems": "",
    "dynamodb:transactgetitems": "dynamodb:GetItem",
    "elasticmapreduce:addstep": "elasticmapreduce:AddJobFlowSteps",
    "elasticmapreduce:createcluster": "elasticmapreduce:RunJobFlow",
    "elasticmapreduce:terminatecluster": "elasticmapreduce:TerminateJobFlows",
    "elasticmapreduce:cancelstep": "elasticmapreduce:CancelSteps",
    "elasticmapreduce:modifyinstancefleetbyname": "elasticmapreduce:ModifyInstanceFleet",
    "elasticmapreduce:modifyinstancegroupbyname": "elasticmapreduce:ModifyInstanceGroups",
    "elasticmapreduce:setclusterterminationprotection": "elasticmapreduce:SetTerminationProtection",
}
# By action of a task: the argument that names the resource, and the ARN of a name.
LITERALS = {
    "lambda:invoke": ("FunctionName", arn("lambda", "function:{}")),
    "sns:publish": ("TopicArn", "{}"),
    "sqs:sendmessage": ("QueueUrl", arn("sqs", "{}")),
    "states:startexecution": ("StateMachineArn", "{}"),
    "glue:startjobrun": ("JobName", arn("glue", "job/{}")),
    "codebuild:startbuild": ("ProjectName", arn("codebuild", "project/{}")),
    "batch:submitjob": ("JobQueue", arn("batch", "job-queue/{}")),
    "sagemaker:createtrainingjob": ("TrainingJobName", arn("sagemaker", "training-job/{}")),
    **{
        f"dynamodb:{one}": ("TableName", arn("dynamodb", "table/{}"))
        for one in ("getitem", "putitem", "updateitem", "deleteitem", "query", "scan")
    },
}
# By service of the SDK: the prefix of its IAM actions where it has another name.
PREFIXES = {
    "apigatewaymanagementapi": "execute-api",
    "applicationautoscaling": "application-autoscaling",
    "bedrockagent": "bedrock",
    "bedrockagentcore": "bedrock-agentcore",
    "bedrockagentruntime": "bedrock",
    "bedrockruntime": "bedrock",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "configservice": "config",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "efs": "elasticfilesystem",
    "elasticloadbalancingv2": "elasticloadbalancing",
    "emr": "elasticmapreduce",
    "emrcontainers": "emr-containers",
    "emrserverless": "emr-serverless",
    "eventbridge": "events",
    "iotdataplane": "iot",
    "lexruntimev2": "lex",
    "mediapackagevod": "mediapackage-vod",
    "mwaa": "airflow",
    "pinpoint": "mobiletargeting",
    "rdsdata": "rds-data",
    "redshiftdata": "redshift-data",
    "resourcegroupstaggingapi": "tag",
    "sagemakerruntime": "sagemaker",
    "sesv2": "ses",
    "sfn": "states",
    "ssoadmin": "sso",
}
INTEGRATION = re.compile(r"arn:[^:]+:states:[^:]*:[^:]*:(?:(aws-sdk):)?([\w-]+):(\w+)(?:\.(.+))?$")


def tasks(definition: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The tasks of a definition by their path, as the command line writes it."""
    states = definition.get("States")
    for name, state in states.items() if isinstance(states, dict) else ():
        here = f"{path}{name}"
        if not isinstance(state, dict):
            continue
        if state.get("Type") == "Task":
            yield here, state
        for number, branch in enumerate(as_list(state.get("Branches")) if state.get("Type") == "Parallel" else []):
            if isinstance(branch, dict):
                yield from tasks(branch, f"{here}.Branches[{number}].")
        for processor in ("ItemProcessor", "Iterator"):
            if state.get("Type") == "Map" and isinstance(state.get(processor), dict):
                yield from tasks(state[processor], f"{here}.{processor}.")
                break


def allows(pattern: str, text: str) -> bool:
    """Whether a pattern of a policy covers a text. A placeholder that is left stands for any text."""
    parts = re.split(r"(\*|\?|\$\{[^{}]*\})", pattern)
    expression = "".join(
        "." if part == "?" else ".*" if part == "*" or part.startswith("${") else re.escape(part) for part in parts
    )
    return re.fullmatch(expression, text, re.IGNORECASE | re.DOTALL) is not None


def statements(report: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for resource in report for policy in resource["policies"] for one in policy["statements"]]


def is_action(statement: dict[str, Any], action: str) -> bool:
    return statement["effect"] == "Allow" and any(allows(one, action) for one in statement["actions"])


def covers(statement: dict[str, Any], action: str, resource: str) -> bool:
    return is_action(statement, action) and any(allows(one["arn"], resource) for one in statement["resources"])


def by_hand(machine: Machine) -> Iterator[tuple[str, str]]:
    """Each action and resource that the role of a state machine was given by hand, with the values of a deployment."""
    for statement in documents(machine):
        if not isinstance(statement, dict) or statement.get("Effect", "Allow") != "Allow":
            continue
        for action in as_list(statement.get("Action")):
            for resource in as_list(statement.get("Resource")):
                text = as_text(resource)
                values = {
                    name: value
                    for name in placeholders(text)
                    if (value := value_of(name, machine.template)) is not None
                }
                # A SAM policy template may have got the ARN instead of the name.
                yield as_text(action), re.sub(r"^.+(?=arn:)", "", str(filled(text, values)))


def documents(machine: Machine) -> Iterator[Any]:
    """The statements of the policies of a role: those of the state machine, of its role, and those attached to it."""
    resources = {name: one for name, one in machine.template.get("Resources", {}).items() if isinstance(one, dict)}
    for policy in machine.policies:
        if isinstance(policy, dict):
            yield from as_list(policy.get("Statement"))
            yield from (from_sam(name, given) for name, given in policy.items() if name in SAM_POLICIES)
    if machine.role is None:
        return
    role = named(machine.role)
    properties = resources.get(role, {}).get("Properties") or {}
    attached = {named(one) for one in as_list(properties.get("ManagedPolicyArns"))} | {role}
    for policy in as_list(properties.get("Policies")):
        yield from statements_of(policy)
    for name, resource in resources.items():
        if resource.get("Type") in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            properties = resource.get("Properties") or {}
            if name in attached or role in map(named, as_list(properties.get("Roles"))):
                yield from statements_of(properties)


def statements_of(policy: Any) -> list[Any]:
    document = policy.get("PolicyDocument") if isinstance(policy, dict) else None
    return as_list(document.get("Statement")) if isinstance(document, dict) else []


def named(value: Any) -> str:
    """The logical id that a reference names."""
    found = PLACEHOLDER.fullmatch(as_text(value)) if function(value) else None
    return found[1].partition(".")[0] if found else ""


def from_sam(name: str, given: Any) -> dict[str, Any]:
    parameter, resource, actions = SAM_POLICIES[name]
    text = as_text(given.get(parameter, "")) if isinstance(given, dict) else ""
    return {"Action": actions, "Resource": resource.replace("{}", text)}


def judged(machine: Machine, derived: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """The verdict on each call that was granted by hand, with its action and resource."""
    for action, resource in sorted(set(by_hand(machine))):
        known = any(is_action(one, action) for one in derived)
        is_pattern = "*" in resource or "?" in resource or "${" in resource
        if "*" in action or "?" in action:
            verdict = "wildcard in the action"
        elif any(covers(one, action, resource) for one in derived):
            verdict = "pattern allowed" if is_pattern else "allowed"
        else:
            verdict = f"{'pattern' if is_pattern else 'denied'}, action {'' if known else 'not '}derived"
        yield verdict, action, resource


def main_action(resource: str, actions: set[str]) -> tuple[str, str]:
    """The key of a task's integration, and its IAM action. The latter is empty if IAM has no action of the name."""
    if re.match(r"arn:[\w-]+:lambda:", resource):
        return "lambda:", "lambda:InvokeFunction"
    found = INTEGRATION.match(resource)
    if not found:
        return "", ""
    _, service, name, _ = found.groups()
    key = f"{service}:{name}".lower()
    if key in OTHER_ACTIONS:
        return key, OTHER_ACTIONS[key]
    action = f"{PREFIXES.get(service.lower(), service)}:{name}"
    return key, action if not actions or action.lower() in actions else ""


def literal(key: str, task: dict[str, Any], machine: Machine) -> str:
    """The ARN that a task names as a literal, if this file knows where."""
    if key == "lambda:":
        text, form = task["Resource"], "{}"
    elif key in LITERALS:
        argument, form = LITERALS[key]
        given = task.get("Parameters") or task.get("Arguments")
        text = given.get(argument) if isinstance(given, dict) else None
    else:
        return ""
    text = filled(text, machine.values)
    if not isinstance(text, str) or not text or re.search(r"\$\{|\{%|[*?<>]", text):
        return ""
    if key == "sqs:sendmessage":
        place = re.fullmatch(r"https://(?:sqs\.)?([\w-]+)\.(?:queue\.)?amazonaws\.com/(\d{12})/([\w.-]+)", text)
        return f"arn:aws:sqs:{place[1]}:{place[2]}:{place[3]}" if place else ""
    return text if text.startswith("arn:") else form.replace("{}", text)


def main_call(
    path: str, task: dict[str, Any], machine: Machine, derived: list[dict[str, Any]], actions: set[str]
) -> tuple[str, str, str]:
    """The verdict on the main call of a task, with its action and resource."""
    resource = str(filled(task.get("Resource", ""), machine.values))
    key, action = main_action(resource, actions)
    if key == "apigateway:invoke":
        given = task.get("Parameters") or task.get("Arguments") or {}
        is_connection = "@connections" in str(given.get("Path", given.get("Path.$")))
        action = "execute-api:ManageConnections" if is_connection else "execute-api:Invoke"
    if "Credentials" in task:
        key, action = "", "sts:AssumeRole"
    if not action or is_without_permission(task, resource):
        return "not judged", action, resource
    own = [one for one in derived if path in one["states"]]
    target = literal(key, task, machine)
    is_allowed = any(covers(one, action, target) if target else is_action(one, action) for one in own)
    return ("allowed" if is_allowed else "denied"), action, target


def is_without_permission(task: dict[str, Any], resource: str) -> bool:
    """Whether a task needs no permission: an activity, or an API that does not ask who calls."""
    if re.match(r"arn:[\w-]+:states:[^:]*:[^:]*:activity:", resource):
        return True
    given = rendered(task.get("Parameters") or task.get("Arguments") or {})
    if re.search(r":apigateway:invoke", resource):
        return "AuthType.$" not in given and given.get("AuthType", "NO_AUTH") in ("NO_AUTH", "RESOURCE_POLICY")
    return resource.endswith("aws-sdk:sts:getCallerIdentity")
