"""Tests of the pre-commit hook of `.pre-commit-hooks.yaml`, with pre-commit itself.

The configuration has `language: unsupported` (formerly `system`), so the hook runs the program of the wheel. With
HOOK=install (`make hook`), pre-commit installs the last commit instead, as it does for users, and builds the program."""

import json
import os
import subprocess

import pytest

from conftest import ROOT

PRE_COMMIT = ROOT / ".tools/wheel/bin/pre-commit"
ID = "mlops-roles-plan"
GOOD = (ROOT / "examples/workflow.yaml").read_text()
BAD = GOOD.replace("ServiceTimeout: 1200\n", "ServiceTimeout: 1200\n      Nonsense: true\n", 1)


def git(folder, *arguments):
    options = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *options, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def repository(folder, files):
    folder.mkdir()
    git(folder, "init")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--message", "Add files")
    return folder


@pytest.fixture(scope="session")
def environments(tmp_path_factory):
    """Where pre-commit keeps its clones and environments."""
    return tmp_path_factory.mktemp("pre-commit")


@pytest.fixture
def hook(tmp_path, environments, installed):
    """Runs the hook on these files of a repository."""
    if os.environ.get("HOOK") == "install":
        source, change = ROOT, {}
    else:
        source = repository(tmp_path / "hook", {".pre-commit-hooks.yaml": (ROOT / ".pre-commit-hooks.yaml").read_text()})
        change = {"language": "unsupported"}
    use = {"repo": str(source), "rev": git(source, "rev-parse", "HEAD").strip(), "hooks": [{"id": ID, **change}]}

    def run(files):
        folder = repository(tmp_path / "repository", {".pre-commit-config.yaml": json.dumps({"repos": [use]}), **files})
        env = os.environ | {"PRE_COMMIT_HOME": str(environments), "PATH": f"{installed}:{os.environ['PATH']}",
                            "CARGO_TARGET_DIR": str(ROOT / "target")}
        return subprocess.run([PRE_COMMIT, "run", "--verbose", "--all-files", "--color", "never"],
                              cwd=folder, env=env, capture_output=True, text=True, timeout=900)
    return run


def test_the_manifest_is_valid():
    subprocess.run([PRE_COMMIT, "validate-manifest", ROOT / ".pre-commit-hooks.yaml"], check=True)


def test_a_good_template_and_unrelated_files_pass(hook):
    done = hook({"template.yaml": GOOD, "a folder/the template.json": "{}\n", "values.yml": "a: [1, 2]\n",
                 "--against-account.yaml": "b: 1\n", "notes.md": BAD})
    assert done.returncode == 0 and "Passed" in done.stdout and "WorkflowRole" in done.stdout, done.stdout + done.stderr


def test_a_bad_template_fails_and_is_named(hook):
    done = hook({"good.yaml": GOOD, "bad.template": BAD})
    assert done.returncode == 1 and "Failed" in done.stdout, done.stdout + done.stderr
    assert "bad.template" in done.stdout and "Nonsense" in done.stdout


def test_a_repository_with_unrelated_files_only_passes_without_a_plan(hook):
    done = hook({"notes.md": BAD, "values.yml": "a: 1\n"})
    assert done.returncode == 0 and "WorkflowRole" not in done.stdout, done.stdout + done.stderr
