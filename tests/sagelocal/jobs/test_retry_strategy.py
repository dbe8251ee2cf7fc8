"""RetryStrategy: a training job runs again after an internal error, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.app import SageLocal
from sagelocal.jobs import runner
from sagelocal.jobs.container import Control
from tests.sagelocal.jobs.conftest import SKLEARN


def create(app: SageLocal, name: str, attempts: int) -> dict[str, Any]:
    app.call(
        "CreateTrainingJob",
        {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": SKLEARN, "TrainingInputMode": "File", "ContainerEntrypoint": ["true"],
            },
            "OutputDataConfig": {"S3OutputPath": "s3://bucket/models"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "RoleArn": app.settings.role_arn,
            "RetryStrategy": {"MaximumRetryAttempts": attempts},
        },
    )  # fmt: skip
    return app.store.wait("TrainingJob", name, lambda job: job["TrainingJobStatus"] != "InProgress", 30)


@pytest.mark.parametrize(("attempts", "status"), [(1, "Failed"), (2, "Completed")])
def test_an_internal_error_is_retried_as_often_as_asked(
    app: SageLocal, monkeypatch: pytest.MonkeyPatch, attempts: int, status: str
) -> None:
    runs: list[str] = []

    def run(app: SageLocal, name: str, control: Control) -> None:
        runs.append(name)
        if len(runs) < 3:
            raise OSError("the disk is full")
        app.store.update("TrainingJob", name, {"TrainingJobStatus": "Completed"})

    monkeypatch.setitem(runner._RUNS, "TrainingJob", run)
    job = create(app, f"retried-{attempts}", attempts)
    assert (job["TrainingJobStatus"], len(runs)) == (status, attempts + 1)
    transitions = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert transitions.count("Starting") == attempts + 1
    if status == "Failed":
        assert job["FailureReason"] == "InternalServerError: OSError: the disk is full"
