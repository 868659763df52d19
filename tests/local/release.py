"""Makes the files of a release from what was built: zipped functions, the template for stack sets, the command line,
SBOMs and checksums.

    python tests/local/release.py check v0.1.0
    make release-files

The first command checks that the checkout is the release that the tag names. The second writes target/release-files and
target/release-notes.md; equal input gives equal bytes. With a tag (`make release-files TAG=v0.1.0`), the files of the
command line have to be there for every target.
"""

import hashlib
import re
import shutil
import struct
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = {"x86_64": ".aws-sam/build/Function/bootstrap", "arm64": ".aws-sam/arm64/Function/bootstrap"}
COPIES = {"stackset.json": "target/stackset/template.json", "sbom.json": "target/sbom.json",
          "cli-sbom.json": "target/cli-sbom.json"}
CLI_FILES = "target/cli-files"
# The targets that the command line is released for, each with a pattern of the platform in the name of its wheel.
TARGETS = {"x86_64-unknown-linux-musl": r"manylinux_2_17_x86_64\.manylinux2014_x86_64",
           "aarch64-unknown-linux-musl": r"manylinux_2_17_aarch64\.manylinux2014_aarch64",
           "x86_64-apple-darwin": r"macosx_\d+_\d+_x86_64",
           "aarch64-apple-darwin": r"macosx_\d+_\d+_arm64"}
# What tells the version besides Cargo.toml. pyproject.toml takes it from there.
VERSIONS = {"template.yaml": r"^ +SemanticVersion: (.+)$", "action/program.py": r'^VERSION = "(.+)"$'}
# A version in a page: of a pre-commit hook, a package, a download.
IN_PAGES = r"(?:rev: v|mlops-roles==|mlops-roles-|download/v)(\d+\.\d+\.\d+(?:-[a-z]+\.\d+)?)"
# The numbers of the instruction sets in ELF files.
MACHINES = {"x86_64": 62, "arm64": 183}
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can have


class Refused(Exception):
    """The reason why this checkout can't be released."""


def text(name):
    return (ROOT / name).read_text()


def version():
    return re.search(r'^version = "(.+)"$', text("Cargo.toml"), re.MULTILINE)[1]


def python_version():
    """The version as PyPI writes it: 1.0.0rc1 for 1.0.0-rc.1."""
    short = {"alpha": "a", "beta": "b", "rc": "rc"}
    return re.sub(r"-(alpha|beta|rc)\.(\d+)$", lambda found: short[found[1]] + found[2], version())


def section(heading):
    """The text of the changelog under the heading that matches, or None."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text("CHANGELOG.md"), re.MULTILINE | re.DOTALL)
    return found and found[1].strip()


def own_section():
    return section(rf"\[{re.escape(version())}\] - \d{{4}}-\d\d-\d\d")


def notes():
    """The notes of this version, or those under "Unreleased"."""
    found = own_section() or section(r"\[Unreleased\]") or ""
    # GitHub keeps the line breaks of release notes, so each list item becomes one line.
    return re.sub(r"\n +(?![ *-])", " ", found) + "\n"


def mistakes(tag=None):
    told = {name: re.findall(pattern, text(name), re.MULTILINE) for name, pattern in VERSIONS.items()}
    found = [f"Cargo.toml has version {version()}, {name} {told[name]}" for name in told if told[name] != [version()]]
    for page in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")]):
        found += [f"Cargo.toml has version {version()}, {page.relative_to(ROOT)} has {other}"
                  for other in sorted(set(re.findall(IN_PAGES, page.read_text())) - {version()})]
    if not re.search(r'^dynamic = \["version"\]$', text("pyproject.toml"), re.MULTILINE):
        found.append("pyproject.toml does not take the version from Cargo.toml")
    if tag and tag != f"v{version()}":
        found.append(f"Cargo.toml has version {version()}, the tag is {tag}")
    if tag and not own_section():
        found.append(f"CHANGELOG.md has no section `## [{version()}] - ` with a date, or nothing in it")
    return found


def zip_function(path, architecture, content):
    machine = struct.unpack_from("<H", content, 18)[0] if content.startswith(b"\x7fELF") else None
    if machine != MACHINES[architecture]:
        raise Refused(f"{FUNCTIONS[architecture]} is not for {architecture}")
    entry = zipfile.ZipInfo("bootstrap", LONG_AGO)
    entry.create_system, entry.external_attr = 3, 0o100755 << 16  # made on Unix, executable
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)


def command_line(whole):
    """The files that `make cli-files` made. A whole release has two for each target, and no others."""
    found = sorted(file for file in (ROOT / CLI_FILES).rglob("*") if file.is_file())
    if whole:
        wanted = [re.escape(f"mlops-roles-{version()}-{target}.tar.gz") for target in TARGETS]
        wheel = re.escape(f"mlops_roles-{python_version()}-py3-none-")
        wanted += [f"{wheel}{platform}\\.whl" for platform in TARGETS.values()]
        missing = [name for name in wanted if not any(re.fullmatch(name, file.name) for file in found)]
        others = [file.name for file in found if not any(re.fullmatch(name, file.name) for name in wanted)]
        if missing or others or len(found) != len(wanted):
            raise Refused(f"{CLI_FILES}: missing: {missing}, not of this release: {others}, {len(found)} files")
    return found


def write_files(whole=False):
    folder, name = ROOT / "target/release-files", f"mlops-roles-{version()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for architecture, file in FUNCTIONS.items():
        zip_function(folder / f"{name}-{architecture}.zip", architecture, (ROOT / file).read_bytes())
    for ending, file in COPIES.items():
        shutil.copyfile(ROOT / file, folder / f"{name}-{ending}")
    for file in command_line(whole):
        shutil.copyfile(file, folder / file.name)
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))
    (ROOT / "target/release-notes.md").write_text(notes())
    return sums


def main(command, tag=None):
    found = mistakes(tag)
    if found:
        return "\n".join(found)
    if command == "files":
        try:
            print("".join(write_files(whole=tag is not None)), end="")
        except (OSError, Refused) as e:
            return str(e)
    return 0


if __name__ == "__main__":
    known = len(sys.argv) in (2, 3) and sys.argv[1] in ("check", "files")
    sys.exit(main(*sys.argv[1:]) if known else __doc__)
