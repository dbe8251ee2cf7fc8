"""Requests that AWS refuses, in its words where they are known."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.errors import AwsError

CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"
RANGES = f"{CONFIG}.ParameterRanges"
TRIAL = "TrainingJobDefinition"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
IMAGE = {"TrainingImage": XGBOOST, "TrainingInputMode": "File"}
BAND = f"{CONFIG}.StrategyConfig.HyperbandStrategyConfig"
K = {"Name": "k", "MinValue": "1", "MaxValue": "3"}
App = Any  # conftest's Laptop


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {f"{TRIAL}.AlgorithmSpecification": {**IMAGE, "TrainingImage": XGBOOST.replace("xgboost", "scikit-learn")}},
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric "
            "definitions.",
        ),
        (
            {f"{TRIAL}.AlgorithmSpecification": IMAGE},
            f"The objective metric, [score], isn't valid for the [{XGBOOST}] algorithm. Choose a valid objective",
        ),
        (
            {
                f"{TRIAL}.AlgorithmSpecification": IMAGE,
                f"{CONFIG}.HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:rmse"},
            },
            "The objective metric type, [Maximize], that you specified for objective metric, [validation:rmse], isn't "
            f"valid for the [{XGBOOST}] algorithm. Choose a valid objective metric type.",
        ),
        (
            {RANGES: {"IntegerParameterRanges": [K]}},
            "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter "
            "combinations for the provided ranges [3.0] must be equal or greater than the value of MaxNumberOfJobs, "
            "[6]. Provide additional ranges.",
        ),
        ({RANGES: {"IntegerParameterRanges": [K, K]}}, "[k] has 2 ranges"),
        ({RANGES: {}}, "ParameterRanges must have at least one hyperparameter to tune"),
        ({f"{TRIAL}.StaticHyperParameters": {"x": "1"}}, "The hyperparameters ['x'] are static and have a range"),
        ({f"{LIMITS}.MaxNumberOfTrainingJobs": None}, "must have MaxNumberOfTrainingJobs or MaxRuntimeInSeconds"),
        ({f"{LIMITS}.MaxNumberOfTrainingJobs": 10_001}, "MaxNumberOfTrainingJobs [10001] is over"),
        ({f"{LIMITS}.MaxParallelTrainingJobs": 101}, "MaxParallelTrainingJobs [101] is over"),
        ({f"{LIMITS}.MaxRuntimeInSeconds": 60}, "greater than or equal to 120"),
        ({f"{CONFIG}.Strategy": "Grid"}, "Grid search takes categorical ranges only, and ['k', 'x'] are not"),
        (
            {
                f"{CONFIG}.Strategy": "Grid",
                RANGES: {"CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b"]}]},
            },
            "MaxNumberOfTrainingJobs [6] must be the number of combinations, [2], or be left out",
        ),
        ({f"{CONFIG}.Strategy": "Hyperband"}, "MaxResource parameter is not provided and could not be inferred"),
        (
            {f"{CONFIG}.Strategy": "Hyperband", BAND: {"MinResource": 9, "MaxResource": 3}},
            "MaxResource [3] must be at least MinResource [9]",
        ),
        (
            {
                f"{CONFIG}.Strategy": "Hyperband",
                BAND: {"MaxResource": 3},
                f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto",
            },
            "TrainingJobEarlyStoppingType must be Off",
        ),
        ({BAND: {"MaxResource": 3}}, "StrategyConfig is only for the strategy Hyperband"),
        ({f"{CONFIG}.HyperParameterTuningJobObjective": None}, "HyperParameterTuningJobObjective is required"),
        ({TRIAL: None}, "exactly one of TrainingJobDefinition and TrainingJobDefinitions"),
        ({"Autotune": {"Mode": "Enabled"}}, "The field Autotune is not implemented"),
        (
            {f"{RANGES}.AutoParameters": [{"Name": "a", "ValueHint": "1"}]},
            "The field HyperParameterTuningJobConfig.ParameterRanges.AutoParameters is not implemented",
        ),
        ({"HyperParameterTuningJobName": "n" * 33}, "length less than or equal to 32"),
        # What a trial's own CreateTrainingJob refuses is refused at once.
        ({f"{TRIAL}.ResourceConfig.InstanceType": "ml.m5.tiny"}, "Value 'ml.m5.tiny' at"),
        ({f"{TRIAL}.ResourceConfig": None}, "must have ResourceConfig or HyperParameterTuningResourceConfig"),
        ({f"{TRIAL}.AlgorithmSpecification.TrainingImage": "no/such:image"}, "is not known to sagelocal"),
        ({f"{TRIAL}.StaticHyperParameters": {}}, "image runs a script"),
        ({f"{TRIAL}.OutputDataConfig.S3OutputPath": "https://x"}, "https://x"),
    ],
)
def test_what_is_wrong_is_said(app: App, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError) as refused:
        app.tune(**changes)
    assert said in refused.value.message
    assert app.store.list("HyperParameterTuningJob") == []


def several(app: App, **members: Any) -> dict[str, Any]:
    given = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
    objective = {"Type": "Maximize", "MetricName": "score"}
    return app.training(DefinitionName="a", TuningObjective=objective, HyperParameterRanges=given, **members)


@pytest.mark.parametrize(
    ("members", "changes", "said"),
    [
        ({}, {f"{CONFIG}.TrainingJobEarlyStoppingType": "Auto"}, "TrainingJobEarlyStoppingType Auto is not supported"),
        (
            {},
            {
                "WarmStartConfig": {
                    "WarmStartType": "TransferLearning",
                    "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "p"}],
                }
            },
            "Warm start is not supported with TrainingJobDefinitions",
        ),
        ({}, {RANGES: {"IntegerParameterRanges": [K]}}, "ParameterRanges cannot be given"),
        ({"DefinitionName": "a"}, {}, "must be unique"),
        ({"DefinitionName": "b", "TuningObjective": {"Type": "Minimize", "MetricName": "score"}}, {}, "the same Type"),
    ],
)
def test_several_definitions_have_rules_of_their_own(
    app: App, members: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    one = several(app)
    with pytest.raises(AwsError) as refused:
        app.tune(
            **{
                TRIAL: None,
                "TrainingJobDefinitions": [one, {**one, **members}],
                f"{CONFIG}.HyperParameterTuningJobObjective": None,
                RANGES: None,
                **changes,
            }
        )
    assert said in refused.value.message


def test_a_name_is_taken_once(app: App) -> None:
    app.tune("twice")
    with pytest.raises(AwsError, match="A hyperparameter tuning job with the name, twice, already exists"):
        app.tune("twice")


def test_of_several_instance_configurations_the_first_is_taken(app: App) -> None:
    configs = [{"InstanceType": f"ml.{each}.large", "InstanceCount": 1, "VolumeSizeInGB": 7} for each in ("m5", "r5")]
    own = {"AllocationStrategy": "Prioritized", "InstanceConfigs": configs}
    app.tune(
        **{
            f"{TRIAL}.ResourceConfig": None,
            f"{TRIAL}.HyperParameterTuningResourceConfig": own,
            f"{LIMITS}.MaxNumberOfTrainingJobs": 1,
        }
    )
    name = app.trials()[0]["TrainingJobName"]
    given = app.call("DescribeTrainingJob", {"TrainingJobName": name})["ResourceConfig"]
    assert given == {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 7}
