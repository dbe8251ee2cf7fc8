"""Describe's answers of all kinds of jobs, in the same few parts."""

from __future__ import annotations

from dashboard.executions import jobs

TRAINING = {
    "TrainingJobName": "t", "TrainingJobStatus": "Failed", "FailureReason": "AlgorithmError: no",
    "HyperParameters": {"eta": "0.3", "sagemaker_submit_directory": '"s3://b/code/x.tar.gz"', "_tuning": "a"},
    "AlgorithmSpecification": {"TrainingImage": "xgboost:3"},
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/train"}}},
        {"ChannelName": "file", "DataSource": {"FileSystemDataSource": {"FileSystemId": "fs"}}},
    ],
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
    "OutputDataConfig": {"S3OutputPath": "s3://b/models"},
    "FinalMetricDataList": [{"MetricName": "auc", "Value": 0.9}],
}  # fmt: skip


def test_a_training_job() -> None:
    job = jobs.read("TrainingJob", TRAINING)
    assert job.facts == {"name": "t", "status": "Failed", "instance": "2 × ml.m5.large", "image": "xgboost:3"}
    assert job.message == "AlgorithmError: no"
    assert job.inputs == {"train": "s3://b/train", "code": "s3://b/code/x.tar.gz"}
    assert job.outputs == {"model": "s3://b/models"}
    assert job.hyperparameters == {"eta": "0.3"}
    assert job.metrics == {"auc": 0.9}


def test_a_tuning_job_counts_its_trials() -> None:
    described = {
        "HyperParameterTuningJobName": "h",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 6},
        },
        "TrainingJobStatusCounters": {"Completed": 3, "InProgress": 2, "NonRetryableError": 1},
        "TrainingJobDefinition": {"StaticHyperParameters": {"rounds": "5"}, "InputDataConfig": []},
    }
    job = jobs.read("HyperParameterTuningJob", described)
    assert job.facts["trials"] == "3 of 6 done, 2 running, 1 failed"
    assert job.facts["objective"] == "Minimize loss"
    assert job.hyperparameters == {"rounds": "5"}


def test_a_processing_job_and_what_has_no_job() -> None:
    described = {
        "ProcessingInputs": [{"InputName": "raw", "S3Input": {"S3Uri": "s3://b/raw"}}, {"InputName": "query"}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": {"S3Uri": "s3://b/out"}}]},
        "ExitMessage": "Completed: 3 rows",
    }
    job = jobs.read("ProcessingJob", described)
    assert (job.inputs, job.outputs, job.message) == ({"raw": "s3://b/raw"}, {"out": "s3://b/out"}, "Completed: 3 rows")
    assert jobs.read("Endpoint", {"ProductionVariants": [{"VariantName": "v"}]}).facts == {"variant v": "1"}
