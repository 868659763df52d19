"""What the uses of the SageMaker Python SDK in `sdk_jobs`, `sdk_models` and `sdk_data` have in common.

A scenario has the properties of an execution role that should suffice for it: the fewest capabilities whose names
promise it.
"""

from pathlib import Path
from typing import Callable, NamedTuple

import sagemaker
from sagemaker.estimator import Estimator
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sdk_account import ACCOUNT, BUCKET, REGION, ROLE

IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/churn:1"
DATA = f"s3://{BUCKET}/churn/data/"
INSTANCE = "ml.m5.large"
# Calls that the SDK goes on without, with the code that does so. The account denies them.
OPTIONAL = {"s3:ListBuckets": "boto3's bucket_load catches AccessDenied. Session.default_bucket asks for the bucket"}


class Scenario(NamedTuple):
    name: str
    # The code in short. What stands behind `after` is not recorded.
    how: str
    properties: dict
    optional: dict
    run: Callable[[Path], None]


SCENARIOS = []


def scenario(name, how, *capabilities, prefix="churn", optional=None, **more):
    """Makes a scenario of a function. The role may use the default bucket, below the prefix. What the function does
    before it yields is not recorded."""
    def added(run):
        bucket = {"Name": BUCKET, **({"Prefix": prefix} if prefix else {}), "Access": "ReadWrite"}
        properties = {"Capabilities": list(capabilities), "NamePrefix": "churn", "PassSelf": True, "Buckets": [bucket],
                      **more}
        SCENARIOS.append(Scenario(name, how, properties, {**OPTIONAL, **(optional or {})}, run))
        return run
    return added


def session(prefix="churn"):
    return sagemaker.Session(default_bucket_prefix=prefix)


def script(folder):
    """A script in the working folder. The SDK puts a hash of the path into the names of objects."""
    (folder / "churn.py").write_text("print('churn')\n")
    return "churn.py"


def machines(within):
    return {"role": ROLE, "instance_count": 1, "instance_type": INSTANCE, "sagemaker_session": within}


def estimator(within, **more):
    return Estimator(image_uri=IMAGE, base_job_name="churn", **machines(within), **more)


def fitted(**more):
    made = estimator(session(), **more)
    made.fit(DATA)
    return made


def model(within):
    return Model(image_uri=IMAGE, role=ROLE, model_data=f"{DATA}model.tar.gz", name="churn", sagemaker_session=within,
                 predictor_cls=Predictor)
