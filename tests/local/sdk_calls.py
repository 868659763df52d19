"""Records which calls the SageMaker Python SDK makes, and what they need of a role.

The SDK runs without a network, against the account of `sdk_account`. `sdk_calls.py FILE` writes the calls of each
scenario to FILE. It also denies each API of each scenario in turn, and fails if the scenario then ends and the API is
not marked as optional. With names of scenarios behind FILE, only these are recorded, and printed.
"""

import contextlib
import io
import json
import logging
import sys
import tempfile
import traceback
import warnings
from importlib.metadata import version
from pathlib import Path

import sdk_answers
import sdk_permissions
from sdk_account import Account

ACCOUNT = Account(sdk_answers.ANSWERS)
ACCOUNT.install()

# The SDK is imported after the account replaced the clients, the clock and the UUIDs.
import sdk_data  # noqa: E402, F401
import sdk_jobs  # noqa: E402, F401
import sdk_models  # noqa: E402, F401
from sagemaker.experiments._run_context import _RunContext  # noqa: E402
from sdk_scenarios import SCENARIOS  # noqa: E402

# APIs that need no permission, with the page that says so.
FREE = {"sts:GetCallerIdentity": "https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"}


def played(scenario, denied=()):
    """The calls of the scenario. What it does before it yields is only prepared: other code does it, with another
    role."""
    ACCOUNT.reset()
    _RunContext.drop_current_run()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), \
            contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        prepared, ACCOUNT.denied = {*scenario.optional}, {*scenario.optional, *denied}
        running = scenario.run(Path(folder))
        if running:
            ACCOUNT.denied = prepared
            next(running)
            ACCOUNT.calls.clear()
            ACCOUNT.denied = {*scenario.optional, *denied}
            for _ in running:
                raise AssertionError(f"{scenario.name} yields twice")
    return [call for call in ACCOUNT.calls if call.name not in FREE]


def record(scenario):
    """The calls of the scenario, each once: the SDK asks for the state of a job again and again."""
    calls = []
    for made in played(scenario):
        for action, resource, context in sdk_permissions.needs(made):
            call = {"api": made.name, "action": action, "resource": resource, "context": context}
            if made.name in scenario.optional:
                call["optional"] = scenario.optional[made.name]
            if call not in calls:
                calls.append(call)
    return {"name": scenario.name, "how": scenario.how, "properties": scenario.properties, "calls": calls}


def needless(scenario, recorded):
    """The APIs without which the scenario ends nevertheless, and that are not marked."""
    for api in dict.fromkeys(call["api"] for call in recorded["calls"] if "optional" not in call):
        with contextlib.suppress(Exception):
            played(scenario, denied=[api])
            yield api


def rendered(recorded):
    """The text of the file: one line for each call."""
    def lines(one):
        for key, value in one.items():
            if key == "calls":
                yield '"calls": [\n' + ",\n".join(f"       {dump(call)}" for call in value) + "\n     ]"
            else:
                yield f"{dump(key)}: {dump(value)}"

    def dump(value):
        return json.dumps(value, ensure_ascii=False)

    scenarios = ",\n".join("    {" + ",\n     ".join(lines(one)) + "}" for one in recorded)
    return (f'{{\n  "sdk": "sagemaker {version("sagemaker")}",\n  "needs_no_permission": {dump(FREE)},\n'
            f'  "scenarios": [\n{scenarios}\n  ]\n}}\n')


def main(path, *names):
    logging.disable()
    warnings.simplefilter("ignore")
    recorded, failed = [], 0
    for scenario in SCENARIOS:
        if names and scenario.name not in names:
            continue
        try:
            recorded.append(record(scenario))
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"{scenario.name}: failed after {[call.name for call in ACCOUNT.calls]}")
            continue
        for api in needless(scenario, recorded[-1]):
            failed += 1
            print(f"{scenario.name}: goes on without {api}; mark it as optional, with the code that catches the denial")
    if names:
        print(rendered(recorded))
    elif not failed:
        Path(path).write_text(rendered(recorded))
        print(f"{len(recorded)} scenarios, {sum(len(one['calls']) for one in recorded)} calls")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
