"""The resources of each action of an API: by a reviewed row, else by the rules of finder.py."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import reference
from finder import Finder
from members import Member, members
from models import Api
from names import PLACEHOLDER, placeholders
from needs import Need, has_wildcard
from packed import REASONS
from problems import report
from rows import Row, Table

NOT_USED = "not-used"
# The default of the last placeholder of a template.
LAST_DEFAULT = re.compile(r"=\*\}(?=[^{]*$)")
# API Gateway authorizes calls that configure it by the method and the path of the request.
# <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-iam-policy-examples.html>
BY_PATH = ("apigateway", "apigatewayv2")
# A template whose member is the whole ARN, and required.
WHOLE_ARN = re.compile(r"[a-z0-9-]+:(?:[^:{}]*:[^:{}]*:)?\{([^|}]+)\|(?:cased-)?arn(?: [^=}]+)?\}")


@dataclass(frozen=True)
class Resource:
    """A template for one resource type of an action; `*` with a reason if no member names the type."""

    type: str
    is_required: bool
    template: str
    why: str
    # All resources of the type.
    wide: str
    is_named: bool = True
    given: str = ""
    lacking: tuple[str, ...] = ()


class Resources:
    """Answers which resources an action of an API needs."""

    def __init__(self) -> None:
        self.table = Table(
            "resources.json",
            ("service", "api", "type", "action"),
            {"service", "api", "type", "action", "on", "why", "wide", "lacking", "source"},
        )
        self.exact: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self.globs: dict[str, list[Row]] = defaultdict(list)
        for row in self.table.rows:
            if row.get("why", NOT_USED) not in {*REASONS, NOT_USED}:
                report("resources.json", f"{row['service']}:{row['api']}: unknown reason `{row['why']}`")
            if "*" in row["api"]:
                self.globs[row["service"]].append(row)
            else:
                self.exact[row["service"], row["api"]].append(row)

    def of(self, api: Api, action: str) -> list[Resource]:
        """The resources of an action; none if the reference names no resource type for it."""
        details = reference.action(action)
        prefix, _, own = action.partition(":")
        if details is None:
            return []
        if api.service in BY_PATH and (own == own.upper() or re.match("Add|Remove|Update", own)):
            path = api.request_path().removeprefix("/v2").replace("{ResourceArn}", "{ResourceArn|url-encoded}")
            # The newer resources are in an account.
            of_account = re.match("/(portal|domainnameaccess)", path) or "/routingrules" in path
            place = "@:@" if of_account else "@:"
            return [Resource("path", True, f"apigateway:{place}:{path}", "", f"apigateway:{place}:/*")]
        types = {one["name"]: one["required"] for one in details["resourceTypes"]}
        found = [
            one
            for key, required in types.items()
            for one in self.of_type(api, action, key, required, len(types) == 1)
        ]
        # The ARNs of an organization have its management account, which no member names.
        return [
            replace(one, template=one.template.replace("::@:", "::*:"), wide=one.wide.replace("::@:", "::*:"),
                    why=one.why or "partial") if prefix == "organizations" and one.why != NOT_USED else one
            for one in found
        ]

    def of_type(self, api: Api, action: str, key: str, required: bool, alone: bool) -> list[Resource]:
        """The resources of one type. `alone` says that the action has no other type."""
        prefix = action.partition(":")[0]
        formats = reference.formats(prefix)
        form = formats.get(key)
        wide = form.wide if form else "*"
        found = members(api)
        if row := self._row(api, action, key):
            return self._reviewed(row, found, Resource(key, required, "", row.get("why", ""), wide), alone)
        if form is None:
            return [Resource(key, required, "*", "condition", "*", is_named=False)]
        finder = Finder(api, prefix, found, key, formats, alone)
        hits = finder.find()
        several = not required and not alone
        if several and not finder.is_bound:
            hits = []
        if not hits:
            return [Resource(key, required, wide if required else "*", finder.why_not(), wide, is_named=False)]
        out = []
        for hit in hits:
            template, why = hit.template, hit.why
            if several and "=*}" in template:
                # Without the member, the call has no resource of this type.
                template, why = template.replace("=*}", "=}"), "partial" if template.endswith("*") else ""
            out.append(Resource(key, required, template, why or "partial" * has_wildcard(template), wide))
        return out

    def _row(self, api: Api, action: str, key: str) -> Row | None:
        """The reviewed row for a type: the one with the most exact type, then API."""
        rows = self.exact.get((api.service, api.name), []) + self.globs.get(api.service, [])
        for row in sorted(rows, key=lambda row: ("*" in row["type"], "*" in row["api"], -len(row["api"]))):
            if not fnmatchcase(api.name, row["api"]) or not fnmatchcase(key, row["type"]):
                continue
            if row.get("action", action).lower() != action.lower():
                continue
            paths = [path for template in row.get("on", []) for path in _paths(template)]
            missing = [path for path in paths if not api.has(path)]
            if missing and "*" in row["api"]:
                continue
            for path in missing:
                report("resources.json", f"{api}: the call has no member `{path}`; correct the path")
            return self.table.use(row, api)
        return None

    def _reviewed(self, row: Row, found: list[Member], base: Resource, alone: bool) -> list[Resource]:
        wide = row.get("wide", base.wide)
        if base.why == NOT_USED:
            return [Resource(base.type, base.is_required, "", NOT_USED, wide, is_named=False)]
        templates = row.get("on", [])
        if not templates:
            # The call acts on such resources, whether the reference says so or not.
            return [Resource(base.type, True, wide, base.why, wide, is_named=False)]
        optional = {member.path for member in found if not member.is_required}
        default = "=*" if (base.is_required or alone) and len(templates) == 1 else "="
        out = []
        for one in templates:
            template, _, given = one.partition(" ? ")
            template = PLACEHOLDER.sub(lambda place: _with_default(place, optional, default), template)
            why = base.why or ("partial" if has_wildcard(template) else "")
            out.append(
                Resource(
                    base.type, base.is_required, template, why, wide, given=given, lacking=tuple(row.get("lacking", ()))
                )
            )
        return out


def _with_default(place: re.Match[str], optional: set[str], default: str) -> str:
    """A placeholder with a default if its member may be absent."""
    return place[0] if place[3] or place[1] not in optional else f"{place[0][:-1]}{default}}}"


def _paths(template: str) -> list[str]:
    template, _, given = template.partition(" ? ")
    return placeholders(template) + ([given.partition("=")[0]] if given else [])


def needs(action: str, found: list[Resource], given: tuple[str, ...] = ()) -> list[Need]:
    """The needs of an action on its resources: one for each required type, and one for all optional types."""
    found = [one for one in found if one.why != NOT_USED]
    if not found:
        return [Need((action,), ("*",), given=given)]
    out: list[Need] = []
    by_type: dict[str, list[Resource]] = defaultdict(list)
    for one in found:
        if one.is_required:
            by_type[one.type].append(one)
    for of_types in _alternatives(by_type):
        out += _of_required(action, of_types, given)
    out = _joined(out)
    optional = [one for one in found if not one.is_required]
    named = [one for one in optional if one.is_named]
    if not named and out:
        return out
    if not named:
        why = min((one.why for one in optional), key=_weight)
        on = tuple(dict.fromkeys(one.template for one in optional if one.template != "*")) or ("*",)
        return [Need((action,), on, why=why, given=given)]
    plain = [one for one in named if not one.given]
    for value in dict.fromkeys(one.given for one in named if one.given):
        on = _templates([one for one in named if one.given == value])
        out.append(Need((action,), on, given=(value,)))
    if plain and not by_type:
        # Without the member, IAM checks the call against no resource of the type, which only `*` covers.
        plain = [replace(one, template=LAST_DEFAULT.sub("=}", one.template)) for one in plain]
    if plain:
        on = _templates(plain)
        must = bool(by_type) or any(_always_renders(template, len(on)) for template in on)
        why = _why(plain)
        out.append(Need((action,), on, () if must else ("*",), why or "" if must else why or "optional", given))
    return _joined(out)


def _joined(found: list[Need]) -> list[Need]:
    """The needs without doubles. Types that have the same members are one need."""
    out: dict[Need, tuple[str, ...]] = {}
    for need in found:
        key = replace(need, otherwise=(), why="optional" if need.otherwise and not need.why else need.why)
        out[key] = tuple(dict.fromkeys((*out.get(key, ()), *need.otherwise)))
    return [twin for need, otherwise in out.items() for twin in _with_alias(replace(need, otherwise=otherwise))]


def _with_alias(need: Need) -> Iterator[Need]:
    """A need, and that for a key by its alias. A policy can't name an alias, so a condition does."""
    yield need
    for template in need.on:
        if found := re.fullmatch(r"kms:\{([^|]+)\|used-key(=\*?)?\}", template):
            condition = {"ForAnyValue:StringLike": {"kms:ResourceAliases": f"{{{found[1]}|alias}}"}}
            yield replace(
                need, on=(f"kms:{{{found[1]}|aliased-key=}}",), why="", otherwise=(), condition=json.dumps(condition)
            )


def _alternatives(by_type: dict[str, list[Resource]]) -> list[list[Resource]]:
    """The required types, those whose ARN is one member together: the call names a resource of one of them."""
    out: dict[str, list[Resource]] = {}
    for key, found in by_type.items():
        member = WHOLE_ARN.fullmatch(found[0].template) if len(found) == 1 else None
        out.setdefault(f"{{{member[1]}}}" if member and not found[0].given else key, []).extend(found)
    return list(out.values())


def _of_required(action: str, of_type: list[Resource], given: tuple[str, ...]) -> list[Need]:
    conditional = [one for one in of_type if one.given]
    if conditional:
        return [Need((action,), (one.template,), why=_why([one]), given=(one.given,)) for one in conditional]
    on = _templates(of_type)
    absent = all("=}" in template for template in on)
    why = _why(of_type)
    need = Need((action,), on, (of_type[0].wide,) if absent else (), why or ("optional" if absent else ""), given)
    return [replace(need, lacking=of_type[0].lacking)]


def _templates(found: list[Resource]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.template for one in found))


def _always_renders(template: str, count: int) -> bool:
    """Whether a template gives a resource for every call. The ARN of another type gives none."""
    return "=}" not in template and (count == 1 or not re.search(r"\|(cased-)?arn\b|\|any-arn", template))


def _why(found: list[Resource]) -> str:
    """The reason for the wildcards that the templates have themselves.

    A default of `*` needs no reason here: the program names the member that is absent.
    """
    whys = []
    for one in found:
        if one.why == "optional":
            whys += ["partial"] if has_wildcard(one.template) else []
        elif one.why:
            whys.append(one.why)
    return min(whys, key=_weight) if whys else ""


def _weight(why: str) -> int:
    order = ("created", "content", "other-name", "partial", "list", "condition", "unnamed", "optional")
    return order.index(why)
