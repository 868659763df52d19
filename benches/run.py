"""Runs the bench: the function as it is deployed, the peers, and the local IAM behind them.

    make bench
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "target/bench"

sys.path.insert(0, str(ROOT / "tests/e2e"))

from local import Server  # noqa: E402


def function():
    bootstrap = ROOT / ".aws-sam/build/Function/bootstrap"
    package = WORK / "function.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(bootstrap, "bootstrap")
    return {"name": "mlops-roles", "command": [str(bootstrap)], "cwd": str(WORK), "package": str(package)}


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, ROOT / "benches/peers/peers.py", WORK / "peers"], check=True)
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", WORK / "harness", "--manifest-path",
                    ROOT / "benches/harness/Cargo.toml"], check=True)
    peers = WORK / "peers.json"
    peers.write_text(json.dumps([function(), *json.loads((WORK / "peers/peers.json").read_text())], indent=2) + "\n")
    with tempfile.TemporaryDirectory() as work_dir:
        server = Server(work_dir)
        try:
            port = server.endpoint.rpartition(":")[2]
            return subprocess.run([WORK / "harness/release/mlops-roles-bench", peers, port, WORK],
                                  env=os.environ, check=False).returncode
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
