"""Prints a Markdown table from the output of libFuzzer: `executions.py LOG…`. Each log is named after its target."""

import re
import sys
from pathlib import Path

DONE = re.compile(r"^Done \d+ runs in (\d+) second\(s\)", re.MULTILINE)
EXECUTED = re.compile(r"^stat::number_of_executed_units: (\d+)", re.MULTILINE)


def row(path):
    text = path.read_text(errors="replace")
    done, executed = DONE.findall(text), EXECUTED.findall(text)
    if not done or not executed:
        sys.exit(f"{path}: libFuzzer printed no final statistics")
    return f"| `{path.stem}` | {int(executed[-1]):,} | {int(done[-1]):,} s |"


def table(paths):
    return "\n".join(["| target | executions | time |", "|---|--:|--:|", *map(row, paths)])


if __name__ == "__main__":
    print(table([Path(name) for name in sys.argv[1:]]))
