"""Runs the benchmark of the released function and its peers, in front of the local IAM.

    make bench

With `PUBLISH=1`, the command writes its tables to docs/evidence/performance.md.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

# An API of each of 50 services, for a definition that looks much of the table of APIs up.
APIS = """
    accessanalyzer:getAccessPreview acm:describeCertificate apigateway:getAccount
    applicationautoscaling:listTagsForResource appsync:getDomainName athena:getNamedQuery
    autoscaling:attachInstances backup:describeBackupVault batch:describeConsumableResource
    bedrock:getAutomatedReasoningPolicyBuildWorkflow bedrockagent:getAgentCollaborator
    cloudformation:describeStackEvents cloudfront:listInvalidationsForDistributionTenant cloudtrail:describeQuery
    cloudwatch:getAlarmMuteRule cloudwatchlogs:describeSubscriptionFilters codebuild:listCommandExecutionsForSandbox
    codepipeline:getPipeline cognitoidentityprovider:describeIdentityProvider comprehend:describeDocumentClassifier
    config:describeAggregateComplianceByConfigRules databrew:describeRecipe datasync:describeTaskExecution
    ec2:describeCapacityBlockExtensionOfferings ecr:getLifecyclePolicy ecs:describeGateway
    efs:describeFileSystemPolicy eks:describeCertificateAuthority elasticache:describeUpdateActions
    elasticloadbalancingv2:getTrustStoreCaCertificatesBundle emr:listSteps emrserverless:getJobRun
    eventbridge:describeEventSource firehose:describeDeliveryStream fsx:describeFileSystemAliases glue:getPartition
    guardduty:getCustomDetectionRuleAssociation iot:describeCertificate kafka:describeCluster kinesis:describeStream
    kms:getKeyLastUsage lambda:getLayerVersion organizations:describeHandshake pipes:describePipe
    rds:listTagsForResource redshift:describeEndpointAccess redshiftdata:getStatementResultV2 rekognition:listFaces
    route53:listResourceRecordSets sns:getTopicAttributes
""".split()
ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "target/bench"

# The names of the tables on the page, by the beginning of the heading that the harness prints.
TABLES = {"0 ms added": "bench", "100 ms added": "bench-delayed", "Where IAM refuses": "bench-conflicts",
          "First Create by memory size": "bench-memory"}

sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "tests/local")]

import evidence  # noqa: E402
from local import Server  # noqa: E402


def of_50_services():
    """Properties whose definition calls each of `APIS`."""
    task = {"Type": "Task", "Parameters": {}, "End": True}
    states = {api.replace(":", "-"): task | {"Resource": f"arn:aws:states:::aws-sdk:{api}"} for api in APIS}
    return {"Definition": {"StartAt": next(iter(states)), "States": states}, "DataKeys": []}


def functions():
    bootstrap = ROOT / ".aws-sam/build/Function/bootstrap"
    package = WORK / "function.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(bootstrap, "bootstrap")
    ours = {"name": "mlops-roles", "command": [str(bootstrap)], "cwd": str(WORK), "package": str(package)}
    return [ours, ours | {"name": "mlops-roles, 50 services", "properties": of_50_services()}]


def run(*command):
    """Runs a command, shows its output at once, and returns it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        sys.exit(process.returncode)
    return "".join(lines)


def publish(output):
    _, *parts = re.split(r"^### (.+)$", output, flags=re.MULTILINE)
    found = {name: table for heading, table in zip(parts[::2], parts[1::2])
             for start, name in TABLES.items() if heading.startswith(start)}
    for name in TABLES.values():
        evidence.publish(evidence.PAGES / "performance.md", name,
                         f"ROUNDS={os.environ.get('ROUNDS', 10)} make bench", found.get(name, ""))


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, ROOT / "benches/peers/peers.py", WORK / "peers"], check=True)
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", WORK / "harness", "--manifest-path",
                    ROOT / "benches/harness/Cargo.toml"], check=True)
    peers = WORK / "peers.json"
    peers.write_text(json.dumps([*functions(), *json.loads((WORK / "peers/peers.json").read_text())], indent=2) + "\n")
    with tempfile.TemporaryDirectory() as work_dir:
        server = Server(work_dir)
        try:
            port = server.endpoint.rpartition(":")[2]
            output = run(WORK / "harness/release/mlops-roles-bench", peers, port, WORK)
        finally:
            server.stop()
    if evidence.requested():
        try:
            publish(output)
        except evidence.Refused as reason:
            return str(reason)
    return 0


if __name__ == "__main__":
    sys.exit(main())
