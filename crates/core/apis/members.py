"""The texts of a call that may name a resource, and whether each holds a name, an ARN or either."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

from models import Api
from names import member_name

# A member deeper than this describes something else than the resource of the call.
DEPTH = 3
ARN = r"(?:ARN|Amazon Resource Name)"
SAYS_EITHER = re.compile(
    rf"(name|id|identifier|alias)s?(?: \([^)]*\))?(?:,)? or (?:the )?(?:full )?{ARN}|"
    r"(?:ARN|Amazon Resource Name(?: \(ARN\))?)s?(?:,)?(?: or|, the| or the| or the| of the [a-z ]+ or) (?:the )?"
    r"(?:\w+ )?(name|id|identifier)|"
    r"either the|either an? |name, .{0,30}ARN|ARN, .{0,30}(?:name|id)\b",
    re.IGNORECASE,
)
SAYS_ARN = re.compile(r"\bARN\b|Amazon Resource Name")


@cache
def normal(text: str) -> str:
    """A name without case and punctuation, so that `ClusterName` and `cluster-name` are equal."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


@cache
def singular(text: str) -> str:
    """A plural as a singular, by its ending."""
    if text.endswith("ies"):
        return text[:-3] + "y"
    if text.endswith("sses"):
        return text[:-2]
    return text[:-1] if text.endswith("s") and not text.endswith("ss") else text


@dataclass(frozen=True, eq=False)
class Member:
    """A text or number of a call: its path, whether all levels above require it, and what its documentation says."""

    path: str
    name: str
    pattern: str
    is_required: bool
    text: str
    depth: int

    @cached_property
    def normal(self) -> str:
        """The name in normal form."""
        return normal(self.name)

    @property
    def is_list(self) -> bool:
        """Whether the call can have several of it."""
        return "[*]" in self.path

    @property
    def options(self) -> list[str]:
        """The names that may stand for a resource: that of a list in singular too."""
        return [self.normal, singular(self.normal)] if self.is_list else [self.normal]

    @property
    def parent(self) -> str:
        """The name of the structure that the member is in, in normal form."""
        return normal(self.path.split(".")[-2]) if self.depth else ""

    @cached_property
    def form(self) -> str:
        """What the member holds by its pattern, else by its documentation: `name`, `arn` or `either`."""
        always = _is_arn(self.pattern)
        says_either = SAYS_EITHER.search(self.text)
        if self.normal.endswith(("arn", "arns")) and not (always is False and says_either):
            return "arn"
        if always is not None and (always or ":" in self.pattern):
            return "arn" if always else "either"
        if says_either or (SAYS_ARN.search(self.text) and (":" in self.pattern or not self.pattern)):
            return "either"
        return "name"


@lru_cache(maxsize=8)
def members(api: Api) -> list[Member]:
    """The members of a call, outermost first."""
    return list(_below(api.shapes, api.input, 0, "", True, ())) if api.input else []


def _below(
    shapes: dict[str, Any], shape_name: str, depth: int, prefix: str, required: bool, above: tuple[str, ...]
) -> Iterator[Member]:
    shape = shapes[shape_name]
    if depth >= DEPTH or shape_name in above or shape["type"] != "structure":
        return
    inner = []
    for name, ref in shape.get("members", {}).items():
        target, each, text = shapes[ref["shape"]], "", ref.get("documentation", "")
        must = required and name in shape.get("required", [])
        of = ref["shape"]
        while target["type"] == "list":
            text = text or target["member"].get("documentation", "")
            of, each = target["member"]["shape"], each + "[*]"
            target = shapes[of]
        path = f"{prefix}{member_name(name)}{each}"
        if target["type"] in ("string", "integer", "long"):
            text = re.sub(r"<[^>]+>", "", f"{text} {target.get('documentation', '')}")
            yield Member(path, name, target.get("pattern", ""), must, text, depth)
        elif target["type"] == "structure":
            inner.append((of, path, must))
    for of, path, must in inner:
        yield from _below(shapes, of, depth + 1, f"{path}.", must, (*above, shape_name))


def _is_arn(pattern: str) -> bool | None:
    """Whether a pattern matches nothing but ARNs; `None` if it has no `arn`."""
    pattern = pattern.strip().removeprefix("^").removesuffix("$")
    if "arn" not in pattern:
        return None
    return all(map(_begins_as_arn, _alternatives(pattern)))


def _alternatives(pattern: str) -> list[str]:
    """The alternatives of a pattern, without those in its groups."""
    depth, escaped, in_class, parts = 0, False, False, [""]
    for char in pattern:
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "|" and depth == 0:
            parts.append("")
            continue
        else:
            depth += (char == "(") - (char == ")")
        parts[-1] += char
    return parts


def _begins_as_arn(alternative: str) -> bool:
    text = alternative.strip().removeprefix("^").removesuffix("$")
    if not text.startswith("("):
        return text.startswith("arn")
    depth = 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            inner, after = re.sub(r"^\?(:|<\w+>)", "", text[1:at]), text[at + 1 :]
            return not after.startswith(("?", "*", "{0")) and _is_arn(inner) is True
    return False
