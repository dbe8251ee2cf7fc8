"""What CreateHyperParameterTuningJob refuses beyond shapes, in AWS's words where they are known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sagelocal.api.errors import AwsError, validation
from sagelocal.containers import family
from sagelocal.jobs.tuning.definitions import OBJECTIVE_HYPERPARAMETER, Definition
from sagelocal.jobs.tuning.ranges import KINDS, combinations

Document = dict[str, Any]
_MOST_TRIALS = 10_000  # what the quota, 750 at first, can be raised to
_MOST_PARALLEL = 100  # 10 at first
_EPOCHS = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")  # where Hyperband's MaxResource is looked for
_MOST_EPOCHS = 20_000
_HIGHER_IS_BETTER = (
    *("accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg", "precision"),
    *("precision_macro", "precision_micro", "r2", "recall", "recall_macro", "recall_micro"),
    *("interval-regression-accuracy",),
)


def parts(request: Mapping[str, Any]) -> None:
    """Which members go together. Raises AwsError."""
    config = request["HyperParameterTuningJobConfig"]
    several = request.get("TrainingJobDefinitions")
    if (request.get("TrainingJobDefinition") is None) == (several is None):
        raise validation("Give exactly one of TrainingJobDefinition and TrainingJobDefinitions.")
    if several is None:
        _one(config, request["TrainingJobDefinition"])
    else:
        _several(request, config, several)


def _one(config: Document, definition: Document) -> None:
    for member in ("TuningObjective", "HyperParameterRanges"):
        if member in definition:
            raise validation(f"{member} belongs into TrainingJobDefinitions; TrainingJobDefinition cannot have it.")
    if "HyperParameterTuningJobObjective" not in config:
        raise validation("A HyperParameterTuningJobObjective is required with TrainingJobDefinition.")
    _has_ranges(config.get("ParameterRanges"), "ParameterRanges")


def _several(request: Mapping[str, Any], config: Document, definitions: Sequence[Document]) -> None:
    """Warm start and early stopping are for a single algorithm (developer guide, multiple-algorithm-hpo)."""
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        if config.get(member):
            raise validation(f"With TrainingJobDefinitions, each has its own, so {member} cannot be given.")
    if request.get("WarmStartConfig"):
        raise validation("Warm start is not supported with TrainingJobDefinitions.")
    if config.get("TrainingJobEarlyStoppingType") == "Auto":
        raise validation("TrainingJobEarlyStoppingType Auto is not supported with TrainingJobDefinitions.")
    for each in definitions:
        for member in ("DefinitionName", "TuningObjective", "HyperParameterRanges"):
            if member not in each:
                raise validation(f"Each of TrainingJobDefinitions must have {member}.")
        _has_ranges(each["HyperParameterRanges"], f"HyperParameterRanges of {each['DefinitionName']}")
    names = [each["DefinitionName"] for each in definitions]
    if len(set(names)) < len(names):
        raise validation(f"The DefinitionName of each of TrainingJobDefinitions must be unique: {names}.")
    if len({each["TuningObjective"]["Type"] for each in definitions}) > 1:
        raise validation("The TuningObjective of all TrainingJobDefinitions must have the same Type.")


def _has_ranges(given: Mapping[str, Any] | None, where: str) -> None:
    if not any((given or {}).get(kind) for kind in KINDS):
        raise validation(f"{where} must have at least one hyperparameter to tune.")


def search(config: Document, definitions: Sequence[Definition]) -> None:
    """Objectives, ranges, strategy and limits. Raises AwsError."""
    for definition in definitions:
        _objective(definition)
        if both := sorted(set(definition.static) & {each.name for each in definition.ranges}):
            raise validation(f"The hyperparameters {both} are static and have a range: each can be only one of them.")
        if OBJECTIVE_HYPERPARAMETER in {each.name for each in definition.ranges}:
            raise validation(f"The hyperparameter [{OBJECTIVE_HYPERPARAMETER}] is reserved.")
    limits = config["ResourceLimits"]
    _within("MaxNumberOfTrainingJobs", limits.get("MaxNumberOfTrainingJobs", 1), _MOST_TRIALS)
    _within("MaxParallelTrainingJobs", limits["MaxParallelTrainingJobs"], _MOST_PARALLEL)
    if config["Strategy"] == "Grid":
        _grid(limits.get("MaxNumberOfTrainingJobs"), definitions)
    else:
        _enough(config, definitions)
    if config["Strategy"] == "Hyperband":
        hyperband(config, definitions[0])
        if config.get("TrainingJobEarlyStoppingType") == "Auto":
            raise validation("TrainingJobEarlyStoppingType must be Off when the strategy is Hyperband.")
    elif config.get("StrategyConfig"):
        raise validation(
            f"StrategyConfig is only for the strategy Hyperband, and the strategy is {config['Strategy']}."
        )


def _objective(definition: Definition) -> None:
    algorithm = definition.training["AlgorithmSpecification"]
    metric, direction = definition.objective["MetricName"], definition.objective["Type"]
    image = algorithm.get("TrainingImage", "")
    known = family(image)
    own = [each["Name"] for each in known.metric_definitions]
    if own and metric not in own:
        raise validation(
            f"The objective metric, [{metric}], isn't valid for the [{image}] algorithm. Choose a valid objective "
            f"metric: {', '.join(own)}."
        )
    if known.name == "xgboost" and (direction == "Maximize") != (metric.split(":")[-1] in _HIGHER_IS_BETTER):
        raise validation(
            f"The objective metric type, [{direction}], that you specified for objective metric, [{metric}], isn't "
            f"valid for the [{image}] algorithm. Choose a valid objective metric type."
        )
    if not own and metric not in [each["Name"] for each in algorithm.get("MetricDefinitions") or []]:
        raise validation(
            "A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric "
            "definitions."
        )


def _within(member: str, asked: int, most: int) -> None:
    if asked > most:
        raise AwsError("ResourceLimitExceeded", f"{member} [{asked}] is over the service's limit of {most}.")


def _grid(most: int | None, definitions: Sequence[Definition]) -> None:
    for definition in definitions:
        if other := [each.name for each in definition.ranges if each.kind != "CategoricalParameterRanges"]:
            raise validation(f"Grid search takes categorical ranges only, and {other} are not.")
    total = int(sum(combinations(definition.ranges) for definition in definitions))
    if most is not None and most != total:
        raise validation(
            f"With the strategy Grid, MaxNumberOfTrainingJobs [{most}] must be the number of combinations, [{total}], "
            "or be left out."
        )
    _within("The number of combinations", total, _MOST_TRIALS)


def _enough(config: Document, definitions: Sequence[Definition]) -> None:
    most = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    total = sum(combinations(definition.ranges) for definition in definitions)
    if most is None and "MaxRuntimeInSeconds" not in config["ResourceLimits"] and not _criteria(config):
        raise validation(
            "ResourceLimits must have MaxNumberOfTrainingJobs or MaxRuntimeInSeconds, or TuningJobCompletionCriteria "
            "must say when to end."
        )
    if most is not None and not math.isinf(total) and total < most:
        raise validation(
            "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter "
            f"combinations for the provided ranges [{float(total)}] must be equal or greater than the value of "
            f"MaxNumberOfJobs, [{most}]. Provide additional ranges."
        )


def _criteria(config: Document) -> bool:
    return bool(config.get("TuningJobCompletionCriteria"))


def hyperband(config: Document, definition: Definition) -> tuple[int, int]:
    """MinResource and MaxResource, the latter from a static hyperparameter where it isn't given. Raises AwsError."""
    given = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    least, most = given.get("MinResource", 1), given.get("MaxResource")
    for name in _EPOCHS:
        text = definition.static.get(name, "").strip('"')
        if most is None and text.isdecimal():
            most = int(text)
    if most is None:
        raise validation(
            "MaxResource parameter is not provided and could not be inferred from provided static hyperparameters of "
            "TrainingJobDefinition."
        )
    if not least <= most <= _MOST_EPOCHS:
        raise validation(
            f"HyperbandStrategyConfig: MaxResource [{most}] must be at least MinResource [{least}] and at most "
            f"{_MOST_EPOCHS}."
        )
    return least, most
