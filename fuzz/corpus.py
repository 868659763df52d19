"""Unpacks and packs the kept corpus: `corpus.py unpack TARGET FOLDER` and `corpus.py pack TARGET FOLDER`.

A file of the corpus has one input a line, as a JSON string, so that changes are readable. Unpacking adds the examples
of the project."""

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
LONGEST = 1_000  # the most characters of a kept input: longer inputs seldom reach more code
TESTS = HERE.parent / "tests/data"
HOST = "cloudformation-custom-resource-response-useast1"


def examples(target):
    if target == "event":
        yield from (path.read_text() for path in HERE.parent.glob("events/*.json"))
    if target == "definition":
        yield from (path.read_text() for path in TESTS.glob("definitions/*.asl.json"))
    if target == "properties":
        for folder, kind in [("definitions", "StepFunctionsWorkflowRole"), ("execution_roles", "SageMakerExecutionRole")]:
            for path in TESTS.glob(f"{folder}/*.properties.json"):
                yield json.dumps([f"Custom::{kind}", json.loads(path.read_text())])
    if target in ("properties", "event"):
        for path in HERE.parent.glob("events/*.json"):
            event = json.loads(path.read_text())
            if target == "properties" and "ResourceProperties" in event:
                yield json.dumps([event["ResourceType"], event["ResourceProperties"]])
    if target == "event":
        event = json.loads((HERE.parent / "events/create.json").read_text())
        for text in examples("properties"):
            kind, properties = json.loads(text)
            yield json.dumps({**event, "ResourceType": kind, "ResourceProperties": properties})
    if target == "response_url":
        for service in ("s3", "s3-us-east-1", "s3.us-east-1"):
            yield f"https://{HOST}.{service}.amazonaws.com/stack?X-Amz-Date=20261122T010158Z"
        yield "http://localhost:4566/cfn-response?x=y"


def kept(target):
    path = HERE / f"corpus/{target}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def unpack(target, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for text in [*examples(target), *kept(target)]:
        data = text.encode()
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def pack(target, folder):
    texts = set()
    for path in folder.iterdir():
        try:
            texts.add(path.read_bytes().decode())
        except UnicodeDecodeError:
            continue
    lines = [json.dumps(text) + "\n" for text in sorted(texts) if len(text) <= LONGEST]
    (HERE / f"corpus/{target}.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    {"unpack": unpack, "pack": pack}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
