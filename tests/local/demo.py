"""Deploys template.yaml to a local AWS, shows the workflow role that it makes and the service-catalog roles that it
finds, and takes all down again.

    make demo

Ends with 1 when anything is not as it should be.
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
    # A condition of one value is easier to read on one line, a list of actions on several.
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
    print("  Trust:")
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
          "Step Functions may assume it for state machines of this account alone")
    check(role["boundary"] == boundary, "it has the deployer's permissions boundary")
    check({local.STACK_TAG, local.LOGICAL_TAG} <= role["tags"].keys(), "its tags tell the owning stack and resource")
    grants = [statement for policy in role["inline"].values() for statement in policy]
    check([grant["Resource"] for grant in grants] == [[execution_role]], "its inline grant names one role to pass")


def show_decisions(aws, name, execution_role):
    title("What the role may do (iam:SimulatePrincipalPolicy)")
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
    """Sends the function an event in the name of the stack's resource, past CloudFormation."""
    properties = {"ServiceToken": outputs["ServiceToken"], "Regions": [REGION, OTHER_REGION]}
    stack = aws.cloudformation.describe_stacks(StackName=APP)["Stacks"][0]
    return aws.ask(outputs["ServiceToken"], {
        "RequestType": request_type, "RequestId": str(uuid.uuid4()), "StackId": stack["StackId"],
        "LogicalResourceId": "ServiceCatalogRoles", "ResourceType": service_catalog.TYPE,
        "PhysicalResourceId": aws.resource_id(APP, "ServiceCatalogRoles"), "ResourceProperties": properties,
        "OldResourceProperties": properties})


def show_service_catalog(aws, outputs):
    title("The service-catalog roles that somebody made, as the resource reports them")
    for name, value in ask_service_catalog(aws, outputs, "Update")["Data"].items():
        print(f"  {name:<24}{value or '-'}")
    before = aws.world()
    answer = ask_service_catalog(aws, outputs, "Delete")
    print(f"\n  A Delete while the project stands: {answer['Status']}\n    {answer.get('Reason')}\n")
    check(outputs["ServiceCatalogInUseBy"] == f"project `churn` (CreateCompleted) in {OTHER_REGION}",
          "the deployment saw the project, in another region")
    check(answer["Status"] == "FAILED" and "project `churn`" in answer["Reason"], "the reason names it")
    check(aws.world() == before, "nothing was touched")


def show_outputs(outputs):
    title("Outputs of the stack")
    for key, value in outputs.items():
        print(f"  {key:<24}{value}")


def show_nothing_left(aws, before):
    title("What is left")
    after = aws.world()
    for arn in after:
        print(f"  {arn}")
    print()
    check(not any(aws.role(name) for name in service_catalog.CONSOLE),
          "the service-catalog roles, which stood before the deployment, are gone")
    check(after == before, "all other roles and policies of the account are those of before, and no others")


def demo(aws):
    execution_role = aws.make_role(EXECUTION_ROLE)
    before = aws.world()
    # Two roles that no stack holds, the portfolio that they are for, and a project that uses them.
    service_catalog.by_the_solution(aws)
    portfolio = {REGION: {"portfolio": "Enabled"}}
    aws.set_sagemaker({**portfolio, OTHER_REGION: {"projects": [{"name": "churn"}]}})
    title("Deploy: the function, its guardrails, the workflow role, and the service-catalog roles' end, by one sam deploy")
    outputs = aws.deploy(APP, SageMakerExecutionRoleArns=execution_role, EnabledTypes=",".join(TYPES.values()),
                         ServiceCatalogRegions=f"{REGION},{OTHER_REGION}")
    name = outputs["WorkflowRoleArn"].rpartition("/")[2]
    show_events(aws)
    show_plan(aws, outputs)
    show_role(aws, name, outputs["PermissionsBoundaryArn"], execution_role)
    show_decisions(aws, name, execution_role)
    show_service_catalog(aws, outputs)
    show_outputs(outputs)
    title("End the project, then take all down: sam delete")
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
    title("As it should be" if not wrong else "NOT as it should be")
    for what in wrong:
        print(f"  {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
