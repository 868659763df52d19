"""Tests of the function's role: each action of each statement is needed, and the role allows each call of the code.

The test tries each case of power.py without one action of one statement of the deployed role, and then with all
actions. The case has to fail without the action and to succeed with it.
"""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor, wait
from queue import SimpleQueue

import pytest

import local
from conftest import APP, NARROW_BOUNDARY
from local import ADOPTED_TAG, REGION, ROOT, STACK_TAG, allow
from power import CASES, CATALOG, EXECUTION, PREFIX, SETS, TARGET, TYPES, WORKFLOW, Account, listed, ok
from service_catalog import PATH, USE

ACCOUNTS = [digit * 12 for digit in "456"]
SHORT, LONG = "4", "60"  # seconds; the function believes a refusal after 30 s, or when its time is up
NEEDS = [(*statement, action, case) for statement, cases in CASES.items()
         for case, actions in cases.items() for action in actions.split()]
# src/aws/cloudformation.rs has these for the command line alone (crates/cli/src/plan/account.rs), which uses the user's own
# role.
OF_THE_COMMAND_LINE = {"cloudformation:ListStackResources"}
# The calls that Lambda makes for the function.
OF_LAMBDA = {"logs:CreateLogStream", "logs:PutLogEvents", "sqs:SendMessage"}


def deployed(aws):
    """Deploys the application to an account, with everything enabled."""
    before = aws.world()
    aws.make_policy(NARROW_BOUNDARY, allow("s3:*"))
    boundaries = [aws.policy_arn(name) for name in (NARROW_BOUNDARY, "gone-boundary")]
    outputs = aws.deploy(APP, EnabledTypes=",".join(TYPES), AllowAdoption="true", VerifyEvents="false",
                         RoleNamePrefixes=PREFIX, NarrowerPermissionsBoundaryArns=",".join(boundaries),
                         DefinitionLocations=f"arn:aws:s3:::definitions-{aws.account}/*")
    return Account(aws, outputs, before, aws.world())


@pytest.fixture(scope="session")
def accounts(aws):
    with ThreadPoolExecutor(len(ACCOUNTS)) as threads:
        return [*threads.map(lambda number: deployed(aws.of(number)), ACCOUNTS)]


@pytest.fixture(scope="session")
def submit(accounts):
    """Runs a function in an account that is free, in parallel with others."""
    free = SimpleQueue()
    for account in accounts:
        free.put(account)

    def do(what, *arguments):
        account = free.get()
        try:
            return what(account, *arguments)
        finally:
            free.put(account)
    with ThreadPoolExecutor(len(accounts)) as threads:
        yield lambda *what: threads.submit(do, *what)


# --- every permission is needed ---

def try_out(account, policy, sid, action, case):
    account.seconds = LONG
    with case(account) as attempt:
        with account.without(policy, sid, action):
            # On a busy machine, the time may be up before the function calls the action.
            for account.seconds in (SHORT, LONG):
                with account.refusals() as refused:
                    assert not attempt(), "it works without"
                if refused:
                    break
        assert refused == {action}
        account.seconds = LONG
        with account.refusals() as refused:
            assert attempt(), "it does not work with all permissions either"
        assert refused == set()


@pytest.fixture(scope="session")
def outcomes(request, submit):
    """The outcomes of all needs of the selected tests."""
    selected = [item.callspec.params.get("need") for item in request.session.items if hasattr(item, "callspec")]
    return {need: submit(try_out, *need) for need in NEEDS if need in selected or not any(selected)}


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: "-".join([*need[:3], need[3].__name__]))
def test_what_needs_an_action_fails_without_it_and_succeeds_with_it(outcomes, need):
    outcomes[need].result()


def granted(account):
    """The allowed actions, each (policy, statement, action)."""
    policies = {policy: document["Statement"] for policy, (_, document) in account.policies().items()}
    return {(policy, one["Sid"], action) for policy, statements in policies.items() for one in statements
            if one["Effect"] == "Allow" for action in listed(one["Action"])}


def test_each_action_of_the_deployed_role_has_a_case(accounts):
    for account in accounts:
        assert granted(account) == {need[:3] for need in NEEDS}


# --- every needed permission is there ---

def in_the_code():
    """The actions that the files of src/aws can call. The names that they give their calls are those of the SDK's
    methods, or of what they describe."""
    # `Source::call` names what a source is described by.
    found = set(re.findall(r'"(sagemaker:[A-Za-z]+)"', (ROOT / "crates/core/src/resource/execution_role_source.rs").read_text()))
    for service in ("iam", "cloudformation", "sagemaker"):
        files = [*(ROOT / "src/aws").glob(f"{service}.rs"), *sorted((ROOT / "src/aws" / service).glob("*.rs"))]
        assert files, service
        text = "\n".join(file.read_text() for file in files)
        named = set(re.findall(rf'"({service}:[A-Za-z]+)"', text))
        called = re.findall(r"\bclient(?:\(\w+\))?\s*\.([a-z_]+)\(\)", text)
        described = re.findall(r'\.describe\(\w+, "(\w+:\w+)"', text)
        assert named == {f"{service}:{method.title().replace('_', '')}" for method in called} | {*described}
        found |= named
    # The calls to S3 are requests of the function's own.
    return found | set(re.findall(r'"(s3:[A-Za-z]+)"', (ROOT / "src/aws/s3.rs").read_text()))


LIVES = {  # by type: the properties of the Create, and the changes of the Update
    WORKFLOW: ({"RoleName": f"{PREFIX}-life", "Integrations": ["lambda:invoke"]}, {"Description": "other"}),
    EXECUTION: ({"RoleName": f"{PREFIX}-SageMaker-life", "Capabilities": ["Notebook"], "NamePrefix": "churn",
                 "VerifyAccess": "true"}, {"Capabilities": ["Training"]}),
    SETS: ({"RoleSet": "SetupStackSetExecution", "EnvName": f"{PREFIX}-life", "AdministratorAccountId": "123456789012",
            "AdministratorEnvName": "ops"}, {"EnvType": "prod"}),
    TARGET: ({"NamePrefix": f"{PREFIX}-life", "ModelBucketName": "models"}, {"ResourcePrefix": "team-"}),
    CATALOG: ({"Regions": REGION, "OnCreate": "Provision"}, {"Roles": "All"}),
}


def live(account, kind):
    """Creates, updates and deletes a resource. If the Update replaced it, the old one is deleted too."""
    given, changes = LIVES[kind]
    settling = {} if kind == CATALOG else {"SettleSeconds": "0"}
    one = account.resource(kind, **given, **settling)
    ok(one.create())
    former, old = dict(one.properties), one.physical_id
    ok(one.update(**changes))
    if one.physical_id != old:
        now, one.properties = one.properties, former
        ok(one.delete(old))
        one.properties = now
    ok(one.delete())


@pytest.mark.parametrize("kind", TYPES)
def test_nothing_is_refused_in_the_life_of_a_resource(submit, kind):
    def watched(account):
        with account.refusals() as refused:
            live(account, kind)
        assert refused == set()
    submit(watched).result()


def test_the_cases_make_every_call_that_the_code_can_make_and_the_role_has_each(accounts, outcomes):
    wait(outcomes.values())
    made = {action for account in accounts for action in account.calls()["allowed"]}
    assert made == in_the_code() - OF_THE_COMMAND_LINE | OF_LAMBDA
    assert made == {action for _, _, action in granted(accounts[0])}


# --- the decisions of ministack's evaluator alone, without the launcher's corrections ---

EVALUATOR = """
import json, sys
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document
documents, account, asked = json.load(sys.stdin)
policies = [parse_policy_document(document) for document in documents]
for action, resource, context in asked:
    context = {key.lower(): value for key, value in context.items()}
    print(evaluate(EvalContext(
        principal_arn=f"arn:aws:iam::{account}:role/function", principal_type="AssumedRole", principal_account=account,
        action=action, resource_arn=resource, region="eu-west-1", service_context=context), policies).decision)
"""


def evaluated(account, asked):
    """The decisions of the deployed policies on each (action, resource, context)."""
    documents = [document for _, document in account.policies().values()]
    python = os.environ.get("MINISTACK_PYTHON", ROOT / ".tools" / "ministack" / "bin" / "python")
    done = subprocess.run([python, "-c", EVALUATOR], input=json.dumps([documents, account.aws.account, asked]),
                          stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split()


BOUNDARY, POLICY, MARK = "iam:PermissionsBoundary", "iam:PolicyARN", f"aws:ResourceTag/{STACK_TAG}"
OURS, THEIRS, ELSEWHERE, USE_ROLE = f"role/{PREFIX}-made", "role/Admin", f"role/team/{PREFIX}-made", f"role{PATH}{USE}"
OWN, AWS_POLICY = f"policy/{PREFIX}-made-Policy", "arn:aws:iam::aws:policy/"
FULL = f"{AWS_POLICY}AmazonSageMakerFullAccess"  # a policy of the role sets, and of one of the service-catalog roles
ADMINISTRATOR = f"{AWS_POLICY}AdministratorAccess"


# A resource that begins with role/ or policy/ is in the account.
JUDGED = [
    ("CreateRole", OURS, {BOUNDARY: "its"}, "Allow"),
    ("CreateRole", OURS, {BOUNDARY: "narrower"}, "Allow"),
    ("CreateRole", OURS, {BOUNDARY: ADMINISTRATOR}, "ImplicitDeny"),
    ("CreateRole", OURS, {}, "ImplicitDeny"),
    ("CreateRole", THEIRS, {BOUNDARY: "its"}, "ImplicitDeny"),
    ("CreateRole", ELSEWHERE, {BOUNDARY: "its"}, "ImplicitDeny"),
    ("CreateRole", USE_ROLE, {BOUNDARY: "its"}, "Allow"),
    ("CreateRole", USE_ROLE, {}, "ImplicitDeny"),
    ("PutRolePolicy", OURS, {BOUNDARY: "its"}, "Allow"),
    ("PutRolePolicy", OURS, {}, "ImplicitDeny"),
    ("UpdateAssumeRolePolicy", OURS, {}, "ImplicitDeny"),
    ("PutRolePermissionsBoundary", OURS, {BOUNDARY: ADMINISTRATOR}, "ImplicitDeny"),
    ("AttachRolePolicy", OURS, {BOUNDARY: "its", POLICY: OWN}, "Allow"),
    ("AttachRolePolicy", OURS, {BOUNDARY: "its", POLICY: FULL}, "Allow"),
    ("AttachRolePolicy", OURS, {BOUNDARY: "its", POLICY: ADMINISTRATOR}, "ImplicitDeny"),
    ("AttachRolePolicy", OURS, {POLICY: OWN}, "ImplicitDeny"),
    ("AttachRolePolicy", OURS, {POLICY: FULL}, "ImplicitDeny"),
    ("AttachRolePolicy", THEIRS, {BOUNDARY: "its", POLICY: OWN}, "ImplicitDeny"),
    ("AttachRolePolicy", USE_ROLE, {BOUNDARY: "its", POLICY: FULL}, "Allow"),
    ("AttachRolePolicy", USE_ROLE, {BOUNDARY: "its", POLICY: ADMINISTRATOR}, "ImplicitDeny"),
    ("AttachRolePolicy", USE_ROLE, {POLICY: FULL}, "ImplicitDeny"),
    ("DeleteRole", OURS, {MARK: "x"}, "Allow"),
    ("DeleteRole", OURS, {}, "ImplicitDeny"),
    ("DeleteRole", THEIRS, {MARK: "x"}, "ImplicitDeny"),
    ("DeleteRole", USE_ROLE, {}, "Allow"),
    ("DetachRolePolicy", OURS, {POLICY: ADMINISTRATOR}, "ImplicitDeny"),
    ("DetachRolePolicy", OURS, {POLICY: ADMINISTRATOR, MARK: "x"}, "Allow"),
    ("UpdateRole", USE_ROLE, {}, "ImplicitDeny"),
    ("UpdateRole", USE_ROLE, {MARK: "x"}, "Allow"),
    ("DeleteRolePermissionsBoundary", OURS, {MARK: "x"}, "ImplicitDeny"),
    ("DeleteRolePermissionsBoundary", OURS, {f"aws:ResourceTag/{ADOPTED_TAG}": "x"}, "Allow"),
    ("CreatePolicyVersion", OWN, {}, "ImplicitDeny"),
    ("CreatePolicyVersion", OWN, {MARK: "x"}, "Allow"),
    ("DeletePolicy", "policy/theirs", {MARK: "x"}, "ImplicitDeny"),
    ("PassRole", OURS, {"iam:PassedToService": "sagemaker.amazonaws.com"}, "ImplicitDeny"),
]


def test_the_conditions_hold_without_the_launcher_too(accounts):
    account, ours = accounts[0], f"arn:aws:iam::{accounts[0].aws.account}:"
    known = {"its": account.outputs["PermissionsBoundaryArn"], "narrower": account.aws.policy_arn(NARROW_BOUNDARY),
             OWN: f"{ours}{OWN}"}
    asked = [(f"iam:{action}", f"{ours}{resource}", {key: known.get(value, value) for key, value in context.items()})
             for action, resource, context, _ in JUDGED]
    assert [*zip(asked, evaluated(account, asked))] == [*zip(asked, (decision for *_, decision in JUDGED))]


def test_no_action_reaches_the_function_itself_whatever_the_context(accounts):
    account = accounts[0]
    policies = [arn for arn, _ in account.policies().values() if arn]
    boundaries = [account.outputs["PermissionsBoundaryArn"], account.aws.policy_arn(NARROW_BOUNDARY)]
    guarded = [account.role_arn, *policies, *boundaries]
    context = {BOUNDARY: boundaries[0], POLICY: FULL, MARK: "x", f"aws:ResourceTag/{ADOPTED_TAG}": "x"}
    actions = sorted({action for _, _, action in granted(account)} - {"iam:GetPolicy"})
    asked = [(action, resource, context) for action in actions for resource in guarded]
    assert len(guarded) == 7 and set(evaluated(account, asked)) == {"Deny"}


def test_the_policies_that_iam_rs_evaluates_are_the_deployed_ones(accounts):
    account = accounts[0]
    text = json.dumps({name: policy for name, (_, policy) in account.policies().items()})
    text = re.sub(rf"({APP}-\w+?)-[0-9A-F]{{8,}}", r"\1", text.replace(account.aws.account, "123456789012"))
    text = re.sub(rf"({APP}-)[0-9a-f-]{{36}}\"", rf'\g<1>{"00000000-0000-0000-0000-000000000000"}"', text)
    kept = json.loads((ROOT / "tests/data/function_role.json").read_text())["policies"]
    assert json.loads(text) == kept


# --- the end ---

def test_nothing_stays_of_it(accounts, outcomes):
    wait(outcomes.values())
    for account in accounts:
        assert account.aws.world() == account.deployed
        stack_id = account.aws.cloudformation.describe_stacks(StackName=APP)["Stacks"][0]["StackId"]
        assert account.aws.delete_stack(stack_id) == "DELETE_COMPLETE"
        account.aws.iam.delete_policy(PolicyArn=account.aws.policy_arn(NARROW_BOUNDARY))
        assert account.aws.world() == account.before
