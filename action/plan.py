"""Runs `mlops-roles plan` on the templates that an event of GitHub changes. action.yml calls it.

The inputs are in the environment. Everything that comes from the checkout may have been written by a stranger: names of
files, templates, and so what the program prints.
"""

import json
import os
import re
import sys
import tempfile
from typing import Any, NamedTuple, Optional

import program
from checkout import Checkout, Unreadable, WorkflowError
from escape import code, command, inert, output, visible

# These events run with the secrets of the repository, on what a stranger proposes.
PRIVILEGED = {"pull_request_target", "workflow_run"}
# The options that the action sets itself, or that print something else than a plan.
RESERVED = {"--format", "--skip-others", "--help", "--version"}
# The options whose value names a file.
FILES = {"--definition", "--task-resources", "--config"}
# The maximum size of the summary of a step, in bytes.
# https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#step-isolation-and-limits
SUMMARY = 1_048_576
# The maximum length of an annotation, in characters. GitHub has a limit of 64 KiB.
ANNOTATION = 4_000
REFUSED, DIFFERENT = 1, 2


class Outcome(NamedTuple):
    """The result for one file: the exit code, the plans as JSON, what is wrong, and the summary in Markdown."""

    file: str
    code: int
    plans: Any = None
    errors: tuple = ()
    markdown: str = ""


def setting(name):
    """The value of an input."""
    return os.environ.get("INPUT_" + name.upper().replace("-", "_"), "")


def lines(name):
    """The lines of an input that are not empty."""
    return [line for line in re.split(r"\r?\n", setting(name)) if line.strip()]


def options(checkout):
    """The options of the program. The value is in the argument of its option, so that no value is read as an option."""
    for name in ("stack-name", "account", "region"):
        if setting(name):
            yield f"--{name}={setting(name)}"
    for line in lines("options"):
        option = re.fullmatch(r"(--[a-z][a-z-]*)(?:(?: +|=)(.*))?", line.strip())
        if option is None or option[1] in RESERVED:
            raise WorkflowError(f"input `options`: found `{line}`, expected an option of `mlops-roles plan` such as "
                                f"`--set IsProd=false`, except `{'`, `'.join(sorted(RESERVED))}`")
        if option[1] in FILES:
            value = option[2] or ""
            file = value.split("=", 1)[-1] if option[1] == "--definition" else value
            try:
                checkout.check(file)
            except Unreadable as error:
                raise WorkflowError(f"input `options`: found `{line}`: {error}") from None
        yield option[1] if option[2] is None else f"{option[1]}={option[2]}"


def base_of_event():
    """The revision that the event names as its base, or None."""
    try:
        with open(os.environ["GITHUB_EVENT_PATH"], encoding="utf-8") as file:
            event = json.load(file)
    except (KeyError, OSError, ValueError):
        return None
    pull_request, group = event.get("pull_request") or {}, event.get("merge_group") or {}
    for found in ((pull_request.get("base") or {}).get("sha"), group.get("base_sha"), event.get("before")):
        # A push that creates a branch has zeros.
        if isinstance(found, str) and re.fullmatch(r"(?!0+$)[0-9a-f]{40,64}", found):
            return found
    return None


def changes(checkout):
    """The names of the changed files, or None if they are not known."""
    given = setting("base")
    base = given or base_of_event()
    if base is None:
        print("The event has no base to compare with: all templates are planned.")
        return None
    changed = checkout.changed(base)
    if changed is not None:
        return set(changed)
    shallow = checkout.is_shallow()
    why = "the checkout has only a part of the history" if shallow else "the checkout has no common history with it"
    advice = "set `fetch-depth: 0` for actions/checkout" if shallow else "set `base` to a revision of this repository"
    if given:
        raise WorkflowError(f"input `base`: found `{given}`: {why}; {advice}")
    print(command("warning", f"The base of the event can't be compared with: {why}. All templates are planned. To plan only "
                             f"the changed ones, {advice}.", title="mlops-roles plan"))
    return None


def selected(checkout):
    """The files to plan, each with whether the program may skip it."""
    if not lines("files"):
        return dict.fromkeys(checkout.affected(changes(checkout), setting("options")), True)
    chosen = {}
    for line in lines("files"):
        names, is_pattern = checkout.named(line)
        for name in names:
            # A file that is named must have something to plan, so that a mistake in its path or its types shows.
            chosen[name] = is_pattern and chosen.get(name, True)
    return chosen


def refusals(plans):
    """The errors in the plans, wherever they stand."""
    if isinstance(plans, dict):
        own = plans.get("refusals")
        yield from (text for text in own or () if isinstance(text, str))
        plans = [value for name, value in plans.items() if name != "refusals"]
    if isinstance(plans, list):
        for plan in plans:
            yield from refusals(plan)


class Planner(NamedTuple):
    """The program with its options, for one checkout."""

    checkout: Checkout
    path: str
    options: list
    limit: int

    def call(self, *arguments):
        return program.run([self.path, *arguments], self.checkout.root, self.limit, program.environment())

    def version(self):
        """The line that the program prints of its version."""
        call = self.call("--version")
        if call.code != 0:
            why = call.err.strip() or f"code {call.code}"
            raise WorkflowError(f"`{self.path} --version` failed: {why}; install the program for this runner")
        return call.out.strip()

    def plan(self, name, may_skip) -> Optional[Outcome]:
        """Plans one file. None stands for a file that the program skipped."""
        try:
            self.checkout.check_with_config(name)
        except Unreadable as error:
            return failed(name, [str(error)])
        # A name that begins with a dash is no option.
        rest = [*(["--skip-others"] if may_skip else []), *self.options, "--", os.path.join(".", name)]
        call = self.call("plan", "--format=json", *rest)
        if call.code == 0 and may_skip and not call.out.strip():
            return None
        try:
            plans = json.loads(call.out) if call.code in (0, REFUSED, DIFFERENT) and call.out.strip() else None
        except ValueError:
            plans = None
        if call.code == 0 and may_skip and plans == []:
            return None
        if not plans:
            return failed(name, self.errors(call))
        shown = self.call("plan", "--format=markdown", *rest)
        if shown.code not in (0, REFUSED, DIFFERENT):
            return failed(name, self.errors(shown))
        # The account may have changed between the calls.
        worst = max((call.code, shown.code), key=(0, DIFFERENT, REFUSED).index)
        errors = tuple(refusals(plans)) or (tuple(self.errors(call)) if worst == REFUSED else ())
        return Outcome(name, worst, plans, errors, visible(shown.out, keep="\n\t") + listed(call.err.splitlines()))

    def errors(self, call):
        """What a call without a plan says."""
        if call.code is None:
            return [f"the program did not end within {self.limit} s; raise `timeout`, or shorten the template"]
        told = [line for line in call.err.splitlines() if line.strip()]
        return told or [f"the program ended with code {call.code} and printed no plan"]


def listed(items):
    """A list of messages in Markdown."""
    return "".join(f"- {code(item)}\n" for item in items if item.strip())


def failed(name, errors):
    """The outcome for a file without a plan."""
    return Outcome(name, REFUSED, None, tuple(errors), f"**Error**\n\n{listed(errors)}")


def cut(text):
    """The text as bytes that fit into the summary of a step, cut at the end of a line."""
    whole = text.encode("utf-8", "backslashreplace")
    if len(whole) <= SUMMARY:
        return whole
    notice = (b"\n**The summary is cut, because GitHub shows at most 1 MiB. "
              b"The file of the output `summary` has all of it.**\n")
    kept = whole[:SUMMARY - len(notice)]
    return kept[:kept.rfind(b"\n") + 1] + notice


def append(variable, content):
    """Appends to a file that the runner reads after the step."""
    if os.environ.get(variable):
        with open(os.environ[variable], "ab") as file:
            file.write(content)


def write(outcomes, version, folder):
    """Writes the JSON file, the summary and the outputs, and returns the exit code."""
    worst = max((outcome.code for outcome in outcomes), key=(0, DIFFERENT, REFUSED).index, default=0)
    told = [{"file": visible(outcome.file), "exitCode": outcome.code, "plans": outcome.plans, "errors": outcome.errors}
            for outcome in outcomes]
    text = "".join(f"# Plan of {code(outcome.file)}\n\n{outcome.markdown}\n" for outcome in outcomes)
    text = text or "No template with a resource of mlops-roles is affected.\n"
    summary = f"{text}\n{code(version)}\n"
    paths = {name: os.path.join(folder, name) for name in ("plan.json", "plan.md")}
    with open(paths["plan.json"], "w", encoding="utf-8") as file:
        json.dump(told, file, indent=2)
    with open(paths["plan.md"], "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(summary)
    append("GITHUB_STEP_SUMMARY", cut(summary))
    planned = json.dumps([one["file"] for one in told])
    outputs = {"exit-code": worst, "refused": json.dumps(worst == REFUSED), "planned": planned,
               "json": paths["plan.json"], "summary": paths["plan.md"]}
    append("GITHUB_OUTPUT", "".join(output(*pair) for pair in outputs.items()).encode())
    return worst


def annotate(outcome):
    """Prints the annotation of a file that is refused, or whose roles differ."""
    if outcome.code == REFUSED:
        message = "\n".join(outcome.errors) or "refused"
        print(command("error", message[:ANNOTATION], file=outcome.file, title="mlops-roles plan"))
    elif outcome.code == DIFFERENT:
        print(command("notice", "The account differs from the template.", file=outcome.file, title="mlops-roles plan"))


def main():
    """Plans, and returns the exit code of the step."""
    event = os.environ.get("GITHUB_EVENT_NAME", "")
    if event in PRIVILEGED:
        raise WorkflowError(f"the event `{event}` is refused, because its jobs have the secrets of the repository; use the "
                            "event `pull_request`")
    if os.name != "posix":
        raise WorkflowError("the action runs on Linux and macOS; set another `runs-on`")
    if setting("fail") not in ("true", "false"):
        raise WorkflowError(f"input `fail`: found `{setting('fail')}`, expected `true` or `false`")
    if not re.fullmatch(r"[1-9][0-9]{0,4}", setting("timeout")):
        raise WorkflowError(f"input `timeout`: found `{setting('timeout')}`, expected seconds from 1 to 99999")
    workspace = os.path.realpath(os.environ.get("GITHUB_WORKSPACE") or ".")
    folder = os.path.realpath(os.path.join(workspace, setting("path")))
    if os.path.commonpath([workspace, folder]) != workspace:
        raise WorkflowError("input `path`: the folder is outside the workspace; check out into the workspace")
    checkout = Checkout(folder)
    given = list(options(checkout))
    files = selected(checkout)
    results = tempfile.mkdtemp(prefix="mlops-roles-", dir=os.environ.get("RUNNER_TEMP") or None)
    if setting("program"):
        path = program.locate(setting("program"), workspace)
    else:
        path = program.install(setting("version") or program.VERSION, results)
    planner = Planner(checkout, path, given, int(setting("timeout")))
    version = planner.version()
    outcomes = []
    for name, may_skip in files.items():
        outcome = planner.plan(name, may_skip)
        if outcome is None:
            continue
        outcomes.append(outcome)
        print(inert(f"Plan of {visible(name)}\n\n{outcome.markdown}"))
        annotate(outcome)
    worst = write(outcomes, version, results)
    print(inert(f"{version}: {len(outcomes)} files planned, exit code {worst}"))
    return 1 if worst == REFUSED and setting("fail") == "true" else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    try:
        sys.exit(main())
    except (WorkflowError, OSError) as e:
        print(command("error", str(e), title="mlops-roles plan"))
        sys.exit(1)
