"""The role sets: the documents of the tables in tests/data/role_sets, and what an account has of a set."""

import json
import re

from local import ACCOUNT, LOGICAL_TAG, REGION, ROOT, STACK_TAG
from service_catalog import LAUNCH, USE  # noqa: F401

TYPE = "Custom::SageMakerMlopsRoles"
DEPLOY_TARGET = "Custom::SageMakerDeployTarget"
TABLES = ROOT / "tests" / "data" / "role_sets"
PATHS = "/,/service-role/"
OURS = "mlops-roles:"
ACCOUNT_ROOT = re.compile(r"arn:aws:iam::(\d{12}):root")


def ok(answer):
    assert answer["Status"] == "SUCCESS", answer
    return answer.get("Data")


def at_once(template):
    """The template of an example without the wait for IAM. The local IAM has no lag, and ministack creates the sets one
    after the other."""
    shorter = re.sub(r"^( +)(?=RoleSet: )", r"\1SettleSeconds: 0\n\1", template, flags=re.M)
    assert shorter != template
    return shorter


# The boundary and the allowed policies that the tables have.
BOUNDARY, ALLOWED = "mlops-roles-Boundary", "arn:aws:iam::aws:policy/Amazon*"


def table(file, account, administrator=ACCOUNT):
    """A file of tests/data/role_sets/, with these accounts and the local region in it."""
    text = (TABLES / file).read_text()
    for old, new in (("123456789012", account), ("210987654321", administrator), ("us-east-1", REGION)):
        text = text.replace(old, new)
    return json.loads(text)


def plain(value):
    """The normal form of a document, which is equal for documents that mean the same. Lists have no order, one item is
    a list of one, and the root of an account is the account."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    items = (json.dumps(plain(one), sort_keys=True) if isinstance(one, dict) else ACCOUNT_ROOT.sub(r"\1", str(one))
             for one in (value if isinstance(value, list) else [value]))
    return sorted(set(items))


def published(name, account, administrator=ACCOUNT):
    """The published roles of a set, and its documents by role and policy."""
    tables = table("published.json", account, administrator)[name]
    documents = {f"arn:aws:iam::{account}:policy/{policy}": one for policy, one in tables["policies"].items()}
    for role, told in tables["roles"].items():
        documents[f"{role}, trust"] = told["trust"]
        documents.update({f"{role}, {policy}": one for policy, one in told["inline"].items()})
    roles = {role: {"path": told["path"], "session": told["max_session_duration"], "attached": {*told["managed"]},
                    "tags": told["tags"]} for role, told in tables["roles"].items()}
    return roles, {key: plain(one) for key, one in documents.items()}


def narrowed(name, account, administrator=ACCOUNT):
    """The same in the narrowed form: trust policies from differences.json, policies as blessed."""
    roles, documents = published(name, account, administrator)
    differences = table("differences.json", account, administrator)[name]
    for key in (key for key in differences if key.endswith(", trust")):
        less, more = ({*plain(differences[key][form])} for form in ("published", "narrowed"))
        statements = {*documents[key]["Statement"]}
        assert less <= statements
        documents[key]["Statement"] = sorted(statements - less | more)
    blessed = table(f"{name}.policy.json", account, administrator)
    policies = {**blessed["inline"], **blessed["policies"]}
    assert policies.keys() == {key for key in documents if not key.endswith(", trust")}
    return roles, documents | {key: plain(one) for key, one in policies.items()}


def found(aws, stack_id, logical_id="Roles"):
    """The roles and documents of a resource in the account, read with the calls of IAM."""
    def own(tags):
        tags = {tag["Key"]: tag["Value"] for tag in tags}
        mine = (tags.get(STACK_TAG), tags.get(LOGICAL_TAG)) == (stack_id, logical_id)
        return {key: value for key, value in tags.items() if not key.startswith(OURS)} if mine else None

    iam, roles, documents, boundaries = aws.iam, {}, {}, set()
    for name in (role["RoleName"] for role in iam.list_roles()["Roles"]):
        role = iam.get_role(RoleName=name)["Role"]
        if (tags := own(role.get("Tags", []))) is None:
            continue
        boundaries.add(role["PermissionsBoundary"]["PermissionsBoundaryArn"])
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        roles[name] = {"path": role["Path"], "session": role["MaxSessionDuration"], "tags": tags,
                       "attached": {policy["PolicyArn"] for policy in attached}}
        documents[f"{name}, trust"] = role["AssumeRolePolicyDocument"]
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            documents[f"{name}, {policy}"] = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    for arn in (policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]):
        if own(iam.list_policy_tags(PolicyArn=arn)["Tags"]) is not None:
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            documents[arn] = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    text = json.dumps(documents)
    for boundary in boundaries:
        text = text.replace(f'"{boundary}"', f'"{aws.policy_arn(BOUNDARY)}"')
    return roles, {key: plain(one) for key, one in json.loads(text).items()}
