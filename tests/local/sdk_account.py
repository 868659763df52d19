"""An account for the SageMaker Python SDK that is made of the API models: it answers each call and records it.

botocore validates the parameters, and the answers too. The clock, UUIDs and random numbers are fixed, so that the names
that the SDK makes are the same in every run. `install` has to run before the SDK is imported. Nothing is sent.
"""

import io
import os
import random
import re
import socket
import tarfile
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone

REGION, ACCOUNT = "us-east-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/AmazonSageMaker-Churn"
BUCKET = f"sagemaker-{REGION}-{ACCOUNT}"
# The id of an artifact is a hash of its source.
ARTIFACT = "0123456789abcdef0123456789abcdef"
START = datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc).timestamp()
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": REGION,
               "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
               "AWS_EC2_METADATA_DISABLED": "true", "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
               "XDG_CONFIG_HOME": os.devnull, "XDG_CONFIG_DIRS": os.devnull}
VERBS = "Create", "Describe", "Update", "Delete"
# The members of a request that name a resource of SageMaker, with the beginning of its ARN.
NAMES = {
    "ActionName": "action", "ContextName": "context", "EndpointConfigName": "endpoint-config",
    "EndpointName": "endpoint", "ExperimentName": "experiment", "FeatureGroupName": "feature-group",
    "HyperParameterTuningJobName": "hyper-parameter-tuning-job", "InferenceComponentName": "inference-component",
    "ModelName": "model", "ModelPackageGroupName": "model-package-group", "ModelPackageName": "model-package",
    "MonitoringScheduleName": "monitoring-schedule", "NotebookInstanceName": "notebook-instance",
    "PipelineName": "pipeline", "ProcessingJobName": "processing-job", "TrainingJobName": "training-job",
    "TransformJobName": "transform-job", "TrialComponentName": "experiment-trial-component",
    "TrialName": "experiment-trial",
}


class Denied(Exception):
    """What the answer of a call is if the role may not make it."""


class Missing(Exception):
    """What the answer of a call is if what it names does not exist."""


class Exists(Exception):
    """What the answer of a call is if what it creates exists."""


@dataclass
class Call:
    """A call that the SDK made."""

    service: str
    api: str
    given: dict
    is_missing: bool = False

    @property
    def name(self):
        return f"{self.service}:{self.api}"


class Clock:
    """A clock whose time passes only while somebody sleeps, and UUIDs that are counted."""

    def __init__(self):
        self.now, self.strftime, self.uuids = START, time.strftime, 0

    def sleep(self, seconds):
        self.now += seconds

    def uuid4(self):
        self.uuids += 1
        return uuid.UUID(int=self.uuids, version=4)

    def reset(self):
        self.now, self.uuids = START, 0
        random.seed(0)

    def install(self):
        time.time, time.sleep, uuid.uuid4 = lambda: self.now, self.sleep, self.uuid4
        time.strftime = lambda form, at=None: self.strftime(form, time.gmtime(self.now) if at is None else at)


def hyphenated(name):
    return re.sub("(?<!^)(?=[A-Z])", "-", name).lower()


def arn(kind, name):
    return name if name.startswith("arn:") else f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


def archive():
    """The bytes of an archive that can be a model or the source of a job."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("model.bin"))
    return buffer.getvalue()


class Account:
    """Remembers what was created, so that it can be described. `answers` has members of the answer of an API, or a
    function from what was created and the request to these members."""

    def __init__(self, answers):
        self.answers, self.clock, self.local = answers, Clock(), threading.local()
        self.reset()

    def reset(self):
        self.clock.reset()
        self.denied, self.calls, self.created = (), [], {}

    def install(self):
        """Makes every client of AWS in this process one of this account."""
        for name in [one for one in os.environ if one.startswith(("AWS_", "SAGEMAKER_"))]:
            del os.environ[name]
        os.environ.update(ENVIRONMENT)
        self.clock.install()
        import botocore.client

        call = botocore.client.BaseClient._make_api_call

        def recorded(client, api, given):
            self.local.call = Call(client.meta.service_model.signing_name, api, given)
            self.calls.append(self.local.call)
            return call(client, api, given)

        def refuse(*_, **__):
            raise OSError("this process has no network")

        botocore.client.BaseClient._make_api_call = recorded
        # botocore calls this with the validated and serialized request, in place of the HTTP client.
        botocore.client.BaseClient._make_request = lambda _, operation, *__: self.answer(self.local.call, operation)
        socket.socket.connect = socket.getaddrinfo = refuse

    def answer(self, call, operation):
        """What botocore takes for the parsed answer: the HTTP response, and its members."""
        try:
            if call.name in self.denied:
                raise Denied
            members = self.members(call.name, operation, call.given)
        except (Denied, Exists, Missing) as refusal:
            call.is_missing = isinstance(refusal, Missing)
            status = 404 if call.is_missing and call.service == "s3" else 400
            return response(status), {"Error": self.error(operation, refusal),
                                      "ResponseMetadata": {"HTTPStatusCode": status}}
        validate(call.name, members, operation.output_shape)
        return response(200), {**members, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

    @staticmethod
    def error(operation, refusal):
        if isinstance(refusal, Denied):
            code = "AccessDenied" if operation.service_model.signing_name == "s3" else "AccessDeniedException"
            return {"Code": code, "Message": "not authorized"}
        if operation.name in ("HeadObject", "GetObject"):
            return {"Code": "404" if operation.name == "HeadObject" else "NoSuchKey", "Message": "Not Found"}
        if isinstance(refusal, Exists):
            return {"Code": "ValidationException", "Message": f"{refusal} already exists"}
        declared = [shape.name for shape in operation.error_shapes if shape.name.startswith("ResourceNotFound")]
        return {"Code": declared[0] if declared else "ValidationException", "Message": f"Could not find {refusal}"}

    def members(self, api, operation, given):
        """The members of the answer: those of `answers`, those of the request that created what is described, and those
        that the model requires."""
        verb, kind = meant(operation)
        key = (kind, created_name(kind, given))
        if verb == "Create":
            if key in self.created:
                raise Exists(key[1])
            self.created[key] = dict(given)
            if kind == "HyperParameterTuningJob":
                name = child(key[1])
                self.created["TrainingJob", name] = {**given["TrainingJobDefinition"], "TrainingJobName": name}
        elif verb and key not in self.created:
            raise Missing(key[1])
        elif verb == "Update":
            self.created[key].update(given)
        known = {**self.created.get(key, {}), **given}
        if verb == "Delete":
            del self.created[key]
        told = self.answers.get(api, {})
        told = told(known) if callable(told) else told
        shape = operation.output_shape
        if not shape:
            return {}
        found = {**{one: known[one] for one in shape.members if one in known}, **told}
        often = {f"{kind}Arn", "CreationTime", "LastModifiedTime"} if verb else set()
        return {**{name: value(name, one, known) for name, one in shape.members.items()
                   if name in [*shape.required_members, *often] and name not in found}, **found}


def meant(operation):
    """What an operation does to which kind of resource. Nothing, if nothing of the kind can be created."""
    pairs = ((verb, operation.name.removeprefix(verb)) for verb in VERBS if operation.name.startswith(verb))
    return next(((verb, kind) for verb, kind in pairs if f"Create{kind}" in operation.service_model.operation_names),
                ("", ""))


def child(tuning_job):
    """The name of a training job of a tuning job."""
    return f"{tuning_job}-001-0123abcd"


def created_name(kind, given):
    """The name of what a call creates or uses, without the beginning of an ARN."""
    if kind == "ModelPackage" and "ModelPackageGroupName" in given:
        return f"{given['ModelPackageGroupName']}/1"
    name = next((given[f"{kind}{end}"] for end in ("Name", "Arn") if f"{kind}{end}" in given), None)
    name = given.get("JobDefinitionName", name) if kind.endswith("JobDefinition") else name
    return name if name is None else re.sub("^arn:[^/]*/", "", name)


def value(name, shape, known):
    """A value of the shape for the member `name`."""
    if shape.type_name == "structure":
        return {one: value(one, shape.members[one], known) for one in shape.required_members}
    if shape.type_name == "list":
        return []
    if shape.type_name == "map":
        return {}
    if shape.type_name == "boolean":
        return False
    if shape.type_name in ("integer", "long", "float", "double"):
        return 1
    if shape.type_name == "timestamp":
        return datetime.fromtimestamp(START, timezone.utc)
    if name.endswith("Arn"):
        kind = name.removesuffix("Arn")
        return arn(NAMES.get(f"{kind}Name", hyphenated(kind)), created_name(kind, known) or "churn")
    return (getattr(shape, "enum", None) or ["churn"])[0]


def validate(api, members, shape):
    from botocore.validate import ParamValidator
    if shape is None:
        return
    told = {name: b"" if name == shape.serialization.get("payload") and shape.members[name].type_name == "blob" else one
            for name, one in members.items()}
    report = ParamValidator().validate(told, shape)
    if report.has_errors():
        raise AssertionError(f"{api}: the answer does not fit the model: {report.generate_report()}")


def response(status):
    from botocore.awsrequest import AWSResponse
    return AWSResponse("https://none", status, {}, None)


def stream(data):
    from botocore.response import StreamingBody
    return StreamingBody(io.BytesIO(data), len(data))
