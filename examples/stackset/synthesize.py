"""Writes the template that a stack set deploys. It merges template.yaml with a fragment, as plain CloudFormation.

    make stackset-template

or, with the interpreter that has sam,

    .tools/sam/bin/python examples/stackset/synthesize.py template.yaml examples/stackset/target-account.yaml out.json

Stack sets with service-managed permissions refuse transforms, so this script applies the transform of SAM. The
function's code comes from a bucket in the region of each target, by the fragment's parameters CodeBucketPrefix and
CodeKey. The script makes no call to AWS, and equal input gives equal bytes.
"""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

for variable in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[variable]
# The transform needs a region. Nothing in the template depends on it: `check` refuses a template that does.
NOWHERE = "no-where-0"
os.environ.update(AWS_DEFAULT_REGION=NOWHERE, AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)

from cfnlint.decode import cfn_yaml  # noqa: E402
from samtranslator.public.exceptions import InvalidDocumentException  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402

FUNCTION = "AWS::Serverless::Function"
REPOSITORY = "AWS::ServerlessRepo::Application"
SECTIONS = ("Description", "Parameters", "Conditions", "Resources", "Outputs")
MOST_BYTES = 460_800  # the limit of AWS::CloudFormation::StackSet for TemplateURL
CODE = {"Bucket": {"Fn::Sub": "${CodeBucketPrefix}-${AWS::Region}"}, "Key": {"Ref": "CodeKey"}}
NO_MANAGED_POLICIES = SimpleNamespace(load=dict)


class Refused(Exception):
    """The reason why the two files can't be merged, or why a stack set would refuse the result."""


def load(path):
    """Loads a template as plain data, without cfn-lint's line numbers. cfn-lint refuses keys that occur twice."""
    try:
        return json.loads(json.dumps(cfn_yaml.load(path)))
    except cfn_yaml.CfnParseError as e:
        raise Refused("\n".join(f"{path}:{match.linenumber}: {match.message}" for match in e.matches)) from e


def merged(template, fragment):
    """Merges the two. A name may be in only one of them, except for a new default of a parameter."""
    whole = {**template}
    for section, entries in fragment.items():
        if section not in SECTIONS:
            raise Refused(f"a fragment has no `{section}`")
        if section == "Description":
            whole[section] = entries
            continue
        known = template.get(section, {})
        for name, entry in entries.items():
            overrides = section == "Parameters" and entry.keys() == {"Default"}
            if overrides and name not in known:
                raise Refused(f"there is no parameter `{name}` to give another default")
            if name in known and not overrides:
                raise Refused(f"`{name}` of `{section}` is in both, the template and the fragment")
        whole[section] = known | {name: known.get(name, {}) | entry for name, entry in entries.items()}
    return whole


def plain(template):
    """Applies the transform. The code comes from the bucket, and the instructions to build it are removed."""
    for resource in template["Resources"].values():
        if resource["Type"] == FUNCTION:
            resource.setdefault("Properties", {})["CodeUri"] = CODE
            resource.pop("Metadata", None)
    # This metadata is for the publisher of template.yaml, and names files that are not beside the new template.
    template.get("Metadata", {}).pop(REPOSITORY, None)
    try:
        return transform(template, {}, NO_MANAGED_POLICIES)
    except InvalidDocumentException as e:
        raise Refused("; ".join([e.message, *(cause.message for cause in e.causes)])) from e


def check(template, text):
    size = len(text.encode())
    if size > MOST_BYTES:
        raise Refused(f"the template has {size:,} bytes, and a stack set takes {MOST_BYTES:,}")
    if "Transform" in template or '"Fn::Transform"' in text:
        raise Refused("there is a transform left, which a stack set with service-managed permissions refuses")
    if NOWHERE in text:
        raise Refused("the transform put a region into the template, which has to fit all")
    return size


def main(template, fragment, output):
    try:
        done = plain(merged(load(template), load(fragment)))
        text = json.dumps(done, indent=1, sort_keys=True) + "\n"
        size = check(done, text)
    except Refused as e:
        return str(e)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text(text)
    print(f"{output}: {len(done['Resources'])} resources, {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 4 else __doc__)
