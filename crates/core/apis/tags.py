"""The tagging actions that calls with tags need: by reviewed rows, on the resource that the call creates.

A row says for APIs of a service which members bring tags (`given`), and which actions the service authorizes for them
(`allow`). The resources are what the row says (`on`, `types`, or `types in` for a member that names the types). Else
they follow by rule: the type that the API is named after, else the types that its own action and the tagging action
share.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import replace

import reference
from members import normal
from models import Api, Service
from needs import Need, check, has_wildcard
from problems import report
from resources import NOT_USED, Resource, Resources, needs
from rows import Row, Table

CREATING = re.compile(
    r"^(batch)?(create|start|put|register|import|run|request|allocate|copy|restore|add|purchase|submit)"
)


class Tags:
    """Answers which tagging actions a call needs."""

    def __init__(self, services: dict[str, Service], resources: Resources) -> None:
        self.table = Table(
            "tags.json", ("service", "apis"), {"service", "apis", "given", "allow", "types", "types in", "on", "source"}
        )
        self.resources = resources
        self.by_api: dict[str, list[Row]] = {}
        for row in self.table.rows:
            apis = services[row["service"]].apis if row["service"] in services else {}
            for name in row["apis"]:
                if name not in apis:
                    report("tags.json", f"{row['service']}:{name}: botocore has no such API; delete it")
                self.by_api.setdefault(f"{row['service']}:{name}", []).append(row)
            for action in row["allow"]:
                if not reference.is_action(action):
                    report("tags.json", f"{row['service']}: {action} is not in the reference; correct its spelling")

    def of(self, api: Api, own: Iterable[str]) -> list[Need]:
        """The needs of a call with tags. `own` are the API's own actions."""
        return [
            need
            for row in self.by_api.get(str(api), ())
            for action in row["allow"]
            for need in self._of_action(api, self.table.use(row, api), action, list(own))
        ]

    def _of_action(self, api: Api, row: Row, action: str, own: list[str]) -> list[Need]:
        if action in own:
            return []
        key = reference.creation_key(action)
        condition = json.dumps({"StringEquals": {key: api.operation}}) if key else ""
        found = self._on(api, row, action, own)
        if "on" in row:
            found = [Need((action,), tuple(row["on"]), why="created" if any(map(has_wildcard, row["on"])) else "")]
        out = [replace(need, given=tuple(row["given"]), also=need.given, condition=condition) for need in found]
        for need in out:
            check("tags.json", api, need)
        return out

    def _on(self, api: Api, row: Row, action: str, own: list[str]) -> list[Need]:
        prefix = action.partition(":")[0]
        taggable = [one["name"] for one in (reference.action(action) or {}).get("resourceTypes", [])]
        shared = [
            one
            for of in own
            for one in self.resources.of(api, of)
            if one.type in taggable and of.startswith(f"{prefix}:")
        ]
        if "types in" in row:
            on = [f"{head}{{{path}=*}}/*" for path in row["types in"] for head in _heads(prefix, shared)]
            return [Need((action,), tuple(on), why="created")]
        if not taggable:
            return [Need((action,), ("*",))]
        types = row.get("types") or _named_after(api, taggable) or list(dict.fromkeys(one.type for one in shared))
        if not types:
            # The call creates something that no rule tells: all that the action can tag.
            formats = [reference.formats(prefix).get(key) for key in taggable]
            heads = {f"{form.head}*" if form else "*" for form in formats}
            return [Need((action,), tuple(sorted(heads)), why="created")]
        by_rule = "types" not in row
        return [need for key in types for need in self._on_type(api, action, key, shared, by_rule)]

    def _on_type(self, api: Api, action: str, key: str, shared: list[Resource], by_rule: bool) -> list[Need]:
        """The needs for a type: as for the API's own action, else by the rules, else all resources of the type."""
        form = reference.formats(action.partition(":")[0]).get(key)
        wide = form.wide if form else "*"
        found = [one for one in shared if one.type == key and one.why != NOT_USED]
        if not found and by_rule:
            found = self.resources.of_type(api, action, key, required=True, alone=True)
            found = [one for one in found if "{" in one.template and "=" not in one.template]
        if not found:
            return [Need((action,), (wide,), why="created")]
        found = [
            replace(one, is_required=True, template=one.wide if one.template == "*" else one.template) for one in found
        ]
        return needs(action, found)


def _named_after(api: Api, types: list[str]) -> list[str]:
    """The type that the API is named after: `createEndpoint` tags `endpoint`, not `endpoint-config`."""
    noun = CREATING.sub("", api.name.lower())
    by_name = {normal(one): one for one in types}
    names = (noun, noun.removesuffix("v2"), noun.removesuffix("s"), noun.removesuffix("job"))
    return next(([by_name[name]] for name in names if name in by_name), [])


def _heads(prefix: str, shared: list[Resource]) -> list[str]:
    """The beginnings of the ARNs of the types that the call may create. Those of images have no account."""
    found = {one.wide.rpartition(":")[0] + ":" for one in shared if one.wide != "*"}
    return sorted(found) or [f"{prefix}:"]
