"""Attacks by somebody who writes templates or may invoke the function. Each is refused with nothing changed, or the
test shows what remains. SECURITY.md has the table."""

import json
import threading
import time
import urllib.request
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.exceptions import ClientError

import local
import role_sets
from conftest import ADOPTING_APP, APP, MANAGED_POLICY
from local import ADOPTED_TAG, RESOURCE_TYPE, allow, document, unique
from test_guardrails import ADMINISTRATOR, environment

EXECUTION_ROLE = "Custom::SageMakerExecutionRole"
ATTACH = "arn:aws:states:::aws-sdk:iam:attachRolePolicy"
OUTSIDE = "210987654321"  # an account of the attacker
EVERYTHING = json.dumps(document(allow("*")))
SOON = 20  # seconds; an event that waits for IAM or hangs takes longer


def tasks(*resources, **more):
    return {"StartAt": "S0", "States": {f"S{i}": {"Type": "Task", "Resource": one, "End": True, **more}
                                        for i, one in enumerate(resources)}}


@pytest.fixture
def switched(aws):
    """Changes the environment of a function until the test ends, also if it fails."""
    with ExitStack() as stack:
        yield lambda function, **changes: stack.enter_context(environment(aws, function, **changes))


@pytest.fixture
def refused(resource, adopting, same_world):
    """Checks that a Create is refused soon, with nothing changed, and that the reason has this part."""
    def check(part, *, of_type=RESOURCE_TYPE, **properties):
        one = resource(**properties)
        one.resource_type = of_type
        began = time.monotonic()
        answer = one.create()
        assert answer["Status"] == "FAILED" and part in answer["Reason"], answer
        assert time.monotonic() - began < SOON
        same_world()
        return one
    return check


@pytest.fixture
def by_hand(aws):
    """The name of a role that somebody created by hand with administrator permissions."""
    name = unique("by-hand")
    nobody = document({"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}})
    aws.make_role(name, nobody)
    aws.iam.attach_role_policy(RoleName=name, PolicyArn=ADMINISTRATOR)
    yield name
    aws.delete_role(name)


@pytest.fixture
def denied(aws):
    """Whether a real call with the session of a role is denied."""
    def check(role, call, **arguments):
        try:
            getattr(aws.session_of(role).iam, call)(**arguments)
        except ClientError as error:
            return error.response["Error"]["Code"] == "AccessDenied"
        return False
    return check


# --- the template: names, policies, trust policies, grants ---

NAMES = [
    "AmazonSageMaker*", "AmazonSageMaker?", "AmazonSageMaker/x", "/AmazonSageMaker/x", "AmazonSageMaker-../Admin",
    " AmazonSageMaker-x", "AmazonSageMaker-x\n", "AmazonSageMaker-\u200bx", "Am\u0430zonSageMaker-x",
    "AmazonSageMaker-${aws:username}", "amazonsagemaker-x", "AMAZONSAGEMAKER-X", f"AmazonSageMaker-{'x' * 113}", "",
    ["AmazonSageMaker-x"], {"Fn::Sub": "AmazonSageMaker-x"}, local.role_arn("AmazonSageMaker-x")]


@pytest.mark.parametrize("property", ["RoleName", "PolicyName"])
def test_a_name_that_is_none_or_only_looks_like_one_is_refused(refused, property):
    for name in NAMES:
        refused(f"`{property}`: found", **{property: name})


@pytest.mark.parametrize("logical_id", ["FunctionRole", "PermissionsBoundary"])
def test_the_functions_own_role_and_boundary_are_names_that_nobody_gets(aws, refused, logical_id):
    name = aws.resource_id(APP, logical_id).rpartition("/")[2]
    for property in ("RoleName", "PolicyName"):
        refused("`RoleNamePrefixes`", **{property: name})


@pytest.mark.parametrize("logical_id, call, property", [
    ("FunctionRole", "iam:GetRole", "RoleName"), ("PermissionsBoundary", "iam:GetPolicy", "PolicyName")])
def test_iam_keeps_the_function_from_adopting_its_own_role_and_boundary(
        aws, adopting, refused, switched, logical_id, call, property):
    name = aws.resource_id(ADOPTING_APP, logical_id).rpartition("/")[2]
    switched(adopting, ROLE_NAME_PREFIXES=f"AmazonSageMaker,{ADOPTING_APP}")
    one = refused(f"{call}: AccessDenied", of=adopting, AdoptExisting="true", ServiceTimeout="2", **{property: name})
    one.physical_id = ""  # there is nothing to delete


def test_the_role_of_another_stack_is_nobody_elses_whatever_its_case(aws, created, resource):
    victim = created("victim").physical_id
    before = aws.world()
    for name in (victim, victim.replace("victim", "VICTIM")):
        for adopt in ("true", "false"):
            answer = resource(RoleName=name, AdoptExisting=adopt, ServiceTimeout="2").create()
            assert answer["Status"] == "FAILED" and name in answer["Reason"], answer
            assert aws.world() == before


def test_no_spelling_attaches_a_policy_beside_the_deployers_list(adopting, refused):
    of_aws = ADMINISTRATOR.rpartition("/")[0]
    for arns in (
            ADMINISTRATOR.lower(), ADMINISTRATOR.upper(), f" {ADMINISTRATOR}", f"{ADMINISTRATOR} ", f"{ADMINISTRATOR}\n",
            [[ADMINISTRATOR]], {"Arn": ADMINISTRATOR}, [MANAGED_POLICY, ADMINISTRATOR],
            f"{MANAGED_POLICY},{ADMINISTRATOR}", f"{MANAGED_POLICY}/../AdministratorAccess", "AdministratorAccess",
            f"{of_aws}//AdministratorAccess", f"{of_aws}/*", f"{of_aws}/Admin*", f"{of_aws}/Administrator?ccess",
            ADMINISTRATOR.replace("arn:aws:", "arn:aws-us-gov:"), local.policy_arn("narrow-boundary")):
        refused("`ManagedPolicyArns", of=adopting, ManagedPolicyArns=arns)


def test_a_policy_that_the_function_made_is_no_boundary(aws, created, resource):
    own = created("own").policy_arn
    before = aws.world()
    for boundary in (own, ADMINISTRATOR, [ADMINISTRATOR], "*", ""):
        answer = resource(PermissionsBoundary=boundary).create()
        assert answer["Status"] == "FAILED" and "`PermissionsBoundary`: found" in answer["Reason"], answer
    assert aws.world() == before


@pytest.fixture
def role_sets_on(function, switched):
    switched(function, ENABLED_TYPES=f"{RESOURCE_TYPE},{EXECUTION_ROLE},{role_sets.TYPE}")


TARGET = {"RoleSet": "TargetAccount", "EnvName": "AmazonSageMaker", "AdministratorAccountId": OUTSIDE,
          "AdministratorEnvName": "theirs",
          "ModelBucketName": "models", "ModelS3KmsKeyArn": "*", "RoleName": None, "SageMakerExecutionRoleArns": None,
          "PipelineExecutionRoleArn": local.role_arn("theirs-dev-StackSetAdministrationRole", OUTSIDE)}
BASES = {RESOURCE_TYPE: {}, EXECUTION_ROLE: {"SageMakerExecutionRoleArns": None}, role_sets.TYPE: TARGET}


@pytest.mark.parametrize("of_type, property, values", [
    (RESOURCE_TYPE, "StateMachineName", ["*", "?", "churn*", "a:b", "../x", "${aws:username}", "", ["*"], "x" * 81]),
    (EXECUTION_ROLE, "SourceArn", [
        "*", "arn:aws:sagemaker:*:*:*", "arn:aws:iam::000000000000:root", "arn:aws:sagemaker:eu-west-1:00000000000?:*",
        f"arn:aws:sagemaker:eu-west-1:{OUTSIDE}:domain/*", "arn:aws-cn:sagemaker:eu-west-1:000000000000:domain/*",
        "arn:aws:sagemaker:eu-west-1:${aws:PrincipalAccount}:domain/*"]),
    (EXECUTION_ROLE, "TrustedServices", [
        "*", "*.amazonaws.com", "?vents.amazonaws.com", "lambda.amazonaws.com", "ec2.amazonaws.com", "states.amazonaws.com",
        "events.amazonaws.com", "events.amazonaws.com.example", "EVENTS.amazonaws.com", OUTSIDE,
        f"arn:aws:iam::{OUTSIDE}:root", "sts:TagSession"]),
    (EXECUTION_ROLE, "TrustedActions", [
        "*", "sts:*", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity", "iam:PassRole", "STS:TAGSESSION",
        "sts:TagSession", "events.amazonaws.com"]),
    (role_sets.TYPE, "AdministratorAccountId", ["*", "0", f"arn:aws:iam::{OUTSIDE}:root", [OUTSIDE]]),
    (role_sets.TYPE, "PipelineExecutionRoleArn", [
        "*", f"arn:aws:iam::{OUTSIDE}:root", f"arn:aws:iam::{OUTSIDE}:role/*", "arn:aws:iam::*:role/x"]),
    (role_sets.TYPE, "EnvName", ["*", "AmazonSageMaker-*", "AmazonSageMaker/x"]),
    (role_sets.TYPE, "ModelBucketName", ["*", "x/*", "${x}"]),
    (role_sets.TYPE, "ModelS3KmsKeyArn", ["arn:aws:kms:*:*:key/*", "alias/x"]),
])
def test_no_property_widens_a_trust_or_a_set_by_a_pattern(refused, role_sets_on, of_type, property, values):
    for value in values:
        refused(f"`{property}`: found", of_type=of_type, **{**BASES[of_type], property: value})


def test_a_trust_stays_within_the_known_services_and_actions_whatever_the_deployer_lists(function, switched, refused):
    switched(function, ALLOWED_TRUST="*,sts:*,lambda.amazonaws.com,ec2.amazonaws.com,sts:AssumeRoleWithSAML")
    for property, values in (("TrustedServices", ("*", "lambda.amazonaws.com", "ec2.amazonaws.com", "glue.amazonaws.com")),
                             ("TrustedActions", ("*", "sts:*", "sts:AssumeRoleWithSAML", "sts:TagSession"))):
        for value in values:
            refused(f"`{property}`: found `{value}`", of_type=EXECUTION_ROLE, **{**BASES[EXECUTION_ROLE], property: value})


@pytest.mark.parametrize("property", ["AssumeRolePolicyDocument", "Principal", "Policies"])
def test_a_template_brings_no_document_of_its_own(refused, property):
    refused(f"`{property}`: no such property", **{property: document(allow("*"))})


def test_a_role_set_is_refused_where_its_type_is_off(refused):
    refused("is disabled", of_type=role_sets.TYPE, **TARGET)


def test_where_it_is_on_a_template_lets_any_account_in_and_the_boundary_holds_it(aws, role_sets_on, role_set, function):
    theirs, name = aws.of(OUTSIDE), TARGET["PipelineExecutionRoleArn"].rpartition("/")[2]
    like = "theirs-StackSetAdministration-x"
    theirs.make_role(name, local.trusting("ec2.amazonaws.com"))
    theirs.iam.put_role_policy(RoleName=name, PolicyName="in", PolicyDocument=EVERYTHING)
    made = role_set(aws, function, **{key: value for key, value in TARGET.items() if value})
    try:
        role_sets.ok(made.create())
        got_in = theirs.session_of(name).assume(local.role_arn("AmazonSageMaker-dev-StackSetExecutionRole"))
        assert got_in.client("sts").get_caller_identity()["Account"] == aws.account
        with pytest.raises(ClientError, match="AccessDenied"):
            got_in.iam.create_user(UserName="x")
        # A role whose name only looks similar is not trusted.
        theirs.make_role(like, local.trusting("ec2.amazonaws.com"))
        theirs.iam.put_role_policy(RoleName=like, PolicyName="in", PolicyDocument=EVERYTHING)
        with pytest.raises(ClientError, match="AccessDenied"):
            theirs.session_of(like).assume(local.role_arn("AmazonSageMaker-dev-StackSetExecutionRole"))
    finally:
        theirs.delete_role(name)
        theirs.delete_role(like)


@pytest.mark.parametrize("name", ["AmazonSageMaker-StackSetAdministration", "AmazonSageMaker-SetupLambdaExecutionRole",
                                  "AmazonSageMakerServiceCatalogProductsUseRole"])
def test_no_chosen_name_is_trusted_for_itself(refused, name):
    refused("is reserved for", RoleName=name)
    refused("is reserved for", of_type=EXECUTION_ROLE, RoleName=name, SageMakerExecutionRoleArns=None)


@pytest.mark.parametrize("part, properties", [
    ("`PassRolePolicyName`: found", {"PassRolePolicyName": "*"}),
    ("`PassRolePolicyName`: found", {"PassRolePolicyName": "../x"}),
    ("is not an API", {"Definition": tasks("arn:aws:states:::aws-sdk:iam:*")}),
    ("is not an API", {"Definition": tasks("arn:aws:states:::aws-sdk:*:*")}),
    ("expected the ARN of an integration", {"Integrations": ["*"]}),
    ("`ResourceOverrides.S0`: found", {"Definition": tasks(ATTACH), "ResourceOverrides": {"S0": "*"}}),
    ("`PassableRoleArns`", {"Definition": tasks(
        "arn:aws:states:::sagemaker:createTrainingJob",
        Parameters={"TrainingJobName": "x", "RoleArn": local.role_arn("Administrator")})}),
    ("the ARN of one role, without `*`", {
        "SageMakerExecutionRoleArns": None, "ResourceOverrides": {"S0": local.role_arn("*SageMaker*")},
        "Definition": tasks("arn:aws:states:::sagemaker:createTrainingJob",
                            Parameters={"TrainingJobName": "x", "RoleArn.$": "$.role"})}),
])
def test_no_definition_asks_for_a_pattern_of_actions_or_for_a_role_that_is_not_listed(refused, part, properties):
    refused(part, **properties)


def test_what_a_task_asks_of_iam_is_denied_to_the_role_that_tries(aws, created, denied):
    calls = ("iam:attachRolePolicy", "iam:putRolePolicy", "iam:deleteRolePermissionsBoundary", "iam:createUser",
             "organizations:leaveOrganization", "account:putContactInformation")
    machine, target = tasks(*(f"arn:aws:states:::aws-sdk:{call}" for call in calls)), local.role_arn("Administrator")
    machine["States"]["As"] = {**machine["States"]["S0"], "Credentials": {"RoleArn": target}}
    one = created(Definition=machine)
    name, grants = one.physical_id, aws.policy(one.policy_arn)["statements"]
    granted = {action for statement in grants for action in statement["Action"]}
    assert granted > {"iam:AttachRolePolicy", "iam:PutRolePolicy", "sts:AssumeRole"}, "the grants are there"
    before = aws.world()
    assert denied(name, "attach_role_policy", RoleName=name, PolicyArn=ADMINISTRATOR)
    assert denied(name, "put_role_policy", RoleName=name, PolicyName="x", PolicyDocument=EVERYTHING)
    assert denied(name, "delete_role_permissions_boundary", RoleName=name)
    assert denied(name, "create_user", UserName="x")
    assert {aws.decision(name, action, target) for action in granted} == {"implicitDeny"}
    assert aws.world() == before


def test_a_role_passes_another_only_to_the_service_that_was_asked_for(aws, refused, created, execution_role):
    refused("is not an API", SageMakerExecutionRoleArns=None, Integrations=["aws-sdk:iam:passRole"])
    decisions = {service: aws.decision(created("passing").physical_id, "iam:PassRole", execution_role,
                                       iam_PassedToService=f"{service}.amazonaws.com")
                 for service in ("sagemaker", "lambda")}
    assert decisions == {"sagemaker": "allowed", "lambda": "implicitDeny"}


# --- adoption ---

def test_an_adopted_administrator_is_none_while_the_stack_has_it(by_hand, adopting, created, denied):
    assert not denied(by_hand, "list_users")
    one = created(of=adopting, RoleName=by_hand, AdoptExisting="true")
    assert ADMINISTRATOR in one.role["attached"], "what others attached stays"
    assert denied(by_hand, "list_users")
    assert denied(by_hand, "delete_role_permissions_boundary", RoleName=by_hand)


def test_adopt_from_takes_nothing_from_a_stack_that_holds_it(aws, adopting, template, stack, resource):
    name = unique("held")
    stack_id, status = stack(template(ServiceToken=adopting, RoleName=name))
    assert status == "CREATE_COMPLETE"
    before = aws.world()
    answer = resource(of=adopting, RoleName=name, AdoptFrom=stack_id).create()
    assert answer["Status"] == "FAILED" and f"still belongs to resource `Workflow` of stack `{stack_id}`" in (
        answer["Reason"])
    assert aws.world() == before


def test_a_release_leaves_no_administrator_to_the_state_machines_of_a_template(aws, by_hand, adopting, created, denied):
    one = created(of=adopting, RoleName=by_hand, AdoptExisting="true", StateMachineName="theirs")
    assert one.delete()["Status"] == "SUCCESS"
    assert ADMINISTRATOR in one.role["attached"] and not one.role["tags"], "it is released"
    assert denied(by_hand, "list_users")


def test_a_delete_with_other_properties_leaves_no_grant_of_ours_without_a_boundary(aws, adopting, created):
    name = unique("plain")
    aws.make_role(name)
    try:
        one = created(of=adopting, RoleName=name, AdoptExisting="true", SageMakerExecutionRoleArns=None,
                      Definition=tasks(ATTACH))
        assert aws.decision(name, "iam:AttachRolePolicy") == "implicitDeny"
        policy_arn = one.policy_arn
        one.delete(ResourceProperties={**one.properties, "PolicyName": unique("other")})
        assert aws.decision(name, "iam:AttachRolePolicy") == "implicitDeny"
        assert not one.role["attached"] and aws.policy(policy_arn) is None
    finally:
        aws.delete_role(name)


# --- the function itself ---

@pytest.mark.parametrize("integration, action", [
    ("lambda:invoke", "lambda:InvokeFunction"), ("aws-sdk:lambda:updateFunctionCode", "lambda:UpdateFunctionCode"),
    ("aws-sdk:lambda:updateFunctionConfiguration", "lambda:UpdateFunctionConfiguration")])
def test_a_made_role_can_not_reach_the_function_that_made_it(aws, function, created, integration, action):
    one = created(Integrations=[integration], SageMakerExecutionRoleArns=None)
    assert aws.decision(one.physical_id, action, function) == "explicitDeny"


def test_not_even_the_functions_own_code_can_make_a_role_without_the_boundary(aws, app):
    iam, name = aws.session_of(aws.resource_id(APP, "FunctionRole")).iam, unique("unbound")
    iam.create_role(RoleName=name, PermissionsBoundary=app["PermissionsBoundaryArn"],
                    AssumeRolePolicyDocument=json.dumps(local.trusting("states.amazonaws.com")))
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=EVERYTHING)
    refusals = []
    for call, more in ((iam.delete_role_permissions_boundary, {}),
                       (iam.tag_role, {"Tags": [{"Key": ADOPTED_TAG, "Value": "without-boundary"}]}),
                       (iam.delete_role_permissions_boundary, {})):
        try:
            call(RoleName=name, **more)
        except ClientError as error:
            refusals.append(error.response["Error"]["Code"])
    may = aws.decision(name, "iam:CreateUser")
    aws.delete_role(name)
    assert refusals == ["AccessDenied", "AccessDenied"], "neither before nor after it is marked"
    assert may != "allowed"


# --- direct invocation ---

@pytest.mark.parametrize("verified", ["false", "true"])
def test_who_may_invoke_speaks_for_any_stack_unless_events_are_verified(
        aws, function, template, stack, resource, switched, verified):
    name = unique("forged")
    stack_id, status = stack(template(RoleName=name))
    assert status == "CREATE_COMPLETE"
    switched(function, VERIFY_EVENTS=verified)
    before = aws.world()
    forger = resource(RoleName=name, Description="forged")
    forger.stack_id = stack_id
    updated = forger.send("Update", PhysicalResourceId=name, OldResourceProperties={})
    answers = [updated, forger.send("Create"), forger.delete(name)]
    if verified == "true":
        assert all(answer["Status"] == "FAILED" and "is stale" in answer["Reason"] for answer in answers), answers
        assert aws.world() == before
    else:  # what remains: the forger changes and deletes what belongs to another stack
        assert all(answer["Status"] == "SUCCESS" for answer in answers) and aws.role(name) is None, answers


@pytest.fixture
def listener():
    """A server of the attacker: its address, and the paths of its requests."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            heard.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"localhost:{server.server_port}"
    urllib.request.urlopen(urllib.request.Request(f"http://{address}/heard", method="PUT")).close()
    assert heard.pop() == "/heard"
    yield address, heard
    server.shutdown()
    server.server_close()


@pytest.fixture
def unanswerable(aws, function, resource):
    """Sends a Create whose response is to go elsewhere; returns the error, and whether a role was created."""
    def send(url):
        one = resource("unanswerable")
        one.physical_id = one.properties["RoleName"]
        answer = aws.functions.invoke(FunctionName=function, Payload=json.dumps({
            "RequestType": "Create", "RequestId": "r", "StackId": one.stack_id, "LogicalResourceId": one.logical_id,
            "ResourceType": RESOURCE_TYPE, "ServiceToken": function, "ResponseURL": url,
            "ResourceProperties": one.properties}))
        assert "FunctionError" in answer, "Lambda is to try again, and to keep the event in the end"
        return json.load(answer["Payload"])["errorMessage"], one.role is not None
    return send


BUCKET = "https://cloudformation-custom-resource-response-euwest1"
ELSEWHERE = ["http://{it}/secret", "http://x@{it}/secret", "{aws}@{it}/secret", "https://{it}/secret",
             "ftp://{it}/secret", BUCKET + ".s3.amazonaws.com@{it}/secret", BUCKET + ".s3.amazonaws.com.{it}/secret",
             BUCKET + ".s3-eu-west-2.amazonaws.com/secret", "secret", ""]


def test_no_answer_goes_elsewhere_and_lambda_hears_of_it(aws, listener, unanswerable):
    address, heard = listener
    for url in ELSEWHERE:
        why, _ = unanswerable(url.format(it=address, aws=aws.endpoint))
        assert why.startswith("the response was not sent: the response URL ") and "secret" not in why, url
    assert heard == []


def test_an_event_that_can_not_be_answered_makes_nothing(listener, unanswerable):
    _, is_made = unanswerable(f"http://{listener[0]}/secret")
    assert not is_made


# --- too much, too deep, too short ---

@pytest.mark.parametrize("part, properties", [
    ("`Definition`: is not valid JSON: recursion limit", {"Definition": "[" * 10_000 + "]" * 10_000}),
    ("validation errors", {"Definition": json.dumps(tasks(*["arn:aws:states:::no:such"] * 5_000))}),
    ("at most 47 tags", {"Tags": [{"Key": f"k{i}", "Value": "v"} for i in range(10_000)]}),
    ("(1000015 characters)", {"RoleName": "AmazonSageMaker" + "x" * 1_000_000}),
    ("validation errors", {"SageMakerExecutionRoleArns": [f"a{i}" for i in range(20_000)]}),
    ("validation errors", {f"Unknown{i}": "x" for i in range(5_000)}),
    ("validation errors", {"Definition": tasks(ATTACH), "ResourceOverrides": {f"S{i}": "*" for i in range(10_000)}}),
], ids=["deep", "states", "tags", "name", "arns", "properties", "overrides"])
def test_input_beyond_measure_is_answered_soon_and_the_next_event_is_served(refused, created, part, properties):
    assert len(json.dumps(properties)) > 20_000
    refused(part, **properties)
    created("next")


def test_properties_of_three_hundred_levels_are_answered(resource):
    deep = "x"
    for _ in range(300):  # the local AWS itself can't read many more levels
        deep = {"a": deep}
    answer = resource(Definition=deep).create()
    assert answer["Status"] == "FAILED" and "nested more than 127 levels deep" in answer["Reason"]


def test_substitutions_do_not_multiply_a_definition_beyond_what_step_functions_takes(refused):
    refused("has more than 1048576 bytes", Definition='{"Comment": "' + "${x}" * 1_000 + '"}',
            DefinitionSubstitutions={"x": "y" * 20_000})


def test_a_service_timeout_that_is_none_changes_nothing(created):
    for seconds in ("0", "-1", "soon", [], 0.5, "18446744073709551615", "99999999999999999999"):
        assert created(ServiceTimeout=seconds).role


def test_a_service_timeout_of_a_second_ends_what_would_wait_half_a_minute(function, refused, switched):
    switched(function, ROLE_NAME_PREFIXES="AmazonSageMaker,Other")
    refused("AccessDenied", RoleName="Other-role", ServiceTimeout="1").physical_id = ""
