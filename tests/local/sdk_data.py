"""Uses of the SageMaker Python SDK: the feature store, queries of it, and experiments."""

from pandas import DataFrame
from sagemaker.experiments import Run, list_runs, load_run
from sagemaker.feature_store.feature_definition import FractionalFeatureDefinition
from sagemaker.feature_store.feature_group import FeatureGroup
from sagemaker.feature_store.feature_store import FeatureStore
from sagemaker.feature_store.inputs import FeatureValue, Identifier
from sdk_account import BUCKET, ROLE
from sdk_scenarios import DATA, estimator, scenario, script, session

HEAD = {"s3:HeadObject": "_ArtifactUploader._try_get_etag catches any error, and stores no ETag"}
FRAME = DataFrame({"id": ["1"], "at": [1.0], "age": [30]}).astype({"id": "string"})


def created(offline=False):
    group = FeatureGroup("churn", session())
    group.load_feature_definitions(FRAME)
    group.create(s3_uri=f"s3://{BUCKET}/churn/features" if offline else False, record_identifier_name="id",
                 event_time_feature_name="at", role_arn=ROLE, enable_online_store=True)
    return group


@scenario("FeatureGroup, online", "FeatureGroup('churn', …).create(s3_uri=False, …), describe, ingest, put_record, "
          "get_record, update, update_feature_metadata, list_parameters_for_feature_metadata, list_tags, "
          "delete_record, delete", "FeatureStore")
def feature_group(_):
    group = created()
    group.describe()
    group.ingest(FRAME, wait=True)
    group.put_record([FeatureValue("id", "1"), FeatureValue("at", "1.0")])
    group.get_record("1")
    group.update([FractionalFeatureDefinition("score")])
    group.update_feature_metadata("age", description="years")
    group.list_parameters_for_feature_metadata("age")
    group.list_tags()
    group.delete_record("1", "1.0")
    group.delete()


@scenario("FeatureGroup, offline", "FeatureGroup('churn', …).create(s3_uri=…, …), describe, ingest, delete",
          "FeatureStore", "FeatureStoreOffline")
def feature_group_offline(_):
    group = created(offline=True)
    group.describe()
    group.ingest(FRAME, wait=True)
    group.delete()


@scenario("FeatureStore", "after create: FeatureStore(…).list_feature_groups(), search, batch_get_record",
          "FeatureStore")
def feature_store(_):
    store = FeatureStore(created().sagemaker_session)
    yield
    store.list_feature_groups()
    store.search("FeatureGroup")
    store.batch_get_record([Identifier("churn", ["1"])])


@scenario("FeatureGroup.athena_query", "after create: athena_query().run('SELECT …', output_location), wait, "
          "as_dataframe", "FeatureStore", "Athena", GlueDatabases=["sagemaker_featurestore"])
def query(_):
    group = created(offline=True)
    yield
    asked = group.athena_query()
    asked.run(f'SELECT * FROM "{asked.table_name}"', f"s3://{BUCKET}/churn/athena/")
    asked.wait()
    asked.as_dataframe()


@scenario("Run", "with Run('churn', 'churn', …): log_parameter, log_metric, log_file, log_artifact, and the last "
          "step of log_roc_curve; load_run, list_runs. The SDK names the trial Default-Run-Group-churn, and no "
          "argument changes that", "Experiments", optional=HEAD)
def run(folder):
    within = session()
    with Run("churn", "churn", sagemaker_session=within) as made:
        made.log_parameter("depth", 3)
        made.log_metric("loss", 1.0)
        made.log_file(script(folder), name="churn")
        made.log_artifact("data", DATA)
        # `log_roc_curve` computes the curve with scikit-learn, and calls this.
        made._log_graph_artifact({"type": "ROCCurve"}, "ROCCurve", is_output=True, artifact_name="roc")
    with load_run(experiment_name="churn", run_name="churn", sagemaker_session=within) as loaded:
        loaded.log_parameter("rate", 0.1)
    list_runs("churn", sagemaker_session=within)


@scenario("estimator.fit in a Run", "with Run('churn', 'churn', …): Estimator(base_job_name='churn', …).fit(inputs)",
          "Training", "Experiments")
def fit_in_run(_):
    within = session()
    with Run("churn", "churn", sagemaker_session=within):
        estimator(within).fit(DATA)
