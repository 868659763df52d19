"""Checks that no locked package needs a newer Rust than Cargo.toml promises, and builds with that Rust if it is
installed."""

import json
import subprocess
import sys


def version(text):
    return tuple(int(part) for part in (text.split("-")[0] + ".0.0").split(".")[:3])


def main():
    metadata = subprocess.run(["cargo", "metadata", "--locked", "--format-version", "1"], check=True,
                              capture_output=True, text=True)
    packages = json.loads(metadata.stdout)["packages"]
    promised = next(p["rust_version"] for p in packages if p["name"] == "mlops-roles")
    newer = [f"{p['name']} {p['version']} asks for Rust {p['rust_version']}, Cargo.toml promises {promised}"
             for p in packages if p["rust_version"] and version(p["rust_version"]) > version(promised)]
    if newer:
        print("\n".join(newer))
        return 1
    print(f"oldest Rust: all {len(packages)} packages take {promised}")
    try:
        installed = subprocess.run(["rustup", "toolchain", "list"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        installed = ""
    if not any(line.startswith(promised) for line in installed.splitlines()):
        print(f"oldest Rust: not built with {promised}, which is not installed")
        return 0
    return subprocess.run(["cargo", f"+{promised}", "check", "--workspace", "--all-features", "--locked",
                           "--target-dir", "target/oldest"]).returncode


if __name__ == "__main__":
    sys.exit(main())
