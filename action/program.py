"""Installs the program, and calls it with a time limit."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import NamedTuple, Optional

from checkout import WorkflowError

# The version of the action, which is that of the program. release.py compares it with Cargo.toml.
VERSION = "0.1.0"
# The time limit for an installation, in seconds.
INSTALLATION = 300
# The program gets these variables, and those of AWS. It does not get the tokens of the job.
PASSED = {"HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
          "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}


class Call(NamedTuple):
    """What a call of the program gave. The code is None if the program did not end in time."""

    code: Optional[int]
    out: str
    err: str


def environment():
    """The variables of the environment that the program gets."""
    return {name: value for name, value in os.environ.items() if name in PASSED or name.startswith("AWS_")}


def run(command, folder, limit, env=None):
    """Calls a command in a folder. The limit is in seconds."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       start_new_session=True)
        except (OSError, ValueError) as error:
            raise WorkflowError(f"`{command[0]}` can't be run: {error}") from None
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        for file in (out, err):
            file.seek(0)
        return Call(code, *(file.read().decode("utf-8", "surrogateescape") for file in (out, err)))


def install(version, folder):
    """Installs the program from PyPI into a folder, and returns its path."""
    if not re.fullmatch(r"[0-9][0-9A-Za-z.+!-]*", version):
        raise WorkflowError(f"input `version`: found `{version}`, expected a version such as `{VERSION}`")
    environment_of_it = os.path.join(folder, "venv")
    python = os.path.join(environment_of_it, "bin", "python")
    requirement = f"mlops-roles=={version}"
    # Isolated, because Python would otherwise import modules that the checkout has.
    for command in (
        [sys.executable, "-I", "-m", "venv", environment_of_it],
        [python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input",
         "--only-binary", ":all:", "--no-deps", requirement],
    ):
        call = run(command, folder, INSTALLATION)
        if call.code != 0:
            why = (call.err.strip() or call.out.strip() or f"no end within {INSTALLATION} s").splitlines()[-1]
            raise WorkflowError(f"`{requirement}` can't be installed: {why}; set `version` to a released version, or "
                                "`program` to the path of an installed program")
    program = os.path.join(environment_of_it, "bin", "mlops-roles")
    if not os.path.isfile(program):
        raise WorkflowError(f"`{requirement}` has no program `mlops-roles`; set `version` to another version")
    return program


def locate(program, workspace):
    """The absolute path of an installed program. A relative path starts from the workspace."""
    path = os.path.join(workspace, program) if "/" in program else shutil.which(program)
    if path is None or not os.path.isfile(path):
        raise WorkflowError(f"input `program`: found `{program}`, which is no file; install the program in a step before, "
                            "or leave `program` out")
    if not os.access(path, os.X_OK):
        raise WorkflowError(f"input `program`: found `{program}`, which is not executable; set its mode with `chmod +x`")
    return os.path.abspath(path)
