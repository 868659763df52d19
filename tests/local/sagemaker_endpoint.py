"""A small SageMaker: a region's projects and its portfolio of project templates, which ministack and moto lack.

Serves AWS JSON 1.1, for the region that the request is signed for. Tests replace the books of all regions with
PUT /_test and read them with GET /_test:

    {"eu-west-1": {"projects": [{"name": "churn", "status": "DeleteFailed"}], "portfolio": "Enabled",
                   "faults": {"ListProjects": ["throttle", "error"]}},
     "me-south-1": {"enabled": false}}

What is left out is as in a new account. Each fault meets one call, in order. What is read also has `calls`: the
actions that were asked for in the region, refused ones too.
"""

import json
import re
import secrets
from dataclasses import asdict, dataclass, field

PAGE = 2  # projects on a page at the most, so that a caller always has to page
FIRST_CREATED = 1767225600  # 2026-01-01
SIGNED_FOR = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/sagemaker/aws4_request")
FAULTS = {"throttle": (400, "ThrottlingException", "Rate exceeded"),
          "error": (500, "InternalFailure", "The request processing has failed because of an unknown error.")}


class Refused(Exception):
    """(status, code, message)"""


@dataclass
class Book:
    """What is so in one region."""
    enabled: bool = True
    projects: list = field(default_factory=list)
    portfolio: str = "Disabled"
    faults: dict = field(default_factory=dict)
    calls: list = field(default_factory=list)
    tokens: dict = field(default_factory=dict)  # those given out, and where each goes on

    def __post_init__(self):
        # A slip of a test would otherwise look like an answer of AWS.
        assert self.portfolio in ("Enabled", "Disabled"), self.portfolio
        assert self.faults.keys() <= ACTIONS.keys() and set(sum(self.faults.values(), [])) <= FAULTS.keys(), self.faults


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
    page = [{"ProjectName": project["name"], "ProjectArn": arn_prefix + project["name"],
             "ProjectId": f"p-{number:012}", "CreationTime": FIRST_CREATED + number,
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


ACTIONS = {
    "ListProjects": list_projects,
    "GetSagemakerServicecatalogPortfolioStatus": portfolio_status,
    "EnableSagemakerServicecatalogPortfolio": setting_portfolio("Enabled"),
    "DisableSagemakerServicecatalogPortfolio": setting_portfolio("Disabled"),
}


class SageMaker:
    """The ASGI application. `authorize` gives the (code, message) of a refusal, or None."""

    def __init__(self, authorize, account):
        self.authorize = authorize
        self.account = account
        self.books = {}

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return  # there is nothing to start or to stop
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        try:
            status, answer = 200, self.answer(scope, body)
        except Refused as refused:
            status, code, text = refused.args
            answer = {"__type": code, "message": text}
        headers = [(b"content-type", b"application/x-amz-json-1.1")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})

    def answer(self, scope, body):
        if scope["path"] == "/_test":
            if scope["method"] == "PUT":
                self.books = {region: Book(**given) for region, given in json.loads(body).items()}
            return {region: asdict(book) for region, book in self.books.items()}
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        signed_for = SIGNED_FOR.search(headers.get("authorization", ""))
        if signed_for is None:
            raise Refused(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
        region, action = signed_for[1], headers.get("x-amz-target", "").removeprefix("SageMaker.")
        book = self.books.setdefault(region, Book())
        book.calls.append(action)
        if not book.enabled:
            message = "The security token included in the request is invalid."
            raise Refused(400, "UnrecognizedClientException", message)
        if action not in ACTIONS:
            raise Refused(400, "UnknownOperationException", f"The operation {action} is not served here")
        if refusal := self.authorize(scope, headers, body, action, region):
            raise Refused(400, *refusal)
        if book.faults.get(action):
            raise Refused(*FAULTS[book.faults[action].pop(0)])
        return ACTIONS[action](book, json.loads(body), f"arn:aws:sagemaker:{region}:{self.account}:project/")
