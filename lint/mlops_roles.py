"""Rules for cfn-lint (1.47 and later): the resource types of mlops-roles, by ../schemas.

    cfn-lint template.yaml --append-rules lint

By itself cfn-lint takes every `Custom::` type for `AWS::CloudFormation::CustomResource`, where anything goes.
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


def hint(found, known):
    lower = {str(one).lower(): one for one in known}
    close = get_close_matches(str(found).lower(), lower, 1)
    return f", did you mean `{lower[close[0]]}`?" if close else f"; known: {', '.join(f'`{one}`' for one in known)}"


def told(err, above=()):
    """Path and message. Of alternatives that all fail, those that come nearest to what stands there."""
    path = (*above, *err.path)
    if err.context:
        def nearness(one):
            return len(one.path), one.validator != "type"
        most = max(map(nearness, err.context))
        nearest = [told(one, path) for one in err.context if nearness(one) == most]
        return nearest[0][0], " or ".join(dict.fromkeys(message for _, message in nearest))
    if err.validator == "additionalProperties":
        return path, f"no such property{hint(path[-1], err.schema.get('properties', {}))}"
    if err.validator == "enum":
        return path, f"found `{err.instance}`{hint(err.instance, err.validator_value)}"
    if err.validator == "not" and "description" in err.schema:
        return path, err.schema["description"]
    return path, err.message


class MlopsRolesProperties(CfnLintKeyword):
    id = "E9310"
    shortdesc = "Properties of the resource types of mlops-roles"
    description = "Each property is one that the type has, with a value that the function takes, and none is missing"
    tags = ["resources"]

    def __init__(self):
        super().__init__([f"Resources/{name}/Properties" for name in SCHEMAS])

    def validate(self, validator, keyword, instance, schema):
        schema = SCHEMAS[keyword.split("/")[1]]
        # The validator at hand knows the template's conditions, parameters and functions.
        validator = validator.evolve(schema=schema, resolver=RefResolver.from_schema(schema))
        for err in validator.iter_errors(instance):
            # What is wrong with a function itself is for the rules of cfn-lint.
            if err.rule is None and not str(err.validator).startswith(("fn_", "ref")):
                path, message = told(err)
                name = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path)[1:]
                err.path.extend(path[len(err.path):])
                err.message = f"`{name}`: {message}" if name else message
                err.context, err.rule = [], self
            yield err


class MlopsRolesAttributes(CloudFormationLintRule):
    id = "E9311"
    shortdesc = "Attributes of the resource types of mlops-roles"
    description = "Fn::GetAtt and Fn::Sub ask for attributes that the type has"
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
            # A name that a function gives is not known here, and what is no pair has an error already.
            if isinstance(names, list) and len(names) == 2 and all(isinstance(name, str) for name in names):
                known = SCHEMAS.get(types.get(names[0]), {}).get("x-attributes")
                if known and names[1] not in known:
                    yield RuleMatch(path, f"`{'.'.join(names)}`: no such attribute{hint(names[1], known)}")
