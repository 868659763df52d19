"""Tests of the deploy target: the example as it is, used with real calls, and what is refused."""


import pytest
from botocore.exceptions import ClientError

from conftest import APP
from local import REGION, ROOT
from role_sets import DEPLOY_TARGET, found, ok, plain, table
from test_guardrails import ADMINISTRATOR

ACCOUNT = "666666666666"
BUCKET = f"bridge-models-{ACCOUNT}-{REGION}"
EXECUTION, FULL = "bridge-sagemaker-execution", "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
ROLES = {"InitDestroyPolicy": "InitDestroyRole", "RunPolicy": "RunRole"}


@pytest.fixture(scope="module")
def account(aws, aloud):
    """An account with a function that creates deploy targets, and with the users of the tool."""
    one = aws.of(ACCOUNT)
    before = one.world()
    aloud(one.deploy, APP, EnabledTypes=DEPLOY_TARGET, RoleNamePrefixes="bridge")
    for user in ("operator", "runner"):
        one.make_role(user)
    yield one
    for user in ("operator", "runner"):
        one.delete_role(user)
    assert one.delete_stack(APP) == "DELETE_COMPLETE"
    assert one.world() == before


@pytest.fixture(scope="module")
def example(account):
    """The stack of the example."""
    before = account.world()
    stack_id, status = account.create_stack("bridge", (ROOT / "examples" / "deploy-target.yaml").read_text(),
                                            OperatorArn=account.role_arn("operator"),
                                            RunnerArn=account.role_arn("runner"))
    assert status == "CREATE_COMPLETE", account.reasons(stack_id)
    yield stack_id
    assert account.delete_stack(stack_id) == "DELETE_COMPLETE"
    assert account.world() == before


@pytest.fixture(scope="module")
def outputs(account, example):
    return account.outputs(example)


@pytest.fixture
def operator(account, outputs):
    """The account as the user who calls init and destroy."""
    return account.session_of("operator").assume(outputs["InitDestroyRoleArn"])


@pytest.fixture
def runner(account, outputs):
    """The account as the process that calls run."""
    return account.session_of("runner").assume(outputs["RunRoleArn"])


@pytest.fixture
def target(account, role_set):
    """Makes a deploy target whose events the test sends directly, beside that of the example."""
    def make(**properties):
        return role_set(account, account.outputs(APP)["ServiceToken"], of_type=DEPLOY_TARGET, **properties)
    return make


def denied(call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    assert raised.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"), raised.value
    return True


def blessed(file, account=ACCOUNT):
    return {arn: plain(one) for arn, one in table(file, account)["policies"].items()}


def test_the_role_and_the_policies_are_what_was_blessed(account, example, outputs):
    roles, documents = found(account, example, "Target")
    trust = table("differences.json", ACCOUNT)["DeployTarget"][f"{EXECUTION}, trust"]["narrowed"]
    assert roles == {EXECUTION: {"path": "/", "session": 3600, "tags": {},
                                 "attached": {account.policy_arn(EXECUTION)}}}
    assert documents.pop(f"{EXECUTION}, trust")["Statement"] == plain(trust)
    assert documents == blessed("DeployTarget.policy.json")
    assert outputs["ExecutionRoleArn"] == account.role_arn(EXECUTION)
    assert account.role(EXECUTION)["boundary"] == account.outputs(APP)["PermissionsBoundaryArn"]


def test_the_roles_of_the_template_have_the_policies_and_trust_who_was_named(account, outputs):
    for role, policy, user in (("InitDestroyRole", "bridge-init-destroy", "operator"),
                               ("RunRole", "bridge-run", "runner")):
        held = account.role(outputs[f"{role}Arn"].rpartition("/")[2])
        assert held["attached"] == {account.policy_arn(policy)}
        assert held["trust"][0]["Principal"] == {"AWS": [account.role_arn(user)]}
    assert denied(account.session_of("operator").assume, role=outputs["RunRoleArn"])
    assert denied(account.session_of("runner").assume, role=outputs["InitDestroyRoleArn"])


def test_what_the_tool_does_from_init_to_destroy_and_nothing_beside_it(account, operator, runner):
    place = {"CreateBucketConfiguration": {"LocationConstraint": REGION}}
    account.s3.create_bucket(Bucket="somebodys-bucket", **place)
    account.s3.put_object(Bucket="somebodys-bucket", Key="m", Body=b"m")

    operator.s3.create_bucket(Bucket=BUCKET, **place)
    for call in (operator.s3.create_bucket, runner.s3.create_bucket):
        assert denied(call, Bucket=f"{BUCKET}-x", **place)
    assert denied(operator.s3.delete_bucket, Bucket="somebodys-bucket")
    assert denied(operator.s3.delete_object, Bucket="somebodys-bucket", Key="m")

    runner.s3.put_object(Bucket=BUCKET, Key="churn/1/model.tar.gz", Body=b"m")
    runner.s3.put_object(Bucket=BUCKET, Key="churn/2/model.tar.gz", Body=b"m")
    listed = [one["Key"] for one in runner.s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert listed == ["churn/1/model.tar.gz", "churn/2/model.tar.gz"]
    runner.s3.delete_object(Bucket=BUCKET, Key=listed[0])
    assert denied(runner.s3.put_object, Bucket="somebodys-bucket", Key="m", Body=b"x")
    assert denied(runner.s3.list_objects_v2, Bucket="somebodys-bucket")
    assert denied(runner.s3.delete_object, Bucket="somebodys-bucket", Key="m")
    assert denied(runner.s3.delete_bucket, Bucket=BUCKET)

    model = account.session_of(EXECUTION).s3
    assert model.get_object(Bucket=BUCKET, Key=listed[1])["Body"].read() == b"m"
    assert denied(model.put_object, Bucket=BUCKET, Key=listed[1], Body=b"x")
    assert denied(model.get_object, Bucket="somebodys-bucket", Key="m")
    assert denied(operator.s3.get_object, Bucket=BUCKET, Key=listed[1])

    assert denied(runner.s3.get_object, Bucket=BUCKET, Key=listed[1])
    operator.s3.delete_object(Bucket=BUCKET, Key=listed[1])
    operator.s3.delete_bucket(Bucket=BUCKET)
    account.s3.delete_object(Bucket="somebodys-bucket", Key="m")
    account.s3.delete_bucket(Bucket="somebodys-bucket")


def test_nobody_makes_himself_or_the_role_wider(account, operator, runner):
    before = account.world()
    for one in (operator, runner):
        for policy in (ADMINISTRATOR, FULL, account.policy_arn("bridge-run")):
            assert denied(one.iam.attach_role_policy, RoleName=EXECUTION, PolicyArn=policy)
        assert denied(one.iam.put_role_policy, RoleName=EXECUTION, PolicyName="x", PolicyDocument="{}")
        assert denied(one.iam.create_role, RoleName="bridge-x", AssumeRolePolicyDocument="{}")
        assert denied(one.iam.attach_role_policy, RoleName="operator", PolicyArn=account.policy_arn("bridge-run"))
    assert account.world() == before
    operator.iam.attach_role_policy(RoleName=EXECUTION, PolicyArn=account.policy_arn(EXECUTION))
    assert account.world() == before, "it has it already"


@pytest.mark.parametrize("policy", ["InitDestroyPolicy", "RunPolicy", "ExecutionPolicy"])
def test_every_call_is_decided_as_the_tables_say(account, outputs, policy):
    role = outputs[f"{ROLES[policy]}Arn"].rpartition("/")[2] if policy in ROLES else EXECUTION
    wrong, calls = [], table("deploy_target.calls.json", ACCOUNT)[policy]
    boundary = account.outputs(APP)["PermissionsBoundaryArn"]
    # The published table has the AWS managed policy, which a scoped role does not get.
    calls = [call for call in calls if FULL not in call.get("context", {}).values()]
    for call in calls:
        context = {key.replace(":", "_"): boundary if value.endswith("/mlops-roles-Boundary") else value
                   for key, value in call.get("context", {}).items()}
        if (account.decision(role, call["action"], call["resource"], **context) == "allowed") != call["allowed"]:
            wrong.append(call)
    assert len(calls) > 40 and wrong == []


def test_the_policy_of_aws_is_for_the_deployer_to_allow(account, example, target):
    before = account.world()
    one = target(NamePrefix="bridge-full", ExecutionPolicy="AmazonSageMakerFullAccess")
    answer = one.create()
    assert answer["Status"] == "FAILED"
    assert f"`{FULL}` is not in the deployer's `AllowedManagedPolicyArns`" in answer["Reason"]
    assert account.world() == before
    assert account.update_stack(APP, AllowedManagedPolicyArns=FULL) == "UPDATE_COMPLETE"
    ok(one.create())
    roles, documents = found(account, one.stack_id)
    assert {name: role["attached"] for name, role in roles.items()} == {"bridge-full-sagemaker-execution": {FULL}}
    assert {arn.rpartition("/")[2] for arn in documents if ":policy/" in arn} == {
        "bridge-full-init-destroy", "bridge-full-run"}
    ok(one.delete())
    assert account.update_stack(APP, AllowedManagedPolicyArns="") == "UPDATE_COMPLETE"
    assert account.world() == before


def test_the_function_has_no_permission_for_the_other_sets(account):
    assert account.resource_id(APP, "RoleSetsPolicy") is None


def test_all_mistakes_come_at_once_and_nothing_is_made(account, target):
    before = account.world()
    mistakes = {"ExecutionPolicy": "Wide", "ModelBucketName": "Models", "Fidelty": "Narrowed"}
    answer = target(NamePrefix="bridge-x", **mistakes).create()
    assert answer["Status"] == "FAILED"
    for part in ("3 validation errors", "`ExecutionPolicy`: found `Wide`", "`ModelBucketName`: found `Models`", "`Fidelty`"):
        assert part in answer["Reason"], answer["Reason"]
    assert account.world() == before
