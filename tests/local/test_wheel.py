"""Tests of the wheel: what it holds, and that its program runs where nothing else is installed."""

import json
import platform
import re
import subprocess
import sys

import pytest

import cli_files
import release
from conftest import ROOT, UV

TARGET = f"{platform.machine()}-unknown-linux-gnu"


@pytest.fixture
def run(installed, tmp_path):
    """Runs the installed program with nothing else in its environment, in an empty folder."""
    def call(*arguments, **more):
        return subprocess.run([installed / "mlops-roles", *arguments], env={"PATH": str(installed), "HOME": str(tmp_path)},
                              cwd=tmp_path, capture_output=True, text=True, timeout=60, **more)
    return call


def is_the_version(text):
    return re.fullmatch(rf"mlops-roles {re.escape(release.version())} "
                        r"\(service authorization reference of \d{4}-\d\d-\d\d\)\n", text)


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() not in cli_files.ELF_MACHINES, reason="it reads ELF")
def test_the_wheel_has_the_program_and_metadata_only(wheel):
    assert cli_files.wheel_mistakes(wheel, TARGET) == []


def test_the_environment_has_nothing_but_the_package(installed):
    done = subprocess.run([UV, "pip", "list", "--format", "json", "--python", installed.parent],
                          check=True, capture_output=True, text=True)
    assert [one["name"] for one in json.loads(done.stdout)] == ["mlops-roles"]
    [packages] = installed.parent.glob("lib/python*/site-packages")
    own = [path.name for path in packages.iterdir() if path.name.startswith("mlops")]
    assert own == [f"mlops_roles-{release.python_version()}.dist-info"]


def test_the_program_tells_its_version(run):
    done = run("--version")
    assert done.returncode == 0 and is_the_version(done.stdout)


def test_the_program_plans_a_template(run):
    done = run("plan", str(ROOT / "examples/pipeline.yaml"))
    assert done.returncode == 0 and "WorkflowRole" in done.stdout, done.stderr


def test_the_program_prints_the_policies_of_a_definition(run):
    done = run("policy", "--placeholders", str(ROOT / "examples/pipeline.asl.json"))
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["trustPolicy"]["Statement"] and printed["policies"] and printed["stateMachine"] == "pipeline"


def test_the_program_shows_an_integration(run):
    done = run("show", "sagemaker:createTrainingJob.sync")
    assert done.returncode == 0 and "sagemaker:CreateTrainingJob" in done.stdout, done.stderr


def test_the_program_reads_standard_input(run):
    done = run("policy", "--placeholders", "-", input=(ROOT / "examples/pipeline.asl.json").read_text())
    assert done.returncode == 0 and json.loads(done.stdout)["policies"], done.stderr


def test_uvx_runs_the_program_without_a_network(wheel, tmp_path):
    done = subprocess.run(
        [UV, "tool", "run", "--quiet", "--offline", "--no-index", "--no-python-downloads", "--python", sys.executable,
         "--cache-dir", tmp_path / "cache", "--from", wheel, "mlops-roles", "--version"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and is_the_version(done.stdout), done.stderr
