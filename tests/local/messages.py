"""Collects the texts that the sources can show to a user, and the texts that the pages of the documentation quote."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The sources of what a user sees: reasons, notes, steps, log messages. The texts of `crates/generate` are in generated
# tables.
SOURCES = ["crates/core/src", "crates/engine/src", "crates/cli/src", "src"]
TOKENS = re.compile(r"""//[^\n]*|/\*.*?\*/|r(?P<hashes>\#*)"(?P<raw>.*?)"(?P=hashes)|"(?P<text>(?:\\.|[^"\\])*)"|'(?:\\.[^']*|[^'\\])'""",
                    re.DOTALL)
WORDS = re.compile(r"[A-Za-z][a-z']* [a-z']+")


def literals(source):
    """The string literals of Rust source text with at least two words, as users see them; `…` is what differs."""
    found = []
    for token in TOKENS.finditer(source):
        text = token["raw"] if token["raw"] is not None else token["text"]
        before = source[:token.start()].rstrip()
        # Users never see the reasons of lint attributes and of `expect`.
        if text is None or before.endswith(("reason =", "expect(")):
            continue
        if token["raw"] is None:
            text = re.sub(r"\\\n\s*", "", text).replace("\\\"", "\"").replace("\\n", " ").replace("\\'", "'").replace("\\\\", "\\")
        text = shown(text)
        if any(WORDS.search(part) for part in fragments(text)):
            found.append(text)
    return found


def shown(text):
    """A format string with `…` for each value."""
    # The order of the replacements matters: `${{{name}}}` shows `${…}`.
    text = re.sub(r"\{[^{}]*\}", "…", text.replace("{{", "\1"))
    return text.replace("\1", "{").replace("}}", "}")


def fragments(text):
    """The fixed parts of a text between the values, without the punctuation at their ends."""
    parts = (re.sub(r"\s+", " ", part).strip(" `.,:;()'\"") for part in text.split("…"))
    return [part for part in parts if part]


def of_tables():
    """The reasons for wildcards in the tables of integrations and of capabilities."""
    def whys(value):
        if isinstance(value, dict):
            for key, one in value.items():
                if key == "why":
                    yield one
                yield from whys(one)
        elif isinstance(value, list):
            for one in value:
                yield from whys(one)
    tables = sorted((ROOT / "crates/core/src/permissions/integration").glob("*.json"))
    for path in [*tables, ROOT / "crates/core/src/resource/execution_role/capabilities.json"]:
        yield from whys(json.loads(path.read_text()))


def of_sources():
    """The texts that the sources can show, each with its file."""
    texts = {}
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.rs")):
            for text in literals(path.read_text()):
                texts.setdefault(text, str(path.relative_to(ROOT)))
    return texts


def page_text(pages):
    text = "\n".join(page.read_text() for page in pages)
    return re.sub(r"\s+", " ", text.replace("\\|", "|").replace("&nbsp;", " "))


def undocumented(text, pages):
    """The parts of a text that no page has. A page may quote the text after "expected" without that word."""
    return [part for part in fragments(text)
            if WORDS.search(part) and part not in pages and part.removeprefix("expected ") not in pages]


def quoted(page):
    """The messages of a page: the code spans in the first column of each table of messages."""
    heads = ("message", "reason", "end of the reason", "note", "text")
    for table in re.findall(r"(?:^\|.*\n)+", page.read_text(), re.MULTILINE):
        cells = [re.match(r"\|((?:\\\||[^|])*)\|", line)[1].strip() for line in table.splitlines()]
        if cells[0] in heads:
            for cell in cells[2:]:
                for long, short in re.findall(r"``+ ?(.+?) ?``+|`([^`]+)`", cell):
                    yield long or short
