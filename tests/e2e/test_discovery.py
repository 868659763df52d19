"""Tests of `SageMakerExecutionRole`: the function looks up the execution role in a resource that uses it, and the grant
names that role."""

import re
import time

import pytest

import local
from local import GRANT, REGION
from test_provision import grant, guide_policy

OTHER_REGION = "us-east-1"
PATH = "/service-role/"  # the path at which SageMaker's console creates roles

# No name is the beginning of another one. `own` and `other` have the same prefix, and the last name is outside the
# default of PassableRoleArns.
NAMES = [f"discovery-{name}" for name in (
    "SageMaker-users", "SageMaker-spaces", "SageMaker-own", "SageMaker-other", "outside")]
USERS, SPACES, OWN, OTHER, OUTSIDE = (local.role_arn(f"service-role/{name}") for name in NAMES)
BOOK = {
    "domains": {"d-1": {"user": USERS, "space": SPACES}, "d-users": {"user": USERS},
                "d-bare": {"user": None, "space": None}, "d-outside": {"user": OUTSIDE, "space": SPACES}},
    "profiles": {"d-1/alice": OWN, "d-1/bob": None, "d-bare/alice": OWN, "d-bare/carol": None, "d-outside/alice": OWN},
    "spaces": {"d-1/of-alice": {"sharing": "Private", "owner": "alice"},
               "d-1/of-bob": {"sharing": "Private", "owner": "bob"},
               "d-1/left-behind": {"sharing": "Private", "owner": "leaver"},
               "d-1/of-all": {"sharing": "Shared"}, "d-1/of-all-by-alice": {"sharing": "Shared", "owner": "alice"},
               "d-users/of-all": {"sharing": "Shared"}, "d-bare/of-carol": {"sharing": "Private", "owner": "carol"}},
    "notebooks": {"notes": OWN},
    "endpoints": {"by-config": "with-role", "by-models": "agreeing", "by-a-model": "single", "split": "different",
                  "roleless": "without", "of-components": "components", "lost-config": "gone-config",
                  "lost-model": "by-a-lost-one", "by-pools": "agreeing-pools", "split-pools": "different-pools",
                  "split-shadows": "different-shadows"},
    "configs": {"with-role": {"role": OWN, "models": ["scorer", "other"]}, "agreeing": {"models": ["scorer", "ranker"]},
                "single": {"models": ["other", None]}, "different": {"models": ["scorer", "other", "ranker"]},
                "without": {"models": ["bare"]}, "components": {"models": [None]},
                "by-a-lost-one": {"models": ["gone-model"]},
                "agreeing-pools": {"models": [["scorer", "ranker"]], "shadow": ["ranker"]},
                "different-pools": {"models": [["scorer", "ranker", "other"]]},
                "different-shadows": {"models": ["scorer"], "shadow": [["ranker", "other"]]}},
    "models": {"scorer": USERS, "ranker": USERS, "other": OTHER, "bare": None},
    "pipelines": {"nightly": OTHER},
    "jobs": {"train": OWN, "roleless-job": None},
    "clusters": {"one-role": {"groups": [OWN, OWN], "restricted": [OWN]}, "two-roles": {"groups": [USERS, OTHER]},
                 "two-kinds": {"groups": [USERS], "restricted": [OTHER]}, "roleless-cluster": {}},
    "packages": {"validated": OTHER, "group/3": SPACES, "unvalidated": None},
}


def name(arn):
    return arn.rpartition("/")[2]


def of_domain(domain_id, **more):
    return {"DomainId": domain_id, **more}


def shown(value):
    """The text for a source or a role in the id of a test."""
    return "-".join(value.values()) if isinstance(value, dict) else name(value)


def ok(answer):
    assert answer["Status"] == "SUCCESS", answer
    return answer["Data"]


@pytest.fixture(autouse=True)
def account(aws, function):
    """An account with execution roles and resources that use them. At the end both are deleted, whatever a test did."""
    for role in NAMES:
        aws.make_role(role, Path=PATH)
    aws.set_sagemaker({REGION: BOOK, OTHER_REGION: {"domains": {"d-elsewhere": {"user": USERS, "space": SPACES}}}})
    yield
    aws.set_sagemaker({})
    for role in NAMES:
        aws.delete_role(role)


@pytest.fixture
def looking(resource):
    """Makes a resource that names where to find its execution role."""
    def make(source, **more):
        return resource("discovery", **{"SageMakerExecutionRoleArns": None, "SageMakerExecutionRole": source, **more})
    return make


@pytest.fixture
def refused(looking, same_world):
    """The reason why such a resource was not created. Nothing of it is left."""
    def create(source, **more):
        answer = looking(source, **more).create()
        assert answer["Status"] == "FAILED", answer
        same_world()
        return named(answer["Reason"])
    return create


def named(reason):
    """Checks that the reason names the property `SageMakerExecutionRole`, and not only `SageMakerExecutionRoleArns`."""
    assert re.search(r"\bSageMakerExecutionRole\b", reason), reason
    return reason


# --- where the role is found ---

@pytest.mark.parametrize("source, role", [
    (of_domain("d-1"), USERS),
    (of_domain("d-1", UserProfileName="alice"), OWN),
    (of_domain("d-1", UserProfileName="bob"), USERS),
    (of_domain("d-bare", UserProfileName="alice"), OWN),
    (of_domain("d-1", SpaceName="of-alice"), OWN),
    (of_domain("d-1", SpaceName="of-bob"), USERS),
    (of_domain("d-1", SpaceName="of-all"), SPACES),
    (of_domain("d-1", SpaceName="of-all-by-alice"), SPACES),
    ({"NotebookInstanceName": "notes"}, OWN),
    ({"EndpointName": "by-config"}, OWN),
    ({"EndpointName": "by-models"}, USERS),
    ({"EndpointName": "by-a-model"}, OTHER),
    ({"EndpointName": "by-pools"}, USERS),
    ({"PipelineName": "nightly"}, OTHER),
    ({"TrainingJobName": "train"}, OWN),
    ({"ClusterName": "one-role"}, OWN),
    ({"ModelPackageName": "validated"}, OTHER),
    ({"ModelPackageName": "group/3"}, SPACES),
    ({"RoleNamePrefix": "discovery-SageMaker-ow"}, OWN),
    ({"RoleNamePrefix": name(SPACES)}, SPACES),
], ids=shown)
def test_the_grant_names_the_role_that_was_found_and_so_does_the_attribute(aws, looking, source, role):
    one = looking(source)
    assert ok(one.create())["SageMakerExecutionRoleArn"] == role
    assert one.role["inline"] == {GRANT: grant(role)}
    assert aws.policy(one.policy_arn)["statements"] == guide_policy(), "all else is as with the role's ARN"


def test_a_stack_can_pass_on_what_was_found(aws, template, stack, same_world):
    made = template(outputs={"Found": {"Fn::GetAtt": ["Workflow", "SageMakerExecutionRoleArn"]},
                             "Name": {"Ref": "Workflow"}}, SageMakerExecutionRole=of_domain("d-1"))
    del made["Resources"]["Workflow"]["Properties"]["SageMakerExecutionRoleArns"]
    stack_id, status = stack(made)
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    outputs = aws.outputs(stack_id)
    assert outputs["Found"] == USERS and aws.role(outputs["Name"])["inline"] == {GRANT: grant(USERS)}
    assert aws.delete_stack(stack_id) == "DELETE_COMPLETE"
    same_world()


def test_what_is_throttled_or_broken_for_a_moment_is_asked_again(aws, looking):
    faults = {"DescribeUserProfile": ["throttle", "error"], "DescribeDomain": ["error", "throttle"]}
    aws.set_sagemaker({REGION: {**BOOK, "faults": faults}})
    assert ok(looking(of_domain("d-1", UserProfileName="bob")).create())["SageMakerExecutionRoleArn"] == USERS
    assert aws.sagemaker_books()[REGION]["faults"] == dict.fromkeys(faults, []), "all of them were met"


# --- on Update and Delete ---

def with_domain(**changes):
    return {REGION: {**BOOK, "domains": {"d-1": {**BOOK["domains"]["d-1"], **changes}}}}


def test_a_new_revision_looks_again(aws, looking):
    one = looking(of_domain("d-1"))
    ok(one.create())
    before = one.role
    aws.set_sagemaker(with_domain(user=OTHER))
    assert ok(one.update(Revision="2"))["SageMakerExecutionRoleArn"] == OTHER
    assert one.role == {**before, "inline": {GRANT: grant(OTHER)}}


def test_an_update_looks_elsewhere_or_takes_the_role_that_it_is_told(created, execution_role):
    one = created()
    ok(one.update(SageMakerExecutionRoleArns=None, SageMakerExecutionRole={"NotebookInstanceName": "notes"}))
    assert one.role["inline"] == {GRANT: grant(OWN)}
    assert ok(one.update(SageMakerExecutionRole={"PipelineName": "nightly"}))["SageMakerExecutionRoleArn"] == OTHER
    assert one.role["inline"] == {GRANT: grant(OTHER)}
    ok(one.update(SageMakerExecutionRoleArns=execution_role, SageMakerExecutionRole=None))
    assert one.role["inline"] == {GRANT: grant(execution_role)}


@pytest.mark.parametrize("books, why", [
    ({}, "d-1"), (with_domain(user=None), "d-1"), (with_domain(user=OUTSIDE), "PassableRoleArns")],
    ids=["gone", "without_a_role", "outside"])
def test_an_update_that_finds_nothing_fit_changes_nothing(aws, looking, books, why):
    one = looking(of_domain("d-1"))
    ok(one.create())
    before = aws.world()
    aws.set_sagemaker(books)
    answer = one.update(Revision="2", Description="second")
    assert answer["Status"] == "FAILED" and why in named(answer["Reason"]), answer
    assert aws.world() == before


@pytest.mark.parametrize("books", [{}, {REGION: {**BOOK, "throttled": ["DescribeDomain"]}}], ids=["gone", "throttled"])
def test_a_delete_does_not_need_what_the_role_was_found_by(aws, looking, same_world, books):
    one = looking(of_domain("d-1"))
    ok(one.create())
    aws.set_sagemaker(books)
    answer = one.delete()
    assert answer["Status"] == "SUCCESS", answer
    same_world()


# --- where no role is found, or more than one ---

@pytest.mark.parametrize("source, absent", [
    (of_domain("d-gone"), "d-gone"),
    (of_domain("d-elsewhere"), "d-elsewhere"),
    (of_domain("d-1", UserProfileName="zoe"), "zoe"),
    (of_domain("d-users", UserProfileName="alice"), "alice"),
    (of_domain("d-1", SpaceName="nowhere"), "nowhere"),
    (of_domain("d-1", SpaceName="left-behind"), "leaver"),
    ({"NotebookInstanceName": "nb-gone"}, "nb-gone"),
    ({"EndpointName": "ep-gone"}, "ep-gone"),
    ({"EndpointName": "lost-config"}, "gone-config"),
    ({"EndpointName": "lost-model"}, "gone-model"),
    ({"PipelineName": "hourly"}, "hourly"),
    ({"TrainingJobName": "job-gone"}, "job-gone"),
    ({"ClusterName": "cluster-gone"}, "cluster-gone"),
    ({"ModelPackageName": "group/4"}, "group/4"),
    ({"RoleNamePrefix": "discovery-SageMaker-x"}, "discovery-SageMaker-x"),
    ({"RoleNamePrefix": "SageMaker-users"}, "SageMaker-users"),
], ids=shown)
def test_what_is_not_there_is_named(refused, source, absent):
    reason = refused(source)
    assert absent in reason, reason


@pytest.mark.parametrize("source, found, others", [
    ({"EndpointName": "split"}, [USERS, OTHER], [OWN, SPACES]),
    ({"EndpointName": "split-pools"}, [USERS, OTHER], [OWN, SPACES]),
    ({"EndpointName": "split-shadows"}, [USERS, OTHER], [OWN, SPACES]),
    ({"ClusterName": "two-roles"}, [USERS, OTHER], [OWN, SPACES]),
    ({"ClusterName": "two-kinds"}, [USERS, OTHER], [OWN, SPACES]),
    ({"RoleNamePrefix": "discovery-SageMaker-o"}, [OWN, OTHER], [USERS, SPACES]),
    ({"RoleNamePrefix": "discovery-"}, [USERS, SPACES, OWN, OTHER, OUTSIDE], []),
], ids=["of_models", "of_pools", "of_shadow_pools", "of_groups", "of_restricted_groups", "by_prefix",
        "of_which_one_is_outside"])
def test_of_several_none_is_chosen_and_all_are_named(refused, source, found, others):
    reason = refused(source)
    assert all(name(role) in reason for role in found), reason
    assert not any(name(role) in reason for role in others), reason


@pytest.mark.parametrize("source, without", [
    (of_domain("d-bare"), "d-bare"),
    (of_domain("d-bare", UserProfileName="carol"), "carol"),
    (of_domain("d-bare", SpaceName="of-carol"), "of-carol"),
    # The role of the domain's users is not the role of shared spaces.
    (of_domain("d-users", SpaceName="of-all"), "of-all"),
    ({"EndpointName": "roleless"}, "roleless"),
    ({"EndpointName": "of-components"}, "of-components"),
    ({"TrainingJobName": "roleless-job"}, "roleless-job"),
    ({"ClusterName": "roleless-cluster"}, "roleless-cluster"),
    ({"ModelPackageName": "unvalidated"}, "unvalidated"),
], ids=shown)
def test_what_has_no_role_is_named(refused, source, without):
    reason = refused(source)
    assert without in reason, reason


@pytest.mark.parametrize("source", [of_domain("d-outside"), {"RoleNamePrefix": "discovery-out"}],
                         ids=lambda source: [*source][0])
def test_a_role_that_was_found_must_be_one_that_the_deployer_lets_pass(refused, source):
    reason = refused(source)
    assert "PassableRoleArns" in reason and OUTSIDE in reason, reason


def test_the_deployer_has_no_say_in_a_role_that_is_not_used(looking):
    assert ok(looking(of_domain("d-outside", UserProfileName="alice")).create())["SageMakerExecutionRoleArn"] == OWN


def test_what_is_throttled_to_the_end_is_told_in_time(aws, refused):
    aws.set_sagemaker({REGION: {**BOOK, "throttled": ["DescribeDomain"]}})
    started = time.monotonic()
    reason = refused(of_domain("d-1"), ServiceTimeout="20")
    assert time.monotonic() - started < 20
    assert "ThrottlingException" in reason or "Rate exceeded" in reason, reason
    assert aws.sagemaker_calls()[REGION].count("DescribeDomain") > 1, "it was asked again"


# --- invalid values ---

@pytest.mark.parametrize("source", [
    of_domain("d-1", Surprise="x"),
    {"Surprise": "x"},
    {},
    {"UserProfileName": "alice"},
    {"SpaceName": "of-all"},
    of_domain("d-1", UserProfileName="alice", SpaceName="of-alice"),
    of_domain("d-1", EndpointName="by-config"),
    {"ClusterName": "one-role", "TrainingJobName": "train"},
    {"NotebookInstanceName": "notes", "RoleNamePrefix": "discovery-SageMaker-ow"},
    {"DomainId": ["d-1"]},
    {"DomainId": ""},
    {"RoleNamePrefix": ""},
    "d-1",
    [of_domain("d-1")],
], ids=str)
def test_what_says_no_one_place_is_a_mistake_and_nothing_is_asked(aws, refused, source):
    reason = refused(source)
    assert ("Surprise" in reason) == ("Surprise" in source), reason
    assert aws.sagemaker_calls() == {REGION: [], OTHER_REGION: []}


def test_a_role_is_either_named_or_looked_for(aws, refused, execution_role):
    reason = refused(of_domain("d-1"), SageMakerExecutionRoleArns=execution_role)
    assert re.search(r"\bSageMakerExecutionRoleArns\b", reason), reason
    assert aws.sagemaker_calls() == {REGION: [], OTHER_REGION: []}
