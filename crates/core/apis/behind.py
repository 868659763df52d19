"""What calls need besides their own action, and all that calls of S3 need: by reviewed rows.

The rows have the members of the table: README.md describes them.
"""

import json
import re
from collections import defaultdict

import reference
from models import Api, Service
from needs import Need, check, has_wildcard
from problems import report
from rows import Row, Table

MEMBERS = {"api", "allow", "on", "else", "why", "given", "lacking", "also", "condition", "declared", "to", "source"}


class Reviewed:
    """The rows of a file by API."""

    def __init__(self, file: str, services: dict[str, Service]) -> None:
        self.table = Table(file, ("api",), MEMBERS)
        self.by_api: dict[str, list[Need]] = defaultdict(list)
        for row in self.table.rows:
            service, _, name = row["api"].partition(":")
            api = services[service].apis.get(name) if service in services else None
            if api is None:
                report(file, f"{row['api']}: botocore has no such API; delete the row")
            else:
                self.by_api[row["api"]].append(self._need(api, self.table.use(row, api)))

    def of(self, api: Api) -> list[Need]:
        """The needs of an API."""
        return self.by_api.get(str(api), [])

    def _need(self, api: Api, row: Row) -> Need:
        file = self.table.file
        if not row.get("source"):
            report(file, f"{api}: no source; add the page that names the permission")
        declared = ""
        if "declared" in row:
            declared = json.dumps(row["declared"] | {"source": re.split("[;: ] ?(?!//)", row["source"])[0]})
            if not row["source"].startswith("https://"):
                report(file, f"{api}: `{row['source']}` is no address; what an author declares has one")
        for action in [*row.get("allow", ()), *row.get("declared", {}).get("bucket", ())]:
            if not reference.is_action(action):
                report(file, f"{api}: {action} is not in the reference; correct its spelling")
        lists = (tuple(row.get(name, ())) for name in ("allow", "on", "else"))
        allow, on, otherwise = lists
        condition = json.dumps(row["condition"]) if "condition" in row else ""
        need = Need(
            allow,
            on,
            otherwise,
            row.get("why", ""),
            tuple(row.get("given", ())),
            tuple(row.get("lacking", ())),
            tuple(row.get("also", ())),
            condition,
            to=row.get("to", ""),
            declared=declared,
        )
        if any(has_wildcard(one) for one in on if one != "*") and not need.why:
            report(file, f"{api}: a wildcard in {list(on)} without `why`; add the reason")
        check(file, api, need)
        return need
