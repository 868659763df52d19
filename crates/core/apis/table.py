"""How the table is written: the short forms that keep it small. README.md describes them for readers."""

import re
from collections.abc import Iterable, Iterator

VERB = re.compile(r"[a-z0-9]+")


def block(apis: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The lines of a service, from the name of each API and its needs. APIs with the same needs are one line."""
    shared: dict[str, list[str]] = {}
    for name, needs in sorted(apis):
        shared.setdefault(needs, []).append(name)
    for needs, names in shared.items():
        yield f"{' '.join(names_of(names))} {needs}".rstrip()


def names_of(names: list[str]) -> list[str]:
    """The names of APIs, those of one noun together: `create,delete/Crawler`."""
    verbs: dict[str, list[str]] = {}
    for name in names:
        found = VERB.match(name)
        verb = found[0] if found and found[0] != name else ""
        verbs.setdefault(name[len(verb) :], []).append(verb)
    return [f"{','.join(of)}/{noun}" if len(of) > 1 else f"{of[0]}{noun}" for noun, of in verbs.items()]
