"""The fixtures of the tests. All tests of a process share one local AWS and its deployments; pytest-xdist starts
several processes."""

import json
import uuid
from dataclasses import dataclass

import pytest

import local
import role_sets
import service_catalog
from local import ACCOUNT, REGION, RESOURCE_TYPE, Local, Server, unique

APP = "mlops-roles"
ADOPTING_APP = "mlops-roles-adopting"
CATALOGUING_APP = "mlops-roles-cataloguing"
APPS = (APP, ADOPTING_APP, CATALOGUING_APP)
EXECUTION_ROLE = "churn-SageMaker-execution"
NARROW_BOUNDARY = "narrow-boundary"
MANAGED_POLICY = "arn:aws:iam::aws:policy/AmazonSageMakerReadOnly"
OTHER_EXECUTION_ROLE = local.role_arn("Other")
ALARM_TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"


@pytest.fixture(scope="session")
def aloud(request):
    """Runs a function and shows its output, because it takes minutes."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def run(what, *arguments, **more):
        with capture.global_and_fixture_disabled():
            return what(*arguments, **more)
    return run


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("aws"))
    yield Local(server.endpoint, server.sagemaker_endpoint)
    server.stop()


def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        local.build()


@pytest.fixture(scope="session")
def untouched(aws):
    """The content of the account before anything is deployed, except the stack with sam's bucket."""
    return aws.world()


@pytest.fixture(scope="session")
def app(aws, untouched, aloud):
    """The outputs of the deployed application.

    After all tests, no line of a log has a response URL. After all deployments are deleted, the account is as
    before."""
    yield aloud(aws.deploy, APP)
    ours = [stack for stack in aws.cloudformation.describe_stacks()["Stacks"] if stack["StackName"] in APPS]
    lines = [line for stack in ours for line in aws.log(aws.outputs(stack["StackId"])["LogGroupName"])]
    assert not any(part in line for line in lines for part in ("X-Amz-Signature", "X-Amz-Credential", "cfn-response"))
    for stack in ours:
        if stack["StackName"] != APP:
            assert aws.delete_stack(stack["StackId"]) == "DELETE_COMPLETE"
    if any(stack["StackName"] == ADOPTING_APP for stack in ours):
        aws.iam.delete_policy(PolicyArn=local.policy_arn(NARROW_BOUNDARY))
    aws.delete_role(EXECUTION_ROLE)
    aloud(aws.sam, "delete", "--stack-name", APP, "--no-prompts", "--region", REGION)
    assert aws.world() == untouched


@pytest.fixture(scope="session")
def wide(aws, execution_role, aloud):
    """The outputs of a second deployment, with everything that the parameters can switch on and a workflow role of its
    own."""
    aws.make_policy(NARROW_BOUNDARY, local.allow("s3:*"))
    return aloud(aws.deploy, ADOPTING_APP, AllowAdoption="true", SageMakerExecutionRoleArns=execution_role,
                 WorkflowRoleName="AmazonSageMaker-of-the-app", StateMachineName="churn",
                 RoleNamePrefixes="AmazonSageMaker,Team", RolePaths="/,/team/",
                 NarrowerPermissionsBoundaryArns=local.policy_arn(NARROW_BOUNDARY),
                 AllowedManagedPolicyArns=MANAGED_POLICY, PassableRoleArns=f"{execution_role},{OTHER_EXECUTION_ROLE}",
                 AllowedTrust="events.amazonaws.com,sts:TagSession", LogRetentionInDays="30", Dashboard="true", Alarms="All",
                 AlarmTopicArn=ALARM_TOPIC)


@pytest.fixture(scope="session")
def adopting(wide):
    """The function of the second deployment, which allows adoption."""
    return wide["ServiceToken"]


@pytest.fixture(scope="session")
def cataloguing(aws, app, aloud):
    """The outputs of a third deployment. Its prefix matches no role of SageMaker, so only the policy for the
    service-catalog roles lets it change these roles."""
    return aloud(aws.deploy, CATALOGUING_APP, EnabledTypes=service_catalog.TYPE, RoleNamePrefixes="Team")


@pytest.fixture(scope="session")
def function(app):
    return app["ServiceToken"]


@pytest.fixture(scope="session")
def execution_role(aws, app):
    """The ARN of a role that SageMaker runs jobs with. Its name is within the default of PassableRoleArns."""
    return aws.make_role(EXECUTION_ROLE)


@dataclass
class Resource:
    """A resource of a made-up stack. The test sends its events to the function directly."""
    aws: Local
    function: str
    properties: dict
    logical_id: str = "Workflow"
    resource_type: str = RESOURCE_TYPE
    stack_id: str = ""
    physical_id: str = ""

    def __post_init__(self):
        place = f"{self.aws.region}:{self.aws.account}"
        self.stack_id = self.stack_id or f"arn:aws:cloudformation:{place}:stack/direct/{uuid.uuid4()}"

    def send(self, request_type, **more):
        event = {"RequestType": request_type, "RequestId": str(uuid.uuid4()), "StackId": self.stack_id,
                 "LogicalResourceId": self.logical_id, "ResourceType": self.resource_type,
                 "ServiceToken": self.function,
                 "ResourceProperties": {"ServiceToken": self.function, **self.properties}, **more}
        answer = self.aws.ask(self.function, event)
        repeated = {key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
        assert repeated.items() <= answer.items(), "what every answer repeats"
        assert answer["Status"] in ("SUCCESS", "FAILED") and answer["PhysicalResourceId"]
        return answer

    def create(self):
        answer = self.send("Create")
        self.physical_id = answer["PhysicalResourceId"]
        return answer

    def update(self, **changes):
        """Sends an Update. A property that becomes None is left out. After a failure, the old properties count
        again."""
        old = self.properties
        self.properties = {key: value for key, value in {**old, **changes}.items() if value is not None}
        answer = self.send("Update", PhysicalResourceId=self.physical_id,
                           OldResourceProperties={"ServiceToken": self.function, **old})
        if answer["Status"] == "FAILED":
            assert answer["PhysicalResourceId"] == self.physical_id
            self.properties = old
        self.physical_id = answer["PhysicalResourceId"]
        return answer

    def delete(self, physical_id=None, **more):
        return self.send("Delete", PhysicalResourceId=physical_id or self.physical_id, **more)

    @property
    def role(self):
        return self.aws.role(self.physical_id)

    @property
    def policy_arn(self):
        return self.aws.policy_arn(self.properties.get("PolicyName", f"{self.physical_id}-Policy"))


@pytest.fixture
def resource(aws, function, execution_role):
    """Makes a resource whose events the test sends directly; it is deleted at the end."""
    made = []

    def make(name="direct", *, of=None, **properties):
        properties = {"RoleName": unique(name), "SageMakerExecutionRoleArns": execution_role, "SettleSeconds": "0",
                      **properties}
        properties = {key: value for key, value in properties.items() if value is not None}
        made.append(Resource(aws, of or function, properties))
        return made[-1]
    yield make
    for one in made:
        if one.physical_id:
            answer = one.delete()
            assert answer["Status"] == "SUCCESS", answer


@pytest.fixture
def created(resource):
    """Makes such a resource and sends its Create."""
    def make(name="direct", **more):
        one = resource(name, **more)
        answer = one.create()
        assert answer["Status"] == "SUCCESS", answer
        return one
    return make


@pytest.fixture
def role_set():
    """Makes a role set whose events the test sends directly; it is deleted at the end."""
    made = []

    def make(aws, function, name=None, *, of_type=role_sets.TYPE, **properties):
        chosen = {"RoleSet": name} if name else {}
        made.append(Resource(aws, function, {**chosen, "SettleSeconds": "0", **properties}, "Roles", of_type))
        return made[-1]
    yield make
    for one in made:
        if one.physical_id:
            role_sets.ok(one.delete())


@pytest.fixture
def template(function, execution_role):
    """Makes a template with the workflow role `Workflow`, and with other resources."""
    def make(others=None, outputs=None, **properties):
        workflow = {"Type": RESOURCE_TYPE, "Properties": {
            "ServiceToken": function, "ServiceTimeout": 60, "SageMakerExecutionRoleArns": [execution_role],
            "SettleSeconds": 0, **properties}}
        made = {"Resources": {"Workflow": workflow, **(others or {})}}
        return {**made, "Outputs": {key: {"Value": value} for key, value in outputs.items()}} if outputs else made
    return make


@pytest.fixture
def stack(aws):
    """Creates a stack and returns (id, status); the stack is deleted at the end."""
    made = []

    def create(template, **parameters):
        stack_id, status = aws.create_stack(unique("stack"), template, **parameters)
        made.append(stack_id)
        return stack_id, status
    yield create
    for stack_id in reversed(made):
        status = aws.delete_stack(stack_id)
        assert status == "DELETE_COMPLETE", (status, aws.reasons(stack_id))


@pytest.fixture
def same_world(aws):
    """A check that the account is exactly as it was when the test began."""
    before = aws.world()

    def check():
        assert aws.world() == before
    return check


@pytest.fixture
def broken(function):
    """A resource that can't be created, and whose creation begins only after that of `Workflow`."""
    return {"Type": RESOURCE_TYPE, "DependsOn": "Workflow", "Properties": {
        "ServiceToken": function, "ServiceTimeout": 60, "NoSuchProperty": "x"}}


@pytest.fixture
def events():
    """Loads an event of events/, with the local account and region in it. No event is sent to AWS."""
    folder = local.ROOT / "events"

    def load(name):
        text = (folder / name).read_text().replace("123456789012", ACCOUNT).replace("us-east-1", REGION)
        return json.loads(text)
    return load
