"""Checks target/sbom.json and target/cli-sbom.json: each lists all crates that the function or the command line is linked
from, each with its hash, and nothing of this machine.

A file may list more crates: it comes from `cargo metadata`, which counts features that only tests need. That of the
command line is for all targets."""

import json
import subprocess
import sys
from pathlib import Path

import release

ROOT = Path(__file__).resolve().parents[2]
# Each file, with the options of cargo for what it lists, and the targets that are released.
LISTS = {
    "target/sbom.json": (["--package", "mlops-roles"], ["x86_64-unknown-linux-gnu"]),
    "target/cli-sbom.json": (["--package", "mlops-roles-cli", "--features", "account"],
                             ["x86_64-unknown-linux-gnu", *release.TARGETS]),
}


def linked(options, target):
    tree = ["cargo", "tree", "--locked", *options, "--edges", "normal", "--target", target, "--prefix", "none",
            "--format", "{p}", "--no-dedupe"]
    lines = subprocess.run(tree, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
    return {tuple(line.split()[:2]) for line in lines[1:] if line}


def mistakes(text, expected, of_function):
    """What is wrong with the text of an SBOM, if these crates are linked."""
    components = json.loads(text)["components"]
    listed = {(one["name"], f"v{one['version']}") for one in components}
    found = [f"missing: {one}" for one in sorted(expected - listed)]
    if of_function:
        found += [f"of the command line: {name}" for name in ("clap", "saphyr-parser") if name in {one[0] for one in listed}]
    found += [f"no hash: {one['name']}" for one in components
              if not one.get("hashes") and not one["name"].startswith("mlops-roles")]
    return found + [f"holds {path}" for path in (str(ROOT), str(Path.home())) if path in text]


def main():
    failed = False
    for file, (options, targets) in LISTS.items():
        text = (ROOT / file).read_text()
        found = mistakes(text, set().union(*(linked(options, target) for target in targets)), file == "target/sbom.json")
        print("\n".join(f"{file}: {one}" for one in found) or f"{file}: all {len(json.loads(text)['components'])} crates")
        failed |= bool(found)
    return failed


if __name__ == "__main__":
    sys.exit(main())
