"""Lets several accounts of ministack work together as accounts of AWS do; the launcher applies it.

An access key of twelve digits may do everything in the account of that number. The file corrects ministack 1.5.33 where
it decides otherwise than AWS:

- which callers a trust policy names
- the condition keys of sts:AssumeRole
- a trust policy that allows a caller of the role's own account without an identity policy
- principals that do not exist, or no longer exist

Every call counts as made over TLS, as calls to AWS are: the bucket of sam denies a role any other call.
"""

import json
import re
from xml.sax.saxutils import escape

from ministack import app
from ministack.core import iam_actions, iam_evaluator, responses
from ministack.services import iam, sts

ENTITY = re.compile(r"arn:aws:iam::(\d{12}):(role|user)/(?:.+/)?([^/]+)")
SESSION = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/.+")
# Principals that IAM accepts without looking them up. Any number may be an account.
UNSEEN = re.compile(r"\*|\d{12}|arn:aws:iam::\d{12}:root|arn:aws:sts::\d{12}:(assumed-role|federated-user)/.+")


def listed(value):
    return value if isinstance(value, list) else [value]


def entity(arn):
    """The role or user with this ARN, in any account, or None."""
    if not (parts := ENTITY.fullmatch(arn)):
        return None
    account, kind, name = parts.groups()
    found = (iam._roles if kind == "role" else iam._users).get_scoped(account, None, name)
    return found if found and found["Arn"] == arn else None


def principal_arn(caller):
    """The value of aws:PrincipalArn for a caller. For a session of a role, it is the ARN of the role with its path."""
    session = SESSION.fullmatch(caller)
    role = session and iam._roles.get_scoped(session[1], None, session[2])
    return role["Arn"] if role else caller


# --- trust policies: whom they name ---

def names_caller(principal, caller):
    """Whether a principal is the caller, its role or its account. A service never is, because no service calls here."""
    account = caller.split(":")[4]
    own = {"*", account, f"arn:aws:iam::{account}:root", caller, principal_arn(caller)}
    return not own.isdisjoint(listed(principal.get("AWS", []) if isinstance(principal, dict) else principal))


def own_trust_policy(arn):
    """The trust policy of a role of the caller's account, and that account; otherwise None.

    Only in its own account does the trust policy allow a caller without an identity policy. Across accounts, ministack
    itself checks both policies."""
    role, account = entity(arn), responses.get_account_id()
    return (role["AssumeRolePolicyDocument"], account) if role and arn.split(":")[4] == account else None


def mend_trust():
    trusts = iam_evaluator._trust_principal_matches
    resolve = iam_evaluator._resolve_condition_key
    request_context = iam_actions.request_tag_context

    def mended_trusts(principal, caller, federated):
        return trusts(principal, caller, federated) if federated else names_caller(principal, caller)

    def mended_resolve(key, ctx):
        return principal_arn(ctx.principal_arn) if key.lower() == "aws:principalarn" else resolve(key, ctx)

    def mended_context(service, full_action, body, params):
        context = request_context(service, full_action, body, params)
        names = ("ExternalId", "RoleSessionName") if service == "sts" else ()
        values = {f"sts:{name}": iam_actions._query_param(params, name) for name in names}
        return {**context, **{key: value for key, value in values.items() if value}}

    iam_evaluator._trust_principal_matches = mended_trusts
    iam_evaluator._resolve_condition_key = mended_resolve
    iam_actions.request_tag_context = mended_context
    iam.own_trust_policy = own_trust_policy
    iam_evaluator._RESOURCE_POLICY_LOOKUPS["sts"] = ("iam", "own_trust_policy")


# --- trust policies: which principals exist ---

def principals(document):
    """Each Principal of a document that is an object, such as {"AWS": …}."""
    statements = listed(document.get("Statement", [])) if isinstance(document, dict) else []
    found = [statement.get("Principal") for statement in statements if isinstance(statement, dict)]
    return [principal for principal in found if isinstance(principal, dict)]


def invalid_principal(document):
    """IAM's message about the first principal that does not exist, or None."""
    try:
        document = json.loads(document) if isinstance(document, str) else document
    except ValueError:
        return None
    for name in (name for principal in principals(document) for name in listed(principal.get("AWS", []))):
        if not (isinstance(name, str) and (UNSEEN.fullmatch(name) or entity(name))):
            return f'Invalid principal in policy: "AWS":"{escape(str(name))}"'
    return None


class Principals(responses.AccountScopedDict):
    """The roles or the users.

    When one is deleted, the trust policies that named it keep its unique id, as on AWS. No other principal ever has
    that id, not even a new one of the same name."""
    __slots__ = ()

    def pop(self, key, *default):
        gone = super().pop(key, *default)
        if gone:
            for role in list(iam._roles.to_dict().values()):
                self.replace(role, gone["Arn"], gone.get("RoleId") or gone.get("UserId"))
        return gone

    @staticmethod
    def replace(role, arn, unique_id):
        if arn not in role["AssumeRolePolicyDocument"]:
            return
        document = json.loads(role["AssumeRolePolicyDocument"])
        for principal in principals(document):
            names = [unique_id if name == arn else name for name in listed(principal.get("AWS", []))]
            if "AWS" in principal:
                principal["AWS"] = names if isinstance(principal["AWS"], list) else names[0]
        role["AssumeRolePolicyDocument"] = json.dumps(document)


def mend_principals():
    refuse = iam._trust_policy_not_principal_error  # called for IAM's actions and for CloudFormation
    iam._trust_policy_not_principal_error = lambda document: refuse(document) or invalid_principal(document)
    iam._roles.__class__ = iam._users.__class__ = Principals


# --- sessions ---

def session(role):
    """Credentials of a role, as a service gets them that runs with the role."""
    keys = {"AccessKeyId": iam._gen_session_access_key(), "SecretAccessKey": iam._gen_secret(),
            "SessionToken": iam._gen_session_token()}
    arn = f"arn:aws:sts::{role['Arn'].split(':')[4]}:assumed-role/{role['RoleName']}/test"
    sts.register_session(keys["AccessKeyId"], {**keys, "Arn": arn, "UserId": f"{role['RoleId']}:test"})
    return keys


def with_sessions(application):
    """The ASGI application with /_test/session/ARN, which returns credentials of the role, whoever it trusts."""
    async def serve(scope, receive, send):
        prefix = "/_test/session/"
        if scope["type"] != "http" or not scope["path"].startswith(prefix):
            return await application(scope, receive, send)
        role = entity(scope["path"].removeprefix(prefix))
        keys = session(role) if role and "RoleId" in role else None
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200 if keys else 404, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(keys).encode()})
    return serve


def mend():
    mend_trust()
    mend_principals()
    pin_origin = app.pin_request_origin
    app.pin_request_origin = lambda address, secure: pin_origin(address, True)
