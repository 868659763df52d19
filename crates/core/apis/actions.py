"""The IAM actions of each API: by the action of the same name, else by a reviewed row."""

from dataclasses import dataclass
from typing import Any

import reference
from models import Api, Service
from needs import WITHOUT_ACTION
from problems import report
from rows import Row, Table, load

MEMBERS = {"api", "actions", "verb", "none", "newer", "given", "perhaps", "which", "lacking", "unconfirmed", "source"}
KINDS = (["none"], ["newer"], ["verb"], ["actions"], ["newer", "actions"])


@dataclass(frozen=True)
class Action:
    """An action that an API needs, and the calls that need it."""

    name: str
    given: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Actions:
    """What an API needs of IAM by its own name.

    `kind` is `equal`, `reviewed`, `newer` or the reason why the API has no action.
    """

    own: str
    kind: str
    actions: tuple[Action, ...] = ()
    is_unconfirmed: bool = False


class Classifier:
    """Answers which actions an API needs."""

    def __init__(self, services: dict[str, Service]) -> None:
        self.table = Table("actions.json", ("api",), MEMBERS)
        self.rows = {row["api"]: row for row in self.table.rows}
        for row in self.table.rows:
            _check(row)
        self.prefixes = _prefixes(services)

    def of(self, api: Api) -> Actions:
        """The actions of an API."""
        prefix, unconfirmed = self.prefixes.get(api.service, ("", False))
        equal = reference.actions(prefix).get(api.operation.lower())
        written = f"{prefix}:{api.operation[0].upper()}{api.operation[1:]}"
        own = f"{prefix}:{equal['name']}" if equal else written
        key = next((key for key in (str(api), f"{api.service}:*") if key in self.rows), None)
        if key is None:
            if not equal:
                report(
                    "actions.json",
                    f"{api}: the reference has no action of this name; add a row with `actions`, `none` "
                    "or `newer`, and its source",
                )
            return Actions(written, "equal", (Action(own),))
        row = self.rows[key]
        if not (equal and "newer" in row and key.endswith("*")):
            self.table.use(row, api)
        if "none" in row:
            return Actions(written, row["none"])
        if "newer" in row and equal:
            if key == str(api):
                report("actions.json", f"{api}: the reference has {own} now; delete the row")
            return Actions(written, "equal", (Action(own),))
        if "=" in row.get("actions", []) and not equal and "newer" not in row:
            report("actions.json", f"{api}: `=` stands for an action of the same name, but there is none")
        doubtful = "newer" in row or bool(row.get("unconfirmed")) or unconfirmed
        return Actions(written, "newer" if "newer" in row else "reviewed", _actions(api, row, prefix, own), doubtful)


def _actions(api: Api, row: Row, prefix: str, own: str) -> tuple[Action, ...]:
    named: list[str] = [own if one == "=" else one for one in row.get("actions", ["="])]
    if "verb" in row:
        named = [f"{prefix}:{api.model['http']['method']}"]
    if "which" in row:
        # A text or an ARN of the call decides among the actions, so the call may need any of them.
        named += row.get("perhaps", [])
    lacking: dict[str, list[str]] = row.get("lacking", {})
    found = [Action(name, lacking=tuple(lacking.get(name, ()))) for name in dict.fromkeys(named)]
    by_action: dict[str, list[str]] = {}
    for member, actions in row.get("given", {}).items():
        for name in actions:
            by_action.setdefault(name, []).append(member)
    found += [Action(name, tuple(given)) for name, given in by_action.items() if name not in named]
    for path in [*row.get("given", {}), *([row["which"]] if "which" in row else [])]:
        if not api.has(path.partition("=")[0]):
            report("actions.json", f"{api}: the call has no member `{path}`; correct the path")
    return tuple(found)


def _check(row: Row) -> None:
    api = row["api"]
    if [kind for kind in ("none", "newer", "verb", "actions") if kind in row] not in KINDS:
        report("actions.json", f"{api}: expected one of `none`, `newer`, `verb` and `actions`")
    if row.get("none", "retired") not in WITHOUT_ACTION:
        report("actions.json", f"{api}: unknown reason `{row['none']}`; the reasons are {sorted(WITHOUT_ACTION)}")
    if "newer" not in row and not row.get("source"):
        report("actions.json", f"{api}: no source; add the page that names the action")
    named = [one for one in row.get("actions", []) if one != "="] + row.get("perhaps", [])
    named += [one for actions in row.get("given", {}).values() for one in actions]
    for action in named:
        if not reference.is_action(action):
            report("actions.json", f"{api}: {action} is not in the reference; correct its spelling, or add `newer`")


def _prefixes(services: dict[str, Service]) -> dict[str, tuple[str, bool]]:
    """The prefix of each service, and whether AWS does not confirm it."""
    exceptions: dict[str, dict[str, Any]] = load("services.json")
    known = {prefix: reference.actions(prefix) for prefix in reference.prefixes()}
    out = {}
    for name, service in services.items():
        prefix, exception = _computed(service, known), exceptions.get(name)
        if exception and exception["prefix"] == prefix:
            report("services.json", f"{name}: the rule finds this prefix too; delete the row")
        if exception and not exception.get("source"):
            report("services.json", f"{name}: no source; add the page that names the prefix")
        if not exception and prefix is None:
            report("services.json", f"{name}: no rule finds the prefix; add it with its source")
        if exception:
            out[name] = (exception["prefix"], bool(exception.get("unconfirmed")))
        else:
            out[name] = (prefix or name, False)
    for name in sorted(set(exceptions) - set(services)):
        report("services.json", f"{name}: botocore has no such service; delete the row")
    return out


def _computed(service: Service, known: dict[str, dict[str, Any]]) -> str | None:
    """The prefix in which most operations have an action of the same name; `None` if that does not decide.

    It decides if the prefix is one of the service's own names, or if it has at least 70 % of the operations and the
    next prefix at most half as many.
    """
    names = [api.operation.lower() for api in service.apis.values()]
    counts = sorted(((sum(name in of for name in names), prefix) for prefix, of in known.items()), reverse=True)
    most = counts[0][0]
    own = next((prefix for count, prefix in counts if count == most > 0 and prefix in service.own_names), None)
    if own or most < 0.7 * len(names) or counts[1][0] > most / 2:
        return own
    return counts[0][1]


def unsupported(services: dict[str, Service]) -> tuple[set[str], dict[str, set[str]]]:
    """What Step Functions does not support by its guide: services that it dropped, and APIs by service."""
    guide = load("guide.json")
    removed = {name for names in guide["removed"].values() for name in names}
    apis = {name: set(names) for name, names in guide["unsupported"].items()}
    for name, names in apis.items():
        for api in sorted(names - set(services[name].apis if name in services else ())):
            report("guide.json", f"{name}:{api}: botocore has no such API; delete it")
    return removed, apis
