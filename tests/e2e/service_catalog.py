"""Creates SageMaker's eleven service-catalog roles as others create them, for the tests and the demo."""

import json

import local
from local import allow, document, trusting

TYPE = "Custom::SageMakerServiceCatalogRoles"
AWS_POLICY = "arn:aws:iam::aws:policy"
EC2 = f"{AWS_POLICY}/AmazonEC2ReadOnlyAccess"
PATH = "/service-role/"
PREFIX = "AmazonSageMakerServiceCatalogProducts"
LAUNCH, USE = f"{PREFIX}LaunchRole", f"{PREFIX}UseRole"
# The roles that the console creates: the services that may assume the role, and its AWS managed policy.
CONSOLE = {
    LAUNCH: ("servicecatalog", "AmazonSageMakerAdmin-ServiceCatalogProductsServiceRolePolicy"),
    USE: ("apigateway cloudformation codebuild codepipeline events firehose glue lambda sagemaker states",
          "AmazonEC2ReadOnlyAccess"),
    f"{PREFIX}CodeBuildRole": ("codebuild", f"{PREFIX}CodeBuildServiceRolePolicy"),
    f"{PREFIX}ExecutionRole": ("sagemaker", "AmazonSageMakerFullAccess"),
    **{f"{PREFIX}{service}Role": (service.lower(), f"service-role/{PREFIX}{service}ServiceRolePolicy")
       for service in ("ApiGateway", "Cloudformation", "CodePipeline", "Events", "Firehose", "Glue", "Lambda")},
}
# Roles with similar names, which nothing may change.
NEIGHBOURS = ("AmazonSageMakerProjectsUseRole", f"{USE}2", f"X{USE}")
CONSOLE_POLICY = local.policy_arn(f"service-role/{USE}-20210603T132536")


def arn(name, path=PATH):
    return local.role_arn(f"{path}{name}"[1:])


def trust(name):
    return trusting([f"{service}.amazonaws.com" for service in CONSOLE[name][0].split()])


def managed_policy(name):
    return f"{AWS_POLICY}/{CONSOLE[name][1]}"


def remaining_steps(*disabled):
    """What a resource with `OnCreate: Provision` says is left to do, with the regions whose portfolio is disabled."""
    enable = f"enable SageMaker's portfolio in {', '.join(disabled)} (`EnableSagemakerServicecatalogPortfolio`)"
    access = ("associate the role of each user with SageMaker's portfolio, in each region "
              "(`AssociatePrincipalWithPortfolio`)")
    return "; ".join([enable, access] if disabled else [access])


def make_policy(aws, policy_arn):
    """Creates a policy with two versions, as the console leaves its policy for `UseRole`."""
    aws.make_policy(policy_arn.rpartition("/")[2], Path=PATH)
    aws.iam.create_policy_version(PolicyArn=policy_arn, PolicyDocument=json.dumps(document(allow("s3:*"))))


def by_the_solution(aws, *roles, path=PATH):
    """Creates roles as a solution with pre-provisioned roles does: by default the two that it needs."""
    for name in roles or (LAUNCH, USE):
        aws.make_role(name, trusting("servicecatalog.amazonaws.com"), Path=path)
        for policy in (f"{AWS_POLICY}/service-role/AWSLambdaBasicExecutionRole", EC2):
            aws.iam.attach_role_policy(RoleName=name, PolicyArn=policy)
        inline = json.dumps(document(allow("codepipeline:StartPipelineExecution")))
        aws.iam.put_role_policy(RoleName=name, PolicyName=f"{name}Policy", PolicyDocument=inline)


def by_the_console(aws, *roles):
    for name in roles:
        aws.make_role(name, trust(name), Path=PATH, Description="SageMaker role created from the SageMaker console.")
        aws.iam.attach_role_policy(RoleName=name, PolicyArn=managed_policy(name))
        if name == USE:
            policy = aws.policy_arn(CONSOLE_POLICY.partition(":policy/")[2])
            make_policy(aws, policy)
            aws.iam.attach_role_policy(RoleName=name, PolicyArn=policy)


def clear(aws):
    """Deletes all of these roles and policies that exist."""
    for name in CONSOLE:
        aws.delete_role(name)
    for policy in aws.iam.list_policies(Scope="Local", PathPrefix=PATH)["Policies"]:
        for version in aws.iam.list_policy_versions(PolicyArn=policy["Arn"])["Versions"]:
            if not version["IsDefaultVersion"]:
                aws.iam.delete_policy_version(PolicyArn=policy["Arn"], VersionId=version["VersionId"])
        aws.iam.delete_policy(PolicyArn=policy["Arn"])
