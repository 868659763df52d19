"""Stand-ins for two providers of Terraform, with the attributes that examples/terraform uses.

    python terraform_standins.py external|aws

Terraform starts it as a provider. `external` runs the program as the real provider does. `aws` keeps nothing but the
state of Terraform, and appends what it creates to the file in STANDIN_LOG, a JSON object a line.
"""

import json
import os
import subprocess
import sys

from tf.iface import DataSource, Provider, Resource
from tf.runner import run_provider
from tf.schema import Attribute, Schema
from tf.types import List, Map, String

ACCOUNT, REGION = "123456789012", "eu-west-1"


def attributes(names, **kind):
    return [Attribute(name, String(), **kind) for name in names]


class External(DataSource):
    def __init__(self, _):
        pass

    @classmethod
    def get_name(cls):
        return ""

    @classmethod
    def get_schema(cls):
        return Schema(attributes=[
            Attribute("program", List(String()), required=True), Attribute("query", Map(String()), optional=True),
            Attribute("result", Map(String()), computed=True), *attributes(["id"], computed=True)])

    def read(self, ctx, config):
        query = {name: value for name, value in config["query"].items() if value is not None}
        done = subprocess.run(config["program"], input=json.dumps(query), capture_output=True, text=True)
        if done.returncode:
            ctx.diagnostics.add_error("External Program Execution Failed", f"Error Message: {done.stderr}")
            return None
        return {**config, "result": json.loads(done.stdout), "id": "-"}


def data(name, **values):
    class Data(DataSource):
        def __init__(self, _):
            pass

        @classmethod
        def get_name(cls):
            return name

        @classmethod
        def get_schema(cls):
            return Schema(attributes=attributes(values, computed=True))

        def read(self, ctx, config):
            return values

    return type(name, (Data,), {})


def resource(name, arn, *arguments):
    class Made(Resource):
        def __init__(self, _):
            pass

        @classmethod
        def get_name(cls):
            return name

        @classmethod
        def get_schema(cls):
            return Schema(version=0, attributes=[
                *attributes(arguments, optional=True), *attributes(["id", "arn"], computed=True)])

        def create(self, ctx, planned):
            with open(os.environ["STANDIN_LOG"], "a") as log:
                print(json.dumps({"type": name, **{one: planned[one] for one in arguments}}), file=log)
            return {**planned, "id": name, "arn": arn.format(**planned)}

        def read(self, ctx, current):
            return current

        def update(self, ctx, current, planned):
            return {**planned, "id": current["id"], "arn": current["arn"]}

        def delete(self, ctx, current):
            pass

        def upgrade(self, ctx, version, old):
            return old

    return type(name, (Made,), {})


DATA = {
    "external": [External],
    "aws": [data("caller_identity", account_id=ACCOUNT, id=ACCOUNT), data("partition", partition="aws", id="aws"),
            data("region", id=REGION)],
}
RESOURCES = {
    "external": [],
    "aws": [
        resource("iam_role", f"arn:aws:iam::{ACCOUNT}:role/{{name}}", "name", "assume_role_policy",
                 "permissions_boundary"),
        resource("iam_policy", f"arn:aws:iam::{ACCOUNT}:policy/{{name}}", "name", "policy"),
        resource("iam_role_policy_attachment", "", "role", "policy_arn"),
        resource("iam_role_policy", "", "name", "role", "policy"),
        resource("sfn_state_machine", f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{{name}}", "name", "role_arn",
                 "definition"),
        resource("sns_topic", f"arn:aws:sns:{REGION}:{ACCOUNT}:{{name}}", "name"),
    ],
}


class StandIn(Provider):
    def __init__(self, name):
        self.name = name

    def get_model_prefix(self):
        return "external" if self.name == "external" else f"{self.name}_"

    def full_name(self):
        return f"registry.terraform.io/hashicorp/{self.name}"

    def get_provider_schema(self, diags):
        return Schema(attributes=[])

    def validate_config(self, diags, config):
        pass

    def configure_provider(self, diags, config):
        pass

    def get_data_sources(self):
        return DATA[self.name]

    def get_resources(self):
        return RESOURCES[self.name]


if __name__ == "__main__":
    run_provider(StandIn(sys.argv[1]))
