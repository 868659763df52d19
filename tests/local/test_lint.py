"""Tests of the rules in lint/: the findings in templates of users."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CFN_LINT = ROOT / ".tools/lint/bin/cfn-lint"
WORKFLOW, EXECUTION = "Custom::StepFunctionsWorkflowRole", "Custom::SageMakerExecutionRole"
SERVICE_CATALOG = "Custom::SageMakerServiceCatalogRoles"
ARN = "arn:aws:iam::123456789012:role/SageMaker"
NO_VALUE = {"Ref": "AWS::NoValue"}
PARAMETERS = {"Text": {"Type": "String"}, "List": {"Type": "CommaDelimitedList"},
              "Flag": {"Type": "String", "AllowedValues": ["true", "false"]},
              "Mode": {"Type": "String", "Default": "Kep"}}
UNUSED = "W2001", "W8001"  # parameters and conditions that not every test needs


def linted(*templates):
    """The findings, each as rule, path in the template and message."""
    command = [CFN_LINT, *templates, "--append-rules", ROOT / "lint", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.stderr
    return [(one["Rule"]["Id"], one["Location"]["Path"], one["Message"]) for one in json.loads(done.stdout)]


@pytest.fixture
def found(tmp_path):
    """The findings in a template with these resources and outputs."""
    def finding(resources, outputs=()):
        path = tmp_path / "template.json"
        named = {name: {"Type": kind, "Properties": {"ServiceToken": {"Fn::ImportValue": "token"}, **properties}}
                 for name, (kind, properties) in resources.items()}
        path.write_text(json.dumps({
            "Parameters": PARAMETERS, "Conditions": {"Some": {"Fn::Equals": [{"Ref": "Text"}, "x"]}},
            "Resources": named, "Outputs": {f"Output{number}": {"Value": one} for number, one in enumerate(outputs)}}))
        return [one for one in linted(path) if one[0] not in UNUSED]
    return finding


def test_the_examples_and_the_template_pass():
    folders = "definition-in-s3", "ecs-task", "athena-query", "sam"
    examples = [*(ROOT / "examples").glob("*.yaml"),
                *(path for folder in folders for path in (ROOT / "examples" / folder).glob("*.yaml"))]
    assert linted(ROOT / "template.yaml", *sorted(examples)) == []


def test_every_schema_says_what_the_rules_need_of_it():
    for file in (ROOT / "schemas").glob("*.json"):
        schema = json.loads(file.read_text())
        assert schema["title"] == f"Custom::{file.stem}" and "$id" not in schema
        assert schema["additionalProperties"] is False and schema["x-attributes"]
        assert {"ServiceToken", "ServiceTimeout", "Revision"} <= schema["properties"].keys()


def test_each_mistake_is_told_with_where_it_is_and_what_was_meant(found):
    one = {"SageMakerExecutionRoleArns": ARN}
    wrong = {
        "Typo": (WORKFLOW, {**one, "MaxSesionDuration": 3600},
                 "`MaxSesionDuration`: no such property, did you mean `MaxSessionDuration`?"),
        "Nested": (WORKFLOW, {**one, "Tags": [{"Key": "team", "Value": "ml", "Valeu": "x"}]},
                   "`Tags[0].Valeu`: no such property, did you mean `Value`?"),
        "Number": (WORKFLOW, {**one, "MaxSessionDuration": "60"},
                   "`MaxSessionDuration`: '60' is less than the minimum of 3600"),
        "YesOrNo": (WORKFLOW, {**one, "AdoptExisting": "yes"},
                    "`AdoptExisting`: 'yes' does not match '^(true|false)$'"),
        "Item": (WORKFLOW, {"SageMakerExecutionRoleArns": [ARN, f"{ARN}*"]},
                 f"`SageMakerExecutionRoleArns[1]`: '{ARN}*'"),
        "Unknown": (WORKFLOW, {**one, "Zebra": 1}, "`Zebra`: no such property; the properties are `AdoptExisting`, "),
        "Required": (WORKFLOW, {**one, "Tags": [{"Key": "team"}]}, "`Tags[0]`: 'Value' is a required property"),
        "Choice": (SERVICE_CATALOG, {"Regions": "eu-west-1", "OnCreate": "Delet"},
                   "`OnCreate`: found `Delet`, expected one of `Keep`, `Delete`, `Provision` (did you mean `Delete`?)"),
        "NoChoice": (SERVICE_CATALOG, {"Regions": "eu-west-1", "OnDelete": "xyz"},
                     "`OnDelete`: found `xyz`, expected one of `Delete`, `Keep`"),
        "Either": (SERVICE_CATALOG, {"Regions": "eu-west-1", "Roles": ["launchanduse"]},
                   "`Roles[0]`: found `launchanduse`, expected one of `LaunchAndUse`, `All`, "),
        "Branch": (SERVICE_CATALOG, {"Regions": "eu-west-1", "IfInUse": {"Fn::If": ["Some", "Keep", "Fial"]}},
                   "`IfInUse.Fn::If[2]`: found `Fial`, expected one of `Fail`, `Keep`, `Delete` (did you mean `Fail`")}
    findings = found({name: one[:2] for name, one in wrong.items()})
    assert ["Resources", "Either", "Properties", "Roles", 0] in [path for _, path, _ in findings]
    said = [(path[1], rule, message) for rule, path, message in findings]
    assert sorted(one[:2] for one in said) == sorted((name, "E9310") for name in wrong)
    for name, _, message in said:
        assert message.startswith(wrong[name][2])


def test_each_rule_about_several_properties_says_what_to_do(found):
    arns, task = {"SageMakerExecutionRoleArns": ARN}, {"Integrations": ["sns:publish"]}
    no_regions = ("`Regions` is missing; add all regions where projects may use the roles, or set `OnCreate: Keep` and "
                  "`OnDelete: Keep`")
    one_source = ("`SageMakerExecutionRole`: exactly one of `DomainId`, `NotebookInstanceName`, `EndpointName`, "
                  "`PipelineName`, `ClusterName`, `TrainingJobName`, `ModelPackageName` and `RoleNamePrefix` is needed; "
                  "choose one")
    prefix = {"NamePrefix": "churn"}
    limited = {**prefix, "Subnets": "subnet-1", "SecurityGroups": "sg-1", "LimitToSubnets": True}
    no_bucket = ("the capability `FeatureStoreOffline` needs a bucket with `Access: ReadWrite` or `Write`; add the bucket "
                 "of the offline store to `Buckets`")
    excluded = ("exclude each other, because SageMaker refuses processing jobs of such a role; leave one of the two out")

    def source(*names):
        return {"SageMakerExecutionRole": {name: "x" for name in names}}

    wrong = {
        "Nothing": (WORKFLOW, {}, "`SageMakerExecutionRoleArns` is missing; add it, or one of "
                                  "`SageMakerExecutionRole`, `Definition`, `DefinitionS3Location` and `Integrations`"),
        "Both": (WORKFLOW, {**task, "Definition": {}},
                 "`Integrations` and `Definition` exclude each other; leave `Integrations` out"),
        "TwoWays": (WORKFLOW, {**arns, **source("EndpointName")},
                    "`SageMakerExecutionRole` and `SageMakerExecutionRoleArns` exclude each other; leave one of them "
                    "out"),
        "NoDefinition": (WORKFLOW, {**arns, "Logging": True},
                         "`Logging` needs `Definition`, `DefinitionS3Location` or `Integrations`; add one of them, or "
                         "leave `Logging` out"),
        "NoSource": (WORKFLOW, source(), one_source),
        "TwoSources": (WORKFLOW, source("DomainId", "PipelineName"), one_source),
        "UserAndSpace": (WORKFLOW, source("DomainId", "UserProfileName", "SpaceName"),
                         "`SageMakerExecutionRole`: `UserProfileName` and `SpaceName` exclude each other; leave one of "
                         "them out"),
        "NoDomain": (WORKFLOW, source("PipelineName", "SpaceName"),
                     "`SageMakerExecutionRole`: `SpaceName` needs `DomainId`; add `DomainId`"),
        "NoGroups": (EXECUTION, {"Subnets": "subnet-1"},
                     "`Subnets` needs `SecurityGroups`; add `SecurityGroups`, or leave `Subnets` out"),
        "NoPrefix": (EXECUTION, {"Capabilities": "Training"}, "`Capabilities` needs `NamePrefix`; add `NamePrefix`"),
        "NoCapabilities": (EXECUTION, {"NamePrefix": "churn"},
                           "`NamePrefix` needs `Capabilities`; add `Capabilities`, or leave `NamePrefix` out"),
        "NoDatabases": (EXECUTION, {"Capabilities": ["Training", "Athena"], **prefix},
                        "the capability `Athena` needs `GlueDatabases`; add `GlueDatabases`"),
        "NoTables": (EXECUTION, {"Capabilities": {"Fn::If": ["Some", "GlueTables", "Training"]}, **prefix},
                     "the capability `GlueTables` needs `GlueDatabases`; add `GlueDatabases`"),
        "OnlyDatabases": (EXECUTION, {"GlueDatabases": "sales"},
                          "`GlueDatabases` needs the capability `Athena` or `GlueTables`; add one of them, or leave "
                          "`GlueDatabases` out"),
        "NoBucket": (EXECUTION, {"Capabilities": "FeatureStoreOffline", **prefix}, no_bucket),
        "NothingWritten": (EXECUTION, {"Capabilities": ["FeatureStoreOffline"], **prefix,
                                       "Buckets": [{"Name": "data", "Access": "Read"}]}, f"`Buckets`: {no_bucket}"),
        "NoSubnets": (EXECUTION, {"LimitToSubnets": True},
                      "`LimitToSubnets: true` needs `Subnets` and `SecurityGroups`; add them, or leave "
                      "`LimitToSubnets` out"),
        "Processing": (EXECUTION, {**limited, "LimitToSubnets": "true", "Capabilities": ["Training", "Processing"]},
                       f"`LimitToSubnets: true` and the capability `Processing` {excluded}"),
        "Monitor": (EXECUTION, {**limited, "Capabilities": "ModelMonitor"},
                    f"`LimitToSubnets: true` and the capability `ModelMonitor` {excluded}"),
        "NoRegions": (SERVICE_CATALOG, {"OnCreate": "Delete"}, no_regions),
        "SomeRegions": (SERVICE_CATALOG, {"Regions": {"Fn::If": ["Some", "eu-west-1", NO_VALUE]}}, no_regions),
        "NoEffect": (SERVICE_CATALOG, {"Regions": "eu-west-1", "IfInUse": "Delete", "InUseWithinDays": 30},
                     "`InUseWithinDays`: has no effect, because `IfInUse: Delete` deletes roles that are in use; "
                     "remove one of the two")}
    findings = found({name: one[:2] for name, one in wrong.items()})
    assert sorted((path[1], rule, message) for rule, path, message in findings) == sorted(
        (name, "E9310", message) for name, (_, _, message) in wrong.items())


def test_a_parameter_whose_values_do_not_fit_is_warned_of(found):
    [(rule, path, message)] = found({"Roles": (SERVICE_CATALOG, {"Regions": "eu-west-1", "IfInUse": {"Ref": "Mode"}})})
    assert rule == "W1030" and path[:2] == ["Parameters", "Mode"] and "is not one of ['Fail', 'Keep'" in message


def test_what_a_function_gives_is_taken_wherever_a_value_belongs(found):
    assert found({
        "Workflow": (WORKFLOW, {
            "SageMakerExecutionRoleArns": {"Fn::If": ["Some", {"Ref": "List"}, [{"Fn::Sub": "${Text}"}, ARN]]},
            "Logging": {"Ref": "Flag"}, "Tracing": True, "MaxSessionDuration": {"Fn::Select": [0, {"Ref": "List"}]},
            "RoleName": "{{resolve:ssm:/name:1}}", "PolicyName": {"Fn::Join": ["-", ["a", {"Ref": "Text"}]]},
            "Tags": [{"Fn::If": ["Some", {"Key": "team", "Value": {"Ref": "Text"}}, NO_VALUE]}], "Path": NO_VALUE,
            "Definition": {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://bucket/key"}}}}),
        "ServiceCatalog": (SERVICE_CATALOG, {
            "Regions": {"Fn::Split": [",", {"Ref": "Text"}]}, "OnCreate": {"Ref": "Text"}, "InUseWithinDays": "30",
            "Roles": [{"Fn::GetAtt": ["Other", "Whatever"]}]}),
        "Execution": (EXECUTION, {
            "NamePrefix": "churn", "Capabilities": ["Training", {"Ref": "Text"}], "LimitToSubnets": {"Ref": "Flag"},
            "GlueDatabases": {"Ref": "List"}, "Subnets": {"Ref": "List"}, "SecurityGroups": {"Ref": "List"},
            "Topics": [{"Ref": "Text"}]}),
        "OneOrTheOther": (EXECUTION, {
            "NamePrefix": "churn", "Capabilities": ["Training", {"Fn::If": ["Some", "Athena", "Processing"]},
                                                    {"Fn::If": ["Some", "FeatureStoreOffline", NO_VALUE]}],
            "GlueDatabases": {"Fn::If": ["Some", "sales", NO_VALUE]},
            "Buckets": [{"Name": "data", "Access": {"Fn::If": ["Some", "ReadWrite", "Read"]}}],
            "Subnets": "subnet-1", "SecurityGroups": "sg-1",
            "LimitToSubnets": {"Fn::If": ["Some", True, NO_VALUE]}}),
        "Other": ("Custom::Other", {"Anything": "goes"})},
        [{"Fn::Sub": "${Workflow.RoleArn}${!Workflow.Literal}${Other.Whatever}"},
         {"Fn::GetAtt": ["Workflow", {"Ref": "Text"}]}]) == []


def test_what_is_wrong_with_a_function_itself_is_told_once_and_by_cfn_lint(found):
    [(rule, _, _)] = found({"Roles": (SERVICE_CATALOG, {"Regions": "eu-west-1", "OnDelete": {"Ref": "Nobody"}})})
    assert rule == "E1020"


@pytest.mark.parametrize("value", [
    {"Fn::GetAtt": ["Workflow", "RoleArm"]}, {"Fn::GetAtt": "Workflow.RoleArm"}, {"Fn::Sub": "${Workflow.RoleArm}"},
    {"Fn::Sub": ["${Workflow.RoleArm}${One}", {"One": 1}]}])
def test_an_attribute_that_the_type_does_not_have_is_told(found, value):
    [(rule, path, message)] = found({"Workflow": (WORKFLOW, {"SageMakerExecutionRoleArns": ARN})}, [value])
    assert (rule, path[:2]) == ("E9311", ["Outputs", "Output0"])
    assert message == "`Workflow.RoleArm`: no such attribute, did you mean `RoleArn`?"
