"""Runs the commands of the documentation, page by page, against a local AWS.

The test runs each fenced block `sh`; the blocks of a page share one shell. A word after `sh` says why a block is not
run:

    sh account    it needs an AWS account, or something that only an account has
    sh example    it needs files or programs of the reader

A block `text output` after it has lines that the command prints, in that order; `…` stands for any text.

A block `console` has commands of `mlops-roles` that need neither AWS nor files of the reader, with their output. The
tests of the crate `mlops-roles-cli` run them.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import local
from local import ACCOUNT, REGION, ROOT, Local, Server

BLOCK = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
NOT_RUN = {"account", "example"}
SHOWN = re.compile(r"^--- (\d+)$", re.MULTILINE)
# Commands that prepare what a reader has before the first command of a page.
DEPLOYED = "sam deploy --stack-name mlops-roles --resolve-s3 --capabilities CAPABILITY_IAM >/dev/null"
BEFORE = {
    "docs/how-to/derive-from-a-state-machine.md": DEPLOYED,
    "docs/how-to/upgrade.md": DEPLOYED,
    "docs/how-to/adopt-and-release.md": f"""
        aws iam create-role --role-name AmazonSageMaker-StepFunctionsWorkflowExecutionRole \\
          --assume-role-policy-document '{{"Version": "2012-10-17", "Statement": []}}' >/dev/null""",
}
SHIMS = {
    # The function is built already. It has to know where the local AWS is.
    "sam": f"""#!{sys.executable}
import os, sys
arguments = sys.argv[1:]
if arguments[0] == "build":
    sys.exit()
if arguments[0] == "deploy":
    arguments += ["--no-progressbar", "--no-fail-on-empty-changeset"]
    if "--template-file" not in arguments:
        arguments += ["--template-file", {str(local.TEMPLATE)!r}]
        at = arguments.index("--parameter-overrides") + 1 if "--parameter-overrides" in arguments else len(arguments)
        own = ["EndpointUrl=" + os.environ["AWS_ENDPOINT_URL"]]
        arguments[at:at] = own if at < len(arguments) else ["--parameter-overrides", *own]
if arguments[0] == "delete":
    arguments += ["--region", {REGION!r}]
sam = {str(ROOT / ".tools/sam/bin/sam")!r}
os.execv(sam, [sam, *arguments])
""",
    # CI runs these targets anyway. Here the shim only checks that they exist.
    "make": f"""#!/bin/sh
exec {shutil.which("make")} --silent --dry-run --directory={ROOT} "$@" >/dev/null
""",
}


def blocks(page):
    """The fenced blocks of a page: the words of the info string, and the text without the indentation of a list."""
    for block in BLOCK.finditer(page.read_text()):
        text = re.sub(rf"^{block['indent']}", "", block["text"], flags=re.MULTILINE)
        yield block["info"].split(), text


def pages():
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def run(page):
    """The commands of a page that are run, each with the output that the page shows after it."""
    found = []
    for info, text in blocks(page):
        if info == ["sh"]:
            found.append((text, None))
        elif info == ["text", "output"]:
            found[-1] = (found[-1][0], text)
    return found


WITH_COMMANDS = [page for page in pages() if run(page)]


def environment(work, server):
    """A folder that looks like the repository, and variables that lead the programs to a local AWS."""
    programs, folder = work / "bin", work / "repository"
    programs.mkdir()
    folder.mkdir()
    for name in ("examples", "events", "template.yaml", "lint", "crates"):
        (folder / name).symlink_to(ROOT / name)
    for name, text in SHIMS.items():
        shim = programs / name
        shim.write_text(text)
        shim.chmod(shim.stat().st_mode | stat.S_IEXEC)
    (programs / "mlops-roles").symlink_to(ROOT / "target/debug/mlops-roles")
    path = [str(programs), str(ROOT / ".tools/e2e/bin"), os.environ["PATH"]]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "SAM_"))}
    env.update(PATH=":".join(path), AWS_ENDPOINT_URL=server.endpoint, AWS_ENDPOINT_URL_SAGEMAKER=server.sagemaker_endpoint,
               AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION=REGION, AWS_REGION=REGION,
               AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true",
               AWS_PAGER="", SAM_CLI_TELEMETRY="0", SAM_CLI_POLL_DELAY="1", PYTHONDONTWRITEBYTECODE="1",
               __SAM_CLI_APP_DIR=str(ROOT / ".tools/sam/home"))
    return folder, env


def done(page, work):
    """Runs the commands of a page in one shell, against a local AWS of their own."""
    commands = run(page)
    numbered = (f"echo '--- {number}'\n{command}" for number, (command, _) in enumerate(commands))
    script = "\n".join(["set -euo pipefail", BEFORE.get(str(page.relative_to(ROOT)), ""), *numbered])
    server = Server(work)
    try:
        # Templates pass this role. The account of the documentation is this one here.
        Local(server.endpoint).make_role("MySageMakerRole")
        folder, env = environment(work, server)
        return subprocess.run(["bash", "-c", script.replace("123456789012", ACCOUNT)], cwd=folder, env=env, text=True,
                              timeout=540, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    finally:
        server.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """All pages, four at a time: the AWS CLI waits for 30 seconds before it looks at a stack again."""
    with ThreadPoolExecutor(4) as pool:
        yield {page: pool.submit(done, page, tmp_path_factory.mktemp("page")) for page in WITH_COMMANDS}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_work(running, page):
    finished = running[page].result()
    assert finished.returncode == 0, finished.stdout
    parts = SHOWN.split(finished.stdout)
    printed = dict(zip(map(int, parts[1::2]), parts[2::2]))
    for number, (command, expected) in enumerate(run(page)):
        assert expected is None or shows(printed[number], expected) is None, f"{command}\n{printed[number]}"


def shows(printed, expected):
    """The first line of the shown output that was not printed after the lines before it, or None."""
    lines = iter([re.sub(r"\s+", " ", line).strip() for line in printed.replace(ACCOUNT, "123456789012").splitlines()])
    for line in filter(str.strip, expected.splitlines()):
        pattern = ".*".join(map(re.escape, re.sub(r"\s+", " ", line).strip().split("…")))
        if line.strip() != "…" and not any(re.fullmatch(pattern, one) for one in lines):
            return line
    return None


def test_what_a_page_shows_is_compared():
    assert shows("a\n  b c\nd\n", "a\nb …\n") is None
    assert shows("a\nb\n", "b\na\n") == "a"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_command_that_is_not_run_says_why(page):
    infos = [info for info, _ in blocks(page) if info[:1] == ["sh"]]
    assert all(len(info) == 1 or len(info) == 2 and info[1] in NOT_RUN for info in infos), infos
    assert not [info for info, _ in blocks(page) if info[:1] in (["bash"], ["shell"])], "a block of commands is `sh`"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_console_block_has_commands_of_the_command_line_alone(page):
    for info, text in blocks(page):
        if info[:1] == ["console"]:
            commands = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
            assert text.startswith("$ ") and all(command.split()[0] == "mlops-roles" for command in commands), text
