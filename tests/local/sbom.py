"""Checks target/sbom.json: it lists all crates that the function is linked from, each with its hash, and nothing of
this machine.

The file may list more crates: it comes from `cargo metadata`, which counts features that only tests need."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def linked():
    tree = ["cargo", "tree", "--locked", "--edges", "normal", "--target", "x86_64-unknown-linux-gnu", "--prefix", "none",
            "--format", "{p}", "--no-dedupe"]
    lines = subprocess.run(tree, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
    return {tuple(line.split()[:2]) for line in lines[1:] if line}


def main():
    text = (ROOT / "target/sbom.json").read_text()
    components = json.loads(text)["components"]
    listed = {(one["name"], f"v{one['version']}") for one in components}
    mistakes = [f"missing: {one}" for one in sorted(linked() - listed)]
    mistakes += [f"of the command line: {name}" for name in ("clap", "saphyr-parser") if name in {one[0] for one in listed}]
    mistakes += [f"no hash: {one['name']}" for one in components
                 if not one.get("hashes") and not one["name"].startswith("mlops-roles-")]
    mistakes += [f"holds {path}" for path in (str(ROOT), str(Path.home())) if path in text]
    print("\n".join(mistakes) or f"SBOM: all {len(listed)} crates of the function")
    return len(mistakes)


if __name__ == "__main__":
    sys.exit(main())
