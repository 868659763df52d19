"""The names of services, APIs and members as a task of Step Functions writes them. All tables use these rules.

Step Functions takes the names of the AWS SDK for Java 2.x. The rules are those of the SDK's code generator
(`DefaultNamingStrategy`, `Utils.unCapitalize` in aws-sdk-java-v2), with an upper-case first letter for members.

A path leads to a member of a call: `Target.RoleArn`. `[*]` stands for each element of a list, `Map.*` for each value of
a map, `Map.keys()` for each key. A key of a map may stand in a path as it is: `Attributes.SubscriptionRoleArn`.
"""

import re

# A leading abbreviation is one word: `DBInstanceIdentifier`, `SSEKMSKeyId`. The letter before a small letter is not
# part of it.
LEADING = re.compile(r"^(?:.[A-Z]*(?![a-z])|.)")
PLACEHOLDER = re.compile(r"\{([^|}=]+)(\|[^}=]*)?(=[^}]*)?\}")


def service_name(service_id: str) -> str:
    """The name of a service, from the id in its model: `CloudWatch Logs` is `cloudwatchlogs`."""
    return re.sub(r"[ -]", "", service_id).lower().removesuffix("service")


def api_name(operation: str) -> str:
    """The name of an API: `CreateEndpoint` is `createEndpoint`. No operation begins with an abbreviation."""
    return operation[0].lower() + operation[1:]


def member_name(name: str) -> str:
    """The name of a member: `DBInstanceIdentifier` is `DbInstanceIdentifier`, `SSEKMSKeyId` is `SsekmsKeyId`."""
    lower = LEADING.sub(lambda found: found[0].lower(), name)
    return lower[0].upper() + lower[1:]


def joined(path: str, part: str) -> str:
    """A path and its next part."""
    return f"{path}.{part}" if path else part


def placeholders(template: str) -> list[str]:
    """The paths in an ARN template or in the text of a condition."""
    return [found[1] for found in PLACEHOLDER.finditer(template)]


def without_placeholders(template: str) -> str:
    """What a template says itself, whatever the call is."""
    return PLACEHOLDER.sub("", template)


def plain(text: str) -> str:
    """A text without markup, for comparisons."""
    return " ".join(re.sub(r"<[^>]+>", "", text or "").split())
