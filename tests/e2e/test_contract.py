"""The contract tests of CloudFormation's registry, by their names, for every resource type of the function.

The originals are in aws-cloudformation/cloudformation-cli, src/rpdk/core/contract/suite/resource/. A custom resource
has no read and list handlers, and no error codes. Instead, "read" reads the account, and "list" lists what has the
owner's tags. If the protocols differ otherwise, the docstring of the test says how.
"""

import re
from contextlib import contextmanager

import pytest

from conftest import APP, Resource
from contract import ACCOUNT, KINDS, LOGICAL_ID, arns
from local import LOGICAL_TAG, STACK_TAG
from power import CATALOG, EXECUTION, TYPES, Account, ok
from role_sets import found
from test_power import OF_LAMBDA

NO_TAGS = "`Tags`: no such property"
INVENTED_ID = f"direct-{LOGICAL_ID}-1ABCDEFGHIJKL"


@pytest.fixture(scope="module")
def account(aws, aloud):
    """An account with a function on which every type is enabled."""
    one = aws.of(ACCOUNT)
    before = one.world()
    enabled = {"EnabledTypes": ",".join(TYPES), "RoleNamePrefixes": "ds-team,bridge", "RolePaths": "/,/team/"}
    yield Account(one, aloud(one.deploy, APP, **enabled), before, one.world())
    assert one.delete_stack(APP) == "DELETE_COMPLETE"
    assert one.world() == before


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def asked(account, kind):
    """Makes a resource whose events the test sends directly. At the end it is deleted, and nothing of it is left."""
    made = []

    def make(stack_id="", logical_id=LOGICAL_ID, **more):
        properties = {**kind.properties, **more}
        made.append(Resource(account.aws, account.outputs["ServiceToken"], properties, logical_id, kind.type, stack_id))
        return made[-1]
    yield make
    for one in made:
        if one.physical_id:
            ok(one.delete())
    assert account.aws.world() == account.deployed


@pytest.fixture
def created(asked):
    """Makes such a resource, creates it, and returns it with the response."""
    return lambda **more: (one := asked(**more), ok(one.create()))


@pytest.fixture
def read(account, kind):
    """Checks that IAM has the desired state, and that the response describes it."""
    def check(one, answer, changed=False):
        roles, documents, data = kind.asked(one, changed)
        assert answer["PhysicalResourceId"] == kind.id(one)
        assert found(account.aws, one.stack_id, LOGICAL_ID) == (roles, documents)
        assert {account.aws.role(name)["boundary"] for name in roles} == {account.outputs["PermissionsBoundaryArn"]}
        told = dict(answer["Data"])
        assert not told.pop("Warnings", "") and not told.pop("NotVerified", "")
        assert {key: value for key, value in told.items() if key != "BeyondBoundary"} == data
    return check


@pytest.fixture
def listed(account):
    """Returns the entities with the owner's tags, in full. Everything else in the account is as before."""
    def find(one):
        owner, world = {STACK_TAG: one.stack_id, LOGICAL_TAG: one.logical_id}, account.aws.world()
        owned = {arn: held for arn, held in world.items() if owner.items() <= held["tags"].items()}
        assert world == account.deployed | owned
        return owned
    return find


@pytest.fixture
def no_write(account):
    """Checks that the function makes no call that could change anything."""
    @contextmanager
    def watch():
        before, world = account.calls(), account.aws.world()
        yield
        calls = {action for outcome, counts in account.calls().items() for action, times in counts.items()
                 if times > before[outcome].get(action, 0)}
        assert calls & OF_LAMBDA, "there is a record"
        assert [one for one in calls - OF_LAMBDA if not re.match(r"\w+:(Get|List|Describe)", one)] == []
        assert account.aws.world() == world
    return watch


def failed(answer, reason):
    assert answer["Status"] == "FAILED" and reason in answer["Reason"], answer


def tags(**given):
    return {"Tags": [{"Key": key, "Value": value} for key, value in given.items()]}


def test_contract_check_asserts_work(account):
    """The function's message about an unknown type lists exactly the types of the table."""
    with pytest.raises(AssertionError):
        assert not KINDS
    answer = Resource(account.aws, account.outputs["ServiceToken"], {}, LOGICAL_ID, "X").create()
    assert {*re.findall(r"Custom::\w+", answer["Reason"])} == KINDS.keys() == {*TYPES}


# --- create ---

def test_contract_create_create(kind, asked, created, listed, no_write):
    """An event that Lambda delivers twice gets the same response twice. Another resource with these names fails, and
    its Delete leaves the roles alone. Service-catalog roles that already exist are left alone too."""
    one, first = created()
    with no_write():
        assert ok(one.send("Create", RequestId=first["RequestId"])) == first
    owned, names = listed(one), {"RoleName": one.physical_id} if kind.type == EXECUTION else {}
    for other in (asked(**names), asked(one.stack_id, "Other", **names)):
        with no_write():
            answer = other.create()
            if kind.type == CATALOG:
                assert ok(answer)["Data"]["KeptRoles"] == first["Data"]["ProvisionedRoles"]
            else:
                failed(answer, f"belongs to resource `{LOGICAL_ID}` of stack `{one.stack_id}`")
            ok(other.delete())
    assert listed(one) == owned


def test_contract_create_read(created, read):
    read(*created())


def test_contract_create_list(kind, created, listed):
    one, _ = created()
    assert listed(one).keys() == arns(kind.asked(one, False))


def test_contract_create_delete(created, account):
    """The response repeats the physical id."""
    one, answer = created()
    assert ok(one.delete())["PhysicalResourceId"] == answer["PhysicalResourceId"]
    assert account.aws.world() == account.deployed


def test_contract_create_taggable(kind, asked, listed):
    """The service-catalog type has no property `Tags`, so it is refused like any unknown property."""
    one = asked(**tags(team="a"))
    if kind.type == CATALOG:
        failed(one.create(), NO_TAGS)
    else:
        ok(one.create())
    assert {held["tags"].get("team") for held in listed(one).values()} == (set() if kind.type == CATALOG else {"a"})


# --- update ---

def test_contract_update_read(kind, created, read):
    one, _ = created()
    read(one, ok(one.update(**kind.change)), changed=True)


def test_contract_update_list(kind, created, listed):
    """A role that is desired before and after the Update stays the same role."""
    one, _ = created()
    before = listed(one)
    ok(one.update(**kind.change))
    after = listed(one)
    assert after.keys() == arns(kind.asked(one, True))
    assert {after[arn]["id"] == before[arn]["id"] for arn in after.keys() & before if "id" in after[arn]} == {True}


def test_contract_update_tag_updatable(kind, created, listed):
    """The service-catalog type has no tags here either."""
    one, _ = created(**tags(team="a", old="x") if kind.type != CATALOG else {})
    wanted, answer = listed(one), one.update(**tags(team="b", new="y"))
    if kind.type != CATALOG:
        ok(answer)
        for held in wanted.values():
            assert held["tags"].pop("old") == "x"
            held["tags"] |= {"team": "b", "new": "y"}
    else:
        failed(answer, NO_TAGS)
    assert wanted and listed(one) == wanted


def test_contract_create_update_noop(kind, created, no_write):
    """This test is of an earlier suite, which expected a failure. CloudFormation sends no Update without a change, but
    Lambda may deliver any event twice."""
    one, first = created()
    with no_write():
        assert ok(one.update()) | {"RequestId": ""} == first | {"RequestId": ""}
    former, changed = one.properties, ok(one.update(**kind.change))
    again = {"PhysicalResourceId": one.physical_id, "OldResourceProperties": former, "RequestId": changed["RequestId"]}
    with no_write():
        assert ok(one.send("Update", **again)) == changed


def test_contract_update_without_create(kind, asked, read):
    """The original expects NotFound. Here an Update brings the account to the desired state, even if somebody deleted
    everything."""
    one = asked()
    one.physical_id = kind.id(one)
    read(one, ok(one.update(**kind.change)), changed=True)


def test_contract_update_create_only_property(kind, created, listed, no_write):
    """This test is of an earlier suite, which expected NotUpdatable. A custom resource is replaced: it gets another id,
    and the old roles exist until their Delete. The names of the service-catalog roles are fixed, and an Update does not
    reverse what the Create did."""
    one, _ = created()
    old, former, before = one.physical_id, {"ServiceToken": one.function, **one.properties}, listed(one)
    if kind.type == CATALOG:
        with no_write():
            assert ok(one.update(**kind.create_only))["PhysicalResourceId"] == old
        return
    assert ok(one.update(**kind.create_only))["PhysicalResourceId"] != old
    both = listed(one)
    new = {arn: held for arn, held in both.items() if arn not in before}
    assert both == before | new and len(new) == len(before)
    ok(one.delete(old, ResourceProperties=former))
    assert listed(one) == new


REPLACED = pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.kept], indirect=True)


@REPLACED
def test_contract_update_create_only_property_that_keeps_a_name(kind, created, no_write):
    """The Update is refused, because no name can serve the old and the new resource."""
    one, _ = created(**kind.kept)
    with no_write():
        failed(one.update(**kind.create_only), kind.refusal)


@REPLACED
def test_contract_update_create_only_property_to_a_name_of_others(kind, created, no_write):
    """The Update is refused, as a Create would be."""
    other, _ = created(**kind.create_only)
    one, _ = created()
    taken = {"RoleName": other.physical_id} if kind.type == EXECUTION else kind.create_only
    with no_write():
        failed(one.update(**taken), f"belongs to resource `{LOGICAL_ID}` of stack `{other.stack_id}`")


# --- delete ---

def test_contract_delete_read(kind, created, account):
    one, _ = created()
    aws, made = account.aws, arns(kind.asked(one, False))

    def there():
        return {arn for arn in made if (aws.policy(arn) if ":policy/" in arn else aws.role(arn.rpartition("/")[2]))}
    assert made == there()
    ok(one.delete())
    assert there() == set()


def test_contract_delete_list(created, listed):
    one, _ = created()
    assert listed(one)
    ok(one.delete())
    assert listed(one) == {}


def test_contract_delete_update(kind, created, read):
    """The Update works as one without a Create does."""
    one, _ = created()
    ok(one.delete())
    read(one, ok(one.update(**kind.change)), changed=True)


def test_contract_delete_delete(asked, created, no_write):
    """The original expects NotFound. Here the Delete succeeds, because otherwise no stack could be deleted whose Create
    failed. If the Create got no response, CloudFormation invented the id."""
    one, answer = created()
    ok(one.delete())
    for gone, physical_id in ((one, answer["PhysicalResourceId"]), (asked(), INVENTED_ID)):
        with no_write():
            assert ok(gone.delete(physical_id))["PhysicalResourceId"] == physical_id


def test_contract_delete_create(created, read):
    """Names and documents are the same again. Only the unique id of a role, which IAM chooses, differs."""
    one, first = created()
    ok(one.delete())
    answer = ok(one.create())
    read(one, answer)
    assert {**answer["Data"], "RoleId": ""} == {**first["Data"], "RoleId": ""}
