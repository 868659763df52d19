"""Checks that role_manager.json in tests/data/execution_role_calls judges each grant of Amazon SageMaker Role Manager.

    role_manager.py PACKAGE

PACKAGE is the unpacked npm package @cdklabs/cdk-aws-sagemaker-role-manager: the folder that has `package.json`. For a
new version of the package, the program prints which actions, resources and conditions are new and which are gone. Rust
tests evaluate the verdicts against the policies of execution roles.
"""

import json
import re
import sys
from pathlib import Path

FILE = Path(__file__).parents[1] / "data" / "execution_role_calls" / "role_manager.json"
# The variants of an activity: with conditions on the network or the keys, and later versions.
VARIANT = re.compile(r"(Vpc)?(Kms|KMS)?(V\d+)?$")


def listed(value):
    return value if isinstance(value, list) else [value]


def activity(template):
    """The activity of a template: `ManageJobs` of `manageJobsVpcKms.json`."""
    name = VARIANT.sub("", template.stem, count=1)
    return name[0].upper() + name[1:]


def scope(resource, statement):
    """The resource of a grant, and the condition keys that limit it."""
    keys = sorted({key for test in statement.get("Condition", {}).values() for key in test})
    return f"{resource} if {', '.join(keys)}" if keys else resource


def grants(package):
    """The scopes of each action, by activity. A statement in another form than today's ends the program."""
    found = {}
    for template in sorted(Path(package, "assets", "templates").glob("*.json")):
        for statement in json.loads(template.read_text())["templateJson"]["Statement"]:
            unknown = statement.keys() - {"Sid", "Effect", "Action", "Resource", "Condition"}
            if statement["Effect"] != "Allow" or unknown:
                sys.exit(f"{template.name}: a statement in a form that this program does not know: {statement}")
            for action in listed(statement["Action"]):
                scopes = found.setdefault(activity(template), {}).setdefault(action, set())
                scopes.update(scope(resource, statement) for resource in listed(statement["Resource"]))
    return {name: {action: sorted(scopes) for action, scopes in sorted(actions.items())}
            for name, actions in sorted(found.items())}


def flat(granted):
    return {(name, action, one) for name, actions in granted.items() for action, scopes in actions.items()
            for one in scopes}


def differences(record, package):
    """What the package and the record do not have in common, as lines."""
    theirs, recorded = grants(package), record["grants"]
    rows = record["judged"] + record["elsewhere"]
    judged = {(row["activity"], row["action"]) for row in rows}
    actions = {(name, action) for name, actions in theirs.items() for action in actions}
    yield from (f"new: {name} grants {action} on {one}" for name, action, one in sorted(flat(theirs) - flat(recorded)))
    yield from (f"gone: {name} no longer grants {action} on {one}"
                for name, action, one in sorted(flat(recorded) - flat(theirs)))
    yield from (f"not judged: {action} of {name}" for name, action in sorted(actions - judged))
    yield from (f"judged, but not granted: {action} of {name}" for name, action in sorted(judged - actions))
    yield from (f"no reason: {row}" for row in record["judged"] + record["ours"]
                if row["verdict"] != "granted" and not (row.get("why") and row.get("source")))


def main(package):
    if not Path(package, "assets", "templates").is_dir():
        sys.exit(f"{package}: has no assets/templates; unpack the package and name its folder")
    record = json.loads(FILE.read_text())
    about = json.loads(Path(package, "package.json").read_text())
    found = list(differences(record, package))
    if f"{about['name']} {about['version']}" != record["package"]:
        print(f"the record is of {record['package']}, the package is {about['name']} {about['version']}")
    print("\n".join(found) or f"{FILE.name} judges every grant of the package")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(*sys.argv[1:2] or sys.exit(__doc__))
