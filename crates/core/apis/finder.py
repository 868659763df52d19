"""Finds the members of a call that name a resource of one type, by their names, patterns and documentation.

The rules, in order of weight: the member with the name of the ARN's variable; the stem of the type or variable with
`Name`, `Id`, `Identifier` or `Arn`; `Name`, `Id` or `Arn` alone if the API's noun is the type; the last words of the
type (`JobName` for `training-job`); a list of such; a structure that describes the type (`TableInput.Name`). An id does
not stand for a name, nor the reverse, unless the member takes an ARN too.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from members import Member, normal, singular
from models import Api
from reference import Format

VERB = re.compile(r"^(?:Batch)?([A-Z][a-z0-9]+)")
# The first words of APIs that create what they name.
CREATES = tuple(
    """
    Create Import Register Allocate Request Copy Clone Run Purchase Restore Start Provision Submit Generate Export
    """.split()
)
LISTS = ("List", "Search", "Lookup", "Find", "Discover", "Scan")
READS = ("Describe", "Get", "BatchGet", "Query")
# Members inside these describe something else than the resource that the call acts on.
ELSEWHERE = re.compile(
    r"\b(Filters?|DependsOn|Tags?|TagSpecifications?|S3Object|.*Triggers?|IamInstanceProfile|Conditions?|Environment\w*|"
    r".*Destination\w*|Log\w*|Encryption\w*|Notification\w*|SortBy|Sort\w*|Metadata)\b(\[\*\])?\."
)
# Variables at the end of an ARN that AWS fills in.
ASSIGNED = re.compile(
    r"(?i)^(uuid|.*revision(number|id)?|.*version(number|id)?|.*suffix|.*timestamp|uniqueid|hash|.*randomid)$"
)
ASSIGNED_ID = re.compile(r"(?i)(id|uuid|identifier)$")
NAME_OR_ID = re.compile(r"\b(name or (the |an? )?(unique )?(id|identifier)|(id|identifier) or (the |a )?name)\b", re.I)
GENERIC = {
    "name",
    "id",
    "identifier",
    "arn",
    "resourceid",
    "resourcename",
    "resource",
    "type",
    "key",
    "version",
    "value",
}
OF_ANY_TYPE = {
    "resourcearn",
    "resourceid",
    "resourceidentifier",
    "resource",
    "resourcename",
    "taggableresourcearn",
    "resourcearnlist",
    "arn",
    "targetresourcearn",
}
DESCRIBING = (
    "",
    "input",
    "definition",
    "spec",
    "specification",
    "details",
    "config",
    "configuration",
    "data",
    "options",
)
# Members that name a variable of another name, by the service in the ARN and the variable.
ALIASES = {
    ("mobiletargeting", "AppId"): ("applicationid",),
    ("rds", "DbClusterInstanceName"): ("dbclusteridentifier",),
    ("rds", "ParameterGroupName"): ("dbparametergroupname",),
    ("rds", "ClusterParameterGroupName"): ("dbclusterparametergroupname",),
    ("rds", "SubnetGroupName"): ("dbsubnetgroupname",),
    ("rds", "SecurityGroupName"): ("dbsecuritygroupname",),
    ("elasticmapreduce", "ClusterId"): ("jobflowid", "jobflowids"),
    ("ses", "IdentityName"): ("emailidentity", "identity"),
}


@dataclass(frozen=True)
class Hit:
    """A template that the rules found, and the reason for a wildcard in it."""

    template: str
    why: str = ""


@dataclass(frozen=True)
class Choice:
    """A member that may name a part of an ARN, with its weight; no member if the weight is zero."""

    weight: int = 0
    member: Member | None = None


def stem(variable: str) -> str:
    """What a variable names: `CrawlerName` is `crawler`. `ResourceId` says nothing of the type."""
    text = normal(variable)
    for ending in ("name", "identifier", "id", "arn", "uuid"):
        if text.endswith(ending) and len(text) > len(ending):
            text = text[: -len(ending)]
            break
    return "-" if text == "resource" else text


class Finder:
    """The rules for one API and one resource type of one of its actions."""

    def __init__(
        self, api: Api, prefix: str, found: list[Member], key: str, formats: dict[str, Format | None], alone: bool
    ) -> None:
        self.prefix, self.found, self.formats, self.alone = prefix, found, formats, alone
        self.format: Format = formats[key]  # type: ignore[assignment]
        found_verb = VERB.match(api.operation)
        self.verb: str = found_verb[1] if found_verb else ""
        self.noun = normal(VERB.sub("", api.operation, count=1))
        self.type = normal(key)
        self.is_bound = True
        self.is_name_or_id = False

    def is_about(self, stem: str) -> bool:
        """Whether the API is named after the type: `GetCrawler` for `crawler`."""
        nouns = {self.noun, singular(self.noun)}
        names = {self.type, stem, self.type.removeprefix(normal(self.prefix)), singular(self.type)} - {""}
        longer = (a.endswith(n) or n.endswith(a) for n in names for a in nouns if n and len(a) > 3)
        return bool(nouns & names) or any(longer)

    def is_noun(self, stem: str) -> bool:
        """Whether `Name` or `Id` alone means this type."""
        others = {normal(key) for key in self.formats} - {self.type}
        if {self.noun, singular(self.noun)} & others:
            return False
        return self.is_about(stem) or any(self.noun.startswith(name) for name in (self.type, stem) if name)

    def is_tail(self, name: str, stem: str) -> bool:
        """Whether the last words of the type are those of the member, or the reverse: `JobName` for `training-job`."""
        own = re.sub(r"(name|identifier|id|arn)$", "", name)
        if len(own) < 3 or own == name or not (self.alone or self.is_noun(stem)):
            return False
        return any(t != own and len(t) > 2 and (t.endswith(own) or own.endswith(t)) for t in (self.type, stem))

    def describes(self, parent: str, stem: str) -> bool:
        """Whether a structure describes the type: `TableInput` for `table`."""
        return parent in {name + ending for name in (stem, self.type) for ending in DESCRIBING}

    def weight(self, member: Member, variable: str, last: bool) -> int:
        """How well a member fits a variable; zero if it does not."""
        text, of = normal(variable), stem(variable)
        assigned = text.endswith(("id", "uuid", "identifier"))
        if member.depth and ELSEWHERE.search(member.path):
            return 0
        best = 0
        for name in member.options:
            # A name does not tell an id, nor an id a name.
            other = assigned and name.endswith("name") or text.endswith("name") and name.endswith("id")
            weight = self._weight_of(member, name, variable, last)
            if other and weight == 15:
                weight = 0 if member.form == "name" and not name.endswith("identifier") else 8
            elif weight == 10 and (assigned and name == "name" or text.endswith("name") and name == "id"):
                weight = 9 if member.form == "either" else 0
            elif other and weight == 9:
                weight = 8 if member.form == "either" else 0
            if weight:
                best = max(best, weight + (2 if member.is_required else 0) - 4 * member.depth)
        # The name of what a call creates is not yet the id of anything.
        creates = self.verb in ("Create", "Import", "Register", "Allocate", "Request", "Restore")
        if best and creates and assigned and last and self.is_about(of) and not member.is_required:
            return 0
        return best

    def _weight_of(self, member: Member, name: str, variable: str, last: bool) -> int:
        text, of = normal(variable), stem(variable)
        named = {of + ending for ending in ("name", "id", "identifier", "nameorarn", "idorarn", "ref")}
        if last:
            named |= {self.type + ending for ending in ("name", "id", "identifier")}
        if name == text and name not in GENERIC:
            return 20
        if name == text and not member.depth:
            # `ResourceId` or `Name` alone says nothing of the type.
            return 14 if not name.startswith("resource") and self.is_noun(of) else 7
        if name in (of, self.type if last else of) and len(name) > 2:
            # `Ruleset` may be the text of a rule set, so `Name` goes before it.
            return 11 if text.endswith("name") and member.form == "name" and not member.is_required else 14
        if name in named:
            return 15
        if (
            last
            and name in ("name", "id", "identifier")
            and (self.describes(member.parent, of) if member.depth else self.is_noun(of))
        ):
            return 10
        assigned = text.endswith(("id", "uuid", "identifier"))
        if (
            last
            and name == "name"
            and self.alone
            and member.is_required
            and not member.depth
            and not assigned
            and sum(one.is_required for one in self.found) == 1
        ):
            return 8
        if not member.depth and name in ALIASES.get((self.format.service, variable), ()):
            return 13
        return 9 if last and not member.depth and self.is_tail(name, of) else 0

    def arn_weight(self, member: Member) -> int:
        """How well a member fits as the whole ARN; zero if it does not."""
        if member.form == "name" or member.depth and ELSEWHERE.search(member.path):
            return 0
        of = stem(self.format.variables[-1]) if self.format.variables else self.type
        best = 0
        for name in member.options:
            weight = self._arn_weight_of(member, name, of)
            if weight and member.depth and self.is_about(of) and not normal(member.path).startswith((self.type, of)):
                weight = 0
            if weight:
                best = max(best, weight + (2 if member.is_required else 0) - 3 * member.depth)
        return best

    def _arn_weight_of(self, member: Member, name: str, of: str) -> int:
        if name in (self.type + "arn", of + "arn", self.type + "resourcearn"):
            return 18
        if name == "arn" and (self.describes(member.parent, of) if member.depth else self.is_noun(of) or self.alone):
            return 12
        if name in OF_ANY_TYPE:
            return 0 if member.depth else 6
        if name.endswith("arn") and name[:-3] and self.type.endswith(name[:-3]) and len(name) > 6:
            return 9
        if name.endswith(("arn", "identifier")) and not member.depth and self.is_tail(name, of):
            return 9
        return 0

    def find(self) -> list[Hit]:
        """The templates for the type; none if no member names it."""
        form = self.format
        arn = _best(self.found, self.arn_weight)
        if "$" in form.service:
            self.is_bound = arn.weight > 0
            if not arn.member:
                return []
            return [Hit(f"any:{{{arn.member.path}|any-arn{'' if arn.member.is_required else '='}}}")]
        if not form.variables:
            return [Hit(form.head + form.resource, "partial" if "*" in form.resource else "")]
        main = len(form.variables) - 1
        while (
            main
            and ASSIGNED.search(form.variables[main])
            and not any(member.normal == normal(form.variables[main]) for member in self.found)
        ):
            main -= 1
        chosen = self._chosen(main)
        self.is_bound = chosen[main].weight > 0 or arn.weight > 0
        names = self._by_names(chosen) if any(one.member for one in chosen) else None
        if arn.member:
            hits = self._by_arn(arn, chosen[main], names)
            if hits:
                return hits
        return [names] if names else []

    def _chosen(self, main: int) -> list[Choice]:
        """The best member for each variable; no member for two variables."""
        chosen: list[Choice] = []
        for at, variable in enumerate(self.format.variables):
            one = _best(self.found, partial(self.weight, variable=variable, last=at == main))
            if (
                one.member
                and ASSIGNED_ID.search(variable)
                and one.member.form == "name"
                and NAME_OR_ID.search(one.member.text[:160])
            ):
                self.is_name_or_id, one = True, Choice()
            chosen.append(Choice() if any(one.member is other.member for other in chosen) else one)
        return chosen

    def _by_arn(self, arn: Choice, main: Choice, names: Hit | None) -> list[Hit]:
        """The template whose member is the whole ARN, if that fits better than the names of its parts."""
        form, member = self.format, arn.member
        assert member is not None
        either = bool(
            names
            and main.weight >= 10
            and arn.weight >= 10
            and main.member
            and not member.is_required
            and not main.member.is_required
            and main.member is not member
        )
        default = "" if member.is_required else "=" if either else "=*"
        how = "arn" if member.form == "arn" else "or"
        tail = form.literals[-1] if form.literals[-1].strip(":*/") == "" else ""
        kind = f" {form.kind}" if form.kind and (arn.weight > 10 or how == "or") else ""
        whole = Hit(
            f"{form.head}{{{member.path}|{how}{kind}{default}}}{tail}", "" if member.is_required else "optional"
        )
        if how == "or" and len(form.variables) > 1:
            if names and main.member:
                return [names]
            text = re.sub(r"\*+", "*", "*".join(form.literals[:-1])) + f"{{{member.path}|or{default}}}"
            whole = Hit(form.head + text + form.literals[-1], "optional" if default else "partial")
        if self.prefix == "sagemaker":
            whole = Hit(whole.template.replace("|arn", "|cased-arn").replace("|or", "|cased"), whole.why)
        if either and names:
            return [whole, Hit(names.template.replace("=*", "="), names.why)]
        if arn.weight >= main.weight or member.is_required and how == "arn" and main.weight < 12:
            return [whole]
        return []

    def _by_names(self, chosen: list[Choice]) -> Hit:
        """The template whose members are the parts of the ARN."""
        form = self.format
        why, text = "", ""
        for at, one in enumerate(chosen):
            text += form.literals[at]
            if one.member and ASSIGNED_ID.search(form.variables[at]):
                # An id has its own beginning: `ou-` of `ou/o-${OrganizationId}/ou-${OrganizationalUnitId}`.
                text = re.sub(r"(?<=[/:])[a-z]{1,3}-$", "", text)
            if not one.member:
                text += "*"
                why = why if why == "optional" else "partial"
                continue
            member = one.member
            default = "" if member.is_required else "=*"
            if default:
                why = "optional"
            if self.prefix == "sagemaker":
                text = (
                    f"{{{member.path}|cased {text}{default}}}"
                    if len(chosen) == 1
                    else text + f"{{{member.path}|cased{default}}}"
                )
            elif member.form == "name":
                text += f"{{{member.path}{default}}}"
            elif len(chosen) == 1:
                how = "arn" if member.form == "arn" else "or"
                if how == "or" and member.normal.endswith("name") and ASSIGNED_ID.search(form.variables[at]):
                    how, why = "known-by-arn", "other-name"
                text = f"{{{member.path}|{how} {text}{default}}}"
            else:
                how = "or" if at == len(chosen) - 1 else "last-segment"
                text += f"{{{member.path}|{how}{default}}}"
        return Hit(form.head + re.sub(r"\*+", "*", text + form.literals[-1]), why)

    def why_not(self) -> str:
        """The reason why no member names the type."""
        of = stem(self.format.variables[-1]) if self.format.variables else self.type
        kin = self.is_about(of) or self.type[:6] == self.noun[:6] or self.type[-6:] == self.noun[-6:]
        if kin and self.verb in CREATES:
            return "created"
        if self.is_name_or_id:
            return "other-name"
        if self.format.variables:
            last = normal(self.format.variables[-1])
            names = {of + "name", self.type + "name"} | ({"name"} if self.is_noun(of) else set())
            if (
                ASSIGNED_ID.search(last)
                and not self.verb.startswith(("Create", "List"))
                and any(one.normal in names and not one.depth and one.is_required for one in self.found)
            ):
                return "other-name"
        return "list" if self.verb in LISTS or self.verb in READS and self.noun.endswith("s") else "unnamed"


def _best(found: list[Member], weight: Callable[[Member], int]) -> Choice:
    """The first of the members with the highest weight; none if all weights are zero or less."""
    weights = [weight(member) for member in found]
    most = max(weights, default=0)
    return Choice(most, found[weights.index(most)]) if most > 0 else Choice()
