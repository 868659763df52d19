"""Tests of cli_files.py: what it finds in programs and wheels that were made for it, and the archive that it packs."""

import gzip
import io
import platform
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import cli_files
import release

TARGET = "x86_64-unknown-linux-musl"
NAME = "mlops_roles-1.2.3-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
READABLE = sys.platform == "linux" and platform.machine() in cli_files.ELF_MACHINES
# A program that answers as `mlops-roles` does.
PROGRAM = """#!/bin/sh
[ "$1" = --version ] && echo "mlops-roles 1.2.3 (service authorization reference of 2026-10-27)" || echo "$@"
"""


def elf(machine=62, interpreter=False, needed=0, dynamic=True):
    """An ELF file of the form that programs have: its headers and, if it is dynamic, its list of tags."""
    tags = b"".join(struct.pack("<QQ", tag, 1) for tag in [5, *[cli_files.DT_NEEDED] * needed, cli_files.DT_NULL, 1])
    kinds = [1, *[cli_files.PT_INTERP] * interpreter, *[cli_files.PT_DYNAMIC] * dynamic]
    start = 64 + 56 * len(kinds)
    headers = b"".join(struct.pack("<IIQQQQQQ", kind, 0, start, 0, 0, len(tags), 0, 0) for kind in kinds)
    fields = struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, len(kinds), 0, 0, 0)
    head = b"\x7fELF\x02\x01" + bytes(10) + fields
    return head + headers + tags


def mach(machine=0x0100000C, *libraries):
    """A Mach-O file that loads these libraries, after another command."""
    commands = [struct.pack("<III", 0x19, 72, 0) + bytes(60)]
    for library in libraries:
        name = library.encode() + bytes(8 - len(library) % 8)
        commands.append(struct.pack("<IIIIII", 0x0C, 24 + len(name), 24, 0, 0, 0) + name)
    head = struct.pack("<IIIIIIII", 0xFEEDFACF, machine, 0, 2, len(commands), sum(map(len, commands)), 0, 0)
    return head + b"".join(commands)


@pytest.mark.parametrize("content, target, found", [
    (elf(), TARGET, []),
    (elf(dynamic=False), TARGET, []),
    (elf(183), "aarch64-unknown-linux-musl", []),
    (elf(183), TARGET, ["is no ELF file for x86_64"]),
    (elf(interpreter=True), TARGET, ["is not static: it has an interpreter"]),
    (elf(needed=2), TARGET, ["is not static: it needs 2 shared libraries"]),
    (PROGRAM.encode(), TARGET, ["is no ELF file for x86_64"]),
    (mach(0x0100000C, "/usr/lib/libSystem.B.dylib"), "aarch64-apple-darwin", []),
    (mach(0x01000007, "/System/Library/Frameworks/Security.framework/Security"), "x86_64-apple-darwin", []),
    (mach(0x0100000C, "/opt/homebrew/lib/libssl.dylib"), "aarch64-apple-darwin", ["loads /opt/homebrew/lib/libssl.dylib"]),
    (mach(0x0100000C), "x86_64-apple-darwin", ["is no Mach-O file for x86_64"]),
    (elf(), "x86_64-apple-darwin", ["is no Mach-O file for x86_64"]),
], ids=["static-pie", "static", "arm", "other machine", "interpreter", "libraries", "script", "mac", "framework",
        "mac library", "other mac", "not mac"])
def test_a_program_is_for_its_target_and_needs_nothing(content, target, found):
    assert cli_files.program_mistakes(content, target) == found


@pytest.mark.skipif(not READABLE, reason="it reads this machine's programs")
def test_a_program_of_this_machine_is_found_to_be_dynamic():
    found = cli_files.elf_mistakes(Path(shutil.which("env")).read_bytes(), platform.machine(), static=True)
    assert any("interpreter" in one for one in found) and any("shared libraries" in one for one in found)


@pytest.mark.skipif(not READABLE or not shutil.which("cc"), reason="it needs a C compiler")
@pytest.mark.parametrize("option", ["-static", "-static-pie"])
def test_a_static_program_of_this_machine_is_found_to_be_static(tmp_path, option):
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    subprocess.run(["cc", option, "-o", tmp_path / "a", tmp_path / "a.c"], check=True)
    assert cli_files.elf_mistakes((tmp_path / "a").read_bytes(), platform.machine(), static=True) == []


@pytest.fixture
def tree(tmp_path, monkeypatch):
    (tmp_path / "Cargo.toml").write_text('version = "1.2.3"\n')
    (tmp_path / "LICENSE").write_text("the license\n")
    monkeypatch.setattr(release, "ROOT", tmp_path)
    return tmp_path


def a_wheel(folder, name=NAME, program=None, mode=0o100755, **more):
    """A wheel as maturin writes it. A further entry replaces one, and None removes it."""
    entries = {"mlops_roles-1.2.3.data/scripts/mlops-roles": program or elf(needed=3, interpreter=True),
               "mlops_roles-1.2.3.dist-info/METADATA": "Metadata-Version: 2.4\nName: mlops-roles\nVersion: 1.2.3\n\nName: x\n",
               "mlops_roles-1.2.3.dist-info/WHEEL": "Tag: py3-none-any\n",
               "mlops_roles-1.2.3.dist-info/licenses/LICENSE": "the license\n",
               **more}
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for entry, content in entries.items():
            if content is not None:
                info = zipfile.ZipInfo(entry)
                info.external_attr = (mode if "/scripts/" in entry else 0o100644) << 16
                archive.writestr(info, content)
    return folder / name


INFO = "mlops_roles-1.2.3.dist-info/"


@pytest.mark.parametrize("more, found", [
    ({}, []),
    ({"program": elf(183)}, ["is no ELF file for x86_64"]),
    ({"mode": 0o100644}, ["has a program that can't be executed"]),
    ({"mlops_roles/__init__.py": ""}, ["has mlops_roles/__init__.py"]),
    ({"mlops_roles-1.2.3.data/scripts/generate": "x"}, ["has mlops_roles-1.2.3.data/scripts/generate"]),
    ({f"{INFO}licenses/LICENSE": None}, ["has no mlops_roles-1.2.3.dist-info/licenses/LICENSE"]),
    ({f"{INFO}METADATA": "Name: mlops-roles\nVersion: 1.2.4\n\n"}, ["does not say Version: 1.2.3"]),
    ({f"{INFO}METADATA": "Name: other\nVersion: 1.2.3\n\n"}, ["does not say Name: mlops-roles"]),
    ({"name": "mlops_roles-1.2.3-py3-none-linux_x86_64.whl"}, ["is for another version or platform"]),
    ({"name": NAME.replace("1.2.3", "1.2.2")}, ["is for another version or platform"]),
], ids=["right", "machine", "mode", "package", "program", "license", "version", "name", "platform", "other version"])
def test_a_wheel_has_the_program_and_metadata_only(tree, more, found):
    path = a_wheel(tree / "wheels", **more)
    assert cli_files.wheel_mistakes(path, TARGET, release.TARGETS[TARGET]) == [f"{path.name} {one}" for one in found]


@pytest.fixture
def built(tree, monkeypatch):
    """What `make cli-files` builds, with scripts in the place of programs."""
    program = tree / "target" / TARGET / "cli/mlops-roles"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setattr(cli_files, "program_mistakes", lambda *_, **__: [])
    return a_wheel(tree / release.CLI_FILES, program=PROGRAM.encode())


def test_the_archive_has_program_license_man_pages_and_completions_with_nothing_of_this_machine(built):
    assert cli_files.main(TARGET) == 0
    packed = built.parent / f"mlops-roles-1.2.3-{TARGET}.tar.gz"
    with tarfile.open(packed) as archive:
        entries = {entry.name.removeprefix(f"mlops-roles-1.2.3-{TARGET}/"): entry for entry in archive}
        content = {name: archive.extractfile(entry).read().decode() for name, entry in entries.items()}
    assert content == {
        "mlops-roles": PROGRAM, "LICENSE": "the license\n", "man/man1/mlops-roles.1": "man\n",
        "man/man1/mlops-roles-plan.1": "man plan\n", "man/man1/mlops-roles-policy.1": "man policy\n",
        "man/man1/mlops-roles-show.1": "man show\n", "completions/mlops-roles.bash": "completions bash\n",
        "completions/mlops-roles.elv": "completions elvish\n", "completions/mlops-roles.fish": "completions fish\n",
        "completions/_mlops-roles.ps1": "completions powershell\n", "completions/_mlops-roles": "completions zsh\n"}
    assert {(entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime) for entry in entries.values()} == {
        (0, 0, "", "", cli_files.LONG_AGO)}
    assert {name for name, entry in entries.items() if entry.mode != 0o644} == {"mlops-roles"}
    assert entries["mlops-roles"].mode == 0o755


def test_an_archive_of_equal_files_has_equal_bytes(built):
    packed = built.parent / f"mlops-roles-1.2.3-{TARGET}.tar.gz"
    assert cli_files.main(TARGET) == 0
    before = packed.read_bytes()
    (release.ROOT / "target" / TARGET / "cli/mlops-roles").touch()
    assert cli_files.main(TARGET) == 0
    # After two bytes for gzip and two of flags, four would have the time.
    assert packed.read_bytes() == before and before[4:8] == bytes(4)
    assert tarfile.open(fileobj=io.BytesIO(gzip.decompress(before))).getnames()[0].startswith(f"mlops-roles-1.2.3-{TARGET}/")


def test_programs_of_different_versions_are_refused(built):
    built.unlink()
    a_wheel(built.parent, program=PROGRAM.replace("1.2.3", "1.2.2").encode())
    assert "have the versions" in cli_files.main(TARGET)


def test_a_program_that_fails_is_refused(built):
    (release.ROOT / "target" / TARGET / "cli/mlops-roles").write_text("#!/bin/sh\nexit 3\n")
    assert "exit status 3" in cli_files.main(TARGET)


def test_a_second_wheel_is_refused(built):
    shutil.copy(built, built.with_name("mlops_roles-1.2.2-py3-none-any.whl"))
    assert "has 2 wheels, not one" in cli_files.main(TARGET)


def test_what_is_no_program_is_refused(tree):
    program = tree / "target" / TARGET / "cli/mlops-roles"
    program.parent.mkdir(parents=True)
    program.write_bytes(elf(interpreter=True))
    a_wheel(tree / release.CLI_FILES)
    assert cli_files.main(TARGET) == f"{program} is not static: it has an interpreter"
