"""Uses of the SageMaker Python SDK: models, endpoints, the model registry, and the monitoring of models."""

import time

from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.compute_resource_requirements.resource_requirements import ResourceRequirements
from sagemaker.enums import EndpointType
from sagemaker.model import ModelPackage
from sagemaker.model_monitor import CronExpressionGenerator, DefaultModelMonitor
from sagemaker.model_monitor.dataset_format import DatasetFormat
from sagemaker.predictor import Predictor
from sagemaker.pytorch import PyTorch
from sagemaker.serializers import CSVSerializer
from sagemaker.serverless import ServerlessInferenceConfig
from sdk_account import ACCOUNT, BUCKET, REGION, ROLE
from sdk_answers import MONITORING_JOB
from sdk_scenarios import DATA, INSTANCE, fitted, machines, model, scenario, script, session

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:churn"
SEARCH = {"sagemaker:Search": "Session.create_model_package_from_containers catches any error, and calls "
                              "ListModelPackageGroups"}


def deployed():
    return model(session()).deploy(1, INSTANCE, endpoint_name="churn", serializer=CSVSerializer())


@scenario("estimator.deploy", "after fit: estimator.deploy(1, 'ml.m5.large'), predict, delete_model, delete_endpoint",
          "Hosting")
def deploy(_):
    made = fitted()
    yield
    predictor = made.deploy(1, INSTANCE, serializer=CSVSerializer())
    predictor.predict("1,2")
    predictor.delete_model()
    predictor.delete_endpoint()


@scenario("PyTorch.deploy", "after fit of PyTorch(entry_point=…, base_job_name='churn', …): deploy(1, "
          "'ml.m5.large'), which packs the model again", "Hosting")
def deploy_pytorch(folder):
    made = PyTorch(entry_point=script(folder), framework_version="2.1", py_version="py310", base_job_name="churn",
                   **machines(session()))
    made.fit(DATA)
    yield
    made.deploy(1, INSTANCE)


@scenario("model.deploy with tags", "Model(name='churn', …).deploy(1, 'ml.m5.large', tags=…, "
          "endpoint_name='churn'); the default names come from the name of the image", "Hosting")
def deploy_with_tags(_):
    model(session()).deploy(1, INSTANCE, endpoint_name="churn", tags=[{"Key": "team", "Value": "churn"}])


@scenario("model.deploy, serverless", "Model(name='churn', …).deploy(serverless_inference_config=…, "
          "endpoint_name='churn')", "Hosting")
def deploy_serverless(_):
    model(session()).deploy(serverless_inference_config=ServerlessInferenceConfig(), endpoint_name="churn")


@scenario("model.deploy, asynchronous", "Model(name='churn', "
          "…).deploy(async_inference_config=AsyncInferenceConfig(output_path=…, "
          "notification_config={'SuccessTopic': …}), endpoint_name='churn'), predict_async; get_result a minute "
          "later", "Hosting", Topics=[TOPIC])
def deploy_async(_):
    waited_for = asynchronous().predict_async("1,2")
    time.sleep(60)
    waited_for.get_result()


@scenario("AsyncPredictor.predict", "after deploy: predict, which waits for the output. It has to see that the "
          "output is not there yet. HeadObject sends no prefix, so the role may list the whole bucket", "Hosting",
          prefix=None, Topics=[TOPIC])
def predict_async(_):
    predictor = asynchronous()
    yield
    predictor.predict("1,2")


def asynchronous():
    output = f"s3://{BUCKET}/churn/async/"
    config = AsyncInferenceConfig(output_path=output, failure_path=f"s3://{BUCKET}/churn/failed/",
                                  notification_config={"SuccessTopic": TOPIC, "ErrorTopic": TOPIC})
    return model(session()).deploy(1, INSTANCE, async_inference_config=config, endpoint_name="churn",
                                   serializer=CSVSerializer())


@scenario("model.deploy with inference components", "Model(name='churn', "
          "…).deploy(resources=ResourceRequirements(…), endpoint_type=INFERENCE_COMPONENT_BASED, "
          "endpoint_name='churn', inference_component_name='churn'), predict, update_predictor, "
          "list_related_models, delete_predictor", "Hosting", "InferenceComponents")
def deploy_component(_):
    needed = ResourceRequirements(requests={"num_cpus": 1, "memory": 1024, "copies": 1})
    predictor = model(session()).deploy(
        1, INSTANCE, resources=needed, endpoint_type=EndpointType.INFERENCE_COMPONENT_BASED, endpoint_name="churn",
        inference_component_name="churn", serializer=CSVSerializer())
    predictor.predict("1,2")
    predictor.update_predictor(resources=needed)
    predictor.list_related_models()
    predictor.delete_predictor(wait=True)


@scenario("predictor.update_endpoint", "after deploy: predictor.update_endpoint(initial_instance_count=2, "
          "instance_type=…), enable_data_capture", "Hosting")
def update(_):
    predictor = deployed()
    yield
    predictor.update_endpoint(initial_instance_count=2, instance_type="ml.m5.xlarge")
    predictor.enable_data_capture()


def registered(within):
    return model(within).register(["text/csv"], ["text/csv"], [INSTANCE], [INSTANCE], model_package_group_name="churn",
                                  approval_status="PendingManualApproval")


@scenario("model.register", "Model(name='churn', …).register(model_package_group_name='churn', …), "
          "update_approval_status('Approved')", "ModelRegistry", optional=SEARCH)
def register(_):
    registered(session()).update_approval_status("Approved")


@scenario("ModelPackage.deploy", "after register: ModelPackage(model_package_arn=…, name='churn', …).deploy(1, "
          "'ml.m5.large', endpoint_name='churn')", "ModelRegistry", "Hosting")
def deploy_package(_):
    within = session()
    package = registered(within)
    yield
    ModelPackage(ROLE, model_package_arn=package.model_package_arn, name="churn", sagemaker_session=within).deploy(
        1, INSTANCE, endpoint_name="churn")


def monitor(within):
    return DefaultModelMonitor(role=ROLE, base_job_name="churn", sagemaker_session=within)


@scenario("DefaultModelMonitor.suggest_baseline", "DefaultModelMonitor(base_job_name='churn', "
          "…).suggest_baseline(data), which waits and shows the logs; baseline_statistics, suggested_constraints",
          "ModelMonitor")
def baseline(_):
    made = monitor(session())
    made.suggest_baseline(f"{DATA}train.csv", DatasetFormat.csv())
    made.baseline_statistics()
    made.suggested_constraints()


@scenario("DefaultModelMonitor.create_monitoring_schedule", "after deploy: "
          "DefaultModelMonitor(base_job_name='churn', …).create_monitoring_schedule(endpoint_input='churn', "
          "monitor_schedule_name='churn', …), describe_schedule, update, stop, start; Predictor.list_monitors; "
          "delete", "ModelMonitor")
def schedule(_):
    predictor = deployed()
    yield
    made = monitor(predictor.sagemaker_session)
    made.create_monitoring_schedule(endpoint_input="churn", monitor_schedule_name="churn",
                                    schedule_cron_expression=CronExpressionGenerator.hourly())
    made.describe_schedule()
    made.update_monitoring_schedule(schedule_cron_expression=CronExpressionGenerator.daily())
    made.stop_monitoring_schedule()
    made.start_monitoring_schedule()
    Predictor("churn", predictor.sagemaker_session).list_monitors()
    made.delete_monitoring_schedule()


@scenario("DefaultModelMonitor.list_executions", "after create_monitoring_schedule: "
          "list_executions()[-1].statistics(); SageMaker names the jobs of a schedule", "ModelMonitor")
def executions(_):
    within = deployed().sagemaker_session
    made = monitor(within)
    made.create_monitoring_schedule(endpoint_input="churn", monitor_schedule_name="churn",
                                    schedule_cron_expression=CronExpressionGenerator.hourly())
    start_of_service(within)
    yield
    made.list_executions()[-1].statistics()


def start_of_service(within):
    """Creates the job of the schedule in place of SageMaker."""
    resources = {"ClusterConfig": {"InstanceCount": 1, "InstanceType": INSTANCE, "VolumeSizeInGB": 20}}
    output = {"OutputName": "results", "S3Output": {"S3Uri": f"s3://{BUCKET}/churn/monitoring", "LocalPath": "/opt/ml",
                                                    "S3UploadMode": "Continuous"}}
    within.sagemaker_client.create_processing_job(
        ProcessingJobName=MONITORING_JOB, ProcessingResources=resources, AppSpecification={"ImageUri": "churn"},
        RoleArn=ROLE, ProcessingInputs=[], ProcessingOutputConfig={"Outputs": [output]})
