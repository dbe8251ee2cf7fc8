"""`mlops cost`: the jobs of an execution, stages by the beginning of their name, and the ceiling that deploy keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from deploy.cost_run import Job
from deploy.declaration import Deployment, Stage, Variant
from mlops import cost
from mlops.errors import Failure
from mlops.executions import Step
from mlops.targets import Target

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_a_stage_by_what_only_its_name_begins_with() -> None:
    known = ["staging", "production", "production-eu", "pro"]
    assert cost.complete("stag", known) == "staging"
    assert cost.complete("production", known) == "production"
    assert cost.complete("pro", known) == "pro"
    with pytest.raises(LookupError, match="The stage prod may be production or production-eu"):
        cost.complete("prod", known)
    with pytest.raises(LookupError, match="The stage test is not declared: deploy/stages.yml has staging"):
        cost.complete("test", known)


class SageMaker:
    """Jobs as they are described."""

    def describe_processing_job(self, ProcessingJobName: str) -> dict[str, Any]:
        cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 30}
        times = {"ProcessingStartTime": NOW, "ProcessingEndTime": NOW + timedelta(seconds=90)}
        return {"ProcessingResources": {"ClusterConfig": cluster}, **times}

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        cluster = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10}
        return {"ResourceConfig": cluster, "BillableTimeInSeconds": 20, "TrainingJobName": TrainingJobName}

    def describe_hyper_parameter_tuning_job(self, HyperParameterTuningJobName: str) -> dict[str, Any]:
        return {}

    def get_paginator(self, operation: str) -> Any:
        return self

    def paginate(self, HyperParameterTuningJobName: str) -> list[dict[str, Any]]:
        return [
            {"TrainingJobSummaries": [{"TrainingJobName": "t-1"}]},
            {"TrainingJobSummaries": [{"TrainingJobName": "t-2"}]},
        ]


def test_the_jobs_of_a_step() -> None:
    class Somewhere:
        def client(self, service: str) -> Any:
            return SageMaker()

    def jobs(member: str, **more: Any) -> list[Job]:
        metadata = {member: {"Arn": "arn:aws:sagemaker:us-east-1:1:job/x"}}
        step = Step(
            **{
                "name": "S",
                "status": "Succeeded",
                "cached": False,
                "start": None,
                "end": None,
                "metadata": metadata,
                "failure": "",
                **more,
            }
        )
        return list(cost._jobs(cast(Target, Somewhere()), step))

    assert jobs("ProcessingJob") == [Job("S", "processing", "ml.m5.large", 2, 90, 30)]
    assert jobs("TrainingJob") == [Job("S", "training", "ml.m5.large", 1, 20, 10)]
    assert jobs("TuningJob") == [Job("S", "training", "ml.m5.large", 1, 40, 10, jobs=2)]
    assert jobs("ProcessingJob", cached=True) == jobs("TrainingJob", lent=True) == jobs("Condition") == []


def stage(ceiling: float | None, count: int = 1, instance_type: str = "ml.m5.large") -> Stage:
    variant = Variant(instance_type=instance_type, instance_count=count)
    return Stage("staging", cost_ceiling=ceiling, deployment=Deployment((variant,)))


def check(declared: Stage, *, yes: bool = False) -> str:
    return cost.check(cast(Target, Account()), "churn", declared, yes=yes)


class Account:
    settings = None


def test_over_the_ceiling_nothing_is_deployed_without_yes() -> None:
    assert check(stage(None)) == "A month of churn-staging: 86.96 USD"
    assert check(stage(100)) == "A month of churn-staging: 86.96 USD, below its ceiling of 100.00 USD"
    with pytest.raises(Failure, match=r"may cost 170.91 USD, and its ceiling is 100.00 USD .* or deploy with --yes"):
        check(stage(100, 2))
    assert check(stage(100, 2), yes=True) == "A month of churn-staging: 170.91 USD, over its ceiling"


def test_what_has_no_price_cannot_be_held_against_a_ceiling() -> None:
    with pytest.raises(Failure, match="toml has no price of ml.p9.large for real-time. Add it with its source"):
        check(stage(100, instance_type="ml.p9.large"))
    said = "A month of churn-staging: 3.01 USD and what ml.p9.large for real-time costs"
    assert check(stage(None, instance_type="ml.p9.large")) == said
