"""Finds the state machines below a folder: definitions, templates and configurations of the Serverless Framework.

A function of a template, such as `Fn::GetAtt`, becomes a placeholder `${Name.Attribute}` of the definition. Where the
type of the resource is known, the placeholder has the value that a deployment would give.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ACCOUNT, REGION = "123456789012", "us-east-1"
SUFFIXES = (".json", ".json5", ".yaml", ".yml", ".asl", ".template")
# No file with a state machine lacks all of these words.
WORDS = ("StartAt", "StateMachine", "stepFunctions")
SKIPPED = {"node_modules", ".git", "cdk.out", ".aws-sam"}
LARGEST = 3_000_000
STATE_MACHINES = ("AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine")
PLACEHOLDER = re.compile(r"\$\{([^{}]+)\}")
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::StackName": "corpus",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/corpus/1",
}


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


# By type: the property with the name, the value of `Ref`, and that of the attribute with the ARN. `{}` is the name.
VALUES = {
    "AWS::Lambda::Function": ("FunctionName", "{}", arn("lambda", "function:{}")),
    "AWS::Serverless::Function": ("FunctionName", "{}", arn("lambda", "function:{}")),
    "AWS::Lambda::Version": ("", arn("lambda", "function:{}:1"), arn("lambda", "function:{}:1")),
    "AWS::Lambda::Alias": ("", arn("lambda", "function:{}:live"), arn("lambda", "function:{}:live")),
    "AWS::SNS::Topic": ("TopicName", arn("sns", "{}"), arn("sns", "{}")),
    "AWS::SQS::Queue": ("QueueName", f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{{}}", arn("sqs", "{}")),
    "AWS::DynamoDB::Table": ("TableName", "{}", arn("dynamodb", "table/{}")),
    "AWS::DynamoDB::GlobalTable": ("TableName", "{}", arn("dynamodb", "table/{}")),
    "AWS::Serverless::SimpleTable": ("TableName", "{}", arn("dynamodb", "table/{}")),
    "AWS::StepFunctions::StateMachine": (
        "StateMachineName",
        arn("states", "stateMachine:{}"),
        arn("states", "stateMachine:{}"),
    ),
    "AWS::Serverless::StateMachine": ("Name", arn("states", "stateMachine:{}"), arn("states", "stateMachine:{}")),
    "AWS::StepFunctions::Activity": ("Name", arn("states", "activity:{}"), arn("states", "activity:{}")),
    "AWS::S3::Bucket": ("BucketName", "{}", "arn:aws:s3:::{}"),
    "AWS::IAM::Role": ("RoleName", "{}", f"arn:aws:iam::{ACCOUNT}:role/{{}}"),
    "AWS::ECS::Cluster": ("ClusterName", "{}", arn("ecs", "cluster/{}")),
    "AWS::ECS::TaskDefinition": ("Family", arn("ecs", "task-definition/{}:1"), arn("ecs", "task-definition/{}:1")),
    "AWS::Batch::JobQueue": ("JobQueueName", arn("batch", "job-queue/{}"), arn("batch", "job-queue/{}")),
    "AWS::Batch::JobDefinition": (
        "JobDefinitionName",
        arn("batch", "job-definition/{}:1"),
        arn("batch", "job-definition/{}:1"),
    ),
    "AWS::Events::EventBus": ("Name", "{}", arn("events", "event-bus/{}")),
    "AWS::Events::Connection": ("Name", "{}", arn("events", "connection/{}/1")),
    "AWS::Glue::Job": ("Name", "{}", arn("glue", "job/{}")),
    "AWS::Glue::Crawler": ("Name", "{}", arn("glue", "crawler/{}")),
    "AWS::CodeBuild::Project": ("Name", "{}", arn("codebuild", "project/{}")),
    "AWS::Athena::WorkGroup": ("Name", "{}", arn("athena", "workgroup/{}")),
    "AWS::SecretsManager::Secret": (
        "",
        arn("secretsmanager", "secret:{}-abcdef"),
        arn("secretsmanager", "secret:{}-abcdef"),
    ),
    "AWS::Kinesis::Stream": ("Name", "{}", arn("kinesis", "stream/{}")),
    "AWS::Logs::LogGroup": ("LogGroupName", "{}", arn("logs", "log-group:{}:*")),
}
ARN_ATTRIBUTES = (
    "Arn",
    "TopicArn",
    "LogGroupArn",
    "TaskDefinitionArn",
    "JobQueueArn",
    "JobDefinitionArn",
    "FunctionArn",
    "Id",
)


@dataclass
class Machine:
    """A state machine that was found: where, its definition, and what its file tells besides."""

    file: str
    name: str
    definition: dict[str, Any] | None
    original: Path | None = None
    values: dict[str, str] = field(default_factory=dict)
    logging: bool = False
    tracing: bool = False
    role: Any = None
    policies: list[Any] = field(default_factory=list)
    # The name that a deployment would give to the state machine.
    deployed: str = "corpus"
    template: dict[str, Any] = field(default_factory=dict)
    unreadable: str = ""


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML with the short forms of CloudFormation's functions."""


def short_form(loader: Any, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", short_form)
# A date stays text, as in JSON.
Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return yaml.load(text, Loader)


def files(folder: Path) -> Iterator[tuple[Path, Any]]:
    """The files that may have a state machine, with their content, or the reason why it can't be read."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix.lower() not in SUFFIXES or SKIPPED & set(inside.parts) or not path.is_file():
            continue
        if path.stat().st_size > LARGEST:
            continue
        text = path.read_text(errors="replace")
        if any(word in text for word in WORDS):
            try:
                yield path, parse(text)
            except (ValueError, yaml.YAMLError, RecursionError, TypeError) as reason:
                yield path, f"{type(reason).__name__}: {reason}"


def function(value: Any) -> tuple[str, Any] | None:
    """The name and the argument of a function of a template."""
    if isinstance(value, dict) and len(value) == 1:
        name, argument = next(iter(value.items()))
        if isinstance(name, str) and (name == "Ref" or name.startswith("Fn::")):
            return name, argument
    return None


def placeholder(name: str) -> str:
    return f"${{{re.sub(r'[^A-Za-z0-9_.]', '_', name)}}}"


def substituted(text: str, values: dict[str, Any]) -> str:
    """The text of `Fn::Sub`: names with a value, pseudo parameters, and placeholders for the rest."""

    def value(found: re.Match[str]) -> str:
        name = found[1].strip()
        if name.startswith("!"):
            return f"${{{name[1:]}}}"
        if name in values:
            return as_text(values[name])
        return PSEUDO.get(name) or placeholder(name)

    return PLACEHOLDER.sub(value, text)


def as_text(value: Any) -> str:
    """The text that a value of a template becomes, with a placeholder for each function that can't be run."""
    found = function(value)
    if found is None:
        return value if isinstance(value, str) else json.dumps(value, default=str)
    name, argument = found
    if name == "Ref":
        return PSEUDO.get(str(argument)) or placeholder(str(argument))
    if name == "Fn::GetAtt":
        parts = argument if isinstance(argument, list) else [argument]
        return placeholder(".".join(part if isinstance(part, str) else "Attribute" for part in parts))
    if name == "Fn::Sub":
        text, values = argument if isinstance(argument, list) else (argument, {})
        return substituted(str(text), values)
    if name == "Fn::Join" and isinstance(argument, list) and isinstance(argument[1], list):
        return str(argument[0]).join(as_text(part) for part in argument[1])
    if name == "Fn::If" and isinstance(argument, list):
        return as_text(argument[1])
    return placeholder(f"{name[4:]}.{json.dumps(argument, default=str)[:60]}")


def rendered(value: Any) -> Any:
    """A part of a template as JSON without functions."""
    if function(value) is not None:
        return as_text(value)
    if isinstance(value, dict):
        return {str(key): rendered(one) for key, one in value.items()}
    return [rendered(one) for one in value] if isinstance(value, list) else value


def value_of(name: str, template: dict[str, Any]) -> str | None:
    """What a deployment would give for `${name}`."""
    resource, _, attribute = name.partition(".")
    parameter = (template.get("Parameters") or {}).get(name)
    if isinstance(parameter, dict):
        default = parameter.get("Default")
        return str(default) if default not in (None, "") and "SSM" not in str(parameter.get("Type")).upper() else None
    declared = (template.get("Resources") or {}).get(resource)
    known = VALUES.get(declared.get("Type")) if isinstance(declared, dict) else None
    if known is None:
        return None
    property_, ref, of_arn = known
    given = as_text((declared.get("Properties") or {}).get(property_) or resource)
    given = resource if "${" in given or not re.fullmatch(r"[\w./:-]+", given) else given
    if declared["Type"] == "AWS::S3::Bucket":
        given = given.lower()
    if not attribute:
        return ref.replace("{}", given)
    if attribute in ("Name", "QueueName", "TopicName", "FunctionName"):
        return given
    return of_arn.replace("{}", given) if attribute in ARN_ATTRIBUTES else None


def filled(value: Any, values: dict[str, str]) -> Any:
    """A value with the values of placeholders in all of its texts."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), value)
    if isinstance(value, dict):
        return {key: filled(one, values) for key, one in value.items()}
    return [filled(one, values) for one in value] if isinstance(value, list) else value


def placeholders(value: Any) -> set[str]:
    return set(PLACEHOLDER.findall(json.dumps(value, default=str)))


def written(properties: dict[str, Any], folder: Path) -> tuple[Any, Path | None]:
    """The definition of a resource as it is written, and its file if it has one of its own."""
    for name in ("Definition", "DefinitionString"):
        if name in properties:
            text = properties[name]
            return (parse(as_text(text)) if function(text) or isinstance(text, str) else rendered(text)), None
    uri = properties.get("DefinitionUri")
    if isinstance(uri, str) and not uri.startswith("s3:"):
        path = (folder / uri).resolve()
        return parse(path.read_text()), path
    raise ValueError("the definition is not in the files")


def of_resource(file: str, path: Path, name: str, template: dict[str, Any]) -> tuple[Machine, Path | None]:
    properties = template["Resources"][name].get("Properties") or {}
    machine = Machine(
        file,
        name,
        None,
        role=properties.get("RoleArn") or properties.get("Role"),
        template=template,
        policies=as_list(properties.get("Policies")),
        logging="LoggingConfiguration" in properties or "Logging" in properties,
        tracing="TracingConfiguration" in properties or "Tracing" in properties,
    )
    machine.deployed = (value_of(name, template) or "corpus").rpartition(":")[2][:80]
    used = None
    try:
        definition, used = written(properties, path.parent)
        if not isinstance(definition, dict) or "States" not in definition:
            raise ValueError("the definition has no states")
        given = properties.get("DefinitionSubstitutions") or {}
        machine.definition = filled(rendered(definition), {key: as_text(value) for key, value in given.items()})
        names = placeholders(machine.definition)
        machine.values = {one: found for one in names if (found := value_of(one, template)) is not None}
    except (OSError, ValueError, yaml.YAMLError, TypeError, AttributeError) as reason:
        machine.unreadable = f"{type(reason).__name__}: {reason}"
    return machine, used


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def of_serverless(file: str, content: dict[str, Any]) -> Iterator[Machine]:
    described = content["stepFunctions"]
    machines = described.get("stateMachines") if isinstance(described, dict) else None
    for name, machine in (machines or {}).items() if isinstance(machines, dict) else ():
        definition = machine.get("definition") if isinstance(machine, dict) else None
        if isinstance(definition, dict) and isinstance(definition.get("States"), dict):
            yield Machine(file, str(name), rendered(framework(definition)))
        else:
            yield Machine(file, str(name), None, unreadable="the definition is not in the files")


def framework(value: Any) -> Any:
    """A part of a configuration, with the variables of the Serverless Framework as names of placeholders."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: PSEUDO.get(found[1]) or placeholder(found[1]), value)
    if isinstance(value, dict):
        return {key: framework(one) for key, one in value.items()}
    return [framework(one) for one in value] if isinstance(value, list) else value


def beside(path: Path) -> list[Any]:
    """The policies in JSON files of the folder of a definition."""
    found = []
    for one in sorted(path.parent.glob("*olic*.json")):
        try:
            content = json.loads(one.read_text(errors="replace"))
        except ValueError:
            continue
        if isinstance(content, dict) and "Statement" in content:
            found.append(content)
    return found


def machines(folder: Path) -> list[Machine]:
    """All state machines below a folder. A definition that a template names is that of the template."""
    found, alone, used = [], [], set()
    for path, content in files(folder):
        file = str(path.relative_to(folder))
        if isinstance(content, str):
            if ".asl" in path.name:
                found.append(Machine(file, "", None, unreadable=content))
        elif not isinstance(content, dict):
            continue
        elif "StartAt" in content and "States" in content:
            alone.append((path, Machine(file, "", content, original=path)))
        elif isinstance(content.get("Resources"), dict):
            for name, resource in content["Resources"].items():
                if isinstance(resource, dict) and resource.get("Type") in STATE_MACHINES:
                    machine, own = of_resource(file, path, name, content)
                    found.append(machine)
                    used.add(own)
        elif "stepFunctions" in content:
            found += of_serverless(file, content)
    for path, machine in alone:
        if path.resolve() not in used:
            machine.policies = beside(path)
            found.append(machine)
    for machine in found:
        if machine.definition is not None:
            machine.values |= functions_of_tasks(machine.definition, machine.values)
    return sorted(found, key=lambda one: (one.file, one.name))


def functions_of_tasks(definition: Any, known: dict[str, str]) -> dict[str, str]:
    """The placeholders that are the whole resource of a task: each is taken for a Lambda function."""
    if isinstance(definition, list):
        return {name: value for one in definition for name, value in functions_of_tasks(one, known).items()}
    if not isinstance(definition, dict):
        return {}
    found = {}
    resource = definition.get("Resource")
    if definition.get("Type") == "Task" and isinstance(resource, str):
        whole = PLACEHOLDER.fullmatch(resource)
        if whole and whole[1] not in known:
            found[whole[1]] = arn("lambda", f"function:{re.sub(r'[^A-Za-z0-9]', '', whole[1])[:60] or 'Function'}")
    return found | functions_of_tasks([*definition.values()], known)
