"""Tests of examples/cdk: the policies that the program derives from the synthesized template are those of the folder
and of the role in the template."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples/cdk"
PROGRAM = ROOT / "target/debug/mlops-roles"
TEMPLATE = json.loads((FOLDER / "ChurnStack.template.json").read_text())
DOCUMENTS = {file.name: json.loads(file.read_text()) for file in (FOLDER / "policies").glob("*.json")}


def test_the_program_writes_the_documents_of_the_example(tmp_path):
    subprocess.check_call([PROGRAM, "policy", FOLDER / "ChurnStack.template.json", "--account", "123456789012", "--placeholders", "--output-dir", tmp_path])
    written = {file.name: json.loads(file.read_text()) for file in tmp_path.glob("*.json")}
    assert written == DOCUMENTS


def properties(kind, part):
    """The properties of the only resource of a type with this part in its logical id."""
    (found,) = [resource["Properties"] for name, resource in TEMPLATE["Resources"].items()
                if resource["Type"] == f"AWS::IAM::{kind}" and part in name]
    return found


def plain(value):
    """A document as the program writes it: the CDK makes one item of a list of one, and a function of each `${}`."""
    if isinstance(value, list):
        return plain(value[0]) if len(value) == 1 else [plain(one) for one in value]
    if isinstance(value, dict):
        return value["Fn::Sub"] if set(value) == {"Fn::Sub"} else {name: plain(one) for name, one in value.items()}
    return value


@pytest.mark.parametrize("name, found", [
    ("trust-policy.json", lambda: properties("Role", "WorkflowRole")["AssumeRolePolicyDocument"]),
    ("pass-role-policy.json", lambda: properties("Role", "WorkflowRole")["Policies"][0]["PolicyDocument"]),
    ("policy-1.json", lambda: properties("ManagedPolicy", "Scoped")["PolicyDocument"]),
])
def test_the_role_of_the_template_has_the_documents(name, found):
    assert plain(found()) == plain(DOCUMENTS[name])


def test_the_state_machine_waits_for_the_policy():
    (machine,) = [one for one in TEMPLATE["Resources"].values() if one["Type"] == "AWS::StepFunctions::StateMachine"]
    assert any(TEMPLATE["Resources"][name]["Type"] == "AWS::IAM::ManagedPolicy" for name in machine["DependsOn"])
