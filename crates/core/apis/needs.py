"""A need of the table: what one API needs of IAM, and how the table writes it."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import reference
from models import Api
from names import placeholders, without_placeholders
from packed import REASONS, SIGN
from problems import report

# The reasons why an API has no IAM action.
WITHOUT_ACTION = {"always allowed", "bearer token", "no action", "retired", "unsigned"}
# What a placeholder does with the value of its member; the heads of `form.rs` and `api_form.rs` describe them.
HOWS = frozenset(
    """
    aliased-key any-arn any-path api arn base-model before-colon bucket bucket-arn bucket-of-arn bus called-model
    cased cased-arn copy-source document email full function function-name image-repository key known-by-arn
    last-segment model object object-arn object-in object-url objects objects-below-arn or parameter parent path
    profile profile-models prompt queue report-group resolved-parameter retyped revision role secret short-id slug
    state-machine task-definition url-encoded used-key without-scheme
    """.split()
)
# A member in a condition: `"{KmsKeyId|alias}"`.
CONDITION_PATH = re.compile(r'"\{([A-Za-z][^|}"]*)(?:\|[a-z-]+)?\}"')


@dataclass(frozen=True)
class Need:
    """Actions on resources, or roles to pass, with the calls that need them."""

    allow: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    why: str = ""
    given: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    condition: str = ""
    roles: tuple[str, ...] = ()
    to: str = ""
    is_optional: bool = False
    is_profile: bool = False
    declared: str = ""

    def written(self, own: str) -> str:
        """The need as the table has it. `own` is the action of the API's name.

        An action or a template that begins with a colon has the prefix of the service.
        """
        prefix = own.partition(":")[0]

        def short(names: tuple[str, ...]) -> list[str]:
            return [name.removeprefix(prefix) if name.startswith(f"{prefix}:") else name for name in names]

        found: dict[str, Any] = {}
        if self.allow and self.allow != (own,):
            found["allow"] = short(self.allow)
        found |= {
            "on": short(self.on),
            "else": short(self.otherwise),
            "why": self.why,
            "given": self.given,
            "lacking": self.lacking,
            "also": self.also,
        }
        if self.condition:
            found["condition"] = json.loads(self.condition)
        found |= {
            "pass": self.roles,
            "to": self.to,
            "optional": self.is_optional,
            "profile": self.is_profile,
        }
        if self.declared:
            found["declared"] = json.loads(self.declared)
        return json.dumps(
            {name: value for name, value in found.items() if value}, separators=(",", ":"), ensure_ascii=False
        )

    @property
    def is_unlimited(self) -> bool:
        """Whether IAM has no resource-level permissions for the actions."""
        return self.on == ("*",) and not self.why and not self.condition


def arranged(needs: Iterable[Need], own: str) -> list[Need]:
    """The needs of an API in the order of the table. Needs that differ only in their actions are one need."""
    merged: dict[Need, set[str]] = {}
    for need in needs:
        merged.setdefault(replace(need, allow=()), set()).update(need.allow)
    found = [replace(need, allow=tuple(sorted(actions))) for need, actions in merged.items()]

    def place(need: Need) -> tuple[bool, bool, tuple[str, ...], str]:
        return bool(need.roles), own not in need.allow, need.allow, need.written(own)

    return sorted(found, key=place)


def check(file: str, api: Api, need: Need) -> None:
    """Reports paths that the call cannot have, and unknown words in templates."""
    paths = [re.split("[=:]", path)[0] for path in (*need.given, *need.lacking, *need.also)] + list(need.roles)
    for template in (*need.on, *need.otherwise):
        paths += placeholders(template)
        for part in template.split("{")[1:]:
            how = part.split("}")[0].split("=")[0].partition("|")[2].split(" ")[0]
            if how and how not in HOWS:
                report(file, f"{api}: `{template}`: unknown kind of placeholder `{how}`; add it to HOWS in needs.py")
    paths += CONDITION_PATH.findall(need.condition)
    for value in (*need.allow, *need.on, *need.otherwise, *need.given, *need.lacking, *need.also, *need.roles):
        if SIGN.search(value):
            report(file, f"{api}: `{value}` has a character that stands for something in the packed table: packed.py")
    for path in paths:
        if not api.has(path):
            report(file, f"{api}: the call has no member `{path}`; correct the path")
    typed = [action for action in need.allow if (reference.action(action) or {}).get("resourceTypes")]
    if "*" in need.on and not need.why and typed:
        report(file, f"{api}: {', '.join(typed)} on `*` without `why`, but IAM has resources for it; name them in `on`")
    if need.why and need.why not in REASONS:
        report(file, f"{api}: unknown reason `{need.why}`; add it to REASONS in packed.py and apis.rs, and to README.md")


def has_wildcard(template: str) -> bool:
    """Whether a template has a wildcard for every call."""
    return "*" in without_placeholders(template)
