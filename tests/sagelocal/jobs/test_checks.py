"""What Create refuses before anything is stored; no namespaces and no servers needed."""

from __future__ import annotations

import copy
from typing import Any, cast

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.api.refused import refuse
from sagelocal.app import SageLocal
from sagelocal.jobs import processing
from sagelocal.jobs.instances import instance, memory_limit
from sagelocal.jobs.processing import create_processing_job
from sagelocal.jobs.training import create_training_job

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
NO_APP = cast(SageLocal, None)  # a refused request must not get as far as to need one
PROCESSING: dict[str, Any] = {
    "ProcessingJobName": "job",
    "RoleArn": "arn:aws:iam::000000000000:role/r",
    "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
    "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    "ProcessingInputs": [
        {
            "InputName": "raw",
            "S3Input": {"S3Uri": "s3://b/raw", "LocalPath": "/opt/ml/processing/raw", "S3DataType": "S3Prefix"},
        }
    ],
    "ProcessingOutputConfig": {
        "Outputs": [
            {
                "OutputName": "out",
                "S3Output": {"S3Uri": "s3://b/o", "LocalPath": "/opt/ml/processing/o", "S3UploadMode": "EndOfJob"},
            }
        ]
    },
}
TRAINING: dict[str, Any] = {
    "TrainingJobName": "job",
    "RoleArn": "arn:aws:iam::000000000000:role/r",
    "AlgorithmSpecification": {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["true"],
    },
    "OutputDataConfig": {"S3OutputPath": "s3://b/models"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/train"}}}
    ],
}


def changed(request: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with the member at `path` (dots between names and indexes) set, or removed for None."""
    copied = copy.deepcopy(request)
    at: Any = copied
    *parents, last = path.split(".")
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at[name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return copied


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("AppSpecification.ImageUri", "1.dkr.ecr.us-east-1.amazonaws.com/mine:1", "Known families: scikit-learn"),
        ("AppSpecification.ContainerEntrypoint", None, "give AppSpecification.ContainerEntrypoint"),
        ("ProcessingResources.ClusterConfig.InstanceType", "ml.zz9.large", "ml.zz9.large is not known"),
        ("ProcessingInputs.0.S3Input.LocalPath", "/opt/ml/model", "under /opt/ml/processing/"),
        ("ProcessingInputs.0.S3Input.LocalPath", "/opt/ml/processing/../../etc", "under /opt/ml/processing/"),
        ("ProcessingInputs.0.S3Input.S3CompressionType", "Gzip", "only possible with S3InputMode Pipe"),
        ("ProcessingInputs.0.S3Input.S3Uri", "https://b/raw", "is no S3 URI"),
        ("ProcessingOutputConfig.Outputs.0.S3Output.LocalPath", "/tmp/o", "under /opt/ml/processing/"),
    ],
)
def test_processing_refuses(path: str, value: Any, message: str) -> None:
    with pytest.raises(AwsError, match=message):
        create_processing_job(NO_APP, changed(PROCESSING, path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("AlgorithmSpecification.TrainingImage", "mine:1", "Known families: scikit-learn"),
        ("AlgorithmSpecification.AlgorithmName", "mine", "AlgorithmSpecification.AlgorithmName is not implemented"),
        ("AlgorithmSpecification.MetricDefinitions", [{"Name": "m", "Regex": "("}], "metric definition m"),
        ("HyperParameters", {"sagemaker_mpi_enabled": "true"}, "sagemaker_mpi_enabled"),
        ("InputDataConfig.0.ChannelName", "..", "can't name the folder"),
        ("InputDataConfig.0.CompressionType", "Gzip", "only possible with InputMode Pipe"),
        ("InputDataConfig.0.RecordWrapperType", "RecordIO", "only possible with InputMode Pipe"),
        (
            "InputDataConfig.0.DataSource.S3DataSource.S3DataType",
            "AugmentedManifestFile",
            "only possible with InputMod",
        ),
        ("InputDataConfig.0.DataSource.S3DataSource.AttributeNames", ["a"], "must be given together"),
        ("InputDataConfig.0.DataSource.S3DataSource.InstanceGroupNames", ["g"], "which is no group"),
        ("InputDataConfig.0.DataSource.FileSystemDataSource", {"FileSystemId": "x"}, "FileSystemDataSource"),
        ("DebugRuleConfigurations", [{"RuleConfigurationName": "r"}], "DebugRuleConfigurations"),
        ("ResourceConfig.InstanceGroups", [{"InstanceGroupName": "g"}], "cannot be specified with InstanceGroups"),
        ("EnableManagedSpotTraining", True, "MaxWaitTimeInSeconds"),
        ("HyperParameters", {"sagemaker_parameter_server_enabled": "true"}, "parameter servers"),
        ("CheckpointConfig", {"S3Uri": "s3://b/c", "LocalPath": "/opt/ml/model"}, "CheckpointConfig.LocalPath"),
        ("CheckpointConfig", {"S3Uri": "s3://b/c", "LocalPath": "/tmp/../etc/x"}, "CheckpointConfig.LocalPath"),
        ("OutputDataConfig.S3OutputPath", "file:///models", "is no S3 URI"),
    ],
)
def test_training_refuses(path: str, value: Any, message: str) -> None:
    with pytest.raises(AwsError, match=message):
        create_training_job(NO_APP, changed(TRAINING, path, value))


def test_a_script_image_without_a_script_says_what_to_give() -> None:
    request = changed(TRAINING, "AlgorithmSpecification.TrainingImage", IMAGE.replace("xgboost", "scikit-learn"))
    with pytest.raises(AwsError, match="sagemaker_program"):
        create_training_job(NO_APP, changed(request, "AlgorithmSpecification.ContainerEntrypoint", None))


def test_doubled_names_are_refused() -> None:
    request = changed(PROCESSING, "ProcessingInputs", PROCESSING["ProcessingInputs"] * 2)
    with pytest.raises(AwsError, match="raw is given 2 times"):
        create_processing_job(NO_APP, request)


@pytest.mark.parametrize(
    ("name", "cpus", "gib"),
    [
        ("ml.m5.xlarge", 4, 16),
        ("ml.m5.24xlarge", 96, 384),
        ("ml.c5.2xlarge", 8, 16),
        ("ml.r5.large", 2, 16),
        ("ml.t3.medium", 2, 4),
        ("ml.g4dn.xlarge", 4, 16),
        ("ml.p3.2xlarge", 8, 61),
        ("ml.m7i-flex.large", 2, 8),
    ],
)
def test_instance_sizes(name: str, cpus: int, gib: int) -> None:
    """AWS's published sizes (SageMaker pricing and EC2 instance pages)."""
    assert (instance(name).cpus, instance(name).memory) == (cpus, gib * 2**30)


def test_memory_limit_is_at_most_half_the_machine() -> None:
    assert memory_limit("ml.m5.large", machine=64 * 2**30) == 8 * 2**30
    assert memory_limit("ml.m5.large", machine=10 * 2**30) == 5 * 2**30


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("ProcessingInputs.0.S3Input.S3InputMode", "Pipe", "S3InputMode with the value Pipe is not implemented"),
        ("ProcessingInputs.0.DatasetDefinition", {"LocalPath": "x"}, r"ProcessingInputs\[0\].DatasetDefinition"),
        ("ProcessingOutputConfig.Outputs.0.FeatureStoreOutput", {"FeatureGroupName": "x"}, "FeatureStoreOutput"),
    ],
)
def test_what_processing_has_not_is_refused_by_its_place(path: str, value: Any, message: str) -> None:
    with pytest.raises(AwsError, match=message):
        refuse(changed(PROCESSING, path, value), processing.REFUSED["CreateProcessingJob"])
