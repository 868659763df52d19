"""Reads the reviewed rows, and notes which of them are used."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from problems import report

FOLDER = Path(__file__).with_name("reviewed")
Row = dict[str, Any]


class Table:
    """The rows of a file, one object a line, sorted."""

    def __init__(self, file: str, key: tuple[str, ...], members: set[str]) -> None:
        self.file = file
        lines = (FOLDER / file).read_text("utf-8").splitlines()
        self.rows: list[Row] = [json.loads(line.rstrip(",")) for line in lines[1:-1]]
        self.used: set[int] = set()
        self.sources: dict[str, list[str]] = defaultdict(list)
        order = [tuple(str(row.get(name, "")) for name in key) for row in self.rows]
        for at, (one, row) in enumerate(zip(order, self.rows, strict=True)):
            if at and order[at - 1] > one:
                report(file, f"{one}: not sorted by {', '.join(key)}; move the row up")
            if unknown := set(row) - members:
                report(file, f"{one}: unknown members {sorted(unknown)}")

    def use(self, row: Row, api: object) -> Row:
        """Notes that a row is used for an API, `sagemaker:createEndpoint`, and what the row rests on."""
        self.used.add(id(row))
        if source := row.get("source"):
            self.sources[str(api)].append(source)
        return row

    def report_unused(self) -> None:
        """Reports the rows that nothing used."""
        for row in self.rows:
            if id(row) not in self.used:
                report(self.file, f"this row is not used; delete it: {json.dumps(row, ensure_ascii=False)}")


def load(file: str) -> Any:
    """A file that is not a list of rows."""
    return json.loads((FOLDER / file).read_text("utf-8"))
