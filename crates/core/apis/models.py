"""The API models of botocore: which APIs there are, and which members their calls have."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import botocore

from names import api_name, joined, member_name, service_name

# Members that Step Functions adds to those of the API.
ADDED = {"apigatewaymanagementapi": {"ApiEndpoint", "Stage"}}


@dataclass(frozen=True, eq=False)
class Api:
    """An API with its model."""

    service: str
    name: str
    operation: str
    model: dict[str, Any]
    shapes: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.service}:{self.name}"

    @property
    def input(self) -> str:
        """The shape of the call; empty if the call has no members."""
        return self.model.get("input", {}).get("shape", "")

    def has(self, path: str) -> bool:
        """Whether a call can have the member of a path. Any key of a map counts as a member."""
        return path in ADDED.get(self.service, ()) or bool(self.input and self._reaches(self.input, path))

    @cached_property
    def _members(self) -> dict[str, dict[str, tuple[str, bool]]]:
        return {}

    def members(self, shape: str) -> dict[str, tuple[str, bool]]:
        """The members of a structure: for each its shape, and whether the model requires it."""
        if shape not in self._members:
            spec = self.shapes[shape]
            must = set(spec.get("required", []))
            found = {member_name(name): (ref["shape"], name in must) for name, ref in spec.get("members", {}).items()}
            self._members[shape] = found
        return self._members[shape]

    def _reaches(self, shape: str, path: str) -> str:
        for part in path.split("."):
            bare = part.removesuffix("[*]").removesuffix("[*]")
            spec = self.shapes[shape]
            if spec["type"] == "map":
                shape = spec["key" if bare == "keys()" else "value"]["shape"]
            elif spec["type"] == "structure" and bare in self.members(shape):
                shape = self.members(shape)[bare][0]
            else:
                return ""
            for _ in range(part.count("[*]")):
                if self.shapes[shape]["type"] != "list":
                    return ""
                shape = self.shapes[shape]["member"]["shape"]
        return shape

    def request_path(self) -> str:
        """The path of the HTTP request, with its members as placeholders, without the query."""
        places = {}
        for name, ref in self.shapes[self.input].get("members", {}).items() if self.input else ():
            places[ref.get("locationName", name)] = member_name(name)
        path = self.model["http"]["requestUri"].split("?")[0]
        for place, member in places.items():
            path = path.replace(f"{{{place}}}", f"{{{member}}}").replace(f"{{{place}+}}", f"{{{member}}}")
        return path


@dataclass
class Service:
    """A service by its name in a task, with all its APIs."""

    name: str
    own_names: set[str]
    apis: dict[str, Api]


def _models() -> Iterator[dict[str, Any]]:
    """The newest model of each client of botocore."""
    for folder in sorted((Path(botocore.__file__).parent / "data").iterdir()):
        if found := sorted(folder.glob("*/service-2.json.gz")):
            with gzip.open(found[-1]) as file:
                yield json.load(file)


def services() -> dict[str, Service]:
    """The services by name. One name can stand for several clients, such as those of Pinpoint SMS and Voice."""
    out: dict[str, Service] = {}
    for model in _models():
        meta = model["metadata"]
        name = service_name(meta["serviceId"])
        service = out.setdefault(name, Service(name, {name}, {}))
        service.own_names |= {meta.get("signingName", meta["endpointPrefix"]), meta["endpointPrefix"]}
        for operation, spec in model["operations"].items():
            service.apis[api_name(operation)] = Api(name, api_name(operation), operation, spec, model["shapes"])
    return dict(sorted(out.items()))


def texts(api: Api) -> Iterator[tuple[str, bool, str, dict[str, Any], str]]:
    """The texts of a call at every depth: path, whether all levels are required, shape's name, shape, documentation."""
    if api.input:
        yield from _texts_below(api.shapes, api.input, "", True, ())


def _texts_below(
    shapes: dict[str, Any], shape: str, path: str, required: bool, above: tuple[str, ...]
) -> Iterator[tuple[str, bool, str, dict[str, Any], str]]:
    if shape in above:
        return
    spec, above = shapes[shape], (*above, shape)
    if spec["type"] == "structure":
        needed = spec.get("required", [])
        inner = [
            (ref, joined(path, member_name(name)), required and name in needed)
            for name, ref in spec.get("members", {}).items()
        ]
    elif spec["type"] == "list":
        inner = [(spec["member"], f"{path}[*]", required)]
    else:
        inner = [(spec["key"], f"{path}.keys()", required), (spec["value"], f"{path}.*", required)]
    for ref, where, must in inner:
        target = shapes[ref["shape"]]
        if target["type"] in ("structure", "list", "map"):
            yield from _texts_below(shapes, ref["shape"], where, must, above)
        elif target["type"] == "string":
            yield where, must, ref["shape"], target, ref.get("documentation") or target.get("documentation", "")
