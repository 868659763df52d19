"""Tests that every text that the function or the command line can show stands in docs/reference, and that its pages
quote no other text."""

import re

import pytest

from messages import ROOT, WORDS, fragments, literals, of_sources, of_tables, page_text, quoted, shown, undocumented

REFERENCE = sorted((ROOT / "docs/reference").glob("*.md"))
# Literals that no user sees, or that AWS says, with the reason.
EXCEPT = {
    "Could not find": "SageMaker's words, which the function reads",
    "Invalid principal": "IAM's words, which the function reads",
    "Lambda's environment": "the name of a provider of credentials, which no message has",
    "Made by mlops-roles for the project templates of SageMaker": "the description of a role, which IAM keeps",
}


OF_SHOW = re.compile(r"crates/cli/src/show/(?!find\.rs)")


def test_every_text_of_the_sources_stands_in_the_reference():
    pages = page_text(REFERENCE)
    texts = {**of_sources(), **{why: "integration/*.json" for why in of_tables()}}
    assert len(texts) > 300
    # What `show` prints of a table is no message, and the page has its form.
    texts = {text: file for text, file in texts.items() if not OF_SHOW.match(str(file))}
    absent = {text: (file, missing) for text, file in texts.items()
              if text not in EXCEPT and (missing := undocumented(text, pages))}
    assert not absent, "\n".join(f"{file}: {text}: {missing}" for text, (file, missing) in absent.items())


def test_an_exception_is_a_text_of_the_sources():
    assert set(EXCEPT) - set(of_sources()) == set()


@pytest.mark.parametrize("page", ["errors", "command-line"])
def test_the_reference_quotes_no_other_text(page):
    """Each run of words of a quoted message, between values, punctuation and code, stands in one literal or in two."""
    known = "\n".join(re.sub(r"\s+", " ", text) for text in [*of_sources(), *of_tables()])

    def is_known(part):
        ends = [len(part), *(space.start() for space in re.finditer(" ", part))]
        return any(part[:end] in known and part[end:].strip() in known for end in ends) or any(one in part for one in EXCEPT)
    quotes = list(quoted(ROOT / f"docs/reference/{page}.md"))
    assert len(quotes) > 30
    wrong = [(quote, part) for quote in quotes for part in parts(quote) if not is_known(part)]
    assert not wrong, "\n".join(f"{part!r} of {quote!r}" for quote, part in wrong)


def parts(quote):
    for part in re.split(r"…|`[^`]*`|[:;,(){}]|\d+", quote):
        part = part.strip(" .?'\"")
        if WORDS.fullmatch(part) or WORDS.search(part):
            yield part


def test_what_differs_in_a_literal_is_left_out():
    source = """
        // "a comment with words"
        let text = format!("role `{name}`: {why}; \\
             nothing was {{changed}}"); let raw = r#"one "two" more words"#; let sign = '"'; let x = "single";
        #[expect(lint, reason = "nobody is shown this")]
    """
    assert literals(source) == ["role `…`: …; nothing was {changed}", 'one "two" more words']
    assert fragments("role `…`: …; nothing was changed") == ["role", "nothing was changed"]
    assert shown("`${{{name}}}`") == "`${…}`"
    assert undocumented("could not do `…`: the thing", "could not do `x`") == ["the thing"]
    assert list(parts("`Name`: found `…`, expected one thing; do it now")) == ["expected one thing", "do it now"]
