"""The members of calls that name roles to pass: by reviewed rows. Each member that may name a role is in a row.

A member is a candidate if its name, its shape, its pattern or its documentation speaks of an IAM role or an instance
profile. Rows of roles.json say to which services the role is passed; rows of not_roles.json say why the member is no
role to pass. In a row, the API `*` stands for every API of the service that has the member, `**.Name` for the member at
every depth, and `**` for every candidate of the service.
"""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from models import Api, Service, texts
from names import plain
from needs import Need
from problems import report
from rows import Row, Table

NAME = re.compile(r"role|instance_?profile", re.IGNORECASE)
PATTERN = re.compile(r"role|:iam:", re.IGNORECASE)
PART = re.compile(r"(?i).*(arn|name|id)")
# API Gateway calls the role of an integration or authorizer "credentials".
CREDENTIALS = re.compile(r"(Authorizer)?Credentials(Arn)?")
TEXT = re.compile(
    r"\bIAM\b.{0,60}\brole\b|\brole\b.{0,40}(\bARN\b|Amazon Resource Name)|"
    r"(\bARN\b|Amazon Resource Name).{0,60}\brole\b|"
    r"instance profile|\bservice role\b|\bexecution role\b|arn:aws[^ ]*:iam:[^ ]*:role",
    re.IGNORECASE,
)
PRINCIPAL = re.compile(r"[a-z0-9.-]+\.amazonaws\.com")
# Why a candidate is no role to pass; README.md has the text of each.
NOT_ROLES = {
    "text",
    "fixed",
    "own-role",
    "own-profile",
    "iam",
    "assumes",
    "principal",
    "other-account",
    "later",
    "attached",
    "describes",
    "service-linked",
    "creates",
    "reads",
    "removes",
    "no-pass",
}


@dataclass(frozen=True)
class Candidate:
    """A member that may name a role."""

    api: Api
    path: str
    is_required: bool


def is_candidate(service: str, path: str, shape: str, spec: dict[str, Any], text: str) -> bool:
    """Whether a member may name a role."""
    names = [part.removesuffix("[*]").removesuffix("[*]") for part in path.split(".")]
    names = [name for name in names if name not in ("*", "keys()")]
    last = names[-1] if names else ""
    return bool(
        NAME.search(last)
        or len(names) > 1
        and NAME.search(names[-2])
        and PART.fullmatch(last)
        or service.startswith("apigateway")
        and CREDENTIALS.fullmatch(last)
        or NAME.search(shape)
        or PATTERN.search(spec.get("pattern", ""))
        or "enum" not in spec
        and TEXT.search(plain(text))
    )


class Roles:
    """Answers which roles a call passes."""

    def __init__(self, services: dict[str, Service]) -> None:
        key = ("service", "api", "member")
        self.table = Table("roles.json", key, {*key, "to", "as", "given", "source"})
        others = Table("not_roles.json", key, {*key, "why"})
        self.by_service: dict[str, list[Row]] = defaultdict(list)
        for row in self.table.rows:
            self.by_service[row["service"]].append(row)
            if not row.get("source") or not all(map(PRINCIPAL.fullmatch, row.get("to", []))):
                report(
                    "roles.json", f"{row['service']}:{row['api']} {row['member']}: no source, or no principal in `to`"
                )
        not_roles: dict[str, list[Row]] = defaultdict(list)
        for row in others.rows:
            not_roles[row["service"]].append(row)
            if row["why"] not in NOT_ROLES:
                report("not_roles.json", f"{row['service']}:{row['api']}: unknown reason `{row['why']}`")
        self.found: dict[str, list[tuple[Candidate, Row]]] = defaultdict(list)
        for service in services.values():
            for api in service.apis.values():
                for one in candidates(api):
                    self._place(one, not_roles[service.name], others)
        others.report_unused()
        self._add_keys_of_maps(services)

    def _place(self, one: Candidate, not_roles: list[Row], others: Table) -> None:
        """Finds the one row of a candidate."""
        rows = [self.table.use(row, one.api) for row in self.by_service[one.api.service] if _covers(row, one)]
        elsewhere = [others.use(row, one.api) for row in not_roles if _covers(row, one)]
        self.found[str(one.api)] += [(one, row) for row in rows]
        if not rows and not elsewhere:
            report(
                "roles.json", f"{one.api} {one.path}: may name a role; add a row here with `to`, or to not_roles.json"
            )
        elif rows and elsewhere:
            report("roles.json", f"{one.api} {one.path}: also in not_roles.json; delete one of both rows")

    def _add_keys_of_maps(self, services: dict[str, Service]) -> None:
        """Adds the rows of members that the model lacks: keys of maps, and values that another member explains."""
        for row in self.table.rows:
            api = services[row["service"]].apis.get(row["api"]) if row["service"] in services else None
            if id(row) not in self.table.used and api and api.has(row["member"]):
                self.found[str(api)].append((Candidate(api, row["member"], False), self.table.use(row, api)))

    def of(self, api: Api) -> list[Need]:
        """The needs of a call that passes roles: one for each service that gets them."""
        grouped: dict[Need, list[str]] = {}
        for one, row in self.found.get(str(api), ()):
            for to in row.get("to") or [""]:
                need = Need(
                    to=to,
                    is_optional=not one.is_required,
                    is_profile=row.get("as") == "instance profile",
                    given=tuple(row.get("given", ())),
                )
                grouped.setdefault(need, []).append(one.path)
        return [_with_roles(need, paths) for need, paths in grouped.items()]


def candidates(api: Api) -> list[Candidate]:
    """The members of a call that may name a role."""
    return [
        Candidate(api, path, required)
        for path, required, shape, spec, text in texts(api)
        if is_candidate(api.service, path, shape, spec, text)
    ]


def _covers(row: Row, one: Candidate) -> bool:
    pattern, path = row["member"], one.path
    if pattern.startswith("**."):
        fits = path == pattern[3:] or path.endswith(pattern[2:])
    else:
        fits = pattern in ("**", path)
    return row["api"] in ("*", one.api.name) and fits


def _with_roles(need: Need, paths: list[str]) -> Need:
    return Need(
        roles=tuple(sorted(set(paths))),
        to=need.to,
        is_optional=need.is_optional,
        is_profile=need.is_profile,
        given=need.given,
    )
