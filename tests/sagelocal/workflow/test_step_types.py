from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.model import operation_names
from sagelocal.workflow.step_types import STEP_TYPES, members
from sagelocal.workflow.steps import RUN
from sagelocal.workflow.steps.resources import RESOURCES, resource_name


def test_whatever_runs_or_makes_a_resource_is_described() -> None:
    assert set(RUN) <= set(STEP_TYPES)
    assert set(RESOURCES) <= set(STEP_TYPES)
    assert {row.create for row in RESOURCES.values()} | {row.describe for row in RESOURCES.values()} <= set(
        operation_names("sagemaker")
    )


def test_cache_and_retries_are_members_of_the_types_that_have_them() -> None:
    assert {"CacheConfig", "RetryPolicies", "PropertyFiles"} <= set(members("Processing"))
    assert "CacheConfig" not in members("RegisterModel")
    assert "RetryPolicies" not in members("Endpoint")


@pytest.mark.parametrize(
    ("kind", "path", "exists"),
    [
        ("Tuning", ["BestTrainingJob", "TrainingJobName"], True),
        ("Tuning", ["TrainingJobSummaries", 0, "TrainingJobName"], True),
        ("Tuning", ["ModelArtifacts"], False),
        ("Processing", ["ProcessingOutputConfig", "Outputs", "train", "S3Output", "S3Uri"], True),
        ("QualityCheck", ["CalculatedBaselineStatistics"], True),
        ("ClarifyCheck", ["CalculatedBaselineStatistics"], False),
        ("Lineage", ["ArtifactArns", "data"], True),
        ("ForEach", ["Status"], True),
        ("Fail", ["ErrorMessage"], False),
        ("Condition", ["Outcome"], True),
    ],
)
def test_properties(kind: str, path: list[str | int], exists: bool) -> None:
    assert STEP_TYPES[kind].properties({"Name": "S", "Type": kind}, path) is exists


def test_output_parameters_are_those_that_the_step_declares() -> None:
    step = {"Name": "L", "Type": "Lambda", "OutputParameters": [{"OutputName": "o", "OutputType": "String"}]}
    assert STEP_TYPES["Lambda"].properties(step, ["OutputParameters", "o"])
    assert not STEP_TYPES["Lambda"].properties(step, ["OutputParameters", "p"])
    assert not STEP_TYPES["Lambda"].properties(step, ["FunctionArn"])


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("Lambda", {"FunctionArn": ""}, "Lambda step 'S' has no FunctionArn"),
        ("Callback", {}, "Callback step 'S' has no SqsQueueUrl"),
        ("Lambda", {"FunctionArn": "f", "Arguments": {"a": [1]}}, "Argument 'a' of Lambda step 'S' must be a string"),
        (
            "Lambda",
            {"FunctionArn": "f", "OutputParameters": [{"OutputName": "o"}]},
            "exactly OutputName and OutputType",
        ),
        ("QualityCheck", {"CheckType": "DATA_BIAS"}, "CheckType 'DATA_BIAS' of QualityCheck step 'S' must be one of"),
        ("ForEach", {"Arguments": {"IterableItems": [], "MaxConcurrency": 1}}, "a list of 1 to 100 items"),
        ("ForEach", {"Arguments": {"IterableItems": ["a"], "MaxConcurrency": 51}}, "from 1 to 50, not 51"),
        (
            "ForEach",
            {
                "Arguments": {
                    "IterableItems": ["a"],
                    "MaxConcurrency": 1,
                    "ForEachBody": [{"Name": "F", "Type": "Fail"}],
                }
            },
            "Fail step 'F' cannot be in the body of ForEach step 'S'",
        ),
    ],
)
def test_problems(kind: str, changes: dict[str, Any], said: str) -> None:
    assert said in "; ".join(STEP_TYPES[kind].problems({"Name": "S", "Type": kind, **changes}))


def test_names_are_cut_to_the_resources_length() -> None:
    name = resource_name("Training", {}, "a1b2c3d4e5f6", "Train_it" + "-again" * 20, "0123456789")
    assert name.startswith("pipelines-a1b2c3d4e5f6-Train-it-again")
    assert name.endswith("-0123456789")
    assert len(name) == 63
    assert (
        resource_name("Tuning", {}, "a1b2c3d4e5f6", "TuneTheModel", "0123456789") == "a1b2c3d4e5f6-TuneTheM-0123456789"
    )
    assert resource_name("Processing", {"ProcessingJobName": "mine"}, "id", "S", "x") == "mine-id-S-x"
