"""Uses of the SageMaker Python SDK: training, processing, tuning and transform jobs, pipelines, and the role itself."""

from unittest import mock

import sagemaker
from sagemaker.clarify import BiasConfig, DataConfig, ModelConfig, ModelPredictedLabelConfig, SageMakerClarifyProcessor
from sagemaker.estimator import Estimator
from sagemaker.processing import ProcessingInput, ProcessingOutput, ScriptProcessor
from sagemaker.pytorch import PyTorch
from sagemaker.sklearn import SKLearn, SKLearnProcessor
from sagemaker.tuner import HyperparameterTuner, IntegerParameter
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.pipeline_context import PipelineSession
from sagemaker.workflow.steps import TrainingStep
from sdk_account import ACCOUNT, BUCKET, REGION, ROLE
from sdk_scenarios import DATA, IMAGE, INSTANCE, estimator, fitted, machines, scenario, script, session

TAGS = [{"Key": "team", "Value": "churn"}]
GET_ROLE = {"iam:GetRole": "Session.get_caller_identity_arn catches any error. It builds an ARN without path"}


@scenario("estimator.fit", "Estimator(base_job_name='churn', …).fit(inputs), which waits and shows the logs",
          "Training")
def fit(_):
    fitted()


@scenario("estimator.fit without a prefix", "Estimator(base_job_name='churn', …).fit(inputs), Session() without a "
          "prefix", "Training", prefix=None)
def fit_without_prefix(_):
    estimator(session(None)).fit(DATA)


@scenario("estimator.fit with tags", "Estimator(base_job_name='churn', tags=…, …).fit(inputs)", "Training")
def fit_with_tags(_):
    fitted(tags=TAGS)


@scenario("SKLearn.fit", "SKLearn(entry_point=…, base_job_name='churn', …).fit(inputs); the default name is "
          "sagemaker-scikit-learn-…", "Training")
def fit_sklearn(folder):
    SKLearn(entry_point=script(folder), framework_version="1.2-1", base_job_name="churn",
            **machines(session())).fit(DATA)


@scenario("PyTorch.fit", "PyTorch(entry_point=…, base_job_name='churn', …).fit(inputs); the default name is "
          "pytorch-training-…", "Training")
def fit_pytorch(folder):
    PyTorch(entry_point=script(folder), framework_version="2.1", py_version="py310", base_job_name="churn",
            **machines(session())).fit(DATA)


@scenario("Estimator.attach", "after fit: Estimator.attach('churn-…'), logs", "Training")
def attach(_):
    made = fitted()
    yield
    Estimator.attach(made.latest_training_job.name, made.sagemaker_session).logs()


@scenario("estimator.update_profiler", "after fit(wait=False): "
          "estimator.update_profiler(system_monitor_interval_millis=1000)", "Training")
def profile(_):
    made = estimator(session())
    made.fit(DATA, wait=False)
    yield
    made.update_profiler(system_monitor_interval_millis=1000)


@scenario("Session.upload_data", "Session().upload_data(file), then download_data", "Training")
def upload(folder):
    within = session()
    within.upload_data(script(folder))
    within.download_data(str(folder), BUCKET, "churn/data")


@scenario("ScriptProcessor.run", "ScriptProcessor(base_job_name='churn', …).run(code=…, inputs=…, outputs=…), which "
          "waits and shows the logs", "Processing")
def process(folder):
    processor = ScriptProcessor(image_uri=IMAGE, command=["python3"], base_job_name="churn", **machines(session()))
    processor.run(code=script(folder), inputs=[ProcessingInput(source=DATA, destination="/opt/ml/processing/input")],
                  outputs=[ProcessingOutput(source="/opt/ml/processing/output")])


@scenario("SKLearnProcessor.run", "SKLearnProcessor(base_job_name='churn', …).run(code=…), which waits and shows "
          "the logs", "Processing")
def process_sklearn(folder):
    SKLearnProcessor(framework_version="1.2-1", base_job_name="churn", **machines(session())).run(code=script(folder))


@scenario("SageMakerClarifyProcessor.run_bias", "SageMakerClarifyProcessor(job_name_prefix='churn', …).run_bias(…, "
          "ModelConfig('churn', endpoint_name_prefix='churn', …)), which waits and shows the logs; the default name "
          "is Clarify-Bias-…", "Processing")
def bias(_):
    data = DataConfig(f"{DATA}train.csv", f"s3://{BUCKET}/churn/bias", label="left", headers=["left", "age"],
                      dataset_type="text/csv")
    processor = SageMakerClarifyProcessor(job_name_prefix="churn", **machines(session()))
    processor.run_bias(data, BiasConfig([1], "age", [40]),
                       ModelConfig("churn", 1, INSTANCE, endpoint_name_prefix="churn"),
                       ModelPredictedLabelConfig(probability_threshold=0.5))


@scenario("transformer.transform", "after fit: estimator.transformer(1, 'ml.m5.large').transform(data), which waits "
          "and shows the logs; delete_model", "Transform")
def transform(_):
    made = fitted()
    yield
    transformer = made.transformer(1, INSTANCE)
    transformer.transform(DATA, content_type="text/csv")
    transformer.delete_model()


def tuner():
    made = HyperparameterTuner(estimator(session()), "loss", {"depth": IntegerParameter(1, 9)},
                               [{"Name": "loss", "Regex": "loss=(.*)"}], base_tuning_job_name="churn")
    made.fit(DATA)
    return made


@scenario("tuner.fit", "HyperparameterTuner(base_tuning_job_name='churn', …).fit(inputs), describe, "
          "best_training_job, best_estimator, analytics", "Tuning")
def tune(_):
    made = tuner()
    made.describe()
    made.best_training_job()
    made.best_estimator()
    made.analytics().dataframe()
    made.stop_tuning_job()


@scenario("tuner.deploy", "after fit: tuner.deploy(1, 'ml.m5.large'), delete_endpoint", "Tuning", "Hosting")
def tune_and_deploy(_):
    made = tuner()
    yield
    made.deploy(1, INSTANCE).delete_endpoint()


@scenario("Pipeline", "Pipeline('churn', steps=[TrainingStep(…)]).upsert(ROLE) twice, the second time with tags; "
          "start, describe, wait, list_steps, list_parameters, stop, describe, list_executions, "
          "list_pipeline_versions, delete", "Pipelines")
def pipeline(folder):
    within = PipelineSession(default_bucket_prefix="churn")
    job = SKLearn(entry_point=script(folder), framework_version="1.2-1", base_job_name="churn", **machines(within))
    made = Pipeline("churn", steps=[TrainingStep("train", step_args=job.fit(DATA))], sagemaker_session=within)
    made.upsert(ROLE)
    made.upsert(ROLE, tags=TAGS)
    execution = made.start()
    execution.describe()
    execution.wait()
    execution.list_steps()
    execution.list_parameters()
    execution.stop()
    made.describe()
    made.list_executions()
    made.list_pipeline_versions()
    made.delete()


@scenario("get_execution_role on a notebook instance", "get_execution_role(), with "
          "/opt/ml/metadata/resource-metadata.json of the notebook instance 'churn'", "Notebook")
def role_of_notebook(folder):
    within, role = session(), ROLE.replace("role/", "role/service-role/")
    within.sagemaker_client.create_notebook_instance(NotebookInstanceName="churn", InstanceType="ml.t3.medium",
                                                     RoleArn=role)
    yield
    metadata = folder / "resource-metadata.json"
    metadata.write_text(f'{{"ResourceArn": "arn:aws:sagemaker:{REGION}:{ACCOUNT}:notebook-instance/churn", '
                        '"ResourceName": "churn"}')
    with mock.patch("sagemaker.session.NOTEBOOK_METADATA_FILE", str(metadata)):
        assert sagemaker.get_execution_role(within) == role


@scenario("get_execution_role in a job", "get_execution_role() without the file of a notebook instance", "Training",
          optional=GET_ROLE)
def role_of_job(_):
    assert sagemaker.get_execution_role(session()) == ROLE
