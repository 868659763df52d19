"""Installs the peers, which do the same work in other languages, and packs them as for a deployment.

    python3 benches/peers/peers.py TARGETDIR

The script writes TARGETDIR/peers.json, which has for each peer the name, the command that runs it as Lambda would, the
folder for that command, and the deployment package. It does nothing if TARGETDIR has all of this already.
"""

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = [path for path in sorted(HERE.rglob("*")) if path.suffix in (".py", ".txt", ".mjs", ".json")]
NODE = shutil.which("node") or sys.exit("node is missing")
# The options that CDK's NodejsFunction uses for Node.js 20 with `minify`, `bundleAwsSDK` and `mainFields`. With the
# last one, esbuild takes the form of the SDK from which it can drop unused code. The file is smaller and starts faster.
ESBUILD = ["--bundle", "--target=node20", "--platform=node", "--format=cjs", "--minify", "--main-fields=module,main",
           "--log-level=error"]
# The earliest date that a zip file can have. All files have it, so that equal sources give equal packages.
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def run(*command, cwd, **more):
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def pack(path, files):
    """Packs the files into a zip file. `files` has them by their names in the package."""
    with zipfile.ZipFile(path, "w") as package:
        for name, file in sorted(files.items()):
            package.writestr(zipfile.ZipInfo(name, LONG_AGO), file.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)


def python(target):
    """Installs the peers in Python. The package has crhelper; Lambda's runtime has the event loop and boto3."""
    here = target / "python"
    shutil.copytree(HERE / "python", here, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "guide.json", here)
    venv.create(here / "venv", with_pip=True)
    interpreter = here / "venv/bin/python"
    pip = (interpreter, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "install", "-r", "requirements.txt", cwd=here)
    crhelper = next(here.glob("venv/lib/python3*/site-packages/crhelper"))
    shared = {f"crhelper/{file.name}": file for file in crhelper.glob("*.py")}
    shared |= {name: here / name for name in ("role.py", "guide.json")}
    peers = []
    for module, overlapping in (("handler", False), ("overlapping", True)):
        package = "python-overlapping.zip" if overlapping else "python.zip"
        pack(target / package, {**shared, f"{module}.py": here / f"{module}.py"})
        peers.append({
            "name": "Python, crhelper + boto3" + (", overlapped" if overlapping else ""),
            "command": [str(interpreter), "-m", "awslambdaric", f"{module}.handler"],
            "cwd": str(here),
            "package": str(target / package),
        })
    return peers


def node(target):
    """Installs the peers in Node.js. The package is one file, which includes the SDK."""
    here = target / "node"
    shutil.copytree(HERE / "node", here, ignore=shutil.ignore_patterns("node_modules"))
    shutil.copy(HERE / "guide.json", here)
    # Install scripts are off. That of esbuild would only save the start of another Node.js process.
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=here)
    peers = []
    for module, overlapping in (("handler", False), ("overlapping", True)):
        package = "node-overlapping.zip" if overlapping else "node.zip"
        esbuild = [here / "node_modules/.bin/esbuild", *ESBUILD]
        deployed, started = here / f"deployed/{module}/index.js", here / f"started/{module}.js"
        run(*esbuild, f"{module}.mjs", f"--outfile={deployed}", cwd=here)
        pack(target / package, {"index.js": deployed})
        # The started file includes the event loop, which Lambda's runtime has itself.
        entry = f'import {{ serve }} from "./runtime.mjs"; import {{ handler }} from "./{module}.mjs"; serve(handler);'
        run(*esbuild, f"--outfile={started}", cwd=here, input=entry)
        peers.append({
            "name": "Node.js, AWS SDK v3" + (", overlapped" if overlapping else ""),
            "command": [NODE, str(started)],
            "cwd": str(here),
            "package": str(target / package),
        })
    return peers


def stamp(target):
    """A text that changes if an installation would give another result."""
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    parts = [str(target), sys.executable, platform.python_version(), NODE, version]
    parts += [f"{path.relative_to(HERE)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in SOURCES]
    return "\n".join(parts) + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    target = Path(sys.argv[1]).resolve()
    installed, wanted = target / "installed", stamp(target)
    if installed.exists() and installed.read_text() == wanted:
        return
    target.mkdir(parents=True, exist_ok=True)
    installed.unlink(missing_ok=True)
    for former in ("python", "node"):
        shutil.rmtree(target / former, ignore_errors=True)
    peers = python(target) + node(target)
    (target / "peers.json").write_text(json.dumps(peers, indent=2) + "\n")
    installed.write_text(wanted)


if __name__ == "__main__":
    main()
