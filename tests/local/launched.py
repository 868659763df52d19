"""Shared by the tests of the launcher and of its SageMaker: the process, names, policy documents, and a function."""

import io
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

LAUNCHER = Path(__file__).with_name("ministack_launcher.py")
PYTHON = os.environ.get("MINISTACK_PYTHON", sys.executable)
ACCOUNT = "000000000000"
REGION = "eu-west-1"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": {
    "Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root", "Service": "lambda.amazonaws.com"}}})
# The code of a function that makes one call. Its event names the service, the call and the arguments.
MAKE_CALL = 'getattr(boto3.client(event["service"]), event["call"])(**event["arguments"])'
BOOTSTRAP = f"""#!{sys.executable}
import json, os, urllib.request
import boto3
from botocore.exceptions import ClientError
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as response:
        request, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
    try:
        {MAKE_CALL}
        answer = "done"
    except ClientError as e:
        answer = e.response["Error"]["Code"]
    urllib.request.urlopen(api + request + "/response", json.dumps(answer).encode())
"""
numbers = itertools.count(1)


def unique(prefix):
    return f"{prefix}-{next(numbers)}"


def start(port, temp, **more):
    env = {**os.environ, "GATEWAY_PORT": str(port), "TMPDIR": str(temp), "LOG_LEVEL": "WARNING", **more}
    server = subprocess.Popen([PYTHON, LAUNCHER], env=env)
    for _ in range(1200):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=1).close()
            return server
        except OSError:
            assert server.poll() is None, "the launcher ended before it was ready"
            time.sleep(0.1)
    server.kill()
    raise AssertionError("the launcher was not ready within two minutes")


def stop(server):
    server.send_signal(signal.SIGTERM)
    return server.wait(timeout=20)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions, resource="*", **condition):
    statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def refused(code, call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] == code, error.value
    return error.value.response["Error"]["Message"]


def role_arn(path_and_name):
    return f"arn:aws:iam::{ACCOUNT}:role/{path_and_name}"


def a_zip(**files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as z:
        for name, text in files.items():
            z.writestr(name, text)
    return data.getvalue()
