"""Starts ministack, and corrects it where it decides otherwise than AWS.

    GATEWAY_PORT=4566 python ministack_launcher.py

The process serves http://localhost:$GATEWAY_PORT on the loopback address until SIGTERM. It is ready once
/_ministack/health replies. The access key `test` may do everything. The calls of a function are evaluated against the
policies of its role.

SageMaker, which ministack lacks, is at $SAGEMAKER_PORT or at a free port. Functions find it by their environment.

This file corrects these parts of ministack 1.5.33:

- the ARN that an IAM call is evaluated on
- the condition keys of IAM, tagging on create, and iam:PassRole
- SimulatePrincipalPolicy
- some refusals of IAM, and the pages of its lists
- the text functions in a template's Conditions
- the stack that CloudFormation names for a physical id

accounts.py has what concerns several accounts, calls.py a record of what roles did, and stack_states.py what a stack
reports of its resources.
"""

import asyncio
import contextvars
import json
import os
import shutil
import signal
import socket
import tempfile
import traceback
from xml.etree import ElementTree
from xml.sax.saxutils import escape

# ministack reads its environment when it is imported. It writes everything to one folder, unpacked functions too.
WORK_DIR = tempfile.mkdtemp(prefix="ministack-")
tempfile.tempdir = WORK_DIR
PORT = os.environ.setdefault("GATEWAY_PORT", "4566")
os.environ.update(AUTH="true", PERSIST_STATE="0", S3_PERSIST="0", LOCALSTACK_PERSISTENCE="0", TMPDIR=WORK_DIR,
                  STATE_DIR=f"{WORK_DIR}/state", S3_DATA_DIR=f"{WORK_DIR}/s3",
                  MINISTACK_AUTOCREATE_AWS_MANAGED="0",  # otherwise an unknown AWS managed policy allows everything
                  SFTP_ENABLED="0", IOT_MTLS_ENABLED="0")  # otherwise these two open further ports

from hypercorn.asyncio import serve as hypercorn_serve  # noqa: E402
from hypercorn.config import Config  # noqa: E402
from ministack import app  # noqa: E402
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses, router  # noqa: E402
from ministack.services import cloudformation, iam  # noqa: E402
from ministack.services.cloudformation import changesets, drift, engine, handlers, helpers, stacks  # noqa: E402

import accounts  # noqa: E402
import calls  # noqa: E402
import stack_states  # noqa: E402
from sagemaker_endpoint import SageMaker  # noqa: E402

# The actions with the condition key iam:PermissionsBoundary, from the Service Authorization Reference of IAM. The value
# is the boundary that the request sets, or otherwise the boundary of the role.
SETS_BOUNDARY = {"CreateRole", "PutRolePermissionsBoundary"}
ON_BOUNDED_ROLE = {"GetRole", "DeleteRole", "UpdateRole", "UpdateRoleDescription", "UpdateAssumeRolePolicy",
                   "AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy",
                   "DeleteRolePermissionsBoundary"}
NAMES_POLICY = {"AttachRolePolicy", "DetachRolePolicy"}
TAGS_ON_CREATE = {"CreateRole": "iam:TagRole", "CreatePolicy": "iam:TagPolicy",
                  "CreateInstanceProfile": "iam:TagInstanceProfile"}

# Calls that hand a role to a service: the member of the JSON body that names the role, and the service.
PASSES_ROLE = {
    "lambda:CreateFunction": ("Role", "lambda.amazonaws.com"),
    "lambda:UpdateFunctionConfiguration": ("Role", "lambda.amazonaws.com"),
    "states:CreateStateMachine": ("roleArn", "states.amazonaws.com"),
    "states:UpdateStateMachine": ("roleArn", "states.amazonaws.com"),
}

param = iam_actions._query_param


# --- what a request is evaluated on ---

def resource_arn(params, account):
    """The ARN that AWS evaluates an IAM request on, or None if ministack itself chooses the right one."""
    action = param(params, "Action")
    if action == "SimulatePrincipalPolicy":
        return param(params, "PolicySourceArn") or None
    # The profile comes first: a call that names a profile and a role is evaluated on the profile.
    for kind, name, store in (("instance-profile", param(params, "InstanceProfileName"), iam._instance_profiles),
                              ("role", param(params, "RoleName"), iam._roles),
                              ("policy", action == "CreatePolicy" and param(params, "PolicyName"), {})):
        if name and name in store and action not in TAGS_ON_CREATE:
            return store[name]["Arn"]
        if name:
            return f"arn:aws:iam::{account}:{kind}{param(params, 'Path') or '/'}{name}"
    return None


def resource_tags(arn):
    """The tags of a role, policy or profile, as condition keys."""
    prefixes = ("aws", "iam") if ":role/" in arn else ("aws",)
    for store in (iam._roles, iam._policies, iam._instance_profiles):
        for entity in store.values():
            if entity["Arn"] == arn:
                tags = {tag["Key"]: tag["Value"] for tag in entity.get("Tags") or []}
                return {f"{p}:ResourceTag/{key}": value for key, value in tags.items() for p in prefixes}
    return {}


def iam_context(action, params, arn):
    """The condition keys of IAM. Keys that AWS does not supply are absent, so that StringEquals does not match."""
    found = {} if action in TAGS_ON_CREATE else resource_tags(arn)
    if action in NAMES_POLICY:
        found["iam:PolicyARN"] = param(params, "PolicyArn")
    boundary = None
    if action in SETS_BOUNDARY:
        boundary = param(params, "PermissionsBoundary")
    elif action in ON_BOUNDED_ROLE:
        boundary = (iam._roles.get(param(params, "RoleName")) or {}).get("PermissionsBoundary")
    if boundary:
        found["iam:PermissionsBoundary"] = boundary
    return found


def further_checks(full_action, body, params, arn, tag_keys):
    """What AWS checks besides the called action: a list of (action, resource, condition keys)."""
    service, _, action = full_action.partition(":")
    if service == "iam" and action in TAGS_ON_CREATE and tag_keys:
        return [(TAGS_ON_CREATE[action], arn, tag_keys)]
    role = passed_to = None
    if full_action == "iam:AddRoleToInstanceProfile":
        role = resource_arn({"RoleName": param(params, "RoleName")}, responses.get_account_id())
        passed_to = "ec2.amazonaws.com"
    elif full_action in PASSES_ROLE:
        member, passed_to = PASSES_ROLE[full_action]
        role = iam_actions._safe_json_field(body, member)
    return [("iam:PassRole", role, {**resource_tags(role), "iam:PassedToService": passed_to})] if role else []


# Carries the further checks from the code that reads the request to the code that decides.
FURTHER = "launcher:FurtherChecks"
denied_check = contextvars.ContextVar("denied_check", default=None)


def mend_enforcement():
    extract_resource_arn = iam_actions.extract_resource_arn
    request_tag_context = iam_actions.request_tag_context
    recorded = calls.recording(iam_evaluator.enforce)
    access_denied_response = iam_actions.access_denied_response

    def mended_resource_arn(service, method, path, headers, body, query_params, region, account_id):
        own = resource_arn(query_params, account_id) if service == "iam" else None
        return own or extract_resource_arn(service, method, path, headers, body, query_params, region, account_id)

    def mended_context(service, full_action, body, params):
        tag_keys = request_tag_context(service, full_action, body, params)
        context, arn = dict(tag_keys), "*"
        if service == "iam":
            arn = resource_arn(params, responses.get_account_id()) or param(params, "PolicyArn") or "*"
            context.update(iam_context(full_action.partition(":")[2], params, arn))
        context[FURTHER] = further_checks(full_action, body, params, arn, tag_keys)
        return context

    def mended_enforce(access_key_id, full_action, service, region, resource_arn="*", service_context=None):
        context = dict(service_context or {})
        further = [("iam", *check) for check in context.pop(FURTHER, [])]
        denied_check.set(None)
        for part, action, arn, keys in [(service, full_action, resource_arn, context), *further]:
            denied = recorded(access_key_id, action, part, region, resource_arn=arn, service_context=keys)
            if denied is not None:
                denied_check.set((action, arn))
                return denied
        return None

    def mended_response(service, action, principal_arn, request_id, **more):
        # AWS names the check that failed and its resource, even if that is not the called action.
        denied, arn = denied_check.get() or ("", "")
        if denied.startswith("iam:") and not more.get("error_code"):
            explicit = more.get("explicit_deny", False)
            more["message"] = iam_actions.identity_denial_message(denied, principal_arn, arn, explicit)
        elif denied == "sts:AssumeRole" and not more.get("error_code"):
            more["message"] = f"User: {principal_arn} is not authorized to perform: {denied} on resource: {arn}"
        return access_denied_response(service, action, principal_arn, request_id, **more)

    # ministack imports these by name at every request, so it is enough to replace them in their modules.
    iam_actions.extract_resource_arn = mended_resource_arn
    iam_actions.request_tag_context = mended_context
    iam_evaluator.enforce = mended_enforce
    iam_actions.access_denied_response = mended_response


# --- SimulatePrincipalPolicy ---

DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny", "ImplicitDeny": "implicitDeny"}


def members(p, name):
    found = []
    while value := iam._p(p, f"{name}.member.{len(found) + 1}"):
        found.append(value)
    return found


def member_list(values):
    return "".join(f"<member>{value}</member>" for value in values)


def context_entries(p):
    found, entry = {}, "ContextEntries.member.1"
    while key := iam._p(p, f"{entry}.ContextKeyName"):
        values = members(p, f"{entry}.ContextKeyValues")
        is_list = iam._p(p, f"{entry}.ContextKeyType").endswith("List")
        found[key.lower()] = values if is_list else (values or [""])[0]
        entry = f"ContextEntries.member.{len(found) + 1}"
    return found


def statements(policy_arn):
    account = responses.get_account_id()
    return iam_evaluator.parse_policy_document(iam_evaluator._resolve_managed_policy_document(policy_arn, account))


def simulate_principal_policy(p):
    """Decides every action on every resource, for a role."""
    principal, account, entries = iam._p(p, "PolicySourceArn"), responses.get_account_id(), context_entries(p)
    role = iam._roles.get(principal.rpartition("/")[2])
    if role is None or role["Arn"] != principal:
        return iam._error(404, "NoSuchEntity", f"Role {escape(principal)} does not exist.")
    for unknown in ("PolicyInputList.member.1", "PermissionsBoundaryPolicyInputList.member.1", "ResourcePolicy"):
        if iam._p(p, unknown):
            return iam._error(400, "InvalidInput", f"{unknown} is not simulated here")
    policies = {name: iam_evaluator.parse_policy_document(doc) for name, doc in role["InlinePolicies"].items()}
    policies.update({arn: statements(arn) for arn in role["AttachedPolicies"]})
    boundary = [statements(role["PermissionsBoundary"])] if role.get("PermissionsBoundary") else None
    named_keys = {key for policy in [*policies.values(), *(boundary or [])] for statement in policy
                  for block in statement.conditions.values() for key in block}

    def result(action, arn):
        # A simulation knows only the context that the caller gives.
        ctx = iam_evaluator.EvalContext(
            principal_arn=principal, principal_type="AssumedRole", principal_account=account, action=action,
            resource_arn=arn, region=entries.get("aws:requestedregion"), source_ip=entries.get("aws:sourceip"),
            secure_transport=entries.get("aws:securetransport"), service_context={"aws:tagkeys": None, **entries})

        def decide(documents, *limits):
            return DECISIONS[iam_evaluator.evaluate(ctx, documents, *limits).decision]

        decision = decide(list(policies.values()), *([boundary] if boundary else []))
        matched = [name for name in policies if decision == decide([policies[name]]) != "implicitDeny"]
        missing = sorted(key for key in named_keys if iam_evaluator._resolve_condition_key(key, ctx) is None)
        detail = ""
        if boundary:
            within = str(decide(boundary) == "allowed").lower()
            detail = f"<AllowedByPermissionsBoundary>{within}</AllowedByPermissionsBoundary>"
            detail = f"<PermissionsBoundaryDecisionDetail>{detail}</PermissionsBoundaryDecisionDetail>"
        sources = member_list(f"<SourcePolicyId>{escape(name)}</SourcePolicyId>" for name in matched)
        return decision, (f"<MatchedStatements>{sources}</MatchedStatements>"
                          f"<MissingContextValues>{member_list(map(escape, missing))}</MissingContextValues>{detail}")

    def of_action(action, arns):
        """One result: the most restrictive decision, with the decision on each resource."""
        each = [(arn, *result(action, arn)) for arn in arns]
        worst = max(each, key=lambda one: ("allowed", "implicitDeny", "explicitDeny").index(one[1]))
        # With several resources, IAM names none of them.
        name = arns[0] if len(arns) == 1 else "arn:${Partition}:${Service}:${Region}:${Account}:${Resource}"
        below = member_list(f"<EvalResourceName>{escape(arn)}</EvalResourceName>"
                            f"<EvalResourceDecision>{decision}</EvalResourceDecision>{more}"
                            for arn, decision, more in each if arn != "*")
        return (f"<EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(name)}</EvalResourceName>"
                f"<EvalDecision>{worst[1]}</EvalDecision>{worst[2]}"
                f"<ResourceSpecificResults>{below}</ResourceSpecificResults>")

    arns = members(p, "ResourceArns") or ["*"]
    if len(arns) > 1 and "*" in arns:
        return iam._error(400, "InvalidInput", "ResourceNames are not in a valid ARN format: *.")
    found = [of_action(action, arns) for action in members(p, "ActionNames")]
    return iam._xml(200, "SimulatePrincipalPolicyResponse",
                    f"<SimulatePrincipalPolicyResult><EvaluationResults>{member_list(found)}</EvaluationResults>"
                    "<IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>")


# --- what IAM refuses and ministack does not, and a call that ministack lacks ---

def size(document):
    """The number of characters that IAM's quotas count: all but white space."""
    text = document if isinstance(document, str) else json.dumps(document)
    return sum(not c.isspace() for c in text)


def refusal(action, p):
    """(status, code, message) if AWS refuses the request and ministack does not, otherwise None."""
    document = iam._p(p, "PolicyDocument") or iam._p(p, "AssumeRolePolicyDocument")
    role_name, policy_name, policy_arn = iam._p(p, "RoleName"), iam._p(p, "PolicyName"), iam._p(p, "PolicyArn")
    role = iam._roles.get(role_name) or {}
    attached = role.get("AttachedPolicies", [])
    if action in ("CreateRole", "UpdateAssumeRolePolicy") and size(document) > 2048:
        return 409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"
    if action in ("CreatePolicy", "CreatePolicyVersion") and size(document) > 6144:
        return 409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"
    if action == "CreateRole" and role_name.lower() in {name.lower() for name in iam._roles}:
        return 409, "EntityAlreadyExists", f"Role with name {role_name} already exists."
    if action == "CreatePolicy" and policy_name.lower() in {p["PolicyName"].lower() for p in iam._policies.values()}:
        return 409, "EntityAlreadyExists", f"A policy called {policy_name} already exists."
    if action == "PutRolePolicy":
        others = sum(size(doc) for name, doc in role.get("InlinePolicies", {}).items() if name != policy_name)
        if others + size(document) > 10240:
            return 409, "LimitExceeded", f"Maximum policy size of 10240 bytes exceeded for role {role_name}"
    # ministack knows only the common AWS managed policies. An unknown one may exist all the same.
    known = iam._is_aws_managed_arn(policy_arn) or policy_arn in iam._policies
    if action == "AttachRolePolicy" and role and not known:
        return 404, "NoSuchEntity", f"Policy {policy_arn} does not exist or is not attachable."
    if action == "AttachRolePolicy" and policy_arn not in attached and len(attached) >= 10:
        return 409, "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10"
    if action == "DeletePolicy" and policy_arn in iam._policies and len(iam._policies[policy_arn]["Versions"]) > 1:
        return 409, "DeleteConflict", ("This policy has more than one version. Before you delete a policy, you must "
                                       "delete the policy's versions. The default version is deleted with the policy.")
    return None


def refusing(action, handler):
    def handle(p):
        refused = refusal(action, p)
        return iam._error(*refused) if refused else handler(p)
    return handle


def set_default_policy_version(p):
    policy, version = iam._policies.get(iam._p(p, "PolicyArn")), iam._p(p, "VersionId")
    if policy is None or version not in policy["Versions"]:
        return iam._error(404, "NoSuchEntity", f"Policy version {version} does not exist or is not attachable.")
    for name, other in policy["Versions"].items():
        other["IsDefaultVersion"] = name == version
    policy["DefaultVersionId"] = version
    return iam._xml(200, "SetDefaultPolicyVersionResponse", "")


def clearing_description(update_role):
    """IAM sets an empty description like any other, but ministack drops empty parameters first."""
    return lambda p: update_role({"Description": [""], **p})


# --- the pages of IAM's lists ---

PAGE = 4  # AWS may return fewer items than the request asks for
PAGED = ("ListAttachedRolePolicies", "ListRolePolicies", "ListInstanceProfilesForRole", "ListPolicies",
         "ListRoles")


def paged(handler):
    """Returns one page at a time, except to the access key `test`. The marker is the last item of the page before."""
    def item(member):
        return member.findtext("{*}Arn") or member.findtext("{*}PolicyArn") or member.text

    def handle(p):
        status, headers, body = handler(p)
        if status != 200 or iam_evaluator.caller_arn().endswith(":root"):
            return status, headers, body
        answer = ElementTree.fromstring(body)
        namespace = answer.tag.partition("}")[0].removeprefix("{")
        result = answer[0]
        members, is_truncated = result
        left = sorted((member for member in members if item(member) > iam._p(p, "Marker")), key=item)
        members[:] = left[:min(PAGE, int(iam._p(p, "MaxItems") or PAGE))]
        if len(members) < len(left):
            is_truncated.text = "true"
            ElementTree.SubElement(result, f"{{{namespace}}}Marker").text = item(members[-1])
        return status, headers, ElementTree.tostring(answer, "utf-8", default_namespace=namespace)
    return handle


def mend_iam():
    handlers = iam._IAM_HANDLERS
    for action in ("CreateRole", "UpdateAssumeRolePolicy", "PutRolePolicy", "AttachRolePolicy",
                   "CreatePolicy", "CreatePolicyVersion", "DeletePolicy"):
        handlers[action] = refusing(action, handlers[action])
    for action in PAGED:
        handlers[action] = paged(handlers[action])
    handlers["SimulatePrincipalPolicy"] = simulate_principal_policy
    handlers["SetDefaultPolicyVersion"] = set_default_policy_version
    handlers["UpdateRole"] = clearing_description(handlers["UpdateRole"])


# --- conditions of a template, and the stack of a physical id ---

def mend_conditions():
    evaluate = engine._evaluate_conditions

    def resolved(node, template, params):
        if isinstance(node, list):
            return [resolved(item, template, params) for item in node]
        if not isinstance(node, dict):
            return node
        if node.keys() & {"Fn::Sub", "Fn::Split", "Fn::Join"}:
            return engine._resolve_refs(node, {}, params, {}, template.get("Mappings", {}), "", "")
        return {key: resolved(value, template, params) for key, value in node.items()}

    def mended(template, params):
        conditions = resolved(template.get("Conditions", {}), template, params)
        return evaluate({**template, "Conditions": conditions}, params)

    for module in (engine, changesets, drift, handlers, stacks):
        if hasattr(module, "_evaluate_conditions"):
            module._evaluate_conditions = mended


def mend_cloudformation():
    actions = cloudformation._ACTION_HANDLERS
    of_stack = actions["DescribeStackResources"]

    def describe_stack_resources(params):
        """Lists the whole stack that has the physical id. ministack accepts only names of stacks."""
        physical_id = helpers._p(params, "PhysicalResourceId")
        if not physical_id:
            return of_stack(params)
        for stack in cloudformation._stacks.values():
            held = {resource.get("PhysicalResourceId") for resource in stack.get("_resources", {}).values()}
            if stack["StackStatus"] != "DELETE_COMPLETE" and physical_id in held:
                return of_stack({"StackName": [stack["StackId"]]})
        return helpers._error("ValidationError", f"Stack for {physical_id} does not exist")

    actions["DescribeStackResources"] = describe_stack_resources


# --- SageMaker ---

def account_of(headers):
    """Sets and returns the account of a call to SageMaker."""
    responses.set_request_account_id(router.extract_access_key_id(headers))
    return responses.get_account_id()


def authorize(scope, headers, body, action, region, resource="*"):
    """The (code, message) that refuses a call to SageMaker, or None. Sets the same context that ministack sets for its
    own calls."""
    access_key, action = router.extract_access_key_id(headers), f"sagemaker:{action}"
    responses.set_request_region(region)
    iam_evaluator.pin_signed_request(scope["method"], scope["raw_path"].decode(), {}, scope["headers"])
    iam_evaluator.pin_signed_body(body)
    denied = iam_evaluator.enforce(access_key, action, "sagemaker", region, resource)
    if denied is None:
        return None
    if isinstance(denied, iam_evaluator.AuthError):
        answer = app._credential_failure("sagemaker", action, "", denied, headers)
    else:
        explicit, message = denied.decision == "Deny", ""
        if resource != "*":
            message = iam_actions.identity_denial_message(action, denied.principal_arn, resource, explicit)
        answer = iam_actions.access_denied_response("sagemaker", action, denied.principal_arn, "", message=message,
                                                    explicit_deny=explicit)
    refusal = json.loads(answer[2])
    return refusal["__type"], refusal["message"]


def listen_for_sagemaker():
    """The socket that serves SageMaker. Functions find its address in the environment that they inherit."""
    listening = socket.create_server(("127.0.0.1", int(os.environ.get("SAGEMAKER_PORT", "0"))))
    os.environ["AWS_ENDPOINT_URL_SAGEMAKER"] = f"http://127.0.0.1:{listening.getsockname()[1]}"
    return listening


# --- serving ---

async def serve():
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def served(application, bind):
        config = Config.from_mapping(bind=[bind], keep_alive_timeout=75, graceful_timeout=1, loglevel=app.LOG_LEVEL)
        return hypercorn_serve(application, config, shutdown_trigger=stop.wait)

    sagemaker = SageMaker(authorize, account_of)
    await asyncio.gather(served(calls.with_record(accounts.with_sessions(app.app)), f"127.0.0.1:{PORT}"),
                         served(sagemaker, f"fd://{listen_for_sagemaker().detach()}"))


def main():
    status = 1
    try:
        mend_enforcement()
        accounts.mend()
        calls.mend()
        stack_states.mend()
        mend_iam()
        mend_conditions()
        mend_cloudformation()
        asyncio.new_event_loop().run_until_complete(serve())
        status = 0
    except Exception:
        traceback.print_exc()
    finally:
        lambda_runtime.reset()
        shutil.rmtree(WORK_DIR, ignore_errors=True)
        # A thread that waits for the response of a custom resource would delay an ordinary exit for up to an hour.
        os._exit(status)


if __name__ == "__main__":
    main()
