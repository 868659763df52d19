"""Tests of examples/stackset/synthesize.py, which makes a template for stack sets from template.yaml and a fragment."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".tools/sam/bin/python"
FOLDER = ROOT / "examples/stackset"
PARTS = ROOT / "template.yaml", FOLDER / "target-account.yaml"
READ = """
import json, sys
from samtranslator.yaml_helper import yaml_parse
print(json.dumps(yaml_parse(sys.stdin.read())))
"""
TYPE = "Custom::SageMakerMlopsRoles"
SECTIONS = "Parameters", "Conditions", "Resources", "Outputs"
# Properties that give an IAM resource a name, for which CAPABILITY_IAM is not enough.
NAMED = {f"AWS::IAM::{kind}": name for kind, name in (
    ("Group", "GroupName"), ("InstanceProfile", "InstanceProfileName"), ("ManagedPolicy", "ManagedPolicyName"),
    ("Role", "RoleName"), ("User", "UserName"))}


def read(path):
    done = subprocess.run([PYTHON, "-c", READ], input=path.read_text(), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def synthesized(template, fragment, output, **environment):
    return subprocess.run([PYTHON, FOLDER / "synthesize.py", template, fragment, output], capture_output=True,
                          text=True, env={**os.environ, **environment})


@pytest.fixture(scope="module")
def parts():
    return [read(part) for part in PARTS]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    output = tmp_path_factory.mktemp("stackset") / "new folder" / "template.json"
    done = synthesized(*PARTS, output)
    assert done.returncode == 0, done.stderr
    return output.read_bytes()


@pytest.fixture(scope="module")
def template(text):
    return json.loads(text)


@pytest.fixture
def refused(tmp_path):
    """The reason why a fragment is refused."""
    def because(fragment):
        path, output = tmp_path / "fragment", tmp_path / "output"
        path.write_text(fragment if isinstance(fragment, str) else json.dumps(fragment))
        done = synthesized(PARTS[0], path, output)
        assert done.returncode == 1 and not output.exists() and "Traceback" not in done.stderr
        return done.stderr
    return because


# --- what is in it ---

def test_there_is_no_transform_and_nothing_serverless(template, text):
    assert "Transform" not in template and b"Fn::Transform" not in text
    assert [one["Type"] for one in template["Resources"].values() if one["Type"].startswith("AWS::Serverless")] == []


def test_all_of_both_parts_is_there_as_it_was_but_for_the_function(template, parts):
    whole, fragment = parts
    overrides = {name for name, one in fragment["Parameters"].items() if "Type" not in one}
    for section in SECTIONS:
        expected = whole[section] | {name: one for name, one in fragment[section].items() if name not in overrides}
        own = {"Resources": {"Function", "FunctionEventInvokeConfig"}, "Parameters": overrides}.get(section, set())
        assert {name: one for name, one in template[section].items() if name not in own} == {
            name: one for name, one in expected.items() if name not in own}, section
        assert template[section].keys() - expected.keys() <= {"FunctionEventInvokeConfig"}
    kept = {name: one for name, one in whole["Metadata"].items() if name != "AWS::ServerlessRepo::Application"}
    assert template["Metadata"] == kept and template["Description"] == fragment["Description"]


def test_a_fragment_changes_nothing_of_a_parameter_but_its_default(template, parts):
    whole, fragment = parts
    assert template["Parameters"]["EnabledTypes"] == {**whole["Parameters"]["EnabledTypes"], "Default": TYPE}
    assert fragment["Parameters"]["EnabledTypes"] == {"Default": TYPE}


def test_the_function_is_what_sam_makes_of_it(template, parts):
    before, after = (one["Resources"]["Function"] for one in (parts[0], template))
    assert after.keys() == {"Type", "DependsOn", "Properties"} and after["DependsOn"] == before["DependsOn"]
    assert after["Type"] == "AWS::Lambda::Function"
    kept = {name: one for name, one in before["Properties"].items() if name not in ("CodeUri", "EventInvokeConfig")}
    made = {name: one for name, one in after["Properties"].items() if name not in ("Code", "Tags")}
    assert made == kept
    assert after["Properties"]["Tags"] == [{"Key": "lambda:createdBy", "Value": "SAM"}]


def test_events_that_nobody_answered_go_to_the_queue_as_with_sam(template, parts):
    asked = parts[0]["Resources"]["Function"]["Properties"]["EventInvokeConfig"]
    queue = {"Fn::GetAtt": ["UnansweredEvents", "Arn"]}
    assert template["Resources"]["FunctionEventInvokeConfig"] == {
        "Type": "AWS::Lambda::EventInvokeConfig",
        "Properties": {"FunctionName": {"Ref": "Function"}, "Qualifier": "$LATEST",
                       "MaximumEventAgeInSeconds": asked["MaximumEventAgeInSeconds"],
                       "MaximumRetryAttempts": asked["MaximumRetryAttempts"],
                       "DestinationConfig": {"OnFailure": {"Destination": queue}}}}
    grants = template["Resources"]["FunctionPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert [one["Resource"] for one in grants if one.get("Action") == "sqs:SendMessage"] == [queue]


def test_the_code_comes_from_the_bucket_of_the_targets_own_region(template):
    bucket = {"Fn::Sub": "${CodeBucketPrefix}-${AWS::Region}"}
    assert template["Resources"]["Function"]["Properties"]["Code"] == {"S3Bucket": bucket, "S3Key": {"Ref": "CodeKey"}}
    deployed = read(FOLDER / "code-bucket.yaml")
    assert deployed["Resources"]["Code"]["Properties"]["BucketName"] == bucket
    pattern = deployed["Parameters"]["CodeBucketPrefix"]["AllowedPattern"]
    assert template["Parameters"]["CodeBucketPrefix"]["AllowedPattern"] == pattern


def test_the_roles_are_made_by_the_stacks_own_function_and_go_while_it_can_still_act(template):
    resources = template["Resources"].values()
    sets = {one["Properties"]["RoleSet"]: one for one in resources if one["Type"] == TYPE}
    assert sets.keys() == {"TargetAccount", "SetupStackSetExecution"}
    for one in sets.values():
        assert one["Properties"]["ServiceToken"] == {"Fn::GetAtt": ["Function", "Arn"]}
        assert {*template["Resources"]["WorkflowRole"]["DependsOn"], "RoleSetsPolicy"} <= {*one["DependsOn"]}


def test_the_outputs_are_those_of_the_published_template(template, parts):
    roles = "SageMakerModelExecutionRole", "StackSetExecutionRole"
    assert parts[1]["Outputs"].keys() == {f"{role}{what}" for role in roles for what in ("Arn", "Name")}
    for name in parts[1]["Outputs"]:
        assert template["Outputs"][name]["Value"] == {"Fn::GetAtt": ["TargetAccountRoles", name]}


def test_no_region_of_whoever_made_it_is_in_it(text):
    assert b"no-where" not in text and b"us-east-1" not in text and b"eu-west-1" not in text


def test_two_runs_give_the_same_bytes_whatever_the_environment_says(text, tmp_path):
    elsewhere = {"AWS_REGION": "cn-north-1", "AWS_DEFAULT_REGION": "cn-north-1", "AWS_PROFILE": "nobody",
                 "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "PYTHONHASHSEED": "7"}
    done = synthesized(*PARTS, tmp_path / "again", **elsewhere)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again").read_bytes() == text


# --- what is refused ---

@pytest.mark.parametrize("section, name, entry", [
    ("Parameters", "LogLevel", {"Type": "String", "Default": "warn"}),
    ("Parameters", "LogLevel", {"Type": "String"}),
    ("Parameters", "LogLevel", {"Default": "warn", "NoEcho": True}),
    ("Conditions", "Adoption", {"Fn::Equals": ["a", "a"]}),
    ("Resources", "LogGroup", {"Type": "AWS::Logs::LogGroup"}),
    ("Resources", "Function", {"Properties": {"Timeout": 900}}),
    ("Outputs", "ServiceToken", {"Value": "x"})])
def test_a_name_of_the_template_is_not_for_the_fragment(refused, section, name, entry):
    assert refused({section: {name: entry}}) == f"`{name}` of `{section}` is in both, the template and the fragment\n"


def test_a_default_is_for_a_parameter_that_is_there(refused):
    said = refused({"Parameters": {"EnabledType": {"Default": TYPE}}})
    assert said == "there is no parameter `EnabledType` to give another default\n"


def test_a_name_that_is_said_twice_is_refused_with_its_lines(refused):
    said = refused("Outputs:\n  A: { Value: a }\n  A: { Value: b }\n")
    assert "fragment:2: Duplicate found 'A'" in said and "fragment:3:" in said


def test_a_transform_is_not_smuggled_in(refused):
    include = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://bucket/key"}}}
    assert "there is a transform left" in refused({"Outputs": {"Included": {"Value": include}}})
    assert refused({"Transform": "AWS::Serverless-2016-10-31"}) == "a fragment has no `Transform`\n"


def test_what_sam_does_not_take_is_told_in_its_words(refused):
    said = refused({"Resources": {"Second": {"Type": "AWS::Serverless::Function", "Properties": {}}}})
    assert "Resource with id [Second] is invalid" in said


def test_what_no_stack_set_takes_for_its_size_is_refused(refused):
    outputs = {f"Long{number}": {"Value": "x" * 1_000} for number in range(400)}
    assert "and a stack set takes 460,800" in refused({"Outputs": outputs})


# --- the stack sets that deploy it ---

@pytest.fixture(scope="module")
def stack_sets():
    resources = read(FOLDER / "stack-set.yaml")["Resources"].items()
    return {name: one["Properties"] for name, one in resources if one["Type"] == "AWS::CloudFormation::StackSet"}


def given(stack_set):
    return {one["ParameterKey"]: one["ParameterValue"] for one in stack_set["Parameters"]}


def test_each_stage_gets_every_parameter_that_has_no_default_and_only_known_ones(template, stack_sets):
    needed = {name for name, one in template["Parameters"].items() if "Default" not in one}
    for stack_set in stack_sets.values():
        assert needed <= given(stack_set).keys() <= template["Parameters"].keys()


def test_the_stages_differ_by_their_type_their_name_and_their_accounts_only(stack_sets):
    staging, production = stack_sets["Staging"], stack_sets["Production"]
    assert given(staging).pop("EnvType") == "staging" and given(production).pop("EnvType") == "prod"
    alike = json.loads(json.dumps(production).replace("Production", "Staging").replace("production", "staging")
                       .replace('"prod"', '"staging"'))
    assert alike == staging


def test_no_group_of_instances_overrides_a_parameter_since_later_accounts_would_not_get_it(stack_sets):
    for stack_set in stack_sets.values():
        assert [group.keys() for group in stack_set["StackInstancesGroup"]] == [{"Regions", "DeploymentTargets"}]


def test_the_acknowledged_capabilities_suffice(template, stack_sets):
    for logical_id, one in template["Resources"].items():
        assert NAMED.get(one["Type"]) not in one["Properties"], logical_id
    assert [one["Capabilities"] for one in stack_sets.values()] == [["CAPABILITY_IAM"]] * 2
