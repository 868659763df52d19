"""Publishes measurements: writes a table into a page, and above it the command, the date, the commit and the machine.

    python3 tests/local/evidence.py PAGE NAME 'COMMAND' < table.md
    python3 tests/local/evidence.py revision

The first command replaces the text between `<!-- evidence: NAME -->` and `<!-- /evidence -->` in PAGE. The second one
prints the commit of the checkout. Commands that measure publish only with `PUBLISH=1`. make stores the revision in
MEASURED_REVISION before it measures, so that a later commit does not count.
"""

import os
import platform
import re
import subprocess
import sys
import textwrap
from datetime import datetime, timezone
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs/evidence"
PROC = Path("/proc")
# The files that measurements themselves write. A change of them is no change of what is measured.
WRITTEN = ("docs/evidence", "fuzz/corpus")
MARKER = re.compile(r"^<!-- (?:evidence: (.+)|/evidence) -->$", re.MULTILINE)
WIDTH = 120


class Refused(Exception):
    """The reason why nothing was published."""


def requested():
    return os.environ.get("PUBLISH") == "1"


def git(*arguments):
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def head():
    return git("rev-parse", "--short=7", "HEAD")


def revision():
    """The commit of the checkout; says so when other changes are in it."""
    changed = git("status", "--porcelain", "--", ".", *(f":!{path}" for path in WRITTEN))
    return f"commit {head()}{' with uncommitted changes' if changed else ''}"


def machine():
    """The model of the CPU, the number of cores and the memory."""
    cpu, memory = ((PROC / name).read_text() for name in ("cpuinfo", "meminfo"))
    model = re.search(r"^model name\s*:(.+)$", cpu, re.MULTILINE)
    model = " ".join(model[1].split()) if model else platform.machine()
    cores = len(re.findall(r"^processor\s*:", cpu, re.MULTILINE))
    kibibytes = int(re.search(r"^MemTotal:\s*(\d+) kB$", memory, re.MULTILINE)[1])
    return f"{model}, {cores} core{'' if cores == 1 else 's'}, {kibibytes / 2**20:.0f} GiB"


def line(command, measured):
    date = datetime.now(timezone.utc).date()
    # A NUL is not white space, so the command is not wrapped.
    whole = command.replace(" ", "\0")
    text = f"`{whole}`; {date}, {measured}, {machine()}:"
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False).replace("\0", " ")


def replaced(text, name, block):
    """The text of a page with `block` between the markers of this name."""
    markers = [*MARKER.finditer(text)]
    opening = [at for at, marker in enumerate(markers) if marker[1] == name]
    if len(opening) != 1:
        raise Refused(f"expected one line `<!-- evidence: {name} -->`, found {len(opening)}")
    at = opening[0]
    closing = [*takewhile(lambda marker: marker[1] is None, markers[at + 1:])]
    if len(closing) != 1:
        raise Refused(f"expected one line `<!-- /evidence -->` for `{name}`, found {len(closing)}")
    return f"{text[:markers[at].end()]}\n\n{block}\n\n{text[closing[0].start():]}"


def publish(page, name, command, table, measured=None):
    """Replaces the table of this name in the page. `measured` is the revision, if it is not that of the checkout."""
    table = table.strip()
    if not table:
        raise Refused(f"{page}: there is no table for `{name}`")
    measured = measured or os.environ.get("MEASURED_REVISION") or revision()
    try:
        text = replaced(page.read_text(), name, f"{line(command, measured)}\n\n{table}")
    except Refused as reason:
        raise Refused(f"{page}: {reason}; nothing was written") from None
    page.write_text(text)
    print(f"published in {page}: {name}")


def main(*arguments):
    try:
        if arguments == ("revision",):
            print(revision())
        elif len(arguments) == 3:
            page, name, command = arguments
            publish(Path(page), name, command, sys.stdin.read())
        else:
            return __doc__
    except (OSError, Refused) as reason:
        return str(reason)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
