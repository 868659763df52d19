"""A small SageMaker, because ministack and moto have none. It has the projects of a region, its portfolio of project
templates, and the resources that run with an execution role.

It serves AWS JSON 1.1, for the region and the account that the request is signed for. Tests replace the state of all
regions with PUT /_test and read it with GET /_test. Accounts other than the first one have /_test/ACCOUNT:

    {"eu-west-1": {"projects": [{"name": "churn", "status": "DeleteFailed"}, {"name": "own", "templates": ["arn:…"]}],
                   "portfolio": "Enabled",
                   "faults": {"ListProjects": ["throttle", "error"]}, "throttled": ["DescribeModel"],
                   "domains": {"d-1": {"user": "arn:…", "space": "arn:…"}}, "profiles": {"d-1/alice": "arn:…"},
                   "spaces": {"d-1/own": {"sharing": "Private", "owner": "alice"}, "d-1/all": {"sharing": "Shared"}},
                   "notebooks": {"nb": "arn:…"}, "pipelines": {"p": "arn:…"}, "endpoints": {"ep": "config"},
                   "configs": {"config": {"role": "arn:…", "models": ["m", null], "shadow": [["m", "override"]]}},
                   "models": {"m": "arn:…"}, "jobs": {"job": "arn:…"}, "packages": {"package": "arn:…", "g/1": null},
                   "clusters": {"c": {"groups": ["arn:…"], "restricted": ["arn:…"]}}},
     "me-south-1": {"enabled": false}}

Members that are left out are as in a new account. Each item of `faults` lets one call fail, in order; `throttled` lets
every call of the action fail. A resource without a role has null in its place, and so has a variant without a model. A
variant that is a list has a model, and instance pools with other models. A project with `templates` was created from
CloudFormation templates with these roles, and every other project from a product of Service Catalog.
The state that tests read also has `calls`: the actions that were called in the region, with those that were refused.

IAM evaluates a Describe action on the ARN of the resource, and every other action on `*`.
"""

import json
import re
import secrets
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

PAGE = 2  # the most projects on a page, so that a caller always has to page
FIRST_CREATED = 1767225600  # 2026-01-01
SIGNED_FOR = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/sagemaker/aws4_request")
FAULTS = {"throttle": (400, "ThrottlingException", "Rate exceeded"),
          "error": (500, "InternalFailure", "The request processing has failed because of an unknown error.")}


# The patterns of botocore's model. For a pipeline, a cluster and a model package, the model also accepts an ARN, which
# is not served here.
DOMAIN_ID = "d-(-*[a-z0-9]){1,61}"
NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
PIPELINE_NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}"
PROJECT_NAME = "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,31}"
PACKAGE_NAME = NAME + "(/[0-9]{1,9})?"
ROLE_ARN = r"arn:aws:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+"


class Refused(Exception):
    """(status, code, message)"""


@dataclass
class Book:
    """The state of one region."""
    enabled: bool = True
    projects: list = field(default_factory=list)
    portfolio: str = "Disabled"
    faults: dict = field(default_factory=dict)
    throttled: list = field(default_factory=list)
    domains: dict = field(default_factory=dict)
    profiles: dict = field(default_factory=dict)
    spaces: dict = field(default_factory=dict)
    notebooks: dict = field(default_factory=dict)
    endpoints: dict = field(default_factory=dict)
    configs: dict = field(default_factory=dict)
    models: dict = field(default_factory=dict)
    pipelines: dict = field(default_factory=dict)
    jobs: dict = field(default_factory=dict)
    clusters: dict = field(default_factory=dict)
    packages: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    tokens: dict = field(default_factory=dict)  # the tokens that were given out, and where the next page of each begins

    def __post_init__(self):
        # Without these checks, a mistake of a test would look like a reply of AWS.
        assert self.portfolio in ("Enabled", "Disabled"), self.portfolio
        assert self.faults.keys() <= ACTIONS.keys() and set(sum(self.faults.values(), [])) <= FAULTS.keys(), self.faults
        assert set(self.throttled) <= ACTIONS.keys(), self.throttled
        for describe in DESCRIBED.values():
            pattern = "/".join(describe.members.values())
            assert all(re.fullmatch(pattern, key) for key in getattr(self, describe.shelf)), describe.shelf
        for things, known in ((self.domains, {"user", "space"}), (self.spaces, {"sharing", "owner"}),
                              (self.configs, {"role", "models", "shadow"}),
                              (self.clusters, {"groups", "restricted"}),
                              (self.projects_by_name, {"name", "status", "templates"})):
            assert all(thing.keys() <= known for thing in things.values()), things
        assert all(one.get("sharing", "Shared") in ("Private", "Shared") for one in self.spaces.values()), self.spaces
        roles = [role for one in self.domains.values() for role in one.values()]
        roles += [*self.profiles.values(), *self.models.values(), *(one.get("role") for one in self.configs.values())]
        roles += [*self.jobs.values(), *self.packages.values()]
        roles += sum((role for one in self.clusters.values() for role in one.values()), [])
        roles += sum((one.get("templates", []) for one in self.projects), [])
        for role in [*(role for role in roles if role is not None), *self.notebooks.values(), *self.pipelines.values()]:
            assert re.fullmatch(ROLE_ARN, role), role

    @property
    def projects_by_name(self):
        return {project["name"]: project for project in self.projects}


def project_id(project):
    return f"p-{zlib.crc32(project['name'].encode()):012}"


def list_projects(book, request, arn_prefix):
    if unknown := request.keys() - {"MaxResults", "NextToken"}:
        raise Refused(400, "ValidationException", f"{', '.join(sorted(unknown))} is not served here")
    if not 1 <= request.get("MaxResults", PAGE) <= 100:
        raise Refused(400, "ValidationException", "MaxResults is not between 1 and 100")
    token = request.get("NextToken")
    if token is not None and token not in book.tokens:
        raise Refused(400, "ValidationException", "The NextToken is not valid")
    start = book.tokens.get(token, 0)
    end = start + min(PAGE, request.get("MaxResults", PAGE))
    page = [{"ProjectName": project["name"], "ProjectArn": f"{arn_prefix}project/{project['name']}",
             "ProjectId": project_id(project), "CreationTime": FIRST_CREATED + number,
             "ProjectStatus": project.get("status", "CreateCompleted")}
            for number, project in enumerate(book.projects)][start:end]
    if end >= len(book.projects):
        return {"ProjectSummaryList": page}
    following = secrets.token_urlsafe()
    book.tokens[following] = end
    return {"ProjectSummaryList": page, "NextToken": following}


def portfolio_status(book, *_):
    return {"Status": book.portfolio}


def setting_portfolio(status):
    def set_status(book, *_):
        book.portfolio = status
        return {}
    return set_status


# --- what runs with an execution role ---

@dataclass(frozen=True)
class Describe:
    """An action that describes one resource by its names. The joined names are the key of the resource in the book."""
    shelf: str  # the field of the book that has it
    kind: str
    members: dict  # the members of the request, all required, with the pattern of each
    arn_member: str
    absent: tuple  # the code and message of the error if it does not exist
    tell: Callable  # makes the response from the entry in the book, except names, ARN and time
    lower: bool = True  # whether the ARN has the name in lower case
    optional: tuple = ()  # the members that may be left out, and change nothing here

    def key(self, request):
        if unknown := request.keys() - self.members.keys() - set(self.optional):
            raise Refused(400, "ValidationException", f"{', '.join(sorted(unknown))} is not served here")
        for member, pattern in self.members.items():
            value, at = request.get(member), member[0].lower() + member[1:]
            if value is None or not re.fullmatch(pattern, value):
                shown, must = ("null", "not be null") if value is None else (
                    f"'{value}'", f"satisfy regular expression pattern: {pattern}")
                raise Refused(400, "ValidationException", f"1 validation error detected: Value {shown} at '{at}' "
                                                          f"failed to satisfy constraint: Member must {must}")
        return "/".join(request[member] for member in self.members)

    def resource(self, request):
        key = self.key(request)
        return f"{self.kind}/{key.lower() if self.lower else key}"

    def __call__(self, book, request, arn_prefix):
        key, arn, things = self.key(request), arn_prefix + self.resource(request), getattr(book, self.shelf)
        if key not in things:
            code, message = self.absent
            raise Refused(400, code, message.format(arn=arn, **request))
        names = {member: request[member] for member in self.members}
        return {**names, self.arn_member: arn, "CreationTime": FIRST_CREATED, **self.tell(things[key])}


def given(**members):
    return {member: value for member, value in members.items() if value is not None}


def domain(found):
    told = {"Status": "InService", "DefaultUserSettings": given(ExecutionRole=found.get("user"))}
    return {**told, "DefaultSpaceSettings": given(ExecutionRole=found["space"])} if "space" in found else told


def user_profile(role):
    return {"Status": "InService", "UserSettings": given(ExecutionRole=role)}


def space(found):
    told = {"Status": "InService"}
    if "sharing" in found:
        told["SpaceSharingSettings"] = {"SharingType": found["sharing"]}
    if "owner" in found:
        told["OwnershipSettings"] = {"OwnerUserProfileName": found["owner"]}
    return told


def endpoint(config):
    return {"EndpointStatus": "InService", "LastModifiedTime": FIRST_CREATED, **given(EndpointConfigName=config)}


def variants(models):
    """The variants with these models. An item that is a list has a model, and the models of instance pools."""
    for number, model in enumerate(models):
        model, *overrides = model if isinstance(model, list) else [model]
        pools = [{"InstanceType": "ml.g5.xlarge", "ModelNameOverride": override, "Priority": priority}
                 for priority, override in enumerate(overrides, 1)]
        yield {"VariantName": f"variant-{number}", **given(ModelName=model, InstancePools=pools or None)}


def endpoint_config(found):
    told = {"ProductionVariants": [*variants(found.get("models", []))], **given(ExecutionRoleArn=found.get("role"))}
    return {**told, "ShadowProductionVariants": [*variants(found["shadow"])]} if "shadow" in found else told


def cluster(found):
    def groups(kind):
        return [{"InstanceGroupName": f"group-{number}", **given(ExecutionRole=role)}
                for number, role in enumerate(found.get(kind, []))]
    told = {"ClusterStatus": "InService", "InstanceGroups": groups("groups")}
    return {**told, "RestrictedInstanceGroups": groups("restricted")} if "restricted" in found else told


def training_job(role):
    return {"ModelArtifacts": {"S3ModelArtifacts": "s3://models/churn/model.tar.gz"}, "TrainingJobStatus": "Completed",
            "SecondaryStatus": "Completed", "StoppingCondition": {}, **given(RoleArn=role)}


def model_package(role):
    told = {"ModelPackageStatus": "Completed", "ModelPackageStatusDetails": {"ValidationStatuses": []}}
    return {**told, "ValidationSpecification": {"ValidationRole": role, "ValidationProfiles": []}} if role else told


def described_project(found):
    told = {"ProjectId": project_id(found), "ProjectStatus": found.get("status", "CreateCompleted")}
    if "templates" not in found:
        return {**told, "ServiceCatalogProvisioningDetails": {"ProductId": "prod-0123456789abc"}}
    url = "https://templates.s3.amazonaws.com/project.yaml"
    return {**told, "TemplateProviderDetails": [
        {"CfnTemplateProviderDetail": {"TemplateName": "project", "TemplateURL": url, **given(RoleARN=role)}}
        for role in found["templates"]]}


DESCRIBED = {
    "DescribeDomain": Describe(
        "domains", "domain", {"DomainId": DOMAIN_ID}, "DomainArn",
        ("ResourceNotFound", "Domain with id {DomainId} does not exist."), domain),
    "DescribeUserProfile": Describe(
        "profiles", "user-profile", {"DomainId": DOMAIN_ID, "UserProfileName": NAME}, "UserProfileArn",
        ("ResourceNotFound", "User profile {UserProfileName} of domain {DomainId} does not exist."), user_profile,
        lower=False),
    "DescribeSpace": Describe(
        "spaces", "space", {"DomainId": DOMAIN_ID, "SpaceName": NAME}, "SpaceArn",
        ("ResourceNotFound", "Space {SpaceName} of domain {DomainId} does not exist."), space, lower=False),
    "DescribeNotebookInstance": Describe(
        "notebooks", "notebook-instance", {"NotebookInstanceName": NAME}, "NotebookInstanceArn",
        ("ValidationException", "RecordNotFound"),
        lambda role: {"NotebookInstanceStatus": "InService", "RoleArn": role}),
    "DescribeEndpoint": Describe(
        "endpoints", "endpoint", {"EndpointName": NAME}, "EndpointArn",
        ("ValidationException", 'Could not find endpoint "{arn}".'), endpoint),
    "DescribeEndpointConfig": Describe(
        "configs", "endpoint-config", {"EndpointConfigName": NAME}, "EndpointConfigArn",
        ("ValidationException", 'Could not find endpoint configuration "{arn}".'), endpoint_config),
    "DescribeModel": Describe(
        "models", "model", {"ModelName": NAME}, "ModelArn",
        ("ValidationException", 'Could not find model "{arn}".'), lambda role: given(ExecutionRoleArn=role)),
    "DescribePipeline": Describe(
        "pipelines", "pipeline", {"PipelineName": PIPELINE_NAME}, "PipelineArn",
        ("ResourceNotFound", "Pipeline '{arn}' does not exist."),
        lambda role: {"PipelineStatus": "Active", "RoleArn": role}),
    "DescribeTrainingJob": Describe(
        "jobs", "training-job", {"TrainingJobName": NAME}, "TrainingJobArn",
        ("ValidationException", "Requested resource not found."), training_job),
    # The ARN of a cluster ends with its id, which is its name here.
    "DescribeCluster": Describe(
        "clusters", "cluster", {"ClusterName": NAME}, "ClusterArn",
        ("ResourceNotFound", "Cluster with name {ClusterName} does not exist."), cluster),
    "DescribeModelPackage": Describe(
        "packages", "model-package", {"ModelPackageName": PACKAGE_NAME}, "ModelPackageArn",
        ("ValidationException", "ModelPackage {arn} does not exist."), model_package, optional=("IncludedData",)),
    "DescribeProject": Describe(
        "projects_by_name", "project", {"ProjectName": PROJECT_NAME}, "ProjectArn",
        ("ValidationException", "Project {arn} does not exist."), described_project, lower=False),
}
ACTIONS = {
    **DESCRIBED,
    "ListProjects": list_projects,
    "GetSagemakerServicecatalogPortfolioStatus": portfolio_status,
    "EnableSagemakerServicecatalogPortfolio": setting_portfolio("Enabled"),
    "DisableSagemakerServicecatalogPortfolio": setting_portfolio("Disabled"),
}


class SageMaker:
    """The ASGI application.

    `authorize` returns the (code, message) of a refusal, or None. Its last argument is the ARN that a call is evaluated
    on; it is left out for `*`. `account_of` returns the account by the headers. Without headers, it is the first
    one."""

    def __init__(self, authorize, account_of):
        self.authorize = authorize
        self.account_of = account_of
        self.books = {}  # by account, then by region

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return  # the lifespan messages of ASGI need no work
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        try:
            status, answer = 200, self.answer(scope, body)
        except Refused as refused:
            status, code, text = refused.args
            # Of the errors here, SageMaker's model has only ResourceNotFound, whose member begins with a capital.
            answer = {"__type": code, "Message" if code == "ResourceNotFound" else "message": text}
        headers = [(b"content-type", b"application/x-amz-json-1.1")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def answer(self, scope, body):
        if scope["path"].startswith("/_test"):
            account = scope["path"].removeprefix("/_test").strip("/") or self.account_of({})
            if scope["method"] == "PUT":
                self.books[account] = {region: Book(**given) for region, given in json.loads(body).items()}
            return {region: asdict(book) for region, book in self.books.get(account, {}).items()}
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        signed_for = SIGNED_FOR.search(headers.get("authorization", ""))
        if signed_for is None:
            raise Refused(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
        region, action = signed_for[1], headers.get("x-amz-target", "").removeprefix("SageMaker.")
        account = self.account_of(headers)
        book = self.books.setdefault(account, {}).setdefault(region, Book())
        book.calls.append(action)
        if not book.enabled:
            message = "The security token included in the request is invalid."
            raise Refused(400, "UnrecognizedClientException", message)
        if action not in ACTIONS:
            raise Refused(400, "UnknownOperationException", f"The operation {action} is not served here")
        request, arn_prefix = json.loads(body), f"arn:aws:sagemaker:{region}:{account}:"
        resource = [arn_prefix + DESCRIBED[action].resource(request)] if action in DESCRIBED else []
        if refusal := self.authorize(scope, headers, body, action, region, *resource):
            raise Refused(400, *refusal)
        if action in book.throttled:
            raise Refused(*FAULTS["throttle"])
        if book.faults.get(action):
            raise Refused(*FAULTS[book.faults[action].pop(0)])
        return ACTIONS[action](book, request, arn_prefix)
