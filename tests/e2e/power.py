"""The cases that need the permissions of the function's role one by one, and the accounts in which the tests try
them."""

import hashlib
import json
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import service_catalog
from conftest import APP, NARROW_BOUNDARY, Resource
from local import REGION, Local, allow, document, trusting
from service_catalog import LAUNCH, USE, by_the_console, by_the_solution

TYPES = [f"Custom::{name}" for name in (
    "StepFunctionsWorkflowRole", "SageMakerExecutionRole", "SageMakerServiceCatalogRoles", "SageMakerMlopsRoles",
    "SageMakerDeployTarget")]
WORKFLOW, EXECUTION, CATALOG, SETS, TARGET = TYPES
# No name of SageMaker begins with this prefix, so only the statements for the service-catalog roles allow changes of
# them.
PREFIX = "Team"
OTHERS_ROLE = "theirs-for-SageMaker"


class Late(Local):
    """An account whose events have a response URL that was signed a minute ago."""

    def answer_url(self, bucket, key):
        class Signer(S3SigV4QueryAuth):
            def _modify_request_before_signing(self, request):
                request.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - 60))
                super()._modify_request_before_signing(request)

        request = AWSRequest("PUT", f"{self.endpoint}/{bucket}/{key}")
        keys = Credentials(self.credentials["AccessKeyId"], self.credentials["SecretAccessKey"])
        Signer(keys, "s3", REGION).add_auth(request)
        return request.url


class Timed(Resource):
    """A resource whose events have the ServiceTimeout of their account."""
    account = None

    def send(self, request_type, **more):
        properties = {"ServiceToken": self.function, "ServiceTimeout": self.account.seconds, **self.properties}
        return super().send(request_type, ResourceProperties=properties, **more)


@dataclass
class Account:
    """An account with the application deployed."""
    aws: Local
    outputs: dict
    before: dict  # all of IAM before the deployment; `deployed` is all of IAM after it
    deployed: dict
    seconds: str = "60"  # the time that the function has for an event

    @property
    def role(self):
        return self.aws.resource_id(APP, "FunctionRole")

    @property
    def role_arn(self):
        return self.aws.iam.get_role(RoleName=self.role)["Role"]["Arn"]

    def resource(self, kind, name="Power", of=None, **properties):
        stack_id = f"arn:aws:cloudformation:{REGION}:{self.aws.account}:stack/direct/{uuid.uuid4()}"
        one = Timed(of or self.aws, self.outputs["ServiceToken"], properties, name, kind, stack_id)
        one.account = self
        return one

    def workflow(self, **properties):
        execution_role = self.aws.role_arn("SageMaker-execution")
        defaults = {"RoleName": f"{PREFIX}-{uuid.uuid4().hex[:8]}", "SageMakerExecutionRoleArns": execution_role,
                    "SettleSeconds": "0"}
        given = {**defaults, **properties}
        return self.resource(WORKFLOW, **{key: value for key, value in given.items() if value is not None})

    def catalog(self, **properties):
        return self.resource(CATALOG, **{"Regions": REGION, **properties})

    # --- the permissions of the function ---

    def policies(self):
        """The policies of the function's role, each (ARN or None, document). The keys are names, or logical ids if
        CloudFormation generated the name."""
        iam, role = self.aws.iam, self.role
        inline = iam.list_role_policies(RoleName=role)["PolicyNames"]
        found = {name: (None, iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]) for name in inline}
        resources = self.aws.cloudformation.describe_stack_resources(StackName=APP)["StackResources"]
        logical_ids = {one["PhysicalResourceId"]: one["LogicalResourceId"] for one in resources}
        for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
            arn = attached["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            version = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
            found[logical_ids[arn]] = (arn, version["Document"])
        return found

    @contextmanager
    def without(self, policy, sid, action):
        """Removes one action from one statement."""
        (arn, whole), iam = self.policies()[policy], self.aws.iam
        less = [{**one, "Action": [kept for kept in listed(one["Action"]) if kept != action] or "none:Left"}
                if one["Sid"] == sid else one for one in whole["Statement"]]
        before, less = json.dumps(whole), json.dumps({**whole, "Statement": less})
        inline = {"RoleName": self.role, "PolicyName": policy}
        if arn is None:
            iam.put_role_policy(**inline, PolicyDocument=less)
        else:
            former = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=less, SetAsDefault=True)["PolicyVersion"]
        try:
            yield
        finally:
            if arn is None:
                iam.put_role_policy(**inline, PolicyDocument=before)
            else:
                iam.set_default_policy_version(PolicyArn=arn, VersionId=former)
                iam.delete_policy_version(PolicyArn=arn, VersionId=made["VersionId"])

    # --- the calls of the function ---

    def calls(self):
        return self.aws.calls(self.role_arn)

    @contextmanager
    def refusals(self):
        """Collects the actions that are denied inside the context."""
        before, found = self.calls()["denied"], set()
        yield found
        found.update(action for action, times in self.calls()["denied"].items() if times > before.get(action, 0))


def listed(value):
    return value if isinstance(value, list) else [value]


def ok(answer):
    assert answer["Status"] == "SUCCESS", answer
    return answer


def succeeds(answer):
    return answer["Status"] == "SUCCESS"


# --- the cases: each yields an attempt, which returns whether it succeeded ---

@contextmanager
def tried(one, attempt):
    """Yields the attempt, and deletes the resource at the end."""
    yield lambda: succeeds(attempt())
    if one.physical_id:
        ok(one.delete())


@contextmanager
def created(account):
    one = account.workflow()
    with tried(one, one.create) as attempt:
        yield attempt


def named(name):
    """Makes a case with this name, from a function that was made with arguments. The name is part of the test id."""
    def made(case):
        case.__name__ = name
        return contextmanager(case)
    return made


def changing(name, before, **after):
    @named(name)
    def case(account):
        one = account.workflow(**before)
        ok(one.create())
        now = {key: value(account) if callable(value) else value for key, value in after.items()}
        with tried(one, lambda: one.update(**now)) as attempt:
            yield attempt
    return case


described = changing("described", {}, Description="other", StateMachineName="churn")
retagged = changing("retagged", {"Tags": [{"Key": "old", "Value": "x"}]}, Tags=[{"Key": "new", "Value": "x"}])
rebounded = changing("rebounded", {}, PermissionsBoundary=lambda account: account.aws.policy_arn(NARROW_BOUNDARY))
rewritten = changing("rewritten", {"Integrations": ["lambda:invoke"]}, Integrations=["sqs:sendMessage"])


@contextmanager
def written_back(account):
    one = account.workflow(Integrations=["lambda:invoke"])
    ok(one.create())
    ok(one.update(Integrations=["sqs:sendMessage"]))
    with tried(one, lambda: one.update(Integrations=["lambda:invoke"])) as attempt:
        yield attempt


@contextmanager
def rewritten_once_too_often(account):
    """A policy with five versions, which is all that IAM keeps, gets another one."""
    one = account.workflow(Integrations=["lambda:invoke"])
    ok(one.create())
    for number in range(4):
        body = json.dumps(document(allow(f"s3:Get{number}")))
        account.aws.iam.create_policy_version(PolicyArn=policy_of(one), PolicyDocument=body)
    with tried(one, lambda: one.update(Integrations=["sqs:sendMessage"])) as attempt:
        yield attempt


def policy_of(one):
    return one.aws.policy_arn(f"{one.physical_id}-Policy")


@contextmanager
def deleted(account):
    """A role in an instance profile and a policy with several versions are deleted."""
    one, iam = account.workflow(), account.aws.iam
    ok(one.create())
    profile = f"profile-of-{one.physical_id}"
    iam.create_instance_profile(InstanceProfileName=profile)
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=one.physical_id)
    iam.create_policy_version(PolicyArn=policy_of(one), PolicyDocument=json.dumps(document(allow("s3:GetObject"))))
    with tried(one, one.delete) as attempt:
        yield attempt
    iam.delete_instance_profile(InstanceProfileName=profile)


@contextmanager
def bounded_by_what_is_not_there(account):
    one = account.workflow(PermissionsBoundary=account.aws.policy_arn("gone-boundary"))
    yield lambda: "gone-boundary` does not exist" in one.send("Create")["Reason"]


@contextmanager
def hand_made(account):
    name = f"{PREFIX}-by-hand-{uuid.uuid4().hex[:8]}"
    account.aws.make_role(name, trusting("states.amazonaws.com"))
    yield account.workflow(RoleName=name, AdoptExisting="true")
    account.aws.delete_role(name)


@contextmanager
def adopted(account):
    with hand_made(account) as one, tried(one, one.create) as attempt:
        yield attempt


@contextmanager
def adopted_in_vain(account):
    """An adoption fails and is rolled back. Each attempt uses another role, because a role whose rollback failed
    already has the boundary."""
    with ExitStack() as roles:
        def attempt():
            one = roles.enter_context(hand_made(account))
            roles.callback(lambda: ok(one.delete(one.properties["RoleName"])))
            one.properties |= {"Integrations": ["aws-sdk:iam:createUser"], "VerifyPermissions": "true"}
            return one.send("Create")["Reason"].endswith("; rolled back")
        yield attempt


@contextmanager
def verified(account):
    one = account.workflow(Integrations=["lambda:invoke"], VerifyPermissions="true")
    with tried(one, one.create) as attempt:
        yield attempt


def found(**source):
    @named("found_by_" + "_and_".join(source))
    def case(account):
        account.aws.make_role(OTHERS_ROLE)
        role = account.aws.role_arn(OTHERS_ROLE)
        account.aws.set_sagemaker({REGION: {
            "domains": {"d-1": {"user": role}}, "profiles": {"d-1/alice": role}, "notebooks": {"notes": role},
            "spaces": {"d-1/own": {"sharing": "Private", "owner": "alice"}}, "endpoints": {"scorer": "config"},
            "configs": {"config": {"models": ["model"]}}, "models": {"model": role}, "pipelines": {"nightly": role},
            "jobs": {"train": role}, "clusters": {"training": {"groups": [role]}}, "packages": {"scores": role}}})
        one = account.workflow(SageMakerExecutionRoleArns=None, SageMakerExecutionRole=source)
        with tried(one, one.create) as attempt:
            yield attempt
        account.aws.delete_role(OTHERS_ROLE)
    return case


def read(name, pins):
    """The definition is read from a bucket that keeps versions."""
    @named(name)
    def case(account):
        bucket, key, s3 = f"definitions-{account.aws.account}", "churn.asl.json", account.aws.s3
        account.aws.own_bucket(bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        body = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        version = s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]
        one = account.workflow(SageMakerExecutionRoleArns=None, **pins({"Bucket": bucket, "Key": key}, version, body))
        with tried(one, one.create) as attempt:
            yield attempt
    return case


read_by_version = read("read_by_version", lambda location, version, body: {
    "DefinitionS3Location": {**location, "Version": version}})
read_by_digest = read("read_by_digest", lambda location, version, body: {
    "DefinitionS3Location": location, "DefinitionSha256": hashlib.sha256(body.encode()).hexdigest()})


@contextmanager
def late(account):
    """A late event of a stack that no longer exists."""
    aws = account.aws
    one = account.workflow()
    one = account.resource(WORKFLOW, of=Late(aws.endpoint, account=aws.account), **one.properties)
    yield lambda: succeeds(one.delete(one.properties["RoleName"]))


@contextmanager
def logged(account):
    one = account.workflow()

    def attempt():
        before = sum(decisions(account, "logs:CreateLogStream"))
        ok(one.delete(one.properties["RoleName"]))
        until(lambda: sum(decisions(account, "logs:CreateLogStream")) > before)
        return any(one.stack_id in line for line in account.aws.log(account.outputs["LogGroupName"]))
    yield attempt


@contextmanager
def unanswered(account):
    """An event without a response URL is tried three times and then kept in the queue."""
    aws, sqs = account.aws, account.aws.client("sqs")
    queue = aws.resource_id(APP, "UnansweredEvents")

    def attempt():
        before = sum(decisions(account, "sqs:SendMessage"))
        aws.functions.invoke(FunctionName=account.outputs["ServiceToken"], InvocationType="Event", Payload="{}")
        until(lambda: sum(decisions(account, "sqs:SendMessage")) > before)
        return bool(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"))
    yield attempt
    sqs.purge_queue(QueueUrl=queue)


def decisions(account, action):
    calls = account.calls()
    return [calls[decision].get(action, 0) for decision in ("allowed", "denied")]


def until(happened):
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.1)


# --- the cases of the service-catalog roles ---

@contextmanager
def slate(account, **book):
    """Sets the state of SageMaker. None of its roles exists, and at the end all are deleted."""
    account.aws.set_sagemaker({REGION: book})
    try:
        yield
    finally:
        service_catalog.clear(account.aws)
        account.aws.set_sagemaker({})


@contextmanager
def cleared(account):
    """A Create deletes roles that the console and a solution left, and the console's policy, and disables the
    portfolio."""
    with slate(account, portfolio="Enabled"):
        by_the_console(account.aws, USE)
        by_the_solution(account.aws, LAUNCH)
        one = account.catalog(OnCreate="Delete", DisablePortfolio="true")
        yield lambda: succeeds(one.create())


@contextmanager
def cleared_beside_a_project_of_its_own(account):
    """A project that was created from a template with another role does not keep the roles."""
    own = account.aws.role_arn("AmazonSageMakerProjectsLaunchRole")
    with slate(account, projects=[{"name": "churn", "templates": [own]}]):
        by_the_solution(account.aws)
        one = account.catalog(OnCreate="Delete")
        yield lambda: succeeds(one.create())


@contextmanager
def cleared_at_the_end(account):
    with slate(account):
        by_the_solution(account.aws)
        one = account.catalog()
        ok(one.create())
        yield lambda: succeeds(one.delete())


@contextmanager
def provisioned(account):
    with slate(account):
        one = account.catalog(OnCreate="Provision")
        with tried(one, one.create) as attempt:
            yield attempt


@contextmanager
def put_right(account):
    with slate(account):
        one, iam = account.catalog(OnCreate="Provision"), account.aws.iam
        ok(one.create())
        iam.update_assume_role_policy(RoleName=LAUNCH, PolicyDocument=json.dumps(trusting("ec2.amazonaws.com")))
        iam.update_role(RoleName=LAUNCH, Description="drifted")
        with tried(one, lambda: one.update(Revision="2")) as attempt:
            yield attempt


@contextmanager
def bounded_again(account):
    with slate(account):
        one = account.catalog(OnCreate="Provision")
        ok(one.create())
        account.aws.iam.delete_role_permissions_boundary(RoleName=LAUNCH)
        with tried(one, lambda: one.update(Revision="2")) as attempt:
            yield attempt


@contextmanager
def kept_by_a_project(account):
    with slate(account, projects=[{"name": "churn"}]):
        one = account.catalog(OnCreate="Provision", IfInUse="Keep")
        ok(one.create())
        yield lambda: succeeds(one.delete())


@contextmanager
def made_as_a_set(account):
    one = account.resource(SETS, RoleSet="SetupStackSetExecution", EnvName=f"{PREFIX}-{uuid.uuid4().hex[:8]}",
                           AdministratorAccountId=account.aws.account, AdministratorEnvName="ops", SettleSeconds="0")
    with tried(one, one.create) as attempt:
        yield attempt


# By policy and statement: the cases, each with the actions that it needs.
CASES = {
    ("mlops-roles", "Log"): {logged: "logs:CreateLogStream logs:PutLogEvents"},
    ("mlops-roles", "KeepUnansweredEvents"): {unanswered: "sqs:SendMessage"},
    ("mlops-roles", "AskForTheStack"): {
        late: "cloudformation:DescribeStackResource", cleared_at_the_end: "cloudformation:DescribeStacks"},
    ("mlops-roles", "FindExecutionRoles"): {
        found(DomainId="d-1"): "sagemaker:DescribeDomain",
        found(DomainId="d-1", UserProfileName="alice"): "sagemaker:DescribeUserProfile",
        found(DomainId="d-1", SpaceName="own"): "sagemaker:DescribeSpace",
        found(NotebookInstanceName="notes"): "sagemaker:DescribeNotebookInstance",
        found(EndpointName="scorer"): (
            "sagemaker:DescribeEndpoint sagemaker:DescribeEndpointConfig sagemaker:DescribeModel"),
        found(PipelineName="nightly"): "sagemaker:DescribePipeline",
        found(TrainingJobName="train"): "sagemaker:DescribeTrainingJob",
        found(ClusterName="training"): "sagemaker:DescribeCluster",
        found(ModelPackageName="scores"): "sagemaker:DescribeModelPackage"},
    ("mlops-roles", "FindRolesByName"): {found(RoleNamePrefix=OTHERS_ROLE): "iam:ListRoles"},
    ("mlops-roles", "SeeRoles"): {
        created: "iam:GetRole",
        described: ("iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies iam:ListInstanceProfilesForRole "
                    "iam:ListRolePolicies"),
        verified: "iam:SimulatePrincipalPolicy"},
    ("mlops-roles", "MarkRoles"): {
        created: "iam:TagRole", adopted: "iam:TagRole", retagged: "iam:TagRole iam:UntagRole"},
    ("mlops-roles", "NarrowMarkedRoles"): {
        deleted: "iam:DeleteRole iam:DeleteRolePolicy iam:DetachRolePolicy", described: "iam:UpdateRole"},
    ("mlops-roles", "WidenRolesInsideTheBoundary"): {
        created: "iam:CreateRole iam:PutRolePolicy", rebounded: "iam:PutRolePermissionsBoundary",
        described: "iam:UpdateAssumeRolePolicy"},
    ("mlops-roles", "AttachInsideTheBoundary"): {created: "iam:AttachRolePolicy"},
    ("mlops-roles", "InstanceProfiles"): {deleted: "iam:RemoveRoleFromInstanceProfile"},
    ("PoliciesPolicy", "SeeAndMakePolicies"): {
        created: "iam:CreatePolicy iam:TagPolicy", described: "iam:GetPolicy iam:GetPolicyVersion",
        deleted: "iam:ListEntitiesForPolicy", rewritten: "iam:ListPolicyVersions",
        retagged: "iam:TagPolicy iam:UntagPolicy"},
    ("PoliciesPolicy", "ChangeMarkedPolicies"): {
        rewritten: "iam:CreatePolicyVersion", written_back: "iam:SetDefaultPolicyVersion",
        rewritten_once_too_often: "iam:DeletePolicyVersion", deleted: "iam:DeletePolicy iam:DeletePolicyVersion"},
    ("PoliciesPolicy", "ReadDefinitions"): {
        read_by_digest: "s3:GetObject", read_by_version: "s3:GetObjectVersion"},
    ("mlops-roles", "ReleaseFromTheBoundary"): {adopted_in_vain: "iam:DeleteRolePermissionsBoundary"},
    ("mlops-roles", "SeeBoundaries"): {bounded_by_what_is_not_there: "iam:GetPolicy"},
    ("mlops-roles-adoption", "AskForTheStack"): {adopted: "cloudformation:DescribeStackResources"},
    ("ServiceCatalogPolicy", "SeeAndTakeDown"): {
        cleared: ("iam:DeleteRole iam:DeleteRolePolicy iam:DetachRolePolicy iam:GetRole iam:GetRolePolicy "
                  "iam:ListAttachedRolePolicies iam:ListInstanceProfilesForRole iam:ListRolePolicies")},
    ("ServiceCatalogPolicy", "TakeDownTheConsolesPolicy"): {
        cleared: ("iam:DeletePolicy iam:DeletePolicyVersion iam:GetPolicy iam:GetPolicyVersion "
                  "iam:ListEntitiesForPolicy iam:ListPolicyVersions")},
    ("ServiceCatalogPolicy", "LookForUse"): {
        cleared: ("iam:ListPolicies sagemaker:DisableSagemakerServicecatalogPortfolio "
                  "sagemaker:GetSagemakerServicecatalogPortfolioStatus sagemaker:ListProjects")},
    ("ServiceCatalogPolicy", "ReadProjects"): {cleared_beside_a_project_of_its_own: "sagemaker:DescribeProject"},
    ("ServiceCatalogProvisionPolicy", "Mark"): {provisioned: "iam:TagRole", kept_by_a_project: "iam:UntagRole"},
    ("ServiceCatalogProvisionPolicy", "DescribeMarkedRoles"): {put_right: "iam:UpdateRole"},
    ("ServiceCatalogProvisionPolicy", "MakeInsideTheBoundary"): {
        provisioned: "iam:AttachRolePolicy iam:CreateRole iam:PutRolePolicy",
        bounded_again: "iam:PutRolePermissionsBoundary", put_right: "iam:UpdateAssumeRolePolicy"},
    ("RoleSetsPolicy", "AttachInsideTheBoundary"): {made_as_a_set: "iam:AttachRolePolicy"},
}
NEEDS = [(*statement, action, case) for statement, cases in CASES.items()
         for case, actions in cases.items() for action in actions.split()]
