"""Tests of the schemas in schemas/cli: what the program prints has their form, and mlops-roles.toml is read as they say."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/debug/mlops-roles"
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "schemas/cli").glob("*.json"))}
DEFINITIONS = sorted((ROOT / "tests/data/definitions").glob("*.asl.json"))
PLACE = {"account": "123456789012", "region": "eu-west-1"}
PLACED = [f"--{name}={value}" for name, value in PLACE.items()]
# What the deployer allows, so that no resource type is refused.
ALLOWED = [
    "--deployer=EnabledTypes=Custom::StepFunctionsWorkflowRole,Custom::SageMakerExecutionRole,Custom::SageMakerDeployTarget,"
    "Custom::SageMakerMlopsRoles,Custom::SageMakerServiceCatalogRoles",
    "--deployer=RoleNamePrefixes=AmazonSageMaker-,ds-team,bridge", "--deployer=RolePaths=/,/service-role/",
]
SHOWN = [
    "sagemaker:createTrainingJob.sync", "athena:startQueryExecution.sync", "ecs:runTask.sync", "states:startExecution.sync:2",
    "sqs:sendMessage.waitForTaskToken", "emr-serverless:startJobRun", "bedrock:invokeModel", "http:invoke",
    "aws-sdk:sagemaker:describeEndpoint", "aws-sdk:s3:getObject", "aws-sdk:ec2:runInstances", "aws-sdk:sts:assumeRole",
    "arn:aws:lambda:eu-west-1:123456789012:function:churn", "arn:aws:states:eu-west-1:123456789012:activity:label",
]
CONFIG = """
#:schema ../../schemas/cli/config.json
account = "123456789012"
region = "eu-west-1"
partition = "aws"
deployment = "mlops-roles"
stack-name = "churn"
strict = true
task-resources = "task-resources.json"

[set]
IsTraced = false

[definition-substitutions]
Bucket = "sales"

[properties]
StateMachineName = "churn"
Tags = [{ Key = "team", Value = "ml" }]

[deployer]
RolePaths = ["/", "/team/"]
LogRetentionInDays = 14
"""


def run(*arguments, **more):
    return subprocess.run([PROGRAM, *arguments], cwd=ROOT, env={}, capture_output=True, text=True, timeout=60, **more)


def errors(name, value, schema=None):
    validator = Draft202012Validator(schema or SCHEMAS[name])
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


def output(name, *arguments, codes=(0,), **more):
    """What the program prints, which has the form of the schema."""
    done = run(*arguments, **more)
    assert done.returncode in codes, done.stderr
    value = json.loads(done.stdout)
    assert errors(name, value) == []
    return value


def from_terraform(**query):
    return output("terraform-external", "policy", "--format=terraform-external", input=json.dumps(query))


def unpacked(flat):
    """The object of strings, as the object of `policy` without the name of the state machine."""
    names = {"trust_policy": "trustPolicy", "policies": "policies", "pass_role_policy": "passRolePolicy",
             "wildcards": "wildcards", "needs": "needs", "notes": "notes"}
    return {names[name]: json.loads(text or "null") for name, text in flat.items()}


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name):
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_there_is_a_schema_of_each_output():
    assert set(SCHEMAS) == {"config", "plan", "policy", "search", "show", "terraform-external"}


def test_each_plan_has_the_form_of_its_schema():
    templates = [*ROOT.glob("examples/*.yaml"), *ROOT.glob("examples/*/*.yaml"), *ROOT.glob("tests/data/plan/*.yaml")]
    files = [str(path.relative_to(ROOT)) for path in sorted([*templates, *ROOT.glob("events/*.json"), *DEFINITIONS])]
    # Some files are refused as a whole, and others have mistakes or need an option.
    refused = output("plan", "plan", "--format=json", *files, codes=(1,))
    planned = output("plan", "plan", "--format=json", *files, *ALLOWED, codes=(1,))
    assert {one["resourceType"] for one in planned} > {"Custom::SageMakerMlopsRoles", "Custom::SageMakerServiceCatalogRoles"}
    for member in ("open", "notes", "needs", "steps", "roles", "policies", "beyondBoundary"):
        assert any(one[member] for one in planned), member
    assert sum(bool(one["refusals"]) for one in refused) > sum(bool(one["refusals"]) for one in planned) > 0
    statements = [one for report in planned for policy in report["policies"] for one in policy["statements"]]
    assert any("condition" in one for one in statements) and any(one["states"] for one in statements)
    assert any("principal" in one for report in planned for role in report["roles"] for one in role["trust"])
    assert any(step["changes"] for report in planned for step in report["steps"])


def test_policies_have_the_form_of_their_schema():
    found = []
    for file in DEFINITIONS:
        done = run("policy", "--placeholders", *PLACED, str(file))
        if done.returncode == 0:
            found.append(json.loads(done.stdout))
            assert errors("policy", found[-1]) == [], file
    assert len(found) > 30
    for member in ("policies", "passRolePolicy", "wildcards", "needs", "notes"):
        assert any(one[member] for one in found), member
    assert any(one["passRolePolicy"] is None for one in found) and any(not one["wildcards"] for one in found)


@pytest.mark.parametrize("name", ["churn-pipeline", "nested-executions", "service-athena"])
def test_the_object_for_terraform_has_its_form_and_that_of_its_strings(name):
    file = f"tests/data/definitions/{name}.asl.json"
    whole = output("policy", "policy", *PLACED, file)
    flat = unpacked(from_terraform(file=file, **PLACE))
    assert flat == {member: value for member, value in whole.items() if member != "stateMachine"}


def test_the_files_of_a_folder_have_the_form_of_the_schema(tmp_path):
    done = run("policy", *PLACED, "--output-dir", str(tmp_path), "tests/data/definitions/churn-pipeline.asl.json")
    result = json.loads((tmp_path / "result.json").read_text())
    assert done.returncode == 0 and errors("policy", result) == []


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_has_the_form_of_its_schema(name):
    assert output("show", "show", name, "--format=json")["name"]


def test_what_is_found_has_the_form_of_its_schema():
    for text, least in [("sagemaker:", 100), ("createTrainingJob", 2), ("sagemaker:AddTags", 10)]:
        assert len(output("search", "show", "--search", text, "--format=json")) >= least
    assert output("search", "show", "--search", "no such thing", "--format=json", codes=(1,)) == []


def objects(schema):
    """The objects of a schema that have members in every output, each with its name. The name of the schema itself is empty."""
    return [(name, one) for name, one in {"": schema, **schema.get("$defs", {})}.items() if "required" in one]


@pytest.mark.parametrize("name", sorted(set(SCHEMAS) - {"config"}))
def test_a_member_that_is_made_up_or_absent_is_found(name):
    """In the output itself, and in each object within it."""
    closed = objects(SCHEMAS[name])
    assert closed
    for of, one in closed:
        schema = {"$ref": f"#/$defs/{of}", "$defs": SCHEMAS[name]["$defs"]} if of else SCHEMAS[name]
        said = errors(name, {"madeUp": 1}, schema)
        assert any("'madeUp' was unexpected" in error for error in said), of
        assert len([error for error in said if "is a required property" in error]) == len(one["required"]), of


@pytest.mark.parametrize("name, wrong", [
    ("plan", {}), ("plan", [1]), ("policy", []), ("search", {}), ("show", []), ("terraform-external", []),
])
def test_an_output_of_another_form_is_found(name, wrong):
    assert errors(name, wrong)


@pytest.mark.parametrize("member, wrong", [
    ("trustPolicy", "{}"), ("policies", {}), ("policies", [1]), ("passRolePolicy", ""), ("needs", [{"use": "Delete"}]),
    ("wildcards", [{"arn": "*", "reasons": ["why", "why"], "states": []}]), ("stateMachine", None),
])
def test_policies_of_another_form_are_found(member, wrong):
    right = output("policy", "policy", *PLACED, "tests/data/definitions/churn-pipeline.asl.json")
    assert errors("policy", right | {member: wrong})


@pytest.fixture
def settings(tmp_path):
    """Whether the schema and the program accept the text of a mlops-roles.toml."""
    (tmp_path / "task-resources.json").write_text("{}")

    def accepted(text):
        file = tmp_path / "mlops-roles.toml"
        file.write_text(text)
        done = run("plan", "--format=json", f"--config={file}", "examples/pipeline.yaml")
        assert done.returncode == 0 or "mlops-roles.toml" in done.stderr, done.stderr
        return not errors("config", tomllib.loads(text)), done.returncode == 0
    return accepted


def test_the_schema_accepts_the_settings_that_the_program_accepts(settings):
    assert set(tomllib.loads(CONFIG)) == set(SCHEMAS["config"]["properties"])
    assert settings(CONFIG) == (True, True)
    assert settings("") == (True, True)


@pytest.mark.parametrize("wrong", [
    "acount = '123456789012'", "account = '12'", "account = 123456789012", "region = ['eu-west-1']", "strict = 'yes'",
    "set = 'A=b'", "[set]\nA = [1]", "[definition-substitutions]\nA = { b = 1 }", "[deployer]\nRolePaths = [['/']]",
    "properties = 1", "stack_name = 'churn'",
])
def test_the_schema_refuses_the_settings_that_the_program_refuses(wrong, settings):
    assert settings(wrong) == (False, False)
