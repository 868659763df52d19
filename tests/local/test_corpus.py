"""Tests of corpus.py: state machines are found in every form, results are counted, and calls are judged."""

import json
import sys

import pytest

import corpus
from corpus import counts, kind, kinds, planned, summary
from corpus_files import as_text, machines, parse
from corpus_policies import allows, judged, main_call, statements, tasks

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:Work"
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/Orders"
DEFINITION = {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": FUNCTION, "End": True}}}
YAML = f"StartAt: A\nStates:\n  A: {{Type: Task, Resource: {FUNCTION}, End: true}}\n"
TEMPLATE = """
Parameters:
  Greeting: {Type: String, Default: hello}
Resources:
  Work: {Type: AWS::Lambda::Function}
  Orders: {Type: AWS::DynamoDB::Table}
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
"""
PROGRAM = """#!{python}
import json, sys
text = open(sys.argv[2]).read()
if "PANIC" in text:
    sys.exit(101)
if "TEXT" in text:
    print("no JSON"), sys.exit(0)
if "FILE" in text:
    print("error: `x`: can't be read", file=sys.stderr), sys.exit(1)
refusals = ["`Definition`: state `A`: `Resource`: found `x` of 12, expected text"] if "REFUSE" in text else []
if "ROLE" in text and not any("ResourceOverrides" in one for one in sys.argv):
    refusals = ["`Definition`: state `A`: `RoleArn`: the role is known only at run time; name the roles"]
statement = {{"effect": "Allow", "actions": ["lambda:InvokeFunction"], "states": ["A"],
             "resources": [{{"arn": "{function}", "wildcardBecause": []}}]}}
print(json.dumps([{{"refusals": refusals, "policies": [{{"statements": [statement]}}]}}]))
sys.exit(1 if refusals else 0)
"""


@pytest.fixture
def program(tmp_path_factory):
    """A program in the place of the command line: it grants the function of state `A` and nothing else."""
    program = tmp_path_factory.mktemp("program") / "program"
    program.write_text(PROGRAM.format(python=sys.executable, function=FUNCTION))
    program.chmod(0o755)
    return program


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def indented(text):
    return "\n".join(f"      {line}" for line in text.splitlines())


def template(properties):
    return TEMPLATE + indented(properties)


def resource_of(machine):
    return machine.definition["States"]["A"]["Resource"]


def test_definitions_are_found_as_json_and_as_yaml_and_nothing_else(tmp_path):
    write(
        tmp_path,
        {
            "a.asl.json": DEFINITION,
            "b/b.asl.yaml": YAML,
            "c.yml": YAML,
            "d.json": {"States": {}, "note": "StartAt"},
            "node_modules/e.asl.json": DEFINITION,
            "f.txt": YAML,
            "g.asl.json": "{ StartAt",
        },
    )
    found = {machine.file: machine for machine in machines(tmp_path)}
    assert sorted(found) == ["a.asl.json", "b/b.asl.yaml", "c.yml", "g.asl.json"]
    assert found.pop("g.asl.json").unreadable.startswith("ParserError")
    for file, machine in found.items():
        assert machine.definition == DEFINITION and machine.original == tmp_path / file


@pytest.mark.parametrize(
    "properties, resource",
    [
        (f"Definition:\n{indented(YAML.replace(FUNCTION, '!GetAtt Work.Arn'))}", "${Work.Arn}"),
        (f"DefinitionString: '{json.dumps(DEFINITION)}'", FUNCTION),
        (f"DefinitionString: !Sub '{json.dumps(DEFINITION).replace(FUNCTION, '${Work.Arn}')}'", "${Work.Arn}"),
        (
            "DefinitionString:\n  Fn::Sub:\n"
            f"    - '{json.dumps(DEFINITION).replace(FUNCTION, '${It}')}'\n    - It: !GetAtt Work.Arn",
            "${Work.Arn}",
        ),
        (
            "DefinitionString: {'Fn::Join': ['', ['"
            + json.dumps(DEFINITION).replace(FUNCTION, "', {'Fn::GetAtt': ['Work', 'Arn']}, '")
            + "']]}",
            "${Work.Arn}",
        ),
        ("DefinitionUri: asl/one.asl.json", FUNCTION),
        ("DefinitionUri: asl/two.asl.yaml\nDefinitionSubstitutions:\n  It: !GetAtt Work.Arn", "${Work.Arn}"),
    ],
    ids=["object", "text", "Sub", "Sub with names", "Join", "file", "file with substitutions"],
)
def test_the_definition_of_a_template_is_found_in_each_form(tmp_path, properties, resource):
    two = YAML.replace(FUNCTION, '"${It}"')
    write(
        tmp_path,
        {"app/template.yaml": template(properties), "app/asl/one.asl.json": DEFINITION, "app/asl/two.asl.yaml": two},
    )
    machine = next(one for one in machines(tmp_path) if one.name)
    assert (machine.file, machine.name, machine.unreadable) == ("app/template.yaml", "Machine", "")
    assert resource_of(machine) == resource
    assert machine.values == ({"Work.Arn": FUNCTION} if "$" in resource else {})


def test_a_file_that_a_template_names_counts_once(tmp_path):
    write(tmp_path, {"template.yaml": template("DefinitionUri: one.asl.json"), "one.asl.json": DEFINITION})
    assert [(one.file, one.name) for one in machines(tmp_path)] == [("template.yaml", "Machine")]


@pytest.mark.parametrize(
    "properties",
    [
        "DefinitionUri: s3://bucket/key",
        "DefinitionUri: absent.asl.json",
        "Role: x",
        "DefinitionString: !Ref Greeting",
        "Definition: {StartAt: A}",
    ],
)
def test_a_definition_that_is_not_in_the_files_is_unreadable(tmp_path, program, properties):
    write(tmp_path, {"template.yaml": template(properties)})
    (machine,) = machines(tmp_path)
    assert machine.definition is None and machine.unreadable
    assert planned(machine, program, tmp_path, 0, set())["outcome"] == "unreadable"


def test_the_state_machines_of_the_serverless_framework_are_found(tmp_path):
    definition = indented(YAML.replace(FUNCTION, "{Fn::GetAtt: [Work, Arn]}")).replace("      ", "        ")
    write(
        tmp_path,
        {
            "serverless.yml": "functions: {Work: {handler: '${self:custom.handler}'}}\n"
            f"stepFunctions:\n  stateMachines:\n    one:\n      definition:\n{definition}\n"
            "    two: {definition: '${file(two.yml)}'}\n"
        },
    )
    one, two = machines(tmp_path)
    assert resource_of(one) == "${Work.Arn}" and one.values["Work.Arn"].startswith("arn:aws:lambda:")
    assert two.unreadable == "the definition is not in the files"


def test_functions_of_a_template_become_placeholders():
    value = parse("[!Ref A, !GetAtt B.C.D, !Sub 'x-${E}-${AWS::Region}-${!F}', !ImportValue g, !If [c, y, z], 1]")
    assert [as_text(one) for one in value] == [
        "${A}",
        "${B.C.D}",
        "x-${E}-us-east-1-${F}",
        "${ImportValue._g_}",
        "y",
        "1",
    ]


def results(tmp_path, program, **definitions):
    write(tmp_path, {f"repository/{name}.asl.json": text for name, text in definitions.items()})
    return corpus.measure(tmp_path, program)


def test_each_outcome_is_counted(tmp_path, program):
    text = json.dumps(DEFINITION)
    found = results(
        tmp_path,
        program,
        a=text,
        b=text.replace("Work", "REFUSE"),
        c=text.replace("Work", "PANIC"),
        d=text.replace("Work", "TEXT"),
        e=text.replace("Work", "FILE"),
        f=text.replace("Work", "ROLE"),
        g="{ StartAt",
    )
    assert [one["outcome"] for one in found] == [
        "derived",
        "refused",
        "crashed",
        "crashed",
        "refused",
        "derived",
        "unreadable",
    ]
    assert counts(found) | {
        "definitions": 7,
        "derived": 2,
        "refused": 2,
        "crashed": 2,
        "unreadable": 1,
        "tasks": 6,
    } == counts(found)
    assert found[2]["messages"] == ["exit code 101: "] and found[3]["messages"] == ["the output is not JSON"]
    assert kinds(found) == [
        ("`Resource`: found `…` of …, expected text", 1, "repository/b.asl.json"),
        ("`…`: can't be read", 1, "repository/e.asl.json"),
    ]
    text = summary(found, tmp_path)
    assert "| crashed | 2 |" in text and "| `repository` |  | 7 | 2 | 2 | 2 | 1 | 6 | 0 |" in text


def test_a_task_without_a_grant_is_dropped_unless_it_needs_none(tmp_path, program):
    activity = "arn:aws:states:us-east-1:123456789012:activity:x"
    states = {
        "A": {"Type": "Task", "Resource": FUNCTION, "Next": "B"},
        "B": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Next": "C"},
        "C": {"Type": "Task", "Resource": activity, "Next": "D"},
        "D": {
            "Type": "Task",
            "Resource": "arn:aws:states:::apigateway:invoke",
            "Parameters": {"Method": "GET"},
            "End": True,
        },
    }
    (one,) = results(tmp_path, program, a=json.dumps({"StartAt": "A", "States": states}))
    assert one["dropped"] == [["B", "arn:aws:states:::sns:publish"]]
    assert [call[:2] for call in one["main"]] == [
        ["A", "allowed"],
        ["B", "denied"],
        ["C", "not judged"],
        ["D", "not judged"],
    ]


@pytest.mark.parametrize("fail_on, code", [("", 0), ("refused", 0), ("crashed", 1), ("refused,crashed", 1)])
def test_the_exit_code_says_whether_an_outcome_occurred(tmp_path, program, capsys, fail_on, code):
    write(tmp_path, {"a.asl.json": json.dumps(DEFINITION).replace("Work", "PANIC")})
    target = tmp_path / "target/results.json"
    assert corpus.main(str(tmp_path), "--program", str(program), "--results", str(target), "--fail-on", fail_on) == code
    assert json.loads(target.read_text())[0]["outcome"] == "crashed"
    printed = capsys.readouterr()
    assert "| crashed | 1 |" in printed.out and "crashed: a.asl.json" in printed.err


def test_a_count_that_does_not_exist_is_refused(tmp_path, program, capsys):
    with pytest.raises(SystemExit):
        corpus.main(str(tmp_path), "--program", str(program), "--fail-on", "crashed,lost")
    assert "no such count: lost" in capsys.readouterr().err


def test_the_tasks_have_the_paths_of_the_plan():
    task = {"Type": "Task"}
    inner = {"States": {"B": task}}
    definition = {
        "States": {
            "A": task,
            "P": {"Type": "Parallel", "Branches": [inner, inner]},
            "M": {"Type": "Map", "Iterator": inner},
            "N": {"Type": "Map", "ItemProcessor": inner},
        }
    }
    assert [path for path, _ in tasks(definition)] == [
        "A",
        "P.Branches[0].B",
        "P.Branches[1].B",
        "M.Iterator.B",
        "N.ItemProcessor.B",
    ]


def derived(action, *resources):
    return [{"effect": "Allow", "actions": [action], "resources": [{"arn": one} for one in resources], "states": ["A"]}]


@pytest.mark.parametrize(
    "policies",
    [
        "Policies:\n  - Statement:\n      - {Effect: Allow, Action: 'dynamodb:GetItem', Resource: !GetAtt Orders.Arn}\n"
        "      - {Effect: Allow, Action: ['dynamodb:GetItem', 'dynamodb:Put*'], Resource: '*'}\n"
        "      - {Effect: Deny, Action: 'dynamodb:Scan', Resource: '*'}\n"
        "  - LambdaInvokePolicy: {FunctionName: !Ref Work}",
        "RoleArn: !GetAtt Role.Arn",
    ],
    ids=["of the state machine", "of its role"],
)
def test_calls_that_were_granted_by_hand_are_judged(tmp_path, policies):
    statement = (
        "{Statement: [{Effect: Allow, Action: 'dynamodb:GetItem', Resource: [!GetAtt Orders.Arn, '*']},"
        " {Effect: Allow, Action: 'dynamodb:Put*', Resource: '*'}]}"
    )
    role = (
        "\n  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      Policies: [{PolicyDocument: " + statement + "}]\n"
        "  More:\n    Type: AWS::IAM::Policy\n    Properties:\n      Roles: [!Ref Role]\n      PolicyDocument:\n"
        "        Statement: {Effect: Allow, Action: 'lambda:InvokeFunction', Resource: !GetAtt Work.Arn}\n"
    )
    write(tmp_path, {"template.yaml": template(f"DefinitionString: '{json.dumps(DEFINITION)}'\n{policies}") + role})
    (machine,) = machines(tmp_path)
    verdicts = {
        (action, resource): verdict for verdict, action, resource in judged(machine, derived("dynamodb:getItem", TABLE))
    }
    assert verdicts == {
        ("dynamodb:GetItem", TABLE): "allowed",
        ("dynamodb:GetItem", "*"): "pattern, action derived",
        ("dynamodb:Put*", "*"): "wildcard in the action",
        ("lambda:InvokeFunction", FUNCTION): "denied, action not derived",
    }


def test_a_policy_beside_a_definition_is_judged(tmp_path):
    write(
        tmp_path,
        {
            "a.asl.json": DEFINITION,
            "policy.json": {"Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "arn:aws:sns:::x"}]},
        },
    )
    (machine,) = machines(tmp_path)
    assert list(judged(machine, derived("sns:Publish", "arn:aws:sns:::y"))) == [
        ("denied, action derived", "sns:Publish", "arn:aws:sns:::x")
    ]


@pytest.mark.parametrize(
    "task, granted, verdict",
    [
        ({"Resource": FUNCTION}, ("lambda:InvokeFunction", FUNCTION), "allowed"),
        ({"Resource": FUNCTION}, ("lambda:InvokeFunction", FUNCTION + "2"), "denied"),
        (
            {"Resource": "arn:aws:states:::dynamodb:getItem", "Parameters": {"TableName": "Orders"}},
            ("dynamodb:GetItem", TABLE),
            "allowed",
        ),
        (
            {"Resource": "arn:aws:states:::dynamodb:getItem", "Parameters": {"TableName": "Other"}},
            ("dynamodb:GetItem", TABLE),
            "denied",
        ),
        (
            {"Resource": "arn:aws:states:::dynamodb:getItem", "Parameters": {"TableName.$": "$.t"}},
            ("dynamodb:GetItem", "x"),
            "allowed",
        ),
        ({"Resource": "arn:aws:states:::aws-sdk:cloudwatchlogs:putLogEvents"}, ("logs:PutLogEvents", "*"), "allowed"),
        ({"Resource": "arn:aws:states:::lambda:invoke", "Credentials": {}}, ("sts:AssumeRole", "x"), "allowed"),
        ({"Resource": "arn:aws:states:::aws-sdk:s3:noSuchCall"}, ("s3:GetObject", "*"), "not judged"),
    ],
)
def test_the_main_call_of_a_task_is_judged(tmp_path, task, granted, verdict):
    write(tmp_path, {"a.asl.json": DEFINITION})
    (machine,) = machines(tmp_path)
    known = {"dynamodb:getitem", "logs:putlogevents"}
    assert main_call("A", task, machine, derived(*granted), known)[0] == verdict
    assert main_call("B", task, machine, derived(*granted), known)[0] == verdict.replace("allowed", "denied")


@pytest.mark.parametrize(
    "pattern, text, is_covered",
    [
        ("arn:x:*", "arn:x:a/b", True),
        ("a?c", "abc", True),
        ("a.c", "abc", False),
        ("s3:Get*", "S3:getObject", True),
        ("${Topic}", "arn:x", True),
        ("table/${T}/index/*", "table/a/index/b", True),
        ("table/${T}", "index/a", False),
    ],
)
def test_a_pattern_covers_what_iam_would_match(pattern, text, is_covered):
    assert allows(pattern, text) is is_covered


def test_the_kind_of_a_message_has_no_names():
    assert kind("`Definition`: state `A: b`: `StateMachineArn`: found `x`, expected 12 characters") == (
        "`…`: found `…`, expected … characters"
    )
    assert statements([{"policies": [{"statements": [1]}, {"statements": [2]}]}]) == [1, 2]
