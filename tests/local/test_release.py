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


def test_the_repository_of_applications_is_told_the_version_of_the_crate():
    assert release.mistakes() == []


def test_the_changelog_has_something_to_tell_of_this_version_or_the_next():
    assert release.notes().strip()


def test_the_files_are_these_and_their_sums_are_right(files):
    assert files.keys() == {"mlops-roles-1.2.3-x86_64.zip", "mlops-roles-1.2.3-arm64.zip",
                            "mlops-roles-1.2.3-stackset.json", "mlops-roles-1.2.3-sbom.json", "SHA256SUMS"}
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
    ("CHANGELOG.md", "[1.2.3]", "[1.2.1]", "v1.2.3", "CHANGELOG.md has no section `## [1.2.3] - ` with a date"),
    ("CHANGELOG.md", " - 2026-01-31", "", "v1.2.3", "CHANGELOG.md has no section `## [1.2.3] - ` with a date"),
], ids=["tag", "tag without v", "template", "changelog", "date"])
def test_what_is_not_of_one_version_is_refused(tree, name, old, new, tag, said):
    tree(name, release.text(name).replace(old, new))
    assert release.main("check", tag).startswith(said)


def test_a_function_for_other_machines_is_refused(tree):
    tree(release.FUNCTIONS["arm64"], elf(release.MACHINES["x86_64"]))
    assert release.main("files") == f"{release.FUNCTIONS['arm64']} is not for arm64"


def test_what_was_not_built_is_missed(tree):
    tree("target/sbom.json", "").unlink()
    assert "target/sbom.json" in release.main("files")
