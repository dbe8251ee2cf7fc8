"""Experiments, lineage and Search by their clients, unmodified: smexperiments and the SageMaker SDK."""

from __future__ import annotations

import time
import uuid
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagelocal.config import Settings

PROGRAM = "import time; [print(f'loss={x};') for x in (3, 1, 2)]; time.sleep(2)"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"


@pytest.fixture
def sagemaker(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)
    return boto3.Session().client("sagemaker")  # the default session keeps the keys of an earlier test


@pytest.fixture
def session(sagemaker: Any, laptop: Settings) -> Any:
    from sagemaker.core.helper.session_helper import Session

    return Session(boto_session=boto3.Session(), default_bucket=laptop.bucket)


@pytest.mark.filterwarnings("ignore:pkg_resources")
def test_smexperiments_keeps_and_finds_what_it_tracks(sagemaker: Any) -> None:
    from smexperiments import search_expression as search
    from smexperiments.experiment import Experiment
    from smexperiments.tracker import Tracker
    from smexperiments.trial import Trial
    from smexperiments.trial_component import TrialComponent

    experiment = Experiment.create("Shop", "what sells", tags=[{"Key": "team", "Value": "x"}])
    trial = Trial.create("Shop", "first")
    with Tracker.create("Prepare", sagemaker_boto_client=sagemaker) as tracker:
        tracker.log_parameters({"rows": 12, "how": "fast"})
        tracker.log_input("raw", "s3://bucket/raw", media_type="text/csv")
    trial.add_trial_component(tracker.trial_component)
    name = tracker.trial_component.trial_component_name

    assert [one.trial_name for one in Experiment.load("shop").list_trials()] == ["first"]
    assert [one.trial_component_name for one in Trial.load("first").list_trial_components()] == [name]
    loaded = TrialComponent.load(name)
    assert loaded.parameters == {"rows": 12.0, "how": "fast"}
    assert loaded.input_artifacts["raw"].value == "s3://bucket/raw"
    assert loaded.status.primary_status == "Completed"
    wanted = search.Filter("Parameters.rows", search.Operator.GREATER_THAN, "11")
    (found,) = TrialComponent.search(search_expression=search.SearchExpression(filters=[wanted]))
    assert found.parents == [{"TrialName": "first", "ExperimentName": "Shop"}]
    tagged = search.Filter("Tags.team", search.Operator.EQUALS, "x")
    (found,) = Experiment.search(search_expression=search.SearchExpression(filters=[tagged]))
    assert found.description == "what sells"
    trial.remove_trial_component(loaded)
    loaded.delete()
    trial.delete()
    experiment.delete()
    with pytest.raises(ClientError, match="ResourceNotFound"):
        Experiment.load("Shop")


def test_the_sdks_run_logs_and_its_analytics_read(session: Any) -> None:
    from sagemaker.core.analytics import ExperimentAnalytics
    from sagemaker.core.experiments.run import Run, list_runs, load_run

    for rate in (0.1, 0.2):
        with Run("Rates", f"rate-{int(rate * 10)}", sagemaker_session=session) as run:
            run.log_parameter("rate", rate)
            for step in range(11):  # more than go into one BatchPutMetrics
                run.log_metric("loss", rate * (10 - step), step=step)
            run.log_roc_curve([0, 1, 1, 0], [0.1, 0.9, 0.8, 0.3], title="curve")
    with load_run(run_name="rate-1", experiment_name="Rates", sagemaker_session=session) as run:
        run.log_parameter("seed", 7)
    assert {run.run_name for run in list_runs("rates", sagemaker_session=session)} == {"rate-1", "rate-2"}
    frame = ExperimentAnalytics(
        experiment_name="rates", sort_by="Metrics.loss.Max", sagemaker_session=session
    ).dataframe()
    assert list(frame["rate"]) == [0.2, 0.1]
    assert list(frame["seed"].fillna(0)) == [0, 7]
    assert list(frame["loss - Max"]) == [2.0, 1.0]
    assert list(frame["loss - Count"]) == [11, 11]
    (curve, _) = session.sagemaker_client.list_artifacts(ArtifactType="ROCCurve")["ArtifactSummaries"]
    (by,) = session.sagemaker_client.list_associations(DestinationArn=curve["ArtifactArn"])["AssociationSummaries"]
    assert (by["SourceType"], by["AssociationType"]) == ("SageMakerExperimentTrialComponent", "Produced")


@pytest.mark.namespaces
def test_a_training_job_as_the_sdk_shows_it(session: Any, laptop: Settings) -> None:
    from sagemaker.core.lineage.lineage_trial_component import LineageTrialComponent
    from sagemaker.core.lineage.query import LineageQuery, LineageQueryDirectionEnum
    from sagemaker.core.lineage.visualizer import LineageTableVisualizer

    sagemaker, job = session.sagemaker_client, f"Job-{uuid.uuid4().hex[:8]}"
    session.boto_session.client("s3").put_object(Bucket=laptop.bucket, Key="train/a.csv", Body=b"1")
    data = f"s3://{laptop.bucket}/train/"
    sagemaker.create_training_job(
        TrainingJobName=job,
        RoleArn=laptop.role_arn,
        AlgorithmSpecification={
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", PROGRAM],
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
        },
        InputDataConfig=[
            {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": data}}}
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{laptop.bucket}/models"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )  # fmt: skip
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=job, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    component = sagemaker.describe_trial_component(TrialComponentName=f"{job}-aws-training-job")
    (loss,) = component["Metrics"]
    assert {name: loss[name] for name in ("Count", "Min", "Max", "Avg", "Last")} == {
        "Count": 3, "Min": 1.0, "Max": 3.0, "Avg": 2.0, "Last": 2.0,
    }  # fmt: skip
    table = LineageTableVisualizer(session).show(training_job_name=job)
    assert set(table["Type"]) == {"DataSet", "Image", "Model"}
    loaded = LineageTrialComponent.load(component["TrialComponentName"], sagemaker_session=session)
    result = LineageQuery(session).query([loaded.trial_component_arn], LineageQueryDirectionEnum.ASCENDANTS)
    assert {edge.destination_arn for edge in result.edges} == {loaded.trial_component_arn}
    host = [{"Name": "Host", "Value": f"{job}/algo-1"}]
    cloudwatch = session.boto_session.client("cloudwatch")
    listed: list[Any] = []
    for _ in range(100):  # values gather for a second before they are put
        listed = cloudwatch.list_metrics(Namespace="/aws/sagemaker/TrainingJobs", Dimensions=host)["Metrics"]
        if listed:
            break
        time.sleep(0.1)
    assert {one["MetricName"] for one in listed} == {"CPUUtilization", "MemoryUtilization", "DiskUtilization"}
