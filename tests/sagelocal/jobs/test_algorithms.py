"""Built-in algorithms as jobs: without a script, in their sandbox, with metrics that AWS's expressions find."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sagelocal.api.errors import AwsError
from sagelocal.app import SageLocal
from tests.sagelocal.jobs.conftest import ended

ACCOUNTS = {"sagemaker-xgboost:3.2-0": "683313688378", "kmeans:1": "382416733822", "knn:1": "382416733822"}
rng = np.random.default_rng(2)
X = rng.normal(size=(300, 3))
LABELLED = np.column_stack([X[:, 0] > 0, X])
BINARY = {"num_round": "3", "objective": "binary:logistic", "eval_metric": "logloss"}


def csv(data: np.ndarray) -> str:
    return "\n".join(",".join(f"{value:g}" for value in row) for row in data)


@pytest.fixture
def train(app: SageLocal, put: Callable[[str, str | bytes], str]) -> Callable[..., dict[str, Any]]:
    """Trains on the given channels (a ContentType and a body each) and returns the description of the job's end."""

    def run(
        name: str, image: str, hyperparameters: dict[str, str], instances: int = 1, **channels: tuple[str, str]
    ) -> dict[str, Any]:
        inputs = []
        for channel, (content_type, body) in channels.items():
            uri = put(f"{name}/{channel}/part", body).rpartition("/")[0]
            source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
            inputs.append({"ChannelName": channel, "ContentType": content_type, "DataSource": source})
        app.call("CreateTrainingJob", request(app, name, image, hyperparameters, inputs, instances))
        ended(app, "TrainingJob", name)
        return app.call("DescribeTrainingJob", {"TrainingJobName": name})

    return run


def request(
    app: SageLocal, name: str, image: str, hyperparameters: dict[str, str], inputs: Any = (), instances: int = 1
) -> dict[str, Any]:
    uri = f"{ACCOUNTS[image]}.dkr.ecr.us-east-1.amazonaws.com/{image}"
    return {
        "TrainingJobName": name,
        "RoleArn": app.settings.role_arn,
        "AlgorithmSpecification": {"TrainingImage": uri, "TrainingInputMode": "File"},
        "HyperParameters": hyperparameters,
        "InputDataConfig": list(inputs),
        "OutputDataConfig": {"S3OutputPath": f"s3://{app.settings.bucket}/{name}-out"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": instances, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 120},
    }


def members(app: SageLocal, job: dict[str, Any]) -> list[str]:
    bucket, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").split("/", 1)
    body = app.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return archive.getnames()


@pytest.mark.namespaces
def test_xgboost(app: SageLocal, train: Callable[..., dict[str, Any]]) -> None:
    data = ("text/csv", csv(LABELLED))
    job = train("boosted", "sagemaker-xgboost:3.2-0", BINARY, train=data, validation=data)
    assert job["TrainingJobStatus"] == "Completed", job
    assert members(app, job) == ["xgboost-model"]
    found = {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}
    assert set(found) == {"train:logloss", "validation:logloss"} and found["train:logloss"] < 0.5


@pytest.mark.slow
@pytest.mark.namespaces
def test_a_hyperparameter_that_xgboost_does_not_have(train: Callable[..., dict[str, Any]]) -> None:
    data = ("text/csv", csv(LABELLED))
    job = train("misspelt", "sagemaker-xgboost:3.2-0", {**BINARY, "depth": "3"}, train=data)
    reason = "AlgorithmError: framework error: sagemaker_algorithm_toolkit.exceptions.UserError: Extraneous "
    assert job["FailureReason"].startswith(f"{reason}hyperparameter found: depth, exit code: 1.")


@pytest.mark.slow
@pytest.mark.namespaces
def test_xgboost_on_two_hosts(app: SageLocal, train: Callable[..., dict[str, Any]]) -> None:
    job = train("together", "sagemaker-xgboost:3.2-0", BINARY, 2, train=("text/csv", csv(LABELLED)))
    assert job["TrainingJobStatus"] == "Completed", job
    assert members(app, job) == ["xgboost-model"]


@pytest.mark.slow
@pytest.mark.namespaces
def test_the_first_of_two_hosts_has_both_shards(app: SageLocal, put: Callable[[str, str | bytes], str]) -> None:
    """With one half alone, the other half's cluster would be nowhere near a center."""
    put("halves/train/a.csv", csv(X - 50))
    put("halves/train/b.csv", csv(X + 50))
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": f"s3://{app.settings.bucket}/halves/train",
        "S3DataDistributionType": "ShardedByS3Key",
    }
    inputs = [
        {"ChannelName": "train", "ContentType": "text/csv;label_size=0", "DataSource": {"S3DataSource": source}},
    ]
    values = {"feature_dim": "3", "k": "2", "mini_batch_size": "100", "epochs": "3", "init_method": "kmeans++"}
    app.call("CreateTrainingJob", request(app, "halves", "kmeans:1", values, inputs, instances=2))
    ended(app, "TrainingJob", "halves")
    job = app.call("DescribeTrainingJob", {"TrainingJobName": "halves"})
    assert job["TrainingJobStatus"] == "Completed", job
    found = {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}
    assert found["train:msd"] < 5


@pytest.mark.namespaces
def test_kmeans(app: SageLocal, train: Callable[..., dict[str, Any]]) -> None:
    values = {"feature_dim": "3", "k": "4", "mini_batch_size": "100"}
    job = train("clustered", "kmeans:1", values, train=("text/csv;label_size=0", csv(X)))
    assert job["TrainingJobStatus"] == "Completed", job
    assert members(app, job) == ["model_algo-1"]
    names = {each["MetricName"] for each in job["FinalMetricDataList"]}
    assert names == {"train:msd", "train:progress", "train:throughput"}


@pytest.mark.namespaces
def test_the_users_fault_is_a_client_error(train: Callable[..., dict[str, Any]]) -> None:
    job = train("shapeless", "kmeans:1", {"k": "4"}, train=("text/csv;label_size=0", csv(X)))
    assert job["FailureReason"].startswith("ClientError: Unable to initialize the algorithm. ")
    assert "'feature_dim' is a required property, exit code: 2." in job["FailureReason"]


def test_what_is_refused(app: SageLocal, monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{app.settings.bucket}/none"}}
    inputs = [{"ChannelName": "train", "DataSource": source}]
    own = request(app, "own", "kmeans:1", {}, inputs)
    own["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "a", "Regex": "b"}]
    with pytest.raises(AwsError, match="can't override the metric definitions"):
        app.call("CreateTrainingJob", own)
    entered = request(app, "entered", "kmeans:1", {}, inputs)
    entered["AlgorithmSpecification"]["ContainerEntrypoint"] = ["true"]
    with pytest.raises(AwsError, match="ContainerEntrypoint with the kmeans image"):
        app.call("CreateTrainingJob", entered)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(AwsError, match=r"\[algorithms\]"):
        app.call("CreateTrainingJob", request(app, "without", "knn:1", {}, inputs))
