"""Tests of SageMaker's service-catalog roles: they are deleted whoever created them, unless they are in use, and
nothing else is deleted."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

import local
import service_catalog
from conftest import CATALOGUING_APP, Resource
from local import LOGICAL_TAG, REGION, ROOT, STACK_TAG, allow, document, statements, trusting
from service_catalog import (
    CONSOLE, CONSOLE_POLICY, EC2, LAUNCH, NEIGHBOURS, PATH, TYPE, USE, arn, by_the_console, by_the_solution)
from test_guardrails import ADMINISTRATOR

OTHER_REGION, NOT_ASKED = "us-east-1", "ap-south-1"
ID = "SageMakerServiceCatalogRoles/ServiceCatalog"
OTHERS = [name for name in CONSOLE if name not in (LAUNCH, USE)]
# There are so many that the console's policy is not on the first page.
NEIGHBOUR_POLICIES = [local.policy_arn(f"service-role/{name}") for name in (
    f"{USE}-by-hand", f"{USE}-20210603T13253", f"{USE}20210603T132536", f"{LAUNCH}-20210603T132536", "A", "B")]
PROFILE = "somebodys-profile"
# The project in use is on page 3.
IN_USE = {OTHER_REGION: {"projects": [*({"name": f"old-{number}", "status": "DeleteCompleted"} for number in range(4)),
                                      {"name": "churn", "status": "DeleteFailed"}]}}
USED_BY = f"project `churn` (DeleteFailed) in {OTHER_REGION}"
OWN_ROLE = local.role_arn("service-role/AmazonSageMakerProjectsLaunchRole")


def of_template(*roles, **more):
    """A project that was created from templates with these roles."""
    return {"name": "own", "templates": roles, **more}


def names(*roles):
    return ", ".join(sorted(roles))


def ok(answer):
    assert answer["Status"] == "SUCCESS", answer
    return answer["Data"]


@pytest.fixture(autouse=True)
def account(aws, cataloguing):
    """An account with roles of similar names. At the end, the account is as before, whatever a test left."""
    aws.set_sagemaker({})
    before = aws.world()
    for name in NEIGHBOURS:
        aws.make_role(name, Path=PATH)
    for policy in NEIGHBOUR_POLICIES:
        service_catalog.make_policy(aws, policy)
    aws.iam.create_instance_profile(InstanceProfileName=PROFILE)
    yield
    for name in NEIGHBOURS:
        aws.delete_role(name)
    service_catalog.clear(aws)
    aws.iam.delete_instance_profile(InstanceProfileName=PROFILE)
    aws.set_sagemaker({})
    assert aws.world() == before


@pytest.fixture
def asked(aws, cataloguing):
    """Makes a resource whose events the test sends directly."""
    def make(of=cataloguing["ServiceToken"], **properties):
        return Resource(aws, of, {"Regions": [REGION, OTHER_REGION], **properties}, "ServiceCatalog", TYPE)
    return make


@pytest.fixture
def slate(cataloguing):
    """Makes a template with the resource `ServiceCatalog`."""
    def make(**properties):
        resource = {"Type": TYPE, "Properties": {
            "ServiceToken": cataloguing["ServiceToken"], "ServiceTimeout": 120, "Regions": [REGION, OTHER_REGION],
            **properties}}
        outputs = {name: {"Value": {"Fn::GetAtt": ["ServiceCatalog", name]}} for name in ("DeletedRoles", "InUseBy")}
        return {"Resources": {"ServiceCatalog": resource}, "Outputs": outputs}
    return make


# --- what is deleted ---

def with_more_by_hand(aws):
    """Changes by hand: a policy of somebody's own is attached, a boundary and a tag are set, and the role is in an
    instance profile."""
    by_the_solution(aws)
    aws.iam.attach_role_policy(RoleName=USE, PolicyArn=NEIGHBOUR_POLICIES[0])
    aws.iam.put_role_permissions_boundary(RoleName=USE, PermissionsBoundary=NEIGHBOUR_POLICIES[1])
    aws.iam.tag_role(RoleName=USE, Tags=[{"Key": "team", "Value": "ml"}])
    aws.iam.add_role_to_instance_profile(InstanceProfileName=PROFILE, RoleName=USE)


def crowded(aws):
    """Gives a role 10 attached policies, which is what IAM allows, and 20 inline policies: several pages of each."""
    by_the_solution(aws)
    for number in range(8):
        aws.iam.attach_role_policy(RoleName=LAUNCH, PolicyArn=f"arn:aws:iam::aws:policy/More{number}")
    for number in range(19):
        inline = json.dumps(document(allow(f"s3:Get{number}")))
        aws.iam.put_role_policy(RoleName=LAUNCH, PolicyName=f"more-{number}", PolicyDocument=inline)


@pytest.mark.parametrize("request_type", ["Create", "Delete"])
@pytest.mark.parametrize("make, roles, gone", [
    (by_the_solution, "LaunchAndUse", (LAUNCH, USE)),
    (lambda aws: by_the_solution(aws, path="/"), "LaunchAndUse", (LAUNCH, USE)),
    (lambda aws: by_the_solution(aws, LAUNCH, path="/else/where/"), "LaunchAndUse", (LAUNCH,)),
    (lambda aws: by_the_console(aws, *CONSOLE), "All", CONSOLE),
    (lambda aws: by_the_console(aws, LAUNCH, USE), "LaunchAndUse", (LAUNCH, USE)),
    (lambda aws: by_the_console(aws, OTHERS[0]), [OTHERS[0]], (OTHERS[0],)),
    (with_more_by_hand, "LaunchAndUse", (LAUNCH, USE)),
    (crowded, "LaunchAndUse", (LAUNCH, USE)),
    (lambda aws: None, "All", ()),
], ids=["solution", "at_root", "one_of_two_elsewhere", "console", "two_of_console", "one_named", "more_by_hand",
        "crowded", "absent"])
def test_the_roles_that_are_named_go_whoever_made_them_and_nothing_else_changes(
        aws, asked, request_type, make, roles, gone):
    by_the_console(aws, *([] if roles == "All" else OTHERS[1:]))
    left = aws.world()
    one = asked(Roles=roles, OnCreate="Delete")
    if request_type == "Create":
        make(aws)
        answer = one.create()
    else:
        ok(one.create())
        make(aws)
        answer = one.delete()
    assert ok(answer)["DeletedRoles"] == names(*gone) and answer["PhysicalResourceId"] == ID
    assert aws.world() == left


def test_what_goes_is_in_the_log_so_that_it_could_be_put_back(aws, asked, cataloguing):
    with_more_by_hand(aws)
    ok(asked().delete(ID))
    log = [line for line in aws.log(cataloguing["LogGroupName"]) if "role before" in line and USE in line][-1]
    for part in (EC2, "AWSLambdaBasicExecutionRole", NEIGHBOUR_POLICIES[0], f"{USE}Policy", PROFILE, "team",
                 "StartPipelineExecution", "servicecatalog.amazonaws.com"):
        assert part in log, part


@pytest.mark.parametrize("user", ["user", "role", "boundary"])
def test_a_policy_of_the_console_that_anybody_else_uses_stays(aws, asked, user):
    by_the_console(aws, USE)
    if user == "user":
        aws.iam.create_user(UserName="somebody")
        aws.iam.attach_user_policy(UserName="somebody", PolicyArn=CONSOLE_POLICY)
    elif user == "role":
        aws.iam.attach_role_policy(RoleName=NEIGHBOURS[0], PolicyArn=CONSOLE_POLICY)
    else:
        aws.iam.put_role_permissions_boundary(RoleName=NEIGHBOURS[0], PermissionsBoundary=CONSOLE_POLICY)
    left = aws.world()
    del left[arn(USE)]
    answer, found = asked().delete(ID), aws.world()
    if user == "user":
        aws.iam.detach_user_policy(UserName="somebody", PolicyArn=CONSOLE_POLICY)
        aws.iam.delete_user(UserName="somebody")
    assert ok(answer)["DeletedRoles"] == USE and found == left


def test_a_portfolio_is_disabled_only_when_told_and_only_in_the_regions_named(aws, asked):
    regions = (REGION, OTHER_REGION, NOT_ASKED)
    aws.set_sagemaker({region: {"portfolio": "Enabled"} for region in regions})
    by_the_solution(aws)
    assert ok(asked().delete(ID))["EnabledPortfolios"] == names(REGION, OTHER_REGION)
    by_the_solution(aws)
    assert ok(asked(DisablePortfolio="true").delete(ID))["EnabledPortfolios"] == ""
    books = aws.sagemaker_books()
    assert [books[region]["portfolio"] for region in regions] == ["Disabled", "Disabled", "Enabled"]
    assert books[NOT_ASKED]["calls"] == []


def test_a_region_that_is_throttled_or_broken_for_a_moment_is_asked_again(aws, asked):
    faults = {"ListProjects": ["throttle", "error"], "DescribeProject": ["throttle", "error"],
              "GetSagemakerServicecatalogPortfolioStatus": ["error", "throttle"],
              "DisableSagemakerServicecatalogPortfolio": ["throttle", "error"]}
    aws.set_sagemaker({OTHER_REGION: {"portfolio": "Enabled", "projects": [of_template(OWN_ROLE)], "faults": faults}})
    by_the_solution(aws)
    assert ok(asked(DisablePortfolio="true").delete(ID))["DeletedRoles"] == names(LAUNCH, USE)
    calls = aws.sagemaker_calls()
    assert {action: calls[OTHER_REGION].count(action) for action in faults} == dict.fromkeys(faults, 3)
    assert len(calls[REGION]) == 2, "the other region was asked once"


# --- what keeps the roles ---

@contextmanager
def denied(aws, denials):
    """Denies the function each (action, region)."""
    role = aws.resource_id(CATALOGUING_APP, "FunctionRole")
    deny = [{"Effect": "Deny", "Action": action, "Resource": "*",
             "Condition": {"StringEquals": {"aws:RequestedRegion": region}}} for action, region in denials]
    aws.iam.put_role_policy(RoleName=role, PolicyName="denied", PolicyDocument=json.dumps(document(*deny)))
    try:
        yield
    finally:
        aws.iam.delete_role_policy(RoleName=role, PolicyName="denied")


def test_a_missing_permission_is_named_and_keeps_the_roles(aws, asked):
    by_the_solution(aws)
    aws.set_sagemaker({REGION: {"portfolio": "Enabled"}, NOT_ASKED: {"projects": [of_template(OWN_ROLE)]}})
    # For the last one, the call before the deletion of the roles is denied.
    asking = {("sagemaker:ListProjects", OTHER_REGION): asked(),
              ("sagemaker:DescribeProject", NOT_ASKED): asked(Regions=NOT_ASKED),
              ("sagemaker:DisableSagemakerServicecatalogPortfolio", REGION): asked(
                  Regions=REGION, DisablePortfolio="true")}
    with denied(aws, asking), ThreadPoolExecutor(len(asking)) as threads:
        before = aws.world()
        # The function believes a refusal only after 30 s, so these events wait at the same time.
        answers = dict(zip(asking, threads.map(lambda one: one.delete(ID), asking.values())))
        assert aws.world() == before
    for (action, region), answer in answers.items():
        assert answer["Status"] == "FAILED", answer
        assert all(part in answer["Reason"] for part in (action, region, "was changed")), answer
    for one in asking.values():
        ok(one.delete(ID))


@pytest.mark.parametrize("project, uses", [
    (of_template(OWN_ROLE), False), (of_template(None), False), (of_template(OWN_ROLE, arn(OTHERS[0])), True),
    (of_template(arn(USE), status="CreateFailed"), True), ({"name": "own"}, True)],
    ids=["own_role", "no_role", "one_of_two_templates", "use_role", "product"])
def test_a_project_counts_only_with_one_of_the_roles(aws, asked, project, uses):
    by_the_solution(aws)
    aws.set_sagemaker({OTHER_REGION: {"projects": [project]}})
    before, answer = aws.world(), asked().delete(ID)
    if uses:
        use = f"project `own` ({project.get('status', 'CreateCompleted')}) in {OTHER_REGION}"
        assert answer["Status"] == "FAILED" and use in answer["Reason"], answer
        assert aws.world() == before
    else:
        assert ok(answer)["DeletedRoles"] == names(LAUNCH, USE)


def test_a_stack_clears_the_slate_and_takes_what_came_meanwhile_with_it(aws, stack, slate):
    left = aws.world()
    by_the_solution(aws)
    stack_id, status = stack(slate(OnCreate="Delete"))
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    assert aws.outputs(stack_id) == {"DeletedRoles": names(LAUNCH, USE), "InUseBy": ""} and aws.world() == left
    by_the_solution(aws, path="/")
    assert aws.delete_stack(stack_id) == "DELETE_COMPLETE" and aws.world() == left


def test_a_slate_that_a_project_uses_is_not_cleared_and_the_rollback_deletes_nothing_either(aws, stack, slate):
    by_the_console(aws, *CONSOLE)
    aws.set_sagemaker(IN_USE)
    before = aws.world()
    stack_id, status = stack(slate(OnCreate="Delete", Roles="All"))
    assert status == "ROLLBACK_COMPLETE" and any(USED_BY in reason for reason in aws.reasons(stack_id))
    assert aws.world() == before


def test_a_stack_that_is_rolled_back_takes_down_what_it_made_and_nothing_of_others(aws, stack, slate):
    by_the_solution(aws, LAUNCH)
    before = aws.world()
    template = slate(OnCreate="Provision")
    properties = {**template["Resources"]["ServiceCatalog"]["Properties"], "NoSuchProperty": "x"}
    template["Resources"]["Broken"] = {"Type": TYPE, "DependsOn": "ServiceCatalog", "Properties": properties}
    stack_id, status = stack(template)
    assert status == "ROLLBACK_COMPLETE", aws.reasons(stack_id)
    events = aws.cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
    assert ("ServiceCatalog", "CREATE_COMPLETE") in {(e["LogicalResourceId"], e["ResourceStatus"]) for e in events}
    assert aws.world() == before


@pytest.mark.parametrize("way_out", ["end the project", "retain the resource"])
def test_a_stack_stays_while_a_project_does_and_there_are_two_ways_out(aws, stack, slate, way_out):
    left = aws.world()
    stack_id, _ = stack(slate())
    by_the_solution(aws)
    aws.set_sagemaker(IN_USE)
    before = aws.world()
    assert aws.delete_stack(stack_id) == "DELETE_FAILED"
    reason = next(reason for reason in aws.reasons(stack_id) if "in use" in reason)
    assert USED_BY in reason and "old-" not in reason, reason
    assert aws.world() == before
    if way_out == "end the project":
        aws.set_sagemaker({})
        assert aws.delete_stack(stack_id) == "DELETE_COMPLETE" and aws.world() == left
    else:
        assert aws.delete_stack(stack_id, RetainResources=["ServiceCatalog"]) == "DELETE_COMPLETE"
        assert aws.world() == before


def test_the_example_deploys_as_it_stands_and_leaves_nothing_of_what_it_retains(aws, stack):
    left = aws.world()
    by_the_solution(aws)
    theirs = aws.world()
    example = (ROOT / "examples" / "service-catalog.yaml").read_text()
    stack_id, status = stack(example, MlopsRolesStack=CATALOGUING_APP, Regions=f"{REGION},{OTHER_REGION}")
    assert status == "CREATE_COMPLETE", aws.reasons(stack_id)
    outputs = aws.outputs(stack_id)
    assert outputs == {"Deleted": names(LAUNCH, USE), "LaunchRoleArn": arn(LAUNCH), "UseRoleArn": arn(USE)}
    for name in (LAUNCH, USE):
        assert aws.role(name)["id"] != theirs[arn(name)]["id"]
    assert aws.delete_stack(stack_id) == "DELETE_COMPLETE"
    events = aws.cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
    skipped = {event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "DELETE_SKIPPED"}
    assert skipped == {"LaunchRole", "UseRole"}, "CloudFormation itself kept them"
    assert aws.world() == left


# --- what is provisioned ---

def test_absent_roles_are_provisioned_put_right_and_taken_away_again(aws, asked, cataloguing):
    by_the_console(aws, LAUNCH, OTHERS[0])
    before = aws.world()
    one = asked(Roles="All", OnCreate="Provision", OnDelete="Keep")
    data = ok(one.create())
    ours = CONSOLE.keys() - {LAUNCH, OTHERS[0]}
    assert (data["ProvisionedRoles"], data["KeptRoles"]) == (names(*ours), names(LAUNCH, OTHERS[0]))
    made = aws.world()
    assert {arn: found for arn, found in made.items() if arn in before} == before
    assert made.keys() - before.keys() == {arn(name) for name in ours}
    for name in ours:
        role = made[arn(name)]
        assert role["trust"] == statements(service_catalog.trust(name))
        assert role["attached"] == {service_catalog.managed_policy(name)} and len(role["inline"]) == 2 * (name == USE)
        assert role["boundary"] == cataloguing["PermissionsBoundaryArn"]
        assert role["tags"] == {STACK_TAG: one.stack_id, LOGICAL_TAG: "ServiceCatalog"}
    assert ok(one.create()) == data and aws.world() == made

    aws.iam.delete_role_policy(RoleName=USE, PolicyName=f"{USE}Policy")
    aws.iam.detach_role_policy(RoleName=OTHERS[1], PolicyArn=service_catalog.managed_policy(OTHERS[1]))
    trust = json.dumps(trusting("ec2.amazonaws.com"))
    aws.iam.update_assume_role_policy(RoleName=OTHERS[2], PolicyDocument=trust)
    drifted = aws.world()
    ok(one.update(IfInUse="Keep"))
    assert aws.world() == drifted, "only `Revision` asks for it"
    ok(one.update(Revision="2"))
    assert aws.world() == made

    assert ok(one.delete())["DeletedRoles"] == names(*ours)
    assert aws.world() == before


def test_what_was_provisioned_can_do_what_its_policy_says_within_the_boundary(aws, asked):
    ok(asked(OnCreate="Provision").create())
    pipelines = {"iam_PassedToService": "codepipeline.amazonaws.com"}
    assert aws.decision(USE, "iam:PassRole", arn(USE), **pipelines) == "allowed"
    assert aws.decision(USE, "iam:PassRole", arn(USE), iam_PassedToService="ec2.amazonaws.com") == "implicitDeny"
    assert aws.decision(USE, "iam:PassRole", local.role_arn("Administrator"), **pipelines) == "implicitDeny"
    assert aws.decision(USE, "cloudwatch:PutMetricData") == "allowed"
    assert aws.decision(USE, "cloudwatch:PutMetricAlarm") == "implicitDeny"
    aws.iam.attach_role_policy(RoleName=USE, PolicyArn=ADMINISTRATOR)
    assert aws.decision(USE, "s3:GetObject") == "allowed" and aws.decision(USE, "iam:CreateUser") == "implicitDeny"


# --- what is refused ---

def test_where_the_type_is_not_enabled_it_is_refused_and_says_so(aws, asked, function):
    by_the_solution(aws)
    before = aws.world()
    one = asked(of=function, OnCreate="Delete")
    for answer in (one.delete(ID), one.send("Update", PhysicalResourceId=ID, OldResourceProperties={}), one.create()):
        assert answer["Status"] == "FAILED" and f"`{TYPE}` is disabled" in answer["Reason"], answer
    assert one.delete()["Status"] == "SUCCESS", "of the Create that failed there is nothing to delete"
    assert aws.world() == before


def test_all_mistakes_come_at_once_and_nothing_is_touched(aws, asked):
    by_the_console(aws, *CONSOLE)
    before = aws.world()
    answer = asked(Roles=[LAUNCH[:-1], "Administrator"], Regions=[REGION, "eu-wset-1"], OnCreate="Destroy",
                   OnDelete="Keep", DisablePortfolio="true", Region=REGION).create()
    assert answer["Status"] == "FAILED"
    for expected in ("6 validation errors", f"(did you mean `{LAUNCH}`?)", "`Roles[1]`: found `Administrator`",
                     "`Regions[1]`: found `eu-wset-1`", "`OnCreate`: found", "`DisablePortfolio`: `true` has no effect",
                     "`Region`: no such property, did you mean `Regions`?"):
        assert expected in answer["Reason"], answer["Reason"]
    assert aws.world() == before and aws.sagemaker_calls() == {}
