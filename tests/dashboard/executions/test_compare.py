"""Two executions side by side: what counts as the same, and what is said of what differs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard import look
from dashboard.executions import compare, side
from dashboard.executions.side import Content, Side
from mlops.executions import Step

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def step(name: str, seconds: float, **more: Any) -> Step:
    end = NOON + timedelta(seconds=seconds)
    members: dict[str, Any] = {
        "status": "Succeeded",
        "cached": False,
        "start": NOON,
        "end": end,
        "metadata": {},
        "failure": "",
    }
    return Step(name, **(members | more))


def of_steps(*steps: Step) -> Side:
    return Side({}, steps, {})


def test_what_only_one_has_differs() -> None:
    rows = compare.differing({("", "a"): "1", ("", "b"): "2"}, {("", "a"): "1", ("", "c"): "3"})
    assert [(row.name[1], row.first, row.second, row.same) for row in rows] == [
        ("a", "1", "1", True),
        ("b", "2", "", False),
        ("c", "", "3", False),
    ]


def test_numbers_have_their_difference() -> None:
    same, more, missing = compare.numbers(
        {("E", "auc"): 0.5, ("E", "f1"): 0.25, ("E", "r2"): 1.0}, {("E", "auc"): 0.5, ("E", "f1"): 0.3125}
    )
    assert same.same and same.difference == ""
    assert (more.difference, more.same) == ("+0.0625", False)
    assert (missing.second, missing.difference, missing.same) == ("", "", False)


def content(*objects: tuple[str, int, str]) -> Content:
    return Content(objects)


@pytest.mark.parametrize(
    ("other", "said", "same"),
    [
        (content(("x.csv", 2048, "e1")), "same content", True),
        (content(("x.csv", 2048, "e2")), "same size, other content", False),
        (content(("x.csv", 512, "e2")), "-1.5 KiB", False),
        (content(), "", False),
        (None, "", False),
    ],
)
def test_artifacts_are_compared_by_what_lies_there(
    other: Content | None, said: str, same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"s3://b/1/x": content(("x.csv", 2048, "e1")), **({"s3://b/2/x": other} if other else {})}
    monkeypatch.setattr(side, "contents", lambda uris: there)
    (row,) = compare.artifacts({("P", "out"): "s3://b/1/x"}, {("P", "out"): "s3://b/2/x"})
    assert (row.first, row.difference, row.same) == ("2.0 KiB", said, same)
    assert row.addresses == ("s3://b/1/x", "s3://b/2/x")


def test_steps_that_went_alike_are_the_same() -> None:
    first = of_steps(step("A", 10.0), step("B", 10.0), step("C", 10.0), step("D", 1.0))
    second = of_steps(step("A", 10.4), step("B", 30.0), step("C", 0.0, cached=True, source="arn"))
    rows = compare.steps(first, second)
    assert [(row.name[1], row.same) for row in rows] == [("A", True), ("B", False), ("C", False), ("D", False)]
    assert rows[1].difference == "+20.0 s"
    assert (rows[2].first, rows[2].second) == ("Succeeded, 10 s", "Succeeded (cached)")


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 * 1024**3, "5.0 GiB")]
)
def test_sizes(count: int, said: str) -> None:
    assert look.size(count) == said


def test_of_an_evaluation_all_metrics_count_and_of_a_tuning_job_the_best_trial() -> None:
    made = of_steps()
    report = {"binary_classification_metrics": {"auc": {"value": 0.9, "standard_deviation": "NaN"}, "matrix": {}}}
    inputs = [
        {"InputName": "code", "S3Input": {"S3Uri": "s3://b/code/evaluation/churn/0123456789abcdef/"}},
        {"InputName": "data", "S3Input": {"S3Uri": "s3://b/data/churn/fedcba9876543210/churn.parquet"}},
    ]
    side.note(made, "Evaluate", {"kind": "ProcessingJob", "ProcessingInputs": inputs}, report)
    tuning = {
        "kind": "HyperParameterTuningJob",
        "BestTrainingJob": {
            "TrainingJobName": "best",
            "TunedHyperParameters": {"eta": "0.1"},
            "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "loss", "Value": 0.4},
        },
        "TrainingJobDefinition": {"OutputDataConfig": {"S3OutputPath": "s3://b/models/"}},
    }
    side.note(made, "Tune", tuning, {})
    assert made.metrics == {("Evaluate", "auc"): 0.9, ("Tune", "loss"): 0.4}
    assert made.code == {("Evaluate", "code"): "0123456789abcdef"}
    assert made.data == {("Evaluate", "data"): "fedcba9876543210"}
    assert made.hyperparameters == {("Tune", "eta"): "0.1"}
    assert made.artifacts == {("Tune", "best model"): "s3://b/models/best/output/model.tar.gz"}
