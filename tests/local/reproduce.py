"""Builds the function twice, as on two machines, and compares the bytes.

Each build starts from nothing, in another folder, with a Cargo home of its own, so that all crates are fetched anew.
With `PUBLISH=1`, the command writes the SHA-256 to docs/evidence/reliability.md."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import evidence

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "target/reproduce"


def build(place):
    """Builds the function in a folder and returns its SHA-256."""
    sources, cargo_home = place / "sources", place / "cargo"
    shutil.rmtree(place, ignore_errors=True)
    files = subprocess.run(["git", "ls-files", "-z", "Cargo.*", ".cargo", "src", "crates"], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, files):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, sources / name)
    cargo_home.mkdir()
    # The build takes crates from the same registry as this machine.
    config = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "config.toml"
    if config.exists():
        shutil.copyfile(config, cargo_home / "config.toml")
    zig = {f"{name}_CACHE_DIR": str(place / name) for name in ("CARGO_ZIGBUILD", "ZIG_GLOBAL", "ZIG_LOCAL")}
    flags = f"--remap-path-prefix={cargo_home}=/cargo --remap-path-prefix={sources}=/mlops-roles"
    # The same command as sam's for template.yaml.
    subprocess.run(["cargo-lambda", "lambda", "build", "--release", "--bin", "function", "--locked"], cwd=sources,
                   check=True, env={**os.environ, **zig, "CARGO_HOME": str(cargo_home), "RUSTFLAGS": flags})
    return hashlib.sha256((sources / "target/lambda/function/bootstrap").read_bytes()).hexdigest()


def table(hashes, deployed):
    """The table for the page. `deployed` is the SHA-256 of the function that `make build` left, or None."""
    rows = [*zip(("the first build", "the second build, elsewhere"), hashes)]
    rows += [("`make build`", deployed)] if deployed else []
    verdict = "The two builds are equal." if len({*hashes}) == 1 else "The two builds differ."
    if deployed and deployed not in hashes:
        verdict += " The function of `make build` is another one; it may be of other sources."
    return "\n".join(["| build | SHA-256 of the function |", "|---|---|",
                      *(f"| {name} | `{sha256}` |" for name, sha256 in rows), "", verdict])


def main():
    hashes = [build(HERE / name) for name in ("one", "another/machine")]
    print("\n".join(hashes))
    file = ROOT / ".aws-sam/build/Function/bootstrap"
    deployed = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None
    if deployed:
        print(deployed, "of `make build`")
    if evidence.requested():
        try:
            evidence.publish(evidence.PAGES / "reliability.md", "reproduce", "make reproduce", table(hashes, deployed))
        except evidence.Refused as reason:
            return str(reason)
    if len({*hashes}) > 1:
        print("two builds of the same sources differ")
        return 1
    print("two builds of the same sources are equal")
    shutil.rmtree(HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
