"""Builds the function twice, as on two machines, and compares the bytes.

Each time from nothing: the sources elsewhere, and a Cargo home of its own, so that all crates are fetched anew."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "target/reproduce"


def build(place):
    """The SHA-256 of the function that is built there."""
    sources, cargo_home = place / "sources", place / "cargo"
    shutil.rmtree(place, ignore_errors=True)
    files = subprocess.run(["git", "ls-files", "-z", "Cargo.*", ".cargo", "src", "crates"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, files):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, sources / name)
    cargo_home.mkdir()
    # Whatever registry this machine takes crates from.
    config = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "config.toml"
    if config.exists():
        shutil.copyfile(config, cargo_home / "config.toml")
    zig = {f"{name}_CACHE_DIR": str(place / name) for name in ("CARGO_ZIGBUILD", "ZIG_GLOBAL", "ZIG_LOCAL")}
    flags = f"--remap-path-prefix={cargo_home}=/cargo --remap-path-prefix={sources}=/mlops-roles"
    # As sam does it for template.yaml.
    subprocess.run(["cargo-lambda", "lambda", "build", "--release", "--bin", "function", "--locked"], cwd=sources,
                   check=True, env={**os.environ, **zig, "CARGO_HOME": str(cargo_home), "RUSTFLAGS": flags})
    return hashlib.sha256((sources / "target/lambda/function/bootstrap").read_bytes()).hexdigest()


def main():
    hashes = [build(HERE / name) for name in ("one", "another/machine")]
    print("\n".join(hashes))
    deployed = ROOT / ".aws-sam/build/Function/bootstrap"
    if deployed.exists():
        print(hashlib.sha256(deployed.read_bytes()).hexdigest(), "of `make build`")
    if len({*hashes}) > 1:
        print("two builds of the same sources differ")
        return 1
    print("two builds of the same sources are equal")
    shutil.rmtree(HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
