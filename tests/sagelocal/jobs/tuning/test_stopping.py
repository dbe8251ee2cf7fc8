"""The median rule and Hyperband; then tuning jobs that stop trials by them."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from sagelocal.jobs.tuning.stopping import Hyperband, below_median

CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"
EARLIER = [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6], [0.3, 0.5, 0.7], [0.9]]
App = Any  # conftest's Laptop


@pytest.mark.parametrize(
    ("values", "maximize", "stops"),
    [
        ([0.2, 0.29], True, True),  # running averages up to two values: 0.2, 0.3, 0.4
        ([0.2, 0.31], True, False),
        ([0.2, 0.31], False, True),
        ([0.5, 0.2, 0.3], False, False),
        ([], True, False),
        ([0.1] * 4, True, False),  # nobody got that far
    ],
)
def test_the_median_of_running_averages(values: list[float], maximize: bool, stops: bool) -> None:
    assert below_median(values, EARLIER, maximize=maximize) == stops


def test_two_results_make_no_median() -> None:
    assert not below_median([0.0], EARLIER[:2], maximize=True)


def test_hyperband_gives_few_trials_all_of_the_resource() -> None:
    band = Hyperband("t", 1, 9, maximize=True)
    lengths = []
    for number in range(1, 31):
        values: list[float] = []
        while not band.stops(number, values):
            values.append(number % 10 / 10 + len(values) / 1000)
        lengths.append(len(values))
    assert max(lengths) == 9 and min(lengths) < 9
    whole = [number % 10 for number, length in enumerate(lengths, 1) if length == 9]
    short = [number % 10 for number, length in enumerate(lengths, 1) if length < 9]
    assert sum(whole) / len(whole) > sum(short) / len(short)


def test_hyperband_leaves_a_trial_its_minimum() -> None:
    band = Hyperband("t", 4, 9, maximize=True)
    for number in range(1, 20):
        assert not band.stops(number, [1.0 / number] * 3)


@pytest.mark.parametrize("strategy", ["Random", "Hyperband"])
def test_weak_trials_are_stopped(app: App, strategy: str) -> None:
    """Each trial reports five values and goes on; those that nobody stops end by themselves."""
    app.hold = True
    changes = {"TrainingJobEarlyStoppingType": "Auto"} if strategy == "Random" else {"Strategy": strategy}
    epochs = {"TrainingJobDefinition.StaticHyperParameters.epochs": '"9"'} if strategy == "Hyperband" else {}
    app.tune(
        wait=False,
        **{f"{CONFIG}.{name}": value for name, value in changes.items()},
        **{f"{LIMITS}.MaxNumberOfTrainingJobs": 12, f"{LIMITS}.MaxParallelTrainingJobs": 1},
        **epochs,
    )
    for number in range(1, 13):
        app.until(lambda number=number: len(app.jobs.started) == number)
        name = app.jobs.started[-1]
        job = app.store.get("TrainingJob", name)
        score = float(job["HyperParameters"]["x"])
        final = [{"MetricName": "score", "Value": score, "Timestamp": 0.0}]
        app.store.update("TrainingJob", name, {"FinalMetricDataList": final})
        listen = app.tuning.listener(job)
        for _ in range(5):
            listen("score", score)
        with contextlib.suppress(TimeoutError):  # two looks of the supervisor
            app.store.wait("TrainingJob", name, lambda one: one["TrainingJobStatus"] == "Stopped", timeout=0.45)
        if name in app.jobs.running:
            app.jobs.end(name, {"TrainingJobStatus": "Completed", "TrainingEndTime": app.now()})
    job = app.ended()
    assert 0 < job["TrainingJobStatusCounters"]["Stopped"] < 12
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 12  # what a stopped one reported last counts

    def mean(status: str) -> float:
        found = [float(each["TunedHyperParameters"]["x"]) for each in app.trials(StatusEquals=status)]
        return sum(found) / len(found)

    assert mean("Stopped") < mean("Completed")
