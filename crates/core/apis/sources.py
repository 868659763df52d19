"""What the needs of integrations and APIs rest on, for `mlops-roles show`: `crates/cli/src/show/sources.json`.

`texts` has each source once, and the other members have positions in it. `services` has the pages of each service in
the service authorization reference. `integrations` has the pages of each pattern of an optimised integration, and
`apis` has the sources of the reviewed rows of each API, by service.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pages import pages
from rows import Table, load

# The cases that show the permissions of integrations, each with the page that it rests on.
CASES = Path(__file__).resolve().parents[2] / "engine/tests/data/service_calls"


class Sources:
    """Collects the sources."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}
        self.services: dict[str, list[int]] = {}
        self.integrations: dict[str, dict[str, list[int]]] = defaultdict(dict)
        self.apis: dict[str, dict[str, list[int]]] = defaultdict(dict)

    def add_service(self, name: str, prefix: str) -> None:
        """Adds the sources of a service: its pages, and what says which prefix it has."""
        row = load("services.json").get(name, {})
        own = pages(prefix) + ([row["source"]] if "source" in row else [])
        self.services[name] = self._positions(own)

    def add_dropped(self, names: Iterable[str]) -> None:
        """Adds the source of the services that Step Functions dropped."""
        for name in names:
            self.services[name] = self._positions([load("guide.json")["source"]["removed"]])

    def add_unsupported(self, apis: dict[str, set[str]]) -> None:
        """Adds the source of the APIs that Step Functions does not support."""
        source = load("guide.json")["source"]["unsupported"]
        for service, names in apis.items():
            for name in names:
                self._add_api(service, name, [source])

    def add_tables(self, tables: Iterable[Table]) -> None:
        """Adds the sources of the rows that were used, by API."""
        for table in tables:
            for api, sources in table.sources.items():
                self._add_api(*api.split(":"), sources)

    def add_cases(self) -> None:
        """Adds the pages of the cases, by integration and pattern."""
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for path in sorted(CASES.glob("*.json")):
            for case in json.loads(path.read_text("utf-8")):
                if "covers" in case:
                    name, pattern, _ = case["covers"]
                    found[name, pattern].add(case["source"])
        for (name, pattern), sources in sorted(found.items()):
            if name.startswith("aws-sdk:"):
                self._add_api(*name.split(":")[1:], sorted(sources))
            else:
                self.integrations[name][pattern] = self._positions(sorted(sources))

    def text(self) -> str:
        """The file: a line for each service or integration."""
        members: dict[str, dict] = {"services": self.services, "integrations": self.integrations, "apis": self.apis}
        texts = ",\n".join(_line(text) for text in self.texts)
        parts = [f'"texts": [\n{texts}\n]']
        for name, member in members.items():
            lines = ",\n".join(f"{_line(key)}:{_line(value)}" for key, value in sorted(member.items()))
            parts.append(f'"{name}": {{\n{lines}\n}}')
        return "{\n" + ",\n".join(parts) + "\n}\n"

    def _add_api(self, service: str, name: str, sources: Iterable[str]) -> None:
        before = self.apis[service].get(name, [])
        self.apis[service][name] = list(dict.fromkeys(before + self._positions(sources)))

    def _positions(self, sources: Iterable[str]) -> list[int]:
        return [self.texts.setdefault(text, len(self.texts)) for text in dict.fromkeys(sources)]


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
