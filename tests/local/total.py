"""Runs commands and adds up the numbers of their closing lines. The last line that it prints is the total.

    python total.py "cargo test" "python -m pytest tests"

The exit code is 1 if a test failed, if a command failed otherwise, or if a command ran no test.
"""

import re
import shlex
import shutil
import subprocess
import sys
import time

# cargo prints for each binary: "test result: ok. 12 passed; 0 failed; ...". pytest prints: "1 failed, 12 passed in
# 3.21s".
CARGO = re.compile(r"^test result: .*?(\d+) passed; (\d+) failed")
PYTEST = re.compile(r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s")


def counts(line):
    """The numbers (passed, failed) of a closing line; (0, 0) for any other line."""
    if match := CARGO.match(line):
        return int(match[1]), int(match[2])
    if match := PYTEST.match(line):
        found = {word.rstrip("s"): int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", match[1])}
        return found.get("passed", 0), found.get("failed", 0) + found.get("error", 0)
    return 0, 0


def run(command):
    print(f"$ {command}", flush=True)
    passed = failed = 0
    if not shutil.which(shlex.split(command)[0]):
        print(f"not found: {command}")
        return 0, 1
    with subprocess.Popen(shlex.split(command), stdout=subprocess.PIPE, text=True, errors="replace") as runner:
        for line in runner.stdout:
            print(line, end="", flush=True)
            more_passed, more_failed = counts(re.sub(r"\x1b\[[\d;]*m", "", line))
            passed, failed = passed + more_passed, failed + more_failed
    if passed + failed == 0:
        print(f"no test ran: {command}")
        failed = 1
    elif runner.returncode != 0 and failed == 0:
        print(f"ended with {runner.returncode} although no test failed: {command}")
        failed = 1
    return passed, failed


def main(commands):
    results, times = [], []
    for command in commands:
        began = time.monotonic()
        results.append(run(command))
        times.append(time.monotonic() - began)
    for command, (passed, failed), seconds in zip(commands, results, times):
        print(f"{seconds:6.0f} s  {passed} passed, {failed} failed: {command}")
    passed, failed = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
