"""Tests of the documentation: README.md keeps its size, every link within the repository leads somewhere, every page is
linked, and every test that the invariants name exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def prose(page):
    """The text of a page without its code."""
    return re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """The anchors that a forge gives to the headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    found = {}
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
    return {f"{name}-{number}" if number else name for name, last in found.items() for number in range(last + 1)}


def broken(page):
    """The links of a page that lead nowhere."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        if not to.exists() or ROOT not in (to, *to.parents):
            yield target
        elif anchor and to.suffix == ".md" and anchor not in anchors(to):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert list(broken(page)) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "other.md").write_text("# One `two`: three\n## Twice\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text("# Here\n[a](other.md#one-two-three) [b](other.md#twice-1) [c](#here) [d](https://x.example/) `[e](no)`\n"
                    "[f](missing.md) [g](other.md#four) [h](#there) [i](../outside.md)\n```\n[j](no)\n```\n")
    (tmp_path.parent / "outside.md").write_text("")
    assert list(broken(page)) == ["missing.md", "other.md#four", "#there", "../outside.md"]


def test_readme_is_a_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150 and len(text.encode()) <= 12_000


def linked(pages):
    """The files that the pages link."""
    return {(page.parent / target.partition("#")[0]).resolve() for page in pages
            for target in re.findall(r"\]\(([^)\s]+)\)", prose(page))}


def test_every_page_is_linked_from_readme_or_contributing():
    """Or from an index page that these link: the README.md of a folder."""
    entry = {ROOT / "README.md", ROOT / "CONTRIBUTING.md"}
    indexes = {page for page in linked(entry) if page.name == "README.md"}
    found = entry | linked(entry | indexes)
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in found] == []


def named_tests(page):
    """Each test that a list of tests names, with the file that the item links."""
    for item in re.split(r"\n(?=- |\n|#)", page.read_text()):
        link = re.match(r"- \[`[^`]+`\]\(([^)]+)\)", item)
        if link and (page.parent / link[1]).is_file():
            for name in re.findall(r"`([a-z0-9_]{8,})`", item[link.end():]):
                yield name, page.parent / link[1]


def test_the_tests_that_the_invariants_name_exist():
    named = list(named_tests(ROOT / "docs/explanation/invariants.md"))
    absent = [name for name, file in named if not re.search(rf"\b(fn|def) {name}\b", file.read_text())]
    assert len(named) > 100 and absent == []


def test_each_invariant_names_its_tests():
    invariants = re.split(r"^## ", (ROOT / "docs/explanation/invariants.md").read_text(), flags=re.MULTILINE)[1:]
    assert len(invariants) > 10
    assert [text.splitlines()[0] for text in invariants if "\nTests:\n" not in text] == []
