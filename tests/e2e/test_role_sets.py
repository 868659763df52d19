"""Tests of the role sets in one account: what is created, what changes, and what is refused."""

import pytest
from botocore.exceptions import ClientError

from conftest import APP
from local import REGION, ROOT, allow, unique
from role_sets import ALLOWED, LAUNCH, PATHS, TYPE, USE, at_once, found, narrowed, ok, published, table
from test_guardrails import ADMINISTRATOR

ACCOUNT, TRUSTED = "444444444444", "555555555555"
ENV, CORE = "ds-team-dev", "mlops-roles-core"
FORMS = {"AsPublished": published, "Narrowed": narrowed}
VPC = "arn:aws:iam::aws:policy/AmazonVPCFullAccess"
KEYS = "arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser"  # of CoreShared; not on the list of the deployer
NARROW, ABSENT = (f"arn:aws:iam::{ACCOUNT}:policy/{name}" for name in ("narrow-boundary", "absent-boundary"))


@pytest.fixture(scope="module")
def account(aws, aloud):
    """An account with a function that creates the sets. The role that a target account trusts is in another account."""
    trusted, one = aws.of(TRUSTED), aws.of(ACCOUNT)
    trusted.make_role(USE, Path="/service-role/")
    before = one.world()
    aloud(one.deploy, APP, EnabledTypes=TYPE, RoleNamePrefixes="ds-team,AmazonSageMaker", RolePaths=PATHS,
          AllowedManagedPolicyArns=ALLOWED, AllowPublishedIamWrites="true")
    yield one
    assert one.delete_stack(APP) == "DELETE_COMPLETE"
    assert one.world() == before
    trusted.delete_role(USE)


@pytest.fixture(scope="module")
def core(account):
    """The outputs of a second function, whose prefix allows the published names of one of the sets."""
    account.make_policy("narrow-boundary", allow("s3:*"))
    packaged = account.cloudformation.get_template(StackName=APP, TemplateStage="Original")["TemplateBody"]
    stack_id, status = account.create_stack(
        CORE, account.uploaded("templates", "packaged", packaged), EndpointUrl=account.endpoint, EnabledTypes=TYPE,
        RoleNamePrefixes="DSS,DataScience", NarrowerPermissionsBoundaryArns=f"{NARROW},{ABSENT}",
        AllowedManagedPolicyArns=ALLOWED, AllowPublishedIamWrites="true")
    assert status == "CREATE_COMPLETE", account.reasons(stack_id)
    yield account.outputs(stack_id)
    assert account.delete_stack(stack_id) == "DELETE_COMPLETE"
    account.iam.delete_policy(PolicyArn=NARROW)


@pytest.fixture
def asked(account, core, role_set):
    """Makes a set of published.json with events that the test sends directly."""
    functions = {"CoreShared": core["ServiceToken"]}

    def make(name, **properties):
        given = table("published.json", ACCOUNT, TRUSTED)[name]["properties"]
        return role_set(account, functions.get(name, account.outputs(APP)["ServiceToken"]), **given | properties)
    return make


@pytest.fixture
def same_account(account, core):
    """A check that the account is exactly as it was when the test began."""
    before = account.world()

    def check():
        assert account.world() == before
    return check


@pytest.fixture
def session(account):
    """The account as the role of a function."""
    return lambda app: account.session_of(account.resource_id(app, "FunctionRole")).iam


def denied(call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    assert raised.value.response["Error"]["Code"] == "AccessDenied", raised.value
    return True


# --- what is created ---

@pytest.mark.parametrize("fidelity", FORMS)
@pytest.mark.parametrize("name", table("published.json", ACCOUNT))
def test_a_set_is_what_its_tables_say_and_leaves_nothing(account, core, asked, same_account, name, fidelity):
    one = asked(name, Fidelity=fidelity)
    data = ok(one.create())
    roles, documents = FORMS[fidelity](name, ACCOUNT, TRUSTED)
    assert found(account, one.stack_id) == (roles, documents)
    boundary = core if name == "CoreShared" else account.outputs(APP)
    assert {account.role(role)["boundary"] for role in roles} == {boundary["PermissionsBoundaryArn"]}
    attributes = table("published.json", ACCOUNT, TRUSTED)[name]["attributes"]
    assert {key: data[key] for key in data if key not in ("BeyondBoundary", "Warnings")} == attributes
    made = account.world()
    assert ok(one.create()) == data and account.world() == made, "a second delivery finds the work done"
    ok(one.delete())
    same_account()


def test_the_example_deploys_as_it_stands_and_gives_the_outputs_of_the_guide(account, stack_of, same_account):
    stack_id = stack_of((ROOT / "examples" / "role-sets.yaml").read_text())
    arn = f"arn:aws:iam::{ACCOUNT}:role"
    assert account.outputs(stack_id) == {
        "AmazonSageMakerServiceCatalogProductsLaunchRoleArn": f"{arn}/service-role/{LAUNCH}",
        "AmazonSageMakerServiceCatalogProductsUseRoleArn": f"{arn}/service-role/{USE}",
        "AssumeDSAdministratorRole": "",
        "DSAdministratorRoleArn": "",
        "SageMakerDetectiveControlExecutionRoleArn": f"{arn}/ds-team-{REGION}-DSSageMakerDetectiveControlRole",
        "SCLaunchRoleArn": f"{arn}/ds-team-{REGION}-DSServiceCatalogLaunchRole",
        "AssumeTeamAdminRole": "",
        "AssumeDataScientistRole": "",
        "DSTeamAdministratorRoleArn": "",
        "DataScientistRoleArn": "",
        "SageMakerExecutionRoleArn": f"{arn}/{ENV}-SageMakerExecutionRole",
        "SageMakerPipelineExecutionRoleArn": f"{arn}/{ENV}-SageMakerPipelineExecutionRole",
        "SCProjectLaunchRoleArn": "",
        "SetupLambdaExecutionRoleArn": f"{arn}/{ENV}-SetupLambdaExecutionRole",
        "StackSetAdministrationRoleArn": f"{arn}/{ENV}-StackSetAdministrationRole",
        "VPCFlowLogsRoleArn": f"{arn}/{ENV}-VPCFlowLogsRole",
        "SageMakerModelExecutionRoleArn": f"{arn}/{ENV}-SageMakerModelExecutionRole",
        "SageMakerModelExecutionRoleName": f"{ENV}-SageMakerModelExecutionRole",
        "StackSetExecutionRoleArn": f"{arn}/{ENV}-StackSetExecutionRole",
        "StackSetExecutionRoleName": f"{ENV}-StackSetExecutionRole",
    }
    given = {value for key, value in account.outputs(stack_id).items() if key.endswith("Arn") and value}
    made = {arn for arn, held in account.world().items() if stack_id in held["tags"].values()}
    assert given == {arn for arn in made if ":role/" in arn}
    assert found(account, stack_id, "ServiceCatalogProjects") == narrowed("ServiceCatalogProjects", ACCOUNT)
    assert account.delete_stack(stack_id) == "DELETE_COMPLETE"
    same_account()


def test_what_the_boundary_denies_is_told_and_is_denied(account, asked):
    beyond = ok(asked("CoreShared").create())["BeyondBoundary"].split(", ")
    assert "iam:CreateRole" in beyond and "kms:CreateKey" not in beyond
    role, making = "DSServiceCatalogLaunchRole", ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/ds-team-x")
    assert account.decision(role, "kms:CreateKey") == "allowed"
    bounded = {"iam_PermissionsBoundary": account.role(role)["boundary"]}
    assert account.decision(role, *making, **bounded) == "implicitDeny"
    account.iam.delete_role_permissions_boundary(RoleName=role)
    assert account.decision(role, *making, **bounded) == "allowed"
    assert account.decision(role, *making) == "implicitDeny", "it makes no roles without a boundary"


# --- what changes ---

@pytest.fixture
def stack_of(account):
    """Creates a stack in the account and returns its id; the stack is deleted at the end."""
    made = []

    def create(template):
        text = at_once(template) if isinstance(template, str) else template
        stack_id, status = account.create_stack(unique("sets"), text)
        made.append(stack_id)
        assert status == "CREATE_COMPLETE", account.reasons(stack_id)
        return stack_id
    yield create
    for stack_id in made:
        assert account.delete_stack(stack_id) == "DELETE_COMPLETE", account.reasons(stack_id)


@pytest.fixture
def environment(account):
    """A template with the set `Environment` under these names."""
    def make(others=None, **names):
        properties = {"ServiceToken": account.outputs(APP)["ServiceToken"], "ServiceTimeout": 60, "SettleSeconds": 0}
        roles = {**properties, "RoleSet": "Environment", "EnvName": "ds-team", "RoleNames": names}
        resources = {"Roles": {"Type": TYPE, "Properties": roles}}
        if others:
            resources["Broken"] = {"Type": TYPE, "DependsOn": "Roles", "Properties": {**properties, **others}}
        return {"Resources": resources}
    return make


def ids(account):
    return {role.rpartition("/")[2]: held["id"] for role, held in account.world().items() if ":role/" in role}


def unnumbered(world):
    """The entities without the unique ids of roles, which IAM chooses."""
    return {arn: {key: value for key, value in held.items() if key != "id"} if isinstance(held, dict) else held
            for arn, held in world.items()}


def test_a_changed_name_makes_one_role_anew_and_leaves_the_others_be(account, stack_of, environment, same_account):
    stack_id = stack_of(environment())
    before = ids(account)
    assert account.update_stack(stack_id, environment(VPCFlowLogsRole="ds-team-flow-logs")) == "UPDATE_COMPLETE"
    after = ids(account)
    assert before.keys() - after.keys() == {f"{ENV}-VPCFlowLogsRole"}
    assert after.keys() - before.keys() == {"ds-team-flow-logs"}
    assert {name: after[name] for name in after.keys() & before.keys()}.items() <= before.items()
    assert account.delete_stack(stack_id) == "DELETE_COMPLETE"
    same_account()


def test_another_environment_stands_beside_the_old_one_whichever_way_the_update_ends(account, asked):
    one = asked("Environment")
    ok(one.create())
    first, old = account.world(), (one.physical_id, {"ServiceToken": one.function, **one.properties})
    ok(one.update(EnvType="test"))
    new, both = (one.physical_id, {"ServiceToken": one.function, **one.properties}), account.world()
    assert new[0] != old[0] and first.items() <= both.items()
    ok(one.delete(new[0], ResourceProperties=new[1]))
    assert account.world() == first, "what a rollback may send and nothing else"
    one.physical_id, one.properties = old
    ok(one.update(EnvType="test"))
    ok(one.delete(old[0], ResourceProperties=old[1]))
    assert {arn: held for arn, held in account.world().items() if arn not in both} == {}
    assert not account.world().keys() & {arn for arn in first if f"{ENV}-" in arn}


def test_an_update_whose_other_resource_fails_leaves_every_role_as_it_was(account, stack_of, environment):
    stack_id = stack_of(environment())
    before, kept = account.world(), ids(account)
    failing = environment({"RoleSet": "Environments"}, VPCFlowLogsRole="ds-team-flow-logs")
    assert account.update_stack(stack_id, failing) == "UPDATE_ROLLBACK_COMPLETE"
    assert any("`RoleSet`: found `Environments`" in reason for reason in account.reasons(stack_id))
    events = account.cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
    assert ("Roles", "UPDATE_COMPLETE") in {(one["LogicalResourceId"], one["ResourceStatus"]) for one in events}
    # The rollback created the renamed role again under its old name.
    assert unnumbered(account.world()) == unnumbered(before)
    assert {name for name in ids(account) if ids(account)[name] != kept[name]} == {f"{ENV}-VPCFlowLogsRole"}


# --- what is refused ---

def test_iam_lets_the_function_attach_the_policies_of_the_sets_inside_the_boundary_alone(
        account, asked, session, same_account):
    one, iam = asked("Environment"), session(APP)
    ok(one.create())
    role = f"{ENV}-VPCFlowLogsRole"
    iam.attach_role_policy(RoleName=role, PolicyArn=VPC)
    assert VPC in account.role(role)["attached"]
    for policy in (ADMINISTRATOR, "arn:aws:iam::aws:policy/IAMFullAccess", NARROW):
        assert denied(iam.attach_role_policy, RoleName=role, PolicyArn=policy)
    account.make_role("ds-team-unbounded")
    assert denied(iam.attach_role_policy, RoleName="ds-team-unbounded", PolicyArn=VPC)
    account.delete_role("ds-team-unbounded")
    ok(one.delete())
    same_account()


def test_a_switched_off_type_has_no_permission_and_makes_nothing_and_still_takes_its_sets_down(
        account, core, asked, session):
    one = asked("CoreShared")
    ok(one.create())
    made = found(account, one.stack_id)
    assert account.resource_id(CORE, "RoleSetsPolicy")
    assert account.update_stack(CORE, EnabledTypes="Custom::SageMakerExecutionRole") == "UPDATE_COMPLETE"
    try:
        assert account.resource_id(CORE, "RoleSetsPolicy") is None
        assert denied(session(CORE).attach_role_policy, RoleName="DSServiceCatalogLaunchRole", PolicyArn=KEYS)
        for answer in (one.update(Revision="2"), asked("CoreShared").send("Create")):
            assert answer["Status"] == "FAILED" and f"`{TYPE}` is disabled" in answer["Reason"], answer
        assert found(account, one.stack_id) == made
        ok(one.delete())
        assert found(account, one.stack_id) == ({}, {})
    finally:
        assert account.update_stack(CORE, EnabledTypes=TYPE) == "UPDATE_COMPLETE"


def test_a_boundary_that_does_not_exist_is_told_along_with_other_mistakes_before_anything_is_written(
        asked, same_account):
    answer = asked("CoreShared", PermissionsBoundary=ABSENT, Fidelity="Wide").create()
    assert answer["Status"] == "FAILED"
    for part in ("2 validation errors", f"policy `{ABSENT}` does not exist", "`Fidelity`: found `Wide`"):
        assert part in answer["Reason"], answer["Reason"]
    same_account()


def test_a_narrower_boundary_that_exists_is_set_on_every_role_and_holds(account, asked, same_account):
    one = asked("CoreShared", PermissionsBoundary=NARROW)
    ok(one.create())
    roles = found(account, one.stack_id)[0]
    assert len(roles) == 3 and {account.role(role)["boundary"] for role in roles} == {NARROW}
    assert account.decision("DSServiceCatalogLaunchRole", "kms:CreateKey") == "implicitDeny"
    ok(one.delete())
    same_account()
