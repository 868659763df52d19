"""Checks the program and the wheel that `make cli-files` built for a target, and packs the program into an archive.

    python tests/local/cli_files.py x86_64-unknown-linux-gnu

The archive has the program, the license, man pages and completions. Equal input gives equal bytes. The program is run, so
the target has to be that of this machine.
"""

import gzip
import io
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import release
from release import Refused

MAN_PAGES = {"mlops-roles.1": [], "mlops-roles-plan.1": ["plan"], "mlops-roles-policy.1": ["policy"],
             "mlops-roles-show.1": ["show"]}
COMPLETIONS = {"mlops-roles.bash": "bash", "mlops-roles.elv": "elvish", "mlops-roles.fish": "fish",
               "_mlops-roles.ps1": "powershell", "_mlops-roles": "zsh"}
# The numbers of the instruction sets in ELF and in Mach-O files.
ELF_MACHINES = {"x86_64": 62, "aarch64": 183}
MACH_MACHINES = {"x86_64": 0x01000007, "aarch64": 0x0100000C}
PT_DYNAMIC, PT_INTERP, DT_NULL, DT_NEEDED = 2, 3, 0, 1
# LC_LOAD_DYLIB, LC_LOAD_WEAK_DYLIB, LC_REEXPORT_DYLIB
LOADS = (0x0C, 0x80000018, 0x8000001F)
SYSTEM_LIBRARIES = ("/usr/lib/", "/System/Library/")
LONG_AGO = 315532800  # 1980-01-01: some programs warn of earlier times


def elf_mistakes(content, machine, static):
    """Why an ELF file is not for this machine or, if it has to be, not static."""
    if content[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<H", content, 18)[0] != ELF_MACHINES[machine]:
        return [f"is no ELF file for {machine}"]
    found = []
    [offset], [size, count] = struct.unpack_from("<Q", content, 32), struct.unpack_from("<HH", content, 54)
    for header in range(offset, offset + size * count, size):
        [kind] = struct.unpack_from("<I", content, header)
        if static and kind == PT_INTERP:
            found.append("is not static: it has an interpreter")
        if static and kind == PT_DYNAMIC:
            start, _, _, length = struct.unpack_from("<QQQQ", content, header + 8)
            tags = [tag for tag, _ in struct.iter_unpack("<QQ", content[start:start + length])]
            needed = tags[:tags.index(DT_NULL)].count(DT_NEEDED) if DT_NULL in tags else len(tags)
            if needed:
                found.append(f"is not static: it needs {needed} shared libraries")
    return found


def mach_mistakes(content, machine):
    """Why a Mach-O file is not for this machine, or loads more than libraries of the system."""
    if content[:4] != b"\xcf\xfa\xed\xfe" or struct.unpack_from("<I", content, 4)[0] != MACH_MACHINES[machine]:
        return [f"is no Mach-O file for {machine}"]
    found, place = [], 32
    for _ in range(struct.unpack_from("<I", content, 16)[0]):
        command, size, name = struct.unpack_from("<III", content, place)
        if command in LOADS:
            library = content[place + name:place + size].split(b"\0")[0].decode()
            if not library.startswith(SYSTEM_LIBRARIES):
                found.append(f"loads {library}")
        place += size
    return found


def program_mistakes(content, target, static=True):
    machine = target.split("-")[0]
    return elf_mistakes(content, machine, static) if "-linux-" in target else mach_mistakes(content, machine)


def wheel_mistakes(path, target, platform=r"\w+(\.\w+)*"):
    """Why a wheel is not what is released: the program and its metadata, for the target."""
    release_name = f"mlops_roles-{release.python_version()}"
    script, metadata = f"{release_name}.data/scripts/mlops-roles", f"{release_name}.dist-info/"
    found = []
    if not re.fullmatch(re.escape(f"{release_name}-py3-none-") + platform + r"\.whl", path.name):
        found.append("is for another version or platform")
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
        found += [f"has {name}" for name in entries if name != script and not name.startswith(metadata)]
        found += [f"has no {name}" for name in (script, f"{metadata}METADATA", f"{metadata}licenses/LICENSE")
                  if name not in entries]
        if script in entries:
            found += program_mistakes(archive.read(script), target, static=False)
            if not entries[script].external_attr >> 16 & 0o111:
                found.append("has a program that can't be executed")
        if f"{metadata}METADATA" in entries:
            headers = archive.read(f"{metadata}METADATA").decode().partition("\n\n")[0].splitlines()
            found += [f"does not say {line}" for line in ("Name: mlops-roles", f"Version: {release.python_version()}")
                      if line not in headers]
    return [f"{path.name} {one}" for one in found]


def run(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, stdin=subprocess.DEVNULL,
                          timeout=60).stdout


def contents(program):
    """The files of the archive: the path in it, the mode and the bytes."""
    yield "mlops-roles", 0o755, program.read_bytes()
    yield "LICENSE", 0o644, (release.ROOT / "LICENSE").read_bytes()
    for name, command in MAN_PAGES.items():
        yield f"man/man1/{name}", 0o644, run(program, "man", *command)
    for name, shell in COMPLETIONS.items():
        yield f"completions/{name}", 0o644, run(program, "completions", shell)


def pack(path, files):
    """Writes an archive with one folder, which has the name of the archive."""
    folder, packed = path.name.removesuffix(".tar.gz"), io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, mode, content in files:
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(content), mode, LONG_AGO
            archive.addfile(entry, io.BytesIO(content))
    # The file gets neither its name nor the time.
    path.write_bytes(gzip.compress(packed.getvalue(), 9, mtime=0))


def versions(program, wheel):
    """What the program and that of the wheel tell of their version."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("/scripts/mlops-roles")]
        unpacked = Path(folder, "mlops-roles")
        unpacked.write_bytes(archive.read(name))
        unpacked.chmod(0o755)
        return run(program, "--version"), run(unpacked, "--version")


def make(target):
    folder, program = release.ROOT / release.CLI_FILES, release.ROOT / "target" / target / "cli/mlops-roles"
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise Refused(f"{folder} has {len(wheels)} wheels, not one")
    platform = release.TARGETS[re.sub("-gnu$", "-musl", target)]
    mistakes = [f"{program} {one}" for one in program_mistakes(program.read_bytes(), target)]
    mistakes += wheel_mistakes(wheels[0], target, platform)
    if mistakes:
        raise Refused("\n".join(mistakes))
    told = versions(program, wheels[0])
    if told[0] != told[1] or not told[0].startswith(f"mlops-roles {release.version()} ".encode()):
        raise Refused(f"the program and that of the wheel have the versions {told}")
    pack(folder / f"mlops-roles-{release.version()}-{target}.tar.gz", contents(program))
    return [file.name for file in sorted(folder.iterdir())]


def main(target):
    try:
        print("\n".join(make(target)))
    except (OSError, Refused, subprocess.SubprocessError) as e:
        return str(e)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else __doc__)
