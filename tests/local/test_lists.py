"""Tests of lists that nothing else compares with what they are a list of: resource types, properties, counts."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in ROOT.glob("schemas/*.json")}
# The members of `RoleNames` are the names of roles, one list for each role set. The fuzzer has two of them.
NOT_LISTED = {"RoleNames"}


def text_of(path, name):
    """The words of a constant of text in a Rust file."""
    [text] = re.findall(rf'const {name}: &str = "(.*?)";', (ROOT / path).read_text(), re.DOTALL)
    return set(text.replace("\\\n", " ").split())


def list_of(path, name):
    """The texts of a constant list of texts in a Rust file."""
    [items] = re.findall(rf"const {name}: \[&str; \d+\] = \[(.*?)\];", (ROOT / path).read_text(), re.DOTALL)
    return set(re.findall(r'"([^"]+)"', items))


def properties(schema):
    """The names of all properties that a schema describes, also of those in objects and lists."""
    for name, one in schema.get("properties", {}).items():
        yield name
        if name not in NOT_LISTED:
            yield from properties(one)
    inner = [schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", [])]
    for one in inner:
        if isinstance(one, dict):
            yield from properties(one)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
@pytest.mark.parametrize("path", [
    "README.md", "crates/testkit/src/fixtures.rs", "crates/generate/tests/it/schemas.rs", "tests/it/campaign/case.rs",
    "tests/e2e/power.py", "tests/local/test_boundary.py", "docs/reference/deployer-parameters.md",
])
def test_each_list_has_each_resource_type(path, name):
    assert re.search(rf"\b{name}\b", (ROOT / path).read_text()), f"{path} does not have {name}"


def test_the_fuzzers_know_each_resource_type_and_property():
    types = {f"Custom::{name}" for name in SCHEMAS}
    assert len(types) > 4 and types <= text_of("fuzz/src/mutate.rs", "TEXTS")
    names = {name for schema in SCHEMAS.values() for name in properties(schema)}
    assert len(names) > 80 and names - text_of("fuzz/src/mutate.rs", "KEYS") == set()


def test_the_command_line_knows_that_the_ref_of_one_role_is_its_name():
    of_one_role = {f"Custom::{name}" for name, schema in SCHEMAS.items() if "RoleName" in schema["x-attributes"]}
    assert len(of_one_role) > 1 and of_one_role - list_of("crates/cli/src/input/shape.rs", "REF_IS_NAME") == set()


@pytest.mark.parametrize("path, form", [
    ("docs/explanation/least-privilege.md", "all optimised integrations of Step Functions: {},"),
    ("docs/evidence/peers.md", "There are {} rows."),
])
def test_the_pages_have_the_count_of_integrations_with_their_patterns(path, form):
    coverage = (ROOT / "docs/evidence/coverage.md").read_text()
    [count] = re.findall(r"^\| \*\*all\*\* \| \d+ \| (\d+) \|", coverage, re.MULTILINE)
    assert form.format(count) in (ROOT / path).read_text()
