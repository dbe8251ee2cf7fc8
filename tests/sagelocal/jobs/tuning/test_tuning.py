"""Tuning jobs from their creation to their end, with training jobs that are functions."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sagelocal.api.errors import AwsError

CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"
CATEGORIES = [{"Name": "x", "Values": ["0.1", "0.3", "0.2"]}, {"Name": "kind", "Values": ["a", "b"]}]
App = Any  # conftest's Laptop


def test_a_tuning_job_ends_with_its_best_training_job(app: App) -> None:
    job = app.tune(Tags=[{"Key": "team", "Value": "a"}])
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"] == {
        "Completed": 6, "InProgress": 0, "RetryableError": 0, "NonRetryableError": 0, "Stopped": 0,
    }  # fmt: skip
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 6, "Pending": 0, "Failed": 0}
    trials = app.trials()
    assert [re.sub("[0-9a-f]{8}$", "", each["TrainingJobName"]) for each in trials] == [
        f"t-{n:03}-" for n in range(1, 7)
    ]
    best = max(trials, key=lambda each: float(each["TunedHyperParameters"]["x"]))
    assert job["BestTrainingJob"] == best
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Maximize", "MetricName": "score", "Value": float(best["TunedHyperParameters"]["x"]),
    }  # fmt: skip
    assert job["ConsumedResources"]["RuntimeInSeconds"] >= 0
    assert app.jobs.most_at_once <= 2


def test_a_trial_is_an_ordinary_training_job(app: App) -> None:
    job = app.tune(Tags=[{"Key": "team", "Value": "a"}])
    best = job["BestTrainingJob"]
    trial = app.call("DescribeTrainingJob", {"TrainingJobName": best["TrainingJobName"]})
    assert trial["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert trial["HyperParameters"] == {
        **best["TunedHyperParameters"],
        "_tuning_objective_metric": "score",
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": "s3://b/code.tar.gz",
    }
    assert app.call("ListTags", {"ResourceArn": trial["TrainingJobArn"]})["Tags"] == [{"Key": "team", "Value": "a"}]
    # What SDK v2 reads of a description: all ranges, with their scale, and the added hyperparameter.
    ranges = job[CONFIG]["ParameterRanges"]
    assert ranges["CategoricalParameterRanges"] == [] and ranges["IntegerParameterRanges"][0]["ScalingType"] == "Auto"
    assert job["TrainingJobDefinition"]["StaticHyperParameters"]["_tuning_objective_metric"] == "score"


def test_checkpoints_of_trials_do_not_mix(app: App) -> None:
    job = app.tune(
        **{
            "TrainingJobDefinition.CheckpointConfig": {"S3Uri": "s3://b/checkpoints/"},
            f"{LIMITS}.MaxNumberOfTrainingJobs": 1,
        }
    )
    name = job["BestTrainingJob"]["TrainingJobName"]
    trial = app.call("DescribeTrainingJob", {"TrainingJobName": name})
    assert trial["CheckpointConfig"]["S3Uri"] == f"s3://b/checkpoints/{name}"


def test_a_seed_reproduces_the_search(app: App) -> None:
    for strategy in ("Random", "Bayesian"):
        tuned = []
        for name, seed in ((f"a-{strategy}", 3), (f"b-{strategy}", 3), (f"c-{strategy}", 4)):
            app.tune(
                name,
                **{
                    f"{CONFIG}.Strategy": strategy,
                    f"{CONFIG}.RandomSeed": seed,
                    f"{LIMITS}.MaxParallelTrainingJobs": 1,
                },
            )
            tuned.append([each["TunedHyperParameters"] for each in app.trials(name)])
        assert tuned[0] == tuned[1] != tuned[2]


def test_bayesian_search_learns(app: App) -> None:
    app.values = lambda given: [1 - abs(float(given["x"]) - 0.3) - abs(int(given["k"]) - 4) / 9]
    changes = {f"{LIMITS}.MaxNumberOfTrainingJobs": 30, f"{LIMITS}.MaxParallelTrainingJobs": 1}
    app.tune("guess", **changes)
    app.tune("learn", **changes, **{f"{CONFIG}.Strategy": "Bayesian"})

    def mean(name: str) -> float:
        found = [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in app.trials(name)]
        return sum(found[10:]) / 20

    assert mean("learn") > mean("guess") + 0.1


def test_grid_search_tries_each_combination_once(app: App) -> None:
    ranges = {"CategoricalParameterRanges": CATEGORIES}
    job = app.tune(
        **{f"{CONFIG}.Strategy": "Grid", f"{CONFIG}.ParameterRanges": ranges, f"{LIMITS}.MaxNumberOfTrainingJobs": None}
    )
    assert job["TrainingJobStatusCounters"]["Completed"] == 6
    tuned = [tuple(each["TunedHyperParameters"].values()) for each in app.trials()]
    assert sorted(tuned) == [(x, kind) for x in ("0.1", "0.2", "0.3") for kind in ("a", "b")]
    assert job["BestTrainingJob"]["TunedHyperParameters"]["x"] == "0.3"


def test_trials_run_as_many_at_once_as_the_machine_has_slots(app: App) -> None:
    app.hold = True
    app.tune(wait=False, **{f"{LIMITS}.MaxParallelTrainingJobs": 6})
    app.until(lambda: len(app.jobs.started) == 4)  # the fixture's cores
    assert app.describe()["TrainingJobStatusCounters"]["InProgress"] == 4
    assert {each["ObjectiveStatus"] for each in app.trials()} == {"Pending"}
    while app.jobs.running:
        app.jobs.finish(min(app.jobs.running))
    app.until(lambda: len(app.jobs.started) == 6)
    for name in sorted(app.jobs.running):
        app.jobs.finish(name)
    assert app.ended()["TrainingJobStatusCounters"]["Completed"] == 6 and app.jobs.most_at_once == 4


def test_training_jobs_are_listed_as_asked(app: App) -> None:
    app.values = lambda given: [] if int(given["k"]) % 2 else [float(given["x"])]
    app.tune()
    found = app.trials(SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    values = [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in found]
    assert values == sorted(values, reverse=True) and 0 < len(found) < 6  # those without a value are left out
    assert len(app.trials(StatusEquals="Completed")) == 6 and app.trials(StatusEquals="Failed") == []
    page = app.call("ListTrainingJobsForHyperParameterTuningJob", {"HyperParameterTuningJobName": "t", "MaxResults": 4})
    rest = app.trials(NextToken=page["NextToken"])
    assert [*page["TrainingJobSummaries"], *rest] == app.trials(SortBy="CreationTime")


def test_list_stop_and_delete(app: App) -> None:
    app.tune("b")
    app.tune("a")
    listed = app.call("ListHyperParameterTuningJobs", {"StatusEquals": "Completed"})["HyperParameterTuningJobSummaries"]
    assert [(each["HyperParameterTuningJobName"], each["Strategy"]) for each in listed] == [
        ("a", "Random"),
        ("b", "Random"),
    ]
    app.hold = True
    app.tune("c", wait=False)
    app.until(lambda: len(app.jobs.running) == 2)
    with pytest.raises(AwsError, match="ResourceInUse"):
        app.call("DeleteHyperParameterTuningJob", {"HyperParameterTuningJobName": "c"})
    app.call("StopHyperParameterTuningJob", {"HyperParameterTuningJobName": "c"})
    job = app.ended("c")
    assert job["HyperParameterTuningJobStatus"] == "Stopped" and job["TrainingJobStatusCounters"]["Stopped"] == 2
    with pytest.raises(AwsError, match="in status Stopped"):
        app.call("StopHyperParameterTuningJob", {"HyperParameterTuningJobName": "c"})
    app.call("DeleteHyperParameterTuningJob", {"HyperParameterTuningJobName": "a"})
    with pytest.raises(AwsError, match="can't find a tuning job called a"):
        app.describe("a")
    assert app.store.list("TuningTrial", parent="a") == [] and len(app.store.list("TrainingJob")) == 14


@pytest.mark.parametrize(
    ("criteria", "most"),
    [
        ({"TargetObjectiveMetricValue": 0.5}, 7),
        ({"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}, 14),
        ({"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}, 31),
    ],
)  # fmt: skip
def test_completion_criteria_end_the_search(app: App, criteria: dict[str, Any], most: int) -> None:
    order = iter(range(1, 100))
    app.values = lambda given: [min(next(order), 9) / 10]  # 0.1, 0.2 … 0.9, 0.9
    job = app.tune(**{f"{CONFIG}.TuningJobCompletionCriteria": criteria, f"{LIMITS}.MaxNumberOfTrainingJobs": 60})
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    count = job["TrainingJobStatusCounters"]["Completed"]
    assert most - 2 <= count <= most
    details = job["TuningJobCompletionDetails"]
    assert details["NumberOfTrainingJobsObjectiveNotImproving"] == max(0, count - 9)
    assert ("ConvergenceDetectedTime" in details) == (count > 28)


def test_the_time_limit_stops_what_runs(app: App) -> None:
    app.hold = True
    app.tune(wait=False, **{f"{LIMITS}.MaxRuntimeInSeconds": 120})
    app.until(lambda: len(app.jobs.running) == 2)
    app.store.update("HyperParameterTuningJob", "t", {"CreationTime": app.now() - 121})
    job = app.ended()
    assert job["HyperParameterTuningJobStatus"] == "Completed" and job["TrainingJobStatusCounters"]["Stopped"] == 2
    assert job["ConsumedResources"]["RuntimeInSeconds"] >= 121


def fail(given: dict[str, str]) -> list[float]:
    raise RuntimeError("AlgorithmError: no")


def test_a_hopeless_search_fails(app: App) -> None:
    app.values = fail
    job = app.tune("fails", **{f"{LIMITS}.MaxNumberOfTrainingJobs": 20, f"{LIMITS}.MaxParallelTrainingJobs": 1})
    assert job["FailureReason"].startswith("No training job succeeded after 5 attempts.")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 5 == job["ObjectiveStatusCounters"]["Failed"]
    job = app.tune("few", **{f"{LIMITS}.MaxNumberOfTrainingJobs": 2})
    assert job["HyperParameterTuningJobStatus"] == "Failed" and job["FailureReason"].startswith("All training jobs")
    app.values = lambda given: []
    job = app.tune("silent", **{f"{LIMITS}.MaxNumberOfTrainingJobs": 20, f"{LIMITS}.MaxParallelTrainingJobs": 1})
    assert job["FailureReason"].startswith("No objective metrics found after running 5 training jobs.")


def test_a_hopeless_search_starts_no_trials_after_those_that_it_stops(app: App) -> None:
    app.values = fail
    app.hold = True
    app.tune(wait=False, **{f"{LIMITS}.MaxNumberOfTrainingJobs": 20})
    for number in range(5):
        app.until(lambda number=number: len(app.jobs.running) == 2 or len(app.jobs.started) > 6)
        app.jobs.finish(app.jobs.started[number])
    job = app.ended()
    assert job["HyperParameterTuningJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("No training job succeeded after 5 attempts.")
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 5
    assert job["TrainingJobStatusCounters"]["Stopped"] == 1


def test_a_failed_trial_does_not_end_the_search(app: App) -> None:
    app.values = lambda given: fail(given) if float(given["x"]) < 0.5 else [float(given["x"])]
    job = app.tune()
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] > 0 < job["TrainingJobStatusCounters"]["Completed"]
    failed = app.trials(StatusEquals="Failed")[0]
    assert failed["FailureReason"] == "AlgorithmError: no" and failed["ObjectiveStatus"] == "Failed"


def test_several_algorithms_take_turns(app: App) -> None:
    def definition(name: str, low: str) -> dict[str, Any]:
        given = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": low, "MaxValue": "1"}]}
        own = {"DefinitionName": name, "TuningObjective": {"Type": "Maximize", "MetricName": "score"}}
        return {**app.training(), **own, "HyperParameterRanges": given}

    job = app.tune(
        TrainingJobDefinition=None,
        TrainingJobDefinitions=[definition("weak", "0"), definition("strong", "0.99")],
        **{f"{CONFIG}.HyperParameterTuningJobObjective": None, f"{CONFIG}.ParameterRanges": None},
    )
    names = [each["TrainingJobDefinitionName"] for each in app.trials()]
    assert names == ["weak", "strong"] * 3
    assert job["BestTrainingJob"]["TrainingJobDefinitionName"] == "strong"
    assert job["TrainingJobDefinitions"][0]["HyperParameterRanges"]["IntegerParameterRanges"] == []


def test_events_carry_the_counters(app: App) -> None:
    app.tune()
    envelopes = [envelope for _, envelope in app.store.pending_events(1000)]
    mine = [each for each in envelopes if each["detail-type"] == "SageMaker HyperParameter Tuning Job State Change"]
    assert [each["detail"]["HyperParameterTuningJobStatus"] for each in mine] == ["InProgress", "Completed"]
    assert mine[1]["detail"]["TrainingJobStatusCounters"]["Completed"] == 6
    assert re.fullmatch(r"\d{13}", mine[1]["detail"]["CreationTime"])
    assert mine[1]["resources"][0].endswith(":hyper-parameter-tuning-job/t")


@pytest.mark.parametrize("seed", range(12))
def test_a_kill_loses_nothing_and_repeats_no_trial(app: App, seed: int) -> None:
    """Dies before its n-th write, twice; what was acknowledged is there, and the values are those of a calm search."""
    expected = app.tune("calm", **{f"{LIMITS}.MaxParallelTrainingJobs": 1})
    calm = [each["TunedHyperParameters"] for each in app.trials("calm")]
    app.call(
        "CreateHyperParameterTuningJob",
        app.request("t", **{f"{LIMITS}.MaxParallelTrainingJobs": 1, f"{CONFIG}.Strategy": "Random"}),
    )
    app.store.writes_left = 1 + 2 * seed
    for _ in range(2):
        acknowledged = {each["TrainingJobName"] for each in app.store.list("TrainingJob")}
        app.until(
            lambda: (app.store.writes_left or 0) < 0 or app.describe()["HyperParameterTuningJobStatus"] == "Completed"
        )
        app.restart()
        assert acknowledged <= {each["TrainingJobName"] for each in app.store.list("TrainingJob")}
        app.store.writes_left = 3 + seed
    app.restart()
    job = app.ended()
    assert job["TrainingJobStatusCounters"] == expected["TrainingJobStatusCounters"]
    trials = app.trials()
    assert [each["TunedHyperParameters"] for each in trials] == calm
    jobs = [each for each in app.store.list("TrainingJob") if each["TrainingJobName"].startswith("t-")]
    assert [each["TrainingJobName"] for each in jobs] == [each["TrainingJobName"] for each in trials]
    assert json.dumps(job["BestTrainingJob"]) == json.dumps(
        max(trials, key=lambda each: float(each["TunedHyperParameters"]["x"]))
    )
