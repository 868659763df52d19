"""Packages the built application into a local bucket, as its publisher does, and checks what is there.

    make package

The exit code is 1 if anything is wrong.
"""

import io
import json
import re
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import local  # noqa: E402
from local import ROOT, Local, Server  # noqa: E402

BUCKET = "mlops-roles-packages"
MOST_BYTES = 3_300_000  # the limit of the zipped function: each cold start waits for its download
FILES = {"LicenseUrl": ROOT / "LICENSE", "ReadmeUrl": ROOT / "README.md"}
# What the Serverless Application Repository accepts. Nothing but a refused publication says so otherwise.
TAKES = {"Name": r"[a-zA-Z0-9-]{1,140}", "Description": r".{1,256}", "SpdxLicenseId": r"Apache-2\.0",
         "Author": r"(?=.{1,127}$)[a-z0-9](([a-z0-9]|-(?!-))*[a-z0-9])?", "SemanticVersion": r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?"}
LABEL = r"[a-zA-Z0-9+_:/@-]{1,127}"
MOST_LABELS = 10
MOST_BYTES_OF_A_FILE = 5_000_000


def package(aws, folder):
    """The template that `sam package` writes."""
    aws.own_bucket(BUCKET)
    output = folder / "packaged.json"
    aws.sam("package", "--template-file", str(local.RELEASED), "--s3-bucket", BUCKET, "--no-progressbar", "--use-json",
            "--output-template-file", str(output))
    return json.loads(output.read_text())


def uploaded(aws, uri):
    """The content at the address, or None if the address is not in the bucket."""
    bucket, _, key = str(uri).removeprefix("s3://").partition("/")
    return aws.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() if bucket == BUCKET else None


def mistakes_of_the_code(code):
    if code is None:
        return ["CodeUri is not in the bucket"]
    with zipfile.ZipFile(io.BytesIO(code)) as archive:
        names, entry = archive.namelist(), archive.infolist()[0]
        found = [f"the code holds {names}, not `bootstrap` alone"] if names != ["bootstrap"] else []
        # sam keeps the file mode, and Lambda can start only an executable file.
        found += ["the code can't be executed"] if not entry.external_attr >> 16 & 0o111 else []
    return found + ([f"the code has {len(code):,} bytes, more than {MOST_BYTES:,}"] if len(code) > MOST_BYTES else [])


def mistakes_of_the_application(aws, about):
    found = [f"{name} is not as the repository takes it" for name, form in TAKES.items()
             if not re.fullmatch(form, about[name])]
    labels = about["Labels"]
    if len(labels) > MOST_LABELS or not all(re.fullmatch(LABEL, label) for label in labels):
        found.append("Labels are not as the repository takes them")
    for name, file in FILES.items():
        content = uploaded(aws, about[name])
        if content != file.read_bytes():
            found.append(f"{name} is not in the bucket" if content is None else f"{name} is not {file.name}")
        elif len(content) > MOST_BYTES_OF_A_FILE:
            found.append(f"{name} has {len(content):,} bytes, more than {MOST_BYTES_OF_A_FILE:,}")
    return found


def main():
    local.build(local.RELEASED)
    with tempfile.TemporaryDirectory() as work_dir:
        server = Server(work_dir)
        try:
            aws = Local(server.endpoint, server.sagemaker_endpoint)
            template = package(aws, Path(work_dir))
            code = uploaded(aws, template["Resources"]["Function"]["Properties"]["CodeUri"])
            mistakes = mistakes_of_the_code(code) + mistakes_of_the_application(
                aws, template["Metadata"]["AWS::ServerlessRepo::Application"])
        finally:
            server.stop()
    print("\n".join(mistakes) or f"package: {len(code):,} bytes of code, the licence and the README are in the bucket")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
