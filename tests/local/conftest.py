"""The fixtures of the tests. One ministack process, with its SageMaker, serves all of them."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from launched import BOOTSTRAP, REGION, TRUST, a_zip, allow, document, free_port, role_arn, start, stop, unique

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".tools/uv/bin/uv"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The ports, as the environment of the launcher names them."""
    ports = {"GATEWAY_PORT": free_port(), "SAGEMAKER_PORT": free_port()}
    sagemaker = {"SAGEMAKER_PORT": str(ports["SAGEMAKER_PORT"])}
    process = start(ports["GATEWAY_PORT"], tmp_path_factory.mktemp("ministack"), **sagemaker)
    yield ports
    stop(process)


@pytest.fixture
def aws(server):
    """Makes a client of a service. Without given credentials, it may do everything."""
    def client(service, credentials=None, region=REGION):
        keys = credentials or {"AccessKeyId": "test", "SecretAccessKey": "test"}
        port = server["SAGEMAKER_PORT" if service == "sagemaker" else "GATEWAY_PORT"]
        return boto3.client(
            service, endpoint_url=f"http://localhost:{port}", region_name=region,
            aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"), config=Config(retries={"max_attempts": 0}))
    return client


@pytest.fixture
def acting(aws):
    """Makes a client of a service that acts as a role with these statements."""
    def client(*statements, service="iam", **role):
        name = unique("caller")
        arn = aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, **role)["Role"]["Arn"]
        aws("iam").put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=document(*statements))
        return aws(service, aws("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"])
    return client


@pytest.fixture
def role(aws):
    """Makes a role and gives its name."""
    def make(prefix="made", **more):
        name = unique(prefix)
        aws("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, **more)
        return name
    return make


@pytest.fixture
def policy(aws):
    """Makes a managed policy and gives its ARN."""
    def make(*statements, **more):
        body = document(*(statements or [allow("s3:GetObject")]))
        return aws("iam").create_policy(PolicyName=unique("policy"), PolicyDocument=body, **more)["Policy"]["Arn"]
    return make


@pytest.fixture
def function(aws, role, server):
    """Makes a function whose role has these statements. A call through it returns `done` or the code of the error."""
    def make(*statements):
        name, executing = unique("function"), role(Path="/functions/")
        aws("iam").put_role_policy(RoleName=executing, PolicyName="grants", PolicyDocument=document(*statements))
        aws("lambda").create_function(
            FunctionName=name, Runtime="provided.al2023", Handler="bootstrap", Timeout=30,
            Role=role_arn(f"functions/{executing}"), Code={"ZipFile": a_zip(bootstrap=BOOTSTRAP)},
            Environment={"Variables": {"AWS_ENDPOINT_URL": f"http://localhost:{server['GATEWAY_PORT']}"}})

        def call(service, operation, **arguments):
            event = {"service": service, "call": operation, "arguments": arguments}
            return json.load(aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))["Payload"])
        call.name, call.role = name, role_arn(f"functions/{executing}")
        return call
    return make


@pytest.fixture(scope="session")
def wheel():
    """The wheel that `make wheel` built."""
    found = sorted((ROOT / "target/wheels").glob("*.whl"))
    assert len(found) == 1, "run `make wheel` first"
    return found[0]


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory):
    """The folder with the program, after the wheel is installed into an empty environment, without an index."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([UV, "venv", "--quiet", "--no-python-downloads", "--python", sys.executable, folder / "venv"], check=True)
    subprocess.run([UV, "pip", "install", "--quiet", "--offline", "--no-index", "--cache-dir", folder / "cache",
                    "--python", folder / "venv", wheel], check=True)
    return folder / "venv/bin"
