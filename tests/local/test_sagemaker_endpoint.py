"""Tests of the small SageMaker beside ministack: what it lists, sets and refuses, and how it fails on demand."""

import json
import re
import urllib.error
import urllib.request

import boto3
import pytest
from botocore import UNSIGNED, xform_name
from botocore.config import Config
from botocore.validate import ParamValidator

from launched import ACCOUNT, REGION, allow, refused, role_arn

OTHER_REGION = "us-east-1"


@pytest.fixture
def control(server):
    """Replaces the state of all regions, or reads it."""
    def ask(books=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{server['SAGEMAKER_PORT']}/_test", method="GET" if books is None else "PUT",
            data=None if books is None else json.dumps(books).encode())
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    ask({})
    return ask


def named(*names):
    return {"projects": [{"name": name} for name in names]}


def projects(sagemaker):
    pages = [page["ProjectSummaryList"] for page in sagemaker.get_paginator("list_projects").paginate()]
    return [[project["ProjectName"] for project in page] for page in pages]


def status(sagemaker):
    return sagemaker.get_sagemaker_servicecatalog_portfolio_status()["Status"]


# --- projects ---

def test_projects_are_listed_in_pages_of_two(aws, control):
    sagemaker = aws("sagemaker")
    for expected in ([[]], [["a"]], [["a", "b"]], [["a", "b"], ["c", "d"], ["e"]]):
        control({REGION: named(*sum(expected, []))})
        assert projects(sagemaker) == expected
    assert len(sagemaker.list_projects(MaxResults=100)["ProjectSummaryList"]) == 2
    assert len(sagemaker.list_projects(MaxResults=1)["ProjectSummaryList"]) == 1
    first = sagemaker.list_projects()["NextToken"]
    again = [sagemaker.list_projects(NextToken=first)["ProjectSummaryList"] for _ in range(2)]
    assert again[0] == again[1], "a page can be asked for once more"


def test_a_project_is_told_as_aws_tells_it(aws, control):
    control({REGION: {"projects": [{"name": "churn", "status": "DeleteFailed"}, {"name": "other"}]}})
    churn, other = aws("sagemaker").list_projects()["ProjectSummaryList"]
    assert churn["CreationTime"].timestamp() > 0 and churn["ProjectId"] != other["ProjectId"]
    assert (churn["ProjectName"], churn["ProjectStatus"]) == ("churn", "DeleteFailed")
    assert churn["ProjectArn"] == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:project/churn"
    assert other["ProjectStatus"] == "CreateCompleted"


def test_a_token_is_taken_only_where_it_was_given_out(aws, control):
    control({REGION: named(*"abc"), OTHER_REGION: named(*"abc")})
    sagemaker = aws("sagemaker")
    refused("ValidationException", sagemaker.list_projects, NextToken="made-up")
    token = sagemaker.list_projects()["NextToken"]
    refused("ValidationException", aws("sagemaker", region=OTHER_REGION).list_projects, NextToken=token)
    sagemaker.list_projects(NextToken=token)
    control({REGION: named(*"abc")})
    refused("ValidationException", sagemaker.list_projects, NextToken=token)


def test_what_it_does_not_serve_it_refuses(aws, control):
    sagemaker = aws("sagemaker")
    refused("ValidationException", sagemaker.list_projects, NameContains="a")
    refused("ValidationException", sagemaker.list_projects, MaxResults=101)
    refused("UnknownOperationException", sagemaker.list_domains)


# --- what runs with an execution role ---

USER, SPACE, OTHER = (role_arn(f"service-role/{name}") for name in ("User", "Space", "Other"))
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:"
THINGS = {
    "domains": {"d-1": {"user": USER, "space": SPACE}, "d-2": {"user": None, "space": None}, "d-3": {}},
    "profiles": {"d-1/Alice": OTHER, "d-1/bob": None},
    "spaces": {"d-1/Own": {"sharing": "Private", "owner": "Alice"}, "d-1/all": {"sharing": "Shared"}, "d-1/old": {}},
    "notebooks": {"Nb": USER},
    "endpoints": {"Ep": "Config", "new": None},
    "configs": {"Config": {"role": USER, "models": ["m1", None]}, "bare": {"models": ["m1"]},
                "pools": {"models": [["m1", "m2"]], "shadow": [["m3", "m4", "m5"], "m6"]}},
    "models": {"Scorer": USER, "bare": None},
    "pipelines": {"Nightly": USER},
    "jobs": {"Job": USER, "bare": None},
    "clusters": {"Training": {"groups": [USER, None], "restricted": [OTHER]}, "bare": {}},
    "packages": {"Scores": USER, "group/1": None},
    "projects": [{"name": "Churn"}, {"name": "own", "status": "DeleteFailed", "templates": [USER, None]}],
}
READY = {"Status": "InService"}
TRAINED = {"ModelArtifacts": {"S3ModelArtifacts": "s3://models/churn/model.tar.gz"}, "TrainingJobStatus": "Completed",
           "SecondaryStatus": "Completed", "StoppingCondition": {}}
PACKAGED = {"ModelPackageStatus": "Completed", "ModelPackageStatusDetails": {"ValidationStatuses": []}}
TEMPLATE = {"TemplateName": "project", "TemplateURL": "https://templates.s3.amazonaws.com/project.yaml"}
# For each action: the request, the resource that it is evaluated on, and the response except names and time.
FOUND = [
    ("DescribeDomain", {"DomainId": "d-1"}, "domain/d-1",
     {**READY, "DefaultUserSettings": {"ExecutionRole": USER}, "DefaultSpaceSettings": {"ExecutionRole": SPACE}}),
    ("DescribeDomain", {"DomainId": "d-2"}, "domain/d-2",
     {**READY, "DefaultUserSettings": {}, "DefaultSpaceSettings": {}}),
    ("DescribeDomain", {"DomainId": "d-3"}, "domain/d-3", {**READY, "DefaultUserSettings": {}}),
    ("DescribeUserProfile", {"DomainId": "d-1", "UserProfileName": "Alice"}, "user-profile/d-1/Alice",
     {**READY, "UserSettings": {"ExecutionRole": OTHER}}),
    ("DescribeUserProfile", {"DomainId": "d-1", "UserProfileName": "bob"}, "user-profile/d-1/bob",
     {**READY, "UserSettings": {}}),
    ("DescribeSpace", {"DomainId": "d-1", "SpaceName": "Own"}, "space/d-1/Own",
     {**READY, "SpaceSharingSettings": {"SharingType": "Private"},
      "OwnershipSettings": {"OwnerUserProfileName": "Alice"}}),
    ("DescribeSpace", {"DomainId": "d-1", "SpaceName": "all"}, "space/d-1/all",
     {**READY, "SpaceSharingSettings": {"SharingType": "Shared"}}),
    ("DescribeSpace", {"DomainId": "d-1", "SpaceName": "old"}, "space/d-1/old", READY),
    ("DescribeNotebookInstance", {"NotebookInstanceName": "Nb"}, "notebook-instance/nb",
     {"NotebookInstanceStatus": "InService", "RoleArn": USER}),
    ("DescribeEndpoint", {"EndpointName": "Ep"}, "endpoint/ep",
     {"EndpointStatus": "InService", "EndpointConfigName": "Config"}),
    ("DescribeEndpoint", {"EndpointName": "new"}, "endpoint/new", {"EndpointStatus": "InService"}),
    ("DescribeEndpointConfig", {"EndpointConfigName": "Config"}, "endpoint-config/config",
     {"ExecutionRoleArn": USER,
      "ProductionVariants": [{"VariantName": "variant-0", "ModelName": "m1"}, {"VariantName": "variant-1"}]}),
    ("DescribeEndpointConfig", {"EndpointConfigName": "bare"}, "endpoint-config/bare",
     {"ProductionVariants": [{"VariantName": "variant-0", "ModelName": "m1"}]}),
    ("DescribeEndpointConfig", {"EndpointConfigName": "pools"}, "endpoint-config/pools",
     {"ProductionVariants": [
         {"VariantName": "variant-0", "ModelName": "m1",
          "InstancePools": [{"InstanceType": "ml.g5.xlarge", "ModelNameOverride": "m2", "Priority": 1}]}],
      "ShadowProductionVariants": [
          {"VariantName": "variant-0", "ModelName": "m3",
           "InstancePools": [{"InstanceType": "ml.g5.xlarge", "ModelNameOverride": "m4", "Priority": 1},
                             {"InstanceType": "ml.g5.xlarge", "ModelNameOverride": "m5", "Priority": 2}]},
          {"VariantName": "variant-1", "ModelName": "m6"}]}),
    ("DescribeModel", {"ModelName": "Scorer"}, "model/scorer", {"ExecutionRoleArn": USER}),
    ("DescribeModel", {"ModelName": "bare"}, "model/bare", {}),
    ("DescribePipeline", {"PipelineName": "Nightly"}, "pipeline/nightly",
     {"PipelineStatus": "Active", "RoleArn": USER}),
    ("DescribeTrainingJob", {"TrainingJobName": "Job"}, "training-job/job", {**TRAINED, "RoleArn": USER}),
    ("DescribeTrainingJob", {"TrainingJobName": "bare"}, "training-job/bare", TRAINED),
    ("DescribeCluster", {"ClusterName": "Training"}, "cluster/training",
     {"ClusterStatus": "InService",
      "InstanceGroups": [{"InstanceGroupName": "group-0", "ExecutionRole": USER}, {"InstanceGroupName": "group-1"}],
      "RestrictedInstanceGroups": [{"InstanceGroupName": "group-0", "ExecutionRole": OTHER}]}),
    ("DescribeCluster", {"ClusterName": "bare"}, "cluster/bare", {"ClusterStatus": "InService", "InstanceGroups": []}),
    ("DescribeModelPackage", {"ModelPackageName": "Scores"}, "model-package/scores",
     {**PACKAGED, "ValidationSpecification": {"ValidationRole": USER, "ValidationProfiles": []}}),
    ("DescribeModelPackage", {"ModelPackageName": "group/1"}, "model-package/group/1", PACKAGED),
    ("DescribeProject", {"ProjectName": "Churn"}, "project/Churn",
     {"ProjectStatus": "CreateCompleted", "ServiceCatalogProvisioningDetails": {"ProductId": "prod-0123456789abc"}}),
    ("DescribeProject", {"ProjectName": "own"}, "project/own",
     {"ProjectStatus": "DeleteFailed", "TemplateProviderDetails": [
         {"CfnTemplateProviderDetail": {**TEMPLATE, "RoleARN": USER}}, {"CfnTemplateProviderDetail": TEMPLATE}]}),
]
ABSENT = [
    ("DescribeDomain", {"DomainId": "d-x"}, "ResourceNotFound", "Domain with id d-x does not exist."),
    ("DescribeUserProfile", {"DomainId": "d-1", "UserProfileName": "alice"}, "ResourceNotFound",
     "User profile alice of domain d-1 does not exist."),
    ("DescribeUserProfile", {"DomainId": "d-2", "UserProfileName": "Alice"}, "ResourceNotFound",
     "User profile Alice of domain d-2 does not exist."),
    ("DescribeSpace", {"DomainId": "d-2", "SpaceName": "Own"}, "ResourceNotFound",
     "Space Own of domain d-2 does not exist."),
    ("DescribeNotebookInstance", {"NotebookInstanceName": "Ep"}, "ValidationException", "RecordNotFound"),
    ("DescribeEndpoint", {"EndpointName": "Nb"}, "ValidationException",
     f'Could not find endpoint "{ARN}endpoint/nb".'),
    ("DescribeEndpointConfig", {"EndpointConfigName": "Ep"}, "ValidationException",
     f'Could not find endpoint configuration "{ARN}endpoint-config/ep".'),
    ("DescribeModel", {"ModelName": "m1"}, "ValidationException", f'Could not find model "{ARN}model/m1".'),
    ("DescribePipeline", {"PipelineName": "Hourly"}, "ResourceNotFound",
     f"Pipeline '{ARN}pipeline/hourly' does not exist."),
    ("DescribeTrainingJob", {"TrainingJobName": "Nb"}, "ValidationException", "Requested resource not found."),
    ("DescribeCluster", {"ClusterName": "Job"}, "ResourceNotFound", "Cluster with name Job does not exist."),
    ("DescribeModelPackage", {"ModelPackageName": "group/2"}, "ValidationException",
     f"ModelPackage {ARN}model-package/group/2 does not exist."),
    ("DescribeProject", {"ProjectName": "churn"}, "ValidationException",
     f"Project {ARN}project/churn does not exist."),
]
ONE_OF_EACH = {action: (asked, resource) for action, asked, resource, _ in reversed(FOUND)}


def describe(sagemaker, action, asked):
    return getattr(sagemaker, xform_name(action))(**asked)


@pytest.mark.parametrize("action, asked, resource, told", FOUND, ids=[found[2] for found in FOUND])
def test_what_is_there_is_told_as_aws_tells_it(aws, control, action, asked, resource, told):
    control({REGION: THINGS})
    sagemaker = aws("sagemaker")
    answer = describe(sagemaker, action, asked)
    del answer["ResponseMetadata"]
    shape = sagemaker.meta.service_model.operation_model(action).output_shape
    assert not ParamValidator().validate(answer, shape).has_errors(), "the model requires more"
    times = [answer.pop(time) for time in ("CreationTime", "LastModifiedTime") if time in answer]
    assert times and all(time.year == 2026 for time in times)
    if action == "DescribeProject":
        assert re.fullmatch("p-[0-9]{12}", answer.pop("ProjectId"))
    assert answer == {**asked, action.removeprefix("Describe") + "Arn": ARN + resource, **told}


@pytest.mark.parametrize("action, asked, code, message", ABSENT)
def test_what_is_not_there_is_refused_as_each_action_does_it(aws, control, action, asked, code, message):
    control({REGION: THINGS})
    assert refused(code, describe, sagemaker=aws("sagemaker"), action=action, asked=asked) == message


def test_what_is_described_is_of_the_region_that_is_asked(aws, control):
    control({OTHER_REGION: THINGS})
    here, there = aws("sagemaker"), aws("sagemaker", region=OTHER_REGION)
    codes = {action: code for action, _, code, _ in ABSENT}
    for action, (asked, resource) in ONE_OF_EACH.items():
        refused(codes[action], describe, sagemaker=here, action=action, asked=asked)
        arn = describe(there, action, asked)[action.removeprefix("Describe") + "Arn"]
        assert arn == f"arn:aws:sagemaker:{OTHER_REGION}:{ACCOUNT}:{resource}"


@pytest.mark.parametrize("action, asked, message", [
    ("DescribeDomain", {}, "Value null at 'domainId' failed to satisfy constraint: Member must not be null"),
    ("DescribeUserProfile", {"DomainId": "d-1"}, "Value null at 'userProfileName'"),
    ("DescribeSpace", {"SpaceName": "Own"}, "Value null at 'domainId'"),
    ("DescribeDomain", {"DomainId": "churn"}, "Value 'churn' at 'domainId' failed to satisfy constraint: Member must "
                                              "satisfy regular expression pattern"),
    ("DescribeEndpoint", {"EndpointName": ""}, "Value '' at 'endpointName'"),
    ("DescribeUserProfile", {"DomainId": "d-1", "UserProfileName": "Alice/x"}, "Value 'Alice/x' at 'userProfileName'"),
    ("DescribePipeline", {"PipelineName": "Nightly", "PipelineVersionId": 1}, "PipelineVersionId is not served here"),
])
def test_what_asks_wrongly_is_refused(server, control, action, asked, message):
    control({REGION: THINGS})
    unchecked = boto3.client("sagemaker", endpoint_url=f"http://127.0.0.1:{server['SAGEMAKER_PORT']}",
                             region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test",
                             config=Config(parameter_validation=False))
    assert message in refused("ValidationException", describe, sagemaker=unchecked, action=action, asked=asked)


def test_the_level_of_detail_of_a_model_package_is_taken(aws, control):
    control({REGION: THINGS})
    answer = aws("sagemaker").describe_model_package(ModelPackageName="Scores", IncludedData="MetadataOnly")
    assert answer["ValidationSpecification"]["ValidationRole"] == USER and "IncludedData" not in answer


def test_names_are_taken_and_required_as_the_model_of_botocore_has_it(aws):
    """Otherwise AWS might refuse a name that this SageMaker accepts, or the other way round."""
    model = aws("sagemaker").meta.service_model
    for action, (asked, _) in ONE_OF_EACH.items():
        assert model.operation_model(action).input_shape.required_members == list(asked)


# --- regions and the portfolio ---

def test_every_region_has_its_own_book(aws, control):
    control({REGION: {**named("here"), "portfolio": "Enabled"}, OTHER_REGION: named("there")})
    here, there, nowhere = (aws("sagemaker", region=region) for region in (REGION, OTHER_REGION, "eu-north-1"))
    assert [projects(sagemaker) for sagemaker in (here, there, nowhere)] == [[["here"]], [["there"]], [[]]]
    assert [status(sagemaker) for sagemaker in (here, there, nowhere)] == ["Enabled", "Disabled", "Disabled"]
    calls = {region: book["calls"] for region, book in control().items()}
    both = ["ListProjects", "GetSagemakerServicecatalogPortfolioStatus"]
    assert calls == {REGION: both, OTHER_REGION: both, "eu-north-1": both}


def test_the_portfolio_is_disabled_and_enabled(aws, control):
    control({REGION: {"portfolio": "Enabled"}, OTHER_REGION: {"portfolio": "Enabled"}})
    sagemaker = aws("sagemaker")
    sagemaker.disable_sagemaker_servicecatalog_portfolio()
    assert status(sagemaker) == "Disabled" and control()[REGION]["portfolio"] == "Disabled"
    assert status(aws("sagemaker", region=OTHER_REGION)) == "Enabled"
    sagemaker.disable_sagemaker_servicecatalog_portfolio()
    sagemaker.enable_sagemaker_servicecatalog_portfolio()
    assert status(sagemaker) == "Enabled"


def test_a_region_that_is_not_enabled_knows_nobody(aws, control):
    control({"me-south-1": {"enabled": False}})
    sagemaker = aws("sagemaker", region="me-south-1")
    for call in (sagemaker.list_projects, sagemaker.get_sagemaker_servicecatalog_portfolio_status,
                 sagemaker.disable_sagemaker_servicecatalog_portfolio):
        message = refused("UnrecognizedClientException", call)
        assert message == "The security token included in the request is invalid."
    assert len(control()["me-south-1"]["calls"]) == 3
    assert projects(aws("sagemaker")) == [[]]


# --- failing on demand ---

def test_each_fault_meets_one_call_in_order(aws, control):
    control({REGION: {**named("a"), "faults": {"ListProjects": ["throttle", "error"]}}})
    sagemaker = aws("sagemaker")
    assert status(sagemaker) == "Disabled", "the fault is another action's"
    assert projects(aws("sagemaker", region=OTHER_REGION)) == [[]], "the fault is another region's"
    assert refused("ThrottlingException", sagemaker.list_projects) == "Rate exceeded"
    refused("InternalFailure", sagemaker.list_projects)
    assert projects(sagemaker) == [["a"]]
    assert control()[REGION]["calls"].count("ListProjects") == 3


def test_a_slip_in_the_books_is_not_taken_for_what_aws_does(control):
    for slip in ({"portofolio": "Enabled"}, {"portfolio": "enabled"}, {"faults": {"ListProject": ["throttle"]}},
                 {"faults": {"ListProjects": ["throttling"]}}, {"throttled": ["DescribeDomains"]},
                 {"domains": {"churn": {}}}, {"domains": {"d-1": {"role": role_arn("a")}}},
                 {"domains": {"d-1": {"user": "a"}}}, {"profiles": {"alice": None}}, {"profiles": {"d-1/alice": "a"}},
                 {"spaces": {"d-1/own": {"sharing": "private"}}}, {"spaces": {"d-1/own": {"user": "alice"}}},
                 {"notebooks": {"nb": None}}, {"pipelines": {"p": "a"}}, {"models": {"m": "a"}},
                 {"configs": {"config": {"model": "m"}}}, {"configs": {"config": {"role": "a"}}},
                 {"jobs": {"j": "a"}}, {"packages": {"p": "a"}}, {"clusters": {"c": {"groups": ["a"]}}},
                 {"clusters": {"c": {"group": []}}}, {"projects": [{"name": "p", "template": None}]},
                 {"projects": [{"name": "p", "templates": ["a"]}]}):
        with pytest.raises(urllib.error.HTTPError):
            control({REGION: slip})
    assert control() == {}


def test_what_is_throttled_is_so_at_every_call(aws, control):
    throttled = [*ONE_OF_EACH][:4]
    control({REGION: {**THINGS, "throttled": throttled}, OTHER_REGION: THINGS})
    here, there = aws("sagemaker"), aws("sagemaker", region=OTHER_REGION)
    for action, (asked, _) in ONE_OF_EACH.items():
        for _ in range(3):
            describe(there, action, asked)
            if action in throttled:
                message = refused("ThrottlingException", describe, sagemaker=here, action=action, asked=asked)
                assert message == "Rate exceeded"
            else:
                describe(here, action, asked)
        assert control()[REGION]["calls"].count(action) == 3


# --- permissions ---

def test_each_action_needs_its_grant(acting, control):
    calls = {"ListProjects": "list_projects",
             "GetSagemakerServicecatalogPortfolioStatus": "get_sagemaker_servicecatalog_portfolio_status",
             "EnableSagemakerServicecatalogPortfolio": "enable_sagemaker_servicecatalog_portfolio",
             "DisableSagemakerServicecatalogPortfolio": "disable_sagemaker_servicecatalog_portfolio"}
    for granted in calls:
        sagemaker = acting(allow(f"sagemaker:{granted}"), service="sagemaker")
        getattr(sagemaker, calls[granted])()
        for action in calls.keys() - {granted}:
            message = refused("AccessDeniedException", getattr(sagemaker, calls[action]))
            assert message.startswith(f"User: arn:aws:sts::{ACCOUNT}:assumed-role/caller-")
            assert message.endswith(f"/test is not authorized to perform: sagemaker:{action} because no identity-based "
                                    f"policy allows the sagemaker:{action} action")


@pytest.mark.parametrize("action", ONE_OF_EACH)
def test_what_is_described_needs_a_grant_on_itself(acting, control, action):
    control({REGION: THINGS})
    asked, resource = ONE_OF_EACH[action]
    on_it = acting(allow(f"sagemaker:{action}", ARN + resource), service="sagemaker")
    assert describe(on_it, action, asked)
    for other in ONE_OF_EACH.keys() - {action}:
        refused("AccessDeniedException", describe, sagemaker=on_it, action=other, asked=ONE_OF_EACH[other][0])
    as_written = "/".join([resource.partition("/")[0], *asked.values()])  # if the ARN has the name in lower case
    others = {as_written, *(other for _, other in ONE_OF_EACH.values())} - {resource}
    beside_it = acting(allow("sagemaker:*", [ARN + other for other in others]), service="sagemaker")
    message = refused("AccessDeniedException", describe, sagemaker=beside_it, action=action, asked=asked)
    assert message.endswith(f"/test is not authorized to perform: sagemaker:{action} on resource: {ARN}{resource} "
                            f"because no identity-based policy allows the sagemaker:{action} action")


def test_who_may_not_ask_learns_neither_what_is_there_nor_that_it_is_throttled(acting, control):
    control({REGION: {**THINGS, "throttled": [*ONE_OF_EACH]}})
    deny = {"Effect": "Deny", "Action": "sagemaker:Describe*", "Resource": "*"}
    denied = acting(allow("sagemaker:*"), deny, service="sagemaker")
    for action, asked, *_ in [*FOUND, *ABSENT]:
        message = refused("AccessDeniedException", describe, sagemaker=denied, action=action, asked=asked)
        assert message.endswith("with an explicit deny in an identity-based policy")


def test_a_denial_changes_nothing_and_spends_no_fault(acting, control):
    before = {"portfolio": "Enabled", "faults": {"DisableSagemakerServicecatalogPortfolio": ["throttle"]}}
    control({REGION: before})
    deny = {"Effect": "Deny", "Action": "sagemaker:Disable*", "Resource": "*"}
    sagemaker = acting(allow("sagemaker:*"), deny, service="sagemaker")
    message = refused("AccessDeniedException", sagemaker.disable_sagemaker_servicecatalog_portfolio)
    assert message.endswith("with an explicit deny in an identity-based policy")
    assert before.items() <= control()[REGION].items()


def test_a_grant_can_be_for_one_region_and_not_for_one_project(acting, aws, control):
    here = acting(allow("sagemaker:*", StringEquals={"aws:RequestedRegion": REGION}), service="sagemaker")
    there = acting(allow("sagemaker:*", StringEquals={"aws:RequestedRegion": OTHER_REGION}), service="sagemaker")
    on_arn = acting(allow("sagemaker:*", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:project/*"), service="sagemaker")
    here.list_projects()
    refused("AccessDeniedException", there.list_projects)
    refused("AccessDeniedException", on_arn.list_projects)


def test_credentials_are_checked(aws, server, control):
    unknown = {"AccessKeyId": "AKIAUNKNOWN", "SecretAccessKey": "x"}
    refused("UnrecognizedClientException", aws("sagemaker", unknown).list_projects)
    session = aws("sts").get_session_token()["Credentials"]
    aws("sagemaker", session).list_projects()
    forged = {**session, "SecretAccessKey": "x"}
    refused("InvalidSignatureException", aws("sagemaker", forged).list_projects)
    unsigned = boto3.client("sagemaker", endpoint_url=f"http://127.0.0.1:{server['SAGEMAKER_PORT']}",
                            region_name=REGION, config=Config(signature_version=UNSIGNED))
    refused("MissingAuthenticationTokenException", unsigned.list_projects)


def test_a_function_finds_it_and_is_judged_by_its_role(function, control):
    call = function(allow("sagemaker:ListProjects"))
    assert call("sagemaker", "list_projects") == "done"
    assert call("sagemaker", "disable_sagemaker_servicecatalog_portfolio") == "AccessDeniedException"
    assert control()[REGION]["calls"] == ["ListProjects", "DisableSagemakerServicecatalogPortfolio"]
