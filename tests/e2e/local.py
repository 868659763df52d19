"""A local AWS for the tests and the demo: the server, sam, and helpers to call AWS and to read its state."""

import itertools
import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
import uuid
from functools import cached_property
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
# The templates that `make build` and `make dev-function` write.
RELEASED, UNOPTIMISED = (ROOT / ".aws-sam" / folder / "template.yaml" for folder in ("build", "dev"))
TEMPLATE = RELEASED if os.environ.get("FUNCTION") == "released" else UNOPTIMISED
ACCOUNT = "000000000000"
REGION = "eu-west-1"
RESOURCE_TYPE = "Custom::StepFunctionsWorkflowRole"
PREFIX = "AmazonSageMaker"  # the template's default
CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
GRANT = "AssumeRoleSMforStepFunctionPolicy"  # the inline policy's default name
STACK_TAG, LOGICAL_TAG, ADOPTED_TAG = (f"mlops-roles:{key}" for key in ("stack-id", "logical-id", "adopted"))

numbers = itertools.count(1)


def unique(name):
    return f"{PREFIX}-{name}-{next(numbers)}"


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions, resource="*", **condition):
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def trusting(service, **condition):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return document({**statement, "Condition": condition} if condition else statement)


def role_arn(name, account=ACCOUNT):
    return f"arn:aws:iam::{account}:role/{name}"


def policy_arn(name, account=ACCOUNT):
    return f"arn:aws:iam::{account}:policy/{name}"


def statements(policy):
    """The statements of a policy document, with a list wherever IAM accepts one item or a list. The order is not
    kept."""
    def listed(value):
        return sorted(value) if isinstance(value, list) else [value]

    found = []
    for statement in policy["Statement"]:
        flat = {key: listed(value) if key in ("Action", "Resource") else value for key, value in statement.items()}
        flat["Principal"] = {kind: listed(names) for kind, names in statement.get("Principal", {}).items()}
        flat["Condition"] = {operator: {key: listed(values) for key, values in keys.items()}
                             for operator, keys in statement.get("Condition", {}).items()}
        found.append(flat)
    return sorted(found, key=lambda statement: json.dumps(statement, sort_keys=True))


# --- the server and sam ---

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """The launcher as a child process, on two free ports of the loopback address."""

    def __init__(self, work_dir):
        self.port, sagemaker_port = free_port(), free_port()
        self.endpoint = f"http://localhost:{self.port}"
        self.sagemaker_endpoint = f"http://localhost:{sagemaker_port}"
        python = os.environ.get("MINISTACK_PYTHON", ROOT / ".tools" / "ministack" / "bin" / "python")
        env = {**os.environ, "GATEWAY_PORT": str(self.port), "SAGEMAKER_PORT": str(sagemaker_port),
               "TMPDIR": str(work_dir), "LOG_LEVEL": "ERROR"}
        self.process = subprocess.Popen([python, ROOT / "tests" / "local" / "ministack_launcher.py"], env=env)
        self.wait()

    def wait(self):
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_ministack/health", timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError("the local AWS ended before it was ready") from None
                time.sleep(0.1)
        self.stop()
        raise RuntimeError("the local AWS was not ready within two minutes")

    def stop(self):
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def build(template=TEMPLATE):
    """Builds the function with make, which does nothing if the result is newer than its sources."""
    target = "build" if template == RELEASED else "dev-function"
    subprocess.run(["make", "--silent", target], cwd=ROOT, check=True)


class Local:
    """An account of the local AWS. By default, its credentials may do everything in the account."""

    def __init__(self, endpoint, sagemaker_endpoint=None, account=ACCOUNT, credentials=None, region=REGION):
        self.endpoint = endpoint
        self.sagemaker_endpoint = sagemaker_endpoint
        self.account = account
        self.region = region
        key = "test" if account == ACCOUNT else account  # a key of twelve digits belongs to the account of that number
        self.credentials = credentials or {"AccessKeyId": key, "SecretAccessKey": "test"}

    def of(self, account, credentials=None):
        """Another account of the same server."""
        return Local(self.endpoint, self.sagemaker_endpoint, account, credentials)

    def in_region(self, region):
        """The same account in another region."""
        return Local(self.endpoint, self.sagemaker_endpoint, self.account, self.credentials, region)

    def session_of(self, role_name):
        """The same account with the session of a role, whoever the role trusts: what a service can do that runs with
        it."""
        arn = self.iam.get_role(RoleName=role_name)["Role"]["Arn"]
        with urllib.request.urlopen(f"{self.endpoint}/_test/session/{arn}") as answer:
            return self.of(self.account, json.load(answer))

    def assume(self, role, **more):
        """The account of a role, given by its ARN, as that role. Its trust policy and our policies have to allow it."""
        session = self.client("sts").assume_role(RoleArn=role, RoleSessionName="test", **more)
        return self.of(role.split(":")[4], session["Credentials"])

    def client(self, service, endpoint=None):
        return boto3.client(
            service, endpoint_url=endpoint or self.endpoint, region_name=self.region,
            aws_access_key_id=self.credentials["AccessKeyId"],
            aws_secret_access_key=self.credentials["SecretAccessKey"],
            aws_session_token=self.credentials.get("SessionToken"), config=Config(
                retries={"max_attempts": 0}, read_timeout=330, signature_version="s3v4" if service == "s3" else None,
                s3={"addressing_style": "path"}))

    def role_arn(self, name):
        return role_arn(name, self.account)

    def policy_arn(self, name):
        return policy_arn(name, self.account)

    @cached_property
    def iam(self):
        return self.client("iam")

    @cached_property
    def cloudformation(self):
        return self.client("cloudformation")

    @cached_property
    def functions(self):
        return self.client("lambda")

    @cached_property
    def s3(self):
        return self.client("s3")

    @cached_property
    def logs(self):
        return self.client("logs")

    @cached_property
    def sagemaker(self):
        return self.client("sagemaker", self.sagemaker_endpoint)

    def sam(self, *arguments):
        """Runs sam against this endpoint, without the user's own AWS configuration."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SAM_"))}
        env.update(AWS_ENDPOINT_URL=self.endpoint, AWS_ACCESS_KEY_ID=self.credentials["AccessKeyId"],
                   AWS_SECRET_ACCESS_KEY=self.credentials["SecretAccessKey"],
                   AWS_SESSION_TOKEN=self.credentials.get("SessionToken", ""),
                   AWS_DEFAULT_REGION=self.region, AWS_REGION=self.region, AWS_CONFIG_FILE=os.devnull,
                   AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true",
                   SAM_CLI_TELEMETRY="0", SAM_CLI_POLL_DELAY="1", __SAM_CLI_APP_DIR=str(ROOT / ".tools/sam/home"))
        subprocess.run([ROOT / ".tools/sam/bin/sam", *arguments], cwd=ROOT, env=env, check=True)

    def deploy(self, stack, **parameters):
        """Deploys the built template.yaml with `sam deploy`, and returns the outputs."""
        overrides = [f"{key}={value}" for key, value in {"EndpointUrl": self.endpoint, **parameters}.items()]
        self.sam("deploy", "--template-file", str(TEMPLATE), "--stack-name", stack, "--resolve-s3",
                 "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
                 "--parameter-overrides", *overrides)
        return self.outputs(stack)

    def outputs(self, stack):
        found = self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0].get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    # --- stacks ---

    def settled(self, stack_id):
        """Waits until the current operation of the stack has ended, and returns the status."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            status = self.cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
            if not status.endswith("_IN_PROGRESS"):
                return status
            time.sleep(0.1)
        raise AssertionError(f"{stack_id} still is {status}")

    def start_stack(self, name, template, **parameters):
        """Begins to create a stack. The template is an object, its text, or a URL."""
        body = template if isinstance(template, str) else json.dumps(template)
        answer = self.cloudformation.create_stack(
            StackName=name, Capabilities=CAPABILITIES,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            **{"TemplateURL" if body.startswith("http") else "TemplateBody": body})
        return answer["StackId"]

    def create_stack(self, name, template, **parameters):
        stack_id = self.start_stack(name, template, **parameters)
        return stack_id, self.settled(stack_id)

    def update_stack(self, stack_id, template=None, **parameters):
        """Updates a stack. A template or parameter that is not given stays as it is."""
        body = {"TemplateBody": json.dumps(template)} if template else {"UsePreviousTemplate": True}
        stack = self.cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        stay = [{"ParameterKey": one["ParameterKey"], "UsePreviousValue": True} for one in stack.get("Parameters", [])
                if one["ParameterKey"] not in parameters]
        change = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self.cloudformation.update_stack(
            StackName=stack_id, Capabilities=CAPABILITIES, Parameters=stay + change, **body)
        return self.settled(stack_id)

    def delete_stack(self, stack, **more):
        stack_id = self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
        self.cloudformation.delete_stack(StackName=stack_id, **more)
        return self.settled(stack_id)

    def resource_id(self, stack, logical_id):
        """The physical id of a resource of the stack, or None."""
        found = self.cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
        return next((one["PhysicalResourceId"] for one in found if one["LogicalResourceId"] == logical_id), None)

    def reasons(self, stack_id):
        """Why resources of the stack failed, newest first."""
        events = self.cloudformation.describe_stack_events(StackName=stack_id)["StackEvents"]
        return [event["ResourceStatusReason"] for event in events
                if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")]

    def uploaded(self, bucket, key, body):
        """Puts an object into a bucket, creates the bucket if it is absent, and returns the URL of the object."""
        self.own_bucket(bucket)
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        return f"{self.endpoint}/{bucket}/{key}"

    def own_bucket(self, name):
        try:
            self.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": self.region})
        except ClientError as error:
            assert error.response["Error"]["Code"] == "BucketAlreadyOwnedByYou", error

    # --- IAM, read whole ---

    def role(self, name):
        """Everything that IAM has of a role, or None."""
        try:
            role = self.iam.get_role(RoleName=name)["Role"]
        except self.iam.exceptions.NoSuchEntityException:
            return None
        inline = self.iam.list_role_policies(RoleName=name)["PolicyNames"]
        attached = self.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        profiles = self.iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]
        return {
            "id": role["RoleId"], "path": role["Path"], "trust": statements(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description", ""), "session": role["MaxSessionDuration"],
            "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
            "attached": {policy["PolicyArn"] for policy in attached},
            "inline": {policy: statements(self.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
                       for policy in inline},
            "profiles": {profile["InstanceProfileName"] for profile in profiles},
        }

    def policy(self, arn):
        """The default document and the tags of a managed policy, or None."""
        try:
            policy = self.iam.get_policy(PolicyArn=arn)["Policy"]
        except self.iam.exceptions.NoSuchEntityException:
            return None
        version = self.iam.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])["PolicyVersion"]
        return {"statements": statements(version["Document"]),
                "tags": {tag["Key"]: tag["Value"] for tag in self.iam.list_policy_tags(PolicyArn=arn)["Tags"]}}

    def world(self):
        """Every role, policy and instance profile of the account in full, by ARN."""
        def listed(call, key, **more):
            return [item for page in self.iam.get_paginator(call).paginate(**more) for item in page[key]]

        profiles = listed("list_instance_profiles", "InstanceProfiles")
        return {**{role["Arn"]: self.role(role["RoleName"]) for role in listed("list_roles", "Roles")},
                **{policy["Arn"]: self.policy(policy["Arn"])
                   for policy in listed("list_policies", "Policies", Scope="Local")},
                **{profile["Arn"]: [role["RoleName"] for role in profile["Roles"]] for profile in profiles}}

    def decision(self, role_name, action, resource="*", **context):
        """The decision of SimulatePrincipalPolicy: `allowed`, `implicitDeny` or `explicitDeny`."""
        entries = [{"ContextKeyName": key.replace("_", ":"), "ContextKeyValues": [value], "ContextKeyType": "string"}
                   for key, value in context.items()]
        arn = self.iam.get_role(RoleName=role_name)["Role"]["Arn"]
        answer = self.iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=[action], ResourceArns=[resource], ContextEntries=entries)
        return answer["EvaluationResults"][0]["EvalDecision"]

    def make_role(self, name, trust=None, **more):
        trust = json.dumps(trust or trusting("sagemaker.amazonaws.com"))
        return self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)["Role"]["Arn"]

    def make_policy(self, name, *what, **more):
        body = json.dumps(document(*(what or [allow("s3:GetObject")])))
        return self.iam.create_policy(PolicyName=name, PolicyDocument=body, **more)["Policy"]["Arn"]

    def delete_role(self, name):
        """Deletes a role, if it exists, with its attachments, inline policies and memberships in instance profiles."""
        role = self.role(name)
        if role is None:
            return
        for profile in role["profiles"]:
            self.iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=name)
        for arn in role["attached"]:
            self.iam.detach_role_policy(RoleName=name, PolicyArn=arn)
        for policy in role["inline"]:
            self.iam.delete_role_policy(RoleName=name, PolicyName=policy)
        self.iam.delete_role(RoleName=name)

    # --- the SageMaker of tests/local/sagemaker_endpoint.py ---

    def set_sagemaker(self, books):
        """Replaces the state of every region. A region that is left out is as in a new account, with no calls
        recorded."""
        request = urllib.request.Request(self.books_url, json.dumps(books).encode(), method="PUT")
        urllib.request.urlopen(request).close()

    @property
    def books_url(self):
        return f"{self.sagemaker_endpoint}/_test/{self.account}"

    def sagemaker_books(self):
        with urllib.request.urlopen(self.books_url) as answer:
            return json.load(answer)

    def sagemaker_calls(self):
        """The actions called since the state was set, with those that were refused, by region."""
        return {region: book["calls"] for region, book in self.sagemaker_books().items()}

    def log(self, group):
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]

    def calls(self, role):
        """The calls of a role, given by its ARN: {"allowed": {action: times}, "denied": {…}}."""
        with urllib.request.urlopen(f"{self.endpoint}/_test/calls/{role}") as answer:
            return json.load(answer)

    # --- the function, invoked directly ---

    def answer_url(self, bucket, key):
        return self.s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})

    def ask(self, function, event):
        """Invokes the function with an event of CloudFormation, and returns the response that it PUT to the presigned
        URL."""
        key, bucket = f"answers/{uuid.uuid4()}", f"cloudformation-answers-{self.account}"
        self.own_bucket(bucket)
        url = self.answer_url(bucket, key)
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps({**event, "ResponseURL": url}))
        payload = answer["Payload"].read()
        assert "FunctionError" not in answer, payload
        return json.load(self.s3.get_object(Bucket=bucket, Key=key)["Body"])
