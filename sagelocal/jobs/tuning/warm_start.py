"""Tuning jobs that start from what earlier ones found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import validation
from sagelocal.jobs.tuning import trials
from sagelocal.jobs.tuning.definitions import Definition, definitions
from sagelocal.jobs.tuning.trials import KIND, Tried

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
IDENTICAL = "IdenticalDataAndAlgorithm"
# TrainingJobDefinition's members that may differ from a parent's, as AWS's own error lists them.
_MAY_CHANGE = (
    *("AlgorithmSpecification", "InputDataConfig", "OutputDataConfig", "StaticHyperParameters", "RoleArn"),
    *("ResourceConfig", "StoppingCondition", "VpcConfig", "EnableManagedSpotTraining", "CheckpointConfig"),
)
_MOST_CHANGES = 10


def parents(job: Mapping[str, Any]) -> list[str]:
    given = (job.get("WarmStartConfig") or {}).get("ParentHyperParameterTuningJobs") or []
    return [str(each.get("HyperParameterTuningJobName")) for each in given]


def check(app: SageLocal, job: Mapping[str, Any]) -> None:
    """The developer guide's restrictions (automatic-model-tuning-warm-start). Raises AwsError."""
    names = parents(job)
    if len(set(names)) < len(names):
        raise validation(f"The parents of a warm start must be different tuning jobs: {names}.")
    for name in names:
        parent = app.find(KIND, name)
        if not trials.ended(parent["HyperParameterTuningJobStatus"]):
            raise validation(
                f"The parent tuning job {name} is in status {parent['HyperParameterTuningJobStatus']}: it must be "
                "Completed, Stopped or Failed."
            )
        if "TrainingJobDefinition" not in parent:
            raise validation(f"The parent tuning job {name} has several training job definitions.")
        _compare(name, definitions(parent)[0], definitions(job)[0], job["WarmStartConfig"]["WarmStartType"])


def _compare(name: str, parent: Definition, own: Definition, kind: str) -> None:
    if parent.objective != own.objective:
        raise validation(
            f"The objective {own.objective} must be the same as that of the parent tuning job {name}, "
            f"{parent.objective}."
        )
    if _names(parent) != _names(own):
        raise validation(
            "The set of tunable plus static HyperParameter names is not the same across current and parent tuning "
            "jobs. Please ensure this set is constant when warm starting. Note that previously static HyperParameters "
            "can be tuned in warm start jobs and vice versa."
        )
    kinds = {each.name: each.kind for each in parent.ranges}
    for each in own.ranges:
        if kinds.get(each.name, each.kind) != each.kind:
            raise validation(f"The type of the hyperparameter [{each.name}] must not change between warm started jobs.")
    if (changes := _changes(parent, own)) > _MOST_CHANGES:
        raise validation(
            f"{changes} values of hyperparameters became static or changed since the parent tuning job {name}: at most "
            f"{_MOST_CHANGES} may."
        )
    if kind != IDENTICAL:
        return
    images = [each.training["AlgorithmSpecification"].get("TrainingImage") for each in (parent, own)]
    if images[0] != images[1]:
        raise validation(f"With {IDENTICAL} the training image must be the parent's, {images[0]}, not {images[1]}.")
    for member in parent.training.keys() | own.training.keys():
        if member not in _MAY_CHANGE and parent.training.get(member) != own.training.get(member):
            allowed = ", ".join(each[0].lower() + each[1:] for each in _MAY_CHANGE)
            raise validation(f"Only the following fields in TrainingJobDefinition are allowed to change: [{allowed}].")


def _names(definition: Definition) -> set[str]:
    return {*definition.static, *(each.name for each in definition.ranges)}


def _changes(parent: Definition, own: Definition) -> int:
    """From tunable to static, where each value of a category counts, and of static values, where old and new count."""
    tuned = {each.name: each for each in parent.ranges}
    became = sum(
        int(tuned[name].size) if tuned[name].kind.startswith("Categorical") else 1
        for name in own.static
        if name in tuned
    )
    return became + 2 * sum(name in own.static and own.static[name] != text for name, text in parent.static.items())


def known(app: SageLocal, job: Mapping[str, Any]) -> list[Tried]:
    """The parents' results; what one had as a static value counts as tried, too. Not recursive, as on AWS."""
    found: list[Tried] = []
    for name in parents(job):
        parent = app.store.find(KIND, name)
        static = definitions(parent)[0].static if parent else {}
        for document in app.store.list(trials.RECORD, parent=name):
            trial = trials.load(document)
            if trial.objective is not None:
                found.append(Tried(static | trial.values, trial.objective))
    return found


def overall_best(app: SageLocal, job: Mapping[str, Any], own: Document | None, *, maximize: bool) -> Document | None:
    """OverallBestTrainingJob: of this tuning job and its parents. Each says which tuning job it is of."""
    found: Sequence[Document] = [own | {"TuningJobName": job["HyperParameterTuningJobName"]}] if own else []
    for name in parents(job):
        parent = app.store.find(KIND, name)
        if parent and parent.get("BestTrainingJob"):
            found = [*found, parent["BestTrainingJob"] | {"TuningJobName": name}]
    return trials.best(found, maximize=maximize)
