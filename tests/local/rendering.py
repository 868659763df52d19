"""Renders the resources of template.yaml as CloudFormation does. It resolves the intrinsic functions, and applies no
transform."""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
READ = """
import json, sys
from samtranslator.yaml_helper import yaml_parse
print(json.dumps(yaml_parse(sys.stdin.read())))
"""
ACCOUNT, STACK_UUID = "123456789012", "7c1d4a10-0000-11f1-8888-0a1b2c3d4e5f"
ABSENT = object()  # AWS::NoValue
# By partition, a region with a long name.
REGIONS = {"aws": "ap-southeast-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1",
           "aws-eusc": "eusc-de-east-1", "aws-iso": "us-iso-east-1", "aws-iso-b": "us-isob-east-1",
           "aws-iso-e": "eu-isoe-west-1", "aws-iso-f": "us-isof-south-1"}


def template():
    text = (ROOT / "template.yaml").read_text()
    done = subprocess.run([ROOT / ".tools/sam/bin/python", "-c", READ], input=text, capture_output=True, text=True,
                          check=True)
    return json.loads(done.stdout)


class Rendered:
    """One deployment of the template, with its parameters. Values that only a deployment has are made up."""

    def __init__(self, template, stack="mlops-roles", partition="aws", **parameters):
        self.template = template
        region = REGIONS[partition]
        arn = f"arn:{partition}:{{}}:{region}:{ACCOUNT}:{{}}"
        iam = f"arn:{partition}:iam::{ACCOUNT}:{{}}"
        self.values = {
            **{name: str(one.get("Default", "")) for name, one in template["Parameters"].items()},
            "AWS::Partition": partition, "AWS::Region": region, "AWS::AccountId": ACCOUNT, "AWS::StackName": stack,
            "AWS::StackId": arn.format("cloudformation", f"stack/{stack}/{STACK_UUID}"), "AWS::NoValue": ABSENT,
            **parameters}
        # CloudFormation generates these names from the name of the stack, the logical id, and some letters.
        invented = {name: f"{stack}-{name}-ABCDEFGHIJKL" for name in template["Resources"]}
        self.values |= invented
        self.values |= {name: iam.format(f"policy/{invented[name]}") for name, one in template["Resources"].items()
                        if one["Type"] == "AWS::IAM::ManagedPolicy"}
        # A role's name is cut at 64 characters.
        self.values["FunctionRole.Arn"] = iam.format(f"role/{stack[:37]}-FunctionRole-ABCDEFGHIJKL")
        self.values["LogGroup.Arn"] = arn.format("logs", f"log-group:{invented['LogGroup']}:*")
        self.values["UnansweredEvents.Arn"] = arn.format("sqs", self.property("UnansweredEvents", "QueueName"))
        self.values["Function.Arn"] = arn.format("lambda", f"function:{self.property('Function', 'FunctionName')}")

    def property(self, resource, name):
        return self.value(self.template["Resources"][resource]["Properties"][name])

    def document(self, resource):
        return self.property(resource, "PolicyDocument")

    def is_made(self, resource):
        condition = self.template["Resources"][resource].get("Condition")
        return condition is None or self.value({"Condition": condition})

    def value(self, node):
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            [(function, argument)] = node.items()
            called = getattr(self, "fn_" + function.removeprefix("Fn::").lower(), None)
            if called and (function.startswith("Fn::") or function in ("Ref", "Condition")):
                return called(argument)
        values = {key: self.value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not ABSENT}

    def fn_ref(self, name):
        return self.values[name]

    def fn_getatt(self, argument):
        return self.values[argument if isinstance(argument, str) else ".".join(argument)]

    def fn_sub(self, argument):
        text, more = argument if isinstance(argument, list) else (argument, {})
        for name, value in {**self.values, **{key: self.value(value) for key, value in more.items()}}.items():
            text = text.replace(f"${{{name}}}", value) if isinstance(value, str) else text
        assert "${" not in text, text
        return text

    def fn_split(self, argument):
        separator, text = argument
        return self.value(text).split(separator)

    def fn_select(self, argument):
        return self.value(argument[1])[int(argument[0])]

    def fn_join(self, argument):
        return argument[0].join(self.value(argument[1]))

    def fn_if(self, argument):
        return self.value(argument[1] if self.fn_condition(argument[0]) else argument[2])

    def fn_condition(self, name):
        return self.value(self.template["Conditions"][name])

    def fn_equals(self, argument):
        one, other = map(self.value, argument)
        return str(one) == str(other)

    def fn_not(self, argument):
        return not self.value(argument[0])

    def fn_and(self, argument):
        return all(self.value(argument))

    def fn_or(self, argument):
        return any(self.value(argument))


def size(document):
    """The number of characters that IAM's quotas count: all but white space."""
    return sum(not c.isspace() for c in json.dumps(document, separators=(",", ":")))
