"""Makes text from a pull request safe for the log, workflow commands, output files and Markdown."""

import re
import secrets
import unicodedata

# Controls, invisible and reversing marks, bytes that are not UTF-8, and other line ends.
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def visible(text, keep=""):
    """The text with an escape such as `\\x1b` for each character that would change how the text is shown."""
    def shown(character):
        hidden = unicodedata.category(character[0]) in HIDDEN and character[0] not in keep
        return character[0].encode("unicode_escape").decode() if hidden else character[0]
    return re.sub(r"[^ -~]", shown, text)


def code(text):
    """A code span of Markdown, in which nothing is Markdown or HTML."""
    text = visible(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if not text.strip() or "`" in (text[0], text[-1]) else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def command(kind, message, **properties):
    """A workflow command such as `error`, which becomes an annotation.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
    """
    def data(text):
        # GitHub shows the line ends of an annotation, and no other control.
        text = visible(text, keep="\r\n")
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    told = ",".join(f"{name}={data(value).replace(':', '%3A').replace(',', '%2C')}" for name, value in properties.items())
    return f"::{kind}{' ' if told else ''}{told}::{data(message)}"


def inert(text):
    """Lines for the log, in which the runner reads no workflow command."""
    token = secrets.token_hex(16)
    lines = "".join(f"  {visible(line, keep=chr(9))}\n" for line in text.split("\n"))
    return f"::stop-commands::{token}\n{lines}::{token}::"


def output(name, value):
    """The lines of `GITHUB_OUTPUT` for one output. No value can end its own lines, because nobody knows the delimiter."""
    delimiter = f"end-{secrets.token_hex(16)}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
