"""The packed form of the table, which the program has: `apis.rs` describes it."""

import json
import re

# The letters of the commonest verbs, as in `VERBS` of `apis.rs`.
VERBS = {
    "list": "l",
    "get": "g",
    "delete": "d",
    "create": "c",
    "update": "u",
    "describe": "e",
    "put": "p",
    "start": "s",
    "tag": "t",
    "untag": "n",
    "associate": "a",
    "disassociate": "i",
    "stop": "o",
    "modify": "m",
    "cancel": "x",
    "search": "h",
    "add": "j",
    "enable": "f",
    "remove": "r",
    "disable": "k",
    "register": "q",
    "send": "v",
    "set": "w",
    "import": "y",
    "deregister": "z",
}
LETTERS = VERBS | {f"batch{verb.capitalize()}": f"b{letter}" for verb, letter in VERBS.items()}
VERB = re.compile(rf"batch(?:{'|'.join(verb.capitalize() for verb in VERBS)})(?=[A-Z])|[a-z0-9]+")
# The letters of the reasons of wildcards, as in `REASONS` of `apis.rs`.
REASONS = {
    "created": "c",
    "unnamed": "u",
    "optional": "o",
    "list": "l",
    "other-name": "n",
    "content": "t",
    "partial": "p",
    "condition": "d",
}
# The characters that stand for something in needs. No value has one of them.
SIGN = re.compile(r"[><#+$%`^'&;~]")
# A shorter noun is in too many words.
SHORTEST = 3
# A line of the table as people read it: names, and what these APIs need.
LINE = re.compile(r"((?:[\w,/]+ ?)+?)(?: ([\[?!-].*))?")

Need = dict
Places = tuple[list[str] | None, list[str] | None, str | None]


def packed(text: str) -> str:
    """Packs the table. APIs of a service with the same needs are one line; lines are in the order of their nouns."""
    first, *blocks = text.rstrip("\n").split("\n@")
    lines = [first]
    for head, *rest in (one.split("\n") for one in blocks):
        prefix = head.split(" ")[1]
        shared: dict[str, dict[str, list[str]]] = {}
        for name, entry in sorted(one for line in rest for one in apis(line)):
            found = VERB.match(name)
            verb = found[0] if found else ""
            nouns = shared.setdefault(_packed_entry(entry, prefix), {})
            nouns.setdefault(name[len(verb) :], []).append(verb)
        lines.append(f"@{head}")
        before = ""
        for groups, entry in sorted((sorted(nouns.items()), entry) for entry, nouns in shared.items()):
            names = []
            for noun, verbs in groups:
                names.append(_verbs(verbs) + _noun(noun, before))
                before = noun
            needs = entry if entry.startswith("-") else _shortened(entry, groups[0][0])
            lines.append(f"{' '.join(names)} {needs}".rstrip())
    return "\n".join(lines) + "\n"


def apis(line: str) -> list[tuple[str, str]]:
    """The names in a line of the table, each with what the line says."""
    found = LINE.fullmatch(line)
    assert found, line
    names = (name.rpartition("/") for name in found[1].split(" "))
    return [(verb + noun, found[2] or "") for verbs, _, noun in names for verb in verbs.split(",")]


def _packed_entry(entry: str, prefix: str) -> str:
    mark = "?" * entry.startswith("?")
    needs = entry.removeprefix("?")
    if not needs.startswith("["):
        return entry
    parsed = json.loads(needs)
    before: list[Need] = [{}, *parsed]
    return mark + ";".join(_packed_need(need, last, prefix) for last, need in zip(before, parsed, strict=False))


def _packed_need(need: Need, before: Need, prefix: str) -> str:
    """A need begins with its resources, its roles or what is declared. So the first one never begins like a name."""
    text, tagging = "", {"allow": [":TagResource"], "given": ["Tags"]}
    if all(need.get(name) == value for name, value in tagging.items()):
        text, need = "!", {name: value for name, value in need.items() if name not in tagging}
    if "on" in need and _places(need) != _places(before):
        on = need["on"]
        text += ">" * (on[0][0] not in ":*") + ">".join(on) + _parts("<", need.get("else", []))
        text += f"#{REASONS[need['why']]}" if "why" in need else ""
    text += _parts("$", need.get("pass", []))
    text += f"&{_json(need['declared'])}" if "declared" in need else ""
    text += _parts("+", [action.removeprefix(":") for action in need.get("allow", [])])
    for sign, name in (("^", "given"), ("^!", "lacking"), ("^*", "also")):
        text += _parts(sign, need.get(name, []))
    if need.get("to", "") != (f"{prefix}.amazonaws.com" if "pass" in need else ""):
        text += f"%{need.get('to', '').removesuffix('.amazonaws.com')}"
    text += "`" * need.get("optional", False) + "`p" * need.get("profile", False)
    return text + (f"'{_json(need['condition'])}" if "condition" in need else "")


def _places(need: Need) -> Places:
    """What a need shares with the need before if it names no resources."""
    return need.get("on"), need.get("else"), need.get("why")


def _parts(sign: str, texts: list[str]) -> str:
    return "".join(f"{sign}{text}" for text in texts)


def _json(value: object) -> str:
    """JSON in which no character stands for anything else."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return SIGN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _verbs(verbs: list[str]) -> str:
    """The verbs of a noun: letters in the order of `LETTERS`, then the other verbs."""
    common = [letter for verb, letter in LETTERS.items() if verb in verbs]
    return "".join(common + [f".{verb}" for verb in sorted(verbs) if verb not in LETTERS])


def _noun(noun: str, before: str) -> str:
    """A noun with a mark for the part that it shares with the noun before."""
    if before and noun.startswith(before):
        return f"~{noun.removeprefix(before)}"
    last = max((at for at, character in enumerate(before) if character.isupper()), default=0)
    return f"^{noun[last:]}" if last and noun.startswith(before[:last]) else noun


def _shortened(needs: str, noun: str) -> str:
    """Needs with `~` in the place of a noun: in kebab case behind `:`, `/` and a space, else as it is."""
    noun = noun.removesuffix("s")
    if len(noun) < SHORTEST:
        return needs
    kebab = re.sub(r"(?<!^)([A-Z])", r"-\1", noun).lower()
    needs = re.sub(rf"(?<=[:/ ]){kebab}(?=[/:}}*]|$)", "~", needs)
    return re.sub(rf"(?<![:/ a-z]){noun}(?![a-z])", "~", needs)
