"""Tests with the accounts dev, staging and production. Each has a function of its own. They show which role of one
account may assume which role of another."""

import hashlib
import io
import json
import subprocess
import zipfile

import pytest
from botocore.exceptions import ClientError

from conftest import APP
from local import REGION, ROOT, TEMPLATE
from role_sets import PATHS, TYPE, USE, at_once, found, ok
from test_guardrails import ADMINISTRATOR

DEV, STAGING, PRODUCTION = (digit * 12 for digit in "123")
# Two target accounts without the roles of a dev account. EMPTY never had these roles; those of ABANDONED were deleted.
EARLY, LATE, EMPTY, ABANDONED = "777777777777", "888888888888", "999999999999", "121212121212"
OTHER_REGION = "eu-central-1"
ENV = "ds-team-dev"
MODEL, EXECUTE, ADMINISTRATE, SETUP = (
    f"{ENV}-{role}" for role in ("SageMakerModelExecutionRole", "StackSetExecutionRole", "StackSetAdministrationRole",
                                 "SetupStackSetExecutionRole"))
PASSABLE = (f"arn:aws:iam::{DEV}:role/*SageMaker*,arn:aws:iam::*:role/*SageMakerModelExecution*,"
            "arn:aws:iam::*:role/*StackSetExecution*")
ROLES = "ds-team-roles"
SETUP_LAMBDA = f"{ENV}-SetupLambdaExecutionRole"


def targets_stack(account):
    """The name of an account's stack, unique as with StackSets. Otherwise the names that ministack derives from it
    clash."""
    return f"StackSet-ds-team-targets-{account.account}-{account.region}"


@pytest.fixture(scope="module")
def dev(aws, aloud):
    """The dev account with the function and the stack of examples/role-sets.yaml."""
    one = aws.of(DEV)
    before = one.world()
    aloud(one.deploy, APP, EnabledTypes=TYPE, RoleNamePrefixes="ds-team-,AmazonSageMaker", RolePaths=PATHS,
          PassableRoleArns=PASSABLE)
    example = (ROOT / "examples" / "role-sets.yaml").read_text()
    stack_id, status = one.create_stack(ROLES, at_once(example))
    assert status == "CREATE_COMPLETE", one.reasons(stack_id)
    yield one
    for stack in (ROLES, APP):
        assert one.delete_stack(stack) == "DELETE_COMPLETE"
    assert one.world() == before


@pytest.fixture(scope="module")
def roll_out(tmp_path_factory):
    """Starts the stack that a stack set would create in an account, and returns its id."""
    output = tmp_path_factory.mktemp("stackset") / "template.json"
    subprocess.run([ROOT / ".tools/sam/bin/python", "examples/stackset/synthesize.py", "template.yaml",
                    "examples/stackset/target-account.yaml", output], cwd=ROOT, check=True)
    template = json.loads(output.read_text())
    for one in template["Resources"].values():
        if one["Type"] == TYPE:
            one["Properties"]["SettleSeconds"] = 0
    bootstrap, archive = (TEMPLATE.parent / "Function/bootstrap").read_bytes(), io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr, entry.compress_type = 0o755 << 16, zipfile.ZIP_DEFLATED
        packed.writestr(entry, bootstrap)
    key = f"mlops-roles/{hashlib.sha256(bootstrap).hexdigest()[:16]}.zip"

    def start(account, stage, administrator=DEV):
        # In ministack a bucket belongs to one account. On AWS, all targets read the bucket of the administrator.
        prefix = f"ds-team-code-{account.account}"
        bucket = f"{prefix}-{account.region}"
        account.uploaded(bucket, key, archive.getvalue())
        url = account.uploaded(bucket, "mlops-roles/template.json", json.dumps(template))
        return account.start_stack(
            targets_stack(account), url, EndpointUrl=account.endpoint, EnvType=stage, EnvName="ds-team",
            RoleNamePrefixes="ds-team-", CodeBucketPrefix=prefix, CodeKey=key, AdministratorAccountId=administrator,
            ModelS3KmsKeyArn="*", ModelBucketName=f"{ENV}-{REGION}-{administrator}-models",
            SageMakerModelExecutionRoleName=MODEL, StackSetExecutionRoleName=EXECUTE,
            SetupStackSetExecutionRoleName=SETUP)
    return start


@pytest.fixture(scope="module")
def targets(aws, dev, roll_out, too_early):
    """The accounts staging and production, by stage."""
    accounts = {"staging": aws.of(STAGING), "prod": aws.of(PRODUCTION)}
    before = {stage: account.world() for stage, account in accounts.items()}
    stacks = {stage: roll_out(account, stage) for stage, account in accounts.items()}
    for stage, account in accounts.items():
        assert account.settled(stacks[stage]) == "CREATE_COMPLETE", account.reasons(stacks[stage])
    yield accounts
    for stage, account in accounts.items():
        assert account.delete_stack(stacks[stage]) == "DELETE_COMPLETE", account.reasons(stacks[stage])
        assert account.world() == before[stage]


@pytest.fixture(scope="module")
def too_early(aws, roll_out):
    """Stacks that fail, with their accounts. The function waits 30 s before it believes the refusal, so they start
    before anything else."""
    gone = aws.of(ABANDONED)
    gone.make_role(USE, Path="/service-role/")
    gone.delete_role(USE)
    started = {EMPTY: aws.of(EARLY), ABANDONED: aws.of(LATE)}
    return {administrator: (account, roll_out(account, "staging", administrator))
            for administrator, account in started.items()}


@pytest.fixture(scope="module")
def staging(targets):
    return targets["staging"]


@pytest.fixture(scope="module")
def production(targets):
    return targets["prod"]


@pytest.fixture
def administrator():
    """Makes a role with administrator permissions in an account, and returns the account as that role."""
    made = []

    def make(account, name="Administrator"):
        account.make_role(name)
        made.append((account, name))
        account.iam.attach_role_policy(RoleName=name, PolicyArn=ADMINISTRATOR)
        return account.session_of(name)
    yield make
    for account, name in made:
        account.delete_role(name)


def may_assume(caller, account, role):
    try:
        caller.assume(account.role_arn(role))
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied", error
        return False
    return True


def allowed(caller, target, roles=(MODEL, EXECUTE, SETUP)):
    """The pairs of a role of one account and a role of the other that it may assume."""
    names = [role["RoleName"] for role in caller.iam.list_roles()["Roles"]]
    return {(name, role) for name in names for role in roles if may_assume(caller.session_of(name), target, role)}


# --- what each account gets ---

def test_the_targets_get_their_roles_under_the_names_of_dev(dev, targets):
    of_dev = dev.outputs(ROLES)
    for stage, account in targets.items():
        stack_id = account.cloudformation.describe_stacks(StackName=targets_stack(account))["Stacks"][0]["StackId"]
        outputs = account.outputs(stack_id)
        for role in ("SageMakerModelExecutionRole", "StackSetExecutionRole"):
            assert outputs[f"{role}Name"] == of_dev[f"{role}Name"]
            assert outputs[f"{role}Arn"] == of_dev[f"{role}Arn"].replace(DEV, account.account)
        roles, documents = found(account, stack_id, "TargetAccountRoles")
        assert roles.keys() == {MODEL, EXECUTE}
        assert found(account, stack_id, "SetupStackSetExecution")[0].keys() == {SETUP}
        assert [role["tags"] for role in roles.values()] == [
            {"EnvironmentName": "ds-team", "EnvironmentType": stage}] * 2
        assert of_dev["AmazonSageMakerServiceCatalogProductsUseRoleArn"] in str(documents[f"{MODEL}, trust"])
        assert {account.role(role)["boundary"] for role in (MODEL, EXECUTE, SETUP)} == {
            outputs["PermissionsBoundaryArn"]}


# --- who may assume which role ---

def test_of_dev_the_pipelines_role_and_the_stack_sets_role_get_in_each_where_it_belongs(dev, targets, administrator):
    administrator(dev)
    for account in targets.values():
        assert allowed(dev, account) == {
            (USE, MODEL), (ADMINISTRATE, EXECUTE), (SETUP_LAMBDA, EXECUTE), (ADMINISTRATE, SETUP)}
    assert allowed(dev, dev, (MODEL, EXECUTE)) == {(USE, MODEL), (ADMINISTRATE, EXECUTE), (SETUP_LAMBDA, EXECUTE)}


def test_no_target_gets_into_another_or_into_dev(dev, staging, production, administrator):
    for one, others in ((staging, (production, dev)), (production, (staging, dev))):
        administrator(one)
        for other in others:
            roles = [role["RoleName"] for role in other.iam.list_roles()["Roles"]]
            assert allowed(one, other, roles) == set()


def test_as_published_an_administrator_of_dev_gets_in_too(dev, staging, administrator, role_set):
    function = staging.outputs(targets_stack(staging))["ServiceToken"]
    one = role_set(staging, function, "TargetAccount", Fidelity="AsPublished", EnvName="ds-team", EnvType="wide",
                   AdministratorAccountId=DEV, AdministratorEnvName="ds-team", ModelS3KmsKeyArn="*",
                   ModelBucketName="models")
    wide = ok(one.create())["StackSetExecutionRoleName"]
    caller = administrator(dev)
    assert may_assume(caller, staging, wide) and not may_assume(caller, staging, EXECUTE)
    ok(one.update(Fidelity="Narrowed"))
    assert not may_assume(caller, staging, wide) and may_assume(dev.session_of(ADMINISTRATE), staging, wide)


def test_the_boundary_of_dev_holds_them_back_without_passable_role_arns(dev, staging):
    assert dev.update_stack(APP, PassableRoleArns="") == "UPDATE_COMPLETE"
    try:
        # The default pattern is of the own account only, so the boundary denies roles elsewhere, whatever the policies
        # say.
        assert allowed(dev, staging) == set()
        assert allowed(dev, dev, (MODEL, EXECUTE)) == {(USE, MODEL)}
    finally:
        assert dev.update_stack(APP, PassableRoleArns=PASSABLE) == "UPDATE_COMPLETE"
    assert (USE, MODEL) in allowed(dev, staging)


def test_who_got_in_can_do_there_what_the_role_is_for(dev, staging):
    inside = dev.session_of(USE).assume(staging.role_arn(MODEL))
    assert inside.client("sts").get_caller_identity()["Account"] == STAGING
    endpoint = f"arn:aws:sagemaker:{REGION}:{STAGING}:endpoint/churn"
    for action, resource, decision in (("sagemaker:CreateEndpoint", endpoint, "allowed"),
                                       ("sagemaker:CreateEndpoint", endpoint.replace(STAGING, DEV), "implicitDeny"),
                                       ("s3:GetObject", f"arn:aws:s3:::{ENV}-{REGION}-{DEV}-models/m", "allowed"),
                                       ("s3:GetObject", "arn:aws:s3:::other/m", "implicitDeny")):
        assert staging.decision(MODEL, action, resource) == decision, (action, resource)
    with pytest.raises(ClientError, match="AccessDenied"):
        inside.iam.create_user(UserName="x")


# --- what is refused ---

def test_a_second_region_is_refused_by_the_name_of_the_first_which_stays_as_it_was(staging, roll_out):
    elsewhere, before = staging.in_region(OTHER_REGION), staging.world()
    stack_id = roll_out(elsewhere, "staging")
    assert elsewhere.settled(stack_id) == "ROLLBACK_COMPLETE"
    reason = next(reason for reason in elsewhere.reasons(stack_id) if "belongs to" in reason)
    assert f"belongs to a stack in {REGION}" in reason and f"`{ENV}-S" in reason, reason
    assert elsewhere.delete_stack(stack_id) == "DELETE_COMPLETE"
    assert staging.world() == before


def test_a_use_role_that_was_made_anew_gets_in_again_with_another_revision(dev, targets):
    example = at_once((ROOT / "examples" / "role-sets.yaml").read_text())
    before, arn = dev.role(USE), dev.outputs(ROLES)["AmazonSageMakerServiceCatalogProductsUseRoleArn"]
    dev.delete_role(USE)
    for account in (dev, *targets.values()):
        assert arn not in str(account.role(MODEL)["trust"]) and before["id"] in str(account.role(MODEL)["trust"])
    revised = example.replace("      RoleSet: ", "      Revision: 2\n      RoleSet: ")
    dev.cloudformation.update_stack(StackName=ROLES, TemplateBody=revised)
    assert dev.settled(ROLES) == "UPDATE_COMPLETE", dev.reasons(ROLES)
    again = dev.role(USE)
    assert again["id"] != before["id"] and {**again, "id": ""} == {**before, "id": ""}
    for account in targets.values():
        assert not may_assume(dev.session_of(USE), account, MODEL)
        stack = targets_stack(account)
        assert account.update_stack(stack, Revision="2") == "UPDATE_COMPLETE", account.reasons(stack)
        assert arn in str(account.role(MODEL)["trust"]) and may_assume(dev.session_of(USE), account, MODEL)
    assert may_assume(dev.session_of(USE), dev, MODEL)


def test_a_target_whose_type_is_switched_off_loses_its_roles_by_the_same_update(staging):
    stack = targets_stack(staging)
    assert staging.update_stack(stack, EnabledTypes="Custom::SageMakerExecutionRole") == "UPDATE_COMPLETE"
    try:
        assert [role for role in (MODEL, EXECUTE, SETUP) if staging.role(role)] == []
        assert staging.resource_id(stack, "RoleSetsPolicy") is None
    finally:
        assert staging.update_stack(stack, EnabledTypes=TYPE) == "UPDATE_COMPLETE", staging.reasons(stack)
    assert staging.role(MODEL)


@pytest.mark.parametrize("administrator", [EMPTY, ABANDONED], ids=["never_made", "taken_down"])
def test_a_target_of_a_dev_account_without_its_use_role_fails_by_the_name_of_it_and_leaves_nothing(
        too_early, administrator):
    account, stack_id = too_early[administrator]
    assert account.settled(stack_id) == "ROLLBACK_COMPLETE"
    reason = next(reason for reason in account.reasons(stack_id) if "rincipal" in reason)
    assert f"arn:aws:iam::{administrator}:role/service-role/{USE}" in reason and MODEL in reason, reason
    assert account.delete_stack(stack_id) == "DELETE_COMPLETE" and account.world() == {}
