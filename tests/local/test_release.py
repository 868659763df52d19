"""Tests of release.py: the files that it makes, and the checkouts that it refuses."""

import hashlib
import struct
import zipfile

import pytest

import release

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- Something to come.

## [1.2.3] - 2026-01-31

### Added

- An item that goes on
  in a second line, and has
  - an item of its own.

### Fixed

- Another.

## [1.2.2] - 2025-12-31

- An old one.
"""


def elf(machine):
    return b"\x7fELF" + bytes(14) + struct.pack("<H", machine) + b"code" * 1000


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A built checkout of version 1.2.3; returns a function that writes into it."""
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    write("Cargo.toml", '[package]\nname = "x"\nversion = "1.2.3"\n\n[dependencies]\ny = { version = "9" }\n')
    write("template.yaml", "Metadata:\n  A:\n    SemanticVersion: 1.2.3\n")
    write("action/program.py", 'VERSION = "1.2.3"\n')
    write("pyproject.toml", '[project]\nname = "x"\ndynamic = ["version"]\n')
    write("README.md", "`rev: v1.2.3`, `mlops-roles==1.2.3`, `mlops-roles-1.2.3-x86_64-apple-darwin.tar.gz`\n")
    write("docs/how-to/page.md", "`.../download/v1.2.3/SHA256SUMS`\n")
    write("CHANGELOG.md", CHANGELOG)
    for architecture, file in release.FUNCTIONS.items():
        write(file, elf(release.MACHINES[architecture]))
    for file in release.COPIES.values():
        write(file, file)
    monkeypatch.setattr(release, "ROOT", tmp_path)
    return write


@pytest.fixture
def files(tree):
    assert release.main("files") == 0
    return {file.name: file for file in (release.ROOT / "target/release-files").iterdir()}


def test_every_file_tells_the_version_of_the_crate():
    assert release.mistakes() == []


def test_the_changelog_has_something_to_tell_of_this_version_or_the_next():
    assert release.notes().strip()


def test_the_files_are_these_and_their_sums_are_right(files):
    assert files.keys() == {"mlops-roles-1.2.3-x86_64.zip", "mlops-roles-1.2.3-arm64.zip",
                            "mlops-roles-1.2.3-stackset.json", "mlops-roles-1.2.3-sbom.json",
                            "mlops-roles-1.2.3-cli-sbom.json", "SHA256SUMS"}
    sums = dict(reversed(line.split("  ")) for line in files.pop("SHA256SUMS").read_text().splitlines())
    assert sums == {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items()}


@pytest.mark.parametrize("architecture", release.FUNCTIONS)
def test_a_zip_holds_the_function_alone_and_it_can_be_executed(files, architecture):
    with zipfile.ZipFile(files[f"mlops-roles-1.2.3-{architecture}.zip"]) as archive:
        [entry] = archive.infolist()
        assert entry.filename == "bootstrap" and entry.external_attr >> 16 == 0o100755
        assert archive.read(entry) == elf(release.MACHINES[architecture])


def test_files_of_another_time_with_equal_bytes_give_equal_files_and_nothing_old_stays(files, tree):
    before = {name: file.read_bytes() for name, file in files.items()}
    tree("target/release-files/mlops-roles-1.2.2-x86_64.zip", "old")
    for file in release.FUNCTIONS.values():
        tree(file, (release.ROOT / file).read_bytes()).chmod(0o600)
    assert release.main("files") == 0
    assert {file.name: file.read_bytes() for file in (release.ROOT / "target/release-files").iterdir()} == before


def test_the_notes_are_those_of_the_version_with_a_line_for_each_item(files):
    assert (release.ROOT / "target/release-notes.md").read_text() == (
        "### Added\n\n- An item that goes on in a second line, and has\n  - an item of its own.\n\n"
        "### Fixed\n\n- Another.\n")


def test_before_there_is_a_section_the_notes_are_of_what_is_unreleased(tree):
    tree("CHANGELOG.md", CHANGELOG.replace("1.2.3", "1.2.1"))
    assert release.notes() == "### Added\n\n- Something to come.\n"


def test_what_the_tag_says_is_not_refused(tree):
    assert release.mistakes("v1.2.3") == []


@pytest.mark.parametrize("name, old, new, tag, said", [
    ("Cargo.toml", "", "", "v1.2.4", "Cargo.toml has version 1.2.3, the tag is v1.2.4"),
    ("Cargo.toml", "", "", "1.2.3", "Cargo.toml has version 1.2.3, the tag is 1.2.3"),
    ("template.yaml", "1.2.3", "1.2.2", "v1.2.3", "Cargo.toml has version 1.2.3, template.yaml ['1.2.2']"),
    ("action/program.py", "1.2.3", "1.2.2", "v1.2.3", "Cargo.toml has version 1.2.3, action/program.py ['1.2.2']"),
    ("pyproject.toml", "dynamic", "static", "v1.2.3", "pyproject.toml does not take the version from Cargo.toml"),
    ("README.md", "rev: v1.2.3", "rev: v1.2.2", "v1.2.3", "Cargo.toml has version 1.2.3, README.md has 1.2.2"),
    ("README.md", "roles==1.2.3", "roles==1.2.3-rc.1", "v1.2.3", "Cargo.toml has version 1.2.3, README.md has 1.2.3-rc.1"),
    ("README.md", "roles-1.2.3-", "roles-1.2.4-", "v1.2.3", "Cargo.toml has version 1.2.3, README.md has 1.2.4"),
    ("docs/how-to/page.md", "v1.2.3", "v1.2.1", "v1.2.3", "Cargo.toml has version 1.2.3, docs/how-to/page.md has 1.2.1"),
    ("CHANGELOG.md", "[1.2.3]", "[1.2.1]", "v1.2.3", "CHANGELOG.md has no section `## [1.2.3] - ` with a date"),
    ("CHANGELOG.md", " - 2026-01-31", "", "v1.2.3", "CHANGELOG.md has no section `## [1.2.3] - ` with a date"),
], ids=["tag", "tag without v", "template", "action", "package", "hook", "requirement", "archive", "download", "changelog",
        "date"])
def test_what_is_not_of_one_version_is_refused(tree, name, old, new, tag, said):
    tree(name, release.text(name).replace(old, new))
    assert release.main("check", tag).startswith(said)


def test_a_function_for_other_machines_is_refused(tree):
    tree(release.FUNCTIONS["arm64"], elf(release.MACHINES["x86_64"]))
    assert release.main("files") == f"{release.FUNCTIONS['arm64']} is not for arm64"


def test_what_was_not_built_is_missed(tree):
    tree("target/sbom.json", "").unlink()
    assert "target/sbom.json" in release.main("files")


CLI_FILES = ["mlops-roles-1.2.3-aarch64-apple-darwin.tar.gz", "mlops-roles-1.2.3-aarch64-unknown-linux-musl.tar.gz",
             "mlops-roles-1.2.3-x86_64-apple-darwin.tar.gz", "mlops-roles-1.2.3-x86_64-unknown-linux-musl.tar.gz",
             "mlops_roles-1.2.3-py3-none-macosx_10_12_x86_64.whl", "mlops_roles-1.2.3-py3-none-macosx_11_0_arm64.whl",
             "mlops_roles-1.2.3-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
             "mlops_roles-1.2.3-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"]


@pytest.fixture
def command_line(tree):
    """The files of the command line, each in a folder of its own, as artifacts are downloaded."""
    return [tree(f"{release.CLI_FILES}/cli-{number}/{name}", name) for number, name in enumerate(CLI_FILES)]


def test_a_release_has_the_command_line_for_every_target_with_its_sums(command_line):
    assert release.main("files", "v1.2.3") == 0
    folder = release.ROOT / "target/release-files"
    assert [name for name in CLI_FILES if (folder / name).read_text() != name] == []
    sums = (folder / "SHA256SUMS").read_text()
    assert [name for name in CLI_FILES if f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" not in sums] == []


@pytest.mark.parametrize("absent", range(len(CLI_FILES)), ids=CLI_FILES)
def test_a_release_without_a_file_of_the_command_line_is_refused(command_line, absent):
    command_line[absent].unlink()
    assert "missing: ['" in release.main("files", "v1.2.3")


@pytest.mark.parametrize("name", ["mlops-roles-1.2.2-x86_64-apple-darwin.tar.gz", "mlops_roles-1.2.3.tar.gz",
                                  "mlops_roles-1.2.3-py3-none-linux_x86_64.whl", CLI_FILES[0]])
def test_a_release_with_another_file_is_refused(command_line, tree, name):
    tree(f"{release.CLI_FILES}/other/{name}", "other")
    assert "9 files" in release.main("files", "v1.2.3")


def test_without_a_tag_there_may_be_files_of_this_machine_only(command_line):
    for file in command_line[1:]:
        file.unlink()
    assert release.main("files") == 0
    assert (release.ROOT / "target/release-files" / CLI_FILES[0]).exists()


@pytest.mark.parametrize("version, python", [("1.2.3", "1.2.3"), ("1.2.3-rc.1", "1.2.3rc1"), ("1.2.3-alpha.2", "1.2.3a2"),
                                             ("1.2.3-beta.10", "1.2.3b10")])
def test_a_version_is_written_as_on_pypi(tree, version, python):
    tree("Cargo.toml", f'version = "{version}"\n')
    assert release.python_version() == python
