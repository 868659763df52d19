"""The small SageMaker beside ministack: what it lists and sets, whom it refuses, and how it fails on demand."""

import json
import urllib.error
import urllib.request

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from launched import ACCOUNT, REGION, allow, refused

OTHER_REGION = "us-east-1"


@pytest.fixture
def control(server):
    """Replaces the books of all regions, or reads them."""
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
                 {"faults": {"ListProjects": ["throttling"]}}):
        with pytest.raises(urllib.error.HTTPError):
            control({REGION: slip})
    assert control() == {}


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
