"""Tests of prose.py, and that the pages and sources keep to the rules that it checks."""

import pytest

import prose
from prose import Retired

RETIRED = [Retired("way back", "rollback", False), Retired("World", "`State`", True)]
LONG = " ".join(["word"] * prose.LIMIT)


@pytest.fixture(scope="module")
def findings():
    return list(prose.findings())


def test_no_sentence_is_too_long_and_no_retired_word_is_used(findings):
    assert [str(finding) for finding in findings if not prose.excepted(finding)] == []


def test_every_exception_is_needed(findings):
    assert set(prose.EXCEPTIONS) == {key for finding in findings for key in prose.excepted(finding)}


def test_pages_and_sources_are_searched():
    names = {path.relative_to(prose.ROOT).as_posix(): search for path, search in prose.files()}
    assert names["README.md"] is names["docs/reference/errors.md"] is prose.in_page
    assert names["src/main.rs"] is names["crates/core/src/plan/mod.rs"] is prose.in_source
    for path, search in prose.files():
        text = path.read_text()
        if search is prose.in_page:
            assert len(list(prose.blocks(text))) > 3, path
    assert sum(len(list(prose.comments(path.read_text()))) for path, _ in prose.files()) > 500


def test_the_glossary_has_retired_words():
    retired = list(prose.retired_words((prose.ROOT / "docs/glossary.md").read_text()))
    assert {("way back", False), ("take down", False), ("World", True)} <= {(one.word, one.is_name) for one in retired}
    assert all(one.word and one.instead for one in retired)


def long_lines(text):
    return [line for line, _ in prose.too_long(text)]


@pytest.mark.parametrize("text, lines", [
    (f"{LONG}.", []),
    (f"{LONG} word.", [1]),
    (f"Short.\n\n# {LONG} word\n", [3]),
    (f"- short\n- {LONG}\n  word\n", [2]),
    (f"1. short\n\n   {LONG} word\n", [3]),
    (f"> {LONG}\n> word\n", [1]),
    (f"| a | b |\n|---|---|\n| {LONG} | word |\n", []),
    (f"| a | b |\n|---|---|\n| {LONG} word | b |\n", [3]),
    (f"Short. It ends\nhere. But {LONG}.\n", [2]),
    (f"(Short.) Is it? **Yes.** {LONG} word", [1]),
    (f"One, e.g. {LONG}", [1]),
    (f"- item {LONG[:70]}\n- {LONG}\n", []),
    (f"[{LONG} word](https://x.example/a-b_c)", [1]),
    (f"[a](https://x.example) {LONG[:-5]}", []),
    (f"{LONG[:-5]} `a b c. d`", []),
    (f"{LONG[:-5]} `a\nb` word. word", [1]),
    (" ".join(["`a`,"] * 40), []),
    (f"– … = {LONG}", []),
    (f"```text\n{LONG} word\n```\n\n    {LONG} word\n\n- a\n\n  ```sh\n  {LONG} word\n  ```\n", []),
])
def test_a_sentence_has_a_limit(text, lines):
    assert long_lines(text) == lines


@pytest.mark.parametrize("text, found", [
    ("The rollback.", []),
    ("A highway back, a way backwards.", []),
    ("One.\n\nThe Way\nback fails: `the way back failed`.", [3, 4]),
    ("```text\nthe way back\n```", [2]),
    ("A world, the World of `Worlds`.", []),
    ("The type `World`, `a World::new`.", [1, 1]),
    ("A page.\n\n## Retired words\n\nThe way back, `World`.\n", []),
])
def test_a_retired_word_of_a_page_is_found(text, found):
    assert [line for line, _ in prose.in_page(text, RETIRED)] == found


SOURCE = '''//! The way back.
// No doc comment: the way back.
/// The
/// way back of a [`World`].
fn f<'a>(world: &'a World) -> char {
    let a = "one \\
             way \\
             back";
    let b = r#"the "way back""#;
    let way = back("// World", '"', "it\\"s a way back");
    '\\''
}
'''


def test_a_retired_word_of_a_source_is_found():
    assert sorted(line for line, _ in prose.in_source(SOURCE, RETIRED)) == [1, 4, 4, 5, 6, 9, 10]


def test_a_long_sentence_of_a_doc_comment_is_found():
    source = f"// {LONG} word\n//// {LONG} word\n\n/// Short.\n///\n/// {LONG}\n/// word.\n" \
             f"fn f() {{\n    /// {LONG}\n    //! word\n}}\n"
    assert [line for line, _ in prose.in_source(source, [])] == [6]


def test_retired_words_are_read_from_a_table():
    glossary = "# Glossary\n\n| a | b |\n|---|---|\n| x | y |\n\n## Retired words\n\nText.\n\n" \
               "| word | use |\n|---|---|\n| way back, ways back | rollback |\n| `World` | `State` |\n"
    assert list(prose.retired_words(glossary)) == [
        Retired("way back", "rollback", False), Retired("ways back", "rollback", False),
        Retired("World", "`State`", True)]
