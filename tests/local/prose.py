"""Finds sentences that are too long, and retired words, in the pages and in the doc comments of the sources. It also
finds retired words in the string literals of the sources.

`prose.py` prints what it finds. The retired words are a table of docs/glossary.md. A word in a code span there is a
former name in the code, and is searched in code spans and code. Any other word is searched in texts."""

import functools
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
# The most words of a sentence.
LIMIT = 30
# The findings that are accepted, with the reason: the path of the file and a part of the finding.
EXCEPTIONS = {
    ("CHANGELOG.md", "is retired"): "it says which words of messages changed",
}

FENCE = re.compile(r"^\s*(```|~~~)")
ITEM = re.compile(r"^(\s*)(?:[-*+]|\d+[.)])\s+")
CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
GLUED = {ord(" "): "\ue000", ord("\n"): "\ue001"}
UNGLUED = {ord(glued): " " for glued in GLUED.values()}
# The comments, string literals and character literals of Rust.
TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|b?r(?P<hashes>#*)"(?P<raw>.*?)"(?P=hashes)|b?"(?P<text>(?:\\.|[^"\\])*)"'
    r"|b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^\\'])'", re.DOTALL)


class Finding(NamedTuple):
    path: str
    line: int
    what: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.what}"


class Retired(NamedTuple):
    word: str
    instead: str
    is_name: bool

    @functools.cache
    def pattern(self):
        if self.is_name:
            return re.compile(rf"\b{re.escape(self.word)}\b")
        words = r"[\s`*]+".join(map(re.escape, self.word.split()))
        return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def blocks(text):
    """The paragraphs, headings, list items and table cells of a Markdown text, each with its first line's number."""
    fence, in_list, block, start = None, False, [], 0

    def flush():
        if block:
            yield start, "\n".join(block)
            block.clear()

    for number, line in enumerate([*text.splitlines(), ""], 1):
        if fence:
            fence = None if line.strip().startswith(fence) else fence
            continue
        if opened := FENCE.match(line):
            yield from flush()
            fence = opened[1]
            continue
        stripped = re.sub(r"^\s*(>\s?)+", "", line).strip()
        if not stripped:
            yield from flush()
            continue
        if line.startswith("    ") and not in_list and not block:
            continue
        item = ITEM.match(line)
        if stripped.startswith("|"):
            yield from flush()
            if not re.fullmatch(r"[|\s:-]+", stripped):
                yield from ((number, cell.strip()) for cell in cells(stripped) if cell.strip())
        elif stripped.startswith("#") or re.match(r"\[[^\]]+\]:\s", stripped):
            yield from flush()
            in_list = False
            yield number, stripped.lstrip("# ")
        elif item:
            yield from flush()
            in_list, start = True, number
            block.append(line[item.end():])
        else:
            if not block:
                start = number
                in_list = in_list and line[0] == " "
            block.append(stripped)
    yield from flush()


def cells(row):
    """The cells of a table's row. A bar within a code span, or after a backslash, separates no cells."""
    hidden = CODE.sub(lambda span: span[0].replace("|", "\0"), row.strip("|")).replace("\\|", "\0")
    return [cell.replace("\0", "|") for cell in hidden.split("|")]


def plain(block):
    """The words of a block. A code span is one word: its white space becomes private characters. A link is its text."""
    text = CODE.sub(lambda span: span[0].translate(GLUED), block)
    text = re.sub(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])?", r"\1", text)
    text = re.sub(r"<[^<>\s][^<>]*>|\*+", "", text)
    return re.sub(r"\b(e\.g|i\.e|etc|cf|vs)\.", lambda short: short[0].replace(".", ""), text)


def sentences(block):
    """The sentences of a block as lists of words, each with the number of lines before it."""
    text, begin = plain(block), 0
    for end in re.finditer(r"[.!?][)\"'”’\]]*(?=\s)|\Z", text):
        sentence = text[begin:end.end()]
        before = text[:begin] + sentence[:len(sentence) - len(sentence.lstrip())]
        if words := [word.translate(UNGLUED) for word in sentence.split() if re.search(r"[\w`]", word)]:
            yield before.count("\n") + before.count(GLUED[ord("\n")]), words
        begin = end.end()


def too_long(text):
    """The sentences of a Markdown text with more than `LIMIT` words: line, what is wrong."""
    for line, block in blocks(text):
        for offset, words in sentences(block):
            # A list that has only names is not a sentence.
            if len(words) > LIMIT and not all(word.startswith("`") for word in words):
                yield line + offset, f"{len(words)} words: {' '.join(words)}"


def retired_words(glossary):
    """The table of retired words at the end of the glossary."""
    _, _, section = glossary.partition("\n## Retired words\n")
    rows = [cells(line) for line in section.splitlines() if line.startswith("|")]
    for words, instead in rows[2:]:
        for word in words.split(","):
            yield Retired(word.strip().strip("`"), instead.strip(), "`" in word)


def uses(text, retired):
    """The retired words in a text: line, what is wrong."""
    for one in retired:
        for found in one.pattern().finditer(text):
            yield text.count("\n", 0, found.start()) + 1, f"`{' '.join(found[0].split())}` is retired: {one.instead}"


def spans(text):
    """A text in which everything except the code spans is blank."""
    kept, last = "", 0
    for span in CODE.finditer(text):
        kept += re.sub(r"\S", " ", text[last:span.start()]) + span[0]
        last = span.end()
    return kept


def comments(source):
    """The doc comments of a Rust source as Markdown, each with the number of the line before it."""
    block, start, kind = [], 0, None
    for number, line in enumerate([*source.splitlines(), ""], 1):
        found = re.match(r"\s*//([/!])(?!/) ?(.*)", line)
        if found is None or found[1] != kind:
            if block:
                yield start, "\n".join(block)
            block, start, kind = [], number - 1, found and found[1]
        if found:
            block.append(found[2])


def literals(source):
    """The string literals of a Rust source, each with the number of the line before it."""
    for token in TOKEN.finditer(source):
        text = token["raw"] if token["text"] is None else re.sub(r"\\\n\s*", "", token["text"])
        if text is not None:
            yield source.count("\n", 0, token.start()), text


def code(source):
    """A Rust source in which comments, string literals and character literals are blank."""
    return TOKEN.sub(lambda token: re.sub(r"[^\n]", " ", token[0]), source)


def in_page(text, retired):
    """What is wrong in a page: line, what."""
    names, words = [one for one in retired if one.is_name], [one for one in retired if not one.is_name]
    searched = text.partition("\n## Retired words\n")[0]
    yield from too_long(text)
    yield from uses(searched, words)
    yield from uses(spans(searched), names)


def in_source(text, retired):
    """What is wrong in a Rust source: line, what."""
    names, words = [one for one in retired if one.is_name], [one for one in retired if not one.is_name]
    for before, comment in comments(text):
        for line, what in [*too_long(comment), *uses(comment, words), *uses(spans(comment), names)]:
            yield before + line, what
    for before, literal in literals(text):
        for line, what in uses(literal, words):
            yield before + line, what
    yield from uses(code(text), names)


def files():
    """The pages and the sources, each with the function that searches it."""
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]):
        yield path, in_page
    for path in sorted([*ROOT.glob("src/**/*.rs"), *ROOT.glob("crates/*/src/**/*.rs")]):
        yield path, in_source


def excepted(finding):
    """The exceptions that accept a finding."""
    return [key for key in EXCEPTIONS if key[0] == finding.path and key[1] in finding.what]


def findings():
    """Everything that is wrong, with the accepted findings."""
    retired = list(retired_words((ROOT / "docs/glossary.md").read_text()))
    for path, search in files():
        for line, what in sorted(set(search(path.read_text(), retired))):
            yield Finding(path.relative_to(ROOT).as_posix(), line, what)


if __name__ == "__main__":
    found = [finding for finding in findings() if not excepted(finding)]
    print(*found, sep="\n")
    sys.exit(f"{len(found)} findings" if found else 0)
