"""Rules for cfn-lint (1.47 and later) that check the resource types of mlops-roles against the schemas in ../schemas.

    cfn-lint template.yaml --append-rules lint

Without these rules, cfn-lint treats every `Custom::` type as `AWS::CloudFormation::CustomResource`, which accepts any
property.
"""

import json
from difflib import get_close_matches
from pathlib import Path

from cfnlint.helpers import REGEX_SUB_PARAMETERS
from cfnlint.rules import CloudFormationLintRule, RuleMatch
from cfnlint.rules.jsonschema import CfnLintKeyword
from cfnlint.schema.resolver import RefResolver

FILES = Path(__file__).parent.with_name("schemas").glob("*.json")
SCHEMAS = {schema["title"]: schema for schema in (json.loads(file.read_text("utf-8")) for file in FILES)}


def listed(names):
    return ", ".join(f"`{name}`" for name in names)


def closest(found, known):
    lower = {str(one).lower(): one for one in known}
    close = get_close_matches(str(found).lower(), lower, 1)
    return lower[close[0]] if close else None


def unknown(kind, kinds, found, known):
    """The message about a name that does not exist, such as that of a property. `kinds` is the plural of `kind`."""
    close = closest(found, known)
    return f"no such {kind}, did you mean `{close}`?" if close else f"no such {kind}; the {kinds} are {listed(known)}"


def of_rule(schema, keys):
    """The message of a rule about several properties: its description. None for any other part of the schema.

    `keys` lead from the schema to the keyword that was violated. The error of cfn-lint may lack the description.
    """
    message = None
    for depth, key in enumerate(keys):
        try:
            schema = schema[key]
        except (KeyError, TypeError):
            break  # a keyword of cfn-lint's own, such as that of a function
        if "allOf" in keys[:depth] and isinstance(schema, dict):
            message = schema.get("description", message)
    return message


def described(err, above=()):
    """The path of an error, and its message.

    If several alternatives fail, the message is that of the alternatives that are closest to what was found.
    """
    path = (*above, *err.path)
    if err.context:
        def nearness(one):
            return len(one.path), one.validator != "type"
        most = max(map(nearness, err.context))
        nearest = [described(one, path) for one in err.context if nearness(one) == most]
        return nearest[0][0], " or ".join(dict.fromkeys(message for _, message in nearest))
    if err.validator == "additionalProperties":
        return path, unknown("property", "properties", path[-1], err.schema.get("properties", {}))
    if err.validator == "enum":
        close = closest(err.instance, err.validator_value)
        near = f" (did you mean `{close}`?)" if close else ""
        return path, f"found `{err.instance}`, expected one of {listed(err.validator_value)}{near}"
    return path, err.message


class MlopsRolesProperties(CfnLintKeyword):
    id = "E9310"
    shortdesc = "Properties of the resource types of mlops-roles"
    description = "Checks that each property exists and has a value that the function accepts, and that none is missing"
    tags = ["resources"]

    def __init__(self):
        super().__init__([f"Resources/{name}/Properties" for name in SCHEMAS])

    def validate(self, validator, keyword, instance, schema):
        schema = SCHEMAS[keyword.split("/")[1]]
        # The given validator knows the conditions, parameters and functions of the template.
        validator = validator.evolve(schema=schema, resolver=RefResolver.from_schema(schema))
        for err in validator.iter_errors(instance):
            # The rules of cfn-lint report errors in a function itself.
            if err.rule is None and not str(err.validator).startswith(("fn_", "ref")):
                rule = of_rule(schema, list(err.schema_path))
                path, message = (tuple(err.path), rule) if rule else described(err)
                name = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path)[1:]
                err.path.extend(path[len(err.path):])
                err.message = f"`{name}`: {message}" if name else message
                err.context, err.rule = [], self
            yield err


class MlopsRolesAttributes(CloudFormationLintRule):
    id = "E9311"
    shortdesc = "Attributes of the resource types of mlops-roles"
    description = "Checks that Fn::GetAtt and Fn::Sub name attributes that the type has"
    tags = ["functions", "getatt", "sub"]

    def match(self, cfn):
        asked = []
        for *path, value in cfn.search_deep_keys("Fn::GetAtt"):
            asked.append((path, value.split(".", 1) if isinstance(value, str) else value))
        for *path, value in cfn.search_deep_keys("Fn::Sub"):
            text = str(value[:1] if isinstance(value, list) else value)
            asked.extend((path, name.split(".", 1)) for name in REGEX_SUB_PARAMETERS.findall(text))
        types = {name: str(resource.get("Type")) for name, resource in cfn.get_resources().items()}
        for path, names in asked:
            # The value of a function is not known here. For anything but a pair, cfn-lint reports an error itself.
            if isinstance(names, list) and len(names) == 2 and all(isinstance(name, str) for name in names):
                known = SCHEMAS.get(types.get(names[0]), {}).get("x-attributes")
                if known and names[1] not in known:
                    message = unknown("attribute", "attributes", names[1], known)
                    yield RuleMatch(path, f"`{'.'.join(names)}`: {message}")
