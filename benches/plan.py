"""Times `mlops-roles plan` for state machine definitions of several sizes.

    python3 benches/plan.py target/cli/mlops-roles

The command prints a table: the median of several runs, and its ratio to that of the size before. A ratio near 2 for
twice the size means that the time grows in proportion. `make bench-plan` builds the program first.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5
ACCOUNT, REGION = "123456789012", "us-east-1"
PLACE = ("--account", ACCOUNT, "--region", REGION)
FUNCTIONS = 100


def definition(task, count):
    """A chain of tasks. Step Functions allows 1 MiB, so the JSON has no white space."""
    states = {f"S{i}": task(i) | ({"Next": f"S{i + 1}"} if i + 1 < count else {"End": True}) for i in range(count)}
    return json.dumps({"StartAt": "S0", "States": states}, separators=(",", ":"))


def invoke(i):
    return {"Type": "Task", "Resource": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f{i % FUNCTIONS}"}


def send(url):
    """A task for each number, which sends a message to a queue of its own."""
    return lambda i: {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage",
                      "Parameters": {"QueueUrl": url(i), "MessageBody.$": "$"}}


# The inputs, each with its tasks and its sizes.
INPUTS = {
    f"states, {FUNCTIONS} functions": (invoke, (1_250, 2_500, 5_000, 10_000)),
    "queues": (send(lambda i: f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/q{i}"), (125, 250, 500, 1_000)),
    "queues behind `${NAME}`": (send(lambda i: f"${{Queue{i}}}"), (125, 250, 500, 1_000)),
}


def seconds(program, file, options=("plan", *PLACE)):
    started = time.perf_counter()
    done = subprocess.run([program, *options, file], stdout=subprocess.PIPE, text=True, check=False)
    taken = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"plan failed:\n{done.stdout[:2000]}")
    return taken


def start(program):
    """The row of the shortest command: how long the program needs to start."""
    median = statistics.median(seconds(program, "--version", ()) for _ in range(RUNS))
    return f"| start: `--version` | {1000 * median:.0f} | |"


def rows(program, folder):
    for name, (task, sizes) in INPUTS.items():
        before = None
        for size in sizes:
            file = folder / "definition.json"
            file.write_text(definition(task, size))
            median = statistics.median(seconds(program, file) for _ in range(RUNS))
            yield f"| {size:,} {name} | {1000 * median:.0f} | {f'{median / before:.1f}' if before else ''} |"
            before = median


def main(program):
    print("| states or queues | ms | ratio to the size before |\n|---|--:|--:|")
    print(start(program), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(program, Path(folder)):
            print(row, flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
