"""Tests of the GitHub action: action.yml, and its script in Git repositories with a program that only prints."""

import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
PAGE = (ROOT / "docs/how-to/plan-in-ci.md").read_text()
REAL = ROOT / "target/debug/mlops-roles"
TEMPLATE = "Resources:\n  Role:\n    Type: Custom::StepFunctionsWorkflowRole\n    Definition: %s\n"
PLAN = [{"logicalId": "Role", "refusals": []}]
REFUSED = [{"logicalId": "Role", "refusals": ["`A`: found `%`, expected `b`;\nuse it"]}]
# The program of the tests. It records its calls in a file beside it, and prints what another file has for a template.
PROGRAM = f"""#!{sys.executable} -ES
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/calls", "a") as file:
    print(json.dumps([os.getcwd(), sys.argv[1:], sorted(os.environ)]), file=file)
if sys.argv[1:] == ["--version"]:
    sys.exit(print("mlops-roles 9.9.9 (made)"))
told = json.load(open(here + "/told"))
told = told.get(os.path.basename(sys.argv[-1]), told.get("", {{}}))
time.sleep(told.get("sleep", 0))
print(told.get("err", ""), end="", file=sys.stderr)
print(told.get("markdown", "## Role\\n") if "--format=markdown" in sys.argv else told.get("json", ""), end="")
sys.exit(told.get("code", 0))
"""
sys.path.insert(0, str(ROOT / "action"))
import escape  # noqa: E402
import plan  # noqa: E402
import program  # noqa: E402
from checkout import TYPES, WorkflowError  # noqa: E402


class Result:
    """What one run of the action left."""

    def __init__(self, process, folder):
        self.code, self.log, self.err = process.returncode, process.stdout.decode(), process.stderr.decode()
        self.summary = (folder / "step-summary").read_text()
        self.outputs = parsed((folder / "output").read_text())
        # What the runner takes for commands.
        outside = re.sub(r"^::stop-commands::(\w+)\n.*?^::\1::$", "", self.log, flags=re.MULTILINE | re.DOTALL)
        self.commands = [line for line in outside.splitlines() if line.startswith("::")]

    def plans(self):
        return json.loads(Path(self.outputs["json"]).read_text())

    def planned(self):
        return json.loads(self.outputs["planned"])


def parsed(text):
    """The outputs in a file, read as the runner reads them."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = []
        while (line := next(lines)) != delimiter:
            value.append(line)
        found[name] = "\n".join(value)
    return found


class World:
    """A Git repository in a workspace, and the folder of the runner beside it."""

    def __init__(self, folder):
        self.folder, self.root = folder, folder / "workspace"
        self.program = folder / "bin/mlops-roles"
        self.root.mkdir()
        (folder / "bin").mkdir()
        (folder / "temp").mkdir()
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        self.tell({"": {"json": json.dumps(PLAN)}})
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false",
                    "-c", "protocol.file.allow=always"]
        done = subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def tell(self, told):
        (self.folder / "bin/told").write_text(json.dumps(told))

    def commit(self, **files):
        """Commits files with these contents, and returns the commit. None deletes a file; a path is a link to it."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None or path.is_symlink():
                path.unlink()
            if isinstance(content, Path):
                path.unlink(missing_ok=True)
                path.symlink_to(content)
            elif content is not None:
                path.write_text(content)
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", "a change")
        return self.git("rev-parse", "HEAD")

    def calls(self):
        file = self.folder / "bin/calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def run(self, event="pull_request", payload=None, env=None, **inputs):
        """Runs the step of action.yml with these inputs."""
        for name in ("step-summary", "output"):
            (self.folder / name).write_text("")
        (self.folder / "event.json").write_text(json.dumps(payload or {}))
        inputs = {"program": str(self.program), **{name.replace("_", "-"): value for name, value in inputs.items()}}
        [step] = ACTION["runs"]["steps"]
        known = {}
        for variable, expression in step["env"].items():
            name = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", expression)[1]
            known[variable] = inputs.pop(name, ACTION["inputs"][name]["default"])
        assert inputs == {}
        runner = {
            "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"], "HOME": str(self.folder),
            "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_WORKSPACE": str(self.root), "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"), "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "step-summary"), "RUNNER_TEMP": str(self.folder / "temp")}
        # The line that GitHub runs for `shell: bash`.
        process = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], cwd=self.root,
                                 env={**runner, **known, **(env or {})}, stdin=subprocess.DEVNULL, capture_output=True,
                                 check=False, timeout=120)
        return Result(process, self.folder)

    def pull(self, base, **more):
        return self.run(payload={"pull_request": {"base": {"sha": base}}}, **more)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def template(definition="none"):
    return TEMPLATE % definition


def error(result):
    """The one error of a run that plans nothing."""
    [line] = [line for line in result.commands if line.startswith("::error ")]
    assert result.code == 1 and result.err == ""
    return line


# Which files


def test_the_changed_templates_are_planned(world):
    base = world.commit(**{"a.yaml": template(), "b.yaml": template(), "c.yml": "Resources: {}\n"})
    world.commit(**{"b.yaml": template("x"), "c.yml": "Resources: {A: {}}\n", "new/d.json": template(),
                    "notes.md": template()})
    result = world.pull(base)
    assert result.code == 0 and result.planned() == ["b.yaml", "new/d.json"]
    assert result.outputs["exit-code"] == "0" and result.outputs["refused"] == "false"
    assert [plan["plans"] for plan in result.plans()] == [PLAN, PLAN]
    assert result.summary == Path(result.outputs["summary"]).read_text()
    assert result.summary.startswith("# Plan of `b.yaml`\n\n## Role\n") and "`mlops-roles 9.9.9 (made)`" in result.summary


@pytest.mark.parametrize("change", ["steps.json", "deleted.json"])
def test_a_definition_counts_for_the_templates_that_mention_it(world, change):
    base = world.commit(**{"a.yaml": template("../steps.json"), "b.yaml": template("x"), "c.yaml": template("deleted.json"),
                           "x/steps.json": "{}", "deleted.json": "{}"})
    world.commit(**({"x/steps.json": "{ }"} if change == "steps.json" else {"deleted.json": None}))
    assert world.pull(base).planned() == (["a.yaml"] if change == "steps.json" else ["c.yaml"])


@pytest.mark.parametrize("changed", ["mlops-roles.toml", "sub/mlops-roles.toml", "tasks.json", "told.json",
                                     "d\u00e9finition.json"])
def test_a_change_that_may_count_for_all_templates_plans_all(world, changed):
    base = world.commit(**{"a.yaml": template(), "b.yaml": template(), "mlops-roles.toml": 'task-resources = "tasks.json"',
                           "told.json": "{}"})
    world.commit(**{changed: "# other"})
    assert world.pull(base, options="--task-resources told.json").planned() == ["a.yaml", "b.yaml"]


def test_no_affected_template_is_a_success(world):
    base = world.commit(**{"a.yaml": template()})
    world.commit(**{"notes.txt": "x"})
    result = world.pull(base)
    assert result.code == 0 and result.planned() == [] and result.summary.startswith("No template ")
    assert result.outputs["exit-code"] == "0"


def test_a_template_that_the_program_skips_is_not_planned(world):
    base = world.commit()
    world.commit(**{"a.yaml": template(), "b.yaml": template()})
    world.tell({"": {"json": json.dumps(PLAN)}, "a.yaml": {"json": "[]\n"}})
    assert world.pull(base).planned() == ["b.yaml"]


@pytest.mark.parametrize("event, payload", [
    ("push", {"before": "BASE"}), ("merge_group", {"merge_group": {"base_sha": "BASE"}}), ("workflow_dispatch", {})])
def test_the_base_is_that_of_the_event(world, event, payload):
    base = world.commit(**{"a.yaml": template()})
    world.commit(**{"b.yaml": template()})
    result = world.run(event, json.loads(json.dumps(payload).replace("BASE", base)))
    assert result.planned() == (["b.yaml"] if payload else ["a.yaml", "b.yaml"]) and result.commands == []


def test_changes_of_the_base_since_the_branch_do_not_count(world):
    world.commit(**{"a.yaml": template()})
    world.git("checkout", "-q", "-b", "topic")
    world.commit(**{"b.yaml": template()})
    world.git("checkout", "-q", "main")
    base = world.commit(**{"a.yaml": template("changed")})
    world.git("checkout", "-q", "topic")
    assert world.pull(base).planned() == ["b.yaml"]
    assert world.run("workflow_dispatch", base="main").planned() == ["b.yaml"]


@pytest.mark.parametrize("payload", [{"before": "0" * 40}, {"before": "1" * 40}, {"before": "--output=x"},
                                     {"pull_request": None}])
def test_without_a_usable_base_all_templates_are_planned(world, payload):
    world.commit(**{"a.yaml": template()})
    result = world.run("push", payload)
    assert result.planned() == ["a.yaml"] and result.code == 0
    assert bool(result.commands) == (payload == {"before": "1" * 40})


def test_a_shallow_checkout_plans_all_and_says_what_to_set(world):
    base = world.commit(**{"a.yaml": template(), "b.yaml": template()})
    world.commit(**{"a.yaml": template("x")})
    world.root.rename(world.folder / "origin")
    world.root.mkdir()
    world.git("clone", "-q", "--depth", "1", (world.folder / "origin").as_uri(), ".")
    result = world.pull(base)
    assert result.planned() == ["a.yaml", "b.yaml"]
    [warning] = result.commands
    assert warning.startswith("::warning ") and "`fetch-depth: 0`" in warning
    assert "`fetch-depth: 0`" in error(world.run(base=base))


def test_a_base_that_does_not_exist_is_an_error(world):
    world.commit(**{"a.yaml": template()})
    for base in ("no-such", "--output=x", "-h"):
        assert f"input `base`: found `{base}`" in error(world.run(base=base))
    assert world.calls() == [] and not (world.root / "x").exists()


def test_files_can_be_named(world):
    world.commit(**{"a.yaml": template(), "b [1].yaml": template(), "x/y/c.yaml": template(), "x/d.yaml": "Resources: {}\n",
                    "bare.asl.json": "{}", ".gitignore": "cdk.out\n"})
    (world.root / "cdk.out").mkdir()
    (world.root / "cdk.out/e.template.json").write_text(template())
    result = world.run(files="b [1].yaml\nx/**/*.yaml\r\n\n./bare.asl.json\ncdk.out/*.json\n")
    assert result.planned() == ["b [1].yaml", "x/y/c.yaml", "bare.asl.json", "cdk.out/e.template.json"]
    skipping = {call[1][-1] for call in world.calls() if "--skip-others" in call[1]}
    assert skipping == {"./b [1].yaml", "./x/y/c.yaml", "./cdk.out/e.template.json"}


def test_a_named_file_with_nothing_to_plan_is_an_error(world):
    world.commit(**{"a.yaml": template()})
    world.tell({"": {"code": 1, "err": "mlops-roles: the template has no resource of mlops-roles"}})
    result = world.run(files="a.yaml")
    assert result.code == 1 and "no resource of mlops-roles" in result.commands[0]


# What is read


def test_names_are_arguments_and_nothing_else(world):
    names = ["-x.yaml", "--help.yaml", "a b.yaml", "a\nb.yaml", "'\"$(touch x)`.yaml", "%0A::error::.yaml", "\x1b[31m.yaml",
             "<img src=x>|*a*.yaml", "\u202eabc.yaml", "-", "x/-.yaml", "::set-output name=a::b.yaml"]
    base = world.commit()
    world.commit(**{name: template() for name in names})
    os.rename(world.root / "a b.yaml", os.fsencode(world.root) + b"/\xff.yaml")
    world.commit()
    result = world.pull(base)
    # `-` does not have the name of a template.
    names = [name for name in names if name not in ("-", "a b.yaml")] + ["\udcff.yaml"]
    files = sorted(call[1][-1] for call in world.calls() if "--format=json" in call[1])
    assert files == sorted(f"./{name}" for name in names)
    assert all(call[1][-2] == "--" and call[0] == str(world.root) for call in world.calls()[1:])
    assert sorted(result.planned()) == sorted(escape.visible(name) for name in names)
    assert result.code == 0 and result.commands == [] and result.err == ""
    for text in (result.log, result.summary):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\udcff]", text)
    assert "# Plan of `<img src=x>|*a*.yaml`\n" in result.summary and "# Plan of `a\\nb.yaml`\n" in result.summary
    assert "# Plan of ``'\"$(touch x)`.yaml``\n" in result.summary
    assert not (world.root / "x").is_file()


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.yaml", "x/../../secret.yaml", "../workspace/a.yaml",
                                  "../*.yaml"])
def test_a_path_that_leads_out_is_refused(world, name):
    world.commit(**{"a.yaml": template(), "x/b.yaml": template()})
    (world.folder / "secret.yaml").write_text(template("secret"))
    assert "without `..`" in error(world.run(files=name)) and world.calls() == []


def test_a_link_that_leads_out_is_refused(world):
    secret = world.folder / "secret.yaml"
    secret.write_text(template("secret"))
    base = world.commit(**{"in.yaml": template()})
    world.commit(**{"link.yaml": secret, "missing.yaml": Path("../missing.yaml"), "folder": Path(".."),
                    "inner.yaml": Path("in.yaml"), "picture.png": secret, "loop.yaml": Path("loop.yaml")})
    result = world.pull(base)
    assert [plan["file"] for plan in result.plans() if plan["errors"]] == ["link.yaml", "missing.yaml"]
    assert all("leads out of the checkout" in plan["errors"][0] for plan in result.plans() if plan["errors"])
    assert {call[1][-1] for call in world.calls()[1:]} == {"./inner.yaml"}
    assert result.code == 1 and result.outputs["refused"] == "true"
    assert "leads out" in error(world.run(files="folder/secret.yaml"))
    assert "matches no file" in error(world.run(files="folder/*.yaml"))
    assert "can't be read" in error(world.run(files="loop.yaml"))


def test_links_that_led_out_before_are_passed_over(world):
    world.commit(**{"a.yaml": template(), "link.yaml": world.folder / "bin/told"})
    assert world.run("workflow_dispatch").planned() == ["a.yaml"]


@pytest.mark.parametrize("folder", ["", "x/"])
def test_a_config_that_leads_out_is_refused(world, folder):
    base = world.commit()
    world.commit(**{"x/a.yaml": template(), f"{folder}mlops-roles.toml": Path("/etc/hostname")})
    result = world.pull(base)
    assert f"`{folder}mlops-roles.toml`: the path" in error(result) and len(world.calls()) == 1


@pytest.mark.parametrize("options", ["--task-resources link", "--definition=Role=link", "--config /etc/passwd",
                                     "--definition Role="])
def test_an_option_reads_nothing_outside(world, options):
    world.commit(**{"a.yaml": template(), "link": Path("/etc/passwd")})
    assert "input `options`" in error(world.run(options=options)) and world.calls() == []


def test_only_regular_files_are_read(world):
    world.commit(**{"a.yaml": template(), "d/b.yaml": template()})
    os.mkfifo(world.root / "pipe.yaml")
    for name in ("d", "pipe.yaml", ".git/config", "none.yaml"):
        error(world.run(files=name))
    assert {tuple(call[1]) for call in world.calls()} == {("--version",)}


def test_a_submodule_is_not_read(world):
    (world.folder / "other").mkdir()
    other = World(world.folder / "other")
    other.commit(**{"c.yaml": template()})
    base = world.commit(**{"a.yaml": template()})
    world.git("submodule", "-q", "add", str(other.root), "sub")
    world.commit()
    assert world.pull(base).planned() == [] and world.run("workflow_dispatch").planned() == ["a.yaml"]
    assert "is in another repository" in error(world.run(files="sub/c.yaml"))


def test_a_file_that_is_too_long_for_the_program_is_not_passed_over(world):
    base = world.commit()
    world.commit(**{"a.yaml": template() + "#" * 10_485_760, "b.yaml": template()})
    assert world.pull(base).planned() == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize("changed", ["real.yaml", "s.txt"])
def test_what_a_template_reaches_through_links_and_includes_matters(world, changed):
    world.commit(**{"t.yaml": template() + "# sub/mid.yaml", "sub/mid.yaml": "Location: link.yaml", "sub/real.yaml": "a: 1",
                    "s.txt": template(), "other.yaml": template()})
    (world.root / "sub/link.yaml").symlink_to("real.yaml")
    (world.root / "s.yaml").symlink_to("s.txt")
    base = world.commit()
    path = "sub/real.yaml" if changed == "real.yaml" else "s.txt"
    world.commit(**{path: (world.root / path).read_text() + "# changed"})
    assert world.pull(base).planned() == [{"real.yaml": "t.yaml", "s.txt": "s.yaml"}[changed]]


def test_a_type_that_is_written_with_an_escape_is_planned(world):
    base = world.commit()
    world.commit(**{"a.yaml": template().replace("Custom::", 'Custom\\x3a:')})
    assert world.pull(base).planned() == ["a.yaml"]


def test_the_checkout_can_be_in_a_folder(world):
    world.commit(**{"a.yaml": template()})
    inner = world.root.rename(world.folder / "inner")
    world.root.mkdir()
    inner = inner.rename(world.root / "inner")
    assert world.run("workflow_dispatch", path="inner").planned() == ["a.yaml"]
    assert world.calls()[-1][0] == str(inner)
    (inner / "sub").mkdir()
    for path, message in (("inner/sub", "not the top folder"), ("..", "outside the workspace"), ("no", "no such folder"),
                          (".", "failed: fatal: not a git repository")):
        assert message in error(world.run("workflow_dispatch", path=path))


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run"])
def test_events_with_secrets_are_refused(world, event):
    world.commit(**{"a.yaml": template()})
    assert f"the event `{event}` is refused" in error(world.run(event)) and world.calls() == []


# The program


def test_options_are_arguments(world):
    world.commit(**{"a.yaml": template(), "t.json": "{}"})
    given = "--set A=b c\n--set=B=-x\n--against-account\n  --task-resources t.json\n--deployer  C=--help"
    world.run("workflow_dispatch", stack_name="churn", account="123456789012", region="eu-west-1", options=given)
    assert world.calls()[1][1] == [
        "plan", "--format=json", "--skip-others", "--stack-name=churn", "--account=123456789012", "--region=eu-west-1",
        "--set=A=b c", "--set=B=-x", "--against-account", "--task-resources=t.json", "--deployer=C=--help", "--", "./a.yaml"]


@pytest.mark.parametrize("options", ["--format json", "--version", "-h", "a.yaml", "--", "--skip-others",
                                     "--set=A=b\n--help"])
def test_other_options_are_refused(world, options):
    world.commit(**{"a.yaml": template()})
    assert "expected an option of `mlops-roles plan`" in error(world.run("workflow_dispatch", options=options))


def test_the_program_gets_the_credentials_of_aws_and_no_token(world):
    world.commit(**{"a.yaml": template()})
    secrets = {"AWS_SESSION_TOKEN": "s3cret", "GITHUB_TOKEN": "s3cret", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "s3cret"}
    result = world.run("workflow_dispatch", env=secrets, options="--set A=s3cret")
    assert set(secrets) & set(world.calls()[1][2]) == {"AWS_SESSION_TOKEN"}
    assert "s3cret" not in result.log + result.summary + json.dumps(result.plans())


def test_a_refusal_fails_the_job_and_annotates_the_file(world):
    world.commit(**{"a,b: c%.yaml": template(), "d.yaml": template()})
    world.tell({"": {"json": json.dumps(PLAN)}, "a,b: c%.yaml": {"json": json.dumps(REFUSED), "code": 1}})
    result = world.run("workflow_dispatch")
    assert error(result) == ("::error file=a%2Cb%3A c%25.yaml,title=mlops-roles plan::"
                             "`A`: found `%25`, expected `b`;%0Ause it")
    assert result.outputs["exit-code"] == "1" and result.outputs["refused"] == "true" and len(result.planned()) == 2
    result = world.run("workflow_dispatch", fail="false")
    assert result.code == 0 and result.outputs["exit-code"] == "1" and result.outputs["refused"] == "true"


def test_a_difference_of_the_account_fails_nothing(world):
    world.commit(**{"a.yaml": template(), "b.yaml": template()})
    world.tell({"": {"json": json.dumps(PLAN)}, "a.yaml": {"json": json.dumps(PLAN), "code": 2}})
    result = world.run("workflow_dispatch")
    assert result.code == 0 and result.outputs["exit-code"] == "2" and result.outputs["refused"] == "false"
    assert result.commands == ["::notice file=a.yaml,title=mlops-roles plan::The account differs from the template."]


@pytest.mark.parametrize("told, said", [
    ({"code": 1, "err": "mlops-roles: `a.yaml`: no\n::set-env name=A::b\n"}, "mlops-roles: `a.yaml`: no%0A::set-env"),
    ({"code": 101, "json": json.dumps(PLAN), "err": ""}, "ended with code 101"),
    ({"code": 0, "json": "{"}, "ended with code 0 and printed no plan"),
    ({"code": 1}, "ended with code 1 and printed no plan"),
    ({"sleep": 30}, "did not end within 1 s"),
], ids=["error", "crash", "no JSON", "nothing", "too long"])
def test_a_file_without_a_plan_fails_and_the_others_are_planned(world, told, said):
    world.commit(**{"a.yaml": template(), "b.yaml": template()})
    world.tell({"": {"json": json.dumps(PLAN)}, "a.yaml": told})
    result = world.run("workflow_dispatch", timeout="1")
    assert said in error(result) and result.planned() == ["a.yaml", "b.yaml"]
    assert [plan["exitCode"] for plan in result.plans()] == [1, 0] and result.outputs["exit-code"] == "1"


def test_what_the_program_prints_is_no_command(world):
    markdown = "## Role\n::error::x\n  ::add-mask::Role\n##[group]x\n\x1b[31mred\r::error::y\n\u202e\u2028::error::z\n"
    world.commit(**{"a.yaml": template()})
    world.tell({"": {"json": json.dumps(PLAN), "markdown": markdown, "err": "<b>`\n"}})
    result = world.run("workflow_dispatch")
    assert result.commands == [] and not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e\u2028]", result.log + result.summary)
    assert not re.search("^##", result.log, re.MULTILINE)
    assert "\\x1b[31mred\\r::error::y" in result.summary and "- `` <b>` ``\n" in result.summary
    assert len(set(re.findall("::stop-commands::([0-9a-f]{32})$", result.log, re.MULTILINE))) == 2


def test_a_long_summary_is_cut_at_a_line(world):
    world.commit(**{"a.yaml": template()})
    world.tell({"": {"json": json.dumps(PLAN), "markdown": "| a é | b |\n" * 100_000}})
    result = world.run("workflow_dispatch")
    assert 1_048_000 < len(result.summary.encode()) <= 1_048_576
    assert re.search(r"\n\| a é \| b \|\n\n\*\*The summary is cut.*\*\*\n$", result.summary)
    assert Path(result.outputs["summary"]).stat().st_size > 1_200_000


@pytest.mark.parametrize("inputs, said", [
    ({"program": "/no/such"}, "which is no file"), ({"program": "no-such-program"}, "which is no file"),
    ({"program": "./a.yaml"}, "is not executable"), ({"program": "x/broken"}, "can't be run"),
    ({"program": "x/failing"}, "--version` failed: no library"), ({"fail": "no"}, "expected `true` or `false`"),
    ({"timeout": "0"}, "expected seconds"), ({"timeout": "x"}, "expected seconds"),
    ({"program": "", "version": "1; x"}, "expected a version"), ({"program": "", "version": "-r"}, "expected a version"),
], ids=str)
def test_wrong_inputs_are_errors(world, inputs, said):
    world.commit(**{"a.yaml": template(), "x/broken": "\0", "x/failing": "#!/bin/sh\necho no library >&2\nexit 127\n"})
    for name in ("broken", "failing"):
        (world.root / "x" / name).chmod(0o755)
    assert said in error(world.run("workflow_dispatch", **inputs))


def test_a_program_is_found_by_name(world):
    world.commit(**{"a.yaml": template()})
    path = {"PATH": f"{world.folder}/bin:{os.environ['PATH']}"}
    assert world.run("workflow_dispatch", program="mlops-roles", env=path).planned() == ["a.yaml"]


def test_the_program_is_installed_in_the_version_of_the_action(world):
    wheels = world.folder / "wheels"
    wheels.mkdir()
    name = f"mlops_roles-{program.VERSION}"
    with zipfile.ZipFile(wheels / f"{name}-py3-none-any.whl", "w") as wheel:
        script = zipfile.ZipInfo(f"{name}.data/scripts/mlops-roles")
        script.external_attr = 0o100755 << 16
        wheel.writestr(script, f"#!python\nimport os, sys\nos.execv({str(world.program)!r}, sys.argv)\n")
        metadata = {"METADATA": f"Metadata-Version: 2.1\nName: mlops-roles\nVersion: {program.VERSION}\n",
                    "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", "RECORD": ""}
        for file, content in metadata.items():
            wheel.writestr(f"{name}.dist-info/{file}", content)
    # Modules of the checkout are not imported.
    world.commit(**{"a.yaml": template(), "pip.py": "raise SystemExit(9)", "venv.py": "raise SystemExit(9)",
                    "json.py": "raise SystemExit(9)"})
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    assert world.run("workflow_dispatch", program="", env=pip).planned() == ["a.yaml"]


def test_a_version_that_is_not_there_is_an_error(monkeypatch, tmp_path):
    calls = iter([program.Call(0, "", ""), program.Call(1, "", "ERROR: first\nERROR: No matching distribution\n")])
    monkeypatch.setattr(program, "run", lambda *_: next(calls))
    said = "^`mlops-roles==0.0.1` can't be installed: ERROR: No matching distribution; set `version` to a released version"
    with pytest.raises(WorkflowError, match=said):
        program.install("0.0.1", str(tmp_path))


def test_the_real_program_plans_the_example(world):
    files = {name: (ROOT / "examples" / name).read_text() for name in ("pipeline.yaml", "pipeline.asl.json")}
    base = world.commit(**files)
    other = '["Custom::StepFunctionsWorkflowRole"]'
    world.commit(**{"pipeline.asl.json": files["pipeline.asl.json"] + "\n", "schema.json": other})
    result = world.pull(base, program=str(REAL), stack_name="churn", account="123456789012", region="eu-west-1")
    assert result.code == 0 and result.planned() == ["pipeline.yaml"] and result.commands == []
    assert result.plans()[0]["plans"][0]["logicalId"] == "WorkflowRole"
    assert "## WorkflowRole `Custom::StepFunctionsWorkflowRole`" in result.summary and "`sns:Publish`" in result.summary
    broken = {"pipeline.yaml": files["pipeline.yaml"].replace("VerifyPermissions", "VerifyPermission")}
    world.commit(**broken)
    result = world.pull(base, program=str(REAL))
    assert result.outputs["refused"] == "true" and "VerifyPermission" in error(result)


# The files of the action


def test_the_action_is_composite_and_its_script_has_no_expression():
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"] and step["shell"] == "bash"
    assert stat.S_IMODE((ROOT / "action/plan.py").stat().st_mode) & 0o400


def test_every_input_is_used_and_every_output_is_set(world):
    [step] = ACTION["runs"]["steps"]
    assert step["env"] == {
        "INPUT_" + name.upper().replace("-", "_"): f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]}
    source = (ROOT / "action/plan.py").read_text()
    read = set(re.findall(r'(?:setting|lines)\("([a-z-]+)"\)', source)) | {"stack-name", "account", "region"}
    assert read == set(ACTION["inputs"])
    assert all("description" in one and isinstance(one["default"], str) for one in ACTION["inputs"].values())
    assert {name: one["value"] for name, one in ACTION["outputs"].items()} == {
        name: f"${{{{ steps.plan.outputs.{name} }}}}" for name in ACTION["outputs"]}
    world.commit(**{"a.yaml": template()})
    assert world.run("workflow_dispatch").outputs.keys() == ACTION["outputs"].keys()


def test_the_types_and_the_version_are_those_of_the_program():
    sources = "".join(path.read_text() for path in (ROOT / "crates/core/src/resource").glob("**/*.rs"))
    types = set(re.findall(r'pub const TYPE: &str = "(Custom::\w+)"', sources))
    assert len(types) == len(TYPES) and types == {kind.decode() for kind in TYPES}
    assert f'\nversion = "{program.VERSION}"\n' in (ROOT / "Cargo.toml").read_text()


def test_the_page_has_every_input_and_output():
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert rows == {*ACTION["inputs"], *ACTION["outputs"]}


def test_the_workflows_of_the_page_are_safe():
    found = [yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
    workflows = [workflow for workflow in found if "jobs" in workflow]
    assert workflows
    for workflow in workflows:
        # YAML 1.1 reads `on` as true.
        assert workflow[True] == "pull_request" and workflow["permissions"] == {"contents": "read"}
        for step in (step for job in workflow["jobs"].values() for step in job["steps"]):
            assert "${{" not in step.get("run", "")
            if step.get("uses", "").startswith("actions/checkout@"):
                assert re.search("@[0-9a-f]{40}$", step["uses"]) and step["with"]["persist-credentials"] is False
            elif "uses" in step:
                assert re.search("@(<sha>|[0-9a-f]{40})$", step["uses"])
    assert "pull_request_target" not in "".join(re.findall(r"^```yaml\n.*?^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_a_code_span_holds_everything():
    assert [escape.code(text) for text in ("a", "a`b", "`", "``a", "", "a\nb")] == [
        "`a`", "``a`b``", "`` ` ``", "``` ``a ```", "`  `", "`a\\nb`"]


def test_an_output_can_not_be_ended_by_its_value():
    assert parsed(escape.output("a", "end-0\nb<<x") + escape.output("b", "1")) == {"a": "end-0\nb<<x", "b": "1"}


def test_refusals_are_found_wherever_they_stand():
    assert list(plan.refusals({"files": [{"refusals": ["a"]}, {"x": [{"refusals": ["b"]}]}]})) == ["a", "b"]
