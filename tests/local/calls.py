"""Records for tests which actions each role was allowed and denied. The record is at /_test/calls/ROLE_ARN.

The record includes what Lambda does for a function with the function's role. The file also corrects ministack 1.5.33
there: it writes the function's log and keeps unserved events even if the role may not.
"""

import json
import threading
from collections import Counter, defaultdict

from ministack.core import iam_evaluator, lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc, sts

import accounts

allowed, denied = (defaultdict(Counter) for _ in range(2))
lock = threading.Lock()


def note(access_key, action, is_denied):
    """Records the call if the key belongs to the session of a role."""
    caller = (sts._sessions.get(access_key) or {}).get("Arn", "")
    if accounts.SESSION.fullmatch(caller):
        with lock:
            (denied if is_denied else allowed)[accounts.principal_arn(caller)][action] += 1


def recording(enforce):
    def recorded(access_key_id, full_action, *rest, **more):
        refusal = enforce(access_key_id, full_action, *rest, **more)
        note(access_key_id, full_action, refusal is not None)
        return refusal
    return recorded


def refused(config, action, arn):
    """Whether the function's role lacks the permission for what Lambda does for the function."""
    key = lambda_runtime.execution_credentials(config)["AWS_ACCESS_KEY_ID"]
    region = lambda_runtime._account_region_from_function_config(config)[1]
    return iam_evaluator.enforce(key, action, action.partition(":")[0], region, arn) is not None


def mend():
    emit, route = lambda_svc._emit_lambda_logs, lambda_svc._route_async_failure

    def mended_emit(func, *rest, **more):
        config = func.get("config") or func
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        stream = f"{cloudwatch_logs._make_group_arn(group).removesuffix(':*')}:log-stream:any"
        if not any(refused(config, f"logs:{action}", stream) for action in ("CreateLogStream", "PutLogEvents")):
            emit(func, *rest, **more)

    def mended_route(target_arn, func_name, *rest):
        function = lambda_svc._functions.get(func_name)
        if not (":sqs:" in target_arn and function and refused(function["config"], "sqs:SendMessage", target_arn)):
            route(target_arn, func_name, *rest)

    lambda_svc._emit_lambda_logs, lambda_svc._route_async_failure = mended_emit, mended_route


def with_record(application):
    """The ASGI application with the record of a role: {"allowed": {action: times}, "denied": {…}}."""
    async def serve(scope, receive, send):
        prefix = "/_test/calls/"
        if scope["type"] != "http" or not scope["path"].startswith(prefix):
            return await application(scope, receive, send)
        role = scope["path"].removeprefix(prefix)
        with lock:
            body = json.dumps({"allowed": allowed[role], "denied": denied[role]})
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})
    return serve
