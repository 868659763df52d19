"""Tests of examples/terraform: the configuration, the query that it sends to the program, and what Terraform makes of
both. Terraform runs with stand-ins for its providers (terraform_standins.py), and only where it is installed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import hcl2
import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples/terraform"
PROGRAM = ROOT / "target/debug/mlops-roles"
TERRAFORM = shutil.which("terraform")
ROLE = "arn:aws:iam::123456789012:role/MySageMakerRole"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:churn"
PIPELINE = (ROOT / "examples/pipeline.asl.json").read_text().replace("${ExecutionRoleArn}", ROLE).replace("${TopicArn}", TOPIC)
# The state runs a task definition, whose roles the definition does not name.
SCORE = re.sub(r"\$\{\w+\}", "score", (ROOT / "examples/ecs-task/score.asl.json").read_text())
QUERY = {
    "definition": PIPELINE, "state_machine_name": "churn", "account": "123456789012", "partition": "aws",
    "region": "eu-west-1", "task_resources": "{}", "properties": '{"DataKeys":[]}', "strict": "false",
}


def parsed(folder):
    """The blocks of a folder's files by their type, each with its labels and its body."""
    for file in sorted(folder.glob("*.tf")):
        for kind, blocks in hcl2.loads(file.read_text()).items():
            for block in () if kind == "__comments__" else blocks:
                labels = []
                while "__is_block__" not in block:
                    ((label, block),) = block.items()
                    labels.append(label.strip('"'))
                yield kind, labels, block


def references(folder):
    """What the expressions of a folder name, such as `var.name` and `aws_iam_role.workflow`."""
    texts = [json.dumps(body) for _, _, body in parsed(folder)]
    found = r"\b(?:(?:var|local|module)\.\w+|data\.\w+\.\w+|aws_\w+\.\w+)"
    return {name for text in texts for name in re.findall(rf"(?<![.\w]){found}", text)}


def declared(folder):
    names = set()
    for kind, labels, body in parsed(folder):
        names |= {
            "variable": lambda: {f"var.{labels[0]}"}, "resource": lambda: {".".join(labels)},
            "locals": lambda: {f"local.{name}" for name in body if not name.startswith("__")},
        }.get(kind, lambda: {".".join([kind, *labels])})()
    return names


@pytest.mark.parametrize("folder", [FOLDER, FOLDER / "example"], ids=["module", "example"])
def test_every_reference_leads_to_a_declaration(folder):
    assert references(folder) and references(folder) <= declared(folder)


def test_the_example_gives_the_module_its_variables():
    variables = {labels[0]: body for kind, labels, body in parsed(FOLDER) if kind == "variable"}
    ((_, _, given),) = [block for block in parsed(FOLDER / "example") if block[0] == "module"]
    names = {name for name in given if not name.startswith("__")} - {"source"}
    assert names <= set(variables)
    assert {name for name, body in variables.items() if "default" not in body} <= names


def external():
    ((_, _, body),) = [block for block in parsed(FOLDER) if block[1] == ["external", "policies"]]
    return body


def answer(query, *options):
    """The answer of the program to a query, as the provider `external` asks it."""
    command = [PROGRAM, "policy", "--format", "terraform-external", "--no-config", *options]
    return subprocess.run(command, input=json.dumps(query), text=True, capture_output=True)


def test_the_program_accepts_the_query_and_answers_with_strings():
    assert set(external()["query"]) == set(QUERY)
    assert re.findall(r'\\?"([\w-]+)\\?"', external()["program"]) == ["policy", "--format", "terraform-external", "--no-config"]
    done = answer(QUERY)
    result = json.loads(done.stdout)
    assert done.returncode == 0 and all(isinstance(value, str) for value in result.values())
    read = set(re.findall(r"result\.(\w+)", "".join(file.read_text() for file in FOLDER.glob("*.tf"))))
    assert read == set(result)


def test_the_answer_has_the_documents_of_the_command_line(tmp_path):
    file = tmp_path / "churn.asl.json"
    file.write_text(PIPELINE)
    options = ["--account", "123456789012", "--region", "eu-west-1", "--property", "StateMachineName=churn",
               "--property", "DataKeys=[]", "--no-config"]
    shown = json.loads(subprocess.check_output([PROGRAM, "policy", file, *options], text=True))
    result = {name: json.loads(text) for name, text in json.loads(answer(QUERY).stdout).items()}
    names = {"trust_policy": "trustPolicy", "pass_role_policy": "passRolePolicy"}
    assert result == {name: shown[names.get(name, name)] for name in result}


@pytest.mark.parametrize("change, code, message", [
    ({"definition": SCORE}, 0, "note: "),
    ({"definition": SCORE, "strict": "true"}, 1, "error: "),
    ({"definition": PIPELINE.replace(TOPIC, "${TopicArn}")}, 1, "`TopicArn`"),
    ({"definition": "{"}, 1, "error: "),
    ({"regoin": "eu-west-1"}, 1, "did you mean `region`?"),
    ({"account": 123456789012}, 1, "expected a JSON object of strings"),
])
def test_an_error_prints_no_result(change, code, message):
    done = answer({**QUERY, **change})
    assert done.returncode == code and message in done.stderr and (code == 0) == bool(done.stdout)


class Terraform:
    """A folder with the example, and a Terraform that uses the stand-ins."""

    def __init__(self, work):
        self.log, self.example = work / "log", work / "examples/terraform/example"
        shutil.copytree(ROOT / "examples", work / "examples", ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        overrides = []
        for name in ("aws", "external"):
            provider = work / name / f"terraform-provider-{name}"
            provider.parent.mkdir()
            provider.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/local/terraform_standins.py" {name}\n')
            provider.chmod(0o755)
            overrides.append(f'"hashicorp/{name}" = "{provider.parent}"')
        (work / "terraformrc").write_text("provider_installation {\n dev_overrides {\n%s\n}\n}\n" % "\n".join(overrides))
        # The stand-ins cache a certificate in the home directory.
        self.env = {**os.environ, "HOME": str(work), "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
                    "STANDIN_LOG": str(self.log), "TF_CLI_CONFIG_FILE": str(work / "terraformrc"), "CHECKPOINT_DISABLE": "1",
                    "TF_VAR_execution_role_arn": ROLE}
        self.run("get")

    def run(self, *arguments):
        done = subprocess.run([TERRAFORM, *arguments, "-no-color"], cwd=self.example, env=self.env, text=True,
                              capture_output=True)
        return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr)

    def apply(self):
        return self.run("apply", "-input=false", "-auto-approve")

    def replace(self, old, new):
        file = self.example / "main.tf"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def made(self):
        """What was created, in this order."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


def framed(output):
    """The output without the line that Terraform draws beside a message."""
    return re.sub(r"\s+", " ", output.replace("│", " "))


@pytest.fixture
def terraform(tmp_path):
    if TERRAFORM is None:
        pytest.skip("Terraform is not installed")
    return Terraform(tmp_path)


def test_the_configuration_is_valid_and_formatted(terraform):
    code, output = terraform.run("validate")
    assert code == 0, output
    assert subprocess.run([TERRAFORM, "fmt", "-check", "-recursive", FOLDER], env=terraform.env).returncode == 0


def test_the_state_machine_comes_after_the_policies_of_its_role(terraform):
    code, output = terraform.run("plan", "-input=false")
    assert code == 0 and "config refers to values not yet known" in output, output
    code, output = terraform.apply()
    assert code == 0, output
    made = terraform.made()
    assert [one["type"] for one in made][-1] == "sfn_state_machine"
    documents = {one["type"]: json.loads(one.get("policy") or one.get("assume_role_policy") or "null") for one in made}
    result = {name: json.loads(text) for name, text in json.loads(answer(QUERY).stdout).items()}
    assert documents["iam_role"] == result["trust_policy"]
    assert [documents["iam_policy"]] == result["policies"]
    assert documents["iam_role_policy"] == result["pass_role_policy"]
    code, output = terraform.run("plan", "-input=false")
    assert code == 0 and "No changes." in output, output


def test_a_wrong_number_is_an_error_that_says_the_right_one(terraform):
    terraform.replace("passes_roles = true", "policy_count = 2")
    code, output = terraform.apply()
    assert code == 1 and "Set policy_count = 1," in output and "Set passes_roles = true," in output, output
    assert [one["type"] for one in terraform.made()] == ["sns_topic"]
    # Now the topic is known, and with it the whole query.
    code, output = terraform.run("plan", "-input=false")
    assert code == 1 and "Set policy_count = 1," in output, output


def test_a_need_that_nobody_names_is_a_warning_and_with_strict_an_error(terraform):
    terraform.replace("../../pipeline.asl.json", "score.asl.json")
    (terraform.example / "score.asl.json").write_text(SCORE)
    terraform.replace("passes_roles = true", "")
    code, output = terraform.apply()
    assert code == 0 and "Warning: Check block assertion failed" in output, output
    needs = "Score: the task role of the task definition; Score: the execution role of the task definition."
    assert f"States of churn need what nobody names; name it in task_resources: {needs}" in framed(output), output
    terraform.replace("properties   =", "strict = true\n properties =")
    code, output = terraform.run("plan", "-input=false")
    assert code == 1 and "the task role of the task definition" in output and "External Program" in output, output
    roles = ", ".join(f'{{ RoleArn = "{ROLE}{end}", Service = "ecs-tasks.amazonaws.com" }}' for end in ("Task", "Execution"))
    terraform.replace("strict = true", f"strict = true\n passes_roles = true\n task_resources = {{ Score = {{ PassRoles = [{roles}] }} }}")
    code, output = terraform.run("plan", "-input=false")
    assert code == 0 and "Check block assertion" not in output, output
