"""Measures the commands that a contributor runs again and again, in new clones of the last commit with empty caches.

    make loop
    make loop CI_LOG=ci.log

CI_LOG names a file with the output of `.ci/run` for this commit on this machine. Its steps become a second table. With
`PUBLISH=1`, the command writes both tables to docs/evidence/loop.md.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import evidence

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "target/loop"
PAGE = evidence.PAGES / "loop.md"
PLANNER = "crates/core/src/plan/mod.rs"
PLAN = "cargo run --quiet --locked --package mlops-roles-cli -- plan examples/pipeline.yaml"
# Each line is a clone with the commands that are timed in it, one after the other. A command has a note and, if it
# measures a change, the file that is touched before.
CLONES = [
    [("make quick", "", None), ("make quick", "after a change of the planner", PLANNER)],
    [(PLAN, "", None), (PLAN, "again, nothing changed", None)],
    [("make demo", "", None), ("make demo", "again, nothing changed", None)],
    [("make clippy", "", None), ("make clippy", "after a change of the planner", PLANNER)],
]
CACHES = ("CARGO_HOME", "UV_CACHE_DIR", "PIP_CACHE_DIR")
# Variables of the outer make and of publishing, which the clones must not inherit.
INHERITED = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "CARGO_TARGET_DIR", "PUBLISH", "MEASURED_REVISION")
# The lines of the steps that `.ci/run` prints at its end, and those that total.py prints for each command in the step
# `test`.
STEP = re.compile(r"^ *(\d+) s  (.+)$", re.MULTILINE)
SUITE = re.compile(r"^ *(\d+) s  \d+ passed, \d+ failed: (.+)$", re.MULTILINE)
# The name of a command by a part of it. The first entry that matches counts.
SUITES = [("FACE=wire", "the Rust tests with two faces, through the real clients"),
          ("cargo test", "the Rust tests, through the ports where there are two faces, and compiling them"),
          ("tests/local", "`tests/local`"), ("tests/e2e", "`tests/e2e`")]


def duration(seconds):
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes > 1 else f"{round(seconds)} s"


def table(column, rows):
    return "\n".join([f"| {column} | time |", "|---|--:|", *(f"| {name} | {duration(took)} |" for name, took in rows)])


def steps(log):
    """The rows of the table, from the output of `.ci/run`: name and seconds."""
    before, found, times = log.rpartition("Time of each step:\n")
    if not found:
        raise evidence.Refused("CI_LOG: there is no line `Time of each step:`, which `.ci/run` prints at its end")
    if "FAILED" in times:
        raise evidence.Refused("CI_LOG: a step failed")
    suites = [(next((name for part, name in SUITES if part in command), f"`{command}`"), int(took))
              for took, command in SUITE.findall(before)]
    for took, name in STEP.findall(times):
        yield name, int(took)
        if name == "test":
            yield from ((f"of it: {suite}", took) for suite, took in suites)


def clone(commit):
    """A clone, and an environment whose caches are empty."""
    shutil.rmtree(HERE, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", ROOT, HERE / "clone"], check=True)
    subprocess.run(["git", "checkout", "--quiet", commit], cwd=HERE / "clone", check=True)
    caches = {name: HERE / name.lower() for name in CACHES}
    for folder in caches.values():
        folder.mkdir()
    # The clone takes crates from the same registry as this machine.
    config = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "config.toml"
    if config.exists():
        shutil.copyfile(config, caches["CARGO_HOME"] / "config.toml")
    inherited = {name: value for name, value in os.environ.items() if name not in INHERITED}
    return HERE / "clone", {**inherited, **{name: str(folder) for name, folder in caches.items()}}


def measure(commit):
    for commands in CLONES:
        place, environment = clone(commit)
        for command, note, changed in commands:
            if changed:
                (place / changed).touch()
            began = time.monotonic()
            subprocess.run(command.split(), cwd=place, env=environment, check=True)
            yield f"`{command}` {note}".strip(), time.monotonic() - began
    shutil.rmtree(HERE)


def main(log=None):
    try:
        commit = evidence.head()
        tables = {("ci", ".ci/run"): table("step", steps(Path(log).read_text(errors="replace")))} if log else {}
        compiler = subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        tables["loop", "make loop"] = table("command", measure(commit)) + f"\n\nThe compiler is {compiler.strip()}."
        for (name, command), found in tables.items():
            print(f"\n{found}")
            if evidence.requested():
                evidence.publish(PAGE, name, command, found, f"commit {commit}")
    except (OSError, subprocess.CalledProcessError, evidence.Refused) as reason:
        return str(reason)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
