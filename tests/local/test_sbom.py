"""Tests of sbom.py: what it finds in a list of crates."""

import json

import pytest

import sbom

LINKED = {("a", "v1.0.0"), ("mlops-roles", "v0.1.0")}


def listed(*more, path=""):
    """An SBOM with two crates and further ones."""
    own = [{"name": "mlops-roles", "version": "0.1.0", "purl": path}, {"name": "a", "version": "1.0.0", "hashes": [{}]}]
    return json.dumps({"components": [*own, *more]})


@pytest.mark.parametrize("text, of_function, found", [
    (listed(), True, []),
    (listed({"name": "clap", "version": "4.0.0", "hashes": [{}]}), False, []),
    (listed({"name": "clap", "version": "4.0.0", "hashes": [{}]}), True, ["of the command line: clap"]),
    (listed({"name": "b", "version": "1.0.0"}), False, ["no hash: b"]),
    (json.dumps({"components": []}), False, ["missing: ('a', 'v1.0.0')", "missing: ('mlops-roles', 'v0.1.0')"]),
    (listed(path=f"file://{sbom.ROOT}/crates"), False, [f"holds {sbom.ROOT}"]),
], ids=["right", "command line", "function", "hash", "missing", "path"])
def test_what_a_list_lacks_is_found(monkeypatch, text, of_function, found):
    monkeypatch.setattr(sbom.Path, "home", lambda: sbom.Path("/home/nobody"))
    assert sbom.mistakes(text, LINKED, of_function) == found
