"""Tests of examples/sam: the policies that the program derives from the template are those of the folder and of the role
in the template."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples/sam"
PROGRAM = ROOT / "target/debug/mlops-roles"
DOCUMENTS = {file.name: json.loads(file.read_text()) for file in (FOLDER / "policies").glob("*.json")}


class Loader(yaml.SafeLoader):
    """Reads a short form such as `!Sub` as its text, which is what the documents have for `Fn::Sub`."""


Loader.add_multi_constructor("!", lambda loader, tag, node: loader.construct_scalar(node))
RESOURCES = yaml.load((FOLDER / "template.yaml").read_text(), Loader)["Resources"]


def test_the_program_writes_the_documents_of_the_example(tmp_path):
    subprocess.check_call([PROGRAM, "policy", FOLDER / "template.yaml", "--placeholders", "--output-dir", tmp_path])
    written = {file.name: json.loads(file.read_text()) for file in tmp_path.glob("*.json")}
    assert written == DOCUMENTS


@pytest.mark.parametrize("name, found", [
    ("trust-policy.json", lambda: RESOURCES["WorkflowRole"]["Properties"]["AssumeRolePolicyDocument"]),
    ("pass-role-policy.json", lambda: RESOURCES["WorkflowRole"]["Properties"]["Policies"][0]["PolicyDocument"]),
    ("policy-1.json", lambda: RESOURCES["ScopedPolicy"]["Properties"]["PolicyDocument"]),
])
def test_the_role_of_the_template_has_the_documents(name, found):
    assert found() == DOCUMENTS[name]
