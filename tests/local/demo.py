"""Deploys template.yaml to a local AWS, shows the workflow role that it creates and the service-catalog roles that it
finds, and deletes everything again.

    make demo

The exit code is 1 if anything is not as expected.
"""

import json
import sys
import tempfile
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import local  # noqa: E402
import service_catalog  # noqa: E402
from local import ACCOUNT, REGION, RESOURCE_TYPE, Local, Server  # noqa: E402

APP = "mlops-roles"
OTHER_REGION = "us-east-1"
TYPES = {"WorkflowRole": RESOURCE_TYPE, "ServiceCatalogRoles": service_catalog.TYPE}
EXECUTION_ROLE = "churn-SageMaker-execution"
SAGEMAKER = {"iam_PassedToService": "sagemaker.amazonaws.com"}
EC2 = {"iam_PassedToService": "ec2.amazonaws.com"}
wrong = []


def title(text):
    print(f"\n=== {text}\n", flush=True)


def check(fact, what):
    print(f"  [{'ok' if fact else 'WRONG'}] {what}")
    if not fact:
        wrong.append(what)


def show(document, indent="    "):
    print("\n".join(indent + line for line in json.dumps(document, indent=2).splitlines()))


def show_events(aws):
    title("What CloudFormation did")
    events = aws.cloudformation.describe_stack_events(StackName=APP)["StackEvents"]
    shown = ("Function", "FunctionPolicy", "PermissionsBoundary", "ServiceCatalogPolicy", *TYPES, APP)
    for event in reversed(events):
        if event["LogicalResourceId"] in shown:
            name = event["PhysicalResourceId"] if event["LogicalResourceId"] in TYPES else ""
            print(f"  {event['ResourceStatus']:<20}{event['ResourceType']:<38}{event['LogicalResourceId']:<22}{name}")


def show_plan(aws, outputs):
    title("What the function planned, from its log")
    for line in aws.log(outputs["LogGroupName"]):
        fields = json.loads(line).get("fields", {}) if line.startswith("{") else {}
        if fields.get("message") == "planned":
            for step in json.loads(fields["plan"]):
                print(f"  {step}")


def show_role(aws, name, boundary, execution_role):
    title(f"The workflow role {name}")
    found = aws.iam.get_role(RoleName=name)["Role"]
    role = aws.role(name)
    print("  Trust policy:")
    show(found["AssumeRolePolicyDocument"])
    print(f"  Permissions boundary: {role['boundary']}")
    print("  Tags:")
    for key, value in role["tags"].items():
        print(f"    {key} = {value}")
    for arn in sorted(role["attached"]):
        version = aws.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        print(f"  Attached policy {arn}:")
        show(aws.iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
    for policy in role["inline"]:
        print(f"  Inline policy {policy}:")
        show(aws.iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
    print()
    check(all("aws:SourceAccount" in json.dumps(s) and "aws:SourceArn" in json.dumps(s) for s in role["trust"]),
          "Step Functions may assume the role only for state machines of this account")
    check(role["boundary"] == boundary, "the role has the deployer's permissions boundary")
    check({local.STACK_TAG, local.LOGICAL_TAG} <= role["tags"].keys(),
          "the tags name the stack and the resource that own the role")
    grants = [statement for policy in role["inline"].values() for statement in policy]
    check([grant["Resource"] for grant in grants] == [[execution_role]],
          "the inline policy allows passing one role, by its ARN")


def show_decisions(aws, name, execution_role):
    title("What the role may do, as IAM's policy simulator decides")
    rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule"
    jobs_rule = f"{rule}/StepFunctionsGetEventsForSageMakerProcessingJobsRule"
    for expected, action, target, context in (
            ("allowed", "sagemaker:CreateTrainingJob", "*", {}),
            ("allowed", "lambda:InvokeFunction", "*", {}),
            ("allowed", "events:PutRule", jobs_rule, {}),
            ("allowed", "iam:PassRole", execution_role, SAGEMAKER),
            ("implicitDeny", "iam:PassRole", execution_role, EC2),
            ("implicitDeny", "iam:PassRole", local.role_arn("Administrator"), SAGEMAKER),
            ("implicitDeny", "events:PutRule", f"{rule}/SomebodyElses", {}),
            ("implicitDeny", "iam:CreateUser", "*", {}),
            ("implicitDeny", "s3:GetObject", "*", {})):
        decision = aws.decision(name, action, target, **context)
        where = target.split(":")[-1] + "".join(f" to {service}" for service in context.values())
        check(decision == expected, f"{action:<30}{where:<78}{decision}")


def ask_service_catalog(aws, outputs, request_type):
    """Sends the function an event in the name of the stack's resource, without CloudFormation."""
    properties = {"ServiceToken": outputs["ServiceToken"], "Regions": [REGION, OTHER_REGION]}
    stack = aws.cloudformation.describe_stacks(StackName=APP)["Stacks"][0]
    return aws.ask(outputs["ServiceToken"], {
        "RequestType": request_type, "RequestId": str(uuid.uuid4()), "StackId": stack["StackId"],
        "LogicalResourceId": "ServiceCatalogRoles", "ResourceType": service_catalog.TYPE,
        "PhysicalResourceId": aws.resource_id(APP, "ServiceCatalogRoles"), "ResourceProperties": properties,
        "OldResourceProperties": properties})


def show_service_catalog(aws, outputs):
    title("The service-catalog roles that others created, as the resource reports them")
    for name, value in ask_service_catalog(aws, outputs, "Update")["Data"].items():
        print(f"  {name:<24}{value or '-'}")
    before = aws.world()
    answer = ask_service_catalog(aws, outputs, "Delete")
    print(f"\n  A Delete while a project uses the roles: {answer['Status']}\n    {answer.get('Reason')}\n")
    check(outputs["ServiceCatalogInUseBy"] == f"project `churn` (CreateCompleted) in {OTHER_REGION}",
          "the deployment found the project in another region")
    check(outputs["ServiceCatalogRemainingSteps"] == "", "nothing remains to be done, because nothing is provisioned")
    check(answer["Status"] == "FAILED" and "project `churn`" in answer["Reason"], "the reason names the project")
    check(aws.world() == before, "nothing was changed")


def show_outputs(outputs):
    title("Outputs of the stack")
    for key, value in outputs.items():
        print(f"  {key:<30}{value}")


def show_nothing_left(aws, before):
    title("What is left")
    after = aws.world()
    for arn in after:
        print(f"  {arn}")
    print()
    check(not any(aws.role(name) for name in service_catalog.CONSOLE),
          "the service-catalog roles, which existed before the deployment, are deleted")
    check(after == before, "every other role and policy of the account is as before, and there is no new one")


def demo(aws):
    execution_role = aws.make_role(EXECUTION_ROLE)
    before = aws.world()
    # Two roles that belong to no stack, the portfolio that needs them, and a project that uses them.
    service_catalog.by_the_solution(aws)
    portfolio = {REGION: {"portfolio": "Enabled"}}
    aws.set_sagemaker({**portfolio, OTHER_REGION: {"projects": [{"name": "churn"}]}})
    title("Deploy with one `sam deploy`: the function, its guardrails, the workflow role, the service-catalog resource")
    outputs = aws.deploy(APP, SageMakerExecutionRoleArns=execution_role, EnabledTypes=",".join(TYPES.values()),
                         ServiceCatalogRegions=f"{REGION},{OTHER_REGION}", ServiceCatalogRevision="1")
    name = outputs["WorkflowRoleArn"].rpartition("/")[2]
    show_events(aws)
    show_plan(aws, outputs)
    show_role(aws, name, outputs["PermissionsBoundaryArn"], execution_role)
    show_decisions(aws, name, execution_role)
    show_service_catalog(aws, outputs)
    show_outputs(outputs)
    title("Delete the project, then everything else with `sam delete`")
    aws.set_sagemaker(portfolio)
    aws.sam("delete", "--stack-name", APP, "--no-prompts", "--region", REGION)
    show_nothing_left(aws, before)


def main():
    title("Build (the first time takes minutes)")
    local.build()
    with tempfile.TemporaryDirectory() as work_dir:
        server = Server(work_dir)
        try:
            demo(Local(server.endpoint, server.sagemaker_endpoint))
        finally:
            server.stop()
    title("Everything is as expected" if not wrong else "NOT as expected")
    for what in wrong:
        print(f"  {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
